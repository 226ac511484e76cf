#include "bus_internal.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define SUB_SLOT_BITS	20
#define SUB_SLOT_MASK	((1u << SUB_SLOT_BITS) - 1)
#define OFFLINE_KEEP_MS 5000 /* a core message older than this has lost its meaning */

/* ---- writing frames -------------------------------------------------------------------------------------------- */

bool bus_subject_valid(const char *subject, bool wildcards)
{
	size_t n = 0;
	char last = '.';

	for (const char *c = subject; c && *c; last = *c++, n++) {
		if ((unsigned char)*c <= ' ' || *c == 127 || (*c == '.' && last == '.'))
			return false;
		if (!wildcards && (*c == '*' || *c == '>'))
			return false;
	}
	return n > 0 && n <= BUS_SUBJECT_MAX && last != '.';
}

static size_t put_u64(char *to, uint64_t v)
{
	char digits[20];
	size_t n = 0;

	do
		digits[n++] = (char)('0' + v % 10);
	while (v /= 10);
	for (size_t i = 0; i < n; i++)
		to[i] = digits[n - 1 - i];
	return n;
}

/* "PUB <subject> [reply] <size>\r\n"; head of BUS_SUBJECT_MAX * 2 + 64 bytes. */
static size_t pub_head(char *head, const char *subject, const char *reply, size_t size)
{
	size_t n = strlen(subject), at = 4;

	memcpy(head, "PUB ", 4);
	memcpy(head + at, subject, n);
	at += n;
	head[at++] = ' ';
	if (reply) {
		n = strlen(reply);
		memcpy(head + at, reply, n);
		at += n;
		head[at++] = ' ';
	}
	at += put_u64(head + at, size);
	memcpy(head + at, "\r\n", 2);
	return at + 2;
}

static err_t keep_offline(struct bus *bus, const char *head, size_t head_size, const void *data, size_t size)
{
	struct offline *o;

	if (bus->n_offline + bus->pubs.n >= bus->max_pending)
		return ERR_EXHAUSTED;
	o = mem_alloc(sizeof(*o) + head_size + size + 2);
	if (!o)
		return ERR_EXHAUSTED;
	o->next = NULL;
	o->time_ms = loop_now_ms(bus->loop);
	o->size = head_size + size + 2;
	memcpy(o->frame, head, head_size);
	if (size)
		memcpy(o->frame + head_size, data, size);
	memcpy(o->frame + head_size + size, "\r\n", 2);
	*bus->offline_tail = o;
	bus->offline_tail = &o->next;
	bus->n_offline++;
	return ERR_OK;
}

static void send_offline(struct bus *bus, bool send)
{
	int64_t oldest = loop_now_ms(bus->loop) - OFFLINE_KEEP_MS;
	struct offline *o, *next;

	for (o = bus->offline; o; o = next) {
		next = o->next;
		if (send && o->time_ms >= oldest)
			conn_append(&bus->conn, o->frame, o->size);
		mem_free(o);
	}
	bus->offline = NULL;
	bus->offline_tail = &bus->offline;
	bus->n_offline = 0;
}

err_t bus_publish_reply(struct bus *bus, const char *subject, const char *reply, const void *data, size_t size)
{
	char head[BUS_SUBJECT_MAX * 2 + 64];
	size_t n;

	if (!bus_subject_valid(subject, false) || (reply && !bus_subject_valid(reply, false)) ||
	    size > bus->conn.max_payload)
		return ERR_INVALID;
	n = pub_head(head, subject, reply, size);
	if (bus->conn.state != CONN_UP)
		return keep_offline(bus, head, n, data, size);
	if (!conn_room(&bus->conn, n + size + 2))
		return ERR_EXHAUSTED;
	conn_append(&bus->conn, head, n);
	if (size)
		conn_append(&bus->conn, data, size);
	conn_append(&bus->conn, "\r\n", 2);
	return ERR_OK;
}

err_t bus_publish(struct bus *bus, const char *subject, const void *data, size_t size)
{
	return bus_publish_reply(bus, subject, NULL, data, size);
}

/* ---- subscriptions ----------------------------------------------------------------------------------------------- */

static void write_sub(struct bus *bus, const char *subject, const char *queue, uint64_t sid)
{
	char line[BUS_SUBJECT_MAX * 2 + 64];
	int n = snprintf(line, sizeof(line), "SUB %s %s%s%llu\r\n", subject, queue ? queue : "", queue ? " " : "",
			 (unsigned long long)sid);

	conn_append(&bus->conn, line, (size_t)n);
}

static err_t sub_slot(struct bus *bus, size_t *ret)
{
	size_t cap = bus->cap_subs ? bus->cap_subs * 2 : 64;
	struct bus_sub **subs;

	if (bus->n_subs < bus->cap_subs) {
		do
			bus->sub_hint = bus->sub_hint + 1 < bus->cap_subs ? bus->sub_hint + 1 : 1;
		while (bus->subs[bus->sub_hint]);
		*ret = bus->sub_hint;
		return ERR_OK;
	}
	if (cap > SUB_SLOT_MASK)
		return ERR_EXHAUSTED;
	subs = mem_realloc(bus->subs, cap * sizeof(*subs));
	if (!subs)
		return ERR_EXHAUSTED;
	memset(subs + bus->cap_subs, 0, (cap - bus->cap_subs) * sizeof(*subs));
	*ret = bus->cap_subs ? bus->cap_subs : 1;
	if (bus->n_subs == 0)
		bus->n_subs = 1; /* slot 0 is the inbox */
	bus->subs = subs;
	bus->cap_subs = cap;
	return ERR_OK;
}

err_t bus_subscribe(struct bus_sub **ret, struct bus *bus, const char *subject, const char *queue, bus_msg_fn *fn,
		    void *arg)
{
	struct bus_sub *s;
	size_t slot;
	err_t e;

	if (!bus_subject_valid(subject, true) || (queue && !bus_subject_valid(queue, false)))
		return ERR_INVALID;
	e = sub_slot(bus, &slot);
	if (e)
		return e;
	s = mem_zalloc(sizeof(*s) + strlen(subject) + 1);
	if (!s)
		return ERR_EXHAUSTED;
	strcpy(s->subject, subject);
	s->queue = queue ? mem_strdup(queue) : NULL;
	if (queue && !s->queue) {
		mem_free(s);
		return ERR_EXHAUSTED;
	}
	s->bus = bus;
	s->fn = fn;
	s->arg = arg;
	s->sid = ++bus->next_generation << SUB_SLOT_BITS | slot;
	bus->subs[slot] = s;
	bus->n_subs++;
	if (bus->conn.state == CONN_UP)
		write_sub(bus, s->subject, s->queue, s->sid);
	*ret = s;
	return ERR_OK;
}

err_t bus_subscribe_raw(struct bus_sub **ret, struct bus *bus, bus_raw_fn *fn, void *arg)
{
	char subject[BUS_REPLY_TEXT + 32];
	err_t e;

	(void)snprintf(subject, sizeof(subject), "%sd.%llu", bus->inbox.prefix,
		       (unsigned long long)++bus->next_delivery);
	e = bus_subscribe(ret, bus, subject, NULL, NULL, arg);
	if (!e)
		(*ret)->raw = fn;
	return e;
}

static void sub_free(struct bus_sub *s)
{
	mem_free(s->queue);
	mem_free(s);
}

void bus_sub_drain(struct bus_sub *s)
{
	char line[48];

	if (s->bus->conn.state == CONN_UP && !s->drained) {
		int n = snprintf(line, sizeof(line), "UNSUB %llu\r\n", (unsigned long long)s->sid);

		conn_append(&s->bus->conn, line, (size_t)n);
	}
	s->drained = true;
}

void bus_unsubscribe(struct bus_sub **ref)
{
	struct bus_sub *s = *ref;

	if (!s)
		return;
	bus_sub_drain(s);
	s->bus->subs[s->sid & SUB_SLOT_MASK] = NULL;
	s->bus->n_subs--;
	sub_free(s);
	*ref = NULL;
}

static void on_frame(const struct nats_frame *f, void *arg)
{
	struct bus *bus = arg;
	struct bus_raw raw = { .msg = { .subject = f->subject, .reply = f->reply, .data = f->data, .size = f->size },
			       .headers = f->headers,
			       .headers_size = f->headers_size };
	size_t slot = f->sid & SUB_SLOT_MASK;
	struct bus_sub *s;

	if (f->headers)
		raw.status = nats_headers_status(f->headers, f->headers_size);
	if (slot == 0) {
		inbox_dispatch(&bus->inbox, &raw);
		return;
	}
	s = slot < bus->cap_subs ? bus->subs[slot] : NULL;
	if (!s || s->sid != f->sid)
		return;
	if (s->raw)
		s->raw(&raw, s->arg);
	else
		s->fn(&raw.msg, s->arg);
}

/* ---- the connection comes and goes --------------------------------------------------------------------------------- */

void bus_hook_add(struct bus *bus, struct bus_hook *h)
{
	h->prev = NULL;
	h->next = bus->hooks;
	if (h->next)
		h->next->prev = h;
	bus->hooks = h;
}

void bus_hook_remove(struct bus *bus, struct bus_hook *h)
{
	if (bus->hook_next == h)
		bus->hook_next = h->next;
	if (h->prev)
		h->prev->next = h->next;
	else if (bus->hooks == h)
		bus->hooks = h->next;
	if (h->next)
		h->next->prev = h->prev;
	h->next = h->prev = NULL;
}

static void call_hooks(struct bus *bus, bool up)
{
	for (struct bus_hook *h = bus->hooks; h; h = bus->hook_next) {
		bus->hook_next = h->next;
		if (up)
			h->on_up(h->arg);
		else
			h->on_down(h->arg);
	}
	bus->hook_next = NULL;
}

static void on_up(void *arg)
{
	struct bus *bus = arg;
	char all[64];

	(void)snprintf(all, sizeof(all), "%s*", bus->inbox.prefix);
	write_sub(bus, all, NULL, 1u << SUB_SLOT_BITS);
	for (size_t i = 1; i < bus->cap_subs; i++)
		if (bus->subs[i] && !bus->subs[i]->drained)
			write_sub(bus, bus->subs[i]->subject, bus->subs[i]->queue, bus->subs[i]->sid);
	pubs_on_up(bus);
	send_offline(bus, true);
	call_hooks(bus, true);
	if (bus->on_state)
		bus->on_state(true, bus->arg);
}

static void on_down(void *arg)
{
	struct bus *bus = arg;

	bus->losses++;
	pubs_on_down(bus);
	call_hooks(bus, false);
	if (bus->on_state)
		bus->on_state(false, bus->arg);
}

/* Consumers live in the memory of one server, and what waits for an acknowledgement may have been on its way to that one.
 * When it has gone, they would learn it from the silence, seconds later. */
static void on_cluster(void *arg)
{
	pubs_again(arg);
	call_hooks(arg, true);
}

struct loop *bus_loop(const struct bus *bus)
{
	return bus->loop;
}

/* ' 'Permissions Violation for Publish to "ev.acme.call.c1"'': what waits for that subject waits for nothing. */
static void on_error(const char *text, void *arg)
{
	static const char violation[] = "Permissions Violation for Publish to \"";
	const char *subject = strstr(text, violation);

	if (!subject)
		return;
	subject += sizeof(violation) - 1;
	pubs_deny(arg, subject, strcspn(subject, "\""));
}

bool bus_connected(const struct bus *bus)
{
	return bus->conn.state == CONN_UP;
}

uint64_t bus_losses(const struct bus *bus)
{
	return bus->losses;
}

/* ---- requests ------------------------------------------------------------------------------------------------------ */

void bus_request_cancel(struct request **ref)
{
	struct request *r = *ref;

	if (!r)
		return;
	*ref = NULL;
	if (r->prev)
		r->prev->next = r->next;
	else
		r->bus->requests = r->next;
	if (r->next)
		r->next->prev = r->prev;
	inbox_close(&r->bus->inbox, &r->slot);
	loop_timer_done(&r->timer);
	if (r->own_arg)
		mem_free(r->arg);
	mem_free(r);
}

static void request_finish(struct request *r, const struct bus_raw *raw)
{
	bus_raw_fn *fn = r->fn;
	void *arg = r->arg;
	bool own = r->own_arg;
	struct bus_raw decoded;
	char *block = NULL;

	if (r->stored && raw) {
		stored_decode(raw, &decoded, &block);
		raw = &decoded;
	}
	r->own_arg = false;
	bus_request_cancel(&r);
	fn(raw, arg);
	mem_free(block);
	if (own)
		mem_free(arg);
}

static void on_reply(const struct bus_raw *raw, void *arg)
{
	request_finish(arg, raw);
}

static void on_request_timeout(void *arg)
{
	request_finish(arg, NULL);
}

err_t bus_request_raw(struct request **ret, struct bus *bus, const char *subject, const void *data, size_t size,
		      int64_t timeout_ms, bus_raw_fn *fn, void *arg, bool own_arg)
{
	struct request *r = mem_zalloc(sizeof(*r));
	char reply[BUS_REPLY_TEXT];
	err_t e;

	if (!r)
		return ERR_EXHAUSTED;
	*r = (struct request){ .bus = bus, .slot = INBOX_NONE, .fn = fn, .arg = arg, .next = bus->requests };
	loop_timer_init(&r->timer, bus->loop, on_request_timeout, r);
	if (r->next)
		r->next->prev = r;
	bus->requests = r;
	e = inbox_open(&bus->inbox, on_reply, r, &r->slot);
	if (!e) {
		(void)inbox_subject(&bus->inbox, r->slot, reply);
		e = bus_publish_reply(bus, subject, reply, data, size);
	}
	if (e) {
		bus_request_cancel(&r);
		return e;
	}
	r->own_arg = own_arg;
	loop_timer_start(&r->timer, timeout_ms);
	if (ret)
		*ret = r;
	return ERR_OK;
}

struct user_request {
	bus_reply_fn *fn;
	void *arg;
};

static void on_user_reply(const struct bus_raw *raw, void *arg)
{
	const struct user_request *u = arg;

	if (!raw)
		u->fn(ERR_TIMEOUT, NULL, u->arg);
	else if (raw->status == 503)
		u->fn(ERR_UNAVAILABLE, NULL, u->arg);
	else
		u->fn(ERR_OK, &raw->msg, u->arg);
}

err_t bus_request(struct bus *bus, const char *subject, const void *data, size_t size, int64_t timeout_ms,
		  bus_reply_fn *fn, void *arg)
{
	struct user_request *u = mem_alloc(sizeof(*u));
	err_t e;

	if (!u)
		return ERR_EXHAUSTED;
	*u = (struct user_request){ .fn = fn, .arg = arg };
	e = bus_request_raw(NULL, bus, subject, data, size, timeout_ms, on_user_reply, u, true);
	if (e)
		mem_free(u);
	return e;
}

/* ---- life ---------------------------------------------------------------------------------------------------------- */

static err_t copy_text(char **to, const char *from)
{
	*to = mem_strdup(from ? from : "");
	return *to ? ERR_OK : ERR_EXHAUSTED;
}

static err_t copy_params(struct bus *bus, const struct bus_params *p)
{
	err_t e = copy_text(&bus->url, p->url);

	e = e ? e : copy_text(&bus->name, p->name);
	e = e ? e : copy_text(&bus->ca_file, p->ca_file);
	e = e ? e : copy_text(&bus->cert_file, p->cert_file);
	e = e ? e : copy_text(&bus->key_file, p->key_file);
	return e;
}

err_t bus_new(struct bus **ret, const struct bus_params *p, struct err_detail *detail)
{
	struct bus *bus = mem_zalloc(sizeof(*bus));
	struct conn_params cp;
	err_t e;

	if (!bus)
		return ERR_EXHAUSTED;
	bus->loop = p->loop;
	bus->ack_timeout_ms = p->ack_timeout_ms ? p->ack_timeout_ms : 2000;
	bus->max_pending = p->max_pending ? p->max_pending : 65536;
	bus->arg = p->arg;
	bus->offline_tail = &bus->offline;
	bus->conn.fd = -1;
	pubs_init(bus);
	e = inbox_init(&bus->inbox);
	e = e ? e : copy_params(bus, p);
	cp = (struct conn_params){ .loop = p->loop,
				   .url = bus->url,
				   .name = bus->name,
				   .ca_file = bus->ca_file,
				   .cert_file = bus->cert_file,
				   .key_file = bus->key_file,
				   .on_msg = on_frame,
				   .on_up = on_up,
				   .on_down = on_down,
				   .on_error = on_error,
				   .on_cluster = on_cluster,
				   .arg = bus };
	e = e ? e : conn_init(&bus->conn, &cp, detail);
	bus->replicas = p->replicas > 0 ? p->replicas : bus->conn.n_urls >= 3 ? 3 : 1;
	e = e ? e
	      : conn_connect(&bus->conn, clock_mono_ms() + (p->connect_timeout_ms ? p->connect_timeout_ms : 30000),
			     detail);
	if (e) {
		bus_free(&bus);
		return e;
	}
	bus->on_state = p->on_state; /* of changes from here on */
	*ret = bus;
	return ERR_OK;
}

static void free_requests(struct bus *bus)
{
	while (bus->requests) {
		struct request *r = bus->requests;

		bus_request_cancel(&r);
	}
}

void bus_free(struct bus **ref)
{
	struct bus *bus = *ref;

	if (!bus)
		return;
	bus->on_state = NULL;
	if (bus->conn.p.loop)
		conn_done(&bus->conn);
	free_requests(bus);
	pubs_done(bus);
	send_offline(bus, false);
	for (size_t i = 1; i < bus->cap_subs; i++)
		if (bus->subs[i])
			sub_free(bus->subs[i]);
	mem_free(bus->subs);
	if (bus->leases)
		bus_kv_close(&bus->leases);
	inbox_done(&bus->inbox);
	mem_free(bus->url);
	mem_free(bus->name);
	mem_free(bus->ca_file);
	mem_free(bus->cert_file);
	mem_free(bus->key_file);
	mem_free(bus);
	*ref = NULL;
}
