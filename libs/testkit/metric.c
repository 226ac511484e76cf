#include "testkit/testkit.h"

#include <stdlib.h>
#include <string.h>
#include "metrics/metrics.h"

int64_t testkit_metric(const char *name)
{
	struct str page = STR_INIT;
	size_t n = strlen(name);
	int64_t value = -1;

	metrics_print(&page);
	for (const char *at = str_text(&page); at; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (strncmp(at, name, n) == 0 && at[n] == ' ')
			value = strtoll(at + n, NULL, 10);
	}
	str_done(&page);
	return value;
}
