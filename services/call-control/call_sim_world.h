/* The world of the simulator of the call core (call_sim_test.c): edge, phones, media, router, the agent's record, owners that die or sleep. */
#ifndef CALL_CONTROL_CALL_SIM_WORLD_H
#define CALL_CONTROL_CALL_SIM_WORLD_H

#include "call_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "call_fixture.h"
#include "cc_wire.h"

#define FACTS_MAX 4096
#define MAIL_MAX  512
#define HELD_MAX  512
#define SKEW_MS	  3000
#define ASLEEP	  4	/* former owners that may wake up, at a time */
#define SILENT_MS 20000 /* since the last death of anybody: lost messages are sent again, refusing phones asked again */

static uint64_t rng_state;

static uint32_t rng(void)
{
	rng_state = rng_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(rng_state >> 33);
}

static bool chance(unsigned per_mille)
{
	return rng() % 1000 < per_mille;
}

/* What the world outside holds of one call. */
enum end_state {
	END_NONE,
	END_WAITING,
	END_RINGING,
	END_UP,
	END_LOST /* the edge does not know it any more, the phone waits */,
	END_GONE
};

struct mail {
	int64_t at_ms;
	struct call_input in;
	char leg[CALL_LEG_ID], agent[CALL_NAME], queue[CALL_NAME], sdp[16];
	unsigned engine; /* that says so; 0: it is not from media */
};

/* One phone and its endpoint: engines are numbered, 0 is none. */
struct audio {
	unsigned endpoint, phone; /* where the endpoint is; to which engine's description the phone sends */
	int64_t silent_since_ms;
};

/* A former owner that sleeps: everything it held when it fell asleep, and what was on its way to it. */
struct sleeper {
	struct call *call; /* NULL: none */
	int64_t skew_ms, wakes_ms;
	struct mail mail[8];
	int n_mail;
	struct call_command held[HELD_MAX];
	int n_held;
	bool dirty;
};

struct world {
	struct call *call;
	struct call_todo todo;
	int64_t now_ms;
	int64_t skew_ms; /* of the owner's clock */
	struct sleeper asleep[ASLEEP];
	uint64_t edge_epoch, media_epoch, router_epoch; /* newest each has heard of the call's owners */
	unsigned woken, refused;			/* sleepers; commands of theirs */
	struct mail mail[MAIL_MAX];
	int n_mail;
	enum end_state caller, agent;
	char agent_leg[CALL_LEG_ID];
	unsigned legs; /* chosen so far */
	bool endpoints, recording;
	unsigned engine;   /* alive; those before are dead */
	int64_t notice_ms; /* when the shell sees that the call's engine is gone; 0: it is not */
	struct audio caller_audio, agent_audio;
	unsigned deaths, edge_deaths, revivals;
	int64_t died_ms;   /* the last one, of an engine or an owner */
	bool nobody_looks; /* sabotage: the shell does not see that an engine is gone */
	/* router */
	bool queued, assigned;
	char assigned_leg[CALL_LEG_ID], assigned_queue[CALL_NAME];
	int64_t arrival_ms;    /* of this stay */
	char queue[CALL_NAME]; /* as the router heard it */
	/* agent's record: reserved by the router, released by call-control */
	bool reserved, on_call;
	int64_t reserved_since_ms, ringing_since_ms;
	/* checkpoints: saved = acknowledged; facts of the step ride with it */
	struct str saved;
	struct cc_event *facts; /* since the last checkpoint */
	struct call_command held[HELD_MAX];
	int n_held;
	char *published[FACTS_MAX]; /* by number: the packed event */
	size_t published_size[FACTS_MAX];
	uint64_t max_seq, ended_seq;
	int ended_facts;
	unsigned crashes;
	bool break_order; /* sabotage: publish before the checkpoint */
	const char *complaint;
};

static void complain(struct world *w, const char *what)
{
	if (!w->complaint)
		w->complaint = what;
}

static const char *engine_name(unsigned engine)
{
	static char names[4][CALL_NAME];
	char *name = names[engine % 4];

	snprintf(name, CALL_NAME, "media-%u", engine);
	return name;
}

static unsigned engine_of(const char *name)
{
	return (unsigned)strtoul(name + strlen("media-"), NULL, 10);
}

/* Descriptions are the number of their engine. */
static unsigned engine_of_sdp(const struct call_command *c)
{
	return c->sdp_size ? (unsigned)strtoul(c->sdp, NULL, 10) : 0;
}

static void post(struct world *w, struct call_input in, const char *leg, int64_t delay_ms)
{
	struct mail *m;
	unsigned copies = chance(20) ? 2 : 1;

	if (chance(10))
		return; /* lost */
	while (copies-- && w->n_mail < MAIL_MAX) {
		m = &w->mail[w->n_mail++];
		m->at_ms = w->now_ms + delay_ms + rng() % 50;
		m->in = in;
		str_copy(m->leg, sizeof(m->leg), leg ? leg : "");
		str_copy(m->agent, sizeof(m->agent), in.agent_id ? in.agent_id : "");
		str_copy(m->queue, sizeof(m->queue), in.queue_id ? in.queue_id : "");
		m->sdp[0] = '\0';
		if (in.sdp_size)
			str_copy(m->sdp, sizeof(m->sdp), in.sdp);
		m->engine = in.media ? engine_of(in.media) : 0;
	}
}

/* ---- edge and phones -------------------------------------------------------------------------------------------------- */

static enum end_state *end_of(struct world *w, const char *leg)
{
	if (str_eq(leg, w->call->caller_leg.id))
		return &w->caller;
	return str_eq(leg, w->agent_leg) ? &w->agent : NULL;
}

static struct audio *audio_of(struct world *w, const char *leg)
{
	return str_eq(leg, w->call->caller_leg.id) ? &w->caller_audio : &w->agent_audio;
}

static void leg_gone(struct world *w, const char *leg, const char *cause, uint32_t status)
{
	enum end_state *s = end_of(w, leg);

	if (s)
		*s = END_GONE;
	post(w, (struct call_input){ .kind = INPUT_LEG_ENDED, .cause = cause, .status = status }, leg, 1);
}

static void reinvited(struct world *w, const struct call_command *c, enum end_state state)
{
	struct call_input in = { .kind = INPUT_LEG_ANSWERED, .reinvite = true };

	if (state != END_UP)
		return;
	if (!chance(50)) { /* else refused */
		audio_of(w, c->leg->id)->phone = engine_of_sdp(c);
		in.sdp = "p";
		in.sdp_size = 2;
	}
	post(w, in, c->leg->id, 20);
}

static void edge_command(struct world *w, const struct call_command *c)
{
	enum end_state *s = end_of(w, c->leg->id);

	if (c->kind == COMMAND_DIAL) {
		if (!str_eq(w->agent_leg, c->leg->id)) {
			str_copy(w->agent_leg, sizeof(w->agent_leg), c->leg->id);
			w->agent = END_RINGING;
			w->agent_audio =
			    (struct audio){ .endpoint = w->agent_audio.endpoint, .phone = engine_of_sdp(c) };
			post(w, (struct call_input){ .kind = INPUT_LEG_RINGING, .status = 180 }, c->leg->id, 5);
		}
		return;
	}
	if (!s || *s == END_GONE || *s == END_NONE) { /* unknown or gone: said again on every command */
		post(w, (struct call_input){ .kind = INPUT_LEG_ENDED, .cause = s ? "bye" : "unknown-leg" }, c->leg->id,
		     1);
		return;
	}
	if (*s == END_LOST && c->kind == COMMAND_ATTACH && c->leg->invite_size) {
		*s = END_WAITING;
		w->revivals++;
	} else if (*s == END_LOST) {
		post(w, (struct call_input){ .kind = INPUT_LEG_ENDED, .cause = "unknown-leg" }, c->leg->id, 1);
		return;
	}
	switch (c->kind) {
	case COMMAND_ANSWER:
		*s = END_UP;
		w->caller_audio.phone = engine_of_sdp(c);
		post(w, (struct call_input){ .kind = INPUT_LEG_ANSWERED }, c->leg->id, 5);
		break;
	case COMMAND_REINVITE:
		reinvited(w, c, *s);
		break;
	case COMMAND_REANSWER:
		if (c->sdp_size)
			audio_of(w, c->leg->id)->phone = engine_of_sdp(c);
		break;
	case COMMAND_HANG_UP:
	case COMMAND_REJECT:
		leg_gone(w, c->leg->id, "hung-up", c->status);
		break;
	case COMMAND_ATTACH:
		post(w,
		     (struct call_input){
			 .kind = INPUT_LEG_STATE, .answered = *s == END_UP, .ringing = *s == END_RINGING },
		     c->leg->id, 1);
		break;
	default:
		break;
	}
}

/* Something a person does, or the time that passes. */
static void people(struct world *w)
{
	if (w->caller == END_UP && chance(12))
		leg_gone(w, w->call->caller_leg.id, "bye", 0);
	else if (w->caller == END_WAITING && chance(4))
		leg_gone(w, w->call->caller_leg.id, "cancel", 0);
	if (w->agent == END_RINGING && chance(200)) {
		if (chance(600)) {
			w->agent = END_UP;
			post(w, (struct call_input){ .kind = INPUT_LEG_ANSWERED }, w->agent_leg, 1);
		} else {
			leg_gone(w, w->agent_leg, chance(500) ? "no-answer" : "rejected", chance(500) ? 486 : 480);
		}
	} else if (w->agent == END_UP && chance(15)) {
		leg_gone(w, w->agent_leg, "bye", 0);
	} else if (w->agent == END_UP && chance(20)) {
		post(w,
		     (struct call_input){
			 .kind = INPUT_LEG_REOFFER, .request = 1 + rng() % 9, .sdp_holds = chance(500) },
		     w->agent_leg, 1);
	}
	if (w->caller == END_UP && chance(60))
		post(w, (struct call_input){ .kind = INPUT_DIGIT, .digit = "0123456789*#"[rng() % 12] },
		     w->call->caller_leg.id, 1);
}

/* ---- media, router, agent's record ------------------------------------------------------------------------------------ */

/* What the living engine tells. */
static void media_says(struct world *w, struct call_input in, const char *leg, int64_t delay_ms)
{
	char sdp[16];

	in.media = engine_name(w->engine);
	if (in.kind == INPUT_MEDIA_READY) {
		snprintf(sdp, sizeof(sdp), "%u", w->engine);
		in.sdp = sdp;
		in.sdp_size = sizeof(sdp);
	}
	post(w, in, leg, delay_ms);
}

static void make_endpoint(struct world *w, const struct call_command *c)
{
	struct call_input in = { .kind = INPUT_MEDIA_READY, .request = c->request };

	if (chance(5)) {
		in.kind = INPUT_MEDIA_FAILED;
		in.error = ERR_EXHAUSTED;
	} else {
		w->endpoints = true;
		audio_of(w, c->leg->id)->endpoint = w->engine;
	}
	media_says(w, in, c->leg->id, 1);
}

static void media_command(struct world *w, const struct call *from, const struct call_command *c)
{
	const char *leg = c->leg ? c->leg->id : "";

	if (engine_of(from->media) != w->engine)
		return; /* nobody hears it */
	if (c->leg && c->kind != COMMAND_ENDPOINT && c->kind != COMMAND_FREE_ENDPOINT &&
	    audio_of(w, leg)->endpoint != w->engine) {
		media_says(w,
			   (struct call_input){
			       .kind = INPUT_MEDIA_FAILED, .request = c->request, .error = ERR_NOT_FOUND },
			   leg, 1);
		return;
	}
	switch (c->kind) {
	case COMMAND_ENDPOINT:
		make_endpoint(w, c);
		break;
	case COMMAND_REMOTE:
	case COMMAND_ATTACH_ENDPOINT:
		if (c->request)
			media_says(w, (struct call_input){ .kind = INPUT_MEDIA_READY, .request = c->request }, leg, 1);
		break;
	case COMMAND_PLAY:
		if (!c->loop)
			media_says(w, (struct call_input){ .kind = INPUT_PLAY_DONE, .play_id = c->play_id }, leg, 1000);
		break;
	case COMMAND_RECORD:
		if (!c->on)
			media_says(w,
				   (struct call_input){
				       .kind = INPUT_RECORD_DONE, .path = "acme/x.seg", .duration_ms = 1 },
				   leg, 1);
		w->recording = c->on;
		break;
	case COMMAND_FREE_CALL:
		w->endpoints = w->recording = false;
		w->caller_audio.endpoint = w->agent_audio.endpoint = 0;
		media_says(w, (struct call_input){ .kind = INPUT_MEDIA_FREED }, NULL, 1);
		break;
	default:
		break;
	}
}

static void assign(struct world *w)
{
	if (!w->queued || w->assigned || w->reserved || !chance(150))
		return;
	w->assigned = w->reserved = true;
	w->queued = false;
	snprintf(w->assigned_leg, sizeof(w->assigned_leg), "%032x", 0x1000 + ++w->legs);
	str_copy(w->assigned_queue, sizeof(w->assigned_queue), w->queue);
}

static void router_command(struct world *w, const struct call *from, const struct call_command *c)
{
	switch (c->kind) {
	case COMMAND_ENQUEUE:
		if (from->arrival_ms > w->now_ms + SKEW_MS)
			complain(w, "arrival in the future");
		if (w->queued && w->arrival_ms != from->arrival_ms)
			complain(w, "the place in the queue changed");
		w->arrival_ms = from->arrival_ms;
		str_copy(w->queue, sizeof(w->queue), from->queue_id);
		if (!w->assigned)
			w->queued = true;
		post(w, (struct call_input){ .kind = INPUT_QUEUED, .agents_signed_in = 3 }, NULL, 1);
		break;
	case COMMAND_DEQUEUE:
		w->queued = false;
		break;
	case COMMAND_RESULT:
		w->assigned = false;
		if (!c->accepted)
			w->reserved = false;
		break;
	default:
		break;
	}
}

/* The router repeats an assignment until it hears its result, and gives a reservation back when the call is gone. */
static void router_tick(struct world *w)
{
	assign(w);
	if (w->assigned && chance(300))
		post(w,
		     (struct call_input){
			 .kind = INPUT_ASSIGNED, .agent_id = "1001", .queue_id = w->assigned_queue, .router_epoch = 1 },
		     w->assigned_leg, 1);
	if (chance(3))
		post(w, (struct call_input){ .kind = INPUT_ROUTER_EPOCH, .router_epoch = 2 }, NULL, 1);
}

static void agent_command(struct world *w, const struct call_command *c)
{
	if (c->kind == COMMAND_AGENT_ON_CALL)
		w->on_call = true;
	else
		w->reserved = w->on_call = false;
}

/* The router gives a reservation back that has not become a conversation in time; the edge ends a dial by its timeout. */
static void deadlines(struct world *w)
{
	if (!w->reserved || w->on_call || w->assigned)
		w->reserved_since_ms = w->now_ms;
	else if (w->now_ms - w->reserved_since_ms > 60000)
		w->reserved = false;
	if (w->agent != END_RINGING)
		w->ringing_since_ms = w->now_ms;
	else if (w->now_ms - w->ringing_since_ms > 20000)
		leg_gone(w, w->agent_leg, "no-answer", 408);
}

/* ---- checkpoints ------------------------------------------------------------------------------------------------------- */

static void publish(struct world *w, struct cc_event *list)
{
	for (struct cc_event *ev = list; ev; ev = ev->next) {
		uint64_t seq = strtoull(strchr(ev->id, '.') + 1, NULL, 10);

		if (ev->recording)
			continue;
		assert_true(seq > 0 && seq < FACTS_MAX);
		if (!w->published[seq]) {
			w->published[seq] = mem_dup(ev->bytes, ev->size);
			w->published_size[seq] = ev->size;
			w->ended_facts += ev->last;
			if (ev->last)
				w->ended_seq = seq;
		} else if (w->published_size[seq] != ev->size || memcmp(w->published[seq], ev->bytes, ev->size)) {
			complain(w, "one event number with two meanings");
		}
		if (seq > w->max_seq)
			w->max_seq = seq;
	}
}

static void release(struct world *w);

static void checkpoint(struct world *w)
{
	static const struct cc_owner owner = { .instance = "cc-1", .incarnation = 1 };
	struct str out = STR_INIT;

	assert_int_equal(cc_wire_put_checkpoint(&out, w->call, &owner, w->facts), ERR_OK);
	str_done(&w->saved);
	w->saved = out;
	publish(w, w->facts);
	cc_event_free_list(w->facts);
	w->facts = NULL;
	w->call->checkpoint = false;
	release(w);
}

/* The fence of edge, media and router: what an older owner says is refused once a newer one has spoken. */
static bool fence(struct world *w, uint64_t *newest, const struct call *from)
{
	w->refused += from->epoch < *newest;
	if (from->epoch > *newest)
		*newest = from->epoch;
	return from->epoch == *newest;
}

static void carry_out(struct world *w, const struct call *from, const struct call_command *c)
{
	if (c->kind >= COMMAND_AGENT_ON_CALL) { /* the agent's record: compare-and-set, never lost */
		if (from != w->call)
			complain(w, "an owner that is none any more changed an agent");
		agent_command(w, c);
	} else if (chance(5)) {
		return; /* lost */
	} else if (call_command_is_edge(c->kind)) {
		if (fence(w, &w->edge_epoch, from))
			edge_command(w, c);
	} else if (call_command_is_media(c->kind)) {
		if (fence(w, &w->media_epoch, from))
			media_command(w, from, c);
	} else if (fence(w, &w->router_epoch, from)) {
		router_command(w, from, c);
	}
}

/* Commands of a step go out when its checkpoint is acknowledged (control.h), those of a step without one at once. */
static void release(struct world *w)
{
	for (int i = 0; i < w->n_held; i++) {
		carry_out(w, w->call, &w->held[i]);
		mem_free((void *)(uintptr_t)w->held[i].sdp);
	}
	w->n_held = 0;
}

static void perform(struct world *w)
{
	assert_false(w->todo.overflow);
	for (int i = 0; i < w->todo.n_facts; i++) {
		struct cc_event *ev = cc_wire_fact(w->call, &w->todo.facts[i], "centre", "cc"), **end = &w->facts;

		assert_non_null(ev);
		if (w->break_order)
			publish(w, ev);
		while (*end)
			end = &(*end)->next;
		*end = ev;
	}
	for (int i = 0; i < w->todo.n_commands; i++) {
		assert_true(w->n_held < HELD_MAX);
		w->held[w->n_held++] = w->todo.commands[i];
	}
	w->todo.n_commands = 0;
	call_todo_reset(&w->todo);
	if (!w->call->checkpoint)
		release(w);
}

static void input(struct world *w, const struct call_input *in)
{
	if (getenv("SIM_TRACE"))
		print_message("%lld %s: input %d leg %s cause %s (caller %d agent %d) held %d\n", (long long)w->now_ms,
			      call_phase_name(w->call->phase), in->kind, in->leg_id ? in->leg_id + 26 : "",
			      in->cause ? in->cause : "", w->caller, w->agent, w->n_held);
	call_step(w->call, in, w->now_ms + w->skew_ms, &w->todo);
	perform(w);
	/* The acknowledgement of a checkpoint comes now or with a later step; facts wait for it. */
	if (w->call->checkpoint && (chance(800) || call_ended(w->call)))
		checkpoint(w);
}

/* ---- the media engine -------------------------------------------------------------------------------------------------- */

/* kill -9 of the engine: another one is there at once, or this one restarted; what it held is gone. */
static void engine_dies(struct world *w)
{
	w->engine++;
	w->deaths++;
	w->died_ms = w->now_ms;
	w->endpoints = w->recording = false;
	w->media_epoch = 0; /* the next one has heard of no owner */
	w->caller_audio.endpoint = w->agent_audio.endpoint = 0;
	if (!w->notice_ms)
		w->notice_ms = w->now_ms + 300 + rng() % 1500;
}

/* kill -9 of the edge, at work again a second later: it knows the legs that were up, from KV. */
static void edge_dies(struct world *w)
{
	w->edge_deaths++;
	w->edge_epoch = 0;
	if (w->caller == END_WAITING)
		w->caller = END_LOST;
	if (w->agent == END_RINGING)
		w->agent = END_LOST;
	post(w, (struct call_input){ .kind = INPUT_EDGE_BACK, .edge = "edge-1" }, NULL, 1000);
}

/* What the shell does (anchor.c): sees that the call's engine is gone, now or after an adoption, and names another one. */
static void shell_looks(struct world *w)
{
	bool gone = engine_of(w->call->media) != w->engine;
	struct call_input in = { .kind = INPUT_MEDIA_LOST, .incarnation = w->engine };

	if ((gone || w->call->stranded) && !w->notice_ms)
		w->notice_ms = w->now_ms + 20;
	if (!w->notice_ms || w->now_ms < w->notice_ms || call_ended(w->call) || w->nobody_looks)
		return;
	w->notice_ms = 0;
	if (!chance(10)) /* else there was no engine for too long */
		in.media = engine_name(w->engine);
	if (gone || w->call->stranded)
		input(w, &in);
}

static void listen_to(struct world *w, struct audio *a, bool up, const char *what)
{
	if (!up || w->call->phase >= CALL_PHASE_ENDING || (a->phone == w->engine && a->endpoint == w->engine))
		a->silent_since_ms = w->now_ms;
	else if (w->now_ms - a->silent_since_ms > SILENT_MS && w->now_ms - w->died_ms > SILENT_MS)
		complain(w, what);
}

static void drop_commands(struct call_command *held, int *n)
{
	for (int i = 0; i < *n; i++)
		mem_free((void *)(uintptr_t)held[i].sdp);
	*n = 0;
}

static void forget(struct sleeper *z)
{
	drop_commands(z->held, &z->n_held);
	call_free(&z->call);
}

/* The owner is only asleep: it keeps what it holds, and some of what was sent to it. */
static bool fall_asleep(struct world *w)
{
	for (int i = 0; i < ASLEEP; i++) {
		struct sleeper *z = &w->asleep[i];

		if (z->call)
			continue;
		*z = (struct sleeper){ .call = w->call, .skew_ms = w->skew_ms, .dirty = w->call->checkpoint };
		z->wakes_ms = w->now_ms + 2000 + rng() % 30000;
		z->n_held = w->n_held;
		memcpy(z->held, w->held, sizeof(*z->held) * (size_t)w->n_held);
		for (int k = 0; k < w->n_mail && z->n_mail < (int)ARRAY_SIZE(z->mail); k++)
			z->mail[z->n_mail++] = w->mail[k];
		w->call = NULL;
		w->n_held = 0;
		return true;
	}
	return false;
}

static struct call_input opened(const struct mail *m)
{
	struct call_input in = m->in;

	in.leg_id = m->leg[0] ? m->leg : NULL;
	in.agent_id = m->agent;
	in.queue_id = m->queue;
	in.sdp = m->sdp;
	in.sdp_size = m->sdp[0] ? strlen(m->sdp) + 1 : 0;
	return in;
}

/* One input of a former owner. Its next checkpoint is refused; until it wants one, what it decides goes out (control.h). */
static void live_on(struct world *w, struct sleeper *z, const struct call_input *in)
{
	call_step(z->call, in, w->now_ms + z->skew_ms, &w->todo);
	if (!z->call->checkpoint && !z->dirty && !z->n_held)
		for (int i = 0; i < w->todo.n_commands; i++)
			carry_out(w, z->call, &w->todo.commands[i]);
	z->dirty = z->dirty || z->call->checkpoint || w->todo.n_facts; /* a fact is written before it is stated */
	call_todo_reset(&w->todo);
}

static void wake_up(struct world *w)
{
	for (int i = 0; i < ASLEEP; i++) {
		struct sleeper *z = &w->asleep[i];

		if (!z->call || w->now_ms < z->wakes_ms)
			continue;
		w->woken++;
		for (int k = 0; k < z->n_mail && !z->dirty; k++) {
			struct call_input in = opened(&z->mail[k]);

			if (!z->mail[k].engine || z->mail[k].engine == engine_of(z->call->media))
				live_on(w, z, &in);
		}
		if (!z->dirty)
			live_on(w, z, &(struct call_input){ .kind = INPUT_TICK });
		if (z->dirty || chance(100)) /* fenced at last; or the bucket's scan tells it */
			forget(z);
	}
}

static struct call *saved_call(struct world *w)
{
	struct cc_saved s = { 0 };
	struct err_detail d;

	assert_int_equal(cc_wire_checkpoint(w->saved.data, w->saved.len, &s, &d), ERR_OK);
	s.call->conf = fixture_tenant();
	s.call->queue = s.call->queue_id[0] ? tenant_find_queue(s.call->conf, s.call->queue_id) : NULL;
	s.call->flow = s.flow_id[0] ? tenant_find_flow(s.call->conf, s.flow_id) : NULL;
	s.call->step = s.call->flow ? flow_find_step(s.call->flow, s.step_id) : FLOW_END;
	s.call->entered_step = s.call->step;
	publish(w, s.events); /* again, under the same ids */
	cc_event_free_list(s.events);
	return s.call;
}

/* kill -9, or asleep: what was not acknowledged is gone; another instance takes the checkpoint. */
static void crash(struct world *w)
{
	if (!w->saved.len)
		return;
	w->crashes++;
	w->died_ms = w->now_ms + 2000;
	cc_event_free_list(w->facts);
	w->facts = NULL;
	if (!chance(400) || !fall_asleep(w)) {
		drop_commands(w->held, &w->n_held);
		call_free(&w->call);
	}
	w->call = saved_call(w);
	w->call->epoch++;
	checkpoint(w);
	w->now_ms += 2000;
	w->skew_ms = (int64_t)(rng() % (2 * SKEW_MS)) - SKEW_MS;
	input(w, &(struct call_input){ .kind = INPUT_ADOPTED, .cause = "cc-1" });
}

static void deliver(struct world *w)
{
	for (int i = 0; i < w->n_mail; i++) {
		struct mail m = w->mail[i];
		struct call_input in = opened(&m);

		if (m.at_ms > w->now_ms)
			continue;
		w->mail[i--] = w->mail[--w->n_mail];
		if (!m.engine || m.engine == engine_of(w->call->media))
			input(w, &in);
	}
}

static void begin(struct world *w, int64_t now_ms)
{
	static const char *const numbers[] = { "100", "100", "100", "500", "500", "200", "300" };
	static unsigned n;

	memset(w, 0, sizeof(*w));
	w->now_ms = now_ms;
	assert_int_equal(call_new(&w->call), ERR_OK);
	str_copy(w->call->tenant, sizeof(w->call->tenant), "acme");
	snprintf(w->call->id, sizeof(w->call->id), "%032x", ++n);
	snprintf(w->call->caller_leg.id, sizeof(w->call->caller_leg.id), "%032x", 1);
	w->engine = 1;
	str_copy(w->call->media, sizeof(w->call->media), engine_name(w->engine));
	w->call->media_incarnation = w->engine;
	str_copy(w->call->called, sizeof(w->call->called), numbers[rng() % ARRAY_SIZE(numbers)]);
	w->call->conf = fixture_tenant();
	w->caller = END_WAITING;
	str_copy(w->call->caller_leg.edge, sizeof(w->call->caller_leg.edge), "edge-1");
	assert_int_equal(call_leg_set_invite(&w->call->caller_leg, "INVITE", 6), ERR_OK);
	call_offered(w->call, w->now_ms, &w->todo);
	perform(w);
	checkpoint(w);
	input(w, &(struct call_input){ .kind = INPUT_START });
}

static void end(struct world *w)
{
	for (uint64_t i = 0; i < FACTS_MAX; i++)
		mem_free(w->published[i]);
	str_done(&w->saved);
	cc_event_free_list(w->facts);
	call_todo_reset(&w->todo);
	call_free(&w->call);
	for (int i = 0; i < ASLEEP; i++)
		forget(&w->asleep[i]);
}

static void judge(struct world *w)
{
	if (!call_ended(w->call))
		complain(w, "the call never ended");
	if (w->ended_facts != 1)
		complain(w, "not exactly one CallEnded");
	if (w->ended_seq != w->max_seq)
		complain(w, "a fact after CallEnded");
	for (uint64_t i = 1; i <= w->max_seq; i++)
		if (!w->published[i])
			complain(w, "a gap in the event numbers");
	if (w->caller != END_GONE || w->agent == END_RINGING || w->agent == END_UP)
		complain(w, w->caller != END_GONE ? "a ghost leg: caller" : "a ghost leg: agent");
	if (w->edge_deaths && !w->crashes && str_eq(w->call->cause, "lost"))
		complain(w, "a call was lost with its edge");
	if (w->call->wait_ms < 0 || w->call->hold_ms < 0)
		complain(w, "a negative duration");
	if (w->endpoints)
		complain(w, "an endpoint was left behind");
	if (w->reserved && !w->assigned)
		complain(w, "a stuck agent");
}

#endif
