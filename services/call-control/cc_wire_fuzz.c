/* Bytes from the bus into every decoder of call-control; the first byte chooses which. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "cc_wire.h"
#include "pace/pace_book.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void offer(const struct cc_offer *o, void *arg)
{
	(void)arg;
	if (!o->called[0])
		abort(); /* promised by the decoder */
}

static void input(const char *tenant, const char *call_id, const struct call_input *in, uint64_t stale, void *arg)
{
	(void)in;
	(void)stale;
	(void)arg;
	if (!str_is_id(tenant) || !id_valid(call_id))
		abort();
}

static void epoch(const char *pool, uint32_t shard, uint64_t value, void *arg)
{
	(void)pool;
	(void)shard;
	(void)value;
	(void)arg;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct cc_in fn = { .offer = offer, .input = input, .router_epoch = epoch };
	struct cc_saved saved = { 0 };
	struct cc_heartbeat hb;
	struct cc_owner owner;
	struct err_detail d;
	err_t e = ERR_OK;

	if (!size)
		return 0;
	if (data[0] == 255) {
		struct slot_book book;

		return cc_wire_slots(data + 1, size - 1, &book, &d) == ERR_INTERNAL ? -1 : 0;
	}
	if (data[0] >= 253) {
		struct bucket book = { .level = 0 };
		uint64_t bytes;

		e = data[0] == 254 ? pace_from_pb(&book, data + 1, size - 1, &d)
				   : cc_wire_recording_use(data + 1, size - 1, &bytes, &d);
		if (book.level > 1000LL * book.per_s)
			abort();
		return e == ERR_INTERNAL ? -1 : 0;
	}
	switch (data[0] % 6) {
	case 0:
		e = cc_wire_edge_events(data + 1, size - 1, &fn, &d);
		break;
	case 1:
		e = cc_wire_media_events(data + 1, size - 1, &fn, &d);
		break;
	case 2:
		e = cc_wire_router_events(data + 1, size - 1, &fn, &d);
		break;
	case 3:
		e = cc_wire_router_epoch(data + 1, size - 1, &fn, &d);
		break;
	case 4:
		e = cc_wire_heartbeat(data + 1, size - 1, &hb, &d);
		break;
	default:
		if (!cc_wire_checkpoint_owner(data + 1, size - 1, &owner, &d) &&
		    !memchr(owner.instance, 0, sizeof(owner.instance)))
			abort();
		e = cc_wire_checkpoint(data + 1, size - 1, &saved, &d);
		if (!e) {
			call_free(&saved.call);
			cc_event_free_list(saved.events);
		}
	}
	return e == ERR_INTERNAL ? -1 : 0;
}
