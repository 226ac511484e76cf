#include "rtp/rtp_stats.h"

enum { MAX_DROPOUT = 3000, MAX_MISORDER = 100 };
#define SEQ_MOD 65536u

static uint64_t lost_of_source(const struct rtp_stats *s)
{
	uint64_t expected;

	if (!s->started)
		return 0;
	expected = (uint64_t)rtp_stats_extended_seq(s) - s->base_seq + 1;
	return expected > s->received ? expected - s->received : 0;
}

static void start(struct rtp_stats *s, const struct rtp_packet *p)
{
	if (s->started)
		s->lost_before += lost_of_source(s);
	s->started = true;
	s->sources++;
	s->ssrc = p->ssrc;
	s->max_seq = p->seq;
	s->base_seq = p->seq;
	s->bad_seq = SEQ_MOD + 1;
	s->cycles = 0;
	s->received = 0;
	s->expected_prior = s->received_prior = 0;
	s->transit = INT64_MIN;
	s->jitter_q4 = 0;
}

/* RFC 3550 A.1; two packets in a row far away mean that the sender has started again. */
static bool update_seq(struct rtp_stats *s, const struct rtp_packet *p)
{
	uint16_t delta = (uint16_t)(p->seq - s->max_seq);

	if (delta < MAX_DROPOUT) {
		if (p->seq < s->max_seq)
			s->cycles += SEQ_MOD;
		s->max_seq = p->seq;
	} else if (delta <= SEQ_MOD - MAX_MISORDER) {
		if (p->seq != s->bad_seq) {
			s->bad_seq = (p->seq + 1u) & (SEQ_MOD - 1);
			return false;
		}
		start(s, p);
	}
	return true;
}

static void update_jitter(struct rtp_stats *s, const struct rtp_packet *p, int64_t arrival_us)
{
	int64_t transit = (int32_t)((uint32_t)(arrival_us * 8 / 1000) - p->ts);

	if (s->transit != INT64_MIN) { /* not the first packet */
		int64_t d = (int32_t)(transit - s->transit);

		if (d < 0)
			d = -d;
		if (d < 8000 * 4) /* a jump of the clock is not jitter */
			s->jitter_q4 = (uint32_t)((int64_t)s->jitter_q4 + d - ((s->jitter_q4 + 8) >> 4));
	}
	s->transit = transit;
}

bool rtp_stats_packet(struct rtp_stats *s, const struct rtp_packet *p, int64_t arrival_us)
{
	if (!s->started || p->ssrc != s->ssrc)
		start(s, p);
	else if (!update_seq(s, p))
		return false;
	s->received++;
	s->packets++;
	s->octets += p->size;
	update_jitter(s, p, arrival_us);
	return true;
}

uint64_t rtp_stats_lost(const struct rtp_stats *s)
{
	return s->lost_before + lost_of_source(s);
}

uint32_t rtp_stats_jitter_us(const struct rtp_stats *s)
{
	return (uint32_t)((uint64_t)(s->jitter_q4 >> 4) * 125);
}

uint32_t rtp_stats_extended_seq(const struct rtp_stats *s)
{
	return s->cycles + s->max_seq;
}

uint8_t rtp_stats_fraction(struct rtp_stats *s)
{
	uint64_t expected, expected_interval, received_interval;

	if (!s->started)
		return 0;
	expected = (uint64_t)rtp_stats_extended_seq(s) - s->base_seq + 1;
	expected_interval = expected - s->expected_prior;
	received_interval = s->received - s->received_prior;
	s->expected_prior = expected;
	s->received_prior = s->received;
	if (expected_interval == 0 || expected_interval <= received_interval)
		return 0;
	return (uint8_t)(((expected_interval - received_interval) << 8) / expected_interval > 255
			     ? 255
			     : ((expected_interval - received_interval) << 8) / expected_interval);
}
