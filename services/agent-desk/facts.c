/* WatchFacts: the tenant's events as they pass on the bus, while some lead looks. One subscription a tenant. */
#include "streams.h"

#include <stdio.h>
#include <string.h>
#include "base/str.h"
#include "base/table.h"
#include "events/events_batch.h"
#include "log/log.h"
#include "utlist.h"

#define SWEEP_MS 10000

struct fact_watcher {
	struct fact_watcher *prev, *next;
	struct fact_tenant *tenant;
	struct rpc_call *call;
	struct desk_facts_filter filter;
};
struct fact_tenant {
	char id[AGENT_ID_TEXT];
	struct facts *facts;
	struct bus_sub *sub;
	struct fact_watcher *list;
	UT_hash_handle hh;
};
struct facts {
	struct desk *desk;
	struct fact_tenant *tenants;
	struct loop_timer sweep;
};

static void leave(struct fact_watcher *w)
{
	DL_DELETE(w->tenant->list, w);
	metric_add(&desk_metric_streams, -1);
	mem_free(w);
}

/* Not while its own subscription is delivering: the sweep, or the next one who comes, looks after empty tenants. */
static void drop_if_empty(struct fact_tenant *t)
{
	if (t->list)
		return;
	bus_unsubscribe(&t->sub);
	HASH_DEL(t->facts->tenants, t);
	mem_free(t);
}

static void end_with(struct fact_watcher *w, err_t code, const struct err_detail *detail)
{
	struct rpc_call *call = w->call;

	leave(w);
	rpc_fail(call, code, detail);
}

static void end(struct fact_watcher *w, err_t code, const char *why)
{
	struct err_detail detail;

	end_with(w, err_set(&detail, code, "", "%s", why), &detail);
}

static void on_cancel(struct rpc_call *call, void *arg)
{
	struct fact_watcher *w = arg;
	struct fact_tenant *t = w->tenant;

	leave(w);
	drop_if_empty(t);
	rpc_finish(call);
}

static void show(struct fact_tenant *t, const void *bytes, size_t size)
{
	struct fact_watcher *w, *next;
	struct desk_fact *fact = NULL;
	struct err_detail detail = { 0 };

	if (desk_wire_fact_from_pb(&fact, bytes, size, &detail)) {
		metric_add(&desk_metric_bad_messages, 1);
		return;
	}
	DL_FOREACH_SAFE (t->list, w, next)
		if (desk_wire_fact_matches(fact, &w->filter) && desk_wire_send_fact(w->call, fact) == ERR_EXHAUSTED) {
			metric_add(&desk_metric_slow, 1);
			end(w, ERR_EXHAUSTED, "the stream was read too slowly: open it again");
		}
	desk_wire_fact_free(&fact);
}

static void on_fact(const struct bus_msg *msg, void *arg)
{
	struct events_slice s;
	size_t at = 0;
	bool bad;

	if (!events_is_batch(msg->subject)) {
		show(arg, msg->data, msg->size);
		return;
	}
	while (events_batch_next(&s, msg->data, msg->size, &at, &bad))
		show(arg, s.data, s.size);
	if (bad)
		metric_add(&desk_metric_bad_messages, 1);
}

static struct fact_tenant *tenant_get(struct facts *f, const char *tenant)
{
	struct fact_tenant *t;
	char subject[AGENT_ID_TEXT + 8];

	HASH_FIND_STR(f->tenants, tenant, t);
	if (t)
		return t;
	t = mem_zalloc(sizeof(*t));
	if (!t)
		return NULL;
	t->facts = f;
	(void)str_copy(t->id, sizeof(t->id), tenant);
	snprintf(subject, sizeof(subject), "ev.%s.>", tenant);
	if (bus_subscribe(&t->sub, f->desk->bus, subject, NULL, on_fact, t)) {
		mem_free(t);
		return NULL;
	}
	HASH_ADD_STR(f->tenants, id, t);
	if (TABLE_HAS(t))
		return t;
	bus_unsubscribe(&t->sub);
	mem_free(t);
	return NULL;
}

static err_t join(struct facts *f, struct rpc_call *call, const struct desk_facts_filter *filter)
{
	const struct auth_user *u = desk_user(call);
	struct fact_tenant *t = tenant_get(f, u->tenant);
	struct fact_watcher *w = t ? mem_zalloc(sizeof(*w)) : NULL;

	if (!w)
		return ERR_EXHAUSTED; /* the sweep takes a tenant that nobody watches */
	w->call = call;
	w->filter = *filter;
	w->tenant = t;
	DL_APPEND(t->list, w);
	metric_add(&desk_metric_streams, 1);
	rpc_on_cancel(call, on_cancel, w);
	return ERR_OK;
}

static void on_watch(struct rpc_call *call, const ProtobufCMessage *req, void *arg)
{
	struct err_detail detail = { 0 };
	struct desk_facts_filter filter;
	err_t e = desk_wire_facts_from_pb(&filter, req, &detail);

	if (!e)
		e = join(arg, call, &filter);
	if (e)
		rpc_fail(call, e, &detail);
}

void facts_sweep(struct facts *f)
{
	struct fact_tenant *t, *next_t;
	struct fact_watcher *w, *next;

	HASH_ITER (hh, f->tenants, t, next_t) {
		DL_FOREACH_SAFE (t->list, w, next) {
			struct err_detail detail = { 0 };
			err_t e = rpc_recheck(w->call, &detail);

			if (e)
				end_with(w, e, &detail);
		}
		drop_if_empty(t);
	}
}

static void on_sweep(void *arg)
{
	struct facts *f = arg;

	facts_sweep(f);
	loop_timer_start(&f->sweep, SWEEP_MS);
}

void facts_close(struct facts *f)
{
	struct fact_tenant *t, *next_t;
	struct fact_watcher *w, *next;

	HASH_ITER (hh, f->tenants, t, next_t) {
		DL_FOREACH_SAFE (t->list, w, next)
			end(w, ERR_UNAVAILABLE, "this desk is shutting down: connect again");
		drop_if_empty(t);
	}
}

err_t facts_add(struct facts *f)
{
	return rpc_server_add(f->desk->server, desk_wire_service(), "WatchFacts", RPC_SERVER_STREAM, on_watch, f);
}

err_t facts_new(struct facts **ret, struct desk *desk)
{
	struct facts *f = mem_zalloc(sizeof(*f));

	if (!f)
		return ERR_EXHAUSTED;
	f->desk = desk;
	loop_timer_init(&f->sweep, desk->loop, on_sweep, f);
	loop_timer_start(&f->sweep, SWEEP_MS);
	*ret = f;
	return ERR_OK;
}

void facts_free(struct facts **f)
{
	if (!*f)
		return;
	facts_close(*f);
	loop_timer_done(&(*f)->sweep);
	mem_free(*f);
	*f = NULL;
}
