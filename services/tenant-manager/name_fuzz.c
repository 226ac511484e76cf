/* Resource names from administrators: any text. What is a name is written again as it came. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kind.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[512], again[NAME_MAX_TEXT];
	struct err_detail d = { 0 };
	const struct kind *want;
	struct name n;

	if (size == 0 || size > sizeof(text))
		return 0;
	want = data[0] % (n_kinds + 1) == n_kinds ? NULL : &kinds[data[0] % (n_kinds + 1)];
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	if (name_parse(&n, text, want, "name", &d)) {
		if (strcmp(d.field, "name") != 0 || !d.message[0])
			abort();
	} else if (strcmp(name_text(n.tenant, n.kind, n.id, again), text) != 0) {
		abort();
	}
	return 0;
}
