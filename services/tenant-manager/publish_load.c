/* The state of items as it is in PostgreSQL now, as the bytes that are published. On a database worker. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/str.h"
#include "kind.h"
#include "ops_deletion.h"
#include "pbcheck/pbwire.h"
#include "pbjson/pbjson.h"
#include "pbr.h"
#include "publisher_internal.h"
#include "sensitive.h"
#include "trunkline/admin/v1/admin.pb-c.h"
#include "trunkline/admin/v1/auth.pb-c.h"
#include "trunkline/config/v1/config.pb-c.h"
#include "trunkline/event/v1/event.pb-c.h"

#define QUOTAS_FIELD 16 /* of TenantConfig */
#define KEYS_FIELD   31 /* … */

static void put_varint(struct str *out, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		str_append_c(out, (char)(v | 0x80));
	str_append_c(out, (char)v);
}

static void put_message(struct str *out, unsigned field, const void *bytes, size_t size)
{
	put_varint(out, field << 3 | PBWIRE_LEN);
	put_varint(out, size);
	str_append_n(out, bytes, size);
}

static err_t keep(struct task *t, const void *bytes, size_t size)
{
	t->bytes = arena_dup(&t->lot->arena, bytes, size + (size == 0));
	t->size = size;
	return t->bytes ? ERR_OK : ERR_EXHAUSTED;
}

/* ---- main ---- */

/* The key outlives the setting: what was encrypted is still to be read. */
static err_t put_sensitive(struct db_tx *tx, struct task *t, Trunkline__Config__V1__TenantConfig *head,
			   struct db_result *res)
{
	if (!sensitive_from_bits(&t->lot->arena, (unsigned)db_int(res, 0, 10), &head->n_sensitive_fields,
				 &head->sensitive_fields))
		return ERR_EXHAUSTED;
	return db_bool(res, 0, 11) ? sensitive_load_keys(tx, &t->lot->arena, &head->n_keys, &head->keys) : ERR_OK;
}

static err_t put_head(struct db_tx *tx, struct task *t, struct str *out, struct db_result *res)
{
	Trunkline__Config__V1__TenantConfig head = TRUNKLINE__CONFIG__V1__TENANT_CONFIG__INIT;
	const void *bytes;
	size_t size;
	err_t e = put_sensitive(tx, t, &head, res);

	if (e)
		return e;
	t->version = (uint64_t)db_int(res, 0, 0);
	head.tenant = t->lot->tenant;
	head.version = t->version;
	head.display_name = (char *)db_text(res, 0, 1);
	head.time_zone = (char *)db_text(res, 0, 2);
	head.sip_domain = (char *)db_text(res, 0, 3);
	head.language = (char *)db_text(res, 0, 8);
	head.pool = (char *)db_text(res, 0, 9);
	head.suspended = db_bool(res, 0, 4);
	bytes = db_bytes(res, 0, 7, &size);
	if (bytes && size)
		head.suspension =
		    (void *)pbr_unpack(&t->lot->arena, &trunkline__config__v1__suspension__descriptor, bytes, size);
	if (!bytes || (size && !head.suspension))
		return ERR_EXHAUSTED;
	bytes = pbr_pack(&t->lot->arena, &head.base, &size);
	if (bytes)
		str_append_n(out, bytes, size);
	const void *quotas = db_bytes(res, 0, 6, &size);
	if (quotas && size)
		put_message(out, QUOTAS_FIELD, quotas, size);
	return bytes && quotas ? ERR_OK : ERR_EXHAUSTED;
}

/* A message in wire format is the concatenation of its fields: the stored resources go in as they are. */
static err_t put_resources(struct db_tx *tx, struct str *out)
{
	struct db_result *res = NULL;
	size_t size;
	err_t e = db_exec(
	    tx, &res,
	    "SELECT kind, body FROM tm.resource WHERE tenant = tm.tenant() AND kind <> 'agent' ORDER BY kind, id", 0,
	    NULL);

	for (int i = 0; !e && i < db_rows(res); i++) {
		const struct kind *kind = kind_find(db_text(res, i, 0));
		const void *bytes = db_bytes(res, i, 1, &size);

		if (!bytes)
			e = ERR_EXHAUSTED;
		else if (kind && kind->config_field > 0)
			put_message(out, (unsigned)kind->config_field, bytes, size);
	}
	db_result_free(&res);
	return e;
}

static err_t load_main(struct db_tx *tx, struct task *t)
{
	struct db_result *res = NULL;
	struct str out = STR_INIT;
	/* One snapshot for both statements: a version and exactly what belongs to it. Audio that came meanwhile goes first:
	 * nobody is to be told of a prompt that cannot be fetched. */
	err_t e = db_exec(tx, NULL, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", 0, NULL);

	if (!e)
		e = db_exec(tx, &res,
			    "SELECT version, display_name, time_zone, sip_domain, suspended, "
			    "EXISTS (SELECT FROM tm.outbox WHERE tenant = tm.tenant() AND stage = 0), quotas, "
			    "suspension, language, pool, sensitive, "
			    "EXISTS (SELECT FROM tm.tenant_key k WHERE k.tenant = tm.tenant()) "
			    "FROM tm.tenant WHERE tenant = tm.tenant()",
			    0, NULL);
	if (!e && db_rows(res))
		t->postponed = db_bool(res, 0, 5);
	if (!e && t->look && (!db_rows(res) || !db_bool(res, 0, 11)))
		t->postponed = true; /* who has never marked a field is published as he should be */
	if (!e && db_rows(res) && !t->postponed) {
		e = put_head(tx, t, &out, res);
		if (!e)
			e = put_resources(tx, &out);
		if (!e)
			e = out.failed ? ERR_EXHAUSTED : keep(t, str_text(&out), out.len);
	}
	db_result_free(&res);
	str_done(&out);
	return e;
}

/* ---- the others ---- */

static err_t take_agents(struct lot *l, struct db_result *res)
{
	err_t e = ERR_OK;

	for (int i = 0; !e && i < db_rows(res); i++) {
		struct task *t = &l->tasks[db_int(res, i, 0) - 1];
		size_t size;
		const void *bytes = db_bytes(res, i, 1, &size);

		t->version = (uint64_t)db_int(res, i, 2);
		t->unchanged = db_bool(res, i, 3);
		e = bytes ? keep(t, bytes, size) : ERR_EXHAUSTED;
	}
	return e;
}

static err_t load_agents(struct db_tx *tx, struct lot *l)
{
	struct str ids = STR_INIT;
	struct db_result *res = NULL;

	for (size_t i = 0; i < l->n; i++)
		db_array_add(&ids, l->tasks[i].key);
	const char *array = db_array_text(&ids);
	/* LATERAL and LIMIT: by the key for each of them, whatever the planner thinks of an array that it does not know. */
	err_t e = ids.failed
		      ? ERR_EXHAUSTED
		      : db_exec(tx, &res,
				"SELECT k.n, r.* FROM unnest($1::text[]) WITH ORDINALITY AS k (id, n), LATERAL "
				"(SELECT body, revision, created_at = updated_at FROM tm.resource WHERE tenant = "
				"tm.tenant() AND kind = 'agent' AND id = k.id LIMIT 1) AS r",
				1, &array);
	if (!e)
		e = take_agents(l, res);
	db_result_free(&res);
	str_done(&ids);
	return e;
}

static err_t load_audio(struct db_tx *tx, struct task *t)
{
	const char *params[] = { t->key };
	struct db_result *res = NULL;
	size_t size;
	err_t e =
	    db_exec(tx, &res, "SELECT pcm FROM tm.prompt_audio WHERE tenant = tm.tenant() AND sha256 = $1", 1, params);

	if (!e && db_rows(res)) {
		const void *bytes = db_bytes(res, 0, 0, &size);

		e = bytes ? keep(t, bytes, size) : ERR_EXHAUSTED;
	}
	db_result_free(&res);
	return e;
}

/* The kind in "tenants/acme/queues/sales"; a tenant itself has none. */
static const ProtobufCMessageDescriptor *resource_desc(const char *name)
{
	const char *plural = strchr(name, '/');

	plural = plural ? strchr(plural + 1, '/') : NULL;
	if (!plural)
		return &trunkline__admin__v1__tenant__descriptor;
	if (strncmp(plural + 1, "deletions/", strlen("deletions/")) == 0)
		return ops_deletion_kind.desc;
	if (strncmp(plural + 1, "tokens/", strlen("tokens/")) == 0)
		return &trunkline__admin__v1__create_token_request__descriptor;
	if (strncmp(plural + 1, "imports/", 8) == 0)
		return &trunkline__admin__v1__import__descriptor;
	for (size_t i = 0; i < n_kinds; i++) {
		size_t n = strlen(kinds[i].plural);

		if (strncmp(plural + 1, kinds[i].plural, n) == 0 && plural[1 + n] == '/')
			return kinds[i].desc;
	}
	return NULL;
}

/* As JSON, for people who read the audit; "" for none. */
static err_t audit_json(struct task *t, struct db_result *res, int col, char **ret)
{
	const ProtobufCMessageDescriptor *desc = resource_desc(db_text(res, 0, 3));
	struct str out = STR_INIT;
	size_t size;
	const void *bytes = db_bytes(res, 0, col, &size);
	const ProtobufCMessage *m = bytes && desc ? pbr_unpack(&t->lot->arena, desc, bytes, size) : NULL;
	err_t e = m ? pbjson_print(&out, m, 0, NULL) : ERR_OK;

	if (!e) {
		*ret = arena_strdup(&t->lot->arena, str_text(&out));
		e = *ret ? ERR_OK : ERR_EXHAUSTED;
	}
	str_done(&out);
	return e;
}

static err_t fill_audit(struct task *t, struct db_result *res)
{
	Trunkline__Event__V1__AuditEntry a = TRUNKLINE__EVENT__V1__AUDIT_ENTRY__INIT;
	Trunkline__Event__V1__Event ev = TRUNKLINE__EVENT__V1__EVENT__INIT;
	size_t size = 0;
	err_t e = audit_json(t, res, 5, &a.before_json);

	if (!e)
		e = audit_json(t, res, 6, &a.after_json);
	if (e)
		return e;
	a.actor = (char *)db_text(res, 0, 1);
	a.action = (char *)db_text(res, 0, 2);
	a.resource = (char *)db_text(res, 0, 3);
	a.peer = (char *)db_text(res, 0, 4);
	/* A tenant deleted and created again goes on counting, so the id is unique. */
	ev.id = arena_printf(&t->lot->arena, "%s.audit.%s", t->lot->tenant, t->key);
	ev.tenant = t->lot->tenant;
	ev.time_ms = db_int(res, 0, 0);
	ev.seq = strtoull(t->key, NULL, 10);
	ev.body_case = TRUNKLINE__EVENT__V1__EVENT__BODY_AUDIT_ENTRY;
	ev.audit_entry = &a;
	t->bytes = ev.id ? pbr_pack(&t->lot->arena, &ev.base, &size) : NULL;
	t->size = size;
	return t->bytes ? ERR_OK : ERR_EXHAUSTED;
}

static err_t load_audit(struct db_tx *tx, struct task *t)
{
	const char *params[] = { t->key };
	struct db_result *res = NULL;
	err_t e =
	    db_exec(tx, &res,
		    "SELECT floor(extract(epoch FROM at) * 1000)::bigint, actor, action, resource, peer, before, after "
		    "FROM tm.audit WHERE tenant = tm.tenant() AND seq = $1",
		    1, params);

	if (!e && db_rows(res))
		e = fill_audit(t, res);
	db_result_free(&res);
	return e;
}

/* For the recorders. The row names the deletion by its time. */
static err_t load_purged(struct db_tx *tx, struct task *t)
{
	Trunkline__Event__V1__TenantPurged body = TRUNKLINE__EVENT__V1__TENANT_PURGED__INIT;
	Trunkline__Event__V1__Event ev = TRUNKLINE__EVENT__V1__EVENT__INIT;
	const char *params[] = { t->key };
	struct db_result *res = NULL;
	err_t e = db_exec(tx, &res,
			  "SELECT floor(extract(epoch FROM purged_at) * 1000)::bigint FROM tm.deletion WHERE tenant = "
			  "tm.tenant() AND deleted_at = to_timestamp($1::bigint / 1000.0)",
			  1, params);

	if (!e && db_rows(res)) {
		body.delete_time_ms = strtoll(t->key, NULL, 10);
		ev.id = arena_printf(&t->lot->arena, "%s.purged.%s", t->lot->tenant, t->key);
		ev.tenant = t->lot->tenant;
		ev.time_ms = db_int(res, 0, 0);
		ev.body_case = TRUNKLINE__EVENT__V1__EVENT__BODY_TENANT_PURGED;
		ev.tenant_purged = &body;
		t->bytes = ev.id ? pbr_pack(&t->lot->arena, &ev.base, &t->size) : NULL;
		e = t->bytes ? ERR_OK : ERR_EXHAUSTED;
	}
	db_result_free(&res);
	return e;
}

err_t lot_load(struct db_tx *tx, void *arg)
{
	struct lot *l = arg;
	struct task *t = &l->tasks[0];

	arena_reset(&l->arena);
	for (size_t i = 0; i < l->n; i++) {
		l->tasks[i].bytes = NULL;
		l->tasks[i].size = 0;
		l->tasks[i].version = 0;
		l->tasks[i].postponed = l->tasks[i].unchanged = false;
	}
	switch (t->kind) {
	case ITEM_MAIN:
		return load_main(tx, t);
	case ITEM_AGENT:
		return load_agents(tx, l);
	case ITEM_AUDIT:
		return load_audit(tx, t);
	case ITEM_PURGED:
		return load_purged(tx, t);
	default:
		return load_audio(tx, t);
	}
}

bool publish_has_keys(const void *bytes, size_t size)
{
	struct pbwire w = pbwire_over(bytes, size);
	struct pbwire_field f;

	while (pbwire_next(&w, &f)) {
		if (f.id == KEYS_FIELD && f.type == PBWIRE_LEN)
			return true;
	}
	return false;
}

uint64_t publish_version(const void *bytes, size_t size, bool agent)
{
	struct pbwire w = pbwire_over(bytes, size);
	struct pbwire_field f;
	uint64_t version = 0;

	while (pbwire_next(&w, &f)) {
		if (f.id == (agent ? 9u : 2u) && f.type == PBWIRE_VARINT)
			version = f.number;
	}
	return version;
}
