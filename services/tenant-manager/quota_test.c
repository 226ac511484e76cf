/* GT-3.1.2c: what is refused, and in which words. */
#include "quota.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void a_quota_refuses_what_is_one_too_many_and_nothing_before_GT_3_1_2(void **state)
{
	static const struct {
		uint64_t limit, before, after;
		const char *refusal; /* NULL: allowed */
	} rows[] = {
		{ 0, 1000000, 1000001, NULL },
		{ 10, 0, 1, NULL },
		{ 10, 9, 10, NULL },
		{ 10, 10, 11, "10 of 10 in use" },
		{ 1, 1, 2, "1 of 1 in use" },
		/* Lowered below the use: what is there stays and may shrink, or be replaced. */
		{ 3, 10, 11, "10 of 3 in use" },
		{ 3, 10, 9, NULL },
		{ 3, 10, 10, NULL },
		{ 32000, 16000, 32000, NULL },
		{ 32000, 16000, 32002, "16000 of 32000 in use, 16002 more are needed" },
		{ 1ull << 40, (1ull << 40) - 1, (1ull << 40) + 1,
		  "1099511627775 of 1099511627776 in use, 2 more are needed" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err_detail d = { 0 };
		err_t e = quota_judge("quotas.queues", rows[i].limit, rows[i].before, rows[i].after, &d);

		assert_int_equal(e, rows[i].refusal ? ERR_EXHAUSTED : ERR_OK);
		assert_string_equal(d.field, rows[i].refusal ? "quotas.queues" : "");
		assert_string_equal(d.message, rows[i].refusal ? rows[i].refusal : "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_quota_refuses_what_is_one_too_many_and_nothing_before_GT_3_1_2),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
