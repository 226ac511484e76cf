/*
 * role: what roles give, and that nobody gives more than he has (GT-3). On a database worker, but for role_refuse.
 *
 *	e = role_rights(tx, agent->roles, agent->n_roles, &rights, &missing);
 */
#ifndef TM_ROLE_H
#define TM_ROLE_H

#include "change.h"

/* Pure: the permissions of these names; what is none gives nothing. */
uint64_t role_set(char *const *permissions, size_t n);
/* All that the roles give, built-in ones and the tenant's. One that there is not gives nothing; *ret_missing is the index of the
 * first such, n if there is none. */
err_t role_rights(struct db_tx *tx, char *const *ids, size_t n, uint64_t *ret, size_t *ret_missing) MUST;
/* All that an agent's roles give. */
err_t role_agent_rights(struct db_tx *tx, const char *agent_id, uint64_t *ret) MUST;
/* Of a role or an agent that is being written: ERR_DENIED when it gives a permission that the caller cannot give. Who sets a
 * password, or what passwords are compared with, could sign in with it, and answers for all that the agent may; else only for what is
 * new. Other kinds give nothing. */
err_t role_check_gift(struct change *c, const ProtobufCMessage *m, const ProtobufCMessage *old, bool password) MUST;
/* Pure: ERR_DENIED that names the first permission in the set that the giver cannot give. */
err_t role_refuse(const struct auth_user *giver, uint64_t set, const char *field, struct err_detail *detail) MUST;
/* The same of what an operator is given: tenants.delegate, which is for giving within tenants, adds nothing. */
err_t role_refuse_operator(const struct auth_user *giver, uint64_t set, const char *field,
			   struct err_detail *detail) MUST;

#endif
