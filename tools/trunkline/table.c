/* Aligned tables: columns are data ("QUEUE=queue_id,WAIT=wait_ms:span"); numbers stand to the right. */
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

#define COLUMNS_MAX 24
#define CELL_MAX    60 /* wider text is cut in a table; --json has all of it */

struct column {
	char head[32], field[64], format[16];
	size_t width;
	bool right;
};
struct table {
	struct column columns[COLUMNS_MAX];
	size_t n_columns, n_rows;
	char **cells; /* row by row */
};

static void columns_parse(struct table *t, const char *spec)
{
	while (*spec && t->n_columns < COLUMNS_MAX) {
		struct column *c = &t->columns[t->n_columns++];
		size_t n = strcspn(spec, ",");
		char part[128];
		char *eq, *colon;

		snprintf(part, sizeof(part), "%.*s", (int)n, spec);
		spec += n + (spec[n] == ',');
		eq = strchr(part, '=');
		colon = eq ? strchr(eq, ':') : NULL;
		if (colon)
			*colon = '\0';
		(void)str_copy(c->format, sizeof(c->format), colon ? colon + 1 : "");
		(void)str_copy(c->field, sizeof(c->field), eq ? eq + 1 : part);
		if (eq)
			*eq = '\0';
		(void)str_copy(c->head, sizeof(c->head), part);
		c->width = show_width(c->head);
		c->right = true;
	}
}

/* "caller.number": into nested objects. */
static const json_t *field_of(const json_t *row, const char *path)
{
	char name[64];

	while (row && *path) {
		size_t n = strcspn(path, ".");

		snprintf(name, sizeof(name), "%.*s", (int)n, path);
		row = json_object_get(row, name);
		path += n + (path[n] == '.');
	}
	return row;
}

/* ---- cells ---- */
static void plain(struct str *out, const json_t *v)
{
	if (json_is_string(v))
		str_append(out, json_string_value(v));
	else if (json_is_boolean(v))
		str_append(out, json_is_true(v) ? "yes" : "no");
	else if (json_is_real(v))
		str_printf(out, "%.1f", json_real_value(v));
	else if (json_is_integer(v))
		str_printf(out, "%lld", (long long)json_integer_value(v));
	else if (json_is_array(v) || json_is_object(v)) {
		char *text = json_dumps(v, JSON_COMPACT);

		str_append(out, text ? text : "");
		free(text);
	}
}

/* ["a","b"] → "a b"; [{"skill_id":"x","level":5}] → "x:5" */
static void list(struct str *out, const json_t *v)
{
	const json_t *each, *inner;
	const char *key;
	size_t i;

	json_array_foreach((json_t *)v, i, each)
	{
		bool first = true;

		if (i)
			str_append_c(out, ' ');
		if (!json_is_object(each)) {
			plain(out, each);
			continue;
		}
		json_object_foreach((json_t *)each, key, inner)
		{
			if (!first)
				str_append_c(out, ':');
			plain(out, inner);
			first = false;
		}
	}
}

/* The one member of a choice: {"queue_id":"sales"} → "queue sales". */
static void choice(struct str *out, const json_t *v)
{
	const json_t *inner;
	const char *key;

	json_object_foreach((json_t *)v, key, inner)
	{
		size_t n = strlen(key);

		n -= n > 3 && strcmp(key + n - 3, "_id") == 0 ? 3 : 0;
		str_printf(out, "%s%.*s ", out->len ? " " : "", (int)n, key);
		plain(out, inner);
	}
}

static void times(struct str *out, const json_t *v, const char *format)
{
	int64_t ms = show_number(v);
	char buf[32];

	if (strcmp(format, "span") == 0)
		str_append(out, v ? ms < 0 ? "-" : show_span(ms, buf) : "");
	else if (ms)
		str_append(out, show_time(ms, buf));
}

static void cell(struct str *out, const json_t *v, const char *format)
{
	const char *s = json_is_string(v) ? json_string_value(v) : "", *slash = strrchr(s, '/');
	char word[64];

	if (strcmp(format, "time") == 0 || strcmp(format, "span") == 0)
		times(out, v, format);
	else if (strcmp(format, "leaf") == 0)
		str_append(out, slash ? slash + 1 : s);
	else if (strcmp(format, "word") == 0)
		str_append(out, show_word(s, word));
	else if (strcmp(format, "count") == 0)
		str_printf(out, "%zu", json_array_size(v));
	else if (strcmp(format, "list") == 0)
		list(out, v);
	else if (strcmp(format, "choice") == 0)
		choice(out, v);
	else if (strcmp(format, "percent") == 0 && json_number_value(v) < 0)
		str_append(out, "-"); /* nothing to divide by */
	else if (strcmp(format, "percent") == 0 && v)
		str_printf(out, "%.1f %%", json_number_value(v) * 100);
	else if (strcmp(format, "size") == 0)
		str_printf(out, "%.1f kB", (double)show_number(v) / 1000);
	else
		plain(out, v);
}

static bool numeric(const char *s)
{
	return !*s || strcmp(s, "-") == 0 ||
	       (s[strspn(s, "0123456789.:-% skBM")] == '\0' && !strchr("sk%BM", *s) && strncmp(s, "20", 2) != 0);
}

/* A table's cell is one line, and no terminal command. */
static void sanitize(struct str *s)
{
	size_t cut = 0, width = 0;

	for (char *p = s->data; p && *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
		if (((unsigned char)*p & 0xc0) != 0x80 && ++width == CELL_MAX)
			cut = (size_t)(p - s->data);
	}
	if (width > CELL_MAX) {
		s->len = cut;
		s->data[cut] = '\0';
		str_append(s, "…");
	}
}

static void add_row(struct table *t, const json_t *row)
{
	for (size_t i = 0; i < t->n_columns; i++) {
		struct column *c = &t->columns[i];
		struct str s = STR_INIT;
		size_t width;

		cell(&s, field_of(row, c->field), c->format);
		sanitize(&s);
		width = show_width(str_text(&s));
		c->width = width > c->width ? width : c->width;
		if (!numeric(str_text(&s)))
			c->right = false;
		t->cells[t->n_rows * t->n_columns + i] = s.data ? s.data : mem_strdup("");
	}
	t->n_rows++;
}

static void print_cell(const struct table *t, size_t i, const char *text)
{
	int pad = (int)(t->columns[i].width - show_width(text));
	bool last = i + 1 == t->n_columns;

	if (t->columns[i].right)
		printf("%*s%s%s", pad, "", text, last ? "\n" : "  ");
	else
		printf("%s%*s%s", text, last ? 0 : pad, "", last ? "\n" : "  ");
}

static void print_row(const struct table *t, char **cells)
{
	for (size_t i = 0; i < t->n_columns; i++) {
		print_cell(t, i, cells[i] ? cells[i] : "");
		mem_free(cells[i]);
	}
}

void table_print(const json_t *rows, const char *columns)
{
	struct table t = { 0 };
	const json_t *row;
	size_t i;

	columns_parse(&t, columns);
	t.cells = mem_array(json_array_size(rows) * t.n_columns, sizeof(char *));
	if (!t.cells || !t.n_columns)
		return;
	json_array_foreach((json_t *)rows, i, row) add_row(&t, row);
	for (i = 0; i < t.n_columns; i++)
		print_cell(&t, i, t.columns[i].head);
	for (size_t r = 0; r < t.n_rows; r++)
		print_row(&t, &t.cells[r * t.n_columns]);
	mem_free(t.cells);
}
