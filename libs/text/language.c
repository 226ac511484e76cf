/* Which language: tags (RFC 5646), accept-language (RFC 9110), POSIX locales. Bytes from outside. */
#include "text.h"

#include <string.h>
#include <strings.h>

#define SUBTAG_MAX 8
#define Q_MAX	   1000 /* q is kept in thousandths */

static const char *const tags[TEXT_LANGUAGES] = { "en", "zh-Hans", "zh-Hant" };

/* The first row that fits: scripts before regions, a language alone last. */
static const struct {
	const char *language, *subtag; /* subtag NULL: whatever follows */
	enum text_language is;
} rows[] = {
	{ "en", NULL, TEXT_EN },      { "zh", "Hant", TEXT_ZH_HANT }, { "zh", "Hans", TEXT_ZH_HANS },
	{ "zh", "TW", TEXT_ZH_HANT }, { "zh", "HK", TEXT_ZH_HANT },   { "zh", "MO", TEXT_ZH_HANT },
	{ "zh", NULL, TEXT_ZH_HANS },
};

const char *text_tag(enum text_language l)
{
	return tags[l];
}

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_alnum(char c)
{
	return is_alpha(c) || (c >= '0' && c <= '9');
}

/* 2 to 8 letters, then subtags of 1 to 8 letters and digits. */
static bool well_formed(const char *tag, size_t n)
{
	size_t in = 0;
	bool first = true;

	if (n >= TEXT_TAG_MAX)
		return false;
	for (size_t i = 0; i <= n; i++) {
		if (i < n && tag[i] != '-') {
			if (++in > SUBTAG_MAX || !(first ? is_alpha(tag[i]) : is_alnum(tag[i])))
				return false;
			continue;
		}
		if (in < (first ? 2 : 1))
			return false;
		first = false;
		in = 0;
	}
	return true;
}

static bool is(const char *a, size_t n, const char *b)
{
	return strlen(b) == n && strncasecmp(a, b, n) == 0;
}

/* After the language and before the first single letter, which begins an extension. */
static bool has_subtag(const char *tag, size_t n, const char *subtag)
{
	const char *end = tag + n, *p = memchr(tag, '-', n);

	while (p) {
		const char *at = p + 1, *next = memchr(at, '-', (size_t)(end - at));
		size_t len = (size_t)((next ? next : end) - at);

		if (len == 1)
			return false;
		if (is(at, len, subtag))
			return true;
		p = next;
	}
	return false;
}

static bool find(const char *tag, size_t n, enum text_language *ret)
{
	const char *dash = memchr(tag, '-', n);
	size_t primary = dash ? (size_t)(dash - tag) : n;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (is(tag, primary, rows[i].language) && (!rows[i].subtag || has_subtag(tag, n, rows[i].subtag))) {
			*ret = rows[i].is;
			return true;
		}
	return false;
}

bool text_language_of(const char *tag, enum text_language *ret)
{
	size_t n = strlen(tag);

	return well_formed(tag, n) && find(tag, n, ret);
}

bool text_locale(const char *locale, enum text_language *ret)
{
	char tag[TEXT_TAG_MAX];
	size_t n = strcspn(locale, ".@");

	if (n >= sizeof(tag))
		return false;
	memcpy(tag, locale, n);
	tag[n] = '\0';
	for (char *p = tag; (p = strchr(p, '_'));)
		*p = '-';
	return text_language_of(tag, ret);
}

/* ---- accept-language ---- */
static const char *skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	return p;
}

/* ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] ) in thousandths; -1: neither. */
static int weight(const char *p, const char *end)
{
	int q, unit = Q_MAX / 10;

	if (p == end || (*p != '0' && *p != '1'))
		return -1;
	q = (*p++ - '0') * Q_MAX;
	if (p < end && *p++ != '.')
		return -1;
	for (; p < end; p++, unit /= 10) {
		if (*p < '0' || *p > '9' || !unit)
			return -1;
		q += (*p - '0') * unit;
	}
	return q <= Q_MAX ? q : -1;
}

/* ";q=0.8" after a range, or nothing, which is 1. */
static int parameter(const char *p, const char *end)
{
	p = skip_space(p, end);
	if (p == end)
		return Q_MAX;
	if (*p != ';')
		return -1;
	p = skip_space(p + 1, end);
	if (end - p < 2 || (*p != 'q' && *p != 'Q') || p[1] != '=')
		return -1;
	while (end > p && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	return weight(p + 2, end);
}

enum text_language text_accept(const char *header, enum text_language otherwise)
{
	enum text_language best = otherwise, l;
	int best_q = 0;
	bool said = false;

	for (const char *p = header ? header : ""; *p;) {
		const char *end = p + strcspn(p, ",");
		const char *range = skip_space(p, end);
		size_t n = 0;
		bool any = range < end && *range == '*';

		while (range + n < end && !strchr(" \t;", range[n]))
			n++;
		int q = (any && n == 1) || well_formed(range, n) ? parameter(range + n, end) : -1;
		said = said || q > 0;
		l = otherwise;
		if (q > best_q && (any || find(range, n, &l))) {
			best = l;
			best_q = q;
		}
		p = end + (*end == ',');
	}
	return said && !best_q ? TEXT_EN : best;
}
