/* What routers say of their queues, kept so that a new stream can begin with it. */
#include "streams.h"

#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/str.h"
#include "base/table.h"
#include "log/log.h"

/* The leader repeats all every 10 s: what is older belongs to a router that is gone. */
#define STALE_MS 25000
#define SWEEP_MS 60000

struct known_queue {
	char id[AGENT_ID_TEXT];
	struct desk_queue state;
	int64_t seen_ms; /* monotonic */
	UT_hash_handle hh;
};
struct known_tenant {
	char id[AGENT_ID_TEXT];
	struct known_queue *queues;
	UT_hash_handle hh;
};
struct queues {
	struct desk *desk;
	struct bus_sub *sub;
	struct known_tenant *tenants;
	struct loop_timer sweep;
};

static struct known_tenant *tenant_get(struct queues *q, const char *tenant)
{
	struct known_tenant *t;

	HASH_FIND_STR(q->tenants, tenant, t);
	if (t || !tenantconf_find_tenant(q->desk->conf, tenant))
		return t;
	t = mem_zalloc(sizeof(*t));
	if (!t)
		return NULL;
	(void)str_copy(t->id, sizeof(t->id), tenant);
	HASH_ADD_STR(q->tenants, id, t);
	if (TABLE_HAS(t))
		return t;
	mem_free(t);
	return NULL;
}

static struct known_queue *queue_get(struct known_tenant *t, const char *queue_id)
{
	struct known_queue *k;

	HASH_FIND_STR(t->queues, queue_id, k);
	if (k)
		return k;
	k = mem_zalloc(sizeof(*k));
	if (!k)
		return NULL;
	(void)str_copy(k->id, sizeof(k->id), queue_id);
	HASH_ADD_STR(t->queues, id, k);
	if (TABLE_HAS(k))
		return k;
	mem_free(k);
	return NULL;
}

static bool same(const struct desk_queue *a, const struct desk_queue *b)
{
	return a->waiting == b->waiting && a->on_duty == b->on_duty && a->ready == b->ready &&
	       a->oldest_arrival_ms == b->oldest_arrival_ms;
}

static void on_queue(const char *tenant, const struct desk_queue *state, void *arg)
{
	struct queues *q = arg;
	struct known_tenant *t = tenant_get(q, tenant);
	struct known_queue *k = t ? queue_get(t, state->queue_id) : NULL;
	bool news;

	if (!k)
		return;
	news = !k->seen_ms || !same(&k->state, state);
	k->seen_ms = clock_mono_ms();
	k->state = *state;
	k->state.queue_id = k->id;
	k->state.name = "";
	if (news)
		streams_queue(q->desk->streams, tenant, &k->state);
}

static void on_status(const struct bus_msg *msg, void *arg)
{
	struct err_detail detail = { 0 };

	if (desk_wire_queues_from_pb(msg->data, msg->size, on_queue, arg, &detail)) {
		metric_add(&desk_metric_bad_messages, 1);
		LOG_WARN(NULL, "queues.unreadable", "subject=%s field=%s why=%s", msg->subject, detail.field,
			 LOG_Q(detail.message));
	}
}

void queues_each(const struct queues *q, const char *tenant, void (*fn)(const struct desk_queue *queue, void *arg),
		 void *arg)
{
	int64_t since_ms = clock_mono_ms() - STALE_MS;
	struct known_tenant *t;
	struct known_queue *k, *next;

	HASH_FIND_STR(q->tenants, tenant, t);
	if (!t)
		return;
	HASH_ITER (hh, t->queues, k, next)
		if (k->seen_ms >= since_ms)
			fn(&k->state, arg);
}

static void forget(struct queues *q, int64_t before_ms)
{
	struct known_tenant *t, *next_t;
	struct known_queue *k, *next;

	HASH_ITER (hh, q->tenants, t, next_t) {
		HASH_ITER (hh, t->queues, k, next)
			if (k->seen_ms < before_ms) {
				HASH_DEL(t->queues, k);
				mem_free(k);
			}
		if (!t->queues) {
			HASH_DEL(q->tenants, t);
			mem_free(t);
		}
	}
}

static void on_sweep(void *arg)
{
	struct queues *q = arg;

	forget(q, clock_mono_ms() - SWEEP_MS);
	loop_timer_start(&q->sweep, SWEEP_MS);
}

err_t queues_new(struct queues **ret, struct desk *desk)
{
	struct queues *q = mem_zalloc(sizeof(*q));
	char subject[AGENT_ID_TEXT + 32];
	err_t e;

	if (!q)
		return ERR_EXHAUSTED;
	q->desk = desk;
	loop_timer_init(&q->sweep, desk->loop, on_sweep, q);
	snprintf(subject, sizeof(subject), "tl.%s.queue-status.*", desk->site);
	e = bus_subscribe(&q->sub, desk->bus, subject, NULL, on_status, q);
	if (e) {
		queues_free(&q);
		return e;
	}
	loop_timer_start(&q->sweep, SWEEP_MS);
	*ret = q;
	return ERR_OK;
}

void queues_free(struct queues **queues)
{
	struct queues *q = *queues;

	if (!q)
		return;
	*queues = NULL;
	bus_unsubscribe(&q->sub);
	loop_timer_done(&q->sweep);
	forget(q, INT64_MAX);
	mem_free(q);
}
