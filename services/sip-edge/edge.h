/*
 * edge: what the parts of sip-edge share: one process, one thread, one nta agent, its legs and its lists.
 *
 * Reading order: README.md, leg.h, renego.h (the decisions), dialog.h (a leg and its actions), entry_nta.c (where a
 * message comes in), inbound_nta.c, outbound_nta.c, indialog_nta.c (Sofia), command.c (where commands come in).
 */
#ifndef SIP_EDGE_EDGE_H
#define SIP_EDGE_EDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include "admission.h"
#include "base/bucket.h"
#include "bus/bus.h"
#include "controllers.h"
#include "edge_config.h"
#include "edge_wire.h"
#include "log/log.h"
#include "loop/loop.h"
#include "registrar.h"
#include "service/service.h"
#include "silent.h"
#include "sip/nonce.h"
#include "sip/sip_root.h"
#include "tenantconf/tenantconf.h"

struct dialog;
struct guard;
struct outbox;
struct store;
struct tombs;
struct trunk_uses;
struct msg_mclass_s;
struct nta_agent_s;

struct edge {
	struct edge_config cfg;
	struct service *svc;
	struct loop *loop;
	const char *instance, *site;
	struct sip_root *root;
	struct msg_mclass_s *gate; /* what the agent reads messages with */
	struct nta_agent_s *agent;
	char host[64]; /* in Via and Contact; IPv6 in brackets */
	struct bus *bus;
	struct bus_sub *commands, *beats;
	struct tenantconf *conf;
	struct nonces *nonces;
	struct registrar *registrar;
	struct guard *guard;
	struct outbox *outbox;
	struct store *store;
	struct tombs *tombs;
	struct trunk_uses *trunks;
	struct dialog *dialogs; /* hash by leg id */
	size_t n_dialogs, n_offers;
	TAILQ_HEAD(edge_offers, dialog) offers;	       /* that no call-control has taken yet, the oldest first */
	TAILQ_HEAD(edge_heard, dialog) heard;	       /* all legs, by the last word of a call-control about them */
	LIST_HEAD(edge_farewells, farewell) farewells; /* INVITEs without a leg that wait for their final answer */
	struct admission admission;
	unsigned seconds; /* since the start */
	struct controllers controllers;
	int64_t congested_ms; /* monotonic: when new calls were limited last */
	struct loop_idle turn_end;
	struct loop_timer second;
	struct loop_timer lag_probe;
	int64_t lag_due_ms, lag_ms;
	uint64_t incarnation; /* wall ms of the start */
	int64_t born_ms;      /* monotonic, the same */
	bool draining;
	struct loop_timer hand_over;
	int64_t hand_over_ms; /* monotonic: since when all is left to the next process; 0: it is not */
	struct bucket strays; /* answers to INVITEs of an earlier life that are acknowledged and ended */
	struct silent silent;
	bool crowded; /* most descriptors are taken */
};

/* The pool that the tenant is in now: whose call-control gets its calls. */
const char *edge_pool(const struct edge *e, const char *tenant);
err_t edge_new(struct edge **ret, struct service *svc, const struct edge_config *cfg, struct err_detail *detail) MUST;
void edge_free(struct edge **e);
/* Why no new call of anybody can be taken now, or NULL; whose are taken when there are too many is admission's to say. Calls in
 * progress are never refused anything. */
const char *edge_overloaded(struct edge *e);
/* Have we been short of time since then (monotonic)? What came late is likely our fault. */
bool edge_congested_since(const struct edge *e, int64_t mono_ms);
/* "sip:host:port;transport=…" of ours for a peer on that transport ("udp", "tcp", "tls"); buf of EDGE_CONTACT. */
#define EDGE_CONTACT 128
const char *edge_contact(const struct edge *e, const char *transport, char buf[EDGE_CONTACT]);

#endif
