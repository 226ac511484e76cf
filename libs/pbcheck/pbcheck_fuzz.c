/* What pbcheck lets through protobuf-c must unpack, or refuse by itself, without harm. */
#include <stdint.h>
#include <string.h>
#include "google/protobuf/struct.pb-c.h"
#include "pbcheck/pbcheck.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err_detail detail;
	ProtobufCMessage *msg;

	if (pbcheck_unpack(&msg, &google__protobuf__struct__descriptor, data, size, &detail) == ERR_OK)
		protobuf_c_message_free_unpacked(msg, NULL);
	return 0;
}
