#include "loop_internal.h"
#include "base/clock.h"
#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* The loop's own descriptors carry no struct loop_io: waking up was all they were for. Edge-triggered, so that nobody
 * needs to read them. */
static err_t watch_own(struct loop *loop, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET, .data.ptr = NULL };

	return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0 ? ERR_OK : err_from_errno(errno);
}

static err_t open_own(struct loop *loop)
{
	err_t e;

	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0)
		return err_from_errno(errno);
	loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->wake_fd < 0)
		return err_from_errno(errno);
	loop->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (loop->timer_fd < 0)
		return err_from_errno(errno);
	e = watch_own(loop, loop->wake_fd);
	return e ? e : watch_own(loop, loop->timer_fd);
}

err_t loop_new(struct loop **ret)
{
	struct loop *loop = mem_zalloc(sizeof(*loop));
	err_t e;

	if (!loop)
		return ERR_EXHAUSTED;
	loop->epoll_fd = loop->wake_fd = loop->timer_fd = loop->signal_fd = -1;
	loop->armed_ms = INT64_MAX;
	loop->now_ms = clock_mono_ms();
	atomic_store(&loop->idle, true);
	e = open_own(loop);
	if (e) {
		loop_free(&loop);
		return e;
	}
	*ret = loop;
	return ERR_OK;
}

static struct loop_post *take_posts(struct loop *loop)
{
	struct loop_post *p = atomic_exchange(&loop->posts, NULL), *in_order = NULL;

	while (p) {
		struct loop_post *next = p->next;

		p->next = in_order;
		in_order = p;
		p = next;
	}
	return in_order;
}

static void gather_posts(struct loop *loop)
{
	struct loop_post **at = &loop->due;

	while (*at)
		at = &(*at)->next;
	*at = take_posts(loop);
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

void loop_free(struct loop **ref)
{
	struct loop *loop = *ref;

	if (!loop)
		return;
	gather_posts(loop);
	for (struct loop_post *p = loop->due, *next; p; p = next) {
		next = p->next;
		mem_free(p);
	}
	loop_timers_forget(loop);
	close_fd(loop->signal_fd);
	close_fd(loop->timer_fd);
	close_fd(loop->wake_fd);
	close_fd(loop->epoll_fd);
	mem_free(loop);
	*ref = NULL;
}

/* ---- turns --------------------------------------------------------------------------------------------------- */

static void wake(struct loop *loop)
{
	/* Only the first that finds the loop idle writes: one wake-up per batch. */
	if (atomic_exchange(&loop->idle, false))
		(void)eventfd_write(loop->wake_fd, 1);
}

static bool run_posts(struct loop *loop)
{
	struct loop_post *p;

	if (!atomic_load_explicit(&loop->posts, memory_order_relaxed) && !loop->due)
		return false;
	gather_posts(loop);
	while ((p = loop->due)) { /* one by one: the function may take back those behind it */
		loop->due = p->next;
		p->fn(p->arg);
		mem_free(p);
	}
	return true;
}

static bool run_ios(struct loop *loop)
{
	bool any = false;

	for (int i = 0; i < loop->n_events; i++) {
		struct loop_io *io = loop->events[i].data.ptr; /* NULL: our own, or stopped earlier in this turn */

		if (!io)
			continue;
		io->fn(loop->events[i].events, io->arg);
		any = true;
	}
	loop->n_events = 0;
	return any;
}

static void run_idles(struct loop *loop)
{
	for (struct loop_idle *i = loop->idles; i; i = loop->idle_next) {
		loop->idle_next = i->next;
		i->fn(i->arg);
	}
	loop->idle_next = NULL;
}

static int wait_ms(struct loop *loop, int timeout_ms)
{
	int64_t timer = loop_timers_wait_ms(loop, clock_mono_ms());

	if (timer >= 0 && (timeout_ms < 0 || timer < timeout_ms))
		return timer < INT_MAX ? (int)timer : INT_MAX;
	return timeout_ms;
}

/* From here on a post wakes us; what was posted just before is looked at again. */
static void go_idle(struct loop *loop)
{
	atomic_store(&loop->idle, true);
	if (atomic_load(&loop->posts) || loop->due)
		wake(loop);
}

#define IDLE_TICKS 5

static void sleep_until(int64_t at_us)
{
	struct timespec at = { .tv_sec = at_us / 1000000, .tv_nsec = at_us % 1000000 * 1000 };

	(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

static int poll_events(struct loop *loop, int wait)
{
	return epoll_wait(loop->epoll_fd, loop->events, LOOP_BATCH, wait);
}

/*
 * With a pace: a loop that has its hands full looks only at ticks, multiples of the pace on the clock that all processes
 * share. So what all of them produced goes out at the same moments, the peer between them is woken once for all, and what
 * it answers lies there at the next tick, for which nobody is woken. After some ticks without anything the loop waits as
 * one without a pace, and serves a lone event at once.
 */
static int wait_events(struct loop *loop, int timeout_ms)
{
	int n;

	if (!loop->pace_us || !timeout_ms)
		return poll_events(loop, wait_ms(loop, timeout_ms));
	while (loop->ticks_left > 0) {
		loop->ticks_left--;
		sleep_until((clock_mono_us() / loop->pace_us + 1) * loop->pace_us);
		n = poll_events(loop, 0);
		if (n || atomic_load(&loop->posts) || loop->due || atomic_load(&loop->stopping) ||
		    wait_ms(loop, 1) == 0)
			return n;
	}
	return poll_events(loop, wait_ms(loop, timeout_ms));
}

/* Two turns soon after each other: there is more to come. */
static void note_turn(struct loop *loop)
{
	int64_t now_us = clock_mono_us();

	if (now_us - loop->turn_us < IDLE_TICKS * loop->pace_us)
		loop->ticks_left = IDLE_TICKS;
	loop->turn_us = now_us;
}

void loop_turn(struct loop *loop, int timeout_ms)
{
	bool any;
	int n;

	assert(!loop->in_turn);
	n = wait_events(loop, timeout_ms);
	if (loop->pace_us)
		note_turn(loop);
	loop->n_events = n > 0 ? n : 0;
	atomic_store(&loop->idle, false);
	loop->now_ms = clock_mono_ms();
	if (loop->armed_ms <= loop->now_ms)
		loop->armed_ms = INT64_MAX;
	loop->in_turn = true;
	any = loop_timers_run(loop);
	any |= run_ios(loop);
	any |= run_posts(loop);
	if (any)
		run_idles(loop);
	loop->in_turn = false;
	if (loop->embedded)
		loop_timers_arm(loop);
	go_idle(loop);
}

void loop_run(struct loop *loop)
{
	while (!atomic_load(&loop->stopping))
		loop_turn(loop, -1);
	atomic_store(&loop->stopping, false);
}

void loop_set_pace(struct loop *loop, int64_t pace_us)
{
	loop->pace_us = pace_us > 0 ? pace_us : 0;
}

void loop_stop(struct loop *loop)
{
	atomic_store(&loop->stopping, true);
	wake(loop);
}

int loop_fd(struct loop *loop)
{
	if (!loop->embedded) {
		loop->embedded = true;
		loop_timers_arm(loop);
	}
	return loop->epoll_fd;
}

int64_t loop_now_ms(struct loop *loop)
{
	if (!loop->in_turn)
		loop->now_ms = clock_mono_ms();
	return loop->now_ms;
}

/* ---- descriptors, posts, idle hooks, signals ------------------------------------------------------------------- */

err_t loop_io_start(struct loop_io *io, struct loop *loop, int fd, uint32_t events,
		    void (*fn)(uint32_t events, void *arg), void *arg)
{
	struct epoll_event ev = { .events = events, .data.ptr = io };

	*io = (struct loop_io){ .loop = loop, .fn = fn, .arg = arg, .fd = fd };
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &ev) != 0) {
		io->loop = NULL;
		return err_from_errno(errno);
	}
	return ERR_OK;
}

err_t loop_io_modify(struct loop_io *io, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = io };

	if (!io->loop)
		return ERR_PRECONDITION;
	return epoll_ctl(io->loop->epoll_fd, EPOLL_CTL_MOD, io->fd, &ev) == 0 ? ERR_OK : err_from_errno(errno);
}

void loop_io_stop(struct loop_io *io)
{
	struct loop *loop = io->loop;

	if (!loop)
		return;
	io->loop = NULL;
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, io->fd, NULL);
	for (int i = 0; i < loop->n_events; i++)
		if (loop->events[i].data.ptr == io)
			loop->events[i].data.ptr = NULL;
}

err_t loop_post(struct loop *loop, void (*fn)(void *arg), void *arg)
{
	struct loop_post *p = mem_alloc(sizeof(*p));

	if (!p)
		return ERR_EXHAUSTED;
	p->fn = fn;
	p->arg = arg;
	p->next = atomic_load_explicit(&loop->posts, memory_order_relaxed);
	while (!atomic_compare_exchange_weak(&loop->posts, &p->next, p))
		;
	wake(loop);
	return ERR_OK;
}

void loop_unpost(struct loop *loop, void (*fn)(void *arg), const void *arg, void (*take)(void *arg))
{
	struct loop_post **at = &loop->due;

	gather_posts(loop);
	while (*at) {
		struct loop_post *p = *at;

		if (p->fn != fn || (arg && p->arg != arg)) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		if (take)
			take(p->arg);
		mem_free(p);
	}
}

void loop_idle_start(struct loop_idle *i, struct loop *loop, void (*fn)(void *arg), void *arg)
{
	struct loop_idle **at = &loop->idles;

	*i = (struct loop_idle){ .loop = loop, .fn = fn, .arg = arg };
	while (*at)
		at = &(*at)->next;
	*at = i;
}

void loop_idle_stop(struct loop_idle *i)
{
	struct loop *loop = i->loop;

	if (!loop)
		return;
	if (loop->idle_next == i)
		loop->idle_next = i->next;
	for (struct loop_idle **at = &loop->idles; *at; at = &(*at)->next) {
		if (*at == i) {
			*at = i->next;
			break;
		}
	}
	i->loop = NULL;
}

static void on_signal(uint32_t events, void *arg)
{
	struct loop *loop = arg;
	struct signalfd_siginfo info;

	(void)events;
	while (read(loop->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		loop->signal_fn((int)info.ssi_signo, loop->signal_arg);
}

err_t loop_signals(struct loop *loop, void (*fn)(int signo, void *arg), void *arg)
{
	sigset_t set;
	int r;

	if (loop->signal_fd >= 0)
		return ERR_EXISTS;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	r = pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (r)
		return err_from_errno(r);
	loop->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (loop->signal_fd < 0)
		return err_from_errno(errno);
	loop->signal_fn = fn;
	loop->signal_arg = arg;
	return loop_io_start(&loop->signal_io, loop, loop->signal_fd, EPOLLIN, on_signal, loop);
}
