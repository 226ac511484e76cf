#include "tenantconf/tenantconf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is in KV came through the network: any bytes must end as a snapshot or an error. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err_detail d = { 0 };
	const struct tenant *t;
	const struct tenant_agent *a;

	if (!tenantconf_tenant_from_pb(&t, data, size, &d)) {
		for (size_t i = 0; i < t->n_numbers; i++)
			(void)tenant_number_target(&t->numbers[i], (int64_t)size * 86400000);
		tenant_unref(&t);
	}
	if (!tenantconf_agent_from_pb(&a, data, size, &d))
		tenant_agent_unref(&a);
	return 0;
}
