/* The core and the decoder alone, batch by batch as the service works. */
#include "bench.h"

#include <stdio.h>

#include "../../services/reporting/event_wire.h"
#include "base/mem.h"
#include "testkit/testkit.h"

struct run {
	struct bench *b;
	struct kpi_batch *batch;
	struct kpi_event *events;
	int64_t core_ns, decode_ns;
	uint64_t applied;
};

static void decode(const struct world *w, size_t first, size_t n, struct kpi_event *to)
{
	struct err_detail d = { "", "" };

	for (size_t i = 0; i < n; i++) {
		const struct world_record *r = &w->list[first + i];

		if (event_from_pb(&to[i], w->bytes + r->at, r->size, &d))
			testkit_die("event %zu: %s: %s", first + i, d.field, d.message);
	}
}

static void one_batch(struct run *r, size_t first, size_t n)
{
	int64_t t0 = bench_thread_ns(), t1, t2;

	decode(&r->b->w, first, n, r->events);
	t1 = bench_thread_ns();
	kpi_batch_reset(r->batch);
	if (!kpi_place(r->batch, r->events, n))
		testkit_die("out of memory");
	kpi_apply(r->batch, r->events, n);
	t2 = bench_thread_ns();
	r->decode_ns += t1 - t0;
	r->core_ns += t2 - t1;
	r->applied += r->batch->applied;
}

static void one_round(struct run *r)
{
	size_t n = r->b->w.n, batch = (size_t)r->b->batch;

	r->core_ns = r->decode_ns = 0;
	r->applied = 0;
	for (size_t i = 0; i < n; i += batch)
		one_batch(r, i, n - i < batch ? n - i : batch);
	if (r->applied != n)
		testkit_die("%zu events, %llu counted", n, (unsigned long long)r->applied);
}

void bench_core(struct bench *b)
{
	struct run r = { .b = b, .events = mem_array((size_t)b->batch, sizeof(*r.events)) };
	struct rates core = { .n = b->rounds }, both = { .n = b->rounds };
	char more[256];

	if (!r.events || kpi_batch_new(&r.batch))
		testkit_die("out of memory");
	one_round(&r); /* warm */
	for (long i = 0; i < b->rounds; i++) {
		one_round(&r);
		core.list[i] = (double)b->w.n * 1e9 / (double)r.core_ns;
		both.list[i] = (double)b->w.n * 1e9 / (double)(r.core_ns + r.decode_ns);
	}
	(void)snprintf(more, sizeof(more),
		       ",\"events\":%zu,\"bytes_per_event\":%zu,\"batch\":%ld,\"calls\":%ld,\"agents\":%ld,\"queues\":%ld,"
		       "\"tenants\":%ld",
		       b->w.n, b->w.used / b->w.n, b->batch, b->world.calls, b->world.agents, b->world.queues,
		       b->world.tenants);
	bench_print("kpi_core_events_per_s", &core, more);
	bench_print("kpi_decode_events_per_s", &both, more);
	kpi_batch_free(&r.batch);
	mem_free(r.events);
}
