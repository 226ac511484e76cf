#include "agents/agent.h"
#include "base/str.h"

#include <string.h>

const char *agent_state_name(enum agent_state s)
{
	static const char *const names[AGENT_STATES] = { ERR_TEXT("NONE"),     ERR_TEXT("SIGNED_OUT"),
							 ERR_TEXT("BUSY"),     ERR_TEXT("READY"),
							 ERR_TEXT("RESERVED"), ERR_TEXT("ON_CALL"),
							 ERR_TEXT("WRAP_UP") };

	return (unsigned)s < AGENT_STATES ? names[s] : "?";
}

const char *agent_event_name(enum agent_event_kind k)
{
	static const char *const names[AGENT_EVENTS] = {
		[AGENT_EV_SIGN_IN] = "sign-in",		[AGENT_EV_SIGN_OUT] = "sign-out",
		[AGENT_EV_READY] = "ready",		[AGENT_EV_BUSY] = "busy",
		[AGENT_EV_RESERVE] = "assigned",	[AGENT_EV_UNRESERVE] = "call-gone",
		[AGENT_EV_ANSWERED] = "answered",	[AGENT_EV_NO_ANSWER] = "no-answer",
		[AGENT_EV_CALL_ENDED] = "call-ended",	[AGENT_EV_WRAP_UP_OVER] = "wrap-up-over",
		[AGENT_EV_FINISH_WRAP_UP] = "wrap-up-finished", [AGENT_EV_RECONCILED] = "reconciled",
		[AGENT_EV_TAKE_OVER] = "taken-over",	[AGENT_EV_FENCE] = "fenced",
	};

	return (unsigned)k < AGENT_EVENTS ? names[k] : "?";
}

void agent_record_init(struct agent_record *rec, const char *tenant, const char *agent_id)
{
	memset(rec, 0, sizeof(*rec));
	rec->state = AGENT_SIGNED_OUT;
	(void)str_copy(rec->tenant, sizeof(rec->tenant), tenant);
	(void)str_copy(rec->agent_id, sizeof(rec->agent_id), agent_id);
}

bool agent_on_duty(const struct agent_record *rec)
{
	return rec->state > AGENT_SIGNED_OUT && rec->state < AGENT_STATES && !rec->pending_sign_out;
}

/* ---- what a row does to the record; the state itself is set by agent_step() --------------------------------------- */

#define SET(field, text) str_copy(field, sizeof(field), (text) ? (text) : "")

static void forget_call(struct agent_record *r)
{
	r->call_id[0] = r->queue_id[0] = r->leg_id[0] = '\0';
	r->router_epoch = 0;
	r->reserved_until_ms = r->wrap_up_until_ms = 0;
}

static void forget_pending(struct agent_record *r)
{
	r->pending_busy = r->pending_sign_out = false;
	r->pending_reason[0] = '\0';
}

static enum agent_state go_out(struct agent_record *r)
{
	forget_call(r);
	forget_pending(r);
	r->reason[0] = '\0';
	r->ready_since_ms = r->signed_in_ms = 0;
	return AGENT_SIGNED_OUT;
}

static enum agent_state go_busy(struct agent_record *r, const char *reason)
{
	forget_call(r);
	(void)SET(r->reason, reason);
	forget_pending(r);
	r->ready_since_ms = 0;
	return AGENT_BUSY;
}

static enum agent_state go_ready(struct agent_record *r, int64_t ready_since_ms)
{
	forget_call(r);
	forget_pending(r);
	r->reason[0] = '\0';
	r->ready_since_ms = ready_since_ms;
	return AGENT_READY;
}

/* Free of a call: what was asked for meanwhile comes first. */
static enum agent_state go_free(struct agent_record *r, int64_t ready_since_ms)
{
	char reason[AGENT_REASON_TEXT];

	if (r->pending_sign_out)
		return go_out(r);
	if (!r->pending_busy)
		return go_ready(r, ready_since_ms);
	(void)SET(reason, r->pending_reason);
	return go_busy(r, reason);
}

typedef enum agent_state act_fn(struct agent_record *r, const struct agent_event *ev, int64_t now_ms);

static enum agent_state act_sign_in(struct agent_record *r, const struct agent_event *ev, int64_t now_ms)
{
	(void)SET(r->site, ev->site);
	r->signed_in_ms = now_ms;
	return go_busy(r, "signed-in");
}

static enum agent_state act_sign_out(struct agent_record *r, const struct agent_event *ev, int64_t now_ms)
{
	(void)ev;
	(void)now_ms;
	return go_out(r);
}

static enum agent_state act_sign_out_later(struct agent_record *r, const struct agent_event *ev, int64_t now_ms)
{
	(void)ev;
	(void)now_ms;
	r->pending_sign_out = true;
	return r->state;
}

static enum agent_state act_ready(struct agent_record *r, const struct agent_event *ev, int64_t now_ms)
{
	(void)ev;
	return go_ready(r, now_ms);
}

static enum agent_state act_ready_after(struct agent_record *r, const struct agent_event *ev, int64_t now_ms)
{
	(void)ev;
	(void)now_ms;
	forget_pending(r);
	return r->state;
}

static enum agent_state act_busy(struct agent_record *r, const struct agent_event *ev, int64_t now_ms)
{
	(void)now_ms;
	return go_busy(r, ev->reason);
}

static enum agent_state act_busy_later(struct agent_record *r, const struct agent_event *ev, int64_t now_ms)
{
	(void)now_ms;
	forget_pending(r);
	r->pending_busy = true;
	(void)SET(r->pending_reason, ev->reason);
	return r->state;
}

static enum agent_state act_reserve(struct agent_record *r, const struct agent_event *ev, int64_t now_ms)
{
	(void)now_ms;
	(void)SET(r->call_id, ev->call_id);
	(void)SET(r->queue_id, ev->queue_id);
	(void)SET(r->leg_id, ev->leg_id);
	r->router_epoch = ev->router_epoch;
	r->reserved_until_ms = ev->reserved_until_ms;
	return AGENT_RESERVED;
}

static enum agent_state act_unreserve(struct agent_record *r, const struct agent_event *ev, int64_t now_ms)
{
	(void)ev;
	return go_free(r, r->ready_since_ms ? r->ready_since_ms : now_ms);
}

static enum agent_state act_take_over(struct agent_record *r, const struct agent_event *ev, int64_t now_ms)
{
	(void)now_ms;
	r->router_epoch = ev->router_epoch;
	return AGENT_RESERVED;
}

static enum agent_state act_answered(struct agent_record *r, const struct agent_event *ev, int64_t now_ms)
{
	(void)ev;
	(void)now_ms;
	r->reserved_until_ms = 0;
	return AGENT_ON_CALL;
}

static enum agent_state act_no_answer(struct agent_record *r, const struct agent_event *ev, int64_t now_ms)
{
	(void)now_ms;
	if (r->pending_sign_out)
		return go_out(r);
	return go_busy(r, str_empty(ev->reason) ? "no-answer" : ev->reason);
}

static enum agent_state act_call_ended(struct agent_record *r, const struct agent_event *ev, int64_t now_ms)
{
	if (ev->wrap_up_ms <= 0)
		return go_free(r, now_ms);
	r->wrap_up_until_ms = now_ms + ev->wrap_up_ms;
	r->ready_since_ms = 0;
	return AGENT_WRAP_UP;
}

static enum agent_state act_free(struct agent_record *r, const struct agent_event *ev, int64_t now_ms)
{
	(void)ev;
	return go_free(r, now_ms);
}

static enum agent_state act_wrap_up_over(struct agent_record *r, const struct agent_event *ev, int64_t now_ms)
{
	if (ev->auto_ready || r->pending_busy || r->pending_sign_out)
		return go_free(r, now_ms);
	return go_busy(r, "after-wrap-up");
}

/* ---- the table: whatever has no row is refused -------------------------------------------------------------------- */

struct row {
	enum agent_state state;
	enum agent_event_kind event;
	act_fn *act;
};

static const struct row rows[] = {
	{ AGENT_SIGNED_OUT, AGENT_EV_SIGN_IN,	     act_sign_in },
	{ AGENT_BUSY,	    AGENT_EV_SIGN_OUT,	     act_sign_out },
	{ AGENT_READY,	    AGENT_EV_SIGN_OUT,	     act_sign_out },
	{ AGENT_RESERVED,   AGENT_EV_SIGN_OUT,	     act_sign_out_later },
	{ AGENT_ON_CALL,    AGENT_EV_SIGN_OUT,	     act_sign_out_later },
	{ AGENT_WRAP_UP,    AGENT_EV_SIGN_OUT,	     act_sign_out },
	{ AGENT_BUSY,	    AGENT_EV_READY,	     act_ready },
	{ AGENT_RESERVED,   AGENT_EV_READY,	     act_ready_after },
	{ AGENT_ON_CALL,    AGENT_EV_READY,	     act_ready_after },
	{ AGENT_WRAP_UP,    AGENT_EV_READY,	     act_ready },
	{ AGENT_BUSY,	    AGENT_EV_BUSY,	     act_busy },
	{ AGENT_READY,	    AGENT_EV_BUSY,	     act_busy },
	{ AGENT_RESERVED,   AGENT_EV_BUSY,	     act_busy_later },
	{ AGENT_ON_CALL,    AGENT_EV_BUSY,	     act_busy_later },
	{ AGENT_WRAP_UP,    AGENT_EV_BUSY,	     act_busy },
	{ AGENT_READY,	    AGENT_EV_RESERVE,	     act_reserve },
	{ AGENT_RESERVED,   AGENT_EV_UNRESERVE,	     act_unreserve },
	{ AGENT_RESERVED,   AGENT_EV_ANSWERED,	     act_answered },
	{ AGENT_RESERVED,   AGENT_EV_NO_ANSWER,	     act_no_answer },
	{ AGENT_RESERVED,   AGENT_EV_CALL_ENDED,     act_unreserve },
	{ AGENT_ON_CALL,    AGENT_EV_CALL_ENDED,     act_call_ended },
	{ AGENT_WRAP_UP,    AGENT_EV_WRAP_UP_OVER,   act_wrap_up_over },
	{ AGENT_WRAP_UP,    AGENT_EV_FINISH_WRAP_UP, act_free },
	{ AGENT_RESERVED,   AGENT_EV_RECONCILED,     act_unreserve },
	{ AGENT_ON_CALL,    AGENT_EV_RECONCILED,     act_free },
	{ AGENT_RESERVED,   AGENT_EV_TAKE_OVER,	     act_take_over },
	{ AGENT_SIGNED_OUT, AGENT_EV_FENCE,	     act_sign_out },
};

/* What an event asks for, beside a row: the same call as the record's, members that must be there; and what to tell
 * somebody who finds no row. */
static const struct {
	bool same_call, new_call, reason, site;
	const char *right;
} needs[AGENT_EVENTS] = {
	[AGENT_EV_SIGN_IN] = { .site = true, .right = ERR_TEXT("an agent signs in once: sign out first") },
	[AGENT_EV_SIGN_OUT] = { .right = ERR_TEXT("only who is signed in can sign out") },
	[AGENT_EV_READY] = { .right = ERR_TEXT("sign in first; a ready agent is ready already") },
	[AGENT_EV_BUSY] = { .reason = true, .right = ERR_TEXT("sign in first") },
	[AGENT_EV_RESERVE] = { .new_call = true, .right = ERR_TEXT("only a READY agent can be given a call") },
	[AGENT_EV_UNRESERVE] = { .same_call = true, .right = ERR_TEXT("only a RESERVED agent can be given back") },
	[AGENT_EV_ANSWERED] = { .same_call = true, .right = ERR_TEXT("only a RESERVED agent can answer") },
	[AGENT_EV_NO_ANSWER] = { .same_call = true, .right = ERR_TEXT("only a RESERVED agent can fail to answer") },
	[AGENT_EV_CALL_ENDED] = { .same_call = true,
				  .right = ERR_TEXT("only a RESERVED or ON_CALL agent has a call that ends") },
	[AGENT_EV_WRAP_UP_OVER] = { .right = ERR_TEXT("only WRAP_UP can be over") },
	[AGENT_EV_FINISH_WRAP_UP] = { .right = ERR_TEXT("only an agent in WRAP_UP can finish it") },
	[AGENT_EV_RECONCILED] = { .same_call = true, .right = ERR_TEXT("only RESERVED and ON_CALL depend on a call") },
	[AGENT_EV_TAKE_OVER] = { .same_call = true, .right = ERR_TEXT("only a reservation can be taken over") },
	[AGENT_EV_FENCE] = { .right = ERR_TEXT("only who is signed out can be kept from signing in") },
};

static err_t check_event(const struct agent_event *ev, struct err_detail *detail)
{
	if ((unsigned)ev->kind >= AGENT_EVENTS)
		return err_set(detail, ERR_INVALID, "kind", "%d is no agent event", (int)ev->kind);
	if ((needs[ev->kind].same_call || needs[ev->kind].new_call) && str_empty(ev->call_id))
		return err_set(detail, ERR_INVALID, "call_id", "%s needs a call id", agent_event_name(ev->kind));
	if (needs[ev->kind].reason && str_empty(ev->reason))
		return err_set(detail, ERR_INVALID, "reason", "busy needs a reason, \"break\" for example");
	if (needs[ev->kind].site && str_empty(ev->site))
		return err_set(detail, ERR_INVALID, "site", "sign-in needs the site where the agent's phone is");
	if (ev->wrap_up_ms < 0 || ev->wrap_up_ms > 86400000)
		return err_set(detail, ERR_INVALID, "wrap_up_ms", "must be 0 to 86400000");
	return ERR_OK;
}

static const struct row *find_row(enum agent_state s, enum agent_event_kind k)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].state == s && rows[i].event == k)
			return &rows[i];
	return NULL;
}

static void fill_last(struct agent_record *r, const struct agent_record *before, const struct agent_event *ev,
		      int64_t at_ms)
{
	struct agent_transition *t = &r->last;
	const char *call = before->call_id[0] ? before->call_id : r->call_id;
	const char *queue = before->call_id[0] ? before->queue_id : r->queue_id;

	memset(t, 0, sizeof(*t));
	t->from = before->state;
	t->to = r->state;
	t->at_ms = at_ms;
	/* A wish for later leaves no state: its length would be counted twice. */
	t->from_since_ms = before->since_ms && r->since_ms == at_ms ? before->since_ms : at_ms;
	t->seq = r->seq;
	(void)SET(t->cause, str_empty(ev->cause) ? agent_event_name(ev->kind) : ev->cause);
	(void)SET(t->reason, r->state == AGENT_BUSY ? r->reason : ev->reason);
	(void)SET(t->call_id, call);
	(void)SET(t->queue_id, queue);
}

err_t agent_step(const struct agent_record *rec, const struct agent_event *ev, int64_t now_ms,
		 struct agent_record *next, struct err_detail *detail)
{
	struct agent_record r = *rec;
	int64_t at_ms = now_ms > rec->since_ms ? now_ms : rec->since_ms;
	const struct row *row;
	err_t e = check_event(ev, detail);

	if (e)
		return e;
	row = find_row(rec->state, ev->kind);
	if (!row)
		return err_set(detail, ERR_PRECONDITION, "state", "the agent is %s: %s", agent_state_name(rec->state),
			       needs[ev->kind].right);
	if (needs[ev->kind].same_call && !str_eq(rec->call_id, ev->call_id))
		return err_set(detail, ERR_PRECONDITION, "call_id", "the agent is %s for call %s, not for %s",
			       agent_state_name(rec->state), rec->call_id, ev->call_id);
	r.state = row->act(&r, ev, at_ms);
	r.seq++;
	/* A pending wish does not end the state; changing the reason of busy begins a new one. */
	if (r.state != rec->state || r.state == AGENT_BUSY)
		r.since_ms = at_ms;
	fill_last(&r, rec, ev, at_ms);
	*next = r;
	return ERR_OK;
}

/* ---- who wrote it ---- */

static void carry(struct agent_record *next, const struct agent_transition *t, const char *by, const char *writer)
{
	if (!t->seq || !*by || strcmp(by, writer) == 0 || next->n_before == AGENT_BEFORE ||
	    next->last.at_ms - t->at_ms > AGENT_BEFORE_MS)
		return;
	next->before[next->n_before] = *t;
	(void)str_copy(next->before[next->n_before++].writer, AGENT_ID_TEXT, by);
}

/* What the writer itself has written before is on its way on the same connection, ahead of the next write. */
void agent_sign(struct agent_record *next, const struct agent_record *rec, const char *writer)
{
	next->n_before = 0;
	carry(next, &rec->last, rec->writer, writer);
	for (unsigned i = 0; i < rec->n_before; i++)
		carry(next, &rec->before[i], rec->before[i].writer, writer);
	(void)str_copy(next->writer, sizeof(next->writer), writer);
}
