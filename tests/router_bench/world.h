/*
 * world: a core with many agents, queues and skills, and what happens to it. Owner: one scenario of router-bench.
 *
 *	struct world w;
 *	world_init(&w, &params);
 *	world_prepare(&w, idle, waiting);
 *	world_turn(&w, n_events, waiting, NULL);
 *	world_done(&w);
 */
#ifndef ROUTER_BENCH_WORLD_H
#define ROUTER_BENCH_WORLD_H

#include <stdint.h>
#include "../../services/router/core.h"
#include "meter.h"

#define SKILLS_OF_AGENT 5

struct world_params {
	long agents, queues, skills;
	long profiles; /* teams of equal skills; 0: every agent's are random */
};
struct world {
	struct world_params p;
	struct router_core *core;
	char (*skill_ids)[32];
	struct router_skill (*skills)[SKILLS_OF_AGENT]; /* of each agent */
	uint32_t *busy;					/* ring of agents on a call, in order of their becoming free */
	long busy_head, busy_n;
	uint64_t revision, rng, events, next_call;
	int64_t now;
};
/* Where single decisions are measured: calls that come, agents who become free, and of these those who got a call. */
struct world_meters {
	struct meter decisions, ready_to_reserve;
};

void world_check(err_t e); /* anything but ERR_OK ends the program */
void *world_must(void *p) MUST;

void world_init(struct world *w, const struct world_params *p); /* configured, nobody signed in */
void world_done(struct world *w);
/* Agents sign in busy; calls come when nobody is there; `idle` agents become ready. */
void world_prepare(struct world *w, long idle, long waiting);
void world_calls(struct world *w, long n);
/* Calls come while fewer than `waiting` wait; otherwise an agent becomes free. waiting 0: both in turn. */
void world_turn(struct world *w, uint64_t n_events, long waiting, struct world_meters *m);

/* A part of the tenant's queues, levels raised or lowered by `shift`; false: that was the last, beyond all queues. */
bool world_queues(struct world *w, long from, long n, unsigned shift);
void world_agent_conf(struct world *w, uint32_t agent, unsigned shift);
/* One queue more, for everybody, beside those there are. */
void world_queue_for_all(struct world *w);

#endif
