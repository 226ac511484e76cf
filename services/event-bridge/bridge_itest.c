/* The real process between a real nats-server and a real Kafka, killed at every joint. */
#include "bridge_internal.h"

#include "base/clock.h"
#include "bus/bus.h"
#include "events/events.h"
#include "log/log.h"
#include "pbcheck/pbcheck.h"
#include "stream/stream.h"
#include "testkit/testkit.h"
#include "trunkline/event/v1/event.pb-c.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KEYS 40

static struct testkit_nats nats;
static struct testkit_kafka kafka;
static char dir[TESTKIT_PATH], conf[TESTKIT_PATH + 64];
static struct loop *loop;
static struct bus *bus;
static struct events *events;

/* ---- the process ----------------------------------------------------------------------------------------------------- */

static int run_bridge(int argc, char **argv)
{
	struct bridge_config cfg = { 0 };
	struct err_detail detail = { "", "" };
	struct service *svc = NULL;
	struct bridge *bridge = NULL;
	err_t e = service_new(&svc, "event-bridge", bridge_config_items, &cfg, argc, argv);

	if (e)
		return service_exit_code(e);
	e = bridge_new(&bridge, svc, &cfg, &detail);
	if (e)
		LOG_ERROR(NULL, "service.start_failed", "message=%s", LOG_Q(detail.message));
	else
		service_run(svc);
	bridge_free(&bridge);
	service_free(&svc);
	return service_exit_code(e);
}

static void start_bridge(struct testkit_proc *p, const char *instance)
{
	char name[64], log[TESTKIT_PATH + 64];
	const char *const argv[] = { "/proc/self/exe", "-c", conf, NULL };
	const char *const env[] = { "BRIDGE_ITEST=1", name, NULL };
	struct testkit_spawn how = { .argv = argv, .env = env, .log = log };

	(void)snprintf(name, sizeof(name), "TRUNKLINE_INSTANCE=%s", instance);
	(void)snprintf(log, sizeof(log), "%s/%s.log", dir, instance);
	testkit_spawn(p, &how);
}

static void write_conf(void)
{
	char text[600];

	(void)snprintf(
	    text, sizeof(text),
	    "instance: b1\nsite: centre\nhttp:\n  port: 0\nnats:\n  url: \"%s\"\nkafka:\n  brokers: \"%s\"\n"
	    "  partitions: 3\n  tenant_topics: \"acme, initech\"\nbridge:\n  window: 500\n  keep_events: 100\n",
	    nats.url, kafka.brokers);
	testkit_file(dir, "bridge.yaml", text, conf);
}

/* ---- what goes in ---------------------------------------------------------------------------------------------------- */

static uint64_t next_seq[KEYS];
static size_t n_acked;

static void on_ack(err_t e, uint64_t seq, void *arg)
{
	(void)seq;
	(void)arg;
	n_acked += e == ERR_OK;
}

static void emit(size_t n)
{
	for (size_t i = 0; i < n; i++) {
		Trunkline__Event__V1__Event ev = TRUNKLINE__EVENT__V1__EVENT__INIT;
		Trunkline__Event__V1__CallAnswered body = TRUNKLINE__EVENT__V1__CALL_ANSWERED__INIT;
		size_t k = (size_t)rand() % KEYS;
		char id[64], key[32];

		(void)snprintf(key, sizeof(key), "c%zu", k);
		(void)snprintf(id, sizeof(id), "c%zu.%llu", k, (unsigned long long)++next_seq[k]);
		ev.id = id;
		ev.tenant = k % 2 ? "acme" : "umbrella";
		ev.call_id = key;
		ev.seq = next_seq[k];
		ev.body_case = TRUNKLINE__EVENT__V1__EVENT__BODY_CALL_ANSWERED;
		ev.call_answered = &body;
		assert_int_equal(events_emit(events, "call", key, &ev, on_ack, NULL), ERR_OK);
	}
}

static bool all_acked(void *arg)
{
	return n_acked >= *(size_t *)arg;
}

static void turn_for(int64_t ms)
{
	(void)testkit_wait_flag(loop, &(bool){ false }, ms);
}

/* ---- what comes out ------------------------------------------------------------------------------------------------ */

struct out {
	struct stream_consumer *c;
	const char *tenant;  /* nobody else's is there */
	uint64_t seen[KEYS]; /* highest sequence per key */
	size_t n, fresh, repeated, want;
	bool in_order, done;
};

static int64_t from_the_beginning(const char *topic, int32_t partition, void *arg)
{
	(void)topic;
	(void)partition;
	(void)arg;
	return -1;
}

static void on_batch(const struct stream_record *records, size_t n, void *arg)
{
	struct out *o = arg;

	for (size_t i = 0; i < n; i++, o->n++) {
		Trunkline__Event__V1__Event *ev;
		ProtobufCMessage *msg;
		char key[64];
		size_t k;

		assert_int_equal(pbcheck_unpack(&msg, &trunkline__event__v1__event__descriptor, records[i].value,
						records[i].size, NULL),
				 ERR_OK);
		ev = (Trunkline__Event__V1__Event *)msg;
		k = (size_t)atoi(ev->call_id + 1);
		if (o->tenant)
			assert_string_equal(ev->tenant, o->tenant);
		(void)snprintf(key, sizeof(key), "%s:%s", ev->tenant, ev->call_id);
		assert_int_equal(strlen(key), records[i].key_size);
		assert_memory_equal(key, records[i].key, records[i].key_size);
		if (ev->seq <= o->seen[k]) {
			o->repeated++;
		} else {
			o->in_order &= ev->seq == o->seen[k] + 1; /* no hole, whatever was repeated */
			o->seen[k] = ev->seq;
			o->fresh++;
		}
		protobuf_c_message_free_unpacked(msg, NULL);
	}
	o->done = o->fresh >= o->want;
	stream_consumer_next(o->c);
}

static void read_topic(struct out *o, const char *topic, const char *tenant, size_t want, int64_t timeout_ms)
{
	const char *const topics[] = { topic, NULL };
	struct stream_consumer_params p = { .loop = loop,
					    .brokers = kafka.brokers,
					    .group = "itest",
					    .topics = topics,
					    .start_offset = from_the_beginning,
					    .on_batch = on_batch,
					    .arg = o };

	*o = (struct out){ .tenant = tenant, .want = want, .in_order = true };
	assert_int_equal(stream_consumer_new(&o->c, &p, NULL), ERR_OK);
	(void)testkit_wait_flag(loop, &o->done, timeout_ms);
	turn_for(500);
	stream_consumer_free(&o->c);
}

static void read_all(struct out *o, size_t want, int64_t timeout_ms)
{
	read_topic(o, "trunkline.call.v1", NULL, want, timeout_ms);
}

/* ---- tests ----------------------------------------------------------------------------------------------------------- */

static size_t total;
static struct testkit_proc bridge;

static void emit_over(size_t n, int steps)
{
	for (int i = 0; i < steps; i++) {
		emit(n / (size_t)steps);
		turn_for(20);
	}
	total += n / (size_t)steps * (size_t)steps;
}

static void every_event_is_in_kafka_once_and_in_order_also_after_an_orderly_restart(void **state)
{
	struct out o;

	(void)state;
	start_bridge(&bridge, "b1");
	emit_over(3000, 30);
	assert_int_equal(testkit_proc_stop(&bridge, SIGTERM, 10000), 0);
	emit_over(500, 5);
	start_bridge(&bridge, "b1");
	emit_over(1500, 15);
	read_all(&o, total, 120000);
	assert_int_equal(o.fresh, total);
	assert_int_equal(o.repeated, 0);
	assert_true(o.in_order);
}

static void kafka_away_keeps_the_backlog_in_the_stream_and_it_catches_up(void **state)
{
	struct out o;

	(void)state;
	testkit_kafka_kill(&kafka);
	emit_over(4000, 40);
	turn_for(2000);
	testkit_kafka_restart(&kafka);
	read_all(&o, total, 120000);
	assert_int_equal(o.fresh, total);
	assert_true(o.in_order);
}

static void kill_9_of_the_bridge_loses_nothing_and_keeps_the_order(void **state)
{
	struct out o;

	(void)state;
	for (int i = 0; i < 4; i++) {
		emit_over(1000, 10);
		testkit_proc_stop(&bridge, SIGKILL, 20000);
		emit_over(200, 2);
		start_bridge(&bridge, i % 2 ? "b1" : "b2");
		turn_for(300);
	}
	read_all(&o, total, 120000);
	assert_int_equal(o.fresh, total);
	assert_true(o.in_order);
}

static void kill_9_of_the_nats_server_loses_nothing_and_keeps_the_order(void **state)
{
	struct out o;

	(void)state;
	emit_over(1000, 10);
	testkit_nats_restart(&nats);
	emit_over(1000, 10);
	testkit_nats_restart(&nats);
	emit_over(1000, 10);
	assert_true(testkit_wait_loop(loop, all_acked, &total, 60000));
	read_all(&o, total, 120000);
	assert_int_equal(o.fresh, total);
	assert_true(o.in_order);
}

static void a_standby_goes_on_when_the_active_one_hangs(void **state)
{
	struct testkit_proc standby;
	struct out o;

	(void)state;
	emit_over(500, 5);
	start_bridge(&standby, "b3");
	turn_for(1000);
	testkit_stand_still(bridge.pid);
	emit_over(1500, 15);
	read_all(&o, total, 120000);
	assert_int_equal(o.fresh, total);
	kill(bridge.pid, SIGCONT);
	emit_over(1500, 15);
	read_all(&o, total, 120000);
	assert_int_equal(o.fresh, total);
	assert_true(o.in_order);
	assert_int_equal(testkit_proc_stop(&standby, SIGTERM, 10000), 0);
	assert_int_equal(testkit_proc_stop(&bridge, SIGTERM, 10000), 0);
}

static void what_is_no_event_goes_to_the_dead_letters_and_stops_nothing(void **state)
{
	struct out o;

	(void)state;
	start_bridge(&bridge, "b1");
	assert_int_equal(bus_js_publish(bus, "ev.acme.call.c1", "\xff\xff\xff", 3, NULL, NULL, NULL), ERR_OK);
	assert_int_equal(bus_js_publish(bus, "ev.acme.nonsense.c1", "x", 1, NULL, NULL, NULL), ERR_OK);
	emit_over(100, 1);
	read_all(&o, total, 120000);
	assert_int_equal(o.fresh, total);
	assert_true(o.in_order);
	assert_int_equal(testkit_proc_stop(&bridge, SIGTERM, 10000), 0);
}

static void a_tenants_own_topic_has_all_its_events_in_order_and_nobody_elses_GT_3_1_2(void **state)
{
	size_t acme = 0;
	struct out o;

	(void)state;
	start_bridge(&bridge, "b1");
	emit_over(200, 2);
	for (size_t k = 1; k < KEYS; k += 2)
		acme += next_seq[k];
	read_topic(&o, "trunkline.tenant.acme.call.v1", "acme", acme, 120000);
	assert_int_equal(o.fresh, acme);
	assert_true(o.in_order);
	assert_int_equal(testkit_proc_stop(&bridge, SIGTERM, 10000), 0);
}

static void a_name_that_no_topic_can_have_is_refused(void **state)
{
	struct bridge_config cfg = { .format = "json", .domains = "call", .tenants = "acme,ac.me" };
	struct err_detail d = { "", "" };

	(void)state;
	assert_int_equal(topics_check(&cfg, &d), ERR_INVALID);
	assert_string_equal(d.field, "kafka.tenant_topics");
	assert_non_null(strstr(d.message, "'ac.me'"));
	cfg.tenants = "";
	assert_int_equal(topics_check(&cfg, &d), ERR_OK);
	cfg.domains = " , ";
	assert_int_equal(topics_check(&cfg, &d), ERR_INVALID);
	assert_string_equal(d.field, "kafka.domains");
}

static int setup(void **state)
{
	struct bus_params p = { .url = nats.url, .name = "itest", .ack_timeout_ms = 500 };
	struct err_detail d = { "", "" };

	(void)state;
	if (loop_new(&loop))
		return -1;
	p.loop = loop;
	if (bus_new(&bus, &p, &d) || events_ensure_stream(bus, &d) || events_new(&events, bus, "centre", "itest"))
		testkit_die("setup: %s", d.message);
	return 0;
}

static int teardown(void **state)
{
	struct str log = STR_INIT;
	char path[TESTKIT_PATH + 64];

	(void)state;
	for (int i = 1; getenv("BRIDGE_LOG") && i <= 3; i++) {
		(void)snprintf(path, sizeof(path), "%s/b%d.log", dir, i);
		testkit_read(path, &log);
	}
	fputs(str_text(&log), stderr);
	str_done(&log);
	events_free(&events);
	bus_free(&bus);
	loop_free(&loop);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_event_is_in_kafka_once_and_in_order_also_after_an_orderly_restart),
		cmocka_unit_test(kafka_away_keeps_the_backlog_in_the_stream_and_it_catches_up),
		cmocka_unit_test(kill_9_of_the_bridge_loses_nothing_and_keeps_the_order),
		cmocka_unit_test(kill_9_of_the_nats_server_loses_nothing_and_keeps_the_order),
		cmocka_unit_test(a_standby_goes_on_when_the_active_one_hangs),
		cmocka_unit_test(what_is_no_event_goes_to_the_dead_letters_and_stops_nothing),
		cmocka_unit_test(a_tenants_own_topic_has_all_its_events_in_order_and_nobody_elses_GT_3_1_2),
		cmocka_unit_test(a_name_that_no_topic_can_have_is_refused),
	};
	int failed;

	if (getenv("BRIDGE_ITEST"))
		return run_bridge(argc, argv);
	testkit_dir(dir);
	testkit_nats_start(&nats, true);
	testkit_kafka_start(&kafka);
	write_conf();
	failed = cmocka_run_group_tests(tests, setup, teardown);
	testkit_kafka_stop(&kafka);
	testkit_nats_stop(&nats);
	return failed;
}
