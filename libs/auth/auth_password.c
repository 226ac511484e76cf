#include "auth_internal.h"

#include <sodium.h>
#include <string.h>

_Static_assert(AUTH_HASH_TEXT >= crypto_pwhash_STRBYTES, "a hash must fit");

err_t auth_password_hash(const char *password, char hash[AUTH_HASH_TEXT])
{
	if (sodium_init() < 0)
		return ERR_INTERNAL;
	if (crypto_pwhash_str_alg(hash, password, strlen(password), crypto_pwhash_OPSLIMIT_INTERACTIVE,
				  crypto_pwhash_MEMLIMIT_INTERACTIVE, crypto_pwhash_ALG_ARGON2ID13))
		return ERR_EXHAUSTED;
	return ERR_OK;
}

bool auth_password_ok(const char *hash, const char *password)
{
	char text[crypto_pwhash_STRBYTES] = "";

	if (sodium_init() < 0 || strlen(hash) >= sizeof(text))
		return false;
	memcpy(text, hash, strlen(hash) + 1); /* libsodium reads the whole array */
	return crypto_pwhash_str_verify(text, password, strlen(password)) == 0;
}
