/* An event becomes a Kafka record with CloudEvents headers; what is no event is refused by name. */
#include "bridge_wire.h"

#include "trunkline/event/v1/event.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define DOMAINS "call, agent,recording"

static const struct bridge_topics_wanted plain = { .domains = DOMAINS }, as_json = { .domains = DOMAINS, .json = true };

static size_t pack(uint8_t *out, const char *id, const char *tenant, int64_t time_ms)
{
	Trunkline__Event__V1__CallOffered offered = TRUNKLINE__EVENT__V1__CALL_OFFERED__INIT;
	Trunkline__Event__V1__Event ev = TRUNKLINE__EVENT__V1__EVENT__INIT;

	offered.caller = "+4930123";
	ev.id = (char *)id;
	ev.tenant = (char *)tenant;
	ev.time_ms = time_ms;
	ev.source = "call-control/cc-1";
	ev.body_case = TRUNKLINE__EVENT__V1__EVENT__BODY_CALL_OFFERED;
	ev.call_offered = &offered;
	return trunkline__event__v1__event__pack(&ev, out);
}

static const char *value(const struct bridge_record *r, const char *name)
{
	for (size_t i = 0; i < r->n_headers; i++)
		if (strcmp(r->headers[i].name, name) == 0)
			return r->headers[i].value;
	return "(none)";
}

static void an_event_is_a_cloud_event_in_the_topic_of_its_domain(void **state)
{
	struct err_detail d = { "", "" };
	struct bridge_record r;
	uint8_t bytes[512];
	size_t n = pack(bytes, "c1.1", "acme", 1700000000123);

	(void)state;
	assert_int_equal(bridge_record_from(&r, "ev.acme.call.c1", bytes, n, &plain, &d), ERR_OK);
	assert_string_equal(r.topic, "trunkline.call.v1");
	assert_string_equal(r.key, "acme:c1");
	assert_string_equal(value(&r, "ce_specversion"), "1.0");
	assert_string_equal(value(&r, "ce_id"), "c1.1");
	assert_string_equal(value(&r, "ce_type"), "trunkline.event.v1.CallOffered");
	assert_string_equal(value(&r, "ce_source"), "/trunkline/tenants/acme/call");
	assert_string_equal(value(&r, "ce_subject"), "c1");
	assert_string_equal(value(&r, "ce_time"), "2023-11-14T22:13:20.123Z");
	assert_string_equal(value(&r, "ce_instance"), "call-control/cc-1");
	assert_string_equal(value(&r, "content-type"), "application/protobuf");
	assert_ptr_equal(r.value, bytes);
	bridge_record_done(&r);
}

static void a_tenant_of_the_list_has_topics_of_its_own_GT_3_1_2(void **state)
{
	struct bridge_topics_wanted wanted = { .domains = DOMAINS, .tenants = "umbrella,  acme" };
	struct err_detail d = { "", "" };
	struct bridge_record r;
	uint8_t bytes[512];
	size_t n = pack(bytes, "c1.1", "acme", 1700000000123);

	(void)state;
	assert_int_equal(bridge_record_from(&r, "ev.acme.call.c1", bytes, n, &wanted, &d), ERR_OK);
	assert_string_equal(r.topic, "trunkline.call.v1");
	assert_string_equal(r.own_topic, "trunkline.tenant.acme.call.v1");
	bridge_record_done(&r);
	wanted.tenants = "acme-2,acm,umbrella";
	assert_int_equal(bridge_record_from(&r, "ev.acme.call.c1", bytes, n, &wanted, &d), ERR_OK);
	assert_string_equal(r.own_topic, "");
	bridge_record_done(&r);
	assert_int_equal(bridge_record_from(&r, "ev.acme.call.c1", bytes, n, &plain, &d), ERR_OK);
	assert_string_equal(r.own_topic, "");
	bridge_record_done(&r);
}

static void a_json_record_has_the_same_headers_and_a_readable_value(void **state)
{
	struct err_detail d = { "", "" };
	struct bridge_record r;
	uint8_t bytes[512];
	size_t n = pack(bytes, "c1.1", "acme", 1700000000123);

	(void)state;
	assert_int_equal(bridge_record_from(&r, "ev.acme.call.c1", bytes, n, &as_json, &d), ERR_OK);
	assert_string_equal(value(&r, "content-type"), "application/json");
	assert_non_null(strstr(r.value, "\"callOffered\":{\"caller\":\"+4930123\"}"));
	bridge_record_done(&r);
}

static void refused(const char *subject, const char *id, const char *tenant, int64_t time_ms, const char *field)
{
	struct err_detail d = { "", "" };
	struct bridge_record r;
	uint8_t bytes[512];
	size_t n = pack(bytes, id, tenant, time_ms);

	assert_int_equal(bridge_record_from(&r, subject, bytes, n, &plain, &d), ERR_INVALID);
	assert_string_equal(d.field, field);
	bridge_record_done(&r);
}

static void what_is_no_event_of_its_tenant_is_refused_with_the_field_that_is_wrong(void **state)
{
	struct err_detail d = { "", "" };
	struct bridge_record r;

	(void)state;
	refused("ev.acme.call", "c1.1", "acme", 1, "subject");
	refused("ev.acme.call.c1.x", "c1.1", "acme", 1, "subject");
	refused("ev.acme.call..c1", "c1.1", "acme", 1, "subject");
	refused("ev.acme.weather.c1", "c1.1", "acme", 1, "subject");
	refused("ev.acme.call.c1", "", "acme", 1, "id");
	refused("ev.acme.call.c1", "a\nb", "acme", 1, "id");
	refused("ev.acme.call.c1", "c1.1", "umbrella", 1, "tenant");
	refused("ev.acme.call.c1", "c1.1", "acme", 0, "time_ms");
	assert_int_equal(bridge_record_from(&r, "ev.acme.call.c1", "\xff\xff", 2, &plain, &d), ERR_INVALID);
	bridge_record_dead(&r, "ev.acme.call.c1", "\xff\xff", 2, 5, &d);
	assert_string_equal(r.topic, BRIDGE_DEAD_LETTER);
	assert_int_equal(r.size, 2);
	assert_true(strlen(value(&r, "reason")) > 5);
	bridge_record_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_event_is_a_cloud_event_in_the_topic_of_its_domain),
		cmocka_unit_test(a_tenant_of_the_list_has_topics_of_its_own_GT_3_1_2),
		cmocka_unit_test(a_json_record_has_the_same_headers_and_a_readable_value),
		cmocka_unit_test(what_is_no_event_of_its_tenant_is_refused_with_the_field_that_is_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
