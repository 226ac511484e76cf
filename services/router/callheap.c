#include "callheap.h"
#include "base/mem.h"

#include <string.h>

#define WAYS 4

void callheap_done(struct callheap *h)
{
	mem_free(h->slots);
	*h = (struct callheap){ 0 };
}

bool callheap_before(uint64_t key_a, const struct callheap_node *a, uint64_t key_b, const struct callheap_node *b)
{
	return key_a != key_b ? key_a < key_b : strcmp(a->id, b->id) < 0;
}

static bool before(const struct callheap_slot *a, const struct callheap_slot *b)
{
	return callheap_before(a->key, a->node, b->key, b->node);
}

static void place(struct callheap *h, uint32_t i, struct callheap_slot s)
{
	h->slots[i] = s;
	s.node->pos = i;
}

static void sift_up(struct callheap *h, uint32_t i, struct callheap_slot s)
{
	for (; i && before(&s, &h->slots[(i - 1) / WAYS]); i = (i - 1) / WAYS)
		place(h, i, h->slots[(i - 1) / WAYS]);
	place(h, i, s);
}

static void sift_down(struct callheap *h, uint32_t i, struct callheap_slot s)
{
	for (;;) {
		uint32_t first = i * WAYS + 1, best = first, end = first + WAYS < h->n ? first + WAYS : h->n;

		if (first >= h->n)
			break;
		for (uint32_t c = first + 1; c < end; c++)
			if (before(&h->slots[c], &h->slots[best]))
				best = c;
		if (!before(&h->slots[best], &s))
			break;
		place(h, i, h->slots[best]);
		i = best;
	}
	place(h, i, s);
}

err_t callheap_push(struct callheap *h, struct callheap_node *n)
{
	if (h->n == h->cap) {
		uint32_t cap = h->cap ? h->cap * 2 : 4;
		struct callheap_slot *slots = mem_realloc(h->slots, cap * sizeof(*slots));

		if (!slots)
			return ERR_EXHAUSTED;
		h->slots = slots;
		h->cap = cap;
	}
	h->n++;
	sift_up(h, h->n - 1, (struct callheap_slot){ n->key, n });
	return ERR_OK;
}

void callheap_remove(struct callheap *h, struct callheap_node *n)
{
	uint32_t i = n->pos;
	struct callheap_slot last;

	if (i == CALLHEAP_NONE)
		return;
	n->pos = CALLHEAP_NONE;
	last = h->slots[--h->n];
	if (i == h->n)
		return;
	if (i && before(&last, &h->slots[(i - 1) / WAYS]))
		sift_up(h, i, last);
	else
		sift_down(h, i, last);
}
