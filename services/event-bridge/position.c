/* Where the bridge stands: one entry in the bucket `positions`, written by compare-and-set, so that two bridges that
 * both think to be active notice it. */
#include "bridge_internal.h"

#include "events/events.h"
#include "log/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY	 "event-bridge"
#define STORE_MS 200
#define AGAIN_MS 1000

static void load_again(struct bridge *b)
{
	if (b->active)
		loop_timer_start(&b->again, AGAIN_MS);
}

static void on_stream(err_t e, const struct bus_stream_state *s, void *arg)
{
	struct bridge *b = arg;

	if (!b->active || b->producer)
		return;
	if (e) {
		load_again(b);
		return;
	}
	if (b->stored > s->last_seq) { /* the stream is not the one the position was kept for */
		LOG_ERROR(NULL, "bridge.stream_replaced", "position=%llu last=%llu action=from-the-beginning",
			  (unsigned long long)b->stored, (unsigned long long)s->last_seq);
		b->stored = 0;
	} else if (s->first_seq > b->stored + 1 && s->messages > 0 && b->stored > 0) {
		LOG_ERROR(NULL, "bridge.gap", "position=%llu first=%llu message=%s", (unsigned long long)b->stored,
			  (unsigned long long)s->first_seq, LOG_Q("events left the stream before they were in Kafka"));
	}
	session_start(b, b->stored);
}

static void on_loaded(err_t e, const struct bus_msg *msg, void *arg)
{
	struct bridge *b = arg;
	char text[24] = "";

	if (!b->active || b->producer)
		return;
	if (e && e != ERR_NOT_FOUND) {
		load_again(b);
		return;
	}
	b->revision = e ? 0 : msg->seq;
	if (!e && msg->size < sizeof(text))
		memcpy(text, msg->data, msg->size);
	b->stored = strtoull(text, NULL, 10);
	if (bus_stream_state(b->bus, EVENTS_STREAM, on_stream, b))
		load_again(b);
}

void position_load(struct bridge *b)
{
	if (!b->active || b->producer || !b->topics_ready || b->draining)
		return;
	if (bus_kv_get(b->positions, KEY, on_loaded, b))
		load_again(b);
}

static void on_stored(err_t e, uint64_t revision, void *arg)
{
	struct bridge *b = arg;

	b->storing = false;
	if (!e)
		b->revision = revision;
	else if (b->producer) /* another bridge wrote, or nobody knows: read it again */
		session_fail(b, "position", e);
}

void position_on_store(void *arg)
{
	struct bridge *b = arg;
	char text[24];
	int n;

	if (!b->producer)
		return;
	loop_timer_start(&b->store, b->draining ? STORE_MS / 10 : STORE_MS);
	if (b->draining && !b->storing && b->window.count == 0 && b->window.position == b->stored)
		service_drained(b->svc);
	if (b->storing || b->window.position == b->stored)
		return;
	n = snprintf(text, sizeof(text), "%llu", (unsigned long long)b->window.position);
	if (bus_kv_put(b->positions, KEY, text, (size_t)n, b->revision, on_stored, b))
		return;
	b->stored = b->window.position;
	b->storing = true;
}

void position_trim(struct bridge *b)
{
	uint64_t keep = (uint64_t)b->cfg->keep;

	if (b->producer && b->stored > keep && bus_stream_trim(b->bus, EVENTS_STREAM, b->stored - keep))
		LOG_WARN(NULL, "bridge.trim_failed", "position=%llu", (unsigned long long)b->stored);
}
