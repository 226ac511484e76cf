#include "rtpsec/rtpsec.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <string.h>

#include "base/mem.h"
#include "rtpsec/rtpsec_internal.h"

#define SALT	   14
#define IV	   16
#define AUTH_KEY   20
#define SHA1	   20
#define RTCP_TAG   10 /* whatever SRTP has (RFC 4568, 6.2) */
#define RTP_HEAD   12
#define RTCP_HEAD  8 /* in clear: header and source */
#define RTCP_INDEX 4
#define RTCP_E	   0x80000000u /* "encrypted", in front of the index */
#define RTP_LAST   ((1ull << 48) - 1)
#define RTCP_LAST  (RTCP_E - 1)

static const struct suite {
	size_t key, tag; /* octets */
} suites[] = {
	[SDP_SUITE_NONE] = { 0, 0 },
	[SDP_AES_CM_128_HMAC_SHA1_80] = { 16, 10 },
	[SDP_AES_CM_128_HMAC_SHA1_32] = { 16, 4 },
	[SDP_AES_256_CM_HMAC_SHA1_80] = { 32, 10 },
};

/* Session keys of RTP or of RTCP. */
struct transform {
	EVP_CIPHER_CTX *cipher;
	EVP_MAC_CTX *mac;
	uint8_t salt[SALT];
	size_t tag;
};

struct source {
	uint32_t ssrc;
	struct window rtp, rtcp;
};

/* One direction under one key, and what it has seen. */
struct half {
	bool on;
	struct sdp_crypto key;
	struct transform rtp, rtcp;
	uint64_t rtcp_next;	  /* index of the next report we send */
	unsigned n_sources, last; /* last: whose packet was the one before */
	struct source sources[RTPSEC_SOURCES];
};

struct rtpsec {
	struct half out, in;
	struct half before; /* of the peer, until the first packet under `in` */
	unsigned grace;
};

/* Looked up once: each look-up takes locks and a walk through the providers. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static EVP_CIPHER *aes_128, *aes_256;
static EVP_MAC *hmac;

static void fetch(void)
{
	aes_128 = EVP_CIPHER_fetch(NULL, "AES-128-CTR", NULL);
	aes_256 = EVP_CIPHER_fetch(NULL, "AES-256-CTR", NULL);
	hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
}

err_t rtpsec_init(void)
{
	if (pthread_once(&once, fetch))
		return ERR_INTERNAL;
	return aes_128 && aes_256 && hmac ? ERR_OK : ERR_INTERNAL;
}

/* ---- big-endian ---- */
static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put32(uint8_t *p, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* ---- keys (RFC 3711, 4.3) ---- */
static const EVP_CIPHER *cipher_of(size_t key_size)
{
	return key_size == 16 ? aes_128 : aes_256;
}

static bool crypt(EVP_CIPHER_CTX *c, const uint8_t iv[IV], uint8_t *bytes, size_t size)
{
	int n;

	return EVP_EncryptInit_ex2(c, NULL, NULL, iv, NULL) && EVP_EncryptUpdate(c, bytes, &n, bytes, (int)size);
}

/* n octets of the key stream that the label gives. */
static bool derive(EVP_CIPHER_CTX *master, const uint8_t salt[SALT], uint8_t label, uint8_t *out, size_t n)
{
	uint8_t iv[IV] = { 0 };

	memcpy(iv, salt, SALT);
	iv[7] ^= label;
	memset(out, 0, n);
	return crypt(master, iv, out, n);
}

/* label: of the encryption key; those of authentication and salt follow. */
static bool transform_init(struct transform *t, EVP_CIPHER_CTX *master, const struct sdp_crypto *c, uint8_t label,
			   size_t tag)
{
	char digest[] = "SHA1";
	OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string("digest", digest, 0), OSSL_PARAM_construct_end() };
	size_t size = suites[c->suite].key;
	uint8_t key[32], auth[AUTH_KEY];
	bool ok;

	t->tag = tag;
	t->cipher = EVP_CIPHER_CTX_new();
	t->mac = EVP_MAC_CTX_new(hmac);
	ok = t->cipher && t->mac && derive(master, c->key + size, label, key, size) &&
	     derive(master, c->key + size, (uint8_t)(label + 1), auth, sizeof(auth)) &&
	     derive(master, c->key + size, (uint8_t)(label + 2), t->salt, SALT) &&
	     EVP_EncryptInit_ex2(t->cipher, cipher_of(size), key, NULL, NULL) &&
	     EVP_MAC_init(t->mac, auth, sizeof(auth), params);
	OPENSSL_cleanse(key, sizeof(key));
	OPENSSL_cleanse(auth, sizeof(auth));
	return ok;
}

static void transform_done(struct transform *t)
{
	EVP_CIPHER_CTX_free(t->cipher);
	EVP_MAC_CTX_free(t->mac);
}

static err_t half_init(struct half *h, const struct sdp_crypto *c)
{
	EVP_CIPHER_CTX *master;
	bool ok;

	if (!c->suite)
		return ERR_INVALID;
	h->on = true;
	h->key = *c;
	master = EVP_CIPHER_CTX_new();
	ok = master && EVP_EncryptInit_ex2(master, cipher_of(suites[c->suite].key), c->key, NULL, NULL) &&
	     transform_init(&h->rtp, master, c, 0, suites[c->suite].tag) &&
	     transform_init(&h->rtcp, master, c, 3, RTCP_TAG);
	EVP_CIPHER_CTX_free(master);
	return ok ? ERR_OK : ERR_EXHAUSTED;
}

static void half_done(struct half *h)
{
	transform_done(&h->rtp);
	transform_done(&h->rtcp);
	OPENSSL_cleanse(h, sizeof(*h));
}

static void half_swap(struct half *a, struct half *b)
{
	struct half keep = *a;

	*a = *b;
	*b = keep;
	OPENSSL_cleanse(&keep, sizeof(keep));
}

/* ---- sources ---- */
/* The known one, or the place of the next, which counts only when it has proven itself; NULL: no place left. */
static struct source *source_of(struct half *h, uint32_t ssrc)
{
	struct source *s = &h->sources[h->last];

	if (h->n_sources && s->ssrc == ssrc)
		return s;
	for (unsigned i = 0; i < h->n_sources; i++)
		if (h->sources[i].ssrc == ssrc)
			return &h->sources[i];
	if (h->n_sources == RTPSEC_SOURCES)
		return NULL;
	s = &h->sources[h->n_sources];
	*s = (struct source){ .ssrc = ssrc };
	return s;
}

static void source_seen(struct half *h, const struct source *s)
{
	h->last = (unsigned)(s - h->sources);
	if (h->last == h->n_sources)
		h->n_sources++;
}

/* ---- packets ---- */
/* RFC 3711, 4.1.1: salt, source and index, and two octets for the blocks. */
static bool crypt_packet(struct transform *t, uint32_t ssrc, uint64_t index, uint8_t *bytes, size_t size)
{
	uint8_t iv[IV] = { 0 }, mask[IV] = { 0 };

	memcpy(iv, t->salt, SALT);
	put32(mask + 4, ssrc);
	put32(mask + 8, (uint32_t)(index >> 16));
	mask[12] = (uint8_t)(index >> 8);
	mask[13] = (uint8_t)index;
	for (unsigned i = 4; i < SALT; i++)
		iv[i] ^= mask[i];
	return crypt(t->cipher, iv, bytes, size);
}

/* Over the bytes and, for RTP, the count of wraps (RFC 3711, 4.2). */
static bool tag_of(struct transform *t, const uint8_t *bytes, size_t size, const uint32_t *wraps, uint8_t tag[SHA1])
{
	uint8_t tail[4];
	size_t n;

	if (!EVP_MAC_init(t->mac, NULL, 0, NULL) || !EVP_MAC_update(t->mac, bytes, size))
		return false;
	if (wraps) {
		put32(tail, *wraps);
		if (!EVP_MAC_update(t->mac, tail, sizeof(tail)))
			return false;
	}
	return EVP_MAC_final(t->mac, tag, &n, SHA1) && n == SHA1;
}

/* Octets in front of the payload; 0: no RTP. */
static size_t rtp_head(const uint8_t *p, size_t size)
{
	size_t head = RTP_HEAD;

	if (size < RTP_HEAD || p[0] >> 6 != 2)
		return 0;
	head += 4u * (p[0] & 15);
	if (p[0] & 0x10) {
		if (head + 4 > size)
			return 0;
		head += 4 + 4 * ((size_t)p[head + 2] << 8 | p[head + 3]);
	}
	return head <= size ? head : 0;
}

enum rtpsec_result rtpsec_protect(struct rtpsec *s, void *bytes, size_t *size)
{
	struct half *h = &s->out;
	size_t head = rtp_head(bytes, *size);
	uint8_t *p = bytes, tag[SHA1];
	struct source *src;
	uint64_t index;
	uint32_t wraps;

	if (!head)
		return RTPSEC_REFUSED;
	src = source_of(h, get32(p + 8));
	if (!src)
		return RTPSEC_REFUSED;
	index = window_guess(&src->rtp, (uint16_t)(p[2] << 8 | p[3]));
	wraps = (uint32_t)(index >> 16);
	if (!window_is_new(&src->rtp, index))
		return RTPSEC_REPLAY;
	if (index > RTP_LAST || !crypt_packet(&h->rtp, src->ssrc, index, p + head, *size - head) ||
	    !tag_of(&h->rtp, p, *size, &wraps, tag))
		return RTPSEC_REFUSED;
	memcpy(p + *size, tag, h->rtp.tag);
	*size += h->rtp.tag;
	window_add(&src->rtp, index);
	source_seen(h, src);
	return RTPSEC_OK;
}

static enum rtpsec_result open_rtp(struct half *h, uint8_t *p, size_t *size)
{
	size_t body = *size > h->rtp.tag ? *size - h->rtp.tag : 0, head = rtp_head(p, body);
	struct source *src;
	uint8_t tag[SHA1];
	uint64_t index;
	uint32_t wraps;

	if (!head)
		return RTPSEC_WRONG_TAG;
	src = source_of(h, get32(p + 8));
	if (!src)
		return RTPSEC_REFUSED;
	index = window_guess(&src->rtp, (uint16_t)(p[2] << 8 | p[3]));
	wraps = (uint32_t)(index >> 16);
	if (!window_is_new(&src->rtp, index))
		return RTPSEC_REPLAY;
	if (index > RTP_LAST || !tag_of(&h->rtp, p, body, &wraps, tag))
		return RTPSEC_REFUSED;
	if (CRYPTO_memcmp(tag, p + body, h->rtp.tag) != 0)
		return RTPSEC_WRONG_TAG;
	if (!crypt_packet(&h->rtp, src->ssrc, index, p + head, body - head))
		return RTPSEC_REFUSED;
	window_add(&src->rtp, index);
	source_seen(h, src);
	*size = body;
	return RTPSEC_OK;
}

enum rtpsec_result rtpsec_protect_rtcp(struct rtpsec *s, void *bytes, size_t *size)
{
	struct half *h = &s->out;
	uint8_t *p = bytes, tag[SHA1];

	if (*size < RTCP_HEAD || h->rtcp_next > RTCP_LAST)
		return RTPSEC_REFUSED;
	if (!crypt_packet(&h->rtcp, get32(p + 4), h->rtcp_next, p + RTCP_HEAD, *size - RTCP_HEAD))
		return RTPSEC_REFUSED;
	put32(p + *size, RTCP_E | (uint32_t)h->rtcp_next++);
	*size += RTCP_INDEX;
	if (!tag_of(&h->rtcp, p, *size, NULL, tag))
		return RTPSEC_REFUSED;
	memcpy(p + *size, tag, RTCP_TAG);
	*size += RTCP_TAG;
	return RTPSEC_OK;
}

static enum rtpsec_result open_rtcp(struct half *h, uint8_t *p, size_t *size)
{
	struct source *src;
	uint8_t tag[SHA1];
	uint32_t word;
	size_t body;

	if (*size < RTCP_HEAD + RTCP_INDEX + RTCP_TAG || p[0] >> 6 != 2)
		return RTPSEC_WRONG_TAG;
	body = *size - RTCP_INDEX - RTCP_TAG;
	word = get32(p + body);
	src = source_of(h, get32(p + 4));
	if (!src)
		return RTPSEC_REFUSED;
	if (!(word & RTCP_E))
		return RTPSEC_WRONG_TAG; /* in clear: not agreed */
	if (!window_is_new(&src->rtcp, word & RTCP_LAST))
		return RTPSEC_REPLAY;
	if (!tag_of(&h->rtcp, p, body + RTCP_INDEX, NULL, tag))
		return RTPSEC_REFUSED;
	if (CRYPTO_memcmp(tag, p + body + RTCP_INDEX, RTCP_TAG) != 0)
		return RTPSEC_WRONG_TAG;
	if (!crypt_packet(&h->rtcp, src->ssrc, word & RTCP_LAST, p + RTCP_HEAD, body - RTCP_HEAD))
		return RTPSEC_REFUSED;
	window_add(&src->rtcp, word & RTCP_LAST);
	source_seen(h, src);
	*size = body;
	return RTPSEC_OK;
}

typedef enum rtpsec_result open_fn(struct half *h, uint8_t *p, size_t *size);

static enum rtpsec_result unprotect(struct rtpsec *s, open_fn *fn, void *bytes, size_t *size)
{
	enum rtpsec_result r = fn(&s->in, bytes, size);

	if (!s->before.on)
		return r;
	/* Until the peer has changed keys itself. */
	if (r == RTPSEC_WRONG_TAG) {
		r = fn(&s->before, bytes, size);
		if (r == RTPSEC_OK && --s->grace == 0)
			half_done(&s->before);
	} else if (r == RTPSEC_OK) {
		half_done(&s->before);
	}
	return r;
}

enum rtpsec_result rtpsec_unprotect(struct rtpsec *s, void *bytes, size_t *size)
{
	return unprotect(s, open_rtp, bytes, size);
}

enum rtpsec_result rtpsec_unprotect_rtcp(struct rtpsec *s, void *bytes, size_t *size)
{
	return unprotect(s, open_rtcp, bytes, size);
}

/* ---- both directions ---- */
err_t rtpsec_new(struct rtpsec **ret, const struct sdp_crypto *ours, const struct sdp_crypto *theirs)
{
	struct rtpsec *s = mem_zalloc(sizeof(*s));
	err_t e;

	if (!s)
		return ERR_EXHAUSTED;
	e = half_init(&s->out, ours);
	if (!e)
		e = half_init(&s->in, theirs);
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
