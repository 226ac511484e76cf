#include "sweep.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "recording.h"

#define FOUND_MAX 64 /* a turn; the next sweep takes more */
#define SUFFIX	  ".seg"

struct sweep {
	struct sweep_params params;
	char *dir;
	bool running;
	unsigned n;
	struct {
		char tenant[RECORDING_ID], id[RECORDING_ID];
	} found[FOUND_MAX];
};

err_t sweep_new(struct sweep **ret, const struct sweep_params *p)
{
	struct sweep *s = mem_zalloc(sizeof(*s));

	if (!s)
		return ERR_EXHAUSTED;
	s->params = *p;
	s->dir = mem_strdup(p->dir);
	if (!s->dir) {
		mem_free(s);
		return ERR_EXHAUSTED;
	}
	*ret = s;
	return ERR_OK;
}

void sweep_free(struct sweep **s)
{
	if (!*s)
		return;
	mem_free((*s)->dir);
	mem_free(*s);
	*s = NULL;
}

static void look_at(struct sweep *s, const char *tenant, const char *name)
{
	size_t n = strlen(name), suffix = strlen(SUFFIX);
	char path[2 * ENCODE_PATH];
	struct stat st;

	if (n <= suffix || n - suffix >= RECORDING_ID || !str_eq(name + n - suffix, SUFFIX) || s->n == FOUND_MAX)
		return;
	snprintf(path, sizeof(path), "%s/%s/%s", s->dir, tenant, name);
	if (stat(path, &st) || !S_ISREG(st.st_mode) ||
	    clock_wall_ms() - (int64_t)st.st_mtime * 1000 < s->params.older_ms || segment_is_written(path))
		return;
	snprintf(s->found[s->n].id, RECORDING_ID, "%.*s", (int)(n - suffix), name);
	snprintf(s->found[s->n].tenant, RECORDING_ID, "%s", tenant);
	s->n++;
}

static void walk_tenant(struct sweep *s, const char *tenant)
{
	char path[2 * ENCODE_PATH];
	struct dirent *de;
	DIR *d;

	snprintf(path, sizeof(path), "%s/%s", s->dir, tenant);
	d = opendir(path);
	if (!d)
		return;
	while ((de = readdir(d)))
		look_at(s, tenant, de->d_name);
	closedir(d);
}

static void work(void *arg)
{
	struct sweep *s = arg;
	struct dirent *de;
	DIR *d = opendir(s->dir);

	s->n = 0;
	if (!d)
		return;
	while ((de = readdir(d)))
		if (str_is_id(de->d_name))
			walk_tenant(s, de->d_name);
	closedir(d);
}

static void done(void *arg)
{
	struct sweep *s = arg;

	s->running = false;
	for (unsigned i = 0; i < s->n; i++)
		s->params.fn(s->found[i].tenant, s->found[i].id, s->params.arg);
}

void sweep_run(struct sweep *s)
{
	if (!s->running && pool_run(s->params.pool, "", work, done, s) == ERR_OK)
		s->running = true;
}
