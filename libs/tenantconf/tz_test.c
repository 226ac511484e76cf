#include "tenantconf/tz.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>
#include "testkit/testkit.h"
#include "tenantconf/calendar.h"
#include "tenantconf/tz_rule.h"

static int64_t utc(int year, int month, int day, int hour, int minute)
{
	return (tz_days_from_date(year, month, day) * 24 + hour) * 3600 + minute * 60;
}

static const struct tz *zone(const char *name)
{
	const struct tz *z = NULL;
	struct err_detail d = { 0 };

	if (tz_get(&z, name, &d))
		fail_msg("%s: %s", name, d.message);
	return z;
}

static void offsets_are_those_of_the_tz_database_around_every_change(void **state)
{
	static const struct {
		const char *zone;
		int year, month, day, hour, minute;
		int32_t minutes;
	} rows[] = {
		{ "UTC", 2026, 1, 1, 0, 0, 0 },
		{ "Asia/Shanghai", 2026, 7, 1, 0, 0, 480 },
		{ "Asia/Shanghai", 1988, 7, 1, 0, 0, 540 }, /* there was summer time */
		{ "Asia/Kolkata", 2026, 7, 1, 0, 0, 330 },
		{ "Europe/Berlin", 2026, 3, 29, 0, 59, 60 },
		{ "Europe/Berlin", 2026, 3, 29, 1, 0, 120 },
		{ "Europe/Berlin", 2026, 10, 25, 0, 59, 120 },
		{ "Europe/Berlin", 2026, 10, 25, 1, 0, 60 },
		{ "America/New_York", 2026, 3, 8, 6, 59, -300 },
		{ "America/New_York", 2026, 3, 8, 7, 0, -240 },
		{ "Australia/Lord_Howe", 2026, 1, 1, 0, 0, 660 }, /* half an hour of summer time */
		{ "Australia/Lord_Howe", 2026, 7, 1, 0, 0, 630 },
		{ "Europe/Berlin", 2099, 7, 1, 0, 0, 120 }, /* beyond the table: the rule in the footer */
		{ "Europe/Berlin", 2099, 12, 1, 0, 0, 60 },
		{ "America/Sao_Paulo", 2060, 1, 1, 0, 0, -180 },
		{ "Pacific/Chatham", 2077, 1, 1, 0, 0, 825 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int32_t got = tz_offset_s(zone(rows[i].zone),
					  utc(rows[i].year, rows[i].month, rows[i].day, rows[i].hour, rows[i].minute));

		if (got != rows[i].minutes * 60)
			fail_msg("%s row %zu: %d", rows[i].zone, i, got);
	}
}

/* The C library reads the same files in its own way. */
static void offsets_agree_with_the_c_library_over_a_century(void **state)
{
	static const char *const zones[] = { "Europe/Berlin",	 "America/New_York",  "Asia/Shanghai",
					     "Australia/Sydney", "Africa/Casablanca", "America/Asuncion",
					     "Asia/Tehran",	 "Europe/Dublin",     "Pacific/Apia",
					     "Antarctica/Troll" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(zones); i++) {
		setenv("TZ", zones[i], 1);
		tzset();
		for (time_t t = 0; t < 100 * 366 * 86400L; t += 86400 * 3 + 12345) {
			struct tm tm;

			localtime_r(&t, &tm);
			if (tm.tm_gmtoff != tz_offset_s(zone(zones[i]), t))
				fail_msg("%s at %lld: %ld, not %d", zones[i], (long long)t, tm.tm_gmtoff,
					 tz_offset_s(zone(zones[i]), t));
		}
	}
	unsetenv("TZ");
	tzset();
}

static void names_that_are_no_zone_or_leave_the_directory_are_refused(void **state)
{
	static const char *const names[] = { "Mars/Olympus", "../../etc/passwd", "/etc/localtime",
					     "Europe/",	     "Europe",		 "Europe//Berlin",
					     "zone.tab",     "Europe/Berlin\n",	 "tzdata.zi" };
	const struct tz *z;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct err_detail d = { 0 };

		assert_int_equal(tz_get(&z, names[i], &d), ERR_INVALID);
		assert_true(*d.message);
	}
	assert_ptr_equal(zone("Europe/Berlin"), zone("Europe/Berlin"));
}

static void damaged_files_are_refused_wherever_they_are_cut(void **state)
{
	struct str file = STR_INIT;
	struct tz *z = NULL;

	(void)state;
	testkit_read("/usr/share/zoneinfo/Europe/Berlin", &file);
	for (size_t n = 0; n < file.len; n++)
		assert_int_equal(tz_parse(&z, file.data, n, NULL), ERR_INVALID);
	assert_int_equal(tz_parse(&z, file.data, file.len, NULL), ERR_OK);
	tz_free(&z);
	str_done(&file);
}

static void rules_follow_posix(void **state)
{
	static const char *const good[] = { "CET-1CEST,M3.5.0,M10.5.0/3",
					    "UTC0",
					    "<+0330>-3:30",
					    "EST5EDT,M3.2.0,M11.1.0",
					    "IST-1GMT0,M10.5.0,M3.5.0/1",
					    "XXX3YYY,J60,J300",
					    "<-02>2<-01>,M3.5.0/-1,M10.5.0/0" };
	static const char *const bad[] = { "",
					   "CE",
					   "CET",
					   "CET-1CEST",
					   "CET-1CEST,M13.1.0,M10.5.0",
					   "CET-1CEST,M3.5.7,M10.5.0",
					   "CET-1CEST,M3.5.0",
					   "CET-99",
					   "<+03",
					   "CET-1x",
					   "EST5EDT,M3.2.0/168,M11.1.0" };
	struct tz_rule r;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(tz_rule_parse(&r, good[i], strlen(good[i])));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(tz_rule_parse(&r, bad[i], strlen(bad[i])));
}

/* ---- calendars (OP-1) ---- */

static const struct calendar_hours office[] = { { 1, 540, 1080 }, { 2, 540, 1080 }, { 7, 0, 1440 } };

static bool working(const char *zone_name, int64_t unix_s)
{
	static const int32_t holidays[] = { 20454, 20812 }; /* 2026-01-01, 2026-12-25 */
	struct calendar c = { .id = "c", .n_hours = 3, .hours = office, .n_holidays = 2, .holidays = holidays };

	c.zone = zone(zone_name);
	return calendar_is_working(&c, unix_s * 1000);
}

static void working_hours_are_hours_on_the_wall_also_when_the_clocks_change(void **state)
{
	(void)state;
	/* Monday 23 March 2026, winter time: 09:00 is 08:00 UTC. A week later it is 07:00 UTC. */
	assert_false(working("Europe/Berlin", utc(2026, 3, 23, 7, 59)));
	assert_true(working("Europe/Berlin", utc(2026, 3, 23, 8, 0)));
	assert_true(working("Europe/Berlin", utc(2026, 3, 30, 7, 0)));
	assert_false(working("Europe/Berlin", utc(2026, 3, 30, 6, 59)));
	assert_true(working("Europe/Berlin", utc(2026, 3, 30, 15, 59)));
	assert_false(working("Europe/Berlin", utc(2026, 3, 30, 16, 0)));
	/* The day on which an hour is missing, and the one that has it twice, are working time throughout. */
	for (int h = 0; h < 23; h++)
		assert_true(working("Europe/Berlin", utc(2026, 3, 28, 23, 0) + h * 3600));
	assert_false(working("Europe/Berlin", utc(2026, 3, 28, 23, 0) + 23 * 3600));
	for (int h = 0; h < 25; h++)
		assert_true(working("Europe/Berlin", utc(2026, 10, 24, 22, 0) + h * 3600));
	/* It is already Monday in Shanghai. */
	assert_true(working("Asia/Shanghai", utc(2026, 3, 23, 1, 0)));
	assert_false(working("America/New_York", utc(2026, 3, 23, 4, 0)));
}

static void a_holiday_is_never_working_time_by_the_date_of_the_place(void **state)
{
	(void)state;
	/* Friday 25 December: no hours anyway. Sunday hours are all day, so move the holiday question to 1 January (Thursday). */
	assert_false(working("UTC", utc(2026, 12, 25, 12, 0)));
	struct calendar c = { .zone = zone("Asia/Shanghai"), .n_hours = 3, .hours = office };
	int32_t day;
	assert_true(calendar_parse_date("2026-03-29", &day)); /* a Sunday */
	c.n_holidays = 1;
	c.holidays = &day;
	assert_true(calendar_is_working(&c, utc(2026, 3, 21, 17, 0) * 1000));  /* Sunday 22 in Shanghai */
	assert_false(calendar_is_working(&c, utc(2026, 3, 28, 16, 0) * 1000)); /* Sunday 29, 00:00 */
	assert_false(calendar_is_working(&c, utc(2026, 3, 29, 15, 59) * 1000));
	assert_true(calendar_is_working(NULL, 0));
}

static void dates_are_dates(void **state)
{
	static const char *const bad[] = { "2026-02-29", "2026-13-01", "2026-00-10", "2026-1-01",  "1969-12-31",
					   "2026-04-31", "",	       "2026/01/01", "2026-01-011" };
	int32_t day;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(calendar_parse_date(bad[i], &day));
	assert_true(calendar_parse_date("1970-01-01", &day));
	assert_int_equal(day, 0);
	assert_true(calendar_parse_date("2028-02-29", &day));
	assert_int_equal(day, tz_days_from_date(2028, 2, 29));
	for (int64_t d = -200000; d < 200000; d += 37)
		assert_int_equal(tz_year_of_days(d), tz_year_of_days(tz_days_from_date(tz_year_of_days(d), 1, 1)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(offsets_are_those_of_the_tz_database_around_every_change),
		cmocka_unit_test(offsets_agree_with_the_c_library_over_a_century),
		cmocka_unit_test(names_that_are_no_zone_or_leave_the_directory_are_refused),
		cmocka_unit_test(damaged_files_are_refused_wherever_they_are_cut),
		cmocka_unit_test(rules_follow_posix),
		cmocka_unit_test(working_hours_are_hours_on_the_wall_also_when_the_clocks_change),
		cmocka_unit_test(a_holiday_is_never_working_time_by_the_date_of_the_place),
		cmocka_unit_test(dates_are_dates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
