/*
 * upload_slot: a place among the uploads that are gathered in memory: so many in the process, UPLOAD_SLOTS_A_TENANT of them for one tenant,
 * and none for a stream that falls silent or whose peer leaves. Loop thread.
 *
 *	static struct upload_slots slots = { .max = 4 };
 *	e = upload_slot_take(&up->slot, &slots, &p, &detail);
 *	upload_slot_wait(&up->slot);	// for the next message; it fails the call when none comes
 *	upload_slot_stop(&up->slot);	// one is there
 *	upload_slot_done(&up->slot);
 */
#ifndef TM_UPLOAD_SLOT_H
#define TM_UPLOAD_SLOT_H

#include "loop/loop.h"
#include "rpc/rpc.h"

#define UPLOAD_SLOTS_A_TENANT 2

struct upload_slots {
	unsigned max, n;
	struct upload_slot *list;
};
/* Zeroed: none. */
struct upload_slot {
	struct upload_slots *of;
	struct upload_slot *next;
	char tenant[64];
	struct rpc_call *call;
	int64_t idle_ms;
	struct loop_timer idle;
};
struct upload_slot_params {
	struct loop *loop;
	struct rpc_call *call; /* lives until the slot is stopped */
	const char *tenant;
	int64_t idle_ms;
};
/* ERR_EXHAUSTED: all are taken, or those of the tenant. */
err_t upload_slot_take(struct upload_slot *s, struct upload_slots *of, const struct upload_slot_params *p,
		       struct err_detail *detail) MUST;
/* Until upload_slot_stop: after idle_ms the call fails with ERR_TIMEOUT, at once when its peer has left. */
void upload_slot_wait(struct upload_slot *s);
void upload_slot_stop(struct upload_slot *s);
/* Stopped before, or its call has ended. */
void upload_slot_done(struct upload_slot *s);

#endif
