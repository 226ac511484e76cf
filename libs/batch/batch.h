/*
 * batch: what one loop turn produces for one peer leaves as one message. Loop thread only.
 *
 * A protobuf message of batches may be put together by appending: the head first, then one event after the other.
 *
 *	out = batches_get(&b, "tl.centre.cc.cc-1.router", &fresh);
 *	if (fresh) put_head(out);
 *	put_event(out, ev);
 *	…
 *	batches_flush(&b);            // at the end of the turn, in an idle hook started before the bus was made
 */
#ifndef BATCH_BATCH_H
#define BATCH_BATCH_H

#include <stdbool.h>
#include <stdint.h>
#include "base/str.h"
#include "bus/bus.h"

struct batch;
struct batches {
	struct bus *bus;
	struct batch *list;
	unsigned failed; /* messages, since the last flush */
	struct str none; /* takes what cannot be kept: out of memory */
};

void batches_init(struct batches *b, struct bus *bus);
void batches_done(struct batches *b);
/* The message under way for a subject, never NULL. *ret_fresh: nothing is in it yet: also when it had become so long that it
 * left at once. */
struct str *batches_get(struct batches *b, const char *subject, bool *ret_fresh);
/* Publishes everything; returns how many messages could not be published. */
unsigned batches_flush(struct batches *b);
/* Throws away what is under way. */
void batches_drop(struct batches *b);

#endif
