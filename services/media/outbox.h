/*
 * outbox: what one loop turn has to tell, gathered per call-control instance and published as one message each at the end
 * of the turn. Control thread.
 */
#ifndef MEDIA_OUTBOX_H
#define MEDIA_OUTBOX_H

#include "base/str.h"
#include "bus/bus.h"
#include "command.h"

struct outbox_batch {
	struct outbox_batch *next;
	char owner[COMMAND_ID];
	struct str bytes;
};
struct outbox {
	struct bus *bus; /* NULL: not yet */
	const char *site, *instance;
	struct outbox_batch *batches;
};
void outbox_init(struct outbox *o, const char *site, const char *instance);
void outbox_done(struct outbox *o);
/* Copies the event. ERR_EXHAUSTED: lost. */
err_t outbox_put(struct outbox *o, const char *owner, const struct event *ev) MUST;
/* Publishes all; the first error, or ERR_OK. */
err_t outbox_flush(struct outbox *o) MUST;

#endif
