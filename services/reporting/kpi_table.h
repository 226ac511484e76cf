/*
 * kpi_table: what the batch of kpi.h is made of: texts that are not copied, memory that is kept from one batch to the next,
 * and hash tables with open addressing that keep each item's hash beside it. Not thread-safe.
 *
 *	struct kpi_name *n = kpi_table_name(&table, &pool, tenant, id, sizeof(struct kpi_queue), &added);
 */
#ifndef REPORTING_KPI_TABLE_H
#define REPORTING_KPI_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bytes of somebody else, without NUL at the end. */
struct kpi_text {
	const char *at; /* not NULL where size > 0 */
	size_t size;
};
static inline struct kpi_text kpi_text(const char *s)
{
	return (struct kpi_text){ s, strlen(s) };
}
static inline bool kpi_text_eq(struct kpi_text a, struct kpi_text b);

/* What every item found by tenant and id begins with; of the tenant's own item, id is "". */
struct kpi_name {
	struct kpi_text id;
	struct kpi_text tenant;
};
/* What every item found by its owner and a time begins with. */
struct kpi_span {
	const struct kpi_name *of;
	int64_t start_ms;
};

struct kpi_block;
struct kpi_pool {
	struct kpi_block *first, *now;
};
void kpi_pool_reset(struct kpi_pool *p); /* everything handed out is invalid; the memory stays */
void kpi_pool_done(struct kpi_pool *p);

struct kpi_slot {
	uint64_t hash;
	void *item; /* NULL: free */
};
struct kpi_table {
	struct kpi_slot *slots;
	size_t size, n; /* size: a power of two, at least twice n */
	uint64_t seed;	/* of the hashes, so that nobody who may choose ids can choose which of them collide */
};
void kpi_table_reset(struct kpi_table *t);
void kpi_table_done(struct kpi_table *t);
/* The hash of a name in this table; kpi_table_soon() fetches what finding it will read. */
static inline uint64_t kpi_table_hash(const struct kpi_table *t, struct kpi_text tenant, struct kpi_text id);
static inline void kpi_table_soon(const struct kpi_table *t, uint64_t hash);
static inline void kpi_table_item_soon(const struct kpi_table *t, uint64_t hash);
/* NULL: not there. */
static inline void *kpi_table_find(const struct kpi_table *t, uint64_t hash, struct kpi_text tenant,
				   struct kpi_text id);
/* A new item of `item_size` zeros but for its name, which must not be there and lives as long as the item; NULL: out of memory. */
void *kpi_table_add(struct kpi_table *t, struct kpi_pool *p, uint64_t hash, struct kpi_text tenant, struct kpi_text id,
		    size_t item_size);
/* The item of an owner and a start, or a new one of zeros (*added); NULL: out of memory. */
void *kpi_table_span(struct kpi_table *t, struct kpi_pool *p, const struct kpi_name *of, int64_t start_ms,
		     size_t item_size, bool *added);

#include "kpi_table_inline.h"

#endif
