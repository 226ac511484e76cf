/* Who gets whom. A call that comes looks for the longest idle agent in the feeds of its group; an agent who becomes free
 * looks for the first call among the heads of the groups it can serve. So outside of these functions no waiting call ever
 * has an idle agent who could serve it. */
#include "core_internal.h"
#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>

/* ---- waiting ------------------------------------------------------------------------------------------------------- */

void core_heap_changed(struct router_core *core, struct group *g)
{
	core->heads[g->index] = callheap_head_key(&g->waiting);
}

void core_call_wait(struct router_core *core, struct call *c)
{
	wheel_stop(&c->timer.node);
	c->state = CALL_WAITING;
	c->node.key = callheap_key(c->priority, c->arrival_ms);
	if (callheap_push(&c->group->waiting, &c->node)) {
		core_break(core);
		return;
	}
	core_heap_changed(core, c->group);
	core->n_waiting++;
	if (c->queue) {
		c->queue->waiting++;
		c->queue->by_priority[c->priority]++;
	}
}

/* The caller sets the state that follows. */
void core_call_unwait(struct router_core *core, struct call *c)
{
	if (c->node.pos == CALLHEAP_NONE)
		return;
	callheap_remove(&c->group->waiting, &c->node);
	core_heap_changed(core, c->group);
	core->n_waiting--;
	if (c->queue) {
		c->queue->waiting--;
		c->queue->by_priority[c->priority]--;
	}
}

void core_call_park(struct router_core *core, struct call *c, int64_t for_ms)
{
	core_call_unwait(core, c);
	c->state = CALL_PARKED;
	c->agent = NULL;
	core_timer(core, &c->timer, core->now_ms + for_ms);
}

/* ---- idle agents --------------------------------------------------------------------------------------------------- */

static void feed_into(struct router_core *core, struct feed *f, const struct agent *a, uint32_t *places, uint32_t no)
{
	places[no] = FEED_NOWHERE;
	if (f->wanted && feed_add(&core->feeds, f, (struct feed_entry){ a->fed_ms, a->index, no }, &places[no]))
		core_break(core);
}

void core_agent_feed(struct router_core *core, struct agent *a)
{
	struct class *k = a->class;
	uint32_t n = k->n_wants + k->n_multi, *places;

	for (uint32_t i = 0; i < n; i++) /* the misses at once, not one after the other */
		__builtin_prefetch(k->feeds[i], 1);
	for (uint32_t i = 0; i < n; i++)
		feed_prefetch_tail(&core->feeds, k->feeds[i]);
	places = core_places(a, n);
	if (!places) {
		core_break(core);
		return;
	}
	a->idle = true;
	a->fed_ms = a->ready_since_ms;
	core->n_idle++;
	k->n_idle++;
	for (uint32_t i = 0; i < n; i++)
		feed_into(core, k->feeds[i], a, places, i);
}

void core_agent_unidle(struct router_core *core, struct agent *a)
{
	struct class *k = a->class;
	const uint32_t *places = a->more_places ? a->more_places : a->few_places;
	uint32_t n;

	if (!a->idle)
		return;
	assert(k);
	n = k->n_wants + k->n_multi;
	a->idle = false;
	core->n_idle--;
	k->n_idle--;
	if (core->broken) /* it may be in some of them only */
		return;
	for (uint32_t i = 0; i < n; i++) {
		feed_prefetch(&core->feeds, places[i]);
		__builtin_prefetch(k->feeds[i], 1);
	}
	for (uint32_t i = 0; i < n; i++)
		if (places[i] != FEED_NOWHERE)
			feed_remove(&core->feeds, k->feeds[i], places[i]);
}

/* ---- choosing ------------------------------------------------------------------------------------------------------ */

bool core_tried(const struct call *c, const struct agent *a)
{
	for (uint32_t i = 0; i < c->n_tried; i++)
		if (c->tried[i] == a->index)
			return true;
	return false;
}

static bool tried_index(uint32_t agent, const void *arg)
{
	const struct call *c = arg;

	for (uint32_t i = 0; i < c->n_tried; i++)
		if (c->tried[i] == agent)
			return true;
	return false;
}

/* The feeds a group reads: first … *ret_n of them. */
static struct feed *feeds_of(const struct router_core *core, struct group *g, uint32_t *ret_n)
{
	struct skill *s;

	if (g->kind == GROUP_MULTI) {
		*ret_n = 1;
		return &g->feed;
	}
	s = pool_at(&core->skill_pool, g->first.skill);
	*ret_n = LEVELS + 1 - g->first.level;
	return skill_feed(s, g->first.level);
}

/* The feeds themselves tell since when their first one is idle: only the entry chosen is fetched. */
static struct agent *longest_idle(const struct router_core *core, const struct feed *feeds, uint32_t n)
{
	int64_t since_ms = FEED_NONE;
	uint32_t best = n;

	for (uint32_t i = 0; i < n; i++) { /* no branches: who is the oldest is not to be predicted */
		best = feeds[i].first_ms < since_ms ? i : best;
		since_ms = feeds[i].first_ms < since_ms ? feeds[i].first_ms : since_ms;
	}
	return best < n ? pool_at(&core->agent_pool, feed_head(&core->feeds, &feeds[best])->agent) : NULL;
}

static struct agent *longest_idle_untried(struct router_core *core, const struct call *c, const struct feed *feeds,
					  uint32_t n)
{
	struct feed_entry best = { 0 }, e;
	bool any = false;

	for (uint32_t i = 0; i < n; i++) {
		if (feeds[i].first_ms == FEED_NONE || (any && feeds[i].first_ms >= best.since_ms) ||
		    !feed_first(&core->feeds, &feeds[i], tried_index, c, &e) || (any && e.since_ms >= best.since_ms))
			continue;
		best = e;
		any = true;
	}
	return any ? pool_at(&core->agent_pool, best.agent) : NULL;
}

static struct agent *youngest_idle(struct router_core *core, const struct feed *feeds, uint32_t n)
{
	struct feed_entry e;

	for (uint32_t i = 0; i < n; i++)
		if (feed_last(&core->feeds, &feeds[i], &e))
			return pool_at(&core->agent_pool, e.agent);
	return NULL;
}

static struct agent *pick_agent(struct router_core *core, const struct call *c)
{
	struct group *g = c->group;
	struct agent *a, *other;
	struct feed *feeds;
	uint32_t n;

	if (!core->n_idle)
		return NULL;
	if (g->kind == GROUP_AGENT)
		return g->agent->idle ? g->agent : NULL;
	feeds = feeds_of(core, g, &n);
	if (core->p.fault_lifo)
		return youngest_idle(core, feeds, n);
	a = longest_idle(core, feeds, n);
	if (!a || !c->n_tried || !core_tried(c, a))
		return a;
	/* Did not answer this call before: only if nobody else is there. */
	other = longest_idle_untried(core, c, feeds, n);
	return other ? other : a;
}

static struct callheap_node *first_of(const struct router_core *core, uint32_t group)
{
	return callheap_head(&((struct group *)pool_at(&core->group_pool, group))->waiting);
}

/* Of all groups but the best only the key in `heads` is read, except when keys are equal. */
static struct call *pick_call(const struct router_core *core, const struct agent *a)
{
	const uint32_t *groups = a->class->groups;
	const struct callheap_node *best = NULL, *head;
	uint64_t key = CALLHEAP_EMPTY, k;
	uint32_t best_at = NONE;

	if (!core->n_waiting)
		return NULL;
	for (uint32_t i = 0, n = a->class->n_groups; i < n; i++) {
		k = core->heads[groups[i]];
		if (k > key || k == CALLHEAP_EMPTY ||
		    (k == key && !callheap_before(k, first_of(core, groups[i]), key, first_of(core, best_at))))
			continue;
		best_at = groups[i];
		key = k;
	}
	if (best_at != NONE)
		best = first_of(core, best_at);
	if (a->group && a->group->waiting.n) {
		head = callheap_head(&a->group->waiting);
		k = callheap_head_key(&a->group->waiting);
		if (!best || callheap_before(k, head, key, best))
			best = head;
	}
	return (struct call *)best;
}

/* ---- deciding ------------------------------------------------------------------------------------------------------ */

static void begin_cas(struct router_core *core, struct call *c, struct agent *a, int64_t until_ms, bool take_over)
{
	struct router_fx *fx = core_effect(core, ROUTER_FX_RESERVE);

	wheel_stop(&c->timer.node);
	a->want_ms = 0;
	a->casing = true;
	a->cas_revision = a->revision;
	a->call = c;
	memcpy(a->cas_call, c->id, sizeof(a->cas_call));
	c->agent = a;
	c->state = CALL_RESERVING;
	c->reserved_until_ms = until_ms;
	fx->tenant = core_tenant_name(core, c->tenant);
	fx->call_id = c->id;
	fx->agent_id = a->id;
	fx->queue_id = c->queue ? c->queue->id : "";
	fx->owner = c->owner->id;
	fx->revision = a->revision;
	fx->reserved_until_ms = until_ms;
	fx->take_over = take_over;
	fx->leg_id = take_over ? a->leg_id : NULL;
}

static void reserve(struct router_core *core, struct call *c, struct agent *a)
{
	/* What follows touches all of it: the misses at once. */
	__builtin_prefetch(a->few_places);
	__builtin_prefetch(&a->ready_since_ms, 1);
	__builtin_prefetch(a->cas_call, 1);
	__builtin_prefetch(a->id);
	core_agent_unidle(core, a);
	begin_cas(core, c, a, core->now_ms + core_ring_ms(c) + core->p.margin_ms, false);
}

/* Only after a write of our own is the reservation ours: then an earlier leader who does not know that it is none cannot
 * give the agent back any more. The call is in no heap. */
void core_call_adopt(struct router_core *core, struct call *c, struct agent *a)
{
	core_orphan_set(core, a, false);
	begin_cas(core, c, a, a->until_ms, true);
}

/* The call is in no heap. */
void core_call_serve(struct router_core *core, struct call *c)
{
	struct agent *a;

	if (!c->owner->alive) {
		core_call_park(core, c, core->p.park_ms);
		return;
	}
	a = core_holds(core) ? NULL : pick_agent(core, c);
	if (a)
		reserve(core, c, a);
	else
		core_call_wait(core, c);
}

void core_agent_settle(struct router_core *core, struct agent *a)
{
	bool idle =
	    a->state == AGENT_READY && a->class && !a->casing && !a->call && !a->give_back && a->revision > a->blind;
	struct call *c;

	if (a->idle && idle && a->fed_ms == a->ready_since_ms)
		return;
	core_agent_unidle(core, a);
	if (!idle)
		return;
	c = core_holds(core) ? NULL : pick_call(core, a);
	if (c) {
		core_call_unwait(core, c);
		reserve(core, c, a);
	} else {
		core_agent_feed(core, a);
	}
}

static int by_order(const void *x, const void *y)
{
	const struct callheap_node *a = *(struct callheap_node *const *)x, *b = *(struct callheap_node *const *)y;

	return callheap_before(a->key, a, b->key, b) ? -1 : 1;
}

/* Waiting calls, first come first, against everybody idle. The others have nobody idle who could take them. */
static void serve(struct router_core *core, struct callheap_node **calls, size_t n)
{
	qsort(calls, n, sizeof(*calls), by_order);
	for (size_t i = 0; i < n && core->n_idle; i++) {
		struct call *c = (struct call *)calls[i];
		struct agent *a = pick_agent(core, c);

		if (!a)
			continue;
		core_call_unwait(core, c);
		reserve(core, c, a);
	}
}

/* After collecting, or holding back. */
void core_serve_all(struct router_core *core)
{
	struct callheap_node **all;
	size_t n = 0;

	if (!core->n_waiting || !core->n_idle)
		return;
	all = mem_array(core->n_waiting, sizeof(*all));
	if (!all) {
		core_break(core);
		return;
	}
	for (uint32_t i = 0; i < core->group_pool.n; i++) {
		const struct group *g = pool_at(&core->group_pool, i);

		for (uint32_t k = 0; g->used && k < g->waiting.n; k++)
			all[n++] = g->waiting.slots[k].node;
	}
	serve(core, all, n);
	mem_free(all);
}

void core_serve_list(struct router_core *core, struct call *first, struct call *(*next)(const struct call *c))
{
	struct callheap_node **list;
	size_t n = 0;

	if (core_holds(core) || !core->n_idle)
		return;
	for (const struct call *c = first; c; c = next(c))
		n += c->state == CALL_WAITING;
	list = n ? mem_array(n, sizeof(*list)) : NULL;
	if (!list) {
		if (n)
			core_break(core);
		return;
	}
	n = 0;
	for (struct call *c = first; c; c = next(c))
		if (c->state == CALL_WAITING)
			list[n++] = &c->node;
	serve(core, list, n);
	mem_free(list);
}
