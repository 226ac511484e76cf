/*
 * sipmsg: as much of SIP as telephones need that answer whatever comes: cuts a message up, writes a response to a request.
 *
 *	struct sipmsg m;
 *	if (sipmsg_parse(&m, buf, n) && m.is_request)
 *		len = sipmsg_response(out, sizeof(out), &m, "200 OK", "7f01", contact, sdp);
 *
 * Views into the buffer; for benchmarks on loopback, not for the open sea.
 */
#ifndef SIP_PHONES_SIPMSG_H
#define SIP_PHONES_SIPMSG_H

#include <stdbool.h>
#include <stddef.h>

struct view {
	const char *at;
	size_t n;
};

struct sipmsg {
	bool is_request;
	unsigned status; /* of a response */
	struct view method, uri_user;
	struct view via[8], route[4]; /* whole header lines without CRLF */
	unsigned n_via, n_route;
	struct view from, to, call_id, cseq;
	struct view contact;	/* whole line; empty when there is none */
	unsigned retry_after_s; /* 0: none */
	struct view body;
	bool to_tagged;
};

bool view_eq(struct view v, const char *text);
/* False when it is no SIP message. */
bool sipmsg_parse(struct sipmsg *m, const char *buf, size_t n);
/* Bytes written, 0 when it does not fit. tag: of the To header when it has none; contact, body: NULL for none. */
size_t sipmsg_response(char *out, size_t size, const struct sipmsg *m, const char *status, const char *tag,
		       const char *contact, const char *body);

#endif
