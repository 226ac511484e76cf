/*
 * bootstrap: the first operator's token, in a file that only the service's user can read. There is no default password.
 *
 * While the service runs the file holds a token that is valid for at least 12 hours more: it is the credential of whoever
 * administers the machine. An empty auth.bootstrap_token_file switches it off, when operators have tokens of their own.
 */
#ifndef TM_BOOTSTRAP_H
#define TM_BOOTSTRAP_H

#include "manager.h"

struct bootstrap;
err_t bootstrap_new(struct bootstrap **ret, struct manager *tm, struct err_detail *detail) MUST;
/* Looks now whether the token in the file is still good. */
void bootstrap_kick(struct bootstrap *b);
void bootstrap_free(struct bootstrap **b);

#endif
