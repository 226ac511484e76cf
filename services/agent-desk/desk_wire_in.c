/* What call-control, router and the event stream wrote. It comes from our own side, and is checked all the same. */
#include "desk_wire.h"

#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "pbcheck/pbcheck.h"
#include "trunkline/agent/v1/agent.pb-c.h"
#include "trunkline/call/v1/checkpoint.pb-c.h"
#include "trunkline/desk/v1/agent_service.pb-c.h"
#include "trunkline/router/v1/router.pb-c.h"

#define VARIABLES_MAX  256
#define DESK_SEATS_MAX 1000000 /* the highest limit there is (tenantconf) */

typedef Trunkline__Call__V1__CallCheckpoint checkpoint_t;

struct desk_fact {
	Trunkline__Event__V1__Event *event;
	enum { FACT_CALL, FACT_AGENT, FACT_RECORDING, FACT_OTHER } domain;
};

/* ---- checkpoint → offer ---- */
static err_t copy_offer(struct desk_offer *ret, struct arena *a, const checkpoint_t *cp)
{
	size_t n = cp->n_variables < VARIABLES_MAX ? cp->n_variables : VARIABLES_MAX;
	struct desk_variable *vars = arena_alloc(a, (n ? n : 1) * sizeof(*vars));
	struct desk_offer o = { .arrival_ms = cp->arrival_ms, .n_variables = n, .variables = vars };

	o.caller = arena_strdup(a, cp->caller);
	o.called = arena_strdup(a, cp->called);
	if (!vars || !o.caller || !o.called)
		return ERR_EXHAUSTED;
	for (size_t i = 0; i < n; i++) {
		vars[i].name = arena_strdup(a, cp->variables[i]->name);
		vars[i].value = arena_strdup(a, cp->variables[i]->value);
		if (!vars[i].name || !vars[i].value)
			return ERR_EXHAUSTED;
	}
	*ret = o;
	return ERR_OK;
}

err_t desk_wire_checkpoint_from_pb(struct desk_offer *ret, struct arena *a, const void *bytes, size_t size,
				   struct err_detail *detail)
{
	ProtobufCMessage *msg;
	err_t e = pbcheck_view(&msg, &trunkline__call__v1__call_checkpoint__descriptor, bytes, size, detail);

	if (e)
		return e;
	e = copy_offer(ret, a, (const checkpoint_t *)(void *)msg);
	pbcheck_view_done(msg);
	return e;
}

/* ---- seats ---- */
static err_t seat_key(struct desk_seat *s, const char *key, struct err_detail *detail)
{
	const char *dot = strchr(key, '.');
	int64_t index;

	if (!dot || (size_t)(dot - key) >= sizeof(s->tenant))
		return err_set(detail, ERR_INVALID, "key", "must be <tenant>.<index>");
	memcpy(s->tenant, key, (size_t)(dot - key));
	s->tenant[dot - key] = '\0';
	if (!str_is_id(s->tenant) || str_to_i64(dot + 1, 0, DESK_SEATS_MAX - 1, &index))
		return err_set(detail, ERR_INVALID, "key", "must be <tenant>.<index>, less than %d", DESK_SEATS_MAX);
	s->entry.index = (unsigned)index;
	return ERR_OK;
}

err_t desk_wire_seat_from_pb(struct desk_seat *ret, const char *key, const void *bytes, size_t size,
			     struct err_detail *detail)
{
	ProtobufCMessage *msg;
	err_t e = seat_key(ret, key, detail);

	if (!e)
		e = pbcheck_view(&msg, &trunkline__agent__v1__seat__descriptor, bytes, size, detail);
	if (e)
		return e;
	const Trunkline__Agent__V1__Seat *pb = (const void *)msg;
	if (!str_is_id(pb->agent_id))
		e = err_set(detail, ERR_INVALID, "agent_id", "is no id");
	(void)str_copy(ret->agent_id, sizeof(ret->agent_id), pb->agent_id);
	ret->entry.agent_revision = pb->agent_revision;
	ret->entry.tenant = ret->tenant;
	ret->entry.agent_id = ret->agent_id;
	pbcheck_view_done(msg);
	return e;
}

size_t desk_wire_seat_to_pb(const char *agent_id, uint64_t agent_revision, uint8_t buf[DESK_SEAT_BYTES])
{
	Trunkline__Agent__V1__Seat pb = TRUNKLINE__AGENT__V1__SEAT__INIT;

	pb.agent_id = (char *)agent_id;
	pb.agent_revision = agent_revision;
	return trunkline__agent__v1__seat__pack(&pb, buf);
}

/* ---- router → queues ---- */
err_t desk_wire_queues_from_pb(const void *bytes, size_t size,
			       void (*fn)(const char *tenant, const struct desk_queue *q, void *arg), void *arg,
			       struct err_detail *detail)
{
	const Trunkline__Router__V1__QueueStatuses *s;
	ProtobufCMessage *msg;
	err_t e = pbcheck_view(&msg, &trunkline__router__v1__queue_statuses__descriptor, bytes, size, detail);

	if (e)
		return e;
	s = (const void *)msg;
	if (!str_is_id(s->tenant))
		e = err_set(detail, ERR_INVALID, "tenant", "must be an id");
	for (size_t i = 0; !e && i < s->n_queues; i++) {
		const Trunkline__Router__V1__QueueStatus *q = s->queues[i];
		struct desk_queue plain = { .queue_id = q->queue_id,
					    .name = "",
					    .waiting = q->waiting,
					    .on_duty = q->agents_on_duty,
					    .ready = q->agents_ready,
					    .oldest_arrival_ms = q->oldest_arrival_ms };

		if (str_is_id(q->queue_id))
			fn(s->tenant, &plain, arg);
	}
	pbcheck_view_done(msg);
	return e;
}

/* ---- facts ---- */
static int domain_of(const Trunkline__Event__V1__Event *ev)
{
	switch (ev->body_case) {
	case TRUNKLINE__EVENT__V1__EVENT__BODY_AGENT_STATE_CHANGED:
		return FACT_AGENT;
	case TRUNKLINE__EVENT__V1__EVENT__BODY_RECORDING_STORED:
		return FACT_RECORDING;
	case TRUNKLINE__EVENT__V1__EVENT__BODY_AUDIT_ENTRY:
	case TRUNKLINE__EVENT__V1__EVENT__BODY_TENANT_PURGED:
	case TRUNKLINE__EVENT__V1__EVENT__BODY__NOT_SET:
		return FACT_OTHER;
	default:
		return FACT_CALL;
	}
}

err_t desk_wire_fact_from_pb(struct desk_fact **ret, const void *bytes, size_t size, struct err_detail *detail)
{
	struct desk_fact *f = mem_zalloc(sizeof(*f));
	ProtobufCMessage *msg;
	err_t e;

	if (!f)
		return ERR_EXHAUSTED;
	e = pbcheck_view(&msg, &trunkline__event__v1__event__descriptor, bytes, size, detail);
	if (e) {
		mem_free(f);
		return e;
	}
	f->event = (Trunkline__Event__V1__Event *)(void *)msg;
	f->domain = domain_of(f->event);
	*ret = f;
	return ERR_OK;
}

void desk_wire_fact_free(struct desk_fact **fact)
{
	if (!*fact)
		return;
	pbcheck_view_done(&(*fact)->event->base);
	mem_free(*fact);
	*fact = NULL;
}

static bool fits(const char *wanted, const char *is)
{
	return !*wanted || strcmp(wanted, is) == 0;
}

bool desk_wire_fact_matches(const struct desk_fact *fact, const struct desk_facts_filter *f)
{
	const Trunkline__Event__V1__Event *ev = fact->event;
	const bool domains[] = {
		[FACT_CALL] = f->call, [FACT_AGENT] = f->agent, [FACT_RECORDING] = f->recording, [FACT_OTHER] = false
	};

	return domains[fact->domain] && fits(f->call_id, ev->call_id) && fits(f->agent_id, ev->agent_id) &&
	       fits(f->queue_id, ev->queue_id);
}

err_t desk_wire_send_fact(struct rpc_call *call, const struct desk_fact *fact)
{
	Trunkline__Desk__V1__WatchFactsResponse resp = TRUNKLINE__DESK__V1__WATCH_FACTS_RESPONSE__INIT;

	resp.event = fact->event;
	return rpc_send(call, &resp.base);
}
