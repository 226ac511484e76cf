#include "sign_in.h"

#include <stdio.h>
#include <string.h>
#include <utlist.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "desk_wire.h"
#include "log/log.h"
#include "seats.h"

#define BUCKET	  "seats"
#define TRIES_MAX 32
#define LOOK_MS	  (DESK_NOBODY_MS + 50) /* until sign-outs elsewhere have been seen */
#define KEY_TEXT  (AGENT_ID_TEXT + 12)

struct sign_in {
	struct sign_in *prev, *next;
	struct sign_ins *s; /* NULL: freed meanwhile, only the memory is left */
	char tenant[AGENT_ID_TEXT], agent_id[AGENT_ID_TEXT];
	unsigned limit, tries;
	bool on_wire; /* the bus holds it as a callback's argument */
	bool looked_again;
	uint64_t revision; /* of the agent's record; 0: none */
	struct seat_choice choice;
	struct loop_timer timer;
	agents_done_fn *fn;
	void *arg;
};
struct sign_ins {
	struct desk *desk;
	struct seats *seats;
	struct bus_kv *kv;
	struct bus_kv_watch *watch;
	struct sign_in *all;
	bool synced;
};

static struct metric refused = METRIC_COUNTER_L("trunkline_quota_refused_total", "quota=\"agents_signed_in\"",
						"requests refused because a tenant has all that its quota allows");

static void begin(struct sign_in *si);

/* ---- what there is ---- */

static void bad_entry(const char *key, const struct err_detail *d)
{
	metric_add(&desk_metric_bad_messages, 1);
	LOG_WARN(NULL, "seat.ignored", "key=%s field=%s why=%s", LOG_Q(key), d->field, LOG_Q(d->message));
}

static void take_entry(struct sign_ins *s, const char *key, const struct bus_msg *msg)
{
	struct err_detail d = { 0 };
	struct desk_seat seat = { 0 };
	err_t e = desk_wire_seat_from_pb(&seat, key, msg->data, msg->size, &d);

	if (!e) {
		seat.entry.revision = msg->seq;
		e = seats_put(s->seats, &seat.entry, clock_mono_ms());
		if (e)
			(void)err_set(&d, e, "", "no memory");
	}
	if (e)
		bad_entry(key, &d);
}

static void on_watch(enum bus_kv_op what, const char *key, const struct bus_msg *msg, void *arg)
{
	struct sign_ins *s = arg;

	if (what == BUS_KV_SYNCED)
		s->synced = true;
	else if (what == BUS_KV_PUT) /* nobody deletes */
		take_entry(s, key, msg);
}

bool sign_ins_synced(const struct sign_ins *s)
{
	return s->synced;
}

void sign_ins_agent(struct sign_ins *s, const char *tenant, const char *agent_id, const struct agent_record *record,
		    uint64_t revision)
{
	struct err_detail d = { .message = "no memory" };

	if (seats_agent(s->seats, tenant, agent_id, record && record->state > AGENT_SIGNED_OUT, revision))
		bad_entry(agent_id, &d);
}

/* ---- one sign-in ---- */

static void finish(struct sign_in *si, err_t e, const struct agent_record *record, uint64_t revision,
		   const struct err_detail *detail)
{
	DL_DELETE(si->s->all, si);
	loop_timer_done(&si->timer);
	si->fn(e, record, revision, detail, si->arg);
	mem_free(si);
}

static void fail(struct sign_in *si, err_t e, const char *text)
{
	struct err_detail d;

	(void)err_set(&d, e, "", "%s", text);
	finish(si, e, NULL, 0, &d);
}

/* Somebody else was quicker, with the agent or with the seat. */
static void on_signed_in(err_t e, const struct agent_record *record, uint64_t revision, const struct err_detail *detail,
			 void *arg)
{
	struct sign_in *si = arg;

	if (e == ERR_ABORTED)
		begin(si);
	else
		finish(si, e, record, revision, detail);
}

static void write_sign_in(struct sign_in *si)
{
	const struct agent_event ev = { .kind = AGENT_EV_SIGN_IN, .site = si->s->desk->site };
	err_t e = agents_apply_at(si->s->desk->agents, si->tenant, si->agent_id, &ev, si->revision, on_signed_in, si);

	if (e)
		fail(si, e, "no memory");
}

/* ---- the seat ---- */

static const char *seat_key(const struct sign_in *si, char key[KEY_TEXT])
{
	(void)snprintf(key, KEY_TEXT, "%s.%u", si->tenant, si->choice.index);
	return key;
}

static void on_seat_read(err_t e, const struct bus_msg *msg, void *arg)
{
	struct sign_in *si = arg;
	char key[KEY_TEXT];

	si->on_wire = false;
	if (!si->s) {
		mem_free(si);
		return;
	}
	if (!e)
		take_entry(si->s, seat_key(si, key), msg);
	if (e && e != ERR_NOT_FOUND)
		finish(si, ERR_UNAVAILABLE, NULL, 0, NULL);
	else
		begin(si);
}

static void read_seat(struct sign_in *si)
{
	char key[KEY_TEXT];

	si->on_wire = !bus_kv_get(si->s->kv, seat_key(si, key), on_seat_read, si);
	if (!si->on_wire)
		finish(si, ERR_UNAVAILABLE, NULL, 0, NULL);
}

static void on_seat_written(err_t e, uint64_t revision, void *arg)
{
	struct sign_in *si = arg;

	si->on_wire = false;
	if (!si->s) {
		mem_free(si);
		return;
	}
	seats_tried(si->s->seats, si->tenant, si->choice.index);
	if (e == ERR_ABORTED) {
		read_seat(si);
		return;
	}
	const struct seat_entry entry = { .tenant = si->tenant,
					  .index = si->choice.index,
					  .agent_id = si->agent_id,
					  .agent_revision = si->revision,
					  .revision = revision };
	if (!e)
		e = seats_put(si->s->seats, &entry, clock_mono_ms());
	if (e)
		finish(si, e, NULL, 0, NULL);
	else
		write_sign_in(si);
}

static void write_seat(struct sign_in *si)
{
	uint8_t bytes[DESK_SEAT_BYTES];
	size_t size = desk_wire_seat_to_pb(si->agent_id, si->revision, bytes);
	char key[KEY_TEXT];

	si->on_wire = !bus_kv_put(si->s->kv, seat_key(si, key), bytes, size, si->choice.revision, on_seat_written, si);
	if (si->on_wire)
		return;
	seats_tried(si->s->seats, si->tenant, si->choice.index);
	finish(si, ERR_UNAVAILABLE, NULL, 0, NULL);
}

/* ---- somebody who did not come ---- */

static void on_fenced_read(err_t e, const struct agent_record *record, uint64_t revision,
			   const struct err_detail *detail, void *arg)
{
	struct sign_in *si = arg;
	const struct seat_choice *c = &si->choice;

	(void)record;
	(void)revision;
	/* The record is gone: no sign-in is written on what it was. */
	if (e == ERR_NOT_FOUND && c->agent_revision)
		e = seats_agent(si->s->seats, si->tenant, c->agent_id, false, c->agent_revision + 1);
	if (e && e != ERR_NOT_FOUND)
		finish(si, e, NULL, 0, detail);
	else
		begin(si);
}

static void on_fenced(err_t e, const struct agent_record *record, uint64_t revision, const struct err_detail *detail,
		      void *arg)
{
	struct sign_in *si = arg;

	(void)record;
	(void)revision;
	(void)detail;
	if (e == ERR_ABORTED || e == ERR_PRECONDITION) {
		e = agents_refresh(si->s->desk->agents, si->tenant, si->choice.agent_id, on_fenced_read, si);
		if (!e)
			return;
	}
	if (e)
		finish(si, e, NULL, 0, NULL);
	else
		begin(si);
}

static void fence(struct sign_in *si)
{
	const struct agent_event ev = { .kind = AGENT_EV_FENCE };
	err_t e = agents_apply_at(si->s->desk->agents, si->tenant, si->choice.agent_id, &ev, si->choice.agent_revision,
				  on_fenced, si);

	if (e)
		fail(si, e, "no memory");
}

/* ---- the order of things ---- */

static void refuse(struct sign_in *si)
{
	struct err_detail d;

	if (!si->looked_again) {
		si->looked_again = true;
		loop_timer_start(&si->timer, LOOK_MS);
		return;
	}
	metric_add(&refused, 1);
	(void)err_set(&d, ERR_EXHAUSTED, "quotas.agents_signed_in", "%u of %u in use", si->choice.used, si->limit);
	finish(si, ERR_EXHAUSTED, NULL, 0, &d);
}

static void choose(struct sign_in *si)
{
	err_t e =
	    seats_choose(si->s->seats, si->tenant, si->agent_id, si->revision, si->limit, clock_mono_ms(), &si->choice);

	if (e)
		fail(si, e, "no memory");
	else if (si->choice.answer == SEAT_TAKE)
		write_seat(si);
	else if (si->choice.answer == SEAT_FENCE)
		fence(si);
	else if (si->choice.answer == SEAT_REREAD)
		begin(si);
	else
		refuse(si);
}

static void on_read(err_t e, const struct agent_record *record, uint64_t revision, const struct err_detail *detail,
		    void *arg)
{
	struct sign_in *si = arg;

	if (e && e != ERR_NOT_FOUND) {
		finish(si, e, NULL, 0, detail);
		return;
	}
	si->revision = e ? 0 : revision;
	if (e || record->state == AGENT_SIGNED_OUT)
		choose(si);
	else if (agent_on_duty(record))
		finish(si, ERR_OK, record, revision, NULL); /* by somebody else, who has the seat */
	else
		write_sign_in(si); /* is told what is wrong */
}

static void begin(struct sign_in *si)
{
	err_t e = ERR_ABORTED;

	if (si->tries++ < TRIES_MAX)
		e = agents_refresh(si->s->desk->agents, si->tenant, si->agent_id, on_read, si);
	if (e)
		fail(si, e, e == ERR_ABORTED ? "others sign in at the same time; try again" : "no memory");
}

static void on_look(void *arg)
{
	begin(arg);
}

err_t sign_in(struct sign_ins *s, const char *tenant, const char *agent_id, unsigned limit, agents_done_fn *fn,
	      void *arg)
{
	struct sign_in *si = mem_zalloc(sizeof(*si));

	if (!si)
		return ERR_EXHAUSTED;
	si->s = s;
	si->limit = limit;
	si->fn = fn;
	si->arg = arg;
	(void)str_copy(si->tenant, sizeof(si->tenant), tenant);
	(void)str_copy(si->agent_id, sizeof(si->agent_id), agent_id);
	loop_timer_init(&si->timer, s->desk->loop, on_look, si);
	DL_APPEND(s->all, si);
	loop_timer_start(&si->timer, 0);
	return ERR_OK;
}

/* ---- set-up ---- */

err_t sign_ins_new(struct sign_ins **ret, struct desk *desk, struct err_detail *detail)
{
	struct sign_ins *s = mem_zalloc(sizeof(*s));
	err_t e;

	if (!s)
		return ERR_EXHAUSTED;
	s->desk = desk;
	metrics_register(&refused);
	e = seats_new(&s->seats);
	if (!e)
		e = bus_kv_open(&s->kv, desk->bus, &(struct bus_kv_params){ .bucket = BUCKET }, detail);
	if (!e)
		e = bus_kv_watch(&s->watch, s->kv, ">", on_watch, s);
	if (e)
		sign_ins_free(&s);
	else
		*ret = s;
	return e;
}

void sign_ins_free(struct sign_ins **ref)
{
	struct sign_ins *s = *ref;
	struct sign_in *si, *next;

	if (!s)
		return;
	*ref = NULL;
	DL_FOREACH_SAFE (s->all, si, next) {
		loop_timer_done(&si->timer);
		si->s = NULL;
		if (!si->on_wire)
			mem_free(si);
	}
	if (s->watch)
		bus_kv_unwatch(&s->watch);
	if (s->kv)
		bus_kv_close(&s->kv);
	seats_free(&s->seats);
	mem_free(s);
}
