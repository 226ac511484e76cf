#ifndef SHEET_SHEET_INTERNAL_H
#define SHEET_SHEET_INTERNAL_H

#include "base/str.h"
#include "sheet/sheet.h"

/* ---- sheet.c: a row in the making ---- */
struct sheet_out {
	sheet_row_fn *fn;
	void *arg;
	struct err_detail *detail;
	unsigned number;
	size_t n_rows;
	size_t n;		      /* cells of the row */
	size_t at[SHEET_COLUMNS_MAX]; /* in text, + 1; 0: empty */
	struct str text;
};
void sheet_out_begin(struct sheet_out *o, unsigned number);
/* column from 0; each once in a row, or it is refused: so a row's text stays below 64 * 4097 bytes. */
err_t sheet_out_cell(struct sheet_out *o, size_t column, const char *text, size_t n) MUST;
err_t sheet_out_row(struct sheet_out *o) MUST;

err_t sheet_csv(struct sheet_out *o, const char *text, size_t size) MUST;
err_t sheet_xlsx(struct sheet_out *o, const void *bytes, size_t size) MUST;

/* ---- xml.c: one XML document in pieces, with bounded memory ---- */
struct sheet_xml {
	void *parser;
	err_t error;
	size_t depth, used_bytes;
	/* names without their namespace; atts: name, value, …, NULL */
	void (*on_start)(struct sheet_xml *x, const char *name, const char **atts);
	void (*on_end)(struct sheet_xml *x, const char *name);
	void (*on_text)(struct sheet_xml *x, const char *text, size_t n);
	void *arg;
	struct err_detail *detail;
	const char *part; /* its name, for errors */
};
/* The functions and arg are set before. */
err_t sheet_xml_open(struct sheet_xml *x) MUST;
err_t sheet_xml_feed(struct sheet_xml *x, const void *bytes, size_t n, bool last) MUST;
void sheet_xml_close(struct sheet_xml *x);
/* To end it from within a function. */
void sheet_xml_fail(struct sheet_xml *x, err_t e);
/* NULL: not there. */
const char *sheet_xml_attribute(const char **atts, const char *name);

/* ---- workbook.c: shared strings and a sheet as XML ---- */
struct sheet_strings {
	struct str text;
	size_t *at; /* where each begins, each with its NUL */
	size_t n, cap;
};
struct sheet_reader {
	struct sheet_out *out;
	struct sheet_strings strings;
	/* where in the XML it is */
	unsigned row;
	bool in_row;
	size_t column;
	char type; /* of the cell: 's'hared, 'b'oolean, 't'ext, 'n'umber; 0: outside a cell */
	unsigned phonetic;
	bool in_text;
	struct str cell;
};
void sheet_reader_done(struct sheet_reader *r);
void sheet_strings_xml(struct sheet_xml *x, struct sheet_reader *r);
void sheet_rows_xml(struct sheet_xml *x, struct sheet_reader *r);

#endif
