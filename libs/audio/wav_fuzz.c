#include "audio/wav.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err_detail detail;
	volatile uint8_t sum = 0;
	struct wav w;

	if (wav_parse(&w, data, size, &detail) == ERR_OK)
		for (size_t i = 0; i < w.size_bytes; i++)
			sum = (uint8_t)(sum + w.data[i]);
	return 0;
}
