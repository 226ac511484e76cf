/* SIPp's stock scenarios against the real program: other people's SIP, many calls, and nothing left of them afterwards. */
#include "itest_peer.h"

static bool ended(void *arg)
{
	return !testkit_proc_running(arg);
}

/* Runs SIPp to its end while call-control is played; its exit code. */
static int sipp(const char *const *argv, const char *name, int64_t ms)
{
	struct testkit_proc proc = { 0 };
	char log[TESTKIT_PATH + 64];
	int code;

	snprintf(log, sizeof(log), "%s/%s.log", dir, name);
	testkit_spawn(&proc, &(struct testkit_spawn){ .argv = argv, .log = log });
	testkit_wait_loop(loop, ended, &proc, ms);
	code = testkit_proc_stop(&proc, SIGTERM, WAIT_MS);
	if (code) {
		struct str out = STR_INIT;

		testkit_read(log, &out);
		fputs(str_text(&out) + (out.len > 4000 ? out.len - 4000 : 0), stderr); /* cmocka cuts at 1 KiB */
		str_done(&out);
	}
	return code;
}

static int uac(const char *transport, const char *calls, const char *rate, const char *name, int64_t ms)
{
	char target[32], port[16];

	snprintf(target, sizeof(target), "127.0.0.1:%d", sip_port);
	snprintf(port, sizeof(port), "%d", sip_port + 2);
	return sipp((const char *[]){ "sipp", "-sn",	  "uac",      "-s",  "+862011110000", "-i", "127.0.0.1", "-p",
				      port,   "-t",	  transport,  "-m",  calls,	      "-r", rate,	 "-d",
				      "200",  "-nostdin", "-timeout", "120", target,	      NULL },
		    name, ms);
}

static bool nothing_left(void *arg)
{
	(void)arg;
	for (int i = 0; i < 50; i++)
		loop_turn(loop, 10);
	return metric_value("trunkline_edge_server_transactions") == 0 &&
	       metric_value("trunkline_edge_client_transactions") == 0 && metric_value("trunkline_edge_dialogs") == 0 &&
	       metric_value("trunkline_edge_legs") == 0;
}

static void thousand(const char *name)
{
	assert_int_equal(uac("u1", "1000", "250", name, 125000), 0);
	assert_true(testkit_wait(nothing_left, NULL, 60000));
}

static void a_thousand_calls_of_sipps_own_caller_leave_nothing(void **state)
{
	double before, after, cpu;

	(void)state;
	auto_answer = true;
	auto_offers = auto_ended = 0;
	thousand("first");
	before = metric_value("process_resident_memory_bytes");
	cpu = metric_value("process_cpu_seconds_total");
	thousand("second");
	after = metric_value("process_resident_memory_bytes");
	assert_int_equal(auto_offers, 2000);
	assert_int_equal(auto_ended, 2000);
	print_message("resident: %.1f MB after 1,000 calls, %.1f MB after 2,000; CPU %.3f ms a call\n", before / 1e6,
		      after / 1e6, metric_value("process_cpu_seconds_total") - cpu);
	assert_true(after < before + 4e6);
	auto_answer = false;
}

static void calls_over_tcp_work_the_same(void **state)
{
	(void)state;
	auto_answer = true;
	auto_offers = auto_ended = 0;
	assert_int_equal(uac("t1", "50", "50", "tcp", 125000), 0);
	assert_true(testkit_wait(nothing_left, NULL, 60000));
	assert_int_equal(auto_ended, 50);
	auto_answer = false;
}

static bool is_taken(void *arg)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t) * (int *)arg) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool taken;

	inet_pton(AF_INET, "127.0.0.1", &a.sin_addr);
	taken = bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0;
	close(fd);
	return taken;
}

/* SIPp's own called side as the agent's phone: registered by a text peer, answers by itself, is hung up by us. */
static void sipps_own_called_side_is_a_phone(void **state)
{
	char port[16];
	struct peer p;
	struct leg_ref legs[20];
	struct testkit_proc uas = { 0 };
	char extra[64], log[TESTKIT_PATH + 64];

	(void)state;
	peer_open(&p);
	p.port = sip_port + 3; /* only what Contact says: SIPp is there */
	snprintf(port, sizeof(port), "%d", p.port);
	snprintf(log, sizeof(log), "%s/uas.log", dir);
	snprintf(extra, sizeof(extra), "Expires: 60\r\n");
	p.port = sip_port + 3;
	{
		/* Via with the real port, Contact with SIPp's. */
		struct peer real = p;
		struct sockaddr_in a = { 0 };
		socklen_t n = sizeof(a);

		getsockname(p.fd, (struct sockaddr *)&a, &n);
		real.port = ntohs(a.sin_port);
		struct call c = reg_new(&real, "acme", "1001");
		struct str auth = STR_INIT;

		snprintf(c.contact, sizeof(c.contact), "<sip:1001@127.0.0.1:%s>", port);
		c.p = &real;
		new_branch(&c);
		request(&c, "REGISTER", c.ruri, c.cseq, extra, "");
		peer_expect(&real, "SIP/2.0 401");
		authorization(&real, DIGEST_MD5, "1001", "secret-1001", "REGISTER", c.ruri, &auth);
		new_branch(&c);
		request(&c, "REGISTER", c.ruri, ++c.cseq, str_text(&auth), "");
		peer_expect(&real, "SIP/2.0 200");
		str_done(&auth);
	}
	testkit_spawn(&uas, &(struct testkit_spawn){ .argv = (const char *[]){ "sipp", "-sn", "uas", "-i", "127.0.0.1",
									       "-p", port, "-nostdin", NULL },
						     .log = log });
	assert_true(testkit_wait(is_taken, &p.port, WAIT_MS));
	for (size_t i = 0; i < ARRAY_SIZE(legs); i++)
		legs[i] = cc_dial_agent("1001", 5000);
	for (size_t i = 0; i < ARRAY_SIZE(legs); i++)
		cc_event("cc-1", EV(ANSWERED));
	for (size_t i = 0; i < ARRAY_SIZE(legs); i++) {
		cc_hang_up(&legs[i]);
		assert_string_equal(cc_event("cc-1", EV(ENDED))->ended->cause, "hung-up");
	}
	assert_true(testkit_wait(nothing_left, NULL, 60000));
	testkit_proc_stop(&uas, SIGTERM, 1000);
	peer_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_thousand_calls_of_sipps_own_caller_leave_nothing, forget),
		cmocka_unit_test_setup(calls_over_tcp_work_the_same, forget),
		cmocka_unit_test_setup(sipps_own_called_side_is_a_phone, forget),
	};

	offer_timeout_ms = reoffer_ms = 30000; /* none is made twice: they are counted */
	return cmocka_run_group_tests(tests, world_start, world_stop);
}
