#include "ports.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

err_t ports_init(struct ports *p, const struct sdp_addr *address, uint16_t min, uint16_t max)
{
	unsigned first = (min + 1u) & ~1u;

	*p = (struct ports){ .address = *address, .first = (uint16_t)first };
	if (max <= first)
		return ERR_INVALID;
	p->n = (max - first + 1u) / 2;
	p->taken = mem_array(p->n, 1);
	return p->taken ? ERR_OK : ERR_EXHAUSTED;
}

void ports_done(struct ports *p)
{
	mem_free(p->taken);
	p->taken = NULL;
}

socklen_t peer_to_sockaddr(const struct peer *p, struct sockaddr_storage *ss)
{
	memset(ss, 0, sizeof(*ss));
	if (p->addr.family == 4) {
		struct sockaddr_in *in = (struct sockaddr_in *)ss;

		in->sin_family = AF_INET;
		in->sin_port = htons(p->port);
		memcpy(&in->sin_addr, p->addr.bytes, 4);
		return sizeof(*in);
	}
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;

	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(p->port);
	memcpy(&in6->sin6_addr, p->addr.bytes, 16);
	return sizeof(*in6);
}

bool peer_from_sockaddr(struct peer *p, const struct sockaddr_storage *ss)
{
	*p = (struct peer){ 0 };
	if (ss->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)ss;

		p->addr.family = 4;
		p->port = ntohs(in->sin_port);
		memcpy(p->addr.bytes, &in->sin_addr, 4);
		return true;
	}
	if (ss->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)ss;

		p->addr.family = 6;
		p->port = ntohs(in6->sin6_port);
		memcpy(p->addr.bytes, &in6->sin6_addr, 16);
		return true;
	}
	return false;
}

static int open_one(const struct ports *p, uint16_t port, bool rtp)
{
	struct peer at = { .addr = p->address, .port = port };
	struct sockaddr_storage ss;
	socklen_t n = peer_to_sockaddr(&at, &ss);
	int size = rtp ? 65536 : 16384, tos = 0xb8; /* EF (RFC 4594) */
	int fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (bind(fd, (struct sockaddr *)&ss, n)) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	/* Best effort: bounds what a flood may occupy; marks voice. */
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (p->address.family == 4)
		(void)setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
	else
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &tos, sizeof(tos));
	return fd;
}

static err_t open_pair(const struct ports *p, uint16_t port, int fd[2])
{
	fd[0] = open_one(p, port, true);
	if (fd[0] < 0)
		return err_from_errno(errno);
	fd[1] = open_one(p, (uint16_t)(port + 1), false);
	if (fd[1] >= 0)
		return ERR_OK;
	int saved = errno;

	close(fd[0]);
	errno = saved;
	return err_from_errno(saved);
}

err_t ports_open(struct ports *p, int fd[2], uint16_t *port)
{
	for (unsigned tries = 0; tries < p->n; tries++) {
		unsigned i = p->next;
		uint16_t at = (uint16_t)(p->first + 2 * i);

		p->next = (p->next + 1) % p->n;
		if (p->taken[i])
			continue;
		if (open_pair(p, at, fd)) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
				return ERR_EXHAUSTED;
			continue; /* somebody else's */
		}
		p->taken[i] = 1;
		p->used++;
		*port = at;
		return ERR_OK;
	}
	return ERR_EXHAUSTED;
}

void ports_release(struct ports *p, uint16_t port)
{
	unsigned i = (unsigned)(port - p->first) / 2;

	if (i < p->n && p->taken[i]) {
		p->taken[i] = 0;
		p->used--;
	}
}
