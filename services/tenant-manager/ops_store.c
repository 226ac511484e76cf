/* Reading and writing one resource with its references. */
#include "ops.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "base/str.h"
#include "pbr.h"
#include "tenantconf/check.h"
#include "trunkline/config/v1/config.pb-c.h"

err_t ops_load(struct db_tx *tx, struct job *j, struct stored *ret)
{
	const struct kind *kind = j->method->kind;
	const char *params[] = { kind->name, j->rq.id };
	struct db_result *res = NULL;
	size_t size;
	err_t e =
	    db_exec(tx, &res,
		    kind->operators_only
			? "SELECT body, revision, octet_length(body), 0, false FROM tm.operator_resource "
			  "WHERE tenant = '' AND kind = $1 AND id = $2"
			: "SELECT coalesce(draft, body), revision, octet_length(body), live_version, draft IS NOT NULL "
			  "FROM tm.resource WHERE tenant = tm.tenant() AND kind = $1 AND id = $2",
		    2, params);

	if (!e && !db_rows(res))
		e = kind_not_found(kind, &j->detail);
	if (!e) {
		const void *bytes = db_bytes(res, 0, 0, &size);

		*ret = (struct stored){ .revision = (uint64_t)db_int(res, 0, 1),
					.size = (size_t)db_int(res, 0, 2),
					.live_version = (uint64_t)db_int(res, 0, 3),
					.draft = db_bool(res, 0, 4) };
		ret->msg = bytes ? pbr_unpack(&j->arena, kind->desc, bytes, size) : NULL;
		e = ret->msg ? ERR_OK : ERR_DATA_LOSS;
	}
	db_result_free(&res);
	return e;
}

err_t ops_check_etag(struct job *j, uint64_t revision)
{
	char etag[24];

	snprintf(etag, sizeof(etag), "%" PRIu64, revision);
	if (str_empty(j->rq.etag) || strcmp(j->rq.etag, etag) == 0)
		return ERR_OK;
	return err_set(&j->detail, ERR_ABORTED, "etag", "it has been changed since it was read; read it again");
}

/* ---- references ---- */

struct refs {
	struct job *job;
	struct str kinds, ids; /* array literals: kinds and ids need no quotes */
	size_t n;
	char first_path[160];
};

static err_t add_ref(enum check_kind kind, const char *id, const char *path, void *arg)
{
	struct refs *r = arg;

	if (!r->n++)
		(void)str_copy(r->first_path, sizeof(r->first_path), path);
	str_append_c(&r->kinds, r->n > 1 ? ',' : '{');
	str_append(&r->kinds, check_kind_name(kind));
	str_append_c(&r->ids, r->n > 1 ? ',' : '{');
	str_append(&r->ids, id);
	return ERR_OK;
}

struct missing {
	const char *kind, *id;
	char path[160];
};

/* The path of the reference that leads nowhere. */
static err_t find_path(enum check_kind kind, const char *id, const char *path, void *arg)
{
	struct missing *m = arg;

	if (strcmp(check_kind_name(kind), m->kind) != 0 || strcmp(id, m->id) != 0)
		return ERR_OK;
	(void)str_copy(m->path, sizeof(m->path), path);
	return ERR_EXISTS; /* ends the walk */
}

static err_t check_missing(struct change *c, const ProtobufCMessage *m, const char *const params[2])
{
	struct job *j = c->job;
	struct db_result *res = NULL;
	err_t e = db_exec(c->tx, &res,
			  "SELECT r.k, r.i FROM unnest($1::text[], $2::text[]) AS r (k, i) WHERE NOT EXISTS "
			  "(SELECT FROM tm.resource WHERE tenant = tm.tenant() AND kind = r.k AND id = r.i) LIMIT 1",
			  2, params);

	if (!e && db_rows(res)) {
		struct missing miss = { .kind = db_text(res, 0, 0), .id = db_text(res, 0, 1) };

		if (check_refs(m, find_path, &miss) != ERR_EXISTS)
			(void)str_copy(miss.path, sizeof(miss.path), "id");
		e = err_set(&j->detail, ERR_INVALID, miss.path, "there is no %s '%s'", miss.kind, miss.id);
		check_prefix(&j->detail, "%s.", j->rq.resource_field);
	}
	db_result_free(&res);
	return e;
}

static err_t write_refs(struct change *c, const ProtobufCMessage *m)
{
	struct job *j = c->job;
	const char *own[] = { j->method->kind->name, j->rq.id, NULL, NULL };
	struct refs r = { .job = j };
	err_t e = db_exec(c->tx, NULL,
			  "DELETE FROM tm.resource_ref WHERE tenant = tm.tenant() AND kind = $1 AND id = $2", 2, own);

	if (!e)
		e = check_refs(m, add_ref, &r);
	str_append_c(&r.kinds, '}');
	str_append_c(&r.ids, '}');
	if (!e && (r.kinds.failed || r.ids.failed))
		e = ERR_EXHAUSTED;
	own[2] = str_text(&r.kinds);
	own[3] = str_text(&r.ids);
	if (!e && r.n)
		e = check_missing(c, m, &own[2]);
	if (!e && r.n)
		e = db_exec(
		    c->tx, NULL,
		    "INSERT INTO tm.resource_ref (tenant, kind, id, to_kind, to_id) "
		    "SELECT DISTINCT tm.tenant(), $1, $2, r.k, r.i FROM unnest($3::text[], $4::text[]) AS r (k, i)",
		    4, own);
	str_done(&r.kinds);
	str_done(&r.ids);
	return e;
}

/* ---- the row ---- */

/* What must be unique in the tenant besides the id. NULL: nothing. */
static const char *unique_key(const struct kind *kind, const char *id, const ProtobufCMessage *m)
{
	if (strcmp(kind->name, "number") == 0)
		return id + (id[0] == '+');
	if (strcmp(kind->name, "trunk") == 0 && !str_empty(pbr_string(m, "username")))
		return pbr_string(m, "username");
	return NULL;
}

static err_t explain(struct change *c, err_t e)
{
	struct job *j = c->job;
	const struct kind *kind = j->method->kind;

	if (e != ERR_EXISTS)
		return e;
	/* The same words, whether the number is another tenant's or not in use for another reason. */
	if (strcmp(db_constraint(c->tx), "claim_is_free") == 0)
		return err_set(&j->detail, e, kind->id_field, "the number is not available");
	if (strcmp(db_constraint(c->tx), "resource_unique_key") == 0)
		return err_set(&j->detail, e, strcmp(kind->name, "trunk") == 0 ? "trunk.username" : kind->id_field,
			       "another %s has it", kind->name);
	return err_set(&j->detail, e, kind->id_field, "there is a %s '%s' already", kind->name, j->rq.id);
}

/* Of a flow a trigger makes the next version of it. */
static err_t write_row(struct change *c, const ProtobufCMessage *m, bool insert, size_t *ret_size)
{
	struct job *j = c->job;
	const struct kind *kind = j->method->kind;
	char revision[24];
	const char *params[] = { kind->name, j->rq.id, unique_key(kind, j->rq.id, m),
				 NULL,	     revision, c->keep_draft ? "t" : "f" };
	struct db_result *res = NULL;
	void *bytes = pbr_pack(&j->arena, m, ret_size);

	if (!bytes)
		return ERR_EXHAUSTED;
	snprintf(revision, sizeof(revision), "%" PRIu64, c->version);
	db_bind_bytes(c->tx, 3, bytes, *ret_size);
	err_t e = insert
		      ? db_exec(c->tx, &res,
				"INSERT INTO tm.resource (tenant, kind, id, unique_key, body, revision) "
				"VALUES (tm.tenant(), $1, $2, $3, $4, $5) RETURNING live_version",
				5, params)
		      : db_exec(c->tx, &res,
				"UPDATE tm.resource SET unique_key = $3, body = $4, revision = $5, updated_at = now(), "
				"draft = CASE WHEN $6::boolean THEN nullif(draft, $4) END "
				"WHERE tenant = tm.tenant() AND kind = $1 AND id = $2 RETURNING live_version",
				6, params);
	if (!e)
		c->live_version = (uint64_t)db_int(res, 0, 0);
	db_result_free(&res);
	return explain(c, e);
}

static err_t write_version(struct change *c, const ProtobufCMessage *m, bool insert, size_t *ret_size)
{
	bool flow = strcmp(c->job->method->kind->name, "flow") == 0;
	err_t e = write_row(c, m, insert, ret_size);

	return e || !flow ? e : ops_flow_prune(c);
}

err_t ops_store(struct change *c, const ProtobufCMessage *m, const struct stored *old)
{
	struct job *j = c->job;
	size_t size = 0;
	err_t e = check_resource(m, &j->detail);

	if (!e)
		e = check_language(pbr_string(m, "language"), "language", &j->detail);
	if (e == ERR_INVALID)
		check_prefix(&j->detail, "%s.", j->rq.resource_field);
	if (!e)
		e = write_version(c, m, !old, &size);
	if (!e)
		e = write_refs(c, m);
	if (e)
		return e;
	return change_publish(c, (int64_t)size - (old ? (int64_t)old->size : 0));
}

err_t ops_drop_audio(struct change *c, const char *sha256)
{
	struct job *j = c->job;
	struct db_result *res = NULL;
	const char *params[] = { sha256 };
	bool used = false;
	size_t size;
	err_t e = db_exec(c->tx, &res, "SELECT body FROM tm.resource WHERE tenant = tm.tenant() AND kind = 'prompt'", 0,
			  NULL);

	for (int i = 0; !e && !used && i < db_rows(res); i++) {
		const void *bytes = db_bytes(res, i, 0, &size);
		const ProtobufCMessage *m =
		    bytes ? pbr_unpack(&j->arena, &trunkline__config__v1__prompt__descriptor, bytes, size) : NULL;

		e = m ? ERR_OK : ERR_EXHAUSTED;
		used = m && strcmp(pbr_string(m, "sha256"), sha256) == 0;
	}
	db_result_free(&res);
	if (e || used)
		return e;
	e = db_exec(c->tx, NULL, "DELETE FROM tm.prompt_audio WHERE tenant = tm.tenant() AND sha256 = $1", 1, params);
	return e ? e : change_outbox(c, STAGE_GONE, "gone.%s", sha256);
}
