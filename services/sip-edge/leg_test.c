#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "leg.h"
#include "renego.h"

/* Row by row: what the table must say. A change of the table is a change here. */
static const struct {
	enum leg_state from;
	enum leg_event event;
	enum leg_state to;
	unsigned actions;
	const char *cause;
	bool by_us;
} rows[] = {
	{ LEG_NEW, LEG_EV_INVITE, LEG_OFFERED, LEG_DO_OFFER, NULL, false },
	{ LEG_OFFERED, LEG_EV_DO_PROGRESS, LEG_PROGRESS, LEG_DO_PROVISIONAL, NULL, false },
	{ LEG_OFFERED, LEG_EV_DO_ANSWER, LEG_ACCEPTED, LEG_DO_ACCEPT, NULL, false },
	{ LEG_OFFERED, LEG_EV_DO_REJECT, LEG_ENDED, LEG_DO_REFUSE | LEG_TELL_ENDED, "rejected", true },
	{ LEG_OFFERED, LEG_EV_DO_HANG_UP, LEG_ENDED, LEG_DO_REFUSE | LEG_TELL_ENDED, "hung-up", true },
	{ LEG_OFFERED, LEG_EV_CANCEL, LEG_ENDED, LEG_TELL_ENDED, "cancel", false },
	{ LEG_OFFERED, LEG_EV_BYE, LEG_ENDED, LEG_DO_REFUSE | LEG_TELL_ENDED, "bye", false },
	{ LEG_OFFERED, LEG_EV_UNCLAIMED, LEG_ENDED, LEG_DO_REFUSE | LEG_TELL_ENDED, "timeout", false },
	{ LEG_OFFERED, LEG_EV_DRAIN, LEG_ENDED, LEG_DO_REFUSE | LEG_TELL_ENDED, "drain", false },
	{ LEG_PROGRESS, LEG_EV_DO_PROGRESS, LEG_PROGRESS, LEG_DO_PROVISIONAL, NULL, false },
	{ LEG_PROGRESS, LEG_EV_DO_ANSWER, LEG_ACCEPTED, LEG_DO_ACCEPT, NULL, false },
	{ LEG_PROGRESS, LEG_EV_DO_REJECT, LEG_ENDED, LEG_DO_REFUSE | LEG_TELL_ENDED, "rejected", true },
	{ LEG_PROGRESS, LEG_EV_DO_HANG_UP, LEG_ENDED, LEG_DO_REFUSE | LEG_TELL_ENDED, "hung-up", true },
	{ LEG_PROGRESS, LEG_EV_CANCEL, LEG_ENDED, LEG_TELL_ENDED, "cancel", false },
	{ LEG_PROGRESS, LEG_EV_BYE, LEG_ENDED, LEG_DO_REFUSE | LEG_TELL_ENDED, "bye", false },
	{ LEG_PROGRESS, LEG_EV_DRAIN, LEG_ENDED, LEG_DO_REFUSE | LEG_TELL_ENDED, "drain", false },
	{ LEG_ACCEPTED, LEG_EV_ACK, LEG_UP, LEG_TELL_ANSWERED | LEG_DO_UP, NULL, false },
	{ LEG_ACCEPTED, LEG_EV_NO_ACK, LEG_CLOSING, LEG_DO_BYE | LEG_TELL_ENDED, "timeout", false },
	{ LEG_ACCEPTED, LEG_EV_BYE, LEG_ENDED, LEG_TELL_ENDED, "bye", false },
	{ LEG_ACCEPTED, LEG_EV_DO_HANG_UP, LEG_HANGING, LEG_TELL_ENDED, "hung-up", true },
	{ LEG_HANGING, LEG_EV_ACK, LEG_CLOSING, LEG_DO_BYE, NULL, false },
	{ LEG_HANGING, LEG_EV_NO_ACK, LEG_CLOSING, LEG_DO_BYE, NULL, false },
	{ LEG_HANGING, LEG_EV_BYE, LEG_ENDED, 0, NULL, false },
	{ LEG_NEW, LEG_EV_DIAL, LEG_CALLING, LEG_DO_INVITE, NULL, false },
	{ LEG_CALLING, LEG_EV_RINGING, LEG_RINGING, LEG_TELL_RINGING, NULL, false },
	{ LEG_CALLING, LEG_EV_ANSWERED, LEG_UP, LEG_DO_ACK | LEG_TELL_ANSWERED | LEG_DO_UP, NULL, false },
	{ LEG_CALLING, LEG_EV_FAILED, LEG_ENDED, LEG_TELL_ENDED, "rejected", false },
	{ LEG_CALLING, LEG_EV_DO_HANG_UP, LEG_CANCELLING, LEG_DO_CANCEL | LEG_TELL_ENDED, "hung-up", true },
	{ LEG_CALLING, LEG_EV_NO_ANSWER, LEG_CANCELLING, LEG_DO_CANCEL | LEG_TELL_ENDED, "no-answer", false },
	{ LEG_CALLING, LEG_EV_NO_REPLY, LEG_CANCELLING, LEG_DO_CANCEL | LEG_TELL_ENDED, "no-reply", false },
	{ LEG_CALLING, LEG_EV_DRAIN, LEG_CANCELLING, LEG_DO_CANCEL | LEG_TELL_ENDED, "drain", false },
	{ LEG_RINGING, LEG_EV_RINGING, LEG_RINGING, LEG_TELL_RINGING, NULL, false },
	{ LEG_RINGING, LEG_EV_ANSWERED, LEG_UP, LEG_DO_ACK | LEG_TELL_ANSWERED | LEG_DO_UP, NULL, false },
	{ LEG_RINGING, LEG_EV_FAILED, LEG_ENDED, LEG_TELL_ENDED, "rejected", false },
	{ LEG_RINGING, LEG_EV_DO_HANG_UP, LEG_CANCELLING, LEG_DO_CANCEL | LEG_TELL_ENDED, "hung-up", true },
	{ LEG_RINGING, LEG_EV_NO_ANSWER, LEG_CANCELLING, LEG_DO_CANCEL | LEG_TELL_ENDED, "no-answer", false },
	{ LEG_RINGING, LEG_EV_DRAIN, LEG_CANCELLING, LEG_DO_CANCEL | LEG_TELL_ENDED, "drain", false },
	{ LEG_CANCELLING, LEG_EV_FAILED, LEG_ENDED, 0, NULL, false },
	{ LEG_CANCELLING, LEG_EV_ANSWERED, LEG_CLOSING, LEG_DO_ACK | LEG_DO_BYE, NULL, false },
	{ LEG_UP, LEG_EV_BYE, LEG_ENDED, LEG_TELL_ENDED, "bye", false },
	{ LEG_UP, LEG_EV_DO_HANG_UP, LEG_CLOSING, LEG_DO_BYE | LEG_TELL_ENDED, "hung-up", true },
	{ LEG_UP, LEG_EV_LOST, LEG_CLOSING, LEG_DO_BYE | LEG_TELL_ENDED, "session-timer", false },
	{ LEG_UP, LEG_EV_GONE, LEG_ENDED, LEG_DO_BYE | LEG_TELL_ENDED, "phone-gone", false },
	{ LEG_UP, LEG_EV_DENIED, LEG_ENDED, LEG_TELL_ENDED, "bye-lost", false },
	{ LEG_CLOSING, LEG_EV_BYE_DONE, LEG_ENDED, 0, NULL, false },
};

static void the_legs_table_is_this_row_by_row(void **state)
{
	size_t n;

	(void)state;
	leg_rows(&n);
	assert_int_equal(n, ARRAY_SIZE(rows));
	for (size_t i = 0; i < n; i++) {
		const struct leg_row *r = leg_step(rows[i].from, rows[i].event);

		assert_non_null(r);
		assert_int_equal(r->to, rows[i].to);
		assert_int_equal(r->actions, rows[i].actions);
		assert_int_equal(r->by_us, rows[i].by_us);
		if (rows[i].cause)
			assert_string_equal(r->cause, rows[i].cause);
		else
			assert_null(r->cause);
	}
}

static void every_other_pair_does_nothing(void **state)
{
	size_t n, found = 0;

	(void)state;
	leg_rows(&n);
	for (int s = 0; s < LEG_STATES; s++)
		for (int e = 0; e < LEG_EVENTS; e++)
			found += leg_step((enum leg_state)s, (enum leg_event)e) != NULL;
	assert_int_equal(found, n); /* no pair twice, none besides */
	for (int e = 0; e < LEG_EVENTS; e++)
		assert_null(leg_step(LEG_ENDED, (enum leg_event)e));
}

/* Walks every path: the number of times the end is told on the way to each state must not depend on the path. */
static int told[LEG_STATES];

static void walk(enum leg_state s, int so_far)
{
	if (told[s] >= 0) {
		assert_int_equal(told[s], so_far);
		return;
	}
	told[s] = so_far;
	for (int e = 0; e < LEG_EVENTS; e++) {
		const struct leg_row *r = leg_step(s, (enum leg_event)e);

		if (r)
			walk(r->to, so_far + !!(r->actions & LEG_TELL_ENDED));
	}
}

static void the_end_is_told_exactly_once_on_every_path(void **state)
{
	(void)state;
	for (int s = 0; s < LEG_STATES; s++)
		told[s] = -1;
	walk(LEG_NEW, 0);
	assert_int_equal(told[LEG_ENDED], 1);
	for (int s = 0; s < LEG_STATES; s++)
		assert_true(told[s] >= 0); /* every state can be reached */
}

static void every_state_leads_to_the_end(void **state)
{
	bool ends[LEG_STATES] = { [LEG_ENDED] = true };
	size_t n;
	const struct leg_row *all = leg_rows(&n);

	(void)state;
	for (int round = 0; round < LEG_STATES; round++)
		for (size_t i = 0; i < n; i++)
			ends[all[i].from] |= ends[all[i].to];
	for (int s = 0; s < LEG_STATES; s++)
		assert_true(ends[s]);
	assert_string_equal(leg_state_name(LEG_ENDED), "ended");
	assert_string_equal(leg_event_name(LEG_EV_DRAIN), "drain");
}

/* ---- renego ---- */

static const struct {
	enum renego_state from;
	enum renego_event event;
	enum renego_state to;
	unsigned actions;
} renego[] = {
	{ RENEGO_IDLE, RENEGO_EV_REINVITE, RENEGO_OURS, RENEGO_KEEP | RENEGO_SEND },
	{ RENEGO_IDLE, RENEGO_EV_REFRESH, RENEGO_OURS, RENEGO_SEND_REFRESH },
	{ RENEGO_IDLE, RENEGO_EV_OFFER, RENEGO_THEIRS, RENEGO_TELL_OFFER | RENEGO_START_WAIT },
	{ RENEGO_OURS, RENEGO_EV_REINVITE, RENEGO_OURS, RENEGO_KEEP },
	{ RENEGO_OURS, RENEGO_EV_OFFER, RENEGO_OURS, RENEGO_REPLY_491 },
	{ RENEGO_OURS, RENEGO_EV_ANSWERED, RENEGO_IDLE, RENEGO_TELL_ANSWER | RENEGO_NEXT },
	{ RENEGO_OURS, RENEGO_EV_GLARE, RENEGO_BACKOFF, RENEGO_START_BACKOFF },
	{ RENEGO_OURS, RENEGO_EV_REFUSED, RENEGO_IDLE, RENEGO_TELL_REFUSED | RENEGO_NEXT },
	{ RENEGO_BACKOFF, RENEGO_EV_REINVITE, RENEGO_BACKOFF, RENEGO_KEEP },
	{ RENEGO_BACKOFF, RENEGO_EV_OFFER, RENEGO_THEIRS, RENEGO_TELL_OFFER | RENEGO_START_WAIT },
	{ RENEGO_BACKOFF, RENEGO_EV_TIMER, RENEGO_IDLE, RENEGO_NEXT },
	{ RENEGO_THEIRS, RENEGO_EV_REINVITE, RENEGO_THEIRS, RENEGO_KEEP },
	{ RENEGO_THEIRS, RENEGO_EV_OFFER, RENEGO_THEIRS, RENEGO_REPLY_BUSY },
	{ RENEGO_THEIRS, RENEGO_EV_REANSWER, RENEGO_THEIRS_ACK, RENEGO_REPLY_200 },
	{ RENEGO_THEIRS, RENEGO_EV_REANSWER_UPDATE, RENEGO_IDLE, RENEGO_REPLY_200 | RENEGO_NEXT },
	{ RENEGO_THEIRS, RENEGO_EV_REANSWER_REFUSE, RENEGO_IDLE, RENEGO_REPLY_488 | RENEGO_NEXT },
	{ RENEGO_THEIRS, RENEGO_EV_OFFER_GONE, RENEGO_IDLE, RENEGO_NEXT },
	{ RENEGO_THEIRS, RENEGO_EV_TIMER, RENEGO_IDLE, RENEGO_REPLY_500 | RENEGO_NEXT },
	{ RENEGO_THEIRS_ACK, RENEGO_EV_REINVITE, RENEGO_THEIRS_ACK, RENEGO_KEEP },
	{ RENEGO_THEIRS_ACK, RENEGO_EV_OFFER, RENEGO_THEIRS, RENEGO_TELL_OFFER | RENEGO_START_WAIT },
	{ RENEGO_THEIRS_ACK, RENEGO_EV_ACK, RENEGO_IDLE, RENEGO_NEXT },
};

static void the_sessions_table_is_this_row_by_row(void **state)
{
	size_t n, found = 0;

	(void)state;
	renego_rows(&n);
	assert_int_equal(n, ARRAY_SIZE(renego));
	for (size_t i = 0; i < n; i++) {
		const struct renego_row *r = renego_step(renego[i].from, renego[i].event);

		assert_non_null(r);
		assert_int_equal(r->to, renego[i].to);
		assert_int_equal(r->actions, renego[i].actions);
	}
	for (int s = 0; s < RENEGO_STATES; s++) {
		assert_non_null(renego_step((enum renego_state)s, RENEGO_EV_REINVITE)); /* ours is never lost */
		assert_non_null(
		    renego_step((enum renego_state)s, RENEGO_EV_OFFER)); /* theirs is never left unanswered */
		for (int e = 0; e < RENEGO_EVENTS; e++)
			found += renego_step((enum renego_state)s, (enum renego_event)e) != NULL;
	}
	assert_int_equal(found, n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_legs_table_is_this_row_by_row),
		cmocka_unit_test(every_other_pair_does_nothing),
		cmocka_unit_test(the_end_is_told_exactly_once_on_every_path),
		cmocka_unit_test(every_state_leads_to_the_end),
		cmocka_unit_test(the_sessions_table_is_this_row_by_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
