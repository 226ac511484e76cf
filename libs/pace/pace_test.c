/*
 * The arithmetic of the calls a second, and a simulator of instances that share one book: words late, writes refused or lost, clocks apart.
 * Nobody lets in more than the bucket had, and who comes while there is room is let in.
 */
#include "pace/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define NOW 1790000000000ll /* 2026-09-21 */

static uint64_t rng_state;

static uint32_t rng(uint32_t n)
{
	rng_state = rng_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(rng_state >> 33) % n;
}

/* ---- by hand ---- */

static uint32_t let_in(struct pace *p, uint32_t limit, uint32_t waiting, int64_t now_ms)
{
	uint32_t n = pace_next(p, limit, 1, waiting, now_ms);

	return n ? pace_written(p, true, p->revision + 1) : 0;
}

static void as_many_at_once_as_in_a_second_and_then_one_by_one_GT_3_1_2(void **state)
{
	struct pace p = { .revision = 0 };

	(void)state;
	assert_int_equal(let_in(&p, 5, 9, NOW), 5);
	assert_int_equal(let_in(&p, 5, 4, NOW + 199), 0);
	assert_int_equal(let_in(&p, 5, 4, NOW + 200), 1);
	assert_int_equal(let_in(&p, 5, 4, NOW + 900), 3);
	assert_int_equal(let_in(&p, 5, 9, NOW + 60000), 5);
}

static void who_is_refused_costs_no_write(void **state)
{
	struct pace p = { .revision = 0 };

	(void)state;
	assert_int_equal(let_in(&p, 1, 1, NOW), 1);
	for (int i = 0; i < 999; i++)
		assert_int_equal(pace_next(&p, 1, 1, 1, NOW + i), 0);
	assert_false(pace_busy(&p));
	assert_int_equal(p.revision, 1);
}

static void a_changed_limit_begins_with_what_is_left(void **state)
{
	struct pace p = { .revision = 0 };

	(void)state;
	assert_int_equal(let_in(&p, 100, 60, NOW), 60);
	assert_int_equal(let_in(&p, 10, 60, NOW), 10);
	assert_int_equal(let_in(&p, 10, 60, NOW), 0);
	assert_int_equal(let_in(&p, 1000, 60, NOW + 110), 1); /* until then it grew as slowly as it was to */
	assert_int_equal(let_in(&p, 1000, 60, NOW + 120), 10);
}

/* Others take what comes as it comes, so that there is never more than one of the former limit. */
static void a_raised_limit_holds_however_many_are_wanted_at_least_GT_3_1_2(void **state)
{
	struct pace p = { .revision = 0 };
	uint32_t n = 0;

	(void)state;
	assert_int_equal(let_in(&p, 1, 1, NOW), 1);
	for (int ms = 0; ms <= 2000; ms += 10)
		if (pace_next(&p, 20, 2, 5, NOW + ms))
			n += pace_written(&p, true, p.revision + 1);
	assert_in_range(n, 20, 21); /* the first of them after a second, then 20 a second */
}

static void while_a_write_is_under_way_nobody_is_let_in_or_refused(void **state)
{
	struct pace p = { .revision = 0 };

	(void)state;
	assert_int_equal(pace_next(&p, 5, 1, 2, NOW), 2);
	assert_true(pace_busy(&p));
	assert_int_equal(pace_next(&p, 5, 1, 3, NOW), 0);
	assert_int_equal(pace_written(&p, true, 7), 2);
	assert_false(pace_busy(&p));
	assert_int_equal(let_in(&p, 5, 9, NOW), 3);
}

static void a_refused_write_lets_nobody_in_and_the_book_is_read_first(void **state)
{
	struct pace p = { .revision = 0 };
	struct bucket other = { .per_s = 5, .level = 1000, .at_ms = NOW };

	(void)state;
	assert_int_equal(pace_next(&p, 5, 1, 2, NOW), 2);
	assert_int_equal(pace_written(&p, false, 0), 0);
	assert_true(pace_busy(&p));
	pace_read(&p, &other, 4);
	assert_int_equal(pace_next(&p, 5, 1, 2, NOW), 1);
	pace_read(&p, &other, 5); /* while ours is under way */
	assert_int_equal(pace_written(&p, false, 0), 0);
	assert_false(pace_busy(&p));
	pace_read(&p, &(struct bucket){ .per_s = 5, .level = 5000, .at_ms = NOW }, 3); /* an old word */
	assert_int_equal(let_in(&p, 5, 9, NOW), 1);
}

static void a_clock_behind_gains_nothing_and_one_that_was_set_does_not_lock_the_door(void **state)
{
	struct pace p = { .revision = 0 };

	(void)state;
	assert_int_equal(let_in(&p, 2, 2, NOW + 800), 2);
	assert_int_equal(let_in(&p, 2, 1, NOW), 0);
	assert_int_equal(let_in(&p, 2, 1, NOW + 1299), 0);
	assert_int_equal(let_in(&p, 2, 1, NOW + 1300), 1);
	p.book.at_ms = NOW + 3600000;
	assert_int_equal(let_in(&p, 2, 9, NOW + 1400), 2);
}

/* ---- instances ---- */

#define INSTANCES 4
struct world {
	struct bucket book;
	uint64_t revision;
	struct pace at[INSTANCES];
	int64_t lead_ms[INSTANCES]; /* of its clock */
	uint32_t entered, waiting[INSTANCES];
};

/* The write of one comes to the server; its word may be lost, and others may be late to hear of it. */
static void arrive(struct world *w, unsigned i)
{
	struct pace *p = &w->at[i];
	bool accepted = p->expected == w->revision;

	if (accepted) {
		w->book = p->next;
		w->revision++;
	}
	if (accepted && rng(10) == 0) { /* nobody knows: read again */
		(void)pace_written(p, false, 0);
		return;
	}
	uint32_t n = pace_written(p, accepted, w->revision);

	assert_true(n <= w->waiting[i]);
	w->waiting[i] -= n;
	w->entered += n;
}

static void turn(struct world *w, uint32_t limit, int64_t now_ms)
{
	unsigned i = rng(INSTANCES);
	struct pace *p = &w->at[i];

	if (rng(3) == 0)
		w->waiting[i] += rng(4);
	if (p->stale || rng(2))
		pace_read(p, &w->book, w->revision);
	if (p->writing)
		arrive(w, i);
	else if (w->waiting[i] && !pace_next(p, limit, 1, w->waiting[i], now_ms + w->lead_ms[i]) && !pace_busy(p))
		w->waiting[i] = 0; /* refused */
}

static void of_any_number_of_instances_together_as_many_as_the_bucket_had_GT_3_1_2(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 200; seed++) {
		struct world w = { .revision = 0 };
		uint32_t limit, lead = 0;
		int64_t now = NOW, passed;

		rng_state = seed;
		limit = 1 + rng(200);
		for (unsigned i = 0; i < INSTANCES; i++) {
			w.lead_ms[i] = rng(2) ? rng(300) : 0;
			lead = w.lead_ms[i] > lead ? (uint32_t)w.lead_ms[i] : lead;
		}
		for (unsigned n = 0; n < 5000; n++) {
			now += rng(3);
			turn(&w, limit, now);
		}
		passed = now - NOW + lead;
		if (w.entered > limit + limit * passed / 1000)
			fail_msg("seed %u: %u let in within %lld ms at %u a second", seed, w.entered, (long long)passed,
				 limit);
		assert_true(w.entered > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_many_at_once_as_in_a_second_and_then_one_by_one_GT_3_1_2),
		cmocka_unit_test(who_is_refused_costs_no_write),
		cmocka_unit_test(a_changed_limit_begins_with_what_is_left),
		cmocka_unit_test(a_raised_limit_holds_however_many_are_wanted_at_least_GT_3_1_2),
		cmocka_unit_test(while_a_write_is_under_way_nobody_is_let_in_or_refused),
		cmocka_unit_test(a_refused_write_lets_nobody_in_and_the_book_is_read_first),
		cmocka_unit_test(a_clock_behind_gains_nothing_and_one_that_was_set_does_not_lock_the_door),
		cmocka_unit_test(of_any_number_of_instances_together_as_many_as_the_bucket_had_GT_3_1_2),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
