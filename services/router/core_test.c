/* The router's decisions, one by one. Random runs are in router_sim_test.c. */
#include "core_fixture.h"

/* ---- matching ------------------------------------------------------------------------------------------------------ */

static void a_call_gets_the_longest_idle_agent_with_the_skill(void **arg)
{
	struct world w = world_new();

	UNUSED(arg);
	queues(&w);
	agent_with(&w, "a1", "sales", 5);
	agent_with(&w, "a2", "sales", 3);
	agent_with(&w, "a3", "sales", 2); /* below the level */
	agent_with(&w, "a4", "support", 9);
	state(&w, "a3", AGENT_READY);
	w.now++;
	state(&w, "a4", AGENT_READY);
	w.now++;
	state(&w, "a2", AGENT_READY);
	w.now++;
	state(&w, "a1", AGENT_READY);
	enqueue(&w, "c1", "sales", w.now, 0);
	enqueue(&w, "c2", "sales", w.now, 0);
	enqueue(&w, "c3", "sales", w.now, 0);
	expect_reserve(&w, "c1", "a2");
	expect_reserve(&w, "c2", "a1");
	expect_reserve(&w, "c3", NULL);
	assert_int_equal(waiting(&w), 1);
	world_free(&w);
}

static void a_free_agent_gets_the_call_of_highest_priority_then_earliest_arrival_over_all_queues(void **arg)
{
	struct world w = world_new();

	UNUSED(arg);
	queues(&w);
	agent_with(&w, "a1", "sales", 5);
	agent_with(&w, "a2", "sales", 5);
	agent_with(&w, "a3", "sales", 5);
	agent_with(&w, "a4", NULL, 0);
	enqueue(&w, "late", "any", T0 + 5, 2);
	enqueue(&w, "early", "sales", T0 + 3, 2);
	enqueue(&w, "vip", "any", T0 + 9, 8);
	drop_effects(&w);
	state(&w, "a1", AGENT_READY);
	expect_reserve(&w, "vip", "a1");
	state(&w, "a4", AGENT_READY); /* without the skill: not the earlier one */
	expect_reserve(&w, "late", "a4");
	state(&w, "a2", AGENT_READY);
	expect_reserve(&w, "early", "a2");
	assert_int_equal(waiting(&w), 0);
	world_free(&w);
}

static void queued_says_position_and_how_many_are_on_duty(void **arg)
{
	struct world w = world_new();
	const struct router_fx *fx;

	UNUSED(arg);
	queues(&w);
	agent_with(&w, "a1", "sales", 5);
	enqueue(&w, "c1", "sales", T0 + 1, 3);
	fx = find_fx(&w, ROUTER_FX_QUEUED, "c1");
	assert_int_equal(fx->position, 1);
	assert_int_equal(fx->agents_signed_in, 0); /* nobody on duty: call-control decides (OP-5) */
	state(&w, "a1", AGENT_BUSY);
	enqueue(&w, "c2", "sales", T0 + 2, 3);
	fx = find_fx(&w, ROUTER_FX_QUEUED, "c2");
	assert_int_equal(fx->position, 2);
	assert_int_equal(fx->agents_signed_in, 1);
	enqueue(&w, "c3", "sales", T0 + 3, 9);
	assert_int_equal(find_fx(&w, ROUTER_FX_QUEUED, "c3")->position, 1);
	state(&w, "a1", AGENT_SIGNED_OUT);
	enqueue(&w, "c4", "any", T0 + 3, 9);
	assert_int_equal(find_fx(&w, ROUTER_FX_QUEUED, "c4")->agents_signed_in, 0);
	world_free(&w);
}

static void a_call_may_ask_for_more_skills_than_its_queue(void **arg)
{
	struct world w = world_new();
	struct router_skill both[] = { { "sales", 5 }, { "french", 4 } }, french = { "french", 4 };
	struct router_agent_conf conf = {
		.tenant = "acme", .agent_id = "a2", .skills = both, .n_skills = 2, .enabled = true
	};
	struct router_enqueue_in in = call_in("c1", "sales", T0, 0);

	UNUSED(arg);
	queues(&w);
	agent_with(&w, "a1", "sales", 9);
	assert_int_equal(router_core_agent_conf(w.core, &conf, w.now), ERR_OK);
	state(&w, "a1", AGENT_READY);
	w.now++;
	state(&w, "a2", AGENT_READY);
	in.extra = &french;
	in.n_extra = 1;
	assert_int_equal(router_core_enqueue(w.core, &in, w.now), ERR_OK);
	expect_reserve(&w, "c1", "a2");
	world_free(&w);
}

static void an_agent_who_did_not_answer_is_avoided_while_others_are_ready(void **arg)
{
	struct world w = world_new();
	const char *tried[] = { "a1" };
	struct router_enqueue_in in = call_in("c1", "sales", T0, 0);

	UNUSED(arg);
	queues(&w);
	agent_with(&w, "a1", "sales", 9);
	agent_with(&w, "a2", "sales", 9);
	state(&w, "a1", AGENT_READY);
	w.now++;
	state(&w, "a2", AGENT_READY);
	in.tried = tried;
	in.n_tried = 1;
	assert_int_equal(router_core_enqueue(w.core, &in, w.now), ERR_OK);
	expect_reserve(&w, "c1", "a2");
	in.call_id = "c2";
	assert_int_equal(router_core_enqueue(w.core, &in, w.now), ERR_OK);
	expect_reserve(&w, "c2", "a1"); /* nobody else is there */
	world_free(&w);
}

static void a_call_for_one_agent_waits_for_that_one(void **arg)
{
	struct world w = world_new();
	struct router_enqueue_in in = call_in("c1", "", T0, 0);

	UNUSED(arg);
	queues(&w);
	agent_with(&w, "a1", "sales", 9);
	agent_with(&w, "a2", "sales", 9);
	state(&w, "a1", AGENT_READY);
	state(&w, "a2", AGENT_BUSY);
	in.agent_id = "a2";
	assert_int_equal(router_core_enqueue(w.core, &in, w.now), ERR_OK);
	expect_reserve(&w, "c1", NULL);
	assert_int_equal(find_fx(&w, ROUTER_FX_QUEUED, "c1")->agents_signed_in, 1);
	state(&w, "a2", AGENT_READY);
	expect_reserve(&w, "c1", "a2");
	in.agent_id = "nobody";
	in.call_id = "c2";
	assert_int_equal(router_core_enqueue(w.core, &in, w.now), ERR_OK);
	assert_int_equal(find_fx(&w, ROUTER_FX_REFUSED, "c2")->error, ERR_NOT_FOUND);
	world_free(&w);
}

static void a_full_queue_refuses_and_an_unknown_queue_is_not_found(void **arg)
{
	struct world w = world_new();
	const char *tried[] = { "a1" };
	struct router_enqueue_in back = call_in("c5", "small", w.now, 0);
	const struct router_queue_conf q = { .id = "small", .max_waiting = 1 };

	UNUSED(arg);
	queue_conf(&w, &q, 1);
	enqueue(&w, "c1", "small", w.now, 0);
	enqueue(&w, "c2", "small", w.now, 0);
	assert_null(find_fx(&w, ROUTER_FX_REFUSED, "c1"));
	assert_int_equal(find_fx(&w, ROUTER_FX_REFUSED, "c2")->error, ERR_EXHAUSTED);
	enqueue(&w, "c1", "small", w.now, 0); /* a repeat is no second call */
	assert_null(find_fx(&w, ROUTER_FX_REFUSED, "c1"));
	enqueue(&w, "c3", "none", w.now, 0);
	assert_int_equal(find_fx(&w, ROUTER_FX_REFUSED, "c3")->error, ERR_NOT_FOUND);
	enqueue(&w, "c4", "small", T0 - 1000, 0); /* had a place before this epoch */
	assert_null(find_fx(&w, ROUTER_FX_REFUSED, "c4"));
	back.tried = tried; /* an agent did not answer it: back to its place, though somebody has come meanwhile */
	back.n_tried = 1;
	assert_int_equal(router_core_enqueue(w.core, &back, w.now), ERR_OK);
	assert_null(find_fx(&w, ROUTER_FX_REFUSED, "c5"));
	queue_conf(&w, NULL, 0);
	assert_int_equal(find_fx(&w, ROUTER_FX_REFUSED, "c1")->error, ERR_NOT_FOUND);
	assert_int_equal(calls(&w), 0);
	world_free(&w);
}

/* ---- reservation --------------------------------------------------------------------------------------------------- */

static void assigned_carries_the_reservation_and_is_repeated_until_the_result_is_seen(void **arg)
{
	struct world w = world_assigned();
	const struct router_fx *fx = find_fx(&w, ROUTER_FX_ASSIGNED, "c1");

	UNUSED(arg);
	assert_non_null(fx);
	assert_string_equal(fx->agent_id, "a1");
	assert_string_equal(fx->owner, "cc-1");
	assert_string_equal(fx->leg_id, "leg-1");
	assert_string_equal(fx->agent_site, "centre");
	assert_int_equal(fx->revision, w.revision);
	assert_int_equal(fx->reserved_until_ms, w.now + 30000);
	drop_effects(&w);
	later(&w, 1100);
	assert_non_null(find_fx(&w, ROUTER_FX_ASSIGNED, "c1"));
	result(&w, "a1", "c1", 7, ROUTER_ACCEPTED);
	drop_effects(&w);
	later(&w, 5000);
	assert_null(find_fx(&w, ROUTER_FX_ASSIGNED, "c1"));
	assert_int_equal(calls(&w), 0);
	world_free(&w);
}

static void a_lost_compare_and_set_goes_to_the_next_agent(void **arg)
{
	struct world w = world_new();

	UNUSED(arg);
	queues(&w);
	agent_with(&w, "a1", "sales", 9);
	agent_with(&w, "a2", "sales", 9);
	state(&w, "a1", AGENT_READY);
	w.now++;
	state(&w, "a2", AGENT_READY);
	enqueue(&w, "c1", "sales", w.now, 0);
	expect_reserve(&w, "c1", "a1");
	drop_effects(&w);
	reserved(&w, "a1", "c1", ERR_ABORTED);
	expect_reserve(&w, "c1", "a2");
	/* a1 is not touched before its newer record is seen; a read fetches it if the watch does not. */
	enqueue(&w, "c2", "sales", w.now, 0);
	expect_reserve(&w, "c2", NULL);
	later(&w, 1100);
	assert_non_null(find_fx(&w, ROUTER_FX_READ_AGENT, NULL));
	state(&w, "a1", AGENT_READY);
	expect_reserve(&w, "c2", "a1");
	world_free(&w);
}

static void an_unknown_outcome_is_read_again_before_anything_else(void **arg)
{
	struct world w = world_new();
	struct router_agent_in in;

	UNUSED(arg);
	queues(&w);
	agent_with(&w, "a1", "sales", 9);
	state(&w, "a1", AGENT_READY);
	enqueue(&w, "c1", "sales", w.now, 0);
	reserved(&w, "a1", "c1", ERR_UNAVAILABLE);
	drop_effects(&w);
	later(&w, 1100);
	assert_non_null(find_fx(&w, ROUTER_FX_READ_AGENT, NULL));
	drop_effects(&w);
	/* Not written: tried again. */
	in = record(&w, "a1", AGENT_READY);
	in.revision = --w.revision;
	in.ready_since_ms = T0;
	in.read = true;
	put(&w, &in);
	expect_reserve(&w, "c1", "a1");
	reserved(&w, "a1", "c1", ERR_UNAVAILABLE);
	drop_effects(&w);
	/* Written, as the watch shows. */
	state_of_call(&w, "a1", AGENT_RESERVED, "c1", 7);
	assert_string_equal(find_fx(&w, ROUTER_FX_ASSIGNED, "c1")->agent_id, "a1");
	world_free(&w);
}

static void a_caller_who_left_during_the_reservation_gives_the_agent_back(void **arg)
{
	struct world w = world_new();
	const struct router_fx *fx;

	UNUSED(arg);
	queues(&w);
	agent_with(&w, "a1", "sales", 9);
	state(&w, "a1", AGENT_READY);
	enqueue(&w, "c1", "sales", w.now, 0);
	assert_int_equal(router_core_dequeue(w.core, "acme", "c1", 1, w.now), ERR_OK);
	assert_int_equal(calls(&w), 0);
	reserved(&w, "a1", "c1", ERR_OK);
	fx = find_fx(&w, ROUTER_FX_AGENT, NULL);
	assert_non_null(fx);
	assert_int_equal(fx->event, AGENT_EV_UNRESERVE);
	assert_string_equal(fx->call_id, "c1");
	assert_null(find_fx(&w, ROUTER_FX_ASSIGNED, "c1"));
	drop_effects(&w);
	later(&w, 1100); /* until the record says so */
	assert_non_null(find_fx(&w, ROUTER_FX_AGENT, NULL));
	state(&w, "a1", AGENT_READY);
	drop_effects(&w);
	later(&w, 3000);
	assert_null(find_fx(&w, ROUTER_FX_AGENT, NULL));
	world_free(&w);
}

static void a_late_answer_about_an_earlier_assignment_changes_nothing(void **arg)
{
	struct world w = world_assigned();
	struct router_result_in old = { .owner = "cc-1",
					.tenant = "acme",
					.call_id = "c1",
					.agent_id = "a1",
					.leg_id = "leg-0",
					.call_epoch = 1,
					.router_epoch = 7,
					.outcome = ROUTER_CALL_GONE };

	UNUSED(arg);
	drop_effects(&w);
	assert_int_equal(router_core_result(w.core, &old, w.now), ERR_OK);
	old.outcome = ROUTER_ACCEPTED;
	assert_int_equal(router_core_result(w.core, &old, w.now), ERR_OK);
	result(&w, "a2", "c1", 7, ROUTER_CALL_GONE);
	assert_int_equal(calls(&w), 1);
	assert_null(find_fx(&w, ROUTER_FX_AGENT, NULL));
	world_free(&w);
}

static void an_owner_without_the_call_gives_the_agent_back(void **arg)
{
	struct world w = world_assigned();

	UNUSED(arg);
	result(&w, "a1", "c1", 7, ROUTER_CALL_GONE);
	assert_int_equal(find_fx(&w, ROUTER_FX_AGENT, NULL)->event, AGENT_EV_UNRESERVE);
	assert_string_equal(find_fx(&w, ROUTER_FX_AGENT, NULL)->cause, "call-gone");
	assert_int_equal(calls(&w), 0);
	world_free(&w);
}

static void a_reservation_past_its_deadline_is_given_back_by_rule(void **arg)
{
	struct world w = world_assigned();
	const struct router_fx *fx;

	UNUSED(arg);
	/* Never answered by its owner: the agent is ready again, the call waits again. */
	later(&w, 32100);
	fx = find_fx(&w, ROUTER_FX_AGENT, NULL);
	assert_int_equal(fx->event, AGENT_EV_UNRESERVE);
	assert_string_equal(fx->cause, "reservation-expired");
	assert_int_equal(waiting(&w), 1);
	world_free(&w);
	/* Accepted, and then nothing: the agent's phone is suspect. */
	w = world_assigned();
	result(&w, "a1", "c1", 7, ROUTER_ACCEPTED);
	later(&w, 32100);
	fx = find_fx(&w, ROUTER_FX_AGENT, NULL);
	assert_int_equal(fx->event, AGENT_EV_NO_ANSWER);
	assert_string_equal(fx->reason, "unreachable");
	world_free(&w);
}

static void a_call_that_was_not_answered_comes_back_to_its_place(void **arg)
{
	struct world w = world_assigned();
	const char *tried[] = { "a1" };
	struct router_enqueue_in in = call_in("c1", "sales", w.now, 0);

	UNUSED(arg);
	result(&w, "a1", "c1", 7, ROUTER_ACCEPTED);
	drop_effects(&w);
	enqueue(&w, "c2", "sales", w.now + 1, 0);
	in.tried = tried;
	in.n_tried = 1;
	assert_int_equal(router_core_enqueue(w.core, &in, w.now + 2), ERR_OK);
	state(&w, "a2", AGENT_READY);
	expect_reserve(&w, "c1", "a2");
	world_free(&w);
}

/* ---- other holders of state ------------------------------------------------------------------------------------------ */

static void wrap_up_ends_by_itself(void **arg)
{
	struct world w = world_new();
	struct router_agent_in in;
	const struct router_fx *fx;

	UNUSED(arg);
	queues(&w);
	agent_with(&w, "a1", "sales", 9);
	in = record(&w, "a1", AGENT_WRAP_UP);
	in.wrap_up_until_ms = w.now + 5000;
	put(&w, &in);
	later(&w, 4900);
	assert_null(find_fx(&w, ROUTER_FX_AGENT, NULL));
	later(&w, 150);
	fx = find_fx(&w, ROUTER_FX_AGENT, NULL);
	assert_int_equal(fx->event, AGENT_EV_WRAP_UP_OVER);
	assert_true(fx->auto_ready);
	assert_int_equal(fx->revision, w.revision);
	world_free(&w);
}

static void an_agent_whose_call_is_gone_at_two_looks_is_reconciled(void **arg)
{
	struct world w = world_new();

	UNUSED(arg);
	agent_with(&w, "a1", "sales", 9);
	state_of_call(&w, "a1", AGENT_ON_CALL, "c1", 7);
	later(&w, 10050);
	assert_string_equal(find_fx(&w, ROUTER_FX_LOOK, "c1")->agent_id, "a1");
	assert_int_equal(router_core_looked(w.core, "acme", "a1", "c1", false, w.now), ERR_OK);
	drop_effects(&w);
	later(&w, 10050);
	assert_non_null(find_fx(&w, ROUTER_FX_LOOK, "c1"));
	assert_null(find_fx(&w, ROUTER_FX_AGENT, NULL));
	assert_int_equal(router_core_looked(w.core, "acme", "a1", "c1", false, w.now), ERR_OK);
	assert_int_equal(find_fx(&w, ROUTER_FX_AGENT, NULL)->event, AGENT_EV_RECONCILED);
	world_free(&w);
}

static void a_dead_owners_calls_wait_aside_until_somebody_asserts_them(void **arg)
{
	struct world w = world_new();
	struct router_enqueue_in in;

	UNUSED(arg);
	queues(&w);
	agent_with(&w, "a1", "sales", 9);
	enqueue(&w, "c1", "sales", T0, 0);
	assert_int_equal(router_core_owner(w.core, "cc-1", false, w.now), ERR_OK);
	state(&w, "a1", AGENT_READY);
	expect_reserve(&w, "c1", NULL);
	in = call_in("c1", "sales", T0, 0);
	in.owner = "cc-2";
	in.call_epoch = 2;
	assert_int_equal(router_core_enqueue(w.core, &in, w.now), ERR_OK);
	expect_reserve(&w, "c1", "a1");
	/* What the dead one still says about it counts no more. */
	assert_int_equal(router_core_dequeue(w.core, "acme", "c1", 1, w.now), ERR_OK);
	assert_int_equal(calls(&w), 1);
	world_free(&w);
}

static void owned(struct world *w, const char *owner, const char *call, int64_t arrival, uint64_t epoch)
{
	struct router_enqueue_in in = call_in(call, "sales", arrival, 0);

	in.owner = owner;
	in.call_epoch = epoch;
	assert_int_equal(router_core_enqueue(w->core, &in, w->now), ERR_OK);
}

/* GT-6, found by chaos runs: within half a second later callers were served before those of a call-control that had died. */
static void nobody_behind_is_served_while_a_dead_owners_calls_are_being_taken_over(void **arg)
{
	struct world w = world_new();

	UNUSED(arg);
	queues(&w);
	agent_with(&w, "a1", "sales", 9);
	agent_with(&w, "a2", "sales", 9);
	owned(&w, "cc-1", "c1", T0, 1);
	owned(&w, "cc-1", "c2", T0 + 1, 1);
	owned(&w, "cc-2", "c3", T0 + 2, 1);
	assert_int_equal(router_core_owner(w.core, "cc-1", false, w.now), ERR_OK);
	state(&w, "a1", AGENT_READY);
	expect_reserve(&w, "c3", NULL);
	owned(&w, "cc-2", "c2", T0 + 1, 2);
	expect_reserve(&w, "c2", NULL);
	owned(&w, "cc-2", "c1", T0, 2);
	expect_reserve(&w, "c1", "a1");
	state(&w, "a2", AGENT_READY);
	expect_reserve(&w, "c2", "a2");
	world_free(&w);
}

static void calls_that_nobody_takes_over_hold_the_others_back_for_a_moment_only(void **arg)
{
	struct world w = world_new();

	UNUSED(arg);
	queues(&w);
	agent_with(&w, "a1", "sales", 9);
	owned(&w, "cc-1", "c1", T0, 1);
	owned(&w, "cc-2", "c2", T0 + 1, 1);
	assert_int_equal(router_core_owner(w.core, "cc-1", false, w.now), ERR_OK);
	state(&w, "a1", AGENT_READY);
	later(&w, 1400);
	expect_reserve(&w, "c2", NULL);
	later(&w, 200);
	expect_reserve(&w, "c2", "a1");
	world_free(&w);
}

static void skills_changed_take_effect_at_once(void **arg)
{
	struct world w = world_new();
	struct router_skill support = { "support", 1 };
	const struct router_queue_conf q = { .id = "sales", .skills = &support, .n_skills = 1 };

	UNUSED(arg);
	queues(&w);
	agent_with(&w, "a1", "support", 9);
	state(&w, "a1", AGENT_READY);
	enqueue(&w, "c1", "sales", T0, 0);
	expect_reserve(&w, "c1", NULL);
	agent_with(&w, "a1", "sales", 4);
	expect_reserve(&w, "c1", "a1");
	drop_effects(&w);
	enqueue(&w, "c2", "sales", T0, 0);
	agent_with(&w, "a2", "support", 2);
	state(&w, "a2", AGENT_READY);
	expect_reserve(&w, "c2", NULL);
	queue_conf(&w, &q, 1); /* the queue wants another skill now */
	expect_reserve(&w, "c2", "a2");
	world_free(&w);
}

/* ---- tenants ------------------------------------------------------------------------------------------------------- */

#define MANY 10000

static void neighbour(struct world *w)
{
	const struct router_queue_conf q = { .id = "any" };
	struct router_tenant_conf conf = { .tenant = "globex", .queues = &q, .n_queues = 1 };
	struct router_agent_conf agent = { .tenant = "globex", .enabled = true, .auto_ready = true };

	queues(w);
	assert_int_equal(router_core_tenant(w->core, &conf, w->now), ERR_OK);
	agent.agent_id = "g1";
	assert_int_equal(router_core_agent_conf(w->core, &agent, w->now), ERR_OK);
	agent.agent_id = "g2";
	assert_int_equal(router_core_agent_conf(w->core, &agent, w->now), ERR_OK);
}

static void enqueue_neighbours(struct world *w, const char *call)
{
	struct router_enqueue_in in = call_in(call, "any", w->now, 0);

	in.tenant = "globex";
	assert_int_equal(router_core_enqueue(w->core, &in, w->now), ERR_OK);
}

static void put_neighbours(struct world *w, const char *id, enum agent_state to)
{
	struct router_agent_in in = record(w, id, to);

	in.tenant = "globex";
	in.wrap_up_until_ms = to == AGENT_WRAP_UP ? w->now + 1000 : 0;
	put(w, &in);
}

/* Whatever waits of one tenant: another's call, or agent, is served within the turn in which it comes. */
static void ten_thousand_waiting_calls_of_a_tenant_delay_no_other_GT_3_1_2d(void **arg)
{
	struct world w = world_new();
	char id[16];

	UNUSED(arg);
	neighbour(&w);
	for (int i = 0; i < MANY; i++) {
		snprintf(id, sizeof(id), "c%d", i);
		enqueue(&w, id, i % 2 ? "sales" : "any", w.now, 20);
		drop_effects(&w);
	}
	put_neighbours(&w, "g1", AGENT_READY);
	enqueue_neighbours(&w, "g-first");
	expect_reserve(&w, "g-first", "g1");
	drop_effects(&w);
	enqueue_neighbours(&w, "g-second");
	drop_effects(&w);
	put_neighbours(&w, "g2", AGENT_READY);
	expect_reserve(&w, "g-second", "g2");
	assert_int_equal(waiting(&w), MANY);
	world_free(&w);
}

/* 10,000 agents whose wrap-up ends at the same moment: more than fire at a time, and the core says that it is to be asked again at once. */
static void ten_thousand_timers_of_a_tenant_keep_anothers_for_no_tick_GT_3_1_2d(void **arg)
{
	struct world w = world_new();
	struct router_core_stats st = { .timers_wait = true };
	unsigned turns = 0;
	bool over = false;
	char id[16];

	UNUSED(arg);
	neighbour(&w);
	for (int i = 0; i < MANY; i++) {
		struct router_agent_in in;

		snprintf(id, sizeof(id), "a%d", i);
		agent_with(&w, id, "sales", 5);
		in = record(&w, id, AGENT_WRAP_UP);
		in.wrap_up_until_ms = w.now + 1000;
		put(&w, &in);
	}
	put_neighbours(&w, "g1", AGENT_WRAP_UP);
	drop_effects(&w);
	w.now += 1100;
	for (; st.timers_wait; turns++) {
		size_t n;
		const struct router_fx *fx;

		assert_int_equal(router_core_time(w.core, w.now), ERR_OK);
		for (fx = router_core_effects(w.core, &n); n; n--, fx++)
			over |= fx->kind == ROUTER_FX_AGENT && fx->event == AGENT_EV_WRAP_UP_OVER &&
				strcmp(fx->tenant, "globex") == 0;
		drop_effects(&w);
		router_core_stats(w.core, &st);
	}
	assert_true(over);
	assert_in_range(turns, 2, 1 + (MANY + 1) / 500);
	world_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ten_thousand_waiting_calls_of_a_tenant_delay_no_other_GT_3_1_2d),
		cmocka_unit_test(ten_thousand_timers_of_a_tenant_keep_anothers_for_no_tick_GT_3_1_2d),
		cmocka_unit_test(a_call_gets_the_longest_idle_agent_with_the_skill),
		cmocka_unit_test(a_free_agent_gets_the_call_of_highest_priority_then_earliest_arrival_over_all_queues),
		cmocka_unit_test(queued_says_position_and_how_many_are_on_duty),
		cmocka_unit_test(a_call_may_ask_for_more_skills_than_its_queue),
		cmocka_unit_test(an_agent_who_did_not_answer_is_avoided_while_others_are_ready),
		cmocka_unit_test(a_call_for_one_agent_waits_for_that_one),
		cmocka_unit_test(a_full_queue_refuses_and_an_unknown_queue_is_not_found),
		cmocka_unit_test(assigned_carries_the_reservation_and_is_repeated_until_the_result_is_seen),
		cmocka_unit_test(a_lost_compare_and_set_goes_to_the_next_agent),
		cmocka_unit_test(an_unknown_outcome_is_read_again_before_anything_else),
		cmocka_unit_test(a_caller_who_left_during_the_reservation_gives_the_agent_back),
		cmocka_unit_test(a_late_answer_about_an_earlier_assignment_changes_nothing),
		cmocka_unit_test(an_owner_without_the_call_gives_the_agent_back),
		cmocka_unit_test(a_reservation_past_its_deadline_is_given_back_by_rule),
		cmocka_unit_test(a_call_that_was_not_answered_comes_back_to_its_place),
		cmocka_unit_test(wrap_up_ends_by_itself),
		cmocka_unit_test(an_agent_whose_call_is_gone_at_two_looks_is_reconciled),
		cmocka_unit_test(a_dead_owners_calls_wait_aside_until_somebody_asserts_them),
		cmocka_unit_test(nobody_behind_is_served_while_a_dead_owners_calls_are_being_taken_over),
		cmocka_unit_test(calls_that_nobody_takes_over_hold_the_others_back_for_a_moment_only),
		cmocka_unit_test(skills_changed_take_effect_at_once),
	};

	return cmocka_run_group_tests_name("router core", tests, NULL, NULL);
}
