#include "fair/fair.h"

#include "base/hash.h"
#include "base/str.h"

void fair_init(struct fair *f)
{
	for (size_t i = 0; i < FAIR_BUCKETS; i++)
		LIST_INIT(&f->buckets[i]);
	TAILQ_INIT(&f->turns);
	f->n = 0;
}

static struct fair_item *find(const struct fair *f, const char *lane)
{
	struct fair_item *i;

	LIST_FOREACH (i, &f->buckets[hash_fnv1a32(lane) % FAIR_BUCKETS], bucket)
		if (str_eq(i->lane, lane))
			return i;
	return NULL;
}

static void lead(struct fair *f, struct fair_item *i)
{
	LIST_INSERT_HEAD(&f->buckets[hash_fnv1a32(i->lane) % FAIR_BUCKETS], i, bucket);
	TAILQ_INSERT_TAIL(&f->turns, i, turn);
}

void fair_add(struct fair *f, struct fair_item *i, const char *lane)
{
	struct fair_item *first = find(f, lane);

	*i = (struct fair_item){ .lane = lane, .last = i, .n = 1 };
	f->n++;
	if (!first) {
		lead(f, i);
		return;
	}
	first->last->next = i;
	first->last = i;
	first->n++;
}

struct fair_item *fair_take(struct fair *f, fair_may_fn *may, void *arg)
{
	struct fair_item *i, *next;

	TAILQ_FOREACH(i, &f->turns, turn)
	if (!may || may(i->lane, arg))
		break;
	if (!i)
		return NULL;
	LIST_REMOVE(i, bucket);
	TAILQ_REMOVE(&f->turns, i, turn);
	f->n--;
	next = i->next;
	if (next) {
		next->last = i->last;
		next->n = i->n - 1;
		lead(f, next);
	}
	return i;
}

size_t fair_waiting(const struct fair *f, const char *lane)
{
	const struct fair_item *first = find(f, lane);

	return first ? first->n : 0;
}
