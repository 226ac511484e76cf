#include "rtp/rtp_event.h"

#include <string.h>

static const char digits[] = "0123456789*#ABCD";

bool rtp_event_write(uint8_t buf[RTP_EVENT_SIZE], char digit, bool end, unsigned volume, uint16_t duration)
{
	const char *at = digit ? strchr(digits, digit) : NULL;

	if (!at)
		return false;
	buf[0] = (uint8_t)(at - digits);
	buf[1] = (uint8_t)((end ? 0x80 : 0) | (volume & 63));
	rtp_put16(buf + 2, duration);
	return true;
}

static void report(const struct rtp_event_rx *rx, struct rtp_event *ret)
{
	ret->digit = rx->digit;
	ret->duration_ms = (rx->before + rx->duration) / 8;
}

/* A late or repeated packet of an event that is over? Timestamps of events only go forward. */
static bool is_old(const struct rtp_event_rx *rx, const struct rtp_packet *p)
{
	if (!rx->seen || p->ssrc != rx->ssrc)
		return false;
	return rx->active ? (int32_t)(p->ts - rx->ts) < 0 : (int32_t)(p->ts - rx->ts) <= 0;
}

/* An event longer than 65,535 units goes on as a new segment: same digit, timestamp right behind (RFC 4733, 2.5.1.3). */
static bool continues(const struct rtp_event_rx *rx, const struct rtp_packet *p, char digit)
{
	return rx->active && digit == rx->digit && rx->duration >= 0xfff0 - 160 && p->ts - rx->ts >= 0xfff0 - 160 &&
	       p->ts - rx->ts <= 0xffff;
}

static unsigned begin(struct rtp_event_rx *rx, const struct rtp_packet *p, char digit, struct rtp_event *ret)
{
	unsigned r = RTP_EVENT_STARTED;

	if (continues(rx, p, digit)) {
		rx->before += p->ts - rx->ts;
		rx->ts = p->ts;
		rx->duration = 0;
		return RTP_EVENT_NOTHING;
	}
	if (rx->active) {
		report(rx, ret);
		r |= RTP_EVENT_ENDED;
	}
	rx->active = rx->seen = true;
	rx->ssrc = p->ssrc;
	rx->ts = p->ts;
	rx->digit = digit;
	rx->duration = 0;
	rx->before = 0;
	if (!(r & RTP_EVENT_ENDED))
		*ret = (struct rtp_event){ .digit = digit };
	return r;
}

unsigned rtp_event_packet(struct rtp_event_rx *rx, const struct rtp_packet *p, int64_t now_ms, struct rtp_event *ret)
{
	unsigned r = RTP_EVENT_NOTHING;
	uint16_t duration;
	bool end;

	if (p->size < RTP_EVENT_SIZE || p->payload[0] > 15 || is_old(rx, p))
		return RTP_EVENT_NOTHING;
	end = p->payload[1] >> 7;
	duration = rtp_get16(p->payload + 2);
	if (!rx->active || p->ssrc != rx->ssrc || p->ts != rx->ts)
		r = begin(rx, p, digits[p->payload[0]], ret);
	rx->last_ms = now_ms;
	if (duration > rx->duration)
		rx->duration = duration;
	/* When the one before has just been reported, an end in the same packet waits for its repetition or for poll. */
	if (!end || r & RTP_EVENT_ENDED)
		return r;
	rx->active = false;
	report(rx, ret);
	return r | RTP_EVENT_ENDED;
}

bool rtp_event_poll(struct rtp_event_rx *rx, int64_t now_ms, struct rtp_event *ret)
{
	if (!rx->active || now_ms - rx->last_ms < RTP_EVENT_LOST_MS)
		return false;
	rx->active = false;
	report(rx, ret);
	return true;
}
