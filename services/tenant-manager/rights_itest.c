/* GT-3: every method against a role that lacks its permission and one that has nothing else; roles, and who may give what. */
#include "manager_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "auth/auth.h"
#include "kind.h"
#include "trunkline/admin/v1/admin.pb-c.h"
#include "trunkline/admin/v1/auth.pb-c.h"

#define JSON 2048

/* Ten milliseconds of silence. */
static const char wav[44 + 160] =
    "RIFF\xc4\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data\xa0\0\0\0";

static struct fixture fx;
static char import_name[80], token_name[80];		       /* of acme's, without "tenants/acme" */
static char only[RIGHTS_END][JSON], without[RIGHTS_END][JSON]; /* tokens: this permission alone, all but this */

static const char *must(const char *method, const char *json)
{
	return fixture_must(&fx, fx.operator_token, method, json);
}

static void refused(const char *token, const char *method, const char *json, err_t want, const char *field,
		    const char *message)
{
	struct err_detail d = { 0 };
	err_t e = fixture_call(&fx, token, method, json, NULL, &d);

	if (e != want || strcmp(d.field, field) != 0 || !strstr(d.message, message))
		fail_msg("%s %s: %s '%s': %s", method, json, err_name(e), d.field, d.message);
}

/* ---- a request of each method that succeeds; '@' is the tenant ---- */

/* The body of a second one of each kind; the first is "x1". */
static const struct {
	const char *kind, *id, *body;
} others[] = {
	{ "number", "555003", "\"number\":\"555003\",\"working\":{\"rejectStatus\":404}" },
	{ "trunk", "x2", "\"id\":\"x2\",\"addresses\":[\"192.0.2.2\"]" },
	{ "calendar", "x2", "\"id\":\"x2\"" },
	{ "skill", "x2", "\"id\":\"x2\"" },
	{ "queue", "x2", "\"id\":\"x2\"" },
	{ "flow", "x2", "\"id\":\"x2\",\"steps\":[{\"id\":\"a\",\"answer\":{}}]" },
	{ "prompt", "x1", "" },
	{ "agent", "x2", "\"id\":\"x2\",\"enabled\":true" },
	{ "role", "x2", "\"id\":\"x2\",\"permissions\":[\"roles.write\"]" },
};
static const struct {
	const char *method, *json;
} rest[] = {
	{ "CreateTenant", "{\"tenantId\":\"x2\",\"tenant\":{}}" },
	{ "GetTenant", "{\"name\":\"tenants/@\"}" },
	{ "ListTenants", "{}" },
	{ "UpdateTenant", "{\"tenant\":{\"name\":\"tenants/@\",\"displayName\":\"other\"}}" },
	{ "DeleteTenant", "{\"name\":\"tenants/x2\"}" },
	{ "UndeleteTenant", "{\"name\":\"tenants/x2\"}" },
	{ "GetTenantDeletion", "{\"name\":\"tenants/gone\"}" },
	{ "CreatePool", "{\"poolId\":\"x1\",\"pool\":{\"displayName\":\"x\"}}" },
	{ "GetPool", "{\"name\":\"pools/x1\"}" },
	{ "ListPools", "{}" },
	{ "UpdatePool", "{\"pool\":{\"name\":\"pools/x1\",\"displayName\":\"other\"}}" },
	{ "DeletePool", "{\"name\":\"pools/x1\"}" },
	{ "CreateOperatorRole", "{\"roleId\":\"x1\",\"role\":{\"permissions\":[\"operators.manage\"]}}" },
	{ "GetOperatorRole", "{\"name\":\"roles/x1\"}" },
	{ "ListOperatorRoles", "{}" },
	{ "UpdateOperatorRole", "{\"role\":{\"name\":\"roles/x1\",\"displayName\":\"other\"}}" },
	{ "DeleteOperatorRole", "{\"name\":\"roles/x1\"}" },
	{ "CreateOperator", "{\"operatorId\":\"x1\",\"operator\":{}}" },
	{ "GetOperator", "{\"name\":\"operators/x1\"}" },
	{ "ListOperators", "{}" },
	{ "UpdateOperator", "{\"operator\":{\"name\":\"operators/x1\",\"displayName\":\"other\"}}" },
	{ "DeleteOperator", "{\"name\":\"operators/x1\"}" },
	{ "RotateTenantKey", "{\"name\":\"tenants/@\"}" },
	{ "GetKeyRotation", "{\"name\":\"tenants/@\"}" },
	{ "PublishFlow", "{\"name\":\"tenants/@/flows/x1\"}" },
	{ "RollbackFlow", "{\"name\":\"tenants/@/flows/x1\",\"version\":\"1\"}" },
	{ "ListFlowVersions", "{\"parent\":\"tenants/@/flows/x1\"}" },
	{ "GetFlowVersion", "{\"name\":\"tenants/@/flows/x1/versions/1\"}" },
	{ "ListImports", "{\"parent\":\"tenants/@\"}" },
	{ "ListTokens", "{\"parent\":\"tenants/@\"}" },
	{ "ListAuditEntries", "{\"parent\":\"tenants/@\"}" },
	{ "VerifyAudit", "{\"parent\":\"tenants/@\"}" },
	{ "CreateToken", "{\"tenant\":\"@\",\"roles\":[\"only-tokens-create\"]}" },
	{ "Login", "{\"tenant\":\"@\",\"agentId\":\"x1\",\"password\":\"correct horse\"}" },
};

static bool begins(const char *method, const char *verb, const char *what)
{
	size_t n = strlen(verb);

	return strncmp(method, verb, n) == 0 && strcmp(method + n, what) == 0;
}

static bool request_of_kind(char out[JSON], const struct kind *k, const char *id, const char *body, const char *method)
{
	const char *mine = strcmp(k->name, "number") == 0 ? "555001" : "x1";

	if (begins(method, "Get", k->title))
		snprintf(out, JSON, "{\"name\":\"tenants/@/%s/%s\"}", k->plural, mine);
	else if (begins(method, "List", k->titles))
		snprintf(out, JSON, "{\"parent\":\"tenants/@\"}");
	else if (begins(method, "Update", k->title))
		snprintf(out, JSON, "{\"%s\":{\"name\":\"tenants/@/%s/%s\",\"displayName\":\"other\"}}", k->name,
			 k->plural, mine);
	else if (begins(method, "Create", k->title))
		snprintf(out, JSON, "{\"parent\":\"tenants/@\",\"%s\":{%s}}", k->name, body);
	else if (begins(method, "Delete", k->title))
		snprintf(out, JSON, "{\"name\":\"tenants/@/%s/%s\"}", k->plural, id);
	else
		return false;
	return true;
}

static void request(char out[JSON], const char *method, const char *tenant)
{
	char json[JSON] = "";

	for (size_t i = 0; i < ARRAY_SIZE(others) && !json[0]; i++)
		(void)request_of_kind(json, kind_find(others[i].kind), others[i].id, others[i].body, method);
	for (size_t i = 0; i < ARRAY_SIZE(rest) && !json[0]; i++)
		if (strcmp(rest[i].method, method) == 0)
			snprintf(json, sizeof(json), "%s", rest[i].json);
	if (strcmp(method, "GetImport") == 0 || strcmp(method, "CancelImport") == 0)
		snprintf(json, sizeof(json), "{\"name\":\"tenants/@%s\"}", import_name);
	if (strcmp(method, "GetToken") == 0 || strcmp(method, "RevokeToken") == 0)
		snprintf(json, sizeof(json), "{\"name\":\"tenants/@%s\"}", token_name);
	if (!json[0])
		fail_msg("%s has no request in this test: give it one", method);
	const char *at = strchr(json, '@');
	snprintf(out, JSON, "%.*s%s%s", (int)(at ? (size_t)(at - json) : strlen(json)), json, at ? tenant : "",
		 at ? at + 1 : "");
}

static err_t import(const char *token, const char *tenant, const char *kind, struct str *answer, struct err_detail *d)
{
	static const char table[] = "id\n555777\n";
	char json[JSON];

	snprintf(json, sizeof(json), "{\"parent\":\"tenants/%s\",\"kind\":\"%s\",\"validateOnly\":true}", tenant, kind);
	return fixture_import(&fx, token, json, table, sizeof(table) - 1, answer, d);
}

static err_t call(const char *token, const char *method, const char *tenant, struct err_detail *d)
{
	char json[JSON];

	*d = (struct err_detail){ 0 };
	if (strcmp(method, "UploadPrompt") == 0) {
		snprintf(json, sizeof(json), "tenants/%s", tenant);
		return fixture_upload(&fx, token, json, "x1", wav, sizeof(wav), NULL, d);
	}
	if (strcmp(method, "CreateImport") == 0)
		return import(token, tenant, "IMPORT_KIND_AGENTS", NULL, d);
	request(json, method, tenant);
	return fixture_call(&fx, token, method, json, NULL, d);
}

typedef void method_fn(const char *method, enum right needs);

static void walk(const ProtobufCServiceDescriptor *service, method_fn *fn)
{
	char path[128];

	for (unsigned i = 0; i < service->n_methods; i++) {
		snprintf(path, sizeof(path), "/%s/%s", service->name, service->methods[i].name);
		fn(service->methods[i].name, rights_of_method(path));
	}
}

static void walk_all(method_fn *fn)
{
	walk(&trunkline__admin__v1__admin_service__descriptor, fn);
	walk(&trunkline__admin__v1__auth_service__descriptor, fn);
}

static bool platform(enum right right)
{
	return (rights_bit(right) & RIGHTS_PLATFORM) != 0;
}

/* ---- all methods ---- */

static void check_denied(const char *method, enum right needs)
{
	struct err_detail d;

	if (needs == RIGHT_PUBLIC)
		return;
	err_t e = call(without[needs], method, "acme", &d);
	if (e != ERR_DENIED || !strstr(d.message, rights_name(needs)))
		fail_msg("%s without %s: %s: %s", method, rights_name(needs), err_name(e), d.message);
}

static void check_allowed(const char *method, enum right needs)
{
	struct err_detail d;
	err_t e = call(needs == RIGHT_PUBLIC ? NULL : only[needs], method, "acme", &d);
	/* What has ended cannot be cancelled, what is live not be published, what has no key not be rotated: that is no question of
	 * permissions. */
	bool late = strcmp(method, "CancelImport") == 0 || strcmp(method, "PublishFlow") == 0 ||
		    strcmp(method, "RotateTenantKey") == 0;

	if (e && !(late && e == ERR_PRECONDITION))
		fail_msg("%s with nothing but its permission: %s %s: %s", method, err_name(e), d.field, d.message);
}

static void check_foreign(const char *method, enum right needs)
{
	struct err_detail d;

	if (needs == RIGHT_PUBLIC || platform(needs))
		return;
	err_t e = call(only[needs], method, "globex", &d);
	if (e != ERR_NOT_FOUND || strcmp(d.message, AUTH_NO_SUCH_TENANT) != 0)
		fail_msg("%s of another tenant: %s %s: %s", method, err_name(e), d.field, d.message);
}

static void a_role_without_the_permission_is_denied_each_method_and_told_which_GT_3(void **state)
{
	(void)state;
	walk_all(check_denied);
}

static void a_role_with_nothing_but_the_permission_may_call_each_method_GT_3(void **state)
{
	(void)state;
	walk_all(check_allowed);
}

static void another_tenant_is_not_there_whatever_one_may_in_ones_own_GT_3(void **state)
{
	(void)state;
	walk_all(check_foreign);
}

static void an_import_of_numbers_needs_their_permission_too_GT_3(void **state)
{
	struct err_detail d = { 0 };

	(void)state;
	assert_int_equal(import(only[RIGHT_AGENTS_WRITE], "acme", "IMPORT_KIND_NUMBERS", NULL, &d), ERR_DENIED);
	assert_non_null(strstr(d.message, "numbers.write"));
}

/* ---- roles ---- */

static void a_role_names_permissions_that_there_are_and_none_of_operators_GT_3(void **state)
{
	static const struct {
		const char *role, *field, *message;
	} rows[] = {
		{ "\"id\":\"r\",\"permissions\":[\"queues.read\",\"queues.burn\"]", "role.permissions[1]",
		  "'queues.burn' is no permission" },
		{ "\"id\":\"r\",\"permissions\":[\"\"]", "role.permissions[0]", "is no permission" },
		{ "\"id\":\"r\",\"permissions\":[\"tenants.create\"]", "role.permissions[0]", "is for operators" },
		{ "\"id\":\"r\",\"permissions\":[\"audit.read\",\"audit.read\"]", "role.permissions[1]",
		  "there twice" },
		{ "\"id\":\"supervisor\"", "role.id", "built-in" },
		{ "\"id\":\"operator-readonly\"", "role.id", "built-in" },
	};
	char json[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		snprintf(json, sizeof(json), "{\"parent\":\"tenants/acme\",\"role\":{%s}}", rows[i].role);
		refused(fx.operator_token, "CreateRole", json, ERR_INVALID, rows[i].field, rows[i].message);
	}
}

static void a_role_is_a_resource_like_the_others_and_is_not_published_GT_3(void **state)
{
	char json[512], etag[64];

	(void)state;
	(void)must("CreateRole",
		   "{\"parent\":\"tenants/acme\",\"role\":{\"id\":\"auditor\",\"permissions\":[\"audit.read\"]},"
		   "\"validateOnly\":true}");
	refused(fx.operator_token, "GetRole", "{\"name\":\"tenants/acme/roles/auditor\"}", ERR_NOT_FOUND, "name",
		"no such role");
	const char *r = must("CreateRole", "{\"parent\":\"tenants/acme\",\"role\":{\"id\":\"auditor\",\"permissions\":"
					   "[\"audit.read\"]},\"requestId\":\"1d5e1b1c-0000-4000-8000-000000000001\"}");
	assert_string_equal(fixture_field(r, "name"), "tenants/acme/roles/auditor");
	snprintf(etag, sizeof(etag), "%s", fixture_field(r, "etag"));
	r = must("CreateRole", "{\"parent\":\"tenants/acme\",\"role\":{\"id\":\"auditor\",\"permissions\":"
			       "[\"audit.read\"]},\"requestId\":\"1d5e1b1c-0000-4000-8000-000000000001\"}");
	assert_string_equal(fixture_field(r, "etag"), etag); /* a repetition */
	r = must("UpdateRole", "{\"role\":{\"name\":\"tenants/acme/roles/auditor\",\"displayName\":\"Audit\","
			       "\"permissions\":[\"reports.read\"]},\"updateMask\":\"displayName\"}");
	assert_non_null(strstr(r, "[\"audit.read\"]"));
	snprintf(json, sizeof(json), "{\"role\":{\"name\":\"tenants/acme/roles/auditor\",\"etag\":\"%s\"}}", etag);
	refused(fx.operator_token, "UpdateRole", json, ERR_ABORTED, "etag", "changed");
	r = must("ListRoles",
		 "{\"parent\":\"tenants/acme\",\"filter\":\"permissions : audit.read AND display_name = audit\"}");
	assert_string_equal(fixture_field(r, "id"), "auditor");
	r = must("ListAuditEntries", "{\"parent\":\"tenants/acme\",\"action\":\"roles.update\",\"pageSize\":1}");
	assert_string_equal(fixture_field(r, "resource"), "tenants/acme/roles/auditor");
	assert_string_equal(fixture_sql(&fx, "SELECT count(*) FROM tm.outbox WHERE item LIKE 'role.%'"), "0");
}

/* ---- tokens ---- */

static const char *login(const char *agent)
{
	char json[256];

	snprintf(json, sizeof(json), "{\"tenant\":\"acme\",\"agentId\":\"%s\",\"password\":\"correct horse\"}", agent);
	return fixture_must(&fx, NULL, "Login", json);
}

static void an_agent_may_what_its_roles_give_from_its_next_login_on_GT_3(void **state)
{
	char token[JSON];

	(void)state;
	(void)must("CreateRole",
		   "{\"parent\":\"tenants/acme\",\"role\":{\"id\":\"reader\",\"permissions\":[\"queues.read\"]}}");
	(void)must("CreateAgent",
		   "{\"parent\":\"tenants/acme\",\"agent\":{\"id\":\"1001\",\"enabled\":true,\"password\":"
		   "\"correct horse\",\"roles\":[\"reader\",\"supervisor\"]}}");
	const char *r = login("1001");
	assert_non_null(strstr(r, "\"queues.read\""));
	assert_non_null(strstr(r, "\"desk.supervise\""));
	assert_null(strstr(r, "\"queues.write\""));
	snprintf(token, sizeof(token), "%s", fixture_field(r, "accessToken"));
	(void)fixture_must(&fx, token, "ListQueues", "{\"parent\":\"tenants/acme\"}");
	refused(token, "ListSkills", "{\"parent\":\"tenants/acme\"}", ERR_DENIED, "", "skills.read");
	refused(fx.operator_token, "DeleteRole", "{\"name\":\"tenants/acme/roles/reader\"}", ERR_PRECONDITION, "name",
		"in use by agents/1001");
	(void)must("UpdateRole", "{\"role\":{\"name\":\"tenants/acme/roles/reader\"},\"updateMask\":\"permissions\"}");
	assert_null(strstr(login("1001"), "\"queues.read\""));
	refused(fx.operator_token, "UpdateAgent",
		"{\"agent\":{\"name\":\"tenants/acme/agents/1001\",\"roles\":[\"nothing\"]}}", ERR_INVALID,
		"agent.roles[0]", "there is no role 'nothing'");
	refused(fx.operator_token, "UpdateAgent",
		"{\"agent\":{\"name\":\"tenants/acme/agents/1001\",\"roles\":[\"operator\"]}}", ERR_INVALID,
		"agent.roles[0]", "is a role of operators");
	(void)must("DeleteAgent", "{\"name\":\"tenants/acme/agents/1001\"}");
	(void)must("DeleteRole", "{\"name\":\"tenants/acme/roles/reader\"}");
}

static void token_of(char token[JSON], const char *giver, const char *json)
{
	snprintf(token, JSON, "%s", fixture_field(fixture_must(&fx, giver, "CreateToken", json), "accessToken"));
}

static void nobody_gives_more_than_he_has_GT_3(void **state)
{
	static const struct {
		const char *method, *json, *field, *needs;
	} rows[] = {
		{ "CreateRole",
		  "{\"parent\":\"tenants/"
		  "acme\",\"role\":{\"id\":\"r\",\"permissions\":[\"agents.read\",\"queues.write\"]}}",
		  "role.permissions", "queues.write" },
		{ "UpdateRole",
		  "{\"role\":{\"name\":\"tenants/acme/roles/"
		  "staff\",\"permissions\":[\"agents.write\",\"recordings.all\"]}}",
		  "role.permissions", "recordings.all" },
		{ "CreateAgent", "{\"parent\":\"tenants/acme\",\"agent\":{\"id\":\"1003\",\"roles\":[\"supervisor\"]}}",
		  "agent.roles", "reports.read" },
		{ "UpdateAgent", "{\"agent\":{\"name\":\"tenants/acme/agents/1002\",\"roles\":[\"tenant-admin\"]}}",
		  "agent.roles", "tenant.read" },
		/* Whose password one sets one could be. */
		{ "UpdateAgent",
		  "{\"agent\":{\"name\":\"tenants/acme/agents/1002\",\"password\":\"mine from now on\"}}",
		  "agent.roles", "reports.read" },
		/* Nor the digests that the first login of an imported one is compared with. */
		{ "UpdateAgent",
		  "{\"agent\":{\"name\":\"tenants/acme/agents/1002\",\"ha1Sha256\":"
		  "\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}}",
		  "agent.roles", "reports.read" },
		{ "UpdateAgent",
		  "{\"agent\":{\"name\":\"tenants/acme/agents/1002\",\"ha1Md5\":"
		  "\"0123456789abcdef0123456789abcdef\"},\"updateMask\":\"ha1Md5\"}",
		  "agent.roles", "reports.read" },
		{ "CreateToken", "{\"tenant\":\"acme\",\"scopes\":[\"SCOPE_TENANT_ADMIN\"]}", "scopes", "tenant.read" },
		{ "CreateToken", "{\"tenant\":\"acme\",\"roles\":[\"staff\",\"only-audit-read\"]}", "roles",
		  "audit.read" },
		{ "CreateToken", "{\"tenant\":\"acme\",\"permissions\":[\"tokens.create\",\"prompts.write\"]}",
		  "permissions", "prompts.write" },
		{ "CreateToken", "{\"tenant\":\"acme\",\"agentId\":\"1002\",\"scopes\":[\"SCOPE_AGENT\"]}", "scopes",
		  "recordings.listen" },
	};
	char staff[JSON], again[JSON];

	(void)state;
	(void)must("CreateRole", "{\"parent\":\"tenants/acme\",\"role\":{\"id\":\"staff\",\"permissions\":"
				 "[\"agents.read\",\"agents.write\",\"roles.write\",\"tokens.create\"]}}");
	(void)must("CreateAgent",
		   "{\"parent\":\"tenants/acme\",\"agent\":{\"id\":\"1002\",\"enabled\":true,\"password\":\"correct "
		   "horse\",\"roles\":[\"supervisor\"]}}");
	token_of(staff, fx.operator_token, "{\"tenant\":\"acme\",\"roles\":[\"staff\"]}");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		refused(staff, rows[i].method, rows[i].json, ERR_DENIED, rows[i].field, rows[i].needs);
	/* What he has he may give, and what stays as it was is not his gift. */
	token_of(again, staff, "{\"tenant\":\"acme\",\"roles\":[\"staff\"]}");
	(void)fixture_must(&fx, again, "UpdateAgent",
			   "{\"agent\":{\"name\":\"tenants/acme/agents/1002\",\"displayName\":\"Mei\"}}");
	(void)fixture_must(&fx, staff, "CreateAgent",
			   "{\"parent\":\"tenants/acme\",\"agent\":{\"id\":\"1003\",\"password\":"
			   "\"correct horse\",\"roles\":[\"staff\"]}}");
	(void)must("DeleteAgent", "{\"name\":\"tenants/acme/agents/1003\"}");
}

static void who_makes_the_token_of_another_agent_may_hear_and_command_all_of_them_GT_3(void **state)
{
	static const char for_1004[] = "{\"tenant\":\"acme\",\"agentId\":\"1004\",\"scopes\":[\"SCOPE_AGENT\"]}";
	char token[JSON];

	(void)state;
	(void)must("CreateRole", "{\"parent\":\"tenants/acme\",\"role\":{\"id\":\"minder\",\"permissions\":"
				 "[\"tokens.create\",\"desk.work\",\"recordings.listen\"]}}");
	(void)must("CreateAgent", "{\"parent\":\"tenants/acme\",\"agent\":{\"id\":\"1004\",\"enabled\":true}}");
	(void)must("CreateAgent", "{\"parent\":\"tenants/acme\",\"agent\":{\"id\":\"1005\",\"enabled\":true,"
				  "\"password\":\"correct horse\",\"roles\":[\"minder\"]}}");
	token_of(token, fx.operator_token, "{\"tenant\":\"acme\",\"roles\":[\"minder\"]}");
	refused(token, "CreateToken", for_1004, ERR_DENIED, "agent_id", "recordings.all");
	snprintf(token, sizeof(token), "%s", fixture_field(login("1005"), "accessToken"));
	refused(token, "CreateToken", for_1004, ERR_DENIED, "agent_id", "recordings.all");
	(void)fixture_must(&fx, token, "CreateToken", "{\"agentId\":\"1005\",\"scopes\":[\"SCOPE_AGENT\"]}");
	(void)fixture_must(&fx, fixture_token(&fx, "acme", "SCOPE_TENANT_ADMIN"), "CreateToken", for_1004);
	(void)must("CreateToken", for_1004);
}

/* Of a token by its name. */
static const char *subject_of(const char *name)
{
	char json[256];

	snprintf(json, sizeof(json), "{\"name\":\"%s\"}", name);
	return fixture_field(must("GetToken", json), "subject");
}

static void a_token_carries_its_makers_name_and_stands_in_the_audit_GT_3(void **state)
{
	char made[JSON];

	(void)state;
	const char *admin = fixture_token(&fx, "acme", "SCOPE_TENANT_ADMIN");
	token_of(made, admin, "{\"subject\":\"operator:root\",\"scopes\":[\"SCOPE_TENANT_ADMIN\"]}");
	const char *r =
	    must("ListAuditEntries", "{\"parent\":\"tenants/acme\",\"action\":\"tokens.create\",\"pageSize\":1}");
	assert_string_equal(fixture_field(r, "actor"), "admin:acme");
	assert_string_equal(subject_of(fixture_field(r, "resource")), "admin:acme/operator:root");
	assert_string_equal(fixture_sql(&fx, "SELECT count(*) FROM tm.audit WHERE action = 'tokens.create' AND "
					     "(after IS NULL OR position('eyJ'::bytea IN after) > 0)"),
			    "0");
	(void)fixture_must(&fx, made, "CreateSkill", "{\"parent\":\"tenants/acme\",\"skill\":{\"id\":\"made\"}}");
	r = must("ListAuditEntries", "{\"parent\":\"tenants/acme\",\"action\":\"skills.create\",\"pageSize\":1}");
	assert_string_equal(fixture_field(r, "actor"), "admin:acme/operator:root");
	refused(made, "CreateToken",
		"{\"subject\":\"a-subject-that-is-as-long-as-forty-bytes\",\"roles\":[\"supervisor\"]}", ERR_INVALID,
		"subject", "longer than 63 bytes");
	/* One's own name is one's own, and operators give any. */
	(void)fixture_must(&fx, made, "CreateToken",
			   "{\"subject\":\"admin:acme/operator:root\",\"roles\":[\"supervisor\"]}");
	(void)must("CreateToken", "{\"tenant\":\"acme\",\"subject\":\"lead:mei\",\"roles\":[\"supervisor\"]}");
	r = must("ListAuditEntries", "{\"parent\":\"tenants/acme\",\"action\":\"tokens.create\",\"pageSize\":1}");
	assert_string_equal(subject_of(fixture_field(r, "resource")), "lead:mei");
	assert_string_equal(fixture_field(must("VerifyAudit", "{\"parent\":\"tenants/acme\"}"), "ok"), "true");
}

static void a_token_asks_for_roles_that_fit_it_GT_3(void **state)
{
	static const struct {
		const char *json;
		err_t want;
		const char *field, *message;
	} rows[] = {
		{ "{\"tenant\":\"acme\"}", ERR_INVALID, "scopes", "at least one" },
		{ "{\"tenant\":\"acme\",\"roles\":[\"nothing\"]}", ERR_INVALID, "roles", "there is no role 'nothing'" },
		{ "{\"tenant\":\"acme\",\"roles\":[\"No Id\"]}", ERR_INVALID, "roles[0]", "is no id" },
		{ "{\"tenant\":\"globex\",\"roles\":[\"only-audit-read\"]}", ERR_INVALID, "roles", "there is no role" },
		{ "{\"tenant\":\"acme\",\"roles\":[\"operator-readonly\"]}", ERR_INVALID, "scopes",
		  "an operator has no tenant" },
		{ "{\"roles\":[\"only-audit-read\"]}", ERR_INVALID, "tenant", "missing" },
		{ "{\"roles\":[\"operator-readonly\",\"only-audit-read\"]}", ERR_INVALID, "scopes", "nor role of one" },
		{ "{\"tenant\":\"acme\",\"permissions\":[\"audit.read\",\"audit\"]}", ERR_INVALID, "permissions[1]",
		  "no permission" },
		{ "{\"tenant\":\"acme\",\"permissions\":[\"tenants.list\"]}", ERR_INVALID, "scopes",
		  "an operator has no tenant" },
		{ "{\"permissions\":[\"queues.read\"]}", ERR_INVALID, "tenant", "missing" },
		{ "{\"tenant\":\"acme\",\"roles\":[\"agent\"]}", ERR_INVALID, "agent_id", "scope agent" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		refused(fx.operator_token, "CreateToken", rows[i].json, rows[i].want, rows[i].field, rows[i].message);
	refused(fixture_token(&fx, "acme", "SCOPE_TENANT_ADMIN"), "CreateToken", "{\"roles\":[\"operator-readonly\"]}",
		ERR_DENIED, "scopes", "only operators");
}

static void operators_have_fine_roles_too_GT_3(void **state)
{
	char reader[JSON], allocator[JSON], provisioner[JSON], helper[JSON];

	(void)state;
	token_of(reader, fx.operator_token, "{\"subject\":\"operator:mei\",\"roles\":[\"operator-readonly\"]}");
	(void)fixture_must(&fx, reader, "ListTenants", "{}");
	(void)fixture_must(&fx, reader, "ListQueues", "{\"parent\":\"tenants/globex\"}");
	refused(reader, "CreateTenant", "{\"tenantId\":\"mine\",\"tenant\":{}}", ERR_DENIED, "", "tenants.create");
	refused(reader, "CreateQueue", "{\"parent\":\"tenants/acme\",\"queue\":{\"id\":\"q\"}}", ERR_DENIED, "",
		"queues.write");
	refused(reader, "CreateToken", "{\"roles\":[\"operator-readonly\"]}", ERR_DENIED, "", "tokens.create");
	token_of(allocator, fx.operator_token, "{\"roles\":[\"operator-allocation\"]}");
	(void)fixture_must(
	    &fx, allocator, "UpdateTenant",
	    "{\"tenant\":{\"name\":\"tenants/globex\",\"quotas\":{\"agents\":50}},\"updateMask\":\"quotas\"}");
	refused(allocator, "DeleteTenant", "{\"name\":\"tenants/globex\"}", ERR_DENIED, "", "tenants.delete");
	refused(fixture_token(&fx, "acme", "SCOPE_TENANT_ADMIN"), "UpdateTenant",
		"{\"tenant\":{\"name\":\"tenants/acme\"},\"updateMask\":\"quotas\"}", ERR_DENIED, "update_mask",
		"tenants.quotas");
	token_of(provisioner, fx.operator_token, "{\"roles\":[\"operator-provisioning\"]}");
	(void)fixture_must(&fx, provisioner, "CreateTenant",
			   "{\"tenantId\":\"fresh\",\"tenant\":{\"quotas\":{\"agents\":5}}}");
	(void)fixture_must(
	    &fx, provisioner, "CreateNumber",
	    "{\"parent\":\"tenants/fresh\",\"number\":{\"number\":\"555090\",\"working\":{\"rejectStatus\":404}}}");
	refused(provisioner, "DeleteTenant", "{\"name\":\"tenants/fresh\"}", ERR_DENIED, "", "tenants.delete");
	refused(provisioner, "UpdateTenant",
		"{\"tenant\":{\"name\":\"tenants/fresh\",\"suspended\":true},\"updateMask\":\"suspended\"}", ERR_DENIED,
		"update_mask", "tenants.suspend");
	refused(provisioner, "CreateToken", "{\"tenant\":\"fresh\",\"scopes\":[\"SCOPE_TENANT_ADMIN\"]}", ERR_DENIED,
		"", "tokens.create");
	/* Who makes tokens, but is no administrator of the platform: none of operators, not even one like his own. */
	token_of(helper, fx.operator_token, "{\"permissions\":[\"tenants.list\",\"tokens.create\",\"queues.read\"]}");
	refused(helper, "CreateToken", "{\"permissions\":[\"tenants.list\"]}", ERR_DENIED, "", "operators.manage");
	refused(helper, "CreateToken", "{\"scopes\":[\"SCOPE_OPERATOR\"]}", ERR_DENIED, "", "operators.manage");
	refused(helper, "CreateToken", "{\"tenant\":\"acme\",\"scopes\":[\"SCOPE_TENANT_ADMIN\"]}", ERR_DENIED,
		"scopes", "nobody gives more than he has");
	(void)fixture_must(&fx, helper, "CreateToken", "{\"tenant\":\"acme\",\"permissions\":[\"queues.read\"]}");
	(void)must("DeleteTenant", "{\"name\":\"tenants/fresh\",\"graceMs\":\"0\"}");
}

static void who_gives_within_tenants_gives_an_operator_no_more_than_he_has_GT_3(void **state)
{
	char delegate[JSON], like_him[JSON];

	(void)state;
	token_of(delegate, fx.operator_token,
		 "{\"permissions\":[\"tokens.create\",\"operators.manage\",\"tenants.delegate\"]}");
	refused(delegate, "CreateToken", "{\"permissions\":[\"operators.manage\",\"numbers.write\"]}", ERR_DENIED,
		"permissions", "needs numbers.write");
	refused(delegate, "CreateToken", "{\"roles\":[\"operator-readonly\"]}", ERR_DENIED, "roles",
		"nobody gives more than he has");
	refused(delegate, "CreateToken", "{\"scopes\":[\"SCOPE_OPERATOR\"]}", ERR_DENIED, "scopes",
		"nobody gives more than he has");
	token_of(like_him, delegate, "{\"permissions\":[\"operators.manage\",\"tenants.delegate\"]}");
	(void)fixture_must(&fx, delegate, "CreateToken", "{\"tenant\":\"acme\",\"permissions\":[\"numbers.write\"]}");
}

/* ---- set-up ---- */

static void furnish(const char *tenant, const char *number)
{
	static const struct {
		const char *method, *body;
	} rows[] = {
		{ "CreateSkill", "\"skill\":{\"id\":\"x1\"}" },
		{ "CreateQueue", "\"queue\":{\"id\":\"x1\"}" },
		{ "CreateFlow", "\"flow\":{\"id\":\"x1\",\"steps\":[{\"id\":\"a\",\"answer\":{}}]}" },
		{ "CreateCalendar", "\"calendar\":{\"id\":\"x1\"}" },
		{ "CreateTrunk", "\"trunk\":{\"id\":\"x1\",\"addresses\":[\"192.0.2.1\"]}" },
		{ "CreateRole", "\"role\":{\"id\":\"x1\",\"permissions\":[\"queues.read\"]}" },
		{ "CreateAgent", "\"agent\":{\"id\":\"x1\",\"enabled\":true,\"password\":\"correct horse\"}" },
	};
	char json[512];

	snprintf(json, sizeof(json), "{\"tenantId\":\"%s\",\"tenant\":{}}", tenant);
	(void)must("CreateTenant", json);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		snprintf(json, sizeof(json), "{\"parent\":\"tenants/%s\",%s}", tenant, rows[i].body);
		(void)must(rows[i].method, json);
	}
	snprintf(json, sizeof(json),
		 "{\"parent\":\"tenants/%s\",\"number\":{\"number\":\"%s\",\"working\":{\"flowId\":\"x1\"}}}", tenant,
		 number);
	(void)must("CreateNumber", json);
}

static void append_names(struct str *json, uint64_t set)
{
	const char *comma = "";

	for (enum right r; (r = rights_first(set)) != RIGHT_NONE; set &= ~rights_bit(r), comma = ",")
		str_printf(json, "%s\"%s\"", comma, rights_name(r));
}

/* A role of acme with these permissions, and a token that has nothing else. */
static void token_of_role(char token[JSON], const char *prefix, enum right right, uint64_t set)
{
	struct str role = STR_INIT;
	char id[80], json[160];

	snprintf(id, sizeof(id), "%s-%s", prefix, rights_name(right));
	for (char *p = id; *p; p++)
		*p = *p == '.' ? '-' : *p;
	str_printf(&role, "{\"parent\":\"tenants/acme\",\"role\":{\"id\":\"%s\",\"permissions\":[", id);
	append_names(&role, set);
	str_append(&role, "]}}");
	(void)must("CreateRole", str_text(&role));
	snprintf(json, sizeof(json), "{\"tenant\":\"acme\",\"roles\":[\"%s\"]}", id);
	token_of(token, fx.operator_token, json);
	str_done(&role);
}

/* Without a role: operators' tokens may name permissions. */
static void token_of_operator(char token[JSON], uint64_t set)
{
	struct str json = STR_INIT;

	str_append(&json, "{\"permissions\":[");
	append_names(&json, set);
	str_append(&json, "]}");
	token_of(token, fx.operator_token, str_text(&json));
	str_done(&json);
}

static void make_tokens(void)
{
	const uint64_t tenant = RIGHTS_TENANT & rights_all(), operators = rights_role_find("operator")->rights;

	for (int i = 1; i < RIGHTS_END; i++) {
		enum right right = (enum right)i;

		if (!rights_name(right))
			continue;
		if (platform(right)) {
			token_of_operator(only[i], rights_bit(right));
			token_of_operator(without[i], operators & ~rights_bit(right));
		} else {
			token_of_role(only[i], "only", right, rights_bit(right));
			token_of_role(without[i], "without", right, tenant & ~rights_bit(right));
		}
	}
}

static void begin_import(void)
{
	struct str answer = STR_INIT;
	struct err_detail d = { 0 };

	assert_int_equal(import(fx.operator_token, "acme", "IMPORT_KIND_AGENTS", &answer, &d), ERR_OK);
	snprintf(import_name, sizeof(import_name), "%s", strstr(fixture_field(str_text(&answer), "name"), "/imports/"));
	str_done(&answer);
}

static int set_up(void **state)
{
	*state = &fx;
	fixture_start(&fx);
	furnish("acme", "555001");
	furnish("globex", "555002");
	furnish("gone", "555004");
	(void)must("DeleteTenant", "{\"name\":\"tenants/gone\"}");
	(void)fixture_sql(&fx, "INSERT INTO tm.key_rotation (tenant, version, author) VALUES ('acme', 2, 'x')");
	begin_import();
	snprintf(token_name, sizeof(token_name), "%s",
		 strstr(fixture_field(must("CreateToken", "{\"tenant\":\"acme\",\"roles\":[\"supervisor\"]}"), "name"),
			"/tokens/"));
	make_tokens();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_role_without_the_permission_is_denied_each_method_and_told_which_GT_3),
		cmocka_unit_test(another_tenant_is_not_there_whatever_one_may_in_ones_own_GT_3),
		cmocka_unit_test(a_role_with_nothing_but_the_permission_may_call_each_method_GT_3),
		cmocka_unit_test(an_import_of_numbers_needs_their_permission_too_GT_3),
		cmocka_unit_test(a_role_names_permissions_that_there_are_and_none_of_operators_GT_3),
		cmocka_unit_test(a_role_is_a_resource_like_the_others_and_is_not_published_GT_3),
		cmocka_unit_test(an_agent_may_what_its_roles_give_from_its_next_login_on_GT_3),
		cmocka_unit_test(nobody_gives_more_than_he_has_GT_3),
		cmocka_unit_test(who_makes_the_token_of_another_agent_may_hear_and_command_all_of_them_GT_3),
		cmocka_unit_test(a_token_carries_its_makers_name_and_stands_in_the_audit_GT_3),
		cmocka_unit_test(a_token_asks_for_roles_that_fit_it_GT_3),
		cmocka_unit_test(operators_have_fine_roles_too_GT_3),
		cmocka_unit_test(who_gives_within_tenants_gives_an_operator_no_more_than_he_has_GT_3),
	};

	return cmocka_run_group_tests(tests, set_up, fixture_tear_down);
}
