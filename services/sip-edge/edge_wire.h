/*
 * edge_wire: the only file that knows protobuf: commands and events of edge.proto, records of store.proto ↔ plain structs.
 * Everything that comes in is checked here: ids, UTF-8, NUL, sizes, ranges.
 */
#ifndef SIP_EDGE_WIRE_H
#define SIP_EDGE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "controllers.h"
#include "base/str.h"
#include "registrar.h"

#define EDGE_SDP_MAX	 16384
#define EDGE_HEADERS_MAX 16
#define EDGE_INVITE_MAX	 8192 /* bytes of an InviteRecord */

struct edge_bytes {
	const void *data;
	size_t size;
};

enum edge_command_kind {
	EDGE_PROGRESS = 10,
	EDGE_ANSWER,
	EDGE_REJECT,
	EDGE_HANG_UP,
	EDGE_DIAL,
	EDGE_REINVITE,
	EDGE_REANSWER,
	EDGE_ATTACH,
	EDGE_PROBE
}; /* = field numbers of the oneof */

struct edge_header {
	const char *name, *value;
};
struct edge_command {
	const char *tenant, *call_id, *leg_id;
	uint64_t epoch;
	enum edge_command_kind kind;
	struct edge_bytes sdp; /* progress, answer, dial, reinvite, reanswer */
	unsigned status;       /* reject, hang_up; 0: not said */
	const char *reason;
	const char *agent_id; /* hang_up: of an agent's leg, or "" */
	unsigned retry_after_s;
	unsigned request;	  /* reanswer */
	struct edge_bytes invite; /* attach: of an inbound leg that is not answered */
	struct {
		const char *agent_id, *uri; /* one of them, the other "" */
		const char *trunk_id, *caller, *caller_name, *called, *queue_id;
		int64_t timeout_ms;
		size_t n_headers;
		struct edge_header headers[EDGE_HEADERS_MAX];
	} dial;
};
/* Calls fn for each valid command; what is wrong with an invalid one goes to bad (which still names its leg if it can). */
typedef void edge_command_fn(const struct edge_command *c, const char *owner, void *arg);
typedef void edge_bad_fn(const struct err_detail *detail, void *arg);
void edge_wire_commands(const void *data, size_t size, edge_command_fn *fn, edge_bad_fn *bad, void *arg);

enum edge_event_kind {
	EDGE_EV_OFFER = 10,
	EDGE_EV_RINGING,
	EDGE_EV_ANSWERED,
	EDGE_EV_ENDED,
	EDGE_EV_REOFFER,
	EDGE_EV_STATE,
	EDGE_EV_STALE
};
struct edge_event {
	const char *tenant, *call_id, *leg_id;
	int64_t time_ms;
	enum edge_event_kind kind;
	struct edge_bytes sdp;		  /* offer, ringing, answered, reoffer, state (remote) */
	unsigned status;		  /* ringing, ended */
	const char *cause;		  /* ended */
	bool by_us;			  /* ended */
	bool reinvite;			  /* answered: a LegReinvite, not the dialog's INVITE */
	unsigned request;		  /* reoffer */
	bool outbound, answered, ringing; /* state */
	uint64_t epoch;			  /* stale */
	const char *caller, *caller_name, *called, *trunk_id, *agent_id, *sip_call_id; /* offer */
	struct edge_bytes invite;						       /* offer */
};
/* A batch is grown in place: _begin, then _add for each. out->failed tells a lack of memory. */
void edge_wire_events_begin(struct str *out, const char *instance);
void edge_wire_events_add(struct str *out, const struct edge_event *ev);

/* A heartbeat of call-control. beat->instance points into the bytes only while fn runs. */
typedef void edge_beat_fn(const struct controller_beat *beat, void *arg);
err_t edge_wire_beat(const void *data, size_t size, edge_beat_fn *fn, void *arg, struct err_detail *detail) MUST;

/* Heartbeat: who we are, and since when. */
void edge_wire_heartbeat(struct str *out, const char *instance, unsigned legs, unsigned capacity, bool draining,
			 uint64_t incarnation);

void edge_wire_bindings_to_pb(struct str *out, const struct aor *a, const char *writer);
/* key → a->key. *ret_own: written by this very instance. */
err_t edge_wire_bindings_from_pb(struct aor *ret, const char *key, const void *data, size_t size, const char *instance,
				 bool *ret_own) MUST;

/* An INVITE that is not answered, for the next life. Strings point into the record that was unpacked. */
struct invite_record {
	struct edge_bytes request;
	const char *source, *to_tag, *trunk_id, *agent_id, *called;
};
void edge_wire_invite_to_pb(struct str *out, const struct invite_record *r);
typedef void edge_invite_fn(const struct invite_record *r, void *arg);
err_t edge_wire_invite_from_pb(struct edge_bytes record, edge_invite_fn *fn, void *arg) MUST;

/* An established dialog as it stands in KV `legs`. Strings point into the record that was unpacked. */
#define EDGE_ROUTES_MAX 16
struct leg_record {
	const char *call_id, *leg_id, *tenant, *owner;
	uint64_t epoch;
	bool outbound, we_refresh, peer_updates;
	const char *sip_call_id, *local, *remote, *target, *route, *contact, *agent_id, *trunk_id;
	uint32_t local_cseq, remote_cseq, session_interval_s, reoffers;
	size_t n_routes;
	const char *routes[EDGE_ROUTES_MAX];
	struct edge_bytes local_sdp, remote_sdp;
	int64_t refreshed_ms;
};
void edge_wire_leg_to_pb(struct str *out, const struct leg_record *r);
typedef void edge_leg_fn(const struct leg_record *r, void *arg);
err_t edge_wire_leg_from_pb(const void *data, size_t size, edge_leg_fn *fn, void *arg) MUST;

#endif
