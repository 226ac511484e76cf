/* Many timers: none early, none late by more than a tick and the step of the clock, none twice. */
#include "testkit/cmocka_all.h"

#include <stdlib.h>

#include "base/mem.h"
#include "wheel.h"

#define NODES 500

struct world {
	struct wheel wheel;
	struct wheel_node nodes[NODES];
	int64_t now, step;
	unsigned fired;
	bool quiet;
};

static void on_fired(struct wheel_node *n, void *arg)
{
	struct world *w = arg;

	assert_true(n->at_ms <= w->now);
	assert_true(w->now - n->at_ms <= w->step + WHEEL_TICK_MS);
	assert_false(wheel_running(n));
	w->fired++;
	if (!w->quiet && rand() % 2) /* starts itself or another from inside */
		wheel_start(&w->wheel, &w->nodes[rand() % NODES], w->now + 1 + rand() % 100000);
}

static void timers_fire_when_due_also_beyond_one_revolution_and_from_inside_each_other(void **arg)
{
	struct world *w = mem_zalloc(sizeof(*w));
	unsigned running = 0;

	UNUSED(arg);
	assert_non_null(w);
	srand(3);
	w->now = 1700000000000ll;
	wheel_init(&w->wheel, w->now);
	for (int i = 0; i < 30000; i++) {
		struct wheel_node *n = &w->nodes[rand() % NODES];

		if (rand() % 3)
			wheel_start(&w->wheel, n, w->now + 1 + rand() % (rand() % 10 ? 5000 : 200000));
		else
			wheel_stop(n);
		w->step = rand() % 60;
		w->now += w->step;
		wheel_turn(&w->wheel, w->now, NODES, on_fired, w);
	}
	assert_true(w->fired > 1000);
	for (int i = 0; i < NODES; i++)
		running += wheel_running(&w->nodes[i]) && w->nodes[i].at_ms <= w->now - WHEEL_TICK_MS;
	assert_int_equal(running, 0);
	mem_free(w);
}

static void after_a_long_sleep_everything_due_fires(void **arg)
{
	struct world *w = mem_zalloc(sizeof(*w));

	UNUSED(arg);
	assert_non_null(w);
	wheel_init(&w->wheel, 1000);
	for (int i = 0; i < NODES; i++)
		wheel_start(&w->wheel, &w->nodes[i], 1000 + i * 1000);
	w->now = 1000 + 10ll * NODES * 1000;
	w->step = w->now;
	w->quiet = true;
	wheel_turn(&w->wheel, w->now, NODES, on_fired, w);
	assert_int_equal(w->fired, NODES);
	mem_free(w);
}

/* All due at the same time, ten a turn: none is lost, none comes twice. */
static void more_than_a_turn_may_fire_wait_for_the_next_turns(void **arg)
{
	struct world *w = mem_zalloc(sizeof(*w));

	UNUSED(arg);
	assert_non_null(w);
	wheel_init(&w->wheel, 1000);
	for (int i = 0; i < NODES; i++)
		wheel_start(&w->wheel, &w->nodes[i], 2000 + i % 3);
	w->now = 4000;
	w->step = w->now;
	w->quiet = true;
	for (unsigned i = 1; i <= NODES / 10; i++) {
		bool all = wheel_turn(&w->wheel, w->now, 10, on_fired, w);

		assert_int_equal(w->fired, 10 * i);
		assert_true(!all || i == NODES / 10); /* while some wait it says so */
	}
	assert_true(wheel_turn(&w->wheel, w->now, 10, on_fired, w));
	for (int i = 0; i < NODES; i++)
		assert_false(wheel_running(&w->nodes[i]));
	mem_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timers_fire_when_due_also_beyond_one_revolution_and_from_inside_each_other),
		cmocka_unit_test(more_than_a_turn_may_fire_wait_for_the_next_turns),
		cmocka_unit_test(after_a_long_sleep_everything_due_fires),
	};

	return cmocka_run_group_tests_name("wheel", tests, NULL, NULL);
}
