#include "meter.h"

#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "world.h"

static int64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

int64_t meter_cpu_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

void meter_init(struct meter *m, size_t cap)
{
	*m = (struct meter){ .ns = world_must(mem_array(cap, sizeof(*m->ns))), .cap = cap };
	for (size_t i = 0; i < cap; i++)
		m->ns[i] = 1; /* the pages are there before it begins */
}

void meter_done(struct meter *m)
{
	mem_free(m->ns);
}

void meter_begin(struct meter *m)
{
	m->cpu_ns = meter_cpu_ns();
	m->mono_ns = clock_ns(CLOCK_MONOTONIC);
}

void meter_put(struct meter *m, uint32_t ns)
{
	if (m->n < m->cap)
		m->ns[m->n++] = ns;
}

uint32_t meter_end(struct meter *m)
{
	int64_t mono = clock_ns(CLOCK_MONOTONIC) - m->mono_ns, cpu = meter_cpu_ns() - m->cpu_ns;
	uint32_t ns = (uint32_t)(cpu < mono ? cpu : mono);

	meter_put(m, ns);
	return ns;
}

void meter_round(struct meter *m)
{
	if (m->n_rounds < METER_ROUNDS)
		m->round_at[m->n_rounds++] = m->n;
}

static int by_number(const void *x, const void *y)
{
	const uint32_t *a = x, *b = y;

	return *a < *b ? -1 : *a > *b;
}

static uint32_t at(const uint32_t *sorted, size_t n, double share)
{
	return n ? sorted[(size_t)((double)(n - 1) * share)] : 0;
}

struct meter_result meter_result(struct meter *m)
{
	struct meter_result r = { .n = m->n };
	size_t from = 0;

	for (size_t i = 0; i < m->n_rounds; from = m->round_at[i++]) {
		uint32_t *v = m->ns + from;
		size_t n = m->round_at[i] - from;

		if (!n)
			continue;
		qsort(v, n, sizeof(*v), by_number);
		r.p999_best = r.p999_best && r.p999_best < at(v, n, 0.999) ? r.p999_best : at(v, n, 0.999);
		r.max_best = r.max_best && r.max_best < v[n - 1] ? r.max_best : v[n - 1];
	}
	qsort(m->ns, m->n, sizeof(*m->ns), by_number);
	r.p50 = at(m->ns, m->n, 0.5);
	r.p99 = at(m->ns, m->n, 0.99);
	r.p999 = at(m->ns, m->n, 0.999);
	r.max = at(m->ns, m->n, 1);
	return r;
}

struct meter_noise meter_noise(void)
{
	struct meter_noise noise;
	struct meter m;

	for (int work = 0; work < 2; work++) {
		meter_init(&m, 200000);
		for (int r = 0; r < 5; r++) {
			for (int i = 0; i < 40000; i++) {
				meter_begin(&m);
				for (volatile int k = 0; k < work * 500; k++)
					;
				meter_end(&m);
			}
			meter_round(&m);
		}
		noise.steady = meter_result(&m);
		if (!work)
			noise.clock_ns = noise.steady.p50;
		meter_done(&m);
	}
	return noise;
}
