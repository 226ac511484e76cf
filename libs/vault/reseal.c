#include "reseal.h"

#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "log/log.h"
#include "vault_internal.h"

#define BUCKET	    "rotation"
#define LOT	    "500"
#define COLUMNS_MAX 4
#define LOOK_MS	    1000
#define PAUSE_MS    20 /* between lots: others work, too */
#define TELL_MS	    1000
#define ID_MAX	    64
#define FILES_MAX   8 /* a lot: so long its rows are locked */
#define ERRORS_MAX  3 /* in a row: then the next tenant has its turn */

struct reseal {
	struct reseal_params p;
	struct bus_kv *kv;
	struct loop_timer timer;
	bool stopped;
	/* The tenant in hand; id "": none. */
	char id[ID_MAX];
	uint32_t version;
	int64_t seen_ms, walk_ms,
	    told_ms; /* monotonic: since when the version is known, this walk runs, it was told last */
	int64_t done, total, renewed;
	bool clean;	 /* this walk has found nothing */
	unsigned errors; /* in a row */
	char after[ID_MAX];
	/* Of the lot that is being worked on. */
	const struct vault_view *view;
	const struct vault_tenant *tenant;
	char last[ID_MAX];
	int rows, changed, files;
	int64_t counted;
};

static void go_on(struct reseal *r, int64_t delay_ms)
{
	if (!r->stopped)
		loop_timer_start(&r->timer, delay_ms);
}

/* ---- a lot, on a worker ---- */

struct arrays {
	struct str ids, columns[COLUMNS_MAX];
};

static void arrays_done(struct arrays *a, size_t n)
{
	str_done(&a->ids);
	for (size_t i = 0; i < n; i++)
		str_done(&a->columns[i]);
}

static void add_null(struct str *array)
{
	str_append(array, array->len ? ",NULL" : "{NULL");
}

static err_t renew(struct reseal *r, size_t column, const char *id, const char *stored, struct str *out)
{
	if (!r->p.seal_file || column != r->p.table->file_column || !*stored || sealed_is(stored, strlen(stored)))
		return vault_renew(r->tenant, column, id, stored, out);
	if (!vault_sensitive(r->tenant, column))
		return ERR_OK;
	r->files++;
	return r->p.seal_file(r->tenant, id, stored, out, r->p.arg);
}

/* A row's columns; those that stay are NULL. Neither ids nor envelopes have anything that an array would need escaped. */
static err_t renew_row(struct reseal *r, struct db_result *res, int row, struct arrays *a)
{
	struct str renewed[COLUMNS_MAX] = { 0 };
	const char *id = db_text(res, row, 0);
	bool changed = false;
	err_t e = ERR_OK;

	for (size_t i = 0; !e && i < r->p.table->n_columns; i++) {
		e = renew(r, i, id, db_text(res, row, (int)i + 1), &renewed[i]);
		changed = changed || renewed[i].len;
	}
	if (!e && changed) {
		r->changed++;
		db_array_add(&a->ids, id);
		for (size_t i = 0; i < r->p.table->n_columns; i++) {
			if (renewed[i].len)
				db_array_add(&a->columns[i], renewed[i].data);
			else
				add_null(&a->columns[i]);
		}
	}
	for (size_t i = 0; i < r->p.table->n_columns; i++)
		str_done(&renewed[i]);
	return e;
}

static err_t write_back(struct db_tx *tx, const struct reseal *r, struct arrays *a)
{
	const char *params[COLUMNS_MAX + 1] = { db_array_text(&a->ids) };
	bool failed = a->ids.failed;

	for (size_t i = 0; i < r->p.table->n_columns; i++) {
		params[i + 1] = db_array_text(&a->columns[i]);
		failed = failed || a->columns[i].failed;
	}
	return failed ? ERR_EXHAUSTED : db_exec(tx, NULL, r->p.table->update, (int)r->p.table->n_columns + 1, params);
}

static err_t count_rows(struct db_tx *tx, struct reseal *r)
{
	struct db_result *res = NULL;
	err_t e = db_exec(tx, &res, r->p.table->count, 0, NULL);

	if (!e)
		r->counted = db_int(res, 0, 0);
	db_result_free(&res);
	return e;
}

static err_t run_lot(struct db_tx *tx, void *arg)
{
	struct reseal *r = arg;
	const char *params[] = { r->after, LOT };
	struct db_result *res = NULL;
	struct arrays a = { 0 };
	err_t e = r->p.table->lock ? db_queue(tx, r->p.table->lock, 0, NULL) : ERR_OK;

	r->rows = r->changed = r->files = 0;
	r->counted = r->total;
	if (!e && !*r->after)
		e = count_rows(tx, r);
	if (!e)
		e = db_exec(tx, &res, r->p.table->select, 2, params);
	for (; !e && r->rows < db_rows(res) && r->files < FILES_MAX; r->rows++)
		e = renew_row(r, res, r->rows, &a);
	if (!e && r->rows)
		(void)str_copy(r->last, sizeof(r->last), db_text(res, r->rows - 1, 0));
	if (!e && r->changed)
		e = write_back(tx, r, &a);
	arrays_done(&a, r->p.table->n_columns);
	db_result_free(&res);
	return e;
}

/* ---- telling ---- */

static void on_put(err_t e, uint64_t seq, void *arg)
{
	(void)e; /* told again */
	(void)seq;
	(void)arg;
}

static void tell(struct reseal *r, bool finished)
{
	char key[ID_MAX + 32];
	uint8_t bytes[VAULT_PROGRESS];
	size_t size =
	    vault_progress_to_pb(r->version, r->done, r->total > r->done ? r->total : r->done, finished, bytes);

	snprintf(key, sizeof(key), "%s.%s", r->id, r->p.table->service);
	r->told_ms = clock_mono_ms();
	if (bus_kv_put(r->kv, key, bytes, size, BUS_KV_ANY, on_put, r))
		r->told_ms = 0;
}

/* ---- one tenant after the other ---- */

static void begin_walk(struct reseal *r)
{
	r->after[0] = '\0';
	r->done = 0;
	r->clean = true;
	r->walk_ms = clock_mono_ms();
}

/* The walk is at its end: once more, later, or finished. */
static void end_walk(struct reseal *r)
{
	bool finished = r->clean && r->walk_ms - r->seen_ms >= r->p.settle_ms;
	int64_t rest_ms = r->seen_ms + r->p.settle_ms - clock_mono_ms();

	tell(r, finished);
	if (finished)
		LOG_INFO(&(struct log_ctx){ .tenant = r->id }, "key.resealed", "version=%u rows=%lld", r->version,
			 (long long)r->renewed);
	if (finished)
		r->version = 0; /* the next tenant; this one again if tenant-manager has not heard of it */
	else
		begin_walk(r);
	go_on(r, finished || rest_ms < LOOK_MS ? LOOK_MS : rest_ms);
}

static const struct vault_tenant *next_tenant(const struct reseal *r)
{
	const struct vault_tenant *t = vault_next_rotating(r->view, r->id);

	return t ? t : vault_next_rotating(r->view, "");
}

/* Tried again; if it fails again and again, after the others, whom it would hold up. */
static void on_failed(struct reseal *r, err_t e)
{
	const struct vault_tenant *next;

	if (++r->errors < ERRORS_MAX)
		return;
	r->errors = 0;
	LOG_WARN(&(struct log_ctx){ .tenant = r->id }, "key.not_resealed", "version=%u done=%lld error=%s", r->version,
		 (long long)r->done, err_name(e));
	next = next_tenant(r);
	if (next && strcmp(vault_id(next), r->id) != 0)
		r->version = 0; /* alone it goes on where it is */
}

static void on_lot(err_t e, void *arg)
{
	struct reseal *r = arg;

	if (e)
		on_failed(r, e);
	vault_view_unref(&r->view);
	if (e) {
		go_on(r, LOOK_MS);
		return;
	}
	r->errors = 0;
	r->total = r->counted;
	r->done += r->rows;
	r->renewed += r->changed;
	r->clean = r->clean && !r->changed;
	if (!r->rows) {
		end_walk(r);
		return;
	}
	(void)str_copy(r->after, sizeof(r->after), r->last);
	if (clock_mono_ms() - r->told_ms >= TELL_MS)
		tell(r, false);
	go_on(r, PAUSE_MS);
}

/* The tenant in hand as the view has it, or the next one. */
static const struct vault_tenant *choose(struct reseal *r)
{
	const struct vault_tenant *t = r->version ? vault_find(r->view, r->id, strlen(r->id)) : NULL;

	if (t && vault_version(t) == r->version)
		return t;
	t = next_tenant(r);
	if (!t)
		return NULL;
	(void)str_copy(r->id, sizeof(r->id), vault_id(t));
	r->version = vault_version(t);
	r->seen_ms = clock_mono_ms();
	r->total = r->renewed = 0;
	r->errors = 0;
	begin_walk(r);
	return t;
}

static void on_timer(void *arg)
{
	struct reseal *r = arg;

	r->view = vault_look_to_write(r->p.vault);
	r->tenant = r->view ? choose(r) : NULL;
	if (!r->tenant || db_run(r->p.db, r->id, run_lot, r, on_lot, r)) {
		vault_view_unref(&r->view);
		go_on(r, LOOK_MS);
	}
}

err_t reseal_new(struct reseal **ret, const struct reseal_params *p, struct err_detail *detail)
{
	struct reseal *r = p->table->n_columns <= COLUMNS_MAX ? mem_zalloc(sizeof(*r)) : NULL;
	err_t e;

	if (!r)
		return ERR_EXHAUSTED;
	r->p = *p;
	loop_timer_init(&r->timer, p->loop, on_timer, r);
	e = bus_kv_open(&r->kv, p->bus, &(struct bus_kv_params){ .bucket = BUCKET, .history = 1 }, detail);
	if (e) {
		reseal_free(&r);
		return e;
	}
	go_on(r, LOOK_MS);
	*ret = r;
	return ERR_OK;
}

void reseal_stop(struct reseal *r)
{
	if (!r)
		return;
	r->stopped = true;
	loop_timer_stop(&r->timer);
}

void reseal_free(struct reseal **ref)
{
	struct reseal *r = *ref;

	if (!r)
		return;
	*ref = NULL;
	loop_timer_done(&r->timer);
	vault_view_unref(&r->view);
	if (r->kv)
		bus_kv_close(&r->kv);
	mem_free(r);
}
