/* The real program against a real NATS server: what agents and leads see, and what a kill -9 leaves. */
#include "desk_fixture.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <libgen.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "agents/agents_store.h"
#include "auth/auth.h"
#include "base/clock.h"
#include "base/mem.h"
#include "bus/bus.h"
#include "events/events.h"
#include "rpc/rpc.h"
#include "rightskit/rightskit.h"
#include "testkit/testkit.h"
#include "trunkline/agent/v1/agent.pb-c.h"
#include "trunkline/call/v1/checkpoint.pb-c.h"
#include "trunkline/config/v1/config.pb-c.h"
#include "trunkline/desk/v1/agent_service.pb-c.h"
#include "trunkline/router/v1/router.pb-c.h"

#define SERVICE	 (&trunkline__desk__v1__agent_service__descriptor)
#define STATE(x) TRUNKLINE__AGENT__V1__AGENT_STATE__AGENT_STATE_##x

typedef Trunkline__Desk__V1__AgentStatus status_t;

static struct testkit_nats nats;
static struct testkit_proc desk, desk2;
static struct loop *loop;
static struct bus *bus;
static struct bus_kv *config, *calls;
static struct events *events;
static struct agents_store *store;
static struct auth_signer *signer;
static char dir[TESTKIT_PATH], address[32], address2[32], conf_file[TESTKIT_PATH + 64], binary[512];
static int http_port;

/* ---- the world around the desk ---- */
static void on_ack(err_t e, uint64_t seq, void *arg)
{
	(void)seq;
	assert_int_equal(e, ERR_OK);
	*(bool *)arg = true;
}

static void put(struct bus_kv *kv, const char *key, const ProtobufCMessage *msg)
{
	size_t size = protobuf_c_message_get_packed_size(msg);
	uint8_t *bytes = mem_alloc(size);
	bool done = false;

	protobuf_c_message_pack(msg, bytes);
	assert_int_equal(bus_kv_put(kv, key, bytes, size, BUS_KV_ANY, on_ack, &done), ERR_OK);
	assert_true(testkit_wait_flag(loop, &done, 20000));
	mem_free(bytes);
}

static void put_tenant(const char *tenant, const char *domain)
{
	Trunkline__Config__V1__TenantConfig t = TRUNKLINE__CONFIG__V1__TENANT_CONFIG__INIT;
	Trunkline__Config__V1__Queue q = TRUNKLINE__CONFIG__V1__QUEUE__INIT, *queues[] = { &q };
	char key[64];

	t.tenant = (char *)tenant;
	t.version = 1;
	t.display_name = (char *)tenant;
	t.time_zone = (char *)"UTC";
	t.sip_domain = (char *)domain;
	q.id = (char *)"sales";
	q.display_name = (char *)"Sales";
	t.queues = queues;
	t.n_queues = 1;
	snprintf(key, sizeof(key), "%s.main", tenant);
	put(config, key, &t.base);
}

static void put_agent(const char *tenant, const char *id, bool enabled)
{
	Trunkline__Config__V1__Agent a = TRUNKLINE__CONFIG__V1__AGENT__INIT;
	char key[64], name[64];

	snprintf(name, sizeof(name), "Agent %s", id);
	a.tenant = (char *)tenant;
	a.id = (char *)id;
	a.display_name = name;
	a.enabled = enabled;
	a.version = 1;
	snprintf(key, sizeof(key), "%s.agent.%s", tenant, id);
	put(config, key, &a.base);
}

/* ---- callers ---- */
static struct rpc_client *client_for(struct auth_user u, const char *tenant, const char *agent, int64_t life_s,
				     const char *accept)
{
	struct rpc_client_params p = { .target = address, .language = accept, .timeout_ms = 60000 };
	struct rpc_client *c = NULL;
	char *token = NULL;

	snprintf(u.subject, sizeof(u.subject), "test:%s", agent);
	snprintf(u.tenant, sizeof(u.tenant), "%s", tenant);
	snprintf(u.agent, sizeof(u.agent), "%s", agent);
	assert_int_equal(auth_sign(signer, &u, clock_wall_ms() / 1000, life_s, &token), ERR_OK);
	p.token = token;
	assert_int_equal(rpc_client_new(&c, &p), ERR_OK);
	mem_free(token);
	return c;
}

static struct rpc_client *client_of(const char *tenant, const char *agent, unsigned scopes, int64_t life_s)
{
	return client_for((struct auth_user){ .scopes = scopes }, tenant, agent, life_s, NULL);
}

/* The language of its token, and the one that its requests ask for (NULL: none). */
static struct rpc_client *speaking_client(const char *tenant, const char *agent, const char *language,
					  const char *accept)
{
	struct auth_user u = { .scopes = AUTH_AGENT };

	snprintf(u.language, sizeof(u.language), "%s", language);
	return client_for(u, tenant, agent, 600, accept);
}

static struct rpc_client *agent_client(const char *tenant, const char *agent)
{
	return client_of(tenant, agent, AUTH_AGENT, 600);
}

static struct rpc_client *lead_client(const char *tenant)
{
	return client_of(tenant, "", AUTH_SUPERVISOR, 600);
}

/* All commands: agent_id is field 1 of each request, reason field 2 of SetBusy. */
static err_t command(struct rpc_client *c, const char *method, const char *agent_id, const char *reason, status_t *ret,
		     struct err_detail *detail)
{
	const ProtobufCMethodDescriptor *md = protobuf_c_service_descriptor_get_method_by_name(SERVICE, method);
	ProtobufCMessage *req = mem_zalloc(md->input->sizeof_message), *resp = NULL;
	err_t e;

	md->input->message_init(req);
	((Trunkline__Desk__V1__SignInRequest *)(void *)req)->agent_id = (char *)agent_id;
	if (*reason)
		((Trunkline__Desk__V1__SetBusyRequest *)(void *)req)->reason = (char *)reason;
	e = rpc_client_call(c, SERVICE, method, req, &resp, detail);
	mem_free(req);
	if (!e) {
		*ret = *(status_t *)(void *)resp; /* numbers only: the strings go */
		protobuf_c_message_free_unpacked(resp, NULL);
	}
	return e;
}

static void expect(struct rpc_client *c, const char *method, const char *reason, int state)
{
	struct err_detail d = { 0 };
	status_t st;
	err_t e = command(c, method, "", reason, &st, &d);

	if (e || (int)st.state != state)
		fail_msg("%s: %s %s: %s; state %d", method, err_name(e), d.field, d.message, e ? -1 : (int)st.state);
}

static void expect_error(struct rpc_client *c, const char *method, const char *agent_id, const char *reason, err_t want,
			 const char *message)
{
	struct err_detail d = { 0 };
	status_t st;
	err_t e = command(c, method, agent_id, reason, &st, &d);

	if (e != want || (message && !strstr(d.message, message)))
		fail_msg("%s: %s %s: %s", method, err_name(e), d.field, d.message);
}

/* ---- the desk ---- */
/* Before its stores are in step the desk answers UNAVAILABLE. */
static bool desk_ready(void *arg)
{
	struct rpc_client *c = agent_client("acme", "1001");
	status_t st;
	err_t e = command(c, "GetState", "", "", &st, NULL);

	(void)arg;
	rpc_client_free(&c);
	return e == ERR_OK;
}

static void start_desk(void)
{
	const char *argv[] = { binary, "-c", conf_file, NULL };

	testkit_spawn(&desk, &(struct testkit_spawn){ .argv = argv });
	assert_true(testkit_wait(desk_ready, NULL, 30000));
}

static void write_config(void)
{
	struct str s = STR_INIT;
	int port = testkit_tcp_port();

	http_port = testkit_tcp_port();
	snprintf(address, sizeof(address), "127.0.0.1:%d", port);
	str_printf(&s, "instance: desk-1\nsite: centre\nhttp:\n  port: %d\nlog:\n  level: warn\nnats:\n  url: \"%s\"\n",
		   http_port, nats.url);
	str_printf(&s, "grpc:\n  address: \"%s\"\nauth:\n  public_key_file: \"%s/token.pub\"\n", address, dir);
	testkit_file(dir, "desk.yaml", str_text(&s), conf_file);
	str_done(&s);
}

static void find_binary(void)
{
	char self[400];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	assert_true(n > 0);
	self[n] = '\0';
	snprintf(binary, sizeof(binary), "%s/../bin/trunkline-agent-desk", dirname(self));
}

static int setup(void **state)
{
	struct err_detail d = { 0 };

	(void)state;
	find_binary();
	testkit_dir(dir);
	testkit_nats_start(&nats, true);
	signer = rightskit_signer(dir);
	rightskit_none_revoked(nats.url);
	write_config();
	assert_int_equal(loop_new(&loop), ERR_OK);
	assert_int_equal(bus_new(&bus, &(struct bus_params){ .loop = loop, .url = nats.url, .name = "test" }, &d),
			 ERR_OK);
	assert_int_equal(bus_kv_open(&config, bus, &(struct bus_kv_params){ .bucket = "config" }, &d), ERR_OK);
	assert_int_equal(bus_kv_open(&calls, bus, &(struct bus_kv_params){ .bucket = "calls" }, &d), ERR_OK);
	assert_int_equal(events_ensure_stream(bus, &d), ERR_OK);
	assert_int_equal(events_new(&events, bus, "centre", "test"), ERR_OK);
	assert_int_equal(
	    agents_store_new(&store,
			     &(struct agents_store_params){ .bus = bus, .events = events, .instance = "router-1" }, &d),
	    ERR_OK);
	put_tenant("acme", "acme.example");
	put_tenant("globex", "globex.example");
	put_agent("acme", "1001", true);
	put_agent("acme", "1002", true);
	put_agent("acme", "1003", false);
	put_agent("globex", "2001", true);
	start_desk();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(testkit_proc_stop(&desk, SIGTERM, 10000), 0);
	agents_store_free(&store);
	events_free(&events);
	bus_kv_close(&config);
	bus_kv_close(&calls);
	bus_free(&bus);
	loop_free(&loop);
	auth_signer_free(&signer);
	testkit_nats_stop(&nats);
	return 0;
}

/* ---- what the router does, and time ---- */
static void await(atomic_int *v, int n)
{
	int64_t until = clock_mono_ms() + 30000;

	while (*v < n) {
		if (clock_mono_ms() > until)
			fail_msg("still %d, not %d", *v, n);
		loop_turn(loop, 5);
	}
}

/* What a router or a call-control does. */
static void on_applied(err_t e, const struct agent_record *r, uint64_t revision, const struct err_detail *d, void *arg)
{
	(void)revision;
	if (e)
		fail_msg("%s %s", err_name(e), d ? d->message : "");
	assert_non_null(r);
	*(bool *)arg = true;
}

static bool synced(void *arg)
{
	(void)arg;
	return agents_synced(store);
}

static void agent_event(const char *tenant, const char *agent, struct agent_event ev)
{
	bool done = false;

	assert_true(testkit_wait_loop(loop, synced, NULL, 20000));
	assert_int_equal(agents_apply(store, tenant, agent, &ev, on_applied, &done), ERR_OK);
	assert_true(testkit_wait_flag(loop, &done, 20000));
}

/* ---- tests ---- */
static void an_agent_signs_in_works_and_signs_out_GT_5_2(void **state)
{
	struct rpc_client *c = agent_client("acme", "1001");

	(void)state;
	expect(c, "GetState", "", STATE(SIGNED_OUT));
	expect_error(c, "SetReady", "", "", ERR_PRECONDITION, "sign in first");
	expect(c, "SignIn", "", STATE(BUSY));
	expect(c, "SignIn", "", STATE(BUSY)); /* repeated: the same */
	expect(c, "SetReady", "", STATE(READY));
	expect(c, "SetBusy", "break", STATE(BUSY));
	expect_error(c, "SetBusy", "", "a b", ERR_INVALID, "must be a word");
	expect_error(c, "FinishWrapUp", "", "", ERR_PRECONDITION, "WRAP_UP");
	expect(c, "SignOut", "", STATE(SIGNED_OUT));
	expect(c, "SignOut", "", STATE(SIGNED_OUT));
	rpc_client_free(&c);
}

static void a_stranger_is_refused_and_learns_nothing(void **state)
{
	struct rpc_client *c = agent_client("acme", "1001"), *foreign = lead_client("globex"),
			  *lead = lead_client("acme"), *nobody = NULL;
	Trunkline__Desk__V1__ListAgentsRequest list = TRUNKLINE__DESK__V1__LIST_AGENTS_REQUEST__INIT;
	ProtobufCMessage *resp;
	status_t st;

	(void)state;
	assert_int_equal(rpc_client_new(&nobody, &(struct rpc_client_params){ .target = address }), ERR_OK);
	expect_error(nobody, "GetState", "", "", ERR_UNAUTHENTICATED, "token");
	expect_error(c, "SetReady", "1002", "", ERR_NOT_FOUND, "no such agent");     /* a colleague */
	expect_error(c, "SetReady", "9999", "", ERR_NOT_FOUND, "no such agent");     /* nobody */
	expect_error(foreign, "SignIn", "1001", "", ERR_NOT_FOUND, "no such agent"); /* another tenant's */
	expect_error(lead, "SignIn", "1003", "", ERR_PRECONDITION, "disabled");
	assert_int_equal(command(lead, "SignIn", "1002", "", &st, NULL), ERR_OK);
	assert_int_equal(command(lead, "SignOut", "1002", "", &st, NULL), ERR_OK);
	assert_int_equal(rpc_client_call(c, SERVICE, "ListAgents", &list.base, &resp, NULL), ERR_DENIED);
	rpc_client_free(&nobody);
	rpc_client_free(&c);
	rpc_client_free(&foreign);
	rpc_client_free(&lead);
}

static void each_method_needs_its_permission_and_no_other_GT_3(void **state)
{
	(void)state;
	rightskit_check(SERVICE, address, signer, "1001");
}

static void a_withdrawn_token_is_refused_within_a_second_GT_3(void **state)
{
	struct rpc_client *c = agent_client("acme", "1001");

	(void)state;
	rightskit_check_revoked(SERVICE, address, signer, "1001", nats.url); /* signs in, while it may */
	expect(c, "SignOut", "", STATE(SIGNED_OUT));
	rpc_client_free(&c);
}

static void put_languages(const char *of_tenant, uint64_t version, const char *of_agent)
{
	Trunkline__Config__V1__TenantConfig t = TRUNKLINE__CONFIG__V1__TENANT_CONFIG__INIT;
	Trunkline__Config__V1__Agent a = TRUNKLINE__CONFIG__V1__AGENT__INIT;

	t.tenant = t.display_name = (char *)"tongues";
	t.version = a.version = version;
	t.time_zone = (char *)"UTC";
	t.sip_domain = (char *)"tongues.example";
	t.language = (char *)of_tenant;
	put(config, "tongues.main", &t.base);
	a.tenant = (char *)"tongues";
	a.id = (char *)"5001";
	a.language = (char *)of_agent;
	put(config, "tongues.agent.5001", &a.base);
}

struct wanted {
	const char *token, *accept, *text;
};

/* Disabled: refused with a text. */
static bool is_told(void *arg)
{
	const struct wanted *w = arg;
	struct rpc_client *c = speaking_client("tongues", "5001", w->token, w->accept);
	struct err_detail d = { 0 };
	status_t st;
	err_t e = command(c, "SignIn", "", "", &st, &d);

	rpc_client_free(&c);
	return e == ERR_PRECONDITION && strcmp(d.message, w->text) == 0;
}

static void an_agent_is_told_in_its_language_else_the_tenants_and_a_change_needs_no_new_token_GT_3_1_2f(void **state)
{
	static const char en[] = "the agent is disabled: an administrator can enable it",
			  hans[] = "该坐席已停用：管理员可以启用", hant[] = "該座席已停用：管理員可以啟用";
	static const struct {
		const char *tenant, *agent;
		struct wanted want;
	} rows[] = {
		{ "", "", { "", NULL, en } },
		{ "zh-Hant", "", { "", NULL, hant } },
		{ "zh-TW", "zh-Hans", { "", NULL, hans } },
		{ "zh-Hant", "", { "zh-CN", NULL, hans } },	   /* the token's */
		{ "zh-Hant", "en", { "zh-Hans", NULL, en } },	   /* the agent's, now */
		{ "zh-Hant", "zh-Hant", { "", "zh-Hans", hans } }, /* the request's */
		{ "zh-Hant", "", { "", "fr, en;q=0.1, zh;q=0.2", hans } },
		{ "zh-Hant", "", { "", "fr", en } },
		{ "zh-Hant", "", { "", "*", hant } },
		{ "xx-newer", "yy", { "", NULL, en } }, /* of a newer version: the tenant works on */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct wanted want = rows[i].want;

		put_languages(rows[i].tenant, i + 1, rows[i].agent);
		if (!testkit_wait(is_told, &want, 20000))
			fail_msg("row %zu: not '%s'", i, want.text);
	}
}

static void a_lead_lists_the_agents_page_by_page(void **state)
{
	Trunkline__Desk__V1__ListAgentsRequest req = TRUNKLINE__DESK__V1__LIST_AGENTS_REQUEST__INIT;
	struct rpc_client *lead = lead_client("acme");
	Trunkline__Desk__V1__ListAgentsResponse *r;
	ProtobufCMessage *first, *second;

	(void)state;
	req.page_size = 2;
	assert_int_equal(rpc_client_call(lead, SERVICE, "ListAgents", &req.base, &first, NULL), ERR_OK);
	r = (void *)first;
	assert_int_equal(r->n_agents, 2);
	assert_string_equal(r->agents[0]->agent_id, "1001");
	assert_string_equal(r->agents[1]->display_name, "Agent 1002");
	req.page_token = r->next_page_token;
	assert_int_equal(rpc_client_call(lead, SERVICE, "ListAgents", &req.base, &second, NULL), ERR_OK);
	r = (void *)second;
	assert_int_equal(r->n_agents, 1);
	assert_string_equal(r->agents[0]->agent_id, "1003");
	assert_string_equal(r->next_page_token, "");
	protobuf_c_message_free_unpacked(first, NULL);
	protobuf_c_message_free_unpacked(second, NULL);
	rpc_client_free(&lead);
}

static void put_call(const char *call_id)
{
	Trunkline__Call__V1__CallCheckpoint cp = TRUNKLINE__CALL__V1__CALL_CHECKPOINT__INIT;
	Trunkline__Event__V1__Variable v = TRUNKLINE__EVENT__V1__VARIABLE__INIT, *vars[] = { &v };
	char key[128];

	cp.tenant = (char *)"acme";
	cp.call_id = (char *)call_id;
	cp.caller = (char *)"+4930111";
	cp.called = (char *)"+4930222";
	cp.arrival_ms = 1234;
	v.name = (char *)"order";
	v.value = (char *)"77";
	cp.variables = vars;
	cp.n_variables = 1;
	snprintf(key, sizeof(key), "acme.%s", call_id);
	put(calls, key, &cp.base);
}

static bool is_over(void *arg)
{
	return ((struct seen *)arg)->over;
}

static void a_stream_ends_when_its_token_is_withdrawn_and_no_other_GT_3(void **state)
{
	struct auth_user u = { .scopes = AUTH_SUPERVISOR };
	struct seen theirs = { .all = true }, others = { .all = true };
	struct rpc_client *lead = lead_client("acme");
	status_t st;

	(void)state;
	assert_int_equal(auth_token_id(clock_wall_ms(), u.token_id), ERR_OK);
	listen_start(&theirs, client_for(u, "acme", "", 600, NULL));
	listen_start(&others, lead_client("acme"));
	await(&theirs.synced, 1);
	await(&others.synced, 1);
	rightskit_revoke(nats.url, u.token_id);
	assert_true(testkit_wait(is_over, &theirs, 1000));
	listen_end(&theirs);
	assert_int_equal(theirs.result, ERR_UNAUTHENTICATED);
	others.enough = true;
	assert_int_equal(command(lead, "SignIn", "1002", "", &st, NULL), ERR_OK);
	listen_end(&others);
	assert_int_equal(others.result, ERR_OK);
	assert_int_equal(command(lead, "SignOut", "1002", "", &st, NULL), ERR_OK);
	rpc_client_free(&lead);
}

static void an_offered_call_is_shown_with_what_is_known_of_it(void **state)
{
	struct rpc_client *c = agent_client("acme", "1001");
	struct seen own = { 0 }, floor = { .all = true };

	(void)state;
	put_call("call1");
	listen_start(&own, agent_client("acme", "1001"));
	listen_start(&floor, lead_client("acme"));
	await(&own.synced, 1);
	await(&floor.synced, 1);
	assert_int_equal(own.states, 1); /* the present state came first */
	expect(c, "SignIn", "", STATE(BUSY));
	await(&own.states, 2); /* each in turn: the bucket keeps the newest only */
	expect(c, "SetReady", "", STATE(READY));
	await(&own.states, 3);
	agent_event("acme", "1001",
		    (struct agent_event){ .kind = AGENT_EV_RESERVE,
					  .call_id = "call1",
					  .queue_id = "sales",
					  .leg_id = "leg1",
					  .router_epoch = 1,
					  .reserved_until_ms = clock_wall_ms() + 20000 });
	await(&own.offers, 1);
	await(&floor.offers, 1);
	assert_string_equal(own.offer_text, "call1 Sales +4930111→+4930222 order=77");
	assert_string_equal(floor.offer_text, own.offer_text);
	assert_int_equal(own.last_state, STATE(RESERVED));
	own.enough = floor.enough = true;
	agent_event("acme", "1001", (struct agent_event){ .kind = AGENT_EV_ANSWERED, .call_id = "call1" });
	listen_end(&own);
	listen_end(&floor);
	assert_int_equal(own.states, 5);
	rpc_client_free(&c);
}

/* Leaves agent 1001 on call1: the next test goes on from there. */
static void a_killed_desk_forgets_nobody(void **state)
{
	struct seen s = { 0 };
	struct rpc_client *c;

	(void)state;
	listen_start(&s, agent_client("acme", "1001"));
	await(&s.synced, 1);
	assert_int_equal(testkit_proc_stop(&desk, SIGKILL, 5000), 128 + SIGKILL);
	listen_end(&s);
	assert_int_equal(s.result, ERR_UNAVAILABLE);
	start_desk();
	s = (struct seen){ 0 };
	listen_start(&s, agent_client("acme", "1001"));
	await(&s.synced, 1);
	assert_int_equal(s.last_state, STATE(ON_CALL));
	assert_int_equal(s.offers, 1); /* and what the call is */
	s.enough = true;
	agent_event("acme", "1001",
		    (struct agent_event){ .kind = AGENT_EV_CALL_ENDED, .call_id = "call1", .wrap_up_ms = 60000 });
	listen_end(&s);
	c = agent_client("acme", "1001");
	expect(c, "GetState", "", STATE(WRAP_UP));
	expect(c, "FinishWrapUp", "", STATE(READY));
	expect(c, "SignOut", "", STATE(SIGNED_OUT));
	rpc_client_free(&c);
}

static void publish_waiting(uint32_t waiting)
{
	Trunkline__Router__V1__QueueStatuses m = TRUNKLINE__ROUTER__V1__QUEUE_STATUSES__INIT;
	Trunkline__Router__V1__QueueStatus q = TRUNKLINE__ROUTER__V1__QUEUE_STATUS__INIT, *list[] = { &q };
	uint8_t bytes[128];

	m.tenant = (char *)"acme";
	q.queue_id = (char *)"sales";
	q.waiting = waiting;
	m.queues = list;
	m.n_queues = 1;
	protobuf_c_message_pack(&m.base, bytes);
	assert_int_equal(bus_publish(bus, "tl.centre.queue-status.acme", bytes,
				     protobuf_c_message_get_packed_size(&m.base)),
			 ERR_OK);
	loop_turn(loop, 0); /* out it goes */
}

static void the_waiting_count_of_a_queue_is_told_as_it_changes(void **state)
{
	struct seen s = { 0 }, other = { .all = true };

	(void)state;
	publish_waiting(3);
	listen_start(&other, lead_client("globex"));
	await(&other.synced, 1);
	listen_start(&s, agent_client("acme", "1001"));
	await(&s.synced, 1);
	publish_waiting(3);
	publish_waiting(4);
	while (s.waiting != 4)
		loop_turn(loop, 5);
	assert_int_equal(other.queues, 0); /* not theirs */
	s.enough = other.enough = true;
	publish_waiting(5);
	listen_end(&s);
	testkit_proc_stop(&desk, SIGTERM, 10000); /* ends the other stream: it never gets another message */
	listen_end(&other);
	assert_int_equal(other.result, ERR_UNAVAILABLE);
	start_desk();
}

static void facts_are_seen_by_their_tenants_leads_only(void **state)
{
	struct seen s = { .facts = true }, other = { .facts = true };
	struct rpc_client *c = agent_client("acme", "1001"), *g = agent_client("globex", "2001");

	(void)state;
	listen_start(&s, lead_client("acme"));
	listen_start(&other, lead_client("globex"));
	for (int i = 0; i < 200 && !s.facts_seen; i++) { /* until the subscription is there */
		expect(c, "SignIn", "", STATE(BUSY));
		expect(c, "SignOut", "", STATE(SIGNED_OUT));
	}
	assert_int_equal(s.facts_seen, 1);
	assert_string_equal(s.last_agent, "1001");
	assert_int_equal(other.facts_seen, 0);
	for (int i = 0; i < 200 && !other.facts_seen; i++) {
		expect(g, "SignIn", "", STATE(BUSY));
		expect(g, "SignOut", "", STATE(SIGNED_OUT));
	}
	assert_string_equal(other.last_agent, "2001");
	listen_end(&s);
	listen_end(&other);
	rpc_client_free(&c);
	rpc_client_free(&g);
}

/* ---- a limit of agents signed in, two desks ---- */

static void start_desk2(void)
{
	static char conf[TESTKIT_PATH + 64];
	const char *argv[] = { binary, "-c", conf, NULL };
	struct str s = STR_INIT;

	snprintf(address2, sizeof(address2), "127.0.0.1:%d", testkit_tcp_port());
	str_printf(&s, "instance: desk-2\nsite: centre\nhttp:\n  port: %d\nlog:\n  level: warn\nnats:\n  url: \"%s\"\n",
		   testkit_tcp_port(), nats.url);
	str_printf(&s, "grpc:\n  address: \"%s\"\nauth:\n  public_key_file: \"%s/token.pub\"\n", address2, dir);
	testkit_file(dir, "desk2.yaml", str_text(&s), conf);
	str_done(&s);
	testkit_spawn(&desk2, &(struct testkit_spawn){ .argv = argv });
}

static err_t status_at(const char *where, const char *tenant, const char *agent, const char *method, status_t *st,
		       struct err_detail *d)
{
	struct auth_user u = { .scopes = AUTH_AGENT };
	struct rpc_client *c = NULL;
	char *token = NULL;

	*d = (struct err_detail){ 0 };
	snprintf(u.subject, sizeof(u.subject), "test:%s", agent);
	snprintf(u.tenant, sizeof(u.tenant), "%s", tenant);
	snprintf(u.agent, sizeof(u.agent), "%s", agent);
	assert_int_equal(auth_sign(signer, &u, clock_wall_ms() / 1000, 600, &token), ERR_OK);
	assert_int_equal(
	    rpc_client_new(&c, &(struct rpc_client_params){ .target = where, .token = token, .timeout_ms = 60000 }),
	    ERR_OK);
	err_t e = command(c, method, "", "", st, d);
	rpc_client_free(&c);
	mem_free(token);
	return e;
}

static err_t command_at(const char *where, const char *tenant, const char *agent, const char *method,
			struct err_detail *d)
{
	status_t st;

	return status_at(where, tenant, agent, method, &st, d);
}

struct known {
	const char *where, *tenant, *agent;
};

static bool agent_known(void *arg)
{
	const struct known *k = arg;
	struct err_detail d;

	return command_at(k->where, k->tenant, k->agent, "GetState", &d) == ERR_OK;
}

static bool agent_is_out(void *arg)
{
	const struct known *k = arg;
	struct err_detail d;
	status_t st;

	return status_at(k->where, k->tenant, k->agent, "GetState", &st, &d) == ERR_OK && st.state == STATE(SIGNED_OUT);
}

static void until_out_at(const char *where, const char *agent)
{
	assert_true(testkit_wait(agent_is_out, &(struct known){ where, "lim", agent }, 20000));
}

/* An agent is told after its tenant: who knows the one knows the other. */
static void put_limit(const char *tenant, uint64_t version, unsigned limit, const char *new_agent)
{
	Trunkline__Config__V1__TenantConfig t = TRUNKLINE__CONFIG__V1__TENANT_CONFIG__INIT;
	Trunkline__Config__V1__Quotas q = TRUNKLINE__CONFIG__V1__QUOTAS__INIT;
	char key[64], domain[64];

	snprintf(key, sizeof(key), "%s.main", tenant);
	snprintf(domain, sizeof(domain), "%s.example", tenant);
	t.tenant = t.display_name = (char *)tenant;
	t.version = version;
	t.time_zone = (char *)"UTC";
	t.sip_domain = domain;
	q.agents_signed_in = limit;
	t.quotas = &q;
	put(config, key, &t.base);
	put_agent(tenant, new_agent, true);
	struct known k[] = { { address, tenant, new_agent }, { address2, tenant, new_agent } };
	assert_true(testkit_wait(agent_known, &k[0], 20000));
	assert_true(testkit_wait(agent_known, &k[1], 20000));
}

#define RUSH 14
struct rush {
	pthread_t thread;
	char agent[16];
	const char *where;
	err_t e;
	struct err_detail d;
};

static void *rush_in(void *arg)
{
	struct rush *r = arg;

	r->e = command_at(r->where, "lim", r->agent, "SignIn", &r->d);
	return NULL;
}

/* Everybody at once, at both desks; returns how many are in. */
static unsigned rush(struct rush all[RUSH], const char *refusal)
{
	unsigned in = 0;

	for (int i = 0; i < RUSH; i++) {
		snprintf(all[i].agent, sizeof(all[i].agent), "30%02d", i);
		all[i].where = i % 2 ? address : address2;
		assert_int_equal(pthread_create(&all[i].thread, NULL, rush_in, &all[i]), 0);
	}
	for (int i = 0; i < RUSH; i++) {
		pthread_join(all[i].thread, NULL);
		in += all[i].e == ERR_OK;
		if (all[i].e && (all[i].e != ERR_EXHAUSTED || strcmp(all[i].d.field, "quotas.agents_signed_in") != 0 ||
				 strcmp(all[i].d.message, refusal) != 0))
			fail_msg("%s: %s %s: %s", all[i].agent, err_name(all[i].e), all[i].d.field, all[i].d.message);
	}
	return in;
}

static void as_many_as_are_allowed_sign_in_whatever_desk_they_come_to_GT_3_1_2(void **state)
{
	struct rush all[RUSH];
	struct err_detail d;
	int first_in = -1, first_out = -1;

	(void)state;
	start_desk2();
	for (int i = 0; i < RUSH; i++) {
		char id[16];

		snprintf(id, sizeof(id), "30%02d", i);
		put_agent("lim", id, true);
	}
	put_limit("lim", 1, 5, "3099");
	assert_int_equal(rush(all, "5 of 5 in use"), 5);
	for (int i = 0; i < RUSH; i++) {
		first_in = first_in < 0 && !all[i].e ? i : first_in;
		first_out = first_out < 0 && all[i].e ? i : first_out;
	}
	/* Who is in may say so again; another tenant has no limit. */
	assert_int_equal(command_at(address, "lim", all[first_in].agent, "SignIn", &d), ERR_OK);
	assert_int_equal(command_at(address2, "globex", "2001", "SignIn", &d), ERR_OK);
	assert_int_equal(command_at(address2, "globex", "2001", "SignOut", &d), ERR_OK);
	/* One leaves, by another service: one comes in, and no second one. */
	agent_event("lim", all[first_in].agent, (struct agent_event){ .kind = AGENT_EV_SIGN_OUT });
	until_out_at(address, all[first_in].agent);
	until_out_at(address2, all[first_in].agent); /* who says again what he is is answered by what the desk knows */
	assert_int_equal(command_at(address, "lim", all[first_out].agent, "SignIn", &d), ERR_OK);
	assert_int_equal(rush(all, "5 of 5 in use"), 5);
	/* A desk that is killed takes nobody's place away and gives none. */
	testkit_proc_stop(&desk, SIGKILL, 5000);
	start_desk();
	assert_int_equal(rush(all, "5 of 5 in use"), 5);
	/* Lowered: they stay, and none comes until there is room. */
	put_limit("lim", 2, 3, "3098");
	assert_int_equal(rush(all, "5 of 3 in use"), 5);
	int left = 0;
	for (int i = 0; i < RUSH && left < 2; i++)
		if (!all[i].e && ++left) {
			assert_int_equal(command_at(address, "lim", all[i].agent, "SignOut", &d), ERR_OK);
			until_out_at(address2, all[i].agent);
		}
	assert_int_equal(command_at(address2, "lim", "3099", "SignIn", &d), ERR_EXHAUSTED);
	assert_string_equal(d.message, "3 of 3 in use");
	put_limit("lim", 3, 0, "3097");
	assert_int_equal(rush(all, ""), RUSH);
	assert_int_equal(testkit_proc_stop(&desk2, SIGTERM, 10000), 0);
}

static void on_late(err_t e, const struct agent_record *record, uint64_t revision, const struct err_detail *detail,
		    void *arg)
{
	(void)record;
	(void)revision;
	(void)detail;
	*(int *)arg = (int)e;
}

static bool got_in(void *arg)
{
	struct err_detail d;

	(void)arg;
	return command_at(address, "dead", "4002", "SignIn", &d) == ERR_OK;
}

static void a_seat_left_by_a_desk_that_died_is_taken_and_its_late_sign_in_refused_GT_3_1_2(void **state)
{
	Trunkline__Agent__V1__Seat seat = TRUNKLINE__AGENT__V1__SEAT__INIT;
	struct err_detail d;
	struct bus_kv *seats;
	int late = -1;

	(void)state;
	start_desk2();
	put_agent("dead", "4001", true);
	put_limit("dead", 1, 1, "4002");
	assert_int_equal(bus_kv_open(&seats, bus, &(struct bus_kv_params){ .bucket = "seats" }, &d), ERR_OK);
	seat.agent_id = (char *)"4001";
	put(seats, "dead.0", &seat.base);
	assert_int_equal(command_at(address, "dead", "4002", "SignIn", &d), ERR_EXHAUSTED);
	assert_string_equal(d.message, "1 of 1 in use");
	assert_true(testkit_wait(got_in, NULL, 20000));
	assert_int_equal(agents_apply_at(store, "dead", "4001",
					 &(struct agent_event){ .kind = AGENT_EV_SIGN_IN, .site = "centre" }, 0,
					 on_late, &late),
			 ERR_OK);
	while (late < 0)
		loop_turn(loop, 5);
	assert_int_equal(late, ERR_ABORTED);
	assert_int_equal(command_at(address2, "dead", "4001", "SignIn", &d), ERR_EXHAUSTED);
	bus_kv_close(&seats);
	assert_int_equal(testkit_proc_stop(&desk2, SIGTERM, 10000), 0);
}

/* The last one: the tenant has another configuration afterwards. */
static void each_method_counts_in_the_tenants_requests_of_a_second_GT_3_1_2(void **state)
{
	(void)state;
	rightskit_check_limited(SERVICE, address, signer, "1001", nats.url);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_agent_signs_in_works_and_signs_out_GT_5_2),
		cmocka_unit_test(a_stranger_is_refused_and_learns_nothing),
		cmocka_unit_test(each_method_needs_its_permission_and_no_other_GT_3),
		cmocka_unit_test(a_withdrawn_token_is_refused_within_a_second_GT_3),
		cmocka_unit_test(
		    an_agent_is_told_in_its_language_else_the_tenants_and_a_change_needs_no_new_token_GT_3_1_2f),
		cmocka_unit_test(a_lead_lists_the_agents_page_by_page),
		cmocka_unit_test(an_offered_call_is_shown_with_what_is_known_of_it),
		cmocka_unit_test(a_killed_desk_forgets_nobody),
		cmocka_unit_test(the_waiting_count_of_a_queue_is_told_as_it_changes),
		cmocka_unit_test(a_stream_ends_when_its_token_is_withdrawn_and_no_other_GT_3),
		cmocka_unit_test(facts_are_seen_by_their_tenants_leads_only),
		cmocka_unit_test(as_many_as_are_allowed_sign_in_whatever_desk_they_come_to_GT_3_1_2),
		cmocka_unit_test(a_seat_left_by_a_desk_that_died_is_taken_and_its_late_sign_in_refused_GT_3_1_2),
		cmocka_unit_test(each_method_counts_in_the_tenants_requests_of_a_second_GT_3_1_2),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
