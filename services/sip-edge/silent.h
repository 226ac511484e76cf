/*
 * silent: TCP connections on which nobody ever said anything, or nothing but the beginning of a TLS handshake. Sofia sets a connection's timer when something comes by it, so
 * one that stays mute it would keep for ever. The kernel knows better: TCP_INFO. Owner: the edge; one thread.
 */
#ifndef SIP_EDGE_SILENT_H
#define SIP_EDGE_SILENT_H

#define SILENT_SLICE 1024 /* descriptors looked at in one call: some hundred microseconds */
#define SILENT_GAP   4096 /* so many in a row that are not open: there are no more */

struct silent {
	int at, closed; /* the next one to look at; how many before it were not open */
};

/* Shuts down what came in on one of the ports (0: none) and has been mute for longer than that; looks at a slice of the
 * descriptors and goes on from there with the next call. *s begins as zeros. Returns how many were shut down. */
unsigned silent_sweep(struct silent *s, int port, int tls_port, unsigned longest_ms);

#endif
