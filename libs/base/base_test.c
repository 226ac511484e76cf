/* err, mem, clock, id. */
#include "base/clock.h"
#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/str.h"
#include "testkit/cmocka_all.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <stdlib.h>
#include <unistd.h>

static void every_error_has_its_grpc_name(void **state)
{
	static const char *const expected[] = {
		"OK",	     "CANCELLED",	"UNKNOWN",	     "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
		"NOT_FOUND", "ALREADY_EXISTS",	"PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
		"ABORTED",   "OUT_OF_RANGE",	"UNIMPLEMENTED",     "INTERNAL",	   "UNAVAILABLE",
		"DATA_LOSS", "UNAUTHENTICATED",
	};

	UNUSED(state);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		assert_string_equal(err_name((err_t)i), expected[i]);
	assert_string_equal(err_name((err_t)99), "UNKNOWN");
	assert_string_equal(err_name((err_t)-1), "UNKNOWN");
}

static void no_errno_becomes_success(void **state)
{
	UNUSED(state);
	for (int i = 0; i < 200; i++)
		assert_int_not_equal(err_from_errno(i), ERR_OK);
	assert_int_equal(err_from_errno(ENOENT), ERR_NOT_FOUND);
	assert_int_equal(err_from_errno(EMFILE), ERR_EXHAUSTED);
	assert_int_equal(err_from_errno(ECONNREFUSED), ERR_UNAVAILABLE);
}

static void err_set_fills_the_detail_and_returns_its_code(void **state)
{
	struct err_detail d;

	UNUSED(state);
	assert_int_equal(err_set(&d, ERR_RANGE, "queues[3].wait_s", "%d is more than %d", 7, 5), ERR_RANGE);
	assert_string_equal(d.field, "queues[3].wait_s");
	assert_string_equal(d.message, "7 is more than 5");
	assert_int_equal(err_set(NULL, ERR_RANGE, "x", "y"), ERR_RANGE);
	err_set(&d, ERR_INVALID, NULL, "y");
	assert_string_equal(d.field, "");
}

static void err_set_makes_clean_utf8_of_whatever_it_quotes(void **state)
{
	struct err_detail d;
	char longest[400];

	UNUSED(state);
	err_set(&d, ERR_INVALID, "na\nme", "\"%s\"",
		"a\xff\x1b"
		"b");
	assert_string_equal(d.field, "na?me");
	assert_string_equal(d.message, "\"a??b\"");
	/* Cut within a two-byte character. */
	memset(longest, 0, sizeof(longest));
	for (size_t i = 0; i + 2 < sizeof(longest); i += 2)
		memcpy(longest + i, "é", 2);
	err_set(&d, ERR_INVALID, longest, "%s", longest);
	assert_true(str_utf8_valid(d.field, strlen(d.field)));
	assert_true(str_utf8_valid(d.message, strlen(d.message)));
}

static void memory_fails_when_told_and_counts_its_refusals(void **state)
{
	void *a, *b;

	UNUSED(state);
	mem_fail_after(1);
	a = mem_alloc(4);
	b = mem_alloc(4);
	assert_non_null(a);
	assert_null(b);
	assert_null(mem_strdup("x"));
	assert_int_equal(mem_refusals(), 2);
	mem_fail_after(-1);
	assert_int_equal(mem_refusals(), 0);
	b = mem_realloc(a, 8);
	assert_non_null(b);
	mem_free(b);
}

static void an_array_too_large_to_count_is_refused(void **state)
{
	char *a;

	UNUSED(state);
	assert_null(mem_array(SIZE_MAX / 2, 3));
	a = mem_array(3, 5);
	for (int i = 0; i < 15; i++)
		assert_int_equal(a[i], 0);
	mem_free(a);
}

static void times_are_written_in_utc_with_milliseconds(void **state)
{
	static const struct {
		int64_t ms;
		const char *text;
	} rows[] = {
		{ 0, "1970-01-01T00:00:00.000Z" },
		{ 1795457225123, "2026-11-23T18:07:05.123Z" },
		{ -1, "1969-12-31T23:59:59.999Z" },
		{ 951782400000, "2000-02-29T00:00:00.000Z" },
		{ CLOCK_MAX_MS, "9999-12-31T23:59:59.999Z" },
		{ INT64_MAX, "9999-12-31T23:59:59.999Z" },
		{ CLOCK_MIN_MS, "0001-01-01T00:00:00.000Z" },
		{ INT64_MIN, "0001-01-01T00:00:00.000Z" },
	};
	char buf[CLOCK_TEXT];

	UNUSED(state);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_string_equal(clock_text(rows[i].ms, buf), rows[i].text);
}

static void the_monotonic_clock_does_not_step_back(void **state)
{
	int64_t before = clock_mono_us();

	UNUSED(state);
	for (int i = 0; i < 1000; i++) {
		int64_t now = clock_mono_us();

		assert_true(now >= before);
		before = now;
	}
	assert_true(clock_wall_ms() > 1700000000000);
}

static void ids_are_uuid_7_and_ordered_by_time(void **state)
{
	char a[ID_TEXT], b[ID_TEXT];

	UNUSED(state);
	id_new(1795457225123, a);
	id_new(1795457225124, b);
	assert_true(id_valid(a));
	assert_int_equal(a[12], '7');
	assert_non_null(strchr("89ab", a[16]));
	assert_true(strcmp(a, b) < 0);
	assert_true(id_wall_ms(a) == 1795457225123);
}

static void ids_do_not_repeat_within_a_millisecond(void **state)
{
	char(*ids)[ID_TEXT] = mem_array(1000, ID_TEXT);

	UNUSED(state);
	for (int i = 0; i < 1000; i++) {
		id_new(1, ids[i]);
		for (int k = 0; k < i; k++)
			assert_string_not_equal(ids[i], ids[k]);
	}
	mem_free(ids);
}

static void a_forked_child_gives_out_other_ids(void **state)
{
	char mine[ID_TEXT], theirs[ID_TEXT] = "";
	int fds[2];
	pid_t pid;

	UNUSED(state);
	id_new(1, mine);
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		id_new(1, theirs);
		_exit(write(fds[1], theirs, sizeof(theirs)) == sizeof(theirs) ? 0 : 1);
	}
	assert_int_equal(read(fds[0], theirs, sizeof(theirs)), sizeof(theirs));
	waitpid(pid, NULL, 0);
	close(fds[0]);
	close(fds[1]);
	assert_true(id_valid(theirs));
	assert_string_not_equal(id_new(1, mine), theirs);
}

static void ids_of_a_wrong_form_are_refused(void **state)
{
	static const char *const wrong[] = { "",
					     "0",
					     "0123456789abcdef0123456789abcde",
					     "0123456789abcdef0123456789abcdef0",
					     "0123456789ABCDEF0123456789abcdef",
					     "0123456789abcdef-123456789abcdef" };

	UNUSED(state);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_false(id_valid(wrong[i]));
	assert_false(id_valid(NULL));
}

/* mono 0 is "never used": tests begin at 1 s. */
static void the_steady_clock_follows_a_wall_clock_that_was_set_without_a_step(void **state) /* GT-15 */
{
	const int64_t jumps[] = { 3600000, -3600000, 500, -500 };

	UNUSED(state);
	for (size_t i = 0; i < ARRAY_SIZE(jumps); i++) {
		struct clock_steady s = { 0 };
		int64_t wall = 1700000000000, last = clock_steady_step(&s, 1000, wall), off;

		assert_int_equal(last, wall);
		for (int64_t mono = 1007; mono < 60000; mono += 7) {
			int64_t now = clock_steady_step(&s, mono, wall + mono - 1000 + jumps[i]);

			assert_in_range(now - last, 6, 8);
			last = now;
		}
		off = wall + 60000 - 1000 + jumps[i] - last; /* 59 s may bring them 1.2 s together */
		assert_true(llabs(jumps[i]) > 1180 ? llabs(llabs(jumps[i]) - llabs(off) - 1180) < 30 : llabs(off) < 30);
	}
}

static void the_steady_clock_is_the_wall_clock_when_that_is_not_set(void **state)
{
	struct clock_steady s = { 0 };

	UNUSED(state);
	for (int64_t mono = 5000; mono < 9000000; mono += 4999)
		assert_int_equal(clock_steady_step(&s, mono, 1700000000000 + mono), 1700000000000 + mono);
	assert_in_range(clock_steady_ms(), clock_wall_ms() - 50, clock_wall_ms() + 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_error_has_its_grpc_name),
		cmocka_unit_test(no_errno_becomes_success),
		cmocka_unit_test(err_set_fills_the_detail_and_returns_its_code),
		cmocka_unit_test(err_set_makes_clean_utf8_of_whatever_it_quotes),
		cmocka_unit_test(memory_fails_when_told_and_counts_its_refusals),
		cmocka_unit_test(an_array_too_large_to_count_is_refused),
		cmocka_unit_test(times_are_written_in_utc_with_milliseconds),
		cmocka_unit_test(the_monotonic_clock_does_not_step_back),
		cmocka_unit_test(the_steady_clock_follows_a_wall_clock_that_was_set_without_a_step),
		cmocka_unit_test(the_steady_clock_is_the_wall_clock_when_that_is_not_set),
		cmocka_unit_test(ids_are_uuid_7_and_ordered_by_time),
		cmocka_unit_test(ids_do_not_repeat_within_a_millisecond),
		cmocka_unit_test(a_forked_child_gives_out_other_ids),
		cmocka_unit_test(ids_of_a_wrong_form_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
