/* Another version of a tenant's key: begun, and how far it is. What becomes of it: rotation.c. */
#include "ops.h"

#include <string.h>
#include "manager.h"
#include "pbr.h"
#include "sealed/sealed.h"
#include "sensitive.h"

#define MS(at) "coalesce(floor(extract(epoch FROM " at ") * 1000)::bigint, 0)"

static err_t load_parts(struct db_tx *tx, struct arena *a, Trunkline__Admin__V1__KeyRotation *r)
{
	struct db_result *res = NULL;
	err_t e = db_exec(tx, &res,
			  "SELECT service, done, total, finished FROM tm.key_rotation_part WHERE tenant = tm.tenant() "
			  "ORDER BY service",
			  0, NULL);
	size_t n = e ? 0 : (size_t)db_rows(res);

	r->parts = arena_alloc(a, (n + 1) * sizeof(*r->parts));
	if (!e && !r->parts)
		e = ERR_EXHAUSTED;
	for (size_t i = 0; !e && i < n; i++) {
		Trunkline__Admin__V1__KeyRotationPart *p =
		    (void *)pbr_new(a, &trunkline__admin__v1__key_rotation_part__descriptor);

		if (!p || !(p->service = arena_strdup(a, db_text(res, (int)i, 0)))) {
			e = ERR_EXHAUSTED;
			break;
		}
		p->done_rows = db_int(res, (int)i, 1);
		p->total_rows = db_int(res, (int)i, 2);
		p->finished = db_bool(res, (int)i, 3);
		r->parts[r->n_parts++] = p;
	}
	db_result_free(&res);
	return e;
}

static Trunkline__Admin__V1__KeyRotation *from_row(struct job *j, struct db_result *res)
{
	Trunkline__Admin__V1__KeyRotation *r =
	    (void *)pbr_new(&j->arena, &trunkline__admin__v1__key_rotation__descriptor);

	if (!r)
		return NULL;
	r->name = arena_printf(&j->arena, "tenants/%s", j->rq.tenant);
	r->version = (uint32_t)db_int(res, 0, 0);
	r->author = arena_strdup(&j->arena, db_text(res, 0, 1));
	r->create_time_ms = db_int(res, 0, 2);
	r->end_time_ms = db_int(res, 0, 3);
	r->state = r->end_time_ms ? TRUNKLINE__ADMIN__V1__KEY_ROTATION__STATE__STATE_DONE
				  : TRUNKLINE__ADMIN__V1__KEY_ROTATION__STATE__STATE_RUNNING;
	return r->name && r->author ? r : NULL;
}

/* *ret NULL: there was none. */
static err_t load(struct db_tx *tx, struct job *j, Trunkline__Admin__V1__KeyRotation **ret)
{
	struct db_result *res = NULL;
	err_t e = db_exec(tx, &res,
			  "SELECT version, author, " MS("created_at") ", " MS(
			      "ended_at") " FROM tm.key_rotation WHERE tenant = tm.tenant()",
			  0, NULL);

	*ret = NULL;
	if (!e && db_rows(res)) {
		*ret = from_row(j, res);
		e = *ret ? load_parts(tx, &j->arena, *ret) : ERR_EXHAUSTED;
	}
	db_result_free(&res);
	return e;
}

err_t ops_rotation_get(struct db_tx *tx, void *arg)
{
	struct job *j = arg;
	Trunkline__Admin__V1__KeyRotation *r = NULL;

	job_restart(j);
	err_t e = ops_check_tenant(tx, j);
	if (!e)
		e = load(tx, j, &r);
	if (!e && !r)
		e = err_set(&j->detail, ERR_NOT_FOUND, "name", "the tenant's key was never rotated");
	if (!e)
		j->reply = &r->base;
	return e;
}

/* Under another master key no service would open the new version beside the former ones, and nothing could be encrypted anew. */
static err_t check_opens(struct change *c, uint32_t version)
{
	struct job *j = c->job;
	uint8_t key[SEALED_KEY];
	char version_text[DB_NUMBER];
	const char *params[] = { db_number(version, version_text) };
	struct db_result *res = NULL;
	size_t size = 0;
	const void *wrapped;
	err_t e = db_exec(c->tx, &res, "SELECT wrapped FROM tm.tenant_key WHERE tenant = tm.tenant() AND version = $1",
			  1, params);

	if (e)
		return e;
	wrapped = db_bytes(res, 0, 0, &size);
	e = wrapped ? sealed_unwrap(j->tm->master_key, j->rq.tenant, version, wrapped, size, key) : ERR_EXHAUSTED;
	if (e == ERR_DATA_LOSS)
		e = err_set(
		    &j->detail, ERR_PRECONDITION, "name",
		    "the platform's master key does not open the tenant's key, which another one has wrapped: its "
		    "operator checks keys.master_file");
	explicit_bzero(key, sizeof(key));
	db_result_free(&res);
	return e;
}

/* One at a time; *ret_version: the one that encrypts until now. */
static err_t check_begin(struct change *c, uint32_t *ret_version)
{
	struct job *j = c->job;
	struct db_result *res = NULL;
	err_t e = db_exec(c->tx, &res,
			  "SELECT coalesce(max(version), 0), EXISTS (SELECT FROM tm.key_rotation r WHERE r.tenant = "
			  "tm.tenant() AND r.ended_at IS NULL) FROM tm.tenant_key WHERE tenant = tm.tenant()",
			  0, NULL);

	if (!e) {
		*ret_version = (uint32_t)db_int(res, 0, 0);
		if (!*ret_version)
			e = err_set(&j->detail, ERR_PRECONDITION, "name",
				    "the tenant has no key: no field was ever marked as sensitive");
		else if (db_bool(res, 0, 1))
			e = err_set(&j->detail, ERR_PRECONDITION, "name",
				    "a rotation is under way; GetKeyRotation tells how far it is");
	}
	db_result_free(&res);
	if (!e)
		e = sensitive_check_master(j, "name");
	return e ? e : check_opens(c, *ret_version);
}

static err_t insert(struct change *c, uint32_t version)
{
	char version_text[DB_NUMBER];
	const char *params[] = { db_number(version, version_text), c->job->user.subject };
	err_t e = db_queue(c->tx, "DELETE FROM tm.key_rotation WHERE tenant = tm.tenant()", 0, NULL);

	return e ? e
		 : db_exec(c->tx, NULL,
			   "INSERT INTO tm.key_rotation (tenant, version, author) VALUES (tm.tenant(), $1, $2)", 2,
			   params);
}

err_t ops_rotation_begin(struct db_tx *tx, void *arg)
{
	struct job *j = arg;
	struct change c;
	Trunkline__Admin__V1__KeyRotation *r = NULL;
	uint32_t version = 0;
	err_t e = change_begin(&c, tx, j, &trunkline__admin__v1__key_rotation__descriptor);

	if (e || c.repeated)
		return e;
	e = check_begin(&c, &version);
	if (!e)
		e = sensitive_insert_key(&c, version + 1);
	if (!e)
		e = insert(&c, version + 1);
	if (!e)
		e = change_outbox(&c, STAGE_MAIN, "main");
	if (!e)
		e = load(tx, j, &r);
	if (e)
		return e;
	j->reply = &r->base;
	return change_end(&c, NULL, NULL);
}
