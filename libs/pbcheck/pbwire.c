#include "pbcheck/pbwire.h"

#include <string.h>

struct pbwire pbwire_over(const void *bytes, size_t size)
{
	const uint8_t *p = bytes;

	return (struct pbwire){ p, size ? p + size : p, false };
}

static bool broken(struct pbwire *w)
{
	w->broken = true;
	return false;
}

static bool varint(struct pbwire *w, uint64_t *ret)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 70; shift += 7) {
		uint8_t b;

		if (w->pos == w->end)
			return false;
		b = *w->pos++;
		if (shift < 64)
			v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80)) {
			*ret = v;
			return true;
		}
	}
	return false;
}

static bool fixed(struct pbwire *w, size_t size, uint64_t *ret)
{
	if ((size_t)(w->end - w->pos) < size)
		return false;
	*ret = 0;
	for (size_t i = 0; i < size; i++)
		*ret |= (uint64_t)w->pos[i] << (8 * i);
	w->pos += size;
	return true;
}

static bool delimited(struct pbwire *w, struct pbwire_field *f)
{
	uint64_t size;

	if (!varint(w, &size) || size > (uint64_t)(w->end - w->pos))
		return false;
	f->data = w->pos;
	f->size = (size_t)size;
	w->pos += size;
	return true;
}

static bool value(struct pbwire *w, struct pbwire_field *f)
{
	switch (f->type) {
	case PBWIRE_VARINT:
		return varint(w, &f->number);
	case PBWIRE_I64:
		return fixed(w, 8, &f->number);
	case PBWIRE_LEN:
		return delimited(w, f);
	case PBWIRE_I32:
		return fixed(w, 4, &f->number);
	}
	return false;
}

bool pbwire_next(struct pbwire *w, struct pbwire_field *f)
{
	uint64_t tag;

	if (w->broken || w->pos == w->end)
		return false;
	memset(f, 0, sizeof(*f));
	if (!varint(w, &tag) || tag >> 3 == 0 || tag >> 3 > 0x1fffffff)
		return broken(w);
	f->id = (uint32_t)(tag >> 3);
	f->type = (enum pbwire_type)(tag & 7);
	return value(w, f) || broken(w);
}
