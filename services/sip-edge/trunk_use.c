#include "trunk_use.h"
#include "base/table.h"

#include <stdbool.h>
#include <stdio.h>

struct trunk_use {
	UT_hash_handle hh;
	unsigned n;
	char key[160];
};
struct trunk_uses {
	struct trunk_use *hash;
};

err_t trunk_uses_new(struct trunk_uses **ret)
{
	*ret = mem_zalloc(sizeof(**ret));
	return *ret ? ERR_OK : ERR_EXHAUSTED;
}

void trunk_uses_free(struct trunk_uses **ref)
{
	struct trunk_use *use, *next;

	if (!*ref)
		return;
	HASH_ITER (hh, (*ref)->hash, use, next) {
		HASH_DEL((*ref)->hash, use);
		mem_free(use);
	}
	mem_free(*ref);
	*ref = NULL;
}

static struct trunk_use *get(struct trunk_uses *u, const char *key)
{
	struct trunk_use *use;

	HASH_FIND_STR(u->hash, key, use);
	if (use)
		return use;
	use = mem_zalloc(sizeof(*use));
	if (!use)
		return NULL;
	snprintf(use->key, sizeof(use->key), "%s", key);
	HASH_ADD_STR(u->hash, key, use);
	if (TABLE_HAS(use))
		return use;
	mem_free(use);
	return NULL;
}

err_t trunk_use_take(struct trunk_use **ret, struct trunk_uses *u, const char *tenant, const char *trunk, unsigned max)
{
	struct trunk_use *use;
	char key[160];

	snprintf(key, sizeof(key), "%s.%s", tenant, trunk);
	use = get(u, key);
	if (!use || (max && use->n >= max))
		return ERR_EXHAUSTED;
	use->n++;
	*ret = use;
	return ERR_OK;
}

void trunk_use_give(struct trunk_uses *u, struct trunk_use **use)
{
	if (!*use)
		return;
	if (--(*use)->n == 0) {
		HASH_DEL(u->hash, *use);
		mem_free(*use);
	}
	*use = NULL;
}
