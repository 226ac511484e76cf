/* RELIABILITY: real-time priority of the threads that move packets, and a flood that does not keep the others from the processor. */
#include "priority.h"

#include <sched.h>

#include "base/clock.h"
#include "media_metrics.h"
#include "testkit/cmocka_all.h"

static void a_calm_thread_has_it_a_busy_one_has_not_and_between_nothing_changes(void **state)
{
	UNUSED(state);
	assert_true(priority_wanted(false, 0, 1000));
	assert_true(priority_wanted(true, 199, 1000));
	assert_false(priority_wanted(true, 200, 1000));
	assert_false(priority_wanted(false, 150, 1000));
	assert_false(priority_wanted(false, 120, 1000));
	assert_true(priority_wanted(false, 119, 1000));
}

static int policy(void)
{
	return sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
}

static void who_does_not_want_it_stays_like_everybody(void **state)
{
	struct priority p;
	int usual = policy();

	UNUSED(state);
	priority_begin(&p, false);
	priority_look(&p, clock_mono_us() + 10 * PRIORITY_LOOK_US);
	assert_false(p.realtime);
	assert_int_equal(policy(), usual);
}

static void burn(int64_t us)
{
	for (int64_t end = clock_mono_us() + us; clock_mono_us() < end;)
		;
}

/* Without the right to it the thread stays as it is, and that is no error. */
static void a_flood_costs_the_thread_its_priority_until_it_is_over(void **state)
{
	struct priority p;
	int usual = policy();

	UNUSED(state);
	priority_begin(&p, true);
	assert_int_equal(policy(), p.permitted ? SCHED_RR : usual);
	burn(20000);
	/* as if it had been looked at so long before that the CPU time makes almost all of it, or next to nothing */
	p.looked_us = clock_mono_us() - PRIORITY_LOOK_US;
	p.cpu_us -= PRIORITY_LOOK_US;
	priority_look(&p, p.looked_us + PRIORITY_LOOK_US);
	assert_int_equal(policy(), usual);
	priority_look(&p, p.looked_us + 100 * PRIORITY_LOOK_US);
	assert_int_equal(policy(), p.permitted ? SCHED_RR : usual);
	priority_look(&p, p.looked_us + 1); /* too soon */
	assert_int_equal(p.realtime, p.permitted);
	priority_begin(&p, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_calm_thread_has_it_a_busy_one_has_not_and_between_nothing_changes),
		cmocka_unit_test(who_does_not_want_it_stays_like_everybody),
		cmocka_unit_test(a_flood_costs_the_thread_its_priority_until_it_is_over),
	};

	return cmocka_run_group_tests_name("priority", tests, NULL, NULL);
}
