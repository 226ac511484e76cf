#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include "sip/digest.h"
#include "sip/nonce.h"
#include "testkit/testkit.h"

/* RFC 7616 §3.9.1: Mufasa, Circle of Life. */
#define RFC_COMMON                                                                           \
	"username=\"Mufasa\"", "realm=\"http-auth@example.org\"", "uri=\"/dir/index.html\"", \
	    "nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\"", "nc=00000001",         \
	    "cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\"", "qop=auth"

static void the_vectors_of_rfc_7616_verify(void **state)
{
	static const char *const md5[] = { RFC_COMMON, "algorithm=MD5", "response=\"8ca523f5e9506fed4657c9700eebdbec\"",
					   NULL };
	static const char *const sha[] = {
		RFC_COMMON, "algorithm=SHA-256",
		"response=\"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1\"", NULL
	};
	struct digest_params p;
	char ha1[DIGEST_HEX];

	(void)state;
	assert_int_equal(digest_parse(&p, md5), ERR_OK);
	digest_ha1(DIGEST_MD5, "Mufasa", "http-auth@example.org", "Circle of Life", ha1);
	assert_true(digest_verify(&p, ha1, "GET"));
	assert_false(digest_verify(&p, ha1, "POST"));
	assert_int_equal(digest_parse(&p, sha), ERR_OK);
	assert_int_equal(p.algorithm, DIGEST_SHA256);
	assert_false(digest_verify(&p, ha1, "GET")); /* the MD5 secret is no SHA-256 secret */
	digest_ha1(DIGEST_SHA256, "Mufasa", "http-auth@example.org", "Circle of Life", ha1);
	assert_true(digest_verify(&p, ha1, "GET"));
	assert_false(digest_verify(&p, NULL, "GET"));
	assert_false(digest_verify(&p, "", "GET"));
}

/* RFC 2617 §3.5 without qop is RFC 2069: only the client still speaks it. */
static void an_answer_to_our_challenge_verifies(void **state)
{
	(void)state;
	for (int a = DIGEST_MD5; a <= DIGEST_SHA256; a++) {
		struct digest_params challenge = { .algorithm = (enum digest_algorithm)a }, p;
		struct str s = STR_INIT;
		const char *params[16] = { NULL };
		char ha1[DIGEST_HEX], *save = NULL;
		size_t n = 0;

		strcpy(challenge.realm, "acme.trunkline.local");
		strcpy(challenge.nonce, "0123456789");
		strcpy(challenge.qop, "auth-int, auth");
		strcpy(challenge.opaque, "o");
		digest_ha1(challenge.algorithm, "gate\"way", challenge.realm, "pw", ha1);
		digest_answer(&s, &challenge, "gate\"way", ha1, "INVITE", "sip:1@example.com", "abcd", 7);
		assert_false(s.failed);
		assert_memory_equal(s.data, "Digest ", 7);
		for (char *t = strtok_r(s.data + 7, ",", &save); t; t = strtok_r(NULL, ",", &save))
			params[n++] = t + strspn(t, " ");
		assert_int_equal(digest_parse(&p, params), ERR_OK);
		assert_string_equal(p.username, "gate\"way");
		assert_int_equal(p.nc_value, 7);
		assert_true(digest_verify(&p, ha1, "INVITE"));
		str_done(&s);
	}
}

static void broken_credentials_are_refused(void **state)
{
	static const struct {
		const char *params[6];
		err_t want;
	} rows[] = {
		{ { "realm=\"r\"", "nonce=\"n\"", NULL }, ERR_OK },
		{ { "realm = \"r\"", "nonce= n", NULL }, ERR_OK },
		{ { "realm=\"r\"", NULL }, ERR_INVALID },
		{ { "nonce=\"n\"", NULL }, ERR_INVALID },
		{ { "realm=\"r\"", "realm=\"r\"", "nonce=\"n\"", NULL }, ERR_INVALID },
		{ { "realm=\"r", "nonce=\"n\"", NULL }, ERR_INVALID },
		{ { "realm=\"r\"x", "nonce=\"n\"", NULL }, ERR_INVALID },
		{ { "realm=\"r\\", "nonce=\"n\"", NULL }, ERR_INVALID },
		{ { "realm=\"r\001\"", "nonce=\"n\"", NULL }, ERR_INVALID },
		{ { "realm=\"r\"", "nonce", NULL }, ERR_INVALID },
		{ { "realm=\"r\"", "nonce=\"n\"", "nc=1", NULL }, ERR_INVALID },
		{ { "realm=\"r\"", "nonce=\"n\"", "nc=00000000", NULL }, ERR_INVALID },
		{ { "realm=\"r\"", "nonce=\"n\"", "nc=0000000g", NULL }, ERR_INVALID },
		{ { "realm=\"r\"", "nonce=\"n\"", "algorithm=SHA-512", NULL }, ERR_UNIMPLEMENTED },
		{ { "realm=\"r\"", "nonce=\"n\"", "algorithm=MD5-sess", NULL }, ERR_UNIMPLEMENTED },
		{ { "realm=\"r\"", "nonce=\"n\"", "algorithm=MD5", "algorithm=MD5", NULL }, ERR_INVALID },
		{ { "realm=\"r\"", "nonce=\"n\"", "x=\"whatever", NULL }, ERR_OK },
	};
	struct digest_params p;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(digest_parse(&p, rows[i].params), rows[i].want);
	assert_int_equal(digest_parse(&p, NULL), ERR_INVALID);
}

/* ---- nonces ---- */

static const unsigned char key[NONCE_KEY] = "0123456789abcdef0123456789abcde";

static void a_nonce_is_good_once_per_count_and_for_its_time(void **state)
{
	struct nonces *n, *other;
	char nonce[NONCE_TEXT], second[NONCE_TEXT];

	(void)state;
	assert_int_equal(nonces_new(&n, key, 8), ERR_OK);
	assert_int_equal(nonces_new(&other, NULL, 8), ERR_OK);
	nonce_issue(n, 1000, nonce);
	nonce_issue(n, 1000, second);
	assert_string_not_equal(nonce, second);
	assert_int_equal(nonce_peek(n, nonce, 1, 1000), NONCE_OK);
	assert_int_equal(nonce_use(n, nonce, 1, 1000), NONCE_OK);
	assert_int_equal(nonce_use(n, nonce, 1, 1000), NONCE_STALE); /* replay */
	assert_int_equal(nonce_use(n, nonce, 2, 1000), NONCE_OK);
	assert_int_equal(nonce_use(n, nonce, 1, 1000), NONCE_STALE);
	assert_int_equal(nonce_use(n, nonce, 3, 1000 + NONCE_LIFE_MS), NONCE_OK);
	assert_int_equal(nonce_use(n, nonce, 4, 1001 + NONCE_LIFE_MS), NONCE_STALE);
	assert_int_equal(nonce_use(other, nonce, 5, 1000), NONCE_BAD);
	nonce[0] ^= 1;
	assert_int_equal(nonce_use(n, nonce, 6, 1000), NONCE_BAD);
	assert_int_equal(nonce_use(n, "", 1, 1000), NONCE_BAD);
	assert_int_equal(nonce_use(n, "short", 1, 1000), NONCE_BAD);
	nonces_free(&n);
	nonces_free(&other);
}

static void a_forgotten_nonce_is_stale_never_good_again(void **state)
{
	struct nonces *n;
	char nonces[12][NONCE_TEXT];

	(void)state;
	assert_int_equal(nonces_new(&n, key, 8), ERR_OK);
	for (int i = 0; i < 12; i++) {
		nonce_issue(n, 1000 + i, nonces[i]);
		assert_int_equal(nonce_use(n, nonces[i], 1, 1000 + i), NONCE_OK);
	}
	for (int i = 0; i < 12; i++)
		assert_int_equal(nonce_use(n, nonces[i], 1, 2000), NONCE_STALE);
	assert_int_equal(nonce_use(n, nonces[0], 2, 2000), NONCE_STALE); /* forgotten */
	assert_int_equal(nonce_use(n, nonces[11], 2, 2000), NONCE_OK);
	nonces_free(&n);
}

static err_t make(void *arg)
{
	struct nonces *n;
	err_t e = nonces_new(&n, key, 8);

	(void)arg;
	if (!e)
		nonces_free(&n);
	return e;
}

static void no_memory_is_an_error(void **state)
{
	(void)state;
	testkit_each_alloc_failure(make, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_vectors_of_rfc_7616_verify),
		cmocka_unit_test(an_answer_to_our_challenge_verifies),
		cmocka_unit_test(broken_credentials_are_refused),
		cmocka_unit_test(a_nonce_is_good_once_per_count_and_for_its_time),
		cmocka_unit_test(a_forgotten_nonce_is_stale_never_good_again),
		cmocka_unit_test(no_memory_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
