/* RFC 4475's torture messages (shortened where length is not the point) and our own, judged by table. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include "base/err.h"
#include "sip/judge.h"

#define DROPPED 0
#define PASSED	1

/* A good INVITE of which each part can be replaced. */
struct parts {
	const char *start, *via, *from, *to, *call_id, *cseq, *forwards, *contact, *more, *body;
};
#define INVITE_LINE "INVITE sip:vivekg@chair-dnrc.example.com SIP/2.0"
#define SDP                                                                                                        \
	"v=0\r\no=mhandley 29739 7272939 IN IP4 192.0.2.3\r\ns=-\r\nc=IN IP4 192.0.2.4\r\nt=0 0\r\nm=audio 49217 " \
	"RTP/AVP 0\r\n"
#define T50	 "12345678901234567890123456789012345678901234567890"
#define SDP_TYPE "Content-Type: application/sdp\r\n"

static size_t build(char *dst, size_t size, const struct parts *p)
{
	const char *body = p->body ? p->body : "";
	int n = snprintf(
	    dst, size,
	    "%s\r\nVia: %s\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\n%s%s%sContent-Length: %zu\r\n\r\n%s",
	    p->start ? p->start : INVITE_LINE, p->via ? p->via : "SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK390skdjuw",
	    p->from ? p->from : "<sip:caller@example.com>;tag=3413an89KU",
	    p->to ? p->to : "<sip:vivekg@chair-dnrc.example.com>", p->call_id ? p->call_id : "wsinv.ndaksdj@192.0.2.1",
	    p->cseq ? p->cseq : "9 INVITE", p->forwards ? p->forwards : "Max-Forwards: 68\r\n",
	    p->contact ? p->contact : "Contact: <sip:caller@192.0.2.2>\r\n", p->more ? p->more : "", strlen(body),
	    body);

	assert_true(n > 0 && (size_t)n < size);
	return (size_t)n;
}

struct row {
	const char *name;
	struct parts parts;
	unsigned want;	    /* PASSED, DROPPED or the status */
	const char *header; /* in the answer; NULL: whatever */
};

static const struct row rows[] = {
	{ "a plain INVITE", { .body = SDP, .more = SDP_TYPE }, PASSED, NULL },
	{ "an INVITE without body", { .start = NULL }, PASSED, NULL },
	/* 3.1.1: unusual but right */
	{ "intmeth: odd method characters",
	  { .start = "!interesting-Method0123456789_*+`.%indeed'~ sip:1@example.com SIP/2.0",
	    .cseq = "139122385 !interesting-Method0123456789_*+`.%indeed'~" },
	  DROPPED,
	  NULL }, /* Sofia does not read it */
	{ "esc01: escaped user",
	  { .start = "INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0" },
	  PASSED,
	  NULL },
	{ "semiuri: semicolons in user",
	  { .start = "INVITE sip:user;par=u%40example.net@example.com SIP/2.0" },
	  PASSED,
	  NULL },
	{ "unreason: status text is anything", { .start = "SIP/2.0 200 = 2**3 * 5**2", .contact = "" }, PASSED, NULL },
	{ "noreason: no status text", { .start = "SIP/2.0 100 ", .contact = "" }, PASSED, NULL },
	{ "tel: is a scheme of ours", { .start = "INVITE tel:+12015550123 SIP/2.0" }, PASSED, NULL },
	{ "escnull: an escaped NUL is part of the name",
	  { .start = "INVITE sip:null-%00-null@example.com SIP/2.0" },
	  PASSED,
	  NULL },
	{ "wsinv: a branch without the cookie", { .via = "SIP/2.0/UDP 192.0.2.2;branch=390skdjuw" }, PASSED, NULL },
	{ "longreq: no branch, a long tag",
	  { .via = "SIP/2.0/TCP sip33.example.com", .from = "<sip:a@example.net>;tag=" T50 T50 T50 },
	  PASSED,
	  NULL },
	/* 3.1.2: invalid */
	{ "badinv01: extra commas in Via: nowhere to answer to",
	  { .via = "SIP/2.0/UDP 192.0.2.15;;,;,," },
	  DROPPED,
	  NULL },
	{ "ncl: negative Content-Length", { .more = "Content-Length: -999\r\n" }, 400, NULL },
	{ "scalar02: CSeq too large", { .cseq = "36893488147419103232 INVITE" }, 400, NULL },
	{ "CSeq above 2**31", { .cseq = "2147483648 INVITE" }, 400, NULL },
	{ "scalarlg in a response",
	  { .start = "SIP/2.0 503 Service Unavailable", .cseq = "9292394834772304023312 OPTIONS" },
	  DROPPED,
	  NULL },
	{ "quotbal: unterminated quote", { .to = "\"Mr. J. User <sip:j.user@example.com>" }, 400, NULL },
	{ "ltgtruri: brackets around the URI", { .start = "INVITE <sip:user@example.com> SIP/2.0" }, 400, NULL },
	{ "lwsruri: blank in the URI: no request line",
	  { .start = "INVITE sip:user@example.com; lr SIP/2.0" },
	  DROPPED,
	  NULL },
	{ "escruri: headers in the URI",
	  { .start = "INVITE sip:user@example.com?Route=%3Csip:example.com%3E SIP/2.0" },
	  400,
	  NULL },
	{ "regbadct: blank in Contact", { .contact = "Contact: <sip:us er@example.com>\r\n" }, 400, NULL },
	{ "badvers: version 7.0",
	  { .start = "OPTIONS sip:t.watson@example.org SIP/7.0", .cseq = "1 OPTIONS" },
	  505,
	  NULL },
	{ "mismatch01: CSeq has another method",
	  { .start = "OPTIONS sip:user@example.com SIP/2.0", .cseq = "8 INVITE" },
	  400,
	  NULL },
	{ "mismatch02: the same, unknown method",
	  { .start = "NEWMETHOD sip:user@example.com SIP/2.0", .cseq = "8 INVITE" },
	  400,
	  NULL },
	{ "bigcode: status out of range",
	  { .start = "SIP/2.0 4294967301 better not break the receiver" },
	  DROPPED,
	  NULL },
	{ "status 99", { .start = "SIP/2.0 099 low" }, DROPPED, NULL },
	/* 3.2 */
	{ "badbranch: the cookie alone", { .via = "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK" }, 400, NULL },
	{ "inv2543: no From tag",
	  { .via = "SIP/2.0/UDP iftgw.example.com", .from = "<sip:+1303@example.net>" },
	  400,
	  NULL },
	{ "a branch shorter than the cookie, which nta reads past",
	  { .via = "SIP/2.0/UDP 192.0.2.1;branch=390sk" },
	  400,
	  NULL },
	/* 3.3 */
	{ "unkscm: unknown scheme",
	  { .start = "OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0", .cseq = "3 OPTIONS" },
	  416,
	  NULL },
	{ "novelsc: soap.beep",
	  { .start = "OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0", .cseq = "3 OPTIONS" },
	  416,
	  NULL },
	{ "unksm2: unknown scheme in To only", { .to = "<isbn:2983792873>" }, PASSED, NULL },
	{ "bext01: unknown Require and Proxy-Require",
	  { .more =
		"Require: nothingSupportsThis, nothingSupportsThisEither\r\nProxy-Require: noProxiesSupportThis\r\n" },
	  420,
	  "Unsupported: nothingSupportsThis, nothingSupportsThisEither, noProxiesSupportThis" },
	{ "100rel is not ours", { .more = "Require: 100rel\r\n" }, 420, "Unsupported: 100rel" },
	{ "timer is ours", { .more = "Require: timer\r\n" }, PASSED, NULL },
	{ "invut: unknown content type",
	  { .more = "Content-Type: application/unknownformat\r\n", .body = "<audio/>" },
	  415,
	  "Accept: application/sdp" },
	{ "mpart: multipart is not ours",
	  { .more = "Content-Type: multipart/mixed;boundary=x\r\n", .body = "--x--" },
	  415,
	  NULL },
	{ "a body without type", { .body = SDP }, 415, NULL },
	{ "an encoded body",
	  { .more = SDP_TYPE "Content-Encoding: gzip\r\n", .body = SDP },
	  415,
	  "Accept-Encoding: identity" },
	{ "multi01: two Call-IDs", { .more = "Call-ID: another\r\n" }, 400, NULL },
	{ "two CSeqs", { .more = "CSeq: 5 INVITE\r\n" }, 400, NULL },
	{ "two Froms", { .more = "From: <sip:other@example.com>;tag=2\r\n" }, 400, NULL },
	{ "two Tos, one short", { .more = "t: <sip:other@example.com>\r\n" }, 400, NULL },
	{ "two Max-Forwards", { .more = "Max-Forwards: 5\r\n" }, 400, NULL },
	{ "mcl01: two Content-Lengths", { .more = "Content-Length: 5\r\n" }, 400, NULL },
	{ "bcast: a response with two Vias",
	  { .start = "SIP/2.0 200 OK",
	    .via = "SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923\r\nVia: SIP/2.0/UDP "
		   "255.255.255.255;branch=z9hG4bK1saber23" },
	  DROPPED,
	  NULL },
	{ "zeromf: what ends here needs no forwards",
	  { .start = "OPTIONS sip:user@example.com SIP/2.0", .cseq = "1 OPTIONS", .forwards = "Max-Forwards: 0\r\n" },
	  PASSED,
	  NULL },
	{ "a call that has gone round has none left", { .forwards = "Max-Forwards: 0\r\n" }, 483, NULL },
	{ "sdp01: what takes no SDP cannot be answered", { .more = "Accept: text/nobodyKnowsThis\r\n" }, 406, NULL },
	{ "an empty Accept takes nothing", { .more = "Accept:\r\n" }, 406, NULL },
	{ "SDP among what is taken", { .more = "Accept: text/plain, Application/SDP\r\n" }, PASSED, NULL },
	{ "anything is taken", { .more = "Accept: */*\r\n" }, PASSED, NULL },
	{ "Accept of an OPTIONS is not our business",
	  { .start = "OPTIONS sip:user@example.com SIP/2.0", .cseq = "1 OPTIONS", .more = "Accept: text/plain\r\n" },
	  PASSED,
	  NULL },
	{ "zero forwards within a dialog",
	  { .start = "BYE sip:user@example.com SIP/2.0",
	    .to = "<sip:x@example.com>;tag=1",
	    .cseq = "1 BYE",
	    .forwards = "Max-Forwards: 0\r\n" },
	  PASSED,
	  NULL },
	{ "Max-Forwards may be missing", { .forwards = "" }, PASSED, NULL },
	/* ours */
	{ "no From tag", { .from = "<sip:caller@example.com>" }, 400, NULL },
	{ "a From tag that is no token", { .from = "<sip:caller@example.com>;tag=\"x y\"" }, 400, NULL },
	{ "no Contact in INVITE", { .contact = "" }, 400, NULL },
	{ "two Contacts in INVITE", { .contact = "Contact: <sip:a@192.0.2.2>, <sip:b@192.0.2.2>\r\n" }, 400, NULL },
	{ "Contact: * in INVITE", { .contact = "Contact: *\r\n" }, 400, NULL },
	{ "a Contact with headers", { .contact = "Contact: <sip:a@192.0.2.2?X-Evil=1>\r\n" }, 400, NULL },
	{ "a mailto Contact", { .contact = "Contact: <mailto:a@example.com>\r\n" }, 400, NULL },
	{ "a bare Call-ID with blanks", { .call_id = "a b c" }, 400, NULL },
	{ "a broken ACK",
	  { .start = "ACK sip:user@example.com SIP/2.0", .cseq = "9 ACK", .via = "SIP/2.0/UDP 192.0.2.1;branch=1" },
	  DROPPED,
	  NULL },
	{ "a good ACK", { .start = "ACK sip:user@example.com SIP/2.0", .cseq = "9 ACK" }, PASSED, NULL },
	{ "REGISTER with path",
	  { .start = "REGISTER sip:example.com SIP/2.0", .cseq = "1 REGISTER", .more = "Require: path\r\n" },
	  PASSED,
	  NULL },
};

static void each_message_is_judged_as_the_table_says(void **state)
{
	char buf[8192];
	int wrong = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t n = build(buf, sizeof(buf), &rows[i].parts);
		struct judgement j = judge_bytes(buf, n);
		unsigned got = j.verdict == JUDGE_PASS ? PASSED : j.verdict == JUDGE_DROP ? DROPPED : j.status;

		if (got != rows[i].want)
			print_error("%s: got %u by rule %s, want %u\n", rows[i].name, got, j.rule ? j.rule : "none",
				    rows[i].want);
		wrong += got != rows[i].want;
		if (rows[i].header)
			assert_string_equal(j.header, rows[i].header);
	}
	assert_int_equal(wrong, 0);
}

static void bytes_that_are_no_message_are_dropped(void **state)
{
	static const char *const garbage[] = {
		"", "\r\n\r\n", "hello", "\0\0\0\0", "INVITE", "INVITE sip:x SIP/2.0\r\n\r\n", "SIP/2.0 200 OK\r\n\r\n"
	};
	char nul[64] = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(garbage); i++)
		assert_int_not_equal(judge_bytes(garbage[i], strlen(garbage[i])).verdict, JUDGE_PASS);
	assert_int_not_equal(judge_bytes(nul, sizeof(nul)).verdict, JUDGE_PASS);
}

static void sizes_are_bounded(void **state)
{
	static char buf[60000], user[600], body[20000];
	struct parts p = { .more = SDP_TYPE };
	struct judgement j;

	(void)state;
	memset(user, 'a', 400);
	memcpy(user, "INVITE sip:", 11);
	strcpy(user + 400, "@example.com SIP/2.0");
	p.start = user;
	j = judge_bytes(buf, build(buf, sizeof(buf), &p));
	assert_int_equal(j.status, 414);
	memset(body, 'x', 17000);
	p = (struct parts){ .more = SDP_TYPE, .body = body };
	j = judge_bytes(buf, build(buf, sizeof(buf), &p));
	assert_int_equal(j.status, 413);
	memset(user, 'a', 300);
	user[300] = '\0';
	p = (struct parts){ .call_id = user };
	j = judge_bytes(buf, build(buf, sizeof(buf), &p));
	assert_int_equal(j.status, 400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_message_is_judged_as_the_table_says),
		cmocka_unit_test(bytes_that_are_no_message_are_dropped),
		cmocka_unit_test(sizes_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
