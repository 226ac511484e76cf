/* RELIABILITY: slow TCP. Real sockets of this process: the kernel's own figures are what is read. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "silent.h"

struct pair {
	int listener, port, client[2], served[2];
};

static int setup(void **state)
{
	static struct pair p;
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);

	p.listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(p.listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(p.listener, 4), 0);
	getsockname(p.listener, (struct sockaddr *)&a, &n);
	p.port = ntohs(a.sin_port);
	for (int i = 0; i < 2; i++) {
		p.client[i] = socket(AF_INET, SOCK_STREAM, 0);
		assert_int_equal(connect(p.client[i], (struct sockaddr *)&a, sizeof(a)), 0);
		p.served[i] = accept(p.listener, NULL, NULL);
		assert_true(p.served[i] >= 0);
	}
	assert_int_equal(write(p.client[1], "x", 1), 1); /* the second says something */
	usleep(30000);
	*state = &p;
	return 0;
}

static int teardown(void **state)
{
	struct pair *p = *state;

	for (int i = 0; i < 2; i++) {
		close(p->client[i]);
		close(p->served[i]);
	}
	close(p->listener);
	return 0;
}

/* Once round all descriptors. */
static unsigned sweep(int port, int tls_port, unsigned longest_ms)
{
	struct silent s = { 0 };
	unsigned n = 0;

	do
		n += silent_sweep(&s, port, tls_port, longest_ms);
	while (s.at);
	return n;
}

static int ended(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char c;

	return poll(&p, 1, 0) > 0 && recv(fd, &c, 1, 0) == 0;
}

static void a_mute_connection_is_shut_down_and_one_that_spoke_is_not(void **state)
{
	struct pair *p = *state;

	assert_int_equal(sweep(p->port, 0, 1), 1);
	assert_true(ended(p->client[0]));
	assert_false(ended(p->client[1]));
}

static void half_a_handshake_is_as_good_as_mute_on_the_tls_port(void **state)
{
	struct pair *p = *state;

	assert_int_equal(sweep(0, p->port, 1), 2);
	assert_true(ended(p->client[0]) && ended(p->client[1]));
}

static void young_ones_and_those_of_other_ports_stay(void **state)
{
	struct pair *p = *state;

	assert_int_equal(sweep(p->port, 0, 60000), 0);
	assert_int_equal(sweep(1, 2, 1), 0);
	assert_false(ended(p->client[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_mute_connection_is_shut_down_and_one_that_spoke_is_not, setup,
						teardown),
		cmocka_unit_test_setup_teardown(half_a_handshake_is_as_good_as_mute_on_the_tls_port, setup, teardown),
		cmocka_unit_test_setup_teardown(young_ones_and_those_of_other_ports_stay, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
