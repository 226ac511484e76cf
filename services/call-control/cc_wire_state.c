/* cc_wire_state: facts (events of the stream) and checkpoints of calls. */
#include "cc_wire.h"

#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "trunkline/call/v1/checkpoint.pb-c.h"
#include "trunkline/event/v1/event.pb-c.h"

#define TEXT(s) ((char *)(uintptr_t)((s) ? (s) : ""))
#define BODY(m, Case, member, value)                                       \
	do {                                                               \
		(m)->body_case = TRUNKLINE__EVENT__V1__EVENT__BODY_##Case; \
		(m)->member = (value);                                     \
	} while (0)

typedef Trunkline__Event__V1__Event Event;

void cc_event_free_list(struct cc_event *list)
{
	while (list) {
		struct cc_event *next = list->next;

		mem_free(list->bytes);
		mem_free(list);
		list = next;
	}
}

static struct cc_event *event_pack(const Event *m, bool recording, bool last)
{
	struct cc_event *ev = mem_zalloc(sizeof(*ev));

	if (!ev)
		return NULL;
	ev->size = trunkline__event__v1__event__get_packed_size(m);
	ev->bytes = mem_alloc(ev->size);
	if (!ev->bytes) {
		mem_free(ev);
		return NULL;
	}
	trunkline__event__v1__event__pack(m, ev->bytes);
	str_copy(ev->id, sizeof(ev->id), m->id);
	ev->recording = recording;
	ev->last = last;
	return ev;
}

/* ---- one function per family of facts ----------------------------------------------------------------------------- */

static struct cc_event *fact_ended(Event *m, const struct call *call, const struct call_fact *f)
{
	Trunkline__Event__V1__CallEnded b = TRUNKLINE__EVENT__V1__CALL_ENDED__INIT;
	Trunkline__Event__V1__Variable vars[CALL_VARS_MAX], *list[CALL_VARS_MAX];
	int64_t end = call->ended_ms ? call->ended_ms : f->at_ms;

	for (int i = 0; i < call->n_vars; i++) {
		trunkline__event__v1__variable__init(&vars[i]);
		vars[i].name = call->vars[i].name;
		vars[i].value = call->vars[i].value;
		list[i] = &vars[i];
	}
	b.n_variables = (size_t)call->n_vars;
	b.variables = list;
	b.cause = TEXT(call->cause);
	b.disposition = TEXT(call->disposition);
	b.offered_ms = call->offered_ms;
	b.answered_ms = call->answered_ms;
	b.queued_ms = call->queued_ms;
	b.agent_answered_ms = call->agent_answered_ms;
	b.ended_ms = end;
	b.wait_ms = call->wait_ms;
	b.talk_ms = call->bridged_ms && end > call->bridged_ms ? end - call->bridged_ms : 0;
	b.hold_ms = call->hold_ms;
	b.recording_id = TEXT(call->recording_id);
	b.caller = TEXT(call->caller);
	b.called = TEXT(call->called);
	b.last_seq = f->seq;
	BODY(m, CALL_ENDED, call_ended, &b);
	return event_pack(m, false, true);
}

static struct cc_event *fact_queue(Event *m, const struct call *call, const struct call_fact *f)
{
	Trunkline__Event__V1__Enqueued enqueued = TRUNKLINE__EVENT__V1__ENQUEUED__INIT;
	Trunkline__Event__V1__Reserved reserved = TRUNKLINE__EVENT__V1__RESERVED__INIT;
	Trunkline__Event__V1__Dequeued dequeued = TRUNKLINE__EVENT__V1__DEQUEUED__INIT;

	switch (f->kind) {
	case FACT_ENQUEUED:
		enqueued.arrival_ms = f->ms2;
		enqueued.priority = f->number;
		enqueued.service_level_ms = f->ms;
		BODY(m, ENQUEUED, enqueued, &enqueued);
		break;
	case FACT_RESERVED:
		reserved.router_epoch = call->router_epoch;
		reserved.attempt = f->number;
		reserved.waited_ms = f->ms;
		BODY(m, RESERVED, reserved, &reserved);
		break;
	default:
		dequeued.cause = TEXT(f->text);
		dequeued.waited_ms = f->ms;
		dequeued.service_level_ms = call->queue ? call->queue->service_level_ms : 0;
		BODY(m, DEQUEUED, dequeued, &dequeued);
		break;
	}
	return event_pack(m, false, false);
}

static struct cc_event *fact_agent(Event *m, const struct call *call, const struct call_fact *f)
{
	Trunkline__Event__V1__AgentRinging ringing = TRUNKLINE__EVENT__V1__AGENT_RINGING__INIT;
	Trunkline__Event__V1__AgentNoAnswer none = TRUNKLINE__EVENT__V1__AGENT_NO_ANSWER__INIT;
	Trunkline__Event__V1__AgentAnswered answered = TRUNKLINE__EVENT__V1__AGENT_ANSWERED__INIT;

	switch (f->kind) {
	case FACT_AGENT_RINGING:
		BODY(m, AGENT_RINGING, agent_ringing, &ringing);
		break;
	case FACT_AGENT_NO_ANSWER:
		none.cause = TEXT(f->text);
		none.status = f->status;
		none.rang_ms = f->ms;
		BODY(m, AGENT_NO_ANSWER, agent_no_answer, &none);
		break;
	default:
		answered.waited_ms = f->ms;
		answered.rang_ms = f->ms2;
		answered.service_level_ms = call->queue ? call->queue->service_level_ms : 0;
		BODY(m, AGENT_ANSWERED, agent_answered, &answered);
		break;
	}
	return event_pack(m, false, false);
}

static struct cc_event *fact_talk(Event *m, const struct call_fact *f)
{
	Trunkline__Event__V1__Bridged bridged = TRUNKLINE__EVENT__V1__BRIDGED__INIT;
	Trunkline__Event__V1__Held held = TRUNKLINE__EVENT__V1__HELD__INIT;
	Trunkline__Event__V1__Retrieved retrieved = TRUNKLINE__EVENT__V1__RETRIEVED__INIT;
	Trunkline__Event__V1__LegFinished leg = TRUNKLINE__EVENT__V1__LEG_FINISHED__INIT;

	switch (f->kind) {
	case FACT_BRIDGED:
		BODY(m, BRIDGED, bridged, &bridged);
		break;
	case FACT_HELD:
		held.by = TEXT(f->kind_text);
		BODY(m, HELD, held, &held);
		break;
	case FACT_RETRIEVED:
		retrieved.held_ms = f->ms;
		BODY(m, RETRIEVED, retrieved, &retrieved);
		break;
	default:
		leg.kind = TEXT(f->kind_text);
		leg.cause = TEXT(f->text);
		leg.status = f->status;
		BODY(m, LEG_FINISHED, leg_finished, &leg);
		break;
	}
	return event_pack(m, false, false);
}

static struct cc_event *fact_ivr(Event *m, const struct call *call, const struct call_fact *f)
{
	Trunkline__Event__V1__CallOffered offered = TRUNKLINE__EVENT__V1__CALL_OFFERED__INIT;
	Trunkline__Event__V1__CallAnswered answered = TRUNKLINE__EVENT__V1__CALL_ANSWERED__INIT;
	Trunkline__Event__V1__FlowStepEntered step = TRUNKLINE__EVENT__V1__FLOW_STEP_ENTERED__INIT;
	Trunkline__Event__V1__DigitsCollected digits = TRUNKLINE__EVENT__V1__DIGITS_COLLECTED__INIT;

	switch (f->kind) {
	case FACT_OFFERED:
		offered.caller = TEXT(call->caller);
		offered.called = TEXT(call->called);
		offered.trunk_id = TEXT(call->trunk_id);
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): an array, which is never NULL */
		offered.direction = TEXT(call->trunk_id[0] ? "inbound" : "internal");
		offered.sip_call_id = TEXT(f->text);
		BODY(m, CALL_OFFERED, call_offered, &offered);
		break;
	case FACT_ANSWERED:
		BODY(m, CALL_ANSWERED, call_answered, &answered);
		break;
	case FACT_STEP:
		step.flow_id = TEXT(f->flow_id);
		step.step_id = TEXT(f->step_id);
		step.kind = TEXT(f->kind_text);
		BODY(m, FLOW_STEP_ENTERED, flow_step_entered, &step);
		break;
	default:
		digits.step_id = TEXT(f->step_id);
		digits.variable = TEXT(f->variable);
		digits.digits = TEXT(f->text);
		digits.end = TEXT(f->kind_text);
		BODY(m, DIGITS_COLLECTED, digits_collected, &digits);
		break;
	}
	return event_pack(m, false, false);
}

static struct cc_event *fact_rest(Event *m, const struct call *call, const struct call_fact *f)
{
	Trunkline__Event__V1__RecordingStarted started = TRUNKLINE__EVENT__V1__RECORDING_STARTED__INIT;
	Trunkline__Event__V1__RecordingStopped stopped = TRUNKLINE__EVENT__V1__RECORDING_STOPPED__INIT;
	Trunkline__Event__V1__RecordingRefused refused = TRUNKLINE__EVENT__V1__RECORDING_REFUSED__INIT;
	Trunkline__Event__V1__CallAdopted adopted = TRUNKLINE__EVENT__V1__CALL_ADOPTED__INIT;
	Trunkline__Event__V1__MediaReanchored reanchored = TRUNKLINE__EVENT__V1__MEDIA_REANCHORED__INIT;

	switch (f->kind) {
	case FACT_RECORDING_STARTED:
		started.recording_id = TEXT(call->recording_id);
		BODY(m, RECORDING_STARTED, recording_started, &started);
		return event_pack(m, true, false);
	case FACT_RECORDING_STOPPED:
		stopped.recording_id = TEXT(call->recording_id);
		stopped.path = TEXT(f->text);
		stopped.started_ms = f->ms2;
		stopped.duration_ms = f->ms;
		stopped.caller = TEXT(call->caller);
		stopped.called = TEXT(call->called);
		stopped.media_instance = TEXT(call->media);
		BODY(m, RECORDING_STOPPED, recording_stopped, &stopped);
		return event_pack(m, true, false);
	case FACT_RECORDING_REFUSED:
		refused.cause = (char *)"over-quota";
		BODY(m, RECORDING_REFUSED, recording_refused, &refused);
		return event_pack(m, false, false);
	case FACT_REANCHORED:
		reanchored.from_instance = TEXT(f->text);
		reanchored.to_instance = TEXT(call->media);
		BODY(m, MEDIA_REANCHORED, media_reanchored, &reanchored);
		return event_pack(m, false, false);
	default:
		adopted.from_instance = TEXT(f->text);
		adopted.epoch = call->epoch;
		BODY(m, CALL_ADOPTED, call_adopted, &adopted);
		return event_pack(m, false, false);
	}
}

struct cc_event *cc_wire_fact(const struct call *call, const struct call_fact *f, const char *site, const char *source)
{
	bool recording = f->kind == FACT_RECORDING_STARTED || f->kind == FACT_RECORDING_STOPPED;
	Event m = TRUNKLINE__EVENT__V1__EVENT__INIT;
	char id[80];

	snprintf(id, sizeof(id), "%s.%llu", recording ? call->recording_id : call->id, (unsigned long long)f->seq);
	m.id = id;
	m.tenant = TEXT(call->tenant);
	m.site = TEXT(site);
	m.time_ms = f->at_ms;
	m.seq = f->seq;
	m.source = TEXT(source);
	m.call_id = TEXT(call->id);
	m.leg_id = TEXT(f->leg_id);
	m.agent_id = TEXT(f->agent_id);
	m.queue_id = TEXT(f->queue_id);
	switch (f->kind) {
	case FACT_OFFERED:
	case FACT_ANSWERED:
	case FACT_STEP:
	case FACT_DIGITS:
		return fact_ivr(&m, call, f);
	case FACT_ENQUEUED:
	case FACT_RESERVED:
	case FACT_DEQUEUED:
		return fact_queue(&m, call, f);
	case FACT_AGENT_RINGING:
	case FACT_AGENT_NO_ANSWER:
	case FACT_AGENT_ANSWERED:
		return fact_agent(&m, call, f);
	case FACT_BRIDGED:
	case FACT_HELD:
	case FACT_RETRIEVED:
	case FACT_LEG_FINISHED:
		return fact_talk(&m, f);
	case FACT_ENDED:
		return fact_ended(&m, call, f);
	case FACT_RECORDING_STARTED:
	case FACT_RECORDING_STOPPED:
	case FACT_ADOPTED:
	case FACT_REANCHORED:
	case FACT_RECORDING_REFUSED:
		return fact_rest(&m, call, f);
	}
	return NULL;
}

/* ---- checkpoints --------------------------------------------------------------------------------------------------- */

typedef Trunkline__Call__V1__CallCheckpoint Checkpoint;
typedef Trunkline__Call__V1__Leg Leg;

static void leg_to_pb(const struct call_leg *leg, Leg *m)
{
	m->leg_id = TEXT(leg->id);
	m->edge_instance = TEXT(leg->edge);
	m->state = (uint32_t)leg->state;
	m->remote_sdp.data = leg->sdp;
	m->remote_sdp.len = leg->sdp_size;
	m->since_ms = leg->since_ms;
	m->endpoint = leg->endpoint;
	m->held = leg->held;
	m->anchor = (uint32_t)leg->anchor;
	m->invite.data = leg->invite;
	m->invite.len = leg->invite_size;
}

static void checkpoint_scalars(const struct call *call, Checkpoint *m)
{
	m->tenant = TEXT(call->tenant);
	m->call_id = TEXT(call->id);
	m->epoch = call->epoch;
	m->event_seq = call->event_seq;
	m->phase = (uint32_t)call->phase;
	m->flow_id = TEXT(call->flow ? call->flow->id : "");
	m->step_id = TEXT(
	    call->flow && call->step >= 0 && call->step < call->flow->n_steps ? call->flow->steps[call->step].id : "");
	m->config_version = call->conf ? call->conf->version : 0;
	m->caller = TEXT(call->caller);
	m->caller_name = TEXT(call->caller_name);
	m->called = TEXT(call->called);
	m->trunk_id = TEXT(call->trunk_id);
	m->media_instance = TEXT(call->media);
	m->media_incarnation = call->media_incarnation;
	m->queue_id = TEXT(call->queue_id);
	m->arrival_ms = call->arrival_ms;
	m->priority = call->priority;
	m->router_epoch = call->router_epoch;
	m->attempt = call->attempt;
	m->wanted_agent = TEXT(call->wanted_agent);
	m->recording_id = TEXT(call->recording_id);
	m->recordings = call->n_recordings;
	m->recording = call->recording;
	m->recording_started_ms = call->recording_started_ms;
	m->offered_ms = call->offered_ms;
	m->answered_ms = call->answered_ms;
	m->queued_ms = call->queued_ms;
	m->agent_answered_ms = call->agent_answered_ms;
	m->bridged_ms = call->bridged_ms;
	m->ended_ms = call->ended_ms;
	m->wait_ms = call->wait_ms;
	m->hold_ms = call->hold_ms;
	m->hold_since_ms = call->hold_since_ms;
	m->cause = TEXT(call->cause);
	m->disposition = TEXT(call->disposition);
	m->digits = TEXT(call->digits);
}

static void put_packed(struct str *out, const Checkpoint *m)
{
	size_t n = trunkline__call__v1__call_checkpoint__get_packed_size(m);
	void *bytes = mem_alloc(n);

	if (!bytes) {
		out->failed = true;
		return;
	}
	str_append_n(out, bytes, trunkline__call__v1__call_checkpoint__pack(m, bytes));
	mem_free(bytes);
}

#define EVENTS_MAX 512

err_t cc_wire_put_checkpoint(struct str *out, const struct call *call, const struct cc_owner *owner,
			     const struct cc_event *events)
{
	Checkpoint m = TRUNKLINE__CALL__V1__CALL_CHECKPOINT__INIT;
	Leg caller = TRUNKLINE__CALL__V1__LEG__INIT, agent = TRUNKLINE__CALL__V1__LEG__INIT;
	Trunkline__Event__V1__Variable vars[CALL_VARS_MAX], *list[CALL_VARS_MAX];
	ProtobufCBinaryData blobs[EVENTS_MAX];
	char *tried[CALL_TRIED_MAX];

	checkpoint_scalars(call, &m);
	m.owner = TEXT(owner->instance);
	m.owner_incarnation = owner->incarnation;
	leg_to_pb(&call->caller_leg, &caller);
	leg_to_pb(&call->agent_leg, &agent);
	agent.agent_id = TEXT(call->agent_id);
	m.caller_leg = &caller;
	m.agent_leg = &agent;
	for (int i = 0; i < call->n_vars; i++) {
		trunkline__event__v1__variable__init(&vars[i]);
		vars[i].name = call->vars[i].name;
		vars[i].value = call->vars[i].value;
		list[i] = &vars[i];
	}
	m.n_variables = (size_t)call->n_vars;
	m.variables = list;
	for (int i = 0; i < call->n_tried; i++)
		tried[m.n_tried_agents++] = TEXT(call->tried[i]);
	m.tried_agents = tried;
	for (const struct cc_event *ev = events; ev && m.n_events < EVENTS_MAX; ev = ev->next) {
		blobs[m.n_events].data = ev->bytes;
		blobs[m.n_events++].len = ev->size;
	}
	m.events = blobs;
	put_packed(out, &m);
	return out->failed ? ERR_EXHAUSTED : ERR_OK;
}

err_t cc_wire_checkpoint_owner(const void *data, size_t size, struct cc_owner *ret, struct err_detail *d)
{
	Checkpoint *m = trunkline__call__v1__call_checkpoint__unpack(NULL, size, data);

	if (!m)
		return err_set(d, ERR_INVALID, "CallCheckpoint", "a protobuf message is wanted");
	str_copy(ret->instance, sizeof(ret->instance), m->owner);
	ret->incarnation = m->owner_incarnation;
	trunkline__call__v1__call_checkpoint__free_unpacked(m, NULL);
	return ERR_OK;
}

/* Causes are static in the core: the saved text is mapped back to the literal. */
static const char *known_text(const char *text)
{
	static const char *const known[] = {
		"caller-hung-up", "agent-hung-up",  "flow-end",	     "rejected",    "queue-timeout", "failed",
		"lost",		  "no-such-number", "suspended",     "flow-loop",   "full",	     "no-agents",
		"no-answer",	  "busy",	    "media-timeout", "caller-gone", "agent-gone",    "media-lost",
		"answered",	  "abandoned",	    "ivr",	     "refused",	    "over-quota",    "over-rate",
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (str_eq(known[i], text))
			return known[i];
	return str_empty(text) ? NULL : "failed";
}

static err_t leg_from_pb(struct call_leg *leg, const Leg *m)
{
	if (!m)
		return ERR_OK;
	if (m->state > LEG_ENDED)
		return ERR_INVALID;
	str_copy(leg->id, sizeof(leg->id), m->leg_id);
	str_copy(leg->edge, sizeof(leg->edge), m->edge_instance);
	leg->state = (enum leg_state)m->state;
	leg->since_ms = m->since_ms;
	leg->endpoint = m->endpoint;
	leg->held = m->held;
	leg->anchor = m->anchor <= ANCHOR_OFFERED ? (enum call_anchor)m->anchor : ANCHOR_WANTED;
	if (call_leg_set_invite(leg, m->invite.data, m->invite.len))
		return ERR_EXHAUSTED;
	return call_leg_set_sdp(leg, m->remote_sdp.data, m->remote_sdp.len);
}

static void times_from_pb(struct call *call, const Checkpoint *m)
{
	call->recording_started_ms = m->recording_started_ms;
	call->offered_ms = m->offered_ms;
	call->answered_ms = m->answered_ms;
	call->queued_ms = m->queued_ms;
	call->agent_answered_ms = m->agent_answered_ms;
	call->bridged_ms = m->bridged_ms;
	call->ended_ms = m->ended_ms;
	call->wait_ms = m->wait_ms;
	call->hold_ms = m->hold_ms;
	call->hold_since_ms = m->hold_since_ms;
	call->arrival_ms = m->arrival_ms;
}

static err_t call_from_pb(struct call *call, const Checkpoint *m)
{
	err_t e;

	if (!str_is_id(m->tenant) || !id_valid(m->call_id) || m->phase >= CALL_PHASE_COUNT)
		return ERR_INVALID;
	str_copy(call->tenant, sizeof(call->tenant), m->tenant);
	str_copy(call->id, sizeof(call->id), m->call_id);
	call->epoch = m->epoch;
	call->event_seq = m->event_seq;
	call->phase = (enum call_phase)m->phase;
	str_copy(call->caller, sizeof(call->caller), m->caller);
	str_copy(call->caller_name, sizeof(call->caller_name), m->caller_name);
	str_copy(call->called, sizeof(call->called), m->called);
	str_copy(call->trunk_id, sizeof(call->trunk_id), m->trunk_id);
	str_copy(call->media, sizeof(call->media), m->media_instance);
	call->media_incarnation = m->media_incarnation;
	str_copy(call->queue_id, sizeof(call->queue_id), m->queue_id);
	str_copy(call->wanted_agent, sizeof(call->wanted_agent), m->wanted_agent);
	str_copy(call->recording_id, sizeof(call->recording_id), m->recording_id);
	str_copy(call->digits, sizeof(call->digits), m->digits);
	call->n_recordings = m->recordings;
	call->recording = m->recording;
	call->priority = m->priority;
	call->router_epoch = m->router_epoch;
	call->attempt = m->attempt;
	call->cause = known_text(m->cause);
	call->disposition = known_text(m->disposition);
	times_from_pb(call, m);
	if (m->agent_leg)
		str_copy(call->agent_id, sizeof(call->agent_id), m->agent_leg->agent_id);
	for (size_t i = 0; i < m->n_tried_agents && call->n_tried < CALL_TRIED_MAX; i++)
		str_copy(call->tried[call->n_tried++], CALL_NAME, m->tried_agents[i]);
	e = leg_from_pb(&call->caller_leg, m->caller_leg);
	if (!e)
		e = leg_from_pb(&call->agent_leg, m->agent_leg);
	for (size_t i = 0; i < m->n_variables && !e; i++)
		e = call_set_var(call, m->variables[i]->name, m->variables[i]->value);
	return e;
}

static err_t events_from_pb(struct cc_event **list, const Checkpoint *m)
{
	struct cc_event **end = list;

	for (size_t i = 0; i < m->n_events; i++) {
		Event *ev = trunkline__event__v1__event__unpack(NULL, m->events[i].len, m->events[i].data);

		if (!ev)
			return ERR_INVALID;
		*end = event_pack(ev,
				  ev->body_case == TRUNKLINE__EVENT__V1__EVENT__BODY_RECORDING_STARTED ||
				      ev->body_case == TRUNKLINE__EVENT__V1__EVENT__BODY_RECORDING_STOPPED,
				  ev->body_case == TRUNKLINE__EVENT__V1__EVENT__BODY_CALL_ENDED);
		trunkline__event__v1__event__free_unpacked(ev, NULL);
		if (!*end)
			return ERR_EXHAUSTED;
		end = &(*end)->next;
	}
	return ERR_OK;
}

err_t cc_wire_checkpoint(const void *data, size_t size, struct cc_saved *ret, struct err_detail *d)
{
	Checkpoint *m = trunkline__call__v1__call_checkpoint__unpack(NULL, size, data);
	struct cc_saved saved = { 0 };
	err_t e;

	if (!m)
		return err_set(d, ERR_INVALID, "CallCheckpoint", "a protobuf message is wanted");
	e = call_new(&saved.call);
	if (!e)
		e = call_from_pb(saved.call, m);
	if (!e)
		e = events_from_pb(&saved.events, m);
	if (e) {
		call_free(&saved.call);
		cc_event_free_list(saved.events);
		trunkline__call__v1__call_checkpoint__free_unpacked(m, NULL);
		return err_set(d, e, "CallCheckpoint", "an intact checkpoint is wanted");
	}
	str_copy(saved.owner.instance, sizeof(saved.owner.instance), m->owner);
	saved.owner.incarnation = m->owner_incarnation;
	str_copy(saved.flow_id, sizeof(saved.flow_id), m->flow_id);
	str_copy(saved.step_id, sizeof(saved.step_id), m->step_id);
	trunkline__call__v1__call_checkpoint__free_unpacked(m, NULL);
	*ret = saved;
	return ERR_OK;
}
