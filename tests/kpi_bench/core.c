/* The core and the decoder alone, batch by batch as the service works. */
#include "bench.h"

#include <stdio.h>

#include "../../services/reporting/event_wire.h"
#include "base/mem.h"
#include "testkit/testkit.h"

#define CHUNK 256 /* enough that reading the clock is not measured */

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

/* What the tables would say: everything before the first event of a row in this batch has been counted. */
static void load_seen(const struct kpi_event *events, size_t n)
{
	for (size_t i = n; i-- > 0;)
		events[i].row->seen.upto = events[i].seq - 1;
}

/* As books.c does it: some are decoded, then placed; when all are, they are counted. */
static void one_batch(struct run *r, size_t first, size_t n)
{
	int64_t t = bench_thread_ns(), now;

	kpi_batch_reset(r->batch);
	for (size_t i = 0; i < n; i += CHUNK) {
		size_t some = n - i < CHUNK ? n - i : CHUNK;

		now = bench_thread_ns();
		r->core_ns += now - t;
		decode(&r->b->w, first + i, some, r->events + i);
		t = bench_thread_ns();
		r->decode_ns += t - now;
		if (!kpi_place(r->batch, r->events + i, some))
			testkit_die("out of memory");
	}
	now = bench_thread_ns();
	r->core_ns += now - t;
	load_seen(r->events, n);
	t = bench_thread_ns();
	kpi_apply(r->batch, r->events, n);
	r->core_ns += bench_thread_ns() - t;
	r->applied += r->batch->applied;
}

static void one_round(struct run *r)
{
	size_t n = r->b->w.n, batch = bench_batch(r->b);

	r->core_ns = r->decode_ns = 0;
	r->applied = 0;
	for (size_t i = 0; i < n; i += batch)
		one_batch(r, i, n - i < batch ? n - i : batch);
	if (r->applied != n)
		testkit_die("%zu events, %llu counted", n, (unsigned long long)r->applied);
}

void bench_core(struct bench *b)
{
	struct run r = { .b = b, .events = mem_array(bench_batch(b), sizeof(*r.events)) };
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
	(void)snprintf(
	    more, sizeof(more),
	    ",\"events\":%zu,\"bytes_per_event\":%zu,\"batch\":%ld,\"calls\":%ld,\"agents\":%ld,\"queues\":%ld,"
	    "\"tenants\":%ld",
	    b->w.n, b->w.used / b->w.n, (long)bench_batch(b), b->world.calls, b->world.agents, b->world.queues,
	    b->world.tenants);
	bench_print("kpi_core_events_per_s", &core, more);
	bench_print("kpi_decode_events_per_s", &both, more);
	kpi_batch_free(&r.batch);
	mem_free(r.events);
}
