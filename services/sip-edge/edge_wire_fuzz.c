/* Messages from the bus: commands and KV records. The first byte chooses. */
#include <stddef.h>
#include <stdint.h>
#include "edge_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_command(const struct edge_command *c, const char *owner, void *arg)
{
	(void)owner;
	(void)arg;
	if (c->epoch == 0 || c->sdp.size > EDGE_SDP_MAX || c->dial.n_headers > EDGE_HEADERS_MAX)
		__builtin_trap();
}

static void on_bad(const struct err_detail *detail, void *arg)
{
	(void)arg;
	if (!detail->field[0])
		__builtin_trap();
}

static void on_beat(const struct controller_beat *beat, void *arg)
{
	(void)arg;
	if (!beat->instance[0])
		__builtin_trap();
}

static void on_leg(const struct leg_record *r, void *arg)
{
	(void)arg;
	if (r->n_routes > EDGE_ROUTES_MAX)
		__builtin_trap();
}

static void on_invite(const struct invite_record *r, void *arg)
{
	(void)arg;
	if (!r->request.size || !r->to_tag[0] || !r->source[0])
		__builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct aor a;
	bool own;

	struct err_detail d;

	if (size < 1)
		return 0;
	if (data[0] == 4) {
		if (edge_wire_invite_from_pb((struct edge_bytes){ data + 1, size - 1 }, on_invite, NULL))
			return 0;
	} else if (data[0] % 4 == 0) {
		edge_wire_commands(data + 1, size - 1, on_command, on_bad, NULL);
	} else if (data[0] % 4 == 1) {
		if (!edge_wire_bindings_from_pb(&a, "acme.1001", data + 1, size - 1, "edge-1", &own))
			while (a.n)
				binding_done(&a.b[--a.n]);
	} else if (data[0] % 4 == 2) {
		(void)!edge_wire_beat(data + 1, size - 1, on_beat, NULL, &d);
	} else {
		(void)!edge_wire_leg_from_pb(data + 1, size - 1, on_leg, NULL);
	}
	return 0;
}
