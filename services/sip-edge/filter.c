#include "filter.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#define UDP_HEADER 8
#define SOCKETS	   1024 /* descriptors looked at: sockets are opened at the start */

/* A method or "SIP/2.0" begins with a visible character, a keep-alive with CR or LF (RFC 5626 §4.4.1). */
static struct sock_filter looks_like_sip[] = {
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, UDP_HEADER), /* an empty datagram ends here: dropped */
	BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x20, 2, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, '\r', 1, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, '\n', 0, 1),
	BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
	BPF_STMT(BPF_RET | BPF_K, 0),
};

static bool is_ours(int fd, int port)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t n = sizeof(ss), size = sizeof(int);
	int type = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_DGRAM ||
	    getsockname(fd, (struct sockaddr *)&ss, &n) < 0)
		return false;
	if (ss.ss_family == AF_INET)
		return ntohs(((struct sockaddr_in *)&ss)->sin_port) == port;
	return ss.ss_family == AF_INET6 && ntohs(((struct sockaddr_in6 *)&ss)->sin6_port) == port;
}

err_t filter_udp(int port)
{
	struct sock_fprog program = { sizeof(looks_like_sip) / sizeof(looks_like_sip[0]), looks_like_sip };
	err_t e = ERR_NOT_FOUND;

	for (int fd = 0; fd < SOCKETS; fd++) {
		if (!is_ours(fd, port))
			continue;
		if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0)
			return err_from_errno(errno);
		e = ERR_OK;
	}
	return e;
}
