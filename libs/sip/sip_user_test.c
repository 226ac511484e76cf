#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include "base/err.h"
#include "sip/sesstimer.h"
#include "sip/sip_user.h"

static void users_become_numbers_and_names(void **state)
{
	static const struct {
		const char *in, *out; /* NULL: refused */
	} rows[] = {
		{ "+8613800138000", "+8613800138000" },
		{ "+86-138-0013-8000", "+8613800138000" },
		{ "(020) 1111.0000", "02011110000" },
		{ "12345;phone-context=example.com", "12345" },
		{ "%2B86138", "+86138" },
		{ "*98#", "*98#" },
		{ "1001", "1001" },
		{ "alice", "alice" },
		{ "li.lei-1", "li.lei-1" },
		{ "%E6%9D%8E", "李" },
		{ "", NULL },
		{ ";x=y", NULL },
		{ "a%00b", NULL },
		{ "a%zz", NULL },
		{ "a%4", NULL },
		{ "a%0Ab", NULL },
		{ "a%22b", NULL },
		{ "a%3Cb", NULL },
		{ "a%40b", NULL },
		{ "%ff%fe", NULL },
		{ "0123456789012345678901234567890123456789012345678901234567890123", NULL },
		{ NULL, NULL },
	};
	char dst[SIP_USER_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		bool ok = sip_user_normalise(dst, rows[i].in);

		assert_int_equal(ok, rows[i].out != NULL);
		assert_string_equal(dst, rows[i].out ? rows[i].out : "");
	}
}

static void display_names_are_plain_and_quoted_again(void **state)
{
	char plain[SIP_NAME_MAX], quoted[300], longest[300];

	(void)state;
	sip_name_plain(plain, "\"Li \\\"Lei\\\"\" ");
	assert_string_equal(plain, "Li \"Lei\"");
	sip_name_quote(quoted, sizeof(quoted), plain);
	assert_string_equal(quoted, "\"Li \\\"Lei\\\"\"");
	sip_name_plain(plain, "Bob Smith");
	assert_string_equal(plain, "Bob Smith");
	sip_name_plain(plain, "\"a\r\nVia: x\"");
	assert_string_equal(plain, "aVia: x");
	sip_name_plain(plain, NULL);
	assert_string_equal(plain, "");
	sip_name_quote(quoted, sizeof(quoted), "");
	assert_string_equal(quoted, "");
	memset(longest, 'x', sizeof(longest));
	memcpy(longest + 125, "李李", 6); /* a character across the end is left out whole */
	longest[131] = '\0';
	sip_name_plain(plain, longest);
	assert_int_equal(strlen(plain), 125);
}

static void users_are_escaped_for_uris(void **state)
{
	char dst[64], tiny[4];

	(void)state;
	assert_true(sip_user_escape(dst, sizeof(dst), "+8620*#"));
	assert_string_equal(dst, "+8620*%23");
	assert_true(sip_user_escape(dst, sizeof(dst), "a b@c"));
	assert_string_equal(dst, "a%20b%40c");
	assert_false(sip_user_escape(tiny, sizeof(tiny), "abcdef"));
	assert_false(sip_user_escape(dst, sizeof(dst), ""));
}

static void header_names_and_values_are_checked(void **state)
{
	(void)state;
	assert_true(sip_header_name_ok("X-Trunkline-Data"));
	assert_false(sip_header_name_ok(""));
	assert_false(sip_header_name_ok("-X"));
	assert_false(sip_header_name_ok("X Y"));
	assert_false(sip_header_name_ok("X:"));
	assert_true(sip_header_value_ok("客户 1", 100));
	assert_false(sip_header_value_ok("a\r\nRoute: <sip:evil>", 100));
	assert_false(sip_header_value_ok("abc", 2));
	assert_false(sip_header_value_ok("\xff", 10));
	assert_true(sip_user_is_number("+8620"));
	assert_true(sip_user_is_number("*#"));
	assert_false(sip_user_is_number("+"));
	assert_false(sip_user_is_number("12a"));
}

/* RFC 4028 tables: what was said → interval, who refreshes, whether the answer requires it. */
static void session_timers_as_server(void **state)
{
	static const struct {
		struct sesstimer_said said;
		bool ok;
		struct sesstimer want;
	} rows[] = {
		{ { true, 1800, 0, SESSTIMER_UNSAID }, true, { 1800, false, true } },
		{ { true, 1800, 0, SESSTIMER_UAC }, true, { 1800, false, true } },
		{ { true, 1800, 0, SESSTIMER_UAS }, true, { 1800, true, false } },
		{ { true, 600, 0, SESSTIMER_UNSAID }, true, { 600, false, true } },
		{ { true, 7200, 90, SESSTIMER_UNSAID }, true, { 1800, false, true } },
		{ { true, 7200, 3600, SESSTIMER_UNSAID }, true, { 3600, false, true } },
		{ { true, 60, 0, SESSTIMER_UNSAID }, false, { 0, false, false } },
		{ { true, 0, 0, SESSTIMER_UNSAID }, true, { 1800, false, true } },
		{ { false, 0, 0, SESSTIMER_UNSAID }, true, { 1800, true, false } },
		{ { false, 30, 0, SESSTIMER_UNSAID }, true, { 90, true, false } },
	};
	struct sesstimer t;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(sesstimer_as_server(&rows[i].said, 1800, &t), rows[i].ok);
		assert_int_equal(t.interval_s, rows[i].want.interval_s);
		assert_int_equal(t.we_refresh, rows[i].want.we_refresh);
		assert_int_equal(t.require, rows[i].want.require);
	}
}

static void session_timers_as_client(void **state)
{
	static const struct {
		struct sesstimer_said said;
		struct sesstimer want;
	} rows[] = {
		{ { true, 1800, 0, SESSTIMER_UAS }, { 1800, false, false } },
		{ { true, 1200, 0, SESSTIMER_UAC }, { 1200, true, false } },
		{ { false, 0, 0, SESSTIMER_UNSAID }, { 900, true, false } },
		{ { true, 5, 0, SESSTIMER_UAC }, { 90, true, false } },
	};
	struct sesstimer t;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		sesstimer_as_client(&rows[i].said, 900, &t);
		assert_int_equal(t.interval_s, rows[i].want.interval_s);
		assert_int_equal(t.we_refresh, rows[i].want.we_refresh);
	}
	assert_int_equal(sesstimer_refresh_ms(&(struct sesstimer){ .interval_s = 1800 }), 900000);
	assert_int_equal(sesstimer_expiry_ms(&(struct sesstimer){ .interval_s = 1800 }), 1768000);
	assert_int_equal(sesstimer_expiry_ms(&(struct sesstimer){ .interval_s = 90 }), 60000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(users_become_numbers_and_names),
		cmocka_unit_test(display_names_are_plain_and_quoted_again),
		cmocka_unit_test(users_are_escaped_for_uris),
		cmocka_unit_test(header_names_and_values_are_checked),
		cmocka_unit_test(session_timers_as_server),
		cmocka_unit_test(session_timers_as_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
