/* What each tenant keeps of recordings, counted by the real program, twice, and told to the call services. */
#include "itest_world.h"

struct question {
	const char *sql;
	long long answer;
};

/* Statements with ; between them, in one transaction; the answer is that of the last one. */
static err_t run_question(struct db_tx *tx, void *arg)
{
	struct question *q = arg;
	char text[800], *rest = text;
	err_t e = ERR_OK;

	assert_true(str_copy(text, sizeof(text), q->sql));
	for (char *one = strtok_r(text, ";", &rest); one && !e; one = strtok_r(NULL, ";", &rest)) {
		struct db_result *res = NULL;

		e = db_exec(tx, &res, one, 0, NULL);
		q->answer = !e && db_rows(res) && !db_null(res, 0, 0) ? db_int(res, 0, 0) : -1;
		db_result_free(&res);
	}
	return e;
}

/* As the owner of everything; -1: no row. */
static long long sql(const char *statements)
{
	struct db_params p = { .loop = loop, .conninfo = pg.dsn };
	struct question q = { .sql = statements };
	struct db *db;

	assert_int_equal(db_new(&db, &p), ERR_OK);
	assert_int_equal(db_run_wait(db, NULL, run_question, &q), ERR_OK);
	db_free(&db);
	return q.answer;
}

static struct {
	unsigned told;
	long long bytes; /* of the tenant "full", as the call-controls hear it; -1: nothing was told */
} heard;

static void on_use(enum bus_kv_op op, const char *key, const struct bus_msg *msg, void *arg)
{
	Trunkline__Call__V1__RecordingUse *m;

	(void)arg;
	if (op == BUS_KV_SYNCED)
		return;
	assert_string_equal(key, "full.recordings");
	if (op == BUS_KV_DELETE) {
		heard.bytes = 0;
		return;
	}
	m = trunkline__call__v1__recording_use__unpack(NULL, msg->size, msg->data);
	assert_non_null(m);
	heard.told++;
	heard.bytes = (long long)m->bytes;
	trunkline__call__v1__recording_use__free_unpacked(m, NULL);
}

static bool is_heard(void *arg)
{
	return heard.bytes == *(long long *)arg;
}

static void on_asked(const struct bus_msg *msg, void *arg)
{
	(void)msg;
	(*(unsigned *)arg)++;
}

static bool never(void *arg)
{
	(void)arg;
	return false;
}

/* Each tenant of a few is asked for about once a second. */
static unsigned asked_in(int64_t ms)
{
	struct bus_sub *asks;
	unsigned n = 0;

	assert_int_equal(bus_subscribe(&asks, bus, "$JS.API.DIRECT.GET.KV_quota.$KV.quota.full.recordings", NULL,
				       on_asked, &n),
			 ERR_OK);
	(void)testkit_wait_loop(loop, never, NULL, ms);
	bus_unsubscribe(&asks);
	return n;
}

#define KEPT "SELECT sum(stereo_bytes + mono_bytes)::bigint FROM rec.recording WHERE tenant = 'full'"
#define USE  "SELECT bytes FROM rec.usage WHERE tenant = 'full'"

static void must_hear(long long bytes)
{
	if (!testkit_wait_loop(loop, is_heard, &bytes, 45000))
		fail_msg("%lld bytes are told, %lld are kept", heard.bytes, bytes);
}

/* Two recorders store at the same time, one of them is killed: what is told is what is kept, to the byte. */
static void what_a_tenant_keeps_is_counted_exactly_and_told_to_the_call_services_GT_3_1_2(void **state)
{
	struct testkit_proc second;
	char other[32], other_conf[TESTKIT_PATH + 64], id[16];
	struct bus_kv *kv;
	struct bus_kv_watch *watch;
	unsigned before = stored;

	(void)state;
	heard.bytes = -1;
	assert_int_equal(bus_kv_open(&kv, bus, &(struct bus_kv_params){ .bucket = "quota" }, NULL), ERR_OK);
	assert_int_equal(bus_kv_watch(&watch, kv, "full.>", on_use, NULL), ERR_OK);
	snprintf(other, sizeof(other), "127.0.0.1:%d", testkit_tcp_port());
	configure("rec-2", other, other_conf);
	start_one(&second, other_conf, other);
	store("full", "full0", "1001", "138", 1000);
	must_hear(sql(KEPT));
	assert_true(heard.bytes > 1000);
	for (int i = 1; i < 12; i++) {
		snprintf(id, sizeof(id), "full%d", i);
		write_segment("full", id, 1000 + 500 * (unsigned)i, true);
		emit("full", id, "1001", "138", false);
	}
	await_stored(before + 5);
	(void)testkit_proc_stop(&second, SIGKILL, 5000);
	for (int i = 0; i < 12; i++) {
		snprintf(id, sizeof(id), "full%d", i);
		struct until u = { client("full", "", AUTH_SUPERVISOR), id,
				   TRUNKLINE__RECORDING__V1__RECORDING_STATE__RECORDING_STATE_STORED };

		assert_true(testkit_wait(has_state, &u, 20000));
		rpc_client_free(&u.c);
	}
	must_hear(sql(KEPT));
	assert_int_equal(sql(USE), sql(KEPT));
	emit("full", "full3", "1001", "138", false); /* again: it is there */
	store("full", "full12", "1001", "138", 1000);
	must_hear(sql(KEPT));
	assert_int_equal(sql("SET LOCAL ROLE recorder; SET LOCAL trunkline.tenant = 'acme'; "
			     "SELECT count(*) FROM rec.usage WHERE tenant <> 'acme'"),
			 0);
	emit_purged("full", clock_wall_ms());
	assert_true(asked_in(5000) > 0);
	must_hear(0);
	assert_int_equal(sql(USE), -1);
	for (int i = 0; i < 20 && asked_in(2000) > 0; i++) /* what was begun before */
		;
	assert_int_equal(asked_in(5000), 0); /* nobody asks for who is gone */
	bus_kv_unwatch(&watch);
	bus_kv_close(&kv);
}

/* What a previous version has left: the migration counts it, and the first recording of the tenant has it told. */
static void what_was_kept_before_it_was_counted_is_counted_GT_3_1_2(void **state)
{
	struct bus_kv *kv;
	struct bus_kv_watch *watch;
	bool done = false;
	long long kept;

	(void)state;
	(void)sql("DELETE FROM rec.purged"); /* the id is another tenant's now */
	store("full", "full20", "1001", "138", 3000);
	assert_int_equal(testkit_proc_stop(&recorder, SIGTERM, 20000), 0);
	assert_int_equal(sql("DROP TABLE rec.usage; DROP FUNCTION rec.count_added() CASCADE; "
			     "DROP FUNCTION rec.count_changed() CASCADE; DROP FUNCTION rec.count_gone() CASCADE; "
			     "DROP TABLE rec.purged; DROP FUNCTION rec.refuse_purged() CASCADE; ALTER TABLE "
			     "rec.recording DROP data_key; "
			     "DROP FUNCTION rec.lock_purge(text, boolean); "
			     "DELETE FROM schema_migrations WHERE service = 'recorder' AND name >= '0002'"),
			 -1);
	assert_int_equal(bus_kv_open(&kv, bus, &(struct bus_kv_params){ .bucket = "quota" }, NULL), ERR_OK);
	assert_int_equal(bus_kv_delete(kv, "full.recordings", BUS_KV_ANY, on_ack, &done), ERR_OK);
	assert_true(testkit_wait_flag(loop, &done, 20000));
	start_recorder();
	kept = sql(KEPT);
	assert_true(kept > 0);
	assert_int_equal(sql(USE), kept);
	heard.bytes = -1;
	assert_int_equal(bus_kv_watch(&watch, kv, "full.>", on_use, NULL), ERR_OK);
	emit("full", "full21", "1001", "", true);
	must_hear(kept);
	/* Removed by hand: told at the next look, and by a process that begins. */
	assert_int_equal(sql("DELETE FROM rec.recording WHERE tenant = 'full' AND id = 'full20'; " USE), -1);
	must_hear(0);
	store("full", "full22", "1001", "138", 3000);
	must_hear(sql(KEPT));
	assert_int_equal(testkit_proc_stop(&recorder, SIGKILL, 5000), 128 + SIGKILL);
	assert_int_equal(sql("DELETE FROM rec.recording WHERE tenant = 'full' AND id = 'full22'; " USE), -1);
	start_recorder();
	must_hear(0);
	bus_kv_unwatch(&watch);
	bus_kv_close(&kv);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_tenant_keeps_is_counted_exactly_and_told_to_the_call_services_GT_3_1_2),
		cmocka_unit_test(what_was_kept_before_it_was_counted_is_counted_GT_3_1_2),
	};

	return cmocka_run_group_tests_name("recorder", tests, setup_all, teardown_all);
}
