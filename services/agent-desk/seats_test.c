/* GT-3.1.2c: whose a seat is; and desks in virtual time that die, see late and write late, and are never too many. */
#include "seats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/err.h"
#include "testkit/testkit.h"

#define T "acme"

static void put(struct seats *s, unsigned index, const char *agent, uint64_t agent_revision, uint64_t revision,
		int64_t now_ms)
{
	const struct seat_entry in = { T, index, agent, agent_revision, revision };

	assert_int_equal(seats_put(s, &in, now_ms), ERR_OK);
}

static void agent(struct seats *s, const char *id, bool signed_in, uint64_t revision)
{
	assert_int_equal(seats_agent(s, T, id, signed_in, revision), ERR_OK);
}

static struct seat_choice choose_at(struct seats *s, const char *id, uint64_t agent_revision, unsigned limit,
				    int64_t now_ms)
{
	struct seat_choice c;

	assert_int_equal(seats_choose(s, T, id, agent_revision, limit, now_ms, &c), ERR_OK);
	if (c.answer == SEAT_TAKE)
		seats_tried(s, T, c.index);
	return c;
}

static struct seat_choice choose(struct seats *s, const char *id, unsigned limit, int64_t now_ms)
{
	return choose_at(s, id, 0, limit, now_ms);
}

/* ---- whose a seat is ---- */

static void one_who_comes_back_has_the_seat_again_and_one_who_left_gives_it_to_the_next_GT_3_1_2(void **state)
{
	struct seats *s;
	struct seat_choice c;

	(void)state;
	assert_int_equal(seats_new(&s), ERR_OK);
	c = choose(s, "a", 1, 0);
	assert_int_equal(c.answer, SEAT_TAKE);
	assert_int_equal(c.index, 0);
	assert_true(c.revision == 0);
	put(s, 0, "a", 0, 10, 0);
	agent(s, "a", true, 11);
	c = choose(s, "b", 1, 9999);
	assert_int_equal(c.answer, SEAT_FULL);
	assert_int_equal(c.used, 1);
	agent(s, "a", false, 12);
	assert_int_equal(choose_at(s, "a", 12, 1, 9999).answer, SEAT_TAKE);
	c = choose(s, "b", 1, 9999);
	assert_int_equal(c.answer, SEAT_TAKE);
	assert_true(c.revision == 10);
	seats_free(&s);
}

static void one_who_is_about_to_come_is_waited_for_and_then_fenced(void **state)
{
	struct seats *s;
	struct seat_choice c;

	(void)state;
	assert_int_equal(seats_new(&s), ERR_OK);
	agent(s, "a", false, 7);
	put(s, 0, "a", 7, 10, 1000);
	assert_int_equal(choose(s, "b", 1, 1000 + SEATS_SETTLE_MS - 1).answer, SEAT_FULL);
	c = choose(s, "b", 1, 1000 + SEATS_SETTLE_MS);
	assert_int_equal(c.answer, SEAT_FENCE);
	assert_string_equal(c.agent_id, "a");
	assert_true(c.agent_revision == 7);
	agent(s, "a", false, 11);
	assert_int_equal(choose(s, "b", 1, 1000 + SEATS_SETTLE_MS).answer, SEAT_TAKE);
	seats_free(&s);
}

static void of_two_seats_of_one_agent_the_one_of_the_later_sign_in_counts(void **state)
{
	struct seats *s;

	(void)state;
	assert_int_equal(seats_new(&s), ERR_OK);
	put(s, 0, "a", 9, 20, 0);
	put(s, 1, "a", 7, 21, 0);
	agent(s, "a", false, 9);
	/* On 7 nothing can come any more, on 9 it may. */
	struct seat_choice c = choose(s, "b", 2, 0);
	assert_int_equal(c.answer, SEAT_TAKE);
	assert_int_equal(c.index, 1);
	put(s, 1, "b", 0, 22, 0);
	assert_int_equal(choose(s, "c", 2, 0).answer, SEAT_FULL);
	agent(s, "a", true, 23);
	agent(s, "b", true, 24);
	assert_int_equal(choose(s, "c", 2, 99999).answer, SEAT_FULL);
	seats_free(&s);
}

/* Written over with what was read before, it would look free to the others while a sign-in on 9 is on its way. */
static void a_seat_for_a_later_sign_in_is_not_written_over_by_one_for_an_earlier_one(void **state)
{
	struct seats *s;

	(void)state;
	assert_int_equal(seats_new(&s), ERR_OK);
	put(s, 0, "a", 9, 20, 0);
	assert_int_equal(choose_at(s, "a", 7, 2, 0).answer, SEAT_REREAD);
	assert_int_equal(choose_at(s, "a", 9, 2, 0).answer, SEAT_TAKE);
	agent(s, "a", false, 21);
	assert_int_equal(choose_at(s, "a", 9, 2, 0).answer, SEAT_REREAD);
	assert_int_equal(choose_at(s, "a", 21, 2, 0).answer, SEAT_TAKE);
	seats_free(&s);
}

static void who_came_before_the_limit_or_sits_beyond_a_lowered_one_counts_GT_3_1_2(void **state)
{
	struct seats *s;
	struct seat_choice c;

	(void)state;
	assert_int_equal(seats_new(&s), ERR_OK);
	agent(s, "a", true, 1);
	agent(s, "b", true, 2);
	c = choose(s, "c", 2, 0);
	assert_int_equal(c.answer, SEAT_FULL);
	assert_int_equal(c.used, 2);
	assert_int_equal(choose(s, "c", 3, 0).answer, SEAT_TAKE);
	put(s, 2, "c", 0, 3, 0);
	agent(s, "c", true, 4);
	agent(s, "a", false, 5);
	assert_int_equal(choose(s, "d", 2, 0).answer, SEAT_FULL);
	agent(s, "b", false, 6);
	c = choose(s, "d", 2, 0);
	assert_int_equal(c.answer, SEAT_TAKE);
	assert_in_range(c.index, 0, 1);
	seats_free(&s);
}

static void a_seat_that_is_being_tried_is_given_to_nobody_else_and_old_news_change_nothing(void **state)
{
	struct seats *s;
	struct seat_choice c;

	(void)state;
	assert_int_equal(seats_new(&s), ERR_OK);
	assert_int_equal(seats_choose(s, T, "a", 0, 1, 0, &c), ERR_OK);
	assert_int_equal(c.answer, SEAT_TAKE);
	assert_int_equal(choose(s, "b", 1, 0).answer, SEAT_FULL);
	seats_tried(s, T, 0);
	put(s, 0, "a", 5, 10, 0);
	put(s, 0, "b", 1, 9, 0);
	agent(s, "a", true, 12);
	agent(s, "a", false, 11);
	assert_int_equal(choose(s, "b", 1, 99999).answer, SEAT_FULL);
	seats_free(&s);
}

static err_t fill(void *arg)
{
	struct seats *s = NULL;
	struct seat_choice c;
	char id[16];
	err_t e = seats_new(&s);

	(void)arg;
	for (unsigned i = 0; !e && i < 40; i++) {
		snprintf(id, sizeof(id), "a%u", i);
		e = seats_put(s, &(struct seat_entry){ T, i, id, 1, i + 1 }, 0);
		if (!e)
			e = seats_agent(s, T, id, true, i + 2);
	}
	if (!e)
		e = seats_choose(s, "other", "x", 0, 5, 0, &c);
	seats_free(&s);
	return e;
}

static void memory_that_runs_out_is_an_error(void **state)
{
	(void)state;
	testkit_each_alloc_failure(fill, NULL);
}

/* ---- desks in virtual time ---- */

#define DESKS  3
#define AGENTS 8
#define OPS    12
#define LOG    20000

struct world {
	uint64_t seed, revision;
	int64_t now_ms;
	unsigned limit, in;
	struct {
		bool in;
		uint64_t revision;
	} agents[AGENTS];
	struct {
		int agent;
		uint64_t agent_revision, revision;
	} seats[AGENTS];
	/* What happened, in order: of an agent, or of a seat. */
	struct {
		int seat, agent;
		bool in;
		uint64_t agent_revision, revision;
	} log[LOG];
	size_t n_log;
	struct {
		struct seats *seats;
		size_t seen[2]; /* of agents, of seats: two buckets, one may be told of long before the other */
	} desks[DESKS];
	struct op {
		enum { IDLE, READ, CHOOSE, SEAT, SEAT_READ, FENCE, SIGN_IN } step;
		int desk, agent;
		uint64_t revision;
		struct seat_choice c;
		bool ghost; /* its desk is dead: what is on its way arrives, and nothing more */
	} ops[OPS];
	unsigned signed_in, fenced, full, lost, ghosts;
};

static unsigned any(struct world *w, unsigned n)
{
	w->seed ^= w->seed << 13;
	w->seed ^= w->seed >> 7;
	w->seed ^= w->seed << 17;
	return (unsigned)(w->seed % n);
}

static const char *name(int agent)
{
	static const char *const names[AGENTS] = { "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7" };

	return names[agent];
}

static void tell(struct world *w, int desk, size_t i)
{
	if (w->log[i].seat < 0)
		agent(w->desks[desk].seats, name(w->log[i].agent), w->log[i].in, w->log[i].revision);
	else
		put(w->desks[desk].seats, (unsigned)w->log[i].seat, name(w->log[i].agent), w->log[i].agent_revision,
		    w->log[i].revision, w->now_ms);
}

static void note(struct world *w, int seat, int who)
{
	size_t i = w->n_log++;

	assert_true(i < LOG);
	w->log[i].seat = seat;
	w->log[i].agent = who;
	w->log[i].in = w->agents[who].in;
	w->log[i].agent_revision = seat < 0 ? 0 : w->seats[seat].agent_revision;
	w->log[i].revision = seat < 0 ? w->agents[who].revision : w->seats[seat].revision;
}

static void set_agent(struct world *w, int who, bool in)
{
	w->in += (unsigned)in - (unsigned)w->agents[who].in;
	w->agents[who].in = in;
	w->agents[who].revision = ++w->revision;
	note(w, -1, who);
	assert_true(!in || w->in <= w->limit);
}

static void read_agent(struct world *w, int desk, int who)
{
	if (w->agents[who].revision)
		agent(w->desks[desk].seats, name(who), w->agents[who].in, w->agents[who].revision);
}

static void end(struct op *op)
{
	op->step = IDLE;
}

static void do_read(struct world *w, struct op *op)
{
	read_agent(w, op->desk, op->agent);
	op->revision = w->agents[op->agent].revision;
	op->step = w->agents[op->agent].in ? IDLE : CHOOSE;
}

static void do_choose(struct world *w, struct op *op)
{
	assert_int_equal(seats_choose(w->desks[op->desk].seats, T, name(op->agent), op->revision, w->limit, w->now_ms,
				      &op->c),
			 ERR_OK);
	w->full += op->c.answer == SEAT_FULL;
	op->step = op->c.answer == SEAT_TAKE	 ? SEAT
		   : op->c.answer == SEAT_FENCE	 ? FENCE
		   : op->c.answer == SEAT_REREAD ? READ
						 : IDLE;
}

static void do_seat(struct world *w, struct op *op)
{
	unsigned i = op->c.index;
	bool ok = w->seats[i].revision == op->c.revision;

	assert_true(i < w->limit);
	if (ok) {
		w->seats[i].agent = op->agent;
		w->seats[i].agent_revision = op->revision;
		w->seats[i].revision = ++w->revision;
		note(w, (int)i, op->agent);
	} else {
		w->lost++;
	}
	if (op->ghost) {
		end(op);
		return;
	}
	seats_tried(w->desks[op->desk].seats, T, i);
	if (ok)
		tell(w, op->desk, w->n_log - 1);
	op->step = ok ? SIGN_IN : SEAT_READ;
}

static void do_seat_read(struct world *w, struct op *op)
{
	unsigned i = op->c.index;

	put(w->desks[op->desk].seats, i, name(w->seats[i].agent), w->seats[i].agent_revision, w->seats[i].revision,
	    w->now_ms);
	op->step = READ;
}

static void do_fence(struct world *w, struct op *op)
{
	int who = op->c.agent_id[1] - '0';

	if (w->agents[who].revision == op->c.agent_revision) {
		assert_false(w->agents[who].in);
		set_agent(w, who, false);
		w->fenced++;
	}
	if (op->ghost) {
		end(op);
		return;
	}
	read_agent(w, op->desk, who);
	op->step = READ;
}

static void do_sign_in(struct world *w, struct op *op)
{
	bool ok = w->agents[op->agent].revision == op->revision;

	if (ok) {
		set_agent(w, op->agent, true);
		w->signed_in++;
	} else {
		w->lost++;
	}
	if (!op->ghost && ok)
		tell(w, op->desk, w->n_log - 1);
	op->step = op->ghost || ok ? IDLE : READ;
}

static void step(struct world *w, struct op *op)
{
	static void (*const steps[])(struct world *, struct op *) = {
		[READ] = do_read,	    [CHOOSE] = do_choose, [SEAT] = do_seat,
		[SEAT_READ] = do_seat_read, [FENCE] = do_fence,	  [SIGN_IN] = do_sign_in,
	};

	if (op->step != IDLE)
		steps[op->step](w, op);
}

static void see(struct world *w, int desk, bool seats, size_t n)
{
	size_t *at = &w->desks[desk].seen[seats];

	for (; n && *at < w->n_log; (*at)++) {
		if ((w->log[*at].seat >= 0) != seats)
			continue;
		tell(w, desk, *at);
		n--;
	}
}

static void see_all(struct world *w, int desk)
{
	see(w, desk, false, LOG);
	see(w, desk, true, LOG);
}

/* Forgets everything; what it has sent may still arrive, whenever. */
static void kill_desk(struct world *w, int desk)
{
	for (int i = 0; i < OPS; i++) {
		struct op *op = &w->ops[i];

		if (op->desk != desk || op->step == IDLE || op->ghost)
			continue;
		op->ghost = op->step == SEAT || op->step == FENCE || op->step == SIGN_IN;
		w->ghosts += op->ghost;
		if (!op->ghost)
			end(op);
	}
	seats_free(&w->desks[desk].seats);
	assert_int_equal(seats_new(&w->desks[desk].seats), ERR_OK);
	w->desks[desk].seen[0] = w->desks[desk].seen[1] = 0;
	see_all(w, desk); /* before it is ready */
}

static void start_op(struct world *w)
{
	struct op *op = &w->ops[any(w, OPS)];

	if (op->step == IDLE)
		*op = (struct op){ .step = READ, .desk = (int)any(w, DESKS), .agent = (int)any(w, AGENTS) };
}

static void something_happens(struct world *w)
{
	unsigned dice = any(w, 100);
	int who = (int)any(w, AGENTS);

	w->now_ms += any(w, 200);
	if (dice < 55)
		step(w, &w->ops[any(w, OPS)]);
	else if (dice < 75)
		see(w, (int)any(w, DESKS), any(w, 2), 1 + any(w, 6));
	else if (dice < 90)
		start_op(w);
	else if (dice < 98 && w->agents[who].in)
		set_agent(w, who, false);
	else if (dice == 99)
		kill_desk(w, (int)any(w, DESKS));
}

/* Everybody tries until nothing changes any more: as many as there are seats are in. */
static void settle(struct world *w)
{
	for (int round = 0; round < 40; round++) {
		w->now_ms += 1000;
		for (int d = 0; d < DESKS; d++)
			see_all(w, d);
		for (int i = 0; i < OPS; i++) {
			if (w->ops[i].step == IDLE)
				w->ops[i] = (struct op){ .step = READ, .desk = i % DESKS, .agent = i % AGENTS };
			for (int k = 0; k < 60 && w->ops[i].step != IDLE; k++)
				step(w, &w->ops[i]);
		}
	}
	assert_int_equal(w->in, w->limit < AGENTS ? w->limit : AGENTS);
}

/* Signed in without a seat, perhaps more than may be now. Everybody knows of them. */
static void before_there_was_a_limit(struct world *w, int n)
{
	unsigned limit = w->limit;

	w->limit = AGENTS;
	for (int i = 0; i < n; i++)
		set_agent(w, i, true);
	w->limit = limit;
	for (int d = 0; d < DESKS; d++)
		see_all(w, d);
}

static void run_world(struct world *w, uint64_t seed, unsigned limit)
{
	memset(w, 0, sizeof(*w));
	w->seed = seed * 0x9e3779b97f4a7c15u + 1;
	w->limit = limit;
	for (int d = 0; d < DESKS; d++)
		assert_int_equal(seats_new(&w->desks[d].seats), ERR_OK);
	before_there_was_a_limit(w, (int)any(w, AGENTS));
	for (int i = 0; i < 6000; i++)
		something_happens(w);
	settle(w);
	for (int d = 0; d < DESKS; d++)
		seats_free(&w->desks[d].seats);
}

static void whatever_is_late_lost_or_killed_never_too_many_are_signed_in_and_all_seats_are_used_GT_3_1_2(void **state)
{
	static struct world w;
	unsigned signed_in = 0, fenced = 0, full = 0, lost = 0, ghosts = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 300; seed++) {
		run_world(&w, seed, 1 + (unsigned)(seed % (AGENTS - 2)));
		signed_in += w.signed_in;
		fenced += w.fenced;
		full += w.full;
		lost += w.lost;
		ghosts += w.ghosts;
	}
	/* It was a test: each of these happened often. */
	assert_true(signed_in > 1000 && fenced > 100 && full > 1000 && lost > 100 && ghosts > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_who_comes_back_has_the_seat_again_and_one_who_left_gives_it_to_the_next_GT_3_1_2),
		cmocka_unit_test(one_who_is_about_to_come_is_waited_for_and_then_fenced),
		cmocka_unit_test(of_two_seats_of_one_agent_the_one_of_the_later_sign_in_counts),
		cmocka_unit_test(a_seat_for_a_later_sign_in_is_not_written_over_by_one_for_an_earlier_one),
		cmocka_unit_test(who_came_before_the_limit_or_sits_beyond_a_lowered_one_counts_GT_3_1_2),
		cmocka_unit_test(a_seat_that_is_being_tried_is_given_to_nobody_else_and_old_news_change_nothing),
		cmocka_unit_test(memory_that_runs_out_is_an_error),
		cmocka_unit_test(
		    whatever_is_late_lost_or_killed_never_too_many_are_signed_in_and_all_seats_are_used_GT_3_1_2),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
