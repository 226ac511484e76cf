/*
 * arena: memory for what lives and dies together (one call, one request). Not thread-safe.
 *
 *	struct arena a;
 *	arena_init(&a, 1024);
 *	char *s = arena_printf(&a, "%s-%u", name, n);
 *	arena_done(&a);               // frees everything at once
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>
#include "base/err.h"

struct arena_block;
struct arena {
	struct arena_block *head;
	size_t block_size_bytes;
};

/* Allocates nothing yet. block_size_bytes: granularity of what is taken from the heap (0: 4096). */
void arena_init(struct arena *a, size_t block_size_bytes);
void arena_done(struct arena *a);
/* Keeps the newest block for reuse; everything handed out before is invalid. */
void arena_reset(struct arena *a);

/* Aligned to 16; zeroed; NULL when out of memory. */
void *arena_alloc(struct arena *a, size_t size) MUST;
char *arena_strdup(struct arena *a, const char *s) MUST;
char *arena_strndup(struct arena *a, const char *s, size_t n) MUST;
void *arena_dup(struct arena *a, const void *p, size_t size) MUST;
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF(2, 3) MUST;

#endif
