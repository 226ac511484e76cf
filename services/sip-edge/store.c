#include "store.h"
#include "ack.h"
#include "base/mem.h"
#include "dialog.h"
#include "metrics/metrics.h"

#include <stdio.h>
#include <string.h>

static struct metric failures =
    METRIC_COUNTER("trunkline_edge_store_failures_total", "writes to KV bindings and legs that failed");

struct store {
	struct edge *edge;
	struct bus_kv *bindings, *legs, *calls;
	struct bus_kv_watch *watch_bindings, *watch_legs;
	bool bindings_synced, legs_synced;
};

static void on_written(err_t e, uint64_t seq, void *arg)
{
	(void)seq;
	if (e && e != ERR_NOT_FOUND)
		metric_add(&failures, 1);
	if (arg)
		ack_kept(arg);
}

/* ---- reading ---- */

static void on_binding(enum bus_kv_op op, const char *key, const struct bus_msg *msg, void *arg)
{
	struct store *s = arg;
	struct aor a;
	bool own;

	if (op == BUS_KV_SYNCED) {
		s->bindings_synced = true;
	} else if (op == BUS_KV_DELETE) {
		if (!s->bindings_synced)
			registrar_remove(s->edge->registrar, key);
	} else if (edge_wire_bindings_from_pb(&a, key, msg->data, msg->size, s->edge->instance, &own)) {
		LOG_WARN(NULL, "bindings.invalid", "key=%s", LOG_Q(key));
	} else if (own && s->bindings_synced) {
		/* Our own echo: what is here may be newer. */
		while (a.n)
			binding_done(&a.b[--a.n]);
	} else if (registrar_put(s->edge->registrar, &a)) {
		LOG_WARN(NULL, "bindings.not_kept", "reason=memory");
	}
}

static void on_record(const struct leg_record *r, void *arg)
{
	dialog_adopt(arg, r);
}

/* Read once, at start: afterwards the writer of our keys is ourselves. */
static void on_leg(enum bus_kv_op op, const char *key, const struct bus_msg *msg, void *arg)
{
	struct store *s = arg;

	if (op == BUS_KV_SYNCED) {
		s->legs_synced = true;
		bus_kv_unwatch(&s->watch_legs);
		LOG_INFO(NULL, "legs.synced", "adopted=%lld", (long long)s->edge->n_dialogs);
	} else if (op == BUS_KV_PUT && edge_wire_leg_from_pb(msg->data, msg->size, on_record, s->edge)) {
		LOG_WARN(NULL, "leg.record_invalid", "key=%s", LOG_Q(key));
	}
}

/* ---- opening ---- */

static err_t open_buckets(struct store *s, struct err_detail *detail)
{
	struct bus_kv_params bindings = {
		.bucket = "bindings",
		.ttl_ms = 2 * 1000 * s->edge->cfg.expires_max_s,
	};
	struct bus_kv_params legs = { .bucket = "legs", .ttl_ms = STORE_LEG_TTL_MS };
	struct bus_kv_params calls = { .bucket = "calls", .history = 1, .marker_ttl_ms = 60000 }; /* call-control's */
	err_t e = bus_kv_open(&s->bindings, s->edge->bus, &bindings, detail);

	if (!e)
		e = bus_kv_open(&s->legs, s->edge->bus, &legs, detail);
	return e ? e : bus_kv_open(&s->calls, s->edge->bus, &calls, detail);
}

err_t store_new(struct store **ret, struct edge *edge, struct err_detail *detail)
{
	struct store *s = mem_zalloc(sizeof(*s));
	char pattern[96];
	err_t e;

	if (!s)
		return ERR_EXHAUSTED;
	s->edge = edge;
	metrics_register(&failures);
	e = open_buckets(s, detail);
	if (!e)
		e = bus_kv_watch(&s->watch_bindings, s->bindings, ">", on_binding, s);
	snprintf(pattern, sizeof(pattern), "%s.>", edge->instance);
	if (!e)
		e = bus_kv_watch(&s->watch_legs, s->legs, pattern, on_leg, s);
	if (e) {
		store_free(&s);
		return e;
	}
	*ret = s;
	return ERR_OK;
}

void store_free(struct store **ref)
{
	struct store *s = *ref;

	if (!s)
		return;
	if (s->watch_legs)
		bus_kv_unwatch(&s->watch_legs);
	if (s->watch_bindings)
		bus_kv_unwatch(&s->watch_bindings);
	if (s->calls)
		bus_kv_close(&s->calls);
	if (s->legs)
		bus_kv_close(&s->legs);
	if (s->bindings)
		bus_kv_close(&s->bindings);
	mem_free(s);
	*ref = NULL;
}

bool store_synced(const struct store *s)
{
	return s->bindings_synced && s->legs_synced;
}

/* ---- writing ---- */

/* Lazy: a leg's record leaves with the event that tells its owner of the same step. */
static void put(struct bus_kv *kv, const char *key, struct str *bytes, struct ack *kept)
{
	err_t e = bytes->failed ? ERR_EXHAUSTED
				: bus_kv_put_lazy(kv, key, bytes->data, bytes->len, BUS_KV_ANY, on_written, kept);

	if (e)
		on_written(e, 0, kept);
	str_done(bytes);
}

static void gone(struct bus_kv *kv, const char *key)
{
	if (bus_kv_delete(kv, key, BUS_KV_ANY, on_written, NULL))
		metric_add(&failures, 1);
}

void store_bindings(struct store *s, const struct aor *a)
{
	struct str bytes = STR_INIT;

	edge_wire_bindings_to_pb(&bytes, a, s->edge->instance);
	put(s->bindings, a->key, &bytes, NULL);
}

void store_bindings_gone(struct store *s, const char *key)
{
	gone(s->bindings, key);
}

static void leg_key(const struct store *s, const char *tenant, const char *leg_id, char key[256])
{
	snprintf(key, 256, "%s.%s.%s", s->edge->instance, tenant, leg_id);
}

void store_leg(struct store *s, const struct leg_record *r, struct ack *kept)
{
	struct str bytes = STR_INIT;
	char key[256];

	leg_key(s, r->tenant, r->leg_id, key);
	edge_wire_leg_to_pb(&bytes, r);
	put(s->legs, key, &bytes, kept);
}

void store_leg_gone(struct store *s, const char *tenant, const char *leg_id)
{
	char key[256];

	leg_key(s, tenant, leg_id, key);
	gone(s->legs, key);
}

err_t store_call(struct store *s, const char *tenant, const char *call_id, bus_reply_fn *fn, void *arg)
{
	char key[256];

	snprintf(key, sizeof(key), "%s.%s", tenant, call_id);
	return bus_kv_get(s->calls, key, fn, arg);
}
