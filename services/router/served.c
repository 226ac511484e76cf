#include "served.h"

#include "base/clock.h"
#include "log/log.h"
#include "shard.h"

#include <string.h>

#define STAND_IN_MS 5000

/* A tenant as the configuration said last. */
struct placed {
	char tenant[AGENT_ID_TEXT], pool[POOL_TEXT];
	struct served *served; /* NULL: not one of ours */
	bool coming;	       /* from another pool: its shard begins a new epoch with it */
	UT_hash_handle hh;
};

static struct placed *find(const struct router *r, const char *tenant)
{
	struct placed *p;

	HASH_FIND_STR(r->placed, tenant, p);
	return p;
}

static struct served *find_pool(const struct router *r, const char *pool)
{
	struct served *v = r->served;

	while (v && !placement_same(v->pool, pool))
		v = v->next;
	return v;
}

struct shard *served_shard(const struct router *r, const char *tenant)
{
	const struct placed *p = find(r, tenant);

	return p && p->served && !p->coming ? p->served->shards[hash_router_shard(tenant)] : NULL;
}

/* ---- where tenants are ---------------------------------------------------------------------------------------------- */

/* The pool's shards, if they are ours to lead or to stand in for. */
static struct served *served_of(struct router *r, const char *pool)
{
	struct served *v = find_pool(r, pool);

	if (v || !placement_shared(r->served->pool))
		return v;
	if (served_add(r, pool, false)) {
		router_fail(r);
		return NULL;
	}
	return find_pool(r, pool);
}

static struct placed *place_new(struct router *r, const char *tenant)
{
	struct placed *p = mem_zalloc(sizeof(*p));

	if (p) {
		(void)str_copy(p->tenant, sizeof(p->tenant), tenant);
		HASH_ADD_STR(r->placed, tenant, p);
	}
	if (p && TABLE_HAS(p))
		return p;
	mem_free(p);
	router_fail(r);
	return NULL;
}

static void put_into(struct placed *p, struct served *to)
{
	if (p->served)
		p->served->tenants--;
	p->served = to;
	if (to)
		to->tenants++;
}

static void move(struct router *r, struct placed *p, const struct tenant *t)
{
	struct served *from = p->served, *to = served_of(r, t->pool);
	uint32_t n = hash_router_shard(p->tenant);

	LOG_INFO(&(struct log_ctx){ .tenant = p->tenant }, "tenant.moved", "from=%s to=%s shard=%u", p->pool, t->pool,
		 n);
	(void)str_copy(p->pool, sizeof(p->pool), t->pool);
	put_into(p, to);
	if (from && from->shards[n])
		shard_leave(from->shards[n], p->tenant);
	p->coming = to && to->shards[n] && shard_renew(to->shards[n]);
}

void served_tenant(struct router *r, const char *tenant)
{
	const struct tenant *t = tenantconf_find_tenant(r->conf, tenant);
	struct placed *p = find(r, tenant);
	bool fresh = t && !p;
	struct shard *s;

	if (t && p && !str_eq(p->pool, t->pool)) {
		move(r, p, t);
	} else if (fresh && (p = place_new(r, tenant))) {
		(void)str_copy(p->pool, sizeof(p->pool), t->pool);
		put_into(p, served_of(r, t->pool));
	}
	s = served_shard(r, tenant);
	if (s)
		shard_tenant_changed(s, tenant, t);
	if (s && fresh)
		shard_load_agents(s, tenant);
	if (!t && p) {
		put_into(p, NULL);
		HASH_DEL(r->placed, p); // NOLINT(clang-analyzer-core.NullDereference): uthash
		mem_free(p);
	}
}

void served_renewed(struct shard *s)
{
	struct placed *p, *tmp;

	HASH_ITER (hh, s->router->placed, p, tmp)
		if (p->coming && p->served->shards[hash_router_shard(p->tenant)] == s)
			p->coming = false;
}

/* ---- standing in ----------------------------------------------------------------------------------------------------- */

void served_heard(struct router *r, const char *pool)
{
	struct served *v = find_pool(r, pool);

	if (v)
		v->heard_ms = clock_mono_ms();
}

static err_t compete(struct served *v)
{
	err_t e = ERR_OK;

	v->competing = true;
	for (int i = 0; i < ROUTER_SHARDS && !e; i++)
		e = shard_start(v->shards[i]);
	return e;
}

static void stand_in(struct router *r, struct served *v, bool want)
{
	if (want == v->competing)
		return;
	LOG_WARN(NULL, want ? "pool.standing_in" : "pool.given_back", "pool=%s tenants=%u", v->pool, v->tenants);
	if (want) {
		if (compete(v))
			router_fail(r);
		return;
	}
	v->competing = false;
	for (int i = 0; i < ROUTER_SHARDS; i++)
		shard_rest(v->shards[i]);
}

void served_tick(struct router *r)
{
	int64_t now_ms = clock_mono_ms();

	for (struct served *v = r->served; v && r->leasing; v = v->next)
		if (!v->own)
			stand_in(r, v,
				 v->tenants && now_ms - v->heard_ms >= STAND_IN_MS &&
				     now_ms - r->listening_ms >= STAND_IN_MS);
}

/* ---- life ------------------------------------------------------------------------------------------------------------ */

err_t served_start(struct router *r)
{
	return compete(r->served);
}

err_t served_add(struct router *r, const char *pool, bool own)
{
	struct served **end = &r->served, *v = mem_zalloc(sizeof(*v));
	err_t e = ERR_OK;

	if (!v)
		return ERR_EXHAUSTED;
	while (*end)
		end = &(*end)->next;
	*end = v;
	v->own = own;
	v->heard_ms = clock_mono_ms(); /* believed in until its beats would have been heard */
	(void)str_copy(v->pool, sizeof(v->pool), pool);
	for (uint32_t i = 0; i < ROUTER_SHARDS && !e; i++)
		e = shard_new(&v->shards[i], r, v, i);
	return e;
}

void served_stop(struct router *r)
{
	for (struct served *v = r->served; v; v = v->next)
		for (int i = 0; i < ROUTER_SHARDS; i++)
			shard_free(&v->shards[i]);
}

void served_free(struct router *r)
{
	struct placed *p, *tmp;

	HASH_ITER (hh, r->placed, p, tmp) {
		HASH_DEL(r->placed, p); // NOLINT(clang-analyzer-core.NullDereference): uthash
		mem_free(p);
	}
	while (r->served) {
		struct served *v = r->served;

		r->served = v->next;
		mem_free(v);
	}
}
