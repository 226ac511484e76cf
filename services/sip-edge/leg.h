/*
 * leg: the life of one SIP dialog as a pure table: state × event → next state and what to do. No I/O, no clock.
 *
 * The shell (dialog.h) performs the actions and feeds what comes of them back as events. Pairs that are not in the table
 * are ignored by rule: leg_step() returns NULL. On every path from LEG_NEW to LEG_ENDED exactly one row tells the end.
 */
#ifndef SIP_EDGE_LEG_H
#define SIP_EDGE_LEG_H

#include <stdbool.h>
#include <stddef.h>

enum leg_state {
	LEG_NEW,
	LEG_OFFERED,	/* in: offered on the bus, the caller has 100 */
	LEG_PROGRESS,	/* in: the caller has 180 or 183 */
	LEG_ACCEPTED,	/* in: 2xx sent, ACK awaited */
	LEG_HANGING,	/* in: hung up before the ACK: BYE must wait for it (RFC 3261 §15) */
	LEG_CALLING,	/* out: INVITE sent to one or more contacts */
	LEG_RINGING,	/* out: 1xx */
	LEG_CANCELLING, /* out: CANCEL sent; a 2xx that crosses it is ended by BYE */
	LEG_UP,		/* established */
	LEG_CLOSING,	/* BYE sent, its answer awaited */
	LEG_ENDED,
	LEG_STATES
};

enum leg_event {
	/* from the network */
	LEG_EV_INVITE,
	LEG_EV_RINGING,	 /* 101…199 to our INVITE */
	LEG_EV_ANSWERED, /* 2xx to our INVITE */
	LEG_EV_FAILED,	 /* every branch of our INVITE has failed */
	LEG_EV_CANCEL,
	LEG_EV_ACK,
	LEG_EV_NO_ACK, /* our 2xx was never acknowledged */
	LEG_EV_BYE,
	LEG_EV_BYE_DONE,
	LEG_EV_LOST,   /* no session refresh in its time */
	LEG_EV_GONE,   /* the peer answers nothing within the dialog (408) */
	LEG_EV_DENIED, /* the peer knows nothing of the dialog (481): its BYE was lost */
	/* commands */
	LEG_EV_DIAL,
	LEG_EV_DO_PROGRESS,
	LEG_EV_DO_ANSWER,
	LEG_EV_DO_REJECT,
	LEG_EV_DO_HANG_UP,
	/* timers and the process */
	LEG_EV_UNCLAIMED, /* nobody took the offer in time */
	LEG_EV_NO_ANSWER, /* ring time is over */
	LEG_EV_NO_REPLY,  /* not even a 100 to our INVITE: nobody is there */
	LEG_EV_DRAIN,	  /* the process stops: what is not established ends; what is goes on in the next process */
	LEG_EVENTS
};

enum leg_action {
	LEG_DO_OFFER = 1,
	LEG_DO_INVITE = 2,
	LEG_DO_PROVISIONAL = 4,
	LEG_DO_ACCEPT = 8,
	LEG_DO_REFUSE = 0x10, /* final ≥ 300 to the caller's INVITE */
	LEG_DO_CANCEL = 0x20,
	LEG_DO_ACK = 0x40,
	LEG_DO_BYE = 0x80,
	LEG_TELL_RINGING = 0x100,
	LEG_TELL_ANSWERED = 0x200,
	LEG_TELL_ENDED = 0x400,
	LEG_DO_UP = 0x800, /* session timers and checkpoint begin */
};

struct leg_row {
	enum leg_state from;
	enum leg_event event;
	enum leg_state to;
	unsigned actions;
	const char *cause; /* of LegEnded; NULL if the row does not tell the end */
	bool by_us;
};

/* NULL: nothing happens. */
const struct leg_row *leg_step(enum leg_state from, enum leg_event event);
const struct leg_row *leg_rows(size_t *n);
const char *leg_state_name(enum leg_state s);
const char *leg_event_name(enum leg_event e);

#endif
