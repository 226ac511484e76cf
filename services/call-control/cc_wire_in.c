/* cc_wire_in: messages to call-control, validated. */
#include "cc_wire.h"

#include <string.h>
#include "pbcheck/pbcheck.h"
#include "trunkline/edge/v1/edge.pb-c.h"
#include "trunkline/media/v1/media.pb-c.h"
#include "trunkline/router/v1/router.pb-c.h"

/* protobuf-c accepts invalid UTF-8 and cuts at NUL: whatever is not plain text of bounded size is refused. */
static bool text_ok(const char *s, size_t max)
{
	size_t n = strlen(s);

	return n < max && str_utf8_valid(s, n) && !strpbrk(s, "\r\n");
}

static void *unpack(const ProtobufCMessageDescriptor *desc, const void *data, size_t size, struct err_detail *d)
{
	ProtobufCMessage *m;

	return pbcheck_view(&m, desc, data, size, d) ? NULL : m;
}

static err_t bad(struct err_detail *d, const char *field, const char *right)
{
	return err_set(d, ERR_INVALID, field, "%s", right);
}

static err_t ids_ok(const char *tenant, const char *call_id, const char *leg_id, struct err_detail *d)
{
	if (!str_is_id(tenant))
		return bad(d, "tenant", "an id ([a-z0-9][a-z0-9-]{0,62}) is wanted");
	if (!id_valid(call_id))
		return bad(d, "call_id", "32 lower-case hex digits are wanted");
	if (leg_id[0] && !id_valid(leg_id))
		return bad(d, "leg_id", "32 lower-case hex digits are wanted");
	return ERR_OK;
}

/* ---- sip-edge ---------------------------------------------------------------------------------------------------- */

static err_t edge_offer(const char *edge, const Trunkline__Edge__V1__EdgeEvent *e, const struct cc_in *fn,
			struct err_detail *d)
{
	const Trunkline__Edge__V1__LegOffer *o = e->offer;
	struct cc_offer offer = {
		.edge = edge,
		.tenant = e->tenant,
		.call_id = e->call_id,
		.leg_id = e->leg_id,
		.caller = o->caller,
		.called = o->called,
		.caller_name = o->caller_name,
		.trunk_id = o->trunk_id,
		.agent_id = o->agent_id,
		.sdp = o->sdp.data,
		.sdp_size = o->sdp.len,
		.sip_call_id = o->sip_call_id,
		.invite = o->invite.data,
		.invite_size = o->invite.len,
	};

	if (!text_ok(o->caller, CALL_NUMBER) || !text_ok(o->caller_name, CALL_NUMBER))
		return bad(d, "offer.caller", "up to 127 bytes of UTF-8 are wanted");
	if (!text_ok(o->called, CALL_NUMBER) || str_empty(o->called))
		return bad(d, "offer.called", "1 to 127 bytes of UTF-8 are wanted");
	if (!text_ok(o->trunk_id, CALL_NAME) || !text_ok(o->agent_id, CALL_NAME) ||
	    !text_ok(o->sip_call_id, CALL_VALUE))
		return bad(d, "offer", "ids of at most 63 bytes are wanted");
	if (o->invite.len > CALL_INVITE_MAX)
		return bad(d, "offer.invite", "at most 8,192 bytes are wanted");
	if (fn->offer)
		fn->offer(&offer, fn->arg);
	return ERR_OK;
}

static bool edge_input(const Trunkline__Edge__V1__EdgeEvent *e, struct call_input *in, uint64_t *stale)
{
	switch (e->event_case) {
	case TRUNKLINE__EDGE__V1__EDGE_EVENT__EVENT_RINGING:
		in->kind = INPUT_LEG_RINGING;
		in->status = e->ringing->status;
		in->sdp = e->ringing->sdp.data;
		in->sdp_size = e->ringing->sdp.len;
		return true;
	case TRUNKLINE__EDGE__V1__EDGE_EVENT__EVENT_ANSWERED:
		in->kind = INPUT_LEG_ANSWERED;
		in->reinvite = e->answered->reinvite;
		in->sdp = e->answered->sdp.data;
		in->sdp_size = e->answered->sdp.len;
		return true;
	case TRUNKLINE__EDGE__V1__EDGE_EVENT__EVENT_ENDED:
		in->kind = INPUT_LEG_ENDED;
		in->status = e->ended->status;
		in->cause = text_ok(e->ended->cause, CALL_NAME) ? e->ended->cause : "malformed";
		return true;
	case TRUNKLINE__EDGE__V1__EDGE_EVENT__EVENT_REOFFER:
		in->kind = INPUT_LEG_REOFFER;
		in->request = e->reoffer->request;
		in->sdp = e->reoffer->sdp.data;
		in->sdp_size = e->reoffer->sdp.len;
		return true;
	case TRUNKLINE__EDGE__V1__EDGE_EVENT__EVENT_STATE:
		in->kind = INPUT_LEG_STATE;
		in->answered = e->state->answered;
		in->ringing = e->state->ringing;
		in->sdp = e->state->remote_sdp.data;
		in->sdp_size = e->state->remote_sdp.len;
		return true;
	case TRUNKLINE__EDGE__V1__EDGE_EVENT__EVENT_STALE:
		*stale = e->stale->epoch;
		return true;
	default:
		return false;
	}
}

err_t cc_wire_edge_events(const void *data, size_t size, const struct cc_in *fn, struct err_detail *d)
{
	Trunkline__Edge__V1__EdgeEvents *m = unpack(&trunkline__edge__v1__edge_events__descriptor, data, size, d);
	err_t e = ERR_OK;

	if (!m)
		return ERR_INVALID;
	if (!text_ok(m->instance, CALL_NAME))
		e = bad(d, "instance", "an id is wanted");
	for (size_t i = 0; i < m->n_events && !e; i++) {
		const Trunkline__Edge__V1__EdgeEvent *ev = m->events[i];
		struct call_input in = { .leg_id = ev->leg_id, .edge = m->instance };
		uint64_t stale = 0;

		e = ids_ok(ev->tenant, ev->call_id, ev->leg_id, d);
		if (e)
			break;
		if (ev->event_case == TRUNKLINE__EDGE__V1__EDGE_EVENT__EVENT_OFFER)
			e = edge_offer(m->instance, ev, fn, d);
		else if (edge_input(ev, &in, &stale) && fn->input)
			fn->input(ev->tenant, ev->call_id, &in, stale, fn->arg);
	}
	pbcheck_view_done(m ? &m->base : NULL);
	return e;
}

/* ---- media -------------------------------------------------------------------------------------------------------- */

static bool media_input(const Trunkline__Media__V1__MediaEvent *e, struct call_input *in)
{
	switch (e->event_case) {
	case TRUNKLINE__MEDIA__V1__MEDIA_EVENT__EVENT_READY:
		in->kind = INPUT_MEDIA_READY;
		in->sdp = e->ready->sdp.data;
		in->sdp_size = e->ready->sdp.len;
		return true;
	case TRUNKLINE__MEDIA__V1__MEDIA_EVENT__EVENT_PLAY_DONE:
		in->kind = INPUT_PLAY_DONE;
		in->play_id = e->play_done->play_id;
		return true;
	case TRUNKLINE__MEDIA__V1__MEDIA_EVENT__EVENT_DIGIT:
		in->kind = INPUT_DIGIT;
		in->digit = e->digit->digit[0];
		return in->digit && strchr("0123456789*#ABCD", in->digit) && !e->digit->digit[1];
	case TRUNKLINE__MEDIA__V1__MEDIA_EVENT__EVENT_RECORD_DONE:
		in->kind = INPUT_RECORD_DONE;
		in->path = text_ok(e->record_done->path, CALL_VALUE) && !str_empty(e->record_done->path)
			       ? e->record_done->path
			       : NULL;
		in->duration_ms = e->record_done->duration_ms;
		return true;
	case TRUNKLINE__MEDIA__V1__MEDIA_EVENT__EVENT_FAILED:
		in->kind = INPUT_MEDIA_FAILED;
		in->what = e->failed->what;
		in->error = e->failed->error <= ERR_UNAUTHENTICATED ? (err_t)e->failed->error : ERR_UNKNOWN;
		return true;
	case TRUNKLINE__MEDIA__V1__MEDIA_EVENT__EVENT_FREED:
		in->kind = INPUT_MEDIA_FREED;
		return true;
	case TRUNKLINE__MEDIA__V1__MEDIA_EVENT__EVENT_TIMEOUT:
		in->kind = INPUT_MEDIA_TIMEOUT;
		return true;
	default:
		return false;
	}
}

err_t cc_wire_media_events(const void *data, size_t size, const struct cc_in *fn, struct err_detail *d)
{
	Trunkline__Media__V1__MediaEvents *m = unpack(&trunkline__media__v1__media_events__descriptor, data, size, d);
	err_t e = ERR_OK;

	if (!m)
		return ERR_INVALID;
	if (!text_ok(m->instance, CALL_NAME))
		e = bad(d, "instance", "an id is wanted");
	for (size_t i = 0; i < m->n_events && !e; i++) {
		const Trunkline__Media__V1__MediaEvent *ev = m->events[i];
		struct call_input in = { .leg_id = ev->leg_id, .request = ev->request, .media = m->instance };

		e = ids_ok(ev->tenant, ev->call_id, ev->leg_id, d);
		if (!e && media_input(ev, &in))
			fn->input(ev->tenant, ev->call_id, &in, 0, fn->arg);
	}
	pbcheck_view_done(m ? &m->base : NULL);
	return e;
}

/* "" is none, which is the shared one. */
static bool pool_ok(const char *pool, struct err_detail *d)
{
	return str_empty(pool) || str_is_id(pool) || !bad(d, "pool", "an id is wanted");
}

err_t cc_wire_heartbeat(const void *data, size_t size, struct cc_heartbeat *ret, struct err_detail *d)
{
	Trunkline__Media__V1__Heartbeat *m = unpack(&trunkline__media__v1__heartbeat__descriptor, data, size, d);
	err_t e = ERR_OK;

	if (!m)
		return ERR_INVALID;
	if (!str_is_id(m->instance) || !text_ok(m->service, CALL_NAME)) {
		e = bad(d, "instance", "an id is wanted");
	} else if (!pool_ok(m->pool, d)) {
		e = ERR_INVALID;
	} else {
		memset(ret, 0, sizeof(*ret));
		str_copy(ret->instance, sizeof(ret->instance), m->instance);
		str_copy(ret->service, sizeof(ret->service), m->service);
		ret->load = m->load;
		ret->capacity = m->capacity;
		ret->draining = m->draining;
		ret->incarnation = m->incarnation;
		str_copy(ret->pool, sizeof(ret->pool), placement_pool(m->pool));
	}
	pbcheck_view_done(m ? &m->base : NULL);
	return e;
}

/* ---- router ------------------------------------------------------------------------------------------------------- */

static err_t router_input(const Trunkline__Router__V1__RouterEvent *e, uint64_t epoch, struct call_input *in,
			  struct err_detail *d)
{
	in->router_epoch = epoch;
	switch (e->event_case) {
	case TRUNKLINE__ROUTER__V1__ROUTER_EVENT__EVENT_QUEUED:
		in->kind = INPUT_QUEUED;
		in->agents_signed_in = e->queued->agents_signed_in;
		in->queue_id = e->queued->queue_id;
		return ERR_OK;
	case TRUNKLINE__ROUTER__V1__ROUTER_EVENT__EVENT_REFUSED:
		in->kind = INPUT_REFUSED;
		in->error = e->refused->error <= ERR_UNAUTHENTICATED ? (err_t)e->refused->error : ERR_UNKNOWN;
		in->queue_id = e->refused->queue_id;
		return ERR_OK;
	case TRUNKLINE__ROUTER__V1__ROUTER_EVENT__EVENT_ASSIGNED:
		in->kind = INPUT_ASSIGNED;
		in->agent_id = e->assigned->agent_id;
		in->queue_id = e->assigned->queue_id;
		in->leg_id = e->assigned->leg_id;
		in->reserved_until_ms = e->assigned->reserved_until_ms;
		in->agent_record = e->assigned->agent_record.len ? e->assigned->agent_record.data : NULL;
		in->agent_record_size = e->assigned->agent_record.len;
		in->agent_revision = e->assigned->agent_revision;
		if (!str_is_id(in->agent_id))
			return bad(d, "assigned.agent_id", "an id is wanted");
		if (!id_valid(in->leg_id))
			return bad(d, "assigned.leg_id", "32 lower-case hex digits are wanted");
		return ERR_OK;
	default:
		return ERR_UNIMPLEMENTED;
	}
}

err_t cc_wire_router_events(const void *data, size_t size, const struct cc_in *fn, struct err_detail *d)
{
	Trunkline__Router__V1__RouterEvents *m =
	    unpack(&trunkline__router__v1__router_events__descriptor, data, size, d);
	err_t e = ERR_OK;

	if (!m)
		return ERR_INVALID;
	for (size_t i = 0; i < m->n_events && !e; i++) {
		struct call_input in = { 0 };

		e = ids_ok(m->events[i]->tenant, m->events[i]->call_id, "", d);
		if (e)
			break;
		e = router_input(m->events[i], m->epoch, &in, d);
		if (!e)
			fn->input(m->events[i]->tenant, m->events[i]->call_id, &in, 0, fn->arg);
		else if (e == ERR_UNIMPLEMENTED)
			e = ERR_OK; /* an event of a newer router */
	}
	pbcheck_view_done(m ? &m->base : NULL);
	return e;
}

err_t cc_wire_router_epoch(const void *data, size_t size, const struct cc_in *fn, struct err_detail *d)
{
	Trunkline__Router__V1__RouterEpoch *m = unpack(&trunkline__router__v1__router_epoch__descriptor, data, size, d);
	err_t e = ERR_OK;

	if (!m)
		return ERR_INVALID;
	if (pool_ok(m->pool, d))
		fn->router_epoch(placement_pool(m->pool), m->shard, m->epoch, fn->arg);
	else
		e = ERR_INVALID;
	pbcheck_view_done(m ? &m->base : NULL);
	return e;
}
