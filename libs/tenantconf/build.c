/*
 * Bytes → snapshot: unpack with limits, check each resource by its own rules, build the lists in the order of their
 * references (prompts before queues before flows before numbers), and check that what they refer to is there.
 */
#include "tenant_internal.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/placement.h"
#include "base/str.h"
#include "check_internal.h"
#include "pbcheck/pbcheck.h"
#include "pbcheck/pbwire.h"
#include "tenantconf/tenantconf.h"
#include "tenantconf/tz.h"

struct build {
	struct tenant_snapshot *s;
	const Trunkline__Config__V1__TenantConfig *pb;
	struct err_detail *detail;
	bool failed; /* out of memory: checked after each list */
};

static const char *text(struct build *b, const char *value)
{
	char *copy = arena_strdup(&b->s->arena, value);

	b->failed = b->failed || !copy;
	return copy ? copy : "";
}

static void *list(struct build *b, size_t n, size_t size)
{
	void *p = n < SIZE_MAX / 2 / size ? arena_alloc(&b->s->arena, (n + 1) * size) : NULL;

	b->failed = b->failed || !p;
	return p;
}

/* ---- references ---- */

static err_t ref_exists(enum check_kind kind, const char *id, const char *path, void *arg)
{
	struct build *b = arg;
	const struct index *ix[] = {
		[CHECK_CALENDAR] = &b->s->calendars, [CHECK_FLOW] = &b->s->flows,     [CHECK_QUEUE] = &b->s->queues,
		[CHECK_AGENT] = NULL,		     [CHECK_PROMPT] = &b->s->prompts, [CHECK_SKILL] = &b->s->skills,
		[CHECK_ROLE] = NULL,
	};

	/* Agents are entries of their own: whoever needs one looks when it needs it. Roles are not published. */
	if (!ix[kind] || index_find(ix[kind], id) != INDEX_NONE)
		return ERR_OK;
	return err_set(b->detail, ERR_INVALID, path, "there is no %s '%s'", check_kind_name(kind), id);
}

/* The resource's own rules and its references, with "queues[3]." before the field. */
static err_t check_one(struct build *b, const ProtobufCMessage *pb, const char *name, size_t i)
{
	err_t e = check_resource(pb, b->detail);

	if (!e)
		e = check_refs(pb, ref_exists, b);
	if (e == ERR_INVALID)
		check_prefix(b->detail, "%s[%zu].", name, i);
	return e;
}

static err_t check_all(struct build *b, void *const *msgs, size_t n, const char *name)
{
	err_t e = ERR_OK;

	for (size_t i = 0; !e && i < n; i++)
		e = check_one(b, msgs[i], name, i);
	return e;
}

static err_t build_index(struct build *b, struct index *ix, const void *items, size_t stride, size_t n,
			 const char *name)
{
	size_t dup = 0;

	if (b->failed)
		return ERR_EXHAUSTED;
	err_t e = index_build(ix, &b->s->arena, items, stride, n, &dup);
	return e == ERR_EXISTS ? check_bad(b->detail, "is there twice", "%s[%zu]", name, dup) : e;
}

/* ---- the lists ---- */

static err_t build_skill_list(struct build *b)
{
	err_t e = check_all(b, (void *const *)b->pb->skills, b->pb->n_skills, "skills");
	struct tenant_skill *skills = list(b, b->pb->n_skills, sizeof(*skills));

	for (size_t i = 0; !e && skills && i < b->pb->n_skills; i++)
		skills[i] =
		    (struct tenant_skill){ text(b, b->pb->skills[i]->id), text(b, b->pb->skills[i]->display_name) };
	b->s->pub.skills = skills;
	b->s->pub.n_skills = b->pb->n_skills;
	return e ? e : build_index(b, &b->s->skills, skills, sizeof(*skills), b->pb->n_skills, "skills");
}

static err_t build_prompts(struct build *b)
{
	err_t e = check_all(b, (void *const *)b->pb->prompts, b->pb->n_prompts, "prompts");
	struct tenant_prompt *prompts = list(b, b->pb->n_prompts, sizeof(*prompts));

	for (size_t i = 0; !e && prompts && i < b->pb->n_prompts; i++) {
		const Trunkline__Config__V1__Prompt *pb = b->pb->prompts[i];

		prompts[i] = (struct tenant_prompt){ text(b, pb->id), text(b, pb->display_name), text(b, pb->sha256),
						     pb->size_bytes, pb->duration_ms };
	}
	b->s->pub.prompts = prompts;
	b->s->pub.n_prompts = b->pb->n_prompts;
	return e ? e : build_index(b, &b->s->prompts, prompts, sizeof(*prompts), b->pb->n_prompts, "prompts");
}

static int by_skill_id(const void *a, const void *b)
{
	return strcmp(((const struct tenant_skill_level *)a)->skill_id,
		      ((const struct tenant_skill_level *)b)->skill_id);
}

err_t build_skills(struct arena *a, Trunkline__Config__V1__SkillLevel *const *pb, size_t n,
		   const struct tenant_skill_level **ret)
{
	struct tenant_skill_level *levels = arena_alloc(a, (n + 1) * sizeof(*levels));

	if (!levels)
		return ERR_EXHAUSTED;
	for (size_t i = 0; i < n; i++) {
		levels[i].level = pb[i]->level;
		levels[i].skill_id = arena_strdup(a, pb[i]->skill_id);
		if (!levels[i].skill_id)
			return ERR_EXHAUSTED;
	}
	qsort(levels, n, sizeof(*levels), by_skill_id);
	*ret = levels;
	return ERR_OK;
}

static void build_queue(struct build *b, struct tenant_queue *q, const Trunkline__Config__V1__Queue *pb)
{
	const struct tenant *t = &b->s->pub;

	*q = (struct tenant_queue){
		.id = text(b, pb->id),
		.display_name = text(b, pb->display_name),
		.n_skills = pb->n_skills,
		.priority = pb->priority,
		.music = tenant_find_prompt(t, pb->music_prompt_id),
		.entry = tenant_find_prompt(t, pb->entry_prompt_id),
		.welcome = tenant_find_prompt(t, pb->welcome_prompt_id),
		.max_wait_ms = pb->max_wait_ms,
		.max_waiting = pb->max_waiting,
		.ring_timeout_ms = pb->ring_timeout_ms ? pb->ring_timeout_ms : 20000,
		.wrap_up_ms = pb->wrap_up_ms,
		.service_level_ms = pb->service_level_ms ? pb->service_level_ms : 20000,
		.record = pb->record,
		.answer_before_queue = pb->answer_before_queue,
	};
	if (build_skills(&b->s->arena, pb->skills, pb->n_skills, &q->skills))
		b->failed = true;
}

static err_t build_queues(struct build *b)
{
	err_t e = check_all(b, (void *const *)b->pb->queues, b->pb->n_queues, "queues");
	struct tenant_queue *queues = list(b, b->pb->n_queues, sizeof(*queues));

	for (size_t i = 0; !e && queues && i < b->pb->n_queues; i++)
		build_queue(b, &queues[i], b->pb->queues[i]);
	b->s->pub.queues = queues;
	b->s->pub.n_queues = b->pb->n_queues;
	return e ? e : build_index(b, &b->s->queues, queues, sizeof(*queues), b->pb->n_queues, "queues");
}

static int by_day(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

	return (x > y) - (x < y);
}

static err_t build_calendar(struct build *b, struct calendar *c, const Trunkline__Config__V1__Calendar *pb)
{
	struct calendar_hours *hours = list(b, pb->n_hours, sizeof(*hours));
	int32_t *days = list(b, pb->n_holidays, sizeof(*days));

	if (!hours || !days)
		return ERR_EXHAUSTED;
	for (size_t i = 0; i < pb->n_hours; i++)
		hours[i] = (struct calendar_hours){ pb->hours[i]->weekday, pb->hours[i]->from_minute,
						    pb->hours[i]->to_minute };
	for (size_t i = 0; i < pb->n_holidays; i++) {
		if (!calendar_parse_date(pb->holidays[i], &days[i]))
			return ERR_INTERNAL; /* it has been checked */
	}
	qsort(days, pb->n_holidays, sizeof(*days), by_day);
	*c = (struct calendar){ .id = text(b, pb->id),
				.display_name = text(b, pb->display_name),
				.n_hours = pb->n_hours,
				.hours = hours,
				.n_holidays = pb->n_holidays,
				.holidays = days };
	return tz_get(&c->zone, str_empty(pb->time_zone) ? b->s->pub.time_zone : pb->time_zone, b->detail);
}

static err_t build_calendars(struct build *b)
{
	err_t e = check_all(b, (void *const *)b->pb->calendars, b->pb->n_calendars, "calendars");
	struct calendar *calendars = list(b, b->pb->n_calendars, sizeof(*calendars));

	for (size_t i = 0; !e && calendars && i < b->pb->n_calendars; i++)
		e = build_calendar(b, &calendars[i], b->pb->calendars[i]);
	b->s->pub.calendars = calendars;
	b->s->pub.n_calendars = b->pb->n_calendars;
	return e ? e : build_index(b, &b->s->calendars, calendars, sizeof(*calendars), b->pb->n_calendars, "calendars");
}

static err_t build_flows(struct build *b)
{
	err_t e = check_all(b, (void *const *)b->pb->flows, b->pb->n_flows, "flows");
	struct flow *flows = list(b, b->pb->n_flows, sizeof(*flows));

	for (size_t i = 0; !e && flows && i < b->pb->n_flows; i++)
		e = build_flow(b->s, &flows[i], b->pb->flows[i]);
	b->s->pub.flows = flows;
	b->s->pub.n_flows = b->pb->n_flows;
	return e ? e : build_index(b, &b->s->flows, flows, sizeof(*flows), b->pb->n_flows, "flows");
}

static err_t build_trunk(struct build *b, struct tenant_trunk *t, const Trunkline__Config__V1__Trunk *pb)
{
	struct tenant_prefix *addresses = list(b, pb->n_addresses, sizeof(*addresses));

	if (!addresses)
		return ERR_EXHAUSTED;
	for (size_t i = 0; i < pb->n_addresses; i++) {
		if (!check_parse_prefix(pb->addresses[i], &addresses[i]))
			return ERR_INTERNAL; /* it has been checked */
	}
	*t = (struct tenant_trunk){ .id = text(b, pb->id),
				    .display_name = text(b, pb->display_name),
				    .n_addresses = pb->n_addresses,
				    .addresses = addresses,
				    .username = text(b, pb->username),
				    .ha1_md5 = text(b, pb->ha1_md5),
				    .ha1_sha256 = text(b, pb->ha1_sha256),
				    .host = text(b, pb->host),
				    .max_calls = pb->max_calls };
	return ERR_OK;
}

/* The digest user says which trunk it is. */
static err_t check_usernames(struct build *b)
{
	const struct tenant *t = &b->s->pub;

	for (size_t i = 0; i < t->n_trunks; i++) {
		const struct tenant_trunk *other = tenant_find_trunk_by_user(t, t->trunks[i].username);

		if (other && other != &t->trunks[i])
			return check_bad(b->detail, "another trunk has this username", "trunks[%zu].username", i);
	}
	return ERR_OK;
}

static err_t build_trunks(struct build *b)
{
	err_t e = check_all(b, (void *const *)b->pb->trunks, b->pb->n_trunks, "trunks");
	struct tenant_trunk *trunks = list(b, b->pb->n_trunks, sizeof(*trunks));

	for (size_t i = 0; !e && trunks && i < b->pb->n_trunks; i++)
		e = build_trunk(b, &trunks[i], b->pb->trunks[i]);
	if (!e)
		e = build_index(b, &b->s->trunks, trunks, sizeof(*trunks), b->pb->n_trunks, "trunks");
	if (e)
		return e;
	b->s->pub.trunks = trunks;
	b->s->pub.n_trunks = b->pb->n_trunks;
	return check_usernames(b);
}

static struct tenant_target target(struct build *b, const Trunkline__Config__V1__Target *pb)
{
	const struct tenant *t = &b->s->pub;

	switch (pb ? pb->to_case : TRUNKLINE__CONFIG__V1__TARGET__TO__NOT_SET) {
	case TRUNKLINE__CONFIG__V1__TARGET__TO_FLOW_ID:
		return (struct tenant_target){ .kind = TENANT_TARGET_FLOW, .flow = tenant_find_flow(t, pb->flow_id) };
	case TRUNKLINE__CONFIG__V1__TARGET__TO_QUEUE_ID:
		return (struct tenant_target){ .kind = TENANT_TARGET_QUEUE,
					       .queue = tenant_find_queue(t, pb->queue_id) };
	case TRUNKLINE__CONFIG__V1__TARGET__TO_AGENT_ID:
		return (struct tenant_target){ .kind = TENANT_TARGET_AGENT, .agent_id = text(b, pb->agent_id) };
	case TRUNKLINE__CONFIG__V1__TARGET__TO_REJECT_STATUS:
		return (struct tenant_target){ .kind = TENANT_TARGET_REJECT, .reject_status = pb->reject_status };
	default:
		return (struct tenant_target){ .kind = TENANT_TARGET_REJECT, .reject_status = 480 };
	}
}

static err_t build_numbers(struct build *b)
{
	err_t e = check_all(b, (void *const *)b->pb->numbers, b->pb->n_numbers, "numbers");
	struct tenant_number *numbers = list(b, b->pb->n_numbers, sizeof(*numbers));
	struct tenant_number_key *keys = list(b, b->pb->n_numbers, sizeof(*keys));

	for (size_t i = 0; !e && numbers && keys && i < b->pb->n_numbers; i++) {
		const Trunkline__Config__V1__Number *pb = b->pb->numbers[i];

		numbers[i] = (struct tenant_number){ .number = text(b, pb->number),
						     .display_name = text(b, pb->display_name),
						     .calendar = tenant_find_calendar(&b->s->pub, pb->calendar_id),
						     .working = target(b, pb->working),
						     .other = target(b, pb->other),
						     .forced = target(b, pb->forced),
						     .force = pb->force };
		keys[i].digits = numbers[i].number + (numbers[i].number[0] == '+');
	}
	b->s->pub.numbers = numbers;
	b->s->pub.n_numbers = b->pb->n_numbers;
	return e ? e : build_index(b, &b->s->numbers, keys, sizeof(*keys), b->pb->n_numbers, "numbers");
}

/* ---- the tenant ---- */

/* One step that plays the prompt; what follows is the end. */
static err_t build_announcement(struct build *b, const char *prompt_id)
{
	struct tenant *t = &b->s->pub;
	const struct tenant_prompt **prompt = list(b, 1, sizeof(const struct tenant_prompt *));
	struct flow_step *step = list(b, 1, sizeof(*step));
	struct flow *flow = list(b, 1, sizeof(*flow));

	if (!prompt || !step || !flow)
		return ERR_EXHAUSTED;
	*prompt = tenant_find_prompt(t, prompt_id);
	if (!*prompt)
		return err_set(b->detail, ERR_INVALID, "suspension.announcement_prompt_id", "there is no prompt '%s'",
			       prompt_id);
	*step = (struct flow_step){
		.id = "announcement", .kind = FLOW_PLAY, .next = FLOW_END, .play.prompts = { 1, prompt }
	};
	*flow = (struct flow){ .id = "(suspended)", .display_name = "", .n_steps = 1, .steps = step };
	t->announcement = flow;
	return ERR_OK;
}

static err_t build_suspension(struct build *b)
{
	const Trunkline__Config__V1__Suspension *pb = b->pb->suspension;

	if (!pb)
		return ERR_OK;
	b->s->pub.suspension_ends_calls = pb->end_calls;
	return str_empty(pb->announcement_prompt_id) ? ERR_OK : build_announcement(b, pb->announcement_prompt_id);
}

static err_t build_quotas(struct build *b)
{
	const Trunkline__Config__V1__Quotas *pb = b->pb->quotas;
	err_t e = pb ? check_resource(&pb->base, b->detail) : ERR_OK;

	if (e == ERR_INVALID)
		check_prefix(b->detail, "quotas.");
	if (e || !pb)
		return e;
	b->s->pub.quotas = (struct tenant_quotas){ .queues = pb->queues,
						   .flows = pb->flows,
						   .agents = pb->agents,
						   .numbers = pb->numbers,
						   .prompts = pb->prompts,
						   .prompt_bytes = pb->prompt_bytes,
						   .agents_signed_in = pb->agents_signed_in,
						   .api_requests_per_s = pb->api_requests_per_s,
						   .inbound_calls = pb->inbound_calls,
						   .calls_per_s = pb->calls_per_s,
						   .recording_bytes = pb->recording_bytes };
	return ERR_OK;
}

/* A field that a newer version knows is none of ours: it may be in none of our tables. */
static err_t build_sensitive(struct build *b)
{
	const Trunkline__Config__V1__TenantConfig *pb = b->pb;
	struct tenant_key *keys = list(b, pb->n_keys, sizeof(*keys));
	struct tenant *t = &b->s->pub;

	for (size_t i = 0; i < pb->n_sensitive_fields; i++)
		if (pb->sensitive_fields[i] > 0 && (int)pb->sensitive_fields[i] < TENANT_SENSITIVE_END)
			t->sensitive |= 1u << pb->sensitive_fields[i];
	for (size_t i = 0; keys && i < pb->n_keys; i++) {
		size_t size = pb->keys[i]->wrapped.len;
		const uint8_t *wrapped =
		    arena_dup(&b->s->arena, size ? (void *)pb->keys[i]->wrapped.data : "", size + !size);

		b->failed = b->failed || !wrapped;
		keys[i] = (struct tenant_key){ pb->keys[i]->version, size, wrapped };
	}
	t->keys = keys;
	t->n_keys = pb->n_keys;
	return b->failed ? ERR_EXHAUSTED : ERR_OK;
}

static err_t build_head(struct build *b)
{
	const Trunkline__Config__V1__TenantConfig *pb = b->pb;
	struct tenant *t = &b->s->pub;
	err_t e = check_id(pb->tenant, "tenant", b->detail);

	if (!e)
		e = check_display_name(pb->display_name, "display_name", b->detail);
	if (!e)
		e = check_time_zone(pb->time_zone, "time_zone", b->detail);
	if (!e)
		e = check_domain(pb->sip_domain, "sip_domain", b->detail);
	if (!e && !str_empty(pb->pool))
		e = check_id(pb->pool, "pool", b->detail);
	if (e)
		return e;
	t->id = text(b, pb->tenant);
	t->version = pb->version;
	t->display_name = text(b, pb->display_name);
	t->suspended = pb->suspended;
	t->time_zone = text(b, pb->time_zone);
	t->sip_domain = text(b, pb->sip_domain);
	t->language = text(b, pb->language);
	t->pool = text(b, placement_pool(pb->pool));
	return b->failed ? ERR_EXHAUSTED : ERR_OK;
}

static err_t build_all(struct build *b)
{
	static err_t (*const parts[])(struct build *) = { build_head,	    build_sensitive, build_quotas,
							  build_skill_list, build_prompts,   build_queues,
							  build_calendars,  build_flows,     build_trunks,
							  build_numbers,    build_suspension };
	err_t e = ERR_OK;

	for (size_t i = 0; !e && i < ARRAY_SIZE(parts); i++)
		e = parts[i](b);
	return e ? e : b->failed ? ERR_EXHAUSTED : ERR_OK;
}

#define RESOURCES_MAX 500000
#define FIELD_IDS     32

static err_t check_field(const ProtobufCFieldDescriptor *fd, const struct pbwire_field *f, unsigned *count,
			 struct err_detail *detail)
{
	if (!fd || f->type != PBWIRE_LEN)
		return ERR_OK;
	if (fd->type == PROTOBUF_C_TYPE_STRING && !str_utf8_valid(f->data, f->size))
		return err_set(detail, ERR_INVALID, fd->name, "must be valid UTF-8 without NUL");
	if (fd->type != PROTOBUF_C_TYPE_MESSAGE)
		return ERR_OK;
	err_t e = pbcheck(fd->descriptor, f->data, f->size, detail);
	if (e)
		check_prefix(detail, "%s[%u].", fd->name, *count);
	++*count;
	return e;
}

/* As pbcheck(), but its limits hold for each resource, not for all of them together: a tenant may have 10,000 queues. */
static err_t check_wire(const void *bytes, size_t size, struct err_detail *detail)
{
	struct pbwire w = pbwire_over(bytes, size);
	unsigned counts[FIELD_IDS] = { 0 };
	struct pbwire_field f;
	err_t e = ERR_OK;

	for (unsigned n = 0; !e && pbwire_next(&w, &f); n++) {
		if (n >= RESOURCES_MAX)
			return err_set(detail, ERR_INVALID, "", "more than %d resources", RESOURCES_MAX);
		e = check_field(
		    protobuf_c_message_descriptor_get_field(&trunkline__config__v1__tenant_config__descriptor, f.id),
		    &f, &counts[f.id % FIELD_IDS], detail);
	}
	return !e && w.broken ? err_set(detail, ERR_INVALID, "", "is not a protobuf message") : e;
}

static err_t unpack(ProtobufCMessage **ret, const void *bytes, size_t size, struct err_detail *detail)
{
	err_t e = check_wire(bytes, size, detail);

	if (e)
		return e;
	*ret = protobuf_c_message_unpack(&trunkline__config__v1__tenant_config__descriptor, NULL, size, bytes);
	return *ret ? ERR_OK : err_set(detail, ERR_INVALID, "", "is not a valid TenantConfig");
}

err_t tenantconf_tenant_from_pb(const struct tenant **ret, const void *bytes, size_t size, struct err_detail *detail)
{
	ProtobufCMessage *msg;
	struct build b = { .detail = detail };
	err_t e = unpack(&msg, bytes, size, detail);

	if (e)
		return e;
	b.pb = (const Trunkline__Config__V1__TenantConfig *)msg;
	b.s = mem_zalloc(sizeof(*b.s));
	e = b.s ? ERR_OK : ERR_EXHAUSTED;
	if (!e) {
		b.s->refs = 1;
		arena_init(&b.s->arena, 0);
		e = build_all(&b);
	}
	protobuf_c_message_free_unpacked(msg, NULL);
	const struct tenant *t = b.s ? &b.s->pub : NULL;
	if (e)
		tenant_unref(&t);
	else
		*ret = t;
	return e;
}

/* ---- agents ---- */

static err_t build_agent(struct tenant_agent_snapshot *s, const Trunkline__Config__V1__Agent *pb)
{
	struct arena *a = &s->arena;
	struct tenant_agent *ag = &s->pub;

	*ag = (struct tenant_agent){ .tenant = arena_strdup(a, pb->tenant),
				     .id = arena_strdup(a, pb->id),
				     .display_name = arena_strdup(a, pb->display_name),
				     .version = pb->version,
				     .enabled = pb->enabled,
				     .auto_ready_after_wrap_up = pb->auto_ready_after_wrap_up,
				     .language = arena_strdup(a, pb->language),
				     .ha1_md5 = arena_strdup(a, pb->ha1_md5),
				     .ha1_sha256 = arena_strdup(a, pb->ha1_sha256),
				     .n_skills = pb->n_skills };
	if (!ag->tenant || !ag->id || !ag->display_name || !ag->language || !ag->ha1_md5 || !ag->ha1_sha256)
		return ERR_EXHAUSTED;
	return build_skills(a, pb->skills, pb->n_skills, &ag->skills);
}

/* One block for all that build_agent() takes: what 100,000 agents have left over counts. An arena begins everything at a multiple of 16:
 * six texts, the list of skills with its end, each skill's id. */
static size_t agent_room(size_t size, const Trunkline__Config__V1__Agent *pb)
{
	return size + (size_t)7 * 16 + pb->n_skills * (sizeof(struct tenant_skill_level) + 16);
}

err_t tenantconf_agent_from_pb(const struct tenant_agent **ret, const void *bytes, size_t size,
			       struct err_detail *detail)
{
	ProtobufCMessage *msg;
	struct tenant_agent_snapshot *s = NULL;
	err_t e = pbcheck_unpack(&msg, &trunkline__config__v1__agent__descriptor, bytes, size, detail);

	if (e)
		return e;
	e = check_resource(msg, detail);
	if (!e) {
		s = mem_zalloc(sizeof(*s));
		e = s ? ERR_OK : ERR_EXHAUSTED;
	}
	if (!e) {
		s->refs = 1;
		arena_init(&s->arena, agent_room(size, (const Trunkline__Config__V1__Agent *)msg));
		e = build_agent(s, (const Trunkline__Config__V1__Agent *)msg);
	}
	protobuf_c_message_free_unpacked(msg, NULL);
	const struct tenant_agent *a = s ? &s->pub : NULL;
	if (e)
		tenant_agent_unref(&a);
	else
		*ret = a;
	return e;
}
