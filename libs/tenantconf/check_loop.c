/*
 * A circle of steps none of which takes time (answer, branch, set, record) would turn for ever without the caller hearing
 * anything. Depth-first search over these steps with an explicit stack; a step met again while on the stack closes one.
 */
#include "check_internal.h"

#include <string.h>
#include "base/arena.h"
#include "base/str.h"
#include "tenantconf/index.h"

enum colour { WHITE, ON_STACK, BLACK };

struct search {
	const Trunkline__Config__V1__Flow *flow;
	struct index ids;
	unsigned char *colour;
	size_t *stack, *exit; /* step, and the next of its exits to look at */
	size_t depth;
};

static bool takes_no_time(const Trunkline__Config__V1__FlowStep *s)
{
	switch (s->step_case) {
	case TRUNKLINE__CONFIG__V1__FLOW_STEP__STEP_ANSWER:
	case TRUNKLINE__CONFIG__V1__FLOW_STEP__STEP_BRANCH:
	case TRUNKLINE__CONFIG__V1__FLOW_STEP__STEP_SET:
	case TRUNKLINE__CONFIG__V1__FLOW_STEP__STEP_RECORD:
		return true;
	default:
		return false;
	}
}

/* The n-th way out of a step; false: no more. *ret is INDEX_NONE for the end of the flow. */
static bool nth_exit(const struct search *s, size_t step, size_t n, size_t *ret)
{
	const Trunkline__Config__V1__FlowStep *st = s->flow->steps[step];
	struct check_exit exits[CHECK_EXITS_MAX];
	size_t n_exits = check_step_exits(st, exits);
	const char *id;

	if (n < n_exits)
		id = exits[n].step_id;
	else if (st->step_case == TRUNKLINE__CONFIG__V1__FLOW_STEP__STEP_BRANCH && n - n_exits < st->branch->n_cases)
		id = st->branch->cases[n - n_exits]->next;
	else
		return false;
	*ret = str_empty(id) ? INDEX_NONE : index_find(&s->ids, id);
	return true;
}

static void push(struct search *s, size_t step)
{
	s->colour[step] = ON_STACK;
	s->stack[s->depth] = step;
	s->exit[s->depth++] = 0;
}

/* The step that closes a circle, INDEX_NONE: there is none. */
static size_t search_from(struct search *s, size_t start)
{
	size_t to;

	push(s, start);
	while (s->depth) {
		size_t top = s->depth - 1, at = s->stack[top];

		if (!nth_exit(s, at, s->exit[top]++, &to)) {
			s->colour[at] = BLACK;
			s->depth--;
			continue;
		}
		if (to == INDEX_NONE || !takes_no_time(s->flow->steps[to]) || s->colour[to] == BLACK)
			continue;
		if (s->colour[to] == ON_STACK)
			return to;
		push(s, to);
	}
	return INDEX_NONE;
}

static err_t search_all(struct search *s, struct arena *a, struct err_detail *d)
{
	const Trunkline__Config__V1__Flow *f = s->flow;
	const char **names = arena_alloc(a, f->n_steps * sizeof(*names));
	size_t dup;

	s->colour = arena_alloc(a, f->n_steps);
	s->stack = arena_alloc(a, f->n_steps * sizeof(*s->stack));
	s->exit = arena_alloc(a, f->n_steps * sizeof(*s->exit));
	if (!names || !s->colour || !s->stack || !s->exit)
		return ERR_EXHAUSTED;
	for (size_t i = 0; i < f->n_steps; i++)
		names[i] = f->steps[i]->id;
	err_t e = index_build(&s->ids, a, names, sizeof(*names), f->n_steps, &dup);
	for (size_t i = 0; !e && i < f->n_steps; i++) {
		if (s->colour[i] != WHITE || !takes_no_time(f->steps[i]))
			continue;
		size_t at = search_from(s, i);
		if (at != INDEX_NONE)
			e = check_bad(d, "the flow comes back here by steps that take no time, and would turn for ever",
				      "steps[%zu]", at);
	}
	return e;
}

err_t check_flow_loops(const Trunkline__Config__V1__Flow *f, struct err_detail *d)
{
	struct search s = { .flow = f };
	struct arena a;

	arena_init(&a, 0);
	err_t e = search_all(&s, &a, d);
	arena_done(&a);
	return e;
}
