#include "command.h"
#include "base/clock.h"
#include "base/str.h"
#include "dialog.h"
#include "edge_metrics.h"
#include "outbox.h"
#include "store.h"
#include "tombs.h"

#include <stdio.h>

/* The leg is not here: say how it ended if that is known, else that nobody knows it. While the legs of our former life are
 * still being read, nothing: "unknown" would end a good call, and who asks asks again. */
static void tell_gone(struct edge *e, const struct edge_command *c, const char *owner)
{
	const struct tomb *t = tombs_find(e->tombs, c->leg_id);
	bool same = t && str_eq(t->tenant, c->tenant) && str_eq(t->call_id, c->call_id);
	struct edge_event ev = {
		.tenant = c->tenant,
		.call_id = c->call_id,
		.leg_id = c->leg_id,
		.time_ms = clock_steady_ms(),
		.kind = EDGE_EV_ENDED,
		.cause = same ? t->cause : "unknown-leg",
		.status = same ? t->status : 0,
		.by_us = same && t->by_us,
	};

	if (!same && !store_synced(e->store))
		return;
	if (!same && c->kind == EDGE_ATTACH && c->invite.size && inbound_revive(e, c, owner))
		return;
	if (!same && c->kind == EDGE_HANG_UP && c->agent_id[0])
		outbound_cancel_unknown(e, c);
	outbox_to_owner(e->outbox, owner, &ev);
}

static void tell_stale(struct edge *e, const struct edge_command *c, const char *owner, uint64_t epoch)
{
	struct edge_event ev = {
		.tenant = c->tenant,
		.call_id = c->call_id,
		.leg_id = c->leg_id,
		.time_ms = clock_steady_ms(),
		.kind = EDGE_EV_STALE,
		.epoch = epoch,
	};

	metric_add(&edge_metric_stale, 1);
	outbox_to_owner(e->outbox, owner, &ev);
}

static void tell_failed(struct edge *e, const struct edge_command *c, const char *owner)
{
	struct edge_event ev = {
		.tenant = c->tenant,
		.call_id = c->call_id,
		.leg_id = c->leg_id,
		.time_ms = clock_steady_ms(),
		.kind = EDGE_EV_ENDED,
		.cause = "edge-error",
		.status = 503,
	};

	outbox_to_owner(e->outbox, owner, &ev);
}

static void dial(struct edge *e, const struct edge_command *c, const char *owner)
{
	struct dialog *d;

	if (tombs_find(e->tombs, c->leg_id)) { /* a repeated one, and the leg has come and gone */
		tell_gone(e, c, owner);
		return;
	}
	/* Before the bindings are read every agent seems to have no phone. */
	d = e->draining || !store_synced(e->store) || e->n_dialogs >= (size_t)e->cfg.max_legs
		? NULL
		: dialog_new(e, c->tenant, c->call_id, c->leg_id, true);
	if (!d) {
		tell_failed(e, c, owner);
		return;
	}
	d->claimed = true;
	d->epoch = c->epoch;
	str_copy(d->owner, sizeof(d->owner), owner);
	dialog_event(d, LEG_EV_DIAL, &(struct dialog_input){ .command = c });
}

static void reanswer(struct dialog *d, const struct edge_command *c)
{
	struct dialog_input in = { .sdp = c->sdp };

	if (c->request != d->reoffers) /* an answer to an offer that is no longer asked */
		return;
	dialog_renego(d,
		      !c->sdp.size	  ? RENEGO_EV_REANSWER_REFUSE
		      : d->reoffer_update ? RENEGO_EV_REANSWER_UPDATE
					  : RENEGO_EV_REANSWER,
		      &in);
}

static void obey(struct dialog *d, const struct edge_command *c)
{
	struct dialog_input in = {
		.status = c->status, .reason = c->reason, .retry_after_s = c->retry_after_s, .sdp = c->sdp
	};

	switch (c->kind) {
	case EDGE_PROGRESS:
		dialog_event(d, LEG_EV_DO_PROGRESS, &in);
		return;
	case EDGE_ANSWER:
		dialog_event(d, LEG_EV_DO_ANSWER, &in);
		return;
	case EDGE_REJECT:
		dialog_event(d, LEG_EV_DO_REJECT, &in);
		return;
	case EDGE_HANG_UP:
		dialog_event(d, LEG_EV_DO_HANG_UP, &in);
		return;
	case EDGE_REINVITE:
		dialog_renego(d, RENEGO_EV_REINVITE, &in);
		return;
	case EDGE_REANSWER:
		reanswer(d, c);
		return;
	case EDGE_ATTACH:
		dialog_tell_state(d);
		return;
	case EDGE_PROBE:
		if (d->state == LEG_UP)
			probe_start(d);
		else
			dialog_tell_state(d);
		return;
	case EDGE_DIAL: /* repeated: nothing */
		return;
	}
}

static void on_command(const struct edge_command *c, const char *owner, void *arg)
{
	struct edge *e = arg;
	struct dialog *d = dialog_find(e, c->leg_id);
	bool moved;

	metric_add(&edge_metric_commands, 1);
	if (!d && c->kind == EDGE_DIAL) {
		dial(e, c, owner);
		return;
	}
	/* A leg of another tenant or call is no leg: nothing is told about it. */
	if (!d || !str_eq(d->tenant, c->tenant) || !str_eq(d->call_id, c->call_id)) {
		tell_gone(e, c, owner);
		return;
	}
	if (c->epoch < d->epoch) {
		tell_stale(e, c, owner, d->epoch);
		return;
	}
	moved = c->epoch != d->epoch || !str_eq(d->owner, owner);
	d->epoch = c->epoch;
	str_copy(d->owner, sizeof(d->owner), owner);
	dialog_claim(d);
	dialog_heard_of(d);
	if (d->told_ended) {
		dialog_tell_ended_again(d);
		return;
	}
	if (moved && d->state == LEG_UP)
		dialog_save(d);
	obey(d, c);
}

static void on_bad(const struct err_detail *detail, void *arg)
{
	(void)arg;
	metric_add(&edge_metric_commands_bad, 1);
	LOG_WARN(NULL, "command.invalid", "field=%s message=%s", LOG_Q(detail->field), LOG_Q(detail->message));
}

static void on_message(const struct bus_msg *msg, void *arg)
{
	edge_wire_commands(msg->data, msg->size, on_command, on_bad, arg);
}

static void on_beat(const struct controller_beat *beat, void *arg)
{
	struct edge *e = arg;

	int lost = controllers_heard(&e->controllers, beat, clock_mono_ms());

	if (lost != CONTROLLER_NONE)
		dialog_offers_check(e, lost);
}

static void on_beat_message(const struct bus_msg *msg, void *arg)
{
	struct err_detail d;

	if (edge_wire_beat(msg->data, msg->size, on_beat, arg, &d))
		on_bad(&d, arg);
}

err_t command_start(struct edge *e)
{
	char subject[160];
	err_t err;

	snprintf(subject, sizeof(subject), "tl.%s.hb.call-control.*", e->site);
	err = bus_subscribe(&e->beats, e->bus, subject, NULL, on_beat_message, e);
	if (err)
		return err;

	snprintf(subject, sizeof(subject), "tl.%s.edge.%s", e->site, e->instance);
	return bus_subscribe(&e->commands, e->bus, subject, NULL, on_message, e);
}

void command_stop(struct edge *e)
{
	if (e->commands)
		bus_unsubscribe(&e->commands);
	if (e->beats)
		bus_unsubscribe(&e->beats);
}
