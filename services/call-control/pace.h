/*
 * pace: how many calls of a tenant may come in a second, exact across all instances (GT-3.1.2c, Quotas.calls_per_s). Pure: no I/O, no
 * clock; rate.c is its shell.
 *
 * A tenant's book is one record in KV `quota`: a token bucket (base/bucket.h), changed by compare-and-set. It is kept here and not in
 * sip-edge, which takes the INVITE: a share of the limit for each edge alive would refuse callers while the tenant has room, because trunks
 * do not send to all edges alike, and let in too many while edges come and go; and what is refused here ends as every call does, with its
 * facts. What it costs: one compare-and-set for all callers who came while the one before was under way, and none for who is refused, because
 * the bucket as it was read last never has less than there is. Tenants without the limit pay nothing. Nothing is fetched in advance: what an
 * instance held and did not use would be missing at the others.
 * While the book cannot be read or written the limit holds for each instance alone (rate.c, trunkline_quota_rate_alone_total).
 *
 * Instances have clocks of their own: the time in the book does not go back, so that one that is ahead lets in early, once, what came in
 * its lead; a book from further ahead than PACE_AHEAD_MS is not believed (a clock was set): there is a full bucket then.
 *
 *	n = pace_next(&p, limit, n_waiting, now_ms);   // 0, and not pace_busy(): refuse who waits
 *	… write p.next over p.expected …
 *	n = pace_written(&p, accepted, revision);      // let n in
 */
#ifndef CALL_CONTROL_PACE_H
#define CALL_CONTROL_PACE_H

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
	uint32_t letting;   /* callers for whom it pays */
};

/* A write is under way, or the book must be read: nothing can be said now. */
bool pace_busy(const struct pace *p);
/* For how many of those that wait p->next pays; after it pace_written() must come. 0: nothing is to be written. limit: calls a second, not 0. */
uint32_t pace_next(struct pace *p, uint32_t limit, uint32_t waiting, int64_t now_ms);
/* How many may be let in. revision: of what was accepted. */
uint32_t pace_written(struct pace *p, bool accepted, uint64_t revision);
/* What the bucket says; an old word is ignored. revision 0: there is no book. */
void pace_read(struct pace *p, const struct bucket *book, uint64_t revision);

#endif
