#include "tenantconf/prefixes.h"

#include <string.h>
#include "base/mem.h"

void prefixes_done(struct prefixes *p)
{
	mem_free(p->slots);
	*p = (struct prefixes){ 0 };
}

static size_t hash(const struct tenant_prefix *x)
{
	uint64_t h = 14695981039346656037u ^ x->bits;

	for (int i = 0; i < 16; i++)
		h = (h ^ x->addr.s6_addr[i]) * 1099511628211u;
	return (size_t)(h ^ h >> 29);
}

static bool same(const struct tenant_prefix *a, const struct tenant_prefix *b)
{
	return a->bits == b->bits && memcmp(&a->addr, &b->addr, sizeof(a->addr)) == 0;
}

/* Its slot, or the free one where it would be. */
static struct prefixes_slot *slot_of(const struct prefixes *p, const struct tenant_prefix *x)
{
	size_t i = hash(x) & (p->n_slots - 1);

	while (p->slots[i].count && !same(&p->slots[i].prefix, x))
		i = (i + 1) & (p->n_slots - 1);
	return &p->slots[i];
}

err_t prefixes_reserve(struct prefixes *p, size_t more)
{
	size_t want = p->n_slots ? p->n_slots : 16;
	struct prefixes old = *p;

	while (want < 2 * (p->n + more))
		want *= 2;
	if (want == p->n_slots)
		return ERR_OK;
	struct prefixes_slot *slots = mem_array(want, sizeof(*slots));
	if (!slots)
		return ERR_EXHAUSTED;
	p->slots = slots;
	p->n_slots = want;
	for (size_t i = 0; i < old.n_slots; i++) {
		if (old.slots[i].count)
			*slot_of(p, &old.slots[i].prefix) = old.slots[i];
	}
	mem_free(old.slots);
	return ERR_OK;
}

void prefixes_add(struct prefixes *p, const struct tenant_prefix *prefix)
{
	struct prefixes_slot *s = slot_of(p, prefix);

	if (!s->count) {
		s->prefix = *prefix;
		p->n++;
		p->by_bits[prefix->bits]++;
	}
	s->count++;
}

void prefixes_remove(struct prefixes *p, const struct tenant_prefix *prefix)
{
	struct prefixes_slot *s = slot_of(p, prefix);

	if (--s->count)
		return;
	p->n--;
	p->by_bits[prefix->bits]--;
	/* Close the gap: whatever follows without a free slot between moves to where it is found. */
	size_t i = (size_t)(s - p->slots);
	for (size_t j = (i + 1) & (p->n_slots - 1); p->slots[j].count; j = (j + 1) & (p->n_slots - 1)) {
		struct prefixes_slot moved = p->slots[j];

		p->slots[j].count = 0;
		*slot_of(p, &moved.prefix) = moved;
	}
}

bool prefixes_match(const struct prefixes *p, const struct in6_addr *addr)
{
	for (unsigned bits = 0; p->n && bits <= 128; bits++) {
		struct tenant_prefix x = { .addr = *addr, .bits = bits };

		if (!p->by_bits[bits])
			continue;
		for (unsigned i = 0; i < 16; i++) {
			unsigned keep = bits > i * 8 ? bits - i * 8 : 0;

			if (keep < 8)
				x.addr.s6_addr[i] &= (unsigned char)(0xff00 >> keep);
		}
		if (slot_of(p, &x)->count)
			return true;
	}
	return false;
}
