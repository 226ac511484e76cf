/* GT-3: which tokens were made, and what becomes of one that is withdrawn: here, after restarts, and when NATS was away or lost its books. */
#include "manager_fixture.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "auth/auth.h"
#include "base/clock.h"
#include "revoked/revoked.h"
#include "trunkline/admin/v1/admin.pb-c.h"
#include "trunkline/admin/v1/auth.pb-c.h"

#define JSON	  2048
#define WITHDRAWN 50000 /* tokens, where many are */

static struct fixture fx;
static const char *admin;

struct made {
	char token[JSON], name[128];
};

static const char *must(const char *method, const char *json)
{
	return fixture_must(&fx, fx.operator_token, method, json);
}

static void make(struct made *m, const char *giver, const char *json)
{
	const char *r = fixture_must(&fx, giver, "CreateToken", json);

	snprintf(m->token, sizeof(m->token), "%s", fixture_field(r, "accessToken"));
	snprintf(m->name, sizeof(m->name), "%s", fixture_field(r, "name"));
}

static err_t by_name(const char *token, const char *method, const char *name, struct err_detail *d)
{
	char json[JSON];

	*d = (struct err_detail){ 0 };
	snprintf(json, sizeof(json), "{\"name\":\"%s\"}", name);
	return fixture_call(&fx, token, method, json, NULL, d);
}

static void withdraw(const char *token, const char *name)
{
	struct err_detail d;
	err_t e = by_name(token, "RevokeToken", name, &d);

	if (e)
		fail_msg("RevokeToken %s: %s %s", name, err_name(e), d.message);
}

static void refused(const char *token, const char *method, const char *json, err_t want, const char *message)
{
	struct err_detail d = { 0 };
	err_t e = fixture_call(&fx, token, method, json, NULL, &d);

	if (e != want || !strstr(d.message, message))
		fail_msg("%s %s: %s %s", method, json, err_name(e), d.message);
}

static bool is_refused(void *arg)
{
	struct err_detail d = { 0 };

	return fixture_call(&fx, arg, "ListTenants", "{}", NULL, &d) == ERR_UNAUTHENTICATED &&
	       strcmp(d.message, "the token was withdrawn") == 0;
}

static bool is_published(void *arg)
{
	char json[160];

	snprintf(json, sizeof(json), "{\"name\":\"%s\"}", (const char *)arg);
	return *fixture_field(must("GetToken", json), "publishTimeMs") != '\0';
}

static unsigned count(const char *json, const char *what)
{
	unsigned n = 0;

	for (const char *p = json; (p = strstr(p, what)); p += strlen(what))
		n++;
	return n;
}

/* ---- the list ---- */

static void a_token_that_is_made_is_listed_and_never_shown_GT_3(void **state)
{
	struct made lead, own;
	char json[256];

	(void)state;
	make(&lead, admin, "{\"subject\":\"lead:mei\",\"roles\":[\"supervisor\"],\"lifetimeMs\":\"600000\"}");
	snprintf(json, sizeof(json), "{\"name\":\"%s\"}", lead.name);
	const char *r = fixture_must(&fx, admin, "GetToken", json);
	assert_string_equal(fixture_field(r, "name"), lead.name);
	assert_string_equal(fixture_field(r, "subject"), "admin:acme/lead:mei");
	assert_string_equal(fixture_field(r, "author"), "admin:acme");
	assert_non_null(strstr(r, "\"supervisor\""));
	assert_non_null(strstr(r, "\"reports.read\""));
	assert_null(strstr(r, "\"queues.write\""));
	assert_null(strstr(r, "eyJ"));
	assert_null(strstr(r, "revokeTimeMs"));
	make(&own, admin, "{\"permissions\":[\"queues.read\"]}");
	/* Newest first; by page, and by filter. */
	r = fixture_must(&fx, admin, "ListTokens", "{\"parent\":\"tenants/acme\",\"pageSize\":1}");
	assert_string_equal(fixture_field(r, "name"), own.name);
	snprintf(json, sizeof(json), "{\"parent\":\"tenants/acme\",\"pageSize\":1,\"pageToken\":\"%s\"}",
		 fixture_field(r, "nextPageToken"));
	assert_string_equal(fixture_field(fixture_must(&fx, admin, "ListTokens", json), "name"), lead.name);
	r = fixture_must(
	    &fx, admin, "ListTokens",
	    "{\"parent\":\"tenants/acme\",\"filter\":\"subject = \\\"*lead:mei\\\" AND revoke_time_ms = 0\"}");
	assert_int_equal(count(r, "\"subject\""), 1);
	assert_string_equal(fixture_field(r, "name"), lead.name);
	refused(admin, "ListTokens", "{\"parent\":\"tenants/acme\",\"pageToken\":\"x'\"}", ERR_INVALID,
		"next_page_token");
	refused(admin, "ListTokens", "{\"parent\":\"tenants/acme\",\"filter\":\"password = x\"}", ERR_INVALID, "");
}

static void a_login_is_among_them_with_what_the_agents_roles_give_GT_3(void **state)
{
	struct made agent;
	char json[256];

	(void)state;
	(void)must("CreateAgent", "{\"parent\":\"tenants/acme\",\"agent\":{\"id\":\"1001\",\"enabled\":true,"
				  "\"password\":\"correct horse\",\"roles\":[\"supervisor\"]}}");
	const char *r = fixture_must(&fx, NULL, "Login",
				     "{\"tenant\":\"acme\",\"agentId\":\"1001\",\"password\":\"correct horse\"}");
	snprintf(agent.token, sizeof(agent.token), "%s", fixture_field(r, "accessToken"));
	r = fixture_must(&fx, admin, "ListTokens", "{\"parent\":\"tenants/acme\",\"filter\":\"agent_id = 1001\"}");
	assert_int_equal(count(r, "\"subject\""), 1);
	assert_string_equal(fixture_field(r, "author"), "agent:1001");
	assert_non_null(strstr(r, "\"recordings.all\""));
	snprintf(agent.name, sizeof(agent.name), "%s", fixture_field(r, "name"));
	snprintf(json, sizeof(json), "{\"name\":\"%s\"}", agent.name);
	(void)fixture_must(&fx, admin, "RevokeToken", json);
	assert_true(testkit_wait(is_refused, agent.token, 1000));
}

static long long used_ms(const struct made *m)
{
	char json[256];

	snprintf(json, sizeof(json), "{\"name\":\"%s\"}", m->name);
	return strtoll(fixture_field(must("GetToken", json), "useTimeMs"), NULL, 10);
}

static bool is_used(void *arg)
{
	return used_ms(arg) > 0;
}

static void when_a_token_was_used_last_is_known_soon_GT_3(void **state)
{
	struct made m, idle;
	int64_t before_ms;

	(void)state;
	make(&m, admin, "{\"permissions\":[\"queues.read\"]}");
	make(&idle, admin, "{\"permissions\":[\"queues.read\"]}");
	assert_int_equal(used_ms(&m), 0);
	before_ms = clock_wall_ms();
	(void)fixture_must(&fx, m.token, "ListQueues", "{\"parent\":\"tenants/acme\"}");
	assert_true(testkit_wait(is_used, &m, 25000));
	assert_in_range(used_ms(&m), before_ms, clock_wall_ms());
	assert_int_equal(used_ms(&idle), 0);
	const char *r =
	    fixture_must(&fx, admin, "ListTokens", "{\"parent\":\"tenants/acme\",\"filter\":\"use_time_ms > 0\"}");
	assert_non_null(strstr(r, m.name));
	assert_null(strstr(r, idle.name));
}

static void a_refused_request_makes_no_token_GT_3(void **state)
{
	char before[32];

	(void)state;
	snprintf(before, sizeof(before), "%s", fixture_sql(&fx, "SELECT count(*) FROM tm.token"));
	refused(admin, "CreateToken", "{\"roles\":[\"nothing\"]}", ERR_INVALID, "there is no role");
	refused(NULL, "Login", "{\"tenant\":\"acme\",\"agentId\":\"1001\",\"password\":\"wrong\"}", ERR_UNAUTHENTICATED,
		"");
	assert_string_equal(fixture_sql(&fx, "SELECT count(*) FROM tm.token"), before);
}

/* ---- withdrawing ---- */

static void a_withdrawn_token_is_refused_within_a_second_and_the_audit_says_who_GT_3(void **state)
{
	struct made m, twin;
	struct err_detail d;
	char json[256], first[32];

	(void)state;
	make(&m, admin, "{\"permissions\":[\"tokens.read\",\"tokens.revoke\",\"queues.read\"]}");
	make(&twin, admin, "{\"permissions\":[\"queues.read\"]}");
	refused(m.token, "ListTenants", "{}", ERR_DENIED, "tenants.list");
	withdraw(admin, m.name);
	assert_true(testkit_wait(is_refused, m.token, 1000));
	refused(m.token, "RevokeToken", "{\"name\":\"tenants/acme/tokens/x\"}", ERR_UNAUTHENTICATED, "withdrawn");
	(void)fixture_must(&fx, twin.token, "ListQueues", "{\"parent\":\"tenants/acme\"}");
	snprintf(json, sizeof(json), "{\"name\":\"%s\"}", m.name);
	const char *r = fixture_must(&fx, admin, "GetToken", json);
	assert_string_equal(fixture_field(r, "revokedBy"), "admin:acme");
	snprintf(first, sizeof(first), "%s", fixture_field(r, "revokeTimeMs"));
	r = must("ListAuditEntries", "{\"parent\":\"tenants/acme\",\"action\":\"tokens.revoke\",\"pageSize\":1}");
	assert_string_equal(fixture_field(r, "actor"), "admin:acme");
	assert_string_equal(fixture_field(r, "resource"), m.name);
	/* Once more: nothing changes. */
	r = must("RevokeToken", json);
	assert_string_equal(fixture_field(r, "revokedBy"), "admin:acme");
	assert_string_equal(fixture_field(r, "revokeTimeMs"), first);
	assert_string_equal(fixture_field(must("VerifyAudit", "{\"parent\":\"tenants/acme\"}"), "ok"), "true");
	assert_int_equal(by_name(admin, "RevokeToken", "tenants/acme/tokens/0123", &d), ERR_NOT_FOUND);
	assert_int_equal(by_name(admin, "RevokeToken", "tenants/acme/tokens/No Id", &d), ERR_INVALID);
}

static err_t withdraw_now(void *arg)
{
	const struct made *m = arg;

	withdraw(admin, m->name);
	assert_true(testkit_wait(is_refused, (void *)m->token, 1000));
	return ERR_OK;
}

struct held {
	struct made *made;
	bool sent;
};

/* The headers are there before the token goes. */
static err_t next_held(const ProtobufCMessage **msg, void *arg)
{
	static Trunkline__Admin__V1__CreateTokenRequest req = TRUNKLINE__ADMIN__V1__CREATE_TOKEN_REQUEST__INIT;
	static char *roles[] = { (char *)"supervisor" };
	struct held *h = arg;

	*msg = NULL;
	if (h->sent)
		return ERR_OK;
	h->sent = true;
	req.n_roles = 1;
	req.roles = roles;
	*msg = &req.base;
	usleep(300000);
	return withdraw_now(h->made);
}

static void a_call_that_was_opened_before_does_nothing_afterwards_GT_3(void **state)
{
	Trunkline__Admin__V1__ListQueuesRequest list = TRUNKLINE__ADMIN__V1__LIST_QUEUES_REQUEST__INIT;
	struct err_detail d = { 0 };
	ProtobufCMessage *rep = NULL;
	struct held h = { 0 };
	struct made m;
	struct rpc_client *c;
	char before[32];

	(void)state;
	make(&m, admin, "{\"roles\":[\"tenant-admin\"]}");
	h.made = &m;
	snprintf(before, sizeof(before), "%s", fixture_sql(&fx, "SELECT count(*) FROM tm.token"));
	c = fixture_client(&fx, m.token);
	/* Connects, so that the headers leave at once. */
	list.parent = (char *)"tenants/acme";
	assert_int_equal(rpc_client_call(c, &trunkline__admin__v1__admin_service__descriptor, "ListQueues", &list.base,
					 &rep, &d),
			 ERR_OK);
	protobuf_c_message_free_unpacked(rep, NULL);
	assert_int_equal(rpc_client_upload(c, &trunkline__admin__v1__auth_service__descriptor, "CreateToken", next_held,
					   &h, &rep, &d),
			 ERR_UNAUTHENTICATED);
	assert_non_null(strstr(d.message, "the token was withdrawn"));
	rpc_client_free(&c);
	assert_string_equal(fixture_sql(&fx, "SELECT count(*) FROM tm.token"), before);
}

static void an_upload_that_began_before_stores_nothing_afterwards_GT_3(void **state)
{
	static const char header[] = "{\"parent\":\"tenants/acme\",\"kind\":\"IMPORT_KIND_AGENTS\"}";
	struct err_detail d = { 0 };
	struct made m;

	(void)state;
	make(&m, admin, "{\"roles\":[\"tenant-admin\"]}");
	assert_int_equal(fixture_import(&fx, m.token, header, "id\n7001\n", 8, NULL, &d), ERR_OK);
	assert_string_equal(fixture_sql(&fx, "SELECT count(*) FROM tm.import"), "1");
	assert_int_equal(fixture_import_slowly(&fx, m.token, header, "id\n7002\n", 8, withdraw_now, &m, NULL, &d),
			 ERR_UNAUTHENTICATED);
	assert_non_null(strstr(d.message, "the token was withdrawn"));
	assert_string_equal(fixture_sql(&fx, "SELECT count(*) FROM tm.import"), "1");
}

static void nobody_withdraws_what_is_not_his_tenants_GT_3(void **state)
{
	struct err_detail theirs, nobodys;
	struct made other, reader;
	char mine[160];

	(void)state;
	make(&other, fx.operator_token, "{\"tenant\":\"globex\",\"scopes\":[\"SCOPE_TENANT_ADMIN\"]}");
	make(&reader, admin, "{\"permissions\":[\"tokens.read\"]}");
	assert_int_equal(by_name(admin, "RevokeToken", other.name, &theirs), ERR_NOT_FOUND);
	assert_int_equal(by_name(admin, "RevokeToken", "tenants/nobody/tokens/0123", &nobodys), ERR_NOT_FOUND);
	assert_string_equal(theirs.message, nobodys.message);
	/* The id alone, in one's own tenant. */
	snprintf(mine, sizeof(mine), "tenants/acme/tokens/%s", strrchr(other.name, '/') + 1);
	assert_int_equal(by_name(admin, "RevokeToken", mine, &theirs), ERR_NOT_FOUND);
	assert_int_equal(by_name(reader.token, "RevokeToken", reader.name, &theirs), ERR_DENIED);
	assert_non_null(strstr(theirs.message, "tokens.revoke"));
	(void)fixture_must(&fx, other.token, "ListTokens", "{\"parent\":\"tenants/globex\"}");
	assert_null(strstr(fixture_must(&fx, other.token, "ListTokens", "{\"parent\":\"tenants/globex\"}"), "acme"));
}

static void operators_tokens_are_for_operators_and_their_managers_GT_3(void **state)
{
	struct made op, reader;
	struct err_detail d;

	(void)state;
	make(&op, fx.operator_token, "{\"subject\":\"operator:li\",\"roles\":[\"operator-allocation\"]}");
	make(&reader, fx.operator_token, "{\"permissions\":[\"tenants.list\",\"tokens.read\",\"tokens.revoke\"]}");
	assert_int_equal(strncmp(op.name, "tokens/", 7), 0);
	const char *r = fixture_must(&fx, reader.token, "ListTokens", "{\"filter\":\"subject = \\\"operator:li\\\"\"}");
	assert_string_equal(fixture_field(r, "name"), op.name);
	assert_non_null(strstr(r, "\"operator-allocation\""));
	refused(admin, "ListTokens", "{}", ERR_DENIED, "only operators");
	assert_int_equal(by_name(admin, "GetToken", op.name, &d), ERR_DENIED);
	assert_int_equal(by_name(admin, "RevokeToken", op.name, &d), ERR_DENIED);
	assert_int_equal(by_name(reader.token, "RevokeToken", op.name, &d), ERR_DENIED);
	assert_non_null(strstr(d.message, "operators.manage"));
	(void)fixture_must(&fx, op.token, "ListTenants", "{}");
	withdraw(fx.operator_token, op.name);
	assert_true(testkit_wait(is_refused, op.token, 1000));
}

static char withdrawn_first[JSON];

static bool has_another(void *arg)
{
	char path[TESTKIT_PATH + 64];
	struct str text = STR_INIT;

	snprintf(path, sizeof(path), "%s/operator.token", fx.dir);
	testkit_read(path, &text);
	bool other = strncmp(str_text(&text), arg, strlen(arg)) != 0;
	str_done(&text);
	return other;
}

static void the_first_operators_token_is_replaced_when_it_is_withdrawn_GT_3(void **state)
{
	char first[JSON], name[128];
	struct err_detail d;

	(void)state;
	snprintf(first, sizeof(first), "%s", fx.operator_token);
	const char *r =
	    must("ListTokens", "{\"filter\":\"author = \\\"operator:bootstrap\\\" AND revoke_time_ms = 0 AND "
			       "subject = \\\"operator:bootstrap\\\"\"}");
	assert_int_equal(count(r, "\"subject\""), 1);
	snprintf(name, sizeof(name), "%s", fixture_field(r, "name"));
	withdraw(first, name);
	assert_true(testkit_wait(is_refused, first, 1000));
	assert_true(testkit_wait(has_another, first, 20000));
	fixture_service_stop(&fx, SIGTERM);
	fixture_service_start(&fx); /* reads the file */
	assert_int_equal(by_name(first, "GetToken", name, &d), ERR_UNAUTHENTICATED);
	(void)must("ListTenants", "{}");
	(void)str_copy(withdrawn_first, sizeof(withdrawn_first), first);
}

/* ---- what goes wrong ---- */

static void a_withdrawn_token_stays_so_when_the_service_is_killed_and_when_nats_lost_it_GT_3(void **state)
{
	struct made m;

	(void)state;
	make(&m, admin, "{\"roles\":[\"supervisor\"]}");
	withdraw(admin, m.name);
	assert_true(testkit_wait(is_published, m.name, 20000));
	fixture_service_stop(&fx, SIGKILL);
	fixture_service_start(&fx);
	assert_true(is_refused(m.token));
	fixture_service_stop(&fx, SIGTERM);
	testkit_nats_kill(&fx.nats);
	assert_int_equal(testkit_run((const char *[]){ "sh", "-c",
						       "find \"$0\" -type d -name KV_revoked -prune -exec rm -rf {} +",
						       fx.nats.dir, NULL },
				     NULL, 5000),
			 0);
	testkit_nats_restart(&fx.nats);
	fixture_service_start(&fx);
	assert_true(testkit_wait(is_refused, m.token, 1000));
}

struct reader {
	struct revoked *revoked;
	struct auth_user user;
};

static bool knows(void *arg)
{
	const struct reader *r = arg;

	return revoked_check(r->revoked, &r->user, NULL) == ERR_UNAUTHENTICATED;
}

static void on_emptied(err_t e, const struct bus_msg *msg, void *arg)
{
	(void)msg;
	*(bool *)arg = e == ERR_OK;
}

/* By somebody, under the running service. Who starts lets nobody in until it has been told of all. */
static void a_withdrawn_token_stays_so_when_the_bucket_is_emptied_GT_3(void **state)
{
	struct reader r = { .user = { .tenant = "acme" } };
	struct err_detail d = { 0 };
	struct bus *bus = NULL;
	bool done = false;
	struct made m;

	(void)state;
	make(&m, admin, "{\"roles\":[\"supervisor\"]}");
	withdraw(admin, m.name);
	assert_true(testkit_wait(is_published, m.name, 20000));
	(void)str_copy(r.user.token_id, sizeof(r.user.token_id), strrchr(m.name, '/') + 1);
	if (bus_new(&bus, &(struct bus_params){ .loop = fx.loop, .url = fx.nats.url, .name = "test" }, &d) ||
	    bus_request(bus, "$JS.API.STREAM.PURGE.KV_revoked", "", 0, 5000, on_emptied, &done) ||
	    !testkit_wait_flag(fx.loop, &done, 20000) ||
	    revoked_new(&r.revoked, &(struct revoked_params){ .bus = bus }, &d))
		testkit_die("the bucket: %s", d.message);
	assert_true(is_refused(m.token));
	assert_int_equal(revoked_check(r.revoked, &r.user, NULL), ERR_UNAVAILABLE);
	assert_true(testkit_wait_loop(fx.loop, knows, &r, 20000));
	assert_true(is_refused(m.token));
	revoked_free(&r.revoked);
	bus_free(&bus);
}

static void what_is_withdrawn_while_nats_is_away_holds_when_it_is_back_GT_3(void **state)
{
	struct made m;

	(void)state;
	make(&m, admin, "{\"roles\":[\"supervisor\"]}");
	testkit_nats_kill(&fx.nats);
	withdraw(admin, m.name);
	assert_false(is_published(m.name));
	testkit_nats_restart(&fx.nats);
	assert_true(testkit_wait(is_refused, m.token, 20000));
	assert_true(testkit_wait(is_published, m.name, 20000));
}

/* NATS is away: the services know nothing of it, PostgreSQL does. */
static void a_withdrawn_token_gives_and_changes_nothing_even_before_nats_has_it_GT_3(void **state)
{
	static const struct {
		const char *method, *json;
		bool operators; /* only they may */
	} rows[] = {
		{ "CreateToken", "{\"tenant\":\"acme\",\"roles\":[\"supervisor\"]}", false },
		{ "CreateToken", "{\"subject\":\"operator:child\",\"scopes\":[\"SCOPE_OPERATOR\"]}", true },
		{ "CreateSkill", "{\"parent\":\"tenants/acme\",\"skill\":{\"id\":\"late\"}}", false },
		{ "CreateTenant", "{\"tenantId\":\"late\",\"tenant\":{}}", true },
		{ "DeleteTenant", "{\"name\":\"tenants/globex\"}", true },
	};
	struct made m, op, other;
	struct err_detail d;
	char made[32];

	(void)state;
	make(&m, admin, "{\"roles\":[\"tenant-admin\"]}");
	make(&op, fx.operator_token, "{\"scopes\":[\"SCOPE_OPERATOR\"]}");
	make(&other, fx.operator_token, "{\"scopes\":[\"SCOPE_OPERATOR\"]}");
	testkit_nats_kill(&fx.nats);
	(void)fixture_must(&fx, m.token, "CreateToken", rows[0].json);
	(void)fixture_must(&fx, op.token, "CreateToken", rows[0].json);
	(void)fixture_must(&fx, op.token, "CreateToken", rows[1].json);
	withdraw(admin, m.name);
	withdraw(fx.operator_token, op.name);
	snprintf(made, sizeof(made), "%s", fixture_sql(&fx, "SELECT count(*) FROM tm.token"));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!rows[i].operators)
			refused(m.token, rows[i].method, rows[i].json, ERR_UNAUTHENTICATED, "was withdrawn");
		refused(op.token, rows[i].method, rows[i].json, ERR_UNAUTHENTICATED, "was withdrawn");
	}
	assert_int_equal(by_name(op.token, "RevokeToken", other.name, &d), ERR_UNAUTHENTICATED);
	assert_int_equal(by_name(m.token, "RevokeToken", m.name, &d), ERR_UNAUTHENTICATED);
	assert_string_equal(fixture_sql(&fx, "SELECT count(*) FROM tm.token"), made);
	assert_string_equal(fixture_sql(&fx, "SELECT count(*) FROM tm.tenant WHERE tenant = 'late'"), "0");
	testkit_nats_restart(&fx.nats);
	assert_true(testkit_wait(is_refused, m.token, 20000) && testkit_wait(is_refused, op.token, 20000));
}

static bool tells_again(void *arg)
{
	return fixture_metric(&fx, "trunkline_tokens_revoked_total") > *(long long *)arg;
}

static bool has_told_all(void *arg)
{
	return fixture_metric(&fx, "trunkline_tokens_revoked_total") >= *(long long *)arg + WITHDRAWN;
}

/* After NATS was away all are told again; the tenant is the last of them. */
static void what_is_withdrawn_while_many_are_told_again_does_not_wait_for_its_turn_GT_3(void **state)
{
	char sql[256];
	struct made m;

	(void)state;
	make(&m, fx.operator_token, "{\"tenant\":\"globex\",\"roles\":[\"tenant-admin\"]}");
	snprintf(
	    sql, sizeof(sql),
	    "INSERT INTO tm.token SELECT 'acme', lpad(to_hex(i), 32, '0'), '', now() + interval '1 day', now(), '', "
	    "now() FROM generate_series(1, %d) i",
	    WITHDRAWN);
	(void)fixture_sql(&fx, sql);
	testkit_nats_kill(&fx.nats);
	long long before = fixture_metric(&fx, "trunkline_tokens_revoked_total");
	testkit_nats_restart(&fx.nats);
	assert_true(testkit_wait(tells_again, &before, 20000));
	withdraw(fx.operator_token, m.name);
	assert_true(testkit_wait(is_refused, m.token, 1000));
	assert_false(has_told_all(&before));
	assert_true(testkit_wait(is_published, m.name, 20000));
	assert_true(testkit_wait(has_told_all, &before, 150000));
	(void)fixture_sql(&fx, "DELETE FROM tm.token WHERE body = ''");
}

/* The bucket has 50,000 now: which are withdrawn is known to the service a while after it has looked at the file. */
static void a_withdrawn_token_that_the_file_has_at_the_start_is_replaced_at_once_GT_3(void **state)
{
	char path[TESTKIT_PATH + 64];

	(void)state;
	fixture_service_stop(&fx, SIGTERM);
	testkit_file(fx.dir, "operator.token", withdrawn_first, path);
	fixture_service_start(&fx);
	assert_true(testkit_wait(has_another, withdrawn_first, 20000));
	fixture_service_stop(&fx, SIGTERM);
	fixture_service_start(&fx); /* reads the file */
	(void)must("ListTenants", "{}");
}

static void what_expired_long_ago_goes_with_the_next_token_GT_3(void **state)
{
	char floor[AUTH_TOKEN_ID], sql[256];
	struct made m;

	(void)state;
	auth_token_id_floor(1000, floor);
	snprintf(sql, sizeof(sql),
		 "INSERT INTO tm.token (tenant, id, body, expires_at) VALUES ('acme', '%s', '', to_timestamp(1)), "
		 "('globex', '%s', '', to_timestamp(1))",
		 floor, floor);
	(void)fixture_sql(&fx, sql);
	make(&m, admin, "{\"roles\":[\"supervisor\"]}");
	assert_string_equal(fixture_sql(&fx, "SELECT string_agg(tenant, ',') FROM tm.token WHERE expires_at < now()"),
			    "globex");
	(void)fixture_sql(&fx, "DELETE FROM tm.token WHERE expires_at < now()");
}

static void a_tenants_tokens_go_with_it_GT_3(void **state)
{
	struct made m;

	(void)state;
	(void)must("CreateTenant", "{\"tenantId\":\"brief\",\"tenant\":{}}");
	make(&m, fx.operator_token, "{\"tenant\":\"brief\",\"scopes\":[\"SCOPE_TENANT_ADMIN\"]}");
	assert_string_equal(fixture_sql(&fx, "SELECT count(*) FROM tm.token WHERE tenant = 'brief'"), "1");
	fixture_purge(&fx, "brief");
	assert_string_equal(fixture_sql(&fx, "SELECT count(*) FROM tm.token WHERE tenant = 'brief'"), "0");
}

static int set_up(void **state)
{
	*state = &fx;
	fixture_start(&fx);
	(void)must("CreateTenant", "{\"tenantId\":\"acme\",\"tenant\":{}}");
	(void)must("CreateTenant", "{\"tenantId\":\"globex\",\"tenant\":{}}");
	admin = fixture_token(&fx, "acme", "SCOPE_TENANT_ADMIN");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_that_is_made_is_listed_and_never_shown_GT_3),
		cmocka_unit_test(a_login_is_among_them_with_what_the_agents_roles_give_GT_3),
		cmocka_unit_test(when_a_token_was_used_last_is_known_soon_GT_3),
		cmocka_unit_test(a_refused_request_makes_no_token_GT_3),
		cmocka_unit_test(a_withdrawn_token_is_refused_within_a_second_and_the_audit_says_who_GT_3),
		cmocka_unit_test(a_call_that_was_opened_before_does_nothing_afterwards_GT_3),
		cmocka_unit_test(an_upload_that_began_before_stores_nothing_afterwards_GT_3),
		cmocka_unit_test(nobody_withdraws_what_is_not_his_tenants_GT_3),
		cmocka_unit_test(operators_tokens_are_for_operators_and_their_managers_GT_3),
		cmocka_unit_test(the_first_operators_token_is_replaced_when_it_is_withdrawn_GT_3),
		cmocka_unit_test(a_withdrawn_token_stays_so_when_the_service_is_killed_and_when_nats_lost_it_GT_3),
		cmocka_unit_test(a_withdrawn_token_stays_so_when_the_bucket_is_emptied_GT_3),
		cmocka_unit_test(what_is_withdrawn_while_nats_is_away_holds_when_it_is_back_GT_3),
		cmocka_unit_test(a_withdrawn_token_gives_and_changes_nothing_even_before_nats_has_it_GT_3),
		cmocka_unit_test(what_is_withdrawn_while_many_are_told_again_does_not_wait_for_its_turn_GT_3),
		cmocka_unit_test(a_withdrawn_token_that_the_file_has_at_the_start_is_replaced_at_once_GT_3),
		cmocka_unit_test(what_expired_long_ago_goes_with_the_next_token_GT_3),
		cmocka_unit_test(a_tenants_tokens_go_with_it_GT_3),
	};

	return cmocka_run_group_tests(tests, set_up, fixture_tear_down);
}
