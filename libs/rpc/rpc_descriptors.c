#include "rpc_internal.h"

/* protoc's FileDescriptorSet of everything under proto/, as it was built. */
__asm__(".pushsection .rodata\n"
	".balign 16\n"
	".local rpc_descriptors_start\n"
	"rpc_descriptors_start:\n"
	".incbin \"build/gen/trunkline.binpb\"\n"
	".local rpc_descriptors_end\n"
	"rpc_descriptors_end:\n"
	".byte 0\n"
	".popsection\n");

extern const char rpc_descriptors_start[] __attribute__((visibility("hidden")));
extern const char rpc_descriptors_end[] __attribute__((visibility("hidden")));

const void *rpc_descriptors(size_t *size)
{
	*size = (size_t)((uintptr_t)rpc_descriptors_end - (uintptr_t)rpc_descriptors_start);
	return rpc_descriptors_start;
}
