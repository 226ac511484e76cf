#include "slots.h"

#include <string.h>
#include "base/str.h"

#define SPARE_MAX  32
#define SPARE_PART 8
#define IDLE_MS	   2000

static bool is_self(const struct slots *s, const struct slot_row *row)
{
	return row->incarnation == s->self.incarnation && str_eq(row->instance, s->self.instance);
}

static uint64_t held_by_others(const struct slots *s, const struct slot_book *book)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < book->n; i++)
		if (!is_self(s, &book->rows[i]))
			sum += book->rows[i].held;
	return sum;
}

uint32_t slots_held(const struct slots *s)
{
	for (size_t i = 0; i < s->book.n; i++)
		if (is_self(s, &s->book.rows[i]))
			return s->book.rows[i].held;
	return 0;
}

void slots_init(struct slots *s, const char *instance, uint64_t incarnation)
{
	memset(s, 0, sizeof(*s));
	str_copy(s->self.instance, sizeof(s->self.instance), instance);
	s->self.incarnation = incarnation;
}

/* While a write that gives something back is under way, or nobody knows what became of it, only what would be left is ours. */
static uint32_t usable(const struct slots *s)
{
	uint32_t held = slots_held(s);

	for (size_t i = 0; (s->writing || s->stale) && i < s->next.n; i++)
		if (is_self(s, &s->next.rows[i]) && s->next.rows[i].held < held)
			return s->next.rows[i].held;
	return held;
}

/* That write has no row of ours: everything is given back. */
static bool leaving(const struct slots *s)
{
	if (!s->writing && !s->stale)
		return false;
	for (size_t i = 0; i < s->next.n; i++)
		if (is_self(s, &s->next.rows[i]))
			return false;
	return true;
}

uint32_t slots_room(const struct slots *s)
{
	uint32_t can = leaving(s) ? 0 : usable(s);

	if (!s->limit)
		return UINT32_MAX;
	return can > s->used ? can - s->used : 0;
}

bool slots_take(struct slots *s)
{
	if (!slots_room(s))
		return false;
	s->used++;
	return true;
}

void slots_force(struct slots *s)
{
	s->used++;
}

void slots_give(struct slots *s)
{
	if (s->used)
		s->used--;
}

static uint64_t free_in(const struct slots *s, const struct slot_book *book)
{
	uint64_t held = held_by_others(s, book) + slots_held(s);

	return s->limit > held ? s->limit - held : 0;
}

bool slots_full(const struct slots *s)
{
	return s->limit && s->waiting && !s->writing && !s->stale && !slots_room(s) && !free_in(s, &s->book);
}

static uint32_t spare(uint64_t free)
{
	uint64_t n = free / SPARE_PART;

	return n > SPARE_MAX ? SPARE_MAX : (uint32_t)n;
}

/* How many we want to hold, given what is free. */
static uint32_t wanted(struct slots *s, int64_t now_ms, uint64_t free)
{
	uint32_t held = slots_held(s), need = s->used + s->waiting;

	if (!s->limit)
		return 0;
	if (s->used > held)
		return s->used;
	if (need > held) {
		uint64_t more = need - held + spare(free);

		s->idle_since_ms = 0;
		return held + (uint32_t)(more < free ? more : free);
	}
	if (need == held) {
		s->idle_since_ms = 0;
		s->asked = false;
		return held;
	}
	if (!s->idle_since_ms)
		s->idle_since_ms = now_ms;
	if (!s->asked && now_ms - s->idle_since_ms < IDLE_MS)
		return held;
	return need;
}

static void set_row(struct slot_book *book, const struct slot_row *self, uint32_t held)
{
	size_t i = 0;

	while (i < book->n &&
	       !(book->rows[i].incarnation == self->incarnation && str_eq(book->rows[i].instance, self->instance)))
		i++;
	if (i == SLOT_ROWS_MAX)
		return; /* more instances than a book has rows: this one lets nobody in */
	if (i == book->n)
		book->n++;
	book->rows[i] = *self;
	book->rows[i].held = held;
	if (!held)
		book->rows[i] = book->rows[--book->n];
}

static bool strike(struct slots *s, bool (*dead)(const struct slot_row *row, void *arg), void *arg)
{
	bool any = false;

	for (size_t i = 0; dead && i < s->next.n;) {
		if (!is_self(s, &s->next.rows[i]) && dead(&s->next.rows[i], arg)) {
			s->next.rows[i] = s->next.rows[--s->next.n];
			any = true;
		} else {
			i++;
		}
	}
	return any;
}

const struct slot_book *slots_next(struct slots *s, int64_t now_ms, bool (*dead)(const struct slot_row *row, void *arg),
				   void *arg)
{
	uint32_t want;
	bool struck;

	if (s->writing || s->stale)
		return NULL;
	s->next = s->book;
	struck = strike(s, dead, arg);
	want = wanted(s, now_ms, free_in(s, &s->next));
	if (want == slots_held(s) && !struck)
		return NULL;
	set_row(&s->next, &s->self, want);
	s->writing = true;
	s->expected = s->revision;
	return &s->next;
}

void slots_written(struct slots *s, bool accepted, uint64_t revision)
{
	s->writing = false;
	if (accepted && revision > s->revision) {
		s->book = s->next;
		s->revision = revision;
		s->idle_since_ms = 0;
		s->asked = false;
	} else if (!accepted) {
		s->stale = s->revision == s->expected; /* unless it has been read meanwhile */
	}
}

void slots_read(struct slots *s, const struct slot_book *book, uint64_t revision)
{
	if (revision && revision < s->revision)
		return;
	s->book = *book;
	s->revision = revision;
	s->stale = false;
}
