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
	return (struct kpi_event){ .kind = kind,
				   .tenant = "acme",
				   .call_id = call,
				   .agent_id = "",
				   .queue_id = "",
				   .seq = seq,
				   .time_ms = at,
				   .caller = "",
				   .called = "",
				   .trunk_id = "",
				   .cause = "",
				   .disposition = "",
				   .digits = "",
				   .recording_id = "" };
}

static struct kpi_event in_queue(enum kpi_kind kind, const char *call, uint64_t seq, int64_t at, int64_t waited)
{
	struct kpi_event ev = blank(kind, call, seq, at);

	ev.queue_id = "sales";
	ev.agent_id = kind == KPI_AGENT_ANSWERED || kind == KPI_RESERVED || kind == KPI_NO_ANSWER ? "1001" : "";
	ev.waited_ms = waited;
	ev.arrival_ms = at - waited;
	ev.service_level_ms = 20000;
	ev.cause = kind == KPI_DEQUEUED ? "abandoned" : "";
	return ev;
}

static struct kpi_event ended(const char *call, uint64_t seq, int64_t at, int64_t talk)
{
	struct kpi_event ev = in_queue(KPI_ENDED, call, seq, at, 0);

	ev.agent_id = talk ? "1001" : "";
	ev.offered_ms = at - talk - 1000;
	ev.agent_answered_ms = talk ? at - talk : 0;
	ev.ended_ms = at;
	ev.talk_ms = talk;
	ev.disposition = talk ? "answered" : "abandoned";
	return ev;
}

static struct kpi_queue *queue_row(struct kpi_batch *b, int64_t start)
{
	for (struct kpi_queue *q = b->queues; q; q = q->hh.next)
		if (q->key.start_ms == start)
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
	struct kpi_queue *q;

	(void)state;
	assert_int_equal(kpi_batch_new(&b), ERR_OK);
	for (size_t i = 0; i < ARRAY_SIZE(list); i++)
		kpi_apply(b, &list[i]);
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
	kpi_apply(b, &a);
	kpi_apply(b, &z);
	assert_int_equal(HASH_COUNT(b->queues), 1);
	assert_int_equal(queue_row(b, T0)->answered, 1);
	kpi_batch_free(&b);
}

static void time_in_a_state_is_spread_over_its_intervals_KP_13(void **state)
{
	struct kpi_event ev = blank(KPI_AGENT_STATE, "", 1, T0 + 2 * KPI_INTERVAL_MS + 5000);
	struct kpi_batch *b;
	int64_t sum = 0;

	(void)state;
	ev.agent_id = "1001";
	ev.state = KPI_READY;
	ev.duration_ms = KPI_INTERVAL_MS + 10000;
	assert_int_equal(kpi_batch_new(&b), ERR_OK);
	kpi_apply(b, &ev);
	assert_int_equal(HASH_COUNT(b->agents), 3);
	for (struct kpi_agent *a = b->agents; a; a = a->hh.next) {
		assert_true(a->ready_ms <= KPI_INTERVAL_MS);
		sum += a->ready_ms;
	}
	assert_int_equal(sum, KPI_INTERVAL_MS + 10000);
	kpi_batch_free(&b);
}

static void a_forgotten_sign_out_does_not_fill_years(void **state)
{
	struct kpi_event ev = blank(KPI_AGENT_STATE, "", 1, T0);
	struct kpi_batch *b;

	(void)state;
	ev.agent_id = "1001";
	ev.state = KPI_BUSY;
	ev.duration_ms = INT64_MAX / 2;
	assert_int_equal(kpi_batch_new(&b), ERR_OK);
	kpi_apply(b, &ev);
	assert_true(HASH_COUNT(b->agents) <= 7 * 96 + 1);
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
			kpi_apply(b, &list[i]);
			kpi_apply(b, &list[rng() % (i + 1)]);
		}
		for (struct kpi_queue *q = b->queues; q; q = q->hh.next) {
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
	kpi_apply(b, &ev);
	mem_fail_after(-1);
	assert_true(b->failed);
	kpi_batch_free(&b);
}

static void a_failure_of_ours_is_no_call_that_the_agent_missed(void **state)
{
	struct kpi_event ours = in_queue(KPI_NO_ANSWER, "c1", 1, T0, 0), theirs = in_queue(KPI_NO_ANSWER, "c1", 2, T0, 0);
	struct kpi_batch *b;

	(void)state;
	assert_int_equal(kpi_batch_new(&b), ERR_OK);
	ours.cause = "failed";
	kpi_apply(b, &ours);
	assert_null(b->agents);
	theirs.cause = "timeout";
	kpi_apply(b, &theirs);
	assert_int_equal(b->agents->missed, 1);
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
