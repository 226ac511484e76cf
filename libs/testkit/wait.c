#include "testkit_internal.h"
#include "base/clock.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS 100

int64_t testkit_deadline(int64_t timeout_ms)
{
	return clock_mono_ms() + timeout_ms;
}

void testkit_pause(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
}

/* How much of a wait is over, from one look to the next. */
static int64_t since(int64_t *last_ms)
{
	int64_t now = clock_mono_ms(), ms = now - *last_ms;

	*last_ms = now;
	return ms < LOOK_MS ? ms : LOOK_MS;
}

bool testkit_wait(bool (*fn)(void *arg), void *arg, int64_t timeout_ms)
{
	int64_t last_ms = clock_mono_ms();

	while (!fn(arg)) {
		if (timeout_ms <= 0)
			return false;
		testkit_pause();
		timeout_ms -= since(&last_ms);
	}
	return true;
}

bool testkit_wait_loop(struct loop *loop, bool (*fn)(void *arg), void *arg, int64_t timeout_ms)
{
	int64_t last_ms = clock_mono_ms();

	while (!fn(arg)) {
		if (timeout_ms <= 0)
			return false;
		loop_turn(loop, 20); /* at most so long: the condition may change without the loop */
		timeout_ms -= since(&last_ms);
	}
	return true;
}

static bool flag_is_set(void *arg)
{
	return *(const volatile bool *)arg;
}

bool testkit_wait_flag(struct loop *loop, const bool *flag, int64_t timeout_ms)
{
	return testkit_wait_loop(loop, flag_is_set, (void *)flag, timeout_ms);
}

static struct sockaddr_in local(int port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons((uint16_t)port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

int testkit_connect(int port)
{
	struct sockaddr_in to = local(port);
	struct timeval second = { .tv_sec = 1 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		testkit_die("socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	close(fd);
	return -1;
}

static bool answers(void *arg)
{
	int fd = testkit_connect(*(int *)arg);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

bool testkit_wait_tcp(int port, int64_t timeout_ms)
{
	return testkit_wait(answers, &port, timeout_ms);
}

static int free_port(int type)
{
	struct sockaddr_in at = local(0);
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, len) || getsockname(fd, (struct sockaddr *)&at, &len))
		testkit_die("no free port: %s", strerror(errno));
	close(fd);
	return ntohs(at.sin_port);
}

int testkit_tcp_port(void)
{
	return free_port(SOCK_STREAM);
}

int testkit_udp_port(void)
{
	return free_port(SOCK_DGRAM);
}

void testkit_each_alloc_failure(err_t (*fn)(void *arg), void *arg)
{
	for (long n = 0; n < 1000000; n++) {
		long refused;
		err_t e;

		mem_fail_after(n);
		e = fn(arg);
		refused = mem_refusals();
		mem_fail_after(-1);
		if (refused && e && e != ERR_EXHAUSTED)
			testkit_die("out of memory at allocation %ld gives %s, not RESOURCE_EXHAUSTED", n, err_name(e));
		if (!refused && e)
			testkit_die("fails with %s although memory was there", err_name(e));
		if (!refused)
			return;
	}
	testkit_die("more than a million allocations");
}
