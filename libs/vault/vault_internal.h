/* vault_internal: a tenant as the vault sees it, so that what it decides is tested without a bus. */
#ifndef VAULT_INTERNAL_H
#define VAULT_INTERNAL_H

#include <stdatomic.h>
#include "vault/vault.h"

#define VAULT_COLUMNS_MAX 4

struct vault_tenant {
	atomic_uint refs;
	const struct tenant *conf; /* NULL: unknown */
	unsigned sensitive;	   /* bit i: column i */
	const struct vault_column *columns;
	struct sealed_keys *keys; /* NULL: none that opens */
};

/* What all tenants have in common. columns live longer than the last view. */
struct vault_common {
	const struct vault_column *columns;
	size_t n;
	struct sealed_column sealed[VAULT_COLUMNS_MAX];
	bool has_master;
	uint8_t master[SEALED_KEY];
};
/* Holds the configuration. ERR_DATA_LOSS in *ret_key, with the version in *ret_version: a key does not open; the tenant is there all the same. */
err_t vault_tenant_new(struct vault_tenant **ret, const struct vault_common *c, const struct tenant *conf,
		       err_t *ret_key, uint32_t *ret_version) MUST;
void vault_tenant_unref(struct vault_tenant **t);
void vault_register_metrics(void);

/* trunkline.config.v1.KeyProgress; its size. */
#define VAULT_PROGRESS 40
size_t vault_progress_to_pb(uint32_t version, int64_t done, int64_t total, bool finished, uint8_t ret[VAULT_PROGRESS]);

#endif
