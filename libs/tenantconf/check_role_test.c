/* GT-3: roles, and those of an agent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "tenantconf/check.h"
#include "trunkline/config/v1/config.pb-c.h"

static void a_role_names_each_permission_once_and_none_of_operators(void **state)
{
	static const struct {
		const char *id, *permissions[2];
		err_t want;
		const char *field, *text;
	} rows[] = {
		{ "auditor", { "audit.read", "reports.read" }, ERR_OK, "", "" },
		{ "nothing", { NULL }, ERR_OK, "", "" },
		{ "Auditor", { NULL }, ERR_INVALID, "id", "is no id" },
		{ "agent", { NULL }, ERR_INVALID, "id", "built-in" },
		{ "operator-allocation", { NULL }, ERR_INVALID, "id", "built-in" },
		{ "r", { "audit.read", "audit.Read" }, ERR_INVALID, "permissions[1]", "'audit.Read' is no permission" },
		{ "r", { "" }, ERR_INVALID, "permissions[0]", "is no permission" },
		{ "r", { "tenants.list" }, ERR_INVALID, "permissions[0]", "is for operators" },
		{ "r", { "audit.read", "audit.read" }, ERR_INVALID, "permissions[1]", "there twice" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		Trunkline__Config__V1__Role r = TRUNKLINE__CONFIG__V1__ROLE__INIT;
		struct err_detail d = { 0 };

		r.id = (char *)(uintptr_t)rows[i].id;
		r.permissions = (char **)(uintptr_t)rows[i].permissions;
		r.n_permissions = (rows[i].permissions[0] != NULL) + (rows[i].permissions[1] != NULL);
		err_t e = check_resource(&r.base, &d);
		if (e != rows[i].want || strcmp(d.field, rows[i].field) != 0 || !strstr(d.message, rows[i].text))
			fail_msg("%zu: %s '%s' '%s'", i, err_name(e), d.field, d.message);
	}
}

static err_t note_ref(enum check_kind kind, const char *id, const char *path, void *arg)
{
	snprintf(arg, 80, "%s %s %s", check_kind_name(kind), id, path);
	return ERR_OK;
}

static void an_agent_refers_to_the_tenants_roles_and_not_to_built_in_ones(void **state)
{
	const char *roles[] = { "supervisor", "auditor", "supervisor", "operator-readonly", "No" };
	Trunkline__Config__V1__Agent a = TRUNKLINE__CONFIG__V1__AGENT__INIT;
	struct err_detail d = { 0 };
	char *many[17];
	char seen[80];

	(void)state;
	a.tenant = (char *)(uintptr_t) "acme";
	a.id = (char *)(uintptr_t) "1001";
	a.roles = (char **)(uintptr_t)roles;
	a.n_roles = 2;
	assert_int_equal(check_resource(&a.base, &d), ERR_OK);
	assert_int_equal(check_refs(&a.base, note_ref, seen), ERR_OK);
	assert_string_equal(seen, "role auditor roles[1]");
	a.n_roles = 3;
	assert_int_equal(check_resource(&a.base, &d), ERR_INVALID);
	assert_string_equal(d.field, "roles[2]");
	a.roles += 3;
	a.n_roles = 1;
	assert_int_equal(check_resource(&a.base, &d), ERR_INVALID);
	assert_non_null(strstr(d.message, "operators"));
	a.roles += 1;
	assert_int_equal(check_resource(&a.base, &d), ERR_INVALID);
	assert_non_null(strstr(d.message, "is no id"));
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = (char *)(uintptr_t)roles[1];
	a.roles = many;
	a.n_roles = ARRAY_SIZE(many);
	assert_int_equal(check_resource(&a.base, &d), ERR_INVALID);
	assert_non_null(strstr(d.message, "at most 16"));
}

static void operators_have_roles_of_their_own_side_GT_3_1_2(void **state)
{
	char *permissions[] = { (char *)(uintptr_t) "tenants.list", (char *)(uintptr_t) "queues.read",
				(char *)(uintptr_t) "fly" };
	char *roles[] = { (char *)(uintptr_t) "operator-readonly", (char *)(uintptr_t) "billing",
			  (char *)(uintptr_t) "tenant-admin" };
	Trunkline__Config__V1__Role r = TRUNKLINE__CONFIG__V1__ROLE__INIT;
	struct err_detail d = { 0 };

	(void)state;
	r.id = (char *)(uintptr_t) "billing";
	r.permissions = permissions;
	r.n_permissions = 2;
	assert_int_equal(check_operators_role(&r.base, &d), ERR_OK);
	r.n_permissions = 3;
	assert_int_equal(check_operators_role(&r.base, &d), ERR_INVALID);
	assert_string_equal(d.field, "permissions[2]");
	assert_int_equal(check_roles(roles, 2, true, &d), ERR_OK);
	assert_int_equal(check_roles(roles, 3, true, &d), ERR_INVALID);
	assert_string_equal(d.field, "roles[2]");
	assert_int_equal(check_roles(roles, 2, false, &d), ERR_INVALID);
	assert_string_equal(d.field, "roles[0]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_role_names_each_permission_once_and_none_of_operators),
		cmocka_unit_test(an_agent_refers_to_the_tenants_roles_and_not_to_built_in_ones),
		cmocka_unit_test(operators_have_roles_of_their_own_side_GT_3_1_2),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
