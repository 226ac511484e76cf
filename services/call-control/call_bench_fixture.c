#include "call_bench_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/str.h"
#include "call_fixture.h"
#include "cc_wire.h"

int64_t bench_now = 1700000000000;

/* ---- the call's life ---- */

void bench_offered(struct bench *b, const char *called)
{
	static int n;

	memset(b, 0, sizeof(*b));
	assert_int_equal(call_new(&b->call), ERR_OK);
	str_copy(b->call->tenant, sizeof(b->call->tenant), "acme");
	snprintf(b->call->id, sizeof(b->call->id), "%032x", ++n);
	str_copy(b->call->caller, sizeof(b->call->caller), "+4930123");
	str_copy(b->call->called, sizeof(b->call->called), called);
	str_copy(b->call->media, sizeof(b->call->media), "media-1");
	str_copy(b->call->caller_leg.id, sizeof(b->call->caller_leg.id), "c");
	b->call->conf = fixture_tenant();
	call_offered(b->call, bench_now, &b->todo);
	call_todo_reset(&b->todo);
}

void bench_end(struct bench *b)
{
	call_todo_reset(&b->todo);
	call_free(&b->call);
}

void bench_adopt(struct bench *b, struct call_input in)
{
	static const struct cc_owner owner = { .instance = "cc-1", .incarnation = 1 };
	struct cc_saved s = { 0 };
	struct str out = STR_INIT;
	struct err_detail d;

	assert_int_equal(cc_wire_put_checkpoint(&out, b->call, &owner, NULL), ERR_OK);
	call_free(&b->call);
	assert_int_equal(cc_wire_checkpoint(out.data, out.len, &s, &d), ERR_OK);
	str_done(&out);
	b->call = s.call;
	b->call->conf = fixture_tenant();
	b->call->queue = b->call->queue_id[0] ? tenant_find_queue(b->call->conf, b->call->queue_id) : NULL;
	b->call->flow = s.flow_id[0] ? tenant_find_flow(b->call->conf, s.flow_id) : NULL;
	b->call->step = b->call->flow ? flow_find_step(b->call->flow, s.step_id) : FLOW_END;
	b->call->entered_step = b->call->step;
	b->call->epoch++;
	step(b, in);
}

/* ---- what happens ---- */

void step(struct bench *b, struct call_input in)
{
	call_todo_reset(&b->todo);
	b->call->checkpoint = false;
	call_step(b->call, &in, bench_now, &b->todo);
	assert_false(b->todo.overflow);
}

void tick(struct bench *b, int64_t ms)
{
	bench_now += ms;
	step(b, (struct call_input){ .kind = INPUT_TICK });
}

void in_start(struct bench *b)
{
	step(b, (struct call_input){ .kind = INPUT_START });
}

void in_ready(struct bench *b, const char *leg, uint32_t request)
{
	step(b, (struct call_input){
		    .kind = INPUT_MEDIA_READY, .leg_id = leg, .request = request, .sdp = "v=0", .sdp_size = 3 });
}

void in_answered(struct bench *b, const char *leg)
{
	step(b, (struct call_input){ .kind = INPUT_LEG_ANSWERED, .leg_id = leg, .sdp = "v=1", .sdp_size = 3 });
}

void in_ended(struct bench *b, const char *leg, const char *cause, uint32_t status)
{
	step(b, (struct call_input){ .kind = INPUT_LEG_ENDED, .leg_id = leg, .cause = cause, .status = status });
}

void in_ringing(struct bench *b, const char *leg)
{
	step(b, (struct call_input){ .kind = INPUT_LEG_RINGING, .leg_id = leg, .status = 180 });
}

void in_play_done(struct bench *b)
{
	step(b, (struct call_input){ .kind = INPUT_PLAY_DONE, .leg_id = "c", .play_id = b->call->play_id });
}

void in_digit(struct bench *b, char d)
{
	step(b, (struct call_input){ .kind = INPUT_DIGIT, .leg_id = "c", .digit = d });
}

void in_assigned(struct bench *b, const char *agent, const char *leg, const char *queue)
{
	step(b, (struct call_input){
		    .kind = INPUT_ASSIGNED, .agent_id = agent, .leg_id = leg, .router_epoch = 7, .queue_id = queue });
}

/* ---- what is expected ---- */

const struct call_command *command_to(const struct bench *b, enum call_command_kind kind, const char *leg)
{
	for (int i = 0; i < b->todo.n_commands; i++)
		if (b->todo.commands[i].kind == kind && (!*leg || str_eq(b->todo.commands[i].leg->id, leg)))
			return &b->todo.commands[i];
	return NULL;
}

const struct call_command *command(const struct bench *b, enum call_command_kind kind)
{
	return command_to(b, kind, "");
}

const struct call_fact *fact(const struct bench *b, enum fact_kind kind)
{
	for (int i = 0; i < b->todo.n_facts; i++)
		if (b->todo.facts[i].kind == kind)
			return &b->todo.facts[i];
	return NULL;
}

const struct call_command *said_to(const struct bench *b, enum call_command_kind kind, const char *leg)
{
	const struct call_command *c = command_to(b, kind, leg);

	assert_non_null(c);
	return c;
}

const struct call_command *said(const struct bench *b, enum call_command_kind kind)
{
	return said_to(b, kind, "");
}

const struct call_fact *told(const struct bench *b, enum fact_kind kind)
{
	const struct call_fact *f = fact(b, kind);

	assert_non_null(f);
	return f;
}

/* Without memory it has none. */
void assert_sdp(const struct call_command *c, const char *sdp)
{
	assert_int_equal(c->sdp_size, strlen(sdp));
	assert_memory_equal(c->sdp, sdp, strlen(sdp));
}
