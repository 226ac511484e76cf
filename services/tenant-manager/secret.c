#include "secret.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include "base/str.h"

#define PASSWORD_MIN 8
#define PASSWORD_MAX 128

static err_t hex_digest(const EVP_MD *type, const struct str *text, char *hex)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (!EVP_Digest(text->data, text->len, md, &n, type, NULL))
		return ERR_EXHAUSTED;
	for (unsigned i = 0; i < n; i++)
		snprintf(hex + (size_t)2 * i, 3, "%02x", md[i]);
	return ERR_OK;
}

err_t secret_ha1(const char *user, const char *realm, const char *password, char md5[HA1_MD5_TEXT],
		 char sha256[HA1_SHA256_TEXT])
{
	struct str text = STR_INIT;

	str_printf(&text, "%s:%s:%s", user, realm, password);
	err_t e = text.failed ? ERR_EXHAUSTED : hex_digest(EVP_md5(), &text, md5);
	if (!e)
		e = hex_digest(EVP_sha256(), &text, sha256);
	if (text.data)
		explicit_bzero(text.data, text.len);
	str_done(&text);
	return e;
}

err_t secret_check(const char *password, const char *field, struct err_detail *detail)
{
	size_t n = strlen(password);

	if (n < PASSWORD_MIN || n > PASSWORD_MAX)
		return err_set(detail, ERR_INVALID, field, "%zu bytes long; %d to %d", n, PASSWORD_MIN, PASSWORD_MAX);
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)password[i] < 0x20 || password[i] == 0x7f)
			return err_set(detail, ERR_INVALID, field, "has a control character");
	}
	return ERR_OK;
}
