/*
 * events: facts into JetStream stream EVENTS, the outbox of Kafka (trunkline/event/v1/event.proto). Loop thread only.
 *
 * Subject ev.<tenant>.<domain>.<key>; message id = Event.id, so that the same fact published again is stored once.
 * Retries of an unacknowledged publish are the bus's; ERR_UNAVAILABLE in fn means that the caller publishes again later.
 *
 *	Trunkline__Event__V1__Event ev = TRUNKLINE__EVENT__V1__EVENT__INIT; … ev.id = id; ev.tenant = tenant; …
 *	e = events_emit(events, "agent", agent_id, &ev, done, arg);
 */
#ifndef EVENTS_EVENTS_H
#define EVENTS_EVENTS_H

#include <stddef.h>
#include "base/err.h"
#include "bus/bus.h"
#include "trunkline/event/v1/event.pb-c.h"

#define EVENTS_STREAM "EVENTS"

struct events;

/* Creates the stream or brings its limits up to date; blocking, at start-up. Full: new events are refused, never old ones
 * dropped: what is not yet in Kafka stays. */
err_t events_ensure_stream(struct bus *bus, struct err_detail *detail) MUST;

/* site and source ("router/router-1") fill the members that are empty in what is emitted. The strings are copied. */
err_t events_new(struct events **ret, struct bus *bus, const char *site, const char *source) MUST;
void events_free(struct events **ev);
/* domain: "call", "agent", "recording", "audit", "system"; key: token of a subject. Needs id, tenant; time_ms 0: now.
 * fn may be NULL. The event is packed before this returns. ERR_INVALID: an id, tenant or key that is not a token. */
err_t events_emit(struct events *ev, const char *domain, const char *key, const Trunkline__Event__V1__Event *event,
		  bus_ack_fn *fn, void *arg) MUST;

#endif
