/* Any bytes as a configuration file: no crash, and an error always says which line or setting. */
#include "config_internal.h"

#include <stdlib.h>
#include <string.h>

struct all {
	int64_t number;
	bool flag;
	char *text;
	char *deep;
};

static const struct config_item items[] = { CONFIG_INT(struct all, number, "a.number", 1, 0, 100, "n"),
					    CONFIG_BOOL(struct all, flag, "flag", false, "f"),
					    CONFIG_STR(struct all, text, "a.text", "x", "t"),
					    CONFIG_STR(struct all, deep, "a.b.c.d", "y", "d"), CONFIG_END };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct all all = { 0 };
	struct err_detail detail = { "", "" };
	const struct config_table table = { items, &all };
	err_t e = config_parse(&table, 1, (const char *)data, size, &detail);

	if (e && !detail.message[0])
		abort();
	if (!e && (all.number < 0 || all.number > 100))
		abort();
	config_free(&table, 1);
	return 0;
}
