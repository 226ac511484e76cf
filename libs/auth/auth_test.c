#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jwt.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "auth/auth.h"
#include "base/mem.h"
#include "base/str.h"
#include "testkit/testkit.h"

#define NOW 1800000000

static char dir[TESTKIT_PATH];
static char private_file[TESTKIT_PATH + 64], public_file[TESTKIT_PATH + 64], other_file[TESTKIT_PATH + 64];
static char p384_file[TESTKIT_PATH + 64];
static struct auth_verifier *verifier;
static struct auth_signer *signer, *other;
static struct str public_pem = STR_INIT;

static const struct auth_user agent = { "agent:1001", "acme", "1001", AUTH_AGENT | AUTH_SUPERVISOR, 0 };

static void make_key(const char *curve, const char *name, char *priv, char *pub)
{
	EVP_PKEY *key = EVP_EC_gen(curve);
	FILE *f;

	snprintf(priv, TESTKIT_PATH + 64, "%s/%s.key", dir, name);
	f = fopen(priv, "w");
	PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
	if (pub) {
		snprintf(pub, TESTKIT_PATH + 64, "%s/%s.pub", dir, name);
		f = fopen(pub, "w");
		PEM_write_PUBKEY(f, key);
		fclose(f);
	}
	EVP_PKEY_free(key);
}

static int setup(void **state)
{
	(void)state;
	testkit_dir(dir);
	make_key("P-256", "token", private_file, public_file);
	make_key("P-256", "other", other_file, NULL);
	make_key("P-384", "p384", p384_file, NULL);
	testkit_read(public_file, &public_pem);
	assert_int_equal(auth_verifier_new(&verifier, public_file, NULL), ERR_OK);
	assert_int_equal(auth_signer_new(&signer, private_file, NULL), ERR_OK);
	assert_int_equal(auth_signer_new(&other, other_file, NULL), ERR_OK);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	auth_verifier_free(&verifier);
	auth_signer_free(&signer);
	auth_signer_free(&other);
	str_done(&public_pem);
	return 0;
}

static err_t verify(const char *token, int64_t now_s, struct auth_user *u, const char **why)
{
	static struct err_detail detail;
	struct str s = STR_INIT;
	err_t e;

	detail.message[0] = '\0';
	str_printf(&s, "Bearer %s", token);
	e = auth_verify(verifier, str_text(&s), now_s, u, &detail);
	str_done(&s);
	if (why)
		*why = detail.message;
	return e;
}

static void a_signed_token_gives_back_its_user(void **state)
{
	struct auth_user u;
	char *token = NULL;

	(void)state;
	assert_int_equal(auth_sign(signer, &agent, NOW, 3600, &token), ERR_OK);
	assert_int_equal(verify(token, NOW + 10, &u, NULL), ERR_OK);
	assert_string_equal(u.subject, "agent:1001");
	assert_string_equal(u.tenant, "acme");
	assert_string_equal(u.agent, "1001");
	assert_int_equal(u.scopes, AUTH_AGENT | AUTH_SUPERVISOR);
	assert_int_equal(u.expires_s, NOW + 3600);
	mem_free(token);
}

static void an_expired_token_is_refused(void **state)
{
	struct auth_user u;
	const char *why;
	char *token = NULL;

	(void)state;
	assert_int_equal(auth_sign(signer, &agent, NOW, 3600, &token), ERR_OK);
	assert_int_equal(verify(token, NOW + 3600, &u, &why), ERR_UNAUTHENTICATED);
	assert_string_equal(why, "the token has expired");
	mem_free(token);
}

static void a_token_of_another_key_is_refused(void **state)
{
	struct auth_user u;
	char *token = NULL;

	(void)state;
	assert_int_equal(auth_sign(other, &agent, NOW, 3600, &token), ERR_OK);
	assert_int_equal(verify(token, NOW, &u, NULL), ERR_UNAUTHENTICATED);
	mem_free(token);
}

/* A token with all claims right, made by the library under test's own library with another algorithm. */
static char *forge(jwt_alg_t alg, const char *key)
{
	jwt_t *jwt;
	char *token;

	assert_int_equal(jwt_new(&jwt), 0);
	jwt_add_grant(jwt, "iss", "trunkline");
	jwt_add_grant(jwt, "sub", "operator:root");
	jwt_add_grant(jwt, "scope", "operator");
	jwt_add_grant_int(jwt, "iat", NOW);
	jwt_add_grant_int(jwt, "exp", NOW + 3600);
	assert_int_equal(jwt_set_alg(jwt, alg, (const unsigned char *)key, key ? (int)strlen(key) : 0), 0);
	token = jwt_encode_str(jwt);
	jwt_free(jwt);
	assert_non_null(token);
	return token;
}

/* GT-15: clocks an hour apart. */
static void a_clock_that_is_behind_the_issuers_refuses_nobody(void **state)
{
	struct auth_user u;
	char *token = NULL;

	(void)state;
	assert_int_equal(auth_sign(signer, &agent, NOW, 7200, &token), ERR_OK);
	assert_int_equal(verify(token, NOW - 3600, &u, NULL), ERR_OK);
	assert_int_equal(u.expires_s, NOW + 7200);
	mem_free(token);
}

static void a_token_without_signature_is_refused(void **state)
{
	struct auth_user u;
	char *token = forge(JWT_ALG_NONE, NULL);
	struct str padded = STR_INIT;

	(void)state;
	assert_int_equal(verify(token, NOW, &u, NULL), ERR_UNAUTHENTICATED);
	str_printf(&padded, "%sAAAA", token); /* alg none, but something in the place of the signature */
	assert_int_equal(verify(str_text(&padded), NOW, &u, NULL), ERR_UNAUTHENTICATED);
	str_done(&padded);
	free(token);
}

static void the_public_key_is_no_hmac_secret(void **state)
{
	static const jwt_alg_t algs[] = { JWT_ALG_HS256, JWT_ALG_HS384, JWT_ALG_HS512 };
	struct auth_user u;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(algs); i++) {
		char *token = forge(algs[i], str_text(&public_pem));

		assert_int_equal(verify(token, NOW, &u, NULL), ERR_UNAUTHENTICATED);
		free(token);
	}
}

static void a_changed_token_is_refused(void **state)
{
	struct auth_user u;
	char *token = NULL;
	size_t n;

	(void)state;
	assert_int_equal(auth_sign(signer, &agent, NOW, 3600, &token), ERR_OK);
	n = strlen(token) - 2; /* the low bits of the very last character are padding */
	for (size_t i = 0; i < n; i++) {
		char was = token[i];

		token[i] = was == 'A' ? 'B' : 'A';
		assert_int_equal(verify(token, NOW, &u, NULL), ERR_UNAUTHENTICATED);
		token[i] = was;
	}
	assert_int_equal(verify(token, NOW, &u, NULL), ERR_OK);
	mem_free(token);
}

static void garbage_is_refused(void **state)
{
	static const char *const bad[] = { "",
					   "Bearer",
					   "Bearer ",
					   "Basic YTpi",
					   "Bearer a.b",
					   "Bearer a.b.c",
					   "Bearer ..",
					   "Bearer a..c",
					   "Bearer a.b.c.d",
					   "Bearer {}.{}.{}",
					   "Bearer \xff\xfe.a.b",
					   "Bearer e30.e30.e30",
					   "Bearer eyJhbGciOiJFUzI1NiJ9.e30.AA" };
	struct err_detail detail;
	struct auth_user u;
	char *huge = mem_alloc(100001);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(auth_verify(verifier, bad[i], NOW, &u, &detail), ERR_UNAUTHENTICATED);
	assert_int_equal(auth_verify(verifier, NULL, NOW, &u, &detail), ERR_UNAUTHENTICATED);
	assert_non_null(huge);
	memset(huge, 'a', 100000);
	huge[100000] = '\0';
	assert_int_equal(verify(huge, NOW, &u, NULL), ERR_UNAUTHENTICATED);
	mem_free(huge);
}

static void claims_that_do_not_fit_together_are_not_signed(void **state)
{
	static const struct auth_user bad[] = {
		{ "", "acme", "1001", AUTH_AGENT, 0 },		 /* nobody */
		{ "agent:1", "", "1001", AUTH_AGENT, 0 },	 /* no tenant */
		{ "agent:1", "acme", "", AUTH_AGENT, 0 },	 /* no agent */
		{ "agent:1", "ac.me", "1001", AUTH_AGENT, 0 },	 /* a tenant that would escape its subject */
		{ "agent:1", "acme", ">", AUTH_AGENT, 0 },	 /* a wildcard */
		{ "admin", "acme", "", 0, 0 },			 /* no rights */
	};
	char *token = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(auth_sign(signer, &bad[i], NOW, 60, &token), ERR_INVALID);
	assert_int_equal(auth_sign(signer, &agent, NOW, 0, &token), ERR_INVALID);
	assert_int_equal(auth_sign(signer, &agent, NOW, 86401, &token), ERR_INVALID);
}

static void only_p256_keys_are_taken(void **state)
{
	struct err_detail detail = { 0 };
	struct auth_signer *s = NULL;
	struct auth_verifier *v = NULL;

	(void)state;
	assert_int_equal(auth_signer_new(&s, p384_file, &detail), ERR_INVALID);
	assert_non_null(strstr(detail.message, "P-256"));
	assert_int_equal(auth_signer_new(&s, public_file, &detail), ERR_INVALID);
	assert_int_equal(auth_verifier_new(&v, "/nonexistent", &detail), ERR_NOT_FOUND);
}

static void a_method_needs_its_scope_and_an_unlisted_one_is_denied(void **state)
{
	static const struct auth_rule rules[] = { { "/a/Admin", AUTH_TENANT_ADMIN | AUTH_OPERATOR },
						  { "/a/Agent", AUTH_AGENT },
						  { NULL, 0 } };

	(void)state;
	assert_int_equal(auth_check(rules, "/a/Agent", &agent, NULL), ERR_OK);
	assert_int_equal(auth_check(rules, "/a/Admin", &agent, NULL), ERR_DENIED);
	assert_int_equal(auth_check(rules, "/a/Other", &agent, NULL), ERR_DENIED);
}

static void a_foreign_tenant_does_not_exist(void **state)
{
	static const struct auth_user root = { "operator:root", "", "", AUTH_OPERATOR, 0 };
	struct err_detail detail = { 0 };
	const char *tenant;

	(void)state;
	assert_int_equal(auth_tenant(&agent, "globex", &tenant, &detail), ERR_NOT_FOUND);
	assert_string_equal(detail.message, AUTH_NO_SUCH_TENANT);
	assert_int_equal(auth_tenant(&agent, "", &tenant, &detail), ERR_OK);
	assert_string_equal(tenant, "acme");
	assert_int_equal(auth_tenant(&root, "globex", &tenant, &detail), ERR_OK);
	assert_string_equal(tenant, "globex");
	assert_int_equal(auth_tenant(&root, NULL, &tenant, &detail), ERR_INVALID);
}

static void a_password_is_known_by_its_hash_only(void **state)
{
	char hash[AUTH_HASH_TEXT], again[AUTH_HASH_TEXT];

	(void)state;
	assert_int_equal(auth_password_hash("correct horse", hash), ERR_OK);
	assert_int_equal(auth_password_hash("correct horse", again), ERR_OK);
	assert_string_not_equal(hash, again);
	assert_memory_equal(hash, "$argon2id$", 10);
	assert_true(auth_password_ok(hash, "correct horse"));
	assert_false(auth_password_ok(hash, "wrong horse"));
	assert_false(auth_password_ok("", "x"));
	assert_false(auth_password_ok("$argon2id$garbage", "x"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_signed_token_gives_back_its_user),
		cmocka_unit_test(an_expired_token_is_refused),
		cmocka_unit_test(a_token_of_another_key_is_refused),
		cmocka_unit_test(a_clock_that_is_behind_the_issuers_refuses_nobody),
		cmocka_unit_test(a_token_without_signature_is_refused),
		cmocka_unit_test(the_public_key_is_no_hmac_secret),
		cmocka_unit_test(a_changed_token_is_refused),
		cmocka_unit_test(garbage_is_refused),
		cmocka_unit_test(claims_that_do_not_fit_together_are_not_signed),
		cmocka_unit_test(only_p256_keys_are_taken),
		cmocka_unit_test(a_method_needs_its_scope_and_an_unlisted_one_is_denied),
		cmocka_unit_test(a_foreign_tenant_does_not_exist),
		cmocka_unit_test(a_password_is_known_by_its_hash_only),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
