/* Flags and files become requests, answers become text: without any server. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/mem.h"
#include "catalog.h"
#include "docs.h"
#include "pbjson/pbjson.h"
#include "testkit/testkit.h"

static const ProtobufCMessageDescriptor *message(const char *noun)
{
	return catalog_message_of(catalog_resource(noun));
}

/* One flag; the JSON that came of it must be a message too. */
static const struct {
	const char *noun, *flag, *value, *json; /* NULL: refused */
} flags[] = {
	{ "queue", "display-name", "Sales", "{\"display_name\":\"Sales\"}" },
	{ "queue", "priority", "7", "{\"priority\":7}" },
	{ "queue", "priority", "many", NULL },
	{ "queue", "record", NULL, "{\"record\":true}" },
	{ "queue", "no-record", NULL, "{\"record\":false}" },
	{ "queue", "record", "perhaps", NULL },
	{ "queue", "wrap-up", "1m30s", "{\"wrap_up_ms\":90000}" },
	{ "queue", "wrap-up-ms", "250", "{\"wrap_up_ms\":250}" },
	{ "queue", "wrap-up", "soon", NULL },
	{ "queue", "skills", "german:5,english:2",
	  "{\"skills\":[{\"skill_id\":\"german\",\"level\":5},{\"skill_id\":\"english\",\"level\":2}]}" },
	{ "queue", "skills", "[{\"skillId\":\"german\"}]", "{\"skills\":[{\"skillId\":\"german\"}]}" },
	{ "queue", "skills", "[{", NULL },
	{ "queue", "skills", "a:1:2", NULL },
	{ "queue", "colour", "red", NULL },
	{ "trunk", "addresses", "192.0.2.1,2001:db8::/32", "{\"addresses\":[\"192.0.2.1\",\"2001:db8::/32\"]}" },
	{ "number", "working", "queue:sales", "{\"working\":{\"queue_id\":\"sales\"}}" },
	{ "number", "working", "reject:486", "{\"working\":{\"reject_status\":486}}" },
	{ "number", "working.flow-id", "main", "{\"working\":{\"flow_id\":\"main\"}}" },
	{ "number", "display-name.x", "y", NULL },
};

static void a_flag_becomes_the_field_it_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		const ProtobufCMessageDescriptor *desc = message(flags[i].noun);
		struct err_detail d = { 0 };
		json_t *o = json_object();
		ProtobufCMessage *msg = NULL;
		err_t e = fields_set(o, desc, flags[i].flag, flags[i].value, &d);
		char *text = json_dumps(o, JSON_COMPACT);

		if (!flags[i].json ? e != ERR_INVALID : e || strcmp(text, flags[i].json) != 0)
			fail_msg("--%s %s: %s %s: %s", flags[i].flag, flags[i].value, err_name(e), d.message, text);
		if (flags[i].json && pbjson_parse(&msg, desc, text, strlen(text), 0, &d))
			fail_msg("%s: %s: %s", text, d.field, d.message);
		if (msg)
			protobuf_c_message_free_unpacked(msg, NULL);
		free(text);
		json_decref(o);
	}
}

static void a_list_grows_with_each_flag(void **state)
{
	json_t *o = json_object();

	(void)state;
	assert_int_equal(fields_set(o, message("trunk"), "addresses", "192.0.2.1", NULL), ERR_OK);
	assert_int_equal(fields_set(o, message("trunk"), "addresses", "192.0.2.2", NULL), ERR_OK);
	assert_int_equal(json_array_size(json_object_get(o, "addresses")), 2);
	json_decref(o);
}

static void times_are_spans_or_moments(void **state)
{
	int64_t v, now = clock_wall_ms();

	(void)state;
	setenv("TZ", "Europe/Berlin", 1);
	assert_int_equal(fields_parse_ms("2026-07-01T12:00Z", &v), ERR_OK);
	assert_int_equal(v, 1782907200000);
	assert_int_equal(fields_parse_ms("2026-07-01T12:00", &v), ERR_OK);
	assert_int_equal(v, 1782900000000);
	assert_int_equal(fields_parse_ms("-2h", &v), ERR_OK);
	assert_in_range(v, now - 7201000, now - 7199000);
	assert_int_equal(fields_parse_ms("1.5h", &v), ERR_OK);
	assert_int_equal(v, 5400000);
	assert_int_equal(fields_parse_ms("today", &v), ERR_OK);
	assert_in_range(now - v, 0, 25 * 3600000);
	assert_int_equal(fields_parse_ms("5 apples", &v), ERR_INVALID);
	assert_int_equal(fields_parse_ms("", &v) == ERR_OK && v != 0, 0);
}

static void bytes_survive_base64(void **state)
{
	unsigned char bytes[256], *back;
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)i;
	for (size_t len = 0; len <= sizeof(bytes); len++) {
		json_t *text = fields_base64(bytes, len);

		assert_non_null(text);
		if (len) {
			assert_int_equal(fields_base64_decode(json_string_value(text), &back, &n), ERR_OK);
			assert_int_equal(n, len);
			assert_memory_equal(back, bytes, len);
			mem_free(back);
		}
		json_decref(text);
	}
	assert_int_equal(fields_base64_decode("a-b_", &back, &n), ERR_INVALID);
}

static const struct {
	const char *yaml, *json; /* NULL: refused */
} documents[] = {
	{ "a: 1\nb: [x, 'y', true, null, 2.5]\n", "[{\"a\":1,\"b\":[\"x\",\"y\",true,null,2.5]}]" },
	{ "number: +4930123\nid: 0815\n", "[{\"number\":\"+4930123\",\"id\":\"0815\"}]" },
	{ "- {kind: skill, id: a}\n---\nkind: queue\n", "[[{\"kind\":\"skill\",\"id\":\"a\"}],{\"kind\":\"queue\"}]" },
	{ "{\"a\": {\"b\": [1, \"2\"]}}", "[{\"a\":{\"b\":[1,\"2\"]}}]" },
	{ "a: 1\na: 2\n", NULL },
	{ "a: &x 1\nb: *x\n", NULL },
	{ "a: [1, 2\n", NULL },
};

static void files_are_yaml_or_json(void **state)
{
	char dir[TESTKIT_PATH], path[TESTKIT_PATH + 64];

	(void)state;
	testkit_dir(dir);
	for (size_t i = 0; i < ARRAY_SIZE(documents); i++) {
		struct err_detail d = { 0 };
		json_t *all = NULL;
		err_t e;
		char *text;

		testkit_file(dir, "f.yaml", documents[i].yaml, path);
		e = yaml_load(&all, path, &d);
		text = e ? NULL : json_dumps(all, JSON_COMPACT);
		if (!documents[i].json ? e != ERR_INVALID : e || strcmp(text, documents[i].json) != 0)
			fail_msg("%s → %s %s %s", documents[i].yaml, err_name(e), d.message, text);
		free(text);
		json_decref(all);
	}
}

/* What fn prints. */
static const char *printed(void (*fn)(const void *arg), const void *arg)
{
	static char text[4096];
	FILE *f = tmpfile();
	int before = dup(STDOUT_FILENO);
	size_t n;

	fflush(stdout);
	dup2(fileno(f), STDOUT_FILENO);
	fn(arg);
	fflush(stdout);
	dup2(before, STDOUT_FILENO);
	close(before);
	rewind(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

static void print_table(const void *arg)
{
	table_print(arg, "QUEUE=queue_id,WAIT=wait_ms:span,SL=kpis.sl:percent,STATE=state:word,TO=to:choice,OK=ok");
}

static void a_table_is_aligned_and_holds_no_terminal_commands(void **state)
{
	json_t *rows = json_loads(
	    "[{\"queue_id\":\"sales\",\"wait_ms\":\"65000\",\"kpis\":{\"sl\":0.875},\"state\":\"AGENT_STATE_ON_CALL\","
	    "\"to\":{\"flow_id\":\"main\"},\"ok\":true},"
	    "{\"queue_id\":\"\\u001b[2Jx\\ny\",\"wait_ms\":\"-1\",\"kpis\":{\"sl\":-1},\"ok\":false}]",
	    0, NULL);

	(void)state;
	assert_string_equal(printed(print_table, rows), "QUEUE    WAIT      SL  STATE    TO         OK\n"
							"sales    1:05  87.5 %  on-call  flow main  yes\n"
							" [2Jx y     -       -                      no\n");
	json_decref(rows);
}

static void print_one(const void *arg)
{
	show_message(arg);
}

static void a_message_is_shown_without_what_is_empty(void **state)
{
	json_t *m = json_loads("{\"id\":\"sales\",\"priority\":0,\"record\":true,\"etag\":\"\",\"wrap_up_ms\":\"5000\","
			       "\"skills\":[{\"skill_id\":\"german\",\"level\":5}]}",
			       0, NULL);

	(void)state;
	assert_string_equal(
	    printed(print_one, m),
	    "id: sales\nrecord: yes\nwrap_up_ms: 5000 (5.0 s)\nskills:\n  - skill_id: german\n    level: 5\n");
	json_decref(m);
}

static void a_command_line_is_split_by_what_the_verb_takes(void **state)
{
	char *argv[] = { "trunkline", "--tenant", "acme",	"queue", "create",
			 "sales",     "--record", "--priority", "3",	 "--json" };
	struct cli cli = { 0 };

	(void)state;
	unsetenv("TRUNKLINE_TENANT");
	assert_int_equal(cli_parse(&cli, ARRAY_SIZE(argv), argv, NULL), ERR_OK);
	assert_int_equal(cli.n_words, 3);
	assert_string_equal(cli.words[2], "sales");
	assert_string_equal(cli.tenant, "acme");
	assert_true(cli.json);
	assert_null(cli_flag(&cli, "record")->value); /* a switch eats no word */
	assert_string_equal(cli_flag(&cli, "priority")->value, "3");
	for (int i = 0; i < cli.n_flags; i++)
		free((char *)cli.flags[i].name);
	mem_free(cli.words);
	mem_free(cli.flags);
}

static void the_language_is_asked_for_as_the_environment_has_it_GT_3_1_2f(void **state)
{
	static const struct {
		const char *own, *all, *messages, *lang, *accept;
		enum text_language is;
	} rows[] = {
		{ "", "", "", "", NULL, TEXT_EN },
		{ "", "", "", "zh_TW.UTF-8", "zh-Hant", TEXT_ZH_HANT },
		{ "", "", "zh_CN.UTF-8", "zh_TW.UTF-8", "zh-Hans", TEXT_ZH_HANS },
		{ "", "C.UTF-8", "zh_CN.UTF-8", "zh_TW.UTF-8", NULL, TEXT_EN }, /* the services know the user's */
		{ "zh-HK", "en_US.UTF-8", "", "", "zh-Hant", TEXT_ZH_HANT },
		{ "en", "zh_CN.UTF-8", "", "", "en", TEXT_EN },
	};
	char *argv[] = { (char *)"trunkline", (char *)"whoami" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err_detail detail = { 0 };
		struct cli cli = { 0 };

		setenv("TRUNKLINE_LANGUAGE", rows[i].own, 1);
		setenv("LC_ALL", rows[i].all, 1);
		setenv("LC_MESSAGES", rows[i].messages, 1);
		setenv("LANG", rows[i].lang, 1);
		assert_int_equal(cli_parse(&cli, 2, argv, &detail), ERR_OK);
		assert_int_equal(cli.language, rows[i].is);
		assert_true(str_eq(cli.accept, rows[i].accept));
		mem_free(cli.words);
		mem_free(cli.flags);
	}
}

/* Each row must lead to a method that exists, and each list to a field of its answer. */
static void every_command_has_its_method(void **state)
{
	(void)state;
	for (const struct catalog_resource *r = catalog_resources; r->noun; r++)
		for (const char *const *verb = catalog_resource_verbs; *verb; verb++) {
			const struct catalog_verb *v = catalog_find(r->noun, *verb);

			if (v->run != run_apply && v->run != run_upload_prompt &&
			    !protobuf_c_service_descriptor_get_method_by_name(v->service, v->method))
				fail_msg("%s %s: no method %s", r->noun, *verb, v->method);
		}
	for (const struct catalog_verb *row = catalog_verbs; row->noun; row++) {
		const struct catalog_verb *v = catalog_find(row->noun, row->name);
		const ProtobufCMethodDescriptor *md = NULL;

		assert_true(catalog_is_noun(row->noun));
		if (v->method && !(md = protobuf_c_service_descriptor_get_method_by_name(v->service, v->method)))
			fail_msg("%s %s: no method %s", v->noun, v->name, v->method);
		if (v->list && md && !protobuf_c_message_descriptor_get_field_by_name(md->output, v->list))
			fail_msg("%s %s: no field %s", v->noun, v->name, v->list);
	}
}

static void the_help_of_an_option_is_the_comment_of_its_field(void **state)
{
	char buf[200];

	(void)state;
	assert_string_equal(docs_field(message("queue"), "max_wait_ms", buf, sizeof(buf)), "0: none");
	assert_string_equal(docs_field(message("queue"), "nothing", buf, sizeof(buf)), "");
	assert_non_null(strstr(docs_method(service_desk(), "SetReady", buf, sizeof(buf)), "Calls may come."));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flag_becomes_the_field_it_names),
		cmocka_unit_test(a_list_grows_with_each_flag),
		cmocka_unit_test(times_are_spans_or_moments),
		cmocka_unit_test(bytes_survive_base64),
		cmocka_unit_test(files_are_yaml_or_json),
		cmocka_unit_test(a_table_is_aligned_and_holds_no_terminal_commands),
		cmocka_unit_test(a_message_is_shown_without_what_is_empty),
		cmocka_unit_test(a_command_line_is_split_by_what_the_verb_takes),
		cmocka_unit_test(the_language_is_asked_for_as_the_environment_has_it_GT_3_1_2f),
		cmocka_unit_test(every_command_has_its_method),
		cmocka_unit_test(the_help_of_an_option_is_the_comment_of_its_field),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
