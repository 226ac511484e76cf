/* The life of a waiting call in the router: asserted by its holder, served, forgotten. */
#include "core_internal.h"
#include "base/mem.h"
#include "base/str.h"

/* ---- lists --------------------------------------------------------------------------------------------------------- */

static void leave_owner(struct call *c)
{
	if (!c->owner)
		return;
	if (c->owner_prev)
		c->owner_prev->owner_next = c->owner_next;
	else
		c->owner->calls = c->owner_next;
	if (c->owner_next)
		c->owner_next->owner_prev = c->owner_prev;
	c->owner_next = c->owner_prev = NULL;
	c->owner = NULL;
}

static void enter_owner(struct call *c, struct owner *o)
{
	if (c->owner == o)
		return;
	leave_owner(c);
	c->owner = o;
	c->owner_next = o->calls;
	if (o->calls)
		o->calls->owner_prev = c;
	o->calls = c;
}

static void leave_queue(struct call *c)
{
	if (!c->queue)
		return;
	if (c->queue->scan == c)
		c->queue->scan = c->queue_next;
	if (c->queue_prev)
		c->queue_prev->queue_next = c->queue_next;
	else
		c->queue->calls = c->queue_next;
	if (c->queue_next)
		c->queue_next->queue_prev = c->queue_prev;
	c->queue_next = c->queue_prev = NULL;
	c->queue = NULL;
}

static void enter_queue(struct call *c, struct queue *q)
{
	if (c->queue == q)
		return;
	leave_queue(c);
	c->queue = q;
	if (!q)
		return;
	c->queue_next = q->calls;
	if (q->calls)
		q->calls->queue_prev = c;
	q->calls = c;
}

/* ---- end ----------------------------------------------------------------------------------------------------------- */

/* The agent, if it has one, is the caller's business. The memory lives until the effects are done. */
void core_call_forget(struct router_core *core, struct call *c)
{
	core_call_unwait(core, c);
	core_call_comfort(core, c);
	wheel_stop(&c->timer.node);
	leave_queue(c);
	leave_owner(c);
	hmap_remove(&core->calls, c->hash, c);
	core_group_unref(core, c->group);
	c->group = NULL;
	c->owner_next = core->dead;
	core->dead = c;
}

static const char *keep(struct router_core *core, const char *text)
{
	const char *copy = arena_strdup(&core->arena, text);

	if (copy)
		return copy;
	core_break(core);
	return "";
}

static void refuse(struct router_core *core, const char *owner, const char *tenant, const char *call_id,
		   const char *queue_id, err_t error, const char *message)
{
	struct router_fx *fx = core_effect(core, ROUTER_FX_REFUSED);

	fx->owner = keep(core, owner);
	fx->tenant = keep(core, tenant);
	fx->call_id = keep(core, call_id);
	fx->queue_id = keep(core, queue_id);
	fx->error = error;
	fx->message = message;
}

/* Lets go of the agent: one who is being reserved is given back when the write is through. */
static void detach(struct router_core *core, struct call *c, const char *cause)
{
	struct agent *a = c->agent;

	c->agent = NULL;
	if (!a || a->call != c)
		return;
	a->call = NULL;
	if (!a->casing)
		core_agent_give_back(core, a, cause);
}

void core_call_refuse(struct router_core *core, struct call *c, err_t error, const char *message)
{
	refuse(core, c->owner->id, core_tenant_name(core, c->tenant), c->id, c->queue ? c->queue->id : "", error,
	       message);
	detach(core, c, "queue-removed");
	core_call_forget(core, c);
}

/* ---- assigned ------------------------------------------------------------------------------------------------------ */

/* Is there time left to tell the owner (half of the margin is for messages under way) and to ring the phone? */
bool core_time_to_ring(const struct router_core *core, const struct call *c, int64_t reserved_until_ms)
{
	return core->now_ms + core_ring_ms(c) + core->p.margin_ms / 2 <= reserved_until_ms;
}

int64_t core_ring_ms(const struct call *c)
{
	return c->queue ? c->queue->ring_timeout_ms : 20000;
}

static void tell_assigned(struct router_core *core, struct call *c)
{
	struct router_fx *fx;

	/* Whoever accepted it now would still ring when the reservation ends. */
	if (!core_time_to_ring(core, c, c->reserved_until_ms))
		return;
	fx = core_effect(core, ROUTER_FX_ASSIGNED);
	fx->tenant = core_tenant_name(core, c->tenant);
	fx->owner = c->owner->id;
	fx->call_id = c->id;
	fx->agent_id = c->agent->id;
	fx->queue_id = c->queue ? c->queue->id : "";
	fx->revision = c->agent_revision;
	fx->reserved_until_ms = c->reserved_until_ms;
	fx->leg_id = c->leg_id;
	fx->agent_site = c->agent->site;
	core_timer(core, &c->timer, core->now_ms + core->p.repeat_ms);
}

void core_call_assigned(struct router_core *core, struct call *c, struct agent *a)
{
	core_orphan_set(core, a, false);
	a->call = c;
	c->agent = a;
	c->state = CALL_ASSIGNED;
	c->agent_revision = a->revision;
	c->reserved_until_ms = a->until_ms;
	memcpy(c->leg_id, a->leg_id, sizeof(c->leg_id));
	core->stats.assigned++;
	tell_assigned(core, c);
}

void core_call_timer(struct router_core *core, struct call *c)
{
	if (c->state == CALL_ASSIGNED)
		tell_assigned(core, c);
	else if (c->state == CALL_PARKED && !c->owner->alive)
		core_call_forget(core, c);
	else if (c->state == CALL_PARKED)
		core_call_serve(core, c);
}

/* ---- enter or assert ------------------------------------------------------------------------------------------------ */

static uint32_t position(const struct call *c)
{
	uint32_t n = 0;

	if (c->state != CALL_WAITING)
		return 1;
	if (!c->queue)
		return c->group->waiting.n;
	for (uint32_t p = c->priority; p <= ROUTER_PRIORITY_MAX; p++)
		n += c->queue->by_priority[p];
	return n;
}

static uint32_t signed_in(const struct call *c)
{
	if (c->group->kind == GROUP_AGENT)
		return c->group->agent->counted;
	return c->group->on_duty;
}

static void tell_queued(struct router_core *core, const struct call *c)
{
	struct router_fx *fx = core_effect(core, ROUTER_FX_QUEUED);

	fx->tenant = core_tenant_name(core, c->tenant);
	fx->owner = c->owner->id;
	fx->call_id = c->id;
	fx->queue_id = c->queue ? c->queue->id : "";
	fx->position = position(c);
	fx->agents_signed_in = signed_in(c);
}

/* Whom and what the message asks for. */
struct target {
	struct tenant *tenant;
	struct queue *queue;
	struct group *group; /* one reference */
};

static struct group *group_of(struct router_core *core, const struct target *t, const struct router_enqueue_in *in)
{
	struct want wants[WANTS_MAX];
	uint32_t n = t->queue->n_wants;

	if (!in->n_extra) {
		t->queue->group->refs++;
		return t->queue->group;
	}
	memcpy(wants, t->queue->wants, n * sizeof(*wants));
	n = core_wants_add(core, t->tenant->index, in->extra, in->n_extra, wants, n);
	return core_group_get(core, t->tenant->index, wants, n);
}

/* Given the tenant (NULL: none such). NULL: fine; else what is wrong, an ERR_NOT_FOUND for the holder. */
static const char *resolve(struct router_core *core, const struct router_enqueue_in *in, struct target *t)
{
	struct agent *a;

	if (!t->tenant)
		return "no such tenant";
	if (!str_empty(in->queue_id)) {
		t->queue = core_queue_find(core, t->tenant->index, in->queue_id);
		if (!t->queue)
			return "no such queue";
	}
	if (str_empty(in->agent_id)) {
		if (!t->queue)
			return "neither a queue nor an agent is named";
		t->group = group_of(core, t, in);
		return NULL;
	}
	a = core_agent_find(core, t->tenant->index, in->agent_id);
	if (!a || !a->class)
		return "no such agent";
	t->group = core_group_of_agent(core, a);
	return NULL;
}

static void set_tried(struct router_core *core, struct call *c, const struct router_enqueue_in *in)
{
	size_t n = in->n_tried < ROUTER_TRIED_MAX ? in->n_tried : ROUTER_TRIED_MAX;

	mem_free(c->tried);
	c->tried = NULL;
	c->n_tried = 0;
	if (!n)
		return;
	c->tried = mem_array(n, sizeof(*c->tried));
	if (!c->tried) {
		core_break(core);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		const struct agent *a = core_agent_find(core, c->tenant, in->tried[i]);

		if (a)
			c->tried[c->n_tried++] = a->index;
	}
}

static uint32_t clamp_priority(uint32_t p)
{
	return p < ROUTER_PRIORITY_MAX ? p : ROUTER_PRIORITY_MAX;
}

/* Takes over the reference to the group. The call is in no heap. */
static void set_place(struct router_core *core, struct call *c, const struct router_enqueue_in *in,
		      const struct target *t)
{
	core_group_unref(core, c->group);
	c->group = t->group;
	enter_queue(c, t->queue);
	c->priority = clamp_priority(in->priority);
	c->arrival_ms = in->arrival_ms;
}

bool core_may_adopt(const struct router_core *core, const struct call *c, const struct agent *a)
{
	return !a->give_back && !a->accepted && !a->casing && a->blind < a->revision && c->owner->alive &&
	       !core_tried(c, a) && core_time_to_ring(core, c, a->until_ms);
}

/* A new leader may find the agent already reserved for the call by the old one. */
static void serve_or_adopt(struct router_core *core, struct call *c)
{
	struct agent *a = core_orphan_find(core, c->tenant, c->id);

	if (a && core_may_adopt(core, c, a))
		core_call_adopt(core, c, a);
	else
		core_call_serve(core, c);
}

static bool full(const struct router_core *core, const struct router_enqueue_in *in, const struct queue *q)
{
	/* Who came before we began (again) to ask who waits, or comes back from an agent who did not answer, had a place already and keeps it. */
	return q && q->max_waiting && !in->n_tried && q->waiting >= q->max_waiting && !core->collecting &&
	       in->arrival_ms >= core->began_ms;
}

static void enqueue_new(struct router_core *core, const struct router_enqueue_in *in, struct owner *o,
			const struct target *t, uint64_t hash)
{
	struct call *c;

	if (full(core, in, t->queue)) {
		refuse(core, in->owner, in->tenant, in->call_id, in->queue_id, ERR_EXHAUSTED, "the queue is full");
		core_group_unref(core, t->group);
		return;
	}
	c = core_call_new(core, t->tenant->index, in->call_id, hash);
	if (!c)
		return;
	enter_owner(c, o);
	c->epoch = in->call_epoch;
	set_place(core, c, in, t);
	set_tried(core, c, in);
	serve_or_adopt(core, c);
	/* Who is being given an agent hears of that next; should it come to nothing, the call asks again in two seconds. */
	if (c->state != CALL_RESERVING)
		tell_queued(core, c);
}

static bool same_place(const struct call *c, const struct router_enqueue_in *in, const struct target *t)
{
	return c->group == t->group && c->queue == t->queue && c->priority == clamp_priority(in->priority) &&
	       c->arrival_ms == in->arrival_ms;
}

/* Asserted again: a repeat, another place, or back after an agent did not answer. */
static void enqueue_again(struct router_core *core, const struct router_enqueue_in *in, struct owner *o,
			  const struct target *t, struct call *c)
{
	bool same = same_place(c, in, t), serve = c->state == CALL_PARKED;

	enter_owner(c, o);
	if (o->alive)
		core_call_comfort(core, c);
	c->epoch = in->call_epoch;
	set_tried(core, c, in);
	if (c->state == CALL_WAITING && !same) {
		core_call_unwait(core, c);
		serve = true;
	} else if (c->state == CALL_RESERVING && !same) {
		detach(core, c, "call-moved");
		serve = true;
	} else if (c->state == CALL_ASSIGNED && core_tried(c, c->agent)) {
		c->agent->call = NULL; /* was accepted, did not answer: the record will say so */
		c->agent->accepted = true;
		c->agent = NULL;
		serve = true;
	}
	/* ASSIGNED and another place: the assignment stands, its owner may have accepted it already. */
	set_place(core, c, in, t);
	if (serve)
		serve_or_adopt(core, c);
	tell_queued(core, c);
	if (c->state == CALL_ASSIGNED && !serve)
		tell_assigned(core, c);
}

err_t router_core_enqueue(struct router_core *core, const struct router_enqueue_in *in, int64_t now_ms)
{
	struct owner *o = core_owner_get(core, in->owner);
	struct call *c = NULL;
	struct target t = { .tenant = core_tenant_find(core, in->tenant) };
	uint64_t hash = 0;
	const char *wrong;

	core->now_ms = now_ms > core->now_ms ? now_ms : core->now_ms;
	if (!o || core_tenant_left(core, in->tenant))
		return core_done(core);
	if (t.tenant) {
		hash = hmap_hash(t.tenant->index, in->call_id);
		hmap_prefetch(&core->calls, hash);
	}
	wrong = resolve(core, in, &t);
	if (t.tenant)
		c = core_call_find_hashed(core, t.tenant->index, in->call_id, hash);
	if (c && in->call_epoch < c->epoch) {
		core_group_unref(core, t.group);
	} else if (wrong) {
		if (c)
			core_call_refuse(core, c, ERR_NOT_FOUND, wrong);
		else
			refuse(core, in->owner, in->tenant, in->call_id, in->queue_id, ERR_NOT_FOUND, wrong);
	} else if (!t.group) {
		core_break(core);
	} else if (c) {
		enqueue_again(core, in, o, &t, c);
	} else {
		enqueue_new(core, in, o, &t, hash);
	}
	core_hold_check(core);
	return core_done(core);
}

err_t router_core_dequeue(struct router_core *core, const char *tenant, const char *call_id, uint64_t call_epoch,
			  int64_t now_ms)
{
	struct tenant *t = core_tenant_find(core, tenant);
	struct call *c = t ? core_call_find(core, t->index, call_id) : NULL;

	core->now_ms = now_ms > core->now_ms ? now_ms : core->now_ms;
	if (c && call_epoch >= c->epoch) {
		detach(core, c, "call-gone");
		core_call_forget(core, c);
	}
	core_hold_check(core);
	return core_done(core);
}

/* ---- results ------------------------------------------------------------------------------------------------------- */

/* Is the agent RESERVED for the call, by that assignment? Late repeats of what was said about an earlier one are not. */
static bool means(const struct agent *a, const struct router_result_in *in)
{
	return a->state == AGENT_RESERVED && !a->casing && strcmp(a->call_id, in->call_id) == 0 &&
	       (str_empty(in->leg_id) || strcmp(a->leg_id, in->leg_id) == 0);
}

/* The holder's word that this agent has the call: whatever else we had in mind for it is over. */
static void accepted(struct router_core *core, struct agent *a, struct call *c, const struct router_result_in *in)
{
	struct agent *other;

	a->doubt = false;
	if (!means(a, in) || (c && c->agent != a && core_tried(c, a)))
		return;
	if (c && c->agent == a) {
		a->call = NULL;
		c->agent = NULL;
	}
	if (c) {
		detach(core, c, "superseded");
		core_call_forget(core, c);
	}
	core_orphan_set(core, a, false);
	a->accepted = true;
	/* A reservation of the call by a deposed leader that nobody will use. */
	while ((other = core_orphan_find(core, a->tenant, in->call_id))) {
		core_orphan_set(core, other, false);
		core_agent_give_back(core, other, "superseded");
	}
}

static void call_gone(struct router_core *core, struct agent *a, struct call *c, const struct router_result_in *in)
{
	bool knows = c && in->call_epoch && str_eq(c->owner->id, in->owner);

	if (!means(a, in) || a->accepted || a->give_back)
		return;
	if (knows && c->agent == a) {
		detach(core, c, "call-gone");
		core_call_forget(core, c);
	} else if (knows) {
		core_orphan_set(core, a, false);
		core_agent_give_back(core, a, "call-gone");
	} else { /* a holder that lost its memory, while another may have adopted the call: does it exist? */
		a->doubt = true;
		core_agent_want(core, a, core->now_ms + 1);
	}
}

/* An assignment of an earlier leader came too late. */
static void stale(struct router_core *core, struct agent *a, const struct call *c, const struct router_result_in *in)
{
	if (!means(a, in) || a->accepted || a->give_back || (c && c->agent == a) || in->router_epoch >= core->p.epoch ||
	    a->router_epoch != in->router_epoch)
		return;
	core_orphan_set(core, a, false);
	core_agent_give_back(core, a, "stale-assignment");
}

err_t router_core_result(struct router_core *core, const struct router_result_in *in, int64_t now_ms)
{
	struct tenant *t = core_tenant_find(core, in->tenant);
	struct agent *a = t ? core_agent_find(core, t->index, in->agent_id) : NULL;
	struct call *c = t ? core_call_find(core, t->index, in->call_id) : NULL;

	core->now_ms = now_ms > core->now_ms ? now_ms : core->now_ms;
	if (t)
		core_see_epoch(core, in->router_epoch);
	/* call_epoch 0: the holder knows nothing of the call. */
	if (!a || core->deposed || (c && in->call_epoch && in->call_epoch < c->epoch))
		return core_done(core);
	if (in->outcome == ROUTER_ACCEPTED)
		accepted(core, a, c, in);
	else if (in->outcome == ROUTER_CALL_GONE)
		call_gone(core, a, c, in);
	else if (in->outcome == ROUTER_STALE)
		stale(core, a, c, in);
	return core_done(core);
}
