/* Envelopes: what opens where, what is found, what is refused (GT-16). */
#include "sealed/sealed.h"
#include "base/mem.h"
#include "testkit/cmocka_all.h"
#include "testkit/testkit.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { CALLER, DIGITS };
static const struct sealed_column columns[] = { { "rep.call.caller", true }, { "rep.call.digits", false } };

/* Of another implementation (Python's cryptography): key 00 01 … 1f, nonce 00 … 0b. */
#define VECTOR "sealed:1:0ZpwgCv6JfV6bsf3DKBM+A==:AAECAwQFBgcICQoLy1OJ+Z8LtrM5Bwmw3MIzK5GYFBKQBb3GDwhosZ0="

static void fill(uint8_t key[SEALED_KEY], uint8_t first)
{
	for (unsigned i = 0; i < SEALED_KEY; i++)
		key[i] = (uint8_t)(first + i);
}

static struct sealed_keys *keys_of(const char *tenant, uint32_t version, uint8_t first)
{
	struct sealed_keys *k = NULL;
	uint8_t key[SEALED_KEY];

	fill(key, first);
	assert_int_equal(sealed_keys_new(&k, tenant, columns, ARRAY_SIZE(columns)), ERR_OK);
	if (version)
		assert_int_equal(sealed_keys_add(k, version, key), ERR_OK);
	return k;
}

static void seal(const struct sealed_keys *k, size_t column, const char *row, const char *text, struct str *out)
{
	str_reset(out);
	assert_int_equal(sealed_seal(k, column, row, text, strlen(text), out), ERR_OK);
}

static err_t opened(const struct sealed_keys *k, size_t column, const char *row, const char *envelope, const char *want)
{
	struct str clear = STR_INIT;
	err_t e = sealed_open(k, column, row, envelope, &clear);

	assert_string_equal(str_text(&clear), e ? "" : want);
	str_done(&clear);
	return e;
}

static void an_envelope_of_another_implementation_opens_and_is_found_GT_16(void **state)
{
	struct sealed_keys *k = keys_of("acme", 1, 0);
	char prefix[SEALED_VERSIONS_MAX][SEALED_PREFIX];
	size_t n;

	(void)state;
	assert_int_equal(opened(k, CALLER, "call-1", VECTOR, "+49 30 123456"), ERR_OK);
	assert_int_equal(sealed_find(k, CALLER, "+4930123456", prefix, &n), ERR_OK);
	assert_int_equal(n, 1);
	assert_memory_equal(prefix[0], VECTOR, strlen(prefix[0]));
	sealed_keys_free(&k);
}

static void what_is_sealed_opens_again_and_shows_nothing_GT_16(void **state)
{
	static const char *const texts[] = { "", "1", "+4930123456", "sip:anna@example.net", "高小姐" };
	struct sealed_keys *k = keys_of("acme", 7, 9);
	struct str a = STR_INIT, b = STR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		for (size_t c = CALLER; c <= DIGITS; c++) {
			seal(k, c, "call-1", texts[i], &a);
			seal(k, c, "call-1", texts[i], &b);
			assert_true(sealed_is(a.data, a.len));
			assert_string_not_equal(a.data, b.data); /* a nonce of its own */
			if (strlen(texts[i]) > 3)
				assert_null(strstr(a.data, texts[i]));
			assert_int_equal(opened(k, c, "call-1", a.data, texts[i]), ERR_OK);
		}
	}
	str_done(&a);
	str_done(&b);
	sealed_keys_free(&k);
}

static void an_envelope_opens_nowhere_else_GT_16(void **state)
{
	struct sealed_keys *a = keys_of("acme", 1, 0), *same_key = keys_of("globex", 1, 0),
			   *other = keys_of("acme", 1, 1);
	struct sealed_keys *newer = keys_of("acme", 2, 0);
	struct str s = STR_INIT;

	(void)state;
	seal(a, CALLER, "call-1", "+4930123456", &s);
	assert_int_equal(opened(a, CALLER, "call-2", s.data, ""), ERR_DATA_LOSS);
	assert_int_equal(opened(a, DIGITS, "call-1", s.data, ""), ERR_DATA_LOSS);
	assert_int_equal(opened(same_key, CALLER, "call-1", s.data, ""), ERR_DATA_LOSS);
	assert_int_equal(opened(other, CALLER, "call-1", s.data, ""), ERR_DATA_LOSS);
	assert_int_equal(opened(newer, CALLER, "call-1", s.data, ""), ERR_NOT_FOUND);
	s.data[strlen("sealed:")] = '2'; /* its version is covered, too */
	assert_int_equal(opened(newer, CALLER, "call-1", s.data, ""), ERR_DATA_LOSS);
	str_done(&s);
	sealed_keys_free(&a);
	sealed_keys_free(&same_key);
	sealed_keys_free(&other);
	sealed_keys_free(&newer);
}

static void a_changed_byte_is_noticed_GT_16(void **state)
{
	struct sealed_keys *k = keys_of("acme", 1, 0);
	struct str s = STR_INIT;

	(void)state;
	seal(k, DIGITS, "call-1", "1234", &s);
	for (size_t i = strlen("sealed:1::"); i < s.len; i++) {
		char was = s.data[i];

		if (was == '=')
			continue;
		s.data[i] = was == 'A' ? 'Q' : 'A';
		assert_int_equal(opened(k, DIGITS, "call-1", s.data, ""), ERR_DATA_LOSS);
		s.data[i] = was;
	}
	assert_int_equal(opened(k, DIGITS, "call-1", s.data, "1234"), ERR_OK);
	str_done(&s);
	sealed_keys_free(&k);
}

static void the_highest_version_seals_and_all_open_and_find_GT_16(void **state)
{
	struct sealed_keys *k = keys_of("acme", 2, 0), *old = keys_of("acme", 1, 50);
	char prefix[SEALED_VERSIONS_MAX][SEALED_PREFIX];
	struct str s = STR_INIT;
	uint8_t key[SEALED_KEY];
	size_t n, found = 0;

	(void)state;
	fill(key, 50);
	assert_int_equal(sealed_keys_add(k, 1, key), ERR_OK);
	assert_int_equal(sealed_keys_add(k, 1, key), ERR_EXISTS);
	assert_int_equal(sealed_keys_add(k, 0, key), ERR_RANGE);
	seal(old, CALLER, "call-1", "+4930123456", &s);
	assert_int_equal(opened(k, CALLER, "call-1", s.data, "+4930123456"), ERR_OK);
	assert_int_equal(sealed_find(k, CALLER, "4930123456", prefix, &n), ERR_OK);
	assert_int_equal(n, 2);
	for (size_t i = 0; i < n; i++)
		found += strncmp(s.data, prefix[i], strlen(prefix[i])) == 0;
	assert_int_equal(found, 1);
	seal(k, CALLER, "call-1", "+4930123456", &s);
	assert_memory_equal(s.data, "sealed:2:", 9);
	for (uint32_t v = 3; v <= SEALED_VERSIONS_MAX; v++)
		assert_int_equal(sealed_keys_add(k, v, key), ERR_OK);
	assert_int_equal(sealed_keys_add(k, 9, key), ERR_RANGE);
	str_done(&s);
	sealed_keys_free(&k);
	sealed_keys_free(&old);
}

static void what_must_not_be_sealed_is_refused(void **state)
{
	struct sealed_keys *k = keys_of("acme", 0, 0);
	static char longest[SEALED_TEXT_MAX + 2];
	char prefix[SEALED_VERSIONS_MAX][SEALED_PREFIX];
	struct str s = STR_INIT;
	uint8_t key[SEALED_KEY];
	size_t n = 9;

	(void)state;
	assert_int_equal(sealed_seal(k, CALLER, "call-1", "1", 1, &s), ERR_PRECONDITION);
	assert_int_equal(sealed_find(k, CALLER, "1", prefix, &n), ERR_OK);
	assert_int_equal(n, 0);
	fill(key, 0);
	assert_int_equal(sealed_keys_add(k, 1, key), ERR_OK);
	memset(longest, 'x', sizeof(longest) - 1);
	assert_int_equal(sealed_seal(k, CALLER, "call-1", longest, SEALED_TEXT_MAX + 1, &s), ERR_INVALID);
	longest[SEALED_TEXT_MAX] = '\0';
	seal(k, CALLER, "call-1", longest, &s);
	assert_int_equal(opened(k, CALLER, "call-1", s.data, longest), ERR_OK);
	assert_int_equal(sealed_find(k, DIGITS, "1", prefix, &n), ERR_OK); /* without an index */
	assert_int_equal(n, 0);
	str_done(&s);
	sealed_keys_free(&k);
}

static void what_is_no_envelope_is_told(void **state)
{
	static const char *const bad[] = {
		"",
		"sealed:",
		"sealed:1",
		"sealed:1:",
		"sealed:1::",
		"sealed:0::AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxw=",
		"sealed:01::AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw==",
		"sealed:4294967296::AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw==",
		"sealed:x::AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw==",
		"sealed:1:AAAA:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw==",
		"sealed:1::AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBk=",
		"sealed:1::AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBka w==",
		"sealed:1::AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaG===",
		"sealed:1::AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw=",
		" sealed:1::AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw==",
	};
	struct sealed_keys *k = keys_of("acme", 1, 0);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(opened(k, DIGITS, "call-1", bad[i], ""), ERR_INVALID);
	assert_int_equal(opened(k, DIGITS, "call-1", "sealed:1::AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw==", ""),
			 ERR_DATA_LOSS);
	sealed_keys_free(&k);
}

static void one_number_in_several_spellings_is_one(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "+4930123456", "4930123456" },
		{ "4930123456", "4930123456" },
		{ "+49 (30) 123-456", "4930123456" },
		{ "*21#", "*21#" },
		{ "1+2", "1+2" },
		{ "Anna.B", "anna.b" },
		{ "+", "+" },
		{ "", "" },
		{ "12a", "12a" },
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		sealed_normalise(rows[i].text, strlen(rows[i].text), out);
		assert_string_equal(out, rows[i].want);
	}
}

static void a_wrapped_key_opens_with_its_master_tenant_and_version_only_GT_16(void **state)
{
	uint8_t master[SEALED_KEY], key[SEALED_KEY], out[SEALED_KEY], wrapped[SEALED_WRAPPED];

	(void)state;
	fill(master, 100);
	assert_int_equal(sealed_key_make(key), ERR_OK);
	assert_int_equal(sealed_wrap(master, "acme", 1, key, wrapped), ERR_OK);
	assert_int_equal(sealed_unwrap(master, "acme", 1, wrapped, sizeof(wrapped), out), ERR_OK);
	assert_memory_equal(out, key, SEALED_KEY);
	assert_int_equal(sealed_unwrap(master, "globex", 1, wrapped, sizeof(wrapped), out), ERR_DATA_LOSS);
	assert_int_equal(sealed_unwrap(master, "acme", 2, wrapped, sizeof(wrapped), out), ERR_DATA_LOSS);
	assert_int_equal(sealed_unwrap(master, "acme", 1, wrapped, sizeof(wrapped) - 1, out), ERR_DATA_LOSS);
	wrapped[20] ^= 1;
	assert_int_equal(sealed_unwrap(master, "acme", 1, wrapped, sizeof(wrapped), out), ERR_DATA_LOSS);
	wrapped[20] ^= 1;
	fill(master, 101);
	assert_int_equal(sealed_unwrap(master, "acme", 1, wrapped, sizeof(wrapped), out), ERR_DATA_LOSS);
}

static void a_master_key_is_a_private_file_of_64_hex_digits(void **state)
{
#define DIGITS_60 "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d"
	static const struct {
		const char *text;
		mode_t mode;
		err_t want;
	} rows[] = {
		{ DIGITS_60 "1e1f\n", 0600, ERR_OK },
		{ DIGITS_60 "1E1F", 0640, ERR_OK },
		{ DIGITS_60 "1e1f\n", 0644, ERR_DENIED },
		{ DIGITS_60 "1e1", 0600, ERR_INVALID },
		{ DIGITS_60 "1e1f20", 0600, ERR_INVALID },
		{ DIGITS_60 "1eig", 0600, ERR_INVALID },
		{ "", 0600, ERR_INVALID },
	};
	char dir[TESTKIT_PATH], path[TESTKIT_PATH + 64];
	uint8_t want[SEALED_KEY], key[SEALED_KEY];
	struct err_detail d;

	(void)state;
	testkit_dir(dir);
	fill(want, 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		testkit_file(dir, "master", rows[i].text, path);
		assert_int_equal(chmod(path, rows[i].mode), 0);
		assert_int_equal(sealed_master_read(key, path, "keys.master_file", &d), rows[i].want);
		if (rows[i].want)
			assert_string_equal(d.field, "keys.master_file");
		else
			assert_memory_equal(key, want, SEALED_KEY);
	}
	assert_int_equal(sealed_master_read(key, "/nowhere/at/all", "keys.master_file", &d), ERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_envelope_of_another_implementation_opens_and_is_found_GT_16),
		cmocka_unit_test(what_is_sealed_opens_again_and_shows_nothing_GT_16),
		cmocka_unit_test(an_envelope_opens_nowhere_else_GT_16),
		cmocka_unit_test(a_changed_byte_is_noticed_GT_16),
		cmocka_unit_test(the_highest_version_seals_and_all_open_and_find_GT_16),
		cmocka_unit_test(what_must_not_be_sealed_is_refused),
		cmocka_unit_test(what_is_no_envelope_is_told),
		cmocka_unit_test(one_number_in_several_spellings_is_one),
		cmocka_unit_test(a_wrapped_key_opens_with_its_master_tenant_and_version_only_GT_16),
		cmocka_unit_test(a_master_key_is_a_private_file_of_64_hex_digits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
