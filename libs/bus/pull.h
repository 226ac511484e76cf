/*
 * pull: asks a JetStream pull consumer for messages and keeps count of what was asked for and not yet delivered.
 * Shared by consumer.c (durable, with acknowledgement) and reader.c (in order, without).
 */
#ifndef BUS_PULL_H
#define BUS_PULL_H

#include "bus_internal.h"

struct pull {
	struct bus *bus;
	const char *stream, *consumer; /* owned by the user */
	struct bus_sub *sub;	       /* NULL: not running */
	size_t outstanding;
	/* 0: a request stands and each message comes at once; else what has gathered is fetched so often. After a fetch that
	 * found nothing a request for one message stands: an idle stream costs nothing, and its first message is no later. */
	int64_t poll_ms;
	size_t got;   /* polling: by the present fetch */
	bool empty;   /* polling: the last fetch found nothing */
	bool resting; /* polling: until the timer fires */
	struct loop_timer silence, poll;
	bus_raw_fn *fn;		 /* a message */
	void (*more)(void *arg); /* a request ran out: call pull_want() again */
	void (*lost)(void *arg); /* the consumer is gone or silent: stop, and start again shortly */
	void *arg;
};

void pull_init(struct pull *p, struct bus *bus);
void pull_done(struct pull *p);
err_t pull_start(struct pull *p) MUST;
void pull_stop(struct pull *p);
/* room: how many messages may come now in all. Asks in steps of at least half of window. */
void pull_want(struct pull *p, size_t room, size_t window);

#endif
