#include "streams.h"

#include <stdlib.h>
#include <string.h>
#include "base/str.h"
#include "base/table.h"
#include "log/log.h"
#include "utlist.h"

#define SWEEP_MS 10000

struct watch_tenant;

struct watcher {
	struct watcher *prev, *next;		 /* of the tenant */
	struct watcher *agent_prev, *agent_next; /* of the agent; leads are in no agent's list */
	struct streams *streams;
	struct watch_tenant *tenant;
	struct rpc_call *call;
	uint64_t id;
	bool lead;
	char agent_id[AGENT_ID_TEXT];
	/* The beginning: agents (of a lead) not told yet, and whether an offer is being looked up. */
	char (*first)[AGENT_ID_TEXT];
	size_t n_first, first_told;
	bool offer_pending, synced;
};
struct watch_agent {
	char id[AGENT_ID_TEXT];
	struct watcher *list;
	UT_hash_handle hh;
};
struct watch_tenant {
	char id[AGENT_ID_TEXT];
	struct watcher *list;
	struct watch_agent *agents;
	UT_hash_handle hh;
};
struct streams {
	struct desk *desk;
	struct watch_tenant *tenants;
	struct loop_timer sweep;
	uint64_t last_id;
};

/* ---- registry ---- */
static struct watch_tenant *tenant_find(const struct streams *s, const char *tenant)
{
	struct watch_tenant *t;

	HASH_FIND_STR(s->tenants, tenant, t);
	return t;
}

static struct watch_agent *agent_find(const struct watch_tenant *t, const char *agent_id)
{
	struct watch_agent *a;

	HASH_FIND_STR(t->agents, agent_id, a);
	return a;
}

static err_t join_tenant(struct streams *s, struct watcher *w, const char *tenant)
{
	struct watch_tenant *t = tenant_find(s, tenant);

	if (!t) {
		t = mem_zalloc(sizeof(*t));
		if (!t)
			return ERR_EXHAUSTED;
		(void)str_copy(t->id, sizeof(t->id), tenant);
		HASH_ADD_STR(s->tenants, id, t);
		if (!TABLE_HAS(t)) {
			mem_free(t);
			return ERR_EXHAUSTED;
		}
		agents_poll(s->desk->agents, DESK_SCREEN_MS);
	}
	w->tenant = t;
	DL_APPEND(t->list, w);
	return ERR_OK;
}

static err_t join_agent(struct watcher *w)
{
	struct watch_agent *a = agent_find(w->tenant, w->agent_id);

	if (!a) {
		a = mem_zalloc(sizeof(*a));
		if (!a)
			return ERR_EXHAUSTED;
		(void)str_copy(a->id, sizeof(a->id), w->agent_id);
		HASH_ADD_STR(w->tenant->agents, id, a);
		if (!TABLE_HAS(a)) {
			mem_free(a);
			return ERR_EXHAUSTED;
		}
	}
	DL_APPEND2(a->list, w, agent_prev, agent_next);
	return ERR_OK;
}

static void leave_agent(struct watcher *w)
{
	struct watch_agent *a = agent_find(w->tenant, w->agent_id);

	if (!a || !w->agent_prev)
		return;
	DL_DELETE2(a->list, w, agent_prev, agent_next);
	if (a->list)
		return;
	HASH_DEL(w->tenant->agents, a);
	mem_free(a);
}

/* Forgets the watcher; the call is finished by the caller, or gone already. */
static void leave(struct watcher *w)
{
	struct watch_tenant *t = w->tenant;

	if (t) {
		if (!w->lead)
			leave_agent(w);
		DL_DELETE(t->list, w);
		metric_add(&desk_metric_streams, -1);
	}
	if (t && !t->list) {
		HASH_DEL(w->streams->tenants, t);
		mem_free(t);
		if (!w->streams->tenants)
			agents_poll(w->streams->desk->agents, DESK_NOBODY_MS);
	}
	mem_free(w->first);
	mem_free(w);
}

static void end_with(struct watcher *w, err_t code, const struct err_detail *detail)
{
	struct rpc_call *call = w->call;

	leave(w);
	rpc_fail(call, code, detail);
}

static void end(struct watcher *w, err_t code, const char *why)
{
	struct err_detail detail;

	end_with(w, err_set(&detail, code, "", "%s", why), &detail);
}

/* What to do with the result of a send; false: the watcher is gone. A cancelled call is ended by on_cancel. */
static bool sent(struct watcher *w, err_t e)
{
	if (e != ERR_EXHAUSTED)
		return true;
	metric_add(&desk_metric_slow, 1);
	end(w, ERR_EXHAUSTED, "the stream was read too slowly: open it again");
	return false;
}

static void on_cancel(struct rpc_call *call, void *arg)
{
	leave(arg);
	rpc_finish(call);
}

/* ---- telling ---- */
static const char *name_of(const struct watcher *w, const char *agent_id)
{
	return desk_agent_name(w->streams->desk, w->tenant->id, agent_id);
}

/* A lead whose beginning is not through yet is told of that agent when its turn comes. */
static bool turn_comes(const struct watcher *w, const char *agent_id)
{
	for (size_t i = w->first_told; i < w->n_first; i++)
		if (strcmp(w->first[i], agent_id) == 0)
			return true;
	return false;
}

static bool tell_status(struct watcher *w, const char *agent_id, const struct agent_record *record)
{
	struct agent_record blank;

	if (w->lead && turn_comes(w, agent_id))
		return true;
	if (!record)
		agent_record_init(&blank, w->tenant->id, agent_id);
	return sent(w, desk_wire_send_status(w->call, record ? record : &blank, name_of(w, agent_id)));
}

static bool serves(const struct watcher *w, const struct tenant_queue *q)
{
	const struct tenant_agent *a;

	if (w->lead)
		return true;
	a = tenantconf_find_agent(w->streams->desk->conf, w->tenant->id, w->agent_id);
	return a && tenant_agent_fits(a, q);
}

static bool tell_queue(struct watcher *w, const struct desk_queue *queue)
{
	const struct tenant *t = tenantconf_find_tenant(w->streams->desk->conf, w->tenant->id);
	const struct tenant_queue *q = t ? tenant_find_queue(t, queue->queue_id) : NULL;
	struct desk_queue named = *queue;

	if (!q || !serves(w, q))
		return true;
	named.name = q->display_name;
	return sent(w, desk_wire_send_queue(w->call, &named));
}

void streams_agent(struct streams *s, const char *tenant, const char *agent_id, const struct agent_record *record)
{
	struct watch_tenant *t = tenant_find(s, tenant);
	struct watch_agent *a = t ? agent_find(t, agent_id) : NULL;
	struct watcher *w, *next;
	bool anybody = a != NULL;

	for (w = a ? a->list : NULL; w; w = next) {
		next = w->agent_next;
		(void)tell_status(w, agent_id, record);
	}
	t = tenant_find(s, tenant); /* a slow reader may have been the last one */
	DL_FOREACH_SAFE (t ? t->list : NULL, w, next)
		if (w->lead) {
			anybody = true;
			(void)tell_status(w, agent_id, record);
		}
	if (anybody && record && record->state == AGENT_RESERVED && offers_look_up(s->desk, record, 0))
		LOG_WARN(NULL, "offer.not_looked_up", "call=%s", record->call_id);
}

void streams_queue(struct streams *s, const char *tenant, const struct desk_queue *queue)
{
	struct watch_tenant *t = tenant_find(s, tenant);
	struct watcher *w, *next;

	DL_FOREACH_SAFE (t ? t->list : NULL, w, next)
		(void)tell_queue(w, queue);
}

/* ---- the beginning ---- */
static void first_queue(const struct desk_queue *queue, void *arg)
{
	struct watcher **w = arg;

	if (*w && !tell_queue(*w, queue))
		*w = NULL;
}

static bool finish_beginning(struct watcher *w)
{
	struct desk *d = w->streams->desk;
	struct watcher *alive = w;

	if (w->offer_pending || w->first_told < w->n_first || w->synced)
		return true;
	w->synced = true;
	mem_free(w->first);
	w->first = NULL;
	w->n_first = w->first_told = 0;
	queues_each(d->queues, w->tenant->id, first_queue, &alive);
	return alive && sent(alive, desk_wire_send_synced(alive->call));
}

/* A lead's agents go out as fast as they are read. */
static void tell_first(struct rpc_call *call, void *arg)
{
	struct watcher *w = arg;
	struct desk *d = w->streams->desk;

	while (w->first_told < w->n_first && rpc_send_pending(call) < 64) {
		const char *id = w->first[w->first_told++];
		const struct agent_record *r = agents_find(d->agents, w->tenant->id, id, NULL);

		if (r && !sent(w, desk_wire_send_status(call, r, name_of(w, id))))
			return;
	}
	(void)finish_beginning(w);
}

struct first_agents {
	struct watcher *w;
	size_t cap;
	bool failed;
};

static void collect_first(const char *tenant, const char *agent_id, const struct agent_record *record,
			  uint64_t revision, void *arg)
{
	struct first_agents *f = arg;
	struct watcher *w = f->w;

	(void)revision;
	if (!record || record->state == AGENT_SIGNED_OUT || strcmp(tenant, w->tenant->id) != 0 || f->failed)
		return;
	if (w->n_first == f->cap) {
		size_t cap = f->cap ? 2 * f->cap : 64;
		char(*list)[AGENT_ID_TEXT] = mem_realloc(w->first, cap * sizeof(*list));

		f->failed = !list;
		if (!list)
			return;
		w->first = list;
		f->cap = cap;
	}
	(void)str_copy(w->first[w->n_first++], AGENT_ID_TEXT, agent_id);
}

static void begin_lead(struct watcher *w)
{
	struct first_agents f = { .w = w };

	agents_each(w->streams->desk->agents, collect_first, &f);
	if (f.failed) {
		end(w, ERR_EXHAUSTED, "out of memory");
		return;
	}
	rpc_on_drained(w->call, tell_first, w);
	tell_first(w->call, w);
}

static void begin_agent(struct watcher *w)
{
	struct desk *d = w->streams->desk;
	const struct agent_record *r = agents_find(d->agents, w->tenant->id, w->agent_id, NULL);

	if (!tell_status(w, w->agent_id, r))
		return;
	if (r && (r->state == AGENT_RESERVED || r->state == AGENT_ON_CALL))
		w->offer_pending = !offers_look_up(d, r, w->id);
	(void)finish_beginning(w);
}

static err_t judge(const struct desk *d, struct rpc_call *call, bool all, struct err_detail *detail)
{
	const struct auth_user *u = desk_user(call);

	if (all && !desk_is_lead(call))
		return err_set(detail, ERR_DENIED, "all_agents", "is for leads");
	if (all)
		return ERR_OK;
	if (!*u->agent)
		return err_set(detail, ERR_INVALID, "all_agents", "must be true for who is no agent");
	if (!tenantconf_find_agent(d->conf, u->tenant, u->agent))
		return err_set(detail, ERR_NOT_FOUND, "agent_id", "no such agent");
	return ERR_OK;
}

static struct watcher *watcher_new(struct streams *s, struct rpc_call *call, bool lead)
{
	const struct auth_user *u = desk_user(call);
	struct watcher *w = mem_zalloc(sizeof(*w));

	if (!w)
		return NULL;
	w->streams = s;
	w->call = call;
	w->lead = lead;
	w->id = ++s->last_id;
	(void)str_copy(w->agent_id, sizeof(w->agent_id), lead ? "" : u->agent);
	if (join_tenant(s, w, u->tenant)) {
		mem_free(w);
		return NULL;
	}
	metric_add(&desk_metric_streams, 1);
	if (!lead && join_agent(w)) {
		leave(w);
		return NULL;
	}
	return w;
}

static void on_stream(struct rpc_call *call, const ProtobufCMessage *req, void *arg)
{
	bool all = desk_wire_all_agents(req);
	struct err_detail detail = { 0 };
	struct streams *s = arg;
	struct watcher *w = NULL;
	err_t e = judge(s->desk, call, all, &detail);

	if (!e) {
		w = watcher_new(s, call, all);
		e = w ? ERR_OK : ERR_EXHAUSTED;
	}
	if (e) {
		rpc_fail(call, e, &detail);
		return;
	}
	rpc_on_cancel(call, on_cancel, w);
	if (all)
		begin_lead(w);
	else
		begin_agent(w);
}

/* ---- offers ---- */
/* true: it was the one that waited for this. */
static bool offer_for(struct watcher *w, uint64_t watcher, const struct desk_offer *offer)
{
	if (watcher && w->id != watcher)
		return false;
	if (offer && !sent(w, desk_wire_send_offer(w->call, offer)))
		return true;
	if (watcher) {
		w->offer_pending = false;
		(void)finish_beginning(w);
	}
	return watcher != 0;
}

void streams_offer(struct streams *s, const char *tenant, uint64_t watcher, const char *agent_id,
		   const struct desk_offer *offer)
{
	struct watch_tenant *t = tenant_find(s, tenant);
	struct watch_agent *a = t ? agent_find(t, agent_id) : NULL;
	struct watcher *w, *next;

	for (w = a ? a->list : NULL; w; w = next) {
		next = w->agent_next;
		if (offer_for(w, watcher, offer))
			return;
	}
	if (watcher || !offer)
		return;
	metric_add(&desk_metric_offers, 1);
	t = tenant_find(s, tenant);
	DL_FOREACH_SAFE (t ? t->list : NULL, w, next)
		if (w->lead)
			(void)offer_for(w, 0, offer);
}

/* ---- life ---- */
void streams_sweep(struct streams *s)
{
	struct watch_tenant *t, *next_t;
	struct watcher *w, *next;

	HASH_ITER (hh, s->tenants, t, next_t)
		DL_FOREACH_SAFE (t->list, w, next) {
			struct err_detail detail = { 0 };
			err_t e = rpc_recheck(w->call, &detail);

			if (e)
				end_with(w, e, &detail);
		}
}

static void on_sweep(void *arg)
{
	struct streams *s = arg;

	streams_sweep(s);
	loop_timer_start(&s->sweep, SWEEP_MS);
}

void streams_close(struct streams *s)
{
	struct watch_tenant *t, *next_t;
	struct watcher *w, *next;

	HASH_ITER (hh, s->tenants, t, next_t)
		DL_FOREACH_SAFE (t->list, w, next)
			end(w, ERR_UNAVAILABLE, "this desk is shutting down: connect again");
}

err_t streams_add(struct streams *s)
{
	return rpc_server_add(s->desk->server, desk_wire_service(), "StreamEvents", RPC_SERVER_STREAM, on_stream, s);
}

err_t streams_new(struct streams **ret, struct desk *desk)
{
	struct streams *s = mem_zalloc(sizeof(*s));

	if (!s)
		return ERR_EXHAUSTED;
	s->desk = desk;
	loop_timer_init(&s->sweep, desk->loop, on_sweep, s);
	loop_timer_start(&s->sweep, SWEEP_MS);
	*ret = s;
	return ERR_OK;
}

void streams_free(struct streams **s)
{
	if (!*s)
		return;
	streams_close(*s);
	loop_timer_done(&(*s)->sweep);
	mem_free(*s);
	*s = NULL;
}
