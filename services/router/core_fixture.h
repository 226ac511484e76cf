/*
 * core_fixture: a core with the queues "sales" and "any", and short words for what happens to it. For tests.
 */
#ifndef ROUTER_CORE_FIXTURE_H
#define ROUTER_CORE_FIXTURE_H

#include "testkit/cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "core.h"

#define T0 1000000000000ll

struct world {
	struct router_core *core;
	int64_t now;
	uint64_t revision;
};

static inline void drop_effects(struct world *w)
{
	router_core_effects_done(w->core);
}

static inline struct world world_open(uint64_t epoch)
{
	struct world w = { .now = T0, .revision = 100 };

	assert_int_equal(router_core_new(&w.core, &(struct router_core_params){ .epoch = epoch, .now_ms = T0 }),
			 ERR_OK);
	return w;
}

/* Past collecting, as an ordinary leader. */
static inline struct world world_new(void)
{
	struct world w = world_open(7);

	w.now += 600;
	assert_int_equal(router_core_time(w.core, w.now), ERR_OK);
	return w;
}

static inline void world_free(struct world *w)
{
	router_core_free(&w->core);
}

static inline void queue_conf(struct world *w, const struct router_queue_conf *q, size_t n)
{
	struct router_tenant_conf conf = { .tenant = "acme", .queues = q, .n_queues = n };

	assert_int_equal(router_core_tenant(w->core, &conf, w->now), ERR_OK);
}

/* Queue "sales" for skill sales >= 3, "any" without requirement. */
static inline void queues(struct world *w)
{
	static const struct router_skill sales[] = { { "sales", 3 } };
	const struct router_queue_conf q[] = { { .id = "sales", .skills = sales, .n_skills = 1 }, { .id = "any" } };

	queue_conf(w, q, 2);
}

static inline void agent_with(struct world *w, const char *id, const char *skill, unsigned level)
{
	struct router_skill s = { skill, level };
	struct router_agent_conf conf = { .tenant = "acme",
					  .agent_id = id,
					  .skills = &s,
					  .n_skills = skill ? 1 : 0,
					  .enabled = true,
					  .auto_ready = true };

	assert_int_equal(router_core_agent_conf(w->core, &conf, w->now), ERR_OK);
}

static inline struct router_agent_in record(struct world *w, const char *id, enum agent_state s)
{
	return (struct router_agent_in){ .tenant = "acme",
					 .agent_id = id,
					 .revision = ++w->revision,
					 .state = s,
					 .on_duty = s > AGENT_SIGNED_OUT,
					 .ready_since_ms = w->now,
					 .call_id = "",
					 .leg_id = "",
					 .site = "centre" };
}

static inline void put(struct world *w, const struct router_agent_in *in)
{
	assert_int_equal(router_core_agent(w->core, in, w->now), ERR_OK);
}

static inline void state(struct world *w, const char *id, enum agent_state s)
{
	struct router_agent_in in = record(w, id, s);

	put(w, &in);
}

static inline void state_of_call(struct world *w, const char *id, enum agent_state s, const char *call, uint64_t epoch)
{
	struct router_agent_in in = record(w, id, s);

	in.call_id = call;
	in.leg_id = "leg";
	in.router_epoch = epoch;
	in.reserved_until_ms = w->now + 30000;
	put(w, &in);
}

static inline struct router_enqueue_in call_in(const char *call, const char *queue, int64_t arrival, uint32_t priority)
{
	return (struct router_enqueue_in){ .owner = "cc-1",
					   .tenant = "acme",
					   .call_id = call,
					   .call_epoch = 1,
					   .queue_id = queue,
					   .arrival_ms = arrival,
					   .priority = priority,
					   .agent_id = "" };
}

static inline void enqueue(struct world *w, const char *call, const char *queue, int64_t arrival, uint32_t priority)
{
	struct router_enqueue_in in = call_in(call, queue, arrival, priority);

	assert_int_equal(router_core_enqueue(w->core, &in, w->now), ERR_OK);
}

static const struct router_fx *find_fx(struct world *w, enum router_fx_kind kind, const char *call)
{
	size_t n;
	const struct router_fx *fx = router_core_effects(w->core, &n);

	for (; n; n--, fx++)
		if (fx->kind == kind && (!call || strcmp(fx->call_id, call) == 0))
			return fx;
	return NULL;
}

/* The call's reservation is for that agent (NULL: there is none). */
static inline void expect_reserve(struct world *w, const char *call, const char *agent)
{
	const struct router_fx *fx = find_fx(w, ROUTER_FX_RESERVE, call);

	if (!agent) {
		assert_null(fx);
		return;
	}
	assert_non_null(fx);
	assert_string_equal(fx->agent_id, agent);
}

static inline void reserved(struct world *w, const char *agent, const char *call, err_t e)
{
	struct router_reserved_in in = { .tenant = "acme",
					 .agent_id = agent,
					 .call_id = call,
					 .error = e,
					 .revision = e ? 0 : ++w->revision,
					 .leg_id = "leg-1" };

	assert_int_equal(router_core_reserved(w->core, &in, w->now), ERR_OK);
}

static inline void result(struct world *w, const char *agent, const char *call, uint64_t epoch,
			  enum router_outcome outcome)
{
	struct router_result_in in = { .owner = "cc-1",
				       .tenant = "acme",
				       .call_id = call,
				       .agent_id = agent,
				       .call_epoch = 1,
				       .router_epoch = epoch,
				       .outcome = outcome };

	assert_int_equal(router_core_result(w->core, &in, w->now), ERR_OK);
}

static inline void later(struct world *w, int64_t ms)
{
	/* As the shell does: in small steps. */
	for (int64_t end = w->now + ms; w->now < end;) {
		w->now = w->now + 50 < end ? w->now + 50 : end;
		assert_int_equal(router_core_time(w->core, w->now), ERR_OK);
	}
}

static inline size_t waiting(struct world *w)
{
	struct router_core_stats s;

	router_core_stats(w->core, &s);
	return s.calls_waiting;
}

static inline size_t calls(struct world *w)
{
	struct router_core_stats s;

	router_core_stats(w->core, &s);
	return s.calls;
}

/* a1 reserved for c1, owner told. */
static inline struct world world_assigned(void)
{
	struct world w = world_new();

	queues(&w);
	agent_with(&w, "a1", "sales", 9);
	agent_with(&w, "a2", "sales", 9);
	state(&w, "a1", AGENT_READY);
	enqueue(&w, "c1", "sales", w.now, 0);
	reserved(&w, "a1", "c1", ERR_OK);
	return w;
}

#endif
