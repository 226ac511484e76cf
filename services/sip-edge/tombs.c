#include "tombs.h"
#include "base/table.h"

struct place {
	UT_hash_handle hh;
	struct tomb tomb;
};
struct tombs {
	size_t max, next;
	struct place *hash;
	struct place *ring;
};

err_t tombs_new(struct tombs **ret, size_t max)
{
	struct tombs *t = mem_zalloc(sizeof(*t));

	if (!t)
		return ERR_EXHAUSTED;
	t->max = max;
	t->ring = mem_array(max, sizeof(*t->ring));
	if (!t->ring) {
		mem_free(t);
		return ERR_EXHAUSTED;
	}
	*ret = t;
	return ERR_OK;
}

void tombs_free(struct tombs **ref)
{
	struct tombs *t = *ref;

	if (!t)
		return;
	HASH_CLEAR(hh, t->hash);
	mem_free(t->ring);
	mem_free(t);
	*ref = NULL;
}

void tombs_add(struct tombs *t, const struct tomb *tomb)
{
	struct place *p = &t->ring[t->next];

	t->next = (t->next + 1) % t->max;
	if (TABLE_HAS(p))
		HASH_DEL(t->hash, p);
	p->tomb = *tomb;
	HASH_ADD_STR(t->hash, tomb.leg_id, p);
}

const struct tomb *tombs_find(const struct tombs *t, const char *leg_id)
{
	struct place *p;

	HASH_FIND_STR(t->hash, leg_id, p);
	return p ? &p->tomb : NULL;
}
