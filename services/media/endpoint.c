#include "worker.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "audio/g711.h"
#include "base/clock.h"
#include "base/mem.h"
#include "media_metrics.h"
#include "ports.h"

#define SECOND_MS    1000
#define RTCP_SECONDS 5

static enum law law_of(enum sdp_codec codec)
{
	return codec == SDP_CODEC_PCMU ? LAW_U : LAW_A;
}

static bool may_send(const struct endpoint *ep)
{
	return ep->agreed.valid && ep->agreed.dir & SDP_SENDONLY;
}

/* RTP is expected when nobody is on hold. */
static bool expects(const struct endpoint *ep)
{
	return ep->agreed.valid && ep->agreed.dir == SDP_SENDRECV;
}

bool endpoint_passes(struct endpoint *ep, enum rtpsec_result r)
{
	struct worker_counts *c = &ep->worker->counts;

	switch (r) {
	case RTPSEC_OK:
		return true;
	case RTPSEC_WRONG_TAG:
		c->srtp_wrong_tag++;
		break;
	case RTPSEC_REPLAY:
		c->srtp_replayed++;
		break;
	case RTPSEC_REFUSED:
		c->srtp_refused++;
		break;
	}
	return false;
}

/* ---- sending ---- */
/* RTPSEC_TRAILER bytes of room behind size. */
static void send_packet(struct endpoint *ep, uint8_t *bytes, size_t size)
{
	const struct peer *to = latch_target(&ep->latch);
	struct sockaddr_storage ss;
	ssize_t n;

	if (!may_send(ep) || !to)
		return;
	if (ep->sec && rtpsec_protect(ep->sec, bytes, &size) != RTPSEC_OK) {
		ep->worker->counts.srtp_refused++;
		return;
	}
	/* Not send(): as a point of cancellation it costs two locked instructions. */
	if (ep->connected)
		n = syscall(SYS_sendto, ep->rtp.fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
	else
		n = sendto(ep->rtp.fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&ss,
			   peer_to_sockaddr(to, &ss));
	if (n == (ssize_t)size)
		ep->worker->counts.packets_out++;
	else
		ep->worker->counts.send_errors++;
}

static void tape(struct endpoint *ep, enum segment_kind kind, enum law law, const struct rtp_packet *p)
{
	if (ep->tape && !tape_push(ep->worker->ring, ep->tape, kind, (enum segment_codec)law, p, ep->worker->now_us))
		ep->worker->counts.recording_dropped++;
}

/* Sends what lies at bytes: RTP_HEADER free bytes, then the payload, then RTPSEC_TRAILER free ones. */
static void send_out(struct endpoint *ep, uint8_t *bytes, struct rtp_packet *h, uint8_t pt, size_t size)
{
	h->pt = pt;
	rtp_write(bytes, h);
	send_packet(ep, bytes, RTP_HEADER + size);
}

/* ---- playing ---- */
static void slot_put(struct endpoint *ep)
{
	struct worker *w = ep->worker;

	if (ep->slot.on)
		return;
	ep->slot.on = true;
	ep->slot.at = (unsigned)((w->tick + 1) % SLOTS);
	ep->slot.prev = NULL;
	ep->slot.next = w->slots[ep->slot.at];
	if (ep->slot.next)
		ep->slot.next->slot.prev = ep;
	w->slots[ep->slot.at] = ep;
}

static void slot_take(struct endpoint *ep)
{
	if (!ep->slot.on)
		return;
	ep->slot.on = false;
	if (ep->slot.prev)
		ep->slot.prev->slot.next = ep->slot.next;
	else
		ep->worker->slots[ep->slot.at] = ep->slot.next;
	if (ep->slot.next)
		ep->slot.next->slot.prev = ep->slot.prev;
}

void endpoint_stop(struct endpoint *ep)
{
	slot_take(ep);
	playlist_free(&ep->player.list);
}

void endpoint_play(struct endpoint *ep, struct playlist *list)
{
	endpoint_stop(ep);
	ep->player = (struct player){ .list = list };
	slot_put(ep);
}

static void play_over(struct endpoint *ep, bool interrupted)
{
	struct report *r = worker_report(ep->worker, REPORT_PLAY_DONE, ep);

	if (r) {
		r->play.serial = ep->player.list->serial;
		r->play.interrupted = interrupted;
		memcpy(r->play.missing, ep->player.list->missing, sizeof(r->play.missing));
	}
	endpoint_stop(ep);
}

void endpoint_play_frame(struct endpoint *ep)
{
	_Alignas(8) uint8_t packet[RTP_HEADER + PLAYER_FRAME + RTPSEC_TRAILER];
	enum law law = law_of(ep->agreed.codec);
	struct rtp_packet h;

	if (!ep->agreed.valid)
		return; /* nobody to play to yet */
	if (!player_next(&ep->player, law, packet + RTP_HEADER)) {
		play_over(ep, false);
		return;
	}
	h = outstream_next(&ep->out, PLAYER_FRAME, ep->worker->now_us);
	h.payload = packet + RTP_HEADER;
	h.size = PLAYER_FRAME;
	tape(ep, SEGMENT_OUT, law, &h);
	send_out(ep, packet, &h, ep->agreed.send_pt, PLAYER_FRAME);
}

/* ---- relaying ---- */
/* Payload bytes go through as they are; only another law is looked up in a table. */
static void relay(struct endpoint *to, uint8_t *bytes, const struct rtp_packet *in, enum law law)
{
	enum law out_law = law_of(to->agreed.codec);
	struct rtp_packet h;

	if (!to->agreed.valid || to->player.list || in->size > PACKET_MAX - RTP_HEADER - RTPSEC_TRAILER)
		return;
	if (in->payload != bytes + RTP_HEADER)
		memmove(bytes + RTP_HEADER, in->payload, in->size);
	if (law != out_law) {
		g711_map_n(bytes + RTP_HEADER, bytes + RTP_HEADER, in->size, law == LAW_A ? g711_a_to_u : g711_u_to_a);
		to->worker->counts.transcoded++;
	}
	to->worker->relayed++;
	h = outstream_relay(&to->out, in, to->worker->now_us);
	h.payload = bytes + RTP_HEADER;
	h.size = in->size;
	tape(to, SEGMENT_OUT, out_law, &h);
	send_out(to, bytes, &h, to->agreed.send_pt, in->size);
}

static void relay_event(struct endpoint *to, uint8_t *bytes, const struct rtp_packet *in)
{
	struct rtp_packet h;

	if (!to->agreed.valid || to->player.list || to->agreed.send_event_pt == SDP_NO_PT || in->size > 64)
		return;
	memmove(bytes + RTP_HEADER, in->payload, in->size);
	h = outstream_relay(&to->out, in, to->worker->now_us);
	send_out(to, bytes, &h, to->agreed.send_event_pt, in->size);
}

void endpoint_bridge(struct endpoint *a, struct endpoint *b)
{
	a->peer = b;
	b->peer = a;
}

void endpoint_unbridge(struct endpoint *a, struct endpoint *b)
{
	if (a->peer == b)
		a->peer = b->peer = NULL;
}

/* ---- digits ---- */
static void report_digit(struct endpoint *ep, const struct rtp_event *ev)
{
	struct report *r = worker_report(ep->worker, REPORT_DIGIT, ep);

	if (!r)
		return;
	r->digit.digit = ev->digit;
	r->digit.duration_ms = ev->duration_ms;
	ep->worker->counts.digits++;
}

static void on_digit_timer(void *arg)
{
	struct endpoint *ep = arg;
	struct rtp_event ev;

	if (rtp_event_poll(&ep->digits, clock_mono_ms(), &ev))
		report_digit(ep, &ev);
	else if (ep->digits.active)
		loop_timer_start(&ep->digit_timer, RTP_EVENT_LOST_MS / 2);
}

static void take_event(struct endpoint *ep, const struct rtp_packet *p)
{
	struct rtp_event ev;
	unsigned r = rtp_event_packet(&ep->digits, p, ep->worker->now_us / 1000, &ev);

	if (r & RTP_EVENT_STARTED && ep->player.list && ep->player.list->stop_on_digit)
		play_over(ep, true);
	if (r & RTP_EVENT_ENDED)
		report_digit(ep, &ev);
	if (ep->digits.active && !loop_timer_running(&ep->digit_timer))
		loop_timer_start(&ep->digit_timer, RTP_EVENT_LOST_MS);
}

/* ---- receiving ---- */
static void connect_to(struct endpoint *ep)
{
	struct sockaddr_storage ss;
	socklen_t n = peer_to_sockaddr(&ep->latch.at, &ss);

	/* The kernel drops all other sources from now on; sending needs no look-up of the route. */
	ep->connected = connect(ep->rtp.fd, (struct sockaddr *)&ss, n) == 0;
}

static void disconnect(struct endpoint *ep)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };

	if (ep->connected)
		(void)connect(ep->rtp.fd, &none, sizeof(none));
	ep->connected = false;
}

/* The law of a payload type: what was agreed, or a static number (RFC 3551) from peers that do not care. */
static bool law_of_pt(const struct endpoint *ep, uint8_t pt, enum law *ret)
{
	if (pt == ep->agreed.recv_pt)
		*ret = law_of(ep->agreed.codec);
	else if (pt == 0 || pt == 8)
		*ret = pt ? LAW_A : LAW_U;
	else
		return false;
	return true;
}

static bool believed(struct endpoint *ep, const struct sockaddr_storage *from, const struct rtp_packet *p)
{
	struct peer peer;
	enum latch_result r;

	if (!peer_from_sockaddr(&peer, from))
		return false;
	r = latch_packet(&ep->latch, &peer, p, ep->worker->now_us);
	if (r == LATCH_NEW)
		connect_to(ep);
	if (r == LATCH_DROP)
		ep->worker->counts.refused_source++;
	return r != LATCH_DROP;
}

static void take_packet(struct endpoint *ep, uint8_t *bytes, size_t size, const struct sockaddr_storage *from)
{
	struct worker_counts *c = &ep->worker->counts;
	struct rtp_packet p;
	enum law law;

	/* First of all: what has no right tag is not looked at, and no source is learnt from it. */
	if (ep->sec && !endpoint_passes(ep, rtpsec_unprotect(ep->sec, bytes, &size)))
		return;
	if (!rtp_parse(&p, bytes, size)) {
		c->malformed++;
		return;
	}
	if (!believed(ep, from, &p) || !rtp_stats_packet(&ep->in, &p, ep->worker->now_us))
		return;
	c->packets_in++;
	c->bytes_in += (int64_t)p.size;
	ep->last_us = ep->worker->now_us;
	ep->abandoned = false;
	if (p.pt == ep->agreed.recv_event_pt) {
		take_event(ep, &p);
		if (ep->peer)
			relay_event(ep->peer, bytes, &p);
		return;
	}
	if (!law_of_pt(ep, p.pt, &law)) {
		c->refused_payload++;
		return;
	}
	tape(ep, SEGMENT_IN, law, &p);
	if (ep->peer)
		relay(ep->peer, bytes, &p, law);
}

/* What came while the process stood still is of no use to anybody, and the port that it would be relayed to may belong to another
 * call by now. */
static bool old(struct endpoint *ep, int n)
{
	struct worker *w = ep->worker;

	if (ep->standstills == w->standstills)
		return false;
	if (n < BATCH)
		ep->standstills = w->standstills;
	w->counts.stale += n > 0 ? n : 0;
	return true;
}

void endpoint_readable(struct endpoint *ep)
{
	struct worker *w = ep->worker;
	/* At most one batch a tick from each socket: a flood takes no more than its share. */
	int n = (int)syscall(SYS_recvmmsg, ep->rtp.fd, w->msgs, BATCH, MSG_DONTWAIT, NULL);

	if (n == BATCH || (n < 0 && errno != EAGAIN))
		worker_look_again(w, &ep->rtp);
	if (old(ep, n))
		n = 0;
	for (int i = 0; i < n; i++) {
		w->msgs[i].msg_hdr.msg_namelen = sizeof(w->froms[i]);
		if (w->msgs[i].msg_hdr.msg_flags & MSG_TRUNC)
			w->counts.malformed++;
		else
			take_packet(ep, w->packets[i], w->msgs[i].msg_len, &w->froms[i]);
	}
}

void endpoint_remote(struct endpoint *ep, const struct sdp_agreed *agreed, struct rtpsec *sec)
{
	struct peer p = { .addr = agreed->addr, .port = agreed->port };
	bool expected = expects(ep);

	ep->agreed = *agreed;
	if (sec) {
		if (!ep->sec) {
			latch_reset(&ep->latch);
			disconnect(ep);
			ep->rtcp_from = (struct peer){ 0 };
		}
		rtpsec_rekey(&ep->sec, sec);
	}
	if (!sdp_addr_any(&agreed->addr) && latch_signal(&ep->latch, &p))
		disconnect(ep);
	if (expects(ep) && !expected)
		ep->expected_us = ep->worker->now_us;
}

/* ---- recording ---- */
void endpoint_record(struct endpoint *ep, struct tape *t)
{
	ep->tape = t;
}

void endpoint_record_off(struct endpoint *ep)
{
	if (!ep->tape)
		return;
	worker_close_tape(ep->worker, ep->tape);
	ep->tape = NULL;
}

/* ---- each second ---- */
static void check_silence(struct endpoint *ep, int64_t now_us)
{
	const struct engine_params *p = &ep->worker->engine->params;
	int64_t since = ep->last_us > ep->expected_us ? ep->last_us : ep->expected_us;
	bool abandoned = p->abandon_us && now_us - since >= p->abandon_us && !ep->abandoned;
	int64_t told_us = ep->told_us > since ? ep->told_us : since;
	/* Again and again: who asks the phone asks again. Also while there is no phone yet: whose call is over, or never was, would
	 * not be missed by anybody. */
	bool timed_out = (expects(ep) || !ep->agreed.valid) && now_us - told_us >= p->timeout_us;
	struct report *r;

	if (!abandoned && !timed_out)
		return;
	r = worker_report(ep->worker, REPORT_TIMEOUT, ep);
	if (!r)
		return;
	ep->told_us = now_us;
	ep->abandoned = abandoned;
	r->timeout.silence_ms = (now_us - since) / 1000;
	r->timeout.abandoned = abandoned;
}

static void on_second(void *arg)
{
	struct endpoint *ep = arg;
	int64_t now_us = clock_mono_us();

	loop_timer_start(&ep->second_timer, SECOND_MS);
	check_silence(ep, now_us);
	if (++ep->seconds % RTCP_SECONDS == 0)
		endpoint_rtcp_send(ep, false);
}

void endpoint_start(struct endpoint *ep)
{
	ep->agreed.recv_event_pt = ep->agreed.send_event_pt = SDP_NO_PT;
	ep->expected_us = ep->worker->now_us;
	/* Spread over the second, and over the five of the reports. */
	ep->seconds = ep->out.ssrc % RTCP_SECONDS;
	loop_timer_init(&ep->digit_timer, ep->worker->loop, on_digit_timer, ep);
	loop_timer_init(&ep->second_timer, ep->worker->loop, on_second, ep);
	loop_timer_start(&ep->second_timer, ep->out.ssrc % SECOND_MS);
}

void endpoint_end(struct endpoint *ep)
{
	struct event_counts *c = &ep->closed_report.counts;

	loop_timer_stop(&ep->digit_timer);
	loop_timer_stop(&ep->second_timer);
	if (ep->agreed.valid)
		endpoint_rtcp_send(ep, true);
	endpoint_stop(ep);
	if (ep->peer)
		endpoint_unbridge(ep, ep->peer);
	endpoint_record_off(ep);
	rtpsec_free(&ep->sec);
	c->packets_in = ep->in.packets;
	c->packets_out = ep->out.packets;
	c->packets_lost = rtp_stats_lost(&ep->in);
	c->jitter_us = rtp_stats_jitter_us(&ep->in);
	c->round_trip_us = ep->round_trip_us;
}
