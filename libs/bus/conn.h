/*
 * conn: one connection to NATS, driven by the loop alone: connect, TLS, log-in, read, write, ping, reconnect.
 * No call ever waits; only conn_wait() does, for start-up. Owner: struct bus; thread: the loop's.
 *
 * What conn_append() collects during a turn leaves in one write at the end of the turn (loop_idle).
 */
#ifndef BUS_CONN_H
#define BUS_CONN_H

#include <openssl/ssl.h>
#include <pthread.h>
#include "base/err.h"
#include "base/str.h"
#include "loop/loop.h"
#include "nats_parse.h"

#define CONN_OUT_MAX_BYTES (64u << 20) /* unwritten bytes of a peer that stopped reading */

struct nats_url {
	bool tls;
	char host[256];
	char port[8];
	char user[128], password[128];
};

enum conn_state {
	CONN_DOWN,
	CONN_RESOLVING,	 /* a name is being looked up in a thread */
	CONN_CONNECTING, /* TCP */
	CONN_GREETING,	 /* waits for INFO */
	CONN_SECURING,	 /* TLS handshake */
	CONN_LOGIN,	 /* waits for PONG */
	CONN_UP,
};

struct conn_params {
	struct loop *loop;
	const char *url, *name;
	const char *ca_file, *cert_file, *key_file;
	void (*on_msg)(const struct nats_frame *f, void *arg);
	void (*on_up)(void *arg);
	void (*on_down)(void *arg);
	void (*on_error)(const char *text, void *arg); /* -ERR while up */
	void (*on_cluster)(void *arg);		       /* a server joined or left the cluster of ours */
	void *arg;
};

struct conn {
	struct conn_params p;
	enum conn_state state;
	struct nats_url *urls;
	size_t n_urls, url_at;
	SSL_CTX *tls;
	int64_t tls_stamp; /* of the files it was made from */
	SSL *ssl;

	int fd;
	struct loop_io io;
	bool write_blocked;

	char *in;
	size_t in_len, in_cap, max_payload;
	struct str out;
	size_t out_at;

	struct loop_timer retry, ping, kick;
	struct loop_timer lazy; /* what was appended lazily leaves when it fires */
	bool urgent;		/* out has something that must not wait */
	struct loop_idle idle;
	int64_t backoff_ms;
	unsigned pings_out;
	bool heard;
	bool dispatching; /* inside p.on_msg */
	bool waiting;	  /* inside conn_wait: no timers, no threads */
	bool closing;

	pthread_t resolver;
	bool resolving;		      /* the thread is to be joined */
	struct conn_address *address; /* what it found */
	char error[200];	      /* why the connection is down */
	bool told;		      /* by the server itself: -ERR */
	uint64_t cluster;	      /* which servers the last INFO told of */
};

err_t conn_init(struct conn *c, const struct conn_params *p, struct err_detail *detail) MUST;
void conn_done(struct conn *c);
/* Keeps trying until the deadline (monotonic); blocks. */
err_t conn_connect(struct conn *c, int64_t deadline_ms, struct err_detail *detail) MUST;
/* Reads and writes until *done, the connection breaks or the deadline (monotonic) passes. Not from within a callback. */
err_t conn_wait(struct conn *c, const bool *done, int64_t deadline_ms) MUST;

/* Appends to what leaves at the end of the turn. Only while CONN_UP. */
static inline bool conn_room(const struct conn *c, size_t n)
{
	return c->out.len - c->out_at + n <= CONN_OUT_MAX_BYTES;
}
void conn_append(struct conn *c, const void *bytes, size_t n);
/* The same, but it may wait CONN_LAZY_MS for something urgent to leave with: a write of its own costs a wake-up at the server. */
#define CONN_LAZY_MS 5
void conn_append_lazy(struct conn *c, const void *bytes, size_t n);
void conn_flush(struct conn *c);

err_t nats_urls_parse(const char *text, struct nats_url **ret, size_t *n, struct err_detail *detail) MUST;

#endif
