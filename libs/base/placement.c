#include "base/placement.h"

#include <stdio.h>

err_t placement_check(const char *pool, struct err_detail *detail)
{
	if (str_is_id(pool))
		return ERR_OK;
	return err_set(detail, ERR_INVALID, "pool", "\"%.64s\": a-z, 0-9 and -, at most 63 characters", pool);
}

void placement_router(char buf[PLACEMENT_ROUTER], const char *pool, uint32_t shard)
{
	if (placement_shared(pool))
		(void)snprintf(buf, PLACEMENT_ROUTER, "router.%u", shard);
	else
		(void)snprintf(buf, PLACEMENT_ROUTER, "router.%s.%u", pool, shard);
}
