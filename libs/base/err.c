#include "base/err.h"
#include "base/str.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const names[] = {
	[ERR_OK] = "OK",
	[ERR_CANCELLED] = "CANCELLED",
	[ERR_UNKNOWN] = "UNKNOWN",
	[ERR_INVALID] = "INVALID_ARGUMENT",
	[ERR_TIMEOUT] = "DEADLINE_EXCEEDED",
	[ERR_NOT_FOUND] = "NOT_FOUND",
	[ERR_EXISTS] = "ALREADY_EXISTS",
	[ERR_DENIED] = "PERMISSION_DENIED",
	[ERR_EXHAUSTED] = "RESOURCE_EXHAUSTED",
	[ERR_PRECONDITION] = "FAILED_PRECONDITION",
	[ERR_ABORTED] = "ABORTED",
	[ERR_RANGE] = "OUT_OF_RANGE",
	[ERR_UNIMPLEMENTED] = "UNIMPLEMENTED",
	[ERR_INTERNAL] = "INTERNAL",
	[ERR_UNAVAILABLE] = "UNAVAILABLE",
	[ERR_DATA_LOSS] = "DATA_LOSS",
	[ERR_UNAUTHENTICATED] = "UNAUTHENTICATED",
};

const char *err_name(err_t e)
{
	return (size_t)e < ARRAY_SIZE(names) ? names[e] : "UNKNOWN";
}

err_t err_from_errno(int errnum)
{
	switch (errnum) {
	case ENOENT:
	case ESRCH:
		return ERR_NOT_FOUND;
	case EEXIST:
	case EADDRINUSE:
		return ERR_EXISTS;
	case EACCES:
	case EPERM:
		return ERR_DENIED;
	case ENOMEM:
	case ENOSPC:
	case EMFILE:
	case ENFILE:
	case EDQUOT:
	case ENOBUFS:
		return ERR_EXHAUSTED;
	case EINVAL:
	case ENAMETOOLONG:
		return ERR_INVALID;
	case ETIMEDOUT:
		return ERR_TIMEOUT;
	case ECONNREFUSED:
	case ECONNRESET:
	case EPIPE:
	case ENETUNREACH:
	case EHOSTUNREACH:
	case EAGAIN:
		return ERR_UNAVAILABLE;
	case EIO:
		return ERR_DATA_LOSS;
	default:
		return ERR_INTERNAL;
	}
}

/* Bytes of the message that the first n bytes of the format make. */
static PRINTF(1, 0) uint8_t formatted(const char *format, size_t n, va_list ap)
{
	char part[256];
	va_list again;
	int bytes = 0;

	if (n < sizeof(part)) {
		memcpy(part, format, n);
		part[n] = '\0';
		va_copy(again, ap);
		bytes = vsnprintf(NULL, 0, part, again);
		va_end(again);
	}
	return bytes < 0 ? 0 : bytes > UINT8_MAX ? UINT8_MAX : (uint8_t)bytes;
}

/* Where each argument stands: between what is made by the format up to its placeholder, and with it. */
static PRINTF(2, 0) void find_args(struct err_detail *d, const char *format, va_list ap)
{
	size_t n = 0;

	_Static_assert(sizeof(d->message) - 1 <= UINT8_MAX, "places in the message are kept in a byte");
	memset(d->args, 0, sizeof(d->args));
	for (const char *p = format; (p = strchr(p, '%')) && n < ERR_ARGS_MAX;) {
		const char *conversion = p + 1 + strcspn(p + 1, "diouxXeEfFgGaAcsp%");

		if (!*conversion)
			return;
		if (*conversion != '%') {
			d->args[n].begin = formatted(format, (size_t)(p - format), ap);
			d->args[n++].end = formatted(format, (size_t)(conversion + 1 - format), ap);
		}
		p = conversion + 1;
	}
}

err_t err_vset(struct err_detail *d, err_t code, const char *field, const char *fmt, va_list ap)
{
	va_list again;

	if (!d)
		return code;
	snprintf(d->field, sizeof(d->field), "%s", field ? field : "");
	va_copy(again, ap);
	vsnprintf(d->message, sizeof(d->message), fmt, again);
	va_end(again);
	d->format = fmt;
	find_args(d, fmt, ap);
	d->retry_ms = 0;
	/* Both go on the wire, as UTF-8, and may quote what came from there, or be cut in a character. No byte moves. */
	str_utf8_clean(d->field);
	str_utf8_clean(d->message);
	return code;
}

err_t err_set(struct err_detail *d, err_t code, const char *field, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)err_vset(d, code, field, fmt, ap);
	va_end(ap);
	return code;
}
