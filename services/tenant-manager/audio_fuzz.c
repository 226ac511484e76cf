#include "audio.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Uploads are outside bytes, and libsndfile reads many formats: none may cost more than the limit says. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str out = STR_INIT;

	(void)!audio_convert(&out, data, size, 1 << 20, NULL);
	if (out.len > (1 << 20) + 8192)
		__builtin_trap();
	str_done(&out);
	return 0;
}
