#include "hmap.h"
#include "base/mem.h"
#include "pool.h"

#define HMAP_FIRST 16
#define HMAP_MOVE  8 /* slots a step: the old table is empty long before the new one is full */

char hmap_gone;

void hmap_done(struct hmap *m)
{
	mem_free(m->now.slots);
	mem_free(m->old.slots);
	*m = (struct hmap){ 0 };
}

static void put(const struct hmap_table *t, uint64_t hash, void *obj)
{
	size_t i = hash & t->mask;

	while (t->slots[i].obj)
		i = (i + 1) & t->mask;
	t->slots[i] = (struct hmap_slot){ hash, obj };
}

static void move_some(struct hmap *m)
{
	if (!m->old.slots)
		return;
	for (int n = 0; n < HMAP_MOVE && m->moved <= m->old.mask; n++) {
		struct hmap_slot *s = &m->old.slots[m->moved++];

		if (!s->obj || s->obj == &hmap_gone)
			continue;
		put(&m->now, s->hash, s->obj);
		s->obj = &hmap_gone;
	}
	if (m->moved <= m->old.mask)
		return;
	mem_free(m->old.slots);
	m->old.slots = NULL;
}

static err_t grow(struct hmap *m)
{
	size_t n = m->now.slots ? (m->now.mask + 1) * 2 : HMAP_FIRST;
	struct hmap_slot *slots = mem_array(n, sizeof(*slots));

	if (!slots)
		return ERR_EXHAUSTED;
	if (m->huge)
		pool_huge(slots, n * sizeof(*slots));
	while (m->old.slots)
		move_some(m);
	m->old = m->now;
	m->moved = 0;
	m->now = (struct hmap_table){ slots, n - 1 };
	return ERR_OK;
}

err_t hmap_add(struct hmap *m, uint64_t hash, void *obj)
{
	if (!m->now.slots || (m->n + 1) * 4 > (m->now.mask + 1) * 3) {
		err_t e = grow(m);

		if (e)
			return e;
	}
	move_some(m);
	put(&m->now, hash, obj);
	m->n++;
	return ERR_OK;
}

/* Closes the gap by moving back what probing would no longer reach: no tombstones, so look-ups never degrade. */
static void close_gap(const struct hmap_table *t, size_t gap)
{
	for (size_t i = (gap + 1) & t->mask; t->slots[i].obj; i = (i + 1) & t->mask) {
		size_t home = t->slots[i].hash & t->mask;

		if (((i - home) & t->mask) < ((i - gap) & t->mask))
			continue;
		t->slots[gap] = t->slots[i];
		gap = i;
	}
	t->slots[gap].obj = NULL;
}

static bool is(const void *obj, const void *key)
{
	return obj == key;
}

void hmap_remove(struct hmap *m, uint64_t hash, const void *obj)
{
	struct hmap_slot *s = m->now.slots ? hmap_probe(&m->now, hash, is, obj) : NULL;

	if (s) {
		close_gap(&m->now, (size_t)(s - m->now.slots));
		m->n--;
		return;
	}
	s = m->old.slots ? hmap_probe(&m->old, hash, is, obj) : NULL;
	if (!s)
		return;
	s->obj = &hmap_gone;
	m->n--;
}
