/*
 * desk_wire: protobuf ↔ plain structs. Everything of a request is validated here; strings returned by a _from_pb point
 * into the request. The sending functions pack and hand to rpc.
 */
#ifndef AGENT_DESK_DESK_WIRE_H
#define AGENT_DESK_DESK_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "agents/agent.h"
#include "base/arena.h"
#include "rpc/rpc.h"
#include "seats.h"

const ProtobufCServiceDescriptor *desk_wire_service(void);

/* ---- requests ---- */
struct desk_command {
	const char *agent_id; /* "": the caller */
	const char *reason;   /* SetBusy, never "" */
};
err_t desk_wire_command_from_pb(struct desk_command *ret, const ProtobufCMessage *req, struct err_detail *detail) MUST;
bool desk_wire_all_agents(const ProtobufCMessage *stream_events_request);

struct desk_page {
	unsigned size;	   /* 1…1,000 */
	const char *after; /* agent id; "": from the beginning */
};
err_t desk_wire_page_from_pb(struct desk_page *ret, const ProtobufCMessage *list_agents_request,
			     struct err_detail *detail) MUST;

struct desk_facts_filter {
	bool call, agent, recording;							 /* domains */
	char call_id[AGENT_CALL_TEXT], agent_id[AGENT_ID_TEXT], queue_id[AGENT_ID_TEXT]; /* "": any */
};
err_t desk_wire_facts_from_pb(struct desk_facts_filter *ret, const ProtobufCMessage *req,
			      struct err_detail *detail) MUST;

/* ---- answers ---- */
struct desk_status {
	const struct agent_record *record;
	const char *name;
};
void desk_wire_reply_status(struct rpc_call *call, const struct agent_record *record, const char *name);
/* next: page token, "" at the end. */
void desk_wire_reply_agents(struct rpc_call *call, const struct desk_status *list, size_t n, const char *next);

struct desk_variable {
	const char *name, *value;
};
struct desk_offer {
	const char *agent_id, *call_id, *queue_id, *queue_name;
	const char *caller, *called;
	int64_t arrival_ms;
	size_t n_variables;
	const struct desk_variable *variables;
};
struct desk_queue {
	const char *queue_id, *name;
	uint32_t waiting, on_duty, ready;
	int64_t oldest_arrival_ms;
};
err_t desk_wire_send_status(struct rpc_call *call, const struct agent_record *record, const char *name) MUST;
err_t desk_wire_send_offer(struct rpc_call *call, const struct desk_offer *offer) MUST;
err_t desk_wire_send_queue(struct rpc_call *call, const struct desk_queue *queue) MUST;
err_t desk_wire_send_synced(struct rpc_call *call) MUST;

/* ---- what other services wrote ---- */
/* A call's checkpoint: caller, called, arrival and variables, copied into the arena. */
err_t desk_wire_checkpoint_from_pb(struct desk_offer *ret, struct arena *a, const void *bytes, size_t size,
				   struct err_detail *detail) MUST;
/* QueueStatuses: fn for each; tenant is that of the message. */
err_t desk_wire_queues_from_pb(const void *bytes, size_t size,
			       void (*fn)(const char *tenant, const struct desk_queue *q, void *arg), void *arg,
			       struct err_detail *detail) MUST;

/* A seat as it stands in KV under <tenant>.<index>; the entry's texts are beside it. */
struct desk_seat {
	struct seat_entry entry;
	char tenant[AGENT_ID_TEXT], agent_id[AGENT_ID_TEXT];
};
err_t desk_wire_seat_from_pb(struct desk_seat *ret, const char *key, const void *bytes, size_t size,
			     struct err_detail *detail) MUST;
#define DESK_SEAT_BYTES 96
/* How many bytes of buf it takes. */
size_t desk_wire_seat_to_pb(const char *agent_id, uint64_t agent_revision, uint8_t buf[DESK_SEAT_BYTES]);

/* An event, unpacked once for all who watch. */
struct desk_fact;
err_t desk_wire_fact_from_pb(struct desk_fact **ret, const void *bytes, size_t size, struct err_detail *detail) MUST;
void desk_wire_fact_free(struct desk_fact **fact);
bool desk_wire_fact_matches(const struct desk_fact *fact, const struct desk_facts_filter *filter);
err_t desk_wire_send_fact(struct rpc_call *call, const struct desk_fact *fact) MUST;

#endif
