#include "silent.h"

#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

/* A TLS handshake and any SIP request are more than this; half a handshake is less. */
#define TLS_SAID 1024

static int local_port(int fd)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t n = sizeof(ss);

	if (getsockname(fd, (struct sockaddr *)&ss, &n) < 0)
		return -1;
	if (ss.ss_family == AF_INET)
		return ntohs(((struct sockaddr_in *)&ss)->sin_port);
	return ss.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&ss)->sin6_port) : -1;
}

/* said: what a caller has sent by then that is one. */
static bool mute(int fd, unsigned longest_ms, unsigned said)
{
	struct tcp_info info = { 0 };
	socklen_t n = sizeof(info);

	/* Without data the time of the last is that of the connection. A kernel that does not count bytes closes nothing. */
	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) == 0 &&
	       n > offsetof(struct tcp_info, tcpi_bytes_received) && info.tcpi_state == 1 /* established */ &&
	       info.tcpi_bytes_received < said && info.tcpi_last_data_recv > longest_ms;
}

unsigned silent_sweep(struct silent *s, int port, int tls_port, unsigned longest_ms)
{
	unsigned n = 0;
	int end = s->at + SILENT_SLICE;

	for (int fd = s->at; fd < end; fd++) {
		int at = mute(fd, longest_ms, TLS_SAID) ? local_port(fd) : -1;

		s->closed = fcntl(fd, F_GETFD) < 0 ? s->closed + 1 : 0;
		if (at <= 0 || (at != tls_port && (at != port || !mute(fd, longest_ms, 1))))
			continue;
		shutdown(fd, SHUT_RDWR); /* its owner sees the end and closes it */
		n++;
	}
	*s = s->closed >= SILENT_GAP ? (struct silent){ 0 } : (struct silent){ end, s->closed };
	return n;
}
