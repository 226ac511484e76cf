#include "sdp/sdp.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

/* A piece of the input: never copied, never terminated. */
struct span {
	const char *p;
	size_t n;
};

struct parser {
	struct sdp *sdp;
	struct err_detail *detail;
	unsigned line;
	bool seen_origin;
};

static err_t bad(const struct parser *ps, const char *what)
{
	char field[32];

	snprintf(field, sizeof(field), "sdp line %u", ps->line);
	return err_set(ps->detail, ERR_INVALID, field, "%s", what);
}

static bool is_token_char(unsigned char c)
{
	return c > 0x20 && c < 0x7f && !strchr("\"(),/:;<=>?@[\\]", c);
}

static bool is_token(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_token_char((unsigned char)s.p[i]))
			return false;
	return s.n > 0 && s.n < SDP_TOKEN;
}

/* "RTP/AVP": tokens with slashes between. */
static bool is_proto(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_token_char((unsigned char)s.p[i]) && s.p[i] != '/')
			return false;
	return s.n > 0 && s.n < SDP_TOKEN;
}

static bool span_is(struct span s, const char *text)
{
	return s.n == strlen(text) && memcmp(s.p, text, s.n) == 0;
}

static bool span_is_nocase(struct span s, const char *text)
{
	return s.n == strlen(text) && strncasecmp(s.p, text, s.n) == 0;
}

/* The next word before `sep`; *rest moves behind it. Runs of blanks count as one. */
static struct span word(struct span *rest, char sep)
{
	struct span w = *rest;
	const char *end;

	while (sep == ' ' && w.n && *w.p == ' ')
		w.p++, w.n--;
	end = w.n ? memchr(w.p, sep, w.n) : NULL;
	if (!end) {
		rest->p = w.p + w.n;
		rest->n = 0;
		return w;
	}
	rest->n = w.n - (size_t)(end + 1 - w.p);
	rest->p = end + 1;
	w.n = (size_t)(end - w.p);
	return w;
}

static bool number(struct span s, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;

	if (s.n == 0 || s.n > 20)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned d = (unsigned)(unsigned char)s.p[i] - '0';

		if (d > 9 || v > (UINT64_MAX - d) / 10)
			return false;
		v = v * 10 + d;
	}
	if (v > max)
		return false;
	*ret = v;
	return true;
}

static void copy(char dst[SDP_TOKEN], struct span s)
{
	memcpy(dst, s.p, s.n);
	dst[s.n] = '\0';
}

bool sdp_addr_parse(struct sdp_addr *ret, const char *text)
{
	struct sdp_addr a = { 0 };

	if (inet_pton(AF_INET, text, a.bytes) == 1)
		a.family = 4;
	else if (inet_pton(AF_INET6, text, a.bytes) == 1)
		a.family = 6;
	else
		return false;
	*ret = a;
	return true;
}

const char *sdp_addr_text(const struct sdp_addr *a, char buf[SDP_ADDR_TEXT])
{
	buf[0] = '\0';
	if (a->family)
		inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->bytes, buf, SDP_ADDR_TEXT);
	return buf;
}

bool sdp_addr_any(const struct sdp_addr *a)
{
	static const uint8_t zero[16];

	return a->family && memcmp(a->bytes, zero, sizeof(zero)) == 0;
}

bool sdp_addr_loopback(const struct sdp_addr *a)
{
	static const uint8_t one[16] = { [15] = 1 };

	return (a->family == 4 && a->bytes[0] == 127) || (a->family == 6 && memcmp(a->bytes, one, sizeof(one)) == 0);
}

bool sdp_addr_multicast(const struct sdp_addr *a)
{
	if (a->family == 4)
		return a->bytes[0] >= 224;
	return a->family == 6 && a->bytes[0] == 0xff;
}

/* "IN IP4 192.0.2.1"; a multicast TTL ("/127") makes the address non-numeric and so refused. */
static err_t parse_addr(struct parser *ps, struct span s, struct sdp_addr *ret)
{
	struct span net = word(&s, ' '), type = word(&s, ' '), host = word(&s, ' ');
	char text[SDP_ADDR_TEXT];
	struct sdp_addr a;

	if (!span_is(net, "IN") || (!span_is(type, "IP4") && !span_is(type, "IP6")))
		return bad(ps, "network type must be IN and the address type IP4 or IP6");
	if (host.n == 0 || host.n >= sizeof(text))
		return bad(ps, "needs a numeric IPv4 or IPv6 address");
	memcpy(text, host.p, host.n);
	text[host.n] = '\0';
	if (strlen(text) != host.n || !sdp_addr_parse(&a, text) || a.family != (type.p[2] == '4' ? 4 : 6))
		return bad(ps, "needs a numeric IPv4 or IPv6 address");
	if (sdp_addr_multicast(&a))
		return bad(ps, "multicast addresses are not accepted");
	*ret = a;
	return ERR_OK;
}

/* o=<user> <sess-id> <sess-version> IN IP4 <address>; the address may be a name and is not used. */
static err_t parse_origin(struct parser *ps, struct span v)
{
	uint64_t id;
	struct span user = word(&v, ' '), sess = word(&v, ' '), version = word(&v, ' ');

	if (ps->seen_origin)
		return bad(ps, "a second o= line");
	if (user.n == 0 || !number(sess, UINT64_MAX, &id) || !number(version, UINT64_MAX, &ps->sdp->version))
		return bad(ps, "o= must be: user, numeric session id, numeric version, IN, IP4 or IP6, address");
	ps->seen_origin = true;
	return ERR_OK;
}

static struct sdp_format *add_format(struct sdp_media *m, uint8_t pt)
{
	struct sdp_format *f;

	for (unsigned i = 0; i < m->n_formats; i++)
		if (m->formats[i].pt == pt)
			return NULL;
	if (m->n_formats == SDP_FORMATS_MAX)
		return NULL;
	f = &m->formats[m->n_formats++];
	*f = (struct sdp_format){ .pt = pt };
	if (pt == 0 || pt == 8) { /* static types of RFC 3551 */
		f->codec = pt ? SDP_CODEC_PCMA : SDP_CODEC_PCMU;
		f->rate_hz = 8000;
	}
	return f;
}

static err_t parse_formats(struct parser *ps, struct sdp_media *m, struct span v)
{
	unsigned n = 0;

	for (struct span f = word(&v, ' '); f.n; f = word(&v, ' '), n++) {
		uint64_t pt;

		if (!is_token(f))
			return bad(ps, "a format of m= must be a token");
		if (n == 0)
			copy(m->format, f);
		if (!m->rtp)
			continue;
		if (!number(f, 127, &pt))
			return bad(ps, "a format of RTP must be a payload type 0-127");
		(void)add_format(m, (uint8_t)pt); /* repeated or too many: the first ones count */
	}
	return n ? ERR_OK : bad(ps, "m= must have media, port, profile and at least one format");
}

/* m=<media> <port>[/<n>] <proto> <fmt> … */
static err_t parse_media(struct parser *ps, struct span v)
{
	struct span kind = word(&v, ' '), port = word(&v, ' '), proto = word(&v, ' ');
	struct span port_number = word(&port, '/');
	struct sdp_media *m;
	uint64_t n;

	if (ps->sdp->n_media == SDP_MEDIA_MAX)
		return bad(ps, "more than 8 media lines");
	m = &ps->sdp->media[ps->sdp->n_media];
	*m = (struct sdp_media){ .addr = ps->sdp->addr, .dir = ps->sdp->dir };
	if (!is_token(kind) || !is_proto(proto))
		return bad(ps, "m= must have media, port, profile and at least one format");
	if (!number(port_number, 65535, &n))
		return bad(ps, "the port of m= must be 0-65535");
	copy(m->kind, kind);
	copy(m->proto, proto);
	m->port = (uint16_t)n;
	m->srtp = span_is(kind, "audio") && span_is(proto, "RTP/SAVP");
	m->rtp = m->srtp || (span_is(kind, "audio") && span_is(proto, "RTP/AVP"));
	ps->sdp->n_media++;
	return parse_formats(ps, m, v);
}

static struct sdp_media *current(struct parser *ps)
{
	return ps->sdp->n_media ? &ps->sdp->media[ps->sdp->n_media - 1] : NULL;
}

static enum sdp_codec codec_of(struct span name)
{
	if (span_is_nocase(name, "PCMA"))
		return SDP_CODEC_PCMA;
	if (span_is_nocase(name, "PCMU"))
		return SDP_CODEC_PCMU;
	if (span_is_nocase(name, "telephone-event"))
		return SDP_CODEC_EVENT;
	return SDP_CODEC_OTHER;
}

/* a=rtpmap:<pt> <name>/<rate>[/<channels>] */
static err_t parse_rtpmap(struct parser *ps, struct sdp_media *m, struct span v)
{
	struct span pt_text = word(&v, ' '), map = word(&v, ' ');
	struct span name = word(&map, '/'), rate_text = word(&map, '/'), channels = word(&map, '/');
	uint64_t pt, rate;

	if (!m || !m->rtp)
		return ERR_OK;
	if (!number(pt_text, 127, &pt) || !is_token(name) || !number(rate_text, 1000000, &rate))
		return bad(ps, "rtpmap must be: payload type 0-127, encoding/clock rate");
	for (unsigned i = 0; i < m->n_formats; i++) {
		struct sdp_format *f = &m->formats[i];

		if (f->pt != pt || f->mapped)
			continue;
		f->codec = channels.n && !span_is(channels, "1") ? SDP_CODEC_OTHER : codec_of(name);
		f->rate_hz = (uint32_t)rate;
		f->mapped = true;
	}
	return ERR_OK;
}

/* a=rtcp:<port> [IN IP4 <address>] (RFC 3605) */
static err_t parse_rtcp(struct parser *ps, struct sdp_media *m, struct span v)
{
	struct span port = word(&v, ' ');
	uint64_t n;

	if (!m)
		return ERR_OK;
	if (!number(port, 65535, &n))
		return bad(ps, "the port of a=rtcp must be 0-65535");
	m->rtcp_port = (uint16_t)n;
	return v.n ? parse_addr(ps, v, &m->rtcp_addr) : ERR_OK;
}

/* a=crypto:… (RFC 4568). On a plain line it is an offer of best effort, which is not taken up. */
static void parse_crypto(struct sdp_media *m, struct span v)
{
	if (m && m->srtp && m->n_crypto < SDP_CRYPTO_MAX && sdp_crypto_parse(&m->crypto[m->n_crypto], v.p, v.n))
		m->n_crypto++;
}

static bool parse_dir(struct span name, enum sdp_dir *ret)
{
	static const struct {
		const char *name;
		enum sdp_dir dir;
	} table[] = {
		{ "sendrecv", SDP_SENDRECV },
		{ "sendonly", SDP_SENDONLY },
		{ "recvonly", SDP_RECVONLY },
		{ "inactive", SDP_INACTIVE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (span_is(name, table[i].name)) {
			*ret = table[i].dir;
			return true;
		}
	return false;
}

static err_t parse_attribute(struct parser *ps, struct span v)
{
	struct span name = word(&v, ':');
	struct sdp_media *m = current(ps);
	uint64_t n;

	if (parse_dir(name, m ? &m->dir : &ps->sdp->dir))
		return ERR_OK;
	if (span_is(name, "rtpmap"))
		return parse_rtpmap(ps, m, v);
	if (span_is(name, "rtcp"))
		return parse_rtcp(ps, m, v);
	if (span_is(name, "crypto"))
		parse_crypto(m, v);
	if (m && span_is(name, "ptime") && number(word(&v, ' '), 1000, &n))
		m->ptime_ms = (unsigned)n;
	return ERR_OK;
}

static err_t parse_line(struct parser *ps, char type, struct span v)
{
	struct sdp_media *m = current(ps);

	if (ps->line == 1)
		return type == 'v' && span_is(v, "0") ? ERR_OK : bad(ps, "the first line must be v=0");
	switch (type) {
	case 'o':
		return parse_origin(ps, v);
	case 'c':
		return parse_addr(ps, v, m ? &m->addr : &ps->sdp->addr);
	case 'm':
		return parse_media(ps, v);
	case 'a':
		return parse_attribute(ps, v);
	default:
		return ERR_OK;
	}
}

static err_t check_whole(struct parser *ps)
{
	if (ps->line == 0)
		return bad(ps, "empty");
	if (!ps->seen_origin)
		return bad(ps, "no o= line");
	if (ps->sdp->n_media == 0)
		return bad(ps, "no m= line");
	for (unsigned i = 0; i < ps->sdp->n_media; i++)
		if (ps->sdp->media[i].rtp && ps->sdp->media[i].port && !ps->sdp->media[i].addr.family)
			return bad(ps, "no c= line for the audio");
	return ERR_OK;
}

/* Lines end with LF or CR LF; an empty line only at the end. */
static err_t next_line(struct parser *ps, struct span *rest)
{
	struct span line = word(rest, '\n');

	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	if (line.n == 0)
		return ERR_OK;
	if (++ps->line > SDP_LINES_MAX)
		return bad(ps, "more than 512 lines");
	if (line.n < 2 || line.p[1] != '=' || line.p[0] < 'a' || line.p[0] > 'z')
		return bad(ps, "a line must be a small letter, = and a value");
	return parse_line(ps, line.p[0], (struct span){ line.p + 2, line.n - 2 });
}

err_t sdp_parse(struct sdp *ret, const void *bytes, size_t size, struct err_detail *detail)
{
	struct parser ps = { .sdp = ret, .detail = detail };
	struct span rest = { bytes, size };

	*ret = (struct sdp){ .dir = SDP_SENDRECV };
	if (size > SDP_SIZE_MAX)
		return bad(&ps, "longer than 16 KiB");
	if (size && memchr(bytes, 0, size))
		return bad(&ps, "contains NUL");
	while (rest.n) {
		err_t e = next_line(&ps, &rest);

		if (e)
			return e;
	}
	return check_whole(&ps);
}

const struct sdp_format *sdp_media_find(const struct sdp_media *m, enum sdp_codec codec)
{
	for (unsigned i = 0; i < m->n_formats; i++)
		if (m->formats[i].codec == codec && m->formats[i].rate_hz == 8000)
			return &m->formats[i];
	return NULL;
}
