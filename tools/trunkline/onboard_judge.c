#include "onboard_judge.h"

#include <stdio.h>
#include <string.h>
#include "base/mem.h"

static int64_t number(const json_t *o, const char *key)
{
	return show_number(json_object_get(o, key));
}

/* ---- quotas ---- */
int64_t onboard_peak(double load)
{
	int64_t n = (int64_t)load;

	while ((double)n < load || ((double)n - load) * ((double)n - load) < 9 * load)
		n++;
	return n;
}

static int64_t most(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

bool onboard_judge_quotas(const struct onboard_plan *plan, struct onboard_quota quotas[ONBOARD_QUOTAS])
{
	static const struct {
		const char *name, *noun; /* noun NULL: not of what is made */
	} rows[ONBOARD_QUOTAS] = { { "queues", "queue" },    { "flows", "flow" },     { "agents", "agent" },
				   { "numbers", "number" },  { "prompts", "prompt" }, { "agents_signed_in", NULL },
				   { "inbound_calls", NULL } };
	bool all = true;

	for (size_t i = 0; i < ONBOARD_QUOTAS; i++) {
		struct onboard_quota *q = &quotas[i];

		*q = (struct onboard_quota){ .name = rows[i].name,
					     .trial = number(plan->trial_quotas, rows[i].name),
					     .production = number(plan->production_quotas, rows[i].name) };
		if (rows[i].noun)
			q->trial_needs = q->production_needs = onboard_plan_count(plan, rows[i].noun);
		if (strncmp(q->name, "agents", 6) == 0)
			q->production_needs = most(q->production_needs, plan->agents);
		if (strcmp(q->name, "inbound_calls") == 0)
			q->production_needs = onboard_peak(onboard_plan_load(plan));
		q->enough = (!q->trial || q->trial >= q->trial_needs) &&
			    (!q->production || q->production >= q->production_needs);
		all = all && q->enough;
	}
	return all;
}

/* ---- calls of the acceptance ---- */
static bool differs(const char *what, const char *wanted, const char *is, char why[128])
{
	if (!wanted || strcmp(wanted, is) == 0)
		return false;
	snprintf(why, 128, "%s is '%.40s', not '%.40s'", what, is, wanted);
	return true;
}

static bool late(const struct onboard_call *c, const json_t *call, char why[128])
{
	int64_t at = number(call, c->queue || c->agent ? "agent_answered_ms" : "answered_ms");
	char buf[32];

	if (!c->answered_within_ms)
		return false;
	if (!at)
		snprintf(why, 128, "it was not answered");
	else if (at - number(call, "offered_ms") > c->answered_within_ms)
		snprintf(why, 128, "it was answered after %s only", show_span(at - number(call, "offered_ms"), buf));
	else
		return false;
	return true;
}

/* Is this a record of that call at all? */
static bool is_of(const struct onboard_call *c, const json_t *call)
{
	return strcmp(show_text(call, "called"), c->number) == 0 &&
	       (!c->caller || str_eq(show_text(call, "caller"), c->caller));
}

/* As the plan says? why: what is not. */
static bool is_as_wanted(const struct onboard_call *c, const json_t *call, char why[128])
{
	if (!number(call, "ended_ms")) {
		snprintf(why, 128, "it has not ended");
		return false;
	}
	return !differs("queue", c->queue, show_text(call, "queue_id"), why) &&
	       !differs("agent", c->agent, show_text(call, "agent_id"), why) && !late(c, call, why) &&
	       !differs("disposition", c->disposition, show_text(call, "disposition"), why) &&
	       !differs("cause", c->cause, show_text(call, "cause"), why);
}

struct match {
	const struct onboard_plan *plan;
	const json_t *calls;
	size_t *taken; /* of each record: which call of the plan has it, from 1; 0: none */
	bool *tried;
};

/* Finds a record for call i; who has it already is moved to another one where that is possible (augmenting paths, Kuhn). */
static bool place(struct match *m, size_t i)
{
	char why[128];
	json_t *call;
	size_t k;

	json_array_foreach((json_t *)m->calls, k, call)
	{
		if (m->tried[k] || !is_of(&m->plan->calls[i], call) || !is_as_wanted(&m->plan->calls[i], call, why))
			continue;
		m->tried[k] = true;
		if (m->taken[k] && !place(m, m->taken[k] - 1))
			continue;
		m->taken[k] = i + 1;
		return true;
	}
	return false;
}

/* Why none passed: the newest record that nobody has taken. */
static void explain(const struct match *m, const struct onboard_call *c, struct onboard_verdict *v)
{
	json_t *call;
	size_t k;

	json_array_foreach((json_t *)m->calls, k, call)
	{
		if (m->taken[k] || !is_of(c, call))
			continue;
		v->call = call;
		(void)is_as_wanted(c, call, v->why);
		return;
	}
	snprintf(v->why, sizeof(v->why), "nobody has called so yet");
}

size_t onboard_judge_calls(const struct onboard_plan *plan, const json_t *calls, struct onboard_verdict *verdicts)
{
	size_t n = json_array_size(calls), passed = 0;
	struct match m = { plan, calls, mem_array(n + 1, sizeof(*m.taken)), mem_array(n + 1, sizeof(*m.tried)) };

	memset(verdicts, 0, plan->n_calls * sizeof(*verdicts));
	if (m.taken && m.tried)
		memset(m.taken, 0, (n + 1) * sizeof(*m.taken));
	for (size_t i = 0; m.taken && m.tried && i < plan->n_calls; i++) {
		memset(m.tried, 0, (n + 1) * sizeof(*m.tried));
		(void)place(&m, i);
	}
	for (size_t k = 0; m.taken && m.tried && k < n; k++)
		if (m.taken[k]) {
			verdicts[m.taken[k] - 1] =
			    (struct onboard_verdict){ .call = json_array_get(calls, k), .passed = true };
			passed++;
		}
	for (size_t i = 0; m.taken && m.tried && i < plan->n_calls; i++)
		if (!verdicts[i].passed)
			explain(&m, &plan->calls[i], &verdicts[i]);
	mem_free(m.taken);
	mem_free(m.tried);
	return passed;
}

/* ---- the trial ---- */
static int64_t sum(const json_t *rows, const char *key)
{
	int64_t total = 0;
	json_t *row;
	size_t i;

	json_array_foreach((json_t *)rows, i, row) total += number(row, key);
	return total;
}

static double share(int64_t part, int64_t of)
{
	return of ? 100 * (double)part / (double)of : -1;
}

bool onboard_judge_trial(const struct onboard_trial *trial, const json_t *summary,
			 struct onboard_figure figures[ONBOARD_FIGURES])
{
	const json_t *totals = json_object_get(summary, "totals"), *queues = json_object_get(summary, "queues");
	int64_t calls = number(totals, "calls");
	bool all = true;

	figures[0] = (struct onboard_figure){ "calls", (double)calls, (double)trial->calls, false, true, false };
	figures[1] = (struct onboard_figure){ "service level",
					      share(sum(queues, "answered_in_target"), sum(queues, "offered")),
					      trial->service_level,
					      true,
					      true,
					      false };
	figures[2] = (struct onboard_figure){
		"abandoned", share(number(totals, "abandoned"), calls), trial->abandoned, true, false, false
	};
	figures[3] = (struct onboard_figure){ "failed",	     share(number(totals, "failed"), calls),
					      trial->failed, true,
					      false,	     false };
	for (size_t i = 0; i < ONBOARD_FIGURES; i++) {
		struct onboard_figure *f = &figures[i];

		f->kept = f->value >= 0 && (f->at_least ? f->value >= f->bound : f->value <= f->bound);
		all = all && f->kept;
	}
	return all;
}

/* ---- the audit ---- */
const json_t *onboard_last_change(const json_t *entries)
{
	static const char *const kinds[] = { "numbers.", "trunks.",  "calendars.", "skills.",
					     "queues.",	 "prompts.", "flows." };
	json_t *entry;
	size_t i;

	json_array_foreach((json_t *)entries, i, entry)
	{
		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
			if (strncmp(show_text(entry, "action"), kinds[k], strlen(kinds[k])) == 0)
				return entry;
	}
	return NULL;
}
