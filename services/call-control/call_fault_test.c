/* The call core when something goes wrong beside the caller and the agent: media, edge, router, owner. No environment. */
#include "call_bench_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/str.h"

static void in_state(struct bench *b, const char *leg, bool answered)
{
	step(b, (struct call_input){ .kind = INPUT_LEG_STATE, .leg_id = leg, .answered = answered });
}

static void to_greeting(struct bench *b)
{
	bench_offered(b, "100");
	in_start(b);
	in_ready(b, "c", REQUEST_CALLER);
	in_answered(b, "c");
}

static void to_queue(struct bench *b)
{
	to_greeting(b);
	in_play_done(b);
	in_digit(b, '1');
	assert_int_equal(b->call->phase, CALL_PHASE_QUEUED);
}

static void to_ringing(struct bench *b)
{
	to_queue(b);
	in_assigned(b, "1001", "a", "sales");
	in_ready(b, "a", REQUEST_AGENT);
	in_ringing(b, "a");
}

static void to_talking(struct bench *b)
{
	to_ringing(b);
	in_answered(b, "a");
	in_play_done(b);
	assert_int_equal(b->call->phase, CALL_PHASE_TALKING);
}

/* ---- the agent is not to blame ---------------------------------------------------------------------------------------- */

static void not_blamed(struct bench *b)
{
	assert_null(command(b, COMMAND_AGENT_NO_ANSWER));
	assert_string_equal(said(b, COMMAND_AGENT_GIVE_BACK)->agent_id, "1001");
	assert_string_equal(told(b, FACT_AGENT_NO_ANSWER)->text, "failed");
	assert_int_equal(b->call->phase, CALL_PHASE_QUEUED);
	assert_null(command(b, COMMAND_ENQUEUE)); /* not in a tight loop */
	tick(b, REPEAT_MS);
	assert_non_null(command(b, COMMAND_ENQUEUE));
	bench_end(b);
}

static void an_agent_whom_media_or_the_edge_could_not_serve_stays_ready(void **state)
{
	struct bench b;

	(void)state;
	to_queue(&b);
	in_assigned(&b, "1001", "a", "sales");
	step(&b, (struct call_input){
		     .kind = INPUT_MEDIA_FAILED, .leg_id = "a", .request = REQUEST_AGENT, .error = ERR_EXHAUSTED });
	not_blamed(&b);

	to_ringing(&b);
	in_ended(&b, "a", "edge-error", 503);
	not_blamed(&b);

	to_ringing(&b);
	in_ended(&b, "a", "drain", 0);
	not_blamed(&b);

	to_queue(&b); /* media says nothing: the phone never rang */
	in_assigned(&b, "1001", "a", "sales");
	tick(&b, MEDIA_TIMEOUT_MS);
	in_ended(&b, "a", "unknown-leg", 0);
	not_blamed(&b);
}

static void a_call_adopted_before_it_was_dialled_gives_the_agent_back(void **state)
{
	struct bench b;

	(void)state;
	to_queue(&b);
	in_assigned(&b, "1001", "a", "sales");
	bench_adopt(&b, (struct call_input){ .kind = INPUT_ADOPTED, .cause = "cc-1" });
	in_state(&b, "c", true);
	assert_true(said(&b, COMMAND_RESULT)->accepted); /* the router may not have heard it */
	assert_string_equal(said(&b, COMMAND_RESULT)->leg_id, "a");
	in_ended(&b, "a", "unknown-leg", 0);
	not_blamed(&b);
}

static void the_time_a_phone_rang_is_told(void **state)
{
	struct bench b;

	(void)state;
	to_ringing(&b);
	bench_now += 9000;
	in_ended(&b, "a", "no-answer", 0);
	assert_int_equal(told(&b, FACT_AGENT_NO_ANSWER)->ms, 9000);
	bench_end(&b);
}

/* ---- adoption --------------------------------------------------------------------------------------------------------- */

static void the_longest_wait_and_the_music_survive_an_adoption(void **state)
{
	struct bench b;
	int64_t arrival;

	(void)state;
	to_queue(&b);
	arrival = b.call->arrival_ms;
	assert_true(b.call->wait_deadline_ms > arrival);
	bench_now += 5000;
	bench_adopt(&b, (struct call_input){ .kind = INPUT_ADOPTED, .cause = "cc-1" });
	assert_int_equal(b.call->wait_deadline_ms, arrival + b.call->queue->max_wait_ms);
	in_state(&b, "c", true);
	assert_true(said(&b, COMMAND_PLAY)->loop);
	assert_true(said(&b, COMMAND_PLAY)->play_id > 1000); /* a number media has not heard from the owner before */
	bench_now = arrival + b.call->queue->max_wait_ms;
	tick(&b, 0);
	assert_string_equal(told(&b, FACT_DEQUEUED)->text, "timeout");
	bench_end(&b);
}

static void an_adopted_call_that_rings_does_not_ring_for_ever(void **state)
{
	struct bench b;

	(void)state;
	to_ringing(&b);
	bench_adopt(&b, (struct call_input){ .kind = INPUT_ADOPTED, .cause = "cc-1" });
	in_state(&b, "c", true); /* and nothing about the agent's leg, ever */
	for (int i = 0; i < 20 && b.call->phase == CALL_PHASE_DIALLING; i++)
		tick(&b, 5000);
	assert_int_equal(b.call->phase, CALL_PHASE_QUEUED);
	bench_end(&b);
}

static void an_adopter_says_again_that_the_agent_has_answered(void **state)
{
	struct bench b;

	(void)state;
	to_talking(&b);
	bench_adopt(&b, (struct call_input){ .kind = INPUT_ADOPTED, .cause = "cc-1" });
	in_state(&b, "c", true);
	assert_non_null(command(&b, COMMAND_AGENT_ON_CALL));
	assert_non_null(command(&b, COMMAND_REMOTE));
	assert_false(said(&b, COMMAND_REMOTE)->offer);
	assert_non_null(command(&b, COMMAND_BRIDGE));
	bench_end(&b);
}

static void an_ended_call_that_is_adopted_states_nothing_more(void **state)
{
	struct bench b;
	uint64_t seq;

	(void)state;
	to_talking(&b);
	in_ended(&b, "c", "bye", 0);
	in_ended(&b, "a", "hung-up", 0);
	step(&b, (struct call_input){ .kind = INPUT_MEDIA_FREED });
	assert_true(call_ended(b.call));
	seq = b.call->event_seq;
	bench_adopt(&b, (struct call_input){ .kind = INPUT_ADOPTED, .cause = "cc-1" });
	assert_int_equal(b.todo.n_facts, 0);
	assert_int_equal(b.call->event_seq, seq);
	assert_int_equal(call_deadline_ms(b.call), 0);
	assert_non_null(command(&b, COMMAND_AGENT_CALL_ENDED));
	in_state(&b, "c", true); /* a late word of the edge */
	assert_int_equal(b.todo.n_facts, 0);
	bench_end(&b);
}

static void a_caller_put_on_hold_hears_music_again_after_an_adoption(void **state)
{
	struct bench b;

	(void)state;
	to_talking(&b);
	step(&b, (struct call_input){ .kind = INPUT_LEG_REOFFER,
				      .leg_id = "a",
				      .request = 1,
				      .sdp = "v=0",
				      .sdp_size = 3,
				      .sdp_holds = true });
	assert_non_null(command(&b, COMMAND_PLAY));
	bench_adopt(&b, (struct call_input){ .kind = INPUT_ADOPTED, .cause = "cc-1" });
	in_state(&b, "c", true);
	assert_non_null(command(&b, COMMAND_BRIDGE));
	assert_true(said(&b, COMMAND_PLAY)->loop);
	assert_string_equal(said(&b, COMMAND_PLAY)->leg->id, "c");
	bench_end(&b);
}

static void a_second_word_of_an_unanswered_leg_does_not_undo_the_answer_under_way(void **state)
{
	struct bench b;

	(void)state;
	to_greeting(&b);
	call_leg_set(&b.call->caller_leg, LEG_ANSWERING, bench_now);
	call_set_phase(b.call, CALL_PHASE_ANSWERING);
	bench_adopt(&b, (struct call_input){ .kind = INPUT_ADOPTED, .cause = "cc-1" });
	in_state(&b, "c", false);
	in_ready(&b, "c", REQUEST_CALLER);
	assert_non_null(command(&b, COMMAND_ANSWER));
	in_state(&b, "c", false); /* answer to a repeated question */
	in_answered(&b, "c");
	assert_int_equal(b.call->phase, CALL_PHASE_COLLECTING);
	bench_end(&b);
}

/* ---- lost and late messages -------------------------------------------------------------------------------------------- */

static void an_assignment_for_a_queue_that_was_left_or_an_attempt_that_is_over_is_refused(void **state)
{
	struct bench b;

	(void)state;
	to_queue(&b);
	in_assigned(&b, "1001", "a", "another");
	assert_false(said(&b, COMMAND_RESULT)->accepted);
	assert_string_equal(said(&b, COMMAND_RESULT)->leg_id, "a");
	assert_int_equal(b.call->phase, CALL_PHASE_QUEUED);
	in_assigned(&b, "1001", "a", "sales");
	in_ready(&b, "a", REQUEST_AGENT);
	in_ended(&b, "a", "rejected", 486);
	in_assigned(&b, "1001", "a", "sales"); /* the repeat of an unacknowledged one */
	assert_false(said(&b, COMMAND_RESULT)->accepted);
	assert_int_equal(b.call->attempt, 1);
	bench_end(&b);
}

static void a_queue_that_the_router_does_not_know_is_left_in_the_end(void **state)
{
	struct bench b;

	(void)state;
	to_queue(&b);
	for (int i = 0; i < 10 && b.call->phase == CALL_PHASE_QUEUED; i++) {
		step(&b, (struct call_input){ .kind = INPUT_REFUSED, .error = ERR_NOT_FOUND, .queue_id = "sales" });
		if (b.call->phase == CALL_PHASE_QUEUED)
			tick(&b, REPEAT_MS);
	}
	assert_string_equal(told(&b, FACT_DEQUEUED)->text, "refused");
	assert_string_equal(b.call->cause, "refused");
	bench_end(&b);
}

static void a_prompt_whose_end_is_never_told_does_not_stop_the_call(void **state)
{
	struct bench b;

	(void)state;
	to_greeting(&b);
	assert_int_equal(b.call->phase, CALL_PHASE_COLLECTING);
	for (int i = 0; i < 100 && b.call->phase == CALL_PHASE_COLLECTING; i++)
		tick(&b, 10000);
	assert_int_not_equal(b.call->phase, CALL_PHASE_COLLECTING);
	bench_end(&b);
}

static void a_caller_whose_bye_was_lost_is_found_in_the_ivr_too(void **state)
{
	struct bench b;

	(void)state;
	to_greeting(&b);
	for (int i = 0; i < 10 && !command(&b, COMMAND_ATTACH); i++)
		tick(&b, 5000);
	assert_non_null(command(&b, COMMAND_ATTACH));
	in_ended(&b, "c", "bye", 0);
	assert_string_equal(b.call->cause, "caller-hung-up");
	bench_end(&b);
}

static void a_recording_whose_end_is_not_told_is_over_when_media_holds_nothing_more(void **state)
{
	struct bench b;

	(void)state;
	to_talking(&b);
	assert_true(b.call->recording);
	in_ended(&b, "c", "bye", 0);
	in_ended(&b, "a", "hung-up", 0);
	step(&b, (struct call_input){ .kind = INPUT_MEDIA_FREED });
	assert_true(call_ended(b.call));
	assert_non_null(fact(&b, FACT_RECORDING_STOPPED));
	assert_non_null(fact(&b, FACT_ENDED));
	bench_end(&b);
}

static void an_agents_answer_that_is_no_answer_ends_the_call(void **state)
{
	struct bench b;

	(void)state;
	to_ringing(&b);
	in_answered(&b, "a");
	assert_int_equal(said(&b, COMMAND_REMOTE)->request, REQUEST_ANSWER);
	step(&b, (struct call_input){
		     .kind = INPUT_MEDIA_FAILED, .leg_id = "a", .request = REQUEST_ANSWER, .error = ERR_PRECONDITION });
	assert_string_equal(b.call->cause, "failed");
	bench_end(&b);
}

/* RFC 3261, 14.1: a re-INVITE without an offer; the answer to ours comes in the ACK. */
static void the_answer_in_the_ack_of_a_reinvite_reaches_media(void **state)
{
	struct bench b;

	(void)state;
	to_talking(&b);
	step(&b, (struct call_input){ .kind = INPUT_LEG_REOFFER, .leg_id = "c", .request = 1 });
	in_ready(&b, "c", said(&b, COMMAND_ATTACH_ENDPOINT)->request);
	assert_int_equal(said(&b, COMMAND_REANSWER)->sdp_size, 3);
	in_answered(&b, "c");
	assert_non_null(command(&b, COMMAND_REMOTE));
	assert_false(said(&b, COMMAND_REMOTE)->offer);
	bench_end(&b);
}

static void nobody_rings_longer_than_the_agent_is_reserved(void **state)
{
	struct bench b;

	(void)state;
	to_queue(&b);
	step(&b, (struct call_input){ .kind = INPUT_ASSIGNED,
				      .agent_id = "1001",
				      .leg_id = "a",
				      .queue_id = "sales",
				      .reserved_until_ms = bench_now + 12000 });
	in_ready(&b, "a", REQUEST_AGENT);
	assert_int_equal(said(&b, COMMAND_DIAL)->timeout_ms, 12000 - RESERVED_SPARE_MS);
	bench_end(&b);
}

static void a_call_whose_media_is_dead_does_not_take_one_agent_after_the_other(void **state)
{
	struct bench b;
	char leg[16];

	(void)state;
	to_queue(&b);
	for (int i = 0; i < 10 && b.call->phase == CALL_PHASE_QUEUED; i++) {
		snprintf(leg, sizeof(leg), "a%d", i);
		in_assigned(&b, "1001", leg, "sales");
		tick(&b, MEDIA_TIMEOUT_MS);
		in_ended(&b, leg, "unknown-leg", 0);
	}
	assert_int_equal(b.call->attempt, MEDIA_SILENT_MAX);
	assert_string_equal(b.call->cause, "failed");
	assert_string_equal(b.call->disposition, "failed");
	bench_end(&b);
}

static void in_reoffer(struct bench *b, uint32_t number)
{
	step(b, (struct call_input){
		    .kind = INPUT_LEG_REOFFER, .leg_id = "a", .request = number, .sdp = "v=0", .sdp_size = 3 });
}

static void a_reinvite_that_media_never_answered_does_not_spoil_the_next(void **state)
{
	struct bench b;
	uint32_t first;

	(void)state;
	to_talking(&b);
	in_reoffer(&b, 1);
	first = said(&b, COMMAND_REMOTE)->request;
	in_reoffer(&b, 2);
	in_ready(&b, "a", first); /* an answer to an offer that is no longer asked */
	assert_null(command(&b, COMMAND_REANSWER));
	in_ready(&b, "a", call_reoffer_request(&b.call->agent_leg));
	assert_int_equal(said(&b, COMMAND_REANSWER)->request, 2);
	assert_int_equal(said(&b, COMMAND_REANSWER)->sdp_size, 3);
	bench_end(&b);
}

static void a_caller_whom_the_edge_had_to_drop_has_not_hung_up(void **state)
{
	struct bench b;

	(void)state;
	to_queue(&b);
	in_ended(&b, "c", "drain", 0);
	assert_string_equal(b.call->disposition, "failed");
	bench_end(&b);
}

/* GT-15: our overload is not counted against the agents. */
static void an_agent_whose_phone_never_rang_because_of_us_stays_ready(void **state)
{
	static const struct {
		const char *cause;
		bool rang, stays;
		const char *reason;
	} rows[] = {
		{ "overload", false, true, NULL },
		{ "overload", true, true, NULL },
		{ "hung-up", false, true, NULL },
		{ "hung-up", true, false, "no-answer" },
		{ "no-reply", false, false, "unreachable" },
		{ "no-answer", true, false, "no-answer" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct bench b;

		to_queue(&b);
		in_assigned(&b, "1001", "a", "sales");
		in_ready(&b, "a", REQUEST_AGENT);
		if (rows[i].rang)
			in_ringing(&b, "a");
		in_ended(&b, "a", rows[i].cause, 0);
		assert_int_equal(b.call->phase, CALL_PHASE_QUEUED);
		assert_int_equal(command(&b, COMMAND_AGENT_GIVE_BACK) != NULL, rows[i].stays);
		assert_int_equal(command(&b, COMMAND_AGENT_NO_ANSWER) != NULL, !rows[i].stays);
		if (!rows[i].stays)
			assert_string_equal(said(&b, COMMAND_AGENT_NO_ANSWER)->text, rows[i].reason);
		bench_end(&b);
	}
}

static void an_edge_that_says_nothing_of_a_dial_does_not_make_the_agent_busy(void **state)
{
	struct bench b;

	(void)state;
	to_queue(&b);
	in_assigned(&b, "1001", "a", "sales");
	in_ready(&b, "a", REQUEST_AGENT);
	tick(&b, 15000 + DIAL_GRACE_MS); /* HANG_UP */
	tick(&b, DIAL_GRACE_MS);
	assert_non_null(command(&b, COMMAND_AGENT_GIVE_BACK));
	assert_int_equal(b.call->phase, CALL_PHASE_QUEUED);
	bench_end(&b);
}

/* GT-15: no audio comes from a phone. */
static void no_audio(struct bench *b, const char *leg)
{
	step(b, (struct call_input){ .kind = INPUT_MEDIA_TIMEOUT, .leg_id = leg });
}

static void silence_ends_no_call_but_has_the_phone_asked(void **state)
{
	struct bench b;

	(void)state;
	to_talking(&b);
	for (int i = 0; i < 20; i++) {
		bench_now += 15000;
		no_audio(&b, "a");
		assert_string_equal(said(&b, COMMAND_PROBE)->leg->id, "a");
		assert_int_equal(b.call->phase, CALL_PHASE_TALKING);
		in_state(&b, "a", true); /* the phone has answered */
	}
	bench_end(&b);
}

static void a_phone_that_is_gone_ends_the_call_as_what_it_was(void **state)
{
	static const struct {
		const char *leg, *cause, *says;
	} rows[] = {
		{ "c", "phone-gone", "caller-gone" },
		{ "c", "bye-lost", "caller-gone" },
		{ "a", "phone-gone", "agent-gone" },
		{ "a", "bye-lost", "agent-gone" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct bench b;

		to_talking(&b);
		no_audio(&b, rows[i].leg);
		in_ended(&b, rows[i].leg, rows[i].cause, 0);
		assert_string_equal(b.call->cause, rows[i].says);
		assert_string_equal(b.call->disposition, "answered");
		assert_string_equal(told(&b, FACT_LEG_FINISHED)->text, rows[i].cause);
		assert_non_null(command(&b, COMMAND_AGENT_CALL_ENDED));
		bench_end(&b);
	}
}

static void a_caller_who_is_gone_from_the_queue_has_abandoned(void **state)
{
	struct bench b;

	(void)state;
	to_queue(&b);
	no_audio(&b, "c");
	assert_non_null(command(&b, COMMAND_PROBE));
	in_ended(&b, "c", "phone-gone", 0);
	assert_string_equal(b.call->disposition, "abandoned");
	assert_string_equal(told(&b, FACT_DEQUEUED)->text, "abandoned");
	bench_end(&b);
}

static void an_edge_that_says_nothing_of_a_silent_phone_is_gone_with_it(void **state)
{
	struct bench b;

	(void)state;
	to_talking(&b);
	for (int i = 0; i < 4; i++) {
		no_audio(&b, "c");
		assert_int_equal(b.call->phase, CALL_PHASE_TALKING);
		bench_now += 15000;
	}
	no_audio(&b, "c");
	assert_string_equal(b.call->cause, "lost");
	bench_end(&b);
}

/* GT-15: kill -9 of sip-edge while an agent's phone rings. */
static void an_edge_that_is_back_is_asked_for_its_legs_and_its_ringing_phones_are_told_to_stop(void **state)
{
	struct bench b;

	(void)state;
	to_ringing(&b);
	str_copy(b.call->caller_leg.edge, sizeof(b.call->caller_leg.edge), "edge-1");
	str_copy(b.call->agent_leg.edge, sizeof(b.call->agent_leg.edge), "edge-1");
	step(&b, (struct call_input){ .kind = INPUT_EDGE_BACK, .edge = "edge-2" });
	assert_int_equal(b.todo.n_commands, 0);
	step(&b, (struct call_input){ .kind = INPUT_EDGE_BACK, .edge = "edge-1" });
	assert_string_equal(said(&b, COMMAND_ATTACH)->leg->id, "c");
	assert_string_equal(said(&b, COMMAND_HANG_UP)->leg->id, "a");
	in_state(&b, "c", true); /* the caller was answered: that dialog is known */
	in_ended(&b, "a", "unknown-leg", 0);
	assert_non_null(command(&b, COMMAND_AGENT_GIVE_BACK));
	assert_int_equal(b.call->phase, CALL_PHASE_QUEUED);
	bench_end(&b);
}

static void a_caller_whose_unanswered_leg_died_with_its_edge_ends_in_the_books_at_once(void **state)
{
	struct bench b;

	(void)state;
	to_ringing(&b);
	str_copy(b.call->caller_leg.edge, sizeof(b.call->caller_leg.edge), "edge-1");
	step(&b, (struct call_input){ .kind = INPUT_EDGE_BACK, .edge = "edge-1" });
	in_ended(&b, "c", "unknown-leg", 0);
	assert_string_equal(b.call->cause, "lost");
	assert_non_null(command(&b, COMMAND_AGENT_GIVE_BACK));
	assert_non_null(command(&b, COMMAND_HANG_UP)); /* the agent's phone */
	bench_end(&b);
}

/* kill -9 of sip-edge: it gets the INVITE back that it had not answered, and the call goes on. */
static void an_edge_that_lost_a_ringing_caller_gets_it_back(void **state)
{
	struct bench b;
	const struct call_command *attach;

	(void)state;
	to_ringing(&b);
	assert_int_equal(call_leg_set_invite(&b.call->caller_leg, "INVITE", 6), ERR_OK);
	in_ended(&b, "c", "unknown-leg", 0); /* answers a command that was under way */
	attach = said(&b, COMMAND_ATTACH);
	assert_memory_equal(attach->leg->invite, "INVITE", 6);
	assert_int_equal(b.call->phase, CALL_PHASE_DIALLING);
	in_state(&b, "c", false);
	assert_int_equal(b.call->phase, CALL_PHASE_DIALLING);
	in_answered(&b, "c");
	assert_null(b.call->caller_leg.invite); /* the edge keeps it by itself from now on */
	in_ended(&b, "c", "unknown-leg", 0);
	assert_string_equal(b.call->cause, "lost");
	bench_end(&b);
}

static void an_edge_that_cannot_take_a_caller_back_ends_the_call(void **state)
{
	struct bench b;

	(void)state;
	to_ringing(&b);
	assert_int_equal(call_leg_set_invite(&b.call->caller_leg, "INVITE", 6), ERR_OK);
	for (int i = 0; i < REVIVALS_MAX; i++) {
		in_ended(&b, "c", "unknown-leg", 0);
		assert_non_null(command_to(&b, COMMAND_ATTACH, "c"));
		in_ended(&b, "c", "unknown-leg", 0); /* doubled, or of a command from before */
		assert_null(command_to(&b, COMMAND_ATTACH, "c"));
		assert_int_equal(b.call->phase, CALL_PHASE_DIALLING);
		bench_now += REVIVE_MS;
	}
	in_ended(&b, "c", "unknown-leg", 0);
	assert_string_equal(b.call->cause, "lost");
	bench_end(&b);
}

/* The refusal that the edge has lost with its process reaches the caller after all. */
static void a_caller_who_is_refused_while_the_edge_is_away_hears_it(void **state)
{
	struct bench b;

	(void)state;
	to_ringing(&b);
	assert_int_equal(call_leg_set_invite(&b.call->caller_leg, "INVITE", 6), ERR_OK);
	b.call->caller_leg.state = LEG_OFFERED;
	call_finish(b.call, "queue-timeout", 480, bench_now, &b.todo);
	in_ended(&b, "c", "unknown-leg", 0);
	assert_string_equal(said(&b, COMMAND_ATTACH)->leg->id, "c");
	assert_non_null(command_to(&b, COMMAND_HANG_UP, "c"));
	in_ended(&b, "c", "hung-up", 0);
	assert_int_equal(b.call->caller_leg.state, LEG_ENDED);
	bench_end(&b);
}

/* Found by chaos runs (kill-nats): an agent whose phone rang became busy as one who cannot be reached. */
static void a_phone_of_which_nobody_said_that_it_rings_is_asked_when_the_bus_is_back(void **state)
{
	struct bench b;

	(void)state;
	to_ringing(&b);
	b.call->agent_leg.state = LEG_DIALLING; /* that it rings was lost */
	b.call->rang = false;
	b.call->repeat_ms = bench_now; /* live_say_again() */
	tick(&b, 1);
	assert_non_null(command_to(&b, COMMAND_ATTACH, "a"));
	step(&b, (struct call_input){ .kind = INPUT_LEG_STATE, .leg_id = "a", .ringing = true });
	assert_true(b.call->rang);
	assert_non_null(fact(&b, FACT_AGENT_RINGING));
	bench_end(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_edge_that_is_back_is_asked_for_its_legs_and_its_ringing_phones_are_told_to_stop),
		cmocka_unit_test(a_caller_whose_unanswered_leg_died_with_its_edge_ends_in_the_books_at_once),
		cmocka_unit_test(an_edge_that_lost_a_ringing_caller_gets_it_back),
		cmocka_unit_test(a_phone_of_which_nobody_said_that_it_rings_is_asked_when_the_bus_is_back),
		cmocka_unit_test(an_edge_that_cannot_take_a_caller_back_ends_the_call),
		cmocka_unit_test(a_caller_who_is_refused_while_the_edge_is_away_hears_it),
		cmocka_unit_test(silence_ends_no_call_but_has_the_phone_asked),
		cmocka_unit_test(a_phone_that_is_gone_ends_the_call_as_what_it_was),
		cmocka_unit_test(a_caller_who_is_gone_from_the_queue_has_abandoned),
		cmocka_unit_test(an_edge_that_says_nothing_of_a_silent_phone_is_gone_with_it),
		cmocka_unit_test(an_agent_whose_phone_never_rang_because_of_us_stays_ready),
		cmocka_unit_test(an_edge_that_says_nothing_of_a_dial_does_not_make_the_agent_busy),
		cmocka_unit_test(an_agent_whom_media_or_the_edge_could_not_serve_stays_ready),
		cmocka_unit_test(a_call_adopted_before_it_was_dialled_gives_the_agent_back),
		cmocka_unit_test(the_time_a_phone_rang_is_told),
		cmocka_unit_test(the_longest_wait_and_the_music_survive_an_adoption),
		cmocka_unit_test(an_adopted_call_that_rings_does_not_ring_for_ever),
		cmocka_unit_test(an_adopter_says_again_that_the_agent_has_answered),
		cmocka_unit_test(an_ended_call_that_is_adopted_states_nothing_more),
		cmocka_unit_test(a_caller_put_on_hold_hears_music_again_after_an_adoption),
		cmocka_unit_test(a_second_word_of_an_unanswered_leg_does_not_undo_the_answer_under_way),
		cmocka_unit_test(an_assignment_for_a_queue_that_was_left_or_an_attempt_that_is_over_is_refused),
		cmocka_unit_test(a_queue_that_the_router_does_not_know_is_left_in_the_end),
		cmocka_unit_test(a_prompt_whose_end_is_never_told_does_not_stop_the_call),
		cmocka_unit_test(a_caller_whose_bye_was_lost_is_found_in_the_ivr_too),
		cmocka_unit_test(a_recording_whose_end_is_not_told_is_over_when_media_holds_nothing_more),
		cmocka_unit_test(an_agents_answer_that_is_no_answer_ends_the_call),
		cmocka_unit_test(the_answer_in_the_ack_of_a_reinvite_reaches_media),
		cmocka_unit_test(nobody_rings_longer_than_the_agent_is_reserved),
		cmocka_unit_test(a_call_whose_media_is_dead_does_not_take_one_agent_after_the_other),
		cmocka_unit_test(a_reinvite_that_media_never_answered_does_not_spoil_the_next),
		cmocka_unit_test(a_caller_whom_the_edge_had_to_drop_has_not_hung_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
