#include "auth_internal.h"

#include <inttypes.h>
#include <jwt.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

struct auth_verifier {
	EVP_PKEY *key;
};
struct auth_signer {
	struct str key;
};

static const struct {
	enum auth_scope scope;
	const char *name;
} scopes[] = {
	{ AUTH_OPERATOR, "operator" },
	{ AUTH_TENANT_ADMIN, "tenant-admin" },
	{ AUTH_SUPERVISOR, "supervisor" },
	{ AUTH_AGENT, "agent" },
};

const char *auth_scope_name(enum auth_scope scope)
{
	for (size_t i = 0; i < ARRAY_SIZE(scopes); i++)
		if (scopes[i].scope == scope)
			return scopes[i].name;
	return NULL;
}

enum auth_scope auth_scope_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(scopes); i++)
		if (strcmp(scopes[i].name, name) == 0)
			return scopes[i].scope;
	return AUTH_NONE;
}

static uint64_t rights_of_scopes(unsigned have)
{
	uint64_t set = 0;

	for (size_t i = 0; i < ARRAY_SIZE(scopes); i++)
		if (have & scopes[i].scope)
			set |= rights_role_find(scopes[i].name)->rights;
	return set;
}

/* ---- keys ---- */
err_t auth_verifier_new(struct auth_verifier **ret, const char *public_key_file, struct err_detail *detail)
{
	struct auth_verifier *v = mem_zalloc(sizeof(*v));
	struct str pem = STR_INIT;
	err_t e;

	if (!v)
		return ERR_EXHAUSTED;
	e = auth_key_load(&pem, &v->key, public_key_file, false, detail);
	str_done(&pem);
	if (e)
		auth_verifier_free(&v);
	else
		*ret = v;
	return e;
}

void auth_verifier_free(struct auth_verifier **v)
{
	if (!*v)
		return;
	EVP_PKEY_free((*v)->key);
	mem_free(*v);
	*v = NULL;
}

err_t auth_signer_new(struct auth_signer **ret, const char *private_key_file, struct err_detail *detail)
{
	struct auth_signer *s = mem_zalloc(sizeof(*s));
	err_t e;

	if (!s)
		return ERR_EXHAUSTED;
	e = auth_key_load(&s->key, NULL, private_key_file, true, detail);
	if (e)
		auth_signer_free(&s);
	else
		*ret = s;
	return e;
}

void auth_signer_free(struct auth_signer **s)
{
	if (!*s)
		return;
	if ((*s)->key.data)
		explicit_bzero((*s)->key.data, (*s)->key.cap);
	str_done(&(*s)->key);
	mem_free(*s);
	*s = NULL;
}

/* ---- verifying ---- */
static err_t refuse(struct err_detail *detail, const char *why)
{
	return err_set(detail, ERR_UNAUTHENTICATED, "authorization", "%s", why);
}

static err_t claim_text(json_t *claims, const char *claim, char *ret, size_t size, struct err_detail *detail)
{
	const char *v = json_string_value(json_object_get(claims, claim));

	if (str_copy(ret, size, v ? v : ""))
		return ERR_OK;
	return refuse(detail, "the token has a claim that is too long");
}

/* ERR_NOT_FOUND: absent or not an integer. */
static err_t claim_int(json_t *claims, const char *claim, int64_t *ret)
{
	json_t *v = json_object_get(claims, claim);

	*ret = json_integer_value(v);
	return json_is_integer(v) && *ret >= 0 && *ret < INT64_MAX / 2 ? ERR_OK : ERR_NOT_FOUND;
}

/* Unknown names are left out: a token of a newer issuer gives no more than we understand. */
static unsigned scopes_of(const char *text)
{
	unsigned have = 0;

	while (*text) {
		size_t n = strcspn(text, " ");

		for (size_t i = 0; i < ARRAY_SIZE(scopes); i++)
			if (strlen(scopes[i].name) == n && memcmp(scopes[i].name, text, n) == 0)
				have |= scopes[i].scope;
		text += n + (text[n] == ' ');
	}
	return have;
}

uint64_t auth_all_rights(const struct auth_user *user)
{
	uint64_t known = *user->tenant ? RIGHTS_TENANT & rights_all() : rights_all();

	return (user->rights | rights_of_scopes(user->scopes)) & known;
}

/* The set in hex, absent: empty. */
static err_t claim_rights(json_t *claims, uint64_t *ret, struct err_detail *detail)
{
	char hex[17];
	err_t e = claim_text(claims, "rights", hex, sizeof(hex), detail);

	if (e)
		return e;
	if (hex[strspn(hex, "0123456789abcdef")])
		return refuse(detail, "the token's rights are malformed");
	*ret = strtoull(hex, NULL, 16);
	return ERR_OK;
}

static err_t check_times(json_t *claims, int64_t now_s, int64_t *expires_s, struct err_detail *detail)
{
	int64_t issued, not_before;

	if (claim_int(claims, "exp", expires_s))
		return refuse(detail, "the token has no expiry");
	if (*expires_s <= now_s)
		return refuse(detail, "the token has expired");
	/* Not compared with our clock (RFC 7519, 4.1.6 asks for no such thing): one that is behind would refuse everybody. */
	if (claim_int(claims, "iat", &issued) || issued > *expires_s)
		return refuse(detail, "the token has no valid time of issue");
	if (json_object_get(claims, "nbf") &&
	    (claim_int(claims, "nbf", &not_before) || not_before > now_s + AUTH_SKEW_S))
		return refuse(detail, "the token is not valid yet");
	if (*expires_s - issued > AUTH_LIFE_MAX + AUTH_SKEW_S)
		return refuse(detail, "the token lives longer than a day");
	return ERR_OK;
}

/* What each scope needs beside itself. Without a tenant one is an operator. */
static err_t check_user(const struct auth_user *u, struct err_detail *detail)
{
	if (!*u->subject || !str_utf8_valid(u->subject, strlen(u->subject)))
		return refuse(detail, "the token names nobody");
	if (!u->scopes && !u->rights)
		return refuse(detail, "the token gives no rights");
	if (*u->tenant ? !str_is_id(u->tenant) : (u->scopes & ~(unsigned)AUTH_OPERATOR) != 0)
		return refuse(detail, "the token names no tenant");
	if (u->scopes & AUTH_AGENT && !str_is_id(u->agent))
		return refuse(detail, "the token names no agent");
	return ERR_OK;
}

static err_t user_of(json_t *claims, int64_t now_s, struct auth_user *u, struct err_detail *detail)
{
	char issuer[32], names[128];
	err_t e = claim_text(claims, "iss", issuer, sizeof(issuer), detail);

	if (!e && strcmp(issuer, AUTH_ISSUER) != 0)
		e = refuse(detail, "the token is not ours");
	if (!e)
		e = check_times(claims, now_s, &u->expires_s, detail);
	if (!e)
		e = claim_text(claims, "sub", u->subject, sizeof(u->subject), detail);
	if (!e)
		e = claim_text(claims, "tenant", u->tenant, sizeof(u->tenant), detail);
	if (!e)
		e = claim_text(claims, "agent", u->agent, sizeof(u->agent), detail);
	if (!e)
		e = claim_text(claims, "scope", names, sizeof(names), detail);
	if (!e)
		e = claim_rights(claims, &u->rights, detail);
	if (!e)
		e = claim_text(claims, "locale", u->language, sizeof(u->language), detail);
	if (!e)
		e = claim_text(claims, "jti", u->token_id, sizeof(u->token_id), detail);
	if (!e)
		e = claim_text(claims, "tenant_locale", u->tenant_language, sizeof(u->tenant_language), detail);
	if (e)
		return e;
	u->scopes = scopes_of(names);
	u->rights = auth_all_rights(u);
	return check_user(u, detail);
}

err_t auth_verify(const struct auth_verifier *v, const char *authorization, int64_t now_s, struct auth_user *ret,
		  struct err_detail *detail)
{
	struct auth_user u = { 0 };
	const char *why;
	json_t *claims;
	err_t e;

	if (str_empty(authorization))
		return refuse(detail, "a token is needed");
	if (strncasecmp(authorization, "Bearer ", 7) != 0)
		return refuse(detail, "must be \"Bearer\" and a token");
	claims = auth_jwt_claims(v->key, authorization + 7, &why);
	if (!claims)
		return refuse(detail, why);
	e = user_of(claims, now_s, &u, detail);
	json_decref(claims);
	if (!e)
		*ret = u;
	return e;
}

/* ---- signing ---- */
static bool add_scopes(jwt_t *jwt, unsigned have)
{
	struct str s = STR_INIT;
	bool ok;

	for (size_t i = 0; i < ARRAY_SIZE(scopes); i++)
		if (have & scopes[i].scope)
			str_printf(&s, "%s%s", s.len ? " " : "", scopes[i].name);
	ok = !s.failed && jwt_add_grant(jwt, "scope", str_text(&s)) == 0;
	str_done(&s);
	return ok;
}

static bool add_rights(jwt_t *jwt, uint64_t beyond)
{
	char hex[17];

	snprintf(hex, sizeof(hex), "%" PRIx64, beyond);
	return !beyond || jwt_add_grant(jwt, "rights", hex) == 0;
}

static bool add_claims(jwt_t *jwt, const struct auth_user *u, int64_t now_s, int64_t lifetime_s)
{
	return !jwt_add_grant(jwt, "iss", AUTH_ISSUER) && !jwt_add_grant(jwt, "sub", u->subject) &&
	       (!*u->tenant || !jwt_add_grant(jwt, "tenant", u->tenant)) &&
	       (!*u->agent || !jwt_add_grant(jwt, "agent", u->agent)) &&
	       (!*u->language || !jwt_add_grant(jwt, "locale", u->language)) &&
	       (!*u->token_id || !jwt_add_grant(jwt, "jti", u->token_id)) &&
	       (!*u->tenant_language || !jwt_add_grant(jwt, "tenant_locale", u->tenant_language)) &&
	       !jwt_add_grant_int(jwt, "iat", (long)now_s) &&
	       !jwt_add_grant_int(jwt, "exp", (long)(now_s + lifetime_s)) && add_scopes(jwt, u->scopes) &&
	       add_rights(jwt, u->rights & ~rights_of_scopes(u->scopes));
}

void auth_token_id_floor(int64_t then_ms, char ret[AUTH_TOKEN_ID])
{
	snprintf(ret, AUTH_TOKEN_ID, "%012" PRIx64 "00000000000000000000",
		 (uint64_t)then_ms & UINT64_C(0xffffffffffff));
}

err_t auth_token_id(int64_t now_ms, char ret[AUTH_TOKEN_ID])
{
	unsigned char random[10];

	if (sodium_init() < 0)
		return ERR_EXHAUSTED;
	randombytes_buf(random, sizeof(random));
	auth_token_id_floor(now_ms, ret);
	(void)sodium_bin2hex(ret + 12, AUTH_TOKEN_ID - 12, random, sizeof(random));
	return ERR_OK;
}

err_t auth_sign(const struct auth_signer *s, const struct auth_user *user, int64_t now_s, int64_t lifetime_s,
		char **ret)
{
	jwt_t *jwt = NULL;
	char *text = NULL;
	err_t e = ERR_EXHAUSTED;

	if (lifetime_s < 1 || lifetime_s > AUTH_LIFE_MAX || check_user(user, NULL))
		return ERR_INVALID;
	if (jwt_new(&jwt))
		return ERR_EXHAUSTED;
	if (add_claims(jwt, user, now_s, lifetime_s) &&
	    !jwt_set_alg(jwt, JWT_ALG_ES256, (const unsigned char *)s->key.data, (int)s->key.len))
		text = jwt_encode_str(jwt);
	if (text) {
		*ret = mem_strdup(text);
		e = *ret ? ERR_OK : ERR_EXHAUSTED;
		free(text);
	}
	jwt_free(jwt);
	return e;
}

/* ---- who may what ---- */
bool auth_has(const struct auth_user *user, enum right right)
{
	return (user->rights & rights_bit(right)) != 0;
}

err_t auth_require(const struct auth_user *user, enum right right, struct err_detail *detail)
{
	if (auth_has(user, right))
		return ERR_OK;
	return err_set(detail, ERR_DENIED, "", "%s may not do this: it needs %s", user->subject, rights_name(right));
}

err_t auth_check(const char *method, const struct auth_user *user, struct err_detail *detail)
{
	enum right needs = rights_of_method(method);

	if (needs == RIGHT_PUBLIC)
		return ERR_OK;
	if (needs == RIGHT_NONE)
		return err_set(detail, ERR_DENIED, "", "nobody may do this");
	return auth_require(user, needs, detail);
}

bool auth_is_operator(const struct auth_user *user)
{
	return !*user->tenant;
}

uint64_t auth_may_give(const struct auth_user *user)
{
	return user->rights | (auth_has(user, RIGHT_TENANTS_DELEGATE) ? RIGHTS_TENANT & rights_all() : 0);
}

err_t auth_tenant(const struct auth_user *user, const char *requested, const char **ret, struct err_detail *detail)
{
	if (auth_is_operator(user)) {
		if (str_empty(requested))
			return err_set(detail, ERR_INVALID, "tenant", "must be given by an operator");
		*ret = requested;
		return ERR_OK;
	}
	if (!str_empty(requested) && strcmp(requested, user->tenant) != 0)
		return err_set(detail, ERR_NOT_FOUND, "tenant", AUTH_NO_SUCH_TENANT);
	*ret = user->tenant;
	return ERR_OK;
}
