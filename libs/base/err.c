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

err_t err_set(struct err_detail *d, err_t code, const char *field, const char *fmt, ...)
{
	if (d) {
		va_list ap;

		snprintf(d->field, sizeof(d->field), "%s", field ? field : "");
		va_start(ap, fmt);
		vsnprintf(d->message, sizeof(d->message), fmt, ap);
		va_end(ap);
		d->retry_ms = 0;
		/* Both go on the wire, as UTF-8, and may quote what came from there, or be cut in a character. */
		str_utf8_clean(d->field);
		str_utf8_clean(d->message);
	}
	return code;
}
