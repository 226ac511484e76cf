/* Whatever a server (or who poses as one) sends: parsed or refused, never outside the buffer. */
#include "nats_parse.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *buf = malloc(size ? size : 1);
	struct nats_frame f;
	size_t at = 0, len;
	ssize_t r;

	if (!buf)
		return 0;
	memcpy(buf, data, size);
	while (memset(&f, 0, sizeof(f)), (r = nats_parse(buf + at, size - at, 65536, &f)) > 0) {
		if (f.op == NATS_MSG && (strlen(f.subject) > size || (f.reply && strlen(f.reply) > size)))
			abort();
		if (f.op == NATS_MSG && f.headers) {
			(void)nats_headers_status(f.headers, f.headers_size);
			(void)nats_headers_find(f.headers, f.headers_size, "Nats-Sequence", &len);
			(void)nats_headers_u64(f.headers, f.headers_size, "Nats-Last-Consumer");
		}
		at += (size_t)r;
	}
	free(buf);
	return 0;
}
