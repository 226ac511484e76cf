#include "importer.h"

#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "import_run.h"
#include "log/log.h"
#include "metrics/metrics.h"
#include "publisher.h"

#define LOOK_MS	 5000 /* when nobody says anything: another instance may have died */
#define AGAIN_MS 2000 /* after one that has to be tried again */

static struct metric rows_imported =
    METRIC_COUNTER("trunkline_admin_import_rows_total", "agents and numbers made by imports");

enum step { CLAIM, READ, CHECK, APPLY, END, RELEASE, OVER };
static err_t (*const steps[OVER])(struct db_tx *tx, void *run) = {
	[CLAIM] = import_claim, [READ] = import_read, [CHECK] = import_check,
	[APPLY] = import_apply, [END] = import_end,   [RELEASE] = import_release,
};

struct importer {
	struct manager *tm;
	struct loop_timer timer;
	bool busy, again;
	struct import_run *run; /* NULL: none */
	enum step step;
	char tenant[64]; /* whose turn it is, or was last */
	char id[24];	 /* found; "": none */
};

static void look(void *arg);

/* ---- one import ---- */

/* What is wrong with the import itself comes with a message; everything else passes. */
static enum step after_error(struct import_run *run, err_t e, bool claimed)
{
	if (run->gone || e == ERR_NOT_FOUND)
		return OVER;
	run->failed = *run->detail.message && (e == ERR_INVALID || e == ERR_PRECONDITION || e == ERR_EXHAUSTED);
	return run->failed ? END : claimed ? RELEASE : OVER;
}

static enum step next_step(struct import_run *run, enum step step, err_t e)
{
	switch (step) {
	case CLAIM:
		return e ? after_error(run, e, false) : run->failed ? END : READ;
	case READ:
		return e ? after_error(run, e, true) : CHECK;
	case CHECK:
		return e ? after_error(run, e, true) : run->next < run->table.n_rows ? CHECK : APPLY;
	case APPLY:
		if (e == ERR_CANCELLED && !run->gone && run->header->validate_only)
			return END;
		return e ? after_error(run, e, true) : OVER;
	default:
		return OVER;
	}
}

static void tell(const struct importer *i, err_t e)
{
	const struct import_run *run = i->run;
	struct log_ctx ctx = { .tenant = run->tenant };

	if (e && !run->gone && !run->failed)
		LOG_WARN(&ctx, "import.again", "import=%s step=%d error=%s detail=%s", run->id, (int)i->step,
			 err_name(e), LOG_Q(*run->db_error ? run->db_error : run->detail.message));
	else if (!e || run->failed)
		LOG_INFO(&ctx, "import.ended", "import=%s rows=%zu bad=%zu applied=%zu dry_run=%s error=%s", run->id,
			 run->table.n_read, run->table.n_bad, run->failed ? 0 : run->applied,
			 run->header->validate_only ? "yes" : "no", LOG_Q(run->failed ? run->detail.message : ""));
}

static void over(struct importer *i, err_t e)
{
	bool written = !e && i->step == APPLY;

	tell(i, e);
	if (written) {
		metric_add(&rows_imported, i->run->applied);
		publisher_kick(i->tm->publisher);
	}
	import_run_free(&i->run);
	loop_timer_start(&i->timer, e ? AGAIN_MS : 0);
}

static void on_step(err_t e, void *arg);

static void start_step(struct importer *i, enum step step)
{
	i->step = step;
	err_t e = db_run(i->tm->import_db, i->run->tenant, steps[step], i->run, on_step, i);
	if (e)
		over(i, e);
}

static void on_step(err_t e, void *arg)
{
	struct importer *i = arg;
	enum step next = next_step(i->run, i->step, e);

	if (next == OVER)
		over(i, e);
	else
		start_step(i, next);
}

/* ---- which one ---- */

static err_t find(struct db_tx *tx, void *arg)
{
	struct importer *i = arg;
	const char *params[] = { service_common(i->tm->service)->instance, i->tenant };
	struct db_result *res = NULL;
	err_t e = db_exec(tx, &res, "SELECT tenant, id FROM tm.next_import($1, $2)", 2, params);

	i->id[0] = '\0';
	if (!e && db_rows(res)) {
		(void)str_copy(i->tenant, sizeof(i->tenant), db_text(res, 0, 0));
		(void)str_copy(i->id, sizeof(i->id), db_text(res, 0, 1));
	}
	db_result_free(&res);
	return e;
}

static void on_found(err_t e, void *arg)
{
	struct importer *i = arg;

	i->busy = false;
	if (!e && i->id[0])
		e = import_run_new(&i->run, i->tm, i->tenant, i->id);
	if (i->run)
		start_step(i, CLAIM);
	else
		loop_timer_start(&i->timer, i->again && !e ? 0 : LOOK_MS);
}

static void look(void *arg)
{
	struct importer *i = arg;

	if (i->busy || i->run)
		return;
	i->again = false;
	i->busy = true;
	err_t e = db_run(i->tm->import_db, NULL, find, i, on_found, i);
	if (e)
		on_found(e, i);
}

void importer_kick(struct importer *i)
{
	i->again = true;
	if (!i->busy && !i->run)
		loop_timer_start(&i->timer, 0);
}

err_t importer_new(struct importer **ret, struct manager *tm)
{
	struct importer *i = mem_zalloc(sizeof(*i));

	if (!i)
		return ERR_EXHAUSTED;
	i->tm = tm;
	metrics_register(&rows_imported);
	loop_timer_init(&i->timer, tm->loop, look, i);
	loop_timer_start(&i->timer, 0);
	*ret = i;
	return ERR_OK;
}

void importer_free(struct importer **ref)
{
	struct importer *i = *ref;

	if (!i)
		return;
	loop_timer_done(&i->timer);
	import_run_free(&i->run);
	mem_free(i);
	*ref = NULL;
}
