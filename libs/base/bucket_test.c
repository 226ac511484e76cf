/* GT-3.1.2c: requests per second. */
#include "bucket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static int take(struct bucket *b, int64_t now_ms, int n)
{
	int taken = 0;

	for (int i = 0; i < n; i++)
		taken += bucket_take(b, now_ms) == 0;
	return taken;
}

static void a_second_of_requests_may_come_at_once_and_then_as_many_as_the_limit_says_GT_3_1_2(void **state)
{
	struct bucket b = { 0 };

	(void)state;
	bucket_set(&b, 10, 5000);
	assert_int_equal(take(&b, 5000, 100), 10);
	assert_int_equal(bucket_take(&b, 5000), 100);
	assert_int_equal(bucket_take(&b, 5099), 1);
	assert_int_equal(take(&b, 5100, 100), 1);
	int n = 0;
	for (int64_t now_ms = 5101; now_ms <= 15100; now_ms++)
		n += take(&b, now_ms, 3);
	assert_int_equal(n, 100);
	assert_int_equal(take(&b, 20000, 100), 10);
}

static void without_a_limit_nothing_is_refused(void **state)
{
	struct bucket b = { 0 };

	(void)state;
	assert_int_equal(take(&b, 0, 1000), 1000);
	bucket_set(&b, 1, 1);
	assert_int_equal(take(&b, 1, 5), 1);
	assert_int_equal(bucket_take(&b, 1), 1000);
	bucket_set(&b, 0, 2);
	assert_int_equal(take(&b, 2, 1000), 1000);
}

static void a_changed_limit_gives_nothing_back_that_was_spent(void **state)
{
	struct bucket b = { 0 };

	(void)state;
	bucket_set(&b, 10, 0);
	assert_int_equal(take(&b, 0, 8), 8);
	bucket_set(&b, 100, 0);
	assert_int_equal(take(&b, 0, 100), 2);
	assert_int_equal(take(&b, 500, 100), 50);
	bucket_set(&b, 2, 1500);
	assert_int_equal(take(&b, 1500, 100), 2);
}

static void the_wait_that_is_told_is_enough_and_no_longer_than_needed(void **state)
{
	(void)state;
	for (unsigned per_s = 1; per_s <= 1500; per_s += 7) {
		struct bucket b = { 0 };

		bucket_set(&b, per_s, 0);
		assert_int_equal(take(&b, 0, (int)per_s), per_s);
		int64_t wait_ms = bucket_take(&b, 0);
		assert_true(wait_ms >= 1);
		assert_true(wait_ms == 1 || bucket_take(&b, wait_ms - 1) > 0);
		assert_int_equal(bucket_take(&b, wait_ms), 0);
	}
}

static void a_clock_that_stands_still_or_goes_back_gives_nothing(void **state)
{
	struct bucket b = { 0 };

	(void)state;
	bucket_set(&b, 5, 1000);
	assert_int_equal(take(&b, 1000, 10), 5);
	assert_int_equal(take(&b, 900, 10), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_second_of_requests_may_come_at_once_and_then_as_many_as_the_limit_says_GT_3_1_2),
		cmocka_unit_test(without_a_limit_nothing_is_refused),
		cmocka_unit_test(a_changed_limit_gives_nothing_back_that_was_spent),
		cmocka_unit_test(the_wait_that_is_told_is_enough_and_no_longer_than_needed),
		cmocka_unit_test(a_clock_that_stands_still_or_goes_back_gives_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
