#include "usage.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "base/table.h"
#include "log/log.h"
#include "recorder_wire.h"

#define BUCKET	 "quota"
#define RETRY_MS 2000
#define TICK_MS	 1000

struct tenant_usage {
	UT_hash_handle hh;
	char tenant[RECORDING_ID];
	struct usage *u;
	bool busy, again; /* again: it has changed while we looked */
	uint64_t revision, told;
	struct loop_timer retry;
};
struct usage {
	struct recorder *r;
	struct bus_kv *kv;
	struct bus_kv_watch *watch;
	struct tenant_usage *tenants; /* who keeps something, or was heard of just now */
	struct tenant_usage *turn;    /* whose turn it is to be made sure of; NULL: the first one's */
	struct loop_timer timer;
	bool stopped;
};

static void look(void *arg);

static void key_of(const struct tenant_usage *t, char key[RECORDING_ID + 16])
{
	snprintf(key, RECORDING_ID + 16, "%s.recordings", t->tenant);
}

static void later(struct tenant_usage *t, const char *what, err_t e)
{
	metric_add(&recorder_metric_retries, 1);
	LOG_DEBUG(&(struct log_ctx){ .tenant = t->tenant }, "usage.retry", "what=%s error=%s", what, err_name(e));
	loop_timer_start(&t->retry, RETRY_MS);
}

static void finish(struct tenant_usage *t)
{
	t->busy = false;
	if (t->again)
		look(t);
}

/* Keeps nothing, as who was purged: nobody asks until something is stored or recorded again. */
static void forget(struct tenant_usage *t)
{
	struct usage *u = t->u;

	if (t->again) {
		finish(t);
		return;
	}
	if (u->turn == t)
		u->turn = t->hh.next;
	HASH_DEL(u->tenants, t);
	loop_timer_done(&t->retry);
	mem_free(t);
}

/* Somebody else wrote: looked at again. */
static void told(struct tenant_usage *t, const char *what, err_t e, void (*well)(struct tenant_usage *t))
{
	if (t->u->stopped)
		return;
	if (e == ERR_ABORTED)
		look(t);
	else if (e)
		later(t, what, e);
	else
		well(t);
}

static void on_removed(err_t e, uint64_t seq, void *arg)
{
	(void)seq;
	told(arg, "remove", e, forget);
}

static void on_put(err_t e, uint64_t seq, void *arg)
{
	(void)seq;
	told(arg, "tell", e, finish);
}

static void on_used(err_t e, uint64_t bytes, void *arg)
{
	struct tenant_usage *t = arg;
	char key[RECORDING_ID + 16];
	struct str out = STR_INIT;

	if (t->u->stopped)
		return;
	key_of(t, key);
	if (!e && !bytes && !t->revision) {
		forget(t);
		return;
	}
	if (!e && bytes && t->revision && t->told == bytes) {
		finish(t);
		return;
	}
	if (!e && bytes)
		e = use_to_pb(&out, bytes);
	if (!e && !bytes)
		e = bus_kv_delete(t->u->kv, key, t->revision, on_removed, t);
	else if (!e)
		e = bus_kv_put(t->u->kv, key, out.data, out.len, t->revision, on_put, t);
	str_done(&out);
	if (e)
		later(t, "use", e);
}

static void on_told(err_t e, const struct bus_msg *msg, void *arg)
{
	struct tenant_usage *t = arg;
	struct err_detail d = { "", "" };

	if (t->u->stopped)
		return;
	t->revision = e ? 0 : msg->seq;
	t->told = 0;
	if (!e && use_from_pb(&t->told, msg->data, msg->size, &d)) {
		metric_add(&recorder_metric_bad_events, 1); /* written anew */
		t->told = UINT64_MAX;
	}
	if (e == ERR_NOT_FOUND)
		e = ERR_OK;
	if (!e)
		e = store_use(t->u->r->db, t->tenant, on_used, t);
	if (e)
		later(t, "look", e);
}

static void look(void *arg)
{
	struct tenant_usage *t = arg;
	char key[RECORDING_ID + 16];
	err_t e;

	t->busy = true;
	t->again = false;
	key_of(t, key);
	e = bus_kv_get(t->u->kv, key, on_told, t);
	if (e)
		later(t, "ask", e);
}

static struct tenant_usage *get(struct usage *u, const char *tenant, bool *fresh)
{
	struct tenant_usage *t;

	HASH_FIND_STR(u->tenants, tenant, t);
	*fresh = !t;
	if (t)
		return t;
	t = mem_zalloc(sizeof(*t));
	if (!t)
		return NULL;
	t->u = u;
	(void)str_copy(t->tenant, sizeof(t->tenant), tenant);
	loop_timer_init(&t->retry, u->r->loop, look, t);
	HASH_ADD_STR(u->tenants, tenant, t);
	if (TABLE_HAS(t))
		return t;
	loop_timer_done(&t->retry);
	mem_free(t);
	return NULL;
}

void usage_changed(struct usage *u, const char *tenant)
{
	bool fresh;
	struct tenant_usage *t = u->stopped ? NULL : get(u, tenant, &fresh);

	if (t && t->busy)
		t->again = true;
	else if (t)
		look(t);
}

void usage_seen(struct usage *u, const char *tenant)
{
	bool fresh;
	struct tenant_usage *t = u->stopped ? NULL : get(u, tenant, &fresh);

	if (t && fresh)
		look(t);
}

static void on_entry(enum bus_kv_op op, const char *key, const struct bus_msg *msg, void *arg)
{
	const char *dot = key ? strchr(key, '.') : NULL;
	char tenant[RECORDING_ID];

	(void)msg;
	if (op != BUS_KV_PUT || !dot || (size_t)(dot - key) >= sizeof(tenant))
		return;
	snprintf(tenant, sizeof(tenant), "%.*s", (int)(dot - key), key);
	usage_seen(arg, tenant);
}

/* A share of the tenants with each tick. */
static void on_timer(void *arg)
{
	struct usage *u = arg;
	unsigned share = 1 + HASH_COUNT(u->tenants) / (USAGE_AGAIN_MS / TICK_MS);

	while (u->tenants && share--) {
		struct tenant_usage *t = u->turn ? u->turn : u->tenants;

		u->turn = t->hh.next;
		if (!t->busy)
			look(t);
	}
	loop_timer_start(&u->timer, TICK_MS);
}

err_t usage_new(struct usage **ret, struct recorder *r, struct err_detail *detail)
{
	struct usage *u = mem_zalloc(sizeof(*u));
	err_t e;

	if (!u)
		return ERR_EXHAUSTED;
	u->r = r;
	loop_timer_init(&u->timer, r->loop, on_timer, u);
	e = bus_kv_open(&u->kv, r->bus, &(struct bus_kv_params){ .bucket = BUCKET }, detail);
	if (!e)
		e = bus_kv_watch(&u->watch, u->kv, "*.recordings", on_entry, u);
	if (e) {
		usage_stop(u);
		usage_free(&u);
		return e;
	}
	loop_timer_start(&u->timer, TICK_MS);
	*ret = u;
	return ERR_OK;
}

void usage_stop(struct usage *u)
{
	struct tenant_usage *t, *next;

	if (!u || u->stopped)
		return;
	u->stopped = true;
	HASH_ITER (hh, u->tenants, t, next)
		loop_timer_done(&t->retry);
	loop_timer_done(&u->timer);
	if (u->watch)
		bus_kv_unwatch(&u->watch);
	if (u->kv)
		bus_kv_close(&u->kv);
}

void usage_free(struct usage **ref)
{
	struct tenant_usage *t, *next;

	if (!*ref)
		return;
	HASH_ITER (hh, (*ref)->tenants, t, next) {
		HASH_DEL((*ref)->tenants, t);
		mem_free(t);
	}
	mem_free(*ref);
	*ref = NULL;
}
