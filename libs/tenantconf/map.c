#include "tenantconf/map.h"

#include <string.h>
#include "base/mem.h"
#include "tenantconf/index.h"

void map_done(struct map *m)
{
	mem_free(m->buckets);
	*m = (struct map){ 0 };
}

static struct map_node **bucket(const struct map *m, uint32_t hash)
{
	return &m->buckets[hash & (m->n_buckets - 1)];
}

struct map_node *map_find(const struct map *m, const char *key)
{
	uint32_t hash = index_hash(key);

	if (!m->n)
		return NULL;
	for (struct map_node *n = *bucket(m, hash); n; n = n->next) {
		if (n->hash == hash && strcmp(n->key, key) == 0)
			return n;
	}
	return NULL;
}

err_t map_reserve(struct map *m, size_t more)
{
	size_t want = m->n_buckets ? m->n_buckets : 8;
	struct map old = *m;

	while (want < m->n + more)
		want *= 2;
	if (want == m->n_buckets)
		return ERR_OK;
	struct map_node **buckets = mem_array(want, sizeof(struct map_node *));
	if (!buckets)
		return ERR_EXHAUSTED;
	*m = (struct map){ buckets, 0, want };
	for (size_t i = 0; i < old.n_buckets; i++) {
		for (struct map_node *n = old.buckets[i], *next; n; n = next) {
			next = n->next;
			map_add(m, n, n->key);
		}
	}
	mem_free(old.buckets);
	return ERR_OK;
}

void map_add(struct map *m, struct map_node *node, const char *key)
{
	node->key = key;
	node->hash = index_hash(key);
	struct map_node **b = bucket(m, node->hash);
	node->next = *b;
	*b = node;
	m->n++;
}

void map_remove(struct map *m, struct map_node *node)
{
	struct map_node **at = bucket(m, node->hash);

	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
	m->n--;
}

static struct map_node *first_from(const struct map *m, size_t i)
{
	for (; i < m->n_buckets; i++) {
		if (m->buckets[i])
			return m->buckets[i];
	}
	return NULL;
}

struct map_node *map_first(const struct map *m)
{
	return m->n ? first_from(m, 0) : NULL;
}

struct map_node *map_next(const struct map *m, const struct map_node *node)
{
	return node->next ? node->next : first_from(m, (node->hash & (m->n_buckets - 1)) + 1);
}
