#include "sip/sesstimer.h"

bool sesstimer_as_server(const struct sesstimer_said *rq, uint32_t wanted_s, struct sesstimer *ret)
{
	uint32_t interval = rq->expires_s;

	*ret = (struct sesstimer){ 0 };
	if (rq->supported && interval && interval < SESSTIMER_MIN_S)
		return false;
	if (!interval || wanted_s < interval)
		interval = wanted_s;
	if (interval < rq->min_s)
		interval = rq->min_s;
	if (interval < SESSTIMER_MIN_S)
		interval = SESSTIMER_MIN_S;
	ret->interval_s = interval;
	/* A peer without timers cannot refresh (RFC 4028 table 2); otherwise its wish counts, and it may as well do it. */
	ret->we_refresh = !rq->supported || rq->refresher == SESSTIMER_UAS;
	ret->require = rq->supported && !ret->we_refresh;
	return true;
}

void sesstimer_as_client(const struct sesstimer_said *rs, uint32_t wanted_s, struct sesstimer *ret)
{
	uint32_t interval = rs->expires_s ? rs->expires_s : wanted_s;

	*ret = (struct sesstimer){ .interval_s = interval < SESSTIMER_MIN_S ? SESSTIMER_MIN_S : interval };
	ret->we_refresh = !rs->expires_s || rs->refresher != SESSTIMER_UAS;
}

int64_t sesstimer_refresh_ms(const struct sesstimer *t)
{
	return (int64_t)t->interval_s * 1000 / 2;
}

int64_t sesstimer_expiry_ms(const struct sesstimer *t)
{
	uint32_t early = t->interval_s / 3 < 32 ? t->interval_s / 3 : 32;

	return (int64_t)(t->interval_s - early) * 1000;
}
