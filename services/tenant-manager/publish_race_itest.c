/* Two instances publish: one has loaded an agent and stands still, the other one deletes it. In KV it is not, whoever writes last (GT-15). */
#include "manager_fixture.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "bus/bus.h"

#define PATIENT 30000
#define HELD	"BEGIN; LOCK TABLE tm.resource IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(60); COMMIT"

static struct fixture fx, second;
static struct bus *bus;
static struct bus_kv *config;
static struct bus_kv_watch *watch;
static struct {
	unsigned puts;
	bool present;
} agent; /* as the call services see it */

static void on_agent(enum bus_kv_op op, const char *key, const struct bus_msg *msg, void *arg)
{
	(void)key;
	(void)msg;
	(void)arg;
	if (op == BUS_KV_SYNCED)
		return;
	agent.present = op == BUS_KV_PUT;
	agent.puts += agent.present;
}

static bool is_present(void *arg)
{
	return agent.present == *(bool *)arg;
}

static bool is_written(void *arg)
{
	return agent.puts > *(unsigned *)arg;
}

static void must_become(bool present)
{
	if (!testkit_wait_loop(fx.loop, is_present, &present, PATIENT))
		fail_msg("in KV the agent is %s", present ? "missing" : "still there");
}

static bool says_true(const char *sql)
{
	loop_turn(fx.loop, 50);
	return strcmp(fixture_sql(&fx, sql), "t") == 0;
}

static bool table_is_held(void *arg)
{
	(void)arg;
	return says_true("SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'tm.resource'::regclass AND granted AND "
			 "mode = 'AccessExclusiveLock')");
}

static bool loads_it(void *arg)
{
	(void)arg;
	return says_true("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE "
			 "'SELECT k.n, r.* FROM unnest%')");
}

static bool has_loaded_it(void *arg)
{
	(void)arg;
	return says_true("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock')");
}

static bool nothing_waits(void *arg)
{
	(void)arg;
	return says_true("SELECT NOT EXISTS (SELECT FROM tm.outbox)");
}

/*
 * The first instance has asked for the agent, and got it; it does not know yet. Its only connection has the statement prepared since the
 * agent was created: so what waits for the table is the execution, which is over before the deletion.
 */
static void hold_the_first(void)
{
	const char *argv[] = { "psql", "-XAtq", fx.pg.dsn, "-c", HELD, NULL };
	struct testkit_proc holder;

	testkit_spawn(&holder, &(struct testkit_spawn){ .argv = argv, .log = "/dev/null" });
	assert_true(testkit_wait(table_is_held, NULL, PATIENT));
	(void)fixture_sql(&fx, "INSERT INTO tm.outbox (tenant, item, stage, version) SELECT tenant, 'agent.1001', 2, "
			       "version FROM tm.tenant WHERE tenant = 'acme'");
	assert_true(testkit_wait(loads_it, NULL, 20000)); /* a statement is given up after 10 s */
	testkit_stand_still(fx.proc.pid);
	(void)fixture_sql(&fx,
			  "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'BEGIN; LOCK%'");
	assert_true(testkit_wait(has_loaded_it, NULL, PATIENT));
	(void)testkit_proc_stop(&holder, SIGTERM, 5000);
}

static void an_agent_that_was_deleted_while_it_was_on_its_way_does_not_stay_GT_15(void **state)
{
	unsigned puts;

	(void)state;
	hold_the_first();
	fixture_second(&second, &fx);
	(void)fixture_must(&second, fx.operator_token, "DeleteAgent", "{\"name\":\"tenants/acme/agents/1001\"}");
	must_become(false);
	assert_true(testkit_wait(nothing_waits, NULL, PATIENT));
	puts = agent.puts;
	assert_int_equal(kill(fx.proc.pid, SIGCONT), 0);
	assert_true(testkit_wait_loop(fx.loop, is_written, &puts, PATIENT)); /* the race is lost … */
	must_become(false);						     /* … and made good */
	assert_true(testkit_wait(nothing_waits, NULL, PATIENT));
	assert_false(agent.present);
	fixture_service_stop(&second, SIGTERM);
}

static int set_up(void **state)
{
	const struct bus_kv_params params = { .bucket = "config", .history = 1 };
	struct err_detail d = { 0 };

	*state = &fx;
	fx.db_connections = 1; /* see hold_the_first() */
	fixture_start(&fx);
	(void)fixture_must(&fx, fx.operator_token, "CreateTenant", "{\"tenantId\":\"acme\",\"tenant\":{}}");
	(void)fixture_must(&fx, fx.operator_token, "CreateAgent",
			   "{\"parent\":\"tenants/acme\",\"agent\":{\"id\":\"1001\",\"enabled\":true}}");
	if (bus_new(&bus, &(struct bus_params){ .loop = fx.loop, .url = fx.nats.url, .name = "test" }, &d) ||
	    bus_kv_open(&config, bus, &params, &d) || bus_kv_watch(&watch, config, "acme.agent.1001", on_agent, NULL))
		testkit_die("KV config: %s", d.message);
	must_become(true);
	return 0;
}

static int tear_down(void **state)
{
	bus_kv_unwatch(&watch);
	bus_kv_close(&config);
	bus_free(&bus);
	return fixture_tear_down(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_agent_that_was_deleted_while_it_was_on_its_way_does_not_stay_GT_15),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
