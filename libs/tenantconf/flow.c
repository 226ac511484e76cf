#include "tenantconf/flow.h"

#include <stdio.h>
#include <string.h>
#include "base/err.h"

const char *flow_kind_name(enum flow_kind kind)
{
	static const char *const names[] = { "answer", "play",	     "collect", "branch", "set",
					     "queue",  "ring-agent", "record",	"hang-up" };

	return (size_t)kind < ARRAY_SIZE(names) ? names[kind] : "unknown";
}

int flow_find_step(const struct flow *f, const char *id)
{
	for (int i = 0; i < f->n_steps; i++) {
		if (strcmp(f->steps[i].id, id) == 0)
			return i;
	}
	return FLOW_END;
}

bool flow_variable_ok(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n < FLOW_VARIABLE_MAX && name[0] >= 'a' && name[0] <= 'z' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == n;
}

/* Appends as much of n bytes as fits without cutting a character. */
static bool append(char *dst, size_t size, size_t *at, const char *text, size_t n)
{
	size_t room = size - 1 - *at, take = n < room ? n : room;

	while (take < n && take > 0 && ((unsigned char)text[take] & 0xc0) == 0x80)
		take--;
	memcpy(dst + *at, text, take);
	*at += take;
	dst[*at] = '\0';
	return take == n;
}

/* The name in "${name}" at p; its length, 0 if there is none. */
static size_t reference(const char *p, char name[FLOW_VARIABLE_MAX])
{
	const char *end = strncmp(p, "${", 2) == 0 ? strchr(p, '}') : NULL;
	size_t n = end ? (size_t)(end - p) - 2 : 0;

	if (!end || n >= FLOW_VARIABLE_MAX)
		return 0;
	memcpy(name, p + 2, n);
	name[n] = '\0';
	return flow_variable_ok(name) ? n + 3 : 0;
}

bool flow_expand(char *dst, size_t size, const char *text, const char *(*lookup)(const char *name, void *arg),
		 void *arg)
{
	char name[FLOW_VARIABLE_MAX];
	size_t at = 0;
	bool fits = true;

	dst[0] = '\0';
	while (*text && fits) {
		size_t n = reference(text, name);
		size_t literal = n ? 0 : 1 + strcspn(text + 1, "$");

		if (n) {
			const char *value = lookup(name, arg);

			fits = append(dst, size, &at, value ? value : "", value ? strlen(value) : 0);
			text += n;
		} else {
			fits = append(dst, size, &at, text, literal);
			text += literal;
		}
	}
	return fits;
}
