/*
 * upload_slot: a place among the uploads that are gathered in memory: so many in the process, UPLOAD_SLOTS_A_TENANT of them for one tenant,
 * and none for a stream that falls silent, trickles, or whose peer leaves. Loop thread.
 *
 *	static struct upload_slots slots = { .max = 4 };
 *	e = upload_slot_take(&up->slot, &slots, &p, &detail);
 *	e = upload_slot_wait(&up->slot, up->file.len, &detail);	// for the next message; it fails the call when none comes
 *	upload_slot_stop(&up->slot);	// one is there
 *	upload_slot_done(&up->slot);
 */
#ifndef TM_UPLOAD_SLOT_H
#define TM_UPLOAD_SLOT_H

#include "loop/loop.h"
#include "manager_config.h"
#include "rpc/rpc.h"

#define UPLOAD_SLOTS_A_TENANT 2

struct upload_slots {
	unsigned max, n;
	struct upload_slot *list;
};
/* How slow a stream may be. */
struct upload_pace {
	int64_t idle_ms;	 /* between two messages */
	int64_t min_bytes_per_s; /* on average, after the first idle_ms; 0: no limit */
};
/* How long a stream that has lasted age_ms and brought so many bytes may wait for the next message; 0: it is too slow. Pure.
 * *ret_slow: it is the average that ends the wait, not the silence. */
int64_t upload_pace_wait_ms(const struct upload_pace *pace, int64_t age_ms, size_t bytes, bool *ret_slow);

/* Zeroed: none. */
struct upload_slot {
	struct upload_slots *of;
	struct upload_slot *next;
	char tenant[64];
	struct rpc_call *call;
	struct upload_pace pace;
	int64_t begun_ms; /* of the first wait, monotonic; 0: none yet */
	bool slow;	  /* it is the pace that ends the wait */
	struct loop_timer timer;
};
struct upload_slot_params {
	struct loop *loop;
	struct rpc_call *call; /* lives until the slot is stopped */
	const char *tenant;
	const struct manager_config *config;
};
/* ERR_EXHAUSTED: all are taken, or those of the tenant. */
err_t upload_slot_take(struct upload_slot *s, struct upload_slots *of, const struct upload_slot_params *p,
		       struct err_detail *detail) MUST;
/* Until upload_slot_stop: when nothing comes in time the call fails with ERR_TIMEOUT, at once when its peer has left. bytes: what has
 * come in all. ERR_TIMEOUT: it is too slow already. */
err_t upload_slot_wait(struct upload_slot *s, size_t bytes, struct err_detail *detail) MUST;
void upload_slot_stop(struct upload_slot *s);
/* Stopped before, or its call has ended. */
void upload_slot_done(struct upload_slot *s);

#endif
