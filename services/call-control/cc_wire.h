/*
 * cc_wire: call-control's messages between protobuf and the call core. The only file here that knows protobuf.
 *
 * In: everything is validated before the core sees it; a message that is not is refused as a whole with the field named.
 * Out: packed pieces that a batch concatenates (repeated fields of concatenated messages merge), so that one loop turn
 * makes one message per peer.
 */
#ifndef CALL_CONTROL_CC_WIRE_H
#define CALL_CONTROL_CC_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/placement.h"
#include "base/str.h"
#include "call.h"
#include "slots.h"

/* ---- in ---- */
struct cc_offer {
	const char *edge, *tenant, *call_id, *leg_id;
	const char *caller, *caller_name, *called, *trunk_id, *agent_id, *sip_call_id;
	const void *sdp;
	size_t sdp_size;
	const void *invite; /* opaque: for the edge's next life */
	size_t invite_size;
};
struct cc_in {
	void (*offer)(const struct cc_offer *offer, void *arg);
	/* One thing that happened to a call; epoch != 0: the sender says another owner has this epoch (stale). */
	void (*input)(const char *tenant, const char *call_id, const struct call_input *in, uint64_t stale_epoch,
		      void *arg);
	void (*router_epoch)(const char *pool, uint32_t shard, uint64_t epoch, void *arg);
	void *arg;
};
err_t cc_wire_edge_events(const void *data, size_t size, const struct cc_in *fn, struct err_detail *detail) MUST;
err_t cc_wire_media_events(const void *data, size_t size, const struct cc_in *fn, struct err_detail *detail) MUST;
err_t cc_wire_router_events(const void *data, size_t size, const struct cc_in *fn, struct err_detail *detail) MUST;
err_t cc_wire_router_epoch(const void *data, size_t size, const struct cc_in *fn, struct err_detail *detail) MUST;

struct cc_heartbeat {
	char instance[CALL_NAME];
	char service[CALL_NAME];
	uint32_t load, capacity;
	bool draining;
	uint64_t incarnation;
	char pool[POOL_TEXT]; /* never "" */
};
err_t cc_wire_heartbeat(const void *data, size_t size, struct cc_heartbeat *ret, struct err_detail *detail) MUST;
/* Whatever media holds of a call that exists no more. */
void cc_wire_put_call_free(struct str *out, const char *tenant, const char *call_id);
void cc_wire_put_heartbeat(struct str *out, const struct cc_heartbeat *hb);

/* KV `quota`: the book of a tenant's slots, that of its calls a second, the bytes of recordings that are kept of it. */
err_t cc_wire_slots(const void *data, size_t size, struct slot_book *ret, struct err_detail *detail) MUST;
void cc_wire_put_slots(struct str *out, const struct slot_book *book);
err_t cc_wire_recording_use(const void *data, size_t size, uint64_t *ret_bytes, struct err_detail *detail) MUST;

/* ---- out: appended to a batch; start it with the owner, then one piece per command ---- */
void cc_wire_put_edge_owner(struct str *out, const char *owner);
void cc_wire_put_media_owner(struct str *out, const char *owner);
void cc_wire_put_router_owner(struct str *out, const char *owner);
void cc_wire_put_edge(struct str *out, const struct call *call, const struct call_command *c);
void cc_wire_put_media(struct str *out, const struct call *call, const struct call_command *c);
void cc_wire_put_router(struct str *out, const struct call *call, const struct call_command *c, const char *site);
void cc_wire_put_assert_end(struct str *out, uint32_t shard, uint64_t epoch);
/* An assignment to a call that is not here: the router may have its agent back. */
void cc_wire_put_call_gone(struct str *out, const char *tenant, const char *call_id, const struct call_input *assigned);
/* An offer that never becomes a call. */
void cc_wire_put_reject(struct str *out, const struct cc_offer *offer, uint32_t status, const char *reason);

/* ---- facts and checkpoints ---- */
struct cc_event {
	struct cc_event *next;
	void *bytes;
	size_t size;
	char id[80];
	bool recording; /* domain `recording`, else `call` */
	bool last;	/* CallEnded */
	void *owner;	/* the shell's, while the event is on its way */
};
/* NULL: out of memory. */
struct cc_event *cc_wire_fact(const struct call *call, const struct call_fact *fact, const char *site,
			      const char *source) MUST;
void cc_event_free_list(struct cc_event *list);

struct cc_owner {
	char instance[CALL_NAME];
	uint64_t incarnation;
};
err_t cc_wire_put_checkpoint(struct str *out, const struct call *call, const struct cc_owner *owner,
			     const struct cc_event *events) MUST;
/* Only who owns it: cheap look at every checkpoint in the bucket. */
err_t cc_wire_checkpoint_owner(const void *data, size_t size, struct cc_owner *ret, struct err_detail *detail) MUST;
/* The call without configuration: the caller sets conf and calls call_bind(). *ret_events: of its last step. */
struct cc_saved {
	struct call *call;
	struct cc_owner owner;
	char flow_id[CALL_NAME], step_id[CALL_NAME];
	struct cc_event *events;
};
err_t cc_wire_checkpoint(const void *data, size_t size, struct cc_saved *ret, struct err_detail *detail) MUST;

#endif
