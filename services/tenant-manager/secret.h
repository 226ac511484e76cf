/*
 * secret: passwords given in clear become what is kept: digest hashes (HA1) of phones and trunks for the tenant's realm.
 */
#ifndef TM_SECRET_H
#define TM_SECRET_H

#include "base/err.h"

#define HA1_MD5_TEXT	33
#define HA1_SHA256_TEXT 65

/* Hex of MD5 and SHA-256 of "user:realm:password" (RFC 7616 3.4.2, RFC 8760). */
err_t secret_ha1(const char *user, const char *realm, const char *password, char md5[HA1_MD5_TEXT],
		 char sha256[HA1_SHA256_TEXT]) MUST;
/* 8 to 128 bytes without control characters. */
err_t secret_check(const char *password, const char *field, struct err_detail *detail) MUST;

#endif
