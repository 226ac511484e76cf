/*
 * stream: the effects of a leg: its ports, its endpoint in the engine, the prompts it waits for, its tape. What the core asks
 * for (struct legs_ops) goes to the engine, what the engine reports goes to the core. Control thread.
 */
#ifndef MEDIA_STREAM_H
#define MEDIA_STREAM_H

#include "engine.h"
#include "legs.h"
#include "ports.h"
#include "prompts.h"
#include "tape.h"

struct streams {
	struct ports ports;
	struct engine *engine;
	struct tapes *tapes;
	struct prompts *prompts;
	struct stream *list;
	bool draining;
	void (*on_problem)(const struct leg *leg, const char *what, err_t e, void *arg); /* to be logged */
	void *arg;
};

/* After engine and tapes have been freed: what was open until the end. */
void streams_done(struct streams *all);
/* The engine's reports; arg unused. */
void streams_reports(struct engine_params *p);
void streams_tape_reports(struct tapes_params *p);
/* The members of ops that act on streams; their arg must be the struct streams. */
void streams_ops(struct legs_ops *ops);

#endif
