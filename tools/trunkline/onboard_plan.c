#include "onboard_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

#define AGENTS_MAX  1000000
#define CALLS_MAX   10000000
#define HOUR_MS	    3600000
#define DAY_MS	    (24 * INT64_C(3600000))
#define FIELD_MAX   96
#define PREFIX_MAX  40
#define LETTERS_MAX 200

enum kind { TEXT, COUNT, SPAN, MOMENT, PERCENT, LIST, MAPPING };

/* One field of a mapping: where it stands, what it is, where it goes. */
struct field {
	const char *path; /* "trial.from" */
	enum kind kind;
	bool required;
	size_t offset;
	int64_t min, max; /* of COUNT; of SPAN in milliseconds */
};

#define AT(member) offsetof(struct onboard_plan, member)
static const struct field plan_fields[] = {
	{ "customer", TEXT, true, AT(customer) },
	{ "contact.name", TEXT, true, AT(contact_name) },
	{ "contact.email", TEXT, false, AT(contact_email) },
	{ "contact.phone", TEXT, false, AT(contact_phone) },
	{ "requirement.agents", COUNT, true, AT(agents), 1, AGENTS_MAX },
	{ "requirement.busy_hour_calls", COUNT, true, AT(busy_hour_calls), 1, CALLS_MAX },
	{ "requirement.handle_time", SPAN, true, AT(handle_time_ms), 1000, HOUR_MS },
	{ "requirement.numbers", LIST, true, AT(numbers) },
	{ "requirement.languages", LIST, true, AT(languages) },
	{ "acceptance", LIST, true, 0 }, /* read by read_calls(), as "resources" by read_resources() */
	{ "trial.from", MOMENT, true, AT(trial.from_ms) },
	{ "trial.to", MOMENT, true, AT(trial.to_ms) },
	{ "trial.calls", COUNT, true, AT(trial.calls), 1, CALLS_MAX },
	{ "trial.service_level_percent", PERCENT, true, AT(trial.service_level) },
	{ "trial.abandoned_percent", PERCENT, true, AT(trial.abandoned) },
	{ "trial.failed_percent", PERCENT, true, AT(trial.failed) },
	{ "quotas.trial", MAPPING, true, AT(trial_quotas) },
	{ "quotas.production", MAPPING, true, AT(production_quotas) },
	{ "resources", LIST, true, 0 },
	{ NULL, TEXT, false, 0 },
};
#undef AT
#define AT(member) offsetof(struct onboard_call, member)
static const struct field call_fields[] = {
	{ "call", TEXT, true, AT(number) },
	{ "caller", TEXT, false, AT(caller) },
	{ "queue", TEXT, false, AT(queue) },
	{ "agent", TEXT, false, AT(agent) },
	{ "answered_within", SPAN, false, AT(answered_within_ms), 1, HOUR_MS },
	{ "disposition", TEXT, false, AT(disposition) },
	{ "cause", TEXT, false, AT(cause) },
	{ NULL, TEXT, false, 0 },
};
#undef AT

/* ---- one field ---- */

/* What stands there, for an error. */
static const char *shown(const json_t *v, char buf[LETTERS_MAX])
{
	char *text = json_is_string(v) ? NULL : json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);

	(void)str_copy(buf, LETTERS_MAX, text ? text : json_is_string(v) ? json_string_value(v) : "");
	free(text);
	return buf;
}

static err_t count_of(int64_t *ret, const struct field *f, const char *name, const json_t *v, struct err_detail *detail)
{
	char buf[LETTERS_MAX];

	*ret = json_integer_value(v);
	if (json_is_integer(v) && *ret >= f->min && *ret <= f->max)
		return ERR_OK;
	return err_set(detail, ERR_INVALID, name, "must be an integer from %ld to %ld, not %s", (long)f->min,
		       (long)f->max, shown(v, buf));
}

static err_t span_of(int64_t *ret, const struct field *f, const char *name, const json_t *v, struct err_detail *detail)
{
	const char *text = json_string_value(v);
	char buf[LETTERS_MAX];

	if (text && *text >= '0' && *text <= '9' && strpbrk(text, "hms") && !fields_parse_ms(text, ret) &&
	    *ret >= f->min && *ret <= f->max)
		return ERR_OK;
	return err_set(detail, ERR_INVALID, name, "must be a span like 30s, 5m or 1h, at most an hour, not '%s'",
		       shown(v, buf));
}

/* In UTC only: the plan is read on more than one machine. */
static err_t moment_of(int64_t *ret, const char *name, const json_t *v, struct err_detail *detail)
{
	const char *text = json_string_value(v);
	char buf[LETTERS_MAX];

	if (text && *text && text[strlen(text) - 1] == 'Z' && !fields_parse_ms(text, ret))
		return ERR_OK;
	return err_set(detail, ERR_INVALID, name, "must be a moment in UTC like 2026-12-07T08:00Z, not '%s'",
		       shown(v, buf));
}

/* 0.5 comes as text: numbers that start with 0 are none in YAML here. */
static err_t percent_of(double *ret, const char *name, const json_t *v, struct err_detail *detail)
{
	char buf[LETTERS_MAX], *end = NULL;

	if (json_is_string(v) && *json_string_value(v))
		*ret = strtod(json_string_value(v), &end);
	else
		*ret = json_number_value(v);
	if ((end ? !*end : json_is_number(v)) && *ret >= 0 && *ret <= 100)
		return ERR_OK;
	return err_set(detail, ERR_INVALID, name, "must be a share in per cent, from 0 to 100, not '%s'",
		       shown(v, buf));
}

/* An id or a number without quotes becomes a text in its place. */
static const char *text_at(json_t *object, const char *key)
{
	const json_t *v = json_object_get(object, key);

	if (json_is_integer(v))
		json_object_set_new(object, key, json_sprintf("%" JSON_INTEGER_FORMAT, json_integer_value(v)));
	return json_string_value(json_object_get(object, key));
}

static err_t field_of(const struct field *f, const char *name, json_t *object, const char *key, void *out,
		      struct err_detail *detail)
{
	void *at = (char *)out + f->offset;
	json_t *v = json_object_get(object, key);

	switch (f->kind) {
	case TEXT:
		*(const char **)at = text_at(object, key);
		return str_empty(*(const char **)at) ? err_set(detail, ERR_INVALID, name, "must be text") : ERR_OK;
	case COUNT:
		return count_of(at, f, name, v, detail);
	case SPAN:
		return span_of(at, f, name, v, detail);
	case MOMENT:
		return moment_of(at, name, v, detail);
	case PERCENT:
		return percent_of(at, name, v, detail);
	case LIST:
		if (!json_is_array(v) || !json_array_size(v))
			return err_set(detail, ERR_INVALID, name, "must be a list of one at least");
		break;
	case MAPPING:
		if (!json_is_object(v))
			return err_set(detail, ERR_INVALID, name, "must be a mapping, of names to values");
		break;
	}
	if (f->offset)
		*(json_t **)at = v;
	return ERR_OK;
}

/* ---- all fields of a mapping ---- */

/* Is key one of the fields, or the first part of one? section NULL: key is at the top. */
static bool known(const struct field *fields, const char *section, const char *key)
{
	char path[FIELD_MAX];
	size_t n = (size_t)snprintf(path, sizeof(path), "%s%s%.60s", section ? section : "", section ? "." : "", key);

	for (; fields->path; fields++)
		if (strncmp(fields->path, path, n) == 0 && (!fields->path[n] || (!section && fields->path[n] == '.')))
			return true;
	return false;
}

static err_t only_known(const struct field *fields, const char *prefix, const char *section, const json_t *object,
			struct err_detail *detail)
{
	char name[FIELD_MAX];
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)object, key, v)
	{
		if (known(fields, section, key))
			continue;
		snprintf(name, sizeof(name), "%s%s%s%.60s", prefix, section ? section : "", section ? "." : "", key);
		return err_set(detail, ERR_INVALID, name, "there is no such field: docs/onboarding.md has them all");
	}
	return ERR_OK;
}

/* prefix: "acceptance[0]." */
static err_t read_fields(const struct field *fields, const char *prefix, json_t *object, void *out,
			 struct err_detail *detail)
{
	err_t e = only_known(fields, prefix, NULL, object, detail);

	for (const struct field *f = fields; !e && f->path; f++) {
		const char *dot = strchr(f->path, '.'), *key = dot ? dot + 1 : f->path;
		char section[FIELD_MAX], name[FIELD_MAX];
		json_t *in = object;

		snprintf(name, sizeof(name), "%s%s", prefix, f->path);
		if (dot) {
			snprintf(section, sizeof(section), "%.*s", (int)(dot - f->path), f->path);
			in = json_object_get(object, section);
			e = only_known(fields, prefix, section, in, detail);
		}
		if (!e && json_object_get(in, key))
			e = field_of(f, name, in, key, out, detail);
		else if (!e && f->required)
			e = err_set(detail, ERR_INVALID, name, "must be given");
	}
	return e;
}

/* ---- what belongs together ---- */
static bool has(const struct onboard_plan *plan, const char *noun, const char *id)
{
	for (size_t i = 0; i < plan->resources.n; i++) {
		const struct apply_item *it = &plan->resources.items[i];

		if (strcmp(it->resource->noun, noun) == 0 && str_eq(apply_id(it), id))
			return true;
	}
	return false;
}

static err_t check_there(const struct onboard_plan *plan, const char *name, const char *noun, const char *id,
			 struct err_detail *detail)
{
	return !id || has(plan, noun, id)
		   ? ERR_OK
		   : err_set(detail, ERR_INVALID, name, "there is no %s '%s' among the resources", noun, id);
}

static err_t check_disposition(const struct onboard_call *c, const char *name, struct err_detail *detail)
{
	static const char *const words[] = { "answered", "abandoned", "ivr", "refused", "failed" };

	for (size_t i = 0; c->disposition && i < ARRAY_SIZE(words); i++)
		if (strcmp(words[i], c->disposition) == 0)
			return ERR_OK;
	return c->disposition ? err_set(detail, ERR_INVALID, name,
					"must be answered, abandoned, ivr, refused or failed, not '%s'", c->disposition)
			      : ERR_OK;
}

/* prefix: "acceptance[0]." */
static err_t check_call(const struct onboard_plan *plan, const struct onboard_call *c, const char *prefix,
			struct err_detail *detail)
{
	const char *const ids[] = { c->number, c->queue, c->agent };
	static const char *const nouns[] = { ERR_TEXT("number"), ERR_TEXT("queue"), ERR_TEXT("agent") },
				 *const keys[] = { "call", "queue", "agent" };
	char name[FIELD_MAX];
	err_t e = ERR_OK;

	snprintf(name, sizeof(name), "%.39scall", prefix);
	if (!c->queue && !c->agent && !c->answered_within_ms && !c->disposition && !c->cause)
		return err_set(detail, ERR_INVALID, name,
			       "must have beside it what is to happen: queue, agent, answered_within, disposition or "
			       "cause");
	for (size_t i = 0; !e && i < ARRAY_SIZE(ids); i++) {
		snprintf(name, sizeof(name), "%.39s%s", prefix, keys[i]);
		e = check_there(plan, name, nouns[i], ids[i], detail);
	}
	snprintf(name, sizeof(name), "%.39sdisposition", prefix);
	return e ? e : check_disposition(c, name, detail);
}

static err_t read_calls(struct onboard_plan *plan, struct err_detail *detail)
{
	json_t *list = json_object_get(plan->json, "acceptance"), *v;
	char prefix[PREFIX_MAX];
	err_t e = ERR_OK;
	size_t i;

	plan->calls = mem_array(json_array_size(list), sizeof(*plan->calls));
	if (!plan->calls)
		return ERR_EXHAUSTED;
	plan->n_calls = json_array_size(list);
	memset(plan->calls, 0, plan->n_calls * sizeof(*plan->calls));
	json_array_foreach(list, i, v)
	{
		snprintf(prefix, sizeof(prefix), "acceptance[%zu].", i);
		if (!e)
			e = read_fields(call_fields, prefix, v, &plan->calls[i], detail);
		if (!e)
			e = check_call(plan, &plan->calls[i], prefix, detail);
	}
	return e;
}

static err_t check_numbers(struct onboard_plan *plan, struct err_detail *detail)
{
	char name[FIELD_MAX];
	err_t e = ERR_OK;
	size_t i;
	json_t *v;

	json_array_foreach(plan->numbers, i, v)
	{
		snprintf(name, sizeof(name), "requirement.numbers[%zu]", i);
		if (!e && !json_is_string(v))
			e = err_set(detail, ERR_INVALID, name, "must be text");
		if (!e)
			e = check_there(plan, name, "number", json_string_value(v), detail);
	}
	return e;
}

static err_t check_languages(const struct onboard_plan *plan, struct err_detail *detail)
{
	enum text_language l;
	char name[FIELD_MAX];
	size_t i;
	json_t *v;

	json_array_foreach(plan->languages, i, v)
	{
		const char *tag = json_is_string(v) ? json_string_value(v) : "";

		snprintf(name, sizeof(name), "requirement.languages[%zu]", i);
		if (!text_language_of(tag, &l))
			return err_set(detail, ERR_INVALID, name,
				       "'%.35s' is none of the languages: en, zh-Hans, zh-Hant", tag);
	}
	return ERR_OK;
}

/* A queue with no more agents than its load grows without end. */
static err_t check_agents(const struct onboard_plan *plan, struct err_detail *detail)
{
	double load = onboard_plan_load(plan);

	if ((double)plan->agents > load)
		return ERR_OK;
	return err_set(detail, ERR_INVALID, "requirement.agents",
		       "must be at least %ld: so many are busy all the time with the calls of the busy hour",
		       (long)load + 1);
}

static err_t check_trial(const struct onboard_trial *t, struct err_detail *detail)
{
	if (t->to_ms <= t->from_ms)
		return err_set(detail, ERR_INVALID, "trial.to", "must be after trial.from");
	if (t->to_ms - t->from_ms > 400 * DAY_MS)
		return err_set(detail, ERR_INVALID, "trial.to", "must be within 400 days from trial.from");
	return ERR_OK;
}

static err_t check_quotas(const struct onboard_plan *plan, struct err_detail *detail)
{
	const ProtobufCMessageDescriptor *tenant = catalog_message_of(catalog_resource("tenant"));
	const ProtobufCMessageDescriptor *quotas =
	    protobuf_c_message_descriptor_get_field_by_name(tenant, "quotas")->descriptor;
	const json_t *const both[] = { plan->trial_quotas, plan->production_quotas };
	static const char *const names[] = { "quotas.trial", "quotas.production" };
	char name[FIELD_MAX];
	const char *key;
	json_t *v;

	for (size_t i = 0; i < ARRAY_SIZE(both); i++) {
		json_object_foreach((json_t *)both[i], key, v)
		{
			snprintf(name, sizeof(name), "%s.%.60s", names[i], key);
			if (!protobuf_c_message_descriptor_get_field_by_name(quotas, key))
				return err_set(detail, ERR_INVALID, name, "there is no such quota");
			if (!json_is_integer(v) || json_integer_value(v) < 0)
				return err_set(detail, ERR_INVALID, name, "must be a whole number; 0 is no limit");
		}
	}
	if (onboard_quotas_equal(both[0], both[1]))
		return err_set(detail, ERR_INVALID, "quotas.production",
			       "must differ from quotas.trial: going live is this change");
	return ERR_OK;
}

/* ---- resources ---- */
static err_t check_resource(const struct apply_item *it, bool first, struct err_detail *detail)
{
	bool tenant = strcmp(it->resource->noun, "tenant") == 0;

	if (tenant != first)
		return err_set(detail, ERR_INVALID, "resources", "must have one tenant, and not more than one");
	if (tenant && json_object_get(it->json, "quotas"))
		return err_set(detail, ERR_INVALID, "resources",
			       "the tenant's quotas must be left out: quotas.trial and quotas.production have them");
	if (json_object_get(it->json, "tenant"))
		return err_set(detail, ERR_INVALID, "resources",
			       "'tenant' must be left out of item %zu: all of a plan is one tenant's", it->at + 1);
	return apply_check(it, detail);
}

static err_t read_resources(struct onboard_plan *plan, struct err_detail *detail)
{
	err_t e = apply_collect(&plan->resources, json_object_get(plan->json, "resources"), detail);

	for (size_t i = 0; !e && i < plan->resources.n; i++)
		e = check_resource(&plan->resources.items[i], i == 0, detail);
	if (!e)
		plan->tenant = json_string_value(json_object_get(plan->resources.items[0].json, "id"));
	if (!e && (!plan->tenant || !str_is_id(plan->tenant)))
		e = err_set(detail, ERR_INVALID, "resources", "the tenant must have an id of a-z, 0-9 and '-'");
	return e;
}

err_t onboard_plan_init(struct onboard_plan *plan, json_t *json, const char *file, struct err_detail *detail)
{
	err_t e;

	*plan = (struct onboard_plan){ .resources.file = file };
	if (!json_is_object(json))
		return err_set(detail, ERR_INVALID, file, "must be one mapping: docs/onboarding.md has its fields");
	plan->json = json_incref(json);
	e = read_fields(plan_fields, "", json, plan, detail);
	if (!e)
		e = read_resources(plan, detail);
	if (!e)
		e = check_numbers(plan, detail);
	if (!e)
		e = check_languages(plan, detail);
	if (!e)
		e = check_agents(plan, detail);
	if (!e)
		e = read_calls(plan, detail);
	if (!e)
		e = check_trial(&plan->trial, detail);
	if (!e)
		e = check_quotas(plan, detail);
	if (e)
		onboard_plan_done(plan);
	return e;
}

void onboard_plan_done(struct onboard_plan *plan)
{
	mem_free(plan->calls);
	mem_free(plan->resources.items);
	json_decref(plan->json);
	*plan = (struct onboard_plan){ 0 };
}

int64_t onboard_plan_count(const struct onboard_plan *plan, const char *noun)
{
	int64_t n = 0;

	for (size_t i = 0; i < plan->resources.n; i++)
		n += strcmp(plan->resources.items[i].resource->noun, noun) == 0;
	return n;
}

double onboard_plan_load(const struct onboard_plan *plan)
{
	return (double)plan->busy_hour_calls * (double)plan->handle_time_ms / HOUR_MS;
}

static bool covers(const json_t *a, const json_t *b)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)a, key, v)
	{
		if (show_number(v) != show_number(json_object_get(b, key)))
			return false;
	}
	return true;
}

bool onboard_quotas_equal(const json_t *a, const json_t *b)
{
	return covers(a, b) && covers(b, a);
}
