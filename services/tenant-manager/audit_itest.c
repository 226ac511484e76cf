/* The audit as a chain: it holds whatever is done through the API, and tells of everything that is done beside it. */
#include "manager_fixture.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "db/db.h"
#include "migrations.h"

static struct fixture fx;

static const char *must(const char *method, const char *json)
{
	return fixture_must(&fx, fx.operator_token, method, json);
}

static void make_tenant(const char *id)
{
	char json[128];

	snprintf(json, sizeof(json), "{\"tenantId\":\"%s\",\"tenant\":{}}", id);
	(void)must("CreateTenant", json);
}

static void make_skill(const char *tenant, const char *id)
{
	char json[200];

	snprintf(json, sizeof(json),
		 "{\"parent\":\"tenants/%s\",\"skillId\":\"%s\",\"skill\":{\"displayName\":\"%s\"}}", tenant, id, id);
	(void)must("CreateSkill", json);
}

/* Six entries: the tenant, and skills s2 to s6, each as its seq. */
static void make_history(const char *tenant)
{
	char id[16];

	make_tenant(tenant);
	for (int i = 2; i <= 6; i++) {
		snprintf(id, sizeof(id), "s%d", i);
		make_skill(tenant, id);
	}
}

static const char *verify(const char *tenant)
{
	char json[128];

	snprintf(json, sizeof(json), "{\"parent\":\"tenants/%s\"}", tenant);
	return must("VerifyAudit", json);
}

/* entries 0: any number. */
static void check_holds(const char *tenant, uint64_t entries)
{
	const char *answer = verify(tenant);

	if (strcmp(fixture_field(answer, "ok"), "true") != 0 || *fixture_field(answer, "reason") ||
	    strlen(fixture_field(answer, "headHash")) != 44 ||
	    strcmp(fixture_field(answer, "entries"), fixture_field(answer, "headSeq")) != 0)
		fail_msg("%s: %s", tenant, answer);
	if (entries)
		assert_int_equal(strtoull(fixture_field(answer, "entries"), NULL, 10), entries);
}

static void check_broken(const char *tenant, uint64_t seq, const char *reason)
{
	const char *answer = verify(tenant);

	if (*fixture_field(answer, "ok") || strtoull(fixture_field(answer, "firstBadSeq"), NULL, 10) != seq ||
	    !strstr(fixture_field(answer, "reason"), reason))
		fail_msg("%s: %s; wanted entry %llu, '%s'", tenant, answer, (unsigned long long)seq, reason);
}

/* What psql says, whether it works or not. */
static const char *psql(const char *dsn, const char *sql)
{
	static struct str out = STR_INIT;

	str_reset(&out);
	(void)testkit_run((const char *[]){ "psql", "-XAtq", dsn, "-c", sql, NULL }, &out, 20000);
	return str_text(&out);
}

/* As a superuser with the triggers switched off; '@' is the tenant. */
static void tamper(const char *tenant, const char *sql)
{
	struct str s = STR_INIT;

	str_append(&s, "SET session_replication_role = replica; ");
	for (; *sql; sql++) {
		if (*sql == '@')
			str_append(&s, tenant);
		else
			str_append_c(&s, *sql);
	}
	(void)fixture_sql(&fx, str_text(&s));
	str_done(&s);
}

/* ---- it holds ---- */

static const struct {
	const char *method, *json;
} changes[] = {
	{ "CreateSkill", "{\"parent\":\"tenants/kinds\",\"skillId\":\"a\",\"skill\":{\"displayName\":\"中文\"}}" },
	{ "CreateQueue",
	  "{\"parent\":\"tenants/kinds\",\"queueId\":\"a\",\"queue\":{\"skills\":[{\"skillId\":\"a\",\"level\":1}]}}" },
	{ "CreateFlow",
	  "{\"parent\":\"tenants/kinds\",\"flowId\":\"a\",\"flow\":{\"steps\":[{\"id\":\"a\",\"answer\":{}}]}}" },
	{ "CreateCalendar", "{\"parent\":\"tenants/kinds\",\"calendarId\":\"a\",\"calendar\":{}}" },
	{ "CreateTrunk", "{\"parent\":\"tenants/kinds\",\"trunkId\":\"a\",\"trunk\":{\"addresses\":[\"192.0.2.1\"]}}" },
	{ "CreateNumber",
	  "{\"parent\":\"tenants/kinds\",\"number\":{\"number\":\"+49301\",\"working\":{\"flowId\":\"a\"}}}" },
	{ "CreateAgent",
	  "{\"parent\":\"tenants/kinds\",\"agentId\":\"a\",\"agent\":{\"enabled\":true,\"password\":\"a secret\"}}" },
	{ "UpdateTenant", "{\"tenant\":{\"name\":\"tenants/kinds\",\"displayName\":\"Kinds\"}}" },
	{ "UpdateSkill", "{\"skill\":{\"name\":\"tenants/kinds/skills/a\",\"displayName\":\"English\"}}" },
	{ "UpdateQueue", "{\"queue\":{\"name\":\"tenants/kinds/queues/a\",\"priority\":3}}" },
	{ "UpdateFlow", "{\"flow\":{\"name\":\"tenants/kinds/flows/a\",\"displayName\":\"x\"}}" },
	{ "UpdateCalendar", "{\"calendar\":{\"name\":\"tenants/kinds/calendars/a\",\"displayName\":\"x\"}}" },
	{ "UpdateTrunk", "{\"trunk\":{\"name\":\"tenants/kinds/trunks/a\",\"displayName\":\"x\"}}" },
	{ "UpdateNumber", "{\"number\":{\"name\":\"tenants/kinds/numbers/+49301\",\"displayName\":\"x\"}}" },
	{ "UpdateAgent", "{\"agent\":{\"name\":\"tenants/kinds/agents/a\",\"displayName\":\"x\"}}" },
	{ "UpdatePrompt", "{\"prompt\":{\"name\":\"tenants/kinds/prompts/a\",\"displayName\":\"x\"}}" },
	{ "DeleteNumber", "{\"name\":\"tenants/kinds/numbers/+49301\"}" },
	{ "DeleteTrunk", "{\"name\":\"tenants/kinds/trunks/a\"}" },
	{ "DeleteCalendar", "{\"name\":\"tenants/kinds/calendars/a\"}" },
	{ "DeleteFlow", "{\"name\":\"tenants/kinds/flows/a\"}" },
	{ "DeleteQueue", "{\"name\":\"tenants/kinds/queues/a\"}" },
	{ "DeleteSkill", "{\"name\":\"tenants/kinds/skills/a\"}" },
	{ "DeleteAgent", "{\"name\":\"tenants/kinds/agents/a\"}" },
	{ "DeletePrompt", "{\"name\":\"tenants/kinds/prompts/a\"}" },
};

static void the_chain_holds_after_changes_of_every_kind_GT_16(void **state)
{
	(void)state;
	make_tenant("kinds");
	fixture_upload_silence(&fx, "tenants/kinds", "a");
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		(void)must(changes[i].method, changes[i].json);
		check_holds("kinds", i + 3);
	}
	/* What changes nothing adds nothing. */
	(void)must("CreateSkill",
		   "{\"parent\":\"tenants/kinds\",\"skillId\":\"b\",\"skill\":{},\"validateOnly\":true}");
	check_holds("kinds", ARRAY_SIZE(changes) + 2);
}

static void a_deleted_tenants_audit_stays_for_operators_and_goes_on_when_it_is_made_again_GT_16(void **state)
{
	struct err_detail d = { 0 };

	(void)state;
	make_history("gone");
	const char *admin = fixture_token(&fx, "gone", "SCOPE_TENANT_ADMIN");
	fixture_purge(&fx, "gone");
	check_holds("gone", 9); /* with the token, the deletion and the purge */
	assert_non_null(strstr(must("ListAuditEntries", "{\"parent\":\"tenants/gone\"}"), "tenants.delete"));
	assert_non_null(strstr(must("ListAuditEntries", "{\"parent\":\"tenants/gone\"}"), "tenants.purge"));
	assert_int_equal(fixture_call(&fx, admin, "VerifyAudit", "{\"parent\":\"tenants/gone\"}", NULL, &d),
			 ERR_NOT_FOUND);
	assert_int_equal(fixture_call(&fx, admin, "ListAuditEntries", "{\"parent\":\"tenants/gone\"}", NULL, &d),
			 ERR_NOT_FOUND);
	make_history("gone");
	check_holds("gone", 15);
	/* To the new tenant's own people the audit begins with it, but the chain is verified from its beginning. */
	admin = fixture_token(&fx, "gone", "SCOPE_TENANT_ADMIN");
	static const char oldest[] = "{\"parent\":\"tenants/gone\",\"oldestFirst\":true}";
	const char *list = fixture_must(&fx, admin, "ListAuditEntries", oldest);
	assert_string_equal(fixture_field(list, "seq"), "10");
	assert_string_equal(fixture_field(list, "action"), "tenants.create");
	assert_null(strstr(fixture_must(&fx, admin, "ListAuditEntries", "{\"parent\":\"tenants/gone\"}"), "purge"));
	assert_string_equal(fixture_field(must("ListAuditEntries", oldest), "seq"), "1");
	list = fixture_must(&fx, admin, "VerifyAudit", "{\"parent\":\"tenants/gone\"}");
	assert_string_equal(fixture_field(list, "ok"), "true");
	assert_string_equal(fixture_field(list, "entries"), "16");
}

static void *ten_changes(void *arg)
{
	const char *name = arg; /* "tenant/letter" */
	char json[200];

	for (int i = 0; i < 10; i++) {
		struct err_detail d = { 0 };

		snprintf(json, sizeof(json),
			 "{\"parent\":\"tenants/%.*s\",\"skillId\":\"%s-%d\",\"skill\":{\"displayName\":\"x\"}}",
			 (int)strcspn(name, "/"), name, strchr(name, '/') + 1, i);
		if (fixture_call(&fx, fx.operator_token, "CreateSkill", json, NULL, &d))
			testkit_die("%s: %s %s", json, d.field, d.message);
	}
	return NULL;
}

static void changes_of_one_tenant_at_once_keep_the_chain_whole_and_two_chains_apart_GT_16(void **state)
{
	static const char *const who[] = { "one/a", "one/b", "one/c", "one/d", "two/a", "two/b" };
	pthread_t threads[ARRAY_SIZE(who)];

	(void)state;
	make_tenant("one");
	make_tenant("two");
	for (size_t i = 0; i < ARRAY_SIZE(who); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ten_changes, (void *)who[i]), 0);
	for (size_t i = 0; i < ARRAY_SIZE(who); i++)
		pthread_join(threads[i], NULL);
	check_holds("one", 41);
	check_holds("two", 21);
	tamper("one", "UPDATE tm.audit SET actor = 'nobody' WHERE tenant = '@' AND seq = 3");
	check_broken("one", 3, "not what was written");
	check_holds("two", 21);
}

/* ---- it tells ---- */

/* A row in the place of 4 with the hash that it should have there; the others move up. */
#define INSERT_FOURTH                                                                                               \
	"UPDATE tm.audit SET seq = -seq - 1 WHERE tenant = '@' AND seq >= 4; UPDATE tm.audit SET seq = -seq WHERE " \
	"tenant = '@' AND seq < 0; UPDATE tm.audit_head SET seq = seq + 1 WHERE tenant = '@'; "                     \
	"INSERT INTO tm.audit SELECT tenant, 4, at, 'forged', action, resource, peer, before, after, "              \
	"tm.audit_hash(hash, 4, at, 'forged', action, resource, peer, before, after) FROM tm.audit WHERE tenant = " \
	"'@' "                                                                                                      \
	"AND seq = 3"

static void what_was_done_beside_the_service_is_found_with_its_place_GT_16(void **state)
{
	static const struct {
		const char *tenant, *sql;
		uint64_t seq;
		const char *reason;
	} rows[] = {
		{ "actor", "UPDATE tm.audit SET actor = 'nobody' WHERE tenant = '@' AND seq = 3", 3, "not what was" },
		{ "action", "UPDATE tm.audit SET action = 'x' WHERE tenant = '@' AND seq = 1", 1, "not what was" },
		{ "peer", "UPDATE tm.audit SET peer = '' WHERE tenant = '@' AND seq = 6", 6, "not what was" },
		{ "resource", "UPDATE tm.audit SET resource = resource || 'x' WHERE tenant = '@' AND seq = 2", 2, "" },
		{ "time", "UPDATE tm.audit SET at = at + interval '1 us' WHERE tenant = '@' AND seq = 5", 5, "" },
		{ "after", "UPDATE tm.audit SET after = set_byte(after, 1, 7) WHERE tenant = '@' AND seq = 4", 4, "" },
		{ "before", "UPDATE tm.audit SET before = after WHERE tenant = '@' AND seq = 4", 4, "" },
		{ "none", "UPDATE tm.audit SET after = NULL WHERE tenant = '@' AND seq = 4", 4, "" },
		{ "hash",
		  "UPDATE tm.audit SET hash = set_byte(hash, 31, get_byte(hash, 31) # 1) WHERE tenant = '@' "
		  "AND seq = 2",
		  2, "not what was" },
		{ "middle", "DELETE FROM tm.audit WHERE tenant = '@' AND seq = 3", 3, "entry 3 is missing" },
		{ "oldest", "DELETE FROM tm.audit WHERE tenant = '@' AND seq = 1", 1, "entry 1 is missing" },
		{ "newest", "DELETE FROM tm.audit WHERE tenant = '@' AND seq >= 5", 5, "newest entries are missing" },
		{ "all", "DELETE FROM tm.audit WHERE tenant = '@'", 1, "newest entries are missing" },
		{ "swapped",
		  "UPDATE tm.audit SET seq = -seq WHERE tenant = '@' AND seq IN (3, 4); "
		  "UPDATE tm.audit SET seq = 7 + seq WHERE tenant = '@' AND seq < 0",
		  3, "not what was" },
		{ "inserted", INSERT_FOURTH, 5, "not what was" },
		{ "appended",
		  "INSERT INTO tm.audit SELECT tenant, 7, at, actor, action, resource, peer, before, after, "
		  "tm.audit_hash(hash, 7, at, actor, action, resource, peer, before, after) FROM tm.audit WHERE tenant "
		  "= '@' AND seq = 6",
		  7, "behind the head" },
		{ "headless", "DELETE FROM tm.audit_head WHERE tenant = '@'", 1, "behind the head" },
		{ "head", "UPDATE tm.audit_head SET hash = decode(repeat('ab', 32), 'hex') WHERE tenant = '@'", 6,
		  "the head has another hash" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		make_history(rows[i].tenant);
		check_holds(rows[i].tenant, 6);
		tamper(rows[i].tenant, rows[i].sql);
		check_broken(rows[i].tenant, rows[i].seq, rows[i].reason);
	}
}

static void a_cut_end_stays_visible_however_much_is_written_afterwards_GT_16(void **state)
{
	(void)state;
	make_history("cut");
	tamper("cut", "DELETE FROM tm.audit WHERE tenant = '@' AND seq = 6");
	make_skill("cut", "later");
	make_skill("cut", "latest");
	check_broken("cut", 6, "entry 6 is missing: entry 7 stands in its place");
}

static void without_its_head_an_audit_takes_no_change_and_says_so(void **state)
{
	struct err_detail d = { 0 };

	(void)state;
	make_history("stuck");
	tamper("stuck", "DELETE FROM tm.audit_head WHERE tenant = '@'");
	assert_int_equal(fixture_call(&fx, fx.operator_token, "CreateSkill",
				      "{\"parent\":\"tenants/stuck\",\"skillId\":\"x\",\"skill\":{}}", NULL, &d),
			 ERR_DATA_LOSS);
	assert_non_null(strstr(d.message, "trunkline audit verify"));
}

/* ---- it can only be added to ---- */

static void nobody_changes_or_removes_an_entry_or_the_head_GT_16(void **state)
{
	static const struct {
		const char *sql, *refusal_of_the_service, *refusal_of_all;
	} rows[] = {
		{ "UPDATE tm.audit SET actor = 'x'", "permission denied", "only ever added to" },
		{ "DELETE FROM tm.audit", "permission denied", "only ever added to" },
		{ "TRUNCATE tm.audit", "permission denied", "only ever added to" },
		{ "UPDATE tm.audit_head SET seq = 1", "permission denied", "only ever added to" },
		{ "INSERT INTO tm.audit_head VALUES ('keep', 1, '')", "permission denied", "only ever added to" },
		{ "DELETE FROM tm.audit_head", "permission denied", "only ever added to" },
		{ "TRUNCATE tm.audit_head", "permission denied", "only ever added to" },
		{ "INSERT INTO tm.audit VALUES ('keep', 8, now(), 'a', 'b', 'c', 'd')", "seq 8 does not follow",
		  "seq 8 does not follow" },
		{ "INSERT INTO tm.audit VALUES ('keep', 6, now(), 'a', 'b', 'c', 'd')", "seq 6 does not follow",
		  "seq 6 does not follow" },
		{ "INSERT INTO tm.audit VALUES ('keep', 7, now(), 'a', 'b', 'c', 'd', NULL, NULL, sha256(''))",
		  "the hash of seq 7 does not follow", "the hash of seq 7 does not follow" },
		{ "INSERT INTO tm.audit VALUES ('keep', 7, 'infinity', 'a', 'b', 'c', 'd')", "ERROR", "ERROR" },
	};
	const char *dsns[] = { fx.dsn, fx.owner_dsn, fx.pg.dsn };
	char script[300];

	(void)state;
	make_history("keep");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(dsns); k++) {
			const char *want = k ? rows[i].refusal_of_all : rows[i].refusal_of_the_service;

			snprintf(script, sizeof(script), "BEGIN; SET LOCAL trunkline.tenant = 'keep'; %s; COMMIT",
				 rows[i].sql);
			const char *answer = psql(dsns[k], script);
			/* The owner's rows are hidden from it: an INSERT fails by that, at the latest. */
			if (!strstr(answer, want) && !(k == 1 && strstr(answer, "row-level security")))
				fail_msg("%zu: %s: %s", k, rows[i].sql, answer);
		}
	}
	check_holds("keep", 6);
}

/* Two versions work side by side while one replaces the other: the one before knows neither hash nor head. */
static void the_previous_versions_entries_are_chained_by_the_database(void **state)
{
	static const char insert[] =
	    "BEGIN; SET LOCAL trunkline.tenant = 'added'; "
	    "INSERT INTO tm.audit (tenant, seq, actor, action, resource, peer, before, after) SELECT tm.tenant(), "
	    "coalesce(max(seq), 0) + 1, 'a', 'b', 'c', 'd', NULL, 'e' FROM tm.audit WHERE tenant = tm.tenant() "
	    "RETURNING "
	    "seq; COMMIT";

	(void)state;
	make_history("added");
	assert_string_equal(psql(fx.dsn, insert), "7\n");
	assert_string_equal(psql(fx.dsn, insert), "8\n");
	make_skill("added", "mine");
	check_holds("added", 9);
}

static void the_documented_way_to_erase_an_entry_works_for_the_owner_and_is_told_ever_after_GT_16(void **state)
{
	(void)state;
	make_history("law");
	assert_string_equal(psql(fx.owner_dsn,
				 "BEGIN; ALTER TABLE tm.audit DISABLE TRIGGER audit_keep; "
				 "ALTER TABLE tm.audit NO FORCE ROW LEVEL SECURITY; "
				 "UPDATE tm.audit SET before = NULL, after = NULL WHERE tenant = 'law' AND seq = 3; "
				 "ALTER TABLE tm.audit FORCE ROW LEVEL SECURITY; "
				 "ALTER TABLE tm.audit ENABLE TRIGGER audit_keep; COMMIT"),
			    "");
	make_skill("law", "later");
	check_broken("law", 3, "not what was written");
	assert_non_null(strstr(psql(fx.pg.dsn, "DELETE FROM tm.audit"), "only ever added to"));
}

/* ---- what was there before ---- */

static void migrate_old(size_t n)
{
	struct err_detail d = { 0 };
	char dsn[sizeof(fx.owner_dsn) + 32];

	snprintf(dsn, sizeof(dsn), "%s dbname=old", fx.owner_dsn);
	if (db_migrate(dsn, "tenant-manager", migrations, n, &d))
		fail_msg("%s: %s", d.field, d.message);
}

/* The vectors of libs/auditchain/auditchain_test.c. */
static void the_migration_chains_what_is_there_to_the_hashes_of_the_vector_GT_16(void **state)
{
	char dsn[sizeof(fx.pg.dsn) + 32];

	(void)state;
	(void)fixture_sql(&fx, "CREATE DATABASE old OWNER trunkline_owner");
	migrate_old(1);
	snprintf(dsn, sizeof(dsn), "%s dbname=old", fx.pg.dsn);
	assert_string_equal(
	    psql(dsn,
		 "INSERT INTO tm.audit VALUES ('b', 1, 'epoch', '', '', '', '', NULL, NULL), "
		 "('acme', 2, '1969-12-31 23:59:59.999999Z', 'admin:李', 'queues.update', 'tenants/acme/queues/sales', "
		 "'', 'old', 'new'), "
		 "('a', 1, 'epoch', '', '', '', '', NULL, NULL), "
		 "('acme', 1, timestamptz 'epoch' + interval '1790000000.123456 s', 'operator:root', 'tenants.create', "
		 "'tenants/acme', '127.0.0.1:5060', NULL, '\\x0a00ff')"),
	    "");
	migrate_old(2);
	assert_string_equal(psql(dsn, "SELECT encode(hash, 'hex') FROM tm.audit WHERE tenant = 'acme' ORDER BY seq"),
			    "9121b33120bb754bb280e59047176d2cba7189afcea5e990c3fd36267f495da4\n"
			    "32ff319d2162fd1526b500cfde6c0e4b440bedd88f106a5a6298a65b0cbda14c\n");
	assert_string_equal(psql(dsn, "SELECT count(DISTINCT hash) FROM tm.audit WHERE tenant IN ('a', 'b')"), "1\n");
	assert_string_equal(
	    psql(dsn, "SELECT string_agg(tenant || ':' || seq, ' ' ORDER BY tenant) FROM tm.audit_head NATURAL JOIN "
		      "tm.audit"),
	    "a:1 acme:2 b:1\n");
}

/* ---- lists ---- */

/* The seqs of the entries in the answer's order: "6 5 4 ". */
static const char *seqs(const char *token, const char *filter)
{
	static char out[200];
	struct str answer = STR_INIT;
	struct err_detail d = { 0 };
	char json[300];

	snprintf(json, sizeof(json), "{\"parent\":\"tenants/list\"%s}", filter);
	if (fixture_call(&fx, token, "ListAuditEntries", json, &answer, &d))
		fail_msg("%s: %s %s", json, d.field, d.message);
	out[0] = '\0';
	for (const char *p = str_text(&answer); (p = strstr(p, "\"seq\":\"")); p += 7)
		snprintf(out + strlen(out), sizeof(out) - strlen(out), "%llu ", strtoull(p + 7, NULL, 10));
	str_done(&answer);
	return out;
}

static void the_audit_is_filtered_by_who_what_which_and_when(void **state)
{
	char filter[120];
	struct err_detail d = { 0 };

	(void)state;
	make_history("list");
	/* The token is entry 7, the queue 8. */
	const char *admin = fixture_token(&fx, "list", "SCOPE_TENANT_ADMIN"), *op = fx.operator_token;
	(void)fixture_must(&fx, admin, "CreateQueue", "{\"parent\":\"tenants/list\",\"queueId\":\"s6\",\"queue\":{}}");
	assert_string_equal(seqs(op, ""), "8 7 6 5 4 3 2 1 ");
	assert_string_equal(seqs(admin, ",\"oldestFirst\":true"), "1 2 3 4 5 6 7 8 ");
	assert_string_equal(seqs(op, ",\"oldestFirst\":true,\"pageSize\":3,\"pageToken\":\"2\""), "3 4 5 ");
	assert_string_equal(seqs(op, ",\"action\":\"skills.create\""), "6 5 4 3 2 ");
	assert_string_equal(seqs(op, ",\"action\":\"skills\""), "");
	assert_string_equal(seqs(op, ",\"resourcePrefix\":\"tenants/list/queues/\""), "8 ");
	assert_string_equal(seqs(op, ",\"resourcePrefix\":\"%\""), "");
	const char *actor =
	    fixture_field(must("ListAuditEntries", "{\"parent\":\"tenants/list\",\"pageSize\":1}"), "actor");
	snprintf(filter, sizeof(filter), ",\"actor\":\"%s\"", actor);
	assert_string_equal(seqs(op, filter), "8 ");
	tamper("list", "UPDATE tm.audit SET at = timestamptz 'epoch' + seq * interval '1 s' WHERE tenant = '@'");
	assert_string_equal(seqs(op, ",\"fromMs\":\"3000\",\"toMs\":\"5000\""), "4 3 ");
	assert_string_equal(seqs(op, ",\"fromMs\":\"5001\""), "8 7 6 ");
	assert_int_equal(fixture_call(&fx, op, "ListAuditEntries",
				      "{\"parent\":\"tenants/list\",\"fromMs\":\"5\",\"toMs\":\"5\"}", NULL, &d),
			 ERR_INVALID);
	assert_string_equal(d.field, "to_ms");
	assert_int_equal(fixture_call(&fx, op, "ListAuditEntries", "{\"parent\":\"tenants/list\",\"fromMs\":\"-1\"}",
				      NULL, &d),
			 ERR_INVALID);
	assert_string_equal(d.field, "from_ms");
}

static void who_may_not_see_the_audit_may_not_verify_it(void **state)
{
	struct err_detail d = { 0 };

	(void)state;
	make_history("mine");
	const char *admin = fixture_token(&fx, "mine", "SCOPE_TENANT_ADMIN");
	const char *lead = fixture_token(&fx, "mine", "SCOPE_SUPERVISOR");
	assert_string_equal(fixture_field(fixture_must(&fx, admin, "VerifyAudit", "{\"parent\":\"tenants/mine\"}"),
					  "ok"),
			    "true");
	assert_int_equal(fixture_call(&fx, lead, "VerifyAudit", "{\"parent\":\"tenants/mine\"}", NULL, &d), ERR_DENIED);
	assert_int_equal(fixture_call(&fx, fx.operator_token, "VerifyAudit", "{\"parent\":\"tenants/\"}", NULL, &d),
			 ERR_INVALID);
	assert_string_equal(d.field, "parent");
	assert_int_equal(fixture_call(&fx, fx.operator_token, "VerifyAudit", "{\"parent\":\"tenants/never\"}", NULL,
				      &d),
			 ERR_NOT_FOUND);
}

static int set_up(void **state)
{
	*state = &fx;
	fx.more_config = "tenants:\n  id_rest_s: 0\n"; /* ids are given again at once */
	fixture_start(&fx);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_chain_holds_after_changes_of_every_kind_GT_16),
		cmocka_unit_test(a_deleted_tenants_audit_stays_for_operators_and_goes_on_when_it_is_made_again_GT_16),
		cmocka_unit_test(changes_of_one_tenant_at_once_keep_the_chain_whole_and_two_chains_apart_GT_16),
		cmocka_unit_test(what_was_done_beside_the_service_is_found_with_its_place_GT_16),
		cmocka_unit_test(a_cut_end_stays_visible_however_much_is_written_afterwards_GT_16),
		cmocka_unit_test(without_its_head_an_audit_takes_no_change_and_says_so),
		cmocka_unit_test(nobody_changes_or_removes_an_entry_or_the_head_GT_16),
		cmocka_unit_test(the_previous_versions_entries_are_chained_by_the_database),
		cmocka_unit_test(the_documented_way_to_erase_an_entry_works_for_the_owner_and_is_told_ever_after_GT_16),
		cmocka_unit_test(the_migration_chains_what_is_there_to_the_hashes_of_the_vector_GT_16),
		cmocka_unit_test(the_audit_is_filtered_by_who_what_which_and_when),
		cmocka_unit_test(who_may_not_see_the_audit_may_not_verify_it),
	};

	return cmocka_run_group_tests(tests, set_up, fixture_tear_down);
}
