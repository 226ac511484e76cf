/* call_talk: two people hear each other: connecting, bridging, hold, recording (GT-5.2, GT-8.1). */
#include "call_internal.h"

#include <stdio.h>
#include "base/str.h"

void call_connect(struct call *call, int64_t now_ms, struct call_todo *todo)
{
	if (call->caller_leg.state == LEG_UP)
		call_bridge(call, now_ms, todo);
	else
		call_answer(call, now_ms, todo); /* phase CONNECTING: the caller's 200 OK comes now */
}

/* Who waits for a phone on hold hears music; nothing configured: silence. */
static void hold_music(struct call *call, struct call_leg *held, struct call_todo *todo)
{
	struct call_leg *other = held == &call->agent_leg ? &call->caller_leg : &call->agent_leg;

	if (held->held && call->queue && call->queue->music)
		call_play(call, other, &call->queue->music, 1, true, false, todo);
}

void call_bridge(struct call *call, int64_t now_ms, struct call_todo *todo)
{
	bool first = !call->bridged_ms;

	call_set_phase(call, CALL_PHASE_TALKING);
	todo_command(todo, COMMAND_STOP_PLAY, &call->caller_leg);
	todo_command(todo, COMMAND_BRIDGE, &call->caller_leg);
	call->play_id++; /* what was played is over */
	call->repeat_ms = now_ms + CHECK_LEGS_MS;
	if (first) {
		call->bridged_ms = now_ms;
		todo_fact(todo, call, FACT_BRIDGED, now_ms);
	}
	hold_music(call, &call->caller_leg, todo);
	hold_music(call, &call->agent_leg, todo);
	if (call->recording)
		todo_command(todo, COMMAND_RECORD, &call->caller_leg)->on =
		    true; /* after an adoption: the same file goes on */
	else if (first && call->queue && call->queue->record)
		call_record(call, true, now_ms, todo);
}

void call_record(struct call *call, bool on, int64_t now_ms, struct call_todo *todo)
{
	/* One that goes on in a second file has begun. */
	if (on && call->recordings_full && !call->recording && !call->record_again) {
		todo_fact(todo, call, FACT_RECORDING_REFUSED, now_ms);
		return;
	}
	todo_command(todo, COMMAND_RECORD, &call->caller_leg)->on = on;
	if (!on || call->recording)
		return;
	call->recording = true;
	call->recording_started_ms = now_ms;
	snprintf(call->recording_id, sizeof(call->recording_id), "%s-%u", call->id, ++call->n_recordings % 1000);
	todo_fact(todo, call, FACT_RECORDING_STARTED, now_ms);
}

/* path NULL: media did not tell; the name is known all the same, and recorder measures the length itself. */
void call_record_done(struct call *call, const char *path, int64_t duration_ms, int64_t now_ms, struct call_todo *todo)
{
	struct call_fact *f;

	if (!call->recording)
		return;
	f = todo_fact(todo, call, FACT_RECORDING_STOPPED, now_ms);
	f->ms = duration_ms;
	f->ms2 = call->recording_started_ms;
	if (path)
		str_copy(f->text, sizeof(f->text), path);
	else
		snprintf(f->text, sizeof(f->text), "%s/%s.seg", call->tenant, call->recording_id);
	call->recording = false;
	if (call->record_again && call->phase < CALL_PHASE_ENDING)
		call_record(call, true, now_ms, todo);
	call->record_again = false;
}

/* Only where a former engine still has the file: that of a full disk would fail again. */
void call_record_failed(struct call *call, const struct call_input *in, struct call_todo *todo)
{
	if (in->error != ERR_EXISTS || !call->recording || call->record_again)
		return;
	call->record_again = true;
	todo_command(todo, COMMAND_RECORD, &call->caller_leg)->on = false;
}

/* ---- hold ---------------------------------------------------------------------------------------------------------- */

void call_hold_end(struct call *call, int64_t now_ms)
{
	if (call->hold_since_ms && now_ms > call->hold_since_ms)
		call->hold_ms += now_ms - call->hold_since_ms;
	call->hold_since_ms = 0;
}

static void hold(struct call *call, struct call_leg *leg, bool held, int64_t now_ms, struct call_todo *todo)
{
	bool agent = leg == &call->agent_leg;
	struct call_leg *other = agent ? &call->caller_leg : &call->agent_leg;
	struct call_fact *f;
	int64_t before;

	if (leg->held == held)
		return;
	leg->held = held;
	if (call->phase != CALL_PHASE_TALKING)
		return;
	f = todo_fact(todo, call, held ? FACT_HELD : FACT_RETRIEVED, now_ms);
	f->kind_text = agent ? "agent" : "caller";
	str_copy(f->leg_id, sizeof(f->leg_id), leg->id);
	if (held) {
		if (!call->hold_since_ms)
			call->hold_since_ms = now_ms;
		hold_music(call, leg, todo);
		return;
	}
	before = call->hold_ms;
	if (!other->held)
		call_hold_end(call, now_ms);
	f->ms = call->hold_ms - before;
	todo_command(todo, COMMAND_STOP_PLAY, other);
}

void call_remote_answer(struct call_leg *leg, const void *sdp, size_t size, struct call_todo *todo)
{
	struct call_command *c = todo_sdp(todo, COMMAND_REMOTE, leg, sdp, size);

	c->offer = false;
	c->request = REQUEST_ANSWER;
}

void call_reoffer_answered(struct call *call, struct call_leg *leg, const struct call_input *in, int64_t now_ms,
			   struct call_todo *todo)
{
	if (!in->sdp_size || !leg->endpoint)
		return;
	call_remote_answer(leg, in->sdp, in->sdp_size, todo);
	hold(call, leg, in->sdp_holds, now_ms, todo);
}

uint32_t call_reoffer_request(const struct call_leg *leg)
{
	return leg->reoffer ? REQUEST_REOFFER | leg->reoffer << 8 : REQUEST_NONE;
}

void call_reoffer(struct call *call, struct call_leg *leg, const struct call_input *in, int64_t now_ms,
		  struct call_todo *todo)
{
	struct call_command *c;

	if (!leg->endpoint) {
		todo_command(todo, COMMAND_REANSWER, leg)->request = in->request; /* 488: nothing to change yet */
		return;
	}
	leg->reoffer = in->request; /* the edge asks one at a time: an earlier one has timed out */
	if (!in->sdp_size) {
		todo_command(todo, COMMAND_ATTACH_ENDPOINT, leg)->request = call_reoffer_request(leg);
		return;
	}
	if (call_leg_set_sdp(leg, in->sdp, in->sdp_size))
		leg->sdp_size = 0;
	c = todo_sdp(todo, COMMAND_REMOTE, leg, in->sdp, in->sdp_size);
	c->offer = true;
	c->request = call_reoffer_request(leg);
	hold(call, leg, in->sdp_holds, now_ms, todo);
}
