/*
 * command: what call-control asks of the engine and what the engine tells it, as plain structs (proto/trunkline/media/v1).
 * Strings and bytes of a command belong to whoever made it and live during the call only.
 */
#ifndef MEDIA_COMMAND_H
#define MEDIA_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

#define COMMAND_ID	64
#define COMMAND_PROMPTS 32 /* of one Play */
#define COMMAND_HASH	65

enum command_kind {
	COMMAND_CREATE,
	COMMAND_REMOTE,
	COMMAND_FREE,
	COMMAND_PLAY,
	COMMAND_STOP_PLAY,
	COMMAND_BRIDGE,
	COMMAND_UNBRIDGE,
	COMMAND_RECORD,
	COMMAND_CALL_FREE,
	COMMAND_ATTACH,
};
const char *command_name(enum command_kind kind);

enum media_tone { MEDIA_TONE_NONE, MEDIA_TONE_RING_BACK, MEDIA_TONE_BUSY };

struct command_play {
	unsigned n;
	char sha256[COMMAND_PROMPTS][COMMAND_HASH];
	bool loop, stop_on_digit;
	enum media_tone tone;
	uint32_t play_id;
};

struct command {
	enum command_kind kind;
	char owner[COMMAND_ID];
	char tenant[COMMAND_ID], call_id[COMMAND_ID], leg_id[COMMAND_ID];
	uint64_t epoch;
	uint32_t request;
	bool quiet;	    /* REMOTE: only a failure is told */
	const uint8_t *sdp; /* CREATE, REMOTE */
	size_t sdp_size;
	bool sdp_is_offer;
	bool srtp;     /* CREATE: an offer of ours is RTP/SAVP */
	bool reanchor; /* CREATE: sdp is the phone's last description; wanted is an offer that goes on with it */
	bool on;       /* RECORD */
	char other[COMMAND_ID];	  /* BRIDGE: leg id; RECORD: recording id */
	struct command_play play; /* PLAY */
};

enum event_kind {
	EVENT_READY,
	EVENT_PLAY_DONE,
	EVENT_DIGIT,
	EVENT_RECORD_DONE,
	EVENT_FAILED,
	EVENT_TIMEOUT,
	EVENT_FREED,
};

struct event_counts { /* of an endpoint's life */
	uint64_t packets_in, packets_out, packets_lost;
	uint32_t jitter_us, round_trip_us;
};

struct event {
	enum event_kind kind;
	const char *tenant, *call_id, *leg_id;
	uint32_t request;
	int64_t time_ms; /* wall; filled in by whoever sends it */
	union {
		struct {
			const char *sdp;
			size_t size;
		} ready;
		struct {
			uint32_t play_id;
			bool interrupted;
			const char *missing; /* "" none */
		} play_done;
		struct {
			char digit;
			uint32_t duration_ms;
		} digit;
		struct {
			const char *recording_id, *path;
			int64_t duration_ms;
			uint64_t size_bytes;
		} record_done;
		struct {
			enum command_kind what;
			err_t error;
			const char *message;
		} failed;
		struct {
			int64_t silence_ms;
		} timeout;
		struct event_counts freed;
	};
};

#endif
