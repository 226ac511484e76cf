#include "dialog.h"
#include "ack.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/str.h"
#include "edge_metrics.h"
#include "outbox.h"
#include "store.h"
#include "tombs.h"
#include "trunk_use.h"

#include <stdlib.h>
#include <string.h>

#define REANSWER_WAIT_MS 10000
#define RETRY_AFTER_S	 5

static void on_timer(void *arg);
static void on_refresh(void *arg);
static void on_expiry(void *arg);
static void on_renego_timer(void *arg);
static void on_save(void *arg);
static void on_probe_timer(void *arg);

/* ---- blobs ---- */

bool blob_set(struct blob *b, struct edge_bytes bytes)
{
	char *text = bytes.size ? mem_alloc(bytes.size + 1) : NULL;

	if (bytes.size && !text)
		return false;
	if (text) {
		memcpy(text, bytes.data, bytes.size);
		text[bytes.size] = '\0';
	}
	mem_free(b->text);
	b->text = text;
	b->size = bytes.size;
	return true;
}

void blob_done(struct blob *b)
{
	mem_free(b->text);
	*b = (struct blob){ NULL, 0 };
}

static void blob_move(struct blob *to, struct blob *from)
{
	mem_free(to->text);
	*to = *from;
	*from = (struct blob){ NULL, 0 };
}

static struct edge_bytes blob_bytes(const struct blob *b)
{
	return (struct edge_bytes){ b->text, b->size };
}

/* ---- birth and death ---- */

static void timers_init(struct dialog *d)
{
	struct loop *loop = d->edge->loop;

	loop_timer_init(&d->timer, loop, on_timer, d);
	loop_timer_init(&d->refresh_timer, loop, on_refresh, d);
	loop_timer_init(&d->expiry_timer, loop, on_expiry, d);
	loop_timer_init(&d->renego_timer, loop, on_renego_timer, d);
	loop_timer_init(&d->save_timer, loop, on_save, d);
	loop_timer_init(&d->probe_timer, loop, on_probe_timer, d);
}

struct dialog *dialog_new(struct edge *e, const char *tenant, const char *call_id, const char *leg_id, bool outbound)
{
	struct dialog *d = mem_zalloc(sizeof(*d));
	int64_t now_ms = clock_steady_ms();
	char id[ID_TEXT];

	if (!d)
		return NULL;
	d->edge = e;
	d->outbound = outbound;
	d->born_ms = now_ms;
	d->born_mono_ms = clock_mono_ms();
	d->asked_ms = d->born_mono_ms;
	d->controller = CONTROLLER_NONE;
	str_copy(d->tenant, sizeof(d->tenant), tenant);
	str_copy(d->call_id, sizeof(d->call_id), call_id[0] ? call_id : id_new(now_ms, id));
	str_copy(d->leg_id, sizeof(d->leg_id), leg_id[0] ? leg_id : id_new(now_ms, id));
	timers_init(d);
	HASH_ADD_STR(e->dialogs, leg_id, d);
	if (!TABLE_HAS(d)) {
		mem_free(d);
		return NULL;
	}
	e->n_dialogs++;
	d->heard_ms = d->born_mono_ms;
	TAILQ_INSERT_TAIL(&e->heard, d, heard);
	if (!outbound) {
		e->n_offers++;
		TAILQ_INSERT_TAIL(&e->offers, d, offers);
	}
	return d;
}

void dialog_heard_of(struct dialog *d)
{
	d->heard_ms = clock_mono_ms();
	TAILQ_REMOVE(&d->edge->heard, d, heard);
	TAILQ_INSERT_TAIL(&d->edge->heard, d, heard);
}

void dialog_claim(struct dialog *d)
{
	if (!d->outbound && !d->claimed) {
		d->edge->n_offers--;
		TAILQ_REMOVE(&d->edge->offers, d, offers);
		admission_decided(&d->edge->admission, clock_mono_ms() - d->asked_ms);
		controllers_took(&d->edge->controllers, d->controller);
		d->controller = CONTROLLER_NONE;
		blob_done(&d->kept_invite);
	}
	d->claimed = true;
	if (d->state == LEG_OFFERED)
		loop_timer_stop(&d->timer);
}

struct dialog *dialog_find(struct edge *e, const char *leg_id)
{
	struct dialog *d;

	HASH_FIND_STR(e->dialogs, leg_id, d);
	return d;
}

void dialog_free(struct dialog *d)
{
	struct edge *e = d->edge;

	dialog_claim(d);
	HASH_DEL(e->dialogs, d);
	TAILQ_REMOVE(&e->heard, d, heard);
	e->n_dialogs--;
	loop_timer_done(&d->timer);
	loop_timer_done(&d->refresh_timer);
	loop_timer_done(&d->expiry_timer);
	loop_timer_done(&d->renego_timer);
	loop_timer_done(&d->save_timer);
	loop_timer_done(&d->probe_timer);
	indialog_release(d);
	trunk_use_give(e->trunks, &d->trunk_use);
	blob_done(&d->local_sdp);
	blob_done(&d->remote_sdp);
	blob_done(&d->kept_sdp);
	blob_done(&d->sent_sdp);
	blob_done(&d->kept_invite);
	mem_free(d->sip_call_id);
	mem_free(d->local);
	mem_free(d->remote);
	mem_free(d->headers);
	mem_free(d);
}

struct log_ctx dialog_log(const struct dialog *d)
{
	return (struct log_ctx){ .tenant = d->tenant, .call = d->call_id, .leg = d->leg_id };
}

/* ---- telling the owner ---- */

void dialog_tell(struct dialog *d, struct edge_event *ev)
{
	ev->tenant = d->tenant;
	ev->call_id = d->call_id;
	ev->leg_id = d->leg_id;
	ev->time_ms = clock_steady_ms();
	outbox_to_owner(d->edge->outbox, d->owner, ev);
}

void dialog_tell_ended_again(struct dialog *d)
{
	dialog_tell(d, &(struct edge_event){ .kind = EDGE_EV_ENDED,
					     .status = d->ended_status,
					     .cause = d->ended_cause,
					     .by_us = d->ended_by_us });
}

void dialog_tell_state(struct dialog *d)
{
	dialog_tell(d, &(struct edge_event){
			   .kind = EDGE_EV_STATE,
			   .outbound = d->outbound,
			   .answered = d->state == LEG_UP,
			   .ringing = d->state == LEG_RINGING || d->state == LEG_PROGRESS,
			   .sdp = { d->remote_sdp.text, d->remote_sdp.size },
		       });
}

static void remember_end(const struct dialog *d)
{
	struct tomb t = { .status = d->ended_status, .by_us = d->ended_by_us };

	str_copy(t.leg_id, sizeof(t.leg_id), d->leg_id);
	str_copy(t.call_id, sizeof(t.call_id), d->call_id);
	str_copy(t.tenant, sizeof(t.tenant), d->tenant);
	str_copy(t.cause, sizeof(t.cause), d->ended_cause);
	tombs_add(d->edge->tombs, &t);
}

/* While we were short of time the phone may have answered, or never have been asked: nothing can be said about it. */
static bool ours_to_blame(const struct dialog *d, const struct leg_row *row, const struct dialog_input *in)
{
	bool gave_up = row->event == LEG_EV_NO_REPLY || row->event == LEG_EV_NO_ANSWER ||
		       (row->event == LEG_EV_FAILED && in->status == 408);

	return gave_up && row->from == LEG_CALLING && edge_congested_since(d->edge, d->born_mono_ms);
}

static const char *end_cause(const struct dialog *d, const struct leg_row *row, const struct dialog_input *in)
{
	if (ours_to_blame(d, row, in))
		return "overload";
	return row->event == LEG_EV_FAILED && in->status == 408 ? "timeout" : row->cause;
}

static void tell_ended(struct dialog *d, const struct leg_row *row, const struct dialog_input *in)
{
	struct log_ctx log = dialog_log(d);

	d->told_ended = true;
	d->ended_by_us = row->by_us;
	d->ended_status = row->event == LEG_EV_FAILED ? in->status : 0;
	str_copy(d->ended_cause, sizeof(d->ended_cause), end_cause(d, row, in));
	remember_end(d);
	dialog_tell_ended_again(d);
	metric_add(&edge_metric_ended, 1);
	if (row->event == LEG_EV_FAILED)
		edge_metrics_failed(in->status);
	if (row->event == LEG_EV_UNCLAIMED)
		edge_metrics_refused(EDGE_REFUSED_UNCLAIMED);
	/* The one line per leg: everything about it. */
	LOG_INFO(&log, "leg.ended",
		 "cause=%s status=%u by_us=%d outbound=%d caller=%s called=%s trunk=%s agent=%s life_ms=%lld owner=%s",
		 d->ended_cause, d->ended_status, d->ended_by_us, d->outbound, LOG_Q(d->caller), LOG_Q(d->called),
		 d->trunk_id, d->agent_id, (long long)(clock_steady_ms() - d->born_ms), d->owner);
}

/* To the instance of the tenant's pool that is quickest now, another than before; to whoever takes it, where none is known. */
static err_t give_offer(struct dialog *d, const struct edge_event *ev)
{
	struct edge *e = d->edge;
	int64_t now_ms = clock_mono_ms();
	const char *pool = edge_pool(e, d->tenant);
	int before = d->controller;

	if (before >= 0 && !controllers_alive(&e->controllers, before, now_ms))
		d->asked_ms = now_ms; /* that it did not answer was nobody's lack of time */
	controllers_took(&e->controllers, before);
	d->controller = controllers_choose(&e->controllers, pool, before, now_ms);
	metric_add(&edge_metric_pool_empty, !controllers_serves(&e->controllers, d->controller, pool));
	controllers_gave(&e->controllers, d->controller);
	if (d->controller < 0)
		return outbox_offer(e->outbox, ev);
	outbox_to_owner(e->outbox, e->controllers.list[d->controller].instance, ev);
	return ERR_OK;
}

static void tell_offer(struct dialog *d, const struct dialog_input *in)
{
	struct edge_event ev = {
		.kind = EDGE_EV_OFFER,
		.tenant = d->tenant,
		.call_id = d->call_id,
		.leg_id = d->leg_id,
		.time_ms = clock_steady_ms(),
		.caller = d->caller,
		.caller_name = d->caller_name,
		.called = d->called,
		.trunk_id = d->trunk_id,
		.agent_id = d->agent_id,
		.sip_call_id = in->reason,
		.sdp = blob_bytes(&d->remote_sdp),
		.invite = blob_bytes(&d->kept_invite),
	};

	int64_t wait_ms =
	    d->reoffered ? d->edge->cfg.offer_timeout_ms - d->edge->cfg.reoffer_ms : d->edge->cfg.offer_timeout_ms;

	if (!d->reoffered && d->edge->cfg.reoffer_ms < wait_ms)
		wait_ms = d->edge->cfg.reoffer_ms;
	metric_add(&edge_metric_offers, 1);
	if (give_offer(d, &ev))
		wait_ms = 0; /* the bus takes nothing: as if nobody had taken it */
	loop_timer_start(&d->timer, wait_ms);
}

/* ---- the leg's life ---- */

void dialog_save(struct dialog *d)
{
	struct leg_record r = { 0 };
	void *home = NULL;

	if (d->state != LEG_UP)
		return;
	if (adopt_describe(d, &r, &home)) {
		store_leg(d->edge->store, &r, ack_owed(d));
		d->saved = true;
	} else {
		ack_now(d);
	}
	adopt_release(home);
	loop_timer_start(&d->save_timer, STORE_LEG_TTL_MS / 2);
}

static void set_state(struct dialog *d, enum leg_state to)
{
	struct log_ctx log = dialog_log(d);
	bool ringing = (d->state == LEG_CALLING || d->state == LEG_RINGING) && to == LEG_RINGING;

	LOG_DEBUG(&log, "leg.state", "from=%s to=%s", leg_state_name(d->state), leg_state_name(to));
	if (!ringing)
		loop_timer_stop(&d->timer);
	if (to != LEG_UP) {
		loop_timer_stop(&d->refresh_timer);
		loop_timer_stop(&d->expiry_timer);
		loop_timer_stop(&d->save_timer);
		loop_timer_stop(&d->renego_timer);
		loop_timer_stop(&d->probe_timer);
	}
	d->state = to;
}

/* An offer of ours whose turn has come. */
static void offer_kept(struct dialog *d)
{
	struct blob kept = { NULL, 0 };

	if (!d->kept_sdp.text)
		return;
	blob_move(&kept, &d->kept_sdp);
	dialog_renego(d, RENEGO_EV_REINVITE, &(struct dialog_input){ .sdp = blob_bytes(&kept) });
	blob_done(&kept);
}

static void established(struct dialog *d)
{
	struct log_ctx log = dialog_log(d);

	metric_add(&edge_metric_answered, 1);
	LOG_DEBUG(&log, "leg.answered", "outbound=%d after_ms=%lld", d->outbound,
		  (long long)(clock_steady_ms() - d->born_ms));
	dialog_refreshed(d);
	dialog_save(d);
	offer_kept(d);
}

static void perform_sip(struct dialog *d, unsigned actions, const struct dialog_input *in)
{
	if (actions & LEG_DO_PROVISIONAL)
		inbound_provisional(d, in->sdp);
	if (actions & LEG_DO_ACCEPT)
		inbound_accept(d, in->sdp);
	if (actions & LEG_DO_REFUSE)
		inbound_refuse(d, in->status, in->reason, in->retry_after_s);
	if (actions & LEG_DO_CANCEL)
		outbound_cancel(d, in->reason);
	if (actions & LEG_DO_ACK)
		outbound_take(d, in->branch);
	if (actions & LEG_DO_BYE)
		indialog_bye(d, in->reason);
}

static void perform(struct dialog *d, const struct leg_row *row, const struct dialog_input *in)
{
	perform_sip(d, row->actions, in);
	if (row->actions & LEG_TELL_RINGING)
		dialog_tell(d, &(struct edge_event){ .kind = EDGE_EV_RINGING, .status = in->status, .sdp = in->sdp });
	if (row->actions & LEG_TELL_ANSWERED)
		dialog_tell(d, &(struct edge_event){ .kind = EDGE_EV_ANSWERED, .sdp = in->sdp });
	if (row->actions & LEG_DO_UP)
		established(d);
	if (row->actions & LEG_TELL_ENDED)
		tell_ended(d, row, in);
	if (row->actions & LEG_DO_OFFER)
		tell_offer(d, in);
	if (row->actions & LEG_DO_INVITE)
		outbound_dial(d, in->command);
}

static void settle(struct dialog *d)
{
	if (d->busy)
		return;
	if (d->saved && d->state != LEG_UP) {
		store_leg_gone(d->edge->store, d->tenant, d->leg_id);
		d->saved = false;
	}
	if (d->state == LEG_ENDED)
		dialog_free(d);
}

void dialog_event(struct dialog *d, enum leg_event ev, const struct dialog_input *in)
{
	static const struct dialog_input nothing;
	const struct leg_row *row = leg_step(d->state, ev);

	if (!row)
		return;
	d->busy++;
	set_state(d, row->to);
	perform(d, row, in ? in : &nothing);
	d->busy--;
	settle(d);
}

/* Whoever got the offer may have died with it. If it lives and is slow, only one of the two wins the call's first checkpoint. */
static void reoffer(struct dialog *d)
{
	d->reoffered = true;
	metric_add(&edge_metric_reoffers, 1);
	tell_offer(d, &(struct dialog_input){ .reason = d->sip_call_id });
}

void dialog_offers_check(struct edge *e, int lost)
{
	int64_t now_ms = clock_mono_ms();
	struct dialog *d, *next;

	for (d = TAILQ_FIRST(&e->offers); d && (next = TAILQ_NEXT(d, offers), true); d = next)
		if (d->state == LEG_OFFERED && !d->reoffered && d->controller >= 0 &&
		    (d->controller == lost || !controllers_alive(&e->controllers, d->controller, now_ms)))
			reoffer(d);
}

static void on_timer(void *arg)
{
	struct dialog *d = arg;
	struct dialog_input unclaimed = { .status = 503, .retry_after_s = RETRY_AFTER_S };

	if (d->state == LEG_OFFERED && !d->reoffered && d->edge->cfg.reoffer_ms < d->edge->cfg.offer_timeout_ms)
		reoffer(d);
	else if (d->state == LEG_OFFERED)
		dialog_event(d, LEG_EV_UNCLAIMED, &unclaimed);
	else
		dialog_event(d, d->replied ? LEG_EV_NO_ANSWER : LEG_EV_NO_REPLY, NULL);
}

void dialog_replied(struct dialog *d)
{
	int64_t left_ms = d->ring_until_ms - clock_mono_ms();

	if (d->replied)
		return;
	d->replied = true;
	if (d->state == LEG_CALLING || d->state == LEG_RINGING)
		loop_timer_start(&d->timer, left_ms > 0 ? left_ms : 0);
}

void dialog_drain_all(struct edge *e, bool offers_wait)
{
	struct dialog *d, *next;
	struct dialog_input in = { .status = 503, .retry_after_s = RETRY_AFTER_S };

	HASH_ITER (hh, e->dialogs, d, next)
		if (d->outbound || (!d->claimed && !offers_wait))
			dialog_event(d, LEG_EV_DRAIN, &in);
}

bool dialog_all_last(const struct edge *e)
{
	for (const struct dialog *d = e->dialogs; d; d = d->hh.next)
		if (d->outbound ? d->state != LEG_UP : !d->claimed)
			return false;
	return true;
}

void dialog_leave(struct dialog *d)
{
	if (!d->outbound && d->claimed)
		d->invite = NULL; /* destroyed it would be answered 500; the agent's end is silent */
	ack_drop(d);
	dialog_free(d);
}

/* ---- session timers ---- */

void dialog_refreshed(struct dialog *d)
{
	d->refreshed_wall_ms = clock_steady_ms();
	loop_timer_stop(&d->refresh_timer);
	loop_timer_stop(&d->expiry_timer);
	if (d->session.interval_s && d->session.we_refresh)
		loop_timer_start(&d->refresh_timer, sesstimer_refresh_ms(&d->session));
	if (d->session.interval_s)
		loop_timer_start(&d->expiry_timer, sesstimer_expiry_ms(&d->session));
	if (d->saved)
		dialog_save(d);
}

static void on_refresh(void *arg)
{
	struct dialog *d = arg;

	if (!indialog_update_refresh(d))
		dialog_renego(d, RENEGO_EV_REFRESH, NULL);
}

static void on_expiry(void *arg)
{
	dialog_event(arg, LEG_EV_LOST, NULL);
}

static void on_save(void *arg)
{
	dialog_save(arg);
}

static void on_probe_timer(void *arg)
{
	probe_over(arg);
}

/* ---- offers within the dialog ---- */

/* RFC 3261 §14.1: who owns the Call-ID waits 2.1…4 s, the other 0…2 s, in steps of 10 ms. */
static int64_t backoff_ms(const struct dialog *d)
{
	return d->outbound ? 2100 + 10 * (random() % 190) : 10 * (random() % 200);
}

static void renego_ours(struct dialog *d, unsigned actions, const struct dialog_input *in)
{
	if (actions & RENEGO_KEEP && !blob_set(&d->kept_sdp, in->sdp))
		return;
	if (actions & RENEGO_SEND) {
		blob_move(&d->sent_sdp, &d->kept_sdp);
		d->reinvite_is_refresh = false;
		indialog_reinvite(d, &d->sent_sdp, false);
	}
	if (actions & RENEGO_SEND_REFRESH) {
		d->reinvite_is_refresh = true;
		indialog_reinvite(d, &d->local_sdp, true);
	}
	if (actions & RENEGO_START_BACKOFF) {
		if (!d->kept_sdp.text)
			blob_move(&d->kept_sdp, &d->sent_sdp);
		loop_timer_start(&d->renego_timer, backoff_ms(d));
	}
	if (actions & RENEGO_TELL_ANSWER && d->sent_sdp.text)
		blob_move(&d->local_sdp, &d->sent_sdp);
	if (actions & (RENEGO_TELL_ANSWER | RENEGO_TELL_REFUSED)) {
		blob_done(&d->sent_sdp);
		if (!d->reinvite_is_refresh)
			dialog_tell(d,
				    &(struct edge_event){ .kind = EDGE_EV_ANSWERED, .reinvite = true, .sdp = in->sdp });
	}
}

static void renego_theirs(struct dialog *d, unsigned actions, const struct dialog_input *in)
{
	static const struct edge_bytes none;

	if (actions & RENEGO_TELL_OFFER)
		dialog_tell(d,
			    &(struct edge_event){ .kind = EDGE_EV_REOFFER, .sdp = in->sdp, .request = ++d->reoffers });
	if (actions & RENEGO_START_WAIT)
		loop_timer_start(&d->renego_timer, REANSWER_WAIT_MS);
	if (actions & RENEGO_REPLY_200)
		indialog_reanswer(d, 200, in->sdp, false);
	if (actions & RENEGO_REPLY_488)
		indialog_reanswer(d, 488, none, false);
	if (actions & RENEGO_REPLY_500)
		indialog_reanswer(d, 500, none, true);
}

unsigned dialog_renego(struct dialog *d, enum renego_event ev, const struct dialog_input *in)
{
	static const struct dialog_input nothing;
	const struct renego_row *row = d->state == LEG_UP ? renego_step(d->renego, ev) : NULL;

	/* RFC 3261, 14.1: not before the first INVITE is done with. Without memory call-control asks again. */
	if (d->state == LEG_ACCEPTED && ev == RENEGO_EV_REINVITE && blob_set(&d->kept_sdp, in->sdp))
		return 0;

	if (!row)
		return 0;
	if (!in)
		in = &nothing;
	if (row->from != row->to)
		loop_timer_stop(&d->renego_timer);
	d->renego = row->to;
	renego_ours(d, row->actions, in);
	renego_theirs(d, row->actions, in);
	if (row->to == RENEGO_IDLE)
		dialog_save(d);
	if (row->actions & RENEGO_NEXT)
		offer_kept(d);
	return row->actions;
}

static void on_renego_timer(void *arg)
{
	dialog_renego(arg, RENEGO_EV_TIMER, NULL);
}

/* ---- adoption ---- */

static void adopted_timers(struct dialog *d)
{
	int64_t gone_ms = clock_steady_ms() - d->refreshed_wall_ms, left_ms;

	if (!d->session.interval_s)
		return;
	left_ms = sesstimer_expiry_ms(&d->session) - (gone_ms > 0 ? gone_ms : 0);
	loop_timer_start(&d->expiry_timer, left_ms > 0 ? left_ms : 0);
	if (d->session.we_refresh) {
		left_ms = sesstimer_refresh_ms(&d->session) - (gone_ms > 0 ? gone_ms : 0);
		loop_timer_start(&d->refresh_timer, left_ms > 0 ? left_ms : 0);
	}
}

static bool adopt_fill(struct dialog *d, const struct leg_record *r)
{
	str_copy(d->owner, sizeof(d->owner), r->owner);
	str_copy(d->agent_id, sizeof(d->agent_id), r->agent_id);
	str_copy(d->trunk_id, sizeof(d->trunk_id), r->trunk_id);
	str_copy(d->contact, sizeof(d->contact), r->contact);
	str_copy(d->route, sizeof(d->route), r->route);
	dialog_claim(d);
	d->saved = true;
	d->epoch = r->epoch;
	d->peer_updates = r->peer_updates;
	d->reoffers = r->reoffers;
	d->session = (struct sesstimer){ .interval_s = r->session_interval_s, .we_refresh = r->we_refresh };
	d->refreshed_wall_ms = r->refreshed_ms;
	if (d->trunk_id[0] && trunk_use_take(&d->trunk_use, d->edge->trunks, d->tenant, d->trunk_id, 0))
		return false;
	return blob_set(&d->local_sdp, r->local_sdp) && blob_set(&d->remote_sdp, r->remote_sdp) && adopt_restore(d, r);
}

void dialog_adopt(struct edge *e, const struct leg_record *r)
{
	struct dialog *d;
	struct log_ctx log;

	if (dialog_find(e, r->leg_id))
		return;
	d = dialog_new(e, r->tenant, r->call_id, r->leg_id, r->outbound);
	if (!d)
		return;
	log = dialog_log(d);
	if (!adopt_fill(d, r)) {
		LOG_WARN(&log, "leg.adoption_failed", "sip_call_id=%s", LOG_Q(r->sip_call_id));
		dialog_free(d);
		return;
	}
	d->state = LEG_UP;
	metric_add(&edge_metric_adopted, 1);
	LOG_INFO(&log, "leg.adopted", "outbound=%d owner=%s epoch=%llu", d->outbound, d->owner,
		 (unsigned long long)d->epoch);
	adopted_timers(d);
	loop_timer_start(&d->save_timer, STORE_LEG_TTL_MS / 2);
}
