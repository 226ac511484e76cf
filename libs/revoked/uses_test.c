/* What is said of the tokens that were used comes over as it was, and nothing else does (GT-3). */
#include "testkit/cmocka_all.h"

#include <string.h>
#include "base/str.h"
#include "uses.h"

static void uses_come_over_as_they_are_said_GT_3(void **state)
{
	static const struct token_use said[] = { { "acme", "0a1b", 1790000000000 }, { "", "ff", 1 } };
	static struct token_use heard[USES_MAX];
	struct str out = STR_INIT;
	size_t n = 0;

	(void)state;
	assert_int_equal(uses_to_pb(&out, said, ARRAY_SIZE(said)), ERR_OK);
	assert_int_equal(uses_from_pb(heard, &n, out.data, out.len, NULL), ERR_OK);
	assert_int_equal(n, ARRAY_SIZE(said));
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(heard[i].tenant, said[i].tenant);
		assert_string_equal(heard[i].id, said[i].id);
		assert_int_equal(heard[i].at_ms, said[i].at_ms);
	}
	str_done(&out);
}

static void what_is_no_use_of_a_token_is_refused_by_its_name_GT_3(void **state)
{
	static const struct {
		struct token_use use;
		const char *why;
	} rows[] = {
		{ { "Acme", "0a", 1 }, "tenant" },	    { { "a.b", "0a", 1 }, "tenant" },
		{ { "acme", "", 1 }, "token_id" },	    { { "acme", "0a'", 1 }, "token_id" },
		{ { "acme", "0a,0b", 1 }, "token_id" },	    { { "acme", "0a", 0 }, "time_ms" },
		{ { "acme", "0a", INT64_MAX }, "time_ms" },
	};
	static struct token_use heard[USES_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err_detail d = { 0 };
		struct str out = STR_INIT;
		size_t n = 0;

		assert_int_equal(uses_to_pb(&out, &rows[i].use, 1), ERR_OK);
		assert_int_equal(uses_from_pb(heard, &n, out.data, out.len, &d), ERR_INVALID);
		assert_string_equal(d.field, "uses[0]");
		assert_non_null(strstr(d.message, rows[i].why));
		str_done(&out);
	}
}

static void a_message_of_too_many_is_refused_GT_3(void **state)
{
	static struct token_use many[USES_MAX + 1], heard[USES_MAX];
	struct err_detail d = { 0 };
	struct str out = STR_INIT;
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = (struct token_use){ "acme", "0a", 1 };
	assert_int_equal(uses_to_pb(&out, many, ARRAY_SIZE(many)), ERR_OK);
	assert_int_equal(uses_from_pb(heard, &n, out.data, out.len, &d), ERR_INVALID);
	assert_string_equal(d.field, "uses");
	str_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uses_come_over_as_they_are_said_GT_3),
		cmocka_unit_test(what_is_no_use_of_a_token_is_refused_by_its_name_GT_3),
		cmocka_unit_test(a_message_of_too_many_is_refused_GT_3),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
