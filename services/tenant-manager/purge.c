#include "purge.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "log/log.h"
#include "metrics/metrics.h"
#include "ops_deletion.h"
#include "pbr.h"
#include "publisher.h"
#include "purge_keys.h"

#define LOOK_MS	 5000 /* when nobody says anything: a grace is over, another instance may have died */
#define WAIT_MS	 100
#define RETRY_MS 2000
#define LEASE	 "interval '20 seconds'"
#define AGAIN	 "interval '10 seconds'" /* after a failure */

enum outcome { STEP_DONE, STEP_OTHERS /* another instance's, or undeleted, or gone */ };

struct purge {
	struct manager *tm;
	struct bus_kv *config;
	struct loop_timer timer;
	struct purge_keys *keys;
	bool busy, stopped;
	char worker[80];
	/* The tenant in hand. Written by the job while it runs. */
	struct job job; /* whose change the last step is, for the audit */
	size_t batch;	/* which of batches[] */
	unsigned n_batches;
	int64_t published_at_ms; /* monotonic; 0: not yet */
	bool may_have_keys;
	enum outcome outcome;
	enum purge_step next;
};

static struct metric purged = METRIC_COUNTER("trunkline_tenants_purged_total", "deleted tenants that were purged here");
static struct metric batches_done =
    METRIC_COUNTER("trunkline_purge_batches_total", "batches of deleted tenants' rows that were removed here");
static struct metric failures =
    METRIC_COUNTER("trunkline_purge_failures_total", "steps of a purge that failed and are tried again");

static void next_step(struct purge *p);

/* ---- rows, on a worker ---- */

/* In this order nothing refers to what goes, and no row is looked for twice: references between resources first, agents' passwords next.
 * Each answers what has gone: what, how many, bytes. "": nothing to report. By ctid, because a plan without statistics cannot go wrong. */
#define ONE_OF(table, order, n) \
	"ctid = ANY (ARRAY(SELECT ctid FROM " table " WHERE tenant = tm.tenant() ORDER BY " order " LIMIT " #n "))"
static const char *const batches[] = {
	/* First: what was encrypted elsewhere can be read by nobody from then on (GT-16); KV has it until the keys there go. */
	"WITH gone AS (DELETE FROM tm.tenant_key WHERE tenant = tm.tenant() RETURNING 1) SELECT 'encryption keys', "
	"count(*), 0 FROM gone",
	"WITH gone AS (DELETE FROM tm.resource_ref WHERE " ONE_OF("tm.resource_ref", "kind, id, to_kind, to_id",
								  2000) " "
									"RETURNING 1) SELECT '', count(*), 0 FROM gone",
	"WITH gone AS (DELETE FROM tm.credential WHERE " ONE_OF(
	    "tm.credential", "agent_id", 2000) " "
					       "RETURNING 1) SELECT 'logins', count(*), 0 FROM gone",
	"WITH gone AS (DELETE FROM tm.flow_version WHERE " ONE_OF(
	    "tm.flow_version", "flow_id, version", 100) " RETURNING octet_length(body) AS bytes) SELECT 'flow "
							"versions', count(*), coalesce(sum(bytes), 0) FROM gone",
	"WITH gone AS (DELETE FROM tm.import WHERE " ONE_OF(
	    "tm.import", "id", 100) " RETURNING coalesce(octet_length(file), 0) AS bytes) SELECT 'imports', count(*), "
				    "coalesce(sum(bytes), 0) FROM gone",
	"WITH gone AS (DELETE FROM tm.resource WHERE " ONE_OF(
	    "tm.resource", "kind, id", 1000) " "
					     "RETURNING kind) SELECT kind, count(*), 0 FROM gone GROUP BY kind",
	/* The prompt store is told by the publisher. */
	"WITH gone AS (DELETE FROM tm.prompt_audio WHERE " ONE_OF(
	    "tm.prompt_audio", "sha256",
	    16) " "
		"RETURNING sha256, octet_length(pcm) AS bytes), "
		"told AS (INSERT INTO tm.outbox (tenant, item, stage, version) SELECT tm.tenant(), 'gone.' || sha256, "
		"3, 0 FROM gone "
		"ON CONFLICT DO NOTHING) SELECT 'audio', count(*), coalesce(sum(bytes), 0) FROM gone",
	"WITH gone AS (DELETE FROM tm.token WHERE " ONE_OF("tm.token", "id",
							   2000) " RETURNING 1) SELECT '', count(*), 0 FROM gone",
	"WITH gone AS (DELETE FROM tm.request WHERE " ONE_OF("tm.request", "request_id",
							     2000) " "
								   "RETURNING 1) SELECT '', count(*), 0 FROM gone",
};

static err_t save(struct db_tx *tx, struct arena *a, const Trunkline__Admin__V1__TenantDeletion *d, const char *set)
{
	size_t size = 0;
	const char *params[] = { NULL };
	const void *bytes = pbr_pack(a, &d->base, &size);
	char sql[256];

	if (!bytes)
		return ERR_EXHAUSTED;
	snprintf(sql, sizeof(sql),
		 "UPDATE tm.deletion SET report = $1, %s WHERE tenant = tm.tenant() AND deleted_at = "
		 "(SELECT deleted_at FROM tm.tenant WHERE tenant = tm.tenant())",
		 set);
	db_bind_bytes(tx, 0, bytes, size);
	return db_exec(tx, NULL, sql, 1, params);
}

/* *ret: so many rows. */
static err_t take_batch(struct db_tx *tx, struct purge *p, Trunkline__Admin__V1__TenantDeletion *d, uint64_t *ret)
{
	struct db_result *res = NULL;
	err_t e = db_exec(tx, &res, batches[p->batch], 0, NULL);

	*ret = 0;
	for (int i = 0; !e && i < db_rows(res); i++) {
		const struct kind *kind = kind_find(db_text(res, i, 0));
		const char *what = kind ? kind->plural : db_text(res, i, 0);
		uint64_t n = (uint64_t)db_int(res, i, 1);

		*ret += n;
		if (n && *what)
			e = ops_deletion_add(&p->job.arena, d, what, n, (uint64_t)db_int(res, i, 2));
	}
	db_result_free(&res);
	return e;
}

/* The next batch that takes something away, if there is one. */
static err_t take_rows(struct db_tx *tx, struct purge *p, Trunkline__Admin__V1__TenantDeletion *d)
{
	uint64_t n = 0;
	/* Each by its index in its order, whatever the planner thinks of a table that it has not looked at lately. */
	err_t e = db_queue(tx, "SET LOCAL enable_seqscan = off", 0, NULL);

	if (!e)
		e = db_queue(tx, "SET LOCAL enable_bitmapscan = off", 0, NULL);
	if (!e)
		e = db_queue(tx, "SET LOCAL enable_sort = off", 0, NULL);
	while (!e && !n && p->batch < ARRAY_SIZE(batches)) {
		e = take_batch(tx, p, d, &n);
		if (!e && !n)
			p->batch++;
	}
	return e ? e : save(tx, &p->job.arena, d, "began_at = coalesce(began_at, now())");
}

/* ---- the tenant itself, on a worker ---- */

/* The audit has the report as its last entry; an event tells the recorders. */
static err_t finish(struct db_tx *tx, struct purge *p, Trunkline__Admin__V1__TenantDeletion *d)
{
	struct change c = { .tx = tx, .job = &p->job };
	struct job *j = &p->job;
	err_t e = ops_deletion_keep(&j->arena, d);

	d->purge_end_time_ms = clock_wall_ms();
	snprintf(j->rq.id, sizeof(j->rq.id), "%" PRId64, d->delete_time_ms);
	if (!e)
		e = save(tx, &j->arena, d, "purged_at = now(), began_at = coalesce(began_at, now())");
	if (!e)
		e = change_audit(&c, NULL, &d->base);
	if (!e)
		e = change_outbox(&c, STAGE_EVENT, "purged.%s", j->rq.id);
	if (!e)
		e = db_exec(tx, NULL, "DELETE FROM tm.outbox WHERE tenant = tm.tenant() AND stage <> 4", 0, NULL);
	return e ? e : db_exec(tx, NULL, "DELETE FROM tm.tenant WHERE tenant = tm.tenant()", 0, NULL);
}

/* ---- a step, on a worker ---- */

/* Locks the tenant, as every change does, and says that this instance is at it. */
static err_t take(struct db_tx *tx, struct purge *p, struct purge_view *v)
{
	const char *params[] = { p->worker };
	struct db_result *res = NULL;
	err_t e = db_exec(tx, &res,
			  "SELECT (extract(epoch FROM now() - purge_at) * 1000)::bigint, EXISTS (SELECT FROM tm.outbox "
			  "WHERE tenant = tm.tenant() AND stage <> 4) "
			  "FROM tm.tenant WHERE tenant = tm.tenant() AND purge_at <= now() FOR UPDATE",
			  0, NULL);

	p->outcome = STEP_OTHERS;
	if (!e && db_rows(res)) {
		v->due_ms = db_int(res, 0, 0);
		v->unpublished = db_bool(res, 0, 1);
		db_result_free(&res);
		e = db_exec(tx, &res,
			    "UPDATE tm.deletion d SET worker = $1, worker_until = now() + " LEASE " FROM tm.tenant t "
			    "WHERE d.tenant = tm.tenant() AND t.tenant = d.tenant AND d.deleted_at = t.deleted_at "
			    "AND (d.worker = $1 OR d.worker_until <= now()) RETURNING d.began_at IS NOT NULL",
			    1, params);
		if (!e && db_rows(res)) {
			v->rows_begun = db_bool(res, 0, 0);
			p->outcome = STEP_DONE;
		}
	}
	db_result_free(&res);
	return e;
}

static err_t step(struct db_tx *tx, void *arg)
{
	struct purge *p = arg;
	struct purge_view v = { .rows = p->batch < ARRAY_SIZE(batches), .keys = p->may_have_keys };
	Trunkline__Admin__V1__TenantDeletion *d = NULL;

	job_restart(&p->job);
	err_t e = take(tx, p, &v);
	if (e || p->outcome == STEP_OTHERS)
		return e;
	if (!v.unpublished && !p->published_at_ms)
		p->published_at_ms = clock_mono_ms();
	v.published_ms = p->published_at_ms ? clock_mono_ms() - p->published_at_ms : 0;
	p->next = purge_next(&v);
	if (p->next != PURGE_ROWS && p->next != PURGE_FINISH)
		return ERR_OK;
	e = ops_deletion_load(tx, &p->job.arena, p->job.rq.tenant, &d);
	if (e)
		return e;
	return p->next == PURGE_ROWS ? take_rows(tx, p, d) : finish(tx, p, d);
}

/* ---- one tenant after the other ---- */

static void leave(struct purge *p, int64_t delay_ms)
{
	p->busy = false;
	arena_reset(&p->job.arena);
	if (!p->stopped)
		loop_timer_start(&p->timer, delay_ms);
}

/* What keeps failing must not stand in the way of the tenants behind it. */
static err_t postpone(struct db_tx *tx, void *arg)
{
	const struct purge *p = arg;
	const char *params[] = { p->worker };

	return db_exec(tx, NULL,
		       "UPDATE tm.deletion SET worker = '', worker_until = now() + " AGAIN
		       " WHERE tenant = tm.tenant() AND purged_at IS NULL AND worker IN ('', $1)",
		       1, params);
}

static void on_postponed(err_t e, void *arg)
{
	leave(arg, e ? RETRY_MS : 0);
}

static void failed(struct purge *p, err_t e)
{
	struct log_ctx ctx = { .tenant = p->job.rq.tenant };

	metric_add(&failures, 1);
	LOG_WARN(&ctx, "tenant.purge_failed", "error=%s detail=%s", err_name(e), LOG_Q(p->job.db_error));
	if (db_run(p->tm->db, p->job.rq.tenant, postpone, p, on_postponed, p))
		leave(p, RETRY_MS);
}

static void on_keys(err_t e, size_t n, void *arg)
{
	struct purge *p = arg;

	purge_keys_free(&p->keys);
	p->may_have_keys = n > 0; /* looked at again: what was on its way when they went */
	if (e)
		failed(p, e);
	else
		next_step(p);
}

static void finished(struct purge *p)
{
	struct log_ctx ctx = { .tenant = p->job.rq.tenant };

	metric_add(&purged, 1);
	LOG_INFO(&ctx, "tenant.purged", "batches=%u deletion=%s", p->n_batches, p->job.rq.id);
	publisher_kick(p->tm->publisher);
	leave(p, 0);
}

static void on_step(err_t e, void *arg)
{
	struct purge *p = arg;

	if (p->stopped) {
		leave(p, 0);
	} else if (e) {
		failed(p, e);
	} else if (p->outcome == STEP_OTHERS) {
		leave(p, LOOK_MS);
	} else if (p->next == PURGE_FINISH) {
		finished(p);
	} else if (p->next == PURGE_KEYS) {
		e = purge_keys_start(&p->keys, p->config, p->job.rq.tenant, on_keys, p);
		if (e)
			failed(p, e);
	} else {
		if (p->next == PURGE_ROWS) {
			p->n_batches++;
			metric_add(&batches_done, 1);
			publisher_kick(p->tm->publisher);
		}
		loop_timer_start(&p->timer, p->next == PURGE_WAIT ? WAIT_MS : 0);
	}
}

static err_t run_step(struct db_tx *tx, void *arg)
{
	struct purge *p = arg;
	err_t e = step(tx, p);

	if (e)
		(void)str_copy(p->job.db_error, sizeof(p->job.db_error), db_error(tx));
	return e;
}

static void next_step(struct purge *p)
{
	err_t e = db_run(p->tm->db, p->job.rq.tenant, run_step, p, on_step, p);

	if (e)
		failed(p, e);
}

/* The tenant that is due first, "" for none. */
static err_t find_due(struct db_tx *tx, void *arg)
{
	struct purge *p = arg;
	const char *params[] = { p->worker };
	struct db_result *res = NULL;
	err_t e = db_exec(tx, &res, "SELECT tenant FROM tm.due_purge($1)", 1, params);

	p->job.rq.tenant[0] = '\0';
	if (!e && db_rows(res))
		(void)str_copy(p->job.rq.tenant, sizeof(p->job.rq.tenant), db_text(res, 0, 0));
	db_result_free(&res);
	return e;
}

static void on_due(err_t e, void *arg)
{
	struct purge *p = arg;

	if (e || p->stopped || !p->job.rq.tenant[0]) {
		leave(p, LOOK_MS);
		return;
	}
	p->batch = 0;
	p->n_batches = 0;
	p->published_at_ms = 0;
	p->may_have_keys = true;
	next_step(p);
}

static void on_timer(void *arg)
{
	struct purge *p = arg;

	if (p->busy) {
		next_step(p);
		return;
	}
	p->busy = true;
	err_t e = db_run(p->tm->db, NULL, find_due, p, on_due, p);
	if (e)
		on_due(e, p);
}

void purge_kick(struct purge *p)
{
	if (!p->busy)
		loop_timer_start(&p->timer, 0);
}

void purge_stop(struct purge *p)
{
	p->stopped = true;
	loop_timer_stop(&p->timer);
	if (p->keys)
		purge_keys_stop(p->keys);
}

err_t purge_new(struct purge **ret, struct manager *tm, struct err_detail *detail)
{
	static const struct method method = { .kind = &ops_deletion_kind, .action = "tenants.purge" };
	struct metric *const all[] = { &purged, &batches_done, &failures };
	struct purge *p = mem_zalloc(sizeof(*p));

	if (!p)
		return ERR_EXHAUSTED;
	p->tm = tm;
	p->job.tm = tm;
	p->job.method = &method;
	snprintf(p->worker, sizeof(p->worker), "tenant-manager/%.60s", service_common(tm->service)->instance);
	(void)str_copy(p->job.user.subject, sizeof(p->job.user.subject), p->worker);
	arena_init(&p->job.arena, 0);
	loop_timer_init(&p->timer, tm->loop, on_timer, p);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		metrics_register(all[i]);
	err_t e = bus_kv_open(&p->config, tm->bus, &(struct bus_kv_params){ .bucket = "config", .history = 1 }, detail);
	if (e) {
		purge_free(&p);
		return e;
	}
	loop_timer_start(&p->timer, 0);
	*ret = p;
	return ERR_OK;
}

void purge_free(struct purge **ref)
{
	struct purge *p = *ref;

	if (!p)
		return;
	loop_timer_done(&p->timer);
	purge_keys_free(&p->keys);
	if (p->config)
		bus_kv_close(&p->config);
	arena_done(&p->job.arena);
	mem_free(p);
	*ref = NULL;
}
