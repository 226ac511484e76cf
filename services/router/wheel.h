/*
 * wheel: very many embedded timers by a hashed wheel: start and stop O(1), a turn touches only the slots passed.
 * Resolution WHEEL_TICK_MS; what lies beyond one revolution waits in its slot for the next. Not thread-safe.
 */
#ifndef ROUTER_WHEEL_H
#define ROUTER_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#define WHEEL_TICK_MS 16
#define WHEEL_SLOTS   4096

struct wheel_node {
	struct wheel_node *next, *prev; /* NULL: not running */
	int64_t at_ms;
};
struct wheel {
	int64_t tick; /* slots up to this one are done */
	struct wheel_node slots[WHEEL_SLOTS];
};

void wheel_init(struct wheel *w, int64_t now_ms);
/* (Re)starts; a time in the past fires at the next turn. */
void wheel_start(struct wheel *w, struct wheel_node *n, int64_t at_ms);
void wheel_stop(struct wheel_node *n);
/* Fires what is due, max nodes at most (the rest at the next turn: false), each stopped before its call; fn may start and stop
 * any node. */
bool wheel_turn(struct wheel *w, int64_t now_ms, unsigned max, void (*fn)(struct wheel_node *n, void *arg), void *arg);

static inline bool wheel_running(const struct wheel_node *n)
{
	return n->next;
}

#endif
