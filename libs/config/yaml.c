/* The YAML reader: nested maps of scalars, nothing else of YAML. */
#include "config_internal.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>
#include <yaml.h>

struct reader {
	const struct config_table *tables;
	size_t n_tables;
	struct err_detail *detail;
	yaml_parser_t yaml;
	char path[CONFIG_MAX_PATH];	   /* of the map we are in, or of the key just read */
	size_t path_len[CONFIG_MAX_DEPTH]; /* of the maps around us */
	int depth;
	bool has_key;	   /* path ends with a key whose value comes next */
	size_t line;	   /* of the key, or of what stands alone */
	uint64_t seen[16]; /* a bit per item, for doubled keys */
};

static err_t fail(struct reader *r, const char *what)
{
	return err_set(r->detail, ERR_INVALID, r->path, "line %zu: %s", r->line, what);
}

/* The item with that path: its table, and its number over all tables. */
static const struct config_item *find_item(const struct reader *r, const struct config_table **table, size_t *number)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n_tables; i++) {
		for (const struct config_item *item = r->tables[i].items; item->type != CONFIG_TYPE_END; item++, n++) {
			if (str_eq(item->path, r->path)) {
				*table = &r->tables[i];
				*number = n;
				return item;
			}
		}
	}
	return NULL;
}

static bool is_section(const struct reader *r)
{
	size_t len = strlen(r->path);

	if (len == 0)
		return true;
	for (size_t i = 0; i < r->n_tables; i++)
		for (const struct config_item *item = r->tables[i].items; item->type != CONFIG_TYPE_END; item++)
			if (strncmp(item->path, r->path, len) == 0 && item->path[len] == '.')
				return true;
	return false;
}

static err_t unknown(struct reader *r)
{
	return fail(r, "unknown setting; --print-config-reference lists all");
}

static err_t on_key(struct reader *r, const yaml_event_t *ev)
{
	const char *key = (const char *)ev->data.scalar.value;
	size_t len = r->path_len[r->depth - 1];

	if (strlen(key) != ev->data.scalar.length || !str_utf8_valid(key, ev->data.scalar.length))
		return fail(r, "a key here is not valid UTF-8 text");
	if (len + 1 + ev->data.scalar.length >= sizeof(r->path))
		return fail(r, "a key here is too long");
	snprintf(r->path + len, sizeof(r->path) - len, "%s%s", len ? "." : "", key);
	r->has_key = true;
	return ERR_OK;
}

static err_t on_value(struct reader *r, const yaml_event_t *ev)
{
	const struct config_table *table;
	size_t number = 0;
	const struct config_item *item = find_item(r, &table, &number);
	const char *value = (const char *)ev->data.scalar.value;
	char where[32];

	r->has_key = false;
	/* A section whose settings are all commented out. */
	if (!item && ev->data.scalar.length == 0 && ev->data.scalar.plain_implicit && is_section(r))
		return ERR_OK;
	if (!item)
		return is_section(r) ? fail(r, "is a section with settings below it, not a value") : unknown(r);
	if (number < sizeof(r->seen) * 8) {
		if (r->seen[number / 64] & (1ull << number % 64))
			return fail(r, "is set twice");
		r->seen[number / 64] |= 1ull << number % 64;
	}
	if (strlen(value) != ev->data.scalar.length)
		return fail(r, "a NUL character is not allowed");
	snprintf(where, sizeof(where), "line %zu", r->line);
	return config_set(table, item, value, where, r->detail);
}

static err_t on_map(struct reader *r)
{
	const struct config_table *table;
	size_t number;

	if (r->depth > 0 && !r->has_key)
		return fail(r, "a map cannot be a key");
	if (r->depth > 0 && !is_section(r))
		return find_item(r, &table, &number) ? fail(r, "takes a value, not a section") : unknown(r);
	if (r->depth == CONFIG_MAX_DEPTH)
		return fail(r, "nested too deeply");
	r->path_len[r->depth++] = strlen(r->path);
	r->has_key = false;
	return ERR_OK;
}

static void on_map_end(struct reader *r)
{
	r->depth--;
	r->path[r->depth ? r->path_len[r->depth - 1] : 0] = '\0';
}

static err_t on_scalar(struct reader *r, const yaml_event_t *ev)
{
	if (r->depth > 0)
		return r->has_key ? on_value(r, ev) : on_key(r, ev);
	if (ev->data.scalar.length == 0)
		return ERR_OK; /* a document of comments only */
	return fail(r, "the file must be a map of settings (key: value)");
}

static err_t on_event(struct reader *r, const yaml_event_t *ev, int *documents)
{
	if (!r->has_key)
		r->line = ev->start_mark.line + 1;
	switch (ev->type) {
	case YAML_DOCUMENT_START_EVENT:
		return ++*documents > 1 ? fail(r, "only one YAML document is allowed") : ERR_OK;
	case YAML_SCALAR_EVENT:
		return on_scalar(r, ev);
	case YAML_MAPPING_START_EVENT:
		return on_map(r);
	case YAML_MAPPING_END_EVENT:
		on_map_end(r);
		return ERR_OK;
	case YAML_SEQUENCE_START_EVENT:
		return fail(r, "a list is not allowed here");
	case YAML_ALIAS_EVENT:
		return fail(r, "aliases are not supported");
	default:
		return ERR_OK;
	}
}

static err_t syntax_error(struct reader *r)
{
	if (r->yaml.error == YAML_MEMORY_ERROR)
		return err_set(r->detail, ERR_EXHAUSTED, r->path, "out of memory");
	return err_set(r->detail, ERR_INVALID, r->path, "line %zu: not valid YAML: %s", r->yaml.problem_mark.line + 1,
		       r->yaml.problem ? r->yaml.problem : "?");
}

err_t config_parse(const struct config_table *tables, size_t n_tables, const char *text, size_t size,
		   struct err_detail *detail)
{
	struct reader r = { .tables = tables, .n_tables = n_tables, .detail = detail };
	bool end = false;
	int documents = 0;
	err_t e = ERR_OK;

	if (!yaml_parser_initialize(&r.yaml))
		return err_set(detail, ERR_EXHAUSTED, "", "out of memory");
	yaml_parser_set_input_string(&r.yaml, (const unsigned char *)text, size);
	while (!end && !e) {
		yaml_event_t ev;

		if (!yaml_parser_parse(&r.yaml, &ev)) {
			e = syntax_error(&r);
			break;
		}
		end = ev.type == YAML_STREAM_END_EVENT;
		e = on_event(&r, &ev, &documents);
		yaml_event_delete(&ev);
	}
	yaml_parser_delete(&r.yaml);
	return e;
}
