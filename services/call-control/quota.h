/*
 * quota: the shell of slots.h: whether a caller may be let in by the tenant's limit of calls at a time. A caller for whom this instance
 * holds no slot waits, at most QUOTA_WAIT_MS, while it is asked for.
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
/* With each tick of the peers. */
void quota_tick(struct control *cc);

#endif
