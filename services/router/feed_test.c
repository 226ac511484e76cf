/* Idle agents in order, against a list that is searched. */
#include "testkit/cmocka_all.h"

#include <stdlib.h>

#include "base/mem.h"
#include "feed.h"

#define AGENTS 64

struct model {
	struct feeds feeds;
	struct feed feed;
	uint32_t places[AGENTS][2];
	uint32_t no[AGENTS];   /* which of the two is used */
	int64_t since[AGENTS]; /* < 0: not idle */
	int n;
};

static uint32_t *places(void *arg, uint32_t agent)
{
	return ((struct model *)arg)->places[agent];
}

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
	struct feed_entry e = { since, agent, (uint32_t)rand() % 2 };

	m->since[agent] = since;
	m->no[agent] = e.place_no;
	m->n++;
	assert_int_equal(feed_add(&m->feeds, &m->feed, e, &m->places[agent][e.place_no]), ERR_OK);
}

static void leave(struct model *m, uint32_t agent)
{
	m->since[agent] = -1;
	m->n--;
	feed_remove(&m->feeds, &m->feed, m->places[agent][m->no[agent]]);
}

static void renumber(struct model *m, uint32_t agent)
{
	uint32_t place = m->places[agent][m->no[agent]];

	m->places[agent][m->no[agent]] = 0;
	m->no[agent] ^= 1;
	feed_renumber(&m->feeds, &m->feed, place, m->no[agent]);
}

static bool in_set(uint32_t agent, const void *arg)
{
	return *(const uint64_t *)arg >> agent & 1;
}

static void check(struct model *m, uint64_t skip)
{
	const struct feed_entry *head = feed_head(&m->feeds, &m->feed);
	struct feed_entry first;
	int best = oldest(m, 0), other = oldest(m, skip);

	assert_int_equal(head != NULL, best >= 0);
	assert_true(m->feed.first_ms == (best < 0 ? FEED_NONE : m->since[best]));
	if (head)
		assert_true(head->since_ms == m->since[best]);
	assert_int_equal(feed_first(&m->feeds, &m->feed, in_set, &skip, &first), other >= 0);
	if (other >= 0)
		assert_true(first.since_ms == m->since[other]);
}

/* jitter: how far behind the newest a ready_since may be. */
static void run(unsigned seed, int64_t jitter)
{
	struct model m = { 0 };
	int64_t now = 1000000;

	srand(seed);
	feeds_init(&m.feeds, places, &m);
	feed_init(&m.feed);
	for (int i = 0; i < AGENTS; i++)
		m.since[i] = -1;
	for (int i = 0; i < 20000; i++) {
		/* now few are idle, now many */
		uint32_t agent = (uint32_t)rand() % (i / 1000 % 2 ? AGENTS : 4);

		now += rand() % 3;
		if (m.since[agent] < 0)
			add(&m, agent, now - (jitter ? rand() % jitter : 0));
		else if (rand() % 4)
			leave(&m, agent);
		else
			renumber(&m, agent);
		check(&m, (uint64_t)rand() << 32 | (uint64_t)rand());
		assert_true(m.feeds.blocks.n <= AGENTS); /* blocks come back */
	}
	feed_done(&m.feeds, &m.feed);
	feeds_done(&m.feeds);
}

static void the_head_is_the_longest_idle_agent_whatever_order_they_came_in(void **arg)
{
	UNUSED(arg);
	run(1, 0);
	run(2, 10);
	run(3, 5000);
}

static uint32_t *some_place(void *arg, uint32_t agent)
{
	return (uint32_t *)arg + agent;
}

/* Of each block's agents all but one leave: what is left would keep all blocks, were they not merged. */
static void a_few_who_stay_do_not_hold_blocks_for_many(void **arg)
{
	static uint32_t place[FEED_BLOCK * 1000];
	struct feeds fs;
	struct feed f;
	uint32_t blocks = 0;

	UNUSED(arg);
	feeds_init(&fs, some_place, place);
	feed_init(&f);
	for (uint32_t i = 0; i < FEED_BLOCK * 1000; i++)
		assert_int_equal(feed_add(&fs, &f, (struct feed_entry){ i, i, 0 }, &place[i]), ERR_OK);
	assert_int_equal(fs.blocks.n, 1000);
	for (uint32_t i = 0; i < FEED_BLOCK * 1000; i++)
		if (i % FEED_BLOCK)
			feed_remove(&fs, &f, place[i]);
	for (uint32_t b = f.head; b; b = ((struct feed_block *)pool_at(&fs.blocks, b - 1))->next)
		blocks++;
	assert_true(blocks <= 500);
	for (uint32_t i = 0; i < FEED_BLOCK * 1000; i += FEED_BLOCK) {
		assert_true(f.first_ms == (int64_t)i);
		feed_remove(&fs, &f, place[i]);
	}
	assert_true(f.first_ms == FEED_NONE);
	feed_done(&fs, &f);
	feeds_done(&fs);
}

static err_t fill(void)
{
	uint32_t place[100] = { 0 };
	struct feeds fs;
	struct feed f;
	err_t e = ERR_OK;

	feeds_init(&fs, some_place, place);
	feed_init(&f);
	for (uint32_t i = 0; i < 100 && !e; i++)
		e = feed_add(&fs, &f, (struct feed_entry){ i % 2 ? 1000 + i : i, i, 0 }, &place[i]);
	feed_done(&fs, &f);
	feeds_done(&fs);
	return e;
}

static void without_memory_an_agent_is_refused_and_nothing_leaks(void **arg)
{
	err_t e = ERR_EXHAUSTED;

	UNUSED(arg);
	for (long n = 0; e; n++) {
		mem_fail_after(n);
		e = fill();
		mem_fail_after(-1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_head_is_the_longest_idle_agent_whatever_order_they_came_in),
		cmocka_unit_test(a_few_who_stay_do_not_hold_blocks_for_many),
		cmocka_unit_test(without_memory_an_agent_is_refused_and_nothing_leaks),
	};

	return cmocka_run_group_tests_name("feed", tests, NULL, NULL);
}
