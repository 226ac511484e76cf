/*
 * rpc: gRPC server and client over gRPC core; nothing else in the project includes grpc headers.
 *
 * Messages are protobuf-c. Methods are found by name from the generated service descriptors. Handlers run on the
 * owner's loop; completion-queue threads only hand over. Includes: grpc.health.v1.Health, server reflection v1alpha,
 * UNIMPLEMENTED for unknown methods, deadlines, TLS with optional or required client certificates.
 *
 * A unary handler gets a call and its request and must finish it once, now or later, with rpc_reply() or rpc_fail().
 * A streaming handler sends with rpc_send() any number of times, then rpc_finish(); on_cancel tells that the peer left.
 */
#ifndef RPC_RPC_H
#define RPC_RPC_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "loop/loop.h"
#include "text/text.h"

struct rpc_server;
struct rpc_call;

struct rpc_tls {
	const char *ca_file, *cert_file, *key_file; /* all NULL: no TLS (loopback development only) */
	bool require_client_cert;
};
struct rpc_server_params {
	struct loop *loop;
	const char *address; /* "127.0.0.1:9090"; port 0: any, see rpc_server_port */
	struct rpc_tls tls;
	size_t max_request_bytes; /* 0: 4 MiB */
	/* Called before every handler, also for streams: authenticates and authorises. May attach the caller's identity by
	 * rpc_call_set_user(). May hold the call by rpc_pause(): its message is read, and its handler called, after rpc_resume(); or it is
	 * refused by rpc_fail(); rpc_on_cancel() tells that it is gone meanwhile. Not called for health and reflection. NULL: everything is allowed. */
	err_t (*authorize)(struct rpc_call *call, const char *method, struct err_detail *detail, void *arg);
	/* authorize is asked when the headers have come, this before each message, and before the end of the peer's stream, goes to the
	 * handler: whether the caller still may (the token may have expired, or been withdrawn, since). Short: no I/O. An error ends the
	 * call with it; a handler that has got messages of the stream is told by on_cancel. NULL: he may. */
	err_t (*recheck)(struct rpc_call *call, struct err_detail *detail, void *arg);
	void *arg;
	int64_t request_wait_ms; /* from the headers to the first message, then DEADLINE_EXCEEDED; 0: 10,000 */
};
err_t rpc_server_new(struct rpc_server **ret, const struct rpc_server_params *p, struct err_detail *detail) MUST;
int rpc_server_port(const struct rpc_server *s);
/* Stops accepting, gives running calls grace_ms, cancels the rest; fn on the loop when no call is left. */
void rpc_server_stop(struct rpc_server *s, int64_t grace_ms, void (*fn)(void *arg), void *arg);
/* Also without a stop before: then the calls that run are cancelled (on_cancel), and those that their handlers still hold
 * are released by finishing them later. */
void rpc_server_free(struct rpc_server **s);
void rpc_server_set_serving(struct rpc_server *s, bool serving); /* health */

/* Unary and server-streaming methods: req is owned by the library and lives until the call is finished. A client- or
 * bidirectionally streaming method: fn once per message, which lives during fn only, and a last time with req NULL when
 * the peer has sent everything (not when it vanished: see rpc_on_cancel). Requests are valid UTF-8 throughout (pbcheck). */
typedef void rpc_handler_fn(struct rpc_call *call, const ProtobufCMessage *req, void *arg);
/* method: "GetTenant" of the service descriptor, which does not know the kind of streaming: kind says it. */
enum rpc_kind { RPC_UNARY, RPC_SERVER_STREAM, RPC_CLIENT_STREAM, RPC_BIDI_STREAM };
err_t rpc_server_add(struct rpc_server *s, const ProtobufCServiceDescriptor *service, const char *method,
		     enum rpc_kind kind, rpc_handler_fn *fn, void *arg) MUST;
err_t rpc_server_start(struct rpc_server *s) MUST; /* after all rpc_server_add() */
/* Descriptor set (FileDescriptorSet bytes) served by reflection; kept by reference. */
void rpc_server_set_descriptors(struct rpc_server *s, const void *bytes, size_t size);

void rpc_reply(struct rpc_call *call, const ProtobufCMessage *response);
/* Finishes with a status; detail (may be NULL) goes into the message, in English (AIP-193), and as google.rpc.Status/BadRequest
 * detail; its retry_ms as google.rpc.RetryInfo; what the caller reads, in rpc_language(), as google.rpc.LocalizedMessage. */
void rpc_fail(struct rpc_call *call, err_t code, const struct err_detail *detail);
/* Streaming: queues one message. ERR_EXHAUSTED: 1,024 messages or 8 MiB are queued, slow reader (the caller decides: drop
 * or fail). ERR_CANCELLED: the peer is gone. */
err_t rpc_send(struct rpc_call *call, const ProtobufCMessage *message) MUST;
/* Messages queued and not yet accepted by the peer's flow control. */
size_t rpc_send_pending(const struct rpc_call *call);
/* Streaming: fn each time the queue has become empty (for back-pressure of large downloads). */
void rpc_on_drained(struct rpc_call *call, void (*fn)(struct rpc_call *call, void *arg), void *arg);
void rpc_finish(struct rpc_call *call);
/* Client streaming: no further message is read until resumed (an upload faster than the disk). */
void rpc_pause(struct rpc_call *call);
void rpc_resume(struct rpc_call *call);
/* After rpc_reply, rpc_fail or rpc_finish the call belongs to the library: do not touch it again. */
/* fn once if the peer cancels, disconnects, the deadline passes or recheck refuses a message before the call is finished. Afterwards it must
 * still be finished (rpc_fail/rpc_finish do nothing on the wire then but release it). */
void rpc_on_cancel(struct rpc_call *call, void (*fn)(struct rpc_call *call, void *arg), void *arg);
bool rpc_cancelled(const struct rpc_call *call);
/* Whether the caller still may, for a handler that goes on sending: what recheck of the server says. */
err_t rpc_recheck(struct rpc_call *call, struct err_detail *detail) MUST;

/* Request metadata (lower-case key), NULL if absent: "authorization", "x-request-id". Lives as long as the call. */
const char *rpc_metadata(const struct rpc_call *call, const char *key);
const char *rpc_peer(const struct rpc_call *call);	    /* "ipv4:127.0.0.1:55555" */
const char *rpc_peer_identity(const struct rpc_call *call); /* SAN/CN of a verified client certificate or NULL */
const char *rpc_method(const struct rpc_call *call);	    /* "/trunkline.admin.v1.AdminService/GetTenant" */
int64_t rpc_deadline_ms(const struct rpc_call *call);	    /* left; INT64_MAX: none */
/* An object of the caller kept with the call (the authenticated user); free is called with it at the end. */
void rpc_call_set_user(struct rpc_call *call, void *user, void (*free_fn)(void *user));
void *rpc_call_user(const struct rpc_call *call);
/* The language of who asks, for a request that does not say one by "accept-language" (GT-3.1.2f): the first of the tags that names one of
 * ours (text/text.h), English without any. NULL and "" name none. */
void rpc_call_set_languages(struct rpc_call *call, const char *of_user, const char *of_tenant);
/* What the texts of the answer are to be said in. Loop thread. */
enum text_language rpc_language(const struct rpc_call *call);

/* ---- client: blocking, for command-line tools and tests; one thread ---- */
struct rpc_client;
struct rpc_client_params {
	const char *target;	 /* "127.0.0.1:9090" */
	struct rpc_tls tls;	 /* ca_file NULL: plain text */
	const char *server_name; /* expected name in the certificate; NULL: from target */
	const char *token;	 /* bearer token or NULL */
	const char *language;	 /* accept-language of every call; NULL: the server chooses */
	int64_t timeout_ms;	 /* of a unary call (0: 10,000) */
};
err_t rpc_client_new(struct rpc_client **ret, const struct rpc_client_params *p) MUST;
void rpc_client_free(struct rpc_client **c);
/* *ret is owned by the caller: protobuf_c_message_free_unpacked(*ret, NULL). detail: message of the status, in the language
 * that the server chose. */
err_t rpc_client_call(struct rpc_client *c, const ProtobufCServiceDescriptor *service, const char *method,
		      const ProtobufCMessage *req, ProtobufCMessage **ret, struct err_detail *detail) MUST;
/* Server streaming: fn for each message until it returns false (cancels) or the stream ends. timeout_ms 0: none. */
err_t rpc_client_stream(struct rpc_client *c, const ProtobufCServiceDescriptor *service, const char *method,
			const ProtobufCMessage *req, int64_t timeout_ms,
			bool (*fn)(const ProtobufCMessage *msg, void *arg), void *arg, struct err_detail *detail) MUST;
/* Client streaming: next() fills *msg with the next message (kept by the caller) or NULL at the end. */
err_t rpc_client_upload(struct rpc_client *c, const ProtobufCServiceDescriptor *service, const char *method,
			err_t (*next)(const ProtobufCMessage **msg, void *arg), void *arg, ProtobufCMessage **ret,
			struct err_detail *detail) MUST;

#endif
