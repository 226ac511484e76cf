#include "sdp/sdp_crypto.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_MAX     256	/* of a line we read; longer ones are not ours */
#define TAG_MAX	     999999999	/* 1*9DIGIT */
#define LIFETIME_MIN (1u << 20) /* packets */

static const struct {
	const char *name;
	size_t key_size;
} suites[] = {
	[SDP_SUITE_NONE] = { "", 0 },
	[SDP_AES_CM_128_HMAC_SHA1_80] = { "AES_CM_128_HMAC_SHA1_80", 30 },
	[SDP_AES_CM_128_HMAC_SHA1_32] = { "AES_CM_128_HMAC_SHA1_32", 30 },
	[SDP_AES_256_CM_HMAC_SHA1_80] = { "AES_256_CM_HMAC_SHA1_80", 46 },
};

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t sdp_suite_key_size(enum sdp_suite suite)
{
	return suites[suite].key_size;
}

static enum sdp_suite suite_find(const char *name)
{
	for (unsigned i = SDP_SUITE_NONE + 1; i < ARRAY_SIZE(suites); i++)
		if (str_eq(suites[i].name, name))
			return (enum sdp_suite)i;
	return SDP_SUITE_NONE;
}

/* ---- base64 (RFC 4648, 4) of a size known before ---- */
static size_t text_size(size_t n)
{
	return (n + 2) / 3 * 4;
}

static bool decode(uint8_t *out, size_t n, const char *text)
{
	size_t chars = (n * 8 + 5) / 6, done = 0;
	uint32_t bits = 0;

	for (size_t i = 0; i < chars; i++) {
		const char *d = text[i] ? strchr(digits, text[i]) : NULL;

		if (!d)
			return false;
		bits = bits << 6 | (uint32_t)(d - digits);
		if (i % 4 != 0) /* 6 bits are no octet yet */
			out[done++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
	}
	return strspn(text + chars, "=") == text_size(n) - chars && strlen(text) == text_size(n);
}

static void encode(const uint8_t *in, size_t n, struct str *out)
{
	for (size_t i = 0; i < n; i += 3) {
		uint32_t b = (uint32_t)in[i] << 16;

		if (i + 1 < n)
			b |= (uint32_t)in[i + 1] << 8;
		if (i + 2 < n)
			b |= in[i + 2];
		str_append_c(out, digits[b >> 18]);
		str_append_c(out, digits[b >> 12 & 63]);
		str_append_c(out, i + 1 < n ? digits[b >> 6 & 63] : '=');
		str_append_c(out, i + 2 < n ? digits[b & 63] : '=');
	}
}

/* ---- reading ---- */
static char *word(char **rest)
{
	char *w;

	do
		w = strsep(rest, " ");
	while (w && !*w);
	return w;
}

static bool number(const char *s, uint64_t max, uint64_t *ret)
{
	int64_t v;

	if (!*s || strspn(s, "0123456789") != strlen(s) || str_to_i64(s, 0, (int64_t)max, &v))
		return false;
	*ret = (uint64_t)v;
	return true;
}

/* "2^31" or "1048576" */
static bool lifetime_is_enough(const char *s)
{
	uint64_t n;

	if (strncmp(s, "2^", 2) == 0)
		return number(s + 2, 48, &n) && n >= 20;
	return number(s, 1ull << 48, &n) && n >= LIFETIME_MIN;
}

/* "inline:<key and salt>[|<lifetime>]"; a second key, or one with an MKI, is not ours. */
static bool parse_key(struct sdp_crypto *c, char *text)
{
	char *rest = text, *key = strsep(&rest, "|");

	if (strncasecmp(key, "inline:", 7) != 0 || (rest && !lifetime_is_enough(rest)))
		return false;
	return decode(c->key, suites[c->suite].key_size, key + 7);
}

/* A hint for the size of the replay window, or what may be ignored by its own rule (a leading "-"). */
static bool is_harmless(const char *parameter)
{
	return *parameter == '-' || strncmp(parameter, "WSH=", 4) == 0;
}

bool sdp_crypto_parse(struct sdp_crypto *ret, const char *value, size_t size)
{
	char text[TEXT_MAX], *rest = text, *tag, *suite, *key;
	uint64_t n;

	if (size >= sizeof(text) || memchr(value, 0, size))
		return false;
	memcpy(text, value, size);
	text[size] = '\0';
	tag = word(&rest);
	suite = word(&rest);
	key = word(&rest);
	if (!key || !number(tag, TAG_MAX, &n))
		return false;
	*ret = (struct sdp_crypto){ .suite = suite_find(suite), .tag = (uint32_t)n };
	if (!ret->suite || !parse_key(ret, key))
		return false;
	for (char *p = word(&rest); p; p = word(&rest))
		if (!is_harmless(p))
			return false;
	return true;
}

void sdp_crypto_write(const struct sdp_crypto *c, struct str *out)
{
	str_printf(out, "a=crypto:%u %s inline:", (unsigned)c->tag, suites[c->suite].name);
	encode(c->key, suites[c->suite].key_size, out);
	str_append(out, "\r\n");
}

bool sdp_crypto_same_key(const struct sdp_crypto *a, const struct sdp_crypto *b)
{
	return a->suite == b->suite && memcmp(a->key, b->key, suites[a->suite].key_size) == 0;
}
