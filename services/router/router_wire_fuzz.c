/* Whatever arrives on a shard's subject: requests that a core takes without harm, or an error. */
#include <stdlib.h>

#include "router_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct router_core *core_with_something_in_it(void)
{
	struct router_core *core;
	struct router_skill skill = { "s", 1 };
	struct router_queue_conf queue = { .id = "q", .skills = &skill, .n_skills = 1, .max_waiting = 8 };
	struct router_agent_conf agent = {
		.tenant = "t", .agent_id = "a", .skills = &skill, .n_skills = 1, .enabled = true
	};
	struct router_agent_in in = { .tenant = "t",
				      .agent_id = "a",
				      .revision = 1,
				      .state = AGENT_READY,
				      .on_duty = true,
				      .ready_since_ms = 1,
				      .call_id = "",
				      .leg_id = "",
				      .site = "" };

	if (router_core_new(&core, &(struct router_core_params){ .epoch = 5, .now_ms = 1000, .collect_ms = 1 }) ||
	    router_core_tenant(core, &(struct router_tenant_conf){ .tenant = "t", .queues = &queue, .n_queues = 1 },
			       1000) ||
	    router_core_agent_conf(core, &agent, 1000) || router_core_agent(core, &in, 1000) ||
	    router_core_time(core, 2000))
		abort();
	return core;
}

static err_t feed(struct router_core *core, const struct router_request *r, const char *owner)
{
	switch (r->kind) {
	case ROUTER_REQUEST_ENQUEUE:
		return router_core_enqueue(core, &r->enqueue, 2000);
	case ROUTER_REQUEST_DEQUEUE:
		return router_core_dequeue(core, r->enqueue.tenant, r->enqueue.call_id, r->enqueue.call_epoch, 2000);
	case ROUTER_REQUEST_RESULT:
		return router_core_result(core, &r->result, 2000);
	default:
		return router_core_assert_end(core, owner, r->router_epoch, 2000);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct router_requests reqs;
	struct router_heartbeat hb;
	struct router_core *core;
	struct err_detail d;

	(void)!router_heartbeat_from_pb(&hb, data, size, &d);
	if (router_requests_from_pb(&reqs, data, size, &d))
		return 0;
	core = core_with_something_in_it();
	for (size_t i = 0; i < reqs.n; i++) {
		struct str out = STR_INIT;
		const struct router_fx *fx;
		size_t n;

		if (feed(core, &reqs.list[i], reqs.owner))
			abort();
		for (fx = router_core_effects(core, &n); n; n--, fx++)
			router_events_put(&out, fx, n & 1 ? data : NULL, n & 1 ? size : 0);
		router_core_effects_done(core);
		str_done(&out);
	}
	router_core_free(&core);
	router_requests_done(&reqs);
	return 0;
}
