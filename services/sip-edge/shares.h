/*
 * shares: what part of the calls that can be served each tenant gets while there are more than that: max-min fair, so who asks for no more
 * than an equal part gets all of it, and what it leaves is the others' (Bertsekas and Gallager, Data Networks, 6.5.2). Pure: no I/O, no
 * clock; one thread; bounded memory, no allocation. Those who find no place among SHARES_MAX share one. admission.h uses it. GT-3.1.2d.
 */
#ifndef SIP_EDGE_SHARES_H
#define SIP_EDGE_SHARES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHARES_MAX     2048
#define SHARES_BUCKETS 4096
#define SHARE_NAME     72
#define SHARE_UNPROVEN '~' /* begins the name of who has proven nothing: these have half of the places at most */

struct share {
	char name[SHARE_NAME]; /* of a tenant; "": all who have none of their own */
	double demand;	       /* calls a second that ask, smoothed */
	double tokens;	       /* calls that may come in at once */
	int64_t filled_ms;
	int64_t asked_ms; /* last */
	unsigned asked;	  /* since the last tick */
	unsigned refused; /* since they were told */
	uint16_t next;	  /* in its bucket; 0: none */
};
struct shares {
	struct share of[SHARES_MAX]; /* the first is "" */
	size_t n;
	uint16_t buckets[SHARES_BUCKETS]; /* index into of; 0: empty */
	double level;			  /* calls a second that nobody's part goes beyond */
	size_t asking;			  /* how many ask for any */
};

void shares_init(struct shares *s);
/* Never NULL. */
struct share *shares_get(struct shares *s, const char *name);
/* Every so many ms: what was asked since, and the parts of `rate` calls a second. Who has not asked for a minute is forgotten. */
void shares_tick(struct shares *s, double rate, int64_t passed_ms, int64_t now_ms);
/* Does it ask for no more than its part? */
bool shares_within(const struct shares *s, const struct share *share);

#endif
