/* The two parts of a workbook that have its text: the strings that cells share, and a sheet's rows (ECMA-376 part 1, 18.4 and 18.3). */
#include "sheet_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

#define STRINGS_MAX	  1000000
#define STRINGS_BYTES_MAX ((size_t)64 << 20)
#define WHOLE_MAX	  1e15 /* whole numbers up to here are exact */

void sheet_reader_done(struct sheet_reader *r)
{
	str_done(&r->strings.text);
	str_done(&r->cell);
	mem_free(r->strings.at);
}

static void fail(struct sheet_xml *x, err_t e, const char *text)
{
	sheet_xml_fail(x, err_set(x->detail, e, "file", "%s %s", x->part, text));
}

/* Text with its reading beside it (furigana, 拼音): the reading is not part of it. */
static bool is_phonetic(const char *name)
{
	return strcmp(name, "rPh") == 0;
}

/* ---- shared strings ---- */

static bool reserve(struct sheet_strings *s)
{
	if (s->n < s->cap)
		return true;
	size_t cap = s->cap ? 2 * s->cap : 1024;
	size_t *at = mem_realloc(s->at, cap * sizeof(*at));
	if (!at)
		return false;
	s->at = at;
	s->cap = cap;
	return true;
}

static void string_start(struct sheet_xml *x, const char *name, const char **atts)
{
	struct sheet_reader *r = x->arg;
	struct sheet_strings *s = &r->strings;

	(void)atts;
	if (is_phonetic(name)) {
		r->phonetic++;
	} else if (strcmp(name, "t") == 0) {
		r->in_text = !r->phonetic;
	} else if (strcmp(name, "si") == 0) {
		if (s->n >= STRINGS_MAX)
			fail(x, ERR_EXHAUSTED, "has too many strings");
		else if (!reserve(s))
			sheet_xml_fail(x, ERR_EXHAUSTED);
		else
			s->at[s->n++] = s->text.len;
	}
}

static void string_end(struct sheet_xml *x, const char *name)
{
	struct sheet_reader *r = x->arg;

	if (is_phonetic(name))
		r->phonetic--;
	else if (strcmp(name, "t") == 0)
		r->in_text = false;
	else if (strcmp(name, "si") == 0)
		str_append_c(&r->strings.text, '\0');
	if (r->strings.text.failed)
		sheet_xml_fail(x, ERR_EXHAUSTED);
}

static void string_text(struct sheet_xml *x, const char *text, size_t n)
{
	struct sheet_reader *r = x->arg;

	if (!r->in_text || !r->strings.n)
		return;
	if (r->strings.text.len + n > STRINGS_BYTES_MAX)
		fail(x, ERR_EXHAUSTED, "has too much text");
	else
		str_append_n(&r->strings.text, text, n);
}

void sheet_strings_xml(struct sheet_xml *x, struct sheet_reader *r)
{
	x->on_start = string_start;
	x->on_end = string_end;
	x->on_text = string_text;
	x->arg = r;
	r->phonetic = 0;
	r->in_text = false;
}

/* ---- rows ---- */

/* "AB12" is column 27 (from 0); not one: as it was. */
static size_t column_of(const char *reference, size_t otherwise)
{
	size_t n = 0, column = 0;

	for (; reference[n] >= 'A' && reference[n] <= 'Z' && n < 4; n++)
		column = 26 * column + (size_t)(reference[n] - 'A') + 1;
	return n && n < 4 ? column - 1 : otherwise;
}

static char type_of(const char *t)
{
	if (!t || strcmp(t, "n") == 0)
		return 'n';
	if (strcmp(t, "s") == 0)
		return 's';
	return strcmp(t, "b") == 0 ? 'b' : 't';
}

static void begin_row(struct sheet_xml *x, const char *number)
{
	struct sheet_reader *r = x->arg;
	int64_t n = (int64_t)r->row + 1;

	if (r->in_row || (number && (str_to_i64(number, 1, 1 << 24, &n) || n <= (int64_t)r->row))) {
		fail(x, ERR_INVALID, "has rows that do not follow each other");
		return;
	}
	r->row = (unsigned)n;
	r->in_row = true;
	r->column = 0;
	sheet_out_begin(r->out, r->row);
}

static void begin_cell(struct sheet_reader *r, const char **atts)
{
	const char *reference = sheet_xml_attribute(atts, "r");

	r->column = reference ? column_of(reference, r->column) : r->column;
	r->type = type_of(sheet_xml_attribute(atts, "t"));
	str_reset(&r->cell);
}

static void row_start(struct sheet_xml *x, const char *name, const char **atts)
{
	struct sheet_reader *r = x->arg;

	if (is_phonetic(name))
		r->phonetic++;
	else if (strcmp(name, "row") == 0)
		begin_row(x, sheet_xml_attribute(atts, "r"));
	else if (strcmp(name, "c") == 0 && r->in_row)
		begin_cell(r, atts);
	else if (strcmp(name, "v") == 0 || strcmp(name, "t") == 0)
		r->in_text = r->type && !r->phonetic;
}

/* 862012345678 is written so, not 8.62012345678E11. */
static void plain_number(struct str *cell)
{
	char buf[32], *end;

	if (!strpbrk(str_text(cell), ".eE"))
		return;
	double v = strtod(cell->data, &end);
	if (*end || v != floor(v) || fabs(v) >= WHOLE_MAX)
		return;
	snprintf(buf, sizeof(buf), "%.0f", v);
	str_reset(cell);
	str_append(cell, buf);
}

static void end_cell(struct sheet_xml *x, struct sheet_reader *r)
{
	const char *text = str_text(&r->cell);
	size_t n = r->cell.len;
	int64_t i;

	if (r->type == 's' && n) {
		if (str_to_i64(text, 0, (int64_t)r->strings.n - 1, &i)) {
			fail(x, ERR_INVALID, "names a shared string that is not there");
			return;
		}
		text = r->strings.text.data + r->strings.at[i];
		n = strlen(text);
	} else if (r->type == 'b') {
		text = strcmp(text, "1") == 0 ? "true" : "false";
		n = strlen(text);
	} else if (r->type == 'n') {
		plain_number(&r->cell);
		text = str_text(&r->cell);
		n = r->cell.len;
	}
	err_t e = r->cell.failed ? ERR_EXHAUSTED : sheet_out_cell(r->out, r->column, text, n);
	if (e)
		sheet_xml_fail(x, e);
	r->type = 0;
	r->column++;
}

static void row_end(struct sheet_xml *x, const char *name)
{
	struct sheet_reader *r = x->arg;

	if (is_phonetic(name)) {
		r->phonetic--;
	} else if (strcmp(name, "v") == 0 || strcmp(name, "t") == 0) {
		r->in_text = false;
	} else if (strcmp(name, "c") == 0 && r->type) {
		end_cell(x, r);
	} else if (strcmp(name, "row") == 0) {
		err_t e = sheet_out_row(r->out);

		r->in_row = false;
		if (e)
			sheet_xml_fail(x, e);
	}
}

static void row_text(struct sheet_xml *x, const char *text, size_t n)
{
	struct sheet_reader *r = x->arg;

	if (!r->in_text)
		return;
	/* More than that is refused by sheet_out_cell. */
	if (r->cell.len <= SHEET_CELL_MAX)
		str_append_n(&r->cell, text, n);
}

void sheet_rows_xml(struct sheet_xml *x, struct sheet_reader *r)
{
	x->on_start = row_start;
	x->on_end = row_end;
	x->on_text = row_text;
	x->arg = r;
	r->row = 0;
	r->in_row = false;
	r->type = 0;
	r->phonetic = 0;
	r->in_text = false;
}
