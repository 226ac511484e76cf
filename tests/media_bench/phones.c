#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "bench.h"
#include "rtp/rtp.h"
#include "testkit/testkit.h"

#define PAYLOAD 160
#define TURNS \
	21 /* of 20 ms, with a part of the phones each; not a number that runs in step with somebody's milliseconds */
#define PACKET_US 20000
#define STALL_US  3000
#define BATCH	  8
#define BUCKET_US 5
#define BUCKETS	  40000 /* 200 ms */
#define CHECKED	  3	/* packets of SRTP that are opened: the rest would measure ourselves */

struct phone {
	int fd;
	uint16_t seq, port;
	unsigned got;
	bool secure;
	struct sdp_crypto ours;
	struct rtpsec *sec;
	int64_t last_delay_us; /* -1: none yet */
};

struct histogram {
	uint64_t n;
	uint32_t buckets[BUCKETS];
};

static struct phone *phones;
static unsigned n_phones;
static struct histogram delays, jitters;
static uint64_t sent, got;

/* ---- histograms ---- */
static void count(struct histogram *h, int64_t us)
{
	int64_t at = us < 0 ? 0 : us / BUCKET_US;

	h->n++;
	h->buckets[at < BUCKETS ? at : BUCKETS - 1]++;
}

static double percentile_ms(const struct histogram *h, double share)
{
	uint64_t want = (uint64_t)((double)h->n * share), sum = 0;
	unsigned i = 0;

	while (i + 1 < BUCKETS && (sum += h->buckets[i]) <= want)
		i++;
	return (i + 1) * BUCKET_US / 1000.0;
}

/* ---- set-up ---- */
static void open_one(struct phone *p)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int on = 1;

	p->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (p->fd < 0 || bind(p->fd, (struct sockaddr *)&at, sizeof(at)))
		testkit_die("no socket for a phone: raise the limit of open files (ulimit -Hn)");
	/* The kernel's time of arrival: ours would be that of our next turn. */
	if (setsockopt(p->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)))
		testkit_die("no timestamps of the kernel");
	getsockname(p->fd, (struct sockaddr *)&at, &len);
	p->port = ntohs(at.sin_port);
	p->last_delay_us = -1;
}

void phones_open(unsigned calls)
{
	n_phones = 2 * calls;
	phones = mem_array(n_phones, sizeof(*phones));
	if (!phones || rtpsec_init())
		testkit_die("out of memory");
	for (unsigned i = 0; i < n_phones; i++) {
		struct phone *p = &phones[i];

		open_one(p);
		p->secure = b.srtp && i % 2 == 0;
		p->ours = (struct sdp_crypto){ .suite = SDP_AES_CM_128_HMAC_SHA1_80, .tag = 1 };
		if (getrandom(p->ours.key, sizeof(p->ours.key), 0) != (ssize_t)sizeof(p->ours.key))
			testkit_die("no random bytes");
	}
}

void phones_close(void)
{
	for (unsigned i = 0; i < n_phones; i++) {
		close(phones[i].fd);
		rtpsec_free(&phones[i].sec);
	}
	mem_free(phones);
	phones = NULL;
	n_phones = 0;
}

const char *phone_sdp(unsigned leg, char buf[1024])
{
	const struct phone *p = &phones[leg];
	struct str crypto = STR_INIT;

	if (p->secure)
		sdp_crypto_write(&p->ours, &crypto);
	snprintf(buf, 1024,
		 "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %u %s 8\r\n%s",
		 p->port, p->secure ? "RTP/SAVP" : "RTP/AVP", str_text(&crypto));
	str_done(&crypto);
	return buf;
}

void phone_connect(unsigned leg, const char *text, size_t size)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct phone *p = &phones[leg];
	struct err_detail d = { "", "" };
	struct sdp sdp;

	if (sdp_parse(&sdp, text, size, &d) || sdp.media[0].port == 0 || sdp.media[0].srtp != p->secure)
		testkit_die("leg %u got a description it cannot use: %s", leg, d.message);
	to.sin_port = htons(sdp.media[0].port);
	if (connect(p->fd, (struct sockaddr *)&to, sizeof(to)))
		testkit_die("cannot connect a phone");
	if (p->secure && (!sdp.media[0].n_crypto || rtpsec_new(&p->sec, &p->ours, &sdp.media[0].crypto[0])))
		testkit_die("leg %u got no key", leg);
}

/* ---- talking and listening ---- */
static int64_t wall_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

/* The time of sending stands in the payload, which relays leave as it is. */
static void phone_send(struct phone *p, uint32_t ssrc)
{
	_Alignas(8) uint8_t bytes[RTP_HEADER + PAYLOAD + RTPSEC_TRAILER];
	struct rtp_packet h = { .pt = 8, .seq = p->seq, .ts = p->seq * (uint32_t)PAYLOAD, .ssrc = ssrc };
	size_t size = RTP_HEADER + PAYLOAD;
	int64_t now;

	p->seq++;
	rtp_write(bytes, &h);
	memset(bytes + RTP_HEADER, 0xd5, PAYLOAD);
	now = wall_ns();
	memcpy(bytes + RTP_HEADER, &now, sizeof(now));
	if (p->sec && rtpsec_protect(p->sec, bytes, &size) != RTPSEC_OK)
		testkit_die("a packet cannot be protected");
	if (send(p->fd, bytes, size, 0) == (ssize_t)size)
		sent++;
}

static int64_t arrival_ns(struct msghdr *m)
{
	struct timespec t;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPNS) {
			memcpy(&t, CMSG_DATA(c), sizeof(t));
			return t.tv_sec * 1000000000ll + t.tv_nsec;
		}
	return 0;
}

static void take(struct phone *p, uint8_t *bytes, size_t size, int64_t arrived_ns)
{
	int64_t sent_ns, delay_us;

	if (size < RTP_HEADER + PAYLOAD)
		return; /* a report for a neighbour, from before this phone was connected */
	got++;
	if (p->sec) {
		if (p->got++ < CHECKED && (rtpsec_unprotect(p->sec, bytes, &size) || size != RTP_HEADER + PAYLOAD))
			testkit_die("a packet to an SRTP phone is not protected as it should be");
		return; /* its time of sending is not to be read */
	}
	memcpy(&sent_ns, bytes + RTP_HEADER, sizeof(sent_ns));
	delay_us = (arrived_ns - sent_ns) / 1000;
	count(&delays, delay_us);
	if (p->last_delay_us >= 0)
		count(&jitters, llabs(delay_us - p->last_delay_us));
	p->last_delay_us = delay_us;
}

static void phone_listen(struct phone *p)
{
	static _Alignas(8) uint8_t bytes[BATCH][2048];
	static uint8_t control[BATCH][64];
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
		n = recvmmsg(p->fd, msgs, BATCH, MSG_DONTWAIT, NULL);
		for (int i = 0; i < n; i++)
			take(p, bytes[i], msgs[i].msg_len, arrival_ns(&msgs[i].msg_hdr));
	} while (n == BATCH);
}

static double cpu_s(pid_t pid)
{
	struct timespec t;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &t))
		testkit_die("the relay is gone");
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void run(unsigned legs, int64_t end)
{
	int64_t began = clock_mono_us(), next = began;

	for (uint64_t turn = 0; next < end; turn++, next = began + (int64_t)(turn * PACKET_US / TURNS)) {
		int64_t wait = next - clock_mono_us();

		if (wait > 0)
			usleep((useconds_t)wait);
		/* We were kept from the CPU: that is no reason for a thousand phones to talk faster afterwards. */
		if (wait < -STALL_US)
			began -= wait;
		for (unsigned i = (unsigned)(turn % TURNS); i < legs; i += TURNS) {
			phone_send(&phones[i], i + 1);
			phone_listen(&phones[i]);
		}
	}
}

struct measured talk(unsigned calls, double seconds)
{
	int64_t began = clock_mono_us();
	struct measured m = { 0 };

	memset(&delays, 0, sizeof(delays));
	memset(&jitters, 0, sizeof(jitters));
	sent = got = 0;
	m.relay_cpu_s = cpu_s(b.relay->pid());
	m.own_cpu_s = cpu_s(0);
	run(2 * calls, began + (int64_t)(seconds * 1e6));
	m.relay_cpu_s = cpu_s(b.relay->pid()) - m.relay_cpu_s;
	m.own_cpu_s = cpu_s(0) - m.own_cpu_s;
	m.wall_s = (double)(clock_mono_us() - began) / 1e6;
	usleep(100000);
	for (unsigned i = 0; i < n_phones; i++)
		phone_listen(&phones[i]);
	m.sent = sent;
	m.got = got;
	m.delay_p50_ms = percentile_ms(&delays, 0.5);
	m.delay_p99_ms = percentile_ms(&delays, 0.99);
	m.jitter_p50_ms = percentile_ms(&jitters, 0.5);
	m.jitter_p99_ms = percentile_ms(&jitters, 0.99);
	for (unsigned i = 0; i < n_phones; i++)
		phones[i].last_delay_us = -1;
	return m;
}
