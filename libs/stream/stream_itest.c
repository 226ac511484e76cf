/* Producer and consumer against a real Kafka broker. */
#include "stream/stream.h"

#include "testkit/testkit.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct testkit_kafka kafka;
static struct loop *loop;

static int setup(void **state)
{
	(void)state;
	assert_int_equal(loop_new(&loop), ERR_OK);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	loop_free(&loop);
	return 0;
}

static void topic(const char *name)
{
	const char *const topics[] = { name, NULL };
	struct err_detail d = { 0 };

	if (stream_ensure_topics(kafka.brokers, topics, 2, 1, &d))
		testkit_die("stream_ensure_topics: %s", d.message);
}

static struct stream_producer *producer(void)
{
	struct stream_producer_params p = { .loop = loop, .brokers = kafka.brokers, .client_id = "test" };
	struct stream_producer *sp;

	assert_int_equal(stream_producer_new(&sp, &p, NULL), ERR_OK);
	return sp;
}

struct delivered {
	size_t ok, failed, want;
	bool done;
};

static void on_delivered(err_t e, void *arg)
{
	struct delivered *d = arg;

	if (e)
		d->failed++;
	else
		d->ok++;
	d->done = d->ok + d->failed >= d->want;
}

static void produce(struct stream_producer *p, const char *topic_name, size_t from, size_t to, struct delivered *d)
{
	const struct stream_header headers[] = { { "ce_id", "x" }, { "ce_type", "t" } };

	for (size_t i = from; i < to; i++) {
		const char *key = i % 2 ? "odd" : "even-key";

		assert_int_equal(stream_produce(p, topic_name, key, strlen(key), &i, sizeof(i), headers, 2,
						1700000000000, on_delivered, d),
				 ERR_OK);
	}
}

struct reading {
	struct stream_consumer *c;
	int64_t next[2]; /* offsets kept by the owner */
	int64_t start[2];
	size_t n, want, batches; /* n: different values */
	size_t repeated;
	bool seen[8192];
	size_t last[2]; /* last new value of each key */
	bool in_order, hold, done;
};

static int64_t start_offset(const char *topic_name, int32_t partition, void *arg)
{
	struct reading *r = arg;

	(void)topic_name;
	return r->start[partition];
}

static void on_batch(const struct stream_record *records, size_t n, void *arg)
{
	struct reading *r = arg;

	r->batches++;
	for (size_t i = 0; i < n; i++) {
		int odd = records[i].key_size == 3;
		size_t v;

		assert_int_equal(records[i].size, sizeof(v));
		memcpy(&v, records[i].value, sizeof(v));
		assert_true(v < ARRAY_SIZE(r->seen));
		r->in_order &= records[i].offset >= r->next[records[i].partition];
		r->next[records[i].partition] = records[i].offset + 1;
		if (r->seen[v]) {
			r->repeated++;
			continue;
		}
		r->seen[v] = true;
		r->in_order &= v > r->last[odd] || v < 2;
		r->last[odd] = v;
		r->n++;
	}
	r->done = r->n >= r->want;
	if (!r->hold)
		stream_consumer_next(r->c);
}

static void consume_as(struct reading *r, const char *topic_name, const char *group, const char *instance, size_t batch)
{
	const char *const topics[] = { topic_name, NULL };
	const char *const options[] = { "topic.metadata.refresh.interval.ms=1000", "session.timeout.ms=45000", NULL };
	struct stream_consumer_params p = { .loop = loop,
					    .brokers = kafka.brokers,
					    .group = group,
					    .instance = instance,
					    .options = options,
					    .topics = topics,
					    .batch = batch,
					    .start_offset = start_offset,
					    .on_batch = on_batch,
					    .arg = r };

	assert_int_equal(stream_consumer_new(&r->c, &p, NULL), ERR_OK);
}

static void consume(struct reading *r, const char *topic_name, const char *group, size_t batch)
{
	consume_as(r, topic_name, group, NULL, batch);
}

static void what_is_produced_is_read_in_the_order_of_each_key_from_the_offsets_the_owner_keeps(void **state)
{
	struct reading r = { .start = { -1, -1 }, .want = 2000, .in_order = true };
	struct delivered d = { .want = 2000 };
	struct stream_producer *p = producer();

	(void)state;
	topic("first");
	topic("first"); /* again: nothing to do */
	produce(p, "first", 0, 2000, &d);
	assert_true(testkit_wait_flag(loop, &d.done, 60000));
	assert_int_equal(d.ok, 2000);
	consume(&r, "first", "g1", 300);
	assert_true(testkit_wait_flag(loop, &r.done, 60000));
	assert_true(r.in_order && r.batches >= 7);
	stream_consumer_free(&r.c);

	d = (struct delivered){ .want = 500 };
	produce(p, "first", 2000, 2500, &d);
	assert_true(testkit_wait_flag(loop, &d.done, 60000));
	r = (struct reading){
		.start = { r.next[0], r.next[1] }, .next = { r.next[0], r.next[1] }, .want = 500, .in_order = true
	};
	consume(&r, "first", "g1", 300);
	assert_true(testkit_wait_flag(loop, &r.done, 60000));
	assert_int_equal(r.n, 500);
	assert_int_equal(r.repeated, 0);
	assert_true(r.in_order);
	stream_consumer_free(&r.c);
	stream_producer_free(&p);
}

static void the_next_batch_waits_until_it_is_wanted_and_the_lag_tells(void **state)
{
	struct reading r = { .start = { -1, -1 }, .want = 10, .in_order = true, .hold = true };
	struct delivered d = { .want = 100 };
	struct stream_producer *p = producer();

	(void)state;
	topic("slow");
	produce(p, "slow", 0, 100, &d);
	assert_true(testkit_wait_flag(loop, &d.done, 60000));
	consume(&r, "slow", "g2", 10);
	assert_true(testkit_wait_flag(loop, &r.done, 60000));
	(void)testkit_wait_flag(loop, &(bool){ false }, 1500);
	assert_int_equal(r.batches, 1);
	assert_in_range(stream_consumer_lag(r.c), 1, 100);
	stream_consumer_free(&r.c);
	stream_producer_free(&p);
}

/* A broker that is killed may have stored a batch whose producer's state it then has lost: the batch comes again, whole and
 * behind. Who reads tells by the id (event.proto). */
static void nothing_is_lost_or_reordered_through_kill_9_of_the_broker(void **state)
{
	struct reading r = { .start = { -1, -1 }, .want = 6000, .in_order = true };
	struct delivered d = { .want = 6000 };
	struct stream_producer *p = producer();

	(void)state;
	topic("kill");
	for (size_t i = 0; i < 6000; i += 100) {
		produce(p, "kill", i, i + 100, &d);
		(void)testkit_wait_flag(loop, &(bool){ false }, 10);
		if (i == 2000)
			testkit_kafka_restart(&kafka);
		if (i == 4000)
			testkit_kafka_kill(&kafka);
	}
	(void)testkit_wait_flag(loop, &d.done, 500);
	assert_false(d.done);
	testkit_kafka_restart(&kafka);
	assert_true(testkit_wait_flag(loop, &d.done, 60000));
	assert_int_equal(d.ok, 6000);
	consume(&r, "kill", "g3", 1000);
	assert_true(testkit_wait_flag(loop, &r.done, 90000));
	(void)testkit_wait_flag(loop, &(bool){ false }, 500);
	assert_int_equal(r.n, 6000);
	assert_true(r.in_order);
	stream_consumer_free(&r.c);
	stream_producer_free(&p);
}

/* ---- members of a group that come back under their name --------------------------------------------------------- */

struct expectation {
	struct reading *r;
	enum stream_consumer_state state;
	int partitions;
};

static bool is_so(void *arg)
{
	const struct expectation *x = arg;

	return stream_consumer_state(x->r->c) == x->state && stream_consumer_partitions(x->r->c) == x->partitions;
}

static bool becomes(struct reading *r, enum stream_consumer_state state, int partitions, int64_t timeout_ms)
{
	struct expectation x = { r, state, partitions };

	return testkit_wait_loop(loop, is_so, &x, timeout_ms);
}

static bool is_fenced(void *arg)
{
	const struct reading *r = arg;

	return stream_consumer_state(r->c) == STREAM_FENCED;
}

/* This program again, as a member that will be killed: "member BROKERS TOPIC GROUP INSTANCE". Says "reading" once it does. */
static int be_a_member(char **argv)
{
	struct reading r = { .start = { -1, -1 }, .hold = true };

	snprintf(kafka.brokers, sizeof(kafka.brokers), "%s", argv[0]);
	assert_int_equal(loop_new(&loop), ERR_OK);
	consume_as(&r, argv[1], argv[2], argv[3], 100);
	while (stream_consumer_state(r.c) != STREAM_READING)
		(void)testkit_wait_flag(loop, &(bool){ false }, 20);
	printf("reading\n");
	fflush(stdout);
	(void)testkit_wait_flag(loop, &(bool){ false }, 60000);
	return 0;
}

static const char *self;

static bool says_reading(void *log)
{
	struct str text = STR_INIT;
	bool is;

	testkit_read(log, &text);
	is = strstr(str_text(&text), "reading") != NULL;
	str_done(&text);
	return is;
}

static void a_member_that_was_killed_has_its_partitions_again_long_before_its_session_ends(void **state) /* GT-15 */
{
	struct reading r = { .start = { -1, -1 }, .want = 10, .in_order = true };
	const char *argv[] = { self, "member", kafka.brokers, "back", "g-back", "rep-1", NULL };
	char dir[TESTKIT_PATH], log[TESTKIT_PATH + 64];
	struct delivered d = { .want = 10 };
	struct stream_producer *p = producer();
	struct testkit_proc member;

	(void)state;
	topic("back");
	testkit_file(testkit_dir(dir), "log", "", log);
	testkit_spawn(&member, &(struct testkit_spawn){ .argv = argv, .log = log });
	assert_true(testkit_wait(says_reading, log, 60000));
	assert_int_equal(testkit_proc_stop(&member, SIGKILL, 5000), 128 + SIGKILL);
	consume_as(&r, "back", "g-back", "rep-1", 100);
	assert_true(becomes(&r, STREAM_READING, 2, 30000)); /* the session: 45 s */
	produce(p, "back", 0, 10, &d);
	assert_true(testkit_wait_flag(loop, &r.done, 60000));
	stream_consumer_free(&r.c);
	stream_producer_free(&p);
}

static void instances_of_different_names_share_the_partitions(void **state)
{
	struct reading a = { .start = { -1, -1 } }, b = { .start = { -1, -1 } };

	(void)state;
	topic("shared");
	consume_as(&a, "shared", "g-shared", "rep-1", 100);
	assert_true(becomes(&a, STREAM_READING, 2, 60000));
	consume_as(&b, "shared", "g-shared", "rep-2", 100);
	assert_true(becomes(&b, STREAM_READING, 1, 60000));
	assert_true(becomes(&a, STREAM_READING, 1, 60000));
	stream_consumer_free(&a.c);
	stream_consumer_free(&b.c);
}

static void the_earlier_of_two_under_one_name_is_fenced_and_reads_nothing_more(void **state)
{
	struct reading a = { .start = { -1, -1 } }, b = { .start = { -1, -1 }, .want = 10 };
	struct delivered d = { .want = 10 };
	struct stream_producer *p = producer();

	(void)state;
	topic("fence");
	consume_as(&a, "fence", "g-fence", "rep-1", 100);
	assert_true(becomes(&a, STREAM_READING, 2, 60000));
	consume_as(&b, "fence", "g-fence", "rep-1", 100);
	assert_true(becomes(&b, STREAM_READING, 2, 60000));
	assert_true(testkit_wait_loop(loop, is_fenced, &a, 60000));
	produce(p, "fence", 0, 10, &d);
	assert_true(testkit_wait_flag(loop, &b.done, 60000));
	assert_int_equal(a.n, 0);
	stream_consumer_free(&a.c);
	stream_consumer_free(&b.c);
	stream_producer_free(&p);
}

/* librdkafka does not join for topics that nobody has made yet. */
static void a_topic_made_after_its_reader_is_joined_and_read(void **state)
{
	struct reading r = { .start = { -1, -1 }, .want = 10 };
	struct delivered d = { .want = 10 };
	struct stream_producer *p = producer();

	(void)state;
	consume_as(&r, "later", "g-later", "rep-1", 100);
	(void)testkit_wait_flag(loop, &(bool){ false }, 1500);
	assert_int_equal(stream_consumer_state(r.c), STREAM_JOINING);
	topic("later");
	produce(p, "later", 0, 10, &d);
	assert_true(testkit_wait_flag(loop, &r.done, 90000));
	stream_consumer_free(&r.c);
	stream_producer_free(&p);
}

static void without_a_broker_the_consumer_is_cut_off_until_there_is_one_again(void **state) /* GT-15 */
{
	struct reading r = { .start = { -1, -1 }, .want = 10 };
	struct delivered d = { .want = 10 };
	struct stream_producer *p = producer();

	(void)state;
	topic("away");
	consume_as(&r, "away", "g-away", "rep-1", 100);
	assert_true(becomes(&r, STREAM_READING, 2, 60000));
	testkit_kafka_kill(&kafka);
	assert_true(becomes(&r, STREAM_CUT_OFF, 2, 60000));
	testkit_kafka_restart(&kafka);
	produce(p, "away", 0, 10, &d);
	assert_true(becomes(&r, STREAM_READING, 2, 90000));
	assert_true(testkit_wait_flag(loop, &r.done, 90000));
	stream_consumer_free(&r.c);
	stream_producer_free(&p);
}

static void a_wrong_option_is_named(void **state)
{
	const char *const options[] = { "no.such.thing=1", NULL };
	struct stream_producer_params p = { .loop = loop, .brokers = "127.0.0.1:1", .options = options };
	struct err_detail d = { 0 };
	struct stream_producer *sp;

	(void)state;
	assert_int_equal(stream_producer_new(&sp, &p, &d), ERR_INVALID);
	assert_string_equal(d.field, "no.such.thing");
}

int main(int argc, char **argv)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(what_is_produced_is_read_in_the_order_of_each_key_from_the_offsets_the_owner_keeps),
		T(the_next_batch_waits_until_it_is_wanted_and_the_lag_tells),
		T(a_member_that_was_killed_has_its_partitions_again_long_before_its_session_ends),
		T(instances_of_different_names_share_the_partitions),
		T(the_earlier_of_two_under_one_name_is_fenced_and_reads_nothing_more),
		T(a_topic_made_after_its_reader_is_joined_and_read),
		T(without_a_broker_the_consumer_is_cut_off_until_there_is_one_again),
		T(nothing_is_lost_or_reordered_through_kill_9_of_the_broker),
		T(a_wrong_option_is_named),
	};
	int failed;

	if (argc == 6 && strcmp(argv[1], "member") == 0)
		return be_a_member(argv + 2);
	self = argv[0];
	testkit_kafka_start(&kafka);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	testkit_kafka_stop(&kafka);
	return failed;
}
