/* What the agents' records say, and what became of our writes to them. */
#include "core_internal.h"
#include "base/str.h"

#define RETRY_MS     1000
#define GRACE_MS     2000 /* beyond reserved_until_ms: the clock of who extends or ends it may be behind */
#define LOOK_COST_MS 5	  /* at most one look each so many ms */

static struct router_fx *agent_effect(struct router_core *core, struct agent *a, enum router_fx_kind kind)
{
	struct router_fx *fx = core_effect(core, kind);

	fx->tenant = core_tenant_name(core, a->tenant);
	fx->agent_id = a->id;
	fx->call_id = a->call_id;
	fx->revision = a->revision;
	return fx;
}

static void apply(struct router_core *core, struct agent *a, enum agent_event_kind event, const char *cause,
		  const char *reason)
{
	struct router_fx *fx = agent_effect(core, a, ROUTER_FX_AGENT);

	fx->event = event;
	fx->cause = cause;
	fx->reason = reason;
	fx->auto_ready = a->auto_ready;
}

/* Repeated until a newer record is seen. */
void core_agent_give_back(struct router_core *core, struct agent *a, const char *cause)
{
	a->give_back = true;
	a->cause = cause;
	core->stats.given_back++;
	apply(core, a, AGENT_EV_UNRESERVE, cause, NULL);
	core_agent_want(core, a, core->now_ms + RETRY_MS);
}

static int64_t look_interval(const struct router_core *core)
{
	int64_t by_cost = (int64_t)core->n_on_call * LOOK_COST_MS, twice = 2 * core->p.look_ms;

	return by_cost > twice ? by_cost : twice;
}

/* What the agent's state waits for. */
static void set_timer(struct router_core *core, struct agent *a)
{
	if (a->casing)
		return;
	/* The agent's wishes meanwhile write records, too: they must not put off looks and deadlines. */
	if (a->state == AGENT_RESERVED && (a->orphan || a->doubt))
		return;
	if (a->state == AGENT_RESERVED)
		core_agent_want(core, a, a->give_back ? core->now_ms + RETRY_MS : a->until_ms + GRACE_MS);
	else if (a->state == AGENT_WRAP_UP)
		core_agent_want(core, a, a->until_ms);
	else if (a->state == AGENT_ON_CALL && !a->looking)
		core_agent_want(core, a, core->now_ms + core->p.look_ms);
	else if (a->state == AGENT_READY && a->blind >= a->revision)
		core_agent_want(core, a, core->now_ms + RETRY_MS);
	else if (a->state != AGENT_ON_CALL)
		core_agent_want(core, a, 0);
	a->looking = a->state == AGENT_ON_CALL;
}

static bool reserved_for(const struct agent *a, const char *call_id)
{
	return a->state == AGENT_RESERVED && strcmp(a->call_id, call_id) == 0;
}

/* ---- the reservation ----------------------------------------------------------------------------------------------- */

/* The record is RESERVED for cas_call, by us. */
static void won(struct router_core *core, struct agent *a)
{
	struct call *c = a->call;

	a->casing = a->unknown = false;
	set_timer(core, a);
	if (!c) {
		core_agent_give_back(core, a, "call-gone");
	} else if (!c->owner->alive) {
		a->call = NULL;
		core_call_park(core, c, core->p.park_ms);
		core_agent_give_back(core, a, "call-gone");
	} else if (!core_time_to_ring(core, c, a->until_ms)) { /* the write took too long */
		a->call = NULL;
		c->agent = NULL;
		core_agent_give_back(core, a, "too-late");
		core_call_serve(core, c);
	} else {
		core_call_assigned(core, c, a);
	}
}

static void reconcile_books(struct router_core *core, struct agent *a);

/* Somebody else wrote first, or nothing was written: the record as we know it counts again. */
static void lost(struct router_core *core, struct agent *a)
{
	struct call *c = a->call;

	a->casing = a->unknown = false;
	a->call = NULL;
	core->stats.conflicts++;
	if (c) {
		c->agent = NULL;
		core_call_serve(core, c);
	}
	reconcile_books(core, a);
	set_timer(core, a);
}

static bool is_ours(const struct router_core *core, const struct agent *a)
{
	return a->router_epoch == core->p.epoch && reserved_for(a, a->cas_call);
}

/* Our own write as the record shows it before the watch does. */
static void take_own_write(struct router_core *core, struct agent *a, const struct router_reserved_in *in)
{
	if (in->revision <= a->revision)
		return;
	a->state = AGENT_RESERVED;
	a->revision = in->revision;
	a->router_epoch = core->p.epoch;
	a->until_ms = a->call ? a->call->reserved_until_ms : core->now_ms;
	memcpy(a->call_id, a->cas_call, sizeof(a->call_id));
	if (in->leg_id)
		(void)str_copy(a->leg_id, sizeof(a->leg_id), in->leg_id);
}

err_t router_core_reserved(struct router_core *core, const struct router_reserved_in *in, int64_t now_ms)
{
	struct tenant *t = core_tenant_find(core, in->tenant);
	struct agent *a = t ? core_agent_find(core, t->index, in->agent_id) : NULL;
	err_t error = in->error;

	core->now_ms = now_ms > core->now_ms ? now_ms : core->now_ms;
	if (!a || !a->casing || strcmp(a->cas_call, in->call_id) != 0)
		return core_done(core);
	if (error == ERR_ABORTED && core->p.fault_ignore_conflict)
		error = ERR_OK;
	if (!error) {
		take_own_write(core, a, in);
		if (is_ours(core, a) || core->p.fault_ignore_conflict) {
			won(core, a);
		} else { /* the watch has already shown what came after it */
			a->casing = a->unknown = false;
			reconcile_books(core, a);
			set_timer(core, a);
		}
	} else if (error == ERR_ABORTED || error == ERR_PRECONDITION) {
		if (a->revision == a->cas_revision)
			a->blind = a->revision; /* the record is newer than we know */
		lost(core, a);
	} else {
		a->unknown = true;
		core_agent_want(core, a, core->now_ms + RETRY_MS);
	}
	core_agent_settle(core, a);
	return core_done(core);
}

/* ---- the record ---------------------------------------------------------------------------------------------------- */

/* RESERVED for a call that our books do not give it: by an earlier leader, or by one who does not know yet that it is
 * none. If the call waits here, take the reservation over. If it has another agent, its owner's answer to that assignment
 * tells which of the two is free (accepted(), call_gone()). */
static void foreign_reservation(struct router_core *core, struct agent *a)
{
	struct call *c = core_call_find(core, a->tenant, a->call_id);

	if (c && (c->state == CALL_WAITING || c->state == CALL_PARKED) && core_may_adopt(core, c, a)) {
		core_call_unwait(core, c);
		core_call_adopt(core, c, a);
	} else if (!a->orphan) {
		core_orphan_set(core, a, true);
		core_agent_want(core, a, core->now_ms + core->p.look_ms);
	}
}

/* No compare-and-set is under way: does the record agree with what we think the agent does? */
static void reconcile_books(struct router_core *core, struct agent *a)
{
	struct call *c = a->call;
	bool same = c && strcmp(a->call_id, c->id) == 0;

	if (!c) {
		if (a->state == AGENT_RESERVED && !a->accepted && !a->give_back)
			foreign_reservation(core, a);
		return;
	}
	if (same && a->state == AGENT_RESERVED)
		return;
	a->call = NULL;
	c->agent = NULL;
	if (same && (a->state == AGENT_ON_CALL || a->state == AGENT_WRAP_UP)) {
		core_call_forget(core, c); /* its owner took the assignment, though its answer did not reach us */
		return;
	}
	/* Somebody took the reservation away. Its owner knows more: a moment for its word. */
	core_call_park(core, c, RETRY_MS);
	reconcile_books(core, a);
}

static void take_record(struct router_core *core, struct agent *a, const struct router_agent_in *in)
{
	bool other_call = strcmp(a->call_id, in->call_id) != 0;

	if (a->orphan && (in->state != AGENT_RESERVED || other_call))
		core_orphan_set(core, a, false);
	if (in->state != AGENT_RESERVED || other_call)
		a->accepted = false;
	core->n_on_call += (in->state == AGENT_ON_CALL) - (a->state == AGENT_ON_CALL);
	a->give_back &= in->state == AGENT_RESERVED && !other_call;
	if (in->state != a->state || other_call) {
		a->missing = 0;
		a->looking = a->doubt = false;
	}
	a->state = in->state;
	a->revision = in->revision;
	a->ready_since_ms = in->ready_since_ms;
	a->router_epoch = in->router_epoch;
	a->until_ms = in->state == AGENT_WRAP_UP ? in->wrap_up_until_ms : in->reserved_until_ms;
	a->on_duty = in->on_duty;
	if (other_call)
		(void)str_copy(a->call_id, sizeof(a->call_id), in->call_id);
	if (in->state == AGENT_RESERVED) /* nobody asks for it otherwise */
		(void)str_copy(a->leg_id, sizeof(a->leg_id), in->leg_id);
	a->site = core_site(core, in->site);
}

/* The record while our compare-and-set is under way: it may be that write itself, before its acknowledgement. Anything
 * else decides nothing until the answer comes, except when the answer got lost. */
static void record_while_casing(struct router_core *core, struct agent *a)
{
	if (is_ours(core, a))
		won(core, a);
	else if (a->unknown)
		lost(core, a);
}

err_t router_core_agent(struct router_core *core, const struct router_agent_in *in, int64_t now_ms)
{
	struct tenant *t = core_tenant_get(core, in->tenant);
	struct agent *a = t ? core_agent_get(core, t->index, in->agent_id) : NULL;

	core->now_ms = now_ms > core->now_ms ? now_ms : core->now_ms;
	if (a) /* of a tenant that has left a newer one is to be expected */
		core_see_epoch(core, in->router_epoch);
	if (!a || in->revision < a->revision || (in->revision == a->revision && !in->read))
		return core_done(core);
	if (in->read)
		a->blind = 0;
	if (in->revision > a->revision)
		take_record(core, a, in);
	core_agent_count(core, a);
	if (a->casing) {
		record_while_casing(core, a);
	} else {
		set_timer(core, a);
		if (a->give_back)
			apply(core, a, AGENT_EV_UNRESERVE, a->cause, NULL); /* the agent's wish came between */
		reconcile_books(core, a);
	}
	core_agent_settle(core, a);
	return core_done(core);
}

/* ---- time ---------------------------------------------------------------------------------------------------------- */

static void reservation_over(struct router_core *core, struct agent *a)
{
	struct call *c = a->call;

	if (!a->give_back && core->now_ms < a->until_ms + GRACE_MS) { /* not over yet */
		if (a->orphan || a->doubt) {
			agent_effect(core, a, ROUTER_FX_LOOK); /* does its call exist? */
			core_agent_want(core, a, core->now_ms + core->p.look_ms);
		} else {
			set_timer(core, a);
		}
		return;
	}
	if (a->accepted) {
		apply(core, a, AGENT_EV_NO_ANSWER, "reservation-expired", "unreachable");
		core_agent_want(core, a, core->now_ms + RETRY_MS);
		return;
	}
	a->call = NULL;
	core_orphan_set(core, a, false);
	core_agent_give_back(core, a, a->give_back ? a->cause : "reservation-expired");
	if (!c)
		return;
	c->agent = NULL;
	core_call_serve(core, c);
}

void core_agent_timer(struct router_core *core, struct agent *a)
{
	if (a->unknown || (!a->casing && a->state == AGENT_READY && a->blind >= a->revision)) {
		agent_effect(core, a, ROUTER_FX_READ_AGENT);
		core_agent_want(core, a, core->now_ms + RETRY_MS);
	} else if (a->casing) {
		return;
	} else if (a->state == AGENT_RESERVED) {
		reservation_over(core, a);
	} else if (a->state == AGENT_WRAP_UP) {
		apply(core, a, AGENT_EV_WRAP_UP_OVER, NULL, NULL);
		core_agent_want(core, a, core->now_ms + RETRY_MS);
	} else if (a->state == AGENT_ON_CALL) {
		agent_effect(core, a, ROUTER_FX_LOOK);
		core_agent_want(core, a, core->now_ms + look_interval(core));
	}
}

static void reconcile(struct router_core *core, struct agent *a)
{
	struct call *c = a->call;

	a->call = NULL;
	if (c) {
		c->agent = NULL;
		core_call_forget(core, c);
	}
	core->stats.reconciled++;
	apply(core, a, AGENT_EV_RECONCILED, NULL, NULL);
}

/* Missing at two looks look_ms apart: the call ended without telling the record (its holder died, or gave up). */
err_t router_core_looked(struct router_core *core, const char *tenant, const char *agent_id, const char *call_id,
			 bool exists, int64_t now_ms)
{
	struct tenant *t = core_tenant_find(core, tenant);
	struct agent *a = t ? core_agent_find(core, t->index, agent_id) : NULL;
	bool in_doubt = a && a->state == AGENT_RESERVED && (a->orphan || a->doubt);

	core->now_ms = now_ms > core->now_ms ? now_ms : core->now_ms;
	if (!a || (a->state != AGENT_ON_CALL && !in_doubt) || strcmp(a->call_id, call_id) != 0)
		return core_done(core);
	if (exists) {
		a->missing = 0;
		a->doubt = false;
		if (in_doubt && !a->orphan)
			set_timer(core, a);
		return core_done(core);
	}
	if (++a->missing >= 2) {
		a->missing = 1;
		reconcile(core, a);
	}
	core_agent_want(core, a, core->now_ms + core->p.look_ms);
	return core_done(core);
}
