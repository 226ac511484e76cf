/*
 * pace_book: the shell of pace.h: a book in KV, read and written. Loop thread.
 *
 *	pace_book_init(&b, kv, "acme.rate", on_word, self);
 *	n = pace_next(&b.pace, …);
 *	if (n)
 *		pace_book_write(&b);  // → on_word
 *	else if (b.pace.stale)
 *		pace_book_ask(&b);    // → on_word
 */
#ifndef PACE_PACE_BOOK_H
#define PACE_PACE_BOOK_H

#include "base/str.h"
#include "bus/bus.h"
#include "pace/pace.h"

#define PACE_KEY 96

/* What was written has come back, or the book has been read: so many may be let in; more may be said now. bad: what stands in KV is no book; NULL. */
typedef void pace_word_fn(uint32_t n, const struct err_detail *bad, void *arg);

struct pace_book {
	struct pace pace;
	char key[PACE_KEY];
	struct bus_kv *kv;
	bool reading;
	pace_word_fn *fn;
	void *arg;
};

/* key: cut at PACE_KEY. The book lives as long as the bus may call back: until it is freed, or !pace_book_waits(). */
void pace_book_init(struct pace_book *b, struct bus_kv *kv, const char *key, pace_word_fn *fn, void *arg);
/* pace.next, after pace_next(). */
void pace_book_write(struct pace_book *b);
/* Once at a time. While NATS cannot be asked there is no word. */
void pace_book_ask(struct pace_book *b);
/* A watch has told what stands there. */
void pace_book_told(struct pace_book *b, const struct bus_msg *msg);
/* Something is under way. */
bool pace_book_waits(const struct pace_book *b);

/* ---- pace_wire.c: RateBook (trunkline/call/v1/quota.proto) ---- */
void pace_to_pb(struct str *out, const struct bucket *book);
/* ERR_INVALID: detail says which field. */
err_t pace_from_pb(struct bucket *ret, const void *data, size_t size, struct err_detail *detail) MUST;

#endif
