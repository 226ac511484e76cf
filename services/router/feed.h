/*
 * feed: idle agents of one kind, longest idle first. A ring in order of ready_since with lazy deletion: an entry carries
 * the agent's generation and is dead as soon as the agent's generation moved on (the agent left idle). So becoming idle is
 * one append, leaving idle costs nothing here, and dead entries are dropped when they come to the head or when the ring
 * would have to grow. What arrives out of order (clocks of two hosts, a call that vanished gives the agent its old place
 * back) moves up a few entries, or goes to a small heap beside the ring when it belongs further up.
 */
#ifndef ROUTER_FEED_H
#define ROUTER_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

struct feed_entry {
	int64_t since_ms;
	uint32_t agent;
	uint32_t gen;
};
struct feed_late { /* binary heap */
	uint32_t n, cap;
	struct feed_entry v[];
};
struct feed { /* half a cache line: skills have one for each level */
	struct feed_entry *ring;
	struct feed_late *late; /* NULL: none ever */
	uint32_t head, n, cap;	/* cap: power of two */
};

static inline bool feed_empty(const struct feed *f)
{
	return !f->n && (!f->late || !f->late->n);
}

void feed_done(struct feed *f);
/* gens: generation by agent number, the same array at each call. ERR_EXHAUSTED. */
err_t feed_add(struct feed *f, const uint32_t *gens, struct feed_entry e) MUST;
/* Drops dead entries at the head; the longest idle agent, or NULL. */
const struct feed_entry *feed_head(struct feed *f, const uint32_t *gens);

/* The longest idle agent whom skip() does not refuse; false: there is none. Looks only as far as it must. */
bool feed_first(const struct feed *f, const uint32_t *gens, bool (*skip)(uint32_t agent, const void *arg),
		const void *arg, struct feed_entry *ret);
/* The youngest: for the deliberate fault only. */
bool feed_last(const struct feed *f, const uint32_t *gens, struct feed_entry *ret);

#endif
