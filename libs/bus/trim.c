/* What a stream holds, and giving back what nobody needs any more. */
#include "bus_internal.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

struct state_call {
	bus_stream_state_fn *fn;
	void *arg;
};

static void on_state(const struct bus_raw *raw, void *arg)
{
	const struct state_call *c = arg;
	json_t *info = raw && raw->msg.size ? json_loadb(raw->msg.data, raw->msg.size, 0, NULL) : NULL;
	const json_t *state = json_object_get(info, "state");
	struct bus_stream_state s = { 0 };

	if (!info || api_error(info) || !state) {
		c->fn(info && api_error(info) == 10059 ? ERR_NOT_FOUND : ERR_UNAVAILABLE, NULL, c->arg);
	} else {
		s.first_seq = (uint64_t)json_integer_value(json_object_get(state, "first_seq"));
		s.last_seq = (uint64_t)json_integer_value(json_object_get(state, "last_seq"));
		s.messages = (uint64_t)json_integer_value(json_object_get(state, "messages"));
		s.bytes = (uint64_t)json_integer_value(json_object_get(state, "bytes"));
		c->fn(ERR_OK, &s, c->arg);
	}
	json_decref(info);
}

static bool name_ok(const char *stream)
{
	return stream && stream[0] && strlen(stream) < 64 && !strpbrk(stream, ". *>\r\n\t");
}

err_t bus_stream_state(struct bus *bus, const char *stream, bus_stream_state_fn *fn, void *arg)
{
	struct state_call *c;
	char path[128];
	err_t e;

	if (!name_ok(stream))
		return ERR_INVALID;
	c = mem_alloc(sizeof(*c));
	if (!c)
		return ERR_EXHAUSTED;
	*c = (struct state_call){ .fn = fn, .arg = arg };
	(void)snprintf(path, sizeof(path), "STREAM.INFO.%s", stream);
	e = api_send(NULL, bus, path, NULL, on_state, c, true);
	if (e)
		mem_free(c);
	return e;
}

/* ---- trimming --------------------------------------------------------------------------------------------------- */

struct trim {
	struct bus *bus;
	uint64_t before;
	char stream[64];
};

static void on_purged(const struct bus_raw *raw, void *arg)
{
	(void)raw; /* the next trim does what this one did not */
	(void)arg;
}

static void purge(const struct trim *t, uint64_t before)
{
	json_t *body = json_pack("{s:I}", "seq", (json_int_t)before);
	char path[128];
	err_t e;

	(void)snprintf(path, sizeof(path), "STREAM.PURGE.%s", t->stream);
	e = body ? api_send(NULL, t->bus, path, body, on_purged, NULL, false) : ERR_EXHAUSTED;
	(void)e; /* as above */
	json_decref(body);
}

/* The lowest sequence that some durable consumer has not acknowledged. */
static uint64_t oldest_needed(const json_t *list, uint64_t before)
{
	const json_t *consumer;
	size_t i;

	json_array_foreach(json_object_get(list, "consumers"), i, consumer)
	{
		const json_t *config = json_object_get(consumer, "config");
		uint64_t floor =
		    (uint64_t)json_integer_value(json_object_get(json_object_get(consumer, "ack_floor"), "stream_seq"));

		if (json_object_get(config, "durable_name") && floor + 1 < before)
			before = floor + 1;
	}
	return before;
}

static void on_consumers(const struct bus_raw *raw, void *arg)
{
	const struct trim *t = arg;
	json_t *list = raw && raw->msg.size ? json_loadb(raw->msg.data, raw->msg.size, 0, NULL) : NULL;
	bool whole = list && !api_error(list) &&
		     json_integer_value(json_object_get(list, "total")) ==
			 (json_int_t)json_array_size(json_object_get(list, "consumers"));
	uint64_t before = whole ? oldest_needed(list, t->before) : 0;

	if (before > 1)
		purge(t, before);
	json_decref(list);
}

err_t bus_stream_trim(struct bus *bus, const char *stream, uint64_t before_seq)
{
	struct trim *t;
	char path[128];
	err_t e;

	if (!name_ok(stream))
		return ERR_INVALID;
	t = mem_zalloc(sizeof(*t));
	if (!t)
		return ERR_EXHAUSTED;
	t->bus = bus;
	t->before = before_seq;
	(void)snprintf(t->stream, sizeof(t->stream), "%s", stream);
	(void)snprintf(path, sizeof(path), "CONSUMER.LIST.%s", stream);
	e = api_send(NULL, bus, path, NULL, on_consumers, t, true);
	if (e)
		mem_free(t);
	return e;
}
