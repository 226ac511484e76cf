/* Envelopes from a database that somebody else may have written to: none opens, each part lies within the text. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "sealed/sealed.h"

static struct sealed_keys *make_keys(void)
{
	static const struct sealed_column columns[] = { { "rep.call.caller", true } };
	const uint8_t key[SEALED_KEY] = { 1 };
	struct sealed_keys *k = NULL;

	if (sealed_keys_new(&k, "acme", columns, 1) || sealed_keys_add(k, 1, key))
		abort();
	return k;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sealed_keys *k;
	char prefix[SEALED_VERSIONS_MAX][SEALED_PREFIX];
	struct str clear = STR_INIT;
	struct sealed_parts p;
	size_t n;
	char *text = mem_alloc(size + 1);

	if (!k)
		k = make_keys();
	memcpy(text, data, size);
	text[size] = '\0';
	if (sealed_parse(&p, text, size) == ERR_OK &&
	    (p.index < text || p.payload + p.payload_size != text + size || p.index + p.index_size + 1 != p.payload))
		abort();
	if (sealed_open(k, 0, "row", text, &clear) == ERR_OK) /* the key was thrown away */
		abort();
	if (sealed_find(k, 0, text, prefix, &n) == ERR_OK && n != 1)
		abort();
	str_done(&clear);
	mem_free(text);
	return 0;
}
