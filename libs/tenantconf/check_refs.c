#include "check_internal.h"

#include <stdio.h>
#include <string.h>
#include "base/str.h"
#include "rights/rights.h"

struct walk {
	check_ref_fn *fn;
	void *arg;
	char prefix[64];
};

const char *check_kind_name(enum check_kind kind)
{
	static const char *const names[] = { "calendar", "flow", "queue", "agent", "prompt", "skill", "role" };

	return (size_t)kind < ARRAY_SIZE(names) ? names[kind] : "resource";
}

/* "" refers to nothing. */
static err_t ref(const struct walk *w, enum check_kind kind, const char *id, const char *field)
{
	char path[160];

	if (str_empty(id))
		return ERR_OK;
	snprintf(path, sizeof(path), "%s%s", w->prefix, field);
	return w->fn(kind, id, path, w->arg);
}

static err_t ref_nth(const struct walk *w, enum check_kind kind, const char *id, const char *field, size_t i,
		     const char *rest)
{
	char path[64];

	snprintf(path, sizeof(path), "%s[%zu]%s", field, i, rest);
	return ref(w, kind, id, path);
}

static err_t skill_refs(const struct walk *w, Trunkline__Config__V1__SkillLevel *const *skills, size_t n)
{
	err_t e = ERR_OK;

	for (size_t i = 0; !e && i < n; i++)
		e = ref_nth(w, CHECK_SKILL, skills[i]->skill_id, "skills", i, ".skill_id");
	return e;
}

static err_t prompt_refs(const struct walk *w, char *const *ids, size_t n, const char *field)
{
	err_t e = ERR_OK;

	for (size_t i = 0; !e && i < n; i++)
		e = ref_nth(w, CHECK_PROMPT, ids[i], field, i, "");
	return e;
}

static err_t agent_refs(const struct walk *w, const Trunkline__Config__V1__Agent *a)
{
	err_t e = skill_refs(w, a->skills, a->n_skills);

	for (size_t i = 0; !e && i < a->n_roles; i++) {
		if (!rights_role_find(a->roles[i]))
			e = ref_nth(w, CHECK_ROLE, a->roles[i], "roles", i, "");
	}
	return e;
}

static err_t queue_refs(const struct walk *w, const Trunkline__Config__V1__Queue *q)
{
	err_t e = skill_refs(w, q->skills, q->n_skills);

	if (!e)
		e = ref(w, CHECK_PROMPT, q->music_prompt_id, "music_prompt_id");
	if (!e)
		e = ref(w, CHECK_PROMPT, q->entry_prompt_id, "entry_prompt_id");
	return e ? e : ref(w, CHECK_PROMPT, q->welcome_prompt_id, "welcome_prompt_id");
}

static err_t target_refs(struct walk *w, const Trunkline__Config__V1__Target *t, const char *field)
{
	if (!t)
		return ERR_OK;
	snprintf(w->prefix, sizeof(w->prefix), "%s.", field);
	switch (t->to_case) {
	case TRUNKLINE__CONFIG__V1__TARGET__TO_FLOW_ID:
		return ref(w, CHECK_FLOW, t->flow_id, "flow_id");
	case TRUNKLINE__CONFIG__V1__TARGET__TO_QUEUE_ID:
		return ref(w, CHECK_QUEUE, t->queue_id, "queue_id");
	case TRUNKLINE__CONFIG__V1__TARGET__TO_AGENT_ID:
		return ref(w, CHECK_AGENT, t->agent_id, "agent_id");
	default:
		return ERR_OK;
	}
}

static err_t number_refs(struct walk *w, const Trunkline__Config__V1__Number *n)
{
	err_t e = ref(w, CHECK_CALENDAR, n->calendar_id, "calendar_id");

	if (!e)
		e = target_refs(w, n->working, "working");
	if (!e)
		e = target_refs(w, n->other, "other");
	return e ? e : target_refs(w, n->forced, "forced");
}

static err_t step_refs(const struct walk *w, const Trunkline__Config__V1__FlowStep *s)
{
	switch (s->step_case) {
	case TRUNKLINE__CONFIG__V1__FLOW_STEP__STEP_PLAY:
		return prompt_refs(w, s->play->prompt_ids, s->play->n_prompt_ids, "play.prompt_ids");
	case TRUNKLINE__CONFIG__V1__FLOW_STEP__STEP_COLLECT:
		return prompt_refs(w, s->collect->prompt_ids, s->collect->n_prompt_ids, "collect.prompt_ids");
	case TRUNKLINE__CONFIG__V1__FLOW_STEP__STEP_QUEUE:
		return ref(w, CHECK_QUEUE, s->queue->queue_id, "queue.queue_id");
	case TRUNKLINE__CONFIG__V1__FLOW_STEP__STEP_RING_AGENT:
		if (strstr(s->ring_agent->agent_id, "${"))
			return ERR_OK; /* known only in the call */
		return ref(w, CHECK_AGENT, s->ring_agent->agent_id, "ring_agent.agent_id");
	default:
		return ERR_OK;
	}
}

static err_t flow_refs(struct walk *w, const Trunkline__Config__V1__Flow *f)
{
	err_t e = ERR_OK;

	for (size_t i = 0; !e && i < f->n_steps; i++) {
		snprintf(w->prefix, sizeof(w->prefix), "steps[%zu].", i);
		e = step_refs(w, f->steps[i]);
	}
	return e;
}

err_t check_refs(const ProtobufCMessage *resource, check_ref_fn *fn, void *arg)
{
	struct walk w = { .fn = fn, .arg = arg };
	const ProtobufCMessageDescriptor *desc = resource->descriptor;

	if (desc == &trunkline__config__v1__queue__descriptor)
		return queue_refs(&w, (const Trunkline__Config__V1__Queue *)resource);
	if (desc == &trunkline__config__v1__number__descriptor)
		return number_refs(&w, (const Trunkline__Config__V1__Number *)resource);
	if (desc == &trunkline__config__v1__flow__descriptor)
		return flow_refs(&w, (const Trunkline__Config__V1__Flow *)resource);
	if (desc == &trunkline__config__v1__agent__descriptor)
		return agent_refs(&w, (const Trunkline__Config__V1__Agent *)resource);
	return ERR_OK;
}
