#include "upload_slot.h"

#include "testkit/cmocka_all.h"

static void a_stream_may_be_slow_for_a_while_but_not_on_average_GT_3_1_2(void **state)
{
	static const struct upload_pace pace = { .idle_ms = 60000, .min_bytes_per_s = 8000 },
					unbound = { .idle_ms = 60000 };
	static const struct {
		const struct upload_pace *pace;
		int64_t age_ms;
		size_t bytes;
		int64_t wait_ms;
		bool slow;
	} rows[] = {
		{ &pace, 0, 0, 60000, false },
		{ &pace, 59000, 0, 1000, true }, /* a byte each 59 s */
		{ &pace, 60000, 7, 0, true },
		{ &pace, 60000, 8000, 1000, true },
		{ &pace, 60000, 480000, 60000, false }, /* just as fast as it must be: silence is what ends it */
		{ &pace, 8388000, 64 << 20, 60000, false },
		{ &pace, 8388000 + 10000, 64 << 20, 50608, true },
		{ &unbound, 8388000, 1, 60000, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		bool slow;

		assert_int_equal(upload_pace_wait_ms(rows[i].pace, rows[i].age_ms, rows[i].bytes, &slow),
				 rows[i].wait_ms);
		assert_int_equal(slow, rows[i].slow);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stream_may_be_slow_for_a_while_but_not_on_average_GT_3_1_2),
	};

	return cmocka_run_group_tests_name("upload_slot", tests, NULL, NULL);
}
