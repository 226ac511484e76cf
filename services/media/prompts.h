/*
 * prompts: audio to be played, ready in both laws: memory (bounded, least recently used goes first), then the disk cache,
 * then the prompt store. Control thread; files are read, encoded and written by a thread of its own.
 *
 * A prompt belongs to its tenant: another's hash is not found, whoever has it cached.
 *
 *	err_t e = prompts_load(prompts, "acme", sha256, loaded, job);   // loaded(prompt or NULL, job), once, maybe at once
 */
#ifndef MEDIA_PROMPTS_H
#define MEDIA_PROMPTS_H

#include "loop/loop.h"
#include "player.h"
#include "promptstore/promptstore.h"

struct prompts;

struct prompts_params {
	struct loop *loop;
	struct promptstore *store;
	const char *cache_dir; /* created if missing */
	size_t memory_bytes;
};
err_t prompts_new(struct prompts **ret, const struct prompts_params *p) MUST;
/* Loads under way end without a call. */
void prompts_free(struct prompts **p);

/* fn gets its own reference (or NULL: cannot be had) exactly once, perhaps before prompts_load returns. */
void prompts_load(struct prompts *p, const char *tenant, const char *sha256,
		  void (*fn)(struct prompt *prompt, void *arg), void *arg);
/* A built-in tone with a reference for the caller. */
struct prompt *prompts_tone(struct prompts *p, enum media_tone tone);

#endif
