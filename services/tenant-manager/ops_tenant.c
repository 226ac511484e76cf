#include "ops.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/str.h"
#include "merge.h"
#include "page.h"
#include "pbr.h"
#include "pool.h"
#include "quota.h"
#include "sensitive.h"
#include "token.h"
#include "tenantconf/check.h"
#include "trunkline/admin/v1/admin.pb-c.h"

/* Published is everything when nothing waits in the outbox. (A list is read outside any tenant, where the outbox cannot be
 * seen: it tells the last version that had a change of something else than an agent.) */
#define COLUMNS                                                                                                        \
	"tenant, display_name, time_zone, sip_domain, suspended, version, "                                            \
	"CASE WHEN tm.tenant() IS NULL OR EXISTS (SELECT 1 FROM tm.outbox o WHERE o.tenant = tm.tenant() AND o.stage " \
	"<= 2) "                                                                                                       \
	"THEN published_version ELSE version END, "                                                                    \
	"floor(extract(epoch FROM created_at) * 1000)::bigint, floor(extract(epoch FROM updated_at) * 1000)::bigint, " \
	"revision, quotas, suspension, coalesce(floor(extract(epoch FROM deleted_at) * 1000)::bigint, 0), "            \
	"coalesce(floor(extract(epoch FROM purge_at) * 1000)::bigint, 0), "                                            \
	"floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint, language, pool, sensitive"

static bool suspension_from_row(struct arena *a, struct db_result *res, int row,
				Trunkline__Config__V1__Suspension **ret)
{
	size_t size;
	const void *bytes = db_bytes(res, row, 11, &size);

	if (bytes && size)
		*ret = (void *)pbr_unpack(a, &trunkline__config__v1__suspension__descriptor, bytes, size);
	return bytes && (!size || *ret);
}

static void deletion_from_row(struct db_result *res, int row, Trunkline__Admin__V1__Tenant *t)
{
	static const Trunkline__Admin__V1__Tenant__State states[] = {
		[DELETION_NONE] = TRUNKLINE__ADMIN__V1__TENANT__STATE__STATE_ACTIVE,
		[DELETION_GRACE] = TRUNKLINE__ADMIN__V1__TENANT__STATE__STATE_DELETED,
		[DELETION_PURGING] = TRUNKLINE__ADMIN__V1__TENANT__STATE__STATE_PURGING,
	};

	t->delete_time_ms = db_int(res, row, 12);
	t->purge_time_ms = db_int(res, row, 13);
	t->state = states[deletion_state(t->delete_time_ms, t->purge_time_ms, db_int(res, row, 14))];
}

static Trunkline__Admin__V1__Tenant *tenant_from_row(struct arena *a, struct db_result *res, int row)
{
	Trunkline__Admin__V1__Tenant *t = (void *)pbr_new(a, &trunkline__admin__v1__tenant__descriptor);
	const ProtobufCMessage *quotas;

	if (!t || quota_from_row(a, res, row, 10, &quotas))
		return NULL;
	t->quotas = (Trunkline__Config__V1__Quotas *)quotas;
	t->name = arena_printf(a, "tenants/%s", db_text(res, row, 0));
	t->display_name = arena_strdup(a, db_text(res, row, 1));
	t->time_zone = arena_strdup(a, db_text(res, row, 2));
	t->sip_domain = arena_strdup(a, db_text(res, row, 3));
	t->suspended = db_bool(res, row, 4);
	t->config_version = (uint64_t)db_int(res, row, 5);
	t->published_version = (uint64_t)db_int(res, row, 6);
	t->create_time_ms = db_int(res, row, 7);
	t->update_time_ms = db_int(res, row, 8);
	t->etag = arena_strdup(a, db_text(res, row, 9));
	deletion_from_row(res, row, t);
	t->language = arena_strdup(a, db_text(res, row, 15));
	t->pool = arena_strdup(a, db_text(res, row, 16));
	if (!suspension_from_row(a, res, row, &t->suspension) ||
	    !sensitive_from_bits(a, (unsigned)db_int(res, row, 17), &t->n_sensitive_fields, &t->sensitive_fields))
		return NULL;
	return t->name && t->display_name && t->time_zone && t->sip_domain && t->etag && t->language && t->pool ? t
														: NULL;
}

err_t ops_tenant_load(struct db_tx *tx, struct job *j, Trunkline__Admin__V1__Tenant **ret)
{
	struct db_result *res = NULL;
	err_t e = db_exec(tx, &res, "SELECT " COLUMNS " FROM tm.tenant WHERE tenant = tm.tenant()", 0, NULL);

	if (!e && !db_rows(res))
		e = err_set(&j->detail, ERR_NOT_FOUND, "tenant", AUTH_NO_SUCH_TENANT);
	if (!e) {
		*ret = tenant_from_row(&j->arena, res, 0);
		e = *ret ? ERR_OK : ERR_EXHAUSTED;
	}
	db_result_free(&res);
	return e;
}

err_t ops_check_tenant(struct db_tx *tx, struct job *j)
{
	const char *params[] = { auth_is_operator(&j->user) ? "t" : "f" };
	struct db_result *res = NULL;
	err_t e = db_exec(tx, &res,
			  "SELECT FROM tm.tenant WHERE tenant = tm.tenant() AND (deleted_at IS NULL OR $1::boolean)", 1,
			  params);

	if (!e && !db_rows(res))
		e = err_set(&j->detail, ERR_NOT_FOUND, "tenant", AUTH_NO_SUCH_TENANT);
	db_result_free(&res);
	return e;
}

static err_t check_tenant(struct job *j, const Trunkline__Admin__V1__Tenant *t)
{
	err_t e = check_display_name(t->display_name, "tenant.display_name", &j->detail);

	if (!e)
		e = check_time_zone(t->time_zone, "tenant.time_zone", &j->detail);
	if (!e)
		e = check_domain(t->sip_domain, "tenant.sip_domain", &j->detail);
	if (!e)
		e = check_language(t->language, "tenant.language", &j->detail);
	if (!e)
		e = sensitive_check(t, &j->detail);
	if (e || !t->quotas)
		return e;
	e = check_resource(&t->quotas->base, &j->detail);
	if (e == ERR_INVALID)
		check_prefix(&j->detail, "tenant.quotas.");
	return e;
}

/* In place of parameter $(index + 1). */
static err_t bind_quotas(struct change *c, int index, const Trunkline__Admin__V1__Tenant *t)
{
	size_t size = 0;
	const void *bytes = t->quotas ? pbr_pack(&c->job->arena, &t->quotas->base, &size) : "";

	if (bytes)
		db_bind_bytes(c->tx, index, bytes, size);
	return bytes ? ERR_OK : ERR_EXHAUSTED;
}

static const char *announcement(const Trunkline__Admin__V1__Tenant *t)
{
	return t->suspension ? t->suspension->announcement_prompt_id : "";
}

/* The prompt is there, and stays: ops_resource_delete() asks (ops_announces). */
static err_t check_announcement(struct change *c, const Trunkline__Admin__V1__Tenant *t)
{
	const char *params[] = { announcement(t) };
	struct db_result *res = NULL;
	err_t e = ERR_OK;

	if (str_empty(params[0]))
		return ERR_OK;
	e = db_exec(c->tx, &res, "SELECT FROM tm.resource WHERE tenant = tm.tenant() AND kind = 'prompt' AND id = $1",
		    1, params);
	if (!e && !db_rows(res))
		e = err_set(&c->job->detail, ERR_INVALID, "tenant.suspension.announcement_prompt_id",
			    "there is no prompt '%.63s'", params[0]);
	db_result_free(&res);
	return e;
}

err_t ops_announces(struct change *c, const char *prompt_id, bool *ret)
{
	const char *params[] = { prompt_id };
	struct db_result *res = NULL;
	err_t e =
	    db_exec(c->tx, &res, "SELECT FROM tm.tenant WHERE tenant = tm.tenant() AND announcement = $1", 1, params);

	*ret = !e && db_rows(res);
	db_result_free(&res);
	return e;
}

static err_t bind_suspension(struct change *c, int index, const Trunkline__Admin__V1__Tenant *t)
{
	size_t size = 0;
	void *bytes = t->suspension ? pbr_pack(&c->job->arena, &t->suspension->base, &size) : (void *)"";

	if (!bytes)
		return ERR_EXHAUSTED;
	db_bind_bytes(c->tx, index, bytes, size);
	return ERR_OK;
}

/* ---- create ---- */

static err_t insert(struct change *c, const Trunkline__Admin__V1__Tenant *t)
{
	struct job *j = c->job;
	char version[24], sensitive[DB_NUMBER];
	const char *params[] = { t->display_name,
				 t->time_zone,
				 t->sip_domain,
				 t->suspended ? "t" : "f",
				 version,
				 NULL,
				 NULL,
				 t->language,
				 t->pool,
				 db_number(sensitive_bits(t), sensitive) };
	err_t e = bind_quotas(c, 5, t);

	snprintf(version, sizeof(version), "%" PRIu64, c->version);
	if (!e)
		e = bind_suspension(c, 6, t);
	if (!e)
		e = db_exec(
		    c->tx, NULL,
		    "INSERT INTO tm.tenant (tenant, display_name, time_zone, sip_domain, suspended, version, "
		    "revision, quotas, suspension, language, pool, sensitive) VALUES (tm.tenant(), $1, $2, $3, $4, $5, "
		    "$5, $6, $7, $8, $9, $10)",
		    10, params);
	if (e == ERR_EXISTS && strcmp(db_constraint(c->tx), "claim_is_free") == 0)
		return err_set(&j->detail, e, "tenant.sip_domain", "another tenant has this SIP domain");
	return e == ERR_EXISTS ? err_set(&j->detail, e, "tenant_id", "there is a tenant '%s' already", j->rq.tenant)
			       : e;
}

/* Tokens name the tenant by its id: those of the one before would open the new one. */
static err_t check_rested(struct change *c)
{
	char rest_s[24];
	const char *params[] = { rest_s };
	struct db_result *res = NULL;

	snprintf(rest_s, sizeof(rest_s), "%" PRId64, c->job->tm->config->id_rest_s);
	err_t e = db_exec(c->tx, &res,
			  "SELECT to_char(max(d.purged_at) + $1::int * interval '1 s', 'YYYY-MM-DD\"T\"HH24:MI:SSOF') "
			  "FROM tm.deletion d WHERE d.tenant = tm.tenant() "
			  "HAVING max(d.purged_at) > now() - $1::int * interval '1 s'",
			  1, params);
	if (!e && db_rows(res))
		e = err_set(&c->job->detail, ERR_PRECONDITION, "tenant_id",
			    "tokens of the former tenant '%s' may still be valid; the id can be given again from %s on",
			    c->job->rq.tenant, db_text(res, 0, 0));
	db_result_free(&res);
	return e;
}

static err_t fill_defaults(struct job *j, Trunkline__Admin__V1__Tenant *t)
{
	if (str_empty(t->time_zone))
		t->time_zone = (char *)"UTC";
	if (str_empty(t->sip_domain))
		t->sip_domain = arena_printf(&j->arena, "%s.%s", j->rq.tenant, j->tm->config->sip_domain_suffix);
	return t->sip_domain ? ERR_OK : ERR_EXHAUSTED;
}

err_t ops_tenant_create(struct db_tx *tx, void *arg)
{
	struct job *j = arg;
	struct change c = { .tx = tx, .job = j, .version = (uint64_t)clock_wall_ms() };
	Trunkline__Admin__V1__Tenant *t;

	job_restart(j);
	err_t e = token_check(tx, &j->user, &j->detail);
	if (!e)
		e = change_repeated(&c, &trunkline__admin__v1__tenant__descriptor);
	if (e || c.repeated)
		return e;
	t = (void *)pbr_shallow(&j->arena, j->rq.resource);
	e = t ? fill_defaults(j, t) : ERR_EXHAUSTED;
	if (!e)
		e = check_tenant(j, t);
	if (!e)
		e = check_announcement(&c, t);
	if (!e)
		e = pool_take(tx, t->pool, &j->detail);
	if (!e)
		e = check_rested(&c);
	if (!e)
		e = insert(&c, t);
	if (!e)
		e = sensitive_ensure_key(&c, t);
	if (!e)
		e = change_outbox(&c, STAGE_MAIN, "main");
	if (!e)
		e = ops_tenant_load(tx, j, &t);
	if (!e) {
		j->reply = &t->base;
		e = change_audit(&c, NULL, j->reply);
	}
	if (!e)
		e = change_answer(&c);
	return e ? e : change_finish(&c);
}

/* ---- get, list ---- */

err_t ops_tenant_get(struct db_tx *tx, void *arg)
{
	struct job *j = arg;
	Trunkline__Admin__V1__Tenant *t;

	job_restart(j);
	err_t e = ops_check_tenant(tx, j);
	if (!e)
		e = ops_tenant_load(tx, j, &t);
	if (!e)
		j->reply = &t->base;
	return e;
}

/* Operators only: the one question across tenants, by a function of the schema's owner. */
static err_t read_rows(struct db_tx *tx, const struct job *j, const char *after, const char *limit,
		       struct db_result **ret)
{
	const char *params[] = { after, limit };

	(void)j;
	return db_exec(tx, ret, "SELECT " COLUMNS " FROM tm.list_tenants($1, $2)", 2, params);
}

static err_t take_row(struct job *j, struct db_result *res, int row, ProtobufCMessage **ret)
{
	Trunkline__Admin__V1__Tenant *t = tenant_from_row(&j->arena, res, row);

	*ret = t && (j->rq.show_deleted || !t->delete_time_ms) ? &t->base : NULL;
	return t ? ERR_OK : ERR_EXHAUSTED;
}

err_t ops_tenant_list(struct db_tx *tx, void *arg)
{
	static const struct page_source tenants = { .of = &trunkline__admin__v1__tenant__descriptor,
						    .response =
							&trunkline__admin__v1__list_tenants_response__descriptor,
						    .list = "tenants",
						    .read = read_rows,
						    .take = take_row };
	struct page pg;
	err_t e = page_begin(&pg, arg, &tenants);

	return e ? e : page_read(tx, &pg);
}

/* ---- update ---- */

/* What may be changed, and the permission that it needs beside the method's; RIGHT_NONE: none. */
static const struct open_field {
	const char *name;
	enum right needs;
} open_fields[] = {
	{ "display_name", RIGHT_NONE },
	{ "time_zone", RIGHT_NONE },
	{ "language", RIGHT_NONE },
	{ "sensitive_fields", RIGHT_NONE },
	{ "suspended", RIGHT_TENANTS_SUSPEND },
	{ "suspension", RIGHT_TENANTS_SUSPEND },
	{ "quotas", RIGHT_TENANTS_QUOTAS },
	{ "pool", RIGHT_TENANTS_PLACE },
};

static const struct open_field *find_open(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(open_fields); i++) {
		if (strcmp(open_fields[i].name, name) == 0)
			return &open_fields[i];
	}
	return NULL;
}

/* Other quotas than the tenant has; those that were read may come back with the rest. */
static bool other_quotas(struct job *j, const Trunkline__Admin__V1__Tenant *t)
{
	const ProtobufCMessage *wanted = pbr_message(j->rq.resource, "quotas");
	size_t a_size = 0, b_size = 0;
	const void *a = wanted ? pbr_pack(&j->arena, wanted, &a_size) : "";
	const void *b = t->quotas ? pbr_pack(&j->arena, &t->quotas->base, &b_size) : "";

	return wanted && (!a || !b || a_size != b_size || memcmp(a, b, a_size) != 0);
}

/* The same of the pool. */
static bool other_pool(const struct job *j, const Trunkline__Admin__V1__Tenant *t)
{
	const char *wanted = pbr_string(j->rq.resource, "pool");

	return !str_empty(wanted) && !str_eq(wanted, t->pool);
}

/* Of a field that is in the mask. Whoever names no field changes what may be changed. */
static err_t merge_field(struct job *j, Trunkline__Admin__V1__Tenant *t, const ProtobufCFieldDescriptor *f,
			 bool explicitly)
{
	const struct open_field *open = find_open(f->name);

	if (!open)
		return explicitly ? err_set(&j->detail, ERR_INVALID, "update_mask", "'%s' cannot be changed", f->name)
				  : ERR_OK;
	if (open->needs == RIGHT_NONE || auth_has(&j->user, open->needs)) {
		pbr_copy_field(&t->base, j->rq.resource, f);
		return ERR_OK;
	}
	if (explicitly || (strcmp(f->name, "quotas") == 0 && other_quotas(j, t)) ||
	    (strcmp(f->name, "pool") == 0 && other_pool(j, t)))
		return err_set(&j->detail, ERR_DENIED, "update_mask", "'%s' is for operators: it needs %s", f->name,
			       rights_name(open->needs));
	return ERR_OK;
}

static err_t merge(struct job *j, Trunkline__Admin__V1__Tenant *t)
{
	bool explicitly;
	err_t e = merge_check_mask(&j->rq, &j->detail);

	for (unsigned i = 0; !e && i < t->base.descriptor->n_fields; i++)
		if (merge_masked(&j->rq, &t->base.descriptor->fields[i], &explicitly))
			e = merge_field(j, t, &t->base.descriptor->fields[i], explicitly);
	return e;
}

/* Who may not see what is sensitive does not make that it is no longer. */
static err_t check_openness(struct job *j, const Trunkline__Admin__V1__Tenant *before,
			    const Trunkline__Admin__V1__Tenant *t)
{
	return sensitive_bits(before) & ~sensitive_bits(t) ? auth_require(&j->user, RIGHT_CALLS_SENSITIVE, &j->detail)
							   : ERR_OK;
}

static err_t update(struct change *c, const Trunkline__Admin__V1__Tenant *t)
{
	char version[24], sensitive[DB_NUMBER];
	const char *params[] = { t->display_name,
				 t->time_zone,
				 t->suspended ? "t" : "f",
				 version,
				 NULL,
				 NULL,
				 announcement(t),
				 t->language,
				 t->pool,
				 db_number(sensitive_bits(t), sensitive) };
	err_t e = bind_quotas(c, 4, t);

	snprintf(version, sizeof(version), "%" PRIu64, c->version);
	if (!e)
		e = bind_suspension(c, 5, t);
	return e ? e
		 : db_exec(c->tx, NULL,
			   "UPDATE tm.tenant SET display_name = $1, time_zone = $2, suspended = $3, version = $4, "
			   "revision = $4, quotas = $5, suspension = $6, announcement = $7, language = $8, pool = $9, "
			   "sensitive = $10, updated_at = now() WHERE tenant = tm.tenant()",
			   10, params);
}

err_t ops_tenant_update(struct db_tx *tx, void *arg)
{
	struct job *j = arg;
	struct change c;
	Trunkline__Admin__V1__Tenant *before, *t;
	err_t e = change_begin(&c, tx, j, &trunkline__admin__v1__tenant__descriptor);

	if (e || c.repeated)
		return e;
	e = ops_tenant_load(tx, j, &before);
	if (!e)
		e = ops_check_etag(j, strtoull(before->etag, NULL, 10));
	if (e)
		return e;
	t = (void *)pbr_shallow(&j->arena, &before->base);
	e = t ? merge(j, t) : ERR_EXHAUSTED;
	if (!e)
		e = check_tenant(j, t);
	if (!e)
		e = check_openness(j, before, t);
	if (!e)
		e = check_announcement(&c, t);
	if (!e && !str_eq(t->pool, before->pool))
		e = pool_take(tx, t->pool, &j->detail);
	if (!e)
		e = update(&c, t);
	if (!e)
		e = sensitive_ensure_key(&c, t);
	if (!e)
		e = change_outbox(&c, STAGE_MAIN, "main");
	if (!e)
		e = ops_tenant_load(tx, j, &t);
	if (e)
		return e;
	j->reply = &t->base;
	return change_end(&c, &before->base, j->reply);
}
