/* str and arena. */
#include "base/str.h"
#include "base/arena.h"
#include "testkit/cmocka_all.h"
#include "testkit/testkit.h"

#include <string.h>

static void text_grows_as_it_is_appended(void **state)
{
	struct str s = STR_INIT;

	UNUSED(state);
	assert_string_equal(str_text(&s), "");
	for (int i = 0; i < 100; i++)
		str_printf(&s, "%d,", i);
	str_append_c(&s, '!');
	assert_int_equal(s.len, 10 * 2 + 90 * 3 + 1);
	assert_int_equal(strlen(str_text(&s)), s.len);
	assert_false(s.failed);
	str_reset(&s);
	assert_string_equal(str_text(&s), "");
	str_done(&s);
}

static err_t build_text(void *arg)
{
	struct str s = STR_INIT;
	bool failed;

	UNUSED(arg);
	for (int i = 0; i < 200; i++)
		str_printf(&s, "%d", i);
	str_append(&s, "end");
	failed = s.failed;
	str_done(&s);
	return failed ? ERR_EXHAUSTED : ERR_OK;
}

static void a_text_without_memory_says_so_at_the_end(void **state)
{
	UNUSED(state);
	testkit_each_alloc_failure(build_text, NULL);
}

static void an_impossible_size_fails_and_does_not_hang(void **state)
{
	struct str s = STR_INIT;

	UNUSED(state);
	str_append(&s, "x");
	str_append_n(&s, "y", SIZE_MAX - 1);
	assert_true(s.failed);
	assert_string_equal(str_text(&s), "x");
	str_done(&s);
	str_append_n(&s, "y", SIZE_MAX);
	assert_true(s.failed);
}

static void str_copy_cuts_and_tells(void **state)
{
	char buf[4];

	UNUSED(state);
	assert_true(str_copy(buf, sizeof(buf), "abc"));
	assert_string_equal(buf, "abc");
	assert_false(str_copy(buf, sizeof(buf), "abcd"));
	assert_string_equal(buf, "abc");
	assert_false(str_copy(buf, 1, "a"));
	assert_string_equal(buf, "");
}

static void utf8_follows_rfc_3629(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		bool valid;
	} rows[] = {
		{ "", 0, true },
		{ "plain", 5, true },
		{ "\xc3\xa9\xe4\xb8\xad\xf0\x9f\x93\x9e", 9, true },
		{ "a\0b", 3, false }, /* NUL */
		{ "\x80", 1, false }, /* lone continuation */
		{ "\xc3", 1, false }, /* cut */
		{ "\xe4\xb8", 2, false },
		{ "\xc0\xaf", 2, false }, /* overlong '/' */
		{ "\xc1\xbf", 2, false },
		{ "\xe0\x80\xaf", 3, false },
		{ "\xf0\x80\x80\xaf", 4, false },
		{ "\xed\xa0\x80", 3, false }, /* surrogate */
		{ "\xed\x9f\xbf", 3, true },
		{ "\xf4\x8f\xbf\xbf", 4, true }, /* U+10FFFF */
		{ "\xf4\x90\x80\x80", 4, false },
		{ "\xf5\x80\x80\x80", 4, false },
		{ "\xff", 1, false },
		{ "\xc3\x28", 2, false },
	};

	UNUSED(state);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (str_utf8_valid(rows[i].bytes, rows[i].n) != rows[i].valid)
			fail_msg("row %zu", i);
}

static void cleaning_leaves_only_utf8_without_controls(void **state)
{
	char s[] = "a\tb\xff\xc3\xa9\x7f\xe4\xb8";

	UNUSED(state);
	str_utf8_clean(s);
	assert_string_equal(s, "a?b?\xc3\xa9???");
}

static void ids_are_nats_tokens(void **state)
{
	char longest[65];

	UNUSED(state);
	assert_true(str_is_id("a"));
	assert_true(str_is_id("queue-7"));
	assert_true(str_is_id("0"));
	assert_false(str_is_id(NULL));
	assert_false(str_is_id(""));
	assert_false(str_is_id("-a"));
	assert_false(str_is_id("a.b"));
	assert_false(str_is_id("a b"));
	assert_false(str_is_id("A"));
	assert_false(str_is_id("a*"));
	assert_false(str_is_id("\xc3\xa9"));
	memset(longest, 'a', sizeof(longest));
	longest[63] = '\0';
	assert_true(str_is_id(longest));
	longest[63] = 'a';
	longest[64] = '\0';
	assert_false(str_is_id(longest));
}

static void numbers_are_taken_whole_and_in_range_or_not_at_all(void **state)
{
	static const char *const wrong[] = { "",     " 1", "+1",  "1 ",	 "1x",
					     "0x10", "-",  "--1", "\n1", "9223372036854775808",
					     "101",  "-6" };
	int64_t v = 77;

	UNUSED(state);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		assert_int_equal(str_to_i64(wrong[i], -5, 100, &v), ERR_INVALID);
		assert_int_equal(v, 77);
	}
	assert_int_equal(str_to_i64(NULL, -5, 100, &v), ERR_INVALID);
	assert_int_equal(str_to_i64("-5", -5, 100, &v), ERR_OK);
	assert_int_equal(v, -5);
	assert_int_equal(str_to_i64("007", -5, 100, &v), ERR_OK);
	assert_int_equal(v, 7);
	assert_int_equal(str_to_i64("-9223372036854775808", INT64_MIN, INT64_MAX, &v), ERR_OK);
	assert_true(v == INT64_MIN);
}

static void comparisons(void **state)
{
	UNUSED(state);
	assert_true(str_eq("a", "a"));
	assert_false(str_eq("a", "b"));
	assert_true(str_eq(NULL, NULL));
	assert_false(str_eq(NULL, ""));
	assert_true(str_empty(NULL) && str_empty("") && !str_empty(" "));
	assert_true(str_eq_secret("", ""));
	assert_true(str_eq_secret("secret", "secret"));
	assert_false(str_eq_secret("secret", "secre"));
	assert_false(str_eq_secret("secre", "secret"));
	assert_false(str_eq_secret("a", ""));
	assert_false(str_eq_secret("", "a"));
	assert_false(str_eq_secret("aa", "a")); /* the shorter one repeats */
}

static void an_arena_hands_out_aligned_zeroed_memory(void **state)
{
	struct arena a;

	UNUSED(state);
	arena_init(&a, 64);
	for (size_t n = 0; n < 300; n += 7) {
		unsigned char *p = arena_alloc(&a, n);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 16, 0);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xee, n);
	}
	arena_reset(&a);
	for (int i = 0; i < 4; i++)
		assert_int_equal(*(unsigned char *)arena_alloc(&a, 16), 0);
	arena_done(&a);
	arena_done(&a);
	assert_null(arena_alloc(&a, SIZE_MAX - 3));
}

static void an_arena_copies_text(void **state)
{
	struct arena a;

	UNUSED(state);
	arena_init(&a, 0);
	assert_string_equal(arena_strdup(&a, "agent"), "agent");
	assert_string_equal(arena_strndup(&a, "agent", 2), "ag");
	assert_string_equal(arena_strndup(&a, "ag", 100), "ag");
	assert_string_equal(arena_printf(&a, "%s-%d", "cc", 7), "cc-7");
	assert_memory_equal(arena_dup(&a, "a\0b", 3), "a\0b", 3);
	arena_done(&a);
}

static err_t fill_arena(void *arg)
{
	struct arena a;
	err_t e = ERR_OK;

	UNUSED(arg);
	arena_init(&a, 32);
	for (int i = 0; i < 10 && !e; i++)
		if (!arena_printf(&a, "a text of some length, number %d", i))
			e = ERR_EXHAUSTED;
	arena_done(&a);
	return e;
}

static void an_arena_without_memory_says_null(void **state)
{
	UNUSED(state);
	testkit_each_alloc_failure(fill_arena, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_grows_as_it_is_appended),
		cmocka_unit_test(a_text_without_memory_says_so_at_the_end),
		cmocka_unit_test(an_impossible_size_fails_and_does_not_hang),
		cmocka_unit_test(str_copy_cuts_and_tells),
		cmocka_unit_test(utf8_follows_rfc_3629),
		cmocka_unit_test(cleaning_leaves_only_utf8_without_controls),
		cmocka_unit_test(ids_are_nats_tokens),
		cmocka_unit_test(numbers_are_taken_whole_and_in_range_or_not_at_all),
		cmocka_unit_test(comparisons),
		cmocka_unit_test(an_arena_hands_out_aligned_zeroed_memory),
		cmocka_unit_test(an_arena_copies_text),
		cmocka_unit_test(an_arena_without_memory_says_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
