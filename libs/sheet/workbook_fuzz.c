/* The XML in a workbook, past the zip with its sums: shared strings, a zero byte, a sheet. */
#include <stdint.h>
#include <string.h>
#include "sheet_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static err_t check_row(const struct sheet_row *row, void *arg)
{
	unsigned *last = arg;

	if (row->number <= *last || !row->n || row->n > SHEET_COLUMNS_MAX || !*row->cells[row->n - 1])
		__builtin_trap();
	for (size_t i = 0; i < row->n; i++) {
		if (strlen(row->cells[i]) > SHEET_CELL_MAX)
			__builtin_trap();
	}
	*last = row->number;
	return ERR_OK;
}

static err_t read_part(struct sheet_xml *x, const void *bytes, size_t size)
{
	err_t e = sheet_xml_open(x);

	if (!e)
		e = sheet_xml_feed(x, bytes, size, true);
	sheet_xml_close(x);
	if (x->used_bytes)
		__builtin_trap();
	return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned last = 0;
	struct err_detail d = { 0 };
	struct sheet_out out = { .fn = check_row, .arg = &last, .detail = &d };
	struct sheet_reader r = { .out = &out };
	struct sheet_xml strings = { .part = "strings", .detail = &d }, rows = { .part = "rows", .detail = &d };
	const uint8_t *zero = memchr(data, 0, size);
	size_t n = zero ? (size_t)(zero - data) : 0;

	sheet_strings_xml(&strings, &r);
	err_t e = n ? read_part(&strings, data, n) : ERR_OK;
	if (!e) {
		sheet_rows_xml(&rows, &r);
		e = read_part(&rows, data + n + (zero != NULL), size - n - (zero != NULL));
	}
	(void)e;
	sheet_reader_done(&r);
	str_done(&out.text);
	return 0;
}
