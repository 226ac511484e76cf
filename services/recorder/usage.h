/*
 * usage: tells the call-controls how many bytes of recordings a tenant keeps: KV `quota`, key <tenant>.recordings (RecordingUse), so that none
 * begins when Quotas.recording_bytes are used up (GT-3.1.2c). The truth is rec.usage in PostgreSQL, exact with each transaction; what
 * stands in the bucket follows within milliseconds. Loop thread.
 *
 * Any number of recorders tell it: the entry is read first, then the use, then the entry is written over what was read. So a use that is
 * older than what somebody else has written meanwhile is refused, and looked up again. With the bus or PostgreSQL away it is told later.
 * Entries that are there at the start are made sure of, and each tenant's again every USAGE_AGAIN_MS: a process may have been killed before it
 * told, and rows may be deleted by hand. A tenant that keeps nothing has no entry, and is forgotten.
 *
 *	usage_changed(u, tenant);       // after the transaction
 */
#ifndef RECORDER_USAGE_H
#define RECORDER_USAGE_H

#include "recorder.h"

#define USAGE_AGAIN_MS 30000

struct usage;
/* Blocking, at start. */
err_t usage_new(struct usage **ret, struct recorder *r, struct err_detail *detail) MUST;
void usage_changed(struct usage *u, const char *tenant);
/* The tenant records: what is told of it is made sure of once in the life of this process, again while it keeps nothing. For entries that were lost, or never made, by a
 * previous version or one that was killed. */
void usage_seen(struct usage *u, const char *tenant);
/* Before the bus and the database are gone; usage_free() after them. NULL-safe. */
void usage_stop(struct usage *u);
void usage_free(struct usage **u);

#endif
