/* GT-3: nobody gives more than he has. */
#include "role.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void what_the_giver_does_not_have_is_refused_by_name(void **state)
{
	const uint64_t queues = rights_bit(RIGHT_QUEUES_READ), audit = rights_bit(RIGHT_AUDIT_READ),
		       list = rights_bit(RIGHT_TENANTS_LIST);
	const struct auth_user admin = { .subject = "admin:mei", .tenant = "acme", .rights = queues };
	const struct auth_user root = { .subject = "root", .rights = rights_bit(RIGHT_TENANTS_DELEGATE) };
	const struct {
		const struct auth_user *giver;
		uint64_t set;
		const char *needs; /* NULL: may */
	} rows[] = {
		{ &admin, 0, NULL },
		{ &admin, queues, NULL },
		{ &admin, queues | audit, "admin:mei needs audit.read" },
		{ &root, audit | queues, NULL },
		{ &root, list, "root needs tenants.list" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err_detail d = { 0 };
		err_t e = role_refuse(rows[i].giver, rows[i].set, "roles", &d);

		assert_int_equal(e, rows[i].needs ? ERR_DENIED : ERR_OK);
		assert_string_equal(d.field, rows[i].needs ? "roles" : "");
		if (rows[i].needs)
			assert_non_null(strstr(d.message, rows[i].needs));
	}
}

static void to_an_operator_a_delegate_gives_only_what_he_has_GT_3(void **state)
{
	const uint64_t audit = rights_bit(RIGHT_AUDIT_READ), delegate = rights_bit(RIGHT_TENANTS_DELEGATE);
	const struct auth_user root = { .subject = "root", .rights = delegate };
	struct err_detail d = { 0 };

	(void)state;
	assert_int_equal(role_refuse_operator(&root, delegate, "roles", &d), ERR_OK);
	assert_int_equal(role_refuse_operator(&root, audit | delegate, "roles", &d), ERR_DENIED);
	assert_string_equal(d.field, "roles");
	assert_non_null(strstr(d.message, "root needs audit.read"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_giver_does_not_have_is_refused_by_name),
		cmocka_unit_test(to_an_operator_a_delegate_gives_only_what_he_has_GT_3),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
