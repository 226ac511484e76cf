#include "events/events_batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "trunkline/event/v1/event.pb-c.h"

static void what_goes_in_comes_out_in_order(void **state)
{
	static char long_one[40000];
	const struct events_slice in[] = { { "a", 1 }, { "", 0 }, { long_one, sizeof(long_one) }, { "last", 4 } };
	struct str batch = STR_INIT;
	struct events_slice s;
	size_t at = 0, n = 0;
	bool bad;

	(void)state;
	for (size_t i = 0; i < sizeof(in) / sizeof(in[0]); i++)
		events_batch_add(&batch, in[i].data, in[i].size);
	for (size_t i = 0; i < sizeof(in) / sizeof(in[0]); i++) {
		assert_true(events_batch_next(&s, batch.data, batch.len, &at, &bad));
		assert_int_equal(s.size, in[i].size);
		assert_memory_equal(s.data, in[i].data, s.size);
	}
	assert_false(events_batch_next(&s, batch.data, batch.len, &at, &bad));
	assert_false(bad);
	assert_int_equal(events_batch_count(batch.data, batch.len, &n), ERR_OK);
	assert_int_equal(n, 4);
	str_done(&batch);
}

static void it_is_the_protobuf_message_of_the_contract(void **state)
{
	Trunkline__Event__V1__EventBatch *m;
	struct str batch = STR_INIT;

	(void)state;
	events_batch_add(&batch, "one", 3);
	events_batch_add(&batch, "three", 5);
	m = trunkline__event__v1__event_batch__unpack(NULL, batch.len, (const uint8_t *)batch.data);
	assert_non_null(m);
	assert_int_equal(m->n_events, 2);
	assert_int_equal(m->events[1].len, 5);
	assert_memory_equal(m->events[1].data, "three", 5);
	trunkline__event__v1__event_batch__free_unpacked(m, NULL);
	str_done(&batch);
}

static void what_is_no_batch_is_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
	} wrong[] = {
		{ "", 0 },
		{ "\x0a", 1 },
		{ "\x0a\x05"
		  "abc",
		  5 },
		{ "\x12\x01"
		  "a",
		  3 },
		{ "\x0a\x01"
		  "a\x0a",
		  4 },
		{ "\x0a\xff\xff\xff\xff\xff\xff", 7 },
	};
	struct str many = STR_INIT;
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(events_batch_count(wrong[i].bytes, wrong[i].size, &n), ERR_INVALID);
	for (int i = 0; i <= EVENTS_BATCH_MAX; i++)
		events_batch_add(&many, "x", 1);
	assert_int_equal(events_batch_count(many.data, many.len, &n), ERR_INVALID);
	str_done(&many);
	assert_true(events_is_batch("ev.acme.call._batch"));
	assert_false(events_is_batch("ev.acme.call.batch"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_goes_in_comes_out_in_order),
		cmocka_unit_test(it_is_the_protobuf_message_of_the_contract),
		cmocka_unit_test(what_is_no_batch_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
