/*
 * ack: the ACK of a phone's 2xx goes when the leg is kept in KV, or cannot be. Until then the phone says its 2xx again (RFC 3261,
 * 13.3.1.4), so whoever is killed in between, nats-server and this process together too, leaves a phone that still asks: the next
 * process acknowledges a leg that it knows and ends one that it does not. Acknowledged at once, such a phone would be in a call for
 * ever that nobody knows of. GT-15.
 *
 * Audio does not wait for it, nor does call-control. A repeated 2xx (0.5 s) is acknowledged as it comes, kept or not: a bus that is away holds up nobody.
 */
#ifndef SIP_EDGE_ACK_H
#define SIP_EDGE_ACK_H

#include <sofia-sip/msg.h>
#include "dialog.h"

/* Owed from now on: the leg's next checkpoint sends it. Takes over invite, a reference to the INVITE's message: nta forgets the
 * transaction after 32 s, and refuses an ACK of which it has none and no branch by assert(). Without memory it goes at once. */
void ack_owe(struct dialog *d, msg_t *invite);
/* For store_leg: told when the checkpoint is written or cannot be; NULL: none is owed. */
struct ack *ack_owed(struct dialog *d);
void ack_kept(struct ack *a);
/* Before another request of the dialog, and at its end: now. */
void ack_now(struct dialog *d);
/* The process ends: a phone whose leg is not kept asks the next one. */
void ack_drop(struct dialog *d);

#endif
