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
	bool huge; /* in huge pages (pool.h) */
};

typedef bool hmap_eq_fn(const void *obj, const void *key);

void hmap_done(struct hmap *m);
/* ERR_EXHAUSTED. The caller has made sure that the key is not in. */
err_t hmap_add(struct hmap *m, uint64_t hash, void *obj) MUST;
void hmap_remove(struct hmap *m, uint64_t hash, const void *obj);

extern char
    hmap_gone; /* stands in a slot of the old table whose object was moved or removed: probing goes on behind it */

static inline __attribute__((always_inline)) struct hmap_slot *hmap_probe(const struct hmap_table *t, uint64_t hash,
									  hmap_eq_fn *eq, const void *key)
{
	for (size_t i = hash & t->mask;; i = (i + 1) & t->mask) {
		struct hmap_slot *s = &t->slots[i];

		if (!s->obj)
			return NULL;
		if (s->hash == hash && s->obj != &hmap_gone && eq(s->obj, key))
			return s;
	}
}

/* Inline, so that eq is, too. */
static inline __attribute__((always_inline)) void *hmap_find(const struct hmap *m, uint64_t hash, hmap_eq_fn *eq,
							     const void *key)
{
	const struct hmap_slot *s = m->now.slots ? hmap_probe(&m->now, hash, eq, key) : NULL;

	if (!s && __builtin_expect(m->old.slots != NULL, 0))
		s = hmap_probe(&m->old, hash, eq, key);
	return s ? s->obj : NULL;
}

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
