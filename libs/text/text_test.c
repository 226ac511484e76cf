#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <string.h>
#include "text.h"

/* ---- which language ---- */
static void a_tag_names_a_language_whatever_its_case_and_a_script_comes_before_a_region_GT_3_1_2f(void **state)
{
	static const struct {
		const char *tag;
		int want; /* -1: none */
	} rows[] = {
		{ "en", TEXT_EN },
		{ "EN-gb", TEXT_EN },
		{ "en-Latn-US", TEXT_EN },
		{ "zh", TEXT_ZH_HANS },
		{ "zh-Hans", TEXT_ZH_HANS },
		{ "zh-CN", TEXT_ZH_HANS },
		{ "zh-SG", TEXT_ZH_HANS },
		{ "zh-MY", TEXT_ZH_HANS },
		{ "ZH-hant", TEXT_ZH_HANT },
		{ "zh-TW", TEXT_ZH_HANT },
		{ "zh-hk", TEXT_ZH_HANT },
		{ "zh-MO", TEXT_ZH_HANT },
		{ "zh-Hans-TW", TEXT_ZH_HANS },
		{ "zh-Hant-CN", TEXT_ZH_HANT },
		{ "zh-x-TW", TEXT_ZH_HANS }, /* private use says nothing of the region */
		{ "zh-u-co-hant", TEXT_ZH_HANS },
		{ "fr", -1 },
		{ "zhx", -1 },
		{ "e", -1 },
		{ "", -1 },
		{ "-", -1 },
		{ "zh-", -1 },
		{ "zh--TW", -1 },
		{ "zh_TW", -1 },
		{ "zh TW", -1 },
		{ "zh-ninechars", -1 },
		{ "zh\xff", -1 },
		{ "zh-aaaaaaaa-bbbbbbbb-cccccccc-dddddddd", -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		enum text_language l = TEXT_LANGUAGES;
		bool found = text_language_of(rows[i].tag, &l);

		if (found != (rows[i].want >= 0) || (found && (int)l != rows[i].want))
			fail_msg("'%s' is %d", rows[i].tag, found ? (int)l : -1);
	}
}

static void accept_language_chooses_by_q_and_the_first_of_equals_GT_3_1_2f(void **state)
{
	static const struct {
		const char *header;
		enum text_language otherwise, want;
	} rows[] = {
		{ "zh-TW", TEXT_EN, TEXT_ZH_HANT },
		{ "zh-CN,zh;q=0.9,en;q=0.8", TEXT_EN, TEXT_ZH_HANS },
		{ "en;q=0.8,zh-HK", TEXT_EN, TEXT_ZH_HANT },
		{ "fr-FR, zh-Hant ; q=0.7 , en;q=0.699", TEXT_EN, TEXT_ZH_HANT },
		{ "zh-TW, zh-CN", TEXT_EN, TEXT_ZH_HANT },
		{ "zh-TW;q=0.5, zh-CN;Q=0.5, en;q=0.500", TEXT_EN, TEXT_ZH_HANT },
		{ "zh-TW;q=1.000", TEXT_EN, TEXT_ZH_HANT },
		{ "\tzh-TW\t;\tq=0.001", TEXT_EN, TEXT_ZH_HANT },
		/* only what we do not have */
		{ "fr", TEXT_ZH_HANS, TEXT_EN },
		{ "fr, de;q=0.5", TEXT_ZH_HANT, TEXT_EN },
		/* whatever you like */
		{ "*", TEXT_ZH_HANT, TEXT_ZH_HANT },
		{ "fr, *;q=0.1", TEXT_ZH_HANT, TEXT_ZH_HANT },
		{ "en;q=0.5, *", TEXT_ZH_HANT, TEXT_ZH_HANT },
		{ "en, *;q=0.5", TEXT_ZH_HANT, TEXT_EN },
		/* nothing said */
		{ NULL, TEXT_ZH_HANT, TEXT_ZH_HANT },
		{ "", TEXT_ZH_HANT, TEXT_ZH_HANT },
		{ " , ,", TEXT_ZH_HANS, TEXT_ZH_HANS },
		{ "en;q=0", TEXT_ZH_HANS, TEXT_ZH_HANS },
		{ "zh_TW", TEXT_ZH_HANS, TEXT_ZH_HANS },
		/* no q: the range is left out */
		{ "en;q=2", TEXT_ZH_HANS, TEXT_ZH_HANS },
		{ "en;q=1.001", TEXT_ZH_HANS, TEXT_ZH_HANS },
		{ "en;q=0.1234", TEXT_ZH_HANS, TEXT_ZH_HANS },
		{ "en;q=-1", TEXT_ZH_HANS, TEXT_ZH_HANS },
		{ "en;q=", TEXT_ZH_HANS, TEXT_ZH_HANS },
		{ "en;q", TEXT_ZH_HANS, TEXT_ZH_HANS },
		{ "en;level=1", TEXT_ZH_HANS, TEXT_ZH_HANS },
		{ "en q=1", TEXT_ZH_HANS, TEXT_ZH_HANS },
		{ "en;q=x, zh-TW;q=0.1", TEXT_ZH_HANS, TEXT_ZH_HANT },
		{ "*-TW", TEXT_ZH_HANS, TEXT_ZH_HANS },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		enum text_language l = text_accept(rows[i].header, rows[i].otherwise);

		if (l != rows[i].want)
			fail_msg("'%s' chooses %s", rows[i].header ? rows[i].header : "(none)", text_tag(l));
	}
}

static void a_locale_names_a_language_without_its_charset(void **state)
{
	enum text_language l = TEXT_EN;

	(void)state;
	assert_true(text_locale("zh_TW.UTF-8", &l) && l == TEXT_ZH_HANT);
	assert_true(text_locale("zh_CN.GB18030", &l) && l == TEXT_ZH_HANS);
	assert_true(text_locale("en_US@euro", &l) && l == TEXT_EN);
	assert_true(text_locale("zh", &l) && l == TEXT_ZH_HANS);
	assert_false(text_locale("C.UTF-8", &l));
	assert_false(text_locale("POSIX", &l));
	assert_false(text_locale("", &l));
	assert_false(text_locale("a_locale_of_more_bytes_than_a_tag_may_have", &l));
}

/* ---- what is said ---- */
static char said[1024];

static enum text_language say(enum text_language l, const struct err_detail *d)
{
	struct str out = STR_INIT;
	enum text_language came = text_detail(&out, l, d);

	assert_false(out.failed);
	(void)str_copy(said, sizeof(said), str_text(&out));
	str_done(&out);
	return came;
}

static void an_error_is_said_with_its_arguments_in_each_language_GT_3_1_2f(void **state)
{
	struct err_detail d;

	(void)state;
	(void)err_set(&d, ERR_INVALID, "queue.id", "'%.70s' is no id: 1 to 63 of a-z, 0-9 and '-', not '-' first",
		      "A b");
	assert_int_equal(say(TEXT_ZH_HANS, &d), TEXT_ZH_HANS);
	assert_string_equal(said, "“A b”不是标识：应为 1 至 63 个 a-z、0-9 和“-”，不能以“-”开头");
	assert_int_equal(say(TEXT_ZH_HANT, &d), TEXT_ZH_HANT);
	assert_string_equal(said, "「A b」不是識別碼：應為 1 至 63 個 a-z、0-9 和「-」，不能以「-」開頭");
	assert_int_equal(say(TEXT_EN, &d), TEXT_EN);
	assert_string_equal(said, d.message);
}

static void arguments_may_stand_in_another_order(void **state)
{
	struct err_detail d;

	(void)state;
	(void)err_set(&d, ERR_EXHAUSTED, "", "%u of %u requests of a second in use; try again in %lld ms", 7u, 10u,
		      250LL);
	assert_int_equal(say(TEXT_ZH_HANS, &d), TEXT_ZH_HANS);
	assert_string_equal(said, "每秒 10 个请求，已用 7 个；请在 250 毫秒后重试");
}

static void an_argument_that_is_a_text_is_said_in_the_language_and_a_name_never_is(void **state)
{
	struct err_detail d;

	(void)state;
	/* A queue with the id "queue": only the kind is a text. */
	(void)err_set(&d, ERR_EXISTS, "queue_id", "there is a %s '%s' already", "queue", "queue");
	(void)say(TEXT_ZH_HANT, &d);
	assert_string_equal(said, "佇列「queue」已經存在");
	(void)err_set(&d, ERR_PRECONDITION, "state", "the agent is %s: %s", "ON_CALL", "sign in first");
	(void)say(TEXT_ZH_HANS, &d);
	assert_string_equal(said, "坐席当前为通话中：请先签入");
}

static void formats_of_every_kind_are_found_in_the_message(void **state)
{
	struct err_detail d;

	(void)state;
	(void)err_set(&d, ERR_INVALID, "", "%.*s|%5d|%%|%-4s|%#llx|%c|%" PRIu64, 2, "abc", 7, "x", 255ULL, 'y',
		      (uint64_t)9);
	assert_string_equal(d.message, "ab|    7|%|x   |0xff|y|9");
	assert_int_equal(d.args[0].begin, 0);
	assert_int_equal(d.args[0].end, 2);
	assert_int_equal(d.args[1].begin, 3);
	assert_int_equal(d.args[1].end, 8);
	assert_int_equal(d.args[2].begin, 11);
	assert_int_equal(d.args[2].end, 15);
	assert_int_equal(d.args[3].begin, 16);
	assert_int_equal(d.args[3].end, 20);
	assert_int_equal(d.args[5].begin, 23);
	assert_int_equal(d.args[5].end, 24);
}

static void what_was_cut_off_is_empty_and_bad_bytes_are_marked(void **state)
{
	char longest[400];
	struct err_detail d;

	(void)state;
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	(void)err_set(&d, ERR_INVALID, "", "there is a %s '%s' already", longest, "gone");
	(void)say(TEXT_ZH_HANS, &d);
	assert_non_null(strstr(said, "“”已经存在"));
	(void)err_set(&d, ERR_INVALID, "", "there is a tenant '%s' already", "\xffz\n");
	(void)say(TEXT_ZH_HANS, &d);
	assert_string_equal(said, "租户“?z?”已经存在");
}

static void what_has_no_translation_stays_english(void **state)
{
	struct err_detail d = { .message = "said by another" };

	(void)state;
	assert_int_equal(say(TEXT_ZH_HANS, &d), TEXT_EN);
	assert_string_equal(said, "said by another");
	(void)err_set(&d, ERR_INVALID, "", "in no catalogue: %d", 5);
	assert_int_equal(say(TEXT_ZH_HANT, &d), TEXT_EN);
	assert_string_equal(said, "in no catalogue: 5");
	assert_string_equal(text_get(TEXT_ZH_HANT, "in no catalogue"), "in no catalogue");
	assert_string_equal(text_get(TEXT_ZH_HANS, ""), "");
}

static void a_line_is_printed_in_the_language(void **state)
{
	char buf[64] = "";
	FILE *f = fmemopen(buf, sizeof(buf), "w");

	(void)state;
	assert_non_null(f);
	text_print(f, TEXT_ZH_HANT, "%s: %llu bytes", "a.mp3", 42ULL);
	fclose(f);
	assert_string_equal(buf, "a.mp3：42 位元組\n");
}

/* ---- the catalogues ---- */
static int placeholders(const char *text, bool numbered[10])
{
	int n = 0;

	for (const char *p = text; (p = strchr(p, '%')); p++) {
		if (p[1] == '%') {
			p++;
		} else if (p[1] >= '1' && p[1] <= '9' && p[2] == '$') {
			numbered[p[1] - '0'] = true;
		} else {
			n++;
		}
	}
	return n;
}

/* tools/check-texts asks the same of the source: here of what was compiled in. */
static void every_entry_is_there_in_each_language_in_order_with_the_placeholders_of_the_source_GT_3_1_2f(void **state)
{
	const struct text_entry *en, *other;
	size_t n, n_other;

	(void)state;
	en = text_catalogue(TEXT_EN, &n);
	assert_true(n > 300);
	for (int l = 0; l < TEXT_LANGUAGES; l++) {
		other = text_catalogue((enum text_language)l, &n_other);
		assert_int_equal(n_other, n);
		for (size_t i = 1; i < n; i++) {
			bool have[10] = { false };
			int want = placeholders(en[i].text, have);

			assert_string_equal(other[i].text, en[i].text);
			assert_true(strcmp(en[i - 1].text, en[i].text) < 0);
			assert_true(str_utf8_valid(other[i].said, strlen(other[i].said)));
			assert_true(want <= ERR_ARGS_MAX);
			if (l != TEXT_EN && !*other[i].said)
				fail_msg("%s: '%s' is not translated", text_tag((enum text_language)l), en[i].text);
			(void)placeholders(other[i].said, have);
			for (int k = 1; *other[i].said && k < 10; k++)
				if (have[k] != (k <= want))
					fail_msg("%s: '%s' has other placeholders", text_tag((enum text_language)l),
						 en[i].text);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tag_names_a_language_whatever_its_case_and_a_script_comes_before_a_region_GT_3_1_2f),
		cmocka_unit_test(accept_language_chooses_by_q_and_the_first_of_equals_GT_3_1_2f),
		cmocka_unit_test(a_locale_names_a_language_without_its_charset),
		cmocka_unit_test(an_error_is_said_with_its_arguments_in_each_language_GT_3_1_2f),
		cmocka_unit_test(arguments_may_stand_in_another_order),
		cmocka_unit_test(an_argument_that_is_a_text_is_said_in_the_language_and_a_name_never_is),
		cmocka_unit_test(formats_of_every_kind_are_found_in_the_message),
		cmocka_unit_test(what_was_cut_off_is_empty_and_bad_bytes_are_marked),
		cmocka_unit_test(what_has_no_translation_stays_english),
		cmocka_unit_test(a_line_is_printed_in_the_language),
		cmocka_unit_test(
		    every_entry_is_there_in_each_language_in_order_with_the_placeholders_of_the_source_GT_3_1_2f),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
