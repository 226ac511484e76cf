/*
 * feed: idle agents of one kind, longest idle first. A list of blocks of 7 entries in order of ready_since, each block
 * with a bitmap of the living. Who becomes idle is appended to the last block; who leaves clears a bit, at the place that
 * was told when he came. So nothing dead is ever skipped, copied or counted: coming and leaving cost one or two cache
 * lines each and are bounded, whatever happened before. An empty block is given back, a sparse one merged into its
 * neighbour. What arrives out of order (clocks of two hosts; a call that vanished gives the agent the old place back) goes
 * to a small heap beside the list, O(log latecomers).
 *
 *	uint32_t place;
 *	e = feed_add(&feeds, &f, (struct feed_entry){ since_ms, agent, 0 }, &place);   // places[agent][0] = place
 *	if (f.first_ms < …) e = feed_head(&feeds, &f);
 *	feed_remove(&feeds, &f, place);
 *
 * An entry that moves writes its new place to places(agent)[place_no]. Owner: the core; not thread-safe.
 */
#ifndef ROUTER_FEED_H
#define ROUTER_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "pool.h"

#define FEED_BLOCK 7
#define FEED_NONE  INT64_MAX

/* A place: none; among the latecomers; or the number of a block and a slot in it. */
#define FEED_NOWHERE   0u
#define FEED_LATE      (1u << 31)
#define FEED_SLOT_BITS 3

struct feed_entry {
	int64_t since_ms;
	uint32_t agent;
	uint32_t place_no; /* which of the agent's places is this one's */
};
struct feed_block {	     /* two cache lines, which come together */
	uint32_t next, prev; /* numbers from 1; 0: none */
	uint16_t live;	     /* bit: slot */
	uint8_t used, n;     /* n: of them alive */
	struct feed_entry v[FEED_BLOCK];
};
struct feed_late { /* binary heap */
	uint32_t n, cap;
	struct feed_entry v[];
};
struct feed {			/* half a cache line: skills have one for each level */
	int64_t first_ms;	/* since when the longest idle agent is idle; FEED_NONE: nobody is there */
	uint32_t head, tail;	/* blocks */
	struct feed_late *late; /* NULL: none ever */
	uint32_t n;
	bool wanted; /* the owner's: somebody reads it */
};
struct feeds { /* what all feeds of a core share */
	struct pool blocks;
	uint32_t *(*places)(void *arg, uint32_t agent);
	void *arg;
};

void feeds_init(struct feeds *fs, uint32_t *(*places)(void *arg, uint32_t agent), void *arg);
/* The feeds themselves only own their latecomers: feed_done() first. */
void feeds_done(struct feeds *fs);
void feed_init(struct feed *f);
void feed_done(struct feeds *fs, struct feed *f); /* leaves it empty */

/* ERR_EXHAUSTED: nothing was added. */
err_t feed_add(struct feeds *fs, struct feed *f, struct feed_entry e, uint32_t *ret_place) MUST;
void feed_remove(struct feeds *fs, struct feed *f, uint32_t place);
static inline void feed_prefetch(const struct feeds *fs, uint32_t place)
{
	if (place && !(place & FEED_LATE))
		__builtin_prefetch(pool_at(&fs->blocks, (place >> FEED_SLOT_BITS) - 1), 1);
}
/* Where the next one will be added. */
static inline void feed_prefetch_tail(const struct feeds *fs, const struct feed *f)
{
	if (f->tail)
		__builtin_prefetch(pool_at(&fs->blocks, f->tail - 1), 1);
}
/* The entry's place is the agent's place_no from now on. */
void feed_renumber(struct feeds *fs, struct feed *f, uint32_t place, uint32_t place_no);

/* The longest idle agent, or NULL. */
const struct feed_entry *feed_head(const struct feeds *fs, const struct feed *f);
/* The longest idle agent whom skip() does not refuse; false: there is none. Looks only as far as it must. */
bool feed_first(const struct feeds *fs, const struct feed *f, bool (*skip)(uint32_t agent, const void *arg),
		const void *arg, struct feed_entry *ret);
/* The youngest, about: for the deliberate fault only. */
bool feed_last(const struct feeds *fs, const struct feed *f, struct feed_entry *ret);

#endif
