#include "sip/digest.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

/* ---- hashing ---- */

static void hash_parts(enum digest_algorithm a, const char *const *parts, size_t n, char ret[DIGEST_HEX])
{
	static const char hex[] = "0123456789abcdef";
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx && EVP_DigestInit_ex(ctx, a == DIGEST_SHA256 ? EVP_sha256() : EVP_md5(), NULL);

	for (size_t i = 0; ok && i < n; i++)
		ok = (i == 0 || EVP_DigestUpdate(ctx, ":", 1)) && EVP_DigestUpdate(ctx, parts[i], strlen(parts[i]));
	if (!ok || !EVP_DigestFinal_ex(ctx, md, &len))
		len = 0; /* an empty digest never compares equal to a response, which has at least 32 digits */
	EVP_MD_CTX_free(ctx);
	for (unsigned i = 0; i < len && 2 * i + 2 < DIGEST_HEX; i++) {
		ret[2 * i] = hex[md[i] >> 4];
		ret[2 * i + 1] = hex[md[i] & 15];
	}
	ret[2 * len < DIGEST_HEX ? 2 * len : DIGEST_HEX - 1] = '\0';
}

void digest_ha1(enum digest_algorithm a, const char *username, const char *realm, const char *password,
		char ret[DIGEST_HEX])
{
	hash_parts(a, (const char *[]){ username, realm, password }, 3, ret);
}

static void response_hex(const struct digest_params *p, const char *ha1, const char *method, const char *uri,
			 const char *cnonce, const char *nc, const char *qop, char ret[DIGEST_HEX])
{
	char ha2[DIGEST_HEX];

	hash_parts(p->algorithm, (const char *[]){ method, uri }, 2, ha2);
	if (qop[0])
		hash_parts(p->algorithm, (const char *[]){ ha1, p->nonce, nc, cnonce, qop, ha2 }, 6, ret);
	else
		hash_parts(p->algorithm, (const char *[]){ ha1, p->nonce, ha2 }, 3, ret);
}

/* ---- parsing ---- */

struct param_place {
	const char *name;
	size_t offset, size;
};
#define PLACE(member)                                                                                        \
	{                                                                                                    \
#member, offsetof(struct digest_params, member), sizeof(((struct digest_params *)0)->member) \
	}
static const struct param_place places[] = {
	PLACE(username), PLACE(realm), PLACE(nonce), PLACE(uri),   PLACE(response),
	PLACE(cnonce),	 PLACE(nc),    PLACE(qop),   PLACE(opaque), PLACE(stale),
};

static bool copy_bare(const char *v, char *dst, size_t size)
{
	size_t n = strlen(v);

	if (n == 0 || n >= size)
		return false;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)v[i] <= ' ' || v[i] == '"' || v[i] == 0x7f)
			return false;
	memcpy(dst, v, n + 1);
	return true;
}

/* A quoted string (RFC 3261 §25.1) or a bare token, unescaped; no control characters. */
static bool copy_value(const char *v, char *dst, size_t size)
{
	size_t n = 0;

	if (*v != '"')
		return copy_bare(v, dst, size);
	for (v++; *v && *v != '"'; v++) {
		if (*v == '\\' && !*++v)
			return false;
		if ((unsigned char)*v < ' ' || *v == 0x7f || n + 1 >= size)
			return false;
		dst[n++] = *v;
	}
	dst[n] = '\0';
	return v[0] == '"' && v[1] == '\0';
}

static err_t set_algorithm(struct digest_params *p, const char *value)
{
	char text[32];

	if (!copy_value(value, text, sizeof(text)))
		return ERR_INVALID;
	if (strcasecmp(text, "MD5") == 0)
		p->algorithm = DIGEST_MD5;
	else if (strcasecmp(text, "SHA-256") == 0)
		p->algorithm = DIGEST_SHA256;
	else
		return ERR_UNIMPLEMENTED;
	return ERR_OK;
}

static err_t set_param(struct digest_params *p, const char *param, unsigned *seen)
{
	const char *eq = strchr(param, '=');
	size_t len;

	if (!eq)
		return ERR_INVALID;
	for (len = (size_t)(eq - param); len > 0 && isspace((unsigned char)param[len - 1]); len--)
		;
	for (eq++; *eq == ' ' || *eq == '\t'; eq++)
		;
	if (len == 9 && strncasecmp(param, "algorithm", len) == 0) {
		if (*seen & (1u << 31))
			return ERR_INVALID;
		*seen |= 1u << 31;
		return set_algorithm(p, eq);
	}
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		if (strlen(places[i].name) != len || strncasecmp(param, places[i].name, len) != 0)
			continue;
		if (*seen & (1u << i))
			return ERR_INVALID;
		*seen |= 1u << i;
		return copy_value(eq, (char *)p + places[i].offset, places[i].size) ? ERR_OK : ERR_INVALID;
	}
	return ERR_OK;
}

static bool parse_nc(const char *text, uint32_t *ret)
{
	uint32_t v = 0;

	if (strlen(text) != 8)
		return false;
	for (int i = 0; i < 8; i++) {
		if (!isxdigit((unsigned char)text[i]))
			return false;
		v = v << 4 | (uint32_t)(isdigit((unsigned char)text[i]) ? text[i] - '0' : (text[i] | 32) - 'a' + 10);
	}
	*ret = v;
	return v != 0;
}

err_t digest_parse(struct digest_params *ret, const char *const *params)
{
	unsigned seen = 0;

	memset(ret, 0, sizeof(*ret));
	for (; params && *params; params++) {
		err_t e = set_param(ret, *params, &seen);

		if (e)
			return e;
	}
	if (!ret->realm[0] || !ret->nonce[0])
		return ERR_INVALID;
	if (ret->nc[0] && !parse_nc(ret->nc, &ret->nc_value))
		return ERR_INVALID;
	return ERR_OK;
}

/* ---- server ---- */

const char *digest_algorithm_name(enum digest_algorithm a)
{
	return a == DIGEST_SHA256 ? "SHA-256" : "MD5";
}

void digest_challenge(struct str *out, enum digest_algorithm a, const char *realm, const char *nonce, bool stale)
{
	str_printf(out, "realm=\"%s\", nonce=\"%s\", algorithm=%s, qop=\"auth\"%s", realm, nonce,
		   digest_algorithm_name(a), stale ? ", stale=true" : "");
}

/* In constant time for a given length; hex digits of either case. */
static bool hex_equal(const char *a, const char *b)
{
	size_t n = strlen(a);
	unsigned diff = 0;

	if (n == 0 || n != strlen(b))
		return false;
	for (size_t i = 0; i < n; i++)
		diff |= (unsigned)((a[i] | 32) ^ (b[i] | 32));
	return diff == 0;
}

bool digest_verify(const struct digest_params *p, const char *ha1, const char *method)
{
	static const char nobody[] = "0000000000000000000000000000000000000000000000000000000000000000";
	bool known = ha1 && ha1[0];
	char want[DIGEST_HEX];

	if (strcasecmp(p->qop, "auth") != 0 || !p->cnonce[0] || !p->nc_value)
		return false;
	response_hex(p, known ? ha1 : nobody, method, p->uri, p->cnonce, p->nc, p->qop, want);
	return hex_equal(want, p->response) && known;
}

/* ---- client ---- */

static bool offers_auth(const char *qop)
{
	while (*qop) {
		size_t n = strcspn(qop, ", \t");

		if (n == 4 && strncasecmp(qop, "auth", 4) == 0)
			return true;
		qop += n;
		qop += strspn(qop, ", \t");
	}
	return false;
}

static void append_quoted(struct str *out, const char *name, const char *value)
{
	str_printf(out, "%s=\"", name);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			str_append_c(out, '\\');
		str_append_c(out, *value);
	}
	str_append(out, "\", ");
}

void digest_answer(struct str *out, const struct digest_params *c, const char *username, const char *ha1,
		   const char *method, const char *uri, const char *cnonce, uint32_t nc)
{
	bool qop = offers_auth(c->qop);
	char response[DIGEST_HEX], nc_text[9];

	snprintf(nc_text, sizeof(nc_text), "%08x", nc);
	response_hex(c, ha1, method, uri, cnonce, nc_text, qop ? "auth" : "", response);
	str_append(out, "Digest ");
	append_quoted(out, "username", username);
	append_quoted(out, "realm", c->realm);
	append_quoted(out, "nonce", c->nonce);
	append_quoted(out, "uri", uri);
	if (c->opaque[0])
		append_quoted(out, "opaque", c->opaque);
	if (qop)
		str_printf(out, "cnonce=\"%s\", nc=%s, qop=auth, ", cnonce, nc_text);
	str_printf(out, "algorithm=%s, response=\"%s\"", digest_algorithm_name(c->algorithm), response);
}
