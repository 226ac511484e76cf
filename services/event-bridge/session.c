/* One run: from a position on, until something breaks or the lease goes. */
#include "bridge_internal.h"
#include "bridge_wire.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "events/events.h"
#include "events/events_batch.h"
#include "log/log.h"

#include <stdio.h>
#include <string.h>

#define AGAIN_MS 1000

static void on_delivered(err_t e, void *arg)
{
	struct window_slot *slot = arg;
	struct bridge *b = slot->window->owner;
	size_t left;

	if (b->ending)
		return;
	if (e) {
		session_fail(b, "delivery", e);
		return;
	}
	metric_add(&bridge_metric_forwarded, 1);
	left = window_delivered(slot);
	if (left && b->reader)
		bus_reader_release(b->reader, left);
}

static err_t produce_to(struct bridge *b, const char *topic, const struct bridge_record *r, struct window_slot *slot)
{
	return stream_produce(b->producer, topic, r->key, strlen(r->key), r->value, r->size, r->headers, r->n_headers,
			      r->time_ms, on_delivered, slot);
}

/* A tenant's own copy is on its way as the first one is: the position waits for both. */
static err_t produce(struct bridge *b, const struct bridge_record *r, struct window_slot *slot)
{
	err_t e = produce_to(b, r->topic, r, slot);

	if (e || !r->own_topic[0])
		return e;
	window_expect(slot, 1);
	return produce_to(b, r->own_topic, r, slot);
}

/* What is no event stands in the way of nothing: it is kept where a person can look at it. */
static err_t produce_dead(struct bridge *b, const struct bus_msg *msg, const struct events_slice *bytes,
			  struct window_slot *slot, const struct err_detail *why)
{
	struct bridge_record r;

	LOG_ERROR(NULL, "bridge.dead_letter", "seq=%llu subject=%s field=%s message=%s", (unsigned long long)msg->seq,
		  LOG_Q(msg->subject), LOG_Q(why->field), LOG_Q(why->message));
	metric_add(&bridge_metric_dead, 1);
	bridge_record_dead(&r, msg->subject, bytes->data, bytes->size, msg->time_ms, why);
	return produce(b, &r, slot);
}

static err_t forward(struct bridge *b, const struct bus_msg *msg, const struct events_slice *bytes,
		     struct window_slot *slot)
{
	struct err_detail why = { "", "" };
	struct bridge_topics_wanted wanted = { b->cfg->domains, b->cfg->tenants, strcmp(b->cfg->format, "json") == 0 };
	struct bridge_record r;
	err_t e = bridge_record_from(&r, msg->subject, bytes->data, bytes->size, &wanted, &why);

	if (!e)
		e = produce(b, &r, slot);
	bridge_record_done(&r);
	if (e != ERR_INVALID)
		return e;
	if (!why.message[0])
		(void)err_set(&why, ERR_INVALID, "size", "is larger than Kafka takes");
	return produce_dead(b, msg, bytes, slot, &why);
}

static void on_event(const struct bus_msg *msg, void *arg)
{
	struct bridge *b = arg;
	struct events_slice bytes = { msg->data, msg->size };
	struct window_slot *slot = NULL;
	bool batch = events_is_batch(msg->subject), bad;
	size_t n = 1, at = 0;
	err_t e = ERR_OK;

	if (b->ending)
		return;
	if (batch && events_batch_count(msg->data, msg->size, &n))
		batch = false;	    /* a dead letter as a whole */
	if (msg->seq > b->last_seq) /* else the stream was made anew: position_load() sees it */
		slot = window_add(&b->window, msg->seq, clock_mono_ms(), n);
	b->last_seq = msg->seq;
	if (!slot) {
		session_fail(b, "window", ERR_DATA_LOSS);
		return;
	}
	if (!batch)
		e = forward(b, msg, &bytes, slot);
	while (batch && !e && events_batch_next(&bytes, msg->data, msg->size, &at, &bad))
		e = forward(b, msg, &bytes, slot);
	if (e)
		session_fail(b, "produce", e);
}

/* "name=value name=value" as a list, behind our own defaults. What is fetched in one go is one request to Kafka. */
static char **split_options(const char *text)
{
	static char linger[] = "linger.ms=5";
	char *copy = mem_strdup(text ? text : "");
	char **list = mem_array(66, sizeof(*list));
	size_t n = 2;

	if (!copy || !list) {
		mem_free(copy);
		mem_free(list);
		return NULL;
	}
	list[0] = copy;
	list[1] = linger;
	for (char *save = NULL, *o = strtok_r(copy, " ", &save); o && n < 64; o = strtok_r(NULL, " ", &save))
		list[n++] = o;
	return list;
}

static void free_options(struct bridge *b)
{
	if (b->options)
		mem_free(b->options[0]);
	mem_free(b->options);
	b->options = NULL;
}

static err_t open_session(struct bridge *b, uint64_t position, struct err_detail *d)
{
	struct stream_producer_params pp = { .loop = b->loop,
					     .brokers = b->cfg->brokers,
					     .client_id = service_common(b->svc)->instance,
					     .max_queued = (size_t)b->cfg->window * EVENTS_BATCH_MAX * 2 };
	struct bus_reader_params rp = { .stream = EVENTS_STREAM,
					.start_seq = position + 1,
					.window = (size_t)b->cfg->window,
					.poll_ms = b->cfg->poll_ms,
					.fn = on_event,
					.arg = b };
	err_t e;

	b->options = split_options(b->cfg->options);
	if (!b->options)
		return ERR_EXHAUSTED;
	pp.options = (const char *const *)(b->options + 1);
	e = stream_producer_new(&b->producer, &pp, d);
	return e ? e : bus_read(&b->reader, b->bus, &rp);
}

void session_start(struct bridge *b, uint64_t position)
{
	struct err_detail d = { "", "" };
	err_t e;

	window_restart(&b->window, position);
	b->last_seq = position;
	e = open_session(b, position, &d);
	if (e) {
		LOG_ERROR(NULL, "bridge.session_failed", "error=%s field=%s message=%s", err_name(e), LOG_Q(d.field),
			  LOG_Q(d.message));
		session_stop(b);
		loop_timer_start(&b->again, AGAIN_MS);
		return;
	}
	metric_add(&bridge_metric_sessions, 1);
	LOG_INFO(NULL, "bridge.session", "position=%llu", (unsigned long long)position);
	loop_timer_start(&b->store, 0);
}

void session_stop(struct bridge *b)
{
	b->ending = true;
	bus_reader_free(&b->reader);
	stream_producer_drop(&b->producer); /* what it has comes again */
	free_options(b);
	loop_timer_stop(&b->store);
	loop_timer_stop(&b->again);
	b->ending = false;
}

void session_drain(struct bridge *b)
{
	b->draining = true;
	bus_reader_free(&b->reader);
	if (!b->producer)
		service_drained(b->svc);
	else
		loop_timer_start(&b->store, 0);
}

/* Not from here, as the caller is inside a callback of the producer or the reader. */
void session_fail(struct bridge *b, const char *why, err_t e)
{
	if (loop_timer_running(&b->again))
		return;
	LOG_WARN(NULL, "bridge.session_broken", "what=%s error=%s position=%llu", why, err_name(e),
		 (unsigned long long)b->window.position);
	b->ending = true; /* deliveries from now on are not counted: they come again */
	loop_timer_start(&b->again, AGAIN_MS);
}
