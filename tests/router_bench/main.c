/* router-bench: what a decision costs (README.md). */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../services/router/core.h"
#include "base/mem.h"

#define T0		1700000000000ll
#define AGENT_0		100000
#define SKILLS_OF_AGENT 5

struct params {
	long agents, queues, skills, events, rounds, profiles;
};

struct bench_agent {
	struct router_skill skills[SKILLS_OF_AGENT];
};

struct bench {
	struct params p;
	struct router_core *core;
	char (*skill_ids)[32];
	struct bench_agent *agents;
	uint32_t *busy; /* ring of agents on a call, in order of their becoming free */
	long busy_head, busy_n;
	uint64_t revision, rng, events, next_call;
	bool measuring;
	int64_t clock_cost_ns, noise_ns;
	int64_t now;
	uint32_t *ns; /* of each decision */
	size_t n_ns, cap_ns;
};

static void check(err_t e)
{
	if (!e)
		return;
	fprintf(stderr, "router-bench: %s\n", err_name(e));
	exit(1);
}

static void *must(void *p)
{
	check(p ? ERR_OK : ERR_EXHAUSTED);
	return p;
}

static uint64_t rnd(struct bench *b, uint64_t n)
{
	b->rng ^= b->rng << 13;
	b->rng ^= b->rng >> 7;
	b->rng ^= b->rng << 17;
	return b->rng % n;
}

static int64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
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

/* ---- the world ----------------------------------------------------------------------------------------------------- */

static void make_names(struct bench *b)
{
	b->skill_ids = must(mem_array((size_t)b->p.skills, sizeof(*b->skill_ids)));
	b->agents = must(mem_array((size_t)b->p.agents, sizeof(*b->agents)));
	b->busy = must(mem_array((size_t)b->p.agents, sizeof(*b->busy)));
	for (long i = 0; i < b->p.skills; i++)
		snprintf(b->skill_ids[i], sizeof(b->skill_ids[i]), "skill-%ld", i);
}

static void make_skills(struct bench *b, long i)
{
	if (b->p.profiles && i >= b->p.profiles) {
		memcpy(b->agents[i].skills, b->agents[i % b->p.profiles].skills, sizeof(b->agents[i].skills));
		return;
	}
	for (int k = 0; k < SKILLS_OF_AGENT; k++)
		b->agents[i].skills[k] =
		    (struct router_skill){ b->skill_ids[rnd(b, (uint64_t)b->p.skills)], 1 + (unsigned)rnd(b, 10) };
}

/* 60 % want one skill, the others two that some agent has together; each at a level that somebody has. */
static void make_queues(struct bench *b)
{
	struct router_queue_conf *q = must(mem_array((size_t)b->p.queues, sizeof(*q)));
	struct router_skill *skills = must(mem_array((size_t)b->p.queues * 2, sizeof(*skills)));
	struct name *names = must(mem_array((size_t)b->p.queues, sizeof(*names)));
	struct router_tenant_conf conf = { .tenant = "bench", .queues = q, .n_queues = (size_t)b->p.queues };

	for (long i = 0; i < b->p.queues; i++) {
		const struct bench_agent *a = &b->agents[rnd(b, (uint64_t)b->p.agents)];
		struct router_skill *s = &skills[2 * i];
		unsigned first = (unsigned)rnd(b, SKILLS_OF_AGENT), n = rnd(b, 10) < 6 ? 1 : 2;

		for (unsigned k = 0; k < n; k++) {
			s[k] = a->skills[(first + k) % SKILLS_OF_AGENT];
			s[k].level = 1 + (unsigned)rnd(b, s[k].level);
		}
		names[i] = queue_name((uint64_t)i);
		q[i] = (struct router_queue_conf){ .id = names[i].text, .skills = s, .n_skills = n };
	}
	check(router_core_tenant(b->core, &conf, b->now));
	mem_free(q);
	mem_free(skills);
	mem_free(names);
}

static void world(struct bench *b)
{
	struct router_core_params p = { .epoch = 7, .now_ms = T0, .collect_ms = 1 };

	check(router_core_new(&b->core, &p));
	b->now = T0 + 1000;
	b->rng = 0x9e3779b97f4a7c15ull;
	for (long i = 0; i < b->p.agents; i++)
		make_skills(b, i);
	make_queues(b);
	for (long i = 0; i < b->p.agents; i++) {
		struct name name = agent_name((uint32_t)i);
		struct router_agent_conf c = { .tenant = "bench",
					       .agent_id = name.text,
					       .skills = b->agents[i].skills,
					       .n_skills = SKILLS_OF_AGENT,
					       .enabled = true,
					       .auto_ready = true };

		check(router_core_agent_conf(b->core, &c, b->now));
	}
	check(router_core_time(b->core, b->now));
	b->ns = must(mem_array((size_t)b->p.events + 16, sizeof(*b->ns)));
	b->cap_ns = (size_t)b->p.events;
}

static void world_free(struct bench *b)
{
	router_core_free(&b->core);
	mem_free(b->ns);
	b->ns = NULL;
	b->n_ns = 0;
	b->busy_head = b->busy_n = 0;
}

/* ---- events -------------------------------------------------------------------------------------------------------- */

static void record(struct bench *b, uint32_t agent, enum agent_state state, const char *call)
{
	struct name name = agent_name(agent);
	struct router_agent_in in = { .tenant = "bench",
				      .agent_id = name.text,
				      .revision = ++b->revision,
				      .state = state,
				      .on_duty = true,
				      .ready_since_ms = state == AGENT_READY ? b->now : 0,
				      .call_id = call,
				      .leg_id = "",
				      .site = "centre" };

	b->events++;
	check(router_core_agent(b->core, &in, b->now));
}

/* Single decisions are measured in a run of their own: reading the CPU clock costs as much as a decision. CPU, not wall
 * time: what else runs on the machine is not the router's doing. */
static int64_t begin(const struct bench *b)
{
	return b->measuring ? clock_ns(CLOCK_THREAD_CPUTIME_ID) : 0;
}

static void measured(struct bench *b, int64_t t0)
{
	int64_t ns;

	if (!b->measuring || b->n_ns == b->cap_ns)
		return;
	ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - t0 - b->clock_cost_ns;
	b->ns[b->n_ns++] = ns > 0 ? (uint32_t)ns : 0;
}

static int by_i64(const void *x, const void *y)
{
	const int64_t *a = x, *b = y;

	return *a < *b ? -1 : *a > *b;
}

/* What reading the clock costs, and what the machine adds to every thousandth microsecond of work (interrupts, what else
 * runs): figures below that say nothing about the router. */
static void measure_clock(struct bench *b)
{
	size_t n = 200001;
	int64_t *v = must(mem_array(n, sizeof(*v)));

	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < n; i++) {
			int64_t t0 = clock_ns(CLOCK_THREAD_CPUTIME_ID);

			for (volatile int k = 0; k < pass * 500; k++)
				;
			v[i] = clock_ns(CLOCK_THREAD_CPUTIME_ID) - t0;
		}
		qsort(v, n, sizeof(v[0]), by_i64);
		if (!pass)
			b->clock_cost_ns = v[n / 2];
		b->noise_ns = v[n / 1000 * 999] - v[n / 2];
	}
	mem_free(v);
}

/* What follows a reservation: the compare-and-set is won, the owner accepts, the agent answers. */
static void follow(struct bench *b, const struct router_fx *reserve)
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
	router_core_effects_done(b->core);
	won.revision = ++b->revision;
	check(router_core_reserved(b->core, &won, b->now));
	router_core_effects_done(b->core);
	check(router_core_result(b->core, &res, b->now));
	b->events += 2;
	record(b, number, AGENT_ON_CALL, call.text);
	router_core_effects_done(b->core);
	b->busy[(b->busy_head + b->busy_n++) % b->p.agents] = number;
}

static void after(struct bench *b)
{
	size_t n;
	const struct router_fx *fx = router_core_effects(b->core, &n);

	for (size_t i = 0; i < n; i++) {
		if (fx[i].kind != ROUTER_FX_RESERVE)
			continue;
		follow(b, &fx[i]); /* one input decides about one call */
		return;
	}
	router_core_effects_done(b->core);
}

static void call_comes(struct bench *b)
{
	struct router_enqueue_in in = {
		.owner = "cc-1", .tenant = "bench", .call_epoch = 1, .arrival_ms = b->now, .agent_id = ""
	};
	struct name call = call_name(b->next_call++), queue = queue_name(rnd(b, (uint64_t)b->p.queues));
	int64_t t0;

	in.call_id = call.text;
	in.queue_id = queue.text;
	in.priority = (uint32_t)rnd(b, 11);
	b->events++;
	t0 = begin(b);
	check(router_core_enqueue(b->core, &in, b->now));
	measured(b, t0);
	after(b);
}

static void agent_frees(struct bench *b)
{
	uint32_t agent;
	int64_t t0;

	if (!b->busy_n)
		return;
	agent = b->busy[b->busy_head];
	b->busy_head = (b->busy_head + 1) % b->p.agents;
	b->busy_n--;
	t0 = begin(b);
	record(b, agent, AGENT_READY, "");
	measured(b, t0);
	after(b);
}

/* ---- scenarios ------------------------------------------------------------------------------------------------------- */

static int by_number(const void *x, const void *y)
{
	const uint32_t *a = x, *b = y;

	return *a < *b ? -1 : *a > *b;
}

static int by_double(const void *x, const void *y)
{
	const double *a = x, *b = y;

	return *a < *b ? -1 : *a > *b;
}

static uint32_t at(const struct bench *b, double share)
{
	return b->n_ns ? b->ns[(size_t)((double)(b->n_ns - 1) * share)] : 0;
}

/* Agents are signed in busy; `idle` of them become ready, `waiting` calls come when nobody is. */
static void prepare(struct bench *b, long idle, long waiting)
{
	for (long i = 0; i < b->p.agents; i++)
		b->busy[i] = (uint32_t)i;
	b->busy_n = b->p.agents;
	for (long i = 0; i < b->p.agents; i++)
		record(b, (uint32_t)i, AGENT_BUSY, "");
	for (long i = 0; i < waiting; i++)
		call_comes(b);
	for (long i = 0; i < idle; i++) {
		b->now += i % 50 == 0;
		agent_frees(b);
	}
	b->events = 0;
	b->n_ns = 0;
}

/* Calls come while fewer than `waiting` wait; otherwise an agent becomes free. waiting 0: both in turn. */
static int64_t turn(struct bench *b, uint64_t n_events, long waiting)
{
	uint64_t until = b->events + n_events;
	int64_t t0 = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	struct router_core_stats st = { 0 };

	for (long i = 0; b->events < until; i++) {
		if (i % 64 == 0) {
			b->now++;
			check(router_core_time(b->core, b->now));
			router_core_effects_done(b->core);
		}
		if (i % 16 == 0)
			router_core_stats(b->core, &st);
		if (!waiting || (long)st.calls_waiting < waiting)
			call_comes(b);
		if (!waiting || (long)st.calls_waiting >= waiting)
			agent_frees(b);
	}
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID) - t0;
}

static void run(struct bench *b, const char *name, long idle, long waiting)
{
	double *rates = must(mem_array((size_t)b->p.rounds, sizeof(*rates)));
	struct router_core_stats st;
	int64_t cpu_ns = 0, setup = clock_ns(CLOCK_MONOTONIC);
	uint64_t part = (uint64_t)(b->p.events / b->p.rounds);
	size_t assigned;

	world(b);
	prepare(b, idle, waiting);
	setup = clock_ns(CLOCK_MONOTONIC) - setup;
	(void)turn(b, part, waiting);
	router_core_stats(b->core, &st);
	assigned = st.assigned;
	for (long r = 0; r < b->p.rounds; r++) {
		uint64_t from = b->events;
		int64_t used = turn(b, part, waiting);

		cpu_ns += used;
		rates[r] = (double)(b->events - from) / ((double)used / 1e9);
	}
	router_core_stats(b->core, &st);
	assigned = st.assigned - assigned;
	b->measuring = true;
	(void)turn(b, part, waiting);
	b->measuring = false;
	qsort(rates, (size_t)b->p.rounds, sizeof(*rates), by_double);
	qsort(b->ns, b->n_ns, sizeof(*b->ns), by_number);
	printf("{\"name\":\"router.%s.%s\",\"unit\":\"events/"
	       "CPU-s\",\"median\":%.0f,\"min\":%.0f,\"max\":%.0f,\"rounds\":%ld,"
	       "\"events\":%llu,\"decisions\":%zu,\"decisions_per_cpu_s\":%.0f,\"p50_ns\":%u,\"p99_ns\":%u,\"p99_9_"
	       "ns\":%u,\"max_ns\":%u,"
	       "\"machine_noise_p99_9_ns\":%lld,\"cpu_s\":%.3f,\"agents\":%ld,\"queues\":%ld,\"skills\":%ld,"
	       "\"classes\":%zu,\"groups\":%zu,\"agents_idle\":%zu,"
	       "\"calls_waiting\":%zu,\"setup_s\":%.2f}\n",
	       name, b->p.profiles ? "teams" : "random", rates[b->p.rounds / 2], rates[0], rates[b->p.rounds - 1],
	       b->p.rounds, (unsigned long long)part * (unsigned long long)b->p.rounds, assigned,
	       (double)assigned / ((double)cpu_ns / 1e9), at(b, 0.5), at(b, 0.99), at(b, 0.999), at(b, 1),
	       (long long)b->noise_ns, (double)cpu_ns / 1e9, b->p.agents, b->p.queues, b->p.skills, st.classes,
	       st.groups, st.agents_idle, st.calls_waiting, (double)setup / 1e9);
	fflush(stdout);
	mem_free(rates);
	world_free(b);
}

static long number(const char *text, const char *what)
{
	char *end;
	long v = strtol(text, &end, 10);

	if (*end || v < 1 || v > 100000000) {
		fprintf(stderr, "router-bench: --%s must be a number from 1 to 100000000, not '%s'\n", what, text);
		exit(2);
	}
	return v;
}

static void parse(struct params *p, int argc, char **argv)
{
	static const struct option options[] = { { "agents", 1, NULL, 0 }, { "queues", 1, NULL, 1 },
						 { "skills", 1, NULL, 2 }, { "events", 1, NULL, 3 },
						 { "rounds", 1, NULL, 4 }, { "profiles", 1, NULL, 5 },
						 { "help", 0, NULL, 'h' }, { NULL, 0, NULL, 0 } };
	long *values[] = { &p->agents, &p->queues, &p->skills, &p->events, &p->rounds, &p->profiles };
	int c, which;

	while ((c = getopt_long(argc, argv, "h", options, &which)) != -1) {
		if (c < 0 || c > 5) {
			printf("usage: router-bench [--agents N] [--queues N] [--skills N] [--events N] [--rounds N] "
			       "[--profiles N]\n");
			exit(c == 'h' ? 0 : 2);
		}
		*values[c] = number(optarg, options[which].name);
	}
}

int main(int argc, char **argv)
{
	struct bench b = { .p = { 100000, 10000, 2000, 10000000, 5, 1000 } };
	long profiles;

	parse(&b.p, argc, argv);
	measure_clock(&b);
	make_names(&b);
	profiles = b.p.profiles;
	for (int teams = 0; teams < 2; teams++) {
		b.p.profiles = teams ? profiles : 0;
		run(&b, "idle", b.p.agents / 2, 0);
		run(&b, "overload", 0, b.p.agents / 2);
	}
	mem_free(b.skill_ids);
	mem_free(b.agents);
	mem_free(b.busy);
	return 0;
}
