/* GT-3.1.2f: the same refusal in three languages, by the request, the user and the tenant. */
#include "manager_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static struct fixture fx;

#define BAD_QUEUE "{\"parent\":\"tenants/%s\",\"queueId\":\"sales\",\"queue\":{\"priority\":11}}"
static const char en[] = "11 is not within 0 and 10", hans[] = "11 不在 0 至 10 之间", hant[] = "11 不在 0 至 10 之間";

static void make_tenant(const char *id, const char *language)
{
	char j[300];

	snprintf(j, sizeof(j), "{\"tenantId\":\"%s\",\"tenant\":{\"language\":\"%s\"}}", id, language);
	(void)fixture_must(&fx, fx.operator_token, "CreateTenant", j);
}

/* An administrator's; language "": not said. */
static void make_token(char buf[2048], const char *tenant, const char *language)
{
	char j[300];

	snprintf(j, sizeof(j), "{\"tenant\":\"%s\",\"scopes\":[\"SCOPE_TENANT_ADMIN\"],\"language\":\"%s\"}", tenant,
		 language);
	(void)str_copy(buf, 2048, fixture_field(fixture_must(&fx, fx.operator_token, "CreateToken", j), "accessToken"));
}

static void must_say(const char *token, const char *accept, const char *method, const char *json, const char *field,
		     const char *message)
{
	struct err_detail d = { 0 };
	err_t e;

	fx.language = accept;
	e = fixture_call(&fx, token, method, json, NULL, &d);
	fx.language = NULL;
	if (!e || strcmp(d.field, field) != 0 || strcmp(d.message, message) != 0)
		fail_msg("%s: %s '%s' '%s' instead of '%s' '%s'", method, err_name(e), d.field, d.message, field,
			 message);
}

static void the_same_bad_request_is_answered_in_the_language_of_request_user_or_tenant_GT_3_1_2f(void **state)
{
	static const struct {
		const char *tenant, *user, *accept, *message;
	} rows[] = {
		{ "plain", "", NULL, en },
		{ "taibei", "", NULL, hant }, /* the tenant's */
		{ "beijing", "", NULL, hans },
		{ "taibei", "en", NULL, en }, /* the user's before it */
		{ "plain", "zh-HK", NULL, hant },
		{ "taibei", "zh-Hans", "en-GB,en;q=0.9", en }, /* the request's before both */
		{ "plain", "", "zh-CN", hans },
		{ "beijing", "en", "de;q=0.9, zh-TW;q=0.8, *;q=0.1", hant },
		{ "beijing", "", "fr-CA, fr", en }, /* none of ours */
		{ "beijing", "", "*", hans },
		{ "beijing", "", ";;;q=zh,,", hans }, /* says nothing */
	};
	char token[2048], j[300];

	(void)state;
	make_tenant("plain", "");
	make_tenant("taibei", "zh-TW");
	make_tenant("beijing", "zh-Hans");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		make_token(token, rows[i].tenant, rows[i].user);
		snprintf(j, sizeof(j), BAD_QUEUE, rows[i].tenant);
		must_say(token, rows[i].accept, "CreateQueue", j, "queue.priority", rows[i].message);
	}
}

static void an_agents_login_carries_its_language_else_the_tenants_GT_3_1_2f(void **state)
{
	static const struct {
		const char *agent, *language, *message;
	} rows[] = {
		{ "1001", "", "agent:1001 無權執行此操作：需要 tenant.read" },
		{ "1002", "zh-CN", "agent:1002 无权执行此操作：需要 tenant.read" },
		{ "1003", "en", "agent:1003 may not do this: it needs tenant.read" },
	};
	char token[2048], j[400];

	(void)state;
	make_tenant("desk", "zh-Hant");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		snprintf(
		    j, sizeof(j),
		    "{\"parent\":\"tenants/desk\",\"agentId\":\"%s\",\"agent\":{\"enabled\":true,\"language\":\"%s\","
		    "\"password\":\"correct horse\"}}",
		    rows[i].agent, rows[i].language);
		(void)fixture_must(&fx, fx.operator_token, "CreateAgent", j);
		snprintf(j, sizeof(j), "{\"tenant\":\"desk\",\"agentId\":\"%s\",\"password\":\"correct horse\"}",
			 rows[i].agent);
		(void)str_copy(token, sizeof(token), fixture_field(fixture_must(&fx, NULL, "Login", j), "accessToken"));
		must_say(token, NULL, "GetTenant", "{\"name\":\"tenants/desk\"}", "", rows[i].message);
	}
}

static void who_is_nobody_yet_is_told_in_the_language_of_the_request(void **state)
{
	static const char wrong[] = "{\"tenant\":\"nowhere\",\"agentId\":\"1\",\"password\":\"x\"}";

	(void)state;
	must_say(NULL, NULL, "Login", wrong, "", "tenant, agent or password is wrong");
	must_say(NULL, "zh-Hant", "Login", wrong, "", "租戶、座席或密碼不正確");
	must_say(NULL, "zh-Hans", "GetTenant", "{\"name\":\"tenants/x\"}", "authorization", "需要令牌");
	must_say("nonsense", "zh-Hant", "GetTenant", "{\"name\":\"tenants/x\"}", "authorization", "權杖格式錯誤");
}

static void a_language_that_is_not_there_is_refused_by_name(void **state)
{
	static const char *const none = "'fr' is none of the languages: en, zh-Hans, zh-Hant";
	const char *op = fx.operator_token;

	(void)state;
	make_tenant("strict", "en");
	must_say(op, NULL, "CreateTenant", "{\"tenantId\":\"f\",\"tenant\":{\"language\":\"fr\"}}", "tenant.language",
		 none);
	must_say(op, NULL, "UpdateTenant", "{\"tenant\":{\"name\":\"tenants/strict\",\"language\":\"fr\"}}",
		 "tenant.language", none);
	must_say(op, NULL, "CreateAgent",
		 "{\"parent\":\"tenants/strict\",\"agentId\":\"1\",\"agent\":{\"language\":\"fr\"}}", "agent.language",
		 none);
	must_say(op, NULL, "CreateToken",
		 "{\"tenant\":\"strict\",\"scopes\":[\"SCOPE_SUPERVISOR\"],\"language\":\"fr\"}", "language", none);
	assert_string_equal(fixture_field(fixture_must(&fx, op, "GetTenant", "{\"name\":\"tenants/strict\"}"),
					  "language"),
			    "en");
}

static void a_tenants_administrator_changes_its_language_and_nothing_else_changes_GT_3_1_2f(void **state)
{
	char token[2048];
	const char *now;

	(void)state;
	make_tenant("moving", "en");
	make_token(token, "moving", "");
	now = fixture_must(
	    &fx, token, "UpdateTenant",
	    "{\"tenant\":{\"name\":\"tenants/moving\",\"language\":\"zh-HK\"},\"updateMask\":\"language\"}");
	assert_string_equal(fixture_field(now, "language"), "zh-HK");
	assert_string_equal(fixture_field(now, "timeZone"), "UTC");
	make_token(token, "moving", "");
	must_say(token, NULL, "GetQueue", "{\"name\":\"tenants/moving/queues/x\"}", "name", "沒有這個佇列");
}

/* An administrator of a foreign tenant learns as little in each language. */
static void a_foreign_tenant_and_none_are_refused_alike_in_each_language(void **state)
{
	static const char *const accept[] = { "en", "zh-Hans", "zh-Hant" }, *const say[] = { "no such tenant",
											     "没有这个租户",
											     "沒有這個租戶" };
	char token[2048];

	(void)state;
	make_tenant("ours", "");
	make_tenant("theirs", "zh-Hant");
	make_token(token, "ours", "");
	for (size_t i = 0; i < ARRAY_SIZE(accept); i++) {
		must_say(token, accept[i], "GetTenant", "{\"name\":\"tenants/theirs\"}", "tenant", say[i]);
		must_say(token, accept[i], "GetTenant", "{\"name\":\"tenants/nowhere\"}", "tenant", say[i]);
	}
}

static void why_an_audit_does_not_hold_is_told_in_the_language_of_who_asks(void **state)
{
	struct str answer = STR_INIT;

	(void)state;
	make_tenant("forged", "");
	(void)fixture_sql(&fx,
			  "SET session_replication_role = replica; UPDATE tm.audit SET actor = 'nobody' WHERE tenant "
			  "= 'forged' AND seq = 1");
	fx.language = "zh-Hant";
	assert_int_equal(fixture_call(&fx, fx.operator_token, "VerifyAudit", "{\"parent\":\"tenants/forged\"}", &answer,
				      NULL),
			 ERR_OK);
	fx.language = NULL;
	assert_string_equal(fixture_field(str_text(&answer), "reason"),
			    "第 1 筆與寫入時不同：其雜湊值與本筆及前一筆不符");
	str_done(&answer);
}

/* ---- imports: what is kept of them is said anew for each who asks ---- */

static bool import_has_ended(void *name)
{
	char j[200];

	usleep(50000);
	snprintf(j, sizeof(j), "{\"name\":\"%s\"}", (const char *)name);
	return strcmp(fixture_field(fixture_must(&fx, fx.operator_token, "GetImport", j), "state"),
		      "IMPORT_STATE_RUNNING") != 0;
}

/* An import of agents that fails; buf gets its name. */
static void run_import(char buf[128], const char *file)
{
	struct str answer = STR_INIT;
	struct err_detail d = { 0 };

	if (fixture_import(&fx, fx.operator_token, "{\"parent\":\"tenants/tables\",\"kind\":\"IMPORT_KIND_AGENTS\"}",
			   file, strlen(file), &answer, &d))
		fail_msg("%s: %s", d.field, d.message);
	(void)str_copy(buf, 128, fixture_field(str_text(&answer), "name"));
	str_done(&answer);
	assert_true(testkit_wait(import_has_ended, buf, 30000));
}

static void the_report_must_say(const char *name, const char *accept, const char *const *texts)
{
	char j[200];

	snprintf(j, sizeof(j), "{\"name\":\"%s\"}", name);
	fx.language = accept;
	const char *m = fixture_must(&fx, fx.operator_token, "GetImport", j);
	fx.language = NULL;
	for (; *texts; texts++) {
		if (!strstr(m, *texts))
			fail_msg("no '%s' in %s", *texts, m);
	}
	assert_null(strstr(m, "\"places\""));
	assert_null(strstr(m, "\"text\""));
	assert_null(strstr(m, "\"failure\""));
	snprintf(j, sizeof(j), "{\"parent\":\"tenants/tables\"}");
	fx.language = accept;
	assert_non_null(strstr(fixture_must(&fx, fx.operator_token, "ListImports", j), texts[-1]));
	fx.language = NULL;
}

static void the_report_of_an_import_is_in_the_language_of_who_reads_it_GT_3_1_2f(void **state)
{
	/* The last one is why it failed as a whole. */
	static const struct {
		const char *accept, *rows[6], *file[2];
	} want[] = {
		{ "en",
		  { "\"row 2 has it, too\"", "\"agent 'here' is there already\"", "\"there is no skill 'dutch'\"",
		    "\"'x' is no skill with its level from 1 to 10, such as english:5\"",
		    "\"error\":\"4 of 5 rows are bad: nothing is written\"" },
		  { "\"error\":\"file: row 2: a quote is not closed\"" } },
		{ "zh-Hans",
		  { "\"第 2 行也有\"", "\"坐席“here”已经存在\"", "\"没有技能“dutch”\"",
		    "\"“x”不是技能及其等级（1 至 10），例如 english:5\"",
		    "\"error\":\"共 5 行，其中 4 行有误：没有写入任何数据\"" },
		  { "\"error\":\"file: 第 2 行：引号没有闭合\"" } },
		{ "zh-Hant",
		  { "\"第 2 列也有\"", "\"座席「here」已經存在\"", "\"沒有技能「dutch」\"",
		    "\"「x」不是技能及其等級（1 至 10），例如 english:5\"",
		    "\"error\":\"共 5 列，其中 4 列有誤：沒有寫入任何資料\"" },
		  { "\"error\":\"file: 第 2 列：引號沒有閉合\"" } },
	};
	char rows[128], file[128];

	(void)state;
	make_tenant("tables", "zh-Hant");
	(void)fixture_must(&fx, fx.operator_token, "CreateAgent",
			   "{\"parent\":\"tenants/tables\",\"agentId\":\"here\",\"agent\":{}}");
	run_import(rows, "id,skills\nnew,\nnew,\nhere,\nb,dutch:5\nc,x\n");
	run_import(file, "id,name\na,\"b\n");
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		the_report_must_say(rows, want[i].accept, want[i].rows);
		the_report_must_say(file, want[i].accept, want[i].file);
	}
	/* What a previous version of the service has kept has no more than its English. */
	assert_string_equal(fixture_sql(&fx,
					"UPDATE tm.import SET body = '\\x62036f6c64' WHERE tenant = 'tables' RETURNING "
					"state = 3"),
			    "t\nt");
	the_report_must_say(rows, "zh-Hans", (const char *const[]){ "\"error\":\"old\"", NULL });
}

static int set_up(void **state)
{
	*state = &fx;
	fixture_start(&fx);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_bad_request_is_answered_in_the_language_of_request_user_or_tenant_GT_3_1_2f),
		cmocka_unit_test(an_agents_login_carries_its_language_else_the_tenants_GT_3_1_2f),
		cmocka_unit_test(who_is_nobody_yet_is_told_in_the_language_of_the_request),
		cmocka_unit_test(a_language_that_is_not_there_is_refused_by_name),
		cmocka_unit_test(a_tenants_administrator_changes_its_language_and_nothing_else_changes_GT_3_1_2f),
		cmocka_unit_test(a_foreign_tenant_and_none_are_refused_alike_in_each_language),
		cmocka_unit_test(why_an_audit_does_not_hold_is_told_in_the_language_of_who_asks),
		cmocka_unit_test(the_report_of_an_import_is_in_the_language_of_who_reads_it_GT_3_1_2f),
	};

	return cmocka_run_group_tests(tests, set_up, fixture_tear_down);
}
