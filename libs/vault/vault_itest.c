/* GT-16: who is cut off from a real NATS server writes nothing by what he knew. */
#include "confkit/confkit.h"
#include "testkit/cmocka_all.h"
#include "testkit/testkit.h"
#include "vault/vault.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#define SETTLE_MS 8000

static const struct vault_column columns[] = { { { "rep.call.caller", true }, TENANT_CALLER_NUMBER } };

static struct testkit_nats nats;
static struct loop *loop;
static struct bus *bus;
static struct vault *vault;

static bool may_write(void *arg)
{
	const struct vault_view *view = vault_look_to_write(vault);
	bool yes = view;

	(void)arg;
	vault_view_unref(&view);
	return yes;
}

static bool may_not_write(void *arg)
{
	return !may_write(arg);
}

static bool marks_its_callers(void *arg)
{
	const struct vault_view *view = vault_look_to_write(vault);
	bool yes = view && vault_sensitive(vault_find(view, "acme", 4), 0) &&
		   strcmp(vault_id(vault_find(view, "acme", 4)), "acme") == 0;

	(void)arg;
	vault_view_unref(&view);
	return yes;
}

static void publish(const char *fields)
{
	static int version;
	struct str json = STR_INIT;

	str_printf(
	    &json,
	    "{'tenant':'acme','version':%d,'timeZone':'UTC','sipDomain':'acme.test','sensitiveFields':[%s],'keys':[",
	    ++version, fields);
	confkit_add_key(&json, "acme", 1, 7);
	str_append(&json, "]}");
	confkit_publish(loop, bus, str_text(&json));
	str_done(&json);
}

static void who_does_not_hear_from_the_bus_writes_nothing_and_shows_what_he_can_GT_16(void **state)
{
	const struct vault_view *view;

	(void)state;
	assert_true(testkit_wait_loop(loop, may_write, NULL, 5000));
	assert_false(testkit_wait_loop(loop, may_not_write, NULL, SETTLE_MS * 5 / 8)); /* longer than a view is good */
	testkit_stand_still(nats.proc.pid);
	assert_true(testkit_wait_loop(loop, may_not_write, NULL, SETTLE_MS));
	view = vault_look(vault);
	assert_non_null(view);
	vault_view_unref(&view);
	assert_int_equal(kill(nats.proc.pid, SIGCONT), 0);
	assert_true(testkit_wait_loop(loop, may_write, NULL, 5000));
}

static void who_hears_again_writes_by_what_changed_meanwhile_GT_16(void **state)
{
	(void)state;
	publish("");
	assert_true(testkit_wait_loop(loop, may_write, NULL, 5000));
	testkit_nats_kill(&nats);
	assert_true(testkit_wait_loop(loop, may_not_write, NULL, SETTLE_MS));
	testkit_nats_restart(&nats);
	publish("'SENSITIVE_FIELD_CALLER_NUMBER'");
	assert_true(testkit_wait_loop(loop, marks_its_callers, NULL, 10000));
}

static int start(void **state)
{
	static char dir[TESTKIT_PATH], master[TESTKIT_PATH + 64];
	struct bus_params bp = { .name = "test" };
	struct vault_params vp = { .master_file = master, .columns = columns, .n = 1, .settle_ms = SETTLE_MS };

	(void)state;
	testkit_dir(dir);
	testkit_file(dir, "master.key", CONFKIT_MASTER, master);
	assert_int_equal(chmod(master, 0600), 0);
	testkit_nats_start(&nats, true);
	assert_int_equal(loop_new(&loop), ERR_OK);
	bp.loop = loop;
	bp.url = nats.url;
	assert_int_equal(bus_new(&bus, &bp, NULL), ERR_OK);
	vp.bus = bus;
	assert_int_equal(vault_new(&vault, &vp, NULL), ERR_OK);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	vault_free(&vault);
	bus_free(&bus);
	loop_free(&loop);
	testkit_nats_stop(&nats);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_does_not_hear_from_the_bus_writes_nothing_and_shows_what_he_can_GT_16),
		cmocka_unit_test(who_hears_again_writes_by_what_changed_meanwhile_GT_16),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
