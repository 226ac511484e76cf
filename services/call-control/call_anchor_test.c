/* The call core when its media engine is gone (GT-15; RELIABILITY, kill -9 of media): one story per phase and fault. No environment. */
#include "call_bench_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>
#include "base/str.h"

/* To our re-INVITE; sdp NULL: refused. */
static void in_reinvited(struct bench *b, const char *leg, const char *sdp)
{
	step(b, (struct call_input){ .kind = INPUT_LEG_ANSWERED,
				     .leg_id = leg,
				     .reinvite = true,
				     .sdp = sdp,
				     .sdp_size = sdp ? strlen(sdp) : 0 });
}

static void in_failed(struct bench *b, const char *leg, const char *what, uint32_t request, err_t error)
{
	step(b, (struct call_input){
		    .kind = INPUT_MEDIA_FAILED, .leg_id = leg, .what = what, .request = request, .error = error });
}

static void lost(struct bench *b, const char *engine)
{
	step(b, (struct call_input){ .kind = INPUT_MEDIA_LOST, .media = engine, .incarnation = 2 });
}

/* ---- how far the call is when it happens -------------------------------------------------------------------------------- */

static void begin(struct bench *b, const char *called, const char *sdp)
{
	bench_offered(b, called);
	b->call->media_incarnation = 1;
	assert_int_equal(call_leg_set_sdp(&b->call->caller_leg, sdp, strlen(sdp)), ERR_OK);
	in_start(b);
}

static void to_menu(struct bench *b)
{
	begin(b, "100", "v=0");
	in_ready(b, "c", REQUEST_CALLER);
	in_answered(b, "c");
	assert_int_equal(b->call->phase, CALL_PHASE_COLLECTING);
}

static void to_queue(struct bench *b)
{
	to_menu(b);
	in_play_done(b);
	in_digit(b, '1');
	assert_int_equal(b->call->phase, CALL_PHASE_QUEUED);
}

static void to_assigned(struct bench *b)
{
	to_queue(b);
	step(b, (struct call_input){ .kind = INPUT_ASSIGNED, .agent_id = "1001", .leg_id = "a", .queue_id = "sales" });
}

static void to_ringing(struct bench *b)
{
	to_assigned(b);
	in_ready(b, "a", REQUEST_AGENT);
	in_ringing(b, "a");
}

static void to_welcome(struct bench *b)
{
	to_ringing(b);
	in_answered(b, "a");
	assert_int_equal(b->call->phase, CALL_PHASE_WELCOME);
}

static void to_talking(struct bench *b)
{
	to_welcome(b);
	in_play_done(b);
	assert_int_equal(b->call->phase, CALL_PHASE_TALKING);
	assert_true(b->call->recording);
}

static void moved(const struct bench *b, const char *leg)
{
	const struct call_command *c = said_to(b, COMMAND_ENDPOINT, leg);

	assert_non_null(c);
	assert_true(c->offer);
	assert_int_equal(c->request, REQUEST_REANCHOR);
	assert_true(b->call->checkpoint);
}

static void settles(struct bench *b, const char *leg)
{
	in_ready(b, leg, REQUEST_REANCHOR);
	assert_int_equal(said_to(b, COMMAND_REINVITE, leg)->sdp_size, 3);
	in_reinvited(b, leg, "v=2");
	assert_string_equal(said_to(b, COMMAND_REMOTE, leg)->sdp ? "answer" : "", "answer");
	assert_false(said_to(b, COMMAND_REMOTE, leg)->offer);
}

static void settled(const struct bench *b)
{
	assert_int_equal(b->call->caller_leg.anchor, ANCHOR_NONE);
	assert_int_equal(b->call->agent_leg.anchor, ANCHOR_NONE);
	assert_int_equal(b->call->anchor_at_ms, 0);
}

/* ---- each phase ----------------------------------------------------------------------------------------------------------- */

static void two_who_talk_are_bridged_again_and_the_recording_goes_on(void **state)
{
	struct bench b;
	const struct call_command *c;

	(void)state;
	to_talking(&b);
	lost(&b, "media-2");
	assert_string_equal(b.call->media, "media-2");
	assert_int_equal(b.call->media_incarnation, 2);
	assert_string_equal(told(&b, FACT_REANCHORED)->text, "media-1");
	moved(&b, "c");
	moved(&b, "a");
	assert_sdp(said_to(&b, COMMAND_ENDPOINT, "a"), "v=1"); /* what the phone said last */
	assert_non_null(command(&b, COMMAND_BRIDGE));
	c = said_to(&b, COMMAND_RECORD, "c");
	assert_true(c->on);
	assert_int_equal(b.call->n_recordings, 1);
	assert_null(fact(&b, FACT_RECORDING_STARTED)); /* the same one */
	settles(&b, "c");
	settles(&b, "a");
	settled(&b);
	assert_int_equal(b.call->phase, CALL_PHASE_TALKING);
	bench_end(&b);
}

static void the_first_command_to_the_new_engine_is_the_endpoint(void **state)
{
	struct bench b;

	(void)state;
	to_talking(&b);
	lost(&b, "media-2");
	for (int i = 0; i < b.todo.n_commands; i++)
		if (call_command_is_media(b.todo.commands[i].kind)) {
			assert_int_equal(b.todo.commands[i].kind, COMMAND_ENDPOINT);
			break;
		}
	bench_end(&b);
}

static void a_call_that_is_not_answered_yet_gets_its_answer_from_the_new_engine(void **state)
{
	struct bench b;

	(void)state;
	begin(&b, "100", "v=0");
	assert_int_equal(b.call->phase, CALL_PHASE_ANSWERING);
	lost(&b, "media-2");
	assert_int_equal(said_to(&b, COMMAND_ENDPOINT, "c")->request, REQUEST_CALLER);
	assert_false(said_to(&b, COMMAND_ENDPOINT, "c")->offer);
	in_ready(&b, "c", REQUEST_CALLER);
	assert_non_null(command_to(&b, COMMAND_ANSWER, "c"));
	assert_null(command(&b, COMMAND_REINVITE));
	settled(&b);
	bench_end(&b);
}

/* RFC 3264: the 200 OK had the offer of the engine that is gone; the answer comes in the ACK. */
static void a_late_offer_of_the_lost_engine_is_followed_by_another(void **state)
{
	struct bench b;

	(void)state;
	begin(&b, "100", "");
	in_ready(&b, "c", REQUEST_CALLER);
	assert_int_equal(b.call->caller_leg.state, LEG_ANSWERING);
	lost(&b, "media-2");
	moved(&b, "c");
	in_ready(&b, "c", REQUEST_REANCHOR);
	assert_null(command(&b, COMMAND_REINVITE)); /* not before the ACK */
	in_answered(&b, "c");
	assert_int_equal(said_to(&b, COMMAND_ATTACH_ENDPOINT, "c")->request, REQUEST_REANCHOR);
	assert_int_equal(b.call->phase, CALL_PHASE_COLLECTING);
	settles(&b, "c");
	settled(&b);
	bench_end(&b);
}

static void a_menu_begins_again(void **state)
{
	struct bench b;

	(void)state;
	to_menu(&b);
	lost(&b, "media-1"); /* restarted */
	moved(&b, "c");
	assert_int_equal(said_to(&b, COMMAND_PLAY, "c")->n_prompts, 1);
	assert_int_equal(said_to(&b, COMMAND_PLAY, "c")->play_id, b.call->play_id);
	assert_null(fact(&b, FACT_STEP));
	settles(&b, "c");
	in_play_done(&b);
	in_digit(&b, '1');
	assert_int_equal(b.call->phase, CALL_PHASE_QUEUED);
	bench_end(&b);
}

static void what_was_keyed_before_counts(void **state)
{
	struct bench b;

	(void)state;
	begin(&b, "200", "v=0");
	in_ready(&b, "c", REQUEST_CALLER);
	in_digit(&b, '4');
	in_digit(&b, '2');
	lost(&b, "media-2");
	moved(&b, "c");
	assert_null(command(&b, COMMAND_PLAY));
	assert_string_equal(b.call->digits, "42");
	in_digit(&b, '7');
	tick(&b, COLLECT_FIRST_MS);
	assert_string_equal(told(&b, FACT_DIGITS)->text, "427");
	bench_end(&b);
}

static void a_prompt_begins_again(void **state)
{
	struct bench b;

	(void)state;
	begin(&b, "200", "v=0");
	in_ready(&b, "c", REQUEST_CALLER);
	in_digit(&b, '4');
	in_digit(&b, '2');
	tick(&b, COLLECT_FIRST_MS);
	assert_int_equal(b.call->phase, CALL_PHASE_PLAYING);
	lost(&b, "media-2");
	moved(&b, "c");
	assert_int_equal(said_to(&b, COMMAND_PLAY, "c")->n_prompts, 1);
	assert_int_equal(b.call->phase, CALL_PHASE_PLAYING);
	bench_end(&b);
}

static void who_waits_keeps_the_place_and_hears_music_again(void **state)
{
	struct bench b;
	int64_t arrival;

	(void)state;
	to_queue(&b);
	arrival = b.call->arrival_ms;
	tick(&b, MUSIC_DELAY_MS);
	lost(&b, "media-2");
	moved(&b, "c");
	assert_true(said_to(&b, COMMAND_PLAY, "c")->loop);
	assert_null(command(&b, COMMAND_ENQUEUE));
	assert_null(command(&b, COMMAND_DEQUEUE));
	settles(&b, "c");
	assert_int_equal(b.call->arrival_ms, arrival);
	assert_int_equal(b.call->phase, CALL_PHASE_QUEUED);
	bench_end(&b);
}

static void who_waits_unanswered_has_nothing_to_move(void **state)
{
	struct bench b;

	(void)state;
	to_queue(&b);
	call_leg_set(&b.call->caller_leg, LEG_OFFERED, bench_now);
	b.call->caller_leg.endpoint = false;
	lost(&b, "media-2");
	assert_string_equal(b.call->media, "media-2");
	assert_int_equal(b.todo.n_commands, 0);
	assert_null(fact(&b, FACT_REANCHORED));
	bench_end(&b);
}

static void an_agent_not_dialled_yet_is_dialled_with_the_new_engine(void **state)
{
	struct bench b;

	(void)state;
	to_assigned(&b);
	lost(&b, "media-2");
	moved(&b, "c");
	assert_int_equal(said_to(&b, COMMAND_ENDPOINT, "a")->request, REQUEST_AGENT);
	in_ready(&b, "a", REQUEST_AGENT);
	assert_non_null(command_to(&b, COMMAND_DIAL, "a"));
	settles(&b, "c");
	settled(&b);
	bench_end(&b);
}

static void an_agent_whose_phone_rings_is_told_of_the_new_engine_when_it_answers(void **state)
{
	struct bench b;

	(void)state;
	to_ringing(&b);
	lost(&b, "media-2");
	moved(&b, "c");
	moved(&b, "a");
	assert_int_equal(said_to(&b, COMMAND_ENDPOINT, "a")->sdp_size, 0);
	in_ready(&b, "a", REQUEST_REANCHOR);
	assert_null(command(&b, COMMAND_REINVITE));
	settles(&b, "c");
	tick(&b, 5000); /* it rings on: nothing is asked of media meanwhile */
	assert_null(command(&b, COMMAND_ENDPOINT));
	in_answered(&b, "a");
	assert_non_null(command_to(&b, COMMAND_REMOTE, "a"));
	assert_int_equal(said_to(&b, COMMAND_ATTACH_ENDPOINT, "a")->request, REQUEST_REANCHOR);
	settles(&b, "a");
	in_play_done(&b);
	assert_int_equal(b.call->phase, CALL_PHASE_TALKING);
	settled(&b);
	bench_end(&b);
}

static void the_welcome_begins_again(void **state)
{
	struct bench b;

	(void)state;
	to_welcome(&b);
	lost(&b, "media-2");
	moved(&b, "c");
	moved(&b, "a");
	assert_false(said_to(&b, COMMAND_PLAY, "c")->loop);
	in_play_done(&b);
	assert_non_null(command(&b, COMMAND_BRIDGE));
	bench_end(&b);
}

static void a_call_that_ends_needs_no_engine(void **state)
{
	struct bench b;

	(void)state;
	to_talking(&b);
	step(&b, (struct call_input){ .kind = INPUT_LEG_ENDED, .leg_id = "c", .cause = "bye" });
	step(&b, (struct call_input){ .kind = INPUT_LEG_ENDED, .leg_id = "a", .cause = "hung-up" });
	assert_false(call_ended(b.call));
	lost(&b, NULL);
	assert_non_null(fact(&b, FACT_RECORDING_STOPPED));
	assert_true(call_ended(b.call));
	assert_string_equal(b.call->cause, "caller-hung-up");
	bench_end(&b);
}

/* ---- faults meanwhile ----------------------------------------------------------------------------------------------------- */

static void a_second_death_meanwhile_begins_again(void **state)
{
	struct bench b;

	(void)state;
	to_talking(&b);
	lost(&b, "media-2");
	in_ready(&b, "c", REQUEST_REANCHOR); /* its re-INVITE is out */
	lost(&b, "media-3");
	moved(&b, "c");
	moved(&b, "a");
	in_reinvited(&b, "c", "v=2"); /* answers the one of media-2 */
	assert_int_equal(b.call->caller_leg.anchor, ANCHOR_WANTED);
	settles(&b, "c");
	settles(&b, "a");
	settled(&b);
	assert_string_equal(b.call->media, "media-3");
	bench_end(&b);
}

static void a_phone_that_refuses_again_and_again_ends_the_call(void **state)
{
	struct bench b;

	(void)state;
	to_talking(&b);
	lost(&b, "media-2");
	settles(&b, "c");
	in_ready(&b, "a", REQUEST_REANCHOR);
	for (int i = 1; i < ANCHOR_REFUSALS; i++) {
		in_reinvited(&b, "a", NULL);
		assert_int_equal(b.call->phase, CALL_PHASE_TALKING);
		tick(&b, ANCHOR_AGAIN_MS);
		assert_null(command_to(&b, COMMAND_ATTACH_ENDPOINT, "c"));
		in_ready(&b, "a", said_to(&b, COMMAND_ATTACH_ENDPOINT, "a")->request);
		assert_non_null(command_to(&b, COMMAND_REINVITE, "a"));
	}
	in_reinvited(&b, "a", NULL);
	assert_string_equal(b.call->cause, "media-lost");
	assert_string_equal(b.call->disposition, "answered");
	assert_non_null(command(&b, COMMAND_AGENT_CALL_ENDED));
	assert_non_null(command_to(&b, COMMAND_HANG_UP, "c"));
	bench_end(&b);
}

static void a_phone_that_never_answers_ends_the_call(void **state)
{
	struct bench b;

	(void)state;
	to_queue(&b);
	lost(&b, "media-2");
	in_ready(&b, "c", REQUEST_REANCHOR);
	for (int i = 0; i < 20 && b.call->phase == CALL_PHASE_QUEUED; i++)
		tick(&b, ANCHOR_PHONE_MS);
	assert_string_equal(b.call->cause, "media-lost");
	assert_string_equal(b.call->disposition, "failed");
	bench_end(&b);
}

static void an_acknowledged_answer_is_no_refusal(void **state)
{
	struct bench b;

	(void)state;
	to_menu(&b);
	lost(&b, "media-2");
	in_ready(&b, "c", REQUEST_REANCHOR);
	step(&b, (struct call_input){ .kind = INPUT_LEG_ANSWERED, .leg_id = "c" }); /* the ACK to the 200 OK */
	assert_int_equal(b.call->caller_leg.refusals, 0);
	assert_int_equal(b.call->caller_leg.anchor, ANCHOR_OFFERED);
	bench_end(&b);
}

static void a_new_engine_that_does_not_answer_is_asked_again_and_then_another(void **state)
{
	struct bench b;

	(void)state;
	to_queue(&b);
	lost(&b, "media-2");
	for (int i = 0; i < ANCHOR_MEDIA_MAX; i++) {
		tick(&b, ANCHOR_MEDIA_MS);
		assert_int_equal(said_to(&b, COMMAND_ENDPOINT, "c")->request, REQUEST_REANCHOR);
		assert_false(b.call->stranded);
	}
	tick(&b, ANCHOR_MEDIA_MS);
	assert_true(b.call->stranded);
	lost(&b, "media-3");
	assert_false(b.call->stranded);
	settles(&b, "c");
	bench_end(&b);
}

static void an_engine_that_has_lost_a_leg_has_lost_the_call(void **state)
{
	struct bench b;

	(void)state;
	to_talking(&b);
	in_failed(&b, "c", "play", REQUEST_NONE, ERR_NOT_FOUND);
	assert_true(b.call->stranded);
	lost(&b, "media-1");
	in_failed(&b, "c", "play", REQUEST_NONE, ERR_NOT_FOUND); /* of before */
	assert_false(b.call->stranded);
	bench_end(&b);
}

static void no_engine_at_all_ends_the_call(void **state)
{
	struct bench b;

	(void)state;
	to_talking(&b);
	lost(&b, NULL);
	assert_string_equal(b.call->cause, "media-lost");
	assert_non_null(fact(&b, FACT_RECORDING_STOPPED));
	step(&b, (struct call_input){ .kind = INPUT_LEG_ENDED, .leg_id = "c", .cause = "hung-up" });
	step(&b, (struct call_input){ .kind = INPUT_LEG_ENDED, .leg_id = "a", .cause = "hung-up" });
	assert_true(call_ended(b.call)); /* nobody waits for an engine that is not there */
	bench_end(&b);
}

static void a_phone_on_hold_stays_so_and_the_other_hears_music(void **state)
{
	struct bench b;

	(void)state;
	to_talking(&b);
	step(&b, (struct call_input){ .kind = INPUT_LEG_REOFFER,
				      .leg_id = "a",
				      .request = 1,
				      .sdp = "v=8",
				      .sdp_size = 3,
				      .sdp_holds = true });
	in_ready(&b, "a", call_reoffer_request(&b.call->agent_leg));
	lost(&b, "media-2");
	assert_sdp(said_to(&b, COMMAND_ENDPOINT, "a"), "v=8");
	assert_true(said_to(&b, COMMAND_PLAY, "c")->loop);
	in_ready(&b, "a", REQUEST_REANCHOR);
	step(&b, (struct call_input){ .kind = INPUT_LEG_ANSWERED,
				      .leg_id = "a",
				      .reinvite = true,
				      .sdp = "v=9",
				      .sdp_size = 3,
				      .sdp_holds = true });
	assert_true(b.call->agent_leg.held);
	assert_null(fact(&b, FACT_RETRIEVED));
	bench_end(&b);
}

static void a_reinvite_that_the_lost_engine_did_not_answer_is_answered_by_the_new_one(void **state)
{
	struct bench b;

	(void)state;
	to_talking(&b);
	step(&b, (struct call_input){
		     .kind = INPUT_LEG_REOFFER, .leg_id = "a", .request = 5, .sdp = "v=8", .sdp_size = 3 });
	lost(&b, "media-2");
	assert_true(said_to(&b, COMMAND_REMOTE, "a")->offer);
	in_ready(&b, "a", said_to(&b, COMMAND_REMOTE, "a")->request);
	assert_int_equal(said_to(&b, COMMAND_REANSWER, "a")->request, 5);
	bench_end(&b);
}

static void an_owner_that_dies_meanwhile_leaves_the_rest_to_its_adopter(void **state)
{
	struct bench b;

	(void)state;
	to_talking(&b);
	lost(&b, "media-2");
	settles(&b, "c");
	in_ready(&b, "a", REQUEST_REANCHOR);
	bench_adopt(&b, (struct call_input){ .kind = INPUT_ADOPTED, .cause = "cc-1" });
	assert_string_equal(b.call->media, "media-2");
	assert_int_equal(b.call->media_incarnation, 2);
	assert_int_equal(said_to(&b, COMMAND_ATTACH_ENDPOINT, "c")->request, REQUEST_ATTACH);
	assert_int_equal(said_to(&b, COMMAND_ENDPOINT, "a")->request, REQUEST_REANCHOR);
	step(&b, (struct call_input){ .kind = INPUT_LEG_STATE, .leg_id = "c", .answered = true });
	assert_non_null(command(&b, COMMAND_BRIDGE));
	settles(&b, "a");
	settled(&b);
	bench_end(&b);
}

/* Its owner and its engine died together: the adopter hears of the engine before the edge has told of the legs. */
static void an_adopted_call_whose_engine_is_gone_too_goes_on(void **state)
{
	struct bench b;

	(void)state;
	to_talking(&b);
	bench_adopt(&b, (struct call_input){ .kind = INPUT_ADOPTED, .cause = "cc-1" });
	lost(&b, "media-2");
	moved(&b, "c");
	moved(&b, "a");
	assert_null(command(&b, COMMAND_BRIDGE));
	step(&b, (struct call_input){ .kind = INPUT_LEG_STATE, .leg_id = "c", .answered = true });
	assert_non_null(command(&b, COMMAND_BRIDGE));
	assert_true(said_to(&b, COMMAND_RECORD, "c")->on);
	settles(&b, "c");
	settles(&b, "a");
	bench_end(&b);
}

static void an_adopter_does_not_know_whether_the_agent_was_dialled_with_the_lost_engine(void **state)
{
	struct bench b;

	(void)state;
	to_assigned(&b);
	bench_adopt(&b, (struct call_input){ .kind = INPUT_ADOPTED, .cause = "cc-1" });
	lost(&b, "media-2");
	assert_int_equal(said_to(&b, COMMAND_ENDPOINT, "a")->request, REQUEST_AGENT);
	in_ready(&b, "a", REQUEST_AGENT);
	assert_non_null(command_to(&b, COMMAND_DIAL, "a"));
	in_answered(&b, "a");
	settles(&b, "a");
	bench_end(&b);
}

/* The engine that was thought dead still has the file: what comes is another recording. */
static void a_recording_whose_file_is_held_goes_on_as_another_one(void **state)
{
	struct bench b;
	char first[CALL_LEG_ID];

	(void)state;
	to_talking(&b);
	str_copy(first, sizeof(first), b.call->recording_id);
	lost(&b, "media-2");
	in_failed(&b, "c", "record", REQUEST_NONE, ERR_DENIED); /* a disk, say: nothing helps */
	assert_null(command(&b, COMMAND_RECORD));
	in_failed(&b, "c", "record", REQUEST_NONE, ERR_EXISTS);
	assert_false(said_to(&b, COMMAND_RECORD, "c")->on);
	step(&b, (struct call_input){ .kind = INPUT_RECORD_DONE, .leg_id = "c", .path = "acme/x.seg" });
	assert_non_null(fact(&b, FACT_RECORDING_STOPPED));
	assert_non_null(fact(&b, FACT_RECORDING_STARTED));
	assert_true(said_to(&b, COMMAND_RECORD, "c")->on);
	assert_string_not_equal(b.call->recording_id, first);
	assert_int_equal(b.call->n_recordings, 2);
	bench_end(&b);
}

static void a_phone_that_no_engine_understands_is_refused_with_488(void **state)
{
	static const err_t errors[] = { ERR_INVALID, ERR_PRECONDITION };
	struct bench b;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		begin(&b, "100", "v=0");
		in_failed(&b, "c", "create", REQUEST_CALLER, errors[i]);
		assert_int_equal(said_to(&b, COMMAND_HANG_UP, "c")->status, 488);
		bench_end(&b);
	}
	to_talking(&b);
	lost(&b, "media-2");
	in_failed(&b, "a", "create", REQUEST_REANCHOR, ERR_PRECONDITION);
	assert_string_equal(b.call->cause, "media-lost");
	bench_end(&b);
}

/* Between its first word of that and our hearing it. */
static void an_engine_that_drains_fails_no_call_another_one_is_asked(void **state)
{
	struct bench b;

	(void)state;
	begin(&b, "100", "v=0");
	in_failed(&b, "c", "create", REQUEST_CALLER, ERR_UNAVAILABLE);
	assert_true(b.call->stranded);
	assert_null(command(&b, COMMAND_HANG_UP));
	lost(&b, "media-2");
	assert_false(b.call->stranded);
	assert_int_equal(said_to(&b, COMMAND_ENDPOINT, "c")->request, REQUEST_CALLER);
	in_ready(&b, "c", REQUEST_CALLER);
	assert_non_null(command_to(&b, COMMAND_ANSWER, "c"));
	bench_end(&b);
	to_assigned(&b);
	in_failed(&b, "a", "create", REQUEST_AGENT, ERR_UNAVAILABLE);
	assert_int_equal(b.call->phase, CALL_PHASE_DIALLING);
	assert_true(b.call->stranded);
	lost(&b, "media-2");
	assert_int_equal(said_to(&b, COMMAND_ENDPOINT, "a")->request, REQUEST_AGENT);
	in_ready(&b, "a", REQUEST_AGENT);
	assert_non_null(command(&b, COMMAND_DIAL));
	bench_end(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_who_talk_are_bridged_again_and_the_recording_goes_on),
		cmocka_unit_test(the_first_command_to_the_new_engine_is_the_endpoint),
		cmocka_unit_test(a_call_that_is_not_answered_yet_gets_its_answer_from_the_new_engine),
		cmocka_unit_test(a_late_offer_of_the_lost_engine_is_followed_by_another),
		cmocka_unit_test(an_engine_that_drains_fails_no_call_another_one_is_asked),
		cmocka_unit_test(a_menu_begins_again),
		cmocka_unit_test(what_was_keyed_before_counts),
		cmocka_unit_test(a_prompt_begins_again),
		cmocka_unit_test(who_waits_keeps_the_place_and_hears_music_again),
		cmocka_unit_test(who_waits_unanswered_has_nothing_to_move),
		cmocka_unit_test(an_agent_not_dialled_yet_is_dialled_with_the_new_engine),
		cmocka_unit_test(an_agent_whose_phone_rings_is_told_of_the_new_engine_when_it_answers),
		cmocka_unit_test(the_welcome_begins_again),
		cmocka_unit_test(a_call_that_ends_needs_no_engine),
		cmocka_unit_test(a_second_death_meanwhile_begins_again),
		cmocka_unit_test(a_phone_that_refuses_again_and_again_ends_the_call),
		cmocka_unit_test(a_phone_that_never_answers_ends_the_call),
		cmocka_unit_test(an_acknowledged_answer_is_no_refusal),
		cmocka_unit_test(a_new_engine_that_does_not_answer_is_asked_again_and_then_another),
		cmocka_unit_test(an_engine_that_has_lost_a_leg_has_lost_the_call),
		cmocka_unit_test(no_engine_at_all_ends_the_call),
		cmocka_unit_test(a_phone_on_hold_stays_so_and_the_other_hears_music),
		cmocka_unit_test(a_reinvite_that_the_lost_engine_did_not_answer_is_answered_by_the_new_one),
		cmocka_unit_test(an_owner_that_dies_meanwhile_leaves_the_rest_to_its_adopter),
		cmocka_unit_test(an_adopted_call_whose_engine_is_gone_too_goes_on),
		cmocka_unit_test(an_adopter_does_not_know_whether_the_agent_was_dialled_with_the_lost_engine),
		cmocka_unit_test(a_recording_whose_file_is_held_goes_on_as_another_one),
		cmocka_unit_test(a_phone_that_no_engine_understands_is_refused_with_488),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
