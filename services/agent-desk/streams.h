/*
 * streams: who listens to AgentService.StreamEvents, and what each is told. Loop thread only.
 *
 * An agent's own stream gets every change of that agent, its offered calls and the queues it serves; a lead's gets all
 * agents and all queues of the tenant. Each begins with what is true now, then Synced.
 */
#ifndef AGENT_DESK_STREAMS_H
#define AGENT_DESK_STREAMS_H

#include <stdint.h>
#include "desk.h"
#include "desk_wire.h"

err_t streams_new(struct streams **ret, struct desk *desk) MUST;
/* The calls are left to the server. */
void streams_free(struct streams **s);
err_t streams_add(struct streams *s) MUST;
/* Ends every stream: clients go to another desk. */
void streams_close(struct streams *s);
/* Ends those whose token has expired or was withdrawn; also by itself, each ten seconds. */
void streams_sweep(struct streams *s);

/* An agent's record changed (record NULL: it is gone). */
void streams_agent(struct streams *s, const char *tenant, const char *agent_id, const struct agent_record *record);
void streams_queue(struct streams *s, const char *tenant, const struct desk_queue *queue);
/* watcher: the one that waits for it, 0: all who listen to the agent. offer NULL: the call is gone. */
void streams_offer(struct streams *s, const char *tenant, uint64_t watcher, const char *agent_id,
		   const struct desk_offer *offer);

/* ---- offers.c ---- */
/* Looks the call up in KV `calls` and comes back by streams_offer(), also when it is not there. */
err_t offers_look_up(struct desk *d, const struct agent_record *record, uint64_t watcher) MUST;

/* ---- queues.c ---- */
err_t queues_new(struct queues **ret, struct desk *desk) MUST;
void queues_free(struct queues **q);
/* fn for each queue of the tenant of which the router has spoken lately. */
void queues_each(const struct queues *q, const char *tenant, void (*fn)(const struct desk_queue *queue, void *arg),
		 void *arg);

/* ---- facts.c ---- */
err_t facts_new(struct facts **ret, struct desk *desk) MUST;
void facts_free(struct facts **f);
err_t facts_add(struct facts *f) MUST;
void facts_close(struct facts *f);
void facts_sweep(struct facts *f);

#endif
