/*
 * The real program, twice, and once in a pool of its own, against a real NATS server: who leads when the leader is killed, that callers
 * keep their order, that a leader who was asleep can do no harm, and that a tenant moves between pools. The test is the call-control and
 * the agents.
 */
#include "testkit/cmocka_all.h"

#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agents/agents_store.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/placement.h"
#include "bus/bus.h"
#include "events/events.h"
#include "testkit/testkit.h"
#include "trunkline/config/v1/config.pb-c.h"
#include "trunkline/media/v1/media.pb-c.h"
#include "trunkline/router/v1/router.pb-c.h"

#define TENANT	    "acme"
#define CALLS	    20
#define ROUTERS	    3
#define GOLD	    2 /* the router of pool gold */
#define TAKEOVER_MS 3000
#define WAIT_MS	    20000 /* for what must come */

typedef Trunkline__Router__V1__RouterEvents pb_events;

struct waiting {
	char id[33];
	int64_t arrival_ms;
	bool taken;	   /* accepted: answered from now on */
	int order;	   /* of acceptance */
	unsigned assigned; /* messages */
	char agent[32];
};

static struct testkit_nats nats;
static struct testkit_proc routers[ROUTERS];
static struct loop *loop;
static struct bus *bus;
static struct events *events;
static struct bus_kv *config, *calls_kv;
static struct agents_store *store;
static struct bus_sub *sub_events, *sub_epoch, *sub_status;
static struct loop_timer heart;
static char dir[TESTKIT_PATH], binary[512];
static int http_ports[ROUTERS];
static struct waiting waiting[CALLS];
static int n_waiting, n_taken, n_wrong;
static const char *pool = "shared"; /* the tenant's */
static uint64_t epoch;		    /* of the tenant's shard */
static char leader[32];		    /* of the tenant's shard */
static uint32_t last_position, last_signed_in, last_refused, status_waiting, status_ready;
static int64_t last_takeover_ms;

static uint32_t shard(void)
{
	return hash_router_shard(TENANT);
}

/* ---- the call-control that we are ----------------------------------------------------------------------------------- */

static void send_request(Trunkline__Router__V1__RouterRequest *r)
{
	Trunkline__Router__V1__RouterRequests m = TRUNKLINE__ROUTER__V1__ROUTER_REQUESTS__INIT;
	uint8_t bytes[2048];
	char subject[160], name[PLACEMENT_ROUTER];

	m.owner = (char *)"cc-1";
	m.n_requests = 1;
	m.requests = &r;
	placement_router(name, pool, shard());
	snprintf(subject, sizeof(subject), "tl.centre.%s", name);
	assert_true(trunkline__router__v1__router_requests__get_packed_size(&m) < sizeof(bytes));
	assert_int_equal(bus_publish(bus, subject, bytes, trunkline__router__v1__router_requests__pack(&m, bytes)),
			 ERR_OK);
}

static Trunkline__Router__V1__RouterRequest request(const struct waiting *w)
{
	Trunkline__Router__V1__RouterRequest r = TRUNKLINE__ROUTER__V1__ROUTER_REQUEST__INIT;

	r.tenant = (char *)TENANT;
	r.call_id = (char *)(uintptr_t)w->id;
	r.call_epoch = 1;
	return r;
}

static void send_enqueue(const struct waiting *w, const char *queue)
{
	Trunkline__Router__V1__RouterRequest r = request(w);
	Trunkline__Router__V1__Enqueue e = TRUNKLINE__ROUTER__V1__ENQUEUE__INIT;

	e.queue_id = (char *)(uintptr_t)queue;
	e.arrival_ms = w->arrival_ms;
	e.priority = 5;
	r.request_case = TRUNKLINE__ROUTER__V1__ROUTER_REQUEST__REQUEST_ENQUEUE;
	r.enqueue = &e;
	send_request(&r);
}

static void send_result(const struct waiting *w, const char *agent, uint64_t of_epoch,
			Trunkline__Router__V1__Outcome outcome)
{
	Trunkline__Router__V1__RouterRequest r = request(w);
	Trunkline__Router__V1__AssignmentResult res = TRUNKLINE__ROUTER__V1__ASSIGNMENT_RESULT__INIT;

	res.agent_id = (char *)(uintptr_t)agent;
	res.router_epoch = of_epoch;
	res.outcome = outcome;
	r.request_case = TRUNKLINE__ROUTER__V1__ROUTER_REQUEST__REQUEST_RESULT;
	r.result = &res;
	send_request(&r);
}

static struct waiting *find_waiting(const char *id)
{
	for (int i = 0; i < n_waiting; i++)
		if (strcmp(waiting[i].id, id) == 0)
			return &waiting[i];
	return NULL;
}

static void on_assigned(const Trunkline__Router__V1__RouterEvent *ev, uint64_t of_epoch)
{
	struct waiting *w = find_waiting(ev->call_id);

	if (!w)
		return;
	w->assigned++;
	if (of_epoch < epoch) {
		send_result(w, ev->assigned->agent_id, of_epoch, TRUNKLINE__ROUTER__V1__OUTCOME__OUTCOME_STALE);
		return;
	}
	if (!w->taken) {
		w->taken = true;
		w->order = n_taken++;
		snprintf(w->agent, sizeof(w->agent), "%s", ev->assigned->agent_id);
	}
	if (strcmp(w->agent, ev->assigned->agent_id) != 0 || strlen(ev->assigned->leg_id) != 32)
		n_wrong++; /* never two agents for one call */
	send_result(w, w->agent, of_epoch, TRUNKLINE__ROUTER__V1__OUTCOME__OUTCOME_ACCEPTED);
}

static void on_events(const struct bus_msg *msg, void *arg)
{
	pb_events *m = trunkline__router__v1__router_events__unpack(NULL, msg->size, msg->data);

	UNUSED(arg);
	assert_non_null(m);
	for (size_t i = 0; i < m->n_events; i++) {
		const Trunkline__Router__V1__RouterEvent *ev = m->events[i];

		if (ev->event_case == TRUNKLINE__ROUTER__V1__ROUTER_EVENT__EVENT_ASSIGNED)
			on_assigned(ev, m->epoch);
		if (ev->event_case == TRUNKLINE__ROUTER__V1__ROUTER_EVENT__EVENT_QUEUED) {
			last_position = ev->queued->position;
			last_signed_in = ev->queued->agents_signed_in;
		}
		if (ev->event_case == TRUNKLINE__ROUTER__V1__ROUTER_EVENT__EVENT_REFUSED)
			last_refused = ev->refused->error;
	}
	trunkline__router__v1__router_events__free_unpacked(m, NULL);
}

/* A leader has taken over: everything that waits is asserted again, in whatever order. */
static void on_epoch(const struct bus_msg *msg, void *arg)
{
	Trunkline__Router__V1__RouterEpoch *m = trunkline__router__v1__router_epoch__unpack(NULL, msg->size, msg->data);
	Trunkline__Router__V1__RouterRequest r = TRUNKLINE__ROUTER__V1__ROUTER_REQUEST__INIT;
	Trunkline__Router__V1__AssertEnd end = TRUNKLINE__ROUTER__V1__ASSERT_END__INIT;

	UNUSED(arg);
	assert_non_null(m);
	if (m->shard == shard() && placement_same(m->pool, pool)) {
		n_wrong += m->epoch < epoch;
		epoch = m->epoch;
		last_takeover_ms = clock_mono_ms();
		snprintf(leader, sizeof(leader), "%s", m->instance);
		for (int i = n_waiting; i-- > 0;)
			if (!waiting[i].taken)
				send_enqueue(&waiting[i], "sales");
		end.router_epoch = m->epoch;
		end.shard = m->shard;
		r.request_case = TRUNKLINE__ROUTER__V1__ROUTER_REQUEST__REQUEST_ASSERT_END;
		r.assert_end = &end;
		send_request(&r);
	}
	trunkline__router__v1__router_epoch__free_unpacked(m, NULL);
}

static void on_status(const struct bus_msg *msg, void *arg)
{
	Trunkline__Router__V1__QueueStatuses *m =
	    trunkline__router__v1__queue_statuses__unpack(NULL, msg->size, msg->data);

	UNUSED(arg);
	n_wrong += !m || strcmp(m->tenant, TENANT) != 0;
	if (!m)
		return;
	for (size_t i = 0; i < m->n_queues; i++) {
		if (strcmp(m->queues[i]->queue_id, "sales") != 0)
			continue;
		status_waiting = m->queues[i]->waiting;
		status_ready = m->queues[i]->agents_ready;
	}
	trunkline__router__v1__queue_statuses__free_unpacked(m, NULL);
}

static void on_heart(void *arg)
{
	Trunkline__Media__V1__Heartbeat hb = TRUNKLINE__MEDIA__V1__HEARTBEAT__INIT;
	uint8_t bytes[256];

	UNUSED(arg);
	hb.instance = (char *)"cc-1";
	hb.service = (char *)"call-control";
	hb.incarnation = 1;
	assert_int_equal(bus_publish(bus, "tl.centre.hb.call-control.cc-1", bytes,
				     trunkline__media__v1__heartbeat__pack(&hb, bytes)),
			 ERR_OK);
	loop_timer_start(&heart, 300);
}

/* ---- configuration and agents --------------------------------------------------------------------------------------- */

static void put_ok(err_t e, uint64_t seq, void *arg)
{
	UNUSED(seq);
	assert_int_equal(e, ERR_OK);
	*(bool *)arg = true;
}

static void put_config(const char *key, const ProtobufCMessage *m)
{
	uint8_t bytes[4096];
	bool done = false;

	assert_true(protobuf_c_message_get_packed_size(m) < sizeof(bytes));
	assert_int_equal(bus_kv_put(config, key, bytes, protobuf_c_message_pack(m, bytes), BUS_KV_ANY, put_ok, &done),
			 ERR_OK);
	assert_true(testkit_wait_flag(loop, &done, WAIT_MS));
}

/* In the pool, by that version of the tenant's configuration. */
static void configure(const char *in, uint64_t version)
{
	Trunkline__Config__V1__TenantConfig t = TRUNKLINE__CONFIG__V1__TENANT_CONFIG__INIT;
	Trunkline__Config__V1__SkillLevel level = TRUNKLINE__CONFIG__V1__SKILL_LEVEL__INIT, *levels = &level;
	Trunkline__Config__V1__Skill skill = TRUNKLINE__CONFIG__V1__SKILL__INIT, *skills = &skill;
	Trunkline__Config__V1__Queue q = TRUNKLINE__CONFIG__V1__QUEUE__INIT, *queues = &q;
	char key[64], id[12];

	level.skill_id = skill.id = (char *)"sales";
	level.level = 3;
	q.id = (char *)"sales";
	q.n_skills = 1;
	q.skills = &levels;
	t.tenant = (char *)TENANT;
	t.version = version;
	t.pool = (char *)(uintptr_t)in;
	t.time_zone = (char *)"UTC";
	t.sip_domain = (char *)"acme.test";
	t.n_skills = t.n_queues = 1;
	t.skills = &skills;
	t.queues = &queues;
	pool = placement_pool(in);
	put_config(TENANT ".main", &t.base);
	for (int i = 0; i < CALLS; i++) {
		Trunkline__Config__V1__Agent a = TRUNKLINE__CONFIG__V1__AGENT__INIT;

		snprintf(id, sizeof(id), "%d", 1001 + i);
		snprintf(key, sizeof(key), TENANT ".agent.%s", id);
		a.tenant = (char *)TENANT;
		a.id = id;
		a.enabled = true;
		a.version = 1;
		a.auto_ready_after_wrap_up = true;
		a.n_skills = 1;
		a.skills = &levels;
		put_config(key, &a.base);
	}
}

struct applied { /* never fail inside a callback: the loop would not know */
	bool done;
	err_t e;
	char why[256];
};

static void applied(err_t e, const struct agent_record *record, uint64_t revision, const struct err_detail *d,
		    void *arg)
{
	struct applied *a = arg;

	UNUSED(record);
	UNUSED(revision);
	a->done = true;
	a->e = e;
	if (d)
		snprintf(a->why, sizeof(a->why), "%s", d->message);
}

static void agent_event(int i, struct agent_event ev)
{
	struct applied a = { 0 };
	char id[12];

	snprintf(id, sizeof(id), "%d", 1001 + i);
	assert_int_equal(agents_apply(store, TENANT, id, &ev, applied, &a), ERR_OK);
	assert_true(testkit_wait_flag(loop, &a.done, WAIT_MS));
	if (a.e)
		fail_msg("agent %s: %s", id, a.why);
}

static enum agent_state agent_state(int i)
{
	const struct agent_record *r;
	char id[12];

	snprintf(id, sizeof(id), "%d", 1001 + i);
	r = agents_find(store, TENANT, id, NULL);
	return r ? r->state : AGENT_SIGNED_OUT;
}

/* ---- processes ------------------------------------------------------------------------------------------------------- */

static void start_router(int i)
{
	char text[512], name[32], path[TESTKIT_PATH + 64], log[TESTKIT_PATH + 64];
	const char *argv[] = { binary, "-c", path, NULL };
	struct testkit_spawn how = { .argv = argv, .log = log };

	snprintf(name, sizeof(name), "router-%d.yaml", i);
	snprintf(text, sizeof(text),
		 "instance: router-%d\nsite: centre\nnats:\n  url: \"%s\"\nhttp:\n  address: 127.0.0.1\n  port: %d\n%s",
		 i, nats.url, http_ports[i], i == GOLD ? "pool: gold\n" : "");
	testkit_file(dir, name, text, path);
	snprintf(log, sizeof(log), "%s/router-%d.log", dir, i);
	testkit_spawn(&routers[i], &how);
	if (!testkit_wait_tcp(http_ports[i], WAIT_MS)) {
		struct str out = STR_INIT;

		testkit_read(log, &out);
		testkit_die("router-%d did not come up:\n%s", i, str_text(&out));
	}
}

static int leading(void)
{
	return leader[0] ? atoi(leader + strlen("router-")) : -1;
}

static bool has_leader(void *arg)
{
	UNUSED(arg);
	return leader[0];
}

static bool newer_epoch(void *arg)
{
	return epoch > *(uint64_t *)arg;
}

static bool all_taken(void *arg)
{
	return n_taken >= *(int *)arg;
}

struct expected_state {
	int agent;
	enum agent_state state;
};

static bool has_state(void *arg)
{
	const struct expected_state *x = arg;

	return agent_state(x->agent) == x->state;
}

/* Messages and the watch of the agents' bucket arrive independently of each other. */
static void assert_state(int agent, enum agent_state state)
{
	struct expected_state x = { agent, state };

	if (!testkit_wait_loop(loop, has_state, &x, WAIT_MS))
		assert_int_equal(agent_state(agent), state);
}

static void turn_for(int64_t ms)
{
	for (int64_t end = clock_mono_ms() + ms; clock_mono_ms() < end;)
		loop_turn(loop, 20);
}

/* A metric's value at the router's HTTP. */
static long metric(int i, const char *name)
{
	char url[64], pattern[96];
	const char *argv[] = { "curl", "-s", "-m", "10", url, NULL };
	struct str out = STR_INIT;
	const char *at;
	long v;

	snprintf(url, sizeof(url), "http://127.0.0.1:%d/metrics", http_ports[i]);
	snprintf(pattern, sizeof(pattern), "\n%s ", name);
	(void)testkit_run(argv, &out, WAIT_MS);
	at = strstr(str_text(&out), pattern);
	v = at ? atol(at + strlen(pattern)) : -1;
	str_done(&out);
	return v;
}

struct shown {
	int router;
	const char *name;
	long value;
};

static bool shows(void *arg)
{
	const struct shown *x = arg;

	return metric(x->router, x->name) == x->value;
}

/* Gauges are a moment old. */
static void assert_metric(int router, const char *name, long value)
{
	struct shown x = { router, name, value };

	if (!testkit_wait_loop(loop, shows, &x, WAIT_MS))
		assert_int_equal(metric(router, name), value);
}

static bool is_equal(void *arg)
{
	const uint32_t *const *x = arg;

	return *x[0] == *x[1];
}

/* What we hear of becomes that. */
static void assert_heard(const uint32_t *what, uint32_t value)
{
	const uint32_t *x[] = { what, &value };

	if (!testkit_wait_loop(loop, is_equal, x, WAIT_MS))
		assert_int_equal(*what, value);
}

static void forget_calls(void)
{
	memset(waiting, 0, sizeof(waiting));
	n_waiting = n_taken = 0;
}

static struct waiting *new_call(void)
{
	struct waiting *w = &waiting[n_waiting];
	static int serial;

	snprintf(w->id, sizeof(w->id), "%032d", ++serial);
	w->arrival_ms = clock_wall_ms() - 100000 + n_waiting * 100;
	n_waiting++;
	return w;
}

/* Whoever is reserved is set free, and all sign out. */
static void send_agents_home(void)
{
	for (int i = 0; i < n_waiting; i++)
		if (waiting[i].taken)
			agent_event(atoi(waiting[i].agent) - 1001,
				    (struct agent_event){ .kind = AGENT_EV_UNRESERVE, .call_id = waiting[i].id });
	for (int i = 0; i < CALLS; i++)
		if (agent_state(i) != AGENT_SIGNED_OUT)
			agent_event(i, (struct agent_event){ .kind = AGENT_EV_SIGN_OUT });
}

/* Ten calls wait, happens() brings another leader, who must be that router; then agents come, and the callers get them in order. */
static void expect_move(void (*happens)(void), int who, int64_t within_ms)
{
	int n = 10;
	uint64_t before;
	int64_t t0;

	forget_calls();
	for (int i = 0; i < n; i++)
		send_enqueue(new_call(), "sales");
	turn_for(300);
	before = epoch;
	t0 = clock_mono_ms();
	happens();
	assert_true(testkit_wait_loop(loop, newer_epoch, &before, (int)within_ms));
	print_message("[   led by router-%d after %lld ms\n", leading(), (long long)(clock_mono_ms() - t0));
	assert_int_equal(leading(), who);
	assert_metric(who, "trunkline_router_calls_waiting", n); /* it has been told of all of them */
	for (int i = 0; i < n; i++) {
		agent_event(i, (struct agent_event){ .kind = AGENT_EV_SIGN_IN, .site = "centre" });
		agent_event(i, (struct agent_event){ .kind = AGENT_EV_READY });
	}
	assert_true(testkit_wait_loop(loop, all_taken, &n, WAIT_MS));
	turn_for(1500); /* the same is not said to another */
	for (int i = 0; i < n; i++) {
		assert_int_equal(waiting[i].order, i);
		assert_state(i, AGENT_RESERVED);
	}
	send_agents_home();
}

/* ---- tests ----------------------------------------------------------------------------------------------------------- */

static void a_caller_gets_the_ready_agent_and_the_queues_are_shown(void **arg)
{
	int one = 1;

	UNUSED(arg);
	forget_calls();
	assert_true(testkit_wait_loop(loop, has_leader, NULL, WAIT_MS));
	turn_for(700);
	new_call();
	send_enqueue(&waiting[0], "sales");
	assert_heard(&last_position, 1);
	assert_int_equal(last_signed_in, 0); /* OP-5: nobody on duty */
	send_enqueue(&waiting[0], "nowhere");
	assert_heard(&last_refused, ERR_NOT_FOUND);
	send_enqueue(&waiting[0], "sales");
	assert_heard(&status_waiting, 1);
	agent_event(0, (struct agent_event){ .kind = AGENT_EV_SIGN_IN, .site = "centre" });
	agent_event(0, (struct agent_event){ .kind = AGENT_EV_READY });
	assert_true(testkit_wait_loop(loop, all_taken, &one, WAIT_MS));
	assert_string_equal(waiting[0].agent, "1001");
	assert_state(0, AGENT_RESERVED);
	agent_event(0, (struct agent_event){ .kind = AGENT_EV_ANSWERED, .call_id = waiting[0].id });
	agent_event(0,
		    (struct agent_event){ .kind = AGENT_EV_CALL_ENDED, .call_id = waiting[0].id, .wrap_up_ms = 2000 });
	assert_int_equal(agent_state(0), AGENT_WRAP_UP);
	assert_state(0, AGENT_READY); /* the router ends the wrap-up */
	assert_heard(&status_ready, 1);
	agent_event(0, (struct agent_event){ .kind = AGENT_EV_SIGN_OUT });
}

/* As one that was lost in KV, or that a router has not heard of yet: what is said of its agents meanwhile counts. */
static void agents_that_come_before_their_tenants_configuration_are_served_with_it_GT_3_1_2(void **arg)
{
	bool deleted = false;
	int one = 1;

	UNUSED(arg);
	forget_calls();
	assert_int_equal(bus_kv_delete(config, TENANT ".main", BUS_KV_ANY, put_ok, &deleted), ERR_OK);
	assert_true(testkit_wait_flag(loop, &deleted, 5000));
	turn_for(300);
	agent_event(2, (struct agent_event){ .kind = AGENT_EV_SIGN_IN, .site = "centre" });
	agent_event(2, (struct agent_event){ .kind = AGENT_EV_READY });
	turn_for(300);
	configure("", 2);
	turn_for(300);
	send_enqueue(new_call(), "sales");
	assert_true(testkit_wait_loop(loop, all_taken, &one, 3000));
	assert_string_equal(waiting[0].agent, "1003");
	send_agents_home();
}

static void a_killed_leader_is_replaced_within_three_seconds_and_callers_keep_their_order(void **arg)
{
	uint64_t before = epoch;
	int n = CALLS, old = leading();
	int64_t killed_ms;

	UNUSED(arg);
	forget_calls();
	for (int i = 0; i < CALLS; i++)
		send_enqueue(new_call(), "sales");
	for (int i = 0; i < CALLS; i++)
		agent_event(i, (struct agent_event){ .kind = AGENT_EV_SIGN_IN, .site = "centre" });
	agent_event(0, (struct agent_event){ .kind = AGENT_EV_READY });
	n = 1;
	assert_true(testkit_wait_loop(loop, all_taken, &n, WAIT_MS));
	testkit_proc_stop(&routers[old], SIGKILL, 1000);
	killed_ms = clock_mono_ms();
	assert_true(testkit_wait_loop(loop, newer_epoch, &before, TAKEOVER_MS));
	print_message("[   took over after %lld ms\n", (long long)(clock_mono_ms() - killed_ms));
	assert_int_equal(leading(), 1 - old);
	assert_metric(1 - old, "trunkline_router_calls_waiting", CALLS - 1); /* it has been told of all of them */
	for (int i = 1; i < CALLS; i++)
		agent_event(i, (struct agent_event){ .kind = AGENT_EV_READY });
	n = CALLS;
	assert_true(testkit_wait_loop(loop, all_taken, &n, WAIT_MS));
	for (int i = 0; i < CALLS; i++) {
		assert_int_equal(waiting[i].order, i);
		assert_state(i, AGENT_RESERVED);
	}
	send_agents_home();
	start_router(old);
}

static void a_leader_that_was_asleep_gives_up_and_books_nobody_twice(void **arg)
{
	uint64_t before = epoch;
	int old = leading(), n = 10;

	UNUSED(arg);
	forget_calls();
	for (int i = 0; i < n; i++)
		send_enqueue(new_call(), "sales");
	turn_for(300);
	for (int i = 0; i < n; i++)
		agent_event(i, (struct agent_event){ .kind = AGENT_EV_SIGN_IN, .site = "centre" });
	testkit_stand_still(routers[old].pid);
	/* What it will find when it wakes: agents ready, calls waiting. */
	for (int i = 0; i < n; i++)
		agent_event(i, (struct agent_event){ .kind = AGENT_EV_READY });
	assert_true(testkit_wait_loop(loop, newer_epoch, &before, TAKEOVER_MS));
	assert_true(testkit_wait_loop(loop, all_taken, &n, WAIT_MS));
	for (int i = 0; i < n; i++)
		waiting[i].assigned = 0;
	assert_int_equal(kill(routers[old].pid, SIGCONT), 0);
	turn_for(2500);
	for (int i = 0; i < n; i++) {
		assert_int_equal(waiting[i].order, i);
		assert_int_equal(waiting[i].assigned, 0); /* nothing was assigned again */
		assert_state(i, AGENT_RESERVED);
	}
	assert_int_equal(leading(), 1 - old);
	assert_true(metric(old, "trunkline_router_shards_led") >= 0);
	assert_true(metric(1 - old, "trunkline_router_shards_led") >= 1);
	assert_true(metric(old, "trunkline_router_fenced_total") >= 0);
}

static void a_drained_leader_hands_over_at_once(void **arg)
{
	uint64_t before = epoch;
	int old = leading();
	int64_t t0 = clock_mono_ms();

	UNUSED(arg);
	assert_int_equal(testkit_proc_stop(&routers[old], SIGTERM, WAIT_MS), 0);
	assert_true(testkit_wait_loop(loop, newer_epoch, &before, 1900)); /* a lease that is not released lasts 2 s */
	print_message("[   handed over after %lld ms\n", (long long)(clock_mono_ms() - t0));
	assert_int_equal(leading(), 1 - old);
}

static void move_to_gold(void)
{
	configure("gold", 3);
}

static void kill_gold(void)
{
	testkit_proc_stop(&routers[GOLD], SIGKILL, 1000);
}

static void start_gold(void)
{
	start_router(GOLD);
}

static void move_back(void)
{
	configure("", 4);
}

static void a_tenant_moves_to_another_pool_and_back_and_its_callers_keep_their_order_GT_3_1_2(void **arg)
{
	int shared = leading();

	UNUSED(arg);
	send_agents_home();
	assert_metric(GOLD, "trunkline_router_shards_led{pool=\"gold\"}", 16);
	expect_move(move_to_gold, GOLD, WAIT_MS);
	assert_metric(shared, "trunkline_router_calls_waiting", 0);
	assert_metric(shared, "trunkline_router_shards_led", 16);
	assert_metric(shared, "trunkline_router_shards_stood_in", 0);
	/* Nobody of the pool is left: the shared pool's stands in, until one is heard. */
	expect_move(kill_gold, shared, 2 * WAIT_MS);
	assert_metric(shared, "trunkline_router_shards_stood_in", 16);
	assert_metric(shared, "trunkline_router_shards_led", 16);
	expect_move(start_gold, GOLD, WAIT_MS);
	assert_metric(shared, "trunkline_router_shards_stood_in", 0);
	expect_move(move_back, shared, WAIT_MS);
	assert_metric(GOLD, "trunkline_router_calls_waiting", 0);
	assert_metric(GOLD, "trunkline_router_agents_idle", 0);
}

/* ---- set-up ---------------------------------------------------------------------------------------------------------- */

static bool synced(void *arg)
{
	UNUSED(arg);
	return agents_synced(store);
}

static int start(void **arg)
{
	struct bus_params bp = { 0 };
	struct err_detail d = { "", "" };
	char self[400];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	UNUSED(arg);
	self[len > 0 ? len : 0] = '\0';
	snprintf(binary, sizeof(binary), "%s/../bin/trunkline-router", dirname(self));
	testkit_dir(dir);
	testkit_nats_start(&nats, true);
	assert_int_equal(loop_new(&loop), ERR_OK);
	bp = (struct bus_params){ .loop = loop, .url = nats.url, .name = "test" };
	assert_int_equal(bus_new(&bus, &bp, &d), ERR_OK);
	assert_int_equal(bus_kv_open(&config, bus, &(struct bus_kv_params){ .bucket = "config" }, &d), ERR_OK);
	assert_int_equal(bus_kv_open(&calls_kv, bus, &(struct bus_kv_params){ .bucket = "calls" }, &d), ERR_OK);
	assert_int_equal(events_ensure_stream(bus, &d), ERR_OK);
	assert_int_equal(events_new(&events, bus, "centre", "test"), ERR_OK);
	assert_int_equal(
	    agents_store_new(&store, &(struct agents_store_params){ .bus = bus, .events = events, .instance = "test" },
			     &d),
	    ERR_OK);
	assert_int_equal(bus_subscribe(&sub_events, bus, "tl.centre.cc.cc-1.router", NULL, on_events, NULL), ERR_OK);
	assert_int_equal(bus_subscribe(&sub_epoch, bus, "tl.centre.router-epoch", NULL, on_epoch, NULL), ERR_OK);
	assert_int_equal(bus_subscribe(&sub_status, bus, "tl.centre.queue-status." TENANT, NULL, on_status, NULL),
			 ERR_OK);
	assert_true(testkit_wait_loop(loop, synced, NULL, WAIT_MS));
	configure("", 1);
	loop_timer_init(&heart, loop, on_heart, NULL);
	loop_timer_start(&heart, 0);
	for (int i = 0; i < ROUTERS; i++) {
		http_ports[i] = testkit_tcp_port();
		start_router(i);
	}
	return 0;
}

/* ITEST_LOGS=1 shows what the routers said. */
static void show_logs(void)
{
	for (int i = 0; i < ROUTERS && getenv("ITEST_LOGS"); i++) {
		struct str out = STR_INIT;
		char path[TESTKIT_PATH + 64];

		snprintf(path, sizeof(path), "%s/router-%d.log", dir, i);
		testkit_read(path, &out);
		print_message("%s", str_text(&out));
		str_done(&out);
	}
}

static int stop(void **arg)
{
	UNUSED(arg);
	show_logs();
	assert_int_equal(n_wrong, 0);
	for (int i = 0; i < ROUTERS; i++)
		testkit_proc_stop(&routers[i], SIGTERM, 20000);
	loop_timer_done(&heart);
	bus_unsubscribe(&sub_events);
	bus_unsubscribe(&sub_epoch);
	bus_unsubscribe(&sub_status);
	agents_store_free(&store);
	events_free(&events);
	bus_kv_close(&config);
	bus_kv_close(&calls_kv);
	bus_free(&bus);
	loop_free(&loop);
	testkit_nats_stop(&nats);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_caller_gets_the_ready_agent_and_the_queues_are_shown),
		cmocka_unit_test(agents_that_come_before_their_tenants_configuration_are_served_with_it_GT_3_1_2),
		cmocka_unit_test(a_killed_leader_is_replaced_within_three_seconds_and_callers_keep_their_order),
		cmocka_unit_test(a_leader_that_was_asleep_gives_up_and_books_nobody_twice),
		cmocka_unit_test(a_drained_leader_hands_over_at_once),
		cmocka_unit_test(a_tenant_moves_to_another_pool_and_back_and_its_callers_keep_their_order_GT_3_1_2),
	};

	return cmocka_run_group_tests_name("router", tests, start, stop);
}
