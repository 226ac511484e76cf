#include "tenantconf/tenant.h"

#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "tenant_internal.h"

static struct tenant_snapshot *snapshot(const struct tenant *t)
{
	return (struct tenant_snapshot *)t;
}

const struct tenant *tenant_ref(const struct tenant *t)
{
	atomic_fetch_add_explicit(&snapshot(t)->refs, 1, memory_order_relaxed);
	return t;
}

void tenant_unref(const struct tenant **t)
{
	struct tenant_snapshot *s = snapshot(*t);

	*t = NULL;
	if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) > 1)
		return;
	arena_done(&s->arena);
	mem_free(s);
}

const struct tenant_agent *tenant_agent_ref(const struct tenant_agent *a)
{
	atomic_fetch_add_explicit(&((struct tenant_agent_snapshot *)a)->refs, 1, memory_order_relaxed);
	return a;
}

void tenant_agent_unref(const struct tenant_agent **a)
{
	struct tenant_agent_snapshot *s = (struct tenant_agent_snapshot *)*a;

	*a = NULL;
	if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) > 1)
		return;
	arena_done(&s->arena);
	mem_free(s);
}

const struct tenant_queue *tenant_find_queue(const struct tenant *t, const char *id)
{
	size_t i = index_find(&snapshot(t)->queues, id);

	return i == INDEX_NONE ? NULL : &t->queues[i];
}

const struct flow *tenant_find_flow(const struct tenant *t, const char *id)
{
	size_t i = index_find(&snapshot(t)->flows, id);

	if (t->announcement && strcmp(t->announcement->id, id) == 0)
		return t->announcement;
	return i == INDEX_NONE ? NULL : &t->flows[i];
}

const struct tenant_prompt *tenant_find_prompt(const struct tenant *t, const char *id)
{
	size_t i = index_find(&snapshot(t)->prompts, id);

	return i == INDEX_NONE ? NULL : &t->prompts[i];
}

const struct tenant_skill *tenant_find_skill(const struct tenant *t, const char *id)
{
	size_t i = index_find(&snapshot(t)->skills, id);

	return i == INDEX_NONE ? NULL : &t->skills[i];
}

const struct calendar *tenant_find_calendar(const struct tenant *t, const char *id)
{
	size_t i = index_find(&snapshot(t)->calendars, id);

	return i == INDEX_NONE ? NULL : &t->calendars[i];
}

const struct tenant_trunk *tenant_find_trunk(const struct tenant *t, const char *id)
{
	size_t i = index_find(&snapshot(t)->trunks, id);

	return i == INDEX_NONE ? NULL : &t->trunks[i];
}

const struct tenant_number *tenant_find_number(const struct tenant *t, const char *number)
{
	size_t i = index_find(&snapshot(t)->numbers, number + (number[0] == '+'));

	return i == INDEX_NONE ? NULL : &t->numbers[i];
}

bool tenant_address(const struct sockaddr *addr, struct in6_addr *ret)
{
	if (addr->sa_family == AF_INET6) {
		*ret = ((const struct sockaddr_in6 *)(const void *)addr)->sin6_addr;
		return true;
	}
	if (addr->sa_family != AF_INET)
		return false;
	memset(ret, 0, sizeof(*ret));
	ret->s6_addr[10] = ret->s6_addr[11] = 0xff;
	memcpy(&ret->s6_addr[12], &((const struct sockaddr_in *)(const void *)addr)->sin_addr, 4);
	return true;
}

bool tenant_prefix_matches(const struct tenant_prefix *p, const struct in6_addr *addr)
{
	unsigned whole = p->bits / 8, rest = p->bits % 8;

	if (memcmp(&p->addr, addr, whole) != 0)
		return false;
	return !rest || !((p->addr.s6_addr[whole] ^ addr->s6_addr[whole]) >> (8 - rest));
}

const struct tenant_trunk *tenant_find_trunk_by_address(const struct tenant *t, const struct sockaddr *addr)
{
	const struct tenant_trunk *best = NULL;
	unsigned best_bits = 0;
	struct in6_addr ip;

	if (!tenant_address(addr, &ip))
		return NULL;
	for (size_t i = 0; i < t->n_trunks; i++) {
		for (size_t j = 0; j < t->trunks[i].n_addresses; j++) {
			const struct tenant_prefix *p = &t->trunks[i].addresses[j];

			if (tenant_prefix_matches(p, &ip) && (!best || p->bits > best_bits)) {
				best = &t->trunks[i];
				best_bits = p->bits;
			}
		}
	}
	return best;
}

const struct tenant_trunk *tenant_find_trunk_by_user(const struct tenant *t, const char *username)
{
	for (size_t i = 0; i < t->n_trunks && !str_empty(username); i++) {
		if (strcmp(t->trunks[i].username, username) == 0)
			return &t->trunks[i];
	}
	return NULL;
}

const struct tenant_target *tenant_number_target(const struct tenant_number *n, int64_t wall_ms)
{
	if (n->force)
		return &n->forced;
	return calendar_is_working(n->calendar, wall_ms) ? &n->working : &n->other;
}

unsigned tenant_agent_level(const struct tenant_agent *a, const char *skill_id)
{
	size_t lo = 0, hi = a->n_skills;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int order = strcmp(a->skills[mid].skill_id, skill_id);

		if (!order)
			return a->skills[mid].level;
		if (order < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return 0;
}

bool tenant_agent_fits(const struct tenant_agent *a, const struct tenant_queue *q)
{
	for (size_t i = 0; i < q->n_skills; i++) {
		if (tenant_agent_level(a, q->skills[i].skill_id) < q->skills[i].level)
			return false;
	}
	return true;
}
