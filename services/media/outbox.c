#include "outbox.h"

#include <stdio.h>

#include "base/mem.h"
#include "media_wire.h"

#define BATCH_BYTES (256 * 1024) /* a message of the bus holds 1 MiB */

void outbox_init(struct outbox *o, const char *site, const char *instance)
{
	*o = (struct outbox){ .site = site, .instance = instance };
}

static void drop(struct outbox *o)
{
	struct outbox_batch *b = o->batches;

	o->batches = b->next;
	str_done(&b->bytes);
	mem_free(b);
}

void outbox_done(struct outbox *o)
{
	while (o->batches)
		drop(o);
}

static struct outbox_batch *batch_get(struct outbox *o, const char *owner)
{
	struct outbox_batch *b;

	for (b = o->batches; b; b = b->next)
		if (str_eq(b->owner, owner))
			return b;
	b = mem_zalloc(sizeof(*b));
	if (!b)
		return NULL;
	(void)str_copy(b->owner, sizeof(b->owner), owner);
	b->next = o->batches;
	o->batches = b;
	return b;
}

static err_t publish(struct outbox *o, struct outbox_batch *b)
{
	char subject[256];
	err_t e = ERR_UNAVAILABLE;

	snprintf(subject, sizeof(subject), "tl.%s.cc.%s.media", o->site, b->owner);
	if (b->bytes.failed)
		e = ERR_EXHAUSTED;
	else if (o->bus)
		e = b->bytes.len ? bus_publish(o->bus, subject, b->bytes.data, b->bytes.len) : ERR_OK;
	str_reset(&b->bytes);
	return e;
}

err_t outbox_put(struct outbox *o, const char *owner, const struct event *ev)
{
	struct outbox_batch *b = batch_get(o, owner);

	if (!b)
		return ERR_EXHAUSTED;
	event_to_pb(ev, o->instance, &b->bytes);
	return b->bytes.len > BATCH_BYTES || b->bytes.failed ? publish(o, b) : ERR_OK;
}

err_t outbox_flush(struct outbox *o)
{
	err_t first = ERR_OK;

	while (o->batches) {
		err_t e = publish(o, o->batches);

		if (!first)
			first = e;
		drop(o);
	}
	return first;
}
