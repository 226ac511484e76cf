/* Grace, the way back, and the order of a purge. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "deletion.h"

static void a_tenant_is_in_its_grace_up_to_the_millisecond_in_which_it_ends_GT_3_1_2(void **state)
{
	(void)state;
	assert_int_equal(deletion_state(0, 0, 5000), DELETION_NONE);
	assert_int_equal(deletion_state(1000, 5000, 1000), DELETION_GRACE);
	assert_int_equal(deletion_state(1000, 5000, 4999), DELETION_GRACE);
	assert_int_equal(deletion_state(1000, 5000, 5000), DELETION_PURGING);
	assert_int_equal(deletion_state(1000, 1000, 1000), DELETION_PURGING);
}

static void a_grace_is_none_or_up_to_a_year(void **state)
{
	struct err_detail d = { 0 };

	(void)state;
	assert_int_equal(deletion_check_grace(DELETION_GRACE_UNSET, &d), ERR_OK);
	assert_int_equal(deletion_check_grace(0, &d), ERR_OK);
	assert_int_equal(deletion_check_grace(DELETION_GRACE_MAX_MS, &d), ERR_OK);
	assert_int_equal(deletion_check_grace(DELETION_GRACE_MAX_MS + 1, &d), ERR_INVALID);
	assert_string_equal(d.field, "grace_ms");
	assert_string_equal(d.message, "31536000001 is not 0 to 31536000000 (365 days)");
	assert_int_equal(deletion_check_grace(-2, &d), ERR_INVALID);
}

static void what_may_be_done_follows_from_the_state_GT_3_1_2(void **state)
{
	static const struct {
		enum deletion_state s;
		err_t delete, delete_with_grace, undelete, change;
	} rows[] = {
		{ DELETION_NONE, ERR_OK, ERR_OK, ERR_PRECONDITION, ERR_OK },
		{ DELETION_GRACE, ERR_PRECONDITION, ERR_OK, ERR_OK, ERR_PRECONDITION },
		{ DELETION_PURGING, ERR_PRECONDITION, ERR_PRECONDITION, ERR_PRECONDITION, ERR_PRECONDITION },
	};
	struct err_detail d;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(deletion_check_delete(rows[i].s, DELETION_GRACE_UNSET, &d), rows[i].delete);
		assert_int_equal(deletion_check_delete(rows[i].s, 0, &d), rows[i].delete_with_grace);
		assert_int_equal(deletion_check_undelete(rows[i].s, &d), rows[i].undelete);
		assert_int_equal(deletion_check_change(rows[i].s, &d), rows[i].change);
	}
}

static void a_purge_goes_from_the_calls_to_the_rows_to_the_keys_to_the_tenant_GT_3_1_2(void **state)
{
	static const struct {
		struct purge_view v; /* unpublished, rows_begun, rows, keys, due_ms, published_ms */
		enum purge_step want;
	} rows[] = {
		{ { true, false, true, true, 10, 0 }, PURGE_WAIT },
		{ { true, false, true, true, PURGE_PUBLISH_MS - 1, 0 }, PURGE_WAIT },
		{ { true, false, true, true, PURGE_PUBLISH_MS, 0 }, PURGE_ROWS },
		{ { false, false, true, true, 10, 0 }, PURGE_ROWS },
		{ { true, true, true, true, 20, 10 },
		  PURGE_ROWS }, /* audio that is to be removed does not hold it up */
		{ { true, true, false, true, 3000, 2990 }, PURGE_WAIT },
		{ { false, true, false, true, 1000, PURGE_SETTLE_MS - 1 }, PURGE_WAIT },
		{ { false, true, false, true, 3000, PURGE_SETTLE_MS }, PURGE_KEYS },
		{ { true, true, false, false, 3000, 2990 }, PURGE_WAIT },
		{ { false, true, false, false, 3000, 2990 }, PURGE_FINISH },
		{ { false, false, false, false, 3000, 2990 }, PURGE_FINISH },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (purge_next(&rows[i].v) != rows[i].want)
			fail_msg("row %zu: %d instead of %d", i, purge_next(&rows[i].v), rows[i].want);
}

static void what_is_kept_is_said_with_its_reason(void **state)
{
	(void)state;
	assert_true(deletion_n_kept > 0);
	for (size_t i = 0; i < deletion_n_kept; i++)
		assert_true(*deletion_kept[i].what && strlen(deletion_kept[i].reason) > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tenant_is_in_its_grace_up_to_the_millisecond_in_which_it_ends_GT_3_1_2),
		cmocka_unit_test(a_grace_is_none_or_up_to_a_year),
		cmocka_unit_test(what_may_be_done_follows_from_the_state_GT_3_1_2),
		cmocka_unit_test(a_purge_goes_from_the_calls_to_the_rows_to_the_keys_to_the_tenant_GT_3_1_2),
		cmocka_unit_test(what_is_kept_is_said_with_its_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
