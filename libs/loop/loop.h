/*
 * loop: one thread, one epoll. Timers, file descriptors, signals, and the only way across threads: loop_post().
 *
 * Everything but loop_post() and loop_stop() is for the loop's own thread. Callbacks take `void *arg` last.
 * A turn: expired timers → ready descriptors → posted functions → idle hooks (where a service flushes what the turn
 * produced, e.g. one NATS flush: libs/bus hangs itself in there).
 *
 *	struct loop *loop;
 *	err_t e = loop_new(&loop);
 *	struct loop_timer t;
 *	loop_timer_init(&t, loop, on_tick, self);
 *	loop_timer_start(&t, 250);
 *	loop_run(loop);
 *	loop_free(&loop);
 */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

struct loop;

err_t loop_new(struct loop **ret) MUST;
void loop_free(struct loop **loop);
/* Until loop_stop(). */
void loop_run(struct loop *loop);
/* Under load turns begin at multiples of pace_us of the monotonic clock only, the same ones in all processes of a machine: what
 * arrived since the last one is done together, and what it produces leaves together. An event after a rest is served at once.
 * Not for loop_turn(…, 0). 0: no pace (the default). */
void loop_set_pace(struct loop *loop, int64_t pace_us);
/* One turn; waits at most timeout_ms (-1: until something happens, 0: not at all). For embedding in a foreign loop. */
void loop_turn(struct loop *loop, int timeout_ms);
/* Any thread, also a signal handler's successor: ends loop_run() after the current turn. */
void loop_stop(struct loop *loop);
/* Readable whenever a turn would do something (epoll fd; from this call on timers are behind a timerfd, too): to embed
 * the loop in a foreign one, which then calls loop_turn(loop, 0). */
int loop_fd(struct loop *loop);
/* Monotonic time in ms, read once a turn (fresh outside of turns). */
int64_t loop_now_ms(struct loop *loop);

/* Timers: embedded, one shot, cancelled by _stop; _done in the owner's _free. They form an intrusive pairing heap:
 * nothing is allocated, so starting cannot fail; start O(1), stop and expiry O(log n) amortised. Equal times fire in the
 * order of their start. */
struct loop_timer {
	struct loop *loop;
	void (*fn)(void *arg);
	void *arg;
	int64_t at_ms; /* monotonic */
	uint64_t seq;
	struct loop_timer *child, *next, *prev; /* prev: left sibling, or the parent of a first child */
	bool running;
};
void loop_timer_init(struct loop_timer *t, struct loop *loop, void (*fn)(void *arg), void *arg);
/* (Re)starts; fires once after delay_ms (< 0 counts as 0), never within the same turn. */
void loop_timer_start(struct loop_timer *t, int64_t delay_ms);
void loop_timer_stop(struct loop_timer *t);
bool loop_timer_running(const struct loop_timer *t);
void loop_timer_done(struct loop_timer *t);

/* File descriptors; events are EPOLLIN, EPOLLOUT, … */
struct loop_io {
	struct loop *loop;
	void (*fn)(uint32_t events, void *arg);
	void *arg;
	int fd;
};
err_t loop_io_start(struct loop_io *io, struct loop *loop, int fd, uint32_t events,
		    void (*fn)(uint32_t events, void *arg), void *arg) MUST;
err_t loop_io_modify(struct loop_io *io, uint32_t events) MUST;
/* Does not close fd. Safe inside any callback, also of another io of the same turn. */
void loop_io_stop(struct loop_io *io);

/* Any thread: fn(arg) runs on the loop, in order per posting thread; one wake-up per batch. ERR_EXHAUSTED: no memory. */
err_t loop_post(struct loop *loop, void (*fn)(void *arg), void *arg) MUST;
/* Takes back what was posted as fn(arg) and has not run; arg NULL: whatever the argument. take (may be NULL) gets each argument.
 * For who frees what posts refer to, when the threads that post have ended. */
void loop_unpost(struct loop *loop, void (*fn)(void *arg), const void *arg, void (*take)(void *arg));

/* At the end of every turn that did something, in order of registration. */
struct loop_idle {
	struct loop_idle *next;
	struct loop *loop;
	void (*fn)(void *arg);
	void *arg;
};
void loop_idle_start(struct loop_idle *i, struct loop *loop, void (*fn)(void *arg), void *arg);
void loop_idle_stop(struct loop_idle *i);

/* SIGTERM and SIGINT call fn on the loop; call before threads start (they inherit the blocked mask). */
err_t loop_signals(struct loop *loop, void (*fn)(int signo, void *arg), void *arg) MUST;

#endif
