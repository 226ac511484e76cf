/* control: set-up, readiness, drain. */
#include "control.h"

#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "cc_metrics.h"
#include "events/events.h"
#include "log/log.h"
#include "quota.h"

#define SETTLE_MS      400 /* of each of the two parts of an orderly end, at most */
#define OFFERS_MS      250 /* edges have heard that we drain when we have; what they sent before that is here by then */
#define SETTLE_POLL_MS 10

const struct config_item control_items[] = {
	CONFIG_POOL(struct control_config, pool),
	CONFIG_INT(struct control_config, max_calls, "calls.max", 20000, 1, 1000000,
		   "calls this instance takes at a time; beyond: 503"),
	CONFIG_END,
};

int64_t control_now_ms(const struct control *cc)
{
	(void)cc;
	return clock_steady_ms();
}

const char *control_pool(const struct control *cc, const char *tenant)
{
	const struct tenant *t = tenantconf_find_tenant(cc->conf, tenant);

	return t ? t->pool : POOL_SHARED;
}

void control_router(const struct control *cc, const char *tenant, char subject[BATCH_SUBJECT])
{
	char router[PLACEMENT_ROUTER];

	placement_router(router, control_pool(cc, tenant), hash_router_shard(tenant));
	snprintf(subject, BATCH_SUBJECT, "tl.%s.%s", cc->site, router);
}

static void on_idle(void *arg)
{
	struct control *cc = arg;
	unsigned failed;

	newcomers_turn(cc);
	failed = batches_flush(&cc->batches);
	if (failed)
		metric_add(&cc_metric_send_failed, failed);
}

static void on_state(bool connected, void *arg)
{
	struct control *cc = arg;

	if (connected && !cc->bus_up) {
		peers_listen(cc);
		live_say_again(cc);
		cc->again_ms = clock_mono_ms();
	}
	cc->bus_up = connected;
	LOG_INFO(NULL, connected ? "bus.connected" : "bus.lost", "instance=%s", cc->self.instance);
}

static void on_settle(void *arg);

static void on_tick(void *arg)
{
	struct control *cc = arg;

	if (cc->draining)
		on_settle(cc);
	else
		peers_tick(cc);
}

static bool conf_ready(void *arg)
{
	const struct control *cc = arg;

	return cc->offers != NULL; /* taken from when configuration and agents are here: adopt.c, peers_tick() */
}

static bool media_ready(void *arg)
{
	const struct control *cc = arg;

	return peers_media(cc, cc->pool) != NULL;
}

/* ---- an orderly end ------------------------------------------------------------------------------------------------
 * No new calls, what was on its way to us is still taken, what was begun is written; then we say that we are gone, and the
 * others take the calls at once. */

static void goodbye(struct control *cc)
{
	struct cc_heartbeat hb = { .draining = true };
	char subject[BATCH_SUBJECT];
	struct str out = STR_INIT;

	str_copy(hb.instance, sizeof(hb.instance), cc->self.instance);
	str_copy(hb.service, sizeof(hb.service), "call-control");
	str_copy(hb.pool, sizeof(hb.pool), cc->pool);
	snprintf(subject, sizeof(subject), "tl.%s.hb.call-control.%s", cc->site, cc->self.instance);
	cc_wire_put_heartbeat(&out, &hb);
	if (out.failed || bus_publish(cc->bus, subject, out.data, out.len))
		metric_add(&cc_metric_send_failed, 1);
	str_done(&out);
	service_drained(cc->svc);
}

static void on_settle(void *arg)
{
	struct control *cc = arg;
	int64_t now = clock_mono_ms();

	if (!cc->deaf && ((cc->heard_all_ms && now - cc->heard_all_ms >= OFFERS_MS) || now >= cc->settle_until_ms)) {
		cc->deaf = true; /* or the bus is away: nothing comes any more */
		cc->settle_until_ms = now + SETTLE_MS;
	}
	if (cc->deaf)
		inbox_stop(cc); /* what happens from now on the next owner asks for */
	if (cc->deaf && (live_all_settled(cc) || now >= cc->settle_until_ms))
		goodbye(cc);
	else
		loop_timer_start(&cc->tick, SETTLE_POLL_MS);
}

void control_heard_all(struct control *cc)
{
	if (cc->draining && !cc->heard_all_ms)
		cc->heard_all_ms = clock_mono_ms();
}

static void on_drain(void *arg)
{
	struct control *cc = arg;

	cc->draining = true;
	inbox_drain_offers(cc);
	peers_beat(cc); /* comes back to ourselves when the edges have it: control_heard_all() */
	cc->settle_until_ms = clock_mono_ms() + SETTLE_MS;
	loop_timer_start(&cc->tick, SETTLE_POLL_MS);
}

static void on_conf_error(const char *key, const struct err_detail *d, void *arg)
{
	(void)arg;
	LOG_WARN(NULL, "config.ignored", "key=%s field=%s why=%s", key, LOG_Q(d->field), LOG_Q(d->message));
}

static void on_conf_change(enum tenantconf_change what, const char *tenant, const char *agent_id, void *arg)
{
	struct control *cc = arg;

	(void)agent_id;
	if (what != TENANTCONF_TENANT || !cc->conf)
		return;
	suspended_changed(cc, tenantconf_find_tenant(cc->conf, tenant));
	live_follow(cc, tenant);
}

static err_t open_stores(struct control *cc, struct err_detail *d)
{
	struct bus_kv_params calls = { .bucket = "calls", .history = 1, .marker_ttl_ms = MARKER_MS };
	struct agents_store_params agents = { .bus = cc->bus, .instance = cc->self.instance, .no_watch = true };
	struct tenantconf_params conf = {
		.bus = cc->bus, .on_change = on_conf_change, .on_error = on_conf_error, .arg = cc
	};
	err_t e;

	e = bus_kv_open(&cc->kv, cc->bus, &calls, d);
	if (!e)
		e = events_ensure_stream(cc->bus, d);
	if (!e)
		e = events_new(&cc->events, cc->bus, cc->site, cc->source);
	agents.events = cc->events;
	if (!e)
		e = agents_store_new(&cc->agents, &agents, d);
	if (!e)
		e = tenantconf_new(&cc->conf, &conf, d);
	return e ? e : quota_open(cc, d);
}

err_t control_new(struct control **ret, struct service *svc, const struct control_config *cfg, struct err_detail *d)
{
	const struct service_common *common = service_common(svc);
	struct control *cc = mem_zalloc(sizeof(*cc));
	struct bus_params bp = { .loop = service_loop(svc),
				 .url = common->nats_url,
				 .ca_file = common->nats_ca_file,
				 .cert_file = common->nats_cert_file,
				 .replicas = (int)common->nats_replicas,
				 .key_file = common->nats_key_file,
				 .on_state = on_state };
	err_t e;

	if (!cc)
		return ERR_EXHAUSTED;
	cc->svc = svc;
	cc->loop = service_loop(svc);
	cc->max_calls = cfg->max_calls;
	cc->pool = cfg->pool;
	cc->started_ms = clock_mono_ms();
	cc->listening_ms = cc->ticked_ms = cc->started_ms;
	cc->listening_wall_ms = clock_steady_ms();
	cc->self.incarnation = (uint64_t)clock_wall_ms();
	str_copy(cc->self.instance, sizeof(cc->self.instance), common->instance);
	str_copy(cc->site, sizeof(cc->site), common->site);
	snprintf(cc->source, sizeof(cc->source), "call-control/%s", common->instance);
	cc_metrics_register();
	loop_timer_init(&cc->tick, cc->loop, on_tick, cc);
	anchor_init(cc);
	newcomers_init(cc);
	peers_init(cc);
	loop_idle_start(&cc->idle, cc->loop, on_idle, cc); /* before the bus: its flush comes after ours in each turn */
	bp.name = cc->source;
	bp.arg = cc;
	e = placement_check(cc->pool, d);
	if (!e)
		e = bus_new(&cc->bus, &bp, d);
	batches_init(&cc->batches, cc->bus);
	if (!e)
		e = open_stores(cc, d);
	if (!e)
		e = inbox_start(cc);
	if (e) {
		control_free(&cc);
		return e;
	}
	cc->bus_up = true;
	service_add_bus(svc, cc->bus, true);
	service_add_ready(svc, "configuration", conf_ready, cc);
	service_add_ready(svc, "media engine", media_ready, cc);
	service_on_drain(svc, on_drain, cc);
	peers_tick(cc);
	*ret = cc;
	return ERR_OK;
}

void control_free(struct control **pcc)
{
	struct control *cc = *pcc;

	if (!cc)
		return;
	*pcc = NULL;
	loop_timer_done(&cc->tick);
	anchor_done(cc);
	loop_idle_stop(&cc->idle);
	if (cc->scan)
		bus_kv_unwatch(&cc->scan);
	inbox_stop(cc);
	quota_close(cc);
	agents_store_free(&cc->agents);
	tenantconf_free(&cc->conf);
	events_free(&cc->events);
	bus_kv_close(&cc->kv);
	bus_free(&cc->bus);
	live_free_all(cc);
	quota_free(cc);
	newcomers_free(cc);
	peers_free(cc);
	batches_done(&cc->batches);
	call_todo_reset(&cc->todo);
	mem_free(cc);
}
