/* Admission against a model of a server that serves so many calls a second, first come first served. GT-15. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "admission.h"
#include "base/err.h"

#define MODEL_MAX 100000

/* A queue in front of a server: calls that came in wait until their turn. */
struct model {
	struct admission a;
	int64_t came_ms[MODEL_MAX];
	size_t first, n, served, offered, longest;
	double credit;
	int64_t now_ms;
};

static const struct admission_params PARAMS = { .target_ms = 100, .least_cps = 5 };

static struct model *model_new(void)
{
	struct model *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	admission_init(&m->a, &PARAMS, 0);
	return m;
}

static bool take(struct admission *a, int64_t now_ms)
{
	if (!admission_open(a, now_ms))
		return false;
	admission_taken(a);
	return true;
}

/* One millisecond at each turn. A server that is asked too much loses time with it: refusing is not free. */
static void run(struct model *m, double offered_cps, double serves_cps, double refusal_costs, int64_t ms)
{
	double comes = 0;

	for (int64_t end = m->now_ms + ms; m->now_ms < end; m->now_ms++) {
		comes += offered_cps / 1000;
		while (comes >= 1) {
			comes--;
			m->offered++;
			if (!take(&m->a, m->now_ms))
				m->credit -= refusal_costs;
			else
				m->came_ms[m->n++ % MODEL_MAX] = m->now_ms;
		}
		m->credit += serves_cps / 1000;
		while (m->credit >= 1 && m->first < m->n) {
			m->credit--;
			admission_decided(&m->a, m->now_ms - m->came_ms[m->first++ % MODEL_MAX]);
			m->served++;
		}
		if (m->credit > 1)
			m->credit = 1;
		if (m->n - m->first > m->longest)
			m->longest = m->n - m->first;
		if (m->now_ms % ADMISSION_TICK_MS == 0)
			admission_tick(&m->a, m->now_ms,
				       m->first < m->n ? m->now_ms - m->came_ms[m->first % MODEL_MAX] : 0, 0);
	}
}

static void below_what_is_served_nobody_is_refused(void **state)
{
	struct model *m = model_new();

	(void)state;
	run(m, 280, 300, 0, 20000);
	assert_true(m->served >= 280 * 20 - 5);
	assert_false(admission_limits(&m->a));
	free(m);
}

static void at_ten_times_the_load_nearly_all_that_can_be_served_is(void **state)
{
	static const double rates[] = { 20, 100, 300, 1000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
		struct model *m = model_new();

		run(m, 10 * rates[i], rates[i], 0, 10000); /* the beginning: the limit is found */
		m->served = m->longest = 0;
		run(m, 10 * rates[i], rates[i], 0, 30000);
		assert_true((double)m->served >= 0.95 * rates[i] * 30);
		assert_true((double)m->longest < rates[i] * 0.5 + 10); /* nobody waits long */
		free(m);
	}
}

static void what_refusing_costs_is_taken_off_the_rate(void **state)
{
	struct model *m = model_new();

	(void)state;
	run(m, 3000, 300, 0.02, 10000); /* refusing 2,750 calls takes the time of 55 */
	m->served = m->longest = 0;
	run(m, 3000, 300, 0.02, 20000);
	assert_true((double)m->served >= 0.95 * 246 * 20);
	assert_true(m->longest < 200);
	free(m);
}

static void when_the_load_is_gone_all_come_in_within_seconds(void **state)
{
	struct model *m = model_new();

	(void)state;
	run(m, 3000, 300, 0, 20000);
	run(m, 280, 300, 0, 10000);
	m->served = 0;
	run(m, 280, 300, 0, 10000);
	assert_true(m->served >= 2790);
	assert_false(admission_limits(&m->a));
	free(m);
}

static void when_the_server_becomes_slower_the_rate_follows(void **state)
{
	struct model *m = model_new();

	(void)state;
	run(m, 1000, 300, 0, 10000);
	run(m, 1000, 60, 0, 10000);
	m->served = m->longest = 0;
	run(m, 1000, 60, 0, 20000);
	assert_true(m->served >= 60 * 20 * 0.95);
	assert_true(m->longest < 60);
	run(m, 1000, 300, 0, 15000);
	m->served = 0;
	run(m, 1000, 300, 0, 10000);
	assert_true(m->served >= 300 * 10 * 0.95);
	free(m);
}

static void a_server_that_stands_still_gets_the_least_and_is_found_when_it_is_back(void **state)
{
	struct model *m = model_new();

	(void)state;
	run(m, 500, 300, 0, 5000);
	run(m, 500, 0, 0, 10000);
	assert_true(m->a.rate <= 10);
	run(m, 500, 300, 0, 30000);
	m->served = 0;
	run(m, 500, 300, 0, 10000);
	assert_true(m->served >= 300 * 10 * 0.95);
	free(m);
}

static void one_late_answer_among_many_is_chance(void **state)
{
	struct admission a;

	(void)state;
	admission_init(&a, &PARAMS, 0);
	for (int64_t t = 100; t < 5000; t += 100) {
		for (int i = 0; i < 20; i++)
			admission_decided(&a, i ? 5 : 400);
		admission_tick(&a, t, 0, 0);
	}
	assert_false(admission_limits(&a));
}

static void a_loop_of_ours_that_lags_counts_as_late(void **state)
{
	struct admission a;

	(void)state;
	admission_init(&a, &PARAMS, 0);
	admission_tick(&a, 100, 0, 101);
	assert_false(admission_limits(&a)); /* once may be chance */
	admission_tick(&a, 200, 0, 101);
	assert_true(admission_limits(&a));
	for (int i = 0; i < 10; i++) /* a handful is always taken: a slow machine without load refuses nobody */
		assert_true(take(&a, 200));
	assert_false(take(&a, 200));
}

static void a_burst_is_bounded(void **state)
{
	struct admission a;
	int n = 0;

	(void)state;
	admission_init(&a, &PARAMS, 0);
	admission_tick(&a, 100, 500, 0);
	admission_tick(&a, 200, 600, 0);
	while (take(&a, 600000))
		n++;
	assert_int_equal(n, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(below_what_is_served_nobody_is_refused),
		cmocka_unit_test(at_ten_times_the_load_nearly_all_that_can_be_served_is),
		cmocka_unit_test(what_refusing_costs_is_taken_off_the_rate),
		cmocka_unit_test(when_the_load_is_gone_all_come_in_within_seconds),
		cmocka_unit_test(when_the_server_becomes_slower_the_rate_follows),
		cmocka_unit_test(a_server_that_stands_still_gets_the_least_and_is_found_when_it_is_back),
		cmocka_unit_test(one_late_answer_among_many_is_chance),
		cmocka_unit_test(a_loop_of_ours_that_lags_counts_as_late),
		cmocka_unit_test(a_burst_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
