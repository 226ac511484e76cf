#include "recording/segment_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

#define BUFFER 65536

struct segment_reader {
	int fd;
	struct segment_info info;
	uint64_t offset;
	bool ended, broken;
	size_t at, len;
	uint8_t buf[BUFFER];
};

/* n bytes in a row in the buffer, or as many as there are. */
static size_t need(struct segment_reader *r, size_t n)
{
	if (r->len - r->at >= n)
		return n;
	memmove(r->buf, r->buf + r->at, r->len - r->at);
	r->len -= r->at;
	r->at = 0;
	while (r->len < n) {
		ssize_t got = read(r->fd, r->buf + r->len, BUFFER - r->len);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		r->len += (size_t)got;
	}
	return r->len < n ? r->len : n;
}

static void take(struct segment_reader *r, size_t n)
{
	r->at += n;
	r->offset += n;
}

static err_t read_header(struct segment_reader *r)
{
	size_t size;

	if (need(r, SEGMENT_HEAD) < SEGMENT_HEAD)
		return ERR_DATA_LOSS;
	size = segment_header_size(r->buf);
	if (size == 0 || need(r, size) < size || !segment_decode_header(&r->info, r->buf + r->at, size))
		return ERR_DATA_LOSS;
	take(r, size);
	return ERR_OK;
}

err_t segment_reader_open(struct segment_reader **ret, const char *path)
{
	struct segment_reader *r = mem_zalloc(sizeof(*r));
	err_t e;

	if (!r)
		return ERR_EXHAUSTED;
	r->fd = open(path, O_RDONLY | O_CLOEXEC);
	e = r->fd < 0 ? err_from_errno(errno) : read_header(r);
	if (e) {
		segment_reader_close(&r);
		return e;
	}
	*ret = r;
	return ERR_OK;
}

void segment_reader_close(struct segment_reader **r)
{
	if (!*r)
		return;
	if ((*r)->fd >= 0)
		close((*r)->fd);
	mem_free(*r);
	*r = NULL;
}

const struct segment_info *segment_reader_info(const struct segment_reader *r)
{
	return &r->info;
}

bool segment_reader_next(struct segment_reader *r, struct segment_frame *ret)
{
	size_t size;

	if (r->broken || need(r, SEGMENT_FRAME) < SEGMENT_FRAME)
		return false;
	size = SEGMENT_FRAME + segment_payload_size(r->buf + r->at);
	if (size > SEGMENT_FRAME + SEGMENT_PAYLOAD_MAX || need(r, size) < size ||
	    !segment_decode_frame(ret, r->buf + r->at, size)) {
		r->broken = true;
		return false;
	}
	take(r, size);
	r->ended = ret->kind == SEGMENT_END;
	return true;
}

bool segment_reader_ended(const struct segment_reader *r)
{
	return r->ended;
}

uint64_t segment_reader_offset(const struct segment_reader *r)
{
	return r->offset;
}
