/*
 * operator: operators and the roles of their own making, operators/{operator} and roles/{role} (GT-3.1.2): tm.operator_resource. Create, update
 * and delete, as in ops.h; Get and List are those of every resource. Each change is decided on the picture of all of them
 * (staff.h) before and after it; the changes of the platform come one after the other (change.h), which makes that exact.
 */
#ifndef TM_OPERATOR_H
#define TM_OPERATOR_H

#include "change.h"

extern const struct kind operator_kind, operator_role_kind;

err_t ops_operator_create(struct db_tx *tx, void *job);
err_t ops_operator_update(struct db_tx *tx, void *job);
err_t ops_operator_delete(struct db_tx *tx, void *job);

/* What an operator may now, in a change of the platform. ERR_NOT_FOUND: there is none of this id, or he is disabled; ERR_PRECONDITION: he may
 * nothing; both name "operator_id". */
err_t operator_rights(struct change *c, const char *id, uint64_t *ret) MUST;

#endif
