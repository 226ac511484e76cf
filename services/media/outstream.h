/*
 * outstream: makes one continuous RTP stream of whatever is sent to a party: relayed packets, prompts, music, digits.
 * One SSRC; sequence numbers without gaps but for packets lost before us; timestamps that follow the time. Pure.
 *
 *	struct outstream o;
 *	outstream_init(&o, ssrc, seq, ts);
 *	struct rtp_packet h = outstream_relay(&o, &packet, now_us);  // seq, ts, ssrc, marker for the packet going out
 *	struct rtp_packet h = outstream_next(&o, 160, now_us);       // for 160 samples of our own
 */
#ifndef MEDIA_OUTSTREAM_H
#define MEDIA_OUTSTREAM_H

#include "rtp/rtp.h"

struct outstream {
	uint32_t ssrc;
	uint16_t seq;	 /* next */
	uint32_t ts;	 /* next */
	int64_t last_us; /* when ts was current; 0: nothing sent yet */
	uint64_t packets, octets;
	bool mapped; /* relaying: the offsets below hold */
	uint32_t src_ssrc;
	uint16_t seq_offset;
	uint32_t ts_offset;
};

void outstream_init(struct outstream *o, uint32_t ssrc, uint16_t seq, uint32_t ts);
/* Only seq, ts, ssrc, marker of the result are filled. */
struct rtp_packet outstream_relay(struct outstream *o, const struct rtp_packet *in, int64_t now_us);
struct rtp_packet outstream_next(struct outstream *o, uint32_t samples, int64_t now_us);

#endif
