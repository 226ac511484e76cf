/*
 * window: which messages of the stream are on their way to Kafka, and up to where all of them have arrived. Pure core of
 * event-bridge: no I/O, no clock. One thread.
 *
 * Deliveries may be reported in any order (partitions), but the position only moves over what is delivered without a hole.
 */
#ifndef EVENT_BRIDGE_WINDOW_H
#define EVENT_BRIDGE_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

struct window;
struct window_slot {
	struct window *window;
	uint64_t seq;
	int64_t time_ms; /* when the event was taken (monotonic): its age */
	size_t left;	 /* records of the message that are not in Kafka yet */
};
struct window {
	struct window_slot *slots;
	size_t cap, head, count;
	uint64_t position; /* everything up to here is in Kafka */
	void *owner;
};

err_t window_init(struct window *w, size_t cap, void *owner) MUST;
void window_done(struct window *w);
/* Forgets what is on its way. */
void window_restart(struct window *w, uint64_t position);
/* A message of n events (≥ 1); seq grows with each call. NULL: full. */
struct window_slot *window_add(struct window *w, uint64_t seq, int64_t time_ms, size_t n);
/* n more deliveries to wait for, of a message on its way. */
void window_expect(struct window_slot *slot, size_t n);
/* One more of the slot's events is in Kafka. Returns how many messages left the window by that. */
size_t window_delivered(struct window_slot *slot);
/* Of the oldest message on its way; 0: none. */
int64_t window_oldest_ms(const struct window *w);

#endif
