#include "db/db.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "db/db_internal.h"

static void fields_of_a_copy_are_escaped_so_that_any_text_survives(void **state)
{
	static const struct {
		const char *value, *want;
	} rows[] = {
		{ "plain", "plain\t" },
		{ "", "\t" },
		{ NULL, "\\N\t" },
		{ "a\tb", "a\\tb\t" },
		{ "line\nline\r", "line\\nline\\r\t" },
		{ "\\N", "\\\\N\t" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct str s = STR_INIT;

		db_copy_field(&s, rows[i].value, false);
		assert_string_equal(str_text(&s), rows[i].want);
		str_done(&s);
	}
	struct str s = STR_INIT;
	db_copy_field(&s, "last", true);
	assert_string_equal(str_text(&s), "last\n");
	str_done(&s);
}

static void texts_and_numbers_of_a_copy_are_written_as_they_are(void **state)
{
	struct str s = STR_INIT;

	(void)state;
	db_copy_text(&s, "tab\there and more", 7, false); /* without what stands behind it */
	db_copy_text(&s, "", 0, false);
	db_copy_int(&s, 0, false);
	db_copy_int(&s, -1, false);
	db_copy_int(&s, INT64_MAX, false);
	db_copy_int(&s, INT64_MIN, true);
	assert_string_equal(str_text(&s), "tab\\ther\t\t0\t-1\t9223372036854775807\t-9223372036854775808\n");
	str_done(&s);
}

static void sqlstates_map_to_errors(void **state)
{
	static const struct {
		const char *state;
		err_t want;
	} rows[] = {
		{ "23505", ERR_EXISTS },      { "23503", ERR_PRECONDITION }, { "23514", ERR_INVALID },
		{ "22P02", ERR_INVALID },     { "42501", ERR_DENIED },	     { "40001", ERR_ABORTED },
		{ "40P01", ERR_ABORTED },     { "57014", ERR_TIMEOUT },	     { "57P01", ERR_UNAVAILABLE },
		{ "08006", ERR_UNAVAILABLE }, { "P0001", ERR_PRECONDITION }, { "53100", ERR_EXHAUSTED },
		{ "42601", ERR_INTERNAL },    { NULL, ERR_INTERNAL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(db_err_from_sqlstate(rows[i].state), rows[i].want);
}

static void reading_no_result_is_harmless(void **state)
{
	struct db_result *r = NULL;
	size_t size;

	(void)state;
	assert_int_equal(db_rows(r), 0);
	assert_string_equal(db_text(r, 0, 0), "");
	assert_true(db_null(r, 0, 0));
	assert_int_equal(db_int(r, 0, 0), 0);
	assert_false(db_bool(r, 0, 0));
	assert_null(db_bytes(r, 0, 0, &size));
	assert_int_equal(size, 0);
	db_result_free(&r);
}

static void a_number_is_a_parameter_whatever_its_sign(void **state)
{
	char buf[DB_NUMBER];

	(void)state;
	assert_string_equal(db_number(INT64_MIN, buf), "-9223372036854775808");
	assert_string_equal(db_number(INT64_MAX, buf), "9223372036854775807");
}

static void an_array_is_a_parameter_and_may_be_empty(void **state)
{
	struct str none = STR_INIT, some = STR_INIT;

	(void)state;
	db_array_add(&some, "a-1");
	db_array_add(&some, "2");
	assert_string_equal(db_array_text(&some), "{\"a-1\",\"2\"}");
	assert_string_equal(db_array_text(&none), "{}");
	str_done(&some);
	str_done(&none);
}

static void what_is_prepared_has_a_name_until_the_connection_is_gone(void **state)
{
	static struct db_statements s;
	char sql[32], name[DB_STATEMENT_NAME], again[DB_STATEMENT_NAME];

	(void)state;
	for (int i = 0; i < DB_STATEMENTS_MAX; i++) {
		snprintf(sql, sizeof(sql), "SELECT %d", i);
		assert_false(db_statement_find(&s, sql, name));
		if (!db_statement_add(&s, sql, name)) { /* no memory: nothing is there */
			db_statements_reset(&s);
			return;
		}
		assert_true(db_statement_find(&s, sql, again));
		assert_string_equal(name, again);
	}
	assert_false(db_statement_add(&s, "SELECT one too many", name));
	db_statement_drop_last(&s, sql);
	assert_false(db_statement_find(&s, sql, name));
	assert_true(db_statement_find(&s, "SELECT 0", name));
	assert_true(db_statement_add(&s, "SELECT one too many", name));
	db_statements_reset(&s);
	assert_false(db_statement_find(&s, "SELECT 0", name));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_of_a_copy_are_escaped_so_that_any_text_survives),
		cmocka_unit_test(texts_and_numbers_of_a_copy_are_written_as_they_are),
		cmocka_unit_test(sqlstates_map_to_errors),
		cmocka_unit_test(reading_no_result_is_harmless),
		cmocka_unit_test(a_number_is_a_parameter_whatever_its_sign),
		cmocka_unit_test(an_array_is_a_parameter_and_may_be_empty),
		cmocka_unit_test(what_is_prepared_has_a_name_until_the_connection_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
