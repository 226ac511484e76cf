/*
 * import_run: one import from the row in tm.import to its end, step by step; each step is a job of its own on a database worker.
 *
 *	claim → read → check (again and again) → apply → end
 *
 * The rows are written in apply, in one transaction with the state SUCCEEDED: killed at any moment, it is begun anew, and
 * was either done or was not. With validate_only apply undoes everything and end writes the state.
 */
#ifndef TM_IMPORT_RUN_H
#define TM_IMPORT_RUN_H

#include "import_table.h"
#include "request.h"
#include "trunkline/admin/v1/admin.pb-c.h"

struct import_run {
	struct manager *tm;
	char tenant[64], id[24];
	struct arena arena; /* what was claimed */
	const Trunkline__Admin__V1__CreateImportHeader *header;
	Trunkline__Admin__V1__Import *body;
	const void *file;
	size_t file_size;
	char realm[256];
	struct import_table table;
	size_t next; /* row to be checked */
	size_t applied;
	struct job job; /* the change that apply is */
	bool gone;	/* cancelled, or it has ended elsewhere */
	bool failed;	/* by itself: detail says why */
	struct err_detail detail;
	char db_error[200]; /* for the log */
};

err_t import_run_new(struct import_run **ret, struct manager *tm, const char *tenant, const char *id) MUST;
void import_run_free(struct import_run **run);

/* Steps; arg is the run. ERR_CANCELLED with run->gone: nothing more is to be done. */
err_t import_claim(struct db_tx *tx, void *arg);
err_t import_read(struct db_tx *tx, void *arg);
err_t import_check(struct db_tx *tx, void *arg); /* until next has come to table.n_rows */
err_t import_apply(struct db_tx *tx, void *arg);
/* Writes how it ended: failed, by run->detail, or, of a dry run, well. */
err_t import_end(struct db_tx *tx, void *arg);
/* Somebody may try again in a moment. */
err_t import_release(struct db_tx *tx, void *arg);

/* Of tm.import, as it is kept: IMPORT_COLUMNS of a row. NULL: no memory. */
#define IMPORT_COLUMNS "id, state, rows_read, rows_good, rows_bad, body"
Trunkline__Admin__V1__Import *import_from_row(struct arena *a, const char *tenant, struct db_result *res, int row);
/* As AdminService answers it: its texts in that language. */
err_t import_say(struct arena *a, Trunkline__Admin__V1__Import *m, enum text_language l) MUST;
/* In resource names, audit and answers; not one of kinds[]. */
extern const struct kind import_kind;
/* ERR_INVALID: none. */
err_t import_kind_from_pb(Trunkline__Admin__V1__ImportKind pb, enum import_kind *ret, struct err_detail *detail) MUST;
/* Columns, preview and errors of the table, as far as they are known, into run->body. */
err_t import_report(struct import_run *run) MUST;
/* Why it failed as a whole. */
err_t import_put_failure(struct arena *a, Trunkline__Admin__V1__Import *m, const struct err_detail *d) MUST;
/* The header's columns, in the arena. NULL: no memory. */
struct import_wanted *import_wanted_from_pb(struct arena *a, const Trunkline__Admin__V1__CreateImportHeader *h);

#endif
