/*
 * TRUNKLINE_FAIL_ALLOC=N: from its beginning, the unit test has N allocations; each later one fails (base/mem.h). At its end it says on
 * standard error how many were refused. tools/alloc-failures runs every unit test so, again and again.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "testkit_internal.h"

int testkit_alloc_env; /* the linker is told to want it (Makefile), so that this object is in every unit test */

static bool asked(void)
{
	const char *n = getenv("TRUNKLINE_FAIL_ALLOC");

	return n && *n;
}

__attribute__((constructor)) static void begin(void)
{
	if (asked())
		mem_fail_after(strtol(getenv("TRUNKLINE_FAIL_ALLOC"), NULL, 10));
}

__attribute__((destructor)) static void end(void)
{
	if (asked())
		fprintf(stderr, "allocations refused: %ld\n", mem_refusals());
}
