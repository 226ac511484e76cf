#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include "rpc_internal.h"

static void a_field_error_crosses_the_wire_whole(void **state)
{
	struct err_detail d = { "queues[3].skill_id", "must name a skill: a-z", 0 }, back = { 0 };
	struct str s = STR_INIT;

	(void)state;
	rpc_status_encode(&s, ERR_INVALID, &d, TEXT_EN);
	rpc_status_decode(s.data, s.len, &back);
	assert_string_equal(back.field, d.field);
	assert_string_equal(back.message, d.message);
	str_done(&s);
}

/* google.rpc.Status as protoc makes it: code 3, message "d", BadRequest { f: d, in English d }, LocalizedMessage { en: f: d }. */
static void the_bytes_are_those_of_google_rpc(void **state)
{
	static const char want[] = "\x08\x03\x12\x01"
				   "d\x1a\x3e\x0a\x29"
				   "type.googleapis.com/google.rpc.BadRequest"
				   "\x12\x11\x0a\x0f\x0a\x01"
				   "f\x12\x01"
				   "d\x22\x07\x0a\x02"
				   "en\x12\x01"
				   "d\x1a\x3d\x0a\x2f"
				   "type.googleapis.com/google.rpc.LocalizedMessage"
				   "\x12\x0a\x0a\x02"
				   "en\x12\x04"
				   "f: d";
	struct err_detail d = { "f", "d", 0 };
	struct str s = STR_INIT;

	(void)state;
	rpc_status_encode(&s, ERR_INVALID, &d, TEXT_EN);
	assert_int_equal(s.len, sizeof(want) - 1);
	assert_memory_equal(s.data, want, s.len);
	str_done(&s);
}

static void when_to_try_again_crosses_the_wire_as_retry_info(void **state)
{
	static const char duration[] = "google.rpc.RetryInfo\x12\x0a\x0a\x08\x08\x02\x10\x80\xca\xb5\xee\x01";
	struct err_detail d = { "quotas.api_requests_per_s", "10 of 10", 2500 }, back = { 0 };
	struct str s = STR_INIT;

	(void)state;
	rpc_status_encode(&s, ERR_EXHAUSTED, &d, TEXT_EN);
	assert_true(s.len > 0);
	assert_non_null(memmem(s.data, s.len, duration, sizeof(duration) - 1));
	rpc_status_decode(s.data, s.len, &back);
	assert_string_equal(back.field, d.field);
	assert_int_equal(back.retry_ms, 2500);
	str_done(&s);
}

static bool holds(const struct str *s, const char *text)
{
	return memmem(str_text(s), s->len, text, strlen(text)) != NULL;
}

static void an_error_is_english_for_developers_and_localized_for_people_GT_3_1_2f(void **state)
{
	struct err_detail d, back = { 0 };
	struct str s = STR_INIT;

	(void)state;
	(void)err_set(&d, ERR_NOT_FOUND, "name", "no such %s", "queue");
	rpc_status_encode(&s, ERR_NOT_FOUND, &d, TEXT_ZH_HANT);
	assert_true(holds(&s, "\x12\x0dno such queue"));
	assert_true(holds(&s, "\x0a\x07zh-Hant\x12\x18name: "
			      "沒有這個佇列"));
	rpc_status_decode(s.data, s.len, &back);
	assert_string_equal(back.field, "name");
	assert_string_equal(back.message, "沒有這個佇列");
	str_done(&s);
}

static void an_error_without_a_message_says_what_its_code_means(void **state)
{
	struct err_detail d = { 0 }, back = { 0 };
	struct str s = STR_INIT;

	(void)state;
	rpc_status_encode(&s, ERR_DENIED, NULL, TEXT_ZH_HANS);
	assert_true(holds(&s, "PERMISSION_DENIED"));
	rpc_status_decode(s.data, s.len, &back);
	assert_string_equal(back.message, "您无权执行此操作");
	str_done(&s);
	rpc_status_encode(&s, ERR_INTERNAL, &d, TEXT_EN);
	rpc_status_decode(s.data, s.len, &back);
	assert_string_equal(back.message, "internal error");
	str_done(&s);
}

static void what_nobody_translated_is_sent_as_english(void **state)
{
	struct err_detail d = { "f", "said by another", 0 };
	struct str s = STR_INIT;

	(void)state;
	rpc_status_encode(&s, ERR_INVALID, &d, TEXT_ZH_HANS);
	assert_true(holds(&s, "\x0a\x02"
			      "en\x12\x12"
			      "f: said by another"));
	assert_false(holds(&s, "zh-Hans"));
	str_done(&s);
}

static void details_cut_anywhere_do_no_harm(void **state)
{
	struct err_detail d = { "field", "message", 12345 }, back;
	struct str s = STR_INIT;

	(void)state;
	rpc_status_encode(&s, ERR_INVALID, &d, TEXT_EN);
	for (size_t n = 0; n < s.len; n++) {
		char *copy = memcpy(test_malloc(n + 1), s.data, n);

		memset(&back, 0, sizeof(back));
		rpc_status_decode(copy, n, &back);
		test_free(copy);
	}
	str_done(&s);
}

static void codes_of_strangers_become_unknown(void **state)
{
	(void)state;
	assert_int_equal(rpc_status_code(GRPC_STATUS_NOT_FOUND), ERR_NOT_FOUND);
	assert_int_equal(rpc_status_code((grpc_status_code)17), ERR_UNKNOWN);
	assert_int_equal(rpc_status_code((grpc_status_code)-1), ERR_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_field_error_crosses_the_wire_whole),
		cmocka_unit_test(the_bytes_are_those_of_google_rpc),
		cmocka_unit_test(when_to_try_again_crosses_the_wire_as_retry_info),
		cmocka_unit_test(an_error_is_english_for_developers_and_localized_for_people_GT_3_1_2f),
		cmocka_unit_test(an_error_without_a_message_says_what_its_code_means),
		cmocka_unit_test(what_nobody_translated_is_sent_as_english),
		cmocka_unit_test(details_cut_anywhere_do_no_harm),
		cmocka_unit_test(codes_of_strangers_become_unknown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
