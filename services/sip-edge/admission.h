/*
 * admission: how many new calls a second may come in, so that those that do are served. Pure: no I/O, no clock; one thread.
 *
 * Overload of ours shows first in the time from an offer to the first word of a call-control about it (and in the lag of our
 * own loop): whatever is short of time, that answer comes late. While it is on time every call is admitted. When it is late
 * the rate that was really served is cut, and raised again little by little as long as answers are on time (AIMD; the loss-
 * based control of RFC 7339 with the server as its own client). Who is not admitted costs one stateless 503. GT-15.
 *
 * Whose calls are not admitted is a matter of fair shares (shares.h): who asks for no more than its part of the rate is admitted even
 * when others have just used it up, and they pay for it. What a tenant leaves of its part is the others'. GT-3.1.2d.
 *
 *	admission_init(&a, &params, now_ms);
 *	if (!admission_open(&a, whose, now_ms)) … 503;  // each new call, before anything is made of it
 *	admission_taken(&a, whose);                     // it has become an offer
 *	admission_decided(&a, waited_ms);               // each first word about an offer
 *	admission_tick(&a, now_ms, oldest_ms, lag_ms);  // every ADMISSION_TICK_MS
 */
#ifndef SIP_EDGE_ADMISSION_H
#define SIP_EDGE_ADMISSION_H

#include <stdbool.h>
#include <stdint.h>
#include "shares.h"

#define ADMISSION_TICK_MS 100

struct admission_params {
	int64_t target_ms; /* an answer that comes later is late */
	int64_t least_cps; /* never fewer calls a second: so it is seen when things are well again */
};

struct admission {
	struct admission_params p;
	double rate;   /* calls a second; 0: no limit */
	double tokens; /* calls that may come in at once */
	double served; /* calls a second that were decided, smoothed */
	double full;   /* served when the rate was cut last */
	int64_t filled_ms, ticked_ms, cut_ms, refused_ms;
	/* since the last tick */
	unsigned refused, decided, late;
	int64_t longest_ms;
	bool was_late; /* at the tick before */
	struct shares shares;
	unsigned over_share; /* since it was told: of those refused, who asked for more than their part */
};

void admission_init(struct admission *a, const struct admission_params *p, int64_t now_ms);
/* May a call come in? Counts those who may not. whose: the tenant's share, "" when it has none (shares.h). */
bool admission_open(struct admission *a, const char *whose, int64_t now_ms);
/* One has. Calls that are refused for reasons of their own take nobody's place. */
void admission_taken(struct admission *a, const char *whose);
/* A call-control has answered an offer (or nobody has, in the time there is). */
void admission_decided(struct admission *a, int64_t waited_ms);
/* oldest_ms: age of the oldest offer without an answer, 0: none; lag_ms: how late our own loop is. */
void admission_tick(struct admission *a, int64_t now_ms, int64_t oldest_ms, int64_t lag_ms);
/* There is a limit: calls are refused, or were so within seconds. */
bool admission_limits(const struct admission *a);

#endif
