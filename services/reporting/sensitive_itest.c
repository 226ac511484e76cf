/* GT-16: sensitive fields of calls in a real PostgreSQL, and what the service, as a process, shows of them to whom. */
#include "reporting.h"

#include "base/clock.h"
#include "base/mem.h"
#include "confkit/confkit.h"
#include "migrations.h"
#include "rightskit/rightskit.h"
#include "testkit/testkit.h"
#include "trunkline/config/v1/config.pb-c.h"
#include "trunkline/event/v1/event.pb-c.h"
#include "trunkline/report/v1/report.pb-c.h"

#include <libgen.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define SERVICE (&trunkline__report__v1__report_service__descriptor)
#define MAY	(rights_bit(RIGHT_REPORTS_READ) | rights_bit(RIGHT_CALLS_SENSITIVE))
#define MAY_NOT rights_bit(RIGHT_REPORTS_READ)

#define CANARY	"+4930918273645"
#define KEYED	"50937462"
#define NOBODYS "+4930000111222"

typedef Trunkline__Report__V1__ListCallsResponse response;

static struct testkit_postgres pg;
static struct testkit_nats nats;
static struct testkit_proc proc;
static struct auth_signer *signer;
static struct loop *loop;
static struct bus *bus;
static struct vault *vault;
static struct db *db;
static struct books *books;
static char dir[TESTKIT_PATH], master[TESTKIT_PATH + 64], address[32];

/* ---- the tenants ---- */

/* first_key 0: none. */
static void publish(const char *tenant, const char *fields, uint8_t first_key)
{
	struct str json = STR_INIT;

	str_printf(
	    &json,
	    "{'tenant':'%s','version':%lld,'timeZone':'UTC','sipDomain':'%s.test','sensitiveFields':[%s],'keys':[",
	    tenant, (long long)clock_wall_ms(), tenant, fields);
	if (first_key)
		confkit_add_key(&json, tenant, 1, first_key);
	str_append(&json, "]}");
	confkit_publish(loop, bus, str_text(&json));
	str_done(&json);
}

#define BOTH "'SENSITIVE_FIELD_CALLER_NUMBER','SENSITIVE_FIELD_IVR_INPUT'"

/* ---- events ---- */

struct packed {
	struct stream_record list[2];
	uint8_t bytes[2][512];
};

static void pack(struct packed *p, size_t i, Trunkline__Event__V1__Event *m, const char *tenant, const char *call)
{
	m->id = (char *)(uintptr_t) "x";
	m->tenant = (char *)(uintptr_t)tenant;
	m->call_id = (char *)(uintptr_t)call;
	m->seq = i + 1;
	m->time_ms = clock_wall_ms();
	p->list[i] = (struct stream_record){ .topic = "trunkline.call.v1",
					     .value = p->bytes[i],
					     .size = trunkline__event__v1__event__pack(m, p->bytes[i]) };
}

static bool is_known(void *arg)
{
	const struct vault_view *view = vault_look(vault);

	*(const struct vault_view **)arg = view;
	return view;
}

/* A call from that number, in which those digits were keyed, as the service would write it. */
static void write_call(const char *tenant, const char *call, const char *caller, const char *digits)
{
	Trunkline__Event__V1__Event first = TRUNKLINE__EVENT__V1__EVENT__INIT,
				    second = TRUNKLINE__EVENT__V1__EVENT__INIT;
	Trunkline__Event__V1__CallOffered offered = TRUNKLINE__EVENT__V1__CALL_OFFERED__INIT;
	Trunkline__Event__V1__DigitsCollected collected = TRUNKLINE__EVENT__V1__DIGITS_COLLECTED__INIT;
	struct books_job job = { .books = books, .n = 2 };
	struct packed p;

	offered.caller = (char *)(uintptr_t)caller;
	first.body_case = TRUNKLINE__EVENT__V1__EVENT__BODY_CALL_OFFERED;
	first.call_offered = &offered;
	pack(&p, 0, &first, tenant, call);
	collected.digits = (char *)(uintptr_t)digits;
	second.body_case = TRUNKLINE__EVENT__V1__EVENT__BODY_DIGITS_COLLECTED;
	second.digits_collected = &collected;
	pack(&p, 1, &second, tenant, call);
	job.records = p.list;
	assert_true(testkit_wait_loop(loop, is_known, &job.view, 20000));
	assert_int_equal(db_run_wait(db, NULL, books_write, &job), ERR_OK);
	assert_int_equal(job.applied, 2);
	vault_view_unref(&job.view);
}

/* Until the vault of this process has what was published before. */
static bool has_sensitive(void *arg)
{
	const struct vault_view *view = vault_look(vault);
	const struct vault_tenant *t = vault_find(view, arg, strlen(arg));
	bool yes = strcmp(vault_id(t), arg) == 0 && vault_sensitive(t, BOOKS_CALLER); /* of who is not known all is */

	vault_view_unref(&view);
	return yes;
}

static void await_sensitive(const char *tenant)
{
	assert_true(testkit_wait_loop(loop, has_sensitive, (void *)(uintptr_t)tenant, 20000));
}

static bool has_tenant(void *arg)
{
	const struct vault_view *view = vault_look(vault);
	bool yes = strcmp(vault_id(vault_find(view, arg, strlen(arg))), arg) == 0;

	vault_view_unref(&view);
	return yes;
}

/* A tenant that is not known has its numbers withheld. */
static void await_tenant(const char *tenant)
{
	assert_true(testkit_wait_loop(loop, has_tenant, (void *)(uintptr_t)tenant, 20000));
}

/* ---- questions ---- */

static err_t ask(const char *tenant, uint64_t rights, const char *caller, response **ret, struct err_detail *d)
{
	Trunkline__Report__V1__ListCallsRequest req = TRUNKLINE__REPORT__V1__LIST_CALLS_REQUEST__INIT;
	struct auth_user u = { .subject = "test", .rights = rights };
	struct rpc_client_params p = { .target = address };
	ProtobufCMessage *answer = NULL;
	struct rpc_client *c;
	char *token;

	(void)str_copy(u.tenant, sizeof(u.tenant), tenant);
	assert_int_equal(auth_sign(signer, &u, clock_wall_ms() / 1000, 600, &token), ERR_OK);
	p.token = token;
	assert_int_equal(rpc_client_new(&c, &p), ERR_OK);
	mem_free(token);
	req.caller = (char *)(uintptr_t)caller;
	err_t e = rpc_client_call(c, SERVICE, "ListCalls", &req.base, &answer, d);
	rpc_client_free(&c);
	*ret = (response *)answer;
	return e;
}

/* The one call that there is, or is found. */
static void sees(const char *tenant, uint64_t rights, const char *asked, const char *caller, const char *digits)
{
	struct err_detail d = { "", "" };
	response *r = NULL;
	err_t e = ask(tenant, rights, asked, &r, &d);

	if (e)
		fail_msg("%s: %s: %s %s", tenant, err_name(e), d.field, d.message);
	assert_int_equal(r->n_calls, 1);
	assert_string_equal(r->calls[0]->caller, caller);
	assert_string_equal(r->calls[0]->digits, digits);
	protobuf_c_message_free_unpacked(&r->base, NULL);
}

static void refused(const char *tenant, uint64_t rights, const char *asked, err_t want, const char *message)
{
	struct err_detail d = { "", "" };
	response *r = NULL;

	assert_int_equal(ask(tenant, rights, asked, &r, &d), want);
	assert_string_equal(d.field, "caller");
	if (!strstr(d.message, message))
		fail_msg("%s", d.message);
}

static size_t finds(const char *tenant, const char *asked)
{
	struct err_detail d = { "", "" };
	response *r = NULL;

	assert_int_equal(ask(tenant, MAY, asked, &r, &d), ERR_OK);
	size_t n = r->n_calls;
	protobuf_c_message_free_unpacked(&r->base, NULL);
	return n;
}

struct shown {
	const char *tenant;
	uint64_t rights;
	const char *caller;
};

static bool shows(void *arg)
{
	const struct shown *s = arg;
	struct err_detail d;
	response *r = NULL;

	if (ask(s->tenant, s->rights, "", &r, &d))
		return false;
	bool yes = r->n_calls == 1 && strcmp(r->calls[0]->caller, s->caller) == 0;
	protobuf_c_message_free_unpacked(&r->base, NULL);
	return yes;
}

static void sql(const char *text)
{
	struct str out = STR_INIT;

	assert_int_equal(testkit_run((const char *[]){ "psql", "-Xq", "-v", "ON_ERROR_STOP=1", pg.dsn, "-c", text,
						       NULL },
				     &out, 20000),
			 0);
	str_done(&out);
}

static char service_log[TESTKIT_PATH + 64];

static void start_service(void)
{
	char binary[512], self[400], conf[TESTKIT_PATH + 64];
	const char *argv[] = { binary, "-c", conf, NULL };
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	struct str s = STR_INIT;

	assert_true(n > 0);
	self[n] = '\0';
	snprintf(binary, sizeof(binary), "%s/../bin/trunkline-reporting", dirname(self));
	snprintf(address, sizeof(address), "127.0.0.1:%d", testkit_tcp_port());
	str_printf(&s, "instance: reporting-1\nsite: centre\nhttp:\n  port: 0\nkafka:\n  brokers: \"127.0.0.1:%d\"\n",
		   testkit_tcp_port()); /* where nobody listens */
	str_printf(&s, "db:\n  conninfo: \"%s user=reporting\"\n", pg.dsn);
	str_printf(&s, "nats:\n  url: \"%s\"\nkeys:\n  master_file: \"%s\"\n  settle_ms: 500\n", nats.url, master);
	str_printf(&s, "grpc:\n  address: \"%s\"\nauth:\n  public_key_file: \"%s/token.pub\"\n", address, dir);
	testkit_file(dir, "reporting.yaml", str_text(&s), conf);
	str_done(&s);
	snprintf(service_log, sizeof(service_log), "%s/reporting.log", dir);
	testkit_spawn(&proc, &(struct testkit_spawn){ .argv = argv, .log = service_log });
	assert_true(testkit_wait_tcp(atoi(strchr(address, ':') + 1), 20000));
}

/* ---- the tests ---- */

static const char *const call = "00000000000000000000000000000001", *const other = "00000000000000000000000000000002";

static void a_dump_of_the_table_has_none_of_what_is_sensitive_GT_16(void **state)
{
	struct str dump = STR_INIT;

	(void)state;
	publish("acme", BOTH, 7);
	publish("plain", "", 0);
	await_tenant("plain");
	await_sensitive("acme");
	write_call("acme", call, CANARY, KEYED);
	write_call("plain", call, NOBODYS, "42");
	assert_int_equal(testkit_run((const char *[]){ "pg_dump", "--data-only", "-d", pg.dsn, NULL }, &dump, 20000),
			 0);
	assert_non_null(strstr(str_text(&dump), call));
	assert_non_null(strstr(str_text(&dump), NOBODYS)); /* of who has marked nothing */
	assert_null(strstr(str_text(&dump), CANARY + 1));
	assert_null(strstr(str_text(&dump), KEYED));
	str_done(&dump);
}

static void who_may_sees_it_and_who_may_not_a_mask_GT_16(void **state)
{
	struct shown s = { "acme", MAY, CANARY };

	(void)state;
	assert_true(testkit_wait(shows, &s, 20000));
	sees("acme", MAY, "", CANARY, KEYED);
	sees("acme", MAY_NOT, "", VAULT_MASK "3645", VAULT_MASK);
	sees("plain", MAY_NOT, "", NOBODYS, "42");
}

static void a_number_is_found_whole_in_any_spelling_and_by_who_may_GT_16(void **state)
{
	(void)state;
	sees("acme", MAY, CANARY, CANARY, KEYED);
	sees("acme", MAY, "+49 (30) 918273-645", CANARY, KEYED);
	assert_int_equal(finds("acme", "+4930918273640"), 0);
	assert_int_equal(finds("acme", "sealed:1:"), 0);
	refused("acme", MAY, "+4930*", ERR_INVALID, "stored encrypted");
	refused("acme", MAY_NOT, CANARY, ERR_DENIED, "calls.sensitive");
	sees("plain", MAY_NOT, "+4930*", NOBODYS, "42");
}

static void what_was_stored_before_it_was_marked_is_masked_and_found_GT_16(void **state)
{
	struct shown s = { "plain", MAY_NOT, VAULT_MASK "1222" };

	(void)state;
	publish("plain", BOTH, 9);
	await_sensitive("plain");
	assert_true(testkit_wait(shows, &s, 20000));
	sees("plain", MAY_NOT, "", VAULT_MASK "1222", VAULT_MASK);
	write_call("plain", other, NOBODYS, "43");
	assert_int_equal(finds("plain", NOBODYS), 2);
	sql("DELETE FROM rep.call WHERE tenant = 'plain'");
}

static void an_envelope_of_another_tenant_does_not_open_GT_16_GT_3_1_2(void **state)
{
	(void)state;
	write_call("plain", call, "+4930555666777", "44");
	sees("plain", MAY, "", "+4930555666777", "44");
	sql("UPDATE rep.call p SET caller = a.caller, digits = a.digits FROM rep.call a WHERE p.tenant = 'plain' AND "
	    "a.tenant = "
	    "'acme' AND p.call_id = a.call_id");
	sees("plain", MAY, "", "", "");
	assert_int_equal(finds("plain", CANARY), 0);
}

/* Versions 1 (if keep) and 2 of the key. */
static void publish_rotated(const char *tenant, uint8_t version, bool keep)
{
	struct str json = STR_INIT;

	str_printf(&json,
		   "{'tenant':'%s','version':%lld,'timeZone':'UTC','sipDomain':'%s.test','sensitiveFields':[" BOTH
		   "],'keys':[",
		   tenant, (long long)clock_wall_ms(), tenant);
	if (keep) {
		confkit_add_key(&json, tenant, version - 1u, (uint8_t)(9 + version));
		str_append_c(&json, ',');
	}
	confkit_add_key(&json, tenant, version, (uint8_t)(10 + version));
	str_append(&json, "]}");
	confkit_publish(loop, bus, str_text(&json));
	str_done(&json);
}

struct progress {
	const char *key;
	Trunkline__Config__V1__KeyProgress *last;
	int told;
};

static void on_progress(enum bus_kv_op op, const char *key, const struct bus_msg *msg, void *arg)
{
	struct progress *p = arg;

	if (op != BUS_KV_PUT || strcmp(key, p->key) != 0)
		return;
	if (p->last)
		trunkline__config__v1__key_progress__free_unpacked(p->last, NULL);
	p->last = trunkline__config__v1__key_progress__unpack(NULL, msg->size, msg->data);
	assert_non_null(p->last);
	p->told++;
}

static bool has_finished(void *arg)
{
	const struct progress *p = arg;

	return p->last && p->last->finished;
}

static int64_t count(const char *where)
{
	struct str out = STR_INIT;
	char text[256];

	snprintf(text, sizeof(text), "SELECT count(*) FROM rep.call WHERE tenant = 'turning' AND %s", where);
	assert_int_equal(testkit_run((const char *[]){ "psql", "-XqtA", pg.dsn, "-c", text, NULL }, &out, 20000), 0);
	int64_t n = atoll(str_text(&out));
	str_done(&out);
	return n;
}

static bool has_begun(void *arg)
{
	(void)arg;
	return count("caller LIKE 'sealed:2:%'") > 0;
}

#define MIDDLE "SELECT FROM rep.call WHERE tenant = 'turning' AND call_id = 'f' || lpad('1500', 31, '0') FOR UPDATE"

static bool is_held(void *arg)
{
	struct str out = STR_INIT;

	(void)arg;
	assert_int_equal(
	    testkit_run((const char *[]){ "psql", "-XqtA", pg.dsn, "-c",
					  "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'", NULL },
			&out, 20000),
	    0);
	bool yes = atoi(str_text(&out)) == 1;
	str_done(&out);
	return yes;
}

static const char *numbered(int i)
{
	static char id[33];

	snprintf(id, sizeof(id), "%032x", i);
	return id;
}

/* So many calls with the key of now. The first ones are the tenant's before it marked anything. */
static void fill(int from, int to)
{
	char caller[32];

	for (int i = from; i < to; i++) {
		snprintf(caller, sizeof(caller), "+49301%06d", i);
		write_call("turning", numbered(i), caller, "1234567");
	}
}

/* Each of some, by its number, in clear. */
static bool finds_all(void *arg)
{
	static const int some[] = { 3, 15, 199, 210, 250 };
	char caller[32];

	(void)arg;
	for (size_t i = 0; i < ARRAY_SIZE(some); i++) {
		snprintf(caller, sizeof(caller), "+49301%06d", some[i]);
		sees("turning", MAY, caller, caller, "1234567");
	}
	return true;
}

static bool waits_for_second(void *arg)
{
	const struct vault_view *view = vault_look(vault);
	bool yes = vault_version(vault_find(view, arg, strlen(arg))) == 2;

	vault_view_unref(&view);
	return yes;
}

static void a_rotation_renews_every_row_killed_and_under_load_GT_16(void **state)
{
	struct progress p = { .key = "turning.reporting" };
	struct bus_kv *kv = NULL;
	struct bus_kv_watch *watch = NULL;
	struct testkit_proc holder;
	/* A row in the middle is held, so that the walk is under way when it is killed. */
	const char *hold[] = { "psql", "-Xq", pg.dsn, "-c", "BEGIN; " MIDDLE "; SELECT pg_sleep(60)", NULL };

	(void)state;
	publish("turning", "", 0);
	await_tenant("turning");
	fill(0, 10);
	publish("turning", BOTH, 11);
	await_sensitive("turning");
	fill(10, 200);
	sql("INSERT INTO rep.call (tenant, call_id, offered_ms, caller) SELECT 'turning', 'f' || lpad(n::text, 31, "
	    "'0'), 1, 'x' FROM "
	    "generate_series(1, 3000) n"); /* in clear, for the length of the walk */
	testkit_spawn(&holder, &(struct testkit_spawn){ .argv = hold });
	assert_true(testkit_wait(is_held, NULL, 20000));
	assert_int_equal(bus_kv_open(&kv, bus, &(struct bus_kv_params){ .bucket = "rotation", .history = 1 }, NULL),
			 ERR_OK);
	assert_int_equal(bus_kv_watch(&watch, kv, ">", on_progress, &p), ERR_OK);
	publish_rotated("turning", 2, true);
	assert_true(testkit_wait(has_begun, NULL, 20000));
	assert_int_equal(testkit_proc_stop(&proc, SIGKILL, 5000), 128 + SIGKILL);
	assert_true(count("caller NOT LIKE 'sealed:2:%'") > 0);
	sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
	(void)testkit_proc_stop(&holder, SIGKILL, 5000);
	fill(200, 220); /* the vault of this process still has the former version, or has not: both are renewed */
	start_service();
	assert_true(testkit_wait_loop(loop, waits_for_second, (char *)(uintptr_t) "turning", 20000));
	fill(220, 260); /* beside the walk */
	assert_true(testkit_wait_loop(loop, has_finished, &p, 60000));
	assert_int_equal(p.last->version, 2);
	assert_in_range(p.last->done_rows, 3220, 3260); /* what came behind it is of the new version anyway */
	assert_in_range(p.last->total_rows, p.last->done_rows, 3260);
	assert_int_equal(count("caller LIKE 'sealed:2:%'"), 3260); /* those in clear, too */
	assert_int_equal(count("digits LIKE 'sealed:2:%'"), 260);
	publish_rotated("turning", 2, false); /* the former version is destroyed */
	assert_true(testkit_wait(finds_all, NULL, 20000));
	bus_kv_unwatch(&watch);
	bus_kv_close(&kv);
	trunkline__config__v1__key_progress__free_unpacked(p.last, NULL);
}

static bool renews_all(void *arg)
{
	(void)arg;
	return count("caller NOT LIKE 'sealed:3:%'") == 0;
}

static bool renews_some(void *arg)
{
	(void)arg;
	return count("caller LIKE 'sealed:3:%'") > 0;
}

/* Of a whole rotation it would hear nothing, and write with a version that is no more. */
static void who_is_cut_off_from_nats_writes_nothing_until_he_hears_again_GT_16(void **state)
{
	const char *hold[] = { "psql", "-Xq", pg.dsn, "-c", "BEGIN; " MIDDLE "; SELECT pg_sleep(60)", NULL };
	struct testkit_proc holder;

	(void)state;
	testkit_spawn(&holder, &(struct testkit_spawn){ .argv = hold });
	assert_true(testkit_wait(is_held, NULL, 10000));
	publish_rotated("turning", 3, true);
	assert_true(testkit_wait(renews_some, NULL, 20000)); /* up to the row that is held */
	testkit_stand_still(nats.proc.pid);
	assert_false(testkit_wait(renews_all, NULL, 1000)); /* longer than keys.settle_ms */
	sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
	(void)testkit_proc_stop(&holder, SIGKILL, 5000);
	assert_false(testkit_wait(renews_all, NULL, 4000));
	assert_int_equal(kill(nats.proc.pid, SIGCONT), 0);
	assert_true(testkit_wait(renews_all, NULL, 30000));
}

static bool is_logged(void *arg)
{
	struct str text = STR_INIT;

	testkit_read(service_log, &text);
	bool yes = strstr(str_text(&text), arg);
	str_done(&text);
	return yes;
}

/* stuck is the first one, and each of its lots fails. */
static void a_tenant_whose_rows_cannot_be_renewed_does_not_hold_up_the_others_GT_16(void **state)
{
	static const char *const tenants[] = { "stuck", "moving" };
	struct progress p[] = { { .key = "stuck.reporting" }, { .key = "moving.reporting" } };
	struct bus_kv_watch *watches[2] = { NULL, NULL };
	struct bus_kv *kv = NULL;

	(void)state;
	assert_int_equal(bus_kv_open(&kv, bus, &(struct bus_kv_params){ .bucket = "rotation", .history = 1 }, NULL),
			 ERR_OK);
	sql("CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''stuck''; END'");
	for (size_t i = 0; i < 2; i++) {
		publish(tenants[i], BOTH, 11);
		await_sensitive(tenants[i]);
		write_call(tenants[i], call, CANARY, KEYED);
		assert_int_equal(bus_kv_watch(&watches[i], kv, p[i].key, on_progress, &p[i]), ERR_OK);
	}
	sql("CREATE TRIGGER refuse BEFORE UPDATE ON rep.call FOR EACH ROW WHEN (OLD.tenant = 'stuck') "
	    "EXECUTE FUNCTION public.refuse()");
	publish_rotated("stuck", 2, true);
	assert_true(testkit_wait(is_logged, (char *)(uintptr_t) "key.not_resealed", 60000));
	publish_rotated("moving", 2, true);
	assert_true(testkit_wait_loop(loop, has_finished, &p[1], 30000));
	assert_null(p[0].last);
	sql("DROP TRIGGER refuse ON rep.call");
	assert_true(testkit_wait_loop(loop, has_finished, &p[0], 30000));
	for (size_t i = 0; i < 2; i++) {
		bus_kv_unwatch(&watches[i]);
		trunkline__config__v1__key_progress__free_unpacked(p[i].last, NULL);
	}
	bus_kv_close(&kv);
}

static void with_the_key_everything_goes_GT_16_GT_3_1_2(void **state)
{
	struct shown gone = { "acme", MAY, "" };

	(void)state;
	sees("acme", MAY, "", CANARY, KEYED);
	confkit_delete(loop, bus, "acme.main"); /* as the purge of a tenant does */
	assert_true(testkit_wait(shows, &gone, 20000));
	sees("acme", MAY, "", "", "");
	publish("acme", BOTH, 70); /* a later tenant of the id, with a key of its own */
	await_sensitive("acme");
	sees("acme", MAY, "", "", "");
	assert_int_equal(finds("acme", CANARY), 0);
	write_call("nobody", call, CANARY, KEYED); /* counted again from Kafka, after it is gone: not in clear */
	sees("nobody", MAY, "", "", "");
}

/* ---- the world ---- */

static void start_books(void)
{
	struct vault_params vp = { .bus = bus, .master_file = master, .columns = books_columns, .n = BOOKS_COLUMNS };
	static char conninfo[2 * sizeof(pg.dsn)];
	struct db_params p = { .conninfo = conninfo, .connections = 1 };
	struct err_detail d = { "", "" };

	if (db_migrate(pg.dsn, "reporting", migrations, n_migrations, &d))
		testkit_die("migrate: %s: %s", d.field, d.message);
	(void)snprintf(conninfo, sizeof(conninfo), "%s user=reporting", pg.dsn);
	assert_int_equal(db_new(&db, &p), ERR_OK);
	assert_int_equal(books_new(&books), ERR_OK);
	assert_int_equal(vault_new(&vault, &vp, &d), ERR_OK);
}

static int start(void **state)
{
	struct bus_params p = { .name = "test" };

	(void)state;
	testkit_dir(dir);
	testkit_file(dir, "master.key", CONFKIT_MASTER, master);
	assert_int_equal(chmod(master, 0600), 0);
	testkit_postgres_start(&pg);
	testkit_nats_start(&nats, true);
	sql("CREATE ROLE reporting LOGIN");
	signer = rightskit_signer(dir);
	rightskit_none_revoked(nats.url);
	assert_int_equal(loop_new(&loop), ERR_OK);
	p.loop = loop;
	p.url = nats.url;
	assert_int_equal(bus_new(&bus, &p, NULL), ERR_OK);
	start_books();
	start_service();
	return 0;
}

static int stop(void **state)
{
	(void)state;
	assert_int_equal(testkit_proc_stop(&proc, SIGTERM, 10000), 0);
	db_free(&db);
	books_free(&books);
	vault_free(&vault);
	bus_free(&bus);
	loop_free(&loop);
	auth_signer_free(&signer);
	testkit_nats_stop(&nats);
	testkit_postgres_stop(&pg);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_dump_of_the_table_has_none_of_what_is_sensitive_GT_16),
		cmocka_unit_test(who_may_sees_it_and_who_may_not_a_mask_GT_16),
		cmocka_unit_test(a_number_is_found_whole_in_any_spelling_and_by_who_may_GT_16),
		cmocka_unit_test(what_was_stored_before_it_was_marked_is_masked_and_found_GT_16),
		cmocka_unit_test(an_envelope_of_another_tenant_does_not_open_GT_16_GT_3_1_2),
		cmocka_unit_test(a_rotation_renews_every_row_killed_and_under_load_GT_16),
		cmocka_unit_test(who_is_cut_off_from_nats_writes_nothing_until_he_hears_again_GT_16),
		cmocka_unit_test(a_tenant_whose_rows_cannot_be_renewed_does_not_hold_up_the_others_GT_16),
		cmocka_unit_test(with_the_key_everything_goes_GT_16_GT_3_1_2),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
