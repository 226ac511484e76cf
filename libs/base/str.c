#include "base/str.h"
#include "base/mem.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void str_done(struct str *s)
{
	mem_free(s->data);
	*s = (struct str)STR_INIT;
}

void str_reset(struct str *s)
{
	s->len = 0;
	s->failed = false;
	if (s->data)
		s->data[0] = '\0';
}

static bool reserve(struct str *s, size_t more)
{
	size_t need = s->len + more + 1;
	size_t cap = s->cap ? s->cap : 64;
	char *data;

	if (s->failed)
		return false;
	if (need < more || need > SIZE_MAX / 2) {
		s->failed = true;
		return false;
	}
	if (need <= s->cap)
		return true;
	while (cap < need)
		cap *= 2;
	data = mem_realloc(s->data, cap);
	if (!data) {
		s->failed = true;
		return false;
	}
	s->data = data;
	s->cap = cap;
	return true;
}

void str_append_n(struct str *s, const void *bytes, size_t n)
{
	if (!reserve(s, n))
		return;
	if (n)
		memcpy(s->data + s->len, bytes, n);
	s->len += n;
	s->data[s->len] = '\0';
}

void str_append(struct str *s, const char *text)
{
	str_append_n(s, text, strlen(text));
}

void str_append_c(struct str *s, char c)
{
	str_append_n(s, &c, 1);
}

void str_printf(struct str *s, const char *fmt, ...)
{
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n >= 0 && reserve(s, (size_t)n)) {
		vsnprintf(s->data + s->len, (size_t)n + 1, fmt, again);
		s->len += (size_t)n;
	}
	va_end(again);
}

const char *str_text(const struct str *s)
{
	return s->data ? s->data : "";
}

bool str_copy(char *dst, size_t size, const char *src)
{
	size_t n = strlen(src);
	size_t take = n < size ? n : size - 1;

	assert(size > 0);
	memcpy(dst, src, take);
	dst[take] = '\0';
	return take == n;
}

bool str_eq(const char *a, const char *b)
{
	if (!a || !b)
		return a == b;
	return strcmp(a, b) == 0;
}

bool str_empty(const char *s)
{
	return !s || !*s;
}

/* Length of the sequence that starts with c and the smallest second byte it allows; 0 if c cannot start one. */
static size_t utf8_len(unsigned char c)
{
	if (c < 0x80)
		return 1;
	if (c >= 0xc2 && c <= 0xdf)
		return 2;
	if ((c & 0xf0) == 0xe0)
		return 3;
	if (c >= 0xf0 && c <= 0xf4)
		return 4;
	return 0;
}

static bool utf8_second_ok(unsigned char c, unsigned char d)
{
	switch (c) {
	case 0xe0:
		return d >= 0xa0;
	case 0xed:
		return d <= 0x9f;
	case 0xf0:
		return d >= 0x90;
	case 0xf4:
		return d <= 0x8f;
	default:
		return true;
	}
}

/* Length of the valid character at p, of which n ≥ 1 bytes are there; 0 if there is none (or it is NUL). */
static size_t utf8_char(const unsigned char *p, size_t n)
{
	size_t len = utf8_len(p[0]);

	if (len == 0 || len > n || p[0] == 0)
		return 0;
	for (size_t k = 1; k < len; k++)
		if ((p[k] & 0xc0) != 0x80)
			return 0;
	return len == 1 || utf8_second_ok(p[0], p[1]) ? len : 0;
}

bool str_utf8_valid(const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	size_t i = 0;

	while (i < n) {
		size_t len = utf8_char(p + i, n - i);

		if (len == 0)
			return false;
		i += len;
	}
	return true;
}

void str_utf8_clean(char *s)
{
	size_t n = strlen(s), i = 0;

	while (i < n) {
		size_t len = utf8_char((unsigned char *)s + i, n - i);

		if (len == 0 || (unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			s[i] = '?';
		i += len ? len : 1;
	}
}

bool str_is_id(const char *s)
{
	size_t n = 0;

	if (str_empty(s) || *s == '-')
		return false;
	for (; s[n]; n++) {
		char c = s[n];

		if (n >= 63 || !((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'))
			return false;
	}
	return true;
}

err_t str_to_i64(const char *s, int64_t min, int64_t max, int64_t *ret)
{
	char *end;
	long long v;

	/* strtoll would take spaces and a plus sign. */
	if (str_empty(s) || !(isdigit((unsigned char)*s) || (*s == '-' && isdigit((unsigned char)s[1]))))
		return ERR_INVALID;
	errno = 0;
	v = strtoll(s, &end, 10);
	if (errno || *end || v < min || v > max)
		return ERR_INVALID;
	*ret = v;
	return ERR_OK;
}

bool str_eq_secret(const char *a, const char *b)
{
	size_t na = strlen(a), nb = strlen(b);
	unsigned char diff = (unsigned char)(na != nb);

	for (size_t i = 0; i < na; i++)
		diff |= (unsigned char)(a[i] ^ (nb ? b[i % nb] : 1));
	return diff == 0;
}
