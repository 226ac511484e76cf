/* The bus against a real nats-server: core messages, JetStream publishing, key-value. */
#include "bus/bus.h"

#include "base/clock.h"
#include "base/mem.h"
#include "testkit/testkit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct testkit_nats nats;
static struct loop *loop;
static struct bus *bus;

#define WAIT_MS 20000 /* for what must come */

static struct bus *connect_with(const char *name, int64_t ack_timeout_ms)
{
	struct bus_params p = { .loop = loop, .url = nats.url, .name = name, .ack_timeout_ms = ack_timeout_ms };
	struct err_detail d = { 0 };
	struct bus *b = NULL;

	if (bus_new(&b, &p, &d))
		testkit_die("bus_new: %s", d.message);
	return b;
}

static struct bus *connect_bus(const char *name)
{
	return connect_with(name, 500);
}

static int setup(void **state)
{
	(void)state;
	assert_int_equal(loop_new(&loop), ERR_OK);
	bus = connect_bus("test");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	bus_free(&bus);
	loop_free(&loop);
	return 0;
}

/* ---- core -------------------------------------------------------------------------------------------------------- */

struct seen {
	size_t n, want;
	bool in_order;
	bool done;
};

static void on_numbered(const struct bus_msg *msg, void *arg)
{
	struct seen *s = arg;
	size_t i;

	assert_int_equal(msg->size, sizeof(i));
	memcpy(&i, msg->data, sizeof(i));
	s->in_order &= i == s->n;
	s->done = ++s->n >= s->want;
}

static void a_subscriber_gets_every_message_in_the_order_of_publishing(void **state)
{
	struct seen s = { .in_order = true, .want = 50000 };
	struct bus_sub *sub;

	(void)state;
	assert_int_equal(bus_subscribe(&sub, bus, "t.order.*", NULL, on_numbered, &s), ERR_OK);
	for (size_t i = 0; i < s.want; i++)
		assert_int_equal(bus_publish(bus, "t.order.x", &i, sizeof(i)), ERR_OK);
	assert_true(testkit_wait_flag(loop, &s.done, WAIT_MS));
	assert_true(s.in_order);
	bus_unsubscribe(&sub);
}

static void on_count(const struct bus_msg *msg, void *arg)
{
	(void)msg;
	++*(int *)arg;
}

static bool both(void *arg)
{
	int *n = arg;

	return n[0] + n[1] >= 1000;
}

static void on_ready(const struct bus_msg *msg, void *arg)
{
	(void)msg;
	*(bool *)arg = true;
}

static void a_queue_group_gets_each_message_once(void **state)
{
	struct bus *other = connect_bus("other");
	struct bus_sub *a, *b, *ready;
	int n[2] = { 0 };
	bool known = false;

	(void)state;
	assert_int_equal(bus_subscribe(&a, bus, "t.group", "workers", on_count, &n[0]), ERR_OK);
	assert_int_equal(bus_subscribe(&b, other, "t.group", "workers", on_count, &n[1]), ERR_OK);
	assert_int_equal(bus_subscribe(&ready, bus, "t.ready", NULL, on_ready, &known), ERR_OK);
	while (!known) { /* what comes by the other connection comes behind its subscription */
		assert_int_equal(bus_publish(other, "t.ready", "x", 1), ERR_OK);
		(void)testkit_wait_flag(loop, &known, 50);
	}
	for (int i = 0; i < 1000; i++)
		assert_int_equal(bus_publish(bus, "t.group", "x", 1), ERR_OK);
	assert_true(testkit_wait_loop(loop, both, n, WAIT_MS));
	assert_int_equal(n[0] + n[1], 1000);
	assert_true(n[0] > 100 && n[1] > 100);
	bus_unsubscribe(&ready);
	bus_unsubscribe(&a);
	bus_unsubscribe(&b);
	bus_free(&other);
}

struct reply {
	bool done;
	err_t e;
	char text[64];
	uint64_t seq;
};

static void on_reply(err_t e, const struct bus_msg *msg, void *arg)
{
	struct reply *r = arg;

	r->done = true;
	r->e = e;
	if (msg) {
		(void)snprintf(r->text, sizeof(r->text), "%.*s", (int)msg->size, (const char *)msg->data);
		r->seq = msg->seq;
	}
}

static void echo(const struct bus_msg *msg, void *arg)
{
	(void)arg;
	assert_int_equal(bus_publish(bus, msg->reply, msg->data, msg->size), ERR_OK);
}

static void a_request_ends_with_the_reply_or_the_time_out_or_nobody_there(void **state)
{
	struct reply ok = { 0 }, none = { 0 }, late = { 0 };
	struct bus_sub *sub, *deaf;
	int ignored = 0;

	(void)state;
	assert_int_equal(bus_subscribe(&sub, bus, "t.echo", NULL, echo, NULL), ERR_OK);
	assert_int_equal(bus_subscribe(&deaf, bus, "t.deaf", NULL, on_count, &ignored), ERR_OK);
	assert_int_equal(bus_request(bus, "t.echo", "hello", 5, WAIT_MS, on_reply, &ok), ERR_OK);
	assert_int_equal(bus_request(bus, "t.nobody", "x", 1, WAIT_MS, on_reply, &none), ERR_OK);
	assert_int_equal(bus_request(bus, "t.deaf", "x", 1, 100, on_reply, &late), ERR_OK);
	assert_true(testkit_wait_flag(loop, &ok.done, WAIT_MS));
	assert_true(testkit_wait_flag(loop, &none.done, WAIT_MS));
	assert_true(testkit_wait_flag(loop, &late.done, WAIT_MS));
	assert_int_equal(ok.e, ERR_OK);
	assert_string_equal(ok.text, "hello");
	assert_int_equal(none.e, ERR_UNAVAILABLE);
	assert_int_equal(late.e, ERR_TIMEOUT);
	bus_unsubscribe(&sub);
	bus_unsubscribe(&deaf);
}

static void a_subject_that_would_break_the_protocol_is_refused(void **state)
{
	static const char *const wrong[] = { "", "a b", "a\r\nPUB x 0", "a..b", ".a", "a.", "a.*", "a.>" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(bus_publish(bus, wrong[i], "x", 1), ERR_INVALID);
	assert_int_equal(bus_js_publish(bus, "ev.x", "x", 1, "id\r\nX: y", NULL, NULL), ERR_INVALID);
}

static void a_message_of_a_megabyte_goes_through(void **state)
{
	size_t size = 1000000;
	char *big = mem_zalloc(size);
	struct bus_sub *sub;
	int n[2] = { 0, 999 };

	(void)state;
	assert_non_null(big);
	assert_int_equal(bus_subscribe(&sub, bus, "t.big", NULL, on_count, &n[0]), ERR_OK);
	assert_int_equal(bus_publish(bus, "t.big", big, size), ERR_OK);
	assert_true(testkit_wait_loop(loop, both, n, WAIT_MS));
	assert_int_equal(bus_publish(bus, "t.big", big, 64u << 20), ERR_INVALID);
	bus_unsubscribe(&sub);
	mem_free(big);
}

/* ---- JetStream --------------------------------------------------------------------------------------------------- */

struct acks {
	size_t ok, failed;
	uint64_t last_seq;
	err_t last_error;
};

static void on_ack(err_t e, uint64_t seq, void *arg)
{
	struct acks *a = arg;

	if (e)
		a->failed++, a->last_error = e;
	else
		a->ok++, a->last_seq = seq;
}

struct want {
	struct acks *a;
	size_t n;
};

static bool have(void *arg)
{
	struct want *w = arg;

	return w->a->ok + w->a->failed >= w->n;
}

static bool wait_acks(struct acks *a, size_t n, int64_t timeout_ms)
{
	struct want w = { a, n };

	return testkit_wait_loop(loop, have, &w, timeout_ms);
}

static void ensure(const char *name, const char *subject)
{
	const char *const subjects[] = { subject, NULL };
	struct bus_stream_params p = { .name = name, .subjects = subjects };
	struct err_detail d = { 0 };

	if (bus_stream_ensure(bus, &p, &d))
		testkit_die("bus_stream_ensure: %s", d.message);
}

static void published_messages_are_acknowledged_with_their_sequence_and_a_known_id_is_stored_once(void **state)
{
	struct acks a = { 0 };
	char id[32];

	(void)state;
	ensure("ACKS", "acks.>");
	ensure("ACKS", "acks.>"); /* a second time changes nothing */
	for (int i = 0; i < 20000; i++) {
		(void)snprintf(id, sizeof(id), "id-%d", i % 10000);
		assert_int_equal(bus_js_publish(bus, "acks.a", "x", 1, id, on_ack, &a), ERR_OK);
	}
	assert_true(wait_acks(&a, 20000, 60000));
	assert_int_equal(a.ok, 20000);
	assert_int_equal(a.last_seq, 10000);
}

static void more_than_max_pending_is_refused_at_the_call(void **state)
{
	struct bus_params p = { .loop = loop, .url = nats.url, .name = "small", .max_pending = 100 };
	struct acks a = { 0 };
	struct bus *small;
	err_t e = ERR_OK;
	int n = 0;

	(void)state;
	ensure("SMALL", "small.>");
	assert_int_equal(bus_new(&small, &p, NULL), ERR_OK);
	while (!e && ++n < 1000)
		e = bus_js_publish(small, "small.a", "x", 1, NULL, on_ack, &a);
	assert_int_equal(e, ERR_EXHAUSTED);
	assert_int_equal(n, 101);
	assert_true(wait_acks(&a, 100, WAIT_MS));
	assert_int_equal(a.ok, 100);
	assert_int_equal(bus_js_publish(small, "small.a", "x", 1, NULL, on_ack, &a), ERR_OK);
	bus_free(&small);
}

static void publishing_to_no_stream_waits_and_then_works(void **state)
{
	struct acks a = { 0 };

	(void)state;
	assert_int_equal(bus_js_publish(bus, "later.a", "x", 1, NULL, on_ack, &a), ERR_OK);
	assert_false(wait_acks(&a, 1, 300));
	ensure("LATER", "later.>");
	assert_true(wait_acks(&a, 1, WAIT_MS));
	assert_int_equal(a.ok, 1);
}

static void nothing_acknowledged_is_lost_and_everything_is_stored_once_through_kill_9_of_the_server(void **state)
{
	struct bus_stream_params p = { .name = "KILL", .subjects = (const char *const[]){ "kill.>", NULL } };
	struct acks a = { 0 };
	size_t sent = 0, n = 30000;
	int kills = 0;

	(void)state;
	assert_int_equal(bus_stream_ensure(bus, &p, NULL), ERR_OK);
	while (sent < n) {
		for (int i = 0; i < 200 && sent < n; i++, sent++)
			if (bus_js_publish(bus, "kill.a", &sent, sizeof(sent), NULL, on_ack, &a))
				testkit_die("refused");
		loop_turn(loop, 1);
		if (sent % 10000 == 5000 && kills++ < 3)
			testkit_nats_restart(&nats);
	}
	assert_true(wait_acks(&a, n, 90000));
	assert_int_equal(a.ok, n);
	assert_int_equal(a.failed, 0);
	assert_int_equal(a.last_seq, n); /* no repeat was stored a second time */
}

/* ---- key-value ---------------------------------------------------------------------------------------------------- */

static struct bus_kv *bucket(const char *name, int64_t ttl_ms)
{
	struct bus_kv_params p = { .bucket = name, .ttl_ms = ttl_ms };
	struct err_detail d = { 0 };
	struct bus_kv *kv;

	if (bus_kv_open(&kv, bus, &p, &d))
		testkit_die("bus_kv_open: %s", d.message);
	return kv;
}

static uint64_t put(struct bus_kv *kv, const char *key, const char *value, uint64_t expected, err_t want)
{
	struct acks a = { 0 };

	assert_int_equal(bus_kv_put(kv, key, value, strlen(value), expected, on_ack, &a), ERR_OK);
	assert_true(wait_acks(&a, 1, WAIT_MS));
	assert_int_equal(a.ok ? ERR_OK : a.last_error, want);
	return a.last_seq;
}

static uint64_t del(struct bus_kv *kv, const char *key, uint64_t expected, err_t want)
{
	struct acks a = { 0 };

	assert_int_equal(bus_kv_delete(kv, key, expected, on_ack, &a), ERR_OK);
	assert_true(wait_acks(&a, 1, WAIT_MS));
	assert_int_equal(a.ok ? ERR_OK : a.last_error, want);
	return a.last_seq;
}

static struct reply get(struct bus_kv *kv, const char *key)
{
	struct reply r = { 0 };

	assert_int_equal(bus_kv_get(kv, key, on_reply, &r), ERR_OK);
	assert_true(testkit_wait_flag(loop, &r.done, WAIT_MS));
	return r;
}

static void a_compare_and_set_needs_the_present_revision(void **state)
{
	struct bus_kv *kv = bucket("cas", 0);
	uint64_t r1, r2, r3;
	struct reply r;

	(void)state;
	assert_int_equal(get(kv, "acme.a").e, ERR_NOT_FOUND);
	r1 = put(kv, "acme.a", "one", 0, ERR_OK);
	put(kv, "acme.a", "uno", 0, ERR_ABORTED);
	r2 = put(kv, "acme.a", "two", r1, ERR_OK);
	put(kv, "acme.a", "due", r1, ERR_ABORTED);
	r = get(kv, "acme.a");
	assert_int_equal(r.e, ERR_OK);
	assert_string_equal(r.text, "two");
	assert_int_equal(r.seq, r2);
	put(kv, "acme.a", "any", BUS_KV_ANY, ERR_OK);
	del(kv, "acme.a", r2, ERR_ABORTED);
	r3 = get(kv, "acme.a").seq;
	del(kv, "acme.a", r3, ERR_OK);
	assert_int_equal(get(kv, "acme.a").e, ERR_NOT_FOUND);
	put(kv, "acme.a", "reborn", 0, ERR_OK); /* over the marker of the deletion */
	assert_string_equal(get(kv, "acme.a").text, "reborn");
	bus_kv_close(&kv);
}

static void on_info(err_t e, const struct bus_msg *msg, void *arg)
{
	struct reply *r = arg;
	char text[4096];

	r->done = true;
	r->e = e;
	if (!msg)
		return;
	(void)snprintf(text, sizeof(text), "%.*s", (int)msg->size, (const char *)msg->data);
	r->seq = strstr(text, "\"state\":{\"messages\":0,") ? 0 : 1;
}

/* A bucket whose keys come and go, such as calls, must not keep a marker of each for ever. */
static void what_a_delete_leaves_behind_goes_too(void **state)
{
	struct bus_kv_params p = { .bucket = "comes-and-goes", .marker_ttl_ms = 1000 };
	struct reply r = { .seq = 1 };
	struct bus_kv *kv;

	(void)state;
	assert_int_equal(bus_kv_open(&kv, bus, &p, NULL), ERR_OK);
	for (int i = 0; i < 100; i++) {
		char key[16];

		(void)snprintf(key, sizeof(key), "k%d", i);
		(void)del(kv, key, put(kv, key, "x", 0, ERR_OK), ERR_OK);
	}
	assert_int_equal(get(kv, "k7").e, ERR_NOT_FOUND);
	for (int i = 0; i < 50 && r.seq; i++) {
		bool never = false;

		r.done = false;
		assert_int_equal(bus_request(bus, "$JS.API.STREAM.INFO.KV_comes-and-goes", "", 0, 2000, on_info, &r),
				 ERR_OK);
		assert_true(testkit_wait_flag(loop, &r.done, WAIT_MS));
		if (r.seq)
			(void)testkit_wait_flag(loop, &never, 100);
	}
	assert_int_equal(r.seq, 0);
	bus_kv_close(&kv);
}

static void of_two_competitors_exactly_one_wins_each_of_1000_compare_and_sets(void **state)
{
	/* An answer that is late makes a repeat, and the loser of a repeat is told that it is unknown: here none is. */
	struct bus *one_bus = connect_with("one", 60000), *other_bus = connect_with("other", 60000);
	struct bus_kv_params p = { .bucket = "race" };
	struct bus_kv *kv, *other;
	uint64_t rev;

	(void)state;
	assert_int_equal(bus_kv_open(&kv, one_bus, &p, NULL), ERR_OK);
	rev = put(kv, "k", "start", 0, ERR_OK);
	assert_int_equal(bus_kv_open(&other, other_bus, &p, NULL), ERR_OK);
	for (int i = 0; i < 1000; i++) {
		struct acks a = { 0 };

		assert_int_equal(bus_kv_put(kv, "k", "A", 1, rev, on_ack, &a), ERR_OK);
		assert_int_equal(bus_kv_put(other, "k", "B", 1, rev, on_ack, &a), ERR_OK);
		assert_true(wait_acks(&a, 2, WAIT_MS));
		assert_int_equal(a.ok, 1);
		assert_int_equal(a.last_error, ERR_ABORTED);
		rev = a.last_seq;
	}
	bus_kv_close(&kv);
	bus_kv_close(&other);
	bus_free(&one_bus);
	bus_free(&other_bus);
}

struct watched {
	int puts, deletes, synced;
	uint64_t last_rev;
	bool ordered;
	char last_key[64];
};

static void on_watch(enum bus_kv_op op, const char *key, const struct bus_msg *msg, void *arg)
{
	struct watched *w = arg;

	if (op == BUS_KV_SYNCED) {
		w->synced++;
		return;
	}
	w->ordered &= msg->seq > w->last_rev;
	w->last_rev = msg->seq;
	(void)snprintf(w->last_key, sizeof(w->last_key), "%s", key);
	if (op == BUS_KV_PUT)
		w->puts++;
	else
		w->deletes++;
}

struct watch_want {
	struct watched *w;
	int puts, deletes, synced;
};

static bool watched_enough(void *arg)
{
	struct watch_want *x = arg;

	return x->w->puts >= x->puts && x->w->deletes >= x->deletes && x->w->synced >= x->synced;
}

static bool wait_watched(struct watched *w, int puts, int deletes, int synced, int64_t timeout_ms)
{
	struct watch_want x = { w, puts, deletes, synced };

	return testkit_wait_loop(loop, watched_enough, &x, timeout_ms);
}

static void a_watch_gives_the_present_values_then_synced_then_every_change(void **state)
{
	struct bus_kv *kv = bucket("watch", 0);
	struct watched w = { .ordered = true }, empty = { .ordered = true };
	struct bus_kv_watch *watch, *watch2;

	(void)state;
	put(kv, "acme.a", "1", BUS_KV_ANY, ERR_OK);
	put(kv, "acme.b", "1", BUS_KV_ANY, ERR_OK);
	put(kv, "other.c", "1", BUS_KV_ANY, ERR_OK);
	assert_int_equal(bus_kv_watch(&watch, kv, "acme.>", on_watch, &w), ERR_OK);
	assert_int_equal(bus_kv_watch(&watch2, kv, "nobody.>", on_watch, &empty), ERR_OK);
	assert_true(wait_watched(&w, 2, 0, 1, WAIT_MS));
	assert_true(wait_watched(&empty, 0, 0, 1, WAIT_MS));
	put(kv, "acme.a", "2", BUS_KV_ANY, ERR_OK);
	del(kv, "acme.b", BUS_KV_ANY, ERR_OK);
	assert_true(wait_watched(&w, 3, 1, 1, WAIT_MS));
	assert_string_equal(w.last_key, "acme.b");
	assert_true(w.ordered);
	assert_int_equal(w.puts + w.deletes, 4);
	assert_int_equal(w.synced, 1);
	assert_int_equal(empty.puts + empty.deletes, 0);
	bus_kv_unwatch(&watch);
	bus_kv_unwatch(&watch2);
	bus_kv_close(&kv);
}

static void what_expires_reaches_the_watchers_as_deleted(void **state)
{
	struct bus_kv *kv = bucket("ttl", 1000);
	struct watched w = { .ordered = true };
	struct bus_kv_watch *watch;

	(void)state;
	assert_int_equal(bus_kv_watch(&watch, kv, ">", on_watch, &w), ERR_OK);
	put(kv, "k", "1", 0, ERR_OK);
	assert_true(wait_watched(&w, 1, 1, 1, WAIT_MS));
	put(kv, "k", "2", 0, ERR_OK); /* over the marker */
	bus_kv_unwatch(&watch);
	bus_kv_close(&kv);
}

static void a_watch_goes_on_without_a_gap_through_kills_of_the_server(void **state)
{
	struct bus_kv_params kp = { .bucket = "gap", .history = 64 };
	struct watched w = { .ordered = true };
	struct bus_kv_watch *watch;
	struct acks a = { 0 };
	struct bus_kv *kv;
	char key[32];

	(void)state;
	assert_int_equal(bus_kv_open(&kv, bus, &kp, NULL), ERR_OK);
	assert_int_equal(bus_kv_watch(&watch, kv, ">", on_watch, &w), ERR_OK);
	assert_true(wait_watched(&w, 0, 0, 1, WAIT_MS));
	for (int i = 0; i < 5000; i++) {
		(void)snprintf(key, sizeof(key), "k.%d", i % 200);
		assert_int_equal(bus_kv_put(kv, key, "v", 1, BUS_KV_ANY, on_ack, &a), ERR_OK);
		if (i % 50 == 0)
			loop_turn(loop, 1);
		if (i == 1500 || i == 3500)
			testkit_nats_restart(&nats);
	}
	assert_true(wait_acks(&a, 5000, 60000));
	assert_int_equal(a.ok, 5000);
	assert_true(wait_watched(&w, 5000, 0, 1, 20000));
	assert_true(w.ordered);
	assert_int_equal(w.puts, 5000);
	bus_kv_unwatch(&watch);
	bus_kv_close(&kv);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static err_t use_everything(void *arg)
{
	struct bus_params p = { .loop = loop, .url = nats.url, .name = "mem", .connect_timeout_ms = 300 };
	struct bus_kv_params kp = { .bucket = "mem" };
	struct bus_kv_watch *watch = NULL;
	struct bus_sub *sub = NULL;
	struct bus_kv *kv = NULL;
	struct bus *b = NULL;
	int n = 0;
	err_t e;

	(void)arg;
	e = bus_new(&b, &p, NULL);
	e = e ? e : bus_subscribe(&sub, b, "t.mem", "q", on_count, &n);
	e = e ? e : bus_publish(b, "t.mem", "x", 1);
	e = e ? e : bus_kv_open(&kv, b, &kp, NULL);
	e = e ? e : bus_kv_watch(&watch, kv, ">", on_watch, &(struct watched){ 0 });
	e = e ? e : bus_kv_put(kv, "k", "v", 1, BUS_KV_ANY, NULL, NULL);
	bus_kv_unwatch(&watch);
	bus_unsubscribe(&sub);
	if (kv)
		bus_kv_close(&kv);
	bus_free(&b);
	return e == ERR_UNAVAILABLE || e == ERR_TIMEOUT ? ERR_EXHAUSTED
							: e; /* a connection without memory is no connection */
}

static void running_out_of_memory_is_reported_and_leaks_nothing(void **state)
{
	(void)state;
	testkit_each_alloc_failure(use_everything, NULL);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_subscriber_gets_every_message_in_the_order_of_publishing),
		T(a_queue_group_gets_each_message_once),
		T(a_request_ends_with_the_reply_or_the_time_out_or_nobody_there),
		T(a_subject_that_would_break_the_protocol_is_refused),
		T(a_message_of_a_megabyte_goes_through),
		T(published_messages_are_acknowledged_with_their_sequence_and_a_known_id_is_stored_once),
		T(more_than_max_pending_is_refused_at_the_call),
		T(publishing_to_no_stream_waits_and_then_works),
		T(nothing_acknowledged_is_lost_and_everything_is_stored_once_through_kill_9_of_the_server),
		T(a_compare_and_set_needs_the_present_revision),
		T(what_a_delete_leaves_behind_goes_too),
		T(of_two_competitors_exactly_one_wins_each_of_1000_compare_and_sets),
		T(a_watch_gives_the_present_values_then_synced_then_every_change),
		T(what_expires_reaches_the_watchers_as_deleted),
		T(a_watch_goes_on_without_a_gap_through_kills_of_the_server),
		T(running_out_of_memory_is_reported_and_leaks_nothing),
	};
	int failed;

	testkit_nats_start(&nats, true);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	testkit_nats_stop(&nats);
	return failed;
}
