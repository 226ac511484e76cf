#include "tenantconf/tz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tz *z;

	if (tz_parse(&z, data, size, NULL))
		return 0;
	for (int64_t t = -4000000000; t < 8000000000; t += 31556952 * 3)
		(void)tz_offset_s(z, t);
	tz_free(&z);
	return 0;
}
