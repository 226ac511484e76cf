/* Queues for people's eyes: soft, a few queues at a time, so that it never holds up a decision. */
#include "core_internal.h"

#define SCAN 256 /* calls a look: a longer queue is searched over several, its oldest call told when all were seen */

static int64_t oldest_arrival(struct queue *q)
{
	const struct call *c = q->scan ? q->scan : q->calls;

	if (!q->waiting) {
		q->scan = NULL;
		q->oldest_ms = 0;
		return 0;
	}
	if (!q->scan)
		q->scan_ms = 0;
	for (int n = 0; c && n < SCAN; n++, c = c->queue_next)
		if (c->state == CALL_WAITING && (!q->scan_ms || c->arrival_ms < q->scan_ms))
			q->scan_ms = c->arrival_ms;
	q->scan = c;
	if (!c || !q->oldest_ms)
		q->oldest_ms = q->scan_ms;
	return q->oldest_ms;
}

static void look(struct router_core *core, struct queue *q, bool all,
		 void (*fn)(const struct router_queue_status *st, void *arg), void *arg)
{
	struct router_queue_status st = { .tenant = core_tenant_name(core, q->tenant), .queue_id = q->id };

	st.waiting = q->waiting;
	st.agents_on_duty = q->group->on_duty;
	st.agents_ready = core_group_idle(core, q->group);
	st.oldest_arrival_ms = oldest_arrival(q);
	if (!all && q->told.queue_id && st.waiting == q->told.waiting && st.agents_on_duty == q->told.agents_on_duty &&
	    st.agents_ready == q->told.agents_ready && st.oldest_arrival_ms == q->told.oldest_arrival_ms)
		return;
	q->told = st;
	fn(&st, arg);
}

void router_core_statuses(struct router_core *core, size_t n, bool all,
			  void (*fn)(const struct router_queue_status *st, void *arg), void *arg)
{
	for (n = n < core->queue_pool.n ? n : core->queue_pool.n; n; n--) {
		struct queue *q;

		if (core->status_at >= core->queue_pool.n)
			core->status_at = 0;
		q = pool_at(&core->queue_pool, core->status_at++);
		if (q->used && q->group)
			look(core, q, all, fn, arg);
	}
}
