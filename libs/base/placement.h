/*
 * placement: pools: which instances of call-control, media and router serve a tenant. Pure, any thread.
 *
 * An instance serves the pool that its setting `pool` names; a tenant is in the pool that its configuration names
 * (TenantConfig.pool). "" is "shared", for both: instances and tenants of a version that knew no pools are in it.
 */
#ifndef BASE_PLACEMENT_H
#define BASE_PLACEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/str.h"

#define POOL_SHARED "shared"
#define POOL_TEXT   64 /* with its NUL: an id (str_is_id) */

/* Setting of the services that are in pools. */
#define CONFIG_POOL(s, member)                                                                                     \
	CONFIG_STR(                                                                                                \
	    s, member, "pool", POOL_SHARED,                                                                        \
	    "whose calls this instance serves: of the tenants that are in this pool (AdminService, Tenant.pool); " \
	    "shared: of all that are in none")

static inline const char *placement_pool(const char *pool)
{
	return str_empty(pool) ? POOL_SHARED : pool;
}
static inline bool placement_same(const char *a, const char *b)
{
	return str_eq(placement_pool(a), placement_pool(b));
}
static inline bool placement_shared(const char *pool)
{
	return placement_same(pool, POOL_SHARED);
}
/* The setting. ERR_INVALID: not an id. */
err_t placement_check(const char *pool, struct err_detail *detail) MUST;
/* "router.3"; of a pool of its own "router.gold.3": key of the shard's lease and, after "tl.<site>.", its subject. */
#define PLACEMENT_ROUTER 96
void placement_router(char buf[PLACEMENT_ROUTER], const char *pool, uint32_t shard);

#endif
