/* What becomes of the rows of the outbox once they were published. On a database worker. */
#include <stdio.h>
#include <string.h>
#include "base/str.h"
#include "publisher_internal.h"

bool task_own_fault(err_t e)
{
	return e != ERR_UNAVAILABLE && e != ERR_TIMEOUT && e != ERR_ABORTED && e != ERR_CANCELLED;
}

static err_t mark_told(struct db_tx *tx, const struct task *t)
{
	return db_queue(tx,
			"UPDATE tm.deletion SET told_at = now() WHERE tenant = tm.tenant() AND deleted_at = "
			"to_timestamp($1::bigint / 1000.0)",
			1, &t->key);
}

static err_t mark_published(struct db_tx *tx, const struct task *t)
{
	char version[DB_NUMBER];
	const char *params[] = { db_number((int64_t)t->version, version) };

	return db_queue(tx,
			"UPDATE tm.tenant SET published_version = greatest(published_version, $1) WHERE tenant = "
			"tm.tenant()",
			1, params);
}

/* Unless they have changed since they were taken. What somebody else holds he deletes, or changes, himself: nobody waits here. */
static err_t remove_rows(struct db_tx *tx, const struct lot *l)
{
	struct str items = STR_INIT, versions = STR_INIT;
	char version[DB_NUMBER];

	for (size_t i = 0; i < l->n; i++) {
		const struct task *t = &l->tasks[i];

		if (t->error || t->postponed)
			continue;
		db_array_add(&items, t->item);
		db_array_add(&versions, db_number((int64_t)t->row_version, version));
	}
	const char *params[] = { db_array_text(&items), db_array_text(&versions) };
	err_t e = items.failed || versions.failed
		      ? ERR_EXHAUSTED
		      : db_queue(tx,
				 "DELETE FROM tm.outbox WHERE ctid = ANY (ARRAY (SELECT o.ctid FROM "
				 "unnest($1::text[], $2::bigint[]) AS d (item, version), LATERAL (SELECT ctid FROM "
				 "tm.outbox WHERE tenant = tm.tenant() AND item = d.item AND version = d.version "
				 "FOR UPDATE SKIP LOCKED) AS o))",
				 2, params);
	str_done(&items);
	str_done(&versions);
	return e;
}

/* What failed by itself must not stand in the way of the others. */
static err_t postpone_rows(struct db_tx *tx, const struct lot *l)
{
	struct str items = STR_INIT;

	for (size_t i = 0; i < l->n; i++) {
		if (l->tasks[i].error && task_own_fault(l->tasks[i].error))
			db_array_add(&items, l->tasks[i].item);
	}
	const char *array = items.len ? db_array_text(&items) : NULL;
	err_t e = items.failed ? ERR_EXHAUSTED : ERR_OK;
	if (!e && array)
		e = db_queue(tx,
			     "UPDATE tm.outbox SET retry_at = now() + interval '30 seconds' WHERE tenant = tm.tenant() "
			     "AND item = ANY ($1::text[])",
			     1, &array);
	str_done(&items);
	return e;
}

/* Deleted by somebody while it was on its way, whose word KV had before ours: then it is there now, and must go. */
static err_t look_again(struct db_tx *tx, const struct lot *l)
{
	struct str items = STR_INIT, versions = STR_INIT;
	char version[DB_NUMBER];

	for (size_t i = 0; i < l->n; i++) {
		const struct task *t = &l->tasks[i];

		if (t->kind != ITEM_AGENT || !t->bytes)
			continue;
		db_array_add(&items, t->key);
		db_array_add(&versions, db_number((int64_t)t->version, version));
	}
	if (!items.len && !items.failed)
		return ERR_OK;
	const char *params[] = { db_array_text(&items), db_array_text(&versions) };
	err_t e =
	    items.failed || versions.failed
		? ERR_EXHAUSTED
		: db_queue(
		      tx,
		      "INSERT INTO tm.outbox (tenant, item, stage, version) SELECT tm.tenant(), 'agent.' || d.id, 2, "
		      "d.version FROM unnest($1::text[], $2::bigint[]) AS d (id, version) WHERE NOT EXISTS (SELECT "
		      "FROM "
		      "tm.resource WHERE tenant = tm.tenant() AND kind = 'agent' AND id = d.id) ON CONFLICT DO NOTHING",
		      2, params);

	str_done(&items);
	str_done(&versions);
	return e;
}

err_t lot_clear(struct db_tx *tx, void *arg)
{
	const struct lot *l = arg;
	const struct task *t = &l->tasks[0];
	err_t e = ERR_OK;

	/* The tenant's row first, as every change does: the other way round the two wait for each other. */
	if (!t->error && !t->postponed && t->kind == ITEM_MAIN)
		e = mark_published(tx, t);
	else if (!t->error && t->kind == ITEM_PURGED)
		e = mark_told(tx, t);
	if (!e)
		e = remove_rows(tx, l);
	if (!e)
		e = look_again(tx, l);
	return e ? e : postpone_rows(tx, l);
}
