/* YAML documents as JSON values; JSON is YAML, so one reader does for both. Anchors and tags are not taken. */
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define DEPTH_MAX 64

struct reader {
	yaml_parser_t parser;
	const char *file;
	struct err_detail *detail;
};

static err_t refuse(struct reader *r, const yaml_mark_t *at, const char *why)
{
	return err_set(r->detail, ERR_INVALID, r->file, "line %zu: %s", at->line + 1, why);
}

static err_t next(struct reader *r, yaml_event_t *ev)
{
	if (yaml_parser_parse(&r->parser, ev))
		return ERR_OK;
	return refuse(r, &r->parser.problem_mark, r->parser.problem ? r->parser.problem : "not YAML");
}

/* YAML 1.2 core: plain null, booleans and numbers; all else is text. Numbers that start with 0 or + stay text: they are
 * telephone numbers and ids here. */
static json_t *scalar(const yaml_event_t *ev)
{
	const char *text = (const char *)ev->data.scalar.value;
	char *end;
	double d;

	if (ev->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return json_stringn(text, ev->data.scalar.length);
	if (!*text || strcmp(text, "null") == 0 || strcmp(text, "~") == 0)
		return json_null();
	if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
		return json_boolean(*text == 't');
	if (text[strspn(text, "-0123456789")] == '\0' && (text[0] != '0' || !text[1]) && strlen(text) < 19 &&
	    strcmp(text, "-") != 0)
		return json_integer(strtoll(text, NULL, 10));
	d = strtod(text, &end);
	if (strchr(text, '.') && !*end && *text != '+' && *text != '0')
		return json_real(d);
	return json_stringn(text, ev->data.scalar.length);
}

static err_t value(struct reader *r, yaml_event_t *ev, json_t **ret, unsigned depth);

static err_t sequence(struct reader *r, json_t *list, unsigned depth)
{
	for (;;) {
		yaml_event_t ev;
		json_t *v = NULL;
		err_t e = next(r, &ev);

		if (e)
			return e;
		if (ev.type == YAML_SEQUENCE_END_EVENT) {
			yaml_event_delete(&ev);
			return ERR_OK;
		}
		e = value(r, &ev, &v, depth);
		if (e)
			return e;
		json_array_append_new(list, v);
	}
}

static err_t pair(struct reader *r, json_t *object, yaml_event_t *key, unsigned depth)
{
	const char *name = (const char *)key->data.scalar.value;
	yaml_event_t ev;
	json_t *v = NULL;
	err_t e;

	if (key->type != YAML_SCALAR_EVENT)
		return refuse(r, &key->start_mark, "a key must be text");
	if (json_object_get(object, name))
		return refuse(r, &key->start_mark, "this key is there twice");
	e = next(r, &ev);
	if (!e)
		e = value(r, &ev, &v, depth);
	if (!e && json_object_set_new(object, name, v))
		e = refuse(r, &key->start_mark, "the key is not UTF-8");
	return e;
}

static err_t mapping(struct reader *r, json_t *object, unsigned depth)
{
	for (;;) {
		yaml_event_t ev;
		err_t e = next(r, &ev);
		bool end;

		if (e)
			return e;
		end = ev.type == YAML_MAPPING_END_EVENT;
		if (!end)
			e = pair(r, object, &ev, depth);
		yaml_event_delete(&ev);
		if (e || end)
			return e;
	}
}

/* Takes over ev. */
static err_t value(struct reader *r, yaml_event_t *ev, json_t **ret, unsigned depth)
{
	err_t e = ERR_OK;

	*ret = NULL;
	if (depth > DEPTH_MAX)
		e = refuse(r, &ev->start_mark, "nested too deeply");
	else if (ev->type == YAML_SCALAR_EVENT)
		*ret = scalar(ev);
	else if (ev->type == YAML_SEQUENCE_START_EVENT)
		e = sequence(r, *ret = json_array(), depth + 1);
	else if (ev->type == YAML_MAPPING_START_EVENT)
		e = mapping(r, *ret = json_object(), depth + 1);
	else
		e = refuse(r, &ev->start_mark, "anchors are not taken here");
	if (!e && !*ret)
		e = refuse(r, &ev->start_mark, "text must be UTF-8");
	if (e) {
		json_decref(*ret);
		*ret = NULL;
	}
	yaml_event_delete(ev);
	return e;
}

static err_t documents(struct reader *r, json_t *all)
{
	for (;;) {
		yaml_event_t ev;
		yaml_event_type_t type;
		json_t *v = NULL;
		err_t e = next(r, &ev);

		if (e)
			return e;
		type = ev.type;
		if (type == YAML_STREAM_START_EVENT || type == YAML_DOCUMENT_START_EVENT ||
		    type == YAML_DOCUMENT_END_EVENT || type == YAML_STREAM_END_EVENT) {
			yaml_event_delete(&ev);
			if (type == YAML_STREAM_END_EVENT)
				return ERR_OK;
			continue;
		}
		e = value(r, &ev, &v, 0);
		if (e)
			return e;
		json_array_append_new(all, v);
	}
}

err_t yaml_load(json_t **ret, const char *file, struct err_detail *detail)
{
	struct reader r = { .file = file, .detail = detail };
	json_t *all;
	FILE *f = strcmp(file, "-") == 0 ? stdin : fopen(file, "re");
	err_t e;

	if (!f)
		return err_set(detail, ERR_NOT_FOUND, file, "cannot be read");
	if (!yaml_parser_initialize(&r.parser)) {
		if (f != stdin)
			fclose(f);
		return ERR_EXHAUSTED;
	}
	yaml_parser_set_input_file(&r.parser, f);
	all = json_array();
	e = all ? documents(&r, all) : ERR_EXHAUSTED;
	yaml_parser_delete(&r.parser);
	if (f != stdin)
		fclose(f);
	if (e)
		json_decref(all);
	else
		*ret = all;
	return e;
}
