/* Whatever bytes: slices lie inside, and what was counted is what comes. */
#include <assert.h>
#include <stdint.h>
#include "events/events_batch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct events_slice s;
	size_t at = 0, n = 0, counted = 0;
	bool bad;

	while (events_batch_next(&s, data, size, &at, &bad)) {
		assert((const uint8_t *)s.data >= data && s.size <= size);
		assert((const uint8_t *)s.data + s.size <= data + size);
		n++;
	}
	if (events_batch_count(data, size, &counted) == ERR_OK)
		assert(counted == n);
	return 0;
}
