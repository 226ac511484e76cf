/* Batches without a bus: what is published is noted. */
#include "batch/batch.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static struct {
	unsigned messages;
	size_t bytes, longest;
	err_t answer;
} sent;

err_t bus_publish(struct bus *bus, const char *subject, const void *data, size_t size)
{
	(void)bus;
	(void)subject;
	(void)data;
	sent.messages++;
	sent.bytes += size;
	if (size > sent.longest)
		sent.longest = size;
	return sent.answer;
}

static void put(struct batches *b, const char *subject, const char *text, unsigned *heads)
{
	bool fresh;
	struct str *out = batches_get(b, subject, &fresh);

	*heads += fresh;
	str_append(out, text);
}

static void what_one_turn_says_to_one_peer_is_one_message(void **state)
{
	struct batches b;
	unsigned heads = 0;

	(void)state;
	memset(&sent, 0, sizeof(sent));
	batches_init(&b, NULL);
	for (int i = 0; i < 10; i++) {
		put(&b, "a", "hello", &heads);
		put(&b, "b", "hello", &heads);
	}
	assert_int_equal(batches_flush(&b), 0);
	assert_int_equal(heads, 2);
	assert_int_equal(sent.messages, 2);
	assert_int_equal(sent.bytes, 100);
	assert_int_equal(batches_flush(&b), 0);
	assert_int_equal(sent.messages, 2);
	batches_done(&b);
}

static void who_finds_no_memory_for_a_batch_says_nothing_and_goes_on(void **state)
{
	struct batches b;
	unsigned heads = 0;

	(void)state;
	memset(&sent, 0, sizeof(sent));
	batches_init(&b, NULL);
	for (long allowed = 0; allowed < 3; allowed++) { /* the batch, the table, its buckets */
		mem_fail_after(allowed);
		put(&b, "a", "", &heads);
		mem_fail_after(-1);
		assert_int_equal(heads, 0);
	}
	put(&b, "a", "hello", &heads);
	assert_int_equal(heads, 1);
	assert_int_equal(batches_flush(&b), 0);
	assert_int_equal(sent.messages, 1);
	batches_done(&b);
}

/* A router's new epoch makes 20,000 waiting calls assert their places in one turn. */
static void no_message_grows_beyond_what_nats_takes(void **state)
{
	struct batches b;
	unsigned heads = 0;

	(void)state;
	memset(&sent, 0, sizeof(sent));
	batches_init(&b, NULL);
	for (int i = 0; i < 20000; i++)
		put(&b, "a",
		    "01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
		    "89",
		    &heads);
	assert_int_equal(batches_flush(&b), 0);
	assert_int_equal(sent.bytes, 2000000);
	assert_true(sent.longest < 512 * 1024);
	assert_int_equal(heads, sent.messages); /* each has its head */
	sent.answer = ERR_EXHAUSTED;
	for (int i = 0; i < 3000; i++)
		put(&b, "a",
		    "01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
		    "89",
		    &heads);
	assert_int_equal(batches_flush(&b), 2);
	assert_int_equal(batches_flush(&b), 0);
	batches_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_one_turn_says_to_one_peer_is_one_message),
		cmocka_unit_test(who_finds_no_memory_for_a_batch_says_nothing_and_goes_on),
		cmocka_unit_test(no_message_grows_beyond_what_nats_takes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
