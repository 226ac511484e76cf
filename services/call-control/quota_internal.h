/* quota_internal: what quota.c and rate.c share: one tenant as this instance sees it, and callers who wait for a limit. */
#ifndef CALL_CONTROL_QUOTA_INTERNAL_H
#define CALL_CONTROL_QUOTA_INTERNAL_H

#include "pace/pace_book.h"
#include "quota.h"
#include "slots.h"

struct waiter {
	struct call *call;
	char *sip_call_id;
	int64_t until_ms; /* monotonic */
	struct waiter *prev, *next;
};
struct tenant_slots {
	char tenant[CALL_NAME];
	struct control *control;
	struct slots slots;
	struct waiter *waiters; /* for a slot */
	int64_t asked_ms;	/* monotonic: the others, last */
	bool reading;
	struct pace_book rate;
	struct waiter *paced; /* they have a slot, and wait for their turn in the second */
	uint32_t n_paced;
	struct bucket rate_alone; /* what is let in while the book tells nothing; monotonic */
	uint64_t recording_bytes; /* kept, as the recorders say */
	UT_hash_handle hh;
};
/* Owners that seem to be gone, and since when. */
#define DOUBTS SLOT_ROWS_MAX
struct doubt {
	struct cc_owner owner;
	int64_t since_ms, seen_ms; /* monotonic */
};
struct quotas {
	struct bus_kv *kv;
	struct bus_kv_watch *watch;
	struct bus_sub *asks;
	struct tenant_slots *tenants;
	struct loop_timer poll;
	struct doubt doubts[DOUBTS];
	size_t n_doubts;
	bool closed; /* what is under way still comes back */
};

#define QUOTA_KEY (CALL_NAME + 16)
/* What a tenant may use now; all 0 for one that is not known. */
struct tenant_quotas quota_limits(const struct control *cc, const char *tenant);
/* ERR_EXHAUSTED: the call is still the caller's. */
err_t quota_wait(struct waiter **list, struct call *call, const char *sip_call_id) MUST;
/* The first of the list; the call goes to inbox_admitted(). */
void quota_go(struct tenant_slots *t, struct waiter **list);
/* Somebody waits: looked at again soon. */
void quota_poll_soon(struct tenant_slots *t);

/* rate.c: those of the calls that are let in by slots.h for whom there is room in this second, too. Takes the call over. */
void rate_ask(struct tenant_slots *t, struct call *call, const char *sip_call_id);
/* Lets in and refuses whom it can. */
void rate_pump(struct tenant_slots *t);
void rate_open(struct tenant_slots *t, struct bus_kv *kv);

#endif
