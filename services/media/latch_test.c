/* RELIABILITY: RTP bleed and injection: nothing of a stranger gets in before the source is latched, nothing goes out to it. */
#include "latch.h"

#include <stdio.h>
#include <string.h>

#include "testkit/cmocka_all.h"

static struct peer at(const char *addr, uint16_t port)
{
	struct peer p = { .port = port };

	assert_true(sdp_addr_parse(&p.addr, addr));
	return p;
}

static enum latch_result packet(struct latch *l, const char *addr, uint16_t port, uint16_t seq, int64_t ms)
{
	struct rtp_packet p = { .seq = seq, .ssrc = port };
	struct peer from = at(addr, port);

	return latch_packet(l, &from, &p, ms * 1000);
}

static struct latch fresh(enum latch_nat nat, const char *addr)
{
	struct latch l = { .nat = nat, .window_us = 3000000 };
	struct peer p = at(addr, 4000);

	assert_true(latch_signal(&l, &p));
	return l;
}

static void the_signalled_source_is_believed_at_once_and_then_nobody_else(void **state)
{
	struct latch l = fresh(LATCH_ANY, "192.0.2.1");

	UNUSED(state);
	assert_int_equal(packet(&l, "192.0.2.1", 4000, 1, 0), LATCH_NEW);
	assert_int_equal(packet(&l, "192.0.2.1", 4000, 2, 20), LATCH_ACCEPT);
	for (uint16_t i = 0; i < 100; i++)
		assert_int_equal(packet(&l, "203.0.113.9", 5000, i, 20 * i), LATCH_DROP);
	assert_int_equal(packet(&l, "192.0.2.1", 4002, 1, 40), LATCH_DROP);
}

static void nothing_is_believed_before_the_peer_is_known(void **state)
{
	struct latch l = { .nat = LATCH_ANY };

	UNUSED(state);
	for (uint16_t i = 0; i < 100; i++)
		assert_int_equal(packet(&l, "192.0.2.1", 4000, i, 0), LATCH_DROP);
	assert_null(latch_target(&l));
}

struct guess {
	const char *what;
	enum latch_nat nat;
	const char *signalled, *from;
	uint16_t port;
	bool ok;
};
static const struct guess guesses[] = {
	{ "strict: nobody else", LATCH_STRICT, "10.0.0.5", "203.0.113.9", 5000, false },
	{ "auto: a private address behind a public one", LATCH_AUTO, "10.0.0.5", "203.0.113.9", 5000, true },
	{ "auto: another port of the same host", LATCH_AUTO, "198.51.100.1", "198.51.100.1", 5000, true },
	{ "auto: a public address is not replaced by another", LATCH_AUTO, "198.51.100.1", "203.0.113.9", 5000, false },
	{ "auto: a private one not by another private one", LATCH_AUTO, "10.0.0.5", "10.0.0.6", 5000, false },
	{ "auto: never one signalled on the loopback", LATCH_AUTO, "127.0.0.1", "127.0.0.1", 5000, false },
	{ "auto: nor replaced by one from elsewhere", LATCH_AUTO, "127.0.0.1", "203.0.113.9", 5000, false },
	{ "auto: a phone beside us announces its LAN address", LATCH_AUTO, "192.168.1.7", "127.0.0.1", 5000, true },
	{ "auto: or its public one", LATCH_AUTO, "198.51.100.1", "127.0.0.1", 5000, true },
	{ "auto: IPv6 private behind public", LATCH_AUTO, "fd00::5", "2001:db8::9", 5000, true },
	{ "auto: carrier-grade NAT", LATCH_AUTO, "100.64.3.4", "203.0.113.9", 5000, true },
	{ "any: anybody", LATCH_ANY, "127.0.0.1", "127.0.0.1", 5000, true },
	{ "any: but no port below 1024", LATCH_ANY, "192.0.2.1", "203.0.113.9", 53, false },
};

static void a_guess_needs_the_policy_and_five_dropped_packets_in_sequence(void **state)
{
	UNUSED(state);
	for (size_t i = 0; i < ARRAY_SIZE(guesses); i++) {
		const struct guess *g = &guesses[i];
		struct latch l = fresh(g->nat, g->signalled);

		print_message("  %s\n", g->what);
		for (uint16_t k = 0; k < LATCH_PROOF; k++) {
			assert_int_equal(packet(&l, g->from, g->port, k, 20 * k), LATCH_DROP);
			assert_true(peer_eq(latch_target(&l), &l.signalled)); /* nothing is reflected */
		}
		assert_int_equal(packet(&l, g->from, g->port, LATCH_PROOF, 200), g->ok ? LATCH_NEW : LATCH_DROP);
	}
}

static void a_guess_out_of_sequence_proves_nothing(void **state)
{
	struct latch l = fresh(LATCH_ANY, "192.0.2.1");

	UNUSED(state);
	for (uint16_t i = 0; i < 100; i++)
		assert_int_equal(packet(&l, "203.0.113.9", 5000, (uint16_t)(i * 7), 20 * i), LATCH_DROP);
	/* Two strangers in turn start each other's count again. */
	for (uint16_t i = 0; i < 100; i++)
		assert_int_equal(packet(&l, i & 1 ? "203.0.113.9" : "203.0.113.8", 5000, i, 20 * i), LATCH_DROP);
}

static void the_true_source_takes_over_from_a_guess_within_the_window_only(void **state)
{
	struct latch l = fresh(LATCH_ANY, "192.0.2.1");

	UNUSED(state);
	for (uint16_t i = 0; i <= LATCH_PROOF; i++)
		(void)packet(&l, "203.0.113.9", 5000, i, 0);
	assert_true(l.latched && l.guessed);
	assert_int_equal(packet(&l, "192.0.2.1", 4000, 1, 2900), LATCH_NEW);
	assert_int_equal(packet(&l, "203.0.113.9", 5000, 9, 2950), LATCH_DROP);

	l = fresh(LATCH_ANY, "192.0.2.1");
	for (uint16_t i = 0; i <= LATCH_PROOF; i++)
		(void)packet(&l, "203.0.113.9", 5000, i, 0);
	assert_int_equal(packet(&l, "192.0.2.1", 4000, 1, 3100), LATCH_DROP);
}

static void a_new_signalled_address_opens_the_latch_and_the_same_does_not(void **state)
{
	struct latch l = fresh(LATCH_STRICT, "192.0.2.1");
	struct peer same = at("192.0.2.1", 4000), other = at("192.0.2.2", 4000);

	UNUSED(state);
	assert_int_equal(packet(&l, "192.0.2.1", 4000, 1, 0), LATCH_NEW);
	assert_false(latch_signal(&l, &same));
	assert_int_equal(packet(&l, "192.0.2.1", 4000, 2, 0), LATCH_ACCEPT);
	assert_true(latch_signal(&l, &other));
	assert_int_equal(packet(&l, "192.0.2.1", 4000, 3, 0), LATCH_DROP);
	assert_int_equal(packet(&l, "192.0.2.2", 4000, 1, 0), LATCH_NEW);
}

static void what_was_learnt_before_there_was_a_key_is_forgotten(void **state)
{
	struct latch l = fresh(LATCH_ANY, "192.0.2.1");
	struct peer same = at("192.0.2.1", 4000);

	UNUSED(state);
	for (uint16_t i = 0; i <= LATCH_PROOF; i++)
		(void)packet(&l, "203.0.113.9", 5000, i, 0);
	assert_true(l.latched);
	latch_reset(&l);
	assert_null(latch_target(&l));
	assert_int_equal(packet(&l, "203.0.113.9", 5000, 9, 20), LATCH_DROP);
	assert_true(latch_signal(&l, &same));
	assert_int_equal(packet(&l, "203.0.113.9", 5000, 10, 40), LATCH_DROP);
	assert_int_equal(packet(&l, "192.0.2.1", 4000, 1, 60), LATCH_NEW);
}

/* Phones of a former life of the engine, at ports that were theirs. */
static void nobody_is_guessed_at_before_the_time(void **state)
{
	struct latch l = fresh(LATCH_ANY, "192.0.2.1");

	UNUSED(state);
	l.guess_from_us = 1000000;
	for (uint16_t i = 0; i < 40; i++)
		assert_int_equal(packet(&l, "203.0.113.9", 5000, i, 20 * i), LATCH_DROP);
	assert_int_equal(packet(&l, "192.0.2.1", 4000, 1, 900), LATCH_NEW);

	l = fresh(LATCH_ANY, "192.0.2.1");
	l.guess_from_us = 1000000;
	for (uint16_t i = 0; i < LATCH_PROOF; i++)
		assert_int_equal(packet(&l, "203.0.113.9", 5000, i, 1000 + 20 * i), LATCH_DROP);
	assert_int_equal(packet(&l, "203.0.113.9", 5000, LATCH_PROOF, 1100), LATCH_NEW);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_signalled_source_is_believed_at_once_and_then_nobody_else),
		cmocka_unit_test(nothing_is_believed_before_the_peer_is_known),
		cmocka_unit_test(a_guess_needs_the_policy_and_five_dropped_packets_in_sequence),
		cmocka_unit_test(a_guess_out_of_sequence_proves_nothing),
		cmocka_unit_test(the_true_source_takes_over_from_a_guess_within_the_window_only),
		cmocka_unit_test(a_new_signalled_address_opens_the_latch_and_the_same_does_not),
		cmocka_unit_test(what_was_learnt_before_there_was_a_key_is_forgotten),
		cmocka_unit_test(nobody_is_guessed_at_before_the_time),
	};

	return cmocka_run_group_tests_name("latch", tests, NULL, NULL);
}
