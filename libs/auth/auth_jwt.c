/*
 * Verification of a JSON Web Token (RFC 7515, 7518 §3.4) with one algorithm and one key, both ours: whatever the token's
 * header asks for, nothing but ES256 is ever computed. The key is parsed once (OpenSSL 3 takes longer to read a PEM than
 * to verify a signature).
 */
#include "auth_internal.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <string.h>

#define ES256_BYTES 64 /* R and S, 32 bytes each */

static int sextet(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* base64url without padding, RFC 4648 §5; spare bits must be zero, so that a token has one spelling. */
static bool decode(const char *text, size_t len, unsigned char *out, size_t max, size_t *n)
{
	uint32_t bits = 0;
	unsigned have = 0;

	*n = 0;
	for (size_t i = 0; i < len; i++) {
		int v = sextet(text[i]);

		if (v < 0)
			return false;
		bits = (bits << 6 | (uint32_t)v) & 0xffff;
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		if (*n == max)
			return false;
		out[(*n)++] = (unsigned char)(bits >> have);
	}
	return have < 6 && (bits & ((1u << have) - 1)) == 0;
}

static json_t *part_json(const char *text, size_t len)
{
	unsigned char bytes[AUTH_TOKEN_MAX];
	size_t n;

	if (!decode(text, len, bytes, sizeof(bytes), &n))
		return NULL;
	return json_loadb((const char *)bytes, n, JSON_REJECT_DUPLICATES, NULL);
}

/* "alg" must be ours; "crit" would name extensions that we must understand, and we understand none. */
static bool header_ok(const char *text, size_t len)
{
	json_t *header = part_json(text, len);
	const char *alg = json_string_value(json_object_get(header, "alg"));
	bool ok = alg && strcmp(alg, "ES256") == 0 && !json_object_get(header, "crit");

	json_decref(header);
	return ok;
}

/* R‖S → the DER that OpenSSL verifies. */
static int to_der(const unsigned char raw[ES256_BYTES], unsigned char **der)
{
	ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(raw, 32, NULL), *s = BN_bin2bn(raw + 32, 32, NULL);
	int n = -1;

	*der = NULL;
	if (sig && r && s && ECDSA_SIG_set0(sig, r, s)) {
		n = i2d_ECDSA_SIG(sig, der);
	} else {
		BN_free(r);
		BN_free(s);
	}
	ECDSA_SIG_free(sig);
	return n;
}

static bool signature_ok(EVP_PKEY *key, const char *signed_part, size_t size, const unsigned char raw[ES256_BYTES])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char *der;
	int n = to_der(raw, &der);
	bool ok = ctx && n > 0 && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
		  EVP_DigestVerify(ctx, der, (size_t)n, (const unsigned char *)signed_part, size) == 1;

	OPENSSL_free(der);
	EVP_MD_CTX_free(ctx);
	return ok;
}

json_t *auth_jwt_claims(EVP_PKEY *key, const char *token, const char **why)
{
	const char *dot = strchr(token, '.'), *dot2 = dot ? strchr(dot + 1, '.') : NULL;
	unsigned char raw[ES256_BYTES];
	json_t *claims;
	size_t n;

	*why = ERR_TEXT("the token is malformed");
	if (!dot2 || strlen(token) > AUTH_TOKEN_MAX || strchr(dot2 + 1, '.'))
		return NULL;
	*why = ERR_TEXT("the token is not signed by us");
	if (!header_ok(token, (size_t)(dot - token)) || !decode(dot2 + 1, strlen(dot2 + 1), raw, sizeof(raw), &n) ||
	    n != sizeof(raw) || !signature_ok(key, token, (size_t)(dot2 - token), raw))
		return NULL;
	*why = ERR_TEXT("the token is malformed");
	claims = part_json(dot + 1, (size_t)(dot2 - dot - 1));
	if (json_is_object(claims))
		return claims;
	json_decref(claims);
	return NULL;
}
