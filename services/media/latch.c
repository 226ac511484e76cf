#include "latch.h"

#include <string.h>

bool peer_eq(const struct peer *a, const struct peer *b)
{
	return a->port == b->port && a->addr.family == b->addr.family && memcmp(a->addr.bytes, b->addr.bytes, 16) == 0;
}

static bool same_host(const struct peer *a, const struct peer *b)
{
	return a->addr.family == b->addr.family && memcmp(a->addr.bytes, b->addr.bytes, 16) == 0;
}

/* RFC 1918, RFC 6598, link-local, RFC 4193. */
static bool is_private(const struct sdp_addr *a)
{
	const uint8_t *b = a->bytes;

	if (a->family == 6)
		return (b[0] & 0xfe) == 0xfc || (b[0] == 0xfe && (b[1] & 0xc0) == 0x80);
	return b[0] == 10 || (b[0] == 172 && (b[1] & 0xf0) == 16) || (b[0] == 192 && b[1] == 168) ||
	       (b[0] == 100 && (b[1] & 0xc0) == 64) || (b[0] == 169 && b[1] == 254);
}

static bool may_guess(const struct latch *l, const struct peer *from)
{
	if (from->port < 1024)
		return false;
	switch (l->nat) {
	case LATCH_ANY:
		return true;
	case LATCH_AUTO:
		if (sdp_addr_loopback(&l->signalled.addr))
			return false;
		/* Sent on this machine, by a phone that announces another address of it: only we ourselves can do that. */
		if (sdp_addr_loopback(&from->addr))
			return true;
		return same_host(from, &l->signalled) || (is_private(&l->signalled.addr) && !is_private(&from->addr));
	case LATCH_STRICT:
	default:
		return false;
	}
}

bool latch_signal(struct latch *l, const struct peer *p)
{
	if (l->have && peer_eq(&l->signalled, p))
		return false;
	l->have = true;
	l->latched = l->guessed = false;
	l->signalled = *p;
	l->candidate.n = 0;
	return true;
}

void latch_reset(struct latch *l)
{
	l->have = l->latched = l->guessed = false;
}

static enum latch_result latch_to(struct latch *l, const struct peer *from, bool guessed, int64_t now_us)
{
	l->latched = true;
	l->guessed = guessed;
	l->at = *from;
	l->latched_us = now_us;
	return LATCH_NEW;
}

/* Counts packets in sequence of one stranger; a second stranger starts the count again. */
static bool proven(struct latch *l, const struct peer *from, const struct rtp_packet *p)
{
	bool goes_on = l->candidate.n && peer_eq(&l->candidate.from, from) && l->candidate.ssrc == p->ssrc &&
		       p->seq == (uint16_t)(l->candidate.seq + 1);

	l->candidate.from = *from;
	l->candidate.ssrc = p->ssrc;
	l->candidate.seq = p->seq;
	l->candidate.n = goes_on ? l->candidate.n + 1 : 1;
	return l->candidate.n > LATCH_PROOF;
}

enum latch_result latch_packet(struct latch *l, const struct peer *from, const struct rtp_packet *p, int64_t now_us)
{
	if (!l->have)
		return LATCH_DROP;
	if (l->latched && peer_eq(&l->at, from))
		return LATCH_ACCEPT;
	if (l->latched && (!l->guessed || now_us - l->latched_us > l->window_us))
		return LATCH_DROP;
	if (peer_eq(&l->signalled, from))
		return latch_to(l, from, false, now_us);
	if (l->latched || now_us < l->guess_from_us || !may_guess(l, from) || !proven(l, from, p))
		return LATCH_DROP;
	return latch_to(l, from, true, now_us);
}

const struct peer *latch_target(const struct latch *l)
{
	if (l->latched)
		return &l->at;
	return l->have ? &l->signalled : NULL;
}
