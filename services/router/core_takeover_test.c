/* A change of leader, and the end of memory: what the router's core does then. */
#include "core_fixture.h"

/* ---- take-over ------------------------------------------------------------------------------------------------------- */

static void a_new_leader_assigns_nothing_before_all_have_asserted_and_then_in_order(void **arg)
{
	struct world w = world_open(8);

	UNUSED(arg);
	queues(&w);
	agent_with(&w, "a1", "sales", 9);
	assert_int_equal(router_core_owner(w.core, "cc-1", true, w.now), ERR_OK);
	assert_int_equal(router_core_owner(w.core, "cc-2", true, w.now), ERR_OK);
	state(&w, "a1", AGENT_READY);
	enqueue(&w, "c2", "sales", T0 - 10, 0);
	assert_int_equal(router_core_assert_end(w.core, "cc-1", 7, w.now), ERR_OK); /* an older epoch's */
	assert_int_equal(router_core_assert_end(w.core, "cc-1", 8, w.now), ERR_OK);
	expect_reserve(&w, "c2", NULL);
	enqueue(&w, "c1", "sales", T0 - 20, 0);
	assert_int_equal(router_core_assert_end(w.core, "cc-2", 8, w.now), ERR_OK);
	expect_reserve(&w, "c1", "a1");
	expect_reserve(&w, "c2", NULL);
	world_free(&w);
}

static void a_new_leader_does_not_wait_for_a_holder_who_never_ends(void **arg)
{
	struct world w = world_open(8);

	UNUSED(arg);
	queues(&w);
	agent_with(&w, "a1", "sales", 9);
	assert_int_equal(router_core_owner(w.core, "cc-1", true, w.now), ERR_OK);
	state(&w, "a1", AGENT_READY);
	enqueue(&w, "c1", "sales", T0, 0);
	later(&w, 450);
	expect_reserve(&w, "c1", NULL);
	later(&w, 100);
	expect_reserve(&w, "c1", "a1");
	world_free(&w);
}

static void a_new_leader_takes_over_the_reservation_of_the_old_one(void **arg)
{
	struct world w = world_open(8);

	UNUSED(arg);
	queues(&w);
	agent_with(&w, "a1", "sales", 9);
	agent_with(&w, "a2", "sales", 9);
	state_of_call(&w, "a1", AGENT_RESERVED, "c1", 7);
	state(&w, "a2", AGENT_READY);
	enqueue(&w, "c1", "sales", T0, 0);
	assert_true(find_fx(&w, ROUTER_FX_RESERVE, "c1")->take_over);
	expect_reserve(&w, "c1", "a1");
	reserved(&w, "a1", "c1", ERR_OK);
	assert_string_equal(find_fx(&w, ROUTER_FX_ASSIGNED, "c1")->agent_id, "a1");
	drop_effects(&w);
	later(&w, 600);
	expect_reserve(&w, "c1", NULL);
	/* The old assignment was refused as old; the new one is under way. */
	result(&w, "a1", "c1", 7, ROUTER_STALE);
	assert_null(find_fx(&w, ROUTER_FX_AGENT, NULL));
	world_free(&w);
}

static void a_leader_whose_bus_was_away_asks_who_waits_before_it_goes_on(void **arg)
{
	struct world w = world_new();

	UNUSED(arg);
	queues(&w);
	agent_with(&w, "a1", "sales", 9);
	assert_int_equal(router_core_owner(w.core, "cc-1", true, w.now), ERR_OK);
	assert_int_equal(router_core_owner(w.core, "cc-2", true, w.now), ERR_OK);
	later(&w, 1000);
	assert_int_equal(router_core_collect(w.core, w.now), ERR_OK);
	state(&w, "a1", AGENT_READY);
	enqueue(&w, "c2", "sales", w.now, 0); /* what c1's holder said was lost */
	assert_int_equal(router_core_assert_end(w.core, "cc-1", 7, w.now), ERR_OK);
	expect_reserve(&w, "c2", NULL);
	enqueue(&w, "c1", "sales", w.now - 100, 0);
	assert_int_equal(router_core_assert_end(w.core, "cc-2", 7, w.now), ERR_OK);
	expect_reserve(&w, "c1", "a1");
	/* A holder who never ends: not for ever. */
	assert_int_equal(router_core_collect(w.core, w.now), ERR_OK);
	agent_with(&w, "a2", "sales", 9);
	state(&w, "a2", AGENT_READY);
	later(&w, 1400);
	expect_reserve(&w, "c2", NULL);
	later(&w, 200);
	expect_reserve(&w, "c2", "a2");
	world_free(&w);
}

static void a_core_that_sees_a_newer_epoch_wants_nothing_any_more(void **arg)
{
	struct world w = world_new();
	struct router_agent_in in;

	UNUSED(arg);
	queues(&w);
	agent_with(&w, "a1", "sales", 9);
	enqueue(&w, "c1", "sales", T0, 0);
	drop_effects(&w);
	assert_int_equal(router_core_assert_end(w.core, "cc-1", 8, w.now), ERR_ABORTED);
	in = record(&w, "a1", AGENT_READY);
	assert_int_equal(router_core_agent(w.core, &in, w.now), ERR_ABORTED);
	expect_reserve(&w, "c1", NULL);
	world_free(&w);
	/* The same by a record that a newer leader has written. */
	w = world_new();
	in = record(&w, "a1", AGENT_RESERVED);
	in.call_id = "c1";
	in.router_epoch = 8;
	assert_int_equal(router_core_agent(w.core, &in, w.now), ERR_ABORTED);
	world_free(&w);
}

static void a_reservation_by_a_fenced_leader_is_given_back(void **arg)
{
	struct world w = world_assigned();

	UNUSED(arg);
	/* c1 has a1; an older leader's write makes a2 reserved for it as well. */
	drop_effects(&w);
	state_of_call(&w, "a2", AGENT_RESERVED, "c1", 6);
	assert_null(find_fx(&w, ROUTER_FX_AGENT, NULL)); /* whom its owner took is for its owner to say */
	result(&w, "a1", "c1", 7, ROUTER_ACCEPTED);
	assert_string_equal(find_fx(&w, ROUTER_FX_AGENT, NULL)->agent_id, "a2");
	assert_string_equal(find_fx(&w, ROUTER_FX_AGENT, NULL)->cause, "superseded");
	drop_effects(&w);
	/* A call that nobody has here: its owner says that the assignment was old. */
	agent_with(&w, "a3", "sales", 9);
	state_of_call(&w, "a3", AGENT_RESERVED, "c9", 6);
	assert_null(find_fx(&w, ROUTER_FX_AGENT, NULL));
	result(&w, "a3", "c9", 6, ROUTER_STALE);
	assert_string_equal(find_fx(&w, ROUTER_FX_AGENT, NULL)->cause, "stale-assignment");
	world_free(&w);
}

/* ---- a tenant that moves to another pool (GT-3) ------------------------------------------------------------------------ */

static void a_tenant_that_leaves_is_forgotten_without_a_word(void **arg)
{
	struct world w = world_assigned(); /* c1 has a1 */
	struct router_core_stats st;
	struct router_agent_in in;

	UNUSED(arg);
	state(&w, "a2", AGENT_READY);
	enqueue(&w, "c2", "any", w.now, 0); /* a2 is being reserved for it */
	expect_reserve(&w, "c2", "a2");
	enqueue(&w, "c3", "sales", w.now, 0); /* waits */
	state_of_call(&w, "a3", AGENT_ON_CALL, "c0", 7);
	drop_effects(&w);
	assert_true(router_core_knows(w.core, "acme"));
	assert_int_equal(router_core_leave(w.core, "acme", w.now), ERR_OK);
	assert_false(router_core_knows(w.core, "acme"));
	/* What was under way: the answer to our write, the record with the epoch of the new leader, what holders say. */
	reserved(&w, "a2", "c2", ERR_OK);
	in = record(&w, "a1", AGENT_RESERVED);
	in.call_id = "c1";
	in.router_epoch = 8;
	put(&w, &in);
	result(&w, "a1", "c1", 8, ROUTER_ACCEPTED);
	enqueue(&w, "c4", "sales", w.now, 0);
	agent_with(&w, "a4", "sales", 9);
	state(&w, "a4", AGENT_READY);
	queues(&w);
	later(&w, 60000);
	assert_null(find_fx(&w, ROUTER_FX_RESERVE, NULL));
	assert_null(find_fx(&w, ROUTER_FX_AGENT, NULL));
	assert_null(find_fx(&w, ROUTER_FX_LOOK, NULL));
	assert_null(find_fx(&w, ROUTER_FX_ASSIGNED, NULL));
	assert_null(find_fx(&w, ROUTER_FX_REFUSED, NULL));
	router_core_stats(w.core, &st);
	assert_int_equal(st.calls + st.calls_waiting + st.agents_idle + st.queues, 0);
	assert_int_equal(router_core_leave(w.core, "acme", w.now), ERR_OK); /* twice is once */
	world_free(&w);
}

static void put_tenant(struct world *w, const char *tenant, const char *agent)
{
	struct router_queue_conf q = { .id = "q" };
	struct router_agent_conf a = { .tenant = tenant, .agent_id = agent, .enabled = true };
	struct router_agent_in in = record(w, agent, AGENT_READY);
	struct router_enqueue_in c = call_in(tenant, "q", w->now, 0); /* the call is called as the tenant */

	in.tenant = c.tenant = tenant;
	c.owner = "cc-2";
	assert_int_equal(
	    router_core_tenant(w->core, &(struct router_tenant_conf){ .tenant = tenant, .queues = &q, .n_queues = 1 },
			       w->now),
	    ERR_OK);
	assert_int_equal(router_core_agent_conf(w->core, &a, w->now), ERR_OK);
	assert_int_equal(router_core_enqueue(w->core, &c, w->now), ERR_OK);
	put(w, &in);
}

static void the_others_notice_nothing_when_one_leaves(void **arg)
{
	struct world w = world_new();

	UNUSED(arg);
	assert_int_equal(router_core_owner(w.core, "cc-2", true, w.now), ERR_OK);
	put_tenant(&w, "one", "1");
	put_tenant(&w, "two", "1");
	expect_reserve(&w, "one", "1");
	expect_reserve(&w, "two", "1");
	drop_effects(&w);
	assert_int_equal(router_core_leave(w.core, "one", w.now), ERR_OK);
	assert_true(router_core_knows(w.core, "two"));
	assert_int_equal(calls(&w), 1);
	assert_int_equal(router_core_reserved(w.core,
					      &(struct router_reserved_in){ .tenant = "two",
									    .agent_id = "1",
									    .call_id = "two",
									    .revision = ++w.revision,
									    .leg_id = "leg" },
					      w.now),
			 ERR_OK);
	assert_non_null(find_fx(&w, ROUTER_FX_ASSIGNED, "two"));
	world_free(&w);
}

static void a_dead_holders_calls_of_a_tenant_that_leaves_hold_up_nobody(void **arg)
{
	struct world w = world_new();

	UNUSED(arg);
	queues(&w);
	assert_int_equal(router_core_owner(w.core, "cc-1", true, w.now), ERR_OK);
	assert_int_equal(router_core_owner(w.core, "cc-2", true, w.now), ERR_OK);
	enqueue(&w, "c1", "any", w.now, 0);
	assert_int_equal(router_core_owner(w.core, "cc-1", false, w.now), ERR_OK);
	put_tenant(&w, "two", "1");
	expect_reserve(&w, "two", NULL); /* all wait until c1 is somebody's */
	drop_effects(&w);
	assert_int_equal(router_core_leave(w.core, "acme", w.now), ERR_OK);
	expect_reserve(&w, "two", "1");
	world_free(&w);
}

/* ---- memory ---------------------------------------------------------------------------------------------------------- */

static err_t scenario(void *arg)
{
	struct router_core *core;
	err_t e = router_core_new(&core, &(struct router_core_params){ .epoch = 1, .now_ms = T0, .collect_ms = 1 });
	struct router_skill s[] = { { "a", 1 }, { "b", 2 } };
	struct router_queue_conf q = { .id = "q", .skills = s, .n_skills = 2 };
	struct router_agent_conf a = { .tenant = "t", .agent_id = "1", .skills = s, .n_skills = 2, .enabled = true };
	struct router_agent_in r = { .tenant = "t",
				     .agent_id = "1",
				     .revision = 1,
				     .state = AGENT_READY,
				     .on_duty = true,
				     .ready_since_ms = T0,
				     .call_id = "",
				     .leg_id = "",
				     .site = "" };
	const char *tried[] = { "1" };
	struct router_enqueue_in c = { .owner = "cc",
				       .tenant = "t",
				       .call_id = "c",
				       .queue_id = "q",
				       .arrival_ms = T0,
				       .tried = tried,
				       .n_tried = 1,
				       .agent_id = "" };

	UNUSED(arg);
	if (e)
		return e;
	if ((e = router_core_tenant(core, &(struct router_tenant_conf){ .tenant = "t", .queues = &q, .n_queues = 1 },
				    T0)) ||
	    (e = router_core_agent_conf(core, &a, T0)) || (e = router_core_agent(core, &r, T0)) ||
	    (e = router_core_time(core, T0 + 10)) || (e = router_core_enqueue(core, &c, T0 + 11)) ||
	    (e = router_core_tenant(core, &(struct router_tenant_conf){ .tenant = "t" }, T0)) ||
	    (e = router_core_leave(core, "t", T0)))
		goto out;
	router_core_effects_done(core);
out:
	router_core_free(&core);
	return e;
}

static void without_memory_the_core_says_so_and_frees_everything(void **arg)
{
	err_t e = ERR_EXHAUSTED;

	UNUSED(arg);
	for (long n = 0; e; n++) {
		mem_fail_after(n);
		e = scenario(NULL);
		mem_fail_after(-1);
		assert_true(e == ERR_OK || e == ERR_EXHAUSTED);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_leader_assigns_nothing_before_all_have_asserted_and_then_in_order),
		cmocka_unit_test(a_leader_whose_bus_was_away_asks_who_waits_before_it_goes_on),
		cmocka_unit_test(a_new_leader_does_not_wait_for_a_holder_who_never_ends),
		cmocka_unit_test(a_new_leader_takes_over_the_reservation_of_the_old_one),
		cmocka_unit_test(a_core_that_sees_a_newer_epoch_wants_nothing_any_more),
		cmocka_unit_test(a_reservation_by_a_fenced_leader_is_given_back),
		cmocka_unit_test(a_tenant_that_leaves_is_forgotten_without_a_word),
		cmocka_unit_test(the_others_notice_nothing_when_one_leaves),
		cmocka_unit_test(a_dead_holders_calls_of_a_tenant_that_leaves_hold_up_nobody),
		cmocka_unit_test(without_memory_the_core_says_so_and_frees_everything),
	};

	return cmocka_run_group_tests_name("router core, take-over", tests, NULL, NULL);
}
