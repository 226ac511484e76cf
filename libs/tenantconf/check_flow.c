#include "check_internal.h"

#include <stdio.h>
#include <string.h>
#include "base/arena.h"
#include "base/str.h"
#include "tenantconf/index.h"

#define CASES_MAX   200
#define PROMPTS_MAX 32
#define TIME_MAX_MS 3600000

bool check_template(const char *text)
{
	char name[FLOW_VARIABLE_MAX];

	if (strlen(text) >= FLOW_VALUE_MAX)
		return false;
	for (const char *p = strstr(text, "${"); p; p = strstr(p + 2, "${")) {
		size_t n = strcspn(p + 2, "}");

		if (n >= sizeof(name) || !p[2 + n])
			return false;
		memcpy(name, p + 2, n);
		name[n] = '\0';
		if (!flow_variable_ok(name))
			return false;
	}
	return true;
}

size_t check_step_exits(const Trunkline__Config__V1__FlowStep *s, struct check_exit exits[CHECK_EXITS_MAX])
{
	size_t n = 0;

	exits[n++] = (struct check_exit){ "next", s->next };
	switch (s->step_case) {
	case TRUNKLINE__CONFIG__V1__FLOW_STEP__STEP_COLLECT:
		exits[n++] = (struct check_exit){ "collect.on_failure", s->collect->on_failure };
		break;
	case TRUNKLINE__CONFIG__V1__FLOW_STEP__STEP_BRANCH:
		exits[n++] = (struct check_exit){ "branch.otherwise", s->branch->otherwise };
		break;
	case TRUNKLINE__CONFIG__V1__FLOW_STEP__STEP_QUEUE:
		exits[n++] = (struct check_exit){ "queue.on_timeout", s->queue->on_timeout };
		exits[n++] = (struct check_exit){ "queue.on_full", s->queue->on_full };
		exits[n++] = (struct check_exit){ "queue.on_no_agents", s->queue->on_no_agents };
		break;
	case TRUNKLINE__CONFIG__V1__FLOW_STEP__STEP_RING_AGENT:
		exits[n++] = (struct check_exit){ "ring_agent.on_no_answer", s->ring_agent->on_no_answer };
		exits[n++] = (struct check_exit){ "ring_agent.on_busy", s->ring_agent->on_busy };
		break;
	default:
		break;
	}
	return n;
}

static err_t check_time(int64_t ms, const char *field, struct err_detail *d)
{
	if (ms >= 0 && ms <= TIME_MAX_MS)
		return ERR_OK;
	return err_set(d, ERR_INVALID, field, "%lld is not within 0 and %d", (long long)ms, TIME_MAX_MS);
}

static err_t check_prompts(char *const *ids, size_t n, size_t min, const char *field, struct err_detail *d)
{
	if (n < min || n > PROMPTS_MAX)
		return err_set(d, ERR_INVALID, field, "%zu of them; %zu to %d", n, min, PROMPTS_MAX);
	for (size_t i = 0; i < n; i++) {
		err_t e = check_id(ids[i], "", d);

		if (e) {
			check_prefix(d, "%s[%zu]", field, i);
			return e;
		}
	}
	return ERR_OK;
}

static err_t check_variable(const char *name, const char *field, struct err_detail *d)
{
	if (flow_variable_ok(name))
		return ERR_OK;
	return err_set(d, ERR_INVALID, field, "'%.40s' is no variable: a-z, then a-z, 0-9 and '_', at most 31", name);
}

/* What the platform sets is not for a flow to change. */
static err_t check_own_variable(const char *name, const char *field, struct err_detail *d)
{
	static const char *const builtin[] = { "caller", "called", "call_id", "queue" };

	for (size_t i = 0; i < ARRAY_SIZE(builtin); i++) {
		if (strcmp(name, builtin[i]) == 0)
			return err_set(d, ERR_INVALID, field, "'%s' is set by the platform; take another name", name);
	}
	return check_variable(name, field, d);
}

static bool keys_ok(const char *keys)
{
	return strlen(keys) <= 16 && strspn(keys, "0123456789*#ABCD") == strlen(keys);
}

static err_t check_collect(const Trunkline__Config__V1__CollectStep *c, struct err_detail *d)
{
	err_t e = check_own_variable(c->variable, "collect.variable", d);
	const char *ends = str_empty(c->terminators) ? "#" : c->terminators;
	const char *resets = str_empty(c->reset_keys) ? "*" : c->reset_keys;

	if (!e)
		e = check_prompts(c->prompt_ids, c->n_prompt_ids, 0, "collect.prompt_ids", d);
	if (!e && (c->max_digits < 1 || c->max_digits > FLOW_DIGITS_MAX))
		e = err_set(d, ERR_INVALID, "collect.max_digits", "%u is not within 1 and %d", c->max_digits,
			    FLOW_DIGITS_MAX);
	if (!e && c->min_digits > c->max_digits)
		e = err_set(d, ERR_INVALID, "collect.min_digits", "%u is more than max_digits", c->min_digits);
	if (!e)
		e = check_time(c->first_timeout_ms, "collect.first_timeout_ms", d);
	if (!e)
		e = check_time(c->digit_timeout_ms, "collect.digit_timeout_ms", d);
	if (!e && !keys_ok(c->terminators))
		e = err_set(d, ERR_INVALID, "collect.terminators", "keys of 0-9, *, #, A-D");
	if (!e && (!keys_ok(c->reset_keys) || strpbrk(resets, ends)))
		e = err_set(d, ERR_INVALID, "collect.reset_keys", "keys of 0-9, *, #, A-D that are not terminators");
	if (!e && c->tries > 10)
		e = err_set(d, ERR_INVALID, "collect.tries", "%u is more than 10", c->tries);
	return e;
}

static err_t check_branch(const Trunkline__Config__V1__BranchStep *b, struct err_detail *d)
{
	err_t e = check_variable(b->variable, "branch.variable", d);

	if (!e && b->n_cases > CASES_MAX)
		e = err_set(d, ERR_INVALID, "branch.cases", "%zu of them; at most %d", b->n_cases, CASES_MAX);
	for (size_t i = 0; !e && i < b->n_cases; i++) {
		if (strlen(b->cases[i]->value) >= FLOW_VALUE_MAX)
			e = check_bad(d, "at most 255 bytes", "branch.cases[%zu].value", i);
	}
	return e;
}

static err_t check_set(const Trunkline__Config__V1__SetStep *s, struct err_detail *d)
{
	err_t e = check_own_variable(s->variable, "set.variable", d);

	if (!e && !check_template(s->value))
		e = err_set(d, ERR_INVALID, "set.value", "at most 255 bytes; ${name} names a variable");
	return e;
}

static err_t check_ring_agent(const Trunkline__Config__V1__RingAgentStep *r, struct err_detail *d)
{
	err_t e = check_time(r->timeout_ms, "ring_agent.timeout_ms", d);

	if (!e && !strstr(r->agent_id, "${"))
		return check_id(r->agent_id, "ring_agent.agent_id", d);
	if (!e && !check_template(r->agent_id))
		e = err_set(d, ERR_INVALID, "ring_agent.agent_id", "an agent id, or text with ${name} of variables");
	return e;
}

static err_t check_queue_step(const Trunkline__Config__V1__QueueStep *q, struct err_detail *d)
{
	err_t e = check_id(q->queue_id, "queue.queue_id", d);

	if (!e && q->priority > 10)
		e = err_set(d, ERR_INVALID, "queue.priority", "%u is not within 0 and 10", q->priority);
	return e;
}

static err_t check_step_kind(const Trunkline__Config__V1__FlowStep *s, struct err_detail *d)
{
	switch (s->step_case) {
	case TRUNKLINE__CONFIG__V1__FLOW_STEP__STEP_ANSWER:
	case TRUNKLINE__CONFIG__V1__FLOW_STEP__STEP_RECORD:
		return ERR_OK;
	case TRUNKLINE__CONFIG__V1__FLOW_STEP__STEP_PLAY:
		return check_prompts(s->play->prompt_ids, s->play->n_prompt_ids, 1, "play.prompt_ids", d);
	case TRUNKLINE__CONFIG__V1__FLOW_STEP__STEP_COLLECT:
		return check_collect(s->collect, d);
	case TRUNKLINE__CONFIG__V1__FLOW_STEP__STEP_BRANCH:
		return check_branch(s->branch, d);
	case TRUNKLINE__CONFIG__V1__FLOW_STEP__STEP_SET:
		return check_set(s->set, d);
	case TRUNKLINE__CONFIG__V1__FLOW_STEP__STEP_QUEUE:
		return check_queue_step(s->queue, d);
	case TRUNKLINE__CONFIG__V1__FLOW_STEP__STEP_RING_AGENT:
		return check_ring_agent(s->ring_agent, d);
	case TRUNKLINE__CONFIG__V1__FLOW_STEP__STEP_HANG_UP:
		if (s->hang_up->status && (s->hang_up->status < 400 || s->hang_up->status > 699))
			return err_set(d, ERR_INVALID, "hang_up.status", "%u is not within 400 and 699",
				       s->hang_up->status);
		return ERR_OK;
	default:
		return err_set(d, ERR_INVALID, "step", "missing: what the step does (answer, play, collect …)");
	}
}

static err_t check_exit_steps(const Trunkline__Config__V1__FlowStep *s, const struct index *ids, struct err_detail *d)
{
	struct check_exit exits[CHECK_EXITS_MAX];
	size_t n = check_step_exits(s, exits);

	for (size_t i = 0; i < n; i++) {
		if (!str_empty(exits[i].step_id) && index_find(ids, exits[i].step_id) == INDEX_NONE)
			return err_set(d, ERR_INVALID, exits[i].field, "there is no step '%.70s'", exits[i].step_id);
	}
	if (s->step_case != TRUNKLINE__CONFIG__V1__FLOW_STEP__STEP_BRANCH)
		return ERR_OK;
	for (size_t i = 0; i < s->branch->n_cases; i++) {
		const char *next = s->branch->cases[i]->next;

		if (!str_empty(next) && index_find(ids, next) == INDEX_NONE)
			return check_bad(d, "there is no such step", "branch.cases[%zu].next", i);
	}
	return ERR_OK;
}

static err_t check_steps(const Trunkline__Config__V1__Flow *f, struct arena *a, struct err_detail *d)
{
	const char **names = arena_alloc(a, f->n_steps * sizeof(*names));
	struct index ids;
	size_t dup = 0;
	err_t e = names ? ERR_OK : ERR_EXHAUSTED;
	size_t i;

	for (i = 0; !e && i < f->n_steps; i++) {
		names[i] = f->steps[i]->id;
		e = check_id(names[i], "id", d);
	}
	if (!e) {
		e = index_build(&ids, a, names, sizeof(*names), f->n_steps, &dup);
		if (e == ERR_EXISTS)
			return check_bad(d, "another step has this id", "steps[%zu].id", dup);
		i = 0;
	}
	for (; !e && i < f->n_steps; i++) {
		e = check_step_kind(f->steps[i], d);
		if (!e)
			e = check_exit_steps(f->steps[i], &ids, d);
	}
	if (e && i)
		check_prefix(d, "steps[%zu].", i - 1);
	return e;
}

err_t check_flow(const Trunkline__Config__V1__Flow *f, struct err_detail *d)
{
	struct arena a;
	err_t e = check_id(f->id, "id", d);

	if (!e)
		e = check_display_name(f->display_name, "display_name", d);
	if (!e && (!f->n_steps || f->n_steps > FLOW_STEPS_MAX))
		e = err_set(d, ERR_INVALID, "steps", "%zu of them; 1 to %d", f->n_steps, FLOW_STEPS_MAX);
	if (e)
		return e;
	arena_init(&a, 0);
	e = check_steps(f, &a, d);
	arena_done(&a);
	return e ? e : check_flow_loops(f, d);
}
