/* GT-3: pools. No environment. */
#include "base/placement.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void who_says_nothing_is_in_the_shared_pool(void **state)
{
	(void)state;
	assert_string_equal(placement_pool(NULL), "shared");
	assert_string_equal(placement_pool(""), "shared");
	assert_string_equal(placement_pool("gold"), "gold");
	assert_true(placement_same("", "shared"));
	assert_true(placement_same("gold", "gold"));
	assert_false(placement_same("gold", ""));
	assert_true(placement_shared(NULL));
	assert_false(placement_shared("gold"));
}

static void the_shared_pools_routers_are_named_as_before_there_were_pools(void **state)
{
	char name[PLACEMENT_ROUTER];

	(void)state;
	placement_router(name, "shared", 15);
	assert_string_equal(name, "router.15");
	placement_router(name, "", 0);
	assert_string_equal(name, "router.0");
	placement_router(name, "gold", 3);
	assert_string_equal(name, "router.gold.3");
	placement_router(name, "a23456789012345678901234567890123456789012345678901234567890123", 4294967295u);
	assert_string_equal(name, "router.a23456789012345678901234567890123456789012345678901234567890123.4294967295");
}

static void a_setting_that_is_no_id_is_refused(void **state)
{
	struct err_detail d;

	(void)state;
	assert_int_equal(placement_check("gold-2", &d), ERR_OK);
	assert_int_equal(placement_check("Gold", &d), ERR_INVALID);
	assert_string_equal(d.field, "pool");
	assert_string_equal(d.message, "\"Gold\": a-z, 0-9 and -, at most 63 characters");
	assert_int_equal(placement_check("", &d), ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_says_nothing_is_in_the_shared_pool),
		cmocka_unit_test(the_shared_pools_routers_are_named_as_before_there_were_pools),
		cmocka_unit_test(a_setting_that_is_no_id_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
