/*
 * quota: the shell of slots.h and of libs/pace: whether a caller may be let in by the tenant's limits of calls at a time and of calls a second
 * (rate.c). A caller about whom this instance cannot say it alone waits, at most QUOTA_WAIT_MS for each of the two. And what the recorders
 * say of the tenant's recordings.
 */
#ifndef CALL_CONTROL_QUOTA_H
#define CALL_CONTROL_QUOTA_H

#include "control.h"

#define QUOTA_WAIT_MS 300

struct quotas;

/* Blocking, at start. */
err_t quota_open(struct control *cc, struct err_detail *detail) MUST;
void quota_close(struct control *cc);
void quota_free(struct control *cc); /* after the bus */
/* Takes the call over: inbox_admitted() gets it, at once or soon. */
void quota_ask(struct control *cc, struct call *call, const char *sip_call_id);
/* Such a call is waiting. */
bool quota_waits(const struct control *cc, const char *tenant, const char *call_id);
/* A call that exists, and one that does no more. Only those that came by a trunk are counted. */
void quota_count(struct control *cc, const struct call *call);
void quota_give(struct control *cc, const struct call *call);
/* The tenant keeps as much as it may (Quotas.recording_bytes): no recording begins. */
bool quota_recordings_full(const struct control *cc, const char *tenant);
/* With each tick of the peers. */
void quota_tick(struct control *cc);

#endif
