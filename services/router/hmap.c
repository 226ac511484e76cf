#include "hmap.h"
#include "base/mem.h"
#include "pool.h"

#define HMAP_FIRST 16

void hmap_done(struct hmap *m)
{
	mem_free(m->slots);
	*m = (struct hmap){ 0 };
}

void *hmap_find(const struct hmap *m, uint64_t hash, hmap_eq_fn *eq, const void *key)
{
	if (!m->slots)
		return NULL;
	for (size_t i = hash & m->mask;; i = (i + 1) & m->mask) {
		const struct hmap_slot *s = &m->slots[i];

		if (!s->obj)
			return NULL;
		if (s->hash == hash && eq(s->obj, key))
			return s->obj;
	}
}

static void put(struct hmap_slot *slots, size_t mask, uint64_t hash, void *obj)
{
	size_t i = hash & mask;

	while (slots[i].obj)
		i = (i + 1) & mask;
	slots[i] = (struct hmap_slot){ hash, obj };
}

static err_t grow(struct hmap *m)
{
	size_t n = m->slots ? (m->mask + 1) * 2 : HMAP_FIRST;
	struct hmap_slot *slots = mem_array(n, sizeof(*slots));

	if (!slots)
		return ERR_EXHAUSTED;
	pool_huge(slots, n * sizeof(*slots));
	for (size_t i = 0; m->slots && i <= m->mask; i++)
		if (m->slots[i].obj)
			put(slots, n - 1, m->slots[i].hash, m->slots[i].obj);
	mem_free(m->slots);
	m->slots = slots;
	m->mask = n - 1;
	return ERR_OK;
}

err_t hmap_add(struct hmap *m, uint64_t hash, void *obj)
{
	if (!m->slots || (m->n + 1) * 4 > (m->mask + 1) * 3) {
		err_t e = grow(m);

		if (e)
			return e;
	}
	put(m->slots, m->mask, hash, obj);
	m->n++;
	return ERR_OK;
}

/* Closes the gap by moving back what probing would no longer reach: no tombstones, so look-ups never degrade. */
static void close_gap(struct hmap *m, size_t gap)
{
	for (size_t i = (gap + 1) & m->mask; m->slots[i].obj; i = (i + 1) & m->mask) {
		size_t home = m->slots[i].hash & m->mask;

		if (((i - home) & m->mask) < ((i - gap) & m->mask))
			continue;
		m->slots[gap] = m->slots[i];
		gap = i;
	}
	m->slots[gap].obj = NULL;
}

void hmap_remove(struct hmap *m, uint64_t hash, const void *obj)
{
	if (!m->slots)
		return;
	for (size_t i = hash & m->mask; m->slots[i].obj; i = (i + 1) & m->mask) {
		if (m->slots[i].obj != obj)
			continue;
		close_gap(m, i);
		m->n--;
		return;
	}
}
