/* The inside of a service: service.c (life), bus.c (NATS), args.c (command line and configuration), http.c (health and metrics). */
#ifndef SERVICE_INTERNAL_H
#define SERVICE_INTERNAL_H

#include "service/service.h"
#include "base/str.h"

#define SERVICE_MAX_READY 32

struct service_ready {
	const char *what;
	bool (*fn)(void *arg);
	void *arg;
	bool wanted; /* not needed: without it the service is degraded */
};

struct service_http;

struct service {
	char *name;
	struct service_common common;
	struct config_table tables[2]; /* common, own */
	size_t n_tables;
	bool configured; /* the tables' strings are ours to free */
	struct loop *loop;
	struct service_http *http;
	struct service_ready ready[SERVICE_MAX_READY];
	size_t n_ready;
	void (*drain_fn)(void *arg);
	void *drain_arg;
	struct loop_timer drain_timer;
	struct loop_timer second_timer;
	const struct bus *bus; /* NULL: none */
	bool ends_on_step_back;
	bool draining;
	bool drained;
};

extern const struct config_item service_common_items[];

struct service_args {
	const char *file; /* NULL: none */
	bool print_sample, print_reference, version, help;
};
/* ERR_INVALID with a message in detail: what was wrong with which argument. */
err_t service_args_parse(struct service_args *ret, int argc, char **argv, struct err_detail *detail) MUST;
err_t service_common_check(const struct service_common *c, struct err_detail *detail) MUST;
/* True when every check of what is needed says ready and nothing drains; else appends the names of what is not. */
bool service_is_ready(const struct service *svc, struct str *missing);
/* True when something wanted is missing; appends the names. */
bool service_is_degraded(const struct service *svc, struct str *missing);

void service_bus_second(const struct service *svc);

err_t service_http_new(struct service_http **ret, struct service *svc, struct err_detail *detail) MUST;
void service_http_free(struct service_http **http);

#endif
