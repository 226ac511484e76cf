#include "staff.h"

#include <stdlib.h>
#include <string.h>
#include "rights/rights.h"

static bool is_managed(const struct staff *s)
{
	const uint64_t manages = rights_bit(RIGHT_OPERATORS_MANAGE) | rights_bit(RIGHT_TOKENS_CREATE);

	for (size_t i = 0; i < s->n; i++) {
		if ((s->members[i].rights & manages) == manages)
			return true;
	}
	return false;
}

err_t staff_check(const struct staff *before, const struct staff *after, struct err_detail *detail)
{
	if (!is_managed(before) || is_managed(after))
		return ERR_OK;
	return err_set(detail, ERR_PRECONDITION, "name",
		       "no operator would be left who can manage operators (operators.manage and tokens.create): give "
		       "it to another one first");
}

static int by_id(const void *id, const void *member)
{
	return strcmp(id, ((const struct staff_member *)member)->id);
}

bool staff_loses(const struct staff_member *before, const struct staff *after)
{
	const struct staff_member *now =
	    after->n ? bsearch(before->id, after->members, after->n, sizeof(*after->members), by_id) : NULL;

	return !now || before->rights & ~now->rights;
}
