/*
 * batch: what one loop turn produces for one peer leaves as one message. Flushed by batches_flush() at the end of the turn.
 */
#ifndef CALL_CONTROL_BATCH_H
#define CALL_CONTROL_BATCH_H

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "base/str.h"
#include "bus/bus.h"
#include "uthash.h"

#define BATCH_SUBJECT 200

struct batch {
	char subject[BATCH_SUBJECT];
	struct str data;
	int64_t idle_turns;
	UT_hash_handle hh;
};
struct batches {
	struct bus *bus;
	struct batch *list;
	struct str none; /* takes what cannot be kept: out of memory */
};

void batches_init(struct batches *b, struct bus *bus);
void batches_done(struct batches *b);
/* The message under way for a subject. *ret_fresh: nothing is in it yet, so the owner must be put first. */
struct str *batches_get(struct batches *b, const char *subject, bool *ret_fresh);
/* Publishes everything; returns how many messages could not be published. */
unsigned batches_flush(struct batches *b);

#endif
