/* kpi-bench: what the parts share. One mode after another, each in a file of its own. */
#ifndef KPI_BENCH_BENCH_H
#define KPI_BENCH_BENCH_H

#include <stdint.h>
#include <sys/types.h>
#include "world_wire.h"

#define ROUNDS_MAX 32

struct bench {
	struct world_params world;
	long batch, rounds;		  /* batch 0: the service's own default */
	char reporting[512], bridge[512]; /* programs; beside our own */
	struct world w;
};

static inline size_t bench_batch(const struct bench *b)
{
	return b->batch ? (size_t)b->batch : 4000;
}

struct rates {
	double list[ROUNDS_MAX];
	long n;
};

/* core.c: no environment. */
void bench_core(struct bench *b);
/* kafka.c: a private broker that already holds the world's events in `partitions` partitions a topic. */
struct testkit_kafka;
void bench_fill_kafka(struct bench *b, struct testkit_kafka *k);
void bench_kafka(struct bench *b);
/* services.c: the processes themselves between real NATS, Kafka and PostgreSQL. */
void bench_reporting(struct bench *b);
void bench_bridge(struct bench *b);

/* measure.c */
int64_t bench_cpu_ns(void);		/* of this process, all threads */
int64_t bench_thread_ns(void);		/* of this thread */
int64_t bench_proc_ns(pid_t pid);	/* of another process and its children; 10 ms exact */
int64_t bench_proc_switches(pid_t pid); /* how often its threads have gone to sleep */
/* One line of JSON: median, min and max of events per CPU-second; more: further members with a comma before each. */
void bench_print(const char *name, struct rates *r, const char *more);

#endif
