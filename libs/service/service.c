#include "service_internal.h"
#include "base/clock.h"
#include "base/mem.h"
#include "log/log.h"
#include "metrics/metrics.h"

#include <assert.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define JUMP_MS	      1000
#define KEEP_BYTES    (16 << 20)
#define TOP_PAD_BYTES (256 << 10)

#ifndef TRUNKLINE_VERSION
#define TRUNKLINE_VERSION "development"
#endif

static struct metric ready_gauge = METRIC_GAUGE("trunkline_ready", "1 when every readiness check says ready");
static struct metric degraded_gauge =
    METRIC_GAUGE("trunkline_degraded", "1 when something is missing that the service goes on without");

static struct metric clock_jumps =
    METRIC_COUNTER("trunkline_clock_jumps_total", "times that the wall clock was set by more than a second");

static void print_help(const struct service *svc)
{
	printf("usage: trunkline-%s [-c FILE]\n"
	       "  -c, --config FILE         settings (YAML); the environment goes over it: TRUNKLINE_HTTP_PORT=…\n"
	       "  --print-sample-config     a commented file with every setting and its default\n"
	       "  --print-config-reference  the settings as a Markdown table\n"
	       "  --version\n"
	       "  --help\n"
	       "SIGTERM: take no new work, finish what is under way, exit 0; a second one ends at once.\n",
	       svc->name);
}

/* What only prints, and then ends the program. */
static void print_and_exit(struct service *svc, const struct service_args *args)
{
	if (args->help)
		print_help(svc);
	else if (args->version)
		printf("trunkline-%s %s\n", svc->name, TRUNKLINE_VERSION);
	else if (args->print_sample)
		config_print_sample(svc->tables, svc->n_tables, stdout);
	else if (args->print_reference)
		config_print_reference(svc->tables, svc->n_tables, stdout);
	else
		return;
	service_free(&svc);
	exit(fflush(stdout) == 0 ? 0 : 1);
}

static void finish(struct service *svc)
{
	svc->drained = true;
	loop_stop(svc->loop);
}

static void on_drain_timeout(void *arg)
{
	struct service *svc = arg;

	LOG_WARN(NULL, "service.drain_timeout", "after_ms=%lld", (long long)svc->common.drain_timeout_ms);
	finish(svc);
}

static void on_signal(int signo, void *arg)
{
	struct service *svc = arg;

	if (svc->draining) {
		LOG_WARN(NULL, "service.stopped_hard", "signal=%s", sigabbrev_np(signo));
		finish(svc);
		return;
	}
	LOG_INFO(NULL, "service.draining", "signal=%s timeout_ms=%lld", sigabbrev_np(signo),
		 (long long)svc->common.drain_timeout_ms);
	svc->draining = true;
	metric_set(&ready_gauge, 0);
	if (!svc->drain_fn) {
		finish(svc);
		return;
	}
	loop_timer_start(&svc->drain_timer, svc->common.drain_timeout_ms);
	svc->drain_fn(svc->drain_arg);
}

/* A wall clock that was set: time-outs and durations do not notice (base/clock.h), people should. */
static void watch_clock(const struct service *svc)
{
	static int64_t last_ms;
	int64_t now_ms = clock_wall_ms() - clock_mono_ms();

	if (last_ms && llabs(now_ms - last_ms) > JUMP_MS) {
		metric_add(&clock_jumps, 1);
		LOG_WARN(NULL, "clock.jumped", "by_ms=%lld", (long long)(now_ms - last_ms));
		if (svc->ends_on_step_back && now_ms < last_ms) {
			LOG_ERROR(NULL, "service.ends", "why=%s", "the wall clock was set back: to be started anew");
			_exit(1); /* an orderly end would wait for those threads */
		}
	}
	last_ms = now_ms;
}

static void on_second(void *arg)
{
	struct service *svc = arg;

	watch_clock(svc);
	service_bus_second(svc);
	metric_set(&ready_gauge, service_is_ready(svc, NULL));
	metric_set(&degraded_gauge, service_is_degraded(svc, NULL));
	loop_timer_start(&svc->second_timer, 1000);
}

static err_t configure(struct service *svc, int argc, char **argv, struct err_detail *detail)
{
	struct service_args args;
	err_t e = service_args_parse(&args, argc, argv, detail);

	if (e)
		return e;
	print_and_exit(svc, &args);
	e = config_load(svc->tables, svc->n_tables, args.file, detail);
	if (e)
		return e;
	svc->configured = true;
	return service_common_check(&svc->common, detail);
}

static err_t start(struct service *svc, struct err_detail *detail)
{
	enum log_level level;
	err_t e = log_level_parse(svc->common.log_level, &level);

	if (e)
		return e;
	log_init(svc->name, svc->common.instance, level);
	/* What one burst of calls needed the next one needs as well: giving it back costs a page fault each time. */
	(void)mallopt(M_TRIM_THRESHOLD, KEEP_BYTES);
	(void)mallopt(M_TOP_PAD, TOP_PAD_BYTES);
	/* A peer that went away is an EPIPE where we write, not our end. */
	signal(SIGPIPE, SIG_IGN);
	e = loop_new(&svc->loop);
	if (e)
		return err_set(detail, e, "loop", "cannot be made");
	loop_set_pace(svc->loop, svc->common.pace_us);
	loop_timer_init(&svc->drain_timer, svc->loop, on_drain_timeout, svc);
	loop_timer_init(&svc->second_timer, svc->loop, on_second, svc);
	metrics_register(&ready_gauge);
	metrics_register(&degraded_gauge);
	metrics_register(&clock_jumps);
	e = loop_signals(svc->loop, on_signal, svc);
	if (e)
		return err_set(detail, e, "signals", "cannot be watched");
	return svc->common.http_port ? service_http_new(&svc->http, svc, detail) : ERR_OK;
}

err_t service_new(struct service **ret, const char *name, const struct config_item *items, void *cfg, int argc,
		  char **argv)
{
	struct service *svc = mem_zalloc(sizeof(*svc));
	struct err_detail detail = { "", "" };
	err_t e = ERR_EXHAUSTED;

	if (!svc)
		goto out;
	svc->name = mem_strdup(name);
	if (!svc->name)
		goto out;
	svc->tables[svc->n_tables++] = (struct config_table){ service_common_items, &svc->common };
	if (items)
		svc->tables[svc->n_tables++] = (struct config_table){ items, cfg };
	e = configure(svc, argc, argv, &detail);
	if (!e)
		e = start(svc, &detail);
out:
	if (e) {
		fprintf(stderr, "trunkline-%s: %s: %s (%s)\n", name, detail.field, detail.message, err_name(e));
		service_free(&svc);
	} else {
		*ret = svc;
	}
	return e;
}

void service_free(struct service **ref)
{
	struct service *svc = *ref;

	if (!svc)
		return;
	service_http_free(&svc->http);
	loop_free(&svc->loop);
	if (svc->configured)
		config_free(svc->tables, svc->n_tables);
	mem_free(svc->name);
	mem_free(svc);
	*ref = NULL;
}

struct loop *service_loop(const struct service *svc)
{
	return svc->loop;
}

const struct service_common *service_common(const struct service *svc)
{
	return &svc->common;
}

static void add_check(struct service *svc, const struct service_ready *check)
{
	assert(svc->n_ready < SERVICE_MAX_READY);
	svc->ready[svc->n_ready++] = *check;
}

void service_add_ready(struct service *svc, const char *what, bool (*fn)(void *arg), void *arg)
{
	add_check(svc, &(struct service_ready){ what, fn, arg, .wanted = false });
}

void service_add_wanted(struct service *svc, const char *what, bool (*fn)(void *arg), void *arg)
{
	add_check(svc, &(struct service_ready){ what, fn, arg, .wanted = true });
}

/* Checks of one kind that fail; their names, with commas, go behind what missing has. */
static size_t count_missing(const struct service *svc, bool wanted, const char *before, struct str *missing)
{
	size_t n = 0;

	for (size_t i = 0; i < svc->n_ready; i++) {
		if (svc->ready[i].wanted != wanted || svc->ready[i].fn(svc->ready[i].arg))
			continue;
		if (missing)
			str_printf(missing, "%s %s", n ? "," : before, svc->ready[i].what);
		n++;
	}
	return n;
}

bool service_is_ready(const struct service *svc, struct str *missing)
{
	if (svc->draining && missing)
		str_append(missing, " draining");
	return count_missing(svc, false, svc->draining ? "," : "", missing) == 0 && !svc->draining;
}

bool service_is_degraded(const struct service *svc, struct str *missing)
{
	return count_missing(svc, true, "", missing) > 0;
}

void service_end_on_step_back(struct service *svc)
{
	svc->ends_on_step_back = true;
}

void service_on_drain(struct service *svc, void (*fn)(void *arg), void *arg)
{
	svc->drain_fn = fn;
	svc->drain_arg = arg;
}

void service_drained(struct service *svc)
{
	if (svc->draining && !svc->drained)
		finish(svc);
}

bool service_draining(const struct service *svc)
{
	return svc->draining;
}

void service_run(struct service *svc)
{
	LOG_INFO(NULL, "service.started", "site=%s version=%s http_port=%lld", svc->common.site, TRUNKLINE_VERSION,
		 (long long)svc->common.http_port);
	on_second(svc);
	loop_run(svc->loop);
	loop_timer_stop(&svc->drain_timer);
	LOG_INFO(NULL, "service.stopped", "drained=%s", svc->drained ? "yes" : "no");
}

int service_exit_code(err_t e)
{
	switch (e) {
	case ERR_OK:
		return 0;
	case ERR_INVALID:
		return 2; /* arguments or configuration: starting again will not help */
	default:
		return 1;
	}
}
