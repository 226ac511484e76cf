/*
 * books: a batch of events into the tables, in one transaction with the offsets up to which it reaches. Runs on a database worker.
 *
 * For each tenant in the batch the transaction sets the tenant (row-level security is forced), reads which events it has already
 * counted, and adds the changes. Everything is written by COPY into temporary tables, from which functions of the database
 * (migrations/0002) add it to the books.
 *
 *	struct books *books;
 *	books_new(&books);
 *	struct books_job job = { .books = books, .records = records, .n = n };
 *	db_run(db, NULL, books_write, &job, on_written, arg);
 */
#ifndef REPORTING_BOOKS_H
#define REPORTING_BOOKS_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "db/db.h"
#include "stream/stream.h"
#include "vault/reseal.h"

/* What a tenant may have marked as sensitive (GT-16), for vault_params. */
enum books_column { BOOKS_CALLER, BOOKS_DIGITS, BOOKS_COLUMNS };
extern const struct vault_column books_columns[BOOKS_COLUMNS];
extern const struct reseal_table books_reseal;

/* The memory of a batch, kept for the next one; of one job at a time. */
struct books;
err_t books_new(struct books **ret) MUST;
void books_free(struct books **b);

struct books_job {
	struct books *books;
	const struct stream_record *records;
	size_t n;
	const struct vault_view *view; /* NULL: nothing is sensitive */
	/* results of the last run */
	uint64_t applied, repeated, malformed;
	struct err_detail bad; /* of the last malformed one */
	char why[256];	       /* what the database said when it failed: for the log */
};
/* arg: struct books_job. Repeatable. */
err_t books_write(struct db_tx *tx, void *arg) MUST;

struct books_offset {
	const char *topic;
	int32_t partition;
	int64_t next; /* -1: nothing counted yet */
};
/* arg: struct books_offset. */
err_t books_read_offset(struct db_tx *tx, void *arg) MUST;

#endif
