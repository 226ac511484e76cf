#include "offsets.h"

#include "base/mem.h"
#include "base/str.h"

void offsets_done(struct offsets *o)
{
	mem_free(o->list);
	*o = (struct offsets){ 0 };
}

void offsets_reset(struct offsets *o)
{
	o->n = 0;
}

void offsets_begin_batch(struct offsets *o)
{
	for (size_t i = 0; i < o->n; i++)
		o->list[i].skipping = false;
}

static struct offsets_partition *find(const struct offsets *o, const char *topic, int32_t partition)
{
	for (size_t i = 0; i < o->n; i++)
		if (o->list[i].number == partition && str_eq(o->list[i].topic, topic))
			return &o->list[i];
	return NULL;
}

/* Without memory nothing is watched: the records come as they come. */
static void add(struct offsets *o, const char *topic, int32_t partition, int64_t expected)
{
	if (o->n == o->cap) {
		size_t cap = o->cap ? o->cap * 2 : 16;
		struct offsets_partition *list = mem_realloc(o->list, cap * sizeof(*list));

		if (!list)
			return;
		o->list = list;
		o->cap = cap;
	}
	o->list[o->n] = (struct offsets_partition){ .number = partition, .expected = expected, .gap_at = -1 };
	if (str_copy(o->list[o->n].topic, sizeof(o->list[o->n].topic), topic))
		o->n++;
}

enum offsets_verdict offsets_see(struct offsets *o, const char *topic, int32_t partition, int64_t offset)
{
	struct offsets_partition *p = find(o, topic, partition);

	if (!p) {
		add(o, topic, partition, offset + 1);
		return OFFSETS_TAKE;
	}
	if (p->skipping)
		return OFFSETS_SKIP;
	if (offset > p->expected && p->gap_at != offset) {
		p->gap_at = offset;
		p->skipping = true;
		return OFFSETS_GAP;
	}
	if (offset >= p->expected) {
		p->expected = offset + 1;
		p->gap_at = -1;
	}
	return OFFSETS_TAKE;
}

int64_t offsets_expected(const struct offsets *o, const char *topic, int32_t partition)
{
	const struct offsets_partition *p = find(o, topic, partition);

	return p ? p->expected : -1;
}
