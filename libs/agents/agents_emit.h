/*
 * agents_emit: AgentStateChanged for each transition written, until the stream has it. Part of agents_store; loop thread.
 *
 * The event's id is deterministic, so sending it twice is harmless; what cannot be stored now (NATS away, stream full) is
 * sent again each half second, at most AGENTS_EMIT_MAX of them are kept.
 */
#ifndef AGENTS_AGENTS_EMIT_H
#define AGENTS_AGENTS_EMIT_H

#include <stddef.h>
#include "agents/agent.h"
#include "bus/bus.h"

#define AGENTS_EMIT_MAX 65536

struct events;
struct agents_emit;

/* events NULL: says nothing. */
err_t agents_emit_new(struct agents_emit **ret, struct bus *bus, struct events *events) MUST;
void agents_emit_free(struct agents_emit **em);
/* t: rec->last of the record, or one of those before it. ERR_EXHAUSTED: no memory, or too many waiting already. */
err_t agents_emit(struct agents_emit *em, const struct agent_record *rec, const struct agent_transition *t) MUST;

#endif
