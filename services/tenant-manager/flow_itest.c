/* Flows (GT-3.1.2, GT-4): drafts that no call sees, publications, versions, the way back; by whom, and beside a previous version of the service. */
#include "manager_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "migrations.h"
#include "tenantconf/tenantconf.h"

static struct fixture fx;
static const char *admin;

/* ---- what the call services see ---- */

struct reader {
	struct bus *bus;
	struct tenantconf *conf;
};

static void on_bad_entry(const char *key, const struct err_detail *d, void *arg)
{
	(void)arg;
	fail_msg("%s: %s: %s", key, d->field, d->message);
}

static void reader_start(struct reader *r)
{
	struct err_detail d = { 0 };

	*r = (struct reader){ 0 };
	if (bus_new(&r->bus, &(struct bus_params){ .loop = fx.loop, .url = fx.nats.url, .name = "reader" }, &d) ||
	    tenantconf_new(&r->conf, &(struct tenantconf_params){ .bus = r->bus, .on_error = on_bad_entry }, &d))
		testkit_die("reader: %s %s", d.field, d.message);
}

static void reader_stop(struct reader *r)
{
	tenantconf_free(&r->conf);
	bus_free(&r->bus);
}

struct want {
	struct reader *r;
	const char *flow, *step;
};

static bool runs(void *arg)
{
	struct want *w = arg;
	const struct tenant *t = tenantconf_find_tenant(w->r->conf, "acme");
	const struct flow *f = t ? tenant_find_flow(t, w->flow) : NULL;

	return f && strcmp(f->steps[0].id, w->step) == 0;
}

/* New calls begin with this step. */
static void wait_runs(struct reader *r, const char *flow, const char *step)
{
	struct want w = { r, flow, step };

	if (!testkit_wait_loop(fx.loop, runs, &w, 20000))
		fail_msg("no call would begin flow %s with step %s", flow, step);
}

/* ---- building blocks ---- */

static const char *must(const char *method, const char *json)
{
	return fixture_must(&fx, admin, method, json);
}

static void refused(const char *method, const char *json, err_t code, const char *field, const char *text)
{
	struct err_detail d = { 0 };
	err_t e = fixture_call(&fx, admin, method, json, NULL, &d);

	if (e != code || strcmp(d.field, field) != 0 || !strstr(d.message, text))
		fail_msg("%s %s: %s field '%s' message '%s'", method, json, err_name(e), d.field, d.message);
}

static const char *create(const char *id, const char *step, const char *more)
{
	char j[400];

	snprintf(
	    j, sizeof(j),
	    "{\"parent\":\"tenants/acme\",\"flowId\":\"%s\",\"flow\":{\"steps\":[{\"id\":\"%s\",\"answer\":{}}]}%s}",
	    id, step, more);
	return must("CreateFlow", j);
}

static const char *update(const char *id, const char *step, const char *more)
{
	char j[400];

	snprintf(
	    j, sizeof(j),
	    "{\"flow\":{\"name\":\"tenants/acme/flows/%s\",\"steps\":[{\"id\":\"%s\",\"answer\":{}}]},\"updateMask\":"
	    "\"steps\"%s}",
	    id, step, more);
	return must("UpdateFlow", j);
}

static const char *on_flow(const char *method, const char *id, const char *more)
{
	char j[300];

	snprintf(j, sizeof(j), "{\"name\":\"tenants/acme/flows/%s\"%s}", id, more);
	return must(method, j);
}

static void check(const char *json, const char *field, const char *value)
{
	if (strcmp(fixture_field(json, field), value) != 0)
		fail_msg("%s is not %s in %s", field, value, json);
}

/* ---- the stories ---- */

static void who_knows_no_versions_changes_flows_as_ever_and_each_change_is_one_GT_3_1_2(void **state)
{
	struct reader r;

	(void)state;
	reader_start(&r);
	check(create("plain", "one", ""), "liveVersion", "1");
	wait_runs(&r, "plain", "one");
	const char *f = update("plain", "two", "");
	check(f, "liveVersion", "2");
	check(f, "draft", "");
	wait_runs(&r, "plain", "two");
	/* The same again is nothing new. */
	check(update("plain", "two", ""), "liveVersion", "2");
	const char *list = must("ListFlowVersions", "{\"parent\":\"tenants/acme/flows/plain\"}");
	assert_non_null(strstr(list, "tenants/acme/flows/plain/versions/1"));
	assert_non_null(strstr(list, "tenants/acme/flows/plain/versions/2"));
	assert_null(strstr(list, "versions/3"));
	assert_true(strstr(list, "versions/2") < strstr(list, "versions/1"));
	assert_null(strstr(list, "answer"));
	const char *v = must("GetFlowVersion", "{\"name\":\"tenants/acme/flows/plain/versions/1\"}");
	assert_non_null(strstr(v, "\"one\""));
	check(v, "author", "admin:acme");
	assert_int_equal(strlen(fixture_field(v, "sha256")), 64);
	reader_stop(&r);
}

static void a_draft_is_seen_by_no_call_until_it_is_published_GT_3_1_2(void **state)
{
	struct reader r;

	(void)state;
	reader_start(&r);
	(void)create("draft", "one", "");
	wait_runs(&r, "draft", "one");
	const struct tenant *before = tenantconf_find_tenant(r.conf, "acme");
	tenant_ref(before);
	const char *f = update("draft", "two", ",\"draftOnly\":true");
	check(f, "draft", "true");
	check(f, "liveVersion", "1");
	check(on_flow("GetFlow", "draft", ""), "draft", "true");
	assert_non_null(strstr(must("ListFlows", "{\"parent\":\"tenants/acme\"}"), "\"draft\":true"));
	/* Something else is published: the flow still is what it was. */
	(void)must("CreateSkill", "{\"parent\":\"tenants/acme\",\"skillId\":\"s1\",\"skill\":{}}");
	(void)update("draft", "three", ",\"draftOnly\":true");
	check(on_flow("PublishFlow", "draft", ",\"comment\":\"dry\",\"validateOnly\":true"), "version", "2");
	wait_runs(&r, "draft", "one");
	const char *v = on_flow("PublishFlow", "draft", ",\"comment\":\"summer hours\"");
	check(v, "version", "2");
	check(v, "comment", "summer hours");
	check(v, "author", "admin:acme");
	wait_runs(&r, "draft", "three");
	/* A call that holds the version it began with goes on with it. */
	assert_string_equal(tenant_find_flow(before, "draft")->steps[0].id, "one");
	tenant_unref(&before);
	check(on_flow("GetFlow", "draft", ""), "draft", "");
	refused("PublishFlow", "{\"name\":\"tenants/acme/flows/draft\"}", ERR_PRECONDITION, "name", "version 2");
	/* A draft that says what is published is none. */
	(void)update("draft", "four", ",\"draftOnly\":true");
	check(update("draft", "three", ",\"draftOnly\":true"), "draft", "");
	reader_stop(&r);
}

static void a_draft_may_be_unfinished_a_publication_may_not_GT_3_1_2(void **state)
{
	(void)state;
	(void)create("raw", "one", "");
	(void)must("UpdateFlow", "{\"flow\":{\"name\":\"tenants/acme/flows/"
				 "raw\",\"steps\":[{\"id\":\"a\",\"play\":{\"promptIds\":[\"none\"]},"
				 "\"next\":\"b\"}]},\"draftOnly\":true}");
	refused("PublishFlow", "{\"name\":\"tenants/acme/flows/raw\"}", ERR_INVALID, "flow.steps[0].next", "");
	(void)must("UpdateFlow", "{\"flow\":{\"name\":\"tenants/acme/flows/"
				 "raw\",\"steps\":[{\"id\":\"a\",\"play\":{\"promptIds\":[\"none\"]}}]},"
				 "\"draftOnly\":true}");
	refused("PublishFlow", "{\"name\":\"tenants/acme/flows/raw\"}", ERR_INVALID, "flow.steps[0].play.prompt_ids[0]",
		"there is no prompt 'none'");
	check(on_flow("GetFlow", "raw", ""), "liveVersion", "1");
	const char *etag = fixture_field(on_flow("GetFlow", "raw", ""), "etag");
	(void)update("raw", "two", ",\"draftOnly\":true");
	char j[200];
	snprintf(j, sizeof(j), "{\"name\":\"tenants/acme/flows/raw\",\"etag\":\"%s\"}", etag);
	refused("PublishFlow", j, ERR_ABORTED, "etag", "changed");
}

static void a_new_flow_that_was_never_published_refuses_calls_GT_3_1_2(void **state)
{
	struct reader r;

	(void)state;
	reader_start(&r);
	const char *f = create("fresh", "one", ",\"draftOnly\":true");
	check(f, "liveVersion", "");
	check(f, "draft", "true");
	wait_runs(&r, "fresh", "unpublished");
	const struct flow *flow = tenant_find_flow(tenantconf_find_tenant(r.conf, "acme"), "fresh");
	assert_int_equal(flow->steps[0].kind, FLOW_HANG_UP);
	assert_int_equal(flow->steps[0].hang_up.status, 480);
	refused("GetFlowVersion", "{\"name\":\"tenants/acme/flows/fresh/versions/1\"}", ERR_NOT_FOUND, "name", "");
	check(on_flow("PublishFlow", "fresh", ""), "version", "1");
	wait_runs(&r, "fresh", "one");
	reader_stop(&r);
}

static void a_roll_back_is_a_new_version_with_the_old_content_GT_3_1_2(void **state)
{
	struct reader r;

	(void)state;
	reader_start(&r);
	(void)create("back", "one", "");
	(void)update("back", "two", "");
	(void)update("back", "work", ",\"draftOnly\":true");
	const char *v = on_flow("RollbackFlow", "back", ",\"version\":1,\"comment\":\"two was wrong\"");
	check(v, "version", "3");
	check(v, "rollbackOf", "1");
	check(v, "comment", "two was wrong");
	check(v, "sha256",
	      fixture_field(must("GetFlowVersion", "{\"name\":\"tenants/acme/flows/back/versions/1\"}"), "sha256"));
	wait_runs(&r, "back", "one");
	/* The draft is still there. */
	const char *f = on_flow("GetFlow", "back", "");
	check(f, "draft", "true");
	assert_non_null(strstr(f, "\"work\""));
	refused("RollbackFlow", "{\"name\":\"tenants/acme/flows/back\",\"version\":1}", ERR_PRECONDITION, "version",
		"version 3");
	refused("RollbackFlow", "{\"name\":\"tenants/acme/flows/back\",\"version\":99}", ERR_NOT_FOUND, "version", "");
	refused("RollbackFlow", "{\"name\":\"tenants/acme/flows/none\",\"version\":1}", ERR_NOT_FOUND, "name",
		"no such flow");
	refused("GetFlowVersion", "{\"name\":\"tenants/acme/flows/back/versions/x\"}", ERR_INVALID, "name",
		"versions/{number}");
	reader_stop(&r);
}

static void a_roll_back_to_what_is_gone_names_it_GT_3_1_2(void **state)
{
	(void)state;
	(void)must("CreateQueue", "{\"parent\":\"tenants/acme\",\"queueId\":\"old\",\"queue\":{}}");
	(void)must("CreateFlow", "{\"parent\":\"tenants/"
				 "acme\",\"flowId\":\"gone\",\"flow\":{\"steps\":[{\"id\":\"q\",\"queue\":{\"queueId\":"
				 "\"old\"}}]}}");
	refused("DeleteQueue", "{\"name\":\"tenants/acme/queues/old\"}", ERR_PRECONDITION, "name", "flows/gone");
	(void)update("gone", "two", "");
	(void)must("DeleteQueue", "{\"name\":\"tenants/acme/queues/old\"}");
	refused("RollbackFlow", "{\"name\":\"tenants/acme/flows/gone\",\"version\":1}", ERR_INVALID,
		"flow.steps[0].queue.queue_id", "there is no queue 'old'");
}

static void a_repeated_publication_is_one_and_the_audit_says_whose_GT_3_1_2(void **state)
{
	static const char id[] = ",\"requestId\":\"11111111-2222-4333-8444-555555555555\"";

	(void)state;
	(void)create("once", "one", "");
	(void)update("once", "two", ",\"draftOnly\":true");
	check(on_flow("PublishFlow", "once", id), "version", "2");
	check(on_flow("PublishFlow", "once", id), "version", "2");
	const char *audit =
	    must("ListAuditEntries", "{\"parent\":\"tenants/acme\",\"action\":\"flows.publish\",\"resourcePrefix\":"
				     "\"tenants/acme/flows/once\"}");
	assert_non_null(strstr(audit, "admin:acme"));
	assert_null(strstr(strstr(audit, "flows.publish") + 1, "flows.publish"));
}

static void only_the_newest_versions_are_kept_GT_3_1_2(void **state)
{
	char step[16];

	(void)state;
	(void)create("many", "s0", "");
	for (int i = 1; i <= 6; i++) {
		snprintf(step, sizeof(step), "s%d", i);
		(void)update("many", step, "");
	}
	/* The fixture keeps 5. */
	assert_string_equal(
	    fixture_sql(&fx, "SELECT min(version) || '-' || max(version) FROM tm.flow_version WHERE flow_id = 'many'"),
	    "3-7");
	const char *page = must("ListFlowVersions", "{\"parent\":\"tenants/acme/flows/many\",\"pageSize\":2}");
	check(page, "nextPageToken", "6");
	page = must("ListFlowVersions", "{\"parent\":\"tenants/acme/flows/many\",\"pageSize\":9,\"pageToken\":\"6\"}");
	check(page, "version", "5");
	(void)on_flow("DeleteFlow", "many", "");
	assert_string_equal(fixture_sql(&fx, "SELECT count(*) FROM tm.flow_version WHERE flow_id = 'many'"), "0");
}

/* What it did before there were versions, word for word. */
static void what_a_previous_version_of_the_service_publishes_is_a_version_too_GT_3_1_2(void **state)
{
	char sql[600];

	(void)state;
	(void)create("beside", "one", "");
	(void)update("beside", "work", ",\"draftOnly\":true");
	snprintf(sql, sizeof(sql),
		 "BEGIN; SET LOCAL trunkline.tenant = 'acme'; UPDATE tm.resource SET unique_key = NULL, body = (SELECT "
		 "body FROM "
		 "tm.resource WHERE kind = 'flow' AND id = 'plain'), revision = revision + 1, updated_at = now() WHERE "
		 "tenant = "
		 "tm.tenant() AND kind = 'flow' AND id = 'beside'; INSERT INTO tm.resource (tenant, kind, id, "
		 "unique_key, body, "
		 "revision) SELECT tenant, kind, 'beside2', NULL, body, 1 FROM tm.resource WHERE kind = 'flow' AND id "
		 "= 'plain'; "
		 "COMMIT");
	struct str out = STR_INIT;
	if (testkit_run((const char *[]){ "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", fx.dsn, "-c", sql, NULL }, &out,
			10000))
		fail_msg("%s", str_text(&out));
	str_done(&out);
	check(on_flow("GetFlow", "beside", ""), "liveVersion", "2");
	check(on_flow("GetFlow", "beside", ""), "draft", "true");
	check(on_flow("GetFlow", "beside2", ""), "liveVersion", "1");
	check(must("GetFlowVersion", "{\"name\":\"tenants/acme/flows/beside/versions/2\"}"), "author", "");
}

static void a_version_never_changes(void **state)
{
	(void)state;
	assert_string_equal(
	    fixture_sql(&fx, "SELECT has_table_privilege('tenant_manager', 'tm.flow_version', 'UPDATE, TRUNCATE')"),
	    "f");
}

static void to_others_the_versions_of_a_tenant_are_as_of_none(void **state)
{
	static const char *const rows[][2] = {
		{ "PublishFlow", "\"name\":\"tenants/@/flows/plain\"" },
		{ "RollbackFlow", "\"version\":1,\"name\":\"tenants/@/flows/plain\"" },
		{ "ListFlowVersions", "\"parent\":\"tenants/@/flows/plain\"" },
		{ "GetFlowVersion", "\"name\":\"tenants/@/flows/plain/versions/1\"" },
	};
	const char *other = fixture_token(&fx, "globex", "SCOPE_TENANT_ADMIN");
	char messages[2][256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (int k = 0; k < 2; k++) {
			const char *at = strchr(rows[i][1], '@');
			struct err_detail d = { 0 };
			char j[200];

			snprintf(j, sizeof(j), "{%.*s%s%s}", (int)(at - rows[i][1]), rows[i][1], k ? "nobody" : "acme",
				 at + 1);
			assert_int_equal(fixture_call(&fx, other, rows[i][0], j, NULL, &d), ERR_NOT_FOUND);
			(void)str_copy(messages[k], sizeof(messages[k]), d.message);
		}
		assert_string_equal(messages[0], messages[1]);
	}
}

/* ---- a database from before ---- */

static void flows_from_before_there_were_versions_are_version_1_GT_3_1_2(void **state)
{
	struct testkit_postgres pg;
	struct err_detail d = { 0 };
	struct str out = STR_INIT;
	size_t n = 0;

	(void)state;
	testkit_postgres_start(&pg);
	while (strcmp(migrations[n].name, "0006_flow_versions.sql") != 0)
		n++;
	const char *sql[] = {
		"CREATE ROLE tenant_manager",
		"INSERT INTO tm.tenant (tenant, display_name, time_zone, sip_domain, version, revision) VALUES ('old', "
		"'', "
		"'UTC', 'old.example', 1, 1); INSERT INTO tm.resource (tenant, kind, id, body, revision) VALUES "
		"('old', "
		"'flow', 'f', 'x', 1), ('old', 'queue', 'q', 'y', 1)",
		"SELECT r.id, r.live_version, v.version, v.body = r.body, v.author FROM tm.resource r LEFT JOIN "
		"tm.flow_version v ON v.tenant = r.tenant AND v.flow_id = r.id ORDER BY r.id"
	};
	for (size_t i = 0; i < ARRAY_SIZE(sql); i++) {
		if (i && db_migrate(pg.dsn, "tenant-manager", migrations, i == 1 ? n : n_migrations, &d))
			fail_msg("%s: %s", d.field, d.message);
		str_reset(&out);
		if (testkit_run((const char *[]){ "psql", "-XAtq", pg.dsn, "-c", sql[i], NULL }, &out, 10000))
			fail_msg("%s", str_text(&out));
	}
	assert_string_equal(str_text(&out), "f|1|1|t|\nq|0|||\n");
	str_done(&out);
	testkit_postgres_stop(&pg);
}

static int set_up(void **state)
{
	*state = &fx;
	fx.more_config = "flows:\n  versions_kept: 5\n";
	fixture_start(&fx);
	(void)fixture_must(&fx, fx.operator_token, "CreateTenant", "{\"tenantId\":\"acme\",\"tenant\":{}}");
	(void)fixture_must(&fx, fx.operator_token, "CreateTenant", "{\"tenantId\":\"globex\",\"tenant\":{}}");
	admin = fixture_token(&fx, "acme", "SCOPE_TENANT_ADMIN");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_knows_no_versions_changes_flows_as_ever_and_each_change_is_one_GT_3_1_2),
		cmocka_unit_test(a_draft_is_seen_by_no_call_until_it_is_published_GT_3_1_2),
		cmocka_unit_test(a_draft_may_be_unfinished_a_publication_may_not_GT_3_1_2),
		cmocka_unit_test(a_new_flow_that_was_never_published_refuses_calls_GT_3_1_2),
		cmocka_unit_test(a_roll_back_is_a_new_version_with_the_old_content_GT_3_1_2),
		cmocka_unit_test(a_roll_back_to_what_is_gone_names_it_GT_3_1_2),
		cmocka_unit_test(a_repeated_publication_is_one_and_the_audit_says_whose_GT_3_1_2),
		cmocka_unit_test(only_the_newest_versions_are_kept_GT_3_1_2),
		cmocka_unit_test(what_a_previous_version_of_the_service_publishes_is_a_version_too_GT_3_1_2),
		cmocka_unit_test(a_version_never_changes),
		cmocka_unit_test(to_others_the_versions_of_a_tenant_are_as_of_none),
		cmocka_unit_test(flows_from_before_there_were_versions_are_version_1_GT_3_1_2),
	};

	return cmocka_run_group_tests(tests, set_up, fixture_tear_down);
}
