/*
 * pool: objects of one size with stable addresses and small numbers, from chunks; freed ones are used again.
 *
 *	struct pool p = POOL_INIT(sizeof(struct call));
 *	struct call *c = pool_get(&p, &c_index);      // zeroed
 *	pool_put(&p, index);
 */
#ifndef ROUTER_POOL_H
#define ROUTER_POOL_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

#define POOL_CHUNK 1024u
#define POOL_NONE  UINT32_MAX

struct pool {
	char **chunks;
	uint32_t n_chunks, cap_chunks;
	uint32_t n;	/* numbers ever handed out */
	uint32_t *free; /* numbers given back */
	uint32_t n_free;
	size_t size;
};
#define POOL_INIT(bytes) { .size = (bytes) }

void pool_done(struct pool *p);
/* NULL when out of memory. */
void *pool_get(struct pool *p, uint32_t *index) MUST;
/* Never fails: room for every number is made by pool_get(). */
void pool_put(struct pool *p, uint32_t index);

static inline void *pool_at(const struct pool *p, uint32_t index)
{
	return p->chunks[index / POOL_CHUNK] + (size_t)(index % POOL_CHUNK) * p->size;
}

#endif
