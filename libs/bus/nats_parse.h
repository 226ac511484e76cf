/*
 * nats_parse: the frames a NATS server sends (client protocol, headers since 2.2), parsed in place. Pure: no I/O.
 * Outside bytes: fuzzed by nats_parse_fuzz.c. Owner and thread: whoever owns the buffer.
 *
 *	while ((r = nats_parse(buf + at, len - at, max, &f)) > 0) { handle(&f); at += (size_t)r; }
 *	if (r < 0) …                 // not NATS, or larger than allowed: drop the connection
 */
#ifndef BUS_NATS_PARSE_H
#define BUS_NATS_PARSE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum nats_op { NATS_INFO, NATS_MSG, NATS_PING, NATS_PONG, NATS_OK, NATS_ERR };

/* Pointers go into the parsed buffer, which the parser writes terminators into: subject, reply, text and data are
 * followed by a NUL; headers are not. */
struct nats_frame {
	enum nats_op op;
	uint64_t sid;
	char *subject;
	char *reply;	     /* NULL: none */
	const char *headers; /* "NATS/1.0 503\r\nKey: value\r\n\r\n" or NULL */
	size_t headers_size;
	char *data;
	size_t size;
	char *text; /* INFO: JSON; -ERR: message */
};

/* Size of the first frame in buf, 0 when it is not complete, -1 when it is wrong. max_bytes bounds one message. */
ssize_t nats_parse(char *buf, size_t len, size_t max_bytes, struct nats_frame *f);

/* Status of a header block's first line ("NATS/1.0 503 …" → 503); 0: none. */
int nats_headers_status(const char *headers, size_t size);
/* Value of a header (case-sensitive, as NATS writes them); NULL if absent. Not terminated: *len bytes. */
const char *nats_headers_find(const char *headers, size_t size, const char *key, size_t *len);
/* A decimal header value; 0 if absent or wrong. */
uint64_t nats_headers_u64(const char *headers, size_t size, const char *key);

#endif
