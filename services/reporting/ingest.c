/*
 * ingest: batches from Kafka into the books. One batch at a time: it is written, with its offsets, or written again: what cannot
 * be written stays in Kafka.
 */
#include "reporting.h"

#include <stdio.h>
#include "base/mem.h"
#include "log/log.h"

#define RETRY_MS 1000
#define LAG_MS	 1000

static struct metric lag = METRIC_GAUGE("trunkline_lag", "events in Kafka not yet counted");
static struct metric applied = METRIC_COUNTER("trunkline_reporting_events_total", "events counted");
static struct metric repeated =
    METRIC_COUNTER("trunkline_reporting_repeated_total", "events that had been counted before");
static struct metric malformed = METRIC_COUNTER("trunkline_reporting_malformed_total", "records that are no event");
static struct metric failures =
    METRIC_COUNTER("trunkline_reporting_failures_total", "batches that must be written again");

static const char *const topics[] = { "trunkline.call.v1", "trunkline.agent.v1", NULL };

static void write_batch(struct reporting *r);

static void on_written(err_t e, void *arg)
{
	struct reporting *r = arg;

	r->writing = false;
	if (r->stopping)
		return;
	if (e) {
		metric_add(&failures, 1);
		LOG_WARN(NULL, "batch.failed", "error=%s records=%zu retry_ms=%d why=%s", err_name(e), r->job.n,
			 RETRY_MS, LOG_Q(r->job.why));
		loop_timer_start(&r->retry, RETRY_MS);
		return;
	}
	metric_add(&applied, (int64_t)r->job.applied);
	metric_add(&repeated, (int64_t)r->job.repeated);
	if (r->job.malformed) {
		metric_add(&malformed, (int64_t)r->job.malformed);
		LOG_WARN(NULL, "record.ignored", "count=%llu field=%s why=%s", (unsigned long long)r->job.malformed,
			 LOG_Q(r->job.bad.field), LOG_Q(r->job.bad.message));
	}
	stream_consumer_next(r->consumer);
}

static void write_batch(struct reporting *r)
{
	/* Each time anew: what was sensitive when the batch came is not less so now. */
	vault_view_unref(&r->job.view);
	r->job.view = vault_look_to_write(r->vault);
	if (!r->job.view) { /* nobody knows now what is sensitive: Kafka keeps it */
		loop_timer_start(&r->retry, RETRY_MS);
		return;
	}
	r->writing = true;
	if (db_run(r->db, NULL, books_write, &r->job, on_written, r)) {
		r->writing = false;
		metric_add(&failures, 1);
		loop_timer_start(&r->retry, RETRY_MS);
	}
}

static void on_retry(void *arg)
{
	write_batch(arg);
}

static void on_batch(const struct stream_record *records, size_t n, void *arg)
{
	struct reporting *r = arg;

	vault_view_unref(&r->job.view);
	r->job = (struct books_job){ .books = r->books, .records = records, .n = n };
	write_batch(r);
}

static int64_t start_offset(const char *topic, int32_t partition, void *arg)
{
	struct reporting *r = arg;
	struct books_offset o = { .topic = topic, .partition = partition, .next = -1 };

	return db_run_wait(r->offsets, NULL, books_read_offset, &o) ? STREAM_OFFSET_UNKNOWN : o.next;
}

int64_t ingest_lag(const struct reporting *r)
{
	return r->consumer ? stream_consumer_lag(r->consumer) : -1;
}

enum stream_consumer_state ingest_state(const struct reporting *r)
{
	return r->consumer ? stream_consumer_state(r->consumer) : STREAM_JOINING;
}

static void tell_state(struct reporting *r)
{
	static const char *const names[] = { "joining", "reading", "cut-off", "fenced" };
	enum stream_consumer_state now = ingest_state(r);

	if (now == r->told)
		return;
	r->told = now;
	if (now == STREAM_FENCED)
		LOG_ERROR(NULL, "kafka.fenced", "instance=%s why=%s", service_common(r->svc)->instance,
			  "another process runs under this instance's name: nothing is counted here until a restart");
	else
		LOG_INFO(NULL, "kafka.state", "state=%s partitions=%d", names[now],
			 stream_consumer_partitions(r->consumer));
}

static void on_lag(void *arg)
{
	struct reporting *r = arg;

	metric_set(&lag, ingest_lag(r));
	tell_state(r);
	loop_timer_start(&r->lag_tick, LAG_MS);
}

err_t ingest_start(struct reporting *r, const struct reporting_config *cfg, struct err_detail *d)
{
	char wait[48], member[160];
	/* The broker, too, gathers: else each event by itself would wake broker and client. A member with a name of its own that
	 * died and comes back takes its partitions up at once; a nameless one waits until its former self's session is over. */
	const char *const options[] = { "fetch.min.bytes=65536", wait, member, NULL };
	struct stream_consumer_params p = { .loop = r->loop,
					    .brokers = cfg->brokers,
					    .group = cfg->group,
					    .instance = service_common(r->svc)->instance,
					    .topics = topics,
					    .options = options,
					    .batch = (size_t)cfg->batch,
					    .gather_ms = cfg->gather_ms,
					    .start_offset = start_offset,
					    .on_batch = on_batch,
					    .arg = r };
	struct metric *const all[] = { &lag, &applied, &repeated, &malformed, &failures };
	err_t e = books_new(&r->books);

	(void)snprintf(wait, sizeof(wait), "fetch.wait.max.ms=%lld", (long long)cfg->gather_ms);
	(void)snprintf(member, sizeof(member), "group.instance.id=%s.%s", service_common(r->svc)->site,
		       service_common(r->svc)->instance);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		metrics_register(all[i]);
	loop_timer_init(&r->retry, r->loop, on_retry, r);
	loop_timer_init(&r->lag_tick, r->loop, on_lag, r);
	loop_timer_start(&r->lag_tick, LAG_MS);
	return e ? e : stream_consumer_new(&r->consumer, &p, d);
}

void ingest_stop(struct reporting *r)
{
	r->stopping = true;
	loop_timer_done(&r->retry);
	loop_timer_done(&r->lag_tick);
}
