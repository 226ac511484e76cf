#include "event_wire.h"

#include "base/id.h"
#include "base/str.h"
#include "pbcheck/pbcheck.h"
#include "trunkline/event/v1/event.pb-c.h"

typedef Trunkline__Event__V1__Event Event;

static void ended_from_pb(struct kpi_event *ev, const Trunkline__Event__V1__CallEnded *b, struct arena *a)
{
	ev->kind = KPI_ENDED;
	ev->cause = arena_strdup(a, b->cause);
	ev->disposition = arena_strdup(a, b->disposition);
	ev->recording_id = arena_strdup(a, b->recording_id);
	ev->offered_ms = b->offered_ms;
	ev->answered_ms = b->answered_ms;
	ev->agent_answered_ms = b->agent_answered_ms;
	ev->ended_ms = b->ended_ms;
	ev->wait_ms = b->wait_ms;
	ev->talk_ms = b->talk_ms;
	ev->hold_ms = b->hold_ms;
}

static void body_from_pb(struct kpi_event *ev, const Event *m, struct arena *a)
{
	switch (m->body_case) {
	case TRUNKLINE__EVENT__V1__EVENT__BODY_CALL_OFFERED:
		ev->kind = KPI_OFFERED;
		ev->caller = arena_strdup(a, m->call_offered->caller);
		ev->called = arena_strdup(a, m->call_offered->called);
		ev->trunk_id = arena_strdup(a, m->call_offered->trunk_id);
		break;
	case TRUNKLINE__EVENT__V1__EVENT__BODY_CALL_ANSWERED:
		ev->kind = KPI_CALL_ANSWERED;
		break;
	case TRUNKLINE__EVENT__V1__EVENT__BODY_DIGITS_COLLECTED:
		ev->kind = KPI_DIGITS;
		ev->digits = arena_strdup(a, m->digits_collected->digits);
		break;
	case TRUNKLINE__EVENT__V1__EVENT__BODY_ENQUEUED:
		ev->kind = KPI_ENQUEUED;
		ev->arrival_ms = m->enqueued->arrival_ms;
		ev->service_level_ms = m->enqueued->service_level_ms;
		break;
	case TRUNKLINE__EVENT__V1__EVENT__BODY_RESERVED:
		ev->kind = KPI_RESERVED;
		break;
	case TRUNKLINE__EVENT__V1__EVENT__BODY_AGENT_NO_ANSWER:
		ev->kind = KPI_NO_ANSWER;
		ev->cause = arena_strdup(a, m->agent_no_answer->cause);
		break;
	case TRUNKLINE__EVENT__V1__EVENT__BODY_AGENT_ANSWERED:
		ev->kind = KPI_AGENT_ANSWERED;
		ev->waited_ms = m->agent_answered->waited_ms;
		ev->service_level_ms = m->agent_answered->service_level_ms;
		break;
	case TRUNKLINE__EVENT__V1__EVENT__BODY_DEQUEUED:
		ev->kind = KPI_DEQUEUED;
		ev->cause = arena_strdup(a, m->dequeued->cause);
		ev->waited_ms = m->dequeued->waited_ms;
		ev->service_level_ms = m->dequeued->service_level_ms;
		break;
	case TRUNKLINE__EVENT__V1__EVENT__BODY_CALL_ENDED:
		ended_from_pb(ev, m->call_ended, a);
		break;
	case TRUNKLINE__EVENT__V1__EVENT__BODY_AGENT_STATE_CHANGED:
		ev->kind = KPI_AGENT_STATE;
		ev->state = (enum kpi_state)m->agent_state_changed->from;
		ev->duration_ms = m->agent_state_changed->duration_ms;
		break;
	default:
		ev->kind = KPI_OTHER;
		break;
	}
}

static err_t check(const Event *m, struct err_detail *d)
{
	bool agent = m->body_case == TRUNKLINE__EVENT__V1__EVENT__BODY_AGENT_STATE_CHANGED;

	if (!str_is_id(m->tenant))
		return err_set(d, ERR_INVALID, "tenant", "an id is wanted");
	if (!m->seq || m->seq > INT64_MAX)
		return err_set(d, ERR_INVALID, "seq", "1 or more is wanted");
	if (agent ? !str_is_id(m->agent_id) : !id_valid(m->call_id))
		return err_set(d, ERR_INVALID, agent ? "agent_id" : "call_id", "an id is wanted");
	if ((*m->agent_id && !str_is_id(m->agent_id)) || (*m->queue_id && !str_is_id(m->queue_id)))
		return err_set(d, ERR_INVALID, "agent_id, queue_id", "ids are wanted");
	if (m->time_ms <= 0)
		return err_set(d, ERR_INVALID, "time_ms", "milliseconds since 1970 are wanted");
	return ERR_OK;
}

err_t event_from_pb(struct kpi_event *ret, const void *data, size_t size, struct arena *a, struct err_detail *d)
{
	struct kpi_event ev = { .caller = "",
				.called = "",
				.trunk_id = "",
				.cause = "",
				.disposition = "",
				.digits = "",
				.recording_id = "" };
	ProtobufCMessage *msg;
	const Event *m;
	err_t e = pbcheck_unpack(&msg, &trunkline__event__v1__event__descriptor, data, size, d);

	if (e)
		return e;
	m = (const Event *)msg;
	e = check(m, d);
	if (!e) {
		ev.tenant = arena_strdup(a, m->tenant);
		ev.call_id = arena_strdup(a, m->call_id);
		ev.agent_id = arena_strdup(a, m->agent_id);
		ev.queue_id = arena_strdup(a, m->queue_id);
		ev.seq = m->seq;
		ev.time_ms = m->time_ms;
		body_from_pb(&ev, m, a);
		if (!ev.tenant || !ev.call_id || !ev.agent_id || !ev.queue_id || !ev.caller || !ev.called ||
		    !ev.trunk_id || !ev.cause || !ev.disposition || !ev.digits || !ev.recording_id)
			e = err_set(d, ERR_EXHAUSTED, "", "out of memory");
	}
	protobuf_c_message_free_unpacked(msg, NULL);
	if (!e)
		*ret = ev;
	return e;
}
