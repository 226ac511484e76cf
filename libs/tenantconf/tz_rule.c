#include "tenantconf/tz_rule.h"

#include <string.h>

#define DAY_S 86400

struct cursor {
	const char *at, *end;
};

static int peek(const struct cursor *c)
{
	return c->at < c->end ? (unsigned char)*c->at : -1;
}

static bool accept(struct cursor *c, char want)
{
	if (peek(c) != want)
		return false;
	c->at++;
	return true;
}

static bool is_digit(int ch)
{
	return ch >= '0' && ch <= '9';
}

static bool is_alpha(int ch)
{
	return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z');
}

static bool number(struct cursor *c, int min, int max, int *ret)
{
	int n = 0, digits = 0;

	for (; is_digit(peek(c)) && digits < 4; digits++)
		n = n * 10 + (*c->at++ - '0');
	*ret = n;
	return digits > 0 && n >= min && n <= max;
}

/* [+-]hh[:mm[:ss]] */
static bool hms(struct cursor *c, int max_hours, int32_t *ret)
{
	bool minus = peek(c) == '-';
	int h, m = 0, s = 0;

	if (peek(c) == '-' || peek(c) == '+')
		c->at++;
	if (!number(c, 0, max_hours, &h))
		return false;
	if (accept(c, ':') && (!number(c, 0, 59, &m) || (accept(c, ':') && !number(c, 0, 59, &s))))
		return false;
	*ret = (minus ? -1 : 1) * (h * 3600 + m * 60 + s);
	return true;
}

/* Three or more letters, or anything in angle brackets. */
static bool name(struct cursor *c)
{
	const char *from = c->at;

	if (accept(c, '<')) {
		while (is_alpha(peek(c)) || is_digit(peek(c)) || peek(c) == '+' || peek(c) == '-')
			c->at++;
		return accept(c, '>');
	}
	while (is_alpha(peek(c)))
		c->at++;
	return c->at - from >= 3;
}

static bool change(struct cursor *c, struct tz_change *ret)
{
	*ret = (struct tz_change){ .kind = TZ_DAY_ZERO, .time_s = 7200 };
	if (!accept(c, ','))
		return false;
	if (accept(c, 'J')) {
		ret->kind = TZ_DAY_JULIAN;
		if (!number(c, 1, 365, &ret->day))
			return false;
	} else if (accept(c, 'M')) {
		ret->kind = TZ_DAY_MONTH;
		if (!number(c, 1, 12, &ret->month) || !accept(c, '.') || !number(c, 1, 5, &ret->week) ||
		    !accept(c, '.') || !number(c, 0, 6, &ret->day))
			return false;
	} else if (!number(c, 0, 365, &ret->day)) {
		return false;
	}
	return !accept(c, '/') || hms(c, 167, &ret->time_s);
}

bool tz_rule_parse(struct tz_rule *r, const char *text, size_t n)
{
	struct cursor c = { text, text + n };
	int32_t west;

	*r = (struct tz_rule){ 0 };
	if (!name(&c) || !hms(&c, 24, &west))
		return false;
	r->std_s = -west;
	if (c.at == c.end)
		return true;
	if (!name(&c))
		return false;
	r->has_dst = true;
	r->dst_s = r->std_s + 3600;
	if (peek(&c) != ',') {
		if (!hms(&c, 24, &west))
			return false;
		r->dst_s = -west;
	}
	return change(&c, &r->start) && change(&c, &r->end) && c.at == c.end;
}

/* Howard Hinnant's days_from_civil, by eras of 400 years that begin on 1 March. */
int64_t tz_days_from_date(int64_t year, int month, int day)
{
	year -= month <= 2;
	int64_t era = (year >= 0 ? year : year - 399) / 400;
	int64_t yoe = year - era * 400;
	int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

int64_t tz_year_of_days(int64_t days)
{
	days += 719468;
	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	int64_t doe = days - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);

	return era * 400 + yoe + (doy >= 306); /* January and February belong to the next year */
}

static bool is_leap(int64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int64_t change_days(const struct tz_change *c, int64_t year)
{
	int64_t jan1 = tz_days_from_date(year, 1, 1);

	if (c->kind == TZ_DAY_ZERO)
		return jan1 + c->day;
	if (c->kind == TZ_DAY_JULIAN)
		return jan1 + c->day - 1 + (is_leap(year) && c->day >= 60);
	int64_t first = tz_days_from_date(year, c->month, 1);
	int64_t next = c->month == 12 ? tz_days_from_date(year + 1, 1, 1) : tz_days_from_date(year, c->month + 1, 1);
	int64_t weekday = ((first + 4) % 7 + 7) % 7; /* 1970-01-01 was a Thursday; 0 = Sunday */
	int64_t days = first + (c->day - weekday + 7) % 7 + (c->week - 1) * 7;
	return days >= next ? days - 7 : days;
}

int32_t tz_rule_offset_s(const struct tz_rule *r, int64_t unix_s)
{
	int64_t local_s = unix_s + r->std_s;
	int64_t days = local_s / DAY_S - (local_s % DAY_S < 0);

	if (!r->has_dst)
		return r->std_s;
	int64_t year = tz_year_of_days(days);
	int64_t start = change_days(&r->start, year) * DAY_S + r->start.time_s - r->std_s;
	int64_t end = change_days(&r->end, year) * DAY_S + r->end.time_s - r->dst_s;
	bool dst = start < end ? unix_s >= start && unix_s < end : unix_s >= start || unix_s < end;
	return dst ? r->dst_s : r->std_s;
}
