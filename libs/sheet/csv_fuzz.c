/* CSV files: any bytes, in each charset (the first byte says which). */
#include <stdint.h>
#include <string.h>
#include "base/str.h"
#include "sheet/sheet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static err_t check_row(const struct sheet_row *row, void *arg)
{
	unsigned *last = arg;

	if (row->number <= *last || !row->n || row->n > SHEET_COLUMNS_MAX || !*row->cells[row->n - 1])
		__builtin_trap();
	for (size_t i = 0; i < row->n; i++) {
		size_t n = strlen(row->cells[i]);

		if (n > SHEET_CELL_MAX || !str_utf8_valid(row->cells[i], n))
			__builtin_trap();
	}
	*last = row->number;
	return ERR_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sheet_params p = { .format = SHEET_CSV };
	struct err_detail d = { 0 };
	unsigned last = 0;

	if (!size)
		return 0;
	p.charset = data[0] & 1 ? "GB18030" : "UTF-8";
	if (sheet_read(data + 1, size - 1, &p, check_row, &last, &d) && !d.message[0])
		__builtin_trap();
	return 0;
}
