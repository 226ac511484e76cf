/*
 * callheap: waiting calls of one group, the one to be served next first: higher priority, then earlier arrival, then
 * call id. A 4-ary heap of (key, call); the call knows its place, so that leaving from the middle is O(log n).
 */
#ifndef ROUTER_CALLHEAP_H
#define ROUTER_CALLHEAP_H

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

#define CALLHEAP_NONE UINT32_MAX

/* What of a call the heap needs; first member of struct call. */
struct callheap_node {
	uint64_t key; /* callheap_key() */
	uint32_t pos; /* CALLHEAP_NONE: in no heap */
	const char *id;
};
struct callheap_slot {
	uint64_t key;
	struct callheap_node *node;
};
struct callheap {
	struct callheap_slot *slots;
	uint32_t n, cap;
};

#define CALLHEAP_PRIORITY_MAX 31
#define CALLHEAP_EMPTY	      UINT64_MAX

/* Smaller is served first. arrival_ms >= 0. */
static inline uint64_t callheap_key(uint32_t priority, int64_t arrival_ms)
{
	return (uint64_t)(CALLHEAP_PRIORITY_MAX - priority) << 59 | ((uint64_t)arrival_ms & ((1ull << 59) - 1));
}

void callheap_done(struct callheap *h);
err_t callheap_push(struct callheap *h, struct callheap_node *n) MUST;
void callheap_remove(struct callheap *h, struct callheap_node *n);
bool callheap_before(uint64_t key_a, const struct callheap_node *a, uint64_t key_b, const struct callheap_node *b);

static inline struct callheap_node *callheap_head(const struct callheap *h)
{
	return h->n ? h->slots[0].node : NULL;
}
static inline uint64_t callheap_head_key(const struct callheap *h)
{
	return h->n ? h->slots[0].key : CALLHEAP_EMPTY;
}

#endif
