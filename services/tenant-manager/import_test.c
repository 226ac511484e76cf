/* Imports, the pure part: columns, rows, tables; what is wrong is named by row, column and field. */
#include "import_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "base/str.h"
#include "trunkline/config/v1/config.pb-c.h"

typedef Trunkline__Config__V1__Agent agent;
typedef Trunkline__Config__V1__Number number;

/* ---- columns ---- */

static void headers_are_told_without_regard_to_how_they_are_written(void **state)
{
	static const char *const header[] = { "Agent ID", "DISPLAY-NAME", "",
					      "notes",	  "密码",	  "auto ready after wrap up" };
	struct import_columns c;

	(void)state;
	assert_int_equal(import_columns_make(&c, IMPORT_AGENTS, header, ARRAY_SIZE(header), NULL, 0, NULL), ERR_OK);
	const char *const names[] = { "id", "display_name", NULL, NULL, "password", "auto_ready_after_wrap_up" };
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!names[i])
			assert_int_equal(c.field[i], -1);
		else
			assert_string_equal(import_fields(IMPORT_AGENTS)[c.field[i]].name, names[i]);
	}
	assert_int_equal(c.column[import_field_find(IMPORT_AGENTS, "enabled")], -1);
}

static void a_mapping_that_does_not_fit_says_why(void **state)
{
	static const struct {
		const char *header[3];
		struct import_wanted wanted;
		const char *field, *message;
	} rows[] = {
		{ { "name" }, { NULL }, "columns", "no column is id" },
		{ { "id", "agent" }, { NULL }, "columns", "'id' and 'agent' are both id" },
		{ { "id", "x" }, { "y", "password" }, "columns[0].header", "there is no column 'y'" },
		{ { "id" }, { "id", "-" }, "columns", "no column is id" },
	};
	struct import_columns c;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err_detail d = { 0 };
		size_t n = 0;

		while (n < 3 && rows[i].header[n])
			n++;
		err_t e = import_columns_make(&c, IMPORT_AGENTS, rows[i].header, n, &rows[i].wanted,
					      rows[i].wanted.header != NULL, &d);
		if (e != ERR_INVALID || strcmp(d.field, rows[i].field) != 0 || !strstr(d.message, rows[i].message))
			fail_msg("%zu: %s %s: %s", i, err_name(e), d.field, d.message);
	}
}

static void a_wanted_field_is_one_of_the_kinds(void **state)
{
	struct import_wanted good = { "Nr", "number" }, bad = { "Nr", "id" }, empty = { "", "number" },
			     roles = { "Nr", "roles" };
	struct err_detail d = { 0 };

	(void)state;
	assert_int_equal(import_wanted_check(IMPORT_NUMBERS, &good, 1, &d), ERR_OK);
	assert_int_equal(import_wanted_check(IMPORT_NUMBERS, &bad, 1, &d), ERR_INVALID);
	assert_string_equal(d.field, "columns[0].field");
	assert_non_null(strstr(d.message, "number, display_name, calendar_id"));
	assert_int_equal(import_wanted_check(IMPORT_AGENTS, &roles, 1, &d), ERR_INVALID);
	assert_int_equal(import_wanted_check(IMPORT_NUMBERS, &empty, 1, &d), ERR_INVALID);
	assert_string_equal(d.field, "columns[0].header");
}

/* ---- tables ---- */

static struct import_table *read_table(enum import_kind kind, const char *csv, err_t want)
{
	struct import_table_params p = { .kind = kind, .bytes = csv, .tenant = "acme", .realm = "acme.example" };
	struct import_table *t = mem_zalloc(sizeof(*t));
	struct err_detail d = { 0 };

	assert_non_null(t);
	assert_non_null(csv);
	p.size = strlen(csv);
	err_t e = import_table_read(t, &p, &d);
	if (e != want)
		fail_msg("%s %s: %s", err_name(e), d.field, d.message);
	return t;
}

static void free_table(struct import_table *t)
{
	import_table_done(t);
	mem_free(t);
}

static void *unpack(const struct import_row *row, const ProtobufCMessageDescriptor *desc)
{
	ProtobufCMessage *m = protobuf_c_message_unpack(desc, NULL, row->size, row->body);

	assert_non_null(m);
	return m;
}

static void a_row_becomes_an_agent(void **state)
{
	(void)state;
	struct import_table *t = read_table(IMPORT_AGENTS,
					    "id,name,password,enabled,skills,auto ready,language,roles\n"
					    " 1001 ,Li Mei,abcdefgh,,\" english:5 ; sales: 3,\",x,zh-Hant,supervisor\n"
					    "1002,,,否,,\n",
					    ERR_OK);
	assert_int_equal(t->n_rows, 2);
	agent *a = unpack(&t->rows[0], &trunkline__config__v1__agent__descriptor);
	assert_string_equal(a->tenant, "acme");
	assert_string_equal(a->id, "1001");
	assert_string_equal(a->display_name, "Li Mei");
	assert_true(a->enabled);
	assert_true(a->auto_ready_after_wrap_up);
	assert_int_equal(a->n_skills, 2);
	assert_string_equal(a->skills[0]->skill_id, "english");
	assert_int_equal(a->skills[0]->level, 5);
	assert_string_equal(a->ha1_md5, "2e45a6b6ea80bce22fa37f2f8155f520"); /* of 1001:acme.example:abcdefgh */
	assert_int_equal(strlen(a->ha1_sha256), 64);
	assert_string_equal(a->password, "");
	assert_string_equal(a->language, "zh-Hant");
	assert_int_equal(a->n_roles, 0); /* nobody gives more than he has (GT-3) */
	assert_true(t->rows[0].has_password);
	protobuf_c_message_free_unpacked(&a->base, NULL);
	a = unpack(&t->rows[1], &trunkline__config__v1__agent__descriptor);
	assert_false(a->enabled);
	assert_false(t->rows[1].has_password);
	assert_string_equal(a->ha1_md5, "");
	protobuf_c_message_free_unpacked(&a->base, NULL);
	assert_int_equal(t->n_refs, 2);
	assert_string_equal(t->refs[1].id, "sales");
	assert_string_equal(t->refs[1].path, "skills[1].skill_id");
	assert_int_equal(t->refs[1].row, 0);
	free_table(t);
}

static void a_row_becomes_a_number(void **state)
{
	(void)state;
	struct import_table *t = read_table(IMPORT_NUMBERS,
					    "number,working,other,calendar,force,forced\n"
					    "+4930123,Flow:main,reject:480,office,yes,agent: 1001\n",
					    ERR_OK);
	assert_int_equal(t->n_rows, 1);
	assert_string_equal(t->rows[0].key, "4930123");
	number *n = unpack(&t->rows[0], &trunkline__config__v1__number__descriptor);
	assert_string_equal(n->working->flow_id, "main");
	assert_int_equal(n->other->reject_status, 480);
	assert_int_equal(n->forced->to_case, TRUNKLINE__CONFIG__V1__TARGET__TO_AGENT_ID);
	assert_string_equal(n->forced->agent_id, "1001");
	assert_true(n->force);
	protobuf_c_message_free_unpacked(&n->base, NULL);
	assert_int_equal(t->n_refs, 3);
	free_table(t);
}

static void what_is_wrong_is_named_by_row_column_and_field(void **state)
{
	static const struct {
		enum import_kind kind;
		const char *csv;
		unsigned row;
		const char *column, *field, *message;
	} rows[] = {
		{ IMPORT_AGENTS, "Agent\nA B\n", 2, "Agent", "id", "'A B' is no id" },
		{ IMPORT_AGENTS, "id,name\n\n\n,Nobody\n", 4, "id", "id", "'' is no id" },
		{ IMPORT_AGENTS, "id,password\n1,short\n", 2, "password", "password", "5 bytes long; 8 to 128" },
		{ IMPORT_AGENTS, "id,enabled\n1,maybe\n", 2, "enabled", "enabled", "'maybe' is neither yes nor no" },
		{ IMPORT_AGENTS, "id,skills\n1,english\n", 2, "skills", "skills[0]", "such as english:5" },
		{ IMPORT_AGENTS, "id,skills\n1,a:1;b:11\n", 2, "skills", "skills[1]", "level from 1 to 10" },
		{ IMPORT_AGENTS, "id,skills\n1,a:1;a:2\n", 2, "skills", "skills[1].skill_id", "'a' is there twice" },
		{ IMPORT_AGENTS, "id,language\n1,tlh\n", 2, "language", "language", "none of the languages" },
		{ IMPORT_AGENTS, "id\n1\n1\n", 3, "id", "id", "row 2 has it, too" },
		{ IMPORT_NUMBERS, "number,working\n+1,reject:404\n1,reject:404\n", 3, "number", "number",
		  "row 2 has it, too" },
		{ IMPORT_NUMBERS, "number,working\nabc,reject:404\n", 2, "number", "number", "'abc' is no number" },
		{ IMPORT_NUMBERS, "number,working\n1,reject:200\n", 2, "working", "working",
		  "no SIP status from 400 to 699" },
		{ IMPORT_NUMBERS, "number,working\n1,queue\n", 2, "working", "working", "none of flow:ID" },
		{ IMPORT_NUMBERS, "number,working\n1,skill:x\n", 2, "working", "working", "none of flow:ID" },
		{ IMPORT_NUMBERS, "number,working\n1,queue:A B\n", 2, "working", "working.queue_id", "'A B' is no id" },
		{ IMPORT_NUMBERS, "number,working\n1,\n", 2, "working", "working", "missing" },
		{ IMPORT_NUMBERS, "number,working,calendar\n1,queue:a,c\n", 2, "", "other", "missing" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct import_table *t = read_table(rows[i].kind, rows[i].csv, ERR_OK);
		const struct import_error *e = &t->errors[0];

		if (t->n_errors != 1 || t->n_bad != 1 || e->row != rows[i].row ||
		    strcmp(e->column, rows[i].column) != 0 || strcmp(e->why->field, rows[i].field) != 0 ||
		    !strstr(e->why->message, rows[i].message))
			fail_msg("%zu: %zu errors: row %u column '%s' field '%s': %s", i, t->n_errors, e->row,
				 e->column, e->why->field, e->why->message);
		free_table(t);
	}
}

static void a_cell_that_is_quoted_and_cut_leaves_whole_characters(void **state)
{
	(void)state;
	struct import_table *t = read_table(IMPORT_AGENTS,
					    "id\nx李梅李梅李梅李梅李梅李梅李梅李梅李梅李梅李梅李梅李梅李梅\n"
					    "xx李梅李梅李梅李梅李梅李梅李梅李梅李梅李梅李梅李梅李梅李梅\n",
					    ERR_OK);
	assert_int_equal(t->n_errors, 2);
	for (size_t i = 0; i < t->n_errors; i++)
		assert_true(str_utf8_valid(t->errors[i].why->message, strlen(t->errors[i].why->message)));
	free_table(t);
}

static void a_table_without_rows_is_none(void **state)
{
	(void)state;
	free_table(read_table(IMPORT_AGENTS, "", ERR_INVALID));
	free_table(read_table(IMPORT_AGENTS, "id,name\n", ERR_INVALID));
}

static void what_is_found_out_later_stands_in_the_order_of_the_file(void **state)
{
	(void)state;
	struct err_detail why = { .field = "id", .message = "is there" };
	struct import_table *t = read_table(IMPORT_AGENTS, "id\na\nB\nc\n", ERR_OK);
	assert_int_equal(import_table_bad(t, import_table_find(t, "c"), &why), ERR_OK);
	assert_int_equal(import_table_bad(t, import_table_find(t, "a"), &why), ERR_OK);
	assert_int_equal(import_table_bad(t, import_table_find(t, "a"), &why), ERR_OK);
	assert_null(import_table_find(t, "B"));
	import_table_sort(t);
	assert_int_equal(t->n_bad, 3);
	assert_int_equal(t->n_errors, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(t->errors[i].row, i + 2);
	free_table(t);
}

static void errors_and_preview_are_bounded_and_show_no_password(void **state)
{
	struct str csv = STR_INIT;

	(void)state;
	str_append(&csv, "id,password\n");
	for (int i = 0; i < IMPORT_ERRORS_MAX + 50; i++)
		str_append(&csv, "A,geheim\n");
	struct import_table *t = read_table(IMPORT_AGENTS, csv.data, ERR_OK);
	assert_int_equal(t->n_bad, IMPORT_ERRORS_MAX + 50);
	assert_int_equal(t->n_errors, IMPORT_ERRORS_MAX);
	assert_int_equal(t->n_preview, IMPORT_PREVIEW_MAX);
	assert_string_equal(t->preview[0].cells[0], "A");
	assert_string_equal(t->preview[0].cells[1], "***");
	for (size_t i = 0; i < t->n_errors; i++)
		assert_null(strstr(t->errors[i].why->message, "geheim"));
	free_table(t);
	str_done(&csv);
}

static void only_columns_that_are_known_stand_in_the_preview(void **state)
{
	struct import_table_params p = { .kind = IMPORT_AGENTS, .tenant = "acme", .realm = "acme.example" };
	static const struct import_wanted none = { "password", "-" };
	static const char csv[] =
	    "id,pwd,Passwort,口令,password,name\n1,geheim-1,geheim-2,geheim-3,geheim-4,Li,geheim-5\n";
	struct import_table *t = mem_zalloc(sizeof(*t));
	struct err_detail d = { 0 };

	(void)state;
	assert_non_null(t);
	p.bytes = csv;
	p.size = sizeof(csv) - 1;
	p.wanted = &none;
	p.n_wanted = 1;
	assert_int_equal(import_table_read(t, &p, &d), ERR_OK);
	static const char *const cells[] = { "1", "", "", "", "", "Li", "" };
	assert_int_equal(t->preview[0].n, ARRAY_SIZE(cells));
	for (size_t i = 0; i < ARRAY_SIZE(cells); i++)
		assert_string_equal(t->preview[0].cells[i], cells[i]);
	free_table(t);
}

/* n agents, each with this text as its name, and these skills. */
static void check_too_much(int n, const char *name, const char *skills, const char *message)
{
	struct import_table_params p = { .kind = IMPORT_AGENTS, .tenant = "acme", .realm = "acme.example" };
	struct import_table *t = mem_zalloc(sizeof(*t));
	struct err_detail d = { 0 };
	struct str csv = STR_INIT;

	assert_non_null(t);
	str_append(&csv, "id,name,skills\n");
	for (int i = 0; i < n; i++)
		str_printf(&csv, "%d,%s,\"%s\"\n", i, name, skills);
	assert_false(csv.failed);
	p.bytes = csv.data;
	p.size = csv.len;
	err_t e = import_table_read(t, &p, &d);
	if (e != ERR_EXHAUSTED || strcmp(d.field, "file") != 0 || !strstr(d.message, message))
		fail_msg("%s %s: %s", err_name(e), d.field, d.message);
	free_table(t);
	str_done(&csv);
}

static void a_table_of_more_references_than_memory_is_for_is_refused(void **state)
{
	struct str skills = STR_INIT;

	(void)state;
	for (int i = 0; i < 100; i++)
		str_printf(&skills, "%c%c:1;", 'a' + i / 10, 'a' + i % 10);
	check_too_much(10001, "x", skills.data, "more than 1000000 skills and targets");
	str_done(&skills);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_are_told_without_regard_to_how_they_are_written),
		cmocka_unit_test(a_mapping_that_does_not_fit_says_why),
		cmocka_unit_test(a_wanted_field_is_one_of_the_kinds),
		cmocka_unit_test(a_row_becomes_an_agent),
		cmocka_unit_test(a_row_becomes_a_number),
		cmocka_unit_test(what_is_wrong_is_named_by_row_column_and_field),
		cmocka_unit_test(a_cell_that_is_quoted_and_cut_leaves_whole_characters),
		cmocka_unit_test(a_table_without_rows_is_none),
		cmocka_unit_test(what_is_found_out_later_stands_in_the_order_of_the_file),
		cmocka_unit_test(only_columns_that_are_known_stand_in_the_preview),
		cmocka_unit_test(a_table_of_more_references_than_memory_is_for_is_refused),
		cmocka_unit_test(errors_and_preview_are_bounded_and_show_no_password),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
