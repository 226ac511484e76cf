/*
 * sheet: a table from outside, row by row: CSV (RFC 4180) or the first sheet of an XLSX workbook (ECMA-376). Pure, any thread; what
 * comes out is UTF-8.
 *
 *	static err_t one_row(const struct sheet_row *row, void *arg) { … row->cells[0] … }
 *	e = sheet_read(bytes, size, &(struct sheet_params){ .format = SHEET_AUTO }, one_row, self, &detail);
 *
 * Whatever the bytes are, memory stays below about 150 MiB (of an XLSX: 64 MiB of shared strings, 32 MiB for its XML, the zip's
 * directory), and time below that of reading 256 MiB of XML twice. Nothing outside the file is ever looked at.
 */
#ifndef SHEET_SHEET_H
#define SHEET_SHEET_H

#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"

#define SHEET_CSV_BYTES_MAX  ((size_t)32 << 20)
#define SHEET_XLSX_BYTES_MAX ((size_t)16 << 20)
#define SHEET_ROWS_MAX	     200001 /* that have something in them; the header is one */
#define SHEET_COLUMNS_MAX    64
#define SHEET_CELL_MAX	     4096 /* bytes */

enum sheet_format { SHEET_AUTO, SHEET_CSV, SHEET_XLSX };

struct sheet_params {
	enum sheet_format format; /* SHEET_AUTO: a zip is XLSX, everything else CSV */
	const char *charset;	  /* of CSV: "UTF-8" (NULL, ""), with or without a byte order mark, or "GB18030" */
};

/* Lives during the call of fn only. */
struct sheet_row {
	unsigned number;	  /* as a spreadsheet shows it, from 1: of CSV that of the record, empty ones counted */
	size_t n;		  /* cells, up to the last that is there */
	const char *const *cells; /* "" where there is nothing */
};
typedef err_t sheet_row_fn(const struct sheet_row *row, void *arg);

/* Rows without any text are left out. ERR_INVALID: no such table; detail says in words where and what would be right (field "file",
 * or "charset"). ERR_EXHAUSTED: out of memory, or more than the limits allow. An error of fn ends it and is returned.
 *
 * CSV: fields are separated by the first of comma, semicolon and TAB that stands outside quotes in the first record; records end with CRLF, LF
 * or CR. XLSX: of a formula the value that was saved counts; numbers without a fraction come without an exponent; a date is the
 * number that it is stored as. */
err_t sheet_read(const void *bytes, size_t size, const struct sheet_params *p, sheet_row_fn *fn, void *arg,
		 struct err_detail *detail) MUST;
/* A workbook, by its first bytes. */
bool sheet_is_xlsx(const void *bytes, size_t size);
/* A charset that sheet_read knows. */
bool sheet_charset_ok(const char *charset);

#endif
