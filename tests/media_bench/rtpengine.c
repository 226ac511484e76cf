/* rtpengine as a relay in user space, asked by its ng protocol (bencode over UDP) on the loopback. */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"
#include "bench.h"
#include "testkit/testkit.h"

#define BINARY "/usr/bin/rtpengine"

static struct testkit_proc proc;
static char dir[TESTKIT_PATH];
static int control = -1;
static unsigned cookie;

static void put(struct str *out, const char *text)
{
	str_printf(out, "%zu:%s", strlen(text), text);
}

static void put_pair(struct str *out, const char *key, const char *value)
{
	put(out, key);
	put(out, value);
}

/* Sends the command and waits for its answer; false: none came. */
static bool ask(const struct str *dict, char *answer, size_t size)
{
	char want[16], bytes[4096];
	int n = snprintf(bytes, sizeof(bytes), "%u %s", ++cookie, str_text(dict));
	struct timeval wait = { .tv_sec = 2 };

	snprintf(want, sizeof(want), "%u ", cookie);
	(void)setsockopt(control, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	if (send(control, bytes, (size_t)n, 0) != n)
		return false;
	for (;;) {
		ssize_t got = recv(control, answer, size - 1, 0);

		if (got <= 0)
			return false;
		answer[got] = '\0';
		if (strncmp(answer, want, strlen(want)) == 0)
			return true;
	}
}

/* "3:sdp<size>:<bytes>"; NULL: there is none. */
static const char *description_in(const char *answer, size_t *size)
{
	const char *at = strstr(answer, "3:sdp");
	char *end;

	if (!at)
		return NULL;
	*size = strtoul(at + strlen("3:sdp"), &end, 10);
	return *end == ':' && strlen(end + 1) >= *size ? end + 1 : NULL;
}

/* Offer of the first phone or answer of the second; what comes back is for the other one. */
static void exchange(const char *command, unsigned call, unsigned from_leg, unsigned to_leg)
{
	struct str d = STR_INIT;
	char sdp[1024], id[16], answer[4096];
	const char *at;
	size_t n;

	snprintf(id, sizeof(id), "call%u", call);
	str_append(&d, "d");
	put_pair(&d, "ICE", "remove");
	put_pair(&d, "call-id", id);
	put_pair(&d, "command", command);
	put_pair(&d, "from-tag", "a");
	put_pair(&d, "sdp", phone_sdp(from_leg, sdp));
	if (str_eq(command, "answer"))
		put_pair(&d, "to-tag", "b");
	else
		put_pair(&d, "transport-protocol", "RTP/AVP");
	str_append(&d, "e");
	if (!ask(&d, answer, sizeof(answer)))
		testkit_die("rtpengine does not answer");
	str_done(&d);
	at = description_in(answer, &n);
	if (!at)
		testkit_die("rtpengine refuses: %s", answer);
	phone_connect(to_leg, at, n);
}

static void add(unsigned from, unsigned to)
{
	for (unsigned call = from; call < to; call++) {
		exchange("offer", call, 2 * call, 2 * call + 1);
		exchange("answer", call, 2 * call + 1, 2 * call);
	}
}

static bool answers(void *arg)
{
	struct str d = STR_INIT;
	char answer[512];
	bool up;

	(void)arg;
	str_append(&d, "d7:command4:pinge");
	up = ask(&d, answer, sizeof(answer));
	str_done(&d);
	return up;
}

static void start(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	char listen[64], min[32], max[32], threads[32], log[TESTKIT_PATH + 64];
	int port = testkit_udp_port();

	if (access(BINARY, X_OK))
		testkit_die("%s is not there: tools/deps bench installs it", BINARY);
	testkit_dir(dir);
	snprintf(listen, sizeof(listen), "--listen-ng=127.0.0.1:%d", port);
	snprintf(min, sizeof(min), "--port-min=%d", PORT_MIN);
	snprintf(max, sizeof(max), "--port-max=%d", PORT_MAX);
	snprintf(threads, sizeof(threads), "--num-threads=%u", b.workers ? b.workers : 2);
	snprintf(log, sizeof(log), "%s/rtpengine.log", dir);
	const char *argv[] = { BINARY,
			       "--config-file=none",
			       "--foreground",
			       "--log-stderr",
			       "--log-level=3",
			       "--table=-1",
			       "--interface=127.0.0.1",
			       listen,
			       min,
			       max,
			       threads,
			       NULL };

	testkit_spawn(&proc, &(struct testkit_spawn){ .argv = argv, .log = log });
	to.sin_port = htons((uint16_t)port);
	control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (control < 0 || connect(control, (struct sockaddr *)&to, sizeof(to)))
		testkit_die("no socket to rtpengine");
	if (!testkit_wait(answers, NULL, 10000))
		testkit_die("rtpengine does not start: see %s", log);
}

static pid_t pid(void)
{
	return proc.pid;
}

static void stop(void)
{
	(void)testkit_proc_stop(&proc, SIGKILL, 1000);
	close(control);
}

const struct relay relay_rtpengine = { "rtpengine", start, add, pid, stop };
