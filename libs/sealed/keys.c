/* The keys: derived ones of a tenant; a tenant's under the platform's. */
#include "sealed_internal.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "base/mem.h"

#define HEX_DIGITS (2 * SEALED_KEY)

err_t sealed_keys_new(struct sealed_keys **ret, const char *tenant, const struct sealed_column *columns,
		      size_t n_columns)
{
	struct sealed_keys *k = n_columns > COLUMNS_MAX ? NULL : mem_zalloc(sizeof(*k));

	if (!k)
		return ERR_EXHAUSTED;
	if (!str_copy(k->tenant, sizeof(k->tenant), tenant)) {
		mem_free(k);
		return ERR_INVALID;
	}
	for (size_t i = 0; i < n_columns; i++)
		k->columns[i] = columns[i];
	k->n_columns = n_columns;
	*ret = k;
	return ERR_OK;
}

void sealed_keys_free(struct sealed_keys **pk)
{
	if (!*pk)
		return;
	OPENSSL_cleanse(*pk, sizeof(**pk));
	mem_free(*pk);
	*pk = NULL;
}

err_t hkdf(const uint8_t key[SEALED_KEY], const void *salt, size_t salt_size, const void *info, size_t info_size,
	   uint8_t ret[SEALED_KEY])
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, NULL);
	size_t size = SEALED_KEY;
	bool ok = c && EVP_PKEY_derive_init(c) > 0 && EVP_PKEY_CTX_set_hkdf_md(c, EVP_sha256()) > 0 &&
		  (!salt_size || EVP_PKEY_CTX_set1_hkdf_salt(c, salt, (int)salt_size) > 0) &&
		  EVP_PKEY_CTX_set1_hkdf_key(c, key, SEALED_KEY) > 0 &&
		  EVP_PKEY_CTX_add1_hkdf_info(c, info, (int)info_size) > 0 && EVP_PKEY_derive(c, ret, &size) > 0 &&
		  size == SEALED_KEY;

	EVP_PKEY_CTX_free(c);
	return ok ? ERR_OK : ERR_EXHAUSTED;
}

static err_t derive(const uint8_t key[SEALED_KEY], const char *purpose, const char *column, uint8_t ret[SEALED_KEY])
{
	char label[LABEL_MAX];
	int n = snprintf(label, sizeof(label), "trunkline/%s/%s", purpose, column);

	return n > 0 && (size_t)n < sizeof(label) ? hkdf(key, NULL, 0, label, (size_t)n, ret) : ERR_EXHAUSTED;
}

const struct version *version_find(const struct sealed_keys *k, uint32_t number)
{
	for (size_t i = 0; i < k->n_versions; i++)
		if (k->versions[i].number == number)
			return &k->versions[i];
	return NULL;
}

uint32_t sealed_newest(const struct sealed_keys *k)
{
	return k->newest ? k->newest->number : 0;
}

err_t sealed_keys_add(struct sealed_keys *k, uint32_t version, const uint8_t key[SEALED_KEY])
{
	struct version *v = &k->versions[k->n_versions];
	err_t e = ERR_OK;

	if (!version || k->n_versions == SEALED_VERSIONS_MAX)
		return ERR_RANGE;
	if (version_find(k, version))
		return ERR_EXISTS;
	v->number = version;
	for (size_t i = 0; !e && i < k->n_columns; i++) {
		e = derive(key, "seal", k->columns[i].name, v->columns[i].seal);
		if (!e && k->columns[i].looked_up)
			e = derive(key, "index", k->columns[i].name, v->columns[i].index);
	}
	if (e)
		return e;
	k->n_versions++;
	if (!k->newest || k->newest->number < version)
		k->newest = v;
	return ERR_OK;
}

/* ---- a tenant's key under the platform's ---- */

err_t sealed_key_make(uint8_t ret[SEALED_KEY])
{
	return RAND_priv_bytes(ret, SEALED_KEY) == 1 ? ERR_OK : ERR_UNAVAILABLE;
}

static err_t wrap_label(const char *tenant, uint32_t version, char label[LABEL_MAX], size_t *ret_n)
{
	int n = snprintf(label, LABEL_MAX, "trunkline/key/%s/%u", tenant, version);

	if (n < 0 || n >= LABEL_MAX)
		return ERR_INVALID;
	*ret_n = (size_t)n;
	return ERR_OK;
}

err_t sealed_wrap(const uint8_t master[SEALED_KEY], const char *tenant, uint32_t version, const uint8_t key[SEALED_KEY],
		  uint8_t ret[SEALED_WRAPPED])
{
	char label[LABEL_MAX];
	size_t n = 0;
	err_t e = wrap_label(tenant, version, label, &n);

	return e ? e : gcm_seal(master, label, n, key, SEALED_KEY, ret);
}

err_t sealed_unwrap(const uint8_t master[SEALED_KEY], const char *tenant, uint32_t version, const uint8_t *wrapped,
		    size_t size, uint8_t ret[SEALED_KEY])
{
	char label[LABEL_MAX];
	size_t n = 0;
	err_t e = wrap_label(tenant, version, label, &n);

	if (!e && size != SEALED_WRAPPED)
		e = ERR_DATA_LOSS;
	return e ? e : gcm_open(master, label, n, wrapped, size, ret);
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

static err_t from_hex(uint8_t ret[SEALED_KEY], const char *text, size_t n)
{
	while (n > HEX_DIGITS && (text[n - 1] == '\n' || text[n - 1] == '\r'))
		n--;
	if (n != HEX_DIGITS)
		return ERR_INVALID;
	for (size_t i = 0; i < SEALED_KEY; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return ERR_INVALID;
		ret[i] = (uint8_t)(high << 4 | low);
	}
	return ERR_OK;
}

err_t sealed_master_read(uint8_t ret[SEALED_KEY], const char *file, const char *field, struct err_detail *detail)
{
	char text[HEX_DIGITS + 4];
	struct stat st;
	FILE *f = fopen(file, "re");

	if (!f || fstat(fileno(f), &st)) {
		if (f)
			(void)fclose(f);
		return err_set(detail, ERR_NOT_FOUND, field, "%s cannot be read", file);
	}
	size_t n = fread(text, 1, sizeof(text), f);
	(void)fclose(f);
	err_t e = from_hex(ret, text, n);
	OPENSSL_cleanse(text, sizeof(text));
	if (st.st_mode & S_IRWXO)
		return err_set(detail, ERR_DENIED, field, "%s is open to everybody: mode 0600 or 0640 is wanted", file);
	return e ? err_set(detail, e, field, "%s must hold 64 hex digits (openssl rand -hex 32)", file) : ERR_OK;
}
