/*
 * calendar: is it working time? (OP-1) Pure: the decision depends on its arguments only.
 *
 * A calendar is part of a tenant's snapshot (tenant.h) and lives as long as that. Local time comes from the tz database
 * (tz.h), so that daylight saving is right: "09:00" means 09:00 on the wall on each day.
 *
 *	if (calendar_is_working(number->calendar, wall_ms)) …    // NULL calendar: always working
 */
#ifndef TENANTCONF_CALENDAR_H
#define TENANTCONF_CALENDAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tz;

struct calendar_hours {
	unsigned weekday;     /* 1 = Monday … 7 = Sunday */
	unsigned from_minute; /* of the day, inclusive */
	unsigned to_minute;   /* exclusive, up to 1440 */
};
struct calendar {
	const char *id;
	const char *display_name;
	const struct tz *zone;
	size_t n_hours;
	const struct calendar_hours *hours;
	size_t n_holidays;
	const int32_t *holidays; /* days since 1970-01-01, ascending */
};

/* wall_ms: UTC. A holiday (local date) is never working time. NULL: true. */
bool calendar_is_working(const struct calendar *c, int64_t wall_ms);
/* "2026-12-25" as days since 1970-01-01; false if it is no date of the Gregorian calendar (years 1970 … 9999). */
bool calendar_parse_date(const char *text, int32_t *ret_days);

#endif
