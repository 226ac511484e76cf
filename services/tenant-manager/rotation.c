#include "rotation.h"

#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "log/log.h"
#include "pbcheck/pbcheck.h"
#include "publisher.h"
#include "trunkline/config/v1/config.pb-c.h"

#define BUCKET "rotation"

/* Whose tables hold what is encrypted: a rotation ends when all of them have finished. */
static const char *const services[] = { "reporting", "recorder" };

struct rotation {
	struct manager *tm;
	struct bus_kv *kv;
	struct bus_kv_watch *watch;
};

/* What a service told, on its way into PostgreSQL. */
struct told {
	struct manager *tm;
	char tenant[64], service[32];
	uint32_t version;
	int64_t done, total, at_ms; /* at_ms: wall, when it was told */
	bool finished;
	bool ended; /* with it the rotation has */
};

/*
 * Holds the tenant, as every change does. *ret: it is what is being rotated to, and was told since that began: what is older is of a
 * former tenant of this id, or of before a backup was restored.
 */
static err_t find_rotation(struct db_tx *tx, const struct told *t, bool *ret)
{
	char version[DB_NUMBER], at_ms[DB_NUMBER];
	const char *params[] = { db_number(t->version, version), db_number(t->at_ms, at_ms) };
	struct db_result *res = NULL;
	err_t e = db_exec(
	    tx, &res,
	    "SELECT FROM tm.tenant t JOIN tm.key_rotation r ON r.tenant = t.tenant WHERE t.tenant = tm.tenant() AND "
	    "r.ended_at IS NULL AND r.version = $1 AND r.created_at <= to_timestamp($2::bigint / 1000.0) "
	    "FOR UPDATE OF t",
	    2, params);

	*ret = !e && db_rows(res);
	db_result_free(&res);
	return e;
}

/* Finished stays so until another rotation begins (its parts go with the former one): a lot that was on its way may tell later. */
static err_t write_part(struct db_tx *tx, const struct told *t)
{
	char done[DB_NUMBER], total[DB_NUMBER];
	const char *params[] = { t->service, db_number(t->done, done), db_number(t->total, total),
				 t->finished ? "t" : "f" };

	return db_exec(tx, NULL,
		       "INSERT INTO tm.key_rotation_part (tenant, service, done, total, finished) VALUES (tm.tenant(), "
		       "$1, $2, $3, "
		       "$4) ON CONFLICT (tenant, service) DO UPDATE SET done = excluded.done, total = excluded.total, "
		       "finished = tm.key_rotation_part.finished OR excluded.finished",
		       4, params);
}

/* The former versions are destroyed, and everybody is told. */
static err_t end_rotation(struct db_tx *tx, const struct told *t)
{
	char version[DB_NUMBER];
	const char *params[] = { db_number(t->version, version) };
	err_t e =
	    db_queue(tx,
		     "UPDATE tm.key_rotation SET ended_at = now() WHERE tenant = tm.tenant() AND version = $1 AND "
		     "ended_at IS NULL",
		     1, params);

	if (!e)
		e = db_queue(tx, "DELETE FROM tm.tenant_key WHERE tenant = tm.tenant() AND version < $1", 1, params);
	if (!e)
		e = db_queue(tx, "UPDATE tm.tenant SET version = version + 1 WHERE tenant = tm.tenant()", 0, NULL);
	return e ? e
		 : db_exec(
		       tx, NULL,
		       "INSERT INTO tm.outbox (tenant, item, stage, version) SELECT tenant, 'main', 1, version FROM "
		       "tm.tenant WHERE tenant = tm.tenant() ON CONFLICT (tenant, item) DO UPDATE SET version = "
		       "excluded.version, at = now(), retry_at = now()",
		       0, NULL);
}

static err_t all_finished(struct db_tx *tx, bool *ret)
{
	struct db_result *res = NULL;
	err_t e = db_exec(tx, &res, "SELECT count(*) FROM tm.key_rotation_part WHERE tenant = tm.tenant() AND finished",
			  0, NULL);

	*ret = !e && db_int(res, 0, 0) == (int64_t)ARRAY_SIZE(services);
	db_result_free(&res);
	return e;
}

static err_t take(struct db_tx *tx, void *arg)
{
	struct told *t = arg;
	bool wanted, all = false;
	err_t e = find_rotation(tx, t, &wanted);

	t->ended = false;
	if (e || !wanted)
		return e;
	e = write_part(tx, t);
	if (!e)
		e = all_finished(tx, &all);
	if (!e && all)
		e = end_rotation(tx, t);
	t->ended = all;
	return e;
}

static void on_taken(err_t e, void *arg)
{
	struct told *t = arg;
	struct log_ctx ctx = { .tenant = t->tenant };

	if (e) /* what is finished is told again and again until the rotation has ended */
		LOG_WARN(&ctx, "rotation.not_taken", "service=%s error=%s", t->service, err_name(e));
	if (!e && t->ended) {
		LOG_INFO(&ctx, "key.rotated", "version=%u", t->version);
		publisher_kick(t->tm->publisher);
	}
	mem_free(t);
}

/* "acme.reporting" */
static bool take_key(struct told *t, const char *key)
{
	const char *dot = strchr(key, '.');

	if (!dot || (size_t)(dot - key) >= sizeof(t->tenant))
		return false;
	memcpy(t->tenant, key, (size_t)(dot - key));
	for (size_t i = 0; i < ARRAY_SIZE(services); i++)
		if (str_eq(services[i], dot + 1))
			return str_copy(t->service, sizeof(t->service), dot + 1);
	return false;
}

static bool take_value(struct told *t, const struct bus_msg *msg)
{
	const Trunkline__Config__V1__KeyProgress *p;
	ProtobufCMessage *m;
	struct err_detail d;

	if (pbcheck_view(&m, &trunkline__config__v1__key_progress__descriptor, msg->data, msg->size, &d))
		return false;
	p = (const Trunkline__Config__V1__KeyProgress *)m;
	t->version = p->version;
	t->done = p->done_rows;
	t->total = p->total_rows;
	t->finished = p->finished;
	pbcheck_view_done(m);
	return t->version > 0 && t->version <= INT32_MAX && t->done >= 0 && t->total >= 0;
}

static void on_told(enum bus_kv_op op, const char *key, const struct bus_msg *msg, void *arg)
{
	struct rotation *r = arg;
	struct told *t;

	if (op != BUS_KV_PUT)
		return;
	t = mem_zalloc(sizeof(*t));
	if (!t)
		return;
	t->tm = r->tm;
	t->at_ms = msg->time_ms;
	if (!take_key(t, key) || !take_value(t, msg)) {
		LOG_WARN(NULL, "rotation.malformed", "key=%s", LOG_Q(key));
		mem_free(t);
	} else if (db_run(r->tm->db, t->tenant, take, t, on_taken, t)) {
		mem_free(t);
	}
}

err_t rotation_new(struct rotation **ret, struct manager *tm, struct err_detail *detail)
{
	struct rotation *r = mem_zalloc(sizeof(*r));
	err_t e;

	if (!r)
		return ERR_EXHAUSTED;
	r->tm = tm;
	e = bus_kv_open(&r->kv, tm->bus, &(struct bus_kv_params){ .bucket = BUCKET, .history = 1 }, detail);
	if (!e)
		e = bus_kv_watch(&r->watch, r->kv, ">", on_told, r);
	if (e) {
		rotation_free(&r);
		return e;
	}
	*ret = r;
	return ERR_OK;
}

void rotation_stop(struct rotation *r)
{
	if (r)
		bus_kv_unwatch(&r->watch);
}

void rotation_free(struct rotation **ref)
{
	struct rotation *r = *ref;

	if (!r)
		return;
	*ref = NULL;
	bus_kv_unwatch(&r->watch);
	if (r->kv)
		bus_kv_close(&r->kv);
	mem_free(r);
}
