/*
 * rtpsec_internal: which packets of one source have been seen: indices grow to 2^48, the wire shows 16 bits of them (RFC 3711,
 * 3.3.1 and 3.3.2). Pure.
 */
#ifndef RTPSEC_INTERNAL_H
#define RTPSEC_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#define RTPSEC_WINDOW 128 /* packets that may come out of order */

struct window {
	bool started;
	uint64_t top;	  /* highest index seen */
	uint64_t seen[2]; /* bit n: top - n */
};

/* The index that a sequence number most likely stands for. */
uint64_t window_guess(const struct window *w, uint16_t seq);
/* False: seen already, or too old to tell. */
bool window_is_new(const struct window *w, uint64_t index);
void window_add(struct window *w, uint64_t index);

#endif
