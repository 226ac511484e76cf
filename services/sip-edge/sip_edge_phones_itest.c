/* The real program against a real NATS server: agents' phones register, are rung, call; trunks are dialled. */
#include "itest_peer.h"

#include <openssl/ssl.h>

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
	(void)cc_dial_agent("1001", 5000);
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
	(void)cc_dial_agent("1002", 5000); /* never registered */
	ev = cc_event("cc-1", EV(ENDED));
	assert_int_equal(ev->ended->status, 480);
	peer_open(&p);
	register_as(&p, "acme", "1002", "secret-1002", DIGEST_SHA256, "");
	(void)cc_dial_agent("1002", 5000);
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

/* Nobody looks a name up that a phone says: it would be asked of a name server, and there the call would wait for ever. */
static void a_phone_whose_contact_is_a_name_rings_where_it_registered_from(void **state)
{
	struct call c = { .cseq = 0 };
	struct str auth = STR_INIT;
	struct leg_ref l;
	struct peer p;

	(void)state;
	peer_open(&p);
	c = reg_new(&p, "acme", "1002");
	snprintf(c.contact, sizeof(c.contact), "<sip:1002@phone.invalid>");
	new_branch(&c);
	request(&c, "REGISTER", c.ruri, c.cseq, "", "");
	peer_expect(&p, "SIP/2.0 401");
	authorization(&p, DIGEST_SHA256, "1002", "secret-1002", "REGISTER", c.ruri, &auth);
	new_branch(&c);
	request(&c, "REGISTER", c.ruri, ++c.cseq, str_text(&auth), "");
	peer_expect(&p, "SIP/2.0 200");
	str_done(&auth);
	memset(&c, 0, sizeof(c));
	l = cc_dial_agent("1002", 5000);
	peer_expect(&p, "INVITE sip:1002@phone.invalid ");
	answer(&p, &c, "200 OK", "t1", SDP_A);
	peer_expect(&p, "ACK ");
	cc_event("cc-1", EV(ANSWERED));
	cc_hang_up(&l);
	peer_expect(&p, "BYE ");
	answer(&p, NULL, "200 OK", NULL, "");
	cc_event("cc-1", EV(ENDED));
	register_as(&p, "acme", "1002", "secret-1002", DIGEST_SHA256, "Expires: 0\r\n");
	peer_close(&p);
}

/* The edge stood still meanwhile: the agent may have another call by now. */
static void an_answer_long_after_its_time_is_ended_by_bye(void **state)
{
	struct leg_ref l;
	struct peer p;

	(void)state;
	peer_open(&p);
	register_as(&p, "acme", "1001", "secret-1001", DIGEST_MD5, "");
	l = cc_dial_agent("1001", 1000);
	peer_expect(&p, "INVITE ");
	answer(&p, NULL, "180 Ringing", "t1", "");
	cc_event("cc-1", EV(RINGING));
	testkit_stand_still(edge.pid);
	answer(&p, NULL, "200 OK", "t1", SDP_A);
	assert_false(peer_got(&p, "ACK ", 2500));
	assert_int_equal(kill(edge.pid, SIGCONT), 0);
	peer_expect(&p, "ACK ");
	peer_expect(&p, "BYE ");
	answer(&p, NULL, "200 OK", NULL, "");
	assert_string_equal(cc_event("cc-1", EV(ENDED))->leg_id, l.leg);
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
	peer_send(
	    &p,
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

/* ---- TLS ---- */

static void options_by_tls(SSL_CTX *ctx)
{
	SSL *ssl = SSL_new(ctx);
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)tls_port) };
	char text[1024];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), n;

	inet_pton(AF_INET, "127.0.0.1", &a.sin_addr);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	SSL_set_fd(ssl, fd);
	assert_int_equal(SSL_connect(ssl), 1);
	n = snprintf(text, sizeof(text),
		     "OPTIONS sip:acme.trunkline.local SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:9;branch=z9hG4bKtls\r\n"
		     "Max-Forwards: 70\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:acme.trunkline.local>\r\nCall-ID: tls\r\n"
		     "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(SSL_write(ssl, text, n), n);
	n = SSL_read(ssl, text, sizeof(text) - 1);
	assert_true(n > 12);
	assert_memory_equal(text, "SIP/2.0 200", 11);
	SSL_free(ssl);
	close(fd);
}

static void tls_is_served_and_its_connections_leave_nothing(void **state)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	char ca[TESTKIT_PATH + 16];
	double before;

	(void)state;
	snprintf(ca, sizeof(ca), "%s/ca.pem", dir);
	assert_int_equal(SSL_CTX_load_verify_locations(ctx, ca, NULL), 1);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	for (int i = 0; i < 100; i++)
		options_by_tls(ctx);
	before = metric_value("process_resident_memory_bytes");
	for (int i = 0; i < 300; i++) /* 7 MB if each left its 23 KB */
		options_by_tls(ctx);
#ifndef __SANITIZE_ADDRESS__ /* which keeps what was freed for a while */
	assert_true(metric_value("process_resident_memory_bytes") < before + 2e6);
#endif
	assert_true(before > 0);
	SSL_CTX_free(ctx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(tls_is_served_and_its_connections_leave_nothing, forget),
		cmocka_unit_test_setup(phones_register_by_md5_and_sha256_and_strangers_learn_nothing, forget),
		cmocka_unit_test_setup(an_agent_is_rung_with_caller_and_called_number_and_both_sides_can_hang_up,
				       forget),
		cmocka_unit_test_setup(an_agent_who_is_busy_absent_or_does_not_answer_is_told, forget),
		cmocka_unit_test_setup(a_phone_whose_contact_is_a_name_rings_where_it_registered_from, forget),
		cmocka_unit_test_setup(an_answer_long_after_its_time_is_ended_by_bye, forget),
		cmocka_unit_test_setup(an_answer_that_crosses_the_cancel_is_ended_by_bye, forget),
		cmocka_unit_test_setup(all_phones_of_an_agent_ring_and_the_first_answer_wins, forget),
		cmocka_unit_test_setup(a_trunk_that_challenges_gets_the_digest_of_its_own, forget),
		cmocka_unit_test_setup(a_phone_that_calls_is_challenged_and_offered_as_the_agent, forget),
	};

	return cmocka_run_group_tests(tests, world_start, world_stop);
}
