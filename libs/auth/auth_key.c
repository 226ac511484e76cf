#include "auth_internal.h"

#include <errno.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

#define PEM_MAX 16384

static err_t read_file(struct str *pem, const char *file, struct err_detail *detail)
{
	char part[1024];
	size_t n;
	FILE *f = fopen(file, "re");

	if (!f)
		return err_set(detail, err_from_errno(errno), "key", "%s: %s", file, strerror(errno));
	while ((n = fread(part, 1, sizeof(part), f)) > 0 && pem->len < PEM_MAX)
		str_append_n(pem, part, n);
	fclose(f);
	return pem->failed ? ERR_EXHAUSTED : ERR_OK;
}

static bool is_p256(EVP_PKEY *key)
{
	char group[32] = "";
	size_t n;

	return EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
	       EVP_PKEY_get_group_name(key, group, sizeof(group), &n) == 1 && strcmp(group, "prime256v1") == 0;
}

static int no_passphrase(char *buf, int size, int rwflag, void *arg)
{
	(void)buf, (void)size, (void)rwflag, (void)arg;
	return -1;
}

err_t auth_key_load(struct str *pem, EVP_PKEY **ret, const char *file, bool private_key, struct err_detail *detail)
{
	err_t e = read_file(pem, file, detail);
	EVP_PKEY *key;
	BIO *bio;

	if (e)
		return e;
	bio = BIO_new_mem_buf(str_text(pem), (int)pem->len);
	if (!bio)
		return ERR_EXHAUSTED;
	key = private_key ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL)
			  : PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
	if (!key || !is_p256(key))
		e = err_set(detail, ERR_INVALID, "key", "%s: must be a P-256 %s key in PEM", file,
			    private_key ? "private" : "public");
	if (!e && ret)
		*ret = key;
	else
		EVP_PKEY_free(key);
	BIO_free(bio);
	return e;
}
