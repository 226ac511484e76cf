#include "recording/segment_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

#define BUFFER 16384

struct segment_writer {
	int fd;
	int64_t zero_us; /* monotonic time of the start of the file */
	uint64_t size_bytes;
	err_t failed;
	size_t len;
	uint8_t buf[BUFFER];
};

static err_t write_all(int fd, const uint8_t *p, size_t n)
{
	while (n) {
		ssize_t put = write(fd, p, n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return err_from_errno(errno);
		p += put;
		n -= (size_t)put;
	}
	return ERR_OK;
}

err_t segment_writer_flush(struct segment_writer *w)
{
	if (!w->failed && w->len) {
		w->failed = write_all(w->fd, w->buf, w->len);
		if (!w->failed)
			w->size_bytes += w->len;
	}
	w->len = 0;
	return w->failed;
}

err_t segment_writer_frame(struct segment_writer *w, const struct segment_frame *f, int64_t mono_us)
{
	struct segment_frame timed = *f;

	if (f->size > SEGMENT_PAYLOAD_MAX)
		return ERR_INVALID;
	if (w->len + SEGMENT_FRAME + f->size > BUFFER && segment_writer_flush(w))
		return w->failed;
	timed.arrival_us = mono_us > w->zero_us ? (uint64_t)(mono_us - w->zero_us) : 0;
	w->len += segment_encode_frame(w->buf + w->len, &timed);
	return w->failed;
}

static err_t start_new(struct segment_writer *w, const struct segment_info *info)
{
	w->len = segment_encode_header(w->buf, info);
	return segment_writer_flush(w);
}

/* Goes on where a dead writer stopped: behind its last good frame, at the time that has passed since its start. */
static err_t resume(struct segment_writer *w, const char *path, const struct segment_info *info, int64_t mono_us)
{
	struct segment_frame f = { .kind = SEGMENT_RESUMED };
	struct segment_reader *r;
	int64_t gone_ms;
	err_t e;

	e = segment_reader_open(&r, path);
	if (e)
		return e == ERR_DATA_LOSS && ftruncate(w->fd, 0) == 0 ? start_new(w, info) : e;
	if (!str_eq(segment_reader_info(r)->recording_id, info->recording_id) ||
	    !str_eq(segment_reader_info(r)->tenant, info->tenant)) {
		segment_reader_close(&r);
		return ERR_EXISTS;
	}
	for (struct segment_frame skip; segment_reader_next(r, &skip);)
		;
	gone_ms = info->start_ms - segment_reader_info(r)->start_ms;
	w->size_bytes = segment_reader_offset(r);
	segment_reader_close(&r);
	if (ftruncate(w->fd, (off_t)w->size_bytes))
		return err_from_errno(errno);
	w->zero_us = mono_us - (gone_ms > 0 ? gone_ms * 1000 : 0);
	return segment_writer_frame(w, &f, mono_us);
}

static err_t make_dirs(char *path)
{
	for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(path, 0750) && errno != EEXIST) {
			*p = '/';
			return err_from_errno(errno);
		}
		*p = '/';
	}
	return ERR_OK;
}

static err_t open_file(struct segment_writer *w, char *path, const struct segment_info *info, int64_t mono_us)
{
	struct stat st;
	err_t e = make_dirs(path);

	if (e)
		return e;
	w->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (w->fd < 0)
		return err_from_errno(errno);
	if (flock(w->fd, LOCK_EX | LOCK_NB))
		return errno == EWOULDBLOCK ? ERR_EXISTS : err_from_errno(errno);
	if (fstat(w->fd, &st))
		return err_from_errno(errno);
	return st.st_size ? resume(w, path, info, mono_us) : start_new(w, info);
}

err_t segment_writer_open(struct segment_writer **ret, const char *dir, const struct segment_info *info,
			  int64_t mono_us)
{
	char name[SEGMENT_PATH], path[2 * SEGMENT_PATH];
	struct segment_writer *w;
	err_t e = segment_path(name, info->tenant, info->recording_id);

	if (e)
		return e;
	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return ERR_INVALID;
	w = mem_zalloc(sizeof(*w));
	if (!w)
		return ERR_EXHAUSTED;
	w->zero_us = mono_us;
	e = open_file(w, path, info, mono_us);
	if (e) {
		segment_writer_free(&w);
		return e;
	}
	*ret = w;
	return ERR_OK;
}

err_t segment_writer_close(struct segment_writer **w, int64_t mono_us, struct segment_done *done)
{
	struct segment_frame f = { .kind = SEGMENT_END };
	err_t e = segment_writer_frame(*w, &f, mono_us);

	if (!e)
		e = segment_writer_flush(*w);
	if (done)
		*done = (struct segment_done){
			.duration_ms = mono_us > (*w)->zero_us ? (mono_us - (*w)->zero_us) / 1000 : 0,
			.size_bytes = (*w)->size_bytes,
		};
	segment_writer_free(w);
	return e;
}

void segment_writer_free(struct segment_writer **w)
{
	if (!*w)
		return;
	if ((*w)->fd > 0)
		close((*w)->fd);
	mem_free(*w);
	*w = NULL;
}
