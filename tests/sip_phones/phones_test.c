#include "testkit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>
#include "phones.h"

#define MS 1000000ll

static char sent[8][2048];
static unsigned n_sent;

static void keep(const char *data, size_t n, void *arg)
{
	(void)arg;
	memcpy(sent[n_sent % 8], data, n);
	sent[n_sent++ % 8][n] = '\0';
}

static void comes(struct phones *p, const char *method, const char *agent, int call, int64_t at_ms)
{
	struct sipmsg m;
	char text[1024];
	int n = snprintf(text, sizeof(text),
			 "%s sip:%s@127.0.0.1:5 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK%d%s\r\n"
			 "From: <sip:a@b>;tag=1\r\nTo: <sip:%s@c>%s\r\nCall-ID: call-%d\r\nCSeq: 1 %s\r\n\r\n",
			 method, agent, call, method, agent, strcmp(method, "INVITE") ? ";tag=p1" : "", call, method);

	n_sent = 0;
	assert_true(sipmsg_parse(&m, text, (size_t)n));
	phones_message(p, &m, at_ms * MS, keep, NULL);
}

static void reported(struct phones *p, const char *what)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	phones_report(p, f);
	fclose(f);
	if (!strstr(text, what))
		fail_msg("%s is not in %s", what, text);
	free(text);
}

static void a_call_is_answered_at_once_and_its_end_acknowledged(void **state)
{
	struct phones *p = phones_new("127.0.0.1", 5000, 6000);

	(void)state;
	comes(p, "INVITE", "1001", 1, 0);
	assert_int_equal(n_sent, 2);
	assert_non_null(
	    strstr(sent[0], "SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK1INVITE\r\n"));
	assert_non_null(strstr(sent[1], "\r\nTo: <sip:1001@c>;tag=p1\r\n"));
	assert_non_null(strstr(sent[1], "m=audio 6000 RTP/AVP 8 101"));
	comes(p, "ACK", "1001", 1, 1);
	assert_int_equal(n_sent, 0);
	comes(p, "BYE", "1001", 1, 2000);
	assert_int_equal(n_sent, 1);
	reported(p, "\"active\": 0, \"invites\": 1, \"acks\": 1, \"byes\": 1");
	phones_free(&p);
}

static void the_time_from_an_end_to_the_next_ring_is_each_agents_own(void **state)
{
	struct phones *p = phones_new("127.0.0.1", 5000, 6000);

	(void)state;
	comes(p, "INVITE", "1001", 1, 0);
	comes(p, "INVITE", "1002", 2, 0);
	comes(p, "BYE", "1001", 1, 100);
	comes(p, "BYE", "1002", 2, 200);
	comes(p, "INVITE", "1001", 3, 107);
	comes(p, "INVITE", "1002", 4, 290);
	reported(p, "\"free_to_ring_n\": 2, \"free_to_ring_ms\": {\"p50\": 7.000");
	reported(p, "\"max\": 90.000}");
	phones_reset(p);
	reported(p, "\"free_to_ring_n\": 0");
	phones_free(&p);
}

static void an_answer_goes_out_again_until_its_ack(void **state)
{
	struct phones *p = phones_new("127.0.0.1", 5000, 6000);

	(void)state;
	comes(p, "INVITE", "1001", 1, 0);
	comes(p, "INVITE", "1001", 1, 100); /* repeated: the same answer, no second call */
	assert_int_equal(n_sent, 1);
	n_sent = 0;
	phones_tick(p, 499 * MS, keep, NULL);
	assert_int_equal(n_sent, 0);
	phones_tick(p, 500 * MS, keep, NULL);
	assert_int_equal(n_sent, 1);
	comes(p, "ACK", "1001", 1, 600);
	phones_tick(p, 5000 * MS, keep, NULL);
	assert_int_equal(n_sent, 0);
	reported(p, "\"active\": 1, \"invites\": 1");
	phones_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_is_answered_at_once_and_its_end_acknowledged),
		cmocka_unit_test(the_time_from_an_end_to_the_next_ring_is_each_agents_own),
		cmocka_unit_test(an_answer_goes_out_again_until_its_ack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
