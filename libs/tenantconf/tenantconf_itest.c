/* The reader over a real NATS. */
#include "tenantconf/tenantconf.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "confkit/confkit.h"
#include "testkit/testkit.h"

static struct testkit_nats nats;
static struct loop *loop;
static struct bus *bus;

struct reader {
	struct tenantconf *tc;
	unsigned tenants, agents, synced, errors;
	char last[80], error_key[160], error_field[96];
};

static void on_change(enum tenantconf_change what, const char *tenant, const char *agent, void *arg)
{
	struct reader *r = arg;

	r->tenants += what == TENANTCONF_TENANT;
	r->agents += what == TENANTCONF_AGENT;
	r->synced += what == TENANTCONF_SYNCED;
	snprintf(r->last, sizeof(r->last), "%s/%s", tenant, agent);
}

static void on_error(const char *key, const struct err_detail *d, void *arg)
{
	struct reader *r = arg;

	r->errors++;
	(void)str_copy(r->error_key, sizeof(r->error_key), key);
	(void)str_copy(r->error_field, sizeof(r->error_field), d->field);
}

static bool is_synced(void *arg)
{
	return tenantconf_synced(((struct reader *)arg)->tc);
}

static void reader_start(struct reader *r, bool no_agents)
{
	struct err_detail d = { 0 };
	struct tenantconf_params p = {
		.bus = bus, .on_change = on_change, .on_error = on_error, .arg = r, .no_agents = no_agents
	};

	*r = (struct reader){ 0 };
	if (tenantconf_new(&r->tc, &p, &d))
		testkit_die("tenantconf_new: %s", d.message);
	assert_true(testkit_wait_loop(loop, is_synced, r, 20000));
	assert_int_equal(r->synced, 1);
}

static void publish(const char *tenant, int version, const char *number, const char *rest)
{
	char json[1024];

	snprintf(json, sizeof(json),
		 "{'tenant':'%s','version':'%d','timeZone':'UTC','sipDomain':'%s.test',"
		 "'trunks':[{'id':'t','addresses':['192.0.2.0/"
		 "24']},{'id':'d','username':'%s','ha1Md5':'0123456789abcdef0123456789abcdef',"
		 "'ha1Sha256':'0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'}],"
		 "'numbers':[{'number':'%s','working':{'rejectStatus':486}}]%s}",
		 tenant, version, tenant, tenant, number, rest);
	confkit_publish(loop, bus, json);
}

struct want {
	struct reader *r;
	const char *tenant;
	uint64_t version; /* 0: gone */
	size_t agents;
};

static bool has(void *arg)
{
	struct want *w = arg;
	const struct tenant *t = tenantconf_find_tenant(w->r->tc, w->tenant);

	return (w->version ? t && t->version == w->version : !t) &&
	       tenantconf_n_agents(w->r->tc, w->tenant) == w->agents;
}

static void wait_for(struct reader *r, const char *tenant, uint64_t version, size_t agents)
{
	struct want w = { r, tenant, version, agents };

	assert_true(testkit_wait_loop(loop, has, &w, 20000));
}

static const struct sockaddr *address(const char *text)
{
	static struct sockaddr_in v4 = { .sin_family = AF_INET };

	assert_int_equal(inet_pton(AF_INET, text, &v4.sin_addr), 1);
	return (struct sockaddr *)&v4;
}

static void what_is_in_the_bucket_is_there_after_the_start_and_changes_follow(void **state)
{
	struct reader r;

	(void)state;
	publish("first", 1, "100", "");
	confkit_publish_agent(loop, bus, "{'tenant':'first','id':'1001','enabled':true,'version':'1'}");
	reader_start(&r, false);
	wait_for(&r, "first", 1, 1);
	assert_string_equal(tenantconf_find_tenant_by_domain(r.tc, "FIRST.test")->id, "first");
	confkit_publish_agent(loop, bus, "{'tenant':'first','id':'1001','enabled':false,'version':'2'}");
	confkit_publish_agent(loop, bus, "{'tenant':'first','id':'1002','enabled':true,'version':'3'}");
	wait_for(&r, "first", 1, 2);
	assert_false(tenantconf_find_agent(r.tc, "first", "1001")->enabled);
	assert_null(tenantconf_find_agent(r.tc, "other", "1001"));
	confkit_delete(loop, bus, "first.agent.1001");
	wait_for(&r, "first", 1, 1);
	assert_string_equal(r.last, "first/1001");
	confkit_delete(loop, bus, "first.main");
	wait_for(&r, "first", 0, 1);
	assert_null(tenantconf_find_tenant_by_domain(r.tc, "first.test"));
	confkit_delete(loop, bus, "first.agent.1002");
	wait_for(&r, "first", 0, 0);
	assert_int_equal(r.errors, 0);
	tenantconf_free(&r.tc);
}

static void a_running_call_keeps_the_version_it_holds(void **state)
{
	struct reader r;

	(void)state;
	publish("held", 1, "200", ",'flows':[{'id':'f','steps':[{'id':'old','answer':{}}]}]");
	reader_start(&r, false);
	const struct tenant *t = tenant_ref(tenantconf_find_tenant(r.tc, "held"));
	const struct flow *f = tenant_find_flow(t, "f");
	publish("held", 2, "200", ",'flows':[{'id':'f','steps':[{'id':'new','answer':{}}]}]");
	wait_for(&r, "held", 2, 0);
	assert_string_equal(f->steps[0].id, "old");
	assert_string_equal(tenant_find_flow(tenantconf_find_tenant(r.tc, "held"), "f")->steps[0].id, "new");
	tenantconf_free(&r.tc);
	assert_string_equal(f->steps[0].id, "old");
	tenant_unref(&t);
}

static void an_entry_that_breaks_a_rule_is_ignored_and_the_last_good_one_stays(void **state)
{
	struct reader r;
	struct str bytes = STR_INIT;

	(void)state;
	publish("good", 1, "300", "");
	reader_start(&r, false);
	confkit_pack_tenant(&bytes, "{'tenant':'good','version':'2','timeZone':'UTC','sipDomain':'good.test','queues':["
				    "{'id':'q','priority':99}]}");
	confkit_publish_bytes(loop, bus, "good.main", str_text(&bytes), bytes.len);
	confkit_publish_bytes(loop, bus, "good.agent.7", "\xff\xff", 2);
	str_reset(&bytes);
	confkit_pack_tenant(&bytes, "{'tenant':'other','version':'2','timeZone':'UTC','sipDomain':'x.test'}");
	confkit_publish_bytes(loop, bus, "good.main", str_text(&bytes), bytes.len);
	confkit_publish_bytes(loop, bus, "nonsense", "x", 1);
	confkit_publish_agent(loop, bus, "{'tenant':'good','id':'8','version':'1'}");
	wait_for(&r, "good", 1, 1);
	assert_int_equal(r.errors, 4);
	assert_string_equal(r.error_key, "nonsense");
	assert_null(tenantconf_find_tenant(r.tc, "other"));
	str_done(&bytes);
	confkit_delete(loop, bus, "nonsense");
	tenantconf_free(&r.tc);
}

static void a_call_belongs_to_the_tenant_of_the_number_if_it_comes_from_its_trunk(void **state)
{
	struct tenantconf_inbound in;
	struct reader r;

	(void)state;
	publish("north", 1, "+49401", "");
	publish("south", 1, "49891", "");
	reader_start(&r, true);
	/* Both use the same carrier's gateway. */
	assert_int_equal(tenantconf_find_inbound(r.tc, address("192.0.2.9"), NULL, "49401", &in), ERR_OK);
	assert_string_equal(in.tenant->id, "north");
	assert_string_equal(in.trunk->id, "t");
	assert_int_equal(tenantconf_find_inbound(r.tc, address("192.0.2.9"), NULL, "+49891", &in), ERR_OK);
	assert_string_equal(in.tenant->id, "south");
	assert_int_equal(tenantconf_find_inbound(r.tc, address("198.51.100.1"), NULL, "49401", &in), ERR_DENIED);
	assert_int_equal(tenantconf_find_inbound(r.tc, address("198.51.100.1"), "north", "49401", &in), ERR_OK);
	assert_string_equal(in.trunk->id, "d");
	assert_int_equal(tenantconf_find_inbound(r.tc, address("192.0.2.9"), "south", "49401", &in), ERR_DENIED);
	assert_int_equal(tenantconf_find_inbound(r.tc, address("192.0.2.9"), NULL, "000", &in), ERR_NOT_FOUND);
	publish("north", 2, "+49401", ",'suspended':true");
	wait_for(&r, "north", 2, 0);
	assert_int_equal(tenantconf_find_inbound(r.tc, address("192.0.2.9"), NULL, "49401", &in), ERR_NOT_FOUND);
	assert_true(tenantconf_address_known(r.tc, address("192.0.2.255")));
	assert_false(tenantconf_address_known(r.tc, address("192.0.3.1")));
	tenantconf_free(&r.tc);
}

static void a_number_that_moves_belongs_to_whoever_claimed_it_last(void **state)
{
	const struct tenant *t;
	struct reader r;

	(void)state;
	publish("giver", 1, "777", "");
	publish("taker", 1, "778", "");
	reader_start(&r, true);
	publish("taker", 2, "777", ""); /* the taker's entry comes first */
	wait_for(&r, "taker", 2, 0);
	assert_non_null(tenantconf_find_number(r.tc, "777", &t));
	assert_string_equal(t->id, "taker");
	publish("giver", 2, "779", "");
	wait_for(&r, "giver", 2, 0);
	assert_non_null(tenantconf_find_number(r.tc, "777", &t));
	assert_string_equal(t->id, "taker");
	assert_null(tenantconf_find_number(r.tc, "778", &t));
	tenantconf_free(&r.tc);
}

static bool count(const struct tenant *t, void *arg)
{
	(void)t;
	return ++*(int *)arg < 1000;
}

static bool count_agent(const struct tenant_agent *a, void *arg)
{
	(void)a;
	return ++*(int *)arg < 1000;
}

static void what_changes_while_nats_restarts_is_seen_afterwards(void **state)
{
	struct reader r;
	int n = 0;

	(void)state;
	publish("again", 1, "500", "");
	reader_start(&r, false);
	testkit_nats_restart(&nats);
	publish("again", 2, "500", "");
	for (int i = 0; i < 300; i++) {
		char json[100];

		snprintf(json, sizeof(json), "{'tenant':'again','id':'%d','enabled':true}", i);
		confkit_publish_agent(loop, bus, json);
	}
	wait_for(&r, "again", 2, 300);
	tenantconf_each_agent(r.tc, "again", count_agent, &n);
	assert_int_equal(n, 300);
	n = 0;
	tenantconf_each_tenant(r.tc, count, &n);
	assert_true(n > 3);
	assert_int_equal(r.synced, 1);
	tenantconf_free(&r.tc);
}

static int set_up(void **state)
{
	struct err_detail d = { 0 };

	(void)state;
	testkit_nats_start(&nats, true);
	if (loop_new(&loop) || bus_new(&bus, &(struct bus_params){ .loop = loop, .url = nats.url, .name = "test" }, &d))
		testkit_die("set-up: %s", d.message);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	bus_free(&bus);
	loop_free(&loop);
	testkit_nats_stop(&nats);
	return 0;
}

static bool shows(void *arg)
{
	return testkit_metric("trunkline_config_revision") == *(int64_t *)arg;
}

static void what_was_applied_last_is_shown_by_its_revision_GT_3_1_2(void **state)
{
	struct reader r;
	int64_t wanted;

	(void)state;
	publish("shown", 1, "900", "");
	reader_start(&r, false);
	wanted = testkit_metric("trunkline_config_revision");
	assert_true(wanted > 0);
	confkit_publish_agent(loop, bus, "{'tenant':'shown','id':'1001','enabled':true,'version':'1'}");
	wanted++;
	assert_true(testkit_wait_loop(loop, shows, &wanted, 20000));
	assert_int_equal(tenantconf_n_agents(r.tc, "shown"), 1);
	confkit_publish_bytes(loop, bus, "shown.main", "?", 1); /* ignored is dealt with, too */
	wanted++;
	assert_true(testkit_wait_loop(loop, shows, &wanted, 20000));
	assert_int_equal(r.errors, 1);
	confkit_delete(loop, bus, "shown.agent.1001");
	wanted++;
	assert_true(testkit_wait_loop(loop, shows, &wanted, 20000));
	assert_int_equal(tenantconf_n_agents(r.tc, "shown"), 0);
	tenantconf_free(&r.tc);
	confkit_delete(loop, bus, "shown.main");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_in_the_bucket_is_there_after_the_start_and_changes_follow),
		cmocka_unit_test(what_was_applied_last_is_shown_by_its_revision_GT_3_1_2),
		cmocka_unit_test(a_running_call_keeps_the_version_it_holds),
		cmocka_unit_test(an_entry_that_breaks_a_rule_is_ignored_and_the_last_good_one_stays),
		cmocka_unit_test(a_call_belongs_to_the_tenant_of_the_number_if_it_comes_from_its_trunk),
		cmocka_unit_test(a_number_that_moves_belongs_to_whoever_claimed_it_last),
		cmocka_unit_test(what_changes_while_nats_restarts_is_seen_afterwards),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
