/* Workbooks as zip files: any bytes. */
#include <stdint.h>
#include <string.h>
#include "sheet/sheet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static err_t check_row(const struct sheet_row *row, void *arg)
{
	(void)arg;
	if (!row->n || row->n > SHEET_COLUMNS_MAX)
		__builtin_trap();
	return ERR_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err_detail d = { 0 };

	(void)!sheet_read(data, size, &(struct sheet_params){ .format = SHEET_XLSX }, check_row, NULL, &d);
	return 0;
}
