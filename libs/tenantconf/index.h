/*
 * index: an immutable hash over an array whose elements begin with `const char *id`. Built once, in an arena.
 */
#ifndef TENANTCONF_INDEX_H
#define TENANTCONF_INDEX_H

#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"

struct index {
	const char *items;
	size_t stride, n;
	uint32_t mask;
	uint32_t *slots; /* number of the element + 1; 0: empty */
};
#define INDEX_NONE SIZE_MAX

/* ERR_EXISTS: two elements have the same id; *ret_dup is the second. ERR_EXHAUSTED: no memory. */
err_t index_build(struct index *ix, struct arena *a, const void *items, size_t stride, size_t n, size_t *ret_dup) MUST;
/* Number of the element, INDEX_NONE: there is none. */
size_t index_find(const struct index *ix, const char *id);
uint32_t index_hash(const char *id);

#endif
