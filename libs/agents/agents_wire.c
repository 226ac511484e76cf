#include "agents/agents_wire.h"
#include "base/mem.h"
#include "base/str.h"
#include "pbcheck/pbcheck.h"
#include "trunkline/agent/v1/agent.pb-c.h"

#define TIME_MAX (1ll << 50)

typedef Trunkline__Agent__V1__AgentRecord pb_record;
typedef Trunkline__Agent__V1__Transition pb_transition;

/* ---- in ------------------------------------------------------------------------------------------------------------ */

static err_t copy_text(char *dst, size_t size, const char *src, const char *field, struct err_detail *d)
{
	if (!str_copy(dst, size, src))
		return err_set(d, ERR_INVALID, field, "must have at most %zu bytes", size - 1);
	return ERR_OK;
}

static err_t copy_id(char *dst, const char *src, bool optional, const char *field, struct err_detail *d)
{
	if (!(optional && !*src) && !str_is_id(src))
		return err_set(d, ERR_INVALID, field, "must be an id: a-z, 0-9 and '-', at most 63");
	return copy_text(dst, AGENT_ID_TEXT, src, field, d);
}

static err_t check_time(int64_t t, const char *field, struct err_detail *d)
{
	if (t < 0 || t > TIME_MAX)
		return err_set(d, ERR_INVALID, field, "must be milliseconds since 1970");
	return ERR_OK;
}

static err_t check_state(int s, int min, const char *field, struct err_detail *d)
{
	if (s < min || s >= AGENT_STATES)
		return err_set(d, ERR_INVALID, field, "%d is no agent state", s);
	return ERR_OK;
}

static err_t transition_from_pb(struct agent_transition *t, const pb_transition *pb, struct err_detail *d)
{
	err_t e;

	if ((e = check_state((int)pb->from, 0, "last.from", d)) || (e = check_state((int)pb->to, 0, "last.to", d)) ||
	    (e = check_time(pb->at_ms, "last.at_ms", d)) ||
	    (e = check_time(pb->from_since_ms, "last.from_since_ms", d)) ||
	    (e = copy_text(t->cause, sizeof(t->cause), pb->cause, "last.cause", d)) ||
	    (e = copy_text(t->reason, sizeof(t->reason), pb->reason, "last.reason", d)) ||
	    (e = copy_text(t->call_id, sizeof(t->call_id), pb->call_id, "last.call_id", d)) ||
	    (e = copy_text(t->queue_id, sizeof(t->queue_id), pb->queue_id, "last.queue_id", d)))
		return e;
	t->from = (enum agent_state)pb->from;
	t->to = (enum agent_state)pb->to;
	t->at_ms = pb->at_ms;
	t->from_since_ms = pb->from_since_ms;
	t->seq = pb->seq;
	return copy_text(t->writer, sizeof(t->writer), pb->writer, "writer", d);
}

static err_t texts_from_pb(struct agent_record *r, const pb_record *pb, struct err_detail *d)
{
	err_t e;

	if ((e = copy_id(r->tenant, pb->tenant, false, "tenant", d)) ||
	    (e = copy_id(r->agent_id, pb->agent_id, false, "agent_id", d)) ||
	    (e = copy_id(r->queue_id, pb->queue_id, true, "queue_id", d)) ||
	    (e = copy_id(r->site, pb->site, true, "site", d)) ||
	    (e = copy_text(r->reason, sizeof(r->reason), pb->reason, "reason", d)) ||
	    (e = copy_text(r->call_id, sizeof(r->call_id), pb->call_id, "call_id", d)) ||
	    (e = copy_text(r->leg_id, sizeof(r->leg_id), pb->leg_id, "leg_id", d)) ||
	    (e = copy_text(r->pending_reason, sizeof(r->pending_reason), pb->pending_reason, "pending_reason", d)) ||
	    (e = copy_text(r->writer, sizeof(r->writer), pb->writer, "writer", d)))
		return e;
	return ERR_OK;
}

static err_t numbers_from_pb(struct agent_record *r, const pb_record *pb, struct err_detail *d)
{
	err_t e;

	if ((e = check_state((int)pb->state, AGENT_SIGNED_OUT, "state", d)) ||
	    (e = check_time(pb->since_ms, "since_ms", d)) ||
	    (e = check_time(pb->ready_since_ms, "ready_since_ms", d)) ||
	    (e = check_time(pb->reserved_until_ms, "reserved_until_ms", d)) ||
	    (e = check_time(pb->wrap_up_until_ms, "wrap_up_until_ms", d)) ||
	    (e = check_time(pb->signed_in_ms, "signed_in_ms", d)))
		return e;
	if (!pb->seq)
		return err_set(d, ERR_INVALID, "seq", "must be at least 1");
	r->state = (enum agent_state)pb->state;
	r->since_ms = pb->since_ms;
	r->ready_since_ms = pb->ready_since_ms;
	r->seq = pb->seq;
	r->router_epoch = pb->router_epoch;
	r->reserved_until_ms = pb->reserved_until_ms;
	r->wrap_up_until_ms = pb->wrap_up_until_ms;
	r->pending_busy = pb->pending_busy;
	r->pending_sign_out = pb->pending_sign_out;
	r->signed_in_ms = pb->signed_in_ms;
	return ERR_OK;
}

static err_t record_from_pb(struct agent_record *r, const pb_record *pb, struct err_detail *d)
{
	bool needs_call = (int)pb->state == AGENT_RESERVED || (int)pb->state == AGENT_ON_CALL;
	err_t e;

	*r = (struct agent_record){ 0 };
	if ((e = texts_from_pb(r, pb, d)) || (e = numbers_from_pb(r, pb, d)) ||
	    (e = pb->last ? transition_from_pb(&r->last, pb->last, d) : ERR_OK))
		return e;
	if (pb->n_before > AGENT_BEFORE)
		return err_set(d, ERR_INVALID, "before", "must have at most %d transitions", AGENT_BEFORE);
	for (; r->n_before < pb->n_before; r->n_before++)
		if ((e = transition_from_pb(&r->before[r->n_before], pb->before[r->n_before], d)))
			return e;
	if (needs_call && !*pb->call_id)
		return err_set(d, ERR_INVALID, "call_id", "must be there in state %s", agent_state_name(r->state));
	return ERR_OK;
}

err_t agent_record_from_pb(struct agent_record *rec, const void *bytes, size_t size, struct err_detail *detail)
{
	ProtobufCMessage *msg;
	struct agent_record r;
	err_t e = pbcheck_view(&msg, &trunkline__agent__v1__agent_record__descriptor, bytes, size, detail);

	if (e)
		return e;
	e = record_from_pb(&r, (const pb_record *)msg, detail);
	pbcheck_view_done(msg);
	if (!e)
		*rec = r;
	return e;
}

/* ---- out ----------------------------------------------------------------------------------------------------------- */

#define TEXT(t) ((char *)(uintptr_t)(t)) /* protobuf-c knows no const; packing writes nothing */

static void transition_to_pb(const struct agent_transition *t, pb_transition *pb)
{
	trunkline__agent__v1__transition__init(pb);
	pb->from = (Trunkline__Agent__V1__AgentState)t->from;
	pb->to = (Trunkline__Agent__V1__AgentState)t->to;
	pb->at_ms = t->at_ms;
	pb->from_since_ms = t->from_since_ms;
	pb->cause = TEXT(t->cause);
	pb->reason = TEXT(t->reason);
	pb->call_id = TEXT(t->call_id);
	pb->queue_id = TEXT(t->queue_id);
	pb->seq = t->seq;
	pb->writer = TEXT(t->writer);
}

static void record_to_pb(const struct agent_record *r, pb_record *pb)
{
	trunkline__agent__v1__agent_record__init(pb);
	pb->tenant = TEXT(r->tenant);
	pb->agent_id = TEXT(r->agent_id);
	pb->state = (Trunkline__Agent__V1__AgentState)r->state;
	pb->reason = TEXT(r->reason);
	pb->since_ms = r->since_ms;
	pb->ready_since_ms = r->ready_since_ms;
	pb->seq = r->seq;
	pb->call_id = TEXT(r->call_id);
	pb->queue_id = TEXT(r->queue_id);
	pb->leg_id = TEXT(r->leg_id);
	pb->router_epoch = r->router_epoch;
	pb->reserved_until_ms = r->reserved_until_ms;
	pb->wrap_up_until_ms = r->wrap_up_until_ms;
	pb->pending_busy = r->pending_busy;
	pb->pending_sign_out = r->pending_sign_out;
	pb->pending_reason = TEXT(r->pending_reason);
	pb->site = TEXT(r->site);
	pb->writer = TEXT(r->writer);
	pb->signed_in_ms = r->signed_in_ms;
}

err_t agent_record_to_pb(const struct agent_record *rec, void **ret, size_t *ret_size)
{
	pb_transition last, before[AGENT_BEFORE], *list[AGENT_BEFORE];
	pb_record pb;
	uint8_t *bytes;

	record_to_pb(rec, &pb);
	transition_to_pb(&rec->last, &last);
	pb.last = &last;
	for (unsigned i = 0; i < rec->n_before; i++) {
		transition_to_pb(&rec->before[i], &before[i]);
		list[i] = &before[i];
	}
	pb.before = list;
	pb.n_before = rec->n_before;
	*ret_size = trunkline__agent__v1__agent_record__get_packed_size(&pb);
	bytes = mem_alloc(*ret_size);
	if (!bytes)
		return ERR_EXHAUSTED;
	trunkline__agent__v1__agent_record__pack(&pb, bytes);
	*ret = bytes;
	return ERR_OK;
}
