/* GT-3.1.2: a tenant that is deleted waits out its grace, may come back as it was, and goes whole, whoever is killed meanwhile. */
#include "manager_fixture.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/clock.h"
#include "promptstore/promptstore.h"
#include "tenantconf/tenantconf.h"

#define AGENTS "10000"

static struct fixture fx;

/* ---- building blocks ---- */

static const char *must(const char *method, const char *json)
{
	return fixture_must(&fx, fx.operator_token, method, json);
}

static void refused(const char *token, const char *method, const char *json, err_t code, const char *text)
{
	struct err_detail d = { 0 };
	err_t e = fixture_call(&fx, token, method, json, NULL, &d);

	if (e != code || !strstr(d.message, text))
		fail_msg("%s %s: %s field '%s' message '%s'", method, json, err_name(e), d.field, d.message);
}

/* "@" is the tenant. */
static const char *with(const char *format, const char *tenant)
{
	static char ring[4][1024];
	static int at;
	char *out = ring[at++ % 4];
	size_t n = 0;

	for (const char *p = format; *p; p++)
		n += (size_t)(*p == '@' ? snprintf(out + n, 1024 - n, "%s", tenant)
					: snprintf(out + n, 1024 - n, "%c", *p));
	return out;
}

/* A tenant with one of each kind; its number is +49 and what is given. */
static void furnish(const char *tenant, const char *number)
{
	static const char *const rows[][2] = {
		{ "CreateSkill", "{\"parent\":\"tenants/@\",\"skillId\":\"x\",\"skill\":{}}" },
		{ "CreateQueue",
		  "{\"parent\":\"tenants/@\",\"queueId\":\"x\",\"queue\":{\"skills\":[{\"skillId\":\"x\",\"level\":1}],"
		  "\"musicPromptId\":\"x\"}}" },
		{ "CreateFlow",
		  "{\"parent\":\"tenants/@\",\"flowId\":\"x\",\"flow\":{\"steps\":[{\"id\":\"a\",\"queue\":{"
		  "\"queueId\":\"x\"}}]}}" },
		{ "CreateAgent",
		  "{\"parent\":\"tenants/@\",\"agentId\":\"x\",\"agent\":{\"enabled\":true,\"password\":\"correct "
		  "horse\",\"skills\":[{\"skillId\":\"x\",\"level\":1}]}}" },
	};
	char json[256];

	(void)must("CreateTenant", with("{\"tenantId\":\"@\",\"tenant\":{\"displayName\":\"@ Ltd\"}}", tenant));
	fixture_upload_silence(&fx, with("tenants/@", tenant), "x");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		(void)must(rows[i][0], with(rows[i][1], tenant));
	snprintf(json, sizeof(json),
		 "{\"parent\":\"tenants/%s\",\"number\":{\"number\":\"+49%s\",\"working\":{\"flowId\":\"x\"}}}", tenant,
		 number);
	(void)must("CreateNumber", json);
}

/* A dry run, of which a row is left. */
static void import_agents(const char *tenant, const char *table)
{
	struct err_detail d = { 0 };

	if (fixture_import(&fx, fx.operator_token,
			   with("{\"parent\":\"tenants/@\",\"kind\":\"IMPORT_KIND_AGENTS\",\"validateOnly\":true}",
				tenant),
			   table, strlen(table), NULL, &d))
		fail_msg("%s %s", d.field, d.message);
}

/* AGENTS more of them, each with a skill and a password, as AdminService would have written them, to be published, too. */
static void add_agents(const char *tenant)
{
	(void)fixture_sql(
	    &fx,
	    with("BEGIN; INSERT INTO tm.resource (tenant, kind, id, body, revision) SELECT '@', 'agent', 'a' || n, "
		 "'\\x0a'::bytea || set_byte('\\x00', 0, length('@')) || '@'::bytea || '\\x12'::bytea || "
		 "set_byte('\\x00', "
		 "0, length('a' || n)) || ('a' || n)::bytea || '\\x4801'::bytea, 1 FROM generate_series(1, " AGENTS
		 ") n; "
		 "INSERT INTO tm.resource_ref SELECT '@', 'agent', 'a' || n, 'skill', 'x' FROM "
		 "generate_series(1, " AGENTS
		 ") n; INSERT INTO tm.credential (tenant, agent_id, argon2id) SELECT '@', 'a' || n, 'x' FROM "
		 "generate_series(1, " AGENTS ") n; COMMIT",
		 tenant));
}

/* Rows of the tenant in all tables but those that outlive it. */
static const char *rows_of(const char *tenant)
{
	return fixture_sql(
	    &fx,
	    with("SELECT (SELECT count(*) FROM tm.tenant WHERE tenant = '@') + (SELECT count(*) FROM tm.resource WHERE "
		 "tenant = '@') + (SELECT count(*) FROM tm.resource_ref WHERE tenant = '@') + (SELECT count(*) FROM "
		 "tm.credential WHERE tenant = '@') + (SELECT count(*) FROM tm.prompt_audio WHERE tenant = '@') + "
		 "(SELECT count(*) FROM tm.usage WHERE tenant = '@') + (SELECT count(*) FROM tm.request WHERE tenant = "
		 "'@') + (SELECT count(*) FROM tm.flow_version WHERE tenant = '@') + (SELECT count(*) FROM tm.import "
		 "WHERE tenant = '@') + (SELECT count(*) FROM tm.outbox WHERE tenant = '@' AND stage <> 4)",
		 tenant));
}

static const char *deletion(const char *tenant)
{
	return must("GetTenantDeletion", with("{\"name\":\"tenants/@\"}", tenant));
}

/* "agents 10001" is in the report. */
static void must_report(const char *tenant, const char *what, const char *count)
{
	char want[96];

	snprintf(want, sizeof(want), "\"what\":\"%s\",\"count\":\"%s\"", what, count);
	const char *report = deletion(tenant);
	if (!strstr(report, want))
		fail_msg("no %s in %s", want, report);
}

struct waiting {
	const char *sql, *want;
};

static bool sql_says(void *arg)
{
	const struct waiting *w = arg;

	return strcmp(fixture_sql(&fx, w->sql), w->want) == 0;
}

static void wait_sql(const char *sql, const char *want, int ms)
{
	struct waiting w = { sql, want };

	if (!testkit_wait(sql_says, &w, ms))
		fail_msg("%s: %s instead of %s", sql, fixture_sql(&fx, sql), want);
}

static void wait_purged(const char *tenant, int ms)
{
	char sql[160];

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM tm.deletion WHERE tenant = '%s' AND purged_at IS NULL",
		 tenant);
	wait_sql(sql, "0", ms);
}

static void verify_audit(const char *tenant)
{
	const char *answer = must("VerifyAudit", with("{\"parent\":\"tenants/@\"}", tenant));

	assert_string_equal(fixture_field(answer, "ok"), "true");
}

/* ---- what the call services see ---- */

struct reader {
	struct bus *bus;
	struct tenantconf *conf;
	struct promptstore *prompts;
	const char *tenant;
	struct bus_sub *purges;
	unsigned n_purges; /* that recorders were told of */
	bool fetched;
	err_t found;
};

static void on_purge(const struct bus_msg *msg, void *arg)
{
	(void)msg;
	((struct reader *)arg)->n_purges++;
}

static void reader_start(struct reader *r, const char *tenant)
{
	struct err_detail d = { 0 };

	*r = (struct reader){ .tenant = tenant };
	if (bus_new(&r->bus, &(struct bus_params){ .loop = fx.loop, .url = fx.nats.url, .name = "reader" }, &d) ||
	    tenantconf_new(&r->conf, &(struct tenantconf_params){ .bus = r->bus }, &d) ||
	    promptstore_new(&r->prompts, r->bus, &d) ||
	    bus_subscribe(&r->purges, r->bus, with("ev.@.recording.tenant", tenant), NULL, on_purge, r))
		testkit_die("reader: %s %s", d.field, d.message);
}

static void reader_stop(struct reader *r)
{
	bus_unsubscribe(&r->purges);
	tenantconf_free(&r->conf);
	promptstore_free(&r->prompts);
	bus_free(&r->bus);
}

static bool serves(void *arg)
{
	const struct reader *r = arg;
	const struct tenant *t = tenantconf_find_tenant(r->conf, r->tenant);

	return t && !t->suspended && tenantconf_find_agent(r->conf, r->tenant, "x");
}

static bool ends_calls(void *arg)
{
	const struct reader *r = arg;
	const struct tenant *t = tenantconf_find_tenant(r->conf, r->tenant);

	return t && t->suspended && t->suspension_ends_calls && !t->announcement;
}

static bool was_told(void *arg)
{
	return ((const struct reader *)arg)->n_purges == 1;
}

static bool knows_nothing(void *arg)
{
	const struct reader *r = arg;

	return !tenantconf_find_tenant(r->conf, r->tenant) && !tenantconf_n_agents(r->conf, r->tenant);
}

static void on_fetched(err_t e, const void *pcm, size_t size, void *arg)
{
	struct reader *r = arg;

	(void)pcm;
	(void)size;
	r->found = e;
	r->fetched = true;
}

static bool has_fetched(void *arg)
{
	return ((const struct reader *)arg)->fetched;
}

static err_t fetch_prompt(struct reader *r, const char *sha256)
{
	r->fetched = false;
	assert_int_equal(promptstore_fetch(r->prompts, r->tenant, sha256, on_fetched, r), ERR_OK);
	assert_true(testkit_wait_loop(fx.loop, has_fetched, r, 20000));
	return r->found;
}

/* ---- the grace ---- */

static void check_closed(const char *admin)
{
	static const char *const of_its_own[][2] = {
		{ "GetTenant", "{\"name\":\"tenants/acme\"}" },
		{ "UpdateTenant", "{\"tenant\":{\"name\":\"tenants/acme\",\"displayName\":\"x\"}}" },
		{ "GetQueue", "{\"name\":\"tenants/acme/queues/x\"}" },
		{ "ListQueues", "{\"parent\":\"tenants/acme\"}" },
		{ "CreateSkill", "{\"parent\":\"tenants/acme\",\"skillId\":\"y\",\"skill\":{}}" },
		{ "DeleteAgent", "{\"name\":\"tenants/acme/agents/x\"}" },
		{ "ListFlowVersions", "{\"parent\":\"tenants/acme/flows/x\"}" },
		{ "GetFlowVersion", "{\"name\":\"tenants/acme/flows/x/versions/1\"}" },
		{ "PublishFlow", "{\"name\":\"tenants/acme/flows/x\"}" },
		{ "RollbackFlow", "{\"name\":\"tenants/acme/flows/x\",\"version\":\"1\"}" },
		{ "ListImports", "{\"parent\":\"tenants/acme\"}" },
		{ "GetImport", "{\"name\":\"tenants/acme/imports/1\"}" },
		{ "CancelImport", "{\"name\":\"tenants/acme/imports/1\"}" },
		{ "ListRoles", "{\"parent\":\"tenants/acme\"}" },
		{ "ListAuditEntries", "{\"parent\":\"tenants/acme\"}" },
		{ "VerifyAudit", "{\"parent\":\"tenants/acme\"}" },
		{ "CreateToken", "{\"tenant\":\"acme\",\"scopes\":[\"SCOPE_TENANT_ADMIN\"]}" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(of_its_own); i++)
		refused(admin, of_its_own[i][0], of_its_own[i][1], ERR_NOT_FOUND, "no such tenant");
	refused(NULL, "Login", "{\"tenant\":\"acme\",\"agentId\":\"x\",\"password\":\"correct horse\"}",
		ERR_UNAUTHENTICATED, "wrong");
	refused(fx.operator_token, "CreateToken",
		"{\"tenant\":\"acme\",\"agentId\":\"x\",\"scopes\":[\"SCOPE_AGENT\"]}", ERR_NOT_FOUND, "no such agent");
}

static void check_taken(void)
{
	refused(fx.operator_token, "CreateNumber",
		"{\"parent\":\"tenants/globex\",\"number\":{\"number\":\"+4930\",\"working\":{\"rejectStatus\":404}}}",
		ERR_EXISTS, "the number is not available");
	refused(fx.operator_token, "CreateTenant", "{\"tenantId\":\"acme\",\"tenant\":{}}", ERR_EXISTS, "acme");
	refused(fx.operator_token, "CreateTenant",
		"{\"tenantId\":\"other\",\"tenant\":{\"sipDomain\":\"acme.trunkline.local\"}}", ERR_EXISTS,
		"SIP domain");
}

/* An operator who may only read sees it and changes nothing (GT-3). */
static void check_reader(void)
{
	static const char *const changes[][2] = {
		{ "UndeleteTenant", "tenants.delete" },
		{ "DeleteTenant", "tenants.delete" },
	};
	char token[2048];

	(void)str_copy(token, sizeof(token),
		       fixture_field(must("CreateToken", "{\"roles\":[\"operator-readonly\"]}"), "accessToken"));
	(void)fixture_must(&fx, token, "GetTenantDeletion", "{\"name\":\"tenants/acme\"}");
	(void)fixture_must(&fx, token, "GetQueue", "{\"name\":\"tenants/acme/queues/x\"}");
	const char *all = fixture_must(&fx, token, "ListTenants", "{\"showDeleted\":true}");
	assert_non_null(strstr(all, "tenants/acme"));
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++)
		refused(token, changes[i][0], "{\"name\":\"tenants/acme\"}", ERR_DENIED, changes[i][1]);
}

static void a_deleted_tenant_is_closed_and_keeps_what_it_has_until_its_grace_is_over_GT_3_1_2(void **state)
{
	struct reader r;

	(void)state;
	const char *admin = fixture_token(&fx, "acme", "SCOPE_TENANT_ADMIN");
	reader_start(&r, "acme");
	assert_true(testkit_wait_loop(fx.loop, serves, &r, 20000));
	refused(admin, "DeleteTenant", "{\"name\":\"tenants/acme\"}", ERR_DENIED, "");
	(void)must("DeleteTenant", "{\"name\":\"tenants/acme\",\"validateOnly\":true}");
	assert_string_equal(fixture_field(must("GetTenant", "{\"name\":\"tenants/acme\"}"), "state"), "STATE_ACTIVE");
	(void)must("DeleteTenant", "{\"name\":\"tenants/acme\"}");
	const char *t = must("GetTenant", "{\"name\":\"tenants/acme\"}");
	assert_string_equal(fixture_field(t, "state"), "STATE_DELETED");
	assert_true(strtoll(fixture_field(t, "purgeTimeMs"), NULL, 10) -
			strtoll(fixture_field(t, "deleteTimeMs"), NULL, 10) ==
		    7 * 86400000LL);
	assert_true(testkit_wait_loop(fx.loop, ends_calls, &r, 20000));
	check_closed(admin);
	check_taken();
	refused(fx.operator_token, "CreateSkill", "{\"parent\":\"tenants/acme\",\"skillId\":\"y\",\"skill\":{}}",
		ERR_PRECONDITION, "UndeleteTenant restores it");
	refused(fx.operator_token, "UpdateTenant",
		"{\"tenant\":{\"name\":\"tenants/acme\",\"suspended\":false},\"updateMask\":\"suspended\"}",
		ERR_PRECONDITION, "UndeleteTenant");
	(void)must("GetQueue", "{\"name\":\"tenants/acme/queues/x\"}");
	assert_null(strstr(must("ListTenants", "{}"), "tenants/acme"));
	assert_non_null(strstr(must("ListTenants", "{\"showDeleted\":true}"), "tenants/acme"));
	assert_non_null(strstr(must("ListTenants", "{\"pageSize\":1}"), "tenants/globex"));
	check_reader();
	reader_stop(&r);
}

static void undeleted_it_is_at_once_as_it_was_GT_3_1_2(void **state)
{
	struct reader r;

	(void)state;
	refused(fx.operator_token, "DeleteTenant", "{\"name\":\"tenants/acme\"}", ERR_PRECONDITION, "deleted already");
	(void)must("DeleteTenant", "{\"name\":\"tenants/acme\",\"graceMs\":\"60000\"}");
	const char *report = deletion("acme");
	assert_true(strtoll(fixture_field(report, "purgeTimeMs"), NULL, 10) -
			strtoll(fixture_field(report, "deleteTimeMs"), NULL, 10) <
		    600000);
	assert_string_equal(fixture_field(report, "deletedBy"), "operator:bootstrap");
	const char *t = must("UndeleteTenant", "{\"name\":\"tenants/acme\"}");
	assert_string_equal(fixture_field(t, "state"), "STATE_ACTIVE");
	assert_string_equal(fixture_field(t, "suspended"), "");
	assert_non_null(strstr(t, "\"suspension\":{\"announcementPromptId\":\"x\"}"));
	reader_start(&r, "acme");
	assert_true(testkit_wait_loop(fx.loop, serves, &r, 20000));
	reader_stop(&r);
	(void)fixture_must(&fx, NULL, "Login",
			   "{\"tenant\":\"acme\",\"agentId\":\"x\",\"password\":\"correct horse\"}");
	(void)fixture_must(&fx, fixture_token(&fx, "acme", "SCOPE_TENANT_ADMIN"), "CreateSkill",
			   "{\"parent\":\"tenants/acme\",\"skillId\":\"y\",\"skill\":{}}");
	refused(fx.operator_token, "UndeleteTenant", "{\"name\":\"tenants/acme\"}", ERR_PRECONDITION, "not deleted");
	refused(fx.operator_token, "GetTenantDeletion", "{\"name\":\"tenants/acme\"}", ERR_NOT_FOUND, "no deletion");
	/* One that was suspended is suspended. */
	(void)must("UpdateTenant",
		   "{\"tenant\":{\"name\":\"tenants/acme\",\"suspended\":true},\"updateMask\":\"suspended\"}");
	(void)must("DeleteTenant", "{\"name\":\"tenants/acme\"}");
	t = must("UndeleteTenant", "{\"name\":\"tenants/acme\"}");
	assert_string_equal(fixture_field(t, "suspended"), "true");
	assert_string_equal(fixture_field(t, "endCalls"), "");
	verify_audit("acme");
}

static void a_grace_that_is_none_and_a_delete_by_an_old_etag_are_refused(void **state)
{
	(void)state;
	refused(fx.operator_token, "DeleteTenant", "{\"name\":\"tenants/acme\",\"graceMs\":\"-1\"}", ERR_INVALID,
		"-1 is negative");
	refused(fx.operator_token, "DeleteTenant", "{\"name\":\"tenants/acme\",\"graceMs\":\"31536000001\"}",
		ERR_INVALID, "365 days");
	refused(fx.operator_token, "DeleteTenant", "{\"name\":\"tenants/acme\",\"etag\":\"1\"}", ERR_ABORTED, "");
	refused(fx.operator_token, "DeleteTenant", "{\"name\":\"tenants/nobody\"}", ERR_NOT_FOUND, "no such tenant");
	refused(fx.operator_token, "UndeleteTenant", "{\"name\":\"tenants/nobody\"}", ERR_NOT_FOUND, "no such tenant");
}

/* ---- the purge ---- */

static void after_the_grace_everything_goes_with_a_report_and_the_neighbour_notices_nothing_GT_3_1_2(void **state)
{
	struct reader r, other;
	char sha[80];

	(void)state;
	reader_start(&r, "acme");
	reader_start(&other, "globex");
	assert_true(testkit_wait_loop(fx.loop, serves, &other, 20000));
	snprintf(sha, sizeof(sha), "%s",
		 fixture_field(must("GetPrompt", "{\"name\":\"tenants/acme/prompts/x\"}"), "sha256"));
	assert_int_equal(fetch_prompt(&r, sha), ERR_OK);
	const char *before = strdup(must("GetTenant", "{\"name\":\"tenants/globex\"}"));
	import_agents("acme", "id\nlate\n");
	(void)must("DeleteTenant", "{\"name\":\"tenants/acme\",\"graceMs\":\"1500\"}");
	wait_purged("acme", 30000);
	refused(fx.operator_token, "UndeleteTenant", "{\"name\":\"tenants/acme\"}", ERR_NOT_FOUND, "no such tenant");
	assert_string_equal(rows_of("acme"), "0");
	assert_true(testkit_wait_loop(fx.loop, knows_nothing, &r, 20000));
	assert_int_equal(fetch_prompt(&r, sha), ERR_NOT_FOUND);
	assert_true(testkit_wait_loop(fx.loop, was_told, &r, 20000));
	static const char *const rows[][2] = { { "agents", "1" },	{ "queues", "1" },  { "flows", "1" },
					       { "numbers", "1" },	{ "prompts", "1" }, { "skills", "2" },
					       { "logins", "1" },	{ "audio", "1" },   { "imports", "1" },
					       { "flow versions", "1" } };
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		must_report("acme", rows[i][0], rows[i][1]);
	const char *report = deletion("acme");
	assert_non_null(strstr(report, "\"what\":\"audio\",\"count\":\"1\",\"bytes\":\"8000\""));
	assert_non_null(strstr(report, "\"what\":\"recordings\",\"reason\":"));
	assert_string_equal(fixture_field(report, "displayName"), "acme Ltd");
	assert_true(strtoll(fixture_field(report, "purgeEndTimeMs"), NULL, 10) >=
		    strtoll(fixture_field(report, "purgeTimeMs"), NULL, 10));
	verify_audit("acme");
	assert_non_null(strstr(must("ListAuditEntries", "{\"parent\":\"tenants/acme\",\"pageSize\":1}"),
			       "\"action\":\"tenants.purge\""));
	/* The neighbour, which has the very same audio. */
	assert_string_equal(must("GetTenant", "{\"name\":\"tenants/globex\"}"), before);
	assert_true(serves(&other) && !other.n_purges);
	assert_int_equal(fetch_prompt(&other, sha), ERR_OK);
	verify_audit("globex");
	/* What was taken is free. */
	(void)must(
	    "CreateNumber",
	    "{\"parent\":\"tenants/globex\",\"number\":{\"number\":\"+4930\",\"working\":{\"rejectStatus\":404}}}");
	free((char *)(uintptr_t)before);
	reader_stop(&r);
	reader_stop(&other);
}

/* Two days later. */
static void rested(const char *tenant)
{
	(void)fixture_sql(&fx,
			  with("UPDATE tm.deletion SET purged_at = purged_at - interval '2 days' WHERE tenant = '@'",
			       tenant));
}

static void its_id_is_not_given_again_while_its_tokens_live_GT_3_1_2(void **state)
{
	static const char again[] = "{\"tenantId\":\"brief\",\"tenant\":{}}";

	(void)state;
	(void)must("CreateTenant", again);
	const char *former = fixture_token(&fx, "brief", "SCOPE_TENANT_ADMIN");
	fixture_purge(&fx, "brief");
	refused(fx.operator_token, "CreateTenant", again, ERR_PRECONDITION, "can be given again from 20");
	refused(former, "GetTenant", "{\"name\":\"tenants/brief\"}", ERR_NOT_FOUND, "no such tenant");
	rested("brief");
	(void)must("CreateTenant", again);
}

static void without_grace_it_goes_at_once_and_comes_back_with_nothing_of_before(void **state)
{
	(void)state;
	rested("acme");
	furnish("acme", "40");
	fixture_purge(&fx, "acme");
	rested("acme");
	furnish("acme", "40");
	assert_string_equal(fixture_field(must("GetTenant", "{\"name\":\"tenants/acme\"}"), "state"), "STATE_ACTIVE");
	/* A report of the life before is of that life. */
	must_report("acme", "numbers", "1");
	fixture_purge(&fx, "acme");
	assert_string_equal(fixture_sql(&fx, "SELECT count(*) FROM tm.deletion WHERE tenant = 'acme'"), "3");
}

static bool has_failed(void *arg)
{
	return fixture_metric(&fx, "trunkline_purge_failures_total") > *(const long long *)arg;
}

/* It takes the item from the outbox and, not knowing it, publishes nothing. */
#define SWALLOW                                                                                                   \
	"CREATE FUNCTION public.swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; "         \
	"CREATE TRIGGER swallow BEFORE INSERT ON tm.outbox FOR EACH ROW WHEN (NEW.item LIKE 'purged.%') EXECUTE " \
	"FUNCTION public.swallow()"

static void what_a_previous_version_did_not_tell_recorders_is_told_GT_3_1_2(void **state)
{
	static const char told[] = "SELECT count(*) FROM tm.deletion WHERE tenant = 'silent' AND told_at IS NOT NULL";
	struct reader r;

	(void)state;
	reader_start(&r, "silent");
	(void)must("CreateTenant", "{\"tenantId\":\"silent\",\"tenant\":{}}");
	(void)fixture_sql(&fx, SWALLOW);
	fixture_purge(&fx, "silent");
	(void)fixture_sql(&fx, "DROP FUNCTION public.swallow() CASCADE");
	assert_string_equal(fixture_sql(&fx, told), "0");
	assert_int_equal(r.n_purges, 0);
	fixture_service_stop(&fx, SIGTERM);
	fixture_service_start(&fx);
	assert_true(testkit_wait_loop(fx.loop, was_told, &r, 20000));
	wait_sql(told, "1", 15000);
	/* Once is enough. */
	fixture_service_stop(&fx, SIGTERM);
	fixture_service_start(&fx);
	wait_sql("SELECT count(*) FROM tm.outbox", "0", 15000);
	assert_int_equal(r.n_purges, 1);
	reader_stop(&r);
}

static void one_that_cannot_be_purged_does_not_hold_up_the_others(void **state)
{
	long long before = fixture_metric(&fx, "trunkline_purge_failures_total");

	(void)state;
	furnish("stuck", "50");
	furnish("quick", "51");
	(void)must("DeleteTenant", "{\"name\":\"tenants/stuck\",\"graceMs\":\"4000\"}");
	/* Without its head the audit takes no last entry. */
	(void)fixture_sql(
	    &fx, "BEGIN; SET LOCAL session_replication_role = replica; CREATE TABLE public.head AS SELECT * FROM "
		 "tm.audit_head WHERE tenant = 'stuck'; DELETE FROM tm.audit_head WHERE tenant = 'stuck'; "
		 "COMMIT");
	assert_true(testkit_wait(has_failed, &before, 60000));
	fixture_purge(&fx, "quick");
	assert_string_equal(fixture_field(must("GetTenant", "{\"name\":\"tenants/stuck\"}"), "state"), "STATE_PURGING");
	(void)fixture_sql(
	    &fx, "BEGIN; SET LOCAL session_replication_role = replica; INSERT INTO tm.audit_head SELECT * FROM "
		 "public.head; DROP TABLE public.head; COMMIT");
	wait_purged("stuck", 60000);
	must_report("stuck", "agents", "1");
	verify_audit("stuck");
}

/* Some of its agents are gone, not all of them. */
static bool is_in_the_middle(void *arg)
{
	long n = strtol(fixture_sql(&fx, arg), NULL, 10);

	return n > 0 && n < strtol(AGENTS, NULL, 10) - 1500;
}

static void begin_large(const char *tenant, char sql[128])
{
	furnish(tenant, tenant + 1); /* "a123": number 123 */
	add_agents(tenant);
	snprintf(sql, 128, "SELECT count(*) FROM tm.resource WHERE tenant = '%s' AND kind = 'agent'", tenant);
	(void)must("DeleteTenant", with("{\"name\":\"tenants/@\",\"graceMs\":\"0\"}", tenant));
	if (!testkit_wait(is_in_the_middle, sql, 30000))
		fail_msg("never in the middle: %s", fixture_sql(&fx, sql));
}

static void killed_in_the_middle_the_purge_goes_on_and_the_report_counts_each_once_GT_3_1_2(void **state)
{
	char sql[128];

	(void)state;
	begin_large("k100", sql);
	fixture_service_stop(&fx, SIGKILL);
	print_message("[ killed with %s agents left ]\n", fixture_sql(&fx, sql));
	fixture_service_start(&fx);
	wait_purged("k100", 60000);
	assert_string_equal(rows_of("k100"), "0");
	must_report("k100", "agents", "10001");
	must_report("k100", "logins", "10001");
	verify_audit("k100");
}

static void of_two_instances_one_purges_and_the_other_goes_on_when_it_dies_GT_3_1_2(void **state)
{
	static struct fixture second;
	char sql[128];

	(void)state;
	fixture_second(&second, &fx);
	long long a = fixture_metric(&fx, "trunkline_purge_batches_total");
	long long b = fixture_metric(&second, "trunkline_purge_batches_total");
	begin_large("t200", sql);
	wait_purged("t200", 60000);
	a = fixture_metric(&fx, "trunkline_purge_batches_total") - a;
	b = fixture_metric(&second, "trunkline_purge_batches_total") - b;
	print_message("[ batches: %lld and %lld ]\n", a, b);
	assert_true((a > 15) != (b > 15) && (a == 0 || b == 0));
	must_report("t200", "agents", "10001");

	/* fx was told, so it is the one. */
	begin_large("t300", sql);
	const char *who = fixture_sql(&fx, "SELECT worker FROM tm.deletion WHERE tenant = 't300'");
	struct fixture *doomed = strcmp(who, "tenant-manager/tm-1") == 0 ? &fx : &second;
	int64_t killed_ms = clock_mono_ms();
	fixture_service_stop(doomed, SIGKILL);
	wait_purged("t300", 60000);
	print_message("[ %s was killed, the other had it all after %lld ms ]\n", doomed->instance,
		      (long long)(clock_mono_ms() - killed_ms));
	assert_string_equal(rows_of("t300"), "0");
	fixture_service_start(doomed);
	must_report("t300", "agents", "10001");
	verify_audit("t300");
	fixture_service_stop(&second, SIGTERM);
}

static void a_tenant_of_10_000_agents_goes_in_batches_beside_which_its_neighbour_works_on_GT_3_1_2(void **state)
{
	char sql[128], json[160];
	int64_t longest_ms = 0;
	int n = 0;

	(void)state;
	begin_large("n400", sql);
	while (strcmp(fixture_sql(&fx, sql), "0") != 0) {
		int64_t began_ms = clock_mono_ms();

		snprintf(json, sizeof(json), "{\"parent\":\"tenants/globex\",\"skillId\":\"s%d\",\"skill\":{}}", n++);
		(void)must("CreateSkill", json);
		int64_t took_ms = clock_mono_ms() - began_ms;
		longest_ms = took_ms > longest_ms ? took_ms : longest_ms;
	}
	wait_purged("n400", 30000);
	must_report("n400", "agents", "10001");
	print_message("[ %d changes of the neighbour meanwhile, the longest took %lld ms ]\n", n,
		      (long long)longest_ms);
	assert_true(n > 0);
	snprintf(json, sizeof(json), "SELECT count(*) FROM tm.resource WHERE tenant = 'globex' AND kind = 'skill'");
	assert_int_equal(strtol(fixture_sql(&fx, json), NULL, 10), n + 1);
	verify_audit("globex");
}

static int set_up(void **state)
{
	*state = &fx;
	fixture_start(&fx);
	furnish("acme", "30");
	furnish("globex", "31");
	(void)must("UpdateTenant", "{\"tenant\":{\"name\":\"tenants/acme\",\"suspension\":{\"announcementPromptId\":"
				   "\"x\"}},\"updateMask\":\"suspension\"}");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_deleted_tenant_is_closed_and_keeps_what_it_has_until_its_grace_is_over_GT_3_1_2),
		cmocka_unit_test(undeleted_it_is_at_once_as_it_was_GT_3_1_2),
		cmocka_unit_test(a_grace_that_is_none_and_a_delete_by_an_old_etag_are_refused),
		cmocka_unit_test(
		    after_the_grace_everything_goes_with_a_report_and_the_neighbour_notices_nothing_GT_3_1_2),
		cmocka_unit_test(its_id_is_not_given_again_while_its_tokens_live_GT_3_1_2),
		cmocka_unit_test(what_a_previous_version_did_not_tell_recorders_is_told_GT_3_1_2),
		cmocka_unit_test(without_grace_it_goes_at_once_and_comes_back_with_nothing_of_before),
		cmocka_unit_test(one_that_cannot_be_purged_does_not_hold_up_the_others),
		cmocka_unit_test(killed_in_the_middle_the_purge_goes_on_and_the_report_counts_each_once_GT_3_1_2),
		cmocka_unit_test(of_two_instances_one_purges_and_the_other_goes_on_when_it_dies_GT_3_1_2),
		cmocka_unit_test(
		    a_tenant_of_10_000_agents_goes_in_batches_beside_which_its_neighbour_works_on_GT_3_1_2),
	};

	return cmocka_run_group_tests(tests, set_up, fixture_tear_down);
}
