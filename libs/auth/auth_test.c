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

static void a_token_has_an_id_of_its_own_and_ids_sort_by_age_GT_3(void **state)
{
	char id[AUTH_TOKEN_ID], twin[AUTH_TOKEN_ID], later[AUTH_TOKEN_ID], floor[AUTH_TOKEN_ID];
	struct auth_user named = agent, u;
	char *token = NULL;

	(void)state;
	assert_int_equal(auth_token_id(NOW * 1000LL, id), ERR_OK);
	assert_int_equal(auth_token_id(NOW * 1000LL, twin), ERR_OK);
	assert_int_equal(auth_token_id(NOW * 1000LL + 1, later), ERR_OK);
	auth_token_id_floor(NOW * 1000LL, floor);
	assert_int_equal(strspn(id, "0123456789abcdef"), AUTH_TOKEN_ID - 1);
	assert_string_not_equal(id, twin);
	assert_true(strcmp(id, later) < 0 && strcmp(twin, later) < 0);
	assert_true(strcmp(floor, id) <= 0);
	auth_token_id_floor(NOW * 1000LL + 1, floor);
	assert_true(strcmp(id, floor) < 0);
	memcpy(named.token_id, id, sizeof(id));
	assert_int_equal(auth_sign(signer, &named, NOW, 3600, &token), ERR_OK);
	assert_int_equal(verify(token, NOW + 10, &u, NULL), ERR_OK);
	assert_string_equal(u.token_id, id);
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

/* GT-3 */
static void a_token_carries_permissions_beyond_its_scopes(void **state)
{
	const struct auth_user lead = { .subject = "agent:1001",
					.tenant = "acme",
					.agent = "1001",
					.scopes = AUTH_AGENT,
					.rights = rights_bit(RIGHT_REPORTS_READ) | rights_bit(RIGHT_TENANTS_CREATE) |
						  UINT64_C(1) << 39 };
	const struct auth_user reader = { .subject = "operator:mei", .rights = rights_bit(RIGHT_TENANTS_LIST) };
	struct auth_user u;
	char *token = NULL;

	(void)state;
	assert_int_equal(auth_sign(signer, &lead, NOW, 3600, &token), ERR_OK);
	assert_int_equal(verify(token, NOW, &u, NULL), ERR_OK);
	assert_int_equal(u.scopes, AUTH_AGENT);
	/* Nothing of the platform within a tenant, and nothing that is not known. */
	assert_int_equal(u.rights, rights_role_find("agent")->rights | rights_bit(RIGHT_REPORTS_READ));
	mem_free(token);
	assert_int_equal(auth_sign(signer, &reader, NOW, 3600, &token), ERR_OK);
	assert_int_equal(verify(token, NOW, &u, NULL), ERR_OK);
	assert_true(auth_is_operator(&u));
	assert_int_equal(u.rights, rights_bit(RIGHT_TENANTS_LIST));
	mem_free(token);
}

/* A token as it was made before there was the claim "rights". */
static void a_token_of_a_scope_alone_has_the_built_in_roles_permissions(void **state)
{
	struct str key = STR_INIT;
	struct auth_user u;
	char *token;

	(void)state;
	testkit_read(private_file, &key);
	token = forge(JWT_ALG_ES256, str_text(&key));
	assert_int_equal(verify(token, NOW, &u, NULL), ERR_OK);
	assert_int_equal(u.rights, rights_role_find("operator")->rights);
	free(token);
	str_done(&key);
}

static char *forge_rights(const char *rights)
{
	struct str key = STR_INIT;
	char *token;
	jwt_t *jwt;

	testkit_read(private_file, &key);
	assert_int_equal(jwt_new(&jwt), 0);
	jwt_add_grant(jwt, "iss", "trunkline");
	jwt_add_grant(jwt, "sub", "admin:mei");
	jwt_add_grant(jwt, "tenant", "acme");
	jwt_add_grant(jwt, "rights", rights);
	jwt_add_grant_int(jwt, "iat", NOW);
	jwt_add_grant_int(jwt, "exp", NOW + 3600);
	assert_int_equal(jwt_set_alg(jwt, JWT_ALG_ES256, (const unsigned char *)key.data, (int)key.len), 0);
	token = jwt_encode_str(jwt);
	jwt_free(jwt);
	str_done(&key);
	return token;
}

static void rights_that_are_no_set_are_refused(void **state)
{
	static const struct {
		const char *rights;
		err_t want;
	} rows[] = {
		{ "800", ERR_OK },
		{ "", ERR_UNAUTHENTICATED },
		{ "0", ERR_UNAUTHENTICATED },
		{ "-1", ERR_UNAUTHENTICATED },
		{ "0x800", ERR_UNAUTHENTICATED },
		{ " 800", ERR_UNAUTHENTICATED },
		{ "queues", ERR_UNAUTHENTICATED },
		{ "ffffffffffffffff", ERR_OK },
		{ "fffffffffffffffff", ERR_UNAUTHENTICATED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *token = forge_rights(rows[i].rights);
		struct auth_user u;

		assert_int_equal(verify(token, NOW, &u, NULL), rows[i].want);
		if (!rows[i].want)
			assert_int_equal(u.rights & ~(RIGHTS_TENANT & rights_all()), 0);
		free(token);
	}
}

/* Of every method of every service. */
static void a_method_needs_its_permission_and_no_other(void **state)
{
	const char *method;

	(void)state;
	for (size_t i = 0; (method = rights_method_at(i)); i++) {
		enum right needs = rights_of_method(method);
		const struct auth_user without = { .subject = "test", .rights = rights_all() & ~rights_bit(needs) };
		const struct auth_user only = { .subject = "test", .rights = rights_bit(needs) };
		struct err_detail d = { 0 };

		assert_int_equal(auth_check(method, &only, NULL), ERR_OK);
		if (needs == RIGHT_PUBLIC)
			continue;
		assert_int_equal(auth_check(method, &without, &d), ERR_DENIED);
		assert_non_null(strstr(d.message, rights_name(needs)));
	}
}

static void a_method_that_no_table_has_is_denied_to_everybody(void **state)
{
	const struct auth_user all = { .subject = "test", .rights = UINT64_MAX };

	(void)state;
	assert_int_equal(auth_check("/trunkline.admin.v1.AdminService/Other", &all, NULL), ERR_DENIED);
}

static void only_delegates_give_what_they_do_not_have(void **state)
{
	const uint64_t some = rights_bit(RIGHT_QUEUES_READ) | rights_bit(RIGHT_TOKENS_CREATE);
	const struct auth_user admin = { .tenant = "acme", .rights = some };
	const struct auth_user root = { .rights = rights_bit(RIGHT_TENANTS_DELEGATE) };

	(void)state;
	assert_int_equal(auth_may_give(&admin), some);
	assert_int_equal(auth_may_give(&root), (RIGHTS_TENANT & rights_all()) | root.rights);
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
		cmocka_unit_test(a_token_has_an_id_of_its_own_and_ids_sort_by_age_GT_3),
		cmocka_unit_test(an_expired_token_is_refused),
		cmocka_unit_test(a_token_of_another_key_is_refused),
		cmocka_unit_test(a_clock_that_is_behind_the_issuers_refuses_nobody),
		cmocka_unit_test(a_token_without_signature_is_refused),
		cmocka_unit_test(the_public_key_is_no_hmac_secret),
		cmocka_unit_test(a_changed_token_is_refused),
		cmocka_unit_test(garbage_is_refused),
		cmocka_unit_test(claims_that_do_not_fit_together_are_not_signed),
		cmocka_unit_test(only_p256_keys_are_taken),
		cmocka_unit_test(a_token_carries_permissions_beyond_its_scopes),
		cmocka_unit_test(a_token_of_a_scope_alone_has_the_built_in_roles_permissions),
		cmocka_unit_test(rights_that_are_no_set_are_refused),
		cmocka_unit_test(a_method_needs_its_permission_and_no_other),
		cmocka_unit_test(a_method_that_no_table_has_is_denied_to_everybody),
		cmocka_unit_test(only_delegates_give_what_they_do_not_have),
		cmocka_unit_test(a_foreign_tenant_does_not_exist),
		cmocka_unit_test(a_password_is_known_by_its_hash_only),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
