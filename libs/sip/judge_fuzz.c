/* Bytes from the network through Sofia's parser and the judge: neither may crash, hang or read outside. */
#include <stddef.h>
#include <stdint.h>
#include "sip/judge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct judgement j = judge_bytes(data, size);

	if (j.verdict == JUDGE_REFUSE && (j.status < 400 || j.status > 699))
		__builtin_trap();
	return 0;
}
