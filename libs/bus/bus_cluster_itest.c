/* Three servers as one JetStream cluster, each stream on all of them: one after the other is killed while we write (GT-15). */
#include "bus/bus.h"

#include "base/clock.h"
#include "testkit/cmocka_all.h"
#include "testkit/testkit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODES	3
#define EACH_MS 10
#define WRITES	65536
#define ELECTS_MS \
	60000 /* a follower waits 4 to 9 s before it campaigns (nats-server 2.15); the rest is for a busy machine */

static struct testkit_nats nodes[NODES];
static int route_ports[NODES];
static char url[256];
static struct loop *loop;

/* ---- the cluster --------------------------------------------------------------------------------------------------- */

static void start_node(int i)
{
	char conf[600];

	snprintf(conf, sizeof(conf),
		 "server_name: n%d\ncluster { name: test, listen: \"127.0.0.1:%d\", routes: [ \"nats://127.0.0.1:%d\", "
		 "\"nats://127.0.0.1:%d\", \"nats://127.0.0.1:%d\" ] }\n",
		 i, route_ports[i], route_ports[0], route_ports[1], route_ports[2]);
	testkit_nats_start_conf(&nodes[i], true, conf);
}

static int group_setup(void **state)
{
	UNUSED(state);
	for (int i = 0; i < NODES; i++)
		route_ports[i] = testkit_tcp_port();
	for (int i = 0; i < NODES; i++)
		start_node(i);
	snprintf(url, sizeof(url), "%s,%s,%s", nodes[0].url, nodes[1].url, nodes[2].url);
	return loop_new(&loop) ? -1 : 0;
}

static int group_teardown(void **state)
{
	UNUSED(state);
	loop_free(&loop);
	for (int i = 0; i < NODES; i++)
		testkit_nats_stop(&nodes[i]);
	return 0;
}

/* ---- what writes and what reads ------------------------------------------------------------------------------------ */

struct flow { /* acknowledged writes of one kind */
	size_t sent, acked, refused;
	int64_t last_ms, pause_ms; /* longest time without an acknowledgement */
};

struct world {
	struct bus *bus;
	struct bus_kv *kv;
	struct bus_kv_watch *watch;
	struct bus_reader *reader;
	struct bus_lease *lease;
	struct loop_timer tick;
	struct flow facts, state;
	bool writing, putting;
	uint64_t revision;
	bool acked[WRITES];
	size_t times_read[WRITES], last_read, out_of_order;
	unsigned value_put, value_seen; /* the key's, as acknowledged and as watched */
	uint64_t last_watched;
	unsigned watched_back; /* revisions that did not grow */
	uint64_t epoch;
	unsigned epochs_back;
	char leader[8];
	bool asked, current;
};

static void flowed(struct flow *f)
{
	int64_t now = clock_mono_ms();

	if (f->last_ms && now - f->last_ms > f->pause_ms)
		f->pause_ms = now - f->last_ms;
	f->last_ms = now;
	f->acked++;
}

struct write {
	struct world *w;
	size_t n;
};

static void on_fact(err_t e, uint64_t seq, void *arg)
{
	struct write *x = arg;

	UNUSED(seq);
	if (!e) {
		flowed(&x->w->facts);
		x->w->acked[x->n] = true;
	} else {
		x->w->facts.refused++;
	}
	free(x);
}

static void on_get(err_t e, const struct bus_msg *m, void *arg)
{
	struct world *w = arg;

	w->putting = e && !bus_kv_get(w->kv, "a.key", on_get, w);
	if (e)
		return;
	w->revision = m->seq;
	memcpy(&w->value_put, m->data, sizeof(unsigned));
}

static void on_put(err_t e, uint64_t seq, void *arg)
{
	struct world *w = arg;

	w->putting = false;
	if (e) { /* unknown: read again */
		w->state.refused++;
		w->putting = !bus_kv_get(w->kv, "a.key", on_get, w);
		return;
	}
	flowed(&w->state);
	w->revision = seq;
	w->value_put = (unsigned)w->state.sent;
}

static void write_fact(struct world *w)
{
	struct write *x = malloc(sizeof(*x));
	size_t n = w->facts.sent++;
	char id[32];

	assert_true(n < WRITES);
	*x = (struct write){ w, n };
	snprintf(id, sizeof(id), "fact.%zu", n);
	assert_int_equal(bus_js_publish(w->bus, "fact.x", &n, sizeof(n), id, on_fact, x), ERR_OK);
}

static void on_tick(void *arg)
{
	struct world *w = arg;

	if (!w->writing)
		return;
	loop_timer_start(&w->tick, EACH_MS);
	write_fact(w);
	if (w->putting)
		return;
	w->state.sent++;
	w->putting = !bus_kv_put(w->kv, "a.key", &w->state.sent, sizeof(unsigned), w->revision, on_put, w);
}

static void on_read(const struct bus_msg *m, void *arg)
{
	struct world *w = arg;
	size_t n;

	assert_int_equal(m->size, sizeof(n));
	memcpy(&n, m->data, sizeof(n));
	w->times_read[n]++;
	w->out_of_order += n < w->last_read;
	w->last_read = n;
	bus_reader_release(w->reader, 1);
}

static void on_watch(enum bus_kv_op op, const char *key, const struct bus_msg *m, void *arg)
{
	struct world *w = arg;

	UNUSED(key);
	if (op != BUS_KV_PUT)
		return;
	w->watched_back += m->seq <= w->last_watched;
	w->last_watched = m->seq;
	memcpy(&w->value_seen, m->data, sizeof(unsigned));
}

static void on_acquired(uint64_t epoch, void *arg)
{
	struct world *w = arg;

	w->epochs_back += epoch <= w->epoch;
	w->epoch = epoch;
}

static void on_lost(void *arg)
{
	UNUSED(arg);
}

static void open_world(struct world *w)
{
	const char *const subjects[] = { "fact.>", NULL };
	struct bus_stream_params sp = { .name = "FACTS", .subjects = subjects };
	struct bus_params p = { .loop = loop, .url = url, .name = "test", .connect_timeout_ms = 30000 };
	struct bus_reader_params rp = { .stream = "FACTS", .poll_ms = 20, .fn = on_read, .arg = w };
	struct bus_lease_params lp = {
		.key = "x", .holder = "test", .on_acquired = on_acquired, .on_lost = on_lost, .arg = w
	};
	struct err_detail d = { "", "" };
	err_t e = bus_new(&w->bus, &p, &d);

	for (int i = 0; i < 4 && !e; i++) /* the first leader of all is elected meanwhile */
		if (!(e = bus_stream_ensure(w->bus, &sp, &d)))
			break;
		else
			e = i < 3 ? ERR_OK : e;
	e = e ? e : bus_kv_open(&w->kv, w->bus, &(struct bus_kv_params){ .bucket = "state" }, &d);
	e = e ? e : bus_kv_watch(&w->watch, w->kv, ">", on_watch, w);
	e = e ? e : bus_read(&w->reader, w->bus, &rp);
	e = e ? e : bus_lease_start(&w->lease, w->bus, &lp);
	if (e)
		testkit_die("%s: %s", d.field, d.message);
	loop_timer_init(&w->tick, loop, on_tick, w);
	w->writing = true;
	on_tick(w);
}

static void close_world(struct world *w)
{
	loop_timer_done(&w->tick);
	bus_lease_stop(&w->lease);
	bus_reader_free(&w->reader);
	bus_kv_unwatch(&w->watch);
	bus_kv_close(&w->kv);
	bus_free(&w->bus);
}

/* ---- who leads ------------------------------------------------------------------------------------------------------ */

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	for (const char *at = strstr(text, what); at; at = strstr(at + 1, what))
		n++;
	return n;
}

static void on_info(err_t e, const struct bus_msg *m, void *arg)
{
	struct world *w = arg;
	const char *at = e ? NULL : strstr(m->data, "\"leader\":\"");

	w->asked = false;
	w->leader[0] = '\0';
	w->current = at && count(m->data, "\"current\":true") == NODES - 1 && !strstr(m->data, "\"offline\":true");
	if (at)
		snprintf(w->leader, sizeof(w->leader), "%.2s", at + 10);
}

static void ask(struct world *w, const char *stream)
{
	char subject[80];

	if (w->asked)
		return;
	snprintf(subject, sizeof(subject), "$JS.API.STREAM.INFO.%s", stream);
	w->asked = bus_request(w->bus, subject, NULL, 0, 500, on_info, w) == ERR_OK;
}

static bool is_whole(void *arg)
{
	struct world *w = arg;

	if (w->current && w->leader[0])
		return true;
	ask(w, "FACTS");
	return false;
}

static int leader_of_facts(struct world *w)
{
	w->current = false;
	assert_true(testkit_wait_loop(loop, is_whole, w, ELECTS_MS));
	w->current = false;
	return atoi(w->leader + 1);
}

/* ---- the tests ------------------------------------------------------------------------------------------------------- */

struct goal {
	struct world *w;
	size_t facts, state;
};

static bool reached(void *arg)
{
	const struct goal *g = arg;

	return g->w->facts.acked >= g->facts && g->w->state.acked >= g->state;
}

/* Until so many more writes of both kinds are acknowledged. */
static void flow_on(struct world *w, size_t n)
{
	struct goal g = { w, w->facts.acked + n, w->state.acked + n };

	assert_true(testkit_wait_loop(loop, reached, &g, ELECTS_MS));
}

static size_t unread(const struct world *w)
{
	size_t lost = 0;

	for (size_t n = 0; n < w->facts.sent; n++)
		lost += w->acked[n] && w->times_read[n] == 0;
	return lost;
}

static bool all_settled(void *arg)
{
	const struct world *w = arg;

	return w->facts.acked + w->facts.refused == w->facts.sent && !w->putting && w->value_seen == w->value_put &&
	       unread(w) == 0;
}

static void judge(struct world *w)
{
	size_t lost = unread(w), doubled = 0;

	for (size_t n = 0; n < w->facts.sent; n++)
		doubled += w->times_read[n] > 1;
	print_message("facts: %zu acknowledged, %zu refused, longest pause %lld ms; state: %zu, %zu, %lld ms\n",
		      w->facts.acked, w->facts.refused, (long long)w->facts.pause_ms, w->state.acked, w->state.refused,
		      (long long)w->state.pause_ms);
	assert_int_equal(lost, 0);
	assert_int_equal(doubled, 0);
	assert_int_equal(w->out_of_order, 0);
	assert_int_equal(w->watched_back, 0);
	assert_int_equal(w->epochs_back, 0);
}

static void what_was_acknowledged_survives_the_kill_of_the_leading_server_and_then_of_another(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	int first, second;

	UNUSED(state);
	open_world(w);
	flow_on(w, 50);
	first = leader_of_facts(w);
	testkit_nats_kill(&nodes[first]);
	flow_on(w, 50);
	testkit_nats_restart(&nodes[first]);
	second = leader_of_facts(w);
	testkit_nats_kill(&nodes[second]);
	flow_on(w, 50);
	testkit_nats_restart(&nodes[second]);
	(void)leader_of_facts(w);
	w->writing = false;
	(void)testkit_wait_loop(loop, all_settled, w, ELECTS_MS);
	judge(w);
	assert_int_equal(w->value_seen, w->value_put);
	close_world(w);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_acknowledged_survives_the_kill_of_the_leading_server_and_then_of_another),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
