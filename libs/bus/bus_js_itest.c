/* The bus against a real nats-server: durable consumers, readers, leases, TLS, and what a repeated publish does. */
#include "bus/bus.h"
#include "bus_internal.h"

#include "base/clock.h"
#include "base/mem.h"
#include "testkit/testkit.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct testkit_nats nats;
static struct loop *loop;
static struct bus *bus;

static struct bus *connect_bus(struct loop *on, const char *name)
{
	struct bus_params p = { .loop = on, .url = nats.url, .name = name, .ack_timeout_ms = 500 };
	struct err_detail d = { 0 };
	struct bus *b = NULL;

	if (bus_new(&b, &p, &d))
		testkit_die("bus_new: %s", d.message);
	return b;
}

static int setup(void **state)
{
	(void)state;
	assert_int_equal(loop_new(&loop), ERR_OK);
	bus = connect_bus(loop, "test");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	bus_free(&bus);
	loop_free(&loop);
	return 0;
}

static void ensure(const char *name, const char *subject)
{
	const char *const subjects[] = { subject, NULL };
	struct bus_stream_params p = { .name = name, .subjects = subjects };

	assert_int_equal(bus_stream_ensure(bus, &p, NULL), ERR_OK);
}

static void publish_numbers(const char *subject, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		assert_int_equal(bus_js_publish(bus, subject, &i, sizeof(i), NULL, NULL, NULL), ERR_OK);
}

/* ---- durable consumers ------------------------------------------------------------------------------------------- */

struct worker {
	struct bus_consumer *c;
	bool hold; /* acknowledge nothing */
	bool nak_first;
	size_t n, redelivered, want;
	unsigned char seen[20000];
	bool done;
};

static void on_work(const struct bus_msg *msg, void *arg)
{
	struct worker *w = arg;
	size_t i;

	memcpy(&i, msg->data, sizeof(i));
	w->redelivered += msg->deliveries > 1;
	if (w->hold)
		return;
	if (w->nak_first && msg->deliveries == 1 && i % 10 == 0) {
		assert_int_equal(bus_nak(w->c, msg->seq, 50), ERR_OK);
		return;
	}
	assert_int_equal(bus_ack(w->c, msg->seq), ERR_OK);
	w->n += w->seen[i]++ == 0;
	w->done = w->n >= w->want;
}

static struct worker *consume(struct bus *b, const char *stream, size_t want, int64_t ack_wait_ms)
{
	struct worker *w = calloc(1, sizeof(*w));
	struct bus_consumer_params p = { .stream = stream,
					 .durable = "worker",
					 .max_unacked = 100,
					 .ack_wait_ms = ack_wait_ms,
					 .fn = on_work,
					 .arg = w };
	struct err_detail d = { 0 };

	assert_non_null(w);
	w->want = want;
	if (bus_consume(&w->c, b, &p, &d))
		testkit_die("bus_consume: %s", d.message);
	return w;
}

static bool no_lag(void *arg)
{
	return bus_consumer_lag(arg) == 0;
}

static void a_consumer_gets_all_work_and_again_what_it_refused(void **state)
{
	struct worker *w;

	(void)state;
	ensure("WORK", "work.>");
	publish_numbers("work.a", 0, 5000);
	w = consume(bus, "WORK", 5000, 60000); /* nothing comes again because we are slow */
	w->nak_first = true;
	assert_true(testkit_wait_flag(loop, &w->done, 60000));
	assert_int_equal(w->redelivered, 500);
	assert_true(testkit_wait_loop(loop, no_lag, w->c, 20000));
	bus_consumer_free(&w->c);
	free(w);
}

static void what_a_dead_worker_did_not_acknowledge_comes_to_another(void **state)
{
	struct bus *dying = connect_bus(loop, "dying");
	struct worker *a, *b;

	(void)state;
	ensure("DEAD", "dead.>");
	a = consume(dying, "DEAD", 1, 500);
	a->hold = true;
	publish_numbers("dead.a", 0, 50);
	(void)testkit_wait_flag(loop, &a->done, 200);
	bus_consumer_free(&a->c);
	bus_free(&dying);
	b = consume(bus, "DEAD", 50, 500);
	assert_true(testkit_wait_flag(loop, &b->done, 20000));
	bus_consumer_free(&b->c);
	free(a);
	free(b);
}

static void a_consumer_goes_on_through_kills_of_the_server(void **state)
{
	struct worker *w;

	(void)state;
	ensure("WORKK", "workk.>");
	w = consume(bus, "WORKK", 10000, 1000);
	for (size_t i = 0; i < 10000; i += 100) {
		publish_numbers("workk.a", i, i + 100);
		loop_turn(loop, 2);
		if (i == 3000 || i == 7000)
			testkit_nats_restart(&nats);
	}
	assert_true(testkit_wait_flag(loop, &w->done, 60000));
	bus_consumer_free(&w->c);
	free(w);
}

/* ---- readers ------------------------------------------------------------------------------------------------------- */

struct reading {
	struct bus_reader *r;
	size_t n, want, out, most_out;
	bool in_order, done;
};

static void on_read(const struct bus_msg *msg, void *arg)
{
	struct reading *x = arg;
	size_t i;

	memcpy(&i, msg->data, sizeof(i));
	x->in_order &= i == x->n;
	x->n++;
	x->out++;
	x->most_out = x->out > x->most_out ? x->out : x->most_out;
	x->done = x->n >= x->want;
	if (x->out == 40) {
		x->out = 0;
		bus_reader_release(x->r, 40);
	}
}

static void read_through_kills(const char *stream, const char *subject, int64_t poll_ms)
{
	struct reading x = { .in_order = true, .want = 20000 };
	struct bus_reader_params p = { .stream = stream, .window = 64, .poll_ms = poll_ms, .fn = on_read, .arg = &x };

	ensure(stream, subject);
	assert_int_equal(bus_read(&x.r, bus, &p), ERR_OK);
	for (size_t i = 0; i < 20000; i += 100) {
		publish_numbers(subject, i, i + 100);
		loop_turn(loop, 2);
		if (i == 3000 || i == 12000)
			testkit_nats_restart(&nats);
	}
	assert_true(testkit_wait_flag(loop, &x.done, 60000));
	assert_true(x.in_order);
	assert_int_equal(x.n, 20000);
	bus_reader_free(&x.r);
}

static void a_reader_gets_every_message_once_and_in_order_through_kills_of_the_server(void **state)
{
	(void)state;
	read_through_kills("READ", "read", 0);
}

static void a_reader_that_polls_gets_every_message_once_and_in_order_through_kills_of_the_server(void **state)
{
	(void)state;
	read_through_kills("POLL", "poll", 20);
}

static bool lag_is_200(void *arg)
{
	return bus_reader_lag(arg) == 200;
}

static void a_reader_holds_no_more_than_its_window(void **state)
{
	struct reading x = { .in_order = true, .want = 30 };
	struct bus_reader_params p = { .stream = "WIN", .window = 30, .fn = on_read, .arg = &x };

	(void)state;
	ensure("WIN", "win.>");
	publish_numbers("win.a", 0, 200);
	assert_int_equal(bus_read(&x.r, bus, &p), ERR_OK);
	assert_true(testkit_wait_flag(loop, &x.done, 60000));
	(void)testkit_wait_flag(loop, &(bool){ false }, 200);
	assert_int_equal(x.n, 30);
	assert_true(testkit_wait_loop(loop, lag_is_200, x.r, 20000));
	bus_reader_free(&x.r);
	p.start_seq = 150;
	x = (struct reading){ .in_order = true, .n = 149, .want = 179 };
	assert_int_equal(bus_read(&x.r, bus, &p), ERR_OK);
	assert_true(testkit_wait_flag(loop, &x.done, 60000));
	assert_true(x.in_order);
	bus_reader_free(&x.r);
}

/* ---- a compare-and-set whose acknowledgement was lost ------------------------------------------------------------ */

struct ack {
	bool done;
	err_t e;
	uint64_t seq;
};

static void on_ack(err_t e, uint64_t seq, void *arg)
{
	*(struct ack *)arg = (struct ack){ true, e, seq };
}

static struct ack kv_put(struct bus_kv *kv, const char *value, uint64_t expected)
{
	struct ack a = { 0 };

	assert_int_equal(bus_kv_put(kv, "k", value, strlen(value), expected, on_ack, &a), ERR_OK);
	assert_true(testkit_wait_flag(loop, &a.done, 20000));
	return a;
}

/* The write reaches the server, its answer is lost with the connection. */
static void put_and_lose_the_answer(struct bus_kv *kv, const char *value, uint64_t expected, struct ack *a)
{
	char answer[1024];

	assert_int_equal(bus_kv_put(kv, "k", value, strlen(value), expected, on_ack, a), ERR_OK);
	conn_flush(&bus->conn);
	assert_int_equal(poll(&(struct pollfd){ .fd = bus->conn.fd, .events = POLLIN }, 1, 20000), 1);
	assert_true(recv(bus->conn.fd, answer, sizeof(answer), MSG_DONTWAIT) > 0);
	assert_int_equal(shutdown(bus->conn.fd, SHUT_RDWR), 0);
}

static void a_compare_and_set_whose_acknowledgement_was_lost_ends_as_its_first_arrival_did(void **state)
{
	struct bus_kv_params kp = { .bucket = "twice" };
	struct bus *other_bus = connect_bus(loop, "other");
	struct ack start, won = { 0 }, lost = { 0 }, unknown = { 0 }, any = { 0 }, created = { 0 };
	struct bus_kv *kv, *other;

	(void)state;
	assert_int_equal(bus_kv_open(&kv, bus, &kp, NULL), ERR_OK);
	assert_int_equal(bus_kv_open(&other, other_bus, &kp, NULL), ERR_OK);
	put_and_lose_the_answer(kv, "zero", 0, &created);
	assert_true(testkit_wait_flag(loop, &created.done, 20000));
	assert_int_equal(created.e, ERR_OK);
	start = kv_put(kv, "one", created.seq);
	assert_int_equal(start.e, ERR_OK);
	put_and_lose_the_answer(kv, "two", start.seq, &won);
	assert_true(testkit_wait_flag(loop, &won.done, 20000));
	assert_int_equal(won.e, ERR_OK);
	assert_int_equal(won.seq, start.seq + 1);
	put_and_lose_the_answer(kv, "wrong", start.seq, &lost);
	assert_true(testkit_wait_flag(loop, &lost.done, 20000));
	assert_int_not_equal(lost.e, ERR_OK);
	put_and_lose_the_answer(kv, "three", won.seq, &unknown);
	assert_int_equal(kv_put(other, "four", won.seq + 1).e, ERR_OK); /* somebody built on it already */
	assert_true(testkit_wait_flag(loop, &unknown.done, 20000));
	assert_int_equal(unknown.e, ERR_UNAVAILABLE);
	put_and_lose_the_answer(kv, "any", BUS_KV_ANY, &any);
	assert_true(testkit_wait_flag(loop, &any.done, 20000));
	assert_int_equal(any.e, ERR_OK);
	assert_int_equal(any.seq, won.seq + 3); /* stored once */
	bus_kv_close(&kv);
	bus_kv_close(&other);
	bus_free(&other_bus);
}

/* ---- leases -------------------------------------------------------------------------------------------------------- */

struct candidate {
	struct loop *loop;
	struct bus *bus;
	struct bus_lease *lease;
	bool held;
	int acquired, lost;
	uint64_t epoch;
};

static void on_acquired(uint64_t epoch, void *arg)
{
	struct candidate *c = arg;

	assert_true(epoch > c->epoch);
	c->epoch = epoch;
	c->acquired++;
	c->held = true;
}

static void on_lost(void *arg)
{
	struct candidate *c = arg;

	c->lost++;
	c->held = false;
}

static void candidate_start(struct candidate *c, const char *key, const char *name)
{
	struct bus_lease_params p = {
		.key = key, .holder = name, .on_acquired = on_acquired, .on_lost = on_lost, .arg = c
	};

	*c = (struct candidate){ 0 };
	assert_int_equal(loop_new(&c->loop), ERR_OK);
	c->bus = connect_bus(c->loop, name);
	assert_int_equal(bus_lease_start(&c->lease, c->bus, &p), ERR_OK);
}

static void candidate_stop(struct candidate *c)
{
	bus_lease_stop(&c->lease);
	bus_free(&c->bus);
	loop_free(&c->loop);
}

/* Turns both (a may be stopped: NULL) and says whether they ever held it together. */
static bool turn_both(struct candidate *a, struct candidate *b, int64_t ms, const bool *until)
{
	int64_t end = clock_mono_ms() + ms;

	while (clock_mono_ms() < end && !(until && *until)) {
		if (a)
			loop_turn(a->loop, 2);
		loop_turn(b->loop, 2);
		assert_false(a && bus_lease_held(a->lease) && bus_lease_held(b->lease));
	}
	return !until || *until;
}

static void a_lease_has_one_holder_and_goes_on_at_once_when_released(void **state)
{
	struct candidate a, b;
	int64_t at;

	(void)state;
	candidate_start(&a, "router.1", "r1");
	assert_true(testkit_wait_flag(a.loop, &a.held, 20000));
	candidate_start(&b, "router.1", "r2");
	assert_true(turn_both(&a, &b, 3500, NULL));
	assert_true(bus_lease_held(a.lease));
	assert_int_equal(b.acquired, 0);
	assert_int_equal(a.lost, 0);
	at = clock_mono_ms();
	candidate_stop(&a);
	assert_true(turn_both(NULL, &b, 20000, &b.held));
	assert_true(clock_mono_ms() - at < 1500); /* of the 2 s after which it would have ended */
	assert_true(b.epoch > a.epoch);
	candidate_stop(&b);
}

static void a_stopped_holder_is_replaced_in_about_two_seconds_and_knows_it_before_it_acts(void **state)
{
	struct candidate a, b;
	int64_t at;

	(void)state;
	candidate_start(&a, "router.2", "r1");
	assert_true(testkit_wait_flag(a.loop, &a.held, 20000));
	candidate_start(&b, "router.2", "r2");
	assert_true(turn_both(&a, &b, 500, NULL));
	at = clock_mono_ms(); /* from here on a does not run, as by SIGSTOP */
	assert_true(turn_both(NULL, &b, 20000, &b.held));
	assert_in_range(clock_mono_ms() - at, 1400, 5000);
	assert_false(bus_lease_held(a.lease));
	loop_turn(a.loop, 10);
	assert_int_equal(a.lost, 1);
	assert_true(turn_both(&a, &b, 3000, NULL));
	assert_true(bus_lease_held(b.lease));
	assert_int_equal(a.acquired, 1);
	assert_true(b.epoch > a.epoch);
	candidate_stop(&a);
	candidate_stop(&b);
}

/* Within a while. */
static bool one_holds(struct candidate *a, struct candidate *b)
{
	for (int i = 0; i < 100 && !bus_lease_held(a->lease) && !bus_lease_held(b->lease); i++)
		(void)turn_both(a, b, 200, NULL);
	return bus_lease_held(a->lease) != bus_lease_held(b->lease);
}

static void a_lease_survives_a_quick_restart_of_the_server_or_is_lost_and_won_again(void **state)
{
	struct candidate a, b;

	(void)state;
	candidate_start(&a, "router.3", "r1");
	assert_true(testkit_wait_flag(a.loop, &a.held, 20000));
	candidate_start(&b, "router.3", "r2");
	assert_true(turn_both(&a, &b, 500, NULL));
	testkit_nats_restart(&nats);
	assert_true(turn_both(&a, &b, 6000, NULL));
	assert_true(one_holds(&a, &b));
	testkit_nats_kill(&nats);
	assert_true(turn_both(&a, &b, 2500, NULL));
	assert_false(bus_lease_held(a.lease) || bus_lease_held(b.lease)); /* nobody believes without the server */
	testkit_nats_restart(&nats);
	assert_true(turn_both(&a, &b, 6000, NULL));
	assert_true(one_holds(&a, &b));
	candidate_stop(&a);
	candidate_stop(&b);
}

/* ---- TLS ------------------------------------------------------------------------------------------------------------ */

static void on_flag(const struct bus_msg *msg, void *arg)
{
	*(bool *)arg = msg->size == 200000;
}

/* Everything new: authority, server, ourselves. */
static void renew_certificates(const char *dir)
{
	static const char *const names[] = { "ca.pem", "server.pem", "server.key", "client.pem", "client.key" };
	char next[TESTKIT_PATH], from[TESTKIT_PATH + 32], to[TESTKIT_PATH + 32];

	testkit_dir(next);
	testkit_certificate(next, "server");
	testkit_certificate(next, "client");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		(void)snprintf(from, sizeof(from), "%s/%s", next, names[i]);
		(void)snprintf(to, sizeof(to), "%s/%s", dir, names[i]);
		assert_int_equal(rename(from, to), 0);
	}
}

static void a_bus_over_tls_checks_the_server_and_shows_its_own_certificate(void **state)
{
	char dir[TESTKIT_PATH], conf[1024], ca[256], cert[256], key[256], url[64];
	struct bus_params p = {
		.loop = loop, .url = url, .name = "tls", .ca_file = ca, .cert_file = cert, .key_file = key
	};
	struct testkit_nats secure;
	struct err_detail d = { 0 };
	static char big[200000];
	struct bus_sub *sub;
	bool got = false;
	struct bus *b;

	(void)state;
	testkit_dir(dir);
	testkit_certificate(dir, "server");
	testkit_certificate(dir, "client");
	(void)snprintf(conf, sizeof(conf),
		       "tls { cert_file: \"%s/server.pem\", key_file: \"%s/server.key\", ca_file: \"%s/ca.pem\", "
		       "verify: true }\n",
		       dir, dir, dir);
	(void)snprintf(ca, sizeof(ca), "%s/ca.pem", dir);
	(void)snprintf(cert, sizeof(cert), "%s/client.pem", dir);
	(void)snprintf(key, sizeof(key), "%s/client.key", dir);
	testkit_nats_start_conf(&secure, true, conf);
	(void)snprintf(url, sizeof(url), "tls://127.0.0.1:%d", secure.port);
	if (bus_new(&b, &p, &d))
		testkit_die("TLS: %s", d.message);
	assert_int_equal(bus_subscribe(&sub, b, "t", NULL, on_flag, &got), ERR_OK);
	assert_int_equal(bus_publish(b, "t", big, sizeof(big)), ERR_OK);
	assert_true(testkit_wait_flag(loop, &got, 20000));
	testkit_nats_restart(&secure);
	got = false;
	while (bus_connected(b))
		loop_turn(loop, 100);
	assert_int_equal(bus_publish(b, "t", big, sizeof(big)), ERR_OK);
	assert_true(testkit_wait_flag(loop, &got, 20000));
	renew_certificates(dir); /* of use from the next connection on, without a restart */
	testkit_nats_restart(&secure);
	got = false;
	while (bus_connected(b))
		loop_turn(loop, 100);
	assert_int_equal(bus_publish(b, "t", big, sizeof(big)), ERR_OK);
	assert_true(testkit_wait_flag(loop, &got, 20000));
	bus_unsubscribe(&sub);
	bus_free(&b);
	p.ca_file = "/etc/ssl/certs/ca-certificates.crt"; /* not who signed the server's */
	p.connect_timeout_ms = 3000;
	assert_int_equal(bus_new(&b, &p, &d), ERR_UNAVAILABLE);
	assert_non_null(strstr(d.message, "TLS"));
	p.ca_file = "/nonexistent";
	assert_int_equal(bus_new(&b, &p, &d), ERR_INVALID);
	assert_string_equal(d.field, "nats.ca_file");
	testkit_nats_stop(&secure);
}

/* ---- servers that hang, forbid, or come back empty -------------------------------------------------------------- */

static void on_state(bool connected, void *arg)
{
	((int *)arg)[connected]++;
}

static void a_server_that_hangs_is_noticed_and_the_loop_never_waits_for_it(void **state)
{
	int states[2] = { 0 };
	struct bus_params p = { .loop = loop, .name = "hang", .on_state = on_state, .arg = states };
	struct ack last = { 0 };
	int64_t end, longest = 0;
	size_t n = 0;
	struct bus *b;
	char url[64];

	(void)state;
	ensure("HANG", "hang.>");
	(void)snprintf(url, sizeof(url), "nats://127.0.0.1:1,nats://localhost:%d",
		       nats.port); /* the first is not there */
	p.url = url;
	assert_int_equal(bus_new(&b, &p, NULL), ERR_OK);
	assert_int_equal(states[1], 0);
	testkit_stand_still(nats.proc.pid);
	end = clock_mono_ms() + 13000;
	while (clock_mono_ms() < end) {
		int64_t at = clock_mono_ms();

		if (bus_js_publish(b, "hang.a", &n, sizeof(n), NULL, NULL, NULL) == ERR_OK)
			n++;
		loop_turn(loop, 5);
		at = clock_mono_ms() - at;
		longest = at > longest ? at : longest;
	}
	kill(nats.proc.pid, SIGCONT);
	assert_int_equal(states[0], 1);
	assert_in_range(longest, 0, 1000); /* and not the seconds until the server is given up */
	assert_int_equal(bus_js_publish(b, "hang.a", &n, sizeof(n), NULL, on_ack, &last), ERR_OK);
	assert_true(testkit_wait_flag(loop, &last.done, 20000));
	assert_int_equal(last.e, ERR_OK);
	assert_int_equal(last.seq, n + 1); /* each once */
	bus_free(&b);
}

static void a_forbidden_subject_is_denied_at_once(void **state)
{
	static const char conf[] =
	    "authorization { users: [ { user: u, password: p, permissions: { publish: { deny: \"no.>\" } } } ] }\n";
	struct bus_params p = { .loop = loop, .name = "auth", .connect_timeout_ms = 3000 };
	struct bus_stream_params sp = { .name = "NO", .subjects = (const char *const[]){ "no.>", NULL } };
	struct err_detail d = { "", "" };
	struct ack a = { 0 };
	struct testkit_nats locked;
	struct bus *b;
	char url[64];

	(void)state;
	testkit_nats_start_conf(&locked, true, conf);
	(void)snprintf(url, sizeof(url), "nats://u:wrong@127.0.0.1:%d", locked.port);
	p.url = url;
	assert_int_equal(bus_new(&b, &p, &d), ERR_UNAVAILABLE);
	assert_non_null(strstr(d.message, "Authorization Violation"));
	(void)snprintf(url, sizeof(url), "nats://u:p@127.0.0.1:%d", locked.port);
	assert_int_equal(bus_new(&b, &p, &d), ERR_OK);
	assert_int_equal(bus_stream_ensure(b, &sp, &d), ERR_OK);
	assert_int_equal(bus_js_publish(b, "no.a", "x", 1, NULL, on_ack, &a), ERR_OK);
	assert_true(testkit_wait_flag(loop, &a.done, 20000));
	assert_int_equal(a.e, ERR_DENIED);
	bus_free(&b);
	testkit_nats_stop(&locked);
}

struct values {
	int puts;
	uint64_t last_seq;
	bool synced, one, two, again;
};

static void on_value(enum bus_kv_op op, const char *key, const struct bus_msg *msg, void *arg)
{
	struct values *v = arg;

	v->synced |= op == BUS_KV_SYNCED;
	if (op != BUS_KV_PUT)
		return;
	assert_string_equal(key, "k");
	v->again |= msg->seq < v->last_seq;
	v->last_seq = msg->seq;
	v->two = ++v->puts == 2;
	v->one = true;
}

static void on_sequence(const struct bus_msg *msg, void *arg)
{
	struct values *v = arg;

	v->again |= msg->seq < v->last_seq;
	v->last_seq = msg->seq;
	v->synced = true;
}

static void what_was_deleted_and_made_anew_is_read_from_its_beginning(void **state)
{
	struct bus_kv_params kp = { .bucket = "anew" };
	struct values v = { 0 }, r = { 0 };
	struct bus_reader_params rp = { .stream = "KV_anew", .fn = on_sequence, .arg = &r };
	struct bus_kv_watch *watch;
	struct bus_reader *reader;
	struct bus_kv *kv, *kv2;
	json_t *answer = NULL;
	int err_code;

	(void)state;
	assert_int_equal(bus_kv_open(&kv, bus, &kp, NULL), ERR_OK);
	assert_int_equal(bus_kv_watch(&watch, kv, ">", on_value, &v), ERR_OK);
	assert_true(testkit_wait_flag(loop, &v.synced, 20000));
	assert_int_equal(kv_put(kv, "a", BUS_KV_ANY).e, ERR_OK);
	assert_true(testkit_wait_flag(loop, &v.one, 20000)); /* the bucket keeps the newest only */
	assert_int_equal(kv_put(kv, "b", BUS_KV_ANY).e, ERR_OK);
	assert_true(testkit_wait_flag(loop, &v.two, 20000));
	assert_int_equal(bus_read(&reader, bus, &rp), ERR_OK);
	assert_true(testkit_wait_flag(loop, &r.synced, 20000));
	assert_false(testkit_wait_flag(loop, &r.again, 100));
	assert_int_equal(api_call(bus, "STREAM.DELETE.KV_anew", NULL, &answer, &err_code, NULL), ERR_OK);
	json_decref(answer);
	assert_int_equal(bus_kv_open(&kv2, bus, &kp, NULL), ERR_OK);
	assert_int_equal(kv_put(kv2, "c", BUS_KV_ANY).e, ERR_OK);
	assert_true(testkit_wait_flag(loop, &v.again, 20000));
	assert_true(testkit_wait_flag(loop, &r.again, 20000));
	bus_reader_free(&reader);
	bus_kv_unwatch(&watch);
	bus_kv_close(&kv);
	bus_kv_close(&kv2);
}

struct polled {
	char trace[200]; /* "+key" a value, "-key" a deletion, "." all of the first values */
	bool three, end;
};

static void on_polled_value(enum bus_kv_op op, const char *key, const struct bus_msg *msg, void *arg)
{
	struct polled *p = arg;
	size_t n = strlen(p->trace);

	(void)msg;
	(void)snprintf(p->trace + n, sizeof(p->trace) - n, "%s%s",
		       op == BUS_KV_SYNCED ? "."
		       : op == BUS_KV_PUT  ? "+"
					   : "-",
		       key ? key : "");
	p->three = strstr(p->trace, ".") && strstr(p->trace, "-x.b");
	p->end = strstr(p->trace, "+x.z") != NULL;
}

static err_t put_key(struct bus_kv *kv, const char *key)
{
	struct ack a = { 0 };

	assert_int_equal(bus_kv_put(kv, key, "v", 1, 0, on_ack, &a), ERR_OK);
	assert_true(testkit_wait_flag(loop, &a.done, 20000));
	return a.e;
}

static void a_polled_watch_tells_the_same_as_one_that_is_told_at_once(void **state)
{
	struct bus_kv_params kp = { .bucket = "polled" };
	struct polled p = { "" };
	struct bus_kv_watch *watch;
	struct bus_kv *kv;

	(void)state;
	assert_int_equal(bus_kv_open(&kv, bus, &kp, NULL), ERR_OK);
	assert_int_equal(put_key(kv, "x.a"), ERR_OK);
	assert_int_equal(put_key(kv, "x.b"), ERR_OK);
	assert_int_equal(put_key(kv, "y.other"), ERR_OK);
	assert_int_equal(bus_kv_watch_polled(&watch, kv, "x.>", 20, on_polled_value, &p), ERR_OK);
	while (!strchr(p.trace, '.') || strlen(p.trace) < 9)
		loop_turn(loop, 10);
	assert_string_equal(p.trace, "+x.a+x.b.");
	assert_int_equal(put_key(kv, "x.c"), ERR_OK);
	assert_int_equal(bus_kv_delete(kv, "x.b", BUS_KV_ANY, NULL, NULL), ERR_OK);
	assert_true(testkit_wait_flag(loop, &p.three, 20000));
	assert_string_equal(p.trace, "+x.a+x.b.+x.c-x.b");
	testkit_nats_restart(&nats);
	bus_kv_watch_poll(watch, 0);
	assert_int_equal(put_key(kv, "x.z"), ERR_OK);
	assert_true(testkit_wait_flag(loop, &p.end, 20000));
	assert_string_equal(p.trace, "+x.a+x.b.+x.c-x.b+x.z");
	bus_kv_unwatch(&watch);
	bus_kv_close(&kv);
}

/* The server tells of the marker when the bucket has been closed. */
static void an_entry_is_created_over_a_marker_though_the_bucket_is_closed_meanwhile(void **state)
{
	struct bus_kv_params kp = { .bucket = "closed" };
	struct ack deleted = { 0 }, created = { 0 };
	struct bus_kv *kv;
	void *overwritten;

	(void)state;
	assert_int_equal(bus_kv_open(&kv, bus, &kp, NULL), ERR_OK);
	assert_int_equal(put_key(kv, "k"), ERR_OK);
	assert_int_equal(bus_kv_delete(kv, "k", BUS_KV_ANY, on_ack, &deleted), ERR_OK);
	assert_true(testkit_wait_flag(loop, &deleted.done, 20000));
	assert_int_equal(bus_kv_put(kv, "k", "v", 1, 0, on_ack, &created), ERR_OK);
	bus_kv_close(&kv);
	overwritten = mem_alloc(sizeof(*kv));
	assert_non_null(overwritten);
	memset(overwritten, 0xff, sizeof(*kv));
	assert_true(testkit_wait_flag(loop, &created.done, 20000));
	assert_int_equal(created.e, ERR_OK);
	mem_free(overwritten);
}

static void nobody_at_the_address_is_said_plainly(void **state)
{
	struct bus_params p = { .loop = loop, .url = "nats://127.0.0.1:1", .name = "x", .connect_timeout_ms = 2000 };
	struct err_detail d = { 0 };
	struct bus *b;

	(void)state;
	assert_int_equal(bus_new(&b, &p, &d), ERR_UNAVAILABLE);
	assert_non_null(strstr(d.message, "refused"));
	p.url = "http://x";
	assert_int_equal(bus_new(&b, &p, &d), ERR_INVALID);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_consumer_gets_all_work_and_again_what_it_refused),
		T(what_a_dead_worker_did_not_acknowledge_comes_to_another),
		T(a_consumer_goes_on_through_kills_of_the_server),
		T(a_reader_gets_every_message_once_and_in_order_through_kills_of_the_server),
		T(a_reader_that_polls_gets_every_message_once_and_in_order_through_kills_of_the_server),
		T(a_reader_holds_no_more_than_its_window),
		T(a_compare_and_set_whose_acknowledgement_was_lost_ends_as_its_first_arrival_did),
		T(a_lease_has_one_holder_and_goes_on_at_once_when_released),
		T(a_stopped_holder_is_replaced_in_about_two_seconds_and_knows_it_before_it_acts),
		T(a_lease_survives_a_quick_restart_of_the_server_or_is_lost_and_won_again),
		T(a_bus_over_tls_checks_the_server_and_shows_its_own_certificate),
		T(a_server_that_hangs_is_noticed_and_the_loop_never_waits_for_it),
		T(a_forbidden_subject_is_denied_at_once),
		T(what_was_deleted_and_made_anew_is_read_from_its_beginning),
		T(a_polled_watch_tells_the_same_as_one_that_is_told_at_once),
		T(an_entry_is_created_over_a_marker_though_the_bucket_is_closed_meanwhile),
		T(nobody_at_the_address_is_said_plainly),
	};
	int failed;

	testkit_nats_start(&nats, true);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	testkit_nats_stop(&nats);
	return failed;
}
