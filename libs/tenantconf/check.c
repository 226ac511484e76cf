#include "check_internal.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/str.h"
#include "tenantconf/tz.h"
#include "text/text.h"

#define DAY_MS	       (24 * 3600 * 1000LL)
#define COUNT_MAX      1000000 /* of quotas */
#define RATE_MAX       100000
#define SKILLS_MAX     100
#define NAME_MAX_BYTES 200

err_t check_bad(struct err_detail *detail, const char *message, const char *path_fmt, ...)
{
	char path[sizeof(detail->field)];
	va_list ap;

	va_start(ap, path_fmt);
	vsnprintf(path, sizeof(path), path_fmt, ap);
	va_end(ap);
	return err_set(detail, ERR_INVALID, path, "%s", message);
}

void check_prefix(struct err_detail *detail, const char *fmt, ...)
{
	char path[sizeof(detail->field)], rest[sizeof(detail->field)];
	va_list ap;

	if (!detail)
		return;
	va_start(ap, fmt);
	vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	(void)str_copy(rest, sizeof(rest), detail->field);
	size_t n = strlen(path);
	(void)str_copy(path + n, sizeof(path) - n, rest);
	(void)str_copy(detail->field, sizeof(detail->field), path);
}

err_t check_id(const char *id, const char *field, struct err_detail *detail)
{
	if (str_is_id(id))
		return ERR_OK;
	return err_set(detail, ERR_INVALID, field, "'%.70s' is no id: 1 to 63 of a-z, 0-9 and '-', not '-' first", id);
}

err_t check_display_name(const char *text, const char *field, struct err_detail *detail)
{
	if (strlen(text) > NAME_MAX_BYTES)
		return err_set(detail, ERR_INVALID, field, "%zu bytes long; at most %d", strlen(text), NAME_MAX_BYTES);
	for (const char *p = text; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return err_set(detail, ERR_INVALID, field, "has a control character");
	}
	return ERR_OK;
}

err_t check_time_zone(const char *name, const char *field, struct err_detail *detail)
{
	const struct tz *zone;
	struct err_detail d = { 0 };
	err_t e = tz_get(&zone, name, &d);

	return e == ERR_INVALID ? err_set(detail, e, field, "'%.70s': %s", name, d.message) : e;
}

err_t check_language(const char *tag, const char *field, struct err_detail *detail)
{
	enum text_language l;

	if (!*tag || text_language_of(tag, &l))
		return ERR_OK;
	return err_set(detail, ERR_INVALID, field, "'%.35s' is none of the languages: en, zh-Hans, zh-Hant", tag);
}

err_t check_domain(const char *domain, const char *field, struct err_detail *detail)
{
	size_t n = strlen(domain);
	char previous = '.';

	for (size_t i = 0; i <= n; i++) {
		char c = domain[i];
		bool edge = c == '.' || c == '\0';

		if (n > 253 || (edge && (previous == '.' || previous == '-')) || (c == '-' && previous == '.') ||
		    (!edge && c != '-' && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9')))
			return err_set(detail, ERR_INVALID, field,
				       "'%.70s' is no domain name in lower case, such as acme.example.net", domain);
		previous = c;
	}
	return ERR_OK;
}

err_t check_number(const char *number, const char *field, struct err_detail *detail)
{
	const char *digits = number + (number[0] == '+');
	size_t n = strlen(digits);

	if (n >= 1 && n <= 32 && strspn(digits, "0123456789*#") == n)
		return ERR_OK;
	return err_set(detail, ERR_INVALID, field,
		       "'%.70s' is no number: 1 to 32 of 0-9, '*' and '#', '+' may stand first", number);
}

static err_t check_range(int64_t v, int64_t min, int64_t max, const char *field, struct err_detail *d)
{
	if (v >= min && v <= max)
		return ERR_OK;
	return err_set(d, ERR_INVALID, field, "%lld is not within %lld and %lld", (long long)v, (long long)min,
		       (long long)max);
}

/* 0 (the default) or within the range. */
static err_t check_range0(int64_t v, int64_t min, int64_t max, const char *field, struct err_detail *d)
{
	return v == 0 ? ERR_OK : check_range(v, min, max, field, d);
}

static bool is_hex(const char *text, size_t n)
{
	return strlen(text) == n && strspn(text, "0123456789abcdef") == n;
}

static err_t check_ha1(const char *md5, const char *sha256, bool wanted, struct err_detail *d)
{
	bool none = str_empty(md5) && str_empty(sha256);

	if (none && !wanted)
		return ERR_OK;
	if (!is_hex(md5, 32))
		return err_set(d, ERR_INVALID, "ha1_md5", "not 32 hex digits in lower case");
	if (!is_hex(sha256, 64))
		return err_set(d, ERR_INVALID, "ha1_sha256", "not 64 hex digits in lower case");
	return ERR_OK;
}

static err_t check_skills(Trunkline__Config__V1__SkillLevel *const *skills, size_t n, struct err_detail *d)
{
	if (n > SKILLS_MAX)
		return err_set(d, ERR_INVALID, "skills", "%zu of them; at most %d", n, SKILLS_MAX);
	for (size_t i = 0; i < n; i++) {
		err_t e = check_id(skills[i]->skill_id, "skill_id", d);

		if (!e)
			e = check_range(skills[i]->level, 1, 10, "level", d);
		for (size_t j = 0; !e && j < i; j++) {
			if (strcmp(skills[i]->skill_id, skills[j]->skill_id) == 0)
				e = err_set(d, ERR_INVALID, "skill_id", "'%s' is there twice", skills[i]->skill_id);
		}
		if (e) {
			check_prefix(d, "skills[%zu].", i);
			return e;
		}
	}
	return ERR_OK;
}

err_t check_named(const char *id, const char *display_name, struct err_detail *d)
{
	err_t e = check_id(id, "id", d);

	return e ? e : check_display_name(display_name, "display_name", d);
}

static err_t check_queue(const Trunkline__Config__V1__Queue *q, struct err_detail *d)
{
	err_t e = check_named(q->id, q->display_name, d);

	if (!e)
		e = check_skills(q->skills, q->n_skills, d);
	if (!e)
		e = check_range(q->priority, 0, 10, "priority", d);
	if (!e)
		e = check_range0(q->max_wait_ms, 1000, DAY_MS, "max_wait_ms", d);
	if (!e)
		e = check_range(q->max_waiting, 0, 1000000, "max_waiting", d);
	if (!e)
		e = check_range0(q->ring_timeout_ms, 1000, 600000, "ring_timeout_ms", d);
	if (!e)
		e = check_range(q->wrap_up_ms, 0, DAY_MS, "wrap_up_ms", d);
	if (!e)
		e = check_range0(q->service_level_ms, 1000, 3600000, "service_level_ms", d);
	return e;
}

static err_t check_agent(const Trunkline__Config__V1__Agent *a, struct err_detail *d)
{
	err_t e = check_id(a->tenant, "tenant", d);

	if (!e)
		e = check_named(a->id, a->display_name, d);
	if (!e)
		e = check_skills(a->skills, a->n_skills, d);
	if (!e)
		e = check_agent_roles(a, d);
	return e ? e : check_ha1(a->ha1_md5, a->ha1_sha256, false, d);
}

static err_t check_skill(const Trunkline__Config__V1__Skill *s, struct err_detail *d)
{
	return check_named(s->id, s->display_name, d);
}

static err_t check_prompt(const Trunkline__Config__V1__Prompt *p, struct err_detail *d)
{
	err_t e = check_named(p->id, p->display_name, d);

	if (e)
		return e;
	if (!is_hex(p->sha256, 64))
		return err_set(d, ERR_INVALID, "sha256", "not 64 hex digits in lower case");
	e = check_range((int64_t)p->size_bytes, 2, 64 << 20, "size_bytes", d);
	return e ? e : check_range(p->duration_ms, 0, DAY_MS, "duration_ms", d);
}

static err_t check_calendar(const Trunkline__Config__V1__Calendar *c, struct err_detail *d)
{
	err_t e = check_named(c->id, c->display_name, d);
	int32_t days;

	if (!e && !str_empty(c->time_zone))
		e = check_time_zone(c->time_zone, "time_zone", d);
	if (!e && c->n_hours > 200)
		e = err_set(d, ERR_INVALID, "hours", "%zu of them; at most 200", c->n_hours);
	if (!e && c->n_holidays > 2000)
		e = err_set(d, ERR_INVALID, "holidays", "%zu of them; at most 2000", c->n_holidays);
	for (size_t i = 0; !e && i < c->n_hours; i++) {
		const Trunkline__Config__V1__WorkingHours *h = c->hours[i];

		if (h->weekday < 1 || h->weekday > 7)
			e = check_bad(d, "1 (Monday) to 7 (Sunday)", "hours[%zu].weekday", i);
		else if (h->to_minute > 1440 || h->from_minute >= h->to_minute)
			e = check_bad(d, "after from_minute and at most 1440", "hours[%zu].to_minute", i);
	}
	for (size_t i = 0; !e && i < c->n_holidays; i++) {
		if (!calendar_parse_date(c->holidays[i], &days))
			e = check_bad(d, "a date such as 2026-12-25", "holidays[%zu]", i);
	}
	return e;
}

static err_t check_target(const Trunkline__Config__V1__Target *t, bool wanted, const char *field, const char *why,
			  struct err_detail *d)
{
	err_t e = ERR_OK;

	if (!t || t->to_case == TRUNKLINE__CONFIG__V1__TARGET__TO__NOT_SET)
		return wanted ? err_set(d, ERR_INVALID, field, "missing: %s", why) : ERR_OK;
	switch (t->to_case) {
	case TRUNKLINE__CONFIG__V1__TARGET__TO_FLOW_ID:
		e = check_id(t->flow_id, ".flow_id", d);
		break;
	case TRUNKLINE__CONFIG__V1__TARGET__TO_QUEUE_ID:
		e = check_id(t->queue_id, ".queue_id", d);
		break;
	case TRUNKLINE__CONFIG__V1__TARGET__TO_AGENT_ID:
		e = check_id(t->agent_id, ".agent_id", d);
		break;
	default:
		e = check_range(t->reject_status, 400, 699, ".reject_status", d);
	}
	if (e)
		check_prefix(d, "%s", field);
	return e;
}

static err_t check_number_resource(const Trunkline__Config__V1__Number *n, struct err_detail *d)
{
	err_t e = check_number(n->number, "number", d);

	if (!e)
		e = check_display_name(n->display_name, "display_name", d);
	if (!e && !str_empty(n->calendar_id))
		e = check_id(n->calendar_id, "calendar_id", d);
	if (!e)
		e = check_target(n->working, true, "working", "where a call goes in working hours", d);
	if (!e)
		e = check_target(n->other, !str_empty(n->calendar_id), "other",
				 "where a call goes outside the calendar's hours", d);
	return e ? e : check_target(n->forced, n->force, "forced", "force is set", d);
}

static err_t check_quotas(const Trunkline__Config__V1__Quotas *q, struct err_detail *d)
{
	const struct {
		const char *field;
		uint64_t value;
		int64_t max;
	} rows[] = {
		{ "queues", q->queues, COUNT_MAX },
		{ "flows", q->flows, COUNT_MAX },
		{ "agents", q->agents, COUNT_MAX },
		{ "numbers", q->numbers, COUNT_MAX },
		{ "prompts", q->prompts, COUNT_MAX },
		{ "prompt_bytes", q->prompt_bytes, 1LL << 40 },
		{ "agents_signed_in", q->agents_signed_in, COUNT_MAX },
		{ "api_requests_per_s", q->api_requests_per_s, RATE_MAX },
		{ "inbound_calls", q->inbound_calls, 10LL * COUNT_MAX },
		{ "calls_per_s", q->calls_per_s, RATE_MAX },
		{ "recording_bytes", q->recording_bytes, 1LL << 50 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].value > (uint64_t)rows[i].max)
			return err_set(d, ERR_INVALID, rows[i].field,
				       "%llu is more than %lld, the highest limit; 0 is none",
				       (unsigned long long)rows[i].value, (long long)rows[i].max);
	}
	return ERR_OK;
}

typedef err_t check_fn(const void *msg, struct err_detail *d);
static const struct {
	const ProtobufCMessageDescriptor *desc;
	check_fn *fn;
} checks[] = {
#define CHECK(type, fn)                                                                \
	{                                                                              \
		&trunkline__config__v1__##type##__descriptor, (check_fn *)(void *)(fn) \
	}
	CHECK(number, check_number_resource),
	CHECK(trunk, check_trunk),
	CHECK(calendar, check_calendar),
	CHECK(skill, check_skill),
	CHECK(queue, check_queue),
	CHECK(prompt, check_prompt),
	CHECK(flow, check_flow),
	CHECK(agent, check_agent),
	CHECK(role, check_role),
	CHECK(quotas, check_quotas),
};

err_t check_resource(const ProtobufCMessage *resource, struct err_detail *detail)
{
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		if (checks[i].desc == resource->descriptor)
			return checks[i].fn(resource, detail);
	}
	return err_set(detail, ERR_INTERNAL, "", "%s is no resource", resource->descriptor->name);
}
