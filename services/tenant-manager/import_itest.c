/* Imports (GT-3.1.2): agents and numbers from CSV and XLSX, dry, in part, all or nothing, and through a kill -9. */
#include "manager_fixture.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/clock.h"
#include "tenantconf/tenantconf.h"
#include "trunkline/admin/v1/admin.pb-c.h"

static struct fixture fx;
static const char *admin;

/* ---- building blocks ---- */

#define HEAD(more)    "{\"parent\":\"tenants/acme\",\"kind\":\"IMPORT_KIND_AGENTS\"" more "}"
#define NUMBERS(more) "{\"parent\":\"tenants/acme\",\"kind\":\"IMPORT_KIND_NUMBERS\"" more "}"

static err_t upload(const char *token, const char *header, const void *file, size_t size, struct str *answer,
		    struct err_detail *d)
{
	return fixture_import(&fx, token, header, file, size, answer, d);
}

static void refused(const char *header, const char *file, err_t code, const char *field, const char *text)
{
	struct err_detail d = { 0 };
	err_t e = upload(admin, header, file, strlen(file), NULL, &d);

	if (e != code || strcmp(d.field, field) != 0 || !strstr(d.message, text))
		fail_msg("%s: %s field '%s' message '%s'", header, err_name(e), d.field, d.message);
}

static const char *get(const char *name)
{
	char j[200];

	snprintf(j, sizeof(j), "{\"name\":\"%s\"}", name);
	return fixture_must(&fx, fx.operator_token, "GetImport", j);
}

static bool has_ended(void *name)
{
	usleep(50000); /* each question is a connection of its own, with its handshake */
	return strcmp(fixture_field(get(name), "state"), "IMPORT_STATE_RUNNING") != 0;
}

/* Until it has ended; as it is then. */
static const char *ended(const char *name)
{
	static char copy[128];

	(void)str_copy(copy, sizeof(copy), name);
	if (!testkit_wait(has_ended, copy, 60000))
		fail_msg("%s", get(copy));
	return get(copy);
}

static const char *run_bytes(const char *header, const void *file, size_t size)
{
	struct str answer = STR_INIT;
	struct err_detail d = { 0 };
	char name[128];

	if (upload(admin, header, file, size, &answer, &d))
		fail_msg("%s: %s %s", header, d.field, d.message);
	(void)str_copy(name, sizeof(name), fixture_field(str_text(&answer), "name"));
	str_done(&answer);
	return ended(name);
}

static const char *run(const char *header, const char *file)
{
	return run_bytes(header, file, strlen(file));
}

static void check(const char *json, const char *field, const char *value)
{
	if (strcmp(fixture_field(json, field), value) != 0)
		fail_msg("%s is not '%s' in %s", field, value, json);
}

static void check_has(const char *json, const char *text)
{
	if (!strstr(json, text))
		fail_msg("no %s in %s", text, json);
}

static const char *count(const char *what)
{
	char sql[300];

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM tm.resource WHERE tenant = 'acme' AND %s", what);
	return fixture_sql(&fx, sql);
}

/* A workbook with these rows, and these strings that they share (XML). */
static void make_book(struct str *ret, const char *rows, const char *strings)
{
	static const char script[] = "import sys, zipfile\n"
				     "z = zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED)\n"
				     "z.writestr('xl/workbook.xml', '<workbook xmlns:r=\"r\"><sheets><sheet name=\"a\" "
				     "r:id=\"r1\"/></sheets></workbook>')\n"
				     "z.writestr('xl/_rels/workbook.xml.rels', '<R><Relationship Id=\"r1\" "
				     "Type=\"x/worksheet\" Target=\"s.xml\"/>'\n"
				     "  '<Relationship Id=\"r2\" Type=\"x/sharedStrings\" Target=\"t.xml\"/></R>')\n"
				     "z.writestr('xl/s.xml', '<worksheet>' + sys.argv[2] + '</worksheet>')\n"
				     "z.writestr('xl/t.xml', '<sst>' + sys.argv[3] + '</sst>')\n"
				     "z.close()\n";
	char path[TESTKIT_PATH + 64];
	struct str out = STR_INIT;

	snprintf(path, sizeof(path), "%s/book.xlsx", fx.dir);
	if (testkit_run((const char *[]){ "python3", "-c", script, path, rows, strings, NULL }, &out, 20000))
		testkit_die("python3: %s", str_text(&out));
	str_done(&out);
	testkit_read(path, ret);
}

/* ---- what the call services see ---- */

struct want {
	struct tenantconf *conf;
	const char *agent, *number;
};

static bool seen(void *arg)
{
	const struct want *w = arg;
	const struct tenant *owner;

	if (w->agent)
		return tenantconf_find_agent(w->conf, "acme", w->agent) != NULL;
	return tenantconf_find_number(w->conf, w->number, &owner) != NULL;
}

static void wait_published(const char *agent, const char *number)
{
	struct want w = { .agent = agent, .number = number };
	struct err_detail d = { 0 };
	struct bus *bus;

	if (bus_new(&bus, &(struct bus_params){ .loop = fx.loop, .url = fx.nats.url, .name = "reader" }, &d) ||
	    tenantconf_new(&w.conf, &(struct tenantconf_params){ .bus = bus }, &d))
		fail_msg("reader: %s", d.message);
	assert_true(testkit_wait_loop(fx.loop, seen, &w, 20000));
	tenantconf_free(&w.conf);
	bus_free(&bus);
}

/* ---- agents ---- */

static void agents_from_csv_are_there_published_and_sign_in_GT_3_1_2(void **state)
{
	(void)state;
	const char *m =
	    run(HEAD(",\"fileName\":\"people.csv\""), "\xef\xbb\xbf"
						      "Agent ID;Name;Password;Skills;Enabled\r\n"
						      "a1;\"Li; Mei\";secret-one;english:5, german:3;yes\r\n"
						      "a2;Hans;secret-two;;\r\n"
						      "a3;Out;;;no\r\n");
	check(m, "state", "IMPORT_STATE_SUCCEEDED");
	check(m, "rowsRead", "3");
	check(m, "rowsApplied", "3");
	check(m, "author", "admin:acme");
	check_has(m, "\"***\"");
	assert_null(strstr(m, "secret-"));
	const char *a = fixture_must(&fx, admin, "GetAgent", "{\"name\":\"tenants/acme/agents/a1\"}");
	check(a, "displayName", "Li; Mei");
	check(a, "enabled", "true");
	check_has(a, "\"english\"");
	wait_published("a1", NULL);
	wait_published("a3", NULL);
	(void)fixture_must(&fx, NULL, "Login", "{\"tenant\":\"acme\",\"agentId\":\"a1\",\"password\":\"secret-one\"}");
	/* From then on its hash is as slow as any. */
	check_has(fixture_sql(&fx, "SELECT argon2id FROM tm.credential WHERE agent_id = 'a1'"), "$argon2id$");
	(void)fixture_must(&fx, NULL, "Login", "{\"tenant\":\"acme\",\"agentId\":\"a1\",\"password\":\"secret-one\"}");
	static const char *const wrong[] = { "{\"tenant\":\"acme\",\"agentId\":\"a2\",\"password\":\"secret-one\"}",
					     "{\"tenant\":\"acme\",\"agentId\":\"a2\",\"password\":\"\"}",
					     "{\"tenant\":\"acme\",\"agentId\":\"a3\",\"password\":\"\"}" };
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct err_detail d = { 0 };

		assert_int_equal(fixture_call(&fx, NULL, "Login", wrong[i], NULL, &d), ERR_UNAUTHENTICATED);
	}
	assert_string_equal(fixture_sql(&fx, "SELECT argon2id FROM tm.credential WHERE agent_id = 'a2'"), "");
	/* What it refers to stays. */
	struct err_detail d = { 0 };
	assert_int_equal(fixture_call(&fx, admin, "DeleteSkill", "{\"name\":\"tenants/acme/skills/german\"}", NULL, &d),
			 ERR_PRECONDITION);
	check_has(d.message, "agents/a1");
}

static void a_dry_run_says_all_and_writes_nothing_GT_3_1_2(void **state)
{
	(void)state;
	const char *m = run(HEAD(",\"validateOnly\":true"), "id,name,notes\nd1,Dry,x\nd2,Run,y\n");
	check(m, "state", "IMPORT_STATE_SUCCEEDED");
	check(m, "rowsGood", "2");
	check_has(m, "\"notes\"");
	check_has(m, "\"Dry\"");
	assert_string_equal(count("id IN ('d1', 'd2')"), "0");
	assert_string_equal(fixture_sql(&fx, "SELECT count(*) FROM tm.import WHERE file IS NOT NULL"), "0");
}

#define MIXED                                                                               \
	"id,name,skills,password\nm1,Good,,\nM 2,Bad id,,\nm3,Bad skill,french:4,\nm4,Bad " \
	"level,english:11,\nm1,Twice,,\na1,There,,\nm5,Short,,abc\n"

static void one_bad_row_stops_everything_and_each_is_named_GT_3_1_2(void **state)
{
	static const char *const errors[] = {
		"\"row\":3,\"column\":\"id\",\"field\":\"id\",\"message\":\"'M 2' is no id",
		"\"row\":4,\"column\":\"skills\",\"field\":\"skills[0].skill_id\",\"message\":\"there is no skill "
		"'french'\"",
		"\"row\":5,\"column\":\"skills\",\"field\":\"skills[0]\",\"message\":\"'english:11' is no skill with "
		"its level",
		"\"row\":6,\"column\":\"id\",\"field\":\"id\",\"message\":\"row 2 has it, too\"",
		"\"row\":7,\"column\":\"id\",\"field\":\"id\",\"message\":\"agent 'a1' is there already\"",
		"\"row\":8,\"column\":\"password\",\"field\":\"password\",\"message\":\"3 bytes long; 8 to 128\"",
	};

	(void)state;
	const char *m = run(HEAD(""), MIXED);
	check(m, "state", "IMPORT_STATE_FAILED");
	check(m, "error", "6 of 7 rows are bad: nothing is written");
	check(m, "rowsApplied", "");
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
		check_has(m, errors[i]);
	assert_string_equal(count("id IN ('m1', 'm3')"), "0");
}

static void good_rows_alone_are_written_when_that_is_asked_for_GT_3_1_2(void **state)
{
	(void)state;
	const char *m = run(HEAD(",\"goodRowsOnly\":true"), MIXED);
	check(m, "state", "IMPORT_STATE_SUCCEEDED");
	check(m, "rowsBad", "6");
	check(m, "rowsApplied", "1");
	assert_string_equal(count("id IN ('m1', 'm3', 'm4', 'm5')"), "1");
	m = run(HEAD(",\"goodRowsOnly\":true"), MIXED);
	check(m, "state", "IMPORT_STATE_FAILED");
	check(m, "error", "none of 7 rows is good");
}

static void columns_go_where_the_caller_says_GT_3_1_2(void **state)
{
	(void)state;
	const char *m =
	    run(HEAD(",\"columns\":[{\"header\":\"nummer\",\"field\":\"id\"},{\"header\":\"name\",\"field\":\"-\"}]"),
		"Nummer,Name\nc1,Nobody\n");
	check(m, "state", "IMPORT_STATE_SUCCEEDED");
	check(fixture_must(&fx, admin, "GetAgent", "{\"name\":\"tenants/acme/agents/c1\"}"), "displayName", "");
	refused(HEAD(",\"columns\":[{\"header\":\"x\",\"field\":\"colour\"}]"), "id\n1\n", ERR_INVALID,
		"header.columns[0].field", "'colour' is none of id, display_name");
	m = run(HEAD(",\"columns\":[{\"header\":\"x\",\"field\":\"id\"}]"), "id\n1\n");
	check(m, "error", "columns[0].header: there is no column 'x' in the first row");
	m = run(HEAD(""), "name\nNobody\n");
	check(m, "error", "columns: no column is id: its name must stand in the first row");
	m = run(HEAD(""), "id,agent\n1,2\n");
	check_has(m, "are both id");
	refused("{\"parent\":\"tenants/acme\"}", "id\n1\n", ERR_INVALID, "header.kind", "IMPORT_KIND_AGENTS");
	refused(HEAD(",\"charset\":\"EBCDIC\""), "id\n1\n", ERR_INVALID, "header.charset", "GB18030");
	refused(HEAD(""), "", ERR_INVALID, "chunk", "empty");
}

static void a_table_in_gb18030_is_read_as_such_GT_3_1_2(void **state)
{
	(void)state;
	const char *m =
	    run(HEAD(",\"charset\":\"GB18030\""), "\xb9\xa4\xba\xc5,\xd0\xd5\xc3\xfb\ng1,\xc0\xee\xc3\xb7\n");
	check(m, "state", "IMPORT_STATE_SUCCEEDED");
	check(fixture_must(&fx, admin, "GetAgent", "{\"name\":\"tenants/acme/agents/g1\"}"), "displayName", "李梅");
	check_has(run(HEAD(""), "\xb9\xa4\xba\xc5\ng2\n"), "row 1, column 1 is not UTF-8");
}

static void a_workbook_is_a_table_too_GT_3_1_2(void **state)
{
	struct str book = STR_INIT;

	(void)state;
	make_book(
	    &book,
	    "<row r=\"1\"><c r=\"A1\" t=\"s\"><v>0</v></c><c r=\"B1\" t=\"s\"><v>1</v></c></row>"
	    "<row r=\"2\"><c r=\"A2\"><v>7001</v></c><c r=\"B2\" t=\"inlineStr\"><is><t>From Excel</t></is></c></row>",
	    "<si><t>id</t></si><si><t>Display Name</t></si>");
	const char *m = run_bytes(HEAD(""), book.data, book.len);
	check(m, "state", "IMPORT_STATE_SUCCEEDED");
	check(fixture_must(&fx, admin, "GetAgent", "{\"name\":\"tenants/acme/agents/7001\"}"), "displayName",
	      "From Excel");
	m = run_bytes(HEAD(",\"format\":\"IMPORT_FORMAT_XLSX\""), "id\n1\n", 5);
	check_has(m, "no XLSX workbook");
	str_done(&book);
}

/* ---- numbers ---- */

static void numbers_go_where_their_cells_say_or_say_what_is_wrong_GT_3_1_2(void **state)
{
	(void)state;
	const char *m = run(
	    NUMBERS(""),
	    "number,name,working,calendar,other\n+4930100,Main,queue:sales,office,reject:480\n4930101,,Agent: a1,,\n");
	check(m, "state", "IMPORT_STATE_SUCCEEDED");
	check(fixture_must(&fx, admin, "GetNumber", "{\"name\":\"tenants/acme/numbers/+4930100\"}"), "queueId",
	      "sales");
	wait_published(NULL, "+4930100");
	m = run(NUMBERS(""), "number,working,calendar\n4930100,queue:sales,\n+4930999,queue:sales,\n12,flow:nowhere,"
			     "\n13,14,\n14,reject:200,\nx,queue:sales,\n"
			     "+4930101,queue:sales,\n15,queue:sales,office\n16,,\n");
	check(m, "state", "IMPORT_STATE_FAILED");
	static const char *const errors[] = {
		"\"row\":2,\"column\":\"number\",\"field\":\"number\",\"message\":\"number '4930100' is not "
		"available\"",
		"\"row\":3,\"column\":\"number\",\"field\":\"number\",\"message\":\"number '4930999' is not "
		"available\"",
		"\"row\":4,\"column\":\"working\",\"field\":\"working.flow_id\",\"message\":\"there is no flow "
		"'nowhere'\"",
		"\"row\":5,\"column\":\"working\",\"field\":\"working\",\"message\":\"'14' is none of flow:ID",
		"\"row\":6,\"column\":\"working\",\"field\":\"working\",\"message\":\"'200' is no SIP status",
		"\"row\":7,\"column\":\"number\",\"field\":\"number\",\"message\":\"'x' is no number",
		"\"row\":8,\"column\":\"number\",\"field\":\"number\",\"message\":\"number '4930101' is not "
		"available\"",
		"\"row\":9,\"field\":\"other\"",
		"\"row\":10,\"column\":\"working\",\"field\":\"working\",\"message\":\"missing: where a call goes",
	};
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
		check_has(m, errors[i]);
	assert_null(strstr(m, "globex"));
}

/* ---- limits, rights, repetition ---- */

static void a_quota_holds_for_an_import_as_a_whole_GT_3_1_2(void **state)
{
	(void)state;
	(void)fixture_must(&fx, fx.operator_token, "CreateTenant",
			   "{\"tenantId\":\"few\",\"tenant\":{\"quotas\":{\"agents\":2}}}");
	const char *own = admin;
	admin = fixture_token(&fx, "few", "SCOPE_TENANT_ADMIN");
	const char *m = run("{\"parent\":\"tenants/few\",\"kind\":\"IMPORT_KIND_AGENTS\",\"goodRowsOnly\":true}",
			    "id\nq1\nq2\nq3\n");
	check(m, "state", "IMPORT_STATE_FAILED");
	check(m, "error", "quotas.agents: 0 of 2 in use, 3 more are needed");
	m = run("{\"parent\":\"tenants/few\",\"kind\":\"IMPORT_KIND_AGENTS\",\"validateOnly\":true}",
		"id\nq1\nq2\nq3\n");
	check(m, "state", "IMPORT_STATE_FAILED");
	m = run("{\"parent\":\"tenants/few\",\"kind\":\"IMPORT_KIND_AGENTS\"}", "id\nq1\nq2\n");
	check(m, "rowsApplied", "2");
	admin = own;
}

static void to_others_the_imports_of_a_tenant_are_as_of_none_GT_3_1_2(void **state)
{
	const char *other = fixture_token(&fx, "globex", "SCOPE_TENANT_ADMIN");
	struct err_detail a = { 0 }, b = { 0 };
	char j[200];

	(void)state;
	assert_int_equal(upload(other, HEAD(""), "id\n1\n", 5, NULL, &a), ERR_NOT_FOUND);
	assert_int_equal(upload(other, "{\"parent\":\"tenants/nobody\",\"kind\":\"IMPORT_KIND_AGENTS\"}", "id\n1\n", 5,
				NULL, &b),
			 ERR_NOT_FOUND);
	assert_string_equal(a.message, b.message);
	char name[128];
	(void)str_copy(name, sizeof(name), fixture_field(run(HEAD(""), "id\no1\n"), "name"));
	snprintf(j, sizeof(j), "{\"name\":\"%s\"}", name);
	assert_int_equal(fixture_call(&fx, other, "GetImport", j, NULL, &a), ERR_NOT_FOUND);
	assert_int_equal(fixture_call(&fx, other, "CancelImport", j, NULL, &a), ERR_NOT_FOUND);
	assert_int_equal(fixture_call(&fx, other, "ListImports", "{\"parent\":\"tenants/acme\"}", NULL, &a),
			 ERR_NOT_FOUND);
	assert_int_equal(fixture_call(&fx, admin, "CancelImport", j, NULL, &a), ERR_PRECONDITION);
	check_has(fixture_must(&fx, admin, "ListImports", "{\"parent\":\"tenants/acme\",\"pageSize\":3}"), name);
	assert_int_equal(fixture_call(&fx, admin, "GetImport", "{\"name\":\"tenants/acme/imports/1\"}", NULL, &a),
			 ERR_NOT_FOUND);
}

static void a_repeated_import_is_one_and_the_audit_names_the_file_GT_3_1_2(void **state)
{
	static const char header[] = HEAD(",\"requestId\":\"22222222-2222-4333-8444-555555555555\"");
	struct str first = STR_INIT, again = STR_INIT;
	struct err_detail d = { 0 };

	(void)state;
	assert_int_equal(upload(admin, header, "id\nr1\n", 6, &first, &d), ERR_OK);
	assert_int_equal(upload(admin, header, "id\nr1\n", 6, &again, &d), ERR_OK);
	assert_string_equal(fixture_field(str_text(&first), "name"), fixture_field(str_text(&again), "name"));
	assert_int_equal(upload(admin, header, "id\nr2\n", 6, NULL, &d), ERR_INVALID);
	check(ended(fixture_field(str_text(&first), "name")), "state", "IMPORT_STATE_SUCCEEDED");
	char sql[300];
	snprintf(sql, sizeof(sql),
		 "SELECT string_agg(action || ' ' || actor, ', ' ORDER BY seq) FROM tm.audit WHERE resource = '%s'",
		 fixture_field(str_text(&first), "name"));
	assert_string_equal(fixture_sql(&fx, sql), "imports.create admin:acme, imports.apply admin:acme");
	check_has(fixture_must(&fx, admin, "VerifyAudit", "{\"parent\":\"tenants/acme\"}"), "\"ok\":true");
	str_done(&first);
	str_done(&again);
}

/* ---- uploads that do not end ---- */

#define IDLE_S 5

static err_t leave(void *arg)
{
	(void)arg;
	return ERR_ABORTED;
}

static err_t be_silent(void *arg)
{
	(void)arg;
	usleep((IDLE_S + 2) * 1000000);
	return ERR_OK;
}

static bool is_full(void *arg)
{
	(void)arg;
	return upload(admin, HEAD(""), "id\nu2\n", 6, NULL, NULL) == ERR_EXHAUSTED;
}

/* In the midst of an upload another one is begun; the third of a tenant is refused, another tenant's is not. */
static err_t one_more(void *arg)
{
	int *depth = arg;
	struct err_detail d = { 0 };

	if (++*depth < 2)
		return fixture_import_slowly(&fx, admin, HEAD(""), "id\nu1\n", 6, one_more, depth, NULL, &d);
	assert_true(testkit_wait(is_full, NULL, 20000)); /* the headers of both have come */
	refused(HEAD(""), "id\nu2\n", ERR_EXHAUSTED, "", "2 uploads of the tenant are under way");
	return upload(fixture_token(&fx, "globex", "SCOPE_TENANT_ADMIN"),
		      "{\"parent\":\"tenants/globex\",\"kind\":\"IMPORT_KIND_AGENTS\"}", "id\nu3\n", 6, NULL, &d);
}

static void two_uploads_of_a_tenant_leave_room_for_others_GT_3_1_2(void **state)
{
	struct err_detail d = { 0 };
	int depth = 0;

	(void)state;
	err_t e = fixture_import_slowly(&fx, admin, HEAD(""), "id\nu4\n", 6, one_more, &depth, NULL, &d);
	if (e)
		fail_msg("%s %s", err_name(e), d.message);
	assert_int_equal(depth, 2);
}

static bool has_room(void *arg)
{
	(void)arg;
	return !upload(admin, HEAD(""), "id\nu5\n", 6, NULL, NULL);
}

static void an_upload_whose_peer_leaves_or_is_silent_gives_its_place_back_GT_3_1_2(void **state)
{
	struct err_detail d = { 0 };

	(void)state;
	for (int i = 0; i < 5; i++)
		assert_int_equal(fixture_import_slowly(&fx, admin, HEAD(""), "id\n", 3, leave, NULL, NULL, &d),
				 ERR_ABORTED);
	assert_true(testkit_wait(has_room, NULL, 20000));
	assert_int_equal(fixture_import_slowly(&fx, admin, HEAD(""), "id\n", 3, be_silent, NULL, NULL, &d),
			 ERR_TIMEOUT);
	assert_non_null(strstr(d.message, "nothing came for 5 s"));
}

/* Never silent for 5 s, but far below 100 bytes a second; then one that is slow and quick enough. */
static void an_upload_that_trickles_gives_its_place_back_GT_3_1_2(void **state)
{
	struct err_detail d = { 0 };
	char file[3000] = "id\nu6\n";
	int64_t began = clock_mono_ms();

	(void)state;
	memset(file + 6, '\n', sizeof(file) - 6);
	assert_int_equal(fixture_import_pieces(&fx, admin, HEAD(""), file, sizeof(file), 1, 1000, &d), ERR_TIMEOUT);
	assert_string_equal(d.field, "chunk");
	assert_non_null(strstr(d.message, "fewer than 100 bytes a second"));
	assert_in_range(clock_mono_ms() - began, IDLE_S * 1000 - 100, 4 * IDLE_S * 1000);
	d = (struct err_detail){ 0 };
	assert_int_equal(fixture_import_pieces(&fx, admin, HEAD(""), file, sizeof(file), 300, 900, &d), ERR_OK);
}

/* ---- many rows, and a service that dies over them ---- */

static void many_agents(struct str *file, const char *prefix, int n)
{
	str_reset(file);
	str_append(file, "id,display_name,password,skills\n");
	for (int i = 0; i < n; i++)
		str_printf(file, "%s%d,Agent number %d,password-%d,english:%d\n", prefix, i, i, i, 1 + i % 10);
}

static const char *begin(const char *header, const struct str *file)
{
	static struct str answer = STR_INIT;
	struct err_detail d = { 0 };

	str_reset(&answer);
	if (upload(admin, header, file->data, file->len, &answer, &d))
		fail_msg("%s %s", d.field, d.message);
	return fixture_field(str_text(&answer), "name");
}

static bool nothing_waits(void *arg)
{
	(void)arg;
	return strcmp(fixture_sql(&fx, "SELECT count(*) FROM tm.outbox"), "0") == 0;
}

/* The goal is 100,000 agents with passwords and skills in 60 s of CPU; IMPORT_ROWS measures so many. */
static void an_imported_agent_costs_less_than_600_us_of_cpu_GT_3_1_2(void **state)
{
	int n = getenv("IMPORT_ROWS") ? atoi(getenv("IMPORT_ROWS")) : 10000;
	struct str file = STR_INIT;

	(void)state;
	assert_true(testkit_wait(nothing_waits, NULL, 60000));
	many_agents(&file, "c-", n);
	int64_t service = fixture_cpu_ms(fx.proc.pid), postgres = fixture_cpu_ms(fx.pg.proc.pid);
	const char *m = run_bytes(HEAD(""), file.data, file.len);
	check(m, "state", "IMPORT_STATE_SUCCEEDED");
	/* With what of the publishing had begun, and who asked for the progress. */
	service = fixture_cpu_ms(fx.proc.pid) - service;
	postgres = fixture_cpu_ms(fx.pg.proc.pid) - postgres;
	print_message("%d agents: %lld ms of the service, %lld ms of PostgreSQL\n", n, (long long)service,
		      (long long)postgres);
	assert_true((service + postgres) * 1000 / n < 600);
	/* It is told to end in the midst of publishing them, and goes on with that at the next start. */
	fixture_service_stop(&fx, SIGTERM);
	fixture_service_start(&fx);
	str_done(&file);
}

static void killed_at_any_moment_an_import_is_applied_once_GT_3_1_2(void **state)
{
	struct str file = STR_INIT;
	char prefix[16], name[128], want[64];

	(void)state;
	for (int i = 0; i < 4; i++) {
		snprintf(prefix, sizeof(prefix), "k%d-", i);
		many_agents(&file, prefix, 2000);
		(void)str_copy(name, sizeof(name), begin(HEAD(""), &file));
		usleep((useconds_t)i * 150000);
		fixture_service_stop(&fx, SIGKILL);
		fixture_service_start(&fx);
		const char *m = ended(name);
		check(m, "state", "IMPORT_STATE_SUCCEEDED");
		check(m, "rowsApplied", "2000");
		snprintf(want, sizeof(want), "kind = 'agent' AND id LIKE 'k%d-%%'", i);
		assert_string_equal(count(want), "2000");
	}
	assert_string_equal(
	    fixture_sql(&fx,
			"SELECT count(*) FROM tm.audit WHERE tenant = 'acme' AND action = 'imports.apply' AND seq > "
			"(SELECT max(seq) - 8 FROM tm.audit WHERE tenant = 'acme')"),
	    "4");
	str_done(&file);
}

static void one_that_ends_the_service_again_and_again_is_given_up(void **state)
{
	struct str file = STR_INIT;
	char name[128], sql[300];

	(void)state;
	many_agents(&file, "p-", 3000);
	(void)str_copy(name, sizeof(name), begin(HEAD(""), &file));
	snprintf(
	    sql, sizeof(sql),
	    "UPDATE tm.import SET attempts = 5, state = 1, file = 'id' WHERE tenant = 'acme' AND id = %s RETURNING 1",
	    strrchr(name, '/') + 1);
	fixture_service_stop(&fx, SIGKILL);
	assert_string_equal(fixture_sql(&fx, sql), "1");
	fixture_service_start(&fx);
	check_has(ended(name), "given up");
	str_done(&file);
}

static void a_cancelled_import_writes_nothing_GT_3_1_2(void **state)
{
	struct str file = STR_INIT;
	char name[128], j[200];

	(void)state;
	many_agents(&file, "x-", 10000);
	(void)str_copy(name, sizeof(name), begin(HEAD(""), &file));
	snprintf(j, sizeof(j), "{\"name\":\"%s\"}", name);
	struct err_detail d = { 0 };
	err_t e = fixture_call(&fx, admin, "CancelImport", j, NULL, &d);
	/* It may have been quicker; then it says so. */
	const char *m = ended(name);
	check(m, "state", e ? "IMPORT_STATE_SUCCEEDED" : "IMPORT_STATE_CANCELLED");
	assert_string_equal(count("id LIKE 'x-%'"), e ? "10000" : "0");
	str_done(&file);
}

static void the_first_login_of_an_imported_agent_has_what_its_roles_give_GT_3(void **state)
{
	static const char login[] = "{\"tenant\":\"acme\",\"agentId\":\"role-1\",\"password\":\"correct horse\"}";

	(void)state;
	check(run(HEAD(""), "id,password\nrole-1,correct horse\n"), "state", "IMPORT_STATE_SUCCEEDED");
	(void)fixture_must(
	    &fx, admin, "UpdateAgent",
	    "{\"agent\":{\"name\":\"tenants/acme/agents/role-1\",\"enabled\":true,\"roles\":[\"supervisor\"]}}");
	check_has(fixture_must(&fx, NULL, "Login", login), "desk.supervise");
	check_has(fixture_must(&fx, NULL, "Login", login), "desk.supervise");
}

/* Each step of an import that says how far it is takes two seconds. */
#define SLOW                                                                                                         \
	"CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(2); RETURN NEW; " \
	"END'; "                                                                                                     \
	"CREATE TRIGGER slow BEFORE UPDATE OF rows_read ON tm.import FOR EACH ROW EXECUTE FUNCTION public.slow()"

static bool is(void *sql)
{
	return strcmp(fixture_sql(&fx, sql), "1") == 0;
}

/* Having written its rows an import stays for ten seconds before it commits. */
#define STAY                                                                                                          \
	"CREATE FUNCTION public.stay() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(10); RETURN NEW; " \
	"END'; "                                                                                                      \
	"CREATE TRIGGER stay BEFORE UPDATE OF file ON tm.import FOR EACH ROW WHEN (NEW.file IS NULL) EXECUTE "        \
	"FUNCTION public.stay()"

static void while_an_import_is_written_its_tenants_changes_are_refused_and_no_others_wait_GT_3_1_2(void **state)
{
	static const char skill[] = "{\"parent\":\"tenants/%s\",\"skillId\":\"meanwhile\",\"skill\":{}}";
	struct err_detail d = { 0 };
	struct str file = STR_INIT;
	char name[128], j[160];

	(void)state;
	(void)fixture_sql(&fx, STAY);
	many_agents(&file, "s-", 3);
	(void)str_copy(name, sizeof(name), begin(HEAD(""), &file));
	assert_true(testkit_wait(is, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'", 20000));
	snprintf(j, sizeof(j), skill, "acme");
	assert_int_equal(fixture_call(&fx, admin, "CreateSkill", j, NULL, &d), ERR_ABORTED);
	check_has(d.message, "an import of the tenant is being written");
	snprintf(j, sizeof(j), skill, "globex");
	(void)fixture_must(&fx, fx.operator_token, "CreateSkill", j);
	check(get(name), "state", "IMPORT_STATE_RUNNING");
	check(ended(name), "state", "IMPORT_STATE_SUCCEEDED");
	snprintf(j, sizeof(j), skill, "acme");
	(void)fixture_must(&fx, admin, "CreateSkill", j);
	(void)fixture_sql(&fx, "DROP FUNCTION public.stay() CASCADE");
	str_done(&file);
}

static void tenants_take_turns_whoever_has_begun_more_imports_before_GT_3_1_2d(void **state)
{
	static const char head[] = "{\"parent\":\"tenants/globex\",\"kind\":\"IMPORT_KIND_AGENTS\"}";
	struct str file = STR_INIT, answer = STR_INIT;
	struct err_detail d = { 0 };
	char second[128], others[128];

	(void)state;
	(void)fixture_sql(&fx, SLOW);
	many_agents(&file, "t1-", 3);
	(void)begin(HEAD(""), &file);
	str_reset(&file);
	many_agents(&file, "t2-", 3);
	(void)str_copy(second, sizeof(second), begin(HEAD(""), &file));
	if (upload(fx.operator_token, head, "id\nt3\n", strlen("id\nt3\n"), &answer, &d))
		fail_msg("%s %s", d.field, d.message);
	(void)str_copy(others, sizeof(others), fixture_field(str_text(&answer), "name"));
	check(ended(others), "state", "IMPORT_STATE_SUCCEEDED");
	check(get(second), "state", "IMPORT_STATE_RUNNING");
	check(ended(second), "state", "IMPORT_STATE_SUCCEEDED");
	(void)fixture_sql(&fx, "DROP FUNCTION public.slow() CASCADE");
	str_done(&answer);
	str_done(&file);
}

static void an_import_of_a_deleted_tenant_waits_for_its_way_back_GT_3_1_2(void **state)
{
	struct str file = STR_INIT;
	char name[128], claimed[200], left[200];

	(void)state;
	(void)fixture_sql(&fx, SLOW);
	many_agents(&file, "w-", 3);
	(void)str_copy(name, sizeof(name), begin(HEAD(""), &file));
	snprintf(claimed, sizeof(claimed), "SELECT count(*) FROM tm.import WHERE id = %s AND holder <> ''",
		 strrchr(name, '/') + 1);
	snprintf(left, sizeof(left), "SELECT count(*) FROM tm.import WHERE id = %s AND holder = ''",
		 strrchr(name, '/') + 1);
	assert_true(testkit_wait(is, claimed, 20000));
	(void)fixture_must(&fx, fx.operator_token, "DeleteTenant", "{\"name\":\"tenants/acme\"}");
	assert_true(testkit_wait(is, left, 20000));
	usleep(8000000); /* the importer looks every five seconds, when the lease is over after two */
	check(get(name), "state", "IMPORT_STATE_RUNNING");
	assert_true(is(left));
	assert_string_equal(count("id LIKE 'w-%'"), "0");
	(void)fixture_must(&fx, fx.operator_token, "UndeleteTenant", "{\"name\":\"tenants/acme\"}");
	check(ended(name), "state", "IMPORT_STATE_SUCCEEDED");
	assert_string_equal(count("id LIKE 'w-%'"), "3");
	(void)fixture_sql(&fx, "DROP FUNCTION public.slow() CASCADE");
	str_done(&file);
}

static void roles_are_not_for_tables_and_languages_are_GT_3(void **state)
{
	(void)state;
	const char *m = run(HEAD(""), "id,roles,language\nl1,supervisor,zh-Hant\n");
	check(m, "state", "IMPORT_STATE_SUCCEEDED");
	const char *a = fixture_must(&fx, admin, "GetAgent", "{\"name\":\"tenants/acme/agents/l1\"}");
	check(a, "language", "zh-Hant");
	assert_null(strstr(a, "supervisor"));
	refused(HEAD(",\"columns\":[{\"header\":\"r\",\"field\":\"roles\"}]"), "id,r\nl2,supervisor\n", ERR_INVALID,
		"header.columns[0].field", "'roles' is none of id");
	check_has(
	    run(HEAD(""), "id,language\nl3,tlh\n"),
	    "\"row\":2,\"column\":\"language\",\"field\":\"language\",\"message\":\"'tlh' is none of the languages");
}

static int set_up(void **state)
{
	*state = &fx;
	fx.more_config = "uploads:\n  idle_s: 5\n  min_bytes_per_s: 100\n";
	fixture_start(&fx);
	(void)fixture_must(&fx, fx.operator_token, "CreateTenant", "{\"tenantId\":\"acme\",\"tenant\":{}}");
	(void)fixture_must(&fx, fx.operator_token, "CreateTenant", "{\"tenantId\":\"globex\",\"tenant\":{}}");
	admin = fixture_token(&fx, "acme", "SCOPE_TENANT_ADMIN");
	(void)fixture_must(&fx, admin, "CreateSkill",
			   "{\"parent\":\"tenants/acme\",\"skillId\":\"english\",\"skill\":{}}");
	(void)fixture_must(&fx, admin, "CreateSkill",
			   "{\"parent\":\"tenants/acme\",\"skillId\":\"german\",\"skill\":{}}");
	(void)fixture_must(&fx, admin, "CreateQueue",
			   "{\"parent\":\"tenants/acme\",\"queueId\":\"sales\",\"queue\":{}}");
	(void)fixture_must(&fx, admin, "CreateCalendar",
			   "{\"parent\":\"tenants/acme\",\"calendarId\":\"office\",\"calendar\":{}}");
	(void)fixture_must(
	    &fx, fx.operator_token, "CreateNumber",
	    "{\"parent\":\"tenants/globex\",\"number\":{\"number\":\"4930999\",\"working\":{\"rejectStatus\":404}}}");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agents_from_csv_are_there_published_and_sign_in_GT_3_1_2),
		cmocka_unit_test(a_dry_run_says_all_and_writes_nothing_GT_3_1_2),
		cmocka_unit_test(one_bad_row_stops_everything_and_each_is_named_GT_3_1_2),
		cmocka_unit_test(good_rows_alone_are_written_when_that_is_asked_for_GT_3_1_2),
		cmocka_unit_test(columns_go_where_the_caller_says_GT_3_1_2),
		cmocka_unit_test(a_table_in_gb18030_is_read_as_such_GT_3_1_2),
		cmocka_unit_test(a_workbook_is_a_table_too_GT_3_1_2),
		cmocka_unit_test(numbers_go_where_their_cells_say_or_say_what_is_wrong_GT_3_1_2),
		cmocka_unit_test(a_quota_holds_for_an_import_as_a_whole_GT_3_1_2),
		cmocka_unit_test(to_others_the_imports_of_a_tenant_are_as_of_none_GT_3_1_2),
		cmocka_unit_test(a_repeated_import_is_one_and_the_audit_names_the_file_GT_3_1_2),
		cmocka_unit_test(two_uploads_of_a_tenant_leave_room_for_others_GT_3_1_2),
		cmocka_unit_test(an_upload_whose_peer_leaves_or_is_silent_gives_its_place_back_GT_3_1_2),
		cmocka_unit_test(an_upload_that_trickles_gives_its_place_back_GT_3_1_2),
		cmocka_unit_test(an_imported_agent_costs_less_than_600_us_of_cpu_GT_3_1_2),
		cmocka_unit_test(killed_at_any_moment_an_import_is_applied_once_GT_3_1_2),
		cmocka_unit_test(one_that_ends_the_service_again_and_again_is_given_up),
		cmocka_unit_test(a_cancelled_import_writes_nothing_GT_3_1_2),
		cmocka_unit_test(roles_are_not_for_tables_and_languages_are_GT_3),
		cmocka_unit_test(the_first_login_of_an_imported_agent_has_what_its_roles_give_GT_3),
		cmocka_unit_test(
		    while_an_import_is_written_its_tenants_changes_are_refused_and_no_others_wait_GT_3_1_2),
		cmocka_unit_test(tenants_take_turns_whoever_has_begun_more_imports_before_GT_3_1_2d),
		cmocka_unit_test(an_import_of_a_deleted_tenant_waits_for_its_way_back_GT_3_1_2),
	};

	return cmocka_run_group_tests(tests, set_up, fixture_tear_down);
}
