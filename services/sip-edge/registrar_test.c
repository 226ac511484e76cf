#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "edge_wire.h"
#include "guard.h"
#include "registrar.h"
#include "testkit/testkit.h"
#include "tombs.h"
#include "trunk_use.h"

static const struct registrar_limits limits = { .min_s = 30, .max_s = 3600, .default_s = 600, .max_contacts = 3 };

static struct reg_request one(const char *uri, int64_t expires_s, const char *call_id, uint32_t cseq)
{
	struct reg_request rq = { .n_contacts = 1,
				  .expires_s = -1,
				  .call_id = call_id,
				  .cseq = cseq,
				  .route = "",
				  .path = "",
				  .user_agent = "",
				  .edge = "edge-1" };

	rq.contacts[0] = (struct reg_contact){ .uri = uri, .instance_id = "", .expires_s = expires_s, .q = 1000 };
	return rq;
}

static int setup(void **state)
{
	assert_int_equal(registrar_new((struct registrar **)state, &limits), ERR_OK);
	return 0;
}

static int teardown(void **state)
{
	registrar_free((struct registrar **)state);
	return 0;
}

static void a_phone_registers_refreshes_and_expires(void **state)
{
	struct registrar *r = *state;
	struct reg_request rq = one("sip:1001@10.0.0.1", 60, "c1", 1);
	const struct aor *a;

	assert_int_equal(registrar_update(r, "acme", "1001", &rq, 1000, &a), 200);
	assert_int_equal(a->n, 1);
	assert_int_equal(a->b[0].expires_ms, 61000);
	rq.cseq = 2;
	assert_int_equal(registrar_update(r, "acme", "1001", &rq, 50000, &a), 200);
	assert_int_equal(a->n, 1);
	assert_int_equal(a->b[0].expires_ms, 110000);
	assert_non_null(registrar_find(r, "acme", "1001", 109999));
	assert_null(registrar_find(r, "acme", "1001", 110000));
	assert_int_equal(registrar_count(r), 0);
}

static void tenants_with_equal_agent_ids_stay_apart(void **state)
{
	struct registrar *r = *state;
	struct reg_request rq = one("sip:1001@10.0.0.1", 60, "c1", 1);
	const struct aor *a;

	assert_int_equal(registrar_update(r, "acme", "1001", &rq, 0, &a), 200);
	assert_null(registrar_find(r, "globex", "1001", 0));
}

static void times_are_bounded(void **state)
{
	struct registrar *r = *state;
	static const struct {
		int64_t contact_s, header_s;
		unsigned status;
		int64_t got_s;
	} rows[] = {
		{ 29, -1, 423, 0 },   { 30, -1, 200, 30 },   { 999999, -1, 200, 3600 }, { -1, 90, 200, 90 },
		{ -1, -1, 200, 600 }, { 120, 90, 200, 120 }, { -1, 5, 423, 0 },
	};
	const struct aor *a;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct reg_request rq = one("sip:a@b", rows[i].contact_s, "c", (uint32_t)i + 1);

		rq.expires_s = rows[i].header_s;
		assert_int_equal(registrar_update(r, "acme", "1", &rq, 0, &a), rows[i].status);
		if (rows[i].status == 200)
			assert_int_equal(a->b[0].expires_ms, rows[i].got_s * 1000);
	}
}

static void unregistering_removes_one_or_all(void **state)
{
	struct registrar *r = *state;
	struct reg_request a1 = one("sip:a@1", 60, "c1", 1), a2 = one("sip:a@2", 60, "c2", 1),
			   off = one("sip:a@1", 0, "c1", 2);
	struct reg_request star = { .star = true,
				    .expires_s = 0,
				    .call_id = "c3",
				    .cseq = 1,
				    .route = "",
				    .path = "",
				    .user_agent = "",
				    .edge = "" };
	const struct aor *a;

	registrar_update(r, "acme", "1", &a1, 0, &a);
	registrar_update(r, "acme", "1", &a2, 0, &a);
	assert_int_equal(a->n, 2);
	assert_int_equal(registrar_update(r, "acme", "1", &off, 0, &a), 200);
	assert_int_equal(a->n, 1);
	assert_string_equal(a->b[0].contact, "sip:a@2");
	star.expires_s = 60;
	assert_int_equal(registrar_update(r, "acme", "1", &star, 0, &a), 400);
	star.expires_s = 0;
	assert_int_equal(registrar_update(r, "acme", "1", &star, 0, &a), 200);
	assert_null(a);
	assert_int_equal(registrar_count(r), 0);
}

static void an_older_cseq_of_the_same_call_id_changes_nothing(void **state)
{
	struct registrar *r = *state;
	struct reg_request rq = one("sip:a@1", 60, "c1", 5);
	const struct aor *a;

	registrar_update(r, "acme", "1", &rq, 0, &a);
	rq.contacts[0].expires_s = 0;
	assert_int_equal(registrar_update(r, "acme", "1", &rq, 0, &a), 500);
	rq.cseq = 4;
	assert_int_equal(registrar_update(r, "acme", "1", &rq, 0, &a), 500);
	assert_non_null(registrar_find(r, "acme", "1", 0));
	rq.call_id = "restarted";
	rq.cseq = 1;
	assert_int_equal(registrar_update(r, "acme", "1", &rq, 0, &a), 200);
	assert_null(registrar_find(r, "acme", "1", 0));
}

static void the_same_instance_with_a_new_address_replaces_the_old(void **state)
{
	struct registrar *r = *state;
	struct reg_request x = one("sip:a@1", 60, "c1", 1), y = one("sip:a@2", 60, "c2", 1);
	const struct aor *a;

	x.contacts[0].instance_id = y.contacts[0].instance_id = "<urn:uuid:1>";
	registrar_update(r, "acme", "1", &x, 0, &a);
	registrar_update(r, "acme", "1", &y, 0, &a);
	assert_int_equal(a->n, 1);
	assert_string_equal(a->b[0].contact, "sip:a@2");
}

static void one_phone_too_many_replaces_the_one_that_ends_first(void **state)
{
	struct registrar *r = *state;
	const struct aor *a = NULL;

	for (int i = 0; i < 4; i++) {
		char uri[32], call_id[8];
		struct reg_request rq;

		snprintf(uri, sizeof(uri), "sip:a@%d", i);
		snprintf(call_id, sizeof(call_id), "c%d", i);
		rq = one(uri, i == 1 ? 40 : 100, call_id, 1);
		assert_int_equal(registrar_update(r, "acme", "1", &rq, 0, &a), 200);
	}
	assert_int_equal(a->n, 3);
	for (size_t i = 0; i < a->n; i++)
		assert_string_not_equal(a->b[i].contact, "sip:a@1");
}

static void a_request_is_taken_whole_or_not_at_all(void **state)
{
	struct registrar *r = *state;
	struct reg_request rq = one("sip:a@1", 60, "c1", 1);
	const struct aor *a;

	rq.n_contacts = 2;
	rq.contacts[1] = (struct reg_contact){ .uri = "sip:a@2", .instance_id = "", .expires_s = 5 };
	assert_int_equal(registrar_update(r, "acme", "1", &rq, 0, &a), 423);
	assert_null(registrar_find(r, "acme", "1", 0));
	rq.n_contacts = 0; /* only asks */
	assert_int_equal(registrar_update(r, "acme", "1", &rq, 0, &a), 200);
	assert_null(a);
}

static void bindings_come_back_from_their_record(void **state)
{
	struct registrar *r = *state;
	struct reg_request rq = one("sip:a@1;x=y", 60, "c1", 7);
	struct str bytes = STR_INIT;
	const struct aor *a;
	struct aor back;
	bool own;

	rq.path = "<sip:proxy;lr>";
	rq.route = "sip:1.2.3.4:5;transport=tcp";
	registrar_update(r, "acme", "1", &rq, 0, &a);
	edge_wire_bindings_to_pb(&bytes, a, "edge-1");
	assert_int_equal(edge_wire_bindings_from_pb(&back, "acme.1", bytes.data, bytes.len, "edge-1", &own), ERR_OK);
	assert_true(own);
	assert_int_equal(back.n, 1);
	assert_string_equal(back.b[0].contact, "sip:a@1;x=y");
	assert_string_equal(back.b[0].path, "<sip:proxy;lr>");
	assert_int_equal(back.b[0].cseq, 7);
	registrar_remove(r, "acme.1");
	assert_int_equal(registrar_put(r, &back), ERR_OK);
	assert_non_null(registrar_find(r, "acme", "1", 0));
	registrar_sweep(r, 60000);
	assert_int_equal(registrar_count(r), 0);
	assert_int_equal(edge_wire_bindings_from_pb(&back, "k", "\xff\xff", 2, "e", &own), ERR_INVALID);
	str_done(&bytes);
}

static err_t fill(void *arg)
{
	struct registrar *r = NULL;
	struct reg_request rq = one("sip:a@1", 60, "c1", 1);
	const struct aor *a;
	err_t e = registrar_new(&r, &limits);

	(void)arg;
	if (!e && registrar_update(r, "acme", "1", &rq, 0, &a) != 200)
		e = ERR_EXHAUSTED;
	registrar_free(&r);
	return e;
}

static void no_memory_is_told_not_crashed(void **state)
{
	(void)state;
	testkit_each_alloc_failure(fill, NULL);
}

/* ---- guard and tombs ---- */

static void guessing_is_stopped_for_the_guesser_only(void **state)
{
	struct guard *g;

	(void)state;
	assert_int_equal(guard_new(&g), ERR_OK);
	for (int i = 0; i < GUARD_TRIES; i++) {
		assert_false(guard_blocked(g, "evil", "1001", 0));
		guard_failed(g, "evil", "1001", 0);
	}
	assert_true(guard_blocked(g, "evil", "1001", 1));
	assert_false(guard_blocked(g, "evil", "1002", 1));
	assert_false(guard_blocked(g, "home", "1001", 1));
	assert_false(guard_blocked(g, "evil", "1001", GUARD_WINDOW_MS));
	for (int i = 0; i < GUARD_SOURCE_TRIES; i++) {
		char user[16];

		snprintf(user, sizeof(user), "%d", i);
		guard_failed(g, "scan", user, 0);
	}
	assert_true(guard_blocked(g, "scan", "any", 1));
	guard_failed(g, "typo", "1001", 0);
	guard_succeeded(g, "typo", "1001");
	for (int i = 0; i < GUARD_TRIES - 1; i++)
		guard_failed(g, "typo", "1001", 0);
	assert_false(guard_blocked(g, "typo", "1001", 1));
	guard_free(&g);
}

static void tombs_are_bounded_and_the_newest_stay(void **state)
{
	struct tombs *t;
	struct tomb x = { .cause = "bye" };

	(void)state;
	assert_int_equal(tombs_new(&t, 4), ERR_OK);
	for (int i = 0; i < 10; i++) {
		snprintf(x.leg_id, sizeof(x.leg_id), "leg%d", i);
		tombs_add(t, &x);
	}
	assert_null(tombs_find(t, "leg5"));
	assert_non_null(tombs_find(t, "leg6"));
	assert_string_equal(tombs_find(t, "leg9")->cause, "bye");
	tombs_free(&t);
}

static void a_full_trunk_takes_no_more_and_places_come_back(void **state)
{
	struct trunk_uses *u;
	struct trunk_use *a, *b, *c = NULL, *d;

	(void)state;
	assert_int_equal(trunk_uses_new(&u), ERR_OK);
	assert_int_equal(trunk_use_take(&a, u, "acme", "t", 2), ERR_OK);
	assert_int_equal(trunk_use_take(&b, u, "acme", "t", 2), ERR_OK);
	assert_int_equal(trunk_use_take(&c, u, "acme", "t", 2), ERR_EXHAUSTED);
	assert_int_equal(trunk_use_take(&d, u, "globex", "t", 2), ERR_OK);
	trunk_use_give(u, &c); /* NULL: nothing */
	trunk_use_give(u, &a);
	assert_int_equal(trunk_use_take(&c, u, "acme", "t", 2), ERR_OK);
	trunk_use_give(u, &b);
	trunk_use_give(u, &c);
	trunk_use_give(u, &d);
	trunk_uses_free(&u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_phone_registers_refreshes_and_expires, setup, teardown),
		cmocka_unit_test_setup_teardown(tenants_with_equal_agent_ids_stay_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(times_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(unregistering_removes_one_or_all, setup, teardown),
		cmocka_unit_test_setup_teardown(an_older_cseq_of_the_same_call_id_changes_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(the_same_instance_with_a_new_address_replaces_the_old, setup, teardown),
		cmocka_unit_test_setup_teardown(one_phone_too_many_replaces_the_one_that_ends_first, setup, teardown),
		cmocka_unit_test_setup_teardown(a_request_is_taken_whole_or_not_at_all, setup, teardown),
		cmocka_unit_test_setup_teardown(bindings_come_back_from_their_record, setup, teardown),
		cmocka_unit_test(no_memory_is_told_not_crashed),
		cmocka_unit_test(guessing_is_stopped_for_the_guesser_only),
		cmocka_unit_test(tombs_are_bounded_and_the_newest_stay),
		cmocka_unit_test(a_full_trunk_takes_no_more_and_places_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
