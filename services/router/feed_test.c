/* Idle agents in order, against a list that is searched. */
#include "testkit/cmocka_all.h"

#include <stdlib.h>

#include "base/mem.h"
#include "feed.h"

#define AGENTS 64

struct model {
	struct feed feed;
	uint32_t gens[AGENTS];
	int64_t since[AGENTS]; /* < 0: not idle */
};

static int oldest(const struct model *m, uint64_t skip)
{
	int best = -1;

	for (int i = 0; i < AGENTS; i++)
		if (m->since[i] >= 0 && !(skip >> i & 1) && (best < 0 || m->since[i] < m->since[best]))
			best = i;
	return best;
}

static void add(struct model *m, uint32_t agent, int64_t since)
{
	m->since[agent] = since;
	assert_int_equal(feed_add(&m->feed, m->gens, (struct feed_entry){ since, agent, m->gens[agent] }), ERR_OK);
}

static void leave(struct model *m, uint32_t agent)
{
	m->since[agent] = -1;
	m->gens[agent]++;
}

static bool in_set(uint32_t agent, const void *arg)
{
	return *(const uint64_t *)arg >> agent & 1;
}

static void check(struct model *m, uint64_t skip)
{
	const struct feed_entry *head = feed_head(&m->feed, m->gens);
	struct feed_entry first;
	int best = oldest(m, 0), other = oldest(m, skip);

	assert_int_equal(head != NULL, best >= 0);
	if (head)
		assert_int_equal(head->since_ms, m->since[best]);
	assert_int_equal(feed_first(&m->feed, m->gens, in_set, &skip, &first), other >= 0);
	if (other >= 0)
		assert_int_equal(first.since_ms, m->since[other]);
}

/* jitter: how far behind the newest a ready_since may be. */
static void run(unsigned seed, int64_t jitter)
{
	struct model m = { 0 };
	int64_t now = 1000000;

	srand(seed);
	for (int i = 0; i < AGENTS; i++)
		m.since[i] = -1;
	for (int i = 0; i < 20000; i++) {
		uint32_t agent = (uint32_t)rand() % AGENTS;

		now += rand() % 3;
		if (m.since[agent] >= 0)
			leave(&m, agent);
		else
			add(&m, agent, now - (jitter ? rand() % jitter : 0));
		check(&m, (uint64_t)rand() << 32 | (uint64_t)rand());
	}
	assert_true(m.feed.cap <= 4 * AGENTS); /* dead entries do not pile up */
	feed_done(&m.feed);
}

static void the_head_is_the_longest_idle_agent_whatever_order_they_came_in(void **arg)
{
	UNUSED(arg);
	run(1, 0);
	run(2, 10);
	run(3, 5000); /* far beyond what is moved up within the ring */
}

static err_t fill(void *arg)
{
	struct feed f = { 0 };
	uint32_t gens[100] = { 0 };
	err_t e = ERR_OK;

	UNUSED(arg);
	for (uint32_t i = 0; i < 100 && !e; i++)
		e = feed_add(&f, gens, (struct feed_entry){ i % 2 ? 1000 + i : i, i, 0 });
	feed_done(&f);
	return e;
}

static void without_memory_an_agent_is_refused_and_nothing_leaks(void **arg)
{
	err_t e = ERR_EXHAUSTED;

	UNUSED(arg);
	for (long n = 0; e; n++) {
		mem_fail_after(n);
		e = fill(NULL);
		mem_fail_after(-1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_head_is_the_longest_idle_agent_whatever_order_they_came_in),
		cmocka_unit_test(without_memory_an_agent_is_refused_and_nothing_leaks),
	};

	return cmocka_run_group_tests_name("feed", tests, NULL, NULL);
}
