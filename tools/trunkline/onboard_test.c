/* The plan of an onboarding, what the facts say about it, and the report: without any server. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "onboard.h"
#include "testkit/testkit.h"

static const char plan_yaml[] =
    "customer: Acme | Söhne\n"
    "contact: {name: Mei Lin, email: mei@acme.example}\n"
    "requirement:\n"
    "  agents: 12\n"
    "  busy_hour_calls: 120\n"
    "  handle_time: 3m\n"
    "  numbers: [\"+4930111\", +4930112]\n"
    "  languages: [en, zh-Hans]\n"
    "acceptance:\n"
    "  - {call: +4930111, queue: sales, agent: 1001, answered_within: 10s, disposition: answered}\n"
    "  - {call: +4930111, caller: +4917, disposition: abandoned}\n"
    "  - {call: +4930112, disposition: ivr, answered_within: 2s, cause: normal}\n"
    "trial: {from: 2026-12-07T08:00Z, to: 2026-12-14T08:00Z, calls: 100, service_level_percent: 80, abandoned_percent: "
    "5,\n"
    "  failed_percent: 0.5}\n"
    "quotas:\n"
    "  trial: {agents: 4, queues: 2, inbound_calls: 5}\n"
    "  production: {agents: 20, agents_signed_in: 15, inbound_calls: 20}\n"
    "resources:\n"
    "  - {kind: number, number: \"+4930111\", working: {queue_id: sales}}\n"
    "  - {kind: number, number: \"+4930112\", working: {flow_id: hours}}\n"
    "  - {kind: queue, id: sales, display_name: Sales}\n"
    "  - {kind: flow, id: hours, steps: [{id: a, answer: {}}]}\n"
    "  - {kind: agent, id: 1001, display_name: Mei, enabled: true}\n"
    "  - {kind: tenant, id: acme, display_name: Acme, sip_domain: acme.example}\n";

static json_t *plan_json(void)
{
	char dir[TESTKIT_PATH], path[TESTKIT_PATH + 64];
	json_t *all = NULL, *plan;

	testkit_dir(dir);
	testkit_file(dir, "plan.yaml", plan_yaml, path);
	assert_int_equal(yaml_load(&all, path, NULL), ERR_OK);
	plan = json_incref(json_array_get(all, 0));
	json_decref(all);
	return plan;
}

static void init(struct onboard_plan *plan)
{
	struct err_detail d = { 0 };
	json_t *json = plan_json();

	if (onboard_plan_init(plan, json, "plan.yaml", &d))
		fail_msg("%s: %s", d.field, d.message);
	json_decref(json);
}

static void a_plan_is_read_PJ_1(void **state)
{
	struct onboard_plan p;

	(void)state;
	init(&p);
	assert_string_equal(p.tenant, "acme");
	assert_string_equal(p.contact_name, "Mei Lin");
	assert_null(p.contact_phone);
	assert_int_equal(p.agents, 12);
	assert_int_equal(p.handle_time_ms, 180000);
	assert_int_equal(p.n_calls, 3);
	assert_string_equal(p.calls[0].agent, "1001"); /* without quotes in the file */
	assert_int_equal(p.calls[0].answered_within_ms, 10000);
	assert_string_equal(p.calls[1].caller, "+4917");
	assert_int_equal(p.trial.from_ms, INT64_C(1796630400000));
	assert_int_equal(p.trial.to_ms - p.trial.from_ms, 7 * INT64_C(86400000));
	assert_true(p.trial.failed > 0.49 && p.trial.failed < 0.51);
	assert_int_equal(p.resources.n, 6);
	assert_int_equal(onboard_plan_count(&p, "number"), 2);
	onboard_plan_done(&p);
}

/* Where in the plan, what is put there (NULL: it is taken away), and the field that the refusal names. */
static const struct {
	const char *section, *key, *value, *field;
} faults[] = {
	{ NULL, "customer", NULL, "customer" },
	{ NULL, "customer", "7.5", "customer" },
	{ NULL, "custommer", "\"Acme\"", "custommer" },
	{ NULL, "contact", NULL, "contact.name" },
	{ "contact", "name", "\"\"", "contact.name" },
	{ "contact", "fax", "\"1\"", "contact.fax" },
	{ "requirement", "agents", "0", "requirement.agents" },
	{ "requirement", "agents", "\"many\"", "requirement.agents" },
	{ "requirement", "agents", "6", "requirement.agents" }, /* 120 calls of 3 minutes keep 6 busy all the time */
	{ "requirement", "busy_hour_calls", "-1", "requirement.busy_hour_calls" },
	{ "requirement", "handle_time", "\"soon\"", "requirement.handle_time" },
	{ "requirement", "handle_time", "\"2h\"", "requirement.handle_time" },
	{ "requirement", "handle_time", "180", "requirement.handle_time" },
	{ "requirement", "numbers", "[]", "requirement.numbers" },
	{ "requirement", "numbers", "[\"+4930111\",\"+4999\"]", "requirement.numbers[1]" },
	{ "requirement", "languages", "[\"en\",\"tlh\"]", "requirement.languages[1]" },
	{ NULL, "acceptance", "[]", "acceptance" },
	{ NULL, "acceptance", "[{\"queue\":\"sales\"}]", "acceptance[0].call" },
	{ NULL, "acceptance", "[{\"call\":\"+4930111\"}]", "acceptance[0].call" },
	{ NULL, "acceptance", "[{\"call\":\"+4999\",\"queue\":\"sales\"}]", "acceptance[0].call" },
	{ NULL, "acceptance", "[{\"call\":\"+4930111\",\"queue\":\"support\"}]", "acceptance[0].queue" },
	{ NULL, "acceptance", "[{\"call\":\"+4930111\",\"agent\":\"9\"}]", "acceptance[0].agent" },
	{ NULL, "acceptance", "[{\"call\":\"+4930111\",\"disposition\":\"lost\"}]", "acceptance[0].disposition" },
	{ NULL, "acceptance", "[{\"call\":\"+4930111\",\"color\":\"red\"}]", "acceptance[0].color" },
	{ NULL, "acceptance", "[7]", "acceptance[0].call" },
	{ "trial", "from", "\"tomorrow\"", "trial.from" },
	{ "trial", "from", "\"2026-12-07T08:00\"", "trial.from" }, /* whose eight o'clock? */
	{ "trial", "to", "\"2026-12-07T08:00Z\"", "trial.to" },
	{ "trial", "to", "\"2029-12-07T08:00Z\"", "trial.to" },
	{ "trial", "calls", NULL, "trial.calls" },
	{ "trial", "service_level_percent", "101", "trial.service_level_percent" },
	{ "trial", "abandoned_percent", "\"5 %\"", "trial.abandoned_percent" },
	{ "quotas", "trial", "[]", "quotas.trial" },
	{ "quotas", "trial", "{\"agentz\":1}", "quotas.trial.agentz" },
	{ "quotas", "production", "{\"agents\":-1}", "quotas.production.agents" },
	{ "quotas", "production", "{\"agents\":4,\"queues\":2,\"inbound_calls\":5,\"flows\":0}", "quotas.production" },
	{ NULL, "resources", "[{\"kind\":\"queue\",\"id\":\"sales\"}]", "resources" },
	{ NULL, "resources", "[{\"kind\":\"tenant\",\"id\":\"a\"},{\"kind\":\"tenant\",\"id\":\"b\"}]", "resources" },
	{ NULL, "resources", "[{\"kind\":\"tenant\",\"id\":\"a\",\"quotas\":{}}]", "resources" },
	{ NULL, "resources", "[{\"kind\":\"tenant\",\"id\":\"A!\"}]", "resources" },
	{ NULL, "resources", "[{\"kind\":\"tenant\",\"id\":\"a\",\"colour\":1}]", "tenant a: colour" },
	{ NULL, "resources", "[{\"kind\":\"tenant\",\"id\":\"a\"},{\"kind\":\"queue\",\"id\":\"q\",\"tenant\":\"b\"}]",
	  "resources" },
	{ NULL, "resources",
	  "[{\"kind\":\"tenant\",\"id\":\"a\"},{\"kind\":\"queue\",\"id\":\"q\",\"priority\":\"much\"}]",
	  "queue q: priority" },
	{ NULL, "resources", "[{\"kind\":\"dog\"}]", "plan.yaml" },
};

static void what_is_wrong_in_a_plan_is_named_PJ_1(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		json_t *json = plan_json(), *in = faults[i].section ? json_object_get(json, faults[i].section) : json;
		struct onboard_plan p;
		struct err_detail d = { 0 };

		if (faults[i].value)
			json_object_set_new(in, faults[i].key, json_loads(faults[i].value, JSON_DECODE_ANY, NULL));
		else
			json_object_del(in, faults[i].key);
		if (onboard_plan_init(&p, json, "plan.yaml", &d) != ERR_INVALID ||
		    strcmp(d.field, faults[i].field) != 0 || !*d.message)
			fail_msg("%s.%s %s → %s: %s", faults[i].section, faults[i].key, faults[i].value, d.field,
				 d.message);
		json_decref(json);
	}
}

/* ---- quotas ---- */
static void the_peak_is_the_load_and_three_deviations_PJ_1(void **state)
{
	(void)state;
	assert_int_equal(onboard_peak(0), 0);
	assert_int_equal(onboard_peak(1), 4);
	assert_int_equal(onboard_peak(6), 14);
	assert_int_equal(onboard_peak(100), 130);
}

static void quotas_must_hold_what_is_made_and_what_is_required_PJ_1(void **state)
{
	struct onboard_quota q[ONBOARD_QUOTAS];
	struct onboard_plan p;

	(void)state;
	init(&p);
	assert_true(onboard_judge_quotas(&p, q));
	assert_string_equal(q[2].name, "agents");
	assert_int_equal(q[2].trial_needs, 1);
	assert_int_equal(q[2].production_needs, 12);
	assert_int_equal(q[6].production_needs, 14);
	json_object_set_new(p.production_quotas, "inbound_calls", json_integer(13));
	assert_false(onboard_judge_quotas(&p, q));
	assert_false(q[6].enough);
	json_object_set_new(p.production_quotas, "inbound_calls", json_integer(0)); /* no limit */
	assert_true(onboard_judge_quotas(&p, q));
	json_object_set_new(p.trial_quotas, "numbers", json_integer(1));
	assert_false(onboard_judge_quotas(&p, q));
	assert_false(q[3].enough);
	onboard_plan_done(&p);
}

static void quotas_are_equal_by_what_they_limit_PJ_1(void **state)
{
	json_t *plan = json_loads("{\"agents\":4,\"queues\":0}", 0, NULL);
	json_t *same = json_loads("{\"agents\":4,\"flows\":0,\"prompt_bytes\":\"0\"}", 0, NULL);
	json_t *other = json_loads("{\"agents\":4,\"prompt_bytes\":\"9\"}", 0, NULL);

	(void)state;
	assert_true(onboard_quotas_equal(plan, same));
	assert_false(onboard_quotas_equal(plan, other));
	assert_false(onboard_quotas_equal(plan, NULL));
	json_decref(plan);
	json_decref(same);
	json_decref(other);
}

/* ---- calls ---- */
#define CALL(id, to, from, queue, agent, agent_at, answered, ended, disposition, cause)                 \
	"{\"call_id\":\"" id "\",\"called\":\"" to "\",\"caller\":\"" from "\",\"queue_id\":\"" queue   \
	"\",\"agent_id\":\"" agent "\",\"offered_ms\":\"1000\",\"agent_answered_ms\":\"" agent_at       \
	"\",\"answered_ms\":\"" answered "\",\"ended_ms\":\"" ended "\",\"disposition\":\"" disposition \
	"\",\"cause\":\"" cause "\"}"
#define GOOD	  CALL("good", "+4930111", "+4916", "sales", "1001", "9000", "1500", "20000", "answered", "caller")
#define ABANDONED CALL("gone", "+4930111", "+4917", "sales", "", "0", "1500", "20000", "abandoned", "caller")
#define HOURS	  CALL("hours", "+4930112", "+4917", "", "", "0", "2000", "20000", "ivr", "normal")

/* Records, newest first; which of them stands for each call of the plan, '+' passed; and why the first that did not. */
static const struct {
	const char *calls, *taken, *why;
} acceptances[] = {
	{ "[]", "---", "nobody has called so yet" },
	{ "[" GOOD "," ABANDONED "," HOURS "]", "+good +gone +hours", "" },
	{ "[" HOURS "," GOOD "]", "+good - +hours", "nobody has called so yet" },
	{ "[" CALL("late", "+4930111", "+4916", "sales", "1001", "13000", "1500", "20000", "answered", "caller") "]",
	  "late - -", "it was answered after 12 s only" },
	{ "[" CALL("never", "+4930111", "+4916", "sales", "1001", "0", "1500", "20000", "answered", "caller") "]",
	  "never - -", "it was not answered" },
	{ "[" CALL("up", "+4930111", "+4916", "sales", "1001", "9000", "1500", "0", "", "") "]", "up - -",
	  "it has not ended" },
	{ "[" CALL("who", "+4930111", "+4916", "sales", "1002", "9000", "1500", "20000", "answered", "caller") "]",
	  "who - -", "agent is '1002', not '1001'" },
	{ "[" CALL("where", "+4930111", "+4916", "other", "1001", "9000", "1500", "20000", "answered", "caller") "]",
	  "where - -", "queue is 'other', not 'sales'" },
	/* a bad call after a good one: the good one stands */
	{ "[" CALL("who", "+4930111", "+4916", "sales", "1002", "9000", "1500", "20000", "answered", "caller") "," GOOD
													       "]",
	  "+good - -", "nobody has called so yet" },
};

static void calls_of_the_acceptance_are_held_against_their_records_PJ_1(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(acceptances); i++) {
		json_t *calls = json_loads(acceptances[i].calls, 0, NULL);
		struct onboard_verdict v[3];
		struct str taken = STR_INIT;
		struct onboard_plan p;
		const char *why = "";
		size_t passed, n = 0;

		init(&p);
		passed = onboard_judge_calls(&p, calls, v);
		for (size_t k = 0; k < 3; k++) {
			const char *id = json_string_value(json_object_get(v[k].call, "call_id"));

			str_printf(&taken, "%s%s%s", k && json_array_size(calls) ? " " : "", v[k].passed ? "+" : "",
				   id ? id : "-");
			n += v[k].passed;
			why = !v[k].passed && !*why ? v[k].why : why;
		}
		if (strcmp(str_text(&taken), acceptances[i].taken) != 0 || strcmp(why, acceptances[i].why) != 0 ||
		    n != passed)
			fail_msg("row %zu: %s (%s), %zu", i, str_text(&taken), why, passed);
		str_done(&taken);
		onboard_plan_done(&p);
		json_decref(calls);
	}
}

/* Two calls of the plan that one record would do for, and a record that does only for the first. */
static void a_record_stands_for_one_call_so_that_most_pass_PJ_1(void **state)
{
	static const char wanted[] =
	    "[{\"call\":\"+4930111\",\"queue\":\"sales\"},{\"call\":\"+4930111\",\"agent\":\"1001\"}]";
	json_t *json = plan_json(), *calls = json_loads("[" GOOD "," ABANDONED "]", 0, NULL);
	struct onboard_verdict v[2];
	struct onboard_plan p;

	(void)state;
	json_object_set_new(json, "acceptance", json_loads(wanted, 0, NULL));
	assert_int_equal(onboard_plan_init(&p, json, "plan.yaml", NULL), ERR_OK);
	assert_int_equal(onboard_judge_calls(&p, calls, v), 2);
	assert_string_equal(json_string_value(json_object_get(v[0].call, "call_id")), "gone");
	assert_string_equal(json_string_value(json_object_get(v[1].call, "call_id")), "good");
	json_array_remove(calls, 1);
	assert_int_equal(onboard_judge_calls(&p, calls, v), 1);
	onboard_plan_done(&p);
	json_decref(json);
	json_decref(calls);
}

/* ---- trial ---- */
static const struct {
	const char *calls, *abandoned, *failed, *offered, *in_target;
	const char *kept; /* calls, service level, abandoned, failed: '+' kept */
} trials[] = {
	{ "200", "10", "1", "180", "144", "++++" }, { "99", "0", "0", "90", "90", "-+++" },
	{ "200", "10", "1", "180", "143", "+-++" }, { "200", "11", "1", "180", "144", "++-+" },
	{ "200", "10", "2", "180", "144", "+++-" }, { "0", "0", "0", "0", "0", "----" },
	{ "100", "0", "0", "0", "0", "+-++" },
};

static void a_trial_is_judged_by_its_figures_PJ_1(void **state)
{
	struct onboard_plan p;

	(void)state;
	init(&p);
	for (size_t i = 0; i < ARRAY_SIZE(trials); i++) {
		struct onboard_figure f[ONBOARD_FIGURES];
		json_t *s = json_pack("{s:{s:s,s:s,s:s},s:[{s:s,s:s},{s:s,s:s}]}", "totals", "calls", trials[i].calls,
				      "abandoned", trials[i].abandoned, "failed", trials[i].failed, "queues", "offered",
				      trials[i].offered, "answered_in_target", trials[i].in_target, "offered", "0",
				      "answered_in_target", "0");
		bool all = onboard_judge_trial(&p.trial, s, f), every = true;

		for (size_t k = 0; k < ONBOARD_FIGURES; k++) {
			every = every && f[k].kept;
			if (f[k].kept != (trials[i].kept[k] == '+'))
				fail_msg("row %zu: %s is %f", i, f[k].name, f[k].value);
		}
		assert_int_equal(all, every);
		json_decref(s);
	}
	onboard_plan_done(&p);
}

static void people_who_come_and_go_undo_no_acceptance_PJ_1(void **state)
{
	json_t *entries =
	    json_loads("[{\"action\":\"tokens.create\"},{\"action\":\"agents.update\"},{\"action\":\"tenants.update\"},"
		       "{\"action\":\"flows.publish\",\"actor\":\"op\"},{\"action\":\"queues.create\"}]",
		       0, NULL);

	(void)state;
	assert_string_equal(json_string_value(json_object_get(onboard_last_change(entries), "actor")), "op");
	assert_null(onboard_last_change(NULL));
	json_decref(entries);
}

/* ---- the report ---- */
static void the_report_has_the_checklist_who_when_and_the_figures_PJ_1(void **state)
{
	static const char *const lines[] = {
		"# Onboarding of Acme \\| Söhne\n",
		"Tenant `acme`. Contact: Mei Lin, mei@acme.example. This report: 2026-12-14T09:00:00.000Z, by "
		"operator:li.\n",
		"| [x] | requirement | done |  |  |  |\n",
		"| [x] | resources | done | 2026-12-06T08:00:00.000Z | operator:li |  |\n",
		"| [ ] | trial run | missed |  |  | trial: did not \\| keep |\n",
		"| [ ] | go-live | later |  |  |  |\n",
		"12 agents, 120 calls in the busy hour of 3:00 each: 6.0 erlangs, up to 14 calls at once. Numbers: "
		"+4930111, "
		"+4930112. Languages: en, zh-Hans.\n",
		"| agents | 1 | 4 | 12 | 20 | yes |\n",
		"| agents_signed_in | 0 | no limit | 12 | 15 | yes |\n",
		"| queue sales | to be changed |\n",
		"| +4930111 | queue sales; agent 1001; disposition answered; answered within 10 s; | yes | good | "
		"1970-01-01T00:00:01.000Z |  |\n",
		"| +4930111 from +4917 | disposition abandoned; | no |  |  | nobody has called so yet |\n",
		"| service level | 79.4 % | at least 80.0 % | no |\n",
		"| calls | 200 | at least 100 | yes |\n",
		"to 2026-12-14T08:00:00.000Z, counted by whole quarters of an hour from 2026-12-07T08:00:00.000Z.\n",
	};
	struct onboard o = { .tried = true, .since_ms = INT64_C(1796544000000) };
	json_t *s = json_loads("{\"totals\":{\"calls\":\"200\",\"abandoned\":\"10\",\"failed\":\"1\"},"
			       "\"queues\":[{\"offered\":\"180\",\"answered_in_target\":\"143\"}]}",
			       0, NULL);
	struct onboard_verdict verdicts[3];
	enum apply_change changes[6] = { 0 };
	struct str out = STR_INIT;

	(void)state;
	init(&o.plan);
	assert_true(onboard_judge_quotas(&o.plan, o.quotas));
	for (size_t i = 0; i < o.plan.resources.n; i++)
		if (strcmp(o.plan.resources.items[i].resource->noun, "queue") == 0)
			changes[i] = APPLY_CHANGED;
	o.calls = json_loads("[" GOOD "," HOURS "]", 0, NULL);
	assert_int_equal(onboard_judge_calls(&o.plan, o.calls, verdicts), 2);
	assert_false(onboard_judge_trial(&o.plan.trial, s, o.figures));
	o.changes = changes;
	o.verdicts = verdicts;
	o.stages[ONBOARD_REQUIREMENT].state = ONBOARD_DONE;
	o.stages[ONBOARD_RESOURCES] = (struct onboard_stage){ ONBOARD_DONE, o.since_ms, "operator:li", { "", "" } };
	o.stages[ONBOARD_TRIAL].state = ONBOARD_MISSED;
	(void)err_set(&o.stages[ONBOARD_TRIAL].detail, ERR_PRECONDITION, "trial", "did not | keep");
	onboard_report(&out, &o, INT64_C(1797238800000), "operator:li");
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		if (!strstr(str_text(&out), lines[i]))
			fail_msg("no line %s in\n%s", lines[i], str_text(&out));
	str_done(&out);
	json_decref(s);
	json_decref(o.calls);
	onboard_plan_done(&o.plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plan_is_read_PJ_1),
		cmocka_unit_test(what_is_wrong_in_a_plan_is_named_PJ_1),
		cmocka_unit_test(the_peak_is_the_load_and_three_deviations_PJ_1),
		cmocka_unit_test(quotas_must_hold_what_is_made_and_what_is_required_PJ_1),
		cmocka_unit_test(quotas_are_equal_by_what_they_limit_PJ_1),
		cmocka_unit_test(calls_of_the_acceptance_are_held_against_their_records_PJ_1),
		cmocka_unit_test(a_record_stands_for_one_call_so_that_most_pass_PJ_1),
		cmocka_unit_test(a_trial_is_judged_by_its_figures_PJ_1),
		cmocka_unit_test(people_who_come_and_go_undo_no_acceptance_PJ_1),
		cmocka_unit_test(the_report_has_the_checklist_who_when_and_the_figures_PJ_1),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
