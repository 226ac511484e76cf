#include "outstream.h"

#define JUMP	1000	     /* packets: another stream under the same SSRC */
#define TS_JUMP (8000 * 10u) /* samples: likewise */
#define IDLE_US 60000	     /* silence that shows in the timestamps */

void outstream_init(struct outstream *o, uint32_t ssrc, uint16_t seq, uint32_t ts)
{
	*o = (struct outstream){ .ssrc = ssrc, .seq = seq, .ts = ts };
}

/* The timestamp of now for a source that begins: behind all that was sent, moved on by the time nothing was. */
static uint32_t fresh_ts(const struct outstream *o, int64_t now_us)
{
	int64_t idle_us = now_us - o->last_us;

	return o->last_us && idle_us > IDLE_US ? o->ts + (uint32_t)(idle_us * 8 / 1000) : o->ts;
}

static bool still_mapped(const struct outstream *o, const struct rtp_packet *in)
{
	int16_t seq = (int16_t)(uint16_t)(in->seq + o->seq_offset - o->seq);
	int32_t ts = (int32_t)(in->ts + o->ts_offset - o->ts);

	return o->mapped && in->ssrc == o->src_ssrc && seq > -JUMP && seq < JUMP && ts > -(int32_t)TS_JUMP &&
	       ts < (int32_t)TS_JUMP;
}

static void account(struct outstream *o, uint16_t seq, uint32_t ts_end, int64_t now_us, uint64_t octets)
{
	if ((int16_t)(uint16_t)(seq + 1 - o->seq) > 0)
		o->seq = (uint16_t)(seq + 1);
	if ((int32_t)(ts_end - o->ts) > 0)
		o->ts = ts_end;
	o->last_us = now_us;
	o->packets++;
	o->octets += octets;
}

struct rtp_packet outstream_relay(struct outstream *o, const struct rtp_packet *in, int64_t now_us)
{
	struct rtp_packet h = { .ssrc = o->ssrc, .marker = in->marker };

	if (!still_mapped(o, in)) {
		o->seq_offset = (uint16_t)(o->seq - in->seq);
		o->ts_offset = fresh_ts(o, now_us) - in->ts;
		o->src_ssrc = in->ssrc;
		o->mapped = true;
		h.marker = true;
	}
	h.seq = (uint16_t)(in->seq + o->seq_offset);
	h.ts = in->ts + o->ts_offset;
	account(o, h.seq, h.ts + (uint32_t)in->size, now_us, in->size);
	return h;
}

struct rtp_packet outstream_next(struct outstream *o, uint32_t samples, int64_t now_us)
{
	uint32_t ts = fresh_ts(o, now_us);
	struct rtp_packet h = {
		.ssrc = o->ssrc, .seq = o->seq, .ts = ts, .marker = o->mapped || !o->last_us || ts != o->ts
	};

	o->mapped = false;
	account(o, h.seq, ts + samples, now_us, samples);
	return h;
}
