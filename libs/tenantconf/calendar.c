#include "tenantconf/calendar.h"

#include <string.h>
#include "tenantconf/tz.h"
#include "tenantconf/tz_rule.h"

#define DAY_S 86400

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static bool is_holiday(const struct calendar *c, int64_t days)
{
	size_t lo = 0, hi = c->n_holidays;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (c->holidays[mid] < days)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < c->n_holidays && c->holidays[lo] == days;
}

bool calendar_is_working(const struct calendar *c, int64_t wall_ms)
{
	if (!c)
		return true;
	int64_t unix_s = floor_div(wall_ms, 1000);
	int64_t local_s = unix_s + tz_offset_s(c->zone, unix_s);
	int64_t days = floor_div(local_s, DAY_S);
	unsigned minute = (unsigned)((local_s - days * DAY_S) / 60);
	unsigned weekday = (unsigned)(((days + 3) % 7 + 7) % 7 + 1); /* 1970-01-01 was a Thursday */

	if (is_holiday(c, days))
		return false;
	for (size_t i = 0; i < c->n_hours; i++) {
		const struct calendar_hours *h = &c->hours[i];

		if (h->weekday == weekday && minute >= h->from_minute && minute < h->to_minute)
			return true;
	}
	return false;
}

bool calendar_parse_date(const char *text, int32_t *ret_days)
{
	static const unsigned char length[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int v[10];

	if (strlen(text) != 10 || text[4] != '-' || text[7] != '-')
		return false;
	for (int i = 0; i < 10; i++) {
		v[i] = text[i] - '0';
		if (i != 4 && i != 7 && (v[i] < 0 || v[i] > 9))
			return false;
	}
	int year = v[0] * 1000 + v[1] * 100 + v[2] * 10 + v[3], month = v[5] * 10 + v[6], day = v[8] * 10 + v[9];
	if (year < 1970 || month < 1 || month > 12 || day < 1 || day > length[month - 1])
		return false;
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	if (month == 2 && day == 29 && !leap)
		return false;
	*ret_days = (int32_t)tz_days_from_date(year, month, day);
	return true;
}
