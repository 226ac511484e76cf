/*
 * uses: which tokens were let in, for Token.use_time_ms (GT-3): kept here for some seconds, then said on the bus at once, so that a request costs
 * one look-up. revoked.c notes and sends; tenant-manager reads. Loop thread.
 *
 *	uses_note(&u, key, now_ms);                  // with each request
 *	e = uses_from_pb(list, &n, data, size, &d);  // tenant-manager, of a message on USES_SUBJECT
 */
#ifndef REVOKED_USES_H
#define REVOKED_USES_H

#include "auth/auth.h"
#include "base/str.h"
#include "bus/bus.h"
#include "tenantconf/map.h"

#define USES_SUBJECT "tl.tokens.used"
#define USES_MAX     1000  /* of one message */
#define USES_KEPT    65536 /* tokens between two messages; what is more is not noted */
#define USES_MS	     15000 /* between them */

struct uses {
	struct bus *bus;
	struct map tokens;
	struct loop_timer timer;
};
struct token_use {
	char tenant[64], id[AUTH_TOKEN_ID]; /* tenant "": of an operator */
	int64_t at_ms;			    /* wall time */
};

void uses_init(struct uses *u, struct bus *bus);
/* Says what is left. Before the bus. */
void uses_done(struct uses *u);
void uses_note(struct uses *u, const struct auth_user *user, int64_t at_ms);

/* Appended to out, packed. */
err_t uses_to_pb(struct str *out, const struct token_use *list, size_t n) MUST;
/* list: room for USES_MAX. ERR_INVALID: detail says which is wrong. */
err_t uses_from_pb(struct token_use *list, size_t *ret_n, const void *data, size_t size,
		   struct err_detail *detail) MUST;

#endif
