/*
 * call_flow: what the call does next by its number's rule (OP-1) and its flow's steps (GT-4.1, GT-4.3, GT-4.4).
 *
 * Steps without waiting (branch, set, record) run on; a step that waits sets the phase and returns. After an adoption the
 * step that was interrupted simply runs again.
 */
#include "call_internal.h"

#include <string.h>
#include "base/str.h"

static const char *lookup(const char *name, void *arg)
{
	return call_var(arg, name);
}

static const struct flow_step *step_of(const struct call *call)
{
	if (!call->flow || call->step < 0 || call->step >= call->flow->n_steps)
		return NULL;
	return &call->flow->steps[call->step];
}

static void to_queue(struct call *call, const struct tenant_queue *queue, uint32_t priority)
{
	uint32_t sum = queue->priority + priority;

	call->queue = queue;
	str_copy(call->queue_id, sizeof(call->queue_id), queue->id);
	call->priority = sum > 20 ? 20 : sum;
	call->wanted_agent[0] = '\0';
}

/* An announcement, if the operator wants one; its end is the call's. */
static void suspended(struct call *call, int64_t now_ms, struct call_todo *todo)
{
	call->flow = call->conf->announcement;
	if (call->flow)
		call_flow_go(call, 0, now_ms, todo);
	else
		call_finish(call, "suspended", 480, now_ms, todo);
}

static bool is_announcement(const struct call *call)
{
	return call->flow && call->conf && call->flow == call->conf->announcement;
}

void call_suspended(struct call *call, int64_t now_ms, struct call_todo *todo)
{
	if (!is_announcement(call))
		call_finish(call, "suspended", 480, now_ms, todo);
}

void call_route(struct call *call, int64_t now_ms, struct call_todo *todo)
{
	const struct tenant_number *number = call->conf ? tenant_find_number(call->conf, call->called) : NULL;
	const struct tenant_target *target = number ? tenant_number_target(number, now_ms) : NULL;

	/* As a full trunk: the caller hears busy. A 503 would keep a carrier from sending the other tenants' calls, too (RFC 3261, 21.5.4). */
	if (call->over_quota) {
		call_finish(call, call->over_rate ? "over-rate" : "over-quota", 486, now_ms, todo);
		return;
	}
	if (!target) {
		call_finish(call, "no-such-number", 404, now_ms, todo);
		return;
	}
	if (call->conf->suspended) {
		suspended(call, now_ms, todo);
		return;
	}
	switch (target->kind) {
	case TENANT_TARGET_FLOW:
		call->flow = target->flow;
		call_flow_go(call, 0, now_ms, todo);
		break;
	case TENANT_TARGET_QUEUE:
		to_queue(call, target->queue, 0);
		call_queue_enter(call, now_ms, todo);
		break;
	case TENANT_TARGET_AGENT:
		str_copy(call->wanted_agent, sizeof(call->wanted_agent), target->agent_id);
		call_queue_enter(call, now_ms, todo);
		break;
	case TENANT_TARGET_REJECT:
		call_finish(call, "rejected", target->reject_status, now_ms, todo);
		break;
	}
}

/* The caller must hear something. true: there is an endpoint; false: asked for, the step runs again when it is there. */
static bool audible(struct call *call, int64_t now_ms, struct call_todo *todo)
{
	if (call->caller_leg.state == LEG_UP)
		return true;
	call_answer(call, now_ms, todo);
	return false;
}

/* How long media may take for the prompts; a PlayDone that never comes must not stop the call. */
static int64_t play_time_ms(const struct tenant_prompt *const *list, size_t n)
{
	int64_t sum = PLAY_GRACE_MS;

	for (size_t i = 0; i < n; i++)
		sum += list[i]->duration_ms;
	return sum;
}

/* ---- collect ----------------------------------------------------------------------------------------------------- */

static void collect_prompt(struct call *call, const struct flow_step *s, int64_t now_ms, struct call_todo *todo)
{
	call_set_phase(call, CALL_PHASE_COLLECTING);
	if (s->collect.prompts.n)
		call_play(call, &call->caller_leg, s->collect.prompts.list, s->collect.prompts.n, false, true, todo);
	call->step_deadline_ms = now_ms + s->collect.first_timeout_ms;
	if (s->collect.prompts.n)
		call->step_deadline_ms += play_time_ms(s->collect.prompts.list, s->collect.prompts.n);
}

static void collect_end(struct call *call, const struct flow_step *s, const char *how, int64_t now_ms,
			struct call_todo *todo)
{
	bool enough = strlen(call->digits) >= s->collect.min_digits;
	struct call_fact *f;

	if (!enough && ++call->tries < (int)s->collect.tries) {
		call->digits[0] = '\0';
		collect_prompt(call, s, now_ms, todo);
		return;
	}
	f = todo_fact(todo, call, FACT_DIGITS, now_ms);
	f->step_id = s->id;
	f->variable = s->collect.variable;
	f->kind_text = enough ? how : "failed";
	str_copy(f->text, sizeof(f->text), call->digits);
	if (enough && call_set_var(call, s->collect.variable, call->digits))
		enough = false; /* no room for one more variable: as if nothing had been keyed */
	call->digits[0] = '\0';
	call_flow_go(call, enough ? s->next : s->collect.on_failure, now_ms, todo);
}

/* One digit by the rules of GT-4.4; returns false when the step is over. */
static bool collect_digit(struct call *call, const struct flow_step *s, char digit, int64_t now_ms,
			  struct call_todo *todo)
{
	size_t n = strlen(call->digits);

	if (strchr(s->collect.reset_keys, digit)) {
		call->digits[0] = '\0';
		call->step_deadline_ms = now_ms + s->collect.first_timeout_ms;
		return true;
	}
	if (strchr(s->collect.terminators, digit)) {
		collect_end(call, s, "terminator", now_ms, todo);
		return false;
	}
	if (n < sizeof(call->digits) - 1) {
		call->digits[n] = digit;
		call->digits[++n] = '\0';
	}
	if (n >= s->collect.max_digits) {
		collect_end(call, s, "max-digits", now_ms, todo);
		return false;
	}
	call->step_deadline_ms = now_ms + s->collect.digit_timeout_ms;
	return true;
}

/* Digits keyed during an interruptible prompt before count (typed ahead). */
static void collect_start(struct call *call, const struct flow_step *s, int64_t now_ms, struct call_todo *todo)
{
	char ahead[sizeof(call->digits)];

	str_copy(ahead, sizeof(ahead), call->digits);
	call->digits[0] = '\0';
	call->tries = 0;
	if (!ahead[0]) {
		collect_prompt(call, s, now_ms, todo);
		return;
	}
	call_set_phase(call, CALL_PHASE_COLLECTING);
	for (const char *d = ahead; *d; d++)
		if (!collect_digit(call, s, *d, now_ms, todo))
			return;
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

static int branch(const struct call *call, const struct flow_step *s)
{
	const char *value = call_var(call, s->branch.variable);

	for (size_t i = 0; i < s->branch.n_cases; i++)
		if (str_eq(s->branch.cases[i].value, value ? value : ""))
			return s->branch.cases[i].next;
	return s->branch.otherwise;
}

static void set(struct call *call, const struct flow_step *s)
{
	char value[CALL_VALUE];

	flow_expand(value, sizeof(value), s->set.value, lookup, call);
	if (call_set_var(call, s->set.variable, value))
		return; /* more variables than a call may have: the flow's author sees the variable missing */
}

static void entered(struct call *call, const struct flow_step *s, int64_t now_ms, struct call_todo *todo)
{
	struct call_fact *f;

	if (call->entered_step == call->step)
		return; /* runs again: after the answer, after an adoption */
	call->entered_step = call->step;
	f = todo_fact(todo, call, FACT_STEP, now_ms);
	f->flow_id = call->flow->id;
	f->step_id = s->id;
	f->kind_text = flow_kind_name(s->kind);
}

static void ring_agent(struct call *call, const struct flow_step *s, int64_t now_ms, struct call_todo *todo)
{
	call->queue = NULL;
	call->queue_id[0] = '\0';
	call->priority = 20;
	flow_expand(call->wanted_agent, sizeof(call->wanted_agent), s->ring_agent.agent_id, lookup, call);
	if (str_is_id(call->wanted_agent))
		call_queue_enter(call, now_ms, todo);
	else
		call_flow_go(call, s->ring_agent.on_no_answer, now_ms, todo);
}

/* true: go on at *next at once. */
static bool take(struct call *call, const struct flow_step *s, int *next, int64_t now_ms, struct call_todo *todo)
{
	*next = s->next;
	switch (s->kind) {
	case FLOW_ANSWER:
		return audible(call, now_ms, todo);
	case FLOW_PLAY:
		if (!s->play.prompts.n)
			return true;
		if (audible(call, now_ms, todo)) {
			call_play(call, &call->caller_leg, s->play.prompts.list, s->play.prompts.n, false,
				  s->play.interruptible, todo);
			call_set_phase(call, CALL_PHASE_PLAYING);
			call->step_deadline_ms = now_ms + play_time_ms(s->play.prompts.list, s->play.prompts.n);
		}
		return false;
	case FLOW_COLLECT:
		if (audible(call, now_ms, todo))
			collect_start(call, s, now_ms, todo);
		return false;
	case FLOW_BRANCH:
		*next = branch(call, s);
		return true;
	case FLOW_SET:
		set(call, s);
		return true;
	case FLOW_QUEUE:
		to_queue(call, s->queue.queue, s->queue.priority);
		call_queue_enter(call, now_ms, todo);
		return false;
	case FLOW_RING_AGENT:
		ring_agent(call, s, now_ms, todo);
		return false;
	case FLOW_RECORD:
		if (s->record.on != call->recording && audible(call, now_ms, todo))
			call_record(call, s->record.on, now_ms, todo);
		return call->caller_leg.state == LEG_UP || s->record.on == call->recording;
	case FLOW_HANG_UP:
		call_finish(call, "flow-end", s->hang_up.status, now_ms, todo);
		return false;
	}
	return true;
}

void call_flow_run(struct call *call, int64_t now_ms, struct call_todo *todo)
{
	for (int taken = 0; taken < CALL_STEPS_MAX; taken++) {
		const struct flow_step *s = step_of(call);
		int next;

		if (!s) {
			call_finish(call, is_announcement(call) ? "suspended" : "flow-end", 480, now_ms, todo);
			return;
		}
		if (todo->n_facts >= TODO_MAX - 4) {
			/* A long run of steps without waiting: the rest in the next turn, so that no fact is lost. */
			call_set_phase(call, CALL_PHASE_PLAYING);
			call->step_deadline_ms = now_ms;
			call->yielded = true;
			return;
		}
		entered(call, s, now_ms, todo);
		if (!take(call, s, &next, now_ms, todo))
			return;
		call->step = next;
		call->entered_step = -1;
		call->checkpoint = true;
		if (++call->steps_in_a_row > CALL_STEPS_MAX) {
			call_finish(call, "flow-loop", 480, now_ms, todo);
			return;
		}
	}
	call_finish(call, "flow-loop", 480, now_ms, todo);
}

void call_flow_again(struct call *call, int64_t now_ms, struct call_todo *todo)
{
	const struct flow_step *s = step_of(call);

	if (!s || call->yielded)
		return;
	if (call->phase == CALL_PHASE_PLAYING && s->kind == FLOW_PLAY)
		call_flow_run(call, now_ms, todo);
	else if (call->phase == CALL_PHASE_COLLECTING && s->kind == FLOW_COLLECT && !call->digits[0])
		collect_prompt(call, s, now_ms, todo);
}

void call_flow_go(struct call *call, int step, int64_t now_ms, struct call_todo *todo)
{
	call->step = step;
	call->entered_step = -1;
	call->checkpoint = true;
	call_flow_run(call, now_ms, todo);
}

/* ---- what happens while a step waits ------------------------------------------------------------------------------ */

void call_flow_play_done(struct call *call, int64_t now_ms, struct call_todo *todo)
{
	const struct flow_step *s = step_of(call);

	if (!s)
		return;
	if (call->phase == CALL_PHASE_PLAYING && s->kind == FLOW_PLAY) {
		call->steps_in_a_row = 0;
		call_flow_go(call, s->next, now_ms, todo);
	} else if (call->phase == CALL_PHASE_COLLECTING && s->kind == FLOW_COLLECT && !call->digits[0]) {
		call->step_deadline_ms = now_ms + s->collect.first_timeout_ms;
	}
}

void call_flow_digit(struct call *call, char digit, int64_t now_ms, struct call_todo *todo)
{
	const struct flow_step *s = step_of(call);
	size_t n = strlen(call->digits);

	if (!s)
		return;
	call->steps_in_a_row = 0;
	if (call->phase == CALL_PHASE_COLLECTING && s->kind == FLOW_COLLECT) {
		collect_digit(call, s, digit, now_ms, todo);
	} else if (call->phase == CALL_PHASE_PLAYING && s->kind == FLOW_PLAY && s->play.interruptible &&
		   n < sizeof(call->digits) - 1) {
		call->digits[n] = digit;
		call->digits[n + 1] = '\0';
	}
}

void call_flow_deadline(struct call *call, int64_t now_ms, struct call_todo *todo)
{
	const struct flow_step *s = step_of(call);

	if (call->yielded) {
		call->yielded = false;
		call_flow_run(call, now_ms, todo);
	} else if (s && call->phase == CALL_PHASE_PLAYING && s->kind == FLOW_PLAY) {
		call_flow_play_done(call, now_ms, todo);
	} else if (s && call->phase == CALL_PHASE_COLLECTING && s->kind == FLOW_COLLECT) {
		call->steps_in_a_row = 0;
		collect_end(call, s, "timeout", now_ms, todo);
	}
}
