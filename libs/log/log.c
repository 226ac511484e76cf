#include "log/log.h"
#include "base/clock.h"
#include "base/str.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES    4096
#define QUOTE_BUFFERS 8
#define QUOTE_BYTES   512

static const char *const level_names[] = { "debug", "info", "warn", "error" };
static char service_name[64] = "-";
static char instance_name[64] = "-";
static atomic_int threshold = LOG_LEVEL_INFO;

void log_init(const char *service, const char *instance, enum log_level level)
{
	(void)str_copy(service_name, sizeof(service_name), service);
	(void)str_copy(instance_name, sizeof(instance_name), instance);
	log_set_level(level);
}

err_t log_level_parse(const char *text, enum log_level *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(level_names); i++) {
		if (str_eq(text, level_names[i])) {
			*ret = (enum log_level)i;
			return ERR_OK;
		}
	}
	return ERR_INVALID;
}

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&threshold, (int)level, memory_order_relaxed);
}

bool log_enabled(enum log_level level)
{
	return (int)level >= atomic_load_explicit(&threshold, memory_order_relaxed);
}

/* A line under construction; what does not fit is dropped. One byte is kept for the newline. */
struct line {
	char text[LINE_BYTES];
	size_t len;
};

PRINTF(2, 0) static void add_v(struct line *l, const char *fmt, va_list ap)
{
	size_t room = sizeof(l->text) - 1 - l->len;
	int n = vsnprintf(l->text + l->len, room, fmt, ap);

	if (n > 0)
		l->len += (size_t)n < room ? (size_t)n : room - 1;
}

PRINTF(2, 3) static void add(struct line *l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_v(l, fmt, ap);
	va_end(ap);
}

static void add_id(struct line *l, const char *key, const char *value)
{
	if (!str_empty(value))
		add(l, " %s=%s", key, log_quote(value));
}

void log_line(enum log_level level, const struct log_ctx *ctx, const char *event, const char *fmt, ...)
{
	char time[CLOCK_TEXT];
	struct line l = { .len = 0 };
	va_list ap;

	add(&l, "time=%s level=%s service=%s instance=%s event=%s", clock_text(clock_wall_ms(), time),
	    level_names[level], service_name, instance_name, event);
	if (ctx) {
		add_id(&l, "tenant", ctx->tenant);
		add_id(&l, "call", ctx->call);
		add_id(&l, "leg", ctx->leg);
		add_id(&l, "agent", ctx->agent);
	}
	if (*fmt) {
		add(&l, " ");
		va_start(ap, fmt);
		add_v(&l, fmt, ap);
		va_end(ap);
	}
	/* Whatever a peer smuggled into a value stays within its line; a cut leaves no half character. */
	str_utf8_clean(l.text);
	l.text[l.len++] = '\n';
	/* One write a line: lines of several threads never mix. A lost log line is not worth a service. */
	if (write(STDERR_FILENO, l.text, l.len) < 0)
		return;
}

static bool is_plain(const char *v)
{
	if (!*v)
		return false;
	for (; *v; v++) {
		unsigned char c = (unsigned char)*v;

		if (c <= ' ' || c == '"' || c == '\\' || c == '=' || c == 0x7f)
			return false;
	}
	return true;
}

const char *log_quote(const char *value)
{
	static _Thread_local char ring[QUOTE_BUFFERS][QUOTE_BYTES];
	static _Thread_local unsigned next;
	char *buf, *p, *end;

	if (!value)
		value = "";
	buf = p = ring[next++ % QUOTE_BUFFERS];
	end = buf + QUOTE_BYTES - 2; /* closing quote and NUL */
	if (is_plain(value) && str_copy(buf, QUOTE_BYTES, value))
		return buf;
	*p++ = '"';
	for (; *value && p < end - 1; value++) {
		unsigned char c = (unsigned char)*value;

		if (c == '"' || c == '\\')
			*p++ = '\\';
		*p++ = c < 0x20 || c == 0x7f ? '?' : (char)c;
	}
	*p++ = '"';
	*p = '\0';
	return buf;
}
