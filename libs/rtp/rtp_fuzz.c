/* Any bytes as RTP, RTCP and events. First byte chooses. */
#include "rtp/rtcp.h"
#include "rtp/rtp_event.h"
#include "rtp/rtp_stats.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A sequence of packets: a length byte before each. */
static void stream(const uint8_t *data, size_t size)
{
	struct rtp_event_rx rx = { 0 };
	struct rtp_stats stats = { 0 };
	struct rtp_event ev;
	int64_t now_us = 0;

	while (size > 1 && data[0] < size) {
		size_t n = data[0];
		struct rtp_packet p;

		now_us += 20000;
		if (rtp_parse(&p, data + 1, n)) {
			(void)rtp_stats_packet(&stats, &p, now_us);
			(void)rtp_event_packet(&rx, &p, now_us / 1000, &ev);
		}
		(void)rtp_stats_fraction(&stats);
		(void)rtp_stats_lost(&stats);
		data += n + 1;
		size -= n + 1;
	}
	(void)rtp_event_poll(&rx, now_us, &ev);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rtcp_info info;

	if (size == 0)
		return 0;
	if (data[0] & 1)
		stream(data + 1, size - 1);
	else if (rtcp_parse(&info, data + 1, size - 1, 1) && info.has_block)
		(void)rtcp_round_trip_us(&info.block, info.ntp);
	return 0;
}
