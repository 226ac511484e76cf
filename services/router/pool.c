#include "pool.h"
#include "base/mem.h"

#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE (2u << 20)

void pool_huge(void *block, size_t size)
{
	uintptr_t begin = ((uintptr_t)block + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1);
	uintptr_t end = ((uintptr_t)block + size) & ~(uintptr_t)(HUGE_PAGE - 1);

	/* Only advice: refused, everything works, slower. */
	if (block && begin < end)
		(void)madvise((void *)begin, end - begin, MADV_HUGEPAGE);
}

void pool_done(struct pool *p)
{
	for (uint32_t i = 0; i < POOL_CHUNKS; i++)
		mem_free(p->chunks[i]);
	mem_free(p->free);
	*p = (struct pool)POOL_INIT(p->size);
}

static err_t add_chunk(struct pool *p)
{
	uint32_t chunk = 0, n = POOL_FIRST, *more;

	while (chunk < POOL_CHUNKS && p->chunks[chunk]) {
		chunk++;
		n *= 2;
	}
	if (chunk == POOL_CHUNKS)
		return ERR_EXHAUSTED;
	more = mem_realloc(p->free, (size_t)(p->room + n) * sizeof(*more));
	if (!more)
		return ERR_EXHAUSTED;
	p->free = more;
	p->chunks[chunk] = mem_alloc((size_t)n * p->size);
	if (!p->chunks[chunk])
		return ERR_EXHAUSTED;
	pool_huge(p->chunks[chunk], (size_t)n * p->size);
	p->room += n;
	return ERR_OK;
}

void *pool_get(struct pool *p, uint32_t *index)
{
	void *obj;

	if (p->n_free) {
		*index = p->free[--p->n_free];
	} else {
		if (p->n == p->room && add_chunk(p))
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
