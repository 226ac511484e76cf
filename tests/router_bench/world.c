#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define T0	1700000000000ll
#define AGENT_0 100000

void world_check(err_t e)
{
	if (!e)
		return;
	fprintf(stderr, "router-bench: %s\n", err_name(e));
	exit(1);
}

void *world_must(void *p)
{
	world_check(p ? ERR_OK : ERR_EXHAUSTED);
	return p;
}

static uint64_t rnd(struct world *w, uint64_t n)
{
	w->rng ^= w->rng << 13;
	w->rng ^= w->rng >> 7;
	w->rng ^= w->rng << 17;
	return w->rng % n;
}

/* Names are written when they are used, as they come fresh from a message in life: no cache misses of our own. */
struct name {
	char text[40];
};

static inline __attribute__((always_inline)) struct name numbered(const char *prefix, uint64_t n, unsigned digits,
								  unsigned base) /* constant: no divisions */
{
	struct name name = { "" };
	size_t len = strlen(prefix);

	memcpy(name.text, prefix, len);
	for (unsigned i = digits; i-- > 0; n /= base)
		name.text[len + i] = "0123456789abcdef"[n % base];
	return name;
}

static struct name agent_name(uint32_t i)
{
	return numbered("", AGENT_0 + i, 6, 10);
}

static struct name queue_name(uint64_t i)
{
	return numbered("queue-", i, 5, 10);
}

static struct name call_name(uint64_t i)
{
	return numbered("0192f3a1b2c37d4e8f50", i, 12, 16);
}

/* ---- configuration ------------------------------------------------------------------------------------------------- */

static void make_skills(struct world *w, long i)
{
	if (w->p.profiles && i >= w->p.profiles) {
		memcpy(w->skills[i], w->skills[i % w->p.profiles], sizeof(w->skills[i]));
		return;
	}
	for (int k = 0; k < SKILLS_OF_AGENT; k++)
		w->skills[i][k] =
		    (struct router_skill){ w->skill_ids[rnd(w, (uint64_t)w->p.skills)], 1 + (unsigned)rnd(w, 10) };
}

/* A number that depends on two others only. */
static uint64_t mixed(uint64_t a, uint64_t b)
{
	uint64_t h = (a * 64 + b + 1) * 0x9e3779b97f4a7c15ull;

	h = (h ^ h >> 31) * 0xbf58476d1ce4e5b9ull;
	return h ^ h >> 29;
}

/* 60 % want one skill, the others two that some agent has together; each at a level that somebody has. */
static void queue_conf(const struct world *w, uint64_t i, unsigned shift, struct router_skill skills[2],
		       struct router_queue_conf *q)
{
	const struct router_skill *a = w->skills[mixed(i, 0) % (uint64_t)w->p.agents];
	uint64_t first = mixed(i, 1) % SKILLS_OF_AGENT;

	q->skills = skills;
	q->n_skills = mixed(i, 2) % 10 < 6 ? 1 : 2;
	for (size_t k = 0; k < q->n_skills; k++) {
		skills[k] = a[(first + k) % SKILLS_OF_AGENT];
		skills[k].level = 1 + (unsigned)((mixed(i, 3 + k) + shift) % skills[k].level);
	}
}

#define PART 64 /* queues */

bool world_queues(struct world *w, long from, long n, unsigned shift)
{
	struct router_queue_conf q[PART] = { { 0 } };
	struct router_skill skills[PART][2];
	struct name names[PART];
	struct router_tenant_conf conf = { .tenant = "bench", .queues = q, .continued = from > 0 };

	for (; (long)conf.n_queues < n && conf.n_queues < PART && from < w->p.queues; from++, conf.n_queues++) {
		names[conf.n_queues] = queue_name((uint64_t)from);
		q[conf.n_queues].id = names[conf.n_queues].text;
		queue_conf(w, (uint64_t)from, shift, skills[conf.n_queues], &q[conf.n_queues]);
	}
	conf.more = conf.n_queues > 0;
	world_check(router_core_tenant(w->core, &conf, w->now));
	return conf.more;
}

void world_queue_for_all(struct world *w)
{
	struct router_queue_conf q = { .id = "for-all" };
	struct router_tenant_conf conf = {
		.tenant = "bench", .queues = &q, .n_queues = 1, .continued = true, .more = true
	};

	world_check(router_core_tenant(w->core, &conf, w->now));
}

void world_agent_conf(struct world *w, uint32_t agent, unsigned shift)
{
	struct name name = agent_name(agent);
	struct router_skill skills[SKILLS_OF_AGENT];
	struct router_agent_conf c = { .tenant = "bench",
				       .agent_id = name.text,
				       .skills = skills,
				       .n_skills = SKILLS_OF_AGENT,
				       .enabled = true,
				       .auto_ready = true };

	memcpy(skills, w->skills[agent], sizeof(skills));
	for (int k = 0; k < SKILLS_OF_AGENT; k++)
		skills[k].level = 1 + (skills[k].level - 1 + shift) % 10;
	world_check(router_core_agent_conf(w->core, &c, w->now));
}

void world_init(struct world *w, const struct world_params *p)
{
	struct router_core_params cp = { .epoch = 7, .now_ms = T0, .collect_ms = 1 };

	*w = (struct world){ .p = *p, .now = T0 + 1000, .rng = 0x9e3779b97f4a7c15ull };
	world_check(router_core_new(&w->core, &cp));
	w->skill_ids = world_must(mem_array((size_t)p->skills, sizeof(*w->skill_ids)));
	w->skills = world_must(mem_array((size_t)p->agents, sizeof(*w->skills)));
	w->busy = world_must(mem_array((size_t)p->agents, sizeof(*w->busy)));
	for (long i = 0; i < p->skills; i++)
		snprintf(w->skill_ids[i], sizeof(w->skill_ids[i]), "skill-%ld", i);
	for (long i = 0; i < p->agents; i++)
		make_skills(w, i);
	for (long i = 0; world_queues(w, i, PART, 0); i += PART)
		;
	for (long i = 0; i < p->agents; i++)
		world_agent_conf(w, (uint32_t)i, 0);
	world_check(router_core_time(w->core, w->now));
}

void world_done(struct world *w)
{
	router_core_free(&w->core);
	mem_free(w->skill_ids);
	mem_free(w->skills);
	mem_free(w->busy);
}

/* ---- events -------------------------------------------------------------------------------------------------------- */

static void record(struct world *w, uint32_t agent, enum agent_state state, const char *call)
{
	struct name name = agent_name(agent);
	struct router_agent_in in = { .tenant = "bench",
				      .agent_id = name.text,
				      .revision = ++w->revision,
				      .state = state,
				      .on_duty = true,
				      .ready_since_ms = state == AGENT_READY ? w->now : 0,
				      .call_id = call,
				      .leg_id = "",
				      .site = "centre" };

	w->events++;
	world_check(router_core_agent(w->core, &in, w->now));
}

/* What follows a reservation: the compare-and-set is won, the owner accepts, the agent answers. */
static void follow(struct world *w, const struct router_fx *reserve)
{
	struct name call = { "" }, agent = { "" };
	struct router_reserved_in won = { .tenant = "bench",
					  .agent_id = agent.text,
					  .call_id = call.text,
					  .leg_id = "0192f3a1b2c37d4e8f50000000000000" };
	struct router_result_in res = { .owner = "cc-1",
					.tenant = "bench",
					.call_id = call.text,
					.agent_id = agent.text,
					.call_epoch = 1,
					.router_epoch = 7,
					.outcome = ROUTER_ACCEPTED };
	uint32_t number = 0;

	memcpy(call.text, reserve->call_id, 32);
	memcpy(agent.text, reserve->agent_id, 6);
	for (int i = 0; i < 6; i++)
		number = number * 10 + (uint32_t)(agent.text[i] - '0');
	number -= AGENT_0;
	router_core_effects_done(w->core);
	won.revision = ++w->revision;
	world_check(router_core_reserved(w->core, &won, w->now));
	router_core_effects_done(w->core);
	world_check(router_core_result(w->core, &res, w->now));
	w->events += 2;
	record(w, number, AGENT_ON_CALL, call.text);
	router_core_effects_done(w->core);
	w->busy[(w->busy_head + w->busy_n++) % w->p.agents] = number;
}

/* The reservation among the effects, or NULL: one input decides about one call. */
static const struct router_fx *reservation(const struct world *w)
{
	size_t n;
	const struct router_fx *fx = router_core_effects(w->core, &n);

	for (; n; n--, fx++)
		if (fx->kind == ROUTER_FX_RESERVE)
			return fx;
	return NULL;
}

static void call_comes(struct world *w, struct world_meters *m)
{
	struct router_enqueue_in in = {
		.owner = "cc-1", .tenant = "bench", .call_epoch = 1, .arrival_ms = w->now, .agent_id = ""
	};
	struct name call = call_name(w->next_call++), queue = queue_name(rnd(w, (uint64_t)w->p.queues));
	const struct router_fx *fx;

	in.call_id = call.text;
	in.queue_id = queue.text;
	in.priority = (uint32_t)rnd(w, 11);
	w->events++;
	if (m)
		meter_begin(&m->decisions);
	world_check(router_core_enqueue(w->core, &in, w->now));
	fx = reservation(w);
	if (m)
		meter_end(&m->decisions);
	if (fx)
		follow(w, fx);
	else
		router_core_effects_done(w->core);
}

static void agent_frees(struct world *w, struct world_meters *m)
{
	const struct router_fx *fx;
	uint32_t agent;

	if (!w->busy_n)
		return;
	agent = w->busy[w->busy_head];
	w->busy_head = (w->busy_head + 1) % w->p.agents;
	w->busy_n--;
	if (m)
		meter_begin(&m->decisions);
	record(w, agent, AGENT_READY, "");
	fx = reservation(w);
	if (m) {
		uint32_t ns = meter_end(&m->decisions);

		if (fx)
			meter_put(&m->ready_to_reserve, ns);
	}
	if (fx)
		follow(w, fx);
	else
		router_core_effects_done(w->core);
}

void world_calls(struct world *w, long n)
{
	while (n--)
		call_comes(w, NULL);
}

void world_prepare(struct world *w, long idle, long waiting)
{
	for (long i = 0; i < w->p.agents; i++)
		w->busy[i] = (uint32_t)i;
	w->busy_n = w->p.agents;
	for (long i = 0; i < w->p.agents; i++)
		record(w, (uint32_t)i, AGENT_BUSY, "");
	router_core_effects_done(w->core);
	world_calls(w, waiting);
	for (long i = 0; i < idle; i++) {
		w->now += i % 50 == 0;
		agent_frees(w, NULL);
	}
	w->events = 0;
}

void world_turn(struct world *w, uint64_t n_events, long waiting, struct world_meters *m)
{
	uint64_t until = w->events + n_events;
	struct router_core_stats st = { 0 };

	for (long i = 0; w->events < until; i++) {
		if (i % 64 == 0) {
			w->now++;
			world_check(router_core_time(w->core, w->now));
			router_core_effects_done(w->core);
		}
		if (i % 16 == 0)
			router_core_stats(w->core, &st);
		if (!waiting || (long)st.calls_waiting < waiting)
			call_comes(w, m);
		if (!waiting || (long)st.calls_waiting >= waiting)
			agent_frees(w, m);
	}
}
