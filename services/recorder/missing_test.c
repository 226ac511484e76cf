#include "missing.h"

#include "testkit/cmocka_all.h"

#define LOST_MS 600000

static void one_is_looked_for_soon_then_seldom_and_when_it_is_lost(void **state)
{
	int64_t age = 0;
	int looks = 0;

	(void)state;
	assert_int_equal(missing_wait_ms(0, LOST_MS, 1), 5000);
	assert_int_equal(missing_wait_ms(40000, LOST_MS, 1), 20000);
	assert_int_equal(missing_wait_ms(300000, LOST_MS, 1), 60000);
	for (; age < LOST_MS; looks++)
		age += missing_wait_ms(age, LOST_MS, 1);
	assert_in_range(looks, 10, 20);
	assert_int_equal(age, LOST_MS);
}

/* However many they are: what one look at each of them costs is spread. */
static void all_together_are_looked_for_a_hundred_times_a_second(void **state)
{
	(void)state;
	assert_int_equal(missing_wait_ms(0, LOST_MS, 499), 5000);
	for (int64_t n = 6000; n <= 600000; n *= 10)
		for (int64_t age = 0; age <= LOST_MS; age += 1000)
			assert_true(missing_wait_ms(age, LOST_MS, n) >= n * 1000 / MISSING_A_SECOND);
}

static void no_wait_is_too_short_whatever_the_clocks_say(void **state)
{
	(void)state;
	assert_int_equal(missing_wait_ms(-3600000, LOST_MS, -1), 5000);
	assert_int_equal(missing_wait_ms(LOST_MS - 1, LOST_MS, -1), 1000);
	assert_int_equal(missing_wait_ms(2 * LOST_MS, LOST_MS, 0), 1000);
	assert_int_equal(missing_wait_ms(0, 0, 1), 1000);
}

static void a_backlog_is_looked_at_more_and_more_seldom_GT_3_1_2d(void **state)
{
	int64_t total = 0;

	(void)state;
	assert_int_equal(behind_wait_ms(0), 1000);
	assert_int_equal(behind_wait_ms(1), 1000);
	assert_int_equal(behind_wait_ms(30), 30000);
	assert_int_equal(behind_wait_ms(UINT32_MAX), 60000);
	for (unsigned n = 1; n <= 60; n++) /* never after more than it has lasted already, but for the first seconds */
		total += behind_wait_ms(n), assert_true(behind_wait_ms(n + 1) <= total + 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_is_looked_for_soon_then_seldom_and_when_it_is_lost),
		cmocka_unit_test(all_together_are_looked_for_a_hundred_times_a_second),
		cmocka_unit_test(no_wait_is_too_short_whatever_the_clocks_say),
		cmocka_unit_test(a_backlog_is_looked_at_more_and_more_seldom_GT_3_1_2d),
	};

	return cmocka_run_group_tests_name("missing", tests, NULL, NULL);
}
