#include "ops.h"

#include <stdio.h>
#include <string.h>
#include "base/str.h"
#include "merge.h"
#include "page.h"
#include "pbr.h"
#include "quota.h"
#include "role.h"
#include "tenantconf/check.h"
#include "trunkline/admin/v1/admin.pb-c.h"

static ProtobufCMessage *answer(struct job *j, const char *id, const struct stored *s)
{
	ProtobufCMessage *m = merge_public(&j->arena, j->rq.tenant, j->method->kind, id, s->msg, s->revision);

	if (m) {
		pbr_set_u64(m, "live_version", s->live_version);
		pbr_set_bool(m, "draft", s->draft);
	}
	return m;
}

ProtobufCMessage *ops_answer(struct job *j, const struct stored *s)
{
	return answer(j, j->rq.id, s);
}

/* As what calls are to run, or as a draft. *ret: what is there now. */
static err_t store(struct change *c, ProtobufCMessage *m, const struct stored *old, struct stored *ret)
{
	bool flow = strcmp(c->job->method->kind->name, "flow") == 0;
	err_t e;

	if (c->job->rq.draft_only)
		return ops_flow_draft(c, m, old, ret);
	e = flow ? ops_flow_sign(c, "", 0) : ERR_OK;
	if (!e)
		e = ops_store(c, m, old);
	*ret = (struct stored){ .msg = m, .revision = c->version, .live_version = c->live_version };
	return e;
}

/* The password of an agent for AuthService. Hashed before this (slow); NULL: none was given. */
static err_t write_credential(struct change *c, const char *hash)
{
	const char *params[] = { c->job->rq.id, hash };

	if (str_empty(hash))
		return ERR_OK;
	return db_exec(c->tx, NULL,
		       "INSERT INTO tm.credential (tenant, agent_id, argon2id) VALUES (tm.tenant(), $1, $2) "
		       "ON CONFLICT (tenant, agent_id) DO UPDATE SET argon2id = excluded.argon2id",
		       2, params);
}

/* By a password, or by the digest hashes themselves: the first login of an imported agent is checked against these (login.c). */
static bool sets_password(const struct merged *m, const ProtobufCMessage *old)
{
	return !str_empty(m->password) || !str_eq(pbr_string(m->msg, "ha1_md5"), pbr_string(old, "ha1_md5")) ||
	       !str_eq(pbr_string(m->msg, "ha1_sha256"), pbr_string(old, "ha1_sha256"));
}

/* Before the first statement, so that the tenant is not locked meanwhile. */
static err_t hash_login(const struct job *j, char hash[AUTH_HASH_TEXT])
{
	const char *password = pbr_string(j->rq.resource, "password");

	hash[0] = '\0';
	if (strcmp(j->method->kind->name, "agent") != 0 || str_empty(password) || strlen(password) > 128)
		return ERR_OK;
	return auth_password_hash(password, hash);
}

err_t ops_resource_create(struct db_tx *tx, void *arg)
{
	struct job *j = arg;
	struct change c;
	struct stored now;
	struct merged m;
	char hash[AUTH_HASH_TEXT];
	err_t e = hash_login(j, hash);

	if (!e)
		e = change_begin(&c, tx, j, j->method->kind->desc);
	if (e || c.repeated)
		return e;
	e = merge_resource(&m, j, NULL, c.sip_domain, c.version);
	if (!e)
		e = store(&c, m.msg, NULL, &now);
	if (!e)
		e = role_check_gift(&c, m.msg, NULL, true);
	if (!e)
		e = quota_check_new(&c);
	if (!e)
		e = write_credential(&c, hash);
	if (!e) {
		j->reply = ops_answer(j, &now);
		e = j->reply ? change_end(&c, NULL, j->reply) : ERR_EXHAUSTED;
	}
	return e;
}

err_t ops_resource_get(struct db_tx *tx, void *arg)
{
	struct job *j = arg;
	struct stored s;

	job_restart(j);
	err_t e = auth_is_operator(&j->user) ? ERR_OK : ops_check_tenant(tx, j);
	if (!e)
		e = ops_load(tx, j, &s);
	if (!e) {
		j->reply = ops_answer(j, &s);
		e = j->reply ? ERR_OK : ERR_EXHAUSTED;
	}
	return e;
}

err_t ops_resource_update(struct db_tx *tx, void *arg)
{
	struct job *j = arg;
	struct change c;
	struct stored old, now;
	struct merged m;
	char hash[AUTH_HASH_TEXT];
	err_t e = hash_login(j, hash);

	if (!e)
		e = change_begin(&c, tx, j, j->method->kind->desc);
	if (e || c.repeated)
		return e;
	e = ops_load(tx, j, &old);
	if (!e)
		e = ops_check_etag(j, old.revision);
	if (!e)
		e = merge_resource(&m, j, old.msg, c.sip_domain, c.version);
	if (!e)
		e = store(&c, m.msg, &old, &now);
	if (!e)
		e = role_check_gift(&c, m.msg, old.msg, sets_password(&m, old.msg));
	if (!e && !str_empty(m.password))
		e = write_credential(&c, hash);
	if (!e) {
		j->reply = ops_answer(j, &now);
		const ProtobufCMessage *before = ops_answer(j, &old);
		e = j->reply && before ? change_end(&c, before, j->reply) : ERR_EXHAUSTED;
	}
	return e;
}

/* Who refers to it, by name, so that one knows where to go. */
static err_t check_referrers(struct change *c)
{
	struct job *j = c->job;
	const struct kind *kind = j->method->kind;
	const char *params[] = { kind->name, j->rq.id };
	struct db_result *res = NULL;
	struct str who = STR_INIT;
	err_t e = db_exec(
	    c->tx, &res,
	    "SELECT DISTINCT kind, id FROM tm.resource_ref WHERE tenant = tm.tenant() AND to_kind = $1 AND to_id = $2 "
	    "AND (kind, id) <> ($1, $2) ORDER BY kind, id LIMIT 4",
	    2, params);

	for (int i = 0; !e && i < db_rows(res) && i < 3; i++) {
		const struct kind *from = kind_find(db_text(res, i, 0));

		str_printf(&who, "%s%s/%s", i ? ", " : "", from ? from->plural : "", db_text(res, i, 1));
	}
	if (!e && db_rows(res))
		e = err_set(&j->detail, ERR_PRECONDITION, "name",
			    db_rows(res) > 3 ? "in use by %s and others" : "in use by %s", str_text(&who));
	str_done(&who);
	db_result_free(&res);
	return e;
}

static err_t check_announcement(struct change *c)
{
	struct job *j = c->job;
	bool announces = false;
	err_t e = strcmp(j->method->kind->name, "prompt") == 0 ? ops_announces(c, j->rq.id, &announces) : ERR_OK;

	return announces ? err_set(&j->detail, ERR_PRECONDITION, "name", "in use by the tenant's suspension") : e;
}

static err_t delete_row(struct change *c, const struct stored *old)
{
	struct job *j = c->job;
	const struct kind *kind = j->method->kind;
	const char *params[] = { kind->name, j->rq.id };
	err_t e = db_exec(c->tx, NULL, "DELETE FROM tm.resource WHERE tenant = tm.tenant() AND kind = $1 AND id = $2",
			  2, params);

	if (e)
		return e;
	e = change_publish(c, -(int64_t)old->size);
	if (!e && strcmp(kind->name, "prompt") == 0)
		e = ops_drop_audio(c, pbr_string(old->msg, "sha256"));
	return e;
}

err_t ops_resource_delete(struct db_tx *tx, void *arg)
{
	struct job *j = arg;
	struct change c;
	struct stored old;
	err_t e = change_begin(&c, tx, j, &google__protobuf__empty__descriptor);

	if (e || c.repeated)
		return e;
	e = ops_load(tx, j, &old);
	if (!e)
		e = ops_check_etag(j, old.revision);
	if (!e)
		e = check_referrers(&c);
	if (!e)
		e = check_announcement(&c);
	if (!e)
		e = delete_row(&c, &old);
	if (!e) {
		j->reply = pbr_new(&j->arena, &google__protobuf__empty__descriptor);
		const ProtobufCMessage *before = ops_answer(j, &old);
		e = j->reply && before ? change_end(&c, before, NULL) : ERR_EXHAUSTED;
	}
	return e;
}

/* ---- list ---- */

static const ProtobufCMessageDescriptor *list_response(const struct kind *kind)
{
	char name[64];

	snprintf(name, sizeof(name), "List%s", kind->titles);
	const ProtobufCMethodDescriptor *m =
	    protobuf_c_service_descriptor_get_method_by_name(&trunkline__admin__v1__admin_service__descriptor, name);
	return m ? m->output : NULL;
}

static err_t take_row(struct job *j, struct db_result *res, int row, ProtobufCMessage **ret)
{
	const char *id = arena_strdup(&j->arena, db_text(res, row, 0));
	struct stored s = { .revision = (uint64_t)db_int(res, row, 2),
			    .live_version = (uint64_t)db_int(res, row, 3),
			    .draft = db_bool(res, row, 4) };
	size_t size;
	const void *bytes = db_bytes(res, row, 1, &size);

	s.msg = bytes ? pbr_unpack(&j->arena, j->method->kind->desc, bytes, size) : NULL;
	*ret = s.msg && id ? answer(j, id, &s) : NULL;
	return *ret ? ERR_OK : ERR_EXHAUSTED;
}

static err_t read_rows(struct db_tx *tx, const struct job *j, const char *after, const char *limit,
		       struct db_result **ret)
{
	const char *params[] = { j->method->kind->name, after, limit };
	bool operators = j->method->kind->operators_only;

	return db_exec(
	    tx, ret,
	    operators ? "SELECT id, body, revision, 0, false FROM tm.operator_resource "
			"WHERE tenant = '' AND kind = $1 AND id > $2 ORDER BY id LIMIT $3"
		      : "SELECT id, coalesce(draft, body), revision, live_version, draft IS NOT NULL FROM tm.resource "
			"WHERE tenant = tm.tenant() AND kind = $1 AND id > $2 ORDER BY id LIMIT $3",
	    3, params);
}

err_t ops_resource_list(struct db_tx *tx, void *arg)
{
	struct job *j = arg;
	const struct kind *kind = j->method->kind;
	struct page pg;
	err_t e = page_begin(&pg, j,
			     &(struct page_source){ .of = kind->desc,
						    .response = list_response(kind),
						    .list = kind->plural,
						    .read = read_rows,
						    .take = take_row });

	if (!e && !kind->operators_only)
		e = ops_check_tenant(tx, j);
	return e ? e : page_read(tx, &pg);
}
