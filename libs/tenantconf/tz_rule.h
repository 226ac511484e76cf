/*
 * tz_rule: the rule in the footer of a TZif file, a TZ string as of POSIX 1003.1 section 8.3 with the extension of
 * RFC 8536 3.3.1 (times from -167 to 167 hours): "CET-1CEST,M3.5.0,M10.5.0/3". Pure.
 */
#ifndef TENANTCONF_TZ_RULE_H
#define TENANTCONF_TZ_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tz_day_kind { TZ_DAY_JULIAN, TZ_DAY_ZERO, TZ_DAY_MONTH }; /* Jn (no 29 February), n, Mm.w.d */
struct tz_change {
	enum tz_day_kind kind;
	int day, week, month;
	int32_t time_s; /* after midnight, local time before the change */
};
struct tz_rule {
	int32_t std_s, dst_s; /* seconds east of UTC */
	bool has_dst;
	struct tz_change start, end; /* of daylight saving */
};

/* Whole text of n bytes; false if it is no such rule. */
bool tz_rule_parse(struct tz_rule *r, const char *text, size_t n);
int32_t tz_rule_offset_s(const struct tz_rule *r, int64_t unix_s);

/* Proleptic Gregorian calendar; days since 1970-01-01. */
int64_t tz_days_from_date(int64_t year, int month, int day);
int64_t tz_year_of_days(int64_t days);

#endif
