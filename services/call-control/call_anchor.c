/*
 * call_anchor: the media engine of a call is gone, and the call goes on at another one, or at the same one after its restart
 * (RELIABILITY, kill -9 of media; GT-15).
 *
 * The shell says so and names the new engine. Each leg gets an endpoint there that goes on with what its phone described last,
 * so audio flows to the phone at once; then the endpoint's offer goes to the phone as a re-INVITE, and audio comes from it too.
 * What was heard begins again (a prompt, music), what was keyed, the place in the queue and the agent stay; both parties are
 * bridged again, and the recording goes on in its file. A leg whose INVITE is not answered yet gets its re-INVITE afterwards.
 */
#include "call_internal.h"

#include "base/str.h"

static bool alive(const struct call *call)
{
	return call->phase != CALL_PHASE_ENDING && call->phase != CALL_PHASE_ENDED;
}

/* The phone is to hear of the new engine, and can. */
static bool waits(const struct call_leg *leg)
{
	return leg->anchor != ANCHOR_NONE && leg->state == LEG_UP;
}

static void again_at(struct call *call, int64_t at_ms)
{
	if (!call->anchor_at_ms || at_ms < call->anchor_at_ms)
		call->anchor_at_ms = at_ms;
}

void call_anchor_leg(struct call *call, struct call_leg *leg, int64_t now_ms, struct call_todo *todo)
{
	bool up = leg->state == LEG_UP;
	struct call_command *c = todo_sdp(todo, COMMAND_ENDPOINT, leg, up ? leg->sdp : NULL, up ? leg->sdp_size : 0);

	if (!waits(&call->caller_leg) && !waits(&call->agent_leg))
		call->anchor_since_ms = now_ms;
	c->offer = true;
	c->request = REQUEST_REANCHOR;
	leg->endpoint = true;
	leg->anchor = ANCHOR_WANTED;
	again_at(call, now_ms + ANCHOR_MEDIA_MS);
}

/* A re-INVITE of the phone that the former engine has not answered. */
static void reoffer_again(struct call_leg *leg, struct call_todo *todo)
{
	struct call_command *c;

	if (!leg->reoffer)
		return;
	c = todo_sdp(todo, COMMAND_REMOTE, leg, leg->sdp, leg->sdp_size);
	c->offer = true;
	c->request = call_reoffer_request(leg);
}

static void move_caller(struct call *call, int64_t now_ms, struct call_todo *todo)
{
	struct call_leg *leg = &call->caller_leg;

	if (!leg->endpoint || !call_leg_alive(leg))
		return;
	leg->refusals = 0;
	if (leg->state == LEG_OFFERED) {
		call_answer(call, now_ms, todo); /* nobody outside has heard of the former engine */
		return;
	}
	call_anchor_leg(call, leg, now_ms, todo);
	reoffer_again(leg, todo);
}

static void move_agent(struct call *call, int64_t now_ms, struct call_todo *todo)
{
	struct call_leg *leg = &call->agent_leg;

	if (!leg->endpoint || !call_leg_alive(leg) || leg->state == LEG_ENDING)
		return;
	leg->refusals = 0;
	if (call->phase == CALL_PHASE_DIALLING && !call->dialled) {
		todo_command(todo, COMMAND_ENDPOINT, leg)->request = REQUEST_AGENT;
		if (call->step_deadline_ms < now_ms + MEDIA_TIMEOUT_MS)
			call->step_deadline_ms = now_ms + MEDIA_TIMEOUT_MS;
		/* The owner before us may have dialled, with the former engine's offer: a second dial changes nothing. */
		if (call->epoch > 1)
			leg->anchor = ANCHOR_WANTED;
		return;
	}
	call_anchor_leg(call, leg, now_ms, todo);
	reoffer_again(leg, todo);
}

static void welcome_again(struct call *call, int64_t now_ms, struct call_todo *todo)
{
	const struct tenant_queue *q = call->queue;

	if (!q || !q->welcome) {
		call_connect(call, now_ms, todo);
		return;
	}
	call_play(call, &call->caller_leg, &q->welcome, 1, false, false, todo);
	call->step_deadline_ms = now_ms + q->welcome->duration_ms + MEDIA_TIMEOUT_MS;
}

/* What is heard, from its beginning. After an adoption the edge's word of the caller's leg does it (call.c, resume()). */
static void sound_again(struct call *call, int64_t now_ms, struct call_todo *todo)
{
	if (call->adopt_until_ms || call->caller_leg.state != LEG_UP)
		return;
	switch (call->phase) {
	case CALL_PHASE_PLAYING:
	case CALL_PHASE_COLLECTING:
		call_flow_again(call, now_ms, todo);
		break;
	case CALL_PHASE_QUEUED:
	case CALL_PHASE_DIALLING:
		if (!call->music_at_ms)
			call_queue_music(call, todo);
		break;
	case CALL_PHASE_WELCOME:
		welcome_again(call, now_ms, todo);
		break;
	case CALL_PHASE_TALKING:
		call_bridge(call, now_ms, todo);
		return; /* with its recording */
	default:
		break;
	}
	if (call->recording)
		todo_command(todo, COMMAND_RECORD, &call->caller_leg)->on = true;
}

/* The engine that could confirm the end is gone, and all it held with it. */
static void nothing_left(struct call *call, int64_t now_ms, struct call_todo *todo)
{
	call->media_freed = true;
	if (call->recording)
		call_record_done(call, NULL, 0, now_ms, todo);
	call_end_if_done(call, now_ms, todo);
}

void call_media_lost(struct call *call, const struct call_input *in, int64_t now_ms, struct call_todo *todo)
{
	struct call_fact *f;

	call->stranded = false;
	if (!in->media && alive(call))
		call_finish(call, "media-lost", 503, now_ms, todo);
	if (!alive(call)) {
		nothing_left(call, now_ms, todo);
		return;
	}
	if (call->caller_leg.endpoint || call->agent_leg.endpoint) {
		f = todo_fact(todo, call, FACT_REANCHORED, now_ms);
		str_copy(f->text, sizeof(f->text), call->media);
	}
	str_copy(call->media, sizeof(call->media), in->media);
	call->media_incarnation = in->incarnation;
	call->checkpoint = true;
	call->anchor_tries = 0;
	call->anchor_at_ms = 0;
	move_caller(call, now_ms, todo);
	move_agent(call, now_ms, todo);
	sound_again(call, now_ms, todo);
}

void call_anchor_ready(struct call *call, struct call_leg *leg, const struct call_input *in, int64_t now_ms,
		       struct call_todo *todo)
{
	if (!waits(leg) || !alive(call))
		return; /* not answered yet: its turn comes with the answer */
	todo_sdp(todo, COMMAND_REINVITE, leg, in->sdp, in->sdp_size);
	leg->anchor = ANCHOR_OFFERED;
	call->anchor_tries = 0;
	call->anchor_at_ms = 0;
	again_at(call, now_ms + ANCHOR_PHONE_MS);
	if (call->caller_leg.anchor == ANCHOR_WANTED || call->agent_leg.anchor == ANCHOR_WANTED)
		again_at(call, now_ms + ANCHOR_MEDIA_MS);
}

void call_anchor_failed(struct call *call, struct call_leg *leg, const struct call_input *in, int64_t now_ms,
			struct call_todo *todo)
{
	if (leg->anchor == ANCHOR_NONE || !alive(call))
		return;
	switch (in->error) {
	case ERR_INVALID:
	case ERR_PRECONDITION: /* the engines do not agree about what the phone can */
		call_finish(call, "media-lost", 488, now_ms, todo);
		break;
	case ERR_NOT_FOUND:
		call->stranded = true;
		break;
	default: /* full, draining: asked again, then another one is */
		again_at(call, now_ms + ANCHOR_MEDIA_MS);
		break;
	}
}

void call_anchor_leg_up(struct call *call, struct call_leg *leg, int64_t now_ms, struct call_todo *todo)
{
	if (leg->anchor == ANCHOR_NONE)
		return;
	call->anchor_since_ms = now_ms;
	todo_command(todo, COMMAND_ATTACH_ENDPOINT, leg)->request = REQUEST_REANCHOR;
	again_at(call, now_ms + ANCHOR_MEDIA_MS);
}

void call_anchor_answered(struct call *call, struct call_leg *leg, const struct call_input *in, int64_t now_ms,
			  struct call_todo *todo)
{
	if (in->sdp_size)
		call_reoffer_answered(call, leg, in, now_ms, todo);
	if (leg->anchor != ANCHOR_OFFERED || !alive(call))
		return; /* to an offer of an engine that is gone too */
	if (in->sdp_size) {
		leg->anchor = ANCHOR_NONE;
		leg->refusals = 0;
		call->checkpoint = true;
		if (!waits(&call->caller_leg) && !waits(&call->agent_leg))
			call->anchor_at_ms = 0;
	} else if (++leg->refusals >= ANCHOR_REFUSALS) {
		call_finish(call, "media-lost", 0, now_ms, todo);
	} else {
		again_at(call, now_ms + ANCHOR_AGAIN_MS);
	}
}

void call_anchor_tick(struct call *call, int64_t now_ms, struct call_todo *todo)
{
	struct call_leg *legs[] = { &call->caller_leg, &call->agent_leg };
	bool silent = false;

	call->anchor_at_ms = 0;
	if (!alive(call) || (!waits(legs[0]) && !waits(legs[1])))
		return;
	if (now_ms - call->anchor_since_ms >= ANCHOR_MAX_MS) {
		call_finish(call, "media-lost", 0, now_ms, todo);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(legs); i++) {
		if (!waits(legs[i]))
			continue;
		if (legs[i]->anchor == ANCHOR_WANTED) {
			silent = true;
			call_anchor_leg(call, legs[i], now_ms, todo);
		} else {
			todo_command(todo, COMMAND_ATTACH_ENDPOINT, legs[i])->request = REQUEST_REANCHOR;
			again_at(call, now_ms + ANCHOR_PHONE_MS);
		}
	}
	if (silent && ++call->anchor_tries > ANCHOR_MEDIA_MAX) {
		call->anchor_tries = 0;
		call->stranded = true;
	}
}
