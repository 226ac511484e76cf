/*
 * id: 128-bit identifiers, ordered by time (UUID version 7, RFC 9562), written as 32 lower-case hex digits without
 * dashes, so that they stand in NATS subjects, KV keys and file names as they are. Thread-safe.
 */
#ifndef BASE_ID_H
#define BASE_ID_H

#include <stdbool.h>
#include <stdint.h>

#define ID_TEXT 33

/* A new id for the given wall time, random beyond the millisecond; returns buf. */
const char *id_new(int64_t wall_ms, char buf[ID_TEXT]);
bool id_valid(const char *s);
/* Milliseconds since 1970 in a valid id. */
int64_t id_wall_ms(const char *s);

#endif
