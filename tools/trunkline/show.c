#include "cli.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>
#include "base/clock.h"

int64_t show_number(const json_t *value)
{
	if (json_is_string(value))
		return strtoll(json_string_value(value), NULL, 10);
	if (json_is_real(value))
		return (int64_t)json_real_value(value);
	return json_integer_value(value);
}

const char *show_text(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "";
}

const char *show_time(int64_t wall_ms, char buf[32])
{
	time_t at = (time_t)(wall_ms / 1000), now = (time_t)(clock_wall_ms() / 1000);
	struct tm tm, today;

	localtime_r(&at, &tm);
	localtime_r(&now, &today);
	strftime(buf, 32, tm.tm_year == today.tm_year && tm.tm_yday == today.tm_yday ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S",
		 &tm);
	return buf;
}

/* "0.4 s", "12 s", "3:05", "1:02:03" */
const char *show_span(int64_t ms, char buf[32])
{
	int64_t s = ms / 1000;

	if (ms < 10000)
		snprintf(buf, 32, "%.1f s", (double)ms / 1000);
	else if (s < 60)
		snprintf(buf, 32, "%lld s", (long long)s);
	else if (s < 3600)
		snprintf(buf, 32, "%lld:%02lld", (long long)s / 60, (long long)s % 60);
	else
		snprintf(buf, 32, "%lld:%02lld:%02lld", (long long)s / 3600, (long long)s / 60 % 60, (long long)s % 60);
	return buf;
}

size_t show_width(const char *text)
{
	size_t width = 0;
	mbstate_t st = { 0 };
	wchar_t c;

	for (size_t n; *text; text += n) {
		int w;

		n = mbrtowc(&c, text, MB_CUR_MAX, &st);
		if (n == 0 || n > MB_CUR_MAX)
			return width + strlen(text); /* not this locale's: count bytes */
		w = wcwidth(c);
		width += w > 0 ? (size_t)w : 0;
	}
	return width;
}

void show_json(const json_t *value, bool one_line)
{
	char *text =
	    json_dumps(value, JSON_PRESERVE_ORDER | JSON_ENCODE_ANY | (one_line ? JSON_COMPACT : JSON_INDENT(2)));

	puts(text ? text : "null");
	free(text);
	if (one_line)
		fflush(stdout);
}

/* ---- a message as indented "field: value" lines; what is empty or zero is left out ---- */
static bool is_empty(const json_t *v)
{
	return json_is_null(v) || json_is_false(v) ||
	       (json_is_string(v) && (!json_string_length(v) || strcmp(json_string_value(v), "0") == 0)) ||
	       (json_is_integer(v) && !json_integer_value(v)) || (json_is_array(v) && !json_array_size(v)) ||
	       (json_is_string(v) && strstr(json_string_value(v), "_UNSPECIFIED"));
}

static bool is_ms(const char *key)
{
	size_t n = strlen(key);

	return n > 3 && strcmp(key + n - 3, "_ms") == 0;
}

const char *show_word(const char *name, char buf[64])
{
	static const char *const prefixes[] = { "AGENT_STATE_", "SCOPE_", "RECORDING_STATE_", "RECORDING_FORMAT_" };
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		size_t len = strlen(prefixes[i]);

		if (strncmp(name, prefixes[i], len) != 0)
			continue;
		for (name += len; *name && n < 63; name++)
			buf[n++] = *name == '_' ? '-' : (char)tolower((unsigned char)*name);
		buf[n] = '\0';
		return strcmp(buf, "unspecified") == 0 ? "" : buf;
	}
	return name;
}

static void scalar(const char *key, const json_t *v)
{
	char buf[32], name[64];

	if (key && is_ms(key) && show_number(v) > 100000000000)
		printf("%s\n", show_time(show_number(v), buf));
	else if (key && is_ms(key))
		printf("%lld (%s)\n", (long long)show_number(v), show_span(show_number(v), buf));
	else if (json_is_string(v))
		printf("%s\n", show_word(json_string_value(v), name));
	else if (json_is_boolean(v))
		printf("%s\n", json_is_true(v) ? "yes" : "no");
	else if (json_is_real(v))
		printf("%g\n", json_real_value(v));
	else
		printf("%lld\n", (long long)json_integer_value(v));
}

static void value(const char *key, const json_t *v, int indent);

static void object(const json_t *o, int indent, bool first_inline)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)o, key, v)
	{
		if (is_empty(v))
			continue;
		printf("%*s%s:", first_inline ? 0 : indent, "", key);
		first_inline = false;
		value(key, v, indent);
	}
	if (first_inline)
		puts("{}");
}

static void value(const char *key, const json_t *v, int indent)
{
	const json_t *each;
	size_t i;

	if (json_is_object(v)) {
		puts("");
		object(v, indent + 2, false);
	} else if (json_is_array(v)) {
		puts("");
		json_array_foreach((json_t *)v, i, each)
		{
			printf("%*s- ", indent + 2, "");
			if (json_is_object(each))
				object(each, indent + 4, true);
			else
				scalar(NULL, each);
		}
	} else {
		putchar(' ');
		scalar(key, v);
	}
}

void show_message(const json_t *message)
{
	object(message, 0, false);
}
