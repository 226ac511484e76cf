/* session_nta: session timer headers (RFC 4028) of Sofia's messages ↔ sip/sesstimer.h. */
#ifndef SIP_EDGE_SESSION_NTA_H
#define SIP_EDGE_SESSION_NTA_H

#include "nta_glue.h"
#include "sip/sesstimer.h"

#define SESSION_MIN_TEXT "90"

/* false: 422. */
bool session_as_server(const sip_t *request, uint32_t wanted_s, struct sesstimer *ret);
void session_as_client(const sip_t *response, uint32_t wanted_s, struct sesstimer *ret);
/* Value of Session-Expires; as_server: in a response to the peer's request, else in a request of ours. */
void session_text(char dst[64], const struct sesstimer *t, bool as_server);

#endif
