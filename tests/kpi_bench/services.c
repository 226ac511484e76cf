/* The processes themselves, between real NATS, Kafka and PostgreSQL, with all events there before they start. */
#include "bench.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "bus/bus.h"
#include "db/db.h"
#include "events/events.h"
#include "testkit/testkit.h"

#define WAIT_MS	  300000
#define IDLE_MS	  5000
#define IN_FLIGHT 4096

static void sleep_ms(int64_t ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

struct service_run {
	struct testkit_proc proc;
	char dir[TESTKIT_PATH], conf[TESTKIT_PATH + 64], log[TESTKIT_PATH + 64];
};

static void service_start(struct service_run *s, const char *program, const char *conf)
{
	const char *const argv[] = { program, "-c", s->conf, NULL };
	struct testkit_spawn how = { .argv = argv, .log = s->log };

	testkit_file(s->dir, "service.yaml", conf, s->conf);
	(void)snprintf(s->log, sizeof(s->log), "%s/service.log", s->dir);
	testkit_spawn(&s->proc, &how);
}

static _Noreturn void service_died(struct service_run *s, const char *what)
{
	struct str log = STR_INIT;

	testkit_read(s->log, &log);
	testkit_die("%s: %s", what, str_text(&log));
}

/* What it costs to wait: CPU and how often a thread goes to sleep, a second. */
static void idle_cost(struct service_run *s, double *cpu_ms, double *wakeups)
{
	int64_t cpu = bench_proc_ns(s->proc.pid), switches = bench_proc_switches(s->proc.pid);

	sleep_ms(IDLE_MS);
	*cpu_ms = (double)(bench_proc_ns(s->proc.pid) - cpu) / 1e6 / (IDLE_MS / 1000.0);
	*wakeups = (double)(bench_proc_switches(s->proc.pid) - switches) / (IDLE_MS / 1000.0);
}

/* ---- reporting ----------------------------------------------------------------------------------------------------------- */

struct reporting_run {
	struct service_run s;
	struct testkit_postgres pg;
	struct testkit_kafka kafka;
	struct testkit_nats nats; /* which tokens are withdrawn */
	struct db *db;
	int64_t counted, want;
};

static err_t sql(struct db_tx *tx, void *arg)
{
	return db_exec(tx, NULL, arg, 0, NULL);
}

static void run_sql(struct reporting_run *r, const char *text)
{
	err_t e = db_run_wait(r->db, NULL, sql, (char *)(uintptr_t)text);

	if (e)
		testkit_die("%s: %s", text, err_name(e));
}

static err_t read_counted(struct db_tx *tx, void *arg)
{
	struct reporting_run *r = arg;
	struct db_result *rows = NULL;
	err_t e = db_exec(tx, &rows, "SELECT coalesce(sum(next_offset), 0) FROM rep.kafka_offset", 0, NULL);

	if (!e)
		r->counted = db_int(rows, 0, 0);
	db_result_free(&rows);
	return e;
}

/* Calls of which every event has been counted. */
static err_t read_whole(struct db_tx *tx, void *arg)
{
	struct reporting_run *r = arg;
	struct db_result *rows = NULL;
	err_t e =
	    db_exec(tx, &rows, "SELECT count(*) FROM rep.call WHERE seen_upto IN (8, 12) AND seen_bits = 0", 0, NULL);

	if (!e)
		r->counted = db_int(rows, 0, 0);
	db_result_free(&rows);
	return e;
}

static void make_keys(const char *dir)
{
	char key[TESTKIT_PATH + 16], pub[TESTKIT_PATH + 16];
	const char *const make[] = {
		"openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key, NULL
	};
	const char *const out[] = { "openssl", "ec", "-in", key, "-pubout", "-out", pub, NULL };

	(void)snprintf(key, sizeof(key), "%s/key.pem", dir);
	(void)snprintf(pub, sizeof(pub), "%s/pub.pem", dir);
	if (testkit_run(make, NULL, 10000) || testkit_run(out, NULL, 10000))
		testkit_die("openssl makes no key");
}

/* Empty books, and the service begins at the first event. */
static void reporting_begin(struct reporting_run *r, struct bench *b, int round)
{
	char conf[1400], batch[40] = "";

	if (b->batch)
		(void)snprintf(batch, sizeof(batch), "  batch: %ld\n", b->batch);
	run_sql(r, "DROP SCHEMA IF EXISTS rep CASCADE");
	run_sql(r, "DROP TABLE IF EXISTS schema_migrations");
	(void)snprintf(
	    conf, sizeof(conf),
	    "instance: r%d\nsite: centre\nhttp:\n  port: 0\nnats:\n  url: \"%s\"\nkafka:\n  brokers: \"%s\"\n  group: "
	    "\"g%d\"\n%s"
	    "db:\n  conninfo: \"%s user=reporting\"\n  migrate_conninfo: \"%s\"\ngrpc:\n  address: \"127.0.0.1:%d\"\n"
	    "auth:\n  public_key_file: \"%s/pub.pem\"\n",
	    round, r->nats.url, r->kafka.brokers, round, batch, r->pg.dsn, r->pg.dsn, testkit_tcp_port(), r->s.dir);
	service_start(&r->s, b->reporting, conf);
}

static double reporting_round(struct reporting_run *r, struct bench *b, int round, double *pg_ns, double *wall_ms)
{
	int64_t t0, pg, deadline;
	double cpu;

	reporting_begin(r, b, round);
	t0 = clock_mono_ms();
	deadline = t0 + WAIT_MS;
	pg = bench_proc_ns(r->pg.proc.pid);
	r->counted = 0;
	while (r->counted < r->want) {
		if (!testkit_proc_running(&r->s.proc) || clock_mono_ms() > deadline)
			service_died(&r->s, "reporting");
		sleep_ms(100);
		if (db_run_wait(r->db, NULL, read_counted, r))
			r->counted = 0; /* the tables are not there yet */
	}
	cpu = (double)bench_proc_ns(r->s.proc.pid);
	*pg_ns = (double)(bench_proc_ns(r->pg.proc.pid) - pg);
	*wall_ms = (double)(clock_mono_ms() - t0);
	return cpu;
}

void bench_reporting(struct bench *b)
{
	struct reporting_run r = { .want = (int64_t)b->w.n };
	struct rates rates = { .n = b->rounds };
	struct db_params p = { .connections = 1 };
	double pg_ns = 0, wall_ms = 0, idle_ms = 0, wakeups = 0;
	char more[300];

	testkit_dir(r.s.dir);
	make_keys(r.s.dir);
	testkit_postgres_start(&r.pg);
	testkit_nats_start(&r.nats, true);
	p.conninfo = r.pg.dsn;
	if (db_new(&r.db, &p))
		testkit_die("no database");
	run_sql(&r, "CREATE ROLE reporting LOGIN");
	testkit_kafka_start(&r.kafka);
	bench_fill_kafka(b, &r.kafka);
	for (long i = 0; i < b->rounds; i++) {
		rates.list[i] = (double)b->w.n * 1e9 / reporting_round(&r, b, (int)i, &pg_ns, &wall_ms);
		if (db_run_wait(r.db, NULL, read_whole, &r) || r.counted != b->world.calls)
			testkit_die("%ld calls, %lld counted whole", b->world.calls, (long long)r.counted);
		if (i + 1 == b->rounds)
			idle_cost(&r.s, &idle_ms, &wakeups);
		testkit_proc_stop(&r.s.proc, SIGTERM, 10000);
	}
	db_free(&r.db);
	testkit_kafka_stop(&r.kafka);
	testkit_nats_stop(&r.nats);
	testkit_postgres_stop(&r.pg);
	(void)snprintf(
	    more, sizeof(more),
	    ",\"events\":%zu,\"postgres_ns_per_event\":%.0f,\"wall_events_per_s\":%.0f,\"idle_cpu_ms_per_s\":%.1f,"
	    "\"idle_wakeups_per_s\":%.1f",
	    b->w.n, pg_ns / (double)b->w.n, (double)b->w.n * 1e3 / wall_ms, idle_ms, wakeups);
	bench_print("reporting_events_per_cpu_s", &rates, more);
}

/* ---- event-bridge ---------------------------------------------------------------------------------------------------------- */

struct bridge_run {
	struct service_run s;
	struct testkit_nats nats;
	struct testkit_kafka kafka;
	struct bench *b;
	struct loop *loop;
	struct bus *bus;
	struct bus_kv *positions;
	struct events *events;
	size_t sent, stored;
	uint64_t last, position; /* of the stream */
	bool asking;
};

static void on_stored(err_t e, uint64_t seq, void *arg)
{
	struct bridge_run *r = arg;

	if (e)
		testkit_die("JetStream: %s", err_name(e));
	r->stored++;
	if (seq > r->last)
		r->last = seq;
}

static bool all_stored(void *arg)
{
	struct bridge_run *r = arg;

	for (; r->sent < r->b->w.n && r->sent < r->stored + IN_FLIGHT; r->sent++)
		if (world_emit(&r->b->w, r->sent, r->events, on_stored, r))
			break;
	return r->stored == r->b->w.n;
}

static void on_position(err_t e, const struct bus_msg *msg, void *arg)
{
	struct bridge_run *r = arg;
	char text[24] = "";

	r->asking = false;
	if (!e && msg->size < sizeof(text)) {
		memcpy(text, msg->data, msg->size);
		r->position = strtoull(text, NULL, 10);
	}
}

static bool all_forwarded(void *arg)
{
	static int64_t next_ms;
	struct bridge_run *r = arg;

	if (!testkit_proc_running(&r->s.proc))
		service_died(&r->s, "event-bridge");
	if (!r->asking && clock_mono_ms() >= next_ms) {
		next_ms = clock_mono_ms() + 50;
		r->asking = bus_kv_get(r->positions, "event-bridge", on_position, r) == ERR_OK;
	}
	return r->position >= r->last;
}

static void bridge_set_up(struct bridge_run *r)
{
	struct bus_kv_params kp = { .bucket = "positions" };
	struct err_detail d = { "", "" };
	struct bus_params p = { .url = r->nats.url, .name = "kpi-bench" };
	err_t e = loop_new(&r->loop);

	p.loop = r->loop;
	e = e ? e : bus_new(&r->bus, &p, &d);
	e = e ? e : events_ensure_stream(r->bus, &d);
	e = e ? e : bus_kv_open(&r->positions, r->bus, &kp, &d);
	e = e ? e : events_new(&r->events, r->bus, "centre", "kpi-bench");
	if (e)
		testkit_die("NATS: %s %s", err_name(e), d.message);
}

static void bridge_round(struct bridge_run *r, double *ns, double *nats_ns, double *kafka_ns, double *wall_ms)
{
	int64_t nats = bench_proc_ns(r->nats.proc.pid), kafka = bench_proc_ns(r->kafka.proc.pid), t0 = clock_mono_ms();
	char conf[600];

	(void)
	    snprintf(conf, sizeof(conf),
		     "instance: b1\nsite: centre\nhttp:\n  port: 0\nnats:\n  url: \"%s\"\nkafka:\n  brokers: \"%s\"\n",
		     r->nats.url, r->kafka.brokers);
	service_start(&r->s, r->b->bridge, conf);
	if (!testkit_wait_loop(r->loop, all_forwarded, r, WAIT_MS))
		service_died(&r->s, "event-bridge takes too long");
	*ns = (double)bench_proc_ns(r->s.proc.pid);
	*nats_ns = (double)(bench_proc_ns(r->nats.proc.pid) - nats);
	*kafka_ns = (double)(bench_proc_ns(r->kafka.proc.pid) - kafka);
	*wall_ms = (double)(clock_mono_ms() - t0);
}

/* One round: the stream is read once. */
void bench_bridge(struct bench *b)
{
	struct bridge_run r = { .b = b };
	struct rates rates = { .n = 1 };
	double ns, nats_ns, kafka_ns, wall_ms, idle_ms, wakeups, n = (double)b->w.n;
	char more[300];

	testkit_dir(r.s.dir);
	testkit_nats_start(&r.nats, true);
	testkit_kafka_start(&r.kafka);
	bridge_set_up(&r);
	if (!testkit_wait_loop(r.loop, all_stored, &r, WAIT_MS))
		testkit_die("JetStream has taken %zu of %zu events", r.stored, b->w.n);
	bridge_round(&r, &ns, &nats_ns, &kafka_ns, &wall_ms);
	idle_cost(&r.s, &idle_ms, &wakeups);
	rates.list[0] = n * 1e9 / ns;
	testkit_proc_stop(&r.s.proc, SIGTERM, 10000);
	events_free(&r.events);
	bus_kv_close(&r.positions);
	bus_free(&r.bus);
	loop_free(&r.loop);
	testkit_kafka_stop(&r.kafka);
	testkit_nats_stop(&r.nats);
	(void)snprintf(
	    more, sizeof(more),
	    ",\"events\":%zu,\"nats_ns_per_event\":%.0f,\"kafka_ns_per_event\":%.0f,\"wall_events_per_s\":%.0f,"
	    "\"idle_cpu_ms_per_s\":%.1f,\"idle_wakeups_per_s\":%.1f",
	    b->w.n, nats_ns / n, kafka_ns / n, n * 1e3 / wall_ms, idle_ms, wakeups);
	bench_print("bridge_events_per_cpu_s", &rates, more);
}
