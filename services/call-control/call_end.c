/* call_end: the end of a call: everything is told to go, again and again until it says so, then the books are closed. */
#include "call_internal.h"

#include "base/str.h"

void call_leg_finished(struct call *call, struct call_leg *leg, const char *cause, uint32_t status, int64_t now_ms,
		       struct call_todo *todo)
{
	struct call_fact *f;

	if (!call_leg_alive(leg))
		return;
	call_leg_set(leg, LEG_ENDED, now_ms);
	call_leg_drop_invite(leg);
	f = todo_fact(todo, call, FACT_LEG_FINISHED, now_ms);
	f->kind_text = leg == &call->agent_leg ? "agent" : "caller";
	f->status = status;
	str_copy(f->text, sizeof(f->text), cause ? cause : "");
	str_copy(f->leg_id, sizeof(f->leg_id), leg->id);
}

void call_hang_up(struct call_leg *leg, uint32_t status, const char *cause, int64_t now_ms, struct call_todo *todo)
{
	struct call_command *c;

	if (!call_leg_alive(leg) || leg->state == LEG_ENDING)
		return;
	c = todo_command(todo, COMMAND_HANG_UP, leg);
	c->status = status;
	c->text = cause;
	call_leg_set(leg, LEG_ENDING, now_ms);
}

/* Hung up, or away without a word. */
static bool caller_left(const char *cause)
{
	return str_eq(cause, "caller-hung-up") || str_eq(cause, "caller-gone");
}

static const char *disposition(const struct call *call, const char *cause)
{
	if (call->agent_answered_ms)
		return "answered";
	if (str_eq(cause, "suspended"))
		return "refused";
	if (str_eq(cause, "failed") || str_eq(cause, "lost") || str_eq(cause, "media-lost"))
		return "failed";
	if (call->queued_ms)
		return caller_left(cause) ? "abandoned" : "refused";
	return call->answered_ms ? "ivr" : "refused";
}

/* The agent's record follows what the agent's phone did with the call. */
void call_release_agent(struct call *call, struct call_todo *todo)
{
	struct call_command *c;

	if (!call->agent_id[0])
		return;
	if (call->agent_answered_ms) {
		c = todo_command(todo, COMMAND_AGENT_CALL_ENDED, &call->agent_leg);
		c->timeout_ms = call->queue ? call->queue->wrap_up_ms : 0;
	} else {
		c = todo_command(todo, COMMAND_AGENT_GIVE_BACK, &call->agent_leg);
	}
	str_copy(c->agent_id, sizeof(c->agent_id), call->agent_id);
}

static bool has_endpoints(const struct call *call)
{
	return call->caller_leg.endpoint || call->agent_leg.endpoint || call->attempt;
}

/* Whatever still stands is told to go, again and again until it says so: nothing stays behind because a message was lost. */
void call_end_again(struct call *call, int64_t now_ms, struct call_todo *todo)
{
	struct call_leg *legs[] = { &call->caller_leg, &call->agent_leg };

	for (size_t i = 0; i < ARRAY_SIZE(legs); i++)
		if (call_leg_alive(legs[i]))
			todo_command(todo, COMMAND_HANG_UP, legs[i])->text = call->cause;
	if (call->recording)
		todo_command(todo, COMMAND_RECORD, &call->caller_leg)->on = false;
	if (has_endpoints(call) && !call->media_freed)
		todo_command(todo, COMMAND_FREE_CALL, NULL);
	call->repeat_ms = now_ms + ENDING_REPEAT_MS;
}

void call_end_if_done(struct call *call, int64_t now_ms, struct call_todo *todo)
{
	struct call_fact *f;

	if (call->phase != CALL_PHASE_ENDING || call_leg_alive(&call->caller_leg) || call_leg_alive(&call->agent_leg) ||
	    call->recording || (has_endpoints(call) && !call->media_freed))
		return;
	call->repeat_ms = 0;
	call_set_phase(call, CALL_PHASE_ENDED);
	f = todo_fact(todo, call, FACT_ENDED, now_ms);
	str_copy(f->text, sizeof(f->text), call->cause);
}

void call_finish(struct call *call, const char *cause, uint32_t status, int64_t now_ms, struct call_todo *todo)
{
	if (call->phase == CALL_PHASE_ENDING || call->phase == CALL_PHASE_ENDED) {
		call_end_if_done(call, now_ms, todo);
		return;
	}
	if (call->phase == CALL_PHASE_QUEUED || call->phase == CALL_PHASE_DIALLING)
		call_queue_leave(call, caller_left(cause) ? "abandoned" : cause, call->phase == CALL_PHASE_QUEUED,
				 now_ms, todo);
	call_hold_end(call, now_ms);
	call_release_agent(call, todo);
	if (call->recording)
		call_record(call, false, now_ms, todo);
	call_hang_up(&call->caller_leg, status, cause, now_ms, todo);
	call_hang_up(&call->agent_leg, 0, cause, now_ms, todo);
	if (has_endpoints(call))
		todo_command(todo, COMMAND_FREE_CALL, NULL);
	call->cause = cause;
	call->disposition = disposition(call, cause);
	call->ended_ms = now_ms;
	call->adopt_until_ms = 0;
	call_set_phase(call, CALL_PHASE_ENDING);
	call->step_deadline_ms = now_ms + ENDING_TIMEOUT_MS;
	call->repeat_ms = now_ms + ENDING_REPEAT_MS;
	call_end_if_done(call, now_ms, todo);
}

/* Nobody confirmed in time: the books are closed without. */
void call_force_end(struct call *call, int64_t now_ms, struct call_todo *todo)
{
	call_leg_finished(call, &call->caller_leg, "unconfirmed", 0, now_ms, todo);
	call_leg_finished(call, &call->agent_leg, "unconfirmed", 0, now_ms, todo);
	if (call->recording)
		call_record_done(call, NULL, 0, now_ms, todo);
	call->media_freed = true;
	call_end_if_done(call, now_ms, todo);
}
