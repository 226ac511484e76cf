/* sealed_internal: what the files of sealed share. */
#ifndef SEALED_INTERNAL_H
#define SEALED_INTERNAL_H

#include "sealed/sealed.h"

#define COLUMNS_MAX 4
#define TENANT_MAX  64 /* with its NUL */
#define LABEL_MAX   160
#define NONCE	    12
#define TAG	    16
#define INDEX	    16 /* bytes of the HMAC that are kept */

struct version {
	uint32_t number;
	struct {
		uint8_t seal[SEALED_KEY], index[SEALED_KEY];
	} columns[COLUMNS_MAX];
};
struct sealed_keys {
	char tenant[TENANT_MAX];
	struct sealed_column columns[COLUMNS_MAX];
	size_t n_columns, n_versions;
	struct version versions[SEALED_VERSIONS_MAX];
	const struct version *newest; /* NULL: none */
};

/* NULL: there is none of this number. */
const struct version *version_find(const struct sealed_keys *k, uint32_t number);

/* HKDF-SHA-256 (RFC 5869); salt_size 0: none. */
err_t hkdf(const uint8_t key[SEALED_KEY], const void *salt, size_t salt_size, const void *info, size_t info_size,
	   uint8_t ret[SEALED_KEY]) MUST;

/* ret: ciphertext, tag: n + TAG bytes. The nonce is the caller's, never twice under one key. */
err_t gcm_encrypt(const uint8_t key[SEALED_KEY], const uint8_t nonce[NONCE], const char *label, size_t label_size,
		  const void *text, size_t n, uint8_t *ret) MUST;
/* ret: size - TAG bytes. As gcm_open(). */
err_t gcm_decrypt(const uint8_t key[SEALED_KEY], const uint8_t nonce[NONCE], const char *label, size_t label_size,
		  const uint8_t *box, size_t size, uint8_t *ret) MUST;
/* ret: nonce, ciphertext, tag: n + NONCE + TAG bytes. ERR_UNAVAILABLE: no random numbers; ERR_EXHAUSTED: no memory. */
err_t gcm_seal(const uint8_t key[SEALED_KEY], const char *label, size_t label_size, const void *text, size_t n,
	       uint8_t *ret) MUST;
/* ret: size - NONCE - TAG bytes, nothing of it to be used on failure. ERR_DATA_LOSS: not what was sealed under this key and label. */
err_t gcm_open(const uint8_t key[SEALED_KEY], const char *label, size_t label_size, const uint8_t *box, size_t size,
	       uint8_t *ret) MUST;

#endif
