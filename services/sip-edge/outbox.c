#include "outbox.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdio.h>

/* Instances of call-control that get something in one turn; a site has a handful. */
#define PEERS	    16
#define BATCH_BYTES (256 * 1024) /* what is longer leaves at once, well below max_payload of NATS (1 MiB unless set) */

struct batch {
	char owner[64];
	struct str bytes;
};
struct outbox {
	struct bus *bus;
	char site[64], instance[64];
	size_t n;
	struct batch batches[PEERS];
};

err_t outbox_new(struct outbox **ret, struct bus *bus, const char *site, const char *instance)
{
	struct outbox *o = mem_zalloc(sizeof(*o));

	if (!o)
		return ERR_EXHAUSTED;
	o->bus = bus;
	str_copy(o->site, sizeof(o->site), site);
	str_copy(o->instance, sizeof(o->instance), instance);
	*ret = o;
	return ERR_OK;
}

void outbox_free(struct outbox **ref)
{
	struct outbox *o = *ref;

	if (!o)
		return;
	for (size_t i = 0; i < PEERS; i++)
		str_done(&o->batches[i].bytes);
	mem_free(o);
	*ref = NULL;
}

static void publish(struct outbox *o, const char *subject, struct str *bytes)
{
	/* A full bus (NATS away) loses events as a dead peer would: the owner asks again when it is back. */
	if (!bytes->failed && bus_publish(o->bus, subject, bytes->data, bytes->len)) {
	}
	str_reset(bytes);
}

void outbox_flush(struct outbox *o)
{
	char subject[160];

	for (size_t i = 0; i < o->n; i++) {
		snprintf(subject, sizeof(subject), "tl.%s.cc.%s.edge", o->site, o->batches[i].owner);
		publish(o, subject, &o->batches[i].bytes);
	}
	o->n = 0;
}

void outbox_to_owner(struct outbox *o, const char *owner, const struct edge_event *ev)
{
	size_t i = 0;

	if (!owner[0])
		return;
	while (i < o->n && !str_eq(o->batches[i].owner, owner))
		i++;
	if (i == PEERS) {
		outbox_flush(o);
		i = 0;
	}
	if (i == o->n) {
		str_copy(o->batches[i].owner, sizeof(o->batches[i].owner), owner);
		edge_wire_events_begin(&o->batches[i].bytes, o->instance);
		o->n = i + 1;
	}
	edge_wire_events_add(&o->batches[i].bytes, ev);
	if (o->batches[i].bytes.len >= BATCH_BYTES)
		outbox_flush(o);
}

err_t outbox_offer(struct outbox *o, const struct edge_event *ev)
{
	struct str bytes = STR_INIT;
	char subject[96];
	err_t e;

	snprintf(subject, sizeof(subject), "tl.%s.offer", o->site);
	edge_wire_events_begin(&bytes, o->instance);
	edge_wire_events_add(&bytes, ev);
	e = bytes.failed ? ERR_EXHAUSTED : bus_publish(o->bus, subject, bytes.data, bytes.len);
	str_done(&bytes);
	return e;
}

void outbox_beat(struct outbox *o, unsigned legs, unsigned capacity, bool draining, uint64_t incarnation)
{
	struct str bytes = STR_INIT;
	char subject[160];

	snprintf(subject, sizeof(subject), "tl.%s.hb.sip-edge.%s", o->site, o->instance);
	edge_wire_heartbeat(&bytes, o->instance, legs, capacity, draining, incarnation);
	publish(o, subject, &bytes);
	str_done(&bytes);
}
