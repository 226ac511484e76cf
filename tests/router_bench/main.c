/* router-bench: what a decision costs (README.md). One JSON line per scenario and per figure. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "world.h"

/* As services/router/shard_conf.c: slices of two queues, the next turn of the loop after 0.3 ms. */
#define TURN_NS	  300000
#define QUEUES_AT 2

struct params {
	long agents, queues, skills, events, rounds, profiles;
};

struct spread { /* of one figure over the scenarios */
	double v[16];
	size_t n;
};
static struct spread rates, p999, maxima, ready_p999, ready_max;

static int by_double(const void *x, const void *y)
{
	const double *a = x, *b = y;

	return *a < *b ? -1 : *a > *b;
}

static void sort(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), by_double);
}

static void put(struct spread *s, double v)
{
	if (s->n < ARRAY_SIZE(s->v))
		s->v[s->n++] = v;
}

/* A figure in the form that tests/perf collects. */
static void figure(const char *name, const char *unit, double median, double min, double max, double target,
		   const char *conditions)
{
	printf("{\"name\":\"%s\",\"unit\":\"%s\",\"median\":%.3f,\"min\":%.3f,\"max\":%.3f,", name, unit, median, min,
	       max);
	if (target > 0)
		printf("\"target\":%.0f,", target);
	printf("\"better\":\"%s\",\"conditions\":\"%s\"}\n", target >= 1000000 ? "higher" : "lower", conditions);
	fflush(stdout);
}

static void spread_figure(const char *name, const char *unit, struct spread *s, double target, const char *conditions)
{
	if (!s->n)
		return;
	sort(s->v, s->n);
	figure(name, unit, s->v[s->n / 2], s->v[0], s->v[s->n - 1], target, conditions);
}

static struct world_params world_params(const struct params *p)
{
	return (struct world_params){ p->agents, p->queues, p->skills, p->profiles };
}

/* ---- scenarios ----------------------------------------------------------------------------------------------------- */

static double rate(struct world *w, uint64_t events, long waiting)
{
	uint64_t from = w->events;
	int64_t t0 = meter_cpu_ns();

	world_turn(w, events, waiting, NULL);
	return (double)(w->events - from) / ((double)(meter_cpu_ns() - t0) / 1e9);
}

static void tell(const struct params *p, const char *name, const double *r, struct world *w,
		 const struct meter_result *d, const struct meter_result *ready, const struct meter_noise *noise)
{
	struct router_core_stats st;

	router_core_stats(w->core, &st);
	printf("{\"name\":\"router.%s.%s\",\"unit\":\"events/CPU-s\",\"median\":%.0f,\"min\":%.0f,\"max\":%.0f,"
	       "\"rounds\":%ld,\"events\":%ld,",
	       name, p->profiles ? "teams" : "random", r[p->rounds / 2], r[0], r[p->rounds - 1], p->rounds, p->events);
	printf("\"decisions\":%zu,\"p50_ns\":%u,\"p99_ns\":%u,\"p99_9_ns\":%u,\"max_ns\":%u,\"best_round_p99_9_ns\":%u,"
	       "\"best_round_max_ns\":%u,",
	       d->n, d->p50, d->p99, d->p999, d->max, d->p999_best, d->max_best);
	printf("\"ready_to_reserve\":%zu,\"ready_to_reserve_p50_ns\":%u,\"ready_to_reserve_p99_9_ns\":%u,"
	       "\"ready_to_reserve_max_ns\":%u,",
	       ready->n, ready->p50, ready->p999, ready->max);
	printf("\"clock_ns\":%u,\"noise_p50_ns\":%u,\"noise_p99_9_ns\":%u,\"noise_max_ns\":%u,", noise->clock_ns,
	       noise->steady.p50, noise->steady.p999, noise->steady.max);
	printf("\"agents\":%ld,\"queues\":%ld,\"skills\":%ld,\"classes\":%zu,\"groups\":%zu,\"agents_idle\":%zu,"
	       "\"calls_waiting\":%zu}\n",
	       p->agents, p->queues, p->skills, st.classes, st.groups, st.agents_idle, st.calls_waiting);
	fflush(stdout);
}

static void scenario(const struct params *p, const char *name, long idle, long waiting, const struct meter_noise *noise)
{
	struct world_params wp = world_params(p);
	double *r = world_must(mem_array((size_t)p->rounds, sizeof(*r)));
	uint64_t part = (uint64_t)(p->events / p->rounds);
	struct meter_result d, ready;
	struct world_meters m;
	struct world w;

	world_init(&w, &wp);
	world_prepare(&w, idle, waiting);
	(void)rate(&w, part, waiting);
	for (long i = 0; i < p->rounds; i++)
		r[i] = rate(&w, part, waiting);
	meter_init(&m.decisions, (size_t)p->events);
	meter_init(&m.ready_to_reserve, (size_t)p->events);
	for (long i = 0; i < p->rounds; i++) {
		world_turn(&w, part, waiting, &m);
		meter_round(&m.decisions);
		meter_round(&m.ready_to_reserve);
	}
	sort(r, (size_t)p->rounds);
	d = meter_result(&m.decisions);
	ready = meter_result(&m.ready_to_reserve);
	tell(p, name, r, &w, &d, &ready, noise);
	put(&rates, r[p->rounds / 2]);
	put(&p999, d.p999 / 1e3);
	put(&maxima, d.max / 1e3);
	if (ready.n > 10000) { /* idle: nobody waits for those who become free */
		put(&ready_p999, ready.p999 / 1e3);
		put(&ready_max, ready.max / 1e3);
	}
	meter_done(&m.decisions);
	meter_done(&m.ready_to_reserve);
	mem_free(r);
	world_done(&w);
}

/* ---- how it grows -------------------------------------------------------------------------------------------------- */

/* As many agents a skill and a queue in all sizes: what is left is what the number of agents does. */
static void growth(const struct params *p)
{
	for (long agents = 1000; agents <= p->agents; agents *= 10) {
		struct params part = *p;
		struct world_params wp;
		double ns[5];
		char name[64];
		struct world w;

		part.agents = agents;
		part.queues = agents * p->queues / p->agents;
		part.skills = agents * p->skills / p->agents;
		part.profiles = 0;
		if (part.queues < 1 || part.skills < 10)
			continue;
		wp = world_params(&part);
		world_init(&w, &wp);
		world_prepare(&w, agents / 2, 0);
		(void)rate(&w, (uint64_t)(p->events / 10), 0);
		for (size_t i = 0; i < ARRAY_SIZE(ns); i++)
			ns[i] = 1e9 / rate(&w, (uint64_t)(p->events / 10), 0);
		sort(ns, ARRAY_SIZE(ns));
		snprintf(name, sizeof(name), "router_ns_per_event.%ld", agents);
		figure(name, "ns of CPU", ns[2], ns[0], ns[4], 0,
		       "idle.random with so many agents, a tenth as many queues");
		world_done(&w);
	}
}

/* ---- memory -------------------------------------------------------------------------------------------------------- */

static double resident(void)
{
	long all = 0, pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f && fscanf(f, "%ld %ld", &all, &pages) != 2)
		pages = 0;
	if (f)
		fclose(f);
	return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double agent_bytes(const struct world_params *wp)
{
	double before = resident(), bytes;
	struct world w;

	world_init(&w, wp);
	world_prepare(&w, wp->agents, 0);
	/* Of the benchmark's own: skills and the ring. */
	bytes = (resident() - before) / (double)wp->agents - sizeof(*w.skills) - sizeof(*w.busy);
	world_done(&w);
	return bytes;
}

static double call_bytes(const struct world_params *wp)
{
	struct router_core_stats st;
	double before, bytes;
	struct world w;

	world_init(&w, wp);
	world_prepare(&w, 0, 0);
	before = resident();
	world_calls(&w, wp->agents);
	router_core_stats(w.core, &st);
	bytes = (resident() - before) / (double)st.calls_waiting;
	world_done(&w);
	return bytes;
}

static void memory(const struct params *p)
{
	struct world_params wp = world_params(p);
	double teams = agent_bytes(&wp), v;

	wp.profiles = 0;
	v = agent_bytes(&wp);
	figure("router_bytes_per_agent", "bytes", v, teams, v, 0,
	       "resident, all idle, its share of queues and indices with it; median = max: each of skills of its own; "
	       "min: in teams");
	v = call_bytes(&wp);
	figure("router_bytes_per_call", "bytes", v, v, v, 0, "resident, as many waiting calls as agents");
}

/* ---- what is not a decision but must not hold one up ----------------------------------------------------------------- */

static void ignore_status(const struct router_queue_status *st, void *arg)
{
	(void)st;
	(void)arg;
}

static void meter_figure(struct meter *m, const char *name, double target, const char *conditions)
{
	struct meter_result r;
	double max;

	meter_round(m);
	r = meter_result(m);
	max = r.max / 1e3;
	figure(name, "us", max, r.p50 / 1e3, max, target, conditions);
	meter_done(m);
}

/* Longest turn and all of it, as the shell does it: so many queues that half a millisecond is over, then decisions. */
static void all_queues(struct world *w)
{
	struct meter m;
	int64_t t0 = 0;
	bool more = true;

	meter_init(&m, (size_t)w->p.queues);
	for (long at = 0; more; at += QUEUES_AT) {
		if (!t0) {
			meter_begin(&m);
			t0 = meter_cpu_ns();
		}
		more = world_queues(w, at, QUEUES_AT, 3);
		router_core_effects_done(w->core);
		if (more && meter_cpu_ns() - t0 < TURN_NS)
			continue;
		(void)meter_end(&m);
		t0 = 0;
	}
	meter_figure(&m, "router_config_queues_turn_us", 1000,
		     "median = max: longest turn of the loop while every queue changes its requirement");
}

static void all_agents(struct world *w)
{
	struct meter m;

	meter_init(&m, (size_t)w->p.agents);
	for (long i = 0; i < w->p.agents; i++) {
		meter_begin(&m);
		world_agent_conf(w, (uint32_t)i, 1);
		(void)meter_end(&m);
		router_core_effects_done(w->core);
	}
	meter_figure(&m, "router_config_agent_us", 1000,
		     "median = max: longest of all agents whose levels change, one input each");
}

static void disturbances(const struct params *p)
{
	struct world_params wp = world_params(p);
	struct world w;
	struct meter m;

	wp.profiles = 0;
	world_init(&w, &wp);
	world_prepare(&w, p->agents / 2, p->agents / 2);
	meter_init(&m, 400);
	for (int i = 0; i < 400; i++) {
		meter_begin(&m);
		router_core_statuses(w.core, (size_t)p->queues / 20 + 1, false, ignore_status, NULL);
		(void)meter_end(&m);
	}
	meter_figure(&m, "router_status_turn_us", 1000, "median = max: a twentieth of the queues looked at");
	all_queues(&w);
	all_agents(&w);
	meter_init(&m, 1);
	meter_begin(&m);
	world_queue_for_all(&w);
	(void)meter_end(&m);
	meter_figure(&m, "router_config_queue_for_all_us", 0, "the first queue that every agent can serve, once");
	world_done(&w);
}

/* ---- main ---------------------------------------------------------------------------------------------------------- */

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
	if (p->rounds > METER_ROUNDS)
		p->rounds = METER_ROUNDS;
}

int main(int argc, char **argv)
{
	struct params p = { 100000, 10000, 2000, 5000000, 5, 1000 };
	struct meter_noise noise;
	long profiles;

	parse(&p, argc, argv);
	memory(&p); /* first: of what is freed later not all goes back */
	noise = meter_noise();
	profiles = p.profiles;
	for (int teams = 0; teams < 2; teams++) {
		p.profiles = teams ? profiles : 0;
		scenario(&p, "idle", p.agents / 2, 0, &noise);
		scenario(&p, "overload", 0, p.agents / 2, &noise);
	}
	sort(rates.v, rates.n);
	figure("router_events_per_s", "events per CPU-second", rates.v[0], rates.v[0], rates.v[rates.n - 1], 2000000,
	       "median = min: the worst scenario; max: the best");
	spread_figure("router_decision_p999_us", "us", &p999, 20, "over the scenarios");
	spread_figure("router_decision_max_us", "us", &maxima, 1000, "over the scenarios, all rounds");
	spread_figure(
	    "router_ready_to_reserve_us", "us", &ready_p999, 20,
	    "p99.9 over the scenarios in which calls wait: an agent's record becomes READY, the reservation is out");
	spread_figure("router_ready_to_reserve_max_us", "us", &ready_max, 1000, "the same, maximum");
	disturbances(&p);
	growth(&p);
	return 0;
}
