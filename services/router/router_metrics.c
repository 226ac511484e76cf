#include "router.h"

#include <stdio.h>

struct metric router_metric_leading = METRIC_GAUGE("trunkline_router_shards_led", "shards this instance leads");
struct metric router_metric_stood_in =
    METRIC_GAUGE("trunkline_router_shards_stood_in", "shards led for pools whose own routers are not heard");
struct metric router_metric_takeovers = METRIC_COUNTER("trunkline_router_takeovers_total", "shards taken over");
struct metric router_metric_requests = METRIC_COUNTER("trunkline_router_requests_total", "requests of call-controls");
struct metric router_metric_assigned = METRIC_COUNTER("trunkline_router_assigned_total", "calls given to an agent");
struct metric router_metric_conflicts =
    METRIC_COUNTER("trunkline_router_conflicts_total", "reservations lost to another writer of the agent's record");
struct metric router_metric_fenced =
    METRIC_COUNTER("trunkline_router_fenced_total", "writes refused because another leader was at work");
struct metric router_metric_leases_over =
    METRIC_COUNTER("trunkline_router_leases_over_total",
		   "shards given up because their lease was over, unrenewed: nothing was written after that");
struct metric router_metric_given_back = METRIC_COUNTER("trunkline_router_given_back_total", "reservations given back");
struct metric router_metric_reconciled =
    METRIC_COUNTER("trunkline_router_reconciled_total", "agents set free of calls that do not exist");
struct metric router_metric_waiting = METRIC_GAUGE("trunkline_router_calls_waiting", "calls waiting in the shards led");
struct metric router_metric_idle = METRIC_GAUGE("trunkline_router_agents_idle", "agents ready in the shards led");
struct metric router_metric_bad =
    METRIC_COUNTER("trunkline_router_bad_messages_total", "messages or requests that did not validate");
struct metric router_metric_send_failed =
    METRIC_COUNTER("trunkline_router_send_failed_total", "messages that the bus did not take");
struct metric router_metric_reserve_us =
    METRIC_HISTOGRAM("trunkline_router_reserve_seconds", "compare-and-set of a reservation");
struct metric router_metric_input_us =
    METRIC_HISTOGRAM("trunkline_router_batch_seconds", "handling of one batch of requests");

void router_metrics_register(const char *pool)
{
	static char labels[POOL_TEXT + 8];
	struct metric *const all[] = { &router_metric_leading,	  &router_metric_takeovers,  &router_metric_requests,
				       &router_metric_assigned,	  &router_metric_conflicts,  &router_metric_fenced,
				       &router_metric_given_back, &router_metric_reconciled, &router_metric_waiting,
				       &router_metric_idle,	  &router_metric_bad,	     &router_metric_send_failed,
				       &router_metric_reserve_us, &router_metric_input_us,   &router_metric_leases_over,
				       &router_metric_stood_in };

	if (!placement_shared(pool)) {
		(void)snprintf(labels, sizeof(labels), "pool=\"%s\"", pool);
		router_metric_leading.labels = labels;
	}

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		metrics_register(all[i]);
}
