/* Requests from outside, and what other services write: the first byte chooses which. */
#include <stdint.h>
#include <string.h>
#include "desk_wire.h"
#include "pbcheck/pbcheck.h"

static void on_queue(const char *tenant, const struct desk_queue *q, void *arg)
{
	*(size_t *)arg += strlen(tenant) + strlen(q->queue_id);
}

static void try_request(unsigned method, const uint8_t *data, size_t size)
{
	const ProtobufCServiceDescriptor *s = desk_wire_service();
	const ProtobufCMethodDescriptor *md = &s->methods[method % s->n_methods];
	struct desk_facts_filter filter;
	struct desk_command cmd;
	struct err_detail detail;
	struct desk_page page;
	ProtobufCMessage *msg;
	err_t e;

	if (pbcheck_unpack(&msg, md->input, data, size, &detail))
		return;
	if (strcmp(md->name, "ListAgents") == 0)
		e = desk_wire_page_from_pb(&page, msg, &detail);
	else if (strcmp(md->name, "WatchFacts") == 0)
		e = desk_wire_facts_from_pb(&filter, msg, &detail);
	else if (strcmp(md->name, "StreamEvents") == 0)
		e = desk_wire_all_agents(msg) ? ERR_OK : ERR_DENIED;
	else
		e = desk_wire_command_from_pb(&cmd, msg, &detail);
	(void)e;
	protobuf_c_message_free_unpacked(msg, NULL);
}

/* The key before the first NUL, then the value. */
static size_t try_seat(const uint8_t *data, size_t size)
{
	const uint8_t *end = memchr(data, 0, size);
	struct err_detail detail;
	struct desk_seat seat;

	if (!end)
		return 0;
	if (desk_wire_seat_from_pb(&seat, (const char *)data, end + 1, size - (size_t)(end + 1 - data), &detail))
		return 1;
	return strlen(seat.entry.tenant) + strlen(seat.entry.agent_id);
}

static void try_bus(unsigned kind, const uint8_t *data, size_t size)
{
	struct desk_facts_filter all = { .call = true, .agent = true, .recording = true };
	struct desk_fact *fact = NULL;
	struct err_detail detail;
	struct desk_offer offer;
	struct arena a;
	size_t n = 0;

	arena_init(&a, 0);
	if (kind == 0)
		n = desk_wire_checkpoint_from_pb(&offer, &a, data, size, &detail);
	else if (kind == 1)
		n = desk_wire_queues_from_pb(data, size, on_queue, &n, &detail);
	else if (kind == 3)
		n = try_seat(data, size);
	else if (!desk_wire_fact_from_pb(&fact, data, size, &detail))
		n = desk_wire_fact_matches(fact, &all);
	(void)n;
	desk_wire_fact_free(&fact);
	arena_done(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	if (data[0] < 4)
		try_bus(data[0], data + 1, size - 1);
	else
		try_request(data[0], data + 1, size - 1);
	return 0;
}
