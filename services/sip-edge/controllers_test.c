/* RELIABILITY: stop of call-control. Which instance gets the next call; no environment. */
#include "controllers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>
#include "base/str.h"

static bool beat(struct controllers *c, const char *instance, uint64_t incarnation, int64_t now)
{
	int lost =
	    controllers_heard(c, &(struct controller_beat){ .instance = instance, .incarnation = incarnation }, now);

	assert_true(lost == CONTROLLER_NONE || str_eq(c->list[lost].instance, instance));
	return lost != CONTROLLER_NONE;
}

static const char *next(struct controllers *c, int64_t now)
{
	int i = controllers_choose(c, NULL, CONTROLLER_NONE, now);

	controllers_gave(c, i);
	return i < 0 ? "" : c->list[i].instance;
}

static void equals_take_turns(void **state)
{
	struct controllers c;
	unsigned n[2] = { 0, 0 };

	(void)state;
	controllers_init(&c);
	assert_string_equal(next(&c, 0), ""); /* nobody is known */
	beat(&c, "cc-1", 7, 1000);
	beat(&c, "cc-2", 8, 1000);
	for (int i = 0; i < 100; i++) {
		int k = controllers_choose(&c, NULL, CONTROLLER_NONE, 1000);

		controllers_gave(&c, k);
		controllers_took(&c, k);
		n[str_eq(c.list[k].instance, "cc-2")]++;
	}
	assert_int_equal(n[0], 50);
	assert_int_equal(n[1], 50);
}

static void who_takes_nothing_is_given_one_and_no_more(void **state)
{
	struct controllers c;
	unsigned stopped = 0;

	(void)state;
	controllers_init(&c);
	beat(&c, "cc-1", 7, 1000);
	beat(&c, "cc-2", 8, 1000);
	for (int i = 0; i < 100; i++) {
		int k = controllers_choose(&c, NULL, CONTROLLER_NONE, 1000);

		controllers_gave(&c, k);
		if (str_eq(c.list[k].instance, "cc-1"))
			controllers_took(&c, k);
		else
			stopped++;
	}
	assert_int_equal(stopped, 1);
}

static void who_is_not_heard_drains_or_has_said_goodbye_is_not_chosen(void **state)
{
	struct controllers c;

	(void)state;
	controllers_init(&c);
	beat(&c, "cc-1", 7, 1000);
	beat(&c, "cc-2", 8, 1000 + CONTROLLER_DEAD_MS);
	for (int i = 0; i < 3; i++)
		assert_string_equal(next(&c, 1000 + CONTROLLER_DEAD_MS), "cc-2");
	assert_false(controllers_alive(&c, 0, 1000 + CONTROLLER_DEAD_MS));
	beat(&c, "cc-1", 7, 5000);
	controllers_heard(&c, &(struct controller_beat){ .instance = "cc-2", .incarnation = 8, .draining = true },
			  5000);
	assert_string_equal(next(&c, 5000), "cc-1");
	assert_true(controllers_alive(&c, 1, 5000)); /* what it has it still takes */
	assert_true(beat(&c, "cc-2", 0, 5001));
	assert_false(controllers_alive(&c, 1, 5001));
	assert_string_equal(next(&c, 5001), "cc-1");
	beat(&c, "cc-1", 0, 5002);
	assert_string_equal(next(&c, 5002), "");
}

static void a_restart_is_told_and_a_beat_of_the_same_is_none(void **state)
{
	struct controllers c;

	(void)state;
	controllers_init(&c);
	assert_false(beat(&c, "cc-1", 7, 0));
	assert_false(beat(&c, "cc-1", 7, 500));
	assert_true(beat(&c, "cc-1", 9, 1000));
	assert_true(beat(&c, "cc-1", 0, 1500));
	assert_false(beat(&c, "cc-1", 11, 2000)); /* that it had ended was told */
}

static void the_second_offer_goes_to_another_if_there_is_one(void **state)
{
	struct controllers c;
	int first;

	(void)state;
	controllers_init(&c);
	beat(&c, "cc-1", 7, 0);
	first = controllers_choose(&c, NULL, CONTROLLER_NONE, 0);
	assert_int_equal(controllers_choose(&c, NULL, first, 0), first); /* better than nobody */
	beat(&c, "cc-2", 8, 0);
	for (int i = 0; i < 5; i++)
		assert_int_not_equal(controllers_choose(&c, NULL, first, 0), first);
}

static void of_too_many_the_oldest_that_owes_nothing_is_forgotten(void **state)
{
	struct controllers c;
	char name[32];

	(void)state;
	controllers_init(&c);
	for (int i = 0; i < CONTROLLERS_MAX; i++) {
		snprintf(name, sizeof(name), "cc-%d", i);
		beat(&c, name, 1, i);
	}
	controllers_gave(&c, 0);
	beat(&c, "late", 1, 100);
	assert_string_equal(c.list[0].instance, "cc-0"); /* it owes an answer */
	assert_string_equal(c.list[1].instance, "late");
	for (int i = 0; i < CONTROLLERS_MAX; i++)
		controllers_gave(&c, i);
	assert_false(beat(&c, "later", 1, 101));
	assert_string_equal(c.list[1].instance, "late");
	controllers_took(&c, CONTROLLER_NONE);
	controllers_gave(&c, CONTROLLER_NONE);
}

static bool beat_of(struct controllers *c, const char *instance, const char *pool, int64_t now)
{
	return controllers_heard(c, &(struct controller_beat){ .instance = instance, .pool = pool, .incarnation = 7 },
				 now) >= 0;
}

static const char *next_of(struct controllers *c, const char *pool, int but, int64_t now)
{
	int i = controllers_choose(c, pool, but, now);

	return i < 0 ? "" : c->list[i].instance;
}

/* GT-3: pools. */
static void a_pool_has_its_own_and_without_any_alive_the_shared_ones(void **state)
{
	struct controllers c;

	(void)state;
	controllers_init(&c);
	beat_of(&c, "gold-1", "gold", 0);
	assert_string_equal(next_of(&c, "", CONTROLLER_NONE, 0), ""); /* gold's are nobody else's */
	assert_string_equal(next_of(&c, "silver", CONTROLLER_NONE, 0), "");
	beat_of(&c, "cc-1", NULL, 0); /* a version that knows no pools */
	beat_of(&c, "cc-2", "shared", 0);
	for (int i = 0; i < 4; i++)
		assert_string_equal(next_of(&c, "gold", CONTROLLER_NONE, 0), "gold-1");
	assert_string_not_equal(next_of(&c, "shared", CONTROLLER_NONE, 0), "gold-1");
	assert_true(controllers_serves(&c, 0, "gold"));
	assert_false(controllers_serves(&c, 1, "gold"));
	assert_true(controllers_serves(&c, 1, ""));
	assert_true(controllers_serves(&c, CONTROLLER_NONE, "gold"));
	/* The second offer: rather a shared one than the one that did not take it. */
	assert_string_not_equal(next_of(&c, "gold", 0, 0), "gold-1");
	beat_of(&c, "gold-2", "gold", 0);
	assert_string_equal(next_of(&c, "gold", 0, 0), "gold-2");
	/* Both are gone: better elsewhere than lost. */
	beat_of(&c, "cc-1", "", 2000);
	assert_string_equal(next_of(&c, "gold", CONTROLLER_NONE, 2000), "cc-1");
	assert_int_equal(controllers_next(&c, "gold", 2000), 1);
	beat_of(&c, "gold-2", "gold", 2100);
	assert_string_equal(next_of(&c, "gold", CONTROLLER_NONE, 2100), "gold-2");
	/* An instance that was put into another pool. */
	beat_of(&c, "gold-2", "shared", 2200);
	assert_false(controllers_serves(&c, 3, "gold"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equals_take_turns),
		cmocka_unit_test(who_takes_nothing_is_given_one_and_no_more),
		cmocka_unit_test(who_is_not_heard_drains_or_has_said_goodbye_is_not_chosen),
		cmocka_unit_test(a_restart_is_told_and_a_beat_of_the_same_is_none),
		cmocka_unit_test(the_second_offer_goes_to_another_if_there_is_one),
		cmocka_unit_test(of_too_many_the_oldest_that_owes_nothing_is_forgotten),
		cmocka_unit_test(a_pool_has_its_own_and_without_any_alive_the_shared_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
