/* nta_glue: Sofia's headers with our types as its "magic"; included by the *_nta.c files only. */
#ifndef SIP_EDGE_NTA_GLUE_H
#define SIP_EDGE_NTA_GLUE_H

#define NTA_AGENT_MAGIC_T    struct edge
#define NTA_LEG_MAGIC_T	     struct dialog
#define NTA_INCOMING_MAGIC_T struct dialog
#define NTA_OUTGOING_MAGIC_T void

#include <sofia-sip/hostdomain.h>
#include <sofia-sip/msg_addr.h>
#include <sofia-sip/msg_header.h>
#include <sofia-sip/nta.h>
#include <sofia-sip/nta_stateless.h>
#include <sofia-sip/nta_tag.h>
#include <sofia-sip/nta_tport.h>
#include <sofia-sip/sip.h>
#include <sofia-sip/sip_extra.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_status.h>
#include <sofia-sip/sip_tag.h>
#include <sofia-sip/sip_util.h>
#include <sofia-sip/su_string.h>
#include <sofia-sip/su_tag.h>
#include <sofia-sip/tport.h>
#include <sofia-sip/tport_tag.h>
#include <sofia-sip/url.h>

#include "edge.h"

#define EDGE_ALLOW	 "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, REGISTER"
#define EDGE_SERVER	 "trunkline-edge"
#define EDGE_MESSAGE_MAX 32768 /* bytes of a message: 16 KiB of SDP and headers */

/* entry_nta.c */
int entry_message(struct edge *e, nta_agent_t *agent, msg_t *msg, sip_t *sip);

/* glue_nta.c: small questions to messages */
#define GLUE_ROUTE 96
/* "sip:10.0.0.1:5062;transport=udp": where the message came from. */
void glue_source(msg_t *msg, const sip_t *sip, char ret[GLUE_ROUTE]);
/* "10.0.0.1:5062" and "10.0.0.1" of it; IPv6 in brackets. */
void glue_address(msg_t *msg, char ret[GLUE_ROUTE]);
void glue_host(msg_t *msg, char ret[GLUE_ROUTE]);
/* Does its Via say another address than it came from? Then the Contact cannot be trusted either (RFC 3581, NAT). */
bool glue_behind_nat(msg_t *msg, const sip_t *sip);
/* Is the host a name? Names that a message brings are never looked up: anybody can send some, an answer may never come, and
 * Sofia waits for it without end. Who sent the message is where it came from. */
bool glue_named(const url_t *url);
/* A request that neither comes from a trunk's address nor names a tenant's domain: a scanner, most likely. */
bool glue_stranger(const struct edge *e, msg_t *msg, const sip_t *sip);
/* "udp", "tcp", "tls" of the topmost Via (what nta checked against the socket). */
const char *glue_transport(const sip_t *sip);
struct edge_bytes glue_body(const sip_t *sip);
bool glue_allows(const sip_t *sip, const char *method);
/* The nta agent on the configured sockets. */
err_t glue_agent_new(struct edge *e, struct err_detail *detail) MUST;
void glue_agent_free(struct edge *e);
/* The connection it came by belongs to somebody of ours: it may stay without traffic. */
void glue_keep_connection(struct edge *e, const msg_t *msg);
/* Each second: when descriptors run short, connections of strangers are given up sooner. */
void glue_watch_connections(struct edge *e);
/* Client and server transactions alive: for metrics and leak tests. */
void glue_transactions(const struct edge *e, size_t *server, size_t *client, size_t *legs);

/* gate_nta.c: the message class that nta reads with; free() it after the agent. NULL: no memory. One a process. */
struct msg_mclass_s *gate_new(struct edge *e);

/* auth_nta.c */
enum auth_verdict { AUTH_OK, AUTH_CHALLENGE, AUTH_STALE, AUTH_DENIED, AUTH_LIMITED, AUTH_BAD };
struct auth_result {
	enum auth_verdict verdict;
	char user[64];
	bool is_trunk;
};
/* Who sent this request into the realm of tenant t? Agents; trunks by user too if trunks. */
struct auth_result auth_check(struct edge *e, const sip_t *sip, const char *method, const struct tenant *t, bool trunks,
			      const struct sockaddr *src);
/* Stateless 401 with challenge(s), or 403; consumes msg. */
void auth_refuse(struct edge *e, msg_t *msg, const struct tenant *t, enum auth_verdict v);

/* outbound_nta.c: is this the answer to an INVITE that an earlier life of ours sent, by all that it shows? And ends such a call: ACK
 * and BYE to where the answer came from. */
bool outbound_ours(const struct edge *e, const sip_t *sip);
void outbound_ack_stray(nta_leg_t *leg, const url_string_t *route, msg_t *msg, const sip_t *sip);
void outbound_end_stray(struct edge *e, msg_t *msg, const sip_t *sip);

/* register_nta.c, inbound_nta.c: consume msg */
void register_request(struct edge *e, msg_t *msg, sip_t *sip);
void inbound_invite(struct edge *e, msg_t *msg, sip_t *sip);
/* 503 with Retry-After, without state. */
void inbound_overloaded(struct edge *e, msg_t *msg);
/* Whose share of the calls that can be served an INVITE asks for (shares.h), by a look at addresses and numbers: the tenant's whose trunk
 * and number it is; from an address that is no trunk's, where nothing is proven yet, another of the tenant whose domain it names, so that
 * nobody uses up what a tenant's trunks have; else "". The text is in `share`, or the configuration's. */
const char *inbound_share(const struct edge *e, msg_t *msg, const sip_t *sip, char share[SHARE_NAME]);

#endif
