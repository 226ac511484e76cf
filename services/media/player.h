/*
 * player: walks through prompts that are ready in both laws and hands out 20 ms at a time. Pure; one thread at a time.
 * Prompts are shared and counted; whoever drops the last reference frees.
 *
 *	struct playlist *pl;                     // prompts referenced, ownership goes to the player's user
 *	uint8_t frame[PLAYER_FRAME];
 *	if (!player_next(&p, law, frame)) …      // over
 */
#ifndef MEDIA_PLAYER_H
#define MEDIA_PLAYER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "command.h"

#define PLAYER_FRAME 160

enum law { LAW_A, LAW_U }; /* = enum segment_codec */

struct prompt {
	atomic_uint refs;
	size_t n;	 /* samples, ≥ 1 */
	uint8_t *law[2]; /* behind the struct */
};
/* From 16-bit samples, little-endian. n ≥ 1. */
err_t prompt_new(struct prompt **ret, const int16_t *pcm, size_t n) MUST;
struct prompt *prompt_ref(struct prompt *p);
void prompt_unref(struct prompt **p);
/* Ring-back and busy (one period each, to be looped). */
err_t prompt_tone(struct prompt **ret, enum media_tone tone) MUST;

struct playlist {
	uint32_t serial;
	bool loop, stop_on_digit;
	char missing[COMMAND_HASH]; /* first prompt that was skipped, or "" */
	unsigned n;
	struct prompt *prompts[COMMAND_PROMPTS];
};
void playlist_free(struct playlist **pl);

struct player {
	struct playlist *list; /* NULL: nothing plays */
	unsigned at;
	size_t pos;
};
/* Fills a frame (padded with silence at the very end). False: nothing is left, frame untouched. */
bool player_next(struct player *p, enum law law, uint8_t frame[PLAYER_FRAME]);

#endif
