/*
 * rtp: header of an RTP packet (RFC 3550, 5.1). Pure; any thread.
 *
 *	struct rtp_packet p;
 *	if (rtp_parse(&p, bytes, size)) …        // false: not RTP, drop it
 *	size_t n = rtp_write(buf, &p);           // header of 12 bytes; the payload goes behind it
 */
#ifndef RTP_RTP_H
#define RTP_RTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RTP_HEADER 12

struct rtp_packet {
	uint8_t pt;
	bool marker;
	uint16_t seq;
	uint32_t ts, ssrc;
	const uint8_t *payload; /* inside the bytes parsed */
	size_t size;
};

/* Checks version, contributing sources, extension and padding against the size. */
bool rtp_parse(struct rtp_packet *ret, const uint8_t *bytes, size_t size);
/* True for what RFC 5761 (4) tells to be RTCP. */
bool rtp_is_rtcp(const uint8_t *bytes, size_t size);
/* Writes the header without contributing sources; returns RTP_HEADER. */
size_t rtp_write(uint8_t buf[RTP_HEADER], const struct rtp_packet *p);

static inline uint16_t rtp_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}
static inline uint32_t rtp_get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static inline void rtp_put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}
static inline void rtp_put32(uint8_t *p, uint32_t v)
{
	rtp_put16(p, (uint16_t)(v >> 16));
	rtp_put16(p + 2, (uint16_t)v);
}

#endif
