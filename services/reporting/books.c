#include "books.h"

#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "event_wire.h"
#include "kpi.h"

/* A temporary table per target, for COPY: emptied at the end of each transaction. */
static const char *const stages[] = {
	"CREATE TEMP TABLE IF NOT EXISTS stage_queue (LIKE rep.queue_interval) ON COMMIT DELETE ROWS",
	"CREATE TEMP TABLE IF NOT EXISTS stage_agent (LIKE rep.agent_interval) ON COMMIT DELETE ROWS",
	"CREATE TEMP TABLE IF NOT EXISTS stage_tenant (LIKE rep.tenant_interval) ON COMMIT DELETE ROWS",
	"CREATE TEMP TABLE IF NOT EXISTS stage_call (LIKE rep.call) ON COMMIT DELETE ROWS",
	"CREATE TEMP TABLE IF NOT EXISTS stage_seen (LIKE rep.agent_seen) ON COMMIT DELETE ROWS",
};

static const char *const upserts[] = {
	"INSERT INTO rep.queue_interval AS t SELECT * FROM stage_queue WHERE tenant = rep.tenant() "
	"ON CONFLICT (tenant, queue_id, start_ms) DO UPDATE SET offered = t.offered + excluded.offered, "
	"answered = t.answered + excluded.answered, answered_in_target = t.answered_in_target + "
	"excluded.answered_in_target, "
	"abandoned = t.abandoned + excluded.abandoned, abandoned_short = t.abandoned_short + excluded.abandoned_short, "
	"abandoned_20s = t.abandoned_20s + excluded.abandoned_20s, overflowed = t.overflowed + excluded.overflowed, "
	"wait_answered_ms = t.wait_answered_ms + excluded.wait_answered_ms, "
	"wait_abandoned_ms = t.wait_abandoned_ms + excluded.wait_abandoned_ms, "
	"wait_max_ms = greatest(t.wait_max_ms, excluded.wait_max_ms), handled = t.handled + excluded.handled, "
	"talk_ms = t.talk_ms + excluded.talk_ms, hold_ms = t.hold_ms + excluded.hold_ms, "
	"after_work_ms = t.after_work_ms + excluded.after_work_ms",
	"INSERT INTO rep.agent_interval AS t SELECT * FROM stage_agent WHERE tenant = rep.tenant() "
	"ON CONFLICT (tenant, agent_id, start_ms) DO UPDATE SET offered = t.offered + excluded.offered, "
	"answered = t.answered + excluded.answered, missed = t.missed + excluded.missed, handled = t.handled + "
	"excluded.handled, "
	"talk_ms = t.talk_ms + excluded.talk_ms, hold_ms = t.hold_ms + excluded.hold_ms, ready_ms = t.ready_ms + "
	"excluded.ready_ms, "
	"busy_ms = t.busy_ms + excluded.busy_ms, ringing_ms = t.ringing_ms + excluded.ringing_ms, "
	"on_call_ms = t.on_call_ms + excluded.on_call_ms, wrap_up_ms = t.wrap_up_ms + excluded.wrap_up_ms",
	"INSERT INTO rep.tenant_interval AS t SELECT * FROM stage_tenant WHERE tenant = rep.tenant() "
	"ON CONFLICT (tenant, start_ms) DO UPDATE SET calls = t.calls + excluded.calls, answered = t.answered + "
	"excluded.answered, "
	"abandoned = t.abandoned + excluded.abandoned, ivr = t.ivr + excluded.ivr, refused = t.refused + "
	"excluded.refused, "
	"failed = t.failed + excluded.failed",
	"INSERT INTO rep.call AS t SELECT * FROM stage_call WHERE tenant = rep.tenant() "
	"ON CONFLICT (tenant, call_id) DO UPDATE SET seen_upto = excluded.seen_upto, seen_bits = excluded.seen_bits, "
	"offered_ms = coalesce(excluded.offered_ms, t.offered_ms), caller = coalesce(excluded.caller, t.caller), "
	"called = coalesce(excluded.called, t.called), trunk_id = coalesce(excluded.trunk_id, t.trunk_id), "
	"queue_id = coalesce(excluded.queue_id, t.queue_id), agent_id = coalesce(excluded.agent_id, t.agent_id), "
	"answered_ms = coalesce(excluded.answered_ms, t.answered_ms), "
	"agent_answered_ms = coalesce(excluded.agent_answered_ms, t.agent_answered_ms), "
	"ended_ms = coalesce(excluded.ended_ms, t.ended_ms), wait_ms = coalesce(excluded.wait_ms, t.wait_ms), "
	"talk_ms = coalesce(excluded.talk_ms, t.talk_ms), hold_ms = coalesce(excluded.hold_ms, t.hold_ms), "
	"disposition = coalesce(excluded.disposition, t.disposition), cause = coalesce(excluded.cause, t.cause), "
	"digits = coalesce(excluded.digits, t.digits), recording_id = coalesce(excluded.recording_id, t.recording_id)",
	"INSERT INTO rep.agent_seen AS t SELECT * FROM stage_seen WHERE tenant = rep.tenant() "
	"ON CONFLICT (tenant, agent_id) DO UPDATE SET seen_upto = excluded.seen_upto, seen_bits = excluded.seen_bits",
};

/* ---- COPY rows ------------------------------------------------------------------------------------------------------------ */

static void put_int(struct str *rows, int64_t v, bool last)
{
	str_printf(rows, "%lld%c", (long long)v, last ? '\n' : '\t');
}

/* -1: nothing known */
static void put_known(struct str *rows, int64_t v)
{
	if (v < 0)
		str_append(rows, "\\N\t");
	else
		put_int(rows, v, false);
}

/* Empty or unknown: nothing known. */
static void put_text(struct str *rows, const char *text, bool last)
{
	db_copy_field(rows, str_empty(text) ? NULL : text, last);
}

static void put_key(struct str *rows, const struct kpi_key *k, bool with_start)
{
	db_copy_field(rows, k->tenant, false);
	if (k->id[0])
		db_copy_field(rows, k->id, false);
	if (with_start)
		put_int(rows, k->start_ms, false);
}

static void rows_queues(struct str *rows, const struct kpi_batch *b)
{
	for (const struct kpi_queue *q = b->queues; q; q = q->hh.next) {
		const int64_t v[] = { q->offered,     q->answered,	   q->answered_in_target,
				      q->abandoned,   q->abandoned_short,  q->abandoned_20s,
				      q->overflowed,  q->wait_answered_ms, q->wait_abandoned_ms,
				      q->wait_max_ms, q->handled,	   q->talk_ms,
				      q->hold_ms,     q->after_work_ms };

		put_key(rows, &q->key, true);
		for (size_t i = 0; i < ARRAY_SIZE(v); i++)
			put_int(rows, v[i], i + 1 == ARRAY_SIZE(v));
	}
}

static void rows_agents(struct str *rows, const struct kpi_batch *b)
{
	for (const struct kpi_agent *a = b->agents; a; a = a->hh.next) {
		const int64_t v[] = { a->offered,  a->answered, a->missed,     a->handled,    a->talk_ms,   a->hold_ms,
				      a->ready_ms, a->busy_ms,	a->ringing_ms, a->on_call_ms, a->wrap_up_ms };

		put_key(rows, &a->key, true);
		for (size_t i = 0; i < ARRAY_SIZE(v); i++)
			put_int(rows, v[i], i + 1 == ARRAY_SIZE(v));
	}
}

static void rows_tenants(struct str *rows, const struct kpi_batch *b)
{
	for (const struct kpi_tenant *t = b->tenants; t; t = t->hh.next) {
		const int64_t v[] = { t->calls, t->answered, t->abandoned, t->ivr, t->refused, t->failed };

		put_key(rows, &t->key, true);
		for (size_t i = 0; i < ARRAY_SIZE(v); i++)
			put_int(rows, v[i], i + 1 == ARRAY_SIZE(v));
	}
}

static void rows_calls(struct str *rows, const struct kpi_batch *b)
{
	for (const struct kpi_call *c = b->calls; c; c = c->hh.next) {
		if (!c->changed)
			continue;
		put_key(rows, &c->key, false);
		put_int(rows, (int64_t)c->seen.upto, false);
		put_int(rows, (int64_t)c->seen.bits, false);
		put_known(rows, c->offered_ms);
		put_text(rows, c->caller, false);
		put_text(rows, c->called, false);
		put_text(rows, c->trunk_id, false);
		put_text(rows, c->queue_id, false);
		put_text(rows, c->agent_id, false);
		put_known(rows, c->answered_ms);
		put_known(rows, c->agent_answered_ms);
		put_known(rows, c->ended_ms);
		put_known(rows, c->wait_ms);
		put_known(rows, c->talk_ms);
		put_known(rows, c->hold_ms);
		put_text(rows, c->disposition, false);
		put_text(rows, c->cause, false);
		put_text(rows, c->digits, false);
		put_text(rows, c->recording_id, true);
	}
}

static void rows_seen(struct str *rows, const struct kpi_batch *b)
{
	for (const struct kpi_agent_seen *a = b->agent_seen; a; a = a->hh.next) {
		if (!a->changed)
			continue;
		put_key(rows, &a->key, false);
		put_int(rows, (int64_t)a->seen.upto, false);
		put_int(rows, (int64_t)a->seen.bits, true);
	}
}

static err_t copy_all(struct db_tx *tx, const struct kpi_batch *b)
{
	static const struct {
		const char *sql;
		void (*rows)(struct str *rows, const struct kpi_batch *b);
	} list[] = {
		{ "COPY stage_queue FROM STDIN", rows_queues },	  { "COPY stage_agent FROM STDIN", rows_agents },
		{ "COPY stage_tenant FROM STDIN", rows_tenants }, { "COPY stage_call FROM STDIN", rows_calls },
		{ "COPY stage_seen FROM STDIN", rows_seen },
	};
	err_t e = ERR_OK;

	for (size_t i = 0; i < ARRAY_SIZE(list) && !e; i++) {
		struct str rows = STR_INIT;

		list[i].rows(&rows, b);
		if (rows.failed)
			e = ERR_EXHAUSTED;
		else if (rows.len)
			e = db_copy(tx, list[i].sql, rows.data, rows.len);
		str_done(&rows);
	}
	return e;
}

/* ---- tenants ---------------------------------------------------------------------------------------------------------------- */

struct name {
	char tenant[KPI_ID];
	UT_hash_handle hh;
};

/* The tenants of the batch, each once; the arena's. */
static struct name *tenants_of(struct kpi_batch *b)
{
	struct name *list = NULL, *found;
	const struct kpi_call *c;
	const struct kpi_agent_seen *a;

#define ADD(text)                                                                   \
	do {                                                                        \
		HASH_FIND_STR(list, text, found);                                   \
		if (!found && (found = arena_alloc(&b->arena, sizeof(*found)))) {   \
			(void)str_copy(found->tenant, sizeof(found->tenant), text); \
			HASH_ADD_STR(list, tenant, found);                          \
		} else if (!found) {                                                \
			b->failed = true;                                           \
		}                                                                   \
	} while (0)
	for (c = b->calls; c; c = c->hh.next)
		ADD(c->key.tenant);
	for (a = b->agent_seen; a; a = a->hh.next)
		ADD(a->key.tenant);
#undef ADD
	return list;
}

static err_t set_tenant(struct db_tx *tx, const char *tenant)
{
	return db_exec(tx, NULL, "SELECT set_config('trunkline.tenant', $1, true)", 1, &tenant);
}

/* ---- what has been counted before ---------------------------------------------------------------------------------------------- */

static err_t load_seen(struct db_tx *tx, struct kpi_batch *b, const char *tenant, bool agents, const char *ids)
{
	struct db_result *r = NULL;
	err_t e = db_exec(tx, &r,
			  agents ? "SELECT agent_id, seen_upto, seen_bits FROM rep.agent_seen WHERE tenant = "
				   "rep.tenant() AND agent_id = ANY ($1::text[])"
				 : "SELECT call_id, seen_upto, seen_bits FROM rep.call WHERE tenant = rep.tenant() AND "
				   "call_id = ANY ($1::text[])",
			  1, &ids);

	for (int i = 0; !e && i < db_rows(r); i++) {
		struct kpi_seen seen = { (uint64_t)db_int(r, i, 1), (uint64_t)db_int(r, i, 2) };
		struct kpi_agent_seen *a = agents ? kpi_batch_agent(b, tenant, db_text(r, i, 0)) : NULL;
		struct kpi_call *c = agents ? NULL : kpi_batch_call(b, tenant, db_text(r, i, 0));

		if (a)
			a->seen = seen;
		if (c)
			c->seen = seen;
	}
	db_result_free(&r);
	return e;
}

/* Ids are validated ([a-z0-9-]): they stand in an array literal as they are. */
static err_t load_tenant(struct db_tx *tx, struct kpi_batch *b, const char *tenant)
{
	struct str calls = STR_INIT, agents = STR_INIT;
	err_t e = set_tenant(tx, tenant);

	for (const struct kpi_call *c = b->calls; c; c = c->hh.next)
		if (str_eq(c->key.tenant, tenant))
			str_printf(&calls, "%c%s", calls.len ? ',' : '{', c->key.id);
	for (const struct kpi_agent_seen *a = b->agent_seen; a; a = a->hh.next)
		if (str_eq(a->key.tenant, tenant))
			str_printf(&agents, "%c%s", agents.len ? ',' : '{', a->key.id);
	str_append_c(&calls, '}');
	str_append_c(&agents, '}');
	if (!e && (calls.failed || agents.failed))
		e = ERR_EXHAUSTED;
	if (!e && calls.len > 1)
		e = load_seen(tx, b, tenant, false, calls.data);
	if (!e && agents.len > 1)
		e = load_seen(tx, b, tenant, true, agents.data);
	str_done(&calls);
	str_done(&agents);
	return e;
}

/* ---- offsets --------------------------------------------------------------------------------------------------------------------- */

static err_t write_offsets(struct db_tx *tx, const struct books_job *job)
{
	err_t e = ERR_OK;

	for (size_t i = 0; i < job->n && !e; i++) {
		const struct stream_record *r = &job->records[i];
		char partition[16], next[24];
		const char *params[] = { r->topic, partition, next };
		bool last = true;

		for (size_t k = i + 1; k < job->n && last; k++)
			last = job->records[k].partition != r->partition || !str_eq(job->records[k].topic, r->topic);
		if (!last)
			continue;
		snprintf(partition, sizeof(partition), "%d", r->partition);
		snprintf(next, sizeof(next), "%lld", (long long)r->offset + 1);
		e = db_exec(tx, NULL,
			    "INSERT INTO rep.kafka_offset AS t VALUES ($1, $2, $3) ON CONFLICT (topic, partition) "
			    "DO UPDATE SET next_offset = greatest(t.next_offset, excluded.next_offset)",
			    3, params);
	}
	return e;
}

err_t books_read_offset(struct db_tx *tx, void *arg)
{
	struct books_offset *o = arg;
	struct db_result *r = NULL;
	char partition[16];
	const char *params[] = { o->topic, partition };
	err_t e;

	snprintf(partition, sizeof(partition), "%d", o->partition);
	e = db_exec(tx, &r, "SELECT next_offset FROM rep.kafka_offset WHERE topic = $1 AND partition = $2", 2, params);
	if (!e)
		o->next = db_rows(r) ? db_int(r, 0, 0) : -1;
	db_result_free(&r);
	return e;
}

/* ---- the batch ------------------------------------------------------------------------------------------------------------------- */

static struct kpi_event *decode(struct books_job *job, struct kpi_batch *b, size_t *ret_n)
{
	struct kpi_event *events = arena_alloc(&b->arena, sizeof(*events) * (job->n ? job->n : 1));
	size_t n = 0;

	for (size_t i = 0; i < job->n && events; i++) {
		struct kpi_event *ev = &events[n];
		err_t e = event_from_pb(ev, job->records[i].value, job->records[i].size, &b->arena, &job->bad);

		if (e == ERR_EXHAUSTED)
			return NULL;
		if (e) {
			job->malformed++;
			continue;
		}
		if (ev->kind == KPI_AGENT_STATE ? !kpi_batch_agent(b, ev->tenant, ev->agent_id)
						: !kpi_batch_call(b, ev->tenant, ev->call_id))
			return NULL;
		n++;
	}
	*ret_n = n;
	return events;
}

static err_t write_batch(struct db_tx *tx, struct books_job *job, struct kpi_batch *b)
{
	struct kpi_event *events;
	struct name *tenants, *t;
	size_t n = 0;
	err_t e = ERR_OK;

	events = decode(job, b, &n);
	if (!events)
		return ERR_EXHAUSTED;
	/* While a partition moves, its former reader may still be writing: what has been counted is read after its commit. And
	 * two who write the same intervals in another order would wait for each other. */
	e = db_exec(tx, NULL, "SELECT pg_advisory_xact_lock(hashtext('rep.books'))", 0, NULL);
	tenants = tenants_of(b);
	for (t = tenants; t && !e; t = t->hh.next)
		e = load_tenant(tx, b, t->tenant);
	for (size_t i = 0; i < n; i++)
		kpi_apply(b, &events[i]);
	job->applied = b->applied;
	job->repeated = b->repeated;
	if (b->failed)
		e = ERR_EXHAUSTED;
	for (size_t i = 0; i < ARRAY_SIZE(stages) && !e; i++)
		e = db_exec(tx, NULL, stages[i], 0, NULL);
	if (!e)
		e = copy_all(tx, b);
	for (t = tenants; t && !e; t = t->hh.next) {
		e = set_tenant(tx, t->tenant);
		for (size_t i = 0; i < ARRAY_SIZE(upserts) && !e; i++)
			e = db_exec(tx, NULL, upserts[i], 0, NULL);
	}
	HASH_CLEAR(hh, tenants);
	return e;
}

err_t books_write(struct db_tx *tx, void *arg)
{
	struct books_job *job = arg;
	struct kpi_batch *b;
	err_t e = kpi_batch_new(&b);

	if (e)
		return e;
	job->applied = job->repeated = job->malformed = 0;
	e = write_batch(tx, job, b);
	if (!e)
		e = write_offsets(tx, job);
	if (e)
		(void)str_copy(job->why, sizeof(job->why), db_error(tx));
	kpi_batch_free(&b);
	return e;
}
