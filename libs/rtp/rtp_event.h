/*
 * rtp_event: telephone-events (RFC 4733): digits as packets. Pure.
 *
 * The sender repeats the end three times and any packet may be lost, doubled or late: the decoder reports each digit once
 * when it starts and once when it ends: at its end bit, at the start of the next one, or when nothing came for
 * RTP_EVENT_LOST_MS (rtp_event_poll).
 *
 *	struct rtp_event_rx rx = { 0 };
 *	struct rtp_event ev;
 *	if (rtp_event_packet(&rx, &packet, now_ms, &ev) & RTP_EVENT_ENDED) … ev.digit, ev.duration_ms …
 */
#ifndef RTP_RTP_EVENT_H
#define RTP_RTP_EVENT_H

#include "rtp/rtp.h"

#define RTP_EVENT_LOST_MS 200
#define RTP_EVENT_SIZE	  4

enum rtp_event_result { RTP_EVENT_NOTHING = 0, RTP_EVENT_STARTED = 1, RTP_EVENT_ENDED = 2 };

struct rtp_event {
	char digit; /* 0-9 * # A-D */
	uint32_t duration_ms;
};

struct rtp_event_rx {
	bool active, seen;
	uint32_t ssrc, ts;
	char digit;
	uint16_t duration; /* timestamp units of the current segment */
	uint32_t before;   /* of earlier segments of a long event */
	int64_t last_ms;
};

/* Bits of enum rtp_event_result. With both ENDED and STARTED *ret is the digit that ended; with STARTED alone the one that
 * begins. A packet with start and end in one (all others lost) gives both for the same digit. */
unsigned rtp_event_packet(struct rtp_event_rx *rx, const struct rtp_packet *p, int64_t now_ms, struct rtp_event *ret);
/* Ends a digit whose end packets were all lost. */
bool rtp_event_poll(struct rtp_event_rx *rx, int64_t now_ms, struct rtp_event *ret);

/* Payload of an event; false: not a digit. duration in timestamp units, volume 0…63 (-dBm0). */
bool rtp_event_write(uint8_t buf[RTP_EVENT_SIZE], char digit, bool end, unsigned volume, uint16_t duration);

#endif
