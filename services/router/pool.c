#include "pool.h"
#include "base/mem.h"

#include <string.h>

void pool_done(struct pool *p)
{
	for (uint32_t i = 0; i < p->n_chunks; i++)
		mem_free(p->chunks[i]);
	mem_free(p->chunks);
	mem_free(p->free);
	*p = (struct pool)POOL_INIT(p->size);
}

static err_t add_chunk(struct pool *p)
{
	uint32_t *nfree;
	char *chunk;

	if (p->n_chunks == p->cap_chunks) {
		uint32_t cap = p->cap_chunks ? p->cap_chunks * 2 : 8;
		char **chunks = mem_realloc(p->chunks, cap * sizeof(*chunks));

		if (!chunks)
			return ERR_EXHAUSTED;
		p->chunks = chunks;
		p->cap_chunks = cap;
	}
	nfree = mem_realloc(p->free, (size_t)(p->n_chunks + 1) * POOL_CHUNK * sizeof(*nfree));
	if (!nfree)
		return ERR_EXHAUSTED;
	p->free = nfree;
	chunk = mem_array(POOL_CHUNK, p->size);
	if (!chunk)
		return ERR_EXHAUSTED;
	p->chunks[p->n_chunks++] = chunk;
	return ERR_OK;
}

void *pool_get(struct pool *p, uint32_t *index)
{
	void *obj;

	if (p->n_free) {
		*index = p->free[--p->n_free];
	} else {
		if (p->n == p->n_chunks * POOL_CHUNK && add_chunk(p))
			return NULL;
		*index = p->n++;
	}
	obj = pool_at(p, *index);
	memset(obj, 0, p->size);
	return obj;
}

void pool_put(struct pool *p, uint32_t index)
{
	p->free[p->n_free++] = index;
}
