/* The real program against a real NATS server: calls from trunks and phones, as they look on the wire and on the bus. */
#include "itest_world.h"

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

/* ---- registrar and outbound ---- */

static void phones_register_by_md5_and_sha256_and_strangers_learn_nothing(void **state)
{
	struct peer p;
	char known[4096], unknown[4096];

	(void)state;
	peer_open(&p);
	register_as(&p, "acme", "1001", "secret-1001", DIGEST_MD5, "Expires: 300\r\n");
	assert_memory_equal(p.rx, "SIP/2.0 200", 11);
	assert_non_null(strstr(header(&p, "Contact"), "expires=300"));
	register_as(&p, "acme", "1001", "secret-1001", DIGEST_SHA256, "Expires: 120\r\n");
	assert_memory_equal(p.rx, "SIP/2.0 200", 11);
	assert_non_null(strstr(header(&p, "Contact"), "expires=120"));
	register_as(&p, "acme", "1001", "secret-1001", DIGEST_MD5, "Expires: 5\r\n");
	assert_memory_equal(p.rx, "SIP/2.0 423", 11);
	assert_string_equal(header(&p, "Min-Expires"), "30");
	register_as(&p, "acme", "1001", "wrong", DIGEST_MD5, "");
	snprintf(known, sizeof(known), "%.30s", p.rx);
	register_as(&p, "acme", "9999", "wrong", DIGEST_MD5, "");
	snprintf(unknown, sizeof(unknown), "%.30s", p.rx);
	assert_string_equal(known, unknown);
	assert_memory_equal(known, "SIP/2.0 403", 11);
	/* acme's password is nothing to globex, and the other way round */
	register_as(&p, "globex", "1001", "secret-1001", DIGEST_MD5, "");
	assert_memory_equal(p.rx, "SIP/2.0 403", 11);
	register_as(&p, "acme", "1001", "secret-1001", DIGEST_MD5, "Expires: 0\r\n");
	assert_memory_equal(p.rx, "SIP/2.0 200", 11);
	assert_string_equal(header(&p, "Contact"), "");
	peer_close(&p);
}

static void an_agent_is_rung_with_caller_and_called_number_and_both_sides_can_hang_up(void **state) /* GT-2.1.2 */
{
	struct peer p;
	struct call c = { .cseq = 0 };
	struct leg_ref l;
	const event_t *ev;

	(void)state;
	peer_open(&p);
	register_as(&p, "acme", "1001", "secret-1001", DIGEST_MD5, "");
	l = cc_dial_agent("1001", 5000);
	peer_expect(&p, "INVITE sip:1001@");
	assert_non_null(strstr(header(&p, "From"), "\"Li \\\"Lei\\\"\" <sip:13800138000@acme.trunkline.local>"));
	assert_string_equal(header(&p, "To"), "<sip:1001@acme.trunkline.local>");
	assert_string_equal(header(&p, "P-Called-Party-ID"), "<sip:+862011110000@acme.trunkline.local>");
	assert_string_equal(header(&p, "X-Trunkline-Queue"), "sales");
	assert_string_equal(body(&p), SDP_B);
	answer(&p, NULL, "180 Ringing", "t1", "");
	ev = cc_event("cc-1", EV(RINGING));
	assert_int_equal(ev->ringing->status, 180);
	answer(&p, &c, "200 OK", "t1", SDP_A);
	peer_expect(&p, "ACK ");
	ev = cc_event("cc-1", EV(ANSWERED));
	assert_int_equal(ev->answered->sdp.len, strlen(SDP_A));
	in_dialog(&c, "BYE", "", "");
	peer_expect(&p, "SIP/2.0 200");
	assert_string_equal(cc_event("cc-1", EV(ENDED))->ended->cause, "bye");
	memset(&c, 0, sizeof(c));
	l = cc_dial_agent("1001", 5000);
	peer_expect(&p, "INVITE ");
	answer(&p, &c, "200 OK", "t2", SDP_A);
	cc_event("cc-1", EV(ANSWERED));
	cc_hang_up(&l);
	peer_expect(&p, "BYE ");
	answer(&p, NULL, "200 OK", NULL, "");
	assert_true(cc_event("cc-1", EV(ENDED))->ended->by_us);
	peer_close(&p);
}

static void an_agent_who_is_busy_absent_or_does_not_answer_is_told(void **state)
{
	struct peer p;
	struct leg_ref l;
	const event_t *ev;

	(void)state;
	l = cc_dial_agent("1002", 5000); /* never registered */
	ev = cc_event("cc-1", EV(ENDED));
	assert_int_equal(ev->ended->status, 480);
	peer_open(&p);
	register_as(&p, "acme", "1002", "secret-1002", DIGEST_SHA256, "");
	l = cc_dial_agent("1002", 5000);
	peer_expect(&p, "INVITE ");
	answer(&p, NULL, "486 Busy Here", "b", "");
	peer_expect(&p, "ACK ");
	ev = cc_event("cc-1", EV(ENDED));
	assert_int_equal(ev->ended->status, 486);
	assert_string_equal(ev->ended->cause, "rejected");
	l = cc_dial_agent("1002", 1000);
	peer_expect(&p, "INVITE ");
	answer(&p, NULL, "180 Ringing", "n", "");
	peer_expect(&p, "CANCEL ");
	answer(&p, NULL, "200 OK", NULL, "");
	ev = cc_event("cc-1", EV(ENDED));
	assert_string_equal(ev->leg_id, l.leg);
	assert_string_equal(ev->ended->cause, "no-answer");
	peer_close(&p);
}

static void an_answer_that_crosses_the_cancel_is_ended_by_bye(void **state)
{
	struct peer p;
	struct leg_ref l;
	char saved[sizeof(p.rx)];

	(void)state;
	peer_open(&p);
	register_as(&p, "acme", "1002", "secret-1002", DIGEST_MD5, "");
	l = cc_dial_agent("1002", 5000);
	peer_expect(&p, "INVITE ");
	memcpy(saved, p.rx, sizeof(saved));
	answer(&p, NULL, "180 Ringing", "x", "");
	cc_event("cc-1", EV(RINGING));
	cc_hang_up(&l);
	peer_expect(&p, "CANCEL ");
	answer(&p, NULL, "200 OK", NULL, "");
	memcpy(p.rx, saved, sizeof(saved));
	answer(&p, NULL, "200 OK", "x", SDP_A);
	peer_expect(&p, "ACK ");
	peer_expect(&p, "BYE ");
	answer(&p, NULL, "200 OK", NULL, "");
	assert_string_equal(cc_event("cc-1", EV(ENDED))->ended->cause, "hung-up");
	assert_null(cc_event_in("cc-1", EV(ENDED), 200));
	peer_close(&p);
}

static void all_phones_of_an_agent_ring_and_the_first_answer_wins(void **state)
{
	struct peer a, b;
	struct call c = { .cseq = 0 };
	struct leg_ref l;

	(void)state;
	peer_open(&a);
	peer_open(&b);
	register_as(&a, "globex", "1001", "other-1001", DIGEST_MD5, "");
	register_as(&b, "globex", "1001", "other-1001", DIGEST_MD5, "");
	(void)l;
	Trunkline__Edge__V1__LegDial d = TRUNKLINE__EDGE__V1__LEG_DIAL__INIT;
	struct leg_ref g = { .tenant = "globex", .epoch = 1 };
	id_new(clock_wall_ms(), g.call);
	id_new(clock_wall_ms(), g.leg);
	command_t cmd = to_leg(&g, CMD(DIAL));
	d.to_case = TRUNKLINE__EDGE__V1__LEG_DIAL__TO_AGENT_ID;
	d.agent_id = (char *)"1001";
	d.caller = (char *)"1";
	d.sdp = sdp_of(SDP_B);
	cmd.dial = &d;
	cc_send("cc-1", &cmd);
	peer_expect(&a, "INVITE ");
	peer_expect(&b, "INVITE ");
	answer(&b, NULL, "180 Ringing", "bb", "");
	cc_event("cc-1", EV(RINGING));
	answer(&a, &c, "200 OK", "aa", SDP_A);
	peer_expect(&a, "ACK ");
	cc_event("cc-1", EV(ANSWERED));
	peer_expect(&b, "CANCEL ");
	answer(&b, NULL, "200 OK", NULL, "");
	in_dialog(&c, "BYE", "", "");
	peer_expect(&a, "SIP/2.0 200");
	cc_event("cc-1", EV(ENDED));
	peer_close(&a);
	peer_close(&b);
}

static void a_trunk_that_challenges_gets_the_digest_of_its_own(void **state)
{
	struct peer p = { .fd = -1 };
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)(sip_port + 9)) };
	Trunkline__Edge__V1__LegDial d = TRUNKLINE__EDGE__V1__LEG_DIAL__INIT;
	struct leg_ref l = { .tenant = "acme", .epoch = 1 };
	struct call c = { .cseq = 0 };
	struct digest_params dp;
	char ha1[DIGEST_HEX], via[256];

	(void)state;
	snprintf(p.host, sizeof(p.host), "127.0.0.1");
	p.port = sip_port + 9;
	inet_pton(AF_INET, "127.0.0.1", &a.sin_addr);
	p.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(p.fd, (struct sockaddr *)&a, sizeof(a)), 0);
	id_new(clock_wall_ms(), l.call);
	id_new(clock_wall_ms(), l.leg);
	command_t cmd = to_leg(&l, CMD(DIAL));
	d.to_case = TRUNKLINE__EDGE__V1__LEG_DIAL__TO_URI;
	d.uri = (char *)"sip:+8613900139000@carrier.example";
	d.trunk_id = (char *)"carrier";
	d.caller = (char *)"+862011110000";
	d.sdp = sdp_of(SDP_B);
	cmd.dial = &d;
	cc_send("cc-1", &cmd);
	peer_expect(&p, "INVITE sip:+8613900139000@carrier.example ");
	snprintf(via, sizeof(via), "%s", header(&p, "Via"));
	peer_send(&p,
		  "SIP/2.0 401 Unauthorized\r\nVia: %s\r\nFrom: %s\r\nTo: %s;tag=q\r\nCall-ID: %s\r\nCSeq: %s\r\n"
		  "WWW-Authenticate: Digest realm=\"acme.trunkline.local\", nonce=\"abc\", qop=\"auth\", algorithm=MD5\r\n"
		  "Content-Length: 0\r\n\r\n",
		  via, header(&p, "From"), header(&p, "To"), header(&p, "Call-ID"), header(&p, "CSeq"));
	peer_expect(&p, "INVITE ");
	{
		static char text[1024];
		const char *params[16] = { NULL };
		size_t n = 0;

		snprintf(text, sizeof(text), "%s", header(&p, "Authorization"));
		assert_memory_equal(text, "Digest ", 7);
		for (char *s = strtok(text + 7, ","); s; s = strtok(NULL, ","))
			params[n++] = s + strspn(s, " ");
		assert_int_equal(digest_parse(&dp, params), ERR_OK);
	}
	digest_ha1(DIGEST_MD5, "gateway", "acme.trunkline.local", "gate-secret", ha1);
	assert_true(digest_verify(&dp, ha1, "INVITE"));
	answer(&p, &c, "200 OK", "w", SDP_A);
	peer_expect(&p, "ACK ");
	cc_event("cc-1", EV(ANSWERED));
	in_dialog(&c, "BYE", "", "");
	peer_expect(&p, "SIP/2.0 200");
	cc_event("cc-1", EV(ENDED));
	close(p.fd);
}

static void a_phone_that_calls_is_challenged_and_offered_as_the_agent(void **state)
{
	struct peer p;
	struct call c;
	struct str auth = STR_INIT;
	const event_t *ev;
	struct leg_ref l;

	(void)state;
	peer_open(&p);
	c = call_new(&p, "0755123", "1001", "acme.trunkline.local");
	snprintf(c.ruri, sizeof(c.ruri), "sip:0755123@acme.trunkline.local");
	invite(&c, "", SDP_A);
	peer_expect(&p, "SIP/2.0 401");
	authorization(&p, DIGEST_SHA256, "1001", "secret-1001", "INVITE", c.ruri, &auth);
	c.cseq++;
	invite(&c, str_text(&auth), SDP_A);
	ev = cc_event("offer", EV(OFFER));
	assert_string_equal(ev->offer->agent_id, "1001");
	assert_string_equal(ev->offer->trunk_id, "");
	assert_string_equal(ev->offer->called, "0755123");
	l = leg_of(ev);
	cc_reject(&l, 501);
	peer_expect(&p, "SIP/2.0 501");
	/* the same credentials again are a replay */
	c.cseq++;
	invite(&c, str_text(&auth), SDP_A);
	peer_expect(&p, "SIP/2.0 401");
	assert_non_null(strstr(p.rx, "stale=true"));
	str_done(&auth);
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
	assert_int_equal(ev->answered->sdp.len, 0); /* refused: the session is as before */
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
	usleep(300000); /* the checkpoints are asynchronous */
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
		cmocka_unit_test_setup(phones_register_by_md5_and_sha256_and_strangers_learn_nothing, forget),
		cmocka_unit_test_setup(an_agent_is_rung_with_caller_and_called_number_and_both_sides_can_hang_up, forget),
		cmocka_unit_test_setup(an_agent_who_is_busy_absent_or_does_not_answer_is_told, forget),
		cmocka_unit_test_setup(an_answer_that_crosses_the_cancel_is_ended_by_bye, forget),
		cmocka_unit_test_setup(all_phones_of_an_agent_ring_and_the_first_answer_wins, forget),
		cmocka_unit_test_setup(a_trunk_that_challenges_gets_the_digest_of_its_own, forget),
		cmocka_unit_test_setup(a_phone_that_calls_is_challenged_and_offered_as_the_agent, forget),
		cmocka_unit_test_setup(hold_from_the_phone_is_asked_and_answered, forget),
		cmocka_unit_test_setup(our_reinvite_is_answered_and_glare_is_tried_again, forget),
		cmocka_unit_test_setup(what_is_not_done_in_a_dialog_is_refused_properly, forget),
		cmocka_unit_test_setup(an_old_epoch_is_refused_and_a_new_owner_gets_the_events, forget),
		cmocka_unit_test_setup(another_tenants_command_finds_no_leg, forget),
		cmocka_unit_test_setup(calls_outlive_kill_9_of_the_edge, forget),
	};

	return cmocka_run_group_tests(tests, world_start, world_stop);
}
