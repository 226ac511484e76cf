/*
 * call_queue: the place in the queue and the agent who is to take the call (GT-6, OP-5, GT-5.2).
 *
 * The place is ours: arrival_ms and priority stay with the call, whatever becomes of the router. What the router tells is
 * an assignment whose agent is already reserved; if it does not come to a conversation, the call is back at its place.
 */
#include "call_internal.h"

#include <string.h>
#include "base/str.h"

static const struct flow_step *step_of(const struct call *call)
{
	if (!call->flow || call->step < 0 || call->step >= call->flow->n_steps)
		return NULL;
	return &call->flow->steps[call->step];
}

/* Music loops after the entry prompt; without music the caller hears ring-back. Nothing before the answer. */
void call_queue_music(struct call *call, struct call_todo *todo)
{
	const struct tenant_queue *q = call->queue;

	call->music_at_ms = 0;
	if (call->caller_leg.state != LEG_UP)
		return;
	if (q && q->music)
		call_play(call, &call->caller_leg, &q->music, 1, true, false, todo);
	else
		call_play(call, &call->caller_leg, NULL, 0, true, false, todo);
}

void call_queue_assert(struct call *call, int64_t now_ms, struct call_todo *todo)
{
	todo_command(todo, COMMAND_ENQUEUE, &call->caller_leg);
	if (call->queue_acked) /* now and then: is the caller still there? */
		todo_command(todo, COMMAND_ATTACH, &call->caller_leg);
	call->queue_acked = false;
	call->repeat_ms = now_ms + REPEAT_MS;
}

void call_queue_deadline(struct call *call)
{
	const struct flow_step *s = step_of(call);
	int64_t max_ms = call->queue ? call->queue->max_wait_ms : 0;

	if (call->wanted_agent[0] && s && s->kind == FLOW_RING_AGENT)
		max_ms = s->ring_agent.timeout_ms;
	call->wait_deadline_ms = max_ms ? call->arrival_ms + max_ms : 0;
}

void call_queue_enter(struct call *call, int64_t now_ms, struct call_todo *todo)
{
	struct call_fact *f;

	if (call->queue && call->queue->answer_before_queue && call->caller_leg.state != LEG_UP) {
		call_answer(call, now_ms, todo);
		return;
	}
	if (call->caller_leg.state == LEG_OFFERED)
		todo_command(todo, COMMAND_PROGRESS, &call->caller_leg);
	call_set_phase(call, CALL_PHASE_QUEUED);
	call->steps_in_a_row = 0;
	call->arrival_ms = now_ms;
	call->n_tried = 0;
	if (!call->queued_ms)
		call->queued_ms = now_ms;
	call->refused_since_ms = 0;
	call_queue_deadline(call);
	f = todo_fact(todo, call, FACT_ENQUEUED, now_ms);
	f->number = call->priority;
	f->ms = call->queue ? call->queue->service_level_ms : 0;
	f->ms2 = call->arrival_ms;
	call_queue_assert(call, now_ms, todo);
	if (call->queue && call->queue->entry && call->caller_leg.state == LEG_UP)
		call_play(call, &call->caller_leg, &call->queue->entry, 1, false, false, todo);
	else
		call->music_at_ms = now_ms + MUSIC_DELAY_MS;
}

void call_queue_leave(struct call *call, const char *cause, bool tell_router, int64_t now_ms, struct call_todo *todo)
{
	struct call_fact *f = todo_fact(todo, call, FACT_DEQUEUED, now_ms);

	str_copy(f->text, sizeof(f->text), cause);
	f->ms = now_ms > call->arrival_ms ? now_ms - call->arrival_ms : 0;
	call->wait_ms += f->ms;
	call->wait_deadline_ms = 0;
	call->repeat_ms = now_ms + CHECK_LEGS_MS;
	if (tell_router)
		todo_command(todo, COMMAND_DEQUEUE, &call->caller_leg)->text = cause;
}

/* Left without an agent: on to the step that the flow has for it, or the end. */
static void overflow(struct call *call, const char *cause, bool tell_router, int64_t now_ms, struct call_todo *todo)
{
	const struct flow_step *s = step_of(call);
	int next = FLOW_END;

	call_queue_leave(call, cause, tell_router, now_ms, todo);
	if (s && s->kind == FLOW_QUEUE) {
		if (str_eq(cause, "timeout"))
			next = s->queue.on_timeout;
		else if (str_eq(cause, "full"))
			next = s->queue.on_full;
		else if (str_eq(cause, "no-agents"))
			next = s->queue.on_no_agents;
	} else if (s && s->kind == FLOW_RING_AGENT) {
		next = str_eq(cause, "busy") ? s->ring_agent.on_busy : s->ring_agent.on_no_answer;
	}
	call->wanted_agent[0] = '\0';
	call_set_phase(call, CALL_PHASE_PLAYING); /* no longer waiting: call_finish must not record it twice */
	if (next >= 0) {
		if (call->caller_leg.state == LEG_UP)
			todo_command(todo, COMMAND_STOP_PLAY, &call->caller_leg);
		call_flow_go(call, next, now_ms, todo);
	} else {
		call_finish(call, str_eq(cause, "timeout") ? "queue-timeout" : cause, 480, now_ms, todo);
	}
}

void call_queue_tick(struct call *call, int64_t now_ms, struct call_todo *todo)
{
	if (call->phase == CALL_PHASE_QUEUED && call->wait_deadline_ms && now_ms >= call->wait_deadline_ms)
		overflow(call, "timeout", true, now_ms, todo);
}

/* ---- the agent ----------------------------------------------------------------------------------------------------- */

static void result(struct call *call, const struct call_input *in, bool accepted, struct call_todo *todo)
{
	struct call_command *c = todo_command(todo, COMMAND_RESULT, &call->caller_leg);

	c->accepted = accepted;
	c->router_epoch = in->router_epoch;
	str_copy(c->agent_id, sizeof(c->agent_id), in->agent_id);
	str_copy(c->leg_id, sizeof(c->leg_id), in->leg_id);
}

/* A late word: of a queue the call has left, for another agent than it waits for, or about an attempt that is over. */
static bool outdated(const struct call *call, const struct call_input *in)
{
	return (in->queue_id && !str_eq(in->queue_id, call->queue_id)) ||
	       (call->wanted_agent[0] && !str_eq(in->agent_id, call->wanted_agent)) ||
	       str_eq(in->leg_id, call->agent_leg.id);
}

static void assigned(struct call *call, const struct call_input *in, int64_t now_ms, struct call_todo *todo)
{
	struct call_leg *leg = &call->agent_leg;
	struct call_fact *f;

	if (call->phase != CALL_PHASE_QUEUED) {
		result(call, in, str_eq(call->agent_id, in->agent_id) && str_eq(leg->id, in->leg_id), todo);
		return;
	}
	if (outdated(call, in)) {
		result(call, in, false, todo);
		call->repeat_ms = now_ms + REPEAT_MS; /* the router may take it for the word of a call that is gone */
		return;
	}
	call_set_phase(call, CALL_PHASE_DIALLING);
	call->repeat_ms = 0;
	call->router_epoch = in->router_epoch;
	call->attempt++;
	str_copy(call->agent_id, sizeof(call->agent_id), in->agent_id);
	str_copy(leg->id, sizeof(leg->id), in->leg_id);
	str_copy(leg->edge, sizeof(leg->edge), call->caller_leg.edge);
	call_leg_set(leg, LEG_DIALLING, now_ms);
	leg->held = false;
	leg->reoffer = 0;
	leg->anchor = ANCHOR_NONE;
	call->dialled = call->rang = false;
	call->ring_since_ms = now_ms;
	call->reserved_until_ms = in->reserved_until_ms;
	f = todo_fact(todo, call, FACT_RESERVED, now_ms);
	f->number = call->attempt;
	f->ms = now_ms - call->arrival_ms;
	result(call, in, true, todo);
	leg->endpoint = true;
	todo_command(todo, COMMAND_ENDPOINT, leg)->request = REQUEST_AGENT;
	call->step_deadline_ms = now_ms + MEDIA_TIMEOUT_MS;
}

/* An agent who answers after the reservation is over would talk without being on call. Clocks of two machines differ: a rest
 * that makes no sense is not believed. */
static int64_t within_reservation(const struct call *call, int64_t ring_ms, int64_t now_ms)
{
	int64_t left_ms = call->reserved_until_ms - now_ms - RESERVED_SPARE_MS;

	return left_ms >= RESERVED_LEAST_MS && left_ms < ring_ms ? left_ms : ring_ms;
}

void call_dial(struct call *call, const struct call_input *in, int64_t now_ms, struct call_todo *todo)
{
	struct call_command *c = todo_sdp(todo, COMMAND_DIAL, &call->agent_leg, in->sdp, in->sdp_size);

	call->dialled = true;
	call->media_silent = 0;
	c->timeout_ms = call->queue ? call->queue->ring_timeout_ms : RING_TIMEOUT_MS;
	/* A step that rings one agent says how long, waiting for the agent to be free included. */
	if (call->wanted_agent[0] && call->wait_deadline_ms)
		c->timeout_ms = call->wait_deadline_ms > now_ms ? call->wait_deadline_ms - now_ms : 1;
	c->timeout_ms = within_reservation(call, c->timeout_ms, now_ms);
	str_copy(c->agent_id, sizeof(c->agent_id), call->agent_id);
	call->step_deadline_ms = now_ms + c->timeout_ms + DIAL_GRACE_MS;
}

static const char *failure(const char *cause, uint32_t status)
{
	if (str_eq(cause, "no-reply"))
		return "unreachable";
	if (status == 486 || status == 600)
		return "busy";
	if (str_eq(cause, "no-answer") || str_eq(cause, "timeout") || str_eq(cause, "hung-up") || status == 408 ||
	    status == 487)
		return "timeout";
	/* 480: no phone is registered, or it says itself that nobody is there. */
	if (status >= 400 && status < 700 && status != 404 && status != 480 && status != 503)
		return "rejected";
	return "unreachable";
}

/* Nobody rang at the agent's, or the edge gave up in the middle: the agent has done nothing and stays ready. */
static bool our_fault(const char *cause)
{
	static const char *const causes[] = { "media",	     "edge-error",  "drain",
					      "unknown-leg", "unconfirmed", "overload" };

	for (size_t i = 0; i < ARRAY_SIZE(causes); i++)
		if (str_eq(cause, causes[i]))
			return true;
	return false;
}

/* The edge did not end the attempt in its time, we had to: of a phone that never rang nothing is known. */
static bool never_asked(const struct call *call, const char *cause, uint32_t status)
{
	return !call->rang && !status && (str_eq(cause, "hung-up") || str_eq(cause, "timeout"));
}

static void tried(struct call *call)
{
	if (call->n_tried == CALL_TRIED_MAX) {
		memmove(call->tried[0], call->tried[1], sizeof(call->tried[0]) * (CALL_TRIED_MAX - 1));
		call->n_tried--;
	}
	str_copy(call->tried[call->n_tried++], CALL_NAME, call->agent_id);
}

void call_agent_failed(struct call *call, const char *cause, uint32_t status, int64_t now_ms, struct call_todo *todo)
{
	bool ours = our_fault(cause) || never_asked(call, cause, status);
	const char *why = ours ? "failed" : failure(cause, status);
	struct call_fact *f = todo_fact(todo, call, FACT_AGENT_NO_ANSWER, now_ms);
	struct call_command *c =
	    todo_command(todo, ours ? COMMAND_AGENT_GIVE_BACK : COMMAND_AGENT_NO_ANSWER, &call->agent_leg);

	str_copy(f->text, sizeof(f->text), why);
	str_copy(f->leg_id, sizeof(f->leg_id), call->agent_leg.id);
	f->status = status;
	f->ms = now_ms > call->ring_since_ms ? now_ms - call->ring_since_ms : 0;
	str_copy(c->agent_id, sizeof(c->agent_id), call->agent_id);
	c->text = str_eq(why, "timeout") ? "no-answer" : why;
	todo_command(todo, COMMAND_FREE_ENDPOINT, &call->agent_leg);
	call->agent_leg.endpoint = false;
	call->agent_leg.anchor = ANCHOR_NONE;
	tried(call);
	call->agent_id[0] = '\0';
	call_set_phase(call, CALL_PHASE_QUEUED);
	if (ours && !call->dialled && !str_eq(cause, "media"))
		call->media_silent++;
	if (call->media_silent >= MEDIA_SILENT_MAX)
		call_finish(call, "failed", 503, now_ms, todo);
	else if (call->wanted_agent[0] && (!ours || !call->wait_deadline_ms))
		overflow(call, str_eq(why, "busy") || str_eq(why, "rejected") ? "busy" : "no-answer", true, now_ms,
			 todo);
	else if (call->wait_deadline_ms && now_ms >= call->wait_deadline_ms)
		overflow(call, "timeout", true, now_ms, todo);
	else if (ours)
		call->repeat_ms = now_ms + REPEAT_MS; /* not at once: what went wrong would go wrong again */
	else
		call_queue_assert(call, now_ms, todo);
}

void call_agent_answered(struct call *call, int64_t now_ms, struct call_todo *todo)
{
	const struct tenant_queue *q = call->queue;
	struct call_command *c;
	struct call_fact *f;

	f = todo_fact(todo, call, FACT_AGENT_ANSWERED, now_ms);
	str_copy(f->leg_id, sizeof(f->leg_id), call->agent_leg.id);
	f->ms = now_ms > call->arrival_ms ? now_ms - call->arrival_ms : 0;
	f->ms2 = now_ms > call->ring_since_ms ? now_ms - call->ring_since_ms : 0;
	call->wait_ms += f->ms;
	call->wait_deadline_ms = 0;
	call->agent_answered_ms = now_ms;
	call_leg_set(&call->agent_leg, LEG_UP, now_ms);
	call_anchor_leg_up(call, &call->agent_leg, now_ms, todo);
	c = todo_command(todo, COMMAND_AGENT_ON_CALL, &call->agent_leg);
	str_copy(c->agent_id, sizeof(c->agent_id), call->agent_id);
	if (q && q->welcome && call->caller_leg.state == LEG_UP) {
		call_set_phase(call, CALL_PHASE_WELCOME);
		call_play(call, &call->caller_leg, &q->welcome, 1, false, false, todo);
		call->step_deadline_ms = now_ms + q->welcome->duration_ms + MEDIA_TIMEOUT_MS;
	} else {
		call_connect(call, now_ms, todo);
	}
}

void call_queue_adopted(struct call *call, struct call_todo *todo)
{
	struct call_command *c;

	if (call->caller_leg.state == LEG_OFFERED)
		todo_command(todo, COMMAND_PROGRESS, &call->caller_leg);
	call_queue_music(call, todo);
	if (call->phase != CALL_PHASE_DIALLING)
		return;
	c = todo_command(todo, COMMAND_RESULT, &call->caller_leg);
	c->accepted = true;
	c->router_epoch = call->router_epoch;
	str_copy(c->agent_id, sizeof(c->agent_id), call->agent_id);
	str_copy(c->leg_id, sizeof(c->leg_id), call->agent_leg.id);
}

/* The router knows no such queue or agent: its configuration is on its way, or somebody has deleted it. */
static void unknown(struct call *call, int64_t now_ms, struct call_todo *todo)
{
	if (!call->refused_since_ms)
		call->refused_since_ms = now_ms;
	if (now_ms - call->refused_since_ms >= UNKNOWN_MS)
		overflow(call, "refused", false, now_ms, todo);
	else
		call->repeat_ms = now_ms + REPEAT_MS;
}

void call_queue_input(struct call *call, const struct call_input *in, int64_t now_ms, struct call_todo *todo)
{
	const struct flow_step *s = step_of(call);

	if (in->kind == INPUT_ASSIGNED) {
		assigned(call, in, now_ms, todo);
		return;
	}
	if (call->phase != CALL_PHASE_QUEUED)
		return;
	switch (in->kind) {
	case INPUT_QUEUED:
		call->queue_acked = true;
		call->refused_since_ms = 0;
		call->repeat_ms = now_ms + KEEP_PLACE_MS;
		if (!in->agents_signed_in && s && s->kind == FLOW_QUEUE && s->queue.on_no_agents != FLOW_WAIT)
			overflow(call, "no-agents", true, now_ms, todo);
		break;
	case INPUT_REFUSED:
		if (in->error == ERR_EXHAUSTED)
			overflow(call, "full", false, now_ms, todo);
		else if (in->error == ERR_PRECONDITION)
			overflow(call, "no-agents", false, now_ms, todo);
		else
			unknown(call, now_ms, todo);
		break;
	case INPUT_ROUTER_EPOCH:
		call_queue_assert(call, now_ms, todo);
		break;
	default:
		break;
	}
}
