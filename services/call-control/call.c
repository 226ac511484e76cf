/*
 * call: life cycle and the dispatcher: call_step() hands each input to what the phase does with it: here (answering, ending,
 * adoption), in call_flow.c (IVR), call_queue.c (waiting, dialling), call_talk.c and call_anchor.c (media engine gone).
 */
#include "call_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"

static const char *const phase_names[CALL_PHASE_COUNT] = {
	[CALL_PHASE_NEW] = "new",	  [CALL_PHASE_ANSWERING] = "answering",
	[CALL_PHASE_PLAYING] = "playing", [CALL_PHASE_COLLECTING] = "collecting",
	[CALL_PHASE_QUEUED] = "queued",	  [CALL_PHASE_DIALLING] = "dialling",
	[CALL_PHASE_WELCOME] = "welcome", [CALL_PHASE_CONNECTING] = "connecting",
	[CALL_PHASE_TALKING] = "talking", [CALL_PHASE_ENDING] = "ending",
	[CALL_PHASE_ENDED] = "ended",
};

const char *call_phase_name(enum call_phase p)
{
	return (size_t)p < CALL_PHASE_COUNT ? phase_names[p] : "?";
}

err_t call_new(struct call **ret)
{
	struct call *call = mem_zalloc(sizeof(*call));

	if (!call)
		return ERR_EXHAUSTED;
	call->epoch = 1;
	call->step = FLOW_END;
	call->entered_step = -1;
	*ret = call;
	return ERR_OK;
}

void call_free(struct call **pcall)
{
	struct call *call = *pcall;

	if (!call)
		return;
	*pcall = NULL;
	mem_free(call->caller_leg.sdp);
	mem_free(call->caller_leg.invite);
	mem_free(call->agent_leg.sdp);
	mem_free(call->vars);
	tenant_unref(&call->conf);
	mem_free(call);
}

bool call_ended(const struct call *call)
{
	return call->phase == CALL_PHASE_ENDED;
}

void call_set_phase(struct call *call, enum call_phase phase)
{
	if (call->phase == CALL_PHASE_ENDED || (call->phase == CALL_PHASE_ENDING && phase != CALL_PHASE_ENDED))
		return; /* ending is final: a late answer of media must not revive a call */
	call->phase = phase;
	if (phase != CALL_PHASE_QUEUED && phase != CALL_PHASE_DIALLING)
		call->music_at_ms = 0;
	call->step_deadline_ms = 0;
	call->checkpoint = true;
}

void call_leg_set(struct call_leg *leg, enum leg_state state, int64_t now_ms)
{
	leg->state = state;
	leg->since_ms = now_ms;
}

bool call_leg_alive(const struct call_leg *leg)
{
	return leg->state != LEG_NONE && leg->state != LEG_ENDED;
}

static err_t set_bytes(void **to, size_t *to_size, const void *bytes, size_t size)
{
	void *copy = NULL;

	if (size) {
		copy = mem_dup(bytes, size);
		if (!copy)
			return ERR_EXHAUSTED;
	}
	mem_free(*to);
	*to = copy;
	*to_size = size;
	return ERR_OK;
}

err_t call_leg_set_sdp(struct call_leg *leg, const void *sdp, size_t size)
{
	return set_bytes(&leg->sdp, &leg->sdp_size, sdp, size);
}

err_t call_leg_set_invite(struct call_leg *leg, const void *invite, size_t size)
{
	return set_bytes(&leg->invite, &leg->invite_size, invite, size);
}

void call_leg_drop_invite(struct call_leg *leg)
{
	mem_free(leg->invite);
	leg->invite = NULL;
	leg->invite_size = 0;
}

/* Memory for an SDP that is only kept for adoption: without it the call goes on. */
static void keep_sdp(struct call_leg *leg, const struct call_input *in)
{
	if (in->sdp_size && call_leg_set_sdp(leg, in->sdp, in->sdp_size))
		return;
}

const char *call_var(const struct call *call, const char *name)
{
	if (str_eq(name, "caller"))
		return call->caller;
	if (str_eq(name, "called"))
		return call->called;
	if (str_eq(name, "call_id"))
		return call->id;
	if (str_eq(name, "queue"))
		return call->queue_id;
	for (int i = 0; i < call->n_vars; i++)
		if (str_eq(call->vars[i].name, name))
			return call->vars[i].value;
	return NULL;
}

err_t call_set_var(struct call *call, const char *name, const char *value)
{
	struct call_var *vars;
	int i;

	for (i = 0; i < call->n_vars; i++)
		if (str_eq(call->vars[i].name, name))
			break;
	if (i == CALL_VARS_MAX)
		return ERR_EXHAUSTED;
	if (i == call->n_vars) {
		vars = mem_realloc(call->vars, sizeof(*vars) * (size_t)(call->n_vars + 1));
		if (!vars)
			return ERR_EXHAUSTED;
		call->vars = vars;
		call->n_vars++;
		str_copy(vars[i].name, sizeof(vars[i].name), name);
	}
	str_copy(call->vars[i].value, sizeof(call->vars[i].value), value);
	call->checkpoint = true;
	return ERR_OK;
}

static int64_t nearer(int64_t a, int64_t b)
{
	if (!a || !b)
		return a ? a : b;
	return a < b ? a : b;
}

int64_t call_deadline_ms(const struct call *call)
{
	int64_t at =
	    nearer(nearer(call->step_deadline_ms, call->repeat_ms), nearer(call->music_at_ms, call->anchor_at_ms));

	return call->phase == CALL_PHASE_QUEUED ? nearer(at, call->wait_deadline_ms) : at;
}

void call_offered(struct call *call, int64_t now_ms, struct call_todo *todo)
{
	call->offered_ms = now_ms;
	call_leg_set(&call->caller_leg, LEG_OFFERED, now_ms);
	todo_fact(todo, call, FACT_OFFERED, now_ms);
}

void call_play(struct call *call, struct call_leg *leg, const struct tenant_prompt *const *prompts, size_t n, bool loop,
	       bool stop_on_digit, struct call_todo *todo)
{
	struct call_command *c = todo_command(todo, COMMAND_PLAY, leg);

	c->prompts = prompts;
	c->n_prompts = n;
	c->loop = loop;
	c->stop_on_digit = stop_on_digit;
	c->play_id = ++call->play_id;
}

/* ---- answering ------------------------------------------------------------------------------------------------- */

void call_answer(struct call *call, int64_t now_ms, struct call_todo *todo)
{
	struct call_command *c;

	call_set_phase(call, call->agent_answered_ms ? CALL_PHASE_CONNECTING : CALL_PHASE_ANSWERING);
	c = todo_sdp(todo, COMMAND_ENDPOINT, &call->caller_leg, call->caller_leg.sdp, call->caller_leg.sdp_size);
	c->request = REQUEST_CALLER;
	call->caller_leg.endpoint = true;
	call->step_deadline_ms = now_ms + MEDIA_TIMEOUT_MS;
}

static void caller_up(struct call *call, int64_t now_ms, struct call_todo *todo)
{
	struct call_fact *f;

	if (call->caller_leg.state == LEG_UP)
		return;
	call_leg_set(&call->caller_leg, LEG_UP, now_ms);
	if (call->phase != CALL_PHASE_QUEUED)
		call->repeat_ms = now_ms + CHECK_LEGS_MS;
	if (!call->answered_ms) {
		call->answered_ms = now_ms;
		f = todo_fact(todo, call, FACT_ANSWERED, now_ms);
		str_copy(f->leg_id, sizeof(f->leg_id), call->caller_leg.id);
	}
	call_anchor_leg_up(call, &call->caller_leg, now_ms, todo);
}

/* The caller's leg is up, or found as it is after an adoption: what was interrupted goes on. */
static void resume(struct call *call, int64_t now_ms, struct call_todo *todo)
{
	switch (call->phase) {
	case CALL_PHASE_NEW:
		call_route(call, now_ms, todo);
		break;
	case CALL_PHASE_ANSWERING:
	case CALL_PHASE_PLAYING:
	case CALL_PHASE_COLLECTING:
		if (call->flow)
			call_flow_run(call, now_ms, todo);
		else if (call->queue_id[0] || call->wanted_agent[0])
			call_queue_enter(call, now_ms, todo);
		else
			call_route(call, now_ms, todo);
		break;
	case CALL_PHASE_WELCOME:
	case CALL_PHASE_CONNECTING:
		call_connect(call, now_ms, todo);
		break;
	case CALL_PHASE_TALKING:
		call_bridge(call, now_ms, todo);
		break;
	case CALL_PHASE_QUEUED:
	case CALL_PHASE_DIALLING:
		call_queue_adopted(call, todo);
		break;
	default:
		break;
	}
}

/* Media has the caller's endpoint: 200 OK. Who has offered needs no word of the ACK: the edge tells if none comes. After a late
 * offer the ACK has the answer. */
static void send_answer(struct call *call, const struct call_input *in, int64_t now_ms, struct call_todo *todo)
{
	if (in->request != REQUEST_CALLER || call->caller_leg.state == LEG_UP)
		return;
	todo_sdp(todo, COMMAND_ANSWER, &call->caller_leg, in->sdp, in->sdp_size);
	if (call->caller_leg.sdp_size) {
		caller_up(call, now_ms, todo);
		resume(call, now_ms, todo);
		return;
	}
	call_leg_set(&call->caller_leg, LEG_ANSWERING, now_ms);
	call->step_deadline_ms = now_ms + ANSWER_TIMEOUT_MS;
	call->repeat_ms = now_ms + CHECK_LEGS_MS;
}

/* The edge has not heard that the call is answered: once more, with what media says its side is. */
static void answer_again(struct call *call, struct call_todo *todo)
{
	todo_command(todo, COMMAND_ATTACH_ENDPOINT, &call->caller_leg)->request = REQUEST_ANSWER_AGAIN;
}

/* ---- adoption --------------------------------------------------------------------------------------------------- */

static void attach_leg(struct call *call, struct call_leg *leg, int64_t now_ms, struct call_todo *todo)
{
	if (!call_leg_alive(leg))
		return;
	todo_command(todo, COMMAND_ATTACH, leg);
	if (leg->anchor)
		call_anchor_leg(call, leg, now_ms, todo);
	else if (leg->endpoint)
		todo_command(todo, COMMAND_ATTACH_ENDPOINT, leg)->request = REQUEST_ATTACH;
}

static void adopted(struct call *call, const struct call_input *in, int64_t now_ms, struct call_todo *todo)
{
	struct call_fact *f;

	if (call->phase == CALL_PHASE_ENDED) { /* CallEnded stays the last fact; only the agent may not know yet */
		call_release_agent(call, todo);
		return;
	}
	f = todo_fact(todo, call, FACT_ADOPTED, now_ms);
	str_copy(f->text, sizeof(f->text), in->cause ? in->cause : "");
	call->play_id = (uint32_t)call->epoch << 20; /* numbers that media has not heard from the owner before */
	call->ring_since_ms = call->agent_leg.since_ms;
	call->rang = call->agent_leg.state == LEG_RINGING;
	attach_leg(call, &call->caller_leg, now_ms, todo);
	attach_leg(call, &call->agent_leg, now_ms, todo);
	switch (call->phase) {
	case CALL_PHASE_QUEUED:
		call_queue_deadline(call);
		call_queue_assert(call, now_ms, todo);
		break;
	case CALL_PHASE_DIALLING:
		call_queue_deadline(call);
		call->step_deadline_ms =
		    now_ms + (call->queue ? call->queue->ring_timeout_ms : RING_TIMEOUT_MS) + DIAL_GRACE_MS;
		break;
	case CALL_PHASE_ENDING:
		call_end_again(call, now_ms, todo);
		call_release_agent(call, todo);
		call->step_deadline_ms = now_ms + ENDING_TIMEOUT_MS;
		call_end_if_done(call, now_ms, todo);
		return;
	default:
		break;
	}
	call->adopt_until_ms = now_ms + ADOPT_TIMEOUT_MS;
	call->repeat_ms = now_ms + REPEAT_MS;
}

static void attach_again(struct call *call, int64_t now_ms, struct call_todo *todo)
{
	if (now_ms >= call->adopt_until_ms) {
		call->adopt_until_ms = 0;
		call_finish(call, "lost", 503, now_ms, todo);
		return;
	}
	attach_leg(call, &call->caller_leg, now_ms, todo);
	if (call->agent_leg.state != LEG_UP)
		attach_leg(call, &call->agent_leg, now_ms, todo);
	call->repeat_ms = now_ms + REPEAT_MS;
}

/* The owner may have died before it told anybody that the agent has answered. */
static void assert_agent(struct call *call, struct call_todo *todo)
{
	struct call_command *c;

	if (call->agent_leg.state != LEG_UP)
		return;
	if (call->agent_leg.sdp_size)
		call_remote_answer(&call->agent_leg, call->agent_leg.sdp, call->agent_leg.sdp_size, todo);
	c = todo_command(todo, COMMAND_AGENT_ON_CALL, &call->agent_leg);
	str_copy(c->agent_id, sizeof(c->agent_id), call->agent_id);
}

static void agent_ringing(struct call *call, struct call_leg *leg, int64_t now_ms, struct call_todo *todo)
{
	struct call_fact *f;

	if (leg != &call->agent_leg || leg->state != LEG_DIALLING)
		return;
	call_leg_set(leg, LEG_RINGING, now_ms);
	call->rang = true;
	call->ring_since_ms = now_ms;
	f = todo_fact(todo, call, FACT_AGENT_RINGING, now_ms);
	str_copy(f->leg_id, sizeof(f->leg_id), leg->id);
}

static void leg_state(struct call *call, struct call_leg *leg, const struct call_input *in, int64_t now_ms,
		      struct call_todo *todo)
{
	if (call->phase == CALL_PHASE_ENDING || call->phase == CALL_PHASE_ENDED)
		return; /* it has been told to go */
	keep_sdp(leg, in);
	if (leg == &call->caller_leg) {
		bool adopting = call->adopt_until_ms != 0, was_answering = leg->state == LEG_ANSWERING;

		call->adopt_until_ms = 0;
		if (adopting && call->phase != CALL_PHASE_QUEUED)
			call->repeat_ms = now_ms + CHECK_LEGS_MS;
		if (in->answered) {
			caller_up(call, now_ms, todo);
			call_leg_drop_invite(leg);
		} else if (leg->state == LEG_UP || (was_answering && !adopting)) {
			answer_again(call, todo); /* a revived leg has not heard of it */
		} else if (adopting) {
			call_leg_set(leg, LEG_OFFERED, now_ms);
		}
		leg->revivals = 0;
		if (adopting)
			assert_agent(call, todo);
		if (adopting || (was_answering && in->answered)) /* or what told of the answer got lost */
			resume(call, now_ms, todo);
		return;
	}
	if (call->phase != CALL_PHASE_DIALLING || leg->state == LEG_ENDING)
		return;
	if (in->ringing && !in->answered)
		agent_ringing(call, leg, now_ms, todo); /* the owner may have died before it told so */
	if (in->answered) {
		call_remote_answer(leg, in->sdp, in->sdp_size, todo);
		call_agent_answered(call, now_ms, todo);
	}
}

/* ---- the dispatcher --------------------------------------------------------------------------------------------- */

static struct call_leg *leg_of(struct call *call, const char *leg_id)
{
	if (str_empty(leg_id))
		return NULL;
	if (str_eq(leg_id, call->caller_leg.id))
		return &call->caller_leg;
	if (str_eq(leg_id, call->agent_leg.id) && call_leg_alive(&call->agent_leg))
		return &call->agent_leg;
	return NULL; /* of an attempt long over */
}

/* The edge asked the phone: no answer, or it knew nothing of the call. */
static bool found_gone(const char *cause)
{
	return str_eq(cause, "phone-gone") || str_eq(cause, "bye-lost");
}

static const char *why_over(const char *cause)
{
	if (found_gone(cause))
		return "caller-gone";
	if (str_eq(cause, "unknown-leg") || str_eq(cause, "edge-error"))
		return "lost";
	/* The edge goes down; the ACK never came: nobody hung up. */
	return str_eq(cause, "drain") || str_eq(cause, "timeout") ? "failed" : "caller-hung-up";
}

/* The edge lost the caller's INVITE with its process before it was answered: it gets it back, and tells the leg's state; a caller who
 * is to be refused gets the refusal after all. false: nothing can be given back, or it was tried. */
static bool revive(struct call *call, struct call_leg *leg, const char *cause, int64_t now_ms, struct call_todo *todo)
{
	if (leg != &call->caller_leg || !call_leg_alive(leg) || !leg->invite_size || !str_eq(cause, "unknown-leg"))
		return false;
	if (leg->revivals && now_ms - leg->revived_ms < REVIVE_MS)
		return true; /* answers a command from before */
	if (leg->revivals >= REVIVALS_MAX)
		return false;
	leg->revivals++;
	leg->revived_ms = now_ms;
	todo_command(todo, COMMAND_ATTACH, leg);
	if (call->phase == CALL_PHASE_ENDING)
		call_end_again(call, now_ms, todo);
	return true;
}

static void leg_ended(struct call *call, struct call_leg *leg, const struct call_input *in, int64_t now_ms,
		      struct call_todo *todo)
{
	bool agent = leg == &call->agent_leg;
	bool was_ending = leg->state == LEG_ENDING;

	if (revive(call, leg, in->cause, now_ms, todo))
		return;
	if (agent && call->phase == CALL_PHASE_DIALLING && call->dialled && !was_ending &&
	    str_eq(in->cause, "unknown-leg"))
		return; /* answers what we asked before we dialled; if the dial was lost, its deadline tells */
	if (agent && leg->state == LEG_UP && now_ms - leg->since_ms < REPEAT_MS && str_eq(in->cause, "unknown-leg")) {
		call->repeat_ms = now_ms + REPEAT_MS; /* the same, and the agent was quick: asked again */
		return;
	}
	if (agent && call->dialled && !was_ending && str_eq(in->cause, "unknown-leg")) {
		/* The edge told us of this leg, and denies it now: a hang-up makes sure that no phone stays up with nobody. */
		call_finish(call, "agent-hung-up", 0, now_ms, todo);
		return;
	}
	call_leg_finished(call, leg, in->cause, in->status, now_ms, todo);
	if (call->phase == CALL_PHASE_ENDING || call->phase == CALL_PHASE_ENDED)
		call_end_if_done(call, now_ms, todo);
	else if (!agent)
		call_finish(call, why_over(in->cause), 0, now_ms, todo);
	else if (call->phase == CALL_PHASE_DIALLING)
		call_agent_failed(call, in->cause, in->status, now_ms, todo);
	else if (!was_ending)
		call_finish(call, found_gone(in->cause) ? "agent-gone" : "agent-hung-up", 0, now_ms, todo);
}

/* Silence alone ends nothing: a phone may send nothing while nobody speaks (RFC 3389). The edge asks it. */
static void no_audio(struct call *call, struct call_leg *leg, int64_t now_ms, struct call_todo *todo)
{
	if (leg->state != LEG_UP || call->phase == CALL_PHASE_ENDING || call->phase == CALL_PHASE_ENDED)
		return;
	if (!leg->probed_ms)
		leg->probed_ms = now_ms;
	if (now_ms - leg->probed_ms >= PROBE_SILENT_MS)
		call_finish(call, "lost", 0, now_ms, todo);
	else
		todo_command(todo, COMMAND_PROBE, leg);
}

static void leg_answered(struct call *call, struct call_leg *leg, const struct call_input *in, int64_t now_ms,
			 struct call_todo *todo)
{
	keep_sdp(leg, in);
	if (!in->reinvite)
		call_leg_drop_invite(leg); /* established: the edge keeps it by itself */
	/* An edge of a former version does not say that it is about our re-INVITE. */
	if (in->reinvite || (leg->anchor == ANCHOR_OFFERED && in->sdp_size)) {
		call_anchor_answered(call, leg, in, now_ms, todo);
	} else if (leg->state == LEG_UP) {
		call_reoffer_answered(call, leg, in, now_ms, todo);
	} else if (leg == &call->caller_leg) {
		if (leg->state != LEG_ANSWERING)
			return;
		caller_up(call, now_ms, todo);
		if (in->sdp_size) /* late offer: the answer came in the ACK */
			call_remote_answer(leg, in->sdp, in->sdp_size, todo);
		resume(call, now_ms, todo);
	} else if (call->phase == CALL_PHASE_DIALLING && leg->state != LEG_ENDING) {
		call_remote_answer(leg, in->sdp, in->sdp_size, todo);
		call_agent_answered(call, now_ms, todo);
	}
}

static void media_ready(struct call *call, struct call_leg *leg, const struct call_input *in, int64_t now_ms,
			struct call_todo *todo)
{
	struct call_command *c;

	switch ((enum call_request)(in->request & REQUEST_KIND)) {
	case REQUEST_CALLER:
		if (call->phase == CALL_PHASE_ANSWERING || call->phase == CALL_PHASE_CONNECTING)
			send_answer(call, in, now_ms, todo);
		break;
	case REQUEST_AGENT:
		if (call->phase == CALL_PHASE_DIALLING && leg == &call->agent_leg)
			call_dial(call, in, now_ms, todo);
		break;
	case REQUEST_ANSWER_AGAIN:
		todo_sdp(todo, COMMAND_ANSWER, leg, in->sdp, in->sdp_size);
		break;
	case REQUEST_REOFFER:
		if (in->request != call_reoffer_request(leg))
			break;
		c = todo_sdp(todo, COMMAND_REANSWER, leg, in->sdp, in->sdp_size);
		c->request = leg->reoffer;
		leg->reoffer = 0;
		break;
	case REQUEST_REANCHOR:
		call_anchor_ready(call, leg, in, now_ms, todo);
		break;
	default:
		break;
	}
}

/* The phone's description is none, or has nothing that we speak: 488. */
static bool unacceptable(err_t e)
{
	return e == ERR_INVALID || e == ERR_PRECONDITION;
}

/* The engine takes nothing new, and we have not heard of that yet: another one is asked. */
static bool drains(const struct call *call, const struct call_input *in)
{
	if (in->error != ERR_UNAVAILABLE || call->phase >= CALL_PHASE_ENDING)
		return false;
	return in->request == REQUEST_CALLER ||
	       (in->request == REQUEST_AGENT && call->phase == CALL_PHASE_DIALLING && !call->dialled);
}

static void media_failed(struct call *call, struct call_leg *leg, const struct call_input *in, int64_t now_ms,
			 struct call_todo *todo)
{
	if ((in->request & REQUEST_KIND) == REQUEST_REOFFER) {
		if (in->request != call_reoffer_request(leg))
			return;
		todo_command(todo, COMMAND_REANSWER, leg)->request = leg->reoffer; /* without SDP: 488 */
		leg->reoffer = 0;
	} else if (drains(call, in)) {
		call->stranded = true;
	} else if (in->request == REQUEST_CALLER) {
		call_finish(call, "failed", unacceptable(in->error) ? 488 : 503, now_ms, todo);
	} else if (in->request == REQUEST_AGENT && call->phase == CALL_PHASE_DIALLING) {
		call_leg_set(leg, LEG_ENDED, now_ms);
		call_agent_failed(call, "media", 0, now_ms, todo);
	} else if (in->request == REQUEST_ANSWER && unacceptable(in->error)) {
		call_finish(call, "failed", 488, now_ms, todo); /* they would not hear each other */
	} else if (in->request == REQUEST_REANCHOR) {
		call_anchor_failed(call, leg, in, now_ms, todo);
	} else if (str_eq(in->what, "record")) {
		call_record_failed(call, in, todo);
	} else if (in->error == ERR_NOT_FOUND && leg->state == LEG_UP && leg->anchor == ANCHOR_NONE &&
		   call->phase < CALL_PHASE_ENDING) {
		call->stranded = true; /* the engine has lost it */
	}
}

/* Or, when it is not being hung up: what has become of it? The word that the phone rings may have been lost. */
static void hang_up_again(struct call *call, int64_t now_ms, struct call_todo *todo)
{
	if (call->agent_leg.state != LEG_ENDING) {
		if (call->dialled && call_leg_alive(&call->agent_leg))
			todo_command(todo, COMMAND_ATTACH, &call->agent_leg);
		return;
	}
	todo_command(todo, COMMAND_HANG_UP, &call->agent_leg)->text = "no-answer";
	call->repeat_ms = now_ms + ENDING_REPEAT_MS;
}

/* First the leg is told to go, until it says so: an agent's phone that answers late must not be left alone with it. */
static void dial_deadline(struct call *call, int64_t now_ms, struct call_todo *todo)
{
	if (call->agent_leg.state != LEG_ENDING) {
		call_hang_up(&call->agent_leg, 0, "no-answer", now_ms, todo);
		call->step_deadline_ms = now_ms + DIAL_GRACE_MS;
		call->repeat_ms = now_ms + ENDING_REPEAT_MS;
		call->checkpoint = true;
		return;
	}
	call->repeat_ms = 0;
	call_leg_set(&call->agent_leg, LEG_ENDED, now_ms);
	/* The edge says nothing at all: it may be gone, and the agent's answer with it. */
	call_agent_failed(call, call->dialled ? "edge-error" : "unconfirmed", 0, now_ms, todo);
}

/* A leg that was not established died with its edge's process; the edge confirms it. A phone that rings is told to stop. */
static void edge_back(struct call *call, const char *edge, int64_t now_ms, struct call_todo *todo)
{
	struct call_leg *agent = &call->agent_leg;

	if (call->phase == CALL_PHASE_ENDING || call->phase == CALL_PHASE_ENDED)
		return; /* it is told to go again and again anyway */
	if (call_leg_alive(&call->caller_leg) && str_eq(call->caller_leg.edge, edge))
		todo_command(todo, COMMAND_ATTACH, &call->caller_leg);
	if (!call_leg_alive(agent) || !str_eq(agent->edge, edge))
		return;
	if (call->phase != CALL_PHASE_DIALLING) {
		todo_command(todo, COMMAND_ATTACH, agent);
	} else if (call->dialled && agent->state != LEG_ENDING) {
		call_hang_up(agent, 0, "edge-error", now_ms, todo);
		call->rang = false; /* whatever becomes of it says nothing about the agent */
		call->step_deadline_ms = now_ms + DIAL_GRACE_MS;
		call->repeat_ms = now_ms + ENDING_REPEAT_MS;
		call->checkpoint = true;
	}
}

static void check_legs(struct call *call, int64_t now_ms, struct call_todo *todo)
{
	if (call_leg_alive(&call->caller_leg))
		todo_command(todo, COMMAND_ATTACH, &call->caller_leg);
	if (call_leg_alive(&call->agent_leg))
		todo_command(todo, COMMAND_ATTACH, &call->agent_leg);
	call->repeat_ms = now_ms + CHECK_LEGS_MS;
}

static void tick(struct call *call, int64_t now_ms, struct call_todo *todo)
{
	if (call->repeat_ms && now_ms >= call->repeat_ms) {
		call->repeat_ms = 0;
		if (call->adopt_until_ms)
			attach_again(call, now_ms, todo);
		else if (call->phase == CALL_PHASE_QUEUED)
			call_queue_assert(call, now_ms, todo);
		else if (call->phase == CALL_PHASE_ENDING)
			call_end_again(call, now_ms, todo);
		else if (call->phase == CALL_PHASE_DIALLING)
			hang_up_again(call, now_ms, todo);
		else if (call->phase != CALL_PHASE_ENDED)
			check_legs(call, now_ms, todo);
	}
	if (call->anchor_at_ms && now_ms >= call->anchor_at_ms)
		call_anchor_tick(call, now_ms, todo);
	if (call->music_at_ms && now_ms >= call->music_at_ms)
		call_queue_music(call, todo);
	if (call->phase == CALL_PHASE_QUEUED)
		call_queue_tick(call, now_ms, todo);
	if (!call->step_deadline_ms || now_ms < call->step_deadline_ms)
		return;
	call->step_deadline_ms = 0;
	switch (call->phase) {
	case CALL_PHASE_ANSWERING:
	case CALL_PHASE_CONNECTING:
		call_finish(call, "failed", 503, now_ms, todo);
		break;
	case CALL_PHASE_PLAYING:
	case CALL_PHASE_COLLECTING:
		call_flow_deadline(call, now_ms, todo);
		break;
	case CALL_PHASE_DIALLING:
		dial_deadline(call, now_ms, todo);
		break;
	case CALL_PHASE_WELCOME:
		call_connect(call, now_ms, todo);
		break;
	case CALL_PHASE_ENDING:
		call_force_end(call, now_ms, todo);
		break;
	default:
		break;
	}
}

static void play_done(struct call *call, const struct call_input *in, int64_t now_ms, struct call_todo *todo)
{
	if (in->play_id != call->play_id)
		return;
	switch (call->phase) {
	case CALL_PHASE_PLAYING:
	case CALL_PHASE_COLLECTING:
		call_flow_play_done(call, now_ms, todo);
		break;
	case CALL_PHASE_QUEUED:
	case CALL_PHASE_DIALLING:
		call_queue_music(call, todo);
		break;
	case CALL_PHASE_WELCOME:
		call_connect(call, now_ms, todo);
		break;
	default:
		break;
	}
}

/* A leg of an attempt long over still speaks: it is told to go. */
static void stray_leg(struct call *call, const struct call_input *in, struct call_todo *todo)
{
	if (str_empty(in->leg_id) ||
	    (in->kind != INPUT_LEG_ANSWERED && in->kind != INPUT_LEG_RINGING && in->kind != INPUT_LEG_STATE))
		return;
	str_copy(call->stray.id, sizeof(call->stray.id), in->leg_id);
	str_copy(call->stray.edge, sizeof(call->stray.edge), in->edge ? in->edge : call->caller_leg.edge);
	todo_command(todo, COMMAND_HANG_UP, &call->stray)->text = "unknown-leg";
}

void call_step(struct call *call, const struct call_input *in, int64_t now_ms, struct call_todo *todo)
{
	struct call_leg *leg = leg_of(call, in->leg_id);

	assert(call->phase < CALL_PHASE_COUNT);
	switch (in->kind) {
	case INPUT_START:
		if (call->phase == CALL_PHASE_NEW)
			call_route(call, now_ms, todo);
		return;
	case INPUT_ADOPTED:
		adopted(call, in, now_ms, todo);
		return;
	case INPUT_TICK:
		tick(call, now_ms, todo);
		return;
	case INPUT_EDGE_BACK:
		edge_back(call, in->edge, now_ms, todo);
		return;
	case INPUT_QUEUED:
	case INPUT_REFUSED:
	case INPUT_ASSIGNED:
	case INPUT_ROUTER_EPOCH:
		call_queue_input(call, in, now_ms, todo);
		return;
	case INPUT_PLAY_DONE:
		play_done(call, in, now_ms, todo);
		return;
	case INPUT_DIGIT:
		call_flow_digit(call, in->digit, now_ms, todo);
		return;
	case INPUT_MEDIA_FREED:
		if (str_empty(in->leg_id) && call->phase == CALL_PHASE_ENDING) {
			call->media_freed = true;
			if (call->recording) /* media told of it before, and that got lost */
				call_record_done(call, NULL, 0, now_ms, todo);
			call_end_if_done(call, now_ms, todo);
		}
		return;
	case INPUT_SUSPENDED:
		call_suspended(call, now_ms, todo);
		return;
	case INPUT_MEDIA_LOST:
		call_media_lost(call, in, now_ms, todo);
		return;
	case INPUT_RECORD_DONE:
		call_record_done(call, in->path, in->duration_ms, now_ms, todo);
		call_end_if_done(call, now_ms, todo);
		return;
	default:
		break;
	}
	if (!leg) {
		stray_leg(call, in, todo);
		return;
	}
	if (in->kind >= INPUT_LEG_RINGING && in->kind <= INPUT_LEG_STATE)
		leg->probed_ms = 0; /* its edge is there */
	switch (in->kind) {
	case INPUT_LEG_RINGING:
		agent_ringing(call, leg, now_ms, todo);
		break;
	case INPUT_LEG_ANSWERED:
		leg_answered(call, leg, in, now_ms, todo);
		break;
	case INPUT_LEG_ENDED:
		leg_ended(call, leg, in, now_ms, todo);
		break;
	case INPUT_LEG_REOFFER:
		call_reoffer(call, leg, in, now_ms, todo);
		break;
	case INPUT_LEG_STATE:
		leg_state(call, leg, in, now_ms, todo);
		break;
	case INPUT_MEDIA_READY:
		media_ready(call, leg, in, now_ms, todo);
		break;
	case INPUT_MEDIA_FAILED:
		media_failed(call, leg, in, now_ms, todo);
		break;
	case INPUT_MEDIA_TIMEOUT:
		no_audio(call, leg, now_ms, todo);
		break;
	default:
		break;
	}
}
