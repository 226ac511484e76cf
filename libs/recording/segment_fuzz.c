/* Whatever lies in a segment file: headers and frames are taken or refused, never read beyond their bytes. What was taken is written the same. */
#include "segment_internal.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void text(const char s[SEGMENT_NAME])
{
	if (!memchr(s, '\0', SEGMENT_NAME))
		abort();
}

static size_t header(const uint8_t *data, size_t size)
{
	uint8_t again[SEGMENT_HEADER_MAX];
	struct segment_info info;
	size_t n = size < SEGMENT_HEAD ? 0 : segment_header_size(data);

	if (n == 0 || n > size || !segment_decode_header(&info, data, n))
		return 0;
	text(info.tenant);
	text(info.call_id);
	text(info.leg_id);
	text(info.recording_id);
	if (segment_encode_header(again, &info) > sizeof(again))
		abort();
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t again[SEGMENT_FRAME + SEGMENT_PAYLOAD_MAX];
	size_t at = header(data, size);

	while (size - at >= SEGMENT_FRAME) {
		size_t n = SEGMENT_FRAME + segment_payload_size(data + at);
		struct segment_frame f;

		if (n > size - at || !segment_decode_frame(&f, data + at, n))
			break;
		if (f.size > SEGMENT_PAYLOAD_MAX || segment_encode_frame(again, &f) != n)
			abort();
		at += n;
	}
	return 0;
}
