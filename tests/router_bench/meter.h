/*
 * meter: how long single steps of less than a microsecond take, on a machine that does other things, too.
 *
 * Two clocks run over each step: the thread's CPU time (what else runs is not counted, but reading the clock is a system
 * call that costs as much as a decision) and the monotonic clock (read for little, but counts whoever took the CPU away).
 * Each is an upper bound of what the step cost, so the smaller one is told. Nothing is subtracted.
 */
#ifndef ROUTER_BENCH_METER_H
#define ROUTER_BENCH_METER_H

#include <stddef.h>
#include <stdint.h>

#define METER_ROUNDS 1000

struct meter {
	int64_t cpu_ns, mono_ns; /* of the step that runs */
	uint32_t *ns;		 /* of each step */
	size_t n, cap;
	size_t round_at[METER_ROUNDS]; /* where each round ends */
	size_t n_rounds;
};
struct meter_result {
	size_t n;
	uint32_t p50, p99, p999, max;
	uint32_t p999_best, max_best; /* of the round with the least: what the machine's interrupts do not explain */
};

int64_t meter_cpu_ns(void); /* CPU time of the thread */

void meter_init(struct meter *m, size_t cap);
void meter_done(struct meter *m);
void meter_begin(struct meter *m);
uint32_t meter_end(struct meter *m);
void meter_put(struct meter *m, uint32_t ns);
void meter_round(struct meter *m); /* a round ends */
/* Sorts the steps: the last thing to ask. */
struct meter_result meter_result(struct meter *m);

/* What the meter shows for a step that does nothing (its own cost), and how long the machine makes steps of about 1 µs
 * that always do the same. */
struct meter_noise {
	uint32_t clock_ns;
	struct meter_result steady;
};
struct meter_noise meter_noise(void);

#endif
