#include "sheet_internal.h"

#include <iconv.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include "base/mem.h"

/* ---- a row ---- */

void sheet_out_begin(struct sheet_out *o, unsigned number)
{
	o->number = number;
	o->n = 0;
	memset(o->at, 0, sizeof(o->at));
	str_reset(&o->text);
}

err_t sheet_out_cell(struct sheet_out *o, size_t column, const char *text, size_t n)
{
	if (!n)
		return ERR_OK;
	if (column >= SHEET_COLUMNS_MAX)
		return err_set(o->detail, ERR_EXHAUSTED, "file", "row %u has more than %d columns", o->number,
			       SHEET_COLUMNS_MAX);
	if (o->at[column])
		return err_set(o->detail, ERR_INVALID, "file", "row %u has column %zu twice", o->number, column + 1);
	if (n > SHEET_CELL_MAX)
		return err_set(o->detail, ERR_EXHAUSTED, "file", "row %u, column %zu has more than %d bytes", o->number,
			       column + 1, SHEET_CELL_MAX);
	if (!str_utf8_valid(text, n))
		return err_set(o->detail, ERR_INVALID, "file",
			       "row %u, column %zu is not UTF-8: save it as UTF-8, or name its charset (GB18030)",
			       o->number, column + 1);
	o->at[column] = o->text.len + 1;
	str_append_n(&o->text, text, n);
	str_append_c(&o->text, '\0');
	if (column >= o->n)
		o->n = column + 1;
	return o->text.failed ? ERR_EXHAUSTED : ERR_OK;
}

err_t sheet_out_row(struct sheet_out *o)
{
	const char *cells[SHEET_COLUMNS_MAX];
	struct sheet_row row = { .number = o->number, .n = o->n, .cells = cells };

	if (!o->n)
		return ERR_OK;
	if (++o->n_rows > SHEET_ROWS_MAX)
		return err_set(o->detail, ERR_EXHAUSTED, "file", "more than %d rows", SHEET_ROWS_MAX - 1);
	for (size_t i = 0; i < o->n; i++)
		cells[i] = o->at[i] ? o->text.data + o->at[i] - 1 : "";
	return o->fn(&row, o->arg);
}

/* ---- charsets ---- */

static bool is_gb18030(const char *charset)
{
	return charset && strcasecmp(charset, "GB18030") == 0;
}

bool sheet_charset_ok(const char *charset)
{
	return str_empty(charset) || strcasecmp(charset, "UTF-8") == 0 || is_gb18030(charset);
}

/* Bytes that are none of the charset end it. */
static err_t convert(iconv_t cd, const char *bytes, size_t size, struct str *ret, struct err_detail *detail)
{
	char *from = (char *)bytes, piece[65536];
	size_t left = size;

	while (left) {
		char *to = piece;
		size_t room = sizeof(piece);

		if (iconv(cd, &from, &left, &to, &room) == (size_t)-1 && errno != E2BIG)
			return err_set(detail, ERR_INVALID, "charset", "byte %zu of the file is not GB18030",
				       size - left + 1);
		str_append_n(ret, piece, sizeof(piece) - room);
		if (ret->failed)
			return ERR_EXHAUSTED;
	}
	return ERR_OK;
}

static err_t read_gb18030(struct sheet_out *o, const char *bytes, size_t size)
{
	struct str text = STR_INIT;
	iconv_t cd = iconv_open("UTF-8", "GB18030");

	if (cd == (iconv_t)-1)
		return err_set(o->detail, ERR_UNIMPLEMENTED, "charset", "this system cannot convert GB18030");
	err_t e = convert(cd, bytes, size, &text, o->detail);
	iconv_close(cd);
	if (!e)
		e = sheet_csv(o, str_text(&text), text.len);
	str_done(&text);
	return e;
}

static err_t read_csv(struct sheet_out *o, const char *bytes, size_t size, const char *charset)
{
	static const char mark[] = "\xef\xbb\xbf";

	if (size > SHEET_CSV_BYTES_MAX)
		return err_set(o->detail, ERR_EXHAUSTED, "file", "larger than %zu bytes", SHEET_CSV_BYTES_MAX);
	if (is_gb18030(charset))
		return read_gb18030(o, bytes, size);
	if (size >= 3 && memcmp(bytes, mark, 3) == 0) {
		bytes += 3;
		size -= 3;
	}
	return sheet_csv(o, bytes, size);
}

/* ---- the table ---- */

bool sheet_is_xlsx(const void *bytes, size_t size)
{
	return size >= 4 && memcmp(bytes, "PK\x03\x04", 4) == 0;
}

err_t sheet_read(const void *bytes, size_t size, const struct sheet_params *p, sheet_row_fn *fn, void *arg,
		 struct err_detail *detail)
{
	struct sheet_out o = { .fn = fn, .arg = arg, .detail = detail };
	bool xlsx = p->format == SHEET_XLSX || (p->format == SHEET_AUTO && sheet_is_xlsx(bytes, size));

	if (!sheet_charset_ok(p->charset))
		return err_set(detail, ERR_INVALID, "charset", "'%.40s' is not UTF-8 or GB18030", p->charset);
	err_t e = xlsx ? sheet_xlsx(&o, bytes, size) : read_csv(&o, bytes, size, p->charset);
	str_done(&o.text);
	return e;
}
