/* Whatever stands in the bucket: either a record that survives its own round trip, or an error. */
#include <stdlib.h>
#include <string.h>

#include "agents/agents_wire.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct agent_record a, b;
	struct err_detail d;
	void *bytes, *again;
	size_t n, m;

	if (agent_record_from_pb(&a, data, size, &d))
		return 0;
	if (agent_record_to_pb(&a, &bytes, &n))
		abort();
	if (agent_record_from_pb(&b, bytes, n, &d) || agent_record_to_pb(&b, &again, &m))
		abort();
	if (n != m || memcmp(bytes, again, n) != 0)
		abort();
	mem_free(bytes);
	mem_free(again);
	return 0;
}
