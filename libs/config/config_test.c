#include "config_internal.h"
#include "base/str.h"
#include "testkit/cmocka_all.h"
#include "testkit/testkit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct media_config {
	int64_t port_min;
	bool record;
	char *address;
	char *key;
	int64_t deep;
};

static const struct config_item media_items[] = {
	CONFIG_INT(struct media_config, port_min, "rtp.port_min", 20000, 1024, 65534, "first RTP port (even)"),
	CONFIG_BOOL(struct media_config, record, "record", true, "record every call"),
	CONFIG_STR(struct media_config, address, "rtp.address", "127.0.0.1", "address in SDP"),
	{ CONFIG_TYPE_STR, "key", offsetof(struct media_config, key), 0, 0, 0, NULL, CONFIG_SECRET, "a key" },
	CONFIG_INT(struct media_config, deep, "rtp.jitter.max_ms", 200, 0, 1000, "jitter buffer"),
	CONFIG_END
};

struct common_config {
	char *instance;
	int64_t http_port;
};

static const struct config_item common_items[] = {
	CONFIG_STR_REQUIRED(struct common_config, instance, "instance", "name of this instance"),
	CONFIG_INT(struct common_config, http_port, "http.port", 0, 0, 65535, "health port"), CONFIG_END
};

static struct media_config media;
static struct common_config common;
static const struct config_table tables[] = { { common_items, &common }, { media_items, &media } };
static struct err_detail detail;
static char dir[TESTKIT_PATH];

static err_t load(const char *yaml)
{
	char path[TESTKIT_PATH + 64];

	if (!dir[0])
		testkit_dir(dir);
	memset(&detail, 0, sizeof(detail));
	return config_load(tables, 2, testkit_file(dir, "config.yaml", yaml, path), &detail);
}

static void defaults_then_the_file_then_the_environment(void **state)
{
	UNUSED(state);
	setenv("TRUNKLINE_RTP_PORT_MIN", "40000", 1);
	setenv("TRUNKLINE_RECORD", "false", 1);
	assert_int_equal(load("instance: media-1\nrtp:\n  port_min: 30000\n  jitter: { max_ms: 7 }\n"), ERR_OK);
	unsetenv("TRUNKLINE_RTP_PORT_MIN");
	unsetenv("TRUNKLINE_RECORD");
	assert_string_equal(common.instance, "media-1");
	assert_int_equal(common.http_port, 0);
	assert_int_equal(media.port_min, 40000);
	assert_false(media.record);
	assert_string_equal(media.address, "127.0.0.1");
	assert_string_equal(media.key, "");
	assert_int_equal(media.deep, 7);
	config_free(tables, 2);
	assert_null(media.address);
	config_free(tables, 2);
}

static void everything_may_come_from_the_environment(void **state)
{
	UNUSED(state);
	setenv("TRUNKLINE_INSTANCE", "env-1", 1);
	assert_int_equal(config_load(tables, 2, NULL, &detail), ERR_OK);
	unsetenv("TRUNKLINE_INSTANCE");
	assert_string_equal(common.instance, "env-1");
	config_free(tables, 2);
}

static void mistakes_name_the_setting_the_line_and_what_is_right(void **state)
{
	static const struct {
		const char *yaml, *field, *message;
	} rows[] = {
		{ "instance: a\nrpt:\n  port_min: 1\n", "rpt",
		  "line 2: unknown setting; --print-config-reference lists all" },
		{ "instance: a\nrtp:\n  prt: 1\n", "rtp.prt",
		  "line 3: unknown setting; --print-config-reference lists all" },
		{ "instance: a\nrtp:\n  port_min: 80\n", "rtp.port_min",
		  "line 3: \"80\" is not allowed; an integer from 1024 to 65534" },
		{ "instance: a\nrtp:\n  port_min: many\n", "rtp.port_min",
		  "line 3: \"many\" is not allowed; an integer from 1024 to 65534" },
		{ "instance: a\nrecord: yes\n", "record", "line 2: \"yes\" is not allowed; true or false" },
		{ "instance: a\nrtp: 5\n", "rtp", "line 2: is a section with settings below it, not a value" },
		{ "instance: a\nrecord: { x: 1 }\n", "record", "line 2: takes a value, not a section" },
		{ "instance: a\nrecord: [ true ]\n", "record", "line 2: a list is not allowed here" },
		{ "instance: a\nrecord: true\nrecord: true\n", "record", "line 3: is set twice" },
		{ "record: true\n", "instance",
		  "is required: set it in the file or by TRUNKLINE_INSTANCE (name of this instance)" },
		{ "instance: &a x\nrtp:\n  address: *a\n", "rtp.address", "line 3: aliases are not supported" },
		{ "instance: a\n---\ninstance: b\n", "", "line 2: only one YAML document is allowed" },
		{ "just text\n", "", "line 1: the file must be a map of settings (key: value)" },
		{ "- a\n", "", "line 1: a list is not allowed here" },
		{ "{ a: 1 }: x\n", "", "line 1: a map cannot be a key" },
		{ "instance: \"a\\0b\"\n", "instance", "line 1: a NUL character is not allowed" },
		{ "instance: 'a\n", "instance", "line 2: not valid YAML: found unexpected end of stream" },
	};

	UNUSED(state);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(load(rows[i].yaml), ERR_INVALID);
		assert_string_equal(detail.field, rows[i].field);
		assert_string_equal(detail.message, rows[i].message);
		assert_null(common.instance);
		assert_null(media.address);
	}
}

static void a_wrong_variable_of_the_environment_is_named(void **state)
{
	UNUSED(state);
	setenv("TRUNKLINE_HTTP_PORT", "http", 1);
	assert_int_equal(load("instance: a\n"), ERR_INVALID);
	unsetenv("TRUNKLINE_HTTP_PORT");
	assert_string_equal(detail.field, "http.port");
	assert_string_equal(detail.message, "TRUNKLINE_HTTP_PORT: \"http\" is not allowed; an integer from 0 to 65535");
}

static void a_missing_file_is_named(void **state)
{
	UNUSED(state);
	assert_int_equal(config_load(tables, 2, "/nonexistent/trunkline.yaml", &detail), ERR_NOT_FOUND);
	assert_string_equal(detail.field, "/nonexistent/trunkline.yaml");
}

static void an_empty_file_and_empty_sections_are_fine(void **state)
{
	UNUSED(state);
	setenv("TRUNKLINE_INSTANCE", "a", 1);
	assert_int_equal(load(""), ERR_OK);
	config_free(tables, 2);
	assert_int_equal(load("# nothing\n"), ERR_OK);
	config_free(tables, 2);
	assert_int_equal(load("rtp:\n  # port_min: 1\nrecord: true\n"), ERR_OK);
	config_free(tables, 2);
	unsetenv("TRUNKLINE_INSTANCE");
}

static void a_deep_or_endless_file_is_refused(void **state)
{
	struct str s = STR_INIT;

	UNUSED(state);
	for (int i = 0; i < 10000; i++)
		str_append(&s, "{rtp: ");
	assert_int_equal(load(str_text(&s)), ERR_INVALID);
	str_reset(&s);
	str_append(&s, "instance: a\nrtp: {");
	for (int i = 0; i < CONFIG_MAX_FILE / 8; i++)
		str_append(&s, "        ");
	assert_int_equal(load(str_text(&s)), ERR_INVALID);
	assert_string_equal(detail.message, "is larger than 1048576 bytes");
	str_done(&s);
}

static err_t load_once(void *arg)
{
	err_t e = config_load(tables, 2, arg, NULL);

	if (!e)
		config_free(tables, 2);
	return e;
}

static void loading_without_memory_says_so(void **state)
{
	char path[TESTKIT_PATH + 64];

	UNUSED(state);
	testkit_file(dir, "config.yaml", "instance: a\nrtp:\n  address: 10.0.0.1\n", path);
	testkit_each_alloc_failure(load_once, path);
}

static char *print(void (*fn)(const struct config_table *, size_t, FILE *))
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	fn(tables, 2, f);
	fclose(f);
	return text;
}

static void the_sample_is_a_file_with_every_default(void **state)
{
	char *sample = print(config_print_sample);

	UNUSED(state);
	assert_string_equal(sample, "# name of this instance (text, required)\ninstance: \"\"\n"
				    "\nhttp:\n  # health port (integer, 0 to 65535)\n  port: 0\n"
				    "\nrtp:\n  # first RTP port (even) (integer, 1024 to 65534)\n  port_min: 20000\n"
				    "  # address in SDP (text)\n  address: \"127.0.0.1\"\n"
				    "  jitter:\n    # jitter buffer (integer, 0 to 1000)\n    max_ms: 200\n"
				    "# record every call (true or false)\nrecord: true\n"
				    "# a key (text, secret)\nkey: \"\"\n");
	setenv("TRUNKLINE_INSTANCE", "a", 1);
	assert_int_equal(load(sample), ERR_OK);
	unsetenv("TRUNKLINE_INSTANCE");
	assert_int_equal(media.port_min, 20000);
	config_free(tables, 2);
	free(sample);
}

static void the_reference_lists_every_setting(void **state)
{
	char *page = print(config_print_reference);

	UNUSED(state);
	assert_non_null(strstr(
	    page,
	    "| `rtp.jitter.max_ms` | jitter buffer | integer, 0 to 1000 | `200` | `TRUNKLINE_RTP_JITTER_MAX_MS` |\n"));
	assert_non_null(
	    strstr(page, "| `instance` | name of this instance | text, required | `\"\"` | `TRUNKLINE_INSTANCE` |\n"));
	free(page);
}

static void a_secret_is_not_shown_in_its_error(void **state)
{
	static const struct config_item items[] = { { CONFIG_TYPE_INT, "pin", offsetof(struct media_config, port_min),
						      0, 0, 9, NULL, CONFIG_SECRET, "a pin" },
						    CONFIG_END };
	const struct config_table t = { items, &media };

	UNUSED(state);
	assert_int_equal(config_parse(&t, 1, "pin: 4711", 9, &detail), ERR_INVALID);
	assert_null(strstr(detail.message, "4711"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_then_the_file_then_the_environment),
		cmocka_unit_test(everything_may_come_from_the_environment),
		cmocka_unit_test(mistakes_name_the_setting_the_line_and_what_is_right),
		cmocka_unit_test(a_wrong_variable_of_the_environment_is_named),
		cmocka_unit_test(a_missing_file_is_named),
		cmocka_unit_test(an_empty_file_and_empty_sections_are_fine),
		cmocka_unit_test(a_deep_or_endless_file_is_refused),
		cmocka_unit_test(loading_without_memory_says_so),
		cmocka_unit_test(the_sample_is_a_file_with_every_default),
		cmocka_unit_test(the_reference_lists_every_setting),
		cmocka_unit_test(a_secret_is_not_shown_in_its_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
