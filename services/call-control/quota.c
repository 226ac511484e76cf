#include "quota_internal.h"

#include <stdio.h>
#include <string.h>
#include <utlist.h>
#include "base/clock.h"
#include "base/mem.h"
#include "cc_metrics.h"
#include "log/log.h"

#define STRIKE_MS 6000 /* from when an owner is known to be gone: its calls are counted by others by then */
#define ASK_MS	  40
#define POLL_MS	  20

static void pump(struct tenant_slots *t);

static bool counted(const struct call *call)
{
	return call->trunk_id[0] != '\0';
}

struct tenant_quotas quota_limits(const struct control *cc, const char *tenant)
{
	const struct tenant *t = tenantconf_find_tenant(cc->conf, tenant);

	return t ? t->quotas : (struct tenant_quotas){ .queues = 0 };
}

static uint32_t limit_of(const struct control *cc, const char *tenant)
{
	return quota_limits(cc, tenant).inbound_calls;
}

/* NULL: no memory; then nobody of that tenant is counted, and nobody is refused. */
static struct tenant_slots *slots_of(struct control *cc, const char *tenant)
{
	struct tenant_slots *t;

	HASH_FIND_STR(cc->quotas->tenants, tenant, t);
	if (t)
		return t;
	t = mem_zalloc(sizeof(*t));
	if (!t)
		return NULL;
	t->control = cc;
	str_copy(t->tenant, sizeof(t->tenant), tenant);
	HASH_ADD_STR(cc->quotas->tenants, tenant, t);
	if (!TABLE_HAS(t)) {
		mem_free(t);
		return NULL;
	}
	slots_init(&t->slots, cc->self.instance, cc->self.incarnation);
	rate_open(t, cc->quotas->kv);
	return t;
}

/* ---- who is gone ---------------------------------------------------------------------------------------------------- */

static bool dead(const struct slot_row *row, void *arg)
{
	struct control *cc = arg;
	struct quotas *q = cc->quotas;
	struct cc_owner owner = { .incarnation = row->incarnation };
	int64_t now = clock_mono_ms();
	size_t i = 0;

	str_copy(owner.instance, sizeof(owner.instance), row->instance);
	if (!peers_gone(cc, &owner))
		return false;
	while (i < q->n_doubts && (q->doubts[i].owner.incarnation != owner.incarnation ||
				   !str_eq(q->doubts[i].owner.instance, owner.instance)))
		i++;
	if (i == q->n_doubts && q->n_doubts == DOUBTS)
		i = 0;
	else if (i == q->n_doubts)
		q->doubts[q->n_doubts++] = (struct doubt){ owner, now, now };
	if (now - q->doubts[i].seen_ms > STRIKE_MS || q->doubts[i].owner.incarnation != owner.incarnation)
		q->doubts[i] = (struct doubt){ owner, now, now }; /* not thought of for long, or crowded out */
	q->doubts[i].seen_ms = now;
	return now - q->doubts[i].since_ms >= STRIKE_MS;
}

/* ---- the book ------------------------------------------------------------------------------------------------------- */

static void read_book(struct tenant_slots *t, const struct bus_msg *msg)
{
	struct slot_book book;
	struct err_detail d;

	if (cc_wire_slots(msg->data, msg->size, &book, &d)) {
		metric_add(&cc_metric_bad_messages, 1);
		LOG_ERROR(NULL, "quota.bad_book", "tenant=%s field=%s why=%s", t->tenant, LOG_Q(d.field),
			  LOG_Q(d.message));
		return;
	}
	slots_read(&t->slots, &book, msg->seq);
	pump(t);
}

static void read_recordings(struct tenant_slots *t, enum bus_kv_op op, const struct bus_msg *msg)
{
	struct err_detail d;

	if (op == BUS_KV_DELETE) {
		t->recording_bytes = 0;
	} else if (cc_wire_recording_use(msg->data, msg->size, &t->recording_bytes, &d)) {
		metric_add(&cc_metric_bad_messages, 1);
		LOG_ERROR(NULL, "quota.bad_recordings", "tenant=%s field=%s why=%s", t->tenant, LOG_Q(d.field),
			  LOG_Q(d.message));
	}
}

static void on_book(enum bus_kv_op op, const char *key, const struct bus_msg *msg, void *arg)
{
	struct control *cc = arg;
	char tenant[CALL_NAME];
	const char *dot = key ? strchr(key, '.') : NULL;
	struct tenant_slots *t;

	if (!dot || (size_t)(dot - key) >= sizeof(tenant) || str_eq(dot, ".api")) /* libs/apirate */
		return;
	snprintf(tenant, sizeof(tenant), "%.*s", (int)(dot - key), key);
	t = slots_of(cc, tenant);
	if (!t)
		return;
	if (str_eq(dot, ".recordings"))
		read_recordings(t, op, msg);
	else if (op == BUS_KV_PUT && str_eq(dot, ".calls"))
		read_book(t, msg);
	else if (op == BUS_KV_PUT && str_eq(dot, ".rate"))
		pace_book_told(&t->rate, msg);
}

static void on_read(err_t e, const struct bus_msg *msg, void *arg)
{
	struct tenant_slots *t = arg;
	static const struct slot_book empty;

	t->reading = false;
	if (!e)
		read_book(t, msg);
	else if (e == ERR_NOT_FOUND)
		slots_read(&t->slots, &empty, 0);
}

/* What became of our write is not known, or somebody else's word is late. */
static void ask_bucket(struct tenant_slots *t)
{
	char key[QUOTA_KEY];

	if (t->reading)
		return;
	snprintf(key, sizeof(key), "%s.calls", t->tenant);
	t->reading = bus_kv_get(t->control->quotas->kv, key, on_read, t) == ERR_OK;
}

static void on_written(err_t e, uint64_t seq, void *arg)
{
	struct tenant_slots *t = arg;

	slots_written(&t->slots, !e, seq);
	if (t->slots.stale && e != ERR_ABORTED)
		ask_bucket(t);
	pump(t);
}

static void write_book(struct tenant_slots *t)
{
	const struct slot_book *next = slots_next(&t->slots, clock_mono_ms(), dead, t->control);
	char key[QUOTA_KEY];
	struct str out = STR_INIT;

	if (!next)
		return;
	snprintf(key, sizeof(key), "%s.calls", t->tenant);
	cc_wire_put_slots(&out, next);
	if (out.failed || bus_kv_put(t->control->quotas->kv, key, out.data, out.len, t->slots.expected, on_written, t))
		slots_written(&t->slots, false, 0);
	str_done(&out);
}

static void ask_others(struct tenant_slots *t)
{
	int64_t now = clock_mono_ms();
	char subject[BATCH_SUBJECT];

	if (!slots_full(&t->slots) || now - t->asked_ms < ASK_MS)
		return;
	t->asked_ms = now;
	snprintf(subject, sizeof(subject), "tl.%s.quota.%s", t->control->site, t->tenant);
	if (bus_publish(t->control->bus, subject, t->control->self.instance, strlen(t->control->self.instance)))
		metric_add(&cc_metric_send_failed, 1);
}

static void on_ask(const struct bus_msg *msg, void *arg)
{
	struct control *cc = arg;
	const char *tenant = strrchr(msg->subject, '.');
	struct tenant_slots *t = NULL;
	bool own = msg->size == strlen(cc->self.instance) && memcmp(msg->data, cc->self.instance, msg->size) == 0;

	if (tenant && !own)
		HASH_FIND_STR(cc->quotas->tenants, tenant + 1, t);
	if (!t)
		return;
	t->slots.asked = true;
	pump(t);
}

/* ---- callers -------------------------------------------------------------------------------------------------------- */

err_t quota_wait(struct waiter **list, struct call *call, const char *sip_call_id)
{
	struct waiter *w = mem_zalloc(sizeof(*w));

	if (!w || !(w->sip_call_id = mem_strdup(sip_call_id))) {
		mem_free(w);
		return ERR_EXHAUSTED;
	}
	w->call = call;
	w->until_ms = clock_mono_ms() + QUOTA_WAIT_MS;
	DL_APPEND(*list, w);
	return ERR_OK;
}

/* Out of the list, before anything else is done about it. */
static struct waiter take_first(struct waiter **list)
{
	struct waiter *w = *list, taken = *w;

	DL_DELETE(*list, w);
	mem_free(w);
	return taken;
}

void quota_go(struct tenant_slots *t, struct waiter **list)
{
	struct waiter w = take_first(list);

	inbox_admitted(t->control, w.call, w.sip_call_id);
	mem_free(w.sip_call_id);
}

void quota_poll_soon(struct tenant_slots *t)
{
	if (!loop_timer_running(&t->control->quotas->poll))
		loop_timer_start(&t->control->quotas->poll, POLL_MS);
}

static void let_in(struct tenant_slots *t)
{
	struct waiter w = take_first(&t->waiters);

	t->slots.waiting--;
	rate_ask(t, w.call, w.sip_call_id);
	mem_free(w.sip_call_id);
}

static void refuse(struct tenant_slots *t)
{
	t->slots.waiting--;
	t->waiters->call->over_quota = true;
	metric_add(&cc_metric_over_quota, 1);
	quota_go(t, &t->waiters);
}

/* Lets in whom it can, refuses who has waited for too long, and sees to it that there is room. */
static void pump(struct tenant_slots *t)
{
	if (t->control->quotas->closed)
		return;
	t->slots.limit = limit_of(t->control, t->tenant);
	if (!t->slots.writing)
		write_book(t);
	while (t->waiters && slots_take(&t->slots))
		let_in(t);
	while (t->waiters && clock_mono_ms() >= t->waiters->until_ms)
		refuse(t);
	if (!t->waiters)
		return;
	ask_others(t);
	quota_poll_soon(t);
}

static void on_poll(void *arg)
{
	struct control *cc = arg;
	struct tenant_slots *t, *next;

	HASH_ITER (hh, cc->quotas->tenants, t, next) {
		if (t->waiters)
			pump(t);
		if (t->paced)
			rate_pump(t);
	}
}

void quota_ask(struct control *cc, struct call *call, const char *sip_call_id)
{
	struct tenant_slots *t = counted(call) ? slots_of(cc, call->tenant) : NULL;

	if (!t) {
		inbox_admitted(cc, call, sip_call_id);
		return;
	}
	t->slots.limit = limit_of(cc, call->tenant);
	if (!t->waiters && slots_take(&t->slots)) {
		rate_ask(t, call, sip_call_id);
		return;
	}
	if (quota_wait(&t->waiters, call, sip_call_id)) {
		call->over_quota = true;
		inbox_admitted(cc, call, sip_call_id);
		return;
	}
	t->slots.waiting++;
	pump(t);
}

static bool waits_in(const struct waiter *list, const char *call_id)
{
	for (const struct waiter *w = list; w; w = w->next)
		if (str_eq(w->call->id, call_id))
			return true;
	return false;
}

bool quota_waits(const struct control *cc, const char *tenant, const char *call_id)
{
	const struct tenant_slots *t;

	HASH_FIND_STR(cc->quotas->tenants, tenant, t);
	return t && (waits_in(t->waiters, call_id) || waits_in(t->paced, call_id));
}

bool quota_recordings_full(const struct control *cc, const char *tenant)
{
	uint64_t limit = quota_limits(cc, tenant).recording_bytes;
	const struct tenant_slots *t = NULL;

	if (limit)
		HASH_FIND_STR(cc->quotas->tenants, tenant, t);
	return t && t->recording_bytes >= limit;
}

void quota_count(struct control *cc, const struct call *call)
{
	struct tenant_slots *t = counted(call) ? slots_of(cc, call->tenant) : NULL;

	if (!t)
		return;
	slots_force(&t->slots);
	pump(t);
}

void quota_give(struct control *cc, const struct call *call)
{
	struct tenant_slots *t = counted(call) && cc->quotas ? slots_of(cc, call->tenant) : NULL;

	if (!t)
		return;
	slots_give(&t->slots);
	if (t->waiters || t->slots.asked)
		pump(t);
}

void quota_tick(struct control *cc)
{
	struct tenant_slots *t, *next;

	HASH_ITER (hh, cc->quotas->tenants, t, next) {
		if (t->slots.stale)
			ask_bucket(t);
		if (t->slots.limit || limit_of(cc, t->tenant) || slots_held(&t->slots))
			pump(t);
	}
}

/* ---- life ------------------------------------------------------------------------------------------------------------ */

err_t quota_open(struct control *cc, struct err_detail *d)
{
	struct quotas *q = mem_zalloc(sizeof(*q));
	char subject[BATCH_SUBJECT];
	err_t e;

	if (!q)
		return ERR_EXHAUSTED;
	cc->quotas = q;
	loop_timer_init(&q->poll, cc->loop, on_poll, cc);
	e = bus_kv_open(&q->kv, cc->bus, &(struct bus_kv_params){ .bucket = "quota" }, d);
	if (!e)
		e = bus_kv_watch(&q->watch, q->kv, ">", on_book, cc);
	snprintf(subject, sizeof(subject), "tl.%s.quota.*", cc->site);
	return e ? e : bus_subscribe(&q->asks, cc->bus, subject, NULL, on_ask, cc);
}

void quota_close(struct control *cc)
{
	struct quotas *q = cc->quotas;

	if (!q)
		return;
	q->closed = true;
	loop_timer_done(&q->poll);
	if (q->asks)
		bus_unsubscribe(&q->asks);
	if (q->watch)
		bus_kv_unwatch(&q->watch);
	if (q->kv)
		bus_kv_close(&q->kv);
}

static void free_waiters(struct waiter **list)
{
	while (*list) {
		struct waiter w = take_first(list);

		call_free(&w.call);
		mem_free(w.sip_call_id);
	}
}

static void free_tenant(struct tenant_slots *t)
{
	free_waiters(&t->waiters);
	free_waiters(&t->paced);
	mem_free(t);
}

void quota_free(struct control *cc)
{
	struct quotas *q = cc->quotas;
	struct tenant_slots *t, *next;

	if (!q)
		return;
	cc->quotas = NULL;
	HASH_ITER (hh, q->tenants, t, next) {
		HASH_DELETE(hh, q->tenants, t);
		free_tenant(t);
	}
	mem_free(q);
}
