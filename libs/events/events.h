/*
 * events: facts into JetStream stream EVENTS, the outbox of Kafka (trunkline/event/v1/event.proto). Loop thread only.
 *
 * Facts of calls wait up to 10 ms, or until one of an agent is to be told (which waits for nothing, as the agent's next change
 * is told by another process), so that what a process tells of one tenant meanwhile is one message
 * (events_batch.h), sent under the domain of the first: a message costs the server several times what a fact in it costs. A
 * fact alone, or of another domain: subject ev.<tenant>.<domain>.<key>, message id = Event.id. A fact published again by
 * another process may be stored twice: its id tells (whoever counts, counts ids).
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
/* What waits is handed to the bus; no fn is called any more. Before bus_free(). */
void events_free(struct events **ev);
/* domain: "call", "agent", "recording", "audit", "system"; key: token of a subject. Needs id, tenant; time_ms 0: now.
 * fn may be NULL. The event is packed before this returns. ERR_INVALID: an id, tenant or key that is not a token. */
err_t events_emit(struct events *ev, const char *domain, const char *key, const Trunkline__Event__V1__Event *event,
		  bus_ack_fn *fn, void *arg) MUST;
/* The same with an event that is packed already (bytes are copied); the sequence in fn is its message's. */
err_t events_put(struct events *ev, const char *tenant, const char *domain, const char *key, const char *id,
		 const void *bytes, size_t size, bus_ack_fn *fn, void *arg) MUST;

#endif
