#include "metrics/metrics.h"
#include "testkit/cmocka_all.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static struct metric calls_ok = METRIC_COUNTER_L("test_calls_total", "result=\"ok\"", "calls by result");
static struct metric waiting = METRIC_GAUGE("test_waiting", "waiting calls,\nback\\slash");
static struct metric calls_failed = METRIC_COUNTER_L("test_calls_total", "result=\"failed\"", "calls by result");
static struct metric step = METRIC_HISTOGRAM("test_step_seconds", "duration of a step");

static int register_all(void **state)
{
	UNUSED(state);
	metrics_register(&calls_ok);
	metrics_register(&waiting);
	metrics_register(&calls_failed);
	metrics_register(&calls_failed); /* twice is once */
	metrics_register(&step);
	return 0;
}

static struct str out = STR_INIT;

static const char *printed(void)
{
	str_reset(&out);
	metrics_print(&out);
	assert_false(out.failed);
	return str_text(&out);
}

static void a_family_stands_in_one_piece_below_one_head(void **state)
{
	UNUSED(state);
	metric_add(&calls_ok, 3);
	metric_add(&calls_failed, 1);
	metric_set(&waiting, -2);
	assert_non_null(strstr(printed(),
			       "# HELP test_calls_total calls by result\n# TYPE test_calls_total counter\n"
			       "test_calls_total{result=\"ok\"} 3\ntest_calls_total{result=\"failed\"} 1\n"
			       "# HELP test_waiting waiting calls,\\nback\\\\slash\n# TYPE test_waiting gauge\n"
			       "test_waiting -2\n"));
}

static void a_histogram_counts_upwards_in_seconds(void **state)
{
	static const int64_t values[] = { 0, 1, 2, 3, 4, 1000000, 3600000000LL, -5 };

	UNUSED(state);
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		metric_observe_us(&step, values[i]);
	printed();
	assert_non_null(strstr(str_text(&out), "test_step_seconds_bucket{le=\"1e-06\"} 3\n")); /* 0, 1, -5 as 0 */
	assert_non_null(strstr(str_text(&out), "test_step_seconds_bucket{le=\"2e-06\"} 4\n"));
	assert_non_null(strstr(str_text(&out), "test_step_seconds_bucket{le=\"4e-06\"} 6\n")); /* 3 and 4 */
	assert_non_null(strstr(str_text(&out), "test_step_seconds_bucket{le=\"0.524288\"} 6\n"));
	assert_non_null(strstr(str_text(&out), "test_step_seconds_bucket{le=\"1.048576\"} 7\n"));
	assert_non_null(strstr(str_text(&out), "test_step_seconds_bucket{le=\"+Inf\"} 8\n"));
	assert_non_null(strstr(str_text(&out), "test_step_seconds_sum 3601.000010\n"));
	assert_non_null(strstr(str_text(&out), "test_step_seconds_count 8\n"));
}

static double value_of(const char *name)
{
	const char *at = strstr(printed(), name);

	while (at && at != str_text(&out) && at[-1] != '\n')
		at = strstr(at + 1, name);
	assert_non_null(at);
	return strtod(at + strlen(name), NULL);
}

static void the_process_itself_is_measured(void **state)
{
	UNUSED(state);
	assert_true(value_of("process_cpu_seconds_total ") > 0);
	assert_true(value_of("process_resident_memory_bytes ") > 100000);
	assert_true(value_of("process_open_fds ") >= 3);
	assert_true(value_of("process_max_fds ") >= value_of("process_open_fds "));
	assert_in_range((long)value_of("process_start_time_seconds "), time(NULL) - 600, time(NULL) + 1);
}

static void *add_many(void *arg)
{
	for (int i = 0; i < 100000; i++)
		metric_add(arg, 1);
	return NULL;
}

static void no_update_of_two_threads_is_lost(void **state)
{
	static struct metric m = METRIC_COUNTER("test_threads_total", "x");
	pthread_t a, b;

	UNUSED(state);
	assert_int_equal(pthread_create(&a, NULL, add_many, &m), 0);
	assert_int_equal(pthread_create(&b, NULL, add_many, &m), 0);
	pthread_join(a, NULL);
	pthread_join(b, NULL);
	assert_int_equal(metric_get(&m), 200000);
}

static int free_all(void **state)
{
	UNUSED(state);
	str_done(&out);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_family_stands_in_one_piece_below_one_head),
		cmocka_unit_test(a_histogram_counts_upwards_in_seconds),
		cmocka_unit_test(the_process_itself_is_measured),
		cmocka_unit_test(no_update_of_two_threads_is_lost),
	};

	return cmocka_run_group_tests(tests, register_all, free_all);
}
