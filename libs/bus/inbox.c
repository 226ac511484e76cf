#include "bus_internal.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

err_t inbox_init(struct inbox *in)
{
	char id[ID_TEXT];
	int n;

	*in = (struct inbox){ .free = INBOX_NONE };
	n = snprintf(in->prefix, sizeof(in->prefix), "_INBOX.%s.", id_new(clock_wall_ms(), id));
	in->prefix_len = (size_t)n;
	return ERR_OK;
}

void inbox_done(struct inbox *in)
{
	mem_free(in->slots);
	in->slots = NULL;
	in->n = in->cap = 0;
}

static err_t grow(struct inbox *in)
{
	uint32_t cap = in->cap ? in->cap * 2 : 256;
	struct inbox_slot *slots = mem_realloc(in->slots, cap * sizeof(*slots));

	if (!slots)
		return ERR_EXHAUSTED;
	memset(slots + in->cap, 0, (cap - in->cap) * sizeof(*slots));
	in->slots = slots;
	in->cap = cap;
	return ERR_OK;
}

err_t inbox_open(struct inbox *in, bus_raw_fn *fn, void *arg, uint32_t *ret_slot)
{
	uint32_t i = in->free;

	if (i != INBOX_NONE) {
		in->free = in->slots[i].next_free;
	} else {
		err_t e = in->n == in->cap ? grow(in) : ERR_OK;

		if (e)
			return e;
		i = in->n++;
	}
	in->slots[i].generation++;
	in->slots[i].fn = fn;
	in->slots[i].arg = arg;
	*ret_slot = i;
	return ERR_OK;
}

void inbox_close(struct inbox *in, uint32_t *slot)
{
	if (*slot == INBOX_NONE)
		return;
	in->slots[*slot].fn = NULL;
	in->slots[*slot].next_free = in->free;
	in->free = *slot;
	*slot = INBOX_NONE;
}

static void put_hex(char *to, uint32_t v)
{
	for (int i = 7; i >= 0; i--, v >>= 4)
		to[i] = "0123456789abcdef"[v & 15];
}

size_t inbox_subject(const struct inbox *in, uint32_t slot, char *buf)
{
	memcpy(buf, in->prefix, in->prefix_len);
	put_hex(buf + in->prefix_len, slot);
	put_hex(buf + in->prefix_len + 8, in->slots[slot].generation);
	buf[in->prefix_len + INBOX_TOKEN] = '\0';
	return in->prefix_len + INBOX_TOKEN;
}

static bool get_hex(const char *from, uint32_t *ret)
{
	uint32_t v = 0;

	for (int i = 0; i < 8; i++) {
		char c = from[i];

		if (c >= '0' && c <= '9')
			v = v << 4 | (uint32_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (uint32_t)(c - 'a' + 10);
		else
			return false;
	}
	*ret = v;
	return true;
}

void inbox_dispatch(struct inbox *in, const struct bus_raw *raw)
{
	const char *token = raw->msg.subject + in->prefix_len;
	uint32_t slot, generation;

	if (strlen(raw->msg.subject) != in->prefix_len + INBOX_TOKEN || !get_hex(token, &slot) ||
	    !get_hex(token + 8, &generation))
		return;
	if (slot < in->n && in->slots[slot].fn && in->slots[slot].generation == generation)
		in->slots[slot].fn(raw, in->slots[slot].arg);
}
