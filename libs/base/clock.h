/*
 * clock: the two times of the project. Shells read them; cores get them as arguments and never call these.
 *
 * mono: never steps, for durations and deadlines inside one process. wall: UTC, for facts that others read.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);
int64_t clock_wall_ms(void); /* milliseconds since 1970-01-01T00:00:00Z */

/* "2026-11-23T18:07:05.123Z" of a wall time; buf of at least CLOCK_TEXT bytes; returns buf. */
#define CLOCK_TEXT   32
#define CLOCK_MIN_MS (-62135596800000LL) /* 0001-01-01T00:00:00Z; what is earlier or later is shown as the limit */
#define CLOCK_MAX_MS 253402300799999LL	 /* 9999-12-31T23:59:59.999Z */
const char *clock_text(int64_t wall_ms, char buf[CLOCK_TEXT]);

#endif
