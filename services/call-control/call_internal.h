/* call_internal: what the files of the call core share. */
#ifndef CALL_CONTROL_CALL_INTERNAL_H
#define CALL_CONTROL_CALL_INTERNAL_H

#include "call.h"

#define ANSWER_TIMEOUT_MS 40000 /* 200 OK repeated for 64·T1 = 32 s (RFC 3261, 13.3.1.4), then the edge gives up */
#define MEDIA_TIMEOUT_MS  5000
#define ENDING_TIMEOUT_MS 30000 /* a peer that restarts is back by then */
#define ENDING_REPEAT_MS  1000
#define REPEAT_MS	  2000
#define KEEP_PLACE_MS	  20000 /* an acknowledged place is asserted again now and then: the queue is soft state */
#define ADOPT_TIMEOUT_MS  30000
#define RING_TIMEOUT_MS	  20000
#define COLLECT_FIRST_MS  5000
#define COLLECT_DIGIT_MS  3000
#define DIAL_GRACE_MS	  5000
#define RESERVED_SPARE_MS 2000 /* to write the agent's record before the router takes it back */
#define RESERVED_LEAST_MS 5000
#define MEDIA_SILENT_MAX  3	/* then media is dead: the caller hears nothing, and would only take agents' time */
#define PLAY_GRACE_MS	  15000 /* beyond the length of prompts: they may have to be loaded first */
#define UNKNOWN_MS	  10000 /* the router may learn of a queue or agent later than we */
#define MUSIC_DELAY_MS	  100	/* an agent who is free rings by then, and media was not asked for nothing */
#define ANCHOR_MEDIA_MS	  700	/* the new engine's offer */
#define ANCHOR_MEDIA_MAX  3	/* times asked: then another engine is wanted */
#define ANCHOR_PHONE_MS	  5000	/* the phone's answer: the message may have got lost */
#define ANCHOR_AGAIN_MS	  1000	/* a phone that refused may have been busy with an offer of its own (RFC 3261, 14.2) */
#define ANCHOR_REFUSALS	  3
#define ANCHOR_MAX_MS	  45000 /* beyond 64·T1 + T4: an INVITE that nobody answers has ended the leg by then */
#define PROBE_SILENT_MS	  60000 /* an edge that says nothing of a phone from which no audio comes: both are gone */
#define REVIVALS_MAX	  3
#define REVIVE_MS	  500
#define CHECK_LEGS_MS	  20000 /* what sip-edge holds is asked for: a lost message is put right within that time */

/* todo.c */
struct call_command *todo_command(struct call_todo *todo, enum call_command_kind kind, struct call_leg *leg);
struct call_command *todo_sdp(struct call_todo *todo, enum call_command_kind kind, struct call_leg *leg,
			      const void *sdp, size_t size);
struct call_fact *todo_fact(struct call_todo *todo, struct call *call, enum fact_kind kind, int64_t now_ms);

/* call.c */
void call_set_phase(struct call *call, enum call_phase phase);
void call_leg_set(struct call_leg *leg, enum leg_state state, int64_t now_ms);
bool call_leg_alive(const struct call_leg *leg);
/* Ends the call: hangs up what is alive, gives the agent back, tells the router, records the facts. Idempotent. */
void call_finish(struct call *call, const char *cause, uint32_t status, int64_t now_ms, struct call_todo *todo);
/* Asks media for the caller's endpoint; the answer to REQUEST_CALLER sends 200 OK (or 183 while !answer). */
void call_answer(struct call *call, int64_t now_ms, struct call_todo *todo);
/* No prompts: the ring-back tone. */
void call_play(struct call *call, struct call_leg *leg, const struct tenant_prompt *const *prompts, size_t n, bool loop,
	       bool stop_on_digit, struct call_todo *todo);

/* call_end.c */
void call_leg_finished(struct call *call, struct call_leg *leg, const char *cause, uint32_t status, int64_t now_ms,
		       struct call_todo *todo);
void call_hang_up(struct call_leg *leg, uint32_t status, const char *cause, int64_t now_ms, struct call_todo *todo);
/* The agent's record follows what the agent's phone did with the call. */
void call_release_agent(struct call *call, struct call_todo *todo);
/* Whatever still stands is told to go, again and again until it says so: nothing stays behind because a message was lost. */
void call_end_again(struct call *call, int64_t now_ms, struct call_todo *todo);
void call_end_if_done(struct call *call, int64_t now_ms, struct call_todo *todo);
/* Nobody confirmed in time: the books are closed without. */
void call_force_end(struct call *call, int64_t now_ms, struct call_todo *todo);

/* call_flow.c */
void call_route(struct call *call, int64_t now_ms, struct call_todo *todo);
/* The tenant is suspended and its calls are to end: who hears the announcement hears it to its end. */
void call_suspended(struct call *call, int64_t now_ms, struct call_todo *todo);
void call_flow_run(struct call *call, int64_t now_ms, struct call_todo *todo);
/* Goes on at a step index (-1: the flow is over). */
void call_flow_go(struct call *call, int step, int64_t now_ms, struct call_todo *todo);
void call_flow_play_done(struct call *call, int64_t now_ms, struct call_todo *todo);
void call_flow_digit(struct call *call, char digit, int64_t now_ms, struct call_todo *todo);
void call_flow_deadline(struct call *call, int64_t now_ms, struct call_todo *todo);

/* After a change of the media engine: what the caller heard, from its beginning; digits keyed so far count. */
void call_flow_again(struct call *call, int64_t now_ms, struct call_todo *todo);

/* call_queue.c */
void call_queue_enter(struct call *call, int64_t now_ms, struct call_todo *todo);
void call_queue_assert(struct call *call, int64_t now_ms, struct call_todo *todo);
void call_queue_music(struct call *call, struct call_todo *todo);
/* The longest wait of this stay, from its arrival. */
void call_queue_deadline(struct call *call);
/* An adopter says again what may have been lost with the owner: the assignment taken, what the caller hears. */
void call_queue_adopted(struct call *call, struct call_todo *todo);
void call_queue_input(struct call *call, const struct call_input *in, int64_t now_ms, struct call_todo *todo);
void call_queue_tick(struct call *call, int64_t now_ms, struct call_todo *todo);
/* Fact Dequeued, and the router is told unless it knows. */
void call_queue_leave(struct call *call, const char *cause, bool tell_router, int64_t now_ms, struct call_todo *todo);
void call_agent_failed(struct call *call, const char *cause, uint32_t status, int64_t now_ms, struct call_todo *todo);
void call_agent_answered(struct call *call, int64_t now_ms, struct call_todo *todo);
void call_dial(struct call *call, const struct call_input *in, int64_t now_ms, struct call_todo *todo);

/* call_talk.c */
void call_connect(struct call *call, int64_t now_ms, struct call_todo *todo);
void call_bridge(struct call *call, int64_t now_ms, struct call_todo *todo);
/* The number of the media request for the re-INVITE that waits for its answer; REQUEST_NONE: none waits. */
uint32_t call_reoffer_request(const struct call_leg *leg);
/* The phone answers an offer of ours. */
void call_remote_answer(struct call_leg *leg, const void *sdp, size_t size, struct call_todo *todo);
/* The answer in the ACK of a re-INVITE that came without an offer. */
void call_reoffer_answered(struct call *call, struct call_leg *leg, const struct call_input *in, int64_t now_ms,
			   struct call_todo *todo);
void call_reoffer(struct call *call, struct call_leg *leg, const struct call_input *in, int64_t now_ms,
		  struct call_todo *todo);
/* Begun, it goes on to its end; not begun: RecordingRefused, and the call goes on (GT-3.1.2c). */
void call_record(struct call *call, bool on, int64_t now_ms, struct call_todo *todo);
void call_record_done(struct call *call, const char *path, int64_t duration_ms, int64_t now_ms, struct call_todo *todo);
/* Media cannot record: if only because the file is held by a former engine, another recording begins. */
void call_record_failed(struct call *call, const struct call_input *in, struct call_todo *todo);
void call_hold_end(struct call *call, int64_t now_ms);

/* call_anchor.c: the media engine is gone, the call goes on at another one (RELIABILITY, kill -9 of media; GT-15) */
void call_media_lost(struct call *call, const struct call_input *in, int64_t now_ms, struct call_todo *todo);
/* Asks (again) for the leg's endpoint at the call's engine. */
void call_anchor_leg(struct call *call, struct call_leg *leg, int64_t now_ms, struct call_todo *todo);
void call_anchor_ready(struct call *call, struct call_leg *leg, const struct call_input *in, int64_t now_ms,
		       struct call_todo *todo);
void call_anchor_failed(struct call *call, struct call_leg *leg, const struct call_input *in, int64_t now_ms,
			struct call_todo *todo);
/* The INVITE of a leg was answered with a description of the engine that is gone. */
void call_anchor_leg_up(struct call *call, struct call_leg *leg, int64_t now_ms, struct call_todo *todo);
/* The phone has answered our re-INVITE, or refused it (no SDP). */
void call_anchor_answered(struct call *call, struct call_leg *leg, const struct call_input *in, int64_t now_ms,
			  struct call_todo *todo);
void call_anchor_tick(struct call *call, int64_t now_ms, struct call_todo *todo);

#endif
