/* GT-3: pools of instances: a resource of operators, and where tenants are. The real service, PostgreSQL and NATS. */
#include "manager_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "bus/bus.h"
#include "loop/loop.h"
#include "tenantconf/tenantconf.h"

static struct fixture fx;

static err_t try(const char *token, const char *method, const char *json, struct err_detail *d)
{
	*d = (struct err_detail){ "", "" };
	return fixture_call(&fx, token, method, json, NULL, d);
}

static void must_refuse(const char *method, const char *json, err_t error, const char *field, const char *message)
{
	struct err_detail d;
	err_t e = try(fx.operator_token, method, json, &d);

	if (e != error || strcmp(d.field, field) != 0 || !strstr(d.message, message))
		fail_msg("%s: %s '%s' '%s' instead of %s '%s' '%s'", method, err_name(e), d.field, d.message,
			 err_name(error), field, message);
}

static const char *must(const char *method, const char *json)
{
	return fixture_must(&fx, fx.operator_token, method, json);
}

static void a_pool_is_created_read_listed_changed_and_deleted_by_operators_GT_3_1_2(void **state)
{
	const char *t;
	char json[200];

	(void)state;
	t = must("CreatePool",
		 "{\"poolId\":\"gold\",\"pool\":{\"displayName\":\"Gold\",\"description\":\"two racks\"}}");
	assert_string_equal(fixture_field(t, "name"), "pools/gold");
	must_refuse("CreatePool", "{\"poolId\":\"gold\",\"pool\":{\"displayName\":\"x\"}}", ERR_EXISTS, "pool_id",
		    "there is a pool 'gold' already");
	must_refuse("CreatePool", "{\"poolId\":\"shared\",\"pool\":{\"displayName\":\"x\"}}", ERR_INVALID, "pool_id",
		    "'shared' is always there");
	must_refuse("CreatePool", "{\"poolId\":\"Gold\",\"pool\":{\"displayName\":\"x\"}}", ERR_INVALID, "pool_id", "");
	must_refuse("CreatePool", "{\"poolId\":\"x\",\"pool\":{}}", ERR_INVALID, "pool.display_name", "missing");
	must_refuse("GetPool", "{\"name\":\"pools/silver\"}", ERR_NOT_FOUND, "name", "no such pool");
	must_refuse("GetPool", "{\"name\":\"tenants/acme\"}", ERR_INVALID, "name",
		    "'tenants/acme' is not pools/{pool}");
	(void)must("CreatePool", "{\"poolId\":\"dry\",\"pool\":{\"displayName\":\"Dry\"},\"validateOnly\":true}");
	must_refuse("GetPool", "{\"name\":\"pools/dry\"}", ERR_NOT_FOUND, "name", "no such pool");
	t = must("GetPool", "{\"name\":\"pools/gold\"}");
	assert_string_equal(fixture_field(t, "description"), "two racks");
	snprintf(json, sizeof(json),
		 "{\"pool\":{\"name\":\"pools/gold\",\"displayName\":\"Golden\",\"etag\":\"%s\"},"
		 "\"updateMask\":\"displayName\"}",
		 fixture_field(t, "etag"));
	t = must("UpdatePool", json);
	assert_string_equal(fixture_field(t, "displayName"), "Golden");
	assert_string_equal(fixture_field(t, "description"), "two racks");
	must_refuse("UpdatePool", json, ERR_ABORTED, "etag", "");
	must_refuse("UpdatePool", "{\"pool\":{\"name\":\"pools/gold\"},\"updateMask\":\"tenants\"}", ERR_INVALID,
		    "update_mask", "'tenants' cannot be changed");
	(void)must("CreatePool", "{\"poolId\":\"alpha\",\"pool\":{\"displayName\":\"Alpha\"}}");
	t = must("ListPools", "{\"pageSize\":1}");
	assert_string_equal(fixture_field(t, "name"), "pools/alpha");
	assert_string_equal(fixture_field(t, "nextPageToken"), "alpha");
	t = must("ListPools", "{\"pageSize\":1,\"pageToken\":\"alpha\"}");
	assert_string_equal(fixture_field(t, "name"), "pools/gold");
	assert_string_equal(fixture_field(t, "nextPageToken"), "");
	t = must("ListPools", "{\"filter\":\"description : racks\"}");
	assert_string_equal(fixture_field(t, "name"), "pools/gold");
	(void)must("DeletePool", "{\"name\":\"pools/alpha\"}");
	must_refuse("DeletePool", "{\"name\":\"pools/alpha\"}", ERR_NOT_FOUND, "name", "no such pool");
}

struct published {
	struct tenantconf *conf;
	const char *tenant, *pool;
};

static bool is_in(void *arg)
{
	const struct published *p = arg;
	const struct tenant *t = tenantconf_find_tenant(p->conf, p->tenant);

	return t && strcmp(t->pool, p->pool) == 0;
}

/* As the call services read it. */
static void expect_published(const char *tenant, const char *pool)
{
	struct err_detail d;
	struct bus *bus;
	struct published p = { NULL, tenant, pool };
	struct bus_params bp = { .loop = fx.loop, .url = fx.nats.url, .name = "test" };

	assert_int_equal(bus_new(&bus, &bp, &d), ERR_OK);
	assert_int_equal(tenantconf_new(&p.conf, &(struct tenantconf_params){ .bus = bus }, &d), ERR_OK);
	if (!testkit_wait_loop(fx.loop, is_in, &p, 20000))
		fail_msg("%s is not in pool %s, as the call services read it", tenant, pool);
	tenantconf_free(&p.conf);
	bus_free(&bus);
}

static void a_tenant_is_moved_by_operators_and_its_pool_cannot_be_deleted_meanwhile_GT_3_1_2(void **state)
{
	static const char move[] = "{\"tenant\":{\"name\":\"tenants/acme\",\"pool\":\"gold\"},\"updateMask\":\"pool\"}";
	struct err_detail d;
	const char *admin, *t;

	(void)state;
	must_refuse("CreateTenant", "{\"tenantId\":\"x\",\"tenant\":{\"pool\":\"silver\"}}", ERR_INVALID, "tenant.pool",
		    "there is no pool 'silver'");
	(void)must("CreateTenant", "{\"tenantId\":\"acme\",\"tenant\":{}}");
	expect_published("acme", "shared");
	must_refuse("UpdateTenant",
		    "{\"tenant\":{\"name\":\"tenants/acme\",\"pool\":\"silver\"},\"updateMask\":\"pool\"}", ERR_INVALID,
		    "tenant.pool", "there is no pool 'silver'");
	admin = fixture_token(&fx, "acme", "SCOPE_TENANT_ADMIN");
	assert_int_equal(try(admin, "UpdateTenant", move, &d), ERR_DENIED);
	assert_string_equal(d.message, "'pool' is for operators: it needs tenants.place");
	assert_int_equal(try(admin, "UpdateTenant", "{\"tenant\":{\"name\":\"tenants/acme\",\"pool\":\"gold\"}}", &d),
			 ERR_DENIED);
	assert_int_equal(try(admin, "ListPools", "{}", &d), ERR_DENIED);
	assert_int_equal(try(admin, "GetPool", "{\"name\":\"pools/gold\"}", &d), ERR_DENIED);
	(void)must("UpdateTenant", move);
	expect_published("acme", "gold");
	/* Its administrators see where they are, and may write back what they have read. */
	t = fixture_must(&fx, admin, "GetTenant", "{\"name\":\"tenants/acme\"}");
	assert_string_equal(fixture_field(t, "pool"), "gold");
	(void)fixture_must(
	    &fx, admin, "UpdateTenant",
	    "{\"tenant\":{\"name\":\"tenants/acme\",\"displayName\":\"Acme\",\"timeZone\":\"UTC\",\"pool\":"
	    "\"gold\"},\"updateMask\":\"*\"}");
	assert_non_null(strstr(must("GetPool", "{\"name\":\"pools/gold\"}"), "\"tenants\":1"));
	must_refuse("DeletePool", "{\"name\":\"pools/gold\"}", ERR_PRECONDITION, "name",
		    "1 tenants are in it, the first is 'acme'");
	assert_string_equal(fixture_sql(&fx, "SELECT count(*) > 0 FROM tm.audit WHERE tenant = 'acme' AND action = "
					     "'tenants.update' AND position('gold'::bytea in after) > 0 AND "
					     "position('gold'::bytea in before) = 0"),
			    "t");
	(void)must("UpdateTenant", "{\"tenant\":{\"name\":\"tenants/acme\"},\"updateMask\":\"pool\"}");
	expect_published("acme", "shared");
	(void)must("DeletePool", "{\"name\":\"pools/gold\"}");
}

static int start(void **state)
{
	fixture_start(&fx);
	*state = &fx;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pool_is_created_read_listed_changed_and_deleted_by_operators_GT_3_1_2),
		cmocka_unit_test(a_tenant_is_moved_by_operators_and_its_pool_cannot_be_deleted_meanwhile_GT_3_1_2),
	};

	return cmocka_run_group_tests_name("pools", tests, start, fixture_tear_down);
}
