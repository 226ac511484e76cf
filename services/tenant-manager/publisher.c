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

/* ---- a lot after its rows were published ---- */

static void batch_over(struct publisher *p)
{
	bool failed = false;

	for (size_t i = 0; i < p->n_lots; i++) {
		failed = failed || p->lots[i].error;
		arena_done(&p->lots[i].arena);
	}
	p->n_tasks = p->n_lots = 0;
	p->busy = false;
	metric_set(&waiting, 0);
	p->pause_ms = !failed			       ? 0
		      : !p->pause_ms		       ? PAUSE_MIN_MS
		      : p->pause_ms * 2 < PAUSE_MAX_MS ? p->pause_ms * 2
						       : PAUSE_MAX_MS;
	loop_timer_start(&p->timer, p->pause_ms);
}

static void lot_over(struct lot *l, err_t e)
{
	struct publisher *p = l->p;

	if (e && !l->error)
		l->error = e;
	if (l->tasks[0].look && l->error && !task_own_fault(l->error))
		keyless_put(p->keyless, l->tenant);
	if (--p->n_running == 0)
		batch_over(p);
}

static void on_cleared(err_t e, void *arg)
{
	lot_over(arg, e);
}

/* When the service ends the bus is the last to tell: the rows stay, and are published again. */
static void clear(struct lot *l)
{
	struct manager *tm = l->p->tm;
	err_t e = tm->db ? db_run(tm->db, l->tenant, lot_clear, l, on_cleared, l) : ERR_CANCELLED;

	if (e)
		lot_over(l, e);
}

static void task_over(struct task *t)
{
	if (--t->lot->n_running == 0)
		clear(t->lot);
}

void task_published(struct task *t, err_t e, const struct err_detail *detail)
{
	struct lot *l = t->lot;
	struct log_ctx ctx = { .tenant = l->tenant };

	t->error = e;
	metric_add(e ? &failures : &published, 1);
	/* When somebody is away that is said of one row, not of 2,000. */
	if (e && (!l->error || task_own_fault(e)))
		LOG_WARN(&ctx, "publish.failed", "item=%s error=%s field=%s detail=%s", t->item, err_name(e),
			 LOG_Q(detail ? detail->field : ""), LOG_Q(detail ? detail->message : ""));
	if (e && !l->error)
		l->error = e;
	task_over(t);
}

static void on_loaded(err_t e, void *arg)
{
	struct lot *l = arg;

	for (size_t i = 0, n = l->n; i < n; i++) {
		struct task *t = &l->tasks[i];

		if (e)
			task_published(t, e, NULL);
		else if (t->postponed)
			task_over(t);
		else
			task_publish(t);
	}
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

static bool belongs(const struct lot *l, const struct task *t, const char *tenant)
{
	return t->kind == ITEM_AGENT && l->tasks[0].kind == ITEM_AGENT && strcmp(l->tenant, tenant) == 0;
}

/* false: the batch is full. A tenant's rows follow each other, and of them its agents. */
static bool add_task(struct publisher *p, const struct db_result *res, int row)
{
	struct task *t = &p->tasks[p->n_tasks];
	struct lot *l = p->n_lots ? &p->lots[p->n_lots - 1] : NULL;
	const char *tenant = db_text(res, row, 0);

	if (p->n_tasks == BATCH_MAX)
		return false;
	*t = (struct task){ .row_version = (uint64_t)db_int(res, row, 2) };
	(void)str_copy(t->item, sizeof(t->item), db_text(res, row, 1));
	t->kind = item_kind(t->item);
	const char *dot = strchr(t->item, '.');
	t->key = dot ? dot + 1 : "";
	if (!l || !belongs(l, t, tenant)) {
		if (p->n_lots == LOTS_MAX)
			return false;
		l = &p->lots[p->n_lots++];
		*l = (struct lot){ .p = p, .tasks = t };
		(void)str_copy(l->tenant, sizeof(l->tenant), tenant);
		arena_init(&l->arena, 0);
	}
	t->lot = l;
	l->n++;
	p->n_tasks++;
	return true;
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
	char limit[DB_NUMBER];
	char lots[DB_NUMBER];
	const char *params[] = { p->turn, db_number(BATCH_MAX - LOOKS, limit), db_number(LOTS_MAX - LOOKS, lots) };
	int n_audio = 0;

	p->n_tasks = p->n_lots = 0;
	err_t e = tell_purges(tx, p);
	if (!e)
		e = db_exec(tx, &res, "SELECT tenant, item, version FROM tm.due_in_turn($1, $2, $3)", 3, params);
	for (int i = 0; !e && i < db_rows(res) && n_audio < AUDIO_MAX && add_task(p, res, i); i++)
		n_audio += p->tasks[i].kind == ITEM_PROMPT;
	if (p->n_lots)
		(void)str_copy(p->turn, sizeof(p->turn), p->lots[p->n_lots - 1].tenant);
	db_result_free(&res);
	return e;
}

/* Each alone, behind what the outbox has. */
static void add_looks(struct publisher *p)
{
	char tenant[KEYLESS_TENANT];

	while (p->n_tasks < BATCH_MAX && p->n_lots < LOTS_MAX && keyless_take(p->keyless, tenant)) {
		struct task *t = &p->tasks[p->n_tasks++];
		struct lot *l = &p->lots[p->n_lots++];

		*l = (struct lot){ .p = p, .tasks = t, .n = 1 };
		*t = (struct task){ .lot = l, .kind = ITEM_MAIN, .key = "", .look = true };
		(void)str_copy(t->item, sizeof(t->item), "main");
		(void)str_copy(l->tenant, sizeof(l->tenant), tenant);
		arena_init(&l->arena, 0);
	}
}

static void start_lots(struct publisher *p)
{
	p->idle = false;
	p->n_running = p->n_lots;
	metric_set(&waiting, (int64_t)p->n_tasks);
	for (size_t i = 0, n = p->n_lots; i < n; i++) {
		struct lot *l = &p->lots[i];

		l->n_running = l->n;
		err_t e = db_run(p->tm->db, l->tenant, lot_load, l, on_loaded, l);
		if (e)
			lot_over(l, e);
	}
}

static void on_batch(err_t e, void *arg)
{
	struct publisher *p = arg;

	if (!e)
		add_looks(p);
	if (e) {
		p->n_tasks = p->n_lots = 0;
		p->busy = false;
		loop_timer_start(&p->timer, 1000);
	} else if (p->n_tasks) {
		start_lots(p);
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

static void on_keyless(void *arg)
{
	publisher_kick(arg);
}

static void compare(struct publisher *p)
{
	err_t e = ERR_OK;

	if (p->tm->master_key && !p->keyless)
		e = keyless_new(&p->keyless, p->config, on_keyless, p);
	if (!e && !p->reconcile)
		e = reconcile_start(&p->reconcile, p->tm, p->config, on_compared, p);
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
		keyless_free(&p->keyless);
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
	for (size_t i = 0; i < p->n_lots; i++)
		arena_done(&p->lots[i].arena);
	mem_free(p);
	*ref = NULL;
}
