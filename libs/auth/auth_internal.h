#ifndef AUTH_AUTH_INTERNAL_H
#define AUTH_AUTH_INTERNAL_H

#include <jansson.h>
#include <openssl/evp.h>
#include "base/str.h"
#include "auth/auth.h"

#define AUTH_ISSUER    "trunkline"
#define AUTH_TOKEN_MAX 4096

/* Reads a PEM file and makes sure that it is a P-256 key of the wanted kind. ret may be NULL: only the text is wanted. */
err_t auth_key_load(struct str *pem, EVP_PKEY **ret, const char *file, bool private_key,
		    struct err_detail *detail) MUST;

/* The claims of a token that is signed with key, a new reference; else NULL and why. */
json_t *auth_jwt_claims(EVP_PKEY *key, const char *token, const char **why);

#endif
