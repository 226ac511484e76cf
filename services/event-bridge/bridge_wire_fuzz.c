/* Whatever stands in the stream becomes a record or is refused with a reason. */
#include "bridge_wire.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err_detail d = { "", "" };
	struct bridge_record r;
	struct bridge_topics_wanted wanted = { "call,agent", "umbrella,acme", size & 1 };
	char subject[64] = "ev.acme.call.c1";

	if (size > 0 && data[0] & 1 && size > 40) {
		memcpy(subject, data, 40);
		subject[40] = '\0';
	}
	if (bridge_record_from(&r, subject, data, size, &wanted, &d) && !d.message[0])
		abort();
	bridge_record_done(&r);
	return 0;
}
