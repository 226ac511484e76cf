/* Consuming from a real broker: what librdkafka itself takes, and the same with decoding and counting. */
#include "bench.h"

#include <stdio.h>

#include "../../services/reporting/event_wire.h"
#include "base/mem.h"
#include "stream/stream.h"
#include "testkit/testkit.h"

#define PARTITIONS 6
#define WAIT_MS	   120000

static const char *const topics[] = { "trunkline.call.v1", "trunkline.agent.v1", NULL };

/* ---- filling it ------------------------------------------------------------------------------------------------------ */

struct filling {
	struct bench *b;
	struct stream_producer *producer;
	size_t sent, delivered;
};

static void on_delivered(err_t e, void *arg)
{
	struct filling *f = arg;

	if (e)
		testkit_die("Kafka: %s", err_name(e));
	f->delivered++;
}

/* As event-bridge sends it. */
static err_t send(struct filling *f, const struct world_record *r)
{
	const struct world *w = &f->b->w;
	const struct stream_header headers[] = { { "ce_specversion", "1.0" },
						 { "ce_id", r->id },
						 { "ce_type", "trunkline.event.v1.AgentStateChanged" },
						 { "ce_source", "/trunkline/tenants/tenant-1/call" },
						 { "ce_time", "2023-11-14T22:15:00.000Z" },
						 { "ce_subject", r->key },
						 { "ce_instance", "call-control/cc-1" },
						 { "content-type", "application/protobuf" } };
	char key[96];
	int n = snprintf(key, sizeof(key), "%s:%s", r->tenant, r->key);

	return stream_produce(f->producer, topics[r->agent], key, (size_t)n, w->bytes + r->at, r->size, headers,
			      ARRAY_SIZE(headers), r->time_ms, on_delivered, f);
}

static bool filled(void *arg)
{
	struct filling *f = arg;

	while (f->sent < f->b->w.n && f->sent < f->delivered + 20000) {
		if (send(f, &f->b->w.list[f->sent]))
			break;
		f->sent++;
	}
	return f->delivered == f->b->w.n;
}

void bench_fill_kafka(struct bench *b, struct testkit_kafka *k)
{
	static const char *const options[] = { "linger.ms=50", NULL };
	struct err_detail d = { "", "" };
	struct filling f = { .b = b };
	struct loop *loop;
	struct stream_producer_params p = { .brokers = k->brokers, .client_id = "kpi-bench", .options = options };

	if (loop_new(&loop) || stream_ensure_topics(k->brokers, topics, PARTITIONS, 1, &d))
		testkit_die("topics: %s", d.message);
	p.loop = loop;
	if (stream_producer_new(&f.producer, &p, &d))
		testkit_die("producer: %s", d.message);
	if (!testkit_wait_loop(loop, filled, &f, WAIT_MS))
		testkit_die("Kafka has taken %zu of %zu events", f.delivered, b->w.n);
	stream_producer_free(&f.producer);
	loop_free(&loop);
}

/* ---- consuming --------------------------------------------------------------------------------------------------------- */

struct consuming {
	struct stream_consumer *consumer;
	struct kpi_batch *batch;
	struct kpi_event *events;
	size_t n, want, batches;
	bool count;
	uint64_t applied;
};

static int64_t from_the_beginning(const char *topic, int32_t partition, void *arg)
{
	(void)topic;
	(void)partition;
	(void)arg;
	return -1;
}

static void count(struct consuming *c, const struct stream_record *records, size_t n)
{
	struct err_detail d = { "", "" };

	kpi_batch_reset(c->batch);
	for (size_t i = 0; i < n; i++)
		if (event_from_pb(&c->events[i], records[i].value, records[i].size, &d))
			testkit_die("record: %s: %s", d.field, d.message);
	if (!kpi_place(c->batch, c->events, n))
		testkit_die("out of memory");
	kpi_apply(c->batch, c->events, n);
	c->applied += c->batch->applied;
}

static void on_batch(const struct stream_record *records, size_t n, void *arg)
{
	struct consuming *c = arg;

	if (c->count)
		count(c, records, n);
	c->n += n;
	c->batches++;
	stream_consumer_next(c->consumer);
}

static bool consumed(void *arg)
{
	struct consuming *c = arg;

	return c->n >= c->want;
}

/* CPU time of this process for all records, from the start of the client to its last record. */
static double consume(struct bench *b, struct testkit_kafka *k, struct consuming *c, const char *group)
{
	struct stream_consumer_params p = { .brokers = k->brokers,
					    .group = group,
					    .topics = topics,
					    .batch = bench_batch(b),
					    .start_offset = from_the_beginning,
					    .on_batch = on_batch,
					    .arg = c };
	struct err_detail d = { "", "" };
	struct loop *loop;
	int64_t t0 = bench_cpu_ns(), used;

	c->n = c->batches = 0;
	c->applied = 0;
	c->want = b->w.n;
	if (loop_new(&loop))
		testkit_die("no loop");
	p.loop = loop;
	if (stream_consumer_new(&c->consumer, &p, &d))
		testkit_die("consumer: %s", d.message);
	if (!testkit_wait_loop(loop, consumed, c, WAIT_MS))
		testkit_die("%zu of %zu events came", c->n, c->want);
	used = bench_cpu_ns() - t0;
	stream_consumer_free(&c->consumer);
	loop_free(&loop);
	if (c->n != c->want || (c->count && c->applied != c->want))
		testkit_die("%zu events, %zu came, %llu counted", c->want, c->n, (unsigned long long)c->applied);
	return (double)c->want * 1e9 / (double)used;
}

void bench_kafka(struct bench *b)
{
	struct consuming c = { .events = mem_array(bench_batch(b), sizeof(*c.events)) };
	struct rates drop = { .n = b->rounds }, counted = { .n = b->rounds };
	struct testkit_kafka k;
	char more[256], group[32];

	if (!c.events || kpi_batch_new(&c.batch))
		testkit_die("out of memory");
	testkit_kafka_start(&k);
	bench_fill_kafka(b, &k);
	for (long i = 0; i < b->rounds; i++) {
		(void)snprintf(group, sizeof(group), "drop-%ld", i);
		c.count = false;
		drop.list[i] = consume(b, &k, &c, group);
		(void)snprintf(group, sizeof(group), "count-%ld", i);
		c.count = true;
		counted.list[i] = consume(b, &k, &c, group);
	}
	testkit_kafka_stop(&k);
	(void)snprintf(more, sizeof(more),
		       ",\"events\":%zu,\"bytes_per_event\":%zu,\"batch\":%ld,\"batches\":%zu,\"partitions\":%d",
		       b->w.n, b->w.used / b->w.n, (long)bench_batch(b), c.batches, 2 * PARTITIONS);
	bench_print("librdkafka_dropped_events_per_s", &drop, more);
	bench_print("kpi_kafka_events_per_s", &counted, more);
	kpi_batch_free(&c.batch);
	mem_free(c.events);
}
