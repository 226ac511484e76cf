/*
 * sesstimer: negotiation of session timers (RFC 4028). Pure: what each side said → interval and who refreshes.
 *
 * "us" is the side this code runs on. In a dialog that we answered the peer is the uac of the INVITE; a refresh request
 * turns the roles round, so the answers here say us or peer, never uac or uas.
 */
#ifndef SIP_SESSTIMER_H
#define SIP_SESSTIMER_H

#include <stdbool.h>
#include <stdint.h>

#define SESSTIMER_MIN_S 90 /* RFC 4028 §4: nobody need accept less */

enum sesstimer_refresher { SESSTIMER_UNSAID, SESSTIMER_UAC, SESSTIMER_UAS };

/* What a request or response said. */
struct sesstimer_said {
	bool supported;	    /* Supported or Require: timer */
	uint32_t expires_s; /* Session-Expires; 0: absent */
	uint32_t min_s;	    /* Min-SE; 0: absent */
	enum sesstimer_refresher refresher;
};
struct sesstimer {
	uint32_t interval_s; /* 0: no timer */
	bool we_refresh;
	bool require; /* our response carries Require: timer */
};

/* As server of a request: false: too short (422 with Min-SE: SESSTIMER_MIN_S). wanted_s: our own interval. */
bool sesstimer_as_server(const struct sesstimer_said *request, uint32_t wanted_s, struct sesstimer *ret);
/* As client, from a 2xx: a peer who says nothing gets refreshed by us at our own interval. */
void sesstimer_as_client(const struct sesstimer_said *response, uint32_t wanted_s, struct sesstimer *ret);
/* From now: when we send the refresh (half of the interval). */
int64_t sesstimer_refresh_ms(const struct sesstimer *t);
/* From the last refresh: when the session is over if nobody refreshed: interval - min(32 s, interval/3) (RFC 4028 §10). */
int64_t sesstimer_expiry_ms(const struct sesstimer *t);

#endif
