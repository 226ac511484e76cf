#include "import_run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "import_store.h"
#include "pbr.h"
#include "quota.h"

#define LOTS_A_STEP  5
#define ATTEMPTS_MAX 5
#define LEASE	     "interval '60 seconds'"

#define RUNNING	  TRUNKLINE__ADMIN__V1__IMPORT_STATE__IMPORT_STATE_RUNNING
#define SUCCEEDED TRUNKLINE__ADMIN__V1__IMPORT_STATE__IMPORT_STATE_SUCCEEDED
#define FAILED	  TRUNKLINE__ADMIN__V1__IMPORT_STATE__IMPORT_STATE_FAILED

static const struct method apply_method = { .kind = &import_kind, .verb = VERB_CREATE, .action = "imports.apply" };

err_t import_run_new(struct import_run **ret, struct manager *tm, const char *tenant, const char *id)
{
	struct import_run *run = mem_zalloc(sizeof(*run));

	if (!run)
		return ERR_EXHAUSTED;
	run->tm = tm;
	(void)str_copy(run->tenant, sizeof(run->tenant), tenant);
	(void)str_copy(run->id, sizeof(run->id), id);
	arena_init(&run->arena, 0);
	arena_init(&run->job.arena, 0);
	*ret = run;
	return ERR_OK;
}

void import_run_free(struct import_run **ref)
{
	struct import_run *run = *ref;

	if (!run)
		return;
	import_table_done(&run->table);
	arena_done(&run->job.arena);
	arena_done(&run->arena);
	mem_free(run);
	*ref = NULL;
}

static err_t gone(struct import_run *run)
{
	run->gone = true;
	return ERR_CANCELLED;
}

/* For the log; the caller's error. */
static err_t step_over(struct db_tx *tx, struct import_run *run, err_t e)
{
	if (e)
		(void)str_copy(run->db_error, sizeof(run->db_error), db_error(tx));
	return e;
}

/* ---- claim ---- */

static void fill_job(struct import_run *run, const char *peer)
{
	struct job *j = &run->job;

	j->tm = run->tm;
	j->method = &apply_method;
	j->patient = true; /* on the importer's own worker */
	j->rq = (struct request){ .etag = "", .request_id = "", .validate_only = run->header->validate_only };
	(void)str_copy(j->rq.tenant, sizeof(j->rq.tenant), run->tenant);
	(void)str_copy(j->rq.id, sizeof(j->rq.id), run->id);
	(void)str_copy(j->user.subject, sizeof(j->user.subject), run->body->author);
	(void)str_copy(j->peer, sizeof(j->peer), peer);
}

static err_t take_claimed(struct import_run *run, struct db_result *res)
{
	size_t header_size, body_size, size;
	const void *header = db_bytes(res, 0, 0, &header_size), *file = db_bytes(res, 0, 1, &size),
		   *body = db_bytes(res, 0, 2, &body_size);
	struct arena *a = &run->arena;

	run->header = header ? (const void *)pbr_unpack(a, &trunkline__admin__v1__create_import_header__descriptor,
							header, header_size)
			     : NULL;
	run->body = body ? (void *)pbr_unpack(a, &trunkline__admin__v1__import__descriptor, body, body_size) : NULL;
	run->file = file ? arena_dup(a, file, size + (size == 0)) : NULL;
	run->file_size = size;
	if (!run->header || !run->body || !run->file)
		return ERR_EXHAUSTED;
	(void)str_copy(run->realm, sizeof(run->realm), db_text(res, 0, 3));
	fill_job(run, db_text(res, 0, 4));
	run->failed = db_int(res, 0, 5) > ATTEMPTS_MAX;
	if (run->failed)
		(void)err_set(&run->detail, ERR_PRECONDITION, "",
			      "given up after %d attempts; the log of the service says why", ATTEMPTS_MAX);
	return ERR_OK;
}

err_t import_claim(struct db_tx *tx, void *arg)
{
	struct import_run *run = arg;
	const char *params[] = { run->id, service_common(run->tm->service)->instance };
	struct db_result *res = NULL;

	arena_reset(&run->arena);
	err_t e =
	    db_exec(tx, &res,
		    "UPDATE tm.import i SET holder = $2, lease_until = now() + " LEASE ", attempts = attempts + 1 "
		    "FROM tm.tenant t WHERE i.tenant = tm.tenant() AND t.tenant = i.tenant AND i.id = $1::bigint AND "
		    "i.state = 1 "
		    "AND (i.lease_until <= now() OR i.holder = $2) AND t.deleted_at IS NULL "
		    "RETURNING i.header, i.file, i.body, t.sip_domain, i.peer, i.attempts",
		    2, params);
	if (!e)
		e = db_rows(res) ? take_claimed(run, res) : gone(run);
	db_result_free(&res);
	return step_over(tx, run, e);
}

/* ---- read ---- */

err_t import_read(struct db_tx *tx, void *arg)
{
	struct import_run *run = arg;
	const Trunkline__Admin__V1__CreateImportHeader *h = run->header;
	struct import_table_params p = { .sheet = { .charset = h->charset },
					 .bytes = run->file,
					 .size = run->file_size,
					 .tenant = run->tenant,
					 .realm = run->realm,
					 .wanted = import_wanted_from_pb(&run->arena, h),
					 .n_wanted = h->n_columns };
	err_t e = p.wanted ? import_kind_from_pb(h->kind, &p.kind, &run->detail) : ERR_EXHAUSTED;

	(void)tx;
	p.sheet.format = h->format == TRUNKLINE__ADMIN__V1__IMPORT_FORMAT__IMPORT_FORMAT_CSV	? SHEET_CSV
			 : h->format == TRUNKLINE__ADMIN__V1__IMPORT_FORMAT__IMPORT_FORMAT_XLSX ? SHEET_XLSX
												: SHEET_AUTO;
	import_table_done(&run->table);
	run->next = 0;
	return e ? e : import_table_read(&run->table, &p, &run->detail);
}

/* ---- check ---- */

/* The tables grow a hundredfold within the transaction: what is planned while they are small, the checks of references above all, must
 * not read them from end to end. */
static err_t use_indexes(struct db_tx *tx)
{
	return db_queue(tx, "SET LOCAL enable_seqscan = off", 0, NULL);
}

static size_t good_so_far(const struct import_run *run)
{
	size_t n = 0;

	for (size_t i = 0; i < run->next; i++)
		n += !run->table.rows[i].bad;
	return n;
}

/* Who reads it meanwhile sees how far it is; and the lease goes on. */
static err_t write_progress(struct db_tx *tx, struct import_run *run)
{
	char read[DB_NUMBER], good[DB_NUMBER], bad[DB_NUMBER];
	const char *params[] = { run->id, db_number(run->table.n_read, read), db_number(good_so_far(run), good),
				 db_number(run->table.n_bad, bad), NULL };
	struct db_result *res = NULL;
	size_t size = 0;
	err_t e = import_report(run);
	void *bytes = e ? NULL : pbr_pack(&run->arena, &run->body->base, &size);

	if (!bytes)
		return ERR_EXHAUSTED;
	db_bind_bytes(tx, 4, bytes, size);
	e = db_exec(tx, &res,
		    "UPDATE tm.import SET lease_until = now() + " LEASE
		    ", rows_read = $2, rows_good = $3, rows_bad = $4, body = $5 "
		    "WHERE tenant = tm.tenant() AND id = $1::bigint AND state = 1",
		    5, params);
	if (!e && !db_affected(res))
		e = gone(run);
	db_result_free(&res);
	return e;
}

err_t import_check(struct db_tx *tx, void *arg)
{
	struct import_run *run = arg;
	size_t next = run->next;
	err_t e = use_indexes(tx);

	for (int i = 0; !e && i < LOTS_A_STEP && next < run->table.n_rows; i++) {
		e = import_store_check(tx, &run->table, next);
		next = run->table.n_rows - next < IMPORT_LOT ? run->table.n_rows : next + IMPORT_LOT;
	}
	if (!e) {
		run->next = next;
		e = write_progress(tx, run);
	}
	return step_over(tx, run, e);
}

/* ---- apply ---- */

static err_t judge(struct import_run *run)
{
	const struct import_table *t = &run->table;

	if (t->n_bad && !run->header->good_rows_only)
		return err_set(&run->detail, ERR_PRECONDITION, "", "%zu of %zu rows are bad: nothing is written",
			       t->n_bad, t->n_read);
	if (t->n_bad == t->n_read)
		return err_set(&run->detail, ERR_PRECONDITION, "", "none of %zu rows is good", t->n_read);
	return ERR_OK;
}

/* The state, which says that what this transaction wrote is there. */
static err_t write_end(struct db_tx *tx, struct import_run *run, int state, struct arena *a)
{
	char read[DB_NUMBER], good[DB_NUMBER], bad[DB_NUMBER], state_text[DB_NUMBER];
	const struct import_table *t = &run->table;
	const char *params[] = { run->id,
				 db_number((int64_t)state, state_text),
				 db_number(t->n_read, read),
				 db_number(t->n_read - t->n_bad, good),
				 db_number(t->n_bad, bad),
				 NULL };
	struct db_result *res = NULL;
	size_t size = 0;
	err_t e = import_report(run);
	run->body->end_time_ms = clock_wall_ms();
	run->body->rows_applied = (uint32_t)run->applied;
	void *bytes = e ? NULL : pbr_pack(a, &run->body->base, &size);

	if (!bytes)
		return ERR_EXHAUSTED;
	db_bind_bytes(tx, 5, bytes, size);
	e = db_exec(tx, &res,
		    "UPDATE tm.import SET state = $2::smallint, rows_read = $3, rows_good = $4, rows_bad = $5, body = "
		    "$6, file = NULL "
		    "WHERE tenant = tm.tenant() AND id = $1::bigint AND state = 1 RETURNING " IMPORT_COLUMNS,
		    6, params);
	if (!e && !db_rows(res))
		e = gone(run);
	if (!e) {
		run->job.reply = (void *)import_from_row(a, run->tenant, res, 0);
		e = run->job.reply ? ERR_OK : ERR_EXHAUSTED;
	}
	db_result_free(&res);
	return e;
}

/* The same as before, but under the lock of the tenant, so that it still holds when the rows are written. */
static err_t check_again(struct db_tx *tx, struct import_run *run)
{
	err_t e = ERR_OK;

	for (size_t from = 0; !e && from < run->table.n_rows; from += IMPORT_LOT)
		e = import_store_check(tx, &run->table, from);
	return e ? e : judge(run);
}

/* The audit names the file and what became of it; not its rows. */
static ProtobufCMessage *for_audit(struct import_run *run)
{
	Trunkline__Admin__V1__Import *m = (void *)pbr_shallow(&run->job.arena, run->job.reply);

	if (m)
		m->n_errors = m->n_preview = 0;
	return m ? &m->base : NULL;
}

static err_t write_rows(struct change *c, struct import_run *run)
{
	const struct kind *kind = import_resource_kind(run->table.params.kind);
	err_t e = import_store_write(c, &run->table, &run->applied);

	if (!e)
		e = quota_check_added(c, kind, run->applied);
	if (e)
		run->detail = run->job.detail;
	return e;
}

static err_t apply(struct change *c, struct import_run *run)
{
	err_t e = check_again(c->tx, run);

	if (!e)
		e = write_rows(c, run);
	if (!e)
		e = write_end(c->tx, run, SUCCEEDED, &run->job.arena);
	if (e)
		return e;
	const ProtobufCMessage *after = for_audit(run);
	e = after ? change_end(c, NULL, after) : ERR_EXHAUSTED;
	if (e && *run->job.detail.message)
		run->detail = run->job.detail;
	return e;
}

err_t import_apply(struct db_tx *tx, void *arg)
{
	struct import_run *run = arg;
	struct change c;
	err_t e = judge(run);

	if (e)
		return e;
	e = use_indexes(tx);
	if (!e)
		e = change_begin(&c, tx, &run->job, &trunkline__admin__v1__import__descriptor);
	if (!e)
		e = apply(&c, run);
	/* A dry run comes to its end by being undone. */
	return step_over(tx, run, e);
}

/* ---- end ---- */

err_t import_end(struct db_tx *tx, void *arg)
{
	struct import_run *run = arg;

	if (run->failed) {
		err_t e = import_put_failure(&run->arena, run->body, &run->detail);

		if (e)
			return e;
		run->applied = 0;
	}
	return step_over(tx, run, write_end(tx, run, run->failed ? FAILED : SUCCEEDED, &run->arena));
}

err_t import_release(struct db_tx *tx, void *arg)
{
	struct import_run *run = arg;
	const char *params[] = { run->id };

	return db_exec(tx, NULL,
		       "UPDATE tm.import SET holder = '', lease_until = now() + interval '2 seconds' WHERE tenant = "
		       "tm.tenant() AND id = "
		       "$1::bigint AND state = 1",
		       1, params);
}
