#include "books.h"

#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "event_wire.h"
#include "kpi.h"

#define PLACE_EACH 64 /* events decoded before their rows are looked for: so many are still in the nearest cache */

const struct vault_column books_columns[BOOKS_COLUMNS] = {
	[BOOKS_CALLER] = { { "rep.call.caller", true }, TENANT_CALLER_NUMBER },
	[BOOKS_DIGITS] = { { "rep.call.digits", false }, TENANT_IVR_INPUT },
};

/* A lot waits for the batch that is being written, and the next one for the lot: rows are never locked in two orders. */
const struct reseal_table books_reseal = {
	.service = "reporting",
	.lock = "SELECT pg_advisory_xact_lock(hashtext('rep.books'))",
	.count = "SELECT count(*) FROM (SELECT FROM rep.call WHERE tenant = rep.tenant() LIMIT 1000000) c",
	.select =
	    "SELECT call_id, coalesce(caller, ''), coalesce(digits, '') FROM rep.call WHERE tenant = rep.tenant() AND "
	    "call_id > $1 ORDER BY call_id LIMIT $2::int FOR UPDATE",
	.update =
	    "UPDATE rep.call c SET caller = coalesce(n.caller, c.caller), digits = coalesce(n.digits, c.digits) FROM "
	    "unnest($1::text[], $2::text[], $3::text[]) AS n (id, caller, digits) WHERE c.tenant = rep.tenant() AND "
	    "c.call_id = n.id",
	.n_columns = BOOKS_COLUMNS,
};

struct books {
	struct kpi_batch *batch;
	struct kpi_event *events;
	size_t room;	 /* events */
	struct str rows; /* of one COPY */
	const struct vault_view *view;
	const struct vault_tenant *vault; /* of the tenant whose rows are being written */
	struct str kept;
	err_t failed;
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
	str_done(&b->kept);
	mem_free(b);
}

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

static void rows_queues(struct books *b, const struct kpi_tenant *t)
{
	for (const struct kpi_queue *q = t->queues; q; q = q->next)
		for (const struct kpi_queue_interval *i = q->intervals; i; i = i->next)
			put_numbers(&b->rows, &i->span,
				    (const int64_t[]){ i->offered, i->answered, i->answered_in_target, i->abandoned,
						       i->abandoned_short, i->abandoned_20s, i->overflowed,
						       i->wait_answered_ms, i->wait_abandoned_ms, i->wait_max_ms,
						       i->handled, i->talk_ms, i->hold_ms, i->after_work_ms },
				    14);
}

static void rows_agents(struct books *b, const struct kpi_tenant *t)
{
	for (const struct kpi_agent *a = t->agents; a; a = a->next)
		for (const struct kpi_agent_interval *i = a->intervals; i; i = i->next)
			put_numbers(&b->rows, &i->span,
				    (const int64_t[]){ i->offered, i->answered, i->missed, i->handled, i->talk_ms,
						       i->hold_ms, i->ready_ms, i->busy_ms, i->ringing_ms,
						       i->on_call_ms, i->wrap_up_ms },
				    11);
}

static void rows_tenants(struct books *b, const struct kpi_tenant *t)
{
	for (const struct kpi_tenant_interval *i = t->intervals; i; i = i->next)
		put_numbers(&b->rows, &i->span,
			    (const int64_t[]){ i->calls, i->answered, i->abandoned, i->ivr, i->refused, i->failed }, 6);
}

static void put_seen(struct str *rows, const struct kpi_row *row, bool last)
{
	put_name(rows, &row->name);
	db_copy_int(rows, (int64_t)row->seen.upto, false);
	db_copy_int(rows, (int64_t)row->seen.bits, last);
}

/* As the vault keeps it. */
static void put_kept(struct books *b, enum books_column column, const struct kpi_call *c, struct kpi_text text)
{
	char id[128];
	err_t e;

	if (!text.size || (!vault_sensitive(b->vault, column) && !sealed_is(text.at, text.size))) {
		put_text(&b->rows, text, false);
		return;
	}
	str_reset(&b->kept);
	(void)snprintf(id, sizeof(id), "%.*s", (int)c->row.name.id.size, c->row.name.id.at);
	e = vault_keep(b->vault, column, id, text.at, text.size, &b->kept);
	if (e)
		b->failed = e;
	put_text(&b->rows, (struct kpi_text){ b->kept.data, b->kept.len }, false);
}

static void put_call(struct books *b, const struct kpi_call *c)
{
	static const struct kpi_event nothing = {
		.time_ms = -1, .ended_ms = -1, .wait_ms = -1, .talk_ms = -1, .hold_ms = -1
	};
	const struct kpi_event *offered = c->offered ? c->offered : &nothing;
	const struct kpi_event *answered = c->agent_answered ? c->agent_answered : &nothing;
	const struct kpi_event *ended = c->ended ? c->ended : &nothing;
	struct str *rows = &b->rows;

	put_seen(rows, &c->row, false);
	put_known(rows, offered->time_ms);
	put_kept(b, BOOKS_CALLER, c, offered->caller);
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
	put_kept(b, BOOKS_DIGITS, c, (c->digits ? c->digits : &nothing)->digits);
	put_text(rows, ended->recording_id, true);
}

static void rows_calls(struct books *b, const struct kpi_tenant *t)
{
	b->vault = vault_find(b->view, t->name.tenant.at, t->name.tenant.size);
	for (const struct kpi_call *c = t->calls; c; c = c->next)
		if (c->row.changed)
			put_call(b, c);
}

static void rows_seen(struct books *b, const struct kpi_tenant *t)
{
	for (const struct kpi_agent *a = t->agents; a; a = a->next)
		if (a->row.changed)
			put_seen(&b->rows, &a->row, true);
}

static const struct {
	const char *sql;
	void (*rows)(struct books *b, const struct kpi_tenant *t);
} copies[] = {
	/* the temporary tables of rep.stage() */
	{ "COPY stage_queue FROM STDIN", rows_queues },	  { "COPY stage_agent FROM STDIN", rows_agents },
	{ "COPY stage_tenant FROM STDIN", rows_tenants }, { "COPY stage_call FROM STDIN", rows_calls },
	{ "COPY stage_seen FROM STDIN", rows_seen },
};

static err_t copy_one(struct db_tx *tx, struct books *books, size_t which)
{
	struct str *rows = &books->rows;

	str_reset(rows);
	for (const struct kpi_tenant *t = books->batch->tenants; t; t = t->next)
		copies[which].rows(books, t);
	if (rows->failed || books->failed)
		return books->failed ? books->failed : ERR_EXHAUSTED;
	return rows->len ? db_copy(tx, copies[which].sql, rows->data, rows->len) : ERR_OK;
}

static err_t set_tenant(struct db_tx *tx, const struct kpi_tenant *t)
{
	char id[64];
	const char *params[] = { id };

	(void)snprintf(id, sizeof(id), "%.*s", (int)t->name.tenant.size, t->name.tenant.at);
	return db_queue(tx, "SELECT set_config('trunkline.tenant', $1, true)", 1, params);
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
		e = db_exec(tx, &r, "SELECT id, upto, bits, is_agent FROM rep.seen($1::text[], $2::text[])", 2, params);
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
	if (!e)
		e = db_queue(tx, "SELECT rep.stage()", 0, NULL);
	if (!e)
		e = count(tx, job, n);
	for (size_t i = 0; i < ARRAY_SIZE(copies) && !e; i++)
		e = copy_one(tx, job->books, i);
	if (!e)
		e = db_queue(tx, "SELECT rep.add_staged()", 0, NULL);
	return e ? e : write_offsets(tx, job);
}

err_t books_write(struct db_tx *tx, void *arg)
{
	struct books_job *job = arg;
	err_t e;

	job->applied = job->repeated = job->malformed = 0;
	job->books->view = job->view;
	job->books->failed = ERR_OK;
	kpi_batch_reset(job->books->batch);
	e = write_batch(tx, job);
	if (e)
		(void)str_copy(job->why, sizeof(job->why), db_error(tx));
	return e;
}
