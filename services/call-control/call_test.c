/* The call core, driven step by step: what it tells the peers and what it records. No environment. */
#include "call_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "base/str.h"
#include "call_fixture.h"

static int64_t now = 1700000000000;

struct bench {
	struct call *call;
	struct call_todo todo;
};

/* ---- helpers: one line per thing that happens, one per thing expected ---------------------------------------------- */

static void begin(struct bench *b, const char *called)
{
	static int n;

	memset(b, 0, sizeof(*b));
	assert_int_equal(call_new(&b->call), ERR_OK);
	str_copy(b->call->tenant, sizeof(b->call->tenant), "acme");
	snprintf(b->call->id, sizeof(b->call->id), "%032x", ++n);
	str_copy(b->call->caller, sizeof(b->call->caller), "+4930123");
	str_copy(b->call->called, sizeof(b->call->called), called);
	str_copy(b->call->media, sizeof(b->call->media), "media-1");
	str_copy(b->call->caller_leg.id, sizeof(b->call->caller_leg.id), "c");
	b->call->conf = fixture_tenant();
	call_offered(b->call, now, &b->todo);
	call_todo_reset(&b->todo);
}

static void end(struct bench *b)
{
	call_todo_reset(&b->todo);
	call_free(&b->call);
}

static void step(struct bench *b, struct call_input in)
{
	call_todo_reset(&b->todo);
	call_step(b->call, &in, now, &b->todo);
	assert_false(b->todo.overflow);
}

static const struct call_command *command(const struct bench *b, enum call_command_kind kind)
{
	for (int i = 0; i < b->todo.n_commands; i++)
		if (b->todo.commands[i].kind == kind)
			return &b->todo.commands[i];
	return NULL;
}

static const struct call_fact *fact(const struct bench *b, enum fact_kind kind)
{
	for (int i = 0; i < b->todo.n_facts; i++)
		if (b->todo.facts[i].kind == kind)
			return &b->todo.facts[i];
	return NULL;
}

static void in_start(struct bench *b)
{
	step(b, (struct call_input){ .kind = INPUT_START });
}

static void in_ready(struct bench *b, const char *leg, uint32_t request)
{
	step(b, (struct call_input){
		    .kind = INPUT_MEDIA_READY, .leg_id = leg, .request = request, .sdp = "v=0", .sdp_size = 3 });
}

static void in_answered(struct bench *b, const char *leg)
{
	step(b, (struct call_input){ .kind = INPUT_LEG_ANSWERED, .leg_id = leg, .sdp = "v=0", .sdp_size = 3 });
}

static void in_ended(struct bench *b, const char *leg, const char *cause, uint32_t status)
{
	step(b, (struct call_input){ .kind = INPUT_LEG_ENDED, .leg_id = leg, .cause = cause, .status = status });
}

static void in_play_done(struct bench *b)
{
	step(b, (struct call_input){
		    .kind = INPUT_PLAY_DONE, .leg_id = b->call->caller_leg.id, .play_id = b->call->play_id });
}

static void in_digit(struct bench *b, char d)
{
	step(b, (struct call_input){ .kind = INPUT_DIGIT, .leg_id = "c", .digit = d });
}

static void in_assigned(struct bench *b, const char *agent, const char *leg)
{
	step(b, (struct call_input){
		    .kind = INPUT_ASSIGNED, .agent_id = agent, .leg_id = leg, .router_epoch = 7, .queue_id = "sales" });
}

static void tick(struct bench *b, int64_t ms)
{
	now += ms;
	step(b, (struct call_input){ .kind = INPUT_TICK });
}

/* Caller answered and waiting in queue `sales` after pressing 1. */
static void to_queue(struct bench *b)
{
	begin(b, "100");
	in_start(b);
	in_ready(b, "c", REQUEST_CALLER);
	in_answered(b, "c");
	in_play_done(b);
	in_digit(b, '1');
	assert_int_equal(b->call->phase, CALL_PHASE_QUEUED);
}

static void to_talking(struct bench *b)
{
	to_queue(b);
	in_assigned(b, "1001", "a");
	in_ready(b, "a", REQUEST_AGENT);
	step(b, (struct call_input){ .kind = INPUT_LEG_RINGING, .leg_id = "a", .status = 180 });
	in_answered(b, "a");
	if (b->call->phase == CALL_PHASE_WELCOME)
		in_play_done(b);
	assert_int_equal(b->call->phase, CALL_PHASE_TALKING);
}

static void hung_up(struct bench *b)
{
	struct call_input freed = { .kind = INPUT_MEDIA_FREED };

	if (call_leg_alive(&b->call->agent_leg))
		in_ended(b, b->call->agent_leg.id, "hung-up", 0);
	if (call_leg_alive(&b->call->caller_leg))
		in_ended(b, "c", "hung-up", 0);
	if (b->call->recording)
		step(b, (struct call_input){
			    .kind = INPUT_RECORD_DONE, .leg_id = "c", .path = "acme/x.seg", .duration_ms = 5000 });
	assert_false(call_ended(b->call));
	step(b, freed);
	assert_true(call_ended(b->call));
	assert_non_null(fact(b, FACT_ENDED));
}

/* ---- tests ----------------------------------------------------------------------------------------------------------- */

static void a_call_is_greeted_asked_for_a_key_and_queued(void **state)
{
	struct bench b;

	(void)state;
	begin(&b, "100");
	in_start(&b);
	assert_non_null(command(&b, COMMAND_ENDPOINT));
	assert_null(command(&b, COMMAND_ANSWER));
	in_ready(&b, "c", REQUEST_CALLER);
	assert_int_equal(command(&b, COMMAND_ANSWER)->sdp_size, 3);
	in_answered(&b, "c");
	assert_non_null(fact(&b, FACT_ANSWERED));
	assert_int_equal(command(&b, COMMAND_PLAY)->n_prompts, 1);
	assert_int_equal(b.call->phase, CALL_PHASE_COLLECTING);
	in_play_done(&b);
	in_digit(&b, '1');
	assert_string_equal(fact(&b, FACT_DIGITS)->text, "1");
	assert_non_null(fact(&b, FACT_ENQUEUED));
	assert_non_null(command(&b, COMMAND_ENQUEUE));
	assert_null(command(&b, COMMAND_PLAY));
	assert_string_equal(b.call->queue_id, "sales");
	assert_int_equal(b.call->priority, 5);
	tick(&b, MUSIC_DELAY_MS); /* nobody has taken the call */
	assert_true(command(&b, COMMAND_PLAY)->loop);
	end(&b);
}

static void star_resets_hash_ends_and_too_few_digits_are_asked_again(void **state)
{
	struct bench b;

	(void)state;
	begin(&b, "200"); /* flow account: 2…6 digits, 2 tries, then on_failure */
	in_start(&b);
	in_ready(&b, "c", REQUEST_CALLER);
	in_answered(&b, "c");
	in_digit(&b, '9');
	in_digit(&b, '*');
	in_digit(&b, '4');
	in_digit(&b, '2');
	in_digit(&b, '#');
	assert_string_equal(call_var(b.call, "account"), "42");
	end(&b);

	begin(&b, "200");
	in_start(&b);
	in_ready(&b, "c", REQUEST_CALLER);
	in_answered(&b, "c");
	in_digit(&b, '4');
	in_digit(&b, '#');
	assert_int_equal(b.call->phase, CALL_PHASE_COLLECTING); /* second try */
	tick(&b, 5000);
	assert_string_equal(fact(&b, FACT_DIGITS)->kind_text, "failed");
	assert_null(call_var(b.call, "account"));
	end(&b);
}

static void digits_end_by_their_number_and_by_the_pause_between_them(void **state)
{
	struct bench b;

	(void)state;
	begin(&b, "200");
	in_start(&b);
	in_ready(&b, "c", REQUEST_CALLER);
	in_answered(&b, "c");
	for (const char *d = "123456"; *d; d++)
		in_digit(&b, *d);
	assert_string_equal(call_var(b.call, "account"), "123456");
	assert_string_equal(fact(&b, FACT_DIGITS)->kind_text, "max-digits");
	end(&b);

	begin(&b, "200");
	in_start(&b);
	in_ready(&b, "c", REQUEST_CALLER);
	in_answered(&b, "c");
	in_digit(&b, '1');
	in_digit(&b, '2');
	tick(&b, 3000);
	assert_string_equal(fact(&b, FACT_DIGITS)->kind_text, "timeout");
	assert_string_equal(call_var(b.call, "account"), "12");
	end(&b);
}

static void the_agent_rings_answers_and_both_are_bridged_and_recorded(void **state)
{
	struct bench b;

	(void)state;
	to_queue(&b);
	now += 4000;
	in_assigned(&b, "1001", "a");
	assert_true(command(&b, COMMAND_RESULT)->accepted);
	assert_non_null(command(&b, COMMAND_ENDPOINT));
	in_ready(&b, "a", REQUEST_AGENT);
	assert_string_equal(command(&b, COMMAND_DIAL)->agent_id, "1001");
	assert_int_equal(command(&b, COMMAND_DIAL)->timeout_ms, 15000);
	step(&b, (struct call_input){ .kind = INPUT_LEG_RINGING, .leg_id = "a", .status = 180 });
	assert_non_null(fact(&b, FACT_AGENT_RINGING));
	now += 1000;
	in_answered(&b, "a");
	assert_int_equal(fact(&b, FACT_AGENT_ANSWERED)->ms, 5000);
	assert_non_null(command(&b, COMMAND_AGENT_ON_CALL));
	assert_non_null(command(&b, COMMAND_REMOTE));
	assert_int_equal(b.call->phase, CALL_PHASE_WELCOME);
	in_play_done(&b);
	assert_non_null(command(&b, COMMAND_BRIDGE));
	assert_true(command(&b, COMMAND_RECORD)->on);
	assert_non_null(fact(&b, FACT_BRIDGED));
	assert_non_null(fact(&b, FACT_RECORDING_STARTED));
	now += 10000;
	in_ended(&b, "c", "bye", 0);
	assert_non_null(command(&b, COMMAND_HANG_UP));
	assert_int_equal(command(&b, COMMAND_AGENT_CALL_ENDED)->timeout_ms, 3000);
	assert_non_null(command(&b, COMMAND_FREE_CALL));
	hung_up(&b);
	assert_string_equal(b.call->cause, "caller-hung-up");
	assert_string_equal(b.call->disposition, "answered");
	end(&b);
}

static void facts_are_numbered_without_gaps_and_the_last_is_call_ended(void **state)
{
	struct bench b;
	uint64_t seq = 0;

	(void)state;
	begin(&b, "100");
	seq = b.call->event_seq;
	assert_int_equal(seq, 1);
	end(&b);
	to_talking(&b);
	seq = b.call->event_seq;
	in_ended(&b, "a", "bye", 0);
	for (int i = 0; i < b.todo.n_facts; i++)
		if (b.todo.facts[i].kind != FACT_RECORDING_STOPPED)
			assert_int_equal(b.todo.facts[i].seq, ++seq);
	hung_up(&b);
	assert_int_equal(fact(&b, FACT_ENDED)->seq, b.call->event_seq);
	end(&b);
}

static void a_caller_who_hangs_up_while_waiting_is_abandoned(void **state)
{
	struct bench b;

	(void)state;
	to_queue(&b);
	now += 7000;
	in_ended(&b, "c", "bye", 0);
	assert_string_equal(fact(&b, FACT_DEQUEUED)->text, "abandoned");
	assert_int_equal(fact(&b, FACT_DEQUEUED)->ms, 7000);
	assert_non_null(command(&b, COMMAND_DEQUEUE));
	hung_up(&b);
	assert_string_equal(b.call->disposition, "abandoned");
	end(&b);
}

static void a_caller_who_hangs_up_while_it_rings_frees_the_agent(void **state)
{
	struct bench b;

	(void)state;
	to_queue(&b);
	in_assigned(&b, "1001", "a");
	in_ready(&b, "a", REQUEST_AGENT);
	in_ended(&b, "c", "bye", 0);
	assert_non_null(command(&b, COMMAND_AGENT_GIVE_BACK));
	assert_non_null(command(&b, COMMAND_HANG_UP));
	assert_string_equal(fact(&b, FACT_DEQUEUED)->text, "abandoned");
	assert_false(call_ended(b.call));
	hung_up(&b);
	end(&b);
}

static void an_agent_who_does_not_answer_goes_busy_and_the_call_keeps_its_place(void **state)
{
	struct bench b;
	int64_t arrival;

	(void)state;
	to_queue(&b);
	arrival = b.call->arrival_ms;
	in_assigned(&b, "1001", "a");
	in_ready(&b, "a", REQUEST_AGENT);
	now += 15000;
	in_ended(&b, "a", "no-answer", 408);
	assert_string_equal(command(&b, COMMAND_AGENT_NO_ANSWER)->text, "no-answer");
	assert_non_null(command(&b, COMMAND_ENQUEUE));
	assert_null(fact(&b, FACT_ENQUEUED));
	assert_int_equal(b.call->arrival_ms, arrival);
	assert_int_equal(b.call->n_tried, 1);
	assert_string_equal(fact(&b, FACT_AGENT_NO_ANSWER)->text, "timeout");
	in_assigned(&b, "1002", "b");
	assert_int_equal(b.call->attempt, 2);
	end(&b);
}

static void an_edge_that_says_nothing_after_the_phone_rang_counts_as_no_answer(void **state)
{
	struct bench b;

	(void)state;
	to_queue(&b);
	in_assigned(&b, "1001", "a");
	in_ready(&b, "a", REQUEST_AGENT);
	step(&b, (struct call_input){ .kind = INPUT_LEG_RINGING, .leg_id = "a", .status = 180 });
	tick(&b, 15000 + DIAL_GRACE_MS);
	assert_non_null(command(&b, COMMAND_HANG_UP));
	in_answered(&b, "a"); /* too late */
	assert_null(command(&b, COMMAND_AGENT_ON_CALL));
	tick(&b, ENDING_REPEAT_MS);
	assert_non_null(command(&b, COMMAND_HANG_UP));
	tick(&b, DIAL_GRACE_MS);
	assert_non_null(command(&b, COMMAND_AGENT_NO_ANSWER));
	assert_int_equal(b.call->phase, CALL_PHASE_QUEUED);
	end(&b);
}

static void the_longest_wait_leads_to_the_step_for_it(void **state)
{
	struct bench b;

	(void)state;
	to_queue(&b);
	tick(&b, 60000);
	assert_string_equal(fact(&b, FACT_DEQUEUED)->text, "timeout");
	assert_int_equal(b.call->phase, CALL_PHASE_PLAYING); /* step sorry */
	in_play_done(&b);
	assert_int_equal(b.call->phase, CALL_PHASE_ENDING);
	hung_up(&b);
	assert_string_equal(b.call->disposition, "refused");
	end(&b);
}

static void an_unacknowledged_place_is_asserted_again_and_after_a_new_epoch(void **state)
{
	struct bench b;

	(void)state;
	to_queue(&b);
	tick(&b, REPEAT_MS);
	assert_non_null(command(&b, COMMAND_ENQUEUE));
	step(&b, (struct call_input){ .kind = INPUT_QUEUED, .agents_signed_in = 1 });
	tick(&b, REPEAT_MS);
	assert_null(command(&b, COMMAND_ENQUEUE));
	step(&b, (struct call_input){ .kind = INPUT_ROUTER_EPOCH, .router_epoch = 9 });
	assert_non_null(command(&b, COMMAND_ENQUEUE));
	end(&b);
}

static void an_assignment_of_a_call_that_has_one_is_given_back(void **state)
{
	struct bench b;

	(void)state;
	to_queue(&b);
	in_assigned(&b, "1001", "a");
	in_assigned(&b, "1001", "a"); /* repeated */
	assert_true(command(&b, COMMAND_RESULT)->accepted);
	assert_null(fact(&b, FACT_RESERVED));
	in_assigned(&b, "1002", "b");
	assert_false(command(&b, COMMAND_RESULT)->accepted);
	end(&b);
}

static void hold_and_retrieve_are_answered_and_measured(void **state)
{
	struct bench b;

	(void)state;
	to_talking(&b);
	step(&b, (struct call_input){ .kind = INPUT_LEG_REOFFER,
				      .leg_id = "a",
				      .request = 3,
				      .sdp = "v=0",
				      .sdp_size = 3,
				      .sdp_holds = true });
	assert_true(command(&b, COMMAND_REMOTE)->offer);
	assert_non_null(fact(&b, FACT_HELD));
	assert_true(command(&b, COMMAND_PLAY)->loop);
	in_ready(&b, "a", call_reoffer_request(&b.call->agent_leg));
	assert_int_equal(command(&b, COMMAND_REANSWER)->request, 3);
	now += 9000;
	step(&b, (struct call_input){
		     .kind = INPUT_LEG_REOFFER, .leg_id = "a", .request = 4, .sdp = "v=0", .sdp_size = 3 });
	assert_int_equal(fact(&b, FACT_RETRIEVED)->ms, 9000);
	assert_non_null(command(&b, COMMAND_STOP_PLAY));
	assert_int_equal(b.call->hold_ms, 9000);
	in_ended(&b, "c", "bye", 0);
	hung_up(&b);
	end(&b);
}

static void a_lost_bye_is_found_by_asking(void **state)
{
	struct bench b;

	(void)state;
	to_talking(&b);
	tick(&b, CHECK_LEGS_MS);
	assert_non_null(command(&b, COMMAND_ATTACH));
	in_ended(&b, "a", "unknown-leg", 0);
	assert_string_equal(b.call->cause, "agent-hung-up");
	hung_up(&b);
	end(&b);
}

static void peers_that_never_confirm_do_not_keep_a_call(void **state)
{
	struct bench b;

	(void)state;
	to_talking(&b);
	in_ended(&b, "c", "bye", 0);
	assert_false(call_ended(b.call));
	tick(&b, ENDING_TIMEOUT_MS);
	assert_true(call_ended(b.call));
	assert_non_null(fact(&b, FACT_RECORDING_STOPPED));
	end(&b);
}

static void a_number_outside_working_hours_takes_the_other_rule(void **state)
{
	struct bench b;

	(void)state;
	begin(&b, "300"); /* forced: reject 486 */
	in_start(&b);
	assert_int_equal(command(&b, COMMAND_HANG_UP)->status, 486);
	assert_string_equal(b.call->cause, "rejected");
	end(&b);
	begin(&b, "999");
	in_start(&b);
	assert_int_equal(command(&b, COMMAND_HANG_UP)->status, 404);
	end(&b);
}

static void media_that_does_not_answer_refuses_the_call(void **state)
{
	struct bench b;

	(void)state;
	begin(&b, "100");
	in_start(&b);
	tick(&b, MEDIA_TIMEOUT_MS);
	assert_int_equal(command(&b, COMMAND_HANG_UP)->status, 503);
	end(&b);
	begin(&b, "100");
	in_start(&b);
	step(&b, (struct call_input){
		     .kind = INPUT_MEDIA_FAILED, .leg_id = "c", .request = REQUEST_CALLER, .error = ERR_INVALID });
	assert_int_equal(command(&b, COMMAND_HANG_UP)->status, 488);
	end(&b);
}

/* RELIABILITY: kill -9 of call-control in each phase; the adopter asserts what the call needs. */
static void an_adopted_call_goes_on_where_it_was(void **state)
{
	struct bench b;

	(void)state;
	to_queue(&b);
	step(&b, (struct call_input){ .kind = INPUT_ADOPTED, .cause = "cc-2" });
	assert_non_null(fact(&b, FACT_ADOPTED));
	assert_non_null(command(&b, COMMAND_ATTACH));
	assert_non_null(command(&b, COMMAND_ENQUEUE));
	end(&b);

	to_talking(&b);
	step(&b, (struct call_input){ .kind = INPUT_ADOPTED, .cause = "cc-2" });
	assert_non_null(command(&b, COMMAND_ATTACH));
	step(&b, (struct call_input){ .kind = INPUT_LEG_STATE, .leg_id = "c", .answered = true });
	assert_non_null(command(&b, COMMAND_BRIDGE));
	assert_non_null(command(&b, COMMAND_RECORD));
	assert_null(fact(&b, FACT_BRIDGED));
	assert_null(fact(&b, FACT_RECORDING_STARTED));
	end(&b);

	to_talking(&b); /* the caller hung up while nobody owned the call */
	step(&b, (struct call_input){ .kind = INPUT_ADOPTED, .cause = "cc-2" });
	in_ended(&b, "c", "unknown-leg", 0);
	assert_string_equal(b.call->cause, "lost");
	assert_non_null(command(&b, COMMAND_AGENT_CALL_ENDED));
	end(&b);
}

static void an_adopted_call_whose_agent_answered_meanwhile_is_connected(void **state)
{
	struct bench b;

	(void)state;
	to_queue(&b);
	in_assigned(&b, "1001", "a");
	in_ready(&b, "a", REQUEST_AGENT);
	step(&b, (struct call_input){ .kind = INPUT_ADOPTED, .cause = "cc-2" });
	step(&b, (struct call_input){ .kind = INPUT_LEG_STATE, .leg_id = "c", .answered = true });
	step(&b, (struct call_input){
		     .kind = INPUT_LEG_STATE, .leg_id = "a", .answered = true, .sdp = "v=0", .sdp_size = 3 });
	assert_non_null(command(&b, COMMAND_AGENT_ON_CALL));
	end(&b);
}

static void an_adopted_call_whose_edge_stays_silent_is_closed_as_lost(void **state)
{
	struct bench b;

	(void)state;
	to_talking(&b);
	step(&b, (struct call_input){ .kind = INPUT_ADOPTED, .cause = "cc-2" });
	for (int i = 0; i < 20 && b.call->phase == CALL_PHASE_TALKING; i++)
		tick(&b, REPEAT_MS);
	assert_string_equal(b.call->cause, "lost");
	end(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_is_greeted_asked_for_a_key_and_queued),
		cmocka_unit_test(star_resets_hash_ends_and_too_few_digits_are_asked_again),
		cmocka_unit_test(digits_end_by_their_number_and_by_the_pause_between_them),
		cmocka_unit_test(the_agent_rings_answers_and_both_are_bridged_and_recorded),
		cmocka_unit_test(facts_are_numbered_without_gaps_and_the_last_is_call_ended),
		cmocka_unit_test(a_caller_who_hangs_up_while_waiting_is_abandoned),
		cmocka_unit_test(a_caller_who_hangs_up_while_it_rings_frees_the_agent),
		cmocka_unit_test(an_agent_who_does_not_answer_goes_busy_and_the_call_keeps_its_place),
		cmocka_unit_test(an_edge_that_says_nothing_after_the_phone_rang_counts_as_no_answer),
		cmocka_unit_test(the_longest_wait_leads_to_the_step_for_it),
		cmocka_unit_test(an_unacknowledged_place_is_asserted_again_and_after_a_new_epoch),
		cmocka_unit_test(an_assignment_of_a_call_that_has_one_is_given_back),
		cmocka_unit_test(hold_and_retrieve_are_answered_and_measured),
		cmocka_unit_test(a_lost_bye_is_found_by_asking),
		cmocka_unit_test(peers_that_never_confirm_do_not_keep_a_call),
		cmocka_unit_test(a_number_outside_working_hours_takes_the_other_rule),
		cmocka_unit_test(media_that_does_not_answer_refuses_the_call),
		cmocka_unit_test(an_adopted_call_goes_on_where_it_was),
		cmocka_unit_test(an_adopted_call_whose_agent_answered_meanwhile_is_connected),
		cmocka_unit_test(an_adopted_call_whose_edge_stays_silent_is_closed_as_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
