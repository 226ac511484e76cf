#include "router.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "events/events.h"
#include "log/log.h"
#include "router_wire.h"
#include "shard.h"

#include <stdio.h>

#define TICK_MS	   50
#define BEAT_TICKS 20
#define STANDBY_MS \
	250 /* a standby follows the agents in batches: what it does not know yet its first reservation is refused by */

const struct config_item router_items[] = {
	CONFIG_POOL(struct router_config, pool),
	CONFIG_INT(struct router_config, collect_ms, "epoch.collect_ms", 500, 50, 10000,
		   "after a change of leader: longest wait for the call-controls to assert their waiting calls"),
	CONFIG_INT(struct router_config, margin_ms, "reservation.margin_ms", 10000, 1000, 120000,
		   "a reservation lasts the queue's ring timeout and this much longer"),
	CONFIG_INT(struct router_config, owner_timeout_ms, "owner.timeout_ms", 1750, 600, 60000,
		   "a call-control without heartbeat for this long is gone: its waiting calls are not served until "
		   "another asserts them"),
	CONFIG_INT(struct router_config, look_ms, "reconcile.look_ms", 10000, 1000, 600000,
		   "an agent on a call that does not exist at two looks this far apart is set free"),
	CONFIG_END,
};

int64_t router_now_ms(const struct router *r)
{
	(void)r;
	return clock_steady_ms();
}

void router_leading(struct router *r)
{
	bool leads = false;

	for (const struct shard *s = r->shards; s; s = s->next)
		leads |= s->core != NULL;
	if (r->agents)
		agents_poll(r->agents, leads ? 0 : STANDBY_MS);
}

bool router_failed(const struct router *r)
{
	return r->failed;
}

void router_fail(struct router *r)
{
	if (r->failed)
		return;
	r->failed = true;
	LOG_ERROR(NULL, "router.failed", "shards=%lld", (long long)metric_get(&router_metric_leading));
	loop_stop(r->loop);
}

/* ---- what comes in ------------------------------------------------------------------------------------------------- */

static void on_owner(const char *instance, bool alive, void *arg)
{
	struct router *r = arg;

	LOG_INFO(NULL, alive ? "owner.alive" : "owner.gone", "owner=%s", instance);
	for (struct shard *s = r->shards; s; s = s->next) {
		shard_owner(s, instance, alive);
		if (!alive && !r->owners.orderly)
			shard_say_again(s, instance);
	}
}

static void on_heartbeat(const struct bus_msg *msg, void *arg)
{
	struct router *r = arg;
	struct router_heartbeat hb;
	struct err_detail d;

	if (router_heartbeat_from_pb(&hb, msg->data, msg->size, &d))
		metric_add(&router_metric_bad, 1);
	else if (hb.draining)
		owners_gone(&r->owners, hb.instance, hb.incarnation, clock_mono_ms());
	else
		owners_seen(&r->owners, hb.instance, hb.incarnation, clock_mono_ms());
}

static void on_router(const struct bus_msg *msg, void *arg)
{
	struct router_heartbeat hb;
	struct err_detail d;

	if (router_heartbeat_from_pb(&hb, msg->data, msg->size, &d))
		metric_add(&router_metric_bad, 1);
	else if (!hb.draining)
		served_heard(arg, hb.pool);
}

static void on_agent(const char *tenant, const char *agent_id, const struct agent_record *record, uint64_t revision,
		     void *arg)
{
	struct shard *s = served_shard(arg, tenant);
	struct agent_record out;

	if (!s || !s->core)
		return;
	if (!record) { /* deleted: as one who is signed out */
		agent_record_init(&out, tenant, agent_id);
		record = &out;
	}
	shard_agent(s, record, revision, false);
	/* Reserved by a leader before us, which may have ended before it could tell of it. */
	if (s->core && record->state == AGENT_RESERVED && record->router_epoch < s->epoch)
		(void)agents_republish(s->router->agents, record, NULL, router_now_ms(s->router) - ROUTER_REPUBLISH_MS);
}

static void on_bad_agent(const char *key, const struct err_detail *d, void *arg)
{
	(void)arg;
	metric_add(&router_metric_bad, 1);
	LOG_WARN(NULL, "agent.ignored", "key=%s field=%s why=%s", key, LOG_Q(d->field), LOG_Q(d->message));
}

static void on_conf_error(const char *key, const struct err_detail *d, void *arg)
{
	(void)arg;
	LOG_WARN(NULL, "config.ignored", "key=%s field=%s why=%s", key, LOG_Q(d->field), LOG_Q(d->message));
}

static void start_leases(struct router *r)
{
	if (r->leasing || !r->conf || !tenantconf_synced(r->conf) || !r->agents || !agents_synced(r->agents))
		return;
	r->leasing = true;
	err_t e = served_start(r);

	if (!e)
		return;
	LOG_ERROR(NULL, "leases.failed", "error=%s", err_name(e));
	router_fail(r);
}

static void on_conf(enum tenantconf_change what, const char *tenant, const char *agent_id, void *arg)
{
	struct router *r = arg;
	struct shard *s;

	if (what == TENANTCONF_SYNCED) {
		start_leases(r);
		return;
	}
	if (what == TENANTCONF_TENANT) {
		if (r->conf)
			served_tenant(r, tenant);
		return;
	}
	s = served_shard(r, tenant);
	if (s && s->core)
		shard_agent_conf(s, tenant, agent_id, tenantconf_find_agent(r->conf, tenant, agent_id));
}

static void on_synced(void *arg)
{
	start_leases(arg);
}

/* ---- turns --------------------------------------------------------------------------------------------------------- */

static void beat(struct router *r)
{
	struct router_heartbeat hb = { .incarnation = r->incarnation };
	struct str out = STR_INIT;
	char subject[ROUTER_SUBJECT];

	(void)str_copy(hb.instance, sizeof(hb.instance), r->instance);
	(void)str_copy(hb.pool, sizeof(hb.pool), r->cfg->pool);
	(void)snprintf(subject, sizeof(subject), "tl.%s.hb.router.%s", r->site, r->instance);
	router_heartbeat_put(&out, &hb);
	if (out.failed || bus_publish(r->bus, subject, out.data, out.len))
		metric_add(&router_metric_send_failed, 1);
	str_done(&out);
}

static void on_tick(void *arg)
{
	struct router *r = arg;

	if (r->leasing && r->ticks % BEAT_TICKS == 0)
		beat(r);
	r->ticks++;
	owners_tick(&r->owners, clock_mono_ms());
	served_tick(r);
	for (struct shard *s = r->shards; s; s = s->next)
		shard_tick(s, router_now_ms(r));
	loop_timer_start(&r->tick, TICK_MS);
}

static void on_idle(void *arg)
{
	struct router *r = arg;

	for (struct shard *s = r->shards; s; s = s->next)
		metric_add(&router_metric_send_failed, batches_flush(&s->batches));
}

static void on_state(bool connected, void *arg)
{
	struct router *r = arg;

	LOG_INFO(NULL, connected ? "bus.connected" : "bus.lost", "instance=%s", r->instance);
	if (connected)
		r->listening_ms = clock_mono_ms();
	for (struct shard *s = r->shards; connected && s; s = s->next)
		shard_bus_back(s, router_now_ms(r));
}

/* ---- life ---------------------------------------------------------------------------------------------------------- */

static bool data_ready(void *arg)
{
	return ((const struct router *)arg)->leasing;
}

/* The leases go at once: a standby leads within a heartbeat, not after the lease's time. */
static void on_drain(void *arg)
{
	struct router *r = arg;

	loop_timer_stop(&r->tick);
	r->leasing = true;
	served_stop(r);
	service_drained(r->svc);
}

static err_t open_stores(struct router *r, struct err_detail *d)
{
	struct agents_store_params agents = { .bus = r->bus,
					      .instance = r->instance,
					      .poll_ms = STANDBY_MS,
					      .on_change = on_agent,
					      .on_synced = on_synced,
					      .on_bad = on_bad_agent,
					      .arg = r };
	struct tenantconf_params conf = { .bus = r->bus, .on_change = on_conf, .on_error = on_conf_error, .arg = r };
	err_t e = bus_kv_open(&r->calls, r->bus, &(struct bus_kv_params){ .bucket = "calls", .history = 1 }, d);

	if (!e)
		e = bus_lease_prepare(r->bus, d);
	if (!e)
		e = events_ensure_stream(r->bus, d);
	if (!e)
		e = events_new(&r->events, r->bus, r->site, r->source);
	agents.events = r->events;
	if (!e)
		e = agents_store_new(&r->agents, &agents, d);
	if (!e)
		e = tenantconf_new(&r->conf, &conf, d);
	return e;
}

static err_t connect_bus(struct router *r, struct err_detail *d)
{
	const struct service_common *c = service_common(r->svc);
	struct bus_params bp = { .loop = r->loop,
				 .url = c->nats_url,
				 .name = r->source,
				 .ca_file = c->nats_ca_file,
				 .cert_file = c->nats_cert_file,
				 .replicas = (int)c->nats_replicas,
				 .key_file = c->nats_key_file,
				 .on_state = on_state,
				 .arg = r };
	char subject[ROUTER_SUBJECT];
	err_t e = placement_check(r->cfg->pool, d);

	if (e)
		return e;
	loop_idle_start(&r->idle, r->loop, on_idle, r); /* before the bus: its flush comes after ours in each turn */
	e = bus_new(&r->bus, &bp, d);
	if (!e)
		e = served_add(r, r->cfg->pool, true);
	(void)snprintf(subject, sizeof(subject), "tl.%s.hb.call-control.*", r->site);
	if (!e)
		e = bus_subscribe(&r->heartbeats, r->bus, subject, NULL, on_heartbeat, r);
	(void)snprintf(subject, sizeof(subject), "tl.%s.hb.router.*", r->site);
	if (!e)
		e = bus_subscribe(&r->routers, r->bus, subject, NULL, on_router, r);
	return e;
}

err_t router_new(struct router **ret, struct service *svc, const struct router_config *cfg, struct err_detail *detail)
{
	const struct service_common *c = service_common(svc);
	struct router *r = mem_zalloc(sizeof(*r));
	err_t e;

	if (!r)
		return ERR_EXHAUSTED;
	r->svc = svc;
	r->loop = service_loop(svc);
	r->cfg = cfg;
	(void)str_copy(r->instance, sizeof(r->instance), c->instance);
	(void)str_copy(r->site, sizeof(r->site), c->site);
	(void)snprintf(r->source, sizeof(r->source), "router/%s", c->instance);
	r->listening_ms = clock_mono_ms();
	r->incarnation = (uint64_t)clock_wall_ms();
	router_metrics_register(cfg->pool);
	owners_init(&r->owners, cfg->owner_timeout_ms, on_owner, r);
	loop_timer_init(&r->tick, r->loop, on_tick, r);
	e = connect_bus(r, detail);
	if (!e)
		e = open_stores(r, detail);
	if (e) {
		router_free(&r);
		return e;
	}
	service_add_bus(svc, r->bus, true);
	service_add_ready(svc, "configuration and agents", data_ready, r);
	service_on_drain(svc, on_drain, r);
	loop_timer_start(&r->tick, TICK_MS);
	*ret = r;
	return ERR_OK;
}

void router_free(struct router **ref)
{
	struct router *r = *ref;

	if (!r)
		return;
	loop_timer_done(&r->tick);
	served_stop(r);
	bus_unsubscribe(&r->heartbeats);
	bus_unsubscribe(&r->routers);
	if (r->conf)
		tenantconf_free(&r->conf);
	agents_store_free(&r->agents);
	events_free(&r->events);
	if (r->calls)
		bus_kv_close(&r->calls);
	bus_free(&r->bus);
	loop_idle_stop(&r->idle);
	owners_done(&r->owners);
	served_free(r);
	mem_free(r);
	*ref = NULL;
}
