/*
 * JetStream publishing. Each message waits, as the very bytes that go out, until the server's acknowledgement; the same
 * bytes (hence the same message id) are sent again when that is late, refused for want of a responder, or cut off.
 */
#include "bus_internal.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PUB_ATTEMPTS   8 /* unanswered, on a live connection: then the outcome is unknown */
#define TIMEOUT_MAX_MS 16000
#define PUB_AGAIN_MS   100 /* after "no responders": JetStream is not up yet */
#define PUB_BYTES_MAX  (256u << 20)
#define VERIFY_ROUNDS  5

static void on_ack(const struct bus_raw *raw, void *arg);
static const char *id_header(uint64_t expected);

static void unlink_pub(struct pub_list *l, struct pub *p)
{
	if (p->prev)
		p->prev->next = p->next;
	else
		l->head = p->next;
	if (p->next)
		p->next->prev = p->prev;
	else
		l->tail = p->prev;
}

static void append_pub(struct pub_list *l, struct pub *p)
{
	p->next = NULL;
	p->prev = l->tail;
	if (l->tail)
		l->tail->next = p;
	else
		l->head = p;
	l->tail = p;
}

static void pub_free(struct pub *p)
{
	struct pub_list *l = &p->bus->pubs;

	unlink_pub(l, p);
	l->n--;
	l->bytes -= p->size;
	inbox_close(&p->bus->inbox, &p->slot);
	bus_request_cancel(&p->verifying);
	if (p->own_arg)
		mem_free(p->arg);
	mem_free(p);
}

static void finish(struct pub *p, err_t e, uint64_t seq)
{
	bus_ack_fn *fn = p->fn;
	void *arg = p->arg;

	p->own_arg = false;
	pub_free(p);
	if (fn)
		fn(e, seq, arg);
}

/* ---- sending and sending again ---------------------------------------------------------------------------------- */

static void send_now(struct pub *p, bool lazy)
{
	struct bus *bus = p->bus;

	p->deadline_ms = loop_now_ms(bus->loop) + bus->pubs.timeout_ms;
	p->repeated = p->repeated || p->attempts > 0;
	p->attempts++;
	p->refused = false;
	if (lazy)
		conn_append_lazy(&bus->conn, p->frame, p->size);
	else
		conn_append(&bus->conn, p->frame, p->size);
	if (!loop_timer_running(&bus->pubs.timer))
		loop_timer_start(&bus->pubs.timer, bus->pubs.timeout_ms);
}

static bool awaited(const struct pub *p)
{
	return !p->refused && !p->verifying;
}

static int64_t next_due(const struct pub_list *l)
{
	int64_t due = INT64_MAX;

	for (const struct pub *p = l->head; p; p = p->next)
		if (awaited(p) && p->deadline_ms < due)
			due = p->deadline_ms;
	return due;
}

/* The list keeps the order of submission, so all of it is looked at; that is seldom, and it is short when all is well. */
static void on_due(void *arg)
{
	struct bus *bus = arg;
	struct pub_list *l = &bus->pubs;
	int64_t now = loop_now_ms(bus->loop), due = next_due(l);
	struct pub *p, *last = l->tail, *next;

	if (due <= now) /* a server that is slow is not helped by repeats */
		l->timeout_ms = l->timeout_ms * 2 < TIMEOUT_MAX_MS ? l->timeout_ms * 2 : TIMEOUT_MAX_MS;
	for (p = l->head; p && due <= now && bus->conn.state == CONN_UP; p = next) {
		next = p == last ? NULL : p->next;
		if (!awaited(p) || p->deadline_ms > now)
			continue;
		if (p->attempts >= PUB_ATTEMPTS)
			finish(p, ERR_UNAVAILABLE, 0);
		else
			send_now(p, false);
	}
	due = next_due(l);
	if (due != INT64_MAX && bus->conn.state == CONN_UP)
		loop_timer_start(&l->timer, due > now ? due - now : PUB_AGAIN_MS);
}

static void send_refused(struct bus *bus)
{
	bus->pubs.stalled = false;
	for (struct pub *p = bus->pubs.head; p; p = p->next)
		if (p->refused)
			send_now(p, false);
}

static void on_again(void *arg)
{
	struct bus *bus = arg;

	if (bus->conn.state == CONN_UP)
		send_refused(bus);
}

/* Nobody answers for JetStream, or a stream has no leader: hold everything, what is on its way as well (a repeat is told by
 * its id), and send it all again shortly, so that the order stays. */
static void stall(struct pub *p)
{
	struct pub_list *l = &p->bus->pubs;

	if (p->attempts > 0)
		p->attempts--;
	p->refused = true;
	for (struct pub *q = l->head; q && !l->stalled; q = q->next)
		q->refused = !q->verifying;
	l->stalled = true;
	if (!loop_timer_running(&l->again))
		loop_timer_start(&l->again, PUB_AGAIN_MS);
}

void pubs_on_up(struct bus *bus)
{
	for (struct pub *p = bus->pubs.head; p; p = p->next) {
		p->repeated = p->repeated || p->deadline_ms > 0;
		p->refused = !p->verifying;
	}
	loop_timer_stop(&bus->pubs.again);
	send_refused(bus);
}

void pubs_again(struct bus *bus)
{
	for (struct pub *p = bus->pubs.head; p; p = p->next)
		p->attempts = 0;
	pubs_on_up(bus);
}

void pubs_on_down(struct bus *bus)
{
	loop_timer_stop(&bus->pubs.timer);
	loop_timer_stop(&bus->pubs.again);
	bus->pubs.timeout_ms = bus->ack_timeout_ms;
	for (struct pub *p = bus->pubs.head; p; p = p->next)
		p->attempts = 0;
}

/* ---- the acknowledgement ------------------------------------------------------------------------------------------ */

static uint64_t number_after(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

/* Error numbers of JetStream (server/errors.json). */
static err_t map_error(uint64_t err_code)
{
	switch (err_code) {
	case 10071: /* wrong last sequence */
	case 10164: /* wrong last sequence, without the number */
		return ERR_ABORTED;
	case 10054: /* message size exceeds maximum allowed */
		return ERR_INVALID;
	case 10023: /* insufficient resources */
	case 10047: /* insufficient storage */
	case 10077: /* maximum messages, bytes, or messages per subject exceeded */
	case 10122:
		return ERR_EXHAUSTED;
	case 10059: /* stream not found */
		return ERR_NOT_FOUND;
	default:
		return ERR_INTERNAL;
	}
}

static bool is_passing(uint64_t code, uint64_t err_code)
{
	return code == 503 || err_code == 10008 /* temporarily unavailable */ ||
	       err_code == 10158 /* repeat while the first is in work */;
}

/*
 * The server checks the expected revision before it looks for a repeated message id (measured with 2.15.1), so the repeat
 * of a compare-and-set that was stored, but whose acknowledgement was lost, is refused by its own first arrival. What is
 * there now tells: our id means that we won. Another's entry may have come instead of ours or after it: unknown. In a cluster
 * the first arrival may still be on its way to the other servers: then it is not there yet, and is asked for again.
 */
static void on_present(const struct bus_raw *raw, void *arg)
{
	struct pub *p = arg;
	const char *id;
	size_t len;

	p->verifying = NULL;
	if (!raw || (raw->status && raw->status != 404)) {
		stall(p); /* the repeat will bring us here again */
		return;
	}
	id = nats_headers_find(raw->headers, raw->headers_size, id_header(p->expected), &len);
	if (raw->status == 0 && id && len == p->msg_id_len && memcmp(id, p->msg_id, len) == 0)
		finish(p, ERR_OK, nats_headers_u64(raw->headers, raw->headers_size, "Nats-Sequence"));
	else if (p->bus->replicas > 1 && ++p->verified < VERIFY_ROUNDS)
		stall(p);
	else
		finish(p, ERR_UNAVAILABLE, 0);
}

static void verify(struct pub *p)
{
	char stream[BUS_SUBJECT_MAX];
	int bucket = (int)strcspn(p->subject + 4, ".");

	(void)snprintf(stream, sizeof(stream), "KV_%.*s", bucket, p->subject + 4);
	if (api_last(&p->verifying, p->bus, stream, p->subject, p->subject_len, on_present, p, false)) {
		p->verifying = NULL;
		finish(p, ERR_UNAVAILABLE, 0);
	}
}

static void stored(struct pub *p, uint64_t seq)
{
	if (!p->repeated)
		p->bus->pubs.timeout_ms = p->bus->ack_timeout_ms;
	finish(p, ERR_OK, seq);
}

/* data is followed by a NUL (nats_parse.h); the server's JSON is flat and small, so looking for its keys will do. */
static void on_ack(const struct bus_raw *raw, void *arg)
{
	const char *text = raw->msg.data;
	struct pub *p = arg;
	uint64_t err_code;

	if (raw->status != 503 && (raw->msg.size == 0 || text[0] != '{'))
		return;
	err_code = raw->status == 503 ? 0 : number_after(text, "\"err_code\":");
	if (p->verifying && (err_code || raw->status == 503))
		return; /* of another copy; the acknowledgement of the first may still come */
	if (raw->status == 503) {
		stall(p);
		return;
	}
	if (err_code && is_passing(number_after(text, "\"code\":"), err_code))
		stall(p);
	else if (map_error(err_code) == ERR_ABORTED && p->repeated)
		verify(p);
	else if (err_code || strstr(text, "\"error\":"))
		finish(p, map_error(err_code), 0);
	else
		stored(p, number_after(text, "\"seq\":"));
}

/* ---- building the frame -------------------------------------------------------------------------------------------- */

/* The id under which the server deduplicates. A write over a given revision cannot be stored twice anyway: its id goes
 * under a name of our own, and the server keeps no memory of it (a third of what such a write costs there). */
static const char *id_header(uint64_t expected)
{
	return expected == PUB_NO_EXPECTATION || expected == 0 ? "Nats-Msg-Id" : "Tl-Write-Id";
}

static size_t write_headers(char *to, size_t size, const struct pub_params *p, const char *own_id)
{
	int n = snprintf(to, size, "NATS/1.0\r\n%s: %s\r\n", id_header(p->expected), p->msg_id ? p->msg_id : own_id);

	if (p->operation)
		n += snprintf(to + n, size - (size_t)n, "KV-Operation: %s\r\n", p->operation);
	if (p->ttl_s)
		n += snprintf(to + n, size - (size_t)n, "Nats-TTL: %us\r\n", p->ttl_s);
	if (p->expected != PUB_NO_EXPECTATION)
		n += snprintf(to + n, size - (size_t)n, "Nats-Expected-Last-Subject-Sequence: %llu\r\n",
			      (unsigned long long)p->expected);
	n += snprintf(to + n, size - (size_t)n, "\r\n");
	return (size_t)n;
}

static bool msg_id_valid(const char *id)
{
	size_t n = 0;

	for (; id[n]; n++)
		if ((unsigned char)id[n] < ' ' || id[n] == 127)
			return false;
	return n > 0 && n <= 200;
}

static err_t frame_new(struct pub **ret, struct bus *bus, uint32_t slot, const struct pub_params *p)
{
	char head[BUS_SUBJECT_MAX + BUS_REPLY_TEXT + 64], headers[512], reply[BUS_REPLY_TEXT], id[96];
	size_t headers_size, head_size;
	struct pub *pub;

	_Static_assert(sizeof("NATS/1.0\r\nNats-Msg-Id: ") - 1 == 23, "where the id stands");

	if (!p->msg_id)
		(void)snprintf(id, sizeof(id), "%.*s.%llu", (int)(bus->inbox.prefix_len - 8), bus->inbox.prefix + 7,
			       (unsigned long long)++bus->pubs.next_id);
	(void)inbox_subject(&bus->inbox, slot, reply);
	headers_size = write_headers(headers, sizeof(headers), p, id);
	head_size = (size_t)snprintf(head, sizeof(head), "HPUB %s %s %zu %zu\r\n", p->subject, reply, headers_size,
				     headers_size + p->size);
	pub = mem_alloc(sizeof(*pub) + head_size + headers_size + p->size + 2);
	if (!pub)
		return ERR_EXHAUSTED;
	*pub = (struct pub){ .bus = bus,
			     .since_ms = loop_now_ms(bus->loop),
			     .slot = slot,
			     .fn = p->fn,
			     .arg = p->arg,
			     .own_arg = p->own_arg,
			     .expected = p->expected,
			     .size = head_size + headers_size + p->size + 2 };
	memcpy(pub->frame, head, head_size);
	memcpy(pub->frame + head_size, headers, headers_size);
	if (p->size)
		memcpy(pub->frame + head_size + headers_size, p->data, p->size);
	memcpy(pub->frame + pub->size - 2, "\r\n", 2);
	pub->subject = pub->frame + 5;
	pub->subject_len = strlen(p->subject);
	pub->msg_id = pub->frame + head_size + 23;
	pub->msg_id_len = strlen(p->msg_id ? p->msg_id : id);
	*ret = pub;
	return ERR_OK;
}

err_t pubs_submit(struct bus *bus, const struct pub_params *params)
{
	struct pub_list *l = &bus->pubs;
	uint32_t slot = INBOX_NONE;
	struct pub *p;
	err_t e;

	if (!bus_subject_valid(params->subject, false) || params->size > bus->conn.max_payload - 512 ||
	    (params->msg_id && !msg_id_valid(params->msg_id)))
		return ERR_INVALID;
	if (l->n + bus->n_offline >= bus->max_pending || l->bytes + params->size > PUB_BYTES_MAX)
		return ERR_EXHAUSTED;
	e = inbox_open(&bus->inbox, on_ack, NULL, &slot);
	if (e)
		return e;
	e = frame_new(&p, bus, slot, params);
	if (e) {
		inbox_close(&bus->inbox, &slot);
		return e;
	}
	bus->inbox.slots[slot].arg = p;
	append_pub(l, p);
	l->n++;
	l->bytes += p->size;
	if (bus->conn.state != CONN_UP || l->stalled || !conn_room(&bus->conn, p->size))
		p->refused = true; /* goes with the next round */
	else
		send_now(p, params->lazy);
	if (p->refused && bus->conn.state == CONN_UP)
		stall(p);
	return ERR_OK;
}

/* The server names no message, so all of the subject that were sent end. Their callbacks may publish anew: those are not
 * looked at. */
void pubs_deny(struct bus *bus, const char *subject, size_t len)
{
	struct pub *p = bus->pubs.head, *last = bus->pubs.tail, *next;

	for (; p; p = next) {
		next = p == last ? NULL : p->next;
		if (!p->refused && p->subject_len == len && memcmp(p->subject, subject, len) == 0)
			finish(p, ERR_DENIED, 0);
	}
}

int64_t bus_write_wait_ms(const struct bus *bus)
{
	int64_t since = INT64_MAX, now = loop_now_ms(bus->loop);

	for (const struct pub *p = bus->pubs.head; p; p = p->next)
		since = p->since_ms < since ? p->since_ms : since;
	return since < now ? now - since : 0;
}

void bus_own_arg(struct bus *bus, const void *arg)
{
	pubs_own_arg(bus, arg);
}

void pubs_own_arg(struct bus *bus, const void *arg)
{
	for (struct pub *p = bus->pubs.head; p; p = p->next)
		if (p->arg == arg)
			p->own_arg = true;
}

static err_t js_publish(struct bus *bus, const char *subject, const void *data, size_t size, const char *msg_id,
			bool lazy, bus_ack_fn *fn, void *arg)
{
	struct pub_params p = { .subject = subject,
				.data = data,
				.size = size,
				.msg_id = msg_id,
				.expected = PUB_NO_EXPECTATION,
				.lazy = lazy,
				.fn = fn,
				.arg = arg };

	return pubs_submit(bus, &p);
}

err_t bus_js_publish(struct bus *bus, const char *subject, const void *data, size_t size, const char *msg_id,
		     bus_ack_fn *fn, void *arg)
{
	return js_publish(bus, subject, data, size, msg_id, true, fn, arg);
}

err_t bus_js_publish_now(struct bus *bus, const char *subject, const void *data, size_t size, const char *msg_id,
			 bus_ack_fn *fn, void *arg)
{
	return js_publish(bus, subject, data, size, msg_id, false, fn, arg);
}

void pubs_init(struct bus *bus)
{
	bus->pubs.timeout_ms = bus->ack_timeout_ms;
	loop_timer_init(&bus->pubs.timer, bus->loop, on_due, bus);
	loop_timer_init(&bus->pubs.again, bus->loop, on_again, bus);
}

void pubs_done(struct bus *bus)
{
	while (bus->pubs.head)
		pub_free(bus->pubs.head);
	loop_timer_done(&bus->pubs.timer);
	loop_timer_done(&bus->pubs.again);
}
