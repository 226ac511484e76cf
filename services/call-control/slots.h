/*
 * slots: how many calls a tenant may have at a time, exact across all instances, without asking anybody for most calls
 * (GT-3.1.2c). Pure: no I/O, no clock; quota.c is its shell.
 *
 * A tenant's book is one record in KV `quota`: which instance holds how many slots. What all of them hold is never more than
 * the limit, because it grows by compare-and-set only; an instance lets a call in when it holds a slot that no call of its
 * own uses. It takes some more than it needs (an eighth of what is free, 32 at most), so that a round trip comes with few
 * calls, and gives back what it has not needed for a while, or at once when another instance finds the book full and asks.
 * Calls that are taken over (their owner is gone) are counted by their new owner, limit or not: they exist. The row of a
 * dead instance is struck by whoever writes next, but well after its calls have become somebody's and that one has written so.
 * A lower limit ends no call: nothing new is let in until there is room.
 */
#ifndef CALL_CONTROL_SLOTS_H
#define CALL_CONTROL_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLOT_NAME     64
#define SLOT_ROWS_MAX 64

struct slot_row {
	char instance[SLOT_NAME];
	uint64_t incarnation;
	uint32_t held;
};
struct slot_book {
	struct slot_row rows[SLOT_ROWS_MAX];
	size_t n;
};

/* One tenant as one instance sees it. */
struct slots {
	struct slot_row self;  /* held: not used */
	struct slot_book book; /* as read or written last */
	uint64_t revision;     /* of it; 0: there is none */
	uint64_t expected;     /* that the write under way is made over */
	bool stale;	       /* our write was refused, or nobody knows: what is there must be read */
	bool writing;
	struct slot_book next; /* under way */
	uint32_t limit;	       /* 0: none, nothing is written */
	uint32_t used;	       /* our calls */
	uint32_t waiting;      /* callers who are neither let in nor refused yet */
	bool asked;	       /* somebody else needs what we hold too much */
	int64_t idle_since_ms; /* since when we hold more than we need; 0: we do not */
};

void slots_init(struct slots *s, const char *instance, uint64_t incarnation);
/* true: let in, and counted. false: it has to wait: count it in `waiting`. */
bool slots_take(struct slots *s);
/* A call that exists, whatever the limit says. */
void slots_force(struct slots *s);
void slots_give(struct slots *s);
/* How many of those that wait may be let in by slots_take() now. */
uint32_t slots_room(const struct slots *s);
/* Nobody can be let in, and a write would not change that: the others are to be asked for what they do not need. */
bool slots_full(const struct slots *s);
/* What is to be written now, over s->expected; NULL: nothing. After it slots_written() must come. dead: of rows that are to be struck;
 * may be NULL. */
const struct slot_book *slots_next(struct slots *s, int64_t now_ms, bool (*dead)(const struct slot_row *row, void *arg),
				   void *arg);
/* revision: of what was accepted. */
void slots_written(struct slots *s, bool accepted, uint64_t revision);
/* What the bucket says; an old word is ignored. revision 0: there is no book. */
void slots_read(struct slots *s, const struct slot_book *book, uint64_t revision);
uint32_t slots_held(const struct slots *s);

#endif
