/*
 * clock: the times of the project. Shells read them; cores get them as arguments and never call these.
 *
 * mono: never steps, for durations and deadlines inside one process. wall: UTC, for what others compare with their own clock (tokens, files).
 * steady: UTC as well, for times that become durations: when the wall clock is set, it does not step but follows at two per cent of the
 * time that passes (an hour: two days), so that no duration is negative and nothing times out at once (GT-15).
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <pthread.h>
#include <stdint.h>

int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);
int64_t clock_wall_ms(void);   /* milliseconds since 1970-01-01T00:00:00Z */
int64_t clock_steady_ms(void); /* the same, without steps; any thread */

/* The inside of clock_steady_ms(): never goes back, and never faster or slower than mono by more than a fiftieth. */
struct clock_steady {
	int64_t offset_ms; /* to be added to mono */
	int64_t mono_ms;   /* when it was moved last; 0: never used */
};
int64_t clock_steady_step(struct clock_steady *s, int64_t mono_ms, int64_t wall_ms);

/* A condition whose timed waits are of the monotonic clock. */
void clock_cond_init(pthread_cond_t *cond);

/* "2026-11-23T18:07:05.123Z" of a wall time; buf of at least CLOCK_TEXT bytes; returns buf. */
#define CLOCK_TEXT   32
#define CLOCK_MIN_MS (-62135596800000LL) /* 0001-01-01T00:00:00Z; what is earlier or later is shown as the limit */
#define CLOCK_MAX_MS 253402300799999LL	 /* 9999-12-31T23:59:59.999Z */
const char *clock_text(int64_t wall_ms, char buf[CLOCK_TEXT]);

#endif
