/*
 * map: a growing hash of intrusive nodes by text key; keys are owned by the nodes' owners. Not thread-safe.
 */
#ifndef TENANTCONF_MAP_H
#define TENANTCONF_MAP_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

struct map_node {
	struct map_node *next;
	const char *key;
	uint32_t hash;
};
struct map {
	struct map_node **buckets;
	size_t n, n_buckets;
};

void map_done(struct map *m); /* the nodes are the owner's */
struct map_node *map_find(const struct map *m, const char *key);
/* The key must not be there. After map_reserve() of one more it cannot fail. */
err_t map_reserve(struct map *m, size_t more) MUST;
void map_add(struct map *m, struct map_node *node, const char *key);
void map_remove(struct map *m, struct map_node *node);
/* Any node, NULL: empty. To empty a map. */
struct map_node *map_first(const struct map *m);
/* The node after, NULL: none; the map must not change in between. */
struct map_node *map_next(const struct map *m, const struct map_node *node);

#endif
