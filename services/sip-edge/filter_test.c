/* RELIABILITY: scanners, amplification. The kernel's filter on a real socket. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/mem.h"
#include "filter.h"

static const struct {
	const char *bytes;
	size_t n;
	bool passes;
} rows[] = {
	{ "OPTIONS sip:x SIP/2.0\r\n", 23, true },
	{ "SIP/2.0 200 OK\r\n", 16, true },
	{ "!odd", 4, true },
	{ "\r\n\r\n", 4, true },
	{ "\n", 1, true },
	{ "\0\1\0\0\x21\x12\xa4\x42"
	  "0123456789ab",
	  20, false }, /* a STUN binding request */
	{ "\1\1\0\0\x21\x12\xa4\x42"
	  "0123456789ab",
	  20, false },		      /* its answer */
	{ "\x16\xfe\xff", 3, false }, /* DTLS */
	{ "", 0, false },
};

static void only_what_may_be_SIP_reaches_the_socket(void **state)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(a);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), from = socket(AF_INET, SOCK_DGRAM, 0);
	char buf[64];

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	getsockname(fd, (struct sockaddr *)&a, &size);
	assert_int_equal(filter_udp(ntohs(a.sin_port)), ERR_OK);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		(void)!sendto(from, rows[i].bytes, rows[i].n, 0, (struct sockaddr *)&a, sizeof(a));
		assert_int_equal(recv(fd, buf, sizeof(buf), 0) >= 0, rows[i].passes);
	}
	close(fd);
	close(from);
}

static void no_socket_on_the_port_is_told(void **state)
{
	(void)state;
	assert_int_equal(filter_udp(1), ERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_may_be_SIP_reaches_the_socket),
		cmocka_unit_test(no_socket_on_the_port_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
