/*
 * world: the events of many queue calls, as Kafka holds them: packed, in the order of their times.
 *
 * A call that is answered makes 12 call events and 4 of the agent's states; one in ten callers gives up (8 events). Agents
 * take calls in the order of their being free, so their events interleave as they do in life.
 */
#ifndef KPI_BENCH_WORLD_WIRE_H
#define KPI_BENCH_WORLD_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "bus/bus.h"

struct events;
struct world_params {
	long calls, calls_per_s, tenants, queues, agents; /* queues and agents: of all tenants together */
};

struct world_record {
	int64_t time_ms;
	size_t at; /* in world.bytes */
	uint32_t size;
	bool agent; /* domain agent, else call */
	char tenant[32];
	char key[40]; /* call or agent id */
	char id[96];  /* of the event */
};

struct world {
	struct world_record *list;
	size_t n, cap;
	uint8_t *bytes;
	size_t used, room;
	uint64_t rng;
	struct world_agent *agents; /* while it is made */
};

/* Ends the program when there is no memory. */
void world_make(struct world *w, const struct world_params *p);
void world_done(struct world *w);
/* Event i into JetStream, as the services do it. */
err_t world_emit(const struct world *w, size_t i, struct events *events, bus_ack_fn *fn, void *arg) MUST;

#endif
