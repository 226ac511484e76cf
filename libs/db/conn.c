#include "db/db_internal.h"

#include <poll.h>
#include <stdio.h>
#include "base/clock.h"

/* Beyond the server's own statement timeout: then the server, or the way to it, is gone. */
#define GRACE_MS 5000

static void ignore_notice(void *arg, const PGresult *res)
{
	(void)arg;
	(void)res;
}

static void keep_error(PGconn *pg, char error[DB_ERROR_TEXT])
{
	snprintf(error, DB_ERROR_TEXT, "%s", pg ? PQerrorMessage(pg) : "out of memory");
}

/* The session's settings. Blocking: PQexec has no deadline, but the connection has tcp_user_timeout. */
static bool set_up(PGconn *pg, int64_t statement_timeout_ms)
{
	char sql[320];

	snprintf(sql, sizeof(sql),
		 "SET statement_timeout = %lld; SET idle_in_transaction_session_timeout = %lld; "
		 "SET client_encoding = 'UTF8'; SET bytea_output = 'hex'; SET datestyle = 'ISO'; SET timezone = 'UTC'; "
		 "SET plan_cache_mode = force_custom_plan",
		 (long long)statement_timeout_ms, (long long)statement_timeout_ms + 60000);
	PGresult *res = PQexec(pg, sql);
	bool ok = PQresultStatus(res) == PGRES_COMMAND_OK;
	PQclear(res);
	return ok && PQsetnonblocking(pg, 1) == 0 && PQenterPipelineMode(pg) == 1;
}

err_t db_conn_open(struct db_conn *c, const char *conninfo, char error[DB_ERROR_TEXT])
{
	/* Later keywords win over earlier ones: what conninfo says replaces these defaults. */
	const char *keys[] = { "connect_timeout",
			       "keepalives_idle",
			       "keepalives_interval",
			       "keepalives_count",
			       "tcp_user_timeout",
			       "fallback_application_name",
			       "dbname",
			       NULL };
	const char *values[] = { "3", "5", "2", "3", "10000", "trunkline", conninfo, NULL };

	db_conn_close(c);
	c->pg = PQconnectdbParams(keys, values, 1);
	if (c->pg)
		PQsetNoticeReceiver(c->pg, ignore_notice, NULL);
	if (PQstatus(c->pg) != CONNECTION_OK || !set_up(c->pg, c->statement_timeout_ms)) {
		keep_error(c->pg, error);
		db_conn_close(c);
		return ERR_UNAVAILABLE;
	}
	return ERR_OK;
}

void db_conn_close(struct db_conn *c)
{
	if (c->pg)
		PQfinish(c->pg);
	c->pg = NULL;
	db_statements_reset(&c->statements);
}

bool db_conn_alive(struct db_conn *c)
{
	if (!c->pg)
		return false;
	struct pollfd p = { .fd = PQsocket(c->pg), .events = POLLIN };
	if (poll(&p, 1, 0) <= 0)
		return true;
	return PQconsumeInput(c->pg) == 1 && PQstatus(c->pg) == CONNECTION_OK;
}

static err_t wait_socket(struct db_conn *c, short events, int64_t deadline_ms)
{
	for (;;) {
		int64_t left_ms = deadline_ms - clock_mono_ms();
		struct pollfd p = { .fd = PQsocket(c->pg), .events = events };
		int n = left_ms > 0 && p.fd >= 0 ? poll(&p, 1, (int)left_ms) : 0;

		if (n > 0)
			return ERR_OK;
		if (n == 0)
			return ERR_UNAVAILABLE;
	}
}

static int64_t deadline(const struct db_conn *c)
{
	return clock_mono_ms() + c->statement_timeout_ms + GRACE_MS;
}

err_t db_conn_flush(struct db_conn *c)
{
	int64_t until = deadline(c);

	for (;;) {
		int rc = PQflush(c->pg);

		if (rc == 0)
			return ERR_OK;
		if (rc < 0 || wait_socket(c, POLLIN | POLLOUT, until))
			return ERR_UNAVAILABLE;
		if (!PQconsumeInput(c->pg))
			return ERR_UNAVAILABLE;
	}
}

err_t db_conn_result(struct db_conn *c, PGresult **ret)
{
	int64_t until = deadline(c);

	while (PQisBusy(c->pg)) {
		if (wait_socket(c, POLLIN, until) || !PQconsumeInput(c->pg))
			return ERR_UNAVAILABLE;
	}
	*ret = PQgetResult(c->pg);
	return ERR_OK;
}
