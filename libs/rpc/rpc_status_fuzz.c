/* Any bytes as the grpc-status-details-bin of a server's answer. */
#include <stdlib.h>
#include <string.h>

#include "rpc_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err_detail d = { "", "" };

	rpc_status_decode(data, size, &d);
	if (!memchr(d.field, '\0', sizeof(d.field)) || !memchr(d.message, '\0', sizeof(d.message)))
		abort();
	return 0;
}
