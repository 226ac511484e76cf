#include "log/log.h"
#include "base/str.h"
#include "testkit/cmocka_all.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char captured[16384];

/* Standard error goes to a temporary file in between. */
static FILE *file;
static int saved;

static void capture(void)
{
	file = tmpfile();
	assert_non_null(file);
	saved = dup(STDERR_FILENO);
	dup2(fileno(file), STDERR_FILENO);
}

static const char *text(void)
{
	ssize_t n;

	dup2(saved, STDERR_FILENO);
	close(saved);
	n = pread(fileno(file), captured, sizeof(captured) - 1, 0);
	captured[n < 0 ? 0 : n] = '\0';
	fclose(file);
	return captured;
}

/* The line without its time, which is checked to be there. */
static const char *rest(const char *line)
{
	assert_int_equal(strncmp(line, "time=20", 7), 0);
	assert_int_equal(line[28], 'Z');
	return line + 30;
}

static void a_line_carries_service_event_and_the_ids_it_is_about(void **state)
{
	const struct log_ctx ctx = { .tenant = "acme", .call = "0123", .agent = "anna" };

	UNUSED(state);
	log_init("call-control", "cc-1", LOG_LEVEL_INFO);
	capture();
	LOG_INFO(&ctx, "call.answered", "wait_ms=%d agent_name=%s", 1200, LOG_Q("Anna Ok"));
	assert_string_equal(rest(text()),
			    "level=info service=call-control instance=cc-1 event=call.answered tenant=acme "
			    "call=0123 agent=anna wait_ms=1200 agent_name=\"Anna Ok\"\n");
}

static void a_level_below_the_threshold_is_not_written(void **state)
{
	UNUSED(state);
	log_init("x", "x-1", LOG_LEVEL_WARN);
	capture();
	LOG_INFO(NULL, "a", "");
	LOG_WARN(NULL, "b", "");
	log_set_level(LOG_LEVEL_DEBUG);
	LOG_DEBUG(NULL, "c", "");
	assert_null(strstr(text(), "event=a"));
	assert_non_null(strstr(captured, "level=warn service=x instance=x-1 event=b\n"));
	assert_non_null(strstr(captured, "level=debug service=x instance=x-1 event=c\n"));
}

static void what_a_peer_sent_cannot_forge_a_second_line(void **state)
{
	const struct log_ctx ctx = { .tenant = "a\nlevel=error" };

	UNUSED(state);
	log_init("x", "x-1", LOG_LEVEL_INFO);
	capture();
	LOG_INFO(&ctx, "e", "from=%s raw=%s", LOG_Q("a\r\nb \"c\" \\"), "x\n\x1b[31m\xff");
	assert_string_equal(
	    rest(text()),
	    "level=info service=x instance=x-1 event=e tenant=\"a?level=error\" from=\"a??b \\\"c\\\" \\\\\" "
	    "raw=x??[31m?\n");
}

static void a_long_line_is_cut_to_valid_utf8_with_its_newline(void **state)
{
	static char longest[9000];

	UNUSED(state);
	for (size_t i = 0; i + 2 < sizeof(longest); i += 2)
		memcpy(longest + i, "é", 2);
	log_init("x", "x-1", LOG_LEVEL_INFO);
	for (int odd = 0; odd < 2; odd++) {
		size_t n;

		capture();
		LOG_INFO(NULL, "e", "%s%s", odd ? "o" : "", longest);
		n = strlen(text());
		assert_true(n <= 4096 && n > 4090);
		assert_int_equal(captured[n - 1], '\n');
		assert_true(str_utf8_valid(captured, n));
	}
}

static void values_are_quoted_only_where_they_must(void **state)
{
	char longest[2000];

	UNUSED(state);
	assert_string_equal(LOG_Q("plain-1.2"), "plain-1.2");
	assert_string_equal(LOG_Q("é"), "é");
	assert_string_equal(LOG_Q(""), "\"\"");
	assert_string_equal(LOG_Q(NULL), "\"\"");
	assert_string_equal(LOG_Q("a=b"), "\"a=b\"");
	assert_string_equal(LOG_Q("a\"b"), "\"a\\\"b\"");
	memset(longest, '"', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_true(strlen(LOG_Q(longest)) < 512);
	memset(longest, 'a', sizeof(longest) - 1);
	assert_true(strlen(LOG_Q(longest)) < 512);
}

static void eight_quoted_values_fit_in_one_line(void **state)
{
	const char *q[8];

	UNUSED(state);
	for (int i = 0; i < 8; i++) {
		char v[4] = { (char)('a' + i), ' ', 'x', '\0' };

		q[i] = LOG_Q(v);
	}
	for (int i = 0; i < 8; i++)
		assert_int_equal(q[i][1], 'a' + i);
}

static void levels_are_read_by_name(void **state)
{
	enum log_level l;

	UNUSED(state);
	assert_int_equal(log_level_parse("debug", &l), ERR_OK);
	assert_int_equal(l, LOG_LEVEL_DEBUG);
	assert_int_equal(log_level_parse("error", &l), ERR_OK);
	assert_int_equal(l, LOG_LEVEL_ERROR);
	assert_int_equal(log_level_parse("WARN", &l), ERR_INVALID);
	assert_int_equal(log_level_parse("", &l), ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_carries_service_event_and_the_ids_it_is_about),
		cmocka_unit_test(a_level_below_the_threshold_is_not_written),
		cmocka_unit_test(what_a_peer_sent_cannot_forge_a_second_line),
		cmocka_unit_test(a_long_line_is_cut_to_valid_utf8_with_its_newline),
		cmocka_unit_test(values_are_quoted_only_where_they_must),
		cmocka_unit_test(eight_quoted_values_fit_in_one_line),
		cmocka_unit_test(levels_are_read_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
