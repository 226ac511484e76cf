/*
 * api_rate: requests per second of a tenant's administrators (Quotas.api_requests_per_s, GT-3.1.2c). Loop thread.
 *
 * A bucket per tenant in memory, for this process; as many as there are tenants whose tokens are used. The limit is read from
 * PostgreSQL beside the requests, not by them, at most twice a second: a new one holds from then on, also for a tenant of
 * whom everything is refused; what comes before the first answer passes. With PostgreSQL away the last one stays.
 */
#ifndef TM_API_RATE_H
#define TM_API_RATE_H

#include "manager.h"

struct api_rate;

err_t api_rate_new(struct api_rate **ret, struct manager *tm) MUST;
/* After the database is closed, which ends what it has asked. */
void api_rate_free(struct api_rate **r);
/* A request of the tenant. ERR_EXHAUSTED: detail names the quota, retry_ms is when to try again. */
err_t api_rate_take(struct api_rate *r, const char *tenant, struct err_detail *detail) MUST;

#endif
