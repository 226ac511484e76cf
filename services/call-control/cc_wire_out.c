/* cc_wire_out: commands of call-control. Each piece is a whole message with one repeated entry: concatenated they merge. */
#include "cc_wire.h"

#include <string.h>
#include "trunkline/edge/v1/edge.pb-c.h"
#include "trunkline/media/v1/media.pb-c.h"
#include "trunkline/router/v1/router.pb-c.h"

#define BYTES(p, n)                            \
	{                                      \
		(n), (uint8_t *)(uintptr_t)(p) \
	}
#define TEXT(s) ((char *)(uintptr_t)((s) ? (s) : ""))

static void put(struct str *out, const ProtobufCMessage *m)
{
	size_t n = protobuf_c_message_get_packed_size(m);
	uint8_t small[1024];
	ProtobufCBufferSimple buf = PROTOBUF_C_BUFFER_SIMPLE_INIT(small);

	if (n <= sizeof(small)) {
		str_append_n(out, small, protobuf_c_message_pack(m, small));
		return;
	}
	protobuf_c_message_pack_to_buffer(m, &buf.base);
	str_append_n(out, buf.data, buf.len);
	PROTOBUF_C_BUFFER_SIMPLE_CLEAR(&buf);
}

void cc_wire_put_edge_owner(struct str *out, const char *owner)
{
	Trunkline__Edge__V1__EdgeCommands m = TRUNKLINE__EDGE__V1__EDGE_COMMANDS__INIT;

	m.owner = TEXT(owner);
	put(out, &m.base);
}

void cc_wire_put_media_owner(struct str *out, const char *owner)
{
	Trunkline__Media__V1__MediaCommands m = TRUNKLINE__MEDIA__V1__MEDIA_COMMANDS__INIT;

	m.owner = TEXT(owner);
	put(out, &m.base);
}

void cc_wire_put_router_owner(struct str *out, const char *owner)
{
	Trunkline__Router__V1__RouterRequests m = TRUNKLINE__ROUTER__V1__ROUTER_REQUESTS__INIT;

	m.owner = TEXT(owner);
	put(out, &m.base);
}

/* ---- sip-edge ---------------------------------------------------------------------------------------------------- */

static void put_edge(struct str *out, Trunkline__Edge__V1__EdgeCommand *c)
{
	Trunkline__Edge__V1__EdgeCommands m = TRUNKLINE__EDGE__V1__EDGE_COMMANDS__INIT;
	Trunkline__Edge__V1__EdgeCommand *list[] = { c };

	m.n_commands = 1;
	m.commands = list;
	put(out, &m.base);
}

static void put_dial(struct str *out, Trunkline__Edge__V1__EdgeCommand *m, const struct call *call,
		     const struct call_command *c)
{
	Trunkline__Edge__V1__LegDial d = TRUNKLINE__EDGE__V1__LEG_DIAL__INIT;

	d.to_case = TRUNKLINE__EDGE__V1__LEG_DIAL__TO_AGENT_ID;
	d.agent_id = TEXT(c->agent_id);
	d.caller = TEXT(call->caller);
	d.caller_name = TEXT(call->caller_name);
	d.called = TEXT(call->called);
	d.queue_id = TEXT(call->queue_id);
	d.timeout_ms = c->timeout_ms;
	d.sdp = (ProtobufCBinaryData)BYTES(c->sdp, c->sdp_size);
	m->command_case = TRUNKLINE__EDGE__V1__EDGE_COMMAND__COMMAND_DIAL;
	m->dial = &d;
	put_edge(out, m);
}

void cc_wire_put_edge(struct str *out, const struct call *call, const struct call_command *c)
{
	Trunkline__Edge__V1__EdgeCommand m = TRUNKLINE__EDGE__V1__EDGE_COMMAND__INIT;
	Trunkline__Edge__V1__LegProgress progress = TRUNKLINE__EDGE__V1__LEG_PROGRESS__INIT;
	Trunkline__Edge__V1__LegAnswer answer = TRUNKLINE__EDGE__V1__LEG_ANSWER__INIT;
	Trunkline__Edge__V1__LegReject reject = TRUNKLINE__EDGE__V1__LEG_REJECT__INIT;
	Trunkline__Edge__V1__LegHangUp hang_up = TRUNKLINE__EDGE__V1__LEG_HANG_UP__INIT;
	Trunkline__Edge__V1__LegReinvite reinvite = TRUNKLINE__EDGE__V1__LEG_REINVITE__INIT;
	Trunkline__Edge__V1__LegReanswer reanswer = TRUNKLINE__EDGE__V1__LEG_REANSWER__INIT;
	Trunkline__Edge__V1__LegAttach attach = TRUNKLINE__EDGE__V1__LEG_ATTACH__INIT;
	Trunkline__Edge__V1__LegProbe probe = TRUNKLINE__EDGE__V1__LEG_PROBE__INIT;
	ProtobufCBinaryData sdp = BYTES(c->sdp, c->sdp_size);

	m.tenant = TEXT(call->tenant);
	m.call_id = TEXT(call->id);
	m.leg_id = TEXT(c->leg->id);
	m.epoch = call->epoch;
	switch (c->kind) {
	case COMMAND_PROGRESS:
		progress.sdp = sdp;
		m.command_case = TRUNKLINE__EDGE__V1__EDGE_COMMAND__COMMAND_PROGRESS;
		m.progress = &progress;
		break;
	case COMMAND_ANSWER:
		answer.sdp = sdp;
		m.command_case = TRUNKLINE__EDGE__V1__EDGE_COMMAND__COMMAND_ANSWER;
		m.answer = &answer;
		break;
	case COMMAND_REJECT:
		reject.status = c->status;
		reject.reason = TEXT(c->text);
		reject.retry_after_s = c->retry_after_s;
		m.command_case = TRUNKLINE__EDGE__V1__EDGE_COMMAND__COMMAND_REJECT;
		m.reject = &reject;
		break;
	case COMMAND_HANG_UP:
		hang_up.status = c->status;
		hang_up.reason = TEXT(c->text);
		hang_up.agent_id = TEXT(c->leg == &call->agent_leg ? call->agent_id : NULL);
		m.command_case = TRUNKLINE__EDGE__V1__EDGE_COMMAND__COMMAND_HANG_UP;
		m.hang_up = &hang_up;
		break;
	case COMMAND_REINVITE:
		reinvite.sdp = sdp;
		m.command_case = TRUNKLINE__EDGE__V1__EDGE_COMMAND__COMMAND_REINVITE;
		m.reinvite = &reinvite;
		break;
	case COMMAND_REANSWER:
		reanswer.request = c->request;
		reanswer.sdp = sdp;
		m.command_case = TRUNKLINE__EDGE__V1__EDGE_COMMAND__COMMAND_REANSWER;
		m.reanswer = &reanswer;
		break;
	case COMMAND_ATTACH:
		m.command_case = TRUNKLINE__EDGE__V1__EDGE_COMMAND__COMMAND_ATTACH;
		attach.invite = (ProtobufCBinaryData)BYTES(c->leg->invite, c->leg->invite_size);
		m.attach = &attach;
		break;
	case COMMAND_PROBE:
		m.command_case = TRUNKLINE__EDGE__V1__EDGE_COMMAND__COMMAND_PROBE;
		m.probe = &probe;
		break;
	case COMMAND_DIAL:
		put_dial(out, &m, call, c);
		return;
	default:
		return;
	}
	put_edge(out, &m);
}

void cc_wire_put_reject(struct str *out, const struct cc_offer *offer, uint32_t status, const char *reason)
{
	Trunkline__Edge__V1__EdgeCommand m = TRUNKLINE__EDGE__V1__EDGE_COMMAND__INIT;
	Trunkline__Edge__V1__LegReject reject = TRUNKLINE__EDGE__V1__LEG_REJECT__INIT;

	m.tenant = TEXT(offer->tenant);
	m.call_id = TEXT(offer->call_id);
	m.leg_id = TEXT(offer->leg_id);
	m.epoch = 1;
	reject.status = status;
	reject.reason = TEXT(reason);
	m.command_case = TRUNKLINE__EDGE__V1__EDGE_COMMAND__COMMAND_REJECT;
	m.reject = &reject;
	put_edge(out, &m);
}

/* ---- media -------------------------------------------------------------------------------------------------------- */

static void put_media(struct str *out, Trunkline__Media__V1__MediaCommand *c)
{
	Trunkline__Media__V1__MediaCommands m = TRUNKLINE__MEDIA__V1__MEDIA_COMMANDS__INIT;
	Trunkline__Media__V1__MediaCommand *list[] = { c };

	m.n_commands = 1;
	m.commands = list;
	put(out, &m.base);
}

#define PROMPTS_MAX 64

static void put_play(struct str *out, Trunkline__Media__V1__MediaCommand *m, const struct call_command *c)
{
	Trunkline__Media__V1__Play p = TRUNKLINE__MEDIA__V1__PLAY__INIT;
	char *sha256[PROMPTS_MAX];

	for (size_t i = 0; i < c->n_prompts && i < PROMPTS_MAX; i++)
		sha256[p.n_sha256++] = TEXT(c->prompts[i]->sha256);
	p.sha256 = sha256;
	if (!c->n_prompts)
		p.tone = TRUNKLINE__MEDIA__V1__TONE__TONE_RING_BACK;
	p.loop = c->loop;
	p.stop_on_digit = c->stop_on_digit;
	p.play_id = c->play_id;
	m->command_case = TRUNKLINE__MEDIA__V1__MEDIA_COMMAND__COMMAND_PLAY;
	m->play = &p;
	put_media(out, m);
}

void cc_wire_put_media(struct str *out, const struct call *call, const struct call_command *c)
{
	Trunkline__Media__V1__MediaCommand m = TRUNKLINE__MEDIA__V1__MEDIA_COMMAND__INIT;
	Trunkline__Media__V1__EndpointCreate create = TRUNKLINE__MEDIA__V1__ENDPOINT_CREATE__INIT;
	Trunkline__Media__V1__EndpointRemote remote = TRUNKLINE__MEDIA__V1__ENDPOINT_REMOTE__INIT;
	Trunkline__Media__V1__EndpointFree free_endpoint = TRUNKLINE__MEDIA__V1__ENDPOINT_FREE__INIT;
	Trunkline__Media__V1__StopPlay stop_play = TRUNKLINE__MEDIA__V1__STOP_PLAY__INIT;
	Trunkline__Media__V1__Bridge bridge = TRUNKLINE__MEDIA__V1__BRIDGE__INIT;
	Trunkline__Media__V1__Unbridge unbridge = TRUNKLINE__MEDIA__V1__UNBRIDGE__INIT;
	Trunkline__Media__V1__Record record = TRUNKLINE__MEDIA__V1__RECORD__INIT;
	Trunkline__Media__V1__CallFree call_free_msg = TRUNKLINE__MEDIA__V1__CALL_FREE__INIT;
	Trunkline__Media__V1__EndpointAttach attach = TRUNKLINE__MEDIA__V1__ENDPOINT_ATTACH__INIT;

	m.tenant = TEXT(call->tenant);
	m.call_id = TEXT(call->id);
	m.leg_id = TEXT(c->leg ? c->leg->id : "");
	m.epoch = call->epoch;
	m.request = c->request;
	m.quiet = c->request == REQUEST_ANSWER; /* only that it is none matters (call.c, media_failed()) */
	switch (c->kind) {
	case COMMAND_ENDPOINT:
		create.remote_sdp = (ProtobufCBinaryData)BYTES(c->sdp, c->sdp_size);
		create.reanchor = c->offer;
		m.command_case = TRUNKLINE__MEDIA__V1__MEDIA_COMMAND__COMMAND_CREATE;
		m.create = &create;
		break;
	case COMMAND_REMOTE:
		remote.sdp = (ProtobufCBinaryData)BYTES(c->sdp, c->sdp_size);
		remote.is_offer = c->offer;
		m.command_case = TRUNKLINE__MEDIA__V1__MEDIA_COMMAND__COMMAND_REMOTE;
		m.remote = &remote;
		break;
	case COMMAND_FREE_ENDPOINT:
		m.command_case = TRUNKLINE__MEDIA__V1__MEDIA_COMMAND__COMMAND_FREE;
		m.free = &free_endpoint;
		break;
	case COMMAND_STOP_PLAY:
		m.command_case = TRUNKLINE__MEDIA__V1__MEDIA_COMMAND__COMMAND_STOP_PLAY;
		m.stop_play = &stop_play;
		break;
	case COMMAND_BRIDGE:
		bridge.other_leg_id = TEXT(call->agent_leg.id);
		m.command_case = TRUNKLINE__MEDIA__V1__MEDIA_COMMAND__COMMAND_BRIDGE;
		m.bridge = &bridge;
		break;
	case COMMAND_UNBRIDGE:
		m.command_case = TRUNKLINE__MEDIA__V1__MEDIA_COMMAND__COMMAND_UNBRIDGE;
		m.unbridge = &unbridge;
		break;
	case COMMAND_RECORD:
		record.on = c->on;
		record.recording_id = TEXT(call->recording_id);
		m.command_case = TRUNKLINE__MEDIA__V1__MEDIA_COMMAND__COMMAND_RECORD;
		m.record = &record;
		break;
	case COMMAND_FREE_CALL:
		m.command_case = TRUNKLINE__MEDIA__V1__MEDIA_COMMAND__COMMAND_CALL_FREE;
		m.call_free = &call_free_msg;
		break;
	case COMMAND_ATTACH_ENDPOINT:
		m.command_case = TRUNKLINE__MEDIA__V1__MEDIA_COMMAND__COMMAND_ATTACH;
		m.attach = &attach;
		break;
	case COMMAND_PLAY:
		put_play(out, &m, c);
		return;
	default:
		return;
	}
	put_media(out, &m);
}

void cc_wire_put_heartbeat(struct str *out, const struct cc_heartbeat *hb)
{
	Trunkline__Media__V1__Heartbeat m = TRUNKLINE__MEDIA__V1__HEARTBEAT__INIT;

	m.instance = TEXT(hb->instance);
	m.service = TEXT(hb->service);
	m.load = hb->load;
	m.capacity = hb->capacity;
	m.draining = hb->draining;
	m.incarnation = hb->incarnation;
	m.pool = TEXT(hb->pool);
	put(out, &m.base);
}

void cc_wire_put_call_free(struct str *out, const char *tenant, const char *call_id)
{
	Trunkline__Media__V1__MediaCommand m = TRUNKLINE__MEDIA__V1__MEDIA_COMMAND__INIT;
	Trunkline__Media__V1__CallFree call_free_msg = TRUNKLINE__MEDIA__V1__CALL_FREE__INIT;

	m.tenant = TEXT(tenant);
	m.call_id = TEXT(call_id);
	m.leg_id = (char *)protobuf_c_empty_string;
	m.epoch = UINT64_MAX; /* of a call that is no more nobody has a higher one */
	m.command_case = TRUNKLINE__MEDIA__V1__MEDIA_COMMAND__COMMAND_CALL_FREE;
	m.call_free = &call_free_msg;
	put_media(out, &m);
}

/* ---- router ------------------------------------------------------------------------------------------------------- */

static void put_router(struct str *out, Trunkline__Router__V1__RouterRequest *r)
{
	Trunkline__Router__V1__RouterRequests m = TRUNKLINE__ROUTER__V1__ROUTER_REQUESTS__INIT;
	Trunkline__Router__V1__RouterRequest *list[] = { r };

	m.n_requests = 1;
	m.requests = list;
	put(out, &m.base);
}

static void put_enqueue(struct str *out, Trunkline__Router__V1__RouterRequest *m, const struct call *call,
			const char *site)
{
	Trunkline__Router__V1__Enqueue e = TRUNKLINE__ROUTER__V1__ENQUEUE__INIT;
	char *tried[CALL_TRIED_MAX];

	e.queue_id = TEXT(call->queue_id);
	e.arrival_ms = call->arrival_ms;
	e.priority = call->priority;
	e.site = TEXT(site);
	e.agent_id = TEXT(call->wanted_agent);
	for (int i = 0; i < call->n_tried; i++)
		tried[e.n_tried_agents++] = TEXT(call->tried[i]);
	e.tried_agents = tried;
	m->request_case = TRUNKLINE__ROUTER__V1__ROUTER_REQUEST__REQUEST_ENQUEUE;
	m->enqueue = &e;
	put_router(out, m);
}

void cc_wire_put_router(struct str *out, const struct call *call, const struct call_command *c, const char *site)
{
	Trunkline__Router__V1__RouterRequest m = TRUNKLINE__ROUTER__V1__ROUTER_REQUEST__INIT;
	Trunkline__Router__V1__Dequeue dequeue = TRUNKLINE__ROUTER__V1__DEQUEUE__INIT;
	Trunkline__Router__V1__AssignmentResult result = TRUNKLINE__ROUTER__V1__ASSIGNMENT_RESULT__INIT;

	m.tenant = TEXT(call->tenant);
	m.call_id = TEXT(call->id);
	m.call_epoch = call->epoch;
	switch (c->kind) {
	case COMMAND_DEQUEUE:
		dequeue.cause = TEXT(c->text);
		m.request_case = TRUNKLINE__ROUTER__V1__ROUTER_REQUEST__REQUEST_DEQUEUE;
		m.dequeue = &dequeue;
		break;
	case COMMAND_RESULT:
		result.agent_id = TEXT(c->agent_id);
		result.leg_id = TEXT(c->leg_id);
		result.router_epoch = c->router_epoch;
		result.outcome = c->accepted ? TRUNKLINE__ROUTER__V1__OUTCOME__OUTCOME_ACCEPTED
					     : TRUNKLINE__ROUTER__V1__OUTCOME__OUTCOME_CALL_GONE;
		m.request_case = TRUNKLINE__ROUTER__V1__ROUTER_REQUEST__REQUEST_RESULT;
		m.result = &result;
		break;
	case COMMAND_ENQUEUE:
		put_enqueue(out, &m, call, site);
		return;
	default:
		return;
	}
	put_router(out, &m);
}

void cc_wire_put_assert_end(struct str *out, uint32_t shard, uint64_t epoch)
{
	Trunkline__Router__V1__RouterRequest m = TRUNKLINE__ROUTER__V1__ROUTER_REQUEST__INIT;
	Trunkline__Router__V1__AssertEnd end = TRUNKLINE__ROUTER__V1__ASSERT_END__INIT;

	end.router_epoch = epoch;
	end.shard = shard;
	m.request_case = TRUNKLINE__ROUTER__V1__ROUTER_REQUEST__REQUEST_ASSERT_END;
	m.assert_end = &end;
	put_router(out, &m);
}

void cc_wire_put_call_gone(struct str *out, const char *tenant, const char *call_id, const struct call_input *assigned)
{
	Trunkline__Router__V1__RouterRequest m = TRUNKLINE__ROUTER__V1__ROUTER_REQUEST__INIT;
	Trunkline__Router__V1__AssignmentResult result = TRUNKLINE__ROUTER__V1__ASSIGNMENT_RESULT__INIT;

	m.tenant = TEXT(tenant);
	m.call_id = TEXT(call_id); /* epoch 0: we know nothing of the call */
	result.agent_id = TEXT(assigned->agent_id);
	result.leg_id = TEXT(assigned->leg_id);
	result.router_epoch = assigned->router_epoch;
	result.outcome = TRUNKLINE__ROUTER__V1__OUTCOME__OUTCOME_CALL_GONE;
	m.request_case = TRUNKLINE__ROUTER__V1__ROUTER_REQUEST__REQUEST_RESULT;
	m.result = &result;
	put_router(out, &m);
}
