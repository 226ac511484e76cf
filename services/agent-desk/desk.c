/* desk: set-up, who may call what, readiness, drain. */
#include "desk.h"

#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "events/events.h"
#include "log/log.h"
#include "sign_in.h"
#include "streams.h"

#define GRACE_MS 1000
/* A predecessor of this name that died may have written a record without publishing its event: younger ones are
 * published again. Older ones were, or nobody waits for them. */
#define REPUBLISH_MS 120000

const struct config_item desk_items[] = {
	CONFIG_STR(struct desk_config, grpc_address, "grpc.address", "127.0.0.1:9091",
		   "address of AgentService: host:port"),
	CONFIG_STR(struct desk_config, tls_ca_file, "tls.ca_file", "",
		   "CA of client certificates, which are optional (PEM)"),
	CONFIG_STR(struct desk_config, tls_cert_file, "tls.cert_file", "",
		   "certificate of the server (PEM); empty: no TLS, for loopback only"),
	CONFIG_STR(struct desk_config, tls_key_file, "tls.key_file", "", "its key (PEM)"),
	CONFIG_STR_REQUIRED(struct desk_config, public_key_file, "auth.public_key_file",
			    "public key that tokens are verified with (PEM, P-256)"),
	CONFIG_END,
};

/* ---- callers ---- */
const struct auth_user *desk_user(const struct rpc_call *call)
{
	return rpc_call_user(call);
}

bool desk_is_lead(const struct rpc_call *call)
{
	return auth_has(desk_user(call), RIGHT_DESK_SUPERVISE);
}

err_t desk_agent_of(const struct rpc_call *call, const char *requested, const char **ret, struct err_detail *detail)
{
	const struct auth_user *u = desk_user(call);

	if (!*requested && !*u->agent)
		return err_set(detail, ERR_INVALID, "agent_id", "must be given by who is no agent");
	if (*requested && strcmp(requested, u->agent) != 0 && !desk_is_lead(call))
		return err_set(detail, ERR_NOT_FOUND, "agent_id", "no such agent");
	*ret = *requested ? requested : u->agent;
	return ERR_OK;
}

const char *desk_agent_name(const struct desk *d, const char *tenant, const char *agent_id)
{
	const struct tenant_agent *a = tenantconf_find_agent(d->conf, tenant, agent_id);

	return a ? a->display_name : "";
}

static bool synced(const struct desk *d)
{
	return tenantconf_synced(d->conf) && revoked_synced(d->revoked) && agents_synced(d->agents) &&
	       sign_ins_synced(d->sign_ins);
}

/* As they are now; the token knows them as they were. */
static void set_languages(const struct desk *d, struct rpc_call *call, const struct auth_user *u)
{
	const struct tenant *t = tenantconf_find_tenant(d->conf, u->tenant);
	const struct tenant_agent *a = *u->agent ? tenantconf_find_agent(d->conf, u->tenant, u->agent) : NULL;

	rpc_call_set_languages(call, a && *a->language ? a->language : u->language,
			       t ? t->language : u->tenant_language);
}

static err_t authorize(struct rpc_call *call, const char *method, struct err_detail *detail, void *arg)
{
	struct desk *d = arg;
	struct auth_user u, *kept;
	err_t e = auth_verify(d->verifier, rpc_metadata(call, "authorization"), clock_wall_ms() / 1000, &u, detail);

	if (!e)
		e = revoked_check(d->revoked, &u, detail);
	if (!e) {
		set_languages(d, call, &u);
		e = auth_check(method, &u, detail);
	}
	if (!e && !*u.tenant)
		e = err_set(detail, ERR_DENIED, "", "a tenant's token is needed here");
	if (!e && !synced(d))
		e = err_set(detail, ERR_UNAVAILABLE, "", "the desk is starting: try again");
	if (e)
		return e;
	kept = mem_dup(&u, sizeof(u)); /* who is held is not refused afterwards */
	e = kept ? apirate_take(d->apirate, call, &u, detail) : ERR_EXHAUSTED;
	if (e) {
		mem_free(kept);
		return e;
	}
	rpc_call_set_user(call, kept, mem_free);
	return ERR_OK;
}

static err_t recheck(struct rpc_call *call, struct err_detail *detail, void *arg)
{
	const struct desk *d = arg;

	return revoked_recheck(d->revoked, desk_user(call), clock_wall_ms() / 1000, detail);
}

/* ---- what the stores tell ---- */
static void on_agent(const char *tenant, const char *agent_id, const struct agent_record *record, uint64_t revision,
		     void *arg)
{
	struct desk *d = arg;

	sign_ins_agent(d->sign_ins, tenant, agent_id, record, revision);
	if (d->streams)
		streams_agent(d->streams, tenant, agent_id, record);
}

static void on_bad(const char *key, const struct err_detail *detail, void *arg)
{
	(void)arg;
	metric_add(&desk_metric_bad_messages, 1);
	LOG_WARN(NULL, "entry.ignored", "key=%s field=%s why=%s", LOG_Q(key), detail->field, LOG_Q(detail->message));
}

static void on_revoked(void *arg)
{
	struct desk *d = arg;

	if (!d->facts)
		return;
	streams_sweep(d->streams);
	facts_sweep(d->facts);
}

struct untold {
	const struct desk *desk;
	int64_t since_ms;
	unsigned n;
};

/* What our former self may not have told any more. */
static void say_again(const char *tenant, const char *agent_id, const struct agent_record *r, uint64_t revision,
		      void *arg)
{
	struct untold *u = arg;

	(void)tenant;
	(void)agent_id;
	(void)revision;
	if (r)
		u->n += agents_republish(u->desk->agents, r, u->desk->instance, u->since_ms);
}

static void on_agents_synced(void *arg)
{
	struct desk *d = arg;
	struct untold u = { d, clock_wall_ms() - REPUBLISH_MS, 0 };

	agents_each(d->agents, say_again, &u);
	LOG_INFO(NULL, "agents.synced", "agents=%zu republished=%u", agents_count(d->agents), u.n);
}

static void on_state(bool connected, void *arg)
{
	(void)arg;
	LOG_INFO(NULL, connected ? "bus.connected" : "bus.lost", "site=local");
}

/* ---- readiness and drain ---- */
static bool stores_ready(void *arg)
{
	return synced(arg);
}

static void on_server_stopped(void *arg)
{
	service_drained(((struct desk *)arg)->svc);
}

static void on_drain(void *arg)
{
	struct desk *d = arg;

	rpc_server_stop(d->server, GRACE_MS, on_server_stopped, d);
	streams_close(d->streams);
	facts_close(d->facts);
}

/* ---- set-up ---- */
static err_t open_stores(struct desk *d, struct err_detail *detail)
{
	struct bus_kv_params calls = { .bucket = "calls", .history = 1 };
	struct tenantconf_params conf = { .bus = d->bus, .on_error = on_bad, .arg = d };
	struct agents_store_params agents = { .bus = d->bus,
					      .instance = d->instance,
					      .poll_ms = DESK_NOBODY_MS,
					      .on_change = on_agent,
					      .on_synced = on_agents_synced,
					      .on_bad = on_bad,
					      .arg = d };
	err_t e = events_ensure_stream(d->bus, detail);

	if (!e)
		e = events_new(&d->events, d->bus, d->site, d->source);
	if (!e)
		e = bus_kv_open(&d->calls, d->bus, &calls, detail);
	if (!e)
		e = revoked_new(&d->revoked,
				&(struct revoked_params){ .bus = d->bus, .on_revoked = on_revoked, .arg = d }, detail);
	if (!e)
		e = tenantconf_new(&d->conf, &conf, detail);
	if (!e)
		e = apirate_new(&d->apirate,
				&(struct apirate_params){ .bus = d->bus, .events = d->events, .conf = d->conf },
				detail);
	agents.events = d->events;
	if (!e)
		e = sign_ins_new(&d->sign_ins, d, detail);
	if (!e)
		e = agents_store_new(&d->agents, &agents, detail);
	return e;
}

static err_t open_server(struct desk *d, const struct desk_config *cfg, struct err_detail *detail)
{
	struct rpc_server_params p = { .loop = d->loop,
				       .address = cfg->grpc_address,
				       .authorize = authorize,
				       .recheck = recheck,
				       .arg = d,
				       .max_request_bytes = 65536 };
	err_t e;

	p.tls = (struct rpc_tls){ cfg->tls_ca_file, cfg->tls_cert_file, cfg->tls_key_file, false };
	e = rpc_server_new(&d->server, &p, detail);
	if (!e)
		e = commands_add(d);
	if (!e)
		e = streams_add(d->streams);
	if (!e)
		e = facts_add(d->facts);
	return e ? e : rpc_server_start(d->server);
}

static err_t open_all(struct desk *d, const struct desk_config *cfg, struct err_detail *detail)
{
	const struct service_common *common = service_common(d->svc);
	struct bus_params bp = { .loop = d->loop,
				 .url = common->nats_url,
				 .ca_file = common->nats_ca_file,
				 .name = d->source,
				 .cert_file = common->nats_cert_file,
				 .replicas = (int)common->nats_replicas,
				 .key_file = common->nats_key_file,
				 .on_state = on_state };
	err_t e = auth_verifier_new(&d->verifier, cfg->public_key_file, detail);

	if (!e)
		e = bus_new(&d->bus, &bp, detail);
	if (!e)
		e = streams_new(&d->streams, d);
	if (!e)
		e = open_stores(d, detail);
	if (!e)
		e = queues_new(&d->queues, d);
	if (!e)
		e = facts_new(&d->facts, d);
	return e ? e : open_server(d, cfg, detail);
}

err_t desk_new(struct desk **ret, struct service *svc, const struct desk_config *cfg, struct err_detail *detail)
{
	const struct service_common *common = service_common(svc);
	struct desk *d = mem_zalloc(sizeof(*d));
	err_t e;

	if (!d)
		return ERR_EXHAUSTED;
	d->svc = svc;
	d->loop = service_loop(svc);
	d->site = common->site;
	d->instance = common->instance;
	snprintf(d->source, sizeof(d->source), "agent-desk/%s", common->instance);
	desk_metrics_register();
	e = open_all(d, cfg, detail);
	if (e) {
		desk_free(&d);
		return e;
	}
	service_add_bus(svc, d->bus, true);
	service_add_ready(svc, "configuration and agents", stores_ready, d);
	service_on_drain(svc, on_drain, d);
	*ret = d;
	return ERR_OK;
}

void desk_free(struct desk **desk)
{
	struct desk *d = *desk;

	if (!d)
		return;
	*desk = NULL;
	/* The agents' store first: commands under way hold calls, whose handlers are then never called again. */
	rpc_server_free(&d->server);
	facts_free(&d->facts);
	streams_free(&d->streams);
	queues_free(&d->queues);
	agents_store_free(&d->agents);
	sign_ins_free(&d->sign_ins);
	apirate_stop(d->apirate);
	tenantconf_free(&d->conf);
	revoked_free(&d->revoked);
	events_free(&d->events);
	bus_kv_close(&d->calls);
	bus_free(&d->bus);
	apirate_free(&d->apirate);
	auth_verifier_free(&d->verifier);
	mem_free(d);
}
