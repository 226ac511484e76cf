/* What the tables look like to a person: the commented sample file and the reference page. */
#include "config_internal.h"
#include "base/str.h"

#include <inttypes.h>
#include <string.h>

/* YAML's double-quoted form; defaults hold no control characters. */
static void print_quoted(const char *s, FILE *out)
{
	fputc('"', out);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			fputc('\\', out);
		fputc(*s, out);
	}
	fputc('"', out);
}

static void print_value(const struct config_item *item, FILE *out)
{
	switch (item->type) {
	case CONFIG_TYPE_INT:
		fprintf(out, "%" PRId64, item->def_int);
		break;
	case CONFIG_TYPE_BOOL:
		fputs(item->def_int ? "true" : "false", out);
		break;
	default:
		print_quoted(item->def_str ? item->def_str : "", out);
	}
}

static void print_allowed(const struct config_item *item, FILE *out)
{
	switch (item->type) {
	case CONFIG_TYPE_INT:
		fprintf(out, "integer, %" PRId64 " to %" PRId64, item->min, item->max);
		break;
	case CONFIG_TYPE_BOOL:
		fputs("true or false", out);
		break;
	default:
		fputs("text", out);
	}
	if (item->flags & CONFIG_REQUIRED)
		fputs(", required", out);
	if (item->flags & CONFIG_RELOADABLE)
		fputs(", reloadable", out);
	if (item->flags & CONFIG_SECRET)
		fputs(", secret", out);
}

struct sample {
	const struct config_table *tables;
	size_t n_tables;
	FILE *out;
};

static bool in_section(const char *path, const char *section, size_t len)
{
	return strncmp(path, section, len) == 0;
}

/* The first item below section[0..len) is it? Then its heading is printed, with everything below it. */
static bool is_first(const struct sample *s, const struct config_item *wanted, size_t len)
{
	for (size_t i = 0; i < s->n_tables; i++)
		for (const struct config_item *item = s->tables[i].items; item->type != CONFIG_TYPE_END; item++)
			if (in_section(item->path, wanted->path, len))
				return item == wanted;
	return false;
}

static void print_leaf(const struct sample *s, const struct config_item *item, size_t len, int depth)
{
	fprintf(s->out, "%*s# %s (", depth * 2, "", item->help);
	print_allowed(item, s->out);
	fprintf(s->out, ")\n%*s%s: ", depth * 2, "", item->path + len);
	print_value(item, s->out);
	fputc('\n', s->out);
}

/* section: path with its closing dot, of len bytes. */
static void print_section(const struct sample *s, const char *section, size_t len, int depth)
{
	for (size_t i = 0; i < s->n_tables; i++) {
		for (const struct config_item *item = s->tables[i].items; item->type != CONFIG_TYPE_END; item++) {
			const char *dot;
			size_t below;

			if (!in_section(item->path, section, len))
				continue;
			dot = strchr(item->path + len, '.');
			if (!dot) {
				print_leaf(s, item, len, depth);
				continue;
			}
			below = (size_t)(dot - item->path) + 1;
			if (depth >= CONFIG_MAX_DEPTH || !is_first(s, item, below))
				continue;
			fprintf(s->out, "%s%*s%.*s:\n", depth ? "" : "\n", depth * 2, "", (int)(below - len - 1),
				item->path + len);
			print_section(s, item->path, below, depth + 1);
		}
	}
}

void config_print_sample(const struct config_table *tables, size_t n_tables, FILE *out)
{
	print_section(&(struct sample){ tables, n_tables, out }, "", 0, 0);
}

void config_print_reference(const struct config_table *tables, size_t n_tables, FILE *out)
{
	char env[CONFIG_MAX_PATH];

	fputs("| setting | meaning | allowed | default | environment |\n|---|---|---|---|---|\n", out);
	for (size_t i = 0; i < n_tables; i++) {
		for (const struct config_item *item = tables[i].items; item->type != CONFIG_TYPE_END; item++) {
			fprintf(out, "| `%s` | %s | ", item->path, item->help);
			print_allowed(item, out);
			fputs(" | `", out);
			print_value(item, out);
			fprintf(out, "` | `%s` |\n", config_env_name(item->path, env));
		}
	}
}
