/*
 * phones: the calls of all telephones, and what there is to know about them. Pure but for the clock it is handed.
 *
 *	struct phones *p = phones_new("127.0.0.1", 25500, 25520);
 *	phones_message(p, &m, now_ns, send_fn, arg);       // each request as it comes
 *	phones_tick(p, now_ns, send_fn, arg);              // each 100 ms: answers without ACK go out again
 *	phones_report(p, stdout);
 */
#ifndef SIP_PHONES_PHONES_H
#define SIP_PHONES_PHONES_H

#include <stdint.h>
#include <stdio.h>
#include "sipmsg.h"

struct phones;

typedef void phones_send_fn(const char *data, size_t n, void *arg);

/* Never NULL: without memory the program ends. */
struct phones *phones_new(const char *address, unsigned port, unsigned rtp_port);
void phones_free(struct phones **p);
void phones_message(struct phones *p, const struct sipmsg *m, int64_t now_ns, phones_send_fn *send, void *arg);
void phones_tick(struct phones *p, int64_t now_ns, phones_send_fn *send, void *arg);
void phones_reset(struct phones *p);
void phones_report(const struct phones *p, FILE *out);

#endif
