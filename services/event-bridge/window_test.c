/* The position moves only over what is in Kafka without a hole. */
#include "window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void deliveries_in_any_order_move_the_position_without_a_hole(void **state)
{
	struct window_slot *s[3];
	struct window w;

	(void)state;
	assert_int_equal(window_init(&w, 4, NULL), ERR_OK);
	window_restart(&w, 9);
	assert_int_equal(window_oldest_ms(&w), 0);
	for (int i = 0; i < 3; i++)
		s[i] = window_add(&w, 10 + 2 * (uint64_t)i, 1000 + i, 1); /* the stream may have holes itself */
	assert_int_equal(window_oldest_ms(&w), 1000);
	assert_int_equal(window_delivered(s[1]), 0);
	assert_int_equal(w.position, 9);
	assert_int_equal(window_delivered(s[0]), 2);
	assert_int_equal(w.position, 12);
	assert_int_equal(window_oldest_ms(&w), 1002);
	assert_int_equal(window_delivered(s[2]), 1);
	assert_int_equal(w.position, 14);
	window_done(&w);
}

static void a_full_window_takes_nothing(void **state)
{
	struct window_slot *first;
	struct window w;

	(void)state;
	assert_int_equal(window_init(&w, 2, NULL), ERR_OK);
	first = window_add(&w, 1, 1, 1);
	assert_non_null(window_add(&w, 2, 1, 1));
	assert_null(window_add(&w, 3, 1, 1));
	window_delivered(first);
	assert_non_null(window_add(&w, 3, 1, 1));
	window_restart(&w, 1);
	assert_non_null(window_add(&w, 2, 1, 1)); /* after a restart the same again */
	window_done(&w);
}

static void a_long_run_with_random_deliveries_ends_at_the_last_message(void **state)
{
	struct window_slot *out[64];
	size_t n = 0, left = 0;
	uint64_t seq = 0;
	struct window w;

	(void)state;
	srand(1);
	assert_int_equal(window_init(&w, 64, NULL), ERR_OK);
	while (seq < 100000 || n > 0) {
		if (seq < 100000 && n < 64 && w.count < 64 && rand() % 2) {
			out[n++] = window_add(&w, ++seq, 1, 1);
		} else if (n > 0) {
			size_t i = (size_t)rand() % n;

			left += window_delivered(out[i]);
			out[i] = out[--n];
			assert_true(w.position == left);
		}
	}
	assert_int_equal(w.position, 100000);
	window_done(&w);
}

static void a_message_of_many_events_is_there_when_all_of_them_are(void **state)
{
	struct window w;
	struct window_slot *many, *next;

	(void)state;
	assert_int_equal(window_init(&w, 4, NULL), ERR_OK);
	window_restart(&w, 0);
	many = window_add(&w, 1, 1, 3);
	next = window_add(&w, 2, 1, 1);
	assert_int_equal(window_delivered(many), 0);
	assert_int_equal(window_delivered(next), 0);
	assert_int_equal(window_delivered(many), 0);
	assert_int_equal(w.position, 0);
	assert_int_equal(window_delivered(many), 2);
	assert_int_equal(w.position, 2);
	window_done(&w);
}

static void a_second_record_of_an_event_is_waited_for_too(void **state)
{
	struct window_slot *slot;
	struct window w;

	(void)state;
	assert_int_equal(window_init(&w, 2, NULL), ERR_OK);
	window_restart(&w, 0);
	slot = window_add(&w, 1, 1, 1);
	window_expect(slot, 1);
	assert_int_equal(window_delivered(slot), 0);
	assert_int_equal(w.position, 0);
	assert_int_equal(window_delivered(slot), 1);
	assert_int_equal(w.position, 1);
	window_done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deliveries_in_any_order_move_the_position_without_a_hole),
		cmocka_unit_test(a_full_window_takes_nothing),
		cmocka_unit_test(a_long_run_with_random_deliveries_ends_at_the_last_message),
		cmocka_unit_test(a_message_of_many_events_is_there_when_all_of_them_are),
		cmocka_unit_test(a_second_record_of_an_event_is_waited_for_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
