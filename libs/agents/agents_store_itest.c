/* The records in a real NATS: conflicts, order, what is told. */
#include "testkit/cmocka_all.h"

#include <string.h>

#include "agents/agents_store.h"
#include "agents/agents_wire.h"
#include "base/clock.h"
#include "base/mem.h"
#include "events/events.h"
#include "events/events_batch.h"
#include "testkit/testkit.h"

static struct testkit_nats nats;

struct side { /* one process's view */
	struct bus *bus;
	struct events *events;
	struct agents_store *store;
	unsigned done, failed;
	err_t last;
	char message[256];
	struct agent_record record;
	uint64_t revision;
};

static struct loop *loop;

static bool is_synced(void *arg)
{
	return agents_synced(((struct side *)arg)->store);
}

static void side_start(struct side *s, const char *instance)
{
	struct bus_params bp = { .loop = loop, .url = nats.url, .name = instance };
	struct err_detail d = { "", "" };

	memset(s, 0, sizeof(*s));
	assert_int_equal(bus_new(&s->bus, &bp, &d), ERR_OK);
	if (events_ensure_stream(s->bus, &d))
		fail_msg("%s: %s", d.field, d.message);
	assert_int_equal(events_new(&s->events, s->bus, "centre", instance), ERR_OK);
	assert_int_equal(agents_store_new(&s->store,
					  &(struct agents_store_params){
					      .bus = s->bus, .events = s->events, .instance = instance },
					  &d),
			 ERR_OK);
	assert_true(testkit_wait_loop(loop, is_synced, s, 20000));
}

static void side_stop(struct side *s)
{
	agents_store_free(&s->store);
	events_free(&s->events);
	bus_free(&s->bus);
}

static void on_done(err_t e, const struct agent_record *record, uint64_t revision, const struct err_detail *detail,
		    void *arg)
{
	struct side *s = arg;

	s->done++;
	s->failed += e != ERR_OK;
	s->last = e;
	if (detail)
		memcpy(s->message, detail->message, sizeof(s->message));
	if (record)
		s->record = *record;
	s->revision = revision;
}

struct until {
	struct side *side;
	unsigned done;
};

static bool reached(void *arg)
{
	struct until *u = arg;

	return u->side->done >= u->done;
}

static void apply(struct side *s, const char *agent, struct agent_event ev)
{
	assert_int_equal(agents_apply(s->store, "acme", agent, &ev, on_done, s), ERR_OK);
}

static void wait_done(struct side *s, unsigned n)
{
	assert_true(testkit_wait_loop(loop, reached, &(struct until){ s, n }, 20000));
}

static void events_at_one_agent_are_applied_in_order_and_refusals_say_why(void **arg)
{
	struct side a;

	UNUSED(arg);
	side_start(&a, "desk-1");
	apply(&a, "1001", (struct agent_event){ .kind = AGENT_EV_SIGN_IN, .site = "centre" });
	apply(&a, "1001", (struct agent_event){ .kind = AGENT_EV_READY });
	apply(&a, "1001",
	      (struct agent_event){ .kind = AGENT_EV_RESERVE, .call_id = "c1", .queue_id = "sales", .leg_id = "l1" });
	apply(&a, "1001", (struct agent_event){ .kind = AGENT_EV_ANSWERED, .call_id = "c1" });
	assert_int_equal(a.done, 0); /* never before the call returns */
	wait_done(&a, 4);
	assert_int_equal(a.failed, 0);
	assert_int_equal(a.record.state, AGENT_ON_CALL);
	assert_int_equal(a.record.seq, 4);
	assert_string_equal(a.record.writer, "desk-1");
	apply(&a, "1001", (struct agent_event){ .kind = AGENT_EV_SIGN_IN, .site = "centre" });
	wait_done(&a, 5);
	assert_int_equal(a.last, ERR_PRECONDITION);
	assert_non_null(strstr(a.message, "sign out first"));
	side_stop(&a);
}

static void two_writers_at_once_both_get_through_and_one_reservation_wins(void **arg)
{
	struct side a, b;
	struct agent_event ready = { .kind = AGENT_EV_READY }, busy = { .kind = AGENT_EV_BUSY, .reason = "break" };
	struct agent_event reserve = { .kind = AGENT_EV_RESERVE, .call_id = "ca", .queue_id = "q", .leg_id = "l" };
	uint64_t revision;

	UNUSED(arg);
	side_start(&a, "desk-1");
	side_start(&b, "router-1");
	apply(&a, "1002", (struct agent_event){ .kind = AGENT_EV_SIGN_IN, .site = "centre" });
	wait_done(&a, 1);
	for (int i = 0; i < 20; i++) { /* from both sides without waiting: conflicts are read again and retried */
		apply(&a, "1002", busy);
		apply(&b, "1002", busy);
	}
	wait_done(&a, 21);
	wait_done(&b, 20);
	assert_int_equal(a.failed + b.failed, 0);
	assert_int_equal(a.record.seq > b.record.seq ? a.record.seq : b.record.seq, 41);
	apply(&a, "1002", ready);
	wait_done(&a, 22);
	revision = a.revision;
	while (agents_find(b.store, "acme", "1002", NULL)->state != AGENT_READY)
		loop_turn(loop, 10);
	a.failed = b.failed = 0;
	assert_int_equal(agents_apply_at(a.store, "acme", "1002", &reserve, revision, on_done, &a), ERR_OK);
	reserve.call_id = "cb";
	assert_int_equal(agents_apply_at(b.store, "acme", "1002", &reserve, revision, on_done, &b), ERR_OK);
	wait_done(&a, 23);
	wait_done(&b, 21);
	assert_int_equal(a.failed + b.failed, 1);
	assert_int_equal(a.failed ? a.last : b.last, ERR_ABORTED);
	side_stop(&a);
	side_stop(&b);
}

struct heard {
	unsigned n, wrong;
	uint64_t next_seq;
	bool any_order; /* what is told late comes behind */
	bool seen[16];
};

static void hear(struct heard *h, const void *bytes, size_t size)
{
	Trunkline__Event__V1__Event *ev = trunkline__event__v1__event__unpack(NULL, size, bytes);

	if (ev && strcmp(ev->agent_id, "1003") != 0) {
		trunkline__event__v1__event__free_unpacked(ev, NULL);
		return;
	}
	if (ev && h->any_order) {
		if (ev->seq >= h->next_seq && ev->seq < ARRAY_SIZE(h->seen) && !h->seen[ev->seq]) {
			h->seen[ev->seq] = true;
			h->n++;
		}
		trunkline__event__v1__event__free_unpacked(ev, NULL);
		return;
	}
	if (!ev || ev->seq > h->next_seq || ev->body_case != TRUNKLINE__EVENT__V1__EVENT__BODY_AGENT_STATE_CHANGED)
		h->wrong++;
	if (ev && ev->seq == h->next_seq) { /* one that was published again has the id of the first */
		h->next_seq++;
		h->n++;
	}
	if (ev)
		trunkline__event__v1__event__free_unpacked(ev, NULL);
}

static void on_event(const struct bus_msg *msg, void *arg)
{
	struct events_slice s;
	size_t at = 0;
	bool bad;

	if (!events_is_batch(msg->subject)) {
		hear(arg, msg->data, msg->size);
		return;
	}
	while (events_batch_next(&s, msg->data, msg->size, &at, &bad))
		hear(arg, s.data, s.size);
}

static bool heard_five(void *arg)
{
	return ((struct heard *)arg)->n >= 5;
}

static void each_transition_is_told_once_in_order_also_when_published_again(void **arg)
{
	struct heard h = { .next_seq = 1 };
	struct bus_consumer_params cp = {
		.stream = EVENTS_STREAM, .durable = "test", .filter = "ev.acme.agent.>", .fn = on_event, .arg = &h
	};
	struct bus_consumer *consumer;
	struct err_detail d;
	struct side a;

	UNUSED(arg);
	side_start(&a, "desk-1");
	apply(&a, "1003", (struct agent_event){ .kind = AGENT_EV_SIGN_IN, .site = "centre" });
	apply(&a, "1003", (struct agent_event){ .kind = AGENT_EV_READY });
	wait_done(&a, 2);
	assert_int_equal(agents_republish(a.store, agents_find(a.store, "acme", "1003", NULL), NULL, 0), 1);
	apply(&a, "1003", (struct agent_event){ .kind = AGENT_EV_BUSY, .reason = "meal" });
	apply(&a, "1003", (struct agent_event){ .kind = AGENT_EV_READY });
	apply(&a, "1003", (struct agent_event){ .kind = AGENT_EV_SIGN_OUT });
	assert_int_equal(bus_consume(&consumer, a.bus, &cp, &d), ERR_OK);
	assert_true(testkit_wait_loop(loop, heard_five, &h, 20000));
	for (int64_t end = clock_mono_ms() + 300; clock_mono_ms() < end;)
		loop_turn(loop, 50);
	assert_int_equal(h.n, 5);
	assert_int_equal(h.wrong, 0);
	bus_consumer_free(&consumer);
	side_stop(&a);
}

static bool heard_three(void *arg)
{
	return ((struct heard *)arg)->n >= 3;
}

/* desk-1 dies between its write and the telling (it has no events to tell with); router-1 writes over it at once. */
static void what_a_dead_writer_did_not_tell_is_told_though_another_has_written_since(void **arg)
{
	struct heard h = { .next_seq = 6 };
	struct bus_consumer_params cp = {
		.stream = EVENTS_STREAM, .durable = "test2", .filter = "ev.acme.agent.>", .fn = on_event, .arg = &h
	};
	const struct agent_record *rec;
	struct bus_consumer *consumer;
	struct events *mute;
	struct err_detail d;
	struct side dead, other;

	UNUSED(arg);
	side_start(&dead, "desk-1");
	mute = dead.events;
	dead.events = NULL;
	agents_store_free(&dead.store);
	assert_int_equal(agents_store_new(&dead.store,
					  &(struct agents_store_params){ .bus = dead.bus, .instance = "desk-1" }, &d),
			 ERR_OK);
	assert_true(testkit_wait_loop(loop, is_synced, &dead, 20000));
	apply(&dead, "1003", (struct agent_event){ .kind = AGENT_EV_SIGN_IN, .site = "centre" });
	wait_done(&dead, 1);
	side_start(&other, "router-1");
	apply(&other, "1003", (struct agent_event){ .kind = AGENT_EV_READY });
	wait_done(&other, 1);
	rec = agents_find(other.store, "acme", "1003", NULL);
	assert_int_equal(agents_republish(other.store, rec, "nobody", 0), 0);
	assert_int_equal(agents_republish(other.store, rec, "desk-1", rec->last.at_ms + 1), 0); /* too long ago */
	assert_int_equal(agents_republish(other.store, rec, "desk-1", 0), 1);
	assert_int_equal(agents_republish(other.store, rec, NULL, 0), 2);
	apply(&other, "1003", (struct agent_event){ .kind = AGENT_EV_SIGN_OUT });
	assert_int_equal(bus_consume(&consumer, other.bus, &cp, &d), ERR_OK);
	h.any_order = true;
	assert_true(testkit_wait_loop(loop, heard_three, &h, 20000));
	bus_consumer_free(&consumer);
	side_stop(&other);
	events_free(&mute);
	side_stop(&dead);
}

static bool no_agents(void *arg)
{
	return agents_count(((struct side *)arg)->store) == 0;
}

/* As call-control: the router's reservation is given to it, and who is free again is nobody it has to know. */
static void a_store_that_does_not_watch_works_from_what_it_is_given_or_reads(void **arg)
{
	struct agent_event answered = { .kind = AGENT_EV_ANSWERED, .call_id = "c5" };
	struct agent_event ended = { .kind = AGENT_EV_CALL_ENDED, .call_id = "c5" };
	struct bus_params bp = { .loop = loop, .url = nats.url, .name = "cc" };
	struct side a, cc = { 0 };
	struct err_detail d;
	void *bytes = NULL;
	size_t size = 0;

	UNUSED(arg);
	side_start(&a, "desk-1");
	apply(&a, "1005", (struct agent_event){ .kind = AGENT_EV_SIGN_IN, .site = "centre" });
	apply(&a, "1005", (struct agent_event){ .kind = AGENT_EV_READY });
	apply(&a, "1005",
	      (struct agent_event){
		  .kind = AGENT_EV_RESERVE, .call_id = "c5", .leg_id = "l5", .queue_id = "q", .reserved_until_ms = 1 });
	wait_done(&a, 3);
	assert_int_equal(a.failed, 0);
	assert_int_equal(bus_new(&cc.bus, &bp, &d), ERR_OK);
	assert_int_equal(
	    agents_store_new(&cc.store,
			     &(struct agents_store_params){ .bus = cc.bus, .instance = "cc-1", .no_watch = true }, &d),
	    ERR_OK);
	assert_true(agents_synced(cc.store));
	assert_int_equal(agent_record_to_pb(&a.record, &bytes, &size), ERR_OK);
	assert_int_equal(agents_seed(cc.store, bytes, size, a.revision), ERR_OK);
	assert_int_equal(agents_seed(cc.store, bytes, size - 1, a.revision), ERR_INVALID);
	mem_free(bytes);
	apply(&cc, "1005", answered);
	apply(&cc, "1005", answered); /* an adopter asserts it again */
	wait_done(&cc, 2);
	assert_int_equal(cc.failed, 0);
	assert_int_equal(cc.record.state, AGENT_ON_CALL);
	agents_forget(cc.store, "acme", "1005", "another call");
	assert_int_equal(agents_count(cc.store), 1);
	agents_forget(cc.store, "acme", "1005", "c5");
	assert_int_equal(agents_count(cc.store), 0);
	apply(&cc, "1005", ended); /* it knows nothing of the agent: reads */
	wait_done(&cc, 3);
	assert_int_equal(cc.failed, 0);
	assert_int_equal(cc.record.state, AGENT_READY);
	assert_true(testkit_wait_loop(loop, no_agents, &cc, 20000));
	side_stop(&cc);
	side_stop(&a);
}

static void a_store_of_one_tenant_sees_no_other(void **arg)
{
	struct side a;
	struct bus_params bp = { .loop = loop, .url = nats.url, .name = "x" };
	struct side other = { 0 };
	struct err_detail d;

	UNUSED(arg);
	side_start(&a, "desk-1");
	apply(&a, "1004", (struct agent_event){ .kind = AGENT_EV_SIGN_IN, .site = "centre" });
	wait_done(&a, 1);
	assert_int_equal(bus_new(&other.bus, &bp, &d), ERR_OK);
	assert_int_equal(agents_store_new(&other.store,
					  &(struct agents_store_params){
					      .bus = other.bus, .instance = "x", .tenant = "globex" },
					  &d),
			 ERR_OK);
	assert_true(testkit_wait_loop(loop, is_synced, &other, 20000));
	assert_int_equal(agents_count(other.store), 0);
	assert_true(agents_count(a.store) > 0);
	side_stop(&other);
	side_stop(&a);
}

static int start(void **arg)
{
	UNUSED(arg);
	testkit_nats_start(&nats, true);
	return loop_new(&loop) ? -1 : 0;
}

static int stop(void **arg)
{
	UNUSED(arg);
	loop_free(&loop);
	testkit_nats_stop(&nats);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_at_one_agent_are_applied_in_order_and_refusals_say_why),
		cmocka_unit_test(two_writers_at_once_both_get_through_and_one_reservation_wins),
		cmocka_unit_test(each_transition_is_told_once_in_order_also_when_published_again),
		cmocka_unit_test(what_a_dead_writer_did_not_tell_is_told_though_another_has_written_since),
		cmocka_unit_test(a_store_that_does_not_watch_works_from_what_it_is_given_or_reads),
		cmocka_unit_test(a_store_of_one_tenant_sees_no_other),
	};

	return cmocka_run_group_tests_name("agents store", tests, start, stop);
}
