#include "onboard.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"

#define QUARTER_MS (15 * 60000) /* reports begin with one */

const char *onboard_stage_name(enum onboard_stage_id id)
{
	static const char *const names[] = { "requirement",	 "plan",      "resources",
					     "acceptance calls", "trial run", "go-live" };

	return names[id];
}

const char *onboard_state_name(enum onboard_state state)
{
	static const char *const names[] = { "later", "waiting", "missed", "done" };

	return names[state];
}

void onboard_done(struct onboard *o)
{
	onboard_plan_done(&o->plan);
	mem_free(o->changes);
	mem_free(o->verdicts);
	json_decref(o->calls);
}

/* Text of others within a table: no cell ends and no line breaks by it. */
static void cell(struct str *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '|' || *text == '\\')
			str_append_c(out, '\\');
		str_append_c(out, (unsigned char)*text < ' ' ? ' ' : *text);
	}
}

/* UTC: the report is read in more than one place. */
static void moment(struct str *out, int64_t ms)
{
	char buf[CLOCK_TEXT];

	if (ms)
		str_append(out, clock_text(ms, buf));
}

static void list(struct str *out, const json_t *texts)
{
	json_t *v;
	size_t i;

	json_array_foreach((json_t *)texts, i, v)
	{
		str_append(out, i ? ", " : "");
		cell(out, json_string_value(v));
	}
}

static void checklist(struct str *out, const struct onboard *o)
{
	str_append(out,
		   "## Checklist\n\n| | stage | state | when | who | what is missing |\n|---|---|---|---|---|---|\n");
	for (unsigned i = 0; i < ONBOARD_STAGES; i++) {
		const struct onboard_stage *s = &o->stages[i];

		str_printf(out, "| [%c] | %s | %s | ", s->state == ONBOARD_DONE ? 'x' : ' ', onboard_stage_name(i),
			   onboard_state_name(s->state));
		moment(out, s->at_ms);
		str_append(out, " | ");
		cell(out, s->who);
		str_append(out, " | ");
		if (*s->detail.field)
			cell(out, s->detail.field);
		if (*s->detail.field && *s->detail.message)
			str_append(out, ": ");
		cell(out, s->detail.message);
		str_append(out, " |\n");
	}
}

static void requirement(struct str *out, const struct onboard_plan *p)
{
	char buf[32];

	str_printf(out,
		   "\n## Requirement\n\n%" PRId64 " agents, %" PRId64
		   " calls in the busy hour of %s each: %.1f erlangs, up to %" PRId64 " calls at once. Numbers: ",
		   p->agents, p->busy_hour_calls, show_span(p->handle_time_ms, buf), onboard_plan_load(p),
		   onboard_peak(onboard_plan_load(p)));
	list(out, p->numbers);
	str_append(out, ". Languages: ");
	list(out, p->languages);
	str_append(out, ".\n");
}

static void limit(struct str *out, int64_t n)
{
	if (n)
		str_printf(out, " | %" PRId64, n);
	else
		str_append(out, " | no limit");
}

static void plan(struct str *out, const struct onboard *o)
{
	static const char *const words[] = {
		[APPLY_SAME] = "as planned", [APPLY_NEW] = "to be created", [APPLY_CHANGED] = "to be changed"
	};

	str_append(out, "\n## Plan\n\n| quota | trial needs | trial | production needs | production | enough |\n"
			"|---|---|---|---|---|---|\n");
	for (size_t i = 0; i < ONBOARD_QUOTAS; i++) {
		const struct onboard_quota *q = &o->quotas[i];

		str_printf(out, "| %s | %" PRId64, q->name, q->trial_needs);
		limit(out, q->trial);
		str_printf(out, " | %" PRId64, q->production_needs);
		limit(out, q->production);
		str_printf(out, " | %s |\n", q->enough ? "yes" : "no");
	}
	if (!o->changes)
		return;
	str_append(out, "\n| resource | |\n|---|---|\n");
	for (size_t i = 0; i < o->plan.resources.n; i++) {
		const struct apply_item *it = &o->plan.resources.items[i];

		str_printf(out, "| %s ", it->resource->noun);
		cell(out, apply_id(it));
		str_printf(out, " | %s |\n", words[o->changes[i]]);
	}
}

static void wanted(struct str *out, const struct onboard_call *c)
{
	const char *const values[] = { c->queue, c->agent, c->disposition, c->cause };
	static const char *const names[] = { "queue", "agent", "disposition", "cause" };
	char buf[32];

	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		if (!values[i])
			continue;
		str_printf(out, "%s ", names[i]);
		cell(out, values[i]);
		str_append(out, "; ");
	}
	if (c->answered_within_ms)
		str_printf(out, "answered within %s; ", show_span(c->answered_within_ms, buf));
}

static void acceptance(struct str *out, const struct onboard *o)
{
	str_append(out, "\n## Acceptance calls\n\nCounted from ");
	moment(out, o->since_ms);
	str_append(out, " (the last change before the trial) to ");
	moment(out, o->plan.trial.from_ms);
	str_append(
	    out,
	    ".\n\n| call | what must happen | passed | call record | offered | why not |\n|---|---|---|---|---|---|\n");
	for (size_t i = 0; i < o->plan.n_calls; i++) {
		const struct onboard_call *c = &o->plan.calls[i];
		const struct onboard_verdict *v = &o->verdicts[i];

		str_append(out, "| ");
		cell(out, c->number);
		if (c->caller) {
			str_append(out, " from ");
			cell(out, c->caller);
		}
		str_append(out, " | ");
		wanted(out, c);
		str_printf(out, "| %s | ", v->passed ? "yes" : "no");
		cell(out, show_text(v->call, "call_id"));
		str_append(out, " | ");
		moment(out, show_number(json_object_get(v->call, "offered_ms")));
		str_append(out, " | ");
		cell(out, v->why);
		str_append(out, " |\n");
	}
}

static void trial(struct str *out, const struct onboard *o)
{
	str_append(out, "\n## Trial run\n\nFrom ");
	moment(out, o->plan.trial.from_ms);
	str_append(out, " to ");
	moment(out, o->plan.trial.to_ms);
	str_append(out, ", counted by whole quarters of an hour from ");
	moment(out, o->plan.trial.from_ms - o->plan.trial.from_ms % QUARTER_MS);
	if (o->lag)
		str_printf(out, "; not yet counted when this was read: %s%" PRId64, o->lag < 0 ? "unknown, " : "",
			   o->lag);
	str_append(out, ".\n\n| figure | is | must be | kept |\n|---|---|---|---|\n");
	for (size_t i = 0; i < ONBOARD_FIGURES; i++) {
		const struct onboard_figure *f = &o->figures[i];

		str_printf(out, "| %s | ", f->name);
		if (f->value < 0)
			str_append(out, "–");
		else
			str_printf(out, f->percent ? "%.1f %%" : "%.0f", f->value);
		str_printf(out, f->percent ? " | %s %.1f %%" : " | %s %.0f", f->at_least ? "at least" : "at most",
			   f->bound);
		str_printf(out, " | %s |\n", f->kept ? "yes" : "no");
	}
}

void onboard_report(struct str *out, const struct onboard *o, int64_t now_ms, const char *by)
{
	const struct onboard_plan *p = &o->plan;

	str_append(out, "# Onboarding of ");
	cell(out, p->customer);
	str_printf(out, "\n\nTenant `%s`. Contact: ", p->tenant);
	cell(out, p->contact_name);
	for (int i = 0; i < 2; i++) {
		const char *at = i ? p->contact_phone : p->contact_email;

		if (at) {
			str_append(out, ", ");
			cell(out, at);
		}
	}
	str_append(out, ". This report: ");
	moment(out, now_ms);
	str_append(out, ", by ");
	cell(out, by);
	str_append(out, ".\n\n");
	checklist(out, o);
	requirement(out, p);
	plan(out, o);
	if (o->calls)
		acceptance(out, o);
	if (o->tried)
		trial(out, o);
}
