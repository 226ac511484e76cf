/*
 * Publishing of many agents (GT-3.1.2): what an import has brought, and what KV has lost. CPU of the service, PostgreSQL and nats-server
 * together is measured; PUBLISH_TENANTS and PUBLISH_AGENTS say how many tenants have how many agents each.
 */
#include "manager_fixture.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/clock.h"
#include "tenantconf/tenantconf.h"

#define COST_MAX_US 250 /* of an agent that is published */
#define TENANT_MS   15	/* … of a tenant: an import of its own, its own entry */
#define BESIDES_MS  500 /* … and what the service, its start and the looking cost however few they are */

static struct fixture fx;
static int n_tenants = 20, n_agents = 150;

/* ---- building blocks ---- */

static void make_tenant(const char *tenant)
{
	char json[128];

	snprintf(json, sizeof(json), "{\"tenantId\":\"%s\",\"tenant\":{}}", tenant);
	(void)fixture_must(&fx, fx.operator_token, "CreateTenant", json);
	snprintf(json, sizeof(json), "{\"parent\":\"tenants/%s\",\"skillId\":\"english\",\"skill\":{}}", tenant);
	(void)fixture_must(&fx, fx.operator_token, "CreateSkill", json);
}

static const char *numbered(int tenant)
{
	static char id[16];

	snprintf(id, sizeof(id), "t%d", tenant);
	return id;
}

static void import_agents(const char *tenant, int n)
{
	struct str file = STR_INIT;
	struct err_detail d = { 0 };
	char header[128];

	str_append(&file, "id,display_name,password,skills\n");
	for (int i = 0; i < n; i++)
		str_printf(&file, "a%d,Agent number %d,password-%d,english:%d\n", i, i, i, 1 + i % 10);
	snprintf(header, sizeof(header), "{\"parent\":\"tenants/%s\",\"kind\":\"IMPORT_KIND_AGENTS\"}", tenant);
	if (fixture_import(&fx, fx.operator_token, header, file.data, file.len, NULL, &d))
		fail_msg("%s %s", d.field, d.message);
	str_done(&file);
}

/* The question costs something, too. */
static bool none(const char *sql)
{
	usleep(300000);
	return strcmp(fixture_sql(&fx, sql), "f") == 0;
}

static bool nothing_waits(void *arg)
{
	(void)arg;
	return none("SELECT EXISTS (SELECT FROM tm.import WHERE state = 1) OR EXISTS (SELECT FROM tm.outbox)");
}

static int64_t all_wait_ms(void)
{
	return 60000 + 10 * (int64_t)n_tenants * n_agents;
}

/* By the service that has just been started. */
static bool published_again(void *arg)
{
	return nothing_waits(arg) &&
	       fixture_metric(&fx, "trunkline_admin_published_total") >= n_tenants * (n_agents + 1LL);
}

struct spent {
	int64_t service, postgres, nats, wall;
};

static struct spent spent_now(void)
{
	return (struct spent){ fixture_cpu_ms(fx.proc.pid), fixture_cpu_ms(fx.pg.proc.pid),
			       fixture_cpu_ms(fx.nats.proc.pid), clock_mono_ms() };
}

static void check_cost(const char *what, struct spent before)
{
	struct spent now = spent_now();
	int64_t service = now.service - before.service, postgres = now.postgres - before.postgres,
		nats = now.nats - before.nats, all = service + postgres + nats, n = (int64_t)n_tenants * n_agents;

	print_message(
	    "%s: %d tenants of %d agents: %lld ms of CPU: service %lld, PostgreSQL %lld, NATS %lld; in %lld ms\n", what,
	    n_tenants, n_agents, (long long)all, (long long)service, (long long)postgres, (long long)nats,
	    (long long)(now.wall - before.wall));
	assert_in_range(all, 1, n * COST_MAX_US / 1000 + (int64_t)n_tenants * TENANT_MS + BESIDES_MS);
}

/* ---- what the call services see ---- */

struct seen {
	struct tenantconf *conf;
	int n; /* so many have been found, in their order */
};

static bool all_seen(void *arg)
{
	struct seen *s = arg;
	char tenant[16], id[16];

	for (; s->n < n_tenants * n_agents; s->n++) {
		snprintf(tenant, sizeof(tenant), "t%d", s->n / n_agents);
		snprintf(id, sizeof(id), "a%d", s->n % n_agents);
		if (!tenantconf_find_agent(s->conf, tenant, id))
			return false;
	}
	return true;
}

static int64_t own_cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* As each of them does before it is ready. */
static void check_seen(void)
{
	int64_t cpu = own_cpu_ms(), wall = clock_mono_ms();
	struct seen s = { 0 };
	struct err_detail d = { 0 };
	struct bus *bus;

	if (bus_new(&bus, &(struct bus_params){ .loop = fx.loop, .url = fx.nats.url, .name = "reader" }, &d) ||
	    tenantconf_new(&s.conf, &(struct tenantconf_params){ .bus = bus }, &d))
		fail_msg("reader: %s", d.message);
	assert_true(testkit_wait_loop(fx.loop, all_seen, &s, all_wait_ms()));
	print_message("read as at the start of a service: %lld ms of its CPU, in %lld ms\n",
		      (long long)(own_cpu_ms() - cpu), (long long)(clock_mono_ms() - wall));
	tenantconf_free(&s.conf);
	bus_free(&bus);
}

/* ---- the tests ---- */

static void agents_of_an_import_are_published_for_little_GT_3_1_2(void **state)
{
	(void)state;
	for (int i = 0; i < n_tenants; i++)
		make_tenant(numbered(i));
	assert_true(testkit_wait(nothing_waits, NULL, all_wait_ms()));
	struct spent before = spent_now();
	for (int i = 0; i < n_tenants; i++)
		import_agents(numbered(i), n_agents);
	assert_true(testkit_wait(nothing_waits, NULL, all_wait_ms()));
	check_cost("imported and published", before);
	check_seen();
}

/* The service is to be started again. */
static void lose_config(void)
{
	struct str out = STR_INIT;

	fixture_service_stop(&fx, SIGTERM);
	testkit_nats_kill(&fx.nats);
	if (testkit_run((const char *[]){ "sh", "-c", "find \"$0\" -type d -name KV_config -prune -exec rm -rf {} +",
					  fx.nats.dir, NULL },
			&out, 5000))
		testkit_die("%s", str_text(&out));
	str_done(&out);
	testkit_nats_restart(&fx.nats);
}

static void what_nats_has_lost_is_published_again_for_little_GT_3_1_2(void **state)
{
	(void)state;
	lose_config();
	struct spent before = { .postgres = fixture_cpu_ms(fx.pg.proc.pid),
				.nats = fixture_cpu_ms(fx.nats.proc.pid),
				.wall = clock_mono_ms() };
	fixture_service_start(&fx);
	assert_true(testkit_wait(published_again, NULL, all_wait_ms()));
	check_cost("lost and published again", before);
	check_seen();
}

static void killed_in_the_middle_it_goes_on_and_none_is_forgotten_GT_3_1_2(void **state)
{
	(void)state;
	lose_config();
	for (int i = 0; i < 4; i++) {
		fixture_service_start(&fx);
		usleep((useconds_t)i * 100000);
		fixture_service_stop(&fx, SIGKILL);
	}
	fixture_service_start(&fx);
	check_seen();
	assert_true(testkit_wait(nothing_waits, NULL, all_wait_ms()));
}

/* ---- turns ---- */

#define MANY 20000

struct order { /* of what stands in KV, by revision */
	bool synced;
	uint64_t small;
	int n;
	uint64_t many[MANY];
};

static void on_entry(enum bus_kv_op op, const char *key, const struct bus_msg *msg, void *arg)
{
	struct order *o = arg;

	if (op == BUS_KV_SYNCED)
		o->synced = true;
	else if (strcmp(key, "small.main") == 0)
		o->small = msg->seq;
	else if (strncmp(key, "many.agent.", strlen("many.agent.")) == 0 && o->n < MANY)
		o->many[o->n++] = msg->seq;
}

static void read_order(struct order *o)
{
	struct err_detail d = { 0 };
	struct bus_kv_watch *watch;
	struct bus_kv *kv;
	struct bus *bus;

	if (bus_new(&bus, &(struct bus_params){ .loop = fx.loop, .url = fx.nats.url, .name = "reader" }, &d) ||
	    bus_kv_open(&kv, bus, &(struct bus_kv_params){ .bucket = "config", .history = 1 }, &d) ||
	    bus_kv_watch(&watch, kv, ">", on_entry, o))
		fail_msg("reader: %s", d.message);
	assert_true(testkit_wait_flag(fx.loop, &o->synced, all_wait_ms()));
	bus_kv_unwatch(&watch);
	bus_kv_close(&kv);
	bus_free(&bus);
}

/* Each agent of many has been changed a minute ago, small just now. */
static void a_change_waits_for_a_turn_not_for_all_that_another_has_changed_GT_3_1_2d(void **state)
{
	static struct order o;
	int before = 0;

	(void)state;
	make_tenant("many");
	make_tenant("small");
	import_agents("many", MANY);
	assert_true(testkit_wait(nothing_waits, NULL, all_wait_ms() + 10LL * MANY));
	fixture_service_stop(&fx, SIGTERM);
	(void)fixture_sql(
	    &fx, "UPDATE tm.resource SET revision = revision + 1 WHERE tenant = 'many' AND kind = 'agent'; "
		 "INSERT INTO tm.outbox (tenant, item, stage, version, retry_at) SELECT tenant, 'agent.' || id, 2, "
		 "revision, now() - interval '1 minute' FROM tm.resource WHERE tenant = 'many' AND kind = 'agent'; "
		 "UPDATE tm.tenant SET version = version + 1 WHERE tenant = 'small'; "
		 "INSERT INTO tm.outbox (tenant, item, stage, version) SELECT tenant, 'main', 1, version FROM "
		 "tm.tenant WHERE tenant = 'small'");
	fixture_service_start(&fx);
	assert_true(testkit_wait(nothing_waits, NULL, all_wait_ms() + 10LL * MANY));
	read_order(&o);
	assert_int_equal(o.n, MANY);
	for (int i = 0; i < MANY; i++)
		before += o.many[i] < o.small;
	print_message("%d of %d agents of another tenant before it\n", before, MANY);
	assert_in_range(before, 0, 2 * 2048); /* two turns */
}

static void set_from(int *n, const char *variable)
{
	if (getenv(variable))
		*n = atoi(getenv(variable));
}

static int set_up(void **state)
{
	*state = &fx;
	set_from(&n_tenants, "PUBLISH_TENANTS");
	set_from(&n_agents, "PUBLISH_AGENTS");
	fixture_start(&fx);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agents_of_an_import_are_published_for_little_GT_3_1_2),
		cmocka_unit_test(what_nats_has_lost_is_published_again_for_little_GT_3_1_2),
		cmocka_unit_test(killed_in_the_middle_it_goes_on_and_none_is_forgotten_GT_3_1_2),
		cmocka_unit_test(a_change_waits_for_a_turn_not_for_all_that_another_has_changed_GT_3_1_2d),
	};

	return cmocka_run_group_tests(tests, set_up, fixture_tear_down);
}
