/*
 * sdp_crypto: one a=crypto attribute (SDES, RFC 4568 and 6188): suite, master key and salt. Pure; any thread.
 *
 * Understood: the suites below with one inline key, without MKI, with a lifetime of at least 2^20 packets (not counted: that
 * is six hours of speech) and without session parameters that change what is on the wire. Everything else is "not one of
 * ours", never an error: the other side may have sent a better line beside it.
 *
 * A struct sdp_crypto holds secrets: it is never logged nor put into an error.
 *
 *	struct sdp_crypto c;
 *	if (sdp_crypto_parse(&c, "1 AES_CM_128_HMAC_SHA1_80 inline:…", size)) …
 *	sdp_crypto_write(&c, &out);              // a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:…
 */
#ifndef SDP_SDP_CRYPTO_H
#define SDP_SDP_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/str.h"

#define SDP_KEY_MAX 46 /* master key and salt of the longest suite */

enum sdp_suite {
	SDP_SUITE_NONE,
	SDP_AES_CM_128_HMAC_SHA1_80,
	SDP_AES_CM_128_HMAC_SHA1_32,
	SDP_AES_256_CM_HMAC_SHA1_80,
};

struct sdp_crypto {
	enum sdp_suite suite;
	uint32_t tag;		  /* 1-9 digits, chosen by the offerer */
	uint8_t key[SDP_KEY_MAX]; /* master key, then salt */
};

/* Octets of master key and salt together; 0 for none. */
size_t sdp_suite_key_size(enum sdp_suite suite);
/* value: what stands behind "a=crypto:". False: malformed or not one of ours; *ret is then undefined. */
bool sdp_crypto_parse(struct sdp_crypto *ret, const char *value, size_t size);
/* The whole line with its CR LF. */
void sdp_crypto_write(const struct sdp_crypto *c, struct str *out);
/* Same suite and same key, whatever the tag. */
bool sdp_crypto_same_key(const struct sdp_crypto *a, const struct sdp_crypto *b);

#endif
