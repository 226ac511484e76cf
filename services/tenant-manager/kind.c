#include "kind.h"

#include <stdio.h>
#include <string.h>
#include "base/str.h"
#include "tenantconf/check.h"
#include "trunkline/config/v1/config.pb-c.h"

#define DESC(type) &trunkline__config__v1__##type##__descriptor
const struct kind kinds[] = {
	{ ERR_TEXT("number"),   "numbers",   "Number",   "Numbers",   "number_id",   "number", DESC(number),   6 },
	{ ERR_TEXT("trunk"),    "trunks",    "Trunk",    "Trunks",    "trunk_id",    "id",     DESC(trunk),    7 },
	{ ERR_TEXT("calendar"), "calendars", "Calendar", "Calendars", "calendar_id", "id",     DESC(calendar), 8 },
	{ ERR_TEXT("flow"),     "flows",     "Flow",     "Flows",     "flow_id",     "id",     DESC(flow),     9 },
	{ ERR_TEXT("prompt"),   "prompts",   "Prompt",   "Prompts",   "prompt_id",   "id",     DESC(prompt),   10 },
	{ ERR_TEXT("queue"),    "queues",    "Queue",    "Queues",    "queue_id",    "id",     DESC(queue),    11 },
	{ ERR_TEXT("skill"),    "skills",    "Skill",    "Skills",    "skill_id",    "id",     DESC(skill),    12 },
	{ ERR_TEXT("role"),     "roles",     "Role",     "Roles",     "role_id",     "id",     DESC(role),     KIND_NOT_PUBLISHED },
	{ ERR_TEXT("agent"),    "agents",    "Agent",    "Agents",    "agent_id",    "id",     DESC(agent),    0 },
};
const size_t n_kinds = ARRAY_SIZE(kinds);

const struct kind *kind_find(const char *name)
{
	for (size_t i = 0; i < n_kinds; i++) {
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	}
	return NULL;
}

const struct kind *kind_find_plural(const char *plural)
{
	for (size_t i = 0; i < n_kinds; i++) {
		if (strcmp(kinds[i].plural, plural) == 0)
			return &kinds[i];
	}
	return NULL;
}

err_t kind_check_id(const struct kind *kind, const char *id, const char *field, struct err_detail *detail)
{
	return strcmp(kind->name, "number") == 0 ? check_number(id, field, detail) : check_id(id, field, detail);
}

err_t kind_not_found(const struct kind *kind, struct err_detail *detail)
{
	return err_set(detail, ERR_NOT_FOUND, "name", "no such %s", kind ? kind->name : "tenant");
}

/* Takes the part up to the next '/' (or all); false: it does not fit. */
static bool part(const char **at, char buf[64])
{
	size_t n = strcspn(*at, "/");

	if (!n || n >= 64)
		return false;
	memcpy(buf, *at, n);
	buf[n] = '\0';
	*at += n;
	if (**at == '/')
		(*at)++;
	return true;
}

static err_t bad_name(const struct kind *want, const char *text, const char *field, struct err_detail *detail)
{
	if (want)
		return err_set(detail, ERR_INVALID, field, "'%.100s' is not tenants/{tenant}/%s/{%s}", text,
			       want->plural, want->name);
	return err_set(detail, ERR_INVALID, field, "'%.100s' is not tenants/{tenant}", text);
}

err_t name_parse(struct name *ret, const char *text, const struct kind *want, const char *field,
		 struct err_detail *detail)
{
	struct name n = { .kind = want };
	const char *at = text;
	char word[64];
	size_t len = strlen(text);

	if (!len || text[len - 1] == '/' || !part(&at, word) || strcmp(word, "tenants") != 0 || !part(&at, n.tenant) ||
	    !str_is_id(n.tenant))
		return bad_name(want, text, field, detail);
	if (want && (!part(&at, word) || strcmp(word, want->plural) != 0 || !part(&at, n.id) ||
		     kind_check_id(want, n.id, field, NULL)))
		return bad_name(want, text, field, detail);
	if (*at)
		return bad_name(want, text, field, detail);
	*ret = n;
	return ERR_OK;
}

const char *name_text(const char *tenant, const struct kind *kind, const char *id, char buf[NAME_MAX_TEXT])
{
	if (!*tenant)
		snprintf(buf, NAME_MAX_TEXT, "%s/%s", kind->plural, id);
	else if (kind)
		snprintf(buf, NAME_MAX_TEXT, "tenants/%s/%s/%s", tenant, kind->plural, id);
	else
		snprintf(buf, NAME_MAX_TEXT, "tenants/%s", tenant);
	return buf;
}
