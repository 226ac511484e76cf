#include "store.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

#define NUMBER 24
#define COLUMNS                                                                                                 \
	"id, call_id, leg_id, agent_id, queue_id, caller, called, started_ms, state, samples, complete, path, " \
	"stereo_bytes, mono_bytes, stored_ms, data_key"

const struct vault_column store_columns[STORE_COLUMNS] = {
	[STORE_CALLER] = { { "rec.recording.caller", true }, TENANT_CALLER_NUMBER },
	[STORE_DATA_KEY] = { { "rec.recording.data_key", false }, TENANT_RECORDINGS },
};

#define TENANT "nullif(current_setting('trunkline.tenant', true), '')"
const struct reseal_table store_reseal = {
	.service = "recorder",
	.count = "SELECT count(*) FROM (SELECT FROM rec.recording WHERE tenant = " TENANT " LIMIT 1000000) c",
	.select = "SELECT id, caller, CASE WHEN data_key = '' AND state = 'stored' THEN path ELSE data_key END FROM "
		  "rec.recording WHERE tenant = " TENANT " AND id > $1 ORDER BY id LIMIT $2::int FOR UPDATE",
	.update = "UPDATE rec.recording r SET caller = coalesce(n.caller, r.caller), data_key = coalesce(n.data_key, "
		  "r.data_key) FROM unnest($1::text[], $2::text[], $3::text[]) AS n (id, caller, data_key) WHERE "
		  "r.tenant = " TENANT " AND r.id = n.id",
	.n_columns = STORE_COLUMNS,
	.file_column = STORE_DATA_KEY,
};

static const char *const state_names[] = { "recording", "stored", "lost" };

/* ---- writing ---- */
struct put {
	struct recording r;
	struct str caller; /* as it is kept */
	void (*done)(err_t e, void *arg);
	void *arg;
};

#define KEEP(column) #column " = coalesce(nullif(excluded." #column ", ''), r." #column "), "
#define FILE(column) #column " = CASE WHEN excluded.state = 'stored' THEN excluded." #column " ELSE r." #column " END, "
#define TEXTS	     KEEP(call_id) KEEP(leg_id) KEEP(agent_id) KEEP(queue_id) KEEP(caller) KEEP(called)
#define LENGTHS	     FILE(started_ms) FILE(samples) FILE(complete) FILE(stored_ms)
#define FILES	     FILE(path) FILE(stereo_bytes) FILE(mono_bytes) FILE(data_key)
static const char put_sql[] =
    "INSERT INTO rec.recording AS r (tenant, " COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, "
    "$13, $14, $15, $16, $17) ON CONFLICT (tenant, id) DO UPDATE SET " TEXTS LENGTHS FILES
    "state = CASE WHEN r.state = 'stored' OR excluded.state = 'recording' THEN r.state ELSE excluded.state END "
    "RETURNING 1";

static err_t run_put(struct db_tx *tx, void *arg)
{
	const struct put *p = arg;
	const struct recording *r = &p->r;
	char n[5][NUMBER];
	struct db_result *res = NULL;
	err_t e;

	snprintf(n[0], NUMBER, "%lld", (long long)r->started_ms);
	snprintf(n[1], NUMBER, "%llu", (unsigned long long)r->samples);
	snprintf(n[2], NUMBER, "%llu", (unsigned long long)r->stereo_bytes);
	snprintf(n[3], NUMBER, "%llu", (unsigned long long)r->mono_bytes);
	snprintf(n[4], NUMBER, "%lld", (long long)r->stored_ms);
	e = db_exec(tx, &res, put_sql, 17,
		    (const char *[]){ r->tenant, r->id, r->call_id, r->leg_id, r->agent_id, r->queue_id,
				      str_text(&p->caller), r->called, n[0], state_names[r->state], n[1],
				      r->complete ? "t" : "f", r->path, n[2], n[3], n[4], r->data_key });
	if (!e && !db_rows(res))
		e = ERR_NOT_FOUND; /* rec.refuse_purged */
	db_result_free(&res);
	return e;
}

static void put_free(struct put *p)
{
	str_done(&p->caller);
	mem_free(p);
}

static void put_done(err_t e, void *arg)
{
	struct put *p = arg;

	p->done(e, p->arg);
	put_free(p);
}

static err_t keep_caller(struct put *p, const struct vault_tenant *t)
{
	const char *caller = p->r.caller;

	return *caller ? vault_keep(t, STORE_CALLER, p->r.id, caller, strlen(caller), &p->caller) : ERR_OK;
}

/* The files may have been made long before the index was there. */
static err_t keep_data_key(struct put *p, const struct vault_tenant *t)
{
	char *key = p->r.data_key;
	struct str renewed = STR_INIT;
	struct sealed_parts parts;
	err_t e = *key ? vault_renew(t, STORE_DATA_KEY, p->r.id, key, &renewed) : ERR_OK;

	if (!e && renewed.len && !str_copy(key, sizeof(p->r.data_key), str_text(&renewed)))
		e = ERR_INTERNAL;
	if (!e && !*key && p->r.state == RECORDING_STORED && vault_sensitive(t, STORE_DATA_KEY))
		e = ERR_PRECONDITION; /* marked since they were made in clear: once more */
	if (!e && *key && (sealed_parse(&parts, key, strlen(key)) || parts.version != vault_version(t)))
		e = ERR_PRECONDITION;
	str_done(&renewed);
	return e;
}

static err_t keep(struct put *p, struct vault *vault)
{
	const struct vault_view *view = vault_look_to_write(vault);
	const struct vault_tenant *t;
	err_t e;

	if (!view)
		return ERR_UNAVAILABLE;
	t = vault_find(view, p->r.tenant, strlen(p->r.tenant));
	e = keep_caller(p, t);
	if (!e)
		e = keep_data_key(p, t);
	vault_view_unref(&view);
	return e;
}

err_t store_put(struct db *db, struct vault *vault, const struct recording *r, void (*done)(err_t e, void *arg),
		void *arg)
{
	struct put *p = mem_alloc(sizeof(*p));
	err_t e;

	if (!p)
		return ERR_EXHAUSTED;
	*p = (struct put){ .r = *r, .done = done, .arg = arg };
	e = keep(p, vault);
	if (!e)
		e = db_run(db, p->r.tenant, run_put, p, put_done, p);
	if (e)
		put_free(p);
	return e;
}

/* ---- reading ---- */
static void take_text(char dst[RECORDING_ID], const struct db_result *res, int row, int col)
{
	(void)str_copy(dst, RECORDING_ID, db_text(res, row, col));
}

static enum recording_state parse_state(const char *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(state_names); i++)
		if (str_eq(s, state_names[i]))
			return (enum recording_state)i;
	return RECORDING_LOST;
}

/* What somebody sees of one tenant, on a worker. */
struct sight {
	const struct vault_view *view; /* NULL: nothing of what is sensitive */
	const struct vault_tenant *vault;
	bool clear;
};

static void sight_take(struct sight *s, const struct store_eye *eye, const char *tenant)
{
	*s = (struct sight){ .clear = eye->clear };
	if (eye->vault)
		s->view = vault_look(eye->vault);
	if (s->view)
		s->vault = vault_find(s->view, tenant, strlen(tenant));
}

static err_t take_caller(struct recording *r, const struct sight *s, const char *stored)
{
	struct str shown = STR_INIT;
	err_t e = s->vault ? vault_show(s->vault, STORE_CALLER, r->id, stored, s->clear, &shown) : ERR_OK;

	(void)str_copy(r->caller, sizeof(r->caller), str_text(&shown));
	str_done(&shown);
	return e;
}

static err_t take_row(struct recording *r, const struct sight *sight, const char *tenant, const struct db_result *res,
		      int row)
{
	*r = (struct recording){ 0 };
	(void)str_copy(r->tenant, sizeof(r->tenant), tenant);
	take_text(r->id, res, row, 0);
	take_text(r->call_id, res, row, 1);
	take_text(r->leg_id, res, row, 2);
	take_text(r->agent_id, res, row, 3);
	take_text(r->queue_id, res, row, 4);
	take_text(r->called, res, row, 6);
	r->started_ms = db_int(res, row, 7);
	r->state = parse_state(db_text(res, row, 8));
	r->samples = (uint64_t)db_int(res, row, 9);
	r->complete = db_bool(res, row, 10);
	(void)str_copy(r->path, sizeof(r->path), db_text(res, row, 11));
	r->stereo_bytes = (uint64_t)db_int(res, row, 12);
	r->mono_bytes = (uint64_t)db_int(res, row, 13);
	r->stored_ms = db_int(res, row, 14);
	(void)str_copy(r->data_key, sizeof(r->data_key), db_text(res, row, 15));
	return take_caller(r, sight, db_text(res, row, 5));
}

struct get {
	char tenant[RECORDING_ID], agent_id[RECORDING_ID], id[RECORDING_ID];
	struct sight sight;
	struct recording r;
	store_found_fn *done;
	void *arg;
};

static err_t run_find(struct db_tx *tx, void *arg)
{
	struct get *g = arg;
	struct db_result *res = NULL;
	err_t e = db_exec(tx, &res,
			  "SELECT " COLUMNS
			  " FROM rec.recording WHERE tenant = $1 AND id = $2 AND ($3 = '' OR agent_id = $3)",
			  3, (const char *[]){ g->tenant, g->id, g->agent_id });

	if (!e && db_rows(res) == 0)
		e = ERR_NOT_FOUND;
	if (!e)
		e = take_row(&g->r, &g->sight, g->tenant, res, 0);
	db_result_free(&res);
	return e;
}

static void get_free(struct get *g)
{
	vault_view_unref(&g->sight.view);
	mem_free(g);
}

static void find_done(err_t e, void *arg)
{
	struct get *g = arg;

	g->done(e, &g->r, g->arg);
	get_free(g);
}

err_t store_find(struct db *db, const struct store_eye *eye, const char *tenant, const char *agent_id, const char *id,
		 store_found_fn *done, void *arg)
{
	struct get *g = mem_zalloc(sizeof(*g));
	err_t e;

	if (!g)
		return ERR_EXHAUSTED;
	g->done = done;
	g->arg = arg;
	(void)str_copy(g->tenant, sizeof(g->tenant), tenant);
	(void)str_copy(g->agent_id, sizeof(g->agent_id), agent_id);
	(void)str_copy(g->id, sizeof(g->id), id);
	sight_take(&g->sight, eye, tenant);
	e = db_run(db, g->tenant, run_find, g, find_done, g);
	if (e)
		get_free(g);
	return e;
}

struct use {
	char tenant[RECORDING_ID];
	uint64_t bytes;
	store_used_fn *done;
	void *arg;
};

static err_t run_use(struct db_tx *tx, void *arg)
{
	struct use *u = arg;
	struct db_result *res = NULL;
	err_t e = db_exec(tx, &res, "SELECT bytes FROM rec.usage WHERE tenant = $1", 1, (const char *[]){ u->tenant });

	if (!e)
		u->bytes = db_rows(res) ? (uint64_t)db_int(res, 0, 0) : 0;
	db_result_free(&res);
	return e;
}

static void use_done(err_t e, void *arg)
{
	struct use *u = arg;

	u->done(e, u->bytes, u->arg);
	mem_free(u);
}

err_t store_use(struct db *db, const char *tenant, store_used_fn *done, void *arg)
{
	struct use *u = mem_zalloc(sizeof(*u));
	err_t e;

	if (!u)
		return ERR_EXHAUSTED;
	u->done = done;
	u->arg = arg;
	(void)str_copy(u->tenant, sizeof(u->tenant), tenant);
	e = db_run(db, u->tenant, run_use, u, use_done, u);
	if (e)
		mem_free(u);
	return e;
}

/* ---- listing ---- */
#define PARAMS_MAX 20
struct list {
	struct store_filter f;
	struct sight sight;
	/* How envelopes of the caller that is looked for begin. */
	size_t n_found;
	char found[SEALED_VERSIONS_MAX][SEALED_PREFIX];
	store_list_fn *done;
	void *arg;
	unsigned n;
	bool more;
	/* The statement being built. */
	struct str sql;
	int n_params;
	const char *params[PARAMS_MAX];
	char values[PARAMS_MAX][2 * RECORDING_ID];
	struct recording rows[STORE_PAGE_MAX];
};

static void add_value(struct list *l, const char *value)
{
	int i = l->n_params++;

	(void)str_copy(l->values[i], sizeof(l->values[i]), value);
	l->params[i] = l->values[i];
	str_printf(&l->sql, "$%d", l->n_params);
}

static void add_param(struct list *l, const char *condition, const char *value)
{
	str_printf(&l->sql, " AND %s", condition);
	add_value(l, value);
}

static void add_number(struct list *l, const char *condition, int64_t v)
{
	char text[NUMBER];

	snprintf(text, sizeof(text), "%lld", (long long)v);
	add_param(l, condition, text);
	str_append(&l->sql, "::bigint");
}

/* In the text, each limit would be another statement for each connection to prepare. */
static void add_limit(struct list *l, unsigned limit)
{
	char text[NUMBER];

	snprintf(text, sizeof(text), "%u", limit);
	str_append(&l->sql, " LIMIT ");
	add_value(l, text);
	str_append(&l->sql, "::bigint");
}

static void add_equal(struct list *l, const char *condition, const char *value)
{
	if (*value)
		add_param(l, condition, value);
}

/* "123*" → LIKE '123%', with what LIKE would understand taken literally. */
static void add_number_or_prefix(struct list *l, const char *column, const char *value)
{
	char condition[32], pattern[2 * RECORDING_ID];
	size_t n = strlen(value), at = 0;

	if (n == 0)
		return;
	if (value[n - 1] != '*') {
		snprintf(condition, sizeof(condition), "%s = ", column);
		add_param(l, condition, value);
		return;
	}
	for (size_t i = 0; i + 1 < n; i++) {
		if (strchr("%_\\", value[i]))
			pattern[at++] = '\\';
		pattern[at++] = value[i];
	}
	pattern[at++] = '%';
	pattern[at] = '\0';
	snprintf(condition, sizeof(condition), "%s LIKE ", column);
	add_param(l, condition, pattern);
}

/* In clear as it was written, or encrypted; each by the index. */
static void add_caller(struct list *l)
{
	if (l->n_found)
		str_append(&l->sql, " AND (false OR (true");
	add_number_or_prefix(l, "caller", l->f.caller);
	for (size_t i = 0; i < l->n_found; i++) {
		char pattern[SEALED_PREFIX + 1];

		snprintf(pattern, sizeof(pattern), "%s%%", l->found[i]); /* it has nothing that LIKE understands */
		str_append(&l->sql, ") OR (true");
		add_param(l, "caller LIKE ", pattern);
	}
	if (l->n_found)
		str_append(&l->sql, "))");
}

static void build(struct list *l)
{
	const struct store_filter *f = &l->f;

	l->n_params = 0;
	str_reset(&l->sql);
	str_append(&l->sql, "SELECT " COLUMNS " FROM rec.recording WHERE true");
	add_param(l, "tenant = ", f->tenant);
	if (f->from_ms)
		add_number(l, "started_ms >= ", f->from_ms);
	if (f->to_ms)
		add_number(l, "started_ms < ", f->to_ms);
	add_caller(l);
	add_number_or_prefix(l, "called", f->called);
	add_equal(l, "agent_id = ", f->agent_id);
	add_equal(l, "queue_id = ", f->queue_id);
	add_equal(l, "call_id = ", f->call_id);
	if (f->min_ms)
		add_number(l, "samples >= ", f->min_ms * 8);
	if (f->max_ms)
		add_number(l, "samples <= ", f->max_ms * 8);
	if (!f->include_unstored)
		str_append(&l->sql, " AND state = 'stored'");
	if (*f->after_id) {
		add_number(l, "started_ms <= ", f->after_ms);
		str_printf(&l->sql, " AND (started_ms < $%d::bigint OR (true", l->n_params);
		add_param(l, "id < ", f->after_id);
		str_append(&l->sql, "))");
	}
	str_append(&l->sql, " ORDER BY started_ms DESC, id DESC");
	add_limit(l, f->limit + 1);
}

static err_t run_list(struct db_tx *tx, void *arg)
{
	struct list *l = arg;
	struct db_result *res = NULL;
	err_t e;

	build(l);
	if (l->sql.failed)
		return ERR_EXHAUSTED;
	e = db_exec(tx, &res, str_text(&l->sql), l->n_params, l->params);
	if (e)
		goto out;
	l->n = (unsigned)db_rows(res);
	l->more = l->n > l->f.limit;
	if (l->more)
		l->n = l->f.limit;
	for (unsigned i = 0; i < l->n && !e; i++)
		e = take_row(&l->rows[i], &l->sight, l->f.tenant, res, (int)i);
out:
	db_result_free(&res);
	return e;
}

static void list_free(struct list *l)
{
	vault_view_unref(&l->sight.view);
	str_done(&l->sql);
	mem_free(l);
}

static void list_done(err_t e, void *arg)
{
	struct list *l = arg;

	l->done(e, l->rows, l->n, l->more, l->arg);
	list_free(l);
}

/* Before anything is asked of the database. */
static err_t seek_caller(struct list *l, struct err_detail *detail)
{
	const char *caller = l->f.caller;
	size_t n = strlen(caller);

	if (!l->sight.vault)
		return ERR_UNAVAILABLE;
	return n ? vault_seek(l->sight.vault, STORE_CALLER, caller, caller[n - 1] == '*', l->sight.clear, "caller",
			      l->found, &l->n_found, detail)
		 : ERR_OK;
}

err_t store_list(struct db *db, const struct store_eye *eye, const struct store_filter *f, store_list_fn *done,
		 void *arg, struct err_detail *detail)
{
	struct list *l = mem_zalloc(sizeof(*l));
	err_t e;

	if (!l)
		return ERR_EXHAUSTED;
	l->f = *f;
	if (l->f.limit < 1 || l->f.limit > STORE_PAGE_MAX)
		l->f.limit = STORE_PAGE_MAX;
	l->done = done;
	l->arg = arg;
	sight_take(&l->sight, eye, l->f.tenant);
	e = seek_caller(l, detail);
	if (!e)
		e = db_run(db, l->f.tenant, run_list, l, list_done, l);
	if (e)
		list_free(l);
	return e;
}

/* ---- purging ---- */

struct purge_rows {
	char tenant[RECORDING_ID];
	int64_t upto_ms;
	char (*paths)[ENCODE_PATH];
	unsigned n;
	store_purged_fn *done;
	void *arg;
};

/* None of them comes back; whoever writes one now is waited for. */
static err_t bury(struct db_tx *tx, const char *tenant, const char *upto)
{
	const char *params[] = { tenant, upto };
	err_t e = db_queue(tx, "SELECT rec.lock_purge($1, true)", 1, params);

	return e ? e
		 : db_queue(tx,
			    "INSERT INTO rec.purged AS p VALUES ($1, $2::bigint) ON CONFLICT (tenant) DO UPDATE SET "
			    "upto_ms = greatest(p.upto_ms, excluded.upto_ms)",
			    2, params);
}

static err_t run_purge(struct db_tx *tx, void *arg)
{
	struct purge_rows *p = arg;
	char upto[NUMBER];
	struct db_result *res = NULL;

	snprintf(upto, sizeof(upto), "%lld", (long long)p->upto_ms);
	err_t e = bury(tx, p->tenant, upto);
	if (e)
		return e;
	e = db_exec(
	    tx, &res,
	    "DELETE FROM rec.recording WHERE tenant = $1 AND id = ANY (ARRAY(SELECT id FROM rec.recording WHERE "
	    "tenant = $1 AND started_ms <= $2::bigint ORDER BY started_ms DESC, id DESC LIMIT 500)) RETURNING path",
	    2, (const char *[]){ p->tenant, upto });
	p->n = e ? 0 : (unsigned)db_rows(res);
	for (unsigned i = 0; i < p->n && i < STORE_PURGE_MAX; i++)
		(void)str_copy(p->paths[i], ENCODE_PATH, db_text(res, (int)i, 0));
	db_result_free(&res);
	return e;
}

static void purge_done(err_t e, void *arg)
{
	struct purge_rows *p = arg;

	p->done(e, (const char(*)[ENCODE_PATH])p->paths, p->n, p->arg);
	mem_free(p->paths);
	mem_free(p);
}

err_t store_purge(struct db *db, const char *tenant, int64_t upto_ms, store_purged_fn *done, void *arg)
{
	struct purge_rows *p = mem_zalloc(sizeof(*p));
	err_t e = ERR_EXHAUSTED;

	if (!p)
		return e;
	*p = (struct purge_rows){ .upto_ms = upto_ms, .done = done, .arg = arg };
	(void)str_copy(p->tenant, sizeof(p->tenant), tenant);
	p->paths = mem_array(STORE_PURGE_MAX, sizeof(*p->paths));
	if (p->paths)
		e = db_run(db, p->tenant, run_purge, p, purge_done, p);
	if (e) {
		mem_free(p->paths);
		mem_free(p);
	}
	return e;
}
