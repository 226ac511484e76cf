#include "core_internal.h"
#include "base/mem.h"

#define TIMERS_A_TURN 512 /* looks at all calls after a take-over, say, are not all done at once */

/* ---- small helpers ------------------------------------------------------------------------------------------------- */

bool u32s_add(struct u32s *l, uint32_t v)
{
	if (l->n == l->cap) {
		uint32_t cap = l->cap ? l->cap * 2 : 4, *more = mem_realloc(l->v, cap * sizeof(*more));

		if (!more)
			return false;
		l->v = more;
		l->cap = cap;
	}
	l->v[l->n++] = v;
	return true;
}

void u32s_remove(struct u32s *l, uint32_t v)
{
	for (uint32_t i = 0; i < l->n; i++) {
		if (l->v[i] != v)
			continue;
		l->v[i] = l->v[--l->n];
		return;
	}
}

void core_break(struct router_core *core)
{
	core->broken = true;
}

err_t core_done(struct router_core *core)
{
	if (core->broken)
		return ERR_EXHAUSTED;
	return core->deposed ? ERR_ABORTED : ERR_OK;
}

void core_see_epoch(struct router_core *core, uint64_t epoch)
{
	core->deposed |= epoch > core->p.epoch;
}

void core_timer(struct router_core *core, struct timer *t, int64_t at_ms)
{
	wheel_start(&core->wheel, &t->node, at_ms);
}

void core_agent_want(struct router_core *core, struct agent *a, int64_t at_ms)
{
	a->want_ms = at_ms;
	if (at_ms && (!wheel_running(&a->timer.node) || a->timer.node.at_ms > at_ms))
		wheel_start(&core->wheel, &a->timer.node, at_ms);
}

/* ---- life ---------------------------------------------------------------------------------------------------------- */

static int64_t or_default(int64_t v, int64_t def)
{
	return v ? v : def;
}

static uint32_t *places_of(void *arg, uint32_t agent)
{
	struct agent *a = pool_at(&((struct router_core *)arg)->agent_pool, agent);

	return a->more_places ? a->more_places : a->few_places;
}

err_t router_core_new(struct router_core **ret, const struct router_core_params *p)
{
	struct router_core *core = mem_zalloc(sizeof(*core));

	if (!core)
		return ERR_EXHAUSTED;
	core->p = *p;
	core->p.collect_ms = or_default(p->collect_ms, 500);
	core->p.repeat_ms = or_default(p->repeat_ms, 1000);
	core->p.margin_ms = or_default(p->margin_ms, 10000);
	core->p.look_ms = or_default(p->look_ms, 10000);
	core->p.park_ms = or_default(p->park_ms, 120000);
	core->p.hold_ms = or_default(p->hold_ms, 1500);
	core->now_ms = p->now_ms;
	core->collecting = true;
	core->began_ms = p->now_ms;
	core->collect_until_ms = p->now_ms + core->p.collect_ms;
	core->tenant_pool = (struct pool)POOL_INIT(sizeof(struct tenant));
	core->skill_pool = (struct pool)POOL_INIT(sizeof(struct skill));
	core->queue_pool = (struct pool)POOL_INIT(sizeof(struct queue));
	core->agent_pool = (struct pool)POOL_INIT(sizeof(struct agent));
	core->call_pool = (struct pool)POOL_INIT(sizeof(struct call));
	core->owner_pool = (struct pool)POOL_INIT(sizeof(struct owner));
	core->group_pool = (struct pool)POOL_INIT(sizeof(struct group));
	core->class_pool = (struct pool)POOL_INIT(sizeof(struct class));
	core->site_pool = (struct pool)POOL_INIT(sizeof(struct site));
	feeds_init(&core->feeds, places_of, core);
	core->agent_pool.huge = core->class_pool.huge = core->agents.huge =
	    true; /* these grow with the configuration */
	arena_init(&core->arena, 4096);
	wheel_init(&core->wheel, p->now_ms);
	*ret = core;
	return ERR_OK;
}

/* Freed objects of a pool keep nothing on the heap, so all numbers can be walked. */
static void free_contents(struct router_core *core)
{
	for (uint32_t i = 0; i < core->tenant_pool.n; i++)
		mem_free(((struct tenant *)pool_at(&core->tenant_pool, i))->queues.v);
	for (uint32_t i = 0; i < core->skill_pool.n; i++) {
		struct skill *s = pool_at(&core->skill_pool, i);

		mem_free(s->classes.v);
		mem_free(s->anchored.v);
		for (unsigned l = 1; l <= LEVELS; l++)
			feed_done(&core->feeds, skill_feed(s, l));
	}
	for (uint32_t i = 0; i < core->queue_pool.n; i++)
		mem_free(((struct queue *)pool_at(&core->queue_pool, i))->wants);
	for (uint32_t i = 0; i < core->agent_pool.n; i++)
		mem_free(((struct agent *)pool_at(&core->agent_pool, i))->more_places);
	for (uint32_t i = 0; i < core->call_pool.n; i++)
		mem_free(((struct call *)pool_at(&core->call_pool, i))->tried);
	for (uint32_t i = 0; i < core->group_pool.n; i++)
		core_group_free(core, pool_at(&core->group_pool, i));
	for (uint32_t i = 0; i < core->class_pool.n; i++)
		core_class_free(pool_at(&core->class_pool, i));
}

void router_core_free(struct router_core **ref)
{
	struct router_core *core = *ref;
	struct hmap *maps[] = { NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL };

	if (!core)
		return;
	free_contents(core);
	maps[0] = &core->tenants, maps[1] = &core->skills, maps[2] = &core->queues, maps[3] = &core->agents;
	maps[4] = &core->calls, maps[5] = &core->owners, maps[6] = &core->groups, maps[7] = &core->classes;
	maps[8] = &core->orphans, maps[9] = &core->sites;
	for (size_t i = 0; i < ARRAY_SIZE(maps); i++)
		hmap_done(maps[i]);
	pool_done(&core->tenant_pool);
	pool_done(&core->skill_pool);
	pool_done(&core->queue_pool);
	pool_done(&core->agent_pool);
	pool_done(&core->call_pool);
	pool_done(&core->owner_pool);
	pool_done(&core->group_pool);
	pool_done(&core->class_pool);
	pool_done(&core->site_pool);
	feeds_done(&core->feeds);
	arena_done(&core->arena);
	mem_free(core->heads);
	mem_free(core->fx);
	mem_free(core);
	*ref = NULL;
}

/* ---- effects ------------------------------------------------------------------------------------------------------- */

struct router_fx *core_effect(struct router_core *core, enum router_fx_kind kind)
{
	struct router_fx *fx = &core->spare_fx;

	if (core->deposed)
		goto out; /* nothing we want is to be done any more */
	if (core->n_fx == core->cap_fx) {
		size_t cap = core->cap_fx ? core->cap_fx * 2 : 64;
		struct router_fx *more = mem_realloc(core->fx, cap * sizeof(*more));

		if (more) {
			core->fx = more;
			core->cap_fx = cap;
		} else {
			core_break(core);
		}
	}
	if (core->n_fx < core->cap_fx)
		fx = &core->fx[core->n_fx++];
out:
	*fx = (struct router_fx){ .kind = kind };
	return fx;
}

const struct router_fx *router_core_effects(const struct router_core *core, size_t *ret_n)
{
	*ret_n = core->n_fx;
	return core->fx;
}

void router_core_effects_done(struct router_core *core)
{
	core->n_fx = 0;
	while (core->dead) {
		struct call *c = core->dead;

		core->dead = c->owner_next;
		mem_free(c->tried);
		c->tried = NULL;
		pool_put(&core->call_pool, c->index);
	}
	if (core->arena.head)
		arena_reset(&core->arena);
}

/* ---- holders and the beginning of an epoch -------------------------------------------------------------------------- */

static void end_collecting(struct router_core *core)
{
	core->collecting = false;
	if (!core_holds(core))
		core_serve_all(core);
}

/* At least one live holder, and all of them through. */
static void check_collected(struct router_core *core)
{
	bool any = false;

	if (!core->collecting)
		return;
	for (uint32_t i = 0; i < core->owner_pool.n; i++) {
		const struct owner *o = pool_at(&core->owner_pool, i);

		if (o->alive && !o->asserted)
			return;
		any |= o->alive;
	}
	if (any)
		end_collecting(core);
}

static void set_now(struct router_core *core, int64_t now_ms)
{
	if (now_ms > core->now_ms)
		core->now_ms = now_ms;
}

err_t router_core_assert_end(struct router_core *core, const char *owner, uint64_t router_epoch, int64_t now_ms)
{
	struct owner *o;

	set_now(core, now_ms);
	core_see_epoch(core, router_epoch);
	if (router_epoch != core->p.epoch)
		return core_done(core);
	o = core_owner_get(core, owner);
	if (o) {
		o->asserted = true;
		check_collected(core);
	}
	return core_done(core);
}

err_t router_core_collect(struct router_core *core, int64_t now_ms)
{
	set_now(core, now_ms);
	core->collecting = true;
	core->began_ms = core->now_ms;
	core->collect_until_ms = core->now_ms + core->p.hold_ms;
	for (uint32_t i = 0; i < core->owner_pool.n; i++)
		((struct owner *)pool_at(&core->owner_pool, i))->asserted = false;
	return core_done(core);
}

void core_call_comfort(struct router_core *core, struct call *c)
{
	core->n_bereaved -= c->bereaved;
	c->bereaved = false;
}

static void end_holding(struct router_core *core)
{
	core->hold_until_ms = 0;
	if (!core->collecting)
		core_serve_all(core);
}

void core_hold_check(struct router_core *core)
{
	if (core->hold_until_ms && (!core->n_bereaved || core->now_ms >= core->hold_until_ms))
		end_holding(core);
}

/* Its calls are taken over within some hundred milliseconds. Until then, and for hold_ms at most, agents wait: given to those
 * behind, they would make callers who came earlier wait longer than those who came later. */
static void owner_died(struct router_core *core, struct owner *o)
{
	struct call *next;

	for (struct call *c = o->calls; c; c = next) {
		next = c->owner_next;
		if (c->state != CALL_WAITING && c->state != CALL_PARKED)
			continue;
		core_call_park(core, c, core->p.park_ms);
		core->n_bereaved += !c->bereaved;
		c->bereaved = true;
		core->hold_until_ms = core->now_ms + core->p.hold_ms;
	}
	check_collected(core);
}

static struct call *next_of_owner(const struct call *c)
{
	return c->owner_next;
}

static void owner_came(struct router_core *core, struct owner *o)
{
	struct call *next;

	for (struct call *c = o->calls; c; c = next) {
		next = c->owner_next;
		core_call_comfort(core, c);
		if (c->state == CALL_PARKED)
			core_call_wait(core, c);
	}
	core_hold_check(core);
	core_serve_list(core, o->calls, next_of_owner);
}

err_t router_core_owner(struct router_core *core, const char *owner, bool alive, int64_t now_ms)
{
	struct owner *o = core_owner_get(core, owner);
	bool was;

	set_now(core, now_ms);
	if (!o)
		return core_done(core);
	was = o->alive;
	o->alive = alive;
	if (was && !alive)
		owner_died(core, o);
	else if (!was && alive)
		owner_came(core, o);
	return core_done(core);
}

/* ---- time ---------------------------------------------------------------------------------------------------------- */

static void agent_fired(struct router_core *core, struct agent *a)
{
	int64_t want_ms = a->want_ms;

	if (want_ms > core->now_ms) {
		wheel_start(&core->wheel, &a->timer.node, want_ms);
	} else if (want_ms) {
		a->want_ms = 0;
		core_agent_timer(core, a);
	}
}

static void fired(struct wheel_node *n, void *arg)
{
	struct router_core *core = arg;
	struct timer *t = (struct timer *)n;

	if (t->of == TIMER_OF_AGENT)
		agent_fired(core, (struct agent *)((char *)t - offsetof(struct agent, timer)));
	else
		core_call_timer(core, (struct call *)((char *)t - offsetof(struct call, timer)));
}

err_t router_core_time(struct router_core *core, int64_t now_ms)
{
	set_now(core, now_ms);
	if (core->collecting && core->now_ms >= core->collect_until_ms)
		end_collecting(core);
	core_hold_check(core);
	core->timers_wait = !wheel_turn(&core->wheel, core->now_ms, TIMERS_A_TURN, fired, core);
	return core_done(core);
}

void router_core_stats(const struct router_core *core, struct router_core_stats *ret)
{
	*ret = core->stats;
	ret->agents = core->agents.n;
	ret->agents_idle = core->n_idle;
	ret->calls = core->calls.n;
	ret->calls_waiting = core->n_waiting;
	ret->queues = core->queues.n;
	ret->groups = core->groups.n;
	ret->classes = core->classes.n;
	ret->collecting = core->collecting;
	ret->timers_wait = core->timers_wait;
	ret->broken = core->broken;
	ret->deposed = core->deposed;
}
