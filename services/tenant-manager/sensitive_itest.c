/* GT-16: a tenant marks fields as sensitive; its key is made, given to the services under the platform's, and destroyed with it. */
#include "manager_fixture.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>
#include "base/mem.h"
#include "bus/bus.h"
#include "sealed/sealed.h"
#include "tenantconf/tenantconf.h"
#include "trunkline/config/v1/config.pb-c.h"

#define MASTER "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"
#define MARK(fields)                                                                               \
	"{\"tenant\":{\"name\":\"tenants/acme\",\"sensitiveFields\":[" fields "]},\"updateMask\":" \
	"\"sensitiveFields\"}"
#define CALLER "\"SENSITIVE_FIELD_CALLER_NUMBER\""
#define INPUT  "\"SENSITIVE_FIELD_IVR_INPUT\""

static struct fixture fx;
static struct bus *bus;
static struct tenantconf *conf;

static const char *must(const char *method, const char *json)
{
	return fixture_must(&fx, fx.operator_token, method, json);
}

static void refused(struct fixture *f, const char *token, const char *json, err_t code, const char *field,
		    const char *text)
{
	struct err_detail d = { 0 };
	err_t e = fixture_call(f, token, "UpdateTenant", json, NULL, &d);

	if (e != code || strcmp(d.field, field) != 0 || !strstr(d.message, text))
		fail_msg("%s: %s field '%s' message '%s'", json, err_name(e), d.field, d.message);
}

static void on_put(err_t e, uint64_t seq, void *arg)
{
	(void)seq;
	assert_int_equal(e, ERR_OK);
	*(bool *)arg = true;
}

/* ---- what the services read ---- */

struct wanted {
	unsigned sensitive;
	size_t n_keys;
};

static bool reads(void *arg)
{
	const struct wanted *w = arg;
	const struct tenant *t = tenantconf_find_tenant(conf, "acme");

	return t && t->sensitive == w->sensitive && t->n_keys == w->n_keys;
}

static void wait_read(unsigned sensitive, size_t n_keys)
{
	struct wanted w = { sensitive, n_keys };

	assert_true(testkit_wait_loop(fx.loop, reads, &w, 20000));
}

/* The published key as a service opens it. */
static void open_key(uint8_t ret[SEALED_KEY])
{
	const struct tenant *t = tenantconf_find_tenant(conf, "acme");
	uint8_t master[SEALED_KEY];

	for (unsigned i = 0; i < SEALED_KEY; i++)
		master[i] = (uint8_t)i;
	assert_int_equal(t->keys[0].version, 1);
	assert_int_equal(sealed_unwrap(master, "acme", 1, t->keys[0].wrapped, t->keys[0].size, ret), ERR_OK);
}

static bool is_gone(void *arg)
{
	(void)arg;
	return !tenantconf_find_tenant(conf, "acme");
}

/* ---- as the version before sensitive fields publishes ---- */

struct standing { /* in KV, of acme */
	uint64_t revision;
	bool done, has_key;
	struct str bytes;
};

static void on_standing(err_t e, const struct bus_msg *msg, void *arg)
{
	struct standing *s = arg;

	s->done = true;
	if (e)
		return;
	s->revision = msg->seq;
	str_reset(&s->bytes);
	str_append_n(&s->bytes, msg->data, msg->size);
}

static void read_standing(struct bus_kv *kv, struct standing *s)
{
	s->done = false;
	assert_int_equal(bus_kv_get(kv, "acme.main", on_standing, s), ERR_OK);
	assert_true(testkit_wait_flag(fx.loop, &s->done, 5000));
	Trunkline__Config__V1__TenantConfig *m =
	    trunkline__config__v1__tenant_config__unpack(NULL, s->bytes.len, (const uint8_t *)str_text(&s->bytes));
	assert_non_null(m);
	s->has_key = m->n_keys > 0;
	trunkline__config__v1__tenant_config__free_unpacked(m, NULL);
}

static bool has_key_again(void *arg)
{
	struct bus_kv *kv = arg;
	struct standing s = { 0 };

	read_standing(kv, &s);
	str_done(&s.bytes);
	return s.has_key;
}

/* What it does not know is not in what it writes. */
static void write_as_before(struct bus_kv *kv, uint64_t version_more)
{
	struct standing s = { 0 };
	bool acked = false;

	read_standing(kv, &s);
	assert_true(s.has_key);
	Trunkline__Config__V1__TenantConfig *m =
	    trunkline__config__v1__tenant_config__unpack(NULL, s.bytes.len, (const uint8_t *)str_text(&s.bytes));
	size_t n_keys = m->n_keys, n_fields = m->n_sensitive_fields;
	m->n_keys = m->n_sensitive_fields = 0;
	m->version += version_more;
	str_reset(&s.bytes);
	size_t size = trunkline__config__v1__tenant_config__get_packed_size(m);
	uint8_t *bytes = mem_alloc(size);
	(void)trunkline__config__v1__tenant_config__pack(m, bytes);
	m->n_keys = n_keys;
	m->n_sensitive_fields = n_fields;
	assert_int_equal(bus_kv_put(kv, "acme.main", bytes, size, s.revision, on_put, &acked), ERR_OK);
	assert_true(testkit_wait_flag(fx.loop, &acked, 5000));
	trunkline__config__v1__tenant_config__free_unpacked(m, NULL);
	mem_free(bytes);
	str_done(&s.bytes);
}

/* ---- the tests ---- */

static const char keys_sql[] = "SELECT count(*) FROM tm.tenant_key WHERE tenant = 'acme'";

static void a_marked_field_gives_the_tenant_a_key_that_the_services_open_GT_16(void **state)
{
	uint8_t first[SEALED_KEY], second[SEALED_KEY];

	(void)state;
	(void)must("CreateTenant", "{\"tenantId\":\"acme\",\"tenant\":{}}");
	wait_read(0, 0);
	assert_string_equal(fixture_sql(&fx, keys_sql), "0");
	(void)must("UpdateTenant",
		   "{\"tenant\":{\"name\":\"tenants/acme\",\"sensitiveFields\":[" CALLER "]},\"validateOnly\":true}");
	assert_string_equal(fixture_sql(&fx, keys_sql), "0");
	assert_non_null(strstr(must("UpdateTenant", MARK(CALLER)), "\"sensitiveFields\":[" CALLER "]"));
	wait_read(1u << TENANT_CALLER_NUMBER, 1);
	open_key(first);
	(void)must("UpdateTenant", MARK(CALLER "," INPUT));
	wait_read(1u << TENANT_CALLER_NUMBER | 1u << TENANT_IVR_INPUT, 1);
	open_key(second);
	assert_memory_equal(first, second, SEALED_KEY); /* it stays the same */
	assert_non_null(strstr(must("ListTenants", "{}"), "\"sensitiveFields\":[" CALLER "," INPUT "]"));
	assert_string_equal(fixture_field(must("VerifyAudit", "{\"parent\":\"tenants/acme\"}"), "ok"), "true");
}

static void what_cannot_be_marked_is_told_with_what_would_be_right_GT_16(void **state)
{
	struct fixture plain = fx, second;
	const char *admin = fixture_token(&fx, "acme", "SCOPE_TENANT_ADMIN");

	(void)state;
	refused(&fx, admin, MARK("9"), ERR_INVALID, "tenant.sensitive_fields", "SENSITIVE_FIELD_CALLER_NUMBER");
	refused(&fx, admin, MARK(CALLER "," INPUT "," CALLER), ERR_INVALID, "tenant.sensitive_fields", "twice");
	plain.more_config = NULL;
	fixture_second(&second, &plain);
	refused(&second, admin, MARK(CALLER "," INPUT), ERR_PRECONDITION, "tenant.sensitive_fields",
		"keys.master_file");
	fixture_service_stop(&second, SIGTERM);
}

static void who_may_not_see_it_does_not_unmark_it_GT_16(void **state)
{
	const char *admin = fixture_token(&fx, "acme", "SCOPE_TENANT_ADMIN");

	(void)state;
	refused(&fx, fx.operator_token, MARK(CALLER), ERR_DENIED, "", "calls.sensitive");
	(void)fixture_must(&fx, admin, "UpdateTenant", MARK(CALLER));
	wait_read(1u << TENANT_CALLER_NUMBER, 1);
	(void)fixture_must(&fx, admin, "UpdateTenant", MARK(""));
	wait_read(0, 1); /* what was encrypted is still to be read */
	(void)fixture_must(&fx, admin, "UpdateTenant",
			   "{\"tenant\":{\"name\":\"tenants/acme\",\"sensitiveFields\":[" CALLER "]}}");
	(void)must("UpdateTenant",
		   "{\"tenant\":{\"name\":\"tenants/acme\",\"displayName\":\"Acme\"}}"); /* says nothing of it */
	wait_read(1u << TENANT_CALLER_NUMBER, 1);
}

static void nobody_is_shown_a_key_GT_16(void **state)
{
	(void)state;
	assert_null(strstr(must("GetTenant", "{\"name\":\"tenants/acme\"}"), "rapped"));
	assert_null(strstr(must("ListAuditEntries", "{\"parent\":\"tenants/acme\"}"), "rapped"));
	assert_string_equal(fixture_sql(&fx, "SELECT octet_length(wrapped) FROM tm.tenant_key"), "60");
}

/* As a service tells how far it is. */
static void tell(const char *service, uint32_t version, int64_t done, bool finished)
{
	Trunkline__Config__V1__KeyProgress m = TRUNKLINE__CONFIG__V1__KEY_PROGRESS__INIT;
	struct bus_kv *kv = NULL;
	bool acked = false;
	uint8_t bytes[64];
	char key[64];

	m.version = version;
	m.done_rows = done;
	m.total_rows = 1000;
	m.finished = finished;
	snprintf(key, sizeof(key), "acme.%s", service);
	size_t size = trunkline__config__v1__key_progress__pack(&m, bytes);
	assert_int_equal(bus_kv_open(&kv, bus, &(struct bus_kv_params){ .bucket = "rotation", .history = 1 }, NULL),
			 ERR_OK);
	assert_int_equal(bus_kv_put(kv, key, bytes, size, BUS_KV_ANY, on_put, &acked), ERR_OK);
	assert_true(testkit_wait_flag(fx.loop, &acked, 20000));
	bus_kv_close(&kv);
}

static bool says(void *arg)
{
	return strstr(must("GetKeyRotation", "{\"name\":\"tenants/acme\"}"), arg);
}

static void wait_says(const char *text)
{
	if (!testkit_wait(says, (void *)(uintptr_t)text, 20000))
		fail_msg("no %s in %s", text, must("GetKeyRotation", "{\"name\":\"tenants/acme\"}"));
}

static const char acme[] = "{\"name\":\"tenants/acme\"}";

static void a_rotated_key_has_two_versions_until_every_service_has_finished_GT_16(void **state)
{
	const char *admin = fixture_token(&fx, "acme", "SCOPE_TENANT_ADMIN");
	struct err_detail d = { 0 };

	(void)state;
	assert_int_equal(fixture_call(&fx, admin, "GetKeyRotation", acme, NULL, &d), ERR_NOT_FOUND);
	(void)fixture_must(&fx, admin, "RotateTenantKey", "{\"name\":\"tenants/acme\",\"validateOnly\":true}");
	assert_string_equal(fixture_sql(&fx, keys_sql), "1");
	assert_non_null(
	    strstr(fixture_must(&fx, admin, "RotateTenantKey", acme), "\"version\":2,\"state\":\"STATE_RUNNING\""));
	wait_read(1u << TENANT_CALLER_NUMBER, 2);
	assert_int_equal(fixture_call(&fx, admin, "RotateTenantKey", acme, NULL, &d), ERR_PRECONDITION);
	assert_non_null(strstr(d.message, "under way"));
	tell("reporting", 2, 250, false);
	wait_says("{\"service\":\"reporting\",\"doneRows\":\"250\",\"totalRows\":\"1000\"}");
	tell("reporting", 2, 1000, true);
	wait_says("\"doneRows\":\"1000\",\"totalRows\":\"1000\",\"finished\":true");
	tell("recorder", 1, 1000, true); /* of a rotation before */
	tell("nobody", 2, 1000, true);
	fixture_service_stop(&fx, SIGKILL);
	fixture_service_start(&fx);
	assert_string_equal(fixture_sql(&fx, keys_sql), "2");
	tell("recorder", 2, 1000, true);
	wait_says("\"state\":\"STATE_DONE\"");
	assert_string_equal(fixture_sql(&fx, "SELECT version FROM tm.tenant_key"), "2");
	wait_read(1u << TENANT_CALLER_NUMBER, 1);
	assert_int_equal(tenantconf_find_tenant(conf, "acme")->keys[0].version, 2);
	assert_non_null(
	    strstr(must("ListAuditEntries", "{\"parent\":\"tenants/acme\",\"action\":\"tenants.rotate_key\"}"),
		   "rotate_key"));
	(void)fixture_must(&fx, admin, "RotateTenantKey", acme); /* and again */
	wait_read(1u << TENANT_CALLER_NUMBER, 2);
	(void)must("CreateTenant", "{\"tenantId\":\"plain\",\"tenant\":{}}");
	assert_int_equal(fixture_call(&fx, fx.operator_token, "RotateTenantKey", "{\"name\":\"tenants/plain\"}", NULL,
				      &d),
			 ERR_PRECONDITION);
	assert_non_null(strstr(d.message, "no key"));
}

static void a_key_that_the_master_key_does_not_open_is_not_rotated_GT_16(void **state)
{
	static const char flip[] =
	    "UPDATE tm.tenant_key SET wrapped = set_byte(wrapped, 20, get_byte(wrapped, 20) # 1)";
	const char *admin = fixture_token(&fx, "acme", "SCOPE_TENANT_ADMIN");
	struct err_detail d = { 0 };

	(void)state;
	(void)fixture_sql(&fx, flip);
	assert_int_equal(fixture_call(&fx, admin, "RotateTenantKey", acme, NULL, &d), ERR_PRECONDITION);
	assert_non_null(strstr(d.message, "does not open"));
	assert_string_equal(fixture_sql(&fx, keys_sql), "1");
	(void)fixture_sql(&fx, flip);
}

/* A rotation to version 3 is under way; "finished" of 3 is told first, as by a former tenant of this id. */
static void what_was_told_before_a_rotation_began_does_not_end_it_GT_16(void **state)
{
	(void)state;
	assert_string_equal(fixture_sql(&fx, keys_sql), "2");
	fixture_service_stop(&fx, SIGTERM);
	tell("reporting", 3, 1000, true);
	tell("recorder", 3, 1000, true);
	(void)fixture_sql(&fx, "UPDATE tm.key_rotation SET created_at = now() WHERE tenant = 'acme'");
	fixture_service_start(&fx);
	tell("nobody", 3, 1000, true);
	loop_turn(fx.loop, 2000);
	assert_string_equal(fixture_sql(&fx, "SELECT count(*) FROM tm.key_rotation_part WHERE tenant = 'acme'"), "0");
	assert_string_equal(fixture_sql(&fx, keys_sql), "2");
	tell("reporting", 3, 1000, true);
	wait_says("\"doneRows\":\"1000\",\"totalRows\":\"1000\",\"finished\":true");
	tell("reporting", 3, 250, false); /* of a lot before, late: finished it is all the same */
	wait_says("\"doneRows\":\"250\",\"totalRows\":\"1000\",\"finished\":true");
	assert_string_equal(fixture_sql(&fx, keys_sql), "2");
}

static void what_a_version_before_it_publishes_without_key_is_published_again_at_once_GT_16(void **state)
{
	struct bus_kv *kv = NULL;

	(void)state;
	assert_int_equal(bus_kv_open(&kv, bus, &(struct bus_kv_params){ .bucket = "config", .history = 1 }, NULL),
			 ERR_OK);
	write_as_before(kv, 0); /* it has taken the change of a newer one from the outbox */
	assert_true(testkit_wait(has_key_again, kv, 3000));
	(void)fixture_sql(&fx, "UPDATE tm.tenant SET version = version + 1 WHERE tenant = 'acme'");
	write_as_before(kv, 1); /* a change of its own */
	assert_true(testkit_wait(has_key_again, kv, 3000));
	fixture_service_stop(&fx, SIGTERM);
	write_as_before(kv, 0); /* while no newer one lives */
	fixture_service_start(&fx);
	assert_true(testkit_wait(has_key_again, kv, 5000));
	wait_read(1u << TENANT_CALLER_NUMBER, 2);
	bus_kv_close(&kv);
}

static void with_the_tenant_its_key_is_destroyed_GT_16_GT_3_1_2(void **state)
{
	(void)state;
	fixture_purge(&fx, "acme");
	assert_string_equal(fixture_sql(&fx, keys_sql), "0");
	assert_true(testkit_wait_loop(fx.loop, is_gone, NULL, 20000));
	assert_non_null(strstr(must("GetTenantDeletion", "{\"name\":\"tenants/acme\"}"),
			       "\"what\":\"encryption keys\",\"count\":\"2\""));
}

static int start(void **state)
{
	static char config[TESTKIT_PATH + 128];
	char dir[TESTKIT_PATH], path[TESTKIT_PATH + 64];
	struct err_detail d = { 0 };

	testkit_dir(dir);
	testkit_file(dir, "master.key", MASTER, path);
	assert_int_equal(chmod(path, 0600), 0);
	snprintf(config, sizeof(config), "keys:\n  master_file: \"%s\"\n", path);
	fx.more_config = config;
	fixture_start(&fx);
	if (bus_new(&bus, &(struct bus_params){ .loop = fx.loop, .url = fx.nats.url, .name = "reader" }, &d) ||
	    tenantconf_new(&conf, &(struct tenantconf_params){ .bus = bus, .no_agents = true }, &d))
		testkit_die("reader: %s %s", d.field, d.message);
	*state = &fx;
	return 0;
}

static int stop(void **state)
{
	tenantconf_free(&conf);
	bus_free(&bus);
	return fixture_tear_down(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_marked_field_gives_the_tenant_a_key_that_the_services_open_GT_16),
		cmocka_unit_test(what_cannot_be_marked_is_told_with_what_would_be_right_GT_16),
		cmocka_unit_test(who_may_not_see_it_does_not_unmark_it_GT_16),
		cmocka_unit_test(nobody_is_shown_a_key_GT_16),
		cmocka_unit_test(a_key_that_the_master_key_does_not_open_is_not_rotated_GT_16),
		cmocka_unit_test(a_rotated_key_has_two_versions_until_every_service_has_finished_GT_16),
		cmocka_unit_test(what_was_told_before_a_rotation_began_does_not_end_it_GT_16),
		cmocka_unit_test(what_a_version_before_it_publishes_without_key_is_published_again_at_once_GT_16),
		cmocka_unit_test(with_the_tenant_its_key_is_destroyed_GT_16_GT_3_1_2),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
