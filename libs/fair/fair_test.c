/* A hundred times the load of one tenant beside another's, and a model that looks at everything. */
#include "fair/fair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/err.h"
#include "base/str.h"

struct thing {
	struct fair_item wait;
	char lane[16];
	unsigned number; /* in its lane */
};

static struct thing *things(size_t n, const char *lane)
{
	struct thing *t = calloc(n, sizeof(*t));

	assert_non_null(t);
	for (size_t i = 0; i < n; i++) {
		(void)str_copy(t[i].lane, sizeof(t[i].lane), lane);
		t[i].number = (unsigned)i;
	}
	return t;
}

static void add(struct fair *f, struct thing *t, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fair_add(f, &t[i].wait, t[i].lane);
}

static struct thing *take(struct fair *f)
{
	return (struct thing *)fair_take(f, NULL, NULL);
}

static void one_lane_is_first_come_first_served(void **state)
{
	struct thing *a = things(5, "a");
	struct fair f;

	(void)state;
	fair_init(&f);
	assert_null(take(&f));
	add(&f, a, 5);
	assert_int_equal(fair_waiting(&f, "a"), 5);
	for (int i = 0; i < 5; i++)
		assert_ptr_equal(take(&f), &a[i]);
	assert_null(take(&f));
	assert_int_equal(f.n, 0);
	assert_int_equal(fair_waiting(&f, "a"), 0);
	free(a);
}

static void ten_thousand_of_one_tenant_delay_anothers_by_one_GT_3_1_2d(void **state)
{
	struct thing *a = things(10000, "a"), *b = things(1, "b");
	struct fair f;

	(void)state;
	fair_init(&f);
	add(&f, a, 10000);
	for (int i = 0; i < 7; i++)
		assert_ptr_equal(take(&f), &a[i]);
	fair_add(&f, &b->wait, b->lane);
	assert_ptr_equal(take(&f), &a[7]);
	assert_ptr_equal(take(&f), b);
	for (int i = 8; i < 10000; i++)
		assert_ptr_equal(take(&f), &a[i]);
	free(a);
	free(b);
}

/* A comes a hundred times as often as B, and only half of it all can be served: B waits for nothing but the one before it. */
static void at_a_hundred_times_the_rate_the_small_one_waits_for_one_turn_GT_3_1_2d(void **state)
{
	enum { TURNS = 20000 };
	struct thing *a = things(2 * TURNS, "a"), *b = things(TURNS, "b"), *got;
	size_t na = 0, nb = 0, got_a = 0;
	uint32_t born[TURNS / 50 + 1];
	struct fair f;

	(void)state;
	fair_init(&f);
	for (uint32_t turn = 0; turn < TURNS; turn++) {
		fair_add(&f, &a[na].wait, a[na].lane), na++;
		fair_add(&f, &a[na].wait, a[na].lane), na++;
		if (turn % 50 == 0) {
			born[nb] = turn;
			fair_add(&f, &b[nb].wait, b[nb].lane), nb++;
		}
		got = take(&f);
		if (got->lane[0] == 'a')
			got_a++;
		else
			assert_in_range(turn - born[got->number], 0, 1);
	}
	assert_int_equal(got_a, TURNS - nb); /* what B does not need is A's */
	assert_int_equal(fair_waiting(&f, "b"), 0);
	free(a);
	free(b);
}

static bool not_a(const char *lane, void *arg)
{
	(*(unsigned *)arg)++;
	return lane[0] != 'a';
}

static void a_lane_that_may_not_is_passed_over_and_keeps_its_turn(void **state)
{
	struct thing *a = things(3, "a"), *b = things(2, "b");
	unsigned asked = 0;
	struct fair f;

	(void)state;
	fair_init(&f);
	add(&f, a, 3);
	add(&f, b, 2);
	assert_ptr_equal(fair_take(&f, not_a, &asked), &b[0]);
	assert_ptr_equal(fair_take(&f, not_a, &asked), &b[1]);
	assert_int_equal(asked, 4);
	assert_null(fair_take(&f, not_a, &asked));
	assert_int_equal(f.n, 3);
	assert_ptr_equal(take(&f), &a[0]);
	free(a);
	free(b);
}

/* More lanes than buckets, in random order: each in its own order, nobody passed over by more than one turn of all others, nothing lost. */
static void however_they_come_each_lane_has_its_turn_in_a_round(void **state)
{
	enum { LANES = 600, EACH = 20 };
	struct thing *lanes[LANES];
	unsigned added[LANES] = { 0 }, taken[LANES] = { 0 }, round[LANES] = { 0 }, turn = 0, left = 0, all = 0;
	struct fair f;
	unsigned seed = 7;

	(void)state;
	fair_init(&f);
	for (int i = 0; i < LANES; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "t%d", i);
		lanes[i] = things(EACH, name);
	}
	while (all < LANES * EACH || left) {
		int i = rand_r(&seed) % LANES;
		struct thing *t;

		if (all < LANES * EACH && (rand_r(&seed) % 3 || !left)) {
			if (added[i] == EACH)
				continue;
			if (!fair_waiting(&f, lanes[i][0].lane))
				round[i] = turn;
			fair_add(&f, &lanes[i][added[i]].wait, lanes[i][0].lane);
			added[i]++, left++, all++;
			continue;
		}
		t = take(&f);
		assert_non_null(t);
		i = atoi(t->lane + 1);
		assert_int_equal(t->number, taken[i]);
		assert_true(turn - round[i] <= LANES);
		taken[i]++, left--;
		round[i] = ++turn;
	}
	for (int i = 0; i < LANES; i++) {
		assert_int_equal(taken[i], EACH);
		free(lanes[i]);
	}
	assert_null(take(&f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_lane_is_first_come_first_served),
		cmocka_unit_test(ten_thousand_of_one_tenant_delay_anothers_by_one_GT_3_1_2d),
		cmocka_unit_test(at_a_hundred_times_the_rate_the_small_one_waits_for_one_turn_GT_3_1_2d),
		cmocka_unit_test(a_lane_that_may_not_is_passed_over_and_keeps_its_turn),
		cmocka_unit_test(however_they_come_each_lane_has_its_turn_in_a_round),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
