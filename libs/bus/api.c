/* $JS.API: requests in JSON. Streams and buckets are made at start-up, blocking; the rest is asynchronous. */
#include "bus_internal.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_MS	     1000000LL
#define ERR_STREAM_NOT_FOUND 10059
#define ERR_TEMPORARILY_AWAY 10008 /* no leader at the moment */
#define ERR_NO_PEERS	     10005 /* for so many replicas: the other servers are not there yet */
#define CLUSTER_START_MS     15000

static err_t api_subject(char *buf, size_t size, const char *path)
{
	int n = snprintf(buf, size, "$JS.API.%s", path);

	return n > 0 && (size_t)n < size ? ERR_OK : ERR_INVALID;
}

err_t api_send(struct request **ret, struct bus *bus, const char *path, json_t *body, bus_raw_fn *fn, void *arg,
	       bool own_arg)
{
	char subject[BUS_SUBJECT_MAX], *text = NULL;
	err_t e = api_subject(subject, sizeof(subject), path);

	if (!e && body) {
		text = json_dumps(body, JSON_COMPACT);
		e = text ? ERR_OK : ERR_EXHAUSTED;
	}
	if (!e)
		e = bus_request_raw(ret, bus, subject, text, text ? strlen(text) : 0,
				    bus->replicas > 1 ? BUS_API_ELECT_MS : BUS_API_TIMEOUT_MS, fn, arg, own_arg);
	free(text);
	return e;
}

int api_error(const json_t *answer)
{
	const json_t *error = json_object_get(answer, "error");

	if (!error)
		return 0;
	return json_object_get(error, "err_code") ? (int)json_integer_value(json_object_get(error, "err_code")) : -1;
}

struct waiting {
	bool done;
	json_t *answer;
	int status;
};

static void on_answer(const struct bus_raw *raw, void *arg)
{
	struct waiting *w = arg;

	w->done = true;
	w->status = raw ? raw->status : 408;
	if (raw && raw->msg.size)
		w->answer = json_loadb(raw->msg.data, raw->msg.size, 0, NULL);
}

static err_t call_once(struct bus *bus, const char *path, json_t *body, struct waiting *w)
{
	struct request *r = NULL;
	err_t e;

	*w = (struct waiting){ 0 };
	e = api_send(&r, bus, path, body, on_answer, w, false);
	if (e)
		return e;
	e = conn_wait(&bus->conn, &w->done,
		      clock_mono_ms() + (bus->replicas > 1 ? BUS_API_ELECT_MS : BUS_API_TIMEOUT_MS));
	if (!w->done) {
		bus_request_cancel(&r);
		e = e == ERR_TIMEOUT && bus->replicas > 1 ? ERR_OK : e;
	}
	return e;
}

/* What is worth asking again: nobody answered, or there is no leader, or not all servers are there yet. */
static bool not_yet(struct waiting *w)
{
	int error = w->answer ? api_error(w->answer) : 0;

	if (error == ERR_TEMPORARILY_AWAY || error == ERR_NO_PEERS) {
		json_decref(w->answer);
		w->answer = NULL;
	}
	return !w->answer;
}

err_t api_call(struct bus *bus, const char *path, json_t *body, json_t **ret, int *err_code, struct err_detail *detail)
{
	int64_t until = clock_mono_ms() + (bus->replicas > 1 ? CLUSTER_START_MS : BUS_API_TIMEOUT_MS);
	struct waiting w;
	err_t e;

	do { /* JetStream of a server that just started does not respond yet */
		const bool never = false;

		e = call_once(bus, path, body, &w);
		if (!e && not_yet(&w)) {
			e = conn_wait(&bus->conn, &never, clock_mono_ms() + 100);
			e = e == ERR_TIMEOUT ? ERR_OK : e;
		}
	} while (!e && !w.answer && clock_mono_ms() < until);
	if (e)
		return err_set(detail, e, "nats", "no answer to $JS.API.%s: %s", path, bus->conn.error);
	if (!w.answer)
		return err_set(detail, ERR_UNAVAILABLE, "nats",
			       "JetStream does not answer: it must be enabled for this account");
	*err_code = api_error(w.answer);
	if (*err_code)
		(void)err_set(detail, ERR_INTERNAL, "nats", "$JS.API.%s: %s", path,
			      json_string_value(json_object_get(json_object_get(w.answer, "error"), "description")));
	*ret = w.answer;
	return ERR_OK;
}

/* ---- streams ------------------------------------------------------------------------------------------------------- */

/* Every setting we ask for is there already (the server adds defaults of its own). */
static bool covers(const json_t *has, const json_t *wanted)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)wanted, key, value)
	{
		const json_t *other = json_object_get(has, key);

		if (!other && (json_is_false(value) || (json_is_integer(value) && json_integer_value(value) == 0)))
			continue;
		if (!other || !json_equal(other, value))
			return false;
	}
	return true;
}

static err_t call_path(struct bus *bus, const char *verb, const char *name, json_t *config, json_t **ret, int *err_code,
		       struct err_detail *detail)
{
	char path[200];

	(void)snprintf(path, sizeof(path), "STREAM.%s.%s", verb, name);
	return api_call(bus, path, config, ret, err_code, detail);
}

static err_t create_or_update(struct bus *bus, const char *verb, const char *name, json_t *config,
			      struct err_detail *detail)
{
	json_t *answer = NULL;
	int err_code = 0;
	err_t e = call_path(bus, verb, name, config, &answer, &err_code, detail);

	json_decref(answer);
	if (!e && err_code)
		e = ERR_PRECONDITION;
	return e;
}

err_t api_stream_ensure(struct bus *bus, const char *name, json_t *config, struct err_detail *detail)
{
	json_t *info = NULL;
	int err_code = 0;
	err_t e;

	if (!config)
		return ERR_EXHAUSTED;
	e = call_path(bus, "INFO", name, NULL, &info, &err_code, detail);
	if (!e && err_code == ERR_STREAM_NOT_FOUND)
		e = create_or_update(bus, "CREATE", name, config, detail);
	else if (!e && err_code)
		e = ERR_INTERNAL;
	else if (!e && !covers(json_object_get(info, "config"), config))
		e = create_or_update(bus, "UPDATE", name, config, detail);
	json_decref(info);
	json_decref(config);
	return e;
}

static json_t *subjects_of(const struct bus_stream_params *p)
{
	json_t *list = json_array();

	for (const char *const *s = p->subjects; s && *s; s++)
		json_array_append_new(list, json_string(*s));
	return list;
}

err_t bus_stream_ensure(struct bus *bus, const struct bus_stream_params *p, struct err_detail *detail)
{
	int64_t duplicates = p->duplicates_ms ? p->duplicates_ms : 120000;

	if (p->max_age_ms && duplicates > p->max_age_ms)
		duplicates = p->max_age_ms;
	return api_stream_ensure(bus, p->name,
				 json_pack("{s:s, s:o, s:s, s:s, s:s, s:I, s:I, s:I, s:i, s:b}", "name", p->name,
					   "subjects", subjects_of(p), "retention", "limits", "storage", "file",
					   "discard", p->discard_new ? "new" : "old", "max_age",
					   (json_int_t)(p->max_age_ms * NS_PER_MS), "max_bytes",
					   (json_int_t)(p->max_bytes ? p->max_bytes : -1), "duplicate_window",
					   (json_int_t)(duplicates * NS_PER_MS), "num_replicas",
					   p->replicas ? p->replicas : bus->replicas, "allow_direct", 1),
				 detail);
}

/* ---- where a delivery stands ------------------------------------------------------------------------------------- */

/* "$JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time ns>.<pending>"; newer servers insert a domain
 * and an account after ACK and may append a token. */
bool js_meta_parse(const char *reply, struct js_meta *m)
{
	const char *tokens[14];
	size_t n = 0, at;

	if (!reply || strncmp(reply, "$JS.ACK.", 8) != 0)
		return false;
	for (const char *c = reply; c && n < 14; c = strchr(c, '.'), c = c ? c + 1 : NULL)
		tokens[n++] = c;
	if (n != 9 && n < 11)
		return false;
	at = n == 9 ? 4 : 6;
	m->deliveries = strtoull(tokens[at], NULL, 10);
	m->stream_seq = strtoull(tokens[at + 1], NULL, 10);
	m->consumer_seq = strtoull(tokens[at + 2], NULL, 10);
	m->time_ms = (int64_t)(strtoull(tokens[at + 3], NULL, 10) / NS_PER_MS);
	m->pending = strtoull(tokens[at + 4], NULL, 10);
	return true;
}
