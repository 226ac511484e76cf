#include "rtpsec/rtpsec.h"

#include <pthread.h>
#include <srtp2/srtp.h>
#include <string.h>

#include "base/mem.h"

#define RTP_MIN	  12
#define RTP_SSRC  8 /* where it stands */
#define RTCP_MIN  8
#define RTCP_SSRC 4
#define WINDOW	  128 /* packets that may come out of order */

_Static_assert(RTPSEC_TRAILER >= SRTP_MAX_TRAILER_LEN, "the library writes further than we say");

/* One key and what it has seen. */
struct half {
	srtp_t srtp; /* NULL: none */
	struct sdp_crypto key;
	uint32_t last; /* source of the packet before */
	unsigned n_sources;
	uint32_t sources[RTPSEC_SOURCES];
};

struct rtpsec {
	struct half out, in;
	struct half before; /* of the peer, until the first packet under `in` */
	unsigned grace;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static srtp_err_status_t init_status;

static void init_library(void)
{
	init_status = srtp_init();
}

err_t rtpsec_init(void)
{
	if (pthread_once(&once, init_library))
		return ERR_INTERNAL;
	return init_status == srtp_err_status_ok ? ERR_OK : ERR_INTERNAL;
}

/* ---- one direction ---- */
/* SRTCP has 80 bits of tag whatever SRTP has (RFC 4568, 6.2). */
static bool policy_of(const struct sdp_crypto *c, srtp_policy_t *p)
{
	switch (c->suite) {
	case SDP_AES_CM_128_HMAC_SHA1_80:
		srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&p->rtp);
		srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&p->rtcp);
		return true;
	case SDP_AES_CM_128_HMAC_SHA1_32:
		srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32(&p->rtp);
		srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&p->rtcp);
		return true;
	case SDP_AES_256_CM_HMAC_SHA1_80:
		srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80(&p->rtp);
		srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80(&p->rtcp);
		return true;
	case SDP_SUITE_NONE:
		break;
	}
	return false;
}

static err_t half_init(struct half *h, const struct sdp_crypto *c, srtp_ssrc_type_t whose)
{
	srtp_policy_t p = { .ssrc = { .type = whose }, .window_size = WINDOW };
	srtp_err_status_t status;

	if (!policy_of(c, &p))
		return ERR_INVALID;
	h->key = *c;
	p.key = h->key.key;
	status = srtp_create(&h->srtp, &p);
	if (status == srtp_err_status_ok)
		return ERR_OK;
	h->srtp = NULL;
	return status == srtp_err_status_alloc_fail ? ERR_EXHAUSTED : ERR_INTERNAL;
}

static void half_done(struct half *h)
{
	if (h->srtp)
		(void)srtp_dealloc(h->srtp);
	explicit_bzero(h, sizeof(*h));
}

static void half_swap(struct half *a, struct half *b)
{
	struct half keep = *a;

	*a = *b;
	*b = keep;
	explicit_bzero(&keep, sizeof(keep));
}

static uint32_t ssrc_at(const void *bytes, size_t at)
{
	uint32_t v;

	memcpy(&v, (const uint8_t *)bytes + at, sizeof(v));
	return v; /* compared only: no matter in which order */
}

/* Known, or there is room for one more. */
static bool source_allowed(const struct half *h, uint32_t ssrc, bool *known)
{
	*known = h->n_sources && h->last == ssrc;
	for (unsigned i = 0; i < h->n_sources && !*known; i++)
		*known = h->sources[i] == ssrc;
	return *known || h->n_sources < RTPSEC_SOURCES;
}

static void source_seen(struct half *h, uint32_t ssrc, bool known)
{
	h->last = ssrc;
	if (!known)
		h->sources[h->n_sources++] = ssrc;
}

static enum rtpsec_result result_of(srtp_err_status_t status)
{
	switch (status) {
	case srtp_err_status_ok:
		return RTPSEC_OK;
	case srtp_err_status_replay_fail:
	case srtp_err_status_replay_old:
		return RTPSEC_REPLAY;
	case srtp_err_status_key_expired:
	case srtp_err_status_alloc_fail:
		return RTPSEC_REFUSED;
	default:
		return RTPSEC_WRONG_TAG;
	}
}

typedef srtp_err_status_t transform(srtp_t srtp, void *bytes, int *size);

static enum rtpsec_result open_with(struct half *h, transform *fn, void *bytes, size_t *size, size_t ssrc_offset)
{
	uint32_t ssrc = ssrc_at(bytes, ssrc_offset);
	enum rtpsec_result r;
	int n = (int)*size;
	bool known;

	if (!source_allowed(h, ssrc, &known))
		return RTPSEC_REFUSED;
	r = result_of(fn(h->srtp, bytes, &n));
	if (r != RTPSEC_OK)
		return r;
	source_seen(h, ssrc, known);
	*size = (size_t)n;
	return RTPSEC_OK;
}

static enum rtpsec_result unprotect(struct rtpsec *s, transform *fn, void *bytes, size_t *size, size_t ssrc_offset)
{
	enum rtpsec_result r = open_with(&s->in, fn, bytes, size, ssrc_offset);

	if (!s->before.srtp)
		return r;
	/* Until the peer has changed keys itself. */
	if (r == RTPSEC_WRONG_TAG) {
		r = open_with(&s->before, fn, bytes, size, ssrc_offset);
		if (r == RTPSEC_OK && --s->grace == 0)
			half_done(&s->before);
	} else if (r == RTPSEC_OK) {
		half_done(&s->before);
	}
	return r;
}

static enum rtpsec_result protect(struct rtpsec *s, transform *fn, void *bytes, size_t *size)
{
	int n = (int)*size;
	enum rtpsec_result r = result_of(fn(s->out.srtp, bytes, &n));

	if (r == RTPSEC_OK)
		*size = (size_t)n;
	return r;
}

enum rtpsec_result rtpsec_protect(struct rtpsec *s, void *bytes, size_t *size)
{
	return protect(s, srtp_protect, bytes, size);
}

enum rtpsec_result rtpsec_protect_rtcp(struct rtpsec *s, void *bytes, size_t *size)
{
	return protect(s, srtp_protect_rtcp, bytes, size);
}

enum rtpsec_result rtpsec_unprotect(struct rtpsec *s, void *bytes, size_t *size)
{
	return *size < RTP_MIN ? RTPSEC_WRONG_TAG : unprotect(s, srtp_unprotect, bytes, size, RTP_SSRC);
}

enum rtpsec_result rtpsec_unprotect_rtcp(struct rtpsec *s, void *bytes, size_t *size)
{
	return *size < RTCP_MIN ? RTPSEC_WRONG_TAG : unprotect(s, srtp_unprotect_rtcp, bytes, size, RTCP_SSRC);
}

/* ---- both ---- */
err_t rtpsec_new(struct rtpsec **ret, const struct sdp_crypto *ours, const struct sdp_crypto *theirs)
{
	struct rtpsec *s = mem_zalloc(sizeof(*s));
	err_t e;

	if (!s)
		return ERR_EXHAUSTED;
	e = half_init(&s->out, ours, ssrc_any_outbound);
	if (!e)
		e = half_init(&s->in, theirs, ssrc_any_inbound);
	if (e) {
		rtpsec_free(&s);
		return e;
	}
	*ret = s;
	return ERR_OK;
}

void rtpsec_free(struct rtpsec **ref)
{
	struct rtpsec *s = *ref;

	if (!s)
		return;
	half_done(&s->out);
	half_done(&s->in);
	half_done(&s->before);
	mem_free(s);
	*ref = NULL;
}

void rtpsec_rekey(struct rtpsec **now, struct rtpsec *next)
{
	struct rtpsec *s = *now;

	*now = next;
	if (!s)
		return;
	if (sdp_crypto_same_key(&s->out.key, &next->out.key))
		half_swap(&s->out, &next->out);
	if (sdp_crypto_same_key(&s->in.key, &next->in.key)) {
		half_swap(&s->in, &next->in);
		half_swap(&s->before, &next->before);
		next->grace = s->grace;
	} else {
		half_swap(&s->in, &next->before);
		next->grace = RTPSEC_GRACE;
	}
	rtpsec_free(&s);
}
