/*
 * anchor: calls whose media engine is gone: found, and given to another one at a pace that neither the engines nor the edge
 * nor the phones feel (RELIABILITY, kill -9 of media; GT-15). What that means for a call decides the core (call_anchor.c).
 *
 * An engine is gone when it has restarted (another incarnation in its heartbeat), when it is silent while others are heard, and
 * it goes when it drains. Its calls wait in a list, those that talk first, until an engine has room. One that was only thought
 * dead and comes back is told to free what it still holds of them.
 */
#include "control.h"

#include <stdio.h>
#include <utlist.h>
#include "base/clock.h"
#include "base/mem.h"
#include "cc_metrics.h"
#include "log/log.h"

#define PACE_MS	     20
#define PACE_CALLS   12	   /* 600 a second: 1,200 re-INVITEs */
#define NO_ENGINE_MS 200   /* until it is looked again for one */
#define GIVE_UP_MS   60000 /* without any engine: nobody talks to silence for longer */
#define DRAIN_MS     400   /* a draining engine serves until the phones have turned to the other one */
#define LEFT_MAX_MS  600000

/* A call that an engine may still hold although it goes on elsewhere. */
struct left {
	struct left *prev, *next;
	char media[CALL_NAME], tenant[CALL_NAME], call_id[ID_TEXT];
	uint64_t incarnation, epoch;
	int64_t due_ms, since_ms; /* monotonic; due_ms 0: when the engine is heard again */
};

/* ---- what is left behind --------------------------------------------------------------------------------------------- */

static void free_left(struct control *cc, struct left *left)
{
	struct call gone = { .epoch = left->epoch };
	struct call_command c = { .kind = COMMAND_FREE_CALL };
	char subject[BATCH_SUBJECT];
	struct str *out;
	bool fresh;

	str_copy(gone.tenant, sizeof(gone.tenant), left->tenant);
	str_copy(gone.id, sizeof(gone.id), left->call_id);
	snprintf(subject, sizeof(subject), "tl.%s.media.%s", cc->site, left->media);
	out = batches_get(&cc->batches, subject, &fresh);
	if (fresh)
		cc_wire_put_media_owner(out, cc->self.instance);
	cc_wire_put_media(out, &gone, &c);
	DL_DELETE(cc->left, left);
	mem_free(left);
}

/* An engine that has restarted since is told, too: what was said before its new beat was heard, the new process may have done.
 * Without memory the engine frees it by itself, when nothing has come for long. */
static void leave(struct control *cc, const struct call *call, const char *media, uint64_t incarnation)
{
	const struct peer *p = peers_find_media(cc, media);
	struct left *left;

	left = mem_zalloc(sizeof(*left));
	if (!left)
		return;
	str_copy(left->media, sizeof(left->media), media);
	str_copy(left->tenant, sizeof(left->tenant), call->tenant);
	str_copy(left->call_id, sizeof(left->call_id), call->id);
	left->incarnation = p ? p->hb.incarnation : incarnation;
	left->epoch = call->epoch;
	left->since_ms = clock_mono_ms();
	left->due_ms = p && !p->dead ? left->since_ms + DRAIN_MS : 0;
	DL_APPEND(cc->left, left);
}

static void sweep_left(struct control *cc, int64_t now)
{
	struct left *left, *tmp;

	DL_FOREACH_SAFE (cc->left, left, tmp) {
		if (left->due_ms && now >= left->due_ms) {
			free_left(cc, left);
		} else if (now - left->since_ms > LEFT_MAX_MS) {
			DL_DELETE(cc->left, left);
			mem_free(left);
		}
	}
}

void anchor_heard(struct control *cc, const struct peer *p)
{
	struct left *left, *tmp;

	DL_FOREACH_SAFE (cc->left, left, tmp) {
		if (left->due_ms || !str_eq(left->media, p->hb.instance))
			continue;
		if (left->incarnation == p->hb.incarnation) {
			free_left(cc, left);
		} else {
			DL_DELETE(cc->left, left);
			mem_free(left);
		}
	}
}

/* ---- which calls ------------------------------------------------------------------------------------------------------ */

static bool engine_gone(const struct control *cc, const struct call *call)
{
	const struct peer *p = peers_find_media(cc, call->media);

	if (!p) /* never heard: believed in until its beats would have been */
		return clock_mono_ms() - cc->listening_ms >= LISTEN_MS;
	return p->dead || (call->media_incarnation && p->hb.incarnation != call->media_incarnation);
}

static bool engine_goes(const struct control *cc, const struct call *call)
{
	const struct peer *p = peers_find_media(cc, call->media);

	return p && p->hb.draining && call->phase != CALL_PHASE_ENDING;
}

static bool talks(const struct call *call)
{
	return call->phase == CALL_PHASE_TALKING || call->phase == CALL_PHASE_WELCOME ||
	       call->phase == CALL_PHASE_CONNECTING;
}

static void pace(struct control *cc, int64_t delay_ms)
{
	if (!loop_timer_running(&cc->anchor_timer))
		loop_timer_start(&cc->anchor_timer, delay_ms);
}

static void strand(struct live *l)
{
	struct control *cc = l->control;

	if (l->stranded || l->lost || !l->started || call_ended(l->call))
		return; /* not started: looked at when it is */
	l->stranded = true;
	l->stranded_ms = clock_mono_ms();
	if (talks(l->call))
		DL_PREPEND2(cc->stranded, l, stranded_prev, stranded_next);
	else
		DL_APPEND2(cc->stranded, l, stranded_prev, stranded_next);
	metric_add(&cc_metric_stranded, 1);
	pace(cc, 0);
}

void anchor_check(struct live *l)
{
	if (l->call->stranded || engine_gone(l->control, l->call) || engine_goes(l->control, l->call))
		strand(l);
}

void anchor_check_all(struct control *cc)
{
	struct live *l, *tmp;

	HASH_ITER (hh, cc->calls, l, tmp)
		anchor_check(l);
}

void anchor_forget(struct live *l)
{
	if (!l->stranded)
		return;
	l->stranded = false;
	DL_DELETE2(l->control->stranded, l, stranded_prev, stranded_next);
	metric_add(&cc_metric_stranded, -1);
}

/* ---- one after the other ----------------------------------------------------------------------------------------------- */

static void move(struct live *l, struct peer *to)
{
	struct call_input in = { .kind = INPUT_MEDIA_LOST,
				 .media = to->hb.instance,
				 .incarnation = to->hb.incarnation };
	struct call *call = l->call;
	struct log_ctx ctx = { .tenant = call->tenant, .call = call->id };
	bool ending = call->phase == CALL_PHASE_ENDING;
	uint64_t incarnation = call->media_incarnation;
	char from[CALL_NAME];

	str_copy(from, sizeof(from), call->media);
	if (ending || !str_eq(from, to->hb.instance))
		leave(l->control, call, from, incarnation);
	to->hb.load += call->caller_leg.endpoint + call->agent_leg.endpoint;
	LOG_INFO(&ctx, "call.reanchoring", "from=%s to=%s phase=%s", from, to->hb.instance,
		 call_phase_name(call->phase));
	if (!ending)
		metric_add(&cc_metric_reanchored, 1);
	live_step(l, &in);
}

/* No engine has room: who ends needs none; who has waited in silence for too long is told to go. */
static bool nowhere(struct live *l)
{
	bool gone = l->call->stranded || engine_gone(l->control, l->call);
	bool over = clock_mono_ms() - l->stranded_ms > GIVE_UP_MS;

	if (!gone || (l->call->phase != CALL_PHASE_ENDING && !over))
		return false;
	anchor_forget(l);
	leave(l->control, l->call, l->call->media, l->call->media_incarnation);
	live_step(l, &(struct call_input){ .kind = INPUT_MEDIA_LOST });
	return true;
}

static void on_pace(void *arg)
{
	struct control *cc = arg;
	struct live *l, *tmp;
	struct peer *to = NULL;
	int n = 0;

	sweep_left(cc, clock_mono_ms());
	DL_FOREACH_SAFE2(cc->stranded, l, tmp, stranded_next)
	{
		if (n == PACE_CALLS)
			break;
		if (!l->call->stranded && !engine_gone(cc, l->call) && !engine_goes(cc, l->call)) {
			anchor_forget(l); /* it was not dead */
			continue;
		}
		to = peers_media(cc, control_pool(cc, l->call->tenant));
		if (!to) {
			n += nowhere(l);
			continue;
		}
		anchor_forget(l);
		move(l, to);
		n++;
	}
	if (cc->stranded)
		pace(cc, to ? PACE_MS : NO_ENGINE_MS);
	else if (cc->left)
		pace(cc, DRAIN_MS);
}

void anchor_init(struct control *cc)
{
	loop_timer_init(&cc->anchor_timer, cc->loop, on_pace, cc);
}

void anchor_done(struct control *cc)
{
	struct left *left, *tmp;

	loop_timer_done(&cc->anchor_timer);
	DL_FOREACH_SAFE (cc->left, left, tmp) {
		DL_DELETE(cc->left, left);
		mem_free(left);
	}
}
