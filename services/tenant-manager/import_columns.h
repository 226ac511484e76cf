/*
 * import_columns: which column of a table becomes which field of an agent or a number. Pure.
 *
 *	e = import_columns_make(&columns, kind, header_row, n, wanted, n_wanted, &detail);
 *	columns.field[2]                     // index in import_fields(kind), -1: the third column is not used
 */
#ifndef TM_IMPORT_COLUMNS_H
#define TM_IMPORT_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"
#include "sheet/sheet.h"

enum import_kind { IMPORT_AGENTS, IMPORT_NUMBERS };
enum import_type { IMPORT_TEXT, IMPORT_SECRET, IMPORT_BOOL, IMPORT_SKILLS, IMPORT_TARGET };

struct import_field {
	const char *name; /* of the message, and of the column unless something else is said */
	enum import_type type;
	bool required;	     /* a table without it is none */
	const char *also[3]; /* other headers that mean it; normalised as headers are */
};
#define IMPORT_FIELDS_MAX 8
/* Ends with name NULL. */
const struct import_field *import_fields(enum import_kind kind);
/* -1: there is none. */
int import_field_find(enum import_kind kind, const char *name);

/* What the uploader says of a column. */
struct import_wanted {
	const char *header, *field; /* field "-": not used */
};
struct import_columns {
	enum import_kind kind;
	size_t n;
	int field[SHEET_COLUMNS_MAX];
	int column[IMPORT_FIELDS_MAX]; /* of each field, -1: the table has none */
};

/* wanted[i] names a field of the kind, before there is a table. */
err_t import_wanted_check(enum import_kind kind, const struct import_wanted *wanted, size_t n,
			  struct err_detail *detail) MUST;
/* ERR_INVALID: a wanted column is not there, a field has two columns, or a required one none; detail.field "columns" or
 * "columns[1].header". */
err_t import_columns_make(struct import_columns *ret, enum import_kind kind, const char *const *header, size_t n,
			  const struct import_wanted *wanted, size_t n_wanted, struct err_detail *detail) MUST;

#endif
