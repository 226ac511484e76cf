/* Against a private PostgreSQL. */
#include "db/db.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/clock.h"
#include "base/mem.h"
#include "testkit/testkit.h"

#define WAIT_MS 20000 /* for what must come */

static struct testkit_postgres pg;
static struct loop *loop;
static struct db *db;
static char dsn[256];

static void psql(const char *sql)
{
	struct str out = STR_INIT;

	if (testkit_run((const char *[]){ "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", pg.dsn, "-c", sql, NULL }, &out,
			20000))
		testkit_die("psql: %s", str_text(&out));
	str_done(&out);
}

/* ---- jobs ---- */

struct job {
	const char *sql;
	const char *param;
	char text[256], error[256], constraint[64];
	int rows, runs;
	bool done;
	err_t e;
};

static err_t run_sql(struct db_tx *tx, void *arg)
{
	struct job *j = arg;
	struct db_result *res = NULL;
	const char *params[] = { j->param };

	j->runs++;
	err_t e = db_exec(tx, &res, j->sql, j->param ? 1 : 0, params);
	if (!e) {
		j->rows = db_rows(res);
		(void)str_copy(j->text, sizeof(j->text), j->rows ? db_text(res, 0, 0) : "");
	} else {
		(void)str_copy(j->error, sizeof(j->error), db_error(tx));
		(void)str_copy(j->constraint, sizeof(j->constraint), db_constraint(tx));
	}
	db_result_free(&res);
	return e;
}

static err_t sql(const char *tenant, const char *text, struct job *j)
{
	*j = (struct job){ .sql = text };
	return db_run_wait(db, tenant, run_sql, j);
}

static err_t sql_of(const char *tenant, const char *text, const char *param, struct job *j)
{
	*j = (struct job){ .sql = text, .param = param };
	return db_run_wait(db, tenant, run_sql, j);
}

static void on_done(err_t e, void *arg)
{
	struct job *j = arg;

	j->e = e;
	j->done = true;
}

/* ---- tests ---- */

static void a_tenants_transaction_sees_and_writes_only_its_own_rows(void **state)
{
	struct job j;

	(void)state;
	assert_int_equal(sql("acme", "INSERT INTO calls VALUES ('acme', 1, 'a')", &j), ERR_OK);
	assert_int_equal(sql("globex", "INSERT INTO calls VALUES ('globex', 1, 'g')", &j), ERR_OK);
	assert_int_equal(sql("acme", "SELECT what FROM calls", &j), ERR_OK);
	assert_int_equal(j.rows, 1);
	assert_string_equal(j.text, "a");
	assert_int_equal(sql("acme", "INSERT INTO calls VALUES ('globex', 2, 'x')", &j), ERR_DENIED);
	assert_int_equal(sql("acme", "UPDATE calls SET what = 'mine' WHERE tenant = 'globex' RETURNING 1", &j), ERR_OK);
	assert_int_equal(j.rows, 0);
	/* After a transaction the setting is '', not NULL: the policy must not take that for a tenant. */
	assert_int_equal(sql(NULL, "SELECT what FROM calls", &j), ERR_OK);
	assert_int_equal(j.rows, 0);
	assert_int_equal(sql("acme'; DROP TABLE calls; --", "SELECT 1", &j), ERR_INVALID);
}

static void the_setting_does_not_outlive_the_transaction_on_a_pooled_connection(void **state)
{
	struct job j;

	(void)state;
	for (int i = 0; i < 8; i++) {
		assert_int_equal(sql("acme", "SELECT current_setting('trunkline.tenant')", &j), ERR_OK);
		assert_string_equal(j.text, "acme");
		assert_int_equal(sql(NULL,
				     "SELECT coalesce(nullif(current_setting('trunkline.tenant', true), ''), 'none')",
				     &j),
				 ERR_OK);
		assert_string_equal(j.text, "none");
	}
}

static void failures_carry_their_kind_the_constraint_and_a_text_for_the_log(void **state)
{
	struct job j;

	(void)state;
	assert_int_equal(sql("acme", "INSERT INTO calls VALUES ('acme', 50, 'x')", &j), ERR_OK);
	assert_int_equal(sql("acme", "INSERT INTO calls VALUES ('acme', 50, 'x')", &j), ERR_EXISTS);
	assert_string_equal(j.constraint, "calls_pkey");
	assert_non_null(strstr(j.error, "duplicate key"));
	assert_int_equal(sql("acme", "SELECT nonsense", &j), ERR_INTERNAL);
	assert_int_equal(sql("acme", "SELECT 'x'::int", &j), ERR_INVALID);
	assert_int_equal(sql("acme", "SELECT * FROM secrets", &j), ERR_DENIED);
	assert_int_equal(sql("acme", "SELECT 1", &j), ERR_OK);
}

static err_t insert_and_fail(struct db_tx *tx, void *arg)
{
	err_t e = db_exec(tx, NULL, "INSERT INTO calls VALUES ('acme', 99, 'x')", 0, NULL);

	return e ? e : *(err_t *)arg;
}

static err_t insert_and_overlook(struct db_tx *tx, void *arg)
{
	(void)arg;
	err_t e = db_exec(tx, NULL, "INSERT INTO calls VALUES ('acme', 98, 'x')", 0, NULL);
	if (!e)
		e = db_exec(tx, NULL, "SELECT 1/0", 0, NULL);
	return e == ERR_INVALID ? ERR_OK : e;
}

static void what_fails_leaves_nothing_behind_even_if_the_job_overlooks_it(void **state)
{
	err_t wish = ERR_PRECONDITION;
	struct job j;

	(void)state;
	assert_int_equal(db_run_wait(db, "acme", insert_and_fail, &wish), ERR_PRECONDITION);
	assert_int_equal(db_run_wait(db, "acme", insert_and_overlook, NULL), ERR_INVALID);
	assert_int_equal(sql("acme", "SELECT count(*) FROM calls WHERE id IN (98, 99)", &j), ERR_OK);
	assert_string_equal(j.text, "0");
}

/* Which of the statements in a queue fails, and what takes it up. */
struct queue {
	int bad; /* 0: none */
	enum { BY_COMMIT, BY_EXEC, BY_COPY } end;
};

static err_t queue_some(struct db_tx *tx, void *arg)
{
	const struct queue *q = arg;
	err_t e = ERR_OK;

	for (int i = 1; i <= 3 && !e; i++)
		e = db_queue(tx,
			     i == q->bad ? "SELECT 1/0 WHERE $1 <> ''"
					 : "INSERT INTO calls VALUES ('acme', 70 + $1::int, 'q')",
			     1, (const char *[]){ (const char *[]){ "1", "2", "3" }[i - 1] });
	if (!e && q->end == BY_EXEC)
		e = db_exec(tx, NULL, "INSERT INTO calls VALUES ('acme', 79, 'q')", 0, NULL);
	if (!e && q->end == BY_COPY)
		e = db_copy(tx, "COPY counters FROM STDIN", "79\n", 3); /* RLS allows no COPY into calls */
	return e;
}

static void statements_that_are_queued_succeed_or_fail_with_what_follows(void **state)
{
	struct job j;

	(void)state;
	for (int end = BY_COMMIT; end <= BY_COPY; end++) {
		for (int bad = 1; bad <= 3; bad++) {
			struct queue q = { bad, end };

			assert_int_equal(db_run_wait(db, "acme", queue_some, &q), ERR_INVALID);
		}
		assert_int_equal(sql("acme", "SELECT count(*) FROM calls WHERE id BETWEEN 70 AND 79", &j), ERR_OK);
		assert_string_equal(j.text, "0");
		assert_int_equal(db_run_wait(db, "acme", queue_some, &(struct queue){ 0, end }), ERR_OK);
		assert_int_equal(sql("acme", "SELECT count(*) FROM calls WHERE id BETWEEN 70 AND 79", &j), ERR_OK);
		assert_string_equal(j.text, end == BY_EXEC ? "4" : "3");
		assert_int_equal(sql("acme", "DELETE FROM calls WHERE id BETWEEN 70 AND 79", &j), ERR_OK);
		assert_int_equal(sql("acme", "SELECT count(*) FROM counters WHERE n = 79", &j), ERR_OK);
		assert_string_equal(j.text, end == BY_COPY ? "1" : "0");
		assert_int_equal(sql("acme", "DELETE FROM counters WHERE n = 79", &j), ERR_OK);
	}
}

static void what_is_prepared_survives_a_failure_and_a_migration_under_it(void **state)
{
	static const char *const wrong = "SELECT 1 / n FROM generate_series($1::int, 1) AS n",
				 *const all = "SELECT * FROM counters WHERE n < $1::int";
	struct job j;

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(sql_of("acme", "SELECT no_such_column + $1 FROM counters", "0", &j), ERR_INTERNAL);
		assert_int_equal(sql_of("acme", wrong, "0", &j), ERR_INVALID);
		assert_int_equal(sql_of("acme", all, "0", &j), ERR_OK);
	}
	psql("ALTER TABLE counters ADD COLUMN more int");
	assert_int_equal(sql_of("acme", all, "0", &j), ERR_OK);
	psql("ALTER TABLE counters DROP COLUMN more");
	assert_int_equal(sql_of("acme", all, "0", &j), ERR_OK);
}

/* PostgreSQL would keep one plan of it for all tenants. */
static void a_statement_without_parameters_is_not_prepared(void **state)
{
	static const char without[] = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%prepared_%'",
			  with[] = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE $1";
	struct job j;

	(void)state;
	for (int i = 0; i < 10; i++) {
		assert_int_equal(sql("acme", without, &j), ERR_OK);
		assert_string_equal(j.text, "0");
	}
	assert_int_equal(sql_of("acme", with, "%pg_prepared%", &j), ERR_OK);
	assert_string_equal(j.text, "1");
}

static _Atomic int attempts, have_read;

/* Write skew: both read, then both write, one must be repeated. */
static err_t serializable(struct db_tx *tx, void *arg)
{
	(void)arg;
	atomic_fetch_add(&attempts, 1);
	err_t e = db_exec(tx, NULL, "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", 0, NULL);
	if (!e)
		e = db_exec(tx, NULL, "SELECT sum(n) FROM counters", 0, NULL);
	atomic_fetch_add(&have_read, 1);
	while (atomic_load(&have_read) < 2)
		usleep(1000);
	return e ? e : db_exec(tx, NULL, "INSERT INTO counters SELECT coalesce(max(n), 0) + 1 FROM counters", 0, NULL);
}

static void a_serialization_failure_is_repeated_until_it_succeeds(void **state)
{
	struct job a = { 0 }, b = { 0 }, j;

	(void)state;
	assert_int_equal(db_run(db, NULL, serializable, NULL, on_done, &a), ERR_OK);
	assert_int_equal(db_run(db, NULL, serializable, NULL, on_done, &b), ERR_OK);
	assert_true(testkit_wait_flag(loop, &a.done, WAIT_MS));
	assert_true(testkit_wait_flag(loop, &b.done, WAIT_MS));
	assert_int_equal(a.e, ERR_OK);
	assert_int_equal(b.e, ERR_OK);
	assert_true(atomic_load(&attempts) > 2);
	assert_int_equal(sql(NULL, "SELECT count(DISTINCT n) FROM counters", &j), ERR_OK);
	assert_string_equal(j.text, "2");
}

static err_t aborted_by_itself(struct db_tx *tx, void *arg)
{
	++*(int *)arg;
	err_t e = db_exec(tx, NULL, "SELECT 1", 0, NULL);
	return e ? e : ERR_ABORTED;
}

static void an_abort_that_the_job_decides_is_not_repeated(void **state)
{
	int runs = 0;

	(void)state;
	assert_int_equal(db_run_wait(db, NULL, aborted_by_itself, &runs), ERR_ABORTED);
	assert_int_equal(runs, 1);
}

static void a_deferred_constraint_fails_the_commit(void **state)
{
	struct job j;

	(void)state;
	assert_int_equal(sql(NULL, "INSERT INTO children VALUES (77)", &j), ERR_PRECONDITION);
	assert_int_equal(sql(NULL, "SELECT count(*) FROM children", &j), ERR_OK);
	assert_string_equal(j.text, "0");
}

static void a_statement_that_takes_too_long_is_ended(void **state)
{
	struct db *quick;
	struct job j = { .sql = "SELECT pg_sleep(30)" };
	int64_t before_ms = clock_mono_ms();

	(void)state;
	assert_int_equal(db_new(&quick,
				&(struct db_params){ .conninfo = dsn, .connections = 1, .statement_timeout_ms = 200 }),
			 ERR_OK);
	assert_int_equal(db_run_wait(quick, NULL, run_sql, &j), ERR_TIMEOUT);
	assert_true(clock_mono_ms() - before_ms < 25000); /* and not the 30 s that it takes */
	j = (struct job){ .sql = "SELECT 7" };
	assert_int_equal(db_run_wait(quick, NULL, run_sql, &j), ERR_OK);
	assert_string_equal(j.text, "7");
	db_free(&quick);
}

static void a_server_that_answers_nothing_does_not_hold_a_worker_for_ever(void **state)
{
	struct db *quick;
	struct job j = { .sql = "SELECT 1" };

	(void)state;
	assert_int_equal(db_new(&quick,
				&(struct db_params){
				    .conninfo = dsn, .connections = 1, .statement_timeout_ms = 100, .wait_ms = 20000 }),
			 ERR_OK);
	assert_int_equal(db_run_wait(quick, NULL, run_sql, &j), ERR_OK);
	/* The backend stops in the middle; the network and the process are still there. */
	struct str out = STR_INIT;
	assert_int_equal(
	    testkit_run(
		(const char *[]){
		    "psql", "-XAtq", pg.dsn, "-c",
		    "SELECT pid FROM pg_stat_activity WHERE application_name = 'trunkline' AND usename = 'app' "
		    "ORDER BY backend_start DESC LIMIT 1",
		    NULL },
		&out, WAIT_MS),
	    0);
	pid_t backend = atoi(str_text(&out));
	str_done(&out);
	assert_true(backend > 0);
	testkit_stand_still(backend);
	int64_t before_ms = clock_mono_ms();
	j = (struct job){ .sql = "SELECT 2" };
	/* Given up after statement timeout + 5 s, and done over another connection. */
	assert_int_equal(db_run_wait(quick, NULL, run_sql, &j), ERR_OK);
	assert_int_equal(j.runs, 2);
	assert_true(clock_mono_ms() - before_ms < 30000);
	kill(backend, SIGCONT);
	db_free(&quick);
}

static bool is_ready(void *arg)
{
	return db_ready(arg);
}

static bool is_not_ready(void *arg)
{
	return !db_ready(arg);
}

static void connections_come_back_after_the_server_was_killed(void **state)
{
	struct job j, k = { .sql = "SELECT 1" };

	(void)state;
	assert_true(testkit_wait(is_ready, db, WAIT_MS));
	testkit_postgres_kill(&pg);
	assert_int_equal(db_run(db, NULL, run_sql, &k, on_done, &k), ERR_OK);
	assert_true(testkit_wait_flag(loop, &k.done, WAIT_MS)); /* wait_ms is 1,500 */
	assert_int_equal(k.e, ERR_UNAVAILABLE);
	assert_true(testkit_wait(is_not_ready, db, WAIT_MS)); /* an idle worker looks once a second */
	testkit_postgres_restart(&pg);
	assert_true(testkit_wait(is_ready, db, WAIT_MS));
	assert_int_equal(sql("acme", "SELECT count(*) FROM calls WHERE id = 50", &j), ERR_OK);
	assert_string_equal(j.text, "1");
}

static err_t bytes_round_trip(struct db_tx *tx, void *arg)
{
	static const unsigned char blob[] = { 0, 1, 2, 255, '\\', '\'', 0, 9 };
	struct db_result *res = NULL;
	const char *params[] = { "7", NULL, NULL };
	size_t size;

	(void)arg;
	db_bind_bytes(tx, 1, blob, sizeof(blob));
	err_t e = db_exec(tx, NULL, "INSERT INTO blobs VALUES ($1, $2, $3)", 3, params);
	if (!e)
		e = db_exec(tx, &res, "SELECT b, nothing FROM blobs WHERE id = 7", 0, NULL);
	if (!e) {
		const void *back = db_bytes(res, 0, 0, &size);
		assert_int_equal(size, sizeof(blob));
		assert_memory_equal(back, blob, size);
		assert_ptr_equal(db_bytes(res, 0, 0, &size), back);
		assert_true(db_null(res, 0, 1));
		assert_null(db_bytes(res, 0, 1, &size));
	}
	db_result_free(&res);
	return e;
}

static void bytes_go_in_and_come_out_as_they_are(void **state)
{
	(void)state;
	assert_int_equal(db_run_wait(db, NULL, bytes_round_trip, NULL), ERR_OK);
}

static err_t copy_rows(struct db_tx *tx, void *arg)
{
	struct str rows = STR_INIT;
	char id[16];

	for (int i = 0; i < 20000; i++) {
		snprintf(id, sizeof(id), "%d", 1000 + i);
		db_copy_field(&rows, "acme", false);
		db_copy_field(&rows, id, false);
		db_copy_field(&rows, i % 3 ? "tab\there" : NULL, true);
	}
	err_t e = db_copy(tx, arg, str_text(&rows), rows.len);
	if (!e)
		e = db_exec(tx, NULL, "SELECT 1", 0, NULL); /* the pipeline is in order again */
	str_done(&rows);
	return e;
}

static void thousands_of_rows_are_copied_in_one_transaction(void **state)
{
	struct job j;

	(void)state;
	assert_int_equal(db_run_wait(db, NULL, copy_rows, (void *)"COPY many (tenant, id, what) FROM STDIN"), ERR_OK);
	assert_int_equal(sql(NULL, "SELECT count(*) || ' ' || count(what) FROM many", &j), ERR_OK);
	assert_string_equal(j.text, "20000 13333");
	assert_int_equal(db_run_wait(db, NULL, copy_rows, (void *)"COPY many (tenant, id, what) FROM STDIN"),
			 ERR_EXISTS);
	assert_int_equal(db_run_wait(db, NULL, copy_rows, (void *)"COPY no_such_table FROM STDIN"), ERR_INTERNAL);
	assert_int_equal(sql(NULL, "SELECT count(*) FROM many", &j), ERR_OK);
	assert_string_equal(j.text, "20000");
}

static bool has_begun(void *before)
{
	return testkit_metric("trunkline_db_wait_seconds_count") > *(int64_t *)before;
}

static void jobs_finish_on_the_loop_and_those_not_begun_are_cancelled_at_the_end(void **state)
{
	struct db *own;
	struct job slow = { .sql = "SELECT pg_sleep(2)" }, never[20];
	int64_t before;

	(void)state;
	assert_int_equal(db_new(&own, &(struct db_params){ .loop = loop, .conninfo = dsn, .connections = 1 }), ERR_OK);
	assert_true(testkit_wait(is_ready, own, WAIT_MS));
	before = testkit_metric("trunkline_db_wait_seconds_count");
	assert_int_equal(db_run(own, NULL, run_sql, &slow, on_done, &slow), ERR_OK);
	for (int i = 0; i < 20; i++) {
		never[i] = (struct job){ .sql = "SELECT 1" };
		assert_int_equal(db_run(own, NULL, run_sql, &never[i], on_done, &never[i]), ERR_OK);
	}
	assert_true(testkit_wait(has_begun, &before, WAIT_MS)); /* and runs for longer than we need to free it all */
	assert_int_equal(testkit_metric("trunkline_db_wait_seconds_count"), before + 1);
	db_free(&own);
	assert_true(slow.done);
	assert_int_equal(slow.e, ERR_OK);
	assert_true(never[19].done);
	assert_int_equal(never[19].e, ERR_CANCELLED);
	assert_int_equal(never[19].runs, 0);
}

static _Atomic int turns;
static _Atomic bool all_have_asked;

struct in_turn {
	struct job job;
	int turn; /* which of all to begin, from 1 */
};

static err_t run_in_turn(struct db_tx *tx, void *arg)
{
	struct in_turn *t = arg;

	t->turn = atomic_fetch_add(&turns, 1) + 1;
	while (!atomic_load(&all_have_asked))
		usleep(1000);
	return run_sql(tx, &t->job);
}

/* Two workers. A asks a hundred times, then B and what is of no tenant ask once: each waits for no more than what runs. */
static void a_tenant_with_a_hundred_jobs_leaves_others_their_turn_GT_3_1_2d(void **state)
{
	enum { N = 100 };
	static struct in_turn a[N], b, none;
	struct db *own;

	(void)state;
	assert_int_equal(db_new(&own, &(struct db_params){ .loop = loop, .conninfo = dsn, .connections = 2 }), ERR_OK);
	assert_true(testkit_wait(is_ready, own, WAIT_MS));
	for (int i = 0; i < N; i++) {
		a[i] = (struct in_turn){ .job.sql = "SELECT 1" };
		assert_int_equal(db_run(own, "acme", run_in_turn, &a[i], on_done, &a[i].job), ERR_OK);
	}
	b = none = (struct in_turn){ .job.sql = "SELECT 1" };
	assert_int_equal(db_run(own, "globex", run_in_turn, &b, on_done, &b.job), ERR_OK);
	assert_int_equal(db_run(own, NULL, run_in_turn, &none, on_done, &none.job), ERR_OK);
	atomic_store(&all_have_asked, true);
	assert_true(testkit_wait_flag(loop, &b.job.done, WAIT_MS));
	assert_true(testkit_wait_flag(loop, &none.job.done, WAIT_MS));
	assert_int_equal(b.job.e, ERR_OK);
	assert_int_equal(none.job.e, ERR_OK);
	assert_in_range(b.turn, 1, 5); /* two of A's have the workers, or one and one that waits for its turn */
	assert_in_range(none.turn, 1, 5);
	db_free(&own);
}

static void a_tenant_fills_half_of_what_may_wait_and_not_the_others_GT_3_1_2d(void **state)
{
	static struct job a = { .sql = "SELECT 1" }, b = { .sql = "SELECT 1" };
	struct db *own;
	int n = 0;

	(void)state;
	assert_int_equal(db_new(&own, &(struct db_params){ .loop = loop,
							   .conninfo = "host=/nonexistent",
							   .connections = 2,
							   .wait_ms = 20000 }),
			 ERR_OK);
	while (n < 20000 && !db_run(own, "acme", run_sql, &a, on_done, &a))
		n++;
	assert_in_range(n, 5000, 5001); /* one is with a worker that waits for its connection */
	assert_int_equal(db_run(own, "globex", run_sql, &b, on_done, &b), ERR_OK);
	db_free(&own);
	assert_true(b.done);
}

/* ---- migrations ---- */

static err_t migrate(const struct db_migration *list, size_t n, struct err_detail *d)
{
	*d = (struct err_detail){ 0 };
	return db_migrate(pg.dsn, "test", list, n, d);
}

static void migrations_run_once_in_order_and_an_old_one_must_not_change(void **state)
{
	struct db_migration list[] = { { "0001_a.sql", "CREATE TABLE a (x int); INSERT INTO a VALUES (1)" },
				       { "0003_c.sql", "INSERT INTO a VALUES (3)" } };
	struct db_migration changed[] = { { "0001_a.sql", "CREATE TABLE a (x bigint)" }, list[1] };
	struct db_migration late[] = { list[0], { "0002_b.sql", "INSERT INTO a VALUES (2)" }, list[1] };
	struct db_migration broken[] = { list[0], list[1], { "0004_d.sql", "INSERT INTO a VALUES (4); SELECT 1/0" } };
	struct db_migration good[] = { list[0], list[1], { "0004_d.sql", "INSERT INTO a VALUES (4)" } };
	struct err_detail d;
	struct job j;

	(void)state;
	assert_int_equal(migrate(list, 1, &d), ERR_OK);
	assert_int_equal(migrate(list, 2, &d), ERR_OK);
	assert_int_equal(migrate(list, 2, &d), ERR_OK);
	assert_int_equal(migrate(changed, 2, &d), ERR_PRECONDITION);
	assert_string_equal(d.field, "0001_a.sql");
	assert_int_equal(migrate(late, 3, &d), ERR_PRECONDITION);
	assert_string_equal(d.field, "0002_b.sql");
	assert_int_equal(migrate(broken, 3, &d), ERR_INVALID);
	assert_string_equal(d.field, "0004_d.sql");
	assert_int_equal(migrate(good, 3, &d), ERR_OK);
	psql("GRANT SELECT ON a TO app");
	assert_int_equal(sql(NULL, "SELECT string_agg(x::text, ',' ORDER BY x) FROM a", &j), ERR_OK);
	assert_string_equal(j.text, "1,3,4");
	/* An older program after a newer one: it finds more than it knows, and that is no error. */
	assert_int_equal(migrate(list, 2, &d), ERR_OK);
	assert_int_equal(db_migrate("host=/nonexistent", "test", list, 2, &d), ERR_UNAVAILABLE);
}

/* ---- memory ---- */

static err_t whole_use(void *arg)
{
	struct db *own;
	struct job j = { .sql = "SELECT what FROM calls WHERE id = 50" };
	err_t e = db_new(&own, &(struct db_params){ .loop = loop, .conninfo = dsn, .connections = 1 });

	(void)arg;
	if (e)
		return e;
	e = db_run_wait(own, "acme", run_sql, &j);
	db_free(&own);
	return e;
}

static void memory_that_runs_out_anywhere_is_an_error_and_nothing_worse(void **state)
{
	(void)state;
	testkit_each_alloc_failure(whole_use, NULL);
}

static int set_up(void **state)
{
	(void)state;
	testkit_postgres_start(&pg);
	psql("CREATE ROLE app LOGIN; CREATE TABLE secrets (x int);"
	     "CREATE TABLE calls (tenant text, id int, what text, PRIMARY KEY (tenant, id));"
	     "ALTER TABLE calls ENABLE ROW LEVEL SECURITY; ALTER TABLE calls FORCE ROW LEVEL SECURITY;"
	     "CREATE POLICY own ON calls USING (tenant = nullif(current_setting('trunkline.tenant', true), ''));"
	     "CREATE TABLE counters (n int); CREATE TABLE blobs (id int, b bytea, nothing bytea);"
	     "CREATE TABLE many (tenant text, id int PRIMARY KEY, what text);"
	     "CREATE TABLE parents (id int PRIMARY KEY);"
	     "CREATE TABLE children (id int REFERENCES parents DEFERRABLE INITIALLY DEFERRED);"
	     "GRANT ALL ON calls, counters, blobs, many, parents, children TO app");
	snprintf(dsn, sizeof(dsn), "%s user=app", pg.dsn);
	if (loop_new(&loop) ||
	    db_new(&db, &(struct db_params){ .loop = loop, .conninfo = dsn, .connections = 2, .wait_ms = 1500 }))
		testkit_die("set-up");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	db_free(&db);
	loop_free(&loop);
	testkit_postgres_stop(&pg);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tenants_transaction_sees_and_writes_only_its_own_rows),
		cmocka_unit_test(the_setting_does_not_outlive_the_transaction_on_a_pooled_connection),
		cmocka_unit_test(failures_carry_their_kind_the_constraint_and_a_text_for_the_log),
		cmocka_unit_test(what_fails_leaves_nothing_behind_even_if_the_job_overlooks_it),
		cmocka_unit_test(statements_that_are_queued_succeed_or_fail_with_what_follows),
		cmocka_unit_test(what_is_prepared_survives_a_failure_and_a_migration_under_it),
		cmocka_unit_test(a_statement_without_parameters_is_not_prepared),
		cmocka_unit_test(a_serialization_failure_is_repeated_until_it_succeeds),
		cmocka_unit_test(an_abort_that_the_job_decides_is_not_repeated),
		cmocka_unit_test(a_deferred_constraint_fails_the_commit),
		cmocka_unit_test(a_statement_that_takes_too_long_is_ended),
		cmocka_unit_test(a_server_that_answers_nothing_does_not_hold_a_worker_for_ever),
		cmocka_unit_test(bytes_go_in_and_come_out_as_they_are),
		cmocka_unit_test(thousands_of_rows_are_copied_in_one_transaction),
		cmocka_unit_test(connections_come_back_after_the_server_was_killed),
		cmocka_unit_test(jobs_finish_on_the_loop_and_those_not_begun_are_cancelled_at_the_end),
		cmocka_unit_test(a_tenant_with_a_hundred_jobs_leaves_others_their_turn_GT_3_1_2d),
		cmocka_unit_test(a_tenant_fills_half_of_what_may_wait_and_not_the_others_GT_3_1_2d),
		cmocka_unit_test(migrations_run_once_in_order_and_an_old_one_must_not_change),
		cmocka_unit_test(memory_that_runs_out_anywhere_is_an_error_and_nothing_worse),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
