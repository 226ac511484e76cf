/* The reader of events says and yields what pbcheck and protobuf-c would, on every message, whole or broken. */
#include "event_wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/id.h"
#include "base/mem.h"
#include "base/str.h"
#include "pbcheck/pbcheck.h"
#include "trunkline/event/v1/event.pb-c.h"

typedef Trunkline__Event__V1__Event Event;

static uint64_t rng_state = 88172645463325252u;

static uint64_t rnd(uint64_t n)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return rng_state % n;
}

/* ---- the same by protobuf-c -------------------------------------------------------------------------------------------- */

static struct kpi_text text(const char *s)
{
	return (struct kpi_text){ s, strlen(s) };
}

static void ended(struct kpi_event *ev, const Trunkline__Event__V1__CallEnded *b)
{
	ev->kind = KPI_ENDED;
	ev->cause = text(b->cause);
	ev->disposition = text(b->disposition);
	ev->recording_id = text(b->recording_id);
	ev->offered_ms = b->offered_ms;
	ev->answered_ms = b->answered_ms;
	ev->agent_answered_ms = b->agent_answered_ms;
	ev->ended_ms = b->ended_ms;
	ev->wait_ms = b->wait_ms;
	ev->talk_ms = b->talk_ms;
	ev->hold_ms = b->hold_ms;
}

static void body(struct kpi_event *ev, const Event *m)
{
	switch (m->body_case) {
	case TRUNKLINE__EVENT__V1__EVENT__BODY_CALL_OFFERED:
		ev->kind = KPI_OFFERED;
		ev->caller = text(m->call_offered->caller);
		ev->called = text(m->call_offered->called);
		ev->trunk_id = text(m->call_offered->trunk_id);
		break;
	case TRUNKLINE__EVENT__V1__EVENT__BODY_CALL_ANSWERED:
		ev->kind = KPI_CALL_ANSWERED;
		break;
	case TRUNKLINE__EVENT__V1__EVENT__BODY_DIGITS_COLLECTED:
		ev->kind = KPI_DIGITS;
		ev->digits = text(m->digits_collected->digits);
		break;
	case TRUNKLINE__EVENT__V1__EVENT__BODY_ENQUEUED:
		ev->kind = KPI_ENQUEUED;
		ev->arrival_ms = m->enqueued->arrival_ms;
		ev->service_level_ms = m->enqueued->service_level_ms;
		break;
	case TRUNKLINE__EVENT__V1__EVENT__BODY_RESERVED:
		ev->kind = KPI_RESERVED;
		break;
	case TRUNKLINE__EVENT__V1__EVENT__BODY_AGENT_NO_ANSWER:
		ev->kind = KPI_NO_ANSWER;
		ev->cause = text(m->agent_no_answer->cause);
		break;
	case TRUNKLINE__EVENT__V1__EVENT__BODY_AGENT_ANSWERED:
		ev->kind = KPI_AGENT_ANSWERED;
		ev->waited_ms = m->agent_answered->waited_ms;
		ev->service_level_ms = m->agent_answered->service_level_ms;
		break;
	case TRUNKLINE__EVENT__V1__EVENT__BODY_DEQUEUED:
		ev->kind = KPI_DEQUEUED;
		ev->cause = text(m->dequeued->cause);
		ev->waited_ms = m->dequeued->waited_ms;
		ev->service_level_ms = m->dequeued->service_level_ms;
		break;
	case TRUNKLINE__EVENT__V1__EVENT__BODY_CALL_ENDED:
		ended(ev, m->call_ended);
		break;
	case TRUNKLINE__EVENT__V1__EVENT__BODY_AGENT_STATE_CHANGED:
		ev->kind = KPI_AGENT_STATE;
		ev->state = (enum kpi_state)m->agent_state_changed->from;
		ev->duration_ms = m->agent_state_changed->duration_ms;
		break;
	default:
		ev->kind = KPI_OTHER;
		break;
	}
}

static bool countable(const Event *m)
{
	bool agent = m->body_case == TRUNKLINE__EVENT__V1__EVENT__BODY_AGENT_STATE_CHANGED;

	return str_is_id(m->tenant) && m->seq && m->seq <= INT64_MAX &&
	       (agent ? str_is_id(m->agent_id) : id_valid(m->call_id)) && (!*m->agent_id || str_is_id(m->agent_id)) &&
	       (!*m->queue_id || str_is_id(m->queue_id)) && m->time_ms > 0;
}

static bool times_small(const struct kpi_event *ev)
{
	const int64_t ms[] = { ev->time_ms,	ev->waited_ms,	ev->service_level_ms, ev->arrival_ms,
			       ev->duration_ms, ev->offered_ms, ev->answered_ms,      ev->agent_answered_ms,
			       ev->ended_ms,	ev->wait_ms,	ev->talk_ms,	      ev->hold_ms };

	for (size_t i = 0; i < ARRAY_SIZE(ms); i++)
		if (ms[i] > EVENT_MS_MAX || ms[i] < -EVENT_MS_MAX)
			return false;
	return true;
}

/* Texts are the message's, which the caller frees. */
static err_t by_protobuf_c(struct kpi_event *ev, Event **msg, const void *data, size_t size)
{
	struct err_detail d;
	err_t e = pbcheck_unpack((ProtobufCMessage **)msg, &trunkline__event__v1__event__descriptor, data, size, &d);

	if (e)
		return e;
	if (!countable(*msg))
		return ERR_INVALID;
	*ev = (struct kpi_event){ .seq = (*msg)->seq,
				  .time_ms = (*msg)->time_ms,
				  .tenant = text((*msg)->tenant),
				  .call_id = text((*msg)->call_id),
				  .agent_id = text((*msg)->agent_id),
				  .queue_id = text((*msg)->queue_id) };
	body(ev, *msg);
	return times_small(ev) ? ERR_OK : ERR_INVALID;
}

static void assert_text(struct kpi_text a, struct kpi_text b)
{
	assert_int_equal(a.size, b.size);
	assert_memory_equal(a.at ? a.at : "", b.at ? b.at : "", a.size);
}

static void assert_same(const struct kpi_event *a, const struct kpi_event *b)
{
	struct kpi_event x = *a, y = *b;
	struct kpi_text *const ta[] = { &x.queue_id,	 &x.agent_id, &x.tenant, &x.call_id,  &x.cause, &x.disposition,
					&x.recording_id, &x.caller,   &x.called, &x.trunk_id, &x.digits };
	struct kpi_text *const tb[] = { &y.queue_id,	 &y.agent_id, &y.tenant, &y.call_id,  &y.cause, &y.disposition,
					&y.recording_id, &y.caller,   &y.called, &y.trunk_id, &y.digits };

	for (size_t i = 0; i < ARRAY_SIZE(ta); i++) {
		assert_text(*ta[i], *tb[i]);
		*ta[i] = *tb[i] = (struct kpi_text){ NULL, 0 };
	}
	assert_memory_equal(&x, &y, sizeof(x)); /* there is no padding between the numbers */
}

/* true: a countable event. */
static bool compare(const uint8_t *data, size_t size)
{
	struct kpi_event fast = { 0 }, slow = { 0 };
	struct err_detail d = { "", "" };
	Event *msg = NULL;
	err_t e = by_protobuf_c(&slow, &msg, data, size), f = event_from_pb(&fast, data, size, &d);

	if (e != f)
		fail_msg("protobuf-c: %s, ours: %s %s %s", err_name(e), err_name(f), d.field, d.message);
	if (!e)
		assert_same(&fast, &slow);
	if (msg)
		protobuf_c_message_free_unpacked(&msg->base, NULL);
	return !e;
}

/* ---- messages ---------------------------------------------------------------------------------------------------------- */

/* Any message of the type, from random members: whatever the schema has, this makes. */
struct out {
	uint8_t bytes[4096];
	size_t n;
};

static void put(struct out *o, const void *p, size_t n)
{
	if (o->n + n <= sizeof(o->bytes)) {
		memcpy(o->bytes + o->n, p, n);
		o->n += n;
	}
}

static void put_varint(struct out *o, uint64_t v)
{
	do
		put(o, &(uint8_t){ (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0)) }, 1);
	while (v >>= 7);
}

static uint64_t some_number(void)
{
	static const uint64_t odd[] = { 0,
					1,
					5,
					127,
					128,
					UINT32_MAX,
					UINT64_C(1) << 32,
					INT64_MAX,
					UINT64_MAX,
					(uint64_t)INT64_MAX + 1,
					UINT64_C(1700000000000) };

	return rnd(4) ? rnd(1000000) : odd[rnd(ARRAY_SIZE(odd))];
}

static const char *some_text(void)
{
	static const char *const list[] = { "",
					    "acme",
					    "1001",
					    "sales",
					    "0192f3a1b2c37d4e8f50000000000001",
					    "A",
					    "-a",
					    "a-",
					    "0192F3a1b2c37d4e8f50000000000001",
					    "\xc3\xa9t\xc3\xa9",
					    "\xff",
					    "\xc0\x80",
					    "abandoned",
					    "answered",
					    "caller-hung-up and more",
					    "0123456789012345678901234567890123456789012345678901234567890123",
					    "012345678901234567890123456789012345678901234567890123456789012" };

	return list[rnd(rnd(3) ? 5 : ARRAY_SIZE(list))];
}

static void random_message(struct out *o, const ProtobufCMessageDescriptor *d, unsigned depth);

static void random_field(struct out *o, const ProtobufCFieldDescriptor *f, unsigned depth)
{
	struct out inner = { .n = 0 };
	const char *words = some_text();

	if (f->type == PROTOBUF_C_TYPE_MESSAGE && depth < 3)
		random_message(&inner, f->descriptor, depth + 1);
	else if (f->type == PROTOBUF_C_TYPE_STRING)
		put(&inner, words, strlen(words));
	put_varint(o, (uint64_t)f->id << 3 |
			  (f->type == PROTOBUF_C_TYPE_MESSAGE || f->type == PROTOBUF_C_TYPE_STRING ? 2 : 0));
	if (f->type != PROTOBUF_C_TYPE_MESSAGE && f->type != PROTOBUF_C_TYPE_STRING) {
		put_varint(o, some_number());
		return;
	}
	put_varint(o, inner.n);
	put(o, inner.bytes, inner.n);
}

static void random_message(struct out *o, const ProtobufCMessageDescriptor *d, unsigned depth)
{
	for (uint64_t n = d->n_fields ? rnd(d->n_fields * 2) : 0; n > 0; n--)
		random_field(o, &d->fields[rnd(d->n_fields)], depth);
}

static void put_text(struct out *o, unsigned id, const char *s)
{
	put_varint(o, id << 3 | 2);
	put_varint(o, strlen(s));
	put(o, s, strlen(s));
}

/* One that can be counted, and what random members add to it. */
static void random_event(struct out *o)
{
	o->n = 0;
	put_text(o, 2, "acme");
	put_varint(o, 4 << 3);
	put_varint(o, 1700000000000);
	put_varint(o, 5 << 3);
	put_varint(o, 1 + rnd(200));
	put_text(o, 7, "0192f3a1b2c37d4e8f50000000000001");
	put_text(o, 9, "1001");
	if (rnd(4))
		random_field(o,
			     &trunkline__event__v1__event__descriptor
				  .fields[rnd(trunkline__event__v1__event__descriptor.n_fields)],
			     0);
	if (rnd(3) == 0)
		random_message(o, &trunkline__event__v1__event__descriptor, 0);
}

static void random_events_read_as_with_protobuf_c(void **state)
{
	struct out o;
	size_t good = 0;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		random_event(&o);
		good += compare(o.bytes, o.n);
	}
	assert_true(good > 50000 && good < 195000);
}

/* Bits turned, bytes cut out, the end cut off. */
static void broken_events_are_refused_as_with_protobuf_c(void **state)
{
	struct out o;
	size_t good = 0;

	(void)state;
	for (int i = 0; i < 300000; i++) {
		random_event(&o);
		for (uint64_t k = rnd(4); k > 0; k--)
			o.bytes[rnd(o.n)] ^= (uint8_t)(1u << rnd(8));
		if (rnd(4) == 0)
			o.n = rnd(o.n);
		good += compare(o.bytes, o.n);
	}
	assert_true(good > 10000);
}

static void each_kind_of_odd_encoding_is_read_as_with_protobuf_c(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
	} rows[] = {
		{ "\x0a\x80\x80\x80\x80\x80\x00", 7 }, /* a length in six bytes */
		{ "\x0a\x81\x80\x80\x80\x00x", 7 },    /* … in five */
		{ "\x8a\x80\x80\x80\x80\x00\x00", 7 }, /* a tag in six bytes */
		{ "\x8a\x80\x80\x80\x00\x00", 6 },     /* … in five */
		{ "\x8a\x80\x80\x80\x10\x00", 6 },     /* … of a number too high */
		{ "\x8a\x80\x80\x80\x0f\x00", 6 },     /* … of the highest */
		{ "\x20\x80\x80\x80\x80\x80\x80\x80\x80\x80\x7f",
		  11 }, /* a number of ten bytes and more than 64 bits */
		{ "\x20\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 12 },
		{ "\x21\x01\x02\x03\x04\x05\x06\x07\x08", 9 }, /* a number as eight bytes */
		{ "\x25\x01\x02\x03\x04", 5 },		       /* … as four */
		{ "\x7d\x01\x02\x03\x04", 5 },		       /* what nobody knows, as four bytes */
		{ "\x79\x01\x02\x03\x04\x05\x06\x07\x08", 9 }, /* … as eight */
		{ "\x7a\x01\xff", 3 },			       /* … as bytes */
		{ "\x7b\x7c", 2 },			       /* a group */
		{ "\x00\x00", 2 },			       /* number 0 */
		{ "\xaa\x01\x00\xaa\x01\x00", 6 },	       /* a body twice */
		{ "\xaa\x01\x00\xb2\x01\x02\x0a\x00", 8 },     /* one body, then another */
		{ "\x92\x03\x04\x08\x02\x18\x05\x92\x03\x00",
		  10 }, /* a full body, then an empty one of the same kind */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct out o;

		compare((const uint8_t *)rows[i].bytes, rows[i].size);
		random_event(&o);
		put(&o, rows[i].bytes, rows[i].size);
		compare(o.bytes, o.n);
	}
}

/* A member more than pbcheck allows. */
static void an_event_of_endless_members_is_refused(void **state)
{
	size_t n = 2 * (PBCHECK_FIELDS_MAX + 1);
	uint8_t *bytes = mem_alloc(n);

	(void)state;
	assert_non_null(bytes);
	for (size_t i = 0; i < n; i += 2)
		memcpy(bytes + i, "\x28\x01", 2);
	compare(bytes, n);
	compare(bytes, n - 2);
	mem_free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_events_read_as_with_protobuf_c),
		cmocka_unit_test(broken_events_are_refused_as_with_protobuf_c),
		cmocka_unit_test(each_kind_of_odd_encoding_is_read_as_with_protobuf_c),
		cmocka_unit_test(an_event_of_endless_members_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
