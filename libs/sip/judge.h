/*
 * judge: is this SIP message fit to be looked at? Sofia's parser accepts a good twenty of the RFC 4475 torture messages;
 * what is wrong with them is said here, by one table of rules, before anybody obeys the message. Pure.
 *
 *	struct judgement j = judge_message(sip, msg);
 *	if (j.verdict == JUDGE_DROP) …                   // a response, an ACK: nothing to answer
 *	if (j.verdict == JUDGE_REFUSE) reply(j.status, j.phrase, j.header);
 */
#ifndef SIP_JUDGE_H
#define SIP_JUDGE_H

#include <stddef.h>

struct sip_s;
struct msg_s;

enum judge_verdict { JUDGE_PASS, JUDGE_REFUSE, JUDGE_DROP };

#define JUDGE_SDP_MAX  16384 /* bytes of a body */
#define JUDGE_VIAS_MAX 70    /* as many as Max-Forwards allows by default */

struct judgement {
	enum judge_verdict verdict;
	unsigned status;    /* 400…699 when refused */
	const char *phrase; /* static; what is wrong, fit for the status line */
	const char *rule;   /* static name of the rule, for counters; NULL when passed */
	char header[160];   /* a header line for the answer ("Unsupported: foo"), or "" */
};

/* msg (may be NULL) gives the order and number of header fields, for duplicates. Everything Sofia parsed is taken as hostile. */
struct judgement judge_message(const struct sip_s *sip, struct msg_s *msg);

/* What becomes of bytes from the network: the checks that nta makes first, then judge_message(). For tests and fuzzing. */
struct judgement judge_bytes(const void *data, size_t size);

#endif
