/*
 * bucket: a token bucket: so many a second, and as many at once after a second of rest. Pure; the time is monotonic.
 */
#ifndef BASE_BUCKET_H
#define BASE_BUCKET_H

#include <stdint.h>

#define BUCKET_ONE 1000LL /* of level */

struct bucket {
	unsigned per_s; /* 0: no limit */
	int64_t level;	/* in thousandths */
	int64_t at_ms;	/* of level */
};
/* Zeroed is a bucket without a limit. A limit that is new begins with a full bucket, a changed one with what is left. */
void bucket_set(struct bucket *b, unsigned per_s, int64_t now_ms);
/* Takes one: 0. Nothing taken: in how many ms there will be one, at least 1. */
int64_t bucket_take(struct bucket *b, int64_t now_ms);

#endif
