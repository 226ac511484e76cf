/*
 * The inside of libs/bus, shared by its files:
 *	conn.c, tls.c, resolve.c, url.c, nats_parse.c	the connection
 *	bus.c		life, subscriptions, core publishing, requests
 *	inbox.c		replies: one wildcard subscription, the last token says whose
 *	publish.c	JetStream publishing: pending until acknowledged
 *	api.c		$JS.API: streams, buckets, consumers
 *	stored.c	the last message of a subject, from the leader when there are replicas
 *	kv.c watch.c consumer.c lease.c
 */
#ifndef BUS_INTERNAL_H
#define BUS_INTERNAL_H

#include <jansson.h>
#include "bus/bus.h"
#include "conn.h"
#include "loop/loop.h"

#define BUS_SUBJECT_MAX	   512
#define BUS_API_TIMEOUT_MS 5000
#define BUS_API_ELECT_MS   1000 /* in a cluster the one who should answer may have gone: ask again */

/* A message as it came, with its headers. */
struct bus_raw {
	struct bus_msg msg;
	const char *headers;
	size_t headers_size;
	int status; /* 0, 100 heartbeat or flow control, 404, 408, 409, 503 … */
};
typedef void bus_raw_fn(const struct bus_raw *raw, void *arg);

/* ---- inbox ---- */
struct inbox_slot {
	uint32_t generation;
	uint32_t next_free;
	bus_raw_fn *fn; /* NULL: free */
	void *arg;
};
struct inbox {
	struct inbox_slot *slots;
	uint32_t n, cap, free;
	char prefix[48]; /* "_INBOX.<id>." */
	size_t prefix_len;
};
#define INBOX_TOKEN 16
#define INBOX_NONE  UINT32_MAX

err_t inbox_init(struct inbox *in) MUST;
void inbox_done(struct inbox *in);
err_t inbox_open(struct inbox *in, bus_raw_fn *fn, void *arg, uint32_t *ret_slot) MUST;
void inbox_close(struct inbox *in, uint32_t *slot);
/* The slot's reply subject; buf of BUS_REPLY_TEXT bytes; returns its length. */
#define BUS_REPLY_TEXT 80
size_t inbox_subject(const struct inbox *in, uint32_t slot, char *buf);
void inbox_dispatch(struct inbox *in, const struct bus_raw *raw);

/* ---- publishing with acknowledgement ---- */
struct pub {
	struct pub *next, *prev;
	int64_t deadline_ms;
	int64_t since_ms; /* submitted */
	uint32_t slot;
	unsigned attempts;
	bool own_arg;		   /* arg is freed if fn is never called */
	bool repeated;		   /* sent more than once */
	struct request *verifying; /* was the first arrival stored? The question under way */
	unsigned verified;	   /* times that it was not (yet) */
	bool refused;		   /* no responders, or not yet sent: waits for the next round */
	bus_ack_fn *fn;
	void *arg;
	struct bus *bus;
	uint64_t expected;
	const char *subject, *msg_id; /* in the frame, not terminated */
	size_t subject_len, msg_id_len;
	size_t size;
	char frame[];
};
struct pub_list {
	struct pub *head, *tail;
	size_t n;
	size_t bytes;
	struct loop_timer timer; /* acknowledgement of the head is due */
	struct loop_timer again; /* the refused ones are tried again */
	int64_t timeout_ms;	 /* until a repeat: grows while acknowledgements are late */
	bool stalled;
	uint64_t next_id;
};
#define PUB_NO_EXPECTATION UINT64_MAX
struct pub_params {
	const char *subject;
	const void *data;
	size_t size;
	const char *msg_id;    /* NULL: one is made */
	const char *operation; /* KV-Operation or NULL */
	unsigned ttl_s;	       /* of this message; 0: the stream's */
	uint64_t expected;     /* last sequence of the subject or PUB_NO_EXPECTATION */
	bool own_arg;
	bool lazy; /* may wait some milliseconds for company (conn_append_lazy) */
	bus_ack_fn *fn;
	void *arg;
};
void pubs_init(struct bus *bus);
void pubs_done(struct bus *bus);
err_t pubs_submit(struct bus *bus, const struct pub_params *p) MUST;
/* The argument is freed with the publish if its callback is never called. */
void pubs_own_arg(struct bus *bus, const void *arg);
/* The server does not allow us this subject (not terminated): what waits for it ends with ERR_DENIED. */
void pubs_deny(struct bus *bus, const char *subject, size_t len);
void pubs_on_up(struct bus *bus);
/* Sends once more what is not acknowledged yet. */
void pubs_again(struct bus *bus);
void pubs_on_down(struct bus *bus);

/* ---- core ---- */
struct bus_sub {
	struct bus *bus;
	uint64_t sid;
	bus_msg_fn *fn;
	bus_raw_fn *raw; /* instead of fn */
	void *arg;
	char *queue;
	bool drained; /* bus_sub_drain() */
	char subject[];
};

struct offline { /* a core message written while the connection is down */
	struct offline *next;
	int64_t time_ms;
	size_t size;
	char frame[];
};

/* What wants to know of the connection. */
struct bus_hook {
	struct bus_hook *next, *prev;
	void (*on_up)(void *arg);
	void (*on_down)(void *arg);
	void *arg;
};

struct request {
	struct request *next, *prev;
	struct bus *bus;
	uint32_t slot;
	struct loop_timer timer;
	bus_raw_fn *fn; /* raw NULL: timed out */
	void *arg;
	bool own_arg;
	bool stored; /* the answer is that of STREAM.MSG.GET: fn gets it as DIRECT.GET would give it */
};

struct bus {
	struct loop *loop;
	struct conn conn;
	struct inbox inbox;
	struct pub_list pubs;
	int64_t ack_timeout_ms;
	size_t max_pending;
	int replicas;
	uint64_t losses;
	void (*on_state)(bool connected, void *arg);
	void *arg;

	struct bus_sub **subs; /* by sid & SUB_SLOT_MASK */
	size_t n_subs, cap_subs, sub_hint;
	uint64_t next_generation, next_delivery;
	struct offline *offline, **offline_tail;
	size_t n_offline;
	struct request *requests;
	struct bus_hook *hooks, *hook_next;
	struct bus_kv *leases; /* opened by the first lease */
	char *url, *name, *ca_file, *cert_file, *key_file;
};

bool bus_subject_valid(const char *subject, bool wildcards);
/* A subscription of our own to a subject nobody else has, for what JetStream delivers (it arrives under the subject it
 * was stored with, so the inbox cannot tell whose it is). */
err_t bus_subscribe_raw(struct bus_sub **ret, struct bus *bus, bus_raw_fn *fn, void *arg) MUST;
/* PUB with reply; while the connection is down the message waits a few seconds. */
err_t bus_publish_reply(struct bus *bus, const char *subject, const char *reply, const void *data, size_t size) MUST;
/* fn exactly once: the reply, or NULL after the time-out. *ret (may be NULL) can be given to bus_request_cancel().
 * own_arg: arg is freed after fn, or when the request is cancelled (not when this call fails). */
err_t bus_request_raw(struct request **ret, struct bus *bus, const char *subject, const void *data, size_t size,
		      int64_t timeout_ms, bus_raw_fn *fn, void *arg, bool own_arg) MUST;
void bus_request_cancel(struct request **r);
void bus_hook_add(struct bus *bus, struct bus_hook *h);
void bus_hook_remove(struct bus *bus, struct bus_hook *h);

/* ---- $JS.API ---- */
/* Blocking, for start-up: sends body (may be NULL) to $JS.API.<path> and returns the answer, whose error (if any) is in
 * *err_code (0: none) with its text in detail. */
err_t api_call(struct bus *bus, const char *path, json_t *body, json_t **ret, int *err_code,
	       struct err_detail *detail) MUST;
/* Asynchronous: fn gets the answer (NULL: time-out or no responders). *ret can be cancelled. */
err_t api_send(struct request **ret, struct bus *bus, const char *path, json_t *body, bus_raw_fn *fn, void *arg,
	       bool own_arg) MUST;
int api_error(const json_t *answer);
/* fn gets the last message of the subject with the headers Nats-Sequence, Nats-Subject and Nats-Time-Stamp (status 404: there
 * is none; any other: not known). */
err_t api_last(struct request **ret, struct bus *bus, const char *stream, const char *subject, size_t subject_len,
	       bus_raw_fn *fn, void *arg, bool own_arg) MUST; /* as api_send */
/* The answer to STREAM.MSG.GET in that form; block owns the bytes (mem_free). */
void stored_decode(const struct bus_raw *answer, struct bus_raw *ret, char **block);
err_t api_stream_ensure(struct bus *bus, const char *name, json_t *config, struct err_detail *detail) MUST;

/* What a JetStream delivery says in its reply subject. */
struct js_meta {
	uint64_t deliveries, stream_seq, consumer_seq, pending;
	int64_t time_ms;
};
bool js_meta_parse(const char *reply, struct js_meta *m);

/* bus_read() for whoever needs the headers: raw_fn instead of p->fn; caught_up when nothing more is there for now. */
err_t bus_read_raw(struct bus_reader **ret, struct bus *bus, const struct bus_reader_params *p, bus_raw_fn *raw_fn,
		   void (*caught_up)(void *arg)) MUST;
void bus_reader_poll(struct bus_reader *r, int64_t poll_ms);

/* ---- key-value ---- */
struct bus_kv {
	struct bus *bus;
	char bucket[64];
	char stream[72];
	char prefix[80]; /* "$KV.<bucket>." */
	unsigned marker_ttl_s;
};
/* A header block says: deleted (by somebody or by its age). */
bool kv_is_marker(const struct bus_raw *raw);

#endif
