/*
 * import_table: a whole file as records that could be written, and what is wrong with the rest. Pure but for hashing; one thread at a
 * time. Memory: about 400 bytes a row; at most 128 MiB of what is to be written, a million references and the texts in them.
 *
 *	e = import_table_read(&t, &params, &detail);        // the file is a table, its columns fit
 *	for (…) if (!t.rows[i].bad) …                       // t.rows[i].body, t.rows[i].size
 *	import_table_bad(&t, &t.rows[i], &detail);          // found out later
 */
#ifndef TM_IMPORT_TABLE_H
#define TM_IMPORT_TABLE_H

#include <stdint.h>
#include "import_row.h"
#include "tenantconf/check.h"
#include "tenantconf/map.h"

#define IMPORT_ERRORS_MAX  1000
#define IMPORT_PREVIEW_MAX 10
#define IMPORT_REFS_MAX	   1000000
#define IMPORT_BODIES_MAX  ((size_t)128 << 20)

struct import_ref {		      /* to another resource of the tenant */
	const char *kind, *id, *path; /* shared with others */
	size_t row;		      /* in rows */
};
struct import_row {
	struct map_node node; /* by key */
	unsigned number;      /* in the file */
	const char *id, *key;
	const void *body; /* the message, packed */
	size_t size;
	bool has_password, bad;
};
struct import_error {
	unsigned row;
	const char *column; /* "": the row as a whole */
	const struct err_detail *why;
};
struct import_preview {
	unsigned row;
	size_t n;
	const char **cells; /* "***" for a secret, "" of a column that is not used */
};

struct import_table_params {
	enum import_kind kind;
	struct sheet_params sheet;
	const void *bytes;
	size_t size;
	const char *tenant, *realm;
	const struct import_wanted *wanted;
	size_t n_wanted;
};
struct import_table {
	struct arena arena; /* what is kept */
	struct import_table_params params;
	bool has_header;
	struct import_columns columns;
	const char **header;
	struct import_row *rows; /* those that are well-formed, in the order of the file */
	size_t n_rows, cap_rows;
	struct import_ref *refs; /* by row, ascending */
	size_t n_refs, cap_refs;
	struct import_error errors[IMPORT_ERRORS_MAX];
	size_t n_errors;
	struct import_preview preview[IMPORT_PREVIEW_MAX];
	size_t n_preview;
	size_t n_read, n_bad; /* of all rows but the header */
	size_t bodies_bytes;
	struct map keys, texts; /* texts: of references */
	struct arena scratch;	/* of one row */
};

/* What params point to must outlive the table, but for the bytes. ERR_EXHAUSTED with a detail: more than the limits allow. A table that could not be read whole is to be done, too. */
err_t import_table_read(struct import_table *t, const struct import_table_params *p, struct err_detail *detail) MUST;
void import_table_done(struct import_table *t);
/* The row is bad after all (nothing happens when it is already). why->field: a path in the message. */
err_t import_table_bad(struct import_table *t, struct import_row *row, const struct err_detail *why) MUST;
/* By key; NULL: there is none. */
struct import_row *import_table_find(struct import_table *t, const char *key);
/* The errors in the order of the file. */
void import_table_sort(struct import_table *t);

#endif
