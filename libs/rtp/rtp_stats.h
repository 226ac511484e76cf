/*
 * rtp_stats: what a receiver knows about one stream (RFC 3550, appendix A): loss, jitter, extended sequence. Pure.
 *
 *	struct rtp_stats s = { 0 };
 *	rtp_stats_packet(&s, &packet, arrival_us);
 *	uint64_t lost = rtp_stats_lost(&s);
 */
#ifndef RTP_RTP_STATS_H
#define RTP_RTP_STATS_H

#include "rtp/rtp.h"

struct rtp_stats {
	bool started;
	uint32_t ssrc;
	uint16_t max_seq;
	uint32_t cycles, base_seq, bad_seq;
	uint64_t received; /* of this source */
	uint64_t expected_prior, received_prior;
	uint64_t packets, octets; /* of all sources so far */
	uint64_t lost_before;	  /* lost of earlier sources */
	uint64_t sources;	  /* changes of SSRC and restarts of the sequence */
	int64_t transit;	  /* in timestamp units */
	uint32_t jitter_q4;	  /* timestamp units · 16 */
};

/* Clock rate 8 kHz. False: a packet far out of sequence that is not believed yet. A new SSRC starts over. */
bool rtp_stats_packet(struct rtp_stats *s, const struct rtp_packet *p, int64_t arrival_us);
/* Packets that never came, over all sources; 0 when duplicates outnumber them. */
uint64_t rtp_stats_lost(const struct rtp_stats *s);
uint32_t rtp_stats_jitter_us(const struct rtp_stats *s);
uint32_t rtp_stats_extended_seq(const struct rtp_stats *s);
/* Fraction lost since the last call, in 1/256, for a report block. */
uint8_t rtp_stats_fraction(struct rtp_stats *s);

#endif
