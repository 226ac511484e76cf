/*
 * The inside of a loop, shared by loop.c (turns, descriptors, posts) and timer.c (the timer heap).
 */
#ifndef LOOP_INTERNAL_H
#define LOOP_INTERNAL_H

#include <stdatomic.h>
#include <sys/epoll.h>
#include "loop/loop.h"

#define LOOP_BATCH 256

struct loop_post {
	struct loop_post *next;
	void (*fn)(void *arg);
	void *arg;
};

struct loop {
	int epoll_fd;
	int wake_fd;  /* eventfd, edge-triggered: never read */
	int timer_fd; /* armed only once loop_fd() was asked for */
	int signal_fd;
	bool embedded;
	bool in_turn;
	int64_t now_ms;
	int64_t pace_us;  /* 0: a turn as soon as there is something to do */
	int64_t turn_us;  /* when the last one began */
	int ticks_left;	  /* > 0: busy, turns begin at ticks of the pace; until so many of them had nothing to do */
	int64_t armed_ms; /* what timer_fd is set to; INT64_MAX: nothing */

	struct loop_timer *timers; /* root: the earliest */
	uint64_t timer_seq;

	struct loop_idle *idles;
	struct loop_idle *idle_next; /* the hook after the one that runs now */

	struct epoll_event events[LOOP_BATCH];
	int n_events;

	struct loop_io signal_io;
	void (*signal_fn)(int signo, void *arg);
	void *signal_arg;

	struct loop_post *due; /* taken from posts, not yet run; oldest first */

	/* What other threads write, on cache lines of its own. */
	char pad[64];
	_Atomic(struct loop_post *) posts; /* newest first */
	atomic_bool idle;		   /* nobody will look at posts before the wake_fd fires */
	atomic_bool stopping;
};

/* Runs what is due at loop->now_ms; true if anything was. */
bool loop_timers_run(struct loop *loop);
/* Milliseconds until the first timer, at least 0; -1: none. */
int64_t loop_timers_wait_ms(const struct loop *loop, int64_t now_ms);
/* Sets timer_fd to the first timer if it is earlier than what the descriptor is set to. */
void loop_timers_arm(struct loop *loop);
void loop_timers_forget(struct loop *loop);

#endif
