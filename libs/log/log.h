/*
 * log: one line of logfmt per event on standard error, with the ids of what it is about.
 *
 * Libraries never log: they return errors. Services log once, where the error is handled. Thread-safe (one write a line).
 *
 *	struct log_ctx ctx = { .tenant = t, .call = call_id };
 *	LOG_INFO(&ctx, "call.answered", "wait_ms=%lld agent=%s", wait_ms, agent);
 *	→ time=2026-11-23T18:07:05.123Z level=info service=call-control instance=cc-1 event=call.answered tenant=acme call=… wait_ms=… agent=…
 *
 * Values with spaces or quotes are quoted by LOG_Q("…"). Secrets never go in.
 */
#ifndef LOG_LOG_H
#define LOG_LOG_H

#include <stdbool.h>
#include "base/err.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

/* Any member may be NULL. */
struct log_ctx {
	const char *tenant;
	const char *call;
	const char *leg;
	const char *agent;
};

/* Once, before threads. The strings are copied. */
void log_init(const char *service, const char *instance, enum log_level level);
err_t log_level_parse(const char *text, enum log_level *ret) MUST; /* debug|info|warn|error */
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);
/* event: dotted name, constant. fmt: logfmt pairs. A line is cut at 4 KiB; control characters are replaced. */
void log_line(enum log_level level, const struct log_ctx *ctx, const char *event, const char *fmt, ...) PRINTF(4, 5);
/* Quotes a value for logfmt into a per-thread ring of 8 buffers of 512 bytes; NULL → "". */
const char *log_quote(const char *value);
#define LOG_Q(v) log_quote(v)

#define LOG_AT(level, ctx, event, ...)                            \
	do {                                                      \
		if (log_enabled(level))                           \
			log_line(level, ctx, event, __VA_ARGS__); \
	} while (0)
#define LOG_DEBUG(ctx, event, ...) LOG_AT(LOG_LEVEL_DEBUG, ctx, event, __VA_ARGS__)
#define LOG_INFO(ctx, event, ...)  LOG_AT(LOG_LEVEL_INFO, ctx, event, __VA_ARGS__)
#define LOG_WARN(ctx, event, ...)  LOG_AT(LOG_LEVEL_WARN, ctx, event, __VA_ARGS__)
#define LOG_ERROR(ctx, event, ...) LOG_AT(LOG_LEVEL_ERROR, ctx, event, __VA_ARGS__)

#endif
