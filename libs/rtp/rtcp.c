#include "rtp/rtcp.h"

#include <string.h>

#include "rtp/rtp.h"

enum { RTCP_SR = 200, RTCP_RR = 201, RTCP_SDES = 202, RTCP_BYE = 203 };
#define NTP_1970 2208988800ull

uint64_t rtcp_ntp(int64_t wall_us)
{
	uint64_t s = (uint64_t)wall_us / 1000000, us = (uint64_t)wall_us % 1000000;

	return (s + NTP_1970) << 32 | (us << 32) / 1000000;
}

static uint8_t *head(uint8_t *p, unsigned count, uint8_t type, size_t size)
{
	p[0] = (uint8_t)(0x80 | count);
	p[1] = type;
	rtp_put16(p + 2, (uint16_t)(size / 4 - 1));
	return p + 4;
}

static uint8_t *put32(uint8_t *p, uint32_t v)
{
	rtp_put32(p, v);
	return p + 4;
}

static uint8_t *write_block(uint8_t *p, const struct rtcp_block *b)
{
	int32_t lost = b->lost > 0x7fffff ? 0x7fffff : b->lost < -0x800000 ? -0x800000 : b->lost;

	p = put32(p, b->ssrc);
	p = put32(p, (uint32_t)b->fraction_lost << 24 | ((uint32_t)lost & 0xffffff));
	p = put32(p, b->extended_seq);
	p = put32(p, b->jitter);
	p = put32(p, b->last_sr);
	return put32(p, b->delay_since_sr);
}

static uint8_t *write_sdes(uint8_t *p, uint32_t ssrc, const char *cname)
{
	size_t n = strnlen(cname, 60);
	size_t size = 8 + (2 + n + 1 + 3) / 4 * 4; /* item, its end, padding */

	memset(p, 0, size);
	rtp_put32(head(p, 1, RTCP_SDES, size), ssrc);
	p[8] = 1;
	p[9] = (uint8_t)n;
	memcpy(p + 10, cname, n);
	return p + size;
}

size_t rtcp_write(uint8_t buf[RTCP_MAX], const struct rtcp_report *r)
{
	unsigned blocks = r->has_block ? 1 : 0;
	uint8_t *p = head(buf, blocks, r->sender ? RTCP_SR : RTCP_RR, 8 + (r->sender ? 20 : 0) + 24 * blocks);

	p = put32(p, r->ssrc);
	if (r->sender) {
		p = put32(p, (uint32_t)(r->ntp >> 32));
		p = put32(p, (uint32_t)r->ntp);
		p = put32(p, r->rtp_ts);
		p = put32(p, r->packets);
		p = put32(p, r->octets);
	}
	if (r->has_block)
		p = write_block(p, &r->block);
	p = write_sdes(p, r->ssrc, r->cname ? r->cname : "");
	if (r->bye)
		p = put32(head(p, 1, RTCP_BYE, 8), r->ssrc);
	return (size_t)(p - buf);
}

static void read_blocks(struct rtcp_info *ret, const uint8_t *p, const uint8_t *end, unsigned count, uint32_t our_ssrc)
{
	for (; count && end - p >= 24; count--, p += 24) {
		uint32_t w = rtp_get32(p + 4);

		if (rtp_get32(p) != our_ssrc)
			continue;
		ret->has_block = true;
		ret->block = (struct rtcp_block){
			.ssrc = our_ssrc,
			.fraction_lost = (uint8_t)(w >> 24),
			.lost = (int32_t)((w & 0xffffff) ^ 0x800000) - 0x800000,
			.extended_seq = rtp_get32(p + 8),
			.jitter = rtp_get32(p + 12),
			.last_sr = rtp_get32(p + 16),
			.delay_since_sr = rtp_get32(p + 20),
		};
	}
}

static bool read_sr(struct rtcp_info *ret, const uint8_t *p, const uint8_t *end, unsigned count, uint32_t our_ssrc)
{
	if (end - p < 24)
		return false;
	ret->ssrc = rtp_get32(p);
	ret->has_sr = true;
	ret->ntp = (uint64_t)rtp_get32(p + 4) << 32 | rtp_get32(p + 8);
	ret->rtp_ts = rtp_get32(p + 12);
	ret->packets = rtp_get32(p + 16);
	ret->octets = rtp_get32(p + 20);
	read_blocks(ret, p + 24, end, count, our_ssrc);
	return true;
}

static bool read_rr(struct rtcp_info *ret, const uint8_t *p, const uint8_t *end, unsigned count, uint32_t our_ssrc)
{
	if (end - p < 4)
		return false;
	ret->ssrc = rtp_get32(p);
	read_blocks(ret, p + 4, end, count, our_ssrc);
	return true;
}

bool rtcp_parse(struct rtcp_info *ret, const uint8_t *bytes, size_t size, uint32_t our_ssrc)
{
	const uint8_t *p = bytes, *all = bytes + size;

	*ret = (struct rtcp_info){ 0 };
	if (size < 8 || size % 4 || (bytes[0] & 0xe0) != 0x80 || (bytes[1] != RTCP_SR && bytes[1] != RTCP_RR))
		return false;
	while (p < all) {
		const uint8_t *end;
		unsigned count = p[0] & 31;

		if (all - p < 4 || p[0] >> 6 != 2)
			return false;
		end = p + 4 * ((size_t)rtp_get16(p + 2) + 1);
		if (end > all)
			return false;
		if (p[1] == RTCP_SR && !read_sr(ret, p + 4, end, count, our_ssrc))
			return false;
		if (p[1] == RTCP_RR && !read_rr(ret, p + 4, end, count, our_ssrc))
			return false;
		if (p[1] == RTCP_BYE)
			ret->bye = true;
		p = end;
	}
	return true;
}

uint32_t rtcp_round_trip_us(const struct rtcp_block *b, uint64_t ntp_now)
{
	uint32_t now = (uint32_t)(ntp_now >> 16);
	uint32_t rtt;

	if (b->last_sr == 0)
		return 0;
	rtt = now - b->last_sr - b->delay_since_sr;
	if (rtt > 60u << 16) /* negative by clock error, or nonsense */
		return 0;
	rtt = (uint32_t)((uint64_t)rtt * 1000000 >> 16);
	return rtt ? rtt : 1;
}
