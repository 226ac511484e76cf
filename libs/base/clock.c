#include "base/clock.h"

#include <stdio.h>
#include <time.h>

int64_t clock_mono_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t clock_mono_ms(void)
{
	return clock_mono_us() / 1000;
}

int64_t clock_wall_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

const char *clock_text(int64_t wall_ms, char buf[CLOCK_TEXT])
{
	struct tm tm;
	char day[16];
	int ms;
	time_t s;

	if (wall_ms < CLOCK_MIN_MS)
		wall_ms = CLOCK_MIN_MS;
	if (wall_ms > CLOCK_MAX_MS)
		wall_ms = CLOCK_MAX_MS;
	ms = (int)(wall_ms % 1000);
	if (ms < 0)
		ms += 1000;
	s = (time_t)((wall_ms - ms) / 1000);
	gmtime_r(&s, &tm);
	/* %Y of an early year has no leading zeros. */
	strftime(day, sizeof(day), "%m-%dT%H:%M:%S", &tm);
	snprintf(buf, CLOCK_TEXT, "%04d-%s.%03dZ", (tm.tm_year + 1900) % 10000, day, ms);
	return buf;
}
