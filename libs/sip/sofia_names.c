#include "sip/sofia_names.h"

#include <netdb.h>
#include <netinet/in.h>

int sofia_getaddrinfo(const char *node, const char *service, const su_addrinfo_t *hints, su_addrinfo_t **res)
{
	su_addrinfo_t numeric = { .ai_flags = 0 };
	int e;

	if (hints)
		numeric = *hints;
	numeric.ai_flags |= AI_NUMERICHOST;
	e = getaddrinfo(node, service, &numeric, res);
	for (su_addrinfo_t *ai = e ? NULL : *res; ai; ai = ai->ai_next)
		if (!ai->ai_protocol) /* Sofia goes by it */
			ai->ai_protocol = ai->ai_socktype == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
	return e;
}
