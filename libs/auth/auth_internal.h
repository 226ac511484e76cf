#ifndef AUTH_AUTH_INTERNAL_H
#define AUTH_AUTH_INTERNAL_H

#include "base/str.h"
#include "auth/auth.h"

#define AUTH_ISSUER    "trunkline"
#define AUTH_TOKEN_MAX 4096
#define AUTH_LIFE_MAX  86400
#define AUTH_SKEW_S    60 /* clocks of issuer and verifier may differ by this */

/* Reads a PEM file and makes sure that it is a P-256 key of the wanted kind. */
err_t auth_key_load(struct str *pem, const char *file, bool private_key, struct err_detail *detail) MUST;

#endif
