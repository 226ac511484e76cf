#include "tenant_internal.h"

#include "base/str.h"

struct builder {
	struct tenant_snapshot *s;
	const Trunkline__Config__V1__Flow *pb;
	struct index ids;
	bool failed; /* out of memory: checked once, at the end */
};

static const char *text(struct builder *b, const char *value)
{
	char *copy = arena_strdup(&b->s->arena, value);

	b->failed = b->failed || !copy;
	return copy ? copy : "";
}

/* Index of a step, fallback for "". The references have been checked. */
static int step_index(const struct builder *b, const char *id, int fallback)
{
	return str_empty(id) ? fallback : (int)index_find(&b->ids, id);
}

static struct flow_prompts prompts(struct builder *b, char *const *ids, size_t n)
{
	const struct tenant_prompt **list = arena_alloc(&b->s->arena, (n + 1) * sizeof(*list));

	if (!list) {
		b->failed = true;
		return (struct flow_prompts){ 0 };
	}
	for (size_t i = 0; i < n; i++)
		list[i] = tenant_find_prompt(&b->s->pub, ids[i]);
	return (struct flow_prompts){ .n = n, .list = list };
}

static int64_t time_or(int64_t ms, int64_t fallback)
{
	return ms ? ms : fallback;
}

static void collect(struct builder *b, struct flow_step *st, const Trunkline__Config__V1__CollectStep *pb)
{
	st->kind = FLOW_COLLECT;
	st->collect.variable = text(b, pb->variable);
	st->collect.prompts = prompts(b, pb->prompt_ids, pb->n_prompt_ids);
	st->collect.min_digits = pb->min_digits;
	st->collect.max_digits = pb->max_digits;
	st->collect.first_timeout_ms = time_or(pb->first_timeout_ms, 5000);
	st->collect.digit_timeout_ms = time_or(pb->digit_timeout_ms, 3000);
	st->collect.terminators = str_empty(pb->terminators) ? "#" : text(b, pb->terminators);
	st->collect.reset_keys = str_empty(pb->reset_keys) ? "*" : text(b, pb->reset_keys);
	st->collect.tries = pb->tries ? pb->tries : 1;
	st->collect.on_failure = step_index(b, pb->on_failure, st->next);
}

static void branch(struct builder *b, struct flow_step *st, const Trunkline__Config__V1__BranchStep *pb)
{
	struct flow_case *cases = arena_alloc(&b->s->arena, (pb->n_cases + 1) * sizeof(*cases));

	st->kind = FLOW_BRANCH;
	st->branch.variable = text(b, pb->variable);
	st->branch.otherwise = step_index(b, pb->otherwise, st->next);
	if (!cases) {
		b->failed = true;
		return;
	}
	for (size_t i = 0; i < pb->n_cases; i++) {
		cases[i].value = text(b, pb->cases[i]->value);
		cases[i].next = step_index(b, pb->cases[i]->next, FLOW_END);
	}
	st->branch.n_cases = pb->n_cases;
	st->branch.cases = cases;
}

static void queue(struct builder *b, struct flow_step *st, const Trunkline__Config__V1__QueueStep *pb)
{
	st->kind = FLOW_QUEUE;
	st->queue.queue = tenant_find_queue(&b->s->pub, pb->queue_id);
	st->queue.priority = pb->priority;
	st->queue.on_timeout = step_index(b, pb->on_timeout, FLOW_END);
	st->queue.on_full = step_index(b, pb->on_full, FLOW_END);
	st->queue.on_no_agents = step_index(b, pb->on_no_agents, FLOW_WAIT);
}

static void ring_agent(struct builder *b, struct flow_step *st, const Trunkline__Config__V1__RingAgentStep *pb)
{
	st->kind = FLOW_RING_AGENT;
	st->ring_agent.agent_id = text(b, pb->agent_id);
	st->ring_agent.timeout_ms = time_or(pb->timeout_ms, 20000);
	st->ring_agent.on_no_answer = step_index(b, pb->on_no_answer, FLOW_END);
	st->ring_agent.on_busy = step_index(b, pb->on_busy, FLOW_END);
}

static void step(struct builder *b, struct flow_step *st, const Trunkline__Config__V1__FlowStep *pb)
{
	st->id = text(b, pb->id);
	st->next = step_index(b, pb->next, FLOW_END);
	switch (pb->step_case) {
	case TRUNKLINE__CONFIG__V1__FLOW_STEP__STEP_PLAY:
		st->kind = FLOW_PLAY;
		st->play.prompts = prompts(b, pb->play->prompt_ids, pb->play->n_prompt_ids);
		st->play.interruptible = pb->play->interruptible;
		break;
	case TRUNKLINE__CONFIG__V1__FLOW_STEP__STEP_COLLECT:
		collect(b, st, pb->collect);
		break;
	case TRUNKLINE__CONFIG__V1__FLOW_STEP__STEP_BRANCH:
		branch(b, st, pb->branch);
		break;
	case TRUNKLINE__CONFIG__V1__FLOW_STEP__STEP_SET:
		st->kind = FLOW_SET;
		st->set.variable = text(b, pb->set->variable);
		st->set.value = text(b, pb->set->value);
		break;
	case TRUNKLINE__CONFIG__V1__FLOW_STEP__STEP_QUEUE:
		queue(b, st, pb->queue);
		break;
	case TRUNKLINE__CONFIG__V1__FLOW_STEP__STEP_RING_AGENT:
		ring_agent(b, st, pb->ring_agent);
		break;
	case TRUNKLINE__CONFIG__V1__FLOW_STEP__STEP_RECORD:
		st->kind = FLOW_RECORD;
		st->record.on = pb->record->on;
		break;
	case TRUNKLINE__CONFIG__V1__FLOW_STEP__STEP_HANG_UP:
		st->kind = FLOW_HANG_UP;
		st->hang_up.status = pb->hang_up->status ? pb->hang_up->status : 480;
		break;
	default:
		st->kind = FLOW_ANSWER;
	}
}

err_t build_flow(struct tenant_snapshot *s, struct flow *f, const Trunkline__Config__V1__Flow *pb)
{
	struct builder b = { .s = s, .pb = pb };
	struct flow_step *steps = arena_alloc(&s->arena, pb->n_steps * sizeof(*steps));
	const char **ids = arena_alloc(&s->arena, pb->n_steps * sizeof(*ids));
	size_t dup;

	if (!steps || !ids)
		return ERR_EXHAUSTED;
	for (size_t i = 0; i < pb->n_steps; i++)
		ids[i] = pb->steps[i]->id;
	err_t e = index_build(&b.ids, &s->arena, ids, sizeof(*ids), pb->n_steps, &dup);
	if (e)
		return e;
	for (size_t i = 0; i < pb->n_steps; i++)
		step(&b, &steps[i], pb->steps[i]);
	*f = (struct flow){ .id = text(&b, pb->id),
			    .display_name = text(&b, pb->display_name),
			    .n_steps = (int)pb->n_steps,
			    .steps = steps };
	return b.failed ? ERR_EXHAUSTED : ERR_OK;
}
