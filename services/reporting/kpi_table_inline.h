/* The parts of kpi_table that each event goes through: inline, as a call would cost more than they do. */
#ifndef REPORTING_KPI_TABLE_INLINE_H
#define REPORTING_KPI_TABLE_INLINE_H

#include "kpi_table.h"

#define KPI_K1 UINT64_C(0x9e3779b97f4a7c15)
#define KPI_K2 UINT64_C(0xd6e8feb86659fd93)

static inline uint64_t kpi_load8(const char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint64_t kpi_load4(const char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* By words that may overlap: ids are short, a call of memcmp would cost more than the comparison. */
static inline bool kpi_text_eq(struct kpi_text a, struct kpi_text b)
{
	size_t n = a.size;
	uint64_t diff = 0;

	if (n != b.size)
		return false;
	if (n >= 8) {
		for (size_t i = 0; i + 8 < n; i += 8)
			diff |= kpi_load8(a.at + i) ^ kpi_load8(b.at + i);
		return !(diff | (kpi_load8(a.at + n - 8) ^ kpi_load8(b.at + n - 8)));
	}
	if (n >= 4)
		return kpi_load4(a.at) == kpi_load4(b.at) && kpi_load4(a.at + n - 4) == kpi_load4(b.at + n - 4);
	for (size_t i = 0; i < n; i++)
		diff |= (uint64_t)(a.at[i] ^ b.at[i]);
	return !diff;
}

/* The multiply-and-fold of wyhash (public domain, Wang Yi). */
static inline uint64_t kpi_mix(uint64_t a, uint64_t b)
{
	unsigned __int128 p = (unsigned __int128)a * b;

	return (uint64_t)p ^ (uint64_t)(p >> 64);
}

static inline uint64_t kpi_hash(uint64_t seed, struct kpi_text t)
{
	uint64_t h = seed ^ t.size * KPI_K1;
	const char *p = t.at;
	size_t n = t.size;

	if (n >= 8) {
		for (size_t i = 0; i + 16 < n; i += 16)
			h = kpi_mix(kpi_load8(p + i) ^ KPI_K2, kpi_load8(p + i + 8) ^ h);
		return kpi_mix(kpi_load8(n > 16 ? p + n - 16 : p) ^ KPI_K1, kpi_load8(p + n - 8) ^ h);
	}
	if (n >= 4)
		return kpi_mix(h ^ kpi_load4(p) << 32, KPI_K2 ^ kpi_load4(p + n - 4));
	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)p[i]) * KPI_K1;
	return kpi_mix(h, KPI_K2);
}

static inline uint64_t kpi_table_hash(const struct kpi_table *t, struct kpi_text tenant, struct kpi_text id)
{
	return kpi_hash(kpi_hash(t->seed, tenant), id);
}

static inline void kpi_table_soon(const struct kpi_table *t, uint64_t hash)
{
	if (t->size)
		__builtin_prefetch(&t->slots[hash & (t->size - 1)]);
}

/* Later: the slot is here, what it names is wanted. */
static inline void kpi_table_item_soon(const struct kpi_table *t, uint64_t hash)
{
	const struct kpi_slot *s = t->size ? &t->slots[hash & (t->size - 1)] : NULL;

	if (s && s->item)
		__builtin_prefetch(s->item, 1);
}

static inline void *kpi_table_find(const struct kpi_table *t, uint64_t hash, struct kpi_text tenant, struct kpi_text id)
{
	if (!t->size)
		return NULL;
	for (size_t i = hash & (t->size - 1); t->slots[i].item; i = (i + 1) & (t->size - 1)) {
		struct kpi_name *name = t->slots[i].item;

		if (t->slots[i].hash == hash && kpi_text_eq(name->id, id) && kpi_text_eq(name->tenant, tenant))
			return name;
	}
	return NULL;
}

#endif
