/*
 * bridge: JetStream stream EVENTS → Kafka, every event, in its order per key.
 *
 * One instance of a site is active (lease "event-bridge"), the others stand by. The active one reads the stream from
 * its position on, gives each event to the Kafka producer, and moves the position, kept in the KV bucket `positions`,
 * when Kafka has acknowledged everything up to it. Whatever happens to it, the next one begins behind that position:
 * nothing is lost, what comes twice has the same ce_source and ce_id.
 *
 * Kafka away: at most bridge.window events are in memory, the rest waits in the stream.
 */
#ifndef EVENT_BRIDGE_BRIDGE_H
#define EVENT_BRIDGE_BRIDGE_H

#include "base/err.h"
#include "config/config.h"
#include "service/service.h"

struct bridge_config {
	char *brokers;
	char *format; /* protobuf | json */
	char *domains;
	char *tenants; /* with topics of their own */
	char *options; /* librdkafka settings */
	int64_t partitions, replication;
	int64_t window;
	int64_t poll_ms;
	int64_t keep;
};
extern const struct config_item bridge_config_items[];

struct bridge;
err_t bridge_new(struct bridge **ret, struct service *svc, const struct bridge_config *cfg,
		 struct err_detail *detail) MUST;
void bridge_free(struct bridge **b);

#endif
