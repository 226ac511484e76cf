#include "books.h"

#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "event_wire.h"
#include "kpi.h"

#define PLACE_EACH 64 /* events decoded before their rows are looked for: so many are still in the nearest cache */

struct books {
	struct kpi_batch *batch;
	struct kpi_event *events;
	size_t room;	 /* events */
	struct str rows; /* of one COPY */
};

err_t books_new(struct books **ret)
{
	struct books *b = mem_zalloc(sizeof(*b));

	if (!b || kpi_batch_new(&b->batch)) {
		mem_free(b);
		return ERR_EXHAUSTED;
	}
	*ret = b;
	return ERR_OK;
}

void books_free(struct books **pb)
{
	struct books *b = *pb;

	if (!b)
		return;
	*pb = NULL;
	kpi_batch_free(&b->batch);
	mem_free(b->events);
	str_done(&b->rows);
	mem_free(b);
}

enum target { QUEUES, AGENTS, TENANTS, CALLS, SEEN };

/* A temporary table per target, for COPY: emptied at the end of each transaction. */
static const char *const stages[] = {
	"CREATE TEMP TABLE IF NOT EXISTS stage_queue (LIKE rep.queue_interval) ON COMMIT DELETE ROWS",
	"CREATE TEMP TABLE IF NOT EXISTS stage_agent (LIKE rep.agent_interval) ON COMMIT DELETE ROWS",
	"CREATE TEMP TABLE IF NOT EXISTS stage_tenant (LIKE rep.tenant_interval) ON COMMIT DELETE ROWS",
	"CREATE TEMP TABLE IF NOT EXISTS stage_call (LIKE rep.call) ON COMMIT DELETE ROWS",
	"CREATE TEMP TABLE IF NOT EXISTS stage_seen (LIKE rep.agent_seen) ON COMMIT DELETE ROWS",
};

/* In the order of enum target. */
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

/* -1: nothing known */
static void put_known(struct str *rows, int64_t v)
{
	if (v < 0)
		str_append_n(rows, "\\N\t", 3);
	else
		db_copy_int(rows, v, false);
}

/* Empty: nothing known. */
static void put_text(struct str *rows, struct kpi_text text, bool last)
{
	if (text.size)
		db_copy_text(rows, text.at, text.size, last);
	else
		db_copy_field(rows, NULL, last);
}

static void put_name(struct str *rows, const struct kpi_name *name)
{
	put_text(rows, name->tenant, false);
	if (name->id.size)
		put_text(rows, name->id, false);
}

static void put_numbers(struct str *rows, const struct kpi_span *span, const int64_t *v, size_t n)
{
	put_name(rows, span->of);
	db_copy_int(rows, span->start_ms, false);
	for (size_t i = 0; i < n; i++)
		db_copy_int(rows, v[i], i + 1 == n);
}

static void rows_queues(struct str *rows, const struct kpi_tenant *t)
{
	for (const struct kpi_queue *q = t->queues; q; q = q->next)
		for (const struct kpi_queue_interval *i = q->intervals; i; i = i->next)
			put_numbers(rows, &i->span,
				    (const int64_t[]){ i->offered, i->answered, i->answered_in_target, i->abandoned,
						       i->abandoned_short, i->abandoned_20s, i->overflowed,
						       i->wait_answered_ms, i->wait_abandoned_ms, i->wait_max_ms,
						       i->handled, i->talk_ms, i->hold_ms, i->after_work_ms },
				    14);
}

static void rows_agents(struct str *rows, const struct kpi_tenant *t)
{
	for (const struct kpi_agent *a = t->agents; a; a = a->next)
		for (const struct kpi_agent_interval *i = a->intervals; i; i = i->next)
			put_numbers(rows, &i->span,
				    (const int64_t[]){ i->offered, i->answered, i->missed, i->handled, i->talk_ms,
						       i->hold_ms, i->ready_ms, i->busy_ms, i->ringing_ms,
						       i->on_call_ms, i->wrap_up_ms },
				    11);
}

static void rows_tenants(struct str *rows, const struct kpi_tenant *t)
{
	for (const struct kpi_tenant_interval *i = t->intervals; i; i = i->next)
		put_numbers(rows, &i->span,
			    (const int64_t[]){ i->calls, i->answered, i->abandoned, i->ivr, i->refused, i->failed }, 6);
}

static void put_seen(struct str *rows, const struct kpi_row *row, bool last)
{
	put_name(rows, &row->name);
	db_copy_int(rows, (int64_t)row->seen.upto, false);
	db_copy_int(rows, (int64_t)row->seen.bits, last);
}

static void put_call(struct str *rows, const struct kpi_call *c)
{
	static const struct kpi_event nothing = {
		.time_ms = -1, .ended_ms = -1, .wait_ms = -1, .talk_ms = -1, .hold_ms = -1
	};
	const struct kpi_event *offered = c->offered ? c->offered : &nothing;
	const struct kpi_event *answered = c->agent_answered ? c->agent_answered : &nothing;
	const struct kpi_event *ended = c->ended ? c->ended : &nothing;

	put_seen(rows, &c->row, false);
	put_known(rows, offered->time_ms);
	put_text(rows, offered->caller, false);
	put_text(rows, offered->called, false);
	put_text(rows, offered->trunk_id, false);
	put_text(rows, (c->enqueued ? c->enqueued : &nothing)->queue_id, false);
	put_text(rows, answered->agent_id, false);
	put_known(rows, c->answered_ms);
	put_known(rows, answered->time_ms);
	put_known(rows, ended->ended_ms ? ended->ended_ms : ended->time_ms);
	put_known(rows, ended->wait_ms);
	put_known(rows, ended->talk_ms);
	put_known(rows, ended->hold_ms);
	put_text(rows, ended->disposition, false);
	put_text(rows, ended->cause, false);
	put_text(rows, (c->digits ? c->digits : &nothing)->digits, false);
	put_text(rows, ended->recording_id, true);
}

static void rows_calls(struct str *rows, const struct kpi_tenant *t)
{
	for (const struct kpi_call *c = t->calls; c; c = c->next)
		if (c->row.changed)
			put_call(rows, c);
}

static void rows_seen(struct str *rows, const struct kpi_tenant *t)
{
	for (const struct kpi_agent *a = t->agents; a; a = a->next)
		if (a->row.changed)
			put_seen(rows, &a->row, true);
}

static const struct {
	const char *sql;
	void (*rows)(struct str *rows, const struct kpi_tenant *t);
} copies[] = {
	[QUEUES] = { "COPY stage_queue FROM STDIN", rows_queues },
	[AGENTS] = { "COPY stage_agent FROM STDIN", rows_agents },
	[TENANTS] = { "COPY stage_tenant FROM STDIN", rows_tenants },
	[CALLS] = { "COPY stage_call FROM STDIN", rows_calls },
	[SEEN] = { "COPY stage_seen FROM STDIN", rows_seen },
};

/* Which tables a tenant has rows for, as bits of enum target, is left in t->tables. */
static err_t copy_one(struct db_tx *tx, struct books *books, enum target to)
{
	struct str *rows = &books->rows;

	str_reset(rows);
	for (struct kpi_tenant *t = books->batch->tenants; t; t = t->next) {
		size_t before = rows->len;

		copies[to].rows(rows, t);
		if (rows->len > before)
			t->tables |= 1u << to;
	}
	if (rows->failed)
		return ERR_EXHAUSTED;
	return rows->len ? db_copy(tx, copies[to].sql, rows->data, rows->len) : ERR_OK;
}

/* ---- tenants ---------------------------------------------------------------------------------------------------------------- */

static err_t set_tenant(struct db_tx *tx, const struct kpi_tenant *t)
{
	char id[64];
	const char *params[] = { id };

	(void)snprintf(id, sizeof(id), "%.*s", (int)t->name.tenant.size, t->name.tenant.at);
	return db_queue(tx, "SELECT set_config('trunkline.tenant', $1, true)", 1, params);
}

static err_t upsert(struct db_tx *tx, const struct kpi_tenant *t)
{
	err_t e = set_tenant(tx, t);

	for (size_t i = 0; i < ARRAY_SIZE(upserts) && !e; i++)
		if (t->tables & 1u << i)
			e = db_queue(tx, upserts[i], 0, NULL);
	return e;
}

/* ---- what has been counted before ---------------------------------------------------------------------------------------------- */

/* Ids are validated ([a-z0-9-]): they stand in an array literal as they are. */
static void list_id(struct str *list, struct kpi_text id)
{
	if (list->len > 1)
		str_append_c(list, ',');
	str_append_n(list, id.at, id.size);
}

static void list_ids(const struct kpi_tenant *t, struct str *calls, struct str *agents)
{
	str_append_c(calls, '{');
	str_append_c(agents, '{');
	for (const struct kpi_call *c = t->calls; c; c = c->next)
		list_id(calls, c->row.name.id);
	for (const struct kpi_agent *a = t->agents; a; a = a->next)
		if (a->row.placed)
			list_id(agents, a->row.name.id);
	str_append_c(calls, '}');
	str_append_c(agents, '}');
}

static void take_seen(struct kpi_batch *b, struct kpi_text tenant, struct db_result *r)
{
	for (int i = 0; i < db_rows(r); i++) {
		struct kpi_seen seen = { (uint64_t)db_int(r, i, 1), (uint64_t)db_int(r, i, 2) };
		struct kpi_row *row = kpi_row_find(b, db_int(r, i, 3), tenant, kpi_text(db_text(r, i, 0)));

		if (row)
			row->seen = seen;
	}
}

static err_t load_seen(struct db_tx *tx, struct kpi_batch *b, const struct kpi_tenant *t)
{
	struct str calls = STR_INIT, agents = STR_INIT;
	struct db_result *r = NULL;
	const char *params[2];
	err_t e = set_tenant(tx, t);

	list_ids(t, &calls, &agents);
	if (!e && (calls.failed || agents.failed))
		e = ERR_EXHAUSTED;
	params[0] = calls.data;
	params[1] = agents.data;
	if (!e)
		e = db_exec(tx, &r,
			    "SELECT call_id, seen_upto, seen_bits, 0 FROM rep.call WHERE tenant = rep.tenant() AND "
			    "call_id = ANY ($1::text[]) UNION ALL SELECT agent_id, seen_upto, seen_bits, 1 FROM "
			    "rep.agent_seen WHERE tenant = rep.tenant() AND agent_id = ANY ($2::text[])",
			    2, params);
	if (!e)
		take_seen(b, t->name.tenant, r);
	db_result_free(&r);
	str_done(&calls);
	str_done(&agents);
	return e;
}

/* ---- offsets --------------------------------------------------------------------------------------------------------------------- */

static bool last_of_its_partition(const struct books_job *job, size_t i)
{
	const struct stream_record *r = &job->records[i];

	for (size_t k = i + 1; k < job->n; k++)
		if (job->records[k].partition == r->partition && str_eq(job->records[k].topic, r->topic))
			return false;
	return true;
}

/* All in one statement. It is the last of the transaction and waits for those that were queued before it. */
static err_t write_offsets(struct db_tx *tx, const struct books_job *job)
{
	struct str topics = STR_INIT, partitions = STR_INIT, next = STR_INIT;
	const char *params[3];
	err_t e;

	for (size_t i = 0; i < job->n; i++) {
		const struct stream_record *r = &job->records[i];
		char before = topics.len ? ',' : '{';

		if (!last_of_its_partition(job, i))
			continue;
		str_printf(&topics, "%c%s", before, r->topic);
		str_printf(&partitions, "%c%d", before, r->partition);
		str_printf(&next, "%c%lld", before, (long long)r->offset + 1);
	}
	str_append_c(&topics, '}');
	str_append_c(&partitions, '}');
	str_append_c(&next, '}');
	params[0] = topics.data;
	params[1] = partitions.data;
	params[2] = next.data;
	if (topics.failed || partitions.failed || next.failed)
		e = ERR_EXHAUSTED;
	else
		e = db_exec(
		    tx, NULL,
		    "INSERT INTO rep.kafka_offset AS t SELECT * FROM unnest($1::text[], $2::integer[], $3::bigint[]) "
		    "ON CONFLICT (topic, partition) DO UPDATE SET next_offset = greatest(t.next_offset, "
		    "excluded.next_offset)",
		    3, params);
	str_done(&topics);
	str_done(&partitions);
	str_done(&next);
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

/* The events of the records, each with its row; ERR_EXHAUSTED only. */
static err_t decode(struct books_job *job, size_t *ret_n)
{
	struct books *books = job->books;
	size_t n = 0, placed = 0;

	if (job->n > books->room) {
		mem_free(books->events);
		books->room = 0;
		books->events = mem_array(job->n, sizeof(*books->events));
		if (!books->events)
			return ERR_EXHAUSTED;
		books->room = job->n;
	}
	for (size_t i = 0; i < job->n; i++) {
		if (event_from_pb(&books->events[n], job->records[i].value, job->records[i].size, &job->bad))
			job->malformed++;
		else
			n++;
		if (n < placed + PLACE_EACH && i + 1 < job->n)
			continue;
		if (!kpi_place(books->batch, books->events + placed, n - placed))
			return ERR_EXHAUSTED;
		placed = n;
	}
	*ret_n = n;
	return ERR_OK;
}

/* Counts what is new; the database's connection has been given the lock. */
static err_t count(struct db_tx *tx, struct books_job *job, size_t n)
{
	struct kpi_batch *b = job->books->batch;
	err_t e = ERR_OK;

	for (const struct kpi_tenant *t = b->tenants; t && !e; t = t->next)
		e = load_seen(tx, b, t);
	if (e)
		return e;
	kpi_apply(b, job->books->events, n);
	job->applied = b->applied;
	job->repeated = b->repeated;
	return b->failed ? ERR_EXHAUSTED : ERR_OK;
}

static err_t write_batch(struct db_tx *tx, struct books_job *job)
{
	size_t n = 0;
	err_t e = decode(job, &n);

	/* While a partition moves, its former reader may still be writing: what has been counted is read after its commit. And
	 * two who write the same intervals in another order would wait for each other. */
	if (!e)
		e = db_queue(tx, "SELECT pg_advisory_xact_lock(hashtext('rep.books'))", 0, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(stages) && !e; i++)
		e = db_queue(tx, stages[i], 0, NULL);
	if (!e)
		e = count(tx, job, n);
	for (enum target to = QUEUES; to <= SEEN && !e; to++)
		e = copy_one(tx, job->books, to);
	for (const struct kpi_tenant *t = job->books->batch->tenants; t && !e; t = t->next)
		e = upsert(tx, t);
	return e ? e : write_offsets(tx, job);
}

err_t books_write(struct db_tx *tx, void *arg)
{
	struct books_job *job = arg;
	err_t e;

	job->applied = job->repeated = job->malformed = 0;
	kpi_batch_reset(job->books->batch);
	e = write_batch(tx, job);
	if (e)
		(void)str_copy(job->why, sizeof(job->why), db_error(tx));
	return e;
}
