/*
 * farewell: INVITEs without a final answer whose leg is no more. Each lives until it has one: nta makes one up 32 s after the INVITE
 * when nothing comes, and 32 s after the CANCEL (RFC 3261 9.1, timers B and D). A 2xx is acknowledged, and the dialog that it
 * makes is ended.
 *
 * A CANCEL waits for the first answer of any kind, or it would overtake the INVITE (RFC 3261 9.1). nta waits too when it is told to
 * cancel sooner, but then keeps the CANCEL for ever if nobody is told of the INVITE's failure.
 */
#ifndef SIP_EDGE_FAREWELL_H
#define SIP_EDGE_FAREWELL_H

#include "nta_glue.h"

struct farewell_to {
	nta_leg_t **leg; /* taken over with the INVITE, which needs it for ACK and BYE */
	nta_outgoing_t **invite;
	char **reason; /* a Reason field for the CANCEL (mem_alloc), taken over; NULL or of NULL: none */
	bool cancel_sent;
	bool established; /* a re-INVITE: the dialog is ended by somebody else */
	const char *route;
};

/* false: nothing has come yet, it is for later. reason NULL: none. */
bool farewell_cancel(nta_outgoing_t *invite, const char *reason);
/* What is taken over becomes NULL. Without memory nothing is, and the INVITE is for the caller to destroy. */
void farewell_take(struct edge *e, const struct farewell_to *to);
/* A 2xx to invite that nobody wants any more: ACK and BYE, whatever becomes of the leg. */
void farewell_end(struct edge *e, nta_leg_t *leg, nta_outgoing_t *invite, const char *route, const sip_t *sip);
/* The process ends. */
void farewell_leave_all(struct edge *e);

#endif
