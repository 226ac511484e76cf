/* kill -9 of the edge while callers ring: who is not answered yet is answered by the next life (GT-15). */
#include "itest_peer.h"

struct kept {
	struct leg_ref leg;
	uint8_t invite[8192];
	size_t size;
};

/* A caller who has heard `heard`, as call-control keeps him. */
static void ring(struct kept *k, struct peer *p, struct call *c, const char *heard)
{
	const event_t *ev;

	*c = call_new(p, "+862011110000", "13800138000", "carrier.example");
	invite(c, "Record-Route: <sip:127.0.0.1:5999;lr>\r\nUser-Agent: phone\r\n", SDP_A);
	ev = cc_event("offer", EV(OFFER));
	k->leg = leg_of(ev);
	k->size = ev->offer->invite.len;
	assert_true(k->size > 0 && k->size <= sizeof(k->invite));
	memcpy(k->invite, ev->offer->invite.data, k->size);
	cc_progress(&k->leg, "");
	peer_expect(p, heard);
}

static void give_back(const struct kept *k)
{
	Trunkline__Edge__V1__LegAttach a = TRUNKLINE__EDGE__V1__LEG_ATTACH__INIT;
	command_t c = to_leg(&k->leg, CMD(ATTACH));

	a.invite = (ProtobufCBinaryData){ k->size, (uint8_t *)k->invite };
	c.attach = &a;
	cc_send("cc-1", &c);
}

static void kill_edge(void)
{
	testkit_proc_stop(&edge, SIGKILL, WAIT_MS);
	start_edge();
}

static void talk_and_hang_up(struct peer *p, struct call *c, const struct kept *k)
{
	ack(c, "");
	cc_event("cc-1", EV(ANSWERED));
	snprintf(c->target, sizeof(c->target), "sip:127.0.0.1:%d", sip_port);
	in_dialog(c, "BYE", "", "");
	peer_expect(p, "SIP/2.0 200");
	assert_string_equal(cc_event("cc-1", EV(ENDED))->leg_id, k->leg.leg);
}

static void a_caller_who_rang_is_answered_by_the_next_life(void **state)
{
	struct peer p;
	struct call c;
	struct kept k;
	char tag[256];

	(void)state;
	peer_open(&p);
	ring(&k, &p, &c, "SIP/2.0 180");
	snprintf(tag, sizeof(tag), "%s", header(&p, "To"));
	kill_edge();
	give_back(&k);
	assert_false(cc_event("cc-1", EV(STATE))->state->answered);
	give_back(&k); /* a second one changes nothing */
	assert_false(cc_event("cc-1", EV(STATE))->state->answered);
	cc_answer(&k.leg, SDP_B);
	peer_expect(&p, "SIP/2.0 200");
	assert_string_equal(header(&p, "To"), tag);
	assert_string_equal(header(&p, "Call-ID"), c.call_id);
	assert_string_equal(header(&p, "Record-Route"), "<sip:127.0.0.1:5999;lr>");
	assert_non_null(strstr(header(&p, "Via"), c.branch));
	assert_string_equal(body(&p), SDP_B);
	learn(&c);
	talk_and_hang_up(&p, &c, &k);
	assert_true(metric_value("trunkline_edge_revived_total") == 1);
	peer_close(&p);
}

static void an_answer_whose_ack_the_dead_process_would_have_got_is_given_again(void **state)
{
	struct peer p;
	struct call c;
	struct kept k;
	char tag[256];

	(void)state;
	peer_open(&p);
	ring(&k, &p, &c, "SIP/2.0 180");
	cc_answer(&k.leg, SDP_B);
	peer_expect(&p, "SIP/2.0 200");
	learn(&c);
	snprintf(tag, sizeof(tag), "%s", header(&p, "To"));
	kill_edge();
	peer_forget(&p);
	ack(&c, ""); /* of nothing, yet */
	give_back(&k);
	assert_false(cc_event("cc-1", EV(STATE))->state->answered);
	cc_answer(&k.leg, SDP_B);
	peer_expect(&p, "SIP/2.0 200");
	assert_string_equal(header(&p, "To"), tag);
	talk_and_hang_up(&p, &c, &k);
	peer_close(&p);
}

/* Its CANCEL is sent again until somebody answers (RFC 3261, 17.1.2.2). */
static void who_gives_up_while_the_edge_is_away_is_cancelled(void **state)
{
	struct peer p;
	struct call c;
	struct kept k;

	(void)state;
	peer_open(&p);
	ring(&k, &p, &c, "SIP/2.0 180");
	kill_edge();
	request(&c, "CANCEL", c.ruri, c.cseq, "", "");
	assert_false(peer_got(&p, "SIP/2.0 ", 300)); /* a 481 would be wrong */
	give_back(&k);
	cc_event("cc-1", EV(STATE));
	request(&c, "CANCEL", c.ruri, c.cseq, "", "");
	peer_expect(&p, "SIP/2.0 487");
	ack_refusal(&c);
	assert_string_equal(cc_event("cc-1", EV(ENDED))->ended->cause, "cancel");
	peer_close(&p);
}

static void a_caller_who_is_refused_while_the_edge_is_away_hears_it(void **state)
{
	struct peer p;
	struct call c;
	struct kept k;

	(void)state;
	peer_open(&p);
	ring(&k, &p, &c, "SIP/2.0 180");
	kill_edge();
	cc_reject(&k.leg, 486);
	assert_string_equal(cc_event("cc-1", EV(ENDED))->ended->cause, "unknown-leg");
	give_back(&k);
	cc_reject(&k.leg, 486);
	peer_expect(&p, "SIP/2.0 486");
	ack_refusal(&c);
	cc_event("cc-1", EV(ENDED));
	peer_close(&p);
}

/* It had heard nothing yet, asks again, and is a new call: one INVITE, one call. */
static void an_invite_that_came_again_is_not_revived(void **state)
{
	struct peer p;
	struct call c;
	struct kept k, again;
	const event_t *ev;

	(void)state;
	peer_open(&p);
	ring(&k, &p, &c, "SIP/2.0 180");
	kill_edge();
	request(&c, "INVITE", c.ruri, c.cseq, "", SDP_A);
	ev = cc_event("offer", EV(OFFER));
	again.leg = leg_of(ev);
	give_back(&k);
	assert_string_equal(cc_event("cc-1", EV(ENDED))->ended->cause, "unknown-leg");
	cc_reject(&again.leg, 480);
	peer_expect(&p, "SIP/2.0 480");
	ack_refusal(&c);
	cc_event("cc-1", EV(ENDED));
	peer_close(&p);
}

static void what_is_no_invite_is_an_unknown_leg(void **state)
{
	static const char *const bad[] = { "x", "\x0a\x03"
						"abc\x12\x0e"
						"127.0.0.1:5060\x1a\x01t2\x01"
						"9" };
	struct peer p;
	struct call c;
	struct kept k;

	(void)state;
	peer_open(&p);
	ring(&k, &p, &c, "SIP/2.0 180");
	kill_edge();
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct kept wrong = { .leg = k.leg, .size = strlen(bad[i]) };

		memcpy(wrong.invite, bad[i], wrong.size);
		give_back(&wrong);
		assert_string_equal(cc_event("cc-1", EV(ENDED))->ended->cause, "unknown-leg");
	}
	/* Any byte of a good one may be wrong: it is revived or not, and nothing breaks. */
	for (size_t i = 0; i < k.size; i += 7) {
		struct kept wrong = k;

		wrong.leg.leg[0] = 'a';
		wrong.invite[i] ^= 0x15;
		give_back(&wrong);
		cc_hang_up(&wrong.leg);
	}
	assert_true(ready(NULL));
	peer_close(&p);
}

/* A restart in good order: the next process goes on with who rings, too. */
static void a_ringing_caller_outlives_a_restart_of_the_edge(void **state)
{
	struct peer p;
	struct call c;
	struct kept k;

	(void)state;
	peer_open(&p);
	ring(&k, &p, &c, "SIP/2.0 180");
	assert_int_equal(testkit_proc_stop(&edge, SIGTERM, WAIT_MS), 0);
	assert_false(peer_got(&p, "SIP/2.0 5", 100));
	start_edge();
	give_back(&k);
	assert_false(cc_event("cc-1", EV(STATE))->state->answered);
	cc_answer(&k.leg, SDP_B);
	peer_expect(&p, "SIP/2.0 200");
	learn(&c);
	talk_and_hang_up(&p, &c, &k);
	peer_close(&p);
}

/* The INVITE of c over TCP, and the beginning of its answer. */
static void invite_by_tcp(const struct call *c, char answer[12])
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)sip_port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), n;
	char text[2048];

	inet_pton(AF_INET, "127.0.0.1", &a.sin_addr);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	n = snprintf(text, sizeof(text),
		     "INVITE %s SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:5061;branch=z9hG4bKtcp\r\nFrom: %s\r\nTo: %s\r\n"
		     "Call-ID: tcp-%s\r\nCSeq: 1 INVITE\r\nContact: %s\r\nContent-Length: 0\r\n\r\n",
		     c->ruri, c->from, c->to, c->call_id, c->contact);
	assert_int_equal(send(fd, text, (size_t)n, 0), n);
	assert_int_equal(recv(fd, answer, 11, MSG_WAITALL), 11);
	answer[11] = '\0';
	close(fd);
}

/* A restart in good order refuses nobody: a phone that rings is told to stop, and who calls meanwhile hears nothing until the next
 * process hears him. */
static void who_calls_in_the_midst_of_a_restart_is_heard_by_the_next_process(void **state)
{
	struct peer p, caller;
	char by_tcp[12];
	struct call c;

	(void)state;
	peer_open(&p);
	peer_open(&caller);
	register_as(&p, "acme", "1001", "secret-1001", DIGEST_MD5, "");
	(void)cc_dial_agent("1001", 5000);
	peer_expect(&p, "INVITE ");
	answer(&p, NULL, "180 Ringing", "t1", "");
	cc_event("cc-1", EV(RINGING));
	assert_int_equal(kill(edge.pid, SIGTERM), 0);
	peer_expect(&p, "CANCEL "); /* which is not answered: the process waits a little for it */
	c = call_new(&caller, "+862011110000", "13800138000", "carrier.example");
	invite(&c, "", SDP_A);
	invite_by_tcp(&c, by_tcp); /* nobody says it again */
	assert_string_equal(by_tcp, "SIP/2.0 503");
	assert_false(peer_got(&caller, "SIP/2.0", 200));
	assert_int_equal(testkit_proc_stop(&edge, SIGTERM, WAIT_MS), 0);
	start_edge();
	invite(&c, "", SDP_A);
	peer_expect(&caller, "SIP/2.0 100");
	assert_non_null(cc_event("offer", EV(OFFER)));
	peer_close(&caller);
	peer_close(&p);
}

/* Answered when the process is about to end: kept for the next one all the same. */
static void a_call_that_comes_to_stand_in_the_midst_of_a_restart_is_known_afterwards(void **state)
{
	struct peer p, caller;
	struct call c;
	struct kept k;

	(void)state;
	peer_open(&p);
	peer_open(&caller);
	ring(&k, &caller, &c, "SIP/2.0 180");
	register_as(&p, "acme", "1001", "secret-1001", DIGEST_MD5, "");
	(void)cc_dial_agent("1001", 5000);
	peer_expect(&p, "INVITE ");
	answer(&p, NULL, "180 Ringing", "t1", "");
	cc_event("cc-1", EV(RINGING));
	assert_int_equal(kill(edge.pid, SIGTERM), 0);
	peer_expect(&p, "CANCEL ");
	cc_answer(&k.leg, SDP_B);
	peer_expect(&caller, "SIP/2.0 200");
	learn(&c);
	ack(&c, "");
	cc_event("cc-1", EV(ANSWERED));
	assert_int_equal(testkit_proc_stop(&edge, SIGTERM, WAIT_MS), 0);
	start_edge();
	in_dialog(&c, "BYE", "", "");
	peer_expect(&caller, "SIP/2.0 200");
	peer_close(&caller);
	peer_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_caller_who_rang_is_answered_by_the_next_life, forget),
		cmocka_unit_test_setup(an_answer_whose_ack_the_dead_process_would_have_got_is_given_again, forget),
		cmocka_unit_test_setup(who_gives_up_while_the_edge_is_away_is_cancelled, forget),
		cmocka_unit_test_setup(a_caller_who_is_refused_while_the_edge_is_away_hears_it, forget),
		cmocka_unit_test_setup(an_invite_that_came_again_is_not_revived, forget),
		cmocka_unit_test_setup(what_is_no_invite_is_an_unknown_leg, forget),
		cmocka_unit_test_setup(a_ringing_caller_outlives_a_restart_of_the_edge, forget),
		cmocka_unit_test_setup(a_call_that_comes_to_stand_in_the_midst_of_a_restart_is_known_afterwards,
				       forget),
		cmocka_unit_test_setup(who_calls_in_the_midst_of_a_restart_is_heard_by_the_next_process, forget),
	};

	return cmocka_run_group_tests(tests, world_start, world_stop);
}
