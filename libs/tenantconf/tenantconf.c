/*
 * The reader. Each tenant is an entry that holds its last good snapshot and its agents; its numbers, SIP domain and trunk
 * addresses hang in platform-wide hashes. A new snapshot is prepared completely (memory included) before the old one is
 * let go, so a failure leaves everything as it was.
 */
#include "tenantconf/tenantconf.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "metrics/metrics.h"
#include "tenant_internal.h"
#include "tenantconf/map.h"
#include "tenantconf/prefixes.h"

static struct metric revision_gauge =
    METRIC_GAUGE("trunkline_config_revision", "revision in KV bucket config of the entry applied last");

struct agent {
	struct map_node node; /* by id */
	const struct tenant_agent *conf;
};

struct number {
	struct map_node node; /* by the number without '+' */
	struct entry *entry;
	const struct tenant_number *conf;
};

/* A tenant as this process knows it: agents may come before the tenant itself. */
struct entry {
	struct map_node node;	     /* by tenant id */
	struct map_node domain_node; /* by SIP domain; key NULL: not in the map */
	const struct tenant *conf;   /* NULL: only agents so far */
	struct number *numbers;	     /* one for each of conf */
	struct map agents;
	char id[TENANT_ID_MAX];
};

struct tenantconf {
	struct tenantconf_params params;
	struct bus_kv *kv;
	struct bus_kv_watch *watch;
	bool synced;
	struct map tenants, domains, numbers;
	struct prefixes prefixes;
};

const char *tenantconf_key_main(const char *tenant, char buf[TENANTCONF_KEY])
{
	snprintf(buf, TENANTCONF_KEY, "%s.main", tenant);
	return buf;
}

const char *tenantconf_key_agent(const char *tenant, const char *agent_id, char buf[TENANTCONF_KEY])
{
	snprintf(buf, TENANTCONF_KEY, "%s.agent.%s", tenant, agent_id);
	return buf;
}

static void tell(struct tenantconf *tc, enum tenantconf_change what, const char *tenant, const char *agent)
{
	if (tc->params.on_change)
		tc->params.on_change(what, tenant, agent, tc->params.arg);
}

/* ---- entries ---- */

static struct entry *find_entry(const struct tenantconf *tc, const char *tenant)
{
	return (struct entry *)map_find(&tc->tenants, tenant);
}

static struct entry *get_entry(struct tenantconf *tc, const char *tenant)
{
	struct entry *en = find_entry(tc, tenant);

	if (en || map_reserve(&tc->tenants, 1))
		return en;
	en = mem_zalloc(sizeof(*en));
	if (!en)
		return NULL;
	(void)str_copy(en->id, sizeof(en->id), tenant);
	map_add(&tc->tenants, &en->node, en->id);
	return en;
}

static void drop_entry_if_empty(struct tenantconf *tc, struct entry *en)
{
	if (en->conf || en->agents.n)
		return;
	map_remove(&tc->tenants, &en->node);
	map_done(&en->agents);
	mem_free(en);
}

/* ---- a tenant's snapshot in and out of the platform-wide hashes ---- */

static void detach(struct tenantconf *tc, struct entry *en)
{
	if (!en->conf)
		return;
	for (size_t i = 0; i < en->conf->n_numbers; i++) {
		if (en->numbers[i].entry)
			map_remove(&tc->numbers, &en->numbers[i].node);
	}
	mem_free(en->numbers);
	en->numbers = NULL;
	if (en->domain_node.key)
		map_remove(&tc->domains, &en->domain_node);
	en->domain_node.key = NULL;
	for (size_t i = 0; i < en->conf->n_trunks; i++) {
		for (size_t j = 0; j < en->conf->trunks[i].n_addresses; j++)
			prefixes_remove(&tc->prefixes, &en->conf->trunks[i].addresses[j]);
	}
	tenant_unref(&en->conf);
}

/* A number moves from one tenant to another by two entries that may come in any order: the newer claim wins. */
static void attach_number(struct tenantconf *tc, struct entry *en, size_t i)
{
	const struct tenant_number *n = &en->conf->numbers[i];
	const char *key = n->number + (n->number[0] == '+');
	struct number *other = (struct number *)map_find(&tc->numbers, key);

	if (other) {
		map_remove(&tc->numbers, &other->node);
		other->entry = NULL;
	}
	en->numbers[i].entry = en;
	en->numbers[i].conf = n;
	map_add(&tc->numbers, &en->numbers[i].node, key);
}

static void attach_domain(struct tenantconf *tc, struct entry *en)
{
	struct map_node *other = map_find(&tc->domains, en->conf->sip_domain);

	if (other) {
		map_remove(&tc->domains, other);
		other->key = NULL;
	}
	map_add(&tc->domains, &en->domain_node, en->conf->sip_domain);
}

static size_t count_addresses(const struct tenant *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n_trunks; i++)
		n += t->trunks[i].n_addresses;
	return n;
}

/* Takes the reference conf over, on success. */
static err_t attach(struct tenantconf *tc, struct entry *en, const struct tenant *conf)
{
	struct number *numbers = mem_array(conf->n_numbers + 1, sizeof(*numbers));

	if (!numbers || map_reserve(&tc->numbers, conf->n_numbers) || map_reserve(&tc->domains, 1) ||
	    prefixes_reserve(&tc->prefixes, count_addresses(conf))) {
		mem_free(numbers);
		return ERR_EXHAUSTED;
	}
	detach(tc, en);
	en->conf = conf;
	en->numbers = numbers;
	for (size_t i = 0; i < conf->n_numbers; i++)
		attach_number(tc, en, i);
	attach_domain(tc, en);
	for (size_t i = 0; i < conf->n_trunks; i++) {
		for (size_t j = 0; j < conf->trunks[i].n_addresses; j++)
			prefixes_add(&tc->prefixes, &conf->trunks[i].addresses[j]);
	}
	return ERR_OK;
}

static err_t put_tenant(struct tenantconf *tc, const char *tenant, const struct bus_msg *msg, struct err_detail *d)
{
	const struct tenant *conf;
	err_t e = tenantconf_tenant_from_pb(&conf, msg->data, msg->size, d);

	if (e)
		return e;
	struct entry *en = NULL;
	if (strcmp(conf->id, tenant) != 0)
		e = err_set(d, ERR_INVALID, "tenant", "'%s' under the key of another", conf->id);
	else
		en = get_entry(tc, tenant);
	if (!e)
		e = en ? attach(tc, en, conf) : ERR_EXHAUSTED;
	if (e) {
		if (en)
			drop_entry_if_empty(tc, en);
		tenant_unref(&conf);
		return e;
	}
	tell(tc, TENANTCONF_TENANT, tenant, "");
	return ERR_OK;
}

static void delete_tenant(struct tenantconf *tc, const char *tenant)
{
	struct entry *en = find_entry(tc, tenant);

	if (!en || !en->conf)
		return;
	detach(tc, en);
	drop_entry_if_empty(tc, en);
	tell(tc, TENANTCONF_TENANT, tenant, "");
}

/* ---- agents ---- */

static void agent_free(struct agent *a)
{
	tenant_agent_unref(&a->conf);
	mem_free(a);
}

static err_t attach_agent(struct entry *en, const struct tenant_agent *conf)
{
	struct agent *a = (struct agent *)map_find(&en->agents, conf->id);

	if (!a) {
		a = map_reserve(&en->agents, 1) ? NULL : mem_zalloc(sizeof(*a));
		if (!a)
			return ERR_EXHAUSTED;
	} else {
		map_remove(&en->agents, &a->node); /* its key belongs to the old version */
		tenant_agent_unref(&a->conf);
	}
	a->conf = conf;
	map_add(&en->agents, &a->node, conf->id);
	return ERR_OK;
}

static err_t put_agent(struct tenantconf *tc, const char *tenant, const char *id, const struct bus_msg *msg,
		       struct err_detail *d)
{
	const struct tenant_agent *conf;
	err_t e = tenantconf_agent_from_pb(&conf, msg->data, msg->size, d);

	if (e)
		return e;
	struct entry *en = NULL;
	if (strcmp(conf->tenant, tenant) != 0 || strcmp(conf->id, id) != 0)
		e = err_set(d, ERR_INVALID, "id", "'%s' of '%s' under the key of another", conf->id, conf->tenant);
	else
		en = get_entry(tc, tenant);
	if (!e)
		e = en ? attach_agent(en, conf) : ERR_EXHAUSTED;
	if (e) {
		if (en)
			drop_entry_if_empty(tc, en);
		tenant_agent_unref(&conf);
		return e;
	}
	tell(tc, TENANTCONF_AGENT, tenant, id);
	return ERR_OK;
}

static void delete_agent(struct tenantconf *tc, const char *tenant, const char *id)
{
	struct entry *en = find_entry(tc, tenant);
	struct agent *a = en ? (struct agent *)map_find(&en->agents, id) : NULL;

	if (!a)
		return;
	map_remove(&en->agents, &a->node);
	agent_free(a);
	drop_entry_if_empty(tc, en);
	tell(tc, TENANTCONF_AGENT, tenant, id);
}

/* ---- the watch ---- */

/* "<tenant>.main" or "<tenant>.agent.<id>"; *agent "" for the former. */
static bool parse_key(const char *key, char tenant[TENANT_ID_MAX], char agent[TENANT_ID_MAX])
{
	const char *dot = strchr(key, '.');
	size_t n = dot ? (size_t)(dot - key) : 0;

	if (!n || n >= TENANT_ID_MAX)
		return false;
	memcpy(tenant, key, n);
	tenant[n] = agent[0] = '\0';
	if (!str_is_id(tenant))
		return false;
	if (strcmp(dot, ".main") == 0)
		return true;
	return strncmp(dot, ".agent.", 7) == 0 && str_copy(agent, TENANT_ID_MAX, dot + 7) && str_is_id(agent);
}

static err_t apply(struct tenantconf *tc, enum bus_kv_op op, const char *key, const struct bus_msg *msg,
		   struct err_detail *d)
{
	char tenant[TENANT_ID_MAX], agent[TENANT_ID_MAX];

	if (!parse_key(key, tenant, agent))
		return err_set(d, ERR_INVALID, "key", "neither <tenant>.main nor <tenant>.agent.<id>");
	if (op == BUS_KV_DELETE)
		agent[0] ? delete_agent(tc, tenant, agent) : delete_tenant(tc, tenant);
	else if (!agent[0])
		return put_tenant(tc, tenant, msg, d);
	else if (!tc->params.no_agents)
		return put_agent(tc, tenant, agent, msg, d);
	return ERR_OK;
}

static void on_entry(enum bus_kv_op op, const char *key, const struct bus_msg *msg, void *arg)
{
	struct tenantconf *tc = arg;
	struct err_detail d = { 0 };

	if (op == BUS_KV_SYNCED) {
		tc->synced = true;
		tell(tc, TENANTCONF_SYNCED, "", "");
		return;
	}
	err_t e = apply(tc, op, key, msg, &d);
	metric_set(&revision_gauge, (int64_t)msg->seq);
	if (e == ERR_EXHAUSTED && !d.message[0])
		(void)err_set(&d, e, "", "out of memory");
	if (e && tc->params.on_error)
		tc->params.on_error(key, &d, tc->params.arg);
}

err_t tenantconf_new(struct tenantconf **ret, const struct tenantconf_params *p, struct err_detail *detail)
{
	struct tenantconf *tc = mem_zalloc(sizeof(*tc));

	if (!tc)
		return ERR_EXHAUSTED;
	tc->params = *p;
	metrics_register(&revision_gauge);
	err_t e =
	    bus_kv_open(&tc->kv, p->bus, &(struct bus_kv_params){ .bucket = TENANTCONF_BUCKET, .history = 1 }, detail);
	if (!e)
		e = bus_kv_watch(&tc->watch, tc->kv, p->no_agents ? "*.main" : ">", on_entry, tc);
	if (e)
		tenantconf_free(&tc);
	else
		*ret = tc;
	return e;
}

static void free_agents(struct entry *en)
{
	struct agent *a;

	while ((a = (struct agent *)map_first(&en->agents))) {
		map_remove(&en->agents, &a->node);
		agent_free(a);
	}
}

void tenantconf_free(struct tenantconf **ref)
{
	struct tenantconf *tc = *ref;
	struct entry *en;

	if (!tc)
		return;
	if (tc->watch)
		bus_kv_unwatch(&tc->watch);
	if (tc->kv)
		bus_kv_close(&tc->kv);
	while ((en = (struct entry *)map_first(&tc->tenants))) {
		free_agents(en);
		detach(tc, en);
		drop_entry_if_empty(tc, en);
	}
	map_done(&tc->tenants);
	map_done(&tc->domains);
	map_done(&tc->numbers);
	prefixes_done(&tc->prefixes);
	mem_free(tc);
	*ref = NULL;
}

/* ---- lookups ---- */

bool tenantconf_synced(const struct tenantconf *tc)
{
	return tc->synced;
}

int64_t tenantconf_known_ms(struct tenantconf *tc)
{
	return bus_kv_watch_known_ms(tc->watch);
}

const struct tenant *tenantconf_find_tenant(const struct tenantconf *tc, const char *tenant)
{
	const struct entry *en = find_entry(tc, tenant);

	return en ? en->conf : NULL;
}

const struct tenant *tenantconf_find_tenant_by_domain(const struct tenantconf *tc, const char *sip_domain)
{
	char lower[256];
	size_t n = strlen(sip_domain);

	if (n >= sizeof(lower))
		return NULL;
	for (size_t i = 0; i <= n; i++)
		lower[i] = (char)tolower((unsigned char)sip_domain[i]);
	struct map_node *node = map_find(&tc->domains, lower);
	return node ? ((struct entry *)(void *)((char *)node - offsetof(struct entry, domain_node)))->conf : NULL;
}

const struct tenant_number *tenantconf_find_number(const struct tenantconf *tc, const char *number,
						   const struct tenant **ret_tenant)
{
	struct number *n = (struct number *)map_find(&tc->numbers, number + (number[0] == '+'));

	if (!n)
		return NULL;
	*ret_tenant = n->entry->conf;
	return n->conf;
}

const struct tenant_agent *tenantconf_find_agent(const struct tenantconf *tc, const char *tenant, const char *agent_id)
{
	const struct entry *en = find_entry(tc, tenant);
	const struct agent *a = en ? (struct agent *)map_find(&en->agents, agent_id) : NULL;

	return a ? a->conf : NULL;
}

bool tenantconf_address_known(const struct tenantconf *tc, const struct sockaddr *addr)
{
	struct in6_addr ip;

	return tenant_address(addr, &ip) && prefixes_match(&tc->prefixes, &ip);
}

err_t tenantconf_find_inbound(const struct tenantconf *tc, const struct sockaddr *src, const char *username,
			      const char *called, struct tenantconf_inbound *ret)
{
	const struct tenant *t;
	const struct tenant_number *n = tenantconf_find_number(tc, called, &t);

	if (!n || (t->suspended && !t->announcement))
		return ERR_NOT_FOUND;
	const struct tenant_trunk *trunk =
	    username ? tenant_find_trunk_by_user(t, username) : tenant_find_trunk_by_address(t, src);
	if (!trunk)
		return ERR_DENIED;
	*ret = (struct tenantconf_inbound){ t, n, trunk };
	return ERR_OK;
}

void tenantconf_each_tenant(const struct tenantconf *tc, bool (*fn)(const struct tenant *t, void *arg), void *arg)
{
	for (struct map_node *n = map_first(&tc->tenants); n; n = map_next(&tc->tenants, n)) {
		const struct entry *en = (struct entry *)n;

		if (en->conf && !fn(en->conf, arg))
			return;
	}
}

void tenantconf_each_agent(const struct tenantconf *tc, const char *tenant,
			   bool (*fn)(const struct tenant_agent *a, void *arg), void *arg)
{
	const struct entry *en = find_entry(tc, tenant);

	for (struct map_node *n = en ? map_first(&en->agents) : NULL; n; n = map_next(&en->agents, n)) {
		if (!fn(((struct agent *)n)->conf, arg))
			return;
	}
}

size_t tenantconf_n_agents(const struct tenantconf *tc, const char *tenant)
{
	const struct entry *en = find_entry(tc, tenant);

	return en ? en->agents.n : 0;
}
