/* segment_internal: encoding of headers and frames, shared by writer and reader. */
#ifndef RECORDING_SEGMENT_INTERNAL_H
#define RECORDING_SEGMENT_INTERNAL_H

#include "recording/segment.h"

#define SEGMENT_MAGIC	   "TLKSEG1\n"
#define SEGMENT_HEAD	   14 /* magic, crc, length */
#define SEGMENT_HEADER_MAX (SEGMENT_HEAD + 8 + 4 * SEGMENT_NAME)

size_t segment_encode_header(uint8_t buf[SEGMENT_HEADER_MAX], const struct segment_info *info);
/* Length of the whole header from its first SEGMENT_HEAD bytes; 0: no segment file. */
size_t segment_header_size(const uint8_t *bytes);
bool segment_decode_header(struct segment_info *ret, const uint8_t *bytes, size_t size);

/* Writes SEGMENT_FRAME bytes and the payload. */
size_t segment_encode_frame(uint8_t *buf, const struct segment_frame *f);
/* Payload length from the first SEGMENT_FRAME bytes. */
size_t segment_payload_size(const uint8_t *bytes);
bool segment_decode_frame(struct segment_frame *ret, const uint8_t *bytes, size_t size);

#endif
