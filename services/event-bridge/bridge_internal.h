/*
 * The inside of the bridge: bridge.c (life, lease, health), session.c (one run from a position on: reader, producer,
 * window), position.c (where it stands), topics.c (made in a thread, as Kafka may be away).
 */
#ifndef EVENT_BRIDGE_INTERNAL_H
#define EVENT_BRIDGE_INTERNAL_H

#include <pthread.h>
#include "bridge.h"
#include "bus/bus.h"
#include "metrics/metrics.h"
#include "stream/stream.h"
#include "window.h"

struct bridge_topics {
	struct loop *loop;
	pthread_t thread;
	bool running;
	_Atomic bool stop;
	const struct bridge_config *cfg;
	void (*done)(void *arg);
	void *arg;
};

struct bridge {
	struct service *svc;
	struct loop *loop;
	const struct bridge_config *cfg;
	struct bus *bus;
	struct bus_kv *positions;
	struct bus_lease *lease;
	struct bridge_topics topics;
	bool topics_ready;
	bool active; /* we hold the lease */

	/* session */
	struct stream_producer *producer; /* NULL: no session */
	struct bus_reader *reader;
	struct window window;
	uint64_t last_seq; /* read last */
	char **options;
	struct loop_timer again; /* next session after a failure */
	bool draining;		 /* the process is to end */
	bool ending;		 /* callbacks of a session that is being taken down */

	/* position */
	uint64_t revision; /* of the entry; 0: there is none */
	uint64_t stored;   /* what it says */
	bool storing;
	struct loop_timer store, housekeeping;
};

extern struct metric bridge_metric_lag, bridge_metric_forwarded, bridge_metric_dead, bridge_metric_sessions,
    bridge_metric_oldest, bridge_metric_active;
void bridge_metrics_register(void);

/* position.c: reads it, compares it with the stream, then session_start(). */
void position_load(struct bridge *b);
void position_on_store(void *arg);
void position_trim(struct bridge *b);

/* session.c */
void session_start(struct bridge *b, uint64_t position);
void session_stop(struct bridge *b);
/* Takes nothing new; when Kafka has everything and the position says so, the service is drained. */
void session_drain(struct bridge *b);
/* Something broke: from the position on again, shortly. */
void session_fail(struct bridge *b, const char *why, err_t e);

/* topics.c. ERR_INVALID: a name that no topic can have, or too many. */
err_t topics_check(const struct bridge_config *cfg, struct err_detail *detail) MUST;
/* done on the loop when all topics exist. */
err_t topics_start(struct bridge_topics *t, struct loop *loop, const struct bridge_config *cfg, void (*done)(void *arg),
		   void *arg) MUST;
void topics_stop(struct bridge_topics *t);

#endif
