#include "db/db_internal.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#define SHA256_HEX 65
/* The lock of everybody who migrates this database; the number is arbitrary. */
#define LOCK_KEY "7310579622"

struct migrator {
	PGconn *pg;
	const char *service;
	struct err_detail *detail;
};

static err_t hash(const char *sql, char hex[SHA256_HEX])
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (!EVP_Digest(sql, strlen(sql), md, &n, EVP_sha256(), NULL))
		return ERR_EXHAUSTED;
	for (unsigned i = 0; i < n; i++)
		snprintf(hex + (size_t)2 * i, 3, "%02x", md[i]);
	return ERR_OK;
}

static err_t fail(struct migrator *m, const PGresult *res, const char *field)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char *text = PQresultErrorMessage(res);

	return err_set(m->detail, state ? db_err_from_sqlstate(state) : ERR_UNAVAILABLE, field, "%s",
		       text && *text ? text : PQerrorMessage(m->pg));
}

/* One or more statements, simple protocol. */
static err_t run(struct migrator *m, const char *sql, const char *field)
{
	PGresult *res = PQexec(m->pg, sql);
	ExecStatusType status = PQresultStatus(res);
	err_t e = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ? ERR_OK : fail(m, res, field);

	PQclear(res);
	return e;
}

static err_t run_params(struct migrator *m, PGresult **ret, const char *sql, int n, const char *const *params,
			const char *field)
{
	PGresult *res = PQexecParams(m->pg, sql, n, NULL, params, NULL, NULL, 0);
	ExecStatusType status = PQresultStatus(res);
	err_t e = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ? ERR_OK : fail(m, res, field);

	if (e || !ret)
		PQclear(res);
	else
		*ret = res;
	return e;
}

static err_t prepare(struct migrator *m)
{
	err_t e = run(m, "SELECT pg_advisory_lock(" LOCK_KEY ")", "schema_migrations");

	if (e)
		return e;
	return run(m,
		   "SET client_min_messages = warning; "
		   /* Who waits for a table lets nobody else at it: the previous version is at work. Try again later. */
		   "SET lock_timeout = '3s'; "
		   "CREATE TABLE IF NOT EXISTS schema_migrations (service text NOT NULL, name text NOT NULL, sha256 "
		   "text NOT NULL, "
		   "applied_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (service, name))",
		   "schema_migrations");
}

/* Index of name among the applied ones, -1: not applied. */
static int find_applied(const PGresult *applied, const char *name)
{
	for (int i = 0; i < PQntuples(applied); i++) {
		if (strcmp(PQgetvalue(applied, i, 0), name) == 0)
			return i;
	}
	return -1;
}

static err_t check_applied(struct migrator *m, const PGresult *applied, int i, const struct db_migration *mig)
{
	char hex[SHA256_HEX];
	err_t e = hash(mig->sql, hex);

	if (e)
		return e;
	if (strcmp(PQgetvalue(applied, i, 1), hex) != 0)
		return err_set(m->detail, ERR_PRECONDITION, mig->name,
			       "has been changed after it was applied; restore it and write a new migration");
	return ERR_OK;
}

static err_t apply_one(struct migrator *m, const struct db_migration *mig)
{
	char hex[SHA256_HEX];
	err_t e = hash(mig->sql, hex);

	if (!e)
		e = run(m, "BEGIN", mig->name);
	if (!e)
		e = run(m, mig->sql, mig->name);
	if (!e)
		e = run_params(m, NULL, "INSERT INTO schema_migrations (service, name, sha256) VALUES ($1, $2, $3)", 3,
			       (const char *[]){ m->service, mig->name, hex }, mig->name);
	if (!e)
		return run(m, "COMMIT", mig->name);
	PQclear(PQexec(m->pg, "ROLLBACK"));
	return e;
}

/* Everything is checked before anything is applied. */
static err_t apply_all(struct migrator *m, const struct db_migration *list, size_t n)
{
	PGresult *applied = NULL;
	const char *fresh = NULL;
	err_t e = run_params(m, &applied, "SELECT name, sha256 FROM schema_migrations WHERE service = $1", 1,
			     (const char *[]){ m->service }, "schema_migrations");

	for (size_t i = 0; !e && i < n; i++) {
		int at = find_applied(applied, list[i].name);

		if (at < 0)
			fresh = list[i].name;
		else if (fresh)
			e = err_set(m->detail, ERR_PRECONDITION, fresh,
				    "is new but stands before %s, which has been applied; give it a later number",
				    list[i].name);
		else
			e = check_applied(m, applied, at, &list[i]);
	}
	for (size_t i = 0; !e && i < n; i++) {
		if (find_applied(applied, list[i].name) < 0)
			e = apply_one(m, &list[i]);
	}
	PQclear(applied);
	return e;
}

err_t db_migrate(const char *conninfo, const char *service, const struct db_migration *list, size_t n,
		 struct err_detail *detail)
{
	const char *keys[] = { "connect_timeout", "fallback_application_name", "dbname", NULL };
	const char *values[] = { "5", "trunkline-migrate", conninfo, NULL };
	struct migrator m = { .pg = PQconnectdbParams(keys, values, 1), .service = service, .detail = detail };
	err_t e;

	if (PQstatus(m.pg) != CONNECTION_OK)
		e = err_set(detail, ERR_UNAVAILABLE, "db.migrate_conninfo", "%s",
			    m.pg ? PQerrorMessage(m.pg) : "out of memory");
	else
		e = prepare(&m);
	if (!e)
		e = apply_all(&m, list, n);
	PQfinish(m.pg); /* gives the lock back */
	return e;
}
