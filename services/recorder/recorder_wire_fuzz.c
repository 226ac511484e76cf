/* Any bytes as an event of the stream, and as what another recorder says that a tenant uses. */
#include <stdlib.h>
#include <string.h>

#include "recorder_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err_detail d = { "", "" };
	char path[SEGMENT_PATH];
	struct fact f;
	uint64_t bytes;

	if (use_from_pb(&bytes, data, size, &d) && !d.message[0])
		abort();
	if (fact_from_pb(&f, data, size, &d) || f.kind == FACT_OTHER || f.kind == FACT_PURGED)
		return 0;
	/* What validates names a file below the directory, and nothing else. */
	if (segment_path(path, f.r.tenant, f.r.id) || strstr(path, ".."))
		abort();
	return 0;
}
