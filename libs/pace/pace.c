#include "pace/pace.h"

bool pace_busy(const struct pace *p)
{
	return p->writing || p->stale;
}

uint32_t pace_next(struct pace *p, uint32_t limit, uint32_t least, uint32_t most, int64_t now_ms)
{
	int64_t ahead_ms = p->book.at_ms - now_ms;
	uint32_t n = 0;

	if (pace_busy(p))
		return 0;
	p->next = p->book;
	if (ahead_ms > PACE_AHEAD_MS)
		p->next = (struct bucket){ .per_s = 0 };
	else if (ahead_ms > 0)
		now_ms = p->book.at_ms;
	bucket_set(&p->next, limit, now_ms);
	while (n < most && !bucket_take(&p->next, now_ms))
		n++;
	/* What came by the former limit may never be so many: one is enough to write the new one down. */
	if (p->book.per_s && p->book.per_s != limit)
		least = 1;
	if (n < least) {
		p->next.level += n * BUCKET_ONE;
		return 0;
	}
	p->letting = n;
	p->writing = true;
	p->expected = p->revision;
	return n;
}

uint32_t pace_written(struct pace *p, bool accepted, uint64_t revision)
{
	p->writing = false;
	if (!accepted) {
		p->stale = p->revision == p->expected; /* unless it has been read meanwhile */
		return 0;
	}
	if (revision > p->revision) {
		p->book = p->next;
		p->revision = revision;
	}
	return p->letting;
}

void pace_read(struct pace *p, const struct bucket *book, uint64_t revision)
{
	if (revision && revision < p->revision)
		return;
	p->book = *book;
	p->revision = revision;
	p->stale = false;
}

int64_t pace_wait_ms(const struct pace *p, uint32_t n)
{
	int64_t missing = n * BUCKET_ONE - p->next.level;

	return missing > 0 && p->next.per_s ? (missing + p->next.per_s - 1) / p->next.per_s : 1;
}
