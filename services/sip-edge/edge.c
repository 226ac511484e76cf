#include "edge.h"
#include "base/clock.h"
#include "base/mem.h"
#include "command.h"
#include "dialog.h"
#include "edge_metrics.h"
#include "farewell.h"
#include "ghosts.h"
#include "guard.h"
#include "nta_glue.h"
#include "outbox.h"
#include "store.h"
#include "tombs.h"
#include "trunk_use.h"

#define TOMBS		   16384
#define NONCES		   65536
#define LAG_PROBE_MS	   50
#define STRAYS_PER_S	   20
#define HAND_OVER_MS	   700 /* for phones that ring to be told to stop */
#define HAND_OVER_LOOK_MS  50
#define HAND_OVER_CLAIM_MS 300 /* for who has just called to be taken: then the next process goes on with the call */
#define REFUSED_S	   10

const char *edge_pool(const struct edge *e, const char *tenant)
{
	const struct tenant *t = tenantconf_find_tenant(e->conf, tenant);

	return t ? t->pool : POOL_SHARED;
}

/* ---- what is measured all the time ---- */

/* Of the offers where the next one of their pool would go: what waits at an instance that stands still says nothing of the others. */
static int64_t longest_wait_ms(const struct edge *e, int64_t now_ms)
{
	const char *pool = NULL;
	int next = CONTROLLER_NONE;
	const struct dialog *d;

	TAILQ_FOREACH(d, &e->offers, offers)
	{
		const char *of = edge_pool(e, d->tenant);

		if (!pool || !placement_same(of, pool))
			next = controllers_next(&e->controllers, of, now_ms);
		pool = of;
		if (d->controller == next || next == CONTROLLER_NONE)
			return now_ms - d->asked_ms;
	}
	return 0;
}

static void admit(struct edge *e, int64_t now_ms)
{
	if (now_ms - e->admission.ticked_ms < ADMISSION_TICK_MS)
		return;
	dialog_offers_check(e, CONTROLLER_NONE);
	admission_tick(&e->admission, now_ms, longest_wait_ms(e, now_ms), e->lag_ms);
	if (admission_limits(&e->admission))
		e->congested_ms = now_ms;
}

/* How late a timer runs is how long everything else waits. Smoothed upwards at once, downwards in an eighth. */
static void on_lag_probe(void *arg)
{
	struct edge *e = arg;
	int64_t late_ms = clock_mono_ms() - e->lag_due_ms;

	if (late_ms < 0)
		late_ms = 0;
	e->lag_ms = late_ms > e->lag_ms ? late_ms : (7 * e->lag_ms + late_ms) / 8;
	e->lag_due_ms = clock_mono_ms() + LAG_PROBE_MS;
	loop_timer_start(&e->lag_probe, LAG_PROBE_MS);
	admit(e, clock_mono_ms());
}

/* Whose calls were refused: tenants have no metrics of their own, whose number nothing bounds. */
static void tell_refused(struct edge *e)
{
	struct shares *all = &e->admission.shares;

	metric_add(&edge_metric_over_share, e->admission.over_share);
	e->admission.over_share = 0;
	if (++e->seconds % REFUSED_S)
		return;
	for (size_t i = 0; i < all->n; i++) {
		struct share *s = &all->of[i];
		struct log_ctx ctx = { .tenant = *s->name == SHARE_UNPROVEN ? s->name + 1 : s->name };

		if (s->refused)
			LOG_WARN(&ctx, "admission.refused",
				 "share=%s refused=%u seconds=%d asks_cps=%.1f share_cps=%.1f", LOG_Q(s->name),
				 s->refused, REFUSED_S, s->demand, all->level);
		s->refused = 0;
	}
}

static void on_second(void *arg)
{
	struct edge *e = arg;
	size_t server, client, legs;

	glue_transactions(e, &server, &client, &legs);
	metric_set(&edge_metric_nta_server, (int64_t)server);
	metric_set(&edge_metric_nta_client, (int64_t)client);
	metric_set(&edge_metric_nta_legs, (int64_t)legs);
	metric_set(&edge_metric_legs, (int64_t)e->n_dialogs);
	metric_set(&edge_metric_offers_open, (int64_t)e->n_offers);
	metric_set(&edge_metric_lag_ms, e->lag_ms);
	glue_watch_connections(e);
	tell_refused(e);
	metric_set(&edge_metric_admitted, (int64_t)e->admission.rate);
	registrar_sweep(e->registrar, clock_steady_ms());
	metric_set(&edge_metric_registrations, (int64_t)registrar_count(e->registrar));
	if (store_synced(e->store)) { /* not before: who asks us about a leg must be told the truth */
		outbox_beat(e->outbox, (unsigned)e->n_dialogs, (unsigned)e->cfg.max_legs, e->draining, e->incarnation);
		ghosts_look(e, clock_mono_ms());
	}
	loop_timer_start(&e->second, 1000);
	if (e->draining && e->n_dialogs == 0)
		service_drained(e->svc);
}

const char *edge_overloaded(struct edge *e)
{
	if (!bus_connected(e->bus))
		return "bus";
	if (e->n_dialogs >= (size_t)e->cfg.max_legs)
		return "legs";
	if (e->n_offers >= (size_t)e->cfg.max_offers)
		return "offers";
	return NULL;
}

bool edge_congested_since(const struct edge *e, int64_t mono_ms)
{
	return e->congested_ms && e->congested_ms >= mono_ms;
}

/* ---- readiness and drain ---- */

static bool config_ready(void *arg)
{
	struct edge *e = arg;

	return tenantconf_synced(e->conf);
}

static bool store_ready(void *arg)
{
	struct edge *e = arg;

	return store_synced(e->store);
}

/* What no call-control has taken, and what we dialled, ends; what is established, or rings at a caller, is for the next process. */
static void on_drain(void *arg)
{
	struct edge *e = arg;

	dialog_drain_all(e, e->cfg.hand_over);
	e->draining = true;
	if (e->cfg.hand_over) {
		e->hand_over_ms = clock_mono_ms();
		loop_timer_start(&e->hand_over, HAND_OVER_LOOK_MS);
	} else if (e->n_dialogs == 0) {
		service_drained(e->svc);
	}
}

static void on_hand_over(void *arg)
{
	struct edge *e = arg;

	if (clock_mono_ms() - e->hand_over_ms >= HAND_OVER_CLAIM_MS)
		dialog_drain_all(e, false);
	if (dialog_all_last(e) || clock_mono_ms() - e->hand_over_ms >= HAND_OVER_MS)
		service_drained(e->svc);
	else
		loop_timer_start(&e->hand_over, HAND_OVER_LOOK_MS);
}

static void on_config_error(const char *key, const struct err_detail *detail, void *arg)
{
	(void)arg;
	LOG_WARN(NULL, "config.invalid", "key=%s field=%s message=%s", LOG_Q(key), LOG_Q(detail->field),
		 LOG_Q(detail->message));
}

static void on_turn_end(void *arg)
{
	struct edge *e = arg;

	if (e->outbox)
		outbox_flush(e->outbox);
}

/* ---- birth and death ---- */

static err_t make_lists(struct edge *e)
{
	struct registrar_limits limits = {
		.min_s = e->cfg.expires_min_s,
		.max_s = e->cfg.expires_max_s,
		.default_s = e->cfg.expires_default_s,
		.max_contacts = (size_t)e->cfg.max_contacts,
	};
	err_t err = registrar_new(&e->registrar, &limits);

	if (!err)
		err = nonces_new(&e->nonces, NULL, NONCES);
	if (!err)
		err = guard_new(&e->guard);
	if (!err)
		err = trunk_uses_new(&e->trunks);
	return err ? err : tombs_new(&e->tombs, TOMBS);
}

static err_t make_bus(struct edge *e, struct err_detail *detail)
{
	const struct service_common *c = service_common(e->svc);
	char name[96];
	struct bus_params p = {
		.loop = e->loop,
		.url = c->nats_url,
		.name = name,
		.ca_file = c->nats_ca_file,
		.cert_file = c->nats_cert_file,
		.replicas = (int)c->nats_replicas,
		.key_file = c->nats_key_file,
	};
	err_t err;

	snprintf(name, sizeof(name), "sip-edge/%s", c->instance);
	/* Before the bus puts its flush there: hooks run in the order of registration. */
	loop_idle_start(&e->turn_end, e->loop, on_turn_end, e);
	err = bus_new(&e->bus, &p, detail);
	if (!err)
		err = outbox_new(&e->outbox, e->bus, e->site, e->instance);
	if (!err)
		err =
		    tenantconf_new(&e->conf,
				   &(struct tenantconf_params){ .bus = e->bus, .on_error = on_config_error, .arg = e },
				   detail);
	return err;
}

/* The agent before the store: what is adopted becomes Sofia's dialogs at once. */
static err_t make(struct edge *e, struct err_detail *detail)
{
	err_t err = make_lists(e);

	if (!err)
		err = sip_root_new(&e->root, e->loop);
	if (err)
		return err_set(detail, err, "sofia", "event root or memory");
	err = make_bus(e, detail);
	if (!err)
		err = glue_agent_new(e, detail);
	if (!err)
		err = store_new(&e->store, e, detail);
	if (!err)
		err = command_start(e);
	return err;
}

err_t edge_new(struct edge **ret, struct service *svc, const struct edge_config *cfg, struct err_detail *detail)
{
	struct edge *e = mem_zalloc(sizeof(*e));
	err_t err;

	if (!e)
		return ERR_EXHAUSTED;
	e->svc = svc;
	e->cfg = *cfg;
	TAILQ_INIT(&e->offers);
	TAILQ_INIT(&e->heard);
	LIST_INIT(&e->farewells);
	controllers_init(&e->controllers);
	e->incarnation = (uint64_t)clock_wall_ms();
	e->born_ms = clock_mono_ms();
	bucket_set(&e->strays, STRAYS_PER_S, e->born_ms);
	admission_init(&e->admission,
		       &(struct admission_params){ .target_ms = cfg->late_ms, .least_cps = cfg->least_cps },
		       clock_mono_ms());
	e->loop = service_loop(svc);
	e->instance = service_common(svc)->instance;
	e->site = service_common(svc)->site;
	edge_metrics_register();
	loop_timer_init(&e->second, e->loop, on_second, e);
	loop_timer_init(&e->lag_probe, e->loop, on_lag_probe, e);
	loop_timer_init(&e->hand_over, e->loop, on_hand_over, e);
	err = make(e, detail);
	if (err) {
		edge_free(&e);
		return err;
	}
	service_add_bus(svc, e->bus, true);
	service_add_ready(svc, "configuration", config_ready, e);
	service_add_ready(svc, "legs of before", store_ready, e);
	service_on_drain(svc, on_drain, e);
	e->lag_due_ms = clock_mono_ms();
	loop_timer_start(&e->lag_probe, 0);
	loop_timer_start(&e->second, 0);
	*ret = e;
	return ERR_OK;
}

void edge_free(struct edge **ref)
{
	struct edge *e = *ref;

	if (!e)
		return;
	loop_timer_done(&e->second);
	loop_timer_done(&e->lag_probe);
	loop_timer_done(&e->hand_over);
	command_stop(e);
	while (e->dialogs)
		dialog_leave(e->dialogs);
	farewell_leave_all(e);
	glue_agent_free(e);
	sip_root_free(&e->root);
	store_free(&e->store);
	tenantconf_free(&e->conf);
	if (e->outbox)
		outbox_flush(e->outbox);
	loop_idle_stop(&e->turn_end);
	outbox_free(&e->outbox);
	bus_free(&e->bus);
	tombs_free(&e->tombs);
	trunk_uses_free(&e->trunks);
	guard_free(&e->guard);
	nonces_free(&e->nonces);
	registrar_free(&e->registrar);
	mem_free(e);
	*ref = NULL;
}
