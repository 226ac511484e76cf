/*
 * itest_world: what the integration tests of sip-edge stand on: a real NATS server, the real program, a call-control played
 * over the bus, and a SIP peer that speaks text over UDP, so that a test says exactly what is on the wire.
 */
#ifndef SIP_EDGE_ITEST_WORLD_H
#define SIP_EDGE_ITEST_WORLD_H

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <libgen.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/str.h"
#include "bus/bus.h"
#include "sip/digest.h"
#include "testkit/testkit.h"
#include "trunkline/config/v1/config.pb-c.h"
#include "trunkline/edge/v1/edge.pb-c.h"

#define UNUSED	__attribute__((unused))
#define EV(x)	TRUNKLINE__EDGE__V1__EDGE_EVENT__EVENT_##x
#define CMD(x)	TRUNKLINE__EDGE__V1__EDGE_COMMAND__COMMAND_##x
#define WAIT_MS 20000
#define SDP_A                                                                                                 \
	"v=0\r\no=a 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8 0 " \
	"101\r\na=sendrecv\r\n"
#define SDP_B                                                                                               \
	"v=0\r\no=b 2 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40002 RTP/AVP 8 " \
	"101\r\na=sendrecv\r\n"
#define SDP_C                                                                                               \
	"v=0\r\no=b 2 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40002 RTP/AVP 8 " \
	"101\r\na=sendonly\r\n"

typedef Trunkline__Edge__V1__EdgeEvent event_t;
typedef Trunkline__Edge__V1__EdgeCommand command_t;

static struct testkit_nats nats;
static struct testkit_proc edge;
static struct loop *loop;
static struct bus *bus;
static struct bus_kv *config;
static char dir[TESTKIT_PATH], conf_file[TESTKIT_PATH + 64], binary[512];
static int sip_port, http_port, tls_port;
static const char *digest_offer = "both";
static const char *sip_address = "127.0.0.1"; /* and the trunk's */
static int late_ms = 20000;
/* Longer than a busy machine keeps us from answering; shorter where a test waits for them. */
static int offer_timeout_ms = 10000, reoffer_ms = 8000, probe_ms = 6000, orphan_ms = 120000;
static bool globex_by_address; /* its trunk: the same gateway as acme's */

/* ---- call-control, as far as the edge sees it ---- */

struct seen {
	struct seen *next;
	Trunkline__Edge__V1__EdgeEvents *batch;
	size_t i;
	char owner[16];
	bool taken;
};
static struct seen *seen_first, **seen_last = &seen_first;
static bool take_offers = true;
/* For load: answer every offer at once, and hang up when told. */
static bool auto_answer;
static size_t auto_offers, auto_ended;

static void cc_send(const char *owner, const command_t *c);

static void UNUSED auto_play(const event_t *ev)
{
	command_t c = TRUNKLINE__EDGE__V1__EDGE_COMMAND__INIT;
	Trunkline__Edge__V1__LegAnswer a = TRUNKLINE__EDGE__V1__LEG_ANSWER__INIT;

	if (ev->event_case == EV(ENDED))
		auto_ended++;
	if (ev->event_case != EV(OFFER))
		return;
	auto_offers++;
	c.tenant = ev->tenant;
	c.call_id = ev->call_id;
	c.leg_id = ev->leg_id;
	c.epoch = 1;
	a.sdp = (ProtobufCBinaryData){ sizeof(SDP_B) - 1, (uint8_t *)SDP_B };
	c.command_case = CMD(ANSWER);
	c.answer = &a;
	cc_send("cc-1", &c);
}

static void remember(const struct bus_msg *m, const char *owner)
{
	Trunkline__Edge__V1__EdgeEvents *b = trunkline__edge__v1__edge_events__unpack(NULL, m->size, m->data);

	assert_non_null(b);
	if (auto_answer) {
		for (size_t i = 0; i < b->n_events; i++)
			auto_play(b->events[i]);
		trunkline__edge__v1__edge_events__free_unpacked(b, NULL);
		return;
	}
	for (size_t i = 0; i < b->n_events; i++) {
		struct seen *s = calloc(1, sizeof(*s));

		s->batch = b; /* never freed: the tests are short */
		s->i = i;
		snprintf(s->owner, sizeof(s->owner), "%s", owner);
		*seen_last = s;
		seen_last = &s->next;
	}
}

static void on_offer(const struct bus_msg *m, void *arg)
{
	(void)arg;
	if (take_offers)
		remember(m, "offer");
}

static void on_events(const struct bus_msg *m, void *arg)
{
	remember(m, arg);
}

/* The next event of the kind for the owner ("offer", "cc-1", "cc-2"), each given once; NULL after the wait. */
struct want {
	const char *owner;
	int kind;
	const event_t *found;
};

static bool look(void *arg)
{
	struct want *w = arg;

	for (struct seen *s = seen_first; s; s = s->next) {
		const event_t *ev = s->batch->events[s->i];

		if (s->taken || (int)ev->event_case != w->kind || strcmp(s->owner, w->owner) != 0)
			continue;
		s->taken = true;
		w->found = ev;
		return true;
	}
	return false;
}

static const event_t *cc_event_in(const char *owner, int kind, int64_t ms)
{
	struct want w = { owner, kind, NULL };

	testkit_wait_loop(loop, look, &w, ms);
	return w.found;
}

static const event_t *cc_event(const char *owner, int kind)
{
	const event_t *ev = cc_event_in(owner, kind, WAIT_MS);

	if (!ev)
		print_error("no event %d for %s\n", kind, owner);
	assert_non_null(ev);
	return ev;
}

static void cc_send(const char *owner, const command_t *c)
{
	Trunkline__Edge__V1__EdgeCommands m = TRUNKLINE__EDGE__V1__EDGE_COMMANDS__INIT;
	command_t *list[1] = { (command_t *)c };
	uint8_t buf[40000];
	size_t n;

	m.owner = (char *)owner;
	m.n_commands = 1;
	m.commands = list;
	n = trunkline__edge__v1__edge_commands__pack(&m, buf);
	assert_int_equal(bus_publish(bus, "tl.centre.edge.edge-1", buf, n), ERR_OK);
	if (!auto_answer)
		for (int i = 0; i < 3; i++)
			loop_turn(loop, 1);
}

/* A leg under test: what commands are addressed with. */
struct leg_ref {
	char tenant[64], call[64], leg[64];
	uint64_t epoch;
};

static command_t to_leg(const struct leg_ref *l, int kind)
{
	command_t c = TRUNKLINE__EDGE__V1__EDGE_COMMAND__INIT;

	c.tenant = (char *)l->tenant;
	c.call_id = (char *)l->call;
	c.leg_id = (char *)l->leg;
	c.epoch = l->epoch;
	c.command_case = (Trunkline__Edge__V1__EdgeCommand__CommandCase)kind;
	return c;
}

static ProtobufCBinaryData sdp_of(const char *text)
{
	return (ProtobufCBinaryData){ strlen(text), (uint8_t *)text };
}

static struct leg_ref UNUSED leg_of(const event_t *ev)
{
	struct leg_ref l = { .epoch = 1 };

	snprintf(l.tenant, sizeof(l.tenant), "%s", ev->tenant);
	snprintf(l.call, sizeof(l.call), "%s", ev->call_id);
	snprintf(l.leg, sizeof(l.leg), "%s", ev->leg_id);
	return l;
}

static void UNUSED cc_progress(const struct leg_ref *l, const char *sdp)
{
	Trunkline__Edge__V1__LegProgress p = TRUNKLINE__EDGE__V1__LEG_PROGRESS__INIT;
	command_t c = to_leg(l, CMD(PROGRESS));

	p.sdp = sdp_of(sdp);
	c.progress = &p;
	cc_send("cc-1", &c);
}

static void UNUSED cc_answer(const struct leg_ref *l, const char *sdp)
{
	Trunkline__Edge__V1__LegAnswer a = TRUNKLINE__EDGE__V1__LEG_ANSWER__INIT;
	command_t c = to_leg(l, CMD(ANSWER));

	a.sdp = sdp_of(sdp);
	c.answer = &a;
	cc_send("cc-1", &c);
}

static void UNUSED cc_reject(const struct leg_ref *l, unsigned status)
{
	Trunkline__Edge__V1__LegReject r = TRUNKLINE__EDGE__V1__LEG_REJECT__INIT;
	command_t c = to_leg(l, CMD(REJECT));

	r.status = status;
	c.reject = &r;
	cc_send("cc-1", &c);
}

static void UNUSED cc_hang_up(const struct leg_ref *l)
{
	Trunkline__Edge__V1__LegHangUp h = TRUNKLINE__EDGE__V1__LEG_HANG_UP__INIT;
	command_t c = to_leg(l, CMD(HANG_UP));

	c.hang_up = &h;
	cc_send("cc-1", &c);
}

static void UNUSED cc_attach(const struct leg_ref *l, const char *owner)
{
	Trunkline__Edge__V1__LegAttach a = TRUNKLINE__EDGE__V1__LEG_ATTACH__INIT;
	command_t c = to_leg(l, CMD(ATTACH));

	c.attach = &a;
	cc_send(owner, &c);
}

static void UNUSED cc_reinvite(const struct leg_ref *l, const char *sdp)
{
	Trunkline__Edge__V1__LegReinvite r = TRUNKLINE__EDGE__V1__LEG_REINVITE__INIT;
	command_t c = to_leg(l, CMD(REINVITE));

	r.sdp = sdp_of(sdp);
	c.reinvite = &r;
	cc_send("cc-1", &c);
}

static void UNUSED cc_reanswer(const struct leg_ref *l, unsigned request, const char *sdp)
{
	Trunkline__Edge__V1__LegReanswer r = TRUNKLINE__EDGE__V1__LEG_REANSWER__INIT;
	command_t c = to_leg(l, CMD(REANSWER));

	r.request = request;
	r.sdp = sdp_of(sdp);
	c.reanswer = &r;
	cc_send("cc-1", &c);
}

/* The caller 13800138000 for agent 1001 of acme, who was called at +862011110000. */
static struct leg_ref UNUSED cc_dial_agent(const char *agent, int64_t timeout_ms)
{
	Trunkline__Edge__V1__LegDial d = TRUNKLINE__EDGE__V1__LEG_DIAL__INIT;
	struct leg_ref l = { .tenant = "acme", .epoch = 1 };
	command_t c;

	id_new(clock_wall_ms(), l.call);
	id_new(clock_wall_ms(), l.leg);
	c = to_leg(&l, CMD(DIAL));
	d.to_case = TRUNKLINE__EDGE__V1__LEG_DIAL__TO_AGENT_ID;
	d.agent_id = (char *)agent;
	d.caller = (char *)"13800138000";
	d.caller_name = (char *)"Li \"Lei\"";
	d.called = (char *)"+862011110000";
	d.queue_id = (char *)"sales";
	d.sdp = sdp_of(SDP_B);
	d.timeout_ms = timeout_ms;
	c.dial = &d;
	cc_send("cc-1", &c);
	return l;
}

/* ---- configuration ---- */

static void on_ack(err_t e, uint64_t seq, void *arg)
{
	(void)seq;
	assert_int_equal(e, ERR_OK);
	*(bool *)arg = true;
}

static void put(const char *key, const ProtobufCMessage *msg)
{
	uint8_t buf[8192];
	size_t n = protobuf_c_message_pack(msg, buf);
	bool done = false;

	assert_int_equal(bus_kv_put(config, key, buf, n, BUS_KV_ANY, on_ack, &done), ERR_OK);
	assert_true(testkit_wait_flag(loop, &done, WAIT_MS));
}

static void put_tenant(const char *id, const char *number, bool by_address, bool suspended)
{
	Trunkline__Config__V1__TenantConfig t = TRUNKLINE__CONFIG__V1__TENANT_CONFIG__INIT;
	Trunkline__Config__V1__Number n = TRUNKLINE__CONFIG__V1__NUMBER__INIT, *numbers[1] = { &n };
	Trunkline__Config__V1__Trunk trunk = TRUNKLINE__CONFIG__V1__TRUNK__INIT, *trunks[1] = { &trunk };
	Trunkline__Config__V1__Target reject = TRUNKLINE__CONFIG__V1__TARGET__INIT;
	char *addresses[1] = { (char *)sip_address }, key[64], domain[64], md5[DIGEST_HEX], sha[DIGEST_HEX], host[32];

	snprintf(domain, sizeof(domain), "%s.trunkline.local", id);
	snprintf(key, sizeof(key), "%s.main", id);
	snprintf(host, sizeof(host), "127.0.0.1:%d", sip_port + 9);
	reject.to_case = TRUNKLINE__CONFIG__V1__TARGET__TO_REJECT_STATUS;
	reject.reject_status = 404;
	n.number = (char *)number;
	n.working = n.other = n.forced = &reject;
	trunk.id = (char *)"carrier";
	if (by_address) {
		trunk.n_addresses = 1;
		trunk.addresses = addresses;
		trunk.host = host;
	}
	digest_ha1(DIGEST_MD5, "gateway", domain, "gate-secret", md5);
	digest_ha1(DIGEST_SHA256, "gateway", domain, "gate-secret", sha);
	trunk.username = (char *)"gateway";
	trunk.ha1_md5 = md5;
	trunk.ha1_sha256 = sha;
	t.tenant = (char *)id;
	t.version = 1;
	t.time_zone = (char *)"UTC";
	t.suspended = suspended;
	t.sip_domain = domain;
	t.n_numbers = t.n_trunks = 1;
	t.numbers = numbers;
	t.trunks = trunks;
	put(key, &t.base);
}

static void put_agent(const char *tenant, const char *id, const char *password)
{
	Trunkline__Config__V1__Agent a = TRUNKLINE__CONFIG__V1__AGENT__INIT;
	char key[64], domain[64], md5[DIGEST_HEX], sha[DIGEST_HEX];

	snprintf(domain, sizeof(domain), "%s.trunkline.local", tenant);
	snprintf(key, sizeof(key), "%s.agent.%s", tenant, id);
	digest_ha1(DIGEST_MD5, id, domain, password, md5);
	digest_ha1(DIGEST_SHA256, id, domain, password, sha);
	a.tenant = (char *)tenant;
	a.id = (char *)id;
	a.enabled = true;
	a.ha1_md5 = md5;
	a.ha1_sha256 = sha;
	a.version = 1;
	put(key, &a.base);
}

/* ---- the program ---- */

#define CURL_HTTP_ERROR 22 /* exit code: it answers, and says no */

/* curl's exit code. */
static int ready_answer(void)
{
	char url[64];

	snprintf(url, sizeof(url), "http://127.0.0.1:%d/readyz", http_port);
	return testkit_run((const char *[]){ "curl", "-sf", "-o", "/dev/null", "-m", "10", url, NULL }, NULL, 20000);
}

static bool ready(void *arg)
{
	(void)arg;
	return ready_answer() == 0;
}

static void spawn_edge(void)
{
	const char *argv[] = { binary, "-c", conf_file, NULL };
	char log[TESTKIT_PATH + 32];

	snprintf(log, sizeof(log), "%s/edge.log", dir);
	testkit_spawn(&edge, &(struct testkit_spawn){ .argv = argv, .log = log });
}

static void start_edge(void)
{
	char log[TESTKIT_PATH + 32];

	snprintf(log, sizeof(log), "%s/edge.log", dir);
	spawn_edge();
	if (!testkit_wait(ready, NULL, 3 * WAIT_MS)) {
		struct str out = STR_INIT;

		testkit_read(log, &out);
		print_error("sip-edge is not ready:\n%s\n", str_text(&out));
		fail();
	}
}

/* Value of a metric line that begins with name; -1: none. */
static double UNUSED metric_value(const char *name)
{
	char url[64];
	struct str out = STR_INIT;
	double v = -1;

	snprintf(url, sizeof(url), "http://127.0.0.1:%d/metrics", http_port);
	if (testkit_run((const char *[]){ "curl", "-sf", "-m", "10", url, NULL }, &out, 20000) == 0) {
		const char *line = strstr(str_text(&out), name);

		while (line && (line != out.data && line[-1] != '\n'))
			line = strstr(line + 1, name);
		line = line ? strchr(line, ' ') : NULL;
		v = line ? atof(line) : -1;
	}
	str_done(&out);
	return v;
}

static void find_binary(void)
{
	char self[400];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	assert_true(n > 0);
	self[n] = '\0';
	snprintf(binary, sizeof(binary), "%s/../bin/trunkline-sip-edge", dirname(self));
}

/* agent.pem and cafile.pem, as Sofia wants them. */
static void make_certificate(void)
{
	struct str agent = STR_INIT, ca = STR_INIT;
	char path[TESTKIT_PATH + 64];

	testkit_certificate(dir, "sip-edge");
	snprintf(path, sizeof(path), "%s/sip-edge.pem", dir);
	testkit_read(path, &agent);
	snprintf(path, sizeof(path), "%s/sip-edge.key", dir);
	testkit_read(path, &agent);
	snprintf(path, sizeof(path), "%s/ca.pem", dir);
	testkit_read(path, &ca);
	testkit_file(dir, "agent.pem", str_text(&agent), path);
	testkit_file(dir, "cafile.pem", str_text(&ca), path);
	str_done(&agent);
	str_done(&ca);
}

static int world_start(void **state)
{
	struct err_detail detail = { "", "" };
	char yaml[1024];

	(void)state;
	find_binary();
	testkit_dir(dir);
	testkit_nats_start(&nats, true);
	/* Ten ports in a row for the edge and its peers. */
	sip_port = 26000 + (int)(getpid() % 200) * 10;
	http_port = testkit_tcp_port();
	tls_port = testkit_tcp_port();
	make_certificate();
	assert_int_equal(loop_new(&loop), ERR_OK);
	assert_int_equal(bus_new(&bus, &(struct bus_params){ .loop = loop, .url = nats.url, .name = "test" }, &detail),
			 ERR_OK);
	assert_int_equal(bus_kv_open(&config, bus, &(struct bus_kv_params){ .bucket = "config" }, &detail), ERR_OK);
	put_tenant("acme", "+862011110000", true, false);
	put_tenant("globex", "+862022220000", globex_by_address, false);
	put_tenant("sleepy", "+862033330000", true, true);
	put_agent("acme", "1001", "secret-1001");
	put_agent("acme", "1002", "secret-1002");
	put_agent("globex", "1001", "other-1001");
	struct bus_sub *sub;
	assert_int_equal(bus_subscribe(&sub, bus, "tl.centre.offer", "call-control", on_offer, NULL), ERR_OK);
	assert_int_equal(bus_subscribe(&sub, bus, "tl.centre.cc.cc-1.edge", NULL, on_events, (void *)"cc-1"), ERR_OK);
	assert_int_equal(bus_subscribe(&sub, bus, "tl.centre.cc.cc-2.edge", NULL, on_events, (void *)"cc-2"), ERR_OK);
	snprintf(yaml, sizeof(yaml),
		 "instance: edge-1\nsite: centre\nhttp:\n  address: 127.0.0.1\n  port: %d\nlog:\n  level: info\n"
		 "nats:\n  url: %s\nsip:\n  address: \"%s\"\n  port: %d\n  digest: %s\n  offer_timeout_ms: %d\n"
		 "  late_ms: %d\n  probe_ms: %d\n  orphan_ms: %d\n  reoffer_ms: %d\n  tls_port: %d\n  tls_dir: "
		 "%s\ndrain:\n  timeout_ms: 120000\n",
		 http_port, nats.url, sip_address, sip_port, digest_offer, offer_timeout_ms, late_ms, probe_ms,
		 orphan_ms, reoffer_ms, tls_port, dir);
	testkit_file(dir, "edge.yaml", yaml, conf_file);
	start_edge();
	return 0;
}

static int world_stop(void **state)
{
	int code = testkit_proc_stop(&edge, SIGTERM, WAIT_MS);

	(void)state;
	bus_kv_close(&config);
	bus_free(&bus);
	loop_free(&loop);
	testkit_nats_stop(&nats);
	if (code) {
		struct str out = STR_INIT;
		char log[TESTKIT_PATH + 32];

		snprintf(log, sizeof(log), "%s/edge.log", dir);
		testkit_read(log, &out);
		fprintf(stderr, "sip-edge ended with %d:\n%s\n", code,
			str_text(&out) + (out.len > 8000 ? out.len - 8000 : 0));
		str_done(&out);
	}
	return code == 0 ? 0 : 1;
}

/* Before each test: what an earlier one left unread is not its business. It has all come when the answer about a leg that nobody knows
 * has: that is said last. */
static int UNUSED forget(void **state)
{
	struct leg_ref nobody = { .tenant = "acme", .epoch = 1 };

	(void)state;
	id_new(clock_wall_ms(), nobody.call);
	id_new(clock_wall_ms(), nobody.leg);
	cc_attach(&nobody, "cc-1");
	while (strcmp(cc_event("cc-1", EV(ENDED))->leg_id, nobody.leg) != 0)
		;
	for (struct seen *s = seen_first; s; s = s->next)
		s->taken = true;
	return 0;
}

#endif
