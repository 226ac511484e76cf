/* media-bench: CPU, loss and jitter of a relay per two-party call (README.md). */
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/str.h"
#include "bench.h"
#include "testkit/testkit.h"

#define ROUNDS_MAX 99
#define SHARE	   0.70 /* of a core, at which calls are counted */
#define NEAR	   0.03
#define STEPS	   8
#define FIRST	   200 /* calls of the first step */
#define WARM_S	   1.0

struct bench b = { .calls = 200, .seconds = 10, .rounds = 3, .relay = &relay_media };

static double lost_percent(const struct measured *m)
{
	return m->sent ? 100.0 * (1 - (double)m->got / (double)m->sent) : 100;
}

static double relay_share(const struct measured *m)
{
	return m->relay_cpu_s / m->wall_s;
}

static double per_1000_call_s(const struct measured *m)
{
	return m->relay_cpu_s * 1000 / ((double)m->sent / 100);
}

static void print_line(const char *what, unsigned calls, const struct measured *m)
{
	printf(
	    "%s: %u calls%s%s, %.1f s, %s %.2f CPU-s (%.0f %% of a core), %.3f per 1,000 call-s, %.2f us a packet, "
	    "%lld "
	    "lost (%.3f %%), delay p50 %.2f p99 %.2f ms, jitter p50 %.2f p99 %.2f ms, bench itself %.0f %% of a core\n",
	    what, calls, b.record ? " recorded" : "", b.srtp ? " SRTP" : "", m->wall_s, b.relay->name, m->relay_cpu_s,
	    100 * relay_share(m), per_1000_call_s(m), m->relay_cpu_s * 1e6 / (2.0 * (double)m->sent),
	    (long long)m->sent - (long long)m->got, lost_percent(m), m->delay_p50_ms, m->delay_p99_ms, m->jitter_p50_ms,
	    m->jitter_p99_ms, 100 * m->own_cpu_s / m->wall_s);
	fflush(stdout);
}

/* ---- a fixed number of calls ---- */
static int by_cost(const void *x, const void *y)
{
	double d = per_1000_call_s(x) - per_1000_call_s(y);

	return d < 0 ? -1 : d > 0;
}

static void row_name(char name[64])
{
	snprintf(name, 64, "%s%s%s_cpu_s_per_1000_call_s", b.relay == &relay_media ? "" : "rtpengine_",
		 b.srtp	    ? "srtp"
		 : b.record ? "record"
			    : "relay",
		 b.srtp && b.record ? "_record" : "");
}

static void run_fixed(void)
{
	struct measured all[ROUNDS_MAX], *m;
	char what[32], name[64];

	b.relay->add(0, b.calls);
	(void)talk(b.calls, WARM_S);
	for (unsigned i = 0; i < b.rounds; i++) {
		all[i] = talk(b.calls, b.seconds);
		snprintf(what, sizeof(what), "round %u", i + 1);
		print_line(what, b.calls, &all[i]);
	}
	qsort(all, b.rounds, sizeof(all[0]), by_cost);
	m = &all[b.rounds / 2];
	row_name(name);
	printf("{\"name\": \"%s\", \"median\": %.4f, \"min\": %.4f, \"max\": %.4f, \"us_per_packet\": %.3f, \"calls\": "
	       "%u, "
	       "\"lost_percent\": %.4f, \"added_jitter_p99_ms\": %.3f, \"bench_core_share\": %.2f}\n",
	       name, per_1000_call_s(m), per_1000_call_s(&all[0]), per_1000_call_s(&all[b.rounds - 1]),
	       m->relay_cpu_s * 1e6 / (2.0 * (double)m->sent), b.calls, lost_percent(m), m->jitter_p99_ms,
	       m->own_cpu_s / m->wall_s);
}

/* ---- calls at 70 % of a core ---- */
/* Steps up, or down, until the relay's load is near; returns the calls. */
static unsigned find_calls(unsigned *made)
{
	unsigned calls = FIRST;

	for (unsigned step = 0; step < STEPS; step++) {
		struct measured m;
		double share;

		if (calls > *made) {
			b.relay->add(*made, calls);
			*made = calls;
		}
		(void)talk(calls, WARM_S);
		m = talk(calls, 3);
		print_line("step", calls, &m);
		share = relay_share(&m);
		if (share > SHARE - NEAR && share < SHARE + NEAR)
			break;
		/* Not more than doubled: the cost of a packet falls as there are more. */
		calls = (unsigned)(calls * (SHARE / share > 2 ? 2 : SHARE / share));
		if (calls < 1 || calls > CALLS_MAX)
			testkit_die("%u calls: out of what this program can do", calls);
	}
	return calls;
}

static double calls_at_share(unsigned calls, const struct measured *m)
{
	return calls * SHARE / relay_share(m);
}

static int compare(const void *x, const void *y)
{
	return *(const double *)x < *(const double *)y ? -1 : *(const double *)x > *(const double *)y;
}

static void run_capacity(void)
{
	double at_share[ROUNDS_MAX], jitter[ROUNDS_MAX], lost = 0, share = 0, own = 0, p50 = 0;
	unsigned made = 0, calls = find_calls(&made);
	char what[32];

	for (unsigned i = 0; i < b.rounds; i++) {
		struct measured m = talk(calls, b.seconds);

		snprintf(what, sizeof(what), "round %u", i + 1);
		print_line(what, calls, &m);
		at_share[i] = calls_at_share(calls, &m);
		jitter[i] = m.jitter_p99_ms;
		lost += lost_percent(&m) / b.rounds;
		share += relay_share(&m) / b.rounds;
		own += m.own_cpu_s / m.wall_s / b.rounds;
		p50 += m.jitter_p50_ms / b.rounds;
	}
	qsort(at_share, b.rounds, sizeof(double), compare);
	qsort(jitter, b.rounds, sizeof(double), compare);
	printf("{\"name\": \"%s_calls_per_core\", \"median\": %.0f, \"min\": %.0f, \"max\": %.0f, \"calls\": %u, "
	       "\"core_share\": %.3f, \"lost_percent\": %.4f, \"workers\": %u, \"bench_core_share\": %.2f}\n",
	       b.relay->name, at_share[b.rounds / 2], at_share[0], at_share[b.rounds - 1], calls, share, lost,
	       b.workers, own);
	printf("{\"name\": \"%s_added_jitter_p99_ms\", \"median\": %.3f, \"min\": %.3f, \"max\": %.3f, \"p50\": %.3f, "
	       "\"calls\": %u, \"core_share\": %.3f}\n",
	       b.relay->name, jitter[b.rounds / 2], jitter[0], jitter[b.rounds - 1], p50, calls, share);
}

/* ---- options ---- */
static void usage(void)
{
	testkit_die("usage: media-bench [--calls N] [--seconds N] [--rounds N] [--record] [--srtp] [--capacity] "
		    "[--workers N] [--pin] "
		    "[--peer rtpengine]");
}

static void options(int argc, char **argv)
{
	static const struct option list[] = {
		{ "calls", 1, NULL, 'c' },   { "seconds", 1, NULL, 's' }, { "rounds", 1, NULL, 'n' },
		{ "workers", 1, NULL, 'w' }, { "record", 0, NULL, 'r' },  { "srtp", 0, NULL, 'k' },
		{ "capacity", 0, NULL, 'C' }, { "pin", 0, NULL, 'P' }, { "peer", 1, NULL, 'p' },	  { NULL, 0, NULL, 0 },
	};
	int o;

	while ((o = getopt_long(argc, argv, "", list, NULL)) != -1) {
		unsigned v = optarg ? (unsigned)atoi(optarg) : 0;

		if (o == 'c')
			b.calls = v;
		else if (o == 's')
			b.seconds = v;
		else if (o == 'n')
			b.rounds = v;
		else if (o == 'w')
			b.workers = v;
		else if (o == 'r')
			b.record = true;
		else if (o == 'k')
			b.srtp = true;
		else if (o == 'C')
			b.capacity = true;
		else if (o == 'P')
			b.pin = true;
		else if (o == 'p' && str_eq(optarg, "rtpengine"))
			b.relay = &relay_rtpengine;
		else
			usage();
	}
	if (!b.calls || b.calls > CALLS_MAX || !b.seconds || !b.rounds || b.rounds > ROUNDS_MAX || b.workers > 64)
		testkit_die("1-%d calls, at least 1 second, 1-%d rounds and at most 64 workers expected", CALLS_MAX,
			    ROUNDS_MAX);
	if (b.record && b.relay != &relay_media)
		testkit_die("--record is for our engine only");
	if (b.capacity && !b.workers)
		b.workers = 1;
}

/* Two sockets a call for us, four for the relay, which inherits the limit. */
static void raise_file_limit(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < l.rlim_max) {
		l.rlim_cur = l.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &l);
	}
}

/* The relay on all cores but the first, we on the first: neither takes the other's. */
static void start_relay(void)
{
	cpu_set_t all, ours, theirs;
	int first = 0;

	CPU_ZERO(&ours);
	if (!b.pin || sched_getaffinity(0, sizeof(all), &all) || CPU_COUNT(&all) < 2) {
		b.relay->start();
		return;
	}
	while (!CPU_ISSET(first, &all))
		first++;
	theirs = all;
	CPU_CLR(first, &theirs);
	CPU_SET(first, &ours);
	if (sched_setaffinity(0, sizeof(theirs), &theirs))
		testkit_die("no affinity");
	b.relay->start();
	if (sched_setaffinity(0, sizeof(ours), &ours))
		testkit_die("no affinity");
}

int main(int argc, char **argv)
{
	options(argc, argv);
	raise_file_limit();
	start_relay();
	phones_open(b.capacity ? CALLS_MAX : b.calls);
	if (b.capacity)
		run_capacity();
	else
		run_fixed();
	phones_close();
	b.relay->stop();
	return 0;
}
