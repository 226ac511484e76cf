/*
 * apirate: requests a second of a tenant (Quotas.api_requests_per_s, GT-3.1.2c), at every service that serves its people: tenant-manager, agent-desk,
 * recorder, reporting. All of them and all their instances together have the one limit, each site with a NATS of its own apart; operators have none. A
 * stream counts once, when it is opened. Loop thread.
 *
 * The limit comes with the tenant's configuration (libs/tenantconf): a new one holds once the service has been told. Requests are let in by leases
 * (lease.h) out of a book in KV `quota`, key <tenant>.api (libs/pace): most of them in memory, at once. One that finds no lease is held before its
 * message is read, while the book is asked, at most LEASE_MS; those of other tenants never are. Who is refused costs no message.
 *
 * While NATS is slow or away (no answer for LEASE_MS) each instance has the limit for itself, and nobody waits (trunkline_quota_api_rate_alone_total);
 * so it is when what stands in the book is not valid. Until the configuration is known there is no limit.
 *
 * Measured (apirate_itest: two instances, four clients without a pause, 50 a second, 5.0 s): 298 let in, the bound being 300; 52 writes in NATS. CPU of a
 * request: 0.1 to 0.3 us more than without a limit.
 *
 * Memory: some 500 bytes for each tenant that has a limit and asked within the last minute or two.
 *
 *	e = apirate_new(&rate, &(struct apirate_params){ .bus = bus, .events = events, .conf = conf }, &detail);
 *	…	last in rpc_server_params.authorize
 *	e = apirate_take(rate, call, &user, detail);
 */
#ifndef APIRATE_APIRATE_H
#define APIRATE_APIRATE_H

#include "auth/auth.h"
#include "events/events.h"
#include "rpc/rpc.h"
#include "tenantconf/tenantconf.h"

struct apirate;

struct apirate_params {
	struct bus *bus;
	struct events *events; /* QuotaRefused: at most one a second of a tenant, of all instances together */
	const struct tenantconf *conf;
};
/* Blocking, at start. */
err_t apirate_new(struct apirate **ret, const struct apirate_params *p, struct err_detail *detail) MUST;
/* After the server, before the events, the configuration and the bus. May be NULL. */
void apirate_stop(struct apirate *a);
/* After the bus. */
void apirate_free(struct apirate **a);
/* A request of the user, whom authorize has let in otherwise. ERR_OK: it goes on, or is held (rpc_pause()), and then goes on or fails by itself.
 * ERR_EXHAUSTED: the detail names the quota, retry_ms is when to try again. */
err_t apirate_take(struct apirate *a, struct rpc_call *call, const struct auth_user *user,
		   struct err_detail *detail) MUST;

#endif
