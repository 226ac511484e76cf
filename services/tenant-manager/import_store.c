#include "import_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "trunkline/config/v1/config.pb-c.h"

const struct kind *import_resource_kind(enum import_kind kind)
{
	return kind_find(kind == IMPORT_AGENTS ? "agent" : "number");
}

/* ---- arrays as parameters ---- */

static void array_done(struct str *arrays, size_t n)
{
	for (size_t i = 0; i < n; i++)
		str_done(&arrays[i]);
}

static bool array_failed(const struct str *arrays, size_t n)
{
	bool failed = false;

	for (size_t i = 0; i < n; i++)
		failed = failed || arrays[i].failed;
	return failed;
}

/* ---- rows against what is there ---- */

static size_t lot_end(const struct import_table *t, size_t from)
{
	return t->n_rows - from < IMPORT_LOT ? t->n_rows : from + IMPORT_LOT;
}

static const char *own_field(const struct import_table *t)
{
	return import_resource_kind(t->params.kind)->own_id;
}

/* The rows whose keys a statement returns are bad. */
static err_t mark(struct import_table *t, struct db_result *res, const char *why)
{
	err_t e = ERR_OK;

	for (int i = 0; !e && i < db_rows(res); i++) {
		const char *id = db_text(res, i, 0);
		bool plus = t->params.kind == IMPORT_NUMBERS && id[0] == '+';
		struct import_row *row = import_table_find(t, id + plus);
		struct err_detail d = { 0 };

		(void)err_set(&d, ERR_INVALID, own_field(t), "%s '%.64s' %s",
			      import_resource_kind(t->params.kind)->name, id, why);
		if (row)
			e = import_table_bad(t, row, &d);
	}
	return e;
}

static err_t check_ids(struct db_tx *tx, struct import_table *t, const char *ids, const char *keys)
{
	const char *params[] = { import_resource_kind(t->params.kind)->name, ids };
	struct db_result *res = NULL;
	err_t e =
	    db_exec(tx, &res,
		    "SELECT id FROM tm.resource WHERE tenant = tm.tenant() AND kind = $1 AND id = ANY ($2::text[])", 2,
		    params);

	if (!e)
		e = mark(t, res, "is there already");
	db_result_free(&res);
	if (e || t->params.kind != IMPORT_NUMBERS)
		return e;
	e = db_exec(tx, &res, "SELECT d FROM tm.taken_numbers($1::text[]) AS d", 1, &keys);
	if (!e)
		e = mark(t, res, "is not available");
	db_result_free(&res);
	return e;
}

static size_t first_ref(const struct import_table *t, size_t row)
{
	size_t low = 0, high = t->n_refs;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (t->refs[mid].row < row)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct missing {
	struct map_node node;
	char key[80];
};

static void missing_key(char key[80], const char *kind, const char *id)
{
	snprintf(key, 80, "%s/%s", kind, id);
}

/* Rows with a reference that a statement returned are bad. */
static err_t mark_missing(struct import_table *t, size_t from, size_t to, struct db_result *res)
{
	size_t n = (size_t)db_rows(res);
	struct missing *list = mem_array(n, sizeof(*list));
	struct map map = { 0 };
	struct err_detail d = { 0 };
	char key[80];
	err_t e = list ? map_reserve(&map, n) : ERR_EXHAUSTED;

	for (size_t i = 0; !e && i < n; i++) {
		missing_key(list[i].key, db_text(res, (int)i, 0), db_text(res, (int)i, 1));
		map_add(&map, &list[i].node, list[i].key);
	}
	for (size_t i = from; !e && i < to; i++) {
		missing_key(key, t->refs[i].kind, t->refs[i].id);
		if (!map_find(&map, key))
			continue;
		(void)err_set(&d, ERR_INVALID, t->refs[i].path, "there is no %s '%s'", t->refs[i].kind, t->refs[i].id);
		e = import_table_bad(t, &t->rows[t->refs[i].row], &d);
	}
	map_done(&map);
	mem_free(list);
	return e;
}

static err_t check_refs_of(struct db_tx *tx, struct import_table *t, size_t from, size_t to)
{
	size_t first = first_ref(t, from), end = first_ref(t, to);
	struct str arrays[2] = { STR_INIT, STR_INIT };
	struct db_result *res = NULL;

	if (first == end)
		return ERR_OK;
	for (size_t i = first; i < end; i++) {
		db_array_add(&arrays[0], t->refs[i].kind);
		db_array_add(&arrays[1], t->refs[i].id);
	}
	const char *params[] = { db_array_text(&arrays[0]), db_array_text(&arrays[1]) };
	err_t e =
	    array_failed(arrays, 2)
		? ERR_EXHAUSTED
		: db_exec(tx, &res,
			  "SELECT DISTINCT r.k, r.i FROM unnest($1::text[], $2::text[]) AS r (k, i) WHERE NOT EXISTS "
			  "(SELECT FROM tm.resource WHERE tenant = tm.tenant() AND kind = r.k AND id = r.i)",
			  2, params);
	if (!e && db_rows(res))
		e = mark_missing(t, first, end, res);
	db_result_free(&res);
	array_done(arrays, 2);
	return e;
}

err_t import_store_check(struct db_tx *tx, struct import_table *t, size_t from)
{
	struct str arrays[2] = { STR_INIT, STR_INIT };
	size_t to = lot_end(t, from);

	for (size_t i = from; i < to; i++) {
		if (t->rows[i].bad)
			continue;
		db_array_add(&arrays[0], t->rows[i].id);
		db_array_add(&arrays[1], t->rows[i].key);
	}
	const char *ids = db_array_text(&arrays[0]), *keys = db_array_text(&arrays[1]);
	err_t e = array_failed(arrays, 2) ? ERR_EXHAUSTED : check_ids(tx, t, ids, keys);
	if (!e)
		e = check_refs_of(tx, t, from, to);
	array_done(arrays, 2);
	return e;
}

/* ---- into it ---- */

enum { IDS, KEYS, BODIES, SIGN_INS, REF_IDS, REF_KINDS, REF_TO, ARRAYS };

/* What each agent's message has besides: the version that wrote it (a message is the concatenation of its fields). */
static void add_body(struct str *array, const struct import_row *row, uint64_t agent_version)
{
	static const char digits[] = "0123456789abcdef";
	Trunkline__Config__V1__Agent tail = TRUNKLINE__CONFIG__V1__AGENT__INIT;
	uint8_t bytes[16];
	size_t n = 0;

	tail.version = agent_version;
	if (agent_version)
		n = trunkline__config__v1__agent__pack(&tail, bytes);
	str_append(array, array->len ? ",\"" : "{\"");
	for (size_t i = 0; i < row->size + n; i++) {
		uint8_t b = i < row->size ? ((const uint8_t *)row->body)[i] : bytes[i - row->size];

		str_append_c(array, digits[b >> 4]);
		str_append_c(array, digits[b & 15]);
	}
	str_append_c(array, '"');
}

static void fill_arrays(struct change *c, const struct import_table *t, size_t from, size_t to,
			struct str arrays[ARRAYS], size_t *n)
{
	bool agents = t->params.kind == IMPORT_AGENTS;

	for (size_t i = from; i < to; i++) {
		const struct import_row *row = &t->rows[i];

		if (row->bad)
			continue;
		++*n;
		db_array_add(&arrays[IDS], row->id);
		db_array_add(&arrays[KEYS], row->key);
		add_body(&arrays[BODIES], row, agents ? c->version : 0);
		if (row->has_password)
			db_array_add(&arrays[SIGN_INS], row->id);
		c->config_bytes += agents ? 0 : (int64_t)row->size;
	}
	for (size_t i = first_ref(t, from); i < t->n_refs && t->refs[i].row < to; i++) {
		if (t->rows[t->refs[i].row].bad)
			continue;
		db_array_add(&arrays[REF_IDS], t->rows[t->refs[i].row].id);
		db_array_add(&arrays[REF_KINDS], t->refs[i].kind);
		db_array_add(&arrays[REF_TO], t->refs[i].id);
	}
}

static err_t write_arrays(struct change *c, enum import_kind kind, const char *const a[ARRAYS])
{
	const char *name = import_resource_kind(kind)->name;
	char version[24];
	const char *rows[] = { name, a[IDS], kind == IMPORT_NUMBERS ? a[KEYS] : NULL, a[BODIES], version };
	const char *refs[] = { name, a[REF_IDS], a[REF_KINDS], a[REF_TO] };
	const char *items[] = { a[IDS], version };

	snprintf(version, sizeof(version), "%" PRIu64, c->version);
	err_t e = db_queue(c->tx,
			   "INSERT INTO tm.resource (tenant, kind, id, unique_key, body, revision) "
			   "SELECT tm.tenant(), $1, u.id, u.key, decode(u.body, 'hex'), $5::bigint "
			   "FROM unnest($2::text[], $3::text[], $4::text[]) AS u (id, key, body)",
			   5, rows);
	if (!e)
		e = db_exec(
		    c->tx, NULL,
		    "INSERT INTO tm.resource_ref (tenant, kind, id, to_kind, to_id) SELECT DISTINCT tm.tenant(), $1, "
		    "u.i, u.k, u.t FROM unnest($2::text[], $3::text[], $4::text[]) AS u (i, k, t)",
		    4, refs);
	if (e || kind == IMPORT_NUMBERS)
		return e;
	/* Without a hash: it is made at the first login (login.c), or 100,000 passwords would take hours. */
	e = db_queue(
	    c->tx,
	    "INSERT INTO tm.credential (tenant, agent_id, argon2id) SELECT tm.tenant(), u, '' FROM unnest($1::text[]) "
	    "AS u",
	    1, &a[SIGN_INS]);
	return e ? e
		 : db_exec(c->tx, NULL,
			   "INSERT INTO tm.outbox (tenant, item, stage, version) SELECT tm.tenant(), 'agent.' || u, 2, "
			   "$2::bigint "
			   "FROM unnest($1::text[]) AS u ON CONFLICT (tenant, item) DO UPDATE SET version = "
			   "excluded.version, "
			   "at = now(), retry_at = now()",
			   2, items);
}

static err_t write_lot(struct change *c, const struct import_table *t, size_t from, size_t *n)
{
	struct str arrays[ARRAYS];
	const char *texts[ARRAYS];

	memset(arrays, 0, sizeof(arrays));
	fill_arrays(c, t, from, lot_end(t, from), arrays, n);
	for (size_t i = 0; i < ARRAYS; i++)
		texts[i] = db_array_text(&arrays[i]);
	err_t e = array_failed(arrays, ARRAYS) ? ERR_EXHAUSTED : write_arrays(c, t->params.kind, texts);
	array_done(arrays, ARRAYS);
	return e;
}

err_t import_store_write(struct change *c, const struct import_table *t, size_t *ret_n)
{
	err_t e = ERR_OK;

	*ret_n = 0;
	for (size_t from = 0; !e && from < t->n_rows; from += IMPORT_LOT)
		e = write_lot(c, t, from, ret_n);
	c->job->changed = true;
	return e || t->params.kind == IMPORT_AGENTS ? e : change_outbox(c, STAGE_MAIN, "main");
}
