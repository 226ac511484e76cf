/* RFC 4180, and what spreadsheets make of it: other separators, other line ends. */
#include "sheet_internal.h"

#include <string.h>

struct csv {
	struct sheet_out *out;
	const char *at, *end;
	char separator;
	struct str cell; /* a quoted one without its quotes */
};

static bool ends_line(char c)
{
	return c == '\r' || c == '\n';
}

static char find_separator(const char *text, size_t size)
{
	bool quoted = false;

	for (size_t i = 0; i < size && (quoted || !ends_line(text[i])); i++) {
		if (text[i] == '"')
			quoted = !quoted;
		else if (!quoted && (text[i] == ',' || text[i] == ';' || text[i] == '\t'))
			return text[i];
	}
	return ',';
}

/* After the opening quote, up to behind the closing one. */
static err_t take_quoted(struct csv *c)
{
	str_reset(&c->cell);
	for (;;) {
		const char *quote = memchr(c->at, '"', (size_t)(c->end - c->at));

		if (!quote)
			return err_set(c->out->detail, ERR_INVALID, "file", "row %u: a quote is not closed",
				       c->out->number);
		str_append_n(&c->cell, c->at, (size_t)(quote - c->at));
		c->at = quote + 1;
		if (c->at == c->end || *c->at != '"')
			return c->cell.failed ? ERR_EXHAUSTED : ERR_OK;
		str_append_c(&c->cell, '"');
		c->at++;
	}
}

static bool ends_cell(const struct csv *c)
{
	return c->at == c->end || *c->at == c->separator || ends_line(*c->at);
}

static err_t take_cell(struct csv *c, size_t column)
{
	if (c->at < c->end && *c->at == '"') {
		c->at++;
		err_t e = take_quoted(c);

		if (e)
			return e;
		if (!ends_cell(c))
			return err_set(
			    c->out->detail, ERR_INVALID, "file",
			    "row %u, column %zu: text after the closing quote; a quote inside is written twice",
			    c->out->number, column + 1);
		return sheet_out_cell(c->out, column, str_text(&c->cell), c->cell.len);
	}
	const char *from = c->at;
	while (!ends_cell(c))
		c->at++;
	return sheet_out_cell(c->out, column, from, (size_t)(c->at - from));
}

static err_t take_record(struct csv *c)
{
	for (size_t column = 0;; column++) {
		err_t e = take_cell(c, column);

		if (e)
			return e;
		if (c->at == c->end || *c->at != c->separator)
			break;
		c->at++;
	}
	if (c->at < c->end && *c->at++ == '\r' && c->at < c->end && *c->at == '\n')
		c->at++;
	return sheet_out_row(c->out);
}

err_t sheet_csv(struct sheet_out *o, const char *text, size_t size)
{
	struct csv c = { .out = o, .at = text, .end = text + size, .separator = find_separator(text, size) };
	err_t e = ERR_OK;

	for (unsigned number = 1; !e && c.at < c.end; number++) {
		sheet_out_begin(o, number);
		e = take_record(&c);
	}
	str_done(&c.cell);
	return e;
}
