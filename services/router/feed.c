#include "feed.h"
#include "base/mem.h"

#define FEED_FIRST 8
#define FEED_SHIFT 16 /* how far an entry out of order is moved up within the ring */

void feed_done(struct feed *f)
{
	mem_free(f->ring);
	mem_free(f->late);
	*f = (struct feed){ 0 };
}

static bool dead(const struct feed_entry *e, const uint32_t *gens)
{
	return gens[e->agent] != e->gen;
}

static struct feed_entry *slot(const struct feed *f, uint32_t i)
{
	return &f->ring[(f->head + i) & (f->cap - 1)];
}

/* Keeps the living in order; new room only if more than half of it is in use by them. */
static err_t make_room(struct feed *f, const uint32_t *gens)
{
	uint32_t live = 0, cap;
	struct feed_entry *ring;

	for (uint32_t i = 0; i < f->n; i++)
		if (!dead(slot(f, i), gens))
			*slot(f, live++) = *slot(f, i);
	f->n = live;
	if (f->cap && live <= f->cap / 2)
		return ERR_OK;
	cap = f->cap ? f->cap * 2 : FEED_FIRST;
	ring = mem_array(cap, sizeof(*ring));
	if (!ring)
		return ERR_EXHAUSTED;
	for (uint32_t i = 0; i < live; i++)
		ring[i] = *slot(f, i);
	mem_free(f->ring);
	f->ring = ring;
	f->cap = cap;
	f->head = 0;
	return ERR_OK;
}

/* ---- the heap of latecomers ---------------------------------------------------------------------------------------- */

static void sift_up(struct feed_entry *h, uint32_t i)
{
	struct feed_entry e = h[i];

	for (; i && e.since_ms < h[(i - 1) / 2].since_ms; i = (i - 1) / 2)
		h[i] = h[(i - 1) / 2];
	h[i] = e;
}

static void sift_down(struct feed_entry *h, uint32_t n, uint32_t i)
{
	struct feed_entry e = h[i];

	for (uint32_t child; (child = 2 * i + 1) < n; i = child) {
		if (child + 1 < n && h[child + 1].since_ms < h[child].since_ms)
			child++;
		if (e.since_ms <= h[child].since_ms)
			break;
		h[i] = h[child];
	}
	h[i] = e;
}

static err_t make_late_room(struct feed *f, const uint32_t *gens)
{
	uint32_t live = 0, cap = f->late ? f->late->cap : 0;
	struct feed_late *late = f->late;

	for (uint32_t i = 0; late && i < late->n; i++)
		if (!dead(&late->v[i], gens))
			late->v[live++] = late->v[i];
	for (uint32_t i = live / 2; i-- > 0;)
		sift_down(late->v, live, i);
	if (late)
		late->n = live;
	if (cap && live <= cap / 2)
		return ERR_OK;
	cap = cap ? cap * 2 : FEED_FIRST;
	late = mem_realloc(late, sizeof(*late) + cap * sizeof(late->v[0]));
	if (!late)
		return ERR_EXHAUSTED;
	late->n = live;
	late->cap = cap;
	f->late = late;
	return ERR_OK;
}

static err_t add_late(struct feed *f, const uint32_t *gens, struct feed_entry e)
{
	if (!f->late || f->late->n == f->late->cap) {
		err_t err = make_late_room(f, gens);

		if (err)
			return err;
	}
	f->late->v[f->late->n] = e;
	sift_up(f->late->v, f->late->n++);
	return ERR_OK;
}

static const struct feed_entry *late_head(struct feed *f, const uint32_t *gens)
{
	struct feed_late *l = f->late;

	while (l->n && dead(&l->v[0], gens)) {
		l->v[0] = l->v[--l->n];
		if (l->n)
			sift_down(l->v, l->n, 0);
	}
	return l->n ? &l->v[0] : NULL;
}

/* ---- the feed ------------------------------------------------------------------------------------------------------ */

err_t feed_add(struct feed *f, const uint32_t *gens, struct feed_entry e)
{
	uint32_t i, low;

	if (f->n == f->cap) {
		err_t err = make_room(f, gens);

		if (err)
			return err;
	}
	low = f->n > FEED_SHIFT ? f->n - FEED_SHIFT : 0;
	if (low && slot(f, low - 1)->since_ms > e.since_ms)
		return add_late(f, gens, e);
	for (i = f->n; i > low && slot(f, i - 1)->since_ms > e.since_ms; i--)
		*slot(f, i) = *slot(f, i - 1);
	*slot(f, i) = e;
	f->n++;
	return ERR_OK;
}

const struct feed_entry *feed_head(struct feed *f, const uint32_t *gens)
{
	const struct feed_entry *ring, *late;

	while (f->n && dead(slot(f, 0), gens)) {
		f->head = (f->head + 1) & (f->cap - 1);
		f->n--;
	}
	ring = f->n ? slot(f, 0) : NULL;
	late = f->late ? late_head(f, gens) : NULL;
	if (!ring || !late)
		return ring ? ring : late;
	return late->since_ms < ring->since_ms ? late : ring;
}

bool feed_first(const struct feed *f, const uint32_t *gens, bool (*skip)(uint32_t agent, const void *arg),
		const void *arg, struct feed_entry *ret)
{
	const struct feed_entry *best = NULL;

	for (uint32_t i = 0; i < f->n && !best; i++)
		if (!dead(slot(f, i), gens) && !skip(slot(f, i)->agent, arg))
			best = slot(f, i);
	for (uint32_t i = 0; f->late && i < f->late->n; i++) {
		const struct feed_entry *e = &f->late->v[i];

		if ((!best || e->since_ms < best->since_ms) && !dead(e, gens) && !skip(e->agent, arg))
			best = e;
	}
	if (best)
		*ret = *best;
	return best;
}

bool feed_last(const struct feed *f, const uint32_t *gens, struct feed_entry *ret)
{
	for (uint32_t i = f->n; i-- > 0;) {
		if (dead(slot(f, i), gens))
			continue;
		*ret = *slot(f, i);
		return true;
	}
	return false;
}
