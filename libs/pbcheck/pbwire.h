/*
 * pbwire: reads protobuf wire format field by field, without descriptors and without allocating. Any thread.
 *
 *	struct pbwire w = pbwire_over(bytes, size);
 *	struct pbwire_field f;
 *	while (pbwire_next(&w, &f))
 *		if (f.id == 1 && f.type == PBWIRE_LEN) …      // f.data, f.size
 *	if (w.broken) …                                       // malformed from here on
 */
#ifndef PBCHECK_PBWIRE_H
#define PBCHECK_PBWIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pbwire_type { PBWIRE_VARINT = 0, PBWIRE_I64 = 1, PBWIRE_LEN = 2, PBWIRE_I32 = 5 };

struct pbwire {
	const uint8_t *pos, *end;
	bool broken;
};
struct pbwire_field {
	uint32_t id;
	enum pbwire_type type;
	uint64_t number;     /* VARINT, I64, I32 */
	const uint8_t *data; /* LEN */
	size_t size;
};

struct pbwire pbwire_over(const void *bytes, size_t size);
/* False at the end or when broken; groups (wire types 3 and 4) count as broken, as in proto3. */
bool pbwire_next(struct pbwire *w, struct pbwire_field *f);

#endif
