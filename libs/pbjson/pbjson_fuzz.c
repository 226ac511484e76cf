/* Any bytes as JSON of a message with every kind of field: no crash, an error says why, and what is accepted comes back
 * the same when it is printed and parsed again. */
#include "pbjson/pbjson.h"
#include "pbjson/pbjson_sample.pb-c.c"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print_again(const ProtobufCMessage *msg)
{
	struct str first = STR_INIT, second = STR_INIT;
	ProtobufCMessage *again;
	err_t e = pbjson_print(&first, msg, 0, NULL);

	/* What is printed must be parsed: its form is our own. */
	if (e || pbjson_parse(&again, msg->descriptor, str_text(&first), first.len, 0, NULL))
		abort();
	if (pbjson_print(&second, again, 0, NULL) || strcmp(str_text(&first), str_text(&second)))
		abort();
	protobuf_c_message_free_unpacked(again, NULL);
	str_done(&first);
	str_done(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err_detail detail = { "", "" };
	ProtobufCMessage *msg;
	err_t e = pbjson_parse(&msg, &trunkline__pbjson__sample__sample__descriptor, (const char *)data, size,
			       size & 1 ? PBJSON_IGNORE_UNKNOWN : 0, &detail);

	if (e && !detail.message[0])
		abort();
	if (!e) {
		print_again(msg);
		protobuf_c_message_free_unpacked(msg, NULL);
	}
	return 0;
}
