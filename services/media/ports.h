/*
 * ports: pairs of UDP sockets for RTP (even port) and RTCP (the next). Control thread.
 *
 * Pairs are taken round robin, so a port just freed, at which late packets may still arrive, comes again last.
 */
#ifndef MEDIA_PORTS_H
#define MEDIA_PORTS_H

#include "latch.h"

struct ports {
	struct sdp_addr address;
	uint16_t first; /* even */
	unsigned n, next, used;
	uint8_t *taken;
};

err_t ports_init(struct ports *p, const struct sdp_addr *address, uint16_t min, uint16_t max) MUST;
void ports_done(struct ports *p);
/* Non-blocking bound sockets. ERR_EXHAUSTED: no pair free (or no files). */
err_t ports_open(struct ports *p, int fd[2], uint16_t *port) MUST;
/* The pair may be taken again; the sockets have been closed. */
void ports_release(struct ports *p, uint16_t port);

/* Addresses of sockets. */
#include <sys/socket.h>
socklen_t peer_to_sockaddr(const struct peer *p, struct sockaddr_storage *ss);
bool peer_from_sockaddr(struct peer *p, const struct sockaddr_storage *ss);

#endif
