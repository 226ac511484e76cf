/* What a new leader knows already: configuration, agents, who lives. Also says again what a dead writer may not have said. */
#include "shard.h"

#define REPUBLISH_MS 60000 /* less than the stream's memory of ids, which makes it harmless */

struct load {
	struct shard *shard;
	int64_t now_ms;
};

static bool load_agent_conf(const struct tenant_agent *a, void *arg)
{
	struct load *l = arg;

	shard_agent_conf(l->shard, a->tenant, a->id, a);
	return true;
}

static bool load_tenant(const struct tenant *t, void *arg)
{
	struct load *l = arg;

	if (router_shard_of(l->shard->router, t->id) != l->shard)
		return true;
	shard_tenant(l->shard, t);
	tenantconf_each_agent(l->shard->router->conf, t->id, load_agent_conf, l);
	return true;
}

static void load_agent(const char *tenant, const char *agent_id, const struct agent_record *record, uint64_t revision,
		       void *arg)
{
	struct load *l = arg;

	if (router_shard_of(l->shard->router, tenant) != l->shard)
		return;
	shard_agent(l->shard, record, revision, false);
	if (record->last.at_ms > l->now_ms - REPUBLISH_MS)
		(void)!agents_republish_last(l->shard->router->agents, tenant, agent_id);
}

err_t shard_load(struct shard *s)
{
	struct load l = { s, router_now_ms(s->router) };
	struct router_core_stats st;

	for (size_t i = 0; i < s->router->owners.n; i++)
		if (s->router->owners.list[i].alive)
			shard_owner(s, s->router->owners.list[i].instance, true);
	tenantconf_each_tenant(s->router->conf, load_tenant, &l);
	agents_each(s->router->agents, load_agent, &l);
	router_core_stats(s->core, &st);
	return st.broken ? ERR_EXHAUSTED : ERR_OK;
}
