/*
 * The real program, twice, and once in a pool of its own, against a real NATS server: what becomes of calls when one instance is told to end
 * (GT-15), how many a second a tenant has at both together, and what a tenant's calls do when it moves to that pool. The test is the edge that offers calls and the media that is alive and never answers.
 */
#include "testkit/cmocka_all.h"

#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "bus/bus.h"
#include "testkit/testkit.h"
#include "trunkline/call/v1/checkpoint.pb-c.h"
#include "trunkline/config/v1/config.pb-c.h"
#include "trunkline/edge/v1/edge.pb-c.h"
#include "trunkline/media/v1/media.pb-c.h"
#include "trunkline/router/v1/router.pb-c.h"

#define OFFERS	2
#define PATIENT 20000
#define CALLS	200

struct instance {
	const char *name;
	struct testkit_proc proc;
	char conf[TESTKIT_PATH + 64];
	int http_port;
	const char *pool;
};

/* What the bucket says of an offered call. */
struct offered {
	char id[ID_TEXT], owner[16];
	uint64_t epoch;
	bool busy; /* refused so */
	int64_t arrival_ms;
	bool followed; /* its place is claimed at the router of pool gold, with the same arrival */
	int turn;      /* it began as which of all calls, from 1; 0: it has not */
};

static struct testkit_nats nats;
#define SHARED 2 /* instances[SHARED] is of pool gold */
static struct instance instances[] = { { .name = "cc-1" }, { .name = "cc-2" }, { .name = "cc-3", .pool = "gold" } };
static struct loop *loop;
static struct bus *bus;
static struct bus_kv *config, *calls;
static struct bus_kv_watch *watch;
static struct bus_sub *commands, *media_commands, *router_requests, *gold_requests;
static struct loop_timer beat;
static char dir[TESTKIT_PATH], binary[512];
static struct offered offered[CALLS];
static int n_offered, begun, rejects, attaches, freed, stale_claims, busy;
static bool restarted; /* media-1, which then has no room; media-2 has */
static unsigned load_of_2;

/* ---- the world around it ---- */

static void *packed(const ProtobufCMessage *msg, size_t *size)
{
	uint8_t *bytes;

	*size = protobuf_c_message_get_packed_size(msg);
	bytes = mem_alloc(*size + 1);
	assert_non_null(bytes);
	protobuf_c_message_pack(msg, bytes);
	return bytes;
}

static void say(const char *subject, const ProtobufCMessage *msg)
{
	size_t size;
	void *bytes = packed(msg, &size);

	assert_int_equal(bus_publish(bus, subject, bytes, size), ERR_OK);
	mem_free(bytes);
}

static void on_beat(void *arg)
{
	Trunkline__Media__V1__Heartbeat hb = TRUNKLINE__MEDIA__V1__HEARTBEAT__INIT;

	UNUSED(arg);
	hb.instance = (char *)"media-1";
	hb.service = (char *)"media";
	hb.capacity = 1000;
	hb.incarnation = restarted ? 2 : 1;
	hb.load = restarted ? 1000 : 0;
	say("tl.centre.hb.media.media-1", &hb.base);
	if (restarted) {
		hb.instance = (char *)"media-2";
		hb.load = load_of_2;
		say("tl.centre.hb.media.media-2", &hb.base);
	}
	loop_timer_start(&beat, 300);
}

static uint64_t revision; /* of the newest configuration */

static void on_ack(err_t e, uint64_t seq, void *arg)
{
	assert_int_equal(e, ERR_OK);
	revision = seq;
	*(bool *)arg = true;
}

static void put(const char *tenant, const char *number, unsigned calls_per_s, const char *pool)
{
	static uint64_t version;
	Trunkline__Config__V1__Quotas quotas = TRUNKLINE__CONFIG__V1__QUOTAS__INIT;
	Trunkline__Config__V1__TenantConfig t = TRUNKLINE__CONFIG__V1__TENANT_CONFIG__INIT;
	Trunkline__Config__V1__Queue q = TRUNKLINE__CONFIG__V1__QUEUE__INIT, *queues[] = { &q };
	Trunkline__Config__V1__Number n = TRUNKLINE__CONFIG__V1__NUMBER__INIT, *numbers[] = { &n };
	Trunkline__Config__V1__Target to = TRUNKLINE__CONFIG__V1__TARGET__INIT;
	bool done = false;
	size_t size;
	void *bytes;

	char key[64], domain[64];

	snprintf(key, sizeof(key), "%s.main", tenant);
	snprintf(domain, sizeof(domain), "%s.example", tenant);
	t.tenant = t.display_name = (char *)tenant;
	t.version = ++version;
	t.pool = (char *)(uintptr_t)pool;
	t.quotas = &quotas;
	quotas.calls_per_s = calls_per_s;
	t.time_zone = (char *)"UTC";
	t.sip_domain = domain;
	q.id = q.display_name = (char *)"sales";
	t.queues = queues;
	t.n_queues = 1;
	to.to_case = TRUNKLINE__CONFIG__V1__TARGET__TO_QUEUE_ID;
	to.queue_id = (char *)"sales";
	n.number = (char *)number;
	n.working = &to;
	t.numbers = numbers;
	t.n_numbers = 1;
	bytes = packed(&t.base, &size);
	assert_int_equal(bus_kv_put(config, key, bytes, size, BUS_KV_ANY, on_ack, &done), ERR_OK);
	assert_true(testkit_wait_flag(loop, &done, PATIENT));
	mem_free(bytes);
}

static void put_tenant(unsigned calls_per_s, const char *pool)
{
	put("acme", "100", calls_per_s, pool);
}

static struct offered *find(const char *id)
{
	for (int i = 0; i < n_offered; i++)
		if (strcmp(offered[i].id, id) == 0)
			return &offered[i];
	return NULL;
}

static void on_call(enum bus_kv_op op, const char *key, const struct bus_msg *msg, void *arg)
{
	Trunkline__Call__V1__CallCheckpoint *m;
	struct offered *o = key && strchr(key, '.') ? find(strchr(key, '.') + 1) : NULL;

	UNUSED(arg);
	if (op != BUS_KV_PUT || !o)
		return;
	m = trunkline__call__v1__call_checkpoint__unpack(NULL, msg->size, msg->data);
	assert_non_null(m);
	snprintf(o->owner, sizeof(o->owner), "%s", m->owner);
	o->epoch = m->epoch;
	if (!o->turn)
		o->turn = ++begun;
	trunkline__call__v1__call_checkpoint__free_unpacked(m, NULL);
}

static void hears_busy(struct offered *o)
{
	if (!o || o->busy)
		return; /* told again until it is confirmed, which nobody does here */
	o->busy = true;
	busy++;
}

static void on_command(const struct bus_msg *msg, void *arg)
{
	Trunkline__Edge__V1__EdgeCommands *m = trunkline__edge__v1__edge_commands__unpack(NULL, msg->size, msg->data);

	UNUSED(arg);
	assert_non_null(m);
	for (size_t i = 0; i < m->n_commands; i++) {
		rejects += m->commands[i]->command_case == TRUNKLINE__EDGE__V1__EDGE_COMMAND__COMMAND_REJECT;
		attaches += m->commands[i]->command_case == TRUNKLINE__EDGE__V1__EDGE_COMMAND__COMMAND_ATTACH;
		if (m->commands[i]->command_case == TRUNKLINE__EDGE__V1__EDGE_COMMAND__COMMAND_HANG_UP &&
		    m->commands[i]->hang_up->status == 486)
			hears_busy(find(m->commands[i]->call_id));
	}
	trunkline__edge__v1__edge_commands__free_unpacked(m, NULL);
}

static void on_media_command(const struct bus_msg *msg, void *arg)
{
	Trunkline__Media__V1__MediaCommands *m =
	    trunkline__media__v1__media_commands__unpack(NULL, msg->size, msg->data);

	UNUSED(arg);
	assert_non_null(m);
	for (size_t i = 0; i < m->n_commands; i++)
		freed += m->commands[i]->command_case == TRUNKLINE__MEDIA__V1__MEDIA_COMMAND__COMMAND_CALL_FREE;
	trunkline__media__v1__media_commands__free_unpacked(m, NULL);
}

/* Who claims a place in a queue for a call that is another's by now? */
static void on_router_request(const struct bus_msg *msg, void *arg)
{
	Trunkline__Router__V1__RouterRequests *m =
	    trunkline__router__v1__router_requests__unpack(NULL, msg->size, msg->data);

	assert_non_null(m);
	for (size_t i = 0; i < m->n_requests; i++) {
		struct offered *o = find(m->requests[i]->call_id);

		if (m->requests[i]->request_case != TRUNKLINE__ROUTER__V1__ROUTER_REQUEST__REQUEST_ENQUEUE || !o)
			continue;
		stale_claims += m->requests[i]->call_epoch < o->epoch;
		o->followed |= arg && o->arrival_ms == m->requests[i]->enqueue->arrival_ms;
		o->arrival_ms = m->requests[i]->enqueue->arrival_ms;
	}
	trunkline__router__v1__router_requests__free_unpacked(m, NULL);
}

static void offer_to(const char *subject, const char *tenant, const char *number)
{
	Trunkline__Edge__V1__EdgeEvents m = TRUNKLINE__EDGE__V1__EDGE_EVENTS__INIT;
	Trunkline__Edge__V1__EdgeEvent e = TRUNKLINE__EDGE__V1__EDGE_EVENT__INIT, *events[] = { &e };
	Trunkline__Edge__V1__LegOffer o = TRUNKLINE__EDGE__V1__LEG_OFFER__INIT;
	static const char sdp[] =
	    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";
	char leg[ID_TEXT];

	assert_true(n_offered < CALLS);
	id_new(clock_wall_ms(), offered[n_offered].id);
	id_new(clock_wall_ms(), leg);
	m.instance = (char *)"edge-1";
	m.events = events;
	m.n_events = 1;
	e.tenant = (char *)tenant;
	e.call_id = offered[n_offered++].id;
	e.leg_id = leg;
	e.time_ms = clock_wall_ms();
	e.event_case = TRUNKLINE__EDGE__V1__EDGE_EVENT__EVENT_OFFER;
	e.offer = &o;
	o.caller = (char *)"+491701";
	o.called = (char *)number;
	o.trunk_id = (char *)"gateway";
	o.sdp.data = (uint8_t *)sdp;
	o.sdp.len = sizeof(sdp) - 1;
	say(subject, &m.base);
}

static void offer(void)
{
	offer_to("tl.centre.offer", "acme", "100");
}

/* ---- the programs ---- */

static bool ready(void *arg)
{
	const struct instance *in = arg;
	char url[64];
	const char *argv[] = { "curl", "-sf", "-o", "/dev/null", url, NULL };

	loop_turn(loop, 0); /* media goes on living */
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/readyz", in->http_port);
	return testkit_run(argv, NULL, 20000) == 0;
}

static void begin(struct instance *in)
{
	const char *argv[] = { binary, "-c", in->conf, NULL };

	testkit_spawn(&in->proc, &(struct testkit_spawn){ .argv = argv });
	assert_true(testkit_wait_loop(loop, ready, in, PATIENT));
}

static bool has_heard(void *arg)
{
	static const char name[] = "\ntrunkline_config_revision ";
	const struct instance *in = arg;
	struct str page = STR_INIT;
	char url[64];
	const char *argv[] = { "curl", "-sf", url, NULL }, *at;
	bool heard;

	loop_turn(loop, 0);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/metrics", in->http_port);
	(void)testkit_run(argv, &page, PATIENT);
	at = strstr(str_text(&page), name);
	heard = at && (uint64_t)atoll(at + strlen(name)) >= revision;
	str_done(&page);
	return heard;
}

/* The instances that run know the configuration as it is now. */
static void until_all_have_heard(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(instances); i++)
		if (testkit_proc_running(&instances[i].proc))
			assert_true(testkit_wait_loop(loop, has_heard, &instances[i], PATIENT));
}

static void configure(struct instance *in)
{
	struct str s = STR_INIT;
	char name[32];

	in->http_port = testkit_tcp_port();
	str_printf(&s, "instance: %s\nsite: centre\nhttp:\n  port: %d\nlog:\n  level: warn\nnats:\n  url: \"%s\"\n",
		   in->name, in->http_port, nats.url);
	if (in->pool)
		str_printf(&s, "pool: %s\n", in->pool);
	snprintf(name, sizeof(name), "%s.yaml", in->name);
	testkit_file(dir, name, str_text(&s), in->conf);
	str_done(&s);
}

static int setup(void **state)
{
	struct err_detail d = { 0 };
	char self[400];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	UNUSED(state);
	assert_true(n > 0);
	self[n] = '\0';
	snprintf(binary, sizeof(binary), "%s/../bin/trunkline-call-control", dirname(self));
	testkit_dir(dir);
	testkit_nats_start(&nats, true);
	assert_int_equal(loop_new(&loop), ERR_OK);
	assert_int_equal(bus_new(&bus, &(struct bus_params){ .loop = loop, .url = nats.url, .name = "test" }, &d),
			 ERR_OK);
	assert_int_equal(bus_kv_open(&config, bus, &(struct bus_kv_params){ .bucket = "config" }, &d), ERR_OK);
	assert_int_equal(bus_kv_open(&calls, bus, &(struct bus_kv_params){ .bucket = "calls", .history = 1 }, &d),
			 ERR_OK);
	assert_int_equal(bus_kv_watch(&watch, calls, ">", on_call, NULL), ERR_OK);
	assert_int_equal(bus_subscribe(&commands, bus, "tl.centre.edge.edge-1", NULL, on_command, NULL), ERR_OK);
	assert_int_equal(bus_subscribe(&media_commands, bus, "tl.centre.media.media-1", NULL, on_media_command, NULL),
			 ERR_OK);
	assert_int_equal(bus_subscribe(&router_requests, bus, "tl.centre.router.*", NULL, on_router_request, NULL),
			 ERR_OK);
	put_tenant(0, "");
	loop_timer_init(&beat, loop, on_beat, NULL);
	on_beat(NULL);
	assert_int_equal(bus_subscribe(&gold_requests, bus, "tl.centre.router.gold.*", NULL, on_router_request,
				       &gold_requests),
			 ERR_OK);
	for (size_t i = 0; i < ARRAY_SIZE(instances); i++) {
		configure(&instances[i]);
		if (i < SHARED)
			begin(&instances[i]);
	}
	return 0;
}

static int teardown(void **state)
{
	UNUSED(state);
	loop_timer_done(&beat);
	for (size_t i = 0; i < SHARED; i++)
		assert_int_equal(testkit_proc_stop(&instances[i].proc, SIGTERM, 10000), 0);
	bus_kv_unwatch(&watch);
	bus_unsubscribe(&commands);
	bus_unsubscribe(&media_commands);
	bus_unsubscribe(&router_requests);
	bus_unsubscribe(&gold_requests);
	bus_kv_close(&config);
	bus_kv_close(&calls);
	bus_free(&bus);
	loop_free(&loop);
	testkit_nats_stop(&nats);
	return 0;
}

/* ---- stories ---- */

static bool all_are_of(void *arg)
{
	for (int i = 0; i < n_offered; i++)
		if (!offered[i].epoch || (arg && strcmp(offered[i].owner, arg) != 0))
			return false;
	return true;
}

static bool one_has_some(void *arg)
{
	for (int i = 0; i < n_offered; i++)
		if (offered[i].epoch && strcmp(offered[i].owner, arg) == 0)
			return true;
	return false;
}

static bool asked_again(void *arg)
{
	UNUSED(arg);
	return attaches > 0;
}

static void offer_for(int turns)
{
	for (int i = 0; i < turns; i++) {
		for (int k = 0; k < OFFERS; k++)
			offer();
		loop_turn(loop, 2);
	}
}

static bool never(void *arg)
{
	UNUSED(arg);
	return false;
}

/* Its timers are all due when it wakes up: places claimed for calls that are another's, or over, would have agents reserved in vain. */
static void who_wakes_up_claims_no_place_for_what_has_become_anothers(void **state)
{
	pid_t pid = instances[0].proc.pid;

	UNUSED(state);
	offer_for(5);
	assert_true(testkit_wait_loop(loop, one_has_some, (void *)"cc-1", PATIENT));
	assert_true(testkit_wait_loop(loop, all_are_of, NULL, PATIENT));
	testkit_stand_still(pid);
	assert_true(testkit_wait_loop(loop, all_are_of, (void *)"cc-2", PATIENT));
	stale_claims = 0;
	assert_int_equal(kill(pid, SIGCONT), 0);
	testkit_wait_loop(loop, never, NULL, 3000); /* each waiting call is claimed every 2 s */
	assert_int_equal(stale_claims, 0);
}

/* Ended right among offers: each is taken by one of the two, none refused, and the calls of the one that ends are the other's. */
static void an_instance_told_to_end_loses_no_offer_and_hands_its_calls_over(void **state)
{
	int64_t t0;

	UNUSED(state);
	offer_for(10);
	assert_true(testkit_wait_loop(loop, one_has_some, (void *)"cc-1", PATIENT));
	assert_int_equal(kill(instances[0].proc.pid, SIGTERM), 0);
	offer_for(20);
	t0 = clock_mono_ms();
	assert_true(testkit_wait_loop(loop, all_are_of, (void *)"cc-2", PATIENT));
	print_message("[   %d calls, all of the other one %lld ms after the last offer\n", n_offered,
		      (long long)(clock_mono_ms() - t0));
	assert_int_equal(rejects, 0);
	assert_true(testkit_wait_loop(loop, asked_again, NULL, PATIENT));
	assert_int_equal(testkit_proc_stop(&instances[0].proc, SIGTERM, 10000), 0);
}

/* The same the other way round: what one left behind, the other one, started anew, takes. */
static void the_new_one_takes_the_calls_of_the_next_that_ends(void **state)
{
	UNUSED(state);
	begin(&instances[0]);
	assert_int_equal(testkit_proc_stop(&instances[1].proc, SIGTERM, 10000), 0);
	assert_true(testkit_wait_loop(loop, all_are_of, (void *)"cc-1", PATIENT));
	assert_int_equal(rejects, 0);
}

/* What stood still while its calls were taken still holds them, and learns of it by nothing: these calls have nothing to
 * write. It takes them back all the same when the other one stands still. */
static void who_stood_still_takes_its_former_calls_back(void **state)
{
	UNUSED(state);
	begin(&instances[1]);
	for (int i = 0; i < 2; i++) {
		pid_t pid = instances[i].proc.pid;

		testkit_stand_still(pid);
		assert_true(testkit_wait_loop(loop, all_are_of, (void *)instances[1 - i].name, PATIENT));
		assert_int_equal(kill(pid, SIGCONT), 0);
	}
	assert_int_equal(rejects, 0);
}

static bool all_are_freed(void *arg)
{
	UNUSED(arg);
	return freed >= n_offered;
}

/* What was asked of an engine before its restart was heard of, the new process may have done: its endpoints would stay for hours. */
static void a_restarted_engine_whose_calls_go_to_another_is_told_to_free_them(void **state)
{
	UNUSED(state);
	freed = 0;
	restarted = true;
	assert_true(testkit_wait_loop(loop, all_are_freed, NULL, PATIENT));
}

static bool all_have_followed(void *arg)
{
	UNUSED(arg);
	for (int i = 0; i < n_offered; i++)
		if (!offered[i].followed)
			return false;
	return true;
}

static bool nobody_has_any(void *arg)
{
	return !one_has_some(arg);
}

static void a_tenant_that_moves_has_its_places_claimed_there_and_its_calls_adopted_there_GT_3_1_2(void **state)
{
	char owners[CALLS][16];

	UNUSED(state);
	n_offered = 0;
	memset(offered, 0, sizeof(offered));
	offer_for(10);
	assert_true(testkit_wait_loop(loop, all_are_of, NULL, PATIENT));
	assert_true(testkit_wait_loop(loop, one_has_some, (void *)"cc-1", PATIENT));
	begin(&instances[SHARED]);
	(void)testkit_wait_loop(loop, never, NULL, 3000); /* each has claimed its place at the shared pool's router */
	assert_true(testkit_wait_loop(loop, nobody_has_any, (void *)"cc-3", PATIENT));
	put_tenant(0, "gold");
	assert_true(testkit_wait_loop(loop, all_have_followed, NULL, PATIENT));
	assert_true(nobody_has_any((void *)"cc-3")); /* they stay with who has them … */
	for (int i = 0; i < n_offered; i++)
		snprintf(owners[i], sizeof(owners[i]), "%s", offered[i].owner);
	testkit_proc_stop(&instances[0].proc, SIGKILL, 10000);
	assert_true(testkit_wait_loop(loop, nobody_has_any, (void *)"cc-1", PATIENT));
	for (int i = 0; i < n_offered; i++) /* … until that dies: then the pool's have them … */
		assert_string_equal(offered[i].owner, strcmp(owners[i], "cc-1") == 0 ? "cc-3" : owners[i]);
	testkit_proc_stop(&instances[SHARED].proc, SIGKILL, 10000);
	assert_true(testkit_wait_loop(loop, all_are_of, (void *)"cc-2", PATIENT)); /* … or anybody */
	assert_int_equal(rejects, 0);
	put_tenant(0, "");
	begin(&instances[0]);
}

static bool all_are_decided(void *arg)
{
	int decided = busy;

	UNUSED(arg);
	for (int i = 0; i < n_offered; i++)
		decided += offered[i].epoch && !offered[i].busy;
	return decided == n_offered;
}

static bool no_more_are_in(void *most)
{
	return n_offered - busy <= *(int64_t *)most;
}

/* As many as the bucket had and got since the first of them, and not one more; how many of them each of the two has does not matter. */
static void offer_within_the_limit(int n, unsigned limit)
{
	int64_t t0 = clock_mono_ms(), most;
	int entered;

	n_offered = busy = 0;
	memset(offered, 0, sizeof(offered));
	for (int i = 0; i < n; i++)
		offer();
	assert_true(testkit_wait_loop(loop, all_are_decided, NULL, PATIENT));
	most = limit + limit * (clock_mono_ms() - t0) / 1000;
	/* A refusal comes behind its call's checkpoint. */
	(void)testkit_wait_loop(loop, no_more_are_in, &most, PATIENT);
	(void)testkit_wait_loop(loop, never, NULL, 500);
	entered = n - busy;
	print_message("[   %d of %d let in at %u a second, %lld at most\n", entered, n, limit, (long long)most);
	assert_in_range(entered, limit, most);
}

static void two_instances_let_in_as_many_calls_a_second_as_the_tenant_may_have_GT_3_1_2(void **state)
{
	UNUSED(state);
	put_tenant(5, "");
	until_all_have_heard();
	offer_within_the_limit(60, 5);
	(void)testkit_wait_loop(loop, never, NULL, 1100);
	offer_within_the_limit(60, 5);
}

/* Room for twelve, sixty who call, five who may: each instance hears of the engine every 0.3 s, and counts in between. */
static void who_is_refused_takes_no_place_at_the_engine_GT_3_1_2(void **state)
{
	UNUSED(state);
	load_of_2 = 988;
	(void)testkit_wait_loop(loop, never, NULL, 1100);
	rejects = 0;
	offer_within_the_limit(60, 5);
	assert_int_equal(rejects, 0);
	load_of_2 = 0;
	on_beat(NULL); /* both hear of it before the next offers */
}

/* An outage of one bucket is none of the tenant's. */
static void without_the_book_each_instance_lets_in_as_many_GT_3_1_2(void **state)
{
	int up = 0;

	UNUSED(state);
	put_tenant(50, "");
	until_all_have_heard();
	(void)testkit_wait_loop(loop, never, NULL, 1000); /* the bucket is full again */
	assert_int_equal(bus_publish(bus, "$JS.API.STREAM.DELETE.KV_quota", "", 0), ERR_OK);
	(void)testkit_wait_loop(loop, never, NULL, 500);
	n_offered = busy = 0;
	memset(offered, 0, sizeof(offered));
	for (int i = 0; i < 10; i++)
		offer();
	assert_true(testkit_wait_loop(loop, all_are_decided, NULL, PATIENT));
	(void)testkit_wait_loop(loop, never, NULL, 3000); /* a refusal comes behind its call's checkpoint */
	for (int i = 0; i < n_offered; i++)
		up += offered[i].epoch && !offered[i].busy;
	assert_int_equal(busy, 0);
	assert_int_equal(up, 10);
}

static bool all_have_begun(void *arg)
{
	UNUSED(arg);
	return begun == n_offered;
}

/* An instance that finds 150 of one tenant's calls before another's when it looks: that one begins behind what a turn takes, not behind them. */
static void a_call_does_not_wait_for_another_tenants_hundred_GT_3_1_2d(void **state)
{
	pid_t pid = instances[0].proc.pid;

	UNUSED(state);
	put_tenant(0, "");
	put("globex", "200", 0, "");
	until_all_have_heard();
	n_offered = begun = 0;
	memset(offered, 0, sizeof(offered));
	testkit_stand_still(pid);
	for (int i = 0; i < 150; i++)
		offer_to("tl.centre.cc.cc-1.edge", "acme", "100");
	offer_to("tl.centre.cc.cc-1.edge", "globex", "200");
	(void)testkit_wait_loop(loop, never, NULL, 100); /* all of it lies there */
	assert_int_equal(kill(pid, SIGCONT), 0);
	assert_true(testkit_wait_loop(loop, all_have_begun, NULL, PATIENT));
	print_message("[   of %d calls the other tenant's was the last to come, and the %d. to begin\n", n_offered,
		      offered[n_offered - 1].turn);
	assert_in_range(offered[n_offered - 1].turn, 1, 50);
	assert_in_range(offered[149].turn, 150, 151); /* the others begin in their order */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_wakes_up_claims_no_place_for_what_has_become_anothers),
		cmocka_unit_test(an_instance_told_to_end_loses_no_offer_and_hands_its_calls_over),
		cmocka_unit_test(the_new_one_takes_the_calls_of_the_next_that_ends),
		cmocka_unit_test(who_stood_still_takes_its_former_calls_back),
		cmocka_unit_test(a_restarted_engine_whose_calls_go_to_another_is_told_to_free_them),
		cmocka_unit_test(a_tenant_that_moves_has_its_places_claimed_there_and_its_calls_adopted_there_GT_3_1_2),
		cmocka_unit_test(two_instances_let_in_as_many_calls_a_second_as_the_tenant_may_have_GT_3_1_2),
		cmocka_unit_test(who_is_refused_takes_no_place_at_the_engine_GT_3_1_2),
		cmocka_unit_test(a_call_does_not_wait_for_another_tenants_hundred_GT_3_1_2d),
		cmocka_unit_test(without_the_book_each_instance_lets_in_as_many_GT_3_1_2),
	};

	return cmocka_run_group_tests_name("call-control", tests, setup, teardown);
}
