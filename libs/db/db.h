/*
 * db: PostgreSQL for the services that keep books: a pool of worker threads with one connection each; jobs run there and
 * their completion comes back on the loop. Every tenant's work runs in a transaction in which the tenant is set, so that
 * forced row-level security shows it only its own rows.
 *
 *	static err_t load(struct db_tx *tx, void *arg) { … db_exec(tx, &res, "SELECT … WHERE id = $1", 1, (const char *[]){id}); … }
 *	db_run(db, "acme", load, self, loaded, self);     // load on a worker, loaded(err, arg) on the loop
 *
 * Tenants take turns (libs/fair), each in its own order, and no tenant has all workers at a time, if there are several; jobs of no tenant
 * are a lane of their own. GT-3.1.2d.
 *
 * A lost connection is re-established with back-off; jobs meanwhile fail with ERR_UNAVAILABLE after wait_ms.
 */
#ifndef DB_DB_H
#define DB_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/str.h"
#include "loop/loop.h"

struct db;
struct db_tx;
struct db_result;

struct db_params {
	struct loop *loop; /* NULL: only db_run_wait (tools, tests) */
	const char
	    *conninfo; /* libpq: "host=… port=… dbname=… user=…"; the password by passfile or certificate, never here */
	int connections;	      /* 0: 2 */
	int64_t wait_ms;	      /* how long a job may wait for a connection (0: 5,000) */
	int64_t statement_timeout_ms; /* 0: 10,000 */
};
err_t db_new(struct db **ret, const struct db_params *p) MUST;
/* Waits for the jobs that run. done of everything outstanding is called before it returns (ERR_CANCELLED: never begun),
 * nothing afterwards. Not from within a done. */
void db_free(struct db **db);
bool db_ready(const struct db *db); /* a connection is up */

/* fn on a worker inside BEGIN … SET LOCAL trunkline.tenant = tenant … COMMIT (one pipeline with the first statement);
 * ROLLBACK when fn fails. tenant NULL: no tenant (platform tables, only for roles that may). Serialization failures and
 * lost connections before COMMIT are retried up to 3 times, so fn must be repeatable; a connection lost during COMMIT is
 * ERR_UNAVAILABLE with the outcome unknown. done (may be NULL) on the loop. ERR_INVALID: tenant is no id;
 * ERR_EXHAUSTED: no memory, or 10,000 jobs are waiting, or 5,000 of this tenant. A transaction that fn needs serializable begins with the
 * statement SET TRANSACTION ISOLATION LEVEL SERIALIZABLE. */
err_t db_run(struct db *db, const char *tenant, err_t (*fn)(struct db_tx *tx, void *arg), void *arg,
	     void (*done)(err_t e, void *arg), void *done_arg) MUST;
/* The same, blocking, for start-up, migrations and tools. */
err_t db_run_wait(struct db *db, const char *tenant, err_t (*fn)(struct db_tx *tx, void *arg), void *arg) MUST;

/* Inside fn. params are text, NULL = SQL NULL; ret may be NULL. One statement. After a failure the transaction is lost:
 * every further statement returns the same error. SQLSTATE is mapped: 23505 ERR_EXISTS, 23503 ERR_PRECONDITION,
 * 23514/23502/22xxx ERR_INVALID, 42501 ERR_DENIED, 40001/40P01 ERR_ABORTED, 57014 ERR_TIMEOUT, 08xxx/57P0x
 * ERR_UNAVAILABLE, P0001 (RAISE) ERR_PRECONDITION, 53xxx ERR_EXHAUSTED, else ERR_INTERNAL. */
err_t db_exec(struct db_tx *tx, struct db_result **ret, const char *sql, int n_params, const char *const *params) MUST;
/* The same without waiting for its end: the next db_exec, db_copy or the commit sends it and returns its failure. For many
 * statements in one round trip; what they return is dropped. A text that the connection has not met yet is prepared at once (as by
 * db_exec): what is wrong with it, or with what was queued before, is returned then. */
err_t db_queue(struct db_tx *tx, const char *sql, int n_params, const char *const *params) MUST;
/* Binary-safe parameter for the next db_exec (bytea): in place of params[index], the $(index + 1) of the statement.
 * Not copied. At most DB_BINDS_MAX of them. */
#define DB_BINDS_MAX 8
void db_bind_bytes(struct db_tx *tx, int index, const void *data, size_t size);
/* COPY table(columns) FROM STDIN with rows in text format, already escaped by db_copy_field. */
err_t db_copy(struct db_tx *tx, const char *copy_sql, const char *rows, size_t size) MUST;
/* Appends one field (NULL: SQL NULL) and the tab, or the newline after the last. */
void db_copy_field(struct str *rows, const char *value, bool last);
void db_copy_text(struct str *rows, const char *text, size_t n, bool last); /* n bytes without NUL */
void db_copy_int(struct str *rows, int64_t v, bool last);
const char *db_error(const struct db_tx *tx);	   /* message of the last failure: for logs, never for users */
const char *db_constraint(const struct db_tx *tx); /* name of the violated constraint or "" */

int db_rows(const struct db_result *r);
const char *db_text(const struct db_result *r, int row, int col); /* "" for NULL */
bool db_null(const struct db_result *r, int row, int col);
int64_t db_int(const struct db_result *r, int row, int col);
bool db_bool(const struct db_result *r, int row, int col); /* false for NULL */
/* A number as a parameter. */
#define DB_NUMBER 24
const char *db_number(int64_t n, char buf[DB_NUMBER]);
/* An array as a parameter: texts that have nothing to escape (ids, numbers), one after the other, then the whole; str.failed: no memory. */
void db_array_add(struct str *array, const char *text);
const char *db_array_text(struct str *array);
/* Decoded bytea; lives as long as the result. NULL: SQL NULL, no bytea, or no memory (then *size is SIZE_MAX). */
const void *db_bytes(struct db_result *r, int row, int col, size_t *size);
/* Rows that the statement changed. */
int64_t db_affected(const struct db_result *r);
void db_result_free(struct db_result **r);

/* Forward migrations: NAME = "0001_tenants.sql"; applied once each, in order, under an advisory lock, recorded with their
 * SHA-256 in schema_migrations(service, name, sha256, applied_at); a changed old file, or a new one that stands before an
 * applied one, is ERR_PRECONDITION with the file in detail.field. Each runs in a transaction of its own. Blocking. */
struct db_migration {
	const char *name;
	const char *sql;
};
err_t db_migrate(const char *conninfo, const char *service, const struct db_migration *list, size_t n,
		 struct err_detail *detail) MUST;

#endif
