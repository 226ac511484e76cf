#include "report_wire.h"

#include <stdio.h>
#include <string.h>
#include "base/arena.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/str.h"
#include "books.h"
#include "trunkline/report/v1/report.pb-c.h"

typedef Trunkline__Report__V1__QueueInterval QueueRow;
typedef Trunkline__Report__V1__AgentInterval AgentRow;
typedef Trunkline__Report__V1__Kpis Kpis;
typedef Trunkline__Report__V1__CallRow CallRow;

#define DAY_MS	 86400000
#define RANGE_MS (400 * INT64_C(86400000))

const ProtobufCServiceDescriptor *const report_service = &trunkline__report__v1__report_service__descriptor;
const char *const report_methods[REPORT_KINDS] = {
	[REPORT_QUEUES] = "QueryQueueIntervals",
	[REPORT_AGENTS] = "QueryAgentIntervals",
	[REPORT_SUMMARY] = "GetSummary",
	[REPORT_CALLS] = "ListCalls",
};

/* ---- requests -------------------------------------------------------------------------------------------------------------- */

static err_t parent(struct report_query *q, const char *text, struct err_detail *d)
{
	const char *id = text;

	if (str_empty(text))
		return ERR_OK;
	if (strncmp(text, "tenants/", 8) == 0)
		id = text + 8;
	if (id == text || !str_is_id(id))
		return err_set(d, ERR_INVALID, "parent", "tenants/{tenant} is wanted, or nothing");
	(void)str_copy(q->tenant, sizeof(q->tenant), id);
	return ERR_OK;
}

static err_t range(struct report_query *q, int64_t from_ms, int64_t to_ms, int64_t now_ms, struct err_detail *d)
{
	q->to_ms = to_ms ? to_ms : now_ms + 1;
	q->from_ms = from_ms ? from_ms : q->to_ms - 1 - (q->to_ms - 1) % DAY_MS;
	if (q->from_ms < 0 || q->to_ms <= q->from_ms)
		return err_set(d, ERR_INVALID, "from_ms", "must be before to_ms");
	if (q->to_ms - q->from_ms > RANGE_MS)
		return err_set(d, ERR_INVALID, "from_ms", "at most 400 days before to_ms");
	return ERR_OK;
}

static err_t step(struct report_query *q, uint32_t minutes, struct err_detail *d)
{
	if (!minutes)
		minutes = 15;
	if (minutes != 15 && minutes != 30 && minutes != 60 && minutes != 1440)
		return err_set(d, ERR_INVALID, "step_minutes", "15, 30, 60 or 1440 is wanted, not %u", minutes);
	q->step_ms = minutes * INT64_C(60000);
	q->from_ms -= q->from_ms % q->step_ms;
	return ERR_OK;
}

static err_t id(char *to, const char *field, const char *text, struct err_detail *d)
{
	if (!str_empty(text) && !str_is_id(text))
		return err_set(d, ERR_INVALID, field, "an id is wanted ([a-z0-9][a-z0-9-]{0,62}), or nothing");
	(void)str_copy(to, REPORT_TEXT, text);
	return ERR_OK;
}

static err_t pattern(char *to, bool *prefix, const char *field, const char *text, struct err_detail *d)
{
	size_t n = strlen(text);

	if (n >= REPORT_TEXT)
		return err_set(d, ERR_INVALID, field, "at most %d bytes are wanted", REPORT_TEXT - 1);
	(void)str_copy(to, REPORT_TEXT, text);
	*prefix = n && text[n - 1] == '*';
	if (*prefix)
		to[n - 1] = '\0';
	return ERR_OK;
}

static err_t page(struct report_query *q, int32_t size, const char *token, struct err_detail *d)
{
	const char *dot = strchr(token, '.');
	char ms[24];

	q->page_size = size ? size : REPORT_PAGE;
	q->after_ms = -1;
	if (size < 0 || size > REPORT_PAGE_MAX)
		return err_set(d, ERR_INVALID, "page_size", "0 to %d is wanted", REPORT_PAGE_MAX);
	if (!*token)
		return ERR_OK;
	if (!dot || dot - token >= (ptrdiff_t)sizeof(ms) || !id_valid(dot + 1))
		return err_set(d, ERR_INVALID, "page_token", "the next_page_token of the page before is wanted");
	(void)snprintf(ms, sizeof(ms), "%.*s", (int)(dot - token), token);
	if (str_to_i64(ms, 0, INT64_MAX, &q->after_ms))
		return err_set(d, ERR_INVALID, "page_token", "the next_page_token of the page before is wanted");
	(void)str_copy(q->after_call, sizeof(q->after_call), dot + 1);
	return ERR_OK;
}

static err_t calls_from_pb(struct report_query *q, const Trunkline__Report__V1__ListCallsRequest *m, int64_t now_ms,
			   struct err_detail *d)
{
	err_t e;

	if ((e = parent(q, m->parent, d)) || (e = range(q, m->from_ms, m->to_ms, now_ms, d)) ||
	    (e = page(q, m->page_size, m->page_token, d)) || (e = id(q->agent_id, "agent_id", m->agent_id, d)) ||
	    (e = id(q->queue_id, "queue_id", m->queue_id, d)) ||
	    (e = id(q->disposition, "disposition", m->disposition, d)) ||
	    (e = pattern(q->caller, &q->caller_prefix, "caller", m->caller, d)))
		return e;
	return pattern(q->called, &q->called_prefix, "called", m->called, d);
}

static err_t queues_from_pb(struct report_query *q, const Trunkline__Report__V1__QueryQueueIntervalsRequest *m,
			    int64_t now_ms, struct err_detail *d)
{
	err_t e;

	if ((e = parent(q, m->parent, d)) || (e = range(q, m->from_ms, m->to_ms, now_ms, d)) ||
	    (e = step(q, m->step_minutes, d)))
		return e;
	return id(q->queue_id, "queue_id", m->queue_id, d);
}

static err_t agents_from_pb(struct report_query *q, const Trunkline__Report__V1__QueryAgentIntervalsRequest *m,
			    int64_t now_ms, struct err_detail *d)
{
	err_t e;

	if ((e = parent(q, m->parent, d)) || (e = range(q, m->from_ms, m->to_ms, now_ms, d)) ||
	    (e = step(q, m->step_minutes, d)))
		return e;
	return id(q->agent_id, "agent_id", m->agent_id, d);
}

static err_t summary_from_pb(struct report_query *q, const Trunkline__Report__V1__GetSummaryRequest *m, int64_t now_ms,
			     struct err_detail *d)
{
	err_t e = parent(q, m->parent, d);

	if (!e)
		e = range(q, m->from_ms, m->to_ms, now_ms, d);
	q->from_ms -= q->from_ms % (15 * 60000);
	return e;
}

err_t report_from_pb(struct report_query *ret, enum report_kind kind, const ProtobufCMessage *req, int64_t now_ms,
		     struct err_detail *d)
{
	memset(ret, 0, sizeof(*ret));
	ret->kind = kind;
	ret->after_ms = -1;
	switch (kind) {
	case REPORT_QUEUES:
		return queues_from_pb(ret, (const void *)req, now_ms, d);
	case REPORT_AGENTS:
		return agents_from_pb(ret, (const void *)req, now_ms, d);
	case REPORT_SUMMARY:
		return summary_from_pb(ret, (const void *)req, now_ms, d);
	default:
		return calls_from_pb(ret, (const void *)req, now_ms, d);
	}
}

/* ---- answers ----------------------------------------------------------------------------------------------------------------- */

static double share(int64_t part, int64_t whole)
{
	return whole > 0 ? (double)part / (double)whole : -1;
}

static int64_t mean(int64_t sum, int64_t n)
{
	return n > 0 ? (sum + n / 2) / n : -1;
}

/* docs/kpis.md */
static void queue_kpis(const QueueRow *m, Kpis *k)
{
	k->service_level = share(m->answered_in_target, m->offered);
	k->answered_share = share(m->answered, m->offered);
	k->abandonment_rate = share(m->abandoned - m->abandoned_20s, m->offered);
	k->loss_rate = share(m->abandoned - m->abandoned_short, m->offered);
	k->speed_of_answer_ms = mean(m->wait_answered_ms, m->answered);
	k->queue_time_ms = mean(m->wait_answered_ms + m->wait_abandoned_ms, m->answered + m->abandoned);
	k->time_to_abandon_ms = mean(m->wait_abandoned_ms, m->abandoned);
	k->talk_time_ms = mean(m->talk_ms, m->handled);
	k->hold_time_ms = mean(m->hold_ms, m->handled);
	k->handle_time_ms = mean(m->talk_ms + m->after_work_ms, m->handled);
	k->occupancy = -1;
}

static void agent_kpis(const AgentRow *m, Kpis *k)
{
	k->service_level = k->abandonment_rate = k->loss_rate = -1;
	k->answered_share = share(m->answered, m->offered);
	k->speed_of_answer_ms = k->queue_time_ms = k->time_to_abandon_ms = -1;
	k->talk_time_ms = mean(m->talk_ms, m->handled);
	k->hold_time_ms = mean(m->hold_ms, m->handled);
	k->handle_time_ms = mean(m->talk_ms + m->wrap_up_ms, m->handled);
	k->occupancy = share(m->on_call_ms, m->on_call_ms + m->ready_ms);
}

static void queue_to_pb(QueueRow *m, Kpis *k, const struct db_result *r, int row)
{
	int64_t *const to[] = { &m->start_ms,	      &m->offered,	     &m->answered,	&m->answered_in_target,
				&m->abandoned,	      &m->abandoned_short,   &m->abandoned_20s, &m->overflowed,
				&m->wait_answered_ms, &m->wait_abandoned_ms, &m->wait_max_ms,	&m->handled,
				&m->talk_ms,	      &m->hold_ms,	     &m->after_work_ms };

	trunkline__report__v1__queue_interval__init(m);
	trunkline__report__v1__kpis__init(k);
	m->queue_id = (char *)(uintptr_t)db_text(r, row, 0);
	for (int i = 0; i < (int)ARRAY_SIZE(to); i++)
		*to[i] = db_int(r, row, i + 1);
	queue_kpis(m, k);
	m->kpis = k;
}

static void agent_to_pb(AgentRow *m, Kpis *k, const struct db_result *r, int row)
{
	int64_t *const to[] = {
		&m->start_ms, &m->offered,  &m->answered, &m->missed,	  &m->handled,	  &m->talk_ms,
		&m->hold_ms,  &m->ready_ms, &m->busy_ms,  &m->ringing_ms, &m->on_call_ms, &m->wrap_up_ms
	};

	trunkline__report__v1__agent_interval__init(m);
	trunkline__report__v1__kpis__init(k);
	m->agent_id = (char *)(uintptr_t)db_text(r, row, 0);
	for (int i = 0; i < (int)ARRAY_SIZE(to); i++)
		*to[i] = db_int(r, row, i + 1);
	agent_kpis(m, k);
	m->kpis = k;
}

struct queue_rows {
	QueueRow *rows, **list;
	Kpis *kpis;
	size_t n;
};
struct agent_rows {
	AgentRow *rows, **list;
	Kpis *kpis;
	size_t n;
};

static bool queue_rows(struct queue_rows *q, const struct db_result *r)
{
	size_t n = r ? (size_t)db_rows(r) : 0;

	q->rows = mem_array(n, sizeof(*q->rows));
	q->list = mem_array(n, sizeof(QueueRow *));
	q->kpis = mem_array(n, sizeof(*q->kpis));
	if (!q->rows || !q->list || !q->kpis)
		return false;
	for (q->n = 0; q->n < n; q->n++) {
		queue_to_pb(&q->rows[q->n], &q->kpis[q->n], r, (int)q->n);
		q->list[q->n] = &q->rows[q->n];
	}
	return true;
}

static bool agent_rows(struct agent_rows *a, const struct db_result *r)
{
	size_t n = r ? (size_t)db_rows(r) : 0;

	a->rows = mem_array(n, sizeof(*a->rows));
	a->list = mem_array(n, sizeof(AgentRow *));
	a->kpis = mem_array(n, sizeof(*a->kpis));
	if (!a->rows || !a->list || !a->kpis)
		return false;
	for (a->n = 0; a->n < n; a->n++) {
		agent_to_pb(&a->rows[a->n], &a->kpis[a->n], r, (int)a->n);
		a->list[a->n] = &a->rows[a->n];
	}
	return true;
}

static void queue_rows_done(struct queue_rows *q)
{
	mem_free(q->rows);
	mem_free(q->list);
	mem_free(q->kpis);
}

static void agent_rows_done(struct agent_rows *a)
{
	mem_free(a->rows);
	mem_free(a->list);
	mem_free(a->kpis);
}

static void out_of_memory(struct rpc_call *call)
{
	rpc_fail(call, ERR_EXHAUSTED, NULL);
}

static void reply_queues(struct rpc_call *call, const struct report_result *r)
{
	Trunkline__Report__V1__QueryQueueIntervalsResponse m =
	    TRUNKLINE__REPORT__V1__QUERY_QUEUE_INTERVALS_RESPONSE__INIT;
	struct queue_rows q = { 0 };

	if (queue_rows(&q, r->queues)) {
		m.n_intervals = q.n;
		m.intervals = q.list;
		rpc_reply(call, &m.base);
	} else {
		out_of_memory(call);
	}
	queue_rows_done(&q);
}

static void reply_agents(struct rpc_call *call, const struct report_result *r)
{
	Trunkline__Report__V1__QueryAgentIntervalsResponse m =
	    TRUNKLINE__REPORT__V1__QUERY_AGENT_INTERVALS_RESPONSE__INIT;
	struct agent_rows a = { 0 };

	if (agent_rows(&a, r->agents)) {
		m.n_intervals = a.n;
		m.intervals = a.list;
		rpc_reply(call, &m.base);
	} else {
		out_of_memory(call);
	}
	agent_rows_done(&a);
}

static void reply_summary(struct rpc_call *call, const struct report_result *r)
{
	Trunkline__Report__V1__GetSummaryResponse m = TRUNKLINE__REPORT__V1__GET_SUMMARY_RESPONSE__INIT;
	Trunkline__Report__V1__TenantTotals t = TRUNKLINE__REPORT__V1__TENANT_TOTALS__INIT;
	int64_t *const to[] = { &t.calls, &t.answered, &t.abandoned, &t.ivr, &t.refused, &t.failed };
	struct queue_rows q = { 0 };
	struct agent_rows a = { 0 };

	for (int i = 0; i < (int)ARRAY_SIZE(to) && db_rows(r->totals); i++)
		*to[i] = db_int(r->totals, 0, i);
	m.totals = &t;
	m.lag_records = r->lag_records;
	if (queue_rows(&q, r->queues) && agent_rows(&a, r->agents)) {
		m.n_queues = q.n;
		m.queues = q.list;
		m.n_agents = a.n;
		m.agents = a.list;
		rpc_reply(call, &m.base);
	} else {
		out_of_memory(call);
	}
	queue_rows_done(&q);
	agent_rows_done(&a);
}

/* The text in place of what is stored; in the arena. */
static bool show(struct arena *a, const struct report_result *r, enum books_column column, const char *call_id,
		 char **text)
{
	struct str shown = STR_INIT;
	err_t e = vault_show(r->vault, column, call_id, *text, r->clear, &shown);

	*text = e ? NULL : arena_strdup(a, str_text(&shown));
	if (shown.data)
		explicit_bzero(shown.data, shown.cap);
	str_done(&shown);
	return *text;
}

static bool call_to_pb(CallRow *m, struct arena *a, const struct report_result *result, int row)
{
	const struct db_result *r = result->calls;
	char **const text[] = { &m->call_id,  &m->caller,      &m->called, &m->trunk_id, &m->queue_id,
				&m->agent_id, &m->disposition, &m->cause,  &m->digits,	 &m->recording_id };
	int64_t *const number[] = { &m->offered_ms, &m->answered_ms, &m->agent_answered_ms, &m->ended_ms, &m->wait_ms,
				    &m->talk_ms,    &m->hold_ms };

	trunkline__report__v1__call_row__init(m);
	for (int i = 0; i < (int)ARRAY_SIZE(text); i++)
		*text[i] = (char *)(uintptr_t)db_text(r, row, i);
	for (int i = 0; i < (int)ARRAY_SIZE(number); i++)
		*number[i] = db_null(r, row, i + (int)ARRAY_SIZE(text)) ? 0 : db_int(r, row, i + (int)ARRAY_SIZE(text));
	return show(a, result, BOOKS_CALLER, m->call_id, &m->caller) &&
	       show(a, result, BOOKS_DIGITS, m->call_id, &m->digits);
}

static void reply_calls(struct rpc_call *call, const struct report_query *q, const struct report_result *r)
{
	Trunkline__Report__V1__ListCallsResponse m = TRUNKLINE__REPORT__V1__LIST_CALLS_RESPONSE__INIT;
	int n = db_rows(r->calls), shown = n > q->page_size ? q->page_size : n;
	CallRow *rows = mem_array((size_t)shown, sizeof(*rows)), **list = mem_array((size_t)shown, sizeof(CallRow *));
	char token[80] = "";
	bool ok = rows && list;
	struct arena a;

	arena_init(&a, 0);
	for (int i = 0; ok && i < shown; i++) {
		ok = call_to_pb(&rows[i], &a, r, i);
		list[i] = &rows[i];
	}
	if (!ok) {
		out_of_memory(call);
	} else {
		if (n > shown)
			(void)snprintf(token, sizeof(token), "%lld.%s", (long long)rows[shown - 1].offered_ms,
				       rows[shown - 1].call_id);
		m.n_calls = (size_t)shown;
		m.calls = list;
		m.next_page_token = token;
		rpc_reply(call, &m.base);
	}
	arena_done(&a);
	mem_free(rows);
	mem_free(list);
}

void report_reply(struct rpc_call *call, const struct report_query *q, const struct report_result *r)
{
	switch (q->kind) {
	case REPORT_QUEUES:
		reply_queues(call, r);
		break;
	case REPORT_AGENTS:
		reply_agents(call, r);
		break;
	case REPORT_SUMMARY:
		reply_summary(call, r);
		break;
	default:
		reply_calls(call, q, r);
		break;
	}
}
