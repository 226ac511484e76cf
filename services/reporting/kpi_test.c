/* Counting, pure. A recount by brute force is the judge: whatever the order and however often an event comes. */
#include "kpi.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "base/str.h"

#define T0 (1700000100000 - 1700000100000 % KPI_INTERVAL_MS)

static uint32_t rng_state = 1;

static uint32_t rng(void)
{
	rng_state = rng_state * 1664525u + 1013904223u;
	return rng_state >> 8;
}

static struct kpi_event blank(enum kpi_kind kind, const char *call, uint64_t seq, int64_t at)
{
	return (struct kpi_event){
		.kind = kind, .tenant = kpi_text("acme"), .call_id = kpi_text(call), .seq = seq, .time_ms = at
	};
}

static struct kpi_event in_queue(enum kpi_kind kind, const char *call, uint64_t seq, int64_t at, int64_t waited)
{
	struct kpi_event ev = blank(kind, call, seq, at);

	ev.queue_id = kpi_text("sales");
	ev.agent_id =
	    kpi_text(kind == KPI_AGENT_ANSWERED || kind == KPI_RESERVED || kind == KPI_NO_ANSWER ? "1001" : "");
	ev.waited_ms = waited;
	ev.arrival_ms = at - waited;
	ev.service_level_ms = 20000;
	ev.cause = kpi_text(kind == KPI_DEQUEUED ? "abandoned" : "");
	return ev;
}

static struct kpi_event ended(const char *call, uint64_t seq, int64_t at, int64_t talk)
{
	struct kpi_event ev = in_queue(KPI_ENDED, call, seq, at, 0);

	ev.agent_id = kpi_text(talk ? "1001" : "");
	ev.offered_ms = at - talk - 1000;
	ev.agent_answered_ms = talk ? at - talk : 0;
	ev.ended_ms = at;
	ev.talk_ms = talk;
	ev.disposition = kpi_text(talk ? "answered" : "abandoned");
	return ev;
}

/* Of the only tenant and its only queue or agent. */
static struct kpi_queue_interval *queue_rows(struct kpi_batch *b)
{
	assert_non_null(b->tenants); /* NULL: no memory, as in the rows */
	assert_null(b->tenants->next);
	return b->tenants->queues ? b->tenants->queues->intervals : NULL;
}

static struct kpi_agent_interval *agent_rows(struct kpi_batch *b)
{
	assert_non_null(b->tenants); /* NULL: no memory, as in the rows */
	assert_null(b->tenants->next);
	return b->tenants->agents ? b->tenants->agents->intervals : NULL;
}

static struct kpi_queue_interval *queue_row(struct kpi_batch *b, int64_t start)
{
	for (struct kpi_queue_interval *q = queue_rows(b); q; q = q->next)
		if (q->span.start_ms == start)
			return q;
	fail_msg("no interval at %lld", (long long)start);
	return NULL;
}

static void answered_within_the_target_is_service_level_KP_21_KP_9(void **state)
{
	struct kpi_event list[] = {
		in_queue(KPI_ENQUEUED, "c1", 1, T0, 0),	      in_queue(KPI_AGENT_ANSWERED, "c1", 2, T0 + 20000, 20000),
		in_queue(KPI_ENQUEUED, "c2", 1, T0, 0),	      in_queue(KPI_AGENT_ANSWERED, "c2", 2, T0 + 20001, 20001),
		in_queue(KPI_ENQUEUED, "c3", 1, T0 + 100, 0), in_queue(KPI_DEQUEUED, "c3", 2, T0 + 4100, 4000)
	};
	struct kpi_batch *b;
	struct kpi_queue_interval *q;

	(void)state;
	assert_int_equal(kpi_batch_new(&b), ERR_OK);
	for (size_t i = 0; i < ARRAY_SIZE(list); i++)
		kpi_apply(b, &list[i], 1);
	q = queue_row(b, T0);
	assert_int_equal(q->offered, 3);
	assert_int_equal(q->answered, 2);
	assert_int_equal(q->answered_in_target, 1);
	assert_int_equal(q->wait_answered_ms, 40001);
	assert_int_equal(q->abandoned, 1);
	assert_int_equal(q->abandoned_short, 1);
	assert_int_equal(q->abandoned_20s, 1);
	assert_int_equal(q->wait_max_ms, 20001);
	kpi_batch_free(&b);
}

static void an_answer_counts_in_the_interval_of_the_arrival(void **state)
{
	struct kpi_event a = in_queue(KPI_ENQUEUED, "c1", 1, T0 + KPI_INTERVAL_MS - 1000, 0);
	struct kpi_event z = in_queue(KPI_AGENT_ANSWERED, "c1", 2, T0 + KPI_INTERVAL_MS + 4000, 5000);
	struct kpi_batch *b;

	(void)state;
	assert_int_equal(kpi_batch_new(&b), ERR_OK);
	kpi_apply(b, &a, 1);
	kpi_apply(b, &z, 1);
	assert_non_null(queue_rows(b));
	assert_null(queue_rows(b)->next);
	assert_int_equal(queue_row(b, T0)->answered, 1);
	kpi_batch_free(&b);
}

static void time_in_a_state_is_spread_over_its_intervals_KP_13(void **state)
{
	struct kpi_event ev = blank(KPI_AGENT_STATE, "", 1, T0 + 2 * KPI_INTERVAL_MS + 5000);
	struct kpi_batch *b;
	int64_t sum = 0, rows = 0;

	(void)state;
	ev.agent_id = kpi_text("1001");
	ev.state = KPI_READY;
	ev.duration_ms = KPI_INTERVAL_MS + 10000;
	assert_int_equal(kpi_batch_new(&b), ERR_OK);
	kpi_apply(b, &ev, 1);
	for (struct kpi_agent_interval *a = agent_rows(b); a; a = a->next, rows++) {
		assert_true(a->ready_ms <= KPI_INTERVAL_MS);
		sum += a->ready_ms;
	}
	assert_int_equal(rows, 3);
	assert_int_equal(sum, KPI_INTERVAL_MS + 10000);
	kpi_batch_free(&b);
}

static void a_forgotten_sign_out_does_not_fill_years(void **state)
{
	struct kpi_event ev = blank(KPI_AGENT_STATE, "", 1, T0);
	struct kpi_batch *b;
	int64_t rows = 0;

	(void)state;
	ev.agent_id = kpi_text("1001");
	ev.state = KPI_BUSY;
	ev.duration_ms = INT64_MAX / 2;
	assert_int_equal(kpi_batch_new(&b), ERR_OK);
	kpi_apply(b, &ev, 1);
	for (struct kpi_agent_interval *a = agent_rows(b); a; a = a->next)
		rows++;
	assert_true(rows <= 7 * 96 + 1);
	kpi_batch_free(&b);
}

static void a_number_is_new_once_in_any_order(void **state)
{
	(void)state;
	for (int round = 0; round < 200; round++) {
		struct kpi_seen s = { 0, 0 };
		uint64_t list[60];
		int n = 60;

		for (int i = 0; i < n; i++)
			list[i] = (uint64_t)i + 1;
		for (int i = n - 1; i > 0; i--) {
			uint64_t k = rng() % (unsigned)(i + 1), t = list[i];

			list[i] = list[k];
			list[k] = t;
		}
		for (int i = 0; i < n; i++) {
			assert_true(kpi_seen_add(&s, list[i]));
			assert_false(kpi_seen_add(&s, list[rng() % (unsigned)(i + 1)]));
		}
		assert_int_equal(s.upto, 60);
		assert_int_equal(s.bits, 0);
	}
}

static void zero_and_far_jumps_do_no_harm(void **state)
{
	struct kpi_seen s = { 0, 0 };

	(void)state;
	assert_false(kpi_seen_add(&s, 0));
	assert_true(kpi_seen_add(&s, 1000000));
	assert_true(s.upto < 1000000);
	assert_false(kpi_seen_add(&s, 1));
	assert_true(kpi_seen_add(&s, 999999));
	assert_true(kpi_seen_add(&s, UINT64_MAX));
	assert_false(kpi_seen_add(&s, UINT64_MAX));
}

/* The same story told in another order, some of it twice, gives the same books. */
static void order_and_repetition_change_nothing(void **state)
{
	enum { CALLS = 200, PER = 4 };
	static struct kpi_event list[CALLS * PER];
	static char names[CALLS][16];
	int64_t answered = 0, abandoned = 0, talk = 0, waited = 0;
	size_t n = 0;

	(void)state;
	for (int i = 0; i < CALLS; i++) {
		int64_t at = T0 + rng() % (4 * KPI_INTERVAL_MS), wait = rng() % 40000, spoken = 1000 + rng() % 100000;
		bool ok = rng() % 3 != 0;

		snprintf(names[i], sizeof(names[i]), "c%d", i);
		list[n++] = in_queue(KPI_ENQUEUED, names[i], 1, at, 0);
		list[n++] = in_queue(KPI_RESERVED, names[i], 2, at + wait, wait);
		list[n++] = in_queue(ok ? KPI_AGENT_ANSWERED : KPI_DEQUEUED, names[i], 3, at + wait, wait);
		list[n++] = ended(names[i], 4, at + wait + (ok ? spoken : 0), ok ? spoken : 0);
		answered += ok;
		abandoned += !ok;
		talk += ok ? spoken : 0;
		waited += ok ? wait : 0;
	}
	for (int round = 0; round < 5; round++) {
		int64_t sum[5] = { 0 };
		struct kpi_batch *b;

		for (size_t i = n - 1; i > 0; i--) {
			size_t k = rng() % (i + 1);
			struct kpi_event t = list[i];

			list[i] = list[k];
			list[k] = t;
		}
		assert_int_equal(kpi_batch_new(&b), ERR_OK);
		for (size_t i = 0; i < n; i++) {
			kpi_apply(b, &list[i], 1);
			kpi_apply(b, &list[rng() % (i + 1)], 1);
		}
		for (struct kpi_queue_interval *q = queue_rows(b); q; q = q->next) {
			sum[0] += q->offered;
			sum[1] += q->answered;
			sum[2] += q->abandoned;
			sum[3] += q->talk_ms;
			sum[4] += q->wait_answered_ms;
		}
		assert_int_equal(sum[0], CALLS);
		assert_int_equal(sum[1], answered);
		assert_int_equal(sum[2], abandoned);
		assert_int_equal(sum[3], talk);
		assert_int_equal(sum[4], waited);
		assert_int_equal(b->applied, n);
		assert_int_equal(b->repeated, n);
		kpi_batch_free(&b);
	}
}

static void out_of_memory_marks_the_batch(void **state)
{
	struct kpi_event ev = in_queue(KPI_ENQUEUED, "c1", 1, T0, 0);
	struct kpi_batch *b;

	(void)state;
	assert_int_equal(kpi_batch_new(&b), ERR_OK);
	mem_fail_after(0);
	kpi_apply(b, &ev, 1);
	mem_fail_after(-1);
	assert_true(b->failed);
	kpi_batch_free(&b);
}

/* Many tenants with the same ids, in one batch that is used again: each finds its own rows, as if there were no others. */
static void tenants_agents_and_calls_of_the_same_names_are_kept_apart(void **state)
{
	enum { TENANTS = 40, IDS = 60 };
	static char tenants[TENANTS][16], ids[IDS][48];
	static struct kpi_event list[TENANTS * IDS * 2];
	struct kpi_batch *b;
	size_t n = 0;

	(void)state;
	for (int t = 0; t < TENANTS; t++)
		snprintf(tenants[t], sizeof(tenants[t]), "t%d", t);
	for (int i = 0; i < IDS; i++) /* of every length */
		snprintf(ids[i], sizeof(ids[i]), "%.*s%d", i % 30, "abcdefghijklmnopqrstuvwxyzabcdef", i);
	assert_int_equal(kpi_batch_new(&b), ERR_OK);
	for (int round = 0; round < 3; round++, n = 0) {
		kpi_batch_reset(b);
		for (int i = 0; i < IDS; i++) {
			for (int t = 0; t < TENANTS; t++) {
				list[n] = in_queue(KPI_RESERVED, ids[i], 1, T0, 0);
				list[n].queue_id = list[n].agent_id = kpi_text(ids[i]);
				list[n++].tenant = kpi_text(tenants[t]);
				list[n] = in_queue(KPI_ENQUEUED, ids[i], 2, T0, 0);
				list[n].queue_id = kpi_text(ids[IDS - 1 - i]);
				list[n++].tenant = kpi_text(tenants[t]);
			}
		}
		assert_true(kpi_place(b, list, n));
		kpi_apply(b, list, n);
		assert_int_equal(b->applied, n);
		for (struct kpi_tenant *t = b->tenants; t; t = t->next) {
			int calls = 0;

			for (struct kpi_call *c = t->calls; c; c = c->next, calls++) {
				assert_int_equal(c->row.seen.upto, 2);
				assert_ptr_equal(kpi_row_find(b, false, t->name.tenant, c->row.name.id), c);
			}
			assert_int_equal(calls, IDS);
			for (struct kpi_queue *q = t->queues; q; q = q->next)
				assert_int_equal(q->intervals->offered, 1);
			for (struct kpi_agent *a = t->agents; a; a = a->next)
				assert_int_equal(a->intervals->offered, 1);
		}
	}
	kpi_batch_free(&b);
}

static void a_failure_of_ours_is_no_call_that_the_agent_missed(void **state)
{
	struct kpi_event ours = in_queue(KPI_NO_ANSWER, "c1", 1, T0, 0),
			 theirs = in_queue(KPI_NO_ANSWER, "c1", 2, T0, 0);
	struct kpi_batch *b;

	(void)state;
	assert_int_equal(kpi_batch_new(&b), ERR_OK);
	ours.cause = kpi_text("failed");
	kpi_apply(b, &ours, 1);
	assert_null(agent_rows(b));
	theirs.cause = kpi_text("timeout");
	kpi_apply(b, &theirs, 1);
	assert_non_null(agent_rows(b));
	assert_int_equal(agent_rows(b)->missed, 1);
	kpi_batch_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_failure_of_ours_is_no_call_that_the_agent_missed),
		cmocka_unit_test(answered_within_the_target_is_service_level_KP_21_KP_9),
		cmocka_unit_test(an_answer_counts_in_the_interval_of_the_arrival),
		cmocka_unit_test(time_in_a_state_is_spread_over_its_intervals_KP_13),
		cmocka_unit_test(a_forgotten_sign_out_does_not_fill_years),
		cmocka_unit_test(a_number_is_new_once_in_any_order),
		cmocka_unit_test(zero_and_far_jumps_do_no_harm),
		cmocka_unit_test(order_and_repetition_change_nothing),
		cmocka_unit_test(out_of_memory_marks_the_batch),
		cmocka_unit_test(tenants_agents_and_calls_of_the_same_names_are_kept_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
