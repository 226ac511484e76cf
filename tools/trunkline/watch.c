/* Streams for people: one line an event; the connection comes back by itself. */
#include "resource.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"

struct watch {
	const struct cli *cli;
	void (*line)(const json_t *message);
};

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

/* ---- an agent's events ---- */
static void state_line(const json_t *s)
{
	char state[64];

	printf("agent %s %s is %s", text(s, "agent_id"), text(s, "display_name"), show_word(text(s, "state"), state));
	if (*text(s, "reason"))
		printf(" (%s)", text(s, "reason"));
	if (*text(s, "call_id"))
		printf("  call %s queue %s", text(s, "call_id"), text(s, "queue_id"));
	if (json_is_true(json_object_get(s, "pending_busy")))
		printf("  then busy (%s)", text(s, "pending_reason"));
	if (json_is_true(json_object_get(s, "pending_sign_out")))
		printf("  then out");
	puts("");
}

static void offer_line(const json_t *o)
{
	const json_t *v;
	size_t i;

	printf("call for agent %s: %s → %s  queue %s  call %s", text(o, "agent_id"), text(o, "caller"),
	       text(o, "called"), *text(o, "queue_name") ? text(o, "queue_name") : text(o, "queue_id"),
	       text(o, "call_id"));
	json_array_foreach(json_object_get(o, "variables"), i, v) printf("  %s=%s", text(v, "name"), text(v, "value"));
	puts("");
}

static void queue_line(const json_t *q)
{
	int64_t since = show_number(json_object_get(q, "oldest_arrival_ms"));
	char buf[32];

	printf("queue %s: %lld waiting", *text(q, "display_name") ? text(q, "display_name") : text(q, "queue_id"),
	       (long long)show_number(json_object_get(q, "waiting")));
	if (since)
		printf(", the first since %s", show_time(since, buf));
	printf(", %lld on duty, %lld ready\n", (long long)show_number(json_object_get(q, "agents_on_duty")),
	       (long long)show_number(json_object_get(q, "agents_ready")));
}

static void agent_line(const json_t *m)
{
	const json_t *v;
	char buf[32];

	if (json_object_get(m, "synced"))
		return;
	printf("%s  ", show_time(show_number(json_object_get(m, "time_ms")), buf));
	if ((v = json_object_get(m, "state")))
		state_line(v);
	else if ((v = json_object_get(m, "offer")))
		offer_line(v);
	else if ((v = json_object_get(m, "queue")))
		queue_line(v);
	else
		puts("?");
}

/* ---- facts ---- */
static void detail_pairs(const json_t *body)
{
	const json_t *v;
	const char *key;

	json_object_foreach((json_t *)body, key, v)
	{
		size_t n = strlen(key);
		bool ms = n > 3 && strcmp(key + n - 3, "_ms") == 0;
		char buf[32], word[64];

		if (ms && show_number(v) > 100000000000)
			continue; /* moments stand in other events */
		if (ms && show_number(v))
			printf("  %.*s=%s", (int)n - 3, key, show_span(show_number(v), buf));
		else if (json_is_string(v) && json_string_length(v) && strcmp(json_string_value(v), "0") != 0)
			printf("  %s=%s", key, show_word(json_string_value(v), word));
		else if (json_is_integer(v) && json_integer_value(v))
			printf("  %s=%lld", key, (long long)json_integer_value(v));
	}
}

static void fact_line(const json_t *m)
{
	static const char *const ids[] = { "call_id", "agent_id", "queue_id" };
	const json_t *ev = json_object_get(m, "event"), *v;
	const char *key;
	char buf[32];

	printf("%s ", show_time(show_number(json_object_get(ev, "time_ms")), buf));
	json_object_foreach((json_t *)ev, key, v) if (json_is_object(v)) printf(" %s", key);
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		if (*text(ev, ids[i]))
			printf("  %.*s=%s", (int)strcspn(ids[i], "_"), ids[i], text(ev, ids[i]));
	json_object_foreach((json_t *)ev, key, v) if (json_is_object(v)) detail_pairs(v);
	puts("");
}

/* ---- the stream ---- */
static bool on_message(json_t *message, void *arg)
{
	struct watch *w = arg;

	if (w->cli->json)
		show_json(message, true);
	else
		w->line(message);
	return fflush(stdout) == 0; /* a closed pipe ends it */
}

static err_t request_of(json_t **ret, const struct cli *cli, const struct catalog_verb *v, struct err_detail *detail)
{
	err_t e = ERR_OK;

	*ret = json_object();
	for (int i = 0; !e && i < cli->n_flags; i++)
		e = fields_set(*ret, catalog_flags_of(v), cli->flags[i].name, cli->flags[i].value, detail);
	return e;
}

static err_t watch(const struct cli *cli, const struct catalog_verb *v, void (*line)(const json_t *),
		   struct err_detail *detail)
{
	struct watch w = { cli, line };
	struct remote *rm = NULL;
	json_t *req = NULL;
	bool ever = false;
	err_t e = request_of(&req, cli, v, detail);

	if (!e)
		e = remote_open(&rm, cli, v->server, detail);
	while (!e) {
		int64_t began = clock_mono_ms();

		e = remote_stream(rm, v->service, v->method, req, on_message, &w, detail);
		ever = ever || clock_mono_ms() - began > 1000;
		if (!ever || (e != ERR_UNAVAILABLE && e != ERR_EXHAUSTED))
			break;
		text_print(stderr, cli->language, "trunkline: %s: connecting again", detail->message);
		sleep(1);
		e = ERR_OK;
	}
	json_decref(req);
	remote_close(&rm);
	return e;
}

err_t run_agent_watch(const struct cli *cli, const struct catalog_verb *v, struct err_detail *detail)
{
	return watch(cli, v, agent_line, detail);
}

err_t run_events_watch(const struct cli *cli, const struct catalog_verb *v, struct err_detail *detail)
{
	return watch(cli, v, fact_line, detail);
}
