#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include "base/mem.h"
#include "edge_wire.h"
#include "trunkline/edge/v1/edge.pb-c.h"

struct got {
	int good, bad;
	char field[96];
	enum edge_command_kind kind;
	unsigned status;
	char reason[64];
};

static void on_good(const struct edge_command *c, const char *owner, void *arg)
{
	struct got *g = arg;

	g->good++;
	g->kind = c->kind;
	g->status = c->status;
	strncpy(g->reason, c->reason ? c->reason : "", sizeof(g->reason) - 1);
	assert_string_equal(owner, "cc-1");
}

static void on_bad(const struct err_detail *d, void *arg)
{
	struct got *g = arg;

	g->bad++;
	strcpy(g->field, d->field);
}

typedef Trunkline__Edge__V1__EdgeCommand command_t;

static struct got feed(const char *owner, command_t *c)
{
	Trunkline__Edge__V1__EdgeCommands m = TRUNKLINE__EDGE__V1__EDGE_COMMANDS__INIT;
	static uint8_t buf[100000];
	struct got g = { 0 };
	size_t n;

	m.owner = (char *)owner;
	m.n_commands = 1;
	m.commands = &c;
	n = trunkline__edge__v1__edge_commands__pack(&m, buf);
	edge_wire_commands(buf, n, on_good, on_bad, &g);
	return g;
}

static command_t base(void)
{
	command_t c = TRUNKLINE__EDGE__V1__EDGE_COMMAND__INIT;

	c.tenant = (char *)"acme";
	c.call_id = (char *)"call";
	c.leg_id = (char *)"leg";
	c.epoch = 1;
	return c;
}

static void refused(command_t *c, const char *owner, const char *field)
{
	struct got g = feed(owner, c);

	assert_int_equal(g.good, 0);
	assert_int_equal(g.bad, 1);
	assert_string_equal(g.field, field);
}

static void a_good_command_passes_and_a_bad_one_names_its_field(void **state)
{
	Trunkline__Edge__V1__LegReject reject = TRUNKLINE__EDGE__V1__LEG_REJECT__INIT;
	command_t good = base(), c;
	struct got g;

	(void)state;
	good.command_case = TRUNKLINE__EDGE__V1__EDGE_COMMAND__COMMAND_REJECT;
	good.reject = &reject;
	reject.status = 486;
	reject.reason = (char *)"besetzt";
	g = feed("cc-1", &good);
	assert_int_equal(g.good, 1);
	assert_int_equal(g.kind, EDGE_REJECT);
	assert_int_equal(g.status, 486);
	assert_string_equal(g.reason, "besetzt");
	c = good;
	c.tenant = (char *)"Acme.";
	refused(&c, "cc-1", "tenant");
	c = good;
	c.call_id = (char *)"";
	refused(&c, "cc-1", "call_id");
	c = good;
	c.leg_id = (char *)"a>b";
	refused(&c, "cc-1", "leg_id");
	c = good;
	c.epoch = 0;
	refused(&c, "cc-1", "epoch");
	refused(&good, "cc.*", "owner");
	refused(&good, "", "owner");
	reject.status = 200;
	refused(&good, "cc-1", "status");
	reject.status = 486;
	reject.reason = (char *)"a\r\nVia: x";
	refused(&good, "cc-1", "reason");
	c = base();
	refused(&c, "cc-1", "command");
}

static void a_dial_is_checked_all_over(void **state)
{
	Trunkline__Edge__V1__LegDial d = TRUNKLINE__EDGE__V1__LEG_DIAL__INIT, good;
	Trunkline__Edge__V1__Header h = TRUNKLINE__EDGE__V1__HEADER__INIT, *hs[20];
	command_t c = base();
	static uint8_t big[EDGE_SDP_MAX + 1];

	(void)state;
	c.command_case = TRUNKLINE__EDGE__V1__EDGE_COMMAND__COMMAND_DIAL;
	c.dial = &d;
	refused(&c, "cc-1", "dial.to");
	d.to_case = TRUNKLINE__EDGE__V1__LEG_DIAL__TO_AGENT_ID;
	d.agent_id = (char *)"1001";
	good = d;
	assert_int_equal(feed("cc-1", &c).good, 1);
	d.agent_id = (char *)"";
	refused(&c, "cc-1", "dial.agent_id");
	d = good;
	d.caller = (char *)"x\001";
	refused(&c, "cc-1", "dial.caller");
	d = good;
	d.timeout_ms = -1;
	refused(&c, "cc-1", "dial.timeout_ms");
	d = good;
	memset(big, 'x', sizeof(big));
	d.sdp = (ProtobufCBinaryData){ sizeof(big), big };
	refused(&c, "cc-1", "dial.sdp");
	d = good;
	d.sdp = (ProtobufCBinaryData){ 3, (uint8_t *)"a\0b" };
	refused(&c, "cc-1", "dial.sdp");
	d = good;
	for (size_t i = 0; i < ARRAY_SIZE(hs); i++)
		hs[i] = &h;
	h.name = (char *)"X-A";
	h.value = (char *)"1";
	d.headers = hs;
	d.n_headers = 16;
	assert_int_equal(feed("cc-1", &c).good, 1);
	d.n_headers = 17;
	refused(&c, "cc-1", "dial.headers");
	d.n_headers = 1;
	h.name = (char *)"Route"; /* only X- headers may be set from outside */
	refused(&c, "cc-1", "dial.headers.name");
	h.name = (char *)"X-A";
	h.value = (char *)"1\r\nRoute: <sip:evil>";
	refused(&c, "cc-1", "dial.headers.value");
	d = good;
	d.to_case = TRUNKLINE__EDGE__V1__LEG_DIAL__TO_URI;
	d.uri = (char *)"sip:1@x";
	refused(&c, "cc-1", "dial.trunk_id");
}

static void bytes_that_are_no_commands_are_refused(void **state)
{
	struct got g = { 0 };

	(void)state;
	edge_wire_commands("\xff\xff\xff", 3, on_good, on_bad, &g);
	assert_int_equal(g.bad, 1);
	assert_string_equal(g.field, "message");
}

static void a_batch_of_events_unpacks_as_one_message(void **state)
{
	struct str s = STR_INIT;
	Trunkline__Edge__V1__EdgeEvents *m;
	struct edge_event offer = { .tenant = "acme",
				    .call_id = "c",
				    .leg_id = "l",
				    .time_ms = 5,
				    .kind = EDGE_EV_OFFER,
				    .caller = "1",
				    .called = "2",
				    .sdp = { "v=0", 3 } };
	static char big[10000];

	(void)state;
	memset(big, 'a', sizeof(big));
	edge_wire_events_begin(&s, "edge-1");
	edge_wire_events_add(&s, &offer);
	edge_wire_events_add(&s, &(struct edge_event){ .kind = EDGE_EV_ANSWERED, .sdp = { big, sizeof(big) } });
	edge_wire_events_add(&s, &(struct edge_event){
				     .kind = EDGE_EV_ENDED, .cause = "bye", .status = 486, .by_us = true });
	edge_wire_events_add(&s, &(struct edge_event){ .kind = EDGE_EV_STALE, .epoch = 9 });
	edge_wire_events_add(&s, &(struct edge_event){ .kind = EDGE_EV_REOFFER, .request = 3 });
	edge_wire_events_add(&s, &(struct edge_event){ .kind = EDGE_EV_STATE, .answered = true });
	edge_wire_events_add(&s, &(struct edge_event){ .kind = EDGE_EV_RINGING, .status = 183 });
	m = trunkline__edge__v1__edge_events__unpack(NULL, s.len, (const uint8_t *)s.data);
	assert_non_null(m);
	assert_string_equal(m->instance, "edge-1");
	assert_int_equal(m->n_events, 7);
	assert_string_equal(m->events[0]->offer->called, "2");
	assert_int_equal(m->events[1]->answered->sdp.len, sizeof(big));
	assert_string_equal(m->events[2]->ended->cause, "bye");
	assert_int_equal(m->events[2]->ended->status, 486);
	assert_true(m->events[2]->ended->by_us);
	assert_int_equal(m->events[3]->stale->epoch, 9);
	assert_int_equal(m->events[4]->reoffer->request, 3);
	assert_true(m->events[5]->state->answered);
	assert_int_equal(m->events[6]->ringing->status, 183);
	trunkline__edge__v1__edge_events__free_unpacked(m, NULL);
	str_done(&s);
}

static void on_leg(const struct leg_record *r, void *arg)
{
	assert_string_equal(r->sip_call_id, "x@y");
	assert_string_equal(r->routes[1], "sip:b;lr");
	assert_int_equal(r->n_routes, 2);
	assert_int_equal(r->local_sdp.size, 3);
	assert_int_equal(r->local_cseq, 77);
	*(bool *)arg = true;
}

static void a_leg_comes_back_from_its_record(void **state)
{
	struct leg_record r = { .call_id = "call",
				.leg_id = "leg",
				.tenant = "acme",
				.owner = "cc-1",
				.sip_call_id = "x@y",
				.local = "<sip:a@b>;tag=1",
				.remote = "<sip:c@d>;tag=2",
				.target = "sip:c@1.2.3.4",
				.route = "",
				.contact = "<sip:e>",
				.agent_id = "",
				.trunk_id = "",
				.local_cseq = 77,
				.n_routes = 2,
				.routes = { "sip:a;lr", "sip:b;lr" },
				.local_sdp = { "v=0", 3 } };
	struct str s = STR_INIT;
	bool seen = false;

	(void)state;
	edge_wire_leg_to_pb(&s, &r);
	assert_int_equal(edge_wire_leg_from_pb(s.data, s.len, on_leg, &seen), ERR_OK);
	assert_true(seen);
	str_reset(&s);
	r.target = "sip:c@d\r\nRoute: x";
	edge_wire_leg_to_pb(&s, &r);
	assert_int_equal(edge_wire_leg_from_pb(s.data, s.len, on_leg, &seen), ERR_INVALID);
	str_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_command_passes_and_a_bad_one_names_its_field),
		cmocka_unit_test(a_dial_is_checked_all_over),
		cmocka_unit_test(bytes_that_are_no_commands_are_refused),
		cmocka_unit_test(a_batch_of_events_unpacks_as_one_message),
		cmocka_unit_test(a_leg_comes_back_from_its_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
