/*
 * api_rate: requests per second of a tenant's administrators (Quotas.api_requests_per_s, GT-3.1.2c). Loop thread.
 *
 * A bucket per tenant in memory, for this process; as many as there are tenants whose tokens are used. The limit is read from
 * PostgreSQL beside the requests, not by them, at most twice a second: a new one holds from then on, also for a tenant of
 * whom everything is refused; what comes before the first answer passes. With PostgreSQL away the last one stays.
 *
 * Exact for each instance, not for all together: of n instances each lets in the limit (token_limit_itest: two at 1 a second, 14 of 60 requests in 7.0 s).
 * Calls a second are exact (call-control/pace.h), because a caller who waits for a compare-and-set hears nothing of it, and a call too many costs
 * an agent. Here a request is judged where its headers come in, in memory, below 1 us; exact, each would be held until NATS has acknowledged a write,
 * 0.1 ms when idle and up to 0.3 s when it is slow, and NATS, which administration does without (changes are accepted and published later),
 * would be on the path of every request, also of those that only read. The limit keeps one tenant from the workers of an instance, which
 * are its own. Who wants n instances to let in no more than one divides the limit by n. agent-desk, recorder and reporting have no such limit.
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
