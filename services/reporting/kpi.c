#include "kpi.h"

#include <stddef.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"

err_t kpi_batch_new(struct kpi_batch **ret)
{
	struct kpi_batch *b = mem_zalloc(sizeof(*b));

	if (!b)
		return ERR_EXHAUSTED;
	arena_init(&b->arena, 65536);
	*ret = b;
	return ERR_OK;
}

void kpi_batch_free(struct kpi_batch **pb)
{
	struct kpi_batch *b = *pb;

	if (!b)
		return;
	*pb = NULL;
	HASH_CLEAR(hh, b->queues);
	HASH_CLEAR(hh, b->agents);
	HASH_CLEAR(hh, b->tenants);
	HASH_CLEAR(hh, b->calls);
	HASH_CLEAR(hh, b->agent_seen);
	arena_done(&b->arena);
	mem_free(b);
}

int64_t kpi_interval(int64_t time_ms)
{
	return time_ms - time_ms % KPI_INTERVAL_MS;
}

/* ---- seen ------------------------------------------------------------------------------------------------------------ */

bool kpi_seen_add(struct kpi_seen *s, uint64_t seq)
{
	uint64_t ahead;

	if (!seq || seq <= s->upto)
		return false;
	ahead = seq - s->upto; /* 1 … : bit 0 stands for upto + 1 */
	if (ahead > 64) {
		uint64_t move = ahead - 64;

		s->bits = move >= 64 ? 0 : s->bits >> move;
		s->upto += move;
		ahead = 64;
	}
	if (s->bits & (UINT64_C(1) << (ahead - 1)))
		return false;
	s->bits |= UINT64_C(1) << (ahead - 1);
	while (s->bits & 1) {
		s->bits >>= 1;
		s->upto++;
	}
	return true;
}

/* ---- tables of the batch ----------------------------------------------------------------------------------------------- */

static void key_set(struct kpi_key *k, const char *tenant, const char *id, int64_t start_ms)
{
	memset(k, 0, sizeof(*k)); /* hashed as bytes */
	(void)str_copy(k->tenant, sizeof(k->tenant), tenant);
	(void)str_copy(k->id, sizeof(k->id), id);
	k->start_ms = start_ms;
}

/* One of the batch's rows by key, made if it is not there. */
#define ROW(b, head, type, tenant, id, start, out)                                     \
	do {                                                                           \
		struct kpi_key key_;                                                   \
		key_set(&key_, tenant, id, start);                                     \
		HASH_FIND(hh, (b)->head, &key_, sizeof(key_), out);                    \
		if (!(out)) {                                                          \
			(out) = arena_alloc(&(b)->arena, sizeof(type));                \
			if (!(out)) {                                                  \
				(b)->failed = true;                                    \
			} else {                                                       \
				(out)->key = key_;                                     \
				HASH_ADD(hh, (b)->head, key, sizeof((out)->key), out); \
			}                                                              \
		}                                                                      \
	} while (0)

static struct kpi_queue *queue_at(struct kpi_batch *b, const struct kpi_event *ev, int64_t time_ms)
{
	struct kpi_queue *q = NULL;

	if (*ev->queue_id)
		ROW(b, queues, struct kpi_queue, ev->tenant, ev->queue_id, kpi_interval(time_ms), q);
	return q;
}

static struct kpi_agent *agent_at(struct kpi_batch *b, const struct kpi_event *ev, int64_t time_ms)
{
	struct kpi_agent *a = NULL;

	if (*ev->agent_id)
		ROW(b, agents, struct kpi_agent, ev->tenant, ev->agent_id, kpi_interval(time_ms), a);
	return a;
}

static struct kpi_tenant *tenant_at(struct kpi_batch *b, const struct kpi_event *ev, int64_t time_ms)
{
	struct kpi_tenant *t = NULL;

	ROW(b, tenants, struct kpi_tenant, ev->tenant, "", kpi_interval(time_ms), t);
	return t;
}

struct kpi_call *kpi_batch_call(struct kpi_batch *b, const char *tenant, const char *call_id)
{
	struct kpi_call *c = NULL;

	ROW(b, calls, struct kpi_call, tenant, call_id, 0, c);
	if (c && !c->changed && !c->offered_ms) {
		c->offered_ms = c->answered_ms = c->agent_answered_ms = c->ended_ms = -1;
		c->wait_ms = c->talk_ms = c->hold_ms = -1;
	}
	return c;
}

struct kpi_agent_seen *kpi_batch_agent(struct kpi_batch *b, const char *tenant, const char *agent_id)
{
	struct kpi_agent_seen *a = NULL;

	ROW(b, agent_seen, struct kpi_agent_seen, tenant, agent_id, 0, a);
	return a;
}

static const char *keep(struct kpi_batch *b, const char *text)
{
	char *copy = arena_strdup(&b->arena, text);

	if (!copy)
		b->failed = true;
	return copy;
}

static int64_t positive(int64_t ms)
{
	return ms > 0 ? ms : 0;
}

/* ---- what each event counts for ----------------------------------------------------------------------------------------- */

static void enqueued(struct kpi_batch *b, struct kpi_call *c, const struct kpi_event *ev)
{
	struct kpi_queue *q = queue_at(b, ev, ev->arrival_ms ? ev->arrival_ms : ev->time_ms);

	if (q)
		q->offered++;
	c->queue_id = keep(b, ev->queue_id);
}

static void agent_answered(struct kpi_batch *b, struct kpi_call *c, const struct kpi_event *ev)
{
	int64_t waited = positive(ev->waited_ms);
	struct kpi_queue *q = queue_at(b, ev, ev->time_ms - waited); /* the interval of the arrival, as offered */
	struct kpi_agent *a = agent_at(b, ev, ev->time_ms);

	if (q) {
		q->answered++;
		q->answered_in_target += waited <= ev->service_level_ms;
		q->wait_answered_ms += waited;
		if (waited > q->wait_max_ms)
			q->wait_max_ms = waited;
	}
	if (a)
		a->answered++;
	c->agent_id = keep(b, ev->agent_id);
	c->agent_answered_ms = ev->time_ms;
}

static void dequeued(struct kpi_batch *b, const struct kpi_event *ev)
{
	int64_t waited = positive(ev->waited_ms);
	struct kpi_queue *q = queue_at(b, ev, ev->time_ms - waited);

	if (!q)
		return;
	if (waited > q->wait_max_ms)
		q->wait_max_ms = waited;
	if (!str_eq(ev->cause, "abandoned")) {
		q->overflowed++;
		return;
	}
	q->abandoned++;
	q->abandoned_short += waited <= KPI_SHORT_MS;
	q->abandoned_20s += waited <= KPI_KP14_MS;
	q->wait_abandoned_ms += waited;
}

static void ended_totals(struct kpi_batch *b, const struct kpi_event *ev)
{
	struct kpi_tenant *t = tenant_at(b, ev, ev->offered_ms ? ev->offered_ms : ev->time_ms);

	if (!t)
		return;
	t->calls++;
	if (str_eq(ev->disposition, "answered"))
		t->answered++;
	else if (str_eq(ev->disposition, "abandoned"))
		t->abandoned++;
	else if (str_eq(ev->disposition, "ivr"))
		t->ivr++;
	else if (str_eq(ev->disposition, "refused"))
		t->refused++;
	else
		t->failed++;
}

static void ended(struct kpi_batch *b, struct kpi_call *c, const struct kpi_event *ev)
{
	ended_totals(b, ev);
	if (ev->agent_answered_ms) {
		struct kpi_queue *q = queue_at(b, ev, ev->agent_answered_ms);
		struct kpi_agent *a = agent_at(b, ev, ev->agent_answered_ms);

		if (q) {
			q->handled++;
			q->talk_ms += positive(ev->talk_ms);
			q->hold_ms += positive(ev->hold_ms);
		}
		if (a) {
			a->handled++;
			a->talk_ms += positive(ev->talk_ms);
			a->hold_ms += positive(ev->hold_ms);
		}
	}
	c->ended_ms = ev->ended_ms ? ev->ended_ms : ev->time_ms;
	c->wait_ms = ev->wait_ms;
	c->talk_ms = ev->talk_ms;
	c->hold_ms = ev->hold_ms;
	c->disposition = keep(b, ev->disposition);
	c->cause = keep(b, ev->cause);
	c->recording_id = keep(b, ev->recording_id);
}

static void offered(struct kpi_batch *b, struct kpi_call *c, const struct kpi_event *ev)
{
	c->offered_ms = ev->time_ms;
	c->caller = keep(b, ev->caller);
	c->called = keep(b, ev->called);
	c->trunk_id = keep(b, ev->trunk_id);
}

static void call_event(struct kpi_batch *b, struct kpi_call *c, const struct kpi_event *ev)
{
	struct kpi_agent *a;

	switch (ev->kind) {
	case KPI_OFFERED:
		offered(b, c, ev);
		break;
	case KPI_CALL_ANSWERED:
		c->answered_ms = ev->time_ms;
		break;
	case KPI_DIGITS:
		c->digits = keep(b, ev->digits);
		break;
	case KPI_ENQUEUED:
		enqueued(b, c, ev);
		break;
	case KPI_RESERVED:
		a = agent_at(b, ev, ev->time_ms);
		if (a)
			a->offered++;
		break;
	case KPI_NO_ANSWER:
		if (str_eq(ev->cause, "failed"))
			break; /* media or the edge: nobody rang there */
		a = agent_at(b, ev, ev->time_ms);
		if (a)
			a->missed++;
		break;
	case KPI_AGENT_ANSWERED:
		agent_answered(b, c, ev);
		break;
	case KPI_DEQUEUED:
		dequeued(b, ev);
		break;
	case KPI_ENDED:
		ended(b, c, ev);
		break;
	default:
		break;
	}
}

/* ---- agents' states ------------------------------------------------------------------------------------------------------ */

static int64_t *state_sum(struct kpi_agent *a, enum kpi_state s)
{
	switch (s) {
	case KPI_BUSY:
		return &a->busy_ms;
	case KPI_READY:
		return &a->ready_ms;
	case KPI_RESERVED_STATE:
		return &a->ringing_ms;
	case KPI_ON_CALL:
		return &a->on_call_ms;
	case KPI_WRAP_UP:
		return &a->wrap_up_ms;
	default:
		return NULL;
	}
}

/* The time in the state that was left, spread over the intervals it lay in. */
static void agent_state(struct kpi_batch *b, const struct kpi_event *ev)
{
	int64_t span = positive(ev->duration_ms), from;
	struct kpi_queue *q;

	if (ev->state <= KPI_SIGNED_OUT || ev->state > KPI_WRAP_UP)
		return;
	if (span > KPI_STATE_SPAN_MS)
		span = KPI_STATE_SPAN_MS;
	from = ev->time_ms - span;
	while (from < ev->time_ms) {
		int64_t end = kpi_interval(from) + KPI_INTERVAL_MS;
		struct kpi_agent *a = agent_at(b, ev, from);

		if (end > ev->time_ms)
			end = ev->time_ms;
		if (!a)
			return;
		*state_sum(a, ev->state) += end - from;
		from = end;
	}
	if (ev->state != KPI_WRAP_UP)
		return;
	q = queue_at(b, ev, ev->time_ms - span);
	if (q)
		q->after_work_ms += span;
}

void kpi_apply(struct kpi_batch *b, const struct kpi_event *ev)
{
	if (ev->kind == KPI_AGENT_STATE) {
		struct kpi_agent_seen *a = kpi_batch_agent(b, ev->tenant, ev->agent_id);

		if (!a)
			return;
		if (!kpi_seen_add(&a->seen, ev->seq)) {
			b->repeated++;
			return;
		}
		a->changed = true;
		agent_state(b, ev);
	} else {
		struct kpi_call *c = kpi_batch_call(b, ev->tenant, ev->call_id);

		if (!c)
			return;
		if (!kpi_seen_add(&c->seen, ev->seq)) {
			b->repeated++;
			return;
		}
		c->changed = true;
		call_event(b, c, ev);
	}
	b->applied++;
}
