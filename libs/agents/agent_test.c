/* The agent's state machine: one line a row of the table, and what the rows have in common. */
#include "testkit/cmocka_all.h"

#include <string.h>

#include "agents/agent.h"
#include "agents/agents_wire.h"
#include "base/mem.h"

#define T0 1700000000000ll

static struct agent_record in_state(enum agent_state s)
{
	struct agent_record r;

	agent_record_init(&r, "acme", "1001");
	r.state = s;
	r.seq = s == AGENT_SIGNED_OUT ? 0 : 10;
	r.since_ms = s == AGENT_SIGNED_OUT ? 0 : T0;
	r.ready_since_ms = s == AGENT_READY || s == AGENT_RESERVED ? T0 - 500 : 0;
	if (s >= AGENT_RESERVED) {
		strcpy(r.call_id, "c1");
		strcpy(r.queue_id, "sales");
		strcpy(r.leg_id, "l1");
		r.reserved_until_ms = s == AGENT_RESERVED ? T0 + 30000 : 0;
	}
	return r;
}

static struct agent_event event(enum agent_event_kind k)
{
	return (struct agent_event){ .kind = k,
				     .call_id = "c1",
				     .queue_id = "sales",
				     .leg_id = "l1",
				     .reason = "break",
				     .site = "centre",
				     .router_epoch = 7,
				     .reserved_until_ms = T0 + 30000,
				     .wrap_up_ms = 5000 };
}

/* Every legal pair and where it leads; whatever is missing here must be refused. */
static const struct {
	enum agent_state from;
	enum agent_event_kind event;
	enum agent_state to;
	const char *reason;
} legal[] = {
	{ AGENT_SIGNED_OUT, AGENT_EV_SIGN_IN, AGENT_BUSY, "signed-in" },
	{ AGENT_BUSY, AGENT_EV_SIGN_OUT, AGENT_SIGNED_OUT, "" },
	{ AGENT_READY, AGENT_EV_SIGN_OUT, AGENT_SIGNED_OUT, "" },
	{ AGENT_RESERVED, AGENT_EV_SIGN_OUT, AGENT_RESERVED, "" },
	{ AGENT_ON_CALL, AGENT_EV_SIGN_OUT, AGENT_ON_CALL, "" },
	{ AGENT_WRAP_UP, AGENT_EV_SIGN_OUT, AGENT_SIGNED_OUT, "" },
	{ AGENT_BUSY, AGENT_EV_READY, AGENT_READY, "" },
	{ AGENT_RESERVED, AGENT_EV_READY, AGENT_RESERVED, "" },
	{ AGENT_ON_CALL, AGENT_EV_READY, AGENT_ON_CALL, "" },
	{ AGENT_WRAP_UP, AGENT_EV_READY, AGENT_READY, "" },
	{ AGENT_BUSY, AGENT_EV_BUSY, AGENT_BUSY, "break" },
	{ AGENT_READY, AGENT_EV_BUSY, AGENT_BUSY, "break" },
	{ AGENT_RESERVED, AGENT_EV_BUSY, AGENT_RESERVED, "" },
	{ AGENT_ON_CALL, AGENT_EV_BUSY, AGENT_ON_CALL, "" },
	{ AGENT_WRAP_UP, AGENT_EV_BUSY, AGENT_BUSY, "break" },
	{ AGENT_READY, AGENT_EV_RESERVE, AGENT_RESERVED, "" },
	{ AGENT_RESERVED, AGENT_EV_UNRESERVE, AGENT_READY, "" },
	{ AGENT_RESERVED, AGENT_EV_ANSWERED, AGENT_ON_CALL, "" },
	{ AGENT_RESERVED, AGENT_EV_NO_ANSWER, AGENT_BUSY, "break" },
	{ AGENT_RESERVED, AGENT_EV_CALL_ENDED, AGENT_READY, "" },
	{ AGENT_ON_CALL, AGENT_EV_CALL_ENDED, AGENT_WRAP_UP, "" },
	{ AGENT_WRAP_UP, AGENT_EV_WRAP_UP_OVER, AGENT_BUSY, "after-wrap-up" },
	{ AGENT_WRAP_UP, AGENT_EV_FINISH_WRAP_UP, AGENT_READY, "" },
	{ AGENT_RESERVED, AGENT_EV_RECONCILED, AGENT_READY, "" },
	{ AGENT_ON_CALL, AGENT_EV_RECONCILED, AGENT_READY, "" },
	{ AGENT_RESERVED, AGENT_EV_TAKE_OVER, AGENT_RESERVED, "" },
	{ AGENT_SIGNED_OUT, AGENT_EV_FENCE, AGENT_SIGNED_OUT, "" },
};

static int find_legal(enum agent_state s, enum agent_event_kind k)
{
	for (size_t i = 0; i < ARRAY_SIZE(legal); i++)
		if (legal[i].from == s && legal[i].event == k)
			return (int)i;
	return -1;
}

static void check_pair(enum agent_state s, enum agent_event_kind k)
{
	struct agent_record r = in_state(s), next = r;
	struct agent_event ev = event(k);
	struct err_detail d = { "", "" };
	int row = find_legal(s, k);
	err_t e = agent_step(&r, &ev, T0 + 1000, &next, &d);

	if (row < 0) {
		assert_int_equal(e, ERR_PRECONDITION);
		assert_true(strlen(d.message) > 10); /* says what would be right */
		assert_memory_equal(&r, &next, sizeof(r));
		return;
	}
	assert_int_equal(e, ERR_OK);
	assert_int_equal(next.state, legal[row].to);
	assert_string_equal(next.reason, legal[row].reason);
	assert_int_equal(next.seq, r.seq + 1);
	assert_int_equal(next.last.seq, next.seq);
	assert_int_equal(next.last.from, s);
	assert_int_equal(next.last.to, next.state);
	assert_int_equal(next.last.at_ms, T0 + 1000);
	assert_string_equal(next.last.cause, agent_event_name(k));
	if (next.state < AGENT_RESERVED) {
		assert_string_equal(next.call_id, "");
		assert_false(next.pending_busy || next.pending_sign_out);
	} else {
		assert_string_equal(next.call_id, "c1");
	}
}

static void every_pair_of_state_and_event_leads_where_the_table_says_or_is_refused(void **arg)
{
	UNUSED(arg);
	for (int s = AGENT_SIGNED_OUT; s < AGENT_STATES; s++)
		for (int k = 0; k < AGENT_EVENTS; k++)
			check_pair((enum agent_state)s, (enum agent_event_kind)k);
}

static struct agent_record step(struct agent_record r, struct agent_event ev, int64_t now)
{
	assert_int_equal(agent_step(&r, &ev, now, &r, NULL), ERR_OK);
	return r;
}

static void a_call_that_vanished_gives_the_agent_its_old_place_among_the_idle_back(void **arg)
{
	struct agent_record r = in_state(AGENT_RESERVED);

	UNUSED(arg);
	r = step(r, event(AGENT_EV_UNRESERVE), T0 + 1000);
	assert_int_equal(r.ready_since_ms, T0 - 500);
	assert_int_equal(r.since_ms, T0 + 1000);
}

static void busy_asked_for_during_a_call_comes_after_it(void **arg)
{
	struct agent_record r = step(in_state(AGENT_ON_CALL), event(AGENT_EV_BUSY), T0 + 10);
	struct agent_event ended = event(AGENT_EV_CALL_ENDED);

	UNUSED(arg);
	assert_true(r.pending_busy);
	assert_int_equal(r.last.at_ms - r.last.from_since_ms, 0); /* no state was left */
	assert_int_equal(r.since_ms, T0);
	ended.wrap_up_ms = 0;
	assert_int_equal(step(r, ended, T0 + 20).state, AGENT_BUSY);
	assert_string_equal(step(r, ended, T0 + 20).reason, "break");
	/* Wrap-up comes first. */
	r = step(r, event(AGENT_EV_CALL_ENDED), T0 + 20);
	assert_int_equal(r.state, AGENT_WRAP_UP);
	assert_int_equal(r.wrap_up_until_ms, T0 + 5020);
	r = step(r, event(AGENT_EV_WRAP_UP_OVER), T0 + 5020);
	assert_string_equal(r.reason, "break");
	assert_int_equal(r.last.at_ms - r.last.from_since_ms, 5000);
}

static void sign_out_asked_for_during_a_call_comes_after_it_and_ready_takes_it_back(void **arg)
{
	struct agent_record r = step(in_state(AGENT_ON_CALL), event(AGENT_EV_SIGN_OUT), T0 + 10), back;
	struct agent_event ended = event(AGENT_EV_CALL_ENDED);

	UNUSED(arg);
	assert_false(agent_on_duty(&r));
	ended.wrap_up_ms = 0;
	assert_int_equal(step(r, ended, T0 + 20).state, AGENT_SIGNED_OUT);
	back = step(r, event(AGENT_EV_READY), T0 + 15);
	assert_true(agent_on_duty(&back));
	assert_int_equal(step(back, ended, T0 + 20).state, AGENT_READY);
	r = step(in_state(AGENT_RESERVED), event(AGENT_EV_SIGN_OUT), T0 + 10);
	assert_int_equal(step(r, event(AGENT_EV_NO_ANSWER), T0 + 20).state, AGENT_SIGNED_OUT);
}

static void an_event_about_another_call_is_refused(void **arg)
{
	static const enum agent_event_kind kinds[] = { AGENT_EV_UNRESERVE,  AGENT_EV_ANSWERED,	 AGENT_EV_NO_ANSWER,
						       AGENT_EV_CALL_ENDED, AGENT_EV_RECONCILED, AGENT_EV_TAKE_OVER };
	struct agent_record r = in_state(AGENT_RESERVED);
	struct err_detail d;

	UNUSED(arg);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct agent_event ev = event(kinds[i]);

		ev.call_id = "c2";
		assert_int_equal(agent_step(&r, &ev, T0, &r, &d), ERR_PRECONDITION);
		assert_string_equal(d.field, "call_id");
	}
}

static void an_event_that_lacks_something_is_invalid_and_names_the_field(void **arg)
{
	struct agent_record r = in_state(AGENT_BUSY);
	struct agent_event ev = { .kind = AGENT_EV_BUSY };
	struct err_detail d;

	UNUSED(arg);
	assert_int_equal(agent_step(&r, &ev, T0, &r, &d), ERR_INVALID);
	assert_string_equal(d.field, "reason");
	ev.kind = AGENT_EV_ANSWERED;
	assert_int_equal(agent_step(&r, &ev, T0, &r, &d), ERR_INVALID);
	assert_string_equal(d.field, "call_id");
	ev.kind = AGENT_EV_SIGN_IN;
	assert_int_equal(agent_step(&r, &ev, T0, &r, &d), ERR_INVALID);
	assert_string_equal(d.field, "site");
	ev.kind = AGENT_EVENTS;
	assert_int_equal(agent_step(&r, &ev, T0, &r, &d), ERR_INVALID);
}

static void a_clock_that_is_behind_makes_no_negative_duration(void **arg)
{
	struct agent_record r = step(in_state(AGENT_READY), event(AGENT_EV_BUSY), T0 - 5000);

	UNUSED(arg);
	assert_int_equal(r.since_ms, T0);
	assert_true(r.last.at_ms >= r.last.from_since_ms);
}

static void wrap_up_leads_to_ready_by_itself_only_if_configured(void **arg)
{
	struct agent_event ev = event(AGENT_EV_WRAP_UP_OVER);

	UNUSED(arg);
	assert_int_equal(step(in_state(AGENT_WRAP_UP), ev, T0 + 1).state, AGENT_BUSY);
	ev.auto_ready = true;
	assert_int_equal(step(in_state(AGENT_WRAP_UP), ev, T0 + 1).state, AGENT_READY);
}

static void a_record_survives_the_wire_and_what_is_wrong_is_named(void **arg)
{
	struct agent_record r = step(in_state(AGENT_READY), event(AGENT_EV_RESERVE), T0 + 5), back;
	struct err_detail d;
	void *bytes;
	size_t n;

	UNUSED(arg);
	strcpy(r.writer, "router-1");
	strcpy(r.site, "centre");
	assert_int_equal(agent_record_to_pb(&r, &bytes, &n), ERR_OK);
	memset(&back, 0, sizeof(back));
	assert_int_equal(agent_record_from_pb(&back, bytes, n, &d), ERR_OK);
	assert_int_equal(back.state, AGENT_RESERVED);
	assert_string_equal(back.leg_id, "l1");
	assert_int_equal(back.reserved_until_ms, T0 + 30000);
	assert_string_equal(back.last.cause, "assigned");
	mem_free(bytes);

	r.call_id[0] = '\0';
	assert_int_equal(agent_record_to_pb(&r, &bytes, &n), ERR_OK);
	assert_int_equal(agent_record_from_pb(&back, bytes, n, &d), ERR_INVALID);
	assert_string_equal(d.field, "call_id");
	mem_free(bytes);
	strcpy(r.call_id, "c1");
	r.state = (enum agent_state)42;
	assert_int_equal(agent_record_to_pb(&r, &bytes, &n), ERR_OK);
	assert_int_equal(agent_record_from_pb(&back, bytes, n, &d), ERR_INVALID);
	assert_string_equal(d.field, "state");
	mem_free(bytes);
	assert_int_equal(agent_record_from_pb(&back, "\xff\xff", 2, &d), ERR_INVALID);
}

static struct agent_record written(struct agent_record r, enum agent_event_kind k, int64_t now, const char *writer)
{
	struct agent_record next = step(r, event(k), now);

	agent_sign(&next, &r, writer);
	return next;
}

static void a_record_carries_what_other_writers_left_for_a_while(void **arg)
{
	struct agent_record r = in_state(AGENT_READY), back;
	struct err_detail d;
	void *bytes;
	size_t n;

	UNUSED(arg);
	r.last.seq = 0; /* nothing is known of before */
	r = written(r, AGENT_EV_RESERVE, T0 + 1, "router-1");
	assert_int_equal(r.n_before, 0);
	r = written(r, AGENT_EV_ANSWERED, T0 + 2, "cc-1");
	r = written(r, AGENT_EV_CALL_ENDED, T0 + 3, "cc-1"); /* what it wrote itself goes ahead of this */
	assert_int_equal(r.n_before, 1);
	assert_string_equal(r.before[0].writer, "router-1");
	assert_string_equal(r.before[0].cause, "assigned");
	r = written(r, AGENT_EV_READY, T0 + 4, "desk-1");
	assert_int_equal(r.n_before, 2);
	assert_string_equal(r.before[0].cause, "call-ended");
	assert_int_equal(agent_record_to_pb(&r, &bytes, &n), ERR_OK);
	assert_int_equal(agent_record_from_pb(&back, bytes, n, &d), ERR_OK);
	mem_free(bytes);
	assert_int_equal(back.n_before, 2);
	assert_string_equal(back.before[1].writer, "router-1");
	assert_int_equal(back.before[1].seq, r.before[1].seq);
	r = written(r, AGENT_EV_RESERVE, T0 + 5, "router-1"); /* its own of before is told */
	assert_int_equal(r.n_before, 2);
	assert_string_equal(r.before[0].writer, "desk-1");
	r = written(r, AGENT_EV_ANSWERED, T0 + 6 + AGENT_BEFORE_MS, "cc-1");
	assert_int_equal(r.n_before, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_pair_of_state_and_event_leads_where_the_table_says_or_is_refused),
		cmocka_unit_test(a_call_that_vanished_gives_the_agent_its_old_place_among_the_idle_back),
		cmocka_unit_test(busy_asked_for_during_a_call_comes_after_it),
		cmocka_unit_test(sign_out_asked_for_during_a_call_comes_after_it_and_ready_takes_it_back),
		cmocka_unit_test(an_event_about_another_call_is_refused),
		cmocka_unit_test(an_event_that_lacks_something_is_invalid_and_names_the_field),
		cmocka_unit_test(a_clock_that_is_behind_makes_no_negative_duration),
		cmocka_unit_test(wrap_up_leads_to_ready_by_itself_only_if_configured),
		cmocka_unit_test(a_record_survives_the_wire_and_what_is_wrong_is_named),
		cmocka_unit_test(a_record_carries_what_other_writers_left_for_a_while),
	};

	return cmocka_run_group_tests_name("agent", tests, NULL, NULL);
}
