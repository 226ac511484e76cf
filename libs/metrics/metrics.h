/*
 * metrics: counters, gauges and histograms in Prometheus text form (exposition format 0.0.4).
 *
 * Registration is at start-up, one thread. Updating is wait-free from any thread (relaxed atomics): hot paths may.
 *
 *	static struct metric offers = METRIC_COUNTER("trunkline_call_offers_total", "calls offered by sip-edge");
 *	metrics_register(&offers);
 *	metric_add(&offers, 1);
 */
#ifndef METRICS_METRICS_H
#define METRICS_METRICS_H

#include <stdatomic.h>
#include <stdint.h>
#include "base/err.h"
#include "base/str.h"

enum metric_kind { METRIC_KIND_COUNTER, METRIC_KIND_GAUGE, METRIC_KIND_HISTOGRAM };
#define METRIC_BUCKETS 26 /* up to 33.6 s; then +Inf */

struct metric {
	enum metric_kind kind;
	const char *name;   /* static; base unit in the name (_seconds, _bytes, _total) */
	const char *labels; /* static: `result="ok"` or NULL */
	const char *help;
	_Atomic int64_t value;			     /* histogram: sum in µs */
	_Atomic int64_t buckets[METRIC_BUCKETS + 1]; /* histogram: [i] counts up to 2^i µs, the last one all above */
	struct metric *next;
};
#define METRIC_COUNTER(n, h)                                      \
	{                                                         \
		.kind = METRIC_KIND_COUNTER, .name = n, .help = h \
	}
#define METRIC_COUNTER_L(n, l, h)                                              \
	{                                                                      \
		.kind = METRIC_KIND_COUNTER, .name = n, .labels = l, .help = h \
	}
#define METRIC_GAUGE(n, h)                                      \
	{                                                       \
		.kind = METRIC_KIND_GAUGE, .name = n, .help = h \
	}
#define METRIC_HISTOGRAM(n, h)                                      \
	{                                                           \
		.kind = METRIC_KIND_HISTOGRAM, .name = n, .help = h \
	}

void metrics_register(struct metric *m);
static inline void metric_add(struct metric *m, int64_t n)
{
	atomic_fetch_add_explicit(&m->value, n, memory_order_relaxed);
}
static inline void metric_set(struct metric *m, int64_t v)
{
	atomic_store_explicit(&m->value, v, memory_order_relaxed);
}
static inline int64_t metric_get(const struct metric *m)
{
	return atomic_load_explicit(&((struct metric *)m)->value, memory_order_relaxed);
}
/* One observation of a duration in microseconds (histogram). */
void metric_observe_us(struct metric *m, int64_t us);
/* All registered metrics plus process_cpu_seconds_total, process_resident_memory_bytes, process_open_fds, process_max_fds,
 * process_start_time_seconds. */
void metrics_print(struct str *out);

#endif
