/*
 * rtcp: sender and receiver reports with a CNAME (RFC 3550, 6). Pure.
 *
 *	uint8_t buf[RTCP_MAX];
 *	size_t n = rtcp_write(buf, &report);
 *	struct rtcp_info info;
 *	if (rtcp_parse(&info, bytes, size, our_ssrc)) …
 */
#ifndef RTP_RTCP_H
#define RTP_RTCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RTCP_MAX 160

/* One report block about a source. */
struct rtcp_block {
	uint32_t ssrc;
	uint8_t fraction_lost;
	int32_t lost; /* 24 bits on the wire: clamped */
	uint32_t extended_seq, jitter;
	uint32_t last_sr, delay_since_sr; /* 1/65536 s */
};

struct rtcp_report {
	uint32_t ssrc;
	const char *cname; /* at most 60 bytes are sent */
	bool sender;	   /* SR: the next four count */
	uint64_t ntp;
	uint32_t rtp_ts, packets, octets;
	bool has_block;
	struct rtcp_block block;
	bool bye;
};

/* What a compound packet from the peer says. */
struct rtcp_info {
	uint32_t ssrc;
	bool has_sr;
	uint64_t ntp;
	uint32_t rtp_ts, packets, octets;
	bool has_block; /* about us */
	struct rtcp_block block;
	bool bye;
};

/* NTP time stamp (RFC 3550, 4) of a wall time in µs since 1970. */
uint64_t rtcp_ntp(int64_t wall_us);
size_t rtcp_write(uint8_t buf[RTCP_MAX], const struct rtcp_report *r);
/* A whole valid compound packet (RFC 3550 A.2) or false. our_ssrc: whose report block is wanted. */
bool rtcp_parse(struct rtcp_info *ret, const uint8_t *bytes, size_t size, uint32_t our_ssrc);
/* Round trip in µs from a block about us, now as NTP time; 0: unknown. */
uint32_t rtcp_round_trip_us(const struct rtcp_block *b, uint64_t ntp_now);

#endif
