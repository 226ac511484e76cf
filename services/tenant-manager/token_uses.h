/*
 * token_uses: writes down when tokens were used (Token.use_time_ms, GT-3): what the services say some seconds later (libs/revoked/uses.h) goes into
 * tm.token, a transaction a message, of up to 1,000. One of the instances gets each. With PostgreSQL away it is lost. Loop thread.
 */
#ifndef TM_TOKEN_USES_H
#define TM_TOKEN_USES_H

#include "manager.h"

struct token_uses;
err_t token_uses_new(struct token_uses **ret, struct manager *tm) MUST;
/* Before the bus. */
void token_uses_free(struct token_uses **u);

#endif
