/*
 * sofia_names: Sofia's transports look up what a message says of itself (the host of a Via, when nta answers what it does not understand)
 * by su_getaddrinfo(), and wait for the name server while everybody else waits: a datagram of anybody's stopped the process for seconds.
 * A program that has Sofia defines su_getaddrinfo() in an object of its own, as it does tls_free(), and calls this: nothing is looked up.
 * Names of ours, a trunk's for instance, go through nta's resolver, which nobody waits for. GT-15. Thread-safe.
 */
#ifndef SIP_SOFIA_NAMES_H
#define SIP_SOFIA_NAMES_H

#include <sofia-sip/su_addrinfo.h>

/* As getaddrinfo(3), of addresses only; a name is EAI_NONAME. */
int sofia_getaddrinfo(const char *node, const char *service, const su_addrinfo_t *hints, su_addrinfo_t **res);

#endif
