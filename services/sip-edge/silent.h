/*
 * silent: TCP connections on which nobody ever said anything, or nothing but the beginning of a TLS handshake. Sofia sets a connection's timer when something comes by it, so
 * one that stays mute it would keep for ever. The kernel knows better: TCP_INFO. Owner: the edge; one thread.
 */
#ifndef SIP_EDGE_SILENT_H
#define SIP_EDGE_SILENT_H

#define SILENT_SLICE 512 /* descriptors looked at in one call: some hundred microseconds */

/* Shuts down what came in on one of the ports (0: none) and has been mute for longer than that; looks at a slice of the
 * descriptors and goes on from there with the next call. *cursor begins at 0. Returns how many were shut down. */
unsigned silent_sweep(int *cursor, int port, int tls_port, unsigned longest_ms);

#endif
