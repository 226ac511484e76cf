/*
 * sensitive: which fields of a tenant are stored encrypted, and the key for it (GT-16). tenant-manager makes the key and gives it to
 * the services, wrapped, with the configuration; it encrypts nothing with it itself. On a database worker, but for the first two.
 */
#ifndef TM_SENSITIVE_H
#define TM_SENSITIVE_H

#include "change.h"
#include "trunkline/admin/v1/admin.pb-c.h"

/* Each is known and there once. */
err_t sensitive_check(const Trunkline__Admin__V1__Tenant *t, struct err_detail *detail) MUST;
/* As they stand in tm.tenant.sensitive: bit n is field n. */
unsigned sensitive_bits(const Trunkline__Admin__V1__Tenant *t);
bool sensitive_from_bits(struct arena *a, unsigned bits, size_t *ret_n, Trunkline__Config__V1__SensitiveField **ret);
/* A tenant with sensitive fields has a key from now on. ERR_PRECONDITION: there is no master key. */
err_t sensitive_ensure_key(struct change *c, const Trunkline__Admin__V1__Tenant *t) MUST;
/* Such a version, of new random bytes. There is a master key (sensitive_check_master). */
err_t sensitive_insert_key(struct change *c, uint32_t version) MUST;
err_t sensitive_check_master(struct job *j, const char *field) MUST;
/* The versions of the key as they are published; in the arena. */
err_t sensitive_load_keys(struct db_tx *tx, struct arena *a, size_t *ret_n,
			  Trunkline__Config__V1__TenantKey ***ret) MUST;

#endif
