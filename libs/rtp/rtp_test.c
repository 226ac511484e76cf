#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/err.h"
#include "rtp/rtcp.h"
#include "rtp/rtp_event.h"
#include "rtp/rtp_stats.h"

static void a_header_written_is_read_back(void **state)
{
	struct rtp_packet in = { .pt = 8, .marker = true, .seq = 0xfffe, .ts = 0xdeadbeef, .ssrc = 0x12345678 }, out;
	uint8_t buf[RTP_HEADER + 160] = { 0 };

	(void)state;
	assert_int_equal(rtp_write(buf, &in), 12);
	assert_true(rtp_parse(&out, buf, sizeof(buf)));
	assert_int_equal(out.pt, 8);
	assert_true(out.marker);
	assert_int_equal(out.seq, 0xfffe);
	assert_int_equal(out.ts, 0xdeadbeef);
	assert_int_equal(out.ssrc, 0x12345678);
	assert_int_equal(out.size, 160);
	assert_ptr_equal(out.payload, buf + 12);
}

struct header {
	const char *what;
	uint8_t bytes[24];
	size_t size;
	bool ok;
	size_t payload;
};
static const struct header headers[] = {
	{ "shorter than a header", { 0x80, 8 }, 11, false, 0 },
	{ "empty payload", { 0x80, 8 }, 12, true, 0 },
	{ "version 1", { 0x40, 8 }, 14, false, 0 },
	{ "one contributing source", { 0x81, 8 }, 18, true, 2 },
	{ "contributing sources beyond the end", { 0x83, 8 }, 20, false, 0 },
	{ "extension of one word", { 0x90, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 }, 24, true, 4 },
	{ "extension beyond the end", { 0x90, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3 }, 24, false, 0 },
	{ "extension header beyond the end", { 0x90, 8 }, 14, false, 0 },
	{ "padding of two", { 0xa0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2 }, 16, true, 2 },
	{ "padding of nothing", { 0xa0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0 }, 16, false, 0 },
	{ "padding beyond the payload", { 0xa0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 5 }, 16, false, 0 },
	{ "RTCP sender report on the RTP port", { 0x80, 200 }, 16, false, 0 },
};

static void each_malformed_header_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
		struct rtp_packet p;

		print_message("  %s\n", headers[i].what);
		assert_int_equal(rtp_parse(&p, headers[i].bytes, headers[i].size), headers[i].ok);
		if (headers[i].ok)
			assert_int_equal(p.size, headers[i].payload);
	}
}

static bool feed(struct rtp_stats *s, uint16_t seq, uint32_t ts, int64_t us)
{
	struct rtp_packet p = { .seq = seq, .ts = ts, .ssrc = 7, .size = 160 };

	return rtp_stats_packet(s, &p, us);
}

static void loss_is_counted_across_the_wrap_of_the_sequence(void **state)
{
	struct rtp_stats s = { 0 };

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		if (i % 10 != 9)
			assert_true(feed(&s, (uint16_t)(65000 + i), i * 160, (int64_t)i * 20000));
	assert_int_equal(s.packets, 900);
	assert_int_equal(rtp_stats_lost(&s), 99); /* the last lost one was not missed yet */
	assert_int_equal(rtp_stats_extended_seq(&s), 65000 + 998);
	assert_in_range(rtp_stats_fraction(&s), 24, 27);
	assert_int_equal(rtp_stats_fraction(&s), 0);
}

static void duplicates_and_reordering_are_no_loss(void **state)
{
	static const uint16_t order[] = { 1, 3, 2, 2, 5, 4, 6 };
	struct rtp_stats s = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		assert_true(feed(&s, order[i], order[i] * 160u, order[i] * 20000));
	assert_int_equal(rtp_stats_lost(&s), 0);
}

static void jitter_follows_the_deviation(void **state)
{
	struct rtp_stats even = { 0 }, uneven = { 0 };

	(void)state;
	for (unsigned i = 0; i < 500; i++) {
		assert_true(feed(&even, (uint16_t)i, i * 160, (int64_t)i * 20000));
		assert_true(feed(&uneven, (uint16_t)i, i * 160, (int64_t)i * 20000 + (i & 1) * 10000));
	}
	assert_int_equal(rtp_stats_jitter_us(&even), 0);
	assert_in_range(rtp_stats_jitter_us(&uneven), 9000, 10100); /* |D| is 10 ms for every packet */
}

static void a_restart_of_the_sender_is_believed_at_the_second_packet(void **state)
{
	struct rtp_stats s = { 0 };

	(void)state;
	assert_true(feed(&s, 100, 0, 0));
	assert_false(feed(&s, 40000, 0, 20000));
	assert_true(feed(&s, 40001, 160, 40000));
	assert_int_equal(s.sources, 2);
	assert_int_equal(rtp_stats_lost(&s), 0);
}

static void reports_are_read_back(void **state)
{
	struct rtcp_report r = { .ssrc = 1,
				 .cname = "trunkline",
				 .sender = true,
				 .ntp = rtcp_ntp(1700000000500000),
				 .rtp_ts = 5,
				 .packets = 6,
				 .octets = 7,
				 .has_block = true,
				 .bye = true,
				 .block = {
				     .ssrc = 2, .fraction_lost = 9, .lost = -3, .extended_seq = 70000, .jitter = 11 } };
	struct rtcp_info info;
	uint8_t buf[RTCP_MAX];
	size_t n = rtcp_write(buf, &r);

	(void)state;
	assert_int_equal(n % 4, 0);
	assert_true(rtcp_parse(&info, buf, n, 2));
	assert_int_equal(info.ssrc, 1);
	assert_true(info.has_sr && info.has_block && info.bye);
	assert_true(info.ntp == r.ntp);
	assert_int_equal(info.ntp >> 32, 1700000000ull + 2208988800ull);
	assert_int_equal((uint32_t)info.ntp, 0x80000000);
	assert_int_equal(info.block.lost, -3);
	assert_int_equal(info.block.extended_seq, 70000);
	assert_int_equal(info.octets, 7);
	assert_true(rtcp_parse(&info, buf, n, 3));
	assert_false(info.has_block);
	for (size_t cut = 1; cut < n; cut++) /* cut anywhere: refused unless a packet ends there */
		if (rtcp_parse(&info, buf, cut, 2))
			assert_true(cut == 52 || cut == n - 8);
	r.cname = "a name that is longer than the sixty bytes that an item of ours may hold: cut";
	r.sender = false;
	n = rtcp_write(buf, &r);
	assert_true(n <= RTCP_MAX);
	assert_true(rtcp_parse(&info, buf, n, 2));
	assert_false(info.has_sr);
}

static void the_round_trip_is_computed_from_a_block(void **state)
{
	uint64_t sent = rtcp_ntp(1700000000000000), now = rtcp_ntp(1700000000150000);
	struct rtcp_block b = { .last_sr = (uint32_t)(sent >> 16), .delay_since_sr = 65536 / 10 };

	(void)state;
	assert_in_range(rtcp_round_trip_us(&b, now), 49900, 50100);
	b.delay_since_sr = 65536; /* more than has passed */
	assert_int_equal(rtcp_round_trip_us(&b, now), 0);
}

/* ---- events: a script of packets, what must come out ---- */
struct step {
	uint32_t ts;
	char digit;
	bool end;
	uint16_t duration;
	int64_t at_ms;
};

static void run(const struct step *steps, size_t n, char *out)
{
	struct rtp_event_rx rx = { 0 };
	struct rtp_event ev;

	*out = '\0';
	for (size_t i = 0; i < n; i++) {
		uint8_t payload[RTP_EVENT_SIZE];
		struct rtp_packet p = { .ts = steps[i].ts, .ssrc = 1, .payload = payload, .size = sizeof(payload) };
		unsigned r;

		if (rtp_event_poll(&rx, steps[i].at_ms, &ev))
			out += sprintf(out, "%c%u ", ev.digit, (unsigned)ev.duration_ms);
		assert_true(rtp_event_write(payload, steps[i].digit, steps[i].end, 10, steps[i].duration));
		r = rtp_event_packet(&rx, &p, steps[i].at_ms, &ev);
		if (r & RTP_EVENT_STARTED)
			out += sprintf(out, "+");
		if (r & RTP_EVENT_ENDED)
			out += sprintf(out, "%c%u ", ev.digit, (unsigned)ev.duration_ms);
	}
	if (rtp_event_poll(&rx, 1000000, &ev))
		sprintf(out, "%c%u ", ev.digit, (unsigned)ev.duration_ms);
}

static void digits_come_once_whatever_is_lost_or_repeated(void **state)
{
	static const struct {
		const char *what, *want;
		struct step steps[8];
		size_t n;
	} cases[] = {
		{ "a normal digit with three ends",
		  "+5100 ",
		  { { 1000, '5', false, 160, 0 },
		    { 1000, '5', false, 320, 20 },
		    { 1000, '5', true, 800, 100 },
		    { 1000, '5', true, 800, 120 },
		    { 1000, '5', true, 800, 140 } },
		  5 },
		{ "only one end packet arrives", "+#100 ", { { 1000, '#', true, 800, 0 } }, 1 },
		{ "all ends lost, silence afterwards",
		  "+140 ",
		  { { 1000, '1', false, 160, 0 }, { 1000, '1', false, 320, 20 } },
		  2 },
		{ "all ends lost, next digit follows (its start comes with the end of the one before)",
		  "++140 260 ",
		  { { 1000, '1', false, 320, 0 }, { 3000, '2', false, 160, 100 }, { 3000, '2', true, 480, 120 } },
		  3 },
		{ "a late packet of the digit before",
		  "+140 +220 ",
		  { { 1000, '1', true, 320, 0 },
		    { 3000, '2', false, 160, 100 },
		    { 1000, '1', true, 320, 110 },
		    { 3000, '2', true, 160, 120 } },
		  4 },
		{ "reordered: an update after the end",
		  "+140 ",
		  { { 1000, '1', false, 160, 0 }, { 1000, '1', true, 320, 20 }, { 1000, '1', false, 240, 25 } },
		  3 },
		{ "the same digit twice",
		  "+140 +140 ",
		  { { 1000, '1', true, 320, 0 }, { 3000, '1', true, 320, 100 } },
		  2 },
		{ "timestamps wrap",
		  "+140 +240 ",
		  { { 0xfffffff0, '1', true, 320, 0 }, { 500, '2', true, 320, 100 } },
		  2 },
		{ "a digit that ends 250 ms after its last packet",
		  "+120 +220 ",
		  { { 1000, '1', false, 160, 0 }, { 5000, '2', true, 160, 260 } },
		  2 },
	};
	char got[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		print_message("  %s\n", cases[i].what);
		run(cases[i].steps, cases[i].n, got);
		assert_string_equal(got, cases[i].want);
	}
}

static void what_is_no_digit_is_ignored(void **state)
{
	uint8_t flash[4] = { 16, 0x80, 0, 160 };
	struct rtp_packet p = { .payload = flash, .size = 4 };
	struct rtp_event_rx rx = { 0 };
	struct rtp_event ev;
	uint8_t buf[4];

	(void)state;
	assert_int_equal(rtp_event_packet(&rx, &p, 0, &ev), 0);
	p.size = 3;
	flash[0] = 1;
	assert_int_equal(rtp_event_packet(&rx, &p, 0, &ev), 0);
	assert_false(rtp_event_write(buf, 'x', false, 0, 0));
	assert_false(rtp_event_write(buf, '\0', false, 0, 0));
}

static void random_bytes_do_no_harm(void **state)
{
	struct rtp_event_rx rx = { 0 };
	struct rtp_stats s = { 0 };
	struct rtp_event ev;

	(void)state;
	srand(1);
	for (int i = 0; i < 200000; i++) {
		uint8_t buf[64];
		size_t n = (size_t)rand() % sizeof(buf);
		struct rtcp_info info;
		struct rtp_packet p;

		for (size_t k = 0; k < n; k++)
			buf[k] = (uint8_t)rand();
		(void)rtcp_parse(&info, buf, n, 1);
		if (!rtp_parse(&p, buf, n))
			continue;
		assert_true(p.payload >= buf && p.payload + p.size <= buf + n);
		(void)rtp_stats_packet(&s, &p, i * 1000);
		(void)rtp_event_packet(&rx, &p, i, &ev);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_header_written_is_read_back),
		cmocka_unit_test(each_malformed_header_is_refused),
		cmocka_unit_test(loss_is_counted_across_the_wrap_of_the_sequence),
		cmocka_unit_test(duplicates_and_reordering_are_no_loss),
		cmocka_unit_test(jitter_follows_the_deviation),
		cmocka_unit_test(a_restart_of_the_sender_is_believed_at_the_second_packet),
		cmocka_unit_test(reports_are_read_back),
		cmocka_unit_test(the_round_trip_is_computed_from_a_block),
		cmocka_unit_test(digits_come_once_whatever_is_lost_or_repeated),
		cmocka_unit_test(what_is_no_digit_is_ignored),
		cmocka_unit_test(random_bytes_do_no_harm),
	};

	return cmocka_run_group_tests_name("rtp", tests, NULL, NULL);
}
