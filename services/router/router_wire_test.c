/* Requests in, events out. */
#include "testkit/cmocka_all.h"

#include <string.h>

#include "router_wire.h"
#include "trunkline/media/v1/media.pb-c.h"
#include "trunkline/router/v1/router.pb-c.h"

#define PB(x) Trunkline__Router__V1__##x

struct made {
	uint8_t bytes[8192];
	size_t size;
	PB(RouterRequest) request;
	PB(Enqueue) enqueue;
	Trunkline__Config__V1__SkillLevel skill, *skills;
	char *tried[2];
};

static void make(struct made *m)
{
	trunkline__router__v1__router_request__init(&m->request);
	trunkline__router__v1__enqueue__init(&m->enqueue);
	trunkline__config__v1__skill_level__init(&m->skill);
	m->skills = &m->skill;
	m->skill.skill_id = (char *)"french";
	m->skill.level = 4;
	m->tried[0] = (char *)"1001";
	m->enqueue.queue_id = (char *)"sales";
	m->enqueue.arrival_ms = 1700000000000;
	m->enqueue.priority = 7;
	m->enqueue.n_extra_skills = 1;
	m->enqueue.extra_skills = &m->skills;
	m->enqueue.n_tried_agents = 1;
	m->enqueue.tried_agents = m->tried;
	m->request.tenant = (char *)"acme";
	m->request.call_id = (char *)"0192f3a1b2c37d4e8f50a1b2c3d4e5f6";
	m->request.call_epoch = 3;
	m->request.request_case = TRUNKLINE__ROUTER__V1__ROUTER_REQUEST__REQUEST_ENQUEUE;
	m->request.enqueue = &m->enqueue;
}

static void pack(struct made *m, const char *owner)
{
	PB(RouterRequests) all = TRUNKLINE__ROUTER__V1__ROUTER_REQUESTS__INIT;
	PB(RouterRequest) * list[] = { &m->request };

	all.owner = (char *)(uintptr_t)owner;
	all.n_requests = 1;
	all.requests = list;
	m->size = trunkline__router__v1__router_requests__pack(&all, m->bytes);
}

static void an_enqueue_arrives_with_all_it_says(void **arg)
{
	struct router_requests r;
	struct err_detail d;
	struct made m;

	UNUSED(arg);
	make(&m);
	pack(&m, "cc-1");
	assert_int_equal(router_requests_from_pb(&r, m.bytes, m.size, &d), ERR_OK);
	assert_int_equal(r.n, 1);
	assert_int_equal(r.list[0].kind, ROUTER_REQUEST_ENQUEUE);
	assert_string_equal(r.list[0].enqueue.owner, "cc-1");
	assert_string_equal(r.list[0].enqueue.tenant, "acme");
	assert_string_equal(r.list[0].enqueue.queue_id, "sales");
	assert_int_equal(r.list[0].enqueue.call_epoch, 3);
	assert_int_equal(r.list[0].enqueue.priority, 7);
	assert_int_equal(r.list[0].enqueue.n_extra, 1);
	assert_string_equal(r.list[0].enqueue.extra[0].id, "french");
	assert_int_equal(r.list[0].enqueue.extra[0].level, 4);
	assert_string_equal(r.list[0].enqueue.tried[0], "1001");
	router_requests_done(&r);
}

/* One wrong thing each; the field that must be named. */
static void spoil(struct made *m, int how)
{
	switch (how) {
	case 0:
		m->request.tenant = (char *)"Acme Inc";
		break;
	case 1:
		m->request.call_id = (char *)"";
		break;
	case 2:
		m->enqueue.arrival_ms = -1;
		break;
	case 3:
		m->enqueue.priority = 21;
		break;
	case 4:
		m->skill.level = 11;
		break;
	case 5:
		m->tried[0] = (char *)"a.b";
		break;
	case 6:
		m->enqueue.queue_id = (char *)"";
		break;
	case 7:
		m->skill.skill_id = (char *)"";
		break;
	default:
		m->request.request_case = TRUNKLINE__ROUTER__V1__ROUTER_REQUEST__REQUEST__NOT_SET;
		break;
	}
}

static void a_bad_request_is_left_out_counted_and_its_field_named(void **arg)
{
	static const char *const fields[] = { "tenant",
					      "call_id",
					      "enqueue.arrival_ms",
					      "enqueue.priority",
					      "enqueue.extra_skills.level",
					      "enqueue.tried_agents",
					      "enqueue.queue_id",
					      "enqueue.extra_skills.skill_id",
					      "request" };
	struct router_requests r;
	struct err_detail d;
	struct made m;

	UNUSED(arg);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		make(&m);
		spoil(&m, (int)i);
		pack(&m, "cc-1");
		assert_int_equal(router_requests_from_pb(&r, m.bytes, m.size, &d), ERR_OK);
		assert_int_equal(r.n, 0);
		assert_int_equal(r.n_bad, 1);
		assert_string_equal(r.first_bad.field, fields[i]);
		assert_true(r.first_bad.message[0]);
		router_requests_done(&r);
	}
	make(&m);
	pack(&m, "not an id");
	assert_int_equal(router_requests_from_pb(&r, m.bytes, m.size, &d), ERR_INVALID);
	assert_string_equal(d.field, "owner");
	assert_int_equal(router_requests_from_pb(&r, "\x0a\xff", 2, &d), ERR_INVALID);
}

static void events_of_one_batch_become_one_message(void **arg)
{
	struct str out = STR_INIT;
	PB(RouterEvents) * m;

	UNUSED(arg);
	router_events_put_head(&out, "router-1", 42);
	router_events_put(&out,
			  &(struct router_fx){ .kind = ROUTER_FX_QUEUED,
					       .tenant = "acme",
					       .call_id = "c1",
					       .queue_id = "sales",
					       .position = 2,
					       .agents_signed_in = 5 },
			  NULL, 0);
	router_events_put(&out,
			  &(struct router_fx){ .kind = ROUTER_FX_ASSIGNED,
					       .tenant = "acme",
					       .call_id = "c2",
					       .queue_id = "sales",
					       .agent_id = "1001",
					       .agent_site = "centre",
					       .leg_id = "l1",
					       .revision = 9,
					       .reserved_until_ms = 1234 },
			  "record", 6);
	router_events_put(&out,
			  &(struct router_fx){ .kind = ROUTER_FX_REFUSED,
					       .tenant = "acme",
					       .call_id = "c3",
					       .queue_id = "x",
					       .error = ERR_NOT_FOUND,
					       .message = "no such queue" },
			  NULL, 0);
	m = trunkline__router__v1__router_events__unpack(NULL, out.len, (const uint8_t *)out.data);
	assert_non_null(m);
	assert_string_equal(m->instance, "router-1");
	assert_int_equal(m->epoch, 42);
	assert_int_equal(m->n_events, 3);
	assert_int_equal(m->events[0]->queued->position, 2);
	assert_int_equal(m->events[1]->assigned->agent_record.len, 6);
	assert_int_equal(m->events[0]->queued->agents_signed_in, 5);
	assert_string_equal(m->events[1]->assigned->leg_id, "l1");
	assert_int_equal(m->events[1]->assigned->agent_revision, 9);
	assert_string_equal(m->events[2]->refused->message, "no such queue");
	assert_int_equal(m->events[2]->refused->error, ERR_NOT_FOUND);
	trunkline__router__v1__router_events__free_unpacked(m, NULL);
	str_done(&out);
}

static void a_heartbeat_without_a_name_is_refused(void **arg)
{
	Trunkline__Media__V1__Heartbeat pb = TRUNKLINE__MEDIA__V1__HEARTBEAT__INIT;
	struct router_heartbeat hb;
	struct err_detail d;
	uint8_t bytes[128];

	UNUSED(arg);
	pb.draining = true;
	pb.incarnation = 77;
	assert_int_equal(router_heartbeat_from_pb(&hb, bytes, trunkline__media__v1__heartbeat__pack(&pb, bytes), &d),
			 ERR_INVALID);
	assert_string_equal(d.field, "instance");
	pb.instance = (char *)"cc-1";
	assert_int_equal(router_heartbeat_from_pb(&hb, bytes, trunkline__media__v1__heartbeat__pack(&pb, bytes), &d),
			 ERR_OK);
	assert_string_equal(hb.instance, "cc-1");
	assert_true(hb.draining);
	assert_int_equal(hb.incarnation, 77);
	assert_string_equal(hb.pool, "shared"); /* said nothing */
	pb.pool = (char *)"gold";
	assert_int_equal(router_heartbeat_from_pb(&hb, bytes, trunkline__media__v1__heartbeat__pack(&pb, bytes), &d),
			 ERR_OK);
	assert_string_equal(hb.pool, "gold");
	pb.pool = (char *)"Gold >";
	assert_int_equal(router_heartbeat_from_pb(&hb, bytes, trunkline__media__v1__heartbeat__pack(&pb, bytes), &d),
			 ERR_INVALID);
	assert_string_equal(d.field, "pool");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_enqueue_arrives_with_all_it_says),
		cmocka_unit_test(a_bad_request_is_left_out_counted_and_its_field_named),
		cmocka_unit_test(events_of_one_batch_become_one_message),
		cmocka_unit_test(a_heartbeat_without_a_name_is_refused),
	};

	return cmocka_run_group_tests_name("router wire", tests, NULL, NULL);
}
