/*
 * served: which shards of which pools this instance leads or would lead, and where each tenant is (base/placement.h, GT-3).
 *
 * An instance competes for the shards of its own pool. One of the shared pool stands in for a pool of its own whose routers have not been
 * heard for 5 s, and lets go as soon as one is heard: its tenants' callers are served meanwhile.
 *
 * A tenant moves when its configuration names another pool. Its leader forgets it (core_leave.c); the leader to whom it comes begins a
 * new epoch with it, because its own may be older than that of the one before, and what has an older epoch is refused. So a move is to
 * holders and agents what a change of leader is; to the other tenants of the shard to which it comes, too (once a second at most).
 * Loop thread only.
 */
#ifndef ROUTER_SERVED_H
#define ROUTER_SERVED_H

#include "base/err.h"
#include "base/hash.h"
#include "base/placement.h"
#include "base/table.h"

#define ROUTER_SHARDS HASH_ROUTER_SHARDS

struct router;
struct shard;

struct served {
	struct served *next;
	char pool[POOL_TEXT];
	bool own;
	bool competing;	  /* for its leases */
	unsigned tenants; /* that are in it */
	int64_t heard_ms; /* monotonic: a router of it */
	struct shard *shards[ROUTER_SHARDS];
};

/* The own pool, or another one; ERR_EXHAUSTED. */
err_t served_add(struct router *r, const char *pool, bool own) MUST;
/* All shards are given up at once. */
void served_stop(struct router *r);
/* Memory, when no callback comes any more. */
void served_free(struct router *r);
/* Begins to compete for the own pool's leases. */
err_t served_start(struct router *r) MUST;
/* NULL: the tenant is not ours, or not yet. */
struct shard *served_shard(const struct router *r, const char *tenant);
/* The tenant's configuration is new, another one, or gone. */
void served_tenant(struct router *r, const char *tenant);
/* The shard's core is new: who came to it is loaded with the others. */
void served_renewed(struct shard *s);
/* A router of that pool lives. */
void served_heard(struct router *r, const char *pool);
void served_tick(struct router *r);

#endif
