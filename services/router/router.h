/*
 * router: the shell around the cores: leases of the shards, messages, agents' records, configuration. One loop.
 *
 * Any instance may lead any shard of its pool (served.h); who has a shard's lease runs its core (shard.h) and is the only one subscribed to its
 * subject. All instances watch agents, configuration and the holders' heartbeats all the time, so a standby is ready.
 */
#ifndef ROUTER_ROUTER_H
#define ROUTER_ROUTER_H

#include "agents/agents_store.h"
#include "batch/batch.h"
#include "bus/bus.h"
#include "core.h"
#include "metrics/metrics.h"
#include "owners.h"
#include "served.h"
#include "service/service.h"
#include "tenantconf/tenantconf.h"

#define ROUTER_SUBJECT	    200
#define ROUTER_REPUBLISH_MS 60000 /* less than the stream's memory of ids, which makes it harmless */

struct events;
struct placed;

struct router_config {
	char *pool;
	int64_t collect_ms;
	int64_t margin_ms;
	int64_t owner_timeout_ms;
	int64_t look_ms;
};
extern const struct config_item router_items[];

struct router {
	struct service *svc;
	struct loop *loop;
	const struct router_config *cfg;
	struct bus *bus;
	struct events *events;
	struct agents_store *agents;
	struct tenantconf *conf;
	struct bus_kv *calls;
	struct bus_sub *heartbeats;
	struct owners owners;
	struct loop_idle idle;
	struct loop_timer tick;
	struct bus_sub *routers; /* heartbeats of all of them, our own included */
	struct served *served;	 /* the own pool's first */
	struct placed *placed;	 /* tenants */
	struct shard *shards;	 /* all of the served */
	int64_t listening_ms;	 /* monotonic: since when heartbeats are heard without a break */
	uint64_t incarnation;
	unsigned ticks;
	bool leasing, failed;
	char instance[AGENT_ID_TEXT], site[AGENT_ID_TEXT], source[AGENT_ID_TEXT + 16];
};

err_t router_new(struct router **ret, struct service *svc, const struct router_config *cfg,
		 struct err_detail *detail) MUST;
void router_free(struct router **r);
/* A core ran out of memory: the process ends, a standby takes over. */
/* Whether any shard is led here has changed: a leader hears of each change of an agent at once, a standby now and then. */
void router_leading(struct router *r);
bool router_failed(const struct router *r);
void router_fail(struct router *r);
int64_t router_now_ms(const struct router *r);

extern struct metric router_metric_leading, router_metric_stood_in, router_metric_leases_over, router_metric_assigned,
    router_metric_conflicts, router_metric_fenced, router_metric_given_back, router_metric_reconciled,
    router_metric_waiting, router_metric_idle, router_metric_bad, router_metric_send_failed, router_metric_requests,
    router_metric_reserve_us, router_metric_takeovers, router_metric_input_us;
/* Of instances of a pool of its own, the gauge of the shards led has the pool as a label. */
void router_metrics_register(const char *pool);

#endif
