/* GT-3.1.2c: what operators allow a tenant holds for whatever is created, to the last one, whoever asks at once. */
#include "manager_fixture.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/clock.h"
#include "tenantconf/tenantconf.h"

#define WAV_HEAD 44
#define CLIENTS	 12

static struct fixture fx;

/* ---- building blocks ---- */

static void make_tenant(const char *id, const char *quotas)
{
	char j[600];

	snprintf(j, sizeof(j), "{\"tenantId\":\"%s\",\"tenant\":{\"quotas\":%s}}", id, quotas);
	(void)fixture_must(&fx, fx.operator_token, "CreateTenant", j);
}

static void set_quotas(const char *tenant, const char *quotas)
{
	char j[600];

	snprintf(j, sizeof(j), "{\"tenant\":{\"name\":\"tenants/%s\",\"quotas\":%s},\"updateMask\":\"quotas\"}", tenant,
		 quotas);
	(void)fixture_must(&fx, fx.operator_token, "UpdateTenant", j);
}

static err_t try(const char *token, const char *method, const char *json, struct err_detail *d)
{
	*d = (struct err_detail){ 0 };
	return fixture_call(&fx, token, method, json, NULL, d);
}

/* "@" the tenant, "#" the number of it. */
static void fill(char out[400], const char *format, const char *tenant, int n)
{
	size_t at = 0;

	for (const char *p = format; *p; p++)
		at += (size_t)(*p == '@'   ? snprintf(out + at, 400 - at, "%s", tenant)
			       : *p == '#' ? snprintf(out + at, 400 - at, "%d", n)
					   : snprintf(out + at, 400 - at, "%c", *p));
}

static err_t create(const char *method, const char *format, const char *tenant, int n, struct err_detail *d)
{
	char j[600];

	fill(j, format, tenant, n);
	return try(fx.operator_token, method, j, d);
}

static void must_refuse(err_t e, const struct err_detail *d, const char *field, const char *message)
{
	if (e != ERR_EXHAUSTED || strcmp(d->field, field) != 0 || strcmp(d->message, message) != 0)
		fail_msg("%s '%s' '%s' instead of '%s' '%s'", err_name(e), d->field, d->message, field, message);
}

/* 8 kHz, mono: `samples` of a sawtooth, steeper by step. */
static err_t upload(const char *token, const char *tenant, const char *id, size_t samples, unsigned step,
		    struct err_detail *d)
{
	static const unsigned char head[WAV_HEAD] = { 'R', 'I', 'F',  'F',  0,	 0,   0,    0,	  'W', 'A', 'V',
						      'E', 'f', 'm',  't',  ' ', 16,  0,    0,	  0,   1,   0,
						      1,   0,	0x40, 0x1f, 0,	 0,   0x80, 0x3e, 0,   0,   2,
						      0,   16,	0,    'd',  'a', 't', 'a',  0,	  0,   0,   0 };
	size_t bytes = 2 * samples, size = WAV_HEAD + bytes;
	unsigned char *wav = calloc(1, size);
	char parent[96];

	*d = (struct err_detail){ 0 };
	memcpy(wav, head, WAV_HEAD);
	for (int i = 0; i < 4; i++) {
		wav[4 + i] = (unsigned char)((size - 8) >> (8 * i));
		wav[40 + i] = (unsigned char)(bytes >> (8 * i));
	}
	for (size_t i = 0; i < samples; i++) {
		wav[WAV_HEAD + 2 * i] = (unsigned char)(i * step);
		wav[WAV_HEAD + 2 * i + 1] = (unsigned char)((i * step) >> 8 & 0x1f);
	}
	snprintf(parent, sizeof(parent), "tenants/%s", tenant);
	err_t e = fixture_upload(&fx, token, parent, id, wav, size, NULL, d);
	free(wav);
	return e;
}

static long long metric(const char *quota)
{
	char name[96];

	snprintf(name, sizeof(name), "trunkline_quota_refused_total{quota=\"%s\"}", quota);
	return fixture_metric(&fx, name);
}

static const struct counted {
	const char *quota, *method, *format, *delete, *name;
} counted[] = {
	{ "queues", "CreateQueue", "{\"parent\":\"tenants/@\",\"queueId\":\"x#\",\"queue\":{}}", "DeleteQueue",
	  "{\"name\":\"tenants/@/queues/x#\"}" },
	{ "flows", "CreateFlow",
	  "{\"parent\":\"tenants/@\",\"flowId\":\"x#\",\"flow\":{\"steps\":[{\"id\":\"a\",\"answer\":{}}]}}",
	  "DeleteFlow", "{\"name\":\"tenants/@/flows/x#\"}" },
	{ "agents", "CreateAgent", "{\"parent\":\"tenants/@\",\"agentId\":\"x#\",\"agent\":{}}", "DeleteAgent",
	  "{\"name\":\"tenants/@/agents/x#\"}" },
	{ "numbers", "CreateNumber",
	  "{\"parent\":\"tenants/@\",\"number\":{\"number\":\"+4930#\",\"working\":{\"rejectStatus\":480}}}",
	  "DeleteNumber", "{\"name\":\"tenants/@/numbers/+4930#\"}" },
};

/* ---- tests ---- */

static void check_counted(const struct counted *c)
{
	struct err_detail d;
	char j[400], quotas[64], field[64];
	long long before = metric(c->quota);

	snprintf(quotas, sizeof(quotas), "{\"%s\":3}", c->quota);
	set_quotas("small", quotas);
	snprintf(field, sizeof(field), "quotas.%s", c->quota);
	for (int i = 0; i < 3; i++)
		assert_int_equal(create(c->method, c->format, "small", i, &d), ERR_OK);
	must_refuse(create(c->method, c->format, "small", 3, &d), &d, field, "3 of 3 in use");
	/* What is wrong otherwise is told first. */
	assert_int_equal(create(c->method, c->format, "small", 2, &d), ERR_EXISTS);
	assert_int_equal(create(c->method, c->format, "large", 30, &d), ERR_OK);
	fill(j, c->name, "small", 1);
	(void)fixture_must(&fx, fx.operator_token, c->delete, j);
	assert_int_equal(create(c->method, c->format, "small", 3, &d), ERR_OK);
	must_refuse(create(c->method, c->format, "small", 4, &d), &d, field, "3 of 3 in use");
	assert_int_equal(metric(c->quota), before + 2);
}

static void each_quota_refuses_the_first_that_is_too_many_and_a_deletion_makes_room_GT_3_1_2(void **state)
{
	(void)state;
	make_tenant("small", "{}");
	make_tenant("large", "{}");
	for (size_t i = 0; i < ARRAY_SIZE(counted); i++)
		check_counted(&counted[i]);
}

static void prompts_are_limited_in_number_and_in_bytes_GT_3_1_2(void **state)
{
	struct err_detail d;

	(void)state;
	make_tenant("sound", "{\"prompts\":2,\"promptBytes\":\"4000\"}");
	assert_int_equal(upload(fx.operator_token, "sound", "a", 800, 3, &d), ERR_OK);
	must_refuse(upload(fx.operator_token, "sound", "b", 1201, 5, &d), &d, "quotas.prompt_bytes",
		    "1600 of 4000 in use, 2402 more are needed");
	assert_int_equal(try(fx.operator_token, "GetPrompt", "{\"name\":\"tenants/sound/prompts/b\"}", &d),
			 ERR_NOT_FOUND);
	assert_int_equal(upload(fx.operator_token, "sound", "b", 1200, 5, &d), ERR_OK);
	/* The same audio again takes nothing; in place of other audio only what it is longer. */
	must_refuse(upload(fx.operator_token, "sound", "c", 800, 3, &d), &d, "quotas.prompts", "2 of 2 in use");
	assert_int_equal(upload(fx.operator_token, "sound", "b", 1200, 5, &d), ERR_OK);
	must_refuse(upload(fx.operator_token, "sound", "b", 1201, 7, &d), &d, "quotas.prompt_bytes",
		    "4000 of 4000 in use, 2 more are needed");
	assert_int_equal(upload(fx.operator_token, "sound", "b", 1000, 7, &d), ERR_OK);
	set_quotas("sound", "{\"promptBytes\":\"1000\"}");
	must_refuse(upload(fx.operator_token, "sound", "c", 10, 9, &d), &d, "quotas.prompt_bytes",
		    "3600 of 1000 in use, 20 more are needed");
	assert_int_equal(upload(fx.operator_token, "sound", "b", 900, 7, &d), ERR_OK);
	(void)fixture_must(&fx, fx.operator_token, "DeletePrompt", "{\"name\":\"tenants/sound/prompts/a\"}");
	(void)fixture_must(&fx, fx.operator_token, "DeletePrompt", "{\"name\":\"tenants/sound/prompts/b\"}");
	assert_int_equal(upload(fx.operator_token, "sound", "c", 500, 9, &d), ERR_OK);
	assert_string_equal(fixture_sql(&fx, "SELECT string_agg(what || ' ' || used, ', ' ORDER BY what) FROM tm.usage "
					     "WHERE tenant = 'sound'"),
			    "prompt 1, prompt_bytes 1000");
}

struct client {
	pthread_t thread;
	const struct counted *what;
	int first;
};
static atomic_int created, refused;

static void *create_three(void *arg)
{
	const struct client *c = arg;
	struct err_detail d;

	for (int i = 0; i < 3; i++) {
		err_t e = create(c->what->method, c->what->format, "rush", c->first + i, &d);

		if (e == ERR_OK)
			created++;
		else if (e == ERR_EXHAUSTED && strncmp(d.field, "quotas.", 7) == 0)
			refused++;
	}
	return NULL;
}

static void of_many_who_create_at_once_exactly_as_many_succeed_as_are_allowed_GT_3_1_2(void **state)
{
	(void)state;
	make_tenant("rush", "{\"queues\":17,\"flows\":1,\"agents\":17,\"numbers\":36}");
	static const int wanted[] = { 17, 1, 17, 36 };
	for (size_t i = 0; i < ARRAY_SIZE(counted); i++) {
		struct client clients[CLIENTS];

		created = refused = 0;
		for (int k = 0; k < CLIENTS; k++) {
			clients[k] = (struct client){ .what = &counted[i], .first = 1000 + 3 * k };
			assert_int_equal(pthread_create(&clients[k].thread, NULL, create_three, &clients[k]), 0);
		}
		for (int k = 0; k < CLIENTS; k++)
			pthread_join(clients[k].thread, NULL);
		assert_int_equal(created, wanted[i]);
		assert_int_equal(refused, 3 * CLIENTS - wanted[i]);
	}
	assert_string_equal(fixture_sql(&fx, "SELECT string_agg(what || ' ' || used, ', ' ORDER BY what) FROM tm.usage "
					     "WHERE tenant = 'rush'"),
			    "agent 17, flow 1, number 36, queue 17");
}

static void a_quota_lowered_below_the_use_takes_nothing_away_and_refuses_new_ones_GT_3_1_2(void **state)
{
	struct err_detail d;

	(void)state;
	make_tenant("less", "{}");
	for (int i = 0; i < 3; i++)
		assert_int_equal(create("CreateQueue", counted[0].format, "less", i, &d), ERR_OK);
	set_quotas("less", "{\"queues\":1}");
	must_refuse(create("CreateQueue", counted[0].format, "less", 3, &d), &d, "quotas.queues", "3 of 1 in use");
	(void)fixture_must(
	    &fx, fx.operator_token, "UpdateQueue",
	    "{\"queue\":{\"name\":\"tenants/less/queues/x0\",\"priority\":3},\"updateMask\":\"priority\"}");
	(void)fixture_must(&fx, fx.operator_token, "DeleteQueue", "{\"name\":\"tenants/less/queues/x0\"}");
	(void)fixture_must(&fx, fx.operator_token, "DeleteQueue", "{\"name\":\"tenants/less/queues/x1\"}");
	must_refuse(create("CreateQueue", counted[0].format, "less", 3, &d), &d, "quotas.queues", "1 of 1 in use");
	set_quotas("less", "{\"queues\":2}");
	assert_int_equal(create("CreateQueue", counted[0].format, "less", 3, &d), ERR_OK);
	/* An update of all that may be changed without quotas in it, by a mask that names them: no limits. */
	(void)fixture_must(&fx, fx.operator_token, "UpdateTenant",
			   "{\"tenant\":{\"name\":\"tenants/less\"},\"updateMask\":\"quotas\"}");
	assert_int_equal(create("CreateQueue", counted[0].format, "less", 4, &d), ERR_OK);
}

static void an_administrator_reads_the_quotas_and_only_operators_change_them_GT_3_1_2(void **state)
{
	static const char *const forbidden[] = {
		"{\"tenant\":{\"name\":\"tenants/own\",\"quotas\":{\"queues\":99}},\"updateMask\":\"quotas\"}",
		"{\"tenant\":{\"name\":\"tenants/own\"},\"updateMask\":\"quotas\"}",
		"{\"tenant\":{\"name\":\"tenants/own\",\"displayName\":\"x\",\"quotas\":{\"queues\":99}}}",
		"{\"tenant\":{\"name\":\"tenants/own\",\"quotas\":{\"queues\":99}},\"updateMask\":\"*\"}",
	};
	struct err_detail d;

	(void)state;
	make_tenant("own", "{\"queues\":2,\"promptBytes\":\"5000\"}");
	const char *admin = fixture_token(&fx, "own", "SCOPE_TENANT_ADMIN");
	for (size_t i = 0; i < ARRAY_SIZE(forbidden); i++) {
		assert_int_equal(try(admin, "UpdateTenant", forbidden[i], &d), ERR_DENIED);
		assert_string_equal(d.message, "'quotas' is for operators: it needs tenants.quotas");
	}
	const char *t = fixture_must(&fx, admin, "GetTenant", "{\"name\":\"tenants/own\"}");
	assert_string_equal(fixture_field(t, "queues"), "2");
	assert_string_equal(fixture_field(t, "promptBytes"), "5000");
	/* What was read may be written back with a change of one's own. */
	(void)fixture_must(&fx, admin, "UpdateTenant",
			   "{\"tenant\":{\"name\":\"tenants/own\",\"displayName\":\"Ours\",\"timeZone\":\"UTC\","
			   "\"quotas\":{\"queues\":2,\"promptBytes\":\"5000\"}},\"updateMask\":\"*\"}");
	t = fixture_must(&fx, admin, "GetTenant", "{\"name\":\"tenants/own\"}");
	assert_string_equal(fixture_field(t, "displayName"), "Ours");
	assert_string_equal(fixture_field(t, "queues"), "2");
	assert_int_equal(try(fx.operator_token, "UpdateTenant",
			     "{\"tenant\":{\"name\":\"tenants/own\",\"quotas\":{\"agents\":1000001}},"
			     "\"updateMask\":\"quotas\"}",
			     &d),
			 ERR_INVALID);
	assert_string_equal(d.field, "tenant.quotas.agents");
	assert_non_null(strstr(d.message, "1000001 is more than 1000000"));
	assert_int_equal(try(fx.operator_token, "UpdateTenant",
			     "{\"tenant\":{\"name\":\"tenants/own\"},\"updateMask\":\"quotas.agents\"}", &d),
			 ERR_INVALID);
}

static void validation_alone_counts_and_takes_nothing_GT_3_1_2(void **state)
{
	static const char one[] = "{\"parent\":\"tenants/dry\",\"queueId\":\"x#\",\"queue\":{},\"validateOnly\":true}";
	struct err_detail d;

	(void)state;
	make_tenant("dry", "{\"queues\":1}");
	for (int i = 0; i < 3; i++)
		assert_int_equal(create("CreateQueue", one, "dry", i, &d), ERR_OK);
	assert_int_equal(create("CreateQueue", counted[0].format, "dry", 7, &d), ERR_OK);
	must_refuse(create("CreateQueue", one, "dry", 8, &d), &d, "quotas.queues", "1 of 1 in use");
}

static void requests_of_administrators_are_limited_per_second_and_operators_are_not_GT_3_1_2(void **state)
{
	const char *get = "{\"name\":\"tenants/busy\"}";
	struct err_detail d;
	int ok = 0, limited = 0;

	(void)state;
	make_tenant("busy", "{\"apiRequestsPerS\":2}");
	make_tenant("calm", "{\"apiRequestsPerS\":2}");
	const char *admin = fixture_token(&fx, "busy", "SCOPE_TENANT_ADMIN");
	const char *other = fixture_token(&fx, "calm", "SCOPE_TENANT_ADMIN");
	/* Until the limit is published. */
	while (try(admin, "GetTenant", get, &d) == ERR_OK)
		;
	(void)poll(NULL, 0, 1100);
	long long before = metric("api_requests_per_s");
	int64_t begin_ms = clock_mono_ms();
	for (int i = 0; i < 60; i++) {
		err_t e = try(admin, "GetTenant", get, &d);

		ok += e == ERR_OK;
		limited += e == ERR_EXHAUSTED;
		if (e != ERR_EXHAUSTED)
			continue;
		assert_string_equal(d.field, "quotas.api_requests_per_s");
		assert_non_null(strstr(d.message, "2 of 2 requests of a second in use; try again in "));
		assert_in_range(d.retry_ms, 1, 500);
	}
	int64_t took_ms = clock_mono_ms() - begin_ms;
	assert_int_equal(ok + limited, 60);
	assert_true(limited > 0);
	assert_in_range(ok, 2, 2 + 2 * took_ms / 1000);
	assert_int_equal(metric("api_requests_per_s"), before + limited);
	(void)fixture_must(&fx, other, "GetTenant", "{\"name\":\"tenants/calm\"}");
	for (int i = 0; i < 30; i++)
		(void)fixture_must(&fx, fx.operator_token, "GetTenant", get);
	/* Patience, as long as was asked for, helps. */
	while (try(admin, "GetTenant", get, &d) == ERR_OK)
		;
	assert_true(d.retry_ms > 0);
	(void)poll(NULL, 0, (int)d.retry_ms);
	(void)fixture_must(&fx, admin, "GetTenant", get);
}

struct want {
	struct tenantconf *conf;
	unsigned queues;
};

static bool quota_seen(void *arg)
{
	const struct want *w = arg;
	const struct tenant *t = tenantconf_find_tenant(w->conf, "told");

	return t && t->quotas.queues == w->queues;
}

static void the_call_services_are_told_of_the_quotas(void **state)
{
	struct err_detail d = { 0 };
	struct want w = { .queues = 5 };
	struct bus *bus;

	(void)state;
	assert_int_equal(bus_new(&bus, &(struct bus_params){ .loop = fx.loop, .url = fx.nats.url, .name = "reader" },
				 &d),
			 ERR_OK);
	assert_int_equal(tenantconf_new(&w.conf, &(struct tenantconf_params){ .bus = bus }, &d), ERR_OK);
	make_tenant("told", "{\"queues\":5,\"agentsSignedIn\":100,\"promptBytes\":\"1000000000000\"}");
	assert_true(testkit_wait_loop(fx.loop, quota_seen, &w, 20000));
	assert_int_equal(tenantconf_find_tenant(w.conf, "told")->quotas.agents_signed_in, 100);
	assert_true(tenantconf_find_tenant(w.conf, "told")->quotas.prompt_bytes == 1000000000000);
	set_quotas("told", "{\"queues\":6}");
	w.queues = 6;
	assert_true(testkit_wait_loop(fx.loop, quota_seen, &w, 20000));
	tenantconf_free(&w.conf);
	bus_free(&bus);
}

static void a_tenant_goes_with_its_use_and_comes_back_with_none(void **state)
{
	struct err_detail d;

	(void)state;
	make_tenant("again", "{\"queues\":1}");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(create("CreateQueue", counted[0].format, "again", 1, &d), ERR_OK);
		must_refuse(create("CreateQueue", counted[0].format, "again", 2, &d), &d, "quotas.queues",
			    "1 of 1 in use");
		fixture_purge(&fx, "again");
		assert_string_equal(fixture_sql(&fx, "SELECT count(*) FROM tm.usage WHERE tenant = 'again'"), "0");
		make_tenant("again", "{\"queues\":1}");
	}
}

/* What a previous version has left: the migration counts it. */
static void what_was_there_before_quotas_is_counted_when_they_come(void **state)
{
	struct err_detail d;

	(void)state;
	make_tenant("old", "{}");
	for (int i = 0; i < 4; i++)
		assert_int_equal(create("CreateQueue", counted[0].format, "old", i, &d), ERR_OK);
	assert_int_equal(upload(fx.operator_token, "old", "a", 800, 3, &d), ERR_OK);
	const char *counts = "SELECT string_agg(tenant || what || used, ',' ORDER BY tenant, what) FROM tm.usage WHERE "
			     "used > 0";
	char before[2000];
	snprintf(before, sizeof(before), "%s", fixture_sql(&fx, counts));
	fixture_service_stop(&fx, SIGTERM);
	(void)fixture_sql(
	    &fx, "BEGIN; DROP TABLE tm.usage; DROP FUNCTION tm.count_resources() CASCADE; "
		 "DROP FUNCTION tm.count_audio() CASCADE; ALTER TABLE tm.tenant DROP COLUMN quotas, "
		 "DROP COLUMN suspension, DROP COLUMN announcement, DROP COLUMN language, DROP COLUMN "
		 "pool, DROP COLUMN sensitive, " /* what came after it must go, too */
		 "DROP COLUMN deleted_at, DROP COLUMN purge_at; DROP TABLE tm.deletion CASCADE; "
		 "DROP FUNCTION tm.due_purge(text), tm.tell_purges(); DROP POLICY owner_tells ON "
		 "tm.outbox; "
		 "DROP TABLE tm.flow_version, tm.import, tm.token, tm.tenant_key, "
		 "tm.key_rotation_part, tm.key_rotation; DROP FUNCTION tm.drop_tokens() CASCADE; "
		 "DROP FUNCTION tm.revoked_tokens(boolean, text, text, int), tm.due(int), "
		 "tm.is_revoked(text, text), "
		 "tm.untold_tokens(int), tm.tokens_used(text[], text[], bigint[]), tm.due_in_turn(text, int, int), "
		 "tm.next_import(text, text); DROP INDEX tm.outbox_due, tm.outbox_turn, "
		 "tm.resource_unique_key; "
		 "ALTER TABLE tm.resource ADD CONSTRAINT resource_unique_key UNIQUE (tenant, kind, "
		 "unique_key); "
		 "DROP FUNCTION tm.pending_imports(text, int), tm.taken_numbers(text[]); "
		 "DROP TABLE tm.pool, tm.operator_resource; DROP POLICY operators ON tm.audit; DROP POLICY operators "
		 "ON tm.audit_head; DROP POLICY chain_of_operators ON tm.audit_head; DROP POLICY operators ON "
		 "tm.request; DROP FUNCTION tm.take_pool(text), tm.tenants_of_pool(text); "
		 "DROP FUNCTION tm.count_flow_version() CASCADE; "
		 "DROP FUNCTION tm.keep_flow_version() CASCADE; "
		 "ALTER TABLE tm.resource DROP COLUMN draft, DROP COLUMN live_version; "
		 "DELETE FROM schema_migrations WHERE name >= '0003'; COMMIT");
	fixture_service_start(&fx);
	assert_string_equal(fixture_sql(&fx, counts), before);
	assert_non_null(strstr(before, "oldprompt_bytes1600,oldqueue4"));
	set_quotas("old", "{\"queues\":4}");
	must_refuse(create("CreateQueue", counted[0].format, "old", 9, &d), &d, "quotas.queues", "4 of 4 in use");
}

static void the_last_of_100_000_agents_is_created_and_no_other_GT_3_1_2(void **state)
{
	struct err_detail d;

	(void)state;
	make_tenant("huge", "{\"agents\":100000}");
	(void)fixture_sql(
	    &fx, "INSERT INTO tm.resource (tenant, kind, id, body, revision) SELECT 'huge', 'agent', 'a' || n, "
		 "decode('0a0468756765' || '1201' || '61', 'hex'), 1 FROM generate_series(1, 99999) n");
	assert_int_equal(create("CreateAgent", counted[2].format, "huge", 1, &d), ERR_OK);
	must_refuse(create("CreateAgent", counted[2].format, "huge", 2, &d), &d, "quotas.agents",
		    "100000 of 100000 in use");
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
		cmocka_unit_test(each_quota_refuses_the_first_that_is_too_many_and_a_deletion_makes_room_GT_3_1_2),
		cmocka_unit_test(prompts_are_limited_in_number_and_in_bytes_GT_3_1_2),
		cmocka_unit_test(of_many_who_create_at_once_exactly_as_many_succeed_as_are_allowed_GT_3_1_2),
		cmocka_unit_test(a_quota_lowered_below_the_use_takes_nothing_away_and_refuses_new_ones_GT_3_1_2),
		cmocka_unit_test(an_administrator_reads_the_quotas_and_only_operators_change_them_GT_3_1_2),
		cmocka_unit_test(validation_alone_counts_and_takes_nothing_GT_3_1_2),
		cmocka_unit_test(requests_of_administrators_are_limited_per_second_and_operators_are_not_GT_3_1_2),
		cmocka_unit_test(the_call_services_are_told_of_the_quotas),
		cmocka_unit_test(a_tenant_goes_with_its_use_and_comes_back_with_none),
		cmocka_unit_test(what_was_there_before_quotas_is_counted_when_they_come),
		cmocka_unit_test(the_last_of_100_000_agents_is_created_and_no_other_GT_3_1_2),
	};

	return cmocka_run_group_tests(tests, set_up, fixture_tear_down);
}
