/*
 * recorder_wire: protobuf ↔ plain structs: recording events from the stream, requests and answers of RecordingService.
 * Everything from outside is checked here.
 */
#ifndef RECORDER_WIRE_H
#define RECORDER_WIRE_H

#include <protobuf-c/protobuf-c.h>
#include "events/events.h"
#include "rpc/rpc.h"
#include "store.h"

enum fact_kind { FACT_OTHER, FACT_STARTED, FACT_STOPPED, FACT_PURGED /* the tenant alone */ };
struct fact {
	enum fact_kind kind;
	int64_t time_ms;    /* when it happened */
	struct recording r; /* tenant, id, call, leg, agent, queue; of STOPPED also caller, called, started_ms */
};
/* FACT_OTHER: none that concerns us. */
err_t fact_from_pb(struct fact *ret, const void *bytes, size_t size, struct err_detail *detail) MUST;

/* Publishes RecordingStored. */
err_t stored_emit(struct events *events, const struct recording *r, bus_ack_fn *fn, void *arg) MUST;

/* What a tenant keeps, in KV `quota` (RecordingUse). ERR_EXHAUSTED: no memory. */
err_t use_to_pb(struct str *out, uint64_t bytes) MUST;
err_t use_from_pb(uint64_t *ret_bytes, const void *data, size_t size, struct err_detail *detail) MUST;

/* Requests; tenant and agent come from the token. */
err_t list_from_pb(struct store_filter *ret, const ProtobufCMessage *req, struct err_detail *detail) MUST;
err_t get_from_pb(char id[RECORDING_ID], const ProtobufCMessage *req, struct err_detail *detail) MUST;
enum recording_format { FORMAT_STEREO, FORMAT_MONO, FORMAT_WAV };
err_t download_from_pb(char id[RECORDING_ID], enum recording_format *format, const ProtobufCMessage *req,
		       struct err_detail *detail) MUST;

void list_reply(struct rpc_call *call, const struct recording *list, unsigned n, bool more);
void get_reply(struct rpc_call *call, const struct recording *r);
/* file_name NULL: not the first. */
err_t download_send(struct rpc_call *call, const void *bytes, size_t size, uint64_t total, const char *file_name) MUST;

#endif
