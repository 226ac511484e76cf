/*
 * pace: how many a second a tenant may have of something, exact across all instances (GT-3.1.2c): calls (Quotas.calls_per_s, call-control), requests
 * (Quotas.api_requests_per_s, libs/apirate). Pure: no I/O, no clock; pace_book.h reads and writes.
 *
 * A tenant's book is one record in KV `quota`: a token bucket (base/bucket.h), changed by compare-and-set. What it costs: one compare-and-set
 * for all who came while the one before was under way, and none for who is refused, because the bucket as it was read last never has
 * less than there is.
 *
 * Instances have clocks of their own: the time in the book does not go back, so that one that is ahead lets in early, once, what came in
 * its lead; a book from further ahead than PACE_AHEAD_MS is not believed (a clock was set): there is a full bucket then.
 *
 *	n = pace_next(&p, limit, 1, n_waiting, now_ms); // 0, and not pace_busy(): refuse who waits
 *	… write p.next over p.expected …
 *	n = pace_written(&p, accepted, revision);       // let n in
 */
#ifndef PACE_PACE_H
#define PACE_PACE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/bucket.h"

#define PACE_AHEAD_MS 5000

/* One tenant as one instance sees it; zeroed: nothing is known, so there is a full bucket. */
struct pace {
	struct bucket book; /* as read or written last; wall time */
	uint64_t revision;  /* of it; 0: there is none */
	uint64_t expected;  /* that the write under way is made over */
	bool writing;
	bool stale;	    /* our write was refused, or nobody knows: what is there must be read */
	struct bucket next; /* under way */
	uint32_t letting;   /* for how many it pays */
};

/* A write is under way, or the book must be read: nothing can be said now. */
bool pace_busy(const struct pace *p);
/* For how many, of most at most, p->next pays; after it pace_written() must come. 0: there are not even least (1 … most), and nothing is to be
 * written. limit: a second, not 0; a changed one takes effect with the first that is paid for, whatever least. */
uint32_t pace_next(struct pace *p, uint32_t limit, uint32_t least, uint32_t most, int64_t now_ms);
/* How many may be let in. revision: of what was accepted. */
uint32_t pace_written(struct pace *p, bool accepted, uint64_t revision);
/* What the bucket says; an old word is ignored. revision 0: there is no book. */
void pace_read(struct pace *p, const struct bucket *book, uint64_t revision);
/* After pace_next() had none: in how many ms there will be so many, if nobody else takes any; at least 1. */
int64_t pace_wait_ms(const struct pace *p, uint32_t n);

#endif
