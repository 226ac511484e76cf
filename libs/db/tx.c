/*
 * One transaction: BEGIN, the tenant and the first statement travel together; every later statement is one round trip, but for
 * those of db_queue(), which travel with the next one.
 * The connection is left clean for the next one, or closed when that cannot be had.
 */
#include "db/db_internal.h"

#include <stdio.h>
#include <string.h>

#define PARAMS_MAX 64

/* A failure that was not the server's answer: the connection is of no more use. */
static err_t lose(struct db_tx *tx, err_t e, bool retry)
{
	if (!tx->failed) {
		snprintf(tx->error, sizeof(tx->error), "%s",
			 tx->conn->pg ? PQerrorMessage(tx->conn->pg) : "not connected");
		tx->failed = e;
		tx->retry = retry;
	}
	tx->lost = true;
	return e;
}

static err_t fail_from_server(struct db_tx *tx, const PGresult *res)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char *constraint = PQresultErrorField(res, PG_DIAG_CONSTRAINT_NAME);

	if (tx->failed)
		return tx->failed;
	/* Without a SQLSTATE libpq itself made the result: the connection broke. */
	tx->failed = state ? db_err_from_sqlstate(state) : ERR_UNAVAILABLE;
	tx->retry = tx->failed == ERR_UNAVAILABLE || (state && strncmp(state, "40", 2) == 0);
	/* What is prepared is no more as the server has it, after a migration: a new connection begins anew. */
	if (state && (strcmp(state, "0A000") == 0 || strcmp(state, "26000") == 0))
		tx->lost = tx->retry = true;
	if (tx->failed == ERR_UNAVAILABLE)
		tx->lost = true;
	snprintf(tx->error, sizeof(tx->error), "%s %s", state ? state : "-----", PQresultErrorMessage(res));
	snprintf(tx->constraint, sizeof(tx->constraint), "%s", constraint ? constraint : "");
	return tx->failed;
}

/* Reads the results of one statement up to its end; *ret (may be NULL) gets the last good one. */
static err_t read_statement(struct db_tx *tx, PGresult **ret)
{
	PGresult *res;

	for (;;) {
		if (db_conn_result(tx->conn, &res))
			return lose(tx, ERR_UNAVAILABLE, true);
		if (!res)
			return tx->failed;
		ExecStatusType status = PQresultStatus(res);
		if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) {
			if (ret) {
				PQclear(*ret);
				*ret = res;
				continue;
			}
		} else if (status != PGRES_PIPELINE_ABORTED) {
			(void)fail_from_server(tx, res);
		} else if (!tx->failed) {
			(void)lose(tx, ERR_INTERNAL, false);
		}
		PQclear(res);
		if (tx->lost)
			return tx->failed;
	}
}

static err_t read_sync(struct db_tx *tx)
{
	PGresult *res;

	if (tx->lost)
		return tx->failed;
	if (db_conn_result(tx->conn, &res))
		return lose(tx, ERR_UNAVAILABLE, true);
	bool ok = PQresultStatus(res) == PGRES_PIPELINE_SYNC;
	PQclear(res);
	return ok ? tx->failed : lose(tx, ERR_UNAVAILABLE, true);
}

static bool send_plain(struct db_tx *tx, const char *sql)
{
	return PQsendQueryParams(tx->conn->pg, sql, 0, NULL, NULL, NULL, NULL, 0) == 1;
}

/* Queues BEGIN and the tenant; the tenant is an id (checked by db_run), so it needs no quoting. */
static bool send_begin(struct db_tx *tx)
{
	char sql[128];

	if (!send_plain(tx, "BEGIN"))
		return false;
	snprintf(sql, sizeof(sql), "SET LOCAL trunkline.tenant = '%s'", tx->tenant ? tx->tenant : "");
	return send_plain(tx, sql);
}

/* name NULL: as it stands, not prepared. */
static bool send_statement(struct db_tx *tx, const char *name, const char *sql, int n, const char *const *params)
{
	const char *values[PARAMS_MAX];
	int lengths[PARAMS_MAX] = { 0 }, formats[PARAMS_MAX] = { 0 };

	for (int i = 0; i < n; i++)
		values[i] = params[i];
	for (int b = 0; b < tx->n_binds; b++) {
		int i = tx->binds[b].index;

		values[i] = tx->binds[b].data;
		lengths[i] = (int)tx->binds[b].size;
		formats[i] = 1;
	}
	tx->n_binds = 0;
	if (name)
		return PQsendQueryPrepared(tx->conn->pg, name, n, values, lengths, formats, 0) == 1;
	return PQsendQueryParams(tx->conn->pg, sql, n, NULL, values, lengths, formats, 0) == 1;
}

static bool params_ok(const struct db_tx *tx, int n)
{
	for (int b = 0; b < tx->n_binds; b++) {
		if (tx->binds[b].index < 0 || tx->binds[b].index >= n || tx->binds[b].size > INT32_MAX)
			return false;
	}
	return n >= 0 && n <= PARAMS_MAX;
}

/* BEGIN with the first one, then the statement; nothing is waited for. */
static bool send_next(struct db_tx *tx, const char *sql, int n, const char *const *params)
{
	char name[DB_STATEMENT_NAME];

	if (!tx->begun) {
		if (!send_begin(tx))
			return false;
		tx->begun = true;
		tx->queued += 2;
	}
	return send_statement(tx, n && db_statement_find(&tx->conn->statements, sql, name) ? name : NULL, sql, n,
			      params);
}

/* Results of what was sent before; after a failure the rest of them says only that it was not done. */
static void read_queued(struct db_tx *tx)
{
	for (; tx->queued > 0 && !tx->lost; tx->queued--)
		(void)read_statement(tx, NULL);
}

static err_t exchange(struct db_tx *tx, const char *sql, int n, const char *const *params, PGresult **res)
{
	if (!send_next(tx, sql, n, params) || !PQpipelineSync(tx->conn->pg) || db_conn_flush(tx->conn))
		return lose(tx, ERR_UNAVAILABLE, true);
	read_queued(tx);
	if (!tx->lost)
		(void)read_statement(tx, res);
	return read_sync(tx);
}

/* Sends what is queued and reads its results. */
static err_t sync_queued(struct db_tx *tx)
{
	if (!tx->queued || tx->lost)
		return tx->failed;
	if (!PQpipelineSync(tx->conn->pg) || db_conn_flush(tx->conn))
		return lose(tx, ERR_UNAVAILABLE, true);
	read_queued(tx);
	return read_sync(tx);
}

/*
 * A round trip of its own, once for each connection. Not without parameters: for these PostgreSQL keeps the plan of the first tenant that
 * asked, whatever plan_cache_mode says.
 */
static err_t prepare(struct db_tx *tx, const char *sql, int n_params)
{
	struct db_statements *s = &tx->conn->statements;
	char name[DB_STATEMENT_NAME];

	if (!n_params || db_statement_find(s, sql, name))
		return ERR_OK;
	if (sync_queued(tx) || !db_statement_add(s, sql, name))
		return tx->failed;
	if (PQsendPrepare(tx->conn->pg, name, sql, 0, NULL) != 1 || !PQpipelineSync(tx->conn->pg) ||
	    db_conn_flush(tx->conn))
		return lose(tx, ERR_UNAVAILABLE, true);
	(void)read_statement(tx, NULL);
	if (read_sync(tx))
		db_statement_drop_last(s, sql);
	return tx->failed;
}

err_t db_queue(struct db_tx *tx, const char *sql, int n_params, const char *const *params)
{
	if (tx->failed)
		return tx->failed;
	if (!params_ok(tx, n_params)) {
		tx->n_binds = 0;
		return tx->failed = ERR_INVALID;
	}
	if (prepare(tx, sql, n_params)) {
		tx->n_binds = 0;
		return tx->failed;
	}
	if (!send_next(tx, sql, n_params, params))
		return lose(tx, ERR_UNAVAILABLE, true);
	tx->queued++;
	return ERR_OK;
}

err_t db_exec(struct db_tx *tx, struct db_result **ret, const char *sql, int n_params, const char *const *params)
{
	PGresult *res = NULL;

	if (tx->failed)
		return tx->failed;
	if (!params_ok(tx, n_params)) {
		tx->n_binds = 0;
		return tx->failed = ERR_INVALID;
	}
	err_t e = prepare(tx, sql, n_params);
	if (e) {
		tx->n_binds = 0;
		return e;
	}
	e = exchange(tx, sql, n_params, params, &res);
	if (e || !ret) {
		PQclear(res);
		return e;
	}
	return db_result_new(ret, res);
}

void db_bind_bytes(struct db_tx *tx, int index, const void *data, size_t size)
{
	if (tx->n_binds == DB_BINDS_MAX) {
		tx->failed = ERR_INVALID;
		return;
	}
	tx->binds[tx->n_binds].index = index;
	tx->binds[tx->n_binds].data = data ? data : "";
	tx->binds[tx->n_binds++].size = size;
}

static err_t copy_rows(struct db_tx *tx, const char *rows, size_t size)
{
	PGconn *pg = tx->conn->pg;

	for (size_t at = 0; at < size;) {
		int n = (int)(size - at < 65536 ? size - at : 65536);
		int rc = PQputCopyData(pg, rows + at, n);

		if (rc < 0 || db_conn_flush(tx->conn))
			return lose(tx, ERR_UNAVAILABLE, true);
		if (rc > 0)
			at += (size_t)n;
	}
	if (PQputCopyEnd(pg, NULL) != 1 || db_conn_flush(tx->conn))
		return lose(tx, ERR_UNAVAILABLE, true);
	return read_statement(tx, NULL);
}

/* COPY is not possible in pipeline mode: leave it for the while. */
err_t db_copy(struct db_tx *tx, const char *copy_sql, const char *rows, size_t size)
{
	PGconn *pg = tx->conn->pg;
	PGresult *res = NULL;

	if (!tx->begun && !tx->failed) {
		err_t e = db_exec(tx, NULL, "SELECT 1", 0, NULL);

		if (e)
			return e;
	}
	if (tx->failed || sync_queued(tx))
		return tx->failed;
	if (!PQexitPipelineMode(pg) || !PQsendQuery(pg, copy_sql) || db_conn_flush(tx->conn) ||
	    db_conn_result(tx->conn, &res))
		return lose(tx, ERR_UNAVAILABLE, true);
	if (PQresultStatus(res) == PGRES_COPY_IN) {
		(void)copy_rows(tx, rows, size);
	} else {
		(void)fail_from_server(tx, res);
		if (!tx->lost)
			(void)read_statement(tx, NULL);
	}
	PQclear(res);
	if (!tx->lost && !PQenterPipelineMode(pg))
		return lose(tx, ERR_INTERNAL, false);
	return tx->failed;
}

const char *db_error(const struct db_tx *tx)
{
	return tx->error;
}

const char *db_constraint(const struct db_tx *tx)
{
	return tx->constraint;
}

/* COMMIT or ROLLBACK. After it the connection is idle again, or lost. */
static err_t finish(struct db_tx *tx, const char *sql)
{
	PGresult *res = NULL;
	err_t before = tx->failed;

	tx->failed = ERR_OK;
	if (!send_plain(tx, sql) || !PQpipelineSync(tx->conn->pg) || db_conn_flush(tx->conn))
		(void)lose(tx, ERR_UNAVAILABLE, false);
	else
		(void)read_statement(tx, &res);
	err_t e = read_sync(tx);
	/* COMMIT of a transaction that the server has given up answers "ROLLBACK". */
	if (!e && strcmp(sql, "COMMIT") == 0 && strcmp(PQcmdStatus(res), "COMMIT") != 0)
		e = ERR_INTERNAL;
	PQclear(res);
	if (before)
		tx->failed = before;
	return e;
}

/* What the transaction comes to when fn returned e. */
static err_t conclude(struct db_tx *tx, err_t e, bool *retry)
{
	(void)sync_queued(tx);
	if (!e && tx->failed)
		e = tx->failed; /* fn overlooked it, or it was queued */
	*retry = tx->failed && tx->retry;
	if (!tx->begun)
		return e;
	if (e) {
		if (!tx->lost)
			(void)finish(tx, "ROLLBACK");
		return e;
	}
	e = finish(tx, "COMMIT");
	/* Deferred constraints and serializable transactions fail here; a connection lost now is not repeated: unknown. */
	*retry = e && tx->retry && !tx->lost;
	return e;
}

err_t db_tx_run(struct db_conn *conn, const char *tenant, err_t (*fn)(struct db_tx *tx, void *arg), void *arg,
		bool *retry)
{
	struct db_tx tx = { .conn = conn, .tenant = tenant };

	*retry = false;
	err_t e = conclude(&tx, fn(&tx, arg), retry);
	if (tx.lost)
		db_conn_close(conn);
	return e;
}
