/* Two tenants: neither learns anything of the other, through the API or in the database (GT multi-tenancy). */
#include "manager_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "kind.h"

static struct fixture fx;
static const char *mine, *supervisor;

static void furnish(const char *tenant, const char *number)
{
	static const struct {
		const char *method, *rest;
	} rows[] = {
		{ "CreateSkill", "\"skillId\":\"x1\",\"skill\":{}" },
		{ "CreateQueue", "\"queueId\":\"x1\",\"queue\":{}" },
		{ "CreateFlow", "\"flowId\":\"x1\",\"flow\":{\"steps\":[{\"id\":\"a\",\"answer\":{}}]}" },
		{ "CreateCalendar", "\"calendarId\":\"x1\",\"calendar\":{}" },
		{ "CreateAgent", "\"agentId\":\"x1\",\"agent\":{\"enabled\":true}" },
		{ "CreateTrunk", "\"trunkId\":\"x1\",\"trunk\":{\"addresses\":[\"192.0.2.1\"]}" },
	};
	char j[512];

	snprintf(j, sizeof(j), "{\"tenantId\":\"%s\",\"tenant\":{}}", tenant);
	(void)fixture_must(&fx, fx.operator_token, "CreateTenant", j);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		snprintf(j, sizeof(j), "{\"parent\":\"tenants/%s\",%s}", tenant, rows[i].rest);
		(void)fixture_must(&fx, fx.operator_token, rows[i].method, j);
	}
	snprintf(j, sizeof(j),
		 "{\"parent\":\"tenants/%s\",\"number\":{\"number\":\"%s\",\"working\":{\"flowId\":\"x1\"}}}", tenant,
		 number);
	(void)fixture_must(&fx, fx.operator_token, "CreateNumber", j);
}

static err_t try(const char *token, const char *method, const char *json, struct err_detail *d)
{
	*d = (struct err_detail){ 0 };
	return fixture_call(&fx, token, method, json, NULL, d);
}

/* '@' is the tenant. */
static void fill(char out[512], const char *json, const char *tenant)
{
	const char *at = strchr(json, '@');

	snprintf(out, 512, "%.*s%s%s", (int)(at - json), json, tenant, at + 1);
}

/* The same request for the other tenant and for one that does not exist: the answers must not differ by a letter. */
static void check_same_answer(const char *token, const char *method, const char *json)
{
	char theirs[512], nobodys[512];
	struct err_detail a, b;

	fill(theirs, json, "globex");
	fill(nobodys, json, "nobody");
	err_t ea = try(token, method, theirs, &a), eb = try(token, method, nobodys, &b);
	if (ea != ERR_NOT_FOUND || eb != ea || strcmp(a.field, b.field) != 0 || strcmp(a.message, b.message) != 0)
		fail_msg("%s: %s '%s' '%s' against %s '%s' '%s'", method, err_name(ea), a.field, a.message,
			 err_name(eb), b.field, b.message);
}

static void check_kind(const struct kind *k)
{
	const char *id = strcmp(k->name, "number") == 0 ? "555002" : "x1";
	char method[64], format[512];

	snprintf(method, sizeof(method), "Get%s", k->title);
	snprintf(format, sizeof(format), "{\"name\":\"tenants/@/%s/%s\"}", k->plural, id);
	check_same_answer(mine, method, format);
	snprintf(method, sizeof(method), "Delete%s", k->title);
	check_same_answer(mine, method, format);
	snprintf(method, sizeof(method), "List%s", k->titles);
	check_same_answer(mine, method, "{\"parent\":\"tenants/@\"}");
	snprintf(method, sizeof(method), "Update%s", k->title);
	snprintf(format, sizeof(format), "{\"%s\":{\"name\":\"tenants/@/%s/%s\",\"displayName\":\"mine\"}}", k->name,
		 k->plural, id);
	check_same_answer(mine, method, format);
	if (strcmp(k->name, "prompt") == 0)
		return;
	snprintf(method, sizeof(method), "Create%s", k->title);
	snprintf(format, sizeof(format), "{\"parent\":\"tenants/@\",\"%s\":{\"%s\":\"%s\"}}", k->name, k->own_id, id);
	check_same_answer(mine, method, format);
}

static void every_method_says_of_another_tenant_what_it_says_of_none(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_kinds; i++)
		check_kind(&kinds[i]);
	check_same_answer(mine, "GetTenant", "{\"name\":\"tenants/@\"}");
	check_same_answer(mine, "UpdateTenant", "{\"tenant\":{\"name\":\"tenants/@\",\"displayName\":\"mine\"}}");
	check_same_answer(mine, "ListTokens", "{\"parent\":\"tenants/@\"}");
	check_same_answer(mine, "GetToken", "{\"name\":\"tenants/@/tokens/0123\"}");
	check_same_answer(mine, "RevokeToken", "{\"name\":\"tenants/@/tokens/0123\"}");
	check_same_answer(mine, "ListAuditEntries", "{\"parent\":\"tenants/@\"}");
	check_same_answer(mine, "RotateTenantKey", "{\"name\":\"tenants/@\"}");
	check_same_answer(mine, "GetKeyRotation", "{\"name\":\"tenants/@\"}");
	check_same_answer(mine, "VerifyAudit", "{\"parent\":\"tenants/@\"}");
	check_same_answer(mine, "CreateToken", "{\"tenant\":\"@\",\"scopes\":[\"SCOPE_TENANT_ADMIN\"]}");
}

static void an_upload_for_another_tenant_is_refused_like_one_for_none(void **state)
{
	struct err_detail a = { 0 }, b = { 0 };

	(void)state;
	assert_int_equal(fixture_upload(&fx, mine, "tenants/globex", "p", "x", 1, NULL, &a), ERR_NOT_FOUND);
	assert_int_equal(fixture_upload(&fx, mine, "tenants/nobody", "p", "x", 1, NULL, &b), ERR_NOT_FOUND);
	assert_string_equal(a.message, b.message);
}

static void what_is_for_operators_is_refused_to_others(void **state)
{
	static const struct {
		const char *method, *json;
	} rows[] = {
		{ "ListTenants", "{}" },
		{ "CreateTenant", "{\"tenantId\":\"mine\",\"tenant\":{}}" },
		{ "DeleteTenant", "{\"name\":\"tenants/acme\"}" },
		{ "UndeleteTenant", "{\"name\":\"tenants/acme\"}" },
		{ "GetTenantDeletion", "{\"name\":\"tenants/acme\"}" },
		{ "CreateToken", "{\"scopes\":[\"SCOPE_OPERATOR\"]}" },
		{ "UpdateTenant",
		  "{\"tenant\":{\"name\":\"tenants/acme\",\"suspended\":false},\"updateMask\":\"suspended\"}" },
	};
	struct err_detail d;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(try(mine, rows[i].method, rows[i].json, &d), ERR_DENIED);
	for (size_t i = 0; i < n_kinds; i++) {
		char method[64];

		snprintf(method, sizeof(method), "List%s", kinds[i].titles);
		assert_int_equal(try(supervisor, method, "{\"parent\":\"tenants/acme\"}", &d), ERR_DENIED);
	}
}

static void a_number_of_another_tenant_is_not_available_and_no_more_is_said(void **state)
{
	struct err_detail d;

	(void)state;
	const char *json =
	    "{\"parent\":\"tenants/acme\",\"number\":{\"number\":\"+555002\",\"working\":{\"rejectStatus\":404}}}";
	assert_int_equal(try(mine, "CreateNumber", json, &d), ERR_EXISTS);
	assert_string_equal(d.message, "the number is not available");
	assert_null(strstr(d.message, "globex"));
	/* Released, it may be taken. */
	(void)fixture_must(&fx, fx.operator_token, "DeleteNumber", "{\"name\":\"tenants/globex/numbers/555002\"}");
	(void)fixture_must(&fx, mine, "CreateNumber", json);
	(void)fixture_must(&fx, mine, "DeleteNumber", "{\"name\":\"tenants/acme/numbers/+555002\"}");
}

static void one_tenants_lists_hold_only_its_own(void **state)
{
	(void)state;
	(void)fixture_must(&fx, mine, "CreateSkill",
			   "{\"parent\":\"tenants/acme\",\"skillId\":\"only-acme\",\"skill\":{}}");
	const char *list = fixture_must(&fx, fx.operator_token, "ListSkills", "{\"parent\":\"tenants/globex\"}");
	assert_null(strstr(list, "only-acme"));
	assert_null(strstr(list, "acme"));
	list = fixture_must(&fx, mine, "ListAuditEntries", "{\"parent\":\"tenants/acme\"}");
	assert_null(strstr(list, "globex"));
}

/* ---- the catalogue ---- */

static void every_table_with_a_tenant_has_forced_row_level_security_and_a_policy(void **state)
{
	(void)state;
	assert_string_equal(
	    fixture_sql(
		&fx,
		"SELECT count(*) > 5 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a "
		"ON a.attrelid = c.oid AND a.attname = 'tenant' WHERE n.nspname = 'tm' AND c.relkind = 'r'"),
	    "t");
	assert_string_equal(fixture_sql(&fx, "SELECT coalesce(string_agg(c.relname, ','), 'none') FROM pg_class c JOIN "
					     "pg_namespace n ON n.oid = c.relnamespace "
					     "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant' WHERE "
					     "n.nspname = 'tm' AND c.relkind = 'r' AND NOT "
					     "(c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (SELECT FROM "
					     "pg_policy p WHERE p.polrelid = c.oid AND p.polcmd = '*'))"),
			    "none");
	assert_string_equal(fixture_sql(&fx, "SELECT count(*) FROM pg_views WHERE schemaname = 'tm'"), "0");
}

static void every_unique_key_begins_with_the_tenant(void **state)
{
	(void)state;
	assert_string_equal(
	    fixture_sql(
		&fx,
		"SELECT coalesce(string_agg(i.indexrelid::regclass::text, ','), 'none') FROM pg_index i JOIN pg_class "
		"c ON c.oid = i.indrelid "
		"JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'tm' AND i.indisunique AND "
		"EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant') AND "
		"(SELECT attname FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = i.indkey[0]) <> 'tenant'"),
	    "none");
	/* Keys of tables without a tenant: only the claims, which the service may not read. */
	assert_string_equal(
	    fixture_sql(
		&fx, "SELECT string_agg(c.relname, ',') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
		     "WHERE n.nspname = 'tm' AND c.relkind = 'r' AND NOT EXISTS (SELECT FROM pg_attribute a WHERE "
		     "a.attrelid = "
		     "c.oid AND a.attname = 'tenant')"),
	    "claim");
	assert_string_equal(fixture_sql(&fx, "SELECT has_table_privilege('tenant_manager', 'tm.claim', 'SELECT')"),
			    "f");
}

static void the_service_role_can_do_no_more_than_it_must(void **state)
{
	(void)state;
	assert_string_equal(
	    fixture_sql(&fx,
			"SELECT rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb FROM pg_roles WHERE rolname = "
			"'tenant_manager'"),
	    "f");
	assert_string_equal(
	    fixture_sql(
		&fx, "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = "
		     "'tm' AND pg_get_userbyid(c.relowner) = 'tenant_manager'"),
	    "0");
	assert_string_equal(
	    fixture_sql(&fx,
			"SELECT has_table_privilege('tenant_manager', 'tm.audit', 'UPDATE, DELETE, TRUNCATE') OR "
			"has_table_privilege('tenant_manager', 'tm.audit_head', 'INSERT, UPDATE, DELETE, TRUNCATE')"),
	    "f");
	assert_string_equal(fixture_sql(&fx, "SELECT has_schema_privilege('tenant_manager', 'tm', 'CREATE')"), "f");
}

static const char *as_service(const char *tenant, const char *sql)
{
	static struct str out = STR_INIT;
	char script[1024];

	snprintf(script, sizeof(script), "BEGIN; SET LOCAL trunkline.tenant = '%s'; %s; COMMIT", tenant, sql);
	str_reset(&out);
	(void)testkit_run((const char *[]){ "psql", "-XAtq", fx.dsn, "-c", script, NULL }, &out, 10000);
	return str_text(&out);
}

static void the_service_role_sees_nothing_without_a_tenant_and_only_its_rows_with_one(void **state)
{
	(void)state;
	assert_string_equal(as_service("", "SELECT count(*) FROM tm.resource"), "0\n");
	assert_string_equal(as_service("", "SELECT count(*) FROM tm.tenant"), "0\n");
	assert_string_equal(as_service("acme", "SELECT count(*) FROM tm.tenant"), "1\n");
	assert_string_equal(as_service("acme", "SELECT count(*) FROM tm.resource WHERE tenant = 'globex'"), "0\n");
	assert_string_equal(as_service("acme",
				       "UPDATE tm.tenant SET suspended = true WHERE tenant = 'globex' RETURNING 1"),
			    "");
	assert_non_null(
	    strstr(as_service("acme", "INSERT INTO tm.audit VALUES ('globex', 1, now(), 'a', 'b', 'c', 'd')"),
		   "row-level security"));
	assert_string_equal(as_service("acme", "SELECT count(*) FROM tm.audit_head WHERE tenant = 'globex'"), "0\n");
	assert_non_null(strstr(as_service("acme", "UPDATE tm.resource SET tenant = 'globex'"), "row-level security"));
	assert_non_null(strstr(as_service("acme", "SELECT * FROM tm.claim"), "permission denied"));
}

static int set_up(void **state)
{
	*state = &fx;
	fixture_start(&fx);
	furnish("acme", "555001");
	furnish("globex", "555002");
	mine = fixture_token(&fx, "acme", "SCOPE_TENANT_ADMIN");
	supervisor = fixture_token(&fx, "acme", "SCOPE_SUPERVISOR");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_method_says_of_another_tenant_what_it_says_of_none),
		cmocka_unit_test(an_upload_for_another_tenant_is_refused_like_one_for_none),
		cmocka_unit_test(what_is_for_operators_is_refused_to_others),
		cmocka_unit_test(a_number_of_another_tenant_is_not_available_and_no_more_is_said),
		cmocka_unit_test(one_tenants_lists_hold_only_its_own),
		cmocka_unit_test(every_table_with_a_tenant_has_forced_row_level_security_and_a_policy),
		cmocka_unit_test(every_unique_key_begins_with_the_tenant),
		cmocka_unit_test(the_service_role_can_do_no_more_than_it_must),
		cmocka_unit_test(the_service_role_sees_nothing_without_a_tenant_and_only_its_rows_with_one),
	};

	return cmocka_run_group_tests(tests, set_up, fixture_tear_down);
}
