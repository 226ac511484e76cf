#define _XOPEN_SOURCE 700 /* nftw */
#include "purge.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "log/log.h"
#include "store.h"
#include "usage.h"

#define OPEN_DIRS 16

struct purge {
	struct recorder *r;
	char tenant[RECORDING_ID];
	int64_t upto_ms;
	uint64_t seq;
	purge_done_fn *done;
	void *arg;
	bool stopped;
	/* of the batch, and of the thread while it works */
	char (*paths)[ENCODE_PATH];
	unsigned n_paths;
	err_t error;
	uint64_t recordings, files, bytes;
};

static void next_rows(struct purge *p);

static void finish(struct purge *p, err_t e)
{
	struct log_ctx ctx = { .tenant = p->tenant };
	uint64_t seq = p->seq;

	if (e)
		LOG_WARN(&ctx, "tenant.purge_failed", "error=%s", err_name(e));
	else
		LOG_INFO(&ctx, "tenant.purged", "recordings=%llu files=%llu bytes=%llu",
			 (unsigned long long)p->recordings, (unsigned long long)p->files, (unsigned long long)p->bytes);
	p->seq = 0;
	usage_changed(p->r->usage, p->tenant);
	p->done(e, seq, p->arg);
}

/* ---- files, on a thread ---- */

static void remove_file(struct purge *p, const char *path)
{
	struct stat st;

	if (lstat(path, &st))
		return;
	if (unlink(path)) {
		p->error = err_from_errno(errno);
		return;
	}
	p->files++;
	p->bytes += (uint64_t)st.st_size;
}

static void files_of_batch(void *arg)
{
	char path[2 * ENCODE_PATH];
	struct purge *p = arg;

	for (unsigned i = 0; i < p->n_paths; i++)
		for (size_t k = 0; *p->paths[i] && k < AUDIOFILE_NAMES; k++) {
			snprintf(path, sizeof(path), "%s/%s%s", p->r->cfg->data_dir, p->paths[i],
				 audiofile_suffixes[k]);
			remove_file(p, path);
		}
}

/* nftw has no argument of its own; one walk at a time in a thread. */
static _Thread_local struct purge *walking;

static int on_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)ftw;
	if (type == FTW_DP)
		(void)rmdir(path); /* stays when something is left in it */
	else if ((int64_t)st->st_mtime * 1000 <= walking->upto_ms)
		remove_file(walking, path);
	return 0;
}

/* What has no row: segments, what was damaged, what a process that was killed left. */
static void files_that_are_left(void *arg)
{
	struct purge *p = arg;
	char path[2 * ENCODE_PATH];

	walking = p;
	snprintf(path, sizeof(path), "%s/%s", p->r->cfg->data_dir, p->tenant);
	if (nftw(path, on_file, OPEN_DIRS, FTW_DEPTH | FTW_PHYS) && errno != ENOENT)
		p->error = err_from_errno(errno);
}

static void on_files_of_batch(void *arg)
{
	struct purge *p = arg;

	if (p->error)
		finish(p, p->error);
	else if (!p->stopped)
		next_rows(p);
}

static void on_files_that_are_left(void *arg)
{
	struct purge *p = arg;

	if (!p->stopped)
		finish(p, p->error);
}

/* ---- rows ---- */

static void on_rows(err_t e, const char (*paths)[ENCODE_PATH], unsigned n, void *arg)
{
	struct purge *p = arg;

	if (p->stopped)
		return;
	p->recordings += n;
	p->n_paths = n;
	if (!e && n) {
		memcpy(p->paths, paths, n * sizeof(*paths));
		e = pool_run(p->r->pool, "", files_of_batch, on_files_of_batch, p);
	} else if (!e) {
		e = pool_run(p->r->pool, "", files_that_are_left, on_files_that_are_left, p);
	}
	if (e)
		finish(p, e);
}

static void next_rows(struct purge *p)
{
	err_t e = store_purge(p->r->db, p->tenant, p->upto_ms, on_rows, p);

	if (e)
		finish(p, e);
}

/* ---- one tenant ---- */

err_t purge_start(struct purge *p, const char *tenant, int64_t upto_ms, uint64_t seq, purge_done_fn *done, void *arg)
{
	if (p->seq)
		return ERR_ABORTED;
	(void)str_copy(p->tenant, sizeof(p->tenant), tenant);
	p->upto_ms = upto_ms;
	p->seq = seq;
	p->done = done;
	p->arg = arg;
	p->error = ERR_OK;
	p->recordings = p->files = p->bytes = 0;
	next_rows(p);
	return ERR_OK;
}

uint64_t purge_seq(const struct purge *p)
{
	return p->seq;
}

void purge_stop(struct purge *p)
{
	p->stopped = true;
}

err_t purge_new(struct purge **ret, struct recorder *r)
{
	struct purge *p = mem_zalloc(sizeof(*p));

	if (!p)
		return ERR_EXHAUSTED;
	p->r = r;
	p->paths = mem_array(STORE_PURGE_MAX, sizeof(*p->paths));
	if (!p->paths) {
		purge_free(&p);
		return ERR_EXHAUSTED;
	}
	*ret = p;
	return ERR_OK;
}

void purge_free(struct purge **ref)
{
	struct purge *p = *ref;

	if (!p)
		return;
	mem_free(p->paths);
	mem_free(p);
	*ref = NULL;
}
