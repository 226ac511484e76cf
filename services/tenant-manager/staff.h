/*
 * staff: all operators and what each may, as one picture, and what becomes of a change of it (GT-3.1.2). Pure, any thread.
 *
 *	e = staff_check(&before, &after, &detail);         // somebody is left who can manage them
 *	for (i …)
 *		if (staff_loses(&before.members[i], &after)) … his tokens go with what he has lost
 */
#ifndef TM_STAFF_H
#define TM_STAFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

struct staff_member {
	const char *id;
	uint64_t rights; /* a set of rights.h, of all his roles; 0: he is disabled */
};
struct staff {
	struct staff_member *members; /* by id (strcmp), each once */
	size_t n;
};

/* ERR_PRECONDITION, of "name": it would leave nobody with operators.manage and tokens.create, where there is somebody. */
err_t staff_check(const struct staff *before, const struct staff *after, struct err_detail *detail) MUST;
/* He has not all afterwards that he has before, or is gone. */
bool staff_loses(const struct staff_member *before, const struct staff *after);

#endif
