/* Things by name. */
#include "core_internal.h"
#include "base/mem.h"
#include "base/str.h"

struct key { /* what all look-ups compare */
	uint32_t tenant;
	const char *id;
};

#define DEFINE_IS(type)                                                     \
	static bool type##_is(const void *obj, const void *key)             \
	{                                                                   \
		const struct type *o = obj;                                 \
		const struct key *k = key;                                  \
                                                                            \
		return o->tenant == k->tenant && strcmp(o->id, k->id) == 0; \
	}
DEFINE_IS(skill)
DEFINE_IS(call)

static bool queue_is(const void *obj, const void *key)
{
	const struct queue *q = obj;
	const struct key *k = key;

	__builtin_prefetch(q->group);
	return q->tenant == k->tenant && strcmp(q->id, k->id) == 0;
}

/* Whoever asks for an agent reads most of it: its cache lines at once, and the way to its groups and feeds. */
static bool agent_is(const void *obj, const void *key)
{
	const struct agent *a = obj;
	const struct key *k = key;

	__builtin_prefetch(a->id);
	__builtin_prefetch(&a->ready_since_ms, 1);
	__builtin_prefetch(a->few_places, 1);
	__builtin_prefetch(a->call_id);
	if (a->class) {
		__builtin_prefetch(a->class, 1);
		__builtin_prefetch(a->class->few_feeds);
		__builtin_prefetch(a->class->few_groups);
	}
	return a->tenant == k->tenant && strcmp(a->id, k->id) == 0;
}

static bool tenant_is(const void *obj, const void *key)
{
	return strcmp(((const struct tenant *)obj)->id, key) == 0;
}

static bool owner_is(const void *obj, const void *key)
{
	return strcmp(((const struct owner *)obj)->id, key) == 0;
}

static bool site_is(const void *obj, const void *key)
{
	return strcmp(((const struct site *)obj)->id, key) == 0;
}

static bool orphan_is(const void *obj, const void *key)
{
	const struct agent *a = obj;
	const struct key *k = key;

	return a->tenant == k->tenant && strcmp(a->call_id, k->id) == 0;
}

static struct tenant *tenant_by_name(struct router_core *core, const char *id)
{
	/* Events come in runs of one tenant. */
	if (!core->last_tenant || strcmp(core->last_tenant->id, id) != 0)
		core->last_tenant = hmap_find(&core->tenants, hmap_hash(0, id), tenant_is, id);
	return core->last_tenant;
}

struct tenant *core_tenant_find(struct router_core *core, const char *id)
{
	struct tenant *t = tenant_by_name(core, id);

	return t && !t->left ? t : NULL;
}

bool core_tenant_left(struct router_core *core, const char *id)
{
	const struct tenant *t = tenant_by_name(core, id);

	return t && t->left;
}

struct tenant *core_tenant_get(struct router_core *core, const char *id)
{
	struct tenant *t = tenant_by_name(core, id);
	struct skill *everyone;
	uint32_t index;

	if (t)
		return t->left ? NULL : t;
	t = pool_get(&core->tenant_pool, &index);
	if (!t)
		goto broken;
	t->index = index;
	t->hash = hmap_hash(0, id);
	(void)str_copy(t->id, sizeof(t->id), id);
	everyone = core_skill_get(core, index, "");
	if (!everyone || hmap_add(&core->tenants, t->hash, t)) {
		pool_put(&core->tenant_pool, index);
		goto broken;
	}
	t->everyone = everyone->index;
	return t;
broken:
	core_break(core);
	return NULL;
}

const char *core_tenant_name(const struct router_core *core, uint32_t tenant)
{
	return ((const struct tenant *)pool_at(&core->tenant_pool, tenant))->id;
}

/* One body for what is named within a tenant. */
#define DEFINE_FIND(type)                                                                                        \
	struct type *core_##type##_find(const struct router_core *core, uint32_t tenant, const char *id)         \
	{                                                                                                        \
		return hmap_find(&core->type##s, hmap_hash(tenant, id), type##_is, &(struct key){ tenant, id }); \
	}
DEFINE_FIND(skill)
DEFINE_FIND(queue)
DEFINE_FIND(agent)
DEFINE_FIND(call)

struct call *core_call_find_hashed(const struct router_core *core, uint32_t tenant, const char *id, uint64_t hash)
{
	return hmap_find(&core->calls, hash, call_is, &(struct key){ tenant, id });
}

#define DEFINE_NEW(type)                                                                                         \
	static struct type *type##_new(struct router_core *core, uint32_t tenant, const char *id, uint64_t hash) \
	{                                                                                                        \
		uint32_t index;                                                                                  \
		struct type *o = pool_get(&core->type##_pool, &index);                                           \
                                                                                                                 \
		if (!o)                                                                                          \
			goto broken;                                                                             \
		o->index = index;                                                                                \
		o->tenant = tenant;                                                                              \
		o->hash = hash;                                                                                  \
		(void)str_copy(o->id, sizeof(o->id), id);                                                        \
		if (!hmap_add(&core->type##s, o->hash, o))                                                       \
			return o;                                                                                \
		pool_put(&core->type##_pool, index);                                                             \
	broken:                                                                                                  \
		core_break(core);                                                                                \
		return NULL;                                                                                     \
	}
DEFINE_NEW(skill)
DEFINE_NEW(queue)
DEFINE_NEW(agent)
DEFINE_NEW(call)

static struct skill *new_skill(struct router_core *core, uint32_t tenant, const char *id)
{
	struct skill *s = skill_new(core, tenant, id, hmap_hash(tenant, id));

	for (unsigned l = 1; s && l <= LEVELS; l++)
		feed_init(skill_feed(s, l));
	return s;
}

struct skill *core_skill_get(struct router_core *core, uint32_t tenant, const char *id)
{
	struct skill *s = core_skill_find(core, tenant, id);

	return s ? s : new_skill(core, tenant, id);
}

struct queue *core_queue_get(struct router_core *core, uint32_t tenant, const char *id)
{
	struct tenant *t = pool_at(&core->tenant_pool, tenant);
	struct queue *q = core_queue_find(core, tenant, id);

	if (q)
		return q;
	q = queue_new(core, tenant, id, hmap_hash(tenant, id));
	if (q && !u32s_add(&t->queues, q->index))
		core_break(core);
	return q;
}

struct agent *core_agent_get(struct router_core *core, uint32_t tenant, const char *id)
{
	uint64_t hash = hmap_hash(tenant, id);
	struct agent *a = hmap_find(&core->agents, hash, agent_is, &(struct key){ tenant, id });

	if (a)
		return a;
	a = agent_new(core, tenant, id, hash);
	if (!a)
		return NULL;
	a->timer.of = TIMER_OF_AGENT;
	a->state = AGENT_SIGNED_OUT;
	a->site = "";
	return a;
}

struct call *core_call_new(struct router_core *core, uint32_t tenant, const char *id, uint64_t hash)
{
	struct call *c = call_new(core, tenant, id, hash);

	if (!c)
		return NULL;
	c->node.id = c->id;
	c->node.pos = CALLHEAP_NONE;
	c->timer.of = TIMER_OF_CALL;
	c->state = CALL_PARKED;
	return c;
}

struct owner *core_owner_get(struct router_core *core, const char *id)
{
	struct owner *o = core->last_owner;
	uint64_t hash;
	uint32_t index;

	if (o && strcmp(o->id, id) == 0)
		return o;
	hash = hmap_hash(0, id);
	o = core->last_owner = hmap_find(&core->owners, hash, owner_is, id);
	if (o)
		return o;
	o = pool_get(&core->owner_pool, &index);
	if (!o)
		goto broken;
	o->index = index;
	o->hash = hash;
	o->alive = true;
	(void)str_copy(o->id, sizeof(o->id), id);
	if (!hmap_add(&core->owners, hash, o))
		return o;
	pool_put(&core->owner_pool, index);
broken:
	core_break(core);
	return NULL;
}

const char *core_site(struct router_core *core, const char *id)
{
	struct site *s = core->last_site;
	uint64_t hash;
	uint32_t index;

	if (s && strcmp(s->id, id) == 0)
		return s->id;
	hash = hmap_hash(0, id);
	s = hmap_find(&core->sites, hash, site_is, id);
	if (s) {
		core->last_site = s;
		return s->id;
	}
	s = pool_get(&core->site_pool, &index);
	if (!s)
		goto broken;
	s->index = index;
	s->hash = hash;
	(void)str_copy(s->id, sizeof(s->id), id);
	if (!hmap_add(&core->sites, hash, s))
		return s->id;
broken:
	core_break(core);
	return "";
}

struct agent *core_orphan_find(const struct router_core *core, uint32_t tenant, const char *call_id)
{
	if (!core->orphans.n) /* nearly always */
		return NULL;
	return hmap_find(&core->orphans, hmap_hash(tenant, call_id), orphan_is, &(struct key){ tenant, call_id });
}

/* By the agent's present call_id; to be taken out before that changes. */
void core_orphan_set(struct router_core *core, struct agent *a, bool orphan)
{
	if (a->orphan == orphan)
		return;
	a->orphan = orphan;
	if (!orphan) {
		hmap_remove(&core->orphans, a->orphan_hash, a);
		return;
	}
	a->orphan_hash = hmap_hash(a->tenant, a->call_id);
	if (hmap_add(&core->orphans, a->orphan_hash, a)) {
		a->orphan = false;
		core_break(core);
	}
}
