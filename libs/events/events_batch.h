/*
 * events_batch: many events in one message of the stream (trunkline.event.v1.EventBatch), read and written without unpacking
 * the events. Pure; what is read comes from outside and is checked (events_batch_fuzz.c).
 */
#ifndef EVENTS_BATCH_H
#define EVENTS_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"
#include "base/str.h"

#define EVENTS_BATCH_KEY "_batch" /* the subject's last token: no id, as ids have no '_' */
#define EVENTS_BATCH_MAX 64	  /* events in one message */

/* ev.<tenant>.<domain>._batch? */
bool events_is_batch(const char *subject);
void events_batch_add(struct str *batch, const void *event, size_t size);

/* The next event of a batch: *at begins at 0. false: no more, or (*bad) what follows is no event. */
struct events_slice {
	const void *data;
	size_t size;
};
bool events_batch_next(struct events_slice *ret, const void *batch, size_t size, size_t *at, bool *bad);
/* How many events a batch holds. ERR_INVALID: it is none, is empty or has more than EVENTS_BATCH_MAX. */
err_t events_batch_count(const void *batch, size_t size, size_t *ret) MUST;

#endif
