#include "sip/judge.h"
#include "base/err.h"

#include <ctype.h>
#include <sofia-sip/msg.h>
#include <sofia-sip/msg_header.h>
#include <sofia-sip/sip.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_parser.h>
#include <sofia-sip/sip_util.h>
#include <sofia-sip/su_string.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define CALL_ID_MAX  256
#define TAG_MAX	     256
#define URI_PART_MAX 256
#define CSEQ_MAX     0x7fffffffu

/* What a rule looks at. */
struct subject {
	const sip_t *sip;
	msg_t *msg;
	sip_method_t method;   /* of requests */
	struct judgement *out; /* a rule may add a header for the answer */
};

struct rule {
	const char *name;
	bool (*broken)(const struct subject *s);
	unsigned status;
	const char *phrase;
};

/* ---- helpers ---- */

static bool token(const char *s, size_t max)
{
	size_t n = 0;

	for (; s[n]; n++)
		if (n >= max || !(isalnum((unsigned char)s[n]) || strchr("-.!%*_+`'~", s[n])))
			return false;
	return n > 0;
}

/* Call-ID: word ["@" word] (RFC 3261 §25.1), which is any visible ASCII but a few. */
static bool call_id_ok(const char *s)
{
	size_t n = 0;

	for (; s && s[n]; n++)
		if (n >= CALL_ID_MAX || s[n] <= ' ' || s[n] == 0x7f || (unsigned char)s[n] > 0x7e)
			return false;
	return n > 0;
}

static bool too_long(const char *s)
{
	return s && strlen(s) > URI_PART_MAX;
}

static bool visible(const char *s)
{
	for (; s && *s; s++)
		if ((unsigned char)*s <= ' ' || *s == 0x7f)
			return false;
	return true;
}

static bool in_dialog(const struct subject *s)
{
	return s->sip->sip_to && s->sip->sip_to->a_tag;
}

/* ---- rules for requests, in the order in which they are told ---- */

static bool bad_version(const struct subject *s)
{
	return !su_casematch(s->sip->sip_request->rq_version, sip_version_2_0);
}

static bool missing_mandatory(const struct subject *s)
{
	return !s->sip->sip_via || !s->sip->sip_from || !s->sip->sip_to || !s->sip->sip_call_id || !s->sip->sip_cseq;
}

/* Fields that may stand once only; Sofia keeps the first (or last) and says nothing. */
static bool duplicate_single(const struct subject *s)
{
	static msg_hclass_t *const single[] = { sip_from_class,		sip_to_class,
						sip_call_id_class,	sip_cseq_class,
						sip_max_forwards_class, sip_content_length_class,
						sip_content_type_class, sip_expires_class };
	unsigned seen = 0;

	for (msg_header_t *h = s->msg ? *msg_chain_head(s->msg) : NULL; h; h = h->sh_succ) {
		for (size_t i = 0; i < ARRAY_SIZE(single); i++) {
			if (h->sh_class != single[i])
				continue;
			if (seen & (1u << i))
				return true;
			seen |= 1u << i;
		}
	}
	return false;
}

static bool unknown_scheme(const struct subject *s)
{
	const url_t *u = s->sip->sip_request->rq_url;

	return u->url_type != url_sip && u->url_type != url_sips && u->url_type != url_tel;
}

static bool headers_in_uri(const struct subject *s)
{
	return s->sip->sip_request->rq_url->url_headers != NULL;
}

static bool uri_too_long(const struct subject *s)
{
	const url_t *u = s->sip->sip_request->rq_url;

	return too_long(u->url_user) || too_long(u->url_host) || too_long(u->url_params);
}

static bool blank_in_uri(const struct subject *s)
{
	const url_t *u = s->sip->sip_request->rq_url;

	return !visible(u->url_user) || !visible(u->url_host) || !visible(u->url_params) ||
	       (u->url_host && strpbrk(u->url_host, "<>\""));
}

/* The magic cookie with nothing behind it (RFC 4475 badbranch) tells no transactions apart. Without the cookie, or without a
 * branch, nta compares Call-ID, CSeq, tags and Via (RFC 2543); shorter ones than the cookie it reads past their end. */
static bool bad_branch(const struct subject *s)
{
	const char *b = s->sip->sip_via->v_branch;

	if (!b)
		return false;
	return strlen(b) < 7 || (strncasecmp(b, "z9hG4bK", 7) == 0 && !b[7]) || strlen(b) > URI_PART_MAX || !visible(b);
}

static bool too_many_vias(const struct subject *s)
{
	int n = 0;

	for (const sip_via_t *v = s->sip->sip_via; v; v = v->v_next)
		if (++n > JUDGE_VIAS_MAX)
			return true;
	return false;
}

static bool bad_via_host(const struct subject *s)
{
	const sip_via_t *v = s->sip->sip_via;

	return !v->v_host || !v->v_host[0] || too_long(v->v_host) || !visible(v->v_host);
}

static bool bad_call_id(const struct subject *s)
{
	return !call_id_ok(s->sip->sip_call_id->i_id);
}

static bool bad_tags(const struct subject *s)
{
	const char *from = s->sip->sip_from->a_tag, *to = s->sip->sip_to->a_tag;

	return !from || !token(from, TAG_MAX) || (to && !token(to, TAG_MAX));
}

static bool bad_cseq(const struct subject *s)
{
	const sip_cseq_t *c = s->sip->sip_cseq;

	return c->cs_seq > CSEQ_MAX || c->cs_method != s->method ||
	       (s->method == sip_method_unknown &&
		!su_strmatch(c->cs_method_name, s->sip->sip_request->rq_method_name));
}

static bool bad_method_name(const struct subject *s)
{
	return !token(s->sip->sip_request->rq_method_name, 32);
}

/* What ends here is answered all the same (RFC 4475 zeromf); a call goes on, and would go round for ever (RFC 7332). */
static bool no_forwards_left(const struct subject *s)
{
	return s->method == sip_method_invite && s->sip->sip_max_forwards && s->sip->sip_max_forwards->mf_count == 0 &&
	       !in_dialog(s);
}

static bool add_unsupported(const struct subject *s, const msg_list_t *required, const char *const *known)
{
	size_t n = strlen(s->out->header);
	bool any = false;

	for (const msg_param_t *p = required ? (const msg_param_t *)required->k_items : NULL; p && *p; p++) {
		size_t k = 0;

		while (known[k] && strcasecmp(known[k], *p) != 0)
			k++;
		if (known[k])
			continue;
		any = true;
		/* Only tokens are told back, and only as many as fit. */
		if (token(*p, 40) && n + strlen(*p) + 16 < sizeof(s->out->header))
			n += (size_t)sprintf(s->out->header + n, "%s%s", n ? ", " : "Unsupported: ", *p);
	}
	return any;
}

static bool unknown_extension(const struct subject *s)
{
	static const char *const for_call[] = { "timer", NULL };
	static const char *const for_register[] = { "path", "outbound", NULL };
	bool any;

	if (s->method == sip_method_ack || s->method == sip_method_cancel)
		return false;
	any = add_unsupported(s, s->sip->sip_require, s->method == sip_method_register ? for_register : for_call);
	return add_unsupported(s, s->sip->sip_proxy_require, (const char *const[]){ NULL }) || any;
}

static bool carries_sdp(const struct subject *s)
{
	return s->sip->sip_payload && s->sip->sip_payload->pl_len > 0 &&
	       (s->method == sip_method_invite || s->method == sip_method_update || s->method == sip_method_ack ||
		s->method == sip_method_prack);
}

static bool body_too_large(const struct subject *s)
{
	return s->sip->sip_payload && s->sip->sip_payload->pl_len > JUDGE_SDP_MAX;
}

static bool wrong_content_type(const struct subject *s)
{
	const sip_content_type_t *c = s->sip->sip_content_type;

	if (!carries_sdp(s) || (c && c->c_type && strcasecmp(c->c_type, "application/sdp") == 0))
		return false;
	snprintf(s->out->header, sizeof(s->out->header), "Accept: application/sdp");
	return true;
}

static bool encoded_body(const struct subject *s)
{
	const sip_content_encoding_t *c = s->sip->sip_content_encoding;

	if (!carries_sdp(s) || !c || !c->k_items || !c->k_items[0] || strcasecmp(c->k_items[0], "identity") == 0)
		return false;
	snprintf(s->out->header, sizeof(s->out->header), "Accept-Encoding: identity");
	return true;
}

/* We answer an INVITE with SDP or not at all. No Accept says as much as application/sdp (RFC 3261 §20.1). */
static bool accepts_no_sdp(const struct subject *s)
{
	static const char *const ours[] = { "application/sdp", "application/*", "*/*" };

	if (s->method != sip_method_invite || !s->sip->sip_accept)
		return false;
	for (const sip_accept_t *a = s->sip->sip_accept; a; a = a->ac_next)
		for (size_t i = 0; a->ac_type && i < ARRAY_SIZE(ours); i++)
			if (strcasecmp(a->ac_type, ours[i]) == 0)
				return false;
	return true;
}

static bool body_with_nul(const struct subject *s)
{
	return carries_sdp(s) && memchr(s->sip->sip_payload->pl_data, 0, s->sip->sip_payload->pl_len);
}

/* Needed to answer: where the other side wants the dialog's requests. */
static bool bad_contact(const struct subject *s)
{
	const sip_contact_t *m = s->sip->sip_contact;

	if (s->method != sip_method_invite && !(s->method == sip_method_update && m))
		return false;
	/* Headers in it (RFC 3261 table 1: not here) would go into our request line. */
	return !m || m->m_next || m->m_url->url_headers ||
	       (m->m_url->url_type != url_sip && m->m_url->url_type != url_sips) || !m->m_url->url_host ||
	       !m->m_url->url_host[0] || !visible(m->m_url->url_host) || !visible(m->m_url->url_user) ||
	       !visible(m->m_url->url_params) || too_long(m->m_url->url_user) || too_long(m->m_url->url_params);
}

static const struct rule request_rules[] = {
	{ "version", bad_version, 505, "Version Not Supported" },
	{ "mandatory", missing_mandatory, 400, "Mandatory Header Missing" },
	{ "duplicate", duplicate_single, 400, "Duplicate Header" },
	{ "method", bad_method_name, 400, "Bad Method" },
	{ "scheme", unknown_scheme, 416, "Unsupported URI Scheme" },
	{ "uri-headers", headers_in_uri, 400, "Headers In Request-URI" },
	{ "uri-long", uri_too_long, 414, "Request-URI Too Long" },
	{ "uri", blank_in_uri, 400, "Bad Request-URI" },
	{ "branch", bad_branch, 400, "Bad Via Branch" },
	{ "vias", too_many_vias, 400, "Too Many Via Headers" },
	{ "via", bad_via_host, 400, "Bad Via Header" },
	{ "call-id", bad_call_id, 400, "Bad Call-ID Header" },
	{ "tag", bad_tags, 400, "Bad Or Missing Tag" },
	{ "cseq", bad_cseq, 400, "Bad CSeq Header" },
	{ "max-forwards", no_forwards_left, 483, "Too Many Hops" },
	{ "require", unknown_extension, 420, "Bad Extension" },
	{ "body-size", body_too_large, 413, "Request Entity Too Large" },
	{ "content-type", wrong_content_type, 415, "Unsupported Media Type" },
	{ "encoding", encoded_body, 415, "Unsupported Media Type" },
	{ "body-nul", body_with_nul, 400, "NUL In Body" },
	{ "accept", accepts_no_sdp, 406, "Not Acceptable" },
	{ "contact", bad_contact, 400, "Bad Contact Header" },
};

/* ---- rules for responses: broken ones are dropped ---- */

static bool response_vias(const struct subject *s)
{
	return !s->sip->sip_via || s->sip->sip_via->v_next;
}

static bool response_bad_cseq(const struct subject *s)
{
	return s->sip->sip_cseq->cs_seq > CSEQ_MAX;
}

static bool response_body(const struct subject *s)
{
	const sip_payload_t *p = s->sip->sip_payload;

	return p && (p->pl_len > JUDGE_SDP_MAX || memchr(p->pl_data, 0, p->pl_len));
}

static bool response_tags(const struct subject *s)
{
	const char *from = s->sip->sip_from->a_tag, *to = s->sip->sip_to->a_tag;

	return !from || !token(from, TAG_MAX) || (to && !token(to, TAG_MAX));
}

static bool response_status(const struct subject *s)
{
	return s->sip->sip_status->st_status < 100 || s->sip->sip_status->st_status > 699;
}

static const struct rule response_rules[] = {
	{ "mandatory", missing_mandatory, 0, "Mandatory Header Missing" },
	{ "response-vias", response_vias, 0, "Not Exactly One Via" },
	{ "status", response_status, 0, "Status Out Of Range" },
	{ "duplicate", duplicate_single, 0, "Duplicate Header" },
	{ "cseq", response_bad_cseq, 0, "Bad CSeq Header" },
	{ "tag", response_tags, 0, "Bad Or Missing Tag" },
	{ "body", response_body, 0, "Bad Body" },
};

/* ---- the judge ---- */

static void judge(struct judgement *j, const struct subject *s, const struct rule *rules, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		j->header[0] = '\0';
		if (!rules[i].broken(s))
			continue;
		j->rule = rules[i].name;
		j->phrase = rules[i].phrase;
		j->status = rules[i].status;
		j->verdict = !j->status || s->method == sip_method_ack ? JUDGE_DROP : JUDGE_REFUSE;
		return;
	}
	j->header[0] = '\0';
}

struct judgement judge_message(const struct sip_s *sip, struct msg_s *msg)
{
	struct judgement j = { .verdict = JUDGE_PASS };
	struct subject s = { .sip = sip, .msg = msg, .out = &j };

	if (!sip || !!sip->sip_request == !!sip->sip_status) {
		j.verdict = JUDGE_DROP;
		j.rule = j.phrase = "garbage";
	} else if (sip->sip_request) {
		s.method = sip->sip_request->rq_method;
		judge(&j, &s, request_rules, ARRAY_SIZE(request_rules));
	} else {
		judge(&j, &s, response_rules, ARRAY_SIZE(response_rules));
	}
	return j;
}

/* nta's own checks: unparsable headers and sip_sanity_check() are answered by 400, or dropped when they cannot be. */
static struct judgement judge_parsed(msg_t *msg, const sip_t *sip)
{
	struct judgement j = { .verdict = JUDGE_DROP, .rule = "garbage", .phrase = "Unparsable" };

	if (!sip || (!sip->sip_request && !sip->sip_status))
		return j;
	if (!sip->sip_error && !(sip->sip_flags & MSG_FLG_ERROR) && sip_sanity_check(sip) >= 0)
		return judge_message(sip, msg);
	if (!sip->sip_request || !sip->sip_via || sip->sip_request->rq_method == sip_method_ack)
		return j;
	return (struct judgement){ .verdict = JUDGE_REFUSE, .status = 400, .phrase = "Bad Request", .rule = "syntax" };
}

struct judgement judge_bytes(const void *data, size_t size)
{
	struct judgement j = { .verdict = JUDGE_DROP, .rule = "garbage", .phrase = "Unparsable" };
	msg_t *msg = msg_make(sip_default_mclass(), MSG_FLG_EXTRACT_COPY, data, (ssize_t)size);

	if (!msg)
		return j;
	j = judge_parsed(msg, sip_object(msg));
	msg_destroy(msg);
	return j;
}
