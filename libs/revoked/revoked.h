/*
 * revoked: the tokens that were withdrawn, in every service that verifies tokens. Watches KV bucket `revoked`; tenant-manager puts
 * (GT-3). One loop; a check is O(1) and never blocks. While NATS is away the set stays as it was, and so it does when the bucket is emptied: what is
 * known goes when the token has expired. Who starts believes a bucket only with tenant-manager's mark in it.
 *
 *	err_t e = revoked_new(&revoked, &(struct revoked_params){ .bus = bus }, &detail);
 *	…
 *	e = auth_verify(verifier, authorization, now_s, &user, detail);
 *	if (!e)
 *		e = revoked_check(revoked, &user, detail);
 *	…	before each further message (rpc_server_params.recheck)
 *	e = revoked_recheck(revoked, &user, now_s, detail);
 */
#ifndef REVOKED_REVOKED_H
#define REVOKED_REVOKED_H

#include <stdbool.h>
#include "auth/auth.h"
#include "bus/bus.h"

struct revoked;

struct revoked_params {
	struct bus *bus;
	/* A token was withdrawn just now: streams that were opened with it are to end. May be NULL. Not of what was there at the start. */
	void (*on_revoked)(void *arg);
	void *arg;
};
/* Blocking, for start-up only. */
err_t revoked_new(struct revoked **ret, const struct revoked_params *p, struct err_detail *detail) MUST;
/* Before the bus; puts that are under way come back all the same. */
void revoked_free(struct revoked **r);
/* What was in the bucket at the start is known, and it has, or had since, tenant-manager's mark that it was all; for readiness. */
bool revoked_synced(const struct revoked *r);
/* ERR_UNAUTHENTICATED: it was withdrawn; ERR_UNAVAILABLE: nobody knows yet: for a moment after the start, until the mark is there. ERR_OK is a use of
 * the token (uses.h). */
err_t revoked_check(struct revoked *r, const struct auth_user *user, struct err_detail *detail) MUST;
/* ERR_UNAUTHENTICATED, with what is said of a withdrawn token: for who knows of it from elsewhere. */
err_t revoked_refuse(struct err_detail *detail) MUST;
/* Of a caller whom revoked_check let in before, for what he goes on with: ERR_UNAUTHENTICATED, too, when the token has expired by now. */
err_t revoked_recheck(struct revoked *r, const struct auth_user *user, int64_t now_s, struct err_detail *detail) MUST;

/* ---- by tenant-manager alone ---- */
/* tenant "": of an operator. fn once, on the loop, unless the bus goes first. */
err_t revoked_put(struct revoked *r, const char *tenant, const char *token_id, bus_ack_fn *fn, void *arg) MUST;
/* The mark: put, untold, by compare-and-set before all are told, put again, told, by compare-and-set on the revision that it had then: whoever
 * emptied the bucket in between took it along, and the second put is refused (ERR_ABORTED). expected 0: there was none. It expires
 * with what it stands for, a day after it was put. */
err_t revoked_mark(struct revoked *r, bool told, uint64_t expected, bus_ack_fn *fn, void *arg) MUST;
/* As it is now: ERR_OK with its message, whose seq is its revision, or ERR_NOT_FOUND. */
err_t revoked_look(struct revoked *r, bus_reply_fn *fn, void *arg) MUST;
bool revoked_is_told(const struct bus_msg *mark);

#endif
