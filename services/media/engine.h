/*
 * engine: the streams. Workers, one per core, each with its own loop and a tick of 1 ms (up to 3 with few packets, 5 while nothing is relayed) that drains sockets in batches and sends
 * what plays. The control thread gives orders and gets reports; it never touches a socket's packets.
 *
 * Orders of one endpoint are executed in order. Reports come on the control loop in batches, one per tick.
 *
 *	struct endpoint *ep;
 *	err_t e = engine_open(engine, worker, fd, port, leg, &ep);
 *	engine_remote(ep, &agreed);
 *	engine_close(ep);                        // … → on_closed(leg, &counts), and ep is gone
 */
#ifndef MEDIA_ENGINE_H
#define MEDIA_ENGINE_H

#include "command.h"
#include "latch.h"
#include "loop/loop.h"
#include "player.h"
#include "sdp/sdp_session.h"
#include "tape.h"

struct engine;
struct endpoint;

struct engine_params {
	struct loop *control;
	unsigned workers;
	bool realtime;	     /* priority.h */
	struct tapes *tapes; /* with as many rings as workers */
	enum latch_nat nat;
	int64_t latch_window_us, timeout_us, abandon_us;
	/* Reports; user is what engine_open() got. */
	void (*on_closed)(void *user, const struct event_counts *counts, void *arg);
	void (*on_play_done)(void *user, uint32_t serial, bool interrupted, const char *missing, void *arg);
	void (*on_digit)(void *user, char digit, uint32_t duration_ms, void *arg);
	void (*on_timeout)(void *user, int64_t silence_ms, bool abandoned, void *arg);
	void *arg;
};
err_t engine_new(struct engine **ret, const struct engine_params *p) MUST;
/* Stops the workers; endpoints left are closed without a report. */
void engine_free(struct engine **e);

/* Takes the sockets over on success. worker: any number, taken modulo. */
err_t engine_open(struct engine *e, unsigned worker, const int fd[2], void *user, struct endpoint **ret) MUST;
void engine_close(struct endpoint *ep);
/* With agreed->srtp all that goes in and out is protected from here on; on an error nothing has changed. */
err_t engine_remote(struct endpoint *ep, const struct sdp_agreed *agreed) MUST;
/* Takes the list over in any case; replaces what plays (which ends without a report). */
err_t engine_play(struct endpoint *ep, struct playlist *list) MUST;
err_t engine_stop(struct endpoint *ep) MUST;
/* ERR_UNIMPLEMENTED: not on the same worker. */
err_t engine_bridge(struct endpoint *a, struct endpoint *b) MUST;
err_t engine_unbridge(struct endpoint *a, struct endpoint *b) MUST;
/* Takes the tape over on success. */
err_t engine_record(struct endpoint *ep, struct tape *tape) MUST;
err_t engine_record_off(struct endpoint *ep) MUST;

#endif
