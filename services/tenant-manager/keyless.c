#include "keyless.h"

#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "base/table.h"
#include "publisher_internal.h"

struct keyless_tenant {
	char id[KEYLESS_TENANT];
	UT_hash_handle hh;
};

struct keyless {
	struct bus_kv_watch *watch;
	struct keyless_tenant *tenants;
	void (*seen)(void *arg);
	void *arg;
};

/* Without memory nobody is kept; the next start looks at all of them. */
void keyless_put(struct keyless *k, const char *tenant)
{
	struct keyless_tenant *t = NULL;

	if (k)
		HASH_FIND_STR(k->tenants, tenant, t);
	if (!k || t)
		return;
	t = mem_zalloc(sizeof(*t));
	if (!t)
		return;
	(void)str_copy(t->id, sizeof(t->id), tenant);
	HASH_ADD_STR(k->tenants, id, t);
	if (!TABLE_HAS(t))
		mem_free(t);
}

static void drop(struct keyless *k, struct keyless_tenant *t)
{
	HASH_DEL(k->tenants, t); // NOLINT(clang-analyzer-core.NullDereference): uthash
	mem_free(t);
}

bool keyless_take(struct keyless *k, char tenant[KEYLESS_TENANT])
{
	struct keyless_tenant *t = k ? k->tenants : NULL;

	if (!t)
		return false;
	(void)str_copy(tenant, KEYLESS_TENANT, t->id);
	drop(k, t);
	return true;
}

static void on_entry(enum bus_kv_op op, const char *key, const struct bus_msg *msg, void *arg)
{
	struct keyless *k = arg;
	char tenant[KEYLESS_TENANT];
	size_t n = op == BUS_KV_PUT ? strcspn(key, ".") : KEYLESS_TENANT;

	if (n >= KEYLESS_TENANT || publish_has_keys(msg->data, msg->size))
		return;
	memcpy(tenant, key, n);
	tenant[n] = '\0';
	if (!str_is_id(tenant))
		return;
	keyless_put(k, tenant);
	k->seen(k->arg);
}

err_t keyless_new(struct keyless **ret, struct bus_kv *config, void (*seen)(void *arg), void *arg)
{
	struct keyless *k = mem_zalloc(sizeof(*k));

	if (!k)
		return ERR_EXHAUSTED;
	*k = (struct keyless){ .seen = seen, .arg = arg };
	err_t e = bus_kv_watch(&k->watch, config, "*.main", on_entry, k);
	if (e)
		mem_free(k);
	else
		*ret = k;
	return e;
}

void keyless_free(struct keyless **ref)
{
	struct keyless *k = *ref;

	if (!k)
		return;
	*ref = NULL;
	bus_kv_unwatch(&k->watch);
	while (k->tenants)
		drop(k, k->tenants);
	mem_free(k);
}
