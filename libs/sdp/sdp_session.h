/*
 * sdp_session: one leg's side of offer/answer (RFC 3264) for G.711 and telephone-event. Pure; one owner, one thread.
 *
 * As answerer: takes the first G.711 codec of the offer, its payload types, and refuses every other media line with port 0.
 * As offerer: A-law, µ-law (or the other way round) and telephone-event 101.
 * RTP/SAVP with SDES keys (RFC 4568) for sessions that have a source of keys: an offer of it is answered in kind with a key of
 * our own; a session that is or has offered RTP/SAVP takes no RTP/AVP any more (no downgrade). Our key lasts as long as the suite.
 * The version of o= grows exactly when the description changes.
 *
 *	struct sdp_session s;
 *	sdp_session_init(&s, &addr, 20000, session_id);
 *	struct str answer = STR_INIT;
 *	err_t e = sdp_session_answer(&s, offer, size, &answer, &detail);   // s.agreed says where and what to send
 *	…
 *	sdp_session_done(&s);
 */
#ifndef SDP_SDP_SESSION_H
#define SDP_SDP_SESSION_H

#include "base/str.h"
#include "sdp/sdp.h"

#define SDP_EVENT_PT 101
#define SDP_NO_PT    255

/* What both sides have agreed; valid after an answer went either way. Payload types: `send` are those of the peer's
 * description, `recv` those of ours. */
struct sdp_agreed {
	bool valid;
	enum sdp_codec codec; /* PCMA or PCMU */
	uint8_t send_pt, recv_pt;
	uint8_t send_event_pt, recv_event_pt; /* SDP_NO_PT: none */
	struct sdp_addr addr, rtcp_addr;
	uint16_t port, rtcp_port;
	enum sdp_dir dir; /* ours: may we send, will we receive */
	unsigned ptime_ms;
	bool srtp;			/* RTP/SAVP: the next two count */
	struct sdp_crypto ours, theirs; /* for what each side sends */
};

struct sdp_slot { /* one m= line of the session, in order (they never go away) */
	char kind[SDP_TOKEN], proto[SDP_TOKEN], format[SDP_TOKEN];
};

struct sdp_session {
	struct sdp_addr addr;
	uint16_t port;
	uint64_t id, version;
	enum sdp_codec prefer; /* first in our offers */
	bool srtp;	       /* our offers are RTP/SAVP; may be set before the first */
	/* Random bytes nobody can foresee, for our keys; false: none to be had. NULL: RTP/SAVP is refused. */
	bool (*random)(uint8_t *bytes, size_t size);
	struct sdp_crypto ours; /* of the last description with one */
	struct sdp_agreed agreed;
	unsigned n_slots, audio_slot;
	struct sdp_slot slots[SDP_MEDIA_MAX];
	struct str body;  /* last local description after the o= line */
	struct str local; /* last local description, whole; empty before the first */
};

void sdp_session_init(struct sdp_session *s, const struct sdp_addr *addr, uint16_t port, uint64_t session_id);
void sdp_session_done(struct sdp_session *s);

/* Our offer, now in s->local. ERR_EXHAUSTED: no memory; ERR_UNAVAILABLE: no random bytes for a key. */
err_t sdp_session_offer(struct sdp_session *s, enum sdp_dir dir) MUST;
/* The peer's offer: our answer is then in s->local. ERR_INVALID: malformed, RTP/SAVP without a suite of ours, or a downgrade;
 * ERR_PRECONDITION: nothing in common (each 488). On an error nothing has changed. */
err_t sdp_session_answer(struct sdp_session *s, const void *offer, size_t size, struct err_detail *detail) MUST;
/* The peer's answer to our offer; errors as above. */
err_t sdp_session_answered(struct sdp_session *s, const void *answer, size_t size, struct err_detail *detail) MUST;

/* The direction the other side sees. */
enum sdp_dir sdp_dir_reverse(enum sdp_dir d);

#endif
