/* Overload with two tenants behind one gateway: who is refused, and who is not (GT-3.1.2d). No call-control answers, so every offer is late. */
#include "itest_peer.h"

#define FLOOD 60

/* How many of so many calls of acme's are refused; the others hear that they are let in. */
static int flood(struct peer *p, int n)
{
	int refused = 0, let_in = 0;

	for (int i = 0; i < n; i++) {
		struct call c = call_new(p, "+862011110000", "13800138000", "carrier.example");

		invite(&c, "", SDP_A);
	}
	while (refused + let_in < n) {
		peer_expect(p, "SIP/2.0 ");
		refused += strncmp(p->rx, "SIP/2.0 503", 11) == 0;
		let_in += strncmp(p->rx, "SIP/2.0 100", 11) == 0;
	}
	return refused;
}

static bool offered_of(const char *tenant)
{
	const event_t *ev;

	while ((ev = cc_event_in("offer", EV(OFFER), WAIT_MS)))
		if (strcmp(ev->tenant, tenant) == 0)
			return true;
	return false;
}

static bool is_limited(void *arg)
{
	(void)arg;
	return metric_value("trunkline_edge_admitted_cps") > 0;
}

static bool told_over_share(void *arg)
{
	(void)arg;
	return metric_value("trunkline_edge_over_share_total") > 0;
}

static void a_flood_of_one_tenant_is_refused_and_its_neighbour_is_not_GT_3_1_2d(void **state)
{
	struct peer a, b;
	struct call c;

	(void)state;
	peer_open(&a);
	peer_open(&b);
	(void)flood(&a, 5); /* nobody takes them: the edge finds that it is overloaded */
	assert_true(testkit_wait(is_limited, NULL, WAIT_MS));
	assert_in_range(flood(&a, FLOOD), FLOOD / 2, FLOOD - 1);
	for (int i = 0; i < 3; i++) {
		c = call_new(&b, "+862022220000", "13800138001", "carrier.example");
		invite(&c, "", SDP_A);
		assert_true(offered_of("globex"));
		assert_in_range(flood(&a, FLOOD), FLOOD / 2, FLOOD);
	}
	assert_true(testkit_wait(told_over_share, NULL, WAIT_MS));
	peer_close(&a);
	peer_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_flood_of_one_tenant_is_refused_and_its_neighbour_is_not_GT_3_1_2d, forget),
	};

	late_ms = 50;
	offer_timeout_ms = reoffer_ms = 30000; /* nobody takes them: what is refused was not let in */
	globex_by_address = true;
	return cmocka_run_group_tests(tests, world_start, world_stop);
}
