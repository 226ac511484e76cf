/*
 * legs: decides what each command means: who owns a call (epoch), what has been done already (commands may come twice), what
 * was agreed by SDP, what plays, who is bridged, what is recorded. The functional core: no sockets, no clock, no bus; it
 * acts through struct legs_ops and is told of what the streams report by the legs_on_… functions. One thread.
 *
 *	struct legs *legs;
 *	err_t e = legs_new(&legs, &params, &ops, self);
 *	legs_command(legs, &command, wall_ms);           // effects go to ops, events to ops->emit
 *	legs_on_digit(leg, '5', 100);                    // from the stream of this leg
 */
#ifndef MEDIA_LEGS_H
#define MEDIA_LEGS_H

#include "command.h"
#include "sdp/sdp_session.h"

struct leg;
struct legs;

struct legs_params {
	struct sdp_addr address; /* in our descriptions */
	bool loopback;		 /* peers on the loopback are expected */
	/* For keys of SRTP; NULL: no SRTP. See sdp_session.h. */
	bool (*random)(uint8_t *bytes, size_t size);
};

/* The stream side. A leg is valid from open() until legs_on_closed() returns. */
struct legs_ops {
	/* Takes a pair of ports. ERR_EXHAUSTED, ERR_UNAVAILABLE (draining). */
	err_t (*open)(struct leg *leg, uint16_t *port, void *arg);
	void (*close)(struct leg *leg, void *arg); /* answered by legs_on_closed(), later */
	void (*remote)(struct leg *leg, const struct sdp_agreed *agreed, void *arg);
	/* serial: returned by legs_on_play_done(). */
	void (*play)(struct leg *leg, uint32_t serial, const struct command_play *play, void *arg);
	void (*stop)(struct leg *leg, void *arg);
	err_t (*bridge)(struct leg *a, struct leg *b, void *arg);
	void (*unbridge)(struct leg *a, struct leg *b, void *arg);
	err_t (*record)(struct leg *leg, const char *recording_id, void *arg);
	void (*record_off)(struct leg *leg, void *arg); /* answered by legs_on_record_done() */
	void (*emit)(const char *owner, struct event *ev, void *arg);
};

err_t legs_new(struct legs **ret, const struct legs_params *p, const struct legs_ops *ops, void *arg) MUST;
/* Nothing is closed or emitted. */
void legs_free(struct legs **legs);
/* now_ms: wall; from it the versions of descriptions of a leg that was at another engine before. */
void legs_command(struct legs *legs, const struct command *c, int64_t now_ms);
size_t legs_count(const struct legs *legs);
/* Frees every leg (drain with a deadline, tests). */
void legs_close_all(struct legs *legs);
/* A leg that nobody wants any more: its owner is gone and no packet came for long. */
void legs_abandon(struct leg *leg);

void legs_on_closed(struct leg *leg, const struct event_counts *counts);
/* Serials that are not current are ignored. missing: "" or the hash of a prompt that was skipped. */
void legs_on_play_done(struct leg *leg, uint32_t serial, bool interrupted, const char *missing);
void legs_on_digit(struct leg *leg, char digit, uint32_t duration_ms);
void legs_on_record_done(struct leg *leg, int64_t duration_ms, uint64_t size_bytes);
void legs_on_record_failed(struct leg *leg, err_t error, const char *message);
void legs_on_timeout(struct leg *leg, int64_t silence_ms);

const char *leg_tenant(const struct leg *leg);
const char *leg_call(const struct leg *leg);
const char *leg_id(const struct leg *leg);
uint32_t leg_play_serial(const struct leg *leg);
/* The stream side's own object. */
void leg_set_user(struct leg *leg, void *user);
void *leg_user(const struct leg *leg);

#endif
