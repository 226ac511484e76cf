#include "desk_wire.h"

#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "trunkline/desk/v1/agent_service.pb-c.h"

#define D(x)	trunkline__desk__v1__##x
#define DESC(x) (&trunkline__desk__v1__##x##__descriptor)

typedef Trunkline__Desk__V1__AgentStatus status_t;
typedef Trunkline__Desk__V1__StreamEventsResponse event_t;

_Static_assert((int)AGENT_WRAP_UP == (int)TRUNKLINE__AGENT__V1__AGENT_STATE__AGENT_STATE_WRAP_UP,
	       "states are those of the wire");

const ProtobufCServiceDescriptor *desk_wire_service(void)
{
	return &trunkline__desk__v1__agent_service__descriptor;
}

/* ---- requests ---- */
static err_t check_id(const char *id, const char *field, struct err_detail *detail)
{
	if (!*id || str_is_id(id))
		return ERR_OK;
	return err_set(detail, ERR_INVALID, field, "must be an id: a-z, 0-9 and '-', at most 63 characters");
}

static err_t set_busy(struct desk_command *ret, const Trunkline__Desk__V1__SetBusyRequest *r, struct err_detail *detail)
{
	ret->agent_id = r->agent_id;
	ret->reason = *r->reason ? r->reason : "busy";
	if (!str_is_id(ret->reason))
		return err_set(detail, ERR_INVALID, "reason",
			       "must be a word like \"break\": a-z, 0-9 and '-', at most 63 characters");
	return ERR_OK;
}

/* All commands but SetBusy have only agent_id, as field 1. */
err_t desk_wire_command_from_pb(struct desk_command *ret, const ProtobufCMessage *req, struct err_detail *detail)
{
	err_t e = ERR_OK;

	*ret = (struct desk_command){ .agent_id = "", .reason = "" };
	if (req->descriptor == DESC(set_busy_request))
		e = set_busy(ret, (const void *)req, detail);
	else if (req->descriptor == DESC(sign_in_request))
		ret->agent_id = ((const Trunkline__Desk__V1__SignInRequest *)(const void *)req)->agent_id;
	else if (req->descriptor == DESC(sign_out_request))
		ret->agent_id = ((const Trunkline__Desk__V1__SignOutRequest *)(const void *)req)->agent_id;
	else if (req->descriptor == DESC(set_ready_request))
		ret->agent_id = ((const Trunkline__Desk__V1__SetReadyRequest *)(const void *)req)->agent_id;
	else if (req->descriptor == DESC(finish_wrap_up_request))
		ret->agent_id = ((const Trunkline__Desk__V1__FinishWrapUpRequest *)(const void *)req)->agent_id;
	else if (req->descriptor == DESC(get_state_request))
		ret->agent_id = ((const Trunkline__Desk__V1__GetStateRequest *)(const void *)req)->agent_id;
	else
		e = err_set(detail, ERR_INTERNAL, "", "%s is no command", req->descriptor->name);
	return e ? e : check_id(ret->agent_id, "agent_id", detail);
}

bool desk_wire_all_agents(const ProtobufCMessage *req)
{
	return ((const Trunkline__Desk__V1__StreamEventsRequest *)(const void *)req)->all_agents;
}

err_t desk_wire_page_from_pb(struct desk_page *ret, const ProtobufCMessage *req, struct err_detail *detail)
{
	const Trunkline__Desk__V1__ListAgentsRequest *r = (const void *)req;

	if (r->page_size < 0 || r->page_size > 1000)
		return err_set(detail, ERR_INVALID, "page_size", "must be 0 to 1000");
	if (*r->page_token && !str_is_id(r->page_token))
		return err_set(detail, ERR_INVALID, "page_token", "must be a next_page_token of an answer before");
	ret->size = r->page_size ? (unsigned)r->page_size : 100;
	ret->after = r->page_token;
	return ERR_OK;
}

static err_t facts_domain(struct desk_facts_filter *f, const char *domain, struct err_detail *detail)
{
	if (strcmp(domain, "call") == 0)
		f->call = true;
	else if (strcmp(domain, "agent") == 0)
		f->agent = true;
	else if (strcmp(domain, "recording") == 0)
		f->recording = true;
	else
		return err_set(detail, ERR_INVALID, "domains", "must be call, agent or recording");
	return ERR_OK;
}

err_t desk_wire_facts_from_pb(struct desk_facts_filter *ret, const ProtobufCMessage *req, struct err_detail *detail)
{
	const Trunkline__Desk__V1__WatchFactsRequest *r = (const void *)req;
	struct desk_facts_filter f = { 0 };
	err_t e = check_id(r->call_id, "call_id", detail);

	if (!e)
		e = check_id(r->agent_id, "agent_id", detail);
	if (!e)
		e = check_id(r->queue_id, "queue_id", detail);
	for (size_t i = 0; !e && i < r->n_domains; i++)
		e = facts_domain(&f, r->domains[i], detail);
	if (e)
		return e;
	if (!r->n_domains)
		f.call = f.agent = f.recording = true;
	(void)str_copy(f.call_id, sizeof(f.call_id), r->call_id);
	(void)str_copy(f.agent_id, sizeof(f.agent_id), r->agent_id);
	(void)str_copy(f.queue_id, sizeof(f.queue_id), r->queue_id);
	*ret = f;
	return ERR_OK;
}

/* ---- answers ---- */
static void status_to_pb(status_t *s, const struct agent_record *r, const char *name)
{
	D(agent_status__init)(s);
	s->agent_id = (char *)r->agent_id;
	s->display_name = (char *)name;
	s->state = (Trunkline__Agent__V1__AgentState)r->state;
	s->reason = (char *)r->reason;
	s->since_ms = r->since_ms;
	s->signed_in_ms = r->signed_in_ms;
	s->call_id = (char *)r->call_id;
	s->queue_id = (char *)r->queue_id;
	s->wrap_up_until_ms = r->wrap_up_until_ms;
	s->pending_busy = r->pending_busy;
	s->pending_sign_out = r->pending_sign_out;
	s->pending_reason = (char *)r->pending_reason;
	s->site = (char *)r->site;
	s->seq = r->seq;
	s->cause = (char *)r->last.cause;
}

void desk_wire_reply_status(struct rpc_call *call, const struct agent_record *record, const char *name)
{
	status_t s;

	status_to_pb(&s, record, name);
	rpc_reply(call, &s.base);
}

void desk_wire_reply_agents(struct rpc_call *call, const struct desk_status *list, size_t n, const char *next)
{
	Trunkline__Desk__V1__ListAgentsResponse resp = TRUNKLINE__DESK__V1__LIST_AGENTS_RESPONSE__INIT;
	status_t *agents = mem_array(n, sizeof(*agents));
	status_t **refs = mem_array(n, sizeof(*refs));

	if (agents && refs) {
		for (size_t i = 0; i < n; i++) {
			status_to_pb(&agents[i], list[i].record, list[i].name);
			refs[i] = &agents[i];
		}
		resp.agents = refs;
		resp.n_agents = n;
		resp.next_page_token = (char *)next;
		rpc_reply(call, &resp.base);
	} else {
		rpc_fail(call, ERR_EXHAUSTED, NULL);
	}
	mem_free(agents);
	mem_free(refs);
}

static event_t event(Trunkline__Desk__V1__StreamEventsResponse__EventCase kind)
{
	event_t ev = TRUNKLINE__DESK__V1__STREAM_EVENTS_RESPONSE__INIT;

	ev.time_ms = clock_steady_ms();
	ev.event_case = kind;
	return ev;
}

err_t desk_wire_send_status(struct rpc_call *call, const struct agent_record *record, const char *name)
{
	event_t ev = event(TRUNKLINE__DESK__V1__STREAM_EVENTS_RESPONSE__EVENT_STATE);
	status_t s;

	status_to_pb(&s, record, name);
	ev.state = &s;
	return rpc_send(call, &ev.base);
}

err_t desk_wire_send_offer(struct rpc_call *call, const struct desk_offer *o)
{
	event_t ev = event(TRUNKLINE__DESK__V1__STREAM_EVENTS_RESPONSE__EVENT_OFFER);
	Trunkline__Desk__V1__CallOffer offer = TRUNKLINE__DESK__V1__CALL_OFFER__INIT;
	Trunkline__Event__V1__Variable *vars = mem_array(o->n_variables, sizeof(*vars));
	Trunkline__Event__V1__Variable **refs = mem_array(o->n_variables, sizeof(*refs));
	err_t e = ERR_EXHAUSTED;

	if (!vars || !refs)
		goto out;
	for (size_t i = 0; i < o->n_variables; i++) {
		trunkline__event__v1__variable__init(&vars[i]);
		vars[i].name = (char *)o->variables[i].name;
		vars[i].value = (char *)o->variables[i].value;
		refs[i] = &vars[i];
	}
	offer.agent_id = (char *)o->agent_id;
	offer.call_id = (char *)o->call_id;
	offer.queue_id = (char *)o->queue_id;
	offer.queue_name = (char *)o->queue_name;
	offer.caller = (char *)o->caller;
	offer.called = (char *)o->called;
	offer.arrival_ms = o->arrival_ms;
	offer.variables = refs;
	offer.n_variables = o->n_variables;
	ev.offer = &offer;
	e = rpc_send(call, &ev.base);
out:
	mem_free(vars);
	mem_free(refs);
	return e;
}

err_t desk_wire_send_queue(struct rpc_call *call, const struct desk_queue *q)
{
	event_t ev = event(TRUNKLINE__DESK__V1__STREAM_EVENTS_RESPONSE__EVENT_QUEUE);
	Trunkline__Desk__V1__QueueWaiting w = TRUNKLINE__DESK__V1__QUEUE_WAITING__INIT;

	w.queue_id = (char *)q->queue_id;
	w.display_name = (char *)q->name;
	w.waiting = q->waiting;
	w.oldest_arrival_ms = q->oldest_arrival_ms;
	w.agents_on_duty = q->on_duty;
	w.agents_ready = q->ready;
	ev.queue = &w;
	return rpc_send(call, &ev.base);
}

err_t desk_wire_send_synced(struct rpc_call *call)
{
	event_t ev = event(TRUNKLINE__DESK__V1__STREAM_EVENTS_RESPONSE__EVENT_SYNCED);
	Trunkline__Desk__V1__Synced synced = TRUNKLINE__DESK__V1__SYNCED__INIT;

	ev.synced = &synced;
	return rpc_send(call, &ev.base);
}
