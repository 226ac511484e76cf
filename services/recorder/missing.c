#include "missing.h"

#define WAIT_MIN_MS 5000
#define WAIT_MAX_MS 60000
#define BEHIND_MS   500
#define SPREAD	    2654435761u /* Knuth's: neighbours come far apart */
#define LAST_MS	    1000	/* behind the moment from which it is lost, or near it */

static int64_t at_least(int64_t v, int64_t min)
{
	return v < min ? min : v;
}

int64_t missing_wait_ms(int64_t age_ms, int64_t lost_ms, int64_t waiting)
{
	int64_t wait = at_least(age_ms / 2, WAIT_MIN_MS);

	if (wait > WAIT_MAX_MS)
		wait = WAIT_MAX_MS;
	if (wait > lost_ms - age_ms)
		wait = at_least(lost_ms - age_ms, LAST_MS);
	return at_least(wait, waiting * 1000 / MISSING_A_SECOND);
}

int64_t behind_wait_ms(unsigned deliveries, uint64_t seq)
{
	int64_t wait = at_least(deliveries, 1) * BEHIND_MS;

	if (wait > WAIT_MAX_MS)
		wait = WAIT_MAX_MS;
	return wait / 2 + (int64_t)((uint32_t)seq * SPREAD % (uint32_t)wait);
}
