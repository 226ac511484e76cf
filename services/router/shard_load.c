/* What a new leader knows already: configuration, agents, who lives. Also says again what a dead writer may not have said. */
#include "shard.h"
#include "log/log.h"

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

	if (served_shard(l->shard->router, t->id) != l->shard)
		return true;
	shard_tenant(l->shard, t);
	tenantconf_each_agent(l->shard->router->conf, t->id, load_agent_conf, l);
	return true;
}

static void load_agent(const char *tenant, const char *agent_id, const struct agent_record *record, uint64_t revision,
		       void *arg)
{
	struct load *l = arg;

	(void)agent_id;
	if (served_shard(l->shard->router, tenant) != l->shard)
		return;
	shard_agent(l->shard, record, revision, false);
	agents_republish(l->shard->router->agents, record, NULL, l->now_ms - ROUTER_REPUBLISH_MS);
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
	if (!s->core) /* somebody else leads already: it stepped down */
		return ERR_OK;
	router_core_stats(s->core, &st);
	return st.broken ? ERR_EXHAUSTED : ERR_OK;
}

static bool load_known(const struct tenant_agent *a, void *arg)
{
	struct load *l = arg;
	uint64_t revision = 0;
	const struct agent_record *record = agents_find(l->shard->router->agents, a->tenant, a->id, &revision);

	shard_agent_conf(l->shard, a->tenant, a->id, a);
	if (record)
		load_agent(a->tenant, a->id, record, revision, l);
	return l->shard->core;
}

void shard_load_agents(struct shard *s, const char *tenant)
{
	struct load l = { s, router_now_ms(s->router) };

	if (s->core)
		tenantconf_each_agent(s->router->conf, tenant, load_known, &l);
}

struct again {
	struct shard *shard;
	const char *writer;
	unsigned n;
};

static void say_agent_again(const char *tenant, const char *agent_id, const struct agent_record *record,
			    uint64_t revision, void *arg)
{
	struct again *a = arg;

	(void)agent_id;
	(void)revision;
	if (served_shard(a->shard->router, tenant) == a->shard)
		a->n += agents_republish(a->shard->router->agents, record, a->writer,
					 router_now_ms(a->shard->router) - AGENT_BEFORE_MS);
}

void shard_say_again(struct shard *s, const char *instance)
{
	struct again a = { s, instance, 0 };

	if (!s->core)
		return;
	agents_each(s->router->agents, say_agent_again, &a);
	LOG_INFO(NULL, "owner.said_again", "owner=%s transitions=%u", instance, a.n);
}
