#include "wheel.h"

#include <stddef.h>

static void list_init(struct wheel_node *head)
{
	head->next = head->prev = head;
}

static void link_last(struct wheel_node *head, struct wheel_node *n)
{
	n->prev = head->prev;
	n->next = head;
	head->prev->next = n;
	head->prev = n;
}

void wheel_init(struct wheel *w, int64_t now_ms)
{
	w->tick = now_ms / WHEEL_TICK_MS;
	for (int i = 0; i < WHEEL_SLOTS; i++)
		list_init(&w->slots[i]);
}

void wheel_stop(struct wheel_node *n)
{
	if (!n->next)
		return;
	n->prev->next = n->next;
	n->next->prev = n->prev;
	n->next = n->prev = NULL;
}

void wheel_start(struct wheel *w, struct wheel_node *n, int64_t at_ms)
{
	/* Rounded up, so that when its slot is turned to the time has come; never a slot already done. */
	int64_t tick = (at_ms + WHEEL_TICK_MS - 1) / WHEEL_TICK_MS;

	wheel_stop(n);
	n->at_ms = at_ms;
	if (tick <= w->tick)
		tick = w->tick + 1;
	link_last(&w->slots[tick % WHEEL_SLOTS], n);
}

/* What is left of a slot goes back to its front. */
static void put_back(struct wheel_node *slot, struct wheel_node *due)
{
	due->next->prev = slot;
	due->prev->next = slot->next;
	slot->next->prev = due->prev;
	slot->next = due->next;
}

/* False: max were fired and the slot is not done. */
static bool turn_slot(struct wheel *w, int64_t tick, unsigned *max, void (*fn)(struct wheel_node *n, void *arg),
		      void *arg)
{
	struct wheel_node *slot = &w->slots[tick % WHEEL_SLOTS], due;

	if (slot->next == slot)
		return true;
	/* The whole slot moves to a list of our own, so that callbacks may add to the slot and remove from either. */
	due = *slot;
	due.next->prev = due.prev->next = &due;
	list_init(slot);
	while (due.next != &due && *max) {
		struct wheel_node *n = due.next;
		bool now = n->at_ms <= tick * WHEEL_TICK_MS;

		wheel_stop(n);
		if (now) {
			(*max)--;
			fn(n, arg);
		} else {
			link_last(slot, n);
		}
	}
	if (due.next == &due)
		return true;
	put_back(slot, &due);
	return false;
}

bool wheel_turn(struct wheel *w, int64_t now_ms, unsigned max, void (*fn)(struct wheel_node *n, void *arg), void *arg)
{
	int64_t last = now_ms / WHEEL_TICK_MS;

	/* After a long pause one revolution sees every node. */
	if (last - w->tick > WHEEL_SLOTS)
		w->tick = last - WHEEL_SLOTS;
	while (w->tick < last) {
		w->tick++;
		if (turn_slot(w, w->tick, &max, fn, arg))
			continue;
		w->tick--;
		return false;
	}
	return true;
}
