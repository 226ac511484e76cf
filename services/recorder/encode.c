#include "encode.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "mp3.h"
#include "recording/timeline.h"

#define FULL_PATH (2 * ENCODE_PATH)
#define MIX_BLOCK 1024

struct job {
	struct mp3_writer *stereo, *mono;
};

void encode_path(char buf[ENCODE_PATH], const char *tenant, const char *recording_id, int64_t started_ms)
{
	time_t t = (time_t)(started_ms / 1000);
	struct tm tm;
	char day[16];

	gmtime_r(&t, &tm);
	strftime(day, sizeof(day), "%Y/%m/%d", &tm);
	snprintf(buf, ENCODE_PATH, "%s/%s/%s", tenant, day, recording_id);
}

static err_t sink(const int16_t *left, const int16_t *right, size_t n, void *arg)
{
	struct job *j = arg;
	int16_t mixed[MIX_BLOCK];
	err_t e = mp3_writer_put(j->stereo, left, right, n);

	for (size_t at = 0; at < n && !e; at += MIX_BLOCK) {
		size_t take = n - at < MIX_BLOCK ? n - at : MIX_BLOCK;

		for (size_t i = 0; i < take; i++) {
			int v = left[at + i] + right[at + i];

			mixed[i] = (int16_t)(v > INT16_MAX ? INT16_MAX : v < INT16_MIN ? INT16_MIN : v);
		}
		e = mp3_writer_put(j->mono, mixed, NULL, take);
	}
	return e;
}

static err_t make_dirs(const char *dir, const char *path)
{
	char full[FULL_PATH];

	snprintf(full, sizeof(full), "%s/%s", dir, path);
	for (char *p = full + strlen(dir) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		if (mkdir(full, 0750) && errno != EEXIST)
			return err_from_errno(errno);
		*p = '/';
	}
	return ERR_OK;
}

static struct audiofile file_of(const struct encode_params *p, const char *path, bool mono)
{
	return (struct audiofile){
		.dir = p->dir, .path = path, .tenant = p->tenant, .recording_id = p->recording_id, .mono = mono
	};
}

static err_t run_timeline(struct segment_reader *r, struct job *j, struct encode_result *ret)
{
	struct segment_frame f;
	struct timeline *t;
	err_t e = timeline_new(&t, sink, j);

	if (e)
		return e;
	while (!e && segment_reader_next(r, &f))
		e = timeline_frame(t, &f);
	/* A time that makes no sense is damage: what came before it is kept. */
	if (!e || e == ERR_DATA_LOSS)
		e = timeline_finish(t);
	ret->complete = segment_reader_ended(r);
	ret->samples = timeline_samples(t);
	ret->dropped = timeline_dropped(t);
	timeline_free(&t);
	return e;
}

static err_t open_writer(const struct encode_params *p, const char *path, bool mono, struct mp3_writer **ret)
{
	struct audiofile file = file_of(p, path, mono);
	FILE *f;
	err_t e = audiofile_create(&f, &file, p->key);

	return e ? e : mp3_writer_open(ret, f, mono ? 1 : 2, mono ? p->mono_kbps : p->stereo_kbps);
}

static err_t put_in_place(const struct encode_params *p, const char *path, bool mono)
{
	struct audiofile file = file_of(p, path, mono);

	return audiofile_put_in_place(&file, p->key != NULL);
}

static err_t encode(const struct encode_params *p, struct segment_reader *r, struct encode_result *ret)
{
	struct job j = { 0 };
	err_t e, e2;

	encode_path(ret->path, p->tenant, p->recording_id, ret->info.start_ms);
	e = make_dirs(p->dir, ret->path);
	if (!e)
		e = open_writer(p, ret->path, false, &j.stereo);
	if (!e)
		e = open_writer(p, ret->path, true, &j.mono);
	if (!e)
		e = run_timeline(r, &j, ret);
	if (!e) {
		e = mp3_writer_close(&j.stereo, &ret->stereo_bytes);
		e2 = mp3_writer_close(&j.mono, &ret->mono_bytes);
		e = e ? e : e2;
	}
	mp3_writer_free(&j.stereo);
	mp3_writer_free(&j.mono);
	if (!e)
		e = put_in_place(p, ret->path, true);
	if (!e)
		e = put_in_place(p, ret->path, false);
	return e;
}

/* What is no segment is kept for people to look at, out of the way of the sweep. */
static void set_aside(const char *path)
{
	char bad[FULL_PATH + 8];

	snprintf(bad, sizeof(bad), "%s.bad", path);
	(void)rename(path, bad);
}

err_t encode_segment(const struct encode_params *p, struct encode_result *ret)
{
	char name[SEGMENT_PATH], path[FULL_PATH];
	struct segment_reader *r;
	err_t e = segment_path(name, p->tenant, p->recording_id);
	int lock;

	*ret = (struct encode_result){ .lock = -1 };
	if (e)
		return e;
	snprintf(path, sizeof(path), "%s/%s", p->dir, name);
	/* Against its writer, and against another recorder that has found it, too. */
	e = segment_lock(&lock, path);
	if (e)
		return e;
	e = segment_reader_open(&r, path);
	if (e == ERR_DATA_LOSS)
		set_aside(path);
	if (e)
		goto out;
	ret->info = *segment_reader_info(r);
	e = encode(p, r, ret);
	segment_reader_close(&r);
out:
	if (e)
		close(lock);
	else
		ret->lock = lock;
	return e;
}
