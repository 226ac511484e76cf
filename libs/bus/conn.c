#include "conn.h"

#include "base/clock.h"
#include "base/filestamp.h"
#include "base/hash.h"
#include "base/mem.h"
#include "log/log.h"
#include "resolve.h"
#include "tls.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define IN_BYTES	(64u << 10)
#define PING_MS		3000
#define PINGS_MAX	2
#define BACKOFF_MIN_MS	50
#define BACKOFF_MAX_MS	1000
#define LOGIN_MS	5000
#define LAZY_BYTES	(64u << 10) /* so much does not wait */
#define MAX_PAYLOAD	(1u << 20)
#define MAX_PAYLOAD_CAP (64u << 20)

static const char no_answer[] = "no answer from the server";

static void on_io(uint32_t events, void *arg);
static void on_idle(void *arg);

static const struct nats_url *url(const struct conn *c)
{
	return &c->urls[c->url_at];
}

/* ---- down and up again ----------------------------------------------------------------------------------------- */

static void close_socket(struct conn *c)
{
	loop_io_stop(&c->io);
	if (c->ssl)
		SSL_free(c->ssl);
	c->ssl = NULL;
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->write_blocked = c->urgent = false;
	loop_timer_stop(&c->lazy);
	c->in_len = 0;
	str_reset(&c->out);
	c->out_at = 0;
	c->pings_out = 0;
}

static void drop(struct conn *c, const char *why)
{
	bool was_up = c->state == CONN_UP;

	if (c->state == CONN_DOWN)
		return;
	if (!c->told && (why != no_answer || !c->error[0]))
		(void)str_copy(c->error, sizeof(c->error), why);
	c->state = CONN_DOWN;
	close_socket(c);
	loop_timer_stop(&c->ping);
	c->url_at = (c->url_at + 1) % c->n_urls;
	if (c->closing)
		return;
	if (was_up) {
		c->backoff_ms = BACKOFF_MIN_MS;
		c->p.on_down(c->p.arg);
	}
	loop_timer_start(&c->retry, c->backoff_ms);
	c->backoff_ms = c->backoff_ms * 2 < BACKOFF_MAX_MS ? c->backoff_ms * 2 : BACKOFF_MAX_MS;
}

static void want_write(struct conn *c, bool on)
{
	if (c->write_blocked == on)
		return;
	c->write_blocked = on;
	if (loop_io_modify(&c->io, EPOLLIN | (on ? (uint32_t)EPOLLOUT : 0)))
		drop(c, "epoll");
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* Bytes written, 0: would block, -1: broken. */
static ssize_t write_some(struct conn *c, const char *data, size_t n)
{
	ssize_t r;

	if (c->ssl)
		return tls_write(c->ssl, data, n);
	r = send(c->fd, data, n, MSG_NOSIGNAL);
	if (r < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	return r;
}

void conn_flush(struct conn *c)
{
	loop_timer_stop(&c->kick);
	loop_timer_stop(&c->lazy);
	c->urgent = false;
	if (c->state < CONN_GREETING)
		return;
	if (c->out.failed) {
		drop(c, "out of memory");
		return;
	}
	while (c->out_at < c->out.len) {
		ssize_t r = write_some(c, c->out.data + c->out_at, c->out.len - c->out_at);

		if (r < 0) {
			drop(c, "write failed");
			return;
		}
		if (r == 0)
			break;
		c->out_at += (size_t)r;
	}
	want_write(c, c->out_at < c->out.len);
	if (c->out_at == c->out.len) {
		str_reset(&c->out);
		c->out_at = 0;
	}
}

static void compact(struct conn *c)
{
	memmove(c->out.data, c->out.data + c->out_at, c->out.len - c->out_at);
	c->out.len -= c->out_at;
	c->out_at = 0;
}

static void append(struct conn *c, const void *bytes, size_t n)
{
	if (c->out_at > (1u << 20) && c->out_at > c->out.len / 2)
		compact(c);
	str_append_n(&c->out, bytes, n);
}

void conn_append(struct conn *c, const void *bytes, size_t n)
{
	if (!c->urgent && !loop_timer_running(&c->kick))
		loop_timer_start(&c->kick, 0); /* outside of a turn nothing else would flush */
	c->urgent = true;
	append(c, bytes, n);
}

void conn_append_lazy(struct conn *c, const void *bytes, size_t n)
{
	if (!c->urgent && !loop_timer_running(&c->lazy))
		loop_timer_start(&c->lazy, CONN_LAZY_MS);
	append(c, bytes, n);
	if (c->out.len - c->out_at > LAZY_BYTES)
		c->urgent = true;
}

static void on_idle(void *arg)
{
	struct conn *c = arg;

	if (c->out.len > 0 && c->urgent && !c->write_blocked)
		conn_flush(c);
}

static void on_lazy(void *arg)
{
	struct conn *c = arg;

	c->urgent = true; /* the turn that runs this ends with on_idle */
}

static void on_kick(void *arg)
{
	(void)arg; /* the turn that runs this ends with on_idle */
}

/* ---- log-in -------------------------------------------------------------------------------------------------------- */

static void append_json(struct str *s, const char *key, const char *value)
{
	json_t *text = json_string(value);
	char *quoted = text ? json_dumps(text, JSON_ENCODE_ANY) : NULL;

	str_printf(s, ",\"%s\":%s", key, quoted ? quoted : "\"\"");
	if (!quoted)
		s->failed = true;
	free(quoted);
	json_decref(text);
}

static void log_in(struct conn *c)
{
	struct str *s = &c->out;

	str_printf(
	    s,
	    "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true,\"protocol\":1,"
	    "\"lang\":\"c\",\"version\":\"1\",\"tls_required\":%s",
	    c->ssl ? "true" : "false");
	append_json(s, "name", c->p.name ? c->p.name : "");
	if (url(c)->user[0])
		append_json(s, "user", url(c)->user);
	if (url(c)->password[0])
		append_json(s, "pass", url(c)->password);
	str_append(s, "}\r\nPING\r\n");
	c->state = CONN_LOGIN;
	conn_flush(c);
}

static int64_t files_stamp(const struct conn *c)
{
	return filestamp((const char *const[]){ c->p.ca_file, c->p.cert_file, c->p.key_file }, 3);
}

/* Certificates that were renewed meanwhile hold from the next connection on. Half-written ones do not: what we have goes on. */
static void renew(struct conn *c)
{
	int64_t stamp = files_stamp(c);
	struct err_detail d;
	SSL_CTX *ctx;

	if (stamp == c->tls_stamp)
		return;
	if (tls_context_new(&ctx, c->p.ca_file, c->p.cert_file, c->p.key_file, &d)) {
		LOG_WARN(NULL, "bus.certificates_not_renewed", "field=%s why=%s", LOG_Q(d.field), LOG_Q(d.message));
		return;
	}
	SSL_CTX_free(c->tls);
	c->tls = ctx;
	c->tls_stamp = stamp;
	LOG_INFO(NULL, "bus.certificates_renewed", "cert_file=%s", LOG_Q(c->p.cert_file ? c->p.cert_file : ""));
}

static void secure(struct conn *c)
{
	err_t e;

	renew(c);
	e = tls_start(c->tls, c->fd, url(c)->host, &c->ssl);

	if (e) {
		drop(c, "TLS could not be set up");
		return;
	}
	c->state = CONN_SECURING;
	on_io(EPOLLOUT, c);
}

/* Of the servers that an INFO lists, whatever their order. */
static uint64_t cluster_of(const json_t *info)
{
	uint64_t all = 0;
	size_t i;
	json_t *name;

	json_array_foreach(json_object_get(info, "connect_urls"), i, name)
	{
		const char *text = json_string_value(name);

		all += text ? hash_fnv1a32(text) : 0;
	}
	return all;
}

static void on_info(struct conn *c, const char *text)
{
	json_t *info = json_loads(text, 0, NULL);
	json_int_t max = json_integer_value(json_object_get(info, "max_payload"));
	bool tls = json_is_true(json_object_get(info, "tls_required"));
	uint64_t cluster = cluster_of(info);
	bool changed = cluster != c->cluster;

	c->cluster = cluster;
	json_decref(info);
	if (!info) {
		drop(c, "the server's INFO is not JSON");
		return;
	}
	if (max > 0)
		c->max_payload = max < MAX_PAYLOAD_CAP ? (size_t)max : MAX_PAYLOAD_CAP;
	if (c->state == CONN_UP && changed)
		c->p.on_cluster(c->p.arg);
	if (c->state != CONN_GREETING)
		return; /* a later INFO tells of changes in the cluster */
	if (tls && !c->tls)
		drop(c, "the server requires TLS: set nats.ca_file");
	else if (c->tls)
		secure(c);
	else
		log_in(c);
}

static void on_pong(struct conn *c)
{
	c->pings_out = 0;
	if (c->state != CONN_LOGIN)
		return;
	c->state = CONN_UP;
	c->told = false;
	c->error[0] = '\0';
	c->backoff_ms = BACKOFF_MIN_MS;
	loop_timer_stop(&c->retry);
	loop_timer_start(&c->ping, PING_MS);
	c->p.on_up(c->p.arg);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static void on_frame(struct conn *c, const struct nats_frame *f)
{
	switch (f->op) {
	case NATS_MSG:
		c->dispatching = true;
		c->p.on_msg(f, c->p.arg);
		c->dispatching = false;
		break;
	case NATS_PING:
		conn_append(c, "PONG\r\n", 6);
		break;
	case NATS_PONG:
		on_pong(c);
		break;
	case NATS_INFO:
		on_info(c, f->text);
		break;
	case NATS_ERR: /* permission errors concern one subject; the others the server follows by closing */
		(void)snprintf(c->error, sizeof(c->error), "server: %s", f->text);
		c->told = true;
		if (c->state == CONN_UP)
			c->p.on_error(f->text, c->p.arg);
		break;
	case NATS_OK:
		break;
	}
}

static void parse(struct conn *c)
{
	size_t at = 0;

	while (c->state >= CONN_GREETING) {
		struct nats_frame f = { 0 };
		ssize_t r = nats_parse(c->in + at, c->in_len - at, c->max_payload + IN_BYTES, &f);

		if (r < 0) {
			drop(c, "the peer does not speak NATS");
			return;
		}
		if (r == 0)
			break;
		at += (size_t)r;
		on_frame(c, &f);
		if (c->state == CONN_SECURING)
			break; /* what follows is TLS */
	}
	if (c->state < CONN_GREETING)
		return;
	c->in_len -= at;
	memmove(c->in, c->in + at, c->in_len);
}

static bool room_to_read(struct conn *c)
{
	size_t cap = c->in_cap * 2;
	char *p;

	if (c->in_len < c->in_cap)
		return true;
	if (cap > 2 * (c->max_payload + IN_BYTES))
		return false;
	p = mem_realloc(c->in, cap);
	if (!p)
		return false;
	c->in = p;
	c->in_cap = cap;
	return true;
}

static void read_all(struct conn *c)
{
	do {
		ssize_t r;

		if (!room_to_read(c)) {
			drop(c, "message too large or out of memory");
			return;
		}
		if (c->ssl)
			r = tls_read(c->ssl, c->in + c->in_len, c->in_cap - c->in_len);
		else
			r = recv(c->fd, c->in + c->in_len, c->in_cap - c->in_len, 0);
		if (r == 0 && c->ssl)
			return; /* would block */
		if (r < 0 && !c->ssl && (errno == EAGAIN || errno == EINTR))
			return;
		if (r <= 0) {
			drop(c, "the server closed the connection");
			return;
		}
		c->heard = true;
		c->in_len += (size_t)r;
		parse(c);
	} while (c->ssl && c->state > CONN_SECURING && SSL_has_pending(c->ssl));
}

static void connected(struct conn *c)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error) {
		drop(c, strerror(error ? error : errno));
		return;
	}
	c->state = CONN_GREETING;
	c->write_blocked = true;
	want_write(c, false);
}

static void handshake(struct conn *c)
{
	char why[120];

	switch (tls_handshake(c->ssl, why, sizeof(why))) {
	case TLS_DONE:
		want_write(c, false);
		log_in(c);
		break;
	case TLS_WANT_READ:
		want_write(c, false);
		break;
	case TLS_WANT_WRITE:
		want_write(c, true);
		break;
	case TLS_FAILED:
		drop(c, why);
		break;
	}
}

static void on_io(uint32_t events, void *arg)
{
	struct conn *c = arg;

	if (c->state == CONN_CONNECTING) {
		connected(c);
		return;
	}
	if (c->state == CONN_SECURING) {
		handshake(c);
		return;
	}
	if (events & EPOLLOUT)
		conn_flush(c);
	if (c->state >= CONN_GREETING && (events & ~(uint32_t)EPOLLOUT))
		read_all(c);
}

/* ---- connecting ------------------------------------------------------------------------------------------------- */

static void open_socket(struct conn *c, const struct conn_address *a)
{
	int one = 1;

	c->fd = socket(a->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0) {
		drop(c, strerror(errno));
		return;
	}
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(c->fd, (const struct sockaddr *)&a->address, a->size) != 0 && errno != EINPROGRESS) {
		drop(c, strerror(errno));
		return;
	}
	c->state = CONN_CONNECTING;
	c->write_blocked = true;
	if (loop_io_start(&c->io, c->p.loop, c->fd, EPOLLIN | EPOLLOUT, on_io, c))
		drop(c, "epoll");
}

static void on_resolved(void *arg)
{
	struct conn *c = arg;
	struct conn_address *a = c->address;

	pthread_join(c->resolver, NULL);
	c->resolving = false;
	c->address = NULL;
	if (a->error[0])
		drop(c, a->error);
	else
		open_socket(c, a);
	mem_free(a);
}

static void *resolver(void *arg)
{
	struct conn *c = arg;

	resolve(c->address, false);
	/* Without memory for the post the attempt ends by the log-in time-out, which joins. */
	if (loop_post(c->p.loop, on_resolved, c))
		c->address->lost = true;
	return NULL;
}

static void resolve_and_connect(struct conn *c)
{
	struct conn_address *a = mem_zalloc(sizeof(*a));

	if (!a) {
		drop(c, "out of memory");
		return;
	}
	(void)str_copy(a->host, sizeof(a->host), url(c)->host);
	(void)str_copy(a->port, sizeof(a->port), url(c)->port);
	if (resolve(a, true) || c->waiting) {
		if (a->error[0])
			resolve(a, false);
		if (a->error[0])
			drop(c, a->error);
		else
			open_socket(c, a);
		mem_free(a);
		return;
	}
	c->address = a;
	c->resolving = pthread_create(&c->resolver, NULL, resolver, c) == 0;
	if (!c->resolving) {
		c->address = NULL;
		mem_free(a);
		drop(c, "no thread to look up the server's name");
	}
}

static void join_lost_resolver(struct conn *c)
{
	if (!c->resolving || !c->address->lost)
		return;
	pthread_join(c->resolver, NULL);
	mem_free(c->address);
	c->address = NULL;
	c->resolving = false;
}

static void attempt(struct conn *c)
{
	c->told = false;
	c->state = CONN_RESOLVING;
	loop_timer_start(&c->retry, LOGIN_MS);
	resolve_and_connect(c);
}

/* Time for another attempt, or the present one takes too long. */
static void on_retry(void *arg)
{
	struct conn *c = arg;

	join_lost_resolver(c);
	if (c->state == CONN_RESOLVING && c->resolving)
		loop_timer_start(&c->retry, LOGIN_MS); /* the resolver gives up by itself */
	else if (c->state == CONN_DOWN)
		attempt(c);
	else
		drop(c, no_answer);
}

static void on_ping(void *arg)
{
	struct conn *c = arg;

	if (c->heard)
		c->pings_out = 0;
	c->heard = false;
	if (c->pings_out >= PINGS_MAX) {
		drop(c, "the server does not answer pings");
		return;
	}
	c->pings_out++;
	conn_append(c, "PING\r\n", 6);
	loop_timer_start(&c->ping, PING_MS);
}

/* ---- start-up: the only place that waits ------------------------------------------------------------------------ */

static void poll_once(struct conn *c, int64_t until_ms)
{
	int64_t left = until_ms - clock_mono_ms();
	struct pollfd pfd = { .fd = c->fd, .events = POLLIN };

	if (c->out.len > c->out_at || c->state == CONN_CONNECTING || c->write_blocked)
		pfd.events |= POLLOUT;
	if (poll(&pfd, 1, left > 0 ? (int)left : 0) > 0)
		on_io(((pfd.revents & POLLOUT) ? (uint32_t)EPOLLOUT : 0) |
			  ((pfd.revents & ~POLLOUT) ? (uint32_t)EPOLLIN : 0),
		      c);
}

static void try_once(struct conn *c, int64_t deadline_ms)
{
	int64_t until = clock_mono_ms() + LOGIN_MS;

	if (until > deadline_ms)
		until = deadline_ms;
	attempt(c);
	while (c->state > CONN_RESOLVING && c->state < CONN_UP && clock_mono_ms() < until)
		poll_once(c, until);
	if (c->state != CONN_UP)
		drop(c, no_answer);
}

err_t conn_connect(struct conn *c, int64_t deadline_ms, struct err_detail *detail)
{
	c->waiting = true;
	for (;;) {
		try_once(c, deadline_ms);
		loop_timer_stop(&c->retry);
		if (c->state == CONN_UP || clock_mono_ms() >= deadline_ms)
			break;
		poll(NULL, 0, BACKOFF_MIN_MS * 2);
	}
	c->waiting = false;
	if (c->state == CONN_UP) {
		conn_flush(c);
		return ERR_OK;
	}
	return err_set(detail, ERR_UNAVAILABLE, "nats.url", "NATS at %s is not reachable: %s", c->p.url, c->error);
}

err_t conn_wait(struct conn *c, const bool *done, int64_t deadline_ms)
{
	err_t e = ERR_OK;

	if (c->dispatching)
		return ERR_PRECONDITION;
	c->waiting = true;
	while (!*done && !e) {
		if (c->state != CONN_UP)
			e = ERR_UNAVAILABLE;
		else if (clock_mono_ms() >= deadline_ms)
			e = ERR_TIMEOUT;
		else
			poll_once(c, deadline_ms);
	}
	c->waiting = false;
	return e;
}

/* ---- life ---------------------------------------------------------------------------------------------------------- */

static bool any_tls(const struct conn *c)
{
	for (size_t i = 0; i < c->n_urls; i++)
		if (c->urls[i].tls)
			return true;
	return !str_empty(c->p.ca_file);
}

err_t conn_init(struct conn *c, const struct conn_params *p, struct err_detail *detail)
{
	err_t e;

	*c = (struct conn){
		.p = *p, .fd = -1, .max_payload = MAX_PAYLOAD, .backoff_ms = BACKOFF_MIN_MS, .in_cap = IN_BYTES
	};
	loop_timer_init(&c->retry, p->loop, on_retry, c);
	loop_timer_init(&c->ping, p->loop, on_ping, c);
	loop_timer_init(&c->kick, p->loop, on_kick, c);
	loop_timer_init(&c->lazy, p->loop, on_lazy, c);
	loop_idle_start(&c->idle, p->loop, on_idle, c);
	c->in = mem_alloc(c->in_cap);
	if (!c->in)
		return ERR_EXHAUSTED;
	e = nats_urls_parse(p->url, &c->urls, &c->n_urls, detail);
	if (!e && any_tls(c))
		c->tls_stamp = files_stamp(c);
	if (!e && any_tls(c))
		e = tls_context_new(&c->tls, p->ca_file, p->cert_file, p->key_file, detail);
	return e;
}

void conn_done(struct conn *c)
{
	assert(!c->dispatching);
	c->closing = true;
	if (c->state == CONN_UP) {
		int64_t until = clock_mono_ms() + 1000;

		while (c->state == CONN_UP && c->out.len > c->out_at && clock_mono_ms() < until)
			poll_once(c, until);
	}
	if (c->resolving) {
		pthread_join(c->resolver, NULL);
		mem_free(c->address);
	}
	c->state = CONN_DOWN;
	close_socket(c);
	loop_timer_done(&c->retry);
	loop_timer_done(&c->ping);
	loop_timer_done(&c->kick);
	loop_timer_done(&c->lazy);
	loop_idle_stop(&c->idle);
	SSL_CTX_free(c->tls);
	mem_free(c->urls);
	mem_free(c->in);
	str_done(&c->out);
}
