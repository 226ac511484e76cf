#include "offsets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void records_without_a_hole_are_taken(void **state)
{
	struct offsets o = { 0 };

	(void)state;
	assert_int_equal(offsets_expected(&o, "t", 0), -1);
	for (int64_t i = 0; i < 100; i++)
		for (int32_t p = 0; p < 40; p++) {
			offsets_begin_batch(&o);
			assert_int_equal(offsets_see(&o, "t", p, 1000 * p + i), OFFSETS_TAKE);
		}
	assert_int_equal(offsets_expected(&o, "t", 7), 7100);
	assert_int_equal(offsets_see(&o, "t", 7, 7050), OFFSETS_TAKE); /* once more: the owner knows */
	assert_int_equal(offsets_expected(&o, "t", 7), 7100);
	offsets_done(&o);
}

static void what_was_kept_back_is_asked_for_again(void **state)
{
	struct offsets o = { 0 };

	(void)state;
	assert_int_equal(offsets_see(&o, "t", 0, 5), OFFSETS_TAKE);
	assert_int_equal(offsets_see(&o, "t", 0, 9), OFFSETS_GAP);
	assert_int_equal(offsets_see(&o, "t", 0, 10), OFFSETS_SKIP);
	assert_int_equal(offsets_see(&o, "t", 1, 3), OFFSETS_TAKE); /* another partition goes on */
	assert_int_equal(offsets_expected(&o, "t", 0), 6);
	offsets_begin_batch(&o);
	for (int64_t i = 6; i < 12; i++)
		assert_int_equal(offsets_see(&o, "t", 0, i), OFFSETS_TAKE);
	offsets_done(&o);
}

static void a_hole_of_the_partition_itself_is_passed_at_the_second_try(void **state)
{
	struct offsets o = { 0 };

	(void)state;
	assert_int_equal(offsets_see(&o, "t", 0, 5), OFFSETS_TAKE);
	assert_int_equal(offsets_see(&o, "t", 0, 9), OFFSETS_GAP);
	offsets_begin_batch(&o);
	assert_int_equal(offsets_see(&o, "t", 0, 9), OFFSETS_TAKE);
	assert_int_equal(offsets_see(&o, "t", 0, 10), OFFSETS_TAKE);
	offsets_reset(&o);
	assert_int_equal(offsets_see(&o, "t", 0, 2), OFFSETS_TAKE);
	offsets_done(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_without_a_hole_are_taken),
		cmocka_unit_test(what_was_kept_back_is_asked_for_again),
		cmocka_unit_test(a_hole_of_the_partition_itself_is_passed_at_the_second_try),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
