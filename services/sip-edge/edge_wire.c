#include "edge_wire.h"
#include "base/id.h"
#include "base/mem.h"
#include "sip/sip_user.h"
#include "trunkline/edge/v1/edge.pb-c.h"
#include "trunkline/media/v1/media.pb-c.h"

#include <string.h>
#include <strings.h>

#define OWNER_MAX   63
#define URI_MAX	    512
#define TEXT_MAX    256
#define RING_MAX_MS 600000

typedef Trunkline__Edge__V1__EdgeCommand PbCommand;
typedef Trunkline__Edge__V1__EdgeCommands PbCommands;

/* ---- checks ---- */

/* Visible text without line ends, NUL cannot be told from the end by protobuf-c: what follows it is lost, not obeyed. */
static err_t text(const char *s, size_t max, const char *field, struct err_detail *d)
{
	return sip_header_value_ok(s, max)
		   ? ERR_OK
		   : err_set(d, ERR_INVALID, field, "must be UTF-8 without control characters, at most %zu bytes", max);
}

static err_t id(const char *s, bool may_be_empty, const char *field, struct err_detail *d)
{
	if ((may_be_empty && !s[0]) || str_is_id(s))
		return ERR_OK;
	return err_set(d, ERR_INVALID, field, "'%.64s' is not an id ([a-z0-9][a-z0-9-]{0,62})", s);
}

static err_t sdp(ProtobufCBinaryData b, const char *field, struct err_detail *d)
{
	if (b.len > EDGE_SDP_MAX || (b.len && memchr(b.data, 0, b.len)))
		return err_set(d, ERR_INVALID, field, "must be SDP text of at most %d bytes", EDGE_SDP_MAX);
	return ERR_OK;
}

static struct edge_bytes bytes(ProtobufCBinaryData b)
{
	return (struct edge_bytes){ b.data, b.len };
}

static ProtobufCBinaryData pb_bytes(struct edge_bytes b)
{
	return (ProtobufCBinaryData){ .data = (uint8_t *)b.data, .len = b.size };
}

/* ---- commands ---- */

static err_t status(unsigned s, bool may_be_zero, struct err_detail *d)
{
	if ((s >= 400 && s <= 699) || (may_be_zero && s == 0))
		return ERR_OK;
	return err_set(d, ERR_INVALID, "status", "%u: must be 400…699", s);
}

static err_t dial_headers(const Trunkline__Edge__V1__LegDial *m, struct edge_command *c, struct err_detail *d)
{
	if (m->n_headers > EDGE_HEADERS_MAX)
		return err_set(d, ERR_INVALID, "dial.headers", "at most %d", EDGE_HEADERS_MAX);
	for (size_t i = 0; i < m->n_headers; i++) {
		struct edge_header h = { m->headers[i]->name, m->headers[i]->value };

		if (!sip_header_name_ok(h.name) || strncasecmp(h.name, "X-", 2) != 0)
			return err_set(d, ERR_INVALID, "dial.headers.name", "must be X-… of letters, digits and '-'");
		if (!sip_header_value_ok(h.value, TEXT_MAX))
			return err_set(d, ERR_INVALID, "dial.headers.value",
				       "must be UTF-8 without control characters");
		c->dial.headers[c->dial.n_headers++] = h;
	}
	return ERR_OK;
}

static err_t dial_target(const Trunkline__Edge__V1__LegDial *m, struct edge_command *c, struct err_detail *d)
{
	c->dial.agent_id = c->dial.uri = "";
	if (m->to_case == TRUNKLINE__EDGE__V1__LEG_DIAL__TO_AGENT_ID) {
		c->dial.agent_id = m->agent_id;
		return id(m->agent_id, false, "dial.agent_id", d);
	}
	if (m->to_case == TRUNKLINE__EDGE__V1__LEG_DIAL__TO_URI) {
		c->dial.uri = m->uri;
		if (!m->trunk_id[0])
			return err_set(d, ERR_INVALID, "dial.trunk_id", "is needed with a uri");
		return text(m->uri, URI_MAX, "dial.uri", d);
	}
	return err_set(d, ERR_INVALID, "dial.to", "agent_id or uri is needed");
}

static err_t dial(const Trunkline__Edge__V1__LegDial *m, struct edge_command *c, struct err_detail *d)
{
	err_t e = dial_target(m, c, d);

	if (!e)
		e = id(m->trunk_id, true, "dial.trunk_id", d);
	if (!e)
		e = text(m->caller, SIP_USER_MAX - 1, "dial.caller", d);
	if (!e)
		e = text(m->caller_name, SIP_NAME_MAX - 1, "dial.caller_name", d);
	if (!e)
		e = text(m->called, SIP_USER_MAX - 1, "dial.called", d);
	if (!e)
		e = id(m->queue_id, true, "dial.queue_id", d);
	if (!e)
		e = sdp(m->sdp, "dial.sdp", d);
	if (!e && (m->timeout_ms < 0 || m->timeout_ms > RING_MAX_MS))
		e = err_set(d, ERR_INVALID, "dial.timeout_ms", "must be 0…%d", RING_MAX_MS);
	if (!e)
		e = dial_headers(m, c, d);
	c->dial.trunk_id = m->trunk_id;
	c->dial.caller = m->caller;
	c->dial.caller_name = m->caller_name;
	c->dial.called = m->called;
	c->dial.queue_id = m->queue_id;
	c->dial.timeout_ms = m->timeout_ms;
	c->sdp = bytes(m->sdp);
	return e;
}

static err_t with_sdp(ProtobufCBinaryData b, bool may_be_empty, struct edge_command *c, struct err_detail *d)
{
	c->sdp = bytes(b);
	if (!b.len && !may_be_empty)
		return err_set(d, ERR_INVALID, "sdp", "is needed");
	return sdp(b, "sdp", d);
}

static err_t body(const PbCommand *m, struct edge_command *c, struct err_detail *d)
{
	err_t e;

	switch (m->command_case) {
	case TRUNKLINE__EDGE__V1__EDGE_COMMAND__COMMAND_PROGRESS:
		return with_sdp(m->progress->sdp, true, c, d);
	case TRUNKLINE__EDGE__V1__EDGE_COMMAND__COMMAND_ANSWER:
		return with_sdp(m->answer->sdp, false, c, d);
	case TRUNKLINE__EDGE__V1__EDGE_COMMAND__COMMAND_REJECT:
		c->status = m->reject->status;
		c->reason = m->reject->reason;
		c->retry_after_s = m->reject->retry_after_s;
		e = status(c->status, false, d);
		return e ? e : text(c->reason, TEXT_MAX, "reason", d);
	case TRUNKLINE__EDGE__V1__EDGE_COMMAND__COMMAND_HANG_UP:
		c->status = m->hang_up->status;
		c->reason = m->hang_up->reason;
		c->agent_id = m->hang_up->agent_id;
		e = status(c->status, true, d);
		if (!e)
			e = id(c->agent_id, true, "agent_id", d);
		return e ? e : text(c->reason, TEXT_MAX, "reason", d);
	case TRUNKLINE__EDGE__V1__EDGE_COMMAND__COMMAND_DIAL:
		return dial(m->dial, c, d);
	case TRUNKLINE__EDGE__V1__EDGE_COMMAND__COMMAND_REINVITE:
		return with_sdp(m->reinvite->sdp, false, c, d);
	case TRUNKLINE__EDGE__V1__EDGE_COMMAND__COMMAND_REANSWER:
		c->request = m->reanswer->request;
		return with_sdp(m->reanswer->sdp, true, c, d);
	case TRUNKLINE__EDGE__V1__EDGE_COMMAND__COMMAND_ATTACH:
		c->invite = bytes(m->attach->invite);
		if (c->invite.size > EDGE_INVITE_MAX)
			return err_set(d, ERR_INVALID, "attach.invite", "must be at most %d bytes", EDGE_INVITE_MAX);
		return ERR_OK;
	case TRUNKLINE__EDGE__V1__EDGE_COMMAND__COMMAND_PROBE:
		return ERR_OK;
	default:
		return err_set(d, ERR_INVALID, "command", "unknown or missing");
	}
}

static err_t command(const PbCommand *m, struct edge_command *c, struct err_detail *d)
{
	err_t e;

	memset(c, 0, sizeof(*c));
	c->tenant = m->tenant;
	c->call_id = m->call_id;
	c->leg_id = m->leg_id;
	c->epoch = m->epoch;
	c->kind = (enum edge_command_kind)m->command_case;
	e = id(m->tenant, false, "tenant", d);
	if (!e)
		e = id(m->call_id, false, "call_id", d);
	if (!e)
		e = id(m->leg_id, false, "leg_id", d);
	if (!e && c->epoch == 0)
		e = err_set(d, ERR_INVALID, "epoch", "must be ≥ 1");
	return e ? e : body(m, c, d);
}

void edge_wire_commands(const void *data, size_t size, edge_command_fn *fn, edge_bad_fn *bad, void *arg)
{
	PbCommands *m = trunkline__edge__v1__edge_commands__unpack(NULL, size, data);
	struct edge_command c;
	struct err_detail d;

	if (!m || !str_is_id(m->owner) || strlen(m->owner) > OWNER_MAX) {
		(void)err_set(&d, ERR_INVALID, m ? "owner" : "message", m ? "is not an id" : "is not EdgeCommands");
		bad(&d, arg);
	} else {
		for (size_t i = 0; i < m->n_commands; i++) {
			if (command(m->commands[i], &c, &d))
				bad(&d, arg);
			else
				fn(&c, m->owner, arg);
		}
	}
	if (m)
		trunkline__edge__v1__edge_commands__free_unpacked(m, NULL);
}

/* ---- events: appended to the batch as field 2, so that nothing is copied twice ---- */

static void append_varint(struct str *out, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		str_append_c(out, (char)(v | 0x80));
	str_append_c(out, (char)v);
}

static void append_message(struct str *out, const ProtobufCMessage *m)
{
	size_t n = protobuf_c_message_get_packed_size(m);
	uint8_t small[4096], *buf = n <= sizeof(small) ? small : mem_alloc(n);

	if (!buf) {
		out->failed = true;
		return;
	}
	protobuf_c_message_pack(m, buf);
	append_varint(out, n);
	str_append_n(out, buf, n);
	if (buf != small)
		mem_free(buf);
}

void edge_wire_events_begin(struct str *out, const char *instance)
{
	size_t n = strlen(instance);

	str_append_c(out, 1 << 3 | 2);
	append_varint(out, n);
	str_append_n(out, instance, n);
}

static char *or_empty(const char *s)
{
	return (char *)(s ? s : "");
}

static void add_offer(struct str *out, Trunkline__Edge__V1__EdgeEvent m, const struct edge_event *ev)
{
	Trunkline__Edge__V1__LegOffer o = TRUNKLINE__EDGE__V1__LEG_OFFER__INIT;

	o.caller = or_empty(ev->caller);
	o.caller_name = or_empty(ev->caller_name);
	o.called = or_empty(ev->called);
	o.trunk_id = or_empty(ev->trunk_id);
	o.agent_id = or_empty(ev->agent_id);
	o.sip_call_id = or_empty(ev->sip_call_id);
	o.sdp = pb_bytes(ev->sdp);
	o.invite = pb_bytes(ev->invite);
	m.event_case = TRUNKLINE__EDGE__V1__EDGE_EVENT__EVENT_OFFER;
	m.offer = &o;
	append_message(out, &m.base);
}

static void add_state(struct str *out, Trunkline__Edge__V1__EdgeEvent m, const struct edge_event *ev)
{
	Trunkline__Edge__V1__LegState s = TRUNKLINE__EDGE__V1__LEG_STATE__INIT;

	s.outbound = ev->outbound;
	s.answered = ev->answered;
	s.ringing = ev->ringing;
	s.remote_sdp = pb_bytes(ev->sdp);
	m.event_case = TRUNKLINE__EDGE__V1__EDGE_EVENT__EVENT_STATE;
	m.state = &s;
	append_message(out, &m.base);
}

static void add_ended(struct str *out, Trunkline__Edge__V1__EdgeEvent m, const struct edge_event *ev)
{
	Trunkline__Edge__V1__LegEnded x = TRUNKLINE__EDGE__V1__LEG_ENDED__INIT;

	x.status = ev->status;
	x.cause = or_empty(ev->cause);
	x.by_us = ev->by_us;
	m.event_case = TRUNKLINE__EDGE__V1__EDGE_EVENT__EVENT_ENDED;
	m.ended = &x;
	append_message(out, &m.base);
}

static void add_small(struct str *out, Trunkline__Edge__V1__EdgeEvent m, const struct edge_event *ev)
{
	Trunkline__Edge__V1__LegRinging ringing = TRUNKLINE__EDGE__V1__LEG_RINGING__INIT;
	Trunkline__Edge__V1__LegAnswered answered = TRUNKLINE__EDGE__V1__LEG_ANSWERED__INIT;
	Trunkline__Edge__V1__LegReoffer reoffer = TRUNKLINE__EDGE__V1__LEG_REOFFER__INIT;
	Trunkline__Edge__V1__LegStale stale = TRUNKLINE__EDGE__V1__LEG_STALE__INIT;

	m.event_case = (Trunkline__Edge__V1__EdgeEvent__EventCase)ev->kind;
	ringing.status = ev->status;
	ringing.sdp = answered.sdp = reoffer.sdp = pb_bytes(ev->sdp);
	answered.reinvite = ev->reinvite;
	reoffer.request = ev->request;
	stale.epoch = ev->epoch;
	if (ev->kind == EDGE_EV_RINGING)
		m.ringing = &ringing;
	else if (ev->kind == EDGE_EV_ANSWERED)
		m.answered = &answered;
	else if (ev->kind == EDGE_EV_REOFFER)
		m.reoffer = &reoffer;
	else
		m.stale = &stale;
	append_message(out, &m.base);
}

void edge_wire_events_add(struct str *out, const struct edge_event *ev)
{
	Trunkline__Edge__V1__EdgeEvent m = TRUNKLINE__EDGE__V1__EDGE_EVENT__INIT;

	m.tenant = or_empty(ev->tenant);
	m.call_id = or_empty(ev->call_id);
	m.leg_id = or_empty(ev->leg_id);
	m.time_ms = ev->time_ms;
	str_append_c(out, 2 << 3 | 2);
	if (ev->kind == EDGE_EV_OFFER)
		add_offer(out, m, ev);
	else if (ev->kind == EDGE_EV_STATE)
		add_state(out, m, ev);
	else if (ev->kind == EDGE_EV_ENDED)
		add_ended(out, m, ev);
	else
		add_small(out, m, ev);
}

err_t edge_wire_beat(const void *data, size_t size, edge_beat_fn *fn, void *arg, struct err_detail *d)
{
	Trunkline__Media__V1__Heartbeat *m = trunkline__media__v1__heartbeat__unpack(NULL, size, data);
	err_t e = ERR_OK;

	if (!m)
		return err_set(d, ERR_INVALID, "message", "is not a Heartbeat");
	if (!str_is_id(m->instance) || strlen(m->instance) >= CONTROLLER_NAME)
		e = err_set(d, ERR_INVALID, "instance", "is not an id");
	else if (!str_empty(m->pool) && !str_is_id(m->pool))
		e = err_set(d, ERR_INVALID, "pool", "is not an id");
	else
		fn(&(struct controller_beat){ m->instance, m->pool, m->incarnation, m->draining }, arg);
	trunkline__media__v1__heartbeat__free_unpacked(m, NULL);
	return e;
}

void edge_wire_heartbeat(struct str *out, const char *instance, unsigned legs, unsigned capacity, bool draining,
			 uint64_t incarnation)
{
	Trunkline__Media__V1__Heartbeat m = TRUNKLINE__MEDIA__V1__HEARTBEAT__INIT;
	uint8_t bytes[256];

	m.instance = or_empty(instance);
	m.service = or_empty("sip-edge");
	m.load = legs;
	m.capacity = capacity;
	m.draining = draining;
	m.incarnation = incarnation;
	if (protobuf_c_message_get_packed_size(&m.base) <= sizeof(bytes))
		str_append_n(out, bytes, protobuf_c_message_pack(&m.base, bytes));
}
