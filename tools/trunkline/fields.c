/* One flag at a time into a JSON object that pbjson will take: the descriptor says what the text must become. */
#include "cli.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include "base/clock.h"
#include "base/mem.h"

static err_t value_of(json_t **ret, const ProtobufCFieldDescriptor *fd, const char *flag, const char *text,
		      struct err_detail *detail);

/* ---- names ---- */
static void underscores(char *dst, size_t size, const char *flag)
{
	(void)str_copy(dst, size, flag);
	for (; *dst; dst++)
		if (*dst == '-')
			*dst = '_';
}

const ProtobufCFieldDescriptor *fields_find(const ProtobufCMessageDescriptor *desc, const char *flag)
{
	const ProtobufCFieldDescriptor *fd;
	char name[128], ms[136];

	underscores(name, sizeof(name), flag);
	fd = protobuf_c_message_descriptor_get_field_by_name(desc, name);
	if (fd)
		return fd;
	snprintf(ms, sizeof(ms), "%s_ms", name); /* --wrap-up 30s is --wrap-up-ms 30000 */
	return protobuf_c_message_descriptor_get_field_by_name(desc, ms);
}

const char *fields_flag(const ProtobufCFieldDescriptor *fd, char *buf, size_t size)
{
	(void)str_copy(buf, size, fd->name);
	for (char *p = buf; *p; p++)
		if (*p == '_')
			*p = '-';
	return buf;
}

static bool is_ms(const ProtobufCFieldDescriptor *fd)
{
	size_t n = strlen(fd->name);

	return fd->type == PROTOBUF_C_TYPE_INT64 && n > 3 && strcmp(fd->name + n - 3, "_ms") == 0;
}

const char *fields_kind(const ProtobufCFieldDescriptor *fd)
{
	if (is_ms(fd))
		return "TIME";
	switch (fd->type) {
	case PROTOBUF_C_TYPE_STRING:
		return "TEXT";
	case PROTOBUF_C_TYPE_BOOL:
		return "";
	case PROTOBUF_C_TYPE_BYTES:
		return "@FILE";
	case PROTOBUF_C_TYPE_ENUM:
		return "WORD";
	case PROTOBUF_C_TYPE_MESSAGE:
		return "JSON";
	default:
		return "NUMBER";
	}
}

/* ---- spans and moments ---- */
static int64_t unit_ms(const char **p)
{
	static const struct {
		const char *name;
		int64_t ms;
	} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 } };

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		size_t n = strlen(units[i].name);

		if (strncmp(*p, units[i].name, n) == 0 && !isalpha((unsigned char)(*p)[n])) {
			*p += n;
			return units[i].ms;
		}
	}
	return 0;
}

static err_t parse_span(const char *text, int64_t *ret)
{
	int64_t total = 0;

	while (*text) {
		char *end;
		double n = strtod(text, &end);
		int64_t unit;

		if (end == text || n < 0 || n > 1e9)
			return ERR_INVALID;
		text = end;
		unit = unit_ms(&text);
		if (!unit)
			return ERR_INVALID;
		total += (int64_t)(n * (double)unit);
	}
	*ret = total;
	return ERR_OK;
}

static int64_t midnight_ms(int days_back)
{
	time_t now = (time_t)(clock_wall_ms() / 1000);
	struct tm tm;

	localtime_r(&now, &tm);
	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	tm.tm_mday -= days_back;
	tm.tm_isdst = -1;
	return (int64_t)mktime(&tm) * 1000;
}

/* "2026-11-23", "2026-11-23T09:00[:30]" in local time, with "Z" in UTC. */
static err_t parse_moment(const char *text, int64_t *ret)
{
	static const char *const formats[] = { "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S",
					       "%Y-%m-%d %H:%M", "%Y-%m-%d" };

	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		struct tm tm = { .tm_isdst = -1 };
		const char *end = strptime(text, formats[i], &tm);

		if (end && (!*end || strcmp(end, "Z") == 0)) {
			*ret = (int64_t)(*end ? timegm(&tm) : mktime(&tm)) * 1000;
			return ERR_OK;
		}
	}
	return ERR_INVALID;
}

err_t fields_parse_ms(const char *text, int64_t *ret)
{
	err_t e;

	if (strcmp(text, "now") == 0)
		*ret = clock_wall_ms();
	else if (strcmp(text, "today") == 0)
		*ret = midnight_ms(0);
	else if (strcmp(text, "yesterday") == 0)
		*ret = midnight_ms(1);
	else if (!str_to_i64(text, INT64_MIN, INT64_MAX, ret))
		return ERR_OK;
	else if (*text == '-') {
		e = parse_span(text + 1, ret);
		*ret = clock_wall_ms() - (e ? 0 : *ret);
		return e;
	} else if (!parse_span(text, ret))
		return ERR_OK;
	else
		return parse_moment(text, ret);
	return ERR_OK;
}

/* ---- scalars ---- */
static err_t bool_of(json_t **ret, const char *flag, const char *text, struct err_detail *detail)
{
	static const char *const words[] = { "no", "yes", "false", "true", "off", "on", "0", "1" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!text || strcmp(words[i], text) == 0) {
			*ret = json_boolean(!text || i % 2);
			return ERR_OK;
		}
	return err_set(detail, ERR_INVALID, flag, "must be yes or no, not '%s'", text);
}

/* The name, its last words in any case, or the number. */
static bool enum_matches(const char *name, const char *text)
{
	size_t n = strlen(name), t = strlen(text);

	if (t > n)
		return false;
	for (size_t i = 0; i < t; i++) {
		char c = text[i] == '-' ? '_' : (char)toupper((unsigned char)text[i]);

		if (name[n - t + i] != c)
			return false;
	}
	return t == n || name[n - t - 1] == '_';
}

static err_t enum_of(json_t **ret, const ProtobufCFieldDescriptor *fd, const char *flag, const char *text,
		     struct err_detail *detail)
{
	const ProtobufCEnumDescriptor *ed = fd->descriptor;
	struct str all = STR_INIT;

	for (unsigned i = 0; i < ed->n_values; i++) {
		if (enum_matches(ed->values[i].name, text)) {
			*ret = json_string(ed->values[i].name);
			str_done(&all);
			return ERR_OK;
		}
		str_printf(&all, "%s%s", all.len ? ", " : "", ed->values[i].name);
	}
	(void)err_set(detail, ERR_INVALID, flag, "must be one of %s", str_text(&all));
	str_done(&all);
	return ERR_INVALID;
}

static err_t number_of(json_t **ret, const ProtobufCFieldDescriptor *fd, const char *flag, const char *text,
		       struct err_detail *detail)
{
	bool real = fd->type == PROTOBUF_C_TYPE_DOUBLE || fd->type == PROTOBUF_C_TYPE_FLOAT;
	int64_t v;
	char *end;

	if (real) {
		*ret = json_real(strtod(text, &end));
		return *ret && *text && !*end ? ERR_OK
					      : err_set(detail, ERR_INVALID, flag, "must be a number, not '%s'", text);
	}
	if (is_ms(fd) ? fields_parse_ms(text, &v) : str_to_i64(text, INT64_MIN, INT64_MAX, &v))
		return err_set(detail, ERR_INVALID, flag,
			       is_ms(fd) ? "must be a time like 30s, 5m, -1h, today or 2026-11-23T09:00, not '%s'"
					 : "must be a number, not '%s'",
			       text);
	*ret = json_integer(v);
	return ERR_OK;
}

static err_t read_file(struct str *out, const char *file, const char *flag, struct err_detail *detail)
{
	char part[4096];
	size_t n;
	FILE *f = fopen(file, "re");

	if (!f)
		return err_set(detail, ERR_NOT_FOUND, flag, "%s cannot be read", file);
	while ((n = fread(part, 1, sizeof(part), f)) > 0 && out->len < (4u << 20))
		str_append_n(out, part, n);
	fclose(f);
	return out->failed ? ERR_EXHAUSTED : ERR_OK;
}

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

json_t *fields_base64(const unsigned char *p, size_t n)
{
	struct str s = STR_INIT;
	json_t *json;

	for (size_t i = 0; i < n; i += 3) {
		uint32_t v =
		    (uint32_t)p[i] << 16 | (i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0) | (i + 2 < n ? p[i + 2] : 0u);

		str_append_c(&s, base64[v >> 18]);
		str_append_c(&s, base64[v >> 12 & 63]);
		str_append_c(&s, i + 1 < n ? base64[v >> 6 & 63] : '=');
		str_append_c(&s, i + 2 < n ? base64[v & 63] : '=');
	}
	json = s.failed ? NULL : json_string(str_text(&s));
	str_done(&s);
	return json;
}

err_t fields_base64_decode(const char *text, unsigned char **ret, size_t *size)
{
	size_t len = strlen(text), n = 0;
	unsigned char *out = mem_alloc(len / 4 * 3 + 3);
	uint32_t bits = 0;
	int have = 0;

	if (!out)
		return ERR_EXHAUSTED;
	for (; *text && *text != '='; text++) {
		const char *at = strchr(base64, *text);

		if (!at) {
			mem_free(out);
			return ERR_INVALID;
		}
		bits = bits << 6 | (uint32_t)(at - base64);
		have += 6;
		if (have >= 8) {
			have -= 8;
			out[n++] = (unsigned char)(bits >> have);
		}
	}
	*ret = out;
	*size = n;
	return ERR_OK;
}

/* ---- messages: JSON, @file, or their fields in order, "german:5"; a choice: "queue:sales" ---- */
static bool is_choice(const ProtobufCMessageDescriptor *desc)
{
	for (unsigned i = 0; i < desc->n_fields; i++)
		if (!(desc->fields[i].flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
			return false;
	return desc->n_fields > 0;
}

static const ProtobufCFieldDescriptor *choice_of(const ProtobufCMessageDescriptor *desc, const char *word)
{
	char name[64], id[80];
	const ProtobufCFieldDescriptor *fd;

	underscores(name, sizeof(name), word);
	fd = protobuf_c_message_descriptor_get_field_by_name(desc, name);
	snprintf(id, sizeof(id), "%s_id", name);
	if (!fd)
		fd = protobuf_c_message_descriptor_get_field_by_name(desc, id);
	snprintf(id, sizeof(id), "%s_status", name);
	return fd ? fd : protobuf_c_message_descriptor_get_field_by_name(desc, id);
}

/* One part of the short form into its field. */
static err_t set_part(json_t *object, const ProtobufCMessageDescriptor *desc, const ProtobufCFieldDescriptor *fd,
		      const char *flag, const char *part, struct err_detail *detail)
{
	json_t *v = NULL;
	err_t e;

	if (!fd || fd->type == PROTOBUF_C_TYPE_MESSAGE)
		return err_set(detail, ERR_INVALID, flag, "must be JSON of %s: see --help", desc->short_name);
	e = value_of(&v, fd, flag, part, detail);
	if (!e && json_object_set_new(object, fd->name, v))
		e = ERR_EXHAUSTED;
	return e;
}

static err_t short_form(json_t **ret, const ProtobufCMessageDescriptor *desc, const char *flag, const char *text,
			struct err_detail *detail)
{
	char part[512];
	err_t e = ERR_OK;

	*ret = json_object();
	for (unsigned i = 0; !e && *text; i++) {
		const ProtobufCFieldDescriptor *fd = i < desc->n_fields ? &desc->fields[i] : NULL;
		size_t n = strcspn(text, ":");

		snprintf(part, sizeof(part), "%.*s", (int)n, text);
		text += n + (text[n] == ':');
		if (is_choice(desc)) {
			fd = choice_of(desc, part);
			snprintf(part, sizeof(part), "%s", text);
			text = "";
		}
		e = set_part(*ret, desc, fd, flag, part, detail);
	}
	if (e)
		json_decref(*ret);
	return e;
}

static err_t message_of(json_t **ret, const ProtobufCFieldDescriptor *fd, const char *flag, const char *text,
			struct err_detail *detail)
{
	json_error_t error;

	if (*text != '{' && *text != '[')
		return short_form(ret, fd->descriptor, flag, text, detail);
	*ret = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	return *ret ? ERR_OK : err_set(detail, ERR_INVALID, flag, "is not JSON: %s", error.text);
}

static err_t value_of(json_t **ret, const ProtobufCFieldDescriptor *fd, const char *flag, const char *text,
		      struct err_detail *detail)
{
	if (fd->type == PROTOBUF_C_TYPE_BOOL)
		return bool_of(ret, flag, text, detail);
	if (!text)
		return err_set(detail, ERR_INVALID, flag, "needs a value");
	switch (fd->type) {
	case PROTOBUF_C_TYPE_STRING:
		*ret = json_string(text);
		return *ret ? ERR_OK : err_set(detail, ERR_INVALID, flag, "must be UTF-8");
	case PROTOBUF_C_TYPE_BYTES:
		*ret = fields_base64((const unsigned char *)text, strlen(text));
		return *ret ? ERR_OK : ERR_EXHAUSTED;
	case PROTOBUF_C_TYPE_ENUM:
		return enum_of(ret, fd, flag, text, detail);
	case PROTOBUF_C_TYPE_MESSAGE:
		return message_of(ret, fd, flag, text, detail);
	default:
		return number_of(ret, fd, flag, text, detail);
	}
}

/* ---- lists ---- */
static err_t append(json_t *list, const ProtobufCFieldDescriptor *fd, const char *flag, const char *text,
		    struct err_detail *detail)
{
	json_t *v = NULL, *each;
	size_t i;
	err_t e = value_of(&v, fd, flag, text, detail);

	if (e)
		return e;
	if (!json_is_array(v))
		return json_array_append_new(list, v) ? ERR_EXHAUSTED : ERR_OK;
	json_array_foreach(v, i, each) json_array_append(list, each);
	json_decref(v);
	return ERR_OK;
}

/* "a,b" is two, but for JSON, and for text that may hold a comma itself the flag is given twice. */
static err_t set_list(json_t *list, const ProtobufCFieldDescriptor *fd, const char *flag, const char *text,
		      struct err_detail *detail)
{
	bool split = text && *text != '{' && *text != '[';
	char part[1024];
	err_t e = ERR_OK;

	if (!split)
		return append(list, fd, flag, text, detail);
	while (!e && *text) {
		size_t n = strcspn(text, ",");

		snprintf(part, sizeof(part), "%.*s", (int)n, text);
		e = append(list, fd, flag, part, detail);
		text += n + (text[n] == ',');
	}
	return e;
}

static err_t set_here(json_t *object, const ProtobufCFieldDescriptor *fd, const char *flag, const char *text,
		      struct err_detail *detail)
{
	json_t *v = json_object_get(object, fd->name);
	err_t e;

	if (fd->label != PROTOBUF_C_LABEL_REPEATED) {
		e = value_of(&v, fd, flag, text, detail);
		return e ? e : json_object_set_new(object, fd->name, v) ? ERR_EXHAUSTED : ERR_OK;
	}
	if (!v) {
		v = json_array();
		if (json_object_set_new(object, fd->name, v))
			return ERR_EXHAUSTED;
	}
	return set_list(v, fd, flag, text, detail);
}

err_t fields_set(json_t *object, const ProtobufCMessageDescriptor *desc, const char *path, const char *value,
		 struct err_detail *detail)
{
	const char *dot = strchr(path, '.');
	const ProtobufCFieldDescriptor *fd;
	struct str file = STR_INIT;
	char name[128];
	json_t *inner;
	err_t e;

	snprintf(name, sizeof(name), "%.*s", dot ? (int)(dot - path) : (int)sizeof(name) - 1, path);
	fd = fields_find(desc, name);
	if (!fd && !dot && strncmp(name, "no-", 3) == 0 && (fd = fields_find(desc, name + 3)) &&
	    fd->type == PROTOBUF_C_TYPE_BOOL)
		value = "no";
	else if (!fd)
		return err_set(detail, ERR_INVALID, path, "is no option of this command: see --help");
	if (!dot && value && *value == '@' && fd->type != PROTOBUF_C_TYPE_STRING) {
		e = read_file(&file, value + 1, path, detail);
		if (!e && fd->type == PROTOBUF_C_TYPE_BYTES)
			e = json_object_set_new(object, fd->name,
						fields_base64((const unsigned char *)str_text(&file), file.len))
				? ERR_EXHAUSTED
				: ERR_OK;
		else if (!e)
			e = set_here(object, fd, path, str_text(&file), detail);
		str_done(&file);
		return e;
	}
	if (!dot)
		return set_here(object, fd, path, value, detail);
	if (fd->type != PROTOBUF_C_TYPE_MESSAGE || fd->label == PROTOBUF_C_LABEL_REPEATED)
		return err_set(detail, ERR_INVALID, path, "%s has no fields inside", fd->name);
	inner = json_object_get(object, fd->name);
	if (!inner) {
		inner = json_object();
		if (json_object_set_new(object, fd->name, inner))
			return ERR_EXHAUSTED;
	}
	return fields_set(inner, fd->descriptor, dot + 1, value, detail);
}
