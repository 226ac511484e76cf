#include "shard.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "log/log.h"

#include <utlist.h>

#include <stdio.h>

#define RENEW_MS 1000 /* many tenants that move to a shard do not keep it collecting all the time */

/* ---- inputs -------------------------------------------------------------------------------------------------------- */

/* The counters of the core, as far as the metrics do not have them. */
static void count(struct shard *s)
{
	struct router_core_stats now;

	router_core_stats(s->core, &now);
	metric_add(&router_metric_assigned, (int64_t)(now.assigned - s->told.assigned));
	metric_add(&router_metric_conflicts, (int64_t)(now.conflicts - s->told.conflicts));
	metric_add(&router_metric_given_back, (int64_t)(now.given_back - s->told.given_back));
	metric_add(&router_metric_reconciled, (int64_t)(now.reconciled - s->told.reconciled));
	metric_add(&router_metric_waiting, (int64_t)now.calls_waiting - (int64_t)s->told.calls_waiting);
	metric_add(&router_metric_idle, (int64_t)now.agents_idle - (int64_t)s->told.agents_idle);
	s->told = now;
}

static struct metric *leading(const struct shard *s)
{
	return s->served->own ? &router_metric_leading : &router_metric_stood_in;
}

static void stop_leading(struct shard *s)
{
	if (!s->core)
		return;
	count(s);
	metric_add(&router_metric_waiting, -(int64_t)s->told.calls_waiting);
	metric_add(&router_metric_idle, -(int64_t)s->told.agents_idle);
	metric_add(leading(s), -1);
	bus_unsubscribe(&s->sub);
	shard_conf_stop(s);
	batches_drop(&s->batches);
	router_core_free(&s->core);
	s->epoch = 0;
	router_leading(s->router);
}

/* Ends this epoch and begins another: ours again, or that of another router of the pool. */
static void begin_anew(struct shard *s)
{
	stop_leading(s);
	bus_lease_stop(&s->lease);
	if (shard_start(s))
		router_fail(s->router);
}

/* Something carries a newer epoch than ours: whatever our lease says, we do not lead. */
static void step_down(struct shard *s)
{
	LOG_WARN(NULL, "shard.deposed", "pool=%s shard=%u epoch=%llu", s->served->pool, s->number,
		 (unsigned long long)s->epoch);
	metric_add(&router_metric_fenced, 1);
	begin_anew(s);
}

void shard_after(struct shard *s, err_t e)
{
	const struct router_fx *fx;
	size_t n;

	if (e == ERR_ABORTED) {
		step_down(s);
		return;
	}
	if (e) {
		router_fail(s->router);
		return;
	}
	for (fx = router_core_effects(s->core, &n); n; n--, fx++)
		perform(s, fx);
	router_core_effects_done(s->core);
}

void shard_agent_conf(struct shard *s, const char *tenant, const char *agent_id, const struct tenant_agent *a)
{
	struct router_agent_conf conf = { .tenant = tenant, .agent_id = agent_id };

	if (!s->core)
		return;
	if (a) {
		conf.skills = (const struct router_skill *)a->skills;
		conf.n_skills = a->n_skills;
		conf.enabled = a->enabled;
		conf.auto_ready = a->auto_ready_after_wrap_up;
	}
	shard_after(s, router_core_agent_conf(s->core, &conf, router_now_ms(s->router)));
}

void shard_agent(struct shard *s, const struct agent_record *rec, uint64_t revision, bool read)
{
	struct router_agent_in in = { .tenant = rec->tenant,
				      .agent_id = rec->agent_id,
				      .revision = revision,
				      .state = rec->state,
				      .on_duty = agent_on_duty(rec),
				      .ready_since_ms = rec->ready_since_ms,
				      .call_id = rec->call_id,
				      .leg_id = rec->leg_id,
				      .site = rec->site,
				      .router_epoch = rec->router_epoch,
				      .reserved_until_ms = rec->reserved_until_ms,
				      .wrap_up_until_ms = rec->wrap_up_until_ms,
				      .read = read };

	if (s->core)
		shard_after(s, router_core_agent(s->core, &in, router_now_ms(s->router)));
}

void shard_owner(struct shard *s, const char *owner, bool alive)
{
	if (s->core)
		shard_after(s, router_core_owner(s->core, owner, alive, router_now_ms(s->router)));
}

/* ---- requests ------------------------------------------------------------------------------------------------------ */

static void on_request(struct shard *s, const struct router_requests *all, const struct router_request *r)
{
	int64_t now_ms = router_now_ms(s->router);
	err_t e = ERR_OK;

	if (r->kind != ROUTER_REQUEST_ASSERT_END && served_shard(s->router, r->enqueue.tenant) != s) {
		metric_add(&router_metric_bad, hash_router_shard(r->enqueue.tenant) != s->number);
		return; /* has moved, or is about to come: its holder says it again, where and when it is heard */
	}
	switch (r->kind) {
	case ROUTER_REQUEST_ENQUEUE:
		e = router_core_enqueue(s->core, &r->enqueue, now_ms);
		break;
	case ROUTER_REQUEST_DEQUEUE:
		e = router_core_dequeue(s->core, r->enqueue.tenant, r->enqueue.call_id, r->enqueue.call_epoch, now_ms);
		break;
	case ROUTER_REQUEST_RESULT:
		e = router_core_result(s->core, &r->result, now_ms);
		break;
	case ROUTER_REQUEST_ASSERT_END:
		e = router_core_assert_end(s->core, all->owner, r->router_epoch, now_ms);
		break;
	}
	shard_after(s, e);
}

static void on_requests(const struct bus_msg *msg, void *arg)
{
	struct shard *s = arg;
	struct err_detail d = { "", "" };
	struct router_requests all;
	int64_t t0 = clock_mono_us();

	if (router_requests_from_pb(&all, msg->data, msg->size, &d)) {
		metric_add(&router_metric_bad, 1);
		LOG_WARN(NULL, "bus.bad_message", "subject=%s field=%s why=%s", msg->subject, LOG_Q(d.field),
			 LOG_Q(d.message));
		return;
	}
	if (all.n_bad) {
		metric_add(&router_metric_bad, (int64_t)all.n_bad);
		LOG_WARN(NULL, "bus.bad_request", "owner=%s n=%zu field=%s why=%s", all.owner, all.n_bad,
			 LOG_Q(all.first_bad.field), LOG_Q(all.first_bad.message));
	}
	owners_seen(&s->router->owners, all.owner, 0, clock_mono_ms());
	metric_add(&router_metric_requests, (int64_t)all.n);
	for (size_t i = 0; i < all.n && s->core; i++)
		on_request(s, &all, &all.list[i]);
	router_requests_done(&all);
	metric_observe_us(&router_metric_input_us, clock_mono_us() - t0);
}

/* ---- leading ------------------------------------------------------------------------------------------------------- */

static void tell_epoch(struct shard *s)
{
	struct str out = STR_INIT;
	char subject[ROUTER_SUBJECT];

	s->asked_ms = router_now_ms(s->router);
	(void)snprintf(subject, sizeof(subject), "tl.%s.router-epoch", s->router->site);
	router_epoch_put(&out, s->served->pool, s->number, s->epoch, s->router->instance);
	if (out.failed || bus_publish(s->router->bus, subject, out.data, out.len))
		metric_add(&router_metric_send_failed, 1);
	str_done(&out);
}

void shard_bus_back(struct shard *s, int64_t now_ms)
{
	if (!s->core)
		return;
	shard_after(s, router_core_collect(s->core, now_ms));
	if (s->core)
		tell_epoch(s);
}

static err_t start_leading(struct shard *s, uint64_t epoch)
{
	struct router *r = s->router;
	char subject[ROUTER_SUBJECT], name[PLACEMENT_ROUTER];
	struct router_core_params p = { .epoch = epoch,
					.now_ms = router_now_ms(r),
					.collect_ms = r->cfg->collect_ms,
					.margin_ms = r->cfg->margin_ms,
					.look_ms = r->cfg->look_ms };
	err_t e = router_core_new(&s->core, &p);

	if (e)
		return e;
	s->epoch = epoch;
	s->told = (struct router_core_stats){ 0 };
	router_leading(r);
	s->renew = false;
	s->led_ms = clock_mono_ms();
	served_renewed(s);
	metric_add(leading(s), 1);
	metric_add(&router_metric_takeovers, 1);
	e = shard_load(s);
	if (e || !s->core)
		return e;
	placement_router(name, s->served->pool, s->number);
	(void)snprintf(subject, sizeof(subject), "tl.%s.%s", r->site, name);
	e = bus_subscribe(&s->sub, r->bus, subject, NULL, on_requests, s);
	if (!e)
		tell_epoch(s);
	return e;
}

static void on_acquired(uint64_t epoch, void *arg)
{
	struct shard *s = arg;
	struct router_core_stats st;
	err_t e = start_leading(s, epoch);

	if (e) {
		LOG_ERROR(NULL, "shard.failed", "pool=%s shard=%u epoch=%llu error=%s", s->served->pool, s->number,
			  (unsigned long long)epoch, err_name(e));
		stop_leading(s);
		router_fail(s->router);
		return;
	}
	if (!s->core) /* it has stepped down while it read what there is */
		return;
	router_core_stats(s->core, &st);
	LOG_INFO(NULL, "shard.leading", "pool=%s shard=%u epoch=%llu agents=%zu queues=%zu", s->served->pool, s->number,
		 (unsigned long long)epoch, st.agents, st.queues);
}

static void on_lost(void *arg)
{
	struct shard *s = arg;

	metric_add(&router_metric_leases_over, 1);
	LOG_WARN(NULL, "shard.lost", "pool=%s shard=%u epoch=%llu", s->served->pool, s->number,
		 (unsigned long long)s->epoch);
	stop_leading(s);
}

static void on_status(const struct router_queue_status *st, void *arg)
{
	struct shard *s = arg;
	char subject[ROUTER_SUBJECT];
	struct str *out;
	bool fresh;

	(void)snprintf(subject, sizeof(subject), "tl.%s.queue-status.%s", s->router->site, st->tenant);
	out = batches_get(&s->batches, subject, &fresh);
	if (fresh)
		router_statuses_put_head(out, st->tenant, s->epoch);
	router_statuses_put(out, st);
}

bool shard_renew(struct shard *s)
{
	s->renew = s->core;
	return s->renew;
}

void shard_leave(struct shard *s, const char *tenant)
{
	if (!s->core)
		return;
	shard_conf_drop(s, tenant);
	shard_after(s, router_core_leave(s->core, tenant, router_now_ms(s->router)));
}

/* What is due of one tenant's must not wait for the next tick because another's ten thousand are due as well (GT-3.1.2d). */
static void fire_timers(void *arg)
{
	struct shard *s = arg;

	if (!s->core)
		return;
	shard_after(s, router_core_time(s->core, router_now_ms(s->router)));
	if (!s->core)
		return;
	count(s);
	if (s->told.timers_wait)
		loop_timer_start(&s->timers_turn, 0);
}

void shard_tick(struct shard *s, int64_t now_ms)
{
	if (s->core && s->renew && clock_mono_ms() - s->led_ms >= RENEW_MS) {
		begin_anew(s);
		return;
	}
	fire_timers(s);
	if (!s->core)
		return;
	if (s->told.collecting && now_ms > s->asked_ms + s->router->cfg->collect_ms / 2)
		tell_epoch(s); /* somebody did not hear it */
	/* Every queue is looked at once a second, and told unasked each ten seconds. */
	router_core_statuses(s->core, s->told.queues / 20 + 1, s->router->ticks % 200 < 20, on_status, s);
}

/* ---- life ---------------------------------------------------------------------------------------------------------- */

err_t shard_new(struct shard **ret, struct router *r, struct served *served, uint32_t number)
{
	struct shard *s = mem_zalloc(sizeof(*s));

	if (!s)
		return ERR_EXHAUSTED;
	s->router = r;
	s->next = r->shards;
	r->shards = s;
	s->served = served;
	s->number = number;
	batches_init(&s->batches, r->bus);
	shard_conf_init(s);
	loop_timer_init(&s->timers_turn, r->loop, fire_timers, s);
	*ret = s;
	return ERR_OK;
}

err_t shard_start(struct shard *s)
{
	char key[PLACEMENT_ROUTER];
	struct bus_lease_params p = {
		.key = key, .holder = s->router->instance, .on_acquired = on_acquired, .on_lost = on_lost, .arg = s
	};

	placement_router(key, s->served->pool, s->number);
	return bus_lease_start(&s->lease, s->router->bus, &p);
}

void shard_rest(struct shard *s)
{
	stop_leading(s);
	if (s->lease)
		bus_lease_stop(&s->lease);
}

void shard_free(struct shard **ref)
{
	struct shard *s = *ref;

	if (!s)
		return;
	shard_rest(s);
	loop_timer_done(&s->timers_turn);
	LL_DELETE(s->router->shards, s);
	batches_done(&s->batches);
	mem_free(s);
	*ref = NULL;
}
