/*
 * rtpsec: SRTP and SRTCP (RFC 3711, 6188) of one leg, both directions, with the keys that were agreed by SDES.
 * An object belongs to one thread at a time.
 *
 * A packet passes only with a right tag and only once. Sources (SSRC) that prove themselves are remembered, RTPSEC_SOURCES
 * at most; later ones are refused, so that a peer cannot make us grow. A packet of ours is never protected twice under one
 * index: a repetition is refused, not sent (two texts under one key stream would give both away).
 *
 *	struct rtpsec *s;
 *	err_t e = rtpsec_new(&s, &agreed.ours, &agreed.theirs);
 *	size_t size = n;
 *	if (rtpsec_unprotect(s, bytes, &size) != RTPSEC_OK) …        // drop it, count it
 *	if (rtpsec_protect(s, bytes, &size) != RTPSEC_OK) …          // do not send it
 *	rtpsec_rekey(&s, next);                                      // after a re-INVITE
 *	rtpsec_free(&s);
 */
#ifndef RTPSEC_RTPSEC_H
#define RTPSEC_RTPSEC_H

#include "base/err.h"
#include "sdp/sdp_crypto.h"

#define RTPSEC_TRAILER 16 /* octets behind a packet that protecting may write to */
#define RTPSEC_SOURCES 16
#define RTPSEC_GRACE   500 /* packets under the key before that are taken until the first one under the new key */

enum rtpsec_result {
	RTPSEC_OK,
	RTPSEC_WRONG_TAG, /* also what is no SRTP at all */
	RTPSEC_REPLAY,	  /* seen already, or too old to tell */
	RTPSEC_REFUSED,	  /* too many sources, the key is worn out, no RTP to be sent */
};

struct rtpsec;

/* Once per process, before the others are used; again does nothing. ERR_INTERNAL: OpenSSL lacks AES or HMAC. */
err_t rtpsec_init(void) MUST;
/* ours: for what we send; theirs: for what we get. ERR_INVALID: no suite. ERR_EXHAUSTED: no memory. */
err_t rtpsec_new(struct rtpsec **ret, const struct sdp_crypto *ours, const struct sdp_crypto *theirs) MUST;
void rtpsec_free(struct rtpsec **s);
/* next takes the place of *now, which may be NULL. A direction whose key is the same goes on as it was (packet indices,
 * replay windows); the peer's key before is believed a little longer (RTPSEC_GRACE), for packets under way. */
void rtpsec_rekey(struct rtpsec **now, struct rtpsec *next);

/* In place. protect needs RTPSEC_TRAILER octets of room behind *size. Not OK: the bytes are spoilt. */
enum rtpsec_result rtpsec_protect(struct rtpsec *s, void *bytes, size_t *size);
enum rtpsec_result rtpsec_unprotect(struct rtpsec *s, void *bytes, size_t *size);
enum rtpsec_result rtpsec_protect_rtcp(struct rtpsec *s, void *bytes, size_t *size);
enum rtpsec_result rtpsec_unprotect_rtcp(struct rtpsec *s, void *bytes, size_t *size);

#endif
