/* AES-256-GCM (NIST SP 800-38D). With a random nonce: at most 2^32 texts under one key, which a column of one version does not reach. */
#include "sealed_internal.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

err_t gcm_encrypt(const uint8_t key[SEALED_KEY], const uint8_t nonce[NONCE], const char *label, size_t label_size,
		  const void *text, size_t n, uint8_t *ret)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int size = 0, last = 0;
	err_t e = ERR_EXHAUSTED;

	if (c && EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, key, nonce) == 1 &&
	    EVP_EncryptUpdate(c, NULL, &size, (const uint8_t *)label, (int)label_size) == 1 &&
	    EVP_EncryptUpdate(c, ret, &size, text, (int)n) == 1 && EVP_EncryptFinal_ex(c, ret + size, &last) == 1 &&
	    EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG, ret + n) == 1)
		e = ERR_OK;
	EVP_CIPHER_CTX_free(c);
	return e;
}

err_t gcm_decrypt(const uint8_t key[SEALED_KEY], const uint8_t nonce[NONCE], const char *label, size_t label_size,
		  const uint8_t *box, size_t size, uint8_t *ret)
{
	EVP_CIPHER_CTX *c;
	uint8_t tag[TAG];
	int n = 0, last = 0;
	err_t e = ERR_DATA_LOSS;

	if (size < TAG)
		return e;
	c = EVP_CIPHER_CTX_new();
	if (!c)
		return ERR_EXHAUSTED;
	memcpy(tag, box + size - TAG, TAG);
	/* The tag is compared in constant time, within the last step. */
	if (EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, key, nonce) == 1 &&
	    EVP_DecryptUpdate(c, NULL, &n, (const uint8_t *)label, (int)label_size) == 1 &&
	    EVP_DecryptUpdate(c, ret, &n, box, (int)(size - TAG)) == 1 &&
	    EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG, tag) == 1 && EVP_DecryptFinal_ex(c, ret + n, &last) == 1)
		e = ERR_OK;
	EVP_CIPHER_CTX_free(c);
	return e;
}

err_t gcm_seal(const uint8_t key[SEALED_KEY], const char *label, size_t label_size, const void *text, size_t n,
	       uint8_t *ret)
{
	if (RAND_bytes(ret, NONCE) != 1)
		return ERR_UNAVAILABLE;
	return gcm_encrypt(key, ret, label, label_size, text, n, ret + NONCE);
}

err_t gcm_open(const uint8_t key[SEALED_KEY], const char *label, size_t label_size, const uint8_t *box, size_t size,
	       uint8_t *ret)
{
	if (size < NONCE + TAG)
		return ERR_DATA_LOSS;
	return gcm_decrypt(key, box, label, label_size, box + NONCE, size - NONCE, ret);
}
