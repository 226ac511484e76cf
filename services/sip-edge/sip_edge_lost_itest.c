/* What got out of step is found (GT-15): phones asked within a call, legs without a call, offers that nobody took. */
#include "itest_peer.h"

#include "trunkline/media/v1/media.pb-c.h"

static void cc_probe(const struct leg_ref *l)
{
	Trunkline__Edge__V1__LegProbe p = TRUNKLINE__EDGE__V1__LEG_PROBE__INIT;
	command_t c = to_leg(l, CMD(PROBE));

	c.probe = &p;
	cc_send("cc-1", &c);
}

static void whatever_a_phone_answers_within_its_call_shows_that_it_lives(void **state)
{
	static const char *const answers[] = { "200 OK", "405 Method Not Allowed", "501 Not Implemented",
					       "500 Server Error" };
	struct peer p;
	struct call c;
	struct leg_ref l;

	(void)state;
	peer_open(&p);
	l = establish(&p, &c);
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		cc_probe(&l);
		peer_expect(&p, "OPTIONS ");
		assert_string_equal(header(&p, "To"), c.from);
		answer(&p, NULL, answers[i], NULL, "");
		assert_true(cc_event("cc-1", EV(STATE))->state->answered);
	}
	in_dialog(&c, "BYE", "", "");
	peer_expect(&p, "SIP/2.0 200");
	assert_string_equal(cc_event("cc-1", EV(ENDED))->ended->cause, "bye");
	peer_close(&p);
}

static void a_phone_that_knows_no_such_call_has_lost_its_bye(void **state)
{
	struct peer p;
	struct call c;
	struct leg_ref l;

	(void)state;
	peer_open(&p);
	l = establish(&p, &c);
	cc_probe(&l);
	peer_expect(&p, "OPTIONS ");
	answer(&p, NULL, "481 Call/Transaction Does Not Exist", NULL, "");
	assert_string_equal(cc_event("cc-1", EV(ENDED))->ended->cause, "bye-lost");
	cc_attach(&l, "cc-1");
	assert_string_equal(cc_event("cc-1", EV(ENDED))->ended->cause, "bye-lost");
	peer_close(&p);
}

static void a_phone_that_answers_nothing_is_gone(void **state)
{
	struct peer p;
	struct call c;
	struct leg_ref l;

	(void)state;
	peer_open(&p);
	l = establish(&p, &c);
	cc_probe(&l);
	peer_expect(&p, "OPTIONS ");
	assert_string_equal(cc_event("cc-1", EV(ENDED))->ended->cause, "phone-gone");
	peer_close(&p);
}

/* KV `calls` has no entry of it, and no call-control says a word. */
static void a_leg_without_a_call_is_hung_up(void **state)
{
	const event_t *ev;
	struct peer p;
	struct call c;

	(void)state;
	peer_open(&p);
	establish(&p, &c);
	ev = cc_event_in("cc-1", EV(ENDED), 20000);
	assert_non_null(ev);
	assert_string_equal(ev->ended->cause, "hung-up");
	peer_expect(&p, "BYE ");
	answer(&p, NULL, "200 OK", NULL, "");
	peer_close(&p);
}

static void an_offer_that_nobody_took_is_made_once_more(void **state)
{
	const event_t *first, *second;
	struct leg_ref l;
	struct peer p;
	struct call c;

	(void)state;
	peer_open(&p);
	c = call_new(&p, "+862011110000", "13800138000", "carrier.example");
	invite(&c, "", SDP_A);
	first = cc_event("offer", EV(OFFER));
	l = leg_of(first);
	second = cc_event("offer", EV(OFFER)); /* whoever got the first one is dead */
	assert_string_equal(second->leg_id, l.leg);
	assert_string_equal(second->call_id, first->call_id);
	assert_string_equal(second->offer->sip_call_id, c.call_id);
	cc_answer(&l, SDP_B);
	peer_expect(&p, "SIP/2.0 200");
	learn(&c);
	ack(&c, "");
	cc_event("cc-1", EV(ANSWERED));
	in_dialog(&c, "BYE", "", "");
	peer_expect(&p, "SIP/2.0 200");
	assert_string_equal(cc_event("cc-1", EV(ENDED))->ended->cause, "bye");
	peer_close(&p);
}

/* incarnation 0: its last word. */
static void cc_beat(const char *instance, uint64_t incarnation)
{
	Trunkline__Media__V1__Heartbeat hb = TRUNKLINE__MEDIA__V1__HEARTBEAT__INIT;
	uint8_t bytes[256];
	char subject[64];

	hb.instance = (char *)instance;
	hb.service = (char *)"call-control";
	hb.incarnation = incarnation;
	snprintf(subject, sizeof(subject), "tl.centre.hb.call-control.%s", instance);
	assert_int_equal(bus_publish(bus, subject, bytes, trunkline__media__v1__heartbeat__pack(&hb, bytes)), ERR_OK);
}

static uint64_t beating[2]; /* incarnation of cc-1, cc-2; 0: it is not there */
static struct loop_timer beat;

static void on_beat(void *arg)
{
	(void)arg;
	if (beating[0])
		cc_beat("cc-1", beating[0]);
	if (beating[1])
		cc_beat("cc-2", beating[1]);
	loop_timer_start(&beat, 300);
}

static void answered_and_ended(struct call *c, const event_t *offer)
{
	struct leg_ref l = leg_of(offer);

	cc_answer(&l, SDP_B);
	peer_expect(c->p, "SIP/2.0 200");
	learn(c);
	ack(c, "");
	in_dialog(c, "BYE", "", "");
	peer_expect(c->p, "SIP/2.0 200");
}

/* The only instance known gets it by name; it dies, and the one that is there by then gets it. */
static void an_offer_goes_to_an_instance_by_name_and_from_a_dead_one_to_another(void **state)
{
	const event_t *first, *second;
	struct peer p;
	struct call c;

	(void)state;
	peer_open(&p);
	c = call_new(&p, "+862011110000", "13800138000", "carrier.example");
	invite(&c, "", SDP_A);
	cc_event("offer", EV(OFFER)); /* nobody is known: for whoever takes it */
	loop_timer_init(&beat, loop, on_beat, NULL);
	beating[0] = 1;
	on_beat(NULL);
	answered_and_ended(&c, cc_event("cc-1", EV(OFFER)));
	c = call_new(&p, "+862011110000", "13800138000", "carrier.example");
	invite(&c, "", SDP_A);
	first = cc_event("cc-1", EV(OFFER));
	beating[1] = 1;
	cc_beat("cc-2", beating[1]);
	cc_beat("cc-1", beating[0] = 2); /* another process under the name */
	second = cc_event("cc-2", EV(OFFER));
	assert_string_equal(second->leg_id, first->leg_id);
	answered_and_ended(&c, second);
	assert_null(cc_event_in("offer", EV(OFFER), 0));
	loop_timer_done(&beat);
	cc_beat("cc-1", 0);
	cc_beat("cc-2", 0);
	peer_close(&p);
}

/* ---- answers that nobody here waits for any more ---- */

static bool nothing_is_under_way(void *arg)
{
	(void)arg;
	return metric_value("trunkline_edge_client_transactions") == 0;
}

static bool never(void *arg)
{
	(void)arg;
	return false;
}

static void until_nothing_is_under_way(void)
{
	assert_false(testkit_wait_loop(loop, never, NULL, 1500)); /* the gauge of Sofia's is a second old */
	assert_true(testkit_wait_loop(loop, nothing_is_under_way, NULL, 60000));
}

static void stray_answer(struct peer *p, const char *leg, const char *tag, const char *branch)
{
	peer_send(p,
		  "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:%d;branch=z9hG4bK-%s-0-%s\r\nFrom: "
		  "<sip:1@acme.example>;tag=%s\r\n"
		  "To: <sip:1001@acme.example>;tag=phone\r\nCall-ID: %s-0@127.0.0.1\r\nCSeq: 101 INVITE\r\n"
		  "Contact: <sip:1001@nobody.invalid>\r\nContent-Length: 0\r\n\r\n",
		  sip_port, leg, branch, tag, leg);
}

/* The phone picked up while nobody was there, and tells a process that does not know the call. Its Contact is a name: it is reached
 * where it is. */
static void who_answers_an_invite_of_an_earlier_life_is_acknowledged_and_hung_up(void **state)
{
	struct peer p;

	(void)state;
	peer_open_at(&p, "127.0.0.77"); /* no trunk's: a telephone */
	stray_answer(&p, "leg-of-before", "tleg-of-before", "0");
	peer_expect(&p, "ACK sip:1001@nobody.invalid ");
	assert_string_equal(header(&p, "CSeq"), "101 ACK");
	peer_expect(&p, "BYE sip:1001@nobody.invalid ");
	answer(&p, NULL, "200 OK", NULL, "");
	until_nothing_is_under_way();
	peer_close(&p);
}

/* Otherwise one datagram of a stranger would have us send twelve to whom he likes, and keep a transaction for ever. */
static void answers_to_what_we_never_sent_are_answered_by_nothing(void **state)
{
	static const struct {
		const char *tag, *branch;
	} made_up[] = { { "tleg-of-before", "7" }, { "tleg-of-befor", "0" }, { "1", "0" }, { "xleg-of-before", "0" } };
	struct peer p;

	(void)state;
	peer_open_at(&p, "127.0.0.78");
	for (size_t i = 0; i < ARRAY_SIZE(made_up); i++)
		stray_answer(&p, "leg-of-before", made_up[i].tag, made_up[i].branch);
	assert_false(peer_got(&p, "", 150));
	assert_int_equal(metric_value("trunkline_edge_client_transactions"), 0);
	peer_close(&p);
}

static void a_flood_of_them_is_bounded(void **state)
{
	struct peer p;
	int64_t began_ms = clock_mono_ms(), last_ms;
	int n = 0;

	(void)state;
	peer_open_at(&p, "127.0.0.79");
	for (int i = 0; i < 200; i++) {
		char leg[32], tag[40];

		snprintf(leg, sizeof(leg), "flood%d", i);
		snprintf(tag, sizeof(tag), "t%s", leg);
		stray_answer(&p, leg, tag, "0");
	}
	peer_expect(&p, "ACK ");
	do {
		n++;
		last_ms = clock_mono_ms();
	} while (peer_got(&p, "ACK ", 150));
	assert_in_range(n, 1, 20 + 20 * (last_ms - began_ms + 999) / 1000); /* 20 a second, as many at once */
	assert_true(n < 200);
	peer_close(&p);
}

static void a_caller_whose_contact_is_a_name_is_reached_where_he_is(void **state)
{
	struct peer p;
	struct call c;
	struct leg_ref l;

	(void)state;
	peer_open(&p);
	c = call_new(&p, "+862011110000", "13800138000", "carrier.example");
	snprintf(c.contact, sizeof(c.contact), "<sip:gateway@nobody.invalid>");
	invite(&c, "", SDP_A);
	l = leg_of(cc_event("offer", EV(OFFER)));
	cc_answer(&l, SDP_B);
	peer_expect(&p, "SIP/2.0 200");
	learn(&c);
	ack(&c, "");
	cc_event("cc-1", EV(ANSWERED));
	cc_hang_up(&l);
	peer_expect(&p, "BYE sip:gateway@nobody.invalid ");
	answer(&p, NULL, "200 OK", NULL, "");
	assert_true(cc_event("cc-1", EV(ENDED))->ended->by_us);
	peer_close(&p);
}

/* ---- phones that ring in vain ---- */

static bool no_invite_is_over(void *arg)
{
	(void)arg;
	return metric_value("trunkline_edge_invites_over") == 0;
}

/* One says nothing and is switched off after the call, one rings and says no more, one answers. nta itself keeps a CANCEL that it
 * could not send yet for ever when the INVITE fails after the call. */
static void phones_that_say_no_final_word_leave_nothing(void **state)
{
	struct peer silent, rings, answers;
	struct call c = { .cseq = 0 };
	struct leg_ref l;

	(void)state;
	until_nothing_is_under_way();
	peer_open(&silent);
	peer_open(&rings);
	peer_open(&answers);
	register_as(&silent, "acme", "1002", "secret-1002", DIGEST_MD5, "");
	register_as(&rings, "acme", "1002", "secret-1002", DIGEST_MD5, "");
	register_as(&answers, "acme", "1002", "secret-1002", DIGEST_MD5, "");
	l = cc_dial_agent("1002", 5000);
	peer_expect(&silent, "INVITE ");
	peer_expect(&rings, "INVITE ");
	answer(&rings, NULL, "180 Ringing", "r", "");
	cc_event("cc-1", EV(RINGING));
	peer_expect(&answers, "INVITE ");
	answer(&answers, &c, "200 OK", "a", SDP_A);
	peer_expect(&answers, "ACK ");
	cc_event("cc-1", EV(ANSWERED));
	peer_expect(&rings, "CANCEL ");
	cc_hang_up(&l);
	peer_expect(&answers, "BYE ");
	answer(&answers, NULL, "200 OK", NULL, "");
	assert_string_equal(cc_event("cc-1", EV(ENDED))->ended->cause, "hung-up");
	assert_false(peer_got(&silent, "CANCEL ", 100)); /* before any answer it might overtake the INVITE */
	assert_int_equal(metric_value("trunkline_edge_invites_over"), 2);
	peer_close(&silent);
	assert_true(testkit_wait_loop(loop, no_invite_is_over, NULL, 60000));
	until_nothing_is_under_way();
	peer_close(&rings);
	peer_close(&answers);
}

/* The call is over before the phone has said a word: then it rings, and then somebody picks up. */
static void a_phone_that_is_late_is_cancelled_and_one_that_answers_all_the_same_is_hung_up(void **state)
{
	struct peer rings, answers;
	struct call c = { .cseq = 0 };
	struct leg_ref l;

	(void)state;
	peer_open(&rings);
	peer_open(&answers);
	register_as(&rings, "acme", "1001", "secret-1001", DIGEST_MD5, "");
	register_as(&answers, "acme", "1001", "secret-1001", DIGEST_MD5, "");
	l = cc_dial_agent("1001", 5000);
	peer_expect(&rings, "INVITE ");
	peer_expect(&answers, "INVITE ");
	cc_hang_up(&l);
	cc_event_in("cc-1", EV(ENDED), 10000);
	answer(&rings, NULL, "180 Ringing", "r", "");
	peer_expect(&rings, "CANCEL ");
	assert_non_null(strstr(header(&rings, "CSeq"), "101 CANCEL"));
	answer(&rings, NULL, "200 OK", NULL, "");
	answer(&answers, &c, "200 OK", "a", SDP_A);
	peer_expect(&answers, "ACK ");
	peer_expect(&answers, "BYE ");
	answer(&answers, NULL, "200 OK", NULL, "");
	peer_close(&rings);
	peer_close(&answers);
}

/* Whatever the phone says first, however wrong: now the CANCEL cannot overtake the INVITE any more. */
static void a_phone_whose_first_word_is_malformed_is_cancelled_all_the_same(void **state)
{
	struct peer rings;
	struct leg_ref l;
	char tag[301];

	(void)state;
	memset(tag, 'x', sizeof(tag) - 1);
	tag[sizeof(tag) - 1] = '\0';
	peer_open(&rings);
	register_as(&rings, "acme", "1002", "secret-1002", DIGEST_MD5, "");
	l = cc_dial_agent("1002", 5000);
	peer_expect(&rings, "INVITE ");
	cc_hang_up(&l);
	cc_event_in("cc-1", EV(ENDED), 10000);
	answer(&rings, NULL, "180 Ringing", tag, "");
	peer_expect(&rings, "CANCEL ");
	peer_close(&rings);
}

static void a_contact_that_is_a_name_in_an_answer_to_our_reinvite_is_not_looked_up(void **state)
{
	struct peer p;
	struct call c;
	struct leg_ref l;

	(void)state;
	peer_open(&p);
	l = establish(&p, &c);
	cc_reinvite(&l, SDP_C);
	peer_expect(&p, "INVITE ");
	peer_send(
	    &p,
	    "SIP/2.0 200 OK\r\nVia: %s\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\n"
	    "Contact: <sip:gateway@nobody.invalid>\r\nContent-Type: application/sdp\r\nContent-Length: %zu\r\n\r\n%s",
	    header(&p, "Via"), header(&p, "From"), header(&p, "To"), header(&p, "Call-ID"), header(&p, "CSeq"),
	    strlen(SDP_A), SDP_A);
	peer_expect(&p, "ACK ");
	cc_hang_up(&l);
	peer_expect(&p, "BYE ");
	answer(&p, NULL, "200 OK", NULL, "");
	peer_close(&p);
}

/* nta has forgotten the INVITE by then (timer D, 32 s), and would end the process over an ACK without one. */
static void a_phone_is_acknowledged_when_the_bus_comes_back_after_half_a_minute(void **state)
{
	struct peer p;
	struct call c;

	(void)state;
	peer_open(&p);
	register_as(&p, "acme", "1002", "secret-1002", DIGEST_MD5, "");
	(void)cc_dial_agent("1002", 5000);
	peer_expect(&p, "INVITE ");
	testkit_stand_still(nats.proc.pid);
	answer(&p, &c, "200 OK", "a", SDP_A);
	assert_false(peer_got(&p, "ACK ", 35000));
	assert_int_equal(kill(nats.proc.pid, SIGCONT), 0);
	assert_true(peer_got(&p, "ACK ", 20000));
	assert_true(peer_got(&p, "BYE ", 30000)); /* no call-control has said a word of it for so long */
	answer(&p, NULL, "200 OK", NULL, "");
	assert_true(metric_value("trunkline_edge_legs") >= 0); /* it lives */
	peer_close(&p);
}

/* Everything dies in the instant of the answer: nobody will know of this call but the phone. */
static void a_phone_is_acknowledged_when_its_leg_is_kept_and_asks_on_when_all_die_before(void **state)
{
	struct leg_ref l;
	struct peer p;
	struct call c;

	(void)state;
	peer_open(&p);
	register_as(&p, "acme", "1001", "secret-1001", DIGEST_MD5, "");
	await_binding(&p, "acme.1001");
	l = cc_dial_agent("1001", 5000);
	peer_expect(&p, "INVITE ");
	testkit_stand_still(nats.proc.pid);
	answer(&p, &c, "200 OK", "a", SDP_A);
	assert_false(peer_got(&p, "ACK ", 400));
	assert_int_equal(testkit_proc_stop(&edge, SIGKILL, 5000), 128 + SIGKILL);
	testkit_nats_restart(&nats);
	start_edge();
	answer(&p, &c, "200 OK", "a", SDP_A);
	peer_expect(&p, "ACK ");
	peer_expect(&p, "BYE ");
	answer(&p, NULL, "200 OK", NULL, "");
	l = cc_dial_agent("1001", 5000); /* a bus that stands still holds up no call */
	peer_expect(&p, "INVITE ");
	testkit_stand_still(nats.proc.pid);
	answer(&p, &c, "200 OK", "b", SDP_A);
	assert_false(peer_got(&p, "ACK ", 400));
	answer(&p, &c, "200 OK", "b", SDP_A);
	peer_expect(&p, "ACK ");
	assert_int_equal(kill(nats.proc.pid, SIGCONT), 0);
	cc_event("cc-1", EV(ANSWERED));
	cc_hang_up(&l);
	peer_expect(&p, "BYE ");
	answer(&p, NULL, "200 OK", NULL, "");
	peer_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(whatever_a_phone_answers_within_its_call_shows_that_it_lives, forget),
		cmocka_unit_test_setup(a_phone_that_knows_no_such_call_has_lost_its_bye, forget),
		cmocka_unit_test_setup(a_phone_that_answers_nothing_is_gone, forget),
		cmocka_unit_test_setup(a_leg_without_a_call_is_hung_up, forget),
		cmocka_unit_test_setup(an_offer_that_nobody_took_is_made_once_more, forget),
		cmocka_unit_test_setup(an_offer_goes_to_an_instance_by_name_and_from_a_dead_one_to_another, forget),
		cmocka_unit_test_setup(who_answers_an_invite_of_an_earlier_life_is_acknowledged_and_hung_up, forget),
		cmocka_unit_test_setup(answers_to_what_we_never_sent_are_answered_by_nothing, forget),
		cmocka_unit_test_setup(a_flood_of_them_is_bounded, forget),
		cmocka_unit_test_setup(a_caller_whose_contact_is_a_name_is_reached_where_he_is, forget),
		cmocka_unit_test_setup(a_phone_that_is_late_is_cancelled_and_one_that_answers_all_the_same_is_hung_up,
				       forget),
		cmocka_unit_test_setup(a_phone_whose_first_word_is_malformed_is_cancelled_all_the_same, forget),
		cmocka_unit_test_setup(a_contact_that_is_a_name_in_an_answer_to_our_reinvite_is_not_looked_up, forget),
		cmocka_unit_test_setup(phones_that_say_no_final_word_leave_nothing, forget),
		cmocka_unit_test_setup(a_phone_is_acknowledged_when_the_bus_comes_back_after_half_a_minute, forget),
		cmocka_unit_test_setup(a_phone_is_acknowledged_when_its_leg_is_kept_and_asks_on_when_all_die_before,
				       forget),
	};

	reoffer_ms = 3000; /* these are waited for */
	probe_ms = 4000;
	orphan_ms = 8000;
	return cmocka_run_group_tests(tests, world_start, world_stop);
}
