/* Frames of the NATS protocol: whole, in pieces, wrong. */
#include "nats_parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *const whole[] = {
	"INFO {\"server_id\":\"x\"}\r\n",
	"PING\r\n",
	"PONG\r\n",
	"+OK\r\n",
	"-ERR 'Authorization Violation'\r\n",
	"MSG a.b 1 5\r\nhello\r\n",
	"MSG a.b 1 _INBOX.x 0\r\n\r\n",
	"HMSG a 7 12 17\r\nNATS/1.0\r\n\r\nhello\r\n",
	"HMSG a 7 r 30 30\r\nNATS/1.0 503 No\r\nA-Key: v \r\n\r\n\r\n",
};

static void every_frame_is_taken_whole_and_no_beginning_of_it_is(void **state)
{
	struct nats_frame f;
	char buf[128];

	(void)state;
	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
		size_t n = strlen(whole[i]);

		for (size_t part = 0; part < n; part++) {
			memcpy(buf, whole[i], n);
			assert_int_equal(nats_parse(buf, part, 1024, &f), 0);
		}
		memcpy(buf, whole[i], n);
		assert_int_equal(nats_parse(buf, n, 1024, &f), (ssize_t)n);
	}
}

static void a_message_has_its_subject_reply_headers_and_data(void **state)
{
	char buf[] = "HMSG the.subject 4711 _INBOX.r 40 45\r\nNATS/1.0 100 Idle\r\nNats-Sequence: 42\r\n\r\nhello\r\n";
	struct nats_frame f = { 0 };
	size_t len;

	(void)state;
	assert_true(nats_parse(buf, sizeof(buf) - 1, 1024, &f) > 0);
	assert_int_equal(f.op, NATS_MSG);
	assert_string_equal(f.subject, "the.subject");
	assert_string_equal(f.reply, "_INBOX.r");
	assert_int_equal(f.sid, 4711);
	assert_string_equal(f.data, "hello");
	assert_int_equal(f.size, 5);
	assert_int_equal(nats_headers_status(f.headers, f.headers_size), 100);
	assert_int_equal(nats_headers_u64(f.headers, f.headers_size, "Nats-Sequence"), 42);
	assert_null(nats_headers_find(f.headers, f.headers_size, "Nats", &len));
	assert_null(nats_headers_find(f.headers, f.headers_size, "Nats-Sequence-No", &len));
}

static void what_is_not_nats_is_refused(void **state)
{
	static const char *const wrong[] = {
		"HTTP/1.1 400 Bad Request\r\n",
		"MSG a\r\n",
		"MSG a 1\r\n",
		"MSG a x 5\r\nhello\r\n",
		"MSG a 1 -5\r\n",
		"MSG a 1 5\r\nhelloXX",
		"MSG a 1 2000\r\n",
		"HMSG a 1 20 10\r\n",
		"MSG a 1 r s 5\r\n",
		"PING\n",
		"\r\n",
		"MSG a 1 99999999999999999999\r\n",
	};
	struct nats_frame f;
	char buf[128];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		size_t n = strlen(wrong[i]);

		memcpy(buf, wrong[i], n);
		if (nats_parse(buf, n, 1024, &f) != -1)
			fail_msg("taken: %s", wrong[i]);
	}
}

static void a_line_without_end_is_refused(void **state)
{
	static char buf[10000];
	struct nats_frame f;

	(void)state;
	memset(buf, 'x', sizeof(buf));
	memcpy(buf, "MSG ", 4);
	assert_int_equal(nats_parse(buf, sizeof(buf), 1024, &f), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_frame_is_taken_whole_and_no_beginning_of_it_is),
		cmocka_unit_test(a_message_has_its_subject_reply_headers_and_data),
		cmocka_unit_test(what_is_not_nats_is_refused),
		cmocka_unit_test(a_line_without_end_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
