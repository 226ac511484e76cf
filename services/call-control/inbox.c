/* inbox: what comes over the bus to call-control. */
#include "control.h"

#include <stdio.h>
#include "base/clock.h"
#include "base/hash.h"
#include "cc_metrics.h"
#include "log/log.h"
#include "quota.h"
#include "sdp/sdp.h"

#define ADOPTING_MS 10000 /* after the start: by then the calls of a former life are somebody's */

static void bad_message(const struct bus_msg *msg, const struct err_detail *d)
{
	metric_add(&cc_metric_bad_messages, 1);
	LOG_WARN(NULL, "bus.bad_message", "subject=%s field=%s why=%s", msg->subject, LOG_Q(d->field),
		 LOG_Q(d->message));
}

/* ---- offers -------------------------------------------------------------------------------------------------------- */

static void refuse(struct control *cc, const struct cc_offer *o, uint32_t status, const char *why)
{
	char subject[BATCH_SUBJECT];
	struct str *out;
	bool fresh;

	metric_add(&cc_metric_refused, 1);
	snprintf(subject, sizeof(subject), "tl.%s.edge.%s", cc->site, o->edge);
	out = batches_get(&cc->batches, subject, &fresh);
	if (fresh)
		cc_wire_put_edge_owner(out, cc->self.instance);
	cc_wire_put_reject(out, o, status, why);
}

static void anchor_at(struct call *call, const struct peer *media)
{
	str_copy(call->media, sizeof(call->media), media->hb.instance);
	call->media_incarnation = media->hb.incarnation;
}

static err_t call_of_offer(struct call **ret, struct control *cc, const struct cc_offer *o, const struct tenant *t)
{
	struct call *call = NULL;
	err_t e = call_new(&call);

	if (e)
		return e;
	str_copy(call->tenant, sizeof(call->tenant), o->tenant);
	str_copy(call->id, sizeof(call->id), o->call_id);
	str_copy(call->caller, sizeof(call->caller), o->caller);
	str_copy(call->caller_name, sizeof(call->caller_name), o->caller_name);
	str_copy(call->called, sizeof(call->called), o->called);
	str_copy(call->trunk_id, sizeof(call->trunk_id), o->trunk_id);
	anchor_at(call, peers_media(cc, t->pool));
	str_copy(call->caller_leg.id, sizeof(call->caller_leg.id), o->leg_id);
	str_copy(call->caller_leg.edge, sizeof(call->caller_leg.edge), o->edge);
	call->conf = tenant_ref(t);
	e = call_leg_set_sdp(&call->caller_leg, o->sdp, o->sdp_size);
	if (!e)
		e = call_leg_set_invite(&call->caller_leg, o->invite, o->invite_size);
	if (e) {
		call_free(&call);
		return e;
	}
	*ret = call;
	return ERR_OK;
}

static void give_back(struct control *cc, struct call *call, const struct cc_offer *o, const char *why)
{
	refuse(cc, o, 503, why);
	if (!call->over_quota)
		quota_give(cc, call);
	call_free(&call);
}

/* Who is refused never comes to an engine, and is no load of it; who had to wait may find another one. False: there is no room. */
static bool take_media(struct control *cc, struct call *call)
{
	struct peer *media = call->over_quota ? NULL : peers_media(cc, call->conf->pool);

	if (media) {
		metric_add(&cc_metric_pool_empty, !placement_same(media->hb.pool, call->conf->pool));
		anchor_at(call, media);
		media->hb.load++;
	}
	return media || call->over_quota;
}

void inbox_admitted(struct control *cc, struct call *call, const char *sip_call_id)
{
	struct cc_offer o = { .edge = call->caller_leg.edge, .tenant = call->tenant, .call_id = call->id };
	struct live *l;

	o.leg_id = call->caller_leg.id;
	if (!take_media(cc, call)) {
		give_back(cc, call, &o, "no capacity");
		return;
	}
	call_offered(call, control_now_ms(cc), &cc->todo);
	if (cc->todo.n_facts)
		str_copy(cc->todo.facts[0].text, sizeof(cc->todo.facts[0].text), sip_call_id);
	l = live_new(cc, call, NULL, 0, INPUT_START);
	if (!l) {
		call_todo_reset(&cc->todo);
		give_back(cc, call, &o, "no memory");
		return;
	}
	l->counted = !call->over_quota;
	live_step(l, &(struct call_input){ .kind = INPUT_START });
}

static void on_offer(const struct cc_offer *o, void *arg)
{
	struct control *cc = arg;
	const struct tenant *t = tenantconf_find_tenant(cc->conf, o->tenant);
	struct call *call = NULL;

	metric_add(&cc_metric_offers, 1);
	if (live_find(cc, o->call_id) || quota_waits(cc, o->tenant, o->call_id) || newcomers_waits(cc, o->call_id))
		return; /* repeated by the edge: the first command is on its way */
	if (!t) {
		refuse(cc, o, 404, "unknown tenant");
		return;
	}
	if (cc->deaf || HASH_COUNT(cc->calls) + cc->newcomers.n >= (size_t)cc->max_calls || !peers_media(cc, t->pool)) {
		refuse(cc, o, 503, cc->deaf ? "draining" : "no capacity");
		return;
	}
	if (call_of_offer(&call, cc, o, t)) {
		refuse(cc, o, 503, "no memory");
		return;
	}
	if (newcomers_come(cc, call, o->sip_call_id)) {
		refuse(cc, o, 503, "no memory");
		call_free(&call);
	}
}

/* ---- inputs -------------------------------------------------------------------------------------------------------- */

/* The phone will not hear: hold (RFC 3264, 8.4; the old way with 0.0.0.0 too). */
static bool holds(const void *sdp, size_t size)
{
	struct sdp d;

	if (!size || sdp_parse(&d, sdp, size, NULL))
		return false;
	for (unsigned i = 0; i < d.n_media; i++)
		if (str_eq(d.media[i].kind, "audio") && d.media[i].port)
			return !(d.media[i].dir & SDP_RECVONLY) || sdp_addr_any(&d.media[i].addr);
	return false;
}

/* The call ended while the router chose an agent for it, and our word of that got lost. */
static void call_gone(struct control *cc, const char *tenant, const char *call_id, const struct call_input *in)
{
	char subject[BATCH_SUBJECT];
	struct str *out;
	bool fresh;

	if (clock_mono_ms() - cc->started_ms < ADOPTING_MS)
		return; /* it may be one of our former life, about to be adopted */
	control_router(cc, tenant, subject);
	out = batches_get(&cc->batches, subject, &fresh);
	if (fresh)
		cc_wire_put_router_owner(out, cc->self.instance);
	cc_wire_put_call_gone(out, tenant, call_id, in);
}

static void on_input(const char *tenant, const char *call_id, const struct call_input *in, uint64_t stale_epoch,
		     void *arg)
{
	struct control *cc = arg;
	struct live *l = live_find(cc, call_id);
	struct call_input copy = *in;

	if (!l || !str_eq(l->call->tenant, tenant)) {
		if (in->kind == INPUT_ASSIGNED)
			call_gone(cc, tenant, call_id, in);
		else if (in->kind == INPUT_MEDIA_TIMEOUT)
			orphans_look(cc, tenant, call_id, in->media);
		return;
	}
	if (stale_epoch) {
		metric_add(&cc_metric_stale, 1);
		l->dirty = true; /* whoever has it wrote the checkpoint: ours is refused, and then we know */
		live_perform(l);
		return;
	}
	/* An engine that was thought dead, or drains: what it hears of the call counts no more. */
	if (!str_empty(in->media) && !str_eq(in->media, l->call->media))
		return;
	if (in->kind == INPUT_LEG_REOFFER || in->kind == INPUT_LEG_ANSWERED)
		copy.sdp_holds = holds(in->sdp, in->sdp_size);
	live_step(l, &copy);
}

static void on_router_epoch(const char *pool, uint32_t shard, uint64_t epoch, void *arg)
{
	struct control *cc = arg;
	struct live *l, *tmp;
	char subject[BATCH_SUBJECT], router[PLACEMENT_ROUTER];
	struct str *out;
	bool fresh;

	if (peers_unsure(cc))
		return; /* all is said again when we know; until then the router waits for us, not for long */
	HASH_ITER (hh, cc->calls, l, tmp)
		if (l->call->phase == CALL_PHASE_QUEUED && hash_router_shard(l->call->tenant) == shard &&
		    str_eq(control_pool(cc, l->call->tenant), pool))
			live_step(l, &(struct call_input){ .kind = INPUT_ROUTER_EPOCH, .router_epoch = epoch });
	placement_router(router, pool, shard);
	snprintf(subject, sizeof(subject), "tl.%s.%s", cc->site, router);
	out = batches_get(&cc->batches, subject, &fresh);
	if (fresh)
		cc_wire_put_router_owner(out, cc->self.instance);
	cc_wire_put_assert_end(out, shard, epoch);
}

static struct cc_in callbacks(struct control *cc)
{
	return (struct cc_in){ .offer = on_offer, .input = on_input, .router_epoch = on_router_epoch, .arg = cc };
}

static void on_edge(const struct bus_msg *msg, void *arg)
{
	struct cc_in fn = callbacks(arg);
	struct err_detail d;

	if (cc_wire_edge_events(msg->data, msg->size, &fn, &d))
		bad_message(msg, &d);
}

static void on_media(const struct bus_msg *msg, void *arg)
{
	struct cc_in fn = callbacks(arg);
	struct err_detail d;

	if (cc_wire_media_events(msg->data, msg->size, &fn, &d))
		bad_message(msg, &d);
}

static void on_router(const struct bus_msg *msg, void *arg)
{
	struct cc_in fn = callbacks(arg);
	struct err_detail d;

	if (cc_wire_router_events(msg->data, msg->size, &fn, &d))
		bad_message(msg, &d);
}

static void on_epoch(const struct bus_msg *msg, void *arg)
{
	struct cc_in fn = callbacks(arg);
	struct err_detail d;

	if (cc_wire_router_epoch(msg->data, msg->size, &fn, &d))
		bad_message(msg, &d);
}

static void on_heartbeat(const struct bus_msg *msg, void *arg)
{
	struct cc_heartbeat hb;
	struct err_detail d;

	if (cc_wire_heartbeat(msg->data, msg->size, &hb, &d))
		bad_message(msg, &d);
	else
		peers_heartbeat(arg, &hb);
}

err_t inbox_start(struct control *cc)
{
	const struct {
		const char *fmt;
		bool own; /* has the instance in it */
		bus_msg_fn *fn;
	} list[] = {
		{ "tl.%s.cc.%s.edge", true, on_edge },		{ "tl.%s.cc.%s.media", true, on_media },
		{ "tl.%s.cc.%s.router", true, on_router },	{ "tl.%s.router-epoch", false, on_epoch },
		{ "tl.%s.hb.media.*", false, on_heartbeat },	{ "tl.%s.hb.call-control.*", false, on_heartbeat },
		{ "tl.%s.hb.sip-edge.*", false, on_heartbeat },
	};

	for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
		char subject[BATCH_SUBJECT];
		err_t e;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		if (list[i].own)
			snprintf(subject, sizeof(subject), list[i].fmt, cc->site, cc->self.instance);
		else
			snprintf(subject, sizeof(subject), list[i].fmt, cc->site);
#pragma GCC diagnostic pop
		e = bus_subscribe(&cc->subs[cc->n_subs], cc->bus, subject, NULL, list[i].fn, cc);
		if (e)
			return e;
		cc->n_subs++;
	}
	return ERR_OK;
}

void inbox_take_offers(struct control *cc)
{
	char subject[BATCH_SUBJECT];

	if (cc->offers || cc->draining || !tenantconf_synced(cc->conf) || !agents_synced(cc->agents))
		return;
	snprintf(subject, sizeof(subject), "tl.%s.offer", cc->site);
	if (!placement_shared(cc->pool)) /* who knows nobody asks nobody of a pool of its own */
		snprintf(subject, sizeof(subject), "tl.%s.offer.%s", cc->site, cc->pool);
	if (bus_subscribe(&cc->offers, cc->bus, subject, "call-control", on_edge, cc))
		cc->offers = NULL; /* the next tick tries again */
}

void inbox_drain_offers(struct control *cc)
{
	if (cc->offers)
		bus_sub_drain(cc->offers);
}

void inbox_stop(struct control *cc)
{
	if (cc->offers)
		bus_unsubscribe(&cc->offers);
	for (int i = 0; i < cc->n_subs; i++)
		bus_unsubscribe(&cc->subs[i]);
	cc->n_subs = 0;
}
