/* Imports as messages. */
#include "import_run.h"

#include <stdlib.h>
#include <string.h>
#include "base/str.h"
#include "pbr.h"

const struct kind import_kind = { .name = "import",
				  .plural = "imports",
				  .title = "Import",
				  .titles = "Imports",
				  .desc = &trunkline__admin__v1__import__descriptor };

err_t import_kind_from_pb(Trunkline__Admin__V1__ImportKind pb, enum import_kind *ret, struct err_detail *detail)
{
	switch (pb) {
	case TRUNKLINE__ADMIN__V1__IMPORT_KIND__IMPORT_KIND_AGENTS:
		*ret = IMPORT_AGENTS;
		return ERR_OK;
	case TRUNKLINE__ADMIN__V1__IMPORT_KIND__IMPORT_KIND_NUMBERS:
		*ret = IMPORT_NUMBERS;
		return ERR_OK;
	default:
		return err_set(detail, ERR_INVALID, "header.kind", "IMPORT_KIND_AGENTS or IMPORT_KIND_NUMBERS");
	}
}

struct import_wanted *import_wanted_from_pb(struct arena *a, const Trunkline__Admin__V1__CreateImportHeader *h)
{
	struct import_wanted *w = arena_alloc(a, (h->n_columns + 1) * sizeof(*w));

	for (size_t i = 0; w && i < h->n_columns; i++)
		w[i] = (struct import_wanted){ h->columns[i]->header, h->columns[i]->field };
	return w;
}

Trunkline__Admin__V1__Import *import_from_row(struct arena *a, const char *tenant, struct db_result *res, int row)
{
	size_t size;
	const void *bytes = db_bytes(res, row, 5, &size);
	Trunkline__Admin__V1__Import *m =
	    bytes ? (void *)pbr_unpack(a, &trunkline__admin__v1__import__descriptor, bytes, size) : NULL;
	char name[NAME_MAX_TEXT];

	if (!m)
		return NULL;
	m->name = arena_strdup(a, name_text(tenant, &import_kind, db_text(res, row, 0), name));
	m->state = (Trunkline__Admin__V1__ImportState)db_int(res, row, 1);
	m->rows_read = (uint32_t)db_int(res, row, 2);
	m->rows_good = (uint32_t)db_int(res, row, 3);
	m->rows_bad = (uint32_t)db_int(res, row, 4);
	return m->name ? m : NULL;
}

/* ---- what was found in the file ---- */

static err_t put_columns(struct arena *a, const struct import_table *t, Trunkline__Admin__V1__Import *m)
{
	size_t n = t->has_header ? t->columns.n : 0;

	m->columns = arena_alloc(a, (n + 1) * sizeof(*m->columns));
	if (!m->columns)
		return ERR_EXHAUSTED;
	for (m->n_columns = 0; m->n_columns < n; m->n_columns++) {
		Trunkline__Admin__V1__ImportColumn *c =
		    (void *)pbr_new(a, &trunkline__admin__v1__import_column__descriptor);
		int field = t->columns.field[m->n_columns];

		if (!c)
			return ERR_EXHAUSTED;
		c->index = (uint32_t)m->n_columns + 1;
		c->header = (char *)t->header[m->n_columns];
		if (field >= 0)
			c->field = (char *)import_fields(t->params.kind)[field].name;
		m->columns[m->n_columns] = c;
	}
	return ERR_OK;
}

static err_t put_preview(struct arena *a, const struct import_table *t, Trunkline__Admin__V1__Import *m)
{
	m->preview = arena_alloc(a, (t->n_preview + 1) * sizeof(*m->preview));
	if (!m->preview)
		return ERR_EXHAUSTED;
	for (m->n_preview = 0; m->n_preview < t->n_preview; m->n_preview++) {
		const struct import_preview *p = &t->preview[m->n_preview];
		Trunkline__Admin__V1__ImportRow *r = (void *)pbr_new(a, &trunkline__admin__v1__import_row__descriptor);

		if (!r)
			return ERR_EXHAUSTED;
		r->row = p->row;
		r->n_cells = p->n;
		r->cells = (char **)p->cells;
		m->preview[m->n_preview] = r;
	}
	return ERR_OK;
}

/* ---- what was wrong: kept in English, with what it takes to say it in another language ---- */

/* NULL: no memory. */
static Trunkline__Admin__V1__ImportError *new_error(struct arena *a, const struct err_detail *d)
{
	Trunkline__Admin__V1__ImportError *m = (void *)pbr_new(a, &trunkline__admin__v1__import_error__descriptor);
	uint32_t *places = arena_alloc(a, 2 * ARRAY_SIZE(d->args) * sizeof(*places));

	if (!m || !places)
		return NULL;
	m->field = arena_strdup(a, d->field);
	m->message = arena_strdup(a, d->message);
	m->text = arena_strdup(a, d->format ? d->format : "");
	m->places = places;
	for (size_t i = 0; d->format && i < ARRAY_SIZE(d->args); i++) {
		places[m->n_places++] = d->args[i].begin;
		places[m->n_places++] = d->args[i].end;
	}
	return m->field && m->message && m->text ? m : NULL;
}

static err_t put_errors(struct arena *a, const struct import_table *t, Trunkline__Admin__V1__Import *m)
{
	m->errors = arena_alloc(a, (t->n_errors + 1) * sizeof(*m->errors));
	if (!m->errors)
		return ERR_EXHAUSTED;
	for (m->n_errors = 0; m->n_errors < t->n_errors; m->n_errors++) {
		const struct import_error *e = &t->errors[m->n_errors];
		Trunkline__Admin__V1__ImportError *r = new_error(a, e->why);

		if (!r)
			return ERR_EXHAUSTED;
		r->row = e->row;
		r->column = (char *)e->column;
		m->errors[m->n_errors] = r;
	}
	return ERR_OK;
}

static char *failure_text(struct arena *a, const Trunkline__Admin__V1__ImportError *f)
{
	return arena_printf(a, "%s%s%s", f->field, *f->field ? ": " : "", f->message);
}

err_t import_put_failure(struct arena *a, Trunkline__Admin__V1__Import *m, const struct err_detail *d)
{
	m->failure = new_error(a, d);
	m->error = m->failure ? failure_text(a, m->failure) : NULL;
	return m->error ? ERR_OK : ERR_EXHAUSTED;
}

/* One of a previous version has no text, and stays English. */
static err_t say(struct arena *a, Trunkline__Admin__V1__ImportError *m, enum text_language l)
{
	struct err_detail d = { .format = *m->text ? m->text : NULL };
	size_t size = str_copy(d.message, sizeof(d.message), m->message) ? strlen(d.message) : 0;
	struct str out = STR_INIT;

	for (size_t i = 0; i + 1 < m->n_places && i / 2 < ARRAY_SIZE(d.args); i += 2) {
		if (m->places[i] > m->places[i + 1] || m->places[i + 1] > size)
			continue;
		d.args[i / 2].begin = (uint8_t)m->places[i];
		d.args[i / 2].end = (uint8_t)m->places[i + 1];
	}
	(void)text_detail(&out, l, &d);
	m->message = out.failed ? NULL : arena_strdup(a, str_text(&out));
	str_done(&out);
	m->text = (char *)protobuf_c_empty_string;
	m->n_places = 0;
	return m->message ? ERR_OK : ERR_EXHAUSTED;
}

err_t import_say(struct arena *a, Trunkline__Admin__V1__Import *m, enum text_language l)
{
	err_t e = m->failure ? say(a, m->failure, l) : ERR_OK;

	if (!e && m->failure && !(m->error = failure_text(a, m->failure)))
		e = ERR_EXHAUSTED;
	m->failure = NULL;
	for (size_t i = 0; !e && i < m->n_errors; i++)
		e = say(a, m->errors[i], l);
	return e;
}

err_t import_report(struct import_run *run)
{
	Trunkline__Admin__V1__Import *m = run->body;
	struct arena *a = &run->arena;

	import_table_sort(&run->table);
	err_t e = put_columns(a, &run->table, m);
	if (!e)
		e = put_preview(a, &run->table, m);
	return e ? e : put_errors(a, &run->table, m);
}
