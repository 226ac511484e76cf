/*
 * err: the one closed error type of the project.
 *
 * Values equal the gRPC status codes, so the mapping to the wire is the identity (rpc.h) and the proto enum
 * trunkline.common.v1.ErrorCode repeats them. 0 is success. Functions that can fail return err_t and are marked MUST.
 * Wrong input additionally fills a struct err_detail: which field, what was there, what would be right.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#define MUST		  __attribute__((warn_unused_result))
#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define ARRAY_SIZE(a)	  (sizeof(a) / sizeof((a)[0]))

typedef enum err {
	ERR_OK = 0,
	ERR_CANCELLED = 1,
	ERR_UNKNOWN = 2,
	ERR_INVALID = 3, /* wrong argument: err_detail says which and what is right */
	ERR_TIMEOUT = 4,
	ERR_NOT_FOUND = 5,
	ERR_EXISTS = 6,
	ERR_DENIED = 7,	      /* known who you are, not allowed */
	ERR_EXHAUSTED = 8,    /* quota, memory, ports, files */
	ERR_PRECONDITION = 9, /* the object's state does not allow it */
	ERR_ABORTED = 10,     /* lost a compare-and-set, old epoch: read again and retry */
	ERR_RANGE = 11,
	ERR_UNIMPLEMENTED = 12,
	ERR_INTERNAL = 13,
	ERR_UNAVAILABLE = 14, /* a peer is away; retry later */
	ERR_DATA_LOSS = 15,
	ERR_UNAUTHENTICATED = 16,
} err_t;

#define ERR_ARGS_MAX 6 /* placeholders of a format; further ones are not kept */

/*
 * What was wrong with an input. field: path of the field ("queues[3].skill_id"); message: what would be right, in English. With the
 * format it was made of, and where its arguments stand in it, libs/text says the same in another language.
 */
struct err_detail {
	char field[96];
	char message[256];
	int64_t retry_ms;   /* worth trying again after; 0: nothing is said of it */
	const char *format; /* a literal of the program; NULL: the message was not made here */
	struct {
		uint8_t begin, end; /* in message; what was cut off is empty */
	} args[ERR_ARGS_MAX];
};
/* Marks a text that comes to a user as an argument of err_set() by a way on which tools/check-texts does not follow it: a table. */
#define ERR_TEXT(text) (text)

/* "NOT_FOUND" …; never NULL. */
const char *err_name(err_t e);

/* errno of a failed system call as err_t; never ERR_OK. */
err_t err_from_errno(int errnum);

/* Fills d (which may be NULL) and returns code, so that a validator can `return err_set(d, ERR_INVALID, "name", "…")`. */
err_t err_set(struct err_detail *d, err_t code, const char *field, const char *fmt, ...) PRINTF(4, 5);
/* The same for functions with "…" of their own; fmt must be a literal of their caller (PRINTF sees to that). */
err_t err_vset(struct err_detail *d, err_t code, const char *field, const char *fmt, va_list ap) PRINTF(4, 0);

#endif
