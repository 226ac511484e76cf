/*
 * What a message costs: CPU of this process and of the real nats-server per operation, by way of sending and by how many
 * are in flight. One thread, one loop, libs/bus as the services use it.
 *
 *	trunkline-bus-bench [seconds per line]      a table, then one line of JSON
 */
#include "base/clock.h"
#include "bus/bus.h"
#include "testkit/testkit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define PAYLOAD 400

static struct testkit_nats nats;
static struct loop *loop;
static struct bus *bus;
static struct bus_kv *kv;
static char payload[PAYLOAD];

struct run {
	const char *name;
	size_t in_flight;
	void (*next)(struct run *r); /* begins one operation */
	size_t begun, ended, failed;
	uint64_t revision;
	bool stop;
};

static void ended(struct run *r, bool ok)
{
	r->ended++;
	r->failed += !ok;
	if (!r->stop)
		r->next(r);
}

static void check(struct run *r, err_t e)
{
	r->begun++;
	if (e)
		testkit_die("%s: %s", r->name, err_name(e));
}

/* ---- operations ----------------------------------------------------------------------------------------------------- */

static void on_reply(err_t e, const struct bus_msg *msg, void *arg)
{
	(void)msg;
	ended(arg, !e);
}

static void next_request(struct run *r)
{
	check(r, bus_request(bus, "bench.echo", payload, PAYLOAD, 5000, on_reply, r));
}

static void on_ack(err_t e, uint64_t seq, void *arg)
{
	(void)seq;
	ended(arg, !e);
}

static void next_js(struct run *r)
{
	check(r, bus_js_publish(bus, "bench.js", payload, PAYLOAD, NULL, on_ack, r));
}

static void on_cas(err_t e, uint64_t seq, void *arg)
{
	struct run *r = arg;

	r->revision = seq;
	ended(r, !e);
}

/* One chain of writes on one key. */
static void next_cas(struct run *r)
{
	check(r, bus_kv_put(kv, "cas", payload, PAYLOAD, r->revision, on_cas, r));
}

static void next_put(struct run *r)
{
	char key[32];

	(void)snprintf(key, sizeof(key), "k%zu", r->begun % 1000);
	check(r, bus_kv_put(kv, key, payload, PAYLOAD, BUS_KV_ANY, on_ack, r));
}

static struct run *publishing;

static void on_published(const struct bus_msg *msg, void *arg)
{
	(void)msg;
	(void)arg;
	if (publishing)
		ended(publishing, true);
}

static void next_publish(struct run *r)
{
	publishing = r;
	check(r, bus_publish(bus, "bench.one-way", payload, PAYLOAD));
}

/* ---- measuring ------------------------------------------------------------------------------------------------------- */

static double own_cpu(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static double server_cpu(void)
{
	unsigned long user = 0, sys = 0;
	char path[64];
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)nats.proc.pid);
	f = fopen(path, "r");
	if (!f)
		return 0;
	if (fscanf(f, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &sys) != 2)
		user = sys = 0;
	fclose(f);
	return (double)(user + sys) / (double)sysconf(_SC_CLK_TCK);
}

static void turn_until(int64_t end_ms)
{
	while (clock_mono_ms() < end_ms)
		loop_turn(loop, 20);
}

static void measure(struct run *r, double seconds)
{
	double own, server, wall;
	size_t n;

	for (size_t i = 0; i < r->in_flight; i++)
		r->next(r);
	turn_until(clock_mono_ms() + 300);
	own = own_cpu();
	server = server_cpu();
	wall = (double)clock_mono_us();
	n = r->ended;
	turn_until(clock_mono_ms() + (int64_t)(seconds * 1000));
	n = r->ended - n;
	own = (own_cpu() - own) * 1e6 / (double)n;
	server = (server_cpu() - server) * 1e6 / (double)n;
	wall = ((double)clock_mono_us() - wall) / (double)n;
	printf("%-34s %6zu %12.0f %12.2f %12.2f\n", r->name, r->in_flight, 1e6 / wall, own, server);
	fprintf(stderr,
		"{\"name\":\"%s\",\"in_flight\":%zu,\"per_second\":%.0f,\"client_us\":%.2f,\"server_us\":%.2f,"
		"\"failed\":%zu}\n",
		r->name, r->in_flight, 1e6 / wall, own, server, r->failed);
	r->stop = true;
	while (r->ended < r->begun)
		loop_turn(loop, 20);
	publishing = NULL;
}

static void echo(const struct bus_msg *msg, void *arg)
{
	(void)arg;
	if (bus_publish(bus, msg->reply, msg->data, msg->size))
		testkit_die("echo");
}

static void set_up(void)
{
	struct bus_params p = { .url = nats.url, .name = "bench" };
	const char *const subjects[] = { "bench.js", NULL };
	struct bus_stream_params sp = { .name = "BENCH", .subjects = subjects, .max_bytes = 256 << 20 };
	struct bus_kv_params kp = { .bucket = "bench" };
	struct bus_sub *sub, *one_way;
	struct err_detail d = { "", "" };
	err_t e = loop_new(&loop);

	p.loop = loop;
	e = e ? e : bus_new(&bus, &p, &d);
	e = e ? e : bus_stream_ensure(bus, &sp, &d);
	e = e ? e : bus_kv_open(&kv, bus, &kp, &d);
	e = e ? e : bus_subscribe(&sub, bus, "bench.echo", NULL, echo, NULL);
	e = e ? e : bus_subscribe(&one_way, bus, "bench.one-way", NULL, on_published, NULL);
	if (e)
		testkit_die("%s: %s", err_name(e), d.message);
}

int main(int argc, char **argv)
{
	struct run runs[] = {
		{ .name = "request-reply (both ends here)", .in_flight = 1, .next = next_request },
		{ .name = "request-reply (both ends here)", .in_flight = 64, .next = next_request },
		{ .name = "request-reply (both ends here)", .in_flight = 256, .next = next_request },
		{ .name = "publish and receive", .in_flight = 1, .next = next_publish },
		{ .name = "publish and receive", .in_flight = 64, .next = next_publish },
		{ .name = "JetStream publish", .in_flight = 1, .next = next_js },
		{ .name = "JetStream publish", .in_flight = 64, .next = next_js },
		{ .name = "JetStream publish", .in_flight = 1024, .next = next_js },
		{ .name = "KV compare-and-set, one key", .in_flight = 1, .next = next_cas },
		{ .name = "KV put, 1,000 keys", .in_flight = 64, .next = next_put },
	};
	double seconds = argc > 1 ? atof(argv[1]) : 2;

	memset(payload, 'x', sizeof(payload));
	testkit_nats_start(&nats, true);
	set_up();
	printf("%-34s %6s %12s %12s %12s\n", "operation (400 bytes)", "flying", "a second", "client us", "server us");
	for (size_t i = 0; i < ARRAY_SIZE(runs); i++)
		measure(&runs[i], seconds > 0 ? seconds : 2);
	bus_kv_close(&kv);
	bus_free(&bus);
	loop_free(&loop);
	testkit_nats_stop(&nats);
	return 0;
}
