#include "events/events_batch.h"

#include <stdint.h>
#include <string.h>

#define TAG_EVENTS 0x0a /* field 1, length-delimited */

bool events_is_batch(const char *subject)
{
	const char *last = strrchr(subject, '.');

	return last && strcmp(last + 1, EVENTS_BATCH_KEY) == 0;
}

void events_batch_add(struct str *batch, const void *event, size_t size)
{
	unsigned char head[11] = { TAG_EVENTS };
	size_t n = 1, left = size;

	do
		head[n++] = (unsigned char)((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
	while (left >>= 7);
	str_append_n(batch, head, n);
	str_append_n(batch, event, size);
}

static bool varint(const unsigned char *p, size_t size, size_t *at, uint64_t *ret)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 35 && *at < size; shift += 7) {
		unsigned char c = p[(*at)++];

		v |= (uint64_t)(c & 0x7f) << shift;
		if (!(c & 0x80)) {
			*ret = v;
			return true;
		}
	}
	return false;
}

bool events_batch_next(struct events_slice *ret, const void *batch, size_t size, size_t *at, bool *bad)
{
	const unsigned char *p = batch;
	uint64_t n;

	*bad = false;
	if (*at == size)
		return false;
	*bad = true;
	if (p[(*at)++] != TAG_EVENTS || !varint(p, size, at, &n) || n > size - *at)
		return false;
	*ret = (struct events_slice){ p + *at, (size_t)n };
	*at += (size_t)n;
	*bad = false;
	return true;
}

err_t events_batch_count(const void *batch, size_t size, size_t *ret)
{
	struct events_slice s;
	size_t at = 0, n = 0;
	bool bad;

	while (n <= EVENTS_BATCH_MAX && events_batch_next(&s, batch, size, &at, &bad))
		n++;
	if (bad || n == 0 || n > EVENTS_BATCH_MAX)
		return ERR_INVALID;
	*ret = n;
	return ERR_OK;
}
