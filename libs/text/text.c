#include "text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static int by_text(const void *key, const void *entry)
{
	return strcmp(key, ((const struct text_entry *)entry)->text);
}

/* NULL: not in the catalogue, or to be said as in the source. */
static const char *find(enum text_language l, const char *text)
{
	const struct text_entry *entries, *found;
	size_t n;

	entries = text_catalogue(l, &n);
	found = *text ? bsearch(text, entries, n, sizeof(*entries), by_text) : NULL;
	return found && *found->said ? found->said : NULL;
}

const char *text_get(enum text_language l, const char *text)
{
	const char *said = find(l, text);

	return said ? said : text;
}

static void put_arg(struct str *out, enum text_language l, const struct err_detail *d, unsigned n, char kind)
{
	char arg[sizeof(d->message)];
	size_t size;

	if (n >= ERR_ARGS_MAX || d->args[n].end < d->args[n].begin)
		return;
	size = (size_t)(d->args[n].end - d->args[n].begin);
	memcpy(arg, d->message + d->args[n].begin, size);
	arg[size] = '\0';
	str_append(out, kind == 't' ? text_get(l, arg) : arg);
}

/* said: text, %1$s … of d, %%. */
static void put(struct str *out, enum text_language l, const char *said, const struct err_detail *d)
{
	while (*said) {
		size_t n = strcspn(said, "%");

		str_append_n(out, said, n);
		said += n;
		if (said[0] == '%' && said[1] >= '1' && said[1] <= '9' && said[2] == '$' && said[3]) {
			put_arg(out, l, d, (unsigned)(said[1] - '1'), said[3]);
			said += 4;
		} else if (*said) {
			str_append_c(out, '%');
			said += said[1] == '%' ? 2 : 1;
		}
	}
}

enum text_language text_detail(struct str *out, enum text_language l, const struct err_detail *d)
{
	const char *said = d->format ? find(l, d->format) : NULL;

	if (said)
		put(out, l, said, d);
	else
		str_append(out, d->message);
	return said ? l : TEXT_EN;
}

void text_print(FILE *f, enum text_language l, const char *fmt, ...)
{
	struct err_detail d;
	struct str out = STR_INIT;
	va_list ap;

	va_start(ap, fmt);
	(void)err_vset(&d, ERR_OK, "", fmt, ap);
	va_end(ap);
	(void)text_detail(&out, l, &d);
	fprintf(f, "%s\n", out.failed ? d.message : str_text(&out));
	str_done(&out);
}
