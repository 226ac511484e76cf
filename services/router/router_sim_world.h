/*
 * router_sim_world: what router_sim_test.c runs in: time, messages, the KV, the routers, and the judge of their decisions.
 * Included once, by it; split from it for length only.
 */
#ifndef ROUTER_SIM_WORLD_H
#define ROUTER_SIM_WORLD_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core_internal.h"

#define T0	 1700000000000ll
#define AGENTS	 16
#define QUEUES	 6
#define SKILLS	 4
#define HOLDERS	 3
#define ROUTERS	 4
#define POOLS	 2 /* routers 0 and 1 are of the first */
#define CALLS	 40
#define TENANT	 "acme"
#define RING_MS	 15000
#define LEASE_MS 2000
#define TRUST_MS 1500

/* ---- world ---------------------------------------------------------------------------------------------------------- */

enum call_where { C_NONE, C_WAITING, C_RINGING, C_TALKING };
struct sim_call {
	enum call_where where;
	char id[16];
	int queue, priority, holder, agent;
	int64_t arrival_ms, repeat_ms;
	uint64_t epoch;
	unsigned gen; /* of its plans: ringing, talking */
	bool acked;
	uint32_t tried; /* bits */
	char leg[16];
};

struct sim_holder {
	bool up;
	int64_t skew_ms;
	uint64_t epoch; /* newest router epoch heard of, of the pool */
	int pool;	/* where it thinks that the tenant is */
	int64_t last_placed_ms;
};

struct sim_router {
	struct router_core *core;
	int pool;   /* its own */
	int placed; /* where it thinks that the tenant is */
	int64_t last_placed_ms;
	bool paused;
	unsigned incarnation;
	uint64_t epoch;
	int64_t trusted_until, notice_late_ms, skew_ms, last_record_ms, resume_ms;
	int64_t seen[HOLDERS];
	bool alive[HOLDERS];
	struct agent_record cache[AGENTS];
	uint64_t revision[AGENTS];
};

enum msg_kind {
	M_TICK,
	M_HOLDER_TICK,
	M_DESK_TICK,
	M_CHAOS_TICK,
	M_HEART,
	M_RESUME,
	M_HOLDER_UP,
	M_ADOPT,
	M_PLAN,
	M_RECORD,
	M_ENQUEUE,
	M_DEQUEUE,
	M_RESULT,
	M_ASSERT_END,
	M_QUEUED,
	M_ASSIGNED,
	M_REFUSED,
	M_EPOCH,
	M_CAS,
	M_CAS_DONE,
	M_CHANGE,
	M_READ,
	M_READ_DONE,
	M_LOOK,
	M_LOOK_DONE,
	M_DESK,
	M_CALL_EVENT,
	M_PLACED,	 /* a router's configuration: the tenant is in pool */
	M_PLACED_HOLDER, /* a holder's */
};

struct msg {
	int64_t at;
	uint64_t seq;
	enum msg_kind kind;
	int router, holder, agent, call, outcome, pool;
	unsigned incarnation, gen;
	uint64_t epoch, revision, call_epoch;
	int64_t until;
	uint32_t tried;
	bool exists, take_over;
	int only; /* router + 1: to this one, when it wakes */
	err_t error;
	struct agent_event ev; /* call_id points to call_id below when set */
	bool has_call;
	char call_id[16], leg[16];
	struct agent_record rec;
};

struct sim {
	uint64_t rng, seq, serial;
	int64_t now;
	struct msg *heap;
	size_t n, cap;
	bool storm, trace;
	bool stay; /* a fault: who leads does not let go of a tenant that moves */
	struct router_core_params faults;
	struct agent_record kv[AGENTS];
	uint64_t revision[AGENTS], revisions;
	unsigned level[AGENTS][SKILLS]; /* 0: does not have it */
	struct want need[QUEUES][2];
	int n_need[QUEUES];
	struct sim_router routers[ROUTERS];
	struct sim_holder holders[HOLDERS];
	struct sim_call calls[CALLS];
	int pool; /* where the tenant is */
	int lease_owner[POOLS];
	int64_t lease_until[POOLS];
	unsigned long steps, served, decisions, crashes, takeovers, deposed, moves;
	unsigned long overlaps, lost, doubled, late; /* leaders beside another one; messages */
	char violation[512];
};

static uint64_t rnd(struct sim *s, uint64_t n)
{
	s->rng ^= s->rng << 13;
	s->rng ^= s->rng >> 7;
	s->rng ^= s->rng << 17;
	return (s->rng >> 11) % n;
}

static bool chance(struct sim *s, unsigned per_mille)
{
	return rnd(s, 1000) < per_mille;
}

static void violated(struct sim *s, const char *what, const char *who, const char *whom)
{
	if (!s->violation[0])
		snprintf(s->violation, sizeof(s->violation), "%s: %s, %s (step %lu, t=%lld)", what, who, whom, s->steps,
			 (long long)(s->now - T0));
}

static const char *agent_name(int i)
{
	static char names[AGENTS][16];

	snprintf(names[i], sizeof(names[i]), "%d", 1001 + i);
	return names[i];
}

static const char *queue_name(int i)
{
	static char names[QUEUES][16];

	snprintf(names[i], sizeof(names[i]), "q%d", i);
	return names[i];
}

static const char *skill_name(int i)
{
	static char names[SKILLS][16];

	snprintf(names[i], sizeof(names[i]), "s%d", i);
	return names[i];
}

static const char *holder_name(int i)
{
	static const char *const names[HOLDERS] = { "cc-0", "cc-1", "cc-2" };

	return names[i];
}

static int agent_number(const char *id)
{
	return atoi(id) - 1001;
}

static struct sim_call *find_call(struct sim *s, const char *id)
{
	for (int i = 0; i < CALLS; i++)
		if (s->calls[i].where != C_NONE && strcmp(s->calls[i].id, id) == 0)
			return &s->calls[i];
	return NULL;
}

/* ---- messages: a heap by time ----------------------------------------------------------------------------------------- */

static bool sooner(const struct msg *a, const struct msg *b)
{
	return a->at != b->at ? a->at < b->at : a->seq < b->seq;
}

static void push(struct sim *s, struct msg m, int64_t at)
{
	size_t i = s->n++;

	if (s->n > s->cap) {
		s->cap = s->cap ? s->cap * 2 : 256;
		s->heap = mem_realloc(s->heap, s->cap * sizeof(*s->heap));
		assert_non_null(s->heap);
	}
	m.at = at > s->now ? at : s->now;
	m.seq = s->seq++;
	for (; i && sooner(&m, &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
		s->heap[i] = s->heap[(i - 1) / 2];
	s->heap[i] = m;
}

static struct msg pop(struct sim *s)
{
	struct msg first = s->heap[0], last = s->heap[--s->n];
	size_t i = 0;

	for (size_t c; (c = 2 * i + 1) < s->n; i = c) {
		if (c + 1 < s->n && sooner(&s->heap[c + 1], &s->heap[c]))
			c++;
		if (!sooner(&s->heap[c], &last))
			break;
		s->heap[i] = s->heap[c];
	}
	s->heap[i] = last;
	return first;
}

/* SIM_TRACE=1: every message that is no clock. */
static void trace(const struct sim *s, const struct msg *m)
{
	static const char *const names[] = { "tick",	 "holder-tick", "desk-tick", "chaos-tick", "heart",
					     "resume",	 "holder-up",	"adopt",     "plan",	   "record",
					     "enqueue",	 "dequeue",	"result",    "assert-end", "queued",
					     "assigned", "refused",	"epoch",     "cas",	   "cas-done",
					     "change",	 "read",	"read-done", "look",	   "look-done",
					     "desk",	 "call-event",	"placed",    "placed-cc" };

	if (!s->trace || m->kind <= M_HEART)
		return;
	printf("%7lld %-10s r%d cc-%d agent=%d call=%s leg=%s epoch=%llu call-epoch=%llu rev=%llu out=%d err=%d ev=%d "
	       "tried=%x state=%s/%s\n",
	       (long long)(s->now - T0), names[m->kind], m->router, m->holder, 1001 + m->agent, m->call_id, m->leg,
	       (unsigned long long)m->epoch, (unsigned long long)m->call_epoch, (unsigned long long)m->revision,
	       m->outcome, (int)m->error, (int)m->ev.kind, m->tried,
	       m->kind == M_RECORD ? agent_state_name(m->rec.state) : "", m->kind == M_RECORD ? m->rec.call_id : "");
}

/* Core NATS in a storm: lost, doubled, late. */
static void send(struct sim *s, struct msg m)
{
	int64_t delay = 1 + (int64_t)rnd(s, 10);

	if (!s->storm) {
		push(s, m, s->now + delay);
		return;
	}
	if (chance(s, 10)) {
		delay += (int64_t)rnd(s, 3000);
		s->late++;
	}
	if (!chance(s, 50))
		push(s, m, s->now + delay);
	else
		s->lost++;
	if (chance(s, 30)) {
		push(s, m, s->now + delay + (int64_t)rnd(s, 200));
		s->doubled++;
	}
}

static void to_kv(struct sim *s, struct msg m)
{
	push(s, m, s->now + 1 + (int64_t)rnd(s, 8));
}

/* ---- the KV: the only truth about agents ------------------------------------------------------------------------------ */

static err_t kv_apply(struct sim *s, int agent, const struct agent_event *ev, uint64_t expected, int64_t skew_ms)
{
	struct err_detail d;
	err_t e;

	if (expected && expected != s->revision[agent])
		return ERR_ABORTED;
	e = agent_step(&s->kv[agent], ev, s->now + skew_ms, &s->kv[agent], &d);
	if (e)
		return e;
	s->revision[agent] = ++s->revisions;
	for (int r = 0; r < ROUTERS; r++) {
		struct msg m = { .kind = M_RECORD,
				 .router = r,
				 .agent = agent,
				 .revision = s->revision[agent],
				 .rec = s->kv[agent] };
		int64_t at = s->now + 1 + (int64_t)rnd(s, s->storm && chance(s, 20) ? 1000 : 10);

		/* A watch is late at times, but never out of order. */
		if (at <= s->routers[r].last_record_ms)
			at = s->routers[r].last_record_ms;
		s->routers[r].last_record_ms = at;
		push(s, m, at);
	}
	return ERR_OK;
}

/* ---- the judge -------------------------------------------------------------------------------------------------------- */

static bool eligible(const struct sim *s, int agent, int queue)
{
	for (int i = 0; i < s->n_need[queue]; i++)
		if (s->level[agent][s->need[queue][i].skill] < s->need[queue][i].level)
			return false;
	return true;
}

struct seen { /* before an input */
	bool idle[AGENTS];
	int64_t since[AGENTS];
};

static struct agent *inside(const struct router_core *core, int agent)
{
	return core->tenants.n ? core_agent_find(core, 0, agent_name(agent)) : NULL;
}

static struct seen look_before(const struct router_core *core)
{
	struct seen seen = { 0 };

	for (int i = 0; i < AGENTS; i++) {
		const struct agent *a = inside(core, i);

		seen.idle[i] = a && a->idle;
		seen.since[i] = a ? a->ready_since_ms : 0;
	}
	return seen;
}

static int queue_of(const struct call *c)
{
	return c->queue ? atoi(c->queue->id + 1) : 0;
}

static bool was_tried(const struct router_core *core, const struct call *c, int agent)
{
	const struct agent *a = inside(core, agent);

	return a && core_tried(c, a);
}

/* O(everything): no better call for this agent is left waiting, no better agent for this call is left idle. */
static void judge_choice(struct sim *s, const struct router_core *core, const struct router_fx *fx,
			 const struct seen *before)
{
	const struct call *c = core_call_find(core, 0, fx->call_id);
	int chosen = agent_number(fx->agent_id);

	s->decisions++;
	if (core_holds(core))
		violated(s, "assigned while collecting, or while a dead owner's calls are nobody's", fx->call_id,
			 fx->agent_id);
	if (!c)
		return;
	if (!eligible(s, chosen, queue_of(c)))
		violated(s, "an agent without the skills", fx->call_id, fx->agent_id);
	for (int i = 0; i < AGENTS; i++) {
		const struct agent *a = inside(core, i);

		if (i == chosen || !a || !a->idle || !before->idle[i] || !eligible(s, i, queue_of(c)) ||
		    was_tried(core, c, i))
			continue;
		if (was_tried(core, c, chosen))
			violated(s, "one who did not answer, though another was ready", fx->call_id, fx->agent_id);
		if (a->ready_since_ms < inside(core, chosen)->ready_since_ms)
			violated(s, "not the longest idle", fx->agent_id, a->id);
	}
	for (uint32_t g = 0; g < core->group_pool.n; g++) {
		const struct group *group = pool_at(&core->group_pool, g);

		for (uint32_t k = 0; group->used && k < group->waiting.n; k++) {
			const struct call *w = (const struct call *)group->waiting.slots[k].node;

			if (eligible(s, chosen, queue_of(w)) &&
			    callheap_before(w->node.key, &w->node, callheap_key(c->priority, c->arrival_ms), &c->node))
				violated(s, "out of order", fx->call_id, w->id);
		}
	}
}

/* Outside of an input no waiting call has an idle agent. */
static void judge_rest(struct sim *s, const struct router_core *core)
{
	if (core_holds(core))
		return;
	for (uint32_t g = 0; g < core->group_pool.n; g++) {
		const struct group *group = pool_at(&core->group_pool, g);

		for (uint32_t k = 0; group->used && k < group->waiting.n; k++) {
			const struct call *w = (const struct call *)group->waiting.slots[k].node;

			for (int i = 0; i < AGENTS; i++)
				if (inside(core, i) && inside(core, i)->idle && eligible(s, i, queue_of(w)))
					violated(s, "waits although an agent is idle", w->id, agent_name(i));
		}
	}
}

/* ---- effects ----------------------------------------------------------------------------------------------------------- */

static int holder_number(const char *name)
{
	return atoi(name + 3);
}

static void perform_fx(struct sim *s, int r, const struct router_fx *fx)
{
	struct sim_router *ro = &s->routers[r];
	struct msg m = { .router = r,
			 .incarnation = ro->incarnation,
			 .epoch = ro->epoch,
			 .revision = fx->revision,
			 .agent = fx->agent_id ? agent_number(fx->agent_id) : 0,
			 .until = fx->reserved_until_ms };

	if (fx->call_id)
		snprintf(m.call_id, sizeof(m.call_id), "%s", fx->call_id);
	switch (fx->kind) {
	case ROUTER_FX_RESERVE:
		m.kind = M_CAS;
		m.take_over = fx->take_over;
		snprintf(m.leg, sizeof(m.leg), "leg%llu", (unsigned long long)++s->serial);
		if (fx->take_over)
			snprintf(m.leg, sizeof(m.leg), "%s", fx->leg_id);
		to_kv(s, m);
		return;
	case ROUTER_FX_AGENT:
		m.kind = M_CHANGE;
		m.ev = (struct agent_event){
			.kind = fx->event, .cause = fx->cause, .reason = fx->reason, .auto_ready = fx->auto_ready
		};
		to_kv(s, m);
		return;
	case ROUTER_FX_READ_AGENT:
		m.kind = M_READ;
		to_kv(s, m);
		return;
	case ROUTER_FX_LOOK:
		m.kind = M_LOOK;
		to_kv(s, m);
		return;
	default:
		break;
	}
	m.holder = holder_number(fx->owner);
	m.kind = fx->kind == ROUTER_FX_QUEUED ? M_QUEUED : fx->kind == ROUTER_FX_ASSIGNED ? M_ASSIGNED : M_REFUSED;
	if (fx->leg_id)
		snprintf(m.leg, sizeof(m.leg), "%s", fx->leg_id);
	send(s, m);
}

static void unlead(struct sim *s, int r)
{
	router_core_free(&s->routers[r].core);
	s->routers[r].incarnation++;
}

static void after(struct sim *s, int r, err_t e, const struct seen *before)
{
	struct router_core *core = s->routers[r].core;
	const struct router_fx *fx;
	size_t n;

	if (e == ERR_ABORTED) {
		s->deposed++;
		unlead(s, r);
		return;
	}
	assert_int_equal(e, ERR_OK);
	for (fx = router_core_effects(core, &n); n; n--, fx++) {
		if (fx->kind == ROUTER_FX_RESERVE && !fx->take_over)
			judge_choice(s, core, fx, before);
		perform_fx(s, r, fx);
	}
	judge_rest(s, core);
	router_core_effects_done(core);
}

/* ---- leading ----------------------------------------------------------------------------------------------------------- */

static int64_t router_now(const struct sim *s, int r)
{
	return s->now + s->routers[r].skew_ms;
}

static void give_record(struct sim *s, int r, int agent, const struct agent_record *rec, uint64_t revision, bool read)
{
	struct sim_router *ro = &s->routers[r];
	struct router_agent_in in = { .tenant = TENANT,
				      .agent_id = agent_name(agent),
				      .revision = revision,
				      .state = rec->state,
				      .on_duty = agent_on_duty(rec),
				      .ready_since_ms = rec->ready_since_ms,
				      .call_id = rec->call_id,
				      .leg_id = rec->leg_id,
				      .site = rec->site,
				      .router_epoch = rec->router_epoch,
				      .reserved_until_ms = rec->reserved_until_ms,
				      .wrap_up_until_ms = rec->wrap_up_until_ms,
				      .read = read };
	struct seen before;

	if (!ro->core || !revision || ro->placed != ro->pool)
		return;
	before = look_before(ro->core);
	after(s, r, router_core_agent(ro->core, &in, router_now(s, r)), &before);
}

static void give_agent_conf(struct sim *s, int r, int agent)
{
	struct router_skill skills[SKILLS];
	struct router_agent_conf conf = { .tenant = TENANT,
					  .agent_id = agent_name(agent),
					  .skills = skills,
					  .enabled = true,
					  .auto_ready = agent % 3 != 0 };
	struct seen before;

	if (!s->routers[r].core || s->routers[r].placed != s->routers[r].pool)
		return;
	for (int i = 0; i < SKILLS; i++)
		if (s->level[agent][i])
			skills[conf.n_skills++] = (struct router_skill){ skill_name(i), s->level[agent][i] };
	before = look_before(s->routers[r].core);
	after(s, r, router_core_agent_conf(s->routers[r].core, &conf, router_now(s, r)), &before);
}

static void give_queues(struct sim *s, int r)
{
	struct router_queue_conf queues[QUEUES];
	struct router_skill skills[QUEUES][2];
	struct router_tenant_conf conf = { .tenant = TENANT, .queues = queues, .n_queues = QUEUES };
	struct seen before = look_before(s->routers[r].core);

	for (int q = 0; q < QUEUES; q++) {
		for (int i = 0; i < s->n_need[q]; i++)
			skills[q][i] =
			    (struct router_skill){ skill_name((int)s->need[q][i].skill), s->need[q][i].level };
		queues[q] = (struct router_queue_conf){ .id = queue_name(q),
							.skills = skills[q],
							.n_skills = (size_t)s->n_need[q],
							.ring_timeout_ms = RING_MS };
	}
	after(s, r, router_core_tenant(s->routers[r].core, &conf, router_now(s, r)), &before);
}

static void tell_epoch(struct sim *s, int r)
{
	for (int h = 0; h < HOLDERS; h++)
		send(s, (struct msg){
			    .kind = M_EPOCH, .holder = h, .epoch = s->routers[r].epoch, .pool = s->routers[r].pool });
}

static void lead(struct sim *s, int r)
{
	struct sim_router *ro = &s->routers[r];
	struct router_core_params p = s->faults;

	s->takeovers++;
	for (int i = 0; i < ROUTERS; i++)
		s->overlaps += i != r && s->routers[i].core && s->routers[i].pool == ro->pool;
	ro->epoch = ++s->revisions;
	ro->incarnation++;
	p.epoch = ro->epoch;
	p.now_ms = router_now(s, r);
	assert_int_equal(router_core_new(&ro->core, &p), ERR_OK);
	if (ro->placed == ro->pool)
		give_queues(s, r);
	for (int i = 0; i < AGENTS; i++)
		give_agent_conf(s, r, i);
	for (int h = 0; ro->core && h < HOLDERS; h++)
		if (ro->alive[h])
			assert_int_equal(router_core_owner(ro->core, holder_name(h), true, router_now(s, r)), ERR_OK);
	for (int i = 0; i < AGENTS; i++)
		give_record(s, r, i, &ro->cache[i], ro->revision[i], false);
	tell_epoch(s, r);
}

static void router_tick(struct sim *s, int r)
{
	struct sim_router *ro = &s->routers[r];
	struct seen before;

	if (s->lease_owner[ro->pool] == r && s->now < s->lease_until[ro->pool] && ro->core) {
		s->lease_until[ro->pool] = s->now + LEASE_MS;
		ro->trusted_until = s->now + TRUST_MS;
	} else if (!ro->core && s->now >= s->lease_until[ro->pool]) {
		s->lease_owner[ro->pool] = r;
		s->lease_until[ro->pool] = s->now + LEASE_MS;
		ro->trusted_until = s->now + TRUST_MS;
		ro->notice_late_ms = 0;
		lead(s, r);
	}
	if (!ro->core)
		return;
	if (s->now > ro->trusted_until + ro->notice_late_ms) {
		unlead(s, r);
		return;
	}
	for (int h = 0; h < HOLDERS; h++) {
		bool alive = s->now - ro->seen[h] < 1750;

		if (alive == ro->alive[h])
			continue;
		ro->alive[h] = alive;
		before = look_before(ro->core);
		after(s, r, router_core_owner(ro->core, holder_name(h), alive, router_now(s, r)), &before);
		if (!ro->core)
			return;
	}
	if (ro->core->collecting ? chance(s, 200) : rnd(s, 500) == 0) {
		before = look_before(ro->core);
		if (!ro->core->collecting) /* the bus was away */
			after(s, r, router_core_collect(ro->core, router_now(s, r)), &before);
		tell_epoch(s, r);
	}
	before = look_before(ro->core);
	after(s, r, router_core_time(ro->core, router_now(s, r)), &before);
}

/* ---- moves ----------------------------------------------------------------------------------------------------------------- */

/* Configuration comes late at times, never out of order, and everybody gets it. */
static void place(struct sim *s, struct msg m, int64_t *last_ms)
{
	int64_t at = s->now + 1 + (int64_t)rnd(s, s->storm && chance(s, 100) ? 3000 : 20);

	if (at <= *last_ms)
		at = *last_ms;
	*last_ms = at;
	m.pool = s->pool;
	push(s, m, at);
}

static void move_tenant(struct sim *s)
{
	s->moves++;
	s->pool = (s->pool + 1) % POOLS;
	for (int r = 0; r < ROUTERS; r++)
		place(s, (struct msg){ .kind = M_PLACED, .router = r }, &s->routers[r].last_placed_ms);
	for (int h = 0; h < HOLDERS; h++)
		place(s, (struct msg){ .kind = M_PLACED_HOLDER, .holder = h }, &s->holders[h].last_placed_ms);
}

/* As the shell (served.c): a leader lets the tenant go at once; one whom it comes to begins a new epoch, newer than the other's. */
static void on_placed(struct sim *s, const struct msg *m)
{
	struct sim_router *ro = &s->routers[m->router];
	struct seen before;
	bool was_here = ro->placed == ro->pool;

	ro->placed = m->pool;
	if (!ro->core || was_here == (ro->placed == ro->pool))
		return;
	if (was_here) {
		before = look_before(ro->core);
		if (!s->stay)
			after(s, m->router, router_core_leave(ro->core, TENANT, router_now(s, m->router)), &before);
		return;
	}
	if (s->lease_owner[ro->pool] == m->router)
		s->lease_until[ro->pool] = s->now;
	unlead(s, m->router);
}

/* ---- life ---------------------------------------------------------------------------------------------------------------- */

static struct sim *sim_new(uint64_t seed, const struct router_core_params *faults)
{
	struct sim *s = mem_zalloc(sizeof(*s));

	assert_non_null(s);
	s->rng = seed * 0x9e3779b97f4a7c15ull | 1;
	s->now = T0;
	s->faults = *faults;
	for (int p = 0; p < POOLS; p++)
		s->lease_owner[p] = -1;
	for (int r = 0; r < ROUTERS; r++)
		s->routers[r].pool = r * POOLS / ROUTERS;
	s->trace = getenv("SIM_TRACE");
	for (int i = 0; i < AGENTS; i++) {
		agent_record_init(&s->kv[i], TENANT, agent_name(i));
		for (int k = 0; k < SKILLS; k++) /* two can do everything, so that no call waits for ever */
			s->level[i][k] = i < 2 ? 10 : (unsigned)rnd(s, 11);
	}
	for (int q = 0; q < QUEUES; q++) {
		s->n_need[q] = q % 3; /* none, one, two */
		for (int i = 0; i < s->n_need[q]; i++)
			s->need[q][i] = (struct want){ (uint32_t)((q + i) % SKILLS), 1 + (uint32_t)rnd(s, 8) };
	}
	for (int r = 0; r < ROUTERS; r++)
		push(s, (struct msg){ .kind = M_TICK, .router = r }, s->now + r);
	for (int h = 0; h < HOLDERS; h++) {
		s->holders[h].up = true;
		push(s, (struct msg){ .kind = M_HEART, .holder = h }, s->now + h);
	}
	push(s, (struct msg){ .kind = M_HOLDER_TICK }, s->now);
	push(s, (struct msg){ .kind = M_DESK_TICK }, s->now);
	push(s, (struct msg){ .kind = M_CHAOS_TICK }, s->now);
	return s;
}

static void sim_free(struct sim *s)
{
	for (int r = 0; r < ROUTERS; r++)
		router_core_free(&s->routers[r].core);
	mem_free(s->heap);
	mem_free(s);
}

#endif
