/*
 * control: the shell of call-control: feeds the call core (call.h) with what comes over the bus and performs what it decides.
 *
 * One loop. A call lives here as struct live: the core's call, its timer, and its checkpoint in KV `calls`. Rules:
 *  - every step with consequences writes the checkpoint by compare-and-set; its commands are performed and its facts
 *    published when that write is acknowledged, never before: whoever adopts the call knows all that was done, asserts it
 *    again, and publishes the facts again under the same ids;
 *  - a lost compare-and-set means somebody else owns the call: it is forgotten here at once;
 *  - commands are idempotent and leave at the end of the loop turn, one message per peer (batch.h);
 * Sources: design of call ownership in docs/architecture.md.
 */
#ifndef CALL_CONTROL_CONTROL_H
#define CALL_CONTROL_CONTROL_H

#include <stdbool.h>
#include <stdint.h>
#include "agents/agents_store.h"
#include "base/err.h"
#include "base/table.h"
#include "batch/batch.h"
#include "bus/bus.h"
#include "cc_wire.h"
#include "fair/fair.h"
#include "loop/loop.h"
#include "service/service.h"
#include "tenantconf/tenantconf.h"

#define BATCH_SUBJECT 200

/* What is deleted may come back: a nats-server that is killed may forget that a message was replaced or removed, and an older
 * checkpoint of a call that is over stands there again. So calls that exist write at least each FRESH_MS, what is older than
 * STALE_MS was over long ago, and until then the marker of its deletion (MARKER_MS) hides everything older. */
#define FRESH_MS  20000
#define STALE_MS  50000
#define MARKER_MS 60000

#define LISTEN_MS 2500 /* before that nobody unheard is believed dead */

struct control;
struct events;
struct left;
struct newcomer;
struct quotas;

struct live {
	struct call *call;
	struct control *control;
	struct loop_timer timer;
	uint64_t revision;	    /* of the checkpoint */
	uint64_t unseen;	    /* the same, when a scan began that has not come to it */
	enum call_input_kind first; /* ADOPTED: once the first checkpoint is acknowledged */
	char previous_owner[CALL_NAME];
	bool started, writing, dirty, deleting;
	char router_pool[POOL_TEXT]; /* where its place was asserted last; "": nowhere yet */
	bool counted;		     /* against the tenant's limit (quota.h) */
	bool lost;		     /* somebody else's now: freed when nothing is under way */
	int under_way;		     /* callbacks that still hold this object */
	struct cc_event *pending;    /* facts not yet in an acknowledged checkpoint */
	struct cc_event *written;    /* in the checkpoint under way */
	struct cc_event *on_way;     /* handed to the bus, not acknowledged; in order */
	int publishing;		     /* how many of these */
	struct call_command *held;   /* commands that wait for the checkpoint of their step */
	int n_held, n_ripe;	     /* ripe: the first of them, of the checkpoint under way */
	int64_t written_ms;	     /* wall: the checkpoint */
	int64_t retry_ms;	     /* wall: a write that could not be sent is tried again; 0: none */
	struct live *lost_prev, *lost_next;
	bool stranded; /* in control's list of those whose media engine is gone */
	struct live *stranded_prev, *stranded_next;
	int64_t stranded_ms; /* monotonic */
	UT_hash_handle hh;
};

/* An instance of media or call-control, known by its heartbeats. */
struct peer {
	char key[CALL_NAME * 2]; /* service/instance */
	struct cc_heartbeat hb;
	int64_t seen_ms; /* monotonic */
	bool dead;
	UT_hash_handle hh;
};

struct control {
	struct service *svc;
	struct loop *loop;
	struct bus *bus;
	struct bus_kv *kv;
	struct events *events;
	struct agents_store *agents;
	struct tenantconf *conf;
	struct batches batches;
	struct live *calls;
	struct live *lost; /* not ours any more, a callback still holds them */
	struct peer *peers;
	struct cc_owner self;
	char site[CALL_NAME];
	const char *pool; /* whose calls we take (base/placement.h) */
	char source[CALL_NAME * 2];
	struct bus_sub *offers; /* NULL: none are taken (yet) */
	struct fair newcomers;	/* new calls that wait for their tenant's turn (newcomers.c) */
	struct newcomer *newcomers_by_id;
	unsigned newcomers_left; /* of this turn */
	struct loop_timer newcomers_timer;
	struct bus_sub *subs[8];
	int n_subs;
	struct loop_timer tick;
	struct loop_idle idle;
	struct call_todo todo;
	int64_t started_ms;   /* monotonic */
	int64_t listening_ms; /* monotonic: since when heartbeats have been heard without a break */
	int64_t ticked_ms;    /* monotonic: last peers_tick() */
	int64_t heard_ms;     /* monotonic: last heartbeat of anybody, our own included */
	struct quotas *quotas;
	bool look_suspended; /* a tenant's calls are to end (suspended.c) */
	struct loop_timer media_timer, anchor_timer;
	struct live *stranded; /* calls whose media engine is gone */
	struct left *left;     /* what such an engine may still hold */
	bool listened;	       /* that has been long enough to know who is silent */
	int64_t next_scan_ms;  /* monotonic */
	struct bus_kv_watch *scan;
	int64_t scan_began_ms; /* monotonic */
	bool looking;	       /* that scan only looks how new the newest is */
	bool waking;	       /* that scan has yet to tell which calls are still ours */
	int64_t newest_ms;     /* by the server's clock: the last write before listening_ms */
	int64_t newest_of_ms;  /* the listening_ms for which that is known */
	int64_t listening_wall_ms;
	int64_t again_ms; /* monotonic: since when the bus is back, while somebody may not be; 0: long ago */
	int64_t stuck_ms; /* monotonic: when a write had waited for long, last; 0: never */
	bool draining, bus_up;
	int64_t heard_all_ms;	 /* monotonic: our heartbeat that says so came back; 0: not yet */
	bool deaf;		 /* draining, and all that was sent to us before has been taken */
	int64_t settle_until_ms; /* monotonic */
	int64_t max_calls;
};

/* Wall time that never steps. */
int64_t control_now_ms(const struct control *cc);
/* The pool that the tenant is in now: whose media engines and router its calls use from now on. */
const char *control_pool(const struct control *cc, const char *tenant);
/* Subject of the router that leads the tenant's queues. */
void control_router(const struct control *cc, const char *tenant, char subject[BATCH_SUBJECT]);

/* live.c: calls */
/* Somebody else's now, or over: forgotten without a word. */
void live_lost_ownership(struct live *l);
struct live *live_find(struct control *cc, const char *call_id);
/* Takes over call (and events). revision 0: new. */
struct live *live_new(struct control *cc, struct call *call, struct cc_event *events, uint64_t revision,
		      enum call_input_kind first) MUST;
void live_step(struct live *l, const struct call_input *in);
/* The tenant may have moved to another pool: its waiting calls are asserted to the router there, at the place that they have. */
void live_follow(struct control *cc, const char *tenant);
/* The bus was away, and with it what was said last: each call says again what it needs, within AGAIN_MS. */
void live_say_again(struct control *cc);
/* Facts and commands in control->todo are performed; the checkpoint is written if the call asks for it. */
void live_perform(struct live *l);
/* After bus_free(): callbacks that were under way never come. */
void live_free_all(struct control *cc);
/* No write and no fact is under way. */
bool live_all_settled(const struct control *cc);

/* adopt.c: heartbeats, and calls of owners who are gone (requirement: RELIABILITY, kill -9 of call-control) */
void peers_init(struct control *cc);
void peers_heartbeat(struct control *cc, const struct cc_heartbeat *hb);
void peers_tick(struct control *cc);
/* One heartbeat, as the ticks send them. */
void peers_beat(struct control *cc);
/* The bus is back: who was not heard meanwhile is not dead for that. */
void peers_listen(struct control *cc);
/* We stood still, and do not know yet which of our calls have become somebody else's, or are over: they claim no place in a queue. */
bool peers_unsure(const struct control *cc);
void peers_free(struct control *cc);
/* Nobody is at work any more under that name and incarnation. */
bool peers_gone(const struct control *cc, const struct cc_owner *owner);
/* Least loaded media instance of the pool that is alive and has room, by its last heartbeat and what it was given since (hb.load is the
 * caller's to raise); if there is none, of the shared pool; NULL if there is none either. */
struct peer *peers_media(const struct control *cc, const char *pool);
/* NULL: never heard. */
const struct peer *peers_find_media(const struct control *cc, const char *instance);

/* anchor.c: calls whose media engine is gone go on at another one (requirement: RELIABILITY, kill -9 of media) */
void anchor_init(struct control *cc);
void anchor_done(struct control *cc);
/* The call's engine may be gone: after a step that says so, after an adoption. */
void anchor_check(struct live *l);
/* Something has changed about an engine. */
void anchor_check_all(struct control *cc);
/* An engine that was silent beats again. */
void anchor_heard(struct control *cc, const struct peer *p);
void anchor_forget(struct live *l);

/* suspended.c: calls of tenants that are suspended and want their calls to end (GT-3) */
/* A tenant's configuration has changed, or we have taken over a call. */
void suspended_changed(struct control *cc, const struct tenant *t);
/* With each tick, a few hundred calls at a time. */
void suspended_tick(struct control *cc);

/* orphans.c: media holds something of a call that is not here */
void orphans_look(struct control *cc, const char *tenant, const char *call_id, const char *media);

/* newcomers.c: new calls, tenants in turn (GT-3.1.2d) */
void newcomers_init(struct control *cc);
/* The call begins, at once or in its turn. Takes it over unless it fails (ERR_EXHAUSTED). */
err_t newcomers_come(struct control *cc, struct call *call, const char *sip_call_id) MUST;
bool newcomers_waits(const struct control *cc, const char *call_id);
/* At the end of each loop turn. */
void newcomers_turn(struct control *cc);
void newcomers_free(struct control *cc);

/* inbox.c: subscriptions */
/* The tenant's limit has been asked: the call begins, or is refused (call->over_quota). Takes it over. */
void inbox_admitted(struct control *cc, struct call *call, const char *sip_call_id);
err_t inbox_start(struct control *cc) MUST;
/* Offers are taken from when the configuration is here: before that every tenant would be unknown. */
void inbox_take_offers(struct control *cc);
/* No more of them are sent to us; those on their way are still taken. */
void inbox_drain_offers(struct control *cc);
void inbox_stop(struct control *cc);

/* control.c */
/* The heartbeat of our drain came back: every edge has heard it too. */
void control_heard_all(struct control *cc);
struct control_config {
	char *pool;
	int64_t max_calls;
};
extern const struct config_item control_items[];
err_t control_new(struct control **ret, struct service *svc, const struct control_config *cfg,
		  struct err_detail *detail) MUST;
void control_free(struct control **cc);

#endif
