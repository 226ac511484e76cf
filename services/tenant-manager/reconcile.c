/*
 * Everything in KV `config` against everything in PostgreSQL: what is missing, old, or should not be there goes into the
 * outbox. So a KV that was lost is written again, and a PostgreSQL that was restored from a backup wins (its versions are
 * lifted above those in KV).
 *
 * watch all keys until SYNCED → for each tenant known to either side one job.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "publisher_internal.h"
#include "tenantconf/map.h"

struct seen { /* a tenant */
	struct map_node node;
	struct reconcile *r;
	char tenant[64];
	bool main;
	uint64_t main_version, max_version;
	struct str ids, versions; /* of its agents: "a,b,c" */
};

struct reconcile {
	struct manager *tm;
	struct bus_kv_watch *watch;
	struct map tenants;
	char after[64]; /* last tenant read from PostgreSQL */
	size_t running;
	err_t error;
	bool freed;
	void (*fn)(err_t e, void *arg);
	void *arg;
};

static void next_tenants(struct reconcile *r);

static struct seen *get_seen(struct reconcile *r, const char *tenant)
{
	struct seen *s = (struct seen *)map_find(&r->tenants, tenant);

	if (s || map_reserve(&r->tenants, 1))
		return s;
	s = mem_zalloc(sizeof(*s));
	if (!s)
		return NULL;
	s->r = r;
	(void)str_copy(s->tenant, sizeof(s->tenant), tenant);
	map_add(&r->tenants, &s->node, s->tenant);
	return s;
}

static void destroy(struct reconcile *r)
{
	struct seen *s;

	while ((s = (struct seen *)map_first(&r->tenants))) {
		map_remove(&r->tenants, &s->node);
		str_done(&s->ids);
		str_done(&s->versions);
		mem_free(s);
	}
	map_done(&r->tenants);
	mem_free(r);
}

void reconcile_free(struct reconcile **ref)
{
	struct reconcile *r = *ref;

	if (!r)
		return;
	*ref = NULL;
	bus_kv_unwatch(&r->watch);
	r->freed = true;
	if (!r->running)
		destroy(r);
}

static void finish(struct reconcile *r)
{
	if (r->freed)
		destroy(r);
	else
		r->fn(r->error, r->arg);
}

/* ---- one tenant, on a worker: all of it in one round trip ---- */

static err_t lift_versions(struct db_tx *tx, const struct seen *s, const char *const arrays[2])
{
	char max[24];
	const char *params[] = { max, arrays[0], arrays[1] };

	snprintf(max, sizeof(max), "%" PRIu64, s->max_version);
	err_t e = db_queue(
	    tx, "UPDATE tm.tenant SET version = $1::bigint + 1 WHERE tenant = tm.tenant() AND version < $1::bigint", 1,
	    params);
	return e ? e
		 : db_queue(tx,
			    "UPDATE tm.resource r SET revision = $1::bigint + 1 FROM unnest($2::text[], $3::bigint[]) "
			    "AS k (id, v) "
			    "WHERE r.tenant = tm.tenant() AND r.kind = 'agent' AND r.id = k.id AND k.v > r.revision",
			    3, params);
}

static err_t fill_agents(struct db_tx *tx, const char *const arrays[2])
{
	err_t e = db_queue(tx,
			   "INSERT INTO tm.outbox (tenant, item, stage, version) "
			   "SELECT tm.tenant(), 'agent.' || r.id, 2, r.revision FROM tm.resource r "
			   "LEFT JOIN unnest($1::text[], $2::bigint[]) AS k (id, v) ON k.id = r.id "
			   "WHERE r.tenant = tm.tenant() AND r.kind = 'agent' AND k.v IS DISTINCT FROM r.revision ON "
			   "CONFLICT DO NOTHING",
			   2, arrays);

	return e ? e
		 : db_queue(
		       tx,
		       "INSERT INTO tm.outbox (tenant, item, stage, version) "
		       "SELECT tm.tenant(), 'agent.' || k.id, 2, k.v FROM unnest($1::text[], $2::bigint[]) AS k "
		       "(id, v) "
		       "WHERE NOT EXISTS (SELECT FROM tm.resource r WHERE r.tenant = tm.tenant() AND r.kind = "
		       "'agent' AND r.id = k.id) "
		       "ON CONFLICT (tenant, item) DO UPDATE SET version = greatest(outbox.version, excluded.version)",
		       2, arrays);
}

/* The tenant itself; when KV does not know it, its audio may be lost, too. */
static err_t fill_main(struct db_tx *tx, const struct seen *s)
{
	char version[24];
	const char *params[] = { version, s->main ? "t" : "f" };

	snprintf(version, sizeof(version), "%" PRIu64, s->main_version);
	err_t e = db_queue(tx,
			   "INSERT INTO tm.outbox (tenant, item, stage, version) "
			   "SELECT tm.tenant(), 'main', 1, coalesce(t.version, $1::bigint) FROM (SELECT 1) AS one "
			   "LEFT JOIN tm.tenant t ON t.tenant = tm.tenant() "
			   "WHERE (t.tenant IS NULL) = $2::boolean OR t.published_version <> $1::bigint "
			   "ON CONFLICT DO NOTHING",
			   2, params);
	if (e || s->main)
		return e;
	return db_queue(tx,
			"INSERT INTO tm.outbox (tenant, item, stage, version) "
			"SELECT tm.tenant(), 'prompt.' || sha256, 0, 0 FROM tm.prompt_audio WHERE tenant = tm.tenant() "
			"ON CONFLICT DO NOTHING",
			0, NULL);
}

static err_t compare_rest(struct db_tx *tx, const struct seen *s)
{
	struct str ids = STR_INIT, versions = STR_INIT;

	str_printf(&ids, "{%s}", str_text(&s->ids));
	str_printf(&versions, "{%s}", str_text(&s->versions));
	const char *arrays[] = { str_text(&ids), str_text(&versions) };
	bool failed = ids.failed || versions.failed || s->ids.failed || s->versions.failed;
	err_t e = failed ? ERR_EXHAUSTED : lift_versions(tx, s, arrays);
	if (!e)
		e = fill_agents(tx, arrays);
	if (!e)
		e = fill_main(tx, s);
	str_done(&ids);
	str_done(&versions);
	return e;
}

/* Its rows and its keys go at different times; the purge looks at all of its keys itself. */
static err_t is_purging(struct db_tx *tx, bool *ret)
{
	struct db_result *res = NULL;
	err_t e = db_exec(tx, &res, "SELECT FROM tm.tenant WHERE tenant = tm.tenant() AND purge_at <= now()", 0, NULL);

	*ret = !e && db_rows(res);
	db_result_free(&res);
	return e;
}

static err_t compare_tenant(struct db_tx *tx, void *arg)
{
	struct seen *s = arg;
	bool purging = false;
	err_t e = is_purging(tx, &purging);

	return e || purging ? e : compare_rest(tx, s);
}

static void compare_next(struct reconcile *r);

static void on_compared(err_t e, void *arg)
{
	struct seen *s = arg;
	struct reconcile *r = s->r;

	r->running--;
	if (e && !r->error)
		r->error = e;
	map_remove(&r->tenants, &s->node);
	str_done(&s->ids);
	str_done(&s->versions);
	mem_free(s);
	if (r->freed || r->error)
		finish(r);
	else
		compare_next(r);
}

/* One after the other: this is no hurry. */
static void compare_next(struct reconcile *r)
{
	struct seen *s = (struct seen *)map_first(&r->tenants);

	if (!s) {
		finish(r);
		return;
	}
	r->running++;
	err_t e = db_run(r->tm->db, s->tenant, compare_tenant, s, on_compared, s);
	if (e) {
		r->running--;
		r->error = e;
		finish(r);
	}
}

/* ---- the tenants in PostgreSQL ---- */

static err_t read_tenants(struct db_tx *tx, void *arg)
{
	struct reconcile *r = arg;
	const char *params[] = { r->after };
	struct db_result *res = NULL;
	err_t e = db_exec(tx, &res, "SELECT tenant FROM tm.list_tenants($1, 500)", 1, params);

	for (int i = 0; !e && i < db_rows(res); i++) {
		if (!get_seen(r, db_text(res, i, 0)))
			e = ERR_EXHAUSTED;
	}
	if (!e && db_rows(res))
		(void)str_copy(r->after, sizeof(r->after), db_text(res, db_rows(res) - 1, 0));
	else
		r->after[0] = '\0';
	db_result_free(&res);
	return e;
}

static void on_tenants(err_t e, void *arg)
{
	struct reconcile *r = arg;

	r->running--;
	r->error = e;
	if (r->freed || e)
		finish(r);
	else if (r->after[0])
		next_tenants(r);
	else
		compare_next(r);
}

static void next_tenants(struct reconcile *r)
{
	r->running++;
	err_t e = db_run(r->tm->db, NULL, read_tenants, r, on_tenants, r);
	if (e)
		on_tenants(e, r);
}

/* ---- the keys in KV ---- */

static void add_agent(struct seen *s, const char *id, uint64_t version)
{
	const char *comma = s->ids.len ? "," : "";

	str_printf(&s->ids, "%s%s", comma, id);
	str_printf(&s->versions, "%s%" PRIu64, comma, version);
}

static void on_entry(enum bus_kv_op op, const char *key, const struct bus_msg *msg, void *arg)
{
	struct reconcile *r = arg;
	char tenant[64] = "";

	if (op == BUS_KV_SYNCED) {
		bus_kv_unwatch(&r->watch);
		if (r->error)
			finish(r);
		else
			next_tenants(r);
		return;
	}
	const char *dot = strchr(key, '.');
	size_t n = dot ? (size_t)(dot - key) : sizeof(tenant);
	if (op != BUS_KV_PUT || n >= sizeof(tenant))
		return;
	memcpy(tenant, key, n);
	bool agent = strncmp(dot, ".agent.", 7) == 0 && str_is_id(dot + 7);
	if (!str_is_id(tenant) || (!agent && strcmp(dot, ".main") != 0))
		return; /* nobody reads it */
	struct seen *s = get_seen(r, tenant);
	if (!s) {
		r->error = ERR_EXHAUSTED;
		return;
	}
	uint64_t version = publish_version(msg->data, msg->size, agent);
	s->max_version = version > s->max_version ? version : s->max_version;
	if (agent) {
		add_agent(s, dot + 7, version);
	} else {
		s->main = true;
		s->main_version = version;
	}
}

err_t reconcile_start(struct reconcile **ret, struct manager *tm, struct bus_kv *config, void (*fn)(err_t e, void *arg),
		      void *arg)
{
	struct reconcile *r = mem_zalloc(sizeof(*r));

	if (!r)
		return ERR_EXHAUSTED;
	*r = (struct reconcile){ .tm = tm, .fn = fn, .arg = arg };
	err_t e = bus_kv_watch(&r->watch, config, ">", on_entry, r);
	if (e)
		mem_free(r);
	else
		*ret = r;
	return e;
}
