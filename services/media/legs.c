#include "legs.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/str.h"
#include "base/table.h"
#include "recording/segment.h"

enum record_state { RECORD_NONE, RECORD_ON, RECORD_STOPPING, RECORD_DONE };

/* Legs of one call share owner and epoch: the fence is the call's. */
struct call {
	UT_hash_handle hh;
	char key[2 * COMMAND_ID]; /* tenant/call */
	char owner[COMMAND_ID];
	uint64_t epoch;
	struct leg *legs;
	bool freeing; /* by CallFree, answered when the last leg has gone */
	uint32_t free_request;
};

struct leg {
	UT_hash_handle hh;
	char key[2 * COMMAND_ID]; /* tenant/leg */
	struct legs *all;
	struct call *call;
	struct leg *next; /* of the call */
	void *user;
	char tenant[COMMAND_ID], call_id[COMMAND_ID], id[COMMAND_ID];
	struct sdp_session sdp;
	struct leg *peer;
	bool ready; /* an EndpointReady went out */
	bool closing;
	uint32_t free_request;
	struct {
		bool active, loop, known; /* known: play_id was used */
		uint32_t id, serial, request;
		bool interrupted; /* how the last one ended */
		char missing[COMMAND_HASH];
	} play;
	struct {
		enum record_state state;
		char id[COMMAND_ID], path[SEGMENT_PATH];
		uint32_t request;
		int64_t duration_ms;
		uint64_t size_bytes;
	} record;
};

struct legs {
	struct legs_params params;
	const struct legs_ops *ops;
	void *arg;
	struct call *calls;
	struct leg *legs;
};

const char *command_name(enum command_kind kind)
{
	static const char *const names[] = { "create", "remote",   "free",   "play",	  "stop-play",
					     "bridge", "unbridge", "record", "call-free", "attach" };

	return names[kind];
}

err_t legs_new(struct legs **ret, const struct legs_params *p, const struct legs_ops *ops, void *arg)
{
	struct legs *legs = mem_zalloc(sizeof(*legs));

	if (!legs)
		return ERR_EXHAUSTED;
	legs->params = *p;
	legs->ops = ops;
	legs->arg = arg;
	*ret = legs;
	return ERR_OK;
}

/* ---- events ---- */
static void emit(struct leg *leg, struct event *ev)
{
	ev->tenant = leg->tenant;
	ev->call_id = leg->call_id;
	ev->leg_id = leg->id;
	leg->all->ops->emit(leg->call->owner, ev, leg->all->arg);
}

static void emit_ready(struct leg *leg, uint32_t request, bool with_sdp)
{
	struct event ev = { .kind = EVENT_READY, .request = request };

	leg->ready = true;
	ev.ready.sdp = with_sdp ? str_text(&leg->sdp.local) : "";
	ev.ready.size = with_sdp ? leg->sdp.local.len : 0;
	emit(leg, &ev);
}

static void emit_record_done(struct leg *leg, uint32_t request)
{
	struct event ev = { .kind = EVENT_RECORD_DONE, .request = request };

	ev.record_done.recording_id = leg->record.id;
	ev.record_done.path = leg->record.path;
	ev.record_done.duration_ms = leg->record.duration_ms;
	ev.record_done.size_bytes = leg->record.size_bytes;
	emit(leg, &ev);
}

static void emit_play_done(struct leg *leg)
{
	struct event ev = { .kind = EVENT_PLAY_DONE, .request = leg->play.request };

	ev.play_done.play_id = leg->play.id;
	ev.play_done.interrupted = leg->play.interrupted;
	ev.play_done.missing = leg->play.missing;
	emit(leg, &ev);
}

/* Answers the sender of the command, who may not be the owner. */
static void fail(struct legs *legs, const struct command *c, err_t error, const char *fmt, ...) PRINTF(4, 5);
static void fail(struct legs *legs, const struct command *c, err_t error, const char *fmt, ...)
{
	struct event ev = { .kind = EVENT_FAILED,
			    .tenant = c->tenant,
			    .call_id = c->call_id,
			    .leg_id = c->leg_id,
			    .request = c->request };
	char message[384];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	ev.failed.what = c->kind;
	ev.failed.error = error;
	ev.failed.message = message;
	legs->ops->emit(c->owner, &ev, legs->arg);
}

static void emit_freed(struct legs *legs, const char *owner, const struct command *c)
{
	struct event ev = { .kind = EVENT_FREED,
			    .tenant = c->tenant,
			    .call_id = c->call_id,
			    .leg_id = c->leg_id,
			    .request = c->request };

	legs->ops->emit(owner, &ev, legs->arg);
}

/* ---- calls and legs ---- */
static void make_key(char key[2 * COMMAND_ID], const char *tenant, const char *id)
{
	snprintf(key, 2 * COMMAND_ID, "%s/%s", tenant, id);
}

static struct call *call_find(struct legs *legs, const struct command *c)
{
	char key[2 * COMMAND_ID];
	struct call *call;

	make_key(key, c->tenant, c->call_id);
	HASH_FIND_STR(legs->calls, key, call);
	return call;
}

static struct leg *leg_find(struct legs *legs, const char *tenant, const char *id)
{
	char key[2 * COMMAND_ID];
	struct leg *leg;

	make_key(key, tenant, id);
	HASH_FIND_STR(legs->legs, key, leg);
	return leg;
}

static struct call *call_get(struct legs *legs, const struct command *c)
{
	struct call *call = call_find(legs, c);

	if (call)
		return call;
	call = mem_zalloc(sizeof(*call));
	if (!call)
		return NULL;
	make_key(call->key, c->tenant, c->call_id);
	memcpy(call->owner, c->owner, sizeof(call->owner));
	call->epoch = c->epoch;
	HASH_ADD_STR(legs->calls, key, call);
	if (TABLE_HAS(call))
		return call;
	mem_free(call);
	return NULL;
}

static void call_drop_if_empty(struct legs *legs, struct call *call)
{
	if (call->legs)
		return;
	HASH_DEL(legs->calls, call);
	mem_free(call);
}

static struct leg *leg_new(struct legs *legs, const struct command *c)
{
	struct call *call = call_get(legs, c);
	struct leg *leg = call ? mem_zalloc(sizeof(*leg)) : NULL;

	if (!leg) {
		if (call)
			call_drop_if_empty(legs, call);
		return NULL;
	}
	leg->all = legs;
	leg->call = call;
	make_key(leg->key, c->tenant, c->leg_id);
	memcpy(leg->tenant, c->tenant, sizeof(leg->tenant));
	memcpy(leg->call_id, c->call_id, sizeof(leg->call_id));
	memcpy(leg->id, c->leg_id, sizeof(leg->id));
	HASH_ADD_STR(legs->legs, key, leg);
	if (!TABLE_HAS(leg)) {
		mem_free(leg);
		call_drop_if_empty(legs, call);
		return NULL;
	}
	leg->next = call->legs;
	call->legs = leg;
	return leg;
}

static void leg_remove(struct leg *leg)
{
	struct legs *legs = leg->all;
	struct leg **at = &leg->call->legs;

	while (*at != leg)
		at = &(*at)->next;
	*at = leg->next;
	HASH_DEL(legs->legs, leg);
	call_drop_if_empty(legs, leg->call);
	sdp_session_done(&leg->sdp);
	mem_free(leg);
}

void legs_free(struct legs **ref)
{
	struct legs *legs = *ref;

	if (!legs)
		return;
	while (legs->legs)
		leg_remove(legs->legs);
	mem_free(legs);
	*ref = NULL;
}

size_t legs_count(const struct legs *legs)
{
	return HASH_COUNT(legs->legs);
}

/* ---- SDP ---- */
/* A peer's address to which nothing may be sent: it would make the engine a gun for somebody else. */
static err_t check_target(const struct legs *legs, const struct sdp_agreed *a, struct err_detail *d)
{
	bool any = sdp_addr_any(&a->addr);

	if (a->addr.family != legs->params.address.family && !any)
		return err_set(d, ERR_PRECONDITION, "sdp", "an address of family IP%u is needed",
			       (unsigned)legs->params.address.family);
	if (!any && sdp_addr_loopback(&a->addr) && !legs->params.loopback)
		return err_set(d, ERR_INVALID, "sdp", "a loopback address is not accepted");
	if (!any && (a->port < 1024 || a->rtcp_port < 1024))
		return err_set(d, ERR_INVALID, "sdp", "ports below 1024 are not accepted");
	return ERR_OK;
}

static err_t take_sdp(struct leg *leg, const struct command *c, bool is_offer, struct err_detail *d)
{
	struct sdp_agreed before = leg->sdp.agreed;
	err_t e;

	e = is_offer ? sdp_session_answer(&leg->sdp, c->sdp, c->sdp_size, d)
		     : sdp_session_answered(&leg->sdp, c->sdp, c->sdp_size, d);
	if (e)
		return e;
	e = check_target(leg->all, &leg->sdp.agreed, d);
	if (e) {
		leg->sdp.agreed = before;
		return e;
	}
	leg->all->ops->remote(leg, &leg->sdp.agreed, leg->all->arg);
	return ERR_OK;
}

/* What another leg of the call speaks comes first in our offer: then nothing need be transcoded. */
static enum sdp_codec preferred(const struct call *call)
{
	for (const struct leg *l = call->legs; l; l = l->next)
		if (l->sdp.agreed.valid)
			return l->sdp.agreed.codec;
	return SDP_CODEC_PCMA;
}

static void start_close(struct leg *leg);

/* The session of a phone whose engine is gone: as it agreed with that one, then our offer for the rest of it. The version has
 * to be above all that the former engine has used, which counted from 1. */
static err_t take_over(struct leg *leg, const struct command *c, int64_t now_ms, struct err_detail *d)
{
	err_t e = take_sdp(leg, c, true, d);

	leg->sdp.version = (uint64_t)now_ms;
	return e ? e : sdp_session_offer(&leg->sdp, leg->sdp.agreed.dir);
}

/* The same at whatever engine the leg is: for its phone it is one session (RFC 3264, 8). */
static uint64_t session_id(const struct command *c)
{
	return (uint64_t)hash_fnv1a32(c->call_id) << 32 | hash_fnv1a32(c->leg_id);
}

static err_t first_description(struct leg *leg, const struct command *c, int64_t now_ms, struct err_detail *d)
{
	if (c->sdp_size && c->reanchor)
		return take_over(leg, c, now_ms, d);
	return c->sdp_size ? take_sdp(leg, c, true, d) : sdp_session_offer(&leg->sdp, SDP_SENDRECV);
}

static void do_create(struct legs *legs, struct leg *leg, const struct command *c, int64_t now_ms)
{
	struct err_detail d = { "", "out of memory" };
	uint16_t port;
	err_t e;

	if (leg) { /* again: same result */
		emit_ready(leg, c->request, true);
		return;
	}
	leg = leg_new(legs, c);
	if (!leg) {
		fail(legs, c, ERR_EXHAUSTED, "out of memory");
		return;
	}
	e = legs->ops->open(leg, &port, legs->arg);
	if (e) {
		fail(legs, c, e,
		     e == ERR_UNAVAILABLE ? "the engine is draining"
					  : "no free RTP ports (rtp.port_min, rtp.port_max) or files");
		leg_remove(leg);
		return;
	}
	sdp_session_init(&leg->sdp, &legs->params.address, port, session_id(c));
	leg->sdp.prefer = preferred(leg->call);
	leg->sdp.random = legs->params.random;
	leg->sdp.srtp = c->srtp && !c->sdp_size;
	e = first_description(leg, c, now_ms, &d);
	if (e) {
		fail(legs, c, e, "%s: %s", d.field, d.message);
		start_close(leg);
		return;
	}
	emit_ready(leg, c->request, true);
}

static void do_remote(struct legs *legs, struct leg *leg, const struct command *c)
{
	struct err_detail d = { "", "out of memory" };
	err_t e = take_sdp(leg, c, c->sdp_is_offer, &d);

	if (e)
		fail(legs, c, e, "%s: %s", d.field, d.message);
	else if (c->quiet)
		leg->ready = true;
	else
		emit_ready(leg, c->request, c->sdp_is_offer);
}

/* ---- playing ---- */
static void end_play(struct leg *leg, bool interrupted, const char *missing)
{
	if (!leg->play.active)
		return;
	leg->play.active = false;
	leg->play.interrupted = interrupted;
	(void)str_copy(leg->play.missing, sizeof(leg->play.missing), missing);
	/* A loop that was asked to stop has no news; one that ended by itself or by a digit has. */
	if (!leg->play.loop || !interrupted)
		emit_play_done(leg);
}

static void stop_play(struct leg *leg)
{
	if (!leg->play.active)
		return;
	leg->all->ops->stop(leg, leg->all->arg);
	end_play(leg, true, "");
}

static void do_play(struct legs *legs, struct leg *leg, const struct command *c)
{
	if (leg->play.known && leg->play.id == c->play.play_id && c->play.play_id) {
		if (!leg->play.active)
			emit_play_done(leg);
		return;
	}
	stop_play(leg);
	leg->play.active = leg->play.known = true;
	leg->play.loop = c->play.loop;
	leg->play.id = c->play.play_id;
	leg->play.request = c->request;
	leg->play.serial++;
	legs->ops->play(leg, leg->play.serial, &c->play, legs->arg);
}

void legs_on_play_done(struct leg *leg, uint32_t serial, bool interrupted, const char *missing)
{
	if (serial != leg->play.serial || leg->closing || !leg->play.active)
		return;
	if (interrupted) /* by a digit: also a loop has news then */
		leg->play.loop = false;
	end_play(leg, interrupted, missing);
}

/* ---- bridging ---- */
static void unbridge(struct leg *leg)
{
	struct leg *peer = leg->peer;

	if (!peer)
		return;
	leg->peer = peer->peer = NULL;
	leg->all->ops->unbridge(leg, peer, leg->all->arg);
}

static void do_bridge(struct legs *legs, struct leg *leg, const struct command *c)
{
	struct leg *other = leg_find(legs, c->tenant, c->other);
	err_t e;

	if (!other || other->closing || other == leg) {
		fail(legs, c, ERR_NOT_FOUND, "other_leg_id: no such leg here");
		return;
	}
	if (leg->peer == other)
		return;
	unbridge(leg);
	unbridge(other);
	/* Music and ring-back end here; a prompt is heard to its end, then the other party. */
	if (leg->play.loop)
		stop_play(leg);
	if (other->play.loop)
		stop_play(other);
	e = legs->ops->bridge(leg, other, legs->arg);
	if (e) {
		fail(legs, c, e,
		     "other_leg_id: the legs are of different calls on different workers; that is not built yet");
		return;
	}
	leg->peer = other;
	other->peer = leg;
}

/* ---- recording ---- */
static void record_on(struct legs *legs, struct leg *leg, const struct command *c)
{
	err_t e;

	if (leg->record.state != RECORD_NONE && str_eq(leg->record.id, c->other))
		return;
	if (leg->record.state == RECORD_ON || leg->record.state == RECORD_STOPPING) {
		fail(legs, c, ERR_PRECONDITION, "recording_id: %s is being recorded; stop it first", leg->record.id);
		return;
	}
	e = segment_path(leg->record.path, leg->tenant, c->other);
	if (!e)
		e = legs->ops->record(leg, c->other, legs->arg);
	if (e) {
		fail(legs, c, e, "recording_id: cannot be recorded");
		return;
	}
	memcpy(leg->record.id, c->other, sizeof(leg->record.id));
	leg->record.state = RECORD_ON;
}

static void record_off(struct leg *leg, uint32_t request)
{
	if (leg->record.state == RECORD_DONE)
		emit_record_done(leg, request);
	if (leg->record.state == RECORD_STOPPING)
		leg->record.request = request;
	if (leg->record.state != RECORD_ON)
		return;
	leg->record.state = RECORD_STOPPING;
	leg->record.request = request;
	leg->all->ops->record_off(leg, leg->all->arg);
}

static void do_record(struct legs *legs, struct leg *leg, const struct command *c)
{
	if (c->on)
		record_on(legs, leg, c);
	else if (leg->record.state == RECORD_NONE)
		fail(legs, c, ERR_PRECONDITION, "nothing is being recorded");
	else
		record_off(leg, c->request);
}

void legs_on_record_done(struct leg *leg, int64_t duration_ms, uint64_t size_bytes)
{
	leg->record.state = RECORD_DONE;
	leg->record.duration_ms = duration_ms;
	leg->record.size_bytes = size_bytes;
	emit_record_done(leg, leg->record.request);
}

static void emit_failed(struct leg *leg, enum command_kind what, err_t error, const char *message)
{
	struct event ev = { .kind = EVENT_FAILED };

	ev.failed.what = what;
	ev.failed.error = error;
	ev.failed.message = message;
	emit(leg, &ev);
}

void legs_on_record_failed(struct leg *leg, err_t error, const char *message)
{
	emit_failed(leg, COMMAND_RECORD, error, message);
}

/* ---- the end ---- */
static void start_close(struct leg *leg)
{
	if (leg->closing)
		return;
	unbridge(leg);
	if (leg->record.state == RECORD_ON)
		record_off(leg, 0);
	leg->closing = true;
	leg->all->ops->close(leg, leg->all->arg);
}

void legs_on_closed(struct leg *leg, const struct event_counts *counts)
{
	struct event ev = { .kind = EVENT_FREED, .request = leg->free_request, .freed = *counts };
	struct event call_freed = { .kind = EVENT_FREED,
				    .tenant = leg->tenant,
				    .call_id = leg->call_id,
				    .leg_id = "",
				    .request = leg->call->free_request };

	/* A creation that failed was never ready: its failure was the answer. */
	if (leg->ready)
		emit(leg, &ev);
	if (leg->call->freeing && leg->call->legs == leg && !leg->next)
		leg->all->ops->emit(leg->call->owner, &call_freed, leg->all->arg);
	leg_remove(leg);
}

static void do_free(struct leg *leg, const struct command *c)
{
	leg->free_request = c->request;
	start_close(leg);
}

static void do_call_free(struct legs *legs, const struct command *c)
{
	struct call *call = call_find(legs, c);

	if (!call) {
		emit_freed(legs, c->owner, c);
		return;
	}
	call->freeing = true;
	call->free_request = c->request;
	for (struct leg *l = call->legs, *next; l; l = next) {
		next = l->next;
		start_close(l);
	}
}

void legs_close_all(struct legs *legs)
{
	struct leg *leg, *tmp;

	HASH_ITER (hh, legs->legs, leg, tmp)
		start_close(leg);
}

void legs_abandon(struct leg *leg)
{
	start_close(leg);
}

/* ---- what the streams tell ---- */
void legs_on_digit(struct leg *leg, char digit, uint32_t duration_ms)
{
	struct event ev = { .kind = EVENT_DIGIT };

	if (leg->closing)
		return;
	ev.digit.digit = digit;
	ev.digit.duration_ms = duration_ms;
	emit(leg, &ev);
}

void legs_on_timeout(struct leg *leg, int64_t silence_ms)
{
	struct event ev = { .kind = EVENT_TIMEOUT };

	if (leg->closing)
		return;
	ev.timeout.silence_ms = silence_ms;
	emit(leg, &ev);
}

/* ---- commands ---- */
/* The fence: an older epoch is refused, a newer one (or the same owner again) takes the call over. */
static bool fence(struct legs *legs, const struct command *c)
{
	struct call *call = call_find(legs, c);

	if (!call)
		return true;
	if (c->epoch < call->epoch) {
		fail(legs, c, ERR_ABORTED, "epoch: %llu is older than %llu: the call has another owner",
		     (unsigned long long)c->epoch, (unsigned long long)call->epoch);
		return false;
	}
	call->epoch = c->epoch;
	memcpy(call->owner, c->owner, sizeof(call->owner));
	return true;
}

/* Is the leg there for this command? Answers it if not. */
static bool leg_usable(struct legs *legs, const struct leg *leg, const struct command *c)
{
	if (c->kind == COMMAND_CREATE && !leg)
		return true;
	if (c->kind == COMMAND_FREE) {
		if (!leg)
			emit_freed(legs, c->owner, c);
		return leg != NULL;
	}
	if (leg && !leg->closing)
		return true;
	fail(legs, c, ERR_NOT_FOUND, "leg_id: no such leg here");
	return false;
}

void legs_command(struct legs *legs, const struct command *c, int64_t now_ms)
{
	struct leg *leg = leg_find(legs, c->tenant, c->leg_id);

	if (leg && !str_eq(leg->call_id, c->call_id)) {
		fail(legs, c, ERR_NOT_FOUND, "leg_id: no such leg here");
		return;
	}
	if (!fence(legs, c))
		return;
	if (c->kind == COMMAND_CALL_FREE) {
		do_call_free(legs, c);
		return;
	}
	if (!leg_usable(legs, leg, c))
		return;
	switch (c->kind) {
	case COMMAND_CREATE:
		do_create(legs, leg, c, now_ms);
		break;
	case COMMAND_REMOTE:
		do_remote(legs, leg, c);
		break;
	case COMMAND_FREE:
		do_free(leg, c);
		break;
	case COMMAND_PLAY:
		do_play(legs, leg, c);
		break;
	case COMMAND_STOP_PLAY:
		stop_play(leg);
		break;
	case COMMAND_BRIDGE:
		do_bridge(legs, leg, c);
		break;
	case COMMAND_UNBRIDGE:
		unbridge(leg);
		break;
	case COMMAND_RECORD:
		do_record(legs, leg, c);
		break;
	case COMMAND_ATTACH:
		emit_ready(leg, c->request, true);
		break;
	case COMMAND_CALL_FREE:
		break;
	}
}

const char *leg_tenant(const struct leg *leg)
{
	return leg->tenant;
}

const char *leg_call(const struct leg *leg)
{
	return leg->call_id;
}

const char *leg_id(const struct leg *leg)
{
	return leg->id;
}

uint32_t leg_play_serial(const struct leg *leg)
{
	return leg->play.serial;
}

void leg_set_user(struct leg *leg, void *user)
{
	leg->user = user;
}

void *leg_user(const struct leg *leg)
{
	return leg->user;
}
