/*
 * rpc_internal: what the files of libs/rpc share. grpc headers stay behind this file.
 *
 * Threads: the poller thread only moves completed operations into an inbox; everything else, all calls into gRPC
 * included, happens on the owner's loop. A client has no thread: it polls its own queue.
 */
#ifndef RPC_RPC_INTERNAL_H
#define RPC_RPC_INTERNAL_H

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/slice.h>
#include <grpc/support/alloc.h>
#include <grpc/support/log.h>
#include <pthread.h>
#include <string.h>
#include "base/arena.h"
#include "base/str.h"
#include "rpc/rpc.h"

#define RPC_MAX_MESSAGE	      (4u << 20)
#define RPC_MAX_METADATA      (16 << 10)
#define RPC_SEND_MAX_MESSAGES 1024u
#define RPC_SEND_MAX_BYTES    (8u << 20)
#define RPC_MAX_CALLS	      65536u /* of one server at a time; beyond: RESOURCE_EXHAUSTED */
#define RPC_ACCEPT_SLOTS      32u
#define RPC_REQUEST_WAIT_MS   10000
#define RPC_DETAILS_KEY	      "grpc-status-details-bin"

/* ---- rpc_core.c: library start, buffers, credentials ---- */
void rpc_core_init(void);
void rpc_core_done(void);
/* NULL when out of memory. */
grpc_byte_buffer *rpc_buffer_pack(const ProtobufCMessage *msg);
/* Takes over buffer. */
err_t rpc_buffer_unpack(ProtobufCMessage **ret, const ProtobufCMessageDescriptor *desc, grpc_byte_buffer *buffer,
			struct err_detail *detail) MUST;
/* Certificates of a server, read again for a handshake when the files have changed; gRPC calls from threads of its own, one at a time. */
struct rpc_certs {
	struct rpc_tls tls;
	int64_t stamp; /* of the files that were read; 0: none */
};
/* c lives as long as the server. */
err_t rpc_creds_server(grpc_server_credentials **ret, struct rpc_certs *c, struct err_detail *detail) MUST;
err_t rpc_creds_client(grpc_channel_credentials **ret, const struct rpc_tls *tls, struct err_detail *detail) MUST;
/* SPIFFE id, DNS name or common name of the verified certificate; false if there is none. */
bool rpc_creds_identity(grpc_call *call, struct str *out);

static inline grpc_op rpc_grpc_op(grpc_op_type type)
{
	grpc_op op;

	memset(&op, 0, sizeof(op));
	op.op = type;
	return op;
}

/* ---- rpc_status.c: err_detail ↔ google.rpc.Status with BadRequest, RetryInfo, LocalizedMessage ---- */
/* detail without a message, or NULL: the LocalizedMessage says what the code means. */
void rpc_status_encode(struct str *out, err_t code, const struct err_detail *detail, enum text_language l);
/* The message in the language that the server chose, where it gives one. */
void rpc_status_decode(const void *bytes, size_t size, struct err_detail *detail);
err_t rpc_status_code(grpc_status_code code);

/* ---- rpc_poll.c: completion queue → loop ---- */
/* An operation, and all that was written before, goes through a completion queue to another thread. gRPC's own locks are not known
 * to ThreadSanitizer, so it is told here. */
#ifdef __SANITIZE_THREAD__
void __tsan_acquire(void *);
void __tsan_release(void *);
#define rpc_given(op) __tsan_release(op)
#define rpc_taken(op) __tsan_acquire(op)
#else
#define rpc_given(op) ((void)0)
#define rpc_taken(op) ((void)0)
#endif

struct rpc_op {
	struct rpc_op *next;
	void (*fn)(void *arg, bool ok);
	void *arg;
	bool ok;
};
struct rpc_poll {
	grpc_completion_queue *cq;
	pthread_t thread;
	pthread_mutex_t lock;
	struct rpc_op *head, **tail;
	struct loop_io io;
	int event_fd;
};
err_t rpc_poll_start(struct rpc_poll *p, struct loop *loop) MUST;
/* All operations must have completed. */
void rpc_poll_stop(struct rpc_poll *p);
/* Any thread: op->fn(op->arg, op->ok) will run on the loop. */
void rpc_poll_push(struct rpc_poll *p, struct rpc_op *op);
/* Blocks until an operation has completed and runs it: for the time when the loop does not turn any more. */
void rpc_poll_wait(struct rpc_poll *p);

/* ---- rpc_server.c ---- */
struct rpc_method {
	char *path; /* "/package.Service/Method" */
	const ProtobufCMessageDescriptor *input;
	enum rpc_kind kind;
	rpc_handler_fn *fn;
	void *arg;
	bool builtin; /* health, reflection: no authorisation, cancelled at once by a stop */
};
struct rpc_server {
	struct rpc_server_params params;
	struct rpc_certs certs;
	struct rpc_poll poll;
	grpc_server *grpc;
	int port;
	struct rpc_method *methods; /* sorted by path once started */
	size_t n_methods;
	struct rpc_call *calls; /* accepted ones and waiting slots */
	size_t n_calls, n_slots;
	bool started, stopping, stopped, serving, freeing;
	struct rpc_op op_shutdown;
	struct loop_timer grace, deaf;
	void (*stop_fn)(void *arg);
	void *stop_arg;
	struct rpc_call *watchers; /* of health */
	const void *descriptors;
	size_t descriptors_size;
	struct rpc_reflection *reflection;
};
const struct rpc_method *rpc_server_find(const struct rpc_server *s, const char *path);
bool rpc_server_knows(const struct rpc_server *s, const char *service);
/* Keeps RPC_ACCEPT_SLOTS requests outstanding. */
void rpc_server_accept(struct rpc_server *s);
/* When the last call is gone a stop is complete. */
void rpc_server_call_gone(struct rpc_server *s);

/* ---- rpc_deaf.c: the listener was lost for want of files ---- */
void rpc_deaf_log(gpr_log_func_args *a);
void rpc_deaf_start(struct rpc_server *s);
void rpc_deaf_stop(struct rpc_server *s);

/* ---- rpc_call.c ---- */
struct rpc_out;
struct rpc_call {
	struct rpc_call *prev, *next;
	struct rpc_server *server; /* NULL: the server was freed before the handler finished the call */
	grpc_call *grpc;
	grpc_call_details details;
	grpc_metadata_array metadata;
	struct arena arena;
	const char *path;
	const struct rpc_method *method;
	ProtobufCMessage *request;
	int64_t began_us; /* its headers came */
	unsigned pending; /* operations that gRPC will complete */
	unsigned busy;	  /* callbacks of ours on the stack: no destruction below them */
	bool waiting;	  /* a slot: no call yet */
	bool dispatched, finished, cancelled, metadata_sent, status_sent, reading, read_all, paused, sending;
	int close_cancelled;
	enum text_language language; /* of who asks without saying one */
	err_t status;
	struct str status_message, status_details;
	grpc_byte_buffer *incoming;
	struct rpc_out *out, **out_tail, *in_flight;
	size_t out_count, out_bytes;
	struct rpc_op op_new, op_close, op_recv, op_send, op_cancel;
	struct loop_timer request_wait; /* until the first message */
	void (*cancel_fn)(struct rpc_call *call, void *arg);
	void *cancel_arg;
	void (*drained_fn)(struct rpc_call *call, void *arg);
	void *drained_arg;
	void *user;
	void (*user_free)(void *user);
	struct rpc_call *watch_next; /* health */
	int watch_sent;
	char *watch_service;
};
err_t rpc_call_listen(struct rpc_server *s) MUST;
/* At the end of the server: gives up the gRPC side of a call that its handler still holds. */
void rpc_call_orphan(struct rpc_call *call);
void rpc_call_metrics_register(void);

/* ---- the services that every server has ---- */
err_t rpc_health_add(struct rpc_server *s) MUST;
void rpc_health_changed(struct rpc_server *s);
err_t rpc_reflection_add(struct rpc_server *s) MUST;
/* The project's own descriptors, compiled in. */
const void *rpc_descriptors(size_t *size);
void rpc_reflection_free(struct rpc_server *s);
err_t rpc_server_add_builtin(struct rpc_server *s, const ProtobufCServiceDescriptor *service, const char *method,
			     enum rpc_kind kind, rpc_handler_fn *fn) MUST;

#endif
