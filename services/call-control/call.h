/*
 * call: one call, from the offer to its last event. Pure: no I/O, no clock, no protobuf, one function that decides.
 *
 * The shell (control.c) feeds call_step() with what happened (struct call_input) and the time; call_step() changes the call
 * and appends what is to be done to struct call_todo: commands to sip-edge, media and router, changes of an agent's state,
 * and facts for the event stream. When it sets `checkpoint`, the shell writes the call down first and performs commands and
 * publishes facts when that is acknowledged: so nobody outside knows of a step that an adopter of the call does not know.
 * All commands are idempotent: an adopter (the owner died, we won its checkpoint) simply asserts again what the call needs.
 *
 * Times are wall milliseconds that never step (control.c derives them from the monotonic clock).
 *
 * Phases: one row per phase in call.c; a call is in exactly one. Requirements: GT-2.1.1, GT-4.1/4.3/4.4, GT-5.2, GT-6, OP-1, OP-5.
 */
#ifndef CALL_CONTROL_CALL_H
#define CALL_CONTROL_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/id.h"
#include "tenantconf/tenant.h"

#define CALL_NAME	64  /* ids of tenants, queues, agents, flows, steps, instances, with NUL */
#define CALL_NUMBER	128 /* calling and called numbers */
#define CALL_LEG_ID	40
#define CALL_VARS_MAX	32
#define CALL_VAR_NAME	32
#define CALL_VALUE	256
#define CALL_TRIED_MAX	8
#define CALL_INVITE_MAX 8192
#define CALL_STEPS_MAX	1000 /* flow steps taken without waiting: more is a loop without an exit */

enum call_phase {
	CALL_PHASE_NEW,	       /* checkpoint written, nothing done yet */
	CALL_PHASE_ANSWERING,  /* caller's endpoint wanted, then 200 OK sent, waiting for ACK */
	CALL_PHASE_PLAYING,    /* flow step play */
	CALL_PHASE_COLLECTING, /* flow step collect */
	CALL_PHASE_QUEUED,     /* waiting for an agent */
	CALL_PHASE_DIALLING,   /* an agent is reserved: endpoint, INVITE, ringing */
	CALL_PHASE_WELCOME,    /* agent has answered; caller hears the welcome */
	CALL_PHASE_CONNECTING, /* agent has answered; the caller's leg gets its 200 OK only now */
	CALL_PHASE_TALKING,
	CALL_PHASE_ENDING, /* everything hung up; waiting for the confirmations */
	CALL_PHASE_ENDED,
	CALL_PHASE_COUNT
};
const char *call_phase_name(enum call_phase p);

enum leg_state { LEG_NONE, LEG_OFFERED, LEG_DIALLING, LEG_RINGING, LEG_ANSWERING, LEG_UP, LEG_ENDING, LEG_ENDED };

/* A leg whose media engine is gone, on its way to another one (call_anchor.c). Kept in checkpoints. */
enum call_anchor {
	ANCHOR_NONE,
	ANCHOR_WANTED,	/* the new endpoint's offer is waited for, or that the phone answers the INVITE */
	ANCHOR_OFFERED, /* re-INVITE sent, the phone's answer is waited for */
};

struct call_leg {
	char id[CALL_LEG_ID];
	char edge[CALL_NAME]; /* instance that holds the dialog */
	enum leg_state state;
	bool endpoint;	  /* media has (or was asked for) an RTP endpoint */
	bool held;	  /* the phone has put us on hold */
	int64_t since_ms; /* of state */
	void *sdp;	  /* last SDP of the phone; owned */
	size_t sdp_size;
	/* The caller's, until answered: what the edge needs to go on with it in another life; owned; none when it was too large. */
	void *invite;
	size_t invite_size;
	unsigned revivals; /* asked of an edge that does not know the leg, since it last knew it; the last one: */
	int64_t revived_ms;
	uint32_t reoffer; /* number of a re-INVITE waiting for media's answer; 0: none */
	enum call_anchor anchor;
	unsigned refusals; /* of re-INVITEs of this anchoring */
	int64_t probed_ms; /* no audio, the edge was told to ask the phone and has said nothing since; 0: not so */
};

struct call_var {
	char name[CALL_VAR_NAME];
	char value[CALL_VALUE];
};

/* Numbers of media requests, so that the answer tells what it answers. REOFFER: with the re-INVITE's number above. */
#define REQUEST_KIND 0xff
enum call_request {
	REQUEST_NONE,
	REQUEST_CALLER,
	REQUEST_AGENT,
	REQUEST_REOFFER,
	REQUEST_ATTACH,
	REQUEST_ANSWER,
	REQUEST_ANSWER_AGAIN,
	REQUEST_REANCHOR
};

struct call {
	char tenant[CALL_NAME];
	char id[ID_TEXT];
	uint64_t epoch; /* grows with each adoption, from 1 */
	enum call_phase phase;
	const struct tenant *conf; /* referenced: the call keeps the version it began with */
	const struct flow *flow;   /* in conf; NULL: none */
	int step;		   /* index in flow; -1: none */
	int entered_step;	   /* of which FlowStepEntered is recorded; -1: none */
	int steps_in_a_row;	   /* taken without the caller hearing or keying anything */
	bool yielded;		   /* a long run of steps goes on in the next turn */
	char caller[CALL_NUMBER], caller_name[CALL_NUMBER], called[CALL_NUMBER];
	char trunk_id[CALL_NAME];
	char media[CALL_NAME];	    /* instance; chosen by the shell before the first step; "": none is alive */
	uint64_t media_incarnation; /* of it, then; 0: not known */
	struct call_leg caller_leg, agent_leg;
	struct call_leg stray; /* of an attempt long over that still speaks: hung up */
	struct call_var *vars;
	int n_vars;
	/* collect */
	char digits[33];
	int tries;
	uint32_t play_id; /* of the newest play: older PlayDone are ignored */
	/* queue */
	const struct tenant_queue *queue; /* in conf; NULL: none */
	char queue_id[CALL_NAME];
	uint32_t priority;
	int64_t arrival_ms;
	bool queue_acked;
	char tried[CALL_TRIED_MAX][CALL_NAME];
	int n_tried;
	char agent_id[CALL_NAME];     /* reserved, ringing or talking */
	char wanted_agent[CALL_NAME]; /* ring agent step */
	uint64_t router_epoch;
	uint32_t attempt;
	bool dialled;		   /* this owner has sent the dial of this attempt */
	bool rang;		   /* the agent's phone has said that it rings */
	unsigned media_silent;	   /* attempts in a row that media did not even answer */
	int64_t reserved_until_ms; /* the agent, as the router says; 0: unknown */
	int64_t ring_since_ms;	   /* of this attempt: from the assignment, then from the first ringing */
	int64_t refused_since_ms;  /* the router knows no such queue or agent; 0: it does */
	/* recording */
	char recording_id[CALL_LEG_ID]; /* <call_id>-<n> */
	unsigned n_recordings;
	bool recording;
	bool record_again; /* this one cannot go on: when it is closed, another one begins */
	int64_t recording_started_ms;
	/* times; 0 = never */
	int64_t offered_ms, answered_ms, queued_ms, agent_answered_ms, bridged_ms, ended_ms;
	int64_t wait_ms; /* in queues, of those left behind */
	int64_t hold_ms, hold_since_ms;
	const char *cause;	 /* static: why it ended */
	const char *disposition; /* static */
	uint64_t event_seq;	 /* of the last fact */
	/* deadlines, wall ms; 0 = not running */
	int64_t step_deadline_ms; /* of what the phase waits for */
	int64_t wait_deadline_ms; /* the queue's longest wait */
	int64_t music_at_ms;	  /* nobody has taken the waiting caller until then: music */
	int64_t adopt_until_ms;	  /* adopted and the edge has not told the caller's leg yet */
	int64_t repeat_ms;	  /* next repetition of an unacknowledged request */
	bool media_freed;	  /* media has confirmed that it holds nothing of the call any more */
	bool stranded;	      /* set by call_step when the engine does not have the call: INPUT_MEDIA_LOST is wanted */
	int64_t anchor_at_ms; /* what re-anchoring waits for is asked again then; 0: nothing */
	int64_t anchor_since_ms;
	unsigned anchor_tries; /* of the new engine */
	bool over_quota;       /* to be refused: the tenant has as many calls as it may … */
	bool over_rate;	       /* … or as many have come in this second */
	bool recordings_full; /* by the shell before each step: the tenant has as much as it may, no recording begins */
	bool checkpoint;      /* set by call_step when what was decided must be written */
};

enum call_input_kind {
	INPUT_START,   /* the first checkpoint is acknowledged */
	INPUT_ADOPTED, /* we have taken over somebody else's call */
	INPUT_LEG_RINGING,
	INPUT_LEG_ANSWERED,
	INPUT_LEG_ENDED,
	INPUT_LEG_REOFFER,
	INPUT_LEG_STATE,
	INPUT_MEDIA_READY,
	INPUT_MEDIA_FAILED,
	INPUT_MEDIA_TIMEOUT,
	INPUT_PLAY_DONE,
	INPUT_DIGIT,
	INPUT_RECORD_DONE,
	INPUT_MEDIA_FREED, /* leg_id NULL: the whole call */
	INPUT_MEDIA_LOST,  /* the call's engine is gone; `media`: where it goes on, NULL: nowhere */
	INPUT_QUEUED,
	INPUT_REFUSED,
	INPUT_ASSIGNED,
	INPUT_ROUTER_EPOCH, /* a new leader: assert the place */
	INPUT_TICK,	    /* a deadline has passed */
	INPUT_EDGE_BACK,    /* that edge was restarted: what was not established is lost */
	INPUT_SUSPENDED,    /* the tenant is, and its calls in progress are to end (GT-3) */
	INPUT_DRAIN,	    /* nothing: the shell hands over; reserved for tests */
};

/* What happened. Only the members of the kind are set; pointers are valid during the step. */
struct call_input {
	enum call_input_kind kind;
	const char *leg_id;
	const char *edge;  /* LEG_*, MEDIA_*: instance that says so; may be NULL */
	uint32_t status;   /* LEG_ENDED, LEG_RINGING */
	const char *cause; /* LEG_ENDED */
	const void *sdp;
	size_t sdp_size;
	bool sdp_holds;		/* the phone's SDP does not want to hear or send (RFC 3264, 8.4) */
	bool answered, ringing; /* LEG_STATE */
	bool reinvite;		/* LEG_ANSWERED: a re-INVITE of ours */
	uint32_t request;	/* LEG_REOFFER: number; MEDIA_*: enum call_request */
	const char *media; /* MEDIA_*, PLAY_DONE, DIGIT, RECORD_DONE: instance that says so; MEDIA_LOST: the new one */
	uint64_t incarnation; /* MEDIA_LOST: of the new one */
	const char *what;     /* MEDIA_FAILED: command */
	uint32_t play_id;
	char digit;
	err_t error;	      /* MEDIA_FAILED, REFUSED */
	const char *agent_id; /* ASSIGNED */
	const char *queue_id;
	uint64_t router_epoch;
	int64_t reserved_until_ms; /* ASSIGNED */
	const void *agent_record;  /* ASSIGNED: as the router reserved it; NULL: not told */
	size_t agent_record_size;
	uint64_t agent_revision;
	uint32_t agents_signed_in;
	const char *path; /* RECORD_DONE */
	int64_t duration_ms;
};

enum call_command_kind {
	/* sip-edge (leg says which) */
	COMMAND_PROGRESS,
	COMMAND_ANSWER,
	COMMAND_REJECT,
	COMMAND_HANG_UP,
	COMMAND_DIAL,
	COMMAND_REINVITE,
	COMMAND_REANSWER,
	COMMAND_ATTACH,
	COMMAND_PROBE,
	/* media */
	COMMAND_ENDPOINT,
	COMMAND_REMOTE,
	COMMAND_FREE_ENDPOINT,
	COMMAND_PLAY,
	COMMAND_STOP_PLAY,
	COMMAND_BRIDGE,
	COMMAND_UNBRIDGE,
	COMMAND_RECORD,
	COMMAND_FREE_CALL,
	COMMAND_ATTACH_ENDPOINT,
	/* router */
	COMMAND_ENQUEUE,
	COMMAND_DEQUEUE,
	COMMAND_RESULT,
	/* agent's record */
	COMMAND_AGENT_ON_CALL,
	COMMAND_AGENT_NO_ANSWER,
	COMMAND_AGENT_CALL_ENDED,
	COMMAND_AGENT_GIVE_BACK,
};
bool call_command_is_edge(enum call_command_kind k);
bool call_command_is_media(enum call_command_kind k);
bool call_command_is_router(enum call_command_kind k);

struct call_command {
	enum call_command_kind kind;
	struct call_leg *leg;
	const void *sdp; /* copied: owned by the todo list */
	size_t sdp_size;
	bool offer; /* REMOTE: sdp is one; ENDPOINT: one is wanted that goes on with sdp */
	uint32_t status;
	uint32_t request;
	uint32_t retry_after_s;
	const char *text; /* reason, cause; static or in the call */
	/* PLAY */
	const struct tenant_prompt *const *prompts; /* in conf; none: ring-back tone */
	size_t n_prompts;
	bool loop, stop_on_digit;
	uint32_t play_id;
	bool on;       /* RECORD */
	bool accepted; /* RESULT */
	char agent_id[CALL_NAME];
	char leg_id[CALL_LEG_ID]; /* RESULT: of the assignment that is meant */
	int64_t timeout_ms;	  /* DIAL; AGENT_CALL_ENDED: wrap-up */
	uint64_t router_epoch;
};

enum fact_kind {
	FACT_OFFERED,
	FACT_ANSWERED,
	FACT_STEP,
	FACT_DIGITS,
	FACT_ENQUEUED,
	FACT_RESERVED,
	FACT_AGENT_RINGING,
	FACT_AGENT_NO_ANSWER,
	FACT_AGENT_ANSWERED,
	FACT_BRIDGED,
	FACT_HELD,
	FACT_RETRIEVED,
	FACT_LEG_FINISHED,
	FACT_DEQUEUED,
	FACT_ENDED,
	FACT_RECORDING_STARTED,
	FACT_RECORDING_STOPPED,
	FACT_ADOPTED,
	FACT_REANCHORED,
	FACT_RECORDING_REFUSED,
};
/* A fact of this step; what is not here is in the call. Strings are static, in the call or in its configuration. */
struct call_fact {
	enum fact_kind kind;
	uint64_t seq; /* per call; recording facts have their own: 1 started, 2 stopped */
	int64_t at_ms;
	char leg_id[CALL_LEG_ID];
	char agent_id[CALL_NAME];
	char queue_id[CALL_NAME];
	const char *kind_text; /* step kind, leg kind, who held */
	const char *step_id, *flow_id, *variable;
	char text[CALL_VALUE]; /* digits, cause, path, previous owner */
	uint32_t status;
	uint32_t number; /* priority, attempt */
	int64_t ms, ms2; /* waited, rang / held / duration / service level, arrival */
};

#define TODO_MAX 24
struct call_todo {
	struct call_command commands[TODO_MAX];
	int n_commands;
	struct call_fact facts[TODO_MAX];
	int n_facts;
	bool overflow; /* never in a right program: asserted by tests */
};
void call_todo_reset(struct call_todo *todo);

/* A fresh call in phase NEW; ids and numbers are the caller's to fill. */
err_t call_new(struct call **ret) MUST;
void call_free(struct call **call);
/* The caller's side of the offer, before the first checkpoint: records the fact CallOffered. */
void call_offered(struct call *call, int64_t now_ms, struct call_todo *todo);
void call_step(struct call *call, const struct call_input *in, int64_t now_ms, struct call_todo *todo);
/* The nearest deadline, 0 if none. */
int64_t call_deadline_ms(const struct call *call);
bool call_ended(const struct call *call);
err_t call_leg_set_invite(struct call_leg *leg, const void *invite, size_t size) MUST;
void call_leg_drop_invite(struct call_leg *leg);
/* Replaces what the phone said last; keeps the old one when memory is short. */
err_t call_leg_set_sdp(struct call_leg *leg, const void *sdp, size_t size) MUST;
const char *call_var(const struct call *call,
		     const char *name); /* NULL if unset; also caller, called, call_id, queue */
err_t call_set_var(struct call *call, const char *name, const char *value) MUST;

#endif
