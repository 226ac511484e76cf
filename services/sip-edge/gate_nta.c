/* The gate: each request is looked at when its header has been read and before nta does anything with it. nta answers by
 * itself what it cannot read (400), an unknown version (505) and too long a message (413), to whoever sent it, and by way of
 * a Via that the sender wrote. So here: strangers become garbage, which nta throws away, and a Via says where an answer goes
 * by the address it came from. */
#include "nta_glue.h"
#include "edge_metrics.h"

#include <sofia-sip/msg_mclass.h>
#include <sofia-sip/sip_parser.h>
#include <sofia-sip/su_log.h>
#include <sofia-sip/tport.h>
#include <stdio.h>
#include <string.h>

/* A message class has no place for an argument; there is one agent in a process. */
static struct edge *gate_edge;
static const msg_mclass_t *read_by;
static struct msg_hclass_s request_class, status_class; /* Sofia's of first lines, with our readers */

/* ---- who may pass ---- */

/* What nta would answer itself. */
static bool broken(const sip_t *sip)
{
	return sip->sip_error || sip_sanity_check(sip) < 0 ||
	       !su_casematch(sip->sip_request->rq_version, sip_version_2_0);
}

/* What belongs to a dialog comes from addresses that we may not know, and is known by its tags. */
static bool may_pass(msg_t *msg, const sip_t *sip)
{
	if (gate_edge->cfg.answer_strangers || !glue_stranger(gate_edge, msg, sip))
		return true;
	return !broken(sip) && sip->sip_to->a_tag;
}

/* ---- where the answer goes ---- */

/* The answer that nta gives to an unknown version is the one that goes by the Via as it came. */
static void answer_to_source(msg_t *msg, sip_t *sip)
{
	char source[GLUE_ROUTE], received[GLUE_ROUTE + 16];

	if (!sip->sip_via) { /* none that could be read: told to where it came from, without much hope */
		sip_via_t *made;

		glue_address(msg, source);
		made = sip_via_format(msg_home(msg), "SIP/2.0/UDP %s", source);
		if (made)
			msg_header_insert(msg, (msg_pub_t *)sip, (msg_header_t *)made);
		return;
	}
	msg_header_remove_param(sip->sip_via->v_common, "received");
	msg_header_remove_param(sip->sip_via->v_common, "maddr");
	if (su_casematch(sip->sip_request->rq_version, sip_version_2_0))
		return;
	glue_host(msg, source);
	snprintf(received, sizeof(received), "received=%s", source);
	msg_header_replace_param(msg_home(msg), sip->sip_via->v_common, su_strdup(msg_home(msg), received));
}

static void look(msg_t *msg, sip_t *sip)
{
	if (may_pass(msg, sip)) {
		answer_to_source(msg, sip);
		return;
	}
	edge_metrics_refused(EDGE_REFUSED_STRANGER);
	sip->sip_request = NULL;
}

/* ---- in place of Sofia's ---- */

/* Called by the parser at the empty line behind the header, and again for the body. */
static issize_t extract_body(msg_t *msg, msg_pub_t *pub, char bytes[], isize_t size, int end)
{
	sip_t *sip = (sip_t *)pub;

	if (sip->sip_request && !(sip->sip_flags & MSG_FLG_BODY))
		look(msg, sip);
	return read_by->mc_extract_body(msg, pub, bytes, size, end);
}

/* Only the first message of a TCP connection has the agent's bound: the next may have a Content-Length that Sofia tries to
 * allocate, and aborts. A message is its own home. */
static void bound(su_home_t *home)
{
	(void)msg_maxsize((msg_t *)home, EDGE_MESSAGE_MAX);
}

static issize_t status_line(su_home_t *home, msg_header_t *h, char *s, isize_t size)
{
	bound(home);
	return sip_status_class->hc_parse(home, h, s, size);
}

/* A request line that cannot be read ends Sofia's reading, and nobody is told. As a method that no CSeq names, it is
 * answered by 400 where the rest of the message says to whom (RFC 4475 lwsruri). */
static issize_t request_line(su_home_t *home, msg_header_t *h, char *s, isize_t size)
{
	sip_request_t *rq = (sip_request_t *)h;
	char *url;

	bound(home);
	if (sip_request_class->hc_parse(home, h, s, size) >= 0)
		return 0;
	url = su_strdup(home, "sip:unreadable.invalid");
	if (!url || url_d(rq->rq_url, url) < 0)
		return -1;
	rq->rq_method = sip_method_unknown;
	rq->rq_method_name = "UNREADABLE";
	rq->rq_version = sip_version_2_0;
	return 0;
}

/* Sofia writes a line for many a bad message: whoever sends them would fill the disk. What matters is counted. */
static void say_nothing(void *stream, const char *fmt, va_list ap)
{
	(void)stream;
	(void)fmt;
	(void)ap;
}

struct msg_mclass_s *gate_new(struct edge *e)
{
	msg_mclass_t *gate = msg_mclass_clone(sip_default_mclass(), 0, 0);

	if (!gate)
		return NULL;
	request_class = *sip_request_class;
	request_class.hc_parse = request_line;
	status_class = *sip_status_class;
	status_class.hc_parse = status_line;
	/* In messages we make they are found by their hashes, which are the same. */
	gate->mc_request->hr_class = &request_class;
	gate->mc_status->hr_class = &status_class;
	gate->mc_extract_body = extract_body;
	gate_edge = e;
	read_by = sip_default_mclass();
	su_log_redirect(NULL, say_nothing, NULL);
	return gate;
}
