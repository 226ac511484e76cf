#include "pull.h"

#include <stdio.h>
#include <string.h>

#define EXPIRES_MS   30000
#define HEARTBEAT_MS 3000
#define SILENCE_MS   (3 * HEARTBEAT_MS)
#define NS_PER_MS    1000000LL
#define AGAIN_MS     250

static void on_silence(void *arg)
{
	struct pull *p = arg;

	if (p->bus->conn.state == CONN_UP && p->outstanding > 0)
		p->lost(p->arg);
}

static void rest(struct pull *p)
{
	p->resting = true;
	loop_timer_start(&p->poll, p->poll_ms);
}

/* A request ended: by its expiry, or because the consumer went. */
static void on_status(struct pull *p, const struct bus_raw *raw)
{
	uint64_t left = nats_headers_u64(raw->headers, raw->headers_size, "Nats-Pending-Messages");
	bool gone = raw->status == 503 || (raw->status == 409 && memmem(raw->headers, raw->headers_size, "Deleted", 7));

	if (gone) {
		p->lost(p->arg);
		return;
	}
	p->outstanding = left && left < p->outstanding ? p->outstanding - left : 0;
	if (p->poll_ms && p->got)
		rest(p);
	else
		p->empty = true;
	p->got = 0;
	if (raw->status == 408 || raw->status == 404)
		p->more(p->arg);
	else
		p->lost(p->arg);
}

static void on_poll(void *arg)
{
	struct pull *p = arg;

	p->resting = p->empty = false;
	p->more(p->arg);
}

static void on_raw(const struct bus_raw *raw, void *arg)
{
	struct pull *p = arg;

	loop_timer_start(&p->silence, SILENCE_MS);
	if (raw->status == 100)
		return;
	if (raw->status) {
		on_status(p, raw);
		return;
	}
	if (p->outstanding)
		p->outstanding--;
	p->got++;
	if (p->poll_ms && p->empty && p->outstanding == 0) { /* the one that stood: others follow it */
		p->got = 0;
		p->empty = false;
		rest(p);
	}
	p->fn(raw, p->arg);
}

void pull_init(struct pull *p, struct bus *bus)
{
	p->bus = bus;
	loop_timer_init(&p->silence, bus->loop, on_silence, p);
	loop_timer_init(&p->poll, bus->loop, on_poll, p);
}

void pull_stop(struct pull *p)
{
	bus_unsubscribe(&p->sub);
	p->outstanding = p->got = 0;
	p->empty = p->resting = false;
	loop_timer_stop(&p->silence);
	loop_timer_stop(&p->poll);
}

void pull_done(struct pull *p)
{
	pull_stop(p);
	loop_timer_done(&p->silence);
	loop_timer_done(&p->poll);
}

err_t pull_start(struct pull *p)
{
	pull_stop(p);
	return bus_subscribe_raw(&p->sub, p->bus, on_raw, p);
}

/* Standing: the server keeps the request for EXPIRES_MS and tells each HEARTBEAT_MS that it lives. A fetch: it answers with
 * what there is. */
static void ask(struct pull *p, size_t batch)
{
	char subject[BUS_SUBJECT_MAX], body[128];
	int n;

	if (p->poll_ms && !p->empty)
		n = snprintf(body, sizeof(body), "{\"batch\":%zu,\"no_wait\":true}", batch);
	else
		n = snprintf(body, sizeof(body), "{\"batch\":%zu,\"expires\":%lld,\"idle_heartbeat\":%lld}", batch,
			     EXPIRES_MS * NS_PER_MS, HEARTBEAT_MS * NS_PER_MS);
	(void)snprintf(subject, sizeof(subject), "$JS.API.CONSUMER.MSG.NEXT.%s.%s", p->stream, p->consumer);
	if (bus_publish_reply(p->bus, subject, p->sub->subject, body, (size_t)n)) {
		p->resting = true;
		loop_timer_start(&p->poll, AGAIN_MS); /* no room at the moment */
		return;
	}
	p->outstanding += batch;
	loop_timer_start(&p->silence, SILENCE_MS);
}

void pull_want(struct pull *p, size_t room, size_t window)
{
	if (!p->sub || p->bus->conn.state != CONN_UP || room <= p->outstanding)
		return;
	if (p->poll_ms && (p->resting || p->outstanding > 0 || room < (window + 3) / 4))
		return;
	if (p->poll_ms && p->empty)
		ask(p, 1);
	else if (p->outstanding == 0 || room - p->outstanding >= (window + 1) / 2)
		ask(p, room - p->outstanding);
}
