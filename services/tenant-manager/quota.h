/*
 * quota: what a tenant may have at most of what AdminService gives it (GT-3.1.2c; Quotas in config.proto).
 *
 * The use is counted by PostgreSQL in the transaction of the change (migrations/0003_quotas.sql), the tenant's row is
 * locked meanwhile: a check after the change sees it counted, and nobody else can come in between. Refused, the transaction
 * is undone. Whatever else is wrong with a request is told first. On a database worker, between change_begin and change_end.
 *
 *	e = ops_store(&c, msg, NULL);
 *	if (!e)
 *		e = quota_check_new(&c);        // ERR_EXHAUSTED "quotas.queues: 10 of 10 in use"
 */
#ifndef TM_QUOTA_H
#define TM_QUOTA_H

#include "change.h"

void quota_register(void); /* the metrics */

/* One of the job's kind has been created. */
err_t quota_check_new(struct change *c) MUST;
/* n of the kind have been. */
err_t quota_check_added(struct change *c, const struct kind *kind, size_t n) MUST;
/* Bytes of audio that the tenant has; 0 when nothing limits them. */
err_t quota_audio(struct change *c, uint64_t *ret_bytes) MUST;
/* Audio was written, and perhaps other audio dropped: there were before_bytes. */
err_t quota_check_audio(struct change *c, uint64_t before_bytes) MUST;

/* The Quotas in a column, in the arena; *ret NULL: no limits. */
err_t quota_from_row(struct arena *a, struct db_result *res, int row, int col, const ProtobufCMessage **ret) MUST;

/* Pure: from before to after of limit (0: none). Less, or the same, is never refused: a limit may be below the use. */
err_t quota_judge(const char *name, uint64_t limit, uint64_t before, uint64_t after, struct err_detail *detail) MUST;

#endif
