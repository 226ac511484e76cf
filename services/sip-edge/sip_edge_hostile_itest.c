/* What strangers send, and what happens to the others meanwhile; and a softphone that nobody here wrote. */
#include "itest_peer.h"

/* ---- malformed ---- */

static const struct {
	const char *start, *cseq, *extra, *via, *sdp;
	const char *want; /* NULL: silence */
} broken[] = {
	{ "INVITE sip:+862011110000@127.0.0.1 SIP/7.0", "1 INVITE", "", NULL, "", "SIP/2.0 505" },
	{ "OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0", "1 OPTIONS", "", NULL, "", "SIP/2.0 416" },
	{ "INVITE sip:+862011110000@127.0.0.1 SIP/2.0", "1 INVITE", "Require: nothingSupportsThis\r\n", NULL, "",
	  "SIP/2.0 420" },
	{ "INVITE sip:+862011110000@127.0.0.1 SIP/2.0", "1 INVITE", "Max-Forwards: 0\r\n", NULL, "", "SIP/2.0 483" },
	{ "INVITE sip:+862011110000@127.0.0.1 SIP/2.0", "1 INVITE", "Call-ID: two\r\n", NULL, "", "SIP/2.0 400" },
	{ "INVITE sip:+862011110000@127.0.0.1 SIP/2.0", "1 INVITE", "Content-Type: application/x\r\n", NULL, "hello",
	  "SIP/2.0 415" },
	{ "INVITE sip:a%00b@127.0.0.1 SIP/2.0", "1 INVITE", "", NULL, "", "SIP/2.0 404" },
	{ "INVITE sip:+862011110000@127.0.0.1 SIP/2.0", "1 INVITE", "", "branch=1", "", "SIP/2.0 400" },
	{ "INVITE sip:+862011110000@127.0.0.1 SIP/2.0", "1 BYE", "", NULL, "", "SIP/2.0 400" },
	{ "INVITE sip:+862011110000@127.0.0.1 SIP/2.0", "99999999999 INVITE", "", NULL, "", "SIP/2.0 400" },
	{ "SIP/2.0 200 OK", "1 INVITE", "", NULL, "", NULL },
	{ "ACK sip:+862011110000@127.0.0.1 SIP/2.0", "1 ACK", "", NULL, "", NULL },
	{ "BYE sip:+862011110000@127.0.0.1 SIP/2.0", "1 BYE", "", NULL, "", "SIP/2.0 405" },
};

static void malformed_requests_are_judged_not_obeyed(void **state)
{
	struct peer p;

	(void)state;
	peer_open(&p);
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		char branch[64];

		snprintf(branch, sizeof(branch), "branch=z9hG4bKbroken%zu", i);
		peer_send(&p,
			  "%s\r\nVia: SIP/2.0/UDP 127.0.0.1:%d;%s\r\nFrom: <sip:a@b>;tag=1\r\nTo: "
			  "<sip:c@d>\r\nCall-ID: broken%zu\r\n"
			  "CSeq: %s\r\nContact: <sip:a@127.0.0.1:%d>\r\n%sContent-Length: %zu\r\n\r\n%s",
			  broken[i].start, p.port, broken[i].via ? broken[i].via : branch, i, broken[i].cseq, p.port,
			  broken[i].extra, strlen(broken[i].sdp), broken[i].sdp);
		if (broken[i].want)
			peer_expect(&p, broken[i].want);
		else
			assert_false(peer_got(&p, "SIP/2.0", 150));
	}
	assert_null(cc_event_in("offer", EV(OFFER), 50)); /* none became a call */
	peer_close(&p);
}

/* ---- noise: messages with random wounds, from a printed seed ---- */

static size_t wound(char *m, size_t n, size_t max)
{
	for (int wounds = 1 + (int)(random() % 4); wounds > 0 && n > 8; wounds--) {
		size_t at = (size_t)random() % n, len = 1 + (size_t)random() % 8;

		switch (random() % 5) {
		case 0:
			m[at] = (char)random();
			break;
		case 1: /* cut out */
			len = at + len > n ? n - at : len;
			memmove(m + at, m + at + len, n - at - len);
			n -= len;
			break;
		case 2: /* double */
			len = at + len > n ? n - at : len;
			if (n + len < max) {
				memmove(m + at + len, m + at, n - at);
				n += len;
			}
			break;
		case 3: /* truncate */
			n = random() % 8 == 0 ? at : n;
			break;
		default:
			m[at] = "\r\n<>\"@;:,%\0 "[random() % 12];
		}
	}
	return n;
}

/* The template with a number for each @@. */
static size_t number_it(char *dst, size_t size, const char *tpl, long id)
{
	size_t n = 0;

	for (; *tpl && n + 24 < size; tpl++) {
		if (tpl[0] == '@' && tpl[1] == '@') {
			n += (size_t)sprintf(dst + n, "%ld", id);
			tpl++;
		} else {
			dst[n++] = *tpl;
		}
	}
	return n;
}

static bool never(void *arg)
{
	(void)arg;
	return false;
}

static bool no_offer_is_open(void *arg)
{
	(void)arg;
	return metric_value("trunkline_edge_offers_open") == 0;
}

/* The noise had calls among it that nobody took: for some seconds fewer new ones are let in. */
static void until_new_calls_are_welcome(struct peer *p)
{
	for (int i = 0; i < 200; i++) {
		struct call c = call_new(p, "100", "probe", "carrier.example");

		new_branch(&c);
		request(&c, "OPTIONS", c.ruri, 1, "", "");
		peer_expect(p, "SIP/2.0 ");
		if (strncmp(p->rx, "SIP/2.0 200", 11) == 0)
			return;
		loop_turn(loop, 100);
	}
	fail_msg("new calls are refused long after the noise: %s", p->rx);
}

static void noise_beside_a_call_harms_neither_call_nor_process(void **state)
{
	static const char *const good[] = {
		"INVITE sip:+862011110000@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP "
		"127.0.0.1:9;branch=z9hG4bKn@@;rport\r\nMax-Forwards: 70\r\n"
		"From: \"N\" <sip:1@x>;tag=n@@\r\nTo: <sip:2@y>\r\nCall-ID: n@@\r\nCSeq: 1 INVITE\r\nContact: "
		"<sip:1@127.0.0.1:9>\r\n"
		"Supported: timer, 100rel\r\nSession-Expires: 1800\r\nContent-Type: application/sdp\r\nContent-Length: "
		"129\r\n\r\n" SDP_A,
		"REGISTER sip:acme.trunkline.local SIP/2.0\r\nVia: SIP/2.0/UDP "
		"127.0.0.1:9;branch=z9hG4bKr@@\r\nMax-Forwards: 70\r\n"
		"From: <sip:1001@acme.trunkline.local>;tag=n@@\r\nTo: <sip:1001@acme.trunkline.local>\r\nCall-ID: "
		"r@@\r\nCSeq: 1 REGISTER\r\n"
		"Contact: <sip:1@127.0.0.1:9>;expires=60\r\nAuthorization: Digest username=\"1001\", "
		"realm=\"acme.trunkline.local\", "
		"nonce=\"0\", uri=\"sip:x\", response=\"0\", qop=auth, nc=00000001, cnonce=\"1\"\r\nContent-Length: "
		"0\r\n\r\n",
		"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKo@@\r\nFrom: <sip:1@x>;tag=n@@\r\nTo: "
		"<sip:2@y>;tag=2\r\n"
		"Call-ID: o@@\r\nCSeq: 1 INVITE\r\nContact: <sip:1@127.0.0.1:9>\r\nContent-Length: 0\r\n\r\n",
	};
	static char m[4096];
	struct peer p, noise, elsewhere;
	struct call c;
	struct leg_ref l;
	const char *seed_text = getenv("SEED"), *noise_text = getenv("NOISE");
	unsigned seed = seed_text ? (unsigned)atoi(seed_text) : (unsigned)getpid();
	int n_messages = noise_text ? atoi(noise_text) : 20000;

	(void)state;
	print_message("seed %u\n", seed);
	srandom(seed);
	peer_open(&p);
	peer_open(&noise);
	peer_open_at(&elsewhere, "127.0.0.9"); /* its wrong passwords close that address for a minute, not ours */
	l = establish(&p, &c);
	for (int i = 0; i < n_messages; i++) {
		size_t n = number_it(m, sizeof(m), good[i % 3], random());

		peer_send_bytes(i % 3 == 1 ? &elsewhere : &noise, m, wound(m, n, sizeof(m) - 1));
		if (i % 50 == 0)
			for (int t = 0; t < 5; t++)
				loop_turn(loop, 1); /* offers among them are not taken: 503 */
	}
	assert_true(testkit_proc_running(&edge));
	forget(NULL);
	cc_hang_up(&l);
	peer_expect(&p, "BYE ");
	answer(&p, NULL, "200 OK", NULL, "");
	assert_true(cc_event("cc-1", EV(ENDED))->ended->by_us);
	assert_false(testkit_wait_loop(loop, never, NULL, 1500)); /* the gauge is a second old */
	assert_true(testkit_wait_loop(loop, no_offer_is_open, NULL, WAIT_MS));
	until_new_calls_are_welcome(&p);
	forget(NULL);
	l = establish(&p, &c);
	in_dialog(&c, "BYE", "", "");
	peer_expect(&p, "SIP/2.0 200");
	cc_event("cc-1", EV(ENDED));
	peer_close(&p);
	peer_close(&noise);
	peer_close(&elsewhere);
}

/* ---- guessing ---- */

static void a_guesser_is_not_heard_and_the_real_phone_is(void **state)
{
	struct peer evil, home;
	bool silent = false;

	(void)state;
	peer_open_at(&evil, "127.0.0.5");
	peer_open_at(&home, "127.0.0.6");
	for (int i = 0; i < 12 && !silent; i++) {
		struct call c = reg_new(&evil, "acme", "1002");
		struct str auth = STR_INIT;

		new_branch(&c);
		request(&c, "REGISTER", c.ruri, 1, "", "");
		peer_expect(&evil, "SIP/2.0 401");
		authorization(&evil, DIGEST_MD5, "1002", "guess", "REGISTER", c.ruri, &auth);
		new_branch(&c);
		request(&c, "REGISTER", c.ruri, 2, str_text(&auth), "");
		silent = !peer_got(&evil, "SIP/2.0 403", 300);
		str_done(&auth);
	}
	assert_true(silent);
	register_as(&home, "acme", "1002", "secret-1002", DIGEST_MD5, "");
	assert_memory_equal(home.rx, "SIP/2.0 200", 11);
	peer_close(&evil);
	peer_close(&home);
}

/* ---- NATS away ---- */

static bool away(void *arg)
{
	(void)arg;
	return ready_answer() == CURL_HTTP_ERROR;
}

static bool connected(void *arg)
{
	(void)arg;
	for (int i = 0; i < 5; i++)
		loop_turn(loop, 5);
	return bus_connected(bus) && ready(NULL);
}

static void without_the_bus_new_calls_get_503_and_calls_in_progress_can_end(void **state)
{
	struct peer p, q;
	struct call c, d;

	(void)state;
	peer_open(&p);
	peer_open(&q);
	establish(&p, &c);
	testkit_nats_kill(&nats);
	assert_true(testkit_wait(away, NULL, WAIT_MS));
	d = call_new(&q, "+862011110000", "13800138000", "carrier.example");
	invite(&d, "", SDP_A);
	peer_expect(&q, "SIP/2.0 503");
	in_dialog(&c, "BYE", "", "");
	peer_expect(&p, "SIP/2.0 200");
	testkit_nats_restart(&nats);
	assert_true(testkit_wait(connected, NULL, 3 * WAIT_MS));
	forget(NULL);
	establish(&q, &d);
	in_dialog(&d, "BYE", "", "");
	peer_expect(&q, "SIP/2.0 200");
	cc_event("cc-1", EV(ENDED));
	peer_close(&p);
	peer_close(&q);
}

/* ---- baresip ---- */

/* The dialled leg is answered, or over: nobody was registered. */
static bool is_decided(void *arg)
{
	const struct leg_ref *l = arg;

	for (struct seen *s = seen_first; s; s = s->next) {
		const event_t *ev = s->batch->events[s->i];

		if ((ev->event_case == EV(ANSWERED) || ev->event_case == EV(ENDED)) && strcmp(ev->leg_id, l->leg) == 0)
			return true;
	}
	return false;
}

static void baresip_registers_answers_and_is_hung_up(void **state)
{
	struct testkit_proc phone = { 0 };
	char sub[TESTKIT_PATH], path[TESTKIT_PATH + 64], text[1024], log[TESTKIT_PATH + 64];
	struct leg_ref l;
	const event_t *ev = NULL;

	(void)state;
	if (access("/usr/lib/baresip/modules/account.so", R_OK) != 0)
		skip();
	testkit_dir(sub);
	snprintf(path, sizeof(path), "%s/tone.wav", sub);
	assert_int_equal(testkit_run((const char *[]){ "sox", "-n", "-r", "8000", "-c", "1", "-b", "16", path, "synth",
						       "2", "sine", "440", NULL },
				     NULL, 10000),
			 0);
	snprintf(
	    text, sizeof(text),
	    "module_path /usr/lib/baresip/modules\nmodule g711.so\nmodule aufile.so\nmodule_app account.so\n"
	    "module_app menu.so\naudio_player aufile,/dev/null\naudio_source aufile,%s\naudio_alert aufile,/dev/null\n"
	    "sip_listen 127.0.0.1:%d\nrtp_ports %d-%d\n",
	    path, sip_port + 5, sip_port + 2000, sip_port + 2100);
	testkit_file(sub, "config", text, path);
	snprintf(text, sizeof(text),
		 "<sip:1001@globex.trunkline.local>;auth_user=1001;auth_pass=other-1001;answermode=auto;outbound=\"sip:"
		 "127.0.0.1:%d\";regint=60\n",
		 sip_port);
	testkit_file(sub, "accounts", text, path);
	snprintf(log, sizeof(log), "%s/baresip.log", sub);
	testkit_spawn(&phone,
		      &(struct testkit_spawn){ .argv = (const char *[]){ "baresip", "-f", sub, NULL }, .log = log });
	for (int i = 0; i < 240 && !ev; i++) { /* until it has registered */
		Trunkline__Edge__V1__LegDial d = TRUNKLINE__EDGE__V1__LEG_DIAL__INIT;
		command_t cmd;

		l = (struct leg_ref){ .tenant = "globex", .epoch = 1 };
		id_new(clock_wall_ms(), l.call);
		id_new(clock_wall_ms(), l.leg);
		cmd = to_leg(&l, CMD(DIAL));
		d.to_case = TRUNKLINE__EDGE__V1__LEG_DIAL__TO_AGENT_ID;
		d.agent_id = (char *)"1001";
		d.caller = (char *)"13800138000";
		d.sdp = sdp_of(SDP_B);
		cmd.dial = &d;
		cc_send("cc-1", &cmd);
		if (!testkit_wait_loop(loop, is_decided, &l, WAIT_MS))
			break;
		ev = cc_event_in("cc-1", EV(ANSWERED), 250);
	}
	if (!ev) {
		struct str out = STR_INIT;

		testkit_read(log, &out);
		fputs(str_text(&out), stderr);
		fail();
		return;
	}
	assert_true(ev->answered->sdp.len > 0);
	cc_hang_up(&l);
	do { /* the tries before it was registered ended, too */
		ev = cc_event("cc-1", EV(ENDED));
	} while (strcmp(ev->leg_id, l.leg) != 0);
	assert_string_equal(ev->ended->cause, "hung-up");
	testkit_proc_stop(&phone, SIGTERM, 3000);
}

/* A Via of another protocol: nta answers it itself, to a host that it would look up and wait for, 5 s where no name server answers.
 * localhost is what every machine knows: no answer comes, so not even that was looked up. */
static void a_name_in_the_via_of_what_is_not_understood_is_not_looked_up_GT_15(void **state)
{
	static const char *const hosts[] = { "127.0.0.1", "localhost" };
	struct peer p;

	(void)state;
	peer_open(&p);
	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
		peer_send(
		    &p,
		    "OPTIONS sip:user@example.com SIP/2.0\r\nVia: %%IP/2.0/UDP %s:%d;branch=z9hG4bKnamed%zu\r\n"
		    "To: sip:user@example.com\r\nFrom: sip:other@example.net;tag=3923942\r\nCall-ID: named.%zu\r\n"
		    "CSeq: 15932 4PTIONS\r\nMax-Forwards: 60\r\nContent-Length: 0\r\n\r\n",
		    hosts[i], p.port, i, i);
		assert_int_equal(peer_got(&p, "SIP/2.0 ", 1000), i == 0);
	}
	peer_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_name_in_the_via_of_what_is_not_understood_is_not_looked_up_GT_15, forget),
		cmocka_unit_test_setup(malformed_requests_are_judged_not_obeyed, forget),
		cmocka_unit_test_setup(noise_beside_a_call_harms_neither_call_nor_process, forget),
		cmocka_unit_test_setup(a_guesser_is_not_heard_and_the_real_phone_is, forget),
		cmocka_unit_test_setup(without_the_bus_new_calls_get_503_and_calls_in_progress_can_end, forget),
		cmocka_unit_test_setup(baresip_registers_answers_and_is_hung_up, forget),
	};

	digest_offer = "md5"; /* baresip 1.0 gives up when SHA-256 is offered beside MD5 */
	return cmocka_run_group_tests(tests, world_start, world_stop);
}
