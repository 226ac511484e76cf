/* ops_deletion: the report of a deletion, for the operations and the purge that writes it. On a database worker. */
#ifndef TM_OPS_DELETION_H
#define TM_OPS_DELETION_H

#include "ops.h"

/* The present tenant's last deletion, in the arena. ERR_NOT_FOUND. */
err_t ops_deletion_load(struct db_tx *tx, struct arena *a, const char *tenant,
			Trunkline__Admin__V1__TenantDeletion **ret) MUST;
/* So many of it have gone, besides those that the report has already. */
err_t ops_deletion_add(struct arena *a, Trunkline__Admin__V1__TenantDeletion *d, const char *what, uint64_t count,
		       uint64_t bytes) MUST;
/* What stays, and why (deletion.h). */
err_t ops_deletion_keep(struct arena *a, Trunkline__Admin__V1__TenantDeletion *d) MUST;
/* The deletions of a tenant as a kind of resource: tenants/acme/deletions/1764500000000. */
extern const struct kind ops_deletion_kind;

#endif
