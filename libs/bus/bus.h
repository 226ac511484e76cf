/*
 * bus: NATS as the services use it: subjects, queue groups, JetStream publishing, durable consumers, key-value with
 * compare-and-set, leases with epochs. Everything is asynchronous and every callback runs on the owner's loop.
 *
 * What a loop turn publishes leaves in one flush at the end of the turn (loop_idle), never earlier: the wake-up is the
 * cost, not the message. What nobody waits for (facts into streams, deletes, acknowledgements) is lazy: it waits up to 5 ms for
 * something urgent to leave with.
 *
 * Delivery: core messages at most once. JetStream publishes at least once: a publish that times out is unknown and is
 * repeated with the same message id (the stream deduplicates) until it is acknowledged or gives up with ERR_UNAVAILABLE.
 * While NATS is away publishes wait in memory, bounded by bus_params.max_pending; beyond: ERR_EXHAUSTED at the call.
 */
#ifndef BUS_BUS_H
#define BUS_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "loop/loop.h"

struct bus;
struct bus_sub;
struct bus_consumer;
struct bus_reader;
struct bus_kv;
struct bus_lease;

struct bus_params {
	struct loop *loop;
	const char *url;			    /* "tls://127.0.0.1:4222" */
	const char *name;			    /* shown by the server: "call-control/cc-1" */
	const char *ca_file, *cert_file, *key_file; /* NULL or "": no TLS */
	int64_t connect_timeout_ms;		    /* keeps trying until then (0: 30,000) */
	int64_t ack_timeout_ms;			    /* of a JetStream publish before it is repeated (0: 2,000) */
	size_t max_pending;			    /* unacknowledged publishes (0: 65,536) */
	/* Of streams and buckets that do not say (0: 3 when url lists three servers or more, else 1). */
	int replicas;
	void (*on_state)(bool connected, void *arg); /* changes after bus_new; may be NULL */
	void *arg;
};

err_t bus_new(struct bus **ret, const struct bus_params *p, struct err_detail *detail) MUST;
/* Flushes (bounded by 1 s), then closes. No callback after it. */
void bus_free(struct bus **bus);
bool bus_connected(const struct bus *bus);
/* Times that the connection was lost. */
uint64_t bus_losses(const struct bus *bus);
/* How long the JetStream write that waits longest has waited for its acknowledgement; 0: none waits. */
int64_t bus_write_wait_ms(const struct bus *bus);
struct loop *bus_loop(const struct bus *bus);

/* ---- core NATS ---- */
struct bus_msg {
	const char *subject;
	const char *reply; /* NULL if none */
	const void *data;
	size_t size;
	uint64_t seq;	     /* stream sequence (consumers, KV: revision); 0 for core messages */
	int64_t time_ms;     /* stream time, wall; 0 for core messages */
	unsigned deliveries; /* 1 = first (consumers) */
};
typedef void bus_msg_fn(const struct bus_msg *msg, void *arg); /* msg is valid during the call only */

err_t bus_publish(struct bus *bus, const char *subject, const void *data, size_t size) MUST;
/* queue NULL: every subscriber gets it. */
err_t bus_subscribe(struct bus_sub **ret, struct bus *bus, const char *subject, const char *queue, bus_msg_fn *fn,
		    void *arg) MUST;
void bus_unsubscribe(struct bus_sub **sub);
/* No more is sent to us, to this connection or the next; what is on its way still comes, until bus_unsubscribe(). A message
 * of our own to ourselves, sent after this, comes behind the last of them. */
void bus_sub_drain(struct bus_sub *sub);
/* One reply or ERR_TIMEOUT / ERR_UNAVAILABLE (no responders). fn is called exactly once, unless bus_free() comes first. */
typedef void bus_reply_fn(err_t e, const struct bus_msg *msg, void *arg);
err_t bus_request(struct bus *bus, const char *subject, const void *data, size_t size, int64_t timeout_ms,
		  bus_reply_fn *fn, void *arg) MUST;

/* ---- JetStream ---- */
struct bus_stream_params {
	const char *name;
	const char *const *subjects; /* NULL-terminated */
	int64_t max_age_ms;	     /* 0: none */
	int64_t max_bytes;	     /* 0: none */
	int64_t duplicates_ms;	     /* deduplication window (0: 120,000) */
	int replicas;		     /* 0: those of bus_params */
	bool discard_new;	     /* full: refuse new (true) or drop old (false) */
};
/* Creates or checks; blocking, for start-up only. An existing stream with other limits is updated. */
err_t bus_stream_ensure(struct bus *bus, const struct bus_stream_params *p, struct err_detail *detail) MUST;

struct bus_stream_state {
	uint64_t first_seq, last_seq, messages, bytes;
};
typedef void bus_stream_state_fn(err_t e, const struct bus_stream_state *s,
				 void *arg); /* ERR_NOT_FOUND, ERR_UNAVAILABLE */
err_t bus_stream_state(struct bus *bus, const char *stream, bus_stream_state_fn *fn, void *arg) MUST;
/* Gives back messages older than before_seq, except what a durable consumer has not acknowledged. Best effort. */
err_t bus_stream_trim(struct bus *bus, const char *stream, uint64_t before_seq) MUST;

typedef void bus_ack_fn(err_t e, uint64_t seq, void *arg);
/* Lazy. msg_id: deduplicates (NULL: none). fn (may be NULL) once, on the loop: ERR_OK and the sequence, ERR_ABORTED never here. */
err_t bus_js_publish(struct bus *bus, const char *subject, const void *data, size_t size, const char *msg_id,
		     bus_ack_fn *fn, void *arg) MUST;

/* The same, but it leaves with this turn. */
err_t bus_js_publish_now(struct bus *bus, const char *subject, const void *data, size_t size, const char *msg_id,
			 bus_ack_fn *fn, void *arg) MUST;
/* arg of callbacks under way is freed with the bus, or after its callback by that: for an owner that goes before the bus. */
void bus_own_arg(struct bus *bus, const void *arg);

/* Durable pull consumer, for work that several instances may share: up to max_unacked messages out at a time. fn must
 * lead to bus_ack(seq) or bus_nak(seq, delay); what is not acknowledged comes again after ack_wait_ms, so behind newer
 * messages: who needs the order across restarts reads with bus_read() and keeps the position itself. */
struct bus_consumer_params {
	const char *stream;
	const char *durable;
	const char *filter;  /* subject filter or NULL */
	int max_unacked;     /* 0: 1,024 */
	int64_t ack_wait_ms; /* 0: 30,000 */
	bus_msg_fn *fn;
	void *arg;
};
err_t bus_consume(struct bus_consumer **ret, struct bus *bus, const struct bus_consumer_params *p,
		  struct err_detail *detail) MUST;
err_t bus_ack(struct bus_consumer *c, uint64_t seq) MUST;
err_t bus_nak(struct bus_consumer *c, uint64_t seq, int64_t delay_ms) MUST;
/* Messages in the stream not yet delivered or not acknowledged: lag. -1 unknown. */
int64_t bus_consumer_lag(const struct bus_consumer *c);
void bus_consumer_free(struct bus_consumer **c);

/* Reads a stream from a position on in its order, each message once, for ever, through reconnects. Nothing is kept at the
 * server: the owner remembers how far it is. At most `window` messages are out until released. A stream that is deleted
 * and made anew meanwhile is read from its beginning: sequences that fall tell. */
struct bus_reader_params {
	const char *stream;
	const char *filter; /* subject filter or NULL */
	int64_t
	    poll_ms; /* 0: each message at once; else fetched so often, in batches: far cheaper for all three sides */
	uint64_t start_seq; /* first sequence wanted; 0: the oldest there is */
	size_t window;	    /* 0: 1,024 */
	bus_msg_fn *fn;
	void *arg;
};
err_t bus_read(struct bus_reader **ret, struct bus *bus, const struct bus_reader_params *p) MUST;
void bus_reader_release(struct bus_reader *r, size_t n);
/* Messages not yet delivered or not yet released; -1 unknown. */
int64_t bus_reader_lag(const struct bus_reader *r);
void bus_reader_free(struct bus_reader **r);

/* ---- key-value (bucket = stream KV_<bucket>, key tokens separated by dots) ---- */
struct bus_kv_params {
	const char *bucket;
	int history;	/* 1…64 (0: 1) */
	int64_t ttl_ms; /* of every entry (0: none) */
	int64_t
	    marker_ttl_ms; /* of what our deletes leave behind (0: stays). Only where no watcher must learn of each delete */
	int64_t max_bytes;
	int replicas; /* 0: those of bus_params */
};
err_t bus_kv_open(struct bus_kv **ret, struct bus *bus, const struct bus_kv_params *p, struct err_detail *detail) MUST;
void bus_kv_close(struct bus_kv **kv);
#define BUS_KV_ANY UINT64_MAX
/* Compare-and-set: expected = the revision the entry must have now; 0 = must not exist; BUS_KV_ANY = whatever.
 * fn: ERR_OK + new revision, ERR_ABORTED (someone else wrote: read again), ERR_UNAVAILABLE (unknown!). A repeat after a
 * lost acknowledgement is recognised (same message id), so the outcome reported is that of the first arrival. */
err_t bus_kv_put(struct bus_kv *kv, const char *key, const void *data, size_t size, uint64_t expected, bus_ack_fn *fn,
		 void *arg) MUST;
/* The same for what nobody waits for: it may stay some milliseconds to leave together with something urgent. */
err_t bus_kv_put_lazy(struct bus_kv *kv, const char *key, const void *data, size_t size, uint64_t expected,
		      bus_ack_fn *fn, void *arg) MUST;
/* Deletes with a marker, same expectation rule; lazy as well. */
err_t bus_kv_delete(struct bus_kv *kv, const char *key, uint64_t expected, bus_ack_fn *fn, void *arg) MUST;
/* Last value of the key: ERR_OK and msg (seq = revision), ERR_NOT_FOUND. With replicas the leader is asked: a follower may be behind. */
err_t bus_kv_get(struct bus_kv *kv, const char *key, bus_reply_fn *fn, void *arg) MUST;

enum bus_kv_op { BUS_KV_PUT, BUS_KV_DELETE, BUS_KV_SYNCED /* initial values are all delivered; key NULL */ };
typedef void bus_kv_watch_fn(enum bus_kv_op op, const char *key, const struct bus_msg *msg, void *arg);
struct bus_kv_watch;
/* Current values of keys matching the pattern (">" all, "acme.>" …), then SYNCED once, then every change, for ever:
 * after a reconnect it continues without a gap. Callbacks in the order of revisions per key. */
err_t bus_kv_watch(struct bus_kv_watch **ret, struct bus_kv *kv, const char *pattern, bus_kv_watch_fn *fn,
		   void *arg) MUST;
/* The same, but changes are fetched each poll_ms (≥ 1), together: for who may know a little later, at a fraction of what being
 * woken by each of them costs all sides. bus_kv_watch_poll() sets the time anew; 0: each at once from now on. The bucket
 * keeps one value a key (history 1). */
err_t bus_kv_watch_polled(struct bus_kv_watch **ret, struct bus_kv *kv, const char *pattern, int64_t poll_ms,
			  bus_kv_watch_fn *fn, void *arg) MUST;
void bus_kv_watch_poll(struct bus_kv_watch *w, int64_t poll_ms);
/* Monotonic: what was written before then has been told; 0: nothing is certain yet, or the watch is polled. By the server's own word, for which
 * each call asks anew, ten times a second at most: who wants to know soon how old his knowledge is calls it often. */
int64_t bus_kv_watch_known_ms(struct bus_kv_watch *w);
void bus_kv_unwatch(struct bus_kv_watch **w);

/* ---- leases with epochs (bucket `leases`, TTL 2 s, renewed each 500 ms) ----
 * At most one holder at a time; the epoch (a KV revision) grows with each acquisition. The holder is told on_lost before
 * anybody else can be on_acquired: it gives up by its own clock when no renewal was acknowledged for 1.5 s. */
struct bus_lease_params {
	const char *key;    /* "router.3" */
	const char *holder; /* instance */
	void (*on_acquired)(uint64_t epoch, void *arg);
	void (*on_lost)(void *arg);
	void *arg;
};
/* Opens the bucket; blocking, for start-up: only who starts leases inside callbacks must call it before. */
err_t bus_lease_prepare(struct bus *bus, struct err_detail *detail) MUST;
err_t bus_lease_start(struct bus_lease **ret, struct bus *bus, const struct bus_lease_params *p) MUST;
bool bus_lease_held(const struct bus_lease *l);
/* Releases at once (a standby takes over without waiting for the TTL). */
void bus_lease_stop(struct bus_lease **l);

#endif
