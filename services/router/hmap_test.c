/* Objects by name and by number. */
#include "testkit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "hmap.h"
#include "pool.h"

#define NAMES 500

struct thing {
	char name[32];
	bool in;
	uint32_t index;
};

static bool is(const void *obj, const void *key)
{
	return strcmp(((const struct thing *)obj)->name, key) == 0;
}

static void what_was_added_is_found_until_it_is_removed(void **arg)
{
	static struct thing things[NAMES];
	struct hmap m = { 0 };

	UNUSED(arg);
	srand(5);
	for (int i = 0; i < NAMES; i++)
		snprintf(things[i].name, sizeof(things[i].name), "name-%d-of-some-length", i);
	for (int i = 0; i < 50000; i++) {
		struct thing *t = &things[rand() % NAMES];
		uint64_t hash = hmap_hash(7, t->name) & 0xff; /* collisions and long probes on purpose */

		if (t->in)
			hmap_remove(&m, hash, t);
		else
			assert_int_equal(hmap_add(&m, hash, t), ERR_OK);
		t->in = !t->in;
		t = &things[rand() % NAMES];
		assert_ptr_equal(hmap_find(&m, hmap_hash(7, t->name) & 0xff, is, t->name), t->in ? t : NULL);
	}
	hmap_done(&m);
}

/* While the old table is being emptied objects are found, removed and added in both. */
static void growing_in_steps_loses_nothing(void **arg)
{
	static struct thing things[20000];
	struct hmap m = { 0 };
	size_t in = 0;

	UNUSED(arg);
	srand(6);
	for (int i = 0; i < 20000; i++) {
		struct thing *t = &things[i], *other = &things[rand() % (i + 1)];

		snprintf(t->name, sizeof(t->name), "%d", i);
		assert_int_equal(hmap_add(&m, hmap_hash(7, t->name), t), ERR_OK);
		t->in = true;
		in++;
		if (rand() % 4 == 0 && other->in) {
			hmap_remove(&m, hmap_hash(7, other->name), other);
			other->in = false;
			in--;
		}
		other = &things[rand() % (i + 1)];
		assert_ptr_equal(hmap_find(&m, hmap_hash(7, other->name), is, other->name), other->in ? other : NULL);
		assert_int_equal(m.n, in);
	}
	for (int i = 0; i < 20000; i++)
		assert_ptr_equal(hmap_find(&m, hmap_hash(7, things[i].name), is, things[i].name),
				 things[i].in ? &things[i] : NULL);
	hmap_done(&m);
}

static void hashes_differ_by_text_length_and_seed(void **arg)
{
	UNUSED(arg);
	assert_true(hmap_hash(1, "abc") == hmap_hash(1, "abc"));
	assert_true(hmap_hash(1, "abc") != hmap_hash(2, "abc"));
	assert_true(hmap_hash(1, "abcdefgh") != hmap_hash(1, "abcdefgi"));
	assert_true(hmap_hash(1, "abcdefghi") != hmap_hash(1, "abcdefgh"));
	assert_true(hmap_hash(1, "") != hmap_hash(2, ""));
}

static void pool_numbers_stay_addresses_stay_and_freed_ones_come_back_zeroed(void **arg)
{
	struct pool p = POOL_INIT(sizeof(struct thing));
	static struct thing *at[10000];
	uint32_t index;

	UNUSED(arg);
	for (uint32_t i = 0; i < 10000; i++) {
		at[i] = pool_get(&p, &index);
		assert_non_null(at[i]);
		assert_int_equal(index, i);
		at[i]->index = i;
	}
	for (uint32_t i = 0; i < 10000; i++) {
		assert_ptr_equal(pool_at(&p, i), at[i]);
		assert_int_equal(at[i]->index, i);
	}
	pool_put(&p, 4711);
	assert_ptr_equal(pool_get(&p, &index), at[4711]);
	assert_int_equal(index, 4711);
	assert_int_equal(at[4711]->index, 0);
	pool_done(&p);
}

static void without_memory_a_pool_says_so_and_stays_whole(void **arg)
{
	struct pool p = POOL_INIT(sizeof(struct thing));
	uint32_t index;

	UNUSED(arg);
	mem_fail_after(0);
	assert_null(pool_get(&p, &index));
	mem_fail_after(-1);
	assert_non_null(pool_get(&p, &index));
	assert_int_equal(index, 0);
	pool_done(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_added_is_found_until_it_is_removed),
		cmocka_unit_test(growing_in_steps_loses_nothing),
		cmocka_unit_test(hashes_differ_by_text_length_and_seed),
		cmocka_unit_test(pool_numbers_stay_addresses_stay_and_freed_ones_come_back_zeroed),
		cmocka_unit_test(without_memory_a_pool_says_so_and_stays_whole),
	};

	return cmocka_run_group_tests_name("hmap and pool", tests, NULL, NULL);
}
