#include "import_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "pbr.h"

/* Makes room for one more of size bytes. */
static err_t grow(void **list, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return ERR_OK;
	size_t more = *cap ? 2 * *cap : 256;
	void *p = mem_realloc(*list, more * size);
	if (!p)
		return ERR_EXHAUSTED;
	*list = p;
	*cap = more;
	return ERR_OK;
}

/* ---- errors ---- */

static err_t add_error(struct import_table *t, unsigned row, const struct err_detail *d)
{
	int column = import_column_of(&t->columns, d->field);

	if (t->n_errors == IMPORT_ERRORS_MAX)
		return ERR_OK;
	const struct err_detail *why = arena_dup(&t->arena, d, sizeof(*d));
	if (!why)
		return ERR_EXHAUSTED;
	t->errors[t->n_errors++] =
	    (struct import_error){ .row = row, .column = column >= 0 ? t->header[column] : "", .why = why };
	return ERR_OK;
}

err_t import_table_bad(struct import_table *t, struct import_row *row, const struct err_detail *why)
{
	if (row->bad)
		return ERR_OK;
	row->bad = true;
	t->n_bad++;
	return add_error(t, row->number, why);
}

static int by_row(const void *a, const void *b)
{
	const struct import_error *x = a, *y = b;

	return (x->row > y->row) - (x->row < y->row);
}

void import_table_sort(struct import_table *t)
{
	qsort(t->errors, t->n_errors, sizeof(t->errors[0]), by_row);
}

/* ---- rows ---- */

static err_t take_header(struct import_table *t, const struct sheet_row *row, struct err_detail *detail)
{
	t->header = arena_alloc(&t->arena, (row->n + 1) * sizeof(*t->header));
	if (!t->header)
		return ERR_EXHAUSTED;
	for (size_t i = 0; i < row->n; i++) {
		t->header[i] = arena_strdup(&t->arena, row->cells[i]);
		if (!t->header[i])
			return ERR_EXHAUSTED;
	}
	t->has_header = true;
	return import_columns_make(&t->columns, t->params.kind, t->header, row->n, t->params.wanted, t->params.n_wanted,
				   detail);
}

static err_t add_preview(struct import_table *t, const struct sheet_row *row)
{
	struct import_preview *p = &t->preview[t->n_preview];

	if (t->n_preview == IMPORT_PREVIEW_MAX)
		return ERR_OK;
	*p = (struct import_preview){ .row = row->number,
				      .n = row->n,
				      .cells = arena_alloc(&t->arena, (row->n + 1) * sizeof(*p->cells)) };
	if (!p->cells)
		return ERR_EXHAUSTED;
	for (size_t i = 0; i < row->n; i++) {
		int field = i < t->columns.n ? t->columns.field[i] : -1;
		/* What nobody knows may be a password, too. */
		const char *text = field >= 0 ? row->cells[i] : "";
		bool secret = *text && import_fields(t->params.kind)[field].type == IMPORT_SECRET;

		p->cells[i] = secret ? "***" : arena_strdup(&t->arena, text);
		if (!p->cells[i])
			return ERR_EXHAUSTED;
	}
	t->n_preview++;
	return ERR_OK;
}

/* sheet_read's function knows of no detail but its own. */
struct reading {
	struct import_table *table;
	struct err_detail *detail;
};

/* The same text of many references, once. NULL: no memory. */
static const char *shared(struct import_table *t, const char *text)
{
	struct map_node *node = map_find(&t->texts, text);

	if (node)
		return node->key;
	node = arena_alloc(&t->arena, sizeof(*node));
	const char *copy = arena_strdup(&t->arena, text);
	if (!node || !copy || map_reserve(&t->texts, 1))
		return NULL;
	map_add(&t->texts, node, copy);
	return copy;
}

static err_t add_ref(enum check_kind kind, const char *id, const char *path, void *arg)
{
	const struct reading *r = arg;
	struct import_table *t = r->table;

	if (t->n_refs == IMPORT_REFS_MAX)
		return err_set(r->detail, ERR_EXHAUSTED, "file", "its rows have more than %d skills and targets",
			       IMPORT_REFS_MAX);
	err_t e = grow((void **)&t->refs, t->n_refs, &t->cap_refs, sizeof(*t->refs));
	if (e)
		return e;
	struct import_ref *ref = &t->refs[t->n_refs];
	*ref = (struct import_ref){
		.kind = check_kind_name(kind), .id = shared(t, id), .path = shared(t, path), .row = t->n_rows
	};
	t->n_refs++;
	return ref->id && ref->path ? ERR_OK : ERR_EXHAUSTED;
}

static err_t add_row(struct reading *r, unsigned number, const struct import_record *rec)
{
	struct import_table *t = r->table;
	size_t size = 0;
	const void *bytes = pbr_pack(&t->scratch, rec->msg, &size);
	err_t e = bytes ? grow((void **)&t->rows, t->n_rows, &t->cap_rows, sizeof(*t->rows)) : ERR_EXHAUSTED;

	if (e)
		return e;
	t->bodies_bytes += size;
	if (t->bodies_bytes > IMPORT_BODIES_MAX)
		return err_set(r->detail, ERR_EXHAUSTED, "file", "its rows are more than %zu bytes together",
			       IMPORT_BODIES_MAX);
	struct import_row *row = &t->rows[t->n_rows];
	*row = (struct import_row){ .number = number,
				    .id = arena_strdup(&t->arena, rec->id),
				    .body = arena_dup(&t->arena, bytes, size),
				    .size = size,
				    .has_password = rec->has_password };
	if (!row->id || !row->body)
		return ERR_EXHAUSTED;
	row->key = row->id + (rec->key - rec->id);
	e = check_refs(rec->msg, add_ref, r);
	t->n_rows++;
	return e;
}

static err_t on_row(const struct sheet_row *cells, void *arg)
{
	struct reading *r = arg;
	struct import_table *t = r->table;
	struct import_record rec;
	struct err_detail d = { 0 };
	err_t e;

	if (!t->has_header)
		return take_header(t, cells, r->detail);
	t->n_read++;
	e = add_preview(t, cells);
	if (e)
		return e;
	arena_reset(&t->scratch);
	e = import_record_make(&rec, &t->scratch, &t->columns, cells, t->params.tenant, t->params.realm, &d);
	if (!e)
		return add_row(r, cells->number, &rec);
	if (e != ERR_INVALID)
		return e;
	t->n_bad++;
	return add_error(t, cells->number, &d);
}

/* After all rows are there, and stay where they are. */
static err_t index_rows(struct import_table *t)
{
	err_t e = map_reserve(&t->keys, t->n_rows);

	for (size_t i = 0; !e && i < t->n_rows; i++) {
		struct import_row *row = &t->rows[i], *first = import_table_find(t, row->key);

		if (!first) {
			map_add(&t->keys, &row->node, row->key);
			continue;
		}
		struct err_detail d = { 0 };
		(void)err_set(&d, ERR_INVALID, t->params.kind == IMPORT_AGENTS ? "id" : "number", "row %u has it, too",
			      first->number);
		e = import_table_bad(t, row, &d);
	}
	return e;
}

struct import_row *import_table_find(struct import_table *t, const char *key)
{
	return (struct import_row *)map_find(&t->keys, key);
}

err_t import_table_read(struct import_table *t, const struct import_table_params *p, struct err_detail *detail)
{
	struct reading r = { t, detail };

	memset(t, 0, sizeof(*t));
	t->params = *p;
	arena_init(&t->arena, 65536);
	arena_init(&t->scratch, 0);
	err_t e = sheet_read(p->bytes, p->size, &p->sheet, on_row, &r, detail);
	t->params.bytes = NULL;
	if (!e && !t->n_read)
		e = err_set(detail, ERR_INVALID, "file",
			    "no rows: the first one names the columns, the others follow it");
	return e ? e : index_rows(t);
}

void import_table_done(struct import_table *t)
{
	mem_free(t->rows);
	mem_free(t->refs);
	map_done(&t->keys);
	map_done(&t->texts);
	arena_done(&t->scratch);
	arena_done(&t->arena);
	memset(t, 0, sizeof(*t));
}
