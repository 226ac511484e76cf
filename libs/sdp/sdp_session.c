#include "sdp/sdp_session.h"

#include <string.h>

enum sdp_dir sdp_dir_reverse(enum sdp_dir d)
{
	return (enum sdp_dir)(((d & 1) << 1) | (d >> 1));
}

void sdp_session_init(struct sdp_session *s, const struct sdp_addr *addr, uint16_t port, uint64_t session_id)
{
	*s = (struct sdp_session){
		.addr = *addr,
		.port = port,
		.id = session_id & INT64_MAX, /* some phones read it as a signed number */
		.prefer = SDP_CODEC_PCMA,
		.n_slots = 1,
		.slots = { { .kind = "audio", .proto = "RTP/AVP" } },
		.body = STR_INIT,
		.local = STR_INIT,
	};
}

void sdp_session_done(struct sdp_session *s)
{
	str_done(&s->body);
	str_done(&s->local);
}

static const char *dir_name(enum sdp_dir d)
{
	static const char *const names[] = { "inactive", "sendonly", "recvonly", "sendrecv" };

	return names[d];
}

static const char *codec_name(enum sdp_codec c)
{
	return c == SDP_CODEC_PCMU ? "PCMU" : c == SDP_CODEC_PCMA ? "PCMA" : "telephone-event";
}

/* What our audio line says. */
struct audio_line {
	unsigned n;
	struct {
		uint8_t pt;
		enum sdp_codec codec;
	} f[3];
	enum sdp_dir dir;
	const struct sdp_crypto *crypto; /* NULL: RTP/AVP */
};

static void write_audio(struct str *out, uint16_t port, const struct audio_line *a)
{
	str_printf(out, "m=audio %u %s", (unsigned)port, a->crypto ? "RTP/SAVP" : "RTP/AVP");
	for (unsigned i = 0; i < a->n; i++)
		str_printf(out, " %u", (unsigned)a->f[i].pt);
	str_append(out, "\r\n");
	for (unsigned i = 0; i < a->n; i++)
		str_printf(out, "a=rtpmap:%u %s/8000\r\n", (unsigned)a->f[i].pt, codec_name(a->f[i].codec));
	for (unsigned i = 0; i < a->n; i++)
		if (a->f[i].codec == SDP_CODEC_EVENT)
			str_printf(out, "a=fmtp:%u 0-15\r\n", (unsigned)a->f[i].pt);
	if (a->crypto)
		sdp_crypto_write(a->crypto, out);
	str_printf(out, "a=ptime:20\r\na=%s\r\n", dir_name(a->dir));
}

static void write_body(const struct sdp_session *s, const struct sdp_slot *slots, unsigned n_slots, unsigned audio_slot,
		       const struct audio_line *a, struct str *out)
{
	char addr[SDP_ADDR_TEXT];

	str_printf(out, "s=-\r\nc=IN IP%u %s\r\nt=0 0\r\n", (unsigned)s->addr.family, sdp_addr_text(&s->addr, addr));
	for (unsigned i = 0; i < n_slots; i++) {
		if (i == audio_slot)
			write_audio(out, s->port, a);
		else
			str_printf(out, "m=%s 0 %s %s\r\n", slots[i].kind, slots[i].proto, slots[i].format);
	}
}

/* Takes body over as the local description, with a new version if it says something new. */
static err_t set_local(struct sdp_session *s, struct str *body)
{
	struct str local = STR_INIT;
	char addr[SDP_ADDR_TEXT];
	uint64_t version = s->version;

	if (!str_eq(str_text(body), str_text(&s->body)))
		version++;
	str_printf(&local, "v=0\r\no=trunkline %llu %llu IN IP%u %s\r\n", (unsigned long long)s->id,
		   (unsigned long long)version, (unsigned)s->addr.family, sdp_addr_text(&s->addr, addr));
	str_append(&local, str_text(body));
	if (body->failed || local.failed) {
		str_done(body);
		str_done(&local);
		return ERR_EXHAUSTED;
	}
	sdp_session_done(s);
	s->body = *body;
	s->local = local;
	s->version = version;
	return ERR_OK;
}

/* ---- keys ---- */
/* What was secure once stays secure. */
static bool must_be_srtp(const struct sdp_session *s)
{
	return s->srtp || s->agreed.srtp;
}

/* Our key for the suite: the one we have, or a new one. */
static err_t own_key(const struct sdp_session *s, enum sdp_suite suite, uint32_t tag, struct sdp_crypto *ret)
{
	*ret = s->ours;
	ret->tag = tag;
	if (s->ours.suite == suite)
		return ERR_OK;
	ret->suite = suite;
	return s->random && s->random(ret->key, sdp_suite_key_size(suite)) ? ERR_OK : ERR_UNAVAILABLE;
}

err_t sdp_session_offer(struct sdp_session *s, enum sdp_dir dir)
{
	enum sdp_suite suite = s->ours.suite ? s->ours.suite : SDP_AES_CM_128_HMAC_SHA1_80;
	struct audio_line a = { .n = 3, .dir = dir };
	struct sdp_crypto ours = { 0 };
	err_t e;
	enum sdp_codec first = s->agreed.valid ? s->agreed.codec : s->prefer;
	struct str body = STR_INIT;

	a.f[0].codec = first == SDP_CODEC_PCMU ? SDP_CODEC_PCMU : SDP_CODEC_PCMA;
	a.f[1].codec = first == SDP_CODEC_PCMU ? SDP_CODEC_PCMA : SDP_CODEC_PCMU;
	a.f[2].codec = SDP_CODEC_EVENT;
	for (unsigned i = 0; i < 2; i++)
		a.f[i].pt = a.f[i].codec == SDP_CODEC_PCMU ? 0 : 8;
	a.f[2].pt = SDP_EVENT_PT;
	/* A payload type keeps its meaning for the session (RFC 3264, 8.3.2). */
	if (s->agreed.valid)
		a.f[0].pt = s->agreed.recv_pt;
	if (s->agreed.valid && s->agreed.recv_event_pt != SDP_NO_PT)
		a.f[2].pt = s->agreed.recv_event_pt;
	if (must_be_srtp(s)) {
		e = own_key(s, suite, s->ours.suite ? s->ours.tag : 1, &ours);
		if (e)
			return e;
		a.crypto = &ours;
	}
	write_body(s, s->slots, s->n_slots, s->audio_slot, &a, &body);
	e = set_local(s, &body);
	if (!e && a.crypto)
		s->ours = ours;
	return e;
}

/* The codec both can: the first G.711 in the peer's order. */
static const struct sdp_format *choose(const struct sdp_media *m)
{
	for (unsigned i = 0; i < m->n_formats; i++) {
		const struct sdp_format *f = &m->formats[i];

		if ((f->codec == SDP_CODEC_PCMA || f->codec == SDP_CODEC_PCMU) && f->rate_hz == 8000)
			return f;
	}
	return NULL;
}

/* A line with G.711 that is as secure as it must be. */
static bool usable(const struct sdp_session *s, const struct sdp_media *m)
{
	if (!m->rtp || !m->port || !choose(m))
		return false;
	return m->srtp ? s->random && m->n_crypto : !must_be_srtp(s);
}

static void agree(const struct sdp_media *m, struct sdp_agreed *ret)
{
	const struct sdp_format *f = choose(m), *ev = sdp_media_find(m, SDP_CODEC_EVENT);
	enum sdp_dir peer = m->dir;

	if (sdp_addr_any(&m->addr)) /* hold as in RFC 2543: nowhere to send to */
		peer &= (enum sdp_dir) ~SDP_RECVONLY;
	*ret = (struct sdp_agreed){
		.valid = true,
		.codec = f->codec,
		.send_pt = f->pt,
		.recv_pt = f->pt,
		.send_event_pt = ev ? ev->pt : SDP_NO_PT,
		.recv_event_pt = ev ? ev->pt : SDP_NO_PT,
		.addr = m->addr,
		.port = m->port,
		.rtcp_addr = m->rtcp_addr.family ? m->rtcp_addr : m->addr,
		.rtcp_port = m->rtcp_port ? m->rtcp_port : (uint16_t)(m->port + 1),
		.dir = sdp_dir_reverse(peer),
		.ptime_ms = m->ptime_ms ? m->ptime_ms : 20,
	};
}

/* Tells why none of the lines will do. */
static err_t nothing_common(const struct sdp_session *s, const struct sdp *d, struct err_detail *detail)
{
	for (unsigned i = 0; i < d->n_media; i++) {
		const struct sdp_media *m = &d->media[i];

		if (!m->rtp || !m->port || !choose(m))
			continue;
		if (m->srtp)
			return err_set(detail, ERR_INVALID, "sdp",
				       "RTP/SAVP needs a=crypto with one of AES_CM_128_HMAC_SHA1_80, "
				       "AES_CM_128_HMAC_SHA1_32, AES_256_CM_HMAC_SHA1_80, one inline key, no MKI");
		if (must_be_srtp(s))
			return err_set(detail, ERR_INVALID, "sdp", "RTP/SAVP is wanted here, not RTP/AVP");
	}
	return err_set(detail, ERR_PRECONDITION, "sdp", "no audio line with RTP and PCMA or PCMU at 8000 Hz");
}

static void slot_of(const struct sdp_media *m, struct sdp_slot *slot)
{
	memcpy(slot->kind, m->kind, sizeof(slot->kind));
	memcpy(slot->proto, m->proto, sizeof(slot->proto));
	memcpy(slot->format, m->format, sizeof(slot->format));
}

/* A peer that sends our own key back could be fed with our own packets, and nothing of it would be secret. */
static err_t refuse_echo(const struct sdp_crypto *ours, const struct sdp_crypto *theirs, struct err_detail *detail)
{
	return sdp_crypto_same_key(ours, theirs)
		   ? err_set(detail, ERR_INVALID, "sdp", "a=crypto must not have our own key")
		   : ERR_OK;
}

/* The first line of the offer that is ours, answered with its tag. */
static err_t answer_crypto(const struct sdp_session *s, const struct sdp_media *m, struct sdp_agreed *a,
			   struct err_detail *detail)
{
	err_t e;

	a->srtp = true;
	a->theirs = m->crypto[0];
	e = own_key(s, a->theirs.suite, a->theirs.tag, &a->ours);
	if (e)
		return err_set(detail, e, "sdp", "no random bytes for a key");
	return refuse_echo(&a->ours, &a->theirs, detail);
}

err_t sdp_session_answer(struct sdp_session *s, const void *offer, size_t size, struct err_detail *detail)
{
	struct sdp_slot slots[SDP_MEDIA_MAX];
	struct audio_line a = { .n = 1 };
	struct str body = STR_INIT;
	struct sdp_agreed agreed;
	unsigned audio = 0;
	struct sdp d;
	err_t e;

	e = sdp_parse(&d, offer, size, detail);
	if (e)
		return e;
	while (audio < d.n_media && !usable(s, &d.media[audio]))
		audio++;
	if (audio == d.n_media)
		return nothing_common(s, &d, detail);
	agree(&d.media[audio], &agreed);
	if (d.media[audio].srtp) {
		e = answer_crypto(s, &d.media[audio], &agreed, detail);
		if (e)
			return e;
		a.crypto = &agreed.ours;
	}
	a.dir = agreed.dir;
	a.f[0].pt = agreed.recv_pt;
	a.f[0].codec = agreed.codec;
	if (agreed.recv_event_pt != SDP_NO_PT) {
		a.f[1].pt = agreed.recv_event_pt;
		a.f[1].codec = SDP_CODEC_EVENT;
		a.n = 2;
	}
	for (unsigned i = 0; i < d.n_media; i++)
		slot_of(&d.media[i], &slots[i]);
	write_body(s, slots, d.n_media, audio, &a, &body);
	e = set_local(s, &body);
	if (e)
		return e;
	memcpy(s->slots, slots, d.n_media * sizeof(slots[0]));
	s->n_slots = d.n_media;
	s->audio_slot = audio;
	if (agreed.srtp)
		s->ours = agreed.ours;
	s->agreed = agreed;
	return ERR_OK;
}

/* The answer has one line: the tag and suite of ours. */
static err_t answered_crypto(const struct sdp_session *s, const struct sdp_media *m, struct sdp_agreed *a,
			     struct err_detail *detail)
{
	if (m->srtp != must_be_srtp(s))
		return err_set(detail, ERR_INVALID, "sdp", "the answer to RTP/AVP must be RTP/AVP");
	if (!m->srtp)
		return ERR_OK;
	if (m->crypto[0].tag != s->ours.tag || m->crypto[0].suite != s->ours.suite)
		return err_set(detail, ERR_INVALID, "sdp",
			       "a=crypto of the answer must repeat tag and suite of the offer");
	a->srtp = true;
	a->ours = s->ours;
	a->theirs = m->crypto[0];
	return refuse_echo(&a->ours, &a->theirs, detail);
}

err_t sdp_session_answered(struct sdp_session *s, const void *answer, size_t size, struct err_detail *detail)
{
	const struct sdp_media *m;
	struct sdp_agreed agreed;
	struct sdp d;
	err_t e;

	e = sdp_parse(&d, answer, size, detail);
	if (e)
		return e;
	if (s->audio_slot >= d.n_media || !usable(s, &d.media[s->audio_slot]))
		return nothing_common(s, &d, detail);
	m = &d.media[s->audio_slot];
	agree(m, &agreed);
	e = answered_crypto(s, m, &agreed, detail);
	if (e)
		return e;
	/* Packets to us carry the numbers of our offer. */
	if (s->agreed.valid && s->agreed.codec == agreed.codec)
		agreed.recv_pt = s->agreed.recv_pt;
	else
		agreed.recv_pt = agreed.codec == SDP_CODEC_PCMU ? 0 : 8;
	if (agreed.send_event_pt != SDP_NO_PT)
		agreed.recv_event_pt =
		    s->agreed.valid && s->agreed.recv_event_pt != SDP_NO_PT ? s->agreed.recv_event_pt : SDP_EVENT_PT;
	s->agreed = agreed;
	return ERR_OK;
}
