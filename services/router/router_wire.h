/*
 * router_wire: the router's messages as plain structs (router.proto, media.proto Heartbeat). Any thread.
 *
 * In: everything is checked; a request that does not validate is left out and counted, the rest of its batch counts.
 * Out: appended to a message under way; messages are batches, so appending one more event is all it takes.
 */
#ifndef ROUTER_WIRE_H
#define ROUTER_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/err.h"
#include "base/placement.h"
#include "base/str.h"
#include "core.h"

enum router_request_kind {
	ROUTER_REQUEST_ENQUEUE,
	ROUTER_REQUEST_DEQUEUE,
	ROUTER_REQUEST_RESULT,
	ROUTER_REQUEST_ASSERT_END
};
struct router_request {
	enum router_request_kind kind;
	struct router_enqueue_in enqueue; /* DEQUEUE: tenant, call_id, call_epoch of it */
	struct router_result_in result;
	uint64_t router_epoch; /* ASSERT_END */
	uint32_t shard;
};
struct router_requests {
	const char *owner;
	struct router_request *list;
	size_t n, n_bad;
	struct err_detail first_bad;
	void *msg; /* keeps the texts */
	struct arena arena;
};
/* On ERR_OK to be freed with router_requests_done(). */
err_t router_requests_from_pb(struct router_requests *ret, const void *bytes, size_t size,
			      struct err_detail *detail) MUST;
void router_requests_done(struct router_requests *r);

struct router_heartbeat {
	char instance[AGENT_ID_TEXT];
	char pool[POOL_TEXT]; /* never "" */
	bool draining;
	uint64_t incarnation;
};
err_t router_heartbeat_from_pb(struct router_heartbeat *ret, const void *bytes, size_t size,
			       struct err_detail *detail) MUST;
/* Ours. */
void router_heartbeat_put(struct str *out, const struct router_heartbeat *hb);

/* RouterEvents: first the head, then one or more events (QUEUED, ASSIGNED, REFUSED). */
void router_events_put_head(struct str *out, const char *instance, uint64_t epoch);
void router_events_put(struct str *out, const struct router_fx *fx, const void *record, size_t size);
void router_epoch_put(struct str *out, const char *pool, uint32_t shard, uint64_t epoch, const char *instance);
/* QueueStatuses, in the same way. */
void router_statuses_put_head(struct str *out, const char *tenant, uint64_t epoch);
void router_statuses_put(struct str *out, const struct router_queue_status *st);

#endif
