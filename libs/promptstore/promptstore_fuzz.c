#include "promptstore/promptstore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a chunk says of itself must hold, or the fetch would write outside of its buffer. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct promptstore_chunk c;

	if (promptstore_chunk_parse(&c, data, size))
		return 0;
	if (c.audio_size > PROMPTSTORE_CHUNK_BYTES ||
	    (uint64_t)c.n * PROMPTSTORE_CHUNK_BYTES + c.audio_size > c.total_bytes)
		__builtin_trap();
	return 0;
}
