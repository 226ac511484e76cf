/* hash: FNV-1a of a text, the same everywhere: shards of tenants, buckets of tables. Not for secrets. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stdint.h>

static inline uint32_t hash_fnv1a32(const char *s)
{
	uint32_t h = 2166136261u;

	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * 16777619u;
	return h;
}

/* Tenants are spread over this many router shards (router.proto). */
#define HASH_ROUTER_SHARDS 16
static inline uint32_t hash_router_shard(const char *tenant)
{
	return hash_fnv1a32(tenant) % HASH_ROUTER_SHARDS;
}

#endif
