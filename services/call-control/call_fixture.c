#include "call_fixture.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tenantconf/tenantconf.h"
#include "testkit/testkit.h"
#include "trunkline/config/v1/config.pb-c.h"

#define SHA "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

typedef Trunkline__Config__V1__FlowStep Step;

static const struct tenant *cached[FIXTURES];

/* What the configuration is put together from, once; it lives as long as the program. */
static void *piece(size_t size)
{
	static max_align_t pool[512];
	static size_t used;
	void *p = &pool[used];

	used += (size + sizeof(*pool) - 1) / sizeof(*pool);
	if (used > sizeof(pool) / sizeof(*pool))
		abort();
	return p;
}

static Step *step(const char *id, const char *next)
{
	Step *s = piece(sizeof(*s));

	trunkline__config__v1__flow_step__init(s);
	s->id = (char *)(uintptr_t)id;
	s->next = (char *)(uintptr_t)next;
	return s;
}

static Step *answer(const char *id, const char *next)
{
	static Trunkline__Config__V1__AnswerStep a = TRUNKLINE__CONFIG__V1__ANSWER_STEP__INIT;
	Step *s = step(id, next);

	s->step_case = TRUNKLINE__CONFIG__V1__FLOW_STEP__STEP_ANSWER;
	s->answer = &a;
	return s;
}

static Step *collect(const char *id, const char *next, const char *variable, const char *prompt, uint32_t min,
		     uint32_t max, uint32_t tries, const char *on_failure)
{
	Trunkline__Config__V1__CollectStep *c = piece(sizeof(*c));
	Step *s = step(id, next);
	char **prompts = piece(sizeof(char *));

	trunkline__config__v1__collect_step__init(c);
	prompts[0] = (char *)(uintptr_t)prompt;
	c->variable = (char *)(uintptr_t)variable;
	c->n_prompt_ids = prompt ? 1 : 0;
	c->prompt_ids = prompts;
	c->min_digits = min;
	c->max_digits = max;
	c->tries = tries;
	c->on_failure = (char *)(uintptr_t)on_failure;
	s->step_case = TRUNKLINE__CONFIG__V1__FLOW_STEP__STEP_COLLECT;
	s->collect = c;
	return s;
}

static Step *branch(const char *id, const char *variable, const char *value, const char *then, const char *otherwise)
{
	Trunkline__Config__V1__BranchStep *b = piece(sizeof(*b));
	Trunkline__Config__V1__BranchCase *c = piece(sizeof(*c)), **list = piece(sizeof(*list));
	Step *s = step(id, otherwise);

	trunkline__config__v1__branch_step__init(b);
	trunkline__config__v1__branch_case__init(c);
	c->value = (char *)(uintptr_t)value;
	c->next = (char *)(uintptr_t)then;
	list[0] = c;
	b->variable = (char *)(uintptr_t)variable;
	b->n_cases = 1;
	b->cases = list;
	s->step_case = TRUNKLINE__CONFIG__V1__FLOW_STEP__STEP_BRANCH;
	s->branch = b;
	return s;
}

static Step *queue_step(const char *id, const char *queue, const char *on_timeout)
{
	Trunkline__Config__V1__QueueStep *q = piece(sizeof(*q));
	Step *s = step(id, "");

	trunkline__config__v1__queue_step__init(q);
	q->queue_id = (char *)(uintptr_t)queue;
	q->priority = 2;
	q->on_timeout = (char *)(uintptr_t)on_timeout;
	s->step_case = TRUNKLINE__CONFIG__V1__FLOW_STEP__STEP_QUEUE;
	s->queue = q;
	return s;
}

static Step *play(const char *id, const char *next, const char *prompt)
{
	Trunkline__Config__V1__PlayStep *p = piece(sizeof(*p));
	Step *s = step(id, next);
	char **prompts = piece(sizeof(char *));

	trunkline__config__v1__play_step__init(p);
	prompts[0] = (char *)(uintptr_t)prompt;
	p->n_prompt_ids = 1;
	p->prompt_ids = prompts;
	s->step_case = TRUNKLINE__CONFIG__V1__FLOW_STEP__STEP_PLAY;
	s->play = p;
	return s;
}

static Step *hang_up(const char *id)
{
	Trunkline__Config__V1__HangUpStep *h = piece(sizeof(*h));
	Step *s = step(id, "");

	trunkline__config__v1__hang_up_step__init(h);
	s->step_case = TRUNKLINE__CONFIG__V1__FLOW_STEP__STEP_HANG_UP;
	s->hang_up = h;
	return s;
}

static Trunkline__Config__V1__Number *number(const char *text, const char *flow, const char *queue)
{
	Trunkline__Config__V1__Number *n = piece(sizeof(*n));
	Trunkline__Config__V1__Target *t = piece(sizeof(*t));

	trunkline__config__v1__number__init(n);
	trunkline__config__v1__target__init(t);
	n->number = (char *)(uintptr_t)text;
	n->working = n->other = n->forced = t;
	if (flow) {
		t->to_case = TRUNKLINE__CONFIG__V1__TARGET__TO_FLOW_ID;
		t->flow_id = (char *)(uintptr_t)flow;
	} else if (queue) {
		t->to_case = TRUNKLINE__CONFIG__V1__TARGET__TO_QUEUE_ID;
		t->queue_id = (char *)(uintptr_t)queue;
	} else {
		t->to_case = TRUNKLINE__CONFIG__V1__TARGET__TO_REJECT_STATUS;
		t->reject_status = 486;
		n->force = 1;
	}
	return n;
}

static void build(enum fixture which)
{
	Trunkline__Config__V1__Suspension suspension = TRUNKLINE__CONFIG__V1__SUSPENSION__INIT;
	Trunkline__Config__V1__TenantConfig t = TRUNKLINE__CONFIG__V1__TENANT_CONFIG__INIT;
	Trunkline__Config__V1__Flow main_flow = TRUNKLINE__CONFIG__V1__FLOW__INIT,
				    account = TRUNKLINE__CONFIG__V1__FLOW__INIT;
	Trunkline__Config__V1__Queue q = TRUNKLINE__CONFIG__V1__QUEUE__INIT, *queues[] = { &q };
	Trunkline__Config__V1__Prompt p = TRUNKLINE__CONFIG__V1__PROMPT__INIT, *prompts[] = { &p };
	Trunkline__Config__V1__Flow *flows[] = { &main_flow, &account };
	Step *main_steps[] = { answer("hello", "menu"),
			       collect("menu", "which", "key", "greet", 1, 1, 1, "bye"),
			       branch("which", "key", "1", "wait", "bye"),
			       queue_step("wait", "sales", "sorry"),
			       play("sorry", "bye", "greet"),
			       hang_up("bye") };
	Step *account_steps[] = { collect("number", "again", "account", NULL, 2, 6, 2, "bye"),
				  play("again", "bye", "greet"), hang_up("bye") };
	Trunkline__Config__V1__Number *numbers[] = { number("100", "main", NULL), number("200", "account", NULL),
						     number("300", NULL, NULL), number("500", NULL, "sales") };
	struct err_detail d = { "", "" };
	uint8_t *bytes;
	size_t size;

	t.tenant = (char *)(uintptr_t) "acme";
	t.version = 1;
	t.display_name = (char *)(uintptr_t) "Acme";
	t.time_zone = (char *)(uintptr_t) "UTC";
	t.sip_domain = (char *)(uintptr_t) "acme.trunkline.local";
	p.id = (char *)(uintptr_t) "greet";
	p.sha256 = (char *)(uintptr_t)SHA;
	p.size_bytes = 16000;
	p.duration_ms = 1000;
	q.id = (char *)(uintptr_t) "sales";
	q.priority = 3;
	q.music_prompt_id = q.welcome_prompt_id = (char *)(uintptr_t) "greet";
	q.max_wait_ms = 60000;
	q.ring_timeout_ms = 15000;
	q.wrap_up_ms = 3000;
	q.record = 1;
	q.answer_before_queue = 1;
	main_flow.id = (char *)(uintptr_t) "main";
	main_flow.n_steps = sizeof(main_steps) / sizeof(main_steps[0]);
	main_flow.steps = main_steps;
	account.id = (char *)(uintptr_t) "account";
	account.n_steps = 3;
	account.steps = account_steps;
	t.n_queues = t.n_prompts = 1;
	t.queues = queues;
	t.prompts = prompts;
	t.n_flows = 2;
	t.flows = flows;
	t.n_numbers = 4;
	t.numbers = numbers;
	t.suspended = which != FIXTURE_USUAL;
	suspension.end_calls = which == FIXTURE_ENDS;
	suspension.announcement_prompt_id = (char *)(uintptr_t)(which == FIXTURE_ANNOUNCES ? "greet" : "");
	t.suspension = &suspension;
	size = trunkline__config__v1__tenant_config__get_packed_size(&t);
	bytes = malloc(size);
	trunkline__config__v1__tenant_config__pack(&t, bytes);
	if (tenantconf_tenant_from_pb(&cached[which], bytes, size, &d))
		testkit_die("fixture: %s: %s", d.field, d.message);
	free(bytes);
}

const struct tenant *fixture_suspended(enum fixture which)
{
	if (!cached[which])
		build(which);
	return tenant_ref(cached[which]);
}

const struct tenant *fixture_tenant(void)
{
	return fixture_suspended(FIXTURE_USUAL);
}
