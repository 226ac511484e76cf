/* One call core and what it just said: one line per thing that happens, one per thing expected. For the tests of the core. */
#ifndef CALL_CONTROL_CALL_BENCH_FIXTURE_H
#define CALL_CONTROL_CALL_BENCH_FIXTURE_H

#include "call_internal.h"

struct bench {
	struct call *call;
	struct call_todo todo; /* of the last step */
};

extern int64_t bench_now; /* ms since 1970 */

/* A call to `called`, offered but not started; its caller's leg is "c", on media-1. */
void bench_offered(struct bench *b, const char *called);
void bench_end(struct bench *b);
/* What another instance finds: only what is in the checkpoint. The tenant's configuration is as it was. */
void bench_adopt(struct bench *b, struct call_input in);

void step(struct bench *b, struct call_input in);
void tick(struct bench *b, int64_t ms);
void in_start(struct bench *b);
void in_ready(struct bench *b, const char *leg, uint32_t request);
void in_answered(struct bench *b, const char *leg);
void in_ended(struct bench *b, const char *leg, const char *cause, uint32_t status);
void in_ringing(struct bench *b, const char *leg);
void in_play_done(struct bench *b);
void in_digit(struct bench *b, char d);
void in_assigned(struct bench *b, const char *agent, const char *leg, const char *queue);

/* The first of its kind (to that leg); NULL: it was not said. */
const struct call_command *command(const struct bench *b, enum call_command_kind kind);
const struct call_command *command_to(const struct bench *b, enum call_command_kind kind, const char *leg);
const struct call_fact *fact(const struct bench *b, enum fact_kind kind);
/* The same; the test fails if it was not said. */
const struct call_command *said(const struct bench *b, enum call_command_kind kind);
const struct call_command *said_to(const struct bench *b, enum call_command_kind kind, const char *leg);
const struct call_fact *told(const struct bench *b, enum fact_kind kind);
void assert_sdp(const struct call_command *c, const char *sdp);

#endif
