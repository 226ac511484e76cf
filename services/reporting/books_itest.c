/* The books against a real PostgreSQL: every event once, whatever comes twice or fails in between; tenants apart (GT-3.1.2 b d). */
#include "books.h"

#include "base/mem.h"
#include "base/str.h"
#include "migrations.h"
#include "testkit/testkit.h"
#include "trunkline/event/v1/event.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define T0 INT64_C(1700000100000)

static struct testkit_postgres pg;
static struct db *db, *owner;
static struct books *books;

static err_t sql(struct db_tx *tx, void *arg)
{
	err_t e = db_exec(tx, NULL, arg, 0, NULL);

	if (e)
		print_message("%s: %s\n", (const char *)arg, db_error(tx));
	return e;
}

static int start(void **state)
{
	static char conninfo[2 * sizeof(pg.dsn)];
	struct db_params p = { .conninfo = pg.dsn, .connections = 1 };
	struct err_detail d = { "", "" };

	(void)state;
	testkit_postgres_start(&pg);
	assert_int_equal(db_new(&owner, &p), ERR_OK);
	assert_int_equal(db_run_wait(owner, NULL, sql, (char *)(uintptr_t) "CREATE ROLE reporting LOGIN"), ERR_OK);
	if (db_migrate(pg.dsn, "reporting", migrations, n_migrations, &d))
		testkit_die("migrate: %s: %s", d.field, d.message);
	(void)snprintf(conninfo, sizeof(conninfo), "%s user=reporting", pg.dsn);
	p.conninfo = conninfo;
	assert_int_equal(db_new(&db, &p), ERR_OK);
	assert_int_equal(books_new(&books), ERR_OK);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	db_free(&db);
	db_free(&owner);
	books_free(&books);
	testkit_postgres_stop(&pg);
	return 0;
}

/* ---- events as they come from Kafka ---- */

struct packed {
	struct stream_record list[64];
	uint8_t bytes[64][512];
	size_t n;
};

static void add(struct packed *p, Trunkline__Event__V1__Event *m, const char *tenant, const char *call, uint64_t seq,
		int64_t at)
{
	struct stream_record *r = &p->list[p->n];

	m->id = (char *)(uintptr_t) "x";
	m->tenant = (char *)(uintptr_t)tenant;
	m->call_id = (char *)(uintptr_t)call;
	m->queue_id = (char *)(uintptr_t) "sales";
	m->seq = seq;
	m->time_ms = at;
	assert_true(trunkline__event__v1__event__get_packed_size(m) <= sizeof(p->bytes[0]));
	r->size = trunkline__event__v1__event__pack(m, p->bytes[p->n]);
	r->value = p->bytes[p->n];
	r->topic = "trunkline.call.v1";
	r->partition = 3;
	r->offset = (int64_t)p->n;
	p->n++;
}

/* Offered, queued, answered after 5 s, ended after 60 s of talk. */
static void add_call(struct packed *p, const char *tenant, const char *call)
{
	Trunkline__Event__V1__Event m = TRUNKLINE__EVENT__V1__EVENT__INIT;
	Trunkline__Event__V1__CallOffered offered = TRUNKLINE__EVENT__V1__CALL_OFFERED__INIT;
	Trunkline__Event__V1__Enqueued enqueued = TRUNKLINE__EVENT__V1__ENQUEUED__INIT;
	Trunkline__Event__V1__AgentAnswered answered = TRUNKLINE__EVENT__V1__AGENT_ANSWERED__INIT;
	Trunkline__Event__V1__CallEnded ended = TRUNKLINE__EVENT__V1__CALL_ENDED__INIT;

	offered.caller = (char *)(uintptr_t) "+4930\t\\'; --";
	m.body_case = TRUNKLINE__EVENT__V1__EVENT__BODY_CALL_OFFERED;
	m.call_offered = &offered;
	add(p, &m, tenant, call, 1, T0);
	enqueued.arrival_ms = T0;
	m.body_case = TRUNKLINE__EVENT__V1__EVENT__BODY_ENQUEUED;
	m.enqueued = &enqueued;
	add(p, &m, tenant, call, 2, T0);
	m.agent_id = (char *)(uintptr_t) "1001";
	answered.waited_ms = 5000;
	answered.service_level_ms = 20000;
	m.body_case = TRUNKLINE__EVENT__V1__EVENT__BODY_AGENT_ANSWERED;
	m.agent_answered = &answered;
	add(p, &m, tenant, call, 3, T0 + 5000);
	ended.offered_ms = T0;
	ended.agent_answered_ms = T0 + 5000;
	ended.talk_ms = 60000;
	ended.disposition = (char *)(uintptr_t) "answered";
	m.body_case = TRUNKLINE__EVENT__V1__EVENT__BODY_CALL_ENDED;
	m.call_ended = &ended;
	add(p, &m, tenant, call, 4, T0 + 65000);
}

static struct books_job write_all(const struct stream_record *list, size_t n, err_t want)
{
	struct books_job job = { .books = books, .records = list, .n = n };
	err_t e = db_run_wait(db, NULL, books_write, &job);

	if (e != want)
		print_message("books_write: %s %s\n", err_name(e), job.why);
	assert_int_equal(e, want);
	return job;
}

struct sums {
	int64_t offered, answered, talk, calls, rows;
	char caller[64];
};

static err_t read_sums(struct db_tx *tx, void *arg)
{
	struct sums *s = arg;
	struct db_result *r = NULL;
	err_t e = db_exec(tx, &r,
			  "SELECT coalesce(sum(offered), 0), coalesce(sum(answered), 0), coalesce(sum(talk_ms), 0) "
			  "FROM rep.queue_interval",
			  0, NULL);

	if (!e) {
		s->offered = db_int(r, 0, 0);
		s->answered = db_int(r, 0, 1);
		s->talk = db_int(r, 0, 2);
	}
	db_result_free(&r);
	if (!e)
		e = db_exec(tx, &r, "SELECT count(*), coalesce(min(caller), '') FROM rep.call", 0, NULL);
	if (!e) {
		s->rows = db_int(r, 0, 0);
		(void)str_copy(s->caller, sizeof(s->caller), db_text(r, 0, 1));
	}
	db_result_free(&r);
	return e;
}

static struct sums sums_of(const char *tenant)
{
	struct sums s = { 0 };

	assert_int_equal(db_run_wait(db, tenant, read_sums, &s), ERR_OK);
	return s;
}

static int64_t offset(void)
{
	struct books_offset o = { .topic = "trunkline.call.v1", .partition = 3 };

	assert_int_equal(db_run_wait(db, NULL, books_read_offset, &o), ERR_OK);
	return o.next;
}

static const char *const a = "00000000000000000000000000000001", *const b = "00000000000000000000000000000002",
			 *const c = "00000000000000000000000000000003";

static void events_are_counted_once_however_often_they_come_GT_10(void **state)
{
	struct packed p = { .n = 0 };
	struct books_job job;
	struct sums s;

	(void)state;
	assert_int_equal(offset(), -1);
	add_call(&p, "acme", a);
	add_call(&p, "acme", b);
	job = write_all(p.list, 5, ERR_OK); /* the first call and the beginning of the second */
	assert_int_equal(job.applied, 5);
	assert_int_equal(offset(), 5);
	job = write_all(p.list, p.n, ERR_OK); /* the whole again, as after a crash before the offsets were known */
	assert_int_equal(job.applied, 3);
	assert_int_equal(job.repeated, 5);
	s = sums_of("acme");
	assert_int_equal(s.offered, 2);
	assert_int_equal(s.answered, 2);
	assert_int_equal(s.talk, 120000);
	assert_int_equal(s.rows, 2);
	assert_string_equal(s.caller, "+4930\t\\'; --");
	assert_int_equal(offset(), 8);
}

static void a_batch_is_written_whole_with_its_offset_or_not_at_all(void **state)
{
	struct packed p = { .n = 0 };

	(void)state;
	for (int i = 0; i < 8; i++) /* offsets go on where they were */
		p.n++;
	add_call(&p, "acme", c);
	assert_int_equal(db_run_wait(owner, NULL, sql,
				     (char *)(uintptr_t) "REVOKE INSERT ON rep.kafka_offset FROM reporting"),
			 ERR_OK);
	write_all(p.list + 8, 4, ERR_DENIED);
	assert_int_equal(sums_of("acme").offered, 2);
	assert_int_equal(db_run_wait(owner, NULL, sql,
				     (char *)(uintptr_t) "GRANT INSERT ON rep.kafka_offset TO reporting"),
			 ERR_OK);
	write_all(p.list + 8, 4, ERR_OK);
	assert_int_equal(sums_of("acme").offered, 3);
}

static void tenants_in_one_batch_are_kept_apart_GT_3_1_2(void **state)
{
	struct packed p = { .n = 0 };

	(void)state;
	add_call(&p, "huaxia", a); /* the same id as acme's: another call */
	add_call(&p, "other", b);
	write_all(p.list, p.n, ERR_OK);
	assert_int_equal(sums_of("huaxia").offered, 1);
	assert_int_equal(sums_of("other").offered, 1);
	assert_int_equal(sums_of("acme").offered, 3);
	assert_int_equal(sums_of("nobody").rows, 0);
}

static void what_is_no_event_is_passed_over(void **state)
{
	struct stream_record bad[] = {
		{ .topic = "trunkline.call.v1", .partition = 3, .offset = 90, .value = "\xff\xff", .size = 2 },
		{ .topic = "trunkline.call.v1", .partition = 3, .offset = 91, .value = "", .size = 0 },
	};
	struct books_job job;

	(void)state;
	job = write_all(bad, 2, ERR_OK);
	assert_int_equal(job.malformed, 2);
	assert_int_equal(offset(), 92);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_are_counted_once_however_often_they_come_GT_10),
		cmocka_unit_test(a_batch_is_written_whole_with_its_offset_or_not_at_all),
		cmocka_unit_test(tenants_in_one_batch_are_kept_apart_GT_3_1_2),
		cmocka_unit_test(what_is_no_event_is_passed_over),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
