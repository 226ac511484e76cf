/*
 * agents_wire: an agent's record as it stands in KV. Any thread.
 */
#ifndef AGENTS_AGENTS_WIRE_H
#define AGENTS_AGENTS_WIRE_H

#include <stddef.h>
#include "agents/agent.h"
#include "base/err.h"

/* Checks everything: UTF-8, ids, ranges; rec is written only on ERR_OK. */
err_t agent_record_from_pb(struct agent_record *rec, const void *bytes, size_t size, struct err_detail *detail) MUST;
/* Into a block to be freed with mem_free(). */
err_t agent_record_to_pb(const struct agent_record *rec, void **ret, size_t *ret_size) MUST;

#endif
