/*
 * The arithmetic of slots, and a simulator of instances that share one book: words late or out of order, writes refused, instances killed and
 * their calls taken over. The limit is never exceeded, and who waits while there is room is let in.
 */
#include "slots.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/str.h"

static uint64_t rng_state;

static uint32_t rng(uint32_t n)
{
	rng_state = rng_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(rng_state >> 33) % n;
}

/* ---- by hand ---- */

static void write_down(struct slots *s, int64_t now_ms, uint64_t revision)
{
	assert_non_null(slots_next(s, now_ms, NULL, NULL));
	slots_written(s, true, revision);
}

static void a_call_is_let_in_when_a_slot_is_held_and_more_are_fetched_than_needed(void **state)
{
	struct slots s;

	(void)state;
	slots_init(&s, "cc-1", 1);
	assert_true(slots_take(&s)); /* no limit */
	slots_give(&s);
	s.limit = 80;
	assert_false(slots_take(&s));
	s.waiting = 1;
	write_down(&s, 0, 1);
	assert_int_equal(slots_held(&s), 11); /* one, and an eighth of what was free */
	s.waiting = 0;
	for (int i = 0; i < 11; i++)
		assert_true(slots_take(&s));
	assert_false(slots_take(&s));
	s.waiting = 5;
	write_down(&s, 0, 2);
	assert_int_equal(slots_held(&s), 11 + 5 + 69 / 8);
}

static void what_is_not_needed_goes_back_after_a_while_or_when_somebody_asks(void **state)
{
	struct slots s;

	(void)state;
	slots_init(&s, "cc-1", 1);
	s.limit = 80;
	s.waiting = 1;
	write_down(&s, 0, 1);
	s.waiting = 0;
	assert_true(slots_take(&s));
	assert_null(slots_next(&s, 1000, NULL, NULL));
	assert_null(slots_next(&s, 2999, NULL, NULL));
	write_down(&s, 3000, 2);
	assert_int_equal(slots_held(&s), 1);
	s.waiting = 1;
	write_down(&s, 4000, 3);
	s.waiting = 0;
	s.asked = true;
	assert_non_null(slots_next(&s, 4001, NULL, NULL));
	assert_int_equal(slots_room(&s), 0); /* what is on its way back is not given away meanwhile */
	slots_written(&s, true, 4);
	assert_int_equal(slots_held(&s), 1);
}

static void a_full_book_lets_nobody_in_but_a_call_that_exists(void **state)
{
	struct slots s;
	struct slot_book book = { .n = 1, .rows = { { "cc-2", 7, 10 } } };

	(void)state;
	slots_init(&s, "cc-1", 1);
	s.limit = 10;
	slots_read(&s, &book, 5);
	assert_false(slots_take(&s));
	s.waiting = 1;
	assert_true(slots_full(&s));
	assert_null(slots_next(&s, 0, NULL, NULL));
	slots_force(&s);
	write_down(&s, 0, 6);
	assert_int_equal(slots_held(&s), 1);
	assert_int_equal(s.book.n, 2);
	slots_read(&s, &book, 5); /* an old word */
	assert_int_equal(slots_held(&s), 1);
}

static bool is_cc_2(const struct slot_row *row, void *arg)
{
	(void)arg;
	return strcmp(row->instance, "cc-2") == 0;
}

static void the_row_of_a_dead_instance_is_struck(void **state)
{
	struct slots s;
	struct slot_book book = { .n = 1, .rows = { { "cc-2", 7, 10 } } };

	(void)state;
	slots_init(&s, "cc-1", 1);
	s.limit = 10;
	slots_read(&s, &book, 5);
	assert_non_null(slots_next(&s, 0, is_cc_2, NULL));
	slots_written(&s, true, 6);
	assert_int_equal(s.book.n, 0);
	assert_int_equal(slots_held(&s), 0);
}

static void a_refused_write_waits_for_what_is_there_now(void **state)
{
	struct slots s;
	struct slot_book book = { .n = 1, .rows = { { "cc-2", 7, 3 } } };

	(void)state;
	slots_init(&s, "cc-1", 1);
	s.limit = 10;
	s.waiting = 1;
	assert_non_null(slots_next(&s, 0, NULL, NULL));
	slots_written(&s, false, 0);
	assert_null(slots_next(&s, 0, NULL, NULL));
	slots_read(&s, &book, 1);
	assert_non_null(slots_next(&s, 0, NULL, NULL));
}

/* ---- simulated ---- */

#define INSTANCES 3
#define LIMIT	  20
#define PATIENCE  150 /* turns */
#define WORDS	  64
#define TURN_MS	  20

struct word {
	struct slot_book book;
	uint64_t revision;
	unsigned at;
};
struct waiter {
	unsigned since;
	bool room_all_along; /* there was room for one more, in the world, at every moment */
};
struct instance {
	struct slots s;
	struct word words[WORDS];
	int n_words;
	bool asked_soon;
	unsigned write_at; /* 0: none under way */
	unsigned write_fails;
	struct waiter waiters[64];
	int n_waiters;
};
static struct {
	struct instance all[INSTANCES];
	struct slot_book book;
	uint64_t revision;
	unsigned turn, incarnation;
	uint32_t homeless; /* calls of the dead that nobody has taken over yet */
	unsigned homeless_since, taken_over_at;
	struct slot_row graves[1024]; /* whose calls have been taken over */
	int n_graves, fresh_graves;
	unsigned let_in, refused, deaths, writes;
} w;

static uint32_t calls(void)
{
	uint32_t sum = w.homeless;

	for (int i = 0; i < INSTANCES; i++)
		sum += w.all[i].s.used;
	return sum;
}

static bool buried(const struct slot_row *row, void *arg)
{
	(void)arg;
	for (int i = 0; i < w.n_graves - w.fresh_graves; i++)
		if (w.graves[i].incarnation == row->incarnation)
			return true;
	return false;
}

static void tell(void)
{
	for (int i = 0; i < INSTANCES; i++) {
		struct instance *x = &w.all[i];

		if (x->n_words < WORDS)
			x->words[x->n_words++] = (struct word){ w.book, w.revision, w.turn + 1 + rng(5) };
	}
}

static void hear(struct instance *x)
{
	for (int i = 0; i < x->n_words; i++) {
		if (x->words[i].at > w.turn)
			continue;
		slots_read(&x->s, &x->words[i].book, x->words[i].revision);
		x->words[i--] = x->words[--x->n_words];
	}
	if (x->s.stale && !x->n_words) /* asks the bucket */
		slots_read(&x->s, &w.book, w.revision);
}

static void write_book(struct instance *x)
{
	if (!x->write_at && slots_next(&x->s, (int64_t)w.turn * TURN_MS, buried, NULL)) {
		x->write_at = w.turn + 1 + rng(4);
		x->write_fails = rng(50) == 0; /* nobody knows whether it got through; here it did not, or it did */
	}
	if (!x->write_at || x->write_at > w.turn)
		return;
	x->write_at = 0;
	if (x->s.expected == w.revision && (!x->write_fails || rng(2))) {
		w.book = x->s.next;
		w.revision++;
		w.writes++;
		tell();
		slots_written(&x->s, !x->write_fails, w.revision);
	} else {
		slots_written(&x->s, false, 0);
	}
}

static void drop_waiter(struct instance *x, int i)
{
	x->waiters[i] = x->waiters[--x->n_waiters];
	x->s.waiting--;
}

static void serve(struct instance *x)
{
	while (x->n_waiters && slots_room(&x->s)) {
		drop_waiter(x, 0);
		assert_true(slots_take(&x->s));
		w.let_in++;
	}
	for (int i = 0; i < x->n_waiters; i++) {
		if (w.turn - x->waiters[i].since < PATIENCE)
			continue;
		assert_false(x->waiters[i].room_all_along);
		drop_waiter(x, i--);
		w.refused++;
	}
}

static void arrive(struct instance *x)
{
	if (!x->n_waiters && slots_take(&x->s)) {
		w.let_in++;
	} else if (x->n_waiters < 64) {
		x->waiters[x->n_waiters++] = (struct waiter){ w.turn, true };
		x->s.waiting++;
	}
}

static void ask_others(int self)
{
	for (int i = 0; i < INSTANCES; i++)
		if (i != self && rng(4))
			w.all[i].s.asked = true;
}

static void kill_one(void)
{
	struct instance *x = &w.all[rng(INSTANCES)];

	w.deaths++;
	w.homeless += x->s.used;
	w.homeless_since = w.taken_over_at = w.turn;
	if (w.n_graves < 1024) {
		w.graves[w.n_graves++] = x->s.self;
		w.fresh_graves++;
	}
	memset(x, 0, sizeof(*x));
	slots_init(&x->s, "cc", ++w.incarnation);
	x->s.limit = LIMIT;
	slots_read(&x->s, &w.book, w.revision);
}

static void take_over(void)
{
	for (; w.homeless; w.homeless--)
		slots_force(&w.all[rng(INSTANCES)].s);
	w.taken_over_at = w.turn;
}

static void turn(unsigned busy)
{
	uint32_t now;

	w.turn++;
	for (int i = 0; i < INSTANCES; i++) {
		struct instance *x = &w.all[i];

		if (rng(1000) < busy)
			arrive(x);
		if (x->s.used && rng(1000) < 15 * x->s.used)
			slots_give(&x->s);
		hear(x);
		write_book(x);
		serve(x);
		if (slots_full(&x->s) && w.turn % 10 == 0)
			ask_others(i);
	}
	if (w.homeless && w.turn - w.homeless_since > 30)
		take_over();
	else if (!w.homeless && rng(2000) == 0 && w.n_graves < 1000)
		kill_one();
	if (w.fresh_graves && !w.homeless && w.turn - w.taken_over_at > 100) /* the new owners have written long ago */
		w.fresh_graves = 0;
	now = calls();
	assert_true(now <= LIMIT);
	for (int i = 0; i < INSTANCES; i++)
		for (int k = 0; k < w.all[i].n_waiters; k++)
			if (now + 1 > LIMIT || w.homeless || w.fresh_graves)
				w.all[i].waiters[k].room_all_along = false;
}

static void instances_that_share_a_limit_never_exceed_it_and_use_it_all(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 40; seed++) {
		rng_state = seed;
		memset(&w, 0, sizeof(w));
		for (int i = 0; i < INSTANCES; i++) {
			slots_init(&w.all[i].s, "cc", ++w.incarnation);
			w.all[i].s.limit = LIMIT;
		}
		for (unsigned i = 0; i < 20000; i++)
			turn(i / 5000 % 2 ? 300 : 60); /* more than there is room for, then less */
		assert_true(w.let_in > 1000 && w.refused > 100 && w.deaths > 2);
	}
	print_message("[   the last run: %u let in, %u refused, %u deaths, %u writes\n", w.let_in, w.refused, w.deaths,
		      w.writes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_is_let_in_when_a_slot_is_held_and_more_are_fetched_than_needed),
		cmocka_unit_test(what_is_not_needed_goes_back_after_a_while_or_when_somebody_asks),
		cmocka_unit_test(a_full_book_lets_nobody_in_but_a_call_that_exists),
		cmocka_unit_test(the_row_of_a_dead_instance_is_struck),
		cmocka_unit_test(a_refused_write_waits_for_what_is_there_now),
		cmocka_unit_test(instances_that_share_a_limit_never_exceed_it_and_use_it_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
