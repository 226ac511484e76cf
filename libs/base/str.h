/*
 * str: a growing string buffer and the few string checks that everybody needs. Not thread-safe.
 *
 *	struct str s = STR_INIT;
 *	str_printf(&s, "agent %s", id);
 *	if (s.failed) …               // an allocation failed somewhere: checked once, at the end
 *	str_done(&s);
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

struct str {
	char *data; /* NUL-terminated when not NULL */
	size_t len;
	size_t cap;
	bool failed; /* out of memory: content is incomplete */
};
#define STR_INIT                  \
	{                         \
		NULL, 0, 0, false \
	}

void str_done(struct str *s);
void str_reset(struct str *s);
void str_append(struct str *s, const char *text);
void str_append_n(struct str *s, const void *bytes, size_t n);
void str_append_c(struct str *s, char c);
void str_printf(struct str *s, const char *fmt, ...) PRINTF(2, 3);
/* The text, never NULL. */
const char *str_text(const struct str *s);

/* Copies at most size-1 bytes (size ≥ 1) and terminates; false if it did not fit (dst then holds the beginning). */
bool str_copy(char *dst, size_t size, const char *src);
bool str_eq(const char *a, const char *b);
/* NULL and "" are empty. */
bool str_empty(const char *s);

/* Valid UTF-8 (RFC 3629) of n bytes without NUL. */
bool str_utf8_valid(const void *bytes, size_t n);
/* Puts '?' for each control character and each byte that is not UTF-8: for text that goes on to people and logs. */
void str_utf8_clean(char *s);
/* A resource id as it stands in subjects, keys and paths: [a-z0-9][a-z0-9-]{0,62} (no dot, no space: NATS tokens). */
bool str_is_id(const char *s);
/* Decimal, whole string, within [min, max]; ERR_INVALID otherwise. */
err_t str_to_i64(const char *s, int64_t min, int64_t max, int64_t *ret) MUST;
/* Equal in constant time for a given length (secrets). */
bool str_eq_secret(const char *a, const char *b);

#endif
