/*
 * filter: what cannot be SIP does not reach the UDP socket. Sofia answers STUN to everybody, and prints a line for what it
 * takes for a bad one; no tag switches that off. So the kernel drops datagrams that begin like neither SIP nor a keep-alive.
 */
#ifndef SIP_EDGE_FILTER_H
#define SIP_EDGE_FILTER_H

#include "base/err.h"

/* On each UDP socket of this process that is bound to the port. ERR_NOT_FOUND: there is none. */
err_t filter_udp(int port) MUST;

#endif
