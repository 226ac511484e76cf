/*
 * fair: things that wait for their turn, in lanes, one for each tenant: lanes take turns, within a lane it is first come first served.
 * Who has ten thousand waiting delays another's by one. Round robin over queues of equal items (Nagle, RFC 970; deficit round robin of
 * Shreedhar and Varghese, SIGCOMM 1995, with one quantum an item). GT-3.1.2d.
 *
 * Pure: no I/O, no clock. Intrusive: nothing is allocated, so adding cannot fail; add and take are O(1). Not thread-safe.
 *
 *	struct job { struct fair_item wait; char tenant[64]; … };
 *	fair_init(&f);
 *	fair_add(&f, &j->wait, j->tenant);
 *	while ((item = fair_take(&f, NULL, NULL))) …
 */
#ifndef FAIR_FAIR_H
#define FAIR_FAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#define FAIR_BUCKETS 256 /* lanes are found in; more lanes than that only make it slower */

/* The first of a lane stands for it. */
struct fair_item {
	const char *lane;	/* the owner's text; it must stay while the item waits */
	struct fair_item *next; /* behind it in its lane */
	struct fair_item *last; /* … and the last of all, with how many there are: of the first only */
	size_t n;
	LIST_ENTRY(fair_item) bucket;
	TAILQ_ENTRY(fair_item) turn;
};
struct fair {
	LIST_HEAD(fair_bucket, fair_item) buckets[FAIR_BUCKETS];
	TAILQ_HEAD(fair_turns, fair_item) turns; /* the lanes, in the order of their turns */
	size_t n;
};

void fair_init(struct fair *f);
/* At the end of its lane; a new lane has its turn when all others have had theirs once. */
void fair_add(struct fair *f, struct fair_item *i, const char *lane);
/* May something of this lane be taken now? For caps on what a tenant has under way. */
typedef bool fair_may_fn(const char *lane, void *arg);
/* The next in turn, out of the list; NULL: nothing waits, or nothing that may be taken. may NULL: every lane. A lane that may not keeps its
 * turn, and costs one step: O(lanes that may not). */
struct fair_item *fair_take(struct fair *f, fair_may_fn *may, void *arg);
/* How many wait in a lane. */
size_t fair_waiting(const struct fair *f, const char *lane);

#endif
