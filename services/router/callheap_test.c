/* Waiting calls in order, against a list that is searched. */
#include "testkit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "callheap.h"

#define CALLS 300

static void higher_priority_comes_first_then_earlier_arrival_then_the_id(void **arg)
{
	struct callheap_node a = { .id = "a" }, b = { .id = "b" };

	UNUSED(arg);
	assert_true(callheap_key(5, 2000) < callheap_key(4, 1000));
	assert_true(callheap_key(5, 1000) < callheap_key(5, 2000));
	assert_true(callheap_key(0, 1ll << 50) < CALLHEAP_EMPTY);
	assert_true(callheap_before(7, &a, 7, &b));
	assert_false(callheap_before(7, &b, 7, &a));
}

static struct callheap_node *first_of(struct callheap_node *nodes)
{
	struct callheap_node *best = NULL;

	for (int i = 0; i < CALLS; i++)
		if (nodes[i].pos != CALLHEAP_NONE &&
		    (!best || callheap_before(nodes[i].key, &nodes[i], best->key, best)))
			best = &nodes[i];
	return best;
}

static void calls_leave_from_anywhere_and_the_first_is_always_at_the_head(void **arg)
{
	static struct callheap_node nodes[CALLS];
	static char ids[CALLS][16];
	struct callheap h = { 0 };

	UNUSED(arg);
	srand(7);
	for (int i = 0; i < CALLS; i++) {
		snprintf(ids[i], sizeof(ids[i]), "c%03d", i);
		nodes[i] = (struct callheap_node){ .pos = CALLHEAP_NONE, .id = ids[i] };
	}
	for (int i = 0; i < 50000; i++) {
		struct callheap_node *n = &nodes[rand() % CALLS];

		if (n->pos == CALLHEAP_NONE) {
			n->key = callheap_key((uint32_t)rand() % 4, rand() % 20);
			assert_int_equal(callheap_push(&h, n), ERR_OK);
		} else {
			callheap_remove(&h, rand() % 3 ? n : callheap_head(&h));
		}
		assert_ptr_equal(callheap_head(&h), first_of(nodes));
	}
	callheap_done(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(higher_priority_comes_first_then_earlier_arrival_then_the_id),
		cmocka_unit_test(calls_leave_from_anywhere_and_the_first_is_always_at_the_head),
	};

	return cmocka_run_group_tests_name("callheap", tests, NULL, NULL);
}
