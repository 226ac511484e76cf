/*
 * agent: the state of one agent and the only way it changes (GT-5.2). Pure: no I/O, no clock. Any thread.
 *
 * struct agent_record mirrors trunkline.agent.v1.AgentRecord, the entry in KV `agents`. agent_step() takes a record and
 * an event to the next record by one table, or says why not. It writes nothing: agents_store.h does, by compare-and-set.
 *
 *	struct agent_event ev = { .kind = AGENT_EV_ANSWERED, .call_id = call_id };
 *	e = agent_step(&rec, &ev, clock_wall_ms(), &next, &detail);
 *	if (e) …                      // ERR_PRECONDITION: detail.message says what would be right; next is untouched
 *
 * Asked for busy or sign-out while a call is on, the agent finishes it first (pending_*). A written record always has
 * `seq` one higher and `last` = the transition that led to it, which is what the event AgentStateChanged says.
 */
#ifndef AGENTS_AGENT_H
#define AGENTS_AGENT_H

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

#define AGENT_ID_TEXT	  64 /* ids by str_is_id(): tenant, agent, queue, site, instance */
#define AGENT_CALL_TEXT	  64 /* call and leg ids (id.h gives 32 characters) */
#define AGENT_REASON_TEXT 64

enum agent_state { /* = trunkline.agent.v1.AgentState */
		   AGENT_NONE = 0,
		   AGENT_SIGNED_OUT = 1,
		   AGENT_BUSY = 2,
		   AGENT_READY = 3,
		   AGENT_RESERVED = 4,
		   AGENT_ON_CALL = 5,
		   AGENT_WRAP_UP = 6,
		   AGENT_STATES = 7,
};

struct agent_transition {
	enum agent_state from, to;
	int64_t at_ms;
	int64_t from_since_ms;
	char cause[AGENT_REASON_TEXT];
	char reason[AGENT_REASON_TEXT];
	char call_id[AGENT_CALL_TEXT];
	char queue_id[AGENT_ID_TEXT];
	uint64_t seq;
	char writer[AGENT_ID_TEXT];
};

/* Transitions of other writers that a record carries on, and for how long: until somebody has noticed that one died. */
#define AGENT_BEFORE	3
#define AGENT_BEFORE_MS 20000

struct agent_record {
	char tenant[AGENT_ID_TEXT];
	char agent_id[AGENT_ID_TEXT];
	enum agent_state state;
	char reason[AGENT_REASON_TEXT]; /* of BUSY */
	int64_t since_ms;
	int64_t ready_since_ms;
	uint64_t seq;
	char call_id[AGENT_CALL_TEXT]; /* RESERVED, ON_CALL, WRAP_UP */
	char queue_id[AGENT_ID_TEXT];
	char leg_id[AGENT_CALL_TEXT];
	uint64_t router_epoch;
	int64_t reserved_until_ms;
	int64_t wrap_up_until_ms;
	bool pending_busy;
	bool pending_sign_out;
	char pending_reason[AGENT_REASON_TEXT];
	char site[AGENT_ID_TEXT];
	char writer[AGENT_ID_TEXT];
	struct agent_transition last;
	int64_t signed_in_ms;
	struct agent_transition before[AGENT_BEFORE]; /* newest first */
	unsigned n_before;
};

/* What happens to an agent, and which members of struct agent_event it needs. */
enum agent_event_kind {
	AGENT_EV_SIGN_IN,	 /* site → BUSY "signed-in" */
	AGENT_EV_SIGN_OUT,	 /* at once, or after the call and its wrap-up */
	AGENT_EV_READY,		 /* also takes back a pending busy or sign-out; ends wrap-up */
	AGENT_EV_BUSY,		 /* reason; at once, or after the call */
	AGENT_EV_RESERVE,	 /* call_id, queue_id, leg_id, router_epoch, reserved_until_ms */
	AGENT_EV_UNRESERVE,	 /* call_id: the call is gone, the agent keeps its ready_since */
	AGENT_EV_ANSWERED,	 /* call_id */
	AGENT_EV_NO_ANSWER,	 /* call_id; reason (default "no-answer") → BUSY */
	AGENT_EV_CALL_ENDED,	 /* call_id; wrap_up_ms (0: none). While RESERVED: as UNRESERVE */
	AGENT_EV_WRAP_UP_OVER,	 /* its time is up; auto_ready, else BUSY "after-wrap-up" */
	AGENT_EV_FINISH_WRAP_UP, /* the agent ends it */
	AGENT_EV_RECONCILED,	 /* call_id: the call exists no more */
	AGENT_EV_TAKE_OVER,	 /* call_id, router_epoch: a new router leader makes the reservation its own */
	AGENT_EV_FENCE,		 /* stays SIGNED_OUT: a sign-in on the former revision can come no more */
	AGENT_EVENTS
};

struct agent_event {
	enum agent_event_kind kind;
	const char *cause;  /* NULL: the event's own name, "call-ended" … (transition.cause) */
	const char *reason; /* BUSY, NO_ANSWER */
	const char *call_id;
	const char *queue_id;
	const char *leg_id;
	const char *site;
	uint64_t router_epoch;
	int64_t reserved_until_ms; /* wall */
	int64_t wrap_up_ms;
	bool auto_ready;
};

/* "READY" …, "sign-in" …; never NULL. */
const char *agent_state_name(enum agent_state s);
const char *agent_event_name(enum agent_event_kind k);

/* An agent who was never signed in: SIGNED_OUT, seq 0 (no entry in KV). Ids that do not fit are cut. */
void agent_record_init(struct agent_record *rec, const char *tenant, const char *agent_id);

/* The next record; now_ms is wall time (never lets a duration become negative: a clock behind since_ms counts as since_ms).
 * ERR_PRECONDITION: not in this state, or about another call; ERR_INVALID: the event lacks something. detail may be NULL;
 * next is written only on ERR_OK and may be rec. The caller sets next->writer. */
err_t agent_step(const struct agent_record *rec, const struct agent_event *ev, int64_t now_ms,
		 struct agent_record *next, struct err_detail *detail) MUST;

/* next (a step from rec) will be written by `writer`: its name, and what rec's writers may not have told any more. */
void agent_sign(struct agent_record *next, const struct agent_record *rec, const char *writer);

/* Signed in and not on the way out: counts as on duty for a queue. */
bool agent_on_duty(const struct agent_record *rec);

#endif
