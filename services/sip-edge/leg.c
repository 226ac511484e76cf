#include "leg.h"
#include "base/err.h"

#define END LEG_TELL_ENDED
#define UP  (LEG_TELL_ANSWERED | LEG_DO_UP)

static const struct leg_row rows[] = {
	/* inbound */
	{ LEG_NEW, LEG_EV_INVITE, LEG_OFFERED, LEG_DO_OFFER, NULL, false },
	{ LEG_OFFERED, LEG_EV_DO_PROGRESS, LEG_PROGRESS, LEG_DO_PROVISIONAL, NULL, false },
	{ LEG_OFFERED, LEG_EV_DO_ANSWER, LEG_ACCEPTED, LEG_DO_ACCEPT, NULL, false },
	{ LEG_OFFERED, LEG_EV_DO_REJECT, LEG_ENDED, LEG_DO_REFUSE | END, "rejected", true },
	{ LEG_OFFERED, LEG_EV_DO_HANG_UP, LEG_ENDED, LEG_DO_REFUSE | END, "hung-up", true },
	{ LEG_OFFERED, LEG_EV_CANCEL, LEG_ENDED, END, "cancel", false },
	{ LEG_OFFERED, LEG_EV_BYE, LEG_ENDED, LEG_DO_REFUSE | END, "bye", false },
	{ LEG_OFFERED, LEG_EV_UNCLAIMED, LEG_ENDED, LEG_DO_REFUSE | END, "timeout", false },
	{ LEG_OFFERED, LEG_EV_DRAIN, LEG_ENDED, LEG_DO_REFUSE | END, "drain", false },
	{ LEG_PROGRESS, LEG_EV_DO_PROGRESS, LEG_PROGRESS, LEG_DO_PROVISIONAL, NULL, false },
	{ LEG_PROGRESS, LEG_EV_DO_ANSWER, LEG_ACCEPTED, LEG_DO_ACCEPT, NULL, false },
	{ LEG_PROGRESS, LEG_EV_DO_REJECT, LEG_ENDED, LEG_DO_REFUSE | END, "rejected", true },
	{ LEG_PROGRESS, LEG_EV_DO_HANG_UP, LEG_ENDED, LEG_DO_REFUSE | END, "hung-up", true },
	{ LEG_PROGRESS, LEG_EV_CANCEL, LEG_ENDED, END, "cancel", false },
	{ LEG_PROGRESS, LEG_EV_BYE, LEG_ENDED, LEG_DO_REFUSE | END, "bye", false },
	{ LEG_PROGRESS, LEG_EV_DRAIN, LEG_ENDED, LEG_DO_REFUSE | END, "drain", false },
	{ LEG_ACCEPTED, LEG_EV_ACK, LEG_UP, UP, NULL, false },
	{ LEG_ACCEPTED, LEG_EV_NO_ACK, LEG_CLOSING, LEG_DO_BYE | END, "timeout", false },
	{ LEG_ACCEPTED, LEG_EV_BYE, LEG_ENDED, END, "bye", false },
	{ LEG_ACCEPTED, LEG_EV_DO_HANG_UP, LEG_HANGING, END, "hung-up", true },
	{ LEG_HANGING, LEG_EV_ACK, LEG_CLOSING, LEG_DO_BYE, NULL, false },
	{ LEG_HANGING, LEG_EV_NO_ACK, LEG_CLOSING, LEG_DO_BYE, NULL, false },
	{ LEG_HANGING, LEG_EV_BYE, LEG_ENDED, 0, NULL, false },
	/* outbound */
	{ LEG_NEW, LEG_EV_DIAL, LEG_CALLING, LEG_DO_INVITE, NULL, false },
	{ LEG_CALLING, LEG_EV_RINGING, LEG_RINGING, LEG_TELL_RINGING, NULL, false },
	{ LEG_CALLING, LEG_EV_ANSWERED, LEG_UP, LEG_DO_ACK | UP, NULL, false },
	{ LEG_CALLING, LEG_EV_FAILED, LEG_ENDED, END, "rejected", false },
	{ LEG_CALLING, LEG_EV_DO_HANG_UP, LEG_CANCELLING, LEG_DO_CANCEL | END, "hung-up", true },
	{ LEG_CALLING, LEG_EV_NO_ANSWER, LEG_CANCELLING, LEG_DO_CANCEL | END, "no-answer", false },
	{ LEG_CALLING, LEG_EV_NO_REPLY, LEG_CANCELLING, LEG_DO_CANCEL | END, "no-reply", false },
	{ LEG_CALLING, LEG_EV_DRAIN, LEG_CANCELLING, LEG_DO_CANCEL | END, "drain", false },
	{ LEG_RINGING, LEG_EV_RINGING, LEG_RINGING, LEG_TELL_RINGING, NULL, false },
	{ LEG_RINGING, LEG_EV_ANSWERED, LEG_UP, LEG_DO_ACK | UP, NULL, false },
	{ LEG_RINGING, LEG_EV_FAILED, LEG_ENDED, END, "rejected", false },
	{ LEG_RINGING, LEG_EV_DO_HANG_UP, LEG_CANCELLING, LEG_DO_CANCEL | END, "hung-up", true },
	{ LEG_RINGING, LEG_EV_NO_ANSWER, LEG_CANCELLING, LEG_DO_CANCEL | END, "no-answer", false },
	{ LEG_RINGING, LEG_EV_DRAIN, LEG_CANCELLING, LEG_DO_CANCEL | END, "drain", false },
	{ LEG_CANCELLING, LEG_EV_FAILED, LEG_ENDED, 0, NULL, false },
	{ LEG_CANCELLING, LEG_EV_ANSWERED, LEG_CLOSING, LEG_DO_ACK | LEG_DO_BYE, NULL, false },
	/* both */
	{ LEG_UP, LEG_EV_BYE, LEG_ENDED, END, "bye", false },
	{ LEG_UP, LEG_EV_DO_HANG_UP, LEG_CLOSING, LEG_DO_BYE | END, "hung-up", true },
	{ LEG_UP, LEG_EV_LOST, LEG_CLOSING, LEG_DO_BYE | END, "session-timer", false },
	{ LEG_UP, LEG_EV_GONE, LEG_ENDED, LEG_DO_BYE | END, "phone-gone", false },
	{ LEG_UP, LEG_EV_DENIED, LEG_ENDED, END, "bye-lost", false },
	{ LEG_CLOSING, LEG_EV_BYE_DONE, LEG_ENDED, 0, NULL, false },
};

/* (state, event) → index + 1; filled at the first question: the table stays a list that a person can read. */
static unsigned char lookup[LEG_STATES][LEG_EVENTS];

static void fill(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		lookup[rows[i].from][rows[i].event] = (unsigned char)(i + 1);
}

const struct leg_row *leg_step(enum leg_state from, enum leg_event event)
{
	if (!lookup[LEG_NEW][LEG_EV_INVITE])
		fill();
	return lookup[from][event] ? &rows[lookup[from][event] - 1] : NULL;
}

const struct leg_row *leg_rows(size_t *n)
{
	*n = ARRAY_SIZE(rows);
	return rows;
}

const char *leg_state_name(enum leg_state s)
{
	static const char *const names[LEG_STATES] = { "new",	  "offered", "progress", "accepted",
						       "hanging", "calling", "ringing",	 "cancelling",
						       "up",	  "closing", "ended" };

	return s < LEG_STATES ? names[s] : "?";
}

const char *leg_event_name(enum leg_event e)
{
	static const char *const names[LEG_EVENTS] = {
		"invite",    "ringing",	  "answered",	"failed",    "cancel",	  "ack",
		"no-ack",    "bye",	  "bye-done",	"lost",	     "gone",	  "denied",	 "dial",	  "do-progress",
		"do-answer", "do-reject", "do-hang-up", "unclaimed", "no-answer", "no-reply", "drain",
	};

	return e < LEG_EVENTS ? names[e] : "?";
}
