#include "window.h"

#include "base/mem.h"

#include <assert.h>

err_t window_init(struct window *w, size_t cap, void *owner)
{
	*w = (struct window){ .cap = cap, .owner = owner };
	w->slots = mem_array(cap, sizeof(*w->slots));
	return w->slots ? ERR_OK : ERR_EXHAUSTED;
}

void window_done(struct window *w)
{
	mem_free(w->slots);
	w->slots = NULL;
}

void window_restart(struct window *w, uint64_t position)
{
	w->head = w->count = 0;
	w->position = position;
}

struct window_slot *window_add(struct window *w, uint64_t seq, int64_t time_ms, size_t n)
{
	struct window_slot *s;

	if (w->count == w->cap)
		return NULL;
	s = &w->slots[(w->head + w->count) % w->cap];
	assert(seq > w->position && n > 0);
	*s = (struct window_slot){ .window = w, .seq = seq, .time_ms = time_ms, .left = n };
	w->count++;
	return s;
}

void window_expect(struct window_slot *slot, size_t n)
{
	assert(slot->left > 0);
	slot->left += n;
}

size_t window_delivered(struct window_slot *slot)
{
	struct window *w = slot->window;
	size_t n = 0;

	assert(slot->left > 0);
	slot->left--;
	while (w->count > 0 && w->slots[w->head].left == 0) {
		w->position = w->slots[w->head].seq;
		w->head = (w->head + 1) % w->cap;
		w->count--;
		n++;
	}
	return n;
}

int64_t window_oldest_ms(const struct window *w)
{
	return w->count ? w->slots[w->head].time_ms : 0;
}
