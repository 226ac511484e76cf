/* resolve: host and port to an address. Pure function of the machine's resolver; any thread. */
#ifndef BUS_RESOLVE_H
#define BUS_RESOLVE_H

#include <stdbool.h>
#include <sys/socket.h>

struct conn_address {
	char host[256];
	char port[8];
	int family;
	struct sockaddr_storage address;
	socklen_t size;
	char error[120];   /* "" when resolved */
	_Atomic bool lost; /* nobody could be told of the result */
};

/* numeric_only: never blocks, true if host is an address. Otherwise asks the resolver and may take seconds. */
bool resolve(struct conn_address *a, bool numeric_only);

#endif
