#include "loop_internal.h"
#include "base/clock.h"

#include <stdint.h>
#include <sys/timerfd.h>

static bool before(const struct loop_timer *a, const struct loop_timer *b)
{
	return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->seq < b->seq;
}

/* Two roots become one; either may be NULL. */
static struct loop_timer *merge(struct loop_timer *a, struct loop_timer *b)
{
	if (!a || !b)
		return a ? a : b;
	if (before(b, a)) {
		struct loop_timer *t = a;

		a = b;
		b = t;
	}
	b->prev = a;
	b->next = a->child;
	if (b->next)
		b->next->prev = b;
	a->child = b;
	a->next = a->prev = NULL;
	return a;
}

/* The two passes of a pairing heap over the siblings that start with first: pair them up, then fold from the right. */
static struct loop_timer *combine(struct loop_timer *first)
{
	struct loop_timer *pairs = NULL, *root = NULL;

	while (first) {
		struct loop_timer *a = first, *b = a->next;

		first = b ? b->next : NULL;
		a->next = a->prev = NULL;
		if (b)
			b->next = b->prev = NULL;
		a = merge(a, b);
		a->next = pairs;
		pairs = a;
	}
	while (pairs) {
		struct loop_timer *a = pairs;

		pairs = a->next;
		a->next = NULL;
		root = merge(root, a);
	}
	return root;
}

static void heap_remove(struct loop *loop, struct loop_timer *t)
{
	struct loop_timer *below = combine(t->child);

	if (loop->timers == t) {
		loop->timers = below;
	} else {
		if (t->prev->child == t)
			t->prev->child = t->next;
		else
			t->prev->next = t->next;
		if (t->next)
			t->next->prev = t->prev;
		loop->timers = merge(loop->timers, below);
	}
	t->child = t->next = t->prev = NULL;
	t->running = false;
}

void loop_timer_init(struct loop_timer *t, struct loop *loop, void (*fn)(void *arg), void *arg)
{
	*t = (struct loop_timer){ .loop = loop, .fn = fn, .arg = arg };
}

void loop_timer_start(struct loop_timer *t, int64_t delay_ms)
{
	struct loop *loop = t->loop;
	int64_t now = loop_now_ms(loop);

	loop_timer_stop(t);
	if (delay_ms < 0)
		delay_ms = 0;
	if (__builtin_add_overflow(now, delay_ms, &t->at_ms))
		t->at_ms = INT64_MAX;
	t->seq = loop->timer_seq++;
	t->running = true;
	loop->timers = merge(loop->timers, t);
	/* Within a turn the descriptor is set once, at its end. */
	if (loop->embedded && !loop->in_turn)
		loop_timers_arm(loop);
}

void loop_timer_stop(struct loop_timer *t)
{
	if (t->running)
		heap_remove(t->loop, t);
}

bool loop_timer_running(const struct loop_timer *t)
{
	return t->running;
}

void loop_timer_done(struct loop_timer *t)
{
	loop_timer_stop(t);
}

bool loop_timers_run(struct loop *loop)
{
	/* What a callback starts with delay 0 has a higher number and waits for the next turn: no starvation. */
	uint64_t limit = loop->timer_seq;
	bool any = false;

	while (loop->timers && loop->timers->at_ms <= loop->now_ms && loop->timers->seq < limit) {
		struct loop_timer *t = loop->timers;

		heap_remove(loop, t);
		t->fn(t->arg);
		any = true;
	}
	return any;
}

int64_t loop_timers_wait_ms(const struct loop *loop, int64_t now_ms)
{
	if (!loop->timers)
		return -1;
	return loop->timers->at_ms > now_ms ? loop->timers->at_ms - now_ms : 0;
}

void loop_timers_arm(struct loop *loop)
{
	struct itimerspec when = { 0 };
	int64_t at;

	if (!loop->timers || loop->timers->at_ms >= loop->armed_ms)
		return;
	at = loop->timers->at_ms;
	when.it_value.tv_sec = (time_t)(at / 1000);
	when.it_value.tv_nsec = (long)(at % 1000) * 1000000 + 1; /* all zero would mean "disarm" */
	/* Fails only for a wrong descriptor or time, neither of which can be here. */
	timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
	loop->armed_ms = at;
}

void loop_timers_forget(struct loop *loop)
{
	while (loop->timers)
		heap_remove(loop, loop->timers);
}
