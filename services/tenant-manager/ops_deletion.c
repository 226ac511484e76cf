/* Deleting a tenant: the mark, the way back, the report. What goes afterwards: purge.c. */
#include "ops_deletion.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "pbr.h"

const struct kind ops_deletion_kind = { .name = "deletion",
					.plural = "deletions",
					.desc = &trunkline__admin__v1__tenant_deletion__descriptor };

/* Read after the tenant was locked, so that nobody changes it any more. */
static enum deletion_state state_of(const Trunkline__Admin__V1__Tenant *t)
{
	if (t->state == TRUNKLINE__ADMIN__V1__TENANT__STATE__STATE_PURGING)
		return DELETION_PURGING;
	return t->delete_time_ms ? DELETION_GRACE : DELETION_NONE;
}

/* Locks the tenant, whether it is deleted or not, and loads it as it is before. */
static err_t begin(struct change *c, struct db_tx *tx, struct job *j, const ProtobufCMessageDescriptor *reply,
		   Trunkline__Admin__V1__Tenant **before)
{
	err_t e = change_begin_any(c, tx, j, reply);

	if (e || c->repeated)
		return e;
	e = ops_tenant_load(tx, j, before);
	return e ? e : ops_check_etag(j, strtoull((*before)->etag, NULL, 10));
}

/* ---- delete ---- */

static err_t bind_message(struct change *c, int index, const ProtobufCMessage *m)
{
	size_t size = 0;
	const void *bytes = pbr_pack(&c->job->arena, m, &size);

	if (!bytes)
		return ERR_EXHAUSTED;
	db_bind_bytes(c->tx, index, bytes, size);
	return ERR_OK;
}

/* Like a suspended tenant whose calls end, in the columns of one: so a previous version treats it as that, too. */
static err_t mark(struct change *c, const Trunkline__Admin__V1__Tenant *t, const char *grace, const char *version)
{
	Trunkline__Admin__V1__TenantDeletion report = TRUNKLINE__ADMIN__V1__TENANT_DELETION__INIT;
	Trunkline__Config__V1__Suspension ends = TRUNKLINE__CONFIG__V1__SUSPENSION__INIT;
	const char *params[] = { grace, version, NULL, NULL };

	report.display_name = t->display_name;
	report.deleted_by = c->job->user.subject;
	ends.end_calls = true;
	err_t e = bind_message(c, 2, &report.base);
	if (!e)
		e = bind_message(c, 3, &ends.base);
	return e ? e
		 : db_exec(c->tx, NULL,
			   "WITH d AS (INSERT INTO tm.deletion (tenant, deleted_at, was_suspended, was_suspension, "
			   "was_announcement, report) "
			   "SELECT tenant, date_trunc('milliseconds', clock_timestamp()), suspended, suspension, "
			   "announcement, $3 "
			   "FROM tm.tenant WHERE tenant = tm.tenant() RETURNING tenant, deleted_at) "
			   "UPDATE tm.tenant t SET deleted_at = d.deleted_at, purge_at = d.deleted_at + $1::bigint * "
			   "interval '1 ms', suspended = true, suspension = $4, announcement = '', version = $2, "
			   "revision = $2, updated_at = now() FROM d WHERE t.tenant = d.tenant",
			   4, params);
}

static err_t change_grace(struct change *c, const char *grace, const char *version)
{
	const char *params[] = { grace, version };

	return db_exec(c->tx, NULL,
		       "UPDATE tm.tenant SET purge_at = date_trunc('milliseconds', clock_timestamp()) + $1::bigint * "
		       "interval '1 ms', version = $2, revision = $2, updated_at = now() WHERE tenant = tm.tenant()",
		       2, params);
}

err_t ops_tenant_delete(struct db_tx *tx, void *arg)
{
	struct job *j = arg;
	struct change c;
	Trunkline__Admin__V1__Tenant *before, *after;
	char grace[24], version[24];
	err_t e = begin(&c, tx, j, &google__protobuf__empty__descriptor, &before);

	if (e || c.repeated)
		return e;
	snprintf(grace, sizeof(grace), "%" PRId64,
		 j->rq.grace_ms == DELETION_GRACE_UNSET ? j->tm->config->delete_grace_s * 1000 : j->rq.grace_ms);
	snprintf(version, sizeof(version), "%" PRIu64, c.version);
	e = deletion_check_delete(state_of(before), j->rq.grace_ms, &j->detail);
	if (!e)
		e = state_of(before) == DELETION_NONE ? mark(&c, before, grace, version)
						      : change_grace(&c, grace, version);
	if (!e)
		e = change_outbox(&c, STAGE_MAIN, "main");
	if (!e)
		e = ops_tenant_load(tx, j, &after);
	if (e)
		return e;
	j->reply = pbr_new(&j->arena, &google__protobuf__empty__descriptor);
	return j->reply ? change_end(&c, &before->base, &after->base) : ERR_EXHAUSTED;
}

/* ---- undelete ---- */

static err_t restore(struct change *c)
{
	char version[24];
	const char *params[] = { version };

	snprintf(version, sizeof(version), "%" PRIu64, c->version);
	return db_exec(c->tx, NULL,
		       "WITH d AS (DELETE FROM tm.deletion WHERE tenant = tm.tenant() AND deleted_at = "
		       "(SELECT deleted_at FROM tm.tenant WHERE tenant = tm.tenant()) RETURNING *) "
		       "UPDATE tm.tenant t SET deleted_at = NULL, purge_at = NULL, suspended = d.was_suspended, "
		       "suspension = d.was_suspension, announcement = d.was_announcement, version = $1, revision = $1, "
		       "updated_at = now() FROM d WHERE t.tenant = d.tenant",
		       1, params);
}

err_t ops_tenant_undelete(struct db_tx *tx, void *arg)
{
	struct job *j = arg;
	struct change c;
	Trunkline__Admin__V1__Tenant *before, *after;
	err_t e = begin(&c, tx, j, &trunkline__admin__v1__tenant__descriptor, &before);

	if (e || c.repeated)
		return e;
	e = deletion_check_undelete(state_of(before), &j->detail);
	if (!e)
		e = restore(&c);
	if (!e)
		e = change_outbox(&c, STAGE_MAIN, "main");
	if (!e)
		e = ops_tenant_load(tx, j, &after);
	if (e)
		return e;
	j->reply = &after->base;
	return change_end(&c, &before->base, j->reply);
}

/* ---- the report ---- */

err_t ops_deletion_load(struct db_tx *tx, struct arena *a, const char *tenant,
			Trunkline__Admin__V1__TenantDeletion **ret)
{
#define MS(at) "coalesce(floor(extract(epoch FROM " at ") * 1000)::bigint, 0)"
	struct db_result *res = NULL;
	size_t size;
	err_t e = db_exec(tx, &res,
			  "SELECT d.report, " MS("d.deleted_at") ", " MS("t.purge_at") ", " MS("d.began_at") ", " MS(
			      "d.purged_at") " FROM tm.deletion d LEFT JOIN tm.tenant t ON t.tenant = d.tenant AND "
					     "t.deleted_at = d.deleted_at "
					     "WHERE d.tenant = tm.tenant() ORDER BY d.deleted_at DESC LIMIT 1",
			  0, NULL);
#undef MS

	if (!e && !db_rows(res))
		e = ERR_NOT_FOUND;
	if (!e) {
		const void *bytes = db_bytes(res, 0, 0, &size);
		Trunkline__Admin__V1__TenantDeletion *d =
		    bytes ? (void *)pbr_unpack(a, ops_deletion_kind.desc, bytes, size) : NULL;

		e = d ? ERR_OK : ERR_EXHAUSTED;
		if (d) {
			d->name = arena_printf(a, "tenants/%s/deletions/%s", tenant, db_text(res, 0, 1));
			d->delete_time_ms = db_int(res, 0, 1);
			d->purge_time_ms = db_int(res, 0, 2) ? db_int(res, 0, 2) : d->purge_time_ms;
			d->purge_begin_time_ms = db_int(res, 0, 3);
			d->purge_end_time_ms = db_int(res, 0, 4) ? db_int(res, 0, 4) : d->purge_end_time_ms;
			e = d->name ? ERR_OK : ERR_EXHAUSTED;
		}
		*ret = d;
	}
	db_result_free(&res);
	return e;
}

static Trunkline__Admin__V1__PurgedItems *find_items(const Trunkline__Admin__V1__TenantDeletion *d, const char *what)
{
	for (size_t i = 0; i < d->n_gone; i++)
		if (strcmp(d->gone[i]->what, what) == 0)
			return d->gone[i];
	return NULL;
}

err_t ops_deletion_add(struct arena *a, Trunkline__Admin__V1__TenantDeletion *d, const char *what, uint64_t count,
		       uint64_t bytes)
{
	Trunkline__Admin__V1__PurgedItems *items = find_items(d, what), **list;

	if (!items) {
		items = (void *)pbr_new(a, &trunkline__admin__v1__purged_items__descriptor);
		list = arena_alloc(a, (d->n_gone + 1) * sizeof(*list));
		if (!items || !list)
			return ERR_EXHAUSTED;
		if (d->n_gone)
			memcpy(list, d->gone, d->n_gone * sizeof(*list));
		items->what = arena_strdup(a, what);
		list[d->n_gone++] = items;
		d->gone = list;
	}
	items->count += count;
	items->bytes += bytes;
	return items->what ? ERR_OK : ERR_EXHAUSTED;
}

err_t ops_deletion_keep(struct arena *a, Trunkline__Admin__V1__TenantDeletion *d)
{
	d->n_kept = 0;
	d->kept = arena_alloc(a, deletion_n_kept * sizeof(*d->kept));
	for (size_t i = 0; d->kept && i < deletion_n_kept; i++) {
		Trunkline__Admin__V1__KeptItems *k = (void *)pbr_new(a, &trunkline__admin__v1__kept_items__descriptor);

		if (!k)
			return ERR_EXHAUSTED;
		k->what = (char *)(uintptr_t)deletion_kept[i].what;
		k->reason = (char *)(uintptr_t)deletion_kept[i].reason;
		d->kept[d->n_kept++] = k;
	}
	return d->kept ? ERR_OK : ERR_EXHAUSTED;
}

err_t ops_deletion_get(struct db_tx *tx, void *arg)
{
	struct job *j = arg;
	Trunkline__Admin__V1__TenantDeletion *d = NULL;

	job_restart(j);
	err_t e = ops_deletion_load(tx, &j->arena, j->rq.tenant, &d);
	if (e == ERR_NOT_FOUND)
		return err_set(&j->detail, e, "tenant", "no deletion of such a tenant");
	j->reply = e ? NULL : &d->base;
	return e;
}
