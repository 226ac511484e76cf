/* indialog_nta: requests within a dialog, both ways. */
#ifndef SIP_EDGE_INDIALOG_NTA_H
#define SIP_EDGE_INDIALOG_NTA_H

#include "dialog.h"
#include "nta_glue.h"

/* The callback of every leg. */
int indialog_request(struct dialog *d, nta_leg_t *leg, nta_incoming_t *irq, const sip_t *sip);
/* Remembers where the peer really is when its Contact is not that (NAT), unless a proxy recorded itself; or when the next
 * hop is a name. From the request that began the dialog. */
void indialog_nat(struct dialog *d, msg_t *msg, const sip_t *sip);
/* The same for what comes later: an answer to the INVITE, another Contact. Consumes the reference to msg (NULL: nothing known). */
void indialog_peer(struct dialog *d, msg_t *msg, const sip_t *sip);
/* The body is SDP text that may be handed on (type was judged; responses are not judged for it). */
bool indialog_sdp_ok(const sip_t *sip);
/* invite: the INVITE itself, when its transaction may be gone; else NULL. */
void indialog_ack(struct dialog *d, uint32_t cseq, const sip_t *invite);
/* adopt_nta.c: keeps what names the dialog; the local tag is taken from d->leg. false: no memory. */
bool adopt_remember(struct dialog *d, const sip_call_id_t *call_id, const sip_addr_t *local, const sip_addr_t *remote);
/* outbound_nta.c: the Authorization or Proxy-Authorization line for a challenge of the leg's trunk; false: none to give. */
bool outbound_authorize(const struct dialog *d, const sip_t *response, const char *method, const char *uri,
			struct str *line);
/* Route override for a request, or NULL. */
const url_string_t *indialog_route(const struct dialog *d);

#endif
