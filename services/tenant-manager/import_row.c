#include "import_row.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "base/str.h"
#include "pbr.h"
#include "secret.h"
#include "tenantconf/check.h"
#include "trunkline/config/v1/config.pb-c.h"

#define SKILLS_MAX 100

typedef Trunkline__Config__V1__Target target;

/* A row on its way. */
struct row {
	struct arena *arena;
	const struct import_columns *columns;
	const struct sheet_row *cells;
	struct err_detail *detail;
};

static const char spaces[] = " \t\r\n";

static char *trimmed(struct arena *a, const char *text, size_t n)
{
	size_t skip = 0;

	while (skip < n && strchr(spaces, text[skip]))
		skip++;
	while (n > skip && strchr(spaces, text[n - 1]))
		n--;
	return arena_strndup(a, text + skip, n - skip);
}

/* "" where the table has no such column. NULL: no memory. */
static char *cell(const struct row *r, const char *field)
{
	int column = r->columns->column[import_field_find(r->columns->kind, field)];
	const char *text = column >= 0 && (size_t)column < r->cells->n ? r->cells->cells[column] : "";

	return trimmed(r->arena, text, strlen(text));
}

static err_t take_text(const struct row *r, const char *field, char **ret)
{
	*ret = cell(r, field);
	return *ret ? ERR_OK : ERR_EXHAUSTED;
}

static err_t take_bool(const struct row *r, const char *field, bool otherwise, protobuf_c_boolean *ret)
{
	static const struct {
		const char *word;
		bool value;
	} words[] = { { "yes", true }, { "true", true }, { "1", true },	  { "x", true },
		      { "y", true },   { "是", true },	 { "no", false }, { "false", false },
		      { "0", false },  { "n", false },	 { "否", false } };
	const char *text = cell(r, field);

	if (!text)
		return ERR_EXHAUSTED;
	*ret = otherwise;
	if (!*text)
		return ERR_OK;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcasecmp(text, words[i].word) == 0) {
			*ret = words[i].value;
			return ERR_OK;
		}
	}
	return err_set(r->detail, ERR_INVALID, field, "'%.40s' is neither yes nor no", text);
}

/* ---- agents ---- */

/* "english:5"; the id is judged by check_resource. */
static err_t take_skill(const struct row *r, const char *text, size_t n, size_t at,
			Trunkline__Config__V1__SkillLevel **ret)
{
	Trunkline__Config__V1__SkillLevel *s =
	    (void *)pbr_new(r->arena, &trunkline__config__v1__skill_level__descriptor);
	char *word = trimmed(r->arena, text, n);
	int64_t level;

	if (!s || !word)
		return ERR_EXHAUSTED;
	const char *colon = strchr(word, ':');
	if (!colon || str_to_i64(colon + 1 + strspn(colon + 1, spaces), 1, 10, &level)) {
		(void)err_set(r->detail, ERR_INVALID, "",
			      "'%.60s' is no skill with its level from 1 to 10, such as english:5", word);
		check_prefix(r->detail, "skills[%zu]", at);
		return ERR_INVALID;
	}
	s->skill_id = trimmed(r->arena, word, (size_t)(colon - word));
	s->level = (uint32_t)level;
	*ret = s;
	return s->skill_id ? ERR_OK : ERR_EXHAUSTED;
}

static err_t take_skills(const struct row *r, Trunkline__Config__V1__Agent *a)
{
	const char *text = cell(r, "skills");

	if (!text || !(a->skills = arena_alloc(r->arena, (SKILLS_MAX + 1) * sizeof(*a->skills))))
		return ERR_EXHAUSTED;
	while (*text) {
		size_t n = strcspn(text, ";,");
		bool empty = strspn(text, spaces) >= n;

		if (!empty && a->n_skills > SKILLS_MAX)
			return err_set(r->detail, ERR_INVALID, "skills", "more than %d", SKILLS_MAX);
		err_t e = empty ? ERR_OK : take_skill(r, text, n, a->n_skills, &a->skills[a->n_skills]);
		if (e)
			return e;
		a->n_skills += !empty;
		text += n + (text[n] != '\0');
	}
	return ERR_OK;
}

static err_t take_password(const struct row *r, Trunkline__Config__V1__Agent *a, const char *realm, bool *ret_has)
{
	char *password = cell(r, "password"), *md5 = arena_alloc(r->arena, HA1_MD5_TEXT),
	     *sha256 = arena_alloc(r->arena, HA1_SHA256_TEXT);

	if (!password || !md5 || !sha256)
		return ERR_EXHAUSTED;
	*ret_has = *password != '\0';
	if (!*ret_has)
		return ERR_OK;
	err_t e = secret_check(password, "password", r->detail);
	if (!e)
		e = secret_ha1(a->id, realm, password, md5, sha256);
	explicit_bzero(password, strlen(password));
	a->ha1_md5 = md5;
	a->ha1_sha256 = sha256;
	return e;
}

static err_t take_agent(const struct row *r, const char *tenant, const char *realm, struct import_record *ret)
{
	Trunkline__Config__V1__Agent *a = (void *)pbr_new(r->arena, &trunkline__config__v1__agent__descriptor);

	if (!a)
		return ERR_EXHAUSTED;
	a->tenant = (char *)tenant;
	err_t e = take_text(r, "id", &a->id);
	if (!e)
		e = take_text(r, "display_name", &a->display_name);
	if (!e)
		e = take_bool(r, "enabled", true, &a->enabled);
	if (!e)
		e = take_bool(r, "auto_ready_after_wrap_up", false, &a->auto_ready_after_wrap_up);
	if (!e)
		e = take_skills(r, a);
	if (!e)
		e = take_text(r, "language", &a->language);
	if (!e)
		e = check_language(a->language, "language", r->detail);
	if (!e)
		e = take_password(r, a, realm, &ret->has_password);
	ret->msg = &a->base;
	ret->id = ret->key = a->id;
	return e;
}

/* ---- numbers ---- */

static err_t set_target(const struct row *r, target *t, const char *field, const char *word, char *rest)
{
	static const struct {
		const char *word;
		Trunkline__Config__V1__Target__ToCase to;
	} kinds[] = { { "flow", TRUNKLINE__CONFIG__V1__TARGET__TO_FLOW_ID },
		      { "queue", TRUNKLINE__CONFIG__V1__TARGET__TO_QUEUE_ID },
		      { "agent", TRUNKLINE__CONFIG__V1__TARGET__TO_AGENT_ID },
		      { "reject", TRUNKLINE__CONFIG__V1__TARGET__TO_REJECT_STATUS } };
	int64_t status;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strcasecmp(word, kinds[i].word) == 0)
			t->to_case = kinds[i].to;
	}
	if (t->to_case == TRUNKLINE__CONFIG__V1__TARGET__TO_REJECT_STATUS) {
		if (str_to_i64(rest, 400, 699, &status))
			return err_set(r->detail, ERR_INVALID, field, "'%.40s' is no SIP status from 400 to 699", rest);
		t->reject_status = (uint32_t)status;
		return ERR_OK;
	}
	t->flow_id = rest; /* the members of the oneof are one place */
	return t->to_case ? ERR_OK : ERR_NOT_FOUND;
}

static err_t take_target(const struct row *r, const char *field, target **ret)
{
	char *text = cell(r, field);
	target *t = (void *)pbr_new(r->arena, &trunkline__config__v1__target__descriptor);

	if (!text || !t)
		return ERR_EXHAUSTED;
	if (!*text)
		return ERR_OK;
	char *colon = strchr(text, ':');
	char *rest = colon ? trimmed(r->arena, colon + 1, strlen(colon + 1)) : text;
	if (!rest)
		return ERR_EXHAUSTED;
	if (colon)
		*colon = '\0';
	err_t e = colon ? set_target(r, t, field, text, rest) : ERR_NOT_FOUND;
	*ret = t;
	return e != ERR_NOT_FOUND ? e
				  : err_set(r->detail, ERR_INVALID, field,
					    "'%.40s' is none of flow:ID, queue:ID, agent:ID, reject:STATUS", text);
}

static err_t take_number(const struct row *r, struct import_record *ret)
{
	Trunkline__Config__V1__Number *n = (void *)pbr_new(r->arena, &trunkline__config__v1__number__descriptor);

	if (!n)
		return ERR_EXHAUSTED;
	err_t e = take_text(r, "number", &n->number);
	if (!e)
		e = take_text(r, "display_name", &n->display_name);
	if (!e)
		e = take_text(r, "calendar_id", &n->calendar_id);
	if (!e)
		e = take_target(r, "working", &n->working);
	if (!e)
		e = take_target(r, "other", &n->other);
	if (!e)
		e = take_target(r, "forced", &n->forced);
	if (!e)
		e = take_bool(r, "force", false, &n->force);
	ret->msg = &n->base;
	ret->id = n->number;
	ret->key = n->number ? n->number + (n->number[0] == '+') : NULL;
	return e;
}

err_t import_record_make(struct import_record *ret, struct arena *a, const struct import_columns *columns,
			 const struct sheet_row *row, const char *tenant, const char *realm, struct err_detail *detail)
{
	struct row r = { .arena = a, .columns = columns, .cells = row, .detail = detail };
	struct import_record made = { 0 };
	err_t e = columns->kind == IMPORT_AGENTS ? take_agent(&r, tenant, realm, &made) : take_number(&r, &made);

	if (!e)
		e = check_resource(made.msg, detail);
	if (!e)
		*ret = made;
	return e;
}

int import_column_of(const struct import_columns *columns, const char *path)
{
	char field[64];

	snprintf(field, sizeof(field), "%.*s", (int)strcspn(path, ".["), path);
	int i = import_field_find(columns->kind, field);
	return i >= 0 ? columns->column[i] : -1;
}
