/*
 * outbox: events to call-control, one EdgeEvents message per peer and loop turn. An offer goes to an instance by name
 * (controllers.h); while none is known, to the queue group. Core NATS: what is lost with a peer is asked again by the next owner (LegAttach).
 */
#ifndef SIP_EDGE_OUTBOX_H
#define SIP_EDGE_OUTBOX_H

#include "bus/bus.h"
#include "edge_wire.h"

struct outbox;

err_t outbox_new(struct outbox **ret, struct bus *bus, const char *site, const char *instance) MUST;
void outbox_free(struct outbox **o);
void outbox_to_owner(struct outbox *o, const char *owner, const struct edge_event *ev);
err_t outbox_offer(struct outbox *o, const struct edge_event *ev) MUST;
/* At the end of the turn (before the bus flushes). */
void outbox_flush(struct outbox *o);

/* That we are here, and since when: whoever has legs with us hears of a restart at once. */
void outbox_beat(struct outbox *o, unsigned legs, unsigned capacity, bool draining, uint64_t incarnation);

#endif
