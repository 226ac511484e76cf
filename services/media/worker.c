#include "worker.h"

#include <errno.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "media_metrics.h"

#define EVENTS	 512
#define DRAIN_US 5000 /* of a tick, then orders and prompts have their turn */
#define CATCH_UP 100  /* ticks that are made up for after a delay; more are skipped */

/* ---- reports to the control thread ---- */
static void put_report(struct worker *w, struct report *r)
{
	r->next = NULL;
	*w->reports_tail = r;
	w->reports_tail = &r->next;
}

struct report *worker_report(struct worker *w, enum report_kind kind, struct endpoint *ep)
{
	struct report *r = mem_zalloc(sizeof(*r));

	if (!r)
		return NULL;
	r->kind = kind;
	r->ep = ep;
	put_report(w, r);
	return r;
}

void worker_report_embedded(struct worker *w, struct report *r)
{
	r->embedded = true;
	put_report(w, r);
}

static void deliver_one(const struct engine_params *p, struct report *r)
{
	switch (r->kind) {
	case REPORT_CLOSED:
		p->on_closed(r->ep->user, &r->counts, p->arg);
		mem_free(r->ep);
		break;
	case REPORT_PLAY_DONE:
		p->on_play_done(r->ep->user, r->play.serial, r->play.interrupted, r->play.missing, p->arg);
		break;
	case REPORT_DIGIT:
		p->on_digit(r->ep->user, r->digit.digit, r->digit.duration_ms, p->arg);
		break;
	case REPORT_TIMEOUT:
		p->on_timeout(r->ep->user, r->timeout.silence_ms, r->timeout.abandoned, p->arg);
		break;
	}
}

/* What nobody is told of any more. */
void worker_drop_reports(void *arg)
{
	for (struct report *r = arg, *next; r; r = next) {
		next = r->next;
		if (r->kind == REPORT_CLOSED)
			mem_free(r->ep); /* with its embedded report */
		else if (!r->embedded)
			mem_free(r);
	}
}

/* On the control loop, with the whole chain of a tick. */
void worker_deliver(void *arg)
{
	struct report *r = arg, *next;

	for (; r; r = next) {
		const struct engine_params *p = &r->ep->worker->engine->params;
		bool embedded = r->embedded;

		next = r->next;
		deliver_one(p, r);
		if (!embedded)
			mem_free(r);
	}
}

static void send_reports(struct worker *w)
{
	/* Without memory they wait for the next tick. */
	if (!w->reports || loop_post(w->engine->params.control, worker_deliver, w->reports))
		return;
	w->reports = NULL;
	w->reports_tail = &w->reports;
}

/* ---- ends of recordings ---- */
void worker_close_tape(struct worker *w, struct tape *tape)
{
	struct closing *c;

	if (tape_close(w->ring, tape, w->now_us))
		return;
	while (!(c = mem_zalloc(sizeof(*c))))
		usleep(1000); /* a recording must end: nobody would ever be told */
	*c = (struct closing){ .next = w->closing, .tape = tape, .at_us = w->now_us };
	w->closing = c;
}

static void retry_closing(struct worker *w)
{
	struct closing *c = w->closing;

	while (c && tape_close(w->ring, c->tape, c->at_us)) {
		w->closing = c->next;
		mem_free(c);
		c = w->closing;
	}
}

/* ---- orders from the control thread ---- */
static void tick(void *arg);

static void wake(void *arg)
{
	struct worker *w = arg;

	w->due_us = clock_mono_us();
	w->early = false;
	w->tick = w->due_us / TICK_US;
	tick(w);
}

void worker_order(struct worker *w, struct order *o)
{
	bool asleep;

	o->next = NULL;
	pthread_mutex_lock(&w->mutex);
	*w->orders_tail = o;
	w->orders_tail = &o->next;
	asleep = w->asleep;
	w->asleep = false;
	pthread_mutex_unlock(&w->mutex);
	/* A worker with endpoints looks every few ms by itself: no wake-up. */
	while (asleep && loop_post(w->loop, wake, w))
		usleep(1000);
}

static struct order *take_orders(struct worker *w)
{
	struct order *o;

	pthread_mutex_lock(&w->mutex);
	o = w->orders;
	w->orders = NULL;
	w->orders_tail = &w->orders;
	pthread_mutex_unlock(&w->mutex);
	return o;
}

/* True if there is nothing to do until the next order. */
static bool fall_asleep(struct worker *w)
{
	bool asleep;

	if (w->endpoints || w->reports || w->closing)
		return false;
	pthread_mutex_lock(&w->mutex);
	asleep = w->asleep = w->orders == NULL;
	pthread_mutex_unlock(&w->mutex);
	return asleep;
}

/* By edge: a socket that was read to its end is not asked again by the kernel whether it is. */
static err_t watch(struct worker *w, struct sock *s, int operation)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET, .data.ptr = s };

	return epoll_ctl(w->epoll_fd, operation, s->fd, &ev) ? err_from_errno(errno) : ERR_OK;
}

void worker_look_again(struct worker *w, struct sock *s)
{
	if (watch(w, s, EPOLL_CTL_MOD))
		metric_add(&media_metrics.send_errors, 1);
}

static void open_endpoint(struct worker *w, struct endpoint *ep)
{
	ep->next = w->endpoints;
	if (w->endpoints)
		w->endpoints->prev = ep;
	w->endpoints = ep;
	/* Cannot fail but for memory; then the endpoint is deaf and its media timeout tells. */
	if (watch(w, &ep->rtp, EPOLL_CTL_ADD) || watch(w, &ep->rtcp, EPOLL_CTL_ADD))
		metric_add(&media_metrics.send_errors, 1);
	ep->standstills = w->standstills;
	endpoint_start(ep);
}

static void close_endpoint(struct worker *w, struct endpoint *ep)
{
	endpoint_end(ep);
	if (ep->prev)
		ep->prev->next = ep->next;
	else
		w->endpoints = ep->next;
	if (ep->next)
		ep->next->prev = ep->prev;
	close(ep->rtp.fd); /* leaves the epoll set with it */
	close(ep->rtcp.fd);
}

static void execute(struct worker *w, struct order *o)
{
	struct endpoint *ep = o->ep;

	switch (o->kind) {
	case ORDER_OPEN:
		open_endpoint(w, ep);
		break;
	case ORDER_CLOSE:
		close_endpoint(w, ep);
		worker_report_embedded(w, &ep->closed_report);
		break;
	case ORDER_REMOTE:
		endpoint_remote(ep, &o->agreed, o->sec);
		break;
	case ORDER_PLAY:
		endpoint_play(ep, o->list);
		break;
	case ORDER_STOP:
		endpoint_stop(ep);
		break;
	case ORDER_BRIDGE:
		endpoint_bridge(ep, o->other);
		break;
	case ORDER_UNBRIDGE:
		endpoint_unbridge(ep, o->other);
		break;
	case ORDER_RECORD:
		endpoint_record(ep, o->tape);
		break;
	case ORDER_RECORD_OFF:
		endpoint_record_off(ep);
		break;
	}
}

static void run_orders(struct worker *w)
{
	for (struct order *o = take_orders(w), *next; o; o = next) {
		bool embedded = o->embedded;

		next = o->next;
		execute(w, o);
		if (!embedded)
			mem_free(o);
	}
}

/* ---- the tick ---- */
static void drain_sockets(struct worker *w)
{
	struct epoll_event events[EVENTS];
	int n;

	do {
		n = epoll_wait(w->epoll_fd, events, EVENTS, 0);
		for (int i = 0; i < n; i++) {
			struct sock *s = events[i].data.ptr;

			if (i + 1 < n)
				__builtin_prefetch(events[i + 1].data.ptr);
			if (s->rtcp)
				endpoint_rtcp_readable(s->ep);
			else
				endpoint_readable(s->ep);
		}
	} while (n == EVENTS && clock_mono_us() - w->now_us < DRAIN_US);
}

static void play_slots(struct worker *w, int64_t until)
{
	if (until - w->tick > CATCH_UP) {
		metric_add(&media_metrics.ticks_skipped, until - w->tick - CATCH_UP);
		w->tick = until - CATCH_UP;
	}
	for (; w->tick <= until; w->tick++)
		for (struct endpoint *ep = w->slots[w->tick % SLOTS], *next; ep; ep = next) {
			next = ep->slot.next;
			endpoint_play_frame(ep);
		}
}

static void add(struct metric *m, int64_t *n)
{
	if (*n)
		metric_add(m, *n);
	*n = 0;
}

static void flush_counts(struct worker *w)
{
	struct worker_counts *c = &w->counts;

	add(&media_metrics.packets_in, &c->packets_in);
	add(&media_metrics.packets_out, &c->packets_out);
	add(&media_metrics.bytes_in, &c->bytes_in);
	add(&media_metrics.send_errors, &c->send_errors);
	add(&media_metrics.malformed, &c->malformed);
	add(&media_metrics.refused_source, &c->refused_source);
	add(&media_metrics.refused_payload, &c->refused_payload);
	add(&media_metrics.transcoded, &c->transcoded);
	add(&media_metrics.rtcp_in, &c->rtcp_in);
	add(&media_metrics.rtcp_out, &c->rtcp_out);
	add(&media_metrics.digits, &c->digits);
	add(&media_metrics.recording_dropped, &c->recording_dropped);
	add(&media_metrics.srtp_wrong_tag, &c->srtp_wrong_tag);
	add(&media_metrics.srtp_replayed, &c->srtp_replayed);
	add(&media_metrics.srtp_refused, &c->srtp_refused);
	add(&media_metrics.stale, &c->stale);
}

/* A relayed packet waits for the next look, and that is jitter: so looks follow close while packets are relayed. What is
 * played, or only listened to, does not mind. */
static unsigned ticks_to_next(struct worker *w)
{
	unsigned n = w->relayed, passed = (unsigned)((w->now_us - w->looked_us) / TICK_US);

	w->relayed = 0;
	w->looked_us = w->now_us;
	if (n)
		w->relayed_us = w->now_us;
	if (passed > 1)
		n /= passed;
	if (n >= MANY)
		return 1;
	if (n >= MANY / 2)
		return 2;
	return w->now_us - w->relayed_us < RELAY_US ? FEW_TICKS : IDLE_TICKS;
}

static void sleep_until_next(struct worker *w)
{
	unsigned ticks = ticks_to_next(w);
	int64_t us;

	w->due_us = (w->tick + ticks - 1) * TICK_US;
	us = w->due_us - clock_mono_us();
	w->early = ticks < IDLE_TICKS && us > 0;
	loop_timer_start(&w->tick_timer, us > 0 ? (w->early ? us : us + 999) / 1000 : 0);
}

/* The loop counts in milliseconds: too coarse for ticks of one. */
static void wait_the_rest(int64_t us)
{
	struct timespec t = { .tv_nsec = us * 1000 };

	if (us > 0 && us <= TICK_US)
		(void)nanosleep(&t, NULL);
}

static void tick(void *arg)
{
	struct worker *w = arg;
	int64_t late_us;

	if (w->early)
		wait_the_rest(w->due_us - clock_mono_us());
	w->now_us = clock_mono_us();
	late_us = w->now_us - w->due_us;
	metric_observe_us(&media_metrics.tick_late, late_us > 0 ? late_us : 0);
	if (late_us > STALE_US)
		w->standstills++;
	retry_closing(w);
	run_orders(w);
	drain_sockets(w);
	play_slots(w, w->now_us / TICK_US);
	flush_counts(w);
	send_reports(w);
	priority_look(&w->priority, w->now_us);
	if (!fall_asleep(w))
		sleep_until_next(w);
}

/* ---- the thread ---- */
static void *run(void *arg)
{
	struct worker *w = arg;

	priority_begin(&w->priority, w->engine->params.realtime);
	loop_run(w->loop);
	return NULL;
}

static void init_batch(struct worker *w)
{
	for (unsigned i = 0; i < BATCH; i++) {
		w->iovs[i] = (struct iovec){ w->packets[i], PACKET_MAX };
		w->msgs[i].msg_hdr = (struct msghdr){ .msg_name = &w->froms[i],
						      .msg_namelen = sizeof(w->froms[i]),
						      .msg_iov = &w->iovs[i],
						      .msg_iovlen = 1 };
	}
}

err_t worker_start(struct worker *w, struct engine *engine, unsigned index)
{
	err_t e;

	*w = (struct worker){ .engine = engine, .index = index, .asleep = true, .epoll_fd = -1 };
	w->orders_tail = &w->orders;
	w->reports_tail = &w->reports;
	w->ring = tapes_ring(engine->params.tapes, index);
	init_batch(w);
	pthread_mutex_init(&w->mutex, NULL);
	e = loop_new(&w->loop);
	if (e)
		return e;
	loop_timer_init(&w->tick_timer, w->loop, tick, w);
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (w->epoll_fd < 0)
		return err_from_errno(errno);
	if (pthread_create(&w->thread, NULL, run, w))
		return ERR_EXHAUSTED;
	w->running = true;
	return ERR_OK;
}

void worker_stop(struct worker *w)
{
	if (w->running) {
		loop_stop(w->loop);
		pthread_join(w->thread, NULL);
		run_orders(w);
	}
	while (w->endpoints) {
		struct endpoint *ep = w->endpoints;

		close_endpoint(w, ep);
		mem_free(ep);
	}
	worker_drop_reports(w->reports);
	while (w->closing) { /* tapes_free() ends what did not fit */
		struct closing *c = w->closing;

		w->closing = c->next;
		mem_free(c);
	}
	if (w->epoll_fd >= 0)
		close(w->epoll_fd);
	if (w->engine)
		pthread_mutex_destroy(&w->mutex);
	loop_free(&w->loop);
}
