#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "ports.h"
#include "rtp/rtcp.h"
#include "worker.h"

#define PER_TICK 4

/* From the host of the party only; its port may be another than the signalled one. */
static bool believed(const struct endpoint *ep, const struct peer *from)
{
	const struct peer *party = latch_target(&ep->latch);

	if (!party || from->port < 1024)
		return false;
	return (from->addr.family == party->addr.family && memcmp(from->addr.bytes, party->addr.bytes, 16) == 0) ||
	       (from->port == ep->agreed.rtcp_port &&
		memcmp(&from->addr, &ep->agreed.rtcp_addr, sizeof(from->addr)) == 0);
}

static void take(struct endpoint *ep, uint8_t *bytes, size_t size, const struct peer *from)
{
	int64_t now_us = ep->worker->now_us;
	struct rtcp_info info;

	if (ep->sec && !endpoint_passes(ep, rtpsec_unprotect_rtcp(ep->sec, bytes, &size)))
		return;
	if (!rtcp_parse(&info, bytes, size, ep->out.ssrc)) {
		ep->worker->counts.malformed++;
		return;
	}
	ep->worker->counts.rtcp_in++;
	ep->rtcp_from = *from;
	ep->last_us = now_us; /* a muted phone may send nothing else */
	if (info.has_sr) {
		ep->last_sr = (uint32_t)(info.ntp >> 16);
		ep->last_sr_us = now_us;
	}
	if (info.has_block) {
		uint32_t rtt = rtcp_round_trip_us(&info.block, rtcp_ntp(clock_steady_ms() * 1000));

		if (rtt)
			ep->round_trip_us = rtt;
	}
}

void endpoint_rtcp_readable(struct endpoint *ep)
{
	_Alignas(8) uint8_t buf[PACKET_MAX];

	for (unsigned i = 0; i < PER_TICK; i++) {
		struct sockaddr_storage ss;
		socklen_t len = sizeof(ss);
		struct peer from;
		ssize_t n = recvfrom(ep->rtcp.fd, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&ss, &len);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			break;
		if (peer_from_sockaddr(&from, &ss) && believed(ep, &from))
			take(ep, buf, (size_t)n, &from);
		else
			ep->worker->counts.refused_source++;
	}
	worker_look_again(ep->worker, &ep->rtcp);
}

static void fill_block(struct endpoint *ep, struct rtcp_report *r, int64_t now_us)
{
	uint64_t lost = rtp_stats_lost(&ep->in);

	r->has_block = ep->in.started;
	if (!r->has_block)
		return;
	r->block = (struct rtcp_block){
		.ssrc = ep->in.ssrc,
		.fraction_lost = rtp_stats_fraction(&ep->in),
		.lost = lost > INT32_MAX ? INT32_MAX : (int32_t)lost,
		.extended_seq = rtp_stats_extended_seq(&ep->in),
		.jitter = ep->in.jitter_q4 >> 4,
	};
	if (ep->last_sr_us) {
		r->block.last_sr = ep->last_sr;
		r->block.delay_since_sr = (uint32_t)((uint64_t)(now_us - ep->last_sr_us) * 65536 / 1000000);
	}
}

static bool target(const struct endpoint *ep, struct peer *ret)
{
	if (ep->rtcp_from.addr.family) {
		*ret = ep->rtcp_from;
		return true;
	}
	*ret = (struct peer){ .addr = ep->agreed.rtcp_addr, .port = ep->agreed.rtcp_port };
	return ep->agreed.valid && !sdp_addr_any(&ret->addr) && ret->addr.family;
}

void endpoint_rtcp_send(struct endpoint *ep, bool bye)
{
	int64_t now_us = clock_mono_us();
	struct rtcp_report r = { .ssrc = ep->out.ssrc, .bye = bye };
	struct sockaddr_storage ss;
	_Alignas(8) uint8_t buf[RTCP_MAX + RTPSEC_TRAILER];
	struct peer to;
	char cname[32];
	size_t n;

	if (!target(ep, &to))
		return;
	snprintf(cname, sizeof(cname), "%08x@trunkline", (unsigned)ep->out.ssrc);
	r.cname = cname;
	r.sender = ep->out.packets != ep->reported_packets;
	ep->reported_packets = ep->out.packets;
	r.ntp = rtcp_ntp(clock_steady_ms() * 1000);
	r.rtp_ts = ep->out.ts + (uint32_t)((now_us - ep->out.last_us) * 8 / 1000);
	r.packets = (uint32_t)ep->out.packets;
	r.octets = (uint32_t)ep->out.octets;
	fill_block(ep, &r, now_us);
	n = rtcp_write(buf, &r);
	if (ep->sec && rtpsec_protect_rtcp(ep->sec, buf, &n) != RTPSEC_OK) {
		ep->worker->counts.srtp_refused++;
		return;
	}
	if (sendto(ep->rtcp.fd, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&ss,
		   peer_to_sockaddr(&to, &ss)) == (ssize_t)n)
		ep->worker->counts.rtcp_out++;
}
