#include "resolve.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>

bool resolve(struct conn_address *a, bool numeric_only)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_NUMERICSERV | (numeric_only ? AI_NUMERICHOST : 0) };
	struct addrinfo *found = NULL;
	int r = getaddrinfo(a->host, a->port, &hints, &found);

	if (r) {
		(void)snprintf(a->error, sizeof(a->error), "%.60s: %s", a->host, gai_strerror(r));
		return false;
	}
	a->error[0] = '\0';
	a->family = found->ai_family;
	memcpy(&a->address, found->ai_addr, found->ai_addrlen);
	a->size = found->ai_addrlen;
	freeaddrinfo(found);
	return true;
}
