/* Any bytes as what another service says of tokens that were used. */
#include <stdlib.h>
#include <string.h>

#include "uses.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct token_use list[USES_MAX];
	struct err_detail d = { 0 };
	size_t n = 0;

	if (uses_from_pb(list, &n, data, size, &d)) {
		if (!d.message[0])
			abort();
		return 0;
	}
	if (n > USES_MAX)
		abort();
	for (size_t i = 0; i < n; i++)
		if (!memchr(list[i].tenant, '\0', sizeof(list[i].tenant)) || !list[i].id[0] ||
		    !memchr(list[i].id, '\0', sizeof(list[i].id)))
			abort();
	return 0;
}
