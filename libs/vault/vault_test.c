/* What is stored of a text, and shown to whom (GT-16). */
#include "confkit/confkit.h"
#include "testkit/cmocka_all.h"
#include "vault/vault_internal.h"

#include <string.h>

enum { CALLER, DIGITS };
static const struct vault_column columns[] = {
	{ { "rep.call.caller", true }, TENANT_CALLER_NUMBER },
	{ { "rep.call.digits", false }, TENANT_IVR_INPUT },
};

/* first_key 0: it has none. */
static struct vault_tenant *tenant(const char *id, const char *fields, uint8_t first_key, bool has_master)
{
	struct vault_common common = { .columns = columns, .n = 2, .has_master = has_master };
	struct str json = STR_INIT;
	struct vault_tenant *t = NULL;
	uint32_t version = 0;
	err_t key;

	for (unsigned i = 0; i < SEALED_KEY; i++)
		common.master[i] = (uint8_t)i;
	for (size_t i = 0; i < 2; i++)
		common.sealed[i] = columns[i].column;
	str_printf(&json,
		   "{'tenant':'%s','version':1,'timeZone':'UTC','sipDomain':'%s.test','sensitiveFields':[%s],'keys':[",
		   id, id, fields);
	if (first_key)
		confkit_add_key(&json, id, 1, first_key);
	str_append(&json, "]}");
	const struct tenant *conf = confkit_tenant(str_text(&json));
	assert_int_equal(vault_tenant_new(&t, &common, conf, &key, &version), ERR_OK);
	tenant_unref(&conf);
	str_done(&json);
	return t;
}

#define CALLERS "'SENSITIVE_FIELD_CALLER_NUMBER'"
#define ALL	CALLERS ",'SENSITIVE_FIELD_IVR_INPUT'"

static const char *kept(const struct vault_tenant *t, size_t column, const char *text)
{
	static struct str s;

	str_reset(&s);
	assert_int_equal(vault_keep(t, column, "call-1", text, strlen(text), &s), ERR_OK);
	return str_text(&s);
}

static const char *shown(const struct vault_tenant *t, size_t column, const char *stored, bool clear)
{
	static struct str s;

	str_reset(&s);
	assert_int_equal(vault_show(t, column, "call-1", stored, clear, &s), ERR_OK);
	return str_text(&s);
}

static void what_is_marked_is_encrypted_and_shown_to_who_may_GT_16(void **state)
{
	struct vault_tenant *t = tenant("acme", CALLERS, 7, true);
	char stored[256];

	(void)state;
	(void)str_copy(stored, sizeof(stored), kept(t, CALLER, "+4930123456"));
	assert_true(sealed_is(stored, strlen(stored)));
	assert_string_equal(shown(t, CALLER, stored, true), "+4930123456");
	assert_string_equal(shown(t, CALLER, stored, false), VAULT_MASK "3456");
	assert_string_equal(kept(t, DIGITS, "1234"), "1234"); /* not marked */
	assert_string_equal(shown(t, DIGITS, "1234", false), "1234");
	vault_tenant_unref(&t);
}

static void a_mask_shows_the_end_of_long_numbers_only_GT_16(void **state)
{
	static const struct {
		size_t column;
		const char *text, *want;
	} rows[] = {
		{ CALLER, "12345678", VAULT_MASK "5678" },
		{ CALLER, "1234567", VAULT_MASK },
		{ CALLER, "anna.12345678", VAULT_MASK },
		{ DIGITS, "123456789012", VAULT_MASK },
		{ CALLER, "", "" },
	};
	struct vault_tenant *t = tenant("acme", ALL, 7, true);
	char stored[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		(void)str_copy(stored, sizeof(stored), kept(t, rows[i].column, rows[i].text));
		assert_string_equal(shown(t, rows[i].column, stored, false), rows[i].want);
		/* What was stored before the field was marked is masked, too. */
		assert_string_equal(shown(t, rows[i].column, rows[i].text, false), rows[i].want);
		assert_string_equal(shown(t, rows[i].column, rows[i].text, true), rows[i].text);
	}
	vault_tenant_unref(&t);
}

static void without_a_key_nothing_is_stored_and_nothing_shown_GT_16(void **state)
{
	struct vault_tenant *good = tenant("acme", CALLERS, 7, true), *none = tenant("acme", CALLERS, 0, true),
			    *no_master = tenant("acme", CALLERS, 7, false), *other = tenant("acme", CALLERS, 8, true);
	char stored[256];

	(void)state;
	(void)str_copy(stored, sizeof(stored), kept(good, CALLER, "+4930123456"));
	assert_string_equal(kept(none, CALLER, "+4930123456"), "");
	assert_string_equal(kept(no_master, CALLER, "+4930123456"), "");
	assert_string_equal(shown(none, CALLER, stored, true), "");
	assert_string_equal(shown(no_master, CALLER, stored, true), "");
	assert_string_equal(shown(other, CALLER, stored, true), ""); /* a later tenant of this id */
	vault_tenant_unref(&good);
	vault_tenant_unref(&none);
	vault_tenant_unref(&no_master);
	vault_tenant_unref(&other);
}

static void a_field_that_is_no_longer_marked_stays_readable_to_who_may_GT_16(void **state)
{
	struct vault_tenant *before = tenant("acme", CALLERS, 7, true), *after = tenant("acme", "", 7, true);
	char stored[256];

	(void)state;
	(void)str_copy(stored, sizeof(stored), kept(before, CALLER, "+4930123456"));
	assert_string_equal(kept(after, CALLER, "+4930123456"), "+4930123456");
	assert_string_equal(shown(after, CALLER, stored, true), "+4930123456");
	assert_string_equal(shown(after, CALLER, stored, false), VAULT_MASK "3456");
	vault_tenant_unref(&before);
	vault_tenant_unref(&after);
}

static void a_caller_cannot_pass_for_an_envelope(void **state)
{
	struct vault_tenant *t = tenant("acme", "", 0, true);

	(void)state;
	assert_string_equal(kept(t, CALLER, "sealed:1::AAAA"), "");
	assert_string_equal(kept(t, CALLER, "sealed"), "sealed");
	vault_tenant_unref(&t);
}

static void a_number_is_looked_for_whole_and_by_who_may_GT_16(void **state)
{
	struct vault_tenant *t = tenant("acme", CALLERS, 7, true), *open = tenant("acme", "", 7, true);
	char found[SEALED_VERSIONS_MAX][SEALED_PREFIX], stored[256];
	struct err_detail d;
	size_t n;

	(void)state;
	(void)str_copy(stored, sizeof(stored), kept(t, CALLER, "+4930123456"));
	assert_int_equal(vault_seek(t, CALLER, "+49 30 123456", false, true, "caller", found, &n, &d), ERR_OK);
	assert_int_equal(n, 1);
	assert_memory_equal(stored, found[0], strlen(found[0]));
	assert_int_equal(vault_seek(t, CALLER, "+4930", true, true, "caller", found, &n, &d), ERR_INVALID);
	assert_string_equal(d.field, "caller");
	assert_non_null(strstr(d.message, "encrypted"));
	assert_int_equal(vault_seek(t, CALLER, "+4930123456", false, false, "caller", found, &n, &d), ERR_DENIED);
	assert_non_null(strstr(d.message, "calls.sensitive"));
	assert_int_equal(vault_seek(open, CALLER, "+4930", true, false, "caller", found, &n, &d), ERR_OK);
	assert_int_equal(n, 0);
	assert_int_equal(vault_seek(open, CALLER, "+4930123456", false, true, "caller", found, &n, &d), ERR_OK);
	assert_int_equal(n, 1); /* what was stored while it was marked */
	vault_tenant_unref(&t);
	vault_tenant_unref(&open);
}

static void without_a_view_nothing_is_sensitive(void **state)
{
	const struct vault_tenant *t = vault_find(NULL, "acme", 4);

	(void)state;
	assert_false(vault_sensitive(t, CALLER));
	assert_string_equal(kept(t, CALLER, "+4930123456"), "+4930123456");
	assert_string_equal(shown(t, CALLER, "+4930123456", false), "+4930123456");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_marked_is_encrypted_and_shown_to_who_may_GT_16),
		cmocka_unit_test(a_mask_shows_the_end_of_long_numbers_only_GT_16),
		cmocka_unit_test(without_a_key_nothing_is_stored_and_nothing_shown_GT_16),
		cmocka_unit_test(a_field_that_is_no_longer_marked_stays_readable_to_who_may_GT_16),
		cmocka_unit_test(a_caller_cannot_pass_for_an_envelope),
		cmocka_unit_test(a_number_is_looked_for_whole_and_by_who_may_GT_16),
		cmocka_unit_test(without_a_view_nothing_is_sensitive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
