#include "tenantconf/tz.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/str.h"
#include "tenantconf/tz_rule.h"

#define FILE_MAX   65536
#define HEADER	   44
#define OFFSET_MAX (26 * 3600)

struct tz {
	size_t n_times;
	int64_t *times;
	uint8_t *types;
	int32_t offsets[256];
	bool has_rule;
	struct tz_rule rule;
};

/* Sizes of one data block (RFC 8536, 3.1). */
struct block {
	uint32_t isut, isstd, leap, time, type, chars;
};

static uint32_t get32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t get64(const unsigned char *p)
{
	return (int64_t)((uint64_t)get32(p) << 32 | get32(p + 4));
}

static bool read_header(struct block *b, const unsigned char *p, size_t size)
{
	if (size < HEADER || memcmp(p, "TZif", 4) != 0 || p[4] < '2')
		return false;
	*b = (struct block){ get32(p + 20), get32(p + 24), get32(p + 28), get32(p + 32), get32(p + 36), get32(p + 40) };
	return b->isut <= FILE_MAX && b->isstd <= FILE_MAX && b->leap <= FILE_MAX && b->time <= FILE_MAX &&
	       b->type >= 1 && b->type <= 256 && b->chars <= FILE_MAX;
}

static size_t block_size(const struct block *b, size_t time_size)
{
	return b->time * time_size + b->time + b->type * (size_t)6 + b->chars + b->leap * (time_size + 4) + b->isstd +
	       b->isut;
}

static bool fill(struct tz *z, const struct block *b, const unsigned char *p)
{
	const unsigned char *types = p + (size_t)b->time * 8, *infos = types + b->time;

	for (uint32_t i = 0; i < b->time; i++) {
		z->times[i] = get64(p + (size_t)i * 8);
		z->types[i] = types[i];
		if (types[i] >= b->type || (i && z->times[i] <= z->times[i - 1]))
			return false;
	}
	for (uint32_t i = 0; i < b->type; i++) {
		z->offsets[i] = (int32_t)get32(infos + (size_t)i * 6);
		if (z->offsets[i] < -OFFSET_MAX || z->offsets[i] > OFFSET_MAX)
			return false;
	}
	return true;
}

static bool read_footer(struct tz *z, const unsigned char *p, size_t size)
{
	const unsigned char *end = size > 1 ? memchr(p + 1, '\n', size - 1) : NULL;

	if (!end || p[0] != '\n')
		return false;
	z->has_rule = end - p > 1;
	return !z->has_rule || tz_rule_parse(&z->rule, (const char *)p + 1, (size_t)(end - p) - 1);
}

err_t tz_parse(struct tz **ret, const void *bytes, size_t size, struct err_detail *detail)
{
	const unsigned char *p = bytes;
	struct tz *z = NULL;
	struct block b;
	err_t e = err_set(detail, ERR_INVALID, "", "not a tz database file of version 2 or later");

	if (size > FILE_MAX || !read_header(&b, p, size))
		return e;
	size_t skip = HEADER + block_size(&b, 4);
	if (skip > size || !read_header(&b, p + skip, size - skip))
		return e;
	p += skip + HEADER;
	size -= skip + HEADER;
	size_t data = block_size(&b, 8);
	if (data > size)
		return e;
	z = mem_zalloc(sizeof(*z));
	if (!z)
		return ERR_EXHAUSTED;
	z->n_times = b.time;
	z->times = mem_array(b.time + (size_t)1, sizeof(*z->times));
	z->types = mem_array(b.time + (size_t)1, 1);
	if (!z->times || !z->types)
		e = ERR_EXHAUSTED;
	else if (fill(z, &b, p) && read_footer(z, p + data, size - data))
		e = ERR_OK;
	if (e)
		tz_free(&z);
	else
		*ret = z;
	return e;
}

void tz_free(struct tz **zone)
{
	if (!*zone)
		return;
	mem_free((*zone)->times);
	mem_free((*zone)->types);
	mem_free(*zone);
	*zone = NULL;
}

int32_t tz_offset_s(const struct tz *z, int64_t unix_s)
{
	size_t lo = 0, hi = z->n_times;

	if (z->has_rule && (!hi || unix_s >= z->times[hi - 1]))
		return tz_rule_offset_s(&z->rule, unix_s);
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (z->times[mid] <= unix_s)
			lo = mid + 1;
		else
			hi = mid;
	}
	return z->offsets[lo ? z->types[lo - 1] : 0];
}

/* ---- the zones of this process ---- */

struct entry {
	struct entry *next;
	struct tz *zone;
	char name[];
};
static struct entry *cache;
static pthread_mutex_t cache_lock = PTHREAD_MUTEX_INITIALIZER;
static const struct tz utc;

/* "Asia/Shanghai": parts of letters, digits, '_', '-', '+'; nothing that leaves the directory. */
static bool name_ok(const char *name)
{
	size_t n = strlen(name);

	if (n > 64 || name[0] == '/' || name[n - 1] == '/' || strstr(name, "//"))
		return false;
	return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+/") == n;
}

static err_t read_file(const char *name, unsigned char *buf, size_t *ret_size, struct err_detail *detail)
{
	const char *dir = getenv("TZDIR");
	char path[512];
	ssize_t n = -1;

	snprintf(path, sizeof(path), "%s/%s", str_empty(dir) ? "/usr/share/zoneinfo" : dir, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, buf, FILE_MAX);
		close(fd);
	}
	if (n < 0)
		return err_set(detail, ERR_INVALID, "", "no such time zone; an IANA name such as Asia/Shanghai");
	*ret_size = (size_t)n;
	return ERR_OK;
}

static err_t load(struct entry **ret, const char *name, struct err_detail *detail)
{
	struct entry *entry = mem_zalloc(sizeof(*entry) + strlen(name) + 1);
	unsigned char *buf = mem_alloc(FILE_MAX);
	size_t size = 0;
	err_t e = entry && buf ? read_file(name, buf, &size, detail) : ERR_EXHAUSTED;

	if (!e)
		e = tz_parse(&entry->zone, buf, size, detail);
	mem_free(buf);
	if (e) {
		mem_free(entry);
		return e;
	}
	strcpy(entry->name, name);
	*ret = entry;
	return ERR_OK;
}

err_t tz_get(const struct tz **ret, const char *name, struct err_detail *detail)
{
	err_t e = ERR_OK;

	if (str_empty(name) || strcmp(name, "UTC") == 0) {
		*ret = &utc;
		return ERR_OK;
	}
	if (!name_ok(name))
		return err_set(detail, ERR_INVALID, "", "no such time zone; an IANA name such as Asia/Shanghai");
	pthread_mutex_lock(&cache_lock);
	struct entry *entry = cache;
	while (entry && strcmp(entry->name, name) != 0)
		entry = entry->next;
	if (!entry) {
		e = load(&entry, name, detail);
		if (!e) {
			entry->next = cache;
			cache = entry;
		}
	}
	if (!e)
		*ret = entry->zone;
	pthread_mutex_unlock(&cache_lock);
	return e;
}
