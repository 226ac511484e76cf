#include "ear.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "journal.h"

#define RTP_HEADER 12
#define PAYLOAD	   160
#define PACKET	   (RTP_HEADER + PAYLOAD)
#define MAGIC	   0x544c4348u /* "TLCH", then who (4 bytes) and the number of the packet (4 bytes) */
#define SILENCE	   0xd5	       /* A-law */
#define PCMA	   8
#define BATCH	   8

static void put32(uint8_t *at, uint32_t v)
{
	v = htonl(v);
	memcpy(at, &v, sizeof(v));
}

static uint32_t get32(const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return ntohl(v);
}

void ear_open(struct ear *e, const char *name, const char *host)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);
	int on = 1;

	memset(e, 0, sizeof(*e));
	snprintf(e->name, sizeof(e->name), "%s", name);
	e->who = EAR_NOBODY;
	e->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (e->fd < 0 || inet_pton(AF_INET, host, &at.sin_addr) != 1 ||
	    bind(e->fd, (struct sockaddr *)&at, sizeof(at)) ||
	    setsockopt(e->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) ||
	    getsockname(e->fd, (struct sockaddr *)&at, &len)) {
		perror("chaos-phones: RTP socket");
		exit(1);
	}
	e->port = ntohs(at.sin_port);
}

void ear_to(struct ear *e, const char *host, unsigned port)
{
	e->to = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	if (inet_pton(AF_INET, host, &e->to.sin_addr) != 1)
		return;
	e->has_peer = port != 0;
}

static void say(struct ear *e, uint32_t id)
{
	uint8_t bytes[PACKET] = { 0x80, PCMA, (uint8_t)(e->sent >> 8), (uint8_t)e->sent };

	put32(bytes + 4, e->sent * PAYLOAD);
	put32(bytes + 8, 0xc0000000u + id);
	memset(bytes + RTP_HEADER, SILENCE, PAYLOAD);
	put32(bytes + RTP_HEADER, MAGIC);
	put32(bytes + RTP_HEADER + 4, id);
	put32(bytes + RTP_HEADER + 8, e->sent++);
	/* Nobody there (ECONNREFUSED of a dead engine) or no room: the other side will miss it, and say so. */
	(void)!sendto(e->fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&e->to, sizeof(e->to));
}

static void gap(struct ear *e, int64_t at_ns, uint32_t then, uint32_t lost)
{
	int64_t silent = at_ns - e->last_ns;

	if (silent > e->longest_ns)
		e->longest_ns = silent;
	if (silent <= EAR_GAP_MS * MS_NS)
		return;
	e->gaps++;
	journal(e->name, at_ns, "gap", "\"from\": %.1f, \"ms\": %.1f, \"who\": %u, \"then\": %u, \"lost\": %u",
		(double)e->last_ns / MS_NS, (double)silent / MS_NS, e->who, then, lost);
}

/* Of a neighbour whose port is one less: its reports go to the port after it (RFC 5761, 4). */
static bool is_rtcp(uint8_t type)
{
	return type >= 192 && type <= 223;
}

void ear_packet(struct ear *e, const uint8_t *bytes, size_t size, int64_t at_ns)
{
	uint32_t who = EAR_MUSIC, seq = 0, lost = 0;

	if (size < RTP_HEADER + 1 || bytes[0] >> 6 != 2 || is_rtcp(bytes[1]))
		return;
	if (size >= RTP_HEADER + 12 && get32(bytes + RTP_HEADER) == MAGIC) {
		who = get32(bytes + RTP_HEADER + 4);
		seq = get32(bytes + RTP_HEADER + 8);
	}
	if (who && who == e->who && seq > e->who_seq)
		lost = seq - e->who_seq - 1;
	e->lost += lost;
	if (e->packets)
		gap(e, at_ns, who, lost);
	else
		e->first_ns = at_ns;
	if (who != e->who)
		journal(e->name, at_ns, "heard", "\"who\": %u", who);
	e->who = who;
	e->who_seq = seq;
	e->last_ns = at_ns;
	e->packets++;
}

static int64_t stamp_of(struct msghdr *h)
{
	struct timespec ts;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
			memcpy(&ts, CMSG_DATA(c), sizeof(ts));
			return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
		}
	return wall_ns();
}

static void listen_to(struct ear *e)
{
	static uint8_t bytes[BATCH][2048], control[BATCH][64];
	struct mmsghdr msgs[BATCH] = { 0 };
	struct iovec iovs[BATCH];
	int n;

	do {
		for (unsigned i = 0; i < BATCH; i++) {
			iovs[i] = (struct iovec){ bytes[i], sizeof(bytes[i]) };
			msgs[i].msg_hdr = (struct msghdr){ .msg_iov = &iovs[i],
							   .msg_iovlen = 1,
							   .msg_control = control[i],
							   .msg_controllen = sizeof(control[i]) };
		}
		n = recvmmsg(e->fd, msgs, BATCH, MSG_DONTWAIT, NULL);
		for (int i = 0; i < n; i++)
			ear_packet(e, bytes[i], msgs[i].msg_len, stamp_of(&msgs[i].msg_hdr));
	} while (n == BATCH);
}

void ear_turn(struct ear *e, uint32_t id, bool talks)
{
	if (e->fd < 0)
		return;
	if (talks && e->has_peer)
		say(e, id);
	listen_to(e);
}

void ear_close(struct ear *e, int64_t now_ns)
{
	if (e->fd < 0)
		return;
	listen_to(e);
	close(e->fd);
	e->fd = -1;
	if (e->last_ns > now_ns) /* came while we were at it */
		now_ns = e->last_ns;
	journal(e->name, now_ns, "rtp",
		"\"sent\": %u, \"packets\": %lu, \"lost\": %lu, \"gaps\": %lu, \"longest_ms\": %.1f, \"first\": %.1f, "
		"\"last\": %.1f, "
		"\"who\": %u",
		e->sent, e->packets, e->lost, e->gaps, (double)e->longest_ns / MS_NS, (double)e->first_ns / MS_NS,
		(double)e->last_ns / MS_NS, e->packets ? e->who : 0);
}
