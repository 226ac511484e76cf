/*
 * service: what every daemon does the same way: arguments, configuration, log, health and metrics over HTTP, signals,
 * drain. With it a main() is a table of contents.
 *
 * Command line: NAME -c FILE [--print-sample-config|--print-config-reference|--version|--help].
 * HTTP (libmicrohttpd on the loop): GET /healthz 200 while the loop turns, /readyz 200 only when every readiness check
 * says ready (else 503 and the names of those that do not; "ready, degraded: …" names what it goes on without), /metrics.
 * SIGTERM: not ready → on_drain → when service_drained() is called or drain.timeout_ms has passed → loop ends → exit 0.
 *
 *	int main(int argc, char **argv)
 *	{
 *		struct service *svc = NULL;
 *		err_t e = service_new(&svc, "recorder", recorder_items, &cfg, argc, argv);   // prints and exits for --help …
 *		…
 *		service_run(svc);
 *		service_free(&svc);
 *		return service_exit_code(e);
 *	}
 *
 * Every service has these settings besides its own: instance, site, http.address, http.port, log.level,
 * nats.url, nats.replicas, nats.ca_file, nats.cert_file, nats.key_file, drain.timeout_ms, loop.pace_us.
 */
#ifndef SERVICE_SERVICE_H
#define SERVICE_SERVICE_H

#include <stdbool.h>
#include "base/err.h"
#include "config/config.h"
#include "loop/loop.h"

struct service;
struct bus;

struct service_common {
	char *instance; /* unique in the site: "cc-1"; a token of NATS subjects */
	char *site;	/* "centre" */
	char *http_address;
	int64_t http_port; /* 0: no HTTP */
	char *log_level;
	char *nats_url;
	char *nats_ca_file; /* "" : no TLS */
	char *nats_cert_file;
	char *nats_key_file;
	int64_t nats_replicas;
	int64_t drain_timeout_ms;
	int64_t pace_us; /* loop_set_pace() */
};

/* cfg: the service's own struct, filled from items. On a configuration error: prints it to stderr and returns it. */
err_t service_new(struct service **ret, const char *name, const struct config_item *items, void *cfg, int argc,
		  char **argv) MUST;
void service_free(struct service **svc);
struct loop *service_loop(const struct service *svc);
const struct service_common *service_common(const struct service *svc);

/* Readiness check, called on the loop for each GET /readyz and once a second for the gauge trunkline_ready. */
void service_add_ready(struct service *svc, const char *what, bool (*fn)(void *arg), void *arg);
/* Of what the service goes on without: it stays ready, says so on /readyz and in the gauge trunkline_degraded. */
void service_add_wanted(struct service *svc, const char *what, bool (*fn)(void *arg), void *arg);
/* Checks "nats" (connected) and "nats writes" (none waits 5 s for its acknowledgement), and trunkline_bus_…; needed false: degraded
 * without. The bus lives as long as the loop runs. */
void service_add_bus(struct service *svc, struct bus *bus, bool needed);
/* For a service whose library waits by the wall clock (librdkafka 2.0.2: its threads would sleep for the hour that a clock was set
 * back): it ends at once, as if killed, and is started anew. */
void service_end_on_step_back(struct service *svc);
/* On SIGTERM: stop accepting; call service_drained() when nothing is left. Without a callback the loop just ends. */
void service_on_drain(struct service *svc, void (*fn)(void *arg), void *arg);
void service_drained(struct service *svc);
bool service_draining(const struct service *svc);
/* Runs until drained; logs service.started / service.stopped. */
void service_run(struct service *svc);
int service_exit_code(err_t e);

#endif
