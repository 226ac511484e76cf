#include "events/events.h"

#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

#define NAME_MAX_TEXT 130
#define MAX_AGE_MS    (7 * 86400 * INT64_C(1000))
#define MAX_BYTES     (INT64_C(8) << 30)
#define DUPLICATES_MS 60000 /* what an adopter publishes again comes within seconds; each id costs the server memory */

struct events {
	struct bus *bus;
	char site[NAME_MAX_TEXT];
	char source[NAME_MAX_TEXT];
};

err_t events_ensure_stream(struct bus *bus, struct err_detail *detail)
{
	static const char *const subjects[] = { "ev.>", NULL };
	struct bus_stream_params p = { .name = EVENTS_STREAM,
				       .subjects = subjects,
				       .max_age_ms = MAX_AGE_MS,
				       .max_bytes = MAX_BYTES,
				       .duplicates_ms = DUPLICATES_MS,
				       .discard_new = true };

	return bus_stream_ensure(bus, &p, detail);
}

err_t events_new(struct events **ret, struct bus *bus, const char *site, const char *source)
{
	struct events *ev = mem_zalloc(sizeof(*ev));

	if (!ev)
		return ERR_EXHAUSTED;
	ev->bus = bus;
	str_copy(ev->site, sizeof(ev->site), site);
	str_copy(ev->source, sizeof(ev->source), source);
	*ret = ev;
	return ERR_OK;
}

void events_free(struct events **ev)
{
	mem_free(*ev);
	*ev = NULL;
}

/* A token of a subject: what a wildcard or a dot would break. */
static bool token_ok(const char *s)
{
	return !str_empty(s) && strlen(s) < 128 && !strpbrk(s, " \t\r\n.*>");
}

err_t events_emit(struct events *ev, const char *domain, const char *key, const Trunkline__Event__V1__Event *event,
		  bus_ack_fn *fn, void *arg)
{
	Trunkline__Event__V1__Event e = *event;
	uint8_t small[2048], *bytes = small;
	char subject[400];
	size_t size;
	err_t err;

	if (!token_ok(event->tenant) || !token_ok(key) || !token_ok(domain) || str_empty(event->id))
		return ERR_INVALID;
	if (str_empty(e.site))
		e.site = ev->site;
	if (str_empty(e.source))
		e.source = ev->source;
	if (!e.time_ms)
		e.time_ms = clock_wall_ms();
	size = trunkline__event__v1__event__get_packed_size(&e);
	if (size > sizeof(small)) {
		bytes = mem_alloc(size);
		if (!bytes)
			return ERR_EXHAUSTED;
	}
	trunkline__event__v1__event__pack(&e, bytes);
	snprintf(subject, sizeof(subject), "ev.%s.%s.%s", event->tenant, domain, key);
	err = bus_js_publish(ev->bus, subject, bytes, size, event->id, fn, arg);
	if (bytes != small)
		mem_free(bytes);
	return err;
}
