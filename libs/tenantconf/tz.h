/*
 * tz: local time of a zone of the tz database, without the process-wide TZ of the C library. Thread-safe.
 *
 * A zone is read once from /usr/share/zoneinfo (or $TZDIR; RFC 8536, version 2 or later, with the rule in its footer for
 * the time after the table), checked, and kept for the life of the process: the pointer stays valid. The number of zones
 * is bounded by the files that exist.
 *
 *	const struct tz *zone;
 *	err_t e = tz_get(&zone, "Europe/Berlin", &detail);
 *	int32_t offset_s = tz_offset_s(zone, unix_s);     // local = UTC + offset
 */
#ifndef TENANTCONF_TZ_H
#define TENANTCONF_TZ_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

struct tz;

/* ERR_INVALID: no such zone (detail.field is left to the caller: "time_zone"). "" and "UTC" are UTC without any file. */
err_t tz_get(const struct tz **ret, const char *name, struct err_detail *detail) MUST;
/* Seconds east of UTC at a time of Unix seconds. */
int32_t tz_offset_s(const struct tz *zone, int64_t unix_s);
/* Parses the bytes of a TZif file (for tests and fuzzing); the zone is freed with tz_free. */
err_t tz_parse(struct tz **ret, const void *bytes, size_t size, struct err_detail *detail) MUST;
void tz_free(struct tz **zone);

#endif
