/*
 * db_internal: what the parts of libs/db share. conn.c speaks with the server, statement.c knows what is prepared there, tx.c
 * makes transactions of it, db.c runs jobs on worker threads, result.c reads results, migrate.c applies migrations.
 */
#ifndef DB_DB_INTERNAL_H
#define DB_DB_INTERNAL_H

#include <libpq-fe.h>
#include "db/db.h"

#define DB_ERROR_TEXT 512

/* ---- statement: what a connection has prepared; pure ---- */
#define DB_STATEMENT_SLOTS 512
#define DB_STATEMENTS_MAX  200 /* of one connection; what comes after them is sent as it is */
#define DB_STATEMENT_NAME  16
struct db_statements {
	char *slots[DB_STATEMENT_SLOTS];
	size_t n;
};
/* Its name at the server; false: it is not prepared. */
bool db_statement_find(struct db_statements *s, const char *sql, char name[DB_STATEMENT_NAME]);
/* For one that is not there, before it is prepared; false: no room or no memory. */
bool db_statement_add(struct db_statements *s, const char *sql, char name[DB_STATEMENT_NAME]);
/* The one that was added last: it was not prepared. */
void db_statement_drop_last(struct db_statements *s, const char *sql);
/* The connection is gone. */
void db_statements_reset(struct db_statements *s);

/* ---- conn: one connection, in pipeline mode, non-blocking underneath so that every wait has a deadline ---- */
struct db_conn {
	PGconn *pg; /* NULL: not connected */
	struct db_statements statements;
	int64_t statement_timeout_ms;
};
err_t db_conn_open(struct db_conn *c, const char *conninfo, char error[DB_ERROR_TEXT]) MUST;
void db_conn_close(struct db_conn *c);
/* Notices what the server did meanwhile (it may have closed the connection); false: closed. */
bool db_conn_alive(struct db_conn *c);
/* Sends what is queued. ERR_UNAVAILABLE: connection lost, or no progress for the statement timeout and 5 s more. */
err_t db_conn_flush(struct db_conn *c) MUST;
/* The next result (*ret NULL: end of one statement's results); the same errors. */
err_t db_conn_result(struct db_conn *c, PGresult **ret) MUST;

/* ---- tx ---- */
struct db_tx {
	struct db_conn *conn;
	const char *tenant;
	bool begun;   /* BEGIN has been sent */
	int queued;   /* statements of db_queue() whose results have not been read */
	err_t failed; /* first failure of a statement: the transaction is lost */
	bool retry;   /* … and a repetition may succeed */
	bool lost;    /* … because the connection is */
	struct {
		int index;
		const void *data;
		size_t size;
	} binds[DB_BINDS_MAX];
	int n_binds;
	char error[DB_ERROR_TEXT];
	char constraint[64];
};
/* One attempt of a whole transaction; *retry: a repetition may succeed. */
err_t db_tx_run(struct db_conn *conn, const char *tenant, err_t (*fn)(struct db_tx *tx, void *arg), void *arg,
		bool *retry) MUST;

/* ---- result ---- */
struct db_blob;
struct db_result {
	PGresult *pg;
	struct db_blob *blobs; /* decoded bytea */
};
/* Takes pg over. */
err_t db_result_new(struct db_result **ret, PGresult *pg) MUST;
err_t db_err_from_sqlstate(const char *sqlstate);

#endif
