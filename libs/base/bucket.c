#include "bucket.h"

static int64_t full(const struct bucket *b)
{
	return (int64_t)b->per_s * BUCKET_ONE;
}

/* n a second are n thousandths a millisecond. */
static void fill(struct bucket *b, int64_t now_ms)
{
	int64_t rest_ms = now_ms - b->at_ms;

	if (rest_ms >= 1000)
		b->level = full(b);
	else if (rest_ms > 0)
		b->level += rest_ms * b->per_s;
	if (b->level > full(b))
		b->level = full(b);
	b->at_ms = now_ms;
}

void bucket_set(struct bucket *b, unsigned per_s, int64_t now_ms)
{
	if (b->per_s == per_s)
		return;
	if (b->per_s) {
		fill(b, now_ms);
		b->per_s = per_s;
		fill(b, now_ms);
		return;
	}
	b->per_s = per_s;
	b->level = full(b);
	b->at_ms = now_ms;
}

int64_t bucket_take(struct bucket *b, int64_t now_ms)
{
	if (!b->per_s)
		return 0;
	fill(b, now_ms);
	if (b->level >= BUCKET_ONE) {
		b->level -= BUCKET_ONE;
		return 0;
	}
	return (BUCKET_ONE - b->level + b->per_s - 1) / b->per_s;
}
