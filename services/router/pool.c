#include "pool.h"
#include "base/mem.h"

#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE (2u << 20)
#define ALIGN	  128

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
		mem_free(p->blocks[i]);
	*p = (struct pool)POOL_INIT(p->size);
}

static err_t add_chunk(struct pool *p)
{
	uint32_t chunk = 0, n = POOL_FIRST;
	size_t bytes;

	while (chunk < POOL_CHUNKS && p->chunks[chunk]) {
		chunk++;
		n *= 2;
	}
	if (chunk == POOL_CHUNKS)
		return ERR_EXHAUSTED;
	bytes = (size_t)n * p->size;
	p->blocks[chunk] = mem_alloc(bytes + ALIGN);
	if (!p->blocks[chunk])
		return ERR_EXHAUSTED;
	p->chunks[chunk] = (char *)p->blocks[chunk] + ALIGN - (uintptr_t)p->blocks[chunk] % ALIGN;
	if (p->huge)
		pool_huge(p->chunks[chunk], bytes);
	p->room += n;
	return ERR_OK;
}

void *pool_take(struct pool *p, uint32_t *index)
{
	void *obj;

	if (p->free) {
		*index = p->free - 1;
		obj = pool_at(p, *index);
		memcpy(&p->free, obj, sizeof(p->free));
	} else {
		if (p->n == p->room && add_chunk(p))
			return NULL;
		*index = p->n++;
		obj = pool_at(p, *index);
	}
	return obj;
}

void *pool_get(struct pool *p, uint32_t *index)
{
	void *obj = pool_take(p, index);

	if (obj)
		memset(obj, 0, p->size);
	return obj;
}

void pool_put(struct pool *p, uint32_t index)
{
	memcpy(pool_at(p, index), &p->free, sizeof(p->free));
	p->free = index + 1;
}
