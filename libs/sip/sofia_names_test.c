/* No name is looked up (GT-15). */
#include "sip/sofia_names.h"

#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void a_name_is_not_looked_up_not_even_one_that_every_machine_knows_GT_15(void **state)
{
	su_addrinfo_t *res = NULL;

	(void)state;
	assert_int_equal(sofia_getaddrinfo("localhost", "5060", NULL, &res), EAI_NONAME);
}

static void an_address_is_read_with_its_protocol(void **state)
{
	static const struct {
		const char *host;
		int type, protocol;
	} table[] = {
		{ "127.0.0.1", SOCK_DGRAM, IPPROTO_UDP },
		{ "127.0.0.1", SOCK_STREAM, IPPROTO_TCP },
		{ "::1", SOCK_DGRAM, IPPROTO_UDP },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		su_addrinfo_t hints = { .ai_socktype = table[i].type }, *res = NULL;

		assert_int_equal(sofia_getaddrinfo(table[i].host, "5060", &hints, &res), 0);
		assert_int_equal(res->ai_protocol, table[i].protocol);
		su_freeaddrinfo(res);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_not_looked_up_not_even_one_that_every_machine_knows_GT_15),
		cmocka_unit_test(an_address_is_read_with_its_protocol),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
