/*
 * lease: what one instance holds of a tenant's requests a second (Quotas.api_requests_per_s). Pure: no I/O, no clock; apirate.c is its shell.
 *
 * Several at a time are taken out of the book that all instances share (pace/pace.h), spent in memory, and lapse LEASE_MS after they were asked for.
 * As many as requests came to this instance lately, so that little lapses; at most an eighth of a second's, or as many as wait; and never
 * fewer than the smaller of the two, or the last tokens would be fetched one by one. So what is written for a tenant is about eight records a
 * second where its limit is reached, and below it a few a second of each instance that it asks.
 *
 *	lease_count(&l, now_ms);
 *	if (lease_take(&l, now_ms))
 *		… let in …
 *	lease_want(&l, limit, waiting, now_ms, &least, &most);
 *	n = pace_next(&book.pace, limit, least, most, wall_ms);
 *	if (n)
 *		… lease_asked(&l, now_ms); write; lease_got(&l, n); lease_take() again …
 *
 * Exact: of all instances together, whatever is lost, late or killed, no more are let in within t ms than limit * t / 1000 + limit (the burst), and
 * from a moment at which leases are out limit * LEASE_MS / 1000 more: those were taken before it. lease_alone() is not: each instance for itself.
 */
#ifndef APIRATE_LEASE_H
#define APIRATE_LEASE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/bucket.h"

#define LEASE_MS     300 /* also the longest that a request waits */
#define LEASE_SHARES 8	 /* of a second, at most one at a time */

/* Zeroed: nothing is held. Times are monotonic. */
struct lease {
	uint32_t left;
	int64_t asked_ms;
	uint32_t came, came_before; /* requests within this window of LEASE_MS, and the one before */
	int64_t window_ms;	    /* when it began */
	int64_t owed_ms;	    /* since when the book owes a word; 0: it does not */
	struct bucket alone;
};

/* A request has come. */
void lease_count(struct lease *l, int64_t now_ms);
/* One of those that are held. */
bool lease_take(struct lease *l, int64_t now_ms);
/* For pace_next(). limit: a second, not 0; waiting: requests, at least 1. */
void lease_want(struct lease *l, uint32_t limit, uint32_t waiting, int64_t now_ms, uint32_t *ret_least,
		uint32_t *ret_most);
void lease_asked(struct lease *l, int64_t now_ms);
/* Of what was asked for last; it may have lapsed on its way. */
void lease_got(struct lease *l, uint32_t n);
/* The book is busy (pace_busy()), and has been for LEASE_MS: NATS is slow, or away. */
bool lease_cut_off(struct lease *l, bool busy, int64_t now_ms);
/* By this instance alone, while it is cut off: 0, or in how many ms again. */
int64_t lease_alone(struct lease *l, uint32_t limit, int64_t now_ms);
/* Not used for so long that a new one would do the same. */
bool lease_idle(const struct lease *l, int64_t now_ms);

#endif
