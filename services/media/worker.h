/*
 * worker: one thread of the engine (internal to engine.c, worker.c, endpoint.c). Everything in struct endpoint and below
 * `loop` in struct worker belongs to the worker's thread.
 */
#ifndef MEDIA_WORKER_H
#define MEDIA_WORKER_H

#include <pthread.h>
#include <sys/socket.h>

#include "engine.h"
#include "outstream.h"
#include "priority.h"
#include "rtpsec/rtpsec.h"
#include "rtp/rtp_event.h"
#include "rtp/rtp_stats.h"

#define TICK_US 1000
/* Ticks from one look at the sockets to the next while nothing, little or much is relayed. From MANY packets a tick on each
 * tick is looked at, from half as many each second: waking up costs less and less beside them. */
#define IDLE_TICKS 5
#define FEW_TICKS  3
#define MANY	   24
#define RELAY_US   40000 /* so long after the last relayed packet something is relayed */
#define SLOTS	   20	 /* ticks of 20 ms of audio */
#define BATCH	   16
#define STALE_US   1000000 /* a tick that begins so late: the process stood still */
#define PACKET_MAX 2048

struct worker;

enum order_kind {
	ORDER_OPEN,
	ORDER_CLOSE,
	ORDER_REMOTE,
	ORDER_PLAY,
	ORDER_STOP,
	ORDER_BRIDGE,
	ORDER_UNBRIDGE,
	ORDER_RECORD,
	ORDER_RECORD_OFF,
};
struct order {
	struct order *next;
	enum order_kind kind;
	bool embedded; /* in the endpoint: not freed */
	struct endpoint *ep, *other;
	struct playlist *list;
	struct tape *tape;
	struct sdp_agreed agreed;
	struct rtpsec *sec; /* REMOTE: keys of what was agreed, or NULL */
};

enum report_kind { REPORT_CLOSED, REPORT_PLAY_DONE, REPORT_DIGIT, REPORT_TIMEOUT };
struct report {
	struct report *next;
	enum report_kind kind;
	bool embedded;
	struct endpoint *ep;
	union {
		struct event_counts counts;
		struct {
			uint32_t serial;
			bool interrupted;
			char missing[COMMAND_HASH];
		} play;
		struct {
			char digit;
			uint32_t duration_ms;
		} digit;
		struct {
			int64_t silence_ms;
			bool abandoned;
		} timeout;
	};
};

struct sock { /* what epoll gives back */
	struct endpoint *ep;
	bool rtcp;
	int fd;
};

struct endpoint {
	struct worker *worker;
	void *user;
	struct endpoint *next, *prev; /* of the worker */
	struct sock rtp, rtcp;
	struct sdp_agreed agreed;
	struct rtpsec *sec; /* NULL: plain RTP */
	struct latch latch;
	bool connected;
	unsigned standstills; /* of the worker, when the socket was empty last */
	struct rtp_stats in;
	struct outstream out;
	struct rtp_event_rx digits;
	struct loop_timer digit_timer, second_timer;
	struct player player;
	struct {
		bool on;
		unsigned at;
		struct endpoint *next, *prev;
	} slot;
	struct endpoint *peer;
	struct tape *tape;
	int64_t last_us;     /* anything from the party, RTP or RTCP */
	int64_t expected_us; /* since when RTP is expected */
	bool abandoned;
	int64_t told_us; /* that nothing is heard: when last */
	unsigned seconds;
	struct peer rtcp_from; /* family 0: never */
	uint32_t last_sr;      /* middle of the peer's NTP time */
	int64_t last_sr_us;
	uint64_t reported_packets;
	uint32_t round_trip_us;
	struct order open_order, close_order;
	struct report closed_report;
};

struct worker_counts {
	int64_t packets_in, packets_out, bytes_in, send_errors, malformed, refused_source, refused_payload, transcoded,
	    rtcp_in, rtcp_out, digits, recording_dropped, srtp_wrong_tag, srtp_replayed, srtp_refused, stale;
};

struct closing {
	struct closing *next;
	struct tape *tape;
	int64_t at_us;
};

struct worker {
	struct engine *engine;
	unsigned index;
	pthread_t thread;
	bool running;
	struct priority priority;
	struct tape_ring *ring;
	pthread_mutex_t mutex; /* guards the next three */
	struct order *orders, **orders_tail;
	bool asleep;

	struct loop *loop;
	int epoll_fd;
	struct loop_timer tick_timer;
	int64_t tick;	/* number of the next: monotonic time / TICK_US */
	int64_t due_us; /* when it is to begin */
	bool early;	/* the timer is set short of that */
	int64_t now_us;
	int64_t relayed_us;   /* when something was relayed last */
	unsigned standstills; /* of this process: what lies in the sockets then is old */
	unsigned relayed;     /* packets, since then: */
	int64_t looked_us;
	struct endpoint *endpoints;
	struct endpoint *slots[SLOTS];
	struct report *reports, **reports_tail;
	struct closing *closing; /* tapes whose end waits for room in the ring */
	struct worker_counts counts;
	struct mmsghdr msgs[BATCH];
	struct iovec iovs[BATCH];
	struct sockaddr_storage froms[BATCH];
	uint8_t packets[BATCH][PACKET_MAX];
};

struct engine {
	struct engine_params params;
	int64_t started_us; /* monotonic */
	unsigned n_workers;
	struct worker *workers;
};

err_t worker_start(struct worker *w, struct engine *engine, unsigned index) MUST;
void worker_stop(struct worker *w);
/* Control loop: a chain of reports; and what becomes of those that nobody waits for any more (engine_free). */
void worker_deliver(void *reports);
void worker_drop_reports(void *reports);
/* Control thread. */
void worker_order(struct worker *w, struct order *o);
/* Worker: NULL without memory (the report is lost). */
struct report *worker_report(struct worker *w, enum report_kind kind, struct endpoint *ep);
void worker_report_embedded(struct worker *w, struct report *r);
/* Worker: ends the recording now; told to the ring as soon as it has room. */
void worker_close_tape(struct worker *w, struct tape *tape);

/* Worker: the socket was not read to its end, so it is to be told of once more. */
void worker_look_again(struct worker *w, struct sock *s);

/* endpoint.c, all on the worker */
void endpoint_start(struct endpoint *ep);
void endpoint_end(struct endpoint *ep);
/* Takes sec over (NULL: plain RTP). */
void endpoint_remote(struct endpoint *ep, const struct sdp_agreed *agreed, struct rtpsec *sec);
void endpoint_play(struct endpoint *ep, struct playlist *list);
void endpoint_stop(struct endpoint *ep);
void endpoint_bridge(struct endpoint *a, struct endpoint *b);
void endpoint_unbridge(struct endpoint *a, struct endpoint *b);
void endpoint_record(struct endpoint *ep, struct tape *tape);
void endpoint_record_off(struct endpoint *ep);
void endpoint_readable(struct endpoint *ep);
/* What a result of rtpsec means: true to go on, else it is counted and the packet dropped. */
bool endpoint_passes(struct endpoint *ep, enum rtpsec_result r);
/* 20 ms of what plays. */
void endpoint_play_frame(struct endpoint *ep);
/* endpoint_rtcp.c */
void endpoint_rtcp_readable(struct endpoint *ep);
void endpoint_rtcp_send(struct endpoint *ep, bool bye);

#endif
