/*
 * deletion: what a deletion of a tenant decides (GT-3.1.2): its grace, whether there is a way back, what the purge does next.
 * Pure; ops_deletion.c and purge.c perform. Times are wall milliseconds of the database, so that all instances agree.
 */
#ifndef TM_DELETION_H
#define TM_DELETION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

#define DELETION_GRACE_MAX_MS (365 * INT64_C(86400000))
#define DELETION_GRACE_UNSET  (-1) /* as the setting says */

enum deletion_state { DELETION_NONE, DELETION_GRACE, DELETION_PURGING };
/* deleted_ms 0: it is not deleted. */
enum deletion_state deletion_state(int64_t deleted_ms, int64_t purge_ms, int64_t now_ms);

/* 0 to DELETION_GRACE_MAX_MS, or unset; ERR_INVALID "grace_ms". */
err_t deletion_check_grace(int64_t grace_ms, struct err_detail *detail) MUST;
/* May it be deleted, with that grace? ERR_PRECONDITION: it is already, and no other grace is asked for, or it is too late. */
err_t deletion_check_delete(enum deletion_state s, int64_t grace_ms, struct err_detail *detail) MUST;
/* ERR_PRECONDITION: it is not deleted, or the grace is over. */
err_t deletion_check_undelete(enum deletion_state s, struct err_detail *detail) MUST;
/* Any other change of it by an operator. ERR_PRECONDITION: it is deleted. */
err_t deletion_check_change(enum deletion_state s, struct err_detail *detail) MUST;

/* What a purge sees of its tenant. */
struct purge_view {
	bool unpublished;     /* something of it waits for the publisher */
	bool rows_begun;      /* some of its rows have gone */
	bool rows;	      /* there may be more */
	bool keys;	      /* there may be keys of it in KV */
	int64_t due_ms;	      /* since the grace is over */
	int64_t published_ms; /* since this purge saw that it is published that calls end */
};
enum purge_step {
	PURGE_WAIT,  /* and look again */
	PURGE_ROWS,  /* the next batch */
	PURGE_KEYS,  /* its keys in KV */
	PURGE_FINISH /* the tenant itself; the report */
};
/* First the call services hear that its calls end, and have the time for it; a bus that is away does not hold up the rows for
 * ever. The tenant itself goes last, when nothing in KV and nothing that waits can come back any more: its id is taken until then. */
enum purge_step purge_next(const struct purge_view *v);
#define PURGE_PUBLISH_MS 60000 /* longest wait for that */
#define PURGE_SETTLE_MS	 2000  /* calls end within half a second of it */

/* What a purge does not take, and why: for the report. */
struct deletion_kept {
	const char *what, *reason;
};
extern const struct deletion_kept deletion_kept[];
extern const size_t deletion_n_kept;

#endif
