#include "recording/segment_internal.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "recording/crc32c.h"

static void put16(uint8_t *p, uint16_t v)
{
	v = htole16(v);
	memcpy(p, &v, 2);
}

static void put32(uint8_t *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, 4);
}

static void put64(uint8_t *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, 8);
}

static uint16_t get16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, 2);
	return le16toh(v);
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return le32toh(v);
}

static uint64_t get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return le64toh(v);
}

static bool name_ok(const char *s)
{
	size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");

	return n > 0 && n < SEGMENT_NAME && s[n] == '\0';
}

err_t segment_path(char buf[SEGMENT_PATH], const char *tenant, const char *recording_id)
{
	if (!name_ok(tenant) || !name_ok(recording_id))
		return ERR_INVALID;
	snprintf(buf, SEGMENT_PATH, "%s/%s.seg", tenant, recording_id);
	return ERR_OK;
}

static uint8_t *put_text(uint8_t *p, const char *s)
{
	size_t n = strnlen(s, SEGMENT_NAME - 1);

	*p = (uint8_t)n;
	memcpy(p + 1, s, n);
	return p + 1 + n;
}

static const uint8_t *get_text(const uint8_t *p, const uint8_t *end, char ret[SEGMENT_NAME])
{
	if (!p || p >= end || *p >= SEGMENT_NAME || end - p - 1 < *p)
		return NULL;
	memcpy(ret, p + 1, *p);
	ret[*p] = '\0';
	return p + 1 + *p;
}

size_t segment_encode_header(uint8_t buf[SEGMENT_HEADER_MAX], const struct segment_info *info)
{
	uint8_t *p = buf + SEGMENT_HEAD;

	put64(p, (uint64_t)info->start_ms);
	p = put_text(p + 8, info->tenant);
	p = put_text(p, info->call_id);
	p = put_text(p, info->leg_id);
	p = put_text(p, info->recording_id);
	memcpy(buf, SEGMENT_MAGIC, 8);
	put16(buf + 12, (uint16_t)(p - buf - SEGMENT_HEAD));
	put32(buf + 8, crc32c(0, buf + 12, (size_t)(p - buf - 12)));
	return (size_t)(p - buf);
}

size_t segment_header_size(const uint8_t *bytes)
{
	size_t n = get16(bytes + 12);

	if (memcmp(bytes, SEGMENT_MAGIC, 8) != 0 || n < 12 || n > SEGMENT_HEADER_MAX - SEGMENT_HEAD)
		return 0;
	return SEGMENT_HEAD + n;
}

bool segment_decode_header(struct segment_info *ret, const uint8_t *bytes, size_t size)
{
	const uint8_t *p = bytes + SEGMENT_HEAD, *end = bytes + size;

	if (get32(bytes + 8) != crc32c(0, bytes + 12, size - 12))
		return false;
	ret->start_ms = (int64_t)get64(p);
	p = get_text(p + 8, end, ret->tenant);
	p = get_text(p, end, ret->call_id);
	p = get_text(p, end, ret->leg_id);
	return get_text(p, end, ret->recording_id) != NULL;
}

size_t segment_encode_frame(uint8_t *buf, const struct segment_frame *f)
{
	put16(buf + 4, f->size);
	buf[6] = (uint8_t)f->kind;
	buf[7] = (uint8_t)f->codec;
	put64(buf + 8, f->arrival_us);
	put32(buf + 16, f->ts);
	put16(buf + 20, f->seq);
	put16(buf + 22, 0);
	if (f->size)
		memcpy(buf + SEGMENT_FRAME, f->payload, f->size);
	put32(buf, crc32c(0, buf + 4, SEGMENT_FRAME - 4 + (size_t)f->size));
	return SEGMENT_FRAME + (size_t)f->size;
}

size_t segment_payload_size(const uint8_t *bytes)
{
	return get16(bytes + 4);
}

bool segment_decode_frame(struct segment_frame *ret, const uint8_t *bytes, size_t size)
{
	if (get32(bytes) != crc32c(0, bytes + 4, size - 4) || bytes[6] > SEGMENT_RESUMED || bytes[7] > SEGMENT_PCMU)
		return false;
	*ret = (struct segment_frame){
		.kind = (enum segment_kind)bytes[6],
		.codec = (enum segment_codec)bytes[7],
		.arrival_us = get64(bytes + 8),
		.ts = get32(bytes + 16),
		.seq = get16(bytes + 20),
		.payload = bytes + SEGMENT_FRAME,
		.size = (uint16_t)(size - SEGMENT_FRAME),
	};
	return true;
}

bool segment_is_written(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool locked;

	if (fd < 0)
		return false;
	locked = flock(fd, LOCK_SH | LOCK_NB) != 0;
	close(fd);
	return locked;
}

err_t segment_lock(int *fd, const char *path)
{
	int f = open(path, O_RDONLY | O_CLOEXEC);
	err_t e;

	if (f < 0)
		return err_from_errno(errno);
	if (flock(f, LOCK_EX | LOCK_NB) == 0) {
		*fd = f;
		return ERR_OK;
	}
	e = errno == EWOULDBLOCK ? ERR_EXISTS : err_from_errno(errno);
	close(f);
	return e;
}
