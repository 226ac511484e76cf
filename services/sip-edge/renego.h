/*
 * renego: who may change the session of an established leg now: offers of ours (LegReinvite) and of the peer (re-INVITE,
 * UPDATE), crossing ones resolved by RFC 3261 §14. A pure table like leg.h.
 *
 * What cannot be done at once is kept: RENEGO_KEEP stores the newest offer, RENEGO_NEXT starts a stored one.
 */
#ifndef SIP_EDGE_RENEGO_H
#define SIP_EDGE_RENEGO_H

#include <stdbool.h>
#include <stddef.h>

enum renego_state {
	RENEGO_IDLE,
	RENEGO_OURS,	   /* our re-INVITE is out */
	RENEGO_BACKOFF,	   /* it met theirs (491): again after a random time */
	RENEGO_THEIRS,	   /* their offer waits for LegReanswer */
	RENEGO_THEIRS_ACK, /* answered by 2xx, ACK awaited */
	RENEGO_STATES
};
enum renego_event {
	RENEGO_EV_REINVITE,	   /* command */
	RENEGO_EV_REFRESH,	   /* session timer, by re-INVITE with the session as it is */
	RENEGO_EV_REANSWER,	   /* command, to a re-INVITE */
	RENEGO_EV_REANSWER_UPDATE, /* command, to an UPDATE */
	RENEGO_EV_REANSWER_REFUSE, /* command with empty SDP */
	RENEGO_EV_OFFER,	   /* re-INVITE or UPDATE came */
	RENEGO_EV_OFFER_GONE,	   /* CANCELled */
	RENEGO_EV_ACK,
	RENEGO_EV_ANSWERED, /* 2xx to ours */
	RENEGO_EV_GLARE,    /* 491 to ours */
	RENEGO_EV_REFUSED,  /* ≥ 300 to ours */
	RENEGO_EV_TIMER,
	RENEGO_EVENTS
};
enum renego_action {
	RENEGO_SEND = 1, /* the stored offer as re-INVITE */
	RENEGO_SEND_REFRESH = 2,
	RENEGO_KEEP = 4,
	RENEGO_NEXT = 8,
	RENEGO_TELL_OFFER = 0x10,
	RENEGO_TELL_ANSWER = 0x20,  /* LegAnswered with the peer's SDP */
	RENEGO_TELL_REFUSED = 0x40, /* LegAnswered without SDP */
	RENEGO_REPLY_200 = 0x80,
	RENEGO_REPLY_488 = 0x100,
	RENEGO_REPLY_491 = 0x200,
	RENEGO_REPLY_500 = 0x400,  /* to the waiting one: no answer in time */
	RENEGO_REPLY_BUSY = 0x800, /* 500 with Retry-After to a second one */
	RENEGO_START_BACKOFF = 0x1000,
	RENEGO_START_WAIT = 0x2000, /* for LegReanswer */
};
struct renego_row {
	enum renego_state from;
	enum renego_event event;
	enum renego_state to;
	unsigned actions;
};

const struct renego_row *renego_step(enum renego_state from, enum renego_event event);
const struct renego_row *renego_rows(size_t *n);

#endif
