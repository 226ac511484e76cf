#include "feed.h"
#include "base/mem.h"

#define SLOT_MASK  7u
#define LATE_FIRST 8
#define SPARSE	   2 /* so few are left in a block: try to merge it … */
#define MERGED_MAX 5 /* … if both together do not fill it quite, so that it does not come apart at once */

_Static_assert(sizeof(struct feed_block) == 128, "two cache lines");

static struct feed_block *block_at(const struct feeds *fs, uint32_t number)
{
	return pool_at(&fs->blocks, number - 1);
}

static void set_place(const struct feeds *fs, const struct feed_entry *e, uint32_t place)
{
	fs->places(fs->arg, e->agent)[e->place_no] = place;
}

/* ---- the heap of latecomers ---------------------------------------------------------------------------------------- */

static void put_late(const struct feeds *fs, struct feed_late *l, uint32_t i, struct feed_entry e)
{
	l->v[i] = e;
	set_place(fs, &e, FEED_LATE | i);
}

static void sift_up(const struct feeds *fs, struct feed_late *l, uint32_t i, struct feed_entry e)
{
	for (; i && e.since_ms < l->v[(i - 1) / 2].since_ms; i = (i - 1) / 2)
		put_late(fs, l, i, l->v[(i - 1) / 2]);
	put_late(fs, l, i, e);
}

static void sift_down(const struct feeds *fs, struct feed_late *l, uint32_t i, struct feed_entry e)
{
	for (uint32_t child; (child = 2 * i + 1) < l->n; i = child) {
		if (child + 1 < l->n && l->v[child + 1].since_ms < l->v[child].since_ms)
			child++;
		if (e.since_ms <= l->v[child].since_ms)
			break;
		put_late(fs, l, i, l->v[child]);
	}
	put_late(fs, l, i, e);
}

static err_t add_late(const struct feeds *fs, struct feed *f, struct feed_entry e)
{
	struct feed_late *l = f->late;

	if (!l || l->n == l->cap) {
		uint32_t n = l ? l->n : 0, cap = l ? l->cap * 2 : LATE_FIRST;

		l = mem_realloc(l, sizeof(*l) + cap * sizeof(l->v[0]));
		if (!l)
			return ERR_EXHAUSTED;
		l->n = n;
		l->cap = cap;
		f->late = l;
	}
	sift_up(fs, l, l->n++, e);
	return ERR_OK;
}

static void remove_late(const struct feeds *fs, struct feed_late *l, uint32_t i)
{
	struct feed_entry last = l->v[--l->n];

	if (i == l->n)
		return;
	if (i && last.since_ms < l->v[(i - 1) / 2].since_ms)
		sift_up(fs, l, i, last);
	else
		sift_down(fs, l, i, last);
}

/* ---- blocks -------------------------------------------------------------------------------------------------------- */

static struct feed_block *append_block(struct feeds *fs, struct feed *f)
{
	uint32_t index;
	struct feed_block *b = pool_take(&fs->blocks, &index);

	if (!b)
		return NULL;
	b->next = 0;
	b->prev = f->tail;
	b->live = b->used = b->n = 0;
	if (f->tail)
		block_at(fs, f->tail)->next = index + 1;
	else
		f->head = index + 1;
	f->tail = index + 1;
	return b;
}

static void drop_block(struct feeds *fs, struct feed *f, uint32_t number, const struct feed_block *b)
{
	if (b->prev)
		block_at(fs, b->prev)->next = b->next;
	else
		f->head = b->next;
	if (b->next)
		block_at(fs, b->next)->prev = b->prev;
	else
		f->tail = b->prev;
	pool_put(&fs->blocks, number - 1);
}

/* The living of `from` behind those of `to`, without gaps. */
static void merge(struct feeds *fs, struct feed *f, uint32_t to, uint32_t from)
{
	const struct feed_block *sources[] = { block_at(fs, to), block_at(fs, from) };
	struct feed_block *b = block_at(fs, to);
	uint32_t n = 0;

	for (int i = 0; i < 2; i++) {
		for (uint32_t live = sources[i]->live; live; live &= live - 1) {
			struct feed_entry e = sources[i]->v[__builtin_ctz(live)];

			b->v[n] = e; /* never beyond what is read next */
			set_place(fs, &e, to << FEED_SLOT_BITS | n++);
		}
	}
	b->live = (uint16_t)((1u << n) - 1);
	b->used = b->n = (uint8_t)n;
	drop_block(fs, f, from, sources[1]);
}

static void tidy(struct feeds *fs, struct feed *f, uint32_t number, const struct feed_block *b)
{
	if (b->n > SPARSE)
		return;
	if (b->prev && b->n + block_at(fs, b->prev)->n <= MERGED_MAX)
		merge(fs, f, b->prev, number);
	else if (b->next && b->n + block_at(fs, b->next)->n <= MERGED_MAX)
		merge(fs, f, number, b->next);
}

/* ---- the feed ------------------------------------------------------------------------------------------------------ */

void feeds_init(struct feeds *fs, uint32_t *(*places)(void *arg, uint32_t agent), void *arg)
{
	*fs = (struct feeds){ .blocks = POOL_INIT(sizeof(struct feed_block)), .places = places, .arg = arg };
}

void feeds_done(struct feeds *fs)
{
	pool_done(&fs->blocks);
}

void feed_init(struct feed *f)
{
	*f = (struct feed){ .first_ms = FEED_NONE };
}

void feed_done(struct feeds *fs, struct feed *f)
{
	while (f->head)
		drop_block(fs, f, f->head, block_at(fs, f->head));
	mem_free(f->late);
	feed_init(f);
}

const struct feed_entry *feed_head(const struct feeds *fs, const struct feed *f)
{
	const struct feed_entry *listed = NULL, *late = f->late && f->late->n ? f->late->v : NULL;

	if (f->head) {
		const struct feed_block *b = block_at(fs, f->head);

		listed = &b->v[__builtin_ctz(b->live)];
	}
	if (!listed || !late)
		return listed ? listed : late;
	return late->since_ms < listed->since_ms ? late : listed;
}

static void look_again(const struct feeds *fs, struct feed *f)
{
	const struct feed_entry *e = feed_head(fs, f);

	f->first_ms = e ? e->since_ms : FEED_NONE;
}

err_t feed_add(struct feeds *fs, struct feed *f, struct feed_entry e, uint32_t *ret_place)
{
	struct feed_block *b = f->tail ? block_at(fs, f->tail) : NULL;

	if (b && b->v[b->used - 1].since_ms > e.since_ms) {
		err_t err = add_late(fs, f, e);

		if (err)
			return err;
		*ret_place = fs->places(fs->arg, e.agent)[e.place_no];
	} else {
		if (!b || b->used == FEED_BLOCK)
			b = append_block(fs, f);
		if (!b)
			return ERR_EXHAUSTED;
		*ret_place = f->tail << FEED_SLOT_BITS | b->used;
		b->live |= (uint16_t)(1u << b->used);
		b->v[b->used++] = e;
		b->n++;
	}
	if (e.since_ms < f->first_ms)
		f->first_ms = e.since_ms;
	f->n++;
	return ERR_OK;
}

void feed_remove(struct feeds *fs, struct feed *f, uint32_t place)
{
	uint32_t number = place >> FEED_SLOT_BITS, bit = 1u << (place & SLOT_MASK);
	struct feed_block *b;
	bool was_first;

	f->n--;
	if (place & FEED_LATE) {
		remove_late(fs, f->late, place & ~FEED_LATE);
		look_again(fs, f);
		return;
	}
	b = block_at(fs, number);
	was_first = !b->prev && !(b->live & (bit - 1));
	b->live &= (uint16_t)~bit;
	b->n--;
	if (!b->live)
		drop_block(fs, f, number, b);
	else
		tidy(fs, f, number, b);
	if (was_first)
		look_again(fs, f);
}

void feed_renumber(struct feeds *fs, struct feed *f, uint32_t place, uint32_t place_no)
{
	struct feed_entry *e = place & FEED_LATE ? &f->late->v[place & ~FEED_LATE]
						 : &block_at(fs, place >> FEED_SLOT_BITS)->v[place & SLOT_MASK];

	e->place_no = place_no;
	set_place(fs, e, place);
}

static const struct feed_entry *first_listed(const struct feeds *fs, const struct feed *f,
					     bool (*skip)(uint32_t agent, const void *arg), const void *arg)
{
	for (uint32_t number = f->head; number;) {
		const struct feed_block *b = block_at(fs, number);

		for (uint32_t live = b->live; live; live &= live - 1)
			if (!skip(b->v[__builtin_ctz(live)].agent, arg))
				return &b->v[__builtin_ctz(live)];
		number = b->next;
	}
	return NULL;
}

/* A latecomer who is not skipped is older than all below: only below those skipped is there anything to look for. */
static const struct feed_entry *first_late(const struct feed_late *l, bool (*skip)(uint32_t agent, const void *arg),
					   const void *arg, const struct feed_entry *best)
{
	uint32_t todo[33] = { 0 }, n = 1; /* a way down is 31 long at most */

	while (n) {
		uint32_t i = todo[--n];

		if (i >= l->n || (best && l->v[i].since_ms >= best->since_ms))
			continue;
		if (!skip(l->v[i].agent, arg)) {
			best = &l->v[i];
			continue;
		}
		todo[n++] = 2 * i + 1;
		todo[n++] = 2 * i + 2;
	}
	return best;
}

bool feed_first(const struct feeds *fs, const struct feed *f, bool (*skip)(uint32_t agent, const void *arg),
		const void *arg, struct feed_entry *ret)
{
	const struct feed_entry *best = first_listed(fs, f, skip, arg);

	if (f->late)
		best = first_late(f->late, skip, arg, best);
	if (best)
		*ret = *best;
	return best;
}

bool feed_last(const struct feeds *fs, const struct feed *f, struct feed_entry *ret)
{
	const struct feed_block *b = f->tail ? block_at(fs, f->tail) : NULL;

	if (b)
		*ret = b->v[31 - __builtin_clz(b->live)];
	else if (f->late && f->late->n)
		*ret = f->late->v[f->late->n - 1];
	return b || (f->late && f->late->n);
}
