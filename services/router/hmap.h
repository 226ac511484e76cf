/*
 * hmap: objects found by a key that they contain. Open addressing, linear probing; the objects stay the caller's.
 * It grows in steps: each hmap_add() moves a few slots of the old table over, so that none pays for all; until the old
 * one is empty, look-ups that do not find it in the new table ask the old one, too.
 *
 *	struct agent *a = hmap_find(&core->agents, hash, agent_is, &key);
 *
 * The 64-bit hash is the caller's (hmap_hash) and must not change while an object is in. Not thread-safe.
 */
#ifndef ROUTER_HMAP_H
#define ROUTER_HMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "base/err.h"

struct hmap_slot {
	uint64_t hash;
	void *obj; /* NULL: empty */
};
struct hmap_table {
	struct hmap_slot *slots; /* NULL: none */
	size_t mask;		 /* slots - 1 */
};
struct hmap {
	struct hmap_table now, old;
	size_t moved; /* slots of the old table that are done */
	size_t n;
};

typedef bool hmap_eq_fn(const void *obj, const void *key);

void hmap_done(struct hmap *m);
void *hmap_find(const struct hmap *m, uint64_t hash, hmap_eq_fn *eq, const void *key);
/* ERR_EXHAUSTED. The caller has made sure that the key is not in. */
err_t hmap_add(struct hmap *m, uint64_t hash, void *obj) MUST;
void hmap_remove(struct hmap *m, uint64_t hash, const void *obj);

/* Fetches the slot where a look-up of the hash will begin. */
static inline void hmap_prefetch(const struct hmap *m, uint64_t hash)
{
	if (m->now.slots)
		__builtin_prefetch(&m->now.slots[hash & m->now.mask]);
}

static inline uint64_t hmap_mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * 0x9fb21c651e98df25ull;
	return h ^ (h >> 32);
}

/* Text of any length behind a number (the tenant, say). */
static inline uint64_t hmap_hash(uint64_t seed, const char *text)
{
	size_t n = strlen(text);
	uint64_t h = hmap_mix(seed + 0x9e3779b97f4a7c15ull, n), word;

	for (; n >= 8; n -= 8, text += 8) {
		memcpy(&word, text, 8);
		h = hmap_mix(h, word);
	}
	word = 0;
	memcpy(&word, text, n);
	h = hmap_mix(h, word);
	return hmap_mix(h, h >> 29);
}

#endif
