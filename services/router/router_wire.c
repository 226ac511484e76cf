#include "router_wire.h"

#include "base/mem.h"
#include "pbcheck/pbcheck.h"
#include "trunkline/media/v1/media.pb-c.h"
#include "trunkline/router/v1/router.pb-c.h"

#define ARRIVAL_MAX (1ll << 50)

typedef Trunkline__Router__V1__RouterRequest pb_request;
typedef Trunkline__Router__V1__Enqueue pb_enqueue;

/* ---- in ------------------------------------------------------------------------------------------------------------ */

static err_t check_id(const char *id, bool optional, const char *field, struct err_detail *d)
{
	if ((optional && !*id) || str_is_id(id))
		return ERR_OK;
	return err_set(d, ERR_INVALID, field, "must be an id: a-z, 0-9 and '-', at most 63");
}

static err_t check_skills(const pb_enqueue *e, struct err_detail *d)
{
	if (e->n_extra_skills > ROUTER_SKILLS_MAX)
		return err_set(d, ERR_INVALID, "enqueue.extra_skills", "at most %d", ROUTER_SKILLS_MAX);
	for (size_t i = 0; i < e->n_extra_skills; i++) {
		err_t err = check_id(e->extra_skills[i]->skill_id, false, "enqueue.extra_skills.skill_id", d);

		if (err)
			return err;
		if (e->extra_skills[i]->level > 10)
			return err_set(d, ERR_INVALID, "enqueue.extra_skills.level", "must be 0 to 10");
	}
	return ERR_OK;
}

static err_t check_enqueue(const pb_enqueue *e, struct err_detail *d)
{
	err_t err;

	if ((err = check_id(e->queue_id, true, "enqueue.queue_id", d)) ||
	    (err = check_id(e->agent_id, true, "enqueue.agent_id", d)) ||
	    (err = check_id(e->site, true, "enqueue.site", d)) || (err = check_skills(e, d)))
		return err;
	if (!*e->queue_id && !*e->agent_id)
		return err_set(d, ERR_INVALID, "enqueue.queue_id", "a queue or an agent must be named");
	if (e->arrival_ms <= 0 || e->arrival_ms > ARRIVAL_MAX)
		return err_set(d, ERR_INVALID, "enqueue.arrival_ms", "must be milliseconds since 1970");
	if (e->priority > ROUTER_PRIORITY_MAX)
		return err_set(d, ERR_INVALID, "enqueue.priority", "must be 0 to %d", ROUTER_PRIORITY_MAX);
	if (e->n_tried_agents > ROUTER_TRIED_MAX)
		return err_set(d, ERR_INVALID, "enqueue.tried_agents", "at most %d", ROUTER_TRIED_MAX);
	for (size_t i = 0; i < e->n_tried_agents; i++)
		if ((err = check_id(e->tried_agents[i], false, "enqueue.tried_agents", d)))
			return err;
	return ERR_OK;
}

static err_t take_enqueue(struct router_request *r, struct arena *a, const pb_enqueue *e, struct err_detail *d)
{
	struct router_skill *skills;
	err_t err = check_enqueue(e, d);

	if (err)
		return err;
	skills = arena_alloc(a, (e->n_extra_skills + 1) * sizeof(*skills));
	if (!skills)
		return err_set(d, ERR_EXHAUSTED, "", "no memory");
	for (size_t i = 0; i < e->n_extra_skills; i++)
		skills[i] = (struct router_skill){ e->extra_skills[i]->skill_id, e->extra_skills[i]->level };
	r->kind = ROUTER_REQUEST_ENQUEUE;
	r->enqueue.queue_id = e->queue_id;
	r->enqueue.arrival_ms = e->arrival_ms;
	r->enqueue.priority = e->priority;
	r->enqueue.extra = skills;
	r->enqueue.n_extra = e->n_extra_skills;
	r->enqueue.tried = (const char *const *)e->tried_agents;
	r->enqueue.n_tried = e->n_tried_agents;
	r->enqueue.agent_id = e->agent_id;
	return ERR_OK;
}

static err_t take_result(struct router_request *r, const Trunkline__Router__V1__AssignmentResult *pb,
			 struct err_detail *d)
{
	err_t err;

	if ((err = check_id(pb->agent_id, false, "result.agent_id", d)) ||
	    (err = check_id(pb->leg_id, true, "result.leg_id", d)))
		return err;
	if ((int)pb->outcome < ROUTER_ACCEPTED || (int)pb->outcome > ROUTER_STALE)
		return err_set(d, ERR_INVALID, "result.outcome", "%d is no outcome", (int)pb->outcome);
	r->kind = ROUTER_REQUEST_RESULT;
	r->result = (struct router_result_in){ .owner = r->enqueue.owner,
					       .tenant = r->enqueue.tenant,
					       .call_id = r->enqueue.call_id,
					       .agent_id = pb->agent_id,
					       .leg_id = pb->leg_id,
					       .call_epoch = r->enqueue.call_epoch,
					       .router_epoch = pb->router_epoch,
					       .outcome = (enum router_outcome)pb->outcome };
	return ERR_OK;
}

static err_t take_request(struct router_request *r, struct arena *a, const char *owner, const pb_request *pb,
			  struct err_detail *d)
{
	err_t err;

	*r = (struct router_request){ 0 };
	if (pb->request_case == TRUNKLINE__ROUTER__V1__ROUTER_REQUEST__REQUEST_ASSERT_END) {
		r->kind = ROUTER_REQUEST_ASSERT_END;
		r->router_epoch = pb->assert_end->router_epoch;
		r->shard = pb->assert_end->shard;
		return ERR_OK;
	}
	if ((err = check_id(pb->tenant, false, "tenant", d)) || (err = check_id(pb->call_id, false, "call_id", d)))
		return err;
	r->enqueue.owner = owner;
	r->enqueue.tenant = pb->tenant;
	r->enqueue.call_id = pb->call_id;
	r->enqueue.call_epoch = pb->call_epoch;
	switch (pb->request_case) {
	case TRUNKLINE__ROUTER__V1__ROUTER_REQUEST__REQUEST_ENQUEUE:
		return take_enqueue(r, a, pb->enqueue, d);
	case TRUNKLINE__ROUTER__V1__ROUTER_REQUEST__REQUEST_DEQUEUE:
		r->kind = ROUTER_REQUEST_DEQUEUE;
		return ERR_OK;
	case TRUNKLINE__ROUTER__V1__ROUTER_REQUEST__REQUEST_RESULT:
		return take_result(r, pb->result, d);
	default:
		return err_set(d, ERR_INVALID, "request", "is none that this router knows");
	}
}

static void take_all(struct router_requests *ret, const Trunkline__Router__V1__RouterRequests *pb)
{
	struct err_detail d = { "", "" };

	for (size_t i = 0; i < pb->n_requests; i++) {
		if (!take_request(&ret->list[ret->n], &ret->arena, pb->owner, pb->requests[i], &d))
			ret->n++;
		else if (!ret->n_bad++)
			ret->first_bad = d;
	}
}

err_t router_requests_from_pb(struct router_requests *ret, const void *bytes, size_t size, struct err_detail *detail)
{
	Trunkline__Router__V1__RouterRequests *pb;
	ProtobufCMessage *msg;
	err_t e = pbcheck_view(&msg, &trunkline__router__v1__router_requests__descriptor, bytes, size, detail);

	if (e)
		return e;
	pb = (Trunkline__Router__V1__RouterRequests *)msg;
	*ret = (struct router_requests){ .msg = msg, .owner = pb->owner };
	arena_init(&ret->arena, 4096);
	e = check_id(pb->owner, false, "owner", detail);
	if (e)
		goto out;
	ret->list = mem_array(pb->n_requests + 1, sizeof(*ret->list));
	if (ret->list)
		take_all(ret, pb);
	else
		e = err_set(detail, ERR_EXHAUSTED, "", "no memory");
out:
	if (e)
		router_requests_done(ret);
	return e;
}

void router_requests_done(struct router_requests *r)
{
	mem_free(r->list);
	arena_done(&r->arena);
	pbcheck_view_done(r->msg);
	*r = (struct router_requests){ 0 };
}

err_t router_heartbeat_from_pb(struct router_heartbeat *ret, const void *bytes, size_t size, struct err_detail *detail)
{
	Trunkline__Media__V1__Heartbeat *pb;
	ProtobufCMessage *msg;
	err_t e = pbcheck_view(&msg, &trunkline__media__v1__heartbeat__descriptor, bytes, size, detail);

	if (e)
		return e;
	pb = (Trunkline__Media__V1__Heartbeat *)msg;
	e = check_id(pb->instance, false, "instance", detail);
	if (!e)
		e = check_id(pb->pool, true, "pool", detail);
	if (!e) {
		*ret = (struct router_heartbeat){ .draining = pb->draining, .incarnation = pb->incarnation };
		(void)str_copy(ret->instance, sizeof(ret->instance), pb->instance);
		(void)str_copy(ret->pool, sizeof(ret->pool), placement_pool(pb->pool));
	}
	pbcheck_view_done(msg);
	return e;
}

/* ---- out ----------------------------------------------------------------------------------------------------------- */

#define TEXT(t) ((char *)(uintptr_t)(t)) /* protobuf-c knows no const; packing writes nothing */

static void put(struct str *out, const ProtobufCMessage *m)
{
	uint8_t space[1024];
	ProtobufCBufferSimple buf = PROTOBUF_C_BUFFER_SIMPLE_INIT(space);

	protobuf_c_message_pack_to_buffer(m, &buf.base);
	str_append_n(out, buf.data, buf.len);
	PROTOBUF_C_BUFFER_SIMPLE_CLEAR(&buf);
}

void router_events_put_head(struct str *out, const char *instance, uint64_t epoch)
{
	Trunkline__Router__V1__RouterEvents m = TRUNKLINE__ROUTER__V1__ROUTER_EVENTS__INIT;

	m.instance = TEXT(instance);
	m.epoch = epoch;
	put(out, &m.base);
}

static void put_event(struct str *out, Trunkline__Router__V1__RouterEvent *ev)
{
	Trunkline__Router__V1__RouterEvents m = TRUNKLINE__ROUTER__V1__ROUTER_EVENTS__INIT;

	m.n_events = 1;
	m.events = &ev;
	put(out, &m.base);
}

static void put_queued(struct str *out, Trunkline__Router__V1__RouterEvent *ev, const struct router_fx *fx)
{
	Trunkline__Router__V1__Queued q = TRUNKLINE__ROUTER__V1__QUEUED__INIT;

	q.queue_id = TEXT(fx->queue_id);
	q.position = fx->position;
	q.agents_signed_in = fx->agents_signed_in;
	ev->event_case = TRUNKLINE__ROUTER__V1__ROUTER_EVENT__EVENT_QUEUED;
	ev->queued = &q;
	put_event(out, ev);
}

static void put_assigned(struct str *out, Trunkline__Router__V1__RouterEvent *ev, const struct router_fx *fx,
			 const void *record, size_t size)
{
	Trunkline__Router__V1__Assigned a = TRUNKLINE__ROUTER__V1__ASSIGNED__INIT;

	a.queue_id = TEXT(fx->queue_id);
	a.agent_id = TEXT(fx->agent_id);
	a.agent_revision = fx->revision;
	a.agent_site = TEXT(fx->agent_site);
	a.reserved_until_ms = fx->reserved_until_ms;
	a.leg_id = TEXT(fx->leg_id);
	a.agent_record.data = (uint8_t *)(uintptr_t)record;
	a.agent_record.len = size;
	ev->event_case = TRUNKLINE__ROUTER__V1__ROUTER_EVENT__EVENT_ASSIGNED;
	ev->assigned = &a;
	put_event(out, ev);
}

static void put_refused(struct str *out, Trunkline__Router__V1__RouterEvent *ev, const struct router_fx *fx)
{
	Trunkline__Router__V1__QueueRefused r = TRUNKLINE__ROUTER__V1__QUEUE_REFUSED__INIT;

	r.queue_id = TEXT(fx->queue_id);
	r.error = fx->error;
	r.message = TEXT(fx->message);
	ev->event_case = TRUNKLINE__ROUTER__V1__ROUTER_EVENT__EVENT_REFUSED;
	ev->refused = &r;
	put_event(out, ev);
}

void router_events_put(struct str *out, const struct router_fx *fx, const void *record, size_t size)
{
	Trunkline__Router__V1__RouterEvent ev = TRUNKLINE__ROUTER__V1__ROUTER_EVENT__INIT;

	ev.tenant = TEXT(fx->tenant);
	ev.call_id = TEXT(fx->call_id);
	if (fx->kind == ROUTER_FX_QUEUED)
		put_queued(out, &ev, fx);
	else if (fx->kind == ROUTER_FX_ASSIGNED)
		put_assigned(out, &ev, fx, record, size);
	else if (fx->kind == ROUTER_FX_REFUSED)
		put_refused(out, &ev, fx);
}

void router_heartbeat_put(struct str *out, const struct router_heartbeat *hb)
{
	Trunkline__Media__V1__Heartbeat m = TRUNKLINE__MEDIA__V1__HEARTBEAT__INIT;

	m.instance = TEXT(hb->instance);
	m.service = TEXT("router");
	m.pool = TEXT(hb->pool);
	m.draining = hb->draining;
	m.incarnation = hb->incarnation;
	put(out, &m.base);
}

void router_epoch_put(struct str *out, const char *pool, uint32_t shard, uint64_t epoch, const char *instance)
{
	Trunkline__Router__V1__RouterEpoch m = TRUNKLINE__ROUTER__V1__ROUTER_EPOCH__INIT;

	m.shard = shard;
	m.epoch = epoch;
	m.instance = TEXT(instance);
	m.pool = TEXT(pool);
	put(out, &m.base);
}

void router_statuses_put_head(struct str *out, const char *tenant, uint64_t epoch)
{
	Trunkline__Router__V1__QueueStatuses m = TRUNKLINE__ROUTER__V1__QUEUE_STATUSES__INIT;

	m.tenant = TEXT(tenant);
	m.epoch = epoch;
	put(out, &m.base);
}

void router_statuses_put(struct str *out, const struct router_queue_status *st)
{
	Trunkline__Router__V1__QueueStatuses m = TRUNKLINE__ROUTER__V1__QUEUE_STATUSES__INIT;
	Trunkline__Router__V1__QueueStatus q = TRUNKLINE__ROUTER__V1__QUEUE_STATUS__INIT, *list = &q;

	q.queue_id = TEXT(st->queue_id);
	q.waiting = st->waiting;
	q.oldest_arrival_ms = st->oldest_arrival_ms;
	q.agents_on_duty = st->agents_on_duty;
	q.agents_ready = st->agents_ready;
	m.n_queues = 1;
	m.queues = &list;
	put(out, &m.base);
}
