#include "journal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BUFFER_BYTES (1 << 20)

static FILE *out;

int64_t wall_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

void journal_open(const char *path)
{
	out = fopen(path, "a");
	if (!out) {
		perror(path);
		exit(1);
	}
	setvbuf(out, NULL, _IOFBF, BUFFER_BYTES);
}

void journal(const char *leg, int64_t at_ns, const char *event, const char *more, ...)
{
	va_list ap;

	if (!out)
		return; /* unit tests */
	fprintf(out, "{\"t\": %.1f, \"leg\": \"%s\", \"ev\": \"%s\"", (double)at_ns / MS_NS, leg, event);
	if (more) {
		fputs(", ", out);
		va_start(ap, more);
		vfprintf(out, more, ap);
		va_end(ap);
	}
	fputs("}\n", out);
}

void journal_flush(void)
{
	if (out)
		fflush(out);
}
