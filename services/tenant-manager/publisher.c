#include "publisher_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "log/log.h"
#include "metrics/metrics.h"

#define LOOK_MS	     5000  /* when nobody says anything: another instance may have died after its commit */
#define TELL_MS	     60000 /* purges whose event was lost */
#define AUDIO_MAX    4	   /* of one batch: each may be 64 MiB */
#define PAUSE_MIN_MS 200
#define PAUSE_MAX_MS 10000

static struct metric published = METRIC_COUNTER("trunkline_admin_published_total", "items of the outbox published");
static struct metric failures =
    METRIC_COUNTER("trunkline_admin_publish_failures_total", "items of the outbox that could not be published");
static struct metric waiting =
    METRIC_GAUGE("trunkline_admin_outbox_items", "items taken from the outbox and not yet published");

static void look(struct publisher *p);

/* ---- one row after it was published ---- */

static err_t mark_told(struct db_tx *tx, const struct task *t)
{
	return db_exec(tx, NULL,
		       "UPDATE tm.deletion SET told_at = now() WHERE tenant = tm.tenant() AND deleted_at = "
		       "to_timestamp($1::bigint / 1000.0)",
		       1, &t->key);
}

static err_t clear_row(struct db_tx *tx, void *arg)
{
	struct task *t = arg;
	char version[24], own[24];
	const char *params[] = { t->item, version }, *main_params[] = { own };

	snprintf(version, sizeof(version), "%" PRIu64, t->row_version);
	snprintf(own, sizeof(own), "%" PRIu64, t->version);
	err_t e = ERR_OK;
	/* The tenant's row first, as every change does: the other way round the two wait for each other. */
	if (t->kind == ITEM_MAIN)
		e = db_exec(tx, NULL,
			    "UPDATE tm.tenant SET published_version = greatest(published_version, $1) WHERE tenant = "
			    "tm.tenant()",
			    1, main_params);
	else if (t->kind == ITEM_PURGED)
		e = mark_told(tx, t);
	if (!e)
		e = db_exec(tx, NULL, "DELETE FROM tm.outbox WHERE tenant = tm.tenant() AND item = $1 AND version = $2",
			    2, params);
	return e;
}

/* It failed by itself, not by NATS' absence: it must not stand in the way of the others. */
static err_t postpone_row(struct db_tx *tx, void *arg)
{
	struct task *t = arg;
	const char *params[] = { t->item };

	return db_exec(
	    tx, NULL,
	    "UPDATE tm.outbox SET retry_at = now() + interval '30 seconds' WHERE tenant = tm.tenant() AND item = $1", 1,
	    params);
}

static void batch_over(struct publisher *p)
{
	bool failed = false;

	for (size_t i = 0; i < p->n_tasks; i++) {
		failed = failed || p->tasks[i].error;
		arena_done(&p->tasks[i].arena);
	}
	p->n_tasks = 0;
	p->busy = false;
	metric_set(&waiting, 0);
	p->pause_ms = !failed			       ? 0
		      : !p->pause_ms		       ? PAUSE_MIN_MS
		      : p->pause_ms * 2 < PAUSE_MAX_MS ? p->pause_ms * 2
						       : PAUSE_MAX_MS;
	loop_timer_start(&p->timer, p->pause_ms);
}

static void task_over(struct task *t, err_t e)
{
	struct publisher *p = t->p;

	if (e && !t->error)
		t->error = e;
	if (--p->n_running == 0)
		batch_over(p);
}

static void on_row_written(err_t e, void *arg)
{
	task_over(arg, e);
}

static bool is_own_fault(err_t e)
{
	return e != ERR_UNAVAILABLE && e != ERR_TIMEOUT && e != ERR_ABORTED && e != ERR_CANCELLED;
}

void task_published(struct task *t, err_t e)
{
	struct log_ctx ctx = { .tenant = t->tenant };
	struct manager *tm = t->p->tm;

	t->error = e;
	metric_add(e ? &failures : &published, 1);
	if (e)
		LOG_WARN(&ctx, "publish.failed", "item=%s error=%s field=%s detail=%s", t->item, err_name(e),
			 LOG_Q(t->detail.field), LOG_Q(t->detail.message));
	/* When the service ends the bus is the last to tell: the row stays, and is published again. */
	if (!tm->db || (e && !is_own_fault(e))) {
		task_over(t, e);
		return;
	}
	err_t r = db_run(tm->db, t->tenant, e ? postpone_row : clear_row, t, on_row_written, t);
	if (r)
		task_over(t, r);
}

static void on_loaded(err_t e, void *arg)
{
	struct task *t = arg;

	if (e)
		task_published(t, e);
	else if (t->postponed)
		task_over(t, ERR_OK);
	else
		task_publish(t);
}

/* ---- a batch of rows ---- */

static enum item_kind item_kind(const char *item)
{
	static const struct {
		const char *prefix;
		enum item_kind kind;
	} prefixes[] = { { "prompt.", ITEM_PROMPT },
			 { "agent.", ITEM_AGENT },
			 { "gone.", ITEM_GONE },
			 { "audit.", ITEM_AUDIT },
			 { "purged.", ITEM_PURGED } };

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		if (strncmp(item, prefixes[i].prefix, strlen(prefixes[i].prefix)) == 0)
			return prefixes[i].kind;
	}
	return ITEM_MAIN;
}

static void task_init(struct task *t, struct publisher *p, const struct db_result *res, int row)
{
	*t = (struct task){ .p = p, .row_version = (uint64_t)db_int(res, row, 2) };
	(void)str_copy(t->tenant, sizeof(t->tenant), db_text(res, row, 0));
	(void)str_copy(t->item, sizeof(t->item), db_text(res, row, 1));
	t->kind = item_kind(t->item);
	const char *dot = strchr(t->item, '.');
	t->key = dot ? dot + 1 : "";
	arena_init(&t->arena, 0);
}

/* At the start and each minute: an instance of the previous version drops the item from the outbox, as one that it does not know. */
static err_t tell_purges(struct db_tx *tx, struct publisher *p)
{
	int64_t now_ms = clock_mono_ms();

	if (p->told_ms && now_ms - p->told_ms < TELL_MS)
		return ERR_OK;
	err_t e = db_exec(tx, NULL, "SELECT tm.tell_purges()", 0, NULL);
	if (!e)
		p->told_ms = now_ms;
	return e;
}

static err_t take_batch(struct db_tx *tx, void *arg)
{
	struct publisher *p = arg;
	struct db_result *res = NULL;
	char limit[16];
	const char *params[] = { limit };
	int n_audio = 0;

	p->n_tasks = 0;
	snprintf(limit, sizeof(limit), "%d", BATCH_MAX);
	err_t e = tell_purges(tx, p);
	if (!e)
		e = db_exec(tx, &res, "SELECT tenant, item, version FROM tm.pending($1)", 1, params);
	for (int i = 0; !e && i < db_rows(res) && i < BATCH_MAX && n_audio < AUDIO_MAX; i++) {
		struct task *t = &p->tasks[p->n_tasks++];

		task_init(t, p, res, i);
		n_audio += t->kind == ITEM_PROMPT;
	}
	db_result_free(&res);
	return e;
}

static void start_tasks(struct publisher *p)
{
	p->idle = false;
	p->n_running = p->n_tasks;
	metric_set(&waiting, (int64_t)p->n_tasks);
	for (size_t i = 0, n = p->n_tasks; i < n; i++) {
		struct task *t = &p->tasks[i];
		err_t e = db_run(p->tm->db, t->tenant, task_load, t, on_loaded, t);

		if (e)
			task_over(t, e);
	}
}

static void on_batch(err_t e, void *arg)
{
	struct publisher *p = arg;

	if (e) {
		p->n_tasks = 0;
		p->busy = false;
		loop_timer_start(&p->timer, 1000);
	} else if (p->n_tasks) {
		start_tasks(p);
	} else {
		p->busy = false;
		p->idle = !p->again;
		loop_timer_start(&p->timer, p->again ? 0 : LOOK_MS);
	}
}

static void on_compared(err_t e, void *arg)
{
	struct publisher *p = arg;

	reconcile_free(&p->reconcile);
	p->compared = !e;
	if (e)
		LOG_WARN(NULL, "publish.compare_failed", "error=%s", err_name(e));
	loop_timer_start(&p->timer, e ? 2000 : 0);
}

static void compare(struct publisher *p)
{
	err_t e = p->reconcile ? ERR_OK : reconcile_start(&p->reconcile, p->tm, p->config, on_compared, p);

	if (e)
		loop_timer_start(&p->timer, 2000);
}

static void look(struct publisher *p)
{
	if (!p->connected || p->busy)
		return;
	if (!p->compared) {
		compare(p);
		return;
	}
	p->again = false;
	p->busy = true;
	err_t e = db_run(p->tm->db, NULL, take_batch, p, on_batch, p);
	if (e)
		on_batch(e, p);
}

static void on_timer(void *arg)
{
	look(arg);
}

void publisher_kick(struct publisher *p)
{
	p->again = true;
	p->idle = false;
	if (!p->pause_ms)
		loop_timer_start(&p->timer, 0);
}

void publisher_connected(struct publisher *p, bool connected)
{
	p->connected = connected;
	if (!connected) {
		p->compared = p->idle = false;
		reconcile_free(&p->reconcile);
		return;
	}
	p->pause_ms = 0;
	loop_timer_start(&p->timer, 0);
}

bool publisher_idle(const struct publisher *p)
{
	return p->idle;
}

err_t publisher_new(struct publisher **ret, struct manager *tm, struct err_detail *detail)
{
	struct publisher *p = mem_zalloc(sizeof(*p));

	if (!p)
		return ERR_EXHAUSTED;
	p->tm = tm;
	loop_timer_init(&p->timer, tm->loop, on_timer, p);
	metrics_register(&published);
	metrics_register(&failures);
	metrics_register(&waiting);
	err_t e = bus_kv_open(&p->config, tm->bus, &(struct bus_kv_params){ .bucket = "config", .history = 1 }, detail);
	if (e) {
		publisher_free(&p);
		return e;
	}
	*ret = p;
	publisher_connected(p, bus_connected(tm->bus));
	return ERR_OK;
}

void publisher_free(struct publisher **ref)
{
	struct publisher *p = *ref;

	if (!p)
		return;
	reconcile_free(&p->reconcile);
	loop_timer_done(&p->timer);
	if (p->config)
		bus_kv_close(&p->config);
	for (size_t i = 0; i < p->n_tasks; i++)
		arena_done(&p->tasks[i].arena);
	mem_free(p);
	*ref = NULL;
}
