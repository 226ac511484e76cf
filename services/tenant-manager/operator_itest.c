/* GT-3.1.2: operators, the roles that they make for themselves, and the platform's audit. Two instances of the real service, PostgreSQL and NATS. */
#include "manager_fixture.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define JSON 2048

static struct fixture fx, second;

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

static void must_refuse(const char *method, const char *json, err_t want, const char *field, const char *message)
{
	refused(fx.operator_token, method, json, want, field, message);
}

/* permissions, roles: "\"a\",\"b\"". */
static void make_role(const char *id, const char *permissions)
{
	char json[JSON];

	snprintf(json, sizeof(json), "{\"roleId\":\"%s\",\"role\":{\"permissions\":[%s]}}", id, permissions);
	(void)must("CreateOperatorRole", json);
}

static void set_role(const char *id, const char *permissions)
{
	char json[JSON];

	snprintf(json, sizeof(json),
		 "{\"role\":{\"name\":\"roles/%s\",\"permissions\":[%s]},\"updateMask\":\"permissions\"}", id,
		 permissions);
	(void)must("UpdateOperatorRole", json);
}

static void make_operator(const char *id, const char *roles)
{
	char json[JSON];

	snprintf(json, sizeof(json), "{\"operatorId\":\"%s\",\"operator\":{\"roles\":[%s]}}", id, roles);
	(void)must("CreateOperator", json);
}

static void token_of(char token[JSON], const char *id)
{
	char json[160];

	snprintf(json, sizeof(json), "{\"operatorId\":\"%s\"}", id);
	snprintf(token, JSON, "%s", fixture_field(must("CreateToken", json), "accessToken"));
}

static void remove_one(const char *method, const char *name)
{
	char json[160];

	snprintf(json, sizeof(json), "{\"name\":\"%s\"}", name);
	(void)must(method, json);
}

/* ---- the resources ---- */

static void operators_make_roles_of_both_sides_and_give_them_to_operators_GT_3_1_2(void **state)
{
	char json[JSON], token[JSON];
	const char *r;

	(void)state;
	r = must("CreateOperatorRole", "{\"roleId\":\"billing\",\"role\":{\"displayName\":\"Billing\",\"permissions\":"
				       "[\"tenants.list\",\"tenant.read\",\"queues.read\"]}}");
	assert_string_equal(fixture_field(r, "name"), "roles/billing");
	make_operator("li", "\"billing\",\"operator-allocation\"");
	make_operator("wu", "\"billing\"");
	r = must("GetOperator", "{\"name\":\"operators/li\"}");
	assert_non_null(strstr(r, "[\"billing\",\"operator-allocation\"]"));
	token_of(token, "wu");
	(void)fixture_must(&fx, token, "ListTenants", "{}");
	(void)fixture_must(&fx, token, "ListQueues", "{\"parent\":\"tenants/acme\"}");
	refused(token, "ListSkills", "{\"parent\":\"tenants/acme\"}", ERR_DENIED, "", "skills.read");
	refused(token, "ListOperators", "{}", ERR_DENIED, "", "operators.read");
	refused(token, "CreateOperator", "{\"operatorId\":\"x\",\"operator\":{}}", ERR_DENIED, "", "operators.manage");
	refused(token, "CreateToken", "{\"operatorId\":\"wu\"}", ERR_DENIED, "", "tokens.create");
	r = must("ListTokens", "{\"filter\":\"operator_id = wu\"}");
	assert_string_equal(fixture_field(r, "subject"), "operators/wu");
	/* As its neighbours: pages, filters, masks, etags, requests again, and only checked. */
	r = must("ListOperators", "{\"pageSize\":1}");
	assert_string_equal(fixture_field(r, "name"), "operators/li");
	assert_string_equal(fixture_field(r, "nextPageToken"), "li");
	r = must("ListOperators", "{\"pageSize\":1,\"pageToken\":\"li\"}");
	assert_string_equal(fixture_field(r, "name"), "operators/wu");
	r = must("ListOperatorRoles", "{\"filter\":\"permissions : queues.read\"}");
	assert_string_equal(fixture_field(r, "id"), "billing");
	snprintf(json, sizeof(json),
		 "{\"role\":{\"name\":\"roles/billing\",\"displayName\":\"Bills\",\"etag\":\"%s\"},\"updateMask\":"
		 "\"displayName\"}",
		 fixture_field(r, "etag"));
	r = must("UpdateOperatorRole", json);
	assert_non_null(strstr(r, "queues.read"));
	must_refuse("UpdateOperatorRole", json, ERR_ABORTED, "etag", "changed");
	static const char again[] =
	    "{\"operatorId\":\"mei\",\"operator\":{},\"requestId\":\"1d5e1b1c-0000-4000-8000-000000000001\"}";
	snprintf(json, sizeof(json), "%s", fixture_field(must("CreateOperator", again), "etag"));
	assert_string_equal(fixture_field(must("CreateOperator", again), "etag"), json);
	must_refuse("CreateOperator", "{\"operatorId\":\"mei\",\"operator\":{}}", ERR_EXISTS, "operator_id", "already");
	(void)must("DeleteOperator", "{\"name\":\"operators/mei\",\"validateOnly\":true}");
	remove_one("DeleteOperator", "operators/mei");
	must_refuse("GetOperator", "{\"name\":\"operators/mei\"}", ERR_NOT_FOUND, "name", "no such operator");
	must_refuse("DeleteOperatorRole", "{\"name\":\"roles/billing\"}", ERR_PRECONDITION, "name",
		    "in use by operators/li");
	remove_one("DeleteOperator", "operators/li");
	remove_one("DeleteOperator", "operators/wu");
	remove_one("DeleteOperatorRole", "roles/billing");
	must_refuse("GetOperatorRole", "{\"name\":\"roles/billing\"}", ERR_NOT_FOUND, "name", "no such role");
}

static void what_is_wrong_is_told_by_its_field_GT_3_1_2(void **state)
{
	static const struct {
		const char *method, *json;
		err_t error;
		const char *field, *message;
	} rows[] = {
		{ "CreateOperatorRole", "{\"roleId\":\"r\",\"role\":{\"permissions\":[\"fly\"]}}", ERR_INVALID,
		  "role.permissions[0]", "is no permission" },
		{ "CreateOperatorRole",
		  "{\"roleId\":\"r\",\"role\":{\"permissions\":[\"tenants.list\",\"tenants.list\"]}}", ERR_INVALID,
		  "role.permissions[1]", "there twice" },
		{ "CreateOperatorRole", "{\"roleId\":\"operator\",\"role\":{}}", ERR_INVALID, "role.id", "built-in" },
		{ "CreateOperatorRole", "{\"roleId\":\"No Id\",\"role\":{}}", ERR_INVALID, "role_id", "" },
		{ "CreateOperatorRole", "{\"roleId\":\"r\"}", ERR_INVALID, "role", "missing" },
		{ "CreateOperator", "{\"operatorId\":\"o\",\"operator\":{\"roles\":[\"none-such\"]}}", ERR_INVALID,
		  "operator.roles[0]", "no such role" },
		{ "CreateOperator", "{\"operatorId\":\"o\",\"operator\":{\"roles\":[\"tenant-admin\"]}}", ERR_INVALID,
		  "operator.roles[0]", "is a role within tenants" },
		{ "CreateOperator", "{\"operatorId\":\"o\",\"operator\":{\"roles\":[\"operator\",\"operator\"]}}",
		  ERR_INVALID, "operator.roles[1]", "there twice" },
		{ "CreateOperator",
		  "{\"operatorId\":\"a123456789a123456789a123456789a123456789a123456789a1234\",\"operator\":{}}",
		  ERR_INVALID, "operator_id", "longer than 53 bytes" },
		{ "GetOperator", "{\"name\":\"tenants/acme\"}", ERR_INVALID, "name", "is not operators/{operator}" },
		{ "UpdateOperator", "{\"operator\":{\"name\":\"operators/o\"},\"updateMask\":\"roles\"}", ERR_NOT_FOUND,
		  "name", "no such operator" },
		{ "CreateToken", "{\"operatorId\":\"nobody\"}", ERR_NOT_FOUND, "operator_id", "no such operator" },
		{ "CreateToken", "{\"operatorId\":\"No Id\"}", ERR_INVALID, "operator_id", "" },
		{ "CreateToken", "{\"operatorId\":\"o\",\"roles\":[\"operator\"]}", ERR_INVALID, "operator_id",
		  "goes without" },
		{ "CreateToken", "{\"subject\":\"operators/o\",\"roles\":[\"operator\"]}", ERR_INVALID, "subject",
		  "is that of an operator" },
		{ "CreateToken", "{\"operatorId\":\"o\",\"tenant\":\"acme\"}", ERR_INVALID, "operator_id",
		  "goes without" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		must_refuse(rows[i].method, rows[i].json, rows[i].error, rows[i].field, rows[i].message);
	make_operator("nothing", "");
	must_refuse("CreateToken", "{\"operatorId\":\"nothing\"}", ERR_PRECONDITION, "operator_id", "no permission");
	remove_one("DeleteOperator", "operators/nothing");
}

static void to_who_is_of_a_tenant_there_are_no_operators_GT_3_1_2(void **state)
{
	const char *admin = fixture_token(&fx, "acme", "SCOPE_TENANT_ADMIN");

	(void)state;
	refused(admin, "ListOperators", "{}", ERR_DENIED, "", "operators.read");
	refused(admin, "GetOperatorRole", "{\"name\":\"roles/billing\"}", ERR_DENIED, "", "operators.read");
	refused(admin, "CreateOperator", "{\"operatorId\":\"o\",\"operator\":{}}", ERR_DENIED, "", "operators.manage");
	refused(admin, "CreateToken", "{\"operatorId\":\"o\"}", ERR_DENIED, "scopes", "only operators make operators");
	refused(admin, "ListAuditEntries", "{}", ERR_DENIED, "", "only operators see the platform's audit");
	refused(admin, "VerifyAudit", "{}", ERR_DENIED, "", "only operators see the platform's audit");
}

/* ---- who may give what ---- */

static void nobody_gives_an_operator_what_he_has_not_himself_GT_3_1_2(void **state)
{
	char clerk[JSON];

	(void)state;
	make_role("staffing", "\"operators.manage\",\"operators.read\",\"tokens.create\",\"queues.read\"");
	make_role("deleting", "\"tenants.delete\"");
	make_operator("clerk", "\"staffing\"");
	make_operator("high", "\"deleting\"");
	token_of(clerk, "clerk");
	refused(clerk, "CreateOperatorRole", "{\"roleId\":\"r\",\"role\":{\"permissions\":[\"tenants.delete\"]}}",
		ERR_DENIED, "role.permissions", "operators/clerk needs tenants.delete");
	refused(clerk, "UpdateOperatorRole",
		"{\"role\":{\"name\":\"roles/staffing\",\"permissions\":[\"operators.manage\",\"queues.write\"]},"
		"\"updateMask\":\"permissions\"}",
		ERR_DENIED, "role.permissions", "needs queues.write");
	refused(clerk, "CreateOperator", "{\"operatorId\":\"o\",\"operator\":{\"roles\":[\"deleting\"]}}", ERR_DENIED,
		"operator.roles", "needs tenants.delete");
	refused(clerk, "UpdateOperator",
		"{\"operator\":{\"name\":\"operators/clerk\",\"roles\":[\"staffing\",\"operator\"]}}", ERR_DENIED,
		"operator.roles", "nobody gives more than he has");
	refused(clerk, "CreateToken", "{\"operatorId\":\"high\"}", ERR_DENIED, "operator_id", "needs tenants.delete");
	/* What somebody has, and keeps, is no gift; what he had before he was disabled is. */
	(void)fixture_must(&fx, clerk, "UpdateOperator",
			   "{\"operator\":{\"name\":\"operators/high\",\"displayName\":\"High\",\"disabled\":true}}");
	(void)fixture_must(&fx, clerk, "UpdateOperator",
			   "{\"operator\":{\"name\":\"operators/high\",\"displayName\":\"Higher\"}}");
	refused(clerk, "UpdateOperator", "{\"operator\":{\"name\":\"operators/high\"},\"updateMask\":\"disabled\"}",
		ERR_DENIED, "operator.roles", "needs tenants.delete");
	must_refuse("CreateToken", "{\"operatorId\":\"high\"}", ERR_NOT_FOUND, "operator_id", "he is disabled");
	/* What he has himself he gives. */
	(void)fixture_must(&fx, clerk, "CreateOperatorRole",
			   "{\"roleId\":\"looking\",\"role\":{\"permissions\":[\"queues.read\"]}}");
	(void)fixture_must(&fx, clerk, "CreateOperator",
			   "{\"operatorId\":\"other\",\"operator\":{\"roles\":[\"looking\"]}}");
	(void)fixture_must(&fx, clerk, "CreateToken", "{\"operatorId\":\"other\"}");
	make_operator("root", "\"operator\""); /* so that the clerk is not the last */
	remove_one("DeleteOperator", "operators/clerk");
	remove_one("DeleteOperator", "operators/high");
	remove_one("DeleteOperator", "operators/other");
}

/* ---- at once ---- */

static err_t list(struct fixture *f, const char *token, struct err_detail *d)
{
	*d = (struct err_detail){ 0 };
	return fixture_call(f, token, "ListTenants", "{}", NULL, d);
}

static bool is_refused_by_second(void *token)
{
	struct err_detail d;

	return list(&second, token, &d) == ERR_UNAUTHENTICATED && strcmp(d.message, "the token was withdrawn") == 0;
}

/* A change through one instance; the other one refuses the token within a second. */
static void loses(const char *id, const char *method, const char *json)
{
	char token[JSON];
	struct err_detail d;

	token_of(token, id);
	assert_int_equal(list(&second, token, &d), ERR_OK);
	(void)must(method, json);
	if (!testkit_wait(is_refused_by_second, token, 1000))
		fail_msg("%s %s: the token is good a second later", method, json);
	assert_string_equal(fixture_field(must("ListTokens", "{\"pageSize\":1}"), "revokedBy"), "operator:bootstrap");
}

static void what_an_operator_loses_goes_with_his_tokens_within_a_second_everywhere_GT_3_1_2(void **state)
{
	char token[JSON];
	struct err_detail d;

	(void)state;
	make_role("walk", "\"tenants.list\",\"queues.read\"");
	make_operator("li", "\"walk\",\"operator-readonly\"");
	loses("li", "UpdateOperator",
	      "{\"operator\":{\"name\":\"operators/li\",\"roles\":[\"walk\"]},\"updateMask\":\"roles\"}");
	loses("li", "UpdateOperatorRole",
	      "{\"role\":{\"name\":\"roles/walk\",\"permissions\":[\"tenants.list\"]},\"updateMask\":\"permissions\"}");
	/* What he gains takes nothing from him, and is in his next token. */
	token_of(token, "li");
	set_role("walk", "\"tenants.list\",\"skills.read\"");
	assert_int_equal(list(&fx, token, &d), ERR_OK);
	refused(token, "ListSkills", "{\"parent\":\"tenants/acme\"}", ERR_DENIED, "", "skills.read");
	token_of(token, "li");
	(void)fixture_must(&fx, token, "ListSkills", "{\"parent\":\"tenants/acme\"}");
	/* Only checked, nothing goes. */
	(void)must("DeleteOperator", "{\"name\":\"operators/li\",\"validateOnly\":true}");
	assert_int_equal(list(&second, token, &d), ERR_OK);
	loses("li", "UpdateOperator", "{\"operator\":{\"name\":\"operators/li\",\"disabled\":true}}");
	(void)must("UpdateOperator", "{\"operator\":{\"name\":\"operators/li\"},\"updateMask\":\"disabled\"}");
	loses("li", "DeleteOperator", "{\"name\":\"operators/li\"}");
}

static const struct {
	const char *permissions;
} flips[] = { { "\"tenants.list\",\"queues.read\"" }, { "\"tenants.list\"" } };

static void *make_tokens(void *stop)
{
	while (!*(volatile bool *)stop) {
		struct err_detail d = { 0 };
		err_t e =
		    fixture_call(&second, fx.operator_token, "CreateToken", "{\"operatorId\":\"quick\"}", NULL, &d);

		if (e && e != ERR_ABORTED)
			testkit_die("CreateToken: %s %s", err_name(e), d.message);
	}
	return NULL;
}

static void a_token_that_is_made_meanwhile_holds_no_more_than_he_has_then_GT_3_1_2(void **state)
{
	volatile bool stop = false;
	pthread_t thread;

	(void)state;
	make_role("flip", flips[0].permissions);
	make_operator("quick", "\"flip\"");
	assert_int_equal(pthread_create(&thread, NULL, make_tokens, (void *)&stop), 0);
	for (size_t i = 0; i < 21; i++) {
		set_role("flip", flips[(i + 1) % 2].permissions); /* ends without queues.read */
		if (i % 2 == 0)
			assert_string_equal(
			    fixture_sql(
				&fx, "SELECT count(*) FROM tm.token WHERE operator_id = 'quick' AND revoked_at IS NULL "
				     "AND position('queues.read'::bytea in body) > 0"),
			    "0");
	}
	stop = true;
	pthread_join(thread, NULL);
	assert_string_equal(
	    fixture_sql(&fx, "SELECT count(*) > 0 FROM tm.token WHERE operator_id = 'quick' AND revoked_at IS "
			     "NOT NULL"),
	    "t");
	remove_one("DeleteOperator", "operators/quick");
}

/* ---- the last one ---- */

static void the_last_who_can_manage_operators_stays_GT_3_1_2(void **state)
{
	static const struct {
		const char *method, *json;
	} rows[] = {
		{ "DeleteOperator", "{\"name\":\"operators/last\"}" },
		{ "UpdateOperator", "{\"operator\":{\"name\":\"operators/last\",\"disabled\":true}}" },
		{ "UpdateOperator", "{\"operator\":{\"name\":\"operators/last\"},\"updateMask\":\"roles\"}" },
		{ "UpdateOperator", "{\"operator\":{\"name\":\"operators/last\",\"roles\":[\"operator-readonly\"]}}" },
		{ "UpdateOperatorRole",
		  "{\"role\":{\"name\":\"roles/chief\",\"permissions\":[\"operators.manage\"]}}" },
	};

	(void)state;
	make_role("chief", "\"operators.manage\",\"tokens.create\"");
	make_operator("last", "\"chief\"");
	remove_one("DeleteOperator", "operators/root");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		must_refuse(rows[i].method, rows[i].json, ERR_PRECONDITION, "name", "no operator would be left");
	make_operator("next", "\"operator\"");
	remove_one("DeleteOperator", "operators/last");
	must_refuse("DeleteOperator", "{\"name\":\"operators/next\"}", ERR_PRECONDITION, "name",
		    "no operator would be left");
}

#define CHIEFS 6

struct blow {
	struct fixture *at;
	pthread_t thread;
	char json[160];
	const char *method;
	err_t result;
};

static void *strike(void *arg)
{
	struct blow *b = arg;
	struct err_detail d = { 0 };

	do
		b->result = fixture_call(b->at, fx.operator_token, b->method, b->json, NULL, &d);
	while (b->result == ERR_ABORTED); /* others wait in front of it */
	return NULL;
}

/* Nobody writes for so long: all who want to have looked before the first one has written. */
static void *hold_back(void *arg)
{
	struct str out = STR_INIT;

	(void)testkit_run((const char *[]){ "psql", "-XAtq", fx.pg.dsn, "-c",
					    "BEGIN; LOCK TABLE tm.operator_resource IN EXCLUSIVE MODE; SELECT "
					    "pg_sleep(0.8); COMMIT",
					    NULL },
			  &out, 20000);
	str_done(&out);
	return arg;
}

static bool is_held_back(void *arg)
{
	(void)arg;
	return strcmp(fixture_sql(&fx,
				  "SELECT count(*) FROM pg_locks WHERE relation = 'tm.operator_resource'::regclass AND "
				  "mode = 'ExclusiveLock' AND granted"),
		      "1") == 0;
}

/* All but one are deleted or disabled, whoever asks at once and of whichever instance. */
static void of_many_who_take_each_other_away_at_once_one_is_left_GT_3_1_2(void **state)
{
	struct blow blows[CHIEFS];
	pthread_t holder;
	char id[16];
	int done = 0;

	(void)state;
	for (int i = 0; i < CHIEFS; i++) {
		snprintf(id, sizeof(id), "c%d", i);
		make_operator(id, "\"chief\"");
	}
	remove_one("DeleteOperator", "operators/next");
	assert_int_equal(pthread_create(&holder, NULL, hold_back, NULL), 0);
	assert_true(testkit_wait(is_held_back, NULL, 10000));
	for (int i = 0; i < CHIEFS; i++) {
		struct blow *b = &blows[i];

		b->at = i % 2 ? &fx : &second;
		b->method = i % 3 ? "UpdateOperator" : "DeleteOperator";
		snprintf(b->json, sizeof(b->json),
			 i % 3 ? "{\"operator\":{\"name\":\"operators/c%d\",\"disabled\":true}}"
			       : "{\"name\":\"operators/c%d\"}",
			 i);
		assert_int_equal(pthread_create(&b->thread, NULL, strike, b), 0);
	}
	for (int i = 0; i < CHIEFS; i++) {
		pthread_join(blows[i].thread, NULL);
		if (blows[i].result && blows[i].result != ERR_PRECONDITION)
			fail_msg("%s: %s", blows[i].json, err_name(blows[i].result));
		done += blows[i].result == ERR_OK;
	}
	pthread_join(holder, NULL);
	assert_int_equal(done, CHIEFS - 1);
	assert_non_null(
	    strstr(must("ListOperators", "{\"filter\":\"disabled = false AND roles : chief\"}"), "operators/c"));
}

/* ---- the platform's audit ---- */

/* "action resource" of its newest entries, oldest first. */
static const char *newest(int n)
{
	static char out[1000];
	char sql[600];

	snprintf(
	    sql, sizeof(sql),
	    "SELECT string_agg(action || ' ' || CASE WHEN resource LIKE 'tokens/%%' THEN 'tokens/' ELSE resource END "
	    "|| "
	    "CASE WHEN before IS NULL THEN '' ELSE ' b' END || CASE WHEN after IS NULL THEN '' ELSE ' a' END, ', ' "
	    "ORDER BY seq) FROM (SELECT * FROM tm.audit WHERE tenant = '' AND actor = 'operator:bootstrap' AND peer <> "
	    "'' "
	    "ORDER BY seq DESC LIMIT %d) e",
	    n);
	snprintf(out, sizeof(out), "%s", fixture_sql(&fx, sql));
	return out;
}

static void what_operators_do_to_the_platform_is_in_its_audit_GT_3_1_2(void **state)
{
	char json[JSON];
	const char *r;

	(void)state;
	(void)must("CreatePool", "{\"poolId\":\"gold\",\"pool\":{\"displayName\":\"Gold\"}}");
	(void)must("UpdatePool", "{\"pool\":{\"name\":\"pools/gold\",\"displayName\":\"Golden\"}}");
	(void)must("DeletePool", "{\"name\":\"pools/gold\",\"validateOnly\":true}");
	remove_one("DeletePool", "pools/gold");
	assert_string_equal(newest(3),
			    "pools.create pools/gold a, pools.update pools/gold b a, pools.delete pools/gold b");
	assert_string_equal(fixture_sql(&fx,
					"SELECT position('Golden'::bytea in after) > 0 AND position('Golden'::bytea in "
					"before) = 0 FROM tm.audit WHERE tenant = '' AND action = 'pools.update'"),
			    "t");
	make_role("seen", "\"tenants.list\"");
	make_operator("seen", "\"seen\"");
	r = must("CreateToken", "{\"operatorId\":\"seen\"}");
	snprintf(json, sizeof(json), "{\"name\":\"%s\"}", fixture_field(r, "name"));
	(void)must("RevokeToken", json);
	(void)must("RevokeToken", json); /* changes nothing */
	remove_one("DeleteOperator", "operators/seen");
	remove_one("DeleteOperatorRole", "roles/seen");
	assert_string_equal(newest(6),
			    "roles.create roles/seen a, operators.create operators/seen a, tokens.create tokens/ a, "
			    "tokens.revoke tokens/ b a, operators.delete operators/seen b, roles.delete roles/seen b");
	r = must("ListAuditEntries", "{\"action\":\"operators.delete\",\"resourcePrefix\":\"operators/seen\"}");
	assert_string_equal(fixture_field(r, "actor"), "operator:bootstrap");
	assert_string_equal(fixture_field(r, "resource"), "operators/seen");
	assert_null(strstr(must("ListAuditEntries", "{\"parent\":\"tenants/acme\"}"), "operators/"));
	/* No token of the service can change it, none of a tenant sees it, and nothing of it goes out as an event. */
	assert_string_equal(fixture_sql(&fx, "SELECT count(*) FROM tm.outbox WHERE tenant = ''"), "0");
}

static const char *as_service(const char *tenant, const char *sql)
{
	static struct str out = STR_INIT;
	char script[512];

	snprintf(script, sizeof(script), "BEGIN; SET LOCAL trunkline.tenant = '%s'; %s; COMMIT", tenant, sql);
	str_reset(&out);
	(void)testkit_run((const char *[]){ "psql", "-XAtq", fx.dsn, "-c", script, NULL }, &out, 10000);
	return str_text(&out);
}

static void the_platforms_audit_is_chained_only_added_to_and_seen_by_no_tenant_GT_16(void **state)
{
	const char *r = must("VerifyAudit", "{}");

	(void)state;
	assert_non_null(strstr(r, "\"ok\":true"));
	assert_string_equal(fixture_field(r, "entries"),
			    fixture_sql(&fx, "SELECT count(*) FROM tm.audit WHERE tenant = ''"));
	assert_string_equal(as_service("acme", "SELECT count(*) FROM tm.audit WHERE tenant = ''"), "0\n");
	assert_string_equal(as_service("acme", "SELECT count(*) FROM tm.audit_head WHERE tenant = ''"), "0\n");
	assert_string_equal(as_service("acme", "SELECT count(*) FROM tm.operator_resource"), "0\n");
	assert_non_null(strstr(as_service("acme", "INSERT INTO tm.audit VALUES ('', 1, now(), 'a', 'b', 'c', 'd')"),
			       "row-level security"));
	assert_non_null(strstr(as_service("", "UPDATE tm.audit SET actor = 'x'"), "permission denied"));
	assert_non_null(strstr(as_service("", "DELETE FROM tm.audit_head"), "permission denied"));
	assert_non_null(strstr(as_service("", "INSERT INTO tm.audit VALUES ('', 1, now(), 'a', 'b', 'c', 'd')"),
			       "seq 1 does not follow"));
	(void)fixture_sql(
	    &fx, "SET session_replication_role = replica; UPDATE tm.audit SET actor = 'nobody' WHERE tenant = '' "
		 "AND seq = 3");
	r = must("VerifyAudit", "{}");
	assert_null(strstr(r, "\"ok\":true"));
	assert_string_equal(fixture_field(r, "firstBadSeq"), "3");
}

static int start(void **state)
{
	fixture_start(&fx);
	*state = &fx;
	fixture_second(&second, &fx);
	fixture_service_start(&second);
	(void)must("CreateTenant", "{\"tenantId\":\"acme\",\"tenant\":{}}");
	return 0;
}

static int stop(void **state)
{
	fixture_service_stop(&second, SIGTERM);
	return fixture_tear_down(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(operators_make_roles_of_both_sides_and_give_them_to_operators_GT_3_1_2),
		cmocka_unit_test(what_is_wrong_is_told_by_its_field_GT_3_1_2),
		cmocka_unit_test(to_who_is_of_a_tenant_there_are_no_operators_GT_3_1_2),
		cmocka_unit_test(nobody_gives_an_operator_what_he_has_not_himself_GT_3_1_2),
		cmocka_unit_test(what_an_operator_loses_goes_with_his_tokens_within_a_second_everywhere_GT_3_1_2),
		cmocka_unit_test(a_token_that_is_made_meanwhile_holds_no_more_than_he_has_then_GT_3_1_2),
		cmocka_unit_test(the_last_who_can_manage_operators_stays_GT_3_1_2),
		cmocka_unit_test(of_many_who_take_each_other_away_at_once_one_is_left_GT_3_1_2),
		cmocka_unit_test(what_operators_do_to_the_platform_is_in_its_audit_GT_3_1_2),
		cmocka_unit_test(the_platforms_audit_is_chained_only_added_to_and_seen_by_no_tenant_GT_16),
	};

	return cmocka_run_group_tests_name("operators", tests, start, stop);
}
