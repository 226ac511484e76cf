#include "kpi.h"

#include <stddef.h>
#include <string.h>
#include "base/mem.h"

#define AHEAD 8

err_t kpi_batch_new(struct kpi_batch **ret)
{
	struct kpi_batch *b = mem_zalloc(sizeof(*b));

	if (!b)
		return ERR_EXHAUSTED;
	/* Where the batch lies differs from process to process: it only moves rows about within their tables. */
	b->by_tenant.seed = b->by_queue.seed = b->by_span.seed = b->by_id[0].seed = b->by_id[1].seed = (uintptr_t)b;
	*ret = b;
	return ERR_OK;
}

void kpi_batch_free(struct kpi_batch **pb)
{
	struct kpi_batch *b = *pb;

	if (!b)
		return;
	*pb = NULL;
	kpi_table_done(&b->by_tenant);
	kpi_table_done(&b->by_queue);
	kpi_table_done(&b->by_span);
	kpi_table_done(&b->by_id[0]);
	kpi_table_done(&b->by_id[1]);
	kpi_pool_done(&b->pool);
	mem_free(b);
}

void kpi_batch_reset(struct kpi_batch *b)
{
	kpi_table_reset(&b->by_tenant);
	kpi_table_reset(&b->by_queue);
	kpi_table_reset(&b->by_span);
	kpi_table_reset(&b->by_id[0]);
	kpi_table_reset(&b->by_id[1]);
	kpi_pool_reset(&b->pool);
	b->tenants = NULL;
	b->applied = b->repeated = 0;
	b->failed = false;
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

/* ---- rows of the batch -------------------------------------------------------------------------------------------------- */

static struct kpi_tenant *tenant_of(struct kpi_batch *b, struct kpi_text id)
{
	const struct kpi_text none = { "", 0 };
	uint64_t hash = kpi_table_hash(&b->by_tenant, id, none);
	struct kpi_tenant *t = kpi_table_find(&b->by_tenant, hash, id, none);

	if (t)
		return t;
	t = kpi_table_add(&b->by_tenant, &b->pool, hash, id, none, sizeof(*t));
	if (!t) {
		b->failed = true;
		return NULL;
	}
	t->next = b->tenants;
	b->tenants = t;
	return t;
}

static struct kpi_queue *queue_of(struct kpi_batch *b, struct kpi_tenant *tenant, struct kpi_text id)
{
	uint64_t hash = kpi_table_hash(&b->by_queue, tenant->name.tenant, id);
	struct kpi_queue *q = kpi_table_find(&b->by_queue, hash, tenant->name.tenant, id);

	if (q)
		return q;
	q = kpi_table_add(&b->by_queue, &b->pool, hash, tenant->name.tenant, id, sizeof(*q));
	if (!q) {
		b->failed = true;
		return NULL;
	}
	q->next = tenant->queues;
	tenant->queues = q;
	return q;
}

/* A call, or an agent. */
static struct kpi_row *row_add(struct kpi_batch *b, bool agent, uint64_t hash, struct kpi_text tenant,
			       struct kpi_text id)
{
	size_t size = agent ? sizeof(struct kpi_agent) : sizeof(struct kpi_call);
	struct kpi_tenant *t = tenant_of(b, tenant);
	struct kpi_row *row = t ? kpi_table_add(&b->by_id[agent], &b->pool, hash, t->name.tenant, id, size) : NULL;
	struct kpi_agent *a = (struct kpi_agent *)row;
	struct kpi_call *c = (struct kpi_call *)row;

	if (!row) {
		b->failed = true;
		return NULL;
	}
	row->tenant = t;
	if (agent) {
		a->next = t->agents;
		t->agents = a;
		return row;
	}
	c->answered_ms = -1;
	c->next = t->calls;
	t->calls = c;
	return row;
}

static struct kpi_agent *agent_of(struct kpi_batch *b, const struct kpi_tenant *tenant, struct kpi_text id)
{
	uint64_t hash = kpi_table_hash(&b->by_id[true], tenant->name.tenant, id);
	void *a = kpi_table_find(&b->by_id[true], hash, tenant->name.tenant, id);

	return a ? a : (struct kpi_agent *)row_add(b, true, hash, tenant->name.tenant, id);
}

/* The interval of an owner (queue, agent, tenant) in which time_ms lies, made if it is not there; NULL: out of memory. */
#define INTERVAL_OF(b, owner, owner_name, time_ms, out)                                                                \
	do {                                                                                                           \
		int64_t start_ = kpi_interval(time_ms);                                                                \
		bool added_ = false;                                                                                   \
		(out) = (owner)->recent;                                                                               \
		if (!(out) || (out)->span.start_ms != start_)                                                          \
			(out) =                                                                                        \
			    kpi_table_span(&(b)->by_span, &(b)->pool, &(owner_name), start_, sizeof(*(out)), &added_); \
		if (added_) {                                                                                          \
			(out)->next = (owner)->intervals;                                                              \
			(owner)->intervals = (out);                                                                    \
		}                                                                                                      \
		if (out)                                                                                               \
			(owner)->recent = (out);                                                                       \
		else                                                                                                   \
			(b)->failed = true;                                                                            \
	} while (0)

static struct kpi_queue_interval *queue_at(struct kpi_batch *b, struct kpi_call *c, const struct kpi_event *ev,
					   int64_t time_ms)
{
	struct kpi_queue *q = c->last_queue;
	struct kpi_queue_interval *i;

	if (!ev->queue_id.size)
		return NULL;
	if (!q || !kpi_text_eq(q->name.id, ev->queue_id))
		q = c->last_queue = queue_of(b, c->row.tenant, ev->queue_id);
	if (!q)
		return NULL;
	INTERVAL_OF(b, q, q->name, time_ms, i);
	return i;
}

static struct kpi_agent_interval *agent_at(struct kpi_batch *b, struct kpi_call *c, const struct kpi_event *ev,
					   int64_t time_ms)
{
	struct kpi_agent *a = c->last_agent;
	struct kpi_agent_interval *i;

	if (!ev->agent_id.size)
		return NULL;
	if (!a || !kpi_text_eq(a->row.name.id, ev->agent_id))
		a = c->last_agent = agent_of(b, c->row.tenant, ev->agent_id);
	if (!a)
		return NULL;
	INTERVAL_OF(b, a, a->row.name, time_ms, i);
	return i;
}

static inline struct kpi_text id_of(const struct kpi_event *ev)
{
	return *(ev->kind == KPI_AGENT_STATE ? &ev->agent_id : &ev->call_id);
}

static inline struct kpi_row *place_one(struct kpi_batch *b, struct kpi_event *ev, uint64_t hash)
{
	bool agent = ev->kind == KPI_AGENT_STATE;
	struct kpi_row *row = kpi_table_find(&b->by_id[agent], hash, ev->tenant, id_of(ev));

	if (!row)
		row = row_add(b, agent, hash, ev->tenant, id_of(ev));
	if (row)
		row->placed = true;
	return ev->row = row;
}

/* Some events ahead the hash is taken and what finding the row will read is fetched, first the slot, then what it names. */
bool kpi_place(struct kpi_batch *b, struct kpi_event *events, size_t n)
{
	uint64_t hashes[AHEAD];

	for (size_t i = 0; i < n + AHEAD; i++) {
		size_t half = i - AHEAD / 2, last = i - AHEAD; /* below 0: beyond n */

		if (last < n && !place_one(b, &events[last], hashes[last % AHEAD]))
			return false;
		if (half < n)
			kpi_table_item_soon(&b->by_id[events[half].kind == KPI_AGENT_STATE], hashes[half % AHEAD]);
		if (i < n) {
			const struct kpi_table *t = &b->by_id[events[i].kind == KPI_AGENT_STATE];

			hashes[i % AHEAD] = kpi_table_hash(t, events[i].tenant, id_of(&events[i]));
			kpi_table_soon(t, hashes[i % AHEAD]);
		}
	}
	return true;
}

struct kpi_row *kpi_row_find(const struct kpi_batch *b, bool agent, struct kpi_text tenant, struct kpi_text id)
{
	return kpi_table_find(&b->by_id[agent], kpi_table_hash(&b->by_id[agent], tenant, id), tenant, id);
}

static bool is(struct kpi_text a, const char *word)
{
	return kpi_text_eq(a, kpi_text(word));
}

static int64_t positive(int64_t ms)
{
	return ms > 0 ? ms : 0;
}

/* ---- what each event counts for ----------------------------------------------------------------------------------------- */

static void enqueued(struct kpi_batch *b, struct kpi_call *c, const struct kpi_event *ev)
{
	struct kpi_queue_interval *q = queue_at(b, c, ev, ev->arrival_ms ? ev->arrival_ms : ev->time_ms);

	if (q)
		q->offered++;
	c->enqueued = ev;
}

static void agent_answered(struct kpi_batch *b, struct kpi_call *c, const struct kpi_event *ev)
{
	int64_t waited = positive(ev->waited_ms);
	struct kpi_queue_interval *q =
	    queue_at(b, c, ev, ev->time_ms - waited); /* the interval of the arrival, as offered */
	struct kpi_agent_interval *a = agent_at(b, c, ev, ev->time_ms);

	if (q) {
		q->answered++;
		q->answered_in_target += waited <= ev->service_level_ms;
		q->wait_answered_ms += waited;
		if (waited > q->wait_max_ms)
			q->wait_max_ms = waited;
	}
	if (a)
		a->answered++;
	c->agent_answered = ev;
}

static void dequeued(struct kpi_batch *b, struct kpi_call *c, const struct kpi_event *ev)
{
	int64_t waited = positive(ev->waited_ms);
	struct kpi_queue_interval *q = queue_at(b, c, ev, ev->time_ms - waited);

	if (!q)
		return;
	if (waited > q->wait_max_ms)
		q->wait_max_ms = waited;
	if (!is(ev->cause, "abandoned")) {
		q->overflowed++;
		return;
	}
	q->abandoned++;
	q->abandoned_short += waited <= KPI_SHORT_MS;
	q->abandoned_20s += waited <= KPI_KP14_MS;
	q->wait_abandoned_ms += waited;
}

static void ended_totals(struct kpi_batch *b, struct kpi_tenant *tenant, const struct kpi_event *ev)
{
	struct kpi_tenant_interval *t;

	INTERVAL_OF(b, tenant, tenant->name, ev->offered_ms ? ev->offered_ms : ev->time_ms, t);
	if (!t)
		return;
	t->calls++;
	if (is(ev->disposition, "answered"))
		t->answered++;
	else if (is(ev->disposition, "abandoned"))
		t->abandoned++;
	else if (is(ev->disposition, "ivr"))
		t->ivr++;
	else if (is(ev->disposition, "refused"))
		t->refused++;
	else
		t->failed++;
}

static void ended(struct kpi_batch *b, struct kpi_call *c, const struct kpi_event *ev)
{
	ended_totals(b, c->row.tenant, ev);
	if (ev->agent_answered_ms) {
		struct kpi_queue_interval *q = queue_at(b, c, ev, ev->agent_answered_ms);
		struct kpi_agent_interval *a = agent_at(b, c, ev, ev->agent_answered_ms);

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
	c->ended = ev;
}

/* ---- agents' states ------------------------------------------------------------------------------------------------------ */

static int64_t *state_sum(struct kpi_agent_interval *a, enum kpi_state s)
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

/* The work after a call belongs to the call's queue. */
static void after_work(struct kpi_batch *b, const struct kpi_agent *agent, const struct kpi_event *ev, int64_t span_ms)
{
	struct kpi_queue *q = ev->queue_id.size ? queue_of(b, agent->row.tenant, ev->queue_id) : NULL;
	struct kpi_queue_interval *i;

	if (!q)
		return;
	INTERVAL_OF(b, q, q->name, ev->time_ms - span_ms, i);
	if (i)
		i->after_work_ms += span_ms;
}

/* The time in the state that was left, spread over the intervals it lay in. */
static void agent_state(struct kpi_batch *b, struct kpi_agent *agent, const struct kpi_event *ev)
{
	int64_t span = positive(ev->duration_ms), from;

	if (ev->state <= KPI_SIGNED_OUT || ev->state > KPI_WRAP_UP)
		return;
	if (span > KPI_STATE_SPAN_MS)
		span = KPI_STATE_SPAN_MS;
	from = ev->time_ms - span;
	while (from < ev->time_ms) {
		int64_t end = kpi_interval(from) + KPI_INTERVAL_MS;
		struct kpi_agent_interval *i;

		if (end > ev->time_ms)
			end = ev->time_ms;
		INTERVAL_OF(b, agent, agent->row.name, from, i);
		if (!i)
			return;
		*state_sum(i, ev->state) += end - from;
		from = end;
	}
	if (ev->state == KPI_WRAP_UP)
		after_work(b, agent, ev, span);
}

/* What a new event counts for. */
static inline void count(struct kpi_batch *b, struct kpi_row *row, const struct kpi_event *ev)
{
	struct kpi_call *c = (struct kpi_call *)row; /* but for KPI_AGENT_STATE */
	struct kpi_agent_interval *a;

	switch (ev->kind) {
	case KPI_OFFERED:
		c->offered = ev;
		break;
	case KPI_CALL_ANSWERED:
		c->answered_ms = ev->time_ms;
		break;
	case KPI_DIGITS:
		c->digits = ev;
		break;
	case KPI_ENQUEUED:
		enqueued(b, c, ev);
		break;
	case KPI_RESERVED:
		a = agent_at(b, c, ev, ev->time_ms);
		if (a)
			a->offered++;
		break;
	case KPI_NO_ANSWER:
		if (is(ev->cause, "failed"))
			break; /* media or the edge: nobody rang there */
		a = agent_at(b, c, ev, ev->time_ms);
		if (a)
			a->missed++;
		break;
	case KPI_AGENT_ANSWERED:
		agent_answered(b, c, ev);
		break;
	case KPI_DEQUEUED:
		dequeued(b, c, ev);
		break;
	case KPI_ENDED:
		ended(b, c, ev);
		break;
	case KPI_AGENT_STATE:
		agent_state(b, (struct kpi_agent *)row, ev);
		break;
	case KPI_OTHER:
		break;
	}
}

/* In order, as nearly all events come, or by the rule. */
static inline bool is_new(struct kpi_seen *s, uint64_t seq)
{
	if (s->bits || seq != s->upto + 1 || !seq)
		return kpi_seen_add(s, seq);
	s->upto = seq;
	return true;
}

static inline void apply_one(struct kpi_batch *b, struct kpi_row *row, const struct kpi_event *ev)
{
	if (!is_new(&row->seen, ev->seq)) {
		b->repeated++;
		return;
	}
	b->applied++;
	row->changed = true;
	count(b, row, ev);
}

void kpi_apply(struct kpi_batch *b, const struct kpi_event *events, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct kpi_row *row = events[i].row;

		if (i + AHEAD < n && events[i + AHEAD].row)
			__builtin_prefetch(events[i + AHEAD].row, 1);
		if (!row) {
			struct kpi_event copy = events[i];

			row = kpi_place(b, &copy, 1) ? copy.row : NULL;
		}
		if (row)
			apply_one(b, row, &events[i]);
	}
}
