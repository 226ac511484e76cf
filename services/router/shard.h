/*
 * shard: one shard as this instance sees it: its lease, and while we lead, its core and what the core wants done.
 * Loop thread only. Inputs to a shard that we do not lead do nothing.
 */
#ifndef ROUTER_SHARD_H
#define ROUTER_SHARD_H

#include "router.h"
#include "router_wire.h"

#include <sys/queue.h>

struct shard {
	struct shard *next; /* of all of the router */
	struct router *router;
	struct served *served;
	uint32_t number;
	struct bus_lease *lease;
	uint64_t epoch;		  /* 0: we do not lead */
	struct router_core *core; /* NULL: we do not lead */
	struct bus_sub *sub;
	struct batches batches;		       /* each shard its own: the epoch is in a message's head */
	int64_t asked_ms;		       /* RouterEpoch was told last */
	int64_t led_ms;			       /* since when we lead */
	bool renew;			       /* a tenant comes from another pool: a new epoch is due */
	struct router_core_stats told;	       /* what the metrics have already */
	STAILQ_HEAD(conf_jobs, conf_job) jobs; /* configurations that are being taken over, tenants in turn */
	struct loop_timer conf_turn;
	struct loop_timer timers_turn; /* more of the core's timers are due than it fires at a time */
};

err_t shard_new(struct shard **ret, struct router *r, struct served *served, uint32_t number) MUST;
void shard_free(struct shard **s);
/* Begins to compete for the lease. */
err_t shard_start(struct shard *s) MUST;
/* Gives it up, and competes no more. */
void shard_rest(struct shard *s);
/* A tenant comes, or is another's from now on. false: there is no core that would have to begin anew. */
bool shard_renew(struct shard *s);
void shard_leave(struct shard *s, const char *tenant);

void shard_agent_conf(struct shard *s, const char *tenant, const char *agent_id, const struct tenant_agent *a);
void shard_agent(struct shard *s, const struct agent_record *rec, uint64_t revision, bool read);
void shard_owner(struct shard *s, const char *owner, bool alive);
/* The bus is back after an outage. */
void shard_bus_back(struct shard *s, int64_t now_ms);
void shard_tick(struct shard *s, int64_t now_ms);
/* After an input that brought memory to its end, or any other: performs the effects. */
void shard_after(struct shard *s, err_t e);

/* shard_conf.c */
void shard_conf_init(struct shard *s);
void shard_conf_stop(struct shard *s);
void shard_tenant(struct shard *s, const struct tenant *t); /* at once */
/* In slices, decisions in between; t NULL: removed. */
void shard_tenant_changed(struct shard *s, const char *tenant, const struct tenant *t);
void shard_conf_drop(struct shard *s, const char *tenant);
/* perform.c */
void perform(struct shard *s, const struct router_fx *fx);
/* shard_load.c */
err_t shard_load(struct shard *s) MUST;
/* Of a tenant that has just come to be known: its agents may have been heard of before it, while nobody knew whose they are. */
void shard_load_agents(struct shard *s, const char *tenant);
/* What an instance that died may not have told of the agents it changed. */
void shard_say_again(struct shard *s, const char *instance);

#endif
