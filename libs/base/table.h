/*
 * table: uthash, with memory of base/mem.h: as it is, it ends the process when there is none. An addition that finds none leaves the element
 * out, and its owner frees it and says so:
 *
 *	HASH_ADD_STR(map->all, id, e);
 *	if (!TABLE_HAS(e)) {
 *		mem_free(e);
 *		return ERR_EXHAUSTED;
 *	}
 *
 * To be included instead of <uthash.h>.
 */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

#include "base/mem.h"

#define uthash_malloc(size)  mem_alloc(size)
#define uthash_free(p, size) mem_free(p)
#define HASH_NONFATAL_OOM    1
#include <uthash.h>

/* Is it in, after HASH_ADD…? Its handle is called hh. */
#define TABLE_HAS(e) ((e)->hh.tbl != NULL)

#endif
