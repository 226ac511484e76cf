#include "tenantconf/tenant.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "confkit/confkit.h"
#include "testkit/testkit.h"

#define SHA	"'0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'"
#define HEAD	"{'tenant':'acme','version':'7','timeZone':'Asia/Shanghai','sipDomain':'acme.test',"
#define PROMPTS "'prompts':[{'id':'hello','sha256':" SHA ",'sizeBytes':'16000','durationMs':'1000'}],"
#define SKILLS	"'skills':[{'id':'english'},{'id':'chess'}],"
#define QUEUES                                                                                               \
	"'queues':[{'id':'sales','skills':[{'skillId':'english','level':3},{'skillId':'chess','level':1}],'" \
	"musicPromptId':'hello'}],"
#define CALENDARS "'calendars':[{'id':'office','hours':[{'weekday':1,'fromMinute':540,'toMinute':1080}]}],"
#define FLOWS                                                                                                       \
	"'flows':[{'id':'main','steps':[{'id':'a','next':'c','answer':{}},"                                         \
	"{'id':'c','next':'b','collect':{'variable':'key','promptIds':['hello'],'maxDigits':1,'onFailure':'bye'}}," \
	"{'id':'b','branch':{'variable':'key','cases':[{'value':'1','next':'q'}],'otherwise':'bye'}},"              \
	"{'id':'q','queue':{'queueId':'sales','onTimeout':'bye'}},{'id':'bye','hangUp':{}}]}],"
#define TRUNKS                                                            \
	"'trunks':[{'id':'wide','addresses':['192.0.2.0/24','2001:db8::/" \
	"32']},{'id':'near','addresses':['192.0.2.7']},"                  \
	"{'id':'digest','username':'carrier','ha1Md5':'0123456789abcdef0123456789abcdef','ha1Sha256':" SHA "}],"
#define NUMBERS                                                                                                       \
	"'numbers':[{'number':'+862012345678','calendarId':'office','working':{'flowId':'main'},'other':{'queueId':'" \
	"sales'},"                                                                                                    \
	"'forced':{'rejectStatus':486}}]}"
#define WHOLE HEAD PROMPTS SKILLS QUEUES CALENDARS FLOWS TRUNKS NUMBERS

static void a_snapshot_has_its_references_resolved_and_its_defaults_filled_in(void **state)
{
	const struct tenant *t = confkit_tenant(WHOLE);
	const struct tenant_queue *q = tenant_find_queue(t, "sales");
	const struct flow *f = tenant_find_flow(t, "main");

	(void)state;
	assert_int_equal(t->version, 7);
	assert_ptr_equal(q->music, tenant_find_prompt(t, "hello"));
	assert_null(q->entry);
	assert_int_equal(q->ring_timeout_ms, 20000);
	assert_int_equal(q->service_level_ms, 20000);
	assert_string_equal(q->skills[0].skill_id, "chess"); /* ascending */
	assert_int_equal(f->n_steps, 5);
	assert_int_equal(f->steps[0].next, 1);
	assert_int_equal(f->steps[1].collect.on_failure, 4);
	assert_string_equal(f->steps[1].collect.terminators, "#");
	assert_string_equal(f->steps[1].collect.reset_keys, "*");
	assert_int_equal(f->steps[1].collect.tries, 1);
	assert_int_equal(f->steps[1].collect.first_timeout_ms, 5000);
	assert_ptr_equal(f->steps[1].collect.prompts.list[0], q->music);
	assert_int_equal(f->steps[2].branch.cases[0].next, 3);
	assert_int_equal(f->steps[2].branch.otherwise, 4);
	assert_ptr_equal(f->steps[3].queue.queue, q);
	assert_int_equal(f->steps[3].queue.on_timeout, 4);
	assert_int_equal(f->steps[3].queue.on_full, FLOW_END);
	assert_int_equal(f->steps[3].queue.on_no_agents, FLOW_WAIT);
	assert_int_equal(f->steps[4].hang_up.status, 480);
	assert_int_equal(f->steps[4].next, FLOW_END);
	assert_int_equal(flow_find_step(f, "q"), 3);
	assert_int_equal(flow_find_step(f, "gone"), FLOW_END);
	assert_null(tenant_find_queue(t, "other"));
	tenant_unref(&t);
	assert_null(t);
}

static void a_snapshot_carries_the_quotas_and_none_of_them_is_no_limit_GT_3_1_2(void **state)
{
	const struct tenant *t = confkit_tenant(
	    HEAD "'quotas':{'queues':1,'flows':2,'agents':3,'numbers':4,'prompts':5,'promptBytes':'1099511627776',"
		 "'agentsSignedIn':7,'apiRequestsPerS':8,'inboundCalls':10000000,'callsPerS':10,"
		 "'recordingBytes':'1125899906842624'}}");
	const struct tenant_quotas *q = &t->quotas;

	(void)state;
	assert_int_equal(q->queues, 1);
	assert_int_equal(q->flows, 2);
	assert_int_equal(q->agents, 3);
	assert_int_equal(q->numbers, 4);
	assert_int_equal(q->prompts, 5);
	assert_true(q->prompt_bytes == 1ull << 40);
	assert_int_equal(q->agents_signed_in, 7);
	assert_int_equal(q->api_requests_per_s, 8);
	assert_int_equal(q->inbound_calls, 10000000);
	assert_int_equal(q->calls_per_s, 10);
	assert_true(q->recording_bytes == 1ull << 50);
	tenant_unref(&t);
	t = confkit_tenant(WHOLE);
	assert_int_equal(t->quotas.queues, 0);
	assert_int_equal(t->quotas.calls_per_s, 0);
	tenant_unref(&t);
}

static void a_number_is_found_with_and_without_plus_and_says_where_a_call_goes(void **state)
{
	const struct tenant *t = confkit_tenant(WHOLE);
	const struct tenant_number *n = tenant_find_number(t, "862012345678");
	struct tenant_number forced;

	(void)state;
	assert_ptr_equal(n, tenant_find_number(t, "+862012345678"));
	assert_null(tenant_find_number(t, "86201234567"));
	/* Monday 23 March 2026, 10:00 and 20:00 in Shanghai */
	assert_ptr_equal(tenant_number_target(n, 1774231200000), &n->working);
	assert_ptr_equal(n->working.flow, tenant_find_flow(t, "main"));
	assert_ptr_equal(tenant_number_target(n, 1774267200000), &n->other);
	forced = *n;
	forced.force = true;
	assert_int_equal(tenant_number_target(&forced, 1774231200000)->reject_status, 486);
	tenant_unref(&t);
}

static const struct tenant_trunk *by_address(const struct tenant *t, const char *text)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in v4 = { .sin_family = AF_INET };

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return tenant_find_trunk_by_address(t, (struct sockaddr *)&v4);
	assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
	return tenant_find_trunk_by_address(t, (struct sockaddr *)&v6);
}

static void a_trunk_is_found_by_the_longest_prefix_and_by_its_user(void **state)
{
	const struct tenant *t = confkit_tenant(WHOLE);
	struct sockaddr_un {
		sa_family_t f;
	} other = { AF_UNIX };

	(void)state;
	assert_string_equal(by_address(t, "192.0.2.7")->id, "near");
	assert_string_equal(by_address(t, "192.0.2.8")->id, "wide");
	assert_string_equal(by_address(t, "::ffff:192.0.2.7")->id, "near");
	assert_string_equal(by_address(t, "2001:db8:1::5")->id, "wide");
	assert_null(by_address(t, "192.0.3.1"));
	assert_null(by_address(t, "2001:db9::1"));
	assert_null(tenant_find_trunk_by_address(t, (struct sockaddr *)&other));
	assert_string_equal(tenant_find_trunk_by_user(t, "carrier")->id, "digest");
	assert_null(tenant_find_trunk_by_user(t, ""));
	assert_null(tenant_find_trunk_by_user(t, "nobody"));
	tenant_unref(&t);
}

static void an_agent_fits_a_queue_when_it_has_every_skill_at_the_level(void **state)
{
	static const struct {
		const char *skills;
		bool fits;
	} rows[] = {
		{ "{'skillId':'english','level':3},{'skillId':'chess','level':1}", true },
		{ "{'skillId':'zulu','level':9},{'skillId':'chess','level':10},{'skillId':'english','level':4}", true },
		{ "{'skillId':'english','level':2},{'skillId':'chess','level':1}", false },
		{ "{'skillId':'english','level':10}", false },
		{ "", false },
	};
	const struct tenant *t = confkit_tenant(WHOLE);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char json[300];

		snprintf(json, sizeof(json), "{'tenant':'acme','id':'1001','enabled':true,'skills':[%s]}",
			 rows[i].skills);
		const struct tenant_agent *a = confkit_agent(json);
		assert_int_equal(tenant_agent_fits(a, tenant_find_queue(t, "sales")), rows[i].fits);
		tenant_agent_unref(&a);
	}
	tenant_unref(&t);
}

/* GT-3 */
static void a_suspended_tenants_announcement_is_a_flow_of_one_step_that_no_administrator_can_name(void **state)
{
	const struct tenant *t = confkit_tenant(
	    HEAD PROMPTS "'suspended':true,'suspension':{'announcementPromptId':'hello','endCalls':true}}");

	(void)state;
	assert_true(t->suspended && t->suspension_ends_calls);
	assert_int_equal(t->announcement->n_steps, 1);
	assert_int_equal(t->announcement->steps[0].kind, FLOW_PLAY);
	assert_int_equal(t->announcement->steps[0].next, FLOW_END);
	assert_ptr_equal(t->announcement->steps[0].play.prompts.list[0], tenant_find_prompt(t, "hello"));
	assert_ptr_equal(tenant_find_flow(t, t->announcement->id), t->announcement);
	assert_int_equal(t->n_flows, 0);
	tenant_unref(&t);
	t = confkit_tenant(HEAD "'suspended':true}");
	assert_null(t->announcement);
	assert_false(t->suspension_ends_calls);
	tenant_unref(&t);
}

static void a_tenant_is_in_the_pool_that_is_named_and_else_in_the_shared_one_GT_3_1_2(void **state)
{
	const struct tenant *gold = confkit_tenant(HEAD "'pool':'gold'}"),
			    *none = confkit_tenant(HEAD "'displayName':'x'}");

	(void)state;
	assert_string_equal(gold->pool, "gold");
	assert_string_equal(none->pool, "shared");
	tenant_unref(&gold);
	tenant_unref(&none);
}

static void what_breaks_a_rule_is_refused_with_the_path_of_the_field(void **state)
{
	static const struct {
		const char *json, *field, *text;
	} rows[] = {
		{ "{}", "tenant", "is no id" },
		{ "{'tenant':'a.b'}", "tenant", "is no id" },
		{ "{'tenant':'a','timeZone':'Nowhere'}", "time_zone", "no such time zone" },
		{ "{'tenant':'a','timeZone':'UTC','sipDomain':'A.test'}", "sip_domain", "lower case" },
		{ HEAD "'pool':'Gold'}", "pool", "is no id" },
		{ HEAD "'skills':[{'id':'a'},{'id':'a'}]}", "skills[1]", "there twice" },
		{ HEAD "'skills':[{'id':'A'}]}", "skills[0].id", "is no id" },
		{ HEAD "'quotas':{'agents':1000001}}", "quotas.agents", "1000001 is more than 1000000" },
		{ HEAD "'quotas':{'promptBytes':'1099511627777'}}", "quotas.prompt_bytes", "the highest limit" },
		{ HEAD "'quotas':{'callsPerS':100001}}", "quotas.calls_per_s", "0 is none" },
		{ HEAD "'quotas':{'recordingBytes':'1125899906842625'}}", "quotas.recording_bytes",
		  "the highest limit" },
		{ HEAD "'queues':[{'id':'q','skills':[{'skillId':'x','level':1}]}]}", "queues[0].skills[0].skill_id",
		  "there is no skill 'x'" },
		{ HEAD SKILLS "'queues':[{'id':'q','skills':[{'skillId':'chess','level':11}]}]}",
		  "queues[0].skills[0].level", "within 1 and 10" },
		{ HEAD SKILLS
		  "'queues':[{'id':'q','skills':[{'skillId':'chess','level':1},{'skillId':'chess','level':2}]}]}",
		  "queues[0].skills[1].skill_id", "twice" },
		{ HEAD "'queues':[{'id':'q','musicPromptId':'none'}]}", "queues[0].music_prompt_id",
		  "there is no prompt" },
		{ HEAD "'suspension':{'announcementPromptId':'none'}}", "suspension.announcement_prompt_id",
		  "there is no prompt 'none'" },
		{ HEAD "'queues':[{'id':'q','maxWaitMs':'-1'}]}", "queues[0].max_wait_ms", "not within" },
		{ HEAD "'queues':[{'id':'q','displayName':'a\\u0007b'}]}", "queues[0].display_name",
		  "control character" },
		{ HEAD "'prompts':[{'id':'p','sha256':'xyz'}]}", "prompts[0].sha256", "64 hex" },
		{ HEAD "'calendars':[{'id':'c','hours':[{'weekday':8,'toMinute':1}]}]}",
		  "calendars[0].hours[0].weekday", "1 (Monday)" },
		{ HEAD "'calendars':[{'id':'c','hours':[{'weekday':1,'fromMinute':600,'toMinute':600}]}]}",
		  "calendars[0].hours[0].to_minute", "after" },
		{ HEAD "'calendars':[{'id':'c','holidays':['25.12.2026']}]}", "calendars[0].holidays[0]",
		  "2026-12-25" },
		{ HEAD "'calendars':[{'id':'c','timeZone':'X'}]}", "calendars[0].time_zone", "no such time zone" },
		{ HEAD "'trunks':[{'id':'t','addresses':['300.1.1.1']}]}", "trunks[0].addresses[0]", "IPv4 or IPv6" },
		{ HEAD "'trunks':[{'id':'t','addresses':['10.0.0.0/33']}]}", "trunks[0].addresses[0]", "IPv4 or IPv6" },
		{ HEAD "'trunks':[{'id':'t','addresses':['10.0.0.0/7']}]}", "trunks[0].addresses[0]", "too wide" },
		{ HEAD "'trunks':[{'id':'t','addresses':['::/0']}]}", "trunks[0].addresses[0]", "too wide" },
		{ HEAD "'trunks':[{'id':'t','addresses':['::ffff:0.0.0.0/100']}]}", "trunks[0].addresses[0]",
		  "too wide" },
		{ HEAD "'trunks':[{'id':'t','addresses':['::/64']}]}", "trunks[0].addresses[0]", "too wide" },
		{ HEAD "'trunks':[{'id':'t'}]}", "trunks[0].addresses", "username" },
		{ HEAD "'trunks':[{'id':'t','username':'u'}]}", "trunks[0].ha1_md5", "32 hex" },
		{ HEAD "'trunks':[{'id':'t','addresses':['10.0.0.1'],'host':'a b'}]}", "trunks[0].host", "host:port" },
		{ HEAD "'numbers':[{'number':'12x'}]}", "numbers[0].number", "is no number" },
		{ HEAD "'numbers':[{'number':'12'}]}", "numbers[0].working", "missing" },
		{ HEAD "'numbers':[{'number':'12','working':{'flowId':'f'}}]}", "numbers[0].working.flow_id",
		  "there is no flow 'f'" },
		{ HEAD "'numbers':[{'number':'12','working':{'rejectStatus':200}}]}",
		  "numbers[0].working.reject_status", "400 and 699" },
		{ HEAD CALENDARS "'numbers':[{'number':'12','calendarId':'office','working':{'rejectStatus':400}}]}",
		  "numbers[0].other", "missing" },
		{ HEAD "'numbers':[{'number':'12','working':{'rejectStatus':400},'force':true}]}", "numbers[0].forced",
		  "force is set" },
		{ HEAD "'numbers':[{'number':'12','working':{'rejectStatus':400}},{'number':'+12','working':{'"
		       "rejectStatus':400}}]}",
		  "numbers[1]", "twice" },
		{ HEAD "'flows':[{'id':'f'}]}", "flows[0].steps", "1 to 1000" },
		{ HEAD "'flows':[{'id':'f','steps':[{'id':'a'}]}]}", "flows[0].steps[0].step", "missing" },
		{ HEAD "'flows':[{'id':'f','steps':[{'id':'a','answer':{}},{'id':'a','answer':{}}]}]}",
		  "flows[0].steps[1].id", "another step" },
		{ HEAD "'flows':[{'id':'f','steps':[{'id':'a','next':'z','answer':{}}]}]}", "flows[0].steps[0].next",
		  "no step 'z'" },
		{ HEAD "'flows':[{'id':'f','steps':[{'id':'a','next':'b','answer':{}},{'id':'b','next':'a','set':{'"
		       "variable':'x'}}]}]}",
		  "flows[0].steps[0]", "for ever" },
		{ HEAD "'flows':[{'id':'f','steps':[{'id':'a','play':{}}]}]}", "flows[0].steps[0].play.prompt_ids",
		  "0 of them" },
		{ HEAD "'flows':[{'id':'f','steps':[{'id':'a','collect':{'variable':'x','maxDigits':33}}]}]}",
		  "flows[0].steps[0].collect.max_digits", "1 and 32" },
		{ HEAD "'flows':[{'id':'f','steps':[{'id':'a','collect':{'variable':'caller','maxDigits':3}}]}]}",
		  "flows[0].steps[0].collect.variable", "set by the platform" },
		{ HEAD
		  "'flows':[{'id':'f','steps':[{'id':'a','collect':{'variable':'x','maxDigits':3,'resetKeys':'#'}}]}]}",
		  "flows[0].steps[0].collect.reset_keys", "not terminators" },
		{ HEAD "'flows':[{'id':'f','steps':[{'id':'a','set':{'variable':'x','value':'${open'}}]}]}",
		  "flows[0].steps[0].set.value", "${name}" },
		{ HEAD "'flows':[{'id':'f','steps':[{'id':'a','branch':{'variable':'x','cases':[{'value':'1','next':'z'"
		       "}]}}]}]}",
		  "flows[0].steps[0].branch.cases[0].next", "no such step" },
		{ HEAD "'flows':[{'id':'f','steps':[{'id':'a','hangUp':{'status':200}}]}]}",
		  "flows[0].steps[0].hang_up.status", "400 and 699" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct str bytes = STR_INIT;
		struct err_detail d = { 0 };
		const struct tenant *t;

		confkit_pack_tenant(&bytes, rows[i].json);
		err_t e = tenantconf_tenant_from_pb(&t, str_text(&bytes), bytes.len, &d);
		if (e != ERR_INVALID || strcmp(d.field, rows[i].field) != 0 || !strstr(d.message, rows[i].text))
			fail_msg("%s: %s '%s' '%s'", rows[i].json, err_name(e), d.field, d.message);
		str_done(&bytes);
	}
}

static void a_loop_through_a_step_that_takes_time_is_a_menu_and_allowed(void **state)
{
	const struct tenant *t = confkit_tenant(
	    HEAD PROMPTS "'flows':[{'id':'menu','steps':[{'id':'a','next':'p','answer':{}},"
			 "{'id':'p','next':'b','play':{'promptIds':['hello']}},"
			 "{'id':'b','branch':{'variable':'x','cases':[{'value':'1','next':'p'}],'otherwise':'a'}}]}]}");

	(void)state;
	assert_int_equal(tenant_find_flow(t, "menu")->n_steps, 3);
	tenant_unref(&t);
}

static const char *lookup(const char *name, void *arg)
{
	(void)arg;
	return strcmp(name, "caller") == 0 ? "+49301234" : strcmp(name, "city") == 0 ? "Zürich" : NULL;
}

static void text_with_variables_is_expanded_and_cut_at_whole_characters(void **state)
{
	static const struct {
		const char *text;
		size_t size;
		const char *want;
		bool fits;
	} rows[] = {
		{ "plain", 20, "plain", true },
		{ "from ${caller}!", 30, "from +49301234!", true },
		{ "${none}x${city}", 30, "xZürich", true },
		{ "$5 ${Bad} ${", 30, "$5 ${Bad} ${", true },
		{ "${city}", 3, "Z", false }, /* ü has two bytes */
		{ "${city}", 4, "Zü", false },
		{ "abc", 3, "ab", false },
		{ "", 1, "", true },
	};
	char buf[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(flow_expand(buf, rows[i].size, rows[i].text, lookup, NULL), rows[i].fits);
		assert_string_equal(buf, rows[i].want);
	}
}

/* More fields than one message may have. The JSON would be too large for a test: the parts are joined as bytes. */
static void ten_thousand_queues_are_found_by_id(void **state)
{
	struct str bytes = STR_INIT;
	struct err_detail d = { 0 };
	const struct tenant *t;
	char json[600];

	(void)state;
	confkit_pack_tenant(&bytes, HEAD SKILLS PROMPTS "'displayName':'big'}");
	for (int i = 0; i < 10000; i++) {
		snprintf(json, sizeof(json),
			 "{'queues':[{'id':'queue-%d','displayName':'Queue "
			 "%d','priority':%d,'maxWaitMs':'60000','maxWaiting':50,"
			 "'ringTimeoutMs':'15000','wrapUpMs':'5000','record':true,'serviceLevelMs':'10000','"
			 "musicPromptId':'hello',"
			 "'skills':[{'skillId':'chess','level':1},{'skillId':'english','level':2}]}]}",
			 i, i, i % 10 + 1);
		confkit_pack_tenant(&bytes, json);
	}
	if (tenantconf_tenant_from_pb(&t, str_text(&bytes), bytes.len, &d))
		fail_msg("%s: %s", d.field, d.message);
	assert_int_equal(t->n_queues, 10000);
	for (int i = 0; i < 10000; i += 13) {
		snprintf(json, sizeof(json), "queue-%d", i);
		assert_int_equal(tenant_find_queue(t, json)->priority, i % 10 + 1);
	}
	tenant_unref(&t);
	str_done(&bytes);
}

static void bytes_that_are_no_text_are_refused_with_their_place(void **state)
{
	struct str bytes = STR_INIT;
	struct err_detail d = { 0 };
	const struct tenant *t;

	(void)state;
	confkit_pack_tenant(&bytes, HEAD SKILLS "'displayName':'x'}");
	/* skills { id: "\xff" } */
	str_append_n(&bytes, "\x62\x03\x0a\x01\xff", 5);
	assert_int_equal(tenantconf_tenant_from_pb(&t, str_text(&bytes), bytes.len, &d), ERR_INVALID);
	assert_string_equal(d.field, "skills[2].id");
	bytes.len -= 2;
	assert_int_equal(tenantconf_tenant_from_pb(&t, str_text(&bytes), bytes.len, &d), ERR_INVALID);
	str_done(&bytes);
}

static err_t build(void *arg)
{
	const struct str *bytes = arg;
	const struct tenant *t;
	err_t e = tenantconf_tenant_from_pb(&t, str_text(bytes), bytes->len, NULL);

	if (!e)
		tenant_unref(&t);
	return e;
}

static void memory_that_runs_out_while_a_snapshot_is_built_is_an_error(void **state)
{
	struct str bytes = STR_INIT;

	(void)state;
	confkit_pack_tenant(&bytes, WHOLE);
	testkit_each_alloc_failure(build, &bytes);
	str_done(&bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_snapshot_has_its_references_resolved_and_its_defaults_filled_in),
		cmocka_unit_test(a_snapshot_carries_the_quotas_and_none_of_them_is_no_limit_GT_3_1_2),
		cmocka_unit_test(a_number_is_found_with_and_without_plus_and_says_where_a_call_goes),
		cmocka_unit_test(a_trunk_is_found_by_the_longest_prefix_and_by_its_user),
		cmocka_unit_test(an_agent_fits_a_queue_when_it_has_every_skill_at_the_level),
		cmocka_unit_test(a_suspended_tenants_announcement_is_a_flow_of_one_step_that_no_administrator_can_name),
		cmocka_unit_test(a_tenant_is_in_the_pool_that_is_named_and_else_in_the_shared_one_GT_3_1_2),
		cmocka_unit_test(what_breaks_a_rule_is_refused_with_the_path_of_the_field),
		cmocka_unit_test(a_loop_through_a_step_that_takes_time_is_a_menu_and_allowed),
		cmocka_unit_test(text_with_variables_is_expanded_and_cut_at_whole_characters),
		cmocka_unit_test(ten_thousand_queues_are_found_by_id),
		cmocka_unit_test(bytes_that_are_no_text_are_refused_with_their_place),
		cmocka_unit_test(memory_that_runs_out_while_a_snapshot_is_built_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
