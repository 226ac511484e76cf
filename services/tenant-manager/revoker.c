#include "revoker.h"

#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "log/log.h"
#include "metrics/metrics.h"

#define BATCH 64
#define LOOK_MS \
	5000 /* when nobody says anything: another instance may have died after its commit, somebody emptied the bucket */
#define RETRY_MS 500
#define MARK_MS	 3600000 /* the mark is put anew, long before it expires */

struct told {
	struct revoker *r;
	char tenant[64], id[AUTH_TOKEN_ID]; /* tenant "": of an operator */
};
struct revoker {
	struct manager *tm;
	struct loop_timer timer;
	bool connected, busy, again, stopped, failed;
	bool compare;	  /* NATS may have lost them: begin with all */
	bool all;	  /* those that were told, too, after `last`, whenever none is new */
	uint64_t mark;	  /* its revision when that began */
	struct told last; /* of a look at all of them; what is new is not there any more the next time */
	bool is_new;	  /* the batch: nobody was told of it before */
	size_t n, n_running;
	struct told batch[BATCH];
};

static struct metric published =
    METRIC_COUNTER("trunkline_tokens_revoked_total", "withdrawn tokens that the services were told of");
static struct metric failures = METRIC_COUNTER("trunkline_token_revoke_failures_total",
					       "withdrawn tokens that could not be told, and are tried again");

/* ---- a turn ---- */

static void wait(struct revoker *r, int64_t ms)
{
	if (!r->stopped)
		loop_timer_start(&r->timer, ms);
}

static void turn_over(struct revoker *r)
{
	bool go_on = r->n == BATCH || r->all || r->again || r->compare;

	r->busy = false;
	wait(r, r->failed ? RETRY_MS : go_on ? 0 : LOOK_MS);
}

static void turn_failed(struct revoker *r, const char *what, err_t e)
{
	r->failed = true;
	if (!r->stopped) {
		metric_add(&failures, 1);
		LOG_WARN(NULL, "token.mark_failed", "step=%s error=%s", what, err_name(e));
	}
	turn_over(r);
}

/* ERR_ABORTED: the bucket was emptied meanwhile, or another instance was quicker: the next look tells. */
static void on_all_told(err_t e, uint64_t seq, void *arg)
{
	struct revoker *r = arg;

	(void)seq;
	r->all = false;
	r->again = e == ERR_ABORTED || r->again;
	r->compare = (e && e != ERR_ABORTED) || r->compare;
	if (e && e != ERR_ABORTED)
		turn_failed(r, "told", e);
	else
		turn_over(r);
}

static void batch_over(struct revoker *r)
{
	bool full = r->n == BATCH, is_end = r->all && !r->failed && !r->is_new && !full;

	if (!r->failed && !r->is_new && full)
		r->last = r->batch[r->n - 1];
	err_t e = is_end && !r->stopped ? revoked_mark(r->tm->revoked, true, r->mark, on_all_told, r) : ERR_OK;
	if (e)
		on_all_told(e, 0, r);
	else if (!is_end || r->stopped)
		turn_over(r);
}

static void over(struct told *t, err_t e)
{
	struct revoker *r = t->r;
	struct log_ctx ctx = { .tenant = t->tenant };

	if (e) {
		r->failed = true;
		metric_add(&failures, 1);
		LOG_WARN(&ctx, "token.revoke_failed", "id=%s error=%s", t->id, err_name(e));
	}
	if (--r->n_running == 0)
		batch_over(r);
}

static err_t mark(struct db_tx *tx, void *arg)
{
	const struct told *t = arg;

	return db_exec(
	    tx, NULL,
	    "UPDATE tm.token SET told_at = coalesce(told_at, now()) WHERE tenant = coalesce(tm.tenant(), '') "
	    "AND id = $1",
	    1, (const char *[]){ t->id });
}

static void on_marked(err_t e, void *arg)
{
	over(arg, e);
}

static void on_put(err_t e, uint64_t seq, void *arg)
{
	struct told *t = arg;
	struct manager *tm = t->r->tm;

	(void)seq;
	if (!e)
		metric_add(&published, 1);
	if (!e && !t->r->is_new) {
		over(t, ERR_OK);
		return;
	}
	/* When the service ends the bus is the last to tell: the row stays as it is, and is told again. */
	if (!e && tm->db)
		e = db_run(tm->db, *t->tenant ? t->tenant : NULL, mark, t, on_marked, t);
	else if (!e)
		e = ERR_CANCELLED;
	if (e)
		over(t, e);
}

static err_t take_rows(struct db_tx *tx, struct revoker *r, const char *sql, int n_params, const char *const *params)
{
	struct db_result *res = NULL;
	err_t e = db_exec(tx, &res, sql, n_params, params);

	r->n = 0;
	for (int i = 0; !e && i < db_rows(res) && r->n < BATCH; i++) {
		struct told *t = &r->batch[r->n++];

		*t = (struct told){ .r = r };
		(void)str_copy(t->tenant, sizeof(t->tenant), db_text(res, i, 0));
		(void)str_copy(t->id, sizeof(t->id), db_text(res, i, 1));
	}
	db_result_free(&res);
	return e;
}

/* What is new does not wait for its turn among all. */
static err_t take(struct db_tx *tx, void *arg)
{
	struct revoker *r = arg;
	char limit[DB_NUMBER];
	const char *params[] = { db_number(BATCH, limit), r->last.tenant, r->last.id };
	err_t e = take_rows(tx, r, "SELECT tenant, id FROM tm.untold_tokens($1)", 1, params);

	r->is_new = r->n > 0;
	if (!e && r->all && !r->is_new)
		e = take_rows(tx, r, "SELECT tenant, id FROM tm.revoked_tokens(true, $2, $3, $1)", 3, params);
	return e;
}

static void on_taken(err_t e, void *arg)
{
	struct revoker *r = arg;

	r->failed = e != ERR_OK;
	if (e || !r->n || r->stopped) {
		r->n = 0;
		batch_over(r);
		return;
	}
	r->n_running = r->n;
	for (size_t i = 0, n = r->n; i < n; i++) {
		struct told *t = &r->batch[i];

		e = revoked_put(r->tm->revoked, t->tenant, t->id, on_put, t);
		if (e)
			over(t, e);
	}
}

static void take_batch(struct revoker *r)
{
	err_t e = r->stopped ? ERR_CANCELLED : db_run(r->tm->db, NULL, take, r, on_taken, r);

	if (e)
		on_taken(e, r);
}

/* ---- the mark ---- */

static void tell_all(struct revoker *r, uint64_t mark)
{
	r->all = true;
	r->compare = false;
	r->mark = mark;
	r->last = (struct told){ 0 };
	take_batch(r);
}

static void on_begun(err_t e, uint64_t seq, void *arg)
{
	if (e)
		turn_failed(arg, "begin", e); /* ERR_ABORTED: another instance has begun */
	else
		tell_all(arg, seq);
}

/* Without a mark nobody who starts lets anybody in: then it is said first that all are being told. */
static void on_look(err_t e, const struct bus_msg *mark, void *arg)
{
	struct revoker *r = arg;

	if (e == ERR_NOT_FOUND)
		e = revoked_mark(r->tm->revoked, false, 0, on_begun, r);
	else if (!e && (r->compare || !revoked_is_told(mark) || clock_wall_ms() - mark->time_ms > MARK_MS))
		tell_all(r, mark->seq);
	else if (!e)
		take_batch(r);
	if (e)
		turn_failed(r, "look", e);
}

static void on_timer(void *arg)
{
	struct revoker *r = arg;

	if (!r->connected || r->busy)
		return;
	r->again = false;
	r->failed = false;
	r->busy = true;
	r->n = 0;
	if (r->all && !r->compare) {
		take_batch(r);
		return;
	}
	err_t e = revoked_look(r->tm->revoked, on_look, r);
	if (e)
		turn_failed(r, "look", e);
}

/* ---- life ---- */

void revoker_kick(struct revoker *r)
{
	r->again = true;
	if (!r->busy)
		wait(r, 0);
}

void revoker_connected(struct revoker *r, bool connected)
{
	r->connected = connected;
	if (!connected)
		return;
	r->compare = true;
	revoker_kick(r);
}

err_t revoker_new(struct revoker **ret, struct manager *tm)
{
	struct revoker *r = mem_zalloc(sizeof(*r));

	if (!r)
		return ERR_EXHAUSTED;
	r->tm = tm;
	loop_timer_init(&r->timer, tm->loop, on_timer, r);
	metrics_register(&published);
	metrics_register(&failures);
	*ret = r;
	revoker_connected(r, bus_connected(tm->bus));
	return ERR_OK;
}

void revoker_stop(struct revoker *r)
{
	r->stopped = true;
	r->connected = false;
	loop_timer_stop(&r->timer);
}

void revoker_free(struct revoker **ref)
{
	struct revoker *r = *ref;

	if (!r)
		return;
	loop_timer_done(&r->timer);
	mem_free(r);
	*ref = NULL;
}
