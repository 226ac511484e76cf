/* The texts of bytes, times and numbers. */
#include "pbjson_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- base64 (RFC 4648) ------------------------------------------------------------------------------------------ */

void pbjson_base64_append(struct str *out, const uint8_t *data, size_t size)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < size; i += 3) {
		size_t n = size - i < 3 ? size - i : 3;
		uint32_t v =
		    (uint32_t)data[i] << 16 | (n > 1 ? (uint32_t)data[i + 1] << 8 : 0) | (n > 2 ? data[i + 2] : 0);
		char four[4] = { letters[v >> 18], letters[v >> 12 & 63], n > 1 ? letters[v >> 6 & 63] : '=',
				 n > 2 ? letters[v & 63] : '=' };

		str_append_n(out, four, 4);
	}
}

static int letter_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	return c == '/' || c == '_' ? 63 : -1;
}

bool pbjson_base64_parse(const char *text, uint8_t *out, size_t *size)
{
	size_t len = strlen(text), n = 0;
	uint32_t v = 0;

	while (len && text[len - 1] == '=' && len % 4 != 1)
		len--;
	if (len % 4 == 1 || (text[len] && (len + strlen(text + len)) % 4 != 0))
		return false;
	for (size_t i = 0; i < len; i++) {
		int x = letter_value(text[i]);

		if (x < 0)
			return false;
		v = v << 6 | (uint32_t)x;
		if (i % 4 > 0)
			out[n++] = (uint8_t)(v >> (6 - 2 * (i % 4)));
	}
	*size = n;
	return true;
}

/* ---- times ------------------------------------------------------------------------------------------------------ */

#define TIMESTAMP_MIN (-62135596800LL) /* 0001-01-01T00:00:00Z */
#define TIMESTAMP_MAX 253402300799LL   /* 9999-12-31T23:59:59Z */
#define DURATION_MAX  315576000000LL

/* ".5", ".123456" …: 0, 3, 6 or 9 digits. */
static void fraction_text(int32_t nanos, char buf[16])
{
	if (nanos == 0)
		buf[0] = '\0';
	else if (nanos % 1000000 == 0)
		snprintf(buf, 16, ".%03d", nanos / 1000000);
	else if (nanos % 1000 == 0)
		snprintf(buf, 16, ".%06d", nanos / 1000);
	else
		snprintf(buf, 16, ".%09d", nanos);
}

/* After the seconds: nothing, or a point and 1…9 digits. Moves on. */
static bool fraction_parse(const char **text, int32_t *nanos)
{
	int digits = 0;

	*nanos = 0;
	if (**text != '.')
		return true;
	for (++*text; isdigit((unsigned char)**text); ++*text, digits++)
		if (digits < 9)
			*nanos = *nanos * 10 + (**text - '0');
	if (digits == 0 || digits > 9)
		return false;
	for (; digits < 9; digits++)
		*nanos *= 10;
	return true;
}

/* Days since 1970-01-01 of a date of the Gregorian calendar (H. Hinnant, "chrono-compatible low-level date algorithms"). */
static int64_t days_from_date(int64_t y, int m, int d)
{
	int64_t era, yoe, doy;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	yoe = y - era * 400;
	doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void date_from_days(int64_t z, int *y, int *m, int *d)
{
	int64_t era, doe, yoe, doy, mp;

	z += 719468;
	era = (z >= 0 ? z : z - 146096) / 146097;
	doe = z - era * 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	*d = (int)(doy - (153 * mp + 2) / 5 + 1);
	*m = (int)(mp < 10 ? mp + 3 : mp - 9);
	*y = (int)(yoe + era * 400 + (*m <= 2));
}

bool pbjson_timestamp_text(int64_t seconds, int32_t nanos, char buf[PBJSON_SCALAR_TEXT])
{
	int64_t days;
	int y, m, d, s;
	char fraction[16];

	if (seconds < TIMESTAMP_MIN || seconds > TIMESTAMP_MAX || nanos < 0 || nanos > 999999999)
		return false;
	days = (seconds >= 0 ? seconds : seconds - 86399) / 86400;
	s = (int)(seconds - days * 86400);
	date_from_days(days, &y, &m, &d);
	fraction_text(nanos, fraction);
	snprintf(buf, PBJSON_SCALAR_TEXT, "%04d-%02d-%02dT%02d:%02d:%02d%sZ", y, m, d, s / 3600, s / 60 % 60, s % 60,
		 fraction);
	return true;
}

/* n digits exactly, then the character after (0: none). Moves on. */
static bool number_parse(const char **text, int n, char after, int *ret)
{
	*ret = 0;
	for (; n; n--, ++*text) {
		if (!isdigit((unsigned char)**text))
			return false;
		*ret = *ret * 10 + (**text - '0');
	}
	if (after && *(*text)++ != after)
		return false;
	return true;
}

static bool zone_parse(const char *text, int *offset_s)
{
	int h, m;
	char sign = *text;

	*offset_s = 0;
	if (strcmp(text, "Z") == 0)
		return true;
	if (sign != '+' && sign != '-')
		return false;
	text++;
	if (!number_parse(&text, 2, ':', &h) || !number_parse(&text, 2, 0, &m) || *text || h > 23 || m > 59)
		return false;
	*offset_s = (h * 60 + m) * (sign == '-' ? -60 : 60);
	return true;
}

static bool date_valid(int y, int m, int d)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;

	return y >= 1 && m >= 1 && m <= 12 && d >= 1 && d <= days[m - 1] + (m == 2 && leap);
}

bool pbjson_timestamp_parse(const char *text, int64_t *seconds, int32_t *nanos)
{
	int y, mo, d, h, mi, s, offset;
	int64_t at;

	if (!number_parse(&text, 4, '-', &y) || !number_parse(&text, 2, '-', &mo) || !number_parse(&text, 2, 'T', &d) ||
	    !number_parse(&text, 2, ':', &h) || !number_parse(&text, 2, ':', &mi) || !number_parse(&text, 2, 0, &s) ||
	    !fraction_parse(&text, nanos) || !zone_parse(text, &offset))
		return false;
	if (!date_valid(y, mo, d) || h > 23 || mi > 59 || s > 59)
		return false;
	at = days_from_date(y, mo, d) * 86400 + h * 3600 + mi * 60 + s - offset;
	if (at < TIMESTAMP_MIN || at > TIMESTAMP_MAX)
		return false;
	*seconds = at;
	return true;
}

bool pbjson_duration_text(int64_t seconds, int32_t nanos, char buf[PBJSON_SCALAR_TEXT])
{
	char fraction[16];
	bool negative = seconds < 0 || nanos < 0;

	if (seconds < -DURATION_MAX || seconds > DURATION_MAX || nanos < -999999999 || nanos > 999999999 ||
	    (seconds < 0 && nanos > 0) || (seconds > 0 && nanos < 0))
		return false;
	fraction_text(nanos < 0 ? -nanos : nanos, fraction);
	snprintf(buf, PBJSON_SCALAR_TEXT, "%s%lld%ss", negative ? "-" : "",
		 (long long)(seconds < 0 ? -seconds : seconds), fraction);
	return true;
}

bool pbjson_duration_parse(const char *text, int64_t *seconds, int32_t *nanos)
{
	bool negative = *text == '-';
	int64_t s = 0;
	int digits = 0;

	text += negative;
	for (; isdigit((unsigned char)*text); text++, digits++)
		if (digits < 13)
			s = s * 10 + (*text - '0');
	if (digits == 0 || digits > 12 || s > DURATION_MAX || !fraction_parse(&text, nanos) || strcmp(text, "s"))
		return false;
	if (negative) {
		s = -s;
		*nanos = -*nanos;
	}
	*seconds = s;
	return true;
}

/* ---- numbers ---------------------------------------------------------------------------------------------------- */

void pbjson_double_text(double v, bool is_float, char buf[PBJSON_SCALAR_TEXT])
{
	for (int digits = is_float ? 6 : 15; digits <= (is_float ? 9 : 17); digits++) {
		snprintf(buf, PBJSON_SCALAR_TEXT, "%.*g", digits, v);
		if (is_float ? strtof(buf, NULL) == (float)v : strtod(buf, NULL) == v)
			return;
	}
}
