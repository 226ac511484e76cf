/*
 * A tenant that moves to another pool (GT-3): another leader has it, whose epoch is newer than ours. What we know of it goes without a
 * word: its waiting calls are asserted there by their holders, and agents that we have reserved are what any new leader finds: it takes
 * the reservation over, or gives it back. What was on its way to us when we let go is not listened to.
 */
#include "core_internal.h"

static void forget_calls(struct router_core *core, const struct tenant *t)
{
	for (uint32_t i = 0; i < core->owner_pool.n; i++) {
		struct call *next, *c = ((struct owner *)pool_at(&core->owner_pool, i))->calls;

		for (; c; c = next) {
			next = c->owner_next;
			if (c->tenant != t->index)
				continue;
			if (c->agent)
				c->agent->call = NULL;
			c->agent = NULL;
			core_call_forget(core, c);
		}
	}
}

static void forget_agent(struct router_core *core, struct agent *a)
{
	core_agent_leave_class(core, a);
	core_orphan_set(core, a, false);
	a->call = NULL;
	core->n_on_call -= a->state == AGENT_ON_CALL;
	a->state = AGENT_SIGNED_OUT;
	a->casing = a->unknown = a->give_back = a->accepted = false;
	a->want_ms = 0;
	wheel_stop(&a->timer.node);
}

err_t router_core_leave(struct router_core *core, const char *tenant, int64_t now_ms)
{
	struct tenant *t = core_tenant_find(core, tenant);

	core->now_ms = now_ms > core->now_ms ? now_ms : core->now_ms;
	if (!t)
		return core_done(core);
	forget_calls(core, t);
	for (uint32_t i = 0; i < core->agent_pool.n; i++) {
		struct agent *a = pool_at(&core->agent_pool, i);

		if (a->tenant == t->index)
			forget_agent(core, a);
	}
	while (t->queues.n && !core->broken)
		core_queue_drop(core, t, pool_at(&core->queue_pool, t->queues.v[t->queues.n - 1]));
	t->left = true;
	core_hold_check(core);
	return core_done(core);
}

bool router_core_knows(const struct router_core *core, const char *tenant)
{
	return core_tenant_find((struct router_core *)core, tenant);
}
