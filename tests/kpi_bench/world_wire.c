#include "world_wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "events/events.h"
#include "testkit/testkit.h"
#include "trunkline/event/v1/event.pb-c.h"

#define T0 INT64_C(1700000100000)

typedef Trunkline__Event__V1__Event Event;

struct world_agent {
	uint64_t seq;
	int64_t since_ms; /* in the state READY */
};

/* One call while its events are made. */
struct call {
	struct world *w;
	struct world_agent *who;
	int64_t arrival_ms, offered_ms, answered_ms;
	uint64_t seq;
	char tenant[32], queue[32], agent[32], id[40], leg[40], other_leg[40];
};

static uint64_t rnd(struct world *w, uint64_t n)
{
	w->rng ^= w->rng << 13;
	w->rng ^= w->rng >> 7;
	w->rng ^= w->rng << 17;
	return w->rng % n;
}

static void *grown(void *p, size_t size)
{
	p = mem_realloc(p, size);
	if (!p)
		testkit_die("no memory for the world");
	return p;
}

static void hex_id(struct world *w, int64_t time_ms, char to[40])
{
	unsigned long long high = rnd(w, UINT64_MAX), low = rnd(w, UINT64_MAX);

	(void)snprintf(to, 40, "%012llx7%03llx%016llx", (unsigned long long)time_ms, high & 0xfff, low);
}

static void put(struct call *c, Event *m, bool agent)
{
	struct world *w = c->w;
	struct world_record *r;
	size_t size;

	if (w->n == w->cap)
		w->list = grown(w->list, (w->cap = w->cap ? w->cap * 2 : 65536) * sizeof(*w->list));
	r = &w->list[w->n++];
	*r = (struct world_record){ .time_ms = m->time_ms, .at = w->used, .agent = agent };
	(void)snprintf(r->tenant, sizeof(r->tenant), "%s", c->tenant);
	(void)snprintf(r->key, sizeof(r->key), "%s", agent ? c->agent : c->id);
	if (agent)
		(void)snprintf(r->id, sizeof(r->id), "%s.%s.%llu", c->tenant, c->agent, (unsigned long long)m->seq);
	else
		(void)snprintf(r->id, sizeof(r->id), "%s.%llu", c->id, (unsigned long long)m->seq);
	m->id = r->id;
	m->tenant = c->tenant;
	m->site = (char *)(uintptr_t) "centre";
	size = trunkline__event__v1__event__get_packed_size(m);
	if (w->used + size > w->room)
		w->bytes = grown(w->bytes, w->room = w->room ? w->room * 2 : 1 << 24);
	r->size = (uint32_t)trunkline__event__v1__event__pack(m, w->bytes + w->used);
	w->used += size;
}

/* `body`: what the oneof's member points to; all members are pointers to messages. */
static void call_event(struct call *c, int64_t time_ms, int body_case, void *body, bool queue, bool agent)
{
	Event m = TRUNKLINE__EVENT__V1__EVENT__INIT;

	m.time_ms = time_ms;
	m.seq = ++c->seq;
	m.source = (char *)(uintptr_t) "call-control/cc-1";
	m.call_id = c->id;
	m.leg_id = agent ? c->other_leg : c->leg;
	if (queue)
		m.queue_id = c->queue;
	if (agent)
		m.agent_id = c->agent;
	m.body_case = (Trunkline__Event__V1__Event__BodyCase)body_case;
	m.call_offered = body;
	put(c, &m, false);
}

static void agent_event(struct call *c, int64_t time_ms, Trunkline__Agent__V1__AgentState from,
			Trunkline__Agent__V1__AgentState to)
{
	Event m = TRUNKLINE__EVENT__V1__EVENT__INIT;
	Trunkline__Event__V1__AgentStateChanged body = TRUNKLINE__EVENT__V1__AGENT_STATE_CHANGED__INIT;

	m.time_ms = time_ms;
	m.seq = ++c->who->seq;
	m.source = (char *)(uintptr_t) "router/router-1";
	m.call_id = c->id;
	m.agent_id = c->agent;
	m.queue_id = c->queue;
	body.from = from;
	body.to = to;
	body.duration_ms = time_ms - c->who->since_ms;
	c->who->since_ms = time_ms;
	m.body_case = TRUNKLINE__EVENT__V1__EVENT__BODY_AGENT_STATE_CHANGED;
	m.agent_state_changed = &body;
	put(c, &m, true);
}

#define SAY(c, at, CASE, body, queue, agent) \
	call_event(c, at, TRUNKLINE__EVENT__V1__EVENT__BODY_##CASE, body, queue, agent)
#define STATE(s) TRUNKLINE__AGENT__V1__AGENT_STATE__AGENT_STATE_##s

static void begins(struct call *c)
{
	Trunkline__Event__V1__CallOffered offered = TRUNKLINE__EVENT__V1__CALL_OFFERED__INIT;
	Trunkline__Event__V1__CallAnswered answered = TRUNKLINE__EVENT__V1__CALL_ANSWERED__INIT;
	Trunkline__Event__V1__FlowStepEntered step = TRUNKLINE__EVENT__V1__FLOW_STEP_ENTERED__INIT;
	Trunkline__Event__V1__Enqueued enqueued = TRUNKLINE__EVENT__V1__ENQUEUED__INIT;
	char caller[24];

	(void)snprintf(caller, sizeof(caller), "+4930%07llu", (unsigned long long)rnd(c->w, 10000000));
	offered.caller = caller;
	offered.called = (char *)(uintptr_t) "+49301000";
	offered.trunk_id = (char *)(uintptr_t) "carrier-1";
	offered.direction = (char *)(uintptr_t) "inbound";
	offered.sip_call_id = c->leg;
	SAY(c, c->offered_ms, CALL_OFFERED, &offered, false, false);
	SAY(c, c->offered_ms + 5, CALL_ANSWERED, &answered, false, false);
	step.flow_id = (char *)(uintptr_t) "main";
	step.step_id = step.kind = (char *)(uintptr_t) "play";
	SAY(c, c->offered_ms + 6, FLOW_STEP_ENTERED, &step, false, false);
	step.step_id = step.kind = (char *)(uintptr_t) "queue";
	SAY(c, c->arrival_ms, FLOW_STEP_ENTERED, &step, false, false);
	enqueued.arrival_ms = c->arrival_ms;
	enqueued.priority = 5;
	enqueued.service_level_ms = 20000;
	SAY(c, c->arrival_ms, ENQUEUED, &enqueued, true, false);
}

static void leg_ends(struct call *c, int64_t at, bool agent)
{
	Trunkline__Event__V1__LegFinished leg = TRUNKLINE__EVENT__V1__LEG_FINISHED__INIT;

	leg.kind = (char *)(uintptr_t)(agent ? "agent" : "caller");
	leg.cause = (char *)(uintptr_t) "hangup";
	leg.status = 200;
	leg.packets_in = leg.packets_out = 50 * (uint64_t)(at - c->offered_ms) / 1000;
	leg.jitter_us = 310;
	SAY(c, at, LEG_FINISHED, &leg, agent, agent);
}

static void ends(struct call *c, int64_t at, bool answered)
{
	Trunkline__Event__V1__CallEnded ended = TRUNKLINE__EVENT__V1__CALL_ENDED__INIT;

	ended.cause = (char *)(uintptr_t)(answered ? "agent-hung-up" : "caller-hung-up");
	ended.offered_ms = c->offered_ms;
	ended.answered_ms = c->offered_ms + 5;
	ended.queued_ms = c->arrival_ms;
	ended.agent_answered_ms = answered ? c->answered_ms : 0;
	ended.ended_ms = at;
	ended.wait_ms = (answered ? c->answered_ms : at) - c->arrival_ms;
	ended.talk_ms = answered ? at - c->answered_ms : 0;
	ended.disposition = (char *)(uintptr_t)(answered ? "answered" : "abandoned");
	ended.recording_id = answered ? c->other_leg : (char *)(uintptr_t) "";
	ended.caller = (char *)(uintptr_t) "+49301234567";
	ended.called = (char *)(uintptr_t) "+49301000";
	ended.last_seq = c->seq + 1;
	SAY(c, at, CALL_ENDED, &ended, true, answered);
}

static void abandoned(struct call *c)
{
	Trunkline__Event__V1__Dequeued left = TRUNKLINE__EVENT__V1__DEQUEUED__INIT;
	int64_t at = c->arrival_ms + (int64_t)rnd(c->w, 60000);

	left.cause = (char *)(uintptr_t) "abandoned";
	left.waited_ms = at - c->arrival_ms;
	left.service_level_ms = 20000;
	SAY(c, at, DEQUEUED, &left, true, false);
	leg_ends(c, at, false);
	ends(c, at, false);
}

static void served(struct call *c)
{
	Trunkline__Event__V1__Reserved reserved = TRUNKLINE__EVENT__V1__RESERVED__INIT;
	Trunkline__Event__V1__AgentRinging ringing = TRUNKLINE__EVENT__V1__AGENT_RINGING__INIT;
	Trunkline__Event__V1__AgentAnswered answered = TRUNKLINE__EVENT__V1__AGENT_ANSWERED__INIT;
	Trunkline__Event__V1__Bridged bridged = TRUNKLINE__EVENT__V1__BRIDGED__INIT;
	int64_t at = c->arrival_ms + (int64_t)rnd(c->w, 30000), end;

	reserved.router_epoch = 7;
	reserved.attempt = 1;
	reserved.waited_ms = at - c->arrival_ms;
	agent_event(c, at, STATE(READY), STATE(RESERVED));
	SAY(c, at + 1, RESERVED, &reserved, true, true);
	SAY(c, at + 4, AGENT_RINGING, &ringing, true, true);
	at = c->answered_ms = at + 1000 + (int64_t)rnd(c->w, 5000);
	answered.waited_ms = at - c->arrival_ms;
	answered.rang_ms = 3000;
	answered.service_level_ms = 20000;
	SAY(c, at, AGENT_ANSWERED, &answered, true, true);
	agent_event(c, at + 1, STATE(RESERVED), STATE(ON_CALL));
	SAY(c, at + 3, BRIDGED, &bridged, true, true);
	end = at + 20000 + (int64_t)rnd(c->w, 160000);
	leg_ends(c, end, true);
	leg_ends(c, end, false);
	ends(c, end, true);
	agent_event(c, end + 1, STATE(ON_CALL), STATE(WRAP_UP));
	agent_event(c, end + 10001, STATE(WRAP_UP), STATE(READY));
}

static int by_time(const void *x, const void *y)
{
	const struct world_record *a = x, *b = y;

	if (a->time_ms != b->time_ms)
		return a->time_ms < b->time_ms ? -1 : 1;
	return a->at < b->at ? -1 : a->at > b->at;
}

/* The bytes in the order of the list, as they would lie in Kafka. */
static void lay_out(struct world *w)
{
	uint8_t *bytes = grown(NULL, w->used);
	size_t used = 0;

	for (size_t i = 0; i < w->n; i++) {
		memcpy(bytes + used, w->bytes + w->list[i].at, w->list[i].size);
		w->list[i].at = used;
		used += w->list[i].size;
	}
	mem_free(w->bytes);
	w->bytes = bytes;
}

void world_make(struct world *w, const struct world_params *p)
{
	*w = (struct world){ .rng = 88172645463325252u };
	w->agents = grown(NULL, (size_t)p->agents * sizeof(*w->agents));
	for (long i = 0; i < p->agents; i++)
		w->agents[i] = (struct world_agent){ .since_ms = T0 };
	for (long i = 0; i < p->calls; i++) {
		long agent = i % p->agents, tenant = agent % p->tenants;
		long queue = (long)rnd(w, (uint64_t)(p->queues / p->tenants)) * p->tenants + tenant;
		struct call c = { .w = w, .who = &w->agents[agent] };

		c.offered_ms = T0 + i * 1000 / p->calls_per_s + (int64_t)rnd(w, 1000);
		c.arrival_ms = c.offered_ms + 3000 + (int64_t)rnd(w, 5000);
		(void)snprintf(c.tenant, sizeof(c.tenant), "tenant-%ld", tenant);
		(void)snprintf(c.queue, sizeof(c.queue), "queue-%04ld", queue);
		(void)snprintf(c.agent, sizeof(c.agent), "%ld", 100000 + agent);
		hex_id(w, c.offered_ms, c.id);
		hex_id(w, c.offered_ms, c.leg);
		hex_id(w, c.offered_ms, c.other_leg);
		begins(&c);
		if (rnd(w, 10) == 0)
			abandoned(&c);
		else
			served(&c);
	}
	qsort(w->list, w->n, sizeof(*w->list), by_time);
	lay_out(w);
	mem_free(w->agents);
	w->agents = NULL;
}

void world_done(struct world *w)
{
	mem_free(w->list);
	mem_free(w->bytes);
}

err_t world_emit(const struct world *w, size_t i, struct events *events, bus_ack_fn *fn, void *arg)
{
	const struct world_record *r = &w->list[i];
	Event *ev = trunkline__event__v1__event__unpack(NULL, r->size, w->bytes + r->at);
	err_t e;

	if (!ev)
		return ERR_EXHAUSTED;
	e = events_emit(events, r->agent ? "agent" : "call", r->key, ev, fn, arg);
	trunkline__event__v1__event__free_unpacked(ev, NULL);
	return e;
}
