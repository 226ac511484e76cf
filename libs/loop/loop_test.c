#include "loop/loop.h"
#include "base/clock.h"
#include "base/mem.h"
#include "testkit/cmocka_all.h"
#include "testkit/testkit.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static struct loop *loop;

static int set_up(void **state)
{
	UNUSED(state);
	return loop_new(&loop) == ERR_OK ? 0 : -1;
}

static int tear_down(void **state)
{
	UNUSED(state);
	loop_free(&loop);
	return 0;
}

/* A protocol of what ran: each callback appends its letter. */
static char trace[4096];

static void note(const char *what)
{
	strncat(trace, what, sizeof(trace) - strlen(trace) - 1);
}

static void note_arg(void *arg)
{
	note(arg);
}

static void timers_fire_in_the_order_of_their_times_then_of_their_start(void **state)
{
	struct loop_timer a, b, c, d;

	UNUSED(state);
	trace[0] = '\0';
	loop_timer_init(&a, loop, note_arg, "a");
	loop_timer_init(&b, loop, note_arg, "b");
	loop_timer_init(&c, loop, note_arg, "c");
	loop_timer_init(&d, loop, note_arg, "d");
	loop_timer_start(&c, 3);
	loop_timer_start(&a, 1);
	loop_timer_start(&b, 1);
	loop_timer_start(&d, 0);
	while (loop_timer_running(&c))
		loop_turn(loop, -1);
	assert_string_equal(trace, "dabc");
	assert_false(loop_timer_running(&a));
}

static void a_stopped_timer_does_not_fire_and_a_restarted_one_fires_once(void **state)
{
	struct loop_timer a, b;

	UNUSED(state);
	trace[0] = '\0';
	loop_timer_init(&a, loop, note_arg, "a");
	loop_timer_init(&b, loop, note_arg, "b");
	loop_timer_start(&a, 0);
	loop_timer_start(&b, 0);
	loop_timer_start(&b, 1);
	loop_timer_stop(&a);
	loop_timer_stop(&a);
	while (loop_timer_running(&b))
		loop_turn(loop, -1);
	loop_turn(loop, 2);
	assert_string_equal(trace, "b");
	loop_timer_done(&a);
	loop_timer_done(&b);
}

static struct loop_timer again;
static int fired;

static void restart_at_once(void *arg)
{
	UNUSED(arg);
	fired++;
	loop_timer_start(&again, 0);
}

static void a_timer_that_restarts_itself_waits_for_the_next_turn(void **state)
{
	UNUSED(state);
	fired = 0;
	loop_timer_init(&again, loop, restart_at_once, NULL);
	loop_timer_start(&again, 0);
	loop_turn(loop, -1);
	assert_int_equal(fired, 1);
	loop_turn(loop, -1);
	assert_int_equal(fired, 2);
	loop_timer_done(&again);
}

/* The heap against a plain list, by a fixed seed. */
#define MANY 500
static struct loop_timer many[MANY];
static int64_t last_at;
static uint64_t last_seq;
static int left;

static void check_order(void *arg)
{
	struct loop_timer *t = arg;

	assert_true(t->at_ms > last_at || (t->at_ms == last_at && t->seq > last_seq));
	last_at = t->at_ms;
	last_seq = t->seq;
	left--;
}

static void many_timers_started_and_stopped_at_random_keep_their_order(void **state)
{
	unsigned seed = 4711;

	UNUSED(state);
	left = 0;
	last_at = -1;
	for (int i = 0; i < MANY; i++)
		loop_timer_init(&many[i], loop, check_order, &many[i]);
	for (int i = 0; i < 20 * MANY; i++) {
		struct loop_timer *t = &many[rand_r(&seed) % MANY];

		if (rand_r(&seed) % 3)
			loop_timer_start(t, rand_r(&seed) % 30);
		else
			loop_timer_stop(t);
	}
	for (int i = 0; i < MANY; i++)
		left += loop_timer_running(&many[i]);
	assert_true(left > MANY / 3);
	while (left)
		loop_turn(loop, -1);
	for (int i = 0; i < MANY; i++)
		assert_false(loop_timer_running(&many[i]));
}

static void a_timer_far_away_does_not_overflow(void **state)
{
	struct loop_timer t;

	UNUSED(state);
	loop_timer_init(&t, loop, note_arg, "x");
	loop_timer_start(&t, INT64_MAX);
	loop_turn(loop, 0);
	assert_true(loop_timer_running(&t));
	loop_timer_done(&t);
}

struct reader {
	struct loop_io io;
	struct reader *stops; /* the other one, stopped by whoever comes first */
	int reads;
};

static void on_readable(uint32_t events, void *arg)
{
	struct reader *r = arg;

	assert_true(events & EPOLLIN);
	r->reads++;
	if (r->stops)
		loop_io_stop(&r->stops->io);
}

static void a_descriptor_is_heard_until_it_is_stopped(void **state)
{
	struct reader r = { .reads = 0 };
	int fds[2];

	UNUSED(state);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(loop_io_start(&r.io, loop, fds[0], EPOLLIN, on_readable, &r), ERR_OK);
	loop_turn(loop, 0);
	assert_int_equal(r.reads, 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	loop_turn(loop, -1);
	loop_turn(loop, -1);
	assert_int_equal(r.reads, 2); /* level: it was not read */
	assert_int_equal(loop_io_modify(&r.io, 0), ERR_OK);
	loop_turn(loop, 0);
	assert_int_equal(r.reads, 2);
	loop_io_stop(&r.io);
	loop_io_stop(&r.io);
	assert_int_equal(loop_io_modify(&r.io, EPOLLIN), ERR_PRECONDITION);
	close(fds[0]);
	close(fds[1]);
}

static void a_descriptor_stopped_by_another_in_the_same_turn_is_not_heard_any_more(void **state)
{
	struct reader a = { .reads = 0 }, b = { .reads = 0 };
	int fds[2][2];

	UNUSED(state);
	a.stops = &b;
	b.stops = &a;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pipe(fds[i]), 0);
		assert_int_equal(write(fds[i][1], "x", 1), 1);
	}
	assert_int_equal(loop_io_start(&a.io, loop, fds[0][0], EPOLLIN, on_readable, &a), ERR_OK);
	assert_int_equal(loop_io_start(&b.io, loop, fds[1][0], EPOLLIN, on_readable, &b), ERR_OK);
	loop_turn(loop, -1);
	assert_int_equal(a.reads + b.reads, 1);
	for (int i = 0; i < 2; i++) {
		close(fds[i][0]);
		close(fds[i][1]);
	}
}

static void a_wrong_descriptor_is_an_error(void **state)
{
	struct loop_io io;

	UNUSED(state);
	assert_int_not_equal(loop_io_start(&io, loop, -1, EPOLLIN, on_readable, NULL), ERR_OK);
	loop_io_stop(&io);
}

static void posts_run_in_order_and_not_within_the_call(void **state)
{
	UNUSED(state);
	trace[0] = '\0';
	assert_int_equal(loop_post(loop, note_arg, "a"), ERR_OK);
	assert_int_equal(loop_post(loop, note_arg, "b"), ERR_OK);
	assert_int_equal(loop_post(loop, note_arg, "c"), ERR_OK);
	assert_string_equal(trace, "");
	loop_turn(loop, -1);
	assert_string_equal(trace, "abc");
}

static void post_b(void *arg)
{
	UNUSED(arg);
	note("a");
	assert_int_equal(loop_post(loop, note_arg, "b"), ERR_OK);
}

static void a_post_from_a_post_runs_in_the_next_turn(void **state)
{
	UNUSED(state);
	trace[0] = '\0';
	assert_int_equal(loop_post(loop, post_b, NULL), ERR_OK);
	loop_turn(loop, -1);
	assert_string_equal(trace, "a");
	loop_turn(loop, -1); /* does not sleep for ever */
	assert_string_equal(trace, "ab");
}

#define POSTERS 4
#define POSTS	20000
static int next_of[POSTERS], received;
static atomic_bool unposted;

struct numbered {
	int poster, number;
};

static void receive(void *arg)
{
	struct numbered *n = arg;

	assert_int_equal(next_of[n->poster], n->number);
	next_of[n->poster]++;
	mem_free(n);
	if (++received == POSTERS * POSTS)
		loop_stop(loop);
}

/* What it could not post (no memory) it counts, so that nobody waits for it. */
static void *post_many(void *arg)
{
	for (int i = 0; i < POSTS; i++) {
		struct numbered *n = mem_alloc(sizeof(*n));

		if (n) {
			n->poster = (int)(intptr_t)arg;
			n->number = i;
		}
		if (!n || loop_post(loop, receive, n) != ERR_OK) {
			atomic_store(&unposted, true);
			mem_free(n);
			break;
		}
	}
	return NULL;
}

static void give_up_if_unposted(void *arg)
{
	if (atomic_load(&unposted))
		loop_stop(loop);
	else
		loop_timer_start(arg, 50);
}

static void posts_of_many_threads_arrive_once_and_in_the_order_of_each_thread(void **state)
{
	pthread_t threads[POSTERS];
	struct loop_timer watch;

	UNUSED(state);
	received = 0;
	atomic_store(&unposted, false);
	loop_timer_init(&watch, loop, give_up_if_unposted, &watch);
	loop_timer_start(&watch, 50);
	memset(next_of, 0, sizeof(next_of));
	for (int i = 0; i < POSTERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, post_many, (void *)(intptr_t)i), 0);
	loop_run(loop);
	for (int i = 0; i < POSTERS; i++)
		pthread_join(threads[i], NULL);
	loop_timer_done(&watch);
	assert_int_equal(received, POSTERS * POSTS);
}

static char said[16];

static void say(void *arg)
{
	said[strlen(said)] = *(char *)arg;
}

static void shout(void *arg)
{
	say(arg);
}

/* The first function of a turn takes back what would come behind it. */
static void unpost_shouts(void *arg)
{
	loop_unpost(loop, shout, NULL, arg ? say : NULL);
}

static void what_is_taken_back_does_not_run_and_the_rest_keeps_its_order(void **state)
{
	static char letters[] = "abcdef";

	UNUSED(state);
	memset(said, 0, sizeof(said));
	for (int i = 0; i < 6; i++)
		assert_int_equal(loop_post(loop, i % 2 ? shout : say, &letters[i]), ERR_OK);
	loop_unpost(loop, shout, &letters[3], NULL);
	assert_int_equal(loop_post(loop, unpost_shouts, NULL), ERR_OK);
	assert_int_equal(loop_post(loop, shout, &letters[0]), ERR_OK);
	loop_turn(loop, 1000);
	assert_string_equal(said, "abcef");
	loop_turn(loop, 0);
	assert_string_equal(said, "abcef");

	memset(said, 0, sizeof(said));
	assert_int_equal(loop_post(loop, shout, &letters[0]), ERR_OK);
	assert_int_equal(loop_post(loop, say, &letters[1]), ERR_OK);
	unpost_shouts(&letters[0]); /* given to say() instead */
	assert_string_equal(said, "a");
	loop_turn(loop, 1000);
	assert_string_equal(said, "ab");
}

static void *stop_it(void *arg)
{
	loop_stop(arg);
	return NULL;
}

static void another_thread_can_stop_a_sleeping_loop(void **state)
{
	pthread_t t;

	UNUSED(state);
	for (int i = 0; i < 200; i++) {
		assert_int_equal(pthread_create(&t, NULL, stop_it, loop), 0);
		loop_run(loop);
		pthread_join(t, NULL);
	}
}

static struct loop_idle idle_a, idle_b;

static void stop_idle_b(void *arg)
{
	note(arg);
	loop_idle_stop(&idle_b);
}

static void idle_hooks_run_after_a_turn_that_did_something(void **state)
{
	UNUSED(state);
	trace[0] = '\0';
	loop_idle_start(&idle_a, loop, note_arg, "1");
	loop_idle_start(&idle_b, loop, note_arg, "2");
	loop_turn(loop, 0);
	assert_string_equal(trace, "");
	assert_int_equal(loop_post(loop, note_arg, "p"), ERR_OK);
	loop_turn(loop, -1);
	assert_string_equal(trace, "p12");
	loop_idle_stop(&idle_a);
	loop_idle_stop(&idle_b);
	loop_idle_stop(&idle_b);
}

static void an_idle_hook_can_stop_the_next_one(void **state)
{
	UNUSED(state);
	trace[0] = '\0';
	loop_idle_start(&idle_a, loop, stop_idle_b, "1");
	loop_idle_start(&idle_b, loop, note_arg, "2");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(loop_post(loop, note_arg, "p"), ERR_OK);
		loop_turn(loop, -1);
	}
	assert_string_equal(trace, "p1p1");
	loop_idle_stop(&idle_a);
}

static bool readable(int timeout_ms)
{
	struct pollfd p = { .fd = loop_fd(loop), .events = POLLIN };

	return poll(&p, 1, timeout_ms) == 1;
}

static void an_embedded_loop_is_readable_for_timers_and_posts(void **state)
{
	struct loop_timer t;

	UNUSED(state);
	trace[0] = '\0';
	loop_timer_init(&t, loop, note_arg, "t");
	loop_timer_start(&t, 5);
	assert_true(readable(5000));
	loop_turn(loop, 0);
	assert_string_equal(trace, "t");
	assert_false(readable(0));
	assert_int_equal(loop_post(loop, post_b, NULL), ERR_OK);
	assert_true(readable(0));
	loop_turn(loop, 0);
	assert_true(readable(0)); /* what the post posted */
	loop_turn(loop, 0);
	assert_string_equal(trace, "tab");
	assert_false(readable(0));
	/* From outside a turn, and earlier than what the descriptor waits for. */
	loop_timer_start(&t, 60000);
	loop_timer_start(&t, 1);
	assert_true(readable(5000));
	loop_turn(loop, 0);
	assert_string_equal(trace, "tabt");
}

static int got_signal;

static void on_signal(int signo, void *arg)
{
	UNUSED(arg);
	got_signal = signo;
}

static void sigterm_arrives_on_the_loop(void **state)
{
	UNUSED(state);
	assert_int_equal(loop_signals(loop, on_signal, NULL), ERR_OK);
	assert_int_equal(loop_signals(loop, on_signal, NULL), ERR_EXISTS);
	raise(SIGTERM);
	loop_turn(loop, -1);
	assert_int_equal(got_signal, SIGTERM);
}

static err_t make_and_post(void *arg)
{
	struct loop *l;
	err_t e = loop_new(&l);

	UNUSED(arg);
	if (e)
		return e;
	e = loop_post(l, note_arg, "never");
	loop_free(&l); /* a post that has not run is freed, not run */
	return e;
}

static void a_loop_without_memory_says_so(void **state)
{
	UNUSED(state);
	trace[0] = '\0';
	testkit_each_alloc_failure(make_and_post, NULL);
	assert_string_equal(trace, "");
}

static void freeing_a_loop_with_a_running_timer_leaves_the_timer_stopped(void **state)
{
	struct loop *l;
	struct loop_timer t;

	UNUSED(state);
	assert_int_equal(loop_new(&l), ERR_OK);
	loop_timer_init(&t, l, note_arg, "x");
	loop_timer_start(&t, 1000);
	loop_free(&l);
	assert_null(l);
	loop_timer_done(&t);
	loop_free(&l);
}

struct pacing {
	struct loop *loop;
	struct loop_timer tick, end;
	struct loop_idle idle;
	unsigned ticks, turns;
};

static void on_pacing_tick(void *arg)
{
	struct pacing *p = arg;

	p->ticks++;
	loop_timer_start(&p->tick, 1);
}

static void on_pacing_end(void *arg)
{
	loop_stop(((struct pacing *)arg)->loop);
}

static void on_pacing_turn(void *arg)
{
	((struct pacing *)arg)->turns++;
}

/* However slow the machine: there cannot be more turns than the pace allows. */
static void a_loop_with_a_pace_takes_what_came_meanwhile_in_one_turn(void **state)
{
	struct pacing p = { 0 };
	int64_t t0 = clock_mono_ms();

	UNUSED(state);
	assert_int_equal(loop_new(&p.loop), ERR_OK);
	loop_set_pace(p.loop, 20000);
	loop_timer_init(&p.tick, p.loop, on_pacing_tick, &p);
	loop_timer_init(&p.end, p.loop, on_pacing_end, &p);
	loop_idle_start(&p.idle, p.loop, on_pacing_turn, &p);
	loop_timer_start(&p.tick, 1);
	loop_timer_start(&p.end, 200);
	loop_run(p.loop);
	assert_true(p.turns >= 2 && p.turns <= (clock_mono_ms() - t0) / 20 + 4);
	assert_true(p.ticks <= p.turns);
	loop_idle_stop(&p.idle);
	loop_timer_done(&p.tick);
	loop_timer_done(&p.end);
	loop_free(&p.loop);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(timers_fire_in_the_order_of_their_times_then_of_their_start),
		T(a_stopped_timer_does_not_fire_and_a_restarted_one_fires_once),
		T(a_timer_that_restarts_itself_waits_for_the_next_turn),
		T(many_timers_started_and_stopped_at_random_keep_their_order),
		T(a_timer_far_away_does_not_overflow),
		T(a_descriptor_is_heard_until_it_is_stopped),
		T(a_descriptor_stopped_by_another_in_the_same_turn_is_not_heard_any_more),
		T(a_wrong_descriptor_is_an_error),
		T(posts_run_in_order_and_not_within_the_call),
		T(a_post_from_a_post_runs_in_the_next_turn),
		T(posts_of_many_threads_arrive_once_and_in_the_order_of_each_thread),
		T(what_is_taken_back_does_not_run_and_the_rest_keeps_its_order),
		T(another_thread_can_stop_a_sleeping_loop),
		T(a_loop_with_a_pace_takes_what_came_meanwhile_in_one_turn),
		T(idle_hooks_run_after_a_turn_that_did_something),
		T(an_idle_hook_can_stop_the_next_one),
		T(an_embedded_loop_is_readable_for_timers_and_posts),
		T(sigterm_arrives_on_the_loop),
		T(a_loop_without_memory_says_so),
		T(freeing_a_loop_with_a_running_timer_leaves_the_timer_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
