/* The call core, driven step by step: what it tells the peers and what it records. No environment. */
#include "call_bench_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>
#include "call_fixture.h"

/* ---- helpers: one line per thing that happens, one per thing expected ---------------------------------------------- */

/* Caller answered and waiting in queue `sales` after pressing 1. */
static void to_queue(struct bench *b)
{
	bench_offered(b, "100");
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
	in_assigned(b, "1001", "a", "sales");
	in_ready(b, "a", REQUEST_AGENT);
	in_ringing(b, "a");
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
	bench_offered(&b, "100");
	in_start(&b);
	assert_non_null(command(&b, COMMAND_ENDPOINT));
	assert_null(command(&b, COMMAND_ANSWER));
	in_ready(&b, "c", REQUEST_CALLER);
	assert_int_equal(said(&b, COMMAND_ANSWER)->sdp_size, 3);
	in_answered(&b, "c");
	assert_non_null(fact(&b, FACT_ANSWERED));
	assert_int_equal(said(&b, COMMAND_PLAY)->n_prompts, 1);
	assert_int_equal(b.call->phase, CALL_PHASE_COLLECTING);
	in_play_done(&b);
	in_digit(&b, '1');
	assert_string_equal(told(&b, FACT_DIGITS)->text, "1");
	assert_non_null(fact(&b, FACT_ENQUEUED));
	assert_non_null(command(&b, COMMAND_ENQUEUE));
	assert_null(command(&b, COMMAND_PLAY));
	assert_string_equal(b.call->queue_id, "sales");
	assert_int_equal(b.call->priority, 5);
	tick(&b, MUSIC_DELAY_MS); /* nobody has taken the call */
	assert_true(said(&b, COMMAND_PLAY)->loop);
	bench_end(&b);
}

static void assert_var(const struct bench *b, const char *name, const char *value)
{
	assert_non_null(call_var(b->call, name));
	assert_string_equal(call_var(b->call, name), value);
}

static void star_resets_hash_ends_and_too_few_digits_are_asked_again(void **state)
{
	struct bench b;

	(void)state;
	bench_offered(&b, "200"); /* flow account: 2…6 digits, 2 tries, then on_failure */
	in_start(&b);
	in_ready(&b, "c", REQUEST_CALLER);
	in_answered(&b, "c");
	in_digit(&b, '9');
	in_digit(&b, '*');
	in_digit(&b, '4');
	in_digit(&b, '2');
	in_digit(&b, '#');
	assert_var(&b, "account", "42");
	bench_end(&b);

	bench_offered(&b, "200");
	in_start(&b);
	in_ready(&b, "c", REQUEST_CALLER);
	in_answered(&b, "c");
	in_digit(&b, '4');
	in_digit(&b, '#');
	assert_int_equal(b.call->phase, CALL_PHASE_COLLECTING); /* second try */
	tick(&b, 5000);
	assert_string_equal(told(&b, FACT_DIGITS)->kind_text, "failed");
	assert_null(call_var(b.call, "account"));
	bench_end(&b);
}

static void digits_end_by_their_number_and_by_the_pause_between_them(void **state)
{
	struct bench b;

	(void)state;
	bench_offered(&b, "200");
	in_start(&b);
	in_ready(&b, "c", REQUEST_CALLER);
	in_answered(&b, "c");
	for (const char *d = "123456"; *d; d++)
		in_digit(&b, *d);
	assert_var(&b, "account", "123456");
	assert_string_equal(told(&b, FACT_DIGITS)->kind_text, "max-digits");
	bench_end(&b);

	bench_offered(&b, "200");
	in_start(&b);
	in_ready(&b, "c", REQUEST_CALLER);
	in_answered(&b, "c");
	in_digit(&b, '1');
	in_digit(&b, '2');
	tick(&b, 3000);
	assert_string_equal(told(&b, FACT_DIGITS)->kind_text, "timeout");
	assert_var(&b, "account", "12");
	bench_end(&b);
}

static void the_agent_rings_answers_and_both_are_bridged_and_recorded(void **state)
{
	struct bench b;

	(void)state;
	to_queue(&b);
	bench_now += 4000;
	in_assigned(&b, "1001", "a", "sales");
	assert_true(said(&b, COMMAND_RESULT)->accepted);
	assert_non_null(command(&b, COMMAND_ENDPOINT));
	in_ready(&b, "a", REQUEST_AGENT);
	assert_string_equal(said(&b, COMMAND_DIAL)->agent_id, "1001");
	assert_int_equal(said(&b, COMMAND_DIAL)->timeout_ms, 15000);
	in_ringing(&b, "a");
	assert_non_null(fact(&b, FACT_AGENT_RINGING));
	bench_now += 1000;
	in_answered(&b, "a");
	assert_int_equal(told(&b, FACT_AGENT_ANSWERED)->ms, 5000);
	assert_non_null(command(&b, COMMAND_AGENT_ON_CALL));
	assert_non_null(command(&b, COMMAND_REMOTE));
	assert_int_equal(b.call->phase, CALL_PHASE_WELCOME);
	in_play_done(&b);
	assert_non_null(command(&b, COMMAND_BRIDGE));
	assert_true(said(&b, COMMAND_RECORD)->on);
	assert_non_null(fact(&b, FACT_BRIDGED));
	assert_non_null(fact(&b, FACT_RECORDING_STARTED));
	bench_now += 10000;
	in_ended(&b, "c", "bye", 0);
	assert_non_null(command(&b, COMMAND_HANG_UP));
	assert_int_equal(said(&b, COMMAND_AGENT_CALL_ENDED)->timeout_ms, 3000);
	assert_non_null(command(&b, COMMAND_FREE_CALL));
	hung_up(&b);
	assert_string_equal(b.call->cause, "caller-hung-up");
	assert_string_equal(b.call->disposition, "answered");
	bench_end(&b);
}

static void facts_are_numbered_without_gaps_and_the_last_is_call_ended(void **state)
{
	struct bench b;
	uint64_t seq = 0;

	(void)state;
	bench_offered(&b, "100");
	seq = b.call->event_seq;
	assert_int_equal(seq, 1);
	bench_end(&b);
	to_talking(&b);
	seq = b.call->event_seq;
	in_ended(&b, "a", "bye", 0);
	for (int i = 0; i < b.todo.n_facts; i++)
		if (b.todo.facts[i].kind != FACT_RECORDING_STOPPED)
			assert_int_equal(b.todo.facts[i].seq, ++seq);
	hung_up(&b);
	assert_int_equal(told(&b, FACT_ENDED)->seq, b.call->event_seq);
	bench_end(&b);
}

static void a_caller_who_hangs_up_while_waiting_is_abandoned(void **state)
{
	struct bench b;

	(void)state;
	to_queue(&b);
	bench_now += 7000;
	in_ended(&b, "c", "bye", 0);
	assert_string_equal(told(&b, FACT_DEQUEUED)->text, "abandoned");
	assert_int_equal(told(&b, FACT_DEQUEUED)->ms, 7000);
	assert_non_null(command(&b, COMMAND_DEQUEUE));
	hung_up(&b);
	assert_string_equal(b.call->disposition, "abandoned");
	bench_end(&b);
}

static void a_caller_who_hangs_up_while_it_rings_frees_the_agent(void **state)
{
	struct bench b;

	(void)state;
	to_queue(&b);
	in_assigned(&b, "1001", "a", "sales");
	in_ready(&b, "a", REQUEST_AGENT);
	in_ended(&b, "c", "bye", 0);
	assert_non_null(command(&b, COMMAND_AGENT_GIVE_BACK));
	assert_non_null(command(&b, COMMAND_HANG_UP));
	assert_string_equal(told(&b, FACT_DEQUEUED)->text, "abandoned");
	assert_false(call_ended(b.call));
	hung_up(&b);
	bench_end(&b);
}

static void an_agent_who_does_not_answer_goes_busy_and_the_call_keeps_its_place(void **state)
{
	struct bench b;
	int64_t arrival;

	(void)state;
	to_queue(&b);
	arrival = b.call->arrival_ms;
	in_assigned(&b, "1001", "a", "sales");
	in_ready(&b, "a", REQUEST_AGENT);
	bench_now += 15000;
	in_ended(&b, "a", "no-answer", 408);
	assert_string_equal(said(&b, COMMAND_AGENT_NO_ANSWER)->text, "no-answer");
	assert_non_null(command(&b, COMMAND_ENQUEUE));
	assert_null(fact(&b, FACT_ENQUEUED));
	assert_int_equal(b.call->arrival_ms, arrival);
	assert_int_equal(b.call->n_tried, 1);
	assert_string_equal(told(&b, FACT_AGENT_NO_ANSWER)->text, "timeout");
	in_assigned(&b, "1002", "b", "sales");
	assert_int_equal(b.call->attempt, 2);
	bench_end(&b);
}

static void an_edge_that_says_nothing_even_when_told_to_hang_up_is_not_the_agents_fault(void **state)
{
	struct bench b;

	(void)state;
	to_queue(&b);
	in_assigned(&b, "1001", "a", "sales");
	in_ready(&b, "a", REQUEST_AGENT);
	in_ringing(&b, "a");
	tick(&b, 15000 + DIAL_GRACE_MS);
	assert_non_null(command(&b, COMMAND_HANG_UP));
	in_answered(&b, "a"); /* too late */
	assert_null(command(&b, COMMAND_AGENT_ON_CALL));
	tick(&b, ENDING_REPEAT_MS);
	assert_non_null(command(&b, COMMAND_HANG_UP));
	tick(&b, DIAL_GRACE_MS);
	assert_non_null(command(&b, COMMAND_AGENT_GIVE_BACK));
	assert_int_equal(b.call->phase, CALL_PHASE_QUEUED);
	bench_end(&b);
}

static void the_longest_wait_leads_to_the_step_for_it(void **state)
{
	struct bench b;

	(void)state;
	to_queue(&b);
	tick(&b, 60000);
	assert_string_equal(told(&b, FACT_DEQUEUED)->text, "timeout");
	assert_int_equal(b.call->phase, CALL_PHASE_PLAYING); /* step sorry */
	in_play_done(&b);
	assert_int_equal(b.call->phase, CALL_PHASE_ENDING);
	hung_up(&b);
	assert_string_equal(b.call->disposition, "refused");
	bench_end(&b);
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
	bench_end(&b);
}

static void an_assignment_of_a_call_that_has_one_is_given_back(void **state)
{
	struct bench b;

	(void)state;
	to_queue(&b);
	in_assigned(&b, "1001", "a", "sales");
	in_assigned(&b, "1001", "a", "sales"); /* repeated */
	assert_true(said(&b, COMMAND_RESULT)->accepted);
	assert_null(fact(&b, FACT_RESERVED));
	in_assigned(&b, "1002", "b", "sales");
	assert_false(said(&b, COMMAND_RESULT)->accepted);
	bench_end(&b);
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
	assert_true(said(&b, COMMAND_REMOTE)->offer);
	assert_non_null(fact(&b, FACT_HELD));
	assert_true(said(&b, COMMAND_PLAY)->loop);
	in_ready(&b, "a", call_reoffer_request(&b.call->agent_leg));
	assert_int_equal(said(&b, COMMAND_REANSWER)->request, 3);
	bench_now += 9000;
	step(&b, (struct call_input){
		     .kind = INPUT_LEG_REOFFER, .leg_id = "a", .request = 4, .sdp = "v=0", .sdp_size = 3 });
	assert_int_equal(told(&b, FACT_RETRIEVED)->ms, 9000);
	assert_non_null(command(&b, COMMAND_STOP_PLAY));
	assert_int_equal(b.call->hold_ms, 9000);
	in_ended(&b, "c", "bye", 0);
	hung_up(&b);
	bench_end(&b);
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
	bench_end(&b);
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
	bench_end(&b);
}

static void a_number_outside_working_hours_takes_the_other_rule(void **state)
{
	struct bench b;

	(void)state;
	bench_offered(&b, "300"); /* forced: reject 486 */
	in_start(&b);
	assert_int_equal(said(&b, COMMAND_HANG_UP)->status, 486);
	assert_string_equal(b.call->cause, "rejected");
	bench_end(&b);
	bench_offered(&b, "999");
	in_start(&b);
	assert_int_equal(said(&b, COMMAND_HANG_UP)->status, 404);
	bench_end(&b);
}

static void media_that_does_not_answer_refuses_the_call(void **state)
{
	struct bench b;

	(void)state;
	bench_offered(&b, "100");
	in_start(&b);
	tick(&b, MEDIA_TIMEOUT_MS);
	assert_int_equal(said(&b, COMMAND_HANG_UP)->status, 503);
	bench_end(&b);
	bench_offered(&b, "100");
	in_start(&b);
	step(&b, (struct call_input){
		     .kind = INPUT_MEDIA_FAILED, .leg_id = "c", .request = REQUEST_CALLER, .error = ERR_INVALID });
	assert_int_equal(said(&b, COMMAND_HANG_UP)->status, 488);
	bench_end(&b);
	/* Only codecs that we do not have, or an address of the other family (RFC 5118 ipv6-in-sdp). */
	bench_offered(&b, "100");
	in_start(&b);
	step(&b, (struct call_input){
		     .kind = INPUT_MEDIA_FAILED, .leg_id = "c", .request = REQUEST_CALLER, .error = ERR_PRECONDITION });
	assert_int_equal(said(&b, COMMAND_HANG_UP)->status, 488);
	bench_end(&b);
}

static void suspend(struct bench *b, enum fixture how)
{
	tenant_unref(&b->call->conf);
	b->call->conf = fixture_suspended(how);
}

/* GT-3: suspend and resume a tenant. */
static void a_call_to_a_suspended_tenant_is_refused_or_hears_the_announcement(void **state)
{
	struct bench b;

	(void)state;
	bench_offered(&b, "100");
	suspend(&b, FIXTURE_SUSPENDED);
	in_start(&b);
	assert_int_equal(said(&b, COMMAND_HANG_UP)->status, 480);
	assert_string_equal(b.call->cause, "suspended");
	bench_end(&b);

	bench_offered(&b, "100");
	suspend(&b, FIXTURE_ANNOUNCES);
	in_start(&b);
	in_ready(&b, "c", REQUEST_CALLER);
	in_answered(&b, "c");
	assert_string_equal(said(&b, COMMAND_PLAY)->prompts[0]->id, "greet");
	step(&b, (struct call_input){ .kind = INPUT_SUSPENDED }); /* hears it to its end */
	assert_int_equal(b.call->phase, CALL_PHASE_PLAYING);
	in_play_done(&b);
	assert_non_null(command(&b, COMMAND_HANG_UP));
	assert_string_equal(b.call->cause, "suspended");
	assert_string_equal(b.call->disposition, "refused");
	bench_end(&b);
}

static void a_call_beyond_the_tenants_limit_hears_busy(void **state)
{
	struct bench b;

	(void)state;
	bench_offered(&b, "100");
	b.call->over_quota = true;
	in_start(&b);
	assert_int_equal(said(&b, COMMAND_HANG_UP)->status, 486);
	assert_string_equal(b.call->cause, "over-quota");
	assert_string_equal(b.call->disposition, "refused");
	bench_end(&b);
}

static void a_call_beyond_the_tenants_calls_a_second_hears_busy_GT_3_1_2(void **state)
{
	struct bench b;

	(void)state;
	bench_offered(&b, "100");
	b.call->over_quota = b.call->over_rate = true;
	in_start(&b);
	assert_int_equal(said(&b, COMMAND_HANG_UP)->status, 486);
	assert_string_equal(b.call->cause, "over-rate");
	assert_string_equal(b.call->disposition, "refused");
	bench_end(&b);
}

static void a_call_goes_on_without_a_recording_where_there_is_no_room_for_one_GT_3_1_2(void **state)
{
	struct bench b;

	(void)state;
	to_queue(&b);
	b.call->recordings_full = true;
	in_assigned(&b, "1001", "a", "sales");
	in_ready(&b, "a", REQUEST_AGENT);
	in_answered(&b, "a");
	in_play_done(&b);
	assert_int_equal(b.call->phase, CALL_PHASE_TALKING);
	assert_non_null(fact(&b, FACT_BRIDGED));
	assert_non_null(fact(&b, FACT_RECORDING_REFUSED));
	assert_int_equal(told(&b, FACT_RECORDING_REFUSED)->seq, b.call->event_seq);
	assert_null(fact(&b, FACT_RECORDING_STARTED));
	assert_null(command(&b, COMMAND_RECORD));
	hung_up(&b);
	assert_string_equal(b.call->recording_id, "");
	bench_end(&b);
}

static void a_recording_that_has_begun_goes_on_though_there_is_no_room_any_more_GT_3_1_2(void **state)
{
	struct bench b;

	(void)state;
	to_talking(&b);
	assert_true(b.call->recording);
	b.call->recordings_full = true;
	step(&b,
	     (struct call_input){ .kind = INPUT_MEDIA_FAILED, .leg_id = "c", .what = "record", .error = ERR_EXISTS });
	assert_false(said(&b, COMMAND_RECORD)->on); /* a former engine has the file: it is closed … */
	step(&b, (struct call_input){
		     .kind = INPUT_RECORD_DONE, .leg_id = "c", .path = "acme/x.seg", .duration_ms = 5000 });
	assert_true(said(&b, COMMAND_RECORD)->on); /* … and goes on in another */
	assert_true(b.call->recording);
	assert_null(fact(&b, FACT_RECORDING_REFUSED));
	hung_up(&b);
	bench_end(&b);
}

static void calls_in_progress_of_a_suspended_tenant_end_when_they_are_told_to(void **state)
{
	struct bench b;

	(void)state;
	to_talking(&b);
	step(&b, (struct call_input){ .kind = INPUT_SUSPENDED });
	assert_string_equal(b.call->cause, "suspended");
	assert_string_equal(b.call->disposition, "answered");
	assert_non_null(command_to(&b, COMMAND_HANG_UP, "c"));
	assert_non_null(command_to(&b, COMMAND_HANG_UP, "a"));
	assert_non_null(command(&b, COMMAND_AGENT_CALL_ENDED));
	step(&b, (struct call_input){ .kind = INPUT_SUSPENDED }); /* once */
	assert_int_equal(b.todo.n_commands, 0);
	bench_end(&b);
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
	bench_end(&b);

	to_talking(&b);
	step(&b, (struct call_input){ .kind = INPUT_ADOPTED, .cause = "cc-2" });
	assert_non_null(command(&b, COMMAND_ATTACH));
	step(&b, (struct call_input){ .kind = INPUT_LEG_STATE, .leg_id = "c", .answered = true });
	assert_non_null(command(&b, COMMAND_BRIDGE));
	assert_non_null(command(&b, COMMAND_RECORD));
	assert_null(fact(&b, FACT_BRIDGED));
	assert_null(fact(&b, FACT_RECORDING_STARTED));
	bench_end(&b);

	to_talking(&b); /* the caller hung up while nobody owned the call */
	step(&b, (struct call_input){ .kind = INPUT_ADOPTED, .cause = "cc-2" });
	in_ended(&b, "c", "unknown-leg", 0);
	assert_string_equal(b.call->cause, "lost");
	assert_non_null(command(&b, COMMAND_AGENT_CALL_ENDED));
	bench_end(&b);
}

static void an_adopted_call_whose_agent_answered_meanwhile_is_connected(void **state)
{
	struct bench b;

	(void)state;
	to_queue(&b);
	in_assigned(&b, "1001", "a", "sales");
	in_ready(&b, "a", REQUEST_AGENT);
	step(&b, (struct call_input){ .kind = INPUT_ADOPTED, .cause = "cc-2" });
	step(&b, (struct call_input){ .kind = INPUT_LEG_STATE, .leg_id = "c", .answered = true });
	step(&b, (struct call_input){
		     .kind = INPUT_LEG_STATE, .leg_id = "a", .answered = true, .sdp = "v=0", .sdp_size = 3 });
	assert_non_null(command(&b, COMMAND_AGENT_ON_CALL));
	bench_end(&b);
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
	bench_end(&b);
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
		cmocka_unit_test(an_edge_that_says_nothing_even_when_told_to_hang_up_is_not_the_agents_fault),
		cmocka_unit_test(the_longest_wait_leads_to_the_step_for_it),
		cmocka_unit_test(an_unacknowledged_place_is_asserted_again_and_after_a_new_epoch),
		cmocka_unit_test(an_assignment_of_a_call_that_has_one_is_given_back),
		cmocka_unit_test(hold_and_retrieve_are_answered_and_measured),
		cmocka_unit_test(a_lost_bye_is_found_by_asking),
		cmocka_unit_test(peers_that_never_confirm_do_not_keep_a_call),
		cmocka_unit_test(a_number_outside_working_hours_takes_the_other_rule),
		cmocka_unit_test(media_that_does_not_answer_refuses_the_call),
		cmocka_unit_test(a_call_to_a_suspended_tenant_is_refused_or_hears_the_announcement),
		cmocka_unit_test(a_call_beyond_the_tenants_limit_hears_busy),
		cmocka_unit_test(a_call_beyond_the_tenants_calls_a_second_hears_busy_GT_3_1_2),
		cmocka_unit_test(a_call_goes_on_without_a_recording_where_there_is_no_room_for_one_GT_3_1_2),
		cmocka_unit_test(a_recording_that_has_begun_goes_on_though_there_is_no_room_any_more_GT_3_1_2),
		cmocka_unit_test(calls_in_progress_of_a_suspended_tenant_end_when_they_are_told_to),
		cmocka_unit_test(an_adopted_call_goes_on_where_it_was),
		cmocka_unit_test(an_adopted_call_whose_agent_answered_meanwhile_is_connected),
		cmocka_unit_test(an_adopted_call_whose_edge_stays_silent_is_closed_as_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
