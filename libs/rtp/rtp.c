#include "rtp/rtp.h"

bool rtp_is_rtcp(const uint8_t *bytes, size_t size)
{
	return size >= 2 && bytes[1] >= 192 && bytes[1] <= 223;
}

bool rtp_parse(struct rtp_packet *ret, const uint8_t *bytes, size_t size)
{
	size_t at = RTP_HEADER;
	size_t end = size;

	if (size < RTP_HEADER || bytes[0] >> 6 != 2 || rtp_is_rtcp(bytes, size))
		return false;
	at += 4u * (bytes[0] & 15);
	if (bytes[0] & 0x10) { /* extension: skipped */
		if (at + 4 > size)
			return false;
		at += 4 + 4u * rtp_get16(bytes + at + 2);
	}
	if (at > size)
		return false;
	if (bytes[0] & 0x20) { /* padding: its last byte says how much */
		uint8_t pad = bytes[size - 1];

		if (pad == 0 || pad > size - at)
			return false;
		end = size - pad;
	}
	*ret = (struct rtp_packet){
		.pt = bytes[1] & 127,
		.marker = bytes[1] >> 7,
		.seq = rtp_get16(bytes + 2),
		.ts = rtp_get32(bytes + 4),
		.ssrc = rtp_get32(bytes + 8),
		.payload = bytes + at,
		.size = end - at,
	};
	return true;
}

size_t rtp_write(uint8_t buf[RTP_HEADER], const struct rtp_packet *p)
{
	buf[0] = 0x80;
	buf[1] = (uint8_t)((p->marker ? 0x80 : 0) | (p->pt & 127));
	rtp_put16(buf + 2, p->seq);
	rtp_put32(buf + 4, p->ts);
	rtp_put32(buf + 8, p->ssrc);
	return RTP_HEADER;
}
