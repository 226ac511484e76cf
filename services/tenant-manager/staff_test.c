/* GT-3.1.2: what becomes of a change of operators: somebody can still manage them, and whose tokens go. */
#include "staff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>
#include "rights/rights.h"

#define MANAGE (UINT64_C(1) << RIGHT_OPERATORS_MANAGE)
#define CREATE (UINT64_C(1) << RIGHT_TOKENS_CREATE)
#define LIST   (UINT64_C(1) << RIGHT_TENANTS_LIST)
#define BOTH   (MANAGE | CREATE)

static struct staff of(struct staff_member *members, size_t n)
{
	return (struct staff){ members, n };
}

static void somebody_who_can_manage_operators_is_left_GT_3_1_2(void **state)
{
	static struct staff_member none[] = { { "a", LIST }, { "b", 0 } },
				   halves[] = { { "a", MANAGE }, { "b", CREATE } },
				   one[] = { { "a", BOTH }, { "b", LIST } },
				   other[] = { { "a", 0 }, { "b", BOTH | LIST } };
	const struct {
		struct staff before, after;
		bool refused;
	} rows[] = {
		{ of(NULL, 0), of(NULL, 0), false },   { of(NULL, 0), of(none, 2), false },
		{ of(none, 2), of(NULL, 0), false },   { of(halves, 2), of(none, 2), false },
		{ of(one, 2), of(other, 2), false },   { of(one, 2), of(one, 1), false },
		{ of(one, 2), of(NULL, 0), true },     { of(one, 2), of(none, 2), true },
		{ of(other, 2), of(halves, 2), true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err_detail d = { 0 };
		err_t e = staff_check(&rows[i].before, &rows[i].after, &d);

		if (e != (rows[i].refused ? ERR_PRECONDITION : ERR_OK))
			fail_msg("row %zu: %s", i, err_name(e));
		assert_string_equal(d.field, rows[i].refused ? "name" : "");
	}
}

static void who_has_less_afterwards_loses_and_nobody_else_GT_3_1_2(void **state)
{
	static struct staff_member after[] = { { "a", LIST }, { "b", 0 }, { "c", BOTH } };
	static const struct {
		struct staff_member before;
		bool loses;
	} rows[] = {
		{ { "a", LIST }, false }, { { "a", 0 }, false },	  { { "a", LIST | MANAGE }, true },
		{ { "b", 0 }, false },	  { { "b", LIST }, true },	  { { "c", CREATE }, false },
		{ { "c", BOTH }, false }, { { "c", BOTH | LIST }, true }, { { "d", LIST }, true },
	};
	const struct staff now = of(after, ARRAY_SIZE(after)), nobody = of(NULL, 0);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (staff_loses(&rows[i].before, &now) != rows[i].loses)
			fail_msg("row %zu", i);
	}
	assert_true(staff_loses(&rows[0].before, &nobody));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(somebody_who_can_manage_operators_is_left_GT_3_1_2),
		cmocka_unit_test(who_has_less_afterwards_loses_and_nobody_else_GT_3_1_2),
	};
	return cmocka_run_group_tests_name("staff", tests, NULL, NULL);
}
