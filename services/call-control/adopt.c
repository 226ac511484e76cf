/*
 * adopt: who is alive, and the calls of those who are not.
 *
 * Each instance beats twice a second. A call-control that has not been heard for 2 s, or came back as another
 * incarnation, has lost its calls: every other instance then reads the checkpoints once, and takes each orphan by
 * compare-and-set with a higher epoch: only one wins. Nothing is taken before the own ears have listened for that long: after
 * the start, after a time without the bus, after a pause of this process. Else one deaf instance would take everybody's calls.
 */
#include "control.h"
#include "quota.h"

#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "cc_metrics.h"
#include "log/log.h"

#define BEAT_MS	       500
#define DEAD_MS	       2000
#define MEDIA_DEAD_MS  1500   /* its calls are silent meanwhile, and to move them by mistake costs them little */
#define DEAF_MS	       700    /* no beat of anybody for so long: it is not the others */
#define SCAN_EVERY_MS  300000 /* whatever no heartbeat told of; costs a read of every call that is up */
#define FORGET_MS      60000
#define ASLEEP_MS      1500 /* ticks further apart: this process stood still */
#define AGAIN_AFTER_MS 1500
#define STUCK_MS       5000
#define SETTLED_MS     10000 /* a checkpoint of ours that is older and has no call here is a leftover */

static struct peer *find_peer(const struct control *cc, const char *service, const char *instance)
{
	char key[CALL_NAME * 2];
	struct peer *p;

	snprintf(key, sizeof(key), "%s/%s", service, instance);
	HASH_FIND_STR(cc->peers, key, p);
	return p;
}

static void scan_soon(struct control *cc, int64_t delay_ms)
{
	int64_t at = clock_mono_ms() + delay_ms;

	if (at < cc->next_scan_ms)
		cc->next_scan_ms = at;
}

/* An engine of which we knew something else: it is new, it has restarted, drains, or was silent. */
static void media_heard(struct control *cc, const struct peer *p, const struct cc_heartbeat *before, bool was_dead)
{
	bool news = was_dead || before->incarnation != p->hb.incarnation || before->draining != p->hb.draining;

	if (news && cc->left)
		anchor_heard(cc, p);
	if (news)
		anchor_check_all(cc);
	if (!loop_timer_running(&cc->media_timer))
		loop_timer_start(&cc->media_timer, MEDIA_DEAD_MS);
}

/* Runs out when the engine that was heard longest ago would be dead. */
static void on_media_timer(void *arg)
{
	struct control *cc = arg;
	int64_t now = clock_mono_ms(), next = 0;
	bool deaf = !cc->bus_up || now - cc->heard_ms > DEAF_MS || now - cc->listening_ms < LISTEN_MS, died = false;

	for (struct peer *p = cc->peers; p; p = p->hh.next) {
		if (p->dead || !str_eq(p->hb.service, "media"))
			continue;
		if (now - p->seen_ms > MEDIA_DEAD_MS && !deaf) {
			p->dead = died = true;
			LOG_WARN(NULL, "peer.dead", "peer=%s silent_ms=%lld", p->key, (long long)(now - p->seen_ms));
		} else if (!next || p->seen_ms + MEDIA_DEAD_MS < next) {
			next = p->seen_ms + MEDIA_DEAD_MS;
		}
	}
	if (next)
		loop_timer_start(&cc->media_timer, next > now ? next - now + 1 : DEAF_MS / 2);
	if (died)
		anchor_check_all(cc);
}

void peers_init(struct control *cc)
{
	loop_timer_init(&cc->media_timer, cc->loop, on_media_timer, cc);
}

/* It died and is back: the legs that it had not yet written down are lost. */
static void edge_back(struct control *cc, const char *edge)
{
	struct live *l, *tmp;

	LOG_INFO(NULL, "edge.back", "edge=%s", edge);
	HASH_ITER (hh, cc->calls, l, tmp)
		live_step(l, &(struct call_input){ .kind = INPUT_EDGE_BACK, .edge = edge });
}

void peers_heartbeat(struct control *cc, const struct cc_heartbeat *hb)
{
	struct peer *p = find_peer(cc, hb->service, hb->instance);
	struct cc_heartbeat before = { 0 };
	bool was_dead;

	cc->heard_ms = clock_mono_ms();
	if (str_eq(hb->service, "call-control") && str_eq(hb->instance, cc->self.instance)) {
		if (hb->draining && hb->incarnation == cc->self.incarnation)
			control_heard_all(cc);
		return;
	}
	if (!p) {
		p = mem_zalloc(sizeof(*p));
		if (!p)
			return;
		snprintf(p->key, sizeof(p->key), "%s/%s", hb->service, hb->instance);
		p->hb.incarnation = hb->incarnation;
		HASH_ADD_STR(cc->peers, key, p);
		if (!TABLE_HAS(p)) {
			mem_free(p);
			return;
		}
	}
	if (p->hb.incarnation != hb->incarnation && str_eq(hb->service, "sip-edge"))
		edge_back(cc, hb->instance);
	else if (p->hb.incarnation != hb->incarnation && !str_eq(hb->service, "media"))
		scan_soon(cc, 0); /* it died and is back: its former calls are nobody's */
	before = p->hb;
	was_dead = p->dead;
	p->hb = *hb;
	p->seen_ms = cc->heard_ms;
	p->dead = hb->incarnation == 0; /* the last beat of an orderly end */
	if (p->dead && !cc->draining) { /* its calls must not wait for our next tick */
		scan_soon(cc, 0);
		loop_timer_start(&cc->tick, 0);
	}
	if (str_eq(hb->service, "media"))
		media_heard(cc, p, &before, was_dead);
}

const struct peer *peers_find_media(const struct control *cc, const char *instance)
{
	return find_peer(cc, "media", instance);
}

static struct peer *media_of(const struct control *cc, const char *pool)
{
	struct peer *best = NULL;

	for (struct peer *p = cc->peers; p; p = p->hh.next) {
		if (p->dead || p->hb.draining || !str_eq(p->hb.service, "media") || p->hb.load >= p->hb.capacity ||
		    !placement_same(p->hb.pool, pool))
			continue;
		if (!best || (uint64_t)p->hb.load * best->hb.capacity < (uint64_t)best->hb.load * p->hb.capacity)
			best = p;
	}
	return best;
}

struct peer *peers_media(const struct control *cc, const char *pool)
{
	struct peer *p = media_of(cc, pool);

	return p || placement_shared(pool) ? p : media_of(cc, POOL_SHARED);
}

/* ---- orphans --------------------------------------------------------------------------------------------------------- */

bool peers_gone(const struct control *cc, const struct cc_owner *owner)
{
	const struct peer *p;

	if (str_eq(owner->instance, cc->self.instance))
		return owner->incarnation != cc->self.incarnation;
	p = find_peer(cc, "call-control", owner->instance);
	if (!p)
		return clock_mono_ms() - cc->listening_ms >= LISTEN_MS;
	if (p->dead && !p->hb.incarnation && p->seen_ms >= cc->listening_ms)
		return true; /* it has said goodbye: no need to have listened for long */
	return cc->listened && (p->dead || (p->hb.incarnation && p->hb.incarnation != owner->incarnation));
}

/* Those who serve the tenant take its calls, if there are any; else whoever comes first. When they die before they have, that is
 * another death, and looked after again. */
static bool left_to_pool(const struct control *cc, const char *key)
{
	char tenant[CALL_NAME];
	const char *pool;

	snprintf(tenant, sizeof(tenant), "%.*s", (int)strcspn(key, "."), key);
	pool = control_pool(cc, tenant);
	if (placement_same(cc->pool, pool))
		return false;
	for (const struct peer *p = cc->peers; p; p = p->hh.next)
		if (!p->dead && !p->hb.draining && str_eq(p->hb.service, "call-control") &&
		    placement_same(p->hb.pool, pool))
			return true;
	return false;
}

/* Ours, and not here: a write or a delete whose outcome we did not learn. */
static bool forgotten(const struct control *cc, const struct cc_owner *owner, const char *key,
		      const struct bus_msg *msg)
{
	const char *call_id = strchr(key, '.');
	struct live *l = NULL;

	if (!call_id || !str_eq(owner->instance, cc->self.instance) || owner->incarnation != cc->self.incarnation)
		return false;
	HASH_FIND_STR(cc->calls, call_id + 1, l);
	/* By the server's clock; one that is behind or ahead of ours by more than that makes nothing young. */
	return !l && llabs(clock_steady_ms() - msg->time_ms) >= SETTLED_MS;
}

/* Older than any call that exists can be: it came back. While we have not listened for long the cluster may have been away: then the last
 * write before that is what counts; so too when nobody could write for a while although the bus was there. */
static bool came_back(const struct control *cc, const struct bus_msg *msg)
{
	int64_t now = clock_mono_ms();
	bool long_enough = now - cc->listening_ms > STALE_MS && (!cc->stuck_ms || now - cc->stuck_ms > STALE_MS);

	return msg->time_ms < (long_enough ? clock_steady_ms() : cc->newest_ms) - STALE_MS;
}

static void bury(struct control *cc, const char *key, const struct bus_msg *msg)
{
	metric_add(&cc_metric_came_back, 1);
	LOG_WARN(NULL, "call.came_back", "key=%s age_ms=%lld", LOG_Q(key),
		 (long long)(clock_steady_ms() - msg->time_ms));
	if (bus_kv_delete(cc->kv, key, msg->seq, NULL, NULL))
		metric_add(&cc_metric_send_failed, 1); /* the next scan finds it again */
}

/* The flow and the queue by name in today's configuration. A step that is no more: the flow is over for this call. */
static void bind_conf(struct control *cc, const struct cc_saved *s)
{
	struct call *call = s->call;
	const struct tenant *t = tenantconf_find_tenant(cc->conf, call->tenant);

	if (!t)
		return;
	call->conf = tenant_ref(t);
	call->queue = call->queue_id[0] ? tenant_find_queue(t, call->queue_id) : NULL;
	call->flow = s->flow_id[0] ? tenant_find_flow(t, s->flow_id) : NULL;
	call->step = call->flow ? flow_find_step(call->flow, s->step_id) : FLOW_END;
	call->entered_step = call->step;
}

static void adopt(struct control *cc, const struct bus_msg *msg)
{
	struct cc_saved s = { 0 };
	struct err_detail d;
	struct live *l;

	if (cc_wire_checkpoint(msg->data, msg->size, &s, &d)) {
		metric_add(&cc_metric_bad_messages, 1);
		LOG_ERROR(NULL, "call.bad_checkpoint", "subject=%s why=%s", msg->subject, LOG_Q(d.message));
		return;
	}
	if (live_find(cc, s.call->id)) {
		call_free(&s.call);
		cc_event_free_list(s.events);
		return;
	}
	bind_conf(cc, &s);
	s.call->epoch++;
	l = live_new(cc, s.call, s.events, msg->seq, INPUT_ADOPTED);
	if (!l) {
		call_free(&s.call);
		cc_event_free_list(s.events);
		return;
	}
	str_copy(l->previous_owner, sizeof(l->previous_owner), s.owner.instance);
	metric_add(&cc_metric_adopted, 1);
	LOG_INFO(&(struct log_ctx){ .tenant = s.call->tenant, .call = s.call->id }, "call.adopting",
		 "from=%s phase=%s epoch=%llu", s.owner.instance, call_phase_name(s.call->phase),
		 (unsigned long long)s.call->epoch);
	suspended_changed(cc, tenantconf_find_tenant(cc->conf, s.call->tenant));
	l->counted = !call_ended(s.call);
	if (l->counted)
		quota_count(cc, s.call);
	live_perform(l);
}

/* ---- what became of ours while we stood still ---------------------------------------------------------------------- *
 * A call that only waits writes nothing, and so is not refused anything: its owner would never learn that it is somebody
 * else's, or over, and would not take it back when that somebody dies. */

static void expect_ours(struct control *cc)
{
	struct live *l, *tmp;

	HASH_ITER (hh, cc->calls, l, tmp)
		l->unseen = l->revision;
}

/* A revision behind our last one that is not ours: what we may have on its way will be refused. */
static void compare_ours(struct control *cc, const char *key, const struct bus_msg *msg, bool mine)
{
	const char *call_id = strchr(key, '.');
	struct live *l = call_id ? live_find(cc, call_id + 1) : NULL;

	if (!l)
		return;
	l->unseen = 0;
	if (!mine && msg->seq > l->revision &&
	    !l->deleting) /* 0: nobody has it but from our first write, or in its place */
		live_lost_ownership(l);
}

/* No checkpoint any more, and we did not delete it. One that is young may only be not yet where the scan has read (a replica). */
static void drop_unseen(struct control *cc)
{
	int64_t settled_ms = control_now_ms(cc) - SETTLED_MS;
	struct live *l, *tmp;

	HASH_ITER (hh, cc->calls, l, tmp)
		if (l->unseen && l->unseen == l->revision && !l->writing && !l->deleting &&
		    l->call->offered_ms < settled_ms)
			live_lost_ownership(l);
}

static void on_scan(enum bus_kv_op op, const char *key, const struct bus_msg *msg, void *arg)
{
	struct control *cc = arg;
	struct cc_owner owner;
	struct err_detail d;

	if (op == BUS_KV_SYNCED) {
		bus_kv_unwatch(&cc->scan);
		drop_unseen(cc);
		if (cc->looking && cc->listened)
			cc->next_scan_ms = 0;
		cc->looking = false;
		if (cc->waking)
			live_say_again(cc);
		cc->waking = false;
		LOG_INFO(NULL, "calls.scanned", "took_ms=%lld calls=%u",
			 (long long)(clock_mono_ms() - cc->scan_began_ms), HASH_COUNT(cc->calls));
		return;
	}
	if (cc->looking && msg->time_ms < cc->listening_wall_ms && msg->time_ms > cc->newest_ms)
		cc->newest_ms = msg->time_ms;
	if (op != BUS_KV_PUT || !msg->size) {
		compare_ours(cc, key, msg, false);
		return;
	}
	if (cc_wire_checkpoint_owner(msg->data, msg->size, &owner, &d))
		return;
	compare_ours(cc, key, msg,
		     str_eq(owner.instance, cc->self.instance) && owner.incarnation == cc->self.incarnation);
	if (cc->draining || cc->looking || (!peers_gone(cc, &owner) && !forgotten(cc, &owner, key, msg)))
		return;
	if (peers_gone(cc, &owner) && left_to_pool(cc, key))
		return;
	if (came_back(cc, msg))
		bury(cc, key, msg);
	else
		adopt(cc, msg);
}

/* Before we have listened: only for what became of ours. */
static void scan(struct control *cc, int64_t now)
{
	if (cc->scan || cc->draining || !tenantconf_synced(cc->conf) || !agents_synced(cc->agents))
		return;
	if (bus_kv_watch(&cc->scan, cc->kv, ">", on_scan, cc))
		return;
	cc->scan_began_ms = now;
	cc->looking = cc->newest_of_ms != cc->listening_ms;
	if (cc->looking)
		cc->newest_ms = 0;
	cc->newest_of_ms = cc->listening_ms;
	cc->next_scan_ms = cc->listened ? now + SCAN_EVERY_MS : cc->listening_ms + LISTEN_MS;
	expect_ours(cc);
}

void peers_beat(struct control *cc)
{
	struct cc_heartbeat hb = { .load = HASH_COUNT(cc->calls),
				   .capacity = (uint32_t)cc->max_calls,
				   .draining = cc->draining || !cc->offers }; /* nothing new to us */
	char subject[BATCH_SUBJECT];
	struct str out = STR_INIT;

	str_copy(hb.instance, sizeof(hb.instance), cc->self.instance);
	str_copy(hb.service, sizeof(hb.service), "call-control");
	str_copy(hb.pool, sizeof(hb.pool), cc->pool);
	hb.incarnation = cc->self.incarnation;
	snprintf(subject, sizeof(subject), "tl.%s.hb.call-control.%s", cc->site, cc->self.instance);
	cc_wire_put_heartbeat(&out, &hb);
	if (out.failed || bus_publish(cc->bus, subject, out.data, out.len))
		metric_add(&cc_metric_send_failed, 1);
	str_done(&out);
}

void peers_listen(struct control *cc)
{
	cc->listening_ms = clock_mono_ms();
	cc->listening_wall_ms = clock_steady_ms();
	cc->listened = false;
	cc->next_scan_ms = cc->listening_ms + LISTEN_MS;
	for (struct peer *p = cc->peers; p; p = p->hh.next)
		if (!p->dead)
			p->seen_ms = cc->listening_ms;
	if (cc->calls)
		scan(cc, cc->listening_ms);
}

bool peers_unsure(const struct control *cc)
{
	int64_t now = clock_mono_ms();

	return (cc->ticked_ms && now - cc->ticked_ms > ASLEEP_MS) || (cc->waking && now - cc->listening_ms < LISTEN_MS);
}

/* Others may have come back later than we, and not have heard the first time. */
static void say_again(struct control *cc, int64_t now)
{
	if (!cc->again_ms || now - cc->again_ms < AGAIN_AFTER_MS)
		return;
	live_say_again(cc);
	cc->again_ms = 0;
}

void peers_tick(struct control *cc)
{
	int64_t now = clock_mono_ms(), media = 0;
	struct peer *p, *tmp;

	if (now - cc->ticked_ms > ASLEEP_MS) {
		cc->waking = cc->calls;
		peers_listen(cc);
	}
	cc->ticked_ms = now;
	peers_beat(cc);
	if (bus_write_wait_ms(cc->bus) > STUCK_MS)
		cc->stuck_ms = now;
	inbox_take_offers(cc);
	say_again(cc, now);
	suspended_tick(cc);
	quota_tick(cc);
	HASH_ITER (hh, cc->peers, p, tmp) {
		if (!p->dead && cc->bus_up && now - p->seen_ms > DEAD_MS && !str_eq(p->hb.service, "media")) {
			p->dead = true;
			LOG_WARN(NULL, "peer.dead", "peer=%s silent_ms=%lld", p->key, (long long)(now - p->seen_ms));
			scan_soon(cc, 0);
		}
		if (p->dead && now - p->seen_ms > FORGET_MS) {
			HASH_DEL(cc->peers, p); // NOLINT(clang-analyzer-core.NullDereference): uthash
			mem_free(p);
		} else if (!p->dead && str_eq(p->hb.service, "media")) {
			media++;
		}
	}
	metric_set(&cc_metric_media_instances, media);
	if (!cc->listened && now - cc->listening_ms >= LISTEN_MS) {
		cc->listened = true;
		anchor_check_all(cc); /* an engine that has not been heard by now is gone */
	}
	if (cc->bus_up && now >= cc->next_scan_ms)
		scan(cc, now);
	loop_timer_start(&cc->tick, BEAT_MS);
}

void peers_free(struct control *cc)
{
	struct peer *p, *tmp;

	loop_timer_done(&cc->media_timer);

	HASH_ITER (hh, cc->peers, p, tmp) {
		HASH_DEL(cc->peers, p);
		mem_free(p);
	}
}
