#include "import_columns.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "base/str.h"
#include "tenantconf/check.h"

#define HEADER_TEXT 128

/* Not the roles: nobody gives more than he has, and who imports is judged when he uploads (GT-3). */
static const struct import_field agents[] = {
	{ "id", IMPORT_TEXT, true, { "agentid", "agent", "工号" } },
	{ "display_name", IMPORT_TEXT, false, { "name", "姓名" } },
	{ "password", IMPORT_SECRET, false, { "密码" } },
	{ "enabled", IMPORT_BOOL, false, { NULL } },
	{ "auto_ready_after_wrap_up", IMPORT_BOOL, false, { "autoready" } },
	{ "skills", IMPORT_SKILLS, false, { "技能" } },
	{ "language", IMPORT_TEXT, false, { "语言" } },
	{ NULL },
};
static const struct import_field numbers[] = {
	{ "number", IMPORT_TEXT, true, { "phonenumber", "telephonenumber", "号码" } },
	{ "display_name", IMPORT_TEXT, false, { "name", "名称" } },
	{ "calendar_id", IMPORT_TEXT, false, { "calendar" } },
	{ "working", IMPORT_TARGET, true, { NULL } },
	{ "other", IMPORT_TARGET, false, { NULL } },
	{ "forced", IMPORT_TARGET, false, { NULL } },
	{ "force", IMPORT_BOOL, false, { NULL } },
	{ NULL },
};

const struct import_field *import_fields(enum import_kind kind)
{
	return kind == IMPORT_AGENTS ? agents : numbers;
}

int import_field_find(enum import_kind kind, const char *name)
{
	const struct import_field *f = import_fields(kind);

	for (int i = 0; f[i].name; i++) {
		if (strcmp(f[i].name, name) == 0)
			return i;
	}
	return -1;
}

/* "Display Name" and "display_name" are the same. */
static void normalise(const char *header, char buf[HEADER_TEXT])
{
	size_t n = 0;

	for (const char *p = header; *p && n < HEADER_TEXT - 1; p++) {
		if (!strchr(" -_\t\r\n", *p))
			buf[n++] = (char)tolower((unsigned char)*p);
	}
	buf[n] = '\0';
}

static bool same(const char *a, const char *b)
{
	char na[HEADER_TEXT], nb[HEADER_TEXT];

	normalise(a, na);
	normalise(b, nb);
	return strcmp(na, nb) == 0;
}

static bool means(const struct import_field *f, const char *header)
{
	if (same(f->name, header))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(f->also) && f->also[i]; i++) {
		if (same(f->also[i], header))
			return true;
	}
	return false;
}

/* "id, display_name, …" */
static void list_fields(enum import_kind kind, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (const struct import_field *f = import_fields(kind); f->name && n < size; f++)
		n += (size_t)snprintf(buf + n, size - n, "%s%s", n ? ", " : "", f->name);
}

err_t import_wanted_check(enum import_kind kind, const struct import_wanted *wanted, size_t n,
			  struct err_detail *detail)
{
	char fields[160], path[32];

	for (size_t i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "columns[%zu].", i);
		if (str_empty(wanted[i].header))
			return check_bad(detail, "missing: the name in the first row", "%sheader", path);
		if (strcmp(wanted[i].field, "-") == 0 || import_field_find(kind, wanted[i].field) >= 0)
			continue;
		list_fields(kind, fields, sizeof(fields));
		(void)err_set(detail, ERR_INVALID, "field", "'%.40s' is none of %s, -", wanted[i].field, fields);
		check_prefix(detail, "%s", path);
		return ERR_INVALID;
	}
	return ERR_OK;
}

static int field_of(enum import_kind kind, const char *header, const struct import_wanted *wanted, size_t n_wanted)
{
	const struct import_field *f = import_fields(kind);

	for (size_t i = 0; i < n_wanted; i++) {
		if (same(wanted[i].header, header))
			return import_field_find(kind, wanted[i].field);
	}
	for (int i = 0; f[i].name; i++) {
		if (means(&f[i], header))
			return i;
	}
	return -1;
}

static err_t check_wanted(const char *const *header, size_t n, const struct import_wanted *wanted, size_t n_wanted,
			  struct err_detail *detail)
{
	for (size_t i = 0; i < n_wanted; i++) {
		bool found = false;

		for (size_t k = 0; k < n; k++)
			found = found || same(wanted[i].header, header[k]);
		if (!found) {
			(void)err_set(detail, ERR_INVALID, "header", "there is no column '%.80s' in the first row",
				      wanted[i].header);
			check_prefix(detail, "columns[%zu].", i);
			return ERR_INVALID;
		}
	}
	return ERR_OK;
}

err_t import_columns_make(struct import_columns *ret, enum import_kind kind, const char *const *header, size_t n,
			  const struct import_wanted *wanted, size_t n_wanted, struct err_detail *detail)
{
	const struct import_field *f = import_fields(kind);
	struct import_columns c = { .kind = kind, .n = n };
	err_t e = check_wanted(header, n, wanted, n_wanted, detail);

	if (e)
		return e;
	for (size_t i = 0; i < IMPORT_FIELDS_MAX; i++)
		c.column[i] = -1;
	for (size_t i = 0; i < n; i++) {
		int k = *header[i] ? field_of(kind, header[i], wanted, n_wanted) : -1;

		c.field[i] = k;
		if (k < 0)
			continue;
		if (c.column[k] >= 0)
			return err_set(detail, ERR_INVALID, "columns",
				       "'%.60s' and '%.60s' are both %s: say '-' for one", header[c.column[k]],
				       header[i], f[k].name);
		c.column[k] = (int)i;
	}
	for (int k = 0; f[k].name; k++) {
		if (f[k].required && c.column[k] < 0)
			return err_set(detail, ERR_INVALID, "columns",
				       "no column is %s: its name must stand in the first row", f[k].name);
	}
	*ret = c;
	return ERR_OK;
}
