/*
 * latch: from whom an endpoint believes RTP (symmetric RTP, RELIABILITY: bleed and injection). Pure; one thread.
 *
 * The signalled address is believed at its first packet. Another one only if the policy lets it, nothing came from the
 * signalled one yet, and it has sent LATCH_PROOF packets in sequence; what it sent before is dropped, so nothing is
 * injected. Once latched all others are dropped; only the signalled address may still take over from a guessed one
 * within the window. A restarted engine's ports still hear the phones of its former life: no guesses in the first second of
 * an endpoint then (guess_from_us). Nothing is ever sent to an address that is neither signalled nor latched.
 */
#ifndef MEDIA_LATCH_H
#define MEDIA_LATCH_H

#include "rtp/rtp.h"
#include "sdp/sdp.h"

#define LATCH_PROOF 5

enum latch_nat {
	LATCH_STRICT, /* the signalled address only */
	/* A private signalled address may turn out as any public one, each but a loopback one as this machine's loopback;
	 * the port may differ. One signalled on the loopback is what it says. */
	LATCH_AUTO,
	LATCH_ANY, /* any first source */
};

struct peer { /* comparable with peer_eq */
	struct sdp_addr addr;
	uint16_t port;
};
bool peer_eq(const struct peer *a, const struct peer *b);

struct latch {
	enum latch_nat nat;
	int64_t window_us;
	int64_t guess_from_us; /* until then only the signalled address is believed */
	bool have, latched, guessed;
	struct peer signalled, at; /* at: valid when latched */
	int64_t latched_us;
	struct {
		struct peer from;
		uint32_t ssrc;
		uint16_t seq;
		unsigned n;
	} candidate;
};

enum latch_result { LATCH_DROP, LATCH_ACCEPT, LATCH_NEW /* accept, and l->at is new: connect to it */ };

/* A new signalled address; the same one again changes nothing. True if the latch was opened. */
bool latch_signal(struct latch *l, const struct peer *p);
/* What was learnt counts no more (it came without a key, and now there is one): as if never signalled. */
void latch_reset(struct latch *l);
enum latch_result latch_packet(struct latch *l, const struct peer *from, const struct rtp_packet *p, int64_t now_us);
/* Where to send: the latched or else the signalled address; NULL: nowhere. */
const struct peer *latch_target(const struct latch *l);

#endif
