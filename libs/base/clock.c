#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define SECOND_TEXT 19 /* YYYY-MM-DDThh:mm:ss */

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

/* "YYYY-MM-DDThh:mm:ss" of a second; most texts asked for one after the other are of the same one. */
static const char *second_text(time_t s)
{
	static _Thread_local char text[32];
	static _Thread_local time_t of = -1;
	struct tm tm;
	char day[16];

	if (text[0] && s == of)
		return text;
	gmtime_r(&s, &tm);
	/* %Y of an early year has no leading zeros. */
	strftime(day, sizeof(day), "%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof(text), "%04d-%s", (tm.tm_year + 1900) % 10000, day);
	of = s;
	return text;
}

const char *clock_text(int64_t wall_ms, char buf[CLOCK_TEXT])
{
	char *at = buf + SECOND_TEXT;
	int ms;

	if (wall_ms < CLOCK_MIN_MS)
		wall_ms = CLOCK_MIN_MS;
	if (wall_ms > CLOCK_MAX_MS)
		wall_ms = CLOCK_MAX_MS;
	ms = (int)(wall_ms % 1000);
	if (ms < 0)
		ms += 1000;
	memcpy(buf, second_text((time_t)((wall_ms - ms) / 1000)), SECOND_TEXT);
	*at++ = '.';
	*at++ = (char)('0' + ms / 100);
	*at++ = (char)('0' + ms / 10 % 10);
	*at++ = (char)('0' + ms % 10);
	*at++ = 'Z';
	*at = '\0';
	return buf;
}
