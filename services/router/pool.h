/*
 * pool: objects of one size with stable addresses and small numbers, from chunks that double; freed ones are used again.
 * Chunks begin at a pair of cache lines (processors fetch them in pairs). Growing copies nothing; a free
 * object keeps the number of the next one in its first four bytes, and the rest of itself.
 *
 *	struct pool p = POOL_INIT(sizeof(struct call));
 *	struct call *c = pool_get(&p, &index);      // zeroed
 *	pool_put(&p, index);
 */
#ifndef ROUTER_POOL_H
#define ROUTER_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

#define POOL_FIRST  1024u /* objects of the first chunk */
#define POOL_CHUNKS 22
#define POOL_NONE   UINT32_MAX

struct pool {
	char *chunks[POOL_CHUNKS];
	void *blocks[POOL_CHUNKS]; /* as allocated, where the chunks lie in */
	uint32_t n;		   /* numbers ever handed out */
	uint32_t room;		   /* numbers that the chunks have room for */
	uint32_t free;		   /* the number given back last, from 1; 0: none */
	size_t size;
	bool
	    huge; /* chunks in huge pages: only where no decision makes it grow, as the first touch of one clears 2 MB */
};
#define POOL_INIT(bytes)        \
	{                       \
		.size = (bytes) \
	}

void pool_done(struct pool *p);
/* NULL when out of memory. */
void *pool_get(struct pool *p, uint32_t *index) MUST;
void *pool_take(struct pool *p, uint32_t *index) MUST; /* not zeroed */
void pool_put(struct pool *p, uint32_t index);

static inline void *pool_at(const struct pool *p, uint32_t index)
{
	uint32_t i = index + POOL_FIRST, chunk = 31 - (uint32_t)__builtin_clz(i / POOL_FIRST);

	return p->chunks[chunk] + (size_t)(i - (POOL_FIRST << chunk)) * p->size;
}

/* Asks for huge pages for a large block: random access over many MB is otherwise a page walk each. */
void pool_huge(void *block, size_t size);

#endif
