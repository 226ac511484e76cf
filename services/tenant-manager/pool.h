/*
 * pool: pools of instances, pools/{pool} (GT-3): operators alone have them, and put tenants into them (Tenant.pool). Operations as in ops.h.
 *
 * Nothing is published of a pool: instances belong to it by their own setting, tenants by their configuration.
 */
#ifndef TM_POOL_H
#define TM_POOL_H

#include "change.h"

extern const struct kind pool_kind;

err_t ops_pool_create(struct db_tx *tx, void *job);
err_t ops_pool_get(struct db_tx *tx, void *job);
err_t ops_pool_list(struct db_tx *tx, void *job);
err_t ops_pool_update(struct db_tx *tx, void *job);
err_t ops_pool_delete(struct db_tx *tx, void *job);

/* In a tenant's transaction: the pool is there, and stays until its end; "": the shared one, which always is. ERR_INVALID names "tenant.pool". */
err_t pool_take(struct db_tx *tx, const char *pool, struct err_detail *detail) MUST;

#endif
