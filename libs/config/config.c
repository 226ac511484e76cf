#include "config_internal.h"
#include "base/mem.h"
#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define FOR_EACH_ITEM(t, item) for (const struct config_item *item = (t)->items; item->type != CONFIG_TYPE_END; item++)

static void *member(const struct config_table *t, const struct config_item *item)
{
	return (char *)t->out + item->offset;
}

const char *config_env_name(const char *path, char buf[CONFIG_MAX_PATH])
{
	size_t n;

	snprintf(buf, CONFIG_MAX_PATH, "TRUNKLINE_%s", path);
	n = strlen(buf);
	for (size_t i = 0; i < n; i++)
		buf[i] = buf[i] == '.' || buf[i] == '-' ? '_' : (char)toupper((unsigned char)buf[i]);
	return buf;
}

static err_t set_str(char **slot, const struct config_item *item, const char *value, const char *where,
		     struct err_detail *detail)
{
	char *copy;

	if (!str_utf8_valid(value, strlen(value)))
		return err_set(detail, ERR_INVALID, item->path, "%s: not valid UTF-8", where);
	copy = mem_strdup(value);
	if (!copy)
		return err_set(detail, ERR_EXHAUSTED, item->path, "out of memory");
	mem_free(*slot);
	*slot = copy;
	return ERR_OK;
}

err_t config_set(const struct config_table *t, const struct config_item *item, const char *value, const char *where,
		 struct err_detail *detail)
{
	void *slot = member(t, item);
	const char *shown = item->flags & CONFIG_SECRET ? "(secret)" : value;

	switch (item->type) {
	case CONFIG_TYPE_INT:
		if (str_to_i64(value, item->min, item->max, slot) == ERR_OK)
			return ERR_OK;
		return err_set(detail, ERR_INVALID, item->path,
			       "%s: \"%.60s\" is not allowed; an integer from %" PRId64 " to %" PRId64, where, shown,
			       item->min, item->max);
	case CONFIG_TYPE_BOOL:
		if (!str_eq(value, "true") && !str_eq(value, "false"))
			return err_set(detail, ERR_INVALID, item->path, "%s: \"%.60s\" is not allowed; true or false",
				       where, shown);
		*(bool *)slot = value[0] == 't';
		return ERR_OK;
	case CONFIG_TYPE_STR:
		return set_str(slot, item, value, where, detail);
	case CONFIG_TYPE_END:
		break;
	}
	return err_set(detail, ERR_INTERNAL, item->path, "a setting of unknown type");
}

static err_t set_default(const struct config_table *t, const struct config_item *item, struct err_detail *detail)
{
	void *slot = member(t, item);

	switch (item->type) {
	case CONFIG_TYPE_INT:
		*(int64_t *)slot = item->def_int;
		return ERR_OK;
	case CONFIG_TYPE_BOOL:
		*(bool *)slot = item->def_int != 0;
		return ERR_OK;
	default:
		return set_str(slot, item, item->def_str ? item->def_str : "", "default", detail);
	}
}

static err_t set_from_env(const struct config_table *t, const struct config_item *item, struct err_detail *detail)
{
	char name[CONFIG_MAX_PATH];
	const char *value = getenv(config_env_name(item->path, name));

	return value ? config_set(t, item, value, name, detail) : ERR_OK;
}

static err_t check_required(const struct config_table *t, const struct config_item *item, struct err_detail *detail)
{
	char name[CONFIG_MAX_PATH];

	if (!(item->flags & CONFIG_REQUIRED) || item->type != CONFIG_TYPE_STR || !str_empty(*(char **)member(t, item)))
		return ERR_OK;
	return err_set(detail, ERR_INVALID, item->path, "is required: set it in the file or by %s (%s)",
		       config_env_name(item->path, name), item->help);
}

typedef err_t step_fn(const struct config_table *t, const struct config_item *item, struct err_detail *detail);

static err_t for_all(const struct config_table *tables, size_t n, step_fn *step, struct err_detail *detail)
{
	for (size_t i = 0; i < n; i++) {
		FOR_EACH_ITEM(&tables[i], item)
		{
			err_t e = step(&tables[i], item, detail);

			if (e)
				return e;
		}
	}
	return ERR_OK;
}

static err_t read_file(const char *file, struct str *text, struct err_detail *detail)
{
	char chunk[4096];
	FILE *f = fopen(file, "re");
	size_t n;
	err_t e = ERR_OK;

	if (!f) {
		e = err_from_errno(errno);
		return err_set(detail, e, file, "cannot be opened: %s", strerror(errno));
	}
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0 && text->len <= CONFIG_MAX_FILE)
		str_append_n(text, chunk, n);
	if (ferror(f))
		e = err_set(detail, ERR_DATA_LOSS, file, "cannot be read: %s", strerror(errno));
	else if (text->len > CONFIG_MAX_FILE)
		e = err_set(detail, ERR_INVALID, file, "is larger than %d bytes", CONFIG_MAX_FILE);
	else if (text->failed)
		e = err_set(detail, ERR_EXHAUSTED, file, "out of memory");
	fclose(f);
	return e;
}

static err_t load_file(const struct config_table *tables, size_t n_tables, const char *file, struct err_detail *detail)
{
	struct str text = STR_INIT;
	err_t e = read_file(file, &text, detail);

	if (!e)
		e = config_parse(tables, n_tables, str_text(&text), text.len, detail);
	str_done(&text);
	return e;
}

static void clear(const struct config_table *tables, size_t n_tables)
{
	for (size_t i = 0; i < n_tables; i++)
		FOR_EACH_ITEM(&tables[i], item)
	if (item->type == CONFIG_TYPE_STR)
		*(char **)member(&tables[i], item) = NULL;
}

err_t config_load(const struct config_table *tables, size_t n_tables, const char *file, struct err_detail *detail)
{
	err_t e;

	clear(tables, n_tables);
	e = for_all(tables, n_tables, set_default, detail);
	if (!e && file)
		e = load_file(tables, n_tables, file, detail);
	if (!e)
		e = for_all(tables, n_tables, set_from_env, detail);
	if (!e)
		e = for_all(tables, n_tables, check_required, detail);
	if (e)
		config_free(tables, n_tables);
	return e;
}

void config_free(const struct config_table *tables, size_t n_tables)
{
	for (size_t i = 0; i < n_tables; i++) {
		FOR_EACH_ITEM(&tables[i], item)
		{
			char **slot = member(&tables[i], item);

			if (item->type != CONFIG_TYPE_STR)
				continue;
			mem_free(*slot);
			*slot = NULL;
		}
	}
}
