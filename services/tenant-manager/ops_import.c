/* Imports: taken, looked at, cancelled. What becomes of them: import_run.c. */
#include "ops.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/str.h"
#include "import_run.h"
#include "import_upload.h"
#include "pbr.h"
#include "promptstore/promptstore.h"

#define RUNNING_MAX 2
#define KEPT	    "100"

static err_t hash_file(struct job *j)
{
	struct import_upload *up = j->import;
	char header[65], both[130];

	if (!up->file.len)
		return err_set(&j->detail, ERR_INVALID, "chunk", "missing: the file is empty");
	promptstore_hash(up->file.data, up->file.len, up->sha256);
	err_t e = request_fingerprint(&up->header->base, header);
	if (e)
		return e;
	snprintf(both, sizeof(both), "%s%s", header, up->sha256);
	promptstore_hash(both, strlen(both), j->fingerprint);
	return ERR_OK;
}

/* Old ones make room; those that are under way are few. */
static err_t make_room(struct change *c)
{
	struct db_result *res = NULL;
	err_t e =
	    db_exec(c->tx, &res, "SELECT count(*) FROM tm.import WHERE tenant = tm.tenant() AND state = 1", 0, NULL);

	if (!e && db_int(res, 0, 0) >= RUNNING_MAX)
		e = err_set(&c->job->detail, ERR_EXHAUSTED, "", "%d imports are under way; wait for one, or cancel it",
			    RUNNING_MAX);
	db_result_free(&res);
	return e ? e
		 : db_exec(c->tx, NULL,
			   "DELETE FROM tm.import WHERE tenant = tm.tenant() AND state <> 1 AND id <= (SELECT id FROM "
			   "tm.import "
			   "WHERE tenant = tm.tenant() ORDER BY id DESC OFFSET " KEPT " - 1 LIMIT 1)",
			   0, NULL);
}

static Trunkline__Admin__V1__Import *new_import(struct job *j)
{
	const Trunkline__Admin__V1__CreateImportHeader *h = j->import->header;
	Trunkline__Admin__V1__Import *m = (void *)pbr_new(&j->arena, &trunkline__admin__v1__import__descriptor);

	if (!m)
		return NULL;
	m->kind = h->kind;
	m->file_name = h->file_name;
	m->sha256 = j->import->sha256;
	m->size_bytes = j->import->file.len;
	m->good_rows_only = h->good_rows_only;
	m->validate_only = h->validate_only;
	m->author = j->user.subject;
	m->create_time_ms = clock_wall_ms();
	return m;
}

static err_t insert(struct change *c, const char *id)
{
	struct job *j = c->job;
	const Trunkline__Admin__V1__Import *m = new_import(j);
	const char *params[] = { id, NULL, NULL, NULL, j->peer };
	struct db_result *res = NULL;
	size_t header_size, body_size;
	const void *header = pbr_pack(&j->arena, &j->import->header->base, &header_size);
	const void *body = m ? pbr_pack(&j->arena, &m->base, &body_size) : NULL;

	if (!header || !body)
		return ERR_EXHAUSTED;
	db_bind_bytes(c->tx, 1, header, header_size);
	db_bind_bytes(c->tx, 2, j->import->file.data, j->import->file.len);
	db_bind_bytes(c->tx, 3, body, body_size);
	err_t e = db_exec(c->tx, &res,
			  "INSERT INTO tm.import (tenant, id, state, header, file, body, peer) "
			  "VALUES (tm.tenant(), $1::bigint, 1, $2, $3, $4, $5) RETURNING " IMPORT_COLUMNS,
			  5, params);
	if (!e) {
		j->reply = (void *)import_from_row(&j->arena, j->rq.tenant, res, 0);
		e = j->reply ? ERR_OK : ERR_EXHAUSTED;
	}
	db_result_free(&res);
	return e;
}

err_t ops_import_create(struct db_tx *tx, void *arg)
{
	struct job *j = arg;
	struct change c;
	err_t e = *j->import->sha256 ? ERR_OK : hash_file(j);

	if (!e)
		e = change_begin(&c, tx, j, &trunkline__admin__v1__import__descriptor);
	if (e || c.repeated)
		return e;
	snprintf(j->rq.id, sizeof(j->rq.id), "%" PRIu64, c.version);
	e = make_room(&c);
	if (!e)
		e = insert(&c, j->rq.id);
	return e ? e : change_end(&c, NULL, j->reply);
}

/* ---- looking ---- */

static void leave_rows_out(Trunkline__Admin__V1__Import *m)
{
	m->n_errors = m->n_preview = 0;
}

static err_t load(struct db_tx *tx, struct job *j, Trunkline__Admin__V1__Import **ret)
{
	const char *params[] = { j->rq.id };
	struct db_result *res = NULL;
	int64_t id;

	if (str_to_i64(j->rq.id, 0, INT64_MAX, &id))
		return kind_not_found(&import_kind, &j->detail);
	err_t e =
	    db_exec(tx, &res, "SELECT " IMPORT_COLUMNS " FROM tm.import WHERE tenant = tm.tenant() AND id = $1::bigint",
		    1, params);
	if (!e && !db_rows(res))
		e = kind_not_found(&import_kind, &j->detail);
	if (!e) {
		*ret = import_from_row(&j->arena, j->rq.tenant, res, 0);
		e = *ret ? import_say(&j->arena, *ret, j->language) : ERR_EXHAUSTED;
	}
	db_result_free(&res);
	return e;
}

err_t ops_import_get(struct db_tx *tx, void *arg)
{
	struct job *j = arg;
	Trunkline__Admin__V1__Import *m = NULL;

	job_restart(j);
	err_t e = ops_check_tenant(tx, j);
	if (!e)
		e = load(tx, j, &m);
	if (!e)
		j->reply = &m->base;
	return e;
}

static err_t fill_list(struct job *j, struct db_result *res)
{
	Trunkline__Admin__V1__ListImportsResponse *r =
	    (void *)pbr_new(&j->arena, &trunkline__admin__v1__list_imports_response__descriptor);
	size_t n = (size_t)(db_rows(res) < j->rq.page_size ? db_rows(res) : j->rq.page_size);

	if (!r || !(r->imports = arena_alloc(&j->arena, (n + 1) * sizeof(*r->imports))))
		return ERR_EXHAUSTED;
	for (; r->n_imports < n; r->n_imports++) {
		Trunkline__Admin__V1__Import *m = import_from_row(&j->arena, j->rq.tenant, res, (int)r->n_imports);

		if (!m)
			return ERR_EXHAUSTED;
		leave_rows_out(m);
		err_t e = import_say(&j->arena, m, j->language);
		if (e)
			return e;
		r->imports[r->n_imports] = m;
	}
	if ((size_t)db_rows(res) > n && !(r->next_page_token = arena_strdup(&j->arena, db_text(res, (int)n - 1, 0))))
		return ERR_EXHAUSTED;
	j->reply = &r->base;
	return ERR_OK;
}

err_t ops_import_list(struct db_tx *tx, void *arg)
{
	struct job *j = arg;
	char before_text[DB_NUMBER], limit[DB_NUMBER];
	const char *params[] = { before_text, db_number((int64_t)j->rq.page_size + 1, limit) };
	struct db_result *res = NULL;
	int64_t before = INT64_MAX;

	job_restart(j);
	err_t e = ops_check_tenant(tx, j);
	if (!e && *j->rq.page_token && str_to_i64(j->rq.page_token, 1, INT64_MAX, &before))
		e = err_set(&j->detail, ERR_INVALID, "page_token", "not a next_page_token");
	(void)db_number(before, before_text);
	if (!e)
		e = db_exec(tx, &res,
			    "SELECT " IMPORT_COLUMNS " FROM tm.import WHERE tenant = tm.tenant() AND id < $1::bigint "
			    "ORDER BY id DESC LIMIT $2::int",
			    2, params);
	if (!e)
		e = fill_list(j, res);
	db_result_free(&res);
	return e;
}

/* ---- ending it ---- */

static err_t cancel(struct change *c, Trunkline__Admin__V1__Import *before)
{
	struct job *j = c->job;
	const char *params[] = { j->rq.id };
	Trunkline__Admin__V1__Import *m = NULL;
	err_t e = db_exec(c->tx, NULL,
			  "UPDATE tm.import SET state = 4, file = NULL WHERE tenant = tm.tenant() AND id = $1::bigint",
			  1, params);

	if (!e)
		e = load(c->tx, j, &m);
	if (e || !m)
		return e;
	leave_rows_out(before);
	leave_rows_out(m);
	j->reply = &m->base;
	return change_end(c, &before->base, j->reply);
}

err_t ops_import_cancel(struct db_tx *tx, void *arg)
{
	struct job *j = arg;
	Trunkline__Admin__V1__Import *m = NULL;
	struct change c;
	err_t e = change_begin(&c, tx, j, &trunkline__admin__v1__import__descriptor);

	if (!e)
		e = load(tx, j, &m);
	if (!e && m && m->state != TRUNKLINE__ADMIN__V1__IMPORT_STATE__IMPORT_STATE_RUNNING)
		e = err_set(&j->detail, ERR_PRECONDITION, "name", "it has ended");
	return e || !m ? e : cancel(&c, m);
}
