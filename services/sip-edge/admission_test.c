/* Admission against a model of a server that serves so many calls a second, first come first served. GT-15. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "admission.h"
#include "base/err.h"

#define MODEL_MAX 100000

#define TENANTS 3

/* A queue in front of a server: calls that came in wait until their turn. */
struct model {
	struct admission a;
	int64_t came_ms[MODEL_MAX];
	uint8_t whose[MODEL_MAX];
	double offers[TENANTS], comes[TENANTS]; /* calls a second; what is due of them */
	size_t asked[TENANTS], came[TENANTS], got[TENANTS];
	size_t first, n, served, longest;
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

static const char *const TENANT[TENANTS] = { "a", "b", "c" };

static bool take_of(struct admission *a, const char *whose, int64_t now_ms)
{
	if (!admission_open(a, whose, now_ms))
		return false;
	admission_taken(a, whose);
	return true;
}

static bool take(struct admission *a, int64_t now_ms)
{
	return take_of(a, TENANT[0], now_ms);
}

static void come(struct model *m, unsigned tenant, double refusal_costs)
{
	m->asked[tenant]++;
	if (!take_of(&m->a, TENANT[tenant], m->now_ms)) {
		m->credit -= refusal_costs;
		return;
	}
	m->came[tenant]++;
	m->whose[m->n % MODEL_MAX] = (uint8_t)tenant;
	m->came_ms[m->n++ % MODEL_MAX] = m->now_ms;
}

/* One millisecond at each turn. A server that is asked too much loses time with it: refusing is not free. */
static void run_all(struct model *m, double serves_cps, double refusal_costs, int64_t ms)
{
	for (int64_t end = m->now_ms + ms; m->now_ms < end; m->now_ms++) {
		for (unsigned t = 0; t < TENANTS; t++) {
			m->comes[t] += m->offers[t] / 1000;
			while (m->comes[t] >= 1) {
				m->comes[t]--;
				come(m, t, refusal_costs);
			}
		}
		m->credit += serves_cps / 1000;
		while (m->credit >= 1 && m->first < m->n) {
			m->credit--;
			m->got[m->whose[m->first % MODEL_MAX]]++;
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

static void run(struct model *m, double offered_cps, double serves_cps, double refusal_costs, int64_t ms)
{
	m->offers[0] = offered_cps;
	run_all(m, serves_cps, refusal_costs, ms);
}

static void forget_counts(struct model *m)
{
	m->served = m->longest = 0;
	memset(m->asked, 0, sizeof(m->asked));
	memset(m->came, 0, sizeof(m->came));
	memset(m->got, 0, sizeof(m->got));
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

/* ---- tenants ---- */

static void beside_a_hundred_times_its_rate_a_small_tenant_is_refused_nothing_GT_3_1_2d(void **state)
{
	static const double rates[] = { 20, 60, 100 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
		struct model *m = model_new();

		m->offers[0] = 200, m->offers[1] = 2;
		run_all(m, rates[i], 0, 10000);
		forget_counts(m);
		run_all(m, rates[i], 0, 60000);
		assert_in_range(m->asked[1], 119, 121);
		assert_int_equal(m->came[1], m->asked[1]);
		assert_true((double)m->served >= 0.95 * rates[i] * 60); /* what B does not need is A's */
		assert_true(m->a.over_share > 0);
		free(m);
	}
}

static void two_that_ask_for_too_much_get_the_same_and_the_third_all_it_asks_for_GT_3_1_2d(void **state)
{
	struct model *m = model_new();

	(void)state;
	m->offers[0] = 1000, m->offers[1] = 2, m->offers[2] = 300;
	run_all(m, 200, 0, 20000);
	forget_counts(m);
	run_all(m, 200, 0, 60000);
	assert_int_equal(m->came[1], m->asked[1]);
	assert_true((double)m->got[0] < 1.15 * (double)m->got[2] && (double)m->got[2] < 1.15 * (double)m->got[0]);
	assert_true((double)m->served >= 0.95 * 200 * 60);
	free(m);
}

/* Who asked for too much a moment ago and does so no more has what it asks for. */
static void a_tenant_that_comes_down_is_not_punished_GT_3_1_2d(void **state)
{
	struct model *m = model_new();

	(void)state;
	m->offers[0] = 1000, m->offers[2] = 1000;
	run_all(m, 200, 0, 20000);
	m->offers[0] = 20;
	run_all(m, 200, 0, 3000);
	forget_counts(m);
	run_all(m, 200, 0, 30000);
	assert_int_equal(m->came[0], m->asked[0]);
	assert_true((double)m->served >= 0.95 * 200 * 30);
	free(m);
}

static void parts_are_max_min_fair_GT_3_1_2d(void **state)
{
	static const struct {
		unsigned asked[4];
		double rate, level;
	} rows[] = {
		{ { 1, 2, 3, 4 }, 20, 20 },	 /* all get what they ask for */
		{ { 10, 10, 10, 10 }, 20, 5 },	 /* equal parts */
		{ { 1, 2, 100, 100 }, 20, 8.5 }, /* what two leave, the others share */
		{ { 1, 1, 1, 100 }, 20, 17 },	 { { 7, 7, 6, 100 }, 20, 5 }, { { 0, 0, 0, 100 }, 20, 20 },
	};
	static const char *const names[] = { "a", "b", "c", "d" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct shares s;

		shares_init(&s);
		for (int64_t t = 1000; t <= 100000; t += 1000) { /* until what is smoothed is there */
			for (size_t k = 0; k < 4; k++) {
				shares_get(&s, names[k])->asked += rows[i].asked[k];
				shares_get(&s, names[k])->asked_ms = t;
			}
			shares_tick(&s, rows[i].rate, 1000, t);
		}
		assert_true(s.level > 0.99 * rows[i].level && s.level < 1.01 * rows[i].level);
		assert_int_equal(shares_within(&s, shares_get(&s, "d")), rows[i].asked[3] <= rows[i].level + 0.01);
	}
}

static void shares_are_bounded_and_those_of_yesterday_are_forgotten_GT_3_1_2d(void **state)
{
	struct shares s;
	char name[SHARE_NAME + 8];

	(void)state;
	shares_init(&s);
	for (int i = 0; i < 2 * SHARES_MAX; i++) {
		struct share *got;

		(void)snprintf(name, sizeof(name), "tenant-%d", i);
		got = shares_get(&s, name);
		assert_ptr_equal(got, shares_get(&s, name));
		assert_int_equal(got == &s.of[0], i >= SHARES_MAX - 1);
		got->asked_ms = i == 7 ? 90000 : 1;
	}
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	shares_tick(&s, 10, 100, 100000);
	assert_int_equal(s.n, 2);
	assert_string_equal(shares_get(&s, "tenant-7")->name, "tenant-7");
	assert_int_equal(s.n, 2);
	assert_ptr_equal(shares_get(&s, name), &s.of[0]); /* no tenant has so long a name */
	assert_int_equal(s.n, 2);
	assert_string_equal(shares_get(&s, "tenant-8")->name, "tenant-8");
	assert_int_equal(s.n, 3);
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
		cmocka_unit_test(beside_a_hundred_times_its_rate_a_small_tenant_is_refused_nothing_GT_3_1_2d),
		cmocka_unit_test(two_that_ask_for_too_much_get_the_same_and_the_third_all_it_asks_for_GT_3_1_2d),
		cmocka_unit_test(a_tenant_that_comes_down_is_not_punished_GT_3_1_2d),
		cmocka_unit_test(parts_are_max_min_fair_GT_3_1_2d),
		cmocka_unit_test(shares_are_bounded_and_those_of_yesterday_are_forgotten_GT_3_1_2d),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
