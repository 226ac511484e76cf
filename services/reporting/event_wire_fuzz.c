/* Any bytes from Kafka: an event that can be counted, or refused. */
#include <stdint.h>
#include "event_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kpi_batch *b;
	struct kpi_event ev;
	struct err_detail d;

	if (kpi_batch_new(&b))
		return 0;
	if (!event_from_pb(&ev, data, size, &d))
		kpi_apply(b, &ev, 1);
	kpi_batch_free(&b);
	return 0;
}
