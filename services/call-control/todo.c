/* todo: the list of what a step wants done. */
#include "call_internal.h"

#include <stdint.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"

void call_todo_reset(struct call_todo *todo)
{
	for (int i = 0; i < todo->n_commands; i++)
		mem_free((void *)(uintptr_t)todo->commands[i].sdp);
	todo->n_commands = 0;
	todo->n_facts = 0;
	todo->overflow = false;
}

struct call_command *todo_command(struct call_todo *todo, enum call_command_kind kind, struct call_leg *leg)
{
	static _Thread_local struct call_command lost;
	struct call_command *c = &lost;

	if (todo->n_commands < TODO_MAX)
		c = &todo->commands[todo->n_commands++];
	else
		todo->overflow = true;
	memset(c, 0, sizeof(*c));
	c->kind = kind;
	c->leg = leg;
	return c;
}

struct call_command *todo_sdp(struct call_todo *todo, enum call_command_kind kind, struct call_leg *leg,
			      const void *sdp, size_t size)
{
	struct call_command *c = todo_command(todo, kind, leg);

	if (size && !todo->overflow) {
		c->sdp = mem_dup(sdp, size);
		c->sdp_size = c->sdp ? size : 0;
	}
	return c;
}

struct call_fact *todo_fact(struct call_todo *todo, struct call *call, enum fact_kind kind, int64_t now_ms)
{
	static _Thread_local struct call_fact lost;
	struct call_fact *f = &lost;

	if (todo->n_facts < TODO_MAX)
		f = &todo->facts[todo->n_facts++];
	else
		todo->overflow = true;
	memset(f, 0, sizeof(*f));
	f->kind = kind;
	f->at_ms = now_ms;
	if (kind == FACT_RECORDING_STARTED || kind == FACT_RECORDING_STOPPED)
		f->seq = kind == FACT_RECORDING_STARTED ? 1 : 2;
	else
		f->seq = ++call->event_seq;
	str_copy(f->queue_id, sizeof(f->queue_id), call->queue_id);
	str_copy(f->agent_id, sizeof(f->agent_id), call->agent_id);
	/* What nothing follows from may wait for the next step (live.c, NOTE_MS). */
	if (kind != FACT_AGENT_RINGING && (kind != FACT_LEG_FINISHED || call->phase != CALL_PHASE_ENDING))
		call->checkpoint = true;
	return f;
}

bool call_command_is_edge(enum call_command_kind k)
{
	return k <= COMMAND_PROBE;
}

bool call_command_is_media(enum call_command_kind k)
{
	return k >= COMMAND_ENDPOINT && k <= COMMAND_ATTACH_ENDPOINT;
}

bool call_command_is_router(enum call_command_kind k)
{
	return k >= COMMAND_ENQUEUE && k <= COMMAND_RESULT;
}
