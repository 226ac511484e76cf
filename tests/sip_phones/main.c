/* sip-phones: all agents' telephones of a benchmark (README.md). */
#include <arpa/inet.h>
#include <getopt.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "phones.h"

#define BUFFER_BYTES (8 << 20)
#define TICK_MS	     100
#define NO_RTP	     4000 /* in SDP, when nobody is to speak; an engine may refuse ports below 1024 */

struct options {
	const char *address;
	unsigned port, rtp_port;
};

struct wire {
	int fd;
	struct sockaddr_in peer; /* whoever spoke last: the answer goes there */
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int udp(const char *address, unsigned port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), bytes = BUFFER_BYTES, on = 1;

	if (fd < 0 || inet_pton(AF_INET, address, &at.sin_addr) != 1 || bind(fd, (struct sockaddr *)&at, sizeof(at)))
		die("sip-phones: socket");
	/* Best effort: beyond net.core.rmem_max for root only. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	if (setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)))
		die("sip-phones: SO_TIMESTAMPNS");
	return fd;
}

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts); /* as the kernel's time stamps */
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int64_t stamp_of(struct msghdr *h)
{
	struct timespec ts;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
			memcpy(&ts, CMSG_DATA(c), sizeof(ts));
			return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
		}
	return now_ns();
}

static void send_back(const char *data, size_t n, void *arg)
{
	struct wire *w = arg;

	if (sendto(w->fd, data, n, 0, (struct sockaddr *)&w->peer, sizeof(w->peer)) < 0)
		perror("sip-phones: sendto");
}

static void on_sip(struct phones *p, struct wire *w)
{
	char buf[65536], control[128];

	for (;;) {
		struct iovec iov = { buf, sizeof(buf) };
		struct msghdr h = { .msg_name = &w->peer,
				    .msg_namelen = sizeof(w->peer),
				    .msg_iov = &iov,
				    .msg_iovlen = 1,
				    .msg_control = control,
				    .msg_controllen = sizeof(control) };
		ssize_t n = recvmsg(w->fd, &h, 0);
		struct sipmsg m;

		if (n < 0)
			return;
		if (sipmsg_parse(&m, buf, (size_t)n) && m.is_request)
			phones_message(p, &m, stamp_of(&h), send_back, w);
	}
}

/* What is heard is said. */
static void on_rtp(int fd)
{
	char buf[2048];
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	ssize_t n;

	while ((n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len)) >= 0) {
		if (sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&from, len) < 0)
			return; /* the call is over: the port is closed */
		len = sizeof(from);
	}
}

/* False at the end of standard input: whoever started us is gone. */
static bool on_command(struct phones *p)
{
	char line[64];

	if (!fgets(line, sizeof(line), stdin))
		return false;
	if (strcmp(line, "reset\n") == 0)
		phones_reset(p);
	phones_report(p, stdout);
	return true;
}

static void run(struct phones *p, struct wire *sip, int rtp)
{
	struct pollfd fds[] = { { STDIN_FILENO, POLLIN, 0 }, { sip->fd, POLLIN, 0 }, { rtp, POLLIN, 0 } };
	int64_t tick = 0;

	for (;;) {
		if (poll(fds, rtp >= 0 ? 3 : 2, TICK_MS) < 0)
			die("sip-phones: poll");
		if (fds[1].revents)
			on_sip(p, sip);
		if (rtp >= 0 && fds[2].revents)
			on_rtp(rtp);
		if (fds[0].revents && !on_command(p))
			return;
		if (now_ns() > tick) {
			phones_tick(p, now_ns(), send_back, sip);
			tick = now_ns() + TICK_MS * 1000000ll;
		}
	}
}

static struct options options(int argc, char **argv)
{
	static const struct option names[] = { { "address", 1, NULL, 'a' },
					       { "port", 1, NULL, 'p' },
					       { "rtp-port", 1, NULL, 'r' },
					       { NULL, 0, NULL, 0 } };
	struct options o = { "127.0.0.1", 0, 0 };
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (c == 'a')
			o.address = optarg;
		else if (c == 'p')
			o.port = (unsigned)atoi(optarg);
		else if (c == 'r')
			o.rtp_port = (unsigned)atoi(optarg);
		else
			exit(2);
	}
	if (!o.port) {
		fprintf(stderr, "usage: sip-phones --port PORT [--address A] [--rtp-port PORT]\n");
		exit(2);
	}
	return o;
}

int main(int argc, char **argv)
{
	struct options o = options(argc, argv);
	struct wire sip = { .fd = udp(o.address, o.port) };
	int rtp = o.rtp_port ? udp(o.address, o.rtp_port) : -1;
	struct phones *p = phones_new(o.address, o.port, o.rtp_port ? o.rtp_port : NO_RTP);

	setvbuf(stdin, NULL, _IONBF, 0); /* poll() must see every line */
	run(p, &sip, rtp);
	phones_free(&p);
	close(sip.fd);
	if (rtp >= 0)
		close(rtp);
	return 0;
}
