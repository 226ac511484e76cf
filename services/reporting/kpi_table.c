#include "kpi_table.h"

#include "base/mem.h"

#define BLOCK_BYTES 65536
#define FIRST_SLOTS 64

struct kpi_block {
	struct kpi_block *next;
	size_t used;
	_Alignas(16) unsigned char data[BLOCK_BYTES];
};

/* ---- memory ---------------------------------------------------------------------------------------------------------- */

static void *pool_take(struct kpi_pool *p, size_t size)
{
	struct kpi_block *b = p->now;
	void *item;

	size = (size + 15) & ~(size_t)15;
	if (!b || BLOCK_BYTES - b->used < size) {
		struct kpi_block *next = b ? b->next : p->first;

		if (!next) {
			next = mem_alloc(sizeof(*next));
			if (!next)
				return NULL;
			next->next = NULL;
			if (b)
				b->next = next;
			else
				p->first = next;
		}
		next->used = 0;
		p->now = b = next;
	}
	item = b->data + b->used;
	b->used += size;
	return memset(item, 0, size);
}

void kpi_pool_reset(struct kpi_pool *p)
{
	p->now = NULL;
}

void kpi_pool_done(struct kpi_pool *p)
{
	while (p->first) {
		struct kpi_block *next = p->first->next;

		mem_free(p->first);
		p->first = next;
	}
	p->now = NULL;
}

/* ---- tables ---------------------------------------------------------------------------------------------------------- */

void kpi_table_reset(struct kpi_table *t)
{
	if (t->size > FIRST_SLOTS && t->n < t->size / 64)
		kpi_table_done(t); /* it was a far larger batch */
	else if (t->n)
		memset(t->slots, 0, t->size * sizeof(*t->slots));
	t->n = 0;
}

void kpi_table_done(struct kpi_table *t)
{
	mem_free(t->slots);
	t->slots = NULL;
	t->size = t->n = 0;
}

static struct kpi_slot *free_slot(struct kpi_table *t, uint64_t hash)
{
	size_t i = hash & (t->size - 1);

	while (t->slots[i].item)
		i = (i + 1) & (t->size - 1);
	return &t->slots[i];
}

static bool grow(struct kpi_table *t)
{
	struct kpi_table bigger = { .size = t->size ? t->size * 4 : FIRST_SLOTS, .n = t->n, .seed = t->seed };

	bigger.slots = mem_array(bigger.size, sizeof(*bigger.slots));
	if (!bigger.slots)
		return false;
	for (size_t i = 0; i < t->size; i++)
		if (t->slots[i].item)
			*free_slot(&bigger, t->slots[i].hash) = t->slots[i];
	mem_free(t->slots);
	*t = bigger;
	return true;
}

static void *add(struct kpi_table *t, struct kpi_pool *p, uint64_t hash, size_t item_size, size_t before)
{
	char *item;

	if (t->n * 2 >= t->size && !grow(t))
		return NULL;
	item = pool_take(p, before + item_size);
	if (!item)
		return NULL;
	item += before;
	*free_slot(t, hash) = (struct kpi_slot){ hash, item };
	t->n++;
	return item;
}

void *kpi_table_add(struct kpi_table *t, struct kpi_pool *p, uint64_t hash, struct kpi_text tenant, struct kpi_text id,
		    size_t item_size)
{
	size_t room = (id.size + 15) & ~(size_t)15; /* the id stands before the item: near, when it is compared */
	struct kpi_name *name = add(t, p, hash, item_size, room);

	if (name)
		*name = (struct kpi_name){ .id = { memcpy((char *)name - room, id.at, id.size), id.size },
					   .tenant = tenant };
	return name;
}

void *kpi_table_span(struct kpi_table *t, struct kpi_pool *p, const struct kpi_name *of, int64_t start_ms,
		     size_t item_size, bool *added)
{
	uint64_t hash = kpi_mix(t->seed ^ (uintptr_t)of ^ KPI_K1, (uint64_t)start_ms ^ KPI_K2);
	struct kpi_span *span;

	*added = false;
	for (size_t i = hash & (t->size - 1); t->size && t->slots[i].item; i = (i + 1) & (t->size - 1)) {
		span = t->slots[i].item;
		if (t->slots[i].hash == hash && span->of == of && span->start_ms == start_ms)
			return span;
	}
	span = add(t, p, hash, item_size, 0);
	if (!span)
		return NULL;
	*span = (struct kpi_span){ of, start_ms };
	*added = true;
	return span;
}
