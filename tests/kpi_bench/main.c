/* kpi-bench: what an event costs on its way into the indicators (README.md). */
#include <getopt.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "bench.h"

static const struct {
	const char *name;
	void (*run)(struct bench *b);
} modes[] = {
	{ "core", bench_core },
	{ "kafka", bench_kafka },
	{ "reporting", bench_reporting },
	{ "bridge", bench_bridge },
};

static _Noreturn void usage(int code)
{
	fprintf(code ? stderr : stdout,
		"usage: kpi-bench [core] [kafka] [reporting] [bridge] [--calls N] [--calls-per-s N] [--tenants N] "
		"[--queues N] [--agents N]\n                 [--batch N] [--rounds N] [--reporting-program PATH] "
		"[--bridge-program PATH]\n");
	exit(code);
}

static long number(const char *text, const char *what, long max)
{
	char *end;
	long v = strtol(text, &end, 10);

	if (*end || v < 1 || v > max) {
		fprintf(stderr, "kpi-bench: --%s must be a number from 1 to %ld, not '%s'\n", what, max, text);
		exit(2);
	}
	return v;
}

static void parse(struct bench *b, int argc, char **argv)
{
	static const struct option options[] = {
		{ "calls", 1, NULL, 0 },	     { "calls-per-s", 1, NULL, 1 },    { "tenants", 1, NULL, 2 },
		{ "queues", 1, NULL, 3 },	     { "agents", 1, NULL, 4 },	       { "batch", 1, NULL, 5 },
		{ "rounds", 1, NULL, 6 },	     { "reporting-program", 1, NULL, 7 }, { "bridge-program", 1, NULL, 8 },
		{ "help", 0, NULL, 'h' },	     { NULL, 0, NULL, 0 }
	};
	long *const values[] = { &b->world.calls,  &b->world.calls_per_s, &b->world.tenants,
				 &b->world.queues, &b->world.agents,	  &b->batch,
				 &b->rounds };
	int c, which;

	while ((c = getopt_long(argc, argv, "h", options, &which)) != -1) {
		if (c == 7 || c == 8)
			(void)snprintf(c == 7 ? b->reporting : b->bridge, sizeof(b->bridge), "%s", optarg);
		else if (c >= 0 && c < (int)ARRAY_SIZE(values))
			*values[c] = number(optarg, options[which].name, c == 6 ? ROUNDS_MAX : 10000000);
		else
			usage(c == 'h' ? 0 : 2);
	}
	if (b->world.queues < b->world.tenants || b->world.agents < b->world.tenants) {
		fprintf(stderr, "kpi-bench: each tenant needs a queue and an agent\n");
		exit(2);
	}
}

/* The services stand beside us. */
static void programs(struct bench *b)
{
	char self[400];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[n > 0 ? n : 0] = '\0';
	(void)dirname(self);
	(void)snprintf(b->reporting, sizeof(b->reporting), "%s/trunkline-reporting", self);
	(void)snprintf(b->bridge, sizeof(b->bridge), "%s/trunkline-event-bridge", self);
}

static bool asked(int argc, char **argv, const char *mode)
{
	for (int i = optind; i < argc; i++)
		if (strcmp(argv[i], mode) == 0)
			return true;
	return optind == argc;
}

static void check_modes(int argc, char **argv)
{
	for (int i = optind; i < argc; i++) {
		bool known = false;

		for (size_t k = 0; k < ARRAY_SIZE(modes); k++)
			known |= strcmp(argv[i], modes[k].name) == 0;
		if (!known)
			usage(2);
	}
}

int main(int argc, char **argv)
{
	struct bench b = { .world = { 62500, 35, 8, 500, 10000 }, .rounds = 3 };

	programs(&b);
	parse(&b, argc, argv);
	check_modes(argc, argv);
	world_make(&b.w, &b.world);
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		if (asked(argc, argv, modes[i].name))
			modes[i].run(&b);
	world_done(&b.w);
	return 0;
}
