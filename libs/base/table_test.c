/* A table that finds no memory leaves out what was to be added, and goes on. */
#include "base/table.h"
#include "testkit/cmocka_all.h"

#define ELEMENTS 400 /* so many that the table grows a few times */

struct element {
	int id;
	UT_hash_handle hh;
};

static size_t fill(struct element **table, struct element *all)
{
	size_t n = 0;

	for (int i = 0; i < ELEMENTS; i++) {
		all[i].id = i;
		HASH_ADD_INT(*table, id, &all[i]);
		n += TABLE_HAS(&all[i]);
	}
	return n;
}

static void expect_what_is_said(struct element *table, struct element *all)
{
	struct element *found;

	for (int i = 0; i < ELEMENTS; i++) {
		HASH_FIND_INT(table, &i, found);
		assert_ptr_equal(found, TABLE_HAS(&all[i]) ? &all[i] : NULL);
	}
}

static void without_memory_an_element_stays_out_and_the_others_are_found(void **state)
{
	static struct element all[ELEMENTS];
	size_t n, least = ELEMENTS;

	(void)state;
	for (long allowed = 0; allowed < 12; allowed++) {
		struct element *table = NULL, *e, *next;

		memset(all, 0, sizeof(all));
		mem_fail_after(allowed);
		n = fill(&table, all);
		mem_fail_after(-1);
		assert_int_equal(n, HASH_COUNT(table));
		expect_what_is_said(table, all);
		least = n < least ? n : least;
		HASH_ITER (hh, table, e, next)
			HASH_DEL(table, e);
		assert_null(table);
	}
	assert_int_equal(least, 0);
	assert_int_equal(n, ELEMENTS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_memory_an_element_stays_out_and_the_others_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
