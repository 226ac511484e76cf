/* GT-3: every method of every service has its permission, and the tables say nothing that is not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/err.h"
#include "pbcheck/pbwire.h"
#include "rights/rights.h"

/* protoc's FileDescriptorSet of everything under proto/. The compiler runs in the root of the project. */
__asm__(
    ".pushsection .rodata\nprotos_start:\n.incbin \"build/gen/trunkline.binpb\"\nprotos_end:\n.byte 0\n.popsection\n");
extern const char protos_start[] __attribute__((visibility("hidden")));
extern const char protos_end[] __attribute__((visibility("hidden")));

#define FILE_PACKAGE   2
#define FILE_SERVICE   6
#define NAME	       1
#define SERVICE_METHOD 2

typedef void method_fn(const char *method, void *arg);

static void take_text(const struct pbwire_field *in, uint32_t id, char buf[64])
{
	struct pbwire w = pbwire_over(in->data, in->size);
	struct pbwire_field f;

	buf[0] = '\0';
	while (pbwire_next(&w, &f)) {
		if (f.id == id && f.type == PBWIRE_LEN)
			snprintf(buf, 64, "%.*s", (int)f.size, (const char *)f.data);
	}
}

static void walk_service(const char *package, const struct pbwire_field *service, method_fn *fn, void *arg)
{
	struct pbwire w = pbwire_over(service->data, service->size);
	char name[64], method[64], path[256];
	struct pbwire_field f;

	take_text(service, NAME, name);
	while (pbwire_next(&w, &f)) {
		if (f.id != SERVICE_METHOD)
			continue;
		take_text(&f, NAME, method);
		snprintf(path, sizeof(path), "/%s.%s/%s", package, name, method);
		fn(path, arg);
	}
}

/* Every method of every service of ours (grpc.health, grpc.reflection are the library's, and open). */
static void walk_methods(method_fn *fn, void *arg)
{
	struct pbwire files = pbwire_over(protos_start, (size_t)((uintptr_t)protos_end - (uintptr_t)protos_start));
	struct pbwire_field file, f;
	char package[64];

	while (pbwire_next(&files, &file)) {
		struct pbwire w = pbwire_over(file.data, file.size);

		take_text(&file, FILE_PACKAGE, package);
		while (strncmp(package, "trunkline.", 10) == 0 && pbwire_next(&w, &f)) {
			if (f.id == FILE_SERVICE)
				walk_service(package, &f, fn, arg);
		}
	}
	assert_false(files.broken);
}

static void check_has_right(const char *method, void *arg)
{
	++*(size_t *)arg;
	if (rights_of_method(method) == RIGHT_NONE)
		fail_msg("%s has no permission: give it a row in libs/rights/methods.c", method);
}

static void every_method_of_every_service_has_a_permission(void **state)
{
	size_t n = 0, rows = 0;

	(void)state;
	walk_methods(check_has_right, &n);
	while (rights_method_at(rows))
		rows++;
	assert_true(n > 50);
	assert_int_equal(rows,
			 n); /* as each has one, and none has two (below), no row is of a method that is not there */
}

static void no_method_has_two_rows_and_another_none(void **state)
{
	(void)state;
	for (size_t i = 0; rights_method_at(i); i++) {
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(rights_method_at(i), rights_method_at(k));
	}
	assert_int_equal(rights_of_method("/trunkline.admin.v1.AdminService/DropTable"), RIGHT_NONE);
	assert_int_equal(rights_of_method(""), RIGHT_NONE);
}

static bool wanted_by_a_method(enum right right)
{
	for (size_t i = 0; rights_method_at(i); i++) {
		if (rights_of_method(rights_method_at(i)) == right)
			return true;
	}
	return false;
}

static void every_permission_is_asked_for_by_a_method_or_within_one(void **state)
{
	const uint64_t within = rights_bit(RIGHT_RECORDINGS_ALL) | rights_bit(RIGHT_TENANTS_QUOTAS) |
				rights_bit(RIGHT_TENANTS_SUSPEND) | rights_bit(RIGHT_TENANTS_DELEGATE) |
				rights_bit(RIGHT_TENANTS_PLACE) | rights_bit(RIGHT_CALLS_SENSITIVE);

	(void)state;
	for (int i = 1; i < RIGHTS_END; i++) {
		if (!rights_name((enum right)i))
			continue;
		assert_true(rights_meaning((enum right)i)[0]);
		assert_int_equal(rights_find(rights_name((enum right)i)), i);
		assert_int_equal(wanted_by_a_method((enum right)i), !(within & rights_bit((enum right)i)));
	}
	assert_int_equal(rights_find("queues.burn"), RIGHT_NONE);
	assert_int_equal(rights_find(""), RIGHT_NONE);
	assert_null(rights_name(RIGHT_NONE));
	assert_null(rights_name(RIGHT_PUBLIC));
}

/* Tokens carry the numbers: a permission keeps its own for ever. */
static void numbers_are_as_they_were(void **state)
{
	static const char *const names[] = {
		[1] = "tenant.read",	     [2] = "tenant.write",	[3] = "numbers.read",	   [4] = "numbers.write",
		[5] = "trunks.read",	     [6] = "trunks.write",	[7] = "calendars.read",	   [8] = "calendars.write",
		[9] = "skills.read",	     [10] = "skills.write",	[11] = "queues.read",	   [12] = "queues.write",
		[13] = "flows.read",	     [14] = "flows.write",	[15] = "prompts.read",	   [16] = "prompts.write",
		[17] = "agents.read",	     [18] = "agents.write",	[19] = "roles.read",	   [20] = "roles.write",
		[21] = "tokens.create",	     [22] = "audit.read",	[23] = "reports.read",	   [24] = "recordings.listen",
		[25] = "recordings.all",     [26] = "desk.work",	[27] = "desk.supervise",   [28] = "tokens.read",
		[29] = "tokens.revoke",	     [30] = "calls.sensitive",	[31] = "keys.rotate",	   [40] = "tenants.list",
		[41] = "tenants.create",     [42] = "tenants.delete",	[43] = "tenants.quotas",   [44] = "tenants.suspend",
		[45] = "tenants.delegate",   [46] = "operators.manage",
	};

	(void)state;
	for (int i = 0; i < (int)ARRAY_SIZE(names); i++) {
		if (names[i])
			assert_string_equal(rights_name((enum right)i), names[i]);
	}
}

static void only_login_needs_no_token(void **state)
{
	(void)state;
	for (size_t i = 0; rights_method_at(i); i++)
		assert_int_equal(rights_of_method(rights_method_at(i)) == RIGHT_PUBLIC,
				 strcmp(rights_method_at(i), "/trunkline.admin.v1.AuthService/Login") == 0);
}

static void tenants_roles_have_no_permission_of_operators(void **state)
{
	const struct rights_role *r;

	(void)state;
	assert_int_equal(RIGHTS_TENANT & RIGHTS_PLATFORM, 0);
	for (size_t i = 0; (r = rights_role_at(i)); i++) {
		assert_ptr_equal(rights_role_find(r->id), r);
		assert_true(r->rights && !(r->rights & ~rights_all()));
		assert_int_equal((r->rights & RIGHTS_PLATFORM) != 0, r->platform);
	}
	assert_null(rights_role_find("root"));
	assert_int_equal(rights_role_find("tenant-admin")->rights, RIGHTS_TENANT & rights_all()); /* everything in it */
}

/* What could be done with each scope before there were permissions, and what could not. */
static void the_built_in_roles_may_what_the_scopes_could(void **state)
{
	static const struct {
		const char *method;
		const char *may; /* of operator, tenant-admin, supervisor, agent */
	} rows[] = {
		{ "/trunkline.admin.v1.AdminService/CreateTenant", "o---" },
		{ "/trunkline.admin.v1.AdminService/GetTenant", "ot--" },
		{ "/trunkline.admin.v1.AdminService/UpdateTenant", "ot--" },
		{ "/trunkline.admin.v1.AdminService/UpdateQueue", "ot--" },
		{ "/trunkline.admin.v1.AdminService/UploadPrompt", "ot--" },
		{ "/trunkline.admin.v1.AdminService/ListAgents", "ot--" },
		{ "/trunkline.admin.v1.AdminService/VerifyAudit", "ot--" },
		{ "/trunkline.admin.v1.AuthService/CreateToken", "ot--" },
		{ "/trunkline.report.v1.ReportService/GetSummary", "ots-" },
		{ "/trunkline.recording.v1.RecordingService/Download", "-tsa" },
		{ "/trunkline.desk.v1.AgentService/SignIn", "-tsa" },
		{ "/trunkline.desk.v1.AgentService/WatchFacts", "-ts-" },
	};
	static const char *const roles[] = { "operator", "tenant-admin", "supervisor", "agent" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t bit = rights_bit(rights_of_method(rows[i].method));

		for (size_t k = 0; k < ARRAY_SIZE(roles); k++)
			assert_int_equal((rights_role_find(roles[k])->rights & bit) != 0, rows[i].may[k] != '-');
	}
}

static void an_operator_who_may_only_read_changes_nothing(void **state)
{
	uint64_t reader = rights_role_find("operator-readonly")->rights;

	(void)state;
	for (size_t i = 0; rights_method_at(i); i++) {
		const char *verb = strrchr(rights_method_at(i), '/') + 1;
		bool reads = strncmp(verb, "Get", 3) == 0 || strncmp(verb, "List", 4) == 0 ||
			     strncmp(verb, "Query", 5) == 0 || strcmp(verb, "VerifyAudit") == 0;

		if (reader & rights_bit(rights_of_method(rights_method_at(i))))
			assert_true(reads);
	}
}

static void operators_roles_beside_the_administrators_make_no_operators_and_give_nothing_GT_3(void **state)
{
	const uint64_t rule = rights_bit(RIGHT_OPERATORS_MANAGE) | rights_bit(RIGHT_TENANTS_DELEGATE) |
			      rights_bit(RIGHT_TOKENS_CREATE) | rights_bit(RIGHT_ROLES_WRITE) |
			      rights_bit(RIGHT_AGENTS_WRITE);
	const struct rights_role *r;
	size_t n = 0;

	(void)state;
	for (size_t i = 0; (r = rights_role_at(i)); i++) {
		bool administrator = strcmp(r->id, "operator") == 0;

		if (!r->platform)
			continue;
		n++;
		assert_int_equal(r->rights & rule, administrator ? rule : 0);
		assert_int_equal((r->rights & rights_bit(RIGHT_TENANTS_DELETE)) != 0, administrator);
		assert_int_equal(r->rights & (rights_bit(RIGHT_RECORDINGS_LISTEN) | rights_bit(RIGHT_DESK_SUPERVISE)),
				 0);
	}
	assert_int_equal(n, 4);
	assert_true(rights_role_find("operator-provisioning")->rights & rights_bit(RIGHT_TENANTS_CREATE));
}

static void the_first_of_a_set_is_told(void **state)
{
	(void)state;
	assert_int_equal(rights_first(0), RIGHT_NONE);
	assert_int_equal(rights_first(rights_bit(RIGHT_TENANTS_LIST) | rights_bit(RIGHT_QUEUES_READ)),
			 RIGHT_QUEUES_READ);
	assert_int_equal(rights_first(UINT64_C(1) << 39), RIGHT_NONE); /* a gap */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_method_of_every_service_has_a_permission),
		cmocka_unit_test(no_method_has_two_rows_and_another_none),
		cmocka_unit_test(every_permission_is_asked_for_by_a_method_or_within_one),
		cmocka_unit_test(numbers_are_as_they_were),
		cmocka_unit_test(only_login_needs_no_token),
		cmocka_unit_test(tenants_roles_have_no_permission_of_operators),
		cmocka_unit_test(the_built_in_roles_may_what_the_scopes_could),
		cmocka_unit_test(an_operator_who_may_only_read_changes_nothing),
		cmocka_unit_test(operators_roles_beside_the_administrators_make_no_operators_and_give_nothing_GT_3),
		cmocka_unit_test(the_first_of_a_set_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
