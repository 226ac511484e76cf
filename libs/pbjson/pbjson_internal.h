/* Inside pbjson: names.c (names and paths), scalar.c (texts of bytes and times), wkt.c (which type is special). */
#ifndef PBJSON_INTERNAL_H
#define PBJSON_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include "pbjson/pbjson.h"

/* Where we are, on the C stack: for errors only. */
struct pbjson_at {
	const struct pbjson_at *up;
	const char *name; /* NULL: an element of an array */
	size_t index;
	int depth;
};
/* err_set() with the path; the beginning of a long one is cut off. */
err_t pbjson_fail(struct err_detail *detail, err_t e, const struct pbjson_at *at, const char *fmt, ...) PRINTF(4, 5);

/* lowerCamelCase of a proto name; cut to size. */
void pbjson_camel(const char *name, char *buf, size_t size);
/* The proto name or its lowerCamelCase. */
bool pbjson_name_is(const char *name, const char *given);
/* protobuf-c shows a map as a repeated message; protoc gives that message a name that nobody else can have. */
bool pbjson_is_map(const ProtobufCMessageDescriptor *of, const ProtobufCFieldDescriptor *f);
const ProtobufCFieldDescriptor *pbjson_field(const ProtobufCMessageDescriptor *desc, const char *name);
size_t pbjson_size_of(ProtobufCType type);

/* What has a JSON form of its own. */
enum pbjson_special {
	PBJSON_PLAIN,
	PBJSON_TIMESTAMP,
	PBJSON_DURATION,
	PBJSON_FIELD_MASK,
	PBJSON_WRAPPER,
	PBJSON_STRUCT,
	PBJSON_VALUE,
	PBJSON_LIST,
	PBJSON_ANY,
};
enum pbjson_special pbjson_special_of(const ProtobufCMessageDescriptor *desc);

#define PBJSON_SCALAR_TEXT 64
void pbjson_base64_append(struct str *out, const uint8_t *data, size_t size);
/* At most (strlen + 3) / 4 * 3 bytes at out. False: not base64. */
bool pbjson_base64_parse(const char *text, uint8_t *out, size_t *size);
/* RFC 3339 with 0, 3, 6 or 9 decimals. False: out of the range of year 1…9999. */
bool pbjson_timestamp_text(int64_t seconds, int32_t nanos, char buf[PBJSON_SCALAR_TEXT]);
bool pbjson_timestamp_parse(const char *text, int64_t *seconds, int32_t *nanos);
/* "-1.500s"; false: out of ±10,000 years, or signs that differ. */
bool pbjson_duration_text(int64_t seconds, int32_t nanos, char buf[PBJSON_SCALAR_TEXT]);
bool pbjson_duration_parse(const char *text, int64_t *seconds, int32_t *nanos);
/* Shortest text that reads back as the same number. */
void pbjson_double_text(double v, bool is_float, char buf[PBJSON_SCALAR_TEXT]);

#endif
