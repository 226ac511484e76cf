/* Envelopes: made, read, opened, looked for. */
#include "sealed_internal.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#define BOX_MAX	   (NONCE + SEALED_TEXT_MAX + TAG)
#define BASE64(n)  (((n) + 2) / 3 * 4)
#define INDEX_TEXT BASE64(INDEX)

bool sealed_is(const char *text, size_t n)
{
	return n >= strlen(SEALED_MARK) && memcmp(text, SEALED_MARK, strlen(SEALED_MARK)) == 0;
}

/* ---- reading ---- */

/* Up to the next ':', or to the end. */
static size_t part(const char *at, const char *end)
{
	const char *colon = memchr(at, ':', (size_t)(end - at));

	return (size_t)((colon ? colon : end) - at);
}

/* Whole groups of four; '=' only at the end. */
static bool is_base64(const char *at, size_t n)
{
	if (n % 4)
		return false;
	for (int padding = 0; n && padding < 2 && at[n - 1] == '='; padding++)
		n--;
	for (size_t i = 0; i < n; i++) {
		char c = at[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '+' &&
		    c != '/')
			return false;
	}
	return true;
}

static bool parse_version(const char *at, size_t n, uint32_t *ret)
{
	uint64_t v = 0;

	if (!n || n > 10 || at[0] == '0')
		return false;
	for (size_t i = 0; i < n; i++) {
		if (at[i] < '0' || at[i] > '9')
			return false;
		v = 10 * v + (uint64_t)(at[i] - '0');
	}
	*ret = (uint32_t)v;
	return v <= UINT32_MAX;
}

err_t sealed_parse(struct sealed_parts *ret, const char *envelope, size_t n)
{
	const char *at = envelope + strlen(SEALED_MARK), *end = envelope + n;
	struct sealed_parts p = { 0 };
	size_t size;

	if (!sealed_is(envelope, n))
		return ERR_INVALID;
	size = part(at, end);
	if (at + size == end || !parse_version(at, size, &p.version))
		return ERR_INVALID;
	p.index = at + size + 1;
	p.index_size = part(p.index, end);
	if (p.index + p.index_size == end || (p.index_size && p.index_size != INDEX_TEXT) ||
	    !is_base64(p.index, p.index_size))
		return ERR_INVALID;
	p.payload = p.index + p.index_size + 1;
	p.payload_size = (size_t)(end - p.payload);
	if (p.payload_size < BASE64(NONCE + TAG) || p.payload_size > BASE64(BOX_MAX) ||
	    !is_base64(p.payload, p.payload_size))
		return ERR_INVALID;
	*ret = p;
	return ERR_OK;
}

/* ---- the blind index ---- */

void sealed_normalise(const char *text, size_t n, char *out)
{
	size_t size = 0;
	bool number = true;

	for (size_t i = 0; i < n && number; i++) {
		char c = text[i];

		if ((c >= '0' && c <= '9') || c == '*' || c == '#')
			out[size++] = c;
		else
			number = memchr(" -().", c, 5) || (c == '+' && !size);
	}
	if (!number || !size) {
		for (size = 0; size < n; size++)
			out[size] =
			    (char)(text[size] >= 'A' && text[size] <= 'Z' ? text[size] + ('a' - 'A') : text[size]);
	}
	out[size] = '\0';
}

static err_t make_prefix(const struct sealed_keys *k, const struct version *v, size_t column, const char *text,
			 size_t n, char prefix[SEALED_PREFIX])
{
	char normal[SEALED_TEXT_MAX + 1], index[INDEX_TEXT + 1] = "";
	uint8_t mac[EVP_MAX_MD_SIZE];
	unsigned size = 0;
	err_t e = ERR_OK;

	if (k->columns[column].looked_up) {
		sealed_normalise(text, n, normal);
		if (HMAC(EVP_sha256(), v->columns[column].index, SEALED_KEY, (const uint8_t *)normal, strlen(normal),
			 mac, &size))
			EVP_EncodeBlock((uint8_t *)index, mac, INDEX);
		else
			e = ERR_EXHAUSTED;
		OPENSSL_cleanse(normal, sizeof(normal));
	}
	snprintf(prefix, SEALED_PREFIX, SEALED_MARK "%u:%s:", v->number, index);
	return e;
}

err_t sealed_find(const struct sealed_keys *k, size_t column, const char *text, char prefix[][SEALED_PREFIX],
		  size_t *ret_n)
{
	size_t n = strlen(text);
	err_t e = n > SEALED_TEXT_MAX ? ERR_INVALID : ERR_OK;

	*ret_n = 0;
	for (size_t i = 0; !e && k->columns[column].looked_up && i < k->n_versions; i++) {
		e = make_prefix(k, &k->versions[i], column, text, n, prefix[i]);
		*ret_n += !e;
	}
	return e;
}

/* ---- sealing, opening ---- */

/* None of the parts has a NUL, so that two places never have one label. */
static err_t make_label(const struct sealed_keys *k, uint32_t version, size_t column, const char *row,
			char label[2 * LABEL_MAX], size_t *ret_n)
{
	int n = snprintf(label, 2 * (size_t)LABEL_MAX, "%s%c%u%c%s%c%s", k->tenant, 0, version, 0,
			 k->columns[column].name, 0, row);

	if (n < 0 || n >= 2 * LABEL_MAX)
		return ERR_INVALID;
	*ret_n = (size_t)n;
	return ERR_OK;
}

err_t sealed_seal(const struct sealed_keys *k, size_t column, const char *row, const char *text, size_t n,
		  struct str *out)
{
	char label[2 * LABEL_MAX], prefix[SEALED_PREFIX], payload[BASE64(BOX_MAX) + 1];
	uint8_t box[BOX_MAX];
	size_t label_size = 0;
	err_t e;

	if (!k->newest)
		return ERR_PRECONDITION;
	if (n > SEALED_TEXT_MAX)
		return ERR_INVALID;
	e = make_label(k, k->newest->number, column, row, label, &label_size);
	if (!e)
		e = make_prefix(k, k->newest, column, text, n, prefix);
	if (!e)
		e = gcm_seal(k->newest->columns[column].seal, label, label_size, text, n, box);
	if (e)
		return e;
	EVP_EncodeBlock((uint8_t *)payload, box, (int)(NONCE + n + TAG));
	str_append(out, prefix);
	str_append(out, payload);
	return out->failed ? ERR_EXHAUSTED : ERR_OK;
}

err_t sealed_open(const struct sealed_keys *k, size_t column, const char *row, const char *envelope, struct str *out)
{
	uint8_t box[BASE64(BOX_MAX)], clear[BASE64(BOX_MAX)];
	char label[2 * LABEL_MAX];
	struct sealed_parts p;
	size_t label_size = 0;
	err_t e = sealed_parse(&p, envelope, strlen(envelope));

	if (e)
		return e;
	const struct version *v = version_find(k, p.version);
	if (!v)
		return ERR_NOT_FOUND;
	int size = EVP_DecodeBlock(box, (const uint8_t *)p.payload, (int)p.payload_size);
	for (size_t i = 1; i <= 2 && p.payload[p.payload_size - i] == '='; i++)
		size--;
	if (size < NONCE + TAG || size > (int)BOX_MAX)
		return ERR_INVALID;
	e = make_label(k, p.version, column, row, label, &label_size);
	if (!e)
		e = gcm_open(v->columns[column].seal, label, label_size, box, (size_t)size, clear);
	if (!e) {
		str_append_n(out, clear, (size_t)size - NONCE - TAG);
		e = out->failed ? ERR_EXHAUSTED : ERR_OK;
	}
	OPENSSL_cleanse(clear, sizeof(clear));
	return e;
}
