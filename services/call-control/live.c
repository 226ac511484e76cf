/* live: one call in this process: steps, checkpoints, publication of its facts. */
#include "control.h"
#include "quota.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>
#include "base/clock.h"
#include "base/mem.h"
#include "cc_metrics.h"
#include "events/events.h"
#include "log/log.h"

#define RETRY_MS 500
#define NOTE_MS	 250 /* facts that nothing follows from wait so long for a step that is written anyway */

static void write_checkpoint(struct live *l);
static void perform_command(struct live *l, const struct call_command *c);

static struct log_ctx ctx_of(const struct live *l)
{
	return (struct log_ctx){ .tenant = l->call->tenant, .call = l->call->id };
}

struct live *live_find(struct control *cc, const char *call_id)
{
	struct live *l;

	HASH_FIND_STR(cc->calls, call_id, l);
	return l;
}

/* The first n held commands are done with. */
static void drop_held(struct live *l, int n)
{
	for (int i = 0; i < n; i++)
		mem_free((void *)(uintptr_t)l->held[i].sdp);
	if (n)
		memmove(l->held, l->held + n, sizeof(*l->held) * (size_t)(l->n_held - n));
	l->n_held -= n;
}

/* What the router had reserved is where the next change of the agent begins: no need to read it. */
static void seed_agent(struct live *l, const struct call_input *in)
{
	if (agents_seed(l->control->agents, in->agent_record, in->agent_record_size, in->agent_revision))
		metric_add(&cc_metric_bad_messages, 1); /* then it is read */
}

static void live_free(struct live *l)
{
	if (l->call->agent_id[0] && l->control->agents) /* at the end of the process the store goes first */
		agents_forget(l->control->agents, l->call->tenant, l->call->agent_id, l->call->id);
	loop_timer_done(&l->timer);
	cc_event_free_list(l->pending);
	cc_event_free_list(l->written);
	cc_event_free_list(l->on_way); /* at the end of the process: no callback comes any more */
	drop_held(l, l->n_held);
	mem_free(l->held);
	call_free(&l->call);
	mem_free(l);
}

/* Out of the table; freed when no callback holds it any more. */
static void forget(struct live *l)
{
	if (!l->lost) {
		l->lost = true;
		if (l->counted)
			quota_give(l->control, l->call);
		anchor_forget(l);
		HASH_DELETE(hh, l->control->calls, l);
		DL_APPEND2(l->control->lost, l, lost_prev, lost_next);
		metric_set(&cc_metric_calls, (int64_t)HASH_COUNT(l->control->calls));
		loop_timer_stop(&l->timer);
	}
	if (!l->under_way) {
		DL_DELETE2(l->control->lost, l, lost_prev, lost_next);
		live_free(l);
	}
}

static void append(struct cc_event **list, struct cc_event *more)
{
	while (*list)
		list = &(*list)->next;
	*list = more;
}

/* ---- timer --------------------------------------------------------------------------------------------------------- */

/* The checkpoint is written again then, so that it is seen that the call exists; 0: not, or it is to be written anyway (retry_ms). */
static int64_t fresh_until(const struct live *l)
{
	if (!l->started || !l->written_ms || l->writing || l->dirty || call_ended(l->call))
		return 0;
	return l->written_ms + FRESH_MS;
}

static void arm(struct live *l)
{
	int64_t at = call_deadline_ms(l->call), now = control_now_ms(l->control);

	if (l->retry_ms && (!at || l->retry_ms < at))
		at = l->retry_ms;
	if (fresh_until(l) && (!at || fresh_until(l) < at))
		at = fresh_until(l);
	if (!at || l->lost)
		loop_timer_stop(&l->timer);
	else
		loop_timer_start(&l->timer, at > now ? at - now : 0);
}

static void on_timer(void *arg)
{
	struct live *l = arg;
	int64_t now = control_now_ms(l->control);

	if (l->retry_ms && now >= l->retry_ms) {
		l->retry_ms = l->writing && l->pending ? now + NOTE_MS : 0;
		if (!l->writing && (l->dirty || l->pending))
			write_checkpoint(l);
	}
	if (fresh_until(l) && now >= fresh_until(l))
		write_checkpoint(l);
	if (l->lost)
		return;
	if (l->started && call_deadline_ms(l->call) && now >= call_deadline_ms(l->call))
		live_step(l, &(struct call_input){ .kind = INPUT_TICK });
	else
		arm(l);
}

static void retry_later(struct live *l)
{
	l->dirty = true;
	l->retry_ms = control_now_ms(l->control) + RETRY_MS;
	arm(l);
}

/* ---- facts --------------------------------------------------------------------------------------------------------- */

static void on_deleted(err_t e, uint64_t seq, void *arg)
{
	struct live *l = arg;

	(void)seq;
	l->under_way--;
	if (e && e != ERR_ABORTED && !l->lost) { /* a later scan finds it and deletes it (adopt.c, forgotten()) */
		struct log_ctx ctx = ctx_of(l);

		LOG_WARN(&ctx, "call.delete_failed", "error=%s", err_name(e));
	}
	forget(l);
}

/* Everything told and acknowledged: the checkpoint may go. */
static void finish_if_told(struct live *l)
{
	char key[CALL_NAME + ID_TEXT + 2];

	if (!call_ended(l->call) || l->writing || l->dirty || l->publishing || l->deleting || l->lost)
		return;
	l->deleting = true;
	snprintf(key, sizeof(key), "%s.%s", l->call->tenant, l->call->id);
	l->under_way++;
	if (bus_kv_delete(l->control->kv, key, l->revision, on_deleted, l)) {
		l->under_way--;
		l->deleting = false;
		retry_later(l);
	}
}

static void publish(struct cc_event *ev);

static void on_published(err_t e, uint64_t seq, void *arg)
{
	struct cc_event *ev = arg;
	struct live *l = ev->owner;

	(void)seq;
	l->under_way--;
	LL_DELETE(l->on_way, ev);
	ev->next = NULL;
	if (e && !l->lost) { /* into the next checkpoint, which carries and publishes it again; never in a tight loop */
		struct log_ctx ctx = ctx_of(l);

		metric_add(&cc_metric_publish_retries, 1);
		LOG_WARN(&ctx, "event.publish_failed", "id=%s error=%s", ev->id, err_name(e));
		l->publishing--;
		ev->next = l->pending;
		l->pending = ev;
		retry_later(l);
		return;
	}
	l->publishing--;
	cc_event_free_list(ev);
	if (l->lost)
		forget(l);
	else
		finish_if_told(l);
}

/* ev is a single element that on_published frees. */
static void publish(struct cc_event *ev)
{
	struct live *l = ev->owner;

	l->publishing++;
	l->under_way++;
	LL_APPEND(l->on_way, ev);
	if (events_put(l->control->events, l->call->tenant, ev->recording ? "recording" : "call", l->call->id, ev->id,
		       ev->bytes, ev->size, on_published, ev)) {
		/* The bus is full: back into the next checkpoint, which carries and publishes it again. */
		l->publishing--;
		l->under_way--;
		LL_DELETE(l->on_way, ev);
		ev->next = l->pending;
		l->pending = ev;
		retry_later(l);
		return;
	}
	metric_add(&cc_metric_events, 1);
}

static void publish_all(struct live *l)
{
	struct cc_event *ev = l->written;

	l->written = NULL;
	while (ev) {
		struct cc_event *next = ev->next;

		ev->next = NULL;
		ev->owner = l;
		publish(ev);
		ev = next;
	}
}

/* ---- checkpoint ----------------------------------------------------------------------------------------------------- */

void live_lost_ownership(struct live *l)
{
	struct log_ctx ctx = ctx_of(l);

	metric_add(&cc_metric_fenced, 1);
	LOG_WARN(&ctx, "call.lost_ownership", "epoch=%llu", (unsigned long long)l->call->epoch);
	forget(l);
}

static void start(struct live *l)
{
	struct call_input in = { .kind = l->first, .cause = l->previous_owner };

	l->started = true;
	live_step(l, &in);
	anchor_check(l);
}

static void on_written(err_t e, uint64_t seq, void *arg)
{
	struct live *l = arg;

	l->under_way--;
	l->writing = false;
	if (l->lost) {
		forget(l);
		return;
	}
	if (e == ERR_ABORTED) {
		live_lost_ownership(l);
		return;
	}
	if (e) {
		append(&l->written, l->pending);
		l->pending = l->written;
		l->written = NULL;
		l->n_ripe = 0;
		metric_add(&cc_metric_checkpoint_retries, 1);
		retry_later(l);
		return;
	}
	l->revision = seq;
	l->written_ms = control_now_ms(l->control);
	for (int i = 0; i < l->n_ripe; i++)
		perform_command(l, &l->held[i]);
	/* What was decided meanwhile without a new step belongs to this one. */
	for (int i = l->n_ripe; i < l->n_held && !l->dirty; i++)
		perform_command(l, &l->held[i]);
	drop_held(l, l->dirty ? l->n_ripe : l->n_held);
	l->n_ripe = 0;
	publish_all(l);
	if (!l->started)
		start(l);
	else if (l->dirty && !l->writing)
		write_checkpoint(l);
	if (!l->lost)
		arm(l);
	finish_if_told(l); /* also of a call that was adopted when it had ended already */
}

/* A checkpoint takes the place of the one before, and must carry what that one carried and nobody has acknowledged: when we and the
 * bus die together, what is still on its way is told by the adopter. */
static err_t put_checkpoint(struct live *l, struct str *out)
{
	struct cc_event **end = &l->on_way;
	err_t e;

	while (*end)
		end = &(*end)->next;
	*end = l->pending;
	e = cc_wire_put_checkpoint(out, l->call, &l->control->self, l->on_way);
	*end = NULL;
	return e;
}

static void write_checkpoint(struct live *l)
{
	char key[CALL_NAME + ID_TEXT + 2];
	struct str out = STR_INIT;
	err_t e;

	snprintf(key, sizeof(key), "%s.%s", l->call->tenant, l->call->id);
	e = put_checkpoint(l, &out);
	l->under_way++;
	if (!e)
		e = bus_kv_put(l->control->kv, key, out.data, out.len, l->revision, on_written, l);
	str_done(&out);
	if (e) {
		l->under_way--;
		retry_later(l);
		return;
	}
	l->writing = true;
	l->dirty = false;
	l->written = l->pending;
	l->pending = NULL;
	l->n_ripe = l->n_held;
	metric_add(&cc_metric_checkpoints, 1);
}

/* ---- commands ------------------------------------------------------------------------------------------------------- */

static void to_edge(struct live *l, const struct call_command *c)
{
	char subject[BATCH_SUBJECT];
	struct str *out;
	bool fresh;

	snprintf(subject, sizeof(subject), "tl.%s.edge.%s", l->control->site, c->leg->edge);
	out = batches_get(&l->control->batches, subject, &fresh);
	if (fresh)
		cc_wire_put_edge_owner(out, l->control->self.instance);
	cc_wire_put_edge(out, l->call, c);
}

static void to_media(struct live *l, const struct call_command *c)
{
	char subject[BATCH_SUBJECT];
	struct str *out;
	bool fresh;

	snprintf(subject, sizeof(subject), "tl.%s.media.%s", l->control->site, l->call->media);
	out = batches_get(&l->control->batches, subject, &fresh);
	if (fresh)
		cc_wire_put_media_owner(out, l->control->self.instance);
	cc_wire_put_media(out, l->call, c);
}

static void to_router(struct live *l, const struct call_command *c)
{
	char subject[BATCH_SUBJECT];
	struct str *out;
	bool fresh;

	if (c->kind == COMMAND_ENQUEUE && peers_unsure(l->control))
		return; /* it is said again when we know */
	if (c->kind == COMMAND_ENQUEUE)
		str_copy(l->router_pool, sizeof(l->router_pool), control_pool(l->control, l->call->tenant));
	control_router(l->control, l->call->tenant, subject);
	out = batches_get(&l->control->batches, subject, &fresh);
	if (fresh)
		cc_wire_put_router_owner(out, l->control->self.instance);
	cc_wire_put_router(out, l->call, c, l->control->site);
}

static void on_agent(err_t e, const struct agent_record *record, uint64_t revision, const struct err_detail *detail,
		     void *arg)
{
	(void)revision;
	if (e && (uintptr_t)arg == COMMAND_AGENT_ON_CALL)
		LOG_WARN(NULL, "agent.talks_unrecorded", "agent=%s state=%s error=%s why=%s",
			 record ? record->agent_id : "", record ? agent_state_name(record->state) : "", err_name(e),
			 LOG_Q(detail ? detail->message : ""));
	/* Refused: the record says something newer (signed out by a lead, reconciled): the newer truth stands. */
	if (e)
		metric_add(&cc_metric_agent_refused, 1);
	if (e)
		LOG_DEBUG(NULL, "agent.change_refused", "error=%s why=%s", err_name(e),
			  LOG_Q(detail ? detail->message : ""));
}

static void to_agent(struct live *l, const struct call_command *c)
{
	const struct tenant_agent *a = tenantconf_find_agent(l->control->conf, l->call->tenant, c->agent_id);
	struct agent_event ev = { .call_id = l->call->id, .queue_id = l->call->queue_id };
	struct log_ctx ctx = ctx_of(l);
	err_t e;

	switch (c->kind) {
	case COMMAND_AGENT_ON_CALL:
		ev.kind = AGENT_EV_ANSWERED;
		break;
	case COMMAND_AGENT_NO_ANSWER:
		ev.kind = AGENT_EV_NO_ANSWER;
		ev.reason = c->text;
		break;
	case COMMAND_AGENT_CALL_ENDED:
		ev.kind = AGENT_EV_CALL_ENDED;
		ev.wrap_up_ms = c->timeout_ms;
		ev.auto_ready = !a || a->auto_ready_after_wrap_up;
		break;
	default:
		ev.kind = AGENT_EV_UNRESERVE;
		break;
	}
	e = agents_apply(l->control->agents, l->call->tenant, c->agent_id, &ev, on_agent, (void *)(uintptr_t)c->kind);
	if (e)
		LOG_ERROR(&ctx, "agent.change_failed", "agent=%s event=%s error=%s", c->agent_id,
			  agent_event_name(ev.kind), err_name(e));
}

static void perform_command(struct live *l, const struct call_command *c)
{
	if (call_command_is_edge(c->kind))
		to_edge(l, c);
	else if (call_command_is_media(c->kind))
		to_media(l, c);
	else if (call_command_is_router(c->kind))
		to_router(l, c);
	else
		to_agent(l, c);
}

/* An agent's endpoint may be there before anybody knows of the step: media frees it with the call, whoever ends that. So
 * media works while the checkpoint is written, and the phone rings a round trip sooner. */
static bool may_go_ahead(const struct live *l, const struct call_command *c)
{
	return c->kind == COMMAND_ENDPOINT && c->request == REQUEST_AGENT && l->revision;
}

/* Moves the commands to those that wait for the checkpoint; without memory they go at once, which is the lesser evil. */
static void hold(struct live *l, struct call_todo *todo)
{
	struct call_command *held = mem_realloc(l->held, sizeof(*held) * (size_t)(l->n_held + todo->n_commands));
	int ahead = 0;

	if (!held)
		return;
	l->held = held;
	for (int i = 0; i < todo->n_commands; i++) {
		if (may_go_ahead(l, &todo->commands[i]))
			todo->commands[ahead++] = todo->commands[i];
		else
			held[l->n_held++] = todo->commands[i];
	}
	todo->n_commands = ahead;
}

void live_perform(struct live *l)
{
	struct control *cc = l->control;

	for (int i = 0; i < cc->todo.n_facts; i++) {
		struct cc_event *ev = cc_wire_fact(l->call, &cc->todo.facts[i], cc->site, cc->source);

		if (ev)
			append(&l->pending, ev);
		else
			metric_add(&cc_metric_out_of_memory, 1);
		metric_add(&cc_metric_recording_refused, cc->todo.facts[i].kind == FACT_RECORDING_REFUSED);
	}
	if (l->call->checkpoint || l->dirty || l->n_held)
		hold(l, &cc->todo);
	for (int i = 0; i < cc->todo.n_commands; i++)
		perform_command(l, &cc->todo.commands[i]);
	if (cc->todo.overflow)
		LOG_ERROR(&(struct log_ctx){ .tenant = l->call->tenant, .call = l->call->id }, "call.todo_overflow",
			  "phase=%s", call_phase_name(l->call->phase));
	call_todo_reset(&cc->todo);
	if (l->call->checkpoint) {
		l->call->checkpoint = false;
		l->dirty = true;
	}
	if (l->dirty && !l->writing)
		write_checkpoint(l);
	else if (l->pending && !l->dirty && !l->retry_ms)
		l->retry_ms = control_now_ms(cc) + NOTE_MS;
	arm(l);
}

void live_step(struct live *l, const struct call_input *in)
{
	enum call_phase before = l->call->phase;

	if (l->lost || !l->started)
		return;
	l->call->recordings_full = quota_recordings_full(l->control, l->call->tenant);
	call_step(l->call, in, control_now_ms(l->control), &l->control->todo);
	if (in->kind == INPUT_ASSIGNED && in->agent_record && l->call->phase == CALL_PHASE_DIALLING &&
	    str_eq(l->call->agent_id, in->agent_id))
		seed_agent(l, in);
	if (before != l->call->phase && log_enabled(LOG_LEVEL_DEBUG)) {
		struct log_ctx ctx = ctx_of(l);

		LOG_DEBUG(&ctx, "call.phase", "from=%s to=%s", call_phase_name(before),
			  call_phase_name(l->call->phase));
	}
	if (before != l->call->phase && call_ended(l->call)) {
		struct log_ctx ctx = ctx_of(l);

		metric_add(&cc_metric_ended, 1);
		metric_add(&cc_metric_reanchor_failed, str_eq(l->call->cause, "media-lost"));
		LOG_INFO(&ctx, "call.ended", "cause=%s disposition=%s caller=%s called=%s wait_ms=%lld", l->call->cause,
			 l->call->disposition, LOG_Q(l->call->caller), LOG_Q(l->call->called),
			 (long long)l->call->wait_ms);
	}
	live_perform(l);
	if (l->call->stranded)
		anchor_check(l);
}

struct live *live_new(struct control *cc, struct call *call, struct cc_event *events, uint64_t revision,
		      enum call_input_kind first)
{
	struct live *l = mem_zalloc(sizeof(*l));

	if (!l)
		return NULL;
	l->control = cc;
	l->call = call;
	l->pending = events;
	l->revision = revision;
	l->first = first;
	loop_timer_init(&l->timer, cc->loop, on_timer, l);
	HASH_ADD_KEYPTR(hh, cc->calls, call->id, strlen(call->id), l);
	if (!TABLE_HAS(l)) {
		loop_timer_done(&l->timer);
		mem_free(l);
		return NULL;
	}
	metric_set(&cc_metric_calls, (int64_t)HASH_COUNT(cc->calls));
	l->call->checkpoint = true;
	l->started = first == INPUT_START; /* its first checkpoint has its first decision in it */
	return l;
}

void live_follow(struct control *cc, const char *tenant)
{
	const char *pool = control_pool(cc, tenant);
	struct live *l, *tmp;

	HASH_ITER (hh, cc->calls, l, tmp)
		if (l->router_pool[0] && l->call->phase == CALL_PHASE_QUEUED && !str_eq(l->router_pool, pool) &&
		    str_eq(l->call->tenant, tenant))
			live_step(l, &(struct call_input){ .kind = INPUT_ROUTER_EPOCH });
}

#define AGAIN_MS 100

void live_say_again(struct control *cc)
{
	int64_t now = control_now_ms(cc);
	struct live *l, *next;
	unsigned n = 0;

	HASH_ITER (hh, cc->calls, l, next) {
		l->call->repeat_ms = now + n++ % AGAIN_MS;
		arm(l);
	}
}

bool live_all_settled(const struct control *cc)
{
	for (const struct live *l = cc->calls; l; l = l->hh.next)
		if (l->writing || l->publishing)
			return false;
	return true;
}

void live_free_all(struct control *cc)
{
	struct live *l, *tmp;

	HASH_ITER (hh, cc->calls, l, tmp) {
		HASH_DELETE(hh, cc->calls, l);
		live_free(l);
	}
	DL_FOREACH_SAFE2(cc->lost, l, tmp, lost_next)
	live_free(l);
	cc->lost = NULL;
}
