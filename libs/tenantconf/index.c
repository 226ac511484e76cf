#include "tenantconf/index.h"

#include <string.h>

uint32_t index_hash(const char *id)
{
	uint32_t h = 2166136261u;

	for (; *id; id++)
		h = (h ^ (unsigned char)*id) * 16777619u;
	return h ^ h >> 15;
}

static const char *id_of(const struct index *ix, size_t i)
{
	const char *id;

	memcpy(&id, ix->items + i * ix->stride, sizeof(id));
	return id;
}

size_t index_find(const struct index *ix, const char *id)
{
	if (!ix->n)
		return INDEX_NONE;
	for (uint32_t at = index_hash(id) & ix->mask; ix->slots[at]; at = (at + 1) & ix->mask) {
		if (strcmp(id_of(ix, ix->slots[at] - 1), id) == 0)
			return ix->slots[at] - 1;
	}
	return INDEX_NONE;
}

err_t index_build(struct index *ix, struct arena *a, const void *items, size_t stride, size_t n, size_t *ret_dup)
{
	uint32_t size = 2;

	*ix = (struct index){ .items = items, .stride = stride };
	if (!n)
		return ERR_OK;
	while (size < 2 * n)
		size *= 2;
	ix->mask = size - 1;
	ix->slots = arena_alloc(a, size * sizeof(*ix->slots));
	if (!ix->slots)
		return ERR_EXHAUSTED;
	for (size_t i = 0; i < n; i++) {
		const char *id = id_of(ix, i);

		if (index_find(ix, id) != INDEX_NONE) {
			*ret_dup = i;
			return ERR_EXISTS;
		}
		ix->n = i + 1;
		uint32_t at = index_hash(id) & ix->mask;
		while (ix->slots[at])
			at = (at + 1) & ix->mask;
		ix->slots[at] = (uint32_t)i + 1;
	}
	return ERR_OK;
}
