/* The real program against a real NATS server: calls as they look on the wire and on the bus. */
#include "itest_peer.h"

/* ---- inbound ---- */

static void a_call_is_offered_with_its_numbers_answered_and_ended_by_the_caller(void **state) /* GT-2.1.1 */
{
	struct peer p;
	struct call c;
	const event_t *ev;
	struct leg_ref l;

	(void)state;
	peer_open(&p);
	c = call_new(&p, "+862011110000", "+86-138-0013-8000", "carrier.example");
	invite(&c, "", SDP_A);
	peer_expect(&p, "SIP/2.0 100");
	ev = cc_event("offer", EV(OFFER));
	assert_string_equal(ev->tenant, "acme");
	assert_string_equal(ev->offer->caller, "+8613800138000");
	assert_string_equal(ev->offer->caller_name, "Caller");
	assert_string_equal(ev->offer->called, "+862011110000");
	assert_string_equal(ev->offer->trunk_id, "carrier");
	assert_string_equal(ev->offer->agent_id, "");
	assert_string_equal(ev->offer->sip_call_id, c.call_id);
	assert_int_equal(ev->offer->sdp.len, strlen(SDP_A));
	l = leg_of(ev);
	cc_progress(&l, "");
	peer_expect(&p, "SIP/2.0 180");
	cc_progress(&l, SDP_B);
	peer_expect(&p, "SIP/2.0 183");
	assert_string_equal(body(&p), SDP_B);
	cc_answer(&l, SDP_B);
	peer_expect(&p, "SIP/2.0 200");
	assert_string_equal(body(&p), SDP_B);
	learn(&c);
	ack(&c, "");
	cc_event("cc-1", EV(ANSWERED));
	in_dialog(&c, "BYE", "", "");
	peer_expect(&p, "SIP/2.0 200");
	ev = cc_event("cc-1", EV(ENDED));
	assert_string_equal(ev->leg_id, l.leg);
	assert_string_equal(ev->ended->cause, "bye");
	assert_false(ev->ended->by_us);
	assert_null(cc_event_in("cc-1", EV(ENDED), 100));
	cc_hang_up(&l); /* late command: told again */
	assert_string_equal(cc_event("cc-1", EV(ENDED))->ended->cause, "bye");
	peer_close(&p);
}

static void a_call_ended_by_call_control_gets_bye(void **state)
{
	struct peer p;
	struct call c;
	struct leg_ref l;
	const event_t *ev;

	(void)state;
	peer_open(&p);
	l = establish(&p, &c);
	cc_hang_up(&l);
	peer_expect(&p, "BYE ");
	assert_string_equal(header(&p, "To"), c.from);
	answer(&p, NULL, "200 OK", NULL, "");
	ev = cc_event("cc-1", EV(ENDED));
	assert_string_equal(ev->ended->cause, "hung-up");
	assert_true(ev->ended->by_us);
	peer_close(&p);
}

static void a_caller_who_gives_up_is_cancelled(void **state)
{
	struct peer p;
	struct call c;
	struct leg_ref l;

	(void)state;
	peer_open(&p);
	c = call_new(&p, "862011110000", "13800138000", "carrier.example"); /* without '+': the same number */
	invite(&c, "", SDP_A);
	l = leg_of(cc_event("offer", EV(OFFER)));
	cc_progress(&l, "");
	peer_expect(&p, "SIP/2.0 180");
	request(&c, "CANCEL", c.ruri, c.cseq, "", "");
	peer_expect(&p, "SIP/2.0 487");
	ack_refusal(&c);
	assert_string_equal(cc_event("cc-1", EV(ENDED))->ended->cause, "cancel");
	peer_close(&p);
}

static void a_rejected_call_gets_the_status(void **state)
{
	struct peer p;
	struct call c;
	struct leg_ref l;

	(void)state;
	peer_open(&p);
	c = call_new(&p, "+862011110000", "13800138000", "carrier.example");
	invite(&c, "", SDP_A);
	l = leg_of(cc_event("offer", EV(OFFER)));
	cc_reject(&l, 486);
	peer_expect(&p, "SIP/2.0 486");
	ack_refusal(&c);
	assert_string_equal(cc_event("cc-1", EV(ENDED))->ended->cause, "rejected");
	peer_close(&p);
}

static void an_offer_nobody_takes_gets_503_with_retry_after(void **state)
{
	struct peer p;
	struct call c;

	(void)state;
	peer_open(&p);
	c = call_new(&p, "+862011110000", "13800138000", "carrier.example");
	take_offers = false;
	invite(&c, "", SDP_A);
	peer_expect(&p, "SIP/2.0 503");
	assert_string_not_equal(header(&p, "Retry-After"), "");
	ack_refusal(&c);
	take_offers = true;
	peer_close(&p);
}

static void numbers_and_sources_are_checked(void **state)
{
	struct peer p, stranger;
	struct call c;

	(void)state;
	peer_open(&p);
	c = call_new(&p, "+862099990000", "13800138000", "carrier.example");
	invite(&c, "", SDP_A);
	peer_expect(&p, "SIP/2.0 404");
	c = call_new(&p, "+862033330000", "13800138000", "carrier.example");
	invite(&c, "", SDP_A);
	peer_expect(&p, "SIP/2.0 480"); /* suspended tenant */
	c = call_new(&p, "+862022220000", "13800138000", "carrier.example");
	invite(&c, "", SDP_A);
	peer_expect(&p, "SIP/2.0 403"); /* globex's trunk is not at this address */
	peer_open_at(&stranger, "127.0.0.2");
	c = call_new(&stranger, "+862011110000", "100", "1.1.1.1");
	invite(&c, "", SDP_A);
	assert_false(peer_got(&stranger, "SIP/2.0", 300)); /* a scanner hears nothing */
	in_dialog(&c, "OPTIONS", "", "");
	assert_false(peer_got(&stranger, "SIP/2.0", 300));
	peer_close(&stranger);
	peer_close(&p);
}

static void a_trunk_may_prove_itself_by_digest(void **state)
{
	struct peer p;
	struct call c;
	struct str auth = STR_INIT;
	const event_t *ev;
	struct leg_ref l;

	(void)state;
	peer_open_at(&p, "127.0.0.3");
	c = call_new(&p, "+862022220000", "13800138000", "globex.trunkline.local");
	invite(&c, "", SDP_A);
	peer_expect(&p, "SIP/2.0 401");
	authorization(&p, DIGEST_MD5, "gateway", "gate-secret", "INVITE", c.ruri, &auth);
	c.cseq++;
	invite(&c, str_text(&auth), SDP_A);
	ev = cc_event("offer", EV(OFFER));
	assert_string_equal(ev->tenant, "globex");
	assert_string_equal(ev->offer->trunk_id, "carrier");
	l = leg_of(ev);
	cc_reject(&l, 480);
	peer_expect(&p, "SIP/2.0 480");
	str_done(&auth);
	peer_close(&p);
}

static void a_late_offer_is_answered_in_the_ack(void **state)
{
	struct peer p;
	struct call c;
	struct leg_ref l;
	const event_t *ev;

	(void)state;
	peer_open(&p);
	c = call_new(&p, "+862011110000", "13800138000", "carrier.example");
	invite(&c, "", "");
	ev = cc_event("offer", EV(OFFER));
	assert_int_equal(ev->offer->sdp.len, 0);
	l = leg_of(ev);
	cc_answer(&l, SDP_B);
	peer_expect(&p, "SIP/2.0 200");
	learn(&c);
	ack(&c, SDP_A);
	ev = cc_event("cc-1", EV(ANSWERED));
	assert_int_equal(ev->answered->sdp.len, strlen(SDP_A));
	in_dialog(&c, "BYE", "", "");
	peer_expect(&p, "SIP/2.0 200");
	cc_event("cc-1", EV(ENDED));
	peer_close(&p);
}

/* ---- changes of the session ---- */

static void hold_from_the_phone_is_asked_and_answered(void **state)
{
	struct peer p;
	struct call c;
	struct leg_ref l;
	const event_t *ev;

	(void)state;
	peer_open(&p);
	l = establish(&p, &c);
	in_dialog(&c, "INVITE", "", SDP_C);
	ev = cc_event("cc-1", EV(REOFFER));
	assert_int_equal(ev->reoffer->sdp.len, strlen(SDP_C));
	cc_reanswer(&l, ev->reoffer->request, SDP_B);
	peer_expect(&p, "SIP/2.0 200");
	assert_string_equal(body(&p), SDP_B);
	ack(&c, "");
	/* the same session once more is a refresh: answered without asking */
	in_dialog(&c, "INVITE", "", SDP_C);
	peer_expect(&p, "SIP/2.0 200");
	ack(&c, "");
	assert_null(cc_event_in("cc-1", EV(REOFFER), 100));
	/* UPDATE asks, too; empty answer refuses it */
	in_dialog(&c, "UPDATE", "", SDP_A);
	ev = cc_event("cc-1", EV(REOFFER));
	cc_reanswer(&l, ev->reoffer->request, "");
	peer_expect(&p, "SIP/2.0 488");
	in_dialog(&c, "UPDATE", "Supported: timer\r\nSession-Expires: 1800;refresher=uac\r\n", "");
	peer_expect(&p, "SIP/2.0 200");
	assert_non_null(strstr(header(&p, "Session-Expires"), "refresher=uac"));
	cc_hang_up(&l);
	peer_expect(&p, "BYE ");
	answer(&p, NULL, "200 OK", NULL, "");
	cc_event("cc-1", EV(ENDED));
	peer_close(&p);
}

static void our_reinvite_is_answered_and_glare_is_tried_again(void **state)
{
	struct peer p;
	struct call c;
	struct leg_ref l;
	const event_t *ev;

	(void)state;
	peer_open(&p);
	l = establish(&p, &c);
	cc_reinvite(&l, SDP_C);
	peer_expect(&p, "INVITE ");
	assert_string_equal(body(&p), SDP_C);
	answer(&p, NULL, "491 Request Pending", NULL, "");
	peer_expect(&p, "ACK ");
	peer_expect(&p, "INVITE ");
	assert_string_equal(body(&p), SDP_C);
	answer(&p, NULL, "200 OK", NULL, SDP_A);
	peer_expect(&p, "ACK ");
	ev = cc_event("cc-1", EV(ANSWERED));
	assert_int_equal(ev->answered->sdp.len, strlen(SDP_A));
	/* theirs while ours is out: 491 */
	cc_reinvite(&l, SDP_B);
	peer_expect(&p, "INVITE ");
	{
		char saved[sizeof(p.rx)];

		memcpy(saved, p.rx, sizeof(saved));
		in_dialog(&c, "INVITE", "", SDP_A "a=x:1\r\n");
		peer_expect(&p, "SIP/2.0 491");
		memcpy(p.rx, saved, sizeof(saved));
	}
	answer(&p, NULL, "488 Not Acceptable Here", NULL, "");
	peer_expect(&p, "ACK ");
	ev = cc_event("cc-1", EV(ANSWERED));
	assert_true(ev->answered->reinvite);
	assert_int_equal(ev->answered->sdp.len, 0); /* refused: the session is as before */
	in_dialog(&c, "BYE", "", "");
	peer_expect(&p, "SIP/2.0 200");
	cc_event("cc-1", EV(ENDED));
	peer_close(&p);
}

/* RFC 3261, 14.1; the media engine died between our 200 OK and its ACK (GT-15). */
static void our_reinvite_waits_for_the_ack_to_our_answer(void **state)
{
	struct peer p;
	struct call c;
	struct leg_ref l;
	const event_t *ev;

	(void)state;
	peer_open(&p);
	c = call_new(&p, "+862011110000", "13800138000", "carrier.example");
	invite(&c, "", SDP_A);
	l = leg_of(cc_event("offer", EV(OFFER)));
	cc_answer(&l, SDP_B);
	cc_reinvite(&l, SDP_C);
	peer_expect(&p, "SIP/2.0 200");
	learn(&c);
	assert_false(peer_got(&p, "INVITE ", 300));
	ack(&c, "");
	ev = cc_event("cc-1", EV(ANSWERED));
	assert_false(ev->answered->reinvite);
	peer_expect(&p, "INVITE ");
	assert_string_equal(body(&p), SDP_C);
	answer(&p, NULL, "200 OK", NULL, SDP_A);
	peer_expect(&p, "ACK ");
	ev = cc_event("cc-1", EV(ANSWERED));
	assert_true(ev->answered->reinvite);
	assert_int_equal(ev->answered->sdp.len, strlen(SDP_A));
	in_dialog(&c, "BYE", "", "");
	peer_expect(&p, "SIP/2.0 200");
	cc_event("cc-1", EV(ENDED));
	peer_close(&p);
}

static void what_is_not_done_in_a_dialog_is_refused_properly(void **state)
{
	struct peer p;
	struct call c;

	(void)state;
	peer_open(&p);
	establish(&p, &c);
	in_dialog(&c, "REFER", "Refer-To: <sip:x@example.com>\r\n", "");
	peer_expect(&p, "SIP/2.0 405");
	assert_string_not_equal(header(&p, "Allow"), "");
	in_dialog(&c, "INFO", "", "");
	peer_expect(&p, "SIP/2.0 405");
	in_dialog(&c, "FROBNICATE", "", "");
	peer_expect(&p, "SIP/2.0 501");
	in_dialog(&c, "OPTIONS", "", "");
	peer_expect(&p, "SIP/2.0 200");
	in_dialog(&c, "INVITE", "Require: 100rel\r\n", SDP_C);
	peer_expect(&p, "SIP/2.0 420");
	assert_string_equal(header(&p, "Unsupported"), "100rel");
	ack_refusal(&c);
	in_dialog(&c, "BYE", "", "");
	peer_expect(&p, "SIP/2.0 200");
	cc_event("cc-1", EV(ENDED));
	/* and outside of one */
	c = call_new(&p, "x", "y", "carrier.example");
	new_branch(&c);
	request(&c, "OPTIONS", c.ruri, 1, "", "");
	peer_expect(&p, "SIP/2.0 200");
	new_branch(&c);
	request(&c, "SUBSCRIBE", c.ruri, 2, "Event: presence\r\n", "");
	peer_expect(&p, "SIP/2.0 405");
	snprintf(c.target, sizeof(c.target), "%s", c.ruri);
	snprintf(c.to, sizeof(c.to), "<sip:x@y>;tag=none");
	in_dialog(&c, "BYE", "", "");
	peer_expect(&p, "SIP/2.0 481");
	peer_close(&p);
}

/* ---- owners ---- */

static void an_old_epoch_is_refused_and_a_new_owner_gets_the_events(void **state)
{
	struct peer p;
	struct call c;
	struct leg_ref l;
	const event_t *ev;

	(void)state;
	peer_open(&p);
	l = establish(&p, &c);
	l.epoch = 7;
	cc_attach(&l, "cc-2");
	ev = cc_event("cc-2", EV(STATE));
	assert_true(ev->state->answered);
	assert_false(ev->state->outbound);
	assert_int_equal(ev->state->remote_sdp.len, strlen(SDP_A));
	l.epoch = 1;
	cc_hang_up(&l);
	ev = cc_event("cc-1", EV(STALE));
	assert_int_equal(ev->stale->epoch, 7);
	assert_false(peer_got(&p, "BYE", 200));
	in_dialog(&c, "BYE", "", "");
	peer_expect(&p, "SIP/2.0 200");
	cc_event("cc-2", EV(ENDED));
	assert_null(cc_event_in("cc-1", EV(ENDED), 100));
	snprintf(l.leg, sizeof(l.leg), "0123");
	cc_attach(&l, "cc-2");
	assert_string_equal(cc_event("cc-2", EV(ENDED))->ended->cause, "unknown-leg");
	peer_close(&p);
}

static void another_tenants_command_finds_no_leg(void **state)
{
	struct peer p;
	struct call c;
	struct leg_ref l, other;

	(void)state;
	peer_open(&p);
	l = establish(&p, &c);
	other = l;
	snprintf(other.tenant, sizeof(other.tenant), "globex");
	cc_hang_up(&other);
	assert_string_equal(cc_event("cc-1", EV(ENDED))->ended->cause, "unknown-leg");
	assert_false(peer_got(&p, "BYE", 200));
	in_dialog(&c, "BYE", "", "");
	peer_expect(&p, "SIP/2.0 200");
	assert_string_equal(cc_event("cc-1", EV(ENDED))->ended->cause, "bye");
	peer_close(&p);
}

static void calls_outlive_kill_9_of_the_edge(void **state)
{
	struct peer p, q, phone;
	struct call c, d, e = { .cseq = 0 };
	struct leg_ref l, m, n;

	(void)state;
	peer_open(&p);
	peer_open(&q);
	peer_open(&phone);
	l = establish(&p, &c);
	m = establish(&q, &d);
	register_as(&phone, "acme", "1001", "secret-1001", DIGEST_MD5, "");
	n = cc_dial_agent("1001", 5000);
	peer_expect(&phone, "INVITE ");
	answer(&phone, &e, "200 OK", "ph", SDP_A);
	peer_expect(&phone, "ACK ");
	cc_event("cc-1", EV(ANSWERED));
	await_checkpoint(&l);
	await_checkpoint(&m);
	await_checkpoint(&n);
	await_binding(&phone, "acme.1001");
	testkit_proc_stop(&edge, SIGKILL, 1000);
	start_edge();
	/* the caller hangs up */
	in_dialog(&c, "BYE", "", "");
	peer_expect(&p, "SIP/2.0 200");
	assert_string_equal(cc_event("cc-1", EV(ENDED))->leg_id, l.leg);
	/* call-control hangs up */
	cc_hang_up(&m);
	peer_expect(&q, "BYE ");
	assert_string_equal(header(&q, "To"), d.from);
	assert_string_equal(header(&q, "From"), d.to);
	assert_string_equal(header(&q, "Call-ID"), d.call_id);
	answer(&q, NULL, "200 OK", NULL, "");
	assert_string_equal(cc_event("cc-1", EV(ENDED))->leg_id, m.leg);
	/* the agent holds, then hangs up */
	in_dialog(&e, "INVITE", "", SDP_C);
	const event_t *ev = cc_event("cc-1", EV(REOFFER));
	cc_reanswer(&n, ev->reoffer->request, SDP_B);
	peer_expect(&phone, "SIP/2.0 200");
	ack(&e, "");
	in_dialog(&e, "BYE", "", "");
	peer_expect(&phone, "SIP/2.0 200");
	assert_string_equal(cc_event("cc-1", EV(ENDED))->leg_id, n.leg);
	/* and the phone is still known */
	n = cc_dial_agent("1001", 5000);
	peer_expect(&phone, "INVITE ");
	answer(&phone, NULL, "603 Decline", "z", "");
	assert_int_equal(cc_event("cc-1", EV(ENDED))->ended->status, 603);
	peer_close(&p);
	peer_close(&q);
	peer_close(&phone);
}

/* Found by chaos runs: the restarted process has its socket before it has read its dialogs. GT-15 */
static void who_hangs_up_while_the_edge_wakes_up_is_not_told_that_there_is_no_call(void **state)
{
	struct peer p;
	struct leg_ref l;
	struct call c;
	bool answered = false;

	(void)state;
	peer_open(&p);
	l = establish(&p, &c);
	await_checkpoint(&l);
	testkit_proc_stop(&edge, SIGKILL, 1000);
	spawn_edge();
	for (int i = 0; i < 6000 && !answered; i++) {
		in_dialog(&c, "BYE", "", "");
		answered = peer_got(&p, "SIP/2.0 ", 10);
	}
	assert_true(answered);
	assert_memory_equal(p.rx, "SIP/2.0 200", 11);
	assert_string_equal(cc_event("cc-1", EV(ENDED))->ended->cause, "bye");
	assert_true(testkit_wait(ready, NULL, 3 * WAIT_MS));
	peer_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_call_is_offered_with_its_numbers_answered_and_ended_by_the_caller, forget),
		cmocka_unit_test_setup(a_call_ended_by_call_control_gets_bye, forget),
		cmocka_unit_test_setup(a_caller_who_gives_up_is_cancelled, forget),
		cmocka_unit_test_setup(a_rejected_call_gets_the_status, forget),
		cmocka_unit_test_setup(an_offer_nobody_takes_gets_503_with_retry_after, forget),
		cmocka_unit_test_setup(numbers_and_sources_are_checked, forget),
		cmocka_unit_test_setup(a_trunk_may_prove_itself_by_digest, forget),
		cmocka_unit_test_setup(a_late_offer_is_answered_in_the_ack, forget),
		cmocka_unit_test_setup(hold_from_the_phone_is_asked_and_answered, forget),
		cmocka_unit_test_setup(our_reinvite_is_answered_and_glare_is_tried_again, forget),
		cmocka_unit_test_setup(our_reinvite_waits_for_the_ack_to_our_answer, forget),
		cmocka_unit_test_setup(what_is_not_done_in_a_dialog_is_refused_properly, forget),
		cmocka_unit_test_setup(an_old_epoch_is_refused_and_a_new_owner_gets_the_events, forget),
		cmocka_unit_test_setup(another_tenants_command_finds_no_leg, forget),
		cmocka_unit_test_setup(calls_outlive_kill_9_of_the_edge, forget),
		cmocka_unit_test_setup(who_hangs_up_while_the_edge_wakes_up_is_not_told_that_there_is_no_call, forget),
	};

	offer_timeout_ms = 4000; /* one waits for it */
	return cmocka_run_group_tests(tests, world_start, world_stop);
}
