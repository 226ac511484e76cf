/* Filters of lists (AIP-160): what matches, and what is refused with a reason. */
#include "filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/err.h"
#include "pbjson/pbjson.h"
#include "testkit/testkit.h"
#include "trunkline/config/v1/config.pb-c.h"

static ProtobufCMessage *parse(const ProtobufCMessageDescriptor *desc, const char *json)
{
	ProtobufCMessage *m;
	struct err_detail d = { 0 };

	if (pbjson_parse(&m, desc, json, strlen(json), 0, &d))
		testkit_die("%s: %s %s", json, d.field, d.message);
	return m;
}

#define AGENT &trunkline__config__v1__agent__descriptor

static void filters_find_what_they_say(void **state)
{
	static const struct {
		const char *filter;
		bool matches;
	} rows[] = {
		{ "", true },
		{ "  ", true },
		{ "id = 1001", true },
		{ "id=\"1001\"", true },
		{ "id != 1001", false },
		{ "NOT id = 1001", false },
		{ "id = 10*", true },
		{ "id = *01", true },
		{ "id = 1*0*1", true },
		{ "id = 2*", false },
		{ "display_name = \"zhang *\"", true },
		{ "display_name : wei", true },
		{ "display_name : \"g w\"", true },
		{ "display_name : \"\\\"the wall\\\"\"", true },
		{ "display_name : Li", false },
		{ "enabled = true", true },
		{ "enabled = false", false },
		{ "skills.skill_id = english", true },
		{ "skills.skill_id = chess AND skills.level >= 9", true },
		{ "skills.level > 9", false },
		{ "skills.level < 4 AND enabled=true AND id = 1*", true },
		{ "skills.level < 4 AND enabled=true AND id = 2*", false },
		{ "skills.skill_id != english", true }, /* any other */
		{ "NOT skills.skill_id = english", false },
		{ "skills:*", true },
		{ "tenant:*", false },
		{ "NOT tenant:*", true },
		{ "version = 0", true },
	};
	ProtobufCMessage *m =
	    parse(AGENT, "{\"id\":\"1001\",\"displayName\":\"Zhang Wei \\\"The Wall\\\"\",\"enabled\":true,\"skills\":["
			 "{\"skillId\":\"english\",\"level\":3},{\"skillId\":\"chess\",\"level\":9}]}");
	struct err_detail d = { 0 };
	struct filter f;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (filter_parse(&f, rows[i].filter, AGENT, &d))
			fail_msg("%s: %s", rows[i].filter, d.message);
		if (filter_match(&f, m) != rows[i].matches)
			fail_msg("%s: %s", rows[i].filter, rows[i].matches ? "should match" : "should not match");
	}
	protobuf_c_message_free_unpacked(m, NULL);
}

static void members_of_a_oneof_are_there_when_they_are_set(void **state)
{
	ProtobufCMessage *m =
	    parse(&trunkline__config__v1__number__descriptor,
		  "{\"number\":\"12\",\"working\":{\"queueId\":\"sales\"},\"other\":{\"rejectStatus\":480}}");
	struct err_detail d;
	struct filter f;

	(void)state;
	assert_int_equal(filter_parse(&f, "working.queue_id = sales AND other.reject_status >= 480", m->descriptor, &d),
			 ERR_OK);
	assert_true(filter_match(&f, m));
	assert_int_equal(filter_parse(&f, "working.flow_id = *", m->descriptor, &d), ERR_OK);
	assert_false(filter_match(&f, m));
	assert_int_equal(filter_parse(&f, "forced.queue_id = sales", m->descriptor, &d), ERR_OK);
	assert_false(filter_match(&f, m));
	protobuf_c_message_free_unpacked(m, NULL);
}

static void what_is_no_filter_is_refused_with_a_reason(void **state)
{
	static const struct {
		const char *filter, *text;
	} rows[] = {
		{ "nothing = 1", "'nothing' is no field of Agent" },
		{ "id", "one of =" },
		{ "id =", "a value is wanted" },
		{ "id = \"1", "a closing \"" },
		{ "id = 1 OR id = 2", "AND is wanted" },
		{ "id = 1 AND", "a field is wanted" },
		{ "AND", "a field is wanted" },
		{ "(id = 1)", "a field is wanted" },
		{ "id > 1", "is text" },
		{ "enabled = maybe", "true or false" },
		{ "version = 99999999999999999999", "is a number" },
		{ "skills = 1", "name a field within it" },
		{ "id.x = 1", "nothing within" },
		{ "skills.skill_id.x = 1", "nothing within" },
	};
	struct err_detail d;
	struct filter f;
	char big[1100];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		d = (struct err_detail){ 0 };
		if (filter_parse(&f, rows[i].filter, AGENT, &d) != ERR_INVALID || !strstr(d.message, rows[i].text) ||
		    strcmp(d.field, "filter") != 0)
			fail_msg("%s: field '%s' message '%s'", rows[i].filter, d.field, d.message);
	}
	memset(big, ' ', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	assert_int_equal(filter_parse(&f, big, AGENT, &d), ERR_INVALID);
	big[0] = '\0';
	for (int i = 0; i < 17; i++)
		strcat(big, i ? " AND id=1" : "id=1");
	assert_int_equal(filter_parse(&f, big, AGENT, &d), ERR_INVALID);
	assert_non_null(strstr(d.message, "16 terms"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filters_find_what_they_say),
		cmocka_unit_test(members_of_a_oneof_are_there_when_they_are_set),
		cmocka_unit_test(what_is_no_filter_is_refused_with_a_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
