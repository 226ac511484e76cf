/*
 * core: the deciding half of the router, pure: no I/O, no clock, no randomness; one object per shard and epoch. It is fed
 * with what happens (inputs, each with the wall time) and answers with a list of things to do (effects). README.md tells
 * the data structures and what an event costs.
 *
 *	e = router_core_new(&core, &(struct router_core_params){ .epoch = epoch, .now_ms = now });
 *	… configuration, owners, agents …             // what is known at the take-over
 *	e = router_core_enqueue(core, &enq, now);
 *	for (n = 0, fx = router_core_effects(core, &n); n; n--, fx++) perform(fx);
 *	router_core_effects_done(core);               // pointers in the effects are valid until here
 *
 * It begins by collecting: holders assert their waiting calls; nothing is assigned until every live owner has sent its
 * AssertEnd or collect_ms are over. An input returns ERR_OK, or says that the core is over for good: ERR_EXHAUSTED (no
 * memory), ERR_ABORTED (something carries a newer epoch: another leader is at work); then its leader must step down. What
 * makes no sense in the present state is ignored.
 */
#ifndef ROUTER_CORE_H
#define ROUTER_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "agents/agent.h"
#include "base/err.h"

#define ROUTER_TRIED_MAX    64 /* of one call; more are ignored */
#define ROUTER_SKILLS_MAX   64 /* of one agent or requirement */
#define ROUTER_PRIORITY_MAX 20

struct router_core;

struct router_core_params {
	uint64_t epoch;
	int64_t now_ms;	    /* wall */
	int64_t collect_ms; /* 0: 500 */
	int64_t repeat_ms;  /* Assigned until its result is seen (0: 1,000) */
	int64_t margin_ms;  /* reservation = ring timeout + this (0: 10,000) */
	int64_t look_ms;    /* first look whether an agent's call exists (0: 10,000), again after as long */
	int64_t hold_ms;    /* agents wait so long, at most, for a dead owner's calls to be somebody's (0: 1,500) */
	int64_t park_ms;    /* a dead owner's call is forgotten unless it is asserted by then (0: 120,000) */
	bool fault_ignore_conflict; /* for tests of the tests: treats a lost compare-and-set as won */
	bool fault_lifo;	    /* the same: serves the youngest idle agent first */
};

err_t router_core_new(struct router_core **ret, const struct router_core_params *p) MUST;
void router_core_free(struct router_core **core);

/* ---- inputs: configuration ---- */
struct router_skill {
	const char *id;
	unsigned level; /* 1…10; 0 counts as 1 */
};
struct router_queue_conf {
	const char *id;
	const struct router_skill *skills; /* an agent needs all, at that level or better */
	size_t n_skills;
	uint32_t max_waiting;	 /* 0: none */
	int64_t ring_timeout_ms; /* 0: 20,000 */
};
struct router_tenant_conf {
	const char *tenant;
	const struct router_queue_conf *queues; /* all of them: those missing are removed, their calls refused */
	size_t n_queues;
	/* A long list in parts, other inputs in between: the first is not continued, all but the last have more. */
	bool continued, more;
};
struct router_agent_conf {
	const char *tenant, *agent_id;
	const struct router_skill *skills;
	size_t n_skills;
	bool enabled; /* false: removed or blocked: gets no calls */
	bool auto_ready;
};
err_t router_core_tenant(struct router_core *core, const struct router_tenant_conf *conf, int64_t now_ms) MUST;
err_t router_core_agent_conf(struct router_core *core, const struct router_agent_conf *conf, int64_t now_ms) MUST;

/* The tenant is another leader's from now on: forgotten without an effect, and nothing about it is listened to by this core any more: not
 * its records with newer epochs, not what is said about its calls. For good: who gets it back begins a new epoch. O(agents of the core). */
err_t router_core_leave(struct router_core *core, const char *tenant, int64_t now_ms) MUST;
/* It has been told of the tenant, which has not left. */
bool router_core_knows(const struct router_core *core, const char *tenant);

/* ---- inputs: agents ---- */
struct router_agent_in { /* what of an agent's record the router looks at */
	const char *tenant, *agent_id;
	uint64_t revision;
	enum agent_state state;
	bool on_duty;
	int64_t ready_since_ms;
	const char *call_id, *leg_id, *site;
	uint64_t router_epoch;
	int64_t reserved_until_ms, wrap_up_until_ms;
	bool read; /* answer to ROUTER_FX_READ_AGENT: counts although the revision is known */
};
err_t router_core_agent(struct router_core *core, const struct router_agent_in *in, int64_t now_ms) MUST;
/* Outcome of ROUTER_FX_RESERVE: ERR_OK with revision; ERR_ABORTED: somebody else wrote; others: unknown. */
struct router_reserved_in {
	const char *tenant, *agent_id, *call_id;
	err_t error;
	uint64_t revision;
	const char *leg_id;
};
err_t router_core_reserved(struct router_core *core, const struct router_reserved_in *in, int64_t now_ms) MUST;
/* Outcome of ROUTER_FX_LOOK. */
err_t router_core_looked(struct router_core *core, const char *tenant, const char *agent_id, const char *call_id,
			 bool exists, int64_t now_ms) MUST;

/* ---- inputs: holders of calls ---- */
struct router_enqueue_in {
	const char *owner, *tenant, *call_id;
	uint64_t call_epoch;
	const char *queue_id; /* "": only with agent_id */
	int64_t arrival_ms;
	uint32_t priority;
	const struct router_skill *extra;
	size_t n_extra;
	const char *const *tried;
	size_t n_tried;
	const char *agent_id; /* "": by skill */
};
err_t router_core_enqueue(struct router_core *core, const struct router_enqueue_in *in, int64_t now_ms) MUST;
err_t router_core_dequeue(struct router_core *core, const char *tenant, const char *call_id, uint64_t call_epoch,
			  int64_t now_ms) MUST;
enum router_outcome { ROUTER_ACCEPTED = 1, ROUTER_CALL_GONE = 2, ROUTER_STALE = 3 }; /* = router.proto Outcome */
struct router_result_in {
	const char *owner, *tenant, *call_id, *agent_id;
	const char *leg_id; /* NULL or "": not told; else which assignment of that agent to that call is meant */
	uint64_t call_epoch, router_epoch;
	enum router_outcome outcome;
};
err_t router_core_result(struct router_core *core, const struct router_result_in *in, int64_t now_ms) MUST;
/* The bus was away: what was said meanwhile is lost. Holders are asked again for what waits, and until all who live have said so, or
 * for hold_ms, nothing is assigned: who came during the outage would be passed by who came after it. */
err_t router_core_collect(struct router_core *core, int64_t now_ms) MUST;
err_t router_core_assert_end(struct router_core *core, const char *owner, uint64_t router_epoch, int64_t now_ms) MUST;
/* Heartbeats came or stopped coming. A dead owner's calls wait aside until somebody asserts them. */
err_t router_core_owner(struct router_core *core, const char *owner, bool alive, int64_t now_ms) MUST;

/* ---- input: time; at least each 50 ms. Fires 512 timers at most, the rest at the next call. ---- */
err_t router_core_time(struct router_core *core, int64_t now_ms) MUST;

/* ---- effects, in order ---- */
enum router_fx_kind {
	ROUTER_FX_RESERVE, /* compare-and-set AGENT_EV_RESERVE (or TAKE_OVER) at `revision`; answer router_core_reserved() */
	ROUTER_FX_AGENT,      /* apply `event` to the agent at `revision`; the watch tells what came of it */
	ROUTER_FX_READ_AGENT, /* read the record from KV; answer router_core_agent() with .read */
	ROUTER_FX_LOOK,	      /* is the call in KV `calls`? answer router_core_looked() */
	ROUTER_FX_QUEUED,     /* to owner */
	ROUTER_FX_ASSIGNED,   /* to owner */
	ROUTER_FX_REFUSED,    /* to owner */
};
struct router_fx {
	enum router_fx_kind kind;
	const char *tenant, *call_id, *agent_id, *queue_id, *owner;
	uint64_t revision;
	/* RESERVE, ASSIGNED */
	int64_t reserved_until_ms;
	bool take_over;			 /* RESERVE: a reservation of an earlier leader, with its leg_id */
	const char *leg_id, *agent_site; /* ASSIGNED */
	/* AGENT: an event of agent.h */
	enum agent_event_kind event;
	const char *cause, *reason;
	bool auto_ready;
	/* QUEUED */
	uint32_t position, agents_signed_in;
	/* REFUSED */
	err_t error;
	const char *message;
};
const struct router_fx *router_core_effects(const struct router_core *core, size_t *ret_n);
void router_core_effects_done(struct router_core *core);

/* ---- for people's eyes ---- */
struct router_queue_status {
	const char *tenant, *queue_id;
	uint32_t waiting, agents_on_duty, agents_ready;
	int64_t oldest_arrival_ms; /* 0: nobody waits */
};
/* Looks at the next n queues in turn and tells those that changed since they were told last (or all of them). */
void router_core_statuses(struct router_core *core, size_t n, bool all,
			  void (*fn)(const struct router_queue_status *st, void *arg), void *arg);

/* ---- for metrics, tests and the simulator ---- */
struct router_core_stats {
	size_t agents, agents_idle, calls, calls_waiting, queues, groups, classes;
	uint64_t assigned, conflicts, given_back, reconciled;
	bool collecting, broken, deposed;
	bool timers_wait; /* that were due at the last router_core_time(): it is to be called again soon */
};
void router_core_stats(const struct router_core *core, struct router_core_stats *ret);

#endif
