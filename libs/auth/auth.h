/*
 * auth: tokens (JWT, ES256), passwords (argon2id), and who may call which method.
 *
 * The tenant always comes from the token, never from a request body. The tables of libs/rights map each method to the
 * permission it needs; a method that is not in them is denied (GT-3). Any thread; a verifier and a signer are read-only
 * after _new.
 *
 *	err_t e = auth_verify(verifier, rpc_metadata(call, "authorization"), clock_wall_ms() / 1000, &user, &detail);
 *	if (!e)
 *		e = auth_check(rpc_method(call), &user, &detail);
 *
 * Claims: iss "trunkline", sub, tenant, agent, scope (names of auth_scope_name separated by spaces), rights (permissions beyond
 * those of the scopes, the set of rights.h in hex), locale (of the user, OpenID Connect Core 5.1) and tenant_locale, iat, exp.
 * Only ES256. What is unknown in scope and rights gives nothing. jti (RFC 7519, 4.1.7) is what a token is withdrawn by (libs/revoked).
 */
#ifndef AUTH_AUTH_H
#define AUTH_AUTH_H

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "rights/rights.h"

#define AUTH_LANGUAGE 36    /* bytes of a language tag with its NUL (RFC 5646, 4.4.1) */
#define AUTH_TOKEN_ID 33    /* bytes of a token's id with its NUL: 32 hex digits */
#define AUTH_LIFE_MAX 86400 /* seconds that a token lives at most */
#define AUTH_SKEW_S   60    /* clocks of issuer and verifier may differ by this */

/* Built-in roles that stand in tokens by their names (rights.c has what they may). */
enum auth_scope {
	AUTH_NONE = 0,
	AUTH_OPERATOR = 1,
	AUTH_TENANT_ADMIN = 2,
	AUTH_SUPERVISOR = 4,
	AUTH_AGENT = 8,
};

struct auth_user {
	char subject[64];  /* "operator:root", "agent:1001" */
	char tenant[64];   /* "" for operators */
	char agent[64];	   /* "" unless an agent */
	unsigned scopes;   /* enum auth_scope */
	int64_t expires_s; /* Unix time */
	uint64_t rights;   /* verified: all that he may; to be signed: what he may beyond his scopes */
	/* BCP 47 tags of what the user, and the tenant's people, read; "": nothing was said when the token was made. */
	char language[AUTH_LANGUAGE], tenant_language[AUTH_LANGUAGE];
	char token_id[AUTH_TOKEN_ID]; /* jti; "": of a token that a previous version made */
};

/* "operator", "tenant-admin", "supervisor", "agent"; NULL for anything but one scope. */
const char *auth_scope_name(enum auth_scope scope);
/* AUTH_NONE: no scope has this name. */
enum auth_scope auth_scope_find(const char *name);

struct auth_verifier;
/* public_key_file: PEM (P-256). */
err_t auth_verifier_new(struct auth_verifier **ret, const char *public_key_file, struct err_detail *detail) MUST;
void auth_verifier_free(struct auth_verifier **v);
/* authorization: "Bearer eyJ…" as in the metadata. ERR_UNAUTHENTICATED with the reason (missing, malformed, expired …). */
err_t auth_verify(const struct auth_verifier *v, const char *authorization, int64_t now_s, struct auth_user *ret,
		  struct err_detail *detail) MUST;

struct auth_signer;
err_t auth_signer_new(struct auth_signer **ret, const char *private_key_file, struct err_detail *detail) MUST;
void auth_signer_free(struct auth_signer **s);
/* An id for a token: the time, then 80 random bits (the fields of a version 7 UUID, RFC 9562, 5.7, without its marks), so that ids
 * sort by age. ERR_EXHAUSTED: no random bits. */
err_t auth_token_id(int64_t now_ms, char ret[AUTH_TOKEN_ID]) MUST;
/* What every id that was made before then is smaller than. */
void auth_token_id_floor(int64_t then_ms, char ret[AUTH_TOKEN_ID]);
/* *ret heap-owned by the caller (mem_free). lifetime_s 1…86,400. */
err_t auth_sign(const struct auth_signer *s, const struct auth_user *user, int64_t now_s, int64_t lifetime_s,
		char **ret) MUST;

/* ERR_DENIED for a method without a row in libs/rights and for a caller without its permission, which the message names. */
err_t auth_check(const char *method, const struct auth_user *user, struct err_detail *detail) MUST;
bool auth_has(const struct auth_user *user, enum right right);
/* ERR_DENIED that names the permission. For what depends on a field of the request. */
err_t auth_require(const struct auth_user *user, enum right right, struct err_detail *detail) MUST;
/* Acts for the platform, on any tenant: the token is of none. */
bool auth_is_operator(const struct auth_user *user);
/* Of a user that is to be signed: with those of the scopes. */
uint64_t auth_all_rights(const struct auth_user *user);
/* What the user may give to others: what he has; by tenants.delegate all that there is within tenants. */
uint64_t auth_may_give(const struct auth_user *user);
/* What everybody says of a tenant that does not exist, or is not the caller's. */
#define AUTH_NO_SUCH_TENANT "no such tenant"
/* The tenant the caller may act for: an operator any (requested), others only their own. A foreign tenant is ERR_NOT_FOUND
 * with the very text of a tenant that does not exist. */
err_t auth_tenant(const struct auth_user *user, const char *requested, const char **ret,
		  struct err_detail *detail) MUST;

/* argon2id (libsodium, interactive limits); hash of at least 128 bytes. Slow on purpose: never on a loop with calls. */
#define AUTH_HASH_TEXT 128
err_t auth_password_hash(const char *password, char hash[AUTH_HASH_TEXT]) MUST;
bool auth_password_ok(const char *hash, const char *password);

#endif
