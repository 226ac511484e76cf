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

static void a_backlog_is_looked_at_more_and_more_seldom_and_not_all_at_once_GT_3_1_2d(void **state)
{
	enum { N = 1000, BINS = 10 };
	unsigned bins[BINS] = { 0 };

	(void)state;
	for (unsigned n = 0; n <= 300; n++)
		for (uint64_t seq = 1; seq < 100; seq++)
			assert_in_range(behind_wait_ms(n, seq), 250, 90000);
	assert_in_range(behind_wait_ms(UINT32_MAX, UINT64_MAX), 30000, 90000);
	for (uint64_t seq = 1; seq <= N; seq++) {
		int64_t wait = behind_wait_ms(10, seq);

		assert_in_range(wait, 2500, 7499);
		bins[(wait - 2500) * BINS / 5000]++;
	}
	for (int i = 0; i < BINS; i++)
		assert_in_range(bins[i], N / BINS - 20, N / BINS + 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_is_looked_for_soon_then_seldom_and_when_it_is_lost),
		cmocka_unit_test(all_together_are_looked_for_a_hundred_times_a_second),
		cmocka_unit_test(no_wait_is_too_short_whatever_the_clocks_say),
		cmocka_unit_test(a_backlog_is_looked_at_more_and_more_seldom_and_not_all_at_once_GT_3_1_2d),
	};

	return cmocka_run_group_tests_name("missing", tests, NULL, NULL);
}
